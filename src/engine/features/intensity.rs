//! How busy the market is: trades and book updates against their usual pace, and time since the last trade.

use super::fade::{Fade, Fading, Tau};
use super::{FeatureSpec, age, book_feature, put, trade_feature};
use crate::engine::time::Ts;

pub(super) const SPECS: &[FeatureSpec] = &[
    trade_feature("trades_1s_vs_64s", "tanh(ln ratio / 2)", 30_000, "intensity"),
    trade_feature("trade_rate", "ln1p(1/s) / 4", 30_000, "intensity"),
    book_feature("updates_1s_vs_64s", "tanh(ln ratio / 2)", 30_000, "intensity"),
    trade_feature("trade_age", "ln1p(s) / ln 61", 0, "intensity"),
];

/// Event counts per second that are added to both sides of a pace ratio, so that silence is not infinity.
const PACE_FLOOR: f64 = 0.05;

/// Counts of trades and book updates.
#[derive(Clone, Debug)]
pub(super) struct Intensity {
    trades: [Fading; 2],
    updates: [Fading; 2],
    last_trade: Option<Ts>,
}

impl Intensity {
    pub(super) fn new() -> Self {
        let pair = [Tau::S1, Tau::S64].map(Fading::new);
        Self { trades: pair, updates: pair, last_trade: None }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        for part in self.trades.iter_mut().chain(&mut self.updates) {
            part.pass(fade);
        }
    }
    pub(super) fn on_trade(&mut self, at: Ts) {
        self.trades.iter_mut().for_each(|part| part.add(1.0));
        self.last_trade = Some(at);
    }
    pub(super) fn on_touch(&mut self) {
        self.updates.iter_mut().for_each(|part| part.add(1.0));
    }
    /// Book updates stopped counting: a gap.
    pub(super) fn forget_updates(&mut self) {
        self.updates = [Tau::S1, Tau::S64].map(Fading::new);
    }
    pub(super) fn write(&self, at: Ts, fade: &Fade, out: &mut Vec<f32>) {
        put(out, pace(&self.trades, fade));
        put(out, libm::log1p(self.trades[1].rate(fade)) / 4.0);
        put(out, pace(&self.updates, fade));
        put(out, age(at, self.last_trade));
    }
}

fn pace([short, long]: &[Fading; 2], fade: &Fade) -> f64 {
    let (short, long) = (short.rate(fade) + PACE_FLOOR, long.rate(fade) + PACE_FLOOR);
    libm::tanh(libm::log(short / long) / 2.0)
}
