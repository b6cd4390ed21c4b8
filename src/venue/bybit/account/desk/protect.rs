//! Protection as the venue says it: levels of positions, protective orders, and what they traded. Such orders carry no id of
//! ours: instrument, the venue's id and their kind name them (contract O5).

use super::{Desk, Reading, Request};
use crate::engine::effect::{Protection, Purpose};
use crate::engine::event::{AccountUpdate, Event, Protective, Reach, Stranger};
use crate::engine::ids::Symbol;
use crate::engine::num::Qty;
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow, PositionRow};

/// Ids of protective orders that are remembered, for executions that do not say what made them.
const KNOWN_MAX: usize = 1_000;

/// An order of somebody else. Only a flag of the venue's says that it cannot open.
fn stranger(symbol: Symbol, row: &OrderRow) -> Stranger {
    let reach = match (row.reduce_only || row.close_on_trigger, row.trigger_price) {
        (false, _) => Reach::Opens,
        (true, None) => Reach::Reduces,
        (true, Some(_)) => Reach::Protects,
    };
    let price = row.trigger_price.or(row.price);
    Stranger { symbol, order: row.order_id.clone(), side: row.side, qty: row.qty, filled: row.filled, price, reach }
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
        let ours = |row: &OrderRow| {
            let link = row.link_id.as_deref();
            link.is_some_and(|link| {
                self.links.contains_key(link) || self.names.as_ref().is_some_and(|n| n.is_ours(link))
            })
        };
        let theirs = reading.open.iter().filter(|row| row.status.is_open() && row.protects().is_none() && !ours(row));
        let theirs: Vec<Stranger> = theirs.filter_map(|row| Some(stranger(self.symbol(&row.symbol)?, row))).collect();
        if theirs != self.account.strangers {
            self.account.strangers.clone_from(&theirs);
            self.events.push(Event::Account(AccountUpdate::Strangers(theirs)));
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
