//! Realised volatility of the mid, and its last move.

use super::fade::{Fade, Fading, Tau};
use super::touch::Touch;
use super::{FeatureSpec, age, book_feature, put};
use crate::engine::time::Ts;

/// The feature that carries the scale.
pub(super) const SCALE_NAME: &str = "vol_64s";

/// Usual move over one second in basis points, out of the feature's value.
pub(super) fn scale_of_feature(value: f64) -> f64 {
    libm::exp(value * 4.0)
}

pub(super) const SPECS: &[FeatureSpec] = &[
    book_feature("vol_1s_vs_64s", "tanh(ln ratio / 2)", 30_000, "volatility"),
    book_feature("vol_8s_vs_64s", "tanh(ln ratio / 2)", 30_000, "volatility"),
    book_feature(SCALE_NAME, "ln(bps/sqrt s) / 4", 30_000, "volatility"),
    book_feature("mid_age", "ln1p(s) / ln 61", 0, "volatility"),
    book_feature("last_move", "sign, fading over 8 s", 0, "volatility").odd(),
];

/// Squared mid moves in bps², faded.
#[derive(Clone, Debug)]
pub(super) struct Volatility {
    squares: [Fading; 3],
    last_move: Fading,
    mid: Option<f64>,
    moved_at: Option<Ts>,
}

impl Volatility {
    pub(super) fn new() -> Self {
        Self {
            squares: [Tau::S1, Tau::S8, Tau::S64].map(Fading::new),
            last_move: Fading::new(Tau::S8),
            mid: None,
            moved_at: None,
        }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        self.squares.iter_mut().for_each(|part| part.pass(fade));
        self.last_move.pass(fade);
    }
    pub(super) fn on_touch(&mut self, at: Ts, touch: &Touch) {
        let before = self.mid.replace(touch.mid).unwrap_or(touch.mid);
        if before.to_bits() != touch.mid.to_bits() {
            let moved_bps = (touch.mid - before) / before * 1e4;
            self.squares.iter_mut().for_each(|part| part.add(moved_bps * moved_bps));
            self.last_move = Fading::new(Tau::S8);
            self.last_move.add(moved_bps.signum());
            self.moved_at = Some(at);
        }
    }

    /// Usual move over one second in bps. A spread counts as one move of the last 64 s, so a quiet market has a scale.
    pub(super) fn scale_bps(&self, touch: &Touch, fade: &Fade) -> f64 {
        (self.variance(2, fade) + touch.spread_bps * touch.spread_bps / Tau::S64.secs()).sqrt()
    }

    pub(super) fn write(&self, at: Ts, touch: &Touch, fade: &Fade, out: &mut Vec<f32>) {
        let floor = touch.spread_bps * touch.spread_bps / Tau::S64.secs();
        let long = self.variance(2, fade) + floor;
        for short in [0, 1] {
            put(out, libm::tanh(libm::log((self.variance(short, fade) + floor) / long) / 4.0));
        }
        put(out, libm::log(long) / 8.0);
        put(out, age(at, self.moved_at));
        put(out, self.last_move.read(fade));
    }

    /// Variance per second in bps².
    fn variance(&self, window: usize, fade: &Fade) -> f64 {
        self.squares[window].rate(fade)
    }
}
