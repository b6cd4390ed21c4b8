//! The command line: what can be asked, and which module answers. stdout is data, stderr is for the person.

mod alerts;
mod calls;
mod configuration;
mod connect;
mod control;
mod doctor;
#[cfg(feature = "models")]
mod execution;
mod flatten;
mod global;
mod keys;
mod kill;
mod left;
mod lines;
mod live;
mod models;
mod money;
mod output;
mod runs;
mod serve;
mod sim;
mod status;
mod tapes;
mod train;
mod unlock;
mod watchdog;
mod watching;
mod why;
#[cfg(feature = "models")]
mod worker;

use std::path::PathBuf;

use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use global::{Front, Global, Mode};
#[cfg(feature = "cuda")]
pub use worker::train_here;

use crate::config::parse_span;
use crate::engine::time::Span;
use crate::run::exit::Failure;
use crate::venue::simulated::Weather;

/// A terminal trading cockpit: prices, model signals, risk gate, paper fills, kill switch.
#[derive(Parser, Debug)]
#[command(name = "tickdeck", version, disable_help_subcommand = false, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    /// Practice profile: edge gate off, so that an armed autotrader trades soon. It loses money on average
    #[arg(long)]
    practice: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The cockpit on the built-in simulated market, with a paper account. No keys, no network
    Demo(DemoOptions),
    /// The same engine without a screen
    Run(HeadlessOptions),
    /// Open a tape in the cockpit: speed, pause, step, seek
    Replay(ReplayOptions),
    /// Run tapes through the engine as fast as it goes, armed, and report
    Backtest(BacktestOptions),
    /// Make a tape of market data that others recorded: Bybit's dumps, collectors' files, trades as CSV
    Import(tapes::Import),
    /// Write a tape of Bybit's live public data, within the quota of `[tape]`. Nothing is traded
    Record(RecordOptions),
    /// A simulated Bybit on loopback, for tests and for trying things out without money
    Sim(sim::SimArgs),
    /// Look at tapes
    #[command(subcommand)]
    Tape(tapes::TapeCommand),
    /// Fit models on tapes and recordings, judge them out of sample, write the one worth shipping
    Train(train::Train),
    /// Judge an installed model on files it was not trained on
    Eval(train::Eval),
    /// Why did a recorded run decide that? The whole chain of one decision, computed again from its tape
    Why(why::WhyAsked),
    /// Look at the installed models
    #[command(subcommand)]
    Model(models::ModelCommand),
    /// Offer the installed models to others over HTTP, by the Open Inference Protocol
    Serve(serve::Serve),
    /// Orders from the ledger
    Orders(money::Query),
    /// Executions from the ledger
    Fills(money::Query),
    /// Realised PnL, fees and funding from the ledger
    Pnl(money::PnlQuery),
    /// Open positions from the ledger, and what a running engine sees outside its run; `whose` says which are yours
    Positions(money::PositionQuery),
    /// Write every table of the ledger to files
    Export(money::Export),
    /// Was the ledger changed by anything but tickdeck? Every record is chained to those before it
    #[command(subcommand)]
    Audit(money::AuditCommand),
    /// How the running engine stands, and what its ledger says
    Status(money::Ask),
    /// The cockpit of a running engine, from another terminal or over ssh. Leaving it leaves the engine running
    Attach(control::Attach),
    /// Arm a running engine for a time; asks, or takes --yes, for real money --confirm
    Arm(control::Arm),
    /// Disarm a running engine: nothing opens any more, exits go on
    Disarm(control::Answered),
    /// Close one position of a running engine, or all of ours, and prove it. Disarms; exit code 8 when it is not proven
    Flatten(flatten::Flatten),
    /// Kill: nothing opens, opening orders are cancelled, the account is latched; with --flat positions are closed and it is
    /// proven. Asks the running engine; without one, --mode says whose account is killed from here
    Kill(kill::Kill),
    /// Lift a kill or trip of a running engine; shows the cause and asks
    Reset(control::Loosen),
    /// Limits of a running engine
    #[command(subcommand)]
    Limits(control::Limits),
    /// A position becomes yours: shown, never touched again
    Release(control::About),
    /// Take a released position back
    Adopt(control::About),
    /// Close a released position: one reduce-only order at market, nothing is repeated
    CloseReleased(control::About),
    /// What others have in instruments outside a running engine's: list, close, cancel
    #[command(subcommand)]
    Outside(control::Outside),
    /// An order counts as over whose id another order at the exchange has; shows the evidence and asks
    SettleOrder(control::SettleOrder),
    /// End a running engine and leave its positions
    Stop(control::Answered),
    /// The process that acts when an engine dies. A run starts it by itself where `[watchdog] enabled` says so; with --engine
    /// it is a service of its own
    Watchdog(watchdog::Watchdog),
    /// Make, show or check the configuration
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Is everything right? Configuration, data directory, ledgers, terminal, models, network, clock, and with --mode the
    /// account and its key. Exit code 1 when a check fails
    Doctor(doctor::Doctor),
    /// The channels that call a person who does not look
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// API keys and secrets in the system's keyring
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print a completion script for a shell
    Completion {
        /// Shell.
        shell: clap_complete::Shell,
    },
}

/// What the demo is asked for.
#[derive(clap::Args, Debug, Clone, PartialEq)]
pub struct DemoOptions {
    /// Weather to begin with: calm, busy or crash
    #[arg(long, default_value_t = Weather::Calm)]
    pub weather: Weather,
    /// Seed of the market; the same seed and weather give the same market
    #[arg(long)]
    pub seed: Option<u64>,
    /// Practice profile: edge gate off, so that an armed autotrader trades soon. It loses money on average
    #[arg(long)]
    pub practice: bool,
}

/// What a run without a screen is asked for.
#[derive(clap::Args, Debug, Clone, PartialEq)]
pub struct HeadlessOptions {
    /// On the built-in simulated market
    #[arg(long)]
    pub demo: bool,
    /// Which market.
    #[command(flatten)]
    pub market: DemoOptions,
    /// Stop by itself after this long: 60s, 15m, 8h
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub stop_after: Option<Span>,
    /// How events are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: LineFormat,
    /// Arm the autotrader as soon as every pre-flight check passes; needs --yes
    #[arg(long, requires = "yes")]
    pub arm: bool,
    /// Yes, arm
    #[arg(long)]
    pub yes: bool,
}

/// What a recording is asked for.
#[derive(clap::Args, Debug, Clone, PartialEq)]
pub struct RecordOptions {
    /// Stop by itself after this long: 60s, 15m, 8h
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub stop_after: Option<Span>,
}

impl HeadlessOptions {
    /// Bybit's market in lines of text, for as long as it runs.
    const fn lines(practice: bool) -> Self {
        Self {
            demo: false,
            market: DemoOptions { weather: Weather::Calm, seed: None, practice },
            stop_after: None,
            format: LineFormat::Text,
            arm: false,
            yes: false,
        }
    }
}

/// How a run without a screen prints.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What a replay is asked for.
#[derive(clap::Args, Debug, Clone, PartialEq)]
pub struct ReplayOptions {
    /// The tape
    pub file: PathBuf,
    /// Times real time
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Show what the recorded run saw and did, instead of running models and paper venue again
    #[arg(long)]
    pub audit: bool,
    /// Practice profile: edge gate off
    #[arg(long)]
    pub practice: bool,
}

/// What a backtest is asked for.
#[derive(clap::Args, Debug, Clone, PartialEq)]
pub struct BacktestOptions {
    /// Tapes, each run on its own
    #[arg(required_unless_present = "simulated")]
    pub files: Vec<PathBuf>,
    /// Run through this much of the built-in market instead: 10m, 8h
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "files")]
    pub simulated: Option<Span>,
    /// Weather of the built-in market
    #[arg(long, default_value_t = Weather::Calm, requires = "simulated")]
    pub weather: Weather,
    /// Seed of the built-in market
    #[arg(long, default_value_t = 1, requires = "simulated")]
    pub seed: u64,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: crate::ledger::Format,
    /// Practice profile: edge gate off
    #[arg(long)]
    pub practice: bool,
    /// Keep the autotrader disarmed
    #[arg(long)]
    pub disarmed: bool,
    /// Feed tapes of our own with everything the run saw, instead of running models and paper venue again; the decisions
    /// must be those that were recorded
    #[arg(long, conflicts_with_all = ["simulated", "practice", "disarmed", "decisions"])]
    pub audit: bool,
    /// Measure timed execution instead: what its trades cost on these tapes beside sending at once and a random wait. Both
    /// use the models of the configuration
    #[arg(long, conflicts_with_all = ["simulated", "practice", "disarmed", "audit", "decisions"])]
    pub execution: bool,
    /// Write every decision to this file; one tape only
    #[arg(long, value_name = "FILE")]
    pub decisions: Option<PathBuf>,
}

impl Cli {
    /// What this process was asked; ends it with clap's own words where that is not understood.
    pub fn from_line() -> Self {
        let words: Vec<_> = std::env::args_os().collect();
        Self::parsed(&words).unwrap_or_else(|error| error.exit())
    }

    fn parsed(words: &[std::ffi::OsString]) -> Result<Self, clap::Error> {
        let matches = Self::line().try_get_matches_from(words)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut Self::line()))?;
        cli.global.overrides = sets(&matches);
        match Self::given_twice(words) {
            Some(option) => {
                let why = format!(
                    "--{option} is given twice: before and after the command it means the same, so give it once"
                );
                Err(Self::line().error(clap::error::ErrorKind::ArgumentConflict, why))
            }
            None => Ok(cli),
        }
    }

    /// An option of every command that is given before the subcommand and after it again. Of these clap would take the inner
    /// one without a word; twice in the same place it refuses itself. `--set` is a list and counts everywhere.
    fn given_twice(words: &[std::ffi::OsString]) -> Option<String> {
        let line = Self::line();
        let everywhere_at: Vec<Arg> = line.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
        let apart = |arg: Arg| arg.global(false);
        let line = everywhere_at.iter().cloned().fold(line, |line, arg| {
            let id = arg.get_id().clone();
            let arg = apart(arg);
            everywhere(line.mut_arg(id, |arg| arg.global(false)), &arg)
        });
        let matches = line.try_get_matches_from(words).ok()?;
        let twice = everywhere_at.iter().find(|arg| places(&matches, arg.get_id().as_str()) > 1);
        twice.and_then(|arg| arg.get_long()).map(str::to_owned)
    }

    /// The command line, with `--set` at every level. Of a global list clap keeps the innermost one alone: a limit that was
    /// set before the subcommand would vanish without a word.
    fn line() -> clap::Command {
        let line = Self::command();
        let set = line.get_arguments().find(|arg| arg.get_id() == SETS).cloned();
        match set {
            Some(set) => everywhere(line, &set),
            None => line,
        }
    }

    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        let global = &self.global;
        let own_market = match &self.command {
            Some(Command::Demo(_) | Command::Replay(_) | Command::Backtest(_)) => true,
            Some(Command::Run(options)) => options.demo,
            _ => false,
        };
        global.refuse_impossible_mode(own_market)?;
        let Some(command) = self.command else {
            return live::cockpit(global, self.practice);
        };
        match command {
            Command::Demo(options) => runs::demo(global, &options),
            Command::Run(options) => runs::headless(global, &options),
            Command::Record(options) => live::record(global, &options),
            Command::Replay(options) => runs::replay(global, &options),
            Command::Backtest(options) => runs::backtest(global, &options),
            Command::Sim(args) => sim::run(args),
            Command::Import(import) => tapes::import(&import),
            Command::Tape(command) => tapes::run(&command),
            Command::Train(asked) => train::run(&asked),
            Command::Eval(asked) => train::eval(global, &asked),
            Command::Why(asked) => why::run(global, &asked),
            Command::Model(command) => models::run(global, &command),
            Command::Serve(asked) => serve::run(global, &asked),
            Command::Orders(query) => money::orders(global, &query),
            Command::Fills(query) => money::fills(global, &query),
            Command::Pnl(query) => money::pnl(global, &query),
            Command::Positions(ask) => money::positions(global, &ask),
            Command::Export(export) => money::export(global, &export),
            Command::Audit(command) => money::audit(global, &command),
            Command::Status(ask) => status::status(global, &ask),
            Command::Attach(asked) => control::attach(global, &asked),
            Command::Arm(asked) => control::arm(global, &asked),
            Command::Disarm(asked) => control::disarm(global, &asked),
            Command::Flatten(asked) => flatten::run(global, &asked),
            Command::Kill(asked) => kill::run(global, &asked),
            Command::Reset(asked) => control::reset(global, &asked),
            Command::Limits(asked) => control::limits(global, &asked),
            Command::Release(asked) => control::release(global, &asked),
            Command::Adopt(asked) => control::adopt(global, &asked),
            Command::CloseReleased(asked) => control::close_released(global, &asked),
            Command::Outside(asked) => control::outside(global, &asked),
            Command::SettleOrder(asked) => control::settle_order(global, &asked),
            Command::Stop(asked) => control::stop(global, &asked),
            Command::Watchdog(asked) => watchdog::run(global, &asked),
            Command::Config(command) => configuration::run(global, &command),
            Command::Doctor(asked) => doctor::run(global, &asked),
            Command::Alerts(command) => alerts::run(global, &command),
            Command::Keys(command) => keys::run(global, &command),
            Command::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::line(), "tickdeck", &mut script);
                output::print(&String::from_utf8_lossy(&script))
            }
        }
    }
}

/// The list of `--set`, by the name of its field in [`Global`].
const SETS: &str = "overrides";

fn everywhere(command: clap::Command, arg: &Arg) -> clap::Command {
    command.mut_subcommands(|inner| everywhere(inner.arg(arg), arg))
}

/// What was set at all levels, the outer ones first: the last of a key counts.
fn sets(matches: &ArgMatches) -> Vec<String> {
    let here = matches.try_get_many::<String>(SETS).ok().flatten().into_iter().flatten().cloned();
    here.chain(matches.subcommand().map(|(_, inner)| sets(inner)).unwrap_or_default()).collect()
}

/// At how many levels an option is given.
fn places(matches: &ArgMatches, id: &str) -> usize {
    let here = matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
    usize::from(here) + matches.subcommand().map_or(0, |(_, inner)| places(inner, id))
}

fn span(text: &str) -> Result<Span, String> {
    let positive = parse_span(text).filter(|span| span.0 > 0);
    positive.ok_or_else(|| "write a time such as 60s, 15m, 8h or 7d".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=1000.0).contains(&speed) { Ok(speed) } else { Err("from 0.1 to 1000".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::line().debug_assert();
    }

    #[test]
    fn an_option_of_every_command_is_given_once() {
        let parsed = |line: &str| {
            let words: Vec<std::ffi::OsString> = line.split(' ').map(Into::into).collect();
            Cli::parsed(&words).map_err(|error| error.to_string())
        };
        for twice in [
            "tickdeck --mode testnet status --mode paper",
            "tickdeck --mode testnet status --mode testnet",
            "tickdeck --config a.toml config --config b.toml show",
            "tickdeck --config a.toml --config b.toml status",
            "tickdeck audit --data-dir a head --data-dir b",
            "tickdeck --color never demo --color auto",
        ] {
            assert!(parsed(twice).is_err(), "{twice}");
        }
        assert!(parsed("tickdeck --mode testnet status --mode paper").unwrap_err().contains("--mode is given twice"));
        assert_eq!(parsed("tickdeck status --mode testnet").unwrap().global.mode, Some(Mode::Testnet));
        assert_eq!(parsed("tickdeck --mode testnet status").unwrap().global.mode, Some(Mode::Testnet));
        let sets = parsed("tickdeck --set a=1 config --set a=2 show --set a=3").unwrap().global.overrides;
        assert_eq!(sets, ["a=1", "a=2", "a=3"], "a list counts everywhere, the last of a key wins");
    }
}
