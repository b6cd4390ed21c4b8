//! Telegram, where it calls or commands: does the bot's token answer, and does another program read what is written to the bot?

use std::time::Duration;

use serde_json::json;

use super::Finding;
use crate::alerts::{Bot, SendError};
use crate::config::AlertsConfig;

const CHECK: &str = "telegram";
/// Another program that reads the bot's messages comes back within this.
const OTHERS_COME_BACK: Duration = Duration::from_secs(4);
/// Telegram's answer to whoever is not the only one that waits for messages.
const CONFLICT: u16 = 409;

/// One row; `None` where Telegram is not used. `engine_runs`: an engine here reads the bot's messages itself.
pub async fn telegram(config: &AlertsConfig, engine_runs: bool) -> Option<Finding> {
    let commands = !config.settings.telegram_control.is_empty();
    if !commands && !config.channels.iter().any(|channel| channel == "telegram") {
        return None;
    }
    let token =
        "`tickdeck keys` and alerts.telegram say where the bot's token is looked for; @BotFather makes a new one";
    let bot = match Bot::open(&config.settings) {
        Ok(bot) => bot,
        Err(error) => return Some(Finding::fail(CHECK, error.to_string(), token)),
    };
    let me = match bot.call("getMe", &json!({})).await {
        Ok(me) => me,
        Err(SendError { why, .. }) => return Some(Finding::fail(CHECK, why, token)),
    };
    let name = format!("@{} answers", me["result"]["username"].as_str().unwrap_or("a bot without a name"));
    if !commands {
        return Some(Finding::ok(CHECK, name));
    }
    if engine_runs {
        return Some(Finding::ok(CHECK, format!("{name}; an engine that runs here reads its messages")));
    }
    let waits = json!({ "timeout": OTHERS_COME_BACK.as_secs(), "limit": 1, "allowed_updates": ["message"] });
    Some(match bot.updates(&waits, OTHERS_COME_BACK).await {
        Ok(_) => Finding::ok(CHECK, format!("{name}; nobody else reads its messages")),
        Err(error) if error.status == Some(CONFLICT) => Finding::fail(
            CHECK,
            format!("{name}, but another program reads its messages: {}", error.why),
            "a command reaches one of the two by chance: end the other program, or give tickdeck a bot of its own",
        ),
        Err(error) => Finding::warn(CHECK, format!("{name}, but its messages cannot be read: {}", error.why), token),
    })
}
