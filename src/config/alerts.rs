//! `[alerts]`: which channels reach a person, where, and how loud each event is. Secrets are in none of it.

use super::value::DayStart;
use crate::alerts::{CHANNELS, EVENTS, Loudness, Settings};
use crate::keys::{EMAIL_PASSWORD, Named, Place, SLACK_WEBHOOK, TELEGRAM_CODE, TELEGRAM_TOKEN};

/// Alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertsConfig {
    /// Channels that are used, by name.
    pub channels: Vec<String>,
    /// When the daily digest is sent.
    pub digest_at: DayStart,
    /// Silence for so many times what is expected is told.
    pub silence_times: u32,
    /// Where the channels are.
    pub settings: Settings,
    /// Loudness of each event, in the order of [`EVENTS`].
    pub levels: [String; EVENTS.len()],
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            digest_at: DayStart::default(),
            silence_times: 10,
            settings: Settings::default(),
            levels: EVENTS.map(|spec| spec.usual.word().to_owned()),
        }
    }
}

impl AlertsConfig {
    /// How loud each event is, in the order of [`EVENTS`].
    pub fn loudness(&self) -> [Loudness; EVENTS.len()] {
        std::array::from_fn(|event| self.levels.get(event).map_or(Loudness::On, |word| Loudness::by_word(word)))
    }

    /// Where a channel's secret may lie.
    pub fn place(&self, named: Named) -> &Place {
        let settings = &self.settings;
        match named {
            TELEGRAM_TOKEN => &settings.telegram_token,
            TELEGRAM_CODE => &settings.telegram_code,
            SLACK_WEBHOOK => &settings.slack_webhook,
            EMAIL_PASSWORD => &settings.email_password,
            _ => &settings.webhook_url,
        }
    }

    /// Every place of a secret, under the key of its command.
    pub(super) fn places(&self) -> [(&'static str, &Place); 5] {
        [
            ("alerts.telegram.token_command", &self.settings.telegram_token),
            ("alerts.telegram.code_command", &self.settings.telegram_code),
            ("alerts.slack.webhook_command", &self.settings.slack_webhook),
            ("alerts.email.password_command", &self.settings.email_password),
            ("alerts.webhook.url_command", &self.settings.webhook_url),
        ]
    }

    /// What cannot work. Each names the key that should give way.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let uses = |name: &str| self.channels.iter().any(|channel| channel == name);
        let (settings, mut found) = (&self.settings, Vec::new());
        if let Some(unknown) = self.channels.iter().find(|name| !CHANNELS.contains(&name.as_str())) {
            found.push(("alerts.channels", format!("`{unknown}` is none of {}", CHANNELS.join(", "))));
        }
        if uses("telegram") && settings.telegram_chats.is_empty() {
            found.push(("alerts.telegram.chats", "is empty, and the channel telegram is used".to_owned()));
        }
        if uses("email")
            && (settings.email_host.is_empty() || settings.email_from.is_empty() || settings.email_to.is_empty())
        {
            let what = "the channel email is used: host, from and to must be set".to_owned();
            found.push(("alerts.email.host", what));
        }
        let numbered = |chat: &String| chat.parse::<i64>().is_ok();
        if let Some(odd) = settings.telegram_control.iter().find(|chat| !numbered(chat)) {
            let what = format!("`{odd}` is no number: a name can change hands, and the number of a chat cannot");
            found.push(("alerts.telegram.control", what));
        }
        found
    }
}
