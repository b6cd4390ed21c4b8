//! The ways to a person: one file each, one line each in [`CHANNELS`] and [`open`].

mod bell;
mod email;
mod slack;
mod telegram;
mod webhook;

use std::path::PathBuf;
use std::pin::Pin;

use super::event::Message;
pub use bell::Bells;

use crate::engine::time::Span;
use crate::keys::{NamedError, Place};

/// Channels by name.
pub const CHANNELS: [&str; 5] = ["telegram", "slack", "email", "webhook", "bell"];

/// What comes of a try, later.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;

/// A way to a person.
pub trait Channel: Send + Sync {
    /// Sends a message.
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a>;
    /// Would it? As quietly as the service allows.
    fn probe(&self) -> Outcome<'_>;
    /// Is there anybody at its end now? A channel to nobody is none.
    fn is_there(&self) -> bool {
        true
    }
}

/// Why a message was not taken. The words hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SendError {
    /// What happened, and what to do.
    pub why: String,
    /// The service has it and refuses it: the same again would be refused again.
    pub refused: bool,
    /// How long the service wants to be left alone.
    pub wait: Option<Span>,
    /// HTTP status of its answer, where there was one.
    pub status: Option<u16>,
}

impl SendError {
    /// No answer, or none that says anything about the message.
    pub(super) fn unreachable(why: &str) -> Self {
        Self { why: why.to_owned(), refused: false, wait: None, status: None }
    }
    /// A no.
    pub(super) fn refused(why: String) -> Self {
        Self { why, refused: true, wait: None, status: None }
    }
    /// A service answered with this status and these words.
    pub(super) fn answered(status: u16, said: &str, wait: Option<Span>) -> Self {
        let busy = status == 429 || status >= 500;
        let said = match super::post::told(said) {
            said if !said.is_empty() => said,
            _ if (300..400).contains(&status) => "it has moved, and nothing is sent elsewhere than you said".to_owned(),
            _ => "without a word".to_owned(),
        };
        Self { why: format!("{status}: {said}"), refused: !busy, wait, status: Some(status) }
    }
}

/// Where the channels are and where their secrets lie. Secrets are in none of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Telegram's chats, by number or by `@name`.
    pub telegram_chats: Vec<String>,
    /// Telegram's Bot API; another only for a server of one's own.
    pub telegram_url: String,
    /// The bot's token.
    pub telegram_token: Place,
    /// Chats that may command, and in groups also who may there; by number.
    pub telegram_control: Vec<String>,
    /// What one-time codes are made from.
    pub telegram_code: Place,
    /// Slack's webhook.
    pub slack_webhook: Place,
    /// The mail server.
    pub email_host: String,
    /// Its port.
    pub email_port: u32,
    /// Who logs in there; empty is nobody.
    pub email_user: String,
    /// Sender.
    pub email_from: String,
    /// Receivers.
    pub email_to: Vec<String>,
    /// The password of `email_user`.
    pub email_password: Place,
    /// Root certificates beside the system's, for a server of one's own.
    pub email_ca_file: Option<PathBuf>,
    /// The address that gets JSON.
    pub webhook_url: Place,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            telegram_chats: Vec::new(),
            telegram_url: "https://api.telegram.org".to_owned(),
            telegram_token: Place::default(),
            telegram_control: Vec::new(),
            telegram_code: Place::default(),
            slack_webhook: Place::default(),
            email_host: String::new(),
            email_port: 587,
            email_user: String::new(),
            email_from: String::new(),
            email_to: Vec::new(),
            email_password: Place::default(),
            email_ca_file: None,
            webhook_url: Place::default(),
        }
    }
}

/// Why a channel cannot even be tried. The words hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its secret.
    #[error(transparent)]
    Secret(#[from] NamedError),
    /// Something else about it.
    #[error("{0}")]
    Unusable(String),
}

/// Opens a channel by name: one way for each who is reached by it. Looks for its secret, which may take as long as a person
/// takes to unlock a keyring. The bell rings in the cockpits that have `bells`, else at the terminal of this process.
pub fn open(name: &str, settings: &Settings, bells: Option<&Bells>) -> Result<Vec<Box<dyn Channel>>, OpenError> {
    fn boxed(channel: impl Channel + 'static) -> Box<dyn Channel> {
        Box::new(channel)
    }
    Ok(match name {
        "telegram" => telegram::Telegram::open(settings)?.into_iter().map(boxed).collect(),
        "slack" => vec![boxed(slack::Slack::open(settings)?)],
        "email" => vec![boxed(email::Email::open(settings)?)],
        "webhook" => vec![boxed(webhook::Webhook::open(settings)?)],
        "bell" => vec![boxed(bells.cloned().map_or(bell::Bell::Here, bell::Bell::Cockpits))],
        other => return Err(OpenError::Unusable(format!("`{other}` is no channel"))),
    })
}
