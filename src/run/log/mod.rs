//! The log of a process: one line of JSON or text for each event of a registry, to a rolling file in the data directory and, without
//! a screen, to stdout. Whoever logs never waits: a disk that is slow or full costs lines, which are counted.

mod roll;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use self::roll::Roll;
use super::clock::wall;
use crate::engine::notice::{Kind, Level, Notice};
use crate::engine::snapshot::Snapshot;
use crate::engine::time::{Span, Ts};
use crate::redact::redacted;

/// An event of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // `EVENTS` says it
pub enum Event {
    RunBegan,
    RunEnded,
    RunState,
    Fill,
    Order,
    Denied,
    State,
    Limit,
    Market,
    Signal,
    Account,
    Fault,
    ControlAsked,
    ControlRefused,
    RemoteAsked,
    RemoteConflict,
    LinesLost,
}

/// An event's row.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Which.
    pub event: Event,
    /// Its name on the line: a contract with whoever reads logs.
    pub name: &'static str,
    /// What it says.
    pub what: &'static str,
}

const fn spec(event: Event, name: &'static str, what: &'static str) -> Spec {
    Spec { event, name, what }
}

/// Every event, in the order of the enum. docs/events.md is this table.
pub const EVENTS: [Spec; 17] = [
    spec(Event::RunBegan, "run.began", "a run began: its id, market and account"),
    spec(Event::RunEnded, "run.ended", "the run ended, and how"),
    spec(Event::RunState, "run.state", "how things stand: once a second on stdout, once a minute in the file"),
    spec(Event::Fill, "execution.fill", "an execution"),
    spec(Event::Order, "order.news", "the life of an order; an alarm is one of which nobody knows"),
    spec(Event::Denied, "order.denied", "the gate denied an order; `denial` has the code"),
    spec(Event::State, "state.changed", "arm, disarm, kill, trip, reset, reduce"),
    spec(Event::Limit, "limit.changed", "a limit was changed"),
    spec(Event::Market, "market.news", "stream, book, staleness"),
    spec(Event::Signal, "signal.news", "models and signals"),
    spec(Event::Account, "account.news", "funding, liquidation, balance, and what the run tells the person"),
    spec(Event::Fault, "engine.fault", "a fault of tickdeck's own"),
    spec(Event::ControlAsked, "control.asked", "a verb came by the control socket or by Telegram"),
    spec(
        Event::ControlRefused,
        "control.refused",
        "a message was refused at the door; told the 1st, 2nd, 4th, 8th... time",
    ),
    spec(Event::RemoteAsked, "remote.asked", "an allowed chat of Telegram wrote a word"),
    spec(Event::RemoteConflict, "remote.conflict", "another program reads the bot's messages"),
    spec(Event::LinesLost, "log.lost", "lines did not reach the file: the disk was too slow"),
];

impl Event {
    /// Its name.
    pub fn name(self) -> &'static str {
        EVENTS.get(self as usize).map_or("", |spec| spec.name)
    }
    /// What a notice of the engine is.
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Fill => Self::Fill,
            Kind::Order => Self::Order,
            Kind::Deny => Self::Denied,
            Kind::State => Self::State,
            Kind::Limit => Self::Limit,
            Kind::Market => Self::Market,
            Kind::Signal => Self::Signal,
            Kind::Account => Self::Account,
            Kind::Fault => Self::Fault,
        }
    }
}

/// One line.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    at: Ts,
    level: Level,
    event: Event,
    fields: Map<String, Value>,
}

impl Line {
    /// A line about now.
    pub fn new(event: Event) -> Self {
        Self { at: wall(), level: Level::Info, event, fields: Map::new() }
    }
    /// At another level.
    #[must_use]
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
    /// With a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
    /// Of a notice.
    pub fn of_notice(notice: &Notice) -> Self {
        let mut line = Self { at: notice.at, level: notice.level, event: Event::of(notice.kind), fields: Map::new() };
        line = line.with("id", notice.id).with("text", notice.text.as_str());
        if let Some(denial) = &notice.denial {
            line = line.with("denial", serde_json::to_value(denial).unwrap_or_default());
        }
        line
    }
    /// Of a picture.
    pub fn of_state(snapshot: &Snapshot) -> Self {
        let (account, state) = (&snapshot.account, &snapshot.state);
        let line = Self { at: snapshot.at, ..Self::new(Event::RunState) };
        line.with("state", format!("{:?}", state.word).to_uppercase())
            .with("armed_until", state.armed_until.map(|until| until.to_string()))
            .with("unattended", snapshot.session.unattended)
            .with("latch", state.latch.as_ref().map(|latch| latch.cause.to_string()))
            .with("equity", account.equity.map(|equity| equity.to_string()))
            .with("balance", account.balance.to_string())
            .with("realised", account.realised.to_string())
            .with("fees", account.fees.to_string())
            .with("trades", account.trades)
            .with("open", state.open)
            .with("working", snapshot.orders.iter().filter(|order| order.ours_works()).count())
            .with("events", snapshot.health.events)
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("at".to_owned(), self.at.to_string().into());
        object.insert("level".to_owned(), level_word(self.level).into());
        object.insert("event".to_owned(), self.event.name().into());
        object.extend(self.fields.clone());
        Value::Object(object).to_string()
    }

    /// For a person.
    pub fn pretty(&self) -> String {
        let fields = self.fields.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
        let fields: Vec<String> = fields.collect();
        format!("{} {:<5} {:<15} {}", self.at, level_word(self.level), self.event.name(), fields.join("  "))
    }
}

const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Alarm => "alarm",
    }
}

/// Lines that may wait for the disk.
const WAITING_MAX: usize = 4096;
/// Lines that were lost are told at least so often.
const TELLS_LOST: Duration = Duration::from_secs(5);
/// Between two pictures in the file.
const STATE_EVERY: Span = Span::from_secs(60);
/// How long the last lines of a process may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How the file is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keeping {
    /// The file that is written.
    pub path: PathBuf,
    /// Bytes after which it is put aside.
    pub bytes_max: u64,
    /// Files beside it that are kept.
    pub files: u32,
    /// Lines below this level are left out.
    pub level: Level,
    /// JSON, or text for a person.
    pub json: bool,
}

/// Where lines go; silent until it is opened. Every copy is the same log.
#[derive(Clone, Default)]
pub struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: OnceLock<Open>,
    lost: AtomicU64,
    /// When the last picture was logged.
    pictured: AtomicI64,
}

struct Open {
    jobs: SyncSender<Job>,
    level: Level,
    path: PathBuf,
}

enum Job {
    Line(Line),
    /// From here on another file.
    Turn(PathBuf),
    /// Everything before this is in the file.
    Mark(SyncSender<()>),
}

impl Log {
    /// Opens the file; once. The error is the system's.
    pub fn open(&self, keeping: &Keeping) -> std::io::Result<()> {
        let mut roll = Roll::open(&keeping.path, keeping.bytes_max, keeping.files)?;
        let (sender, jobs) = sync_channel(WAITING_MAX);
        let (shared, kept) = (self.0.clone(), keeping.clone());
        std::thread::Builder::new().name("log".into()).spawn(move || write(&mut roll, &jobs, &shared.lost, &kept))?;
        let open = Open { jobs: sender, level: keeping.level, path: keeping.path.clone() };
        // A second thread is not started for the same log.
        drop(self.0.open.set(open));
        Ok(())
    }

    /// Another account takes over: its lines go to the file of its name, beside the one before.
    pub fn turn_to(&self, account: &str) {
        if let Some(open) = self.0.open.get() {
            let mut path = open.path.with_file_name(account);
            path.set_extension(open.path.extension().unwrap_or_default());
            if open.jobs.try_send(Job::Turn(path)).is_err() {
                self.0.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Adds a line.
    pub fn write(&self, line: Line) {
        if let Some(open) = self.0.open.get()
            && line.level >= open.level
            && open.jobs.try_send(Job::Line(line)).is_err()
        {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds how things stand, once a minute.
    pub fn state(&self, snapshot: &Snapshot) {
        let last = self.0.pictured.load(Ordering::Relaxed);
        if self.0.open.get().is_some() && snapshot.at.since(Ts(last)) >= STATE_EVERY {
            self.0.pictured.store(snapshot.at.0, Ordering::Relaxed);
            self.write(Line::of_state(snapshot));
        }
    }

    /// Waits, not for ever, until what was logged is in the file.
    pub fn finish(&self) {
        let (done, written) = sync_channel(1);
        if self.0.open.get().is_some_and(|open| open.jobs.try_send(Job::Mark(done)).is_ok()) {
            let _in_time = written.recv_timeout(LAST_LINES);
        }
    }
}

fn write(roll: &mut Roll, jobs: &Receiver<Job>, lost: &AtomicU64, kept: &Keeping) {
    // No line has a secret; where one had all the same, it stays out of the file.
    let text = |line: &Line| redacted(&if kept.json { line.json() } else { line.pretty() });
    loop {
        let job = jobs.recv_timeout(TELLS_LOST);
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            // What does not get into the file is lost again.
            count => drop(roll.add(&text(&Line::new(Event::LinesLost).level(Level::Warn).with("count", count)))),
        }
        match job {
            Ok(Job::Line(line)) => {
                if roll.add(&text(&line)).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            // A file that cannot be had costs nothing: its lines stay with those before.
            Ok(Job::Turn(path)) => {
                if let Ok(next) = Roll::open(&path, kept.bytes_max, kept.files) {
                    *roll = next;
                }
            }
            Ok(Job::Mark(done)) => {
                let _nobody_waits = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_registry() {
        let document = include_str!("../../../docs/events.md");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
        for (index, spec) in EVENTS.iter().enumerate() {
            assert_eq!(
                (spec.event as usize, EVENTS.iter().filter(|other| other.name == spec.name).count()),
                (index, 1)
            );
            assert_eq!(rows.get(index).copied(), Some(format!("| `{}` | {} |", spec.name, spec.what).as_str()));
        }
        assert_eq!(rows.len(), EVENTS.len());
    }

    #[test]
    fn what_is_logged_is_in_the_file_line_by_line_and_levels_are_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/simulated.jsonl");
        let log = Log::default();
        log.write(Line::new(Event::RunBegan));
        let keeping = Keeping { path: path.clone(), bytes_max: 1 << 20, files: 3, level: Level::Warn, json: true };
        log.open(&keeping).unwrap();
        log.write(Line::new(Event::RunBegan));
        log.clone().write(Line::new(Event::Fault).level(Level::Alarm).with("text", "line\nbreak"));
        log.finish();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() == 1 && lines[0]["event"] == "engine.fault" && lines[0]["level"] == "alarm", "{text}");
    }

    #[test]
    fn another_account_has_a_file_of_its_own_and_no_line_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/paper.jsonl");
        let log = Log::default();
        log.turn_to("nobody");
        log.open(&Keeping { path: path.clone(), bytes_max: 1 << 20, files: 3, level: Level::Info, json: true })
            .unwrap();
        log.write(Line::new(Event::RunEnded));
        log.turn_to("demo-account");
        crate::redact::remember("log-secret-4711");
        log.write(Line::new(Event::Fault).with("text", "refused: log-secret-4711"));
        log.turn_to("paper");
        log.write(Line::new(Event::RunBegan));
        log.finish();
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
        let (paper, other) = (read(&path), read(&path.with_file_name("demo-account.jsonl")));
        assert!(paper.contains("run.ended") && paper.contains("run.began") && paper.lines().count() == 2, "{paper}");
        assert!(other.contains("refused: [hidden]") && other.lines().count() == 1, "{other}");
    }
}
