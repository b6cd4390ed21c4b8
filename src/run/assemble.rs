//! A session at the pace of the clock, put together from its market and its venue: what demo and live share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::attach::Seats;
use super::beside::Beside;
use super::control::{self, ControlOptions};
use super::decisions::DecisionLog;
use super::disk::DiskLight;
use super::driver::{Driver, LedgerPort, Parts};
use super::feed::Feed;
use super::files::ledger_path;
use super::guardian::{self, GuardianOptions};
use super::inference::Inference;
use super::lease::Lease;
use super::pace::Pace;
use super::pulse::Pulse;
use super::session::{OnNotice, OnSnapshot, Session};
use super::shadow::Shadow;
use super::shelf::{Keeper, Shelf};
use super::stage::{Departure, Stage};
use super::start::{Opening, StartError, private_folder};
use super::switch::Switch;
use super::watchdog::link::{WatchdogPlan, Watched};
use crate::engine::event::Restored;
use crate::engine::preflight::WATCHDOG;
use crate::engine::snapshot::{Check, Health};
use crate::engine::time::{Span, Ts};
use crate::keys;
use crate::ledger::LedgerThread;
use crate::model::Model;
use crate::tape::{Quota, TapeHeader, TapeKind, TapeThread};
use crate::venue::Venue;
use crate::venue::bybit::rescue::RescueOptions;
use crate::venue::bybit::rest::SharedLimits;
use crate::venue::bybit::signs::Signs;

/// Answers of the ledger that may wait: one per group commit.
const REPLIES_MAX: usize = 1024;

/// Half the watchdog's usual deadline: an engine that was away for so long fences itself.
const FENCE_AFTER: Duration = Duration::from_millis(2_500);

/// What a run without a screen hands out.
pub struct Outputs {
    /// Every notice.
    pub on_notice: OnNotice,
    /// A snapshot once a second.
    pub on_snapshot: OnSnapshot,
}

/// How a run shows itself and when it stops.
pub struct Shown {
    /// Frames per second; `None` without a screen.
    pub fps: Option<u16>,
    /// Receivers of a run without a screen.
    pub outputs: Option<Outputs>,
    /// Stop by itself after this long.
    pub stop_after: Option<Span>,
    /// What becomes of what is open when it is told to go.
    pub departure: Departure,
}

/// What a session is put together from.
pub struct Plan<'a> {
    /// Ledger and first event.
    pub opening: Opening,
    /// Event time at which the run begins.
    pub begins: Ts,
    /// The line to the cockpit, signals, and the clock that events are stamped with.
    pub stage: Stage,
    /// Market events.
    pub feed: Feed,
    /// Where orders go.
    pub venue: Box<dyn Venue>,
    /// The paper venue beside a real account.
    pub shadow: Option<Shadow>,
    /// Models.
    pub models: Vec<Box<dyn Model>>,
    /// Where they come from, where they may be read again.
    pub shelf: Option<Shelf>,
    /// Data directory.
    pub data_dir: &'a Path,
    /// The tape that is recorded ([`open_tape`]).
    pub tape: Option<TapeThread>,
    /// Bytes that are to stay free on the disk.
    pub min_free_bytes: u64,
    /// The account at the venue, for this process alone.
    pub lease: Option<Lease>,
    /// The way to another account, where there is one.
    pub switch: Option<Switch>,
    /// What the market is, for the banner.
    pub label: String,
    /// The venue is a simulator on this machine.
    pub simulated_venue: bool,
    /// Keep the ledger in memory: nothing is traded, nothing is kept.
    pub ledger_in_memory: bool,
    /// The guardian's way to the account; `None` for the paper account.
    pub rescue: Option<RescueOptions>,
    /// How the watchdog is started; `None` where none is wanted.
    pub watchdog: Option<WatchdogPlan>,
    /// Screen or lines.
    pub shown: Shown,
}

/// Puts a session together.
pub fn session(plan: Plan<'_>) -> Result<Session, StartError> {
    let Plan { opening, stage, shown, .. } = plan;
    let Opening { restored, ledger, mut troubles, .. } = opening;
    if let Some(latch) = &restored.latch {
        troubles.push(format!("still {} (since {}); R resets", latch.cause, latch.at));
    }
    let wake = stage.cockpit.clone();
    let inference = Inference::worker(plan.models, move || wake.wake())?;
    let ledger = if plan.ledger_in_memory {
        LedgerPort::Inline(Box::new(ledger))
    } else {
        let (sender, replies) = sync_channel(REPLIES_MAX);
        LedgerPort::Thread { thread: LedgerThread::spawn(ledger, sender)?, replies }
    };
    let pair = restored.pair;
    let file = ledger_path(plan.data_dir, pair);
    let disk = if plan.ledger_in_memory { None } else { Some(DiskLight::start(file.clone(), plan.min_free_bytes)?) };
    let parts = Parts {
        venue: Some(plan.venue),
        shadow: plan.shadow,
        feed: plan.feed,
        inference,
        ledger,
        tape: plan.tape,
        decisions: DecisionLog::new(None),
        latch_beside: (!plan.ledger_in_memory).then_some((file, pair)),
        gate: stage.end.gate(),
        restored,
    };
    stage.log.turn_to(pair.name());
    let pulse = Pulse::default();
    stage.watch.begin(&pulse, exchange_of(&parts.feed));
    let report = guardian::start(GuardianOptions {
        gate: stage.end.gate(),
        pulse: pulse.clone(),
        board: stage.end.board(),
        rescue: plan.rescue,
        latch_beside: parts.latch_beside.clone(),
        now: Arc::new(stage.clock.reader()),
    })?;
    let beside = match parts.latch_beside.clone() {
        Some((file, pair)) => Beside::watch(file, pair, pulse.clone())?,
        None => Beside::default(),
    };
    let fence_after = plan.watchdog.as_ref().map_or(FENCE_AFTER, |watchdog| watchdog.deadline / 2);
    let run = &parts.restored.run;
    let watched = plan.watchdog.map(|watchdog| Watched::start(watchdog, run, pulse.clone())).transpose()?;
    let seats = Seats::default();
    let socket = if plan.ledger_in_memory {
        None
    } else {
        let options = ControlOptions {
            cockpit: stage.cockpit.clone(),
            gate: stage.end.gate(),
            pulse: pulse.clone(),
            report: report.clone(),
            board: stage.end.board(),
            watched: watched.clone(),
            seats: seats.clone(),
            refusals: stage.watch.refusals(),
        };
        stage.watch.may_be_asked(options.clone());
        listen(control::socket_path(plan.data_dir, pair), options).map_err(|why| troubles.push(why)).ok()
    };
    let mut driver = Driver::start(plan.begins, parts, true);
    if let Some(watched) = &watched {
        let key =
            if watched.is_service() { String::new() } else { format!("; watchdog key: {}", keys::watchdog_key().1) };
        let detail = format!("acts when this process dies; its silence holds{key}");
        driver.checked(Check { name: WATCHDOG.to_owned(), health: Health::Ok, detail });
    }
    let (on_notice, on_snapshot) = shown.outputs.map_or((None, None), |o| (Some(o.on_notice), Some(o.on_snapshot)));
    Ok(Session {
        driver,
        stage,
        switch: plan.switch,
        next: None,
        disk,
        keeper: plan.shelf.map(Keeper::start).transpose()?,
        lease: plan.lease,
        pulse,
        guardian: report,
        beside,
        socket,
        seats,
        watched,
        fence_after: Some(fence_after),
        screen: shown.fps.is_some(),
        pace: Pace::Clock,
        publish_every: publish_every(shown.fps),
        stop_after: shown.stop_after,
        label: plan.label,
        simulated_venue: plan.simulated_venue,
        replay: None,
        troubles,
        on_notice,
        on_snapshot,
    })
}

/// The budgets and sockets of a run's exchange, where it has one.
fn exchange_of(feed: &Feed) -> Option<(SharedLimits, Signs)> {
    match feed {
        Feed::Live(live) => Some((live.options().limits.clone(), live.options().signs.clone())),
        Feed::Simulated(_) | Feed::Tape(_) => None,
    }
}

/// The control socket of a run; why there is none, in words.
fn listen(path: PathBuf, options: ControlOptions) -> Result<PathBuf, String> {
    let no_socket = |error| format!("no control socket ({error}): `tickdeck kill` reaches this run by signals only");
    control::listen(&path, options).map(|()| path).map_err(no_socket)
}

/// Time between snapshots for a screen of this many frames per second; a second without a screen.
pub(super) fn publish_every(fps: Option<u16>) -> Span {
    fps.map_or(Span::from_secs(1), |fps| Span(1_000_000_000 / i64::from(fps.clamp(1, 60))))
}

/// Opens the tape of a run within its quota, where one is recorded. `source` is what its header says of the market.
pub fn open_tape(
    restored: &Restored,
    data_dir: &Path,
    quota: Option<Quota>,
    source: &str,
    at: Ts,
) -> Result<Option<TapeThread>, StartError> {
    let Some(quota) = quota else { return Ok(None) };
    let folder = data_dir.join("tapes");
    private_folder(&folder)?;
    let header = TapeHeader {
        kind: TapeKind::Recorded,
        run: restored.run.clone(),
        pair: restored.pair,
        created: at,
        instruments: restored.instruments.clone(),
        source: source.to_owned(),
    };
    Ok(Some(TapeThread::spawn(&folder.join(format!("{}.tape", restored.run)), &header, quota)?))
}
