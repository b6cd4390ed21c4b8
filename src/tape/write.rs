//! Writes a tape, block by block. A block is closed when it is full, when a second of event time has passed, and at
//! once after anything that concerns money: what a crash can lose is less than a second of market data.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::error::TapeError;
use super::format::{BLOCK_BYTES, BLOCK_MAX, HEADER_MAX, Head, MAGIC, RecordKind, TapeHeader, TapeKind, VERSION, sum};
use crate::engine::event::Event;
use crate::engine::ids::Seq;
use crate::engine::time::{Span, Ts};

/// Event time after which a block of a recorded tape is closed. An import loses nothing in a crash, it is begun anew.
const BLOCK_SPAN: Span = Span::from_secs(1);

/// Writes one tape. Dropped without [`TapeWriter::finish`] it leaves a tape without its end record, as a crash would.
#[derive(Debug)]
pub struct TapeWriter {
    path: PathBuf,
    file: File,
    kind: TapeKind,
    /// Bytes of whole records in the file.
    offset: u64,
    /// Checksum that the next head continues.
    chain: u32,
    block: OpenBlock,
    encoded: Vec<u8>,
    stored: Vec<u8>,
    last_at: Ts,
    events: u64,
    blocks: u32,
    /// A write failed; nothing more is written.
    broken: bool,
}

/// The block that events are collected in.
#[derive(Debug, Default)]
struct OpenBlock {
    plain: Vec<u8>,
    events: u32,
    first_at: Ts,
    first_seq: u64,
    last_at: Ts,
    last_seq: u64,
}

impl OpenBlock {
    fn clear(&mut self) {
        self.plain.clear();
        self.events = 0;
    }

    /// Adds an event that is already encoded.
    fn add(&mut self, at: Ts, seq: Seq, encoded: &[u8]) -> Result<(), TapeError> {
        if self.events == 0 {
            (self.first_at, self.last_at) = (at, at);
            (self.first_seq, self.last_seq) = (seq.0, seq.0);
        }
        let distance = (at.0.wrapping_sub(self.last_at.0), seq.0.wrapping_sub(self.last_seq));
        postcard::to_io(&distance, &mut self.plain).map_err(TapeError::Encode)?;
        self.plain.extend_from_slice(encoded);
        self.events += 1;
        (self.last_at, self.last_seq) = (at, seq.0);
        Ok(())
    }
}

impl TapeWriter {
    /// Begins a tape in a new file, readable by its owner only. While it is written the file is locked, so that no
    /// other run of ours takes it for a finished one.
    pub fn create(path: &Path, header: &TapeHeader) -> Result<Self, TapeError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|e| TapeError::io(path, "create", e))?;
        // Some network file systems know no locks; the tape is still good there.
        drop(file.try_lock());
        let (bytes, chain) = encode_header(header)?;
        file.write_all(&bytes).map_err(|e| TapeError::io(path, "write", e))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            kind: header.kind,
            offset: bytes.len() as u64,
            chain,
            block: OpenBlock::default(),
            encoded: Vec::new(),
            stored: Vec::new(),
            last_at: header.created,
            events: 0,
            blocks: 0,
            broken: false,
        })
    }

    /// Adds one event. Ticks are not for tapes: they are left out.
    pub fn append(&mut self, at: Ts, seq: Seq, event: &Event) -> Result<(), TapeError> {
        if self.broken {
            return Err(TapeError::Stopped(self.path.clone()));
        }
        if matches!(event, Event::Tick) {
            return Ok(());
        }
        self.encoded.clear();
        postcard::to_io(event, &mut self.encoded).map_err(TapeError::Encode)?;
        // Two varints of ten bytes may come before it.
        if self.encoded.len() + 20 > BLOCK_MAX {
            return Err(TapeError::TooLarge(self.encoded.len()));
        }
        if self.block.events > 0 && self.block_is_due(at) {
            self.flush()?;
        }
        self.block.add(at, seq, &self.encoded)?;
        self.events += 1;
        self.last_at = at;
        if closes_block(event) { self.flush() } else { Ok(()) }
    }

    fn block_is_due(&self, at: Ts) -> bool {
        let full = self.block.plain.len() + self.encoded.len() + 20 > BLOCK_BYTES;
        full || (self.kind == TapeKind::Recorded && at.since(self.block.first_at) >= BLOCK_SPAN)
    }

    /// Closes the open block: after this, a crash of the program loses nothing of what was appended.
    pub fn flush(&mut self) -> Result<(), TapeError> {
        if self.block.events == 0 {
            return Ok(());
        }
        self.stored.resize(lz4_flex::block::get_maximum_output_size(self.block.plain.len()), 0);
        // The buffer has the size that the library asks for, so compression cannot fail.
        let stored = lz4_flex::block::compress_into(&self.block.plain, &mut self.stored).unwrap_or(0);
        self.stored.truncate(stored);
        let head = Head {
            kind: RecordKind::Block,
            stored: stored as u32,
            plain: self.block.plain.len() as u32,
            events: self.block.events,
            at: self.block.first_at,
            seq: self.block.first_seq,
            content_sum: sum(0, &self.stored),
        };
        let (bytes, chain) = head.encode(self.chain);
        // One write per block: a crash cannot leave a head without its content unless the disk is full.
        self.stored.splice(0..0, bytes);
        self.write_record()?;
        self.chain = chain;
        self.blocks = self.blocks.wrapping_add(1);
        self.block.clear();
        Ok(())
    }

    /// Writes what is in `stored`; on failure cuts the file back to its last whole record.
    fn write_record(&mut self) -> Result<(), TapeError> {
        if let Err(source) = self.file.write_all(&self.stored) {
            self.broken = true;
            // If this fails too, the reader finds and reports the torn record.
            drop(self.file.set_len(self.offset));
            return Err(TapeError::io(&self.path, "write", source));
        }
        self.offset += self.stored.len() as u64;
        Ok(())
    }

    /// Writes the end record and waits until everything is on the disk.
    pub fn finish(mut self) -> Result<(), TapeError> {
        if self.broken {
            return Err(TapeError::Stopped(self.path.clone()));
        }
        self.flush()?;
        let end = Head {
            kind: RecordKind::End,
            stored: 0,
            plain: 0,
            events: self.blocks,
            at: self.last_at,
            seq: self.events,
            content_sum: 0,
        };
        let (bytes, _) = end.encode(self.chain);
        self.stored.clear();
        self.stored.extend_from_slice(&bytes);
        self.write_record()?;
        self.file.sync_all().map_err(|e| TapeError::io(&self.path, "write", e))
    }

    /// Bytes of whole records written so far.
    pub const fn bytes(&self) -> u64 {
        self.offset
    }
    /// Events appended so far.
    pub const fn events(&self) -> u64 {
        self.events
    }
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TapeWriter {
    fn drop(&mut self) {
        if !self.broken {
            // Nobody is left to hear of a failure; the reader reports what is missing.
            drop(self.flush());
        }
    }
}

/// Everything that concerns money goes to the file at once; market data and predictions may wait for their block.
const fn closes_block(event: &Event) -> bool {
    match event {
        Event::Restored(_)
        | Event::Order(_)
        | Event::Account(_)
        | Event::Command(_)
        | Event::Fault(_)
        | Event::Hold(_)
        | Event::Told(_)
        | Event::Checked(_)
        | Event::Models(_)
        | Event::Ended => true,
        Event::Market(..) | Event::Predicted(_) | Event::Link(_) | Event::Tick => false,
    }
}

fn encode_header(header: &TapeHeader) -> Result<(Vec<u8>, u32), TapeError> {
    let content = postcard::to_stdvec(header).map_err(TapeError::Encode)?;
    if content.len() > HEADER_MAX {
        return Err(TapeError::TooLarge(content.len()));
    }
    let mut bytes = Vec::with_capacity(content.len() + 32);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&content);
    let chain = sum(0, &bytes);
    bytes.extend_from_slice(&chain.to_le_bytes());
    Ok((bytes, chain))
}
