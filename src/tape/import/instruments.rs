//! An instrument's increments, from the numbers that its data shows.

use crate::engine::market::book::Level;
use crate::engine::market::instrument::{Category, Instrument};
use crate::engine::num::{Price, Qty, UNIT};
use crate::engine::time::Ts;

use super::binance::{COIN_M, SPOT};
use super::message::Message;

/// What a file holds about one instrument.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    prices: Grid,
    quantities: Grid,
    /// First moment of anything.
    pub first: Option<Ts>,
    /// First and last moment of its trades.
    pub trades: Option<(Ts, Ts)>,
    /// First and last moment of its book.
    pub books: Option<(Ts, Ts)>,
    /// Levels a side of the deepest book stream.
    pub depth: u32,
    /// A whole book is among the messages.
    pub snapshot: bool,
}

impl Seen {
    /// Takes one message into account.
    pub(super) fn note(&mut self, at: Ts, message: &Message) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        match message {
            Message::Snapshot { depth, levels, .. } | Message::Delta { depth, levels, .. } => {
                extend(&mut self.books, at);
                self.depth = self.depth.max(*depth);
                self.snapshot |= matches!(message, Message::Snapshot { .. });
                for level in levels.bids.iter().chain(&levels.asks) {
                    self.number(*level);
                }
            }
            Message::Best { bid, ask, .. } => {
                self.number(*bid);
                self.number(*ask);
            }
            Message::Trades(trades) => {
                extend(&mut self.trades, at);
                for trade in trades {
                    self.number(Level { price: trade.price, qty: trade.qty });
                }
            }
            Message::Ticker(_) => {}
        }
    }

    fn number(&mut self, level: Level) {
        self.prices.note(level.price.raw());
        self.quantities.note(level.qty.raw());
    }

    /// What two files say together.
    pub(super) fn join(&mut self, other: &Self) {
        self.prices.join(&other.prices);
        self.quantities.join(&other.quantities);
        self.first = [self.first, other.first].into_iter().flatten().min();
        for (mine, theirs) in [(&mut self.trades, other.trades), (&mut self.books, other.books)] {
            if let Some((first, last)) = theirs {
                extend(mine, first);
                extend(mine, last);
            }
        }
        self.depth = self.depth.max(other.depth);
        self.snapshot |= other.snapshot;
    }

    /// Is there anything that can go on a tape: trades, or a book that has its beginning?
    pub(super) const fn is_usable(&self) -> bool {
        self.trades.is_some() || self.snapshot
    }

    /// The instrument that shows these numbers.
    pub(super) fn instrument(&self, name: &str, market: &str, qty_in_quote: bool, source: String) -> Instrument {
        let tick = round_increment(self.prices.divisor(), self.prices.largest / TICKS_IN_PRICE_MIN, &[1, 2, 5]);
        let step = round_increment(self.quantities.divisor(), UNIT, &[1]);
        let inverse = market == COIN_M || qty_in_quote || is_inverse_name(name);
        Instrument {
            category: if inverse { Category::Inverse } else { Category::Linear },
            funding_interval_s: if market == SPOT { 0 } else { 28_800 },
            source,
            ..Instrument::linear(name, Price::from_raw(tick), Qty::from_raw(step))
        }
    }
}

/// No market has a tick larger than this part of its price; where little data suggests one, the data is too little.
const TICKS_IN_PRICE_MIN: i64 = 200;

fn extend(span: &mut Option<(Ts, Ts)>, at: Ts) {
    let (first, last) = span.unwrap_or((at, at));
    *span = Some((first.min(at), last.max(at)));
}

/// The grid that numbers lie on. Orders that rest since a venue made its grid coarser lie off it: one number in a
/// thousand may need more decimals than the rest.
#[derive(Clone, Debug, Default)]
struct Grid {
    /// How many numbers need so many decimals, and what divides them all.
    by_decimals: [(u64, i64); 10],
    largest: i64,
}

impl Grid {
    fn note(&mut self, raw: i64) {
        if raw <= 0 {
            return;
        }
        let (mut rest, mut decimals) = (raw, 9_usize);
        while decimals > 0 && rest % 10 == 0 {
            rest /= 10;
            decimals -= 1;
        }
        if let Some((count, shared)) = self.by_decimals.get_mut(decimals) {
            *count += 1;
            *shared = divisor(*shared, raw);
        }
        self.largest = self.largest.max(raw);
    }

    fn join(&mut self, other: &Self) {
        for ((count, shared), (more, theirs)) in self.by_decimals.iter_mut().zip(other.by_decimals) {
            *count += more;
            *shared = divisor(*shared, theirs);
        }
        self.largest = self.largest.max(other.largest);
    }

    /// What divides all numbers but those off the grid.
    fn divisor(&self) -> i64 {
        let total: u64 = self.by_decimals.iter().map(|(count, _)| count).sum();
        let mut left = total;
        let mut shared = 0;
        for (count, theirs) in self.by_decimals {
            if left <= total / 1_000 {
                break;
            }
            left -= count;
            shared = divisor(shared, theirs);
        }
        shared
    }
}

fn divisor(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The largest of `digits` times a power of ten that divides `divisor` and does not exceed `most`, never below one unit.
/// Ticks are 1, 2 or 5 and steps are 1 times a power of ten, and (nearly) every number seen is a multiple of them.
fn round_increment(divisor: i64, most: i64, digits: &[i64]) -> i64 {
    let mut best = 1;
    let mut power: i64 = 1;
    while power <= divisor.min(most) {
        for candidate in digits.iter().map(|digit| power.saturating_mul(*digit)) {
            if candidate <= most && divisor % candidate == 0 {
                best = best.max(candidate);
            }
        }
        let Some(next) = power.checked_mul(10) else { break };
        power = next;
    }
    best
}

/// Contracts that are named after a dollar pair and settle in the coin: `BTCUSD`, `BTCUSD_PERP`, `XBTUSD`, `BTCUSDH25`.
fn is_inverse_name(name: &str) -> bool {
    name.find("USD").is_some_and(|at| {
        let after = name.get(at + 3..).unwrap_or_default();
        !after.starts_with('T') && !after.starts_with('C')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(levels: &[(&str, &str)]) -> Seen {
        let mut seen = Seen::default();
        for (price, qty) in levels {
            seen.number(Level { price: Price::parse(price).unwrap(), qty: Qty::parse(qty).unwrap() });
        }
        seen
    }

    fn increments(levels: &[(&str, &str)]) -> (String, String) {
        let made = seen(levels).instrument("BTCUSDT", "", false, String::new());
        (made.tick.to_string(), made.step.to_string())
    }

    #[test]
    fn increments_are_what_the_numbers_share() {
        let text = |tick: &str, step: &str| (tick.to_owned(), step.to_owned());
        assert_eq!(increments(&[("61737.63000000", "0.00000000"), ("61738.1", "1.54698")]), text("0.01", "0.00001"));
        assert_eq!(increments(&[("28145.10", "3.868"), ("28145.30", "0.001")]), text("0.1", "0.001"));
        assert_eq!(increments(&[("13873", "10"), ("13873.5", "3000")]), text("0.5", "1"));
        assert_eq!(increments(&[("1.9530", "2409"), ("1.9529", "680")]), text("0.0001", "1"));
        // One number says little; the tick stays a small part of the price.
        assert_eq!(increments(&[("400", "0.5")]), text("2", "0.1"));
        // A few old orders lie off the grid.
        let mut many = vec![("0.5", "1.25"); 4_000];
        many.extend([("1.234", "0.125"), ("1.3", "1.26"), ("250", "7.001")]);
        assert_eq!(increments(&many), text("0.1", "0.01"));
        assert_eq!(increments(&[]), text("0.000000001", "0.000000001"));
    }

    #[test]
    fn coin_margined_contracts_are_inverse() {
        let category =
            |name: &str, market: &str| Seen::default().instrument(name, market, false, String::new()).category;
        for (name, market) in [("BTCUSD_PERP", ""), ("BTCUSD", ""), ("BTCUSDH25", ""), ("X", COIN_M)] {
            assert_eq!(category(name, market), Category::Inverse, "{name}");
        }
        for name in ["BTCUSDT", "ETHUSDC", "BTCPERP"] {
            assert_eq!(category(name, SPOT), Category::Linear, "{name}");
        }
    }
}
