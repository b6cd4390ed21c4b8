//! The engine's end of the line to its watchdog: starts the process, or takes the service that comes by the control socket,
//! passes on the engine's signs of life, and knows when the watchdog itself is silent. Threads of its own; the engine waits for
//! nothing here.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read, Write};
#[cfg(unix)]
use std::net::Shutdown;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// How long a watchdog may take to be told that it is not wanted.
#[cfg(unix)]
const REFUSAL_TAKES: Duration = Duration::from_millis(500);

/// Which watchdog a run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogPlan {
    /// How it is started; `None` is a service of its own, which comes by the control socket.
    pub start: Option<Start>,
    /// Silence for longer than this is a death, either way.
    pub deadline: Duration,
    /// Does it close positions?
    pub close: bool,
}

/// How a watchdog is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// This program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where its words go.
    pub log: PathBuf,
}

/// The engine's end.
#[derive(Clone)]
pub struct Watched(Arc<Shared>);

struct Shared {
    run: RunId,
    plan: WatchdogPlan,
    /// When the watchdog last answered, or was started; zero before one has come.
    heard: AtomicU64,
    trouble: Mutex<Option<String>>,
    pipe: Mutex<Pipe>,
    child: Option<Mutex<Child>>,
    /// The service that watches.
    #[cfg(unix)]
    service: Mutex<Option<Service>>,
    /// How many services have come.
    #[cfg(unix)]
    came: AtomicU64,
}

/// A watchdog that came by the control socket.
#[cfg(unix)]
struct Service {
    /// Which one of those that came.
    number: u64,
    /// When it came.
    since: Boot,
    /// What closes its line.
    line: UnixStream,
}

#[cfg(unix)]
impl Service {
    /// Its line ends here; it hears why, unless it has not read for long.
    fn send_away(&self, why: &str) {
        drop(refuse(&self.line, why));
        // One whose line has ended by itself needs no end.
        drop(self.line.shutdown(Shutdown::Both));
    }
}

/// Says on a line from outside that it is no watchdog's line, and why.
#[cfg(unix)]
pub(in crate::run) fn refuse(mut line: &UnixStream, why: &str) -> std::io::Result<()> {
    let word = serde_json::to_string(&Word::No(why.to_owned()))?;
    line.set_write_timeout(Some(REFUSAL_TAKES))?;
    line.write_all(format!("{word}\n").as_bytes())
}

/// The way to the watchdog and what it was told on it.
#[derive(Default)]
struct Pipe {
    out: Option<Box<dyn Write + Send>>,
    told: Option<Arc<BTreeSet<String>>>,
    /// The run ends: whoever comes now hears this at once.
    bye: Option<Word>,
}

impl Pipe {
    fn say(&mut self, word: &Word) {
        let line = serde_json::to_string(word).unwrap_or_default();
        let written = self.out.as_mut().map(|out| writeln!(out, "{line}").and_then(|()| out.flush()));
        if written.is_some_and(|written| written.is_err()) {
            self.out = None;
        }
    }
}

impl Watched {
    /// Starts the watchdog of a run, or expects the service.
    pub fn start(plan: WatchdogPlan, run: &RunId, pulse: Pulse) -> std::io::Result<Self> {
        let mut child = plan.start.as_ref().map(Start::spawn).transpose()?;
        let (pipe, replies) = child.as_mut().map_or((None, None), |child| (child.stdin.take(), child.stdout.take()));
        let heard = if child.is_some() { Boot::now().nanos() } else { 0 };
        let watched = Self(Arc::new(Shared {
            run: run.clone(),
            plan,
            heard: AtomicU64::new(heard),
            trouble: Mutex::new(None),
            pipe: Mutex::default(),
            child: child.map(Mutex::new),
            #[cfg(unix)]
            service: Mutex::new(None),
            #[cfg(unix)]
            came: AtomicU64::new(0),
        }));
        if let (Some(pipe), Some(replies)) = (pipe, replies) {
            watched.begin(pipe);
            let hears = watched.clone();
            std::thread::Builder::new().name("watchdog says".into()).spawn(move || hears.hear_all(replies))?;
        }
        let beats = watched.clone();
        std::thread::Builder::new().name("watchdog".into()).spawn(move || beats.pass_on(&pulse))?;
        Ok(watched)
    }

    /// Does the service come by the control socket?
    pub fn is_service(&self) -> bool {
        self.0.plan.start.is_none()
    }

    /// A service has come. One that answers is kept and the newcomer waits: two that took turns would each find its line cut,
    /// and an engine between two watchdogs has none. One that is silent is sent away for it, even where it does not read any
    /// more.
    #[cfg(unix)]
    pub fn attach(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut service = self.service();
        if service.as_ref().is_some_and(|before| self.answers(before)) {
            return refuse(&stream, "another one watches already, and answers");
        }
        if let Some(before) = service.take() {
            before.send_away("it was silent, and another one took over");
        }
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        let number = self.0.came.fetch_add(1, Ordering::SeqCst);
        let out = stream.try_clone()?;
        *service = Some(Service { number, since: Boot::now(), line: stream.try_clone()? });
        drop(service);
        let hears = self.clone();
        let says = move || {
            hears.begin(out);
            hears.hear_all(stream);
            // Nobody is waited for whose line has ended.
            hears.service().take_if(|service| service.number == number);
        };
        std::thread::Builder::new().name("watchdog says".into()).spawn(says).map(drop)
    }

    #[cfg(unix)]
    fn service(&self) -> MutexGuard<'_, Option<Service>> {
        self.0.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it said anything within the deadline? One that has just come has time.
    #[cfg(unix)]
    fn answers(&self, service: &Service) -> bool {
        let heard = Boot::from_nanos(self.0.heard.load(Ordering::SeqCst));
        heard.max(service.since).elapsed() <= self.0.plan.deadline
    }

    /// The first word on a new line, and the last where the run ends already.
    fn begin(&self, out: impl Write + Send + 'static) {
        let mut pipe = self.pipe();
        pipe.out = Some(Box::new(out));
        pipe.told = None;
        pipe.say(&Word::Hello { v: VERSION, run: self.0.run.clone() });
        if let Some(bye) = pipe.bye.clone() {
            pipe.say(&bye);
        }
    }

    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.0.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear_all(&self, replies: impl Read) {
        for line in BufReader::new(replies).lines().map_while(Result::ok) {
            self.hear(&line);
        }
    }

    /// Beats on while the engine does. A watchdog that does not read fills the line and stops this thread alone.
    fn pass_on(&self, pulse: &Pulse) {
        while pulse.life() == Life::Running {
            if let Ok(mut pipe) = self.0.pipe.try_lock() {
                if let Some(ours) = pulse.ours().filter(|ours| pipe.told.as_ref() != Some(ours)) {
                    pipe.say(&Word::Ours((*ours).clone()));
                    pipe.told = Some(ours);
                }
                if let Some(age) = pulse.age() {
                    let now = Boot::now().nanos();
                    pipe.say(&Word::Beat(now.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))));
                }
            }
            std::thread::park_timeout(BEAT_EVERY);
        }
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

    /// Why nothing should open: none has come, it is silent for longer than the deadline, or cannot reach the account.
    pub fn trouble(&self) -> Option<String> {
        let (heard, plan) = (self.0.heard.load(Ordering::SeqCst), &self.0.plan);
        let silent = Boot::from_nanos(heard).elapsed();
        if heard == 0 {
            return Some("no watchdog has come: `tickdeck watchdog --engine` for this account is one".to_owned());
        }
        if silent > plan.deadline {
            let more = plan.start.as_ref().map_or("its own log".to_owned(), |start| start.log.display().to_string());
            return Some(format!("the watchdog has not answered for {} s: {more} says more", silent.as_secs()));
        }
        let trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.map(|why| format!("the watchdog does not reach the account: {why}"))
    }

    /// For the health pane.
    pub fn health(&self) -> HealthRow {
        let plan = &self.0.plan;
        let (health, detail) = match self.trouble() {
            Some(why) => (Health::Fail, why),
            None => (Health::Ok, format!("{} s, {}", plan.deadline.as_secs(), covers(plan.close))),
        };
        HealthRow { name: "watchdog".to_owned(), health, detail }
    }

    /// The run ends in order and leaves this: the watchdog does nothing.
    pub fn goodbye(&self, leaves: &[String]) {
        let since = Boot::now();
        // A beat may be on its way; a watchdog that does not read holds up no end for longer than this.
        while !self.part(leaves) && since.elapsed() < GOODBYE_TAKES {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let Some(child) = &self.0.child else { return };
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        while matches!(child.try_wait(), Ok(None)) && since.elapsed() < GOODBYE_TAKES {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// `false` while another word is on its way.
    fn part(&self, leaves: &[String]) -> bool {
        let Ok(mut pipe) = self.0.pipe.try_lock() else { return false };
        let bye = Word::Bye(leaves.to_vec());
        pipe.say(&bye);
        (pipe.out, pipe.bye) = (None, Some(bye));
        true
    }
}

impl Start {
    fn spawn(&self) -> std::io::Result<Child> {
        let mut log = OpenOptions::new();
        log.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut log, 0o600);
        Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.open(&self.log)?)
            .spawn()
    }
}

const fn covers(close: bool) -> &'static str {
    if close {
        "cancels and closes; not: a dead network, a sleeping machine"
    } else {
        "cancels, keeps positions; not: a dead network, a sleeping machine"
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// An engine that takes services which answer within this.
    fn engine(deadline: Duration) -> (Watched, Pulse) {
        let pulse = Pulse::default();
        pulse.beat();
        let plan = WatchdogPlan { start: None, deadline, close: false };
        (Watched::start(plan, &RunId::new(1_763_800_000_000, 1), pulse.clone()).unwrap(), pulse)
    }

    /// A service that has come, by the words that it hears.
    struct Comes(std::io::Lines<BufReader<UnixStream>>);

    impl Comes {
        fn to(watched: &Watched) -> Self {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            watched.attach(theirs).unwrap();
            Self(BufReader::new(ours).lines())
        }
        /// `None` at the end of the line.
        fn hears(&mut self) -> Option<Word> {
            self.0.next().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        }
    }

    #[test]
    fn a_second_service_waits_while_the_first_answers_and_takes_over_when_its_line_ends() {
        let (watched, pulse) = engine(Duration::from_secs(600));
        let mut first = Comes::to(&watched);
        assert!(matches!(first.hears(), Some(Word::Hello { .. })));
        let mut second = Comes::to(&watched);
        let said = second.hears();
        assert!(matches!(&said, Some(Word::No(why)) if why.contains("another one watches")), "{said:?}");
        assert_eq!(second.hears(), None);
        assert!(matches!(first.hears(), Some(Word::Beat(_))), "its line goes on");
        drop(first);
        let mut third = Comes::to(&watched);
        // The end of the first line is heard a moment later.
        while !matches!(third.hears(), Some(Word::Hello { .. })) {
            third = Comes::to(&watched);
        }
        pulse.leaves();
    }

    #[test]
    fn a_service_that_is_silent_is_sent_away_for_the_next_one() {
        let (watched, pulse) = engine(Duration::ZERO);
        let mut first = Comes::to(&watched);
        assert!(matches!(first.hears(), Some(Word::Hello { .. })));
        let mut second = Comes::to(&watched);
        assert!(matches!(second.hears(), Some(Word::Hello { .. })));
        let last = std::iter::from_fn(|| first.hears()).find(|word| !matches!(word, Word::Beat(_)));
        assert!(matches!(&last, Some(Word::No(why)) if why.contains("took over")), "{last:?}");
        pulse.leaves();
    }
}
