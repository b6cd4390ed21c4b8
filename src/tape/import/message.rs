//! What a line says about one instrument, whoever wrote it.

use crate::engine::event::{Ticker, Trade};
use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty};
use crate::engine::time::Ts;

/// Changed levels of both sides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Levels {
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

/// A message about one instrument. `id` numbers are the venue's own counts of book changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Message {
    /// A whole book as of `id`.
    Snapshot {
        id: u64,
        /// Levels a side that the stream promises; 0 when it is not said.
        depth: u32,
        /// It replaces the book whatever came before: the venue pushed it. Otherwise it was fetched beside the stream.
        pushed: bool,
        levels: Levels,
    },
    /// What changed from `first` to `last`.
    Delta {
        first: u64,
        last: u64,
        /// `last` of the message before, where the venue says it.
        previous: Option<u64>,
        depth: u32,
        levels: Levels,
    },
    /// Best bid and ask as of `id`, ahead of the next delta.
    Best { id: u64, bid: Level, ask: Level },
    /// Trades.
    Trades(Vec<Trade>),
    /// Mark, index, funding.
    Ticker(Ticker),
}

/// What one line holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line<'a> {
    /// Something about an instrument. A message that does not name it (a REST snapshot) is about the file's only one.
    Message { at: Ts, name: Option<&'a str>, message: Message },
    /// Well-formed, and nothing that belongs on a tape: answers to subscriptions, heartbeats, other streams.
    Other,
}

/// What is wrong with a line.
pub(super) type Bad = String;

/// Levels from their decimal texts.
pub(super) fn levels(texts: &[(&str, &str)]) -> Result<Vec<Level>, Bad> {
    texts.iter().map(|(price, qty)| level(price, qty)).collect()
}

/// One level from its decimal texts.
pub(super) fn level(price: &str, qty: &str) -> Result<Level, Bad> {
    Ok(Level { price: positive_price(price)?, qty: Qty::parse(qty).map_err(|e| e.to_string())? })
}

/// A price above zero.
pub(super) fn positive_price(text: &str) -> Result<Price, Bad> {
    let price = Price::parse(text).map_err(|e| e.to_string())?;
    if price > Price::ZERO { Ok(price) } else { Err(format!("a price of {text}")) }
}

/// A moment written as a count since 1970 of seconds (perhaps with decimals), milli-, micro- or nanoseconds. Which, the
/// size tells: the ranges do not meet between the years 1973 and 5138.
pub(super) fn moment(text: &str) -> Result<Ts, Bad> {
    let bad = || format!("`{}` is not a time", text.chars().take(40).collect::<String>());
    if text.contains('.') {
        // Nanoseconds are what a decimal of seconds with nine places counts.
        return Price::parse(text).ok().filter(|s| *s > Price::ZERO).map(|s| Ts(s.raw())).ok_or_else(bad);
    }
    let count: i64 = text.parse().map_err(|_| bad())?;
    let factor = match count {
        1..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        100_000_000_000_000_000.. => 1,
        _ => return Err(bad()),
    };
    count.checked_mul(factor).map(Ts).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_size() {
        let expected = Ts(1_723_161_255_518_000_000);
        for text in ["1723161255518", "1723161255518000", "1723161255518000000", "1723161255.518"] {
            assert_eq!(moment(text), Ok(expected), "{text}");
        }
        assert_eq!(moment("1723161255"), Ok(Ts(1_723_161_255_000_000_000)));
        for text in ["", "-5", "0", "soon", "99999999999999999999", "1.2.3", "-1.5"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_are_exact_or_refused() {
        assert_eq!(level("61737.63000000", "0.00000000").unwrap().qty, Qty::ZERO);
        for (price, qty) in [("0", "1"), ("-1", "1"), ("1", "-1"), ("1e3", "1"), ("1", ""), ("1.0000000001", "1")] {
            assert!(level(price, qty).is_err(), "{price} {qty}");
        }
    }
}
