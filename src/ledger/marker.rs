//! The latch marker: a small file beside the ledger that keeps a kill or trip alive when the ledger cannot.
//!
//! Either one, ledger or marker, is enough to start latched. A marker that cannot be read counts as a kill.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::LedgerError;
use crate::engine::ids::Pair;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::time::Ts;

/// Longest marker that is read: ours are a few hundred bytes.
const MARKER_BYTES_MAX: u64 = 64 * 1024;

/// `latched.simulated` beside `simulated.sqlite`.
pub(super) fn path_beside(ledger: &Path, pair: Pair) -> PathBuf {
    let stem = pair.ledger_name().trim_end_matches(".sqlite");
    ledger.with_file_name(format!("latched.{stem}"))
}

/// Latches an account whose ledger cannot be asked, because its engine is gone: the next start finds the marker.
/// A kill that is marked already stays, and from here on this process does not lift it: a lift that still waits for a
/// slow disk must not undo it.
pub fn mark_latched(ledger: &Path, pair: Pair, latch: &Latch) -> Result<(), LedgerError> {
    let path = path_beside(ledger, pair);
    held().insert(path.clone());
    if read(&path).is_some_and(|marked| marked.is_kill()) {
        return Ok(());
    }
    write(&path, latch)
}

/// The latch that others left beside a ledger, if there is one.
pub fn marked(ledger: &Path, pair: Pair) -> Option<Latch> {
    read(&path_beside(ledger, pair))
}

/// Latches while the ledger's own row still waits for a slow disk: that row, or the lift that follows it, replaces this.
pub fn mark_meanwhile(ledger: &Path, pair: Pair, latch: &Latch) -> Result<(), LedgerError> {
    let path = path_beside(ledger, pair);
    if read(&path).is_some_and(|marked| marked.is_kill()) { Ok(()) } else { write(&path, latch) }
}

/// Markers that were set past their ledger: only the next process may lift them.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn held() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latch in the marker, if there is a marker.
pub(super) fn read(path: &Path) -> Option<Latch> {
    let unreadable = |why: String| {
        let how = format!("the latch marker {} cannot be read ({why})", path.display());
        Some(Latch { cause: LatchCause::Killed(how), at: Ts(0) })
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return unreadable(error.to_string()),
        Ok(meta) if meta.len() > MARKER_BYTES_MAX => return unreadable(format!("{} bytes", meta.len())),
        Ok(_) => {}
    }
    match fs::read_to_string(path).map_err(|e| e.to_string()) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(latch) => Some(latch),
            Err(error) => unreadable(error.to_string()),
        },
        Err(error) => unreadable(error),
    }
}

/// Writes the marker so that it survives a power loss.
pub(super) fn write(path: &Path, latch: &Latch) -> Result<(), LedgerError> {
    let failed = |why: String| LedgerError::Marker { path: path.to_owned(), verb: "written", why };
    let text = serde_json::to_string_pretty(latch).map_err(|e| failed(e.to_string()))?;
    let fresh = path.with_extension("new");
    let written = (|| {
        let mut file = private_file(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_folder(path)
    })();
    // A marker that exists latches whatever it says, so an imperfect one is better than none.
    written.or_else(|_| fs::write(path, text.as_bytes())).map_err(|e| failed(e.to_string()))
}

/// Removes the marker; one that is held stays, and that is an error.
pub(super) fn remove(path: &Path) -> Result<(), LedgerError> {
    // Until it is gone, so that a marker that is held from now on is written after this.
    let held = held();
    if held.contains(path) {
        return Err(LedgerError::MarkerHeld { path: path.to_owned() });
    }
    match fs::remove_file(path).and_then(|()| sync_folder(path)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LedgerError::Marker { path: path.to_owned(), verb: "removed", why: error.to_string() }),
    }
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::Account;

    #[test]
    fn a_marker_comes_back_and_a_damaged_one_counts_as_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_beside(&folder.path().join("simulated.sqlite"), Pair::SIMULATED);
        assert!(path.ends_with("latched.simulated"));
        assert_eq!(read(&path), None);
        let latch = Latch { cause: LatchCause::Fault("tape".into()), at: Ts(5) };
        write(&path, &latch).unwrap();
        assert_eq!(read(&path), Some(latch));
        fs::write(&path, "half a ma").unwrap();
        assert!(read(&path).is_some_and(|l| l.is_kill()));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path), None);
    }

    #[test]
    fn a_marker_that_was_set_past_its_ledger_is_held_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = |account| (folder.path().join("x.sqlite"), Pair::bybit(account));
        let ((path, testnet), (_, paper)) = (ledger(Account::Testnet), ledger(Account::Paper));
        let latch = Latch { cause: LatchCause::Killed("test".into()), at: Ts(5) };
        mark_latched(&path, testnet, &latch).unwrap();
        let marker = path_beside(&path, testnet);
        assert!(matches!(remove(&marker), Err(LedgerError::MarkerHeld { .. })));
        assert_eq!(marked(&path, testnet), Some(latch.clone()));
        mark_meanwhile(&path, paper, &latch).unwrap();
        remove(&path_beside(&path, paper)).unwrap();
        assert_eq!(marked(&path, paper), None, "another account's marker is not held");
    }
}
