//! What moves all instruments together: one hidden common price and the volatility they share.

use super::draws::Draws;
use super::weather::Climate;

/// Jumps of the common price per second, and their mean size in bps.
const JUMP_RATE: f64 = 0.025;
const JUMP_BPS: f64 = 2.4;
/// Shocks per second (one in about 30 hours), their least size and the mean of what comes on top, bps.
const SHOCK_RATE: f64 = 1.0 / 108_000.0;
const SHOCK_BPS: f64 = 20.0;
const SHOCK_MORE_BPS: f64 = 20.0;
/// Deviation and time constant (s) of the components of log volatility: clusters of seconds, of minutes, of hours.
const LOG_VOL: [(f64, f64); 3] = [(0.25, 15.0), (0.35, 1_200.0), (0.45, 28_800.0)];

/// The common state.
pub(super) struct Factor {
    /// Common price, bps since the start, about 1 bps per root second.
    level: f64,
    /// Components of the log volatility that all share.
    mood: [f64; 3],
    at_ns: i64,
    draws: Draws,
}

impl Factor {
    /// A common price of zero; the clusters of hours start from the middle, so no run opens in an odd market.
    pub(super) fn new(at_ns: i64, mut draws: Draws) -> Self {
        let mood = [LOG_VOL[0].0 * draws.normal(), LOG_VOL[1].0 * draws.normal(), 0.0];
        Self { level: 0.0, mood, at_ns, draws }
    }
    /// Common price, bps since the start.
    pub(super) const fn level(&self) -> f64 {
        self.level
    }
    /// Log volatility that all share.
    pub(super) fn mood(&self) -> f64 {
        self.mood.iter().sum()
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
        for (mood, (sd, tau)) in self.mood.iter_mut().zip(LOG_VOL) {
            *mood = self.draws.revert(*mood, dt, tau, sd);
        }
        let vol = climate.vol * libm::exp(self.mood());
        self.level += vol * dt.sqrt() * self.draws.normal() + climate.drift * dt;
        if self.draws.chance(JUMP_RATE * dt) {
            self.level += climate.vol * JUMP_BPS * self.draws.sign() * self.draws.exponential();
        }
        if self.draws.chance(SHOCK_RATE * dt) {
            self.level += self.draws.sign() * (SHOCK_BPS + SHOCK_MORE_BPS * self.draws.exponential());
        }
    }
}
