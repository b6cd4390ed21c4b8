//! Everything a person or a policy may ask. Ceremonies happen at the edge that asks; the engine checks again.

use serde::{Deserialize, Serialize};

use super::ceremony::Ceremony;
use super::effect::Errand;
use super::ids::{ModelId, OrderSeq, Symbol};
use super::risk::limits::LimitKey;
use super::time::{Span, Ts};

/// Arming lasts no longer: whoever wants more looks once a day.
pub const ARM_MAX: Span = Span::from_secs(86_400);

/// How a kill at the keys of the run's own cockpit is named.
pub const BY_HAND: &str = "by hand";

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
    /// Kill, first step, by hand: close the gate, cancel opening orders, latch.
    Kill,
    /// Kill, second step: close everything and prove it. Only while killed.
    KillClose,
    /// Close one position (or all): disarms, runs the close loop.
    Flatten(Option<Symbol>),
    /// Lift the kill or trip latch whose cause the ceremony has shown; another one is refused.
    Reset {
        /// When that latch was set.
        latched: Ts,
    },
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
    /// Believe the answers of a benched model again, on every instrument: it is judged by what comes.
    Unbench(ModelId),
    /// Close a position of the person: one reduce-only order at market, by choice.
    CloseReleased(Symbol),
    /// An order counts as over whose id another order at the venue has: the person has looked there.
    Settle(OrderSeq),
    /// Close or cancel something of others outside the run, by choice.
    Outside(Errand),
    /// Read the folder of models again and change to what is sound there.
    ReloadModels,
    /// A shadow model decides from now on, and those that did become shadows. Refused unless disarmed.
    Promote(String),
    /// The same as `Kill` from elsewhere than the run's own cockpit; the text says from where.
    KillBy(String),
}

impl Command {
    /// Stable word for logs, ledger and decision log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Arm { .. } => "arm",
            Self::Disarm => "disarm",
            Self::Kill | Self::KillBy(_) => "kill",
            Self::KillClose => "kill-close",
            Self::Flatten(_) => "flatten",
            Self::Reset { .. } => "reset",
            Self::SetLimit { .. } => "set-limit",
            Self::Cancel(_) => "cancel",
            Self::Release(_) => "release",
            Self::Adopt(_) => "adopt",
            Self::CloseReleased(_) => "close-released",
            Self::Outside(errand) => errand.word(),
            Self::Settle(_) => "settle-order",
            Self::Acknowledge(_) => "acknowledge",
            Self::Present => "present",
            Self::Leaving(_) => "leaving",
            Self::RetryVenue => "retry-venue",
            Self::TieOut => "tie-out",
            Self::ReloadModels => "reload-models",
            Self::Promote(_) => "promote",
            Self::Unbench(_) => "unbench",
            Self::Confirmed { command, .. } => command.word(),
        }
    }

    /// Could it open, raise or lift something? `limit` is the value of a limit now. Tightening never asks for anything.
    pub fn loosens(&self, limit: impl Fn(LimitKey) -> i64) -> bool {
        match self {
            Self::Arm { .. } | Self::Reset { .. } | Self::Adopt(_) | Self::Unbench(_) | Self::Settle(_) => true,
            Self::SetLimit { key, value } => !key.is_tighter(limit(*key), *value),
            Self::Confirmed { command, .. } => command.loosens(limit),
            _ => false,
        }
    }
}
