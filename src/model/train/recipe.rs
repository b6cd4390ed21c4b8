//! The recipe: stop and calibrate a fit on rows it did not learn from, judge it on others, ship it.

use std::fs;
use std::path::Path;

use super::calibrate::{self, CONFIDENCE, SHUFFLES, Unseen, shuffled};
use super::dataset::Dataset;
use super::fit::{CLIP, Scaler};
use super::folds::{BLOCKS, to_calibrate, to_judge, to_walk};
use super::score::{Told, score};
use super::sessions::{Difference, compare};
use super::tune::{Curve, Job, Tell, Tuned, learn, stops, tune};
use super::{TrainError, TrainOptions, TrainProgress, ranges};
use crate::engine::event::HorizonForecast;
use crate::engine::features::Set;
use crate::model::card::{Card, Score};
use crate::model::serve::{Sequence, Served};
use crate::model::weights::{self, Tensors};
use crate::model::{Arch, load};

/// A calibrated fit.
struct Ready {
    card: Card,
    tensors: Tensors,
}

/// Passes over the data that a training takes, weighted by how many rows a network sees at a time: what shares of
/// progress are shares of.
pub(super) fn work(archs: &[&'static Arch], data: &Dataset, options: &TrainOptions) -> f64 {
    let all: Vec<usize> = (0..data.rows.len()).collect();
    // One tuning per judged part and one for the model that is written: every block held out, then all of it.
    let fits = (to_judge(data, &all).len() + 1) * (BLOCKS + 1) * options.seeds;
    archs.iter().map(|arch| (arch.rows(options.window) * fits * options.epochs_max) as f64).sum()
}

/// Figures for an architecture: every part held out once, from stopping and calibration too.
pub(super) fn out_of_sample(
    job: &Job<'_>,
    curves: &mut Vec<Curve>,
    tell: &mut Tell<'_>,
) -> Result<(Vec<Score>, Vec<Vec<Told>>), TrainError> {
    let Job { arch, data, options, .. } = *job;
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let folds = to_judge(data, &all);
    if folds.is_empty() {
        return Err(TrainError::NoFolds);
    }
    let (mut scores, mut told) = (Vec::new(), Vec::new());
    for fold in &folds {
        (tell.progress)(TrainProgress::HoldingOut { arch: arch.name, part: fold.name.clone() });
        let Ready { card, tensors } = prepare(job, &fold.train, &fold.name, curves, tell)?;
        let served = Served::unchecked(card, arch, &tensors)?;
        let mut of_fold = Vec::new();
        for (part, rows) in parts(data, &fold.name, &fold.test) {
            let forecasts = served_forecasts(job, &served, &rows);
            scores.extend(score(data, &part, &forecasts, options.seed));
            of_fold.extend(forecasts);
        }
        told.push(of_fold);
    }
    Ok((scores, told))
}

/// What an architecture says of each part of the time after it was fitted, stopped and calibrated on what came before it, in the
/// order of the rows; and the fit that was made last.
pub(super) fn walk(job: &Job<'_>, tell: &mut Tell<'_>) -> Result<(Vec<Told>, Served), TrainError> {
    let Job { arch, data, .. } = *job;
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let (mut told, mut last) = (Vec::new(), None);
    for fold in to_walk(data, &all) {
        (tell.progress)(TrainProgress::HoldingOut { arch: arch.name, part: fold.name.clone() });
        let Ready { card, tensors } = match prepare(job, &fold.train, &fold.name, &mut Vec::new(), tell) {
            // Too little came before it to stop and to calibrate by.
            Err(TrainError::NoFolds) => continue,
            ready => ready?,
        };
        let served = Served::unchecked(card, arch, &tensors)?;
        told.extend(served_forecasts(job, &served, &fold.test));
        last = Some(served);
    }
    told.sort_by_key(|(row, _)| *row);
    last.map(|last| (told, last)).ok_or(TrainError::NoFolds)
}

/// What a model says about rows, each after what it sees when it serves.
fn served_forecasts(job: &Job<'_>, served: &Served, rows: &[usize]) -> Vec<Told> {
    let Job { arch, data, .. } = *job;
    let mut sequence = Sequence::default();
    let mut told: Vec<Told> = rows.iter().map(|row| (*row, Vec::new())).collect();
    for met in data.met(rows, job.rows(), arch.endless) {
        let frames = data.frames[met.frames].iter().map(Vec::as_slice);
        told[met.nth].1 = served.follow(frames, met.begins, &mut sequence);
    }
    told
}

/// What was found about an architecture before it was chosen.
pub(super) struct Judgement {
    pub(super) scores: Vec<Score>,
    pub(super) compared: Vec<String>,
    pub(super) tried: usize,
}

/// The simplest architecture that no other beats beyond doubt, and what decided. `told` are forecasts of the same rows by
/// architecture and fold.
pub(super) fn choose(data: &Dataset, archs: &[&'static Arch], told: &[Vec<Vec<Told>>]) -> (usize, Vec<String>) {
    let (mut best, mut decided) = (0, Vec::new());
    for (place, arch) in archs.iter().enumerate().skip(1) {
        let what = format!("{} against {}", arch.name, archs[best].name);
        let found = compare(data, what, &told[place], &told[best]);
        decided.push(in_words(&found, "not better, the simpler one stays"));
        if found.is_better() {
            best = place;
        }
    }
    let what = format!("{} against {} alone", archs[best].name, data.sampling().plain.0);
    decided.push(in_words(&compare(data, what, &told[best], &plain(data, &told[best])), "not better"));
    (best, decided)
}

fn in_words(found: &Difference, otherwise: &str) -> String {
    let gain = found.gain.map_or("one session only, no interval".to_owned(), |gain| {
        format!("mean AUC {:+.4} [{:+.4}, {:+.4}]", gain.value, gain.interval[0], gain.interval[1])
    });
    let verdict = if found.is_better() { "better" } else { otherwise };
    format!("{}: {gain} over {} sessions: {verdict}", found.what, found.sessions)
}

/// The same rows told by the plainest signal alone, such as the queues at the best price: who has the longer one wins.
fn plain(data: &Dataset, told: &[Vec<Told>]) -> Vec<Vec<Told>> {
    let place = data.place_of(data.sampling().plain.1);
    let one = |(row, forecast): &Told| {
        let up = f32::midpoint(1.0, data.rows[*row].values[place]);
        let said = |f: &HorizonForecast| HorizonForecast { up, flat: 0.0, down: 1.0 - up, ..*f };
        (*row, forecast.iter().map(said).collect())
    };
    told.iter().map(|fold| fold.iter().map(one).collect()).collect()
}

/// Rows by instrument; `of` is what they were held out as.
pub(super) fn parts(data: &Dataset, of: &str, rows: &[usize]) -> Vec<(String, Vec<usize>)> {
    let mut parts: Vec<(String, Vec<usize>)> = Vec::new();
    for &row in rows {
        let stream = &data.streams[data.rows[row].stream];
        let name = format!("{of} {} {}", stream.instrument, stream.source);
        match parts.iter_mut().find(|part| part.0 == name) {
            Some(part) => part.1.push(row),
            None => parts.push((name, vec![row])),
        }
    }
    parts
}

/// Fits on `rows`; how long and how bold is decided on parts of `rows` held out in turn.
fn prepare(
    job: &Job<'_>,
    rows: &[usize],
    part: &str,
    curves: &mut Vec<Curve>,
    tell: &mut Tell<'_>,
) -> Result<Ready, TrainError> {
    let Job { arch, data, options, .. } = *job;
    let inner = to_calibrate(data, rows);
    // One fold at least decides when to stop, and another calibrates.
    if inner.len() < 2 {
        return Err(TrainError::NoFolds);
    }
    let (mut unseen, mut tensors, mut epochs) = (Vec::new(), Tensors::new(), Vec::new());
    for member in 0..options.seeds {
        let tuned = tune(job, &inner, part, options.seed + member as u64, tell)?;
        let fit = learn(job, rows, part, &tuned, tell)?;
        let own = fit.weights()?.into_iter();
        tensors.extend(own.map(|(name, tensor)| (weights::named(&name, member, options.seeds), tensor)));
        epochs.push(tuned.curve.best.to_string());
        add_mean(&mut unseen, &tuned, options.seeds);
        curves.push(tuned.curve);
    }
    let horizon = calibrate::calibrate(data, &unseen);
    let shuffled_passes = part.is_empty().then(|| shuffled(data, &unseen, &horizon, SHUFFLES, options.seed));
    let scaler = Scaler::of(data, rows);
    let card = Card {
        name: options.name.clone(),
        arch: arch.name.to_owned(),
        about: format!("{}; {} epochs", arch.about, epochs.join(", ")),
        weights_sha256: String::new(),
        features_hash: data.set.hash().to_owned(),
        inputs: data.width(),
        units: options.units.filter(|_| arch.units > 0),
        window: options.window.filter(|_| arch.window > 1),
        step_ms: if arch.window > 1 { options.step.as_ms() as u32 } else { 0 },
        seed: options.seed,
        members: options.seeds,
        recipe: String::new(),
        trained: String::new(),
        sources: Vec::new(),
        made_for: ranges::made_for(data),
        feature: ranges::of(data, rows),
        costs: "round trip on Bybit linear, base tier: taker and taker 11 bps, maker and taker 7.5, maker and maker 4; the \
                forecast moves are before costs and mostly smaller"
            .to_owned(),
        clip: CLIP,
        mean: scaler.mean,
        std: scaler.std,
        horizon,
        confidence: CONFIDENCE,
        shuffled_passes,
        tried: 0,
        compared: Vec::new(),
        golden: Vec::new(),
        out_of_sample: Vec::new(),
    };
    Ok(Ready { card, tensors })
}

/// Adds a member's share of the mean logits of the rows that calibrate.
fn add_mean(unseen: &mut Vec<Unseen>, tuned: &Tuned, members: usize) {
    let calibrating = (0..tuned.unseen.len()).filter(|fold| !stops(*fold)).flat_map(|fold| &tuned.unseen[fold]);
    for (place, (row, logits)) in calibrating.enumerate() {
        if unseen.len() == place {
            unseen.push((*row, vec![0.0; logits.len()]));
        }
        for (sum, logit) in unseen[place].1.iter_mut().zip(logits) {
            *sum += logit / members as f32;
        }
    }
}

/// Fits on everything, writes both files, and loads them back.
pub(super) fn ship(
    job: &Job<'_>,
    judged: Judgement,
    curves: &mut Vec<Curve>,
    tell: &mut Tell<'_>,
) -> Result<Card, TrainError> {
    let Job { arch, data, options, .. } = *job;
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let Ready { mut card, tensors } = prepare(job, &all, "", curves, tell)?;
    let Judgement { scores, compared, tried } = judged;
    (card.out_of_sample, card.compared, card.tried) = (scores, compared, tried);
    let passes = card.shuffled_passes.unwrap_or(1.0);
    card.compared.extend(calibrate::distrust(card.horizon.iter_mut().map(|horizon| &mut horizon.move_gain), passes));
    card.sources = sources(data);
    card.trained = span(data);
    card.recipe = recipe(data, options);
    card.golden = Served::unchecked(card.clone(), arch, &tensors)?.golden();
    let fresh = options.out.join(format!(".{}.fresh", options.name));
    let written = write(options, &fresh, card, &tensors);
    // Nothing is left of what does not load, and a model that was here before is as it was.
    drop(fs::remove_dir_all(&fresh));
    written
}

/// Writes both files into a folder of their own, loads them back, and puts them where they belong.
fn write(options: &TrainOptions, fresh: &Path, mut card: Card, tensors: &Tensors) -> Result<Card, TrainError> {
    let failed = |file: &Path, why: String| TrainError::Write { file: file.display().to_string(), why };
    let files = [format!("{}.safetensors", options.name), format!("{}.toml", options.name)];
    let [weights, path] = [0, 1].map(|n: usize| fresh.join(&files[n]));
    fs::create_dir_all(fresh).map_err(|error| failed(fresh, error.to_string()))?;
    card.weights_sha256 = weights::write(&weights, tensors).map_err(|why| failed(&weights, why))?;
    let text = toml::to_string(&card).map_err(|error| failed(&path, error.to_string()))?;
    fs::write(&path, text).map_err(|error| failed(&path, error.to_string()))?;
    let loaded = load(fresh, &options.name)?.card().clone();
    for file in &files {
        let place = options.out.join(file);
        fs::rename(fresh.join(file), &place).map_err(|error| failed(&place, error.to_string()))?;
    }
    Ok(loaded)
}

/// What was read, with rows.
pub(super) fn sources(data: &Dataset) -> Vec<String> {
    data.streams.iter().map(|s| format!("{} {} {}: {} rows", s.date, s.instrument, s.source, s.rows)).collect()
}

/// First and last date of all rows.
pub(super) fn span_of(data: &Dataset) -> (&str, &str) {
    let first = data.streams.iter().map(|stream| stream.date.as_str()).min();
    let last = data.streams.iter().map(|stream| stream.until.as_str()).max();
    (first.unwrap_or("?"), last.unwrap_or("?"))
}

fn span(data: &Dataset) -> String {
    let (first, last) = span_of(data);
    format!("{first} .. {last}")
}

fn recipe(data: &Dataset, options: &TrainOptions) -> String {
    // As they were named, so that it runs as it is written; what came from elsewhere has only its name.
    let mut files: Vec<String> = options.data.iter().map(|path| path.display().to_string()).collect();
    if files.is_empty() {
        files = data.streams.iter().map(|stream| stream.source.clone()).collect();
        files.dedup();
    }
    let usual = TrainOptions::of(data.set);
    let mut flags = options.arch.as_ref().map(|arch| format!(" --arch {arch}")).unwrap_or_default();
    let unusual = [
        (data.set == Set::Bars, " --bars".to_owned()),
        (options.seeds != usual.seeds, format!(" --seeds {}", options.seeds)),
        (options.epochs_max != usual.epochs_max, format!(" --epochs {}", options.epochs_max)),
        (options.l2.to_bits() != usual.l2.to_bits(), format!(" --l2 {}", options.l2)),
        (options.step != usual.step, format!(" --step-ms {}", options.step.as_ms())),
        (options.units.is_some(), format!(" --units {}", options.units.unwrap_or_default())),
        (options.window.is_some(), format!(" --window {}", options.window.unwrap_or_default())),
        (options.longest_s != usual.longest_s, format!(" --longest {}", options.longest_s)),
        (options.tried > 0, format!(" --tried {}", options.tried)),
        (options.balanced, " --balanced".to_owned()),
        (options.on != usual.on, format!(" --device {}", options.on.word())),
    ];
    flags.extend(unusual.into_iter().filter_map(|(is_unusual, flag)| is_unusual.then_some(flag)));
    format!("tickdeck train --name {} --seed {}{flags} {}", options.name, options.seed, files.join(" "))
}
