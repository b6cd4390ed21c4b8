//! A key in a file that its owner alone may read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Secret, Why};

/// Most that is read: a key has tens of characters.
const BYTES_MAX: usize = 4096;

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// A folder, a pipe, a device.
    #[error("it is no plain file")]
    NotPlain,
    /// Others can read or change it.
    #[error(
        "others on this machine can read or change it (mode {mode:04o}). Make it private with `chmod 600`; if anyone else \
         uses this machine, treat the key as known to them and make a new one at Bybit"
    )]
    Open {
        /// Permission bits.
        mode: u32,
    },
    /// Somebody else owns it.
    #[error("it belongs to user {owner}, and tickdeck runs as user {own}: whoever owns it could change the account")]
    Foreign {
        /// Its owner.
        owner: u32,
        /// Who we are.
        own: u32,
    },
    /// Not text.
    #[error("it is not a text")]
    NotText,
}

/// Reads a key. What is checked is the file that is read, not its name: a link may point to it.
pub(super) fn read(path: &Path) -> Result<Secret, Why> {
    // A pipe is refused below; opening one that nobody writes to would wait for ever.
    if !std::fs::metadata(path).map_err(FileError::Unreadable)?.is_file() {
        return Err(FileError::NotPlain.into());
    }
    let file = File::open(path).map_err(FileError::Unreadable)?;
    let about = file.metadata().map_err(FileError::Unreadable)?;
    if !about.is_file() {
        return Err(FileError::NotPlain.into());
    }
    private(&about)?;
    // Twice the size that is read: a buffer that never grows leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * BYTES_MAX));
    file.take(BYTES_MAX as u64).read_to_end(&mut bytes).map_err(FileError::Unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| FileError::NotText)?;
    Ok(Secret::new(text)?)
}

#[cfg(unix)]
fn private(about: &std::fs::Metadata) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt as _;
    judged(about.mode() & 0o7777, about.uid(), rustix::process::geteuid().as_raw())
}

#[cfg(unix)]
fn judged(mode: u32, owner: u32, own: u32) -> Result<(), FileError> {
    if mode & 0o077 != 0 {
        Err(FileError::Open { mode })
    } else if owner != own {
        Err(FileError::Foreign { owner, own })
    } else {
        Ok(())
    }
}

/// Elsewhere a file's mode says nothing about who may read it.
#[cfg(not(unix))]
fn private(_: &std::fs::Metadata) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        #[cfg(not(unix))]
        let _ = mode;
    }

    #[test]
    fn a_private_file_with_one_text_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, "0123456789abcdef\n", 0o600);
        assert_eq!(read(&path).unwrap().expose(), "0123456789abcdef");
        write(&path, "0123456789abcdef", 0o400);
        assert_eq!(read(&path).unwrap().expose(), "0123456789abcdef");
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for mode in [0o644, 0o640, 0o604, 0o660, 0o601, 0o700 | 0o010] {
            write(&path, "0123456789abcdef", mode);
            let told = read(&path).unwrap_err().to_string();
            assert!(told.contains("chmod 600") && told.contains(&format!("{mode:04o}")), "{told}");
            assert!(!told.contains("0123456789"), "{told}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_file_of_somebody_else_is_refused() {
        assert!(judged(0o600, 1000, 1000).is_ok());
        assert!(matches!(judged(0o600, 0, 1000), Err(FileError::Foreign { owner: 0, own: 1000 })));
        assert!(matches!(judged(0o640, 1000, 1000), Err(FileError::Open { mode: 0o640 })));
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for text in ["", "first line\nsecond line", "\u{fffd}", &"x".repeat(2 * BYTES_MAX)] {
            write(&path, text, 0o600);
            let told = read(&path).unwrap_err().to_string();
            assert!(!told.contains("second line") && !told.contains("xxx"), "{told}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path), Err(Why::File(FileError::NotText))));
        assert!(matches!(read(folder.path()), Err(Why::File(FileError::NotPlain))));
        assert!(matches!(read(&folder.path().join("none")), Err(Why::File(FileError::Unreadable(_)))));
    }
}
