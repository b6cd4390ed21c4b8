//! The tape writer on a thread of its own, behind a bounded queue: a disk that is slow, full or gone delays no step of
//! the engine. It is never silent about loss: before anything is lost it reports trouble, and when an event could not
//! be queued the tape ends there, so that what is on it is always the true beginning of the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::error::TapeError;
use super::format::TapeHeader;
use super::quota::Quota;
pub use super::worker::TapeTrouble;
use super::worker::{Health, Worker, level};
use super::write::TapeWriter;
use crate::engine::event::{Event, Fault};
use crate::engine::ids::Seq;
use crate::engine::time::Ts;

/// Events that may wait for the writer. A busy market makes some 2,000 a second, so this is ten seconds of a disk that
/// does nothing at all, in at most some 20 MiB. The count bounds the queue, so that none of them is there before it is needed.
pub const QUEUE_MAX: usize = 20_000;
/// Waiting events from which the writer counts as behind.
const BEHIND: usize = QUEUE_MAX / 2;
/// Waiting events from which being behind is fatal.
const FAR_BEHIND: usize = QUEUE_MAX / 10 * 9;
/// Waiting events at which the writer has caught up.
const CAUGHT_UP: usize = QUEUE_MAX / 10;
/// How long [`TapeThread::finish`] waits for the disk.
const FINISH_MAX: Duration = Duration::from_secs(10);
/// The event was not taken: the tape ends before it. The run must trip.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Backlog {
    /// The queue is full.
    #[error("the tape cannot keep up: {waiting} events wait for the disk")]
    Full {
        /// Events in the queue.
        waiting: usize,
    },
    /// The writer ended, or an earlier event was not taken.
    #[error("the tape writer has stopped")]
    Stopped,
}

/// A change of the tape's health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TapeStatus {
    /// Trouble began, became fatal, or became less.
    Trouble(TapeTrouble),
    /// Everything is as it should be again.
    Recovered,
}

impl From<TapeStatus> for Fault {
    fn from(status: TapeStatus) -> Self {
        match status {
            TapeStatus::Trouble(TapeTrouble { why, fatal }) => Self::Tape { why, fatal },
            TapeStatus::Recovered => Self::TapeRecovered,
        }
    }
}

/// A tape that is being written.
#[derive(Debug)]
pub struct TapeThread {
    path: PathBuf,
    queue: Option<Sender<(Ts, Seq, Event)>>,
    waiting: Arc<AtomicUsize>,
    /// Set before the queue closes when the run ended in an orderly way.
    orderly: Arc<AtomicBool>,
    reports: Receiver<Health>,
    result: Receiver<Result<(), TapeError>>,
    disk: Health,
    behind: Health,
    /// An event was not taken.
    ended_early: bool,
    told: Health,
}

/// The writing end of a tape's queue.
#[derive(Debug)]
pub struct TapeEnd {
    /// Events, in order.
    pub events: Receiver<(Ts, Seq, Event)>,
    /// Events in the queue, counted down when they are written.
    pub waiting: Arc<AtomicUsize>,
    /// Whether a closed queue means an orderly end.
    pub orderly: Arc<AtomicBool>,
    /// Trouble, or that it is over.
    pub report: Sender<Option<TapeTrouble>>,
    /// How it ended.
    pub done: Sender<Result<(), TapeError>>,
}

impl TapeThread {
    /// Creates the tape and starts its writer. Whatever prevents a tape is an error here, not later.
    pub fn spawn(path: &Path, header: &TapeHeader, quota: Quota) -> Result<Self, TapeError> {
        let writer = TapeWriter::create(path, header)?;
        let (tape, TapeEnd { events, waiting, orderly, report, done }) = Self::over(path);
        let worker = Worker { writer, events, waiting, orderly, report, quota, looks: 0, folder: None, reported: None };
        thread::Builder::new()
            .name("tape".to_owned())
            .spawn(move || drop(done.send(worker.run())))
            .map_err(|e| TapeError::io(path, "start the writer of", e))?;
        Ok(tape)
    }

    /// The handle and the end behind it, for whoever writes.
    pub fn over(path: &Path) -> (Self, TapeEnd) {
        let (queue, events) = channel();
        let (report, reports) = channel();
        let (done, result) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let orderly = Arc::new(AtomicBool::new(false));
        let end = TapeEnd { events, waiting: waiting.clone(), orderly: orderly.clone(), report, done };
        let tape = Self {
            path: path.to_owned(),
            queue: Some(queue),
            waiting,
            orderly,
            reports,
            result,
            disk: None,
            behind: None,
            ended_early: false,
            told: None,
        };
        (tape, end)
    }

    /// Hands an event over. Never waits. After an error the tape has ended and every later push is an error too.
    pub fn push(&mut self, at: Ts, seq: Seq, event: Event) -> Result<(), Backlog> {
        if matches!(event, Event::Tick) {
            return Ok(());
        }
        let Some(queue) = self.queue.as_ref().filter(|_| !self.ended_early) else {
            return Err(Backlog::Stopped);
        };
        // Nobody else adds: what was counted here can only become less.
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting >= QUEUE_MAX {
            self.ended_early = true;
            return Err(Backlog::Full { waiting });
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        queue.send((at, seq, event)).map_err(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.ended_early = true;
            Backlog::Stopped
        })
    }

    /// Events that wait for the writer, at most [`QUEUE_MAX`].
    pub fn depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The next change of the tape's health, if there is one. To be asked often: it is cheap.
    pub fn status(&mut self) -> Option<TapeStatus> {
        loop {
            match self.reports.try_recv() {
                Ok(health) => self.disk = health,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let ended = || TapeTrouble { why: Backlog::Stopped.to_string(), fatal: true };
                    self.disk.get_or_insert_with(ended).fatal = true;
                    break;
                }
            }
        }
        self.behind = self.queue_health();
        let worst = [&self.disk, &self.behind].into_iter().flatten().max_by_key(|t| t.fatal).cloned();
        if level(worst.as_ref()) == level(self.told.as_ref()) {
            return None;
        }
        self.told.clone_from(&worst);
        Some(worst.map_or(TapeStatus::Recovered, TapeStatus::Trouble))
    }

    /// Trouble of the queue. Between the bounds it stays what it was, so that it does not flutter.
    fn queue_health(&self) -> Health {
        let waiting = self.depth();
        let fatal = self.ended_early || waiting >= FAR_BEHIND;
        if waiting >= BEHIND || fatal {
            let why = format!("the tape is behind: {waiting} events wait for the disk");
            return Some(TapeTrouble { why, fatal });
        }
        if waiting <= CAUGHT_UP { None } else { self.behind.clone() }
    }

    /// Ends the tape: everything queued and the end record are written. Waits for the disk, but not for ever.
    pub fn finish(mut self) -> Result<(), TapeError> {
        // A tape that lacks an event did not end in an orderly way.
        self.orderly.store(!self.ended_early, Ordering::SeqCst);
        self.queue = None;
        let ended = match self.result.recv_timeout(FINISH_MAX) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(TapeError::Stuck(self.path.clone())),
            Err(RecvTimeoutError::Disconnected) => Err(TapeError::Stopped(self.path.clone())),
        };
        if self.ended_early { ended.and(Err(TapeError::Stopped(self.path))) } else { ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::Link;
    use crate::engine::time::Span;
    use crate::tape::read::{Ending, TapeReader};
    use crate::tape::samples;
    use crate::tape::verify::verify;

    const ROOMY: Quota = Quota { max_bytes_total: u64::MAX, min_free_bytes: 0, keep: Span(0) };

    #[test]
    fn what_is_pushed_is_on_the_tape_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.tape");
        let mut tape = TapeThread::spawn(&path, &samples::header(), ROOMY).unwrap();
        for n in 1..=3_000_u64 {
            let event = if n % 7 == 0 { Event::Tick } else { Event::Link(Link::MarketAlive) };
            tape.push(Ts(n as i64), Seq(n), event).unwrap();
        }
        assert_eq!(tape.status(), None);
        tape.finish().unwrap();
        let report = verify(&path).unwrap();
        assert_eq!((report.events, report.ending, report.out_of_order), (3_000 - 428, Ending::Orderly, 0));
    }

    #[test]
    fn a_thread_that_is_dropped_leaves_a_tape_without_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.tape");
        let mut tape = TapeThread::spawn(&path, &samples::header(), ROOMY).unwrap();
        tape.push(Ts(1), Seq(1), Event::Link(Link::MarketUp)).unwrap();
        tape.queue = None;
        tape.result.recv().unwrap().unwrap();
        let mut reader = TapeReader::open(&path).unwrap();
        assert!(reader.next_event().unwrap().is_some() && reader.next_event().unwrap().is_none());
        assert_eq!(reader.ending(), Some(Ending::Crashed { lost: 0 }));
    }

    #[test]
    fn trouble_with_the_disk_is_told_once_and_so_is_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.tape");
        let demanding = Quota { min_free_bytes: u64::MAX, ..ROOMY };
        let mut tape = TapeThread::spawn(&path, &samples::header(), demanding).unwrap();
        tape.disk = tape.reports.recv().unwrap();
        let Some(TapeStatus::Trouble(trouble)) = tape.status() else { panic!("no trouble") };
        assert!(trouble.fatal && trouble.why.contains("disk"), "{trouble:?}");
        assert_eq!(tape.status(), None);
        tape.disk = None;
        assert_eq!(tape.status(), Some(TapeStatus::Recovered));
    }

    /// A writer that nobody runs: what a hanging disk looks like from here.
    fn hanging() -> (TapeThread, Receiver<(Ts, Seq, Event)>, Sender<Health>) {
        let (queue, events) = channel();
        let (report, reports) = channel();
        let tape = TapeThread {
            path: PathBuf::from("hanging.tape"),
            queue: Some(queue),
            waiting: Arc::new(AtomicUsize::new(0)),
            orderly: Arc::new(AtomicBool::new(false)),
            reports,
            result: channel().1,
            disk: None,
            behind: None,
            ended_early: false,
            told: None,
        };
        (tape, events, report)
    }

    #[test]
    fn a_writer_that_hangs_is_trouble_then_fatal_and_the_tape_ends_at_the_first_loss() {
        let (mut tape, events, _report) = hanging();
        let mut seen = Vec::new();
        for n in 0..QUEUE_MAX {
            tape.push(Ts(0), Seq(n as u64), Event::Ended).unwrap();
            if let Some(TapeStatus::Trouble(trouble)) = tape.status() {
                seen.push((tape.depth(), trouble.fatal));
            }
        }
        assert_eq!(seen, [(BEHIND, false), (FAR_BEHIND, true)]);
        assert_eq!(tape.push(Ts(0), Seq(0), Event::Ended), Err(Backlog::Full { waiting: QUEUE_MAX }));
        drop(events);
        tape.waiting.store(0, Ordering::Relaxed);
        assert_eq!(tape.push(Ts(0), Seq(0), Event::Ended), Err(Backlog::Stopped));
        assert_eq!(tape.status(), None, "fatal stays fatal once an event is lost");
        assert!(matches!(tape.finish(), Err(TapeError::Stopped(_))));
    }

    #[test]
    fn a_writer_that_catches_up_has_recovered() {
        let (mut tape, _events, _report) = hanging();
        tape.waiting.store(BEHIND, Ordering::Relaxed);
        assert!(matches!(tape.status(), Some(TapeStatus::Trouble(_))));
        tape.waiting.store(CAUGHT_UP + 1, Ordering::Relaxed);
        assert_eq!(tape.status(), None);
        tape.waiting.store(CAUGHT_UP, Ordering::Relaxed);
        assert_eq!(tape.status(), Some(TapeStatus::Recovered));
    }
}
