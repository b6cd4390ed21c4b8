//! Rows of bars: one at the end of every closed minute, labelled by the closes that follow.

use super::dataset::{Row, labelled};
use crate::engine::event::MarketData;
use crate::engine::features::bars::{MINUTE, MINUTES};
use crate::engine::features::{FeatureState, Set};
use crate::engine::market::book::Book;
use crate::engine::time::{Span, Ts};

/// Follows the minutes of one instrument of one source.
pub(super) struct Minutes {
    from: Ts,
    features: FeatureState,
    last: Option<Ts>,
    /// Rows since the last hole, not labelled yet.
    open: Vec<Row>,
    /// Ends and closes of the minutes since the last hole.
    closes: Vec<(Ts, f64)>,
    done: Vec<Row>,
}

impl Minutes {
    /// One that looks at features from a moment on only.
    pub(super) fn from(from: Ts) -> Self {
        Self { from, features: FeatureState::new(), last: None, open: Vec::new(), closes: Vec::new(), done: Vec::new() }
    }

    pub(super) fn on_market(&mut self, at: Ts, event: &MarketData) {
        // What waits in the book is told to nobody here.
        if !matches!(event, MarketData::Trade(_) | MarketData::Bar(_) | MarketData::Gap) || at < self.from {
            return;
        }
        let last = self.last.unwrap_or(at);
        let at = at.max(last);
        // Each minute that closed before it, one after the other as live; after a long silence those that are kept.
        let long_ago = at - Span(MINUTE.0 * MINUTES as i64);
        let mut end = last.max(long_ago).floor_to(MINUTE) + MINUTE;
        while end <= at && end < end + MINUTE {
            self.look(end);
            end = end + MINUTE;
        }
        self.features.on_market(at, event, &Book::new());
        self.look(at);
        self.last = Some(at);
    }

    /// Takes the minute that closed last, where it is a new one.
    fn look(&mut self, at: Ts) {
        self.features.close_minutes(at);
        let Some((end, close)) = self.features.newest_bar() else { return self.close() };
        // What another run handed on of the running minute is no closed one yet.
        if end > at {
            return;
        }
        match self.closes.last() {
            Some((before, _)) if end <= *before => return,
            Some((before, _)) if end.since(*before) != MINUTE => self.close(),
            _ => {}
        }
        self.closes.push((end, close));
        if let Some(bars) = self.features.bars(at).filter(|bars| bars.closed == end) {
            self.open.push(Row::unlabelled(end, bars.values, f32::NAN));
        }
    }

    /// A hole, or the end: labels the open rows with what is known and starts anew.
    fn close(&mut self) {
        let end = self.closes.last().map_or(Ts(0), |(end, _)| *end);
        self.done.extend(self.open.drain(..).map(|row| labelled(row, &self.closes, end, Set::Bars)));
        self.closes.clear();
    }

    /// All rows.
    pub(super) fn watched(mut self) -> Vec<Row> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::Bar;
    use crate::engine::num::{Price, Qty};

    fn bar(n: i64) -> (Ts, MarketData) {
        let (start, price) = (Ts(n * MINUTE.0), |n: i64| Price::from_raw(1_000_000 + n * n % 17 * 100));
        let (open, close) = (price(n - 1), price(n));
        let (high, low) = (open.max(close), open.min(close));
        let bar = Bar { start, span: MINUTE, open, high, low, close, volume: Qty::from_raw(10 + n % 3) };
        (start + MINUTE, MarketData::Bar(bar))
    }

    fn rows(minutes: impl Iterator<Item = i64>) -> Vec<Row> {
        let mut recorder = Minutes::from(Ts(0));
        minutes.map(bar).for_each(|(at, bar)| recorder.on_market(at, &bar));
        recorder.watched()
    }

    #[test]
    fn every_minute_with_a_history_is_a_row_and_its_label_is_the_move_to_a_later_close() {
        let found = rows(0..100);
        assert_eq!((found.len(), found[0].at), (70, Ts(31 * MINUTE.0)));
        let close = |n: i64| 1_000_000.0 + (n * n % 17 * 100) as f64;
        for (n, row) in (30..).zip(&found) {
            for (place, (minutes, late)) in
                [(1, false), (5, false), (15, false), (1, true), (5, true)].into_iter().enumerate()
            {
                let from = n + i64::from(late);
                let expected =
                    (from + minutes <= 99).then(|| ((close(from + minutes) / close(from) - 1.0) * 1e4) as f32);
                let told = if late { row.late[place - 3] } else { row.moves[place] };
                assert!(
                    expected.map_or(told.is_nan(), |expected| (told - expected).abs() < 1e-3),
                    "{n} {minutes} {late} {told} {expected:?}"
                );
            }
        }
    }

    #[test]
    fn over_a_hole_nothing_is_known_and_rows_begin_again() {
        let found = rows((0..50).chain(60..120));
        let before: Vec<&Row> = found.iter().filter(|row| row.at <= Ts(50 * MINUTE.0)).collect();
        assert_eq!((before.len(), found.len() - before.len()), (20, 30));
        assert!(before.iter().rev().take(5).all(|row| row.moves[1].is_nan()) && before[0].moves[1].is_finite());
    }
}
