//! One holder of a file on this machine at a time. The system releases a lock when its process ends, however it ends: a
//! crash leaves nothing to clean up.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// A lock, free again when this is dropped.
#[derive(Debug)]
pub struct Lock(File);

/// Why a lock is not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another holds it; its process number, where that is known.
    Held(Option<String>),
    /// The system's words.
    Failed(std::io::Error),
}

impl Lock {
    /// Takes the lock that is kept in the file `path`, which is created with mode 0600 where it is not there.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let file = private_file(path).map_err(LockError::Failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(pid_in(&file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Failed(error)),
        }
        let mut held = Self(file);
        // The number is a courtesy for the message above; the lock holds without it.
        held.note().map_err(LockError::Failed)?;
        Ok(held)
    }

    fn note(&mut self) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        write!(self.0, "{}", std::process::id())
    }
}

impl Drop for Lock {
    /// Said aloud, because closing the file is not enough: a process that was begun at this moment by another thread has
    /// the file open too until it runs its own program, and would keep the lock that long.
    fn drop(&mut self) {
        drop(self.0.unlock());
    }
}

/// Does a process hold the lock in this file, and which one, where that is known?
pub(super) fn holder(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(pid_in(&file).unwrap_or_else(|| "unknown".to_owned())),
        _ => None,
    }
}

fn pid_in(file: &File) -> Option<String> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())).then(|| pid.to_owned())
}

/// Opens or creates a file that only its owner may read.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_dropped_is_free_even_where_another_has_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let first = Lock::take(&path).unwrap();
        assert_eq!(holder(&path), Some(std::process::id().to_string()));
        let Err(LockError::Held(Some(pid))) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(pid, std::process::id().to_string());
        // What a process has that was begun while the lock was held.
        let _inherited = first.0.try_clone().unwrap();
        drop(first);
        assert_eq!(holder(&path), None);
        drop(Lock::take(&path).unwrap());
    }
}
