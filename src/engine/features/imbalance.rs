//! Which side of the book waits with more size: at the best level, its recent average, and deeper.

use super::fade::{Average, Fade, Tau};
use super::touch::Touch;
use super::{FeatureSpec, book_feature, put, ratio};

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("imb_l1", "ratio", 0, "imbalance").odd(),
    book_feature("imb_l1_avg_250ms", "ratio", 1_000, "imbalance").odd(),
    book_feature("imb_l1_avg_2s", "ratio", 6_000, "imbalance").odd(),
    book_feature("imb_5", "ratio", 0, "imbalance").odd(),
    book_feature("imb_10", "ratio", 0, "imbalance").odd(),
    book_feature("imb_25", "ratio", 0, "imbalance").odd(),
];

/// Averages of the queue imbalance.
#[derive(Clone, Debug)]
pub(super) struct Imbalance {
    short: Average,
    long: Average,
}

impl Imbalance {
    pub(super) const fn new() -> Self {
        Self { short: Average::new(Tau::Ms250), long: Average::new(Tau::S2) }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        self.short.pass(fade);
        self.long.pass(fade);
    }
    pub(super) fn on_touch(&mut self, touch: &Touch) {
        let value = touch.imbalance();
        self.short.set(value);
        self.long.set(value);
    }
    pub(super) fn write(&self, touch: &Touch, fade: &Fade, out: &mut Vec<f32>) {
        put(out, touch.imbalance());
        put(out, self.short.read(fade));
        put(out, self.long.read(fade));
        for (bids, asks) in touch.depth {
            put(out, ratio(bids - asks, bids + asks));
        }
    }
}
