//! Closed minutes: what models of bars are told. A minute is the venue's own bar where one came, else what its trades made;
//! one that was not seen from its beginning to its end is no minute until the venue's bar stands in for it.

use std::collections::BTreeMap;

use super::{FeatureSpec, Source, put, ratio};
use crate::engine::event::{Bar, Trade};
use crate::engine::num::Price;
use crate::engine::time::{Span, Ts};

/// The one length of bar that features are made from.
pub const MINUTE: Span = Span::from_secs(60);
/// So long after its end a minute is asked about: what it says of the minutes ahead counts from its end.
pub const FRESH: Span = Span::from_secs(10);
/// Minutes without a hole that every value needs: thirty moves from close to close.
pub const MINUTES: usize = 31;
/// Least usual move over one second in basis points: a market that stands still has a scale too.
const SCALE_MIN: f64 = 0.01;

/// The feature that carries the scale.
pub(super) const SCALE_NAME: &str = "bar_vol_30m";

const fn bar_feature(name: &'static str, unit: &'static str) -> FeatureSpec {
    let warm_up = Span::from_secs(60 * MINUTES as i64);
    FeatureSpec { name, unit, warm_up, family: "bars", source: Source::Bars, odd: false }
}

pub(super) const SPECS: &[FeatureSpec] = &[
    bar_feature("bar_ret_1m", "tanh(z/2)").odd(),
    bar_feature("bar_ret_5m", "tanh(z/2)").odd(),
    bar_feature("bar_ret_15m", "tanh(z/2)").odd(),
    bar_feature("bar_ret_30m", "tanh(z/2)").odd(),
    bar_feature("bar_body_1m", "share of range").odd(),
    bar_feature("bar_wicks_1m", "share of range, upper less lower").odd(),
    bar_feature("bar_range_15m", "-1 low .. 1 high").odd(),
    bar_feature("bar_range_30m", "-1 low .. 1 high").odd(),
    bar_feature("bar_flow_5m", "volume of rising less falling bars, share").odd(),
    bar_feature("bar_flow_30m", "volume of rising less falling bars, share").odd(),
    bar_feature("bar_vol_5m_vs_30m", "tanh(ln ratio / 2)"),
    bar_feature(SCALE_NAME, "ln(bps/sqrt s) / 4"),
    bar_feature("bar_volume_5m_vs_30m", "tanh(ln ratio / 2)"),
];

/// Usual move over one second in basis points, out of the feature's value.
pub(super) fn scale_of_feature(value: f64) -> f64 {
    libm::exp(value * 4.0)
}

/// What closed minutes say.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct BarFrame {
    /// When the newest minute ended: what is forecast counts from here.
    pub closed: Ts,
    /// Values in the order of the set. Always finite.
    pub values: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Minute {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    /// Seen from beginning to end.
    whole: bool,
}

impl Minute {
    /// Nothing has traded in it yet. It opens where the one before closed, as the venue's bars do.
    const fn quiet(close: f64, whole: bool) -> Self {
        Self { open: close, high: close, low: close, close, volume: 0.0, whole }
    }

    fn take(&mut self, price: f64, qty: f64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.volume += qty;
    }

    fn of(bar: &Bar) -> Self {
        let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(raw);
        Self { open, high, low, close, volume: bar.volume.raw() as f64, whole: true }
    }
}

fn raw(price: Price) -> f64 {
    price.raw() as f64
}

/// The last minutes of one instrument.
#[derive(Clone, Debug, Default)]
pub(super) struct Bars {
    /// Closed minutes by number since the epoch, none older than [`MINUTES`] before the newest.
    closed: BTreeMap<i64, Minute>,
    /// The running minute, where trades were seen.
    forming: Option<(i64, Minute)>,
    /// No trade has been heard since a gap: what passes meanwhile is not seen.
    lost: bool,
}

impl Bars {
    /// Minutes that are over by `at` are closed.
    pub(super) fn pass_to(&mut self, at: Ts) {
        let now = number(at);
        let Some((first, _)) = self.forming.filter(|(forming, _)| *forming < now) else { return };
        // After a long silence only the minutes that will be kept are made.
        for n in first.max(now - MINUTES as i64 - 1)..now {
            let Some((_, minute)) = self.forming else { return };
            self.close(n, minute);
            self.forming = Some((n + 1, Minute::quiet(minute.close, !self.lost)));
        }
    }

    pub(super) fn on_trade(&mut self, at: Ts, trade: &Trade) {
        let (price, qty) = (raw(trade.price), trade.qty.raw() as f64);
        let now = number(at);
        // What is watched from its middle on is no whole minute, unless somebody told of it so far.
        let (_, forming) =
            self.forming.get_or_insert_with(|| (now, self.closed.remove(&now).unwrap_or(Minute::quiet(price, false))));
        forming.take(price, qty);
        self.on_heard();
    }

    /// The venue's own bar stands for everything that traded in its time. One of the future is none.
    pub(super) fn on_bar(&mut self, at: Ts, bar: &Bar) {
        if bar.span != MINUTE || number(bar.start) > number(at) {
            return;
        }
        let (n, minute) = (number(bar.start), Minute::of(bar));
        match &mut self.forming {
            Some((forming, running)) if *forming == n => *running = minute,
            _ => self.close(n, minute),
        }
    }

    /// Messages are missing: the running minute is not whole, nor is what passes until a trade is heard again.
    pub(super) fn on_gap(&mut self) {
        self.lost = true;
        if let Some((_, forming)) = &mut self.forming {
            forming.whole = false;
        }
    }

    /// A trade is heard: from the next minute on they are whole again.
    fn on_heard(&mut self) {
        if std::mem::take(&mut self.lost) {
            self.on_gap();
            self.lost = false;
        }
    }

    fn close(&mut self, n: i64, minute: Minute) {
        self.closed.insert(n, minute);
        let Some((newest, _)) = self.closed.last_key_value() else { return };
        let oldest = *newest - MINUTES as i64;
        while self.closed.first_key_value().is_some_and(|(first, _)| *first <= oldest) {
            self.closed.pop_first();
        }
    }

    /// The same within [`FRESH`] of the newest one's end.
    pub(super) fn read_fresh(&self, at: Ts) -> Option<BarFrame> {
        let since_any = Span(at.0.rem_euclid(MINUTE.0));
        let may_be = since_any < FRESH && !self.closed.is_empty();
        let found = if may_be { self.read(at) } else { None };
        found.filter(|bars| (Span(0)..FRESH).contains(&at.since(bars.closed)))
    }

    /// What the minutes closed by `at` say; `None` while there are too few without a hole.
    pub(super) fn read(&self, at: Ts) -> Option<BarFrame> {
        let mut later;
        let bars = if self.forming.is_some_and(|(forming, _)| forming < number(at)) {
            later = self.clone();
            later.pass_to(at);
            &later
        } else {
            self
        };
        let (newest, _) = bars.closed.last_key_value()?;
        let whole = bars.closed.len() == MINUTES && bars.closed.values().all(|minute| minute.whole);
        let minutes: Vec<Minute> = bars.closed.values().copied().collect();
        whole.then(|| BarFrame { closed: end(*newest), values: values(&minutes) })
    }

    /// The newest closed minute: its end and its close in the unit of prices.
    pub(super) fn newest(&self) -> Option<(Ts, f64)> {
        let (newest, minute) = self.closed.last_key_value()?;
        minute.whole.then(|| (end(*newest), minute.close))
    }

    /// Minutes that must still close without a hole.
    pub(super) fn missing(&self) -> usize {
        let newest = self.closed.last_key_value().map_or(0, |(newest, _)| *newest);
        let back = self.closed.iter().rev().zip(0..);
        let whole = back.take_while(|((n, minute), back)| **n == newest - back && minute.whole).count();
        MINUTES - whole.min(MINUTES)
    }
}

fn number(at: Ts) -> i64 {
    at.0.div_euclid(MINUTE.0)
}

fn end(number: i64) -> Ts {
    Ts(number.saturating_add(1).saturating_mul(MINUTE.0))
}

/// The values of [`MINUTES`] consecutive minutes, oldest first.
fn values(minutes: &[Minute]) -> Vec<f32> {
    let mut out = Vec::with_capacity(SPECS.len());
    let Some(last) = minutes.last() else { return out };
    let moves: Vec<f64> =
        minutes.windows(2).map(|pair| (pair[1].close - pair[0].close) / pair[0].close * 1e4).collect();
    // Per second, as the other scales are.
    let variance = |n: usize| {
        let squares: f64 = newest(&moves, n).iter().map(|bps| bps * bps).sum();
        squares / n as f64 / 60.0 + SCALE_MIN * SCALE_MIN
    };
    let long = variance(30);
    for n in [1, 5, 15, 30] {
        let moved: f64 = newest(&moves, n).iter().sum();
        put(&mut out, libm::tanh(moved / (long * 60.0 * n as f64).sqrt() / 2.0));
    }
    let (top, bottom) = (last.open.max(last.close), last.open.min(last.close));
    put(&mut out, ratio(last.close - last.open, last.high - last.low));
    put(&mut out, ratio((last.high - top) - (bottom - last.low), last.high - last.low));
    for n in [15, 30] {
        let high = newest(minutes, n).iter().map(|minute| minute.high).fold(f64::MIN, f64::max);
        let low = newest(minutes, n).iter().map(|minute| minute.low).fold(f64::MAX, f64::min);
        put(&mut out, ratio(2.0 * last.close - low - high, high - low));
    }
    let volume = |n: usize| newest(minutes, n).iter().map(|minute| minute.volume).sum::<f64>();
    for n in [5, 30] {
        let sign = |minute: &Minute| {
            let risen = minute.close - minute.open;
            if risen == 0.0 { 0.0 } else { risen.signum() }
        };
        let signed = newest(minutes, n).iter().map(|minute| sign(minute) * minute.volume).sum();
        put(&mut out, ratio(signed, volume(n)));
    }
    put(&mut out, libm::tanh(libm::log(variance(5) / long) / 4.0));
    put(&mut out, libm::log(long) / 8.0);
    let (short, usual) = (volume(5) / 5.0, volume(30) / 30.0);
    put(&mut out, if short > 0.0 { libm::tanh(libm::log(short / usual) / 2.0) } else { -1.0 });
    out
}

/// The last `n` of them.
fn newest<T>(all: &[T], n: usize) -> &[T] {
    all.get(all.len().saturating_sub(n)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::{Qty, Side};

    fn minute(n: i64) -> Ts {
        Ts(n * MINUTE.0)
    }

    /// A bar whose close is `close` ticks; it opens where the one before closed.
    fn bar(n: i64, before: i64, close: i64) -> Bar {
        let (open, close) = (Price::from_raw(before), Price::from_raw(close));
        let (high, low) = (open.max(close), open.min(close));
        Bar { start: minute(n), span: MINUTE, open, high, low, close, volume: Qty::from_raw(10) }
    }

    fn trade(price: i64) -> Trade {
        Trade { price: Price::from_raw(price), qty: Qty::from_raw(5), taker: Side::Buy }
    }

    fn history(first: i64, count: i64) -> Bars {
        let mut bars = Bars::default();
        (first..first + count).for_each(|n| bars.on_bar(minute(n + 1), &bar(n, 10_000 + n, 10_001 + n)));
        bars
    }

    fn at(frame: &BarFrame, name: &str) -> f64 {
        f64::from(frame.values[SPECS.iter().position(|spec| spec.name == name).unwrap()])
    }

    #[test]
    fn thirty_one_minutes_without_a_hole_are_needed() {
        for (count, missing) in [(0, 31), (1, 30), (30, 1), (31, 0), (400, 0)] {
            let bars = history(5, count);
            assert_eq!((bars.missing(), bars.read(minute(5 + count)).is_some()), (missing, missing == 0), "{count}");
        }
        let mut holed = history(0, 40);
        holed.closed.remove(&25);
        assert_eq!(holed.read(minute(40)), None);
        assert_eq!(holed.missing(), MINUTES - 14, "those since the hole");
        holed.on_bar(minute(40), &bar(25, 10_025, 10_026));
        assert_eq!(holed.read(minute(40)), history(0, 40).read(minute(40)), "the hole was filled");
    }

    #[test]
    fn a_minute_made_of_trades_is_the_venues_bar() {
        let mut bars = history(0, 40);
        // Watched from the middle of the running minute: the venue's bar stands in for it.
        bars.on_trade(minute(40) + Span::from_secs(30), &trade(10_040));
        bars.pass_to(minute(41));
        assert_eq!(bars.read(minute(41)), None);
        bars.on_bar(minute(41), &bar(40, 10_040, 10_041));
        bars.on_bar(minute(41), &bar(99, 1, 1));
        for (ms, price) in [(100, 10_042), (20_000, 10_042), (59_999, 10_042)] {
            bars.pass_to(minute(41) + Span::from_ms(ms));
            bars.on_trade(minute(41) + Span::from_ms(ms), &trade(price));
        }
        let closed = bars.read(minute(42)).unwrap();
        assert_eq!(closed.closed, minute(42));
        // 15 against 10 of the venue's: volume is the one thing that differs.
        let whole = history(0, 42).read(minute(42)).unwrap();
        let same = SPECS.iter().enumerate().filter(|(_, spec)| !spec.name.contains("volume"));
        for (place, spec) in same {
            assert_eq!(closed.values[place].to_bits(), whole.values[place].to_bits(), "{}", spec.name);
        }
        assert_eq!(bars.closed.len(), MINUTES, "reading closed nothing");
        assert_eq!(bars.newest(), Some((minute(41), 10_041.0)));
    }

    /// However it is watched, the venue's bars are what counts in the end.
    #[test]
    fn a_gap_late_in_a_minute_silences_nothing_once_the_bars_have_come() {
        let mut bars = history(0, 40);
        bars.on_trade(minute(40), &trade(10_041));
        bars.on_gap();
        // Heard again in the next minute, which is not whole either: nobody knows what traded before.
        bars.pass_to(minute(41) + Span::from_secs(5));
        bars.on_trade(minute(41) + Span::from_secs(5), &trade(10_041));
        bars.pass_to(minute(42));
        assert_eq!(bars.read(minute(42)), None);
        bars.on_bar(minute(42), &bar(40, 10_040, 10_041));
        bars.on_bar(minute(42), &bar(41, 10_041, 10_042));
        assert_eq!(bars.read(minute(42)), history(0, 42).read(minute(42)));
    }

    #[test]
    fn a_quiet_minute_is_one_and_a_lost_one_is_none() {
        let mut bars = history(0, 40);
        bars.on_trade(minute(40), &trade(10_040));
        bars.on_bar(minute(40), &bar(40, 10_040, 10_041));
        bars.pass_to(minute(43) + Span::from_secs(1));
        let quiet = bars.read(minute(43) + Span::from_secs(1)).unwrap();
        assert!(quiet.closed == minute(43) && at(&quiet, "bar_ret_1m") == 0.0 && at(&quiet, "bar_body_1m") == 0.0);
        bars.on_gap();
        bars.pass_to(minute(45) + Span::from_secs(1));
        assert_eq!(bars.read(minute(45) + Span::from_secs(1)), None);
        // Heard again in the middle of minute 45; 46 is the first that is whole.
        bars.on_trade(minute(45) + Span::from_secs(30), &trade(10_041));
        bars.pass_to(minute(47));
        let whole: Vec<bool> = bars.closed.range(42..).map(|(_, minute)| minute.whole).collect();
        assert_eq!(whole, [true, false, false, false, true]);
        assert_eq!(bars.missing(), MINUTES - 1);
        bars.on_gap();
        bars.pass_to(Ts(i64::MAX / 2));
        assert_eq!(bars.closed.len(), MINUTES, "however long it was away");
    }

    #[test]
    fn values_agree_with_direct_formulas() {
        let closes: [f64; 4] = [100.0, 101.0, 100.5, 102.0];
        let mut minutes: Vec<Minute> = (0..28).map(|_| Minute { volume: 2.0, ..Minute::quiet(100.0, true) }).collect();
        for pair in closes.windows(2) {
            let (high, low) = (pair[0].max(pair[1]) + 0.5, pair[0].min(pair[1]) - 0.25);
            minutes.push(Minute { open: pair[0], high, low, close: pair[1], volume: 4.0, whole: true });
        }
        let frame = BarFrame { closed: Ts(0), values: values(&minutes) };
        let bps: Vec<f64> = closes.windows(2).map(|pair| (pair[1] / pair[0] - 1.0) * 1e4).collect();
        let variance = bps.iter().map(|bps| bps * bps).sum::<f64>() / 30.0 / 60.0 + 1e-4;
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        close(at(&frame, SCALE_NAME), variance.sqrt().ln() / 4.0);
        close(at(&frame, "bar_ret_1m"), (bps[2] / (variance * 60.0).sqrt() / 2.0).tanh());
        close(at(&frame, "bar_ret_15m"), (bps.iter().sum::<f64>() / (variance * 900.0).sqrt() / 2.0).tanh());
        close(at(&frame, "bar_body_1m"), 1.5 / 2.25);
        close(at(&frame, "bar_wicks_1m"), (0.5 - 0.25) / 2.25);
        close(at(&frame, "bar_range_15m"), (2.0 * 102.0 - 99.75 - 102.5) / (102.5 - 99.75));
        close(at(&frame, "bar_flow_5m"), 4.0 / 16.0);
        close(
            at(&frame, "bar_volume_5m_vs_30m"),
            ((16.0_f64 / 5.0) / ((27.0 * 2.0 + 12.0) / 30.0)).ln().mul_add(0.5, 0.0).tanh(),
        );
        assert!(frame.values.iter().all(|value| value.is_finite()));
    }
}
