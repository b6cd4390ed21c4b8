//! The tape: the ordered list of events of a run, on disk. Append-only, versioned, checksummed, compressed in blocks.
//!
//! What is on a tape and in which order is what the engine stepped on; nothing else reaches it. [`write`] makes tapes,
//! [`read`] reads them and tells a crashed end from damage, [`verify`] looks at a whole file, [`thread`] writes behind a
//! bounded queue so that no disk can delay a step, [`quota`] keeps the folder in its bounds, and [`import`] turns market
//! data that others recorded into tapes. The layout of the bytes is in [`format`].

pub mod error;
pub mod format;
pub mod import;
pub mod quota;
pub mod read;
pub mod thread;
pub mod verify;
mod worker;
pub mod write;

#[cfg(test)]
mod round_trip;
#[cfg(test)]
pub(crate) mod samples;

pub use error::{Damage, TapeError};
pub use format::{TapeHeader, TapeKind};
pub use quota::{Quota, free_bytes};
pub use read::{Ending, TapeReader};
pub use thread::{Backlog, TapeEnd, TapeStatus, TapeThread, TapeTrouble};
pub use verify::{TapeReport, verify};
pub use write::TapeWriter;
