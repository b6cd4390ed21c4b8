//! The system's keyring: Keychain, Credential Manager, or the Secret Service of a Linux desktop.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use ::keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{Part, Secret};
use crate::engine::ids::Account;

/// Name of our entries in the keyring.
const SERVICE: &str = "tickdeck";
/// How long the keyring may take: a person may have to unlock it.
const LIMIT: Duration = Duration::from_secs(60);

/// Why the keyring was of no help. Never holds what an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No service runs.
    #[error("no keyring service answers here ({0})")]
    Unavailable(String),
    /// It is locked, or it refuses.
    #[error("the keyring refuses: {0}")]
    Refused(String),
    /// It did not answer.
    #[error("the keyring did not answer within {} s; it may be locked", LIMIT.as_secs())]
    Silent,
    /// The entry is not ours.
    #[error("the keyring's entry holds no key; `tickdeck keys set` writes it anew")]
    Spoilt,
}

/// Is there a keyring at all? Unlocks nothing.
pub fn check() -> Result<(), KeyringError> {
    with_entry(entry(Account::Live, Part::ApiKey), |_| Ok(()))
}

/// Name of the entry of an account's text.
pub fn entry(account: Account, part: Part) -> String {
    format!("{} {}", account.word(), part.name())
}

/// Reads an entry; `None` where there is none.
pub fn read(name: &str) -> Result<Option<Secret>, KeyringError> {
    with_entry(name.to_owned(), |entry| match entry.get_secret().map(Zeroizing::new) {
        Ok(bytes) => {
            let text = std::str::from_utf8(&bytes).ok().and_then(|text| Secret::new(text).ok());
            text.map(Some).ok_or(KeyringError::Spoilt)
        }
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(told(&error)),
    })
}

/// Writes an entry, over one that is there.
pub fn write(name: &str, text: Secret) -> Result<(), KeyringError> {
    with_entry(name.to_owned(), move |entry| entry.set_secret(text.expose().as_bytes()).map_err(|error| told(&error)))
}

/// Removes an entry. False: there was none.
pub fn remove(name: &str) -> Result<bool, KeyringError> {
    with_entry(name.to_owned(), |entry| match entry.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(told(&error)),
    })
}

/// Uses an entry on a thread of its own: what a keyring waits for has no limit of its own.
fn with_entry<T: Send + 'static>(
    name: String,
    work: impl FnOnce(&Entry) -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let (send, receive) = sync_channel(1);
    let worker = std::thread::Builder::new().name("keyring".into()).spawn(move || {
        let outcome = match Entry::new(SERVICE, &name) {
            Ok(entry) => work(&entry),
            Err(error) => Err(match Entry::store_status() {
                Ok(()) => told(&error),
                Err(status) => KeyringError::Unavailable(words(status)),
            }),
        };
        let _ = send.send(outcome);
    });
    worker.map_err(|error| KeyringError::Refused(error.to_string()))?;
    receive.recv_timeout(LIMIT).map_err(|_| KeyringError::Silent)?
}

fn told(error: &Error) -> KeyringError {
    match error {
        Error::PlatformFailure(_) | Error::NoDefaultStore => KeyringError::Unavailable(words(error)),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeyringError::Spoilt,
        _ => KeyringError::Refused(words(error)),
    }
}

/// The system's words, where they cannot hold what an entry holds.
fn words(error: &Error) -> String {
    let words = match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
        Error::BadStoreFormat(words) | Error::NotSupportedByStore(words) => words.clone(),
        Error::TooLong(..) => "the text is too long for it".to_owned(),
        Error::Ambiguous(_) => "several entries have our name; remove them in the keyring's own program".to_owned(),
        _ => "no reason given".to_owned(),
    };
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_happened_and_nothing_of_an_entry() {
        let bytes = b"0123456789abcdef".to_vec();
        assert_eq!(told(&Error::BadEncoding(bytes.clone())), KeyringError::Spoilt);
        assert_eq!(told(&Error::BadDataFormat(bytes, "bad".into())), KeyringError::Spoilt);
        let locked = told(&Error::NoStorageAccess("locked\nby you".into())).to_string();
        assert_eq!(locked, "the keyring refuses: locked by you");
        let gone = told(&Error::PlatformFailure("no bus".into())).to_string();
        assert_eq!(gone, "no keyring service answers here (no bus)");
    }
}
