//! What a consumer of the simulated market sees: best levels, prints and the shape of the book, one set per instrument.

use tickdeck::engine::event::MarketData;
use tickdeck::engine::market::book::{Book, BookState};
use tickdeck::engine::num::{Price, Qty, Side};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

/// Midnight UTC, as in the real samples.
pub const START: Ts = Ts::from_ms(1_795_305_600_000);

/// One change of the best bid or ask: time in seconds, prices in ticks, sizes in base units.
#[derive(Clone, Copy, PartialEq)]
pub struct Best {
    pub t: f64,
    pub bid: f64,
    pub bid_size: f64,
    pub ask: f64,
    pub ask_size: f64,
}

impl Best {
    /// Middle of the best prices, ticks.
    pub fn mid(&self) -> f64 {
        f64::midpoint(self.bid, self.ask)
    }
    /// Mean of the best sizes.
    pub fn size(&self) -> f64 {
        f64::midpoint(self.bid_size, self.ask_size)
    }
}

/// One fill: time in seconds, price in ticks, size in base units, sign of the taker.
#[derive(Clone, Copy)]
pub struct Fill {
    pub t: f64,
    pub price: f64,
    pub size: f64,
    pub sign: f64,
}

/// One instrument's run.
#[derive(Default)]
pub struct Record {
    pub tick: f64,
    pub best: Vec<Best>,
    pub fills: Vec<Fill>,
    pub events: usize,
    /// Fewest levels ever seen on a side.
    pub fewest_levels: usize,
    /// Book faults: crossed, empty, or a fill that is not what the book lost.
    pub faults: usize,
    /// Mean USD within 1, 5, 10, 25 and 50 bps per side, sampled once a second, and samples so far.
    pub depth: [f64; 5],
    pub samples: f64,
}

pub const DEPTH_BPS: [f64; 5] = [1.0, 5.0, 10.0, 25.0, 50.0];

struct Seat {
    book: Book,
    record: Record,
    owed: Vec<(Side, Price, Qty)>,
}

/// Runs the market for `secs` seconds and keeps what a consumer sees.
pub fn record(seed: u64, weather: Weather, secs: i64) -> Vec<Record> {
    let mut market = SimulatedMarket::new(seed, weather, START);
    let ticks = SimulatedMarket::instruments().into_iter().map(|i| i.tick);
    let mut seats: Vec<Seat> = ticks
        .map(|tick| Seat {
            book: Book::new(),
            record: Record { tick: tick.to_f64_lossy(), fewest_levels: usize::MAX, ..Record::default() },
            owed: Vec::new(),
        })
        .collect();
    while market.next_at() < START + Span::from_secs(secs) {
        let (now, symbol, data) = market.next_event();
        seats[symbol.index()].take(now.since(START).0 as f64 * 1e-9, &data);
    }
    seats.into_iter().map(|s| s.record).collect()
}

impl Seat {
    fn take(&mut self, t: f64, data: &MarketData) {
        self.record.events += 1;
        match data {
            MarketData::Book(update) => {
                self.book.apply(update);
                for (side, price, left) in self.owed.drain(..) {
                    self.record.faults += usize::from(self.book.qty_at(side, price) != left);
                }
                let levels = self.book.bids().len().min(self.book.asks().len());
                self.record.fewest_levels = self.record.fewest_levels.min(levels);
                self.record.faults += usize::from(self.book.state() != BookState::Valid || levels == 0);
                self.note_best(t);
            }
            MarketData::Trade(trade) => {
                let side = trade.taker.opposite();
                let rested = self.book.qty_at(side, trade.price);
                self.record.faults += usize::from(trade.qty > rested || trade.qty.is_zero());
                self.owed.push((side, trade.price, rested.saturating_sub(trade.qty)));
                let price = (trade.price.to_f64_lossy() / self.record.tick).round();
                let sign = trade.taker.sign() as f64;
                self.record.fills.push(Fill { t, price, size: trade.qty.to_f64_lossy(), sign });
            }
            MarketData::Ticker(_) => self.sample_depth(),
            MarketData::Gap
            | MarketData::Rules(_)
            | MarketData::Bar(_)
            | MarketData::Band { .. }
            | MarketData::Liquidation { .. }
            | MarketData::Missed { .. }
            | MarketData::Pool(_) => self.record.faults += 1,
        }
    }

    fn note_best(&mut self, t: f64) {
        let Some((bid, ask)) = self.book.best() else { return };
        let ticks = |price: Price| (price.to_f64_lossy() / self.record.tick).round();
        let now = Best {
            t,
            bid: ticks(bid.price),
            bid_size: bid.qty.to_f64_lossy(),
            ask: ticks(ask.price),
            ask_size: ask.qty.to_f64_lossy(),
        };
        let same = |b: &Best| Best { t, ..*b } == now;
        if !self.record.best.last().is_some_and(same) {
            self.record.best.push(now);
        }
    }

    fn sample_depth(&mut self) {
        let Some(mid) = self.book.mid().map(Price::to_f64_lossy) else { return };
        self.record.samples += 1.0;
        for (total, bps) in self.record.depth.iter_mut().zip(DEPTH_BPS) {
            let near =
                |l: &tickdeck::engine::market::book::Level| (l.price.to_f64_lossy() / mid - 1.0).abs() * 1e4 <= bps;
            let levels = self.book.bids().iter().chain(self.book.asks().iter()).filter(near);
            let usd = levels.map(|l| l.price.to_f64_lossy() * l.qty.to_f64_lossy()).sum::<f64>() / 2.0;
            *total += (usd - *total) / self.record.samples;
        }
    }
}
