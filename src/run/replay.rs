//! `tickdeck replay` and `tickdeck backtest`: a tape (or the built-in market in a hurry) through the same engine.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::assemble::publish_every;
use super::attach::Seats;
use super::beside::Beside;
use super::clock::wall;
use super::decisions::DecisionLog;
use super::demo::practice;
use super::driver::{Driver, Finished, LedgerPort, Parts};
use super::feed::{Feed, ReplayKind, TapeFeed};
use super::guardian::Report;
use super::inference::Inference;
use super::pace::Pace;
use super::pulse::Pulse;
use super::session::Session;
use super::stage::{Departure, Stage};
use super::start::{Setup, StartError, open, paper_venue, private_folder};
use crate::engine::command::{ARM_MAX, Command};
use crate::engine::event::{Event, Restored};
use crate::engine::ids::{Pair, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Rate, UNIT};
use crate::engine::risk::limits::{LimitKey, RiskLimits};
use crate::engine::settings::{Protect, Settings};
use crate::engine::snapshot::StateWord;
use crate::engine::time::{Span, Ts};
use crate::gate::Gate;
use crate::ledger::Traded;
use crate::tape::{TapeKind, TapeReader};
use crate::venue::simulated::{SimulatedMarket, Weather};

/// Longest tape: every second of it is a decision boundary, so a forged time must not make a replay endless.
const SPAN_MAX: Span = Span::from_secs(366 * 86_400);

/// Balance of a measurement: what it loses in fees is nothing of it.
const RICH: Money = Money::from_units(1_000_000);

/// Steps between two looks at the arming state of a backtest.
const BATCH: usize = 100_000;

/// What a replay in the cockpit is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayOptions {
    /// The tape.
    pub tape: PathBuf,
    /// Times real time.
    pub speed: f64,
    /// Feed everything the recorded run saw instead of running paper venue and models again.
    pub audit: bool,
    /// Practice profile: edge gate off.
    pub practice: bool,
}

/// What a backtest is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestOptions {
    /// Practice profile: edge gate off.
    pub practice: bool,
    /// Keep the autotrader disarmed.
    pub disarmed: bool,
    /// Write every decision to this file.
    pub decisions: Option<PathBuf>,
}

/// A stretch of the built-in market to run through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimulatedSpan {
    /// Seed.
    pub seed: u64,
    /// Weather.
    pub weather: Weather,
    /// Length.
    pub span: Span,
}

/// What a backtest found.
#[derive(Clone, Debug, Serialize)]
pub struct BacktestReport {
    /// The tape or the seed.
    pub source: String,
    /// Kind of replay.
    pub kind: &'static str,
    /// First and last event time.
    pub from: String,
    /// Last event time.
    pub to: String,
    /// Events stepped, decision boundaries included.
    pub events: u64,
    /// Executions.
    pub fills: u64,
    /// Closed trades.
    pub trades: u32,
    /// Of them with a profit after fees.
    pub wins: u32,
    /// Realised PnL before fees and funding.
    pub realised: String,
    /// Fees paid.
    pub fees: String,
    /// Funding received.
    pub funding: String,
    /// Balance at the end.
    pub balance: String,
    /// Equity at the end, where every position can be valued.
    pub equity: Option<String>,
    /// Equity at the end minus the balance at the start.
    pub net: Option<String>,
    /// Open positions at the end, name and signed quantity.
    pub positions: Vec<(String, String)>,
    /// Denials by code.
    pub denials: std::collections::BTreeMap<&'static str, u64>,
    /// Trading state at the end.
    pub state: String,
    /// Lines in the decision log.
    pub decisions: u64,
    /// Hash of the decision log.
    pub decisions_hash: String,
    /// What went wrong on the way, for the person.
    pub troubles: Vec<String>,
}

/// An opened tape with what a run needs to know of it.
pub(super) struct OpenTape {
    pub(super) feed: TapeFeed,
    instruments: Vec<Instrument>,
    source: String,
    pub(super) recorded: Option<Restored>,
    pub(super) start: Ts,
}

pub(super) fn open_tape(path: &Path, kind: ReplayKind) -> Result<OpenTape, StartError> {
    let report = crate::tape::verify(path)?;
    let mut reader = TapeReader::open(path)?;
    let header = reader.header().clone();
    let mut recorded = None;
    if header.kind == TapeKind::Recorded
        && let Some((_, _, Event::Restored(restored))) = reader.next_event()?
    {
        recorded = Some(*restored);
    }
    let Some((first, last)) = report.first_last else {
        return Err(StartError::Empty(path.display().to_string()));
    };
    if last.since(first) > SPAN_MAX {
        return Err(StartError::Empty(format!("{} claims to span {}", path.display(), last.since(first))));
    }
    if kind == ReplayKind::Audit && recorded.is_none() {
        return Err(StartError::NotRecorded(path.display().to_string()));
    }
    let feed = TapeFeed::new(reader, kind, (first, last));
    let start = feed.first_at().ok_or_else(|| StartError::Empty(path.display().to_string()))?;
    let start = if kind == ReplayKind::Audit { first } else { start };
    Ok(OpenTape { feed, instruments: header.instruments, source: header.source, recorded, start })
}

/// A session that plays a tape, ready to run.
pub fn session(setup: Setup, options: &ReplayOptions, fps: u16) -> Result<Session, StartError> {
    let setup = profile(setup, options.practice);
    let kind = if options.audit { ReplayKind::Audit } else { ReplayKind::WhatIf };
    let tape = open_tape(&options.tape, kind)?;
    let name = options.tape.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let label = if tape.source.is_empty() { name } else { format!("{name} · {}", tape.source) };
    let start = tape.start;
    let driver = driver(tape, setup, &label, kind, DecisionLog::new(None))?;
    let stage = Stage::set(true, Departure::default())?;
    let since = stage.clock.now();
    Ok(Session {
        driver,
        stage,
        switch: None,
        next: None,
        disk: None,
        keeper: None,
        lease: None,
        pulse: Pulse::default(),
        guardian: Report::default(),
        beside: Beside::default(),
        socket: None,
        seats: Seats::default(),
        watched: None,
        fence_after: None,
        screen: true,
        pace: Pace::Replay { speed: options.speed, resume: options.speed, from: start, since },
        publish_every: publish_every(Some(fps)),
        stop_after: None,
        label,
        simulated_venue: false,
        replay: Some(if options.audit { "audit" } else { "what-if" }),
        troubles: Vec::new(),
        on_notice: None,
        on_snapshot: None,
    })
}

fn driver(tape: OpenTape, setup: Setup, label: &str, kind: ReplayKind, log: DecisionLog) -> Result<Driver, StartError> {
    if let (ReplayKind::Audit, Some(restored)) = (kind, tape.recorded) {
        return Ok(audit_driver(tape.feed, restored, tape.start, log, false));
    }
    let feed = Feed::Tape(Box::new(tape.feed));
    start_inline(Pair::TAPE, tape.instruments, feed, setup, label, tape.start, log)
}

/// Only decides: everything else is on the tape. `keep` keeps the questions to models.
pub(super) fn audit_driver(
    tape: TapeFeed,
    restored: Restored,
    start: Ts,
    decisions: DecisionLog,
    keep: bool,
) -> Driver {
    let parts = Parts {
        restored,
        feed: Feed::Tape(Box::new(tape)),
        inference: Inference::Taped { asked: keep.then(Vec::new) },
        venue: None,
        shadow: None,
        ledger: LedgerPort::None,
        tape: None,
        decisions,
        latch_beside: None,
        gate: Gate::default(),
    };
    Driver::start(start, parts, false)
}

fn start_inline(
    pair: Pair,
    instruments: Vec<Instrument>,
    feed: Feed,
    setup: Setup,
    label: &str,
    start: Ts,
    decisions: DecisionLog,
) -> Result<Driver, StartError> {
    let mut opening = open(pair, instruments, &setup, label, start)?;
    // The run id is part of no decision, but it is part of order link ids: the same tape gives the same run.
    opening.restored.run = crate::engine::ids::RunId::new(start.as_ms(), 0);
    let parts = Parts {
        venue: Some(Box::new(paper_venue(&opening.restored))),
        shadow: None,
        feed,
        inference: Inference::inline(setup.models),
        ledger: LedgerPort::Inline(Box::new(opening.ledger)),
        tape: None,
        decisions,
        latch_beside: None,
        gate: Gate::default(),
        restored: opening.restored,
    };
    Ok(Driver::start(start, parts, false))
}

/// Runs a tape through the engine as fast as it goes, armed.
pub fn backtest(setup: Setup, path: &Path, options: &BacktestOptions) -> Result<BacktestReport, StartError> {
    let tape = open_tape(path, ReplayKind::WhatIf)?;
    let setup = profile(setup, options.practice);
    let runs = setup.data_dir.join("runs");
    let start = tape.start;
    let log = decision_log(options)?;
    let source = path.display().to_string();
    let driver = driver(tape, setup, &source, ReplayKind::WhatIf, log)?;
    let finished = race(driver, options, None);
    keep_ledger(&finished, &runs)?;
    Ok(report(finished, source, "what-if", start))
}

/// Runs the built-in market through the engine as fast as it goes, armed.
pub fn backtest_simulated(
    setup: Setup,
    market: SimulatedSpan,
    options: &BacktestOptions,
) -> Result<BacktestReport, StartError> {
    let setup = profile(setup, options.practice);
    // A fixed start: the same seed is the same backtest on every day.
    let start = Ts::from_ms(1_767_225_600_000);
    let feed = Feed::Simulated(Box::new(SimulatedMarket::new(market.seed, market.weather, start)));
    let log = decision_log(options)?;
    let label = format!("simulated seed {} {}", market.seed, market.weather);
    let driver = start_inline(Pair::TAPE, SimulatedMarket::instruments(), feed, setup, &label, start, log)?;
    let finished = race(driver, options, Some(start + market.span));
    Ok(report(finished, label, "simulated", start))
}

/// What a run by the clock did.
#[derive(Clone, Debug, Default)]
pub struct RunLog {
    /// Venue names, by symbol.
    pub names: Vec<String>,
    /// The middle of each book just before a trade was wanted.
    pub wanted: Vec<(Ts, Symbol, Price)>,
    /// Every execution.
    pub traded: Vec<Traded>,
}

/// Runs a tape armed and in one go, under limits that never bind, and notes the mids at every multiple of `beat`.
pub fn drilled(setup: Setup, path: &Path, beat: Span) -> Result<RunLog, StartError> {
    let tape = open_tape(path, ReplayKind::WhatIf)?;
    let start = tape.start;
    let settings = Settings {
        stop: Rate::ZERO,
        take_profit: Rate::ZERO,
        protect: Protect { stop: Rate::ZERO, take_profit: Rate::ZERO, required: false },
        max_hold: SPAN_MAX,
        close_only: false,
        ..setup.settings
    };
    let setup = Setup { settings, limits: unbound(), balance: RICH, tape: None, ..setup };
    let mut driver = driver(tape, setup, "drill", ReplayKind::WhatIf, DecisionLog::new(None))?;
    let mut log =
        RunLog { names: driver.engine().instruments().iter().map(|i| i.name.clone()).collect(), ..RunLog::default() };
    let mut due = start.floor_to(beat) + beat;
    while !driver.finished() {
        if driver.engine().state_word() == StateWord::Safe && driver.engine().may_arm() {
            driver.command(Command::Arm { lasts: ARM_MAX });
        }
        while driver.advance(Ts(due.0 - 1), BATCH) {}
        log.wanted.extend(driver.engine().mids().map(|(symbol, mid)| (due, symbol, mid)));
        due = due + beat;
    }
    let finished = driver.finish("done");
    log.traded = finished.ledger.as_ref().map(crate::ledger::Ledger::traded).transpose()?.unwrap_or_default();
    Ok(log)
}

/// Limits that no measurement reaches.
fn unbound() -> RiskLimits {
    let wide = [
        (LimitKey::MaxOrdersPer10s, 1_000),
        (LimitKey::MaxOrders24h, 1_000_000),
        (LimitKey::MaxDailyLoss, 1_000_000),
        (LimitKey::MaxLoss24h, 1_000_000),
        (LimitKey::MaxSlippageBps, 100),
        (LimitKey::CooldownAfterLoss, 0),
    ];
    let with = |limits: RiskLimits, (key, units): &(LimitKey, i64)| limits.with(*key, units * UNIT).unwrap_or(limits);
    wide.iter().fold(RiskLimits::default(), with)
}

/// Feeds a recorded run its own tape and compares nothing: the caller compares the hash.
pub fn audit(path: &Path) -> Result<BacktestReport, StartError> {
    let tape = open_tape(path, ReplayKind::Audit)?;
    let start = tape.start;
    let Some(restored) = tape.recorded else {
        return Err(StartError::NotRecorded(path.display().to_string()));
    };
    let driver = audit_driver(tape.feed, restored, start, DecisionLog::new(None), false);
    let options = BacktestOptions { practice: false, disarmed: true, decisions: None };
    let finished = race(driver, &options, None);
    Ok(report(finished, path.display().to_string(), "audit", start))
}

fn profile(setup: Setup, with_practice: bool) -> Setup {
    if with_practice { Setup { settings: practice(setup.settings.clone()), ..setup } } else { setup }
}

fn decision_log(options: &BacktestOptions) -> Result<DecisionLog, StartError> {
    let copy = options.decisions.as_ref().map(|path| {
        std::fs::File::create(path).map_err(|error| StartError::File { what: "create", path: path.clone(), error })
    });
    Ok(DecisionLog::new(copy.transpose()?))
}

/// Advances to the end (or `until`), arming as soon as the pre-flight lights allow.
fn race(mut driver: Driver, options: &BacktestOptions, until: Option<Ts>) -> Finished {
    let horizon = until.unwrap_or(Ts(i64::MAX));
    while !driver.finished() && driver.now() < horizon {
        let arming = !options.disarmed && driver.engine().state_word() == StateWord::Safe && driver.engine().may_arm();
        if arming {
            driver.command(Command::Arm { lasts: ARM_MAX });
        }
        // Until armed, one boundary at a time; then in long strides.
        let waits = !options.disarmed && driver.engine().state_word() != StateWord::Armed;
        let stride = if waits { driver.now() + Span::from_secs(1) } else { horizon };
        driver.advance(stride.min(horizon), BATCH);
    }
    driver.finish("done")
}

/// A replay's ledger lies in a folder of its own.
fn keep_ledger(finished: &Finished, runs: &Path) -> Result<(), StartError> {
    let Some(ledger) = &finished.ledger else { return Ok(()) };
    let folder = runs.join(format!("backtest-{}", wall().as_ms()));
    private_folder(&folder)?;
    ledger.save_copy(&folder.join(Pair::TAPE.ledger_name()))?;
    Ok(())
}

fn report(finished: Finished, source: String, kind: &'static str, start: Ts) -> BacktestReport {
    let engine = &finished.engine;
    let account = engine.account();
    let totals = account.totals();
    let equity = engine.equity();
    let mut troubles = finished.troubles;
    if let Feed::Tape(tape) = &finished.feed
        && let Some(error) = tape.failed()
    {
        troubles.push(error.to_string());
    }
    BacktestReport {
        source,
        kind,
        from: start.to_string(),
        to: engine.now().to_string(),
        events: engine.events(),
        fills: engine.fills(),
        trades: totals.trades,
        wins: totals.wins,
        realised: totals.realised.to_string(),
        fees: totals.fees.to_string(),
        funding: totals.funding.to_string(),
        balance: account.balance().to_string(),
        equity: equity.map(|equity| equity.to_string()),
        net: equity.map(|equity| (equity - engine.starting_balance()).to_string()),
        positions: account
            .open()
            .map(|held| {
                (engine.name_of(held.symbol).to_owned(), crate::engine::num::Price::from_raw(held.signed).to_string())
            })
            .collect(),
        denials: engine.denials().iter().map(|(code, count)| (code.text(), *count)).collect(),
        state: format!("{:?}", engine.state_word()),
        decisions: finished.decisions.count(),
        decisions_hash: finished.decisions.hash(),
        troubles,
    }
}
