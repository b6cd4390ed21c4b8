//! How a run ends: what is open is closed, protected or left, and whoever asked is told.

use std::time::Duration;

use super::session::{Outcome, Session, State};
use crate::engine::command::Command;
use crate::engine::ids::Account;
use crate::engine::risk::state::Latch;
use crate::engine::time::{Span, Ts};

/// A run whose positions have no stop at the venue does not end for this long: it tries to set one.
const PROTECTS_FOR: Span = Span::from_secs(30);
/// SIGTERM with `on_sigterm = "flatten"`: then it leaves whatever is still open, and says so.
const FLATTENS_FOR: Span = Span::from_secs(45);
/// How long a run that ends waits for the venue to answer its cancels.
const ANSWERS_TAKE: Span = Span::from_secs(3);

/// A run that ends when what is open is closed.
pub(super) struct Closing {
    pub(super) outcome: Outcome,
    pub(super) how: &'static str,
    /// It ends then in any case; `None` stays until it is proven.
    pub(super) until: Option<Ts>,
}

impl Session {
    /// What an orderly end leaves open, for the watchdog's goodbye.
    pub(super) fn leaves(&self) -> Vec<String> {
        let engine = self.driver.engine();
        let orders = engine.working_orders();
        let orders = (orders > 0).then(|| format!("{orders} working order(s)"));
        engine.open_names().map(|name| format!("position {name}")).chain(orders).collect()
    }

    /// The terminal is gone. While anything is open the engine stays, disarmed, and another cockpit can reach it.
    pub(super) fn hang_up(&mut self, how: &'static str, outcome: Outcome, state: &mut State) -> Option<Outcome> {
        let reachable = self.socket.is_some();
        if state.hung_up || !self.stage.departure.stays || !reachable || !self.driver.engine().at_risk() {
            return if state.hung_up { None } else { self.leave(how, outcome, state) };
        }
        state.hung_up = true;
        self.driver.command(Command::Disarm);
        self.driver.tell(format!(
            "{how}: the engine goes on without a screen until nothing is open; `tickdeck attach` reaches it"
        ));
        None
    }

    /// SIGTERM, without a screen SIGINT too: leave, or close what is open first. Asked a second time, it leaves at once.
    pub(super) fn terminate(&mut self, how: &'static str, state: &mut State) -> Option<Outcome> {
        let again = state.closing.take_if(|closing| closing.until.is_some()).is_some();
        if again || state.leaving.is_some() || !self.stage.departure.flattens || !self.driver.engine().at_risk() {
            return self.leave(how, Outcome::Signal(how), state);
        }
        let killed = self.driver.engine().latch().is_some_and(Latch::is_kill);
        self.driver.command(if killed { Command::KillClose } else { Command::Flatten(None) });
        let until = Some(self.stage.clock.now() + FLATTENS_FOR);
        state.closing = Some(Closing { outcome: Outcome::Signal(how), how, until });
        None
    }

    /// A run that ends when what is open is closed: is it?
    pub(super) fn has_closed(&mut self, state: &mut State) -> Option<Outcome> {
        let over = |closing: &Closing| closing.until.is_some_and(|until| self.stage.clock.now() >= until);
        if self.driver.engine().closing() && !over(state.closing.as_ref()?) {
            return None;
        }
        let Closing { outcome, how, until } = state.closing.take()?;
        let proven = self.driver.engine().close_proven();
        if until.is_none() {
            // A kill drops the loop: then nothing was proven and nobody leaves.
            return proven.then_some(outcome);
        }
        if !proven {
            self.driver.tell(format!("{how}: FLAT IS NOT PROVEN, leaving what is open"));
            state.unproven = true;
        }
        self.leave(how, outcome, state)
    }

    /// The process is to end and leave what is open. Asked a second time, it goes at once.
    pub(super) fn leave(&mut self, how: &str, outcome: Outcome, state: &mut State) -> Option<Outcome> {
        self.driver.command(Command::Leaving(how.to_owned()));
        if state.leaving.is_some() || !self.leaves_unprotected() {
            return Some(outcome);
        }
        state.leaving = Some((outcome, self.stage.clock.now() + PROTECTS_FOR));
        self.driver
            .tell(format!("{how}: a position has no stop at the venue: one is set first, within {PROTECTS_FOR}"));
        None
    }

    pub(super) fn may_leave_now(&mut self, state: &mut State) -> Option<Outcome> {
        let (_, until) = state.leaving.as_ref()?;
        let over = self.stage.clock.now() >= *until;
        if !over && self.leaves_unprotected() {
            return None;
        }
        if over {
            self.driver.tell("leaving a position WITHOUT a stop at the venue: look at the exchange".to_owned());
        }
        state.leaving.take().map(|(outcome, _)| outcome)
    }

    /// A kill that comes while the run ends latches all the same: the next start finds it.
    pub(super) fn heed_last_kill(&mut self) {
        let signal = self.stage.signals.try_iter().find(|signal| signal.kills(self.screen));
        let by_signal = signal.map(|signal| Command::KillBy(format!("by {}", signal.name())));
        if let Some(kill) = self.stage.end.take_kill().or(by_signal) {
            self.shut(kill);
        }
    }

    /// Does a position stay at a venue, which goes on without us, without a stop that is known to be there? Our own paper
    /// account ends with us.
    fn leaves_unprotected(&self) -> bool {
        self.driver.account() != Account::Paper && self.driver.engine().unprotected() > 0
    }

    /// What was cancelled on leaving is still answered, as far as the venue answers in time. A market of our own needs no
    /// real time for it.
    pub(super) fn hear_the_answers(&mut self) {
        if !self.driver.feed().may_go_on() {
            if self.driver.engine().working_orders() > 0 {
                self.driver.advance(self.driver.now() + Span::from_secs(1), usize::MAX >> 1);
            }
            return;
        }
        let until = self.stage.clock.now() + ANSWERS_TAKE;
        while self.driver.engine().working_orders() > 0 && self.stage.clock.now() < until {
            self.heed_last_kill();
            self.driver.collect();
            self.driver.advance(self.stage.clock.now(), usize::MAX >> 1);
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}
