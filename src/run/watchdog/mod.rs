//! The watchdog: a process of its own, in a session of its own, that acts when an engine dies or falls silent. It hears a
//! heartbeat, by a clock that counts suspend, on a line whose end is a death: the pipe of the engine that started it, or, as a
//! service of its own ([`service`]), the control socket of whatever engine runs. It latches the account as fenced, cancels
//! what can open, closes positions where it was told to, and says so.
//!
//! What it cannot cover: a network that is dead for this machine, a machine that sleeps or has no power. Only protection at
//! the exchange does.

pub mod link;
pub mod service;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::ids::{Pair, RunId};
use crate::engine::risk::state::{Latch, LatchCause};
use crate::gate::Boot;
use crate::ledger::{Latching, Reader, holder};
use crate::run::clock::wall;
use crate::run::signals::{self, Signal};
use crate::venue::bybit::rescue::{Receipt, Rescue, RescueOptions, Whose};
use crate::venue::line::Now;

/// The version of the lines on the pipe.
const VERSION: u32 = 1;
/// How often it looks at the time.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A watchdog that was away itself for so long gives the engine its whole deadline anew.
const AWAY: Duration = Duration::from_secs(1);
/// The engine says hello within this, or it never will.
const HELLO_WITHIN: Duration = Duration::from_secs(30);
/// Longest try of each step.
const STEP_MAX: Duration = Duration::from_secs(600);
/// How long the latch on the disk is waited for, once everything else is done.
const LATCH_TAKES: Duration = Duration::from_secs(5);
/// What could not be done is tried again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Connection and clock are kept fresh this often.
const WARM_EVERY: Duration = Duration::from_secs(20);

/// What the engine says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The first word.
    Hello {
        /// Version of the lines.
        v: u32,
        /// The run, for the ids of orders.
        run: RunId,
    },
    /// The engine's last sign of life, in nanoseconds of the boot clock.
    Beat(u64),
    /// Instruments whose positions are ours.
    Ours(BTreeSet<String>),
    /// The run ends in order, and leaves this.
    Bye(Vec<String>),
    /// This watchdog is not wanted, or not any more, and why: it does nothing.
    No(String),
}

/// What the watchdog answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It has heard the beat of this moment.
    Heard(u64),
    /// The account cannot be reached with its key; `None` when it can.
    Trouble(Option<String>),
}

/// How it acts.
#[derive(Clone)]
pub struct WatchdogOptions {
    /// Silence for longer than this is a death.
    pub deadline: Duration,
    /// Close positions too.
    pub close: bool,
    /// The ledger beside which the latch marker lies.
    pub latch_beside: (PathBuf, Pair),
    /// Wall clock.
    pub now: Now,
    /// Calls a person. It returns at once: nothing here waits for a message.
    pub call: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Why it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The engine said goodbye, and left this.
    Goodbye(Vec<String>),
    /// The engine was gone and everything was done; whether flat was asked for and is not proven.
    Acted {
        /// No order is left that could open.
        no_openings: bool,
        /// Positions were to be closed, and it is not proven.
        not_flat: bool,
        /// The latch is on the disk: the next start is tripped.
        latched: bool,
        /// Something is left that another try may do.
        again: bool,
    },
    /// No engine ever spoke.
    Nobody,
    /// The line ended without a goodbye, and the engine goes on all the same.
    LineLost,
    /// The engine does not take this watchdog, and why.
    Refused(String),
}

impl End {
    const fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Acted { again: true, .. })
    }
}

/// Why it could not watch.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// No thread or runtime.
    #[error("the watchdog cannot start: {0}")]
    System(#[from] std::io::Error),
    /// No way to the account.
    #[error(transparent)]
    Exchange(#[from] crate::venue::bybit::rest::RestError),
    /// The engine is of another version.
    #[error("the engine speaks version {0} of the heartbeat, this watchdog {VERSION}: start both from the same build")]
    Version(u32),
}

/// Leaves the terminal's session: what ends the cockpit's terminal must not end this.
#[cfg(unix)]
pub fn detach() {
    // A leader of its own already: started by a service manager.
    let _already = rustix::process::setsid();
}

/// Held while something is done to an account: whoever ends the process waits for it.
static ACTING: Mutex<()> = Mutex::new(());

/// From now on SIGTERM and SIGINT end this process in order, also as process 1 of a container, which has no handler but its own.
/// What is being done to an account is finished first.
pub fn leaves_when_told() -> std::io::Result<()> {
    let told = signals::listen(|_| false, || ())?;
    std::thread::Builder::new().name("leaves".into()).spawn(move || {
        if told.iter().any(|signal| matches!(signal, Signal::Terminate | Signal::Interrupt)) {
            let _done = ACTING.lock().unwrap_or_else(PoisonError::into_inner);
            say("told to leave: nobody watches from here any more");
            std::process::exit(0);
        }
    })?;
    Ok(())
}

/// Watches what comes on stdin until the engine says goodbye, or everything is done after its death: nobody else has the other
/// end of this line, so its end is a death. `way` is the way to the account, once the run is known.
pub fn run(options: WatchdogOptions, way: impl FnOnce(RunId) -> RescueOptions) -> Result<End, WatchdogError> {
    let line = Line::new(std::io::stdin(), std::io::stdout());
    match line.words.recv_timeout(HELLO_WITHIN) {
        Ok(Some(Word::Hello { v, run })) => Watchdog::of(options, way, line.out, v, run)?.watch(&line.words, || false),
        _ => Ok(End::Nobody),
    }
}

/// Where answers go, one line each.
type Out = Arc<Mutex<dyn Write + Send>>;

/// The way to and from an engine.
struct Line {
    /// Words as they come; `None` once, at the end of the line.
    words: Receiver<Option<Word>>,
    out: Out,
}

impl Line {
    fn new(from: impl Read + Send + 'static, out: impl Write + Send + 'static) -> Self {
        let (says, words) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                // A line that cannot be read is no sign of life, and no death.
                if let Ok(word) = serde_json::from_str(&line)
                    && says.send(Some(word)).is_err()
                {
                    return;
                }
            }
            // Nobody may listen any more.
            drop(says.send(None));
        });
        Self { words, out: Arc::new(Mutex::new(out)) }
    }
}

/// One line to the engine. One that it does not read any more is no reason to stop.
fn reply(out: &Out, reply: &Reply) {
    if let Ok(line) = serde_json::to_string(reply) {
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    }
}

struct Watchdog {
    options: WatchdogOptions,
    out: Out,
    rescue: Arc<Rescue>,
    runtime: tokio::runtime::Runtime,
    whose: Whose,
    /// The engine's last sign of life.
    last: Boot,
    /// Our own.
    looked: Boot,
    warmed: Option<Boot>,
    /// It has acted on this silence.
    fenced: bool,
    /// When it last acted on it with something left that another try may do.
    again: Option<Boot>,
    /// What people were called for in this silence or death: each once.
    called: BTreeSet<String>,
}

impl Watchdog {
    /// For an engine that has said hello. Before it tells what is ours, its ledger does.
    fn of(
        options: WatchdogOptions,
        way: impl FnOnce(RunId) -> RescueOptions,
        out: Out,
        v: u32,
        run: RunId,
    ) -> Result<Self, WatchdogError> {
        if v != VERSION {
            return Err(WatchdogError::Version(v));
        }
        let rescue = Arc::new(Rescue::new(way(run))?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // A ledger that is not there or cannot be read names nothing: then only orders are known to be ours.
        let ours = Reader::open(&options.latch_beside.0).and_then(|ledger| ledger.ours());
        let whose = ours.map_or(Whose::Unknown, |ours| Whose::Ours(Arc::new(ours)));
        let last = Boot::now();
        Ok(Self {
            options,
            out,
            rescue,
            runtime,
            whose,
            last,
            looked: last,
            warmed: None,
            fenced: false,
            again: None,
            called: BTreeSet::new(),
        })
    }

    /// Until the engine says goodbye, sends it away, or is gone. `lives` says whether it goes on although its line has ended.
    fn watch(mut self, words: &Receiver<Option<Word>>, lives: impl Fn() -> bool) -> Result<End, WatchdogError> {
        loop {
            self.warm();
            match words.recv_timeout(LOOK_EVERY) {
                Ok(Some(Word::Bye(leaves))) => return Ok(End::Goodbye(leaves)),
                Ok(Some(Word::No(why))) => return Ok(End::Refused(why)),
                Ok(Some(word)) => self.hear(word),
                Ok(None) | Err(RecvTimeoutError::Disconnected) if lives() => return Ok(End::LineLost),
                Ok(None) | Err(RecvTimeoutError::Disconnected) => {
                    return Ok(self.act_until_done("the engine's process has ended"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.looked.elapsed() > AWAY {
                // Stopped or suspended ourselves: what lies in the pipe is heard first.
                self.last = Boot::now();
            }
            self.looked = Boot::now();
            let due = !self.fenced || self.again.is_some_and(|since| since.elapsed() > AGAIN_AFTER);
            if self.last.elapsed() > self.options.deadline && due {
                let silent = self.last.elapsed().as_secs();
                self.fenced = true;
                // It may come back: then it fences itself, and is watched on.
                let ending = self.act(&format!("the engine has been silent for {silent} s"));
                self.looked = Boot::now();
                self.again = ending.may_be_tried_again().then_some(self.looked);
            }
        }
    }

    /// Acts on a death again and again: a network may be away for longer than one try takes. Until everything is done, or
    /// the next engine holds the ledger, which looks after what is left itself.
    fn act_until_done(&mut self, why: &str) -> End {
        loop {
            let ending = self.act(why);
            if !ending.may_be_tried_again() {
                return ending;
            }
            std::thread::sleep(AGAIN_AFTER);
            if holder(&self.options.latch_beside.0).is_some() {
                say("another engine runs on the account: what is left is its own");
                return ending;
            }
            say("NOT EVERYTHING IS DONE: tried again");
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Beat(nanos) => {
                let beat = Boot::from_nanos(nanos);
                if beat > self.last || !self.fenced {
                    self.last = self.last.max(beat);
                }
                if self.fenced && self.last.elapsed() < self.options.deadline {
                    (self.fenced, self.again) = (false, None);
                    self.called.clear();
                    say("the engine is back");
                }
                reply(&self.out, &Reply::Heard(nanos));
            }
            Word::Ours(ours) => self.whose = Whose::Ours(Arc::new(ours)),
            Word::Hello { .. } | Word::Bye(_) | Word::No(_) => {}
        }
    }

    /// Keeps the way to the account open, and says when it is not.
    fn warm(&mut self) {
        if self.warmed.is_some_and(|at| at.elapsed() < WARM_EVERY) {
            return;
        }
        self.warmed = Some(Boot::now());
        let (rescue, out) = (self.rescue.clone(), self.out.clone());
        self.runtime.spawn(async move {
            let trouble = rescue.check().await.err();
            reply(&out, &Reply::Trouble(trouble));
        });
    }

    /// Latches, cancels, closes where it was told to.
    fn act(&mut self, why: &str) -> End {
        let _acting = ACTING.lock().unwrap_or_else(PoisonError::into_inner);
        let what = "the account is fenced, opening orders are cancelled";
        say(&format!("{why}: {what}"));
        if self.called.is_empty() {
            self.call(format!("{why}: {what}"));
        }
        let latching = self.latch(why);
        let mut receipt = Receipt::new(
            self.options.now.clone(),
            Box::new(|lines| lines.last().into_iter().for_each(|line| say(line))),
        );
        let whose = self.whose.clone();
        let ending = self.runtime.block_on(async {
            let first = self.rescue.first_step(&whose, STEP_MAX, &mut receipt).await;
            if self.options.close { self.rescue.close(&whose, STEP_MAX, &mut receipt).await } else { first }
        });
        for other in &ending.others {
            say(&format!("left alone: {other}"));
        }
        if !self.options.close {
            say("positions are kept: watchdog.close is false; only stops at the exchange protect them now");
        }
        let latched = latching.ends(LATCH_TAKES);
        if let Err(error) = &latched {
            say(&format!("THE LATCH IS NOT ON THE DISK: {error}; an engine that starts now may open again"));
        }
        let not_flat = self.options.close && ending.flat.is_none();
        let positions = match (self.options.close, not_flat) {
            (true, false) => "positions are closed and proven flat".to_owned(),
            (true, true) if !ending.unattributed.is_empty() => {
                let open = ending.unattributed.join(", ");
                format!("FLAT IS NOT PROVEN: {open}: not known to be ours, left: look at the exchange now")
            }
            (true, true) => "FLAT IS NOT PROVEN: look at the exchange now".to_owned(),
            (false, _) => "positions are kept, with what protects them at the exchange".to_owned(),
        };
        let orders =
            if ending.no_openings { "no order is left that could open" } else { "ORDERS THAT CAN OPEN MAY BE LEFT" };
        self.call(format!("{orders}; {positions}"));
        let (no_openings, latched) = (ending.no_openings, latched.is_ok());
        // Whose a position is no later try will know.
        let again = !no_openings || !latched || (not_flat && ending.unattributed.is_empty());
        End::Acted { no_openings, not_flat, latched, again }
    }

    fn call(&mut self, text: String) {
        if !self.called.contains(&text) {
            (self.options.call)(&text);
            self.called.insert(text);
        }
    }

    /// Beside everything else: a disk that hangs holds up no cancel.
    fn latch(&self, why: &str) -> Latching {
        let (path, pair) = self.options.latch_beside.clone();
        let cause = LatchCause::Fault(format!("fenced by the watchdog: {why}"));
        Latching::start(path, pair, Latch { cause, at: (self.options.now)() })
    }
}

/// For the person, on stderr: the service's log, or the file that the cockpit gave it, where lines of many days stand.
pub fn say(text: &str) {
    // Without a stderr there is nobody to tell.
    drop(writeln!(std::io::stderr().lock(), "{} tickdeck watchdog: {text}", wall()));
}
