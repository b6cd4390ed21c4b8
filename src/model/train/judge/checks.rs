//! Two tests that every evaluation runs on a slice of the data: does a forecast change when the future is cut off
//! (look-ahead), and does it depend on when the watching began (recursion)?

use serde::Serialize;

use crate::engine::event::MarketData;
use crate::engine::features::bars::MINUTE;
use crate::engine::features::{FeatureFrame, Set};
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};
use crate::model::train::TrainError;
use crate::model::train::dataset::{MarketEvents, Recorder, Row};
use crate::model::{Model, ModelError};

/// What is looked at.
struct Slice {
    /// Its length.
    length: Span,
    /// Where the future is cut off.
    cut: Span,
    /// When the late watcher begins; a warm-up later both must agree.
    later: Span,
}

/// Minutes of a market, hours of bars.
const fn slice_of(set: Set) -> Slice {
    match set {
        Set::Market => Slice { length: Span::from_secs(330), cut: Span::from_secs(240), later: Span::from_secs(60) },
        Set::Bars => Slice { length: Span(MINUTE.0 * 330), cut: Span(MINUTE.0 * 240), later: Span(MINUTE.0 * 60) },
    }
}

/// Events of the slice, at most.
const EVENTS_MAX: usize = 400_000;

/// What both tests found on one file's first instrument.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Checks {
    /// The file.
    pub source: String,
    /// Rows that exist with and without the future, and how many of them differ in a feature or a forecast: any is a leak.
    pub look_ahead_rows: usize,
    /// Rows that differ.
    pub look_ahead_differences: usize,
    /// Rows that both the early and the late watcher have past their warm-up.
    pub recursion_rows: usize,
    /// The feature that depends most on the beginning, and by how much in its usual deviations.
    pub worst_feature: &'static str,
    /// Its drift.
    pub feature_drift: f64,
    /// Largest difference of a probability.
    pub forecast_drift: f64,
}

/// One row with its forecast (empty while a sequence is too short).
type Seen = (Row, Vec<[f32; 3]>);

/// Runs both tests; `None` where the file is too short for them.
pub(super) fn check(model: &mut dyn Model, source: MarketEvents<'_>, step: Span) -> Result<Option<Checks>, TrainError> {
    let (set, of) = (model.info().reads, slice_of(model.info().reads));
    let (source, events) = slice(source, of.length)?;
    let Some(start) = events.first().map(|event| event.0) else { return Ok(None) };
    let whole = watch(model, &events, Ts(0), step)?;
    let cut = start + of.cut;
    let before: Vec<_> = events.iter().take_while(|event| event.0 <= cut).cloned().collect();
    let truncated = watch(model, &before, Ts(0), step)?;
    let late = watch(model, &events, start + of.later, step)?;
    let (look_ahead_rows, look_ahead_differences) = look_ahead(&whole, &truncated);
    let deviations = &model.card().std;
    let (recursion_rows, place, feature_drift, forecast_drift) = recursion(&whole, &late, deviations);
    let worst_feature = set.features().get(place).map_or("?", |feature| feature.name);
    let found = Checks {
        source,
        look_ahead_rows,
        look_ahead_differences,
        recursion_rows,
        worst_feature,
        feature_drift,
        forecast_drift,
    };
    Ok((look_ahead_rows > 0 && recursion_rows > 0).then_some(found))
}

/// The first minutes of a file's first instrument.
fn slice(source: MarketEvents<'_>, length: Span) -> Result<(String, Vec<(Ts, MarketData)>), TrainError> {
    let name = source.name;
    let mut events: Vec<(Ts, MarketData)> = Vec::new();
    let mut instrument = None;
    for event in source.events.take(EVENTS_MAX) {
        let (at, of, data) = event.map_err(|why| TrainError::Read { file: name.clone(), why })?;
        if events.first().is_some_and(|first| at.since(first.0) > length) {
            break;
        }
        if *instrument.get_or_insert_with(|| of.clone()) == of {
            events.push((at, data));
        }
    }
    Ok((name, events))
}

/// Rows and forecasts of somebody who watches from a moment on; the book is known before.
fn watch(model: &mut dyn Model, events: &[(Ts, MarketData)], from: Ts, step: Span) -> Result<Vec<Seen>, ModelError> {
    let set = model.info().reads;
    let mut recorder = Recorder::from(set, step, from);
    for (at, event) in events {
        recorder.on_market(*at, event);
    }
    model.forget();
    let mut seen = Vec::new();
    for row in recorder.watched() {
        let frame = FeatureFrame::of_set(set, Symbol(0), row.at, row.values.clone());
        let forecast = model.predict(std::slice::from_ref(&frame))?.pop().unwrap_or_default();
        seen.push((row, forecast.iter().map(|f| [f.up, f.flat, f.down]).collect()));
    }
    model.forget();
    Ok(seen)
}

/// Rows of both, and how many of them are not the same.
fn look_ahead(whole: &[Seen], truncated: &[Seen]) -> (usize, usize) {
    let both = common(whole, truncated);
    let same = |(a, b): &&(&Seen, &Seen)| {
        let values = a.0.values.iter().zip(&b.0.values).all(|(a, b)| a.to_bits() == b.to_bits());
        // A label that the cut hides is unknown; one that is known must be the same.
        let moves = a.0.moves.iter().zip(&b.0.moves).all(|(a, b)| b.is_nan() || a.to_bits() == b.to_bits());
        values && moves && a.1 == b.1
    };
    (both.len(), both.len() - both.iter().filter(same).count())
}

/// Rows of both, the feature that differs most, by how much in its deviations, and the largest difference of forecasts.
fn recursion(whole: &[Seen], late: &[Seen], deviations: &[f32]) -> (usize, usize, f64, f64) {
    let both = common(whole, late);
    let mut worst = (0, 0.0_f64);
    let mut forecast = 0.0_f64;
    for (a, b) in &both {
        for (place, deviation) in deviations.iter().enumerate() {
            let drift = f64::from((a.0.values[place] - b.0.values[place]).abs() / deviation.max(1e-6));
            if drift > worst.1 {
                worst = (place, drift);
            }
        }
        for (a, b) in a.1.iter().flatten().zip(b.1.iter().flatten()) {
            forecast = forecast.max(f64::from((a - b).abs()));
        }
    }
    (both.len(), worst.0, worst.1, forecast)
}

fn common<'a>(a: &'a [Seen], b: &'a [Seen]) -> Vec<(&'a Seen, &'a Seen)> {
    let find = |row: &Seen| b.binary_search_by_key(&row.0.at, |other| other.0.at).ok().and_then(|place| b.get(place));
    a.iter().filter_map(|row| Some((row, find(row)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::train::dataset::samples::data;

    #[test]
    fn a_row_that_changes_with_the_future_is_counted() {
        let seen =
            || data(1, 100, |_, _| {}).rows.into_iter().map(|row| (row, vec![[0.2, 0.5, 0.3]])).collect::<Vec<Seen>>();
        let mut truncated = seen()[..60].to_vec();
        assert_eq!(look_ahead(&seen(), &truncated), (60, 0));
        truncated[7].0.values[3] += 1e-6;
        truncated[9].1[0][0] = 0.21;
        // A label hidden by the cut is no difference, another one is.
        truncated[20].0.moves[2] = f32::NAN;
        truncated[30].0.moves[2] += 1.0;
        assert_eq!(look_ahead(&seen(), &truncated), (60, 3));
        let (rows, place, drift, forecast) = recursion(&seen(), &truncated, &[1.0; Set::Market.count()]);
        assert_eq!((rows, place), (60, 3));
        assert!(drift > 0.0 && (forecast - 0.01).abs() < 1e-6);
    }
}
