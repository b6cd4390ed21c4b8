//! A cheap market: a random walk of thin books and prints for a few symbols.

use tickdeck::engine::event::{MarketData, Ticker, Trade};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::market::book::{BookUpdate, Level};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Price, Qty, Rate, Side};

use super::random::Chance;

const TICK: i64 = 10_000_000;
const STEP: i64 = 10_000_000;
const NAMES: [&str; 3] = ["AAAUSDT", "BBBUSDT", "CCCUSDT"];

/// The walk.
pub struct Walk {
    chance: Chance,
    /// Middle of each book, in ticks.
    mids: Vec<i64>,
    /// Largest step, in ticks.
    pace: i64,
}

/// The first `count` instruments.
pub fn instruments(count: usize) -> Vec<Instrument> {
    let rules = |name: &&str| Instrument::linear(name, Price::from_raw(TICK), Qty::from_raw(STEP));
    NAMES.iter().take(count).map(rules).collect()
}

impl Walk {
    pub fn new(seed: u64, symbols: usize) -> Self {
        let mut chance = Chance::new(seed ^ 0x6d61_726b);
        let mids = (0..symbols).map(|_| chance.between(5_000, 20_000)).collect();
        let pace = chance.between(1, 12);
        Self { chance, mids, pace }
    }

    /// What the market does next to one symbol.
    pub fn step(&mut self, symbol: Symbol, out: &mut Vec<MarketData>) {
        let chance = &mut self.chance;
        let mid = &mut self.mids[symbol.index()];
        *mid = (*mid + chance.between(-self.pace, self.pace)).max(1_000);
        let mid = *mid;
        if chance.permille(350) {
            let taker = if chance.permille(500) { Side::Buy } else { Side::Sell };
            let price = Price::from_raw((mid + taker.sign() * chance.between(0, 2)) * TICK);
            out.push(MarketData::Trade(Trade { price, qty: qty(chance, 4_000), taker }));
        }
        out.push(book(chance, mid));
        if chance.permille(250) {
            out.push(self.ticker(symbol));
        }
    }

    /// Mark, index, funding.
    pub fn ticker(&self, symbol: Symbol) -> MarketData {
        let mark = Some(Price::from_raw(self.mids[symbol.index()] * TICK));
        MarketData::Ticker(Ticker {
            mark,
            index: mark,
            funding_rate: Some(Rate::from_raw(100_000)),
            next_funding: None,
            price_24h_ago: None,
        })
    }
}

fn qty(chance: &mut Chance, most: i64) -> Qty {
    Qty::from_raw(chance.between(1, most) * STEP)
}

fn book(chance: &mut Chance, mid: i64) -> MarketData {
    let thin = chance.permille(100);
    let mut side = |sign: i64| {
        (1..=4)
            .map(|n| Level {
                price: Price::from_raw((mid + sign * n) * TICK),
                qty: qty(chance, if thin { 40 } else { 3_000 }),
            })
            .collect::<Vec<_>>()
    };
    MarketData::Book(BookUpdate { snapshot: true, bids: side(-1), asks: side(1) })
}
