//! The disk: the real ledger in memory, which outlives the process, and a medium that is full or gone when told to.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::ffi::{Error as Code, SQLITE_FULL, SQLITE_IOERR};
use tickdeck::engine::effect::Record;
use tickdeck::engine::event::Fill;
use tickdeck::engine::risk::state::Latch;
use tickdeck::ledger::{Committed, Job, Ledger, LedgerError, Store, marker_after};

/// How the medium is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Medium {
    /// Well.
    Well,
    /// The ledger's file does not grow; the small marker beside it can still be written.
    Full,
    /// Nothing can be written at all.
    Gone,
}

/// What survives a process.
pub struct Disk {
    /// `None` only while a start reads it.
    pub ledger: Option<Ledger>,
    pub medium: Medium,
    /// The marker beside the ledger.
    pub marker: Option<Latch>,
    /// Intents that are durable.
    pub intents: BTreeSet<String>,
    /// Executions that are durable, by id.
    pub fills: BTreeMap<String, Fill>,
    /// The latch in the ledger.
    pub latch: Option<Latch>,
}

impl Disk {
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger: Some(ledger),
            medium: Medium::Well,
            marker: None,
            intents: BTreeSet::new(),
            fills: BTreeMap::new(),
            latch: None,
        }
    }

    fn note(&mut self, batch: &[Job]) {
        for job in batch {
            match job {
                Job::Intent { link_id, .. } => {
                    self.intents.insert(link_id.clone());
                }
                Job::Record { record: Record::Fill { fill, .. }, .. } => {
                    self.fills.entry(fill.exec_id.clone()).or_insert_with(|| fill.clone());
                }
                Job::Record { record: Record::Latch(latch), .. } => self.latch.clone_from(latch),
                Job::Record { .. } | Job::Shadow { .. } => {}
            }
        }
    }
}

fn failure(code: i32) -> LedgerError {
    LedgerError::Storage(rusqlite::Error::SqliteFailure(Code::new(code), None))
}

impl Store for Disk {
    fn commit(&mut self, batch: &[Job]) -> Result<Committed, LedgerError> {
        let changes = batch.iter().filter_map(|job| match job {
            Job::Record { at, record: Record::Latch(latch) } => Some((*at, latch.as_ref())),
            _ => None,
        });
        let changes: Vec<_> = changes.collect();
        // As the ledger does: the marker before it is latched, and after it is lifted.
        let set = changes.iter().rposition(|(_, latch)| latch.is_some()).map_or(0, |last| last + 1);
        if self.medium != Medium::Gone {
            self.marker = marker_after(self.marker.take(), changes.iter().take(set).copied());
        }
        match self.medium {
            Medium::Well => {}
            Medium::Full => return Err(failure(SQLITE_FULL)),
            Medium::Gone => return Err(failure(SQLITE_IOERR)),
        }
        let done = self.ledger.as_mut().ok_or(LedgerError::NoRun)?.commit(batch)?;
        self.marker = marker_after(self.marker.take(), changes.iter().skip(set).copied());
        self.note(batch);
        Ok(done)
    }
}
