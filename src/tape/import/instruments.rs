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
    /// Greatest common divisor of all prices, raw.
    price_divisor: i64,
    /// Greatest common divisor of all quantities, raw.
    qty_divisor: i64,
    lowest: Option<Price>,
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
                levels.bids.iter().chain(&levels.asks).for_each(|level| self.number(*level));
            }
            Message::Best { bid, ask, .. } => [bid, ask].into_iter().for_each(|level| self.number(*level)),
            Message::Trades(trades) => {
                extend(&mut self.trades, at);
                trades.iter().for_each(|t| self.number(Level { price: t.price, qty: t.qty }));
            }
            Message::Ticker(_) => {}
        }
    }

    fn number(&mut self, level: Level) {
        self.price_divisor = divisor(self.price_divisor, level.price.raw());
        self.qty_divisor = divisor(self.qty_divisor, level.qty.raw());
        self.lowest = Some(self.lowest.map_or(level.price, |lowest| lowest.min(level.price)));
    }

    /// What two files say together.
    pub(super) fn join(&mut self, other: &Self) {
        self.price_divisor = divisor(self.price_divisor, other.price_divisor);
        self.qty_divisor = divisor(self.qty_divisor, other.qty_divisor);
        self.lowest = [self.lowest, other.lowest].into_iter().flatten().min();
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
        let tick_max = self.lowest.map_or(i64::MAX, |p| p.raw() / TICKS_IN_PRICE_MIN);
        let tick = round_increment(self.price_divisor, tick_max, &[1, 2, 5]);
        let step = round_increment(self.qty_divisor, UNIT, &[1]);
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

fn divisor(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.max(0), b.max(0));
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The largest of `digits` times a power of ten that divides `divisor` and does not exceed `most`, never below one unit.
/// Ticks are 1, 2 or 5 and steps are 1 times a power of ten, and every number seen is a multiple of them.
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
