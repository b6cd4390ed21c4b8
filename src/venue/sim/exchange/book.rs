//! The book that the market displays, less what orders of ours took from it.

use std::collections::BTreeMap;

use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty, Side};

/// Both sides of one displayed book. What was taken stays away until the feed states that level again.
#[derive(Debug, Default)]
pub struct Displayed {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    /// Whether a snapshot came since the start or the last gap.
    whole: bool,
}

impl Displayed {
    /// Applies what the feed says, every price moved by `shift` (1e-9).
    pub fn apply(&mut self, update: &BookUpdate, shift: i64) {
        if update.snapshot {
            self.bids.clear();
            self.asks.clear();
            self.whole = true;
        } else if !self.whole {
            return;
        }
        for (levels, side) in [(&update.bids, Side::Buy), (&update.asks, Side::Sell)] {
            for level in levels {
                let price = Price::from_raw(level.price.raw().saturating_add(shift));
                self.set(side, price, level.qty);
            }
        }
    }

    /// Forgets everything until the next snapshot.
    pub fn gap(&mut self) {
        *self = Self::default();
    }

    /// Moves every level by `by` (1e-9).
    pub fn shift(&mut self, by: i64) {
        for levels in [&mut self.bids, &mut self.asks] {
            let moved = std::mem::take(levels).into_iter();
            *levels = moved.map(|(price, qty)| (Price::from_raw(price.raw().saturating_add(by)), qty)).collect();
        }
    }

    fn set(&mut self, side: Side, price: Price, qty: Qty) {
        let levels = self.side_mut(side);
        if qty.is_zero() || price <= Price::ZERO {
            levels.remove(&price);
        } else {
            levels.insert(price, qty);
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Price, Qty> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// At most `n` levels of a side, best first.
    pub fn levels(&self, side: Side, n: usize) -> Vec<Level> {
        let level = |(price, qty): (&Price, &Qty)| Level { price: *price, qty: *qty };
        match side {
            Side::Buy => self.bids.iter().rev().take(n).map(level).collect(),
            Side::Sell => self.asks.iter().take(n).map(level).collect(),
        }
    }

    /// The best level of a side.
    pub fn best(&self, side: Side) -> Option<Level> {
        self.levels(side, 1).first().copied()
    }

    /// Middle of best bid and best ask.
    pub fn mid(&self) -> Option<Price> {
        Some(self.best(Side::Buy)?.price.midpoint(self.best(Side::Sell)?.price))
    }

    /// Size at this price on the side that an order on `side` would join; `None` outside the displayed range.
    pub fn queue_at(&self, side: Side, price: Price) -> Option<Qty> {
        let (levels, in_sight) = match side {
            Side::Buy => (&self.bids, self.bids.first_key_value().is_some_and(|(worst, _)| price >= *worst)),
            Side::Sell => (&self.asks, self.asks.last_key_value().is_some_and(|(worst, _)| price <= *worst)),
        };
        in_sight.then(|| levels.get(&price).copied().unwrap_or_default())
    }

    /// What an order on `side` could trade at `limit` or better.
    pub fn within(&self, side: Side, limit: Price) -> Qty {
        self.reachable(side, limit).map(|(_, qty)| *qty).sum()
    }

    /// Takes up to `qty` for an order on `side` at `limit` or better, best price first.
    pub fn take(&mut self, side: Side, limit: Price, qty: Qty) -> Vec<Level> {
        let mut left = qty;
        let mut taken = Vec::new();
        for (price, there) in self.reachable(side, limit) {
            if left.is_zero() {
                break;
            }
            let part = left.min(*there);
            left = left.saturating_sub(part);
            taken.push(Level { price: *price, qty: part });
        }
        for level in &taken {
            let levels = self.side_mut(side.opposite());
            let rest = levels.get(&level.price).copied().unwrap_or_default().saturating_sub(level.qty);
            self.set(side.opposite(), level.price, rest);
        }
        taken
    }

    fn reachable(&self, side: Side, limit: Price) -> Box<dyn Iterator<Item = (&Price, &Qty)> + '_> {
        match side {
            Side::Buy => Box::new(self.asks.iter().take_while(move |(price, _)| **price <= limit)),
            Side::Sell => Box::new(self.bids.iter().rev().take_while(move |(price, _)| **price >= limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_raw(price), qty: Qty::from_raw(qty) }
    }

    fn book() -> Displayed {
        let mut book = Displayed::default();
        let bids = vec![level(99, 5), level(98, 5)];
        book.apply(&BookUpdate { snapshot: true, bids, asks: vec![level(101, 3), level(102, 4)] }, 0);
        book
    }

    #[test]
    fn what_was_taken_stays_away_until_the_feed_renews_the_level() {
        let mut book = book();
        assert_eq!(book.take(Side::Buy, Price::from_raw(101), Qty::from_raw(2)), [level(101, 2)]);
        assert_eq!(book.within(Side::Buy, Price::from_raw(102)), Qty::from_raw(5));
        book.apply(&BookUpdate { snapshot: false, bids: vec![], asks: vec![level(102, 9)] }, 0);
        assert_eq!(book.best(Side::Sell), Some(level(101, 1)));
        book.apply(&BookUpdate { snapshot: false, bids: vec![], asks: vec![level(101, 3)] }, 0);
        assert_eq!(book.best(Side::Sell), Some(level(101, 3)));
    }

    #[test]
    fn a_level_out_of_sight_is_unknown_and_one_in_sight_may_be_empty() {
        let book = book();
        assert_eq!(book.queue_at(Side::Buy, Price::from_raw(99)), Some(Qty::from_raw(5)));
        assert_eq!(book.queue_at(Side::Buy, Price::from_raw(100)), Some(Qty::ZERO));
        assert_eq!(book.queue_at(Side::Buy, Price::from_raw(97)), None);
    }

    #[test]
    fn a_gap_hides_the_book_until_a_snapshot_and_a_shift_moves_it() {
        let mut book = book();
        book.shift(-10);
        assert_eq!(book.best(Side::Buy), Some(level(89, 5)));
        book.gap();
        book.apply(&BookUpdate { snapshot: false, bids: vec![level(1, 1)], asks: vec![] }, 0);
        assert!(book.best(Side::Buy).is_none());
    }
}
