//! The words of the remote control, read from a message. Words that other programs use (freqtrade, bbgo) are taken where they
//! mean the same, and named as something else where they do not.

use crate::config::parse_span;
use crate::engine::time::Span;

/// What a message asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    /// The list of words, and the chat's number.
    Help,
    /// How things stand.
    Status,
    /// What is open.
    Positions,
    /// The run's and the day's result.
    Profit,
    /// Results by day.
    Daily,
    /// Every limit.
    Limits,
    /// Of this program.
    Version,
    /// Stop opening; exits go on.
    Disarm,
    /// Kill, first step.
    Kill,
    /// Kill, both steps.
    KillClose,
    /// Close one position, or all.
    Flatten(Option<String>),
    /// Allow opening.
    Arm {
        /// How long; the configuration's where it is not said.
        lasts: Option<Span>,
        /// One-time code.
        code: Option<String>,
    },
    /// Lift a latch.
    Reset {
        /// One-time code.
        code: Option<String>,
    },
    /// Change a limit.
    SetLimit {
        /// Which.
        limit: String,
        /// New value.
        value: String,
        /// One-time code, where it raises.
        code: Option<String>,
    },
    /// A word that is known and not done from here, or is not understood: what to say.
    Nothing(String),
}

/// Each word with what it may be called besides, and its line of help.
const WORDS: &[(&str, &[&str], &str)] = &[
    ("status", &["sessions", "count"], "state, equity, danger"),
    ("positions", &["position", "trades"], "what is open, what protects it"),
    ("profit", &["balance", "performance"], "result of the run and of the day"),
    ("daily", &[], "results by day"),
    ("limits", &["show_config"], "every limit; /limits NAME VALUE [CODE] changes one"),
    ("disarm", &["stopentry", "stopbuy", "pause", "suspend"], "nothing opens any more, exits go on"),
    ("flatten", &["forceexit", "fx", "closeposition"], "[SYMBOL] disarms, closes, proves it"),
    ("kill", &["emergencystop"], "[flat] closes the gate, cancels, latches; flat: closes too"),
    ("arm", &["resume"], "[8h] CODE allows opening"),
    ("reset", &[], "CODE lifts a kill or trip"),
    ("version", &[], "of this program"),
    ("help", &["start"], "this list"),
];

/// Words of other programs that mean something else than any of ours.
const OTHERS: &[(&str, &str)] = &[
    ("stop", "nothing was done, /stop has several meanings: /disarm, /flatten or /kill"),
    ("forcelong", "the strategy opens, nobody else does"),
    ("forceshort", "the strategy opens, nobody else does"),
    ("reload_config", "a changed configuration takes a new start"),
];

impl Word {
    /// Reads a message. `None` is no command, or one for another bot of the group; `name` is our bot's.
    pub fn read(text: &str, name: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('/')?.split_whitespace();
        let first = parts.next()?.to_lowercase();
        let first = match first.split_once('@') {
            Some((_, other)) if !other.eq_ignore_ascii_case(name) => return None,
            Some((word, _)) => word.to_owned(),
            None => first,
        };
        let rest: Vec<&str> = parts.collect();
        if let Some((_, why)) = OTHERS.iter().find(|(word, _)| *word == first) {
            return Some(Self::Nothing((*why).to_owned()));
        }
        let known = WORDS.iter().find(|(word, others, _)| *word == first || others.contains(&first.as_str()));
        let Some((word, ..)) = known else {
            return Some(Self::Nothing("that word is not known; /help lists them".to_owned()));
        };
        // Their word closes everything and stops for good.
        let rest = if first == "emergencystop" { vec!["flat"] } else { rest };
        Some(Self::with(word, &rest))
    }

    fn with(word: &str, rest: &[&str]) -> Self {
        match (word, rest) {
            ("status", _) => Self::Status,
            ("positions", _) => Self::Positions,
            ("profit", _) => Self::Profit,
            ("daily", _) => Self::Daily,
            ("version", _) => Self::Version,
            ("disarm", _) => Self::Disarm,
            ("kill", [how]) if how.eq_ignore_ascii_case("flat") => Self::KillClose,
            // Whatever else was typed: that it is to be killed is clear.
            ("kill", _) => Self::Kill,
            ("flatten", []) => Self::Flatten(None),
            ("flatten", [all]) if all.eq_ignore_ascii_case("all") => Self::Flatten(None),
            ("flatten", [symbol]) => Self::Flatten(Some(symbol.to_uppercase())),
            ("limits", []) => Self::Limits,
            ("limits", [limit, value, code @ ..]) if code.len() <= 1 => {
                let [limit, value] = [*limit, *value].map(str::to_owned);
                Self::SetLimit { limit, value, code: code.first().map(|code| (*code).to_owned()) }
            }
            ("arm", rest) if rest.len() <= 2 => Self::arm(rest),
            ("reset", rest) if rest.len() <= 1 => Self::Reset { code: rest.first().map(|code| (*code).to_owned()) },
            ("help", _) => Self::Help,
            _ => Self::Nothing(format!("/{word}: that cannot be read; /help shows how it is written")),
        }
    }

    fn arm(rest: &[&str]) -> Self {
        let (mut lasts, mut code) = (None, None);
        for part in rest {
            match parse_span(part) {
                Some(span) if lasts.is_none() => lasts = Some(span),
                _ if code.is_none() && part.bytes().all(|b| b.is_ascii_digit()) => code = Some((*part).to_owned()),
                _ => return Self::Nothing("/arm: write /arm CODE or /arm 8h CODE".to_owned()),
            }
        }
        Self::Arm { lasts, code }
    }

    /// Does it close the gate past every queue?
    pub const fn shuts(&self) -> bool {
        matches!(self, Self::Kill | Self::KillClose | Self::Flatten(_))
    }

    /// Is it done however late it comes? What only ends opening is never wrong.
    pub const fn is_never_late(&self) -> bool {
        matches!(self, Self::Kill | Self::KillClose | Self::Disarm)
    }

    /// Its name in a log: never what was typed beside it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Status => "status",
            Self::Positions => "positions",
            Self::Profit => "profit",
            Self::Daily => "daily",
            Self::Limits => "limits",
            Self::Version => "version",
            Self::Disarm => "disarm",
            Self::Kill => "kill",
            Self::KillClose => "kill-close",
            Self::Flatten(_) => "flatten",
            Self::Arm { .. } => "arm",
            Self::Reset { .. } => "reset",
            Self::SetLimit { .. } => "set-limit",
            Self::Nothing(_) => "nothing",
        }
    }
}

/// The list of words.
pub fn help(chat: i64) -> String {
    let lines = WORDS.iter().map(|(word, _, help)| format!("/{word}  {help}"));
    let first = "What tightens is done at once. What loosens takes a one-time code, and with real money it is not done from here.";
    let last = format!("This chat is {chat}.");
    std::iter::once(first.to_owned()).chain(lines).chain([last]).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Word> {
        Word::read(text, "tickdeck_bot")
    }

    #[test]
    fn words_and_those_of_other_programs() {
        assert_eq!(read("/kill"), Some(Word::Kill));
        assert_eq!(read("/KILL@Tickdeck_Bot now please"), Some(Word::Kill));
        assert_eq!(read("/kill@another_bot"), None);
        assert_eq!((read("kill"), read("/"), read("")), (None, None, None));
        assert_eq!(read("/kill flat"), Some(Word::KillClose));
        assert_eq!(read("/emergencystop"), Some(Word::KillClose));
        for disarm in ["/disarm", "/stopentry", "/stopbuy", "/pause", "/suspend"] {
            assert_eq!(read(disarm), Some(Word::Disarm));
        }
        assert_eq!(read("/forceexit all"), Some(Word::Flatten(None)));
        assert_eq!(read("/fx btcusdt"), Some(Word::Flatten(Some("BTCUSDT".into()))));
        assert!(matches!(read("/stop"), Some(Word::Nothing(why)) if why.contains("/disarm")));
        assert!(matches!(read("/launder"), Some(Word::Nothing(_))));
    }

    #[test]
    fn what_loosens_takes_its_code_from_its_own_place() {
        let code = || Some("123456".to_owned());
        assert_eq!(read("/arm"), Some(Word::Arm { lasts: None, code: None }));
        assert_eq!(read("/arm 123456"), Some(Word::Arm { lasts: None, code: code() }));
        let lasts = Some(Span::from_secs(8 * 3600));
        assert_eq!(read("/arm 8h 123456"), Some(Word::Arm { lasts, code: code() }));
        assert_eq!(read("/resume 123456 8h"), Some(Word::Arm { lasts, code: code() }));
        assert!(matches!(read("/arm 8x 123456"), Some(Word::Nothing(_))));
        assert_eq!(read("/reset 123456"), Some(Word::Reset { code: code() }));
        let (limit, value) = ("max_daily_loss".to_owned(), "123456".to_owned());
        assert_eq!(read("/limits max_daily_loss 123456"), Some(Word::SetLimit { limit, value, code: None }));
        assert_eq!(read("/limits"), Some(Word::Limits));
    }

    #[test]
    fn every_word_has_one_meaning_and_its_help() {
        let text = help(-7);
        let mut seen = Vec::new();
        for (word, others, _) in WORDS {
            assert!(text.contains(&format!("/{word}  ")) && text.contains("-7"));
            for name in std::iter::once(word).chain(others.iter()).chain(OTHERS.iter().map(|(word, _)| word)) {
                assert!(read(&format!("/{name}")).is_some(), "{name}");
            }
            seen.extend(std::iter::once(*word).chain(others.iter().copied()));
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(all, seen.len());
    }
}
