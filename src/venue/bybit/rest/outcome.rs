//! What became of a request, in types: done, refused, unknown, not sent.

use std::fmt;

use crate::engine::time::Ts;
use crate::venue::bybit::codes::{Action, Next, Op, Verdict};
use crate::venue::bybit::parse::Odd;

/// `OrderLinkedID is duplicate` (contract 4).
const DUPLICATE: i64 = 110_072;

/// Why there is no answer to use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestError {
    /// The venue said no, in a documented way: it was not done.
    #[error("{}", Said { verdict, code, message })]
    Refused {
        /// `retCode`.
        code: i64,
        /// What it means and what helps.
        verdict: Verdict,
        /// The venue's words, cut and cleaned; empty where they would carry more than they explain.
        message: String,
    },
    /// It left, and nobody knows what became of it: ask, never send again.
    #[error("outcome unknown: {0}")]
    Ambiguous(String),
    /// This create was refused because its id is known: of the same order, heard twice, or of another one. Reading it tells
    /// (correction 4.110072).
    #[error("outcome unknown: {0}")]
    Duplicate(String),
    /// It never left: no connection, or no room in the rate limit.
    #[error("not sent: {0}")]
    Unsent(String),
    /// The venue refuses this address until then; this request was not sent, or was the one refused.
    #[error("the exchange refuses this address until {}", until.clock())]
    Banned {
        /// Until when, local time.
        until: Ts,
    },
    /// A read that did not get through.
    #[error("{stage}: {detail}")]
    Unreachable {
        /// How far it came.
        stage: Stage,
        /// The cause.
        detail: String,
    },
    /// Another engine has the account: nothing was asked of it.
    #[error("{0}")]
    Taken(String),
    /// An answer that is not as documented.
    #[error(transparent)]
    Odd(#[from] Odd),
}

/// How far a request or a connection came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The name was not resolved.
    Dns,
    /// Nobody answered, or it was refused.
    Connect,
    /// No trust in the other side.
    Tls,
    /// It took too long.
    Timeout,
    /// An answer that is not the exchange's.
    Http,
    /// The line broke.
    Broken,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the exchange's name is not found (DNS)",
            Self::Connect => "the exchange is not reached (connection)",
            Self::Tls => "no encrypted connection (TLS)",
            Self::Timeout => "no answer in time",
            Self::Http => "not an answer of the exchange (HTTP)",
            Self::Broken => "the connection broke",
        })
    }
}

struct Said<'a> {
    verdict: &'a Verdict,
    code: &'a i64,
    message: &'a str,
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {}", self.verdict.meaning, self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        f.write_str(")")
    }
}

impl RestError {
    /// From a code that is not success. An unclear one about an order or a setting is [`Self::Ambiguous`].
    pub(in crate::venue::bybit) fn refused(op: Op, code: i64, verdict: Verdict, message: &str) -> Self {
        // 10004 echoes what was signed, the key in it.
        let message = if code == 10_004 { String::new() } else { clean(message) };
        let said = Self::Refused { code, verdict, message };
        if op == Op::Create && code == DUPLICATE {
            return Self::Duplicate(said.to_string());
        }
        if verdict.action == Action::Ambiguous && op != Op::Read { Self::Ambiguous(said.to_string()) } else { said }
    }

    /// From an answer that is no envelope.
    pub(super) fn status(op: Op, status: u16, verdict: Verdict) -> Self {
        let detail = format!("{} (HTTP {})", verdict.meaning, status);
        match op {
            Op::Read => Self::Unreachable { stage: Stage::Http, detail },
            _ => Self::Ambiguous(detail),
        }
    }

    /// From a request that failed on its way.
    pub(super) fn transport(op: Op, error: &reqwest::Error) -> Self {
        let (stage, detail) = (stage_of(error), innermost(error));
        match op {
            Op::Read => Self::Unreachable { stage, detail },
            // The connection was never made: nothing of the request can have arrived.
            _ if error.is_connect() => Self::Unsent(format!("{stage}: {detail}")),
            _ => Self::Ambiguous(format!("{stage}: {detail}")),
        }
    }

    /// Is it worth asking again soon?
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unsent(_) | Self::Odd(_) => true,
            Self::Refused { verdict, .. } => verdict.action == Action::Wait,
            Self::Ambiguous(_) | Self::Duplicate(_) | Self::Banned { .. } | Self::Taken(_) => false,
        }
    }

    /// What the venue's answer asks for next.
    pub const fn next(&self) -> Next {
        match self {
            Self::Refused { verdict, .. } => verdict.next,
            _ => Next::Nothing,
        }
    }

    /// Did the venue refuse the key, its permissions or the account for good?
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { verdict, .. } if matches!(verdict.action, Action::Halt))
    }
}

fn stage_of(error: &reqwest::Error) -> Stage {
    if error.is_dns() {
        Stage::Dns
    } else if error.is_connect() {
        // rustls' errors arrive as connect errors.
        if innermost(error).contains("certificate") { Stage::Tls } else { Stage::Connect }
    } else if error.is_timeout() {
        Stage::Timeout
    } else {
        Stage::Broken
    }
}

/// The cause at the end of the chain. The outer ones repeat the address with its query, which is of no use to a person.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::eq(cause, std::ptr::from_ref(error)) { "no further cause".into() } else { clean(&cause.to_string()) }
}

/// Outside text for a person: one line of at most 200 characters without control characters.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect::<String>().trim().to_owned()
}
