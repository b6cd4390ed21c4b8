//! Slack, by an incoming webhook. Its whole address is the secret.

use reqwest::Client;
use serde_json::{Value, json};

use super::{Channel, Message, OpenError, Outcome, SendError, Settings};
use crate::alerts::post::{Answer, checked, client, post, without};
use crate::keys::{SLACK_WEBHOOK, Secret, find_named};

pub(super) struct Slack {
    client: Client,
    webhook: Secret,
}

impl Slack {
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let (webhook, _) = find_named(SLACK_WEBHOOK, &settings.slack_webhook)?;
        checked(&webhook).map_err(|why| OpenError::Unusable(format!("the {}: {why}", SLACK_WEBHOOK.title)))?;
        Ok(Self { client: client().map_err(OpenError::Unusable)?, webhook })
    }

    async fn call(&self, json: &Value) -> Result<Answer, SendError> {
        post(&self.client, self.webhook.expose(), json).await
    }

    fn refused(&self, answer: &Answer) -> SendError {
        let said = without(&self.webhook, &answer.body);
        let told = match answer.status {
            403 | 404 | 410 => format!("{said}: the webhook is gone or its channel archived; make a new one in Slack"),
            _ => said,
        };
        SendError::answered(answer.status, &told, answer.wait)
    }
}

/// Slack reads three characters as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Channel for Slack {
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a> {
        Box::pin(async move {
            let answer = self.call(&json!({ "text": escaped(&message.text()), "unfurl_links": false })).await?;
            if answer.status == 200 { Ok(()) } else { Err(self.refused(&answer)) }
        })
    }

    /// A message without text is not posted: Slack answers that it lacks one, and a webhook that is gone answers otherwise.
    fn probe(&self) -> Outcome<'_> {
        Box::pin(async move {
            let answer = self.call(&json!({})).await?;
            let lacks_text =
                ["no_text", "missing_text", "invalid_payload"].iter().any(|word| answer.body.contains(word));
            if answer.status == 200 || (answer.status == 400 && lacks_text) {
                return Ok(());
            }
            Err(self.refused(&answer))
        })
    }
}
