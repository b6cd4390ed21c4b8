//! A small generated market in which queue imbalance tells the next move, and nothing else does.

use tickdeck::engine::event::{MarketData, Trade};
use tickdeck::engine::market::book::{BookUpdate, Level};
use tickdeck::engine::num::{Price, Qty, Side};
use tickdeck::engine::time::{Span, Ts};

pub type Item = Result<(Ts, String, MarketData), String>;

/// What to leave out of the market.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    NoTrades,
    OnlyGaps,
    /// The queue says nothing about the next move.
    NoSignal,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Five updates a second for so many seconds.
pub fn market(seconds: i64, flaw: Flaw) -> Vec<Item> {
    let mut dice = Dice(11);
    let (mut bid, mut tilt) = (10_000_i64, 5_u64);
    let mut items: Vec<Item> = Vec::new();
    for step in 0..seconds * 5 {
        let at = Ts::from_ms(1_700_000_000_000 + step * 200 + dice.below(150) as i64);
        let mut push = |data| items.push(Ok((at, "TESTUSDT".to_owned(), data)));
        if flaw == Flaw::OnlyGaps {
            push(MarketData::Gap);
            continue;
        }
        if dice.below(4) == 0 {
            // The heavier queue wins, mostly.
            let up = if flaw == Flaw::NoSignal { dice.below(2) == 0 } else { dice.below(10) < tilt };
            bid += if up { 1 } else { -1 };
            tilt = 1 + dice.below(9);
        }
        push(MarketData::Book(book(&mut dice, bid, tilt)));
        if flaw != Flaw::NoTrades && dice.below(3) == 0 {
            let taker = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
            let price = price(if taker == Side::Buy { bid + 1 } else { bid });
            push(MarketData::Trade(Trade {
                price,
                qty: Qty::from_raw((1 + dice.below(50) as i64) * 1_000_000),
                taker,
            }));
        }
    }
    items
}

fn price(ticks: i64) -> Price {
    Price::from_raw(ticks * 100_000_000)
}

/// A whole book; of ten parts at the best price, `tilt` wait on the bid.
fn book(dice: &mut Dice, bid: i64, tilt: u64) -> BookUpdate {
    let width = 1 + i64::from(dice.below(12) == 0);
    let mut side = |first: u64, step: i64, from: i64| -> Vec<Level> {
        let mut level = |n: i64| {
            let parts = if n == 0 { first * 10 } else { 1 + dice.below(100) };
            Level { price: price(from + step * n), qty: Qty::from_raw(parts as i64 * 10_000_000) }
        };
        (0..26).map(&mut level).collect()
    };
    let bids = side(tilt, -1, bid);
    let asks = side(10 - tilt, 1, bid + width);
    BookUpdate { snapshot: true, bids, asks }
}

/// How long a market of so many seconds lasts.
pub fn length(items: &[Item]) -> Span {
    let at = |item: Option<&Item>| item.and_then(|i| i.as_ref().ok()).map_or(Ts(0), |i| i.0);
    at(items.last()).since(at(items.first()))
}
