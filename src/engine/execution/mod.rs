//! Timed execution (`[strategy] execution = "timed"`): an entry, exit or flatten that is wanted anyway may wait for up to
//! five seconds and join, stand back or cross by the nearest forecast. Stops, take-profits, kills and trips never wait.
//!
//! It is decided anew at every decision; the last boundary before the time is up crosses. Whatever rests is cancelled first
//! and its end is awaited, so that nothing trades twice: an entry waits for that end as long as it takes, a closing order,
//! which can only reduce, for two seconds at most. Every order has a number of its own, and the gate is asked for each.

mod plan;

pub use plan::{Outlook, Plan};

use super::Engine;
use super::control::{CloseWhy, ExitsAllowed};
use super::effect::{Effects, NewOrder, Protection, Purpose, TimeInForce};
use super::features::Set;
use super::ids::{OrderSeq, Symbol};
use super::market::book::BookState;
use super::num::{Qty, Side};
use super::orders::Order;
use super::risk::gate::{approve_opening, approve_reducing};
use super::risk::verdict::Denial;
use super::settings::Execution;
use super::signal::{half_spread_bps, signal};
use super::snapshot::Verdict;
use super::strategy::Wish;
use super::time::{Span, Ts};

/// Longest wait.
pub const WAITS: Span = Span::from_secs(5);
/// Orders laid down by one wait at most: a price that runs away is followed so often.
const JOINS_MAX: u8 = 3;
/// A closing order waits this long for the end of the one that rests: both can only reduce.
const CONFIRMS_WITHIN: Span = Span::from_secs(2);

/// What waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// The strategy opens.
    Entry,
    /// A position is left, for this reason.
    Exit(Purpose),
    /// A close loop of a flatten closes a position.
    Flatten,
}

/// A trade that is wanted anyway and may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// What for.
    pub goal: Goal,
    /// Side of the trade.
    pub side: Side,
    /// What an entry still has to trade. What closes goes by the position.
    left: Qty,
    /// It crosses at the last boundary before this.
    pub until: Ts,
    /// What it does now.
    pub plan: Plan,
    /// Since when it wants to cross.
    crosses: Option<Ts>,
    /// The number of its first order: what fills before it is not its own.
    first: OrderSeq,
    joins: u8,
}

impl Engine {
    /// An entry in timed execution: begins to wait, or goes on.
    pub(super) fn time_entry(&mut self, symbol: Symbol, side: Side, out: &mut Effects) -> Verdict {
        let waits = self.wait(symbol).is_some_and(|wait| wait.goal == Goal::Entry);
        if !waits {
            if self.orders.entry_works(symbol) {
                return Verdict::Entering(side);
            }
            // What would be refused does not begin to wait.
            let asked = self.entry_order(symbol, side, false, None);
            let asked = asked.and_then(|order| approve_opening(order, &self.gate_view()));
            match asked {
                Ok(approved) => self.begin(symbol, Goal::Entry, side, approved.get().qty),
                Err(denial) => return self.deny(symbol, side, denial, out),
            }
        }
        self.decide_wait(symbol, out);
        match self.desks.get(symbol.index()).map(|desk| &desk.verdict) {
            Some(Verdict::Denied(of, denial)) if *of == side && self.wait(symbol).is_none() => {
                Verdict::Denied(side, denial.clone())
            }
            _ => Verdict::Entering(side),
        }
    }

    /// Does the closing of a position wait? Begins to, where it may.
    pub(super) fn exit_waits(&mut self, symbol: Symbol, purpose: Purpose, out: &mut Effects) -> bool {
        let may = matches!(purpose, Purpose::Exit | Purpose::MaxHold) && self.may_wait();
        if !may {
            self.drop_wait(symbol, out);
            return false;
        }
        if self.wait(symbol).is_none_or(|wait| wait.goal == Goal::Entry) {
            self.drop_wait(symbol, out);
            self.begin_closing(symbol, Goal::Exit(purpose), out);
        }
        self.is_held_back(symbol)
    }

    /// A flatten begins: what it closes may wait. Asked for again, it goes at once.
    pub(super) fn flatten_waits(&mut self, symbol: Symbol, out: &mut Effects) {
        let now = self.now;
        match self.desks.get_mut(symbol.index()).and_then(|desk| desk.wait.as_mut()) {
            Some(wait) if wait.goal == Goal::Flatten => {
                wait.plan = Plan::Cross;
                wait.crosses.get_or_insert(now);
                self.take_back(symbol, out);
            }
            Some(wait) if wait.goal != Goal::Entry => wait.goal = Goal::Flatten,
            _ => {
                self.drop_wait(symbol, out);
                self.begin_closing(symbol, Goal::Flatten, out);
            }
        }
    }

    /// May anything wait at all? Not in a run that is leaving.
    pub(super) fn may_wait(&self) -> bool {
        self.settings.execution == Execution::Timed && !self.control.leaving
    }

    fn wait(&self, symbol: Symbol) -> Option<Wait> {
        self.desks.get(symbol.index()).and_then(|desk| desk.wait)
    }

    fn begin(&mut self, symbol: Symbol, goal: Goal, side: Side, left: Qty) {
        let (now, first) = (self.now, self.orders.next_seq());
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            let plan = Plan::Pull;
            desk.wait = Some(Wait { goal, side, left, until: now + WAITS, plan, crosses: None, first, joins: 0 });
        }
    }

    fn begin_closing(&mut self, symbol: Symbol, goal: Goal, out: &mut Effects) {
        let held = self.account.holding(symbol);
        if let Some(side) = held.side() {
            self.begin(symbol, goal, side.opposite(), held.qty());
            self.choose(symbol);
            self.act(symbol, out);
        }
    }

    /// A wait holds its closing order back until it crosses, and then until what rests has ended.
    pub(super) fn is_held_back(&self, symbol: Symbol) -> bool {
        let Some(wait) = self.wait(symbol).filter(|wait| wait.goal != Goal::Entry) else { return false };
        let Some(since) = wait.crosses else { return true };
        self.orders.resting_exit(symbol).is_some() && self.now.since(since) < CONFIRMS_WITHIN
    }

    /// Is this position being closed?
    pub(super) fn is_leaving(&self, symbol: Symbol) -> bool {
        let waits = self.wait(symbol).is_some_and(|wait| wait.goal != Goal::Entry);
        waits || self.orders.reducing_works(symbol, self.now)
    }

    /// After a decision: what is no longer wanted ends, what still is goes on by the newest forecast.
    pub(super) fn keep_wait(&mut self, symbol: Symbol, wish: &Wish, out: &mut Effects) {
        let Some(wait) = self.wait(symbol) else { return };
        let held = self.account.holding(symbol).side();
        let wanted = match (wait.goal, wish) {
            (Goal::Entry, Wish::Enter(side)) => *side == wait.side,
            (Goal::Entry, Wish::Hold) => held == Some(wait.side),
            (Goal::Entry, _) | (Goal::Exit(Purpose::Exit), Wish::Hold) => false,
            (Goal::Exit(_) | Goal::Flatten, _) => true,
        };
        if !wanted || !self.is_allowed(symbol, &wait) {
            self.drop_wait(symbol, out);
        } else if !matches!((wait.goal, wish), (Goal::Entry, Wish::Enter(_))) {
            // An entry that is wished for comes here through `time_entry`.
            self.decide_wait(symbol, out);
        }
    }

    /// Before a decision: crosses where the next boundary would be too late, ends what the state no longer allows.
    pub(super) fn end_wait_in_time(&mut self, symbol: Symbol, out: &mut Effects) {
        let Some(wait) = self.wait(symbol) else { return };
        if !self.is_allowed(symbol, &wait) {
            self.drop_wait(symbol, out);
        } else if wait.crosses.is_some() || self.is_last(&wait) {
            self.decide_wait(symbol, out);
        }
    }

    /// The column "exits" of the state table, and the close loop that a flatten is part of. Entries have the gate.
    fn is_allowed(&self, symbol: Symbol, wait: &Wait) -> bool {
        let held = self.account.holding(symbol).side() == Some(wait.side.opposite());
        match wait.goal {
            Goal::Entry => true,
            Goal::Exit(_) => held && self.control.exits(symbol) == ExitsAllowed::All,
            Goal::Flatten => {
                let close = self.control.close.as_ref().filter(|close| close.why == CloseWhy::Flatten);
                held && close.is_some_and(|close| close.scope.contains(&symbol))
            }
        }
    }

    fn is_last(&self, wait: &Wait) -> bool {
        let interval = self.settings.decision_interval;
        self.now.floor_to(interval) + interval > wait.until
    }

    fn decide_wait(&mut self, symbol: Symbol, out: &mut Effects) {
        self.choose(symbol);
        self.act(symbol, out);
    }

    /// Chooses by what is known now. Who crosses goes on crossing.
    fn choose(&mut self, symbol: Symbol) {
        let Some(wait) = self.wait(symbol).filter(|wait| wait.crosses.is_none()) else { return };
        let plan = if self.is_last(&wait) {
            Plan::Cross
        } else if self.settings.drill.is_some_and(|drill| drill.joins) {
            Plan::Join
        } else {
            self.outlook(symbol, wait.side).map_or(Plan::Cross, |outlook| outlook.plan())
        };
        let now = self.now;
        if let Some(wait) = self.desks.get_mut(symbol.index()).and_then(|desk| desk.wait.as_mut()) {
            wait.plan = plan;
            wait.crosses = (plan == Plan::Cross).then_some(now);
        }
    }

    /// What the nearest horizon says; `None` where nothing fresh does, and then nothing waits for it.
    fn outlook(&self, symbol: Symbol, side: Side) -> Option<Outlook> {
        let desk = self.desks.get(symbol.index()).filter(|desk| desk.book.state() == BookState::Valid)?;
        let horizons = desk.deciding().filter_map(|(_, forecast)| forecast).flat_map(|forecast| &forecast.horizons);
        let nearest = horizons.map(|horizon| horizon.horizon_s).min()?;
        let horizon = Span::from_secs(i64::from(nearest));
        let signal = signal(desk, &self.settings, nearest, self.now).ok().filter(|_| horizon <= WAITS)?;
        let usual = Set::Market.usual_move_bps(&desk.frame.as_ref()?.values, f64::from(nearest))?;
        let fees = desk.fees(&self.settings);
        Some(Outlook {
            comes: f64::from(if side == Side::Buy { signal.down } else { signal.up }),
            against_bps: signal.move_bps * side.sign() as f64,
            usual_bps: usual,
            half_spread_bps: half_spread_bps(desk)?,
            maker_bps: fees.maker.bps_lossy(),
            taker_bps: fees.taker.bps_lossy(),
        })
    }

    /// Carries the plan out, as far as what rests allows.
    fn act(&mut self, symbol: Symbol, out: &mut Effects) {
        let Some(wait) = self.wait(symbol) else { return };
        match wait.plan {
            Plan::Join => self.lay_down(symbol, &wait, out),
            Plan::Pull => self.take_back(symbol, out),
            Plan::Cross => {
                self.take_back(symbol, out);
                self.cross(symbol, &wait, out);
            }
        }
    }

    /// The orders of this wait that still work.
    fn resting(&self, symbol: Symbol) -> Vec<(OrderSeq, super::num::Price)> {
        let entry = self.wait(symbol).is_some_and(|wait| wait.goal == Goal::Entry);
        let ours = |order: &&Order| {
            let rests = order.intent.tif == TimeInForce::PostOnly;
            rests && if entry { order.intent.purpose == Purpose::Entry } else { order.intent.reduce_only }
        };
        self.orders.working_of(symbol).filter(ours).map(|order| (order.intent.seq, order.intent.price)).collect()
    }

    /// Rests at the best price. What rests where the price no longer is comes back first.
    fn lay_down(&mut self, symbol: Symbol, wait: &Wait, out: &mut Effects) {
        let best = self.desks.get(symbol.index()).and_then(|desk| desk.book.same(wait.side).first().map(|l| l.price));
        let resting = self.resting(symbol);
        if resting.iter().any(|(_, price)| Some(*price) != best) {
            return self.take_back(symbol, out);
        }
        if !resting.is_empty() || wait.joins >= JOINS_MAX {
            return;
        }
        if let Some(wait) = self.desks.get_mut(symbol.index()).and_then(|desk| desk.wait.as_mut()) {
            wait.joins += 1;
        }
        match wait.goal {
            Goal::Entry => self.enter_by_wait(symbol, wait, true, out),
            Goal::Exit(purpose) => self.rest_exit(symbol, purpose, out),
            Goal::Flatten => self.rest_exit(symbol, Purpose::Close, out),
        }
    }

    /// Sends an opening order of a wait, or ends it with what the gate said.
    fn enter_by_wait(&mut self, symbol: Symbol, wait: &Wait, rests: bool, out: &mut Effects) {
        let order = self.entry_order(symbol, wait.side, rests, Some(wait.left));
        match order.and_then(|order| self.open(order, out)) {
            Ok(()) => {}
            Err(denial) => self.refuse_wait(symbol, wait.side, denial, out),
        }
    }

    fn refuse_wait(&mut self, symbol: Symbol, side: Side, denial: Denial, out: &mut Effects) {
        self.drop_wait(symbol, out);
        let verdict = self.deny(symbol, side, denial, out);
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            desk.verdict = verdict;
        }
    }

    /// A reduce-only order at the best price of its side. Where none can be named, the wait goes on without.
    fn rest_exit(&mut self, symbol: Symbol, purpose: Purpose, out: &mut Effects) {
        let held = self.account.holding(symbol);
        let Some(desk) = self.desks.get(symbol.index()) else { return };
        let Some(side) = held.side().map(Side::opposite) else { return };
        let Some(price) = desk.book.same(side).first().map(|level| level.price) else { return };
        let qty = held.qty().min(desk.instrument.max_market_qty).floor_to(desk.instrument.step);
        if qty < desk.instrument.min_qty {
            return;
        }
        let order = NewOrder {
            seq: self.orders.next_seq(),
            symbol,
            side,
            qty,
            price,
            tif: TimeInForce::PostOnly,
            reduce_only: true,
            purpose,
            protection: Protection::default(),
            decided: self.now,
        };
        if let Some(approved) = approve_reducing(order, &held) {
            self.send(approved, out);
        }
    }

    /// Cancels what rests. The guard repeats a cancel that nobody answers.
    fn take_back(&mut self, symbol: Symbol, out: &mut Effects) {
        for (order, _) in self.resting(symbol) {
            if self.orders.get(order).is_some_and(|order| order.cancel_asked.is_none()) {
                self.cancel(order, out);
            }
        }
    }

    /// Takes what is there, once nothing of this wait rests any more.
    fn cross(&mut self, symbol: Symbol, wait: &Wait, out: &mut Effects) {
        match wait.goal {
            Goal::Entry => {
                if !self.orders.entry_works(symbol) {
                    if let Some(desk) = self.desks.get_mut(symbol.index()) {
                        desk.wait = None;
                    }
                    self.enter_by_wait(symbol, wait, false, out);
                }
            }
            Goal::Exit(purpose) if !self.is_held_back(symbol) => self.exit(symbol, purpose, out),
            Goal::Flatten if !self.is_held_back(symbol) => self.close_one(symbol, out),
            Goal::Exit(_) | Goal::Flatten => {}
        }
    }

    /// The trade is not wanted any more, or no longer allowed to wait: what rests for it is cancelled now.
    pub(super) fn drop_wait(&mut self, symbol: Symbol, out: &mut Effects) {
        if self.wait(symbol).is_some() {
            self.take_back(symbol, out);
            if let Some(desk) = self.desks.get_mut(symbol.index()) {
                desk.wait = None;
            }
        }
    }

    /// Ends every wait: nothing that waits goes on.
    pub(super) fn drop_waits(&mut self, out: &mut Effects) {
        for index in 0..self.desks.len() {
            self.drop_wait(Symbol(index as u16), out);
        }
    }

    /// Nothing opens any more: entries do not wait to.
    pub(super) fn drop_entries(&mut self, symbol: Option<Symbol>) {
        for desk in self.desks.iter_mut().filter(|desk| symbol.is_none_or(|only| only == desk.symbol)) {
            desk.wait = desk.wait.filter(|wait| wait.goal != Goal::Entry);
        }
    }

    /// News of an order: what it traded is no longer wanted; where it was in the way of crossing, that goes on.
    pub(super) fn hear_for_wait(&mut self, order: &Order, traded: Option<Qty>, out: &mut Effects) {
        let symbol = order.intent.symbol;
        let Some(mut wait) = self.wait(symbol) else { return };
        let flat = self.account.holding(symbol).is_flat();
        if wait.goal == Goal::Entry {
            if order.intent.purpose == Purpose::Entry && order.intent.seq >= wait.first {
                wait.left = wait.left.saturating_sub(traded.unwrap_or(Qty::ZERO));
            }
            let least = self.desks.get(symbol.index()).map_or(Qty::ZERO, |desk| desk.instrument.min_qty);
            // What is left is less than any order may be: it is done.
            let done = wait.left.is_zero() || (wait.left < least && !self.orders.entry_works(symbol));
            if let Some(desk) = self.desks.get_mut(symbol.index()) {
                desk.wait = (!done).then_some(wait);
            }
        } else if flat {
            return self.drop_wait(symbol, out);
        }
        // What crossed is tried again by the next decision, in a wider band.
        let rested = order.intent.tif == TimeInForce::PostOnly && order.state.is_terminal();
        if rested && wait.crosses.is_some() && self.wait(symbol).is_some() {
            self.act(symbol, out);
        }
    }
}
