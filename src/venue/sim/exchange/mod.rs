//! The exchange itself: instruments, orders, matching, positions, money. Pure and synchronous: time comes in as an
//! argument, ids from a seed, market data from a feed; nothing here knows of sockets or JSON.
//!
//! Orders of ours trade against the book that the feed displays and never against each other. A resting order trades
//! when a print goes through its price, when a print at its price is larger than what was displayed before it, or when
//! the displayed book crosses it: never earlier than a real queue would allow.

pub mod account;
pub mod book;
mod ids;
pub mod market;
mod matching;
pub mod model;
pub mod orders;
mod place;
pub mod protect;

use std::collections::VecDeque;

use account::Account;
use ids::Ids;
use market::Market;
use model::{Execution, Kind, NewOrder, News, Order, OrderNo, Position, Protection, Refusal, Slot, Status, Tif};
use orders::Orders;

use crate::engine::event::{MarketData, Trade};
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::Ts;

pub use place::Amend;

/// The exchange.
#[derive(Debug)]
pub struct Exchange {
    /// Instruments, in [`Symbol`] order.
    pub markets: Vec<Market>,
    /// The account.
    pub account: Account,
    /// Orders.
    pub orders: Orders,
    /// Executions, oldest first.
    pub executions: VecDeque<Execution>,
    /// Largest part of the displayed size that one order may take, in whole percent; below 100 makes partial fills.
    pub fill_percent: u8,
    /// Resting reduce-only orders take their part of the position away from the next one.
    pub reduce_only_counts: bool,
    /// So many of the next orders are accepted and then rejected.
    pub late_rejects: u32,
    news: Vec<News>,
    ids: Ids,
    now: Ts,
}

impl Exchange {
    /// An exchange with these instruments and one account with this balance.
    pub fn new(instruments: Vec<Instrument>, balance: Money, seed: u64) -> Self {
        Self {
            markets: instruments.into_iter().map(Market::new).collect(),
            account: Account::new(100_000 + seed % 900_000, balance),
            orders: Orders::default(),
            executions: VecDeque::new(),
            fill_percent: 100,
            reduce_only_counts: false,
            late_rejects: 0,
            news: Vec::new(),
            ids: Ids::new(seed),
            now: Ts(0),
        }
    }

    /// Lets time pass: funding, premium samples, triggers by mark, liquidation.
    pub fn advance(&mut self, now: Ts) {
        self.now = self.now.max(now);
        for market in &mut self.markets {
            market.sample(now);
        }
        self.settle_funding();
        self.liquidate_if_due();
    }

    /// Takes news of the feed.
    pub fn market(&mut self, at: Ts, symbol: Symbol, data: &MarketData) {
        self.now = self.now.max(at);
        let Some(market) = self.markets.get_mut(symbol.index()) else { return };
        let print = market.apply(at, data, &mut self.ids);
        match print {
            Some(trade) => {
                self.print_reaches(symbol, &trade);
                self.trigger(symbol);
            }
            None if matches!(data, MarketData::Book(_)) => self.book_reaches(symbol),
            None => self.trigger(symbol),
        }
    }

    /// Moves an instrument's whole market by `rate` at once, with a print, as a crash does.
    pub fn displace(&mut self, symbol: Symbol, rate: Rate) {
        let Some(market) = self.markets.get_mut(symbol.index()) else { return };
        market.displace(rate);
        let side = if rate < Rate::ZERO { Side::Sell } else { Side::Buy };
        let Some(touch) = market.book.best(side.opposite()) else { return };
        let trade = Trade { price: touch.price, qty: touch.qty, taker: side };
        let now = self.now;
        if let Some(market) = self.markets.get_mut(symbol.index()) {
            market.print(now, trade, false, &mut self.ids);
        }
        self.print_reaches(symbol, &trade);
        self.book_reaches(symbol);
        self.trigger(symbol);
        self.liquidate_if_due();
    }

    /// Prints a trade inside the spread of an order that no book shows (O7).
    pub fn print_inside(&mut self, symbol: Symbol) {
        let now = self.now;
        let Some(market) = self.markets.get_mut(symbol.index()) else { return };
        let Some(mid) = market.book.mid() else { return };
        let trade = Trade { price: market.rules.tick_down(mid), qty: market.rules.min_qty, taker: Side::Buy };
        market.print(now, trade, true, &mut self.ids);
    }

    /// What the private streams have to tell, in order; each thing once.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The exchange's time.
    pub const fn now(&self) -> Ts {
        self.now
    }

    /// A fresh id.
    pub fn uuid(&mut self) -> String {
        self.ids.uuid()
    }

    /// The instrument of this name.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        let at = self.markets.iter().position(|market| market.rules.name == name)?;
        Some(Symbol(u16::try_from(at).ok()?))
    }

    /// An instrument.
    pub fn market_of(&self, symbol: Symbol) -> Option<&Market> {
        self.markets.get(symbol.index())
    }

    pub(super) fn rules_of(&self, symbol: Symbol) -> Option<&Instrument> {
        self.market_of(symbol).map(|market| &market.rules)
    }

    /// Mark price, or the last price before the first mark.
    pub fn mark_of(&self, symbol: Symbol) -> Option<Price> {
        let market = self.market_of(symbol)?;
        market.mark.or(market.last)
    }

    /// Sets the leverage of an instrument. The same again is refused (110043).
    pub fn set_leverage(&mut self, symbol: Symbol, leverage: Rate) -> Result<(), Refusal> {
        let one = crate::engine::num::UNIT;
        let most = self.max_leverage(symbol);
        if leverage.raw() < one || leverage > most {
            return Err(Refusal::new(10_001, format!("leverage invalid: 1 to {most}")));
        }
        let slots = self.account.slots(symbol);
        if slots.iter().all(|slot| self.account.position(*slot).leverage == leverage) {
            return Err(Refusal::new(110_043, "leverage not modified"));
        }
        let now = self.now;
        for slot in slots {
            self.account.position_mut(slot, now).leverage = leverage;
            self.tell_position(slot);
        }
        Ok(())
    }

    /// Largest leverage of an instrument: what its first tier allows.
    pub fn max_leverage(&self, symbol: Symbol) -> Rate {
        let one = crate::engine::num::UNIT;
        let initial = self.rules_of(symbol).and_then(|r| r.tiers.first()).map_or(one, |tier| tier.initial.raw());
        Rate::from_raw(i64::try_from(i128::from(one) * i128::from(one) / i128::from(initial.max(1))).unwrap_or(one))
    }

    /// Turns an instrument to hedge mode or back. Refused with a position (110024) or orders (110028).
    pub fn set_hedged(&mut self, symbol: Symbol, hedged: bool) -> Result<(), Refusal> {
        if self.account.hedged.contains(&symbol) == hedged {
            return Err(Refusal::new(110_025, "Position mode is not modified"));
        }
        if self.account.positions.values().any(|p| p.slot.symbol == symbol && p.side.is_some()) {
            return Err(Refusal::new(110_024, "You have an existing position, so position mode cannot be switched."));
        }
        if !self.orders.open_of(symbol).is_empty() {
            return Err(Refusal::new(110_028, "You have existing open orders, so position mode cannot be switched."));
        }
        let leverage = self.account.slots(symbol).first().map(|slot| self.account.position(*slot).leverage);
        self.account.hedged.retain(|other| *other != symbol);
        if hedged {
            self.account.hedged.push(symbol);
        }
        let now = self.now;
        for slot in self.account.slots(symbol) {
            let position = self.account.position_mut(slot, now);
            position.leverage = leverage.unwrap_or(position.leverage);
        }
        Ok(())
    }

    /// Ends an open order and tells it.
    pub(super) fn end(&mut self, no: OrderNo, status: Status, cancel: &'static str, reason: &'static str) {
        let now = self.now;
        let Some(order) = self.orders.get_mut(no) else { return };
        // Protection that never triggered ends Deactivated, a plain conditional order Cancelled (C 8.4b).
        let waiting_leg = order.status == Status::Untriggered && !matches!(order.stop_type, "" | "Stop");
        let status = if waiting_leg && status == Status::Cancelled { Status::Deactivated } else { status };
        (order.status, order.cancel_type, order.reject_reason, order.updated) = (status, cancel, reason, now);
        let told = order.clone();
        self.tell_order(&told);
        self.tell_position(told.ask.slot);
        self.orders.add(told);
    }

    pub(super) fn tell_order(&mut self, order: &Order) {
        self.news.push(News::Order(Box::new(order.clone())));
    }

    /// A market order that no client made.
    pub(super) fn foreign(
        &mut self,
        slot: Slot,
        side: Side,
        qty: Qty,
        price: Price,
        create_type: &'static str,
    ) -> Order {
        let ask = NewOrder {
            slot,
            side,
            kind: Kind::Market,
            qty,
            price: None,
            tif: Tif::Ioc,
            link: String::new(),
            reduce_only: create_type != "CreateByUser",
            close_on_trigger: false,
            trigger: None,
            protection: Protection::default(),
            slippage: None,
        };
        self.draft(ask, price, create_type)
    }

    /// An order as it is before anything happened to it.
    pub(super) fn draft(&mut self, ask: NewOrder, price: Price, create_type: &'static str) -> Order {
        Order {
            no: self.orders.next_number(),
            id: self.ids.uuid(),
            last_on_created: self.market_of(ask.slot.symbol).and_then(|market| market.last),
            status: if ask.trigger.is_some() { Status::Untriggered } else { Status::New },
            stop_type: if ask.trigger.is_some() { "Stop" } else { "" },
            ask,
            price,
            cancel_type: "UNKNOWN",
            reject_reason: "EC_NoError",
            create_type,
            parent_link: String::new(),
            cum_qty: Qty::ZERO,
            cum_value: Money::ZERO,
            cum_fee: Money::ZERO,
            closed_pnl: Money::ZERO,
            created: self.now,
            updated: self.now,
            ahead: None,
            sibling: None,
        }
    }

    /// A market order of the same account from elsewhere: the web page, another program.
    pub fn foreign_order(&mut self, slot: Slot, side: Side, qty: Qty) -> Result<String, Refusal> {
        let ask = self.foreign(slot, side, qty, Price::ZERO, "CreateByUser").ask;
        self.create(self.now, ask).map(|placed| placed.id)
    }

    /// Closes a position in the market by an order that no client made.
    pub fn close_foreign(&mut self, slot: Slot, create_type: &'static str) {
        let position = self.account.position(slot);
        let band = self.market_of(slot.symbol).and_then(Market::band);
        let (Some(side), Some((highest, lowest))) = (position.side, band) else { return };
        let edge = if side == Side::Buy { lowest } else { highest };
        let order = self.foreign(slot, side.opposite(), position.size, edge, create_type);
        self.admit(order);
    }

    /// Positions with a size.
    pub fn held(&self) -> impl Iterator<Item = &Position> {
        self.account.positions.values().filter(|position| position.side.is_some())
    }
}

#[cfg(test)]
mod tests;
