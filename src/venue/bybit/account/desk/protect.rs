//! Protection as the venue says it: levels of positions, protective orders, and what they traded. Such orders carry no id of
//! ours: instrument, the venue's id and their kind name them (contract O5).

use super::{Desk, Reading, Request};
use crate::engine::effect::{Protection, Purpose};
use crate::engine::event::{AccountUpdate, Event, Outsider, Protective, Reach, Stranger};
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Qty};
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow, PositionRow};

/// Ids of protective orders that are remembered, for executions that do not say what made them.
const KNOWN_MAX: usize = 1_000;

/// An order of somebody else.
fn stranger(symbol: Symbol, row: &OrderRow) -> Stranger {
    let reach = reach_of(row);
    let price = row.trigger_price.or(row.price);
    Stranger { symbol, order: row.order_id.clone(), side: row.side, qty: row.qty, filled: row.filled, price, reach }
}

/// A position outside the run, at the venue's mark, else at what it cost.
fn held_outside(row: &PositionRow) -> Option<Outsider> {
    let worth = row.mark.map(|mark| mark * row.size).or(row.value);
    let side = row.side.filter(|_| !row.size.is_zero())?;
    Some(Outsider { name: row.symbol.clone(), side, left: row.size, worth, order: None })
}

/// An order outside the run, at its price. What protects a position there goes with the position.
fn open_outside(row: &OrderRow) -> Option<Outsider> {
    let open = row.status.is_open() && row.protects().is_none();
    let left = row.leaves.unwrap_or_else(|| row.qty.saturating_sub(row.filled));
    let price = row.price.into_iter().chain(row.trigger_price).filter(|price| *price != Price::ZERO).max();
    open.then(|| Outsider {
        name: row.symbol.clone(),
        side: row.side,
        left,
        worth: price.map(|price| price * left),
        order: Some((row.order_id.clone(), reach_of(row))),
    })
}

/// What an order of somebody else can do. Only a flag of the venue's says that it cannot open.
fn reach_of(row: &OrderRow) -> Reach {
    match (row.reduce_only || row.close_on_trigger, row.trigger_price) {
        (false, _) => Reach::Opens,
        (true, None) => Reach::Reduces,
        (true, Some(_)) => Reach::Protects,
    }
}

impl Desk {
    /// Asks for levels of a position. They are believed when they are read.
    pub fn protect(&mut self, symbol: Symbol, protection: Protection) {
        let symbol = self.name(symbol);
        self.requests.push(Request::Protect { symbol, protection });
    }

    /// Asks for the end of an order by the venue's id.
    pub fn cancel_by_id(&mut self, symbol: Symbol, order: String) {
        let symbol = self.name(symbol);
        self.requests.push(Request::CancelById { symbol, order });
    }

    /// A request about protection was not carried out, or nobody knows.
    pub fn tell_protection_refused(&mut self, symbol: Symbol, why: &str) {
        let text = format!("{}: protection at the exchange was not changed: {why}", self.name(symbol));
        self.tell(text);
    }

    /// A cancel by the venue's id was not carried out, or nobody knows.
    pub fn tell_not_cancelled(&mut self, symbol: Symbol, order: &str, why: &str) {
        let text = format!("{}: order {order} was not cancelled at the exchange: {why}", self.name(symbol));
        self.tell(text);
    }

    /// Tells of the orders of others, where they are not as they were told.
    pub(super) fn tell_strangers(&mut self, reading: &Reading) {
        let named = |link: &str| self.names.as_ref().is_some_and(|names| names.is_ours(link));
        let ours = |row: &OrderRow| {
            let earlier = row.link_id.as_deref().is_some_and(named) && !self.aliens.contains(&row.order_id);
            earlier || self.ours(row).is_some()
        };
        let theirs = reading.open.iter().filter(|row| row.status.is_open() && row.protects().is_none() && !ours(row));
        let theirs: Vec<Stranger> = theirs.filter_map(|row| Some(stranger(self.symbol(&row.symbol)?, row))).collect();
        if theirs != self.account.strangers {
            self.account.strangers.clone_from(&theirs);
            self.events.push(Event::Account(AccountUpdate::Strangers(theirs)));
        }
    }

    /// Tells of positions and orders in instruments outside the run, where they are not as they were told. The first time in any
    /// case: what an earlier run was told may be gone.
    pub(super) fn tell_outside(&mut self, reading: &Reading) {
        let outside = |name: &str| self.symbol(name).is_none();
        let held = reading.positions.iter().filter(|row| outside(&row.symbol)).filter_map(held_outside);
        let named = |link: &str| self.names.as_ref().is_some_and(|names| names.is_ours(link));
        let others = |row: &&OrderRow| outside(&row.symbol) && !row.link_id.as_deref().is_some_and(named);
        let open = reading.open.iter().filter(others).filter_map(open_outside);
        let found: Vec<Outsider> = held.chain(open).collect();
        if self.account.outside.as_ref() != Some(&found) {
            self.events.push(Event::Account(AccountUpdate::Outside(found.clone())));
            self.account.outside = Some(found);
        }
    }

    /// A row of a position says its levels.
    pub(super) fn on_levels(&mut self, symbol: Symbol, row: &PositionRow) {
        let levels = Protection { stop: row.stop_loss, take_profit: row.take_profit };
        let levels = if row.size.is_zero() { Protection::default() } else { levels };
        let before = self.account.levels.insert(symbol, levels).unwrap_or_default();
        if before == levels || row.size.is_zero() {
            return;
        }
        if levels.stop.is_some() {
            self.events.push(Event::Account(AccountUpdate::Protection { symbol, protection: levels }));
        } else {
            // Stops for parts of it do not show here: whether it has none is read.
            self.requests.push(Request::Reconcile);
        }
    }

    /// A protective order, pushed or read: its id is remembered.
    pub(super) fn note_protective(&mut self, row: &OrderRow) {
        let Some(purpose) = row.protects() else { return };
        self.protective.insert(row.order_id.clone(), purpose);
        while self.protective.len() > KNOWN_MAX {
            self.protective.pop_first();
        }
    }

    /// Why an execution that carries no id of ours closed: by a stop, by a take-profit, or by something else.
    pub(super) fn protective_purpose(&self, row: &ExecutionRow) -> Option<Purpose> {
        let made_by = row.create_type.as_deref().and_then(|kind| match kind {
            "CreateByStopLoss" | "CreateByPartialStopLoss" | "CreateByTrailingStop" => Some(Purpose::Stop),
            "CreateByTakeProfit" | "CreateByPartialTakeProfit" => Some(Purpose::TakeProfit),
            _ => None,
        });
        made_by.or_else(|| self.protective.get(&row.order_id).copied())
    }

    /// Protective orders of this run's instruments.
    pub(super) fn protective_orders(&self, reading: &Reading) -> Vec<Protective> {
        let open = reading.open.iter().filter(|row| row.status.is_open());
        open.filter_map(|row| {
            let symbol = self.symbol(&row.symbol)?;
            Some(Protective {
                symbol,
                order: row.order_id.clone(),
                purpose: row.protects()?,
                side: row.side,
                trigger: row.trigger_price.unwrap_or_default(),
                qty: row.qty,
            })
        })
        .collect()
    }

    /// What protects each open position. One that no level of its own covers is covered by stops for parts of it, where
    /// they add up (`tpslMode` Partial; set by hand, never by us).
    pub(super) fn protection(&self, reading: &Reading, orders: &[Protective]) -> Vec<(Symbol, Protection)> {
        let open = reading.positions.iter().filter(|row| !row.size.is_zero());
        open.filter_map(|row| {
            let symbol = self.symbol(&row.symbol)?;
            let stops = || orders.iter().filter(|order| order.symbol == symbol && order.purpose == Purpose::Stop);
            let parts: Qty = stops().map(|order| order.qty).sum();
            let farthest =
                stops().max_by_key(|order| row.entry.map_or(0, |entry| (entry.raw() - order.trigger.raw()).abs()));
            let by_parts = farthest.filter(|_| parts >= row.size).map(|order| order.trigger);
            Some((symbol, Protection { stop: row.stop_loss.or(by_parts), take_profit: row.take_profit }))
        })
        .collect()
    }
}
