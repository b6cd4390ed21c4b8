//! Why an account cannot be opened: where was looked, and what to do. No message holds a key.

use super::{FileError, KeyringError, Malformed, Part, ProgramError, Source, title};
use crate::engine::ids::Account;

/// Why a source that was to have a text cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The text.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There are none to be had.
    #[error("the paper account has no keys and needs none")]
    Paper,
    /// A source has a text that cannot be used.
    #[error("the {part} of the {} cannot be used, so nothing was sent to Bybit. {place}: {why}", title(*account))]
    Unusable {
        /// Whose.
        account: Account,
        /// Which.
        part: Part,
        /// Where.
        place: Source,
        /// Why not.
        why: Why,
    },
    /// No source has it.
    #[error(
        "there is no {part} for the {title}, so nothing was sent to Bybit. Looked in: environment {variable} (not \
         set); file (none in keys.{section}.{name}_file); system keyring ({keyring}); program (none in \
         keys.{section}.{name}_command). {way}",
        title = title(*account),
        section = section(*account),
        name = part.name(),
        keyring = keyring.as_ref().map_or("no entry".to_owned(), ToString::to_string),
        way = way(*account, *part, keyring.as_ref())
    )]
    Missing {
        /// Whose.
        account: Account,
        /// Which.
        part: Part,
        /// Its environment variable.
        variable: &'static str,
        /// What the keyring said, where it did not answer.
        keyring: Option<KeyringError>,
    },
}

/// Name of an account's section of the configuration, below `keys`.
pub(super) const fn section(account: Account) -> &'static str {
    match account {
        Account::DemoAccount => "demo_account",
        account => account.word(),
    }
}

fn way(account: Account, part: Part, keyring: Option<&KeyringError>) -> String {
    let (section, name) = (section(account), part.name());
    if keyring.is_some() {
        format!("Put it into a file of mode 0600 and name the file in keys.{section}.{name}_file")
    } else {
        format!("`tickdeck keys set {}` stores it in the keyring", account.word())
    }
}
