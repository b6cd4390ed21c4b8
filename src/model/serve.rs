//! A loaded model: normalise, one fused operation, calibrated probabilities and an expected move.

use candle_core::{Device, Tensor};

use super::card::{Card, HorizonCard, short};
use super::dense::Stack;
use super::weights::{Tensors, outputs};
use super::{Arch, Model, ModelError};
use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::{FEATURE_COUNT, FeatureFrame, usual_move_bps};

/// Golden probes of a card.
const PROBES: usize = 4;
/// How far a golden forecast may be off.
const GOLDEN_TOLERANCE: f32 = 1e-6;

/// A model that answers.
pub(super) struct Served {
    card: Card,
    info: ModelInfo,
    stack: Stack,
}

impl Served {
    /// Fuses the tensors and recomputes the card's golden forecasts.
    pub(super) fn new(card: Card, arch: &Arch, tensors: &Tensors) -> Result<Self, ModelError> {
        let served = Self::unchecked(card, arch, tensors)?;
        let golden = served.golden()?;
        for (probe, (found, stated)) in golden.iter().zip(&served.card.golden).enumerate() {
            let pairs = found.iter().flatten().zip(stated.iter().flatten());
            let same = found.len() == stated.len()
                && pairs.clone().all(|(a, b)| (a - b).abs() <= GOLDEN_TOLERANCE * b.abs().max(1.0));
            if !same {
                let text = |rows: &Vec<[f32; 4]>| format!("{:?}", rows.first());
                let (found, card) = (text(found), text(stated));
                return Err(ModelError::Golden { name: served.card.name, probe, found, card });
            }
        }
        if served.card.golden.len() != PROBES {
            let why = format!("{} golden forecasts, expected {PROBES}", served.card.golden.len());
            return Err(ModelError::Card { path: served.card.name, why });
        }
        Ok(served)
    }

    /// Without the golden check: for the trainer, which writes the golden forecasts.
    pub(super) fn unchecked(card: Card, arch: &Arch, tensors: &Tensors) -> Result<Self, ModelError> {
        let unsound =
            |error: candle_core::Error| ModelError::Weights { name: card.name.clone(), why: error.to_string() };
        let stack = (arch.fused)(tensors).map_err(unsound)?;
        let info = ModelInfo {
            name: card.name.clone(),
            hash: short(&card.weights_sha256),
            horizons_s: card.horizon.iter().map(|horizon| horizon.seconds).collect(),
            trained: card.trained.clone(),
        };
        Ok(Self { card, info, stack })
    }

    /// Forecasts of the built-in probes as `[up, flat, down, move in bps]` by probe and horizon.
    pub(super) fn golden(&self) -> Result<Vec<Vec<[f32; 4]>>, ModelError> {
        let probes: Vec<Vec<f32>> = (0..PROBES).map(probe).collect();
        let rows: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
        let forecasts = self.forecast(&rows)?;
        let row = |row: Vec<HorizonForecast>| row.iter().map(|f| [f.up, f.flat, f.down, f.move_bps]).collect();
        Ok(forecasts.into_iter().map(row).collect())
    }

    /// Forecasts for rows of feature values, each of [`FEATURE_COUNT`] finite numbers.
    pub(super) fn forecast(&self, rows: &[&[f32]]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self
            .logits(rows)
            .map_err(|error| ModelError::Compute { name: self.card.name.clone(), why: error.to_string() })?;
        let per_row = logits.chunks_exact(outputs(&self.card));
        Ok(rows.iter().zip(per_row).map(|(values, logits)| self.read_out(values, logits)).collect())
    }

    fn logits(&self, rows: &[&[f32]]) -> candle_core::Result<Vec<f32>> {
        let mut input = Vec::with_capacity(rows.len() * FEATURE_COUNT);
        for row in rows {
            self.card.normalise(row, &mut input);
        }
        let input = Tensor::from_vec(input, (rows.len(), FEATURE_COUNT), &Device::Cpu)?;
        input.apply_op1_no_bwd(&self.stack)?.flatten_all()?.to_vec1()
    }

    fn read_out(&self, values: &[f32], logits: &[f32]) -> Vec<HorizonForecast> {
        let by_horizon = self.card.horizon.iter().zip(logits.chunks_exact(3));
        by_horizon
            .map(|(horizon, logits)| {
                let [up, flat, down] = probabilities(logits, f64::from(horizon.temperature));
                let usual = usual_move_bps(values, f64::from(horizon.seconds)).unwrap_or(0.0);
                HorizonForecast {
                    horizon_s: horizon.seconds,
                    up: up as f32,
                    flat: flat as f32,
                    down: down as f32,
                    move_bps: (usual * expected_move([up, flat, down], horizon)) as f32,
                }
            })
            .collect()
    }
}

impl Model for Served {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn card(&self) -> &Card {
        &self.card
    }

    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        let refuse = |why: String| ModelError::Frame { name: self.card.name.clone(), why };
        let mut rows = Vec::with_capacity(frames.len());
        for frame in frames {
            if frame.values.len() != FEATURE_COUNT {
                return Err(refuse(format!("{} values, {FEATURE_COUNT} expected", frame.values.len())));
            }
            if let Some(place) = frame.values.iter().position(|value| !value.is_finite()) {
                return Err(refuse(format!("value {place} is not finite")));
            }
            if usize::from(frame.warm) == FEATURE_COUNT {
                rows.push(frame.values.as_slice());
            }
        }
        let mut forecasts = self.forecast(&rows)?.into_iter();
        let warm = |frame: &FeatureFrame| usize::from(frame.warm) == FEATURE_COUNT;
        Ok(frames.iter().map(|frame| if warm(frame) { forecasts.next() } else { None }.unwrap_or_default()).collect())
    }
}

/// Up, flat, down from three logits. In 64 bits with `libm`, so that every machine agrees.
pub(super) fn probabilities(logits: &[f32], temperature: f64) -> [f64; 3] {
    let mut weights = [0.0; 3];
    let top = logits.iter().fold(f32::NEG_INFINITY, |top, logit| top.max(*logit));
    for (weight, logit) in weights.iter_mut().zip(logits) {
        *weight = libm::exp(f64::from(logit - top) / temperature);
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Expected move in usual moves.
pub(super) fn expected_move(probabilities: [f64; 3], horizon: &HorizonCard) -> f64 {
    let moves = probabilities.iter().zip(horizon.class_move).map(|(p, class)| p * f64::from(class));
    moves.sum::<f64>() * f64::from(horizon.move_gain)
}

/// A deterministic row of plausible values.
fn probe(number: usize) -> Vec<f32> {
    (0..FEATURE_COUNT).map(|place| ((place * 7 + number * 5) % 11) as f32 / 8.0 - 0.6).collect()
}
