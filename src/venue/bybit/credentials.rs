//! The key and secret of one account. The secret leaves memory with the value that holds it and is never shown.

use std::fmt;

use zeroize::Zeroizing;

use super::sign::Signer;
use super::unlock::LiveKey;

/// An account that orders may be sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrivateAccount {
    /// Bybit's demo trading.
    Demo,
    /// Bybit's test network.
    Testnet,
    /// Real money.
    Live(LiveKey),
}

/// The key pair of one account.
pub struct Credentials {
    account: PrivateAccount,
    key: Zeroizing<String>,
    signer: Signer,
}

/// Why a key pair cannot be used. Never carries what was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CredentialsError {
    /// One of them is empty.
    #[error("the API {0} is empty")]
    Empty(&'static str),
    /// Blanks, line ends or other signs that no key has.
    #[error("the API {0} has characters that no key has; was it copied with a blank or a line end?")]
    Characters(&'static str),
}

impl Credentials {
    /// From a key and its secret, which is wiped once its signer is prepared.
    #[allow(clippy::needless_pass_by_value)] // taken so that it is wiped here
    pub fn new(account: PrivateAccount, key: &str, secret: Zeroizing<String>) -> Result<Self, CredentialsError> {
        for (what, text) in [("key", key), ("secret", secret.as_str())] {
            if text.is_empty() {
                return Err(CredentialsError::Empty(what));
            }
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(CredentialsError::Characters(what));
            }
        }
        Ok(Self { account, key: Zeroizing::new(key.to_owned()), signer: Signer::new(secret.as_bytes()) })
    }

    /// Whose they are.
    pub const fn account(&self) -> &PrivateAccount {
        &self.account
    }
    /// The key, for the header of a request.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// Signs for the key.
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }
    /// The last four characters of the key, to tell accounts apart on the screen.
    pub fn tail(&self) -> &str {
        let from = self.key.len().saturating_sub(4);
        self.key.get(from..).unwrap_or_default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, …{})", self.account, self.tail())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_never_shown() {
        let secret = "s3cr3tvalue".to_owned();
        let credentials = Credentials::new(PrivateAccount::Demo, "KEY12345", secret.into()).unwrap();
        let shown = format!("{credentials:?}");
        assert_eq!(shown, "Credentials(Demo, …2345)");
        assert!(matches!(
            Credentials::new(PrivateAccount::Demo, "KEY", "se cret".to_owned().into()),
            Err(CredentialsError::Characters("secret"))
        ));
        assert!(matches!(
            Credentials::new(PrivateAccount::Demo, "", "s".to_owned().into()),
            Err(CredentialsError::Empty("key"))
        ));
    }
}
