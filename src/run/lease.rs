//! One engine per account on one machine, whatever the data directories are: a lock that is named after the account. The
//! system releases it when the process ends, however it ends. Engines on two machines see each other's orders instead
//! (`venue/bybit/account`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::start::private_folder;
use crate::engine::ids::Account;
use crate::ledger::{Lock, LockError};

/// Held for as long as a run trades on the account.
#[derive(Debug)]
pub struct Lease {
    _lock: Lock,
}

/// Why an account is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another engine has it.
    #[error(
        "another engine trades on this {} account on this machine, perhaps with another data directory or mode: stop it first",
        .0.word()
    )]
    Taken(Account),
    /// There is no home directory to lock in.
    #[error(
        "cannot tell whether another engine trades on this account: this user has no home directory to keep a lock in"
    )]
    NoHome,
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
    /// Takes the account that this key opens at this exchange. The mode has no say: it is the same account.
    pub fn take(account: Account, exchange: &str, key: &str) -> Result<Self, LeaseError> {
        Self::take_in(&folder().ok_or(LeaseError::NoHome)?, account, exchange, key)
    }

    fn take_in(folder: &Path, account: Account, exchange: &str, key: &str) -> Result<Self, LeaseError> {
        let path = folder.join(format!("account-{}.lock", name_of(exchange, key)));
        let unknown = |why: String| LeaseError::Unknown { path: path.clone(), why };
        private_folder(folder).map_err(|error| unknown(error.to_string()))?;
        match Lock::take(&path) {
            Ok(lock) => Ok(Self { _lock: lock }),
            Err(LockError::Held(_)) => Err(LeaseError::Taken(account)),
            Err(LockError::Failed(error)) => Err(unknown(error.to_string())),
        }
    }
}

/// A place that every engine of this user finds, whatever its data directory, and from cron as from a login shell: the
/// variables of a session (`XDG_RUNTIME_DIR`, `XDG_DATA_HOME`, `TMPDIR`) have no say.
fn folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".local/state/tickdeck"))
}

/// A name that tells accounts apart and tells nobody the key.
fn name_of(exchange: &str, key: &str) -> String {
    let digest = Sha256::new().chain_update(exchange).chain_update([0]).chain_update(key).finalize();
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
        let (folder, host) = (tempfile::tempdir().unwrap(), "https://api.example");
        let take_as = |account, key| Lease::take_in(folder.path(), account, host, key);
        let take = |key| take_as(Account::Testnet, key);
        let first = take("key1").unwrap();
        let second = take("key1").unwrap_err().to_string();
        assert!(second.contains("another engine trades on this testnet account"), "{second}");
        let mode = take_as(Account::DemoAccount, "key1").unwrap_err().to_string();
        assert!(mode.contains("demo-account account"), "one key, two modes: {mode}");
        let _other = take("key2").unwrap();
        drop(first);
        drop(take("key1").unwrap());
        assert!(!name_of(host, "key1").contains("key1"));
    }
}
