//! `tickdeck kill [--flat]`: asks a running engine; without one, or where it does not answer, does it from here with the
//! account's own key. The first step needs nothing but itself: it only tightens.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::LineFormat;
use super::global::Global;
use super::live;
use super::output::{note, print};
use super::runs::Place;
use crate::engine::ids::{Account, Market, Pair, RunId};
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::time::Span;
use crate::keys;
use crate::ledger::{Latching, Reader, holder};
use crate::run::clock::{Clock, entropy, wall};
use crate::run::control::{Ask, ControlError, State, Verb, ask, socket_path};
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;
use crate::run::live::{RescueAccess, rescue_options};
use crate::venue::bybit::rescue::{Closer, Ending, Receipt, Rescue, Said, Whose};

/// A running engine answers a line within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The first step alone takes no longer than this.
const FIRST_STEP: Duration = Duration::from_secs(20);
/// How long the latch on the disk is waited for.
const LATCH_TAKES: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(clap::Args, Debug)]
pub(super) struct Kill {
    /// Close every position as well, and prove it
    #[arg(long)]
    flat: bool,
    /// Without a running engine: also what others hold and ordered on this account
    #[arg(long)]
    whole_account: bool,
    /// How long flat may take: 60s, 5m
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = super::span)]
    within: Span,
    /// How the receipt is printed
    #[arg(long, value_enum, default_value_t)]
    format: LineFormat,
}

impl Kill {
    fn within(&self) -> Duration {
        let flat = Duration::from_nanos(u64::try_from(self.within.0).unwrap_or(0));
        if self.flat { flat } else { FIRST_STEP }
    }
}

/// `tickdeck kill`.
pub(super) fn run(global: &Global, kill: &Kill) -> Result<(), Failure> {
    let files = global.files()?;
    files.make_data_dir().map_err(Failure::error)?;
    let pairs: Vec<Pair> = match global.mode {
        Some(_) => vec![Pair::bybit(global.account())],
        None => Pair::KEPT.to_vec(),
    };
    let mut asked = 0;
    for pair in pairs.iter().filter(|pair| holder(&files.ledger(**pair)).is_some()) {
        asked += 1;
        match by_engine(&files, *pair, kill) {
            Ok(()) => {}
            Err(Unheard::Failure(failure)) => return Err(failure),
            Err(Unheard::Silent(why)) => silent(global, &files, *pair, kill, &why)?,
        }
    }
    match (asked, global.account()) {
        (0, Account::Paper) => Err(Failure::new(
            Exit::NotRunning,
            format!(
                "kill: no engine is running in {}, and the paper account has no orders without one; --mode testnet, \
                 demo-account or live kills an account at the exchange from here",
                files.data_dir().display()
            ),
        )),
        (0, _) => from_here(global, &files, kill),
        _ => Ok(()),
    }
}

enum Unheard {
    /// It was heard, and it did not work.
    Failure(Failure),
    /// The engine does not answer.
    Silent(String),
}

/// Asks the engine and follows it until it is done.
fn by_engine(files: &Files, pair: Pair, kill: &Kill) -> Result<(), Unheard> {
    let socket = socket_path(files.data_dir(), pair);
    let asks = |verb| {
        ask(&socket, &Ask::plain(verb), ANSWER_WITHIN).map_err(|error| match error {
            ControlError::Unreachable { .. } => Unheard::Silent(error.to_string()),
            other => Unheard::Failure(Failure::error(other)),
        })
    };
    let began = Instant::now();
    let mut state = asks(Verb::Kill)?;
    if kill.flat {
        state = asks(Verb::KillClose)?;
    }
    let done = |state: &State| state.latched && state.no_openings && (!kill.flat || state.flat);
    while !done(&state) && began.elapsed() < kill.within() {
        std::thread::sleep(LOOK_EVERY);
        state = asks(Verb::State)?;
    }
    show(kill, &state).map_err(Unheard::Failure)?;
    judge(kill.flat, &state).map_err(Unheard::Failure)
}

fn show(kill: &Kill, state: &State) -> Result<(), Failure> {
    if kill.format == LineFormat::Json {
        let text = serde_json::to_string(state).map_err(Failure::error)?;
        return print(&format!("{text}\n"));
    }
    let mut text =
        format!("process {}: {}\n", state.pid, if state.latched { "KILLED" } else { "kill not latched yet" });
    for line in state.receipt.iter().chain(&state.guardian).chain(&state.left_alone) {
        text.push_str(line);
        text.push('\n');
    }
    print(&text)
}

/// What a script may rely on: 0 when no order is left that could open and the account is latched, 8 when flat was asked for
/// and is not proven.
fn judge(flat_wanted: bool, state: &State) -> Result<(), Failure> {
    if flat_wanted && !state.flat {
        let why = "FLAT IS NOT PROVEN: look at the exchange now and close there what is open";
        return Err(Failure::new(Exit::NotFlat, why));
    }
    if !state.no_openings {
        let why = "orders that can open may be left: look at the exchange now and cancel them there";
        return Err(Failure::new(Exit::Timeout, why));
    }
    if !state.latched {
        let why = "no order is left that could open, but the kill is NOT LATCHED: an engine that goes on or starts on this \
                   account may open again. Stop it, and start none until `tickdeck kill` ends with 0";
        return Err(Failure::new(Exit::Timeout, why));
    }
    Ok(())
}

/// The engine holds its ledger and does not answer: the signal latches it when it comes back, and the account is served from
/// here where it can be.
fn silent(global: &Global, files: &Files, pair: Pair, kill: &Kill, why: &str) -> Result<(), Failure> {
    let ledger = files.ledger(pair);
    let pid = holder(&ledger);
    note(&format!("{why}; SIGQUIT goes to process {}", pid.as_deref().unwrap_or("unknown")));
    pid.as_deref().map_or(Ok(()), quit)?;
    let began = Instant::now();
    let latched = || Reader::open(&ledger).and_then(|reader| reader.latch()).is_ok_and(|latch| latch.is_some());
    while !latched() && began.elapsed() < LATCH_TAKES {
        std::thread::sleep(LOOK_EVERY);
    }
    if global.mode.is_some() && pair.account() != Account::Paper {
        return from_here(global, files, kill);
    }
    let heard = if latched() { "it is latched" } else { "it has not latched yet" };
    let hint = match pair.market() {
        Market::Bybit if pair.account() != Account::Paper => {
            format!("; `tickdeck --mode {} kill` does it without the engine", pair.account().word())
        }
        _ => String::new(),
    };
    Err(Failure::new(Exit::Timeout, format!("the engine does not answer and was sent SIGQUIT: {heard}{hint}")))
}

#[cfg(unix)]
fn quit(pid: &str) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    pid.map_or(Ok(()), |pid| kill_process(pid, Signal::QUIT))
        .map_err(|error| Failure::error(format!("the engine's process was not reached by a signal: {error}")))
}

/// The rescue from this process: no engine needed. The latch comes first and whatever happens: it takes no configuration, no
/// key and no network.
fn from_here(global: &Global, files: &Files, kill: &Kill) -> Result<(), Failure> {
    let pair = Pair::bybit(global.account());
    let latch = Latch { cause: LatchCause::Killed("tickdeck kill".into()), at: wall() };
    let latching = Latching::start(files.ledger(pair), pair, latch);
    let rescued = rescue(global, kill);
    let latched = latching.ends(LATCH_TAKES);
    if let Err(why) = &latched {
        note(&format!("the latch is not on the disk: {why}"));
    }
    let (ending, receipt) = rescued.map_err(|failure| {
        let next = if latched.is_ok() { "the next start is KILLED" } else { "the account is NOT LATCHED" };
        Failure::new(failure.exit, format!("kill: {failure}; orders at the exchange were not touched, {next}"))
    })?;
    let state = State {
        pid: 0,
        latched: latched.is_ok(),
        no_openings: ending.no_openings,
        flat: ending.flat.is_some(),
        flattened: false,
        receipt: Vec::new(),
        guardian: receipt.lines().to_vec(),
        left_alone: ending.others,
    };
    match kill.format {
        LineFormat::Json => show(kill, &state)?,
        // The steps were printed as they came.
        LineFormat::Text => {
            for line in state.left_alone.iter().chain(&ending.left) {
                print(&format!("{line}\n"))?;
            }
        }
    }
    judge(kill.flat, &state)
}

/// Cancels, and closes where flat was asked for. An error is one from before the first request.
fn rescue(global: &Global, kill: &Kill) -> Result<(Ending, Receipt), Failure> {
    let place = Place::to_tighten(global)?;
    let access = live::to_tighten(&place, global.account(), keys::credentials)?;
    let whose = if kill.whole_account { Whose::Everything } else { ours(&place, &access) };
    let clock = Arc::new(Clock::start().reader());
    let run = RunId::new(wall().as_ms(), entropy());
    let proxy = place.loaded.config.bybit.proxy();
    let options = rescue_options(&access, run, proxy, clock.clone(), Closer::Guardian);
    let rescue = Rescue::new(options).map_err(Failure::error)?;
    let mut receipt = Receipt::new(clock, steps(kill.format));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::error)?;
    let ending = runtime.block_on(async {
        // An unknown clock offset shows as a refusal, which measures it.
        rescue.keep_warm().await.ok();
        let first = rescue.first_step(&whose, FIRST_STEP, &mut receipt).await;
        if kill.flat { rescue.close(&whose, kill.within(), &mut receipt).await } else { first }
    });
    Ok((ending, receipt))
}

/// Every step as it comes, once: data on stdout, beside JSON words for the person. Waiting is one line.
fn steps(format: LineFormat) -> Said {
    let last = Mutex::new(String::new());
    Box::new(move |lines| {
        let Some(line) = lines.last() else { return };
        let text = line.split_once(": ").map_or(line.as_str(), |(_, text)| text);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == text {
            return;
        }
        text.clone_into(&mut last);
        match format {
            // Nobody reads any more: what is done goes on.
            LineFormat::Text => drop(print(&format!("{line}\n"))),
            LineFormat::Json => note(line),
        }
    })
}

/// What the ledger says is ours: positions that it holds or may hold, without those that were released to the person.
fn ours(place: &Place, access: &RescueAccess) -> Whose {
    Whose::Ours(Arc::new(our_symbols(&place.files.ledger(Pair::bybit(access.account)))))
}

fn our_symbols(ledger: &Path) -> BTreeSet<String> {
    if !ledger.exists() {
        note(
            "there is no ledger of this account: only orders are known to be ours; --whole-account takes positions too",
        );
        return BTreeSet::new();
    }
    Reader::open(ledger).and_then(|reader| reader.ours()).unwrap_or_else(|error| {
        note(&format!("{error}: positions are not known to be ours; --whole-account takes them all"));
        BTreeSet::new()
    })
}
