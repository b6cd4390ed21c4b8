//! How wide the market is: in ticks, in basis points, and against its own last minute.

use super::fade::{Average, Fade, Tau};
use super::touch::Touch;
use super::{FeatureSpec, book_feature, put};

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("spread_ticks", "ln/4", 0, "spread"),
    book_feature("spread_bps", "ln1p/2", 0, "spread"),
    book_feature("spread_vs_64s", "tanh(ln ratio)", 30_000, "spread"),
];

/// Average spread in basis points.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    average: Average,
}

impl Spread {
    pub(super) const fn new() -> Self {
        Self { average: Average::new(Tau::S64) }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        self.average.pass(fade);
    }
    pub(super) fn on_touch(&mut self, touch: &Touch) {
        self.average.set(touch.spread_bps);
    }
    /// `tick` in the unit of the touch.
    pub(super) fn write(&self, touch: &Touch, tick: f64, fade: &Fade, out: &mut Vec<f32>) {
        put(out, libm::log((touch.spread / tick.max(1.0)).max(1.0)) / 4.0);
        put(out, libm::log1p(touch.spread_bps) / 2.0);
        let average = self.average.read(fade);
        put(out, if average > 0.0 { libm::tanh(libm::log(touch.spread_bps / average)) } else { 0.0 });
    }
}
