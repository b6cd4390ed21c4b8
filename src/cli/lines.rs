//! What a run without a screen prints: notices and a state line a second, as text or JSON. A slow reader costs nothing.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::LineFormat;
use crate::engine::ceremony::Ceremony;
use crate::engine::command::Command;
use crate::engine::notice::Notice;
use crate::engine::preflight::passes_unseen;
use crate::engine::snapshot::{Snapshot, StateWord};
use crate::engine::time::Span;
use crate::run::assemble::Outputs;
use crate::run::log::Line;
use crate::tui::link::{Awaited, CockpitEnd, Reply, Request};

/// Prints a run without a screen, and arms it when asked to.
pub(super) struct Lines {
    format: LineFormat,
    arm_for: Option<Span>,
    /// Text of `--confirm`.
    confirm: String,
    /// Has it been armed at any time?
    armed: Arc<AtomicBool>,
    /// Nothing is to be armed any more.
    over: AtomicBool,
    /// Where the engine's answer to the arming comes.
    answer: Mutex<Option<Awaited>>,
    end: Arc<OnceLock<CockpitEnd>>,
}

impl Lines {
    /// Nothing printed yet. `arm_for`: arm once, for this long, as soon as every pre-flight check passes; real money takes
    /// `confirm` for it.
    pub fn new(format: LineFormat, arm_for: Option<Span>, confirm: Option<&String>) -> Self {
        Self {
            format,
            arm_for,
            confirm: confirm.cloned().unwrap_or_default(),
            armed: Arc::default(),
            over: AtomicBool::new(false),
            answer: Mutex::new(None),
            end: Arc::default(),
        }
    }
    /// Has the autotrader been armed at any time?
    pub fn armed(&self) -> Arc<AtomicBool> {
        self.armed.clone()
    }
    /// Where the cockpit's end of the run's line is put once there is one.
    pub fn end(&self) -> Arc<OnceLock<CockpitEnd>> {
        self.end.clone()
    }
    /// What the run hands its notices and snapshots to.
    pub fn outputs(self) -> Outputs {
        let format = self.format;
        Outputs {
            on_notice: Box::new(move |notice| print_notice(format, notice)),
            on_snapshot: Box::new(move |snapshot| self.snapshot(snapshot)),
        }
    }

    /// Prints the state.
    fn snapshot(&self, snapshot: &Snapshot) {
        if snapshot.state.word == StateWord::Armed {
            self.armed.store(true, Ordering::SeqCst);
        }
        self.arm(snapshot);
        let account = &snapshot.account;
        let word = format!("{:?}", snapshot.state.word).to_uppercase();
        match self.format {
            LineFormat::Json => line(&Line::of_state(snapshot).json()),
            LineFormat::Text => line(&format!(
                "{}  {word}  equity {}  open {}  trades {}  events {}",
                snapshot.at.clock(),
                account.equity.map_or("unknown".to_owned(), |equity| format!("{equity:.2}")),
                snapshot.state.open,
                account.trades,
                snapshot.health.events
            )),
        }
    }

    /// Asks once, when every check passes. An arming that lapses or is taken away later stays so.
    fn arm(&self, snapshot: &Snapshot) {
        let Some(lasts) = self.arm_for else { return };
        // What is latched a person looks at, and lifts; arming is a step of its own then. And what the engine has taken up is
        // over, whatever a person did since.
        let taken = self.answer.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Awaited::now);
        if snapshot.state.latch.is_some() || taken.is_some_and(|said| !said.starts_with("refused")) {
            self.over.store(true, Ordering::SeqCst);
        }
        if passes_unseen(&snapshot.state.preflight)
            && !self.over.load(Ordering::SeqCst)
            && snapshot.state.word == StateWord::Safe
            && let Some(end) = self.end.get()
        {
            let arm = Command::Arm { lasts };
            let tail = snapshot.session.tail.as_deref();
            let confirmed = tail.and_then(|tail| Ceremony::typed(&self.confirm, tail));
            let arm = match confirmed {
                Some(ceremony) => Command::Confirmed { ceremony, command: Box::new(arm) },
                None => arm,
            };
            let (reply, answer) = Reply::expected();
            if end.ask(Request::Asked(arm, reply)) {
                *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            }
        }
    }
}

fn print_notice(format: LineFormat, notice: &Notice) {
    match format {
        LineFormat::Json => line(&Line::of_notice(notice).json()),
        LineFormat::Text => line(&format!("{}  {}", notice.at.clock(), notice.text)),
    }
}

/// Lines that may wait for a slow reader.
const LINES_MAX: usize = 4096;
/// How long the last lines of a run may take.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Printed {
    Line(String),
    /// Everything before this has been printed.
    Mark(SyncSender<()>),
}

/// The thread that prints. A reader that is slow or gone never holds up a run: what does not fit is dropped.
fn printer() -> Option<&'static SyncSender<Printed>> {
    static PRINTER: OnceLock<Option<SyncSender<Printed>>> = OnceLock::new();
    let start = || {
        let (sender, lines) = sync_channel::<Printed>(LINES_MAX);
        let print = move || {
            for printed in lines {
                match printed {
                    Printed::Line(text) => {
                        let mut out = std::io::stdout().lock();
                        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
                    }
                    Printed::Mark(done) => {
                        let _ = done.send(());
                    }
                }
            }
        };
        std::thread::Builder::new().name("lines".into()).spawn(print).is_ok().then_some(sender)
    };
    PRINTER.get_or_init(start).as_ref()
}

fn line(text: &str) {
    if let Some(printer) = printer() {
        drop(printer.try_send(Printed::Line(text.to_owned())));
    }
}

/// Waits, not for ever, until what was printed is out.
pub(super) fn finish_lines() {
    let (done, printed) = sync_channel(1);
    if printer().is_some_and(|printer| printer.try_send(Printed::Mark(done)).is_ok()) {
        let _ = printed.recv_timeout(LAST_LINES);
    }
}
