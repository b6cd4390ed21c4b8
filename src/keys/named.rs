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

/// The bot that calls and is commanded.
pub const TELEGRAM_TOKEN: Named = Named {
    word: "telegram-token",
    title: "token of the Telegram bot",
    variable: "TICKDECK_TELEGRAM_TOKEN",
    key: "alerts.telegram.token",
};
/// What one-time codes of Telegram's remote control are made from.
pub const TELEGRAM_CODE: Named = Named {
    word: "telegram-code",
    title: "secret of Telegram's one-time codes",
    variable: "TICKDECK_TELEGRAM_CODE",
    key: "alerts.telegram.code",
};
/// Slack's incoming webhook.
pub const SLACK_WEBHOOK: Named = Named {
    word: "slack-webhook",
    title: "address of the Slack webhook",
    variable: "TICKDECK_SLACK_WEBHOOK",
    key: "alerts.slack.webhook",
};
/// Who sends mail.
pub const EMAIL_PASSWORD: Named = Named {
    word: "email-password",
    title: "password of the mail account",
    variable: "TICKDECK_EMAIL_PASSWORD",
    key: "alerts.email.password",
};
/// The address that gets JSON.
pub const WEBHOOK_URL: Named = Named {
    word: "webhook-url",
    title: "address of the webhook",
    variable: "TICKDECK_WEBHOOK_URL",
    key: "alerts.webhook.url",
};
/// Token that callers of `tickdeck serve` must show.
pub const SERVE_TOKEN: Named = Named {
    word: "serve-token",
    title: "token that callers of `tickdeck serve` show",
    variable: "TICKDECK_SERVE_TOKEN",
    key: "serve.token",
};
/// Token that model servers want to see.
pub const MODEL_TOKEN: Named = Named {
    word: "model-token",
    title: "token for model servers",
    variable: "TICKDECK_MODEL_TOKEN",
    key: "model.token",
};

/// Every one.
pub const NAMED: [Named; 7] =
    [TELEGRAM_TOKEN, TELEGRAM_CODE, SLACK_WEBHOOK, EMAIL_PASSWORD, WEBHOOK_URL, SERVE_TOKEN, MODEL_TOKEN];

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
        let told = missing(TELEGRAM_TOKEN, None).to_string();
        for part in ["token of the Telegram bot", "TICKDECK_TELEGRAM_TOKEN", "alerts.telegram.token_file", "keys set"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let silent = KeyringError::Unavailable("no bus".into());
        let told = missing(EMAIL_PASSWORD, Some(&silent)).to_string();
        assert!(told.contains("no bus") && told.contains("mode 0600"), "{told}");
        assert_eq!(Named::by_word("slack-webhook"), Some(SLACK_WEBHOOK));
        assert_eq!(Named::by_word("testnet"), None);
    }
}
