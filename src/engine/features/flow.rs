//! Signed trade flow: what takers bought minus what they sold, over what was traded.

use super::fade::{Fade, Fading, Tau};
use super::{FeatureSpec, put, ratio, trade_feature};

pub(super) const SPECS: &[FeatureSpec] = &[
    trade_feature("flow_500ms", "ratio", 16_000, "flow").odd(),
    trade_feature("flow_1s", "ratio", 16_000, "flow").odd(),
    trade_feature("flow_4s", "ratio", 16_000, "flow").odd(),
    trade_feature("flow_32s", "ratio", 32_000, "flow").odd(),
];

const TAUS: [Tau; 4] = [Tau::Ms500, Tau::S1, Tau::S4, Tau::S32];

/// Signed and total volume.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    signed: [Fading; 4],
    total: [Fading; 4],
    usual: Fading,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self { signed: TAUS.map(Fading::new), total: TAUS.map(Fading::new), usual: Fading::new(Tau::S64) }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        for part in self.signed.iter_mut().chain(&mut self.total) {
            part.pass(fade);
        }
        self.usual.pass(fade);
    }
    /// A trade of `qty` (any unit, always the same), `sign` +1 when the taker bought.
    pub(super) fn on_trade(&mut self, qty: f64, sign: f64) {
        self.signed.iter_mut().for_each(|part| part.add(qty * sign));
        self.total.iter_mut().for_each(|part| part.add(qty));
        self.usual.add(qty);
    }
    pub(super) fn write(&self, fade: &Fade, out: &mut Vec<f32>) {
        for ((signed, total), tau) in self.signed.iter().zip(&self.total).zip(TAUS) {
            let whole = total.read(fade) + self.usual.rate(fade) * tau.secs();
            put(out, ratio(signed.read(fade), whole));
        }
    }
}
