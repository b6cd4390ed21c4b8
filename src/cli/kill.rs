//! `tickdeck kill [--flat]`: asks a running engine; without one, or where it does not answer, does it from here with the
//! account's own key. The first step needs nothing but itself: it only tightens.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::global::Global;
use super::live;
use super::output::{note, print};
use super::runs::Place;
use crate::engine::ids::{Account, Pair, RunId};
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::time::Span;
use crate::keys;
use crate::ledger::{Cell, Format, Latching, Reader, Sheet, holder};
use crate::run::clock::{Clock, entropy, wall};
use crate::run::control::{Ask, State, Verb, ask, socket_path};
use crate::run::exit::{Exit, Failure};
use crate::run::files::Files;
use crate::run::live::rescue_options;
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
    /// Also what others hold and ordered on this account at the exchange
    #[arg(long)]
    whole_account: bool,
    /// How long flat may take: 60s, 5m
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = super::span)]
    within: Span,
    /// How the receipt is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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
    let mut pairs: Vec<Pair> = match global.mode {
        Some(_) => vec![Pair::bybit(global.account())],
        // Real money first.
        None => Pair::KEPT.into_iter().rev().collect(),
    };
    pairs.retain(|pair| holder(&files.ledger(*pair)).is_some());
    match global.account() {
        _ if !pairs.is_empty() => every(global, &files, &pairs, kill),
        Account::Paper => Err(Failure::new(
            Exit::NotRunning,
            format!(
                "kill: no engine is running in {}, and the paper account has no orders without one; --mode testnet, \
                 demo-account or live kills an account at the exchange from here",
                files.data_dir().display()
            ),
        )),
        account => from_here(global, &files, Pair::bybit(account), kill),
    }
}

/// Every engine at once: one that does not answer keeps no other from its kill. What failed is told of all of them, with the
/// worst exit code.
fn every(global: &Global, files: &Files, pairs: &[Pair], kill: &Kill) -> Result<(), Failure> {
    let failures: Vec<(Pair, Failure)> = std::thread::scope(|scope| {
        let spawn = |pair| {
            let asks = move || one(global, files, pair, kill);
            (pair, std::thread::Builder::new().name("kill".into()).spawn_scoped(scope, asks))
        };
        let asked: Vec<_> = pairs.iter().copied().map(spawn).collect();
        let ended = asked.into_iter().filter_map(|(pair, thread)| {
            let outcome = match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err(Failure::error("the kill itself fell over"))),
                // No thread can be had: one after the other.
                Err(_) => one(global, files, pair, kill),
            };
            outcome.err().map(|failure| (pair, failure))
        });
        ended.collect()
    });
    let not_flat = |failure: &Failure| failure.exit == Exit::NotFlat;
    let worst = failures.iter().map(|(_, failure)| failure).find(|failure| not_flat(failure));
    let Some(worst) = worst.or_else(|| failures.first().map(|(_, failure)| failure)) else { return Ok(()) };
    let told: Vec<String> = failures.iter().map(|(pair, failure)| format!("{}: {failure}", pair.name())).collect();
    Err(Failure::new(worst.exit, told.join("\n")))
}

/// The engine of one account, whatever it takes.
fn one(global: &Global, files: &Files, pair: Pair, kill: &Kill) -> Result<(), Failure> {
    let socket = socket_path(files.data_dir(), pair);
    let (pid, heard) = match listener(&socket) {
        Ok(pid) => (pid, by_engine(&socket, kill, &Durable::watch(files.ledger(pair)))),
        Err(why) => (None, Err(format!("no engine answers at {}: {why}", socket.display()))),
    };
    match heard {
        Ok(killed) if kill.whole_account => the_rest(global, pair, kill, killed),
        Ok(killed) => {
            let shown = show(pair, kill, &killed);
            judge(kill.flat, &killed).and(shown)
        }
        Err(why) => silent(global, files, pair, kill, &why, pid),
    }
}

/// What the engine does not touch, because it is not ours, from here: it is killed by now, and what is done is what the
/// exchange shows of the whole account. Whatever is left open is never an ordinary end.
fn the_rest(global: &Global, pair: Pair, kill: &Kill, mut killed: Killed) -> Result<(), Failure> {
    if pair.account() == Account::Paper {
        let shown = show(pair, kill, &killed);
        let judged = judge(kill.flat, &killed);
        if kill.flat && judged.is_ok() && !killed.state.left_alone.is_empty() {
            let left = killed.state.left_alone.join("; ");
            let why = format!("{left}: paper positions that are yours: `tickdeck adopt`, then kill again");
            return shown.and(Err(Failure::new(Exit::NotFlat, why)));
        }
        return judged.and(shown);
    }
    if kill.format == Format::Table {
        show(pair, kill, &killed)?;
    }
    let (ending, receipt) = rescue(global, pair, kill).map_err(|failure| {
        let exit = if kill.flat { Exit::NotFlat } else { failure.exit };
        let why =
            format!("the engine is killed, but what others have was NOT TOUCHED: {failure}; end it at the exchange");
        Failure::new(exit, why)
    })?;
    let state = &mut killed.state;
    (state.no_openings, state.flat) = (ending.no_openings, ending.flat.is_some());
    state.guardian.extend_from_slice(receipt.lines());
    state.left_alone = ending.others;
    let shown = match kill.format {
        Format::Json | Format::Csv => show(pair, kill, &killed),
        // The steps were printed as they came.
        Format::Table => print(&lines_of(pair, killed.state.left_alone.iter().chain(&ending.left))),
    };
    judge(kill.flat, &killed).and(shown)
}

/// The process that listens at a socket, by the system's own word: the number in a lock file may be one of another container.
/// `None` where it has no number here. Waits for nobody, unlike a connection whose queue is full.
fn listener(socket: &Path) -> Result<Option<Pid>, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let peer = runtime.block_on(async { tokio::net::UnixStream::connect(socket).await?.peer_cred() })?;
    Ok(peer.pid().and_then(Pid::from_raw))
}

/// Asks the engine and follows it until it is done. An answer that cannot be used is none: why, in words.
fn by_engine(socket: &Path, kill: &Kill, durable: &Durable) -> Result<Killed, String> {
    let asks = |verb| ask(socket, &Ask::plain(verb), ANSWER_WITHIN).map_err(|error| error.to_string());
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
    let durable = state.latched && durable.within(LATCH_TAKES);
    Ok(Killed { state, durable })
}

/// A kill, and whether the next start will know of it.
#[derive(serde::Serialize)]
struct Killed {
    #[serde(flatten)]
    state: State,
    /// The latch is on the disk.
    durable: bool,
}

/// Looks on a thread whether a kill lies on the disk: one that hangs holds up nothing else.
struct Durable(Receiver<()>);

impl Durable {
    /// In the ledger or in the marker beside it: either is enough.
    fn watch(ledger: PathBuf) -> Self {
        let (tells, told) = sync_channel(1);
        let look = move || {
            let latch = || Reader::open(&ledger).and_then(|reader| reader.latch()).ok().flatten();
            while !latch().is_some_and(|latch| latch.is_kill()) {
                std::thread::sleep(LOOK_EVERY);
            }
            // Nobody may wait any more.
            tells.send(()).ok();
        };
        // A thread that cannot be made drops its end: then it is not known to be there.
        drop(std::thread::Builder::new().name("latch".into()).spawn(look));
        Self(told)
    }

    fn within(&self, within: Duration) -> bool {
        self.0.recv_timeout(within).is_ok()
    }
}

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Shown<'a> {
    account: &'static str,
    #[serde(flatten)]
    killed: &'a Killed,
}

fn show(pair: Pair, kill: &Kill, killed: &Killed) -> Result<(), Failure> {
    let (account, state) = (pair.name(), &killed.state);
    match kill.format {
        Format::Json => {
            let text = serde_json::to_string(&Shown { account, killed }).map_err(Failure::error)?;
            return print(&format!("{text}\n"));
        }
        Format::Csv => return print(&receipt_sheet(account, state).render(Format::Csv)),
        Format::Table => {}
    }
    let latched = if state.latched { "KILLED" } else { "kill not latched yet" };
    let flat = match (state.flat, state.left_alone.is_empty()) {
        (false, _) => "",
        (true, true) => ", flat",
        (true, false) => ", ours is flat; what is not ours stays open",
    };
    let head = format!("process {}: {latched}{flat}", state.pid);
    let lines = [&head].into_iter().chain(&state.receipt).chain(&state.guardian).chain(&state.left_alone);
    let open = state.open.iter().filter(|_| !state.flat);
    let open: Vec<String> = open.map(|what| format!("{what} STAYS OPEN: `tickdeck kill --flat` closes it")).collect();
    print(&lines_of(pair, lines.chain(&open)))
}

/// How a kill or a flatten stands, one fact a row, then what was done, step by step.
pub(super) fn receipt_sheet(account: &str, state: &State) -> Sheet {
    let mut sheet = Sheet::new(["account", "fact", "value"]);
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let facts = [
        ("process", state.pid.to_string()),
        ("latched", yes(state.latched)),
        ("no_openings", yes(state.no_openings)),
        ("flat", yes(state.flat)),
        ("flattened", yes(state.flattened)),
    ];
    let lists = [
        ("receipt", &state.receipt),
        ("guardian", &state.guardian),
        ("left_alone", &state.left_alone),
        ("open", &state.open),
    ];
    let lists = lists.into_iter().flat_map(|(fact, lines)| lines.iter().map(move |line| (fact, line.clone())));
    for (fact, value) in facts.into_iter().chain(lists) {
        sheet.push(vec![Cell::text(account), Cell::text(fact), Cell::Text(value)]);
    }
    sheet
}

/// Lines about an account.
fn lines_of<'a>(pair: Pair, lines: impl Iterator<Item = &'a String>) -> String {
    lines.flat_map(|line| [pair.name(), ": ", line.as_str(), "\n"]).collect()
}

/// What a script may rely on: 0 when no order is left that could open and the account is latched on the disk, 8 when flat was
/// asked for and is not proven.
fn judge(flat_wanted: bool, Killed { state, durable }: &Killed) -> Result<(), Failure> {
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
    if !durable {
        let why = "no order is left that could open and the running engine is KILLED, but the latch is NOT ON THE DISK: a restart \
                   may forget the kill. Look at the disk, and start nothing until `tickdeck kill` ends with 0";
        return Err(Failure::new(Exit::Timeout, why));
    }
    Ok(())
}

/// The engine holds its ledger and does not answer: a signal latches it when it comes back, and the account is served from
/// here where it can be. A signal that reaches nobody is no reason to stop.
fn silent(global: &Global, files: &Files, pair: Pair, kill: &Kill, why: &str, pid: Option<Pid>) -> Result<(), Failure> {
    let signalled = match pid.map(|pid| (pid, kill_process(pid, Signal::QUIT))) {
        Some((pid, Ok(()))) => format!("SIGQUIT goes to process {pid}"),
        Some((pid, Err(error))) => format!("process {pid} is not reached by a signal: {error}"),
        None => "its process is not known here, so no signal goes to it".to_owned(),
    };
    note(&format!("{}: {why}; {signalled}", pair.name()));
    if pair.account() != Account::Paper {
        return from_here(global, files, pair, kill);
    }
    let latched = match latch(files, pair).ends(LATCH_TAKES) {
        Ok(()) => {
            "the latch lies beside its ledger: it is killed as soon as it goes on, and so is the next start".to_owned()
        }
        Err(why) => format!("it is NOT LATCHED: {why}"),
    };
    Err(Failure::new(Exit::Timeout, format!("the engine does not answer ({signalled}); {latched}")))
}

/// Begins to latch the account beside its ledger.
fn latch(files: &Files, pair: Pair) -> Latching {
    let latch = Latch { cause: LatchCause::Killed("tickdeck kill".into()), at: wall() };
    Latching::start(files.ledger(pair), pair, latch)
}

/// The rescue from this process: no engine needed. The latch comes first and whatever happens: it takes no configuration, no
/// key and no network.
fn from_here(global: &Global, files: &Files, pair: Pair, kill: &Kill) -> Result<(), Failure> {
    // Without it there is no latch, which is told at the end; the orders are cancelled all the same.
    files.make_data_dir().ok();
    let latching = latch(files, pair);
    let rescued = rescue(global, pair, kill);
    let latched = latching.ends(LATCH_TAKES);
    if let Err(why) = &latched {
        note(&format!("{}: the latch is not on the disk: {why}", pair.name()));
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
        // Without an engine the positions are told by what the rescue found.
        open: Vec::new(),
    };
    let killed = Killed { durable: state.latched, state };
    let shown = match kill.format {
        Format::Json | Format::Csv => show(pair, kill, &killed),
        // The steps were printed as they came.
        Format::Table => {
            print(&lines_of(pair, killed.state.left_alone.iter().chain(&ending.left).chain(&ending.unattributed)))
        }
    };
    if !ending.unattributed.is_empty() {
        let why = format!(
            "FLAT IS NOT PROVEN: {} open, and no ledger says whose: `tickdeck --mode {} kill --flat --whole-account` closes \
             them, or close them at the exchange",
            ending.unattributed.join(", "),
            pair.account().word()
        );
        return Err(Failure::new(Exit::NotFlat, why));
    }
    judge(kill.flat, &killed).and(shown)
}

/// Cancels, and closes where flat was asked for. An error is one from before the first request.
fn rescue(global: &Global, pair: Pair, kill: &Kill) -> Result<(Ending, Receipt), Failure> {
    let place = Place::to_tighten(global)?;
    let access = live::to_tighten(&place, pair.account(), keys::credentials)?;
    let whose = if kill.whole_account { Whose::Everything } else { ours(&place.files.ledger(pair)) };
    let clock = Arc::new(Clock::start().reader());
    let run = RunId::new(wall().as_ms(), entropy());
    let proxy = place.loaded.config.bybit.proxy();
    let options = rescue_options(&access, run, proxy, clock.clone(), Closer::Guardian);
    let rescue = Rescue::new(options).map_err(Failure::error)?;
    let mut receipt = Receipt::new(clock, steps(pair, kill.format));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::error)?;
    let ending = runtime.block_on(async {
        // An unknown clock offset shows as a refusal, which measures it.
        rescue.keep_warm().await.ok();
        let first = rescue.first_step(&whose, FIRST_STEP, &mut receipt).await;
        if kill.flat { rescue.close(&whose, kill.within(), &mut receipt).await } else { first }
    });
    Ok((ending, receipt))
}

/// Every step as it comes, once: data on stdout, beside JSON and CSV words for the person. Waiting is one line.
fn steps(pair: Pair, format: Format) -> Said {
    let last = Mutex::new(String::new());
    Box::new(move |lines| {
        let Some(line) = lines.last() else { return };
        let text = line.split_once(": ").map_or(line.as_str(), |(_, text)| text);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == text {
            return;
        }
        text.clone_into(&mut last);
        let line = format!("{}: {line}", pair.name());
        match format {
            // Nobody reads any more: what is done goes on.
            Format::Table => drop(print(&format!("{line}\n"))),
            Format::Json | Format::Csv => note(&line),
        }
    })
}

/// What the ledger says is ours: positions that it holds or may hold, without those that were released to the person. One that
/// is not there or cannot be read says nothing, which is not the same as nothing.
fn ours(ledger: &Path) -> Whose {
    let known = if ledger.exists() {
        Reader::open(ledger).and_then(|reader| reader.ours()).map_err(|error| error.to_string())
    } else {
        Err("there is no ledger of this account".to_owned())
    };
    known.map_or_else(
        |why| {
            note(&format!("{why}: positions are not known to be ours and are left; --whole-account takes them too"));
            Whose::Unknown
        },
        |symbols| Whose::Ours(Arc::new(symbols)),
    )
}
