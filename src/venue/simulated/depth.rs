//! The book behind the best level: which ticks are occupied, how much rests there, and how it is refreshed.

use super::draws::Draws;
use super::quotes::{ASK, BID, FLOOR, Quotes};

/// How a side looks at a distance from its best level.
#[derive(Clone, Copy, Debug)]
pub(super) struct DepthParams {
    /// Chance that a tick at the touch is occupied.
    pub occupied: f64,
    /// Growth of that chance per bps of distance.
    pub occupied_per_bps: f64,
    /// Mean USD per bps of distance, at 0, 1, 3, 7.5, 17.5, 37.5 and 50 bps.
    pub usd_per_bps: [f64; 7],
    /// Deviation of log size.
    pub log_sd: f64,
    /// Mean size on multiples of 10, 100 and 1000 ticks over that elsewhere.
    pub round: [f64; 3],
    /// Distance from which only every tenth tick is used, bps.
    pub coarse_from_bps: f64,
    /// How far the book reaches, bps.
    pub reach_bps: f64,
    /// Levels redrawn per side and refresh, in the mean, and their mean distance in bps.
    pub refreshed: f64,
    pub refresh_bps: f64,
}

const KNOTS_BPS: [f64; 7] = [0.0, 1.0, 3.0, 7.5, 17.5, 37.5, 50.0];
/// Sizes are capped at this many log deviations.
const CAP_SD: f64 = 2.5;

/// Draws and keeps up the deep book of one instrument.
pub(super) struct Deep {
    params: DepthParams,
    /// Mean of a capped draw over the median, inverted.
    unit_mean: f64,
    /// Best key when the book was last filled up, per side.
    near: [i64; 2],
    /// Farthest key where every tick is used, per side.
    fine: [i64; 2],
    /// Farthest key that has been drawn, per side.
    edge: [i64; 2],
}

impl Deep {
    /// Not yet drawn; the first [`Deep::reach`] fills the book.
    pub(super) fn new(params: DepthParams, quotes: &Quotes) -> Self {
        let best = [quotes.best(BID), quotes.best(ASK)];
        let sd = params.log_sd;
        let below = |z: f64| 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
        let mean = libm::exp(0.5 * sd * sd) * below(CAP_SD - sd) + libm::exp(sd * CAP_SD) * below(-CAP_SD);
        Self { params, unit_mean: 1.0 / mean, near: best, fine: best, edge: best }
    }

    /// Steps at a key, freshly drawn; zero for an unoccupied tick. `scale` is steps per USD.
    pub(super) fn draw(&self, quotes: &Quotes, side: usize, key: i64, tick_bps: f64, scale: f64, d: &mut Draws) -> i64 {
        let p = &self.params;
        let far = (key - quotes.best(side)) as f64 * tick_bps;
        let coarse = key > self.fine[side];
        if coarse && key % 10 != 0 {
            return 0;
        }
        let occupied = if coarse { 0.95 } else { (p.occupied + p.occupied_per_bps * far).min(0.9) };
        if !d.chance(occupied) {
            return 0;
        }
        let [ten, hundred, thousand] = p.round;
        let ticks = if coarse { 10.0 } else { 1.0 };
        let usual = if coarse {
            0.9 * ten + 0.09 * hundred + 0.01 * thousand
        } else {
            0.9 + 0.09 * ten + 0.009 * hundred + 0.001 * thousand
        };
        let mark = match key {
            k if k % 1000 == 0 => thousand,
            k if k % 100 == 0 => hundred,
            k if k % 10 == 0 => ten,
            _ => 1.0,
        };
        let mean = self.usd_per_bps(far) * tick_bps * ticks / occupied * mark / usual * scale;
        let fresh = libm::exp(p.log_sd * d.normal().min(CAP_SD));
        ((mean * self.unit_mean * fresh).round() as i64).max(1)
    }

    fn usd_per_bps(&self, far: f64) -> f64 {
        let at = KNOTS_BPS.iter().position(|k| *k > far).unwrap_or(KNOTS_BPS.len() - 1).max(1);
        let (lo, hi) = (KNOTS_BPS[at - 1], KNOTS_BPS[at]);
        let part = ((far - lo) / (hi - lo)).clamp(0.0, 1.0);
        let usd = &self.params.usd_per_bps;
        usd[at - 1] + (usd[at] - usd[at - 1]) * part
    }

    /// Extends both sides to their reach and drops what lies far beyond it, so that the number of levels stays bounded.
    pub(super) fn reach(&mut self, quotes: &mut Quotes, tick_bps: f64, scale: f64, draws: &mut Draws) {
        let far = (self.params.reach_bps / tick_bps) as i64;
        let near = ((self.params.coarse_from_bps / tick_bps) as i64).min(far);
        for side in [BID, ASK] {
            let best = quotes.best(side);
            if self.fine[side] > best + near + near / 8 {
                self.fine[side] = best + near;
                for key in quotes.beyond(side, self.fine[side]).filter(|key| key % 10 != 0) {
                    quotes.set(side, key, 0);
                }
            }
            if self.edge[side] > best + far + far / 8 {
                self.edge[side] = best + far;
                for key in quotes.beyond(side, self.edge[side]) {
                    quotes.set(side, key, 0);
                }
            }
            // The price moved away from this side: makers fill in behind it.
            for key in best + 1..self.near[side] {
                if quotes.at(side, key) == 0 {
                    quotes.set(side, key, self.draw(quotes, side, key, tick_bps, scale, draws));
                }
            }
            self.near[side] = best;
            while self.fine[side] < best + near {
                self.fine[side] += 1;
                let key = self.fine[side];
                if quotes.at(side, key) == 0 {
                    quotes.set(side, key, self.draw(quotes, side, key, tick_bps, scale, draws));
                }
            }
            self.edge[side] = self.edge[side].max(self.fine[side]);
            while self.edge[side] < best + far {
                self.edge[side] += 1;
                let key = self.edge[side];
                quotes.set(side, key, self.draw(quotes, side, key, tick_bps, scale, draws));
            }
        }
    }

    /// Redraws some levels; walls on round prices only breathe.
    pub(super) fn refresh(&self, quotes: &mut Quotes, tick_bps: f64, scale: f64, draws: &mut Draws) {
        for side in [BID, ASK] {
            let count = (self.params.refreshed + draws.unit()) as u32;
            for _ in 0..count {
                let far = draws.exponential() * self.params.refresh_bps;
                if far > self.params.reach_bps {
                    continue;
                }
                let mut key = quotes.best(side) + 2 + (far / tick_bps) as i64;
                if key > self.fine[side] {
                    key -= key.rem_euclid(10);
                }
                self.redraw(quotes, side, key, tick_bps, scale, draws);
            }
        }
    }

    /// Redraws one level behind the best.
    pub(super) fn redraw(&self, quotes: &mut Quotes, side: usize, key: i64, tick_bps: f64, scale: f64, d: &mut Draws) {
        if key <= quotes.best(side) || key > self.edge[side] {
            return;
        }
        let now = quotes.at(side, key);
        let size = if now > 0 && key % 100 == 0 {
            ((now as f64 * libm::exp(0.05 * d.normal())).round() as i64).max(1)
        } else {
            self.draw(quotes, side, key, tick_bps, scale, d)
        };
        if size > 0 || quotes.depth(side) > FLOOR {
            quotes.set(side, key, size);
        }
    }
}
