//! What a person asks: arm, disarm, kill, flatten, reset, limits. The safe direction always succeeds, at once.

use super::Engine;
use super::ceremony::Ceremony;
use super::command::{ARM_MAX, BY_HAND, Command};
use super::control::CloseWhy;
use super::effect::{ARMED_NO_MORE, ARMED_UNTIL, Effect, Effects, Record};
use super::ids::{Account, ModelId, OrderSeq, Symbol};
use super::notice::{Kind, Level};
use super::orders::OrderState;
use super::pending::About;
use super::preflight::{in_words, passes_unseen};
use super::risk::limits::{LimitKey, show};
use super::risk::state::{Arming, Latch, LatchCause, ReduceCause};
use super::snapshot::Health;
use super::time::{Span, Ts};

impl Engine {
    pub(super) fn on_command(&mut self, command: &Command, out: &mut Effects) {
        self.control.present = self.now;
        match command {
            Command::Confirmed { ceremony, command } => self.do_command(command, Some(ceremony), out),
            command => self.do_command(command, None, out),
        }
    }

    fn do_command(&mut self, command: &Command, ceremony: Option<&Ceremony>, out: &mut Effects) {
        let outcome = match command {
            command if self.lacks_ceremony(command, ceremony) => {
                Err("real money: LIVE and the account's tail must be typed for it".into())
            }
            Command::Confirmed { .. } => Err("one ceremony is for one command".into()),
            Command::Arm { lasts } => self.arm(*lasts, out),
            Command::Disarm => {
                self.disarm("by hand", out);
                Ok("disarmed".into())
            }
            Command::Kill => {
                self.kill(BY_HAND, out);
                Ok("killed".into())
            }
            Command::KillBy(how) => {
                self.kill(how, out);
                Ok(format!("killed: {how}"))
            }
            Command::KillClose => self.kill_close(out),
            Command::Flatten(symbol) => self.flatten(*symbol, out),
            Command::Reset { latched } => self.reset(*latched, out),
            Command::SetLimit { key, value } => self.set_limit(*key, *value, out),
            Command::Cancel(order) => self.cancel_by_hand(*order, out),
            Command::Release(symbol) => self.release(*symbol, true, out),
            Command::Adopt(symbol) => self.release(*symbol, false, out),
            Command::CloseReleased(symbol) => self.close_released(*symbol, out),
            Command::Settle(order) => self.settle_order(*order, out),
            Command::Outside(errand) => self.begin_errand(errand, out),
            Command::Acknowledge(id) => {
                self.pending.acknowledge(*id);
                return;
            }
            Command::RetryVenue => self.retry_venue(out),
            Command::TieOut => self.ask_for_tie_out(out),
            Command::ReloadModels => Ok(Self::reload_models(out)),
            Command::Promote(name) => self.promote(name),
            Command::Unbench(model) => self.unbench(*model, out),
            Command::Present => return,
            Command::Leaving(how) => {
                self.control.leaving = true;
                self.drop_waits(out);
                if self.unprotected() > 0 {
                    self.ask(out);
                }
                self.disarm(how, out);
                self.write_baselines(out);
                Ok(how.clone())
            }
        };
        let outcome = match outcome {
            Ok(done) => {
                self.pending.settle(|about| *about == About::Command);
                done
            }
            Err(why) => {
                let text = format!("{} refused: {why}", command.word());
                self.warn(Kind::State, None, text, About::Command, out);
                format!("refused: {why}")
            }
        };
        out.push(Effect::Record(Record::Operator { command: command.word().into(), outcome }));
    }

    /// Does this command lack the typed tail that it takes on this account?
    fn lacks_ceremony(&self, command: &Command, ceremony: Option<&Ceremony>) -> bool {
        let Some(tail) = &self.settings.tail else { return false };
        command.loosens(|key| self.limits.get(key)) && !ceremony.is_some_and(|typed| typed.is_for(tail))
    }

    fn arm(&mut self, lasts: Span, out: &mut Effects) -> Result<String, String> {
        if lasts.0 <= 0 {
            return Err("arming needs a duration".into());
        }
        if lasts > ARM_MAX {
            return Err(format!("arming lasts at most {ARM_MAX}: a person looks once a day"));
        }
        let checks = self.preflight();
        if let Some(fail) = checks.iter().find(|check| check.health == Health::Fail) {
            return Err(format!("{}: {}", fail.name, fail.detail));
        }
        let until = self.now + lasts;
        self.see_outside(out);
        self.set_armed(until, out);
        let text = format!("ARMED for {lasts}, until {}", until.clock());
        self.tell(Level::Info, Kind::State, None, text.clone(), out);
        Ok(format!("{text}; {}", in_words(&checks)))
    }

    fn set_armed(&mut self, until: Ts, out: &mut Effects) {
        self.control.arming = Arming::Armed { since: self.now, until };
        self.control.resume = None;
        self.desks.iter_mut().for_each(|desk| desk.told = None);
        out.push(armed_until(until));
    }

    /// What the run before this one was armed for goes on, where the configuration says so: inside its time, over no latch,
    /// never with real money, and only once the checklist allows it.
    pub(super) fn take_up_arming(&mut self, until: Option<Ts>, out: &mut Effects) {
        let allowed = self.settings.resume && self.pair.account() != Account::Live && self.control.latch.is_none();
        let Some(until) = until.filter(|until| allowed && *until > self.now) else { return };
        // A clock that was set back makes it no longer.
        let until = until.min(self.now + ARM_MAX);
        self.control.resume = Some(until);
        out.push(armed_until(until));
        let text = format!("armed until {} before the restart: goes on once the checklist allows it", until.clock());
        self.tell(Level::Warn, Kind::State, None, text, out);
    }

    /// The checklist may allow it now; not while the outcome of an order is not known.
    pub(super) fn resume(&mut self, out: &mut Effects) {
        let Some(until) = self.control.resume else { return };
        if self.now >= until || self.control.latch.is_some() {
            self.control.resume = None;
        } else if passes_unseen(&self.preflight()) && !self.orders.working().any(|o| o.state == OrderState::Unknown) {
            self.set_armed(until, out);
            let text = format!("ARMED again after a restart, until {}", until.clock());
            self.tell(Level::Warn, Kind::State, None, text, out);
        }
    }

    /// Closes the gate for openings and cancels what opens. Exits go on.
    pub(super) fn disarm(&mut self, why: &str, out: &mut Effects) {
        let was_armed = self.control.arming != Arming::Safe;
        if self.control.resume.take().is_some() || was_armed {
            out.push(Effect::Record(Record::Operator { command: ARMED_NO_MORE.into(), outcome: why.to_owned() }));
        }
        self.control.arming = Arming::Safe;
        self.cancel_openings(None, out);
        if was_armed {
            let open = self.account.open().filter(|held| !self.control.released.contains(&held.symbol)).count();
            let rest = if open > 0 { format!(" · exiting {open}") } else { String::new() };
            self.tell(Level::Info, Kind::State, None, format!("DISARMED ({why}){rest}"), out);
        }
    }

    /// Kill, first step. Idempotent.
    pub(super) fn kill(&mut self, how: &str, out: &mut Effects) {
        self.control.arming = Arming::Safe;
        self.control.resume = None;
        self.cancel_openings(None, out);
        self.drop_waits(out);
        // A close loop of a flatten goes on only as the kill's second step, which a person asks for.
        if self.control.close.as_ref().is_some_and(|close| close.why != CloseWhy::Kill) {
            self.control.close = None;
            self.pending.settle(|about| *about == About::Closing);
        }
        self.end_flattens(&self.control.flattening.clone(), out);
        if self.latch().is_some_and(Latch::is_kill) {
            return;
        }
        let latch = Latch { cause: LatchCause::Killed(how.into()), at: self.now };
        self.control.latch = Some(latch.clone());
        self.control.flat_proven = None;
        self.control.close_proven = false;
        self.control.receipt.clear();
        self.control.note(self.now, "gate closed, opening orders cancelled, latched");
        out.push(Effect::Record(Record::Latch(Some(latch))));
        // How many are open changes with what was under way: the banner counts.
        let text = format!("KILLED ({how}): nothing opens, protection stays");
        self.tell_about(Level::Alarm, Kind::State, None, text, About::Kill, out);
    }

    fn kill_close(&mut self, out: &mut Effects) -> Result<String, String> {
        if !self.latch().is_some_and(Latch::is_kill) {
            return Err("not killed: the second step follows the first".into());
        }
        let scope = self.closable(None);
        self.begin_close(CloseWhy::Kill, scope, out);
        Ok("closing everything".into())
    }

    fn flatten(&mut self, symbol: Option<Symbol>, out: &mut Effects) -> Result<String, String> {
        if self.latch().is_some_and(Latch::is_kill) {
            return Err("killed: Enter in the KILLED layer closes everything".into());
        }
        let mut scope = self.closable(symbol);
        self.disarm("flatten", out);
        if let Some(close) = &self.control.close {
            scope.extend(close.scope.iter().copied());
        }
        let what = symbol.map_or_else(|| "all".to_owned(), |symbol| self.name(symbol).to_owned());
        self.begin_close(CloseWhy::Flatten, scope, out);
        Ok(format!("flattening {what}"))
    }

    fn ask_for_tie_out(&mut self, out: &mut Effects) -> Result<String, String> {
        if !self.account.is_known() || !self.is_venue_account() {
            return Err("there is no log of an exchange to compare with".into());
        }
        self.tie_out_asked = true;
        out.push(Effect::TieOut);
        Ok("compared with the exchange's log of transactions".into())
    }

    fn unbench(&mut self, model: ModelId, out: &mut Effects) -> Result<String, String> {
        let place = usize::from(model.0);
        let name = self.models.get(place).map(|info| info.name.clone()).ok_or("no such model")?;
        if !self.desks.iter_mut().fold(false, |changed, desk| desk.trust.unbench(place) | changed) {
            return Err(format!("{name} is not benched"));
        }
        self.pending.settle(|about| matches!(about, About::Bench(_, benched) if *benched == place));
        let text = format!("{name} is believed again by choice; it is judged by what comes");
        self.tell(Level::Info, Kind::Signal, None, text.clone(), out);
        Ok(text)
    }

    fn retry_venue(&mut self, out: &mut Effects) -> Result<String, String> {
        let refused = |cause: &ReduceCause| matches!(cause, ReduceCause::Venue { code, .. } if code.may_be_retried());
        if !self.control.reducing.iter().any(refused) {
            return Err("the exchange refuses neither this address nor the key".into());
        }
        out.push(Effect::Retry);
        Ok("asked once more".into())
    }

    fn reset(&mut self, latched: Ts, out: &mut Effects) -> Result<String, String> {
        let Some(latch) = self.control.latch.clone() else { return Err("nothing is latched".into()) };
        if latch.at != latched {
            return Err(format!("another latch holds by now: {}; look at it, then ask again", latch.cause));
        }
        if self.control.close.is_some() {
            return Err("a close loop is still running".into());
        }
        self.control.latch = None;
        self.control.arming = Arming::Safe;
        if let LatchCause::Loss(trip) = &latch.cause {
            self.equity.reset(self.now);
            if trip.limit == LimitKey::MaxDailyLoss.name() {
                self.equity.spend_day(true);
            }
            self.write_baselines(out);
        }
        out.push(Effect::Record(Record::Latch(None)));
        self.pending.clear();
        let text = format!("reset: {} lifted, SAFE", latch.cause);
        self.tell(Level::Info, Kind::State, None, text.clone(), out);
        Ok(text)
    }

    fn set_limit(&mut self, key: LimitKey, value: i64, out: &mut Effects) -> Result<String, String> {
        let old = self.limits.get(key);
        if !key.is_tighter(old, value) {
            let (armed, latched) = (self.control.is_armed(), self.control.latch.is_some());
            self.state_word().may_loosen(armed, latched)?;
        }
        self.limits = self.limits.with(key, value).map_err(|error| error.to_string())?;
        if key == LimitKey::MaxDailyLoss && !key.is_tighter(old, value) {
            self.equity.spend_day(false);
        }
        let unit = key.unit().suffix();
        let text = format!("{} {} -> {}{unit}", key.name(), show(old), show(value));
        out.push(Effect::Record(Record::Limit { key, old, new: value }));
        self.tell(Level::Info, Kind::Limit, None, text.clone(), out);
        self.guard(out);
        Ok(text)
    }

    fn cancel_by_hand(&mut self, order: OrderSeq, out: &mut Effects) -> Result<String, String> {
        if let Some(protective) = self.protective.get(&order).cloned() {
            Ok(self.cancel_protective(protective, out))
        } else if let Some(stranger) = self.strangers.get(&order).cloned() {
            Ok(self.cancel_stranger(stranger, out))
        } else if self.cancel(order, out) {
            Ok(format!("cancel of order {}", order.0))
        } else {
            Err("that order no longer works".into())
        }
    }

    /// A person has looked at the exchange: an order whose id another one has was never there, or is over.
    fn settle_order(&mut self, order: OrderSeq, out: &mut Effects) -> Result<String, String> {
        let Some(known) = self.orders.get(order).filter(|order| !order.state.is_terminal()) else {
            return Err("that order no longer works".into());
        };
        if !known.contested {
            return Err("nobody else has its id: the exchange is asked until it has answered".into());
        }
        let intent = &known.intent;
        let text = format!(
            "{} {} {} @ {} counts as over by choice: {}",
            self.name(intent.symbol),
            intent.side.word(),
            intent.qty,
            intent.price,
            known.reason
        );
        out.push(Effect::Settle(order));
        self.tell(Level::Warn, Kind::Order, Some(intent.symbol), text.clone(), out);
        Ok(text)
    }

    fn release(&mut self, symbol: Symbol, released: bool, out: &mut Effects) -> Result<String, String> {
        if symbol.index() >= self.desks.len() {
            return Err("no such instrument".into());
        }
        if released && self.account.holding(symbol).is_flat() {
            return Err("no position to release".into());
        }
        if !released && self.is_hedged(symbol) {
            return Err("it is in hedge mode, which tickdeck does not trade: close it at the exchange".into());
        }
        let changed = if released { self.control.leave_alone(symbol) } else { self.control.released.remove(&symbol) };
        if !changed {
            return Err(if released { "already released".into() } else { "was not released".into() });
        }
        if self.control.close.is_none() {
            self.pending.settle(|about| *about == About::Closing);
        }
        if released {
            self.drop_wait(symbol, out);
            let working: Vec<OrderSeq> = self.orders.working_of(symbol).map(|o| o.intent.seq).collect();
            for order in working {
                self.cancel(order, out);
            }
        } else {
            self.protect(symbol);
            self.ask(out);
        }
        if released {
            self.end_flattens(&[symbol].into(), out);
        }
        out.push(Effect::Record(Record::Released { symbol, released }));
        let word = if released { "released: shown, never touched again" } else { "adopted: exits run again" };
        let text = format!("{} {word}", self.name(symbol));
        self.tell(Level::Info, Kind::State, Some(symbol), text.clone(), out);
        Ok(text)
    }

    /// May another account take over? Only from SAFE, with nothing of ours open or working here.
    pub fn may_leave(&self) -> Result<(), String> {
        let ours = self.account.open().filter(|held| !self.control.released.contains(&held.symbol)).count();
        if let Some(latch) = &self.control.latch {
            let word = if latch.is_kill() { "KILLED" } else { "TRIPPED" };
            Err(format!("{word}: reset first (R)"))
        } else if self.control.arming != Arming::Safe {
            Err("armed: disarm first (d)".into())
        } else if self.control.close.is_some() {
            Err("a close loop is still running".into())
        } else if ours > 0 {
            Err(format!("{ours} position(s) are open: flatten (F) or release them first"))
        } else if self.orders.count() > 0 {
            Err(format!("{} order(s) still work: cancel them first (c)", self.orders.count()))
        } else {
            Ok(())
        }
    }

    /// Cancels every opening order (of one instrument, or all). Repeats are harmless.
    pub(super) fn cancel_openings(&mut self, symbol: Option<Symbol>, out: &mut Effects) {
        self.drop_entries(symbol);
        let opening: Vec<OrderSeq> = self
            .orders
            .working()
            .filter(|o| o.opens() && symbol.is_none_or(|symbol| o.intent.symbol == symbol))
            .map(|o| o.intent.seq)
            .collect();
        for order in opening {
            self.cancel(order, out);
        }
    }

    /// Asks for a cancel; `false` when the order no longer works.
    pub(super) fn cancel(&mut self, order: OrderSeq, out: &mut Effects) -> bool {
        let works = self.orders.mark_cancelling(self.now, order);
        if works {
            out.push(Effect::Cancel(order));
        }
        works
    }

    /// Instruments a close loop may touch: not those released to the person.
    pub(super) fn closable(&self, symbol: Option<Symbol>) -> std::collections::BTreeSet<Symbol> {
        self.desks
            .iter()
            .map(|desk| desk.symbol)
            .filter(|one| symbol.is_none_or(|only| only == *one) && !self.control.released.contains(one))
            .collect()
    }

    /// Latches a trip and does what its kind asks for.
    pub(super) fn trip(&mut self, cause: &LatchCause, out: &mut Effects) {
        if self.control.latch.is_some() {
            self.tell(Level::Alarm, Kind::Fault, None, format!("while latched: {cause}"), out);
            return;
        }
        let latch = Latch { cause: cause.clone(), at: self.now };
        self.control.latch = Some(latch.clone());
        self.control.arming = Arming::Safe;
        self.control.resume = None;
        self.cancel_openings(None, out);
        self.drop_waits(out);
        out.push(Effect::Record(Record::Latch(Some(latch))));
        self.tell(Level::Alarm, Kind::State, None, format!("TRIPPED: {cause}"), out);
        let flatten = self.settings.on_loss_trip == super::settings::OnLossTrip::Flatten;
        if matches!(cause, LatchCause::Loss(_)) && flatten && self.at_risk() {
            let scope = self.closable(None);
            self.control.receipt.clear();
            self.begin_close(CloseWhy::LossTrip, scope, out);
        }
    }
}

/// A restart finds it.
fn armed_until(until: Ts) -> Effect {
    Effect::Record(Record::Operator { command: ARMED_UNTIL.into(), outcome: until.0.to_string() })
}
