//! Any address that takes JSON by POST; 2xx is a yes. The address may hold a token, so it is a secret.

use reqwest::Client;
use serde_json::{Value, json};

use super::{Channel, Message, OpenError, Outcome, SendError, Settings};
use crate::alerts::post::{checked, client, post, without};
use crate::keys::{Secret, WEBHOOK_URL, find_named};

pub(super) struct Webhook {
    client: Client,
    address: Secret,
}

impl Webhook {
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let (address, _) = find_named(WEBHOOK_URL, &settings.webhook_url)?;
        checked(&address).map_err(|why| OpenError::Unusable(format!("the {}: {why}", WEBHOOK_URL.title)))?;
        Ok(Self { client: client().map_err(OpenError::Unusable)?, address })
    }

    async fn post(&self, json: &Value) -> Result<(), SendError> {
        let answer = post(&self.client, self.address.expose(), json).await?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(SendError::answered(answer.status, &without(&self.address, &answer.body), answer.wait))
    }
}

impl Channel for Webhook {
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a> {
        let events: Vec<Value> = message
            .alerts
            .iter()
            .map(|alert| {
                json!({
                    "event": alert.event.word(),
                    "at_ms": alert.at.as_ms(),
                    "urgent": alert.event.is_urgent(),
                    "text": alert.text,
                })
            })
            .collect();
        let run = &message.head;
        let json = json!({ "run": run, "text": message.text(), "silent": message.silent, "lost": message.lost, "events": events });
        Box::pin(async move { self.post(&json).await })
    }

    /// A message without events.
    fn probe(&self) -> Outcome<'_> {
        Box::pin(async move { self.post(&json!({ "probe": true, "events": [] })).await })
    }
}
