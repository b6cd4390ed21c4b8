//! Training: market data in, a checked model with an honest card out.
//!
//! One pass over the data makes rows with the engine's own features ([`dataset`]); dates (or blocks of time, where there
//! is one date) are held out in turn, purged of everything within two minutes ([`folds`]); each fit is stopped and
//! calibrated on rows it did not learn from ([`fit`], [`calibrate`]); figures are measured on the rows held out, beside
//! the plainest signal alone ([`score`]). The same data, options and machine give the same files. What differs between books
//! and bars is in [`sampling`].

mod adam;
mod calibrate;
mod checkpoint;
mod dataset;
mod device;
mod error;
mod export;
mod figures;
mod fit;
mod folds;
mod judge;
mod leaks;
mod minutes;
mod plot;
mod random;
mod ranges;
mod recipe;
mod report;
mod ridge;
mod sampling;
mod score;
mod sessions;
mod sources;
mod tune;

use std::path::PathBuf;

pub use dataset::MarketEvents;
pub use device::Processor;
pub use error::TrainError;
pub use export::write_rows;
pub use figures::{Bin, Estimate, Recalibration, over_sessions as over_blocks};
pub use judge::{
    Checks, Contender, Economy, EvalReport, Line, evaluate, evaluate_on, prove, prove_on, walk_forward, walk_forward_on,
};
pub use report::{ArchReport, TrainReport};
pub use sessions::Difference;
pub use tune::Curve;

use self::checkpoint::Checkpoints;
use self::dataset::{Dataset, Taking, horizons_to};
use self::sampling::Sampling;
use self::tune::{Job, Tell};
use super::card::{MEMBERS, STEP_MS};
use super::{ARCHS, Arch, Sizes, WINDOW};
use crate::engine::features::Set;
use crate::engine::time::Span;

/// What to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Tapes and recordings, or folders of them.
    pub data: Vec<PathBuf>,
    /// Features that it learns from.
    pub reads: Set,
    /// Folder that the two files go to; made where missing.
    pub out: PathBuf,
    /// Name of the model. Files of this name are replaced.
    pub name: String,
    /// Architectures by name, between commas; `None` tries all. The simplest that none beats out of sample is written.
    pub arch: Option<String>,
    /// Seed of initial weights and of the order of rows.
    pub seed: u64,
    /// Networks with seeds of their own whose logits are averaged.
    pub seeds: usize,
    /// Event time between two rows of an instrument.
    pub sample: Span,
    /// Event time between two rows of a sequence: the decision interval that the model will be asked at.
    pub step: Span,
    /// Units of the layers; `None` is what is usual for an architecture.
    pub units: Option<usize>,
    /// Rows that a network with memory learns from at a time, a power of two; `None` is the usual 16.
    pub window: Option<usize>,
    /// The longest horizon in seconds, one of the set's: it is learned, and all shorter ones.
    pub longest_s: u32,
    /// Variants that were tried on the same data before: other options, other features. They count against what is found.
    pub tried: usize,
    /// Weight of the squared weights in the loss.
    pub l2: f64,
    /// Rare classes count as much as frequent ones while learning; probabilities are set right again afterwards.
    pub balanced: bool,
    /// Passes over the rows at most; the number used is chosen on rows held out.
    pub epochs_max: usize,
    /// Goes on where an interrupted training of the same data and options stopped.
    pub resume: bool,
    /// What computes. Another one gives other last bits.
    pub on: Processor,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self::of(Set::Market)
    }
}

impl TrainOptions {
    /// What is usual for a set of features.
    pub fn of(reads: Set) -> Self {
        let Sampling { sample, step, usual_longest_s, .. } = *sampling::of(reads);
        Self {
            data: Vec::new(),
            reads,
            out: PathBuf::from("models"),
            name: "base-v1".to_owned(),
            arch: None,
            seed: 7,
            seeds: 1,
            sample,
            step,
            units: None,
            window: None,
            longest_s: usual_longest_s,
            tried: 0,
            l2: 0.2,
            balanced: false,
            epochs_max: 30,
            resume: false,
            on: Processor::Cpu,
        }
    }

    /// Sizes of a network of this architecture.
    fn sizes(&self, arch: &Arch) -> Sizes {
        let (units, window) = (arch.units(self.units), arch.rows(self.window));
        let outputs = horizons_to(self.reads, self.longest_s) * 3;
        Sizes { inputs: self.reads.count(), outputs, units, window }
    }

    /// How rows are taken: all architectures learn from the same.
    fn taking(&self, archs: &[&Arch]) -> Taking {
        let window = self.window.unwrap_or(WINDOW);
        let whole = archs.iter().any(|arch| arch.endless);
        let Self { reads: set, sample, step, longest_s, .. } = *self;
        Taking { set, sample, step, window, whole, longest_s }
    }
}

/// What is going on, for a person who waits.
#[derive(Clone, PartialEq, Debug)]
pub enum TrainProgress {
    /// A file is being read.
    Reading(String),
    /// All files are read.
    Rows {
        /// Rows taken.
        rows: usize,
        /// Streams (file and instrument) they come from.
        streams: usize,
    },
    /// An architecture is fitted without one part of the data, to be judged on it.
    HoldingOut {
        /// Architecture.
        arch: &'static str,
        /// Part held out.
        part: String,
    },
    /// An epoch is done.
    Epoch {
        /// Architecture.
        arch: &'static str,
        /// Part held out of it all; empty for the model that is written.
        part: String,
        /// Epochs done.
        epoch: usize,
        /// Mean loss of what was learned from.
        loss: f64,
        /// Mean loss of what decides when to stop, while that is open.
        held_out: Option<f64>,
        /// Share of the whole training that is done, 0 to 1; what stops early takes less than was expected.
        share: f64,
    },
    /// The model to ship is fitted on everything.
    Final {
        /// Architecture.
        arch: &'static str,
    },
}

/// Trains on the files of [`TrainOptions::data`].
pub fn train(options: &TrainOptions, progress: &mut dyn FnMut(TrainProgress)) -> Result<TrainReport, TrainError> {
    let files = sources::files(&options.data)?;
    train_on(files.iter().map(|file| sources::open(file)), options, progress)
}

/// Trains on market data from anywhere.
pub fn train_on<'a>(
    sources: impl IntoIterator<Item = Result<MarketEvents<'a>, TrainError>>,
    options: &TrainOptions,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<TrainReport, TrainError> {
    let archs = usable(options)?;
    let data = Dataset::read(sources, options.taking(&archs), progress)?;
    data.enough()?;
    progress(TrainProgress::Rows { rows: data.rows.len(), streams: data.streams.len() });
    let checkpoints = Checkpoints::open(&data, options)?;
    let report = fit_all(&archs, &data, options, &checkpoints, progress);
    // What came apart would come apart again: nothing to resume.
    if matches!(report, Ok(_) | Err(TrainError::Diverged { .. })) {
        checkpoints.close()?;
    }
    report
}

/// Fits and judges every architecture, and writes the simplest that none beats.
fn fit_all(
    archs: &[&'static Arch],
    data: &Dataset,
    options: &TrainOptions,
    checkpoints: &Checkpoints,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<TrainReport, TrainError> {
    let mut tell = Tell { progress, done: 0.0, all: recipe::work(archs, data, options) };
    let (mut reports, mut told, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    for &arch in archs {
        let job = Job { arch, data, options, checkpoints };
        let (scores, forecasts) = recipe::out_of_sample(&job, &mut curves, &mut tell)?;
        reports.push(ArchReport { arch: arch.name, scores });
        told.push(forecasts);
    }
    let (best, compared) = recipe::choose(data, archs, &told);
    let (arch, scores) = (archs.get(best).copied(), reports.get(best).map(|report| report.scores.clone()));
    let arch = arch.ok_or_else(|| TrainError::Arch { asked: String::new(), known: known() })?;
    (tell.progress)(TrainProgress::Final { arch: arch.name });
    let job = Job { arch, data, options, checkpoints };
    let judged = recipe::Judgement { scores: scores.unwrap_or_default(), compared, tried: archs.len() + options.tried };
    let card = recipe::ship(&job, judged, &mut curves, &mut tell)?;
    Ok(TrainReport { card, rows: data.rows.len(), archs: reports, curves })
}

/// The architectures that are asked for, where the options make sense.
fn usable(options: &TrainOptions) -> Result<Vec<&'static Arch>, TrainError> {
    check(options)?;
    chosen(options)
}

fn check(options: &TrainOptions) -> Result<(), TrainError> {
    if !super::is_name(&options.name) {
        return Err(TrainError::Option(format!("`{}` is not a model name", options.name)));
    }
    let usual = sampling::of(options.reads);
    if options.reads == Set::Bars && (options.sample, options.step) != (usual.sample, usual.step) {
        return Err(TrainError::Option("bars are rows of a minute each: leave `--step-ms` away".to_owned()));
    }
    if options.sample < Span::from_ms(50) || options.sample > Span::from_secs(60) {
        return Err(TrainError::Option("the sampling interval must be between 50 ms and 60 s".to_owned()));
    }
    let step = options.step.as_ms();
    if options.step.0 % options.sample.0 != 0 || !u32::try_from(step).is_ok_and(|ms| STEP_MS.contains(&ms)) {
        return Err(TrainError::Option(format!(
            "the step of a sequence must be {} ms to {} ms and a multiple of the sampling interval",
            STEP_MS.start(),
            STEP_MS.end()
        )));
    }
    if !usual.horizons_s.contains(&options.longest_s) {
        let known = usual.horizons_s;
        return Err(TrainError::Option(format!("the longest horizon must be one of {known:?} s")));
    }
    if !MEMBERS.contains(&options.seeds) {
        return Err(TrainError::Option(format!("{} to {} seeds are possible", MEMBERS.start(), MEMBERS.end())));
    }
    if !(options.l2.is_finite() && options.l2 >= 0.0) || options.epochs_max == 0 || options.epochs_max > 1_000 {
        return Err(TrainError::Option("`l2` must not be negative, and 1 to 1000 epochs are possible".to_owned()));
    }
    Ok(())
}

fn chosen(options: &TrainOptions) -> Result<Vec<&'static Arch>, TrainError> {
    let unknown = |name: &&str| ARCHS.iter().all(|arch| arch.name != *name);
    let asked: Vec<&str> = options.arch.iter().flat_map(|asked| asked.split(',')).collect();
    if let Some(name) = asked.iter().copied().find(unknown) {
        return Err(TrainError::Arch { asked: name.to_owned(), known: known() });
    }
    let archs: Vec<&Arch> = ARCHS.iter().filter(|arch| asked.is_empty() || asked.contains(&arch.name)).collect();
    match archs.iter().find_map(|arch| arch.flaw(options.sizes(arch))) {
        Some(why) => Err(TrainError::Option(why)),
        None => Ok(archs),
    }
}

fn known() -> String {
    ARCHS.iter().map(|arch| arch.name).collect::<Vec<_>>().join(", ")
}
