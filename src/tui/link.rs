//! The thin line between a cockpit and an engine: newest snapshot one way, requests the other way, and a kill flag that
//! never waits behind a full queue. A slow or blocked cockpit costs the engine nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::command::{BY_HAND, Command};
use crate::engine::ids::{Account, Symbol};
use crate::engine::snapshot::{Snapshot, View};
use crate::gate::Gate;

/// Requests that may wait at once. A person types a few a second; 64 is many seconds of typing.
pub const REQUESTS_MAX: usize = 64;

/// What a cockpit asks of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// For the engine, taped.
    Command(Command),
    /// The same from somebody who waits for what the engine says to it.
    Asked(Command, Reply),
    /// Any key was pressed (feeds the dead-man); sent at most once a second.
    Alive,
    /// Show this in detail from now on.
    View(View),
    /// Replay control.
    Playback(PlaybackRequest),
    /// Next weather of the simulated market: calm, busy, crash.
    Weather(String),
    /// Go on with another account: a new run.
    Switch {
        /// Which.
        account: Account,
        /// What was typed, where the account asks for it.
        typed: Option<String>,
    },
    /// Leave, with what to do about open risk.
    Quit(QuitChoice),
    /// The screen is gone: it failed, panicked or lost its terminal.
    ScreenLost,
    /// Nothing but a wake-up.
    Wake,
}

/// Where the engine's answer to a command is left. Two of them are never the same.
#[derive(Clone, Debug)]
pub struct Reply {
    answer: SyncSender<String>,
    /// The engine took it up, or whoever waited gave up: whichever came first.
    settled: Arc<AtomicBool>,
}

/// Where an answer is waited for.
#[derive(Debug)]
pub struct Awaited {
    answer: Receiver<String>,
    settled: Arc<AtomicBool>,
}

impl Reply {
    /// A reply and the end at which it is waited for.
    pub fn expected() -> (Self, Awaited) {
        let (sender, receiver) = sync_channel(1);
        let settled = Arc::new(AtomicBool::new(false));
        (Self { answer: sender, settled: settled.clone() }, Awaited { answer: receiver, settled })
    }
    /// The engine takes it up. `false` where nobody waits any more, who was told that nothing was done.
    pub fn take_up(&self) -> bool {
        !self.settled.swap(true, Ordering::SeqCst)
    }
    /// Answers; whoever waited may have gone.
    pub fn say(&self, text: String) {
        let _gone = self.answer.try_send(text);
    }
}

impl Awaited {
    /// The answer, if it is there.
    pub fn now(&self) -> Option<String> {
        self.answer.try_recv().ok()
    }
    /// The answer; without one, whether the engine has taken it up: if not, it is given up from now on. What was taken up is
    /// waited for once more.
    pub fn within(&self, within: std::time::Duration) -> Result<String, bool> {
        self.answer.recv_timeout(within).or_else(|_| {
            let taken = self.settled.swap(true, Ordering::SeqCst);
            if taken { self.answer.recv_timeout(within).map_err(|_| true) } else { Err(false) }
        })
    }
}

impl PartialEq for Reply {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

/// Replay control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlaybackRequest {
    /// Pause or go on.
    TogglePause,
    /// One event, while paused.
    Step,
    /// Times real time.
    Speed(f64),
    /// Part of the tape, 0 to 1, forward only.
    Seek(f64),
}

/// What becomes of open positions when the cockpit quits. "Stay" never gets here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuitChoice {
    /// Nothing is open, or leave it as it is.
    Leave,
    /// Close everything first; quits when flat is proven.
    CloseAndQuit,
}

/// The cockpit's end.
#[derive(Clone)]
pub struct CockpitEnd {
    shared: Arc<Shared>,
    requests: SyncSender<Request>,
}

/// The engine's end.
pub struct EngineEnd {
    shared: Arc<Shared>,
    /// Requests, in order.
    pub requests: Receiver<Request>,
}

/// Flattens that were asked for past the queue: how many so far, and when each kind was asked for last.
#[derive(Clone, Default, Debug)]
pub struct Flattens {
    count: u64,
    last: BTreeMap<Option<Symbol>, u64>,
}

impl Flattens {
    fn ask(&mut self, symbol: Option<Symbol>) {
        self.count += 1;
        self.last.insert(symbol, self.count);
    }
    /// How many were asked for so far.
    pub const fn count(&self) -> u64 {
        self.count
    }
    /// What was asked for after the first `known`; `None` is every position of ours.
    pub fn since(&self, known: u64) -> Vec<Option<Symbol>> {
        self.last.iter().filter(|(_, number)| **number > known).map(|(symbol, _)| *symbol).collect()
    }
}

struct Shared {
    newest: Mutex<Option<Arc<Snapshot>>>,
    gate: Gate,
    kill: AtomicBool,
    /// How the first kill that the engine has not taken was asked for.
    how: Mutex<Option<String>>,
    /// The last second step did not get into the queue of requests.
    untaken: AtomicBool,
    flattens: Mutex<Flattens>,
    /// Flattens that the engine has taken.
    flattens_taken: AtomicU64,
    /// What the guardian did, newest last.
    guardian: Mutex<Vec<String>>,
    ended: AtomicBool,
    /// The engine sleeps until a request comes or time passes.
    asleep: AtomicBool,
    /// There is no way to the engine now: requests are refused.
    deaf: AtomicBool,
    /// Nobody listens where the engine was.
    gone: AtomicBool,
    /// Something that was taken never reached the engine.
    lost: AtomicBool,
    /// The screen has not taken what was drawn last.
    behind: AtomicBool,
}

/// A connected pair of ends.
pub fn link() -> (CockpitEnd, EngineEnd) {
    let shared = Arc::new(Shared {
        newest: Mutex::new(None),
        gate: Gate::default(),
        kill: AtomicBool::new(false),
        how: Mutex::default(),
        untaken: AtomicBool::new(false),
        flattens: Mutex::default(),
        flattens_taken: AtomicU64::new(0),
        guardian: Mutex::new(Vec::new()),
        ended: AtomicBool::new(false),
        asleep: AtomicBool::new(false),
        deaf: AtomicBool::new(false),
        gone: AtomicBool::new(false),
        lost: AtomicBool::new(false),
        behind: AtomicBool::new(false),
    });
    let (sender, receiver) = sync_channel(REQUESTS_MAX);
    (CockpitEnd { shared: shared.clone(), requests: sender }, EngineEnd { shared, requests: receiver })
}

impl CockpitEnd {
    /// The newest snapshot, if there is one yet.
    pub fn newest(&self) -> Option<Arc<Snapshot>> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Asks. `false` when the engine is gone or does not keep up: the cockpit says so.
    pub fn ask(&self, request: Request) -> bool {
        !self.is_deaf() && self.requests.try_send(request).is_ok()
    }
    /// Is there no way to the engine now?
    pub fn is_deaf(&self) -> bool {
        self.shared.deaf.load(Ordering::SeqCst)
    }
    /// Does nobody listen where the engine was?
    pub fn is_gone(&self) -> bool {
        self.shared.gone.load(Ordering::SeqCst)
    }
    /// Did something that was taken since the last look never reach the engine?
    pub fn take_lost(&self) -> bool {
        self.shared.lost.swap(false, Ordering::SeqCst)
    }
    /// Whether the screen has not taken what was drawn last: more pictures are no use to it.
    pub fn falls_behind(&self, behind: bool) {
        self.shared.behind.store(behind, Ordering::SeqCst);
    }
    /// Kill, first step: closes the gate, wakes the guardian, then sets the flag and wakes the engine. Never blocks, never
    /// fails.
    pub fn kill(&self) {
        self.kill_by(BY_HAND);
    }
    /// The same from elsewhere than the run's own cockpit: the latch says from where. Its receipt begins empty.
    pub fn kill_by(&self, how: &str) {
        self.shared.guardian().clear();
        self.shared.gate.kill();
        self.shared.how().get_or_insert_with(|| how.to_owned());
        self.shared.kill.store(true, Ordering::SeqCst);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.requests.try_send(Request::Wake) {
            // A full queue is being drained: the engine looks at the flag before every request.
        }
    }
    /// Kill, second step. The guardian hears of it past any queue; `false` when the engine did not take it.
    pub fn close_after_kill(&self) -> bool {
        let taken = self.ask(Request::Command(Command::KillClose));
        // Before the gate counts it: whoever sees the count sees this as of it.
        self.shared.untaken.store(!taken, Ordering::SeqCst);
        self.shared.gate.close();
        taken
    }
    /// Closes one position of ours, or all: past the queue like a kill, because an engine that is stuck or gone must not keep
    /// a position open. The gate closes first; the guardian sees to it where the engine does not.
    pub fn flatten(&self, symbol: Option<Symbol>) {
        self.shared.gate.shut();
        self.shared.guardian().clear();
        self.shared.flattens().ask(symbol);
        self.shared.gate.ring();
        // As with a kill: an engine whose queue is full does not sleep.
        self.ask(Request::Wake);
    }
    /// Wakes the engine if it sleeps: something it waits for has come. A busy engine looks by itself, so that a stream of
    /// market data never fills the queue of requests.
    pub fn wake(&self) {
        if self.shared.asleep.swap(false, Ordering::SeqCst) {
            self.ask(Request::Wake);
        }
    }
    /// The run is over or wants the cockpit to leave.
    pub fn ended(&self) -> bool {
        self.shared.ended.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn how(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.how.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn guardian(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.guardian.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn flattens(&self) -> std::sync::MutexGuard<'_, Flattens> {
        self.flattens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Versions of pictures that others than the engine changed lie this far beyond its own.
const FOREIGN_VERSION: u64 = 1 << 32;

/// The place where the newest snapshot hangs; outlives the engine.
#[derive(Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

impl Board {
    /// The newest snapshot, if there is one yet.
    pub fn newest(&self) -> Option<Arc<Snapshot>> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Has the screen not taken what was drawn last?
    pub fn is_behind(&self) -> bool {
        self.shared.behind.load(Ordering::SeqCst)
    }
    /// Hangs up a picture that was made elsewhere, as it is.
    pub fn hang(&self, picture: Snapshot) {
        *self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(picture));
    }
    /// What the guardian did so far, for every picture from now on.
    pub fn report(&self, lines: Vec<String>) {
        self.shared.guardian().clone_from(&lines);
        self.change(|snapshot| snapshot.state.guardian = lines);
    }
    /// What the guardian did about what was asked last.
    pub fn reported(&self) -> Vec<String> {
        self.shared.guardian().clone()
    }
    /// How the kill that the engine has not taken yet was asked for.
    pub fn killed_how(&self) -> String {
        self.shared.how().clone().unwrap_or_else(|| BY_HAND.to_owned())
    }
    /// Did the engine's queue refuse the last second step? Then the engine never hears of it.
    pub fn close_is_untaken(&self) -> bool {
        self.shared.untaken.load(Ordering::SeqCst)
    }
    /// The flattens that were asked for so far.
    pub fn flattens(&self) -> Flattens {
        self.shared.flattens().clone()
    }
    /// Changes the newest snapshot, if there is one: for the last word about an engine that is gone.
    pub fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut newest = self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = newest.as_deref() {
            let mut changed = snapshot.clone();
            changed.version += FOREIGN_VERSION;
            change(&mut changed);
            *newest = Some(Arc::new(changed));
        }
    }
    /// Tells the cockpit to leave.
    pub fn end(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }
}

impl EngineEnd {
    /// The board this end publishes on.
    pub fn board(&self) -> Board {
        Board { shared: self.shared.clone() }
    }
    /// The gate of this run.
    pub fn gate(&self) -> Gate {
        self.shared.gate.clone()
    }
    /// Puts the newest snapshot where the cockpit looks, with the guardian's own report.
    pub fn publish(&self, mut snapshot: Snapshot) {
        snapshot.state.guardian.clone_from(&self.shared.guardian());
        *self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }
    /// From now on requests are refused, or taken again. A kill is always taken.
    pub fn goes_deaf(&self, deaf: bool) {
        self.shared.deaf.store(deaf, Ordering::SeqCst);
    }
    /// Nobody listens where the engine was, or somebody does again.
    pub fn goes_missing(&self, gone: bool) {
        self.shared.gone.store(gone, Ordering::SeqCst);
    }
    /// Something that was taken never reached the engine: the cockpit says so.
    pub fn loses(&self) {
        self.shared.lost.store(true, Ordering::SeqCst);
    }
    /// The kill that was asked for since the last look, with how: the first counts.
    pub fn take_kill(&self) -> Option<Command> {
        if !self.shared.kill.swap(false, Ordering::SeqCst) {
            return None;
        }
        let how = self.shared.how().take();
        Some(how.filter(|how| how != BY_HAND).map_or(Command::Kill, Command::KillBy))
    }
    /// How many flattens have been asked for.
    pub fn flattens(&self) -> u64 {
        self.shared.flattens().count()
    }
    /// What is to be flattened since the last look; `None` is every position of ours.
    pub fn take_flattens(&self) -> Vec<Option<Symbol>> {
        let flattens = self.shared.flattens();
        flattens.since(self.shared.flattens_taken.swap(flattens.count(), Ordering::SeqCst))
    }
    /// Takes what was asked of the run before and gives back what is still to be done: that the cockpit leaves.
    pub fn forget_requests(&self) -> Vec<Request> {
        self.take_flattens();
        let leaves = |request: &Request| matches!(request, Request::Quit(_) | Request::ScreenLost);
        self.requests.try_iter().filter(leaves).collect()
    }
    /// The engine is about to sleep: from now on it must be woken. It looks once more before it does.
    pub fn falls_asleep(&self) {
        self.shared.asleep.store(true, Ordering::SeqCst);
    }
    /// Tells the cockpit to leave.
    pub fn end(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_given_up_is_not_taken_up_and_what_was_taken_up_is_answered() {
        let (reply, awaited) = Reply::expected();
        assert_eq!(awaited.within(Duration::ZERO), Err(false));
        assert!(!reply.take_up(), "whoever asked was told that nothing was done");
        let (reply, awaited) = Reply::expected();
        assert!(reply.take_up());
        assert_eq!(awaited.within(Duration::ZERO), Err(true), "it is being done");
        reply.say("done".into());
        assert_eq!(awaited.within(Duration::ZERO), Ok("done".into()));
    }
}
