//! Stops and take-profits that the venue keeps for a position: triggered by mark (the book's middle where there is no mark),
//! closing all of it against the book, whatever becomes of whoever set them.
//!
//! What a triggered one does not find in the book it takes from the next: it errs against us, as a market order would.

use super::{Desk, Execution};
use crate::engine::account::Holding;
use crate::engine::effect::{NewOrder, Protection, Purpose};
use crate::engine::event::{AccountUpdate, Protective};
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Side};
use crate::engine::time::Ts;
use crate::venue::paper::VenueReport;
use crate::venue::paper::market::Market;

/// Ids of the two orders that a position can have.
const STOP: &str = "stop";
const TAKE_PROFIT: &str = "take-profit";

impl Desk {
    /// What protects a position.
    fn levels(&self, symbol: Symbol) -> Protection {
        self.protection.get(symbol.index()).copied().unwrap_or_default()
    }

    fn set_levels(&mut self, symbol: Symbol, levels: Protection) {
        let Some(place) = self.protection.get_mut(symbol.index()).filter(|place| **place != levels) else { return };
        *place = levels;
        self.reports.push(VenueReport::Account(AccountUpdate::Protection { symbol, protection: levels }));
    }

    /// An order that carries protection traded: it is the position's from now on.
    pub(super) fn attach(&mut self, order: &NewOrder) {
        let held = self.holdings.get(order.symbol.index());
        if held.and_then(Holding::side) == Some(order.side) {
            self.cover(order.symbol, order.protection);
        }
    }

    /// Asked for by itself. One that would trigger at once, or for a position that is not there, is refused: the statement
    /// shows it.
    pub(in super::super) fn protect(&mut self, symbol: Symbol, asked: Protection) {
        let Some(side) = self.holdings.get(symbol.index()).and_then(Holding::side) else { return };
        let Some(mark) = self.market(symbol).and_then(Market::mark) else { return };
        if misplaced(side, mark, asked).is_none() {
            self.cover(symbol, asked);
        }
    }

    fn cover(&mut self, symbol: Symbol, asked: Protection) {
        let now = self.levels(symbol);
        let levels = Protection { stop: asked.stop.or(now.stop), take_profit: asked.take_profit.or(now.take_profit) };
        self.set_levels(symbol, levels);
    }

    /// A protective order is cancelled.
    pub(in super::super) fn cancel_by_id(&mut self, symbol: Symbol, order: &str) {
        let now = self.levels(symbol);
        match order {
            STOP => self.set_levels(symbol, Protection { stop: None, ..now }),
            TAKE_PROFIT => self.set_levels(symbol, Protection { take_profit: None, ..now }),
            _ => {}
        }
    }

    /// A price has moved: a level that is reached closes the position.
    pub(super) fn trigger(&mut self, at: Ts, symbol: Symbol) {
        let levels = self.levels(symbol);
        let Some(held) = self.holdings.get(symbol.index()).filter(|_| levels != Protection::default()) else { return };
        let (Some(side), Some(mark)) = (held.side(), self.market(symbol).and_then(Market::mark)) else { return };
        let want = held.qty();
        let reached = |level: Option<Price>, falling: bool| {
            level.is_some_and(|level| if falling { mark <= level } else { mark >= level })
        };
        let purpose = if reached(levels.stop, side == Side::Buy) {
            Purpose::Stop
        } else if reached(levels.take_profit, side == Side::Sell) {
            Purpose::TakeProfit
        } else {
            return;
        };
        let side = side.opposite();
        let limit = if side == Side::Buy { Price::MAX } else { Price::ZERO };
        let Some(market) = self.market_mut(symbol) else { return };
        for level in market.take(side, limit, want) {
            let fill = self.execute(at, &Execution { symbol, side, price: level.price, qty: level.qty, maker: false });
            self.reports.push(VenueReport::Account(AccountUpdate::Protected { symbol, side, fill, purpose }));
        }
        self.settle_resting(symbol);
    }

    /// What protects each open position, and the orders that do.
    pub(super) fn stated_protection(&self) -> (Vec<(Symbol, Protection)>, Vec<Protective>) {
        let open = self.holdings.iter().filter_map(|held| Some((held, held.side()?)));
        let levels = open.clone().map(|(held, _)| (held.symbol, self.levels(held.symbol))).collect();
        let orders = open.flat_map(|(held, side)| {
            let Protection { stop, take_profit } = self.levels(held.symbol);
            let order = move |id: &str, purpose, trigger| Protective {
                symbol: held.symbol,
                order: id.to_owned(),
                purpose,
                side: side.opposite(),
                trigger,
                qty: held.qty(),
            };
            let stop = stop.map(|trigger| order(STOP, Purpose::Stop, trigger));
            stop.into_iter().chain(take_profit.map(|trigger| order(TAKE_PROFIT, Purpose::TakeProfit, trigger)))
        });
        (levels, orders.collect())
    }
}

/// Why levels are refused that stand on the wrong side of a price; `None` when they may stand.
pub(in super::super) fn misplaced(side: Side, price: Price, levels: Protection) -> Option<String> {
    let better = |level: Price| if side == Side::Buy { level > price } else { level < price };
    let word = |higher: bool| if higher == (side == Side::Buy) { "higher" } else { "lower" };
    if let Some(stop) = levels.stop.filter(|stop| better(*stop) || *stop == price) {
        return Some(format!("the stop {stop} must be {} than {price}", word(false)));
    }
    let take_profit = levels.take_profit.filter(|target| !better(*target))?;
    Some(format!("the take-profit {take_profit} must be {} than {price}", word(true)))
}
