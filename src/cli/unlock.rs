//! Real money from the command line: the typed tail, by `--confirm` or on the terminal, and the check of the key.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::live::Find;
use super::runs::Place;
use crate::config::Config;
use crate::engine::ceremony::Ceremony;
use crate::engine::ids::Account;
use crate::engine::time::Span;
use crate::run::clock::{Stopwatch, wall};
use crate::run::exit::{Exit, Failure};
use crate::run::live::PrivateAccess;
use crate::venue::bybit::hosts::Region;
use crate::venue::bybit::unlock::{Allowed, Locked, Through, UnlockError, Unlocked, may_trade as may_trade_at};

/// How long the exchange may take to say what the key may do.
const CHECK_MAX: Duration = Duration::from_secs(15);
/// Enter counts this long after the question, as in the cockpit.
const LOCKED: Span = Span::from_secs(3);
/// The question lapses after this long.
const LAPSES: Duration = Duration::from_secs(30);

/// Asks the terminal to put marks around what is pasted, and to stop that.
const PASTES_MARKED: &str = "\x1b[?2004h";
const PASTES_PLAIN: &str = "\x1b[?2004l";

/// How the tail is given.
pub(super) enum Typed<'a> {
    /// Text of `--confirm` or of the cockpit's ceremony.
    Text(&'a str),
    /// Asked for on the terminal.
    Terminal,
}

/// Unlocks the live account. Nothing connects for orders before this.
pub(super) fn unlock(place: &Place, typed: &Typed<'_>, find: Find) -> Result<Unlocked, Failure> {
    let config = &place.loaded.config;
    let allowed = allowed(config)?;
    let locked = locked(config, find)?;
    let ceremony = match typed {
        Typed::Text(text) => Ceremony::typed(text, locked.tail()),
        Typed::Terminal => Ceremony::typed(&ask(&locked)?, locked.tail()),
    };
    let ceremony =
        ceremony.ok_or_else(|| Failure::new(Exit::Refused, format!("{}; nothing was started", UnlockError::Tail)))?;
    let unlocked = in_time(locked.check(through(config)))?.unlock(&allowed, &ceremony);
    unlocked.map_err(refused)
}

/// The live account's key pair, with nothing proven.
pub(super) fn locked(config: &Config, find: Find) -> Result<Locked, Failure> {
    let found = find(Account::Live, &config.keys.live).map_err(Failure::configuration)?;
    let region = Region::parse(&config.bybit.region).map_err(|error| refused(error.into()))?;
    Locked::new(found.api_key.expose(), found.secret.into_text(), region, &config.bybit.overrides()).map_err(refused)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn refused(error: UnlockError) -> Failure {
    Failure::configuration(format!("{error}; nothing was started"))
}

/// The file's part: `live = true`, and limits of its own. Comes before any key is looked for.
pub(super) fn allowed(config: &Config) -> Result<Allowed, Failure> {
    let allowed = Allowed::by_file(config.live)
        .map_err(|error| Failure::configuration(format!("{error}; nothing was started")))?;
    config.limits_of(Account::Live).map_err(|error| Failure::configuration(format!("{error}; nothing was started")))?;
    Ok(allowed)
}

/// Does the exchange know the key of an account that is no real money, and may it trade?
pub(super) fn may_trade(place: &Place, access: &PrivateAccess) -> Result<(), Failure> {
    in_time(may_trade_at(&access.credentials, &access.hosts, through(&place.loaded.config)))
}

fn through(config: &Config) -> Through {
    Through {
        recv_window_ms: u32::try_from(config.bybit.recv_window.as_ms()).unwrap_or(u32::MAX),
        proxy: config.bybit.proxy(),
        now: Arc::new(wall),
    }
}

/// Waits for what the exchange says about a key.
fn in_time<T>(asked: impl Future<Output = Result<T, UnlockError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::error)?;
    let answer = runtime.block_on(async { tokio::time::timeout(CHECK_MAX, asked).await });
    let refused = |error: UnlockError| {
        let exit = if matches!(error, UnlockError::Unchecked(_)) { Exit::Error } else { Exit::Configuration };
        Failure::new(exit, format!("{error}; nothing was started"))
    };
    match answer {
        Ok(answer) => answer.map_err(refused),
        Err(_) => {
            Err(Failure::error("the exchange did not say in time what the account's key may do; nothing was started"))
        }
    }
}

/// Asks on the terminal. What was typed before the question does not count.
fn ask(locked: &Locked) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let hint = "--mode live takes the account's tail: without a terminal as --confirm \"LIVE <tail>\"; nothing was started";
        return Err(Failure::new(Exit::Refused, hint));
    }
    let place = if locked.is_simulated() { " on a SIMULATED EXCHANGE" } else { "" };
    let mut out = std::io::stderr().lock();
    // A terminal that takes no text takes no answer either.
    let _ = write!(
        out,
        "\n*** LIVE: REAL MONEY{place} ***\ntype {} to go on, within 30 s; the first 3 s and pasting do not count: {PASTES_MARKED}",
        Ceremony::phrase(locked.tail())
    );
    let _ = out.flush();
    forget_typed_ahead();
    let watch = Stopwatch::start();
    let answer = line_within(LAPSES);
    let _ = write!(out, "{PASTES_PLAIN}");
    let text = answer.ok_or_else(|| Failure::new(Exit::Refused, "\nnobody answered; nothing was started"))?;
    if watch.elapsed() < LOCKED {
        return Err(Failure::new(Exit::Refused, "that was too fast to have been read; nothing was started"));
    }
    // A marked paste begins with an escape sequence.
    if text.contains('\x1b') {
        return Err(Failure::new(Exit::Refused, "pasting does not count: type it yourself; nothing was started"));
    }
    Ok(text)
}

#[cfg(unix)]
fn forget_typed_ahead() {
    // Where it fails the three seconds still hold.
    let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
}

#[cfg(not(unix))]
const fn forget_typed_ahead() {}

/// One line of the terminal, if it comes in time.
fn line_within(wait: Duration) -> Option<String> {
    let (typed, line) = std::sync::mpsc::sync_channel(1);
    let read = move || {
        let mut text = String::new();
        if std::io::stdin().read_line(&mut text).is_ok() {
            let _ = typed.send(text.trim_end_matches(['\r', '\n']).to_owned());
        }
    };
    std::thread::Builder::new().name("question".into()).spawn(read).ok()?;
    line.recv_timeout(wait).ok()
}
