//! Candles of one instrument, from its trades and nothing else.
//!
//! A candle in which nothing traded carries the last close with volume 0, so the chart's time axis has no holes. Before
//! the first trade there is no candle.

use std::collections::VecDeque;

use crate::engine::event::{Bar, Trade};
use crate::engine::num::{Price, Qty};
use crate::engine::snapshot::{CandleLength, CandleView};
use crate::engine::time::Ts;

/// Candles kept of each length: ten minutes of seconds, ten hours of minutes, two days of five minutes.
pub const CANDLES_MAX: usize = 600;

/// Candles of every length in [`CandleLength::ALL`].
#[derive(Clone, Debug, Default)]
pub struct Candles {
    one_second: Series,
    one_minute: Series,
    five_minutes: Series,
}

/// Candles of one length, oldest first, consecutive.
#[derive(Clone, Debug, Default)]
struct Series(VecDeque<Candle>);

#[derive(Clone, Copy, Debug)]
struct Candle {
    start: Ts,
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    volume: Qty,
}

impl Candles {
    /// No trade yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a trade into the candle of each length. A trade older than the forming candle counts into that one.
    pub fn on_trade(&mut self, at: Ts, trade: &Trade) {
        for length in CandleLength::ALL {
            self.series_mut(length).on_trade(length, at, trade);
        }
    }

    /// Takes a bar of the venue's history: it stands for everything that traded in its time. Lengths we do not keep are
    /// ignored.
    pub fn on_bar(&mut self, bar: &Bar) {
        if let Some(length) = CandleLength::ALL.into_iter().find(|length| length.span() == bar.span) {
            self.series_mut(length).on_bar(length, bar);
        }
    }

    /// Lets time pass without a trade: candles up to `at` exist afterwards, carrying the last close.
    pub fn advance(&mut self, at: Ts) {
        for length in CandleLength::ALL {
            self.series_mut(length).advance(length, at);
        }
    }

    /// At most `n` candles of one length, oldest first, the last one forming.
    pub fn view(&self, length: CandleLength, n: usize) -> Vec<CandleView> {
        let series = &self.series(length).0;
        series.iter().skip(series.len().saturating_sub(n)).map(Candle::view).collect()
    }

    const fn series(&self, length: CandleLength) -> &Series {
        match length {
            CandleLength::OneSecond => &self.one_second,
            CandleLength::OneMinute => &self.one_minute,
            CandleLength::FiveMinutes => &self.five_minutes,
        }
    }

    const fn series_mut(&mut self, length: CandleLength) -> &mut Series {
        match length {
            CandleLength::OneSecond => &mut self.one_second,
            CandleLength::OneMinute => &mut self.one_minute,
            CandleLength::FiveMinutes => &mut self.five_minutes,
        }
    }
}

impl Series {
    fn on_trade(&mut self, length: CandleLength, at: Ts, trade: &Trade) {
        self.advance(length, at);
        match self.0.back_mut() {
            Some(forming) => forming.take(trade),
            None => self.0.push_back(Candle {
                start: at.floor_to(length.span()),
                open: trade.price,
                high: trade.price,
                low: trade.price,
                close: trade.price,
                volume: trade.qty,
            }),
        }
    }

    fn on_bar(&mut self, length: CandleLength, bar: &Bar) {
        let step = length.span().0;
        let start = bar.start.floor_to(length.span());
        let candle =
            Candle { start, open: bar.open, high: bar.high, low: bar.low, close: bar.close, volume: bar.volume };
        self.advance(length, start);
        let Some(first) = self.0.front().map(|first| first.start) else {
            self.0.push_back(candle);
            return;
        };
        let place = start.since(first).0 / step;
        if let Some(kept) = usize::try_from(place).ok().and_then(|place| self.0.get_mut(place)) {
            *kept = candle;
            return;
        }
        // Older than everything kept: the time in between is quiet until its own bars come.
        for n in (1..-place).map(|n| first.0 - n * step) {
            if self.0.len() >= CANDLES_MAX {
                return;
            }
            self.0.push_front(Candle::quiet(Ts(n), bar.close));
        }
        if self.0.len() < CANDLES_MAX {
            self.0.push_front(candle);
        }
    }

    fn advance(&mut self, length: CandleLength, at: Ts) {
        let Some(last) = self.0.back().copied() else { return };
        let (now, step) = (at.floor_to(length.span()), length.span());
        let missing = now.since(last.start).0 / step.0;
        // After a long silence only the candles that will be kept are made.
        let skipped = (missing - CANDLES_MAX as i64).max(0);
        for n in skipped + 1..=missing {
            if self.0.len() >= CANDLES_MAX {
                self.0.pop_front();
            }
            let start = Ts(last.start.0.saturating_add(n.saturating_mul(step.0)));
            self.0.push_back(Candle::quiet(start, last.close));
        }
    }
}

impl Candle {
    /// A candle in which nothing has traded; its first trade sets open, high and low.
    const fn quiet(start: Ts, close: Price) -> Self {
        Self { start, open: close, high: close, low: close, close, volume: Qty::ZERO }
    }

    fn take(&mut self, trade: &Trade) {
        if self.volume.is_zero() {
            (self.open, self.high, self.low) = (trade.price, trade.price, trade.price);
        }
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        self.volume += trade.qty;
    }

    fn view(&self) -> CandleView {
        CandleView {
            start: self.start,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume.to_f64_lossy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::Side;
    use crate::engine::time::Span;

    fn trade(price: i64, qty: i64) -> Trade {
        Trade { price: Price::from_raw(price), qty: Qty::from_raw(qty), taker: Side::Sell }
    }

    fn seconds(candles: &Candles) -> Vec<(i64, i64, i64, i64, i64, f64)> {
        let raw = |c: CandleView| (c.start.0, c.open.raw(), c.high.raw(), c.low.raw(), c.close.raw(), c.volume * 1e9);
        candles.view(CandleLength::OneSecond, 10).into_iter().map(raw).collect()
    }

    #[test]
    fn trades_form_candles_and_silence_carries_the_close() {
        let mut candles = Candles::new();
        candles.advance(Ts::from_ms(500));
        assert!(seconds(&candles).is_empty());
        candles.on_trade(Ts::from_ms(1_200), &trade(50, 1));
        candles.on_trade(Ts::from_ms(1_300), &trade(40, 2));
        candles.on_trade(Ts::from_ms(1_999), &trade(60, 3));
        candles.on_trade(Ts::from_ms(3_000), &trade(70, 4));
        candles.on_trade(Ts::from_ms(2_900), &trade(65, 5));
        let second = 1_000_000_000;
        assert_eq!(
            seconds(&candles),
            [(second, 50, 60, 40, 60, 6.0), (2 * second, 60, 60, 60, 60, 0.0), (3 * second, 70, 70, 65, 65, 9.0),]
        );
        assert_eq!(candles.view(CandleLength::OneMinute, 10).len(), 1);
        assert_eq!(candles.view(CandleLength::OneSecond, 1)[0].start, Ts(3 * second));
    }

    #[test]
    fn bars_of_history_fill_what_was_not_seen() {
        let mut candles = Candles::new();
        let minute = Span::from_secs(60);
        candles.on_trade(Ts::from_ms(300_500), &trade(70, 1));
        let bar = |n: i64, close: i64| Bar {
            start: Ts(n * minute.0),
            span: minute,
            open: Price::from_raw(10),
            high: Price::from_raw(90),
            low: Price::from_raw(5),
            close: Price::from_raw(close),
            volume: Qty::from_raw(7),
        };
        for n in [2, 3, 5, 6] {
            candles.on_bar(&bar(n, 20 + n));
        }
        let closes: Vec<i64> =
            candles.view(CandleLength::OneMinute, 10).iter().map(|candle| candle.close.raw()).collect();
        assert_eq!(closes, [22, 23, 22, 25, 26]);
        assert_eq!(candles.view(CandleLength::OneSecond, 10).len(), 1);
        candles.on_bar(&Bar { start: Ts(i64::MIN / 2), ..bar(0, 1) });
        assert!(candles.view(CandleLength::OneMinute, usize::MAX).len() <= CANDLES_MAX);
    }

    #[test]
    fn a_long_silence_costs_no_more_than_the_kept_candles() {
        let mut candles = Candles::new();
        candles.on_trade(Ts(0), &trade(50, 1));
        candles.advance(Ts(i64::MAX));
        for length in CandleLength::ALL {
            let view = candles.view(length, usize::MAX);
            assert_eq!(view.len(), CANDLES_MAX);
            assert!(view.windows(2).all(|w| w[1].start == w[0].start + length.span()));
            assert_eq!(view[599].start, Ts(i64::MAX).floor_to(length.span()));
        }
        candles.on_trade(Ts(0) + Span::from_secs(1), &trade(51, 1));
        assert_eq!(candles.view(CandleLength::OneSecond, 1)[0].high, Price::from_raw(51));
    }
}
