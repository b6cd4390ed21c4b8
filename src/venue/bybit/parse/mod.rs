//! What the venue sends, as typed values. Pure functions over bytes; nothing here panics on outside data.
//!
//! Tolerant where the venue is loose: unknown fields are ignored, key order is free, and "no value" may be `""`,
//! `"0"`, `"UNKNOWN"`, `null` or a missing key (contract 0.2). Strict where money hangs on it: a row whose needed field
//! is missing or unreadable is left out and reported as [`Odd`], never filled with a guess.

pub mod private;
pub mod public;
pub mod reply;
pub mod rest;
pub mod rows;
pub mod trade;
mod tree;

use std::borrow::Cow;

/// The longest frame or body that is read, in bytes. The longest documented ones are near one million: a page of 1000
/// instruments. A longer one is refused unread.
pub const LENGTH_MAX: usize = 4 << 20;

/// Something that does not fit the contract: a whole frame where it is an error, one row where it stands in [`Rows`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} from the exchange is not as documented: {field}")]
pub struct Odd {
    /// What was read, `order row`.
    pub what: &'static str,
    /// The field that is missing or unreadable, or why the whole could not be read. Never a value that was sent.
    pub field: Cow<'static, str>,
    /// Whose row it is, where that can be read and is a name.
    pub symbol: Option<String>,
}

impl Odd {
    /// Could it be a row of this instrument?
    pub fn may_be_of(&self, symbol: &str) -> bool {
        self.symbol.as_ref().is_none_or(|own| own == symbol)
    }
    const fn new(what: &'static str, field: &'static str) -> Self {
        Self { what, field: Cow::Borrowed(field), symbol: None }
    }
}

/// Rows in the order sent, and what was left out. Whoever decides about money counts `odd` and reads the truth again.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// Rows that were read.
    pub good: Vec<T>,
    /// Rows that were not, and why.
    pub odd: Vec<Odd>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Rows<T>,
    /// `nextPageCursor` as sent, percent signs and all (contract 0.39); `None` on the last page.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests;
