//! What moves all instruments together: one hidden common price and the volatility they share.

use super::draws::Draws;
use super::weather::Climate;

/// Jumps of the common price per second.
const JUMP_RATE: f64 = 0.025;
/// Mean size of a jump, bps.
const JUMP_BPS: f64 = 2.4;
/// Deviation of each of the two components of log volatility.
const LOG_VOL_SD: f64 = 0.25;
/// Time constants of the two components, seconds.
const LOG_VOL_TAU_S: [f64; 2] = [15.0, 1_200.0];

/// The common state.
pub(super) struct Factor {
    /// Common price, bps since the start, about 1 bps per root second.
    level: f64,
    /// Two standard-normal components of the shared log volatility.
    mood: [f64; 2],
    at_ns: i64,
    draws: Draws,
}

impl Factor {
    pub(super) fn new(at_ns: i64, mut draws: Draws) -> Self {
        let mood = [draws.normal(), draws.normal()];
        Self { level: 0.0, mood, at_ns, draws }
    }
    /// Common price, bps since the start.
    pub(super) const fn level(&self) -> f64 {
        self.level
    }
    /// Standard-normal fast and slow components of shared log volatility.
    pub(super) const fn mood(&self) -> [f64; 2] {
        self.mood
    }
    /// Moves the common price by `bps`: what one instrument's order tells the others.
    pub(super) fn push(&mut self, bps: f64) {
        self.level += bps;
    }
    /// Brings the state to `now_ns`.
    pub(super) fn advance(&mut self, now_ns: i64, climate: &Climate) {
        let dt = (now_ns - self.at_ns) as f64 * 1e-9;
        if dt <= 0.0 {
            return;
        }
        self.at_ns = now_ns;
        for (mood, tau) in self.mood.iter_mut().zip(LOG_VOL_TAU_S) {
            *mood = self.draws.revert(*mood, dt, tau, 1.0);
        }
        let vol = climate.vol * libm::exp(LOG_VOL_SD * (self.mood[0] + self.mood[1]));
        self.level += vol * dt.sqrt() * self.draws.normal() + climate.drift * dt;
        if self.draws.chance(JUMP_RATE * dt) {
            self.level += climate.vol * JUMP_BPS * self.draws.sign() * self.draws.exponential();
        }
    }
}
