//! The ledger: the durable record of money. Order intents, orders, fills, funding, positions, balances, limits, latches,
//! loss baselines and what the operator did; one `SQLite` file per market and account.
//!
//! An intent is committed here before its order goes on the wire. The tape orders events; this file is what the next
//! start believes about money. It decides nothing: what does not add up is stored as told and reported.

mod audit;
mod error;
mod job;
mod lock;
mod marker;
mod open;
mod read;
mod restore;
mod schema;
mod sheet;
mod states;
mod thread;
mod trades;
mod write;

pub use audit::{Head, Verdict};
pub use error::LedgerError;
pub use job::{Committed, Job, RunRow};
pub use lock::{Lock, LockError};
pub use marker::{Latching, mark_latched, marked, marker_after};
pub use open::{Ledger, Opened, holder, private_folder};
pub use read::{Filter, PnlBy, Reader};
pub use restore::{Stored, UnresolvedIntent, latch_that_holds};
pub use sheet::{Cell, Format, Sheet};
pub use thread::{JOBS_MAX, LedgerReply, LedgerThread, PushError, Store, Writer};
pub use trades::Traded;
