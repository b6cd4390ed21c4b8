//! The engine's end of the pipe to its watchdog: starts the process, passes on the engine's signs of life, and knows when the
//! watchdog itself is silent. A thread of its own; the engine waits for nothing here.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Reply, VERSION, Word};
use crate::engine::ids::RunId;
use crate::engine::snapshot::{Health, HealthRow};
use crate::gate::Boot;
use crate::run::pulse::{Life, Pulse};

/// How often the beat is passed on.
const BEAT_EVERY: Duration = Duration::from_millis(250);
/// How long the goodbye may take.
const GOODBYE_TAKES: Duration = Duration::from_secs(2);

/// How a watchdog is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogPlan {
    /// This program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where its words go.
    pub log: PathBuf,
    /// Silence for longer than this is a death, either way.
    pub deadline: Duration,
    /// Does it close positions?
    pub close: bool,
}

/// The engine's end.
#[derive(Clone)]
pub struct Watched(Arc<Shared>);

struct Shared {
    deadline: Duration,
    close: bool,
    log: PathBuf,
    /// When the watchdog last answered, or was started.
    heard: AtomicU64,
    trouble: Mutex<Option<String>>,
    pipe: Mutex<Option<ChildStdin>>,
    child: Mutex<Child>,
}

impl Watched {
    /// Starts the watchdog of a run.
    pub fn start(plan: &WatchdogPlan, run: &RunId, pulse: Pulse) -> std::io::Result<Self> {
        let mut log = OpenOptions::new();
        log.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut log, 0o600);
        let mut child = Command::new(&plan.program)
            .args(&plan.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.open(&plan.log)?)
            .spawn()?;
        let (pipe, replies) = (child.stdin.take(), child.stdout.take());
        let watched = Self(Arc::new(Shared {
            deadline: plan.deadline,
            close: plan.close,
            log: plan.log.clone(),
            heard: AtomicU64::new(Boot::now().nanos()),
            trouble: Mutex::new(None),
            pipe: Mutex::new(pipe),
            child: Mutex::new(child),
        }));
        watched.say(&Word::Hello { v: VERSION, run: run.clone() });
        let beats = watched.clone();
        std::thread::Builder::new().name("watchdog".into()).spawn(move || beats.pass_on(&pulse))?;
        if let Some(replies) = replies {
            let hears = watched.clone();
            std::thread::Builder::new().name("watchdog says".into()).spawn(move || {
                for line in BufReader::new(replies).lines().map_while(Result::ok) {
                    hears.hear(&line);
                }
            })?;
        }
        Ok(watched)
    }

    /// Beats on while the engine does. A watchdog that does not read fills the pipe and stops this thread alone.
    fn pass_on(&self, pulse: &Pulse) {
        let mut told = None;
        while pulse.life() == Life::Running {
            if let Some(ours) = pulse.ours().filter(|ours| !ours.is_empty() && told.as_ref() != Some(ours))
                && self.say(&Word::Ours((*ours).clone()))
            {
                told = Some(ours);
            }
            if let Some(age) = pulse.age() {
                let now = Boot::now().nanos();
                self.say(&Word::Beat(now.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))));
            }
            std::thread::park_timeout(BEAT_EVERY);
        }
    }

    /// `false` while another word is on its way.
    fn say(&self, word: &Word) -> bool {
        let Ok(mut pipe) = self.0.pipe.try_lock() else { return false };
        let line = serde_json::to_string(word).unwrap_or_default();
        let written = pipe.as_mut().map(|pipe| writeln!(pipe, "{line}").and_then(|()| pipe.flush()));
        if written.is_some_and(|written| written.is_err()) {
            *pipe = None;
        }
        true
    }

    fn hear(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Reply::Heard(_)) => self.0.heard.store(Boot::now().nanos(), Ordering::SeqCst),
            Ok(Reply::Trouble(trouble)) => {
                *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
            }
            Err(_) => {}
        }
    }

    /// Why nothing should open: it is silent for longer than the deadline, or cannot reach the account.
    pub fn trouble(&self) -> Option<String> {
        let silent = Boot::from_nanos(self.0.heard.load(Ordering::SeqCst)).elapsed();
        if silent > self.0.deadline {
            let seconds = silent.as_secs();
            return Some(format!("the watchdog has not answered for {seconds} s: {} says more", self.0.log.display()));
        }
        let trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.map(|why| format!("the watchdog does not reach the account: {why}"))
    }

    /// For the health pane.
    pub fn health(&self) -> HealthRow {
        let (health, detail) = match self.trouble() {
            Some(why) => (Health::Fail, why),
            None => (Health::Ok, format!("{} s, {}", self.0.deadline.as_secs(), covers(self.0.close))),
        };
        HealthRow { name: "watchdog".to_owned(), health, detail }
    }

    /// The run ends in order and leaves this: the watchdog goes without doing anything.
    pub fn goodbye(&self, leaves: &[String]) {
        let since = Boot::now();
        // A beat may be on its way; a watchdog that does not read holds up no end for longer than this.
        while !self.say(&Word::Bye(leaves.to_vec())) && since.elapsed() < GOODBYE_TAKES {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if let Ok(mut pipe) = self.0.pipe.try_lock() {
            *pipe = None;
        }
        let mut child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        while matches!(child.try_wait(), Ok(None)) && since.elapsed() < GOODBYE_TAKES {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

const fn covers(close: bool) -> &'static str {
    if close {
        "cancels and closes; not: a dead network, a sleeping machine"
    } else {
        "cancels, keeps positions; not: a dead network, a sleeping machine"
    }
}
