//! `[alerts]`: which channels reach a person, where, and how loud each event is. Secrets are in none of it.

use std::path::PathBuf;

use super::value::DayStart;
use crate::alerts::{CHANNELS, EVENTS, Loudness, Settings};
use crate::keys::{Named, Place};

/// Alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertsConfig {
    /// Channels that are used, by name.
    pub channels: Vec<String>,
    /// When the daily digest is sent.
    pub digest_at: DayStart,
    /// Silence for so many times what is expected is told.
    pub silence_times: u32,
    /// Telegram's chats, by number or by `@name`.
    pub telegram_chats: Vec<String>,
    /// Telegram's Bot API; another only for a server of one's own.
    pub telegram_url: String,
    /// The bot's token.
    pub telegram_token: Place,
    /// Slack's incoming webhook.
    pub slack_webhook: Place,
    /// Mail server.
    pub email_host: String,
    /// Its port.
    pub email_port: u32,
    /// Who logs in there; empty logs in nobody.
    pub email_user: String,
    /// The sender.
    pub email_from: String,
    /// Who gets the mail.
    pub email_to: Vec<String>,
    /// The password of `email_user`.
    pub email_password: Place,
    /// Root certificates beside the system's, for a server of one's own.
    pub email_ca_file: Option<PathBuf>,
    /// The address that gets JSON.
    pub webhook_url: Place,
    /// Loudness of each event, in the order of [`EVENTS`].
    pub levels: [String; EVENTS.len()],
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            digest_at: DayStart::default(),
            silence_times: 10,
            telegram_chats: Vec::new(),
            telegram_url: "https://api.telegram.org".to_owned(),
            telegram_token: Place::default(),
            slack_webhook: Place::default(),
            email_host: String::new(),
            email_port: 587,
            email_user: String::new(),
            email_from: String::new(),
            email_to: Vec::new(),
            email_password: Place::default(),
            email_ca_file: None,
            webhook_url: Place::default(),
            levels: EVENTS.map(|spec| spec.usual.word().to_owned()),
        }
    }
}

impl AlertsConfig {
    /// How loud each event is, in the order of [`EVENTS`].
    pub fn loudness(&self) -> [Loudness; EVENTS.len()] {
        std::array::from_fn(|event| self.levels.get(event).map_or(Loudness::On, |word| Loudness::by_word(word)))
    }

    /// Where the channels are.
    pub fn settings(&self) -> Settings {
        Settings {
            telegram_chats: self.telegram_chats.clone(),
            telegram_url: self.telegram_url.clone(),
            telegram_token: self.telegram_token.clone(),
            slack_webhook: self.slack_webhook.clone(),
            email_host: self.email_host.clone(),
            email_port: u16::try_from(self.email_port).unwrap_or(587),
            email_user: self.email_user.clone(),
            email_from: self.email_from.clone(),
            email_to: self.email_to.clone(),
            email_password: self.email_password.clone(),
            email_ca_file: self.email_ca_file.clone(),
            webhook_url: self.webhook_url.clone(),
        }
    }

    /// Where a channel's secret may lie.
    pub fn place(&self, named: Named) -> &Place {
        match named.word {
            "telegram-token" => &self.telegram_token,
            "slack-webhook" => &self.slack_webhook,
            "email-password" => &self.email_password,
            _ => &self.webhook_url,
        }
    }

    /// Every place of a secret, under the key of its command.
    pub(super) fn places(&self) -> [(&'static str, &Place); 4] {
        [
            ("alerts.telegram.token_command", &self.telegram_token),
            ("alerts.slack.webhook_command", &self.slack_webhook),
            ("alerts.email.password_command", &self.email_password),
            ("alerts.webhook.url_command", &self.webhook_url),
        ]
    }

    /// What cannot work. Each names the key that should give way.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let uses = |name: &str| self.channels.iter().any(|channel| channel == name);
        let mut found = Vec::new();
        if let Some(unknown) = self.channels.iter().find(|name| !CHANNELS.contains(&name.as_str())) {
            found.push(("alerts.channels", format!("`{unknown}` is none of {}", CHANNELS.join(", "))));
        }
        if uses("telegram") && self.telegram_chats.is_empty() {
            found.push(("alerts.telegram.chats", "is empty, and the channel telegram is used".to_owned()));
        }
        if uses("email") && (self.email_host.is_empty() || self.email_from.is_empty() || self.email_to.is_empty()) {
            let what = "the channel email is used: host, from and to must be set".to_owned();
            found.push(("alerts.email.host", what));
        }
        found
    }
}
