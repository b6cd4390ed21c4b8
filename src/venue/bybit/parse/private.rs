//! Frames of the private socket (contract 13).

use std::borrow::Cow;

use super::reply::Reply;
use super::rows::{ExecutionRow, FastExecution, OrderRow, PositionRow, WalletRow};
use super::tree::{self, Bad, Node, Row};
use super::{Odd, Rows};

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
    Other(Cow<'a, str>),
}

/// Rows of one push.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed<T> {
    /// When the venue made the frame, ms since 1970.
    pub created_ms: Option<i64>,
    /// The rows, in the order sent.
    pub rows: Rows<T>,
}

/// Reads a frame of the private socket.
pub fn parse(text: &str) -> Result<Private<'_>, Odd> {
    let frame = tree::read(text, "frame")?;
    let Some(topic) = frame.at("topic").text() else { return Reply::read(&frame).map(Private::Reply) };
    // All-in-one topics and those of one category look alike but for a suffix (correction 13.0b).
    let mut parts = topic.split('.');
    match (parts.next(), parts.next()) {
        (Some("order"), _) => pushed(&frame, "order", OrderRow::read).map(Private::Orders),
        (Some("execution"), Some("fast")) => {
            pushed(&frame, "fast execution", FastExecution::read).map(Private::FastExecutions)
        }
        (Some("execution"), _) => pushed(&frame, "execution", ExecutionRow::read).map(Private::Executions),
        (Some("position"), _) => pushed(&frame, "position", PositionRow::whole).map(Private::Positions),
        (Some("wallet"), _) => pushed(&frame, "wallet", WalletRow::read).map(Private::Wallets),
        _ => Ok(Private::Other(topic)),
    }
}

fn pushed<T>(
    frame: &Node<'_>,
    what: &'static str,
    read: impl Fn(&Row<'_, '_>) -> Result<T, Bad>,
) -> Result<Pushed<T>, Odd> {
    let created_ms = frame.at("creationTime").int();
    Ok(Pushed { created_ms, rows: frame.at("data").rows(what, read)? })
}
