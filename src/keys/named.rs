//! Secrets of services beside the exchange: found in the same places, in the same order, as an account's.

use super::{KeyringError, Lack, Place, Secret, Source, System, Why};

/// A secret of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its word on the command line, and its entry in the keyring.
    pub word: &'static str,
    /// What it is, in a sentence.
    pub title: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// Its configuration keys without their ends `_file` and `_command`.
    pub key: &'static str,
}

/// Every one.
pub const NAMED: [Named; 4] = [
    Named {
        word: "telegram-token",
        title: "token of the Telegram bot",
        variable: "TICKDECK_TELEGRAM_TOKEN",
        key: "alerts.telegram.token",
    },
    Named {
        word: "slack-webhook",
        title: "address of the Slack webhook",
        variable: "TICKDECK_SLACK_WEBHOOK",
        key: "alerts.slack.webhook",
    },
    Named {
        word: "email-password",
        title: "password of the mail account",
        variable: "TICKDECK_EMAIL_PASSWORD",
        key: "alerts.email.password",
    },
    Named {
        word: "webhook-url",
        title: "address of the webhook",
        variable: "TICKDECK_WEBHOOK_URL",
        key: "alerts.webhook.url",
    },
];

/// Why there is no such secret. Never says what a source holds.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// A source has a text that cannot be used.
    #[error("the {title} cannot be used. {place}: {why}")]
    Unusable {
        /// What it is.
        title: &'static str,
        /// Where.
        place: Source,
        /// Why not.
        why: Why,
    },
    /// No source has it.
    #[error(
        "there is no {}. Looked in: environment {} (not set); file (none in {key}_file); system keyring ({ring}); program \
         (none in {key}_command). {}",
        .named.title, .named.variable, .way, key = .named.key
    )]
    Missing {
        /// Which.
        named: Named,
        /// What the keyring said.
        ring: String,
        /// What to do.
        way: String,
    },
}

impl Named {
    /// By its word.
    pub fn by_word(word: &str) -> Option<Self> {
        NAMED.into_iter().find(|named| named.word == word)
    }
}

/// Finds a secret and where it was. May wait for a person who unlocks the keyring or answers a program.
pub fn find_named(named: Named, place: &Place) -> Result<(Secret, Source), NamedError> {
    System::default().look(named.variable, named.word, place).map_err(|lack| match lack {
        Lack::Unusable(place, why) => NamedError::Unusable { title: named.title, place, why },
        Lack::Missing(keyring) => missing(named, keyring.as_ref()),
    })
}

fn missing(named: Named, keyring: Option<&KeyringError>) -> NamedError {
    let way = match keyring {
        Some(_) => format!("Put it into a file of mode 0600 and name the file in {}_file", named.key),
        None => format!("`tickdeck keys set {}` stores it in the keyring", named.word),
    };
    NamedError::Missing { named, ring: keyring.map_or("no entry".to_owned(), ToString::to_string), way }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_where_to_put_it() {
        let told = missing(NAMED[0], None).to_string();
        for part in ["token of the Telegram bot", "TICKDECK_TELEGRAM_TOKEN", "alerts.telegram.token_file", "keys set"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let silent = KeyringError::Unavailable("no bus".into());
        let told = missing(NAMED[2], Some(&silent)).to_string();
        assert!(told.contains("no bus") && told.contains("mode 0600"), "{told}");
        assert_eq!(Named::by_word("slack-webhook"), Some(NAMED[1]));
        assert_eq!(Named::by_word("testnet"), None);
    }
}
