//! What the engine tells a person: typed events, each with a level. Never log text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::Symbol;
use super::risk::verdict::Denial;
use super::time::Ts;

/// How loud.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the record.
    Info,
    /// Needs a look; stays until acknowledged.
    Warn,
    /// Needs a hand; stays until acknowledged.
    Alarm,
}

/// What kind of event, for filters and colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Execution.
    Fill,
    /// Order life.
    Order,
    /// Denied by the gate.
    Deny,
    /// Arm, disarm, kill, trip, reset, reduce.
    State,
    /// Limit changed.
    Limit,
    /// Market stream, book, staleness.
    Market,
    /// Model and signal.
    Signal,
    /// Funding, liquidation, balance.
    Account,
    /// Our own fault.
    Fault,
}

impl Kind {
    /// Five-letter tag for the events pane.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Fill => "FILL ",
            Self::Order => "ORDER",
            Self::Deny => "DENY ",
            Self::State => "STATE",
            Self::Limit => "LIMIT",
            Self::Market => "MARKT",
            Self::Signal => "SIGNL",
            Self::Account => "ACCNT",
            Self::Fault => "FAULT",
        }
    }
}

/// One event for the person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// Number within the run, from 1.
    pub id: u64,
    /// When.
    pub at: Ts,
    /// How loud.
    pub level: Level,
    /// What kind.
    pub kind: Kind,
    /// Instrument, where there is one.
    pub symbol: Option<Symbol>,
    /// One plain sentence, no secrets, no control characters.
    pub text: String,
    /// The typed denial behind it, where there is one.
    pub denial: Option<Denial>,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at.clock_ms(), self.kind.tag(), self.text)
    }
}
