//! What runs on the tape's thread: it takes events from the queue, writes them, and keeps an eye on the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::error::TapeError;
use super::quota::{Quota, free_bytes, sweep};
use super::write::TapeWriter;
use crate::engine::event::Event;
use crate::engine::ids::Seq;
use crate::engine::time::Ts;

/// How long the open block may wait for its next event before it is written all the same.
const IDLE: Duration = Duration::from_secs(1);
/// Events between two looks at the disk while it is busy; when idle it looks every second.
const EVENTS_PER_LOOK: u32 = 1_024;
/// Looks at the disk between two looks at the whole folder.
const LOOKS_PER_SWEEP: u32 = 600;

/// The tape or its disk needs attention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapeTrouble {
    /// What happened, for the person.
    pub why: String,
    /// Past the second bound.
    pub fatal: bool,
}

/// Trouble of one cause, if there is any.
pub(super) type Health = Option<TapeTrouble>;

/// 0 fine, 1 trouble, 2 fatal.
pub(super) fn level(health: Option<&TapeTrouble>) -> u8 {
    health.map_or(0, |t| 1 + u8::from(t.fatal))
}

/// What runs on the thread.
pub(super) struct Worker {
    pub writer: TapeWriter,
    pub events: Receiver<(Ts, Seq, Event)>,
    /// Events in the queue, counted down when they are written.
    pub waiting: Arc<AtomicUsize>,
    /// Whether a closed queue means an orderly end.
    pub orderly: Arc<AtomicBool>,
    pub report: Sender<Health>,
    pub quota: Quota,
    /// Looks at the disk so far.
    pub looks: u32,
    /// What the last sweep of the folder found.
    pub folder: Health,
    /// What was reported last.
    pub reported: Health,
}

impl Worker {
    /// Writes the tape to its end.
    pub(super) fn run(mut self) -> Result<(), TapeError> {
        let ended = self.write_all();
        if let Err(failed) = &ended {
            self.tell(Some(TapeTrouble { why: failed.to_string(), fatal: true }));
        }
        ended?;
        if self.orderly.load(Ordering::SeqCst) { self.writer.finish() } else { self.writer.flush() }
    }

    /// Writes until the queue closes.
    fn write_all(&mut self) -> Result<(), TapeError> {
        self.look();
        let mut since_look = 0;
        loop {
            match self.events.recv_timeout(IDLE) {
                Ok((at, seq, event)) => {
                    self.writer.append(at, seq, &event)?;
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    since_look += 1;
                    if since_look < EVENTS_PER_LOOK {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.writer.flush()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            since_look = 0;
            self.look();
        }
    }

    /// Looks at the disk, and now and then at the folder, and reports what changed.
    fn look(&mut self) {
        if self.looks.is_multiple_of(LOOKS_PER_SWEEP) {
            self.folder = folder_health(self.writer.path(), &self.quota);
        }
        self.looks = self.looks.wrapping_add(1);
        let disk = match free_bytes(self.writer.path()) {
            Ok(free) => disk_health(free, self.quota.min_free_bytes),
            Err(e) => Some(TapeTrouble { why: format!("the free disk space cannot be read: {e}"), fatal: false }),
        };
        self.tell(disk.or_else(|| self.folder.clone()));
    }

    fn tell(&mut self, health: Health) {
        if level(health.as_ref()) != level(self.reported.as_ref()) {
            self.reported.clone_from(&health);
            // Nobody listens any more when the run is ending.
            drop(self.report.send(health));
        }
    }
}

/// Low below the bound, fatal below a quarter of it: the rest is for the ledger.
fn disk_health(free: u64, min_free: u64) -> Health {
    (free < min_free).then(|| TapeTrouble {
        why: format!("{} MiB of disk are free, less than the {} MiB asked for", free >> 20, min_free >> 20),
        fatal: free < min_free / 4,
    })
}

/// Deletes old tapes; trouble when the folder cannot be brought into its bounds.
fn folder_health(path: &Path, quota: &Quota) -> Health {
    let why = match sweep(path, quota) {
        Ok(swept) if swept.left_bytes <= quota.max_bytes_total => return None,
        Ok(swept) => format!(
            "tapes take {} MiB, more than the {} MiB allowed",
            swept.left_bytes >> 20,
            quota.max_bytes_total >> 20
        ),
        Err(e) => format!("old tapes cannot be deleted: {e}"),
    };
    Some(TapeTrouble { why, fatal: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_disk_is_trouble_and_an_empty_one_is_fatal() {
        assert_eq!(disk_health(10 << 20, 10 << 20), None);
        assert!(!disk_health(9 << 20, 10 << 20).unwrap().fatal);
        assert!(disk_health(2 << 20, 10 << 20).unwrap().fatal);
    }
}
