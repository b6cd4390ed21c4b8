//! One fit: normalisation, mirrored mini-batches, Adam, a learning rate that falls from epoch to epoch.
//!
//! A market has no preferred direction, so every row is also learned mirrored: odd features negated, up and down
//! exchanged. This halves the noise and keeps a falling week in the data from becoming an opinion.

use std::collections::HashMap;

use candle_core::{Device, Tensor, Var};
use candle_nn::ops;

use super::adam::{self, Slot};
use super::dataset::{Dataset, Row};
use super::random::Random;
use super::{TrainError, TrainOptions};
use crate::engine::features::{FeatureSpec, Set};
use crate::model::net::Work;
use crate::model::weights::Tensors;
use crate::model::{Arch, Sizes};

/// Normalised inputs are cut here: five deviations are an event, not five times a signal.
pub(super) const CLIP: f32 = 4.0;
/// A move within this many usual moves is flat.
pub(super) const DEAD_ZONE: f64 = 0.2;
/// Rows per step, before mirroring.
const BATCH: usize = 256;
/// Rows forecast in one pass.
const PASS: usize = 2_048;
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
        for (place, feature) in data.set.features().iter().enumerate() {
            let values = || rows.iter().map(|row| f64::from(data.rows[*row].values[place]));
            let centre = if feature.odd { 0.0 } else { values().sum::<f64>() / count };
            let square = values().map(|value| (value - centre) * (value - centre)).sum::<f64>() / count;
            mean.push(centre as f32);
            std.push(square.sqrt().max(STD_MIN) as f32);
        }
        Self { mean, std }
    }

    /// Every frame of the data, normalised: `[frames, features]`.
    fn frames(&self, data: &Dataset, device: &Device) -> Result<Tensor, TrainError> {
        let mut values = Vec::with_capacity(data.frames.len() * data.width());
        for frame in &data.frames {
            let scaled = frame.iter().zip(self.mean.iter().zip(&self.std));
            values.extend(scaled.map(|(value, (mean, std))| ((value - mean) / std).clamp(-CLIP, CLIP)));
        }
        Ok(Tensor::from_vec(values, (data.frames.len(), data.width()), device)?)
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

/// Named tensors of a checkpoint.
pub(super) type Saved = HashMap<String, Tensor>;

/// A fit under way.
pub(super) struct Fit {
    /// What computes. Everything that leaves a fit lies on the processor.
    device: Device,
    /// Every frame of the data, normalised.
    frames: Tensor,
    /// Minus one for features that change their sign in the mirror.
    mirror: Tensor,
    rows: Vec<usize>,
    sizes: Sizes,
    seed: u64,
    slots: Vec<Slot>,
    /// Weight of each class in the loss by horizon.
    classes: Vec<[f32; 3]>,
    /// Steps and epochs done.
    steps: u32,
    epochs: u32,
}

impl Fit {
    /// Nothing learned yet; `rows` are what it will learn from.
    pub(super) fn new(
        arch: &Arch,
        data: &Dataset,
        rows: &[usize],
        options: &TrainOptions,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let (scaler, device, sizes) = (Scaler::of(data, rows), options.on.open()?, options.sizes(arch));
        let features = data.set.features().iter();
        let mirror = features.map(|feature| if feature.odd { -1.0_f32 } else { 1.0 }).collect();
        Ok(Self {
            frames: scaler.frames(data, &device)?,
            mirror: Tensor::from_vec(mirror, data.width(), &device)?,
            rows: rows.to_vec(),
            sizes,
            seed,
            slots: fresh(arch, sizes, &mut Random::new(seed), &device)?,
            classes: if options.balanced { balanced(data, rows) } else { vec![[1.0; 3]; data.horizons] },
            steps: 0,
            epochs: 0,
            device,
        })
    }

    /// Passes once over the rows and gives the mean loss. The order depends on the seed and the epoch alone.
    pub(super) fn epoch(&mut self, arch: &Arch, data: &Dataset, l2: f64) -> Result<f64, TrainError> {
        let mut order = self.rows.clone();
        Random::new(self.seed ^ (u64::from(self.epochs) + 1).wrapping_mul(0x9E37_79B9)).shuffle(&mut order);
        let rate = RATE.0 * RATE.1.powi(self.epochs as i32);
        let mut sum = 0.0;
        for chunk in order.chunks(BATCH) {
            let loss = self.loss(arch, data, chunk, l2)?;
            self.steps += 1;
            adam::step(&mut self.slots, &loss.backward()?, rate, self.steps as i32)?;
            sum += f64::from(loss.to_scalar::<f32>()?) * chunk.len() as f64;
        }
        self.epochs += 1;
        let mean = sum / order.len().max(1) as f64;
        // The loss is that of the weights before the last step.
        if mean.is_finite() && self.is_finite()? {
            return Ok(mean);
        }
        Err(TrainError::Diverged { arch: arch.name, epoch: self.epochs })
    }

    /// Is every weight a number?
    fn is_finite(&self) -> candle_core::Result<bool> {
        for slot in &self.slots {
            if !slot.var.flatten_all()?.to_vec1::<f32>()?.iter().all(|weight| weight.is_finite()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn epochs(&self) -> usize {
        self.epochs as usize
    }

    fn tensors(&self) -> Tensors {
        self.slots.iter().map(|slot| (slot.name.clone(), slot.var.as_tensor().clone())).collect()
    }

    /// The weights as they serve: what weighting the classes added to their odds is taken from the bias again, so that
    /// probabilities mean what they say.
    pub(super) fn weights(&self) -> Result<Tensors, TrainError> {
        let copy = |(name, tensor): (String, Tensor)| Ok((name, kept(&tensor)?));
        let mut tensors = self.tensors().into_iter().map(copy).collect::<candle_core::Result<Tensors>>()?;
        if let Some(bias) = tensors.get_mut("out.bias") {
            let logs: Vec<f32> = self.classes.iter().flatten().map(|weight| libm::logf(*weight)).collect();
            *bias = (&*bias - Tensor::new(logs, &Device::Cpu)?)?;
        }
        Ok(tensors)
    }

    /// Mean cross entropy over known labels, horizons weighted by one over the root of their length (longer ones are
    /// noisier and overlap more), plus the squared weights.
    fn loss(&self, arch: &Arch, data: &Dataset, rows: &[usize], l2: f64) -> Result<Tensor, TrainError> {
        let count = rows.len() * 2;
        let (outputs, cases) = (self.sizes.outputs, count * data.horizons);
        let mut targets = vec![0.0_f32; count * outputs];
        let both = [1.0, -1.0].into_iter().flat_map(|sign| rows.iter().map(move |row| (sign, row)));
        for ((sign, row), target) in both.zip(targets.chunks_exact_mut(outputs)) {
            mark(data, &data.rows[*row], sign, &self.classes, target);
        }
        let tensors = self.tensors();
        let inputs = self.inputs(data, rows)?;
        let inputs = Tensor::cat(&[&inputs, &inputs.broadcast_mul(&self.mirror)?], 0)?;
        let targets = Tensor::from_vec(targets, (cases, 3), &self.device)?;
        let logits = (arch.forward)(&tensors, &inputs)?.reshape((cases, 3))?;
        let likelihood = (ops::log_softmax(&logits, 1)? * targets)?.sum_all()?;
        let mut loss = (likelihood * (-1.0 / count as f64))?;
        for (_, tensor) in tensors.iter().filter(|(name, _)| name.contains("weight")) {
            loss = (loss + (priced(data.set, tensor)?.sqr()?.sum_all()? * (l2 / 2.0))?)?;
        }
        Ok(loss)
    }

    /// Normalised rows, with their windows where the network has memory.
    fn inputs(&self, data: &Dataset, rows: &[usize]) -> Result<Tensor, TrainError> {
        let window = self.sizes.window;
        let places = rows.iter().flat_map(|row| {
            let place = data.rows[*row].place as u32;
            place + 1 - window as u32..=place
        });
        let places = Tensor::from_iter(places, &self.device)?;
        let inputs = self.frames.index_select(&places, 0)?;
        Ok(if window == 1 { inputs } else { inputs.reshape((rows.len(), window, data.width()))? })
    }

    /// Logits of rows with the weights as they serve, after what a network sees when it serves: of one whose memory is endless
    /// the whole sequence.
    pub(super) fn logits(&self, arch: &Arch, data: &Dataset, rows: &[usize]) -> Result<Vec<Vec<f32>>, TrainError> {
        let here = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_device(&self.device)?));
        if arch.endless {
            return self.streamed(arch, data, rows);
        }
        let weights = self.weights()?.into_iter().map(here).collect::<candle_core::Result<Tensors>>()?;
        let mut logits = Vec::with_capacity(rows.len());
        for rows in rows.chunks(PASS) {
            let inputs = self.inputs(data, rows)?;
            let flat = (arch.forward)(&weights, &inputs)?.flatten_all()?.to_vec1::<f32>()?;
            logits.extend(flat.chunks_exact(self.sizes.outputs).map(<[f32]>::to_vec));
        }
        Ok(logits)
    }

    /// The same through the network as it serves, row by row.
    fn streamed(&self, arch: &Arch, data: &Dataset, rows: &[usize]) -> Result<Vec<Vec<f32>>, TrainError> {
        let net = (arch.fused)(&self.weights()?)?;
        let frames = self.frames.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        let (mut carried, mut work, mut now) = (vec![0.0; net.carried()], Work::default(), Vec::new());
        let mut logits = vec![Vec::new(); rows.len()];
        for met in data.met(rows, self.sizes.window, true) {
            if met.begins {
                carried.fill(0.0);
            }
            for place in met.frames {
                let row = &frames[place * data.width()..(place + 1) * data.width()];
                net.step(row, &mut carried, &mut work, &mut now);
            }
            logits[met.nth].clone_from(&now);
        }
        Ok(logits)
    }

    /// Writes everything that changes from epoch to epoch under a prefix.
    pub(super) fn save(&self, prefix: &str, saved: &mut Saved) -> Result<(), TrainError> {
        for slot in &self.slots {
            let parts = [("value", slot.var.as_tensor()), ("mean", &slot.mean), ("square", &slot.square)];
            for (part, tensor) in parts {
                saved.insert(format!("{prefix}.{}.{part}", slot.name), kept(tensor)?);
            }
        }
        saved.insert(format!("{prefix}.done"), Tensor::new(&[self.epochs, self.steps], &Device::Cpu)?);
        Ok(())
    }

    /// Goes back to what [`Fit::save`] wrote.
    pub(super) fn restore(&mut self, prefix: &str, saved: &Saved) -> Result<(), TrainError> {
        let find = |name: String| {
            let found = saved.get(&name).ok_or_else(|| TrainError::Checkpoint(format!("`{name}` is missing in it")))?;
            Ok::<_, TrainError>(found.to_device(&self.device)?)
        };
        for slot in &mut self.slots {
            slot.var.set(&find(format!("{prefix}.{}.value", slot.name))?)?;
            slot.mean = find(format!("{prefix}.{}.mean", slot.name))?;
            slot.square = find(format!("{prefix}.{}.square", slot.name))?;
        }
        if let [epochs, steps] = find(format!("{prefix}.done"))?.to_vec1::<u32>()?.as_slice() {
            (self.epochs, self.steps) = (*epochs, *steps);
        }
        Ok(())
    }
}

/// Weights whose products are logits.
const LOGITS: [&str; 2] = ["out.weight", "line.weight"];

/// Initial weights: inner layers uniform by their number of inputs; what makes the logits, and every bias, zero.
fn fresh(arch: &Arch, sizes: Sizes, random: &mut Random, device: &Device) -> Result<Vec<Slot>, TrainError> {
    let mut slots = Vec::new();
    for (name, shape) in (arch.shapes)(sizes) {
        let count = shape.iter().product();
        let inputs = shape.iter().skip(1).product::<usize>().max(1) as f64;
        let zero = LOGITS.contains(&name.as_str()) || shape.len() < 2;
        let draw = |_| if zero { 0.0 } else { (random.symmetric() / inputs.sqrt()) as f32 };
        let values: Vec<f32> = (0..count).map(draw).collect();
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, device)?)?;
        slots.push(Slot::new(name, var)?);
    }
    Ok(slots)
}

/// A copy on the processor that later steps do not change.
fn kept(tensor: &Tensor) -> candle_core::Result<Tensor> {
    Ok(tensor.to_device(&Device::Cpu)?.copy()?.detach())
}

/// Weights times the root of what they cost. Only weights on features have prices; deeper ones all cost the same.
fn priced(set: Set, tensor: &Tensor) -> Result<Tensor, TrainError> {
    if tensor.dims().get(1) != Some(&set.count()) {
        return Ok(tensor.clone());
    }
    let mut shape = vec![1; tensor.rank()];
    if let Some(columns) = shape.get_mut(1) {
        *columns = set.count();
    }
    let prices = set.features().iter().map(price).collect();
    Ok(tensor.broadcast_mul(&Tensor::from_vec(prices, shape, tensor.device())?)?)
}

/// Weights that make the classes of every horizon count the same in sum; up and down alike, as rows are mirrored.
fn balanced(data: &Dataset, rows: &[usize]) -> Vec<[f32; 3]> {
    let mut weights = vec![[1.0; 3]; data.horizons];
    for (horizon, weights) in weights.iter_mut().enumerate() {
        let known = || rows.iter().filter_map(|row| data.scaled(&data.rows[*row], horizon));
        let (all, flat) = (known().count() as f32, known().filter(|scaled| class(*scaled) == 1).count() as f32);
        let moved = (all - flat) / 2.0;
        if flat > 0.0 && moved > 0.0 {
            *weights = [moved, flat, moved].map(|count| all / (3.0 * count));
        }
    }
    weights
}

/// Writes the weighted one-hot classes of a row.
fn mark(data: &Dataset, row: &Row, sign: f64, classes: &[[f32; 3]], target: &mut [f32]) {
    for (horizon, slot) in target.chunks_exact_mut(3).enumerate() {
        if let Some(scaled) = data.scaled(row, horizon) {
            let class = class(scaled * sign);
            slot[class] = classes[horizon][class] / f64::from(data.horizon_s(horizon)).sqrt() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::train::dataset::samples;
    use crate::model::{ARCHS, WINDOW};

    #[test]
    fn weights_that_are_no_numbers_after_the_last_step_end_the_fit() {
        let arch = &ARCHS[0];
        let data = samples::data(1, 200, |_, _| {});
        let rows: Vec<usize> = (0..200).collect();
        let mut fit = Fit::new(arch, &data, &rows, &TrainOptions::default(), 3).unwrap();
        assert!(fit.epoch(arch, &data, 0.2).is_ok());
        fit.slots[0].mean = (&fit.slots[0].mean * f64::INFINITY).unwrap();
        // One batch: its loss was finite before this step.
        assert_eq!(fit.epoch(arch, &data, 0.2), Err(TrainError::Diverged { arch: arch.name, epoch: 2 }));
        let odd = fit.weights().unwrap()["out.weight"].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(odd.iter().any(|weight| !weight.is_finite()));
    }

    #[test]
    fn what_stops_and_calibrates_a_recurrent_network_is_what_it_says_when_it_serves() {
        let arch = ARCHS.iter().find(|arch| arch.endless).unwrap();
        let mut data = samples::data(1, 400, |_, _| {});
        data.rows.retain(|row| row.behind + 1 >= WINDOW);
        let rows: Vec<usize> = (0..data.rows.len()).collect();
        let mut fit = Fit::new(arch, &data, &rows, &TrainOptions::default(), 3).unwrap();
        fit.epoch(arch, &data, 0.0).unwrap();
        let asked = [300, 20, 21, 7];
        let found = fit.logits(arch, &data, &asked).unwrap();
        let net = (arch.fused)(&fit.weights().unwrap()).unwrap();
        let frames = fit.frames.to_vec2::<f32>().unwrap();
        let told = |seen: &[Vec<f32>]| {
            let (mut carried, mut logits) = (vec![0.0; net.carried()], Vec::new());
            for row in seen {
                net.step(row, &mut carried, &mut Work::default(), &mut logits);
            }
            logits
        };
        for (row, found) in asked.iter().zip(found) {
            let place = data.rows[*row].place;
            assert_eq!(found, told(&frames[..=place]), "from the beginning");
            assert_ne!(found, told(&frames[place + 1 - WINDOW..=place]), "and not from a window");
        }
    }
}
