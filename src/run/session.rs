//! A run at its own pace: live (the clock), or a replay (the clock times a speed). Looks at kill, signals and requests
//! before every batch of market events, publishes snapshots, and never waits for the screen.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::attach::Seats;
use super::beside::{Beside, Own};
use super::clock::wall;
use super::disk::DiskLight;
use super::driver::{Driver, Finished};
use super::feed::Feed;
use super::guardian::Report;
use super::lease::Lease;
use super::leaving::Closing;
use super::live::Prepared;
use super::log::{Event, Line};
use super::pace::Pace;
use super::pulse::{Heard, Pulse};
use super::shelf::Keeper;
use super::signals::Signal;
use super::stage::{Left, Stage};
use super::switch::{Switch, Wanted};
use super::watchdog::link::Watched;
use crate::engine::command::Command;
use crate::engine::event::{Fault, Hold};
use crate::engine::ids::Account;
use crate::engine::notice::Notice;
use crate::engine::risk::state::{Arming, Latch, LatchCause};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::snapshot::{Health, HealthRow, Playback, Snapshot, View};
use crate::engine::time::{Span, Ts};
use crate::metrics::Histogram;
use crate::tui::crash;
use crate::tui::link::{QuitChoice, Reply, Request};

/// Attached cockpits are drawn for no more often.
const SEATS_EVERY: Span = Span::from_ms(100);
/// Steps between two looks at kill and requests: some milliseconds of work at most.
const BATCH: usize = 256;
/// Longest sleep: signals and threads wake the run earlier.
const NAP_MAX: Duration = Duration::from_millis(100);
/// A run that ends once nothing is open stays for so long: whoever asked for the close hears that it is done.
const TOLD_WITHIN: Span = Span::from_secs(2);
/// An answer waits for the disk for so long.
const KEPT_WITHIN: Span = Span::from_secs(1);

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
    /// Who reads the models again; none in a replay.
    pub keeper: Option<Keeper>,
    /// Its signs of life.
    pub pulse: Pulse,
    /// What the guardian has done.
    pub guardian: Report,
    /// A latch that others set beside it.
    pub beside: Beside,
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

pub(super) struct State {
    falls_over: bool,
    stuck: bool,
    unwatched: bool,
    /// When the run was last seen latched itself.
    own: Own,
    /// The state of the alert channels that the engine knows of.
    alerts_told: u64,
    view: View,
    published: Ts,
    /// When attached cockpits were last drawn for.
    seated: Ts,
    reported: Ts,
    /// What ends the run once a close loop is over.
    pub(super) closing: Option<Closing>,
    /// The terminal is gone, and the run ends when nothing is open any more.
    pub(super) hung_up: bool,
    /// Since when nothing has been open after that.
    calm: Option<Ts>,
    /// It was to close everything before its end, and flat is not proven.
    pub(super) unproven: bool,
    /// What the engine said to those who wait for it, and when.
    said: Vec<(Reply, String, Ts)>,
    /// The run ends so, once what it leaves is protected or the time is over.
    pub(super) leaving: Option<(Outcome, Ts)>,
    pub(super) seek: Option<Ts>,
    rate: Rate,
    turns: Histogram,
    started: Ts,
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
        let began = Line::new(Event::RunBegan).with("run", self.driver.run_id().to_string());
        self.stage.log.write(began.with("account", self.driver.account().word()).with("market", self.label.as_str()));
        let mut state = State {
            falls_over: provoked("engine-panic"),
            stuck: provoked("engine-stuck"),
            unwatched: false,
            own: Own::default(),
            alerts_told: 0,
            view: View::default(),
            published: Ts(0),
            seated: Ts(0),
            reported: now,
            closing: None,
            hung_up: false,
            calm: None,
            unproven: false,
            said: Vec::new(),
            leaving: None,
            seek: None,
            rate: Rate::default(),
            turns: Histogram::of_turns(),
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
        self.heed_last_kill();
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
        let finished = Finished { unproven: state.unproven, ..self.driver.finish(word) };
        self.stage.log.write(Line::new(Event::RunEnded).with("outcome", word));
        self.stage.log.finish();
        drop(self.lease.take());
        let next = self.next.take().zip(self.switch.as_ref().map(Switch::again));
        if next.is_none() {
            self.stage.end.end();
        }
        Left { outcome, finished, stage: self.stage, next }
    }

    /// An engine that was away (stopped, suspended, stuck) does not know what happened meanwhile: nothing that it decided
    /// before leaves, and it comes back disarmed. What others latched beside it holds here too, whether it was away or not.
    fn fence_itself(&mut self, state: &mut State) {
        let away = self.pulse.age().filter(|age| self.fence_after.is_some_and(|most| *age > most));
        self.pulse.beat();
        if let Some(latch) = self.driver.engine().latch() {
            let now = Some(self.stage.clock.now());
            state.own = Own { latched: now, killed: if latch.is_kill() { now } else { state.own.killed } };
        }
        let beside = match away {
            Some(away) => {
                self.driver.fence();
                self.driver.fault(Fault::Stopped(Span(i64::try_from(away.as_nanos()).unwrap_or(i64::MAX))));
                self.driver.marked()
            }
            None => self.beside.take(state.own),
        };
        let own = self.driver.engine().latch();
        match beside.filter(|latch| own.is_none_or(|own| latch.is_kill() && !own.is_kill())) {
            Some(Latch { cause: LatchCause::Killed(how), .. }) => self.driver.shut(Command::KillBy(how)),
            Some(Latch { cause: LatchCause::Fault(why), .. }) => self.driver.fault(Fault::Internal(why)),
            Some(latch) => self.driver.fault(Fault::Internal(latch.cause.to_string())),
            None => {}
        }
    }

    /// One turn of the loop.
    fn turn(&mut self, state: &mut State) -> Option<Outcome> {
        let began = Instant::now();
        self.fence_itself(state);
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
        self.stage.bells.heard(self.has_screen(state) || self.seats.are_watched());
        let alerts = self.stage.alerts.version();
        if alerts != state.alerts_told {
            state.alerts_told = alerts;
            self.driver.checked(self.stage.alerts.check());
        }
        self.look_at_watchdog(state);
        self.look_at_models();
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
        self.answer(state);
        self.hand_out_notices();
        if let Some(outcome) = self.has_closed(state) {
            return Some(outcome);
        }
        let now = self.stage.clock.now();
        if !state.hung_up || self.driver.engine().at_risk() || self.seats.are_attended() {
            state.calm = None;
        } else if now.since(*state.calm.get_or_insert(now)) >= TOLD_WITHIN {
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
        state.turns.add(Span(i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX)));
        if busy { None } else { self.nap(target, state) }
    }

    /// Whoever waited finds the signs of life as of the answer, and on the disk what was done: a disarm that was answered
    /// outlives a crash. A disk that takes long is not waited for.
    fn answer(&self, state: &mut State) {
        let (kept, now) = (self.driver.depths().0 == 0, self.stage.clock.now());
        state.said.retain(|(reply, text, at)| {
            let answered = kept || now.since(*at) > KEPT_WITHIN;
            if answered {
                reply.say(text.clone());
            }
            !answered
        });
    }

    /// Kill first, then flatten, then requests in order. What was asked before one of the two and would loosen something
    /// is void after it.
    fn serve_waiting(&mut self, state: &mut State) -> Option<Outcome> {
        let mut shut = false;
        loop {
            if let Some(kill) = self.stage.end.take_kill() {
                shut = true;
                self.shut(kill);
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
    pub(super) fn shut(&mut self, command: Command) {
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

    /// A person's request, and what the engine says to it. An audit replay only plays what was recorded: there is nothing to
    /// command.
    fn command(&mut self, command: Command) -> String {
        let audit = self.replay == Some("audit");
        let said = if audit { None } else { self.driver.command(command) };
        said.unwrap_or_else(|| if audit { "refused: an audit takes no commands" } else { "done" }.to_owned())
    }

    fn look_at_signals(&mut self, state: &mut State) -> Option<Outcome> {
        let signal = self.stage.signals.try_recv().ok()?;
        let name = signal.name();
        match signal {
            signal if signal.kills(self.screen) => {
                self.shut(Command::KillBy(format!("by {name}")));
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
                let wanted = reply.take_up();
                if !wanted && command.loosens(|key| self.driver.engine().limits().get(key)) {
                    return None;
                }
                let said = self.command(command);
                state.said.push((reply, said, self.stage.clock.now()));
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
            return Err(super::switch::none(matches!(self.driver.feed(), Feed::Live(_)), account));
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

    fn hand_out_notices(&mut self) {
        let notices = self.driver.take_notices();
        for notice in &notices {
            self.stage.log.write(Line::of_notice(notice));
        }
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
            let mut tally = self.driver.tally();
            tally.turns.clone_from(&state.turns);
            self.stage.watch.tell(tally);
        }
        let report_due = second_over && self.on_snapshot.is_some();
        if !self.screen && !report_due {
            return;
        }
        let snapshot = self.picture(state.view, state, now);
        self.stage.log.state(&snapshot);
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

    /// Armed, and nobody is at a cockpit, or for so long that nobody need be.
    fn is_unattended(&self, state: &State) -> bool {
        let Arming::Armed { since, until } = self.driver.engine().arming() else { return false };
        let long = self.stage.departure.unattended_from.is_some_and(|most| until.since(since) > most);
        self.replay.is_none() && (long || !(self.has_screen(state) || self.seats.are_attended()))
    }

    /// Is there a screen that somebody may see? A terminal that hung up has none.
    const fn has_screen(&self, state: &State) -> bool {
        self.screen && !state.hung_up
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
        snapshot.session.unattended = self.is_unattended(state);
        snapshot.session.bell = self.stage.bells.rung();
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
