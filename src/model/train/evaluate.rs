//! A model that exists, judged on data: the same figures as in training, and what its forecasts are worth after costs.

use std::fmt;
use std::path::PathBuf;

use super::dataset::{Dataset, HORIZONS_S};
use super::report::{heading, line};
use super::score::score;
use super::{TrainError, TrainOptions, TrainProgress, sources};
use crate::engine::event::HorizonForecast;
use crate::engine::features::{FEATURE_COUNT, FeatureFrame};
use crate::engine::ids::Symbol;
use crate::engine::time::Span;
use crate::model::card::Score;
use crate::model::{Model, ModelError};

/// Costs of a round trip in basis points: maker and maker, maker and taker, taker and taker.
const COSTS_BPS: [f64; 3] = [4.0, 7.5, 11.0];

/// What an evaluation found. Rows the model was trained on are not out of sample: its card names the files.
#[derive(Clone, PartialEq, Debug)]
pub struct EvalReport {
    /// The model.
    pub model: String,
    /// Rows judged.
    pub rows: usize,
    /// Figures by file and instrument.
    pub scores: Vec<Score>,
    /// What acting on the forecasts would have brought.
    pub net: Vec<Net>,
}

/// Every forecast whose expected move beats a cost, held to its horizon.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Net {
    /// Horizon in seconds.
    pub seconds: u32,
    /// Cost of a round trip in basis points.
    pub cost_bps: f64,
    /// Forecasts that beat it.
    pub chances: usize,
    /// Their mean realised move minus the cost in basis points; `None` without a chance.
    pub mean_bps: Option<f64>,
}

/// Judges a loaded model on files.
pub fn evaluate(
    model: &mut dyn Model,
    data: &[PathBuf],
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<EvalReport, TrainError> {
    let name = model.info().name.clone();
    if model.info().horizons_s != HORIZONS_S {
        return Err(TrainError::Option(format!(
            "{name} has other horizons than {HORIZONS_S:?} s and cannot be judged"
        )));
    }
    let files = sources::files(data)?;
    let options = TrainOptions::default();
    let data = Dataset::read(files.iter().map(|file| sources::open(file)), (options.sample, step(model)), progress)?;
    progress(TrainProgress::Rows { rows: data.rows.len(), streams: data.streams.len() });
    let forecasts = forecasts(model, &data)?;
    let mut scores = Vec::new();
    for (place, stream) in data.streams.iter().enumerate() {
        let part: Vec<_> = forecasts.iter().filter(|(row, _)| data.rows[*row].stream == place).cloned().collect();
        let name = format!("{} {} {}", stream.date, stream.instrument, stream.source);
        scores.extend(score(&data, &name, &part, options.seed));
    }
    Ok(EvalReport { model: name, rows: data.rows.len(), scores, net: net(&data, &forecasts) })
}

/// Distance between the rows of a sequence.
fn step(model: &dyn Model) -> Span {
    match model.card().step_ms {
        0 => TrainOptions::default().step,
        ms => Span::from_ms(i64::from(ms)),
    }
}

/// Every row forecast after the window it was recorded with.
fn forecasts(model: &mut dyn Model, data: &Dataset) -> Result<Vec<(usize, Vec<HorizonForecast>)>, ModelError> {
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

fn net(data: &Dataset, forecasts: &[(usize, Vec<HorizonForecast>)]) -> Vec<Net> {
    let mut lines = Vec::new();
    for (horizon, seconds) in HORIZONS_S.into_iter().enumerate() {
        for cost_bps in COSTS_BPS {
            let taken: Vec<f64> = forecasts
                .iter()
                .filter_map(|(row, forecast)| {
                    let expected = f64::from(forecast.get(horizon)?.move_bps);
                    let moved = f64::from(data.rows.get(*row)?.moves[horizon]);
                    (expected.abs() > cost_bps && moved.is_finite()).then(|| moved * expected.signum() - cost_bps)
                })
                .collect();
            let mean_bps = (!taken.is_empty()).then(|| taken.iter().sum::<f64>() / taken.len() as f64);
            lines.push(Net { seconds, cost_bps, chances: taken.len(), mean_bps });
        }
    }
    lines
}

impl fmt::Display for EvalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {} rows", self.model, self.rows)?;
        heading(f)?;
        self.scores.iter().try_for_each(|score| line(f, score))?;
        writeln!(f, "\nexpected moves that beat a round trip, held to the horizon:")?;
        for net in &self.net {
            let mean = net.mean_bps.map_or("-".to_owned(), |mean| format!("{mean:+.2} bps each"));
            writeln!(f, "{:>4} s  cost {:>4.1} bps  {:>6} chances  {mean}", net.seconds, net.cost_bps, net.chances)?;
        }
        Ok(())
    }
}
