//! One engine per account on one machine, whatever the data directories are: a lock that is named after the account. The
//! system releases it when the process ends, however it ends. By the key before any network is there, and by the user that
//! the exchange names as soon as it does: one account may have several keys. Engines on two machines see each other's orders
//! instead (`venue/bybit/account`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::start::private_folder;
use crate::engine::ids::Account;
use crate::ledger::{Lock, LockError};
use crate::venue::bybit::account::Claim;

/// Held for as long as a run trades on the account.
#[derive(Debug)]
pub struct Lease {
    _key: Lock,
    user: Arc<Mutex<Option<(i64, Lock)>>>,
    folder: PathBuf,
    account: Account,
    exchange: String,
}

/// Why an account is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another engine has it.
    #[error(
        "another engine{} trades on this {} account on this machine, perhaps with another data directory, mode or key: stop it \
         first",
        .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .account.word()
    )]
    Taken {
        /// Whose money.
        account: Account,
        /// The number of its process, where that is known.
        pid: Option<String>,
    },
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
        let lock = lock(folder, account, &name_of(&[exchange, key]))?;
        let (user, folder, exchange) = (Arc::default(), folder.to_owned(), exchange.to_owned());
        Ok(Self { _key: lock, user, folder, account, exchange })
    }

    /// Takes the account by its user too, once the exchange says who that is; given back with this lease. Users of one mode
    /// say nothing about those of another.
    pub fn claim(&self) -> Claim {
        let (held, folder) = (Arc::downgrade(&self.user), self.folder.clone());
        let (account, exchange) = (self.account, self.exchange.clone());
        Claim::new(move |user| {
            let held = held.upgrade().ok_or("the run is over")?;
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.as_ref().is_some_and(|(taken, _)| *taken == user) {
                return Ok(());
            }
            let name = name_of(&[&exchange, account.word(), &user.to_string()]);
            let lock = lock(&folder, account, &name).map_err(|error| error.to_string())?;
            *held = Some((user, lock));
            Ok(())
        })
    }
}

fn lock(folder: &Path, account: Account, name: &str) -> Result<Lock, LeaseError> {
    let path = folder.join(format!("account-{name}.lock"));
    let unknown = |why: String| LeaseError::Unknown { path: path.clone(), why };
    private_folder(folder).map_err(|error| unknown(error.to_string()))?;
    Lock::take(&path).map_err(|error| match error {
        LockError::Held(pid) => LeaseError::Taken { account, pid },
        LockError::Failed(error) => unknown(error.to_string()),
    })
}

/// A place that every engine of this user finds, whatever its data directory, and from cron as from a login shell: the
/// variables of a session (`XDG_RUNTIME_DIR`, `XDG_DATA_HOME`, `TMPDIR`) have no say.
fn folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".local/state/tickdeck"))
}

/// A name that tells accounts apart and tells nobody the key.
fn name_of(parts: &[&str]) -> String {
    let whole = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part).chain_update([0]));
    let digest = whole.finalize();
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
        let ours = format!("another engine (process {}) trades on this testnet account", std::process::id());
        assert!(second.contains(&ours), "{second}");
        let mode = take_as(Account::DemoAccount, "key1").unwrap_err().to_string();
        assert!(mode.contains("demo-account account"), "one key, two modes: {mode}");
        let _other = take("key2").unwrap();
        drop(first);
        drop(take("key1").unwrap());
        assert!(!name_of(&[host, "key1"]).contains("key1"));
    }

    #[test]
    fn two_keys_of_one_account_are_one_account_as_soon_as_its_user_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let take = |account, key| Lease::take_in(folder.path(), account, "bybit", key).unwrap();
        let (first, second) = (take(Account::Testnet, "key1"), take(Account::Testnet, "key2"));
        let (claim, late) = (first.claim(), second.claim());
        assert_eq!(claim.take(7), Ok(()));
        assert_eq!(claim.take(7), Ok(()), "asked again after an absence");
        let refused = late.take(7).unwrap_err();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        assert_eq!(late.take(8), Ok(()), "another user");
        assert_eq!(take(Account::DemoAccount, "key3").claim().take(7), Ok(()), "another mode has users of its own");
        drop(first);
        assert_eq!(late.take(7), Ok(()), "given back with the lease");
        assert!(claim.take(7).is_err(), "a run that is over takes nothing");
    }
}
