//! Reads a tape from its beginning. A tape whose run crashed is readable up to its last whole block and says what is
//! lost; a tape whose bytes changed is readable up to the change and then is an error, never a wrong event.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::{Damage, TapeError};
use super::format::{
    HEAD_LEN, HEADER_MAX, Head, MAGIC, PREFIX_LEN, RecordKind, TapeHeader, VERSION, event_makes_sense, sum, take,
};
use crate::engine::event::Event;
use crate::engine::ids::Seq;
use crate::engine::time::Ts;

/// How a tape ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With its end record: nothing is missing.
    Orderly,
    /// Without: the run crashed, or still runs.
    Crashed {
        /// Bytes of an unfinished block at the end, which cannot be read.
        lost: u64,
    },
}

/// Reads one tape.
#[derive(Debug)]
pub struct TapeReader {
    path: PathBuf,
    file: BufReader<File>,
    /// Length of the file when it was opened; what a running writer adds later is not read.
    len: u64,
    /// Where the next record begins.
    offset: u64,
    header: TapeHeader,
    chain: u32,
    block: Block,
    stored: Vec<u8>,
    events: u64,
    blocks: u32,
    ending: Option<Ending>,
    /// Found once, told at every further call.
    damage: Option<(u64, Damage)>,
}

/// The block that events are taken from.
#[derive(Debug, Default)]
struct Block {
    plain: Vec<u8>,
    cursor: usize,
    left: u32,
    begins: u64,
    at: i64,
    seq: u64,
}

impl TapeReader {
    /// Opens a tape and reads its header.
    pub fn open(path: &Path) -> Result<Self, TapeError> {
        let failed = |e| TapeError::io(path, "read", e);
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if meta.is_dir() {
            return Err(TapeError::Folder(path.to_owned()));
        }
        let mut file = BufReader::with_capacity(128 * 1024, file);
        let (header, chain, offset) = read_header(&mut file, path, meta.len())?;
        Ok(Self {
            path: path.to_owned(),
            file,
            len: meta.len(),
            offset,
            header,
            chain,
            block: Block::default(),
            stored: Vec::new(),
            events: 0,
            blocks: 0,
            ending: None,
            damage: None,
        })
    }

    /// What the tape says about itself.
    pub const fn header(&self) -> &TapeHeader {
        &self.header
    }
    /// How it ends; `None` until everything was read.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }
    /// Events read so far.
    pub const fn events(&self) -> u64 {
        self.events
    }
    /// Whole blocks read so far.
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }
    /// Part of the file that was read, 0 to 1, within a block by its bytes.
    pub fn position(&self) -> f64 {
        if self.ending.is_some() || self.len == 0 {
            return 1.0;
        }
        let inside =
            if self.block.plain.is_empty() { 1.0 } else { self.block.cursor as f64 / self.block.plain.len() as f64 };
        let begins = self.block.begins.min(self.offset);
        (begins as f64 + (self.offset - begins) as f64 * inside) / self.len as f64
    }

    /// The next event; `None` at the end, whatever its kind.
    pub fn next_event(&mut self) -> Result<Option<(Ts, Seq, Event)>, TapeError> {
        if let Some((offset, what)) = self.damage {
            return Err(self.damaged(offset, what));
        }
        while self.block.left == 0 {
            if self.ending.is_some() || !self.next_block()? {
                return Ok(None);
            }
        }
        let rest = self.block.plain.get(self.block.cursor..).unwrap_or_default();
        let Ok(((at, seq, event), after)) = postcard::take_from_bytes::<(i64, u64, Event)>(rest) else {
            return Err(self.found(self.block.begins, Damage::Event));
        };
        let after = after.len();
        if matches!(event, Event::Tick) || !event_makes_sense(&event, self.header.instruments.len()) {
            return Err(self.found(self.block.begins, Damage::Nonsense));
        }
        self.block.left -= 1;
        if self.block.left == 0 && after > 0 {
            return Err(self.found(self.block.begins, Damage::Event));
        }
        self.block.cursor = self.block.plain.len() - after;
        self.block.at = self.block.at.wrapping_add(at);
        self.block.seq = self.block.seq.wrapping_add(seq);
        self.events += 1;
        Ok(Some((Ts(self.block.at), Seq(self.block.seq), event)))
    }

    /// Reads the next record. `false` when there is none; `ending` then says why.
    fn next_block(&mut self) -> Result<bool, TapeError> {
        let begins = self.offset;
        let left = self.len - begins;
        if left < HEAD_LEN as u64 {
            self.ending = Some(Ending::Crashed { lost: left });
            return Ok(false);
        }
        let mut bytes = [0; HEAD_LEN];
        self.fill(&mut bytes)?;
        let Some((head, chain)) = Head::decode(&bytes, self.chain) else {
            return if bytes == [0; HEAD_LEN] && self.rest_is_zero()? {
                self.ending = Some(Ending::Crashed { lost: left });
                Ok(false)
            } else {
                Err(self.found(begins, Damage::HeadSum))
            };
        };
        if !head.is_possible() {
            return Err(self.found(begins, Damage::BlockLength));
        }
        if head.kind == RecordKind::End {
            return self.end(&head, begins);
        }
        if u64::from(head.stored) > left - HEAD_LEN as u64 {
            self.ending = Some(Ending::Crashed { lost: left });
            return Ok(false);
        }
        self.load(&head, begins)?;
        self.chain = chain;
        self.offset = begins + HEAD_LEN as u64 + u64::from(head.stored);
        self.blocks = self.blocks.wrapping_add(1);
        Ok(true)
    }

    /// Reads and decompresses the content of a block whose head is sound.
    fn load(&mut self, head: &Head, begins: u64) -> Result<(), TapeError> {
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(head.stored as usize, 0);
        let read = self.fill(&mut stored);
        self.stored = stored;
        read?;
        if sum(0, &self.stored) != head.content_sum {
            return Err(self.found(begins, Damage::BlockSum));
        }
        self.block.plain.resize(head.plain as usize, 0);
        match lz4_flex::block::decompress_into(&self.stored, &mut self.block.plain) {
            Ok(size) if size == head.plain as usize => {}
            _ => return Err(self.found(begins, Damage::Compression)),
        }
        self.block.cursor = 0;
        self.block.left = head.events;
        self.block.begins = begins;
        (self.block.at, self.block.seq) = (head.at.0, head.seq);
        Ok(())
    }

    fn end(&mut self, head: &Head, begins: u64) -> Result<bool, TapeError> {
        if head.seq != self.events || head.events != self.blocks {
            return Err(self.found(begins, Damage::Count));
        }
        let after = begins + HEAD_LEN as u64;
        if after != self.len {
            return Err(self.found(after, Damage::Trailing));
        }
        self.offset = after;
        self.ending = Some(Ending::Orderly);
        Ok(false)
    }

    /// After a power cut, file systems may leave zeros where the last block should be: lost, but not damaged.
    fn rest_is_zero(&mut self) -> Result<bool, TapeError> {
        let mut chunk = [0; 4096];
        loop {
            let count = self.file.read(&mut chunk).map_err(|e| TapeError::io(&self.path, "read", e))?;
            if count == 0 {
                return Ok(true);
            }
            if chunk.iter().take(count).any(|b| *b != 0) {
                return Ok(false);
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), TapeError> {
        self.file.read_exact(bytes).map_err(|e| TapeError::io(&self.path, "read", e))
    }

    /// Remembers damage, so that no later call goes on behind it.
    fn found(&mut self, offset: u64, what: Damage) -> TapeError {
        self.damage = Some((offset, what));
        self.damaged(offset, what)
    }

    fn damaged(&self, offset: u64, what: Damage) -> TapeError {
        TapeError::Damaged { path: self.path.clone(), offset, what, sound: self.events }
    }
}

/// Header, checksum that the first record continues, and where that record begins.
fn read_header(file: &mut impl Read, path: &Path, len: u64) -> Result<(TapeHeader, u32, u64), TapeError> {
    let damaged = |offset: u64, what| TapeError::Damaged { path: path.to_owned(), offset, what, sound: 0 };
    let failed = |e| TapeError::io(path, "read", e);
    let mut bytes = Vec::new();
    file.by_ref().take(PREFIX_LEN as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.is_empty() {
        return Err(TapeError::Empty(path.to_owned()));
    }
    let shared = bytes.len().min(MAGIC.len());
    if bytes.get(..shared) != MAGIC.get(..shared) {
        return Err(TapeError::Foreign(path.to_owned()));
    }
    let mut rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    let (Some(version), Some(declared)) = (take::<2>(&mut rest), take::<4>(&mut rest)) else {
        return Err(damaged(bytes.len() as u64, Damage::ShortHeader));
    };
    let version = u16::from_le_bytes(version);
    if version > VERSION {
        return Err(TapeError::Newer { path: path.to_owned(), found: version });
    }
    if (1..VERSION).contains(&version) {
        return Err(TapeError::Older { path: path.to_owned(), found: version });
    }
    let declared = u32::from_le_bytes(declared) as usize;
    if version == 0 || declared > HEADER_MAX {
        return Err(damaged(MAGIC.len() as u64, Damage::HeaderLength));
    }
    let whole = (PREFIX_LEN + declared + 4) as u64;
    if len < whole {
        return Err(damaged(len, Damage::ShortHeader));
    }
    file.by_ref().take(declared as u64).read_to_end(&mut bytes).map_err(failed)?;
    let mut stored_sum = [0; 4];
    file.read_exact(&mut stored_sum).map_err(failed)?;
    let chain = sum(0, &bytes);
    if chain.to_le_bytes() != stored_sum {
        return Err(damaged(0, Damage::HeaderSum));
    }
    let content = bytes.get(PREFIX_LEN..).unwrap_or_default();
    match postcard::take_from_bytes::<TapeHeader>(content) {
        Ok((header, [])) if header.makes_sense() => Ok((header, chain, whole)),
        _ => Err(damaged(PREFIX_LEN as u64, Damage::HeaderContent)),
    }
}
