//! What the engine watches by itself: lapses, loss trips, limits below what is used, faults of the edges.

use super::Engine;
use super::effect::Effects;
use super::event::{Fault, Hold};
use super::ids::Symbol;
use super::notice::{Kind, Level};
use super::num::{Money, UNIT};
use super::pending::About;
use super::risk::exposure::Worst;
use super::risk::limits::LimitKey;
use super::risk::state::{Arming, LatchCause, ReduceCause};
use super::risk::verdict::DenialCode;
use super::time::Span;

/// Equity unknown for longer than this disarms: a person must look.
const UNKNOWN_DISARMS_AFTER: Span = Span::from_secs(30);
/// An unanswered cancel is repeated after this long.
const CANCEL_REPEAT: Span = Span::from_secs(2);

impl Engine {
    /// Runs at every decision boundary and after a limit changed.
    pub(super) fn guard(&mut self, out: &mut Effects) {
        self.lapse(out);
        self.watch_unknown(out);
        self.watch_reach(out);
        self.watch_losses(out);
        self.watch_limits(out);
        let window = Span::from_secs(24 * 3600);
        while self.sent.front().is_some_and(|then| self.now.since(*then) >= window) {
            self.sent.pop_front();
        }
    }

    fn lapse(&mut self, out: &mut Effects) {
        self.resume(out);
        let Arming::Armed { until, .. } = self.control.arming else { return };
        if self.now >= until {
            self.disarm("arming lapsed", out);
        } else if self.settings.deadman.0 > 0 && self.now.since(self.control.present) >= self.settings.deadman {
            self.disarm("dead-man: nobody pressed a key", out);
        }
    }

    fn watch_unknown(&mut self, out: &mut Effects) {
        if self.equity_now().is_some() {
            self.control.unknown_since = None;
            return;
        }
        if self.control.unknown_since.is_none() {
            self.cancel_openings(None, out);
        }
        let since = *self.control.unknown_since.get_or_insert(self.now);
        if self.control.is_armed() && self.now.since(since) >= UNKNOWN_DISARMS_AFTER {
            self.disarm("equity unknown for too long", out);
        }
    }

    /// After a long absence from the account a person looks before anything opens.
    fn watch_reach(&mut self, out: &mut Effects) {
        let Some(since) = self.control.unreachable_since else { return };
        if self.control.is_armed() && self.now.since(since) >= UNKNOWN_DISARMS_AFTER {
            self.disarm("the account was out of reach for too long", out);
        }
    }

    /// Feeds the loss measures; cheap enough for every price of a held instrument.
    pub(super) fn observe_equity(&mut self, out: &mut Effects) {
        let Some(equity) = self.equity_now() else { return };
        self.equity.observe(self.now, equity);
        let spaced = self.curve.back().is_none_or(|last| self.now.since(last.0) >= Span::from_secs(1));
        if spaced {
            // Halving keeps the whole run on the curve at half the resolution.
            if self.curve.len() >= super::snapshot::CURVE_MAX {
                let mut keep = false;
                self.curve.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            self.curve.push_back((self.now, equity.to_f64_lossy()));
        }
        self.watch_losses(out);
    }

    fn watch_losses(&mut self, out: &mut Effects) {
        if self.control.latch.is_some() {
            return;
        }
        if let Some(trip) = self.equity.tripped(&self.limits) {
            self.trip(&LatchCause::Loss(trip), out);
        }
    }

    /// A limit below what is used stops that symbol's (or all) openings until it fits again.
    fn watch_limits(&mut self, out: &mut Effects) {
        let mut exceeded = Vec::new();
        // What cannot be valued is no limit exceeded: the gate counts it as the largest exposure and refuses.
        let known = |amount: Money| amount != Money::MAX;
        let view = self.gate_view();
        let position = self.limits.money(LimitKey::MaxPositionNotional);
        let worsts: Vec<(Symbol, Worst)> = self.desks.iter().map(|d| (d.symbol, view.worst(d.symbol, None))).collect();
        for (symbol, worst) in &worsts {
            if known(worst.notional()) && worst.notional() > position {
                exceeded.push((LimitKey::MaxPositionNotional, Some(*symbol)));
            }
        }
        let totals = view.totals_of(worsts.iter().map(|(_, worst)| *worst));
        if known(totals.gross) && totals.gross > self.limits.money(LimitKey::MaxGrossNotional) {
            exceeded.push((LimitKey::MaxGrossNotional, None));
        }
        if known(totals.net) && totals.net > self.limits.money(LimitKey::MaxNetNotional) {
            exceeded.push((LimitKey::MaxNetNotional, None));
        }
        if known(totals.gross) && self.leverage_exceeded(totals.gross) {
            exceeded.push((LimitKey::MaxLeverage, None));
        }
        if self.orders.count() as i64 > self.limits.count(LimitKey::MaxOpenOrders) {
            exceeded.push((LimitKey::MaxOpenOrders, None));
        }
        let causes = exceeded
            .into_iter()
            .map(|(key, symbol)| ReduceCause::LimitExceeded { limit: key.name().into(), symbol })
            .collect::<std::collections::BTreeSet<_>>();
        self.set_limit_causes(causes, out);
    }

    fn leverage_exceeded(&self, gross: Money) -> bool {
        let Some(equity) = self.equity_now() else { return false };
        let limit = i128::from(self.limits.get(LimitKey::MaxLeverage));
        gross > Money::from_raw((equity.raw() / i128::from(UNIT)).saturating_mul(limit)).max(Money::ZERO)
    }

    fn set_limit_causes(&mut self, causes: std::collections::BTreeSet<ReduceCause>, out: &mut Effects) {
        let is_limit = |cause: &ReduceCause| matches!(cause, ReduceCause::LimitExceeded { .. });
        let old: Vec<ReduceCause> = self.control.reducing.iter().filter(|c| is_limit(c)).cloned().collect();
        for cause in old.iter().filter(|cause| !causes.contains(cause)) {
            self.stop_reducing(cause, out);
        }
        for cause in causes {
            self.start_reducing(&cause, out);
        }
    }

    /// Nothing opens until the cause ends; what rests to open is cancelled now.
    pub(super) fn start_reducing(&mut self, cause: &ReduceCause, out: &mut Effects) {
        let symbol = cause.symbol();
        if self.control.reducing.insert(cause.clone()) && !cause.is_an_unknown_name() {
            let whose = symbol.map_or_else(|| "all".to_owned(), |symbol| self.name(symbol).to_owned());
            let text = format!("REDUCING {whose}: {cause}");
            self.warn(Kind::State, symbol, text, About::Reducing(cause.clone()), out);
        }
        self.cancel_openings(symbol, out);
    }

    /// The cause ended.
    pub(super) fn stop_reducing(&mut self, cause: &ReduceCause, out: &mut Effects) {
        if self.control.reducing.remove(cause) && !cause.is_an_unknown_name() {
            self.pending.settle(|about| *about == About::Reducing(cause.clone()));
            self.tell(Level::Info, Kind::State, None, format!("no longer REDUCING: {cause}"), out);
        }
    }

    /// Repeats cancels that nobody answered, and lets passive entries go after the horizon they were meant for.
    pub(super) fn renew_cancels(&mut self, out: &mut Effects) {
        let patience = Span::from_secs(i64::from(self.settings.horizon_s.max(1)));
        let due: Vec<_> = self
            .orders
            .working()
            .filter(|order| match order.cancel_asked {
                Some(asked) => self.now.since(asked) >= CANCEL_REPEAT,
                None => order.opens() && self.now.since(order.intent.decided) >= patience,
            })
            .map(|order| order.intent.seq)
            .collect();
        for order in due {
            self.cancel(order, out);
        }
    }

    pub(super) fn on_fault(&mut self, fault: &Fault, out: &mut Effects) {
        match fault {
            Fault::Tape { why, fatal: false } => self.start_reducing(&ReduceCause::Tape(why.clone()), out),
            Fault::Tape { why, fatal: true } => {
                self.control.unrecorded = Some(why.clone());
                self.trip(&LatchCause::Fault(format!("tape: {why}")), out);
            }
            Fault::TapeRecovered => {
                self.control.unrecorded = None;
                let causes: Vec<ReduceCause> =
                    self.control.reducing.iter().filter(|c| matches!(c, ReduceCause::Tape(_))).cloned().collect();
                for cause in causes {
                    self.stop_reducing(&cause, out);
                }
            }
            Fault::Ledger(why) => self.trip(&LatchCause::Fault(format!("ledger: {why}")), out),
            Fault::Internal(why) => self.trip(&LatchCause::Fault(why.clone()), out),
            Fault::ClockJump(span) => self.lose_touch(&format!("the clock jumped by {span}"), out),
            Fault::Stopped(span) => self.lose_touch(&format!("tickdeck stood still for {span}"), out),
        }
    }

    /// Everything that is believed may be old.
    fn lose_touch(&mut self, why: &str, out: &mut Effects) {
        self.feed = None;
        self.control.reconciled = false;
        // What was said before is no proof of now.
        if let Some(close) = &mut self.control.close {
            close.proofs = 0;
        }
        self.doubt_protection();
        self.tell(Level::Warn, Kind::Fault, None, format!("{why}: disarmed, everything is compared anew"), out);
        self.disarm(why, out);
        self.ask(out);
    }

    /// The venue forbids opening, or lifts that. The same reason with new numbers replaces the old one.
    pub(super) fn on_hold(&mut self, hold: &Hold, out: &mut Effects) {
        let same = |cause: &ReduceCause| matches!(cause, ReduceCause::Venue { code, symbol, .. } if *code == hold.code && *symbol == hold.symbol);
        let new = hold.detail.as_ref().map(|detail| ReduceCause::Venue {
            code: hold.code,
            symbol: hold.symbol,
            detail: detail.clone(),
        });
        let old: Vec<ReduceCause> = self.control.reducing.iter().filter(|cause| same(cause)).cloned().collect();
        for cause in old.iter().filter(|cause| new.as_ref() != Some(cause)) {
            if new.is_some() {
                self.control.reducing.remove(cause);
                self.pending.settle(|about| *about == About::Reducing(cause.clone()));
            } else {
                self.stop_reducing(cause, out);
            }
        }
        if let Some(cause) = new {
            self.start_reducing(&cause, out);
        }
        if hold.code == DenialCode::VenueUnreachable && hold.symbol.is_none() {
            let since = self.control.unreachable_since.unwrap_or(self.now);
            self.control.unreachable_since = hold.detail.is_some().then_some(since);
            if hold.detail.is_some() {
                self.doubt_protection();
            }
        }
    }

    /// Arming stays refused after a loss trip was reset, until the day turns or the limit is loosened.
    pub(super) fn arming_refused(&self) -> Option<String> {
        let spent = self.equity.baselines().is_some_and(|baselines| baselines.day_loss_spent);
        spent.then(|| "the day's loss limit was reached: arming waits for the next trading day, or for max_daily_loss to be raised".to_owned())
    }
}
