//! What an import did, for a person.

use std::fmt;
use std::path::{Path, PathBuf};

use super::book::BookCounts;
use crate::engine::time::Ts;

/// Bad lines that are told one by one.
const TOLD_MAX: usize = 5;

/// A line that could not be read and is not on the tape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// File.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// What was counted while reading.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub lines: u64,
    pub other: u64,
    pub bad: u64,
    pub told: Vec<BadLine>,
    pub truncated: Vec<PathBuf>,
}

impl Tally {
    /// Counts a bad line.
    pub(super) fn bad(&mut self, path: &Path, line: u64, why: String) {
        self.bad += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(BadLine { path: path.to_owned(), line, why });
        }
    }
    /// Notes a file that ends in the middle.
    pub(super) fn truncated(&mut self, path: &Path) {
        if !self.truncated.iter().any(|known| known == path) {
            self.truncated.push(path.to_owned());
        }
    }
}

/// What an import made of its files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportReport {
    /// Lines read.
    pub lines: u64,
    /// Lines with nothing for the tape: heartbeats, other streams, other instruments.
    pub other: u64,
    /// Lines that could not be read and are not on the tape.
    pub bad: u64,
    /// The first of them.
    pub bad_lines: Vec<BadLine>,
    /// Files whose compressed data ends in the middle.
    pub truncated: Vec<PathBuf>,
    /// Events made.
    pub events: u64,
    /// Events whose time lay before the one before and was moved up to it.
    pub clamped: u64,
    /// First and last moment.
    pub first_last: Option<(Ts, Ts)>,
    /// One entry per instrument, in the order of the tape's instruments.
    pub instruments: Vec<InstrumentReport>,
}

/// What an import made of one instrument.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InstrumentReport {
    /// Name.
    pub name: String,
    /// Where the data comes from.
    pub source: String,
    /// Trades made.
    pub trades: u64,
    /// Ticker messages made.
    pub tickers: u64,
    /// Book messages made, and what was not.
    pub book: BookCounts,
}

impl InstrumentReport {
    /// Why its book is missing, in part or altogether.
    pub fn trouble(&self) -> Option<String> {
        let BookCounts { snapshots, gaps, unusable, .. } = self.book;
        match (snapshots, gaps, unusable) {
            (_, 0, 0) => None,
            (0, _, unusable) => Some(format!(
                "{}: no whole book is in the files, so {unusable} changes of it cannot be used; its trades are on the tape",
                self.name
            )),
            (_, gaps, unusable) => Some(format!(
                "{}: {gaps} gaps in the book; {unusable} changes between a gap and the next whole book cannot be used",
                self.name
            )),
        }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} lines, {} events", self.lines, self.events)?;
        if let Some((first, last)) = self.first_last {
            writeln!(f, "{first} to {last}, {}", last.since(first))?;
        }
        for one in &self.instruments {
            let book = one.book;
            writeln!(
                f,
                "{}: {} trades, {} book updates, {} whole books, {} tickers ({})",
                one.name, one.trades, book.updates, book.snapshots, one.tickers, one.source
            )?;
        }
        for trouble in self.instruments.iter().filter_map(InstrumentReport::trouble) {
            writeln!(f, "{trouble}")?;
        }
        if self.clamped > 0 {
            writeln!(f, "{} events whose time went back were moved up to the one before", self.clamped)?;
        }
        for path in &self.truncated {
            writeln!(
                f,
                "{} ends in the middle of its compressed data; what came before is on the tape",
                path.display()
            )?;
        }
        if self.bad > 0 {
            writeln!(f, "{} lines could not be read and are not on the tape:", self.bad)?;
        }
        for bad in &self.bad_lines {
            writeln!(f, "  {} line {}: {}", bad.path.display(), bad.line, bad.why)?;
        }
        Ok(())
    }
}
