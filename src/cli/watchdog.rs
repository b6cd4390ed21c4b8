//! `tickdeck watchdog`: the process that acts when an engine dies. A run with an account at the exchange starts it; it hears
//! its engine on stdin.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use super::global::Global;
use super::live;
use super::runs::Place;
use crate::engine::ids::{Account, Pair};
use crate::engine::time::Span;
use crate::keys;
use crate::run::clock::{Clock, wall};
use crate::run::exit::{Exit, Failure};
use crate::run::live::rescue_options;
use crate::run::watchdog::link::WatchdogPlan;
use crate::run::watchdog::{self, End, WatchdogOptions};
use crate::venue::bybit::rescue::Closer;

/// `tickdeck watchdog`.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        let why = "watchdog: it is started by a run with an account at the exchange and hears its engine on stdin; \
                   `[watchdog] enabled` says for which accounts";
        return Err(Failure::new(Exit::Usage, why));
    }
    watchdog::detach();
    let place = Place::to_tighten(global)?;
    let access = live::to_tighten(&place, global.account(), keys::watchdog_credentials)?;
    let pair = Pair::bybit(access.account);
    let config = &place.loaded.config;
    let now = Arc::new(Clock::start().reader());
    let options = WatchdogOptions {
        deadline: duration(config.watchdog.deadline),
        close: config.watchdog.close,
        latch_beside: (place.files.ledger(pair), pair),
        now: now.clone(),
    };
    let proxy = config.bybit.proxy();
    let way = move |run| rescue_options(&access, run, proxy, now, Closer::Watchdog);
    match watchdog::run(options, way).map_err(Failure::error)? {
        End::Goodbye(leaves) if leaves.is_empty() => watchdog::say("the run ended in order and leaves nothing open"),
        End::Goodbye(leaves) => watchdog::say(&format!("the run ended in order and leaves: {}", leaves.join(", "))),
        End::Nobody => return Err(failure(Exit::NotRunning, "no engine spoke; nothing was done")),
        End::Acted { not_flat: true, .. } => {
            return Err(failure(Exit::NotFlat, "FLAT IS NOT PROVEN: look at the exchange now"));
        }
        End::Acted { no_openings, .. } => {
            let left =
                if no_openings { "no order is left that could open" } else { "orders that can open MAY BE LEFT" };
            return Err(failure(Exit::Latched, &format!("the account is fenced; {left}")));
        }
    }
    Ok(())
}

/// The last line of its log, which has a date as the others have.
fn failure(exit: Exit, what: &str) -> Failure {
    Failure::new(exit, format!("watchdog, {}: {what}", wall()))
}

/// How the watchdog of this invocation's account is started; `None` where none is wanted.
pub(super) fn plan(place: &Place, account: Account) -> Result<Option<WatchdogPlan>, Failure> {
    let config = &place.loaded.config.watchdog;
    let wanted = match (account, config.enabled.as_str()) {
        (Account::Paper, _) | (_, "off") => false,
        (Account::Live, _) => true,
        (_, enabled) => enabled == "on",
    };
    if !wanted {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(Failure::error)?;
    let data_dir = place.files.data_dir();
    Ok(Some(WatchdogPlan {
        program,
        arguments: arguments(place, account),
        log: data_dir.join("watchdog.log"),
        deadline: duration(config.deadline),
        close: config.close,
    }))
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
