//! Order-flow imbalance at the best level (Cont, Kukanov, Stoikov): what joined the bid and left the ask, minus the
//! opposite, over its own absolute size.

use super::fade::{Fade, Fading, Tau};
use super::touch::Touch;
use super::{FeatureSpec, book_feature, put, ratio};

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("ofi_250ms", "ratio", 16_000, "ofi").odd(),
    book_feature("ofi_1s", "ratio", 16_000, "ofi").odd(),
    book_feature("ofi_4s", "ratio", 16_000, "ofi").odd(),
    book_feature("ofi_16s", "ratio", 32_000, "ofi").odd(),
];

const TAUS: [Tau; 4] = [Tau::Ms250, Tau::S1, Tau::S4, Tau::S16];

/// Signed and absolute flow at the best level.
#[derive(Clone, Debug)]
pub(super) struct Ofi {
    before: Option<Touch>,
    signed: [Fading; 4],
    absolute: [Fading; 4],
    usual: Fading,
}

impl Ofi {
    pub(super) fn new() -> Self {
        Self {
            before: None,
            signed: TAUS.map(Fading::new),
            absolute: TAUS.map(Fading::new),
            usual: Fading::new(Tau::S64),
        }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        for part in self.signed.iter_mut().chain(&mut self.absolute) {
            part.pass(fade);
        }
        self.usual.pass(fade);
    }
    pub(super) fn on_touch(&mut self, touch: &Touch) {
        if let Some(before) = self.before.replace(*touch) {
            let flow = between(&before, touch);
            self.signed.iter_mut().for_each(|part| part.add(flow));
            self.absolute.iter_mut().for_each(|part| part.add(flow.abs()));
            self.usual.add(flow.abs());
        }
    }
    pub(super) fn write(&self, fade: &Fade, out: &mut Vec<f32>) {
        for ((signed, absolute), tau) in self.signed.iter().zip(&self.absolute).zip(TAUS) {
            // The usual flow in the denominator lets the value die away in silence.
            let whole = absolute.read(fade) + self.usual.rate(fade) * tau.secs();
            put(out, ratio(signed.read(fade), whole));
        }
    }
}

fn between(before: &Touch, now: &Touch) -> f64 {
    let mut flow = 0.0;
    if now.bid >= before.bid {
        flow += now.bid_qty;
    }
    if now.bid <= before.bid {
        flow -= before.bid_qty;
    }
    if now.ask <= before.ask {
        flow -= now.ask_qty;
    }
    if now.ask >= before.ask {
        flow += before.ask_qty;
    }
    flow
}
