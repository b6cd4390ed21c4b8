//! The identity of a set of features: a hash over what they are called and what they give.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::bars::MINUTE;
use super::{FeatureFrame, FeatureState, Set, Source};
use crate::engine::event::{MarketData, Trade};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{Book, BookUpdate, Level};
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::{Span, Ts};

/// Events of the built-in stream of books and trades, and of the one of trades that minutes are made of.
const EVENTS: usize = 500;
const TRADES: usize = 2_000;

/// The hash of a set as it is.
pub(super) fn hash(set: Set) -> String {
    hash_of(set, |_, value| value)
}

/// The hash that a set would have whose values come out `changed`, by place.
pub(super) fn hash_of(set: Set, changed: impl Fn(usize, f32) -> f32) -> String {
    let mut hasher = Sha256::new();
    for feature in set.features() {
        let source = match feature.source {
            Source::Book => "book",
            Source::Trades => "trades",
            Source::Bars => "bars",
        };
        let row = [feature.name, feature.unit, feature.family, source].join("|");
        hasher.update(format!("{row}|{}\n", feature.warm_up.0));
    }
    for frame in frames(set) {
        let values = match set {
            Set::Market => {
                hasher.update(frame.warm.to_le_bytes());
                frame.values
            }
            Set::Bars => frame.bars.map(|bars| bars.values).unwrap_or_default(),
        };
        for (place, value) in values.into_iter().enumerate() {
            hasher.update(changed(place, value).to_bits().to_le_bytes());
        }
    }
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a set says of its built-in stream.
fn frames(set: Set) -> Vec<FeatureFrame> {
    let (mut state, mut book, mut frames) = (FeatureState::new(), Book::new(), Vec::new());
    let events: Vec<(Ts, MarketData)> = match set {
        Set::Market => Stream::default().take(EVENTS).collect(),
        Set::Bars => Stream::default().filter(|(_, data)| matches!(data, MarketData::Trade(_))).take(TRADES).collect(),
    };
    for (n, (at, data)) in events.into_iter().enumerate() {
        match &data {
            MarketData::Book(update) => book.apply(update),
            MarketData::Gap => book.gap(),
            _ => {}
        }
        state.on_market(at, &data, &book);
        match set {
            Set::Market if n % 20 == 19 => frames.push(state.frame(at + Span::from_ms(37), Symbol(0))),
            Set::Bars if n % 20 == 19 => frames.push(state.frame(at.floor_to(MINUTE) + MINUTE, Symbol(0))),
            _ => {}
        }
    }
    frames
}

/// A market made of a linear congruential generator: integers only, so it is the same everywhere.
pub(super) struct Stream {
    seed: u64,
    at: Ts,
    /// Best bid in ticks of 0.1.
    bid: i64,
    made: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self { seed: 7, at: Ts::from_ms(1_700_000_000_000), bid: 500_000, made: 0 }
    }
}

impl Stream {
    fn draw(&mut self, below: i64) -> i64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.seed >> 33) % below.max(1) as u64) as i64
    }

    fn level(&mut self, ticks: i64) -> Level {
        Level { price: Price::from_raw(ticks * 100_000_000), qty: Qty::from_raw((1 + self.draw(5_000)) * 1_000_000) }
    }

    /// A whole book of thirty levels a side, best bid at `self.bid`.
    fn snapshot(&mut self) -> MarketData {
        let width = 1 + self.draw(3);
        let bids = (0..30).map(|n| self.level(self.bid - n)).collect();
        let asks = (0..30).map(|n| self.level(self.bid + width + n)).collect();
        MarketData::Book(BookUpdate { snapshot: true, bids, asks })
    }

    fn delta(&mut self) -> MarketData {
        let (near, far) = (self.draw(5), self.draw(40));
        let bids = vec![self.level(self.bid - near)];
        let asks = vec![self.level(self.bid + 4 + far)];
        MarketData::Book(BookUpdate { snapshot: false, bids, asks })
    }
}

impl Iterator for Stream {
    type Item = (Ts, MarketData);
    fn next(&mut self) -> Option<Self::Item> {
        self.at = self.at + Span::from_ms(1 + self.draw(900));
        self.made += 1;
        let data = match (self.made, self.draw(10)) {
            (200, _) => MarketData::Gap,
            (1 | 210, _) | (_, 0) => {
                self.bid += self.draw(7) - 3;
                self.snapshot()
            }
            (_, 1..=3) => {
                let taker = if self.draw(3) == 0 { Side::Sell } else { Side::Buy };
                let Level { price, qty } = self.level(self.bid + i64::from(taker == Side::Buy));
                MarketData::Trade(Trade { price, qty, taker })
            }
            _ => self.delta(),
        };
        Some((self.at, data))
    }
}
