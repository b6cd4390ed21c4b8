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
}
