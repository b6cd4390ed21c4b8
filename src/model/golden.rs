//! The self-test of a model: forecasts about built-in probes, kept in its card and asked again whenever it is loaded.

use super::ModelError;

/// Golden probes of a card.
pub(super) const PROBES: usize = 4;
/// How far a golden forecast of this program's own arithmetic may be off.
#[cfg(feature = "models")]
pub(super) const TOLERANCE: f32 = 1e-6;

/// Forecasts of the probes as `[up, flat, down, move in bps]` by probe and horizon.
pub(super) type Golden = Vec<Vec<[f32; 4]>>;

/// The rows of a probe for a model of so many features, oldest first.
pub(super) fn probe_window(number: usize, window: usize, count: usize) -> Vec<Vec<f32>> {
    (0..window).rev().map(|back| probe(number + back, count)).collect()
}

/// A deterministic row of plausible values.
fn probe(number: usize, count: usize) -> Vec<f32> {
    (0..count).map(|place| ((place * 7 + number * 5) % 11) as f32 / 8.0 - 0.6).collect()
}

/// Are these the forecasts that the card states?
pub(super) fn check(name: &str, found: &Golden, stated: &Golden, tolerance: f32) -> Result<(), ModelError> {
    if stated.len() != PROBES {
        let why = format!("{} golden forecasts, expected {PROBES}", stated.len());
        return Err(ModelError::Card { path: name.to_owned(), why });
    }
    for (probe, (found, stated)) in found.iter().zip(stated).enumerate() {
        let mut pairs = found.iter().flatten().zip(stated.iter().flatten());
        let same = found.len() == stated.len() && pairs.all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0));
        if !same {
            let text = |rows: &Vec<[f32; 4]>| format!("{:?}", rows.first());
            let (found, card) = (text(found), text(stated));
            return Err(ModelError::Golden { name: name.to_owned(), probe, found, card });
        }
    }
    Ok(())
}
