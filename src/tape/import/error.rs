//! Why files cannot be imported.

use std::io;
use std::path::PathBuf;

use crate::tape::error::TapeError;

/// Why files cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing was named.
    #[error("name at least one file to import")]
    NoFiles,
    /// The tape cannot be written, or a file cannot be opened.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The content is of no form that we know.
    #[error(
        "{}: its form is not known. Understood are: Bybit v5 messages one a line (as a recorder's \
         {{\"recv_ns\",\"raw\"}}, behind a time, or as in the venue's order-book archive), Binance streams behind a \
         local time as the common collectors write them, and trades in CSV with a header that names time, price, \
         size and side; each plain, gzip or zip",
        .0.display()
    )]
    Unknown(PathBuf),
    /// Candles make no tape.
    #[error(
        "{}: these are bars. A tape holds trades and books, and bars do not tell them; training reads bars as they are",
        .0.display()
    )]
    Bars(PathBuf),
    /// A trade's taker is not known and will not be guessed.
    #[error("{}: these trades do not say who the taker was; a tape needs it and does not guess", .0.display())]
    NoSide(PathBuf),
    /// A CSV that names no instrument.
    #[error("{}: neither a column `symbol` nor the file's name says which instrument this is (venue_BTCUSDT_date.csv)", .0.display())]
    NoName(PathBuf),
    /// A column is missing.
    #[error("{}: it has no column for the {what}", path.display())]
    NoColumn {
        /// File.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// Same name, other market.
    #[error("{name} comes from {one} and from {other}: these are two markets, make a tape of each")]
    TwoMarkets {
        /// Instrument.
        name: String,
        /// One market.
        one: String,
        /// The other.
        other: String,
    },
    /// The same data twice.
    #[error("{name}: {what} of the same time are in {} and in {}: name only one of them", one.display(), other.display())]
    Overlap {
        /// Instrument.
        name: String,
        /// `trades` or `books`.
        what: &'static str,
        /// One file.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Files without a single usable message.
    #[error("the files hold no trade and no book that can be used{0}")]
    Nothing(String),
    /// More instruments than a tape can name.
    #[error("the files hold {0} instruments, more than a tape can name")]
    TooMany(usize),
    /// The compressed data is broken.
    #[error("{} cannot be read at line {line}: {source}", path.display())]
    Broken {
        /// File.
        path: PathBuf,
        /// Line that was being read.
        line: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// An archive of several files.
    #[error("{} holds {count} files: unpack it and name the one you mean", path.display())]
    Archive {
        /// File.
        path: PathBuf,
        /// Files in it.
        count: usize,
    },
    /// An archive that we cannot open.
    #[error("{} is a zip archive that cannot be read: {why}", path.display())]
    BadArchive {
        /// File.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A row of a table that was to be read for training.
    #[error("{} line {line}: {why}", path.display())]
    Row {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}
