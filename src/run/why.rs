//! `tickdeck why`: a recorded run is fed its own tape again and asked why, and the models' answers are computed again from
//! the features that come out.

use std::path::Path;

use serde::Serialize;

use super::decisions::DecisionLog;
use super::feed::ReplayKind;
use super::remember::{Remembered, remembered};
use super::replay::{audit_driver, open_tape};
use super::start::StartError;
use crate::engine::event::HorizonForecast;
use crate::engine::features::bars::FRESH;
use crate::engine::features::{FeatureFrame, Set};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::time::Span;
use crate::engine::why::{AnswerFact, FeatureFact, Why, WhyOf};
use crate::model::Model;

/// Time after an order's decision by which its answer has come, or will not.
const ANSWERED_WITHIN: Span = Span::from_secs(10);
/// Events between two looks.
const BATCH: usize = 100_000;
/// A model's answer that comes out again differs by this at most.
pub const TOLERANCE: f32 = 1e-6;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Why this order?
    Order(u64),
    /// Why this, about this instrument, so long after the tape begins; at its end without a time.
    Instrument(String, Option<Span>),
}

/// The chain, and what the installed models make of the same features.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The chain.
    pub why: Why,
    /// Name of the instrument.
    pub name: String,
    /// By answer of the chain.
    pub recomputed: Vec<Recomputed>,
}

/// One answer computed again.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Recomputed {
    /// Model.
    pub model: String,
    /// Largest difference of any number; `None` where it could not be computed.
    pub difference: Option<f32>,
    /// Why not.
    pub why_not: Option<&'static str>,
}

impl Recomputed {
    /// Computed, and not the same?
    pub fn differs(&self) -> bool {
        // A difference that is no number is one.
        self.difference.is_some_and(|difference| difference.is_nan() || difference > TOLERANCE)
    }
}

/// Feeds the tape up to what is asked for. `None` where the tape holds no such decision.
pub fn why(path: &Path, question: &Question, models: &mut [Box<dyn Model>]) -> Result<Option<Report>, StartError> {
    let tape = open_tape(path, ReplayKind::Audit)?;
    let start = tape.start;
    let Some(restored) = tape.recorded else { return Err(StartError::NotRecorded(path.display().to_string())) };
    let names: Vec<String> = restored.instruments.iter().map(|instrument| instrument.name.clone()).collect();
    let of = match question {
        Question::Order(order) => WhyOf::Order(OrderSeq(*order)),
        Question::Instrument(name, _) => match names.iter().position(|known| known == name) {
            Some(place) => WhyOf::Latest(Symbol(place as u16)),
            None => return Ok(None),
        },
    };
    let until = match question {
        Question::Instrument(_, Some(after)) => Some(start + *after),
        _ => None,
    };
    // A model with memory answers after a sequence of questions, so all of them are kept for it.
    let keep = models.iter().any(|model| model.window() > 1);
    let mut driver = audit_driver(tape.feed, restored, start, DecisionLog::new(None), keep);
    let mut found = None;
    while !driver.finished() && until.is_none_or(|until| driver.now() < until) {
        let stride = driver.now() + Span::from_secs(1);
        driver.advance(until.map_or(stride, |until| stride.min(until)), BATCH);
        if let WhyOf::Order(_) = of {
            // Newer decisions push old ones out: it is looked up while it is kept.
            found = driver.engine().why(of).or(found);
            if found.as_ref().is_some_and(|why| driver.now().since(why.at) > ANSWERED_WITHIN) {
                break;
            }
        }
    }
    let Some(why) = found.or_else(|| driver.engine().why(of)) else { return Ok(None) };
    let again = |answer: &AnswerFact| recompute(&why, answer, models, (path, driver.asked()));
    let recomputed = why.answers.iter().map(again).collect();
    let name = names.get(why.symbol.index()).cloned().unwrap_or_default();
    Ok(Some(Report { why, name, recomputed }))
}

fn recompute(
    why: &Why,
    answer: &AnswerFact,
    models: &mut [Box<dyn Model>],
    (tape, asked): (&Path, &[FeatureFrame]),
) -> Recomputed {
    let not =
        |why_not: &'static str| Recomputed { model: answer.model.clone(), difference: None, why_not: Some(why_not) };
    let known = |model: &&mut Box<dyn Model>| model.info().name == answer.model && model.info().hash == answer.hash;
    let Some(model) = models.iter_mut().find(known) else { return not("this model is not installed") };
    if model.window() > 1 {
        return match remembered(model.as_mut(), (why.symbol, answer.features_at), tape, asked) {
            Remembered::Said(again) => compared(answer, Some(again)),
            Remembered::Unheard => not("the tape does not hold what it saw before"),
            Remembered::Unread => not("the tape cannot be read again"),
        };
    }
    let Some(frame) = frame(why, answer, model.info().reads) else {
        // Between two minutes a model of bars is silent.
        let is_silence = model.info().reads == Set::Bars && answer.said.is_empty();
        return if is_silence { compared(answer, Some(Vec::new())) } else { not("it answered about other features") };
    };
    compared(answer, model.predict(&[frame]).ok().and_then(|mut answers| answers.pop()))
}

/// The features that it answered about, where the decision holds them.
fn frame(why: &Why, answer: &AnswerFact, reads: Set) -> Option<FeatureFrame> {
    let of_set = |fact: &&FeatureFact| reads.place_of(&fact.name).is_some();
    let values: Vec<f32> = why.features.iter().filter(of_set).map(|fact| fact.value).collect();
    let (symbol, at) = (why.symbol, answer.features_at);
    match reads {
        Set::Market if why.features_at == Some(at) => {
            let warm = why.features.iter().filter(of_set).filter(|fact| fact.warm).count() as u16;
            Some(FeatureFrame { symbol, at, values, warm, bars: None })
        }
        // It speaks for a while of each closed minute.
        Set::Bars if why.bars_closed.is_some_and(|closed| (Span(0)..FRESH).contains(&at.since(closed))) => {
            Some(FeatureFrame::of_set(reads, symbol, at, values))
        }
        Set::Market | Set::Bars => None,
    }
}

fn compared(answer: &AnswerFact, again: Option<Vec<HorizonForecast>>) -> Recomputed {
    let same_kind = again.filter(|again| again.len() == answer.said.len());
    let farthest = |again: Vec<HorizonForecast>| {
        let pairs = again.iter().zip(&answer.said);
        pairs.map(|(again, said)| distance(again, said)).fold(0.0, f32::max)
    };
    let why_not = same_kind.is_none().then_some("it gives no answer now");
    Recomputed { model: answer.model.clone(), difference: same_kind.map(farthest), why_not }
}

/// Largest difference of the four numbers of a forecast; infinite where one is not finite.
fn distance(one: &HorizonForecast, other: &HorizonForecast) -> f32 {
    let pairs = [(one.up, other.up), (one.flat, other.flat), (one.down, other.down), (one.move_bps, other.move_bps)];
    let apart = pairs.into_iter().map(|(a, b)| if (a - b).is_finite() { (a - b).abs() } else { f32::INFINITY });
    apart.fold(0.0, f32::max)
}
