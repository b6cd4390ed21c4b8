//! Arming, latches and reasons to reduce: the three things that decide whether the engine may open.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::verdict::DenialCode;
use crate::engine::ids::Symbol;
use crate::engine::time::Ts;

/// Armed or not. Arming always lapses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Arming {
    /// Disarmed.
    Safe,
    /// May open until then.
    Armed {
        /// When it was armed.
        since: Ts,
        /// When it lapses.
        until: Ts,
    },
}

/// A stop that only a person lifts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Latch {
    /// Killed or tripped, and why.
    pub cause: LatchCause,
    /// Since when.
    pub at: Ts,
}

/// What set a latch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LatchCause {
    /// A person killed; the text says how (key, signal, marker file, unreadable ledger).
    Killed(String),
    /// A loss limit.
    Loss(LossTrip),
    /// A fault of ours.
    Fault(String),
}

/// What a reset of a loss trip does besides lifting it.
pub const COUNTS_ANEW: &str = "the loss of 24 hours and the drawdown are counted anew from the equity of now";

impl LatchCause {
    /// Does lifting it count losses anew ([`COUNTS_ANEW`])?
    pub const fn counts_anew(&self) -> bool {
        matches!(self, Self::Loss(_))
    }
}

/// The numbers of a loss trip.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LossTrip {
    /// Which limit, by configuration key.
    pub limit: String,
    /// What was measured, as shown.
    pub measured: String,
    /// What was allowed, as shown.
    pub allowed: String,
}

impl Latch {
    /// Killed by a person, as opposed to tripped by the engine?
    pub const fn is_kill(&self) -> bool {
        matches!(self.cause, LatchCause::Killed(_))
    }
}

impl fmt::Display for LatchCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(how) => write!(f, "killed: {how}"),
            Self::Loss(trip) => write!(f, "{} {}/{}", trip.limit, trip.measured, trip.allowed),
            Self::Fault(why) => write!(f, "fault: {why}"),
        }
    }
}

/// A reason why nothing may open, that ends by itself when its cause ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ReduceCause {
    /// A limit lies below what is used, for one symbol or (`None`) for all.
    LimitExceeded {
        /// Limit by configuration key.
        limit: String,
        /// Symbol, or all.
        symbol: Option<Symbol>,
    },
    /// Our books and the venue's statement differ.
    Mismatch(String),
    /// The tape cannot keep up or the disk is nearly full.
    Tape(String),
    /// Equity changed and fills, fees and funding do not explain it.
    ExternalEquity,
    /// Our PnL and the venue's log of transactions do not tie out.
    Residual(String),
    /// The venue, or the way to it, forbids opening.
    Venue {
        /// Name of the reason.
        code: DenialCode,
        /// Symbol, or all.
        symbol: Option<Symbol>,
        /// The numbers and what to do.
        detail: String,
    },
}

impl ReduceCause {
    /// Does it stop this symbol's entries?
    pub fn covers(&self, symbol: Symbol) -> bool {
        match self {
            Self::LimitExceeded { symbol: Some(only), .. } | Self::Venue { symbol: Some(only), .. } => *only == symbol,
            _ => true,
        }
    }
    /// An instrument that the venue does not list: it never could open, and the edge tells of all of them at once.
    pub const fn is_an_unknown_name(&self) -> bool {
        matches!(self, Self::Venue { code: DenialCode::InstrumentUnknown, symbol: Some(_), .. })
    }
    /// The symbol it is limited to.
    pub const fn symbol(&self) -> Option<Symbol> {
        match self {
            Self::LimitExceeded { symbol, .. } | Self::Venue { symbol, .. } => *symbol,
            Self::Mismatch(_) | Self::Tape(_) | Self::ExternalEquity | Self::Residual(_) => None,
        }
    }
}

impl fmt::Display for ReduceCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LimitExceeded { limit, .. } => write!(f, "{limit} below what is used"),
            Self::Mismatch(what) => write!(f, "mismatch: {what}"),
            Self::Tape(why) => write!(f, "tape: {why}"),
            Self::Residual(what) => write!(f, "PnL does not tie out: the venue's log has {what} more than our books"),
            Self::ExternalEquity => write!(f, "equity changed from outside"),
            Self::Venue { code, detail, .. } => write!(f, "{}: {detail}", code.text()),
        }
    }
}
