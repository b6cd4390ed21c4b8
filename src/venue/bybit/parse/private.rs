//! Frames of the private socket (contract 13).

use super::Rows;
use super::reply::Reply;
use super::rows::{ExecutionRow, FastExecution, OrderRow, PositionRow, WalletRow};

/// A frame of the private socket. Order of arrival between kinds is not promised.
#[derive(Debug, Clone, PartialEq)]
pub enum Private<'a> {
    /// `order`: one row per change.
    Orders(Pushed<OrderRow>),
    /// `execution`.
    Executions(Pushed<ExecutionRow>),
    /// `execution.fast`.
    FastExecutions(Pushed<FastExecution>),
    /// `position`: also pushed when nothing changed.
    Positions(Pushed<PositionRow>),
    /// `wallet`: on changes of balance only, no snapshot at subscription.
    Wallets(Pushed<WalletRow>),
    /// An answer to something we asked.
    Reply(Reply<'a>),
    /// A topic that nothing here reads.
    Other(String),
}

/// Rows of one push.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed<T> {
    /// When the venue made the frame, ms since 1970.
    pub created_ms: Option<i64>,
    /// The rows, in the order sent.
    pub rows: Rows<T>,
}
