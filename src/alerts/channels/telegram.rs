//! Telegram: `sendMessage` of a bot.

use serde_json::json;

use super::{Channel, Message, OpenError, Outcome, Settings};
use crate::alerts::bot::Bot;

/// One chat of the bot: a chat that refuses does not keep a message from the others, nor sends it to them again.
pub(super) struct Telegram {
    bot: Bot,
    chat: String,
}

impl Telegram {
    /// One for each chat.
    pub fn open(settings: &Settings) -> Result<Vec<Self>, OpenError> {
        let bot = Bot::open(settings)?;
        Ok(settings.telegram_chats.iter().map(|chat| Self { bot: bot.clone(), chat: chat.clone() }).collect())
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
            self.bot.call("sendMessage", &arguments).await.map(drop)
        })
    }

    fn probe(&self) -> Outcome<'_> {
        Box::pin(async move {
            self.bot.call("getMe", &json!({})).await?;
            self.bot.call("getChat", &json!({ "chat_id": self.chat })).await.map(drop)
        })
    }
}
