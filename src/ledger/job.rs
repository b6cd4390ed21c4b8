//! What is handed to the ledger, and what comes back.

use crate::engine::effect::{NewOrder, Record};
use crate::engine::ids::{OrderSeq, Pair, RunId};
use crate::engine::num::Money;
use crate::engine::snapshot::ShadowView;
use crate::engine::time::Ts;

/// One thing to make durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// An order about to be sent. It may go on the wire once this is committed.
    Intent {
        /// When it was handed over.
        at: Ts,
        /// The order.
        order: NewOrder,
        /// Its order link id.
        link_id: String,
    },
    /// How far the venue and the paper venue beside it differ so far: replaces what this run said before.
    Shadow {
        /// Event time.
        at: Ts,
        /// The figures.
        view: ShadowView,
    },
    /// Anything else the engine wants recorded.
    Record {
        /// Event time.
        at: Ts,
        /// The row.
        record: Record,
    },
}

/// The start of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Run id.
    pub run: RunId,
    /// Market and account; must be the ledger's own.
    pub pair: Pair,
    /// Start.
    pub started: Ts,
    /// Short description of the market, as on the screen.
    pub label: String,
    /// Version of tickdeck.
    pub version: String,
    /// Wallet balance the run starts with: the stored one, or the configured one for a new account.
    pub balance: Money,
}

/// A batch that is durable now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Committed {
    /// Orders whose intents became durable: they may be sent.
    pub intents: Vec<OrderSeq>,
    /// Rows were stored as told, but do not add up with the rows before, or the latch marker failed. The engine must
    /// stop opening: something counts money wrongly.
    pub troubles: Vec<String>,
}
