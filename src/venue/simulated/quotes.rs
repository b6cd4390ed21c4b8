//! The book of one simulated instrument in whole ticks and whole steps, and the record of what changed in it.
//!
//! A level is addressed by its side and a *key* that grows away from the touch: the tick itself for asks, its
//! negative for bids. So the best level of either side is the smallest key, and the model needs no mirror code.

use std::collections::BTreeMap;

use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty};

/// Index of the bid side.
pub(super) const BID: usize = 0;
/// Index of the ask side.
pub(super) const ASK: usize = 1;
/// No order or cancel takes a side below this many levels.
pub(super) const FLOOR: usize = 60;

/// Both sides of a book. Never crossed and never empty: [`Quotes::set`] refuses what would make it so.
pub(super) struct Quotes {
    sides: [BTreeMap<i64, i64>; 2],
    best: [i64; 2],
    touched: Vec<(usize, i64)>,
}

impl Quotes {
    /// A book with one level of `size` steps on each side of the gap between `bid` and `bid + 1` ticks.
    pub(super) fn new(bid: i64, size: i64) -> Self {
        let best = [-bid, bid + 1];
        Self { sides: best.map(|key| BTreeMap::from([(key, size)])), best, touched: Vec::new() }
    }
    /// Key of the best level.
    pub(super) const fn best(&self, side: usize) -> i64 {
        self.best[side]
    }
    /// Steps at a key; zero where nothing rests.
    pub(super) fn at(&self, side: usize, key: i64) -> i64 {
        self.sides[side].get(&key).copied().unwrap_or(0)
    }
    /// Steps at the best level.
    pub(super) fn top(&self, side: usize) -> i64 {
        self.at(side, self.best[side])
    }
    /// Number of levels of a side.
    pub(super) fn depth(&self, side: usize) -> usize {
        self.sides[side].len()
    }
    /// Best ask minus best bid in ticks, at least one.
    pub(super) const fn spread(&self) -> i64 {
        self.best[ASK] + self.best[BID]
    }
    /// Middle of the best prices in ticks.
    pub(super) fn mid(&self) -> f64 {
        (self.best[ASK] - self.best[BID]) as f64 * 0.5
    }
    /// Puts `size` steps at a key, zero to remove. Ignored where it would cross or empty the book.
    pub(super) fn set(&mut self, side: usize, key: i64, size: i64) {
        if size <= 0 {
            if self.sides[side].len() <= 1 || self.sides[side].remove(&key).is_none() {
                return;
            }
        } else {
            let tick = if side == ASK { key } else { -key };
            if key + self.best[1 - side] < 1 || tick < 1 {
                return;
            }
            self.sides[side].insert(key, size);
        }
        self.touched.push((side, key));
        if let Some((key, _)) = self.sides[side].first_key_value() {
            self.best[side] = *key;
        }
    }
    /// Keys of a side beyond `edge`.
    pub(super) fn beyond(&self, side: usize, edge: i64) -> impl Iterator<Item = i64> + use<> {
        let keys: Vec<i64> = self.sides[side].range(edge + 1..).map(|(key, _)| *key).collect();
        keys.into_iter()
    }
    /// What changed since the last call, best or deep, as levels with their present size; `None` if nothing did.
    pub(super) fn take_changes(&mut self, tick: Price, step: Qty) -> Option<BookUpdate> {
        if self.touched.is_empty() {
            return None;
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut update = BookUpdate { snapshot: false, bids: Vec::new(), asks: Vec::new() };
        for (side, key) in touched.drain(..) {
            let level = level(side, key, self.at(side, key), tick, step);
            if side == BID { update.bids.push(level) } else { update.asks.push(level) }
        }
        self.touched = touched;
        Some(update)
    }
    /// Everything, best first.
    pub(super) fn snapshot(&mut self, tick: Price, step: Qty) -> BookUpdate {
        self.touched.clear();
        let all = |side: usize| self.sides[side].iter().map(|(k, n)| level(side, *k, *n, tick, step)).collect();
        BookUpdate { snapshot: true, bids: all(BID), asks: all(ASK) }
    }
}

fn level(side: usize, key: i64, size: i64, tick: Price, step: Qty) -> Level {
    let ticks = if side == ASK { key } else { -key };
    Level { price: Price::from_raw(ticks * tick.raw()), qty: Qty::from_raw(size * step.raw()) }
}
