//! The shape of the running candle: where the mid stands in its recent range, and how much of the range was progress.

use super::path::Path;
use super::{FeatureSpec, book_feature, put, ratio};
use crate::engine::time::{Span, Ts};

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("range_10s", "-1 low .. 1 high", 10_000, "candle").odd(),
    book_feature("range_60s", "-1 low .. 1 high", 60_000, "candle").odd(),
    book_feature("body_60s", "share of range", 60_000, "candle").odd(),
];

pub(super) fn write(path: &Path, at: Ts, mid: f64, out: &mut Vec<f32>) {
    let minute = Span::from_secs(60);
    for span in [Span::from_secs(10), minute] {
        let (low, high) = path.range(at, span).unwrap_or((mid, mid));
        put(out, ratio(2.0 * mid - low - high, high - low));
    }
    let (low, high) = path.range(at, minute).unwrap_or((mid, mid));
    put(out, ratio(mid - path.back(at, minute).unwrap_or(mid), high - low));
}
