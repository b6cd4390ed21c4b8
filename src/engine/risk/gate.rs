//! The gate: the only place that can make an [`Approved`]. Opening orders pass every check; orders that can only reduce
//! a position pass by every limit of ours, because limits stop opening, never closing.

use std::collections::VecDeque;

use serde::Serialize;

use super::checks::CHECKS;
use super::exposure::{Totals, Worst, totals, worst_of};
use super::limits::RiskLimits;
use super::verdict::Denial;
use crate::engine::account::{Account, Holding};
use crate::engine::control::Control;
use crate::engine::desk::Desk;
use crate::engine::effect::NewOrder;
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::Instrument;
use crate::engine::num::Money;
use crate::engine::orders::Orders;
use crate::engine::outside::Outside;
use crate::engine::settings::Settings;
use crate::engine::time::{Span, Ts};

/// Proof that the gate let this through. Cannot be made outside this module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    /// The approved thing.
    pub const fn get(&self) -> &T {
        &self.0
    }
    /// The approved thing, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
    /// For unit tests of edges that take approved orders.
    #[cfg(test)]
    pub const fn for_test(thing: T) -> Self {
        Self(thing)
    }
}

/// What the checks look at.
pub struct GateView<'a> {
    /// Now.
    pub at: Ts,
    /// Arming, latches, reasons to reduce.
    pub control: &'a Control,
    /// Strategy and arming settings.
    pub settings: &'a Settings,
    /// Limits in force.
    pub limits: &'a RiskLimits,
    /// Every instrument.
    pub desks: &'a [Desk],
    /// Their rules, in the same order.
    pub instruments: &'a [Instrument],
    /// Balance and positions.
    pub account: &'a Account,
    /// Working orders.
    pub orders: &'a Orders,
    /// When opening orders were sent in the last 24 hours, oldest first.
    pub sent: &'a VecDeque<Ts>,
    /// What others have outside the run.
    pub outside: &'a Outside,
    /// Equity, when every position can be valued.
    pub equity: Option<Money>,
    /// Loss of the current trading day.
    pub day_loss: Money,
    /// Age of the market connection.
    pub feed_age: Option<Span>,
}

impl GateView<'_> {
    /// The instrument of an order.
    pub fn desk(&self, symbol: Symbol) -> Option<&Desk> {
        self.desks.get(symbol.index())
    }
    /// Worst case of one instrument with `extra` added.
    pub fn worst(&self, symbol: Symbol, extra: Option<&NewOrder>) -> Worst {
        let mark = self.desk(symbol).and_then(Desk::mark);
        let extra = extra.filter(|order| order.symbol == symbol);
        worst_of(symbol, &self.account.holding(symbol), self.orders, mark, extra)
    }
    /// Worst case over the whole account with `extra` added: every instrument of the run, and what others have outside it.
    pub fn totals(&self, extra: Option<&NewOrder>) -> Totals {
        self.totals_of(self.desks.iter().map(|desk| self.worst(desk.symbol, extra)))
    }
    /// The same from the worst cases of the run's instruments.
    pub fn totals_of(&self, of_run: impl Iterator<Item = Worst>) -> Totals {
        totals(of_run.chain(self.outside.worsts()))
    }
}

/// Lets an order through that could open or grow a position, or says which check refused it.
pub fn approve_opening(order: NewOrder, view: &GateView<'_>) -> Result<Approved<NewOrder>, Denial> {
    for (_, check) in CHECKS {
        if let Some(denial) = check(&order, view) {
            return Err(denial);
        }
    }
    Ok(Approved(order))
}

/// What every check says about an order that could open, in their order.
pub fn trace(order: &NewOrder, view: &GateView<'_>) -> Vec<(&'static str, Option<Denial>)> {
    CHECKS.iter().map(|(name, check)| (*name, check(order, view))).collect()
}

/// Lets an order through that can only reduce what is held; `None` when it is not such an order.
pub fn approve_reducing(order: NewOrder, held: &Holding) -> Option<Approved<NewOrder>> {
    let reduces = order.reduce_only && held.side() == Some(order.side.opposite()) && order.qty <= held.qty();
    (reduces && !order.qty.is_zero()).then_some(Approved(order))
}

/// The second look, by the function that writes to the venue: would this order still be let out now?
pub fn may_send(order: &NewOrder, at: Ts, control: &Control, settings: &Settings) -> Result<(), Denial> {
    if order.reduce_only {
        return Ok(());
    }
    super::checks::state::state(order.symbol, at, control).map_or(Ok(()), Err)?;
    let age = at.since(order.decided);
    if age > settings.intent_ttl {
        let detail = format!("intent_age={}ms ttl={}ms", age.as_ms(), settings.intent_ttl.as_ms());
        return Err(Denial::with(super::verdict::DenialCode::DataStale, detail));
    }
    Ok(())
}
