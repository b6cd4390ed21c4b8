//! Why there is no model. Every message says what to do.

use crate::model::ModelError;

/// A training that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// An option is out of its range.
    #[error("{0}")]
    Option(String),
    /// No such architecture.
    #[error("there is no architecture `{asked}`: use one of {known}")]
    Arch {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// Nothing to read.
    #[error("no market data was given: name files or folders of tapes or recordings")]
    NoFiles,
    /// A file cannot be read.
    #[error("{file} cannot be read: {why}")]
    Read {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Files were read and gave nothing to learn from.
    #[error("no row could be made from {events} market events: {why}; a row needs {needs}")]
    NoRows {
        /// Events read.
        events: u64,
        /// The most likely reason.
        why: String,
        /// What a row takes.
        needs: &'static str,
    },
    /// Not enough to learn from and to judge by.
    #[error("{rows} rows are too few, {needed} are needed: record longer or name more files")]
    TooFew {
        /// Rows made.
        rows: usize,
        /// Rows needed.
        needed: usize,
    },
    /// A feature does not vary.
    #[error("the feature `{feature}` is {value} in every row: {hint}")]
    Constant {
        /// Feature.
        feature: &'static str,
        /// Its value.
        value: String,
        /// What may be the reason.
        hint: &'static str,
    },
    /// Too little to learn a horizon, or to judge it.
    #[error(
        "{labels} labels of {seconds} s do not overlap, {needed} are needed: record longer, or train without that horizon \
         (`--longest`)"
    )]
    TooShort {
        /// Horizon.
        seconds: u32,
        /// Labels there are.
        labels: usize,
        /// Labels needed.
        needed: usize,
    },
    /// A horizon without moves.
    #[error("over {seconds} s the price never moved {direction}: there is nothing to learn; use data of a live market")]
    NoMoves {
        /// Horizon.
        seconds: u32,
        /// Up or down.
        direction: &'static str,
    },
    /// A number that is not finite.
    #[error("a row at {at} holds a number that is not finite: this is a fault of the program, report it with the file")]
    NotFinite {
        /// When.
        at: String,
    },
    /// Data cannot be split into parts that are far enough apart.
    #[error("the rows lie too close together in time to hold any out: use at least 20 minutes, or several dates")]
    NoFolds,
    /// Rows know what they are asked.
    #[error("{0}")]
    Leak(String),
    /// The loss or a weight is no number any more.
    #[error(
        "the fit of {arch} came apart in epoch {epoch}: its loss or a weight is not finite; use more data or another `--l2`. \
         Nothing was written"
    )]
    Diverged {
        /// Architecture.
        arch: &'static str,
        /// Epoch, from 1.
        epoch: u32,
    },
    /// What an interrupted training left cannot be used.
    #[error("the checkpoint cannot be resumed: {0}; start anew without `--resume`")]
    Checkpoint(String),
    /// The tensor library failed.
    #[error("the fit failed: {0}")]
    Compute(String),
    /// The files cannot be written.
    #[error("{file} cannot be written: {why}")]
    Write {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The model just made is refused.
    #[error("the model just made does not load: {0}")]
    Refused(#[from] ModelError),
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Compute(error.to_string())
    }
}
