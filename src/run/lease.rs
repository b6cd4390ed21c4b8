//! One engine per account on one machine, whatever the data directories are: a lock that is named after the account. The
//! system releases it when the process ends, however it ends. Engines on two machines see each other's orders instead
//! (`venue/bybit/account`).

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::start::private_folder;
use crate::engine::ids::Account;

/// Held for as long as a run trades on the account.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

/// Why an account is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another engine has it.
    #[error(
        "another engine trades on this {} account on this machine, perhaps with another data directory: stop it first",
        .0.word()
    )]
    Taken(Account),
    /// The lock cannot be made.
    #[error("cannot tell whether another engine trades on this account: {path}: {why}", path = path.display())]
    Unknown {
        /// Where it would be.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

impl Lease {
    /// Takes the account that this key opens at this host.
    pub fn take(account: Account, host: &str, key: &str) -> Result<Self, LeaseError> {
        let folder = folder();
        let path = folder.join(format!("{}-{}.lock", account.word(), name_of(host, key)));
        let unknown = |why: String| LeaseError::Unknown { path: path.clone(), why };
        private_folder(&folder).map_err(|error| unknown(error.to_string()))?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| unknown(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LeaseError::Taken(account)),
            Err(TryLockError::Error(error)) => Err(unknown(error.to_string())),
        }
    }
}

/// A place that every engine of this user finds, whatever its data directory.
fn folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let user =
        || std::env::var("USER").unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    runtime.map_or_else(|| std::env::temp_dir().join(format!("tickdeck-{}", user())), |dir| dir.join("tickdeck"))
}

/// A name that tells accounts apart and tells nobody the key.
fn name_of(host: &str, key: &str) -> String {
    let digest = Sha256::new().chain_update(host).chain_update([0]).chain_update(key).finalize();
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_taken_once_and_free_again_afterwards() {
        let host = format!("https://host-{}.example", std::process::id());
        let first = Lease::take(Account::Testnet, &host, "key1").unwrap();
        let second = Lease::take(Account::Testnet, &host, "key1").unwrap_err().to_string();
        assert!(second.contains("another engine trades on this testnet account"), "{second}");
        let _other = Lease::take(Account::Testnet, &host, "key2").unwrap();
        drop(first);
        drop(Lease::take(Account::Testnet, &host, "key1").unwrap());
        assert!(!name_of(&host, "key1").contains("key1"));
    }
}
