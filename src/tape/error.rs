//! What can be wrong with a tape, said so that a person knows what happened and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::format::VERSION;

/// Why a tape cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The path names a folder.
    #[error("{} is a folder: name one tape file in it", .0.display())]
    Folder(PathBuf),
    /// The system does not let us.
    #[error("{}: no permission to {doing} it: check its owner and mode", path.display())]
    Permission {
        /// File.
        path: PathBuf,
        /// `read`, `create`, ...
        doing: &'static str,
    },
    /// There is no such file.
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// A tape was to be created in a folder that is not there.
    #[error("{}: its folder does not exist: create it first", .0.display())]
    NoFolder(PathBuf),
    /// A tape is never overwritten.
    #[error("{} exists already: a tape is never overwritten, choose another name", .0.display())]
    Exists(PathBuf),
    /// Any other refusal of the system.
    #[error("{}: cannot {doing} it: {source}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// `read`, `write`, ...
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No bytes at all.
    #[error("{} is empty: its run ended before anything was written", .0.display())]
    Empty(PathBuf),
    /// Some other kind of file.
    #[error("{} is not a tape: it does not begin as one (`tickdeck import` makes tapes from market data)", .0.display())]
    Foreign(PathBuf),
    /// Written by a later tickdeck.
    #[error("{} is a tape of version {found}, this program knows up to {VERSION}: use a newer tickdeck", path.display())]
    Newer {
        /// File.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Written by an earlier tickdeck, whose events this one does not know.
    #[error("{} is a tape of version {found}, this program reads version {VERSION}: import or record it again", path.display())]
    Older {
        /// File.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Bytes are not what was written.
    #[error("{} is damaged at byte {offset}: {what}; the {sound} events before it are sound", path.display())]
    Damaged {
        /// File.
        path: PathBuf,
        /// Where the damaged part begins.
        offset: u64,
        /// What is wrong there.
        what: Damage,
        /// Events that were read before it.
        sound: u64,
    },
    /// One event is larger than any block may be.
    #[error("an event of {0} bytes does not fit a tape block: the run cannot be taped")]
    TooLarge(usize),
    /// The writer had failed before; what is on the tape up to there is sound.
    #[error("{}: writing stopped earlier; the tape is sound up to that moment", .0.display())]
    Stopped(PathBuf),
    /// The writer did not come to an end in time.
    #[error("{}: the disk does not answer; the tape may lack its last second", .0.display())]
    Stuck(PathBuf),
    /// The event could not be encoded.
    #[error("an event could not be encoded: {0}")]
    Encode(postcard::Error),
}

/// What is wrong with the bytes of a tape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// The file ends inside its header.
    #[error("the file ends inside its header")]
    ShortHeader,
    /// The header declares a length that no header has.
    #[error("the header declares an impossible length")]
    HeaderLength,
    /// Header bytes changed.
    #[error("the header's checksum does not match")]
    HeaderSum,
    /// The header's content makes no sense.
    #[error("the header's content makes no sense")]
    HeaderContent,
    /// A block head changed, or blocks were cut out, doubled or swapped.
    #[error("a block's head does not match its checksum")]
    HeadSum,
    /// A block declares lengths that no block has.
    #[error("a block declares impossible lengths")]
    BlockLength,
    /// The content of a block changed.
    #[error("a block's content does not match its checksum")]
    BlockSum,
    /// A block does not decompress to what it declares.
    #[error("a block does not decompress")]
    Compression,
    /// An event cannot be decoded.
    #[error("an event cannot be decoded")]
    Event,
    /// An event that no market or account can produce: unknown instrument, negative size, price below zero.
    #[error("an event makes no sense: unknown instrument, or a price or size below zero")]
    Nonsense,
    /// The end record counts something else than was read.
    #[error("the end record counts other events than the file holds")]
    Count,
    /// Bytes after the end record.
    #[error("something follows the end record")]
    Trailing,
}

impl TapeError {
    /// The error for what the system said while we were `doing` something with `path`.
    pub(crate) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { path, doing },
            io::ErrorKind::NotFound if doing == "create" => Self::NoFolder(path),
            io::ErrorKind::NotFound => Self::Missing(path),
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            io::ErrorKind::IsADirectory => Self::Folder(path),
            _ => Self::Io { path, doing, source },
        }
    }
}
