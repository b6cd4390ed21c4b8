//! Equity over time and what loss limits measure in it: the trading day, the last 24 hours, the high-water mark.
//!
//! Pure: fed with readings, asked for losses. Baselines take the five-second average where it is known, because one
//! odd reading must not become what a whole day is measured from.

use std::collections::VecDeque;

use crate::engine::event::Baselines;
use crate::engine::num::{MONEY_UNIT, Money, Price};
use crate::engine::risk::limits::{LimitKey, RiskLimits, show};
use crate::engine::risk::state::LossTrip;
use crate::engine::time::{Span, Ts};

/// Readings of this long are averaged.
const AVERAGE_OVER: Span = Span::from_secs(5);
/// An average over less than this is not one.
const AVERAGE_MIN: Span = Span::from_secs(1);
/// Readings closer together than this share a place: at most 52 places hold five seconds of any stream.
const PLACE: Span = Span::from_ms(100);
/// Minutes kept: 24 hours.
const MINUTES_MAX: usize = 1440;
const MINUTE: Span = Span::from_secs(60);
const DAY: Span = Span::from_secs(86_400);
/// A whole in 1e-9 percent.
const PERCENT: i128 = 100_000_000_000;

/// Follows equity and says when a loss limit is passed.
#[derive(Clone, PartialEq, Debug)]
pub struct EquityTracker {
    day_starts_at: Span,
    baselines: Option<Baselines>,
    /// Each reading holds until the next one; the first may be older than the average reaches.
    readings: VecDeque<(Ts, Money)>,
    last: Option<(Ts, Money)>,
    average: Option<Money>,
    /// Highest of the kept minutes.
    high_24h: Money,
    day_turned: bool,
    minute_turned: bool,
}

/// One limit with what was measured against it, in the limit's unit, 1e-18 for money and 1e-9 for percent.
struct Measure {
    key: LimitKey,
    raw: i128,
    average: Option<i128>,
    allowed: i128,
    shown: String,
}

impl EquityTracker {
    /// A tracker that goes on from `baselines`, or starts them with its first reading. `day_starts_at` is the start of
    /// the trading day after midnight UTC.
    pub fn new(day_starts_at: Span, baselines: Option<Baselines>) -> Self {
        let mut tracker = Self {
            day_starts_at,
            baselines,
            readings: VecDeque::new(),
            last: None,
            average: None,
            high_24h: Money::ZERO,
            day_turned: false,
            minute_turned: false,
        };
        tracker.find_high_24h();
        tracker
    }

    /// Takes a reading of equity. Readings come in order of time; one that claims to be older counts as of the last.
    pub fn observe(&mut self, at: Ts, equity: Money) {
        let at = self.last.map_or(at, |(last, _)| at.max(last));
        self.remember(at, equity);
        self.last = Some((at, equity));
        let steady = self.average.unwrap_or(equity);
        let day_start = self.day_of(at);
        let baselines = self.baselines.get_or_insert_with(|| Baselines {
            day_start,
            day_equity: steady,
            high_water: steady,
            minutes: Vec::new(),
            day_loss_spent: false,
        });
        self.day_turned = baselines.day_start < day_start;
        if self.day_turned {
            baselines.day_start = day_start;
            baselines.day_equity = steady;
            baselines.day_loss_spent = false;
        }
        baselines.high_water = baselines.high_water.max(steady);
        let minute = at.floor_to(MINUTE);
        self.minute_turned = baselines.minutes.last().is_none_or(|(last, _)| *last < minute);
        if self.minute_turned {
            baselines.minutes.push((minute, steady));
            baselines.minutes.retain(|(then, _)| minute.since(*then) < DAY);
            // A clock that went back leaves more than a day's minutes; the newest count.
            let excess = baselines.minutes.len().saturating_sub(MINUTES_MAX);
            baselines.minutes.drain(..excess);
            self.find_high_24h();
        }
    }

    /// Last reading.
    pub fn equity(&self) -> Option<Money> {
        self.last.map(|(_, equity)| equity)
    }
    /// Average of the last five seconds; `None` until readings span one second.
    pub const fn average(&self) -> Option<Money> {
        self.average
    }
    /// Equity gained since the trading day began, negative for a loss.
    pub fn day_pnl(&self) -> Option<Money> {
        Some(self.equity()? - self.baselines.as_ref()?.day_equity)
    }
    /// Equity lost since the trading day began, zero when none was.
    pub fn day_loss(&self) -> Option<Money> {
        Some(lost(self.baselines.as_ref()?.day_equity, self.equity()?))
    }
    /// Equity lost against the highest minute of the last 24 hours, zero when none was.
    pub fn loss_24h(&self) -> Option<Money> {
        self.baselines.as_ref()?;
        Some(lost(self.high_24h, self.equity()?))
    }
    /// Fall from the high-water mark in 1e-9 percent of it, rounded up; `i64::MAX` when the mark is not above zero and
    /// equity lies below it.
    pub fn drawdown_pct_1e9(&self) -> Option<i64> {
        Some(fall(self.baselines.as_ref()?.high_water, self.equity()?))
    }
    /// What losses are measured from; `None` before the first reading of a new account.
    pub const fn baselines(&self) -> Option<&Baselines> {
        self.baselines.as_ref()
    }
    /// Did the last reading begin a new trading day?
    pub const fn day_turned(&self) -> bool {
        self.day_turned
    }
    /// Did the last reading begin a new minute, so that the baselines are worth keeping again?
    pub const fn minute_turned(&self) -> bool {
        self.minute_turned
    }

    /// The first loss limit that is passed, in the order limits are shown: the raw figure and its average both reach
    /// it, or the raw one reaches one and a half times it. A limit of zero is passed by any loss.
    ///
    /// The day's limit is silent while it is spent (see [`Self::spend_day`]).
    pub fn tripped(&self, limits: &RiskLimits) -> Option<LossTrip> {
        let (baselines, equity) = (self.baselines.as_ref()?, self.equity()?);
        let money = |key: LimitKey, from: Money| Measure {
            key,
            raw: lost(from, equity).raw(),
            average: self.average.map(|average| lost(from, average).raw()),
            allowed: limits.money(key).raw(),
            shown: format!("{:.2}", lost(from, equity)),
        };
        let day = (!baselines.day_loss_spent).then(|| money(LimitKey::MaxDailyLoss, baselines.day_equity));
        let rolling = money(LimitKey::MaxLoss24h, self.high_24h);
        let down = fall(baselines.high_water, equity);
        let drawdown = Measure {
            key: LimitKey::MaxDrawdownPct,
            raw: i128::from(down),
            average: self.average.map(|average| i128::from(fall(baselines.high_water, average))),
            allowed: i128::from(limits.get(LimitKey::MaxDrawdownPct)),
            shown: format!("{:.2}", Price::from_raw(down)),
        };
        day.into_iter().chain([rolling, drawdown]).find(Measure::passed).map(|measure| LossTrip {
            limit: measure.key.name().to_owned(),
            measured: measure.shown,
            allowed: format!("{}{}", show(limits.get(measure.key)), measure.key.unit().suffix()),
        })
    }

    /// A person lifted a latch: drawdown and the 24-hour loss count from here on. The day's loss goes on counting.
    pub fn reset(&mut self, at: Ts) {
        let (Some(steady), Some(baselines)) = (self.last.map(|(_, equity)| equity), self.baselines.as_mut()) else {
            return;
        };
        baselines.high_water = steady;
        baselines.minutes = vec![(at.floor_to(MINUTE), steady)];
        self.readings.clear();
        self.average = None;
        self.find_high_24h();
    }

    /// The day's loss limit was reached and its trip lifted (true), or that limit was loosened (false). While spent it
    /// does not trip again, arming is refused instead; the next day clears it.
    pub const fn spend_day(&mut self, spent: bool) {
        if let Some(baselines) = self.baselines.as_mut() {
            baselines.day_loss_spent = spent;
        }
    }

    /// Money came or went that is neither profit nor loss (a deposit): every baseline moves with it.
    pub fn deposited(&mut self, amount: Money) {
        if let Some(baselines) = self.baselines.as_mut() {
            baselines.day_equity += amount;
            baselines.high_water += amount;
            baselines.minutes.iter_mut().for_each(|(_, equity)| *equity += amount);
        }
        self.readings.iter_mut().for_each(|(_, equity)| *equity += amount);
        self.last = self.last.map(|(at, equity)| (at, equity + amount));
        self.average = self.average.map(|average| average + amount);
        self.find_high_24h();
    }

    /// Start of the trading day that `at` belongs to.
    fn day_of(&self, at: Ts) -> Ts {
        (at - self.day_starts_at).floor_to(DAY) + self.day_starts_at
    }

    fn find_high_24h(&mut self) {
        let minutes = self.baselines.iter().flat_map(|baselines| &baselines.minutes);
        self.high_24h = minutes.map(|(_, equity)| *equity).max().unwrap_or(Money::ZERO);
    }

    /// Puts a reading into the window and averages it.
    fn remember(&mut self, at: Ts, equity: Money) {
        if self.last.is_some_and(|(last, _)| at.since(last) > AVERAGE_OVER) {
            self.readings.clear();
        }
        match self.readings.back_mut() {
            Some((since, held)) if at.since(*since) < PLACE => *held = equity,
            _ => self.readings.push_back((at, equity)),
        }
        let start = at - AVERAGE_OVER;
        while self.readings.get(1).is_some_and(|(next, _)| *next <= start) {
            self.readings.pop_front();
        }
        self.average = self.averaged(at, equity);
    }

    /// The readings averaged by how long each held, rounded down. Differences are summed, to stay far from the ends.
    fn averaged(&self, now: Ts, base: Money) -> Option<Money> {
        let (first, _) = self.readings.front()?;
        let start = (*first).max(now - AVERAGE_OVER);
        let span = i128::from(now.since(start).0);
        if span < i128::from(AVERAGE_MIN.0) {
            return None;
        }
        let ends = self.readings.iter().skip(1).map(|(at, _)| *at).chain([now]);
        let weighted = self.readings.iter().zip(ends).fold(0_i128, |sum, ((since, equity), until)| {
            let held = i128::from(until.since((*since).max(start)).0);
            sum.saturating_add((*equity - base).raw().saturating_mul(held))
        });
        Some(base + Money::from_raw(weighted.div_euclid(span)))
    }
}

impl Measure {
    fn passed(&self) -> bool {
        let reaches = |loss: i128, allowed: i128| loss > 0 && loss >= allowed;
        // Half again, rounded up.
        let far = self.allowed.saturating_add(self.allowed.saturating_add(1) / 2);
        reaches(self.raw, far)
            || (reaches(self.raw, self.allowed) && self.average.is_some_and(|average| reaches(average, self.allowed)))
    }
}

/// What is missing against a baseline, never negative.
fn lost(from: Money, equity: Money) -> Money {
    (from - equity).max(Money::ZERO)
}

/// The fall from `high` in 1e-9 percent, rounded up.
fn fall(high: Money, equity: Money) -> i64 {
    let (mut high, mut down) = (high.raw(), lost(high, equity).raw());
    if down == 0 {
        return 0;
    }
    if high <= 0 {
        return i64::MAX;
    }
    // Beyond a hundred million units of quote currency the last twelve digits cannot show in a percentage, and the
    // product below would not fit.
    if high.max(down) > MONEY_UNIT.saturating_mul(100_000_000) {
        high = high.div_euclid(1_000_000_000_000).max(1);
        down = down.div_euclid(1_000_000_000_000);
    }
    let scaled = down.saturating_mul(PERCENT);
    let percent = scaled.saturating_add(high.saturating_sub(1)).checked_div(high).unwrap_or(i128::MAX);
    i64::try_from(percent).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
