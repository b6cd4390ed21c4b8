//! An order book as deep as the market gives it: exact prices and sizes, best first, with a validity that is a state.

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Best first: falling prices.
    bids: Vec<Level>,
    /// Best first: rising prices.
    asks: Vec<Level>,
    state: BookState,
}

impl Book {
    /// An empty book that waits for its snapshot.
    pub fn new() -> Self {
        Self::default()
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
        for level in &update.bids {
            set_level(&mut self.bids, *level, Side::Buy);
        }
        for level in &update.asks {
            set_level(&mut self.asks, *level, Side::Sell);
        }
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
    pub fn bids(&self) -> &[Level] {
        &self.bids
    }
    /// Asks, best first.
    pub fn asks(&self) -> &[Level] {
        &self.asks
    }
    /// The levels that an order on `side` would take: asks for a buy.
    pub fn opposite(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.asks,
            Side::Sell => &self.bids,
        }
    }
    /// The levels that an order on `side` would join: bids for a buy.
    pub fn same(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
    /// Best bid and ask, when the book is valid and both sides have a level.
    pub fn best(&self) -> Option<(Level, Level)> {
        match (self.state, self.bids.first(), self.asks.first()) {
            (BookState::Valid, Some(bid), Some(ask)) => Some((*bid, *ask)),
            _ => None,
        }
    }
    /// Middle of best bid and ask.
    pub fn mid(&self) -> Option<Price> {
        self.best().map(|(bid, ask)| bid.price.midpoint(ask.price))
    }
    /// Size resting at exactly this price on the side that an order on `side` would join.
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        let levels = self.same(side);
        search(levels, price, side).map_or(Qty::ZERO, |at| levels[at].qty)
    }
    /// Average price in quote currency of taking `qty` against the book, and the worst price touched.
    /// `None` when the displayed depth is not enough.
    pub fn walk(&self, side: Side, qty: Qty) -> Option<(f64, Price)> {
        let mut left = qty;
        let mut paid = 0.0;
        for level in self.opposite(side) {
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

/// Where `price` is in `levels` (best first for `side`), or where it would go.
fn search(levels: &[Level], price: Price, side: Side) -> Result<usize, usize> {
    match side {
        Side::Buy => levels.binary_search_by(|l| price.cmp(&l.price)),
        Side::Sell => levels.binary_search_by(|l| l.price.cmp(&price)),
    }
}

fn set_level(levels: &mut Vec<Level>, level: Level, side: Side) {
    match (search(levels, level.price, side), level.qty.is_zero()) {
        (Ok(at), true) => {
            levels.remove(at);
        }
        (Ok(at), false) => levels[at].qty = level.qty,
        (Err(_), true) => {}
        (Err(at), false) => {
            if at < DEPTH_MAX {
                levels.insert(at, level);
                levels.truncate(DEPTH_MAX);
            }
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
