//! Where size says the price is, relative to the mid.
//!
//! At the best level the offset in spreads is half the queue imbalance exactly, so it is given in basis points, where
//! it differs; the five-level one is given in spreads.

use super::touch::Touch;
use super::{FeatureSpec, book_feature, put};

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("micro_l1", "tanh(bps)", 0, "microprice").odd(),
    book_feature("micro_5", "tanh(spreads)", 0, "microprice").odd(),
];

pub(super) fn write(touch: &Touch, out: &mut Vec<f32>) {
    put(out, libm::tanh(touch.imbalance() / 2.0 * touch.spread_bps));
    let (bids, asks) = touch.depth[0];
    let (bid_mean, ask_mean) = touch.mean5;
    let weighted = (bid_mean * asks + ask_mean * bids) / (bids + asks);
    put(out, libm::tanh((weighted - touch.mid) / touch.spread / 4.0));
}
