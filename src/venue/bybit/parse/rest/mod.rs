//! Bodies of REST answers (contract 3): first the envelope, then, where its code is 0, the result.

pub mod account;
pub mod market;
pub mod orders;

use std::borrow::Cow;

/// What every answer carries. Read the code before the result: on a failure the result is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// 0 is success; for the rest see [`crate::venue::bybit::codes::classify`].
    pub code: i64,
    /// The venue's words.
    pub message: Cow<'a, str>,
    /// When the venue answered, ms since 1970.
    pub time_ms: Option<i64>,
    body: &'a str,
}
