//! One fit: normalisation, mirrored mini-batches, `AdamW`, one snapshot of the weights per epoch.
//!
//! A market has no preferred direction, so every row is also learned mirrored: odd features negated, up and down
//! exchanged. This halves the noise and keeps a falling week in the data from becoming an opinion.

use candle_core::{Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, ops};

use super::dataset::{Dataset, HORIZONS, HORIZONS_S, Row};
use super::random::Random;
use super::{TrainError, TrainOptions};
use crate::engine::features::{FEATURE_COUNT, FEATURES, FeatureSpec};
use crate::model::Arch;
use crate::model::dense::Stack;
use crate::model::weights::Tensors;

/// Normalised inputs are cut here: five deviations are an event, not five times a signal.
pub(super) const CLIP: f32 = 4.0;
/// A move within this many usual moves is flat.
pub(super) const DEAD_ZONE: f64 = 0.2;
/// Outputs: three classes per horizon.
pub(super) const OUTPUTS: usize = HORIZONS * 3;
/// Rows per step, before mirroring.
const BATCH: usize = 256;
/// First learning rate, and what is left of it after each epoch.
const RATE: (f64, f64) = (0.01, 0.9);
/// Smallest deviation divided by.
const STD_MIN: f64 = 1e-3;

/// Mean and deviation of each feature over the rows that are learned from.
#[derive(Clone, Debug)]
pub(super) struct Scaler {
    pub(super) mean: Vec<f32>,
    pub(super) std: Vec<f32>,
}

impl Scaler {
    pub(super) fn of(data: &Dataset, rows: &[usize]) -> Self {
        let count = rows.len().max(1) as f64;
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for (place, feature) in FEATURES.iter().enumerate() {
            let values = || rows.iter().map(|row| f64::from(data.rows[*row].values[place]));
            let centre = if feature.odd { 0.0 } else { values().sum::<f64>() / count };
            let square = values().map(|value| (value - centre) * (value - centre)).sum::<f64>() / count;
            mean.push(centre as f32);
            std.push(square.sqrt().max(STD_MIN) as f32);
        }
        Self { mean, std }
    }

    fn push(&self, values: &[f32], sign: f32, out: &mut Vec<f32>) {
        let scaled = values.iter().zip(self.mean.iter().zip(&self.std)).zip(FEATURES);
        out.extend(scaled.map(|((value, (mean, std)), feature)| {
            let value = ((value - mean) / std).clamp(-CLIP, CLIP);
            if feature.odd { sign * value } else { value }
        }));
    }
}

/// Features that look back four seconds or more and point in a direction.
const SLOW: [&str; 9] =
    ["ofi_16s", "ret_5s", "ret_10s", "ret_60s", "range_10s", "range_60s", "body_60s", "flow_4s", "flow_32s"];

/// What a unit of weight on a feature costs, in the root of [`TrainOptions::l2`]: a prior of what carries over to another
/// day. Queue imbalance does everywhere and is nearly free. A feature of ten seconds has few independent values in an hour
/// of data and fits its accidents, so it must show much.
fn price(feature: &FeatureSpec) -> f32 {
    match feature.name {
        "imb_l1" => 0.07,
        name if SLOW.contains(&name) => 6.0,
        _ => 1.0,
    }
}

/// Class of a scaled move: 0 up, 1 flat, 2 down.
pub(super) fn class(scaled: f64) -> usize {
    if scaled > DEAD_ZONE {
        0
    } else if scaled < -DEAD_ZONE {
        2
    } else {
        1
    }
}

/// A finished fit.
pub(super) struct Fit {
    pub(super) scaler: Scaler,
    /// Weights after each epoch.
    pub(super) epochs: Vec<Tensors>,
}

/// Learns from `rows` for a number of epochs.
pub(super) fn fit(
    arch: &Arch,
    data: &Dataset,
    rows: &[usize],
    epochs: usize,
    options: &TrainOptions,
) -> Result<Fit, TrainError> {
    let mut random = Random::new(options.seed);
    let scaler = Scaler::of(data, rows);
    let vars = fresh(arch, &mut random)?;
    let tensors: Tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let params = ParamsAdamW { lr: RATE.0, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimiser = AdamW::new(vars.iter().map(|(_, var)| var.clone()).collect(), params)?;
    let mut order: Vec<usize> = rows.to_vec();
    let mut snapshots = Vec::with_capacity(epochs);
    for _ in 0..epochs {
        random.shuffle(&mut order);
        for chunk in order.chunks(BATCH) {
            let loss = loss(arch, &tensors, data, chunk, &scaler, options.l2)?;
            optimiser.backward_step(&loss)?;
        }
        optimiser.set_learning_rate(optimiser.learning_rate() * RATE.1);
        let copy = |(name, tensor): (&String, &Tensor)| Ok((name.clone(), tensor.copy()?.detach()));
        snapshots.push(tensors.iter().map(copy).collect::<candle_core::Result<Tensors>>()?);
    }
    Ok(Fit { scaler, epochs: snapshots })
}

/// Initial weights: hidden layers uniform by their number of inputs, the output layer and every bias zero.
fn fresh(arch: &Arch, random: &mut Random) -> Result<Vec<(String, Var)>, TrainError> {
    let mut vars = Vec::new();
    for (name, shape) in (arch.shapes)(FEATURE_COUNT, OUTPUTS) {
        let count = shape.iter().product();
        let inputs = shape.get(1).copied().unwrap_or(1).max(1) as f64;
        let zero = name.starts_with("out.") || shape.len() < 2;
        let draw = |_| if zero { 0.0 } else { (random.symmetric() / inputs.sqrt()) as f32 };
        let values: Vec<f32> = (0..count).map(draw).collect();
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
        vars.push((name.to_owned(), var));
    }
    Ok(vars)
}

/// Mean cross entropy over known labels, horizons weighted by one over the root of their length (longer ones are noisier
/// and overlap more), plus the squared weights.
fn loss(
    arch: &Arch,
    tensors: &Tensors,
    data: &Dataset,
    rows: &[usize],
    scaler: &Scaler,
    l2: f64,
) -> Result<Tensor, TrainError> {
    let count = rows.len() * 2;
    let mut inputs = Vec::with_capacity(count * FEATURE_COUNT);
    let mut targets = vec![0.0_f32; count * OUTPUTS];
    for (n, row) in rows.iter().enumerate() {
        let row = &data.rows[*row];
        for (mirror, sign) in [1.0, -1.0].into_iter().enumerate() {
            scaler.push(&row.values, sign, &mut inputs);
            mark(row, f64::from(sign), &mut targets[(n * 2 + mirror) * OUTPUTS..][..OUTPUTS]);
        }
    }
    let inputs = Tensor::from_vec(inputs, (count, FEATURE_COUNT), &Device::Cpu)?;
    let targets = Tensor::from_vec(targets, (count * HORIZONS, 3), &Device::Cpu)?;
    let logits = (arch.forward)(tensors, &inputs)?.reshape((count * HORIZONS, 3))?;
    let likelihood = (ops::log_softmax(&logits, 1)? * targets)?.sum_all()?;
    let mut loss = (likelihood * (-1.0 / count as f64))?;
    let price = Tensor::from_vec(FEATURES.iter().map(price).collect(), (1, FEATURE_COUNT), &Device::Cpu)?;
    for (name, tensor) in tensors {
        if name.ends_with(".weight") {
            // Only the first layer sees features; deeper weights all cost the same.
            let first = tensor.dims().get(1) == Some(&FEATURE_COUNT);
            let priced = if first { tensor.broadcast_mul(&price)? } else { tensor.clone() };
            loss = (loss + (priced.sqr()?.sum_all()? * (l2 / 2.0))?)?;
        }
    }
    Ok(loss)
}

/// Writes the weighted one-hot classes of a row.
fn mark(row: &Row, sign: f64, target: &mut [f32]) {
    for (horizon, slot) in target.chunks_exact_mut(3).enumerate() {
        if let Some(scaled) = row.scaled(horizon) {
            slot[class(scaled * sign)] = (1.0 / f64::from(HORIZONS_S[horizon]).sqrt()) as f32;
        }
    }
}

/// Logits of rows, by the same fused operation that serves.
pub(super) fn logits(
    arch: &Arch,
    tensors: &Tensors,
    scaler: &Scaler,
    data: &Dataset,
    rows: &[usize],
) -> Result<Vec<[f32; OUTPUTS]>, TrainError> {
    let stack: Stack = (arch.fused)(tensors)?;
    let mut inputs = Vec::with_capacity(rows.len() * FEATURE_COUNT);
    for row in rows {
        scaler.push(&data.rows[*row].values, 1.0, &mut inputs);
    }
    let inputs = Tensor::from_vec(inputs, (rows.len(), FEATURE_COUNT), &Device::Cpu)?;
    let flat = inputs.apply_op1_no_bwd(&stack)?.flatten_all()?.to_vec1::<f32>()?;
    Ok(flat.chunks_exact(OUTPUTS).filter_map(|row| row.try_into().ok()).collect())
}
