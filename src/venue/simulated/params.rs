//! The instruments of the simulated market and their fitted parameters. How they were fitted: `docs/simulated-market.md`.

use crate::engine::market::instrument::{Instrument, MarginTier};
use crate::engine::num::{Money, Price, Qty, Rate};

use super::depth::DepthParams;
use super::major::MajorParams;
use super::orders::OrderParams;
use super::thin::ThinParams;

/// What makes an instrument move.
#[derive(Clone, Copy, Debug)]
pub(super) enum Model {
    /// Sticky quotes on a hidden price.
    Major(MajorParams),
    /// Queue-reactive.
    Thin(ThinParams),
}

/// One simulated instrument. Amounts are whole counts, so nothing is converted from a float.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub name: &'static str,
    /// Price increment and quantity increment, 1e-9.
    pub tick_raw: i64,
    pub step_raw: i64,
    /// Largest limit and market order, steps.
    pub max_steps: i64,
    pub max_market_steps: i64,
    /// Best bid at the start, ticks.
    pub bid: i64,
    /// Volatility of one minute, bps, for the made-up day before the start.
    pub minute_bps: f64,
    /// Largest notional (USD), initial and maintenance margin (1e-9) per tier.
    pub tiers: &'static [(i64, i64, i64)],
    pub depth: DepthParams,
    pub model: Model,
}

const USUAL_TIERS: &[(i64, i64, i64)] =
    &[(2_000_000, 10_000_000, 5_000_000), (10_000_000, 20_000_000, 10_000_000), (i64::MAX, 100_000_000, 50_000_000)];
const THIN_TIERS: &[(i64, i64, i64)] =
    &[(50_000, 40_000_000, 20_000_000), (200_000, 80_000_000, 40_000_000), (i64::MAX, 200_000_000, 100_000_000)];

/// All instruments, in [`crate::engine::ids::Symbol`] order.
pub(super) const SPECS: &[Spec] = &[BTC, ETH, SOL, NEXO];

const BTC: Spec = Spec {
    name: "BTCUSDT",
    tick_raw: 100_000_000,
    step_raw: 1_000_000,
    max_steps: 1_190_000,
    max_market_steps: 500_000,
    bid: 617_000,
    minute_bps: 7.0,
    tiers: USUAL_TIERS,
    depth: DepthParams {
        occupied: 0.12,
        occupied_per_bps: 0.13,
        usd_per_bps: [2e5, 4e5, 7.5e5, 1.1e6, 1.2e6, 1.3e6, 1.3e6],
        log_sd: 2.3,
        round: [3.0, 19.0, 165.0],
        coarse_from_bps: 8.0,
        reach_bps: 50.0,
        refreshed: 12.0,
        refresh_bps: 8.0,
    },
    model: Model::Major(BTC_MODEL),
};

const BTC_MODEL: MajorParams = MajorParams {
    vol: 1.05,
    shared: 0.92,
    jump_rate: 0.005,
    jump_bps: 2.5,
    impact: 0.086,
    impact_power: 0.29,
    hop_at: 1.0,
    hop_width: 0.2,
    hop_rate: 0.24,
    run_rate: 25.0,
    run_stop: 0.116,
    taken: 0.46,
    queue_rate: 69.0,
    queue: 2.25,
    limit_log: -3.43,
    limit_log_sd: 1.5,
    lean: 1.9,
    wander_sd: 0.75,
    wander_tau: 1.5,
    pull: 1.68,
    follow: 0.27,
    queue_power: -0.32,
    closing: 600.0,
    improve_log: -1.609,
    improve_log_sd: 2.5,
    refill: 0.76,
    orders: OrderParams {
        base: 1.7,
        same: [0.18, 0.185, 0.25],
        cross: [0.02, 0.04, 0.0],
        fade: [286.0, 10.2, 0.182],
        surge_sd: 0.98,
        surge_tau: 2.2,
        median: 0.022,
        log_sd: 1.79,
        tail_share: 0.046,
        tail: 1.25,
        cap: 180.0,
        polite: 0.45,
    },
};

const ETH: Spec = Spec {
    name: "ETHUSDT",
    tick_raw: 10_000_000,
    step_raw: 10_000_000,
    max_steps: 724_000,
    max_market_steps: 150_000,
    bid: 268_200,
    minute_bps: 8.5,
    tiers: USUAL_TIERS,
    depth: DepthParams {
        occupied: 0.2,
        occupied_per_bps: 0.2,
        usd_per_bps: [4e4, 1e5, 3.3e5, 4.6e5, 5e5, 4e5, 3.5e5],
        log_sd: 2.3,
        round: [1.1, 4.7, 2.7],
        coarse_from_bps: 14.0,
        reach_bps: 50.0,
        refreshed: 12.0,
        refresh_bps: 8.0,
    },
    model: Model::Major(ETH_MODEL),
};

const ETH_MODEL: MajorParams = MajorParams {
    vol: 1.06,
    shared: 0.92,
    impact: 0.1,
    impact_power: 0.3,
    run_stop: 0.12,
    taken: 0.58,
    run_rate: 35.0,
    pull: 1.6,
    queue_power: -0.25,
    refill: 0.9,
    hop_at: 0.82,
    hop_rate: 0.4,
    queue_rate: 64.0,
    queue: 13.3,
    limit_log: -2.813,
    limit_log_sd: 2.0,
    lean: 1.72,
    wander_sd: 0.98,
    wander_tau: 1.2,
    follow: 0.3,
    closing: 570.0,
    improve_log: -1.12,
    improve_log_sd: 1.85,
    orders: OrderParams {
        base: 1.0,
        same: [0.19, 0.214, 0.18],
        cross: [0.03, 0.06, 0.006],
        fade: [250.0, 8.3, 0.13],
        surge_sd: 0.6,
        surge_tau: 3.0,
        median: 0.111,
        log_sd: 2.3,
        tail_share: 0.034,
        cap: 2_000.0,
        polite: 0.43,
        ..BTC_MODEL.orders
    },
    ..BTC_MODEL
};

const SOL: Spec = Spec {
    name: "SOLUSDT",
    tick_raw: 10_000_000,
    step_raw: 100_000_000,
    max_steps: 797_000,
    max_market_steps: 119_000,
    bid: 14_950,
    minute_bps: 11.0,
    tiers: USUAL_TIERS,
    depth: DepthParams {
        occupied: 0.75,
        occupied_per_bps: 0.05,
        usd_per_bps: [2.5e4, 5e4, 1.2e5, 1.7e5, 1.8e5, 1.5e5, 1.3e5],
        log_sd: 1.8,
        round: [1.5, 3.0, 3.0],
        coarse_from_bps: 1_000.0,
        reach_bps: 120.0,
        refreshed: 6.0,
        refresh_bps: 12.0,
    },
    model: Model::Major(SOL_MODEL),
};

const SOL_MODEL: MajorParams = MajorParams {
    vol: 1.5,
    shared: 0.75,
    hop_at: 1.3,
    hop_width: 0.3,
    queue_rate: 40.0,
    queue: 380.0,
    closing: 300.0,
    orders: OrderParams { base: 0.55, median: 1.6, cap: 30_000.0, ..ETH_MODEL.orders },
    ..ETH_MODEL
};

const NEXO: Spec = Spec {
    name: "NEXOUSDT",
    tick_raw: 1_000_000,
    step_raw: 100_000_000,
    max_steps: 1_000_000,
    max_market_steps: 200_000,
    bid: 1_223,
    minute_bps: 10.0,
    tiers: THIN_TIERS,
    depth: DepthParams {
        occupied: 0.97,
        occupied_per_bps: 0.0,
        usd_per_bps: [60.0, 70.0, 90.0, 115.0, 185.0, 210.0, 180.0],
        log_sd: 1.3,
        round: [1.0, 1.0, 1.0],
        coarse_from_bps: 1e9,
        reach_bps: 700.0,
        refreshed: 0.08,
        refresh_bps: 40.0,
    },
    model: Model::Thin(NEXO_MODEL),
};

const NEXO_MODEL: ThinParams = ThinParams {
    vol: 1.2,
    shared: 0.3,
    queue: 197.0,
    limits: [0.044, 0.044, 0.08, 0.085, 0.078, 0.092, 0.067],
    cancels: [0.01, 0.0135, 0.026, 0.062, 0.072, 0.096, 0.0455],
    limit_log: -1.05,
    limit_log_sd: 1.16,
    cancel_log: -1.19,
    cancel_log_sd: 1.24,
    shy: 0.3,
    cancel_power: 0.87,
    lean: 0.3,
    lean_bps: 8.0,
    follow: -0.094,
    side_sd: 0.25,
    closing: 0.15,
    closing_wide: 50.0,
    closing_lean: 0.3,
    refill: 0.55,
    improve_log: -1.78,
    improve_log_sd: 1.04,
    orders: OrderParams {
        base: 0.019,
        same: [0.11, 0.072, 0.21],
        cross: [0.021, 0.007_5, 0.006],
        fade: [63.0, 3.6, 0.069],
        surge_sd: 0.4,
        surge_tau: 600.0,
        median: 40.0,
        log_sd: 1.25,
        tail_share: 0.05,
        tail: 1.2,
        cap: 20_000.0,
        polite: 0.09,
    },
};

impl Spec {
    /// The instrument as the engine knows it.
    pub(super) fn instrument(&self) -> Instrument {
        let step = Qty::from_raw(self.step_raw);
        let tiers = self.tiers.iter().map(|(notional, initial, maintenance)| MarginTier {
            max_notional: if *notional == i64::MAX { Money::MAX } else { Money::from_units(*notional) },
            initial: Rate::from_raw(*initial),
            maintenance: Rate::from_raw(*maintenance),
        });
        Instrument {
            max_qty: Qty::from_raw(self.step_raw * self.max_steps),
            max_market_qty: Qty::from_raw(self.step_raw * self.max_market_steps),
            tiers: tiers.collect(),
            source: "simulated".to_owned(),
            ..Instrument::linear(self.name, Price::from_raw(self.tick_raw), step)
        }
    }
    /// USD per tick, for the model's own arithmetic.
    pub(super) fn tick(&self) -> f64 {
        Price::from_raw(self.tick_raw).to_f64_lossy()
    }
    /// Base units per step, for the model's own arithmetic.
    pub(super) fn step(&self) -> f64 {
        Qty::from_raw(self.step_raw).to_f64_lossy()
    }
}
