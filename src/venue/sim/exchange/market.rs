//! One instrument as the exchange sees it: rules, displayed book, prints, candles, mark and funding.

use std::collections::VecDeque;

use super::book::Displayed;
use super::ids::Ids;
use crate::engine::event::{MarketData, Ticker, Trade};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::{Span, Ts};

/// Prints kept, as many as `recent-trade` can ask for.
const PRINTS_MAX: usize = 1_000;
/// Minute candles kept.
const MINUTES_MAX: usize = 3_000;
const MINUTE: Span = Span::from_secs(60);
/// Samples of mid over mark, one a second over half a minute: contract 9.
const PREMIUM_SAMPLES: usize = 30;

/// A public trade as it was printed.
#[derive(Clone, Debug)]
pub struct Print {
    /// Running number of the instrument's prints.
    pub number: u64,
    /// Trade id.
    pub id: String,
    /// Time.
    pub at: Ts,
    /// What traded.
    pub trade: Trade,
    /// Cross sequence.
    pub seq: u64,
    /// Whether the price went up, down, or stayed since the print before.
    pub tick: &'static str,
    /// A retail price improvement order traded: it was in no book (O7).
    pub rpi: bool,
}

/// A candle; of a minute where it is stored, longer where it was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Start of the candle.
    pub start: Ts,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Base traded.
    pub volume: Qty,
    /// Quote traded.
    pub turnover: Money,
}

/// A liquidation as `allLiquidation` tells it.
#[derive(Clone, Debug)]
pub struct Liquidation {
    /// Time.
    pub at: Ts,
    /// Side of the liquidated position.
    pub position: Side,
    /// Size.
    pub qty: Qty,
    /// Bankruptcy price.
    pub price: Price,
}

/// One instrument.
#[derive(Debug)]
pub struct Market {
    /// Rules.
    pub rules: Instrument,
    /// Book less what was taken.
    pub book: Displayed,
    /// Last traded price.
    pub last: Option<Price>,
    /// Mark price.
    pub mark: Option<Price>,
    /// Index price.
    pub index: Option<Price>,
    /// Rate of the next funding.
    pub funding_rate: Rate,
    /// When funding settles next.
    pub next_funding: Ts,
    /// Past settlements, oldest first.
    pub fundings: VecDeque<(Ts, Rate)>,
    /// Price a day ago.
    pub day_ago: Option<Price>,
    /// Prints, oldest first.
    pub prints: VecDeque<Print>,
    /// Minute candles, oldest first.
    pub minutes: VecDeque<Bar>,
    /// Liquidations not yet published.
    pub liquidations: Vec<Liquidation>,
    /// Status as `instruments-info` tells it.
    pub status: &'static str,
    /// What the insurance pool made in eight hours, as a part of it.
    pub pool_result: f64,
    /// Cross sequence.
    pub seq: u64,
    shift: i64,
    printed: u64,
    premium: VecDeque<i64>,
    premium_due: Ts,
}

impl Market {
    pub(super) fn new(rules: Instrument) -> Self {
        Self {
            rules,
            book: Displayed::default(),
            last: None,
            mark: None,
            index: None,
            funding_rate: Rate::ZERO,
            next_funding: Ts(0),
            fundings: VecDeque::new(),
            day_ago: None,
            prints: VecDeque::new(),
            minutes: VecDeque::new(),
            liquidations: Vec::new(),
            status: "Trading",
            pool_result: 0.0,
            seq: 1_000_000,
            shift: 0,
            printed: 0,
            premium: VecDeque::new(),
            premium_due: Ts(0),
        }
    }

    /// Takes news of the feed. Returns the print, moved like the rest of the market, when it was one.
    pub(super) fn apply(&mut self, at: Ts, data: &MarketData, ids: &mut Ids) -> Option<Trade> {
        self.seq += 1;
        match data {
            MarketData::Book(update) => self.book.apply(update, self.shift),
            MarketData::Gap => self.book.gap(),
            MarketData::Ticker(ticker) => self.ticker(ticker),
            MarketData::Trade(trade) => {
                let trade = Trade { price: self.moved(trade.price), ..*trade };
                self.print(at, trade, false, ids);
                return Some(trade);
            }
            MarketData::Rules(_)
            | MarketData::Bar(_)
            | MarketData::Band { .. }
            | MarketData::Liquidation { .. }
            | MarketData::Missed { .. }
            | MarketData::Pool(_) => {}
        }
        None
    }

    const fn moved(&self, price: Price) -> Price {
        Price::from_raw(price.raw().saturating_add(self.shift))
    }

    fn ticker(&mut self, news: &Ticker) {
        self.mark = news.mark.map(|p| self.moved(p)).or(self.mark);
        self.index = news.index.map(|p| self.moved(p)).or(self.index);
        self.funding_rate = news.funding_rate.unwrap_or(self.funding_rate);
        self.day_ago = news.price_24h_ago.or(self.day_ago);
    }

    /// Prints a trade to the public and into the candles.
    pub(super) fn print(&mut self, at: Ts, trade: Trade, rpi: bool, ids: &mut Ids) {
        let tick = match self.last {
            Some(last) if trade.price > last => "PlusTick",
            Some(last) if trade.price < last => "MinusTick",
            _ => "ZeroPlusTick",
        };
        self.last = Some(trade.price);
        self.printed += 1;
        if self.prints.len() >= PRINTS_MAX {
            self.prints.pop_front();
        }
        self.prints.push_back(Print { number: self.printed, id: ids.uuid(), at, trade, seq: self.seq, tick, rpi });
        self.candle(at, &trade);
    }

    fn candle(&mut self, at: Ts, trade: &Trade) {
        let start = at.floor_to(MINUTE);
        let (price, volume, turnover) = (trade.price, trade.qty, trade.price * trade.qty);
        match self.minutes.back_mut() {
            Some(bar) if bar.start >= start => bar.merge(&Bar::of(bar.start, price, volume, turnover)),
            _ => {
                if self.minutes.len() >= MINUTES_MAX {
                    self.minutes.pop_front();
                }
                self.minutes.push_back(Bar::of(start, price, volume, turnover));
            }
        }
    }

    /// Moves the whole market by `rate` from now on, in whole ticks: a crash or a jump.
    pub(super) fn displace(&mut self, rate: Rate) {
        let Some(mark) = self.mark.or(self.last) else { return };
        let tick = self.rules.tick.raw().max(1);
        let by = mark.shifted(rate).raw().saturating_sub(mark.raw()) / tick * tick;
        self.shift = self.shift.saturating_add(by);
        self.book.shift(by);
        let moved = |price: Price| Price::from_raw(price.raw().saturating_add(by));
        (self.mark, self.index) = (self.mark.map(moved), self.index.map(moved));
    }

    /// Samples the premium once a second.
    pub(super) fn sample(&mut self, now: Ts) {
        if now < self.premium_due {
            return;
        }
        self.premium_due = now + Span::from_secs(1);
        if let (Some(mid), Some(mark)) = (self.book.mid(), self.mark) {
            if self.premium.len() >= PREMIUM_SAMPLES {
                self.premium.pop_front();
            }
            self.premium.push_back(mid.raw() - mark.raw());
        }
    }

    /// The highest price of a buy and the lowest of a sell: contract 9, futures since May 2026, alpha 1.
    pub fn band(&self) -> Option<(Price, Price)> {
        let (mark, index) = (self.mark?, self.index.or(self.mark)?);
        let premium = self.premium.iter().sum::<i64>() / (self.premium.len() as i64).max(1);
        let moved = |price: Price, by: i64| Price::from_raw(price.raw().saturating_add(by));
        let high = mark.shifted(RATIO_Y).min(index.max(moved(mark.shifted(RATIO_X), premium.max(0))));
        let low = mark.shifted(-RATIO_Y).max(index.min(moved(mark.shifted(-RATIO_X), premium.min(0))));
        Some((self.rules.tick_down(high), self.rules.tick_up(low)))
    }

    /// Candles of `minutes` length, oldest first, the running one included.
    pub fn bars(&self, minutes: i64) -> Vec<Bar> {
        let length = Span::from_secs(60 * minutes.max(1));
        let mut bars: Vec<Bar> = Vec::new();
        for minute in &self.minutes {
            let start = minute.start.floor_to(length);
            match bars.last_mut() {
                Some(bar) if bar.start == start => bar.merge(minute),
                _ => bars.push(Bar { start, ..*minute }),
            }
        }
        bars
    }

    /// Name of the coin that is traded.
    pub fn base(&self) -> &str {
        self.rules.name.strip_suffix("USDT").unwrap_or(&self.rules.name)
    }
}

/// `priceLimitRatioX` of every instrument here.
pub const RATIO_X: Rate = Rate::from_raw(20_000_000);
/// `priceLimitRatioY` of every instrument here.
pub const RATIO_Y: Rate = Rate::from_raw(40_000_000);

impl Bar {
    const fn of(start: Ts, price: Price, volume: Qty, turnover: Money) -> Self {
        Self { start, open: price, high: price, low: price, close: price, volume, turnover }
    }

    fn merge(&mut self, later: &Self) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume += later.volume;
        self.turnover += later.turnover;
    }
}
