//! Moves of the mid over several spans, in units of what the last minute's volatility makes usual.

use super::path::Path;
use super::{FeatureSpec, book_feature, put};
use crate::engine::time::{Span, Ts};

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("ret_500ms", "tanh(z/2)", 30_000, "returns").odd(),
    book_feature("ret_1s", "tanh(z/2)", 30_000, "returns").odd(),
    book_feature("ret_5s", "tanh(z/2)", 30_000, "returns").odd(),
    book_feature("ret_10s", "tanh(z/2)", 30_000, "returns").odd(),
    book_feature("ret_60s", "tanh(z/2)", 60_000, "returns").odd(),
];

const SPANS_MS: [i64; 5] = [500, 1_000, 5_000, 10_000, 60_000];

/// `scale_bps` is the usual move over one second in basis points.
pub(super) fn write(path: &Path, at: Ts, mid: f64, scale_bps: f64, out: &mut Vec<f32>) {
    for ms in SPANS_MS {
        let before = path.back(at, Span::from_ms(ms)).unwrap_or(mid);
        let moved_bps = (mid - before) / before * 1e4;
        let usual_bps = scale_bps * (ms as f64 / 1e3).sqrt();
        put(out, if usual_bps > 0.0 { libm::tanh(moved_bps / usual_bps / 2.0) } else { 0.0 });
    }
}
