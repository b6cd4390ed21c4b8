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

use super::dataset::{Dataset, HORIZONS, HORIZONS_S, MarketEvents, Row, place_of};
use super::figures::Bin;
use super::fit::class;
use super::score::{Told, direction};
use super::sessions::{Difference, sessions};
use super::{TrainError, TrainOptions, TrainProgress, ridge, sources};
use crate::engine::event::HorizonForecast;
use crate::engine::features::{FEATURE_COUNT, FeatureFrame};
use crate::engine::ids::Symbol;
use crate::engine::time::Span;
use crate::model::{Model, ModelError};

/// What an evaluation found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EvalReport {
    /// The model.
    pub model: String,
    /// First digits of its weights' hash.
    pub hash: String,
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
    /// Move in basis points over the horizon from the row on, and from 200 ms later on.
    moved: Option<f64>,
    late: Option<f64>,
    /// Move of the first second.
    soon: Option<f64>,
    /// Classes of both.
    class: Option<usize>,
    late_class: Option<usize>,
    said: [f64; 3],
    expected: f64,
    /// What each [`Contender`] says: above zero is up.
    signals: [Option<f64>; 4],
    spread: f64,
    depth: f64,
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

/// Judges a loaded model on market data from anywhere; `open` gives it from its beginning each time it is asked.
pub fn evaluate_on<'a>(
    model: &mut dyn Model,
    open: &dyn Fn() -> Vec<Result<MarketEvents<'a>, TrainError>>,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<EvalReport, TrainError> {
    let card = model.card().clone();
    if model.info().horizons_s != HORIZONS_S {
        return Err(TrainError::Option(format!(
            "{} has other horizons than {HORIZONS_S:?} s and cannot be judged",
            card.name
        )));
    }
    let step = step(model);
    let checks = open().into_iter().map(|source| checks::check(model, source?, step)).collect::<Result<Vec<_>, _>>()?;
    let data = Dataset::read(open(), (TrainOptions::default().sample, step), progress)?;
    progress(TrainProgress::Rows { rows: data.rows.len(), streams: data.streams.len() });
    let told = forecasts(model, &data)?;
    let of_row = sessions(&data);
    let ridge = ridge::walk_forward(&data);
    let mut report = EvalReport {
        hash: model.info().hash.clone(),
        in_sample: in_sample(&data, &card.sources),
        rows: data.rows.len(),
        sessions: of_row.iter().max().map_or(0, |last| last + 1),
        tried: card.tried,
        model: card.name,
        lines: Vec::new(),
        reliability: Vec::new(),
        differences: Vec::new(),
        economies: Vec::new(),
        checks: checks.into_iter().flatten().collect(),
    };
    for (horizon, seconds) in HORIZONS_S.into_iter().enumerate() {
        let judged = judged(&data, &told, &ridge, &of_row, horizon);
        report.lines.extend(lines::lines(&data, &judged, horizon));
        report.reliability.push((seconds, lines::reliability(&judged)));
        report.differences.extend(lines::differences(&judged, horizon));
        report.economies.extend(economy::economies(&judged, horizon, card.tried));
    }
    Ok(report)
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
        0 => TrainOptions::default().step,
        ms => Span::from_ms(i64::from(ms)),
    }
}

/// Every row forecast after the window it was recorded with.
fn forecasts(model: &mut dyn Model, data: &Dataset) -> Result<Vec<Told>, ModelError> {
    let (window, step) = (model.window(), step(model));
    let mut out = Vec::with_capacity(data.rows.len());
    for (n, row) in data.rows.iter().enumerate() {
        let mut last = Vec::new();
        model.forget();
        for (back, values) in data.window(row, window).enumerate() {
            let at = row.at - Span(step.0 * (window - 1 - back) as i64);
            let frame = FeatureFrame { symbol: Symbol(0), at, values: values.to_vec(), warm: FEATURE_COUNT as u16 };
            last = model.predict(std::slice::from_ref(&frame))?.pop().unwrap_or_default();
        }
        out.push((n, last));
    }
    model.forget();
    Ok(out)
}

fn judged(
    data: &Dataset,
    told: &[Told],
    ridge: &[Option<[f64; HORIZONS]>],
    of_row: &[usize],
    horizon: usize,
) -> Vec<Judged> {
    let (last_move, queue, spread) = (place_of("last_move"), place_of("imb_l1"), place_of("spread_bps"));
    let one = |(place, forecast): &Told| {
        let (row, forecast) = (data.rows.get(*place)?, forecast.get(horizon)?);
        let value = |place: usize| f64::from(row.values[place]);
        let known = |moves: &[f32; HORIZONS], at: usize| Some(f64::from(moves[at])).filter(|moved| moved.is_finite());
        let (moved, late) = (known(&row.moves, horizon), known(&row.late, horizon));
        let of_ridge = ridge.get(*place).copied().flatten().map(|said| said[horizon]);
        Some(Judged {
            stream: row.stream,
            session: of_row.get(*place).copied().unwrap_or(0),
            at: row.at,
            moved,
            late,
            soon: known(&row.moves, 0),
            class: moved.and_then(|moved| class_of(row, moved, horizon)),
            late_class: late.and_then(|moved| class_of(row, moved, horizon)),
            said: said(forecast),
            expected: f64::from(forecast.move_bps),
            signals: [Some(direction(forecast)), Some(value(last_move)), Some(value(queue)), of_ridge],
            // The feature is ln(1 + bps) / 2.
            spread: libm::expm1(2.0 * value(spread)),
            depth: f64::from(row.depth),
        })
    };
    told.iter().filter_map(one).collect()
}

fn class_of(row: &Row, moved: f64, horizon: usize) -> Option<usize> {
    row.in_usual_moves(moved, horizon).map(class)
}

fn said(forecast: &HorizonForecast) -> [f64; 3] {
    [forecast.up, forecast.flat, forecast.down].map(f64::from)
}
