//! The last public trades of one instrument, for the screen and for the last price.

use std::collections::VecDeque;

use crate::engine::event::Trade;
use crate::engine::num::Price;
use crate::engine::snapshot::TradeView;
use crate::engine::time::Ts;

/// Trades kept: more than any pane has rows.
pub const TRADES_MAX: usize = 200;

/// A bounded ring of recent trades.
#[derive(Clone, Debug, Default)]
pub struct Trades {
    /// Oldest first.
    ring: VecDeque<TradeView>,
}

impl Trades {
    /// No trade yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a trade, dropping the oldest beyond [`TRADES_MAX`].
    pub fn on_trade(&mut self, at: Ts, trade: &Trade) {
        if self.ring.len() >= TRADES_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(TradeView { at, price: trade.price, qty: trade.qty, taker: trade.taker });
    }

    /// Puts a trade that was missed into its place; one older than all that is kept is left out where there is no room.
    pub fn on_missed(&mut self, at: Ts, trade: &Trade) {
        let place = self.ring.partition_point(|kept| kept.at <= at);
        if place == 0 && self.ring.len() >= TRADES_MAX {
            return;
        }
        self.ring.insert(place, TradeView { at, price: trade.price, qty: trade.qty, taker: trade.taker });
        if self.ring.len() > TRADES_MAX {
            self.ring.pop_front();
        }
    }

    /// Price of the newest trade.
    pub fn last_price(&self) -> Option<Price> {
        self.ring.back().map(|trade| trade.price)
    }

    /// At most `n` trades, newest first.
    pub fn newest(&self, n: usize) -> Vec<TradeView> {
        self.ring.iter().rev().take(n).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::{Qty, Side};

    #[test]
    fn the_ring_is_bounded_and_newest_comes_first() {
        let mut trades = Trades::new();
        assert_eq!(trades.last_price(), None);
        for n in 1..=300 {
            let trade = Trade { price: Price::from_raw(n), qty: Qty::from_raw(1), taker: Side::Buy };
            trades.on_trade(Ts(n), &trade);
        }
        assert_eq!(trades.last_price(), Some(Price::from_raw(300)));
        let shown = trades.newest(1_000);
        assert_eq!(shown.len(), TRADES_MAX);
        assert_eq!((shown[0].at, shown[199].at), (Ts(300), Ts(101)));
    }

    #[test]
    fn a_missed_trade_stands_in_its_place() {
        let mut trades = Trades::new();
        let trade = |n| Trade { price: Price::from_raw(n), qty: Qty::from_raw(1), taker: Side::Buy };
        trades.on_trade(Ts(10), &trade(10));
        trades.on_trade(Ts(40), &trade(40));
        trades.on_missed(Ts(20), &trade(20));
        trades.on_missed(Ts(30), &trade(30));
        assert_eq!(trades.newest(9).iter().map(|t| t.at.0).collect::<Vec<_>>(), [40, 30, 20, 10]);
        for n in 41..=300 {
            trades.on_trade(Ts(n), &trade(n));
        }
        trades.on_missed(Ts(1), &trade(1));
        assert_eq!((trades.newest(1_000).len(), trades.newest(1_000)[TRADES_MAX - 1].at), (TRADES_MAX, Ts(101)));
    }
}
