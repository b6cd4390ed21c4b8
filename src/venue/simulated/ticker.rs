//! Mark, index, funding and the price of a day ago, as the venue publishes them about once a second.

use std::collections::VecDeque;

use crate::engine::event::Ticker;
use crate::engine::num::{Price, Rate};
use crate::engine::time::{Span, Ts};

use super::draws::Draws;

const MINUTES_PER_DAY: usize = 1_440;
/// Usual funding per eight hours, in 1e-9: one basis point.
const USUAL_FUNDING: f64 = 100_000.0;
const FUNDING_SD: f64 = 40_000.0;

/// The slow-moving public facts of one instrument.
pub(super) struct Board {
    /// Smoothed mid in ticks.
    smooth: f64,
    /// Mark over index, bps.
    basis: f64,
    /// Funding rate minus the usual one, 1e-9.
    funding: f64,
    /// Mid of each of the last 1440 minutes in ticks, oldest first.
    minutes: VecDeque<i64>,
    minute: i64,
    interval: Span,
}

impl Board {
    /// A board whose last day is a made-up path that ends at `mid` (ticks); `sd_bps` is its minute volatility.
    pub(super) fn new(mid: f64, now: Ts, interval_s: u32, sd_bps: f64, draws: &mut Draws) -> Self {
        let mut price = mid;
        let mut minutes: VecDeque<i64> = (0..MINUTES_PER_DAY)
            .map(|_| {
                price *= 1.0 + sd_bps * 1e-4 * draws.normal();
                (price.round() as i64).max(1)
            })
            .collect();
        minutes.make_contiguous().reverse();
        Self {
            smooth: mid,
            basis: draws.normal(),
            funding: FUNDING_SD * draws.normal(),
            minutes,
            minute: now.as_ms().div_euclid(60_000),
            interval: Span::from_secs(i64::from(interval_s)),
        }
    }

    /// The board at `now`, one second after the last.
    pub(super) fn publish(&mut self, mid: f64, now: Ts, tick: Price, draws: &mut Draws) -> Ticker {
        self.smooth += (mid - self.smooth) * 0.4;
        self.basis = draws.revert(self.basis, 1.0, 300.0, 1.5);
        let minute = now.as_ms().div_euclid(60_000);
        if minute != self.minute {
            self.minute = minute;
            self.funding = draws.revert(self.funding, 60.0, 14_400.0, FUNDING_SD);
            self.minutes.pop_front();
            self.minutes.push_back(mid.round() as i64);
        }
        let price = |ticks: f64| Some(Price::from_raw((ticks.round() as i64).max(1) * tick.raw()));
        // The venue publishes eight decimals.
        let funding = ((USUAL_FUNDING + self.funding) / 10.0).round() as i64 * 10;
        Ticker {
            mark: price(self.smooth),
            index: price(self.smooth * (1.0 - self.basis * 1e-4)),
            funding_rate: Some(Rate::from_raw(funding)),
            next_funding: Some(now.floor_to(self.interval) + self.interval),
            price_24h_ago: self.minutes.front().and_then(|ticks| price(*ticks as f64)),
        }
    }
}
