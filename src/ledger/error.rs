//! What can go wrong with a ledger, in words that say what it means for the money and what to do.

use std::path::PathBuf;

use crate::engine::num::NumError;

/// Why a ledger cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process holds it.
    #[error(
        "the ledger {path} is in use by another tickdeck{holder}. Two engines on one account would each trade without \
         knowing the other's orders. Stop the other one first, or give this one a folder of its own with --data-dir"
    )]
    InUse {
        /// File.
        path: PathBuf,
        /// ` (process 1234)`, or empty.
        holder: String,
    },
    /// The folder or file cannot be made, locked or opened.
    #[error("cannot open the ledger {path}: {why}. Nothing was traded. Check the folder's owner, mode and free space")]
    Unopenable {
        /// File.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// Damaged, or not one of ours.
    #[error(
        "the ledger {path} cannot be read: {why}. It is the record of this account's orders and positions, so the \
         account counts as killed until you restore the file from a copy. If there is none, move it away \
         (`mv {path} {path}.bad`): the next start then begins an empty ledger that knows no position, limit or latch \
         of before"
    )]
    Unreadable {
        /// File.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// Belongs to another market or account.
    #[error(
        "the ledger {path} belongs to {found}, not to {wanted}. Money of two accounts is never mixed, so the account \
         counts as killed until the right file is in this place"
    )]
    OtherPair {
        /// File.
        path: PathBuf,
        /// Stamp in the file.
        found: String,
        /// Stamp of this run.
        wanted: String,
    },
    /// Written by a newer build.
    #[error(
        "the ledger {path} was written by a newer tickdeck (schema {found}; this build knows {known}). The account \
         counts as killed until the newer version is started: this build could misread positions"
    )]
    Newer {
        /// File.
        path: PathBuf,
        /// Schema in the file.
        found: i64,
        /// Schema of this build.
        known: i64,
    },
    /// An older ledger that has no audit chain yet.
    #[error(
        "this ledger is of an older version and has no audit chain yet. The next start of tickdeck on this account adds \
         one, with a copy of the file beside it; nothing was changed now"
    )]
    Unchained,
    /// The file went away under an open ledger.
    #[error(
        "the ledger {path} was removed or replaced while tickdeck runs. What is written now would be found by no later \
         start, so nothing opens; stops and closes go on. Stop tickdeck, put the file back from a copy, and compare with \
         the exchange before you arm again"
    )]
    Gone {
        /// File.
        path: PathBuf,
    },
    /// The stand-in for an unreadable ledger refuses to open risk or to lift the latch.
    #[error("refused while the ledger is unreadable: {0}")]
    StandIn(String),
    /// A row holds something no build of ours writes.
    #[error("the ledger holds `{value}` in {place}, which is no {wanted}. Restore the file from a copy")]
    Content {
        /// Table and column.
        place: &'static str,
        /// What was found, shortened.
        value: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// An order number was used twice in a run.
    #[error("order {seq} of run {run} is in the ledger already: an order is never created twice")]
    IntentTwice {
        /// Run.
        run: String,
        /// Order.
        seq: u64,
    },
    /// One execution id, two executions.
    #[error("execution {0} is in the ledger already with other numbers; compare it with the venue's statement")]
    FillDiffers(String),
    /// An instrument that this run did not name at its start.
    #[error("symbol {0} is not one of this run's instruments")]
    UnknownSymbol(u16),
    /// A row arrived before `begin_run`.
    #[error("no run has begun: rows need one to belong to")]
    NoRun,
    /// The marker file of a latch could not be written or removed.
    #[error(
        "the latch marker {path} could not be {verb}: {why}. The ledger holds the truth; the marker only adds safety"
    )]
    Marker {
        /// File.
        path: PathBuf,
        /// `written` or `removed`.
        verb: &'static str,
        /// The system's words.
        why: String,
    },
    /// `SQLite` refused.
    #[error("the ledger could not be written or read: {0}")]
    Storage(#[from] rusqlite::Error),
    /// A file around the ledger could not be handled.
    #[error("{0}")]
    File(String),
}

impl LedgerError {
    /// May the same rows succeed later (a full disk, a busy file), or is something wrong with the rows themselves?
    pub fn is_passing(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        if matches!(self, Self::Gone { .. }) {
            return true;
        }
        let Self::Storage(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(
                Code::DiskFull
                    | Code::SystemIoFailure
                    | Code::DatabaseBusy
                    | Code::DatabaseLocked
                    | Code::ReadOnly
                    | Code::CannotOpen
                    | Code::PermissionDenied
                    | Code::OutOfMemory
            )
        )
    }
    pub(super) fn content(place: &'static str, value: &str, wanted: &'static str) -> Self {
        Self::Content { place, value: value.chars().take(40).collect(), wanted }
    }
    pub(super) fn number(place: &'static str) -> impl Fn(NumError) -> Self {
        move |error| Self::Content { place, value: error.to_string(), wanted: "exact decimal" }
    }
}
