//! From logits to honest probabilities and moves, on rows that the fit did not learn from.

use super::dataset::{Dataset, HORIZONS, HORIZONS_S};
use super::fit::{DEAD_ZONE, OUTPUTS, class};
use crate::model::card::HorizonCard;
use crate::model::serve::{expected_move, probabilities};

/// A scaled move beyond this counts as this: one crash must not set the mean.
const MOVE_MAX: f64 = 10.0;

/// Row, logits: out of the fit's sample.
pub(super) type Unseen = (usize, [f32; OUTPUTS]);

/// Mean log loss of every known label, horizons weighted as in the fit.
pub(super) fn log_loss(data: &Dataset, unseen: &[Unseen]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (horizon, seconds) in HORIZONS_S.into_iter().enumerate() {
        let importance = 1.0 / f64::from(seconds).sqrt();
        for (scaled, logits) in known(data, unseen, horizon) {
            sum -= importance * safe_log(probabilities(logits, 1.0)[class(scaled)]);
            weight += importance;
        }
    }
    if weight > 0.0 { sum / weight } else { f64::INFINITY }
}

/// Calibrates every horizon.
pub(super) fn calibrate(data: &Dataset, unseen: &[Unseen]) -> Vec<HorizonCard> {
    (0..HORIZONS).map(|horizon| calibrate_one(data, unseen, horizon)).collect()
}

fn calibrate_one(data: &Dataset, unseen: &[Unseen], horizon: usize) -> HorizonCard {
    let temperature = temperature(data, unseen, horizon);
    let mut card = HorizonCard {
        seconds: HORIZONS_S[horizon],
        dead_zone: DEAD_ZONE as f32,
        temperature: temperature as f32,
        class_move: class_moves(data, unseen, horizon),
        move_gain: 1.0,
    };
    let (mut cross, mut square) = (0.0, 0.0);
    for (scaled, logits) in known(data, unseen, horizon) {
        let expected = expected_move(probabilities(logits, temperature), &card);
        cross += expected * scaled.clamp(-MOVE_MAX, MOVE_MAX);
        square += expected * expected;
    }
    // Never bolder than the class means: a slope above one on this little data is luck.
    card.move_gain = if square > 0.0 { (cross / square).clamp(0.0, 1.0) as f32 } else { 0.0 };
    card
}

/// The temperature with the least log loss, by golden-section search over its logarithm.
fn temperature(data: &Dataset, unseen: &[Unseen], horizon: usize) -> f64 {
    let rows: Vec<(usize, &[f32])> = known(data, unseen, horizon).map(|(s, logits)| (class(s), logits)).collect();
    let cost = |log: f64| -> f64 {
        let temperature = libm::exp(log);
        rows.iter().map(|(class, logits)| -safe_log(probabilities(logits, temperature)[*class])).sum()
    };
    let (mut low, mut high) = (libm::log(0.25), libm::log(8.0));
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..24 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if cost(a) < cost(b) {
            high = b;
        } else {
            low = a;
        }
    }
    libm::exp(f64::midpoint(low, high))
}

/// Mean scaled move of up, flat, down; mirrored, so up and down are opposite and flat is zero.
fn class_moves(data: &Dataset, unseen: &[Unseen], horizon: usize) -> [f32; 3] {
    let (mut sum, mut count) = (0.0, 0.0);
    for (scaled, _) in known(data, unseen, horizon) {
        if class(scaled) != 1 {
            sum += scaled.abs().min(MOVE_MAX);
            count += 1.0;
        }
    }
    let size = if count > 0.0 { (sum / count) as f32 } else { 0.0 };
    [size, 0.0, -size]
}

/// Scaled move and logits of one horizon, where the move is known.
fn known<'a>(data: &'a Dataset, unseen: &'a [Unseen], horizon: usize) -> impl Iterator<Item = (f64, &'a [f32])> + 'a {
    unseen.iter().filter_map(move |(row, logits)| {
        let scaled = data.rows.get(*row)?.scaled(horizon)?;
        Some((scaled, logits.get(horizon * 3..horizon * 3 + 3)?))
    })
}

pub(super) fn safe_log(probability: f64) -> f64 {
    libm::log(probability.max(1e-12))
}
