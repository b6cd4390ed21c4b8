//! How long to learn: fits without each block of time go epoch by epoch together, and stop when the blocks that judge
//! that get no better. The other blocks are kept for calibration: what decided nothing cannot flatter.

use candle_core::{Device, Tensor};

use super::calibrate::{self, Unseen};
use super::checkpoint::Checkpoints;
use super::dataset::Dataset;
use super::fit::{Fit, Saved};
use super::folds::Fold;
use super::{TrainError, TrainOptions, TrainProgress};
use crate::model::Arch;

/// Epochs without a better loss before it stops.
const PATIENCE: usize = 4;

/// Everything that a fit is made from.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) arch: &'static Arch,
    pub(super) data: &'a Dataset,
    pub(super) options: &'a TrainOptions,
    pub(super) checkpoints: &'a Checkpoints,
}

impl Job<'_> {
    /// Rows that the network sees at a time.
    pub(super) fn rows(&self) -> usize {
        self.arch.rows(self.options.window)
    }
}

/// Mean losses by epoch, of what was learned from and of what was held out.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Curve {
    /// Architecture.
    pub arch: &'static str,
    /// Which part of the data was held out of it all; empty for the model that is written.
    pub part: String,
    /// Seed.
    pub seed: u64,
    /// Loss of the rows learned from, with the cost of the weights.
    pub learned: Vec<f64>,
    /// Loss of the blocks held out.
    pub held_out: Vec<f64>,
    /// Epochs that were used.
    pub best: usize,
}

/// What tuning found.
pub(super) struct Tuned {
    /// Logits after the best epoch, for the rows of every fold.
    pub(super) unseen: Vec<Vec<Unseen>>,
    pub(super) curve: Curve,
}

/// How far the whole training is, told after every epoch.
pub(super) struct Tell<'a> {
    pub(super) progress: &'a mut dyn FnMut(TrainProgress),
    /// Work done and work in all, in rows of input by epoch and fold.
    pub(super) done: f64,
    pub(super) all: f64,
}

impl Tell<'_> {
    fn epoch(&mut self, job: &Job<'_>, part: &str, epoch: usize, losses: (f64, Option<f64>), work: usize) {
        self.done += (work * job.rows()) as f64;
        let share = (self.done / self.all).min(1.0);
        let (loss, held_out) = losses;
        let part = part.to_owned();
        (self.progress)(TrainProgress::Epoch { arch: job.arch.name, part, epoch, loss, held_out, share });
    }

    /// Epochs that were not needed.
    fn skip(&mut self, job: &Job<'_>, epochs: usize, work: usize) {
        self.done += (epochs * work * job.rows()) as f64;
    }
}

/// Does this fold decide how long to learn? Else it calibrates.
pub(super) const fn stops(fold: usize) -> bool {
    fold.is_multiple_of(2)
}

/// Learns without each of `folds` until those that stop get no better.
pub(super) fn tune(
    job: &Job<'_>,
    folds: &[Fold],
    part: &str,
    seed: u64,
    tell: &mut Tell<'_>,
) -> Result<Tuned, TrainError> {
    let Job { arch, data, options, checkpoints } = *job;
    let name = format!("{} {part} {seed} tune", arch.name);
    let begin = |fold: &Fold| Fit::new(arch, data, &fold.train, options, seed);
    let mut fits = folds.iter().map(begin).collect::<Result<Vec<_>, _>>()?;
    let curve = Curve { arch: arch.name, part: part.to_owned(), seed, learned: vec![], held_out: vec![], best: 0 };
    let mut tuned = Tuned { unseen: Vec::new(), curve };
    if let Some(saved) = checkpoints.load(&name)? {
        restore(&mut tuned, &mut fits, folds, &saved)?;
        tell.skip(job, tuned.curve.held_out.len(), fits.len());
    }
    while tuned.curve.held_out.len() < options.epochs_max
        && tuned.curve.held_out.len() < tuned.curve.best.max(1) + PATIENCE
    {
        let mut learned = 0.0;
        for fit in &mut fits {
            learned += fit.epoch(arch, data, options.l2)? / folds.len() as f64;
        }
        let mut unseen = Vec::new();
        for (fit, fold) in fits.iter().zip(folds) {
            unseen.push(fold.test.iter().copied().zip(fit.logits(arch, data, &fold.test)?).collect::<Vec<_>>());
        }
        let judges: Vec<Unseen> = (0..folds.len()).filter(|n| stops(*n)).flat_map(|n| unseen[n].clone()).collect();
        let held_out = calibrate::log_loss(data, &judges);
        if tuned.curve.held_out.iter().all(|before| held_out < *before) {
            tuned.unseen = unseen;
            tuned.curve.best = tuned.curve.held_out.len() + 1;
        }
        tuned.curve.learned.push(learned);
        tuned.curve.held_out.push(held_out);
        checkpoints.save(&name, &save(&tuned, &fits)?)?;
        tell.epoch(job, part, tuned.curve.held_out.len(), (learned, Some(held_out)), fits.len());
    }
    if tuned.unseen.is_empty() {
        return Err(TrainError::Diverged { arch: arch.name, epoch: 1 });
    }
    tell.skip(job, options.epochs_max - tuned.curve.held_out.len(), fits.len());
    Ok(tuned)
}

/// Learns from all of `rows` for as long as tuning found best.
pub(super) fn learn(
    job: &Job<'_>,
    rows: &[usize],
    part: &str,
    tuned: &Tuned,
    tell: &mut Tell<'_>,
) -> Result<Fit, TrainError> {
    let Job { arch, data, options, checkpoints } = *job;
    let name = format!("{} {part} {} learn", arch.name, tuned.curve.seed);
    let mut fit = Fit::new(arch, data, rows, options, tuned.curve.seed)?;
    if let Some(saved) = checkpoints.load(&name)? {
        fit.restore("fit", &saved)?;
        tell.skip(job, fit.epochs(), 1);
    }
    while fit.epochs() < tuned.curve.best {
        let loss = fit.epoch(arch, data, options.l2)?;
        let mut saved = Saved::new();
        fit.save("fit", &mut saved)?;
        checkpoints.save(&name, &saved)?;
        tell.epoch(job, part, fit.epochs(), (loss, None), 1);
    }
    tell.skip(job, options.epochs_max - tuned.curve.best, 1);
    Ok(fit)
}

fn save(tuned: &Tuned, fits: &[Fit]) -> Result<Saved, TrainError> {
    let mut saved = Saved::new();
    for (n, fit) in fits.iter().enumerate() {
        fit.save(&n.to_string(), &mut saved)?;
    }
    for (n, unseen) in tuned.unseen.iter().enumerate() {
        let flat: Vec<f32> = unseen.iter().flat_map(|(_, logits)| logits.clone()).collect();
        let outputs = flat.len() / unseen.len().max(1);
        saved.insert(format!("unseen.{n}"), Tensor::from_vec(flat, (unseen.len(), outputs), &Device::Cpu)?);
    }
    let curve = &tuned.curve;
    saved.insert("learned".to_owned(), Tensor::new(curve.learned.as_slice(), &Device::Cpu)?);
    saved.insert("held_out".to_owned(), Tensor::new(curve.held_out.as_slice(), &Device::Cpu)?);
    saved.insert("best".to_owned(), Tensor::new(&[curve.best as u32], &Device::Cpu)?);
    Ok(saved)
}

fn restore(tuned: &mut Tuned, fits: &mut [Fit], folds: &[Fold], saved: &Saved) -> Result<(), TrainError> {
    let find = |name: &str| saved.get(name).ok_or_else(|| TrainError::Checkpoint(format!("`{name}` is missing in it")));
    for (n, (fit, fold)) in fits.iter_mut().zip(folds).enumerate() {
        fit.restore(&n.to_string(), saved)?;
        let logits = find(&format!("unseen.{n}"))?.to_vec2::<f32>()?;
        tuned.unseen.push(fold.test.iter().copied().zip(logits).collect());
    }
    tuned.curve.learned = find("learned")?.to_vec1()?;
    tuned.curve.held_out = find("held_out")?.to_vec1()?;
    tuned.curve.best = find("best")?.to_vec1::<u32>()?.first().copied().unwrap_or(0) as usize;
    Ok(())
}
