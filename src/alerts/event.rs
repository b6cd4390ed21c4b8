//! What can happen, how loud each of it is, and the message that tells it.

use crate::engine::time::{Span, Ts};

/// A kind of event that a person may want to hear of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)] // described by `EVENTS`
pub enum Event {
    Fill,
    Armed,
    Disarmed,
    Killed,
    Tripped,
    Ambiguous,
    Reconnects,
    Stale,
    Silence,
    Alarm,
    ModelBenched,
    Run,
    Digest,
}

/// How loud an event is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Loudness {
    /// Not sent.
    Off,
    /// Sent without a sound, where the channel knows one.
    Silent,
    /// Sent.
    On,
}

impl Loudness {
    /// As the configuration writes them.
    pub const WORDS: &'static [&'static str] = &["on", "silent", "off"];

    /// By its word; what is no word is on.
    pub fn by_word(word: &str) -> Self {
        match word {
            "off" => Self::Off,
            "silent" => Self::Silent,
            _ => Self::On,
        }
    }
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Silent => "silent",
            Self::On => "on",
        }
    }
}

/// An event's row.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Which.
    pub event: Event,
    /// Its word in configuration and JSON.
    pub word: &'static str,
    /// How loud it is unless said otherwise.
    pub usual: Loudness,
    /// Does it want a hand now? Then it does not wait for others.
    pub urgent: bool,
}

const fn spec(event: Event, word: &'static str, usual: Loudness, urgent: bool) -> Spec {
    Spec { event, word, usual, urgent }
}

/// Every event, in the order of the enum.
pub const EVENTS: [Spec; 13] = [
    spec(Event::Fill, "fill", Loudness::Silent, false),
    spec(Event::Armed, "armed", Loudness::On, false),
    spec(Event::Disarmed, "disarmed", Loudness::On, false),
    spec(Event::Killed, "killed", Loudness::On, true),
    spec(Event::Tripped, "tripped", Loudness::On, true),
    spec(Event::Ambiguous, "ambiguous", Loudness::On, true),
    spec(Event::Reconnects, "reconnects", Loudness::On, false),
    spec(Event::Stale, "stale", Loudness::On, false),
    spec(Event::Silence, "silence", Loudness::On, true),
    spec(Event::Alarm, "alarm", Loudness::On, true),
    spec(Event::ModelBenched, "model_benched", Loudness::On, false),
    spec(Event::Run, "run", Loudness::Silent, false),
    spec(Event::Digest, "digest", Loudness::Silent, false),
];

impl Event {
    /// Its word.
    pub fn word(self) -> &'static str {
        EVENTS.get(self as usize).map_or("", |spec| spec.word)
    }
    /// Does it want a hand now?
    pub fn is_urgent(self) -> bool {
        EVENTS.get(self as usize).is_some_and(|spec| spec.urgent)
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alert {
    /// When.
    pub at: Ts,
    /// What kind.
    pub event: Event,
    /// In words, one line.
    pub text: String,
}

/// Longest text of one alert; what is longer is cut.
const TEXT_MAX: usize = 600;
/// An alert that is told later than this says so.
const LATE: Span = Span::from_secs(60);

impl Alert {
    /// An alert; its text becomes one line of bounded length.
    pub fn new(at: Ts, event: Event, text: &str) -> Self {
        let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self { at, event, text: line.take(TEXT_MAX).collect() }
    }
}

/// What one message tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Which run it is about: the first line.
    pub head: String,
    /// When it is sent.
    pub at: Ts,
    /// What happened, oldest first.
    pub alerts: Vec<Alert>,
    /// Earlier alerts that were given up.
    pub lost: u64,
    /// Without a sound.
    pub silent: bool,
}

impl Message {
    /// The first line: the run, and the most urgent thing of all.
    pub fn subject(&self) -> String {
        let first = self.alerts.iter().find(|alert| alert.event.is_urgent()).or_else(|| self.alerts.first());
        match first {
            Some(alert) => format!("{}: {}", self.head, alert.text.chars().take(80).collect::<String>()),
            None => self.head.clone(),
        }
    }

    /// The whole message as plain text.
    pub fn text(&self) -> String {
        let lost = (self.lost > 0).then(|| format!("({} earlier message(s) were lost)", self.lost));
        let lines = self.alerts.iter().map(|alert| {
            let late = self.at.since(alert.at);
            let late = if late > LATE { format!(" ({} min ago)", late.as_ms() / 60_000) } else { String::new() };
            format!("{}{late} {}", alert.at.clock(), alert.text)
        });
        std::iter::once(self.head.clone()).chain(lost).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_in_the_order_of_the_enum_with_words_of_their_own() {
        for (index, spec) in EVENTS.iter().enumerate() {
            assert_eq!(spec.event as usize, index);
            assert_eq!(EVENTS.iter().filter(|other| other.word == spec.word).count(), 1, "{}", spec.word);
            assert_eq!(Loudness::by_word(spec.usual.word()), spec.usual);
        }
    }

    #[test]
    fn a_message_says_what_is_late_and_what_was_lost() {
        let at = Ts::from_ms(1_763_800_000_000);
        let early = Alert::new(at, Event::Fill, "BTCUSDT\nBuy");
        let late = Alert::new(at + Span::from_secs(600), Event::Killed, "KILLED");
        let sent = Message {
            head: "tickdeck paper".into(),
            at: at + Span::from_secs(600),
            alerts: vec![early, late],
            lost: 2,
            silent: false,
        };
        assert_eq!(sent.subject(), "tickdeck paper: KILLED");
        let text = sent.text();
        assert!(
            text.contains("(10 min ago) BTCUSDT Buy\n") && text.contains("2 earlier message(s) were lost"),
            "{text}"
        );
        assert!(text.ends_with(" KILLED") && text.starts_with("tickdeck paper\n"), "{text}");
    }
}
