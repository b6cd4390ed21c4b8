//! `tickdeck watchdog`: the process that acts when an engine dies. A run with an account at the exchange starts it and is heard
//! on stdin; with `--engine` it is a service of its own that finds the engine by its control socket.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::calls::Calls;
use super::global::Global;
use super::live;
use super::runs::Place;
use crate::engine::ids::{Account, Pair};
use crate::engine::time::Span;
use crate::keys;
use crate::run::clock::{Clock, wall};
use crate::run::control::socket_path;
use crate::run::exit::{Exit, Failure};
use crate::run::live::rescue_options;
use crate::run::watchdog::link::{Start, WatchdogPlan};
use crate::run::watchdog::{self, End, WatchdogOptions, service};
use crate::venue::bybit::rescue::Closer;

/// What `--engine` means without a value: the socket of the data directory.
const OWN_SOCKET: &str = "-";

/// Whom to watch.
#[derive(clap::Args, Debug)]
pub(super) struct Watchdog {
    /// A service of its own: watch the engine of this account through its control socket, that of the data directory unless it
    /// is named, outlive it and wait for the next one. Its engine has `[watchdog] enabled = "service"`
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, default_missing_value = OWN_SOCKET)]
    engine: Option<PathBuf>,
}

/// `tickdeck watchdog`.
pub(super) fn run(global: &Global, asked: &Watchdog) -> Result<(), Failure> {
    if asked.engine.is_none() && std::io::stdin().is_terminal() {
        let why = "watchdog: it is started by a run with an account at the exchange and hears its engine on stdin; \
                   `[watchdog] enabled` says for which accounts. --engine makes it a service of its own";
        return Err(Failure::new(Exit::Usage, why));
    }
    watchdog::detach();
    let place = Place::to_tighten(global)?;
    let access = live::to_tighten(&place, global.account(), keys::watchdog_credentials)?;
    let pair = Pair::bybit(access.account);
    let config = &place.loaded.config;
    let socket = asked
        .engine
        .clone()
        .map(|named| if named == Path::new(OWN_SOCKET) { socket_path(place.files.data_dir(), pair) } else { named });
    // The latch lies where the engine looks for it.
    let ledger = match &socket {
        Some(socket) => socket.with_file_name(pair.ledger_name()),
        None => place.files.ledger(pair),
    };
    let now = Arc::new(Clock::start().reader());
    let calls = Calls::new(&config.alerts, format!("tickdeck watchdog {}", pair.account().word()));
    let options = WatchdogOptions {
        deadline: duration(config.watchdog.deadline),
        close: config.watchdog.close,
        latch_beside: (ledger.clone(), pair),
        now: now.clone(),
        call: calls.caller(),
    };
    let proxy = config.bybit.proxy();
    let way = move |run| rescue_options(&access, run, proxy.clone(), now.clone(), Closer::Watchdog);
    if let Some(socket) = socket {
        watchdog::leaves_when_told().map_err(Failure::error)?;
        let Err(error) = service::serve(options, service::Place { socket, ledger }, way);
        return Err(Failure::error(error));
    }
    let end = watchdog::run(options, way);
    calls.finish();
    ended(end.map_err(Failure::error)?)
}

/// What came of watching one engine.
fn ended(end: End) -> Result<(), Failure> {
    match end {
        End::Goodbye(leaves) if leaves.is_empty() => watchdog::say("the run ended in order and leaves nothing open"),
        End::Goodbye(leaves) => watchdog::say(&format!("the run ended in order and leaves: {}", leaves.join(", "))),
        End::Nobody | End::LineLost | End::Refused(_) => {
            return Err(failure(Exit::NotRunning, "no engine spoke; nothing was done"));
        }
        End::Acted { not_flat: true, .. } => {
            return Err(failure(Exit::NotFlat, "FLAT IS NOT PROVEN: look at the exchange now"));
        }
        End::Acted { no_openings, latched, .. } => {
            let left =
                if no_openings { "no order is left that could open" } else { "orders that can open MAY BE LEFT" };
            let fenced = if latched { "is fenced" } else { "is NOT LATCHED" };
            return Err(failure(Exit::Latched, &format!("the account {fenced}; {left}")));
        }
    }
    Ok(())
}

/// The last line of its log, which has a date as the others have.
fn failure(exit: Exit, what: &str) -> Failure {
    Failure::new(exit, format!("watchdog, {}: {what}", wall()))
}

/// Which watchdog this invocation's account has; `None` where none is wanted.
pub(super) fn plan(place: &Place, account: Account) -> Result<Option<WatchdogPlan>, Failure> {
    let config = &place.loaded.config.watchdog;
    if !config.is_wanted(account) {
        return Ok(None);
    }
    let start = if config.enabled == "service" {
        None
    } else {
        let program = std::env::current_exe().map_err(Failure::error)?;
        let log = place.files.data_dir().join("watchdog.log");
        Some(Start { program, arguments: arguments(place, account), log })
    };
    Ok(Some(WatchdogPlan { start, deadline: duration(config.deadline), close: config.close }))
}

/// The same configuration and account. Nothing of it is secret: keys are never arguments.
fn arguments(place: &Place, account: Account) -> Vec<String> {
    let mut words = vec!["--data-dir".to_owned(), place.files.data_dir().display().to_string()];
    // A data directory on the command line moves the configuration too: it is named where it is.
    let (config, _) = place.files.config();
    if config.exists() {
        words.extend(["--config".to_owned(), config.display().to_string()]);
    }
    words.extend(place.overrides.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    words.extend(["--mode", account.word(), "watchdog"].map(str::to_owned));
    words
}

fn duration(span: Span) -> Duration {
    Duration::from_nanos(u64::try_from(span.0).unwrap_or(0))
}
