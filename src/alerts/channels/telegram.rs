//! Telegram, by a bot of the person's own: `sendMessage` of the Bot API. The token is part of the address, so that no address
//! is ever told.

use std::sync::Arc;

use reqwest::Client;
use serde_json::{Value, json};

use super::{Channel, Message, OpenError, Outcome, SendError, Settings};
use crate::alerts::post::{client, post, without};
use crate::engine::time::Span;
use crate::keys::{NAMED, Secret, find_named};

/// One chat of the bot: a chat that refuses does not keep a message from the others, nor sends it to them again.
pub(super) struct Telegram {
    client: Client,
    base: String,
    token: Arc<Secret>,
    chat: String,
}

impl Telegram {
    /// One for each chat.
    pub fn open(settings: &Settings) -> Result<Vec<Self>, OpenError> {
        let [named, ..] = NAMED;
        let (token, _) = find_named(named, &settings.telegram_token)?;
        let (token, client) = (Arc::new(token), client().map_err(OpenError::Unusable)?);
        let base = settings.telegram_url.trim_end_matches('/');
        let to = |chat: &String| Self {
            client: client.clone(),
            base: base.to_owned(),
            token: token.clone(),
            chat: chat.clone(),
        };
        Ok(settings.telegram_chats.iter().map(to).collect())
    }

    /// Calls a method; an answer without `"ok": true` is an error in Telegram's words.
    async fn call(&self, method: &str, arguments: &Value) -> Result<Value, SendError> {
        let address = zeroize::Zeroizing::new(format!("{}/bot{}/{method}", self.base, self.token.expose()));
        let answer = post(&self.client, &address, arguments).await?;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if answer.status == 200 && body["ok"] == true {
            return Ok(body);
        }
        let said = without(&self.token, body["description"].as_str().unwrap_or("no answer of a Bot API"));
        let told = match answer.status {
            401 | 404 => format!("{said}: Telegram does not know the bot's token"),
            403 => format!("{said}: the chat has blocked the bot or never wrote to it"),
            400 => format!("{said}: is the chat right, and has it written to the bot?"),
            _ => said,
        };
        let wait = body["parameters"]["retry_after"].as_i64().map(Span::from_secs).or(answer.wait);
        Err(SendError::answered(answer.status, &told, wait))
    }
}

impl Channel for Telegram {
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a> {
        Box::pin(async move {
            let arguments = json!({
                "chat_id": self.chat,
                "text": message.text(),
                "disable_notification": message.silent,
                "link_preview_options": { "is_disabled": true },
            });
            self.call("sendMessage", &arguments).await.map(drop)
        })
    }

    fn probe(&self) -> Outcome<'_> {
        Box::pin(async move {
            self.call("getMe", &json!({})).await?;
            self.call("getChat", &json!({ "chat_id": self.chat })).await.map(drop)
        })
    }
}
