//! Keeps the folder of tapes in its bounds: how old, how much in all, how much disk must stay free.
//!
//! Only tapes that runs recorded are counted and deleted, oldest first; never an imported one (somebody chose to have
//! it), never a file that is no tape, and never one that a run is still writing: that one is locked. Age is what the
//! file system says, measured against the file that was written last, so no clock is read.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::format::TapeKind;
use super::read::TapeReader;
use crate::engine::time::Span;

/// Bounds of the folder of tapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Bytes of all recorded tapes together, the one being written among them.
    pub max_bytes_total: u64,
    /// Bytes that must stay free on the disk.
    pub min_free_bytes: u64,
    /// Tapes older than this are deleted; zero or less keeps them for ever.
    pub keep: Span,
}

/// What a sweep did and left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Tapes that were deleted.
    pub deleted: Vec<PathBuf>,
    /// Bytes of the recorded tapes that are left.
    pub left_bytes: u64,
}

/// A recorded tape in the folder.
struct Found {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
    busy: bool,
}

/// Deletes what is too old or too much in the folder of `writing`, which itself is kept.
pub fn sweep(writing: &Path, quota: &Quota) -> io::Result<Swept> {
    let mut tapes = recorded_tapes(writing)?;
    tapes.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.path.cmp(&b.path)));
    let newest = tapes.last().map(|t| t.modified);
    let keep = u64::try_from(quota.keep.0).ok().filter(|ns| *ns > 0).map(Duration::from_nanos);
    let mut swept = Swept { deleted: Vec::new(), left_bytes: tapes.iter().map(|t| t.bytes).sum() };
    for tape in tapes.iter().filter(|t| !t.busy) {
        let age = newest.and_then(|n| n.duration_since(tape.modified).ok()).unwrap_or_default();
        let too_old = keep.is_some_and(|keep| age > keep);
        if too_old || swept.left_bytes > quota.max_bytes_total {
            fs::remove_file(&tape.path)?;
            swept.left_bytes = swept.left_bytes.saturating_sub(tape.bytes);
            swept.deleted.push(tape.path.clone());
        }
    }
    Ok(swept)
}

/// Bytes that we may still write to the disk of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder_of(path))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn recorded_tapes(writing: &Path) -> io::Result<Vec<Found>> {
    let mut tapes = Vec::new();
    for entry in fs::read_dir(folder_of(writing))? {
        let entry = entry?;
        let path = entry.path();
        // A tape may go away while we look: another run sweeps the same folder.
        let Ok(meta) = entry.metadata() else { continue };
        let named = path.extension().is_some_and(|e| e == "tape") && meta.is_file();
        if !named || TapeReader::open(&path).map_or(true, |r| r.header().kind != TapeKind::Recorded) {
            continue;
        }
        let busy = path.file_name() == writing.file_name() || is_locked(&path);
        tapes.push(Found { path, bytes: meta.len(), modified: meta.modified()?, busy });
    }
    Ok(tapes)
}

/// Does a running writer hold it? When that cannot be known, it counts as held.
fn is_locked(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock_shared()) {
        Ok(Ok(())) => false,
        Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::Event;
    use crate::engine::ids::Seq;
    use crate::engine::time::Ts;
    use crate::tape::samples;
    use crate::tape::write::TapeWriter;

    /// A finished tape, last written `age_s` before the year 2020.
    fn tape(folder: &Path, name: &str, kind: TapeKind, age_s: u64) -> PathBuf {
        let path = folder.join(name);
        let mut header = samples::header();
        header.kind = kind;
        let mut writer = TapeWriter::create(&path, &header).unwrap();
        writer.append(Ts(1), Seq(1), &Event::Ended).unwrap();
        writer.finish().unwrap();
        age(&path, age_s);
        path
    }

    fn age(path: &Path, age_s: u64) {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800 - age_s);
        File::options().write(true).open(path).unwrap().set_modified(moment).unwrap();
    }

    fn quota(max_bytes_total: u64, keep_s: i64) -> Quota {
        Quota { max_bytes_total, min_free_bytes: 0, keep: Span::from_secs(keep_s) }
    }

    #[test]
    fn the_oldest_recorded_tapes_go_first_and_nothing_else_goes() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let oldest = tape(at, "a.tape", TapeKind::Recorded, 900);
        let older = tape(at, "z.tape", TapeKind::Recorded, 800);
        let old = tape(at, "m.tape", TapeKind::Recorded, 700);
        let imported = tape(at, "i.tape", TapeKind::Imported, 5_000);
        let foreign = at.join("notes.tape");
        fs::write(&foreign, "not a tape").unwrap();
        age(&foreign, 9_000);
        let writing = at.join("now.tape");
        let writer = TapeWriter::create(&writing, &samples::header()).unwrap();
        age(&writing, 0);

        let size = fs::metadata(&old).unwrap().len();
        let room_for_one = writer.bytes() + size;
        let swept = sweep(&writing, &quota(room_for_one, 0)).unwrap();
        assert_eq!(swept.deleted, [oldest, older]);
        assert_eq!(swept.left_bytes, room_for_one);

        let swept = sweep(&writing, &quota(u64::MAX, 701)).unwrap();
        assert_eq!(swept.deleted, Vec::<PathBuf>::new());
        let swept = sweep(&writing, &quota(u64::MAX, 699)).unwrap();
        assert_eq!(swept.deleted, [old]);
        let swept = sweep(&writing, &quota(0, 1)).unwrap();
        assert_eq!(swept.deleted, Vec::<PathBuf>::new());
        assert!(writing.exists() && imported.exists() && foreign.exists());
    }

    #[test]
    fn a_tape_that_another_run_writes_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.tape");
        let mut writer = TapeWriter::create(&other, &samples::header()).unwrap();
        writer.append(Ts(1), Seq(1), &Event::Ended).unwrap();
        age(&other, 900);
        let writing = tape(folder.path(), "now.tape", TapeKind::Recorded, 0);
        assert_eq!(sweep(&writing, &quota(0, 1)).unwrap().deleted, Vec::<PathBuf>::new());
        drop(writer);
        assert_eq!(sweep(&writing, &quota(0, 1)).unwrap().deleted, [other]);
    }

    #[test]
    fn the_disk_has_a_size() {
        assert!(free_bytes(Path::new("x.tape")).unwrap() > 0);
    }
}
