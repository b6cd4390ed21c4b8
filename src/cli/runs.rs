//! `demo`, `run`, `replay`, `backtest`: configuration and models become a setup, and a run gets started.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::global::{Front, Global};
use super::output::{note, print};
use super::{BacktestOptions, DemoOptions, HeadlessOptions, LineFormat, ReplayOptions};
use crate::config::Loaded;
use crate::engine::command::Command;
use crate::engine::ids::Pair;
use crate::engine::notice::Notice;
use crate::engine::snapshot::{Health, Snapshot, StateWord};
use crate::engine::time::Span;
use crate::ledger::{Cell, Format, Sheet};
use crate::model::{Model, scan};
use crate::run::clock::wall;
use crate::run::cockpit::Ended;
use crate::run::driver::Finished;
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;
use crate::run::start::{Setup, StartError};
use crate::run::{cockpit, demo as demo_run, replay as tape_run};
use crate::tape::Quota;
use crate::tui::link::{CockpitEnd, Request};
use crate::tui::{UiError, UiOptions};

const GIB: u64 = 1 << 30;

/// What every run of an invocation shares.
struct Place {
    files: Files,
    loaded: Loaded,
}

impl Place {
    fn find(global: &Global) -> Result<Self, Failure> {
        let files = global.files()?;
        let loaded = global.load(&files)?;
        for text in loaded.config.notes(wall()) {
            note(&text);
        }
        files.make_data_dir().map_err(Failure::error)?;
        Ok(Self { files, loaded })
    }

    fn setup(&self) -> Result<Setup, Failure> {
        let config = &self.loaded.config;
        let quota = Quota {
            max_bytes_total: u64::from(config.tape.max_gib) * GIB,
            min_free_bytes: u64::from(config.tape.min_free_gib) * GIB,
            keep: config.tape.keep,
        };
        Ok(Setup {
            settings: config.settings(wall()),
            limits: config.limits().map_err(Failure::configuration)?,
            balance: config.paper.balance,
            models: self.models()?,
            data_dir: self.files.data_dir().to_owned(),
            tape: (config.tape.record != "off").then_some(quota),
        })
    }

    /// The sound models, or the ones that are configured. A configured model that is missing or unsound stops the start:
    /// whoever named it relies on it.
    fn models(&self) -> Result<Vec<Box<dyn Model>>, Failure> {
        let config = &self.loaded.config.model;
        let dir = self.files.models(config.dir.as_deref());
        let mut sound = Vec::new();
        for model in scan(&dir) {
            match model {
                Ok(model) => sound.push(model),
                Err(error) => note(&format!("a model is not used: {error}")),
            }
        }
        if config.active.is_empty() {
            if sound.is_empty() {
                note(&format!("no model in {}: there are no signals, so nothing opens", dir.display()));
            }
            return Ok(sound);
        }
        let missing = config.active.iter().find(|name| !sound.iter().any(|model| model.info().name == **name));
        if let Some(name) = missing {
            let what = format!("model.active names `{name}`, which is not a sound model in {}", dir.display());
            return Err(Failure::configuration(format!(
                "{what}; nothing was started. `tickdeck model list` shows them"
            )));
        }
        sound.retain(|model| config.active.contains(&model.info().name));
        Ok(sound)
    }

    fn ui(&self, global: &Global) -> UiOptions {
        let ui = &self.loaded.config.ui;
        UiOptions {
            fps: self.fps(),
            theme: global.theme(&self.loaded),
            keymap: ui.keymap.clone(),
            mouse: ui.mouse,
            data_dir: self.files.data_dir().to_owned(),
        }
    }

    fn fps(&self) -> u16 {
        u16::try_from(self.loaded.config.ui.fps).unwrap_or(20)
    }
}

pub(super) fn demo(global: &Global, options: &DemoOptions) -> Result<(), Failure> {
    if global.front == Front::Lines {
        let options = HeadlessOptions {
            demo: true,
            market: options.clone(),
            stop_after: None,
            format: LineFormat::Text,
            arm: false,
            yes: false,
        };
        return headless(global, &options);
    }
    needs_terminal("tickdeck run --demo")?;
    let place = Place::find(global)?;
    let setup = place.setup()?;
    let ledger = place.files.ledger(Pair::SIMULATED);
    let (session, end) =
        demo_run::session(setup, &market(options, None), Some(place.fps()), None).map_err(start_failure)?;
    conclude(cockpit::run(session, end, place.ui(global), Some((ledger, Pair::SIMULATED))))
}

pub(super) fn replay(global: &Global, options: &ReplayOptions) -> Result<(), Failure> {
    if global.front == Front::Lines {
        let hint = "a replay needs the cockpit; `tickdeck backtest FILE` plays a tape without a screen";
        return Err(Failure::new(Exit::Usage, hint));
    }
    needs_terminal("tickdeck backtest FILE")?;
    let place = Place::find(global)?;
    let wanted = tape_run::ReplayOptions {
        tape: options.file.clone(),
        speed: options.speed,
        audit: options.audit,
        practice: options.practice,
    };
    let (session, end) = tape_run::session(place.setup()?, &wanted, place.fps()).map_err(start_failure)?;
    conclude(cockpit::run(session, end, place.ui(global), None))
}

pub(super) fn headless(global: &Global, options: &HeadlessOptions) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let lines = Lines {
        format: options.format,
        arm_for: options.arm.then_some(place.loaded.config.arming.arm_for),
        armed: Arc::default(),
        end: Arc::default(),
    };
    let (armed, cockpit_end) = (lines.armed.clone(), lines.end.clone());
    let format = options.format;
    let outputs = demo_run::Outputs {
        on_notice: Box::new(move |notice| print_notice(format, notice)),
        on_snapshot: Box::new(move |snapshot| lines.snapshot(snapshot)),
    };
    let market = market(&options.market, options.stop_after);
    let (session, end) = demo_run::session(place.setup()?, &market, None, Some(outputs)).map_err(start_failure)?;
    // Set once, right here: the closures above find it when the session runs.
    drop(cockpit_end.set(end));
    let ledger = place.files.ledger(Pair::SIMULATED);
    let ended = cockpit::run_without_screen(session, Some((ledger, Pair::SIMULATED)));
    finish_lines();
    conclude(Ok(ended))?;
    if options.arm && !armed.load(Ordering::SeqCst) {
        let why = "the autotrader was never armed: a pre-flight check failed until the end";
        return Err(Failure::new(Exit::Refused, why));
    }
    Ok(())
}

pub(super) fn backtest(global: &Global, options: &BacktestOptions) -> Result<(), Failure> {
    if options.decisions.is_some() && options.files.len() > 1 {
        return Err(Failure::new(Exit::Usage, "--decisions takes one tape: each tape has decisions of its own"));
    }
    let place = Place::find(global)?;
    let wanted = tape_run::BacktestOptions {
        practice: options.practice,
        disarmed: options.disarmed,
        decisions: options.decisions.clone(),
    };
    let mut reports = Vec::new();
    if let Some(span) = options.simulated {
        let market = tape_run::SimulatedSpan { seed: options.seed, weather: options.weather, span };
        reports.push(tape_run::backtest_simulated(place.setup()?, market, &wanted).map_err(start_failure)?);
    }
    for file in &options.files {
        reports.push(one(&place, file, &wanted)?);
    }
    for report in &reports {
        for trouble in &report.troubles {
            note(&format!("{}: {trouble}", report.source));
        }
    }
    match options.format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&reports).map_err(Failure::error)?;
            print(&format!("{text}\n"))
        }
        format => print(&sheet(&reports).render(format)),
    }
}

fn one(place: &Place, file: &Path, wanted: &tape_run::BacktestOptions) -> Result<tape_run::BacktestReport, Failure> {
    tape_run::backtest(place.setup()?, file, wanted).map_err(start_failure)
}

fn sheet(reports: &[tape_run::BacktestReport]) -> Sheet {
    let columns =
        ["source", "from", "to", "fills", "trades", "wins", "realised", "fees", "funding", "net", "open", "decisions"];
    let mut sheet = Sheet::new(columns);
    for report in reports {
        sheet.push(vec![
            Cell::text(&report.source),
            Cell::text(&report.from),
            Cell::text(&report.to),
            Cell::Count(i64::try_from(report.fills).unwrap_or(i64::MAX)),
            Cell::Count(i64::from(report.trades)),
            Cell::Count(i64::from(report.wins)),
            Cell::decimal(&report.realised),
            Cell::decimal(&report.fees),
            Cell::decimal(&report.funding),
            report.net.as_ref().map_or(Cell::Nothing, Cell::decimal),
            Cell::Count(i64::try_from(report.positions.len()).unwrap_or(i64::MAX)),
            Cell::text(report.decisions_hash.chars().take(12).collect::<String>()),
        ]);
    }
    sheet
}

fn market(options: &DemoOptions, stop_after: Option<Span>) -> demo_run::DemoOptions {
    demo_run::DemoOptions { weather: options.weather, seed: options.seed, practice: options.practice, stop_after }
}

fn needs_terminal(instead: &str) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::error(format!("the cockpit needs a terminal on both stdin and stdout; `{instead}` runs without one")))
}

fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::Screen(UiError::Keymap(error)) => {
            Failure::configuration(format!("ui.keymap: {error}; nothing was started"))
        }
        other => Failure::error(other),
    }
}

fn conclude(ended: Result<Ended, StartError>) -> Result<(), Failure> {
    match ended.map_err(start_failure)? {
        Ended::Orderly(_, finished) => check(&finished),
        Ended::EnginePanicked => Err(Failure::new(
            Exit::Latched,
            "the engine stopped on a fault of its own: the account is latched, nothing more was sent. The next start is \
             TRIPPED until a reset; a crash report lies in the data directory",
        )),
    }
}

/// What could not be written is an error; a latch that still holds has an exit code of its own.
fn check(finished: &Finished) -> Result<(), Failure> {
    for trouble in &finished.troubles {
        note(trouble);
    }
    let word = match finished.engine.state_word() {
        StateWord::Killed => "KILLED",
        StateWord::Tripped => "TRIPPED",
        _ if finished.troubles.is_empty() => return Ok(()),
        _ => return Err(Failure::error("the run ended, but not everything could be written")),
    };
    Err(Failure::new(Exit::Latched, format!("stopped while {word}; the latch holds until a reset")))
}

/// Prints a run without a screen, and arms it when asked to.
struct Lines {
    format: LineFormat,
    arm_for: Option<Span>,
    armed: Arc<AtomicBool>,
    end: Arc<OnceLock<CockpitEnd>>,
}

impl Lines {
    fn snapshot(&self, snapshot: &Snapshot) {
        if snapshot.state.word == StateWord::Armed {
            self.armed.store(true, Ordering::SeqCst);
        }
        self.arm(snapshot);
        let account = &snapshot.account;
        let equity = account.equity.map(|equity| equity.to_string());
        let word = format!("{:?}", snapshot.state.word).to_uppercase();
        match self.format {
            LineFormat::Json => line(
                &serde_json::json!({
                    "kind": "state",
                    "at": snapshot.at.to_string(),
                    "state": word,
                    "latch": snapshot.state.latch.as_ref().map(|latch| latch.cause.to_string()),
                    "equity": equity,
                    "balance": account.balance.to_string(),
                    "realised": account.realised.to_string(),
                    "fees": account.fees.to_string(),
                    "trades": account.trades,
                    "open": snapshot.state.open,
                    "working": snapshot.orders.iter().filter(|order| order.working).count(),
                    "events": snapshot.health.events,
                })
                .to_string(),
            ),
            LineFormat::Text => line(&format!(
                "{}  {word}  equity {}  open {}  trades {}  events {}",
                snapshot.at.clock(),
                account.equity.map_or("unknown".to_owned(), |equity| format!("{equity:.2}")),
                snapshot.state.open,
                account.trades,
                snapshot.health.events
            )),
        }
    }

    /// Asks once, when every check passes. An arming that lapses or is taken away later stays so.
    fn arm(&self, snapshot: &Snapshot) {
        let Some(lasts) = self.arm_for else { return };
        let passes = snapshot.state.preflight.iter().all(|check| check.health != Health::Fail);
        if passes
            && !self.armed.load(Ordering::SeqCst)
            && snapshot.state.word == StateWord::Safe
            && let Some(end) = self.end.get()
        {
            end.ask(Request::Command(Command::Arm { lasts }));
        }
    }
}

fn print_notice(format: LineFormat, notice: &Notice) {
    match format {
        LineFormat::Json => {
            let mut value = serde_json::to_value(notice).unwrap_or_default();
            if let Some(object) = value.as_object_mut() {
                object.insert("kind".to_owned(), "notice".into());
                object.insert("at".to_owned(), notice.at.to_string().into());
            }
            line(&value.to_string());
        }
        LineFormat::Text => line(&format!("{}  {}", notice.at.clock(), notice.text)),
    }
}

/// Lines that may wait for a slow reader.
const LINES_MAX: usize = 4096;
/// How long the last lines of a run may take.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Printed {
    Line(String),
    /// Everything before this has been printed.
    Mark(SyncSender<()>),
}

/// The thread that prints. A reader that is slow or gone never holds up a run: what does not fit is dropped.
fn printer() -> Option<&'static SyncSender<Printed>> {
    static PRINTER: OnceLock<Option<SyncSender<Printed>>> = OnceLock::new();
    let start = || {
        let (sender, lines) = sync_channel::<Printed>(LINES_MAX);
        let print = move || {
            for printed in lines {
                match printed {
                    Printed::Line(text) => {
                        let mut out = std::io::stdout().lock();
                        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
                    }
                    Printed::Mark(done) => {
                        let _ = done.send(());
                    }
                }
            }
        };
        std::thread::Builder::new().name("lines".into()).spawn(print).is_ok().then_some(sender)
    };
    PRINTER.get_or_init(start).as_ref()
}

fn line(text: &str) {
    if let Some(printer) = printer() {
        drop(printer.try_send(Printed::Line(text.to_owned())));
    }
}

/// Waits, not for ever, until what was printed is out.
fn finish_lines() {
    let (done, printed) = sync_channel(1);
    if printer().is_some_and(|printer| printer.try_send(Printed::Mark(done)).is_ok()) {
        let _ = printed.recv_timeout(LAST_LINES);
    }
}
