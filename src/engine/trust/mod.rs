//! Which answers of a model are believed. One [`Trust`] per instrument follows every model that answers about it, whether
//! it trades or not: how its answers turned out ([`score`]), whether the market is like its training's ([`ranges`]), how
//! long its calls stand ([`repaint`]). What is not believed does not open; everything goes on being scored.

pub mod promise;
pub mod ranges;
pub mod repaint;
pub mod score;

use std::collections::VecDeque;

use super::event::{HorizonForecast, ModelInfo, Prediction};
use super::features::{FeatureFrame, Set};
use super::num::Side;
use super::risk::verdict::{Denial, DenialCode};
use super::time::{Span, Ts};
use ranges::{Distance, Ranges};
use repaint::Repaint;
use score::{Figures, Resolved, Score};

/// Boundaries that answers may still come for.
const ASKED_MAX: usize = 16;
/// Answers of one horizon that may wait for their end: a minute's horizon at ten decisions a second, five minutes' at two. What
/// comes beyond is not scored.
const WAITING_MAX: usize = 640;

/// What models were asked at one decision boundary.
#[derive(Clone, Debug)]
struct Asked {
    frame: FeatureFrame,
    /// The middle of the book, where there was one.
    mid: Option<f64>,
}

/// An answer whose horizon is still running.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    said: HorizonForecast,
    at: Ts,
    due: Ts,
    mid: f64,
    usual_bps: f64,
}

/// One horizon of one model.
#[derive(Clone, Debug)]
struct Horizon {
    seconds: u32,
    waiting: VecDeque<Waiting>,
    score: Score,
    repaint: Repaint,
    /// Since when its answers are not believed, and what fell short.
    benched: Option<(Ts, String)>,
}

/// What a look at a record came to.
enum Judged {
    /// Its answers are not believed any more, for this reason.
    Benched(String),
    /// They are again.
    Back,
}

/// One model about one instrument.
#[derive(Clone, Debug)]
struct Followed {
    name: String,
    reads: Set,
    horizons: Vec<Horizon>,
    ranges: Ranges,
    /// How far its last answer's market was from training; `None` where its card does not say.
    distance: Option<Distance>,
    /// What it was asked about last.
    looked: Option<Ts>,
}

/// Everything that decides which answers about one instrument are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    models: Vec<Followed>,
    asked: VecDeque<Asked>,
    /// When the next answer comes due.
    due: Option<Ts>,
}

/// A model was benched at a horizon, or came back.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// Model, as its place in the run.
    pub model: usize,
    /// Its name.
    pub name: String,
    /// Horizon in seconds.
    pub horizon_s: u32,
    /// What fell short, in words; `None` where it came back.
    pub benched: Option<String>,
}

impl Trust {
    /// Follows these models.
    pub fn new(models: &[ModelInfo]) -> Self {
        let horizon = |info: &ModelInfo, place: usize, seconds: u32| Horizon {
            seconds,
            waiting: VecDeque::new(),
            score: Score::new(seconds, info.promise.at(place).copied()),
            repaint: Repaint::new(seconds),
            benched: None,
        };
        let follow = |info: &ModelInfo| Followed {
            name: info.name.clone(),
            reads: info.reads,
            horizons: info.horizons_s.iter().enumerate().map(|(place, s)| horizon(info, place, *s)).collect(),
            ranges: Ranges::new(info.reads, &info.promise.ranges),
            distance: None,
            looked: None,
        };
        Self { models: models.iter().map(follow).collect(), asked: VecDeque::new(), due: None }
    }

    /// Other models answer from now on. The record of one that stays goes on in its new place.
    pub fn change_models(&mut self, before: &[ModelInfo], now: &[ModelInfo]) {
        let mut old: Vec<Option<Followed>> = std::mem::take(&mut self.models).into_iter().map(Some).collect();
        let fresh = Self::new(now).models.into_iter().zip(now);
        let place = |info: &ModelInfo| before.iter().position(|one| one.name == info.name && one.hash == info.hash);
        let kept =
            |(new, info): (Followed, &ModelInfo)| place(info).and_then(|at| old.get_mut(at)?.take()).unwrap_or(new);
        self.models = fresh.map(kept).collect();
    }

    /// A decision boundary: models are asked about this frame.
    pub fn ask(&mut self, frame: &FeatureFrame, mid: Option<f64>) {
        if self.models.is_empty() {
            return;
        }
        if self.asked.len() >= ASKED_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back(Asked { frame: frame.clone(), mid });
    }

    /// Takes an answer; `call` says which side of a forecast is probable enough to act on.
    pub fn answer(&mut self, prediction: &Prediction, call: impl Fn(&HorizonForecast) -> Option<Side>) {
        let place = usize::from(prediction.model.0);
        let Some(asked) = self.asked.iter().rev().find(|asked| asked.frame.at == prediction.features_at) else {
            return;
        };
        let Some(model) = self.models.get_mut(place) else { return };
        if prediction.horizons.is_empty() {
            return;
        }
        let Some((about, values)) = asked.frame.values_of(model.reads) else { return };
        // Several answers about one closed minute are one look at the market.
        if model.looked.replace(about) != Some(about) {
            model.distance = model.ranges.take(values);
        }
        let at = prediction.features_at;
        for horizon in &mut model.horizons {
            let Some(said) = prediction.horizons.iter().find(|said| said.horizon_s == horizon.seconds) else {
                continue;
            };
            horizon.repaint.take(at, call(said));
            let Some(mid) = asked.mid else { continue };
            let due = at + Span::from_secs(i64::from(horizon.seconds));
            let usual_bps = model.reads.usual_move_bps(values, f64::from(horizon.seconds)).unwrap_or(0.0);
            if horizon.waiting.len() < WAITING_MAX {
                horizon.waiting.push_back(Waiting { said: *said, at, due, mid, usual_bps });
            }
            self.due = Some(self.due.map_or(due, |first| first.min(due)));
        }
    }

    /// Has an answer come due before `now`?
    pub fn is_due(&self, now: Ts) -> bool {
        self.due.is_some_and(|due| due < now)
    }

    /// Settles what came due before `now` with the mid as it was until now; without one it is void, as in training.
    pub fn settle(&mut self, now: Ts, mid: Option<f64>) -> Vec<Turn> {
        let mut turns = Vec::new();
        if !self.is_due(now) {
            return turns;
        }
        for (place, model) in self.models.iter_mut().enumerate() {
            for horizon in &mut model.horizons {
                if let Some(judged) = horizon.settle(now, mid) {
                    let (name, horizon_s) = (model.name.clone(), horizon.seconds);
                    let benched = match judged {
                        Judged::Benched(why) => Some(why),
                        Judged::Back => None,
                    };
                    turns.push(Turn { model: place, name, horizon_s, benched });
                }
            }
        }
        let waiting = self.models.iter().flat_map(|model| &model.horizons);
        self.due = waiting.filter_map(|horizon| horizon.waiting.front().map(|first| first.due)).min();
        turns
    }

    /// The book is gone: no answer that still runs can be compared with anything.
    pub fn void(&mut self) {
        self.models.iter_mut().flat_map(|model| &mut model.horizons).for_each(|horizon| horizon.waiting.clear());
        self.models.iter_mut().for_each(|model| model.ranges.clear());
        self.due = None;
    }

    /// A person believes a model again: it is judged by what comes. `false` where it was not benched.
    pub fn unbench(&mut self, model: usize) -> bool {
        let mut changed = false;
        for horizon in self.models.get_mut(model).into_iter().flat_map(|model| &mut model.horizons) {
            if horizon.benched.take().is_some() {
                horizon.score.clear();
                changed = true;
            }
        }
        changed
    }

    /// Why a model's answers at a horizon open nothing; `None` where they may.
    pub fn denial(&self, model: usize, horizon_s: u32) -> Option<Denial> {
        let model = self.models.get(model)?;
        let benched = model.horizons.iter().find(|horizon| horizon.seconds == horizon_s)?.benched.as_ref();
        if let Some((_, why)) = benched {
            return Some(Denial::with(DenialCode::ModelBenched, format!("model={} {why}", model.name)));
        }
        let strange = model.distance.as_ref().filter(|distance| distance.is_strange())?;
        Some(Denial::with(DenialCode::ModelOutOfRange, format!("model={} {}", model.name, strange.words())))
    }

    /// How its answers at a horizon turned out.
    pub fn figures(&self, model: usize, horizon_s: u32) -> Option<Figures> {
        self.horizon(model, horizon_s).map(|horizon| horizon.score.figures())
    }

    /// Since when it is benched at a horizon, and what fell short.
    pub fn bench(&self, model: usize, horizon_s: u32) -> Option<&(Ts, String)> {
        self.horizon(model, horizon_s)?.benched.as_ref()
    }

    /// How its calls change.
    pub fn steadiness(&self, model: usize, horizon_s: u32, at: Ts, now: Ts) -> Option<repaint::Steadiness> {
        self.horizon(model, horizon_s).map(|horizon| horizon.repaint.steadiness(at, now))
    }

    /// The features that a model is asked about.
    pub fn reads(&self, model: usize) -> Option<Set> {
        self.models.get(model).map(|model| model.reads)
    }

    /// How far the market of its last answer is from training.
    pub fn distance(&self, model: usize) -> Option<&Distance> {
        self.models.get(model)?.distance.as_ref()
    }

    fn horizon(&self, model: usize, horizon_s: u32) -> Option<&Horizon> {
        self.models.get(model)?.horizons.iter().find(|horizon| horizon.seconds == horizon_s)
    }
}

impl Horizon {
    /// Says where it was benched or came back.
    fn settle(&mut self, now: Ts, mid: Option<f64>) -> Option<Judged> {
        let mut turn = None;
        while let Some(waiting) = self.waiting.front().copied().filter(|waiting| waiting.due < now) {
            self.waiting.pop_front();
            let Some(mid) = mid else { continue };
            let Waiting { said, at, mid: before, usual_bps, .. } = waiting;
            let moved_bps = (mid - before) / before * 1e4;
            if self.score.add(&Resolved { at, said, moved_bps, usual_bps }) {
                turn = self.judge(now).or(turn);
            }
        }
        turn
    }

    /// After each completed witness. What was benched starts a record of its own: it comes back by what it does from then
    /// on, not by what falls out of the window.
    fn judge(&mut self, now: Ts) -> Option<Judged> {
        let figures = self.score.figures();
        if self.benched.is_some() {
            return figures.keeps_the_promise().then(|| {
                self.benched = None;
                Judged::Back
            });
        }
        figures.falls_short().then(|| {
            let why = figures.words();
            self.benched = Some((now, why.clone()));
            self.score.clear();
            Judged::Benched(why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::features::FEATURE_COUNT;
    use crate::engine::ids::{ModelId, Symbol};

    #[test]
    fn answers_five_minutes_ahead_wait_for_their_end_and_are_scored() {
        let info = ModelInfo {
            name: "long".to_owned(),
            hash: String::new(),
            horizons_s: vec![1, 300],
            reads: Set::Market,
            trained: String::new(),
            promise: promise::Promise::default(),
        };
        let mut trust = Trust::new(&[info]);
        let said = |horizon_s| HorizonForecast { horizon_s, up: 0.6, flat: 0.2, down: 0.2, move_bps: 1.0 };
        // It falls within each second of forecasts and rises over five minutes.
        for second in 0..2_000 {
            let (at, mid) = (Ts::from_ms(second * 1_000), Some(100.0 + second as f64 / 100.0));
            let frame = FeatureFrame { symbol: Symbol(0), at, values: vec![0.0; FEATURE_COUNT], warm: 36, bars: None };
            trust.settle(at, mid.map(|mid| mid - if second % 2 == 0 { 0.2 } else { 0.0 }));
            trust.ask(&frame, mid);
            let horizons = vec![said(1), said(300)];
            let (symbol, model, took) = (Symbol(0), ModelId(0), Span(0));
            trust.answer(&Prediction { symbol, model, features_at: at, took, horizons }, |_| None);
        }
        let figures = trust.figures(0, 300).unwrap();
        // Two whole spans of two horizons have come due, and no answer of them was dropped.
        assert_eq!((figures.witnesses, figures.answers, figures.hit), (2, 1_200, Some(1.0)), "{figures:?}");
        assert!(trust.figures(0, 1).unwrap().hit.unwrap() < 0.6);
    }
}
