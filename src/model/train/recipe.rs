//! The recipe: stop and calibrate a fit on rows it did not learn from, judge it on others, ship it.

use std::fs;
use std::path::Path;

use super::calibrate::{self, Unseen};
use super::dataset::Dataset;
use super::fit::{self, CLIP, Fit};
use super::folds::{Fold, to_calibrate, to_judge};
use super::score::score;
use super::{TrainError, TrainOptions, TrainProgress};
use crate::engine::features::{FEATURE_COUNT, registry_hash};
use crate::model::card::{Card, Score};
use crate::model::serve::Served;
use crate::model::weights::{self, Tensors};
use crate::model::{Arch, load};

/// A calibrated fit.
struct Ready {
    card: Card,
    tensors: Tensors,
}

/// Figures for an architecture: every part held out once, from stopping and calibration too.
pub(super) fn out_of_sample(
    arch: &'static Arch,
    data: &Dataset,
    options: &TrainOptions,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Vec<Score>, TrainError> {
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let folds = to_judge(data, &all);
    if folds.is_empty() {
        return Err(TrainError::NoFolds);
    }
    let mut scores = Vec::new();
    for fold in &folds {
        progress(TrainProgress::HoldingOut { arch: arch.name, part: fold.name.clone() });
        let Ready { card, tensors } = prepare(arch, data, &fold.train, options)?;
        let served = Served::unchecked(card, arch, &tensors)?;
        for (part, rows) in parts(data, fold) {
            let values: Vec<&[f32]> = rows.iter().map(|row| data.rows[*row].values.as_slice()).collect();
            let forecasts = rows.iter().copied().zip(served.forecast(&values)?).collect::<Vec<_>>();
            scores.extend(score(data, &part, &forecasts, options.seed));
        }
    }
    Ok(scores)
}

/// The held-out rows by instrument.
fn parts(data: &Dataset, fold: &Fold) -> Vec<(String, Vec<usize>)> {
    let mut parts: Vec<(String, Vec<usize>)> = Vec::new();
    for &row in &fold.test {
        let stream = &data.streams[data.rows[row].stream];
        let name = format!("{} {} {}", fold.name, stream.instrument, stream.source);
        match parts.iter_mut().find(|part| part.0 == name) {
            Some(part) => part.1.push(row),
            None => parts.push((name, vec![row])),
        }
    }
    parts
}

/// Fits on `rows`; how long and how bold is decided on parts of `rows` held out in turn.
fn prepare(arch: &'static Arch, data: &Dataset, rows: &[usize], options: &TrainOptions) -> Result<Ready, TrainError> {
    let inner = to_calibrate(data, rows);
    if inner.is_empty() {
        return Err(TrainError::NoFolds);
    }
    let mut by_epoch: Vec<Vec<Unseen>> = vec![Vec::new(); options.epochs_max];
    for fold in &inner {
        let Fit { scaler, epochs } = fit::fit(arch, data, &fold.train, options.epochs_max, options)?;
        for (tensors, unseen) in epochs.iter().zip(&mut by_epoch) {
            let logits = fit::logits(arch, tensors, &scaler, data, &fold.test)?;
            unseen.extend(fold.test.iter().copied().zip(logits));
        }
    }
    let losses: Vec<f64> = by_epoch.iter().map(|unseen| calibrate::log_loss(data, unseen)).collect();
    let best = (0..losses.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b])).unwrap_or(0);
    let horizon = calibrate::calibrate(data, &by_epoch[best]);
    let Fit { scaler, mut epochs } = fit::fit(arch, data, rows, best + 1, options)?;
    let tensors = epochs.pop().ok_or(TrainError::NoFolds)?;
    let card = Card {
        name: options.name.clone(),
        arch: arch.name.to_owned(),
        about: format!("{}; {} epochs", arch.about, best + 1),
        weights_sha256: String::new(),
        features_hash: registry_hash(),
        inputs: FEATURE_COUNT,
        seed: options.seed,
        recipe: String::new(),
        trained: String::new(),
        sources: Vec::new(),
        costs: "round trip on Bybit linear, base tier: taker and taker 11 bps, maker and taker 7.5, maker and maker 4; the \
                forecast moves are before costs and mostly smaller"
            .to_owned(),
        clip: CLIP,
        mean: scaler.mean,
        std: scaler.std,
        horizon,
        golden: Vec::new(),
        out_of_sample: Vec::new(),
    };
    Ok(Ready { card, tensors })
}

/// Fits on everything, writes both files, and loads them back.
pub(super) fn ship(
    arch: &'static Arch,
    data: &Dataset,
    options: &TrainOptions,
    scores: Vec<Score>,
) -> Result<Card, TrainError> {
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let Ready { mut card, tensors } = prepare(arch, data, &all, options)?;
    card.out_of_sample = scores;
    card.sources =
        data.streams.iter().map(|s| format!("{} {} {}: {} rows", s.date, s.instrument, s.source, s.rows)).collect();
    card.trained = span(data);
    card.recipe = recipe(data, options);
    card.golden = Served::unchecked(card.clone(), arch, &tensors)?.golden()?;
    let failed = |file: &Path, why: String| TrainError::Write { file: file.display().to_string(), why };
    fs::create_dir_all(&options.out).map_err(|error| failed(&options.out, error.to_string()))?;
    let weights = options.out.join(format!("{}.safetensors", options.name));
    card.weights_sha256 = weights::write(&weights, &tensors).map_err(|why| failed(&weights, why))?;
    let path = options.out.join(format!("{}.toml", options.name));
    let text = toml::to_string(&card).map_err(|error| failed(&path, error.to_string()))?;
    fs::write(&path, text).map_err(|error| failed(&path, error.to_string()))?;
    Ok(load(&options.out, &options.name)?.card().clone())
}

fn span(data: &Dataset) -> String {
    let dates = || data.streams.iter().map(|stream| stream.date.as_str());
    format!("{} .. {}", dates().min().unwrap_or("?"), dates().max().unwrap_or("?"))
}

fn recipe(data: &Dataset, options: &TrainOptions) -> String {
    let mut files: Vec<&str> = data.streams.iter().map(|stream| stream.source.as_str()).collect();
    files.dedup();
    let arch = options.arch.as_ref().map(|arch| format!(" --arch {arch}")).unwrap_or_default();
    format!("tickdeck train --name {} --seed {}{arch} {}", options.name, options.seed, files.join(" "))
}
