//! The answer of a model with memory, computed again: it is shown what the tape says it was asked, in the same order and with the
//! same beginnings, so that it remembers what it remembered then.

use std::path::Path;

use super::inference::PAST_MAX;
use crate::engine::event::{Event, HorizonForecast, ModelInfo, Prediction};
use crate::engine::features::FeatureFrame;
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};
use crate::model::Model;
use crate::tape::{TapeError, TapeReader};

/// What came of it.
pub(super) enum Remembered {
    /// Its answer.
    Said(Vec<HorizonForecast>),
    /// The tape has no such answer of this model, or not what it was asked.
    Unheard,
    /// The tape cannot be read.
    Unread,
}

/// What the tape tells of a model and an instrument.
enum Heard {
    /// Models took their places, with the last questions so far as their past.
    Placed(Ts),
    /// It answered about these features, with a forecast or without.
    Answered(Ts, bool),
}

/// The answer of `model` about the features of a moment, from everything it was `asked` before.
pub(super) fn remembered(
    model: &mut dyn Model,
    (symbol, features_at): (Symbol, Ts),
    tape: &Path,
    asked: &[FeatureFrame],
) -> Remembered {
    let Ok(heard) = heard(tape, model.info(), (symbol, features_at)) else { return Remembered::Unread };
    let asked: Vec<&FeatureFrame> = asked.iter().filter(|frame| frame.symbol == symbol).collect();
    // Without a state that reaches back for ever, the last rows are enough.
    let rows = if model.endless() { i64::MAX } else { model.window() as i64 };
    let reach = Span(i64::from(model.card().step_ms).saturating_mul(1_000_000).saturating_mul(rows));
    let recent = |frame: &&&FeatureFrame| features_at.since(frame.at) <= reach;
    let mut said = None;
    model.forget();
    for heard in heard {
        said = None;
        match heard {
            Heard::Placed(at) => {
                model.forget();
                let before = asked.get(..asked.partition_point(|frame| frame.at <= at)).unwrap_or_default();
                let past = before.get(before.len().saturating_sub(PAST_MAX)..).unwrap_or_default();
                for frame in past.iter().filter(recent) {
                    drop(model.predict(std::slice::from_ref(*frame)));
                }
            }
            Heard::Answered(at, answered) => {
                let place = asked.binary_search_by_key(&at, |frame| frame.at);
                let Some(frame) = place.ok().and_then(|place| asked.get(place)) else { continue };
                if recent(&frame) {
                    said = model.predict(std::slice::from_ref(*frame)).ok().and_then(|mut said| said.pop());
                }
                // It fell over there, and what it remembered was gone.
                if !answered && said.as_ref().is_some_and(|said| !said.is_empty()) {
                    model.forget();
                }
            }
        }
    }
    model.forget();
    said.map_or(Remembered::Unheard, Remembered::Said)
}

/// Everything up to its answer about the features of a moment; nothing where that is not on the tape.
fn heard(tape: &Path, info: &ModelInfo, (of, features_at): (Symbol, Ts)) -> Result<Vec<Heard>, TapeError> {
    let mut reader = TapeReader::open(tape)?;
    let (mut heard, mut place) = (Vec::new(), None);
    let find = |models: &[ModelInfo]| models.iter().position(|m| m.name == info.name && m.hash == info.hash);
    while let Some((at, _, event)) = reader.next_event()? {
        match event {
            Event::Restored(restored) => place = find(&restored.models),
            Event::Models(models) => {
                place = find(&models);
                heard.push(Heard::Placed(at));
            }
            Event::Predicted(Prediction { symbol, model, features_at: asked_at, horizons, .. })
                if symbol == of && Some(usize::from(model.0)) == place =>
            {
                heard.push(Heard::Answered(asked_at, !horizons.is_empty()));
                if asked_at == features_at {
                    return Ok(heard);
                }
            }
            _ => {}
        }
    }
    Ok(Vec::new())
}
