//! `demo`, `run`, `replay`, `backtest`: configuration and models become a setup, and a run gets started.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::global::{Front, Global};
use super::lines::{Lines, finish_lines};
use super::output::{note, print};
use super::unlock::allowed;
use super::watching::Watching;
use super::{BacktestOptions, DemoOptions, HeadlessOptions, ReplayOptions, left, live};
use crate::config::Loaded;
use crate::engine::ids::{Account, Pair};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::snapshot::StateWord;
use crate::ledger::{Cell, Format, Sheet};
use crate::model::Model;
use crate::run::assemble::Shown;
use crate::run::clock::wall;
use crate::run::cockpit::Ended;
use crate::run::driver::Finished;
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;
use crate::run::service::Signs;
use crate::run::shelf::{Shelf, Shelved};
use crate::run::stage::Departure;
use crate::run::start::{Setup, StartError};
use crate::run::{cockpit, demo as demo_run, replay as tape_run, service};
use crate::tape::Quota;
use crate::tui::{UiError, UiOptions};

const GIB: u64 = 1 << 30;

/// What every run of an invocation shares.
#[derive(Clone)]
pub(super) struct Place {
    pub files: Files,
    pub loaded: Loaded,
    /// `--set` of the command line, for a process that is to read the same configuration.
    pub overrides: Vec<String>,
}

impl Place {
    pub fn find(global: &Global) -> Result<Self, Failure> {
        let place = Self::load(global)?;
        place.files.make_data_dir().map_err(Failure::error)?;
        Ok(place)
    }

    /// For what only tightens: neither an account that the file does not allow nor a disk that takes nothing is a reason to
    /// leave its orders alone.
    pub(super) fn to_tighten(global: &Global) -> Result<Self, Failure> {
        let place = Self::read(global)?;
        if let Err(error) = place.files.make_data_dir() {
            note(&error.to_string());
        }
        Ok(place)
    }

    /// The same without a trace on the disk. An account that the file does not allow is refused here.
    pub fn load(global: &Global) -> Result<Self, Failure> {
        let place = Self::read(global)?;
        if global.account() == Account::Live {
            allowed(&place.loaded.config)?;
        }
        Ok(place)
    }

    fn read(global: &Global) -> Result<Self, Failure> {
        let files = global.files()?;
        let loaded = global.load(&files)?;
        for text in loaded.config.notes(wall()) {
            note(&text);
        }
        Ok(Self { files, loaded, overrides: global.overrides.clone() })
    }

    /// Settings, limits, models and places of a run on this account.
    pub fn setup(&self, account: Account) -> Result<Setup, Failure> {
        let config = &self.loaded.config;
        let refused = |error| Failure::configuration(format!("{error}; nothing was started"));
        let shelf = self.shelf();
        Ok(Setup {
            limits: config.limits_of(account).map_err(refused)?,
            settings: config.settings(account, wall()),
            balance: config.paper.balance,
            models: Self::models(&shelf)?,
            shelf: Some(shelf),
            data_dir: self.files.data_dir().to_owned(),
            tape: (config.tape.record != "off").then(|| self.quota()),
        })
    }

    /// How much disk the tapes may take.
    pub fn quota(&self) -> Quota {
        let tape = &self.loaded.config.tape;
        Quota {
            max_bytes_total: u64::from(tape.max_gib) * GIB,
            min_free_bytes: u64::from(tape.min_free_gib) * GIB,
            keep: tape.keep,
        }
    }

    /// Where models lie and which of them run.
    fn shelf(&self) -> Shelf {
        let config = &self.loaded.config;
        Shelf {
            dir: self.files.models(config.model.dir.as_deref()),
            active: config.model.active.clone(),
            shadow: config.model.shadow.clone(),
            token: config.model.token.clone(),
            interval: config.decision_interval,
        }
    }

    /// The models that run. A configured one that is missing or unsound stops the start.
    fn models(shelf: &Shelf) -> Result<Vec<Box<dyn Model>>, Failure> {
        let refused = |why| Failure::configuration(format!("{why}; nothing was started"));
        let Shelved { models, unused } = shelf.read().map_err(refused)?;
        for (name, why) in unused {
            note(&format!("model {name} is not used: {why}"));
        }
        if models.is_empty() {
            note(&format!("no model in {}: there are no signals, so nothing opens", shelf.dir.display()));
        }
        Ok(models)
    }

    /// How the cockpit looks.
    pub fn ui(&self, global: &Global) -> UiOptions {
        let ui = &self.loaded.config.ui;
        UiOptions {
            fps: self.fps(),
            theme: global.theme(&self.loaded),
            keymap: ui.keymap.clone(),
            mouse: ui.mouse,
            data_dir: self.files.data_dir().to_owned(),
            attached: None,
        }
    }

    /// A run with a screen.
    pub fn on_screen(&self) -> Shown {
        Shown { fps: Some(self.fps()), outputs: None, stop_after: None, departure: self.departure() }
    }

    /// How a run goes on without a person, with a terminal of its own or none: either can be hung up.
    fn departure(&self) -> Departure {
        let arming = &self.loaded.config.arming;
        let unattended_from = Some(arming.unattended_from);
        Departure { stays: arming.on_hangup == "stay", flattens: arming.on_sigterm == "flatten", unattended_from }
    }

    fn fps(&self) -> u16 {
        u16::try_from(self.loaded.config.ui.fps).unwrap_or(20)
    }
}

pub(super) fn demo(global: &Global, options: &DemoOptions) -> Result<(), Failure> {
    if global.front == Front::Lines {
        let options = HeadlessOptions { demo: true, market: options.clone(), ..HeadlessOptions::lines(false) };
        return headless(global, &options);
    }
    needs_terminal("tickdeck run --demo")?;
    let place = Place::find(global)?;
    let setup = place.setup(Account::Paper)?;
    let ledger = place.files.ledger(Pair::SIMULATED);
    let mut session = demo_run::session(setup, &market(options), place.on_screen()).map_err(start_failure)?;
    let _watching = Watching::start(&place, &mut session, Pair::SIMULATED);
    conclude(cockpit::run(session, place.ui(global), Some((ledger, Pair::SIMULATED))))
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
    let session = tape_run::session(place.setup(Account::Paper)?, &wanted, place.fps()).map_err(start_failure)?;
    conclude(cockpit::run(session, place.ui(global), None))
}

pub(super) fn headless(global: &Global, options: &HeadlessOptions) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let lines =
        Lines::new(options.format, options.arm.then_some(place.loaded.config.arming.arm_for), global.confirm.as_ref());
    let (armed, cockpit_end) = (lines.armed(), lines.end());
    let (stop_after, departure) = (options.stop_after, place.departure());
    let shown = Shown { fps: None, outputs: Some(lines.outputs()), stop_after, departure };
    let (mut session, pair) = if options.demo {
        let session =
            demo_run::session(place.setup(Account::Paper)?, &market(&options.market), shown).map_err(start_failure)?;
        (session, Pair::SIMULATED)
    } else {
        let session = live::session(global, &place, options.market.practice, shown, None)?;
        (session, Pair::bybit(global.account()))
    };
    // Set once, right here: what prints finds it when the session runs. A latch of before is a person's to lift, and so is arming
    // after it.
    if session.driver.engine().latch().is_none() {
        drop(cockpit_end.set(session.stage.cockpit.clone()));
    }
    let (pulse, guardian, gate) = (session.pulse.clone(), session.guardian.clone(), session.stage.end.gate());
    let service = service::start(Signs { pulse, guardian, gate }).map_err(Failure::error)?;
    let watching = Watching::start(&place, &mut session, pair);
    let (data_dir, latch) = (place.files.data_dir().to_owned(), (place.files.ledger(pair), pair));
    let ended = cockpit::run_without_screen(session, data_dir, Some(latch));
    service.stops();
    drop(watching);
    finish_lines();
    let unreached = match &ended {
        Ended::Orderly(_, finished) => finished.engine.never_reached(),
        Ended::EnginePanicked(_) | Ended::EngineStuck(_) => None,
    };
    conclude(Ok(ended))?;
    if let Some(why) = unreached {
        return Err(never_reached(why));
    }
    if options.arm && !armed.load(Ordering::SeqCst) {
        let why = "the autotrader was never armed: a latch held, or a pre-flight check failed until the end";
        return Err(Failure::new(Exit::Refused, why));
    }
    Ok(())
}

pub(super) fn backtest(global: &Global, options: &BacktestOptions) -> Result<(), Failure> {
    if options.decisions.is_some() && options.files.len() > 1 {
        return Err(Failure::new(Exit::Usage, "--decisions takes one tape: each tape has decisions of its own"));
    }
    if options.execution {
        return measure(global, options);
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
        reports
            .push(tape_run::backtest_simulated(place.setup(Account::Paper)?, market, &wanted).map_err(start_failure)?);
    }
    for file in &options.files {
        let report =
            if options.audit { tape_run::audit(file).map_err(start_failure) } else { one(&place, file, &wanted) };
        reports.push(report?);
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

#[cfg(feature = "models")]
fn measure(global: &Global, options: &BacktestOptions) -> Result<(), Failure> {
    super::execution::run(global, &options.files, options.seed, options.format)
}

#[cfg(not(feature = "models"))]
fn measure(_: &Global, options: &BacktestOptions) -> Result<(), Failure> {
    let files = options.files.len();
    Err(Failure::error(format!(
        "this build has no models, and without one nothing waits; {files} tape(s) were not read"
    )))
}

fn one(place: &Place, file: &Path, wanted: &tape_run::BacktestOptions) -> Result<tape_run::BacktestReport, Failure> {
    tape_run::backtest(place.setup(Account::Paper)?, file, wanted).map_err(start_failure)
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

fn market(options: &DemoOptions) -> demo_run::DemoOptions {
    demo_run::DemoOptions { weather: options.weather, seed: options.seed, practice: options.practice }
}

pub(super) fn needs_terminal(instead: &str) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::error(format!("the cockpit needs a terminal on both stdin and stdout; `{instead}` runs without one")))
}

pub(super) fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::Screen(UiError::Keymap(error)) => {
            Failure::configuration(format!("ui.keymap: {error}; nothing was started"))
        }
        StartError::Model(error) => Failure::configuration(format!("{error}; nothing was started")),
        other => Failure::error(other),
    }
}

pub(super) fn conclude(ended: Result<Ended, StartError>) -> Result<(), Failure> {
    match ended.map_err(start_failure)? {
        Ended::Orderly(_, mut finished) => {
            left::say(&mut finished);
            check(&finished)
        }
        Ended::EnginePanicked(Some(open)) | Ended::EngineStuck(Some(open)) => Err(not_flat(&open)),
        Ended::EngineStuck(None) => Err(Failure::error(
            "the engine stood still and was left so: what it had not written yet is lost. Look at the exchange; the next \
             start compares its books with it",
        )),
        Ended::EnginePanicked(None) => Err(Failure::new(
            Exit::Latched,
            "the engine stopped on a fault of its own: the account is latched, nothing more was sent. The next start is \
             TRIPPED until a reset; a crash report lies in the data directory",
        )),
    }
}

fn not_flat(open: &str) -> Failure {
    let why = format!("FLAT IS NOT PROVEN, open: {open}. Look at the exchange now and close there what is open");
    Failure::new(Exit::NotFlat, why)
}

/// A run that never heard from its account did nothing that it was started for.
fn never_reached(why: Option<(DenialCode, String)>) -> Failure {
    let (exit, why) = match why {
        Some((code @ DenialCode::VenueKeyRefused, detail)) => {
            (Exit::Configuration, format!("{}: {detail}", code.text()))
        }
        Some((code, detail)) => (Exit::Error, format!("{}: {detail}", code.text())),
        None => (Exit::Error, "the venue did not answer in time".to_owned()),
    };
    Failure::new(exit, format!("the account was never read, so nothing was traded: {why}"))
}

/// What could not be written is an error; a latch that still holds has an exit code of its own.
fn check(finished: &Finished) -> Result<(), Failure> {
    for trouble in &finished.troubles {
        note(trouble);
    }
    if finished.engine.closing() || finished.unproven {
        let open: Vec<&str> = finished.engine.open_names().collect();
        let what = if open.is_empty() { "nothing known, but not proven".to_owned() } else { open.join(", ") };
        return Err(not_flat(&what));
    }
    let word = match finished.engine.state_word() {
        StateWord::Killed => "KILLED",
        StateWord::Tripped => "TRIPPED",
        _ if finished.troubles.is_empty() => return Ok(()),
        _ => return Err(Failure::error("the run ended, but not everything could be written")),
    };
    Err(Failure::new(Exit::Latched, format!("stopped while {word}; the latch holds until a reset")))
}
