//! The control state: armed or not, latched or not, reducing or not, closing or not.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::Symbol;
use super::num::Money;
use super::risk::state::{Arming, Latch, LatchCause, ReduceCause};
use super::time::Ts;

/// Receipt lines kept: a close loop over every instrument with retries stays below.
pub const RECEIPT_MAX: usize = 200;

/// Everything that decides whether the engine may open, and what it does about open positions.
#[derive(Clone, Debug)]
pub struct Control {
    /// Armed or safe.
    pub arming: Arming,
    /// Armed again until then, as soon as the checklist allows it: what a run before this one was when it was cut off.
    pub resume: Option<Ts>,
    /// A kill or trip, until a person resets it.
    pub latch: Option<Latch>,
    /// Why only reducing orders pass.
    pub reducing: BTreeSet<ReduceCause>,
    /// Why nothing that happens is recorded any more. A reset does not mend it.
    pub unrecorded: Option<String>,
    /// A running close loop.
    pub close: Option<CloseLoop>,
    /// What a person asked to flatten and is not over: a restart goes on with it.
    pub flattening: BTreeSet<Symbol>,
    /// Positions that belong to the person.
    pub released: BTreeSet<Symbol>,
    /// When flat was last proven, until something opens.
    pub flat_proven: Option<Ts>,
    /// The last close loop ended with its proof, and nothing of ours has opened since.
    pub close_proven: bool,
    /// Steps of the running or last close loop.
    pub receipt: Vec<String>,
    /// Our books have been compared with the venue's statement; what differs is a reason to reduce.
    pub reconciled: bool,
    /// A balance that nothing explains, in how many statements in a row the venue has said it, and since when.
    pub unexplained: Option<(Money, u8, Ts)>,
    /// Since when the way to the venue's account is cut.
    pub unreachable_since: Option<Ts>,
    /// When the venue was last asked for a statement.
    pub asked: Option<Ts>,
    /// Since when equity has been unknown.
    pub unknown_since: Option<Ts>,
    /// Last sign of a person.
    pub present: Ts,
    /// The process is about to end: what is missing at the venue is set at once.
    pub leaving: bool,
}

/// A close loop: runs until flat is proven twice by the venue's own statement.
#[derive(Clone, Debug)]
pub struct CloseLoop {
    /// What asked for it.
    pub why: CloseWhy,
    /// Which instruments.
    pub scope: BTreeSet<Symbol>,
    /// When it began.
    pub started: Ts,
    /// Statements in a row that showed flat.
    pub proofs: u8,
    /// Tries per instrument, for the price band.
    pub tries: BTreeMap<Symbol, u8>,
    /// Closing orders in a row that the venue refused, per instrument.
    pub refused: BTreeMap<Symbol, u8>,
}

/// What asked for a close loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseWhy {
    /// Flatten selected or all.
    Flatten,
    /// Kill, second step.
    Kill,
    /// A loss trip with `on_loss_trip = "flatten"`.
    LossTrip,
    /// A position that no stop at the venue could be set for.
    Unprotected,
}

impl CloseWhy {
    /// Word for the receipt.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Flatten => "flatten",
            Self::Kill => "kill",
            Self::LossTrip => "loss trip",
            Self::Unprotected => "no stop at the venue",
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            arming: Arming::Safe,
            resume: None,
            latch: None,
            reducing: BTreeSet::new(),
            unrecorded: None,
            close: None,
            flattening: BTreeSet::new(),
            released: BTreeSet::new(),
            flat_proven: None,
            close_proven: false,
            receipt: Vec::new(),
            reconciled: false,
            unexplained: None,
            unreachable_since: None,
            asked: None,
            unknown_since: None,
            present: Ts(0),
            leaving: false,
        }
    }
}

/// What may close a position now, besides a close loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitsAllowed {
    /// Stop, take-profit, longest holding time, the strategy's exit.
    All,
    /// The stop only: never a position without one.
    StopOnly,
    /// Nothing: the close loop runs, the position is the person's, or our books are not reconciled.
    None,
}

impl Control {
    /// Armed, and nothing latched?
    pub const fn is_armed(&self) -> bool {
        matches!(self.arming, Arming::Armed { .. }) && self.latch.is_none()
    }

    /// Which exits run for this instrument: the column "exits" of the state table.
    pub fn exits(&self, symbol: Symbol) -> ExitsAllowed {
        let closing = self.close.as_ref().is_some_and(|close| close.scope.contains(&symbol));
        if closing || self.released.contains(&symbol) || !self.reconciled {
            return ExitsAllowed::None;
        }
        match self.latch.as_ref().map(|latch| &latch.cause) {
            None => ExitsAllowed::All,
            Some(LatchCause::Killed(_) | LatchCause::Fault(_) | LatchCause::Loss(_)) => ExitsAllowed::StopOnly,
        }
    }

    /// From now on the position is the person's: no close loop touches it either. One that has nothing else to close still
    /// ends with its proof, or nobody would hear of its end. `false` where it was the person's already.
    pub fn leave_alone(&mut self, symbol: Symbol) -> bool {
        if let Some(close) = &mut self.close {
            close.scope.remove(&symbol);
        }
        self.released.insert(symbol)
    }

    /// Adds a line to the receipt.
    pub fn note(&mut self, at: Ts, line: &str) {
        // Waiting says the same again and again: one line, the newest time.
        if self.receipt.last().is_some_and(|last| last.ends_with(&format!(" {line}"))) {
            self.receipt.pop();
        }
        if self.receipt.len() >= RECEIPT_MAX {
            self.receipt.remove(1);
        }
        self.receipt.push(format!("{} {line}", at.clock_ms()));
    }
}
