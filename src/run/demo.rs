//! `tickdeck demo` and `tickdeck run --demo`: the built-in market at the pace of the clock, with or without a screen.

use std::sync::mpsc::sync_channel;

use super::clock::Clock;
use super::decisions::DecisionLog;
use super::driver::{Driver, LedgerPort, Parts};
use super::feed::Feed;
use super::inference::Inference;
use super::session::{OnNotice, OnSnapshot, Pace, Session};
use super::signals;
use super::start::{Opening, Setup, StartError, open, paper_venue, private_folder};
use crate::engine::event::Restored;
use crate::engine::ids::Pair;
use crate::engine::settings::Settings;
use crate::engine::time::{Span, Ts};
use crate::ledger::LedgerThread;
use crate::tape::{TapeHeader, TapeKind, TapeThread};
use crate::tui::link::{CockpitEnd, link};
use crate::venue::simulated::{SimulatedMarket, Weather};

/// The market has been going on for this long when the demo opens: every feature is past its warm-up, so that models
/// answer from the first second. It is played in a hurry before anything can be asked for.
const PRELUDE: Span = Span::from_secs(75);

/// Answers of the ledger that may wait: one per group commit.
const REPLIES_MAX: usize = 1024;

/// What the demo is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoOptions {
    /// Weather to begin with.
    pub weather: Weather,
    /// Seed; the start time where none was given.
    pub seed: Option<u64>,
    /// Practice profile: edge gate off.
    pub practice: bool,
    /// Stop by itself after this long.
    pub stop_after: Option<Span>,
}

/// What a run without a screen hands out.
pub struct Outputs {
    /// Every notice.
    pub on_notice: OnNotice,
    /// A snapshot once a second.
    pub on_snapshot: OnSnapshot,
}

/// The practice profile: edge gate off and a short holding time, so that an armed autotrader trades within half a minute.
/// It loses money on average by design: it pays costs that its edge does not cover.
pub fn practice(settings: Settings) -> Settings {
    Settings { edge_gate: false, min_prob: 0.5, horizon_s: 10, max_hold: Span::from_secs(30), ..settings }
}

/// A session on the built-in market, ready to run, and the cockpit's end of its line.
pub fn session(
    mut setup: Setup,
    options: &DemoOptions,
    fps: Option<u16>,
    outputs: Option<Outputs>,
) -> Result<(Session, CockpitEnd), StartError> {
    private_folder(&setup.data_dir)?;
    if options.practice {
        setup.settings = practice(setup.settings);
    }
    let clock = Clock::start();
    let at = clock.now();
    let begins = at - PRELUDE;
    let seed = options.seed.unwrap_or_else(|| at.as_ms().unsigned_abs());
    let label = format!("seed {seed}");
    let Opening { restored, ledger, mut troubles } =
        open(Pair::SIMULATED, SimulatedMarket::instruments(), &setup, &label, at)?;
    if let Some(latch) = &restored.latch {
        troubles.push(format!("still {} (since {}); R resets", latch.cause, latch.at));
    }
    let (cockpit, end) = link();
    let wake = cockpit.clone();
    let inference = Inference::worker(setup.models, move || wake.wake())?;
    let (sender, replies) = sync_channel(REPLIES_MAX);
    let parts = Parts {
        venue: Some(paper_venue(&restored)),
        feed: Feed::Simulated(Box::new(SimulatedMarket::new(seed, options.weather, begins))),
        inference,
        ledger: LedgerPort::Thread { thread: LedgerThread::spawn(ledger, sender)?, replies },
        tape: tape_of(&restored, &setup.data_dir, setup.tape, at)?,
        decisions: DecisionLog::new(None),
        latch_beside: Some((super::start::ledger_path(&setup.data_dir, Pair::SIMULATED), Pair::SIMULATED)),
        restored,
    };
    let driver = Driver::start(begins, parts, outputs.is_some());
    let wake = cockpit.clone();
    let (on_notice, on_snapshot) = outputs.map_or((None, None), |o| (Some(o.on_notice), Some(o.on_snapshot)));
    let session = Session {
        driver,
        end,
        signals: signals::listen(move || wake.wake())?,
        screen: fps.is_some(),
        pace: Pace::Clock,
        clock,
        publish_every: publish_every(fps),
        stop_after: options.stop_after,
        label,
        replay: None,
        troubles,
        on_notice,
        on_snapshot,
    };
    Ok((session, cockpit))
}

/// Time between snapshots for a screen of this many frames per second; a second without a screen.
pub(super) fn publish_every(fps: Option<u16>) -> Span {
    fps.map_or(Span::from_secs(1), |fps| Span(1_000_000_000 / i64::from(fps.clamp(1, 60))))
}

fn tape_of(
    restored: &Restored,
    data_dir: &std::path::Path,
    quota: Option<crate::tape::Quota>,
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
        source: "simulated market".to_owned(),
    };
    Ok(Some(TapeThread::spawn(&folder.join(format!("{}.tape", restored.run)), &header, quota)?))
}
