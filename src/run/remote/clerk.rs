//! Who may say what: looks at updates of the Bot API and lets through what an allowed chat has just asked. Whoever is not named
//! in the configuration is counted and hears nothing. Pure: time is an argument.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::words::Word;
use crate::engine::time::{Span, Ts};
use crate::run::refusals::{Refusal, Refusals};

/// What was said longer ago is not done any more, unless it only ends opening.
const LATE: Span = Span::from_secs(120);
/// Messages of one chat within a minute that are answered.
const ANSWERED_MAX: usize = 20;
const MINUTE: Span = Span::from_secs(60);

/// Looks at updates.
pub struct Clerk {
    started: Ts,
    allowed: Vec<i64>,
    name: String,
    /// Newest update seen.
    newest: i64,
    asked: BTreeMap<i64, VecDeque<Ts>>,
    refusals: Refusals,
}

/// A message that was let through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Where its answer goes.
    pub chat: i64,
    /// What it asks.
    pub word: Word,
    /// Is it answered? In a flood nothing is.
    pub answered: bool,
}

impl Clerk {
    /// Lets these chats through from now on; `name` is the bot's.
    pub fn new(started: Ts, allowed: Vec<i64>, name: String, refusals: Refusals) -> Self {
        Self { started, allowed, name, newest: 0, asked: BTreeMap::new(), refusals }
    }

    /// The first update that is still wanted.
    pub const fn offset(&self) -> i64 {
        self.newest + 1
    }

    /// Looks at one update.
    pub fn look(&mut self, update: &Value, now: Ts) -> Option<Asked> {
        let Some(id) = update["update_id"].as_i64() else {
            self.refusals.count(Refusal::TelegramMalformed);
            return None;
        };
        if id <= self.newest {
            return None;
        }
        self.newest = id;
        let message = &update["message"];
        let (chat, said) = (message["chat"]["id"].as_i64(), message["date"].as_i64());
        let (Some(chat), Some(said)) = (chat, said) else {
            self.refusals.count(Refusal::TelegramMalformed);
            return None;
        };
        if !self.may(chat, message) {
            self.refusals.count(Refusal::TelegramUnauthorised);
            return None;
        }
        let word = Word::read(message["text"].as_str()?, &self.name)?;
        let said = Ts::from_ms(said.saturating_mul(1000));
        // Telegram counts whole seconds.
        if said + Span::from_secs(1) <= self.started {
            self.refusals.count(Refusal::TelegramLate);
            return None;
        }
        let answered = self.answers(chat, now);
        let tightens = word.shuts() || word == Word::Disarm;
        if !(answered || tightens) {
            self.refusals.count(Refusal::TelegramFlood);
            return None;
        }
        let word =
            if now.since(said) > LATE && !word.is_never_late() { self.late(&word, now.since(said)) } else { word };
        Some(Asked { chat, word, answered })
    }

    /// A chat that is named; in a group the person too.
    fn may(&self, chat: i64, message: &Value) -> bool {
        let named = |id: i64| self.allowed.contains(&id);
        let private = message["chat"]["type"] == "private";
        named(chat) && (private || message["from"]["id"].as_i64().is_some_and(named))
    }

    fn late(&self, word: &Word, late: Span) -> Word {
        self.refusals.count(Refusal::TelegramLate);
        Word::Nothing(format!(
            "/{}: not done, it came {} s late (or this machine's clock is off); send it again if it is still meant",
            word.name(),
            late.as_ms() / 1000
        ))
    }

    fn answers(&mut self, chat: i64, now: Ts) -> bool {
        let asked = self.asked.entry(chat).or_default();
        while asked.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            asked.pop_front();
        }
        let answered = asked.len() < ANSWERED_MAX;
        if answered {
            asked.push_back(now);
        }
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const START: i64 = 1_763_800_000;

    fn at(seconds: i64) -> Ts {
        Ts::from_ms((START + seconds) * 1000)
    }

    fn clerk() -> (Clerk, Refusals) {
        let refusals = Refusals::default();
        (Clerk::new(at(0), vec![7, -70], "bot".into(), refusals.clone()), refusals)
    }

    fn update(id: i64, (chat, from): (i64, i64), date: i64, text: &str) -> Value {
        let kind = if chat > 0 { "private" } else { "supergroup" };
        json!({ "update_id": id, "message": { "message_id": id, "date": START + date, "text": text,
            "chat": { "id": chat, "type": kind }, "from": { "id": from } } })
    }

    #[test]
    fn strangers_hear_nothing_and_are_counted() {
        let (mut clerk, refusals) = clerk();
        assert_eq!(clerk.look(&update(1, (8, 8), 1, "/kill"), at(1)), None);
        assert_eq!(clerk.look(&update(2, (-70, 8), 1, "/kill"), at(1)), None, "a stranger in a group that is named");
        assert_eq!(refusals.of(Refusal::TelegramUnauthorised), 2);
        let killed = Some(Asked { chat: -70, word: Word::Kill, answered: true });
        assert_eq!(clerk.look(&update(3, (-70, 7), 1, "/kill"), at(1)), killed);
        assert_eq!(clerk.offset(), 4);
        for odd in
            [json!({}), json!({ "update_id": 9 }), json!([]), json!({ "update_id": 10, "message": { "chat": 7 } })]
        {
            assert_eq!(clerk.look(&odd, at(1)), None);
        }
        assert_eq!(refusals.of(Refusal::TelegramMalformed), 4);
    }

    #[test]
    fn what_was_said_before_or_twice_or_long_ago_is_not_done() {
        let (mut clerk, refusals) = clerk();
        assert_eq!(clerk.look(&update(1, (7, 7), -5, "/kill"), at(1)), None, "before the start");
        assert!(clerk.look(&update(2, (7, 7), 5, "/flatten"), at(5)).is_some());
        assert_eq!(clerk.look(&update(2, (7, 7), 5, "/flatten"), at(6)), None, "the same again");
        let late = clerk.look(&update(3, (7, 7), 5, "/flatten"), at(300)).unwrap().word;
        assert!(matches!(late, Word::Nothing(why) if why.contains("295 s late")));
        assert_eq!(
            clerk.look(&update(4, (7, 7), 5, "/kill"), at(300)).unwrap().word,
            Word::Kill,
            "a kill is never late"
        );
        assert_eq!(refusals.of(Refusal::TelegramLate), 2);
    }

    #[test]
    fn in_a_flood_only_what_tightens_is_done() {
        let (mut clerk, refusals) = clerk();
        for id in 1..=20 {
            assert!(clerk.look(&update(id, (7, 7), 1, "/status"), at(1)).unwrap().answered);
        }
        assert_eq!(clerk.look(&update(21, (7, 7), 1, "/status"), at(1)), None);
        let killed = Some(Asked { chat: 7, word: Word::Kill, answered: false });
        assert_eq!(clerk.look(&update(22, (7, 7), 1, "/kill"), at(1)), killed);
        assert_eq!(refusals.of(Refusal::TelegramFlood), 1);
        assert!(clerk.look(&update(23, (7, 7), 61, "/status"), at(61)).unwrap().answered);
    }
}
