//! Telegram's Bot API, by a bot of the person's own. The token is part of the address, so that no address is ever told.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;

use super::channels::{OpenError, SendError, Settings};
use super::post::{ANSWER_MAX, BODY_MAX, client, post_within, without};
use crate::engine::time::Span;
use crate::keys::{Secret, TELEGRAM_TOKEN, find_named};

/// Bytes of a list of updates that are read.
const UPDATES_MAX: usize = 1 << 20;

/// A bot: calls methods in its name.
#[derive(Clone)]
pub struct Bot {
    client: Client,
    base: String,
    token: Arc<Secret>,
}

impl Bot {
    /// Looks for the token, which may take as long as a person takes to unlock a keyring.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let (token, _) = find_named(TELEGRAM_TOKEN, &settings.telegram_token)?;
        let base = settings.telegram_url.trim_end_matches('/').to_owned();
        Ok(Self { client: client().map_err(OpenError::Unusable)?, base, token: Arc::new(token) })
    }

    /// Calls a method; an answer without `"ok": true` is an error in Telegram's words.
    pub async fn call(&self, method: &str, arguments: &Value) -> Result<Value, SendError> {
        self.called(method, arguments, ANSWER_MAX, BODY_MAX).await
    }

    /// Waits so long for what was written to the bot. Only one program at a time may wait for it: the answer to another one is
    /// an error with status 409.
    pub async fn updates(&self, arguments: &Value, waits: Duration) -> Result<Vec<Value>, SendError> {
        let body = self.called("getUpdates", arguments, waits + ANSWER_MAX, UPDATES_MAX).await?;
        match body {
            Value::Object(mut body) => match body.remove("result") {
                Some(Value::Array(updates)) => Ok(updates),
                _ => Err(SendError::unreachable("its answer has no list of updates")),
            },
            _ => Err(SendError::unreachable("no answer of a Bot API")),
        }
    }

    /// Without the token, whoever put it there.
    pub fn redacted(&self, text: &str) -> String {
        without(&self.token, text)
    }

    async fn called(
        &self,
        method: &str,
        arguments: &Value,
        within: Duration,
        bytes_max: usize,
    ) -> Result<Value, SendError> {
        let address = zeroize::Zeroizing::new(format!("{}/bot{}/{method}", self.base, self.token.expose()));
        let answer = post_within(&self.client, &address, arguments, within, bytes_max).await?;
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
