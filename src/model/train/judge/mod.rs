//! A model that exists, judged on data it has not seen: how well it tells direction and size beside forecasters that need
//! no model, what acting on it would have brought, and whether it keeps to what it may know.

mod checks;
mod economy;
mod lines;
mod page;
mod table;

use std::path::PathBuf;

use serde::Serialize;

pub use checks::Checks;
pub use economy::Economy;
pub use lines::{Contender, Line};

use super::checkpoint::Checkpoints;
use super::dataset::{Dataset, HORIZONS, MarketEvents, Row, Taking};
use super::figures::Bin;
use super::fit::class;
use super::score::{Told, at_horizon, direction, score};
use super::sessions::{Difference, sessions};
use super::tune::{Job, Tell};
use super::{TrainError, TrainOptions, TrainProgress, calibrate, ranges, recipe, ridge, sampling, sources};
use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::{FeatureFrame, Set};
use crate::engine::ids::Symbol;
use crate::engine::time::Span;
use crate::model::{Card, ForeignCard, ForeignHorizon, Judged as Proved, Model, ModelError, WINDOW};

/// What an evaluation found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EvalReport {
    /// The model.
    pub model: String,
    /// First digits of its weights' hash.
    pub hash: String,
    /// Features that it reads.
    pub reads: Set,
    /// Files that the model was trained on: figures on them are no proof.
    pub in_sample: Vec<String>,
    /// Rows judged.
    pub rows: usize,
    /// Sessions they lie in.
    pub sessions: usize,
    /// Variants that were tried before this model was chosen, as its card says.
    pub tried: usize,
    /// Figures by instrument (and over all), horizon and delay.
    pub lines: Vec<Line>,
    /// How often what was said came true, by horizon.
    pub reliability: Vec<(u32, Vec<Bin>)>,
    /// The model against each other forecaster over whole sessions.
    pub differences: Vec<Difference>,
    /// What acting on forecasts would have brought.
    pub economies: Vec<Economy>,
    /// Look-ahead and recursion by file.
    pub checks: Vec<Checks>,
}

impl EvalReport {
    /// Does a forecast depend on what comes after it?
    pub fn looks_ahead(&self) -> bool {
        self.checks.iter().any(|check| check.look_ahead_differences > 0)
    }

    /// The report as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The report as a page that needs nothing else.
    pub fn html(&self) -> String {
        page::html(self)
    }
}

/// One row at one horizon: what was said and what came.
struct Judged {
    stream: usize,
    session: usize,
    at: crate::engine::time::Ts,
    /// Move in basis points over the horizon from the row on, and from a little later on.
    moved: Option<f64>,
    late: Option<f64>,
    /// Move over the shortest horizon.
    soon: Option<f64>,
    /// Classes of both.
    class: Option<usize>,
    late_class: Option<usize>,
    said: [f64; 3],
    expected: f64,
    /// What each [`Contender`] says: above zero is up.
    signals: [Option<f64>; 4],
    /// Best ask less best bid in basis points, and what waits at the thinner of them; `None` where bars do not tell.
    spread: Option<f64>,
    depth: Option<f64>,
}

/// Gives market data from its beginning each time it is asked.
type Open<'o, 'a> = &'o dyn Fn() -> Vec<Result<MarketEvents<'a>, TrainError>>;

/// What was read, what was said about it, and by a look at what.
struct Heard {
    data: Dataset,
    told: Vec<Told>,
    /// Places among the horizons of the model's set.
    horizons: Vec<usize>,
    checks: Vec<Checks>,
}

/// Judges a loaded model on files.
pub fn evaluate(
    model: &mut dyn Model,
    data: &[PathBuf],
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<EvalReport, TrainError> {
    let files = sources::files(data)?;
    evaluate_on(model, &|| files.iter().map(|file| sources::open(file)).collect(), progress)
}

/// Judges a loaded model on market data from anywhere.
pub fn evaluate_on(
    model: &mut dyn Model,
    open: Open<'_, '_>,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<EvalReport, TrainError> {
    let heard = hear(model, open, progress)?;
    Ok(report(model.info(), model.card(), heard))
}

/// Judges a model that was not trained here, whose expected moves are as they are before anything was proved: what is found, and
/// its card with what that proves.
pub fn prove(
    card: &ForeignCard,
    model: &mut dyn Model,
    data: &[PathBuf],
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<(EvalReport, ForeignCard), TrainError> {
    let files = sources::files(data)?;
    prove_on(card, model, &|| files.iter().map(|file| sources::open(file)).collect(), progress)
}

/// The same on market data from anywhere.
pub fn prove_on(
    card: &ForeignCard,
    model: &mut dyn Model,
    open: Open<'_, '_>,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<(EvalReport, ForeignCard), TrainError> {
    let heard = hear(model, open, progress)?;
    let (seed, all) = (TrainOptions::default().seed, (0..heard.data.rows.len()).collect::<Vec<_>>());
    let (gains, shuffled_passes) = calibrate::judge(&heard.data, &heard.told, &heard.horizons, seed);
    let mut card = card.clone();
    let known = heard.data.sampling().horizons_s;
    let seconds = |horizon: &ForeignHorizon| known.iter().position(|seconds| *seconds == horizon.seconds);
    for horizon in &mut card.horizon {
        let place = heard.horizons.iter().position(|known| Some(*known) == seconds(horizon));
        horizon.move_gain = place.and_then(|place| gains.get(place)).copied().unwrap_or(0.0);
    }
    let gains = card.horizon.iter_mut().map(|horizon| &mut horizon.move_gain);
    let remarks = calibrate::distrust(gains, shuffled_passes).into_iter().collect();
    let parts = recipe::parts(&heard.data, "", &all).into_iter();
    let told = |rows: Vec<usize>| rows.iter().filter_map(|row| heard.told.get(*row).cloned()).collect::<Vec<_>>();
    card.judged = Some(Proved {
        sources: recipe::sources(&heard.data),
        confidence: calibrate::CONFIDENCE,
        shuffled_passes,
        remarks,
        feature: ranges::of(&heard.data, &all),
        out_of_sample: parts.flat_map(|(part, rows)| score(&heard.data, &part, &told(rows), seed)).collect(),
    });
    Ok((report(model.info(), model.card(), heard), card))
}

/// Judges an architecture by walking forward through files: each part of the time is told by a fit on what came before it.
pub fn walk_forward(options: &TrainOptions, progress: &mut dyn FnMut(TrainProgress)) -> Result<EvalReport, TrainError> {
    let files = sources::files(&options.data)?;
    walk_forward_on(&|| files.iter().map(|file| sources::open(file)).collect(), options, progress)
}

/// The same on market data from anywhere.
pub fn walk_forward_on(
    open: Open<'_, '_>,
    options: &TrainOptions,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<EvalReport, TrainError> {
    let archs = super::usable(options)?;
    let [arch] = archs.as_slice() else {
        return Err(TrainError::Option("name one architecture to walk forward with".to_owned()));
    };
    let data = Dataset::read(open(), options.taking(&archs), progress)?;
    data.enough()?;
    progress(TrainProgress::Rows { rows: data.rows.len(), streams: data.streams.len() });
    let checkpoints = Checkpoints::none();
    let mut tell = Tell { all: recipe::work(&archs, &data, options), progress, done: 0.0 };
    let job = Job { arch, data: &data, options, checkpoints: &checkpoints };
    let (told, mut last) = recipe::walk(&job, &mut tell)?;
    let checks = check(&mut last, open)?;
    let name = format!("{}, fitted anew on what came before", arch.name);
    let (info, card) =
        (ModelInfo { name, ..last.info().clone() }, Card { tried: 1 + options.tried, ..last.card().clone() });
    let horizons = (0..data.horizons).collect();
    Ok(report(&info, &card, Heard { data, told, horizons, checks }))
}

fn check(model: &mut dyn Model, open: Open<'_, '_>) -> Result<Vec<Checks>, TrainError> {
    let step = step(model);
    let found = open().into_iter().map(|source| checks::check(model, source?, step)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Asks a model about everything.
fn hear(
    model: &mut dyn Model,
    open: Open<'_, '_>,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Heard, TrainError> {
    let all = sampling::of(model.info().reads).horizons_s;
    let known = |seconds: &u32| all.iter().position(|known| known == seconds);
    let Some(horizons) = model.info().horizons_s.iter().map(known).collect::<Option<Vec<_>>>() else {
        return Err(TrainError::Option(format!(
            "{} looks {:?} s ahead: what is {all:?} s ahead can be judged, and nothing else",
            model.info().name,
            model.info().horizons_s
        )));
    };
    let checks = check(model, open)?;
    let data = Dataset::read(open(), taking(model), progress)?;
    progress(TrainProgress::Rows { rows: data.rows.len(), streams: data.streams.len() });
    let told = forecasts(model, &data)?;
    Ok(Heard { data, told, horizons, checks })
}

fn report(info: &ModelInfo, card: &Card, heard: Heard) -> EvalReport {
    let Heard { data, told, horizons, checks } = heard;
    let of_row = sessions(&data);
    let ridge = ridge::walk_forward(&data);
    let mut report = EvalReport {
        model: info.name.clone(),
        hash: info.hash.clone(),
        reads: data.set,
        in_sample: in_sample(&data, &card.sources),
        rows: told.iter().filter(|(_, said)| !said.is_empty()).count(),
        sessions: of_row.iter().max().map_or(0, |last| last + 1),
        tried: card.tried,
        lines: Vec::new(),
        reliability: Vec::new(),
        differences: Vec::new(),
        economies: Vec::new(),
        checks,
    };
    let trials = card.tried.max(1) * horizons.len();
    for horizon in horizons {
        let judged = judged(&data, &told, &ridge, &of_row, horizon);
        report.lines.extend(lines::lines(&data, &judged, horizon));
        report.reliability.push((data.horizon_s(horizon), lines::reliability(&judged)));
        report.differences.extend(lines::differences(&data, &judged, horizon));
        report.economies.extend(economy::economies(&judged, data.horizon_s(horizon), trials));
    }
    report
}

/// Files of these that the card names as sources.
fn in_sample(data: &Dataset, sources: &[String]) -> Vec<String> {
    let known = |name: &&String| sources.iter().any(|source| source.contains(name.as_str()));
    let mut names: Vec<String> = data.streams.iter().map(|stream| &stream.source).filter(known).cloned().collect();
    names.dedup();
    names
}

/// Distance between the rows of a sequence.
fn step(model: &dyn Model) -> Span {
    match model.card().step_ms {
        0 => sampling::of(model.info().reads).step,
        ms => Span::from_ms(i64::from(ms)),
    }
}

/// Rows that it can be asked about, with what it sees of them when it serves.
fn taking(model: &dyn Model) -> Taking {
    let set = model.info().reads;
    let usual = sampling::of(set);
    let longest_s = model.info().horizons_s.iter().copied().max().unwrap_or(0).max(usual.usual_longest_s);
    let sample = usual.sample;
    Taking { set, sample, step: step(model), window: model.window().max(WINDOW), whole: model.endless(), longest_s }
}

/// Every row forecast as the model serves: after the window that it needs, or by a stream from the beginning of the sequence.
fn forecasts(model: &mut dyn Model, data: &Dataset) -> Result<Vec<Told>, ModelError> {
    let step = step(model);
    let rows: Vec<usize> = (0..data.rows.len()).collect();
    let mut told: Vec<Told> = rows.iter().map(|row| (*row, Vec::new())).collect();
    for met in data.met(&rows, model.window(), model.endless()) {
        if met.begins {
            model.forget();
        }
        let (row, newest) = (&data.rows[met.nth], *met.frames.end());
        for place in met.frames {
            let at = row.at - Span(step.0 * (newest - place) as i64);
            let frame = FeatureFrame::of_set(data.set, Symbol(0), at, data.frames[place].clone());
            told[met.nth].1 = model.predict(std::slice::from_ref(&frame))?.pop().unwrap_or_default();
        }
    }
    model.forget();
    Ok(told)
}

fn judged(data: &Dataset, told: &[Told], ridge: &[Option<Vec<f64>>], of_row: &[usize], horizon: usize) -> Vec<Judged> {
    let usual = data.sampling();
    let (plain, other) = (data.place_of(usual.plain.1), usual.other.map(|other| data.place_of(other.1)));
    let spread = data.set.place_of("spread_bps");
    let one = |(place, forecast): &Told| {
        let (row, forecast) = (data.rows.get(*place)?, at_horizon(data, forecast, horizon)?);
        let value = |place: usize| f64::from(row.values[place]);
        let known = |moves: &[f32; HORIZONS], at: usize| Some(f64::from(moves[at])).filter(|moved| moved.is_finite());
        let (moved, late) = (known(&row.moves, horizon), known(&row.late, horizon));
        let of_ridge = ridge.get(*place).and_then(|said| said.as_ref()?.get(horizon).copied());
        Some(Judged {
            stream: row.stream,
            session: of_row.get(*place).copied().unwrap_or(0),
            at: row.at,
            moved,
            late,
            soon: known(&row.moves, 0),
            class: moved.and_then(|moved| class_of(data, row, moved, horizon)),
            late_class: late.and_then(|moved| class_of(data, row, moved, horizon)),
            said: said(forecast),
            expected: f64::from(forecast.move_bps),
            signals: [Some(direction(forecast)), other.map(value), Some(value(plain)), of_ridge],
            // The feature is ln(1 + bps) / 2.
            spread: spread.map(|spread| libm::expm1(2.0 * value(spread))),
            depth: Some(f64::from(row.depth)).filter(|depth| depth.is_finite()),
        })
    };
    told.iter().filter_map(one).collect()
}

fn class_of(data: &Dataset, row: &Row, moved: f64, horizon: usize) -> Option<usize> {
    data.in_usual_moves(row, moved, horizon).map(class)
}

fn said(forecast: &HorizonForecast) -> [f64; 3] {
    [forecast.up, forecast.flat, forecast.down].map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load;
    use crate::model::train::dataset::samples;

    /// Says how many rows it has seen since it forgot.
    struct Counts {
        inner: Box<dyn Model>,
        window: usize,
        endless: bool,
        rows: f32,
        last: crate::engine::time::Ts,
    }

    impl Model for Counts {
        fn info(&self) -> &ModelInfo {
            self.inner.info()
        }
        fn card(&self) -> &Card {
            self.inner.card()
        }
        fn window(&self) -> usize {
            self.window
        }
        fn endless(&self) -> bool {
            self.endless
        }
        fn forget(&mut self) {
            self.rows = 0.0;
        }
        fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
            let at = frames[0].at;
            assert!(self.rows == 0.0 || at.since(self.last) == Span::from_secs(1), "rows follow each other");
            (self.rows, self.last) = (self.rows + 1.0, at);
            let said = HorizonForecast { horizon_s: 1, up: self.rows, flat: 0.0, down: 0.0, move_bps: 0.0 };
            Ok(vec![vec![said]])
        }
    }

    #[test]
    fn a_model_is_judged_as_it_serves_by_its_window_or_by_the_stream_since_the_last_gap() {
        // Every row of a second stream of 50 is asked about, of the first every third one, from the sixteenth on.
        let mut data = samples::data(2, 50, |_, _| {});
        data.rows = data
            .rows
            .into_iter()
            .enumerate()
            .filter(|(n, row)| row.behind >= 15 && (*n > 49 || n % 3 == 0))
            .map(|(_, row)| row)
            .collect();
        for (endless, window) in [(true, 16), (false, 16), (false, 1)] {
            let inner = load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), "logistic-v1").unwrap();
            let mut model = Counts { inner, window, endless, rows: 0.0, last: crate::engine::time::Ts(0) };
            for (n, said) in forecasts(&mut model, &data).unwrap() {
                let expected = if endless { data.rows[n].behind + 1 } else { window };
                assert!((said[0].up - expected as f32).abs() < 0.5, "row {n}, endless: {endless}, window {window}");
            }
        }
    }
}
