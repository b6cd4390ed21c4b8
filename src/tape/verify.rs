//! Looks at a whole tape: is every byte what was written, and what is on it?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::TapeError;
use super::format::{TapeHeader, event_word};
use super::read::{Ending, TapeReader};
use crate::engine::ids::Seq;
use crate::engine::time::{Span, Ts};

/// What a sound tape holds.
#[derive(Clone, PartialEq, Debug)]
pub struct TapeReport {
    /// What the tape says about itself, with its instruments.
    pub header: TapeHeader,
    /// Size of the file.
    pub bytes: u64,
    /// Events.
    pub events: u64,
    /// Blocks.
    pub blocks: u32,
    /// First and last moment; `None` for a tape without events.
    pub first_last: Option<(Ts, Ts)>,
    /// How many events of each kind, by stable word.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Events whose time or sequence number is not after the one before: 0 on every tape of ours.
    pub out_of_order: u64,
    /// sha256 of the file in hex, as `sha256sum` shows it: the tape's identity.
    pub sha256: String,
    /// With its end record, or cut off by a crash and what that lost.
    pub ending: Ending,
}

impl TapeReport {
    /// Time between first and last event.
    pub fn span(&self) -> Span {
        self.first_last.map_or(Span(0), |(first, last)| last.since(first))
    }
}

/// Reads and checks a whole tape.
pub fn verify(path: &Path) -> Result<TapeReport, TapeError> {
    let mut reader = TapeReader::open(path)?;
    let mut kinds = BTreeMap::new();
    let mut first_last: Option<(Ts, Ts)> = None;
    let mut last_seq = Seq(0);
    let mut out_of_order = 0;
    while let Some((at, seq, event)) = reader.next_event()? {
        *kinds.entry(event_word(&event)).or_insert(0) += 1;
        let (first, last) = first_last.unwrap_or((at, at));
        out_of_order += u64::from(at < last || seq <= last_seq);
        first_last = Some((first, at));
        last_seq = seq;
    }
    let (bytes, sha256) = hash(path)?;
    Ok(TapeReport {
        header: reader.header().clone(),
        bytes,
        events: reader.events(),
        blocks: reader.blocks(),
        first_last,
        kinds,
        out_of_order,
        sha256,
        ending: reader.ending().unwrap_or(Ending::Crashed { lost: 0 }),
    })
}

/// Length and sha256 of a file.
fn hash(path: &Path) -> Result<(u64, String), TapeError> {
    let failed = |e| TapeError::io(path, "read", e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
        bytes += read.len() as u64;
    }
    let hex: Vec<String> = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok((bytes, hex.concat()))
}
