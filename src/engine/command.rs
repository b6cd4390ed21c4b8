//! Everything a person or a policy may ask. Ceremonies happen at the edge that asks; the engine checks again.

use serde::{Deserialize, Serialize};

use super::ceremony::Ceremony;
use super::ids::{OrderSeq, Symbol};
use super::risk::limits::LimitKey;
use super::time::Span;

/// A request. Requests in the safe direction always succeed and are idempotent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Allow opening for this long. Refused unless every pre-flight check passes.
    Arm {
        /// Arming lapses after this long.
        lasts: Span,
    },
    /// Stop opening, cancel resting opening orders; exits go on.
    Disarm,
    /// Kill, first step: close the gate, cancel opening orders, latch.
    Kill,
    /// Kill, second step: close everything and prove it. Only while killed.
    KillClose,
    /// Close one position (or all): disarms, runs the close loop.
    Flatten(Option<Symbol>),
    /// Lift a kill or trip latch. The ceremony has shown its cause.
    Reset,
    /// Change a limit. Tightening is immediate; loosening is refused unless disarmed.
    SetLimit {
        /// Which limit.
        key: LimitKey,
        /// New value, in the limit's own unit, 1e-9.
        value: i64,
    },
    /// Cancel one order, also one of somebody else. A stop at the venue that is cancelled so is not set again: the person's choice, until the position
    /// is flat or the run ends.
    Cancel(OrderSeq),
    /// A position becomes the person's: shown, never touched again.
    Release(Symbol),
    /// Take a released position back.
    Adopt(Symbol),
    /// Acknowledge the notice with this number. Never a latch.
    Acknowledge(u64),
    /// A person is there: feeds the dead-man. Sent at most once a second, and only where a dead-man is set.
    Present,
    /// The terminal or the process is going away; as disarm. The text says which signal.
    Leaving(String),
    /// Ask an exchange that refuses this address or key once whether it still does, instead of waiting for the time to
    /// pass.
    RetryVenue,
    /// A command with the ceremony that real money takes for it.
    Confirmed {
        /// The typed tail.
        ceremony: Ceremony,
        /// What it is for.
        command: Box<Self>,
    },
    /// Compare realised PnL, fees and funding with the venue's own log of transactions now.
    TieOut,
    /// Close a position of the person: one reduce-only order at market, by choice.
    CloseReleased(Symbol),
}

impl Command {
    /// Stable word for logs, ledger and decision log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Arm { .. } => "arm",
            Self::Disarm => "disarm",
            Self::Kill => "kill",
            Self::KillClose => "kill-close",
            Self::Flatten(_) => "flatten",
            Self::Reset => "reset",
            Self::SetLimit { .. } => "set-limit",
            Self::Cancel(_) => "cancel",
            Self::Release(_) => "release",
            Self::Adopt(_) => "adopt",
            Self::CloseReleased(_) => "close-released",
            Self::Acknowledge(_) => "acknowledge",
            Self::Present => "present",
            Self::Leaving(_) => "leaving",
            Self::RetryVenue => "retry-venue",
            Self::TieOut => "tie-out",
            Self::Confirmed { command, .. } => command.word(),
        }
    }

    /// Could it open, raise or lift something? `limit` is the value of a limit now. Tightening never asks for anything.
    pub fn loosens(&self, limit: impl Fn(LimitKey) -> i64) -> bool {
        match self {
            Self::Arm { .. } | Self::Reset | Self::Adopt(_) => true,
            Self::SetLimit { key, value } => !key.is_tighter(limit(*key), *value),
            Self::Confirmed { command, .. } => command.loosens(limit),
            _ => false,
        }
    }
}
