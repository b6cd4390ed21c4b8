//! An order book as deep as the market gives it: exact prices and sizes, best first, with a validity that is a state.

use serde::{Deserialize, Serialize};

use super::levels::Levels;
use crate::engine::num::{Price, Qty, Side};

/// Levels kept per side. Bybit's deepest linear book has 1000; more would be noise for anything we decide.
pub const DEPTH_MAX: usize = 1000;

/// One price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Level {
    /// Price of the level.
    pub price: Price,
    /// Size resting there; zero in a delta removes the level.
    pub qty: Qty,
}

/// A change of the book.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BookUpdate {
    /// Replace everything (true) or change the listed levels (false).
    pub snapshot: bool,
    /// Changed bids; order does not matter.
    pub bids: Vec<Level>,
    /// Changed asks; order does not matter.
    pub asks: Vec<Level>,
}

/// Whether the book may be read as the market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, Default)]
pub enum BookState {
    /// No snapshot seen yet.
    #[default]
    Missing,
    /// Snapshot and every delta since.
    Valid,
    /// A delta is missing or contradicts the book; wait for a snapshot.
    Gapped,
}

/// Both sides of one instrument's book.
#[derive(Clone, Debug)]
pub struct Book {
    bids: Levels,
    asks: Levels,
    state: BookState,
}

impl Book {
    /// An empty book that waits for its snapshot.
    pub const fn new() -> Self {
        Self { bids: Levels::new(Side::Buy), asks: Levels::new(Side::Sell), state: BookState::Missing }
    }

    /// Applies a change. A delta before the first snapshot is ignored; a crossed result makes the book gapped.
    pub fn apply(&mut self, update: &BookUpdate) {
        if update.snapshot {
            self.bids.clear();
            self.asks.clear();
            self.state = BookState::Valid;
        } else if self.state != BookState::Valid {
            return;
        }
        put(&mut self.bids, &update.bids);
        put(&mut self.asks, &update.asks);
        if let (Some(bid), Some(ask)) = (self.bids.first(), self.asks.first())
            && bid.price >= ask.price
        {
            self.gap();
        }
    }

    /// Marks the book unusable until the next snapshot and forgets its levels.
    pub fn gap(&mut self) {
        self.bids.clear();
        self.asks.clear();
        if self.state == BookState::Valid {
            self.state = BookState::Gapped;
        }
    }

    /// Whether the levels may be read as the market.
    pub const fn state(&self) -> BookState {
        self.state
    }
    /// Bids, best first.
    pub const fn bids(&self) -> &Levels {
        &self.bids
    }
    /// Asks, best first.
    pub const fn asks(&self) -> &Levels {
        &self.asks
    }
    /// The levels that an order on `side` would take: asks for a buy.
    pub const fn opposite(&self, side: Side) -> &Levels {
        match side {
            Side::Buy => &self.asks,
            Side::Sell => &self.bids,
        }
    }
    /// The levels that an order on `side` would join: bids for a buy.
    pub const fn same(&self, side: Side) -> &Levels {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
    /// Best bid and ask, when the book is valid and both sides have a level.
    pub fn best(&self) -> Option<(Level, Level)> {
        match (self.state, self.bids.first(), self.asks.first()) {
            (BookState::Valid, Some(bid), Some(ask)) => Some((bid, ask)),
            _ => None,
        }
    }
    /// Middle of best bid and ask.
    pub fn mid(&self) -> Option<Price> {
        self.best().map(|(bid, ask)| bid.price.midpoint(ask.price))
    }
    /// Size resting at exactly this price on the side that an order on `side` would join.
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        self.same(side).qty_at(price)
    }
    /// Average price in quote currency of taking `qty` against the book, and the worst price touched.
    /// `None` when the displayed depth is not enough.
    pub fn walk(&self, side: Side, qty: Qty) -> Option<(f64, Price)> {
        let mut left = qty;
        let mut paid = 0.0;
        for level in self.opposite(side).iter() {
            let take = left.min(level.qty);
            paid += take.to_f64_lossy() * level.price.to_f64_lossy();
            left = left.saturating_sub(take);
            if left.is_zero() {
                return Some((paid / qty.to_f64_lossy().max(f64::MIN_POSITIVE), level.price));
            }
        }
        None
    }
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

fn put(side: &mut Levels, changed: &[Level]) {
    for level in changed {
        side.set(*level);
        if side.len() > DEPTH_MAX {
            side.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_raw(price), qty: Qty::from_raw(qty) }
    }

    #[test]
    fn deltas_move_levels_and_a_crossed_book_is_gapped() {
        let mut book = Book::new();
        book.apply(&BookUpdate { snapshot: false, bids: vec![level(9, 1)], asks: vec![] });
        assert_eq!(book.state(), BookState::Missing);
        book.apply(&BookUpdate {
            snapshot: true,
            bids: vec![level(8, 2), level(9, 1)],
            asks: vec![level(11, 3), level(10, 4)],
        });
        assert_eq!(book.best(), Some((level(9, 1), level(10, 4))));
        book.apply(&BookUpdate { snapshot: false, bids: vec![level(9, 0)], asks: vec![level(10, 5)] });
        assert_eq!(book.best(), Some((level(8, 2), level(10, 5))));
        assert_eq!(book.qty_at(Side::Buy, Price::from_raw(8)), Qty::from_raw(2));
        assert_eq!(book.walk(Side::Buy, Qty::from_raw(8)).map(|w| w.1), Some(Price::from_raw(11)));
        assert_eq!(book.walk(Side::Buy, Qty::from_raw(9)), None);
        book.apply(&BookUpdate { snapshot: false, bids: vec![level(12, 1)], asks: vec![] });
        assert_eq!((book.state(), book.best()), (BookState::Gapped, None));
    }
}
