//! The picture of an engine that says nothing: every value in it is as old as the silence, and is drawn so.

use crate::engine::snapshot::{Freshness, Snapshot};
use crate::engine::time::Span;

/// The same picture, this much later.
pub fn aged(picture: &Snapshot, by: Span) -> Snapshot {
    let mut old = picture.clone();
    for row in &mut old.markets {
        row.last = later(row.last, by);
        row.age = row.age.map(|age| age + by);
    }
    for row in &mut old.signals {
        row.probs = later(row.probs, by);
        row.age = row.age.map(|age| age + by);
    }
    for row in &mut old.positions {
        row.mark = later(row.mark, by);
    }
    if let Some(focus) = &mut old.focus {
        focus.mark = later(focus.mark, by);
    }
    old
}

const fn later<T: Copy>(value: Freshness<T>, by: Span) -> Freshness<T> {
    match value {
        Freshness::Missing => Freshness::Missing,
        Freshness::Fresh(value) => Freshness::Stale { value, age: by },
        Freshness::Stale { value, age } => Freshness::Stale { value, age: Span(age.0.saturating_add(by.0)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_silent_engine_is_fresh() {
        let by = Span::from_ms(3_000);
        assert_eq!(later(Freshness::Fresh(7), by), Freshness::Stale { value: 7, age: by });
        let older = Freshness::Stale { value: 7, age: Span::from_ms(4_000) };
        assert_eq!(later(Freshness::Stale { value: 7, age: Span::from_ms(1_000) }, by), older);
        assert_eq!(later(Freshness::<i32>::Missing, by), Freshness::Missing);
    }
}
