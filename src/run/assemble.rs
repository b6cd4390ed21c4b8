//! A session at the pace of the clock, put together from its market and its venue: what demo and live share.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::clock::Clock;
use super::control::{self, ControlOptions};
use super::decisions::DecisionLog;
use super::driver::{Driver, LedgerPort, Parts};
use super::feed::Feed;
use super::guardian::{self, GuardianOptions};
use super::inference::Inference;
use super::pulse::Pulse;
use super::session::{OnNotice, OnSnapshot, Pace, Session};
use super::signals;
use super::start::{Opening, StartError, ledger_path, private_folder};
use super::watchdog::link::{WatchdogPlan, Watched};
use crate::engine::event::Restored;
use crate::engine::time::{Span, Ts};
use crate::ledger::LedgerThread;
use crate::model::Model;
use crate::tape::{Quota, TapeHeader, TapeKind, TapeThread};
use crate::tui::link::{CockpitEnd, EngineEnd};
use crate::venue::Venue;
use crate::venue::bybit::rescue::RescueOptions;

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
}

/// What a session is put together from.
pub struct Plan<'a> {
    /// Ledger and first event.
    pub opening: Opening,
    /// Event time at which the run begins.
    pub begins: Ts,
    /// The clock that market events are stamped with.
    pub clock: Clock,
    /// Both ends of the line to the cockpit.
    pub line: (CockpitEnd, EngineEnd),
    /// Market events.
    pub feed: Feed,
    /// Where orders go.
    pub venue: Box<dyn Venue>,
    /// Models.
    pub models: Vec<Box<dyn Model>>,
    /// Data directory.
    pub data_dir: &'a Path,
    /// Record a tape within this quota.
    pub tape: Option<Quota>,
    /// What the tape's header says of the market.
    pub source: String,
    /// What the market is, for the banner.
    pub label: String,
    /// The venue is a simulator on this machine.
    pub simulated_venue: bool,
    /// Keep the ledger in memory: nothing is traded, nothing is kept.
    pub ledger_in_memory: bool,
    /// Screen or lines.
    pub shown: Shown,
    /// The guardian's way to the account; `None` for the paper account.
    pub rescue: Option<RescueOptions>,
    /// How the watchdog is started; `None` where none is wanted.
    pub watchdog: Option<WatchdogPlan>,
}

/// Puts a session together, and the cockpit's end of its line.
pub fn session(plan: Plan<'_>) -> Result<(Session, CockpitEnd), StartError> {
    let Plan { opening, line: (cockpit, end), shown, .. } = plan;
    let Opening { restored, ledger, mut troubles } = opening;
    if let Some(latch) = &restored.latch {
        troubles.push(format!("still {} (since {}); R resets", latch.cause, latch.at));
    }
    let wake = cockpit.clone();
    let inference = Inference::worker(plan.models, move || wake.wake())?;
    let ledger = if plan.ledger_in_memory {
        LedgerPort::Inline(Box::new(ledger))
    } else {
        let (sender, replies) = sync_channel(REPLIES_MAX);
        LedgerPort::Thread { thread: LedgerThread::spawn(ledger, sender)?, replies }
    };
    let pair = restored.pair;
    let parts = Parts {
        venue: Some(plan.venue),
        feed: plan.feed,
        inference,
        ledger,
        tape: tape_of(&restored, plan.data_dir, plan.tape, plan.source, plan.clock.now())?,
        decisions: DecisionLog::new(None),
        latch_beside: (!plan.ledger_in_memory).then(|| (ledger_path(plan.data_dir, pair), pair)),
        gate: end.gate(),
        restored,
    };
    let pulse = Pulse::default();
    let report = guardian::start(GuardianOptions {
        gate: end.gate(),
        pulse: pulse.clone(),
        board: end.board(),
        rescue: plan.rescue,
        latch_beside: parts.latch_beside.clone(),
        now: Arc::new(plan.clock.reader()),
    })?;
    if !plan.ledger_in_memory {
        let (gate, board) = (end.gate(), end.board());
        let options =
            ControlOptions { cockpit: cockpit.clone(), gate, pulse: pulse.clone(), report: report.clone(), board };
        if let Err(error) = control::listen(&control::socket_path(plan.data_dir, pair), options) {
            troubles.push(format!("no control socket ({error}): `tickdeck kill` reaches this run by signals only"));
        }
    }
    let fence_after = plan.watchdog.as_ref().map_or(FENCE_AFTER, |watchdog| watchdog.deadline / 2);
    let watched =
        plan.watchdog.map(|watchdog| Watched::start(&watchdog, &parts.restored.run, pulse.clone())).transpose()?;
    let driver = Driver::start(plan.begins, parts, shown.outputs.is_some());
    let (killer, wake, screen) = (cockpit.clone(), cockpit.clone(), shown.fps.is_some());
    let (on_notice, on_snapshot) = shown.outputs.map_or((None, None), |o| (Some(o.on_notice), Some(o.on_snapshot)));
    let session = Session {
        driver,
        end,
        signals: signals::listen(move |signal| signal.kills(screen) && killed(&killer), move || wake.wake())?,
        screen,
        pace: Pace::Clock,
        clock: plan.clock,
        publish_every: publish_every(shown.fps),
        stop_after: shown.stop_after,
        label: plan.label,
        simulated_venue: plan.simulated_venue,
        pulse,
        guardian: report,
        watched,
        fence_after: Some(fence_after),
        replay: None,
        troubles,
        on_notice,
        on_snapshot,
    };
    Ok((session, cockpit))
}

/// A signal that kills, carried out on the thread that heard it.
pub(super) fn killed(cockpit: &CockpitEnd) -> bool {
    cockpit.kill();
    true
}

/// Time between snapshots for a screen of this many frames per second; a second without a screen.
pub(super) fn publish_every(fps: Option<u16>) -> Span {
    fps.map_or(Span::from_secs(1), |fps| Span(1_000_000_000 / i64::from(fps.clamp(1, 60))))
}

fn tape_of(
    restored: &Restored,
    data_dir: &Path,
    quota: Option<Quota>,
    source: String,
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
        source,
    };
    Ok(Some(TapeThread::spawn(&folder.join(format!("{}.tape", restored.run)), &header, quota)?))
}
