//! One instrument as the second bookkeeper sees it: a position and a book of its own.

use std::collections::BTreeMap;

use super::ratio::{Ratio, price, zero};
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty, Side};

/// One instrument's position, and its book as displayed.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) held: Ratio,
    pub(super) cost: Ratio,
    /// Everything ever paid for buys less everything ever received for sells.
    pub(super) spent: Ratio,
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    taken_bids: BTreeMap<Price, Qty>,
    taken_asks: BTreeMap<Price, Qty>,
    pub(super) ticker_mark: Option<Price>,
    mid: Option<Price>,
    pub(super) open: bool,
}

impl Place {
    /// Nothing held, nothing displayed.
    pub(super) fn empty() -> Self {
        Self {
            held: zero(),
            cost: zero(),
            spent: zero(),
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            taken_bids: BTreeMap::new(),
            taken_asks: BTreeMap::new(),
            ticker_mark: None,
            mid: None,
            open: false,
        }
    }
    pub(super) fn mark(&self) -> Option<Price> {
        self.ticker_mark.or(self.mid)
    }
    pub(super) fn signed_notional(&self) -> Ratio {
        match self.mark() {
            Some(mark) => &self.held * price(mark),
            None if self.held < zero() => -self.cost.clone(),
            None => self.cost.clone(),
        }
    }
    /// What is displayed for an order on this side, best first.
    pub(super) fn offers(&self, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let level = |(price, qty): (&Price, &Qty)| Level { price: *price, qty: *qty };
        match side {
            Side::Buy => Box::new(self.asks.iter().map(level)),
            Side::Sell => Box::new(self.bids.iter().rev().map(level)),
        }
    }
    pub(super) fn shown(&self, side: Side, at: Price) -> Qty {
        let levels = if side == Side::Buy { &self.asks } else { &self.bids };
        levels.get(&at).copied().unwrap_or(Qty::ZERO)
    }
    pub(super) fn taken(&self, side: Side, at: Price) -> Qty {
        let taken = if side == Side::Buy { &self.taken_asks } else { &self.taken_bids };
        taken.get(&at).copied().unwrap_or(Qty::ZERO)
    }
    pub(super) fn taken_mut(&mut self, side: Side) -> &mut BTreeMap<Price, Qty> {
        if side == Side::Buy { &mut self.taken_asks } else { &mut self.taken_bids }
    }
    pub(super) fn gap(&mut self) {
        self.open = false;
        for levels in [&mut self.bids, &mut self.asks, &mut self.taken_bids, &mut self.taken_asks] {
            levels.clear();
        }
    }
    pub(super) fn book(&mut self, update: &BookUpdate) {
        if !update.snapshot && !self.open {
            return;
        }
        let sides = [
            (&mut self.bids, &mut self.taken_bids, &update.bids),
            (&mut self.asks, &mut self.taken_asks, &update.asks),
        ];
        for (levels, taken, named) in sides {
            let before = levels.clone();
            if update.snapshot {
                levels.clear();
            } else {
                for level in named {
                    taken.remove(&level.price);
                }
            }
            levels.extend(named.iter().map(|level| (level.price, level.qty)));
            levels.retain(|_, qty| !qty.is_zero());
            taken.retain(|price, _| {
                levels.contains_key(price) && (!update.snapshot || levels.get(price) == before.get(price))
            });
        }
        self.open = true;
        if let (Some((bid, _)), Some((ask, _))) = (self.bids.last_key_value(), self.asks.first_key_value()) {
            if bid >= ask {
                return self.gap();
            }
            self.mid = Some(Price::from_raw((bid.raw() + ask.raw()).div_euclid(2)));
        }
    }
}
