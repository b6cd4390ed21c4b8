//! Between the account's task and what it decides: what is heard, what is to be done, and what that came back with.

use super::desk::{Found, Reading};
use super::opening::{Before, Opened, Scope, Standing};
use crate::engine::effect::Errand;
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::time::Ts;
use crate::venue::bybit::parse::Rows;
use crate::venue::bybit::parse::rest::account::{FeeRow, TransactionRow};
use crate::venue::bybit::parse::rest::orders::OrderRef;
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow, PositionRow};
use crate::venue::bybit::rest::RestError;

/// What time it is, and whether the venue listens to this address at all.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Local time.
    pub now: Ts,
    /// The same on the venue's clock, as it was last measured.
    pub venue: Ts,
    /// Until when the venue refuses this address, local time.
    pub banned: Option<Ts>,
}

/// What the private stream says.
#[derive(Clone, Debug)]
pub enum Heard {
    /// It is up: authenticated and subscribed.
    Up,
    /// It went away.
    Down(String),
    /// The venue does not take the key.
    KeyRefused(String),
    /// Orders changed.
    Orders(Rows<OrderRow>),
    /// Something traded, or was paid.
    Executions(Rows<ExecutionRow>),
    /// Positions changed.
    Positions(Rows<PositionRow>),
    /// A push that cannot be read.
    Odd,
}

/// What is to be done besides [`super::desk::Request`]s; it comes back as a [`Done`], but for the last two, which are heard of otherwise
/// or not at all.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Read the account for the first time ([`super::opening::open`]).
    Open(Scope, Box<Before>),
    /// Read the account ([`super::opening::read`]).
    Read(Scope),
    /// Read what key and account allow ([`super::opening::standing`]).
    Standing,
    /// Ask once, whatever is known of a refusal.
    Retry,
    /// Read what the account pays.
    Fees,
    /// Read the rules of an instrument.
    Rules(Symbol, String),
    /// Read the log of transactions between two moments on the venue's clock, ms; known up to `read_to`.
    Log {
        /// From here.
        from_ms: i64,
        /// To here.
        to_ms: i64,
        /// The venue's time when it was asked for.
        read_to: Ts,
    },
    /// Do something outside the run, by a person's choice.
    Errand(Errand),
    /// Measure the venue's clock.
    Clock,
    /// Ask for the end of an order of an earlier run: instrument, its id. The next reading shows what became of it.
    CancelEarlier(String, String),
}

/// What was done came back with.
#[derive(Debug)]
pub enum Done {
    /// The answer to a create.
    Created(OrderSeq, Symbol, Result<OrderRef, RestError>),
    /// The answer to a cancel.
    Cancelled(OrderSeq, Result<OrderRef, RestError>),
    /// The answer about protection.
    Protected(Symbol, Result<(), RestError>),
    /// The answer to a cancel by the venue's id.
    CancelledById(Symbol, String, Result<OrderRef, RestError>),
    /// What a look-up found.
    LookedUp(OrderSeq, Vec<ExecutionRow>, Found),
    /// A reading.
    Read(Result<Reading, RestError>),
    /// The first reading.
    Opened(Box<Result<Opened, RestError>>),
    /// What key and account allow.
    Standing(Result<Standing, RestError>),
    /// Whether the venue listens again.
    Retried(Result<(), RestError>),
    /// What the account pays.
    Fees(Result<Vec<FeeRow>, RestError>),
    /// The log of transactions up to a moment on the venue's clock.
    Log(Ts, Result<Rows<TransactionRow>, RestError>),
    /// What was done outside the run: does the venue show that it is done, and its steps.
    ErrandOver(Errand, bool, Vec<String>),
    /// The rules of an instrument; `None` where it is not listed.
    Rules(Symbol, Result<Option<Instrument>, RestError>),
}
