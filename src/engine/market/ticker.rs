//! Slow public facts merged over time: a field changes only when the market states it.

use crate::engine::event::Ticker;
use crate::engine::time::Ts;

/// Everything the ticker stream has said so far.
#[derive(Clone, Debug, Default)]
pub struct MergedTicker {
    facts: Ticker,
    mark_at: Option<Ts>,
}

impl MergedTicker {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over every field that `news` states.
    pub fn apply(&mut self, at: Ts, news: &Ticker) {
        if news.mark.is_some() {
            self.mark_at = Some(at);
        }
        let facts = &mut self.facts;
        facts.mark = news.mark.or(facts.mark);
        facts.index = news.index.or(facts.index);
        facts.funding_rate = news.funding_rate.or(facts.funding_rate);
        facts.next_funding = news.next_funding.or(facts.next_funding);
        facts.price_24h_ago = news.price_24h_ago.or(facts.price_24h_ago);
    }

    /// The facts; `None` fields were never stated.
    pub const fn facts(&self) -> &Ticker {
        &self.facts
    }

    /// When a mark price was last stated, changed or not.
    pub const fn mark_at(&self) -> Option<Ts> {
        self.mark_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::Price;

    #[test]
    fn absent_fields_keep_their_value() {
        let mut merged = MergedTicker::new();
        let price = |raw| Some(Price::from_raw(raw));
        merged.apply(Ts(1), &Ticker { mark: price(5), index: price(6), ..Ticker::default() });
        merged.apply(Ts(2), &Ticker { index: price(7), ..Ticker::default() });
        assert_eq!((merged.facts().mark, merged.facts().index), (price(5), price(7)));
        assert_eq!(merged.mark_at(), Some(Ts(1)));
        assert_eq!(merged.facts().funding_rate, None);
    }
}
