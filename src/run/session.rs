//! A run at its own pace: live (the clock), or a replay (the clock times a speed). Looks at kill, signals and requests
//! before every batch of market events, publishes snapshots, and never waits for the screen.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::attach::Seats;
use super::clock::wall;
use super::disk::DiskLight;
use super::driver::Driver;
use super::feed::Feed;
use super::guardian::Report;
use super::lease::Lease;
use super::live::Prepared;
use super::pulse::{Heard, Pulse};
use super::signals::Signal;
use super::stage::{Left, Stage};
use super::switch::{Switch, Wanted};
use super::watchdog::link::Watched;
use crate::engine::command::Command;
use crate::engine::event::{Fault, Hold};
use crate::engine::ids::Account;
use crate::engine::notice::Notice;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::snapshot::{Health, HealthRow, Playback, Snapshot, View};
use crate::engine::time::{Span, Ts};
use crate::tui::crash;
use crate::tui::link::{PlaybackRequest, QuitChoice, Reply, Request};

/// Attached cockpits are drawn for no more often.
const SEATS_EVERY: Span = Span::from_ms(100);
/// Steps between two looks at kill and requests: some milliseconds of work at most.
const BATCH: usize = 256;
/// Longest sleep: signals and threads wake the run earlier.
const NAP_MAX: Duration = Duration::from_millis(100);
/// A run whose positions have no stop at the venue does not end for this long: it tries to set one.
const PROTECTS_FOR: Span = Span::from_secs(30);
/// SIGTERM with `on_sigterm = "flatten"`: then it leaves whatever is still open, and says so.
const FLATTENS_FOR: Span = Span::from_secs(45);
/// How long a run that ends waits for the venue to answer its cancels.
const ANSWERS_TAKE: Span = Span::from_secs(3);
/// A simulated or replayed market that fell further behind the clock than this lets the time in between pass unseen
/// instead of racing through it.
const BEHIND_MAX: Span = Span::from_secs(5);

/// How event time follows the clock.
pub enum Pace {
    /// Event time is the clock.
    Clock,
    /// Event time runs at `speed` from where it was anchored; 0 is paused.
    Replay {
        /// Times real time.
        speed: f64,
        /// Speed to go back to when unpaused.
        resume: f64,
        /// Event time at the anchor.
        from: Ts,
        /// Clock at the anchor.
        since: Ts,
    },
}

/// Why a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Asked to quit.
    Quit,
    /// A signal.
    Signal(&'static str),
    /// The requested time is over, or the tape.
    Done,
    /// The screen is gone.
    ScreenLost,
    /// Another account takes over.
    Switched(Account),
}

/// Receives notices.
pub type OnNotice = Box<dyn FnMut(&Notice) + Send>;
/// Receives snapshots.
pub type OnSnapshot = Box<dyn FnMut(&Snapshot) + Send>;

/// What a run is started with.
pub struct Session {
    /// The driver at its start.
    pub driver: Driver,
    /// The line to the cockpit, signals and the clock: they outlive the run.
    pub stage: Stage,
    /// The way to another account, where there is one.
    pub switch: Option<Switch>,
    /// The run that comes after this one.
    pub next: Option<Prepared>,
    /// The account at the venue, held until the run has ended.
    pub lease: Option<Lease>,
    /// The light of the disk; none where nothing is kept.
    pub disk: Option<DiskLight>,
    /// Its signs of life.
    pub pulse: Pulse,
    /// What the guardian has done.
    pub guardian: Report,
    /// Its control socket, where it has one.
    pub socket: Option<PathBuf>,
    /// Cockpits of other processes.
    pub seats: Seats,
    /// The watchdog, where one was started.
    pub watched: Option<Watched>,
    /// An engine that was silent for longer than this disarms before it does anything else; `None` in a replay.
    pub fence_after: Option<Duration>,
    /// Is there a screen? It decides what SIGINT means and whether snapshots are built.
    pub screen: bool,
    /// How event time follows the clock.
    pub pace: Pace,
    /// Least time between two snapshots.
    pub publish_every: Span,
    /// Stop by itself after this long.
    pub stop_after: Option<Span>,
    /// What the market is, for the banner.
    pub label: String,
    /// The venue is a simulator on this machine.
    pub simulated_venue: bool,
    /// Kind of replay, `None` outside replay.
    pub replay: Option<&'static str>,
    /// What the person must know from the start; told once the run has reached the present.
    pub troubles: Vec<String>,
    /// Receives every notice.
    pub on_notice: Option<OnNotice>,
    /// Receives every snapshot of a run without a screen, once a second.
    pub on_snapshot: Option<OnSnapshot>,
}

/// Faults on purpose, so that the unhappy ends can be seen by hand and by tests: with `TICKDECK_PROVOKE=engine-panic` the
/// engine's thread falls over after this many steps, with `engine-stuck` it stands still for good once something is open.
const PROVOKE_AFTER: u64 = 2_000;

struct State {
    falls_over: bool,
    stuck: bool,
    unwatched: bool,
    /// The state of the alert channels that the engine knows of.
    alerts_told: u64,
    view: View,
    published: Ts,
    /// When attached cockpits were last drawn for.
    seated: Ts,
    reported: Ts,
    /// What ends the run once a close loop is over.
    closing: Option<Closing>,
    /// The terminal is gone, and the run ends when nothing is open any more.
    hung_up: bool,
    /// What the engine said to those who wait for it.
    said: Vec<(Reply, String)>,
    /// The run ends so, once what it leaves is protected or the time is over.
    leaving: Option<(Outcome, Ts)>,
    seek: Option<Ts>,
    rate: Rate,
    started: Ts,
}

/// A run that ends when what is open is closed.
struct Closing {
    outcome: Outcome,
    how: &'static str,
    /// It ends then in any case; `None` stays until it is proven.
    until: Option<Ts>,
}

#[derive(Default)]
struct Rate {
    since: Ts,
    steps: u64,
    per_second: u32,
}

impl Session {
    /// Runs until asked to stop.
    pub fn run(mut self) -> Left {
        let now = self.stage.clock.now();
        let mut state = State {
            falls_over: provoked("engine-panic"),
            stuck: provoked("engine-stuck"),
            unwatched: false,
            alerts_told: 0,
            view: View::default(),
            published: Ts(0),
            seated: Ts(0),
            reported: now,
            closing: None,
            hung_up: false,
            said: Vec::new(),
            leaving: None,
            seek: None,
            rate: Rate::default(),
            started: now,
        };
        let outcome = loop {
            if let Some(outcome) = self.turn(&mut state) {
                break outcome;
            }
        };
        self.pulse.leaves();
        if matches!(self.pace, Pace::Clock) {
            self.hear_the_answers();
        }
        self.hand_out_notices();
        self.publish(&mut state);
        let word = match &outcome {
            Outcome::Quit => "quit",
            Outcome::Signal(name) => name,
            Outcome::Done => "done",
            Outcome::ScreenLost => "screen lost",
            Outcome::Switched(account) => account.word(),
        };
        if let Some(watched) = &self.watched {
            watched.goodbye(&self.leaves());
        }
        self.seats.close();
        if let Some(socket) = &self.socket {
            super::control::close(socket);
        }
        let finished = self.driver.finish(word);
        drop(self.lease.take());
        let next = self.next.take().zip(self.switch.as_ref().map(Switch::again));
        if next.is_none() {
            self.stage.end.end();
        }
        Left { outcome, finished, stage: self.stage, next }
    }

    /// What was cancelled on leaving is still answered, as far as the venue answers in time. A market of our own needs no
    /// real time for it.
    fn hear_the_answers(&mut self) {
        if !self.driver.feed().may_go_on() {
            if self.driver.engine().working_orders() > 0 {
                self.driver.advance(self.driver.now() + Span::from_secs(1), usize::MAX >> 1);
            }
            return;
        }
        let until = self.stage.clock.now() + ANSWERS_TAKE;
        while self.driver.engine().working_orders() > 0 && self.stage.clock.now() < until {
            self.driver.collect();
            self.driver.advance(self.stage.clock.now(), usize::MAX >> 1);
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// An engine that was away (stopped, suspended, stuck) does not know what happened meanwhile: nothing that it decided
    /// before leaves, and it comes back disarmed.
    fn fence_itself(&mut self) {
        let away = self.pulse.age().filter(|age| self.fence_after.is_some_and(|most| *age > most));
        self.pulse.beat();
        let Some(away) = away else { return };
        self.driver.gate().shut();
        self.driver.fault(Fault::Stopped(Span(i64::try_from(away.as_nanos()).unwrap_or(i64::MAX))));
        // What was latched beside it meanwhile holds here too.
        match self.driver.marked().filter(|_| self.driver.engine().latch().is_none()) {
            Some(latch) if latch.is_kill() => self.driver.shut(Command::Kill),
            Some(Latch { cause: LatchCause::Fault(why), .. }) => self.driver.fault(Fault::Internal(why)),
            Some(latch) => self.driver.fault(Fault::Internal(latch.cause.to_string())),
            None => {}
        }
    }

    /// One turn of the loop.
    fn turn(&mut self, state: &mut State) -> Option<Outcome> {
        self.fence_itself();
        if state.stuck && self.driver.engine().at_risk() {
            stand_still();
        }
        if state.falls_over && self.driver.steps() > PROVOKE_AFTER {
            fall_over();
        }
        for panic in crash::take_foreign_panics() {
            self.driver.fault(Fault::Internal(format!("the thread {} fell over: {}", panic.thread, panic.message)));
        }
        if let Some(outcome) = self.look_at_signals(state).or_else(|| self.may_leave_now(state)) {
            return Some(outcome);
        }
        let gate = self.driver.gate();
        let heard = Heard { kills: gate.kills(), closes: gate.closes(), flattens: self.stage.end.flattens() };
        if let Some(outcome) = self.serve_waiting(state) {
            return Some(outcome);
        }
        if let Some(outcome) = self.follow_switch() {
            return Some(outcome);
        }
        if let Some(jump) = self.stage.clock.take_jump()
            && matches!(self.pace, Pace::Clock)
        {
            self.driver.fault(Fault::ClockJump(jump));
        }
        if matches!(self.pace, Pace::Clock) {
            self.driver.look_at_clock(self.stage.clock.now());
        }
        if let Some(check) = self.disk.as_ref().and_then(DiskLight::news) {
            self.driver.checked(check);
        }
        let alerts = self.stage.alerts.version();
        if alerts != state.alerts_told {
            state.alerts_told = alerts;
            self.driver.checked(self.stage.alerts.check());
        }
        self.look_at_watchdog(state);
        self.driver.collect();
        let target = self.target(state);
        if self.must_let_the_tape_catch_up(target) {
            std::thread::park_timeout(Duration::from_millis(1));
            return None;
        }
        let busy = self.driver.advance(target, BATCH);
        if !busy {
            state.seek = None;
            for trouble in std::mem::take(&mut self.troubles) {
                self.driver.tell(trouble);
            }
        }
        self.driver.collect();
        self.pulse.tell(self.driver.engine(), self.driver.depths().0, heard);
        // Whoever waited finds the signs of life as of the answer.
        state.said.drain(..).for_each(|(reply, text)| reply.say(text));
        self.hand_out_notices();
        if let Some(outcome) = self.has_closed(state) {
            return Some(outcome);
        }
        let now = self.stage.clock.now();
        if state.hung_up && !self.driver.engine().at_risk() && !self.seats.are_taken() {
            return self.leave("nothing is open any more", Outcome::ScreenLost, state);
        }
        if state.leaving.is_none() && self.stop_after.is_some_and(|span| now.since(state.started) >= span) {
            return self.leave("its time is over", Outcome::Done, state);
        }
        if !self.screen && self.driver.finished() {
            return Some(Outcome::Done);
        }
        if now.since(state.published) >= self.publish_every {
            self.publish(state);
        }
        if now.since(state.seated) >= SEATS_EVERY && self.seats.are_taken() {
            state.seated = now;
            self.seats.clone().draw(|view| self.picture(view, state, now));
        }
        if busy { None } else { self.nap(target, state) }
    }

    /// Kill first, then flatten, then requests in order. What was asked before one of the two and would loosen something
    /// is void after it.
    fn serve_waiting(&mut self, state: &mut State) -> Option<Outcome> {
        let mut shut = false;
        loop {
            if self.stage.end.take_kill() {
                shut = true;
                self.shut(Command::Kill);
            }
            for symbol in self.stage.end.take_flattens() {
                shut = true;
                self.shut(Command::Flatten(symbol));
            }
            let request = self.stage.end.requests.try_recv().ok()?;
            if shut && self.loosens(&request) {
                continue;
            }
            if let Some(outcome) = self.serve(request, state) {
                return Some(outcome);
            }
        }
    }

    fn loosens(&self, request: &Request) -> bool {
        let limits = self.driver.engine().limits();
        matches!(request, Request::Command(command) | Request::Asked(command, _) if command.loosens(|key| limits.get(key)))
    }

    /// A command whose gate is closed already. An audit replay only plays what was recorded.
    fn shut(&mut self, command: Command) {
        if self.replay != Some("audit") {
            self.driver.shut(command);
        }
    }

    /// Nothing opens while the watchdog that was asked for is silent.
    fn look_at_watchdog(&mut self, state: &mut State) {
        let Some(watched) = &self.watched else { return };
        let trouble = watched.trouble();
        if trouble.is_some() == state.unwatched {
            return;
        }
        state.unwatched = trouble.is_some();
        self.driver.hold(Hold { code: DenialCode::WatchdogSilent, symbol: None, detail: trouble });
    }

    /// What an orderly end leaves open, for the watchdog's goodbye.
    fn leaves(&self) -> Vec<String> {
        let engine = self.driver.engine();
        let orders = engine.working_orders();
        let orders = (orders > 0).then(|| format!("{orders} working order(s)"));
        engine.open_names().map(|name| format!("position {name}")).chain(orders).collect()
    }

    /// A person's request, and what the engine says to it. An audit replay only plays what was recorded: there is nothing to
    /// command.
    fn command(&mut self, command: Command) -> String {
        let audit = self.replay == Some("audit");
        let said = if audit { None } else { self.driver.command(command) };
        said.unwrap_or_else(|| if audit { "refused: an audit takes no commands" } else { "done" }.to_owned())
    }

    /// The terminal is gone. While anything is open the engine stays, disarmed, and another cockpit can reach it.
    fn hang_up(&mut self, how: &'static str, outcome: Outcome, state: &mut State) -> Option<Outcome> {
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

    /// A run that races through time it missed (the demo's prelude, a stopped process) makes events faster than any disk
    /// takes them: it waits for its tape. A run at its own pace never does.
    fn must_let_the_tape_catch_up(&self, target: Ts) -> bool {
        let racing = target.since(self.driver.now()) > Span::from_secs(2);
        racing && self.driver.depths().1 > crate::tape::thread::QUEUE_MAX / 4
    }

    /// SIGTERM, without a screen SIGINT too: leave, or close what is open first. Asked a second time, it leaves at once.
    fn terminate(&mut self, how: &'static str, state: &mut State) -> Option<Outcome> {
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
    fn has_closed(&mut self, state: &mut State) -> Option<Outcome> {
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
        }
        self.leave(how, outcome, state)
    }

    /// The process is to end and leave what is open. Asked a second time, it goes at once.
    fn leave(&mut self, how: &str, outcome: Outcome, state: &mut State) -> Option<Outcome> {
        self.driver.command(Command::Leaving(how.to_owned()));
        if state.leaving.is_some() || !self.leaves_unprotected() {
            return Some(outcome);
        }
        state.leaving = Some((outcome, self.stage.clock.now() + PROTECTS_FOR));
        self.driver
            .tell(format!("{how}: a position has no stop at the venue: one is set first, within {PROTECTS_FOR}"));
        None
    }

    fn may_leave_now(&mut self, state: &mut State) -> Option<Outcome> {
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

    /// Does a position stay at a venue, which goes on without us, without a stop that is known to be there? Our own paper
    /// account ends with us.
    fn leaves_unprotected(&self) -> bool {
        self.driver.account() != Account::Paper && self.driver.engine().unprotected() > 0
    }

    fn look_at_signals(&mut self, state: &mut State) -> Option<Outcome> {
        let signal = self.stage.signals.try_recv().ok()?;
        let name = signal.name();
        match signal {
            signal if signal.kills(self.screen) => {
                self.shut(Command::Kill);
                None
            }
            Signal::Terminate | Signal::Interrupt => self.terminate(name, state),
            Signal::HangUp => self.hang_up(name, Outcome::Signal(name), state),
            Signal::Quit => None,
        }
    }

    fn serve(&mut self, request: Request, state: &mut State) -> Option<Outcome> {
        match request {
            Request::Command(command) => {
                self.command(command);
            }
            Request::Asked(command, reply) => {
                let said = self.command(command);
                state.said.push((reply, said));
            }
            Request::Alive => {
                if self.driver.engine().settings().deadman.0 > 0 {
                    self.driver.command(Command::Present);
                }
            }
            Request::View(view) => {
                state.view = view;
                state.published = Ts(0);
            }
            Request::Playback(request) => self.playback(request, state),
            Request::Weather(word) => self.set_weather(&word),
            Request::Quit(QuitChoice::Leave) => {
                return self.leave("quit", Outcome::Quit, state);
            }
            Request::Quit(QuitChoice::CloseAndQuit) => {
                let killed = self.driver.engine().latch().is_some_and(Latch::is_kill);
                self.command(if killed { Command::KillClose } else { Command::Flatten(None) });
                let outcome = Outcome::Quit;
                state.closing = self.driver.engine().closing().then_some(Closing { outcome, how: "quit", until: None });
            }
            Request::ScreenLost => {
                return self.hang_up("the screen was lost", Outcome::ScreenLost, state);
            }
            Request::Switch { account, typed } => {
                if let Err(why) = self.begin_switch(account, typed) {
                    self.stay(&why);
                }
            }
            Request::Wake => {}
        }
        None
    }

    /// Another account is asked for. This run goes on until the next one can begin.
    fn begin_switch(&mut self, account: Account, typed: Option<String>) -> Result<(), String> {
        self.driver.engine().may_leave()?;
        let at = self.stage.clock.now();
        let running = if let Feed::Live(live) = self.driver.feed() { Some(live.options().clone()) } else { None };
        let Some(switch) = &mut self.switch else {
            return Err("this market has the paper account and no other".to_owned());
        };
        switch.ask(Wanted { account, typed, running, at }, self.stage.cockpit.clone())
    }

    /// The next run is ready, or refused. What happened meanwhile may keep this one here.
    fn follow_switch(&mut self) -> Option<Outcome> {
        let prepared = match self.switch.as_mut()?.take()? {
            Ok(prepared) => prepared,
            Err(why) => {
                self.stay(&why);
                return None;
            }
        };
        if let Err(why) = self.driver.engine().may_leave() {
            prepared.abandon();
            self.stay(&why);
            return None;
        }
        let account = prepared.account();
        self.driver.command(Command::Leaving(format!("switched to the {} account", account.word())));
        self.next = Some(prepared);
        Some(Outcome::Switched(account))
    }

    fn stay(&mut self, why: &str) {
        self.driver.tell(format!("the account stays as it is: {why}"));
    }

    fn set_weather(&mut self, word: &str) {
        if let Feed::Simulated(market) = self.driver.feed_mut()
            && let Ok(weather) = word.parse()
        {
            market.set_weather(weather);
        }
    }

    /// Event time to advance to.
    fn target(&mut self, state: &State) -> Ts {
        if let Some(seek) = state.seek {
            return seek;
        }
        let now = self.stage.clock.now();
        match &mut self.pace {
            Pace::Clock => now,
            Pace::Replay { speed, from, since, .. } => {
                let elapsed = now.since(*since).as_secs_f64() * *speed;
                let target = *from + Span((elapsed * 1e9) as i64);
                // A machine that cannot keep up with the speed plays as fast as it can instead of ever later.
                let reached = self.driver.now();
                if target.since(reached).0 as f64 > BEHIND_MAX.0 as f64 * speed.max(1.0) {
                    (*from, *since) = (reached, now);
                    return reached + Span(((BEHIND_MAX.0 as f64) * *speed) as i64);
                }
                target
            }
        }
    }

    fn playback(&mut self, request: PlaybackRequest, state: &mut State) {
        let (reached, now) = (self.driver.now(), self.stage.clock.now());
        let Pace::Replay { speed, resume, from, since } = &mut self.pace else { return };
        (*from, *since) = (reached, now);
        match request {
            PlaybackRequest::TogglePause if *speed > 0.0 => *speed = 0.0,
            PlaybackRequest::TogglePause => *speed = *resume,
            PlaybackRequest::Speed(times) => {
                *resume = times.clamp(0.1, 1000.0);
                *speed = *resume;
            }
            PlaybackRequest::Step => {
                *speed = 0.0;
                if let Some(due) = self.driver.next_due() {
                    self.driver.advance(due, 1);
                    *from = self.driver.now();
                }
            }
            PlaybackRequest::Seek(part) => {
                if let Feed::Tape(tape) = self.driver.feed() {
                    state.seek = tape.time_at(part).filter(|target| *target > reached);
                }
            }
        }
        if let (Some(seek), Pace::Replay { from, .. }) = (state.seek, &mut self.pace) {
            *from = seek;
        }
    }

    fn hand_out_notices(&mut self) {
        let notices = self.driver.take_notices();
        if let Some(on_notice) = &mut self.on_notice {
            notices.iter().for_each(on_notice);
        }
    }

    /// Sleeps until something is due or somebody asks.
    fn nap(&mut self, target: Ts, state: &mut State) -> Option<Outcome> {
        let speed = match self.pace {
            Pace::Clock => 1.0,
            Pace::Replay { speed, .. } => speed,
        };
        // What came between the last look and falling asleep has woken nobody.
        self.stage.end.falls_asleep();
        self.driver.collect();
        let until_due = match self.driver.next_due() {
            Some(due) if speed > 0.0 => {
                Duration::from_nanos((due.since(target).0.max(0) as f64 / speed).min(1e9) as u64)
            }
            _ => NAP_MAX,
        };
        match self.stage.end.requests.recv_timeout(until_due.min(NAP_MAX)) {
            Ok(request) => self.serve(request, state),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) if self.screen => Some(Outcome::ScreenLost),
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::park_timeout(until_due.min(NAP_MAX));
                None
            }
        }
    }

    /// Builds a snapshot for whoever looks.
    fn publish(&mut self, state: &mut State) {
        let now = self.stage.clock.now();
        state.published = now;
        let second_over = now.since(state.reported) >= Span::from_secs(1);
        if second_over {
            state.reported = now;
            self.stage.watch.tell(self.driver.tally());
        }
        let report_due = second_over && self.on_snapshot.is_some();
        if !self.screen && !report_due {
            return;
        }
        let snapshot = self.picture(state.view, state, now);
        if let Some(on_snapshot) = self.on_snapshot.as_mut().filter(|_| report_due) {
            on_snapshot(&snapshot);
        }
        self.stage.end.publish(snapshot);
    }

    fn picture(&mut self, view: View, state: &mut State, now: Ts) -> Snapshot {
        let mut snapshot = self.driver.engine_mut().snapshot(view);
        self.label_snapshot(&mut snapshot, state, now);
        snapshot
    }

    fn label_snapshot(&self, snapshot: &mut Snapshot, state: &mut State, now: Ts) {
        if now.since(state.rate.since) >= Span::from_secs(1) {
            let span = now.since(state.rate.since).as_secs_f64().max(1e-3);
            state.rate.per_second = ((self.driver.steps() - state.rate.steps) as f64 / span) as u32;
            (state.rate.since, state.rate.steps) = (now, self.driver.steps());
        }
        snapshot.session.market_label.clone_from(&self.label);
        snapshot.shadow = self.driver.shadow();
        snapshot.session.simulated_venue = self.simulated_venue;
        if let Feed::Simulated(market) = self.driver.feed() {
            snapshot.session.weather = Some(market.weather().to_string());
        }
        snapshot.health.rows.extend(self.watched.as_ref().map(Watched::health));
        if let Feed::Live(live) = self.driver.feed() {
            snapshot.health.rows.push(live.health());
        }
        if let (Some(kind), Pace::Replay { speed, .. }, Feed::Tape(tape)) =
            (self.replay, &self.pace, self.driver.feed())
        {
            snapshot.session.playback = Some(Playback {
                done: tape.done(),
                speed: *speed,
                kind: kind.to_owned(),
                ended: self.driver.finished(),
            });
        }
        snapshot.health.event_rate = state.rate.per_second;
        snapshot.health.decisions = self.driver.decisions().hash().chars().take(12).collect();
        snapshot.health.heartbeat = wall();
        let (ledger, tape) = self.driver.depths();
        let row = |name: &str, depth: usize, bound: usize| HealthRow {
            name: name.to_owned(),
            health: if depth < bound / 2 { Health::Ok } else { Health::Warn },
            detail: format!("queue {depth}/{bound}"),
        };
        snapshot.health.rows.push(row("ledger", ledger, crate::ledger::JOBS_MAX));
        snapshot.health.rows.push(row("tape", tape, crate::tape::thread::QUEUE_MAX));
    }
}

fn provoked(what: &str) -> bool {
    std::env::var_os("TICKDECK_PROVOKE").is_some_and(|asked| asked == what)
}

/// Never comes back.
fn stand_still() -> ! {
    loop {
        std::thread::park();
    }
}

/// A panic on purpose, through the hook like any other.
#[expect(clippy::panic, reason = "asked for by TICKDECK_PROVOKE")]
fn fall_over() -> ! {
    panic!("provoked by TICKDECK_PROVOKE")
}
