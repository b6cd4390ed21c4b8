//! When market orders come and how big they are: self-exciting bursts on three time scales, heavy-tailed sizes.

use super::draws::Draws;

/// Parameters of order arrival and size.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderParams {
    /// Orders per second and side that no earlier order caused.
    pub base: f64,
    /// Mean number of same-side orders that one order causes, per time scale.
    pub same: [f64; 3],
    /// Mean number of opposite orders that one order causes, per time scale.
    pub cross: [f64; 3],
    /// Rates at which the excitement fades, per second.
    pub fade: [f64; 3],
    /// Deviation and time constant (s) of the log of a slow factor on the base rate.
    pub surge_sd: f64,
    pub surge_tau: f64,
    /// Median size, base units.
    pub median: f64,
    /// Deviation of log size.
    pub log_sd: f64,
    /// Share of orders from the power-law tail.
    pub tail_share: f64,
    /// Exponent of the tail.
    pub tail: f64,
    /// Largest order, base units.
    pub cap: f64,
    /// Share of orders that take no more than the best queue.
    pub polite: f64,
}

/// Excitement left by earlier orders, and the slow factor on the base rate.
#[derive(Default)]
pub(super) struct Flow {
    heat: [[f64; 3]; 2],
    surge: f64,
}

impl Flow {
    /// `dt` seconds pass.
    pub(super) fn cool(&mut self, dt: f64, params: &OrderParams, draws: &mut Draws) {
        self.surge = draws.revert(self.surge, dt, params.surge_tau, params.surge_sd);
        for (k, fade) in params.fade.iter().enumerate() {
            let keep = libm::exp(-fade * dt);
            self.heat[0][k] *= keep;
            self.heat[1][k] *= keep;
        }
    }
    /// Orders per second and side that no earlier order caused.
    pub(super) fn base(&self, params: &OrderParams) -> f64 {
        params.base * libm::exp(self.surge - 0.5 * params.surge_sd * params.surge_sd)
    }
    /// An order that takes side `side` came.
    pub(super) fn excite(&mut self, side: usize) {
        for heat in &mut self.heat[side] {
            *heat += 1.0;
        }
    }
    /// Excited rate of orders that take side `side`, per second.
    pub(super) fn excited(&self, side: usize, params: &OrderParams) -> f64 {
        (0..3)
            .map(|k| {
                let caused = params.same[k] * self.heat[side][k] + params.cross[k] * self.heat[1 - side][k];
                params.fade[k] * caused
            })
            .sum()
    }
}

/// Size of a fresh order in base units.
pub(super) fn draw_size(params: &OrderParams, draws: &mut Draws) -> f64 {
    let size = if draws.chance(params.tail_share) {
        params.median * libm::exp(1.88 * params.log_sd) * libm::pow(draws.unit(), -1.0 / params.tail)
    } else {
        params.median * libm::exp(params.log_sd * draws.normal())
    };
    size.min(params.cap)
}
