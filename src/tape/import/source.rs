//! Lines of a file that may be plain, gzip or a zip archive of one file; which, its first bytes say. Lines are bounded,
//! so that a file of another kind cannot take all memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::error::ImportError;
use crate::tape::error::TapeError;

/// Longest line: a book of 1,000 levels a side takes some 60 KiB, the deepest REST snapshot (5,000) some 300 KiB.
const LINE_MAX: usize = 4 * 1024 * 1024;

/// Lines of one file.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    number: u64,
    buffer: Vec<u8>,
    /// The compressed data ended in the middle.
    truncated: bool,
}

/// One line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read1<'a> {
    /// Without its line end.
    Text(&'a str),
    /// A line that is no text or too long.
    Bad(&'static str),
    /// No more lines.
    End,
}

impl Lines {
    /// Opens a file. Bytes read from the disk are added to `counter`.
    pub(super) fn open(path: &Path, counter: &Arc<AtomicU64>) -> Result<Self, ImportError> {
        let failed = |e| ImportError::from(TapeError::io(path, "read", e));
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(TapeError::Folder(path.to_owned()).into());
        }
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let reader: Box<dyn BufRead + Send> = match magic.as_slice() {
            [0x1f, 0x8b, ..] => buffered(MultiGzDecoder::new(buffered(Counted::new(file, counter)))),
            b"PK\x03\x04" => zip_entry(path, file, counter)?,
            _ => buffered(Counted::new(file, counter)),
        };
        Ok(Self { path: path.to_owned(), reader, number: 0, buffer: Vec::new(), truncated: false })
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Read1<'_>, ImportError> {
        self.buffer.clear();
        self.number += 1;
        match self.read_bounded() {
            Ok(true) => {}
            Ok(false) => return Ok(Read1::End),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                // A recorder that was stopped: what came before is whole, the last line is not.
                self.truncated = true;
                return Ok(Read1::End);
            }
            Err(source) => {
                return Err(ImportError::Broken { path: self.path.clone(), line: self.number, source });
            }
        }
        if self.buffer.len() > LINE_MAX {
            return Ok(Read1::Bad("longer than any message"));
        }
        let bytes = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(std::str::from_utf8(bytes).map_or(Read1::Bad("not text"), Read1::Text))
    }

    /// Reads up to the line's end; of a line that is too long only the beginning is kept. `false` at the end.
    fn read_bounded(&mut self) -> io::Result<bool> {
        loop {
            let room = (LINE_MAX + 1).saturating_sub(self.buffer.len());
            let count = self.reader.by_ref().take(room as u64).read_until(b'\n', &mut self.buffer)?;
            if room > 0 {
                if count == 0 {
                    return Ok(!self.buffer.is_empty());
                }
                if self.buffer.ends_with(b"\n") {
                    return Ok(true);
                }
                continue;
            }
            let chunk = self.reader.fill_buf()?;
            let end = chunk.iter().position(|b| *b == b'\n');
            let skipped = end.map_or(chunk.len(), |at| at + 1);
            self.reader.consume(skipped);
            if end.is_some() || skipped == 0 {
                return Ok(true);
            }
        }
    }

    /// Number of the line read last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }
    /// Whether the compressed data ended in the middle.
    pub(super) const fn truncated(&self) -> bool {
        self.truncated
    }
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn buffered<R: Read + Send + 'static>(reader: R) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(64 * 1024, reader))
}

/// The one file of an archive, as a stream: an archive of a day of order books does not fit in memory.
fn zip_entry(path: &Path, file: File, counter: &Arc<AtomicU64>) -> Result<Box<dyn BufRead + Send>, ImportError> {
    let bad = |why: String| ImportError::BadArchive { path: path.to_owned(), why };
    let mut archive = ZipArchive::new(file.try_clone().map_err(|e| TapeError::io(path, "read", e))?)
        .map_err(|e| bad(e.to_string()))?;
    let is_file =
        |n: &usize| archive.name_for_index(*n).is_some_and(|name| name.is_ok_and(|name| !name.ends_with('/')));
    let found: Vec<usize> = (0..archive.len()).filter(is_file).collect();
    let [index] = found.as_slice() else {
        return Err(ImportError::Archive { path: path.to_owned(), count: found.len() });
    };
    let index = *index;
    let entry = archive.by_index(index).map_err(|e| bad(e.to_string()))?;
    let start = entry.data_start().ok_or_else(|| bad("it does not say where its content begins".to_owned()))?;
    let (size, method, sum) = (entry.compressed_size(), entry.compression(), entry.crc32());
    drop(entry);
    let mut file = file;
    file.seek(SeekFrom::Start(start)).map_err(|e| TapeError::io(path, "read", e))?;
    let stored = Counted::new(file, counter).take(size);
    match method {
        CompressionMethod::Deflated => Ok(buffered(Summed::new(DeflateDecoder::new(buffered(stored)), sum))),
        CompressionMethod::Stored => Ok(buffered(Summed::new(stored, sum))),
        other => Err(bad(format!("compression {other:?} is not supported"))),
    }
}

/// Counts what is read, for progress.
struct Counted<R> {
    inner: R,
    counter: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    fn new(inner: R, counter: &Arc<AtomicU64>) -> Self {
        Self { inner, counter: counter.clone() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.counter.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Checks at the end that the content is what the archive says it is.
struct Summed<R> {
    inner: R,
    hasher: crc32fast::Hasher,
    declared: u32,
}

impl<R> Summed<R> {
    fn new(inner: R, declared: u32) -> Self {
        Self { inner, hasher: crc32fast::Hasher::new(), declared }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let (read, _) = buffer.split_at(count.min(buffer.len()));
        self.hasher.update(read);
        if count == 0 && !buffer.is_empty() && self.hasher.clone().finalize() != self.declared {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the archive's checksum does not match"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn all(bytes: &[u8]) -> Result<(Vec<String>, bool), ImportError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Lines::open(&path, &Arc::default())?;
        let mut found = Vec::new();
        loop {
            match lines.next()? {
                Read1::Text(text) => found.push(text.to_owned()),
                Read1::Bad(why) => found.push(format!("<{why}>")),
                Read1::End => return Ok((found, lines.truncated())),
            }
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn plain_gzip_and_zip_give_the_same_lines() {
        let text = b"one\r\ntwo\n\nlast";
        let expected = (["one", "two", "", "last"].map(str::to_owned).to_vec(), false);
        for bytes in [text.to_vec(), gzip(text), [gzip(b"one\r\nt"), gzip(b"wo\n\nlast")].concat(), zip(&[("x", text)])]
        {
            assert_eq!(all(&bytes).unwrap(), expected);
        }
    }

    #[test]
    fn bad_lines_are_skipped_whole() {
        let long = vec![b'x'; LINE_MAX + 70_000];
        let (lines, _) = all(&[b"\xff\xfe\n".as_slice(), &long, b"\nthen\n"].concat()).unwrap();
        assert_eq!(lines, ["<not text>", "<longer than any message>", "then"]);
    }

    #[test]
    fn what_was_cut_off_is_told_and_what_is_broken_is_an_error() {
        let noise: Vec<u8> =
            (0..100_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 | 1).collect();
        let whole = gzip(&noise);
        assert!(all(&whole[..whole.len() / 2]).unwrap().1);
        let mut archive = zip(&[("x", b"content that is there")]);
        let at = archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        archive[at + 16] ^= 1;
        assert!(matches!(all(&archive), Err(ImportError::Broken { .. })));
        assert!(matches!(all(b"PK\x03\x04 no archive"), Err(ImportError::BadArchive { .. })));
        let several = zip(&[("a", b"1"), ("b", b"2")]);
        assert!(matches!(all(&several), Err(ImportError::Archive { count: 2, .. })));
    }
}
