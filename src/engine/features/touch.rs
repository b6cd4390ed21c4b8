//! What the families read from a book after an update, computed once.

use crate::engine::market::book::Book;
use crate::engine::market::levels::Levels;

/// Levels summed for each depth imbalance.
pub(super) const DEPTHS: [usize; 3] = [5, 10, 25];

/// The top of a valid book. Prices and sizes are floats in the raw unit 1e-9: only ratios leave this module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Touch {
    pub(super) bid: f64,
    pub(super) bid_qty: f64,
    pub(super) ask: f64,
    pub(super) ask_qty: f64,
    pub(super) mid: f64,
    pub(super) spread: f64,
    /// Spread over mid in basis points.
    pub(super) spread_bps: f64,
    /// Sums of size over the first [`DEPTHS`] levels: bids, asks.
    pub(super) depth: [(f64, f64); DEPTHS.len()],
    /// Size-weighted mean price of the first five levels: bids, asks.
    pub(super) mean5: (f64, f64),
}

impl Touch {
    /// `None` when the book is not valid, one-sided, or quotes a price that is not positive.
    pub(super) fn of(book: &Book) -> Option<Self> {
        let (best_bid, best_ask) = book.best()?;
        let (bid, ask) = (best_bid.price.raw() as f64, best_ask.price.raw() as f64);
        if bid <= 0.0 || ask <= bid {
            return None;
        }
        let (mid, spread) = (f64::midpoint(bid, ask), ask - bid);
        let (bids, asks) = (Side::of(book.bids()), Side::of(book.asks()));
        let mut depth = [(0.0, 0.0); DEPTHS.len()];
        for (slot, (bids, asks)) in depth.iter_mut().zip(bids.depth.into_iter().zip(asks.depth)) {
            *slot = (bids, asks);
        }
        Some(Self {
            bid,
            bid_qty: best_bid.qty.raw() as f64,
            ask,
            ask_qty: best_ask.qty.raw() as f64,
            mid,
            spread,
            spread_bps: spread / mid * 1e4,
            depth,
            mean5: (bids.mean5.unwrap_or(bid), asks.mean5.unwrap_or(ask)),
        })
    }

    /// `(bid size - ask size) / (bid size + ask size)` at the best level.
    pub(super) fn imbalance(&self) -> f64 {
        super::ratio(self.bid_qty - self.ask_qty, self.bid_qty + self.ask_qty)
    }
}

/// Sums over one side of the book.
struct Side {
    depth: [f64; DEPTHS.len()],
    mean5: Option<f64>,
}

impl Side {
    fn of(levels: &Levels) -> Self {
        let mut side = Self { depth: [0.0; DEPTHS.len()], mean5: None };
        let mut levels = levels.iter();
        let (mut from, mut sum, mut value) = (0, 0.0, 0.0);
        for (slot, to) in side.depth.iter_mut().zip(DEPTHS) {
            for level in levels.by_ref().take(to - from) {
                sum += level.qty.raw() as f64;
                if from == 0 {
                    value += level.qty.raw() as f64 * level.price.raw() as f64;
                }
            }
            if from == 0 && sum > 0.0 {
                side.mean5 = Some(value / sum);
            }
            *slot = sum;
            from = to;
        }
        side
    }
}
