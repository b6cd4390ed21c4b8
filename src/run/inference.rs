//! Asks models about features: at once with a fixed latency in event time (replay, backtest), or on worker threads (demo,
//! live) so that a slow model never blocks the engine. Models that wait for another machine have a thread each, so that
//! they do not block the others either.

mod lane;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::clock::Stopwatch;
use crate::engine::event::{HorizonForecast, Prediction};
use crate::engine::features::FeatureFrame;
use crate::engine::ids::ModelId;
use crate::engine::time::{Span, Ts};
use crate::model::{Model, ModelError, WINDOW_MAX};
use crate::tui::crash;
use lane::Lane;

/// Answers that may wait for the engine.
const ANSWERS_MAX: usize = 1024;

/// Questions that are kept for models which come later: what a network with memory needs to be warm.
pub(super) const PAST_MAX: usize = WINDOW_MAX;

/// Latency of an answer in replay and backtest.
pub const INLINE_LATENCY: Span = Span::from_ms(5);

/// A model in its place among those of the run.
type Placed = (ModelId, Box<dyn Model>);

/// Questions of the last decisions, oldest first.
pub type Past = VecDeque<Arc<Vec<FeatureFrame>>>;

/// What comes back from a worker.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// A forecast, or that there is none.
    Predicted(Prediction),
    /// A model began to fail, fails for another reason, or works again: for the person.
    Told(String),
}

/// Models at work.
pub enum Inference {
    /// Answers at a fixed latency in event time.
    Inline {
        /// The models.
        models: Vec<Placed>,
        /// Answers waiting for their time.
        due: VecDeque<(Ts, Prediction)>,
    },
    /// Answers when the workers are done.
    Workers {
        /// One for all models of this machine, one for each that waits for another.
        lanes: Vec<Lane>,
        /// Answers of the workers.
        answers: Receiver<Answer>,
        /// The last questions: what a model that comes later has missed.
        past: Past,
    },
    /// Answers come from the tape; the questions are kept where somebody will ask models again.
    Taped {
        /// Every question so far.
        asked: Option<Vec<FeatureFrame>>,
    },
}

impl Inference {
    /// Answers at a fixed latency in event time.
    pub fn inline(models: Vec<Box<dyn Model>>) -> Self {
        Self::Inline { models: placed(models), due: VecDeque::new() }
    }

    /// Starts the workers; `wake` is called after every batch of answers.
    pub fn worker(models: Vec<Box<dyn Model>>, wake: impl Fn() + Send + Sync + 'static) -> std::io::Result<Self> {
        Self::workers(models, Past::new(), wake)
    }

    /// Workers with other models, which get to know the last questions first. Answers of those before are lost with them.
    pub fn successor(
        &self,
        models: Vec<Box<dyn Model>>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let past = if let Self::Workers { past, .. } = self { past.clone() } else { Past::new() };
        Self::workers(models, past, wake)
    }

    fn workers(
        models: Vec<Box<dyn Model>>,
        past: Past,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (outbox, answers) = sync_channel(ANSWERS_MAX);
        let wake: lane::Wake = Arc::new(wake);
        let (far, near): (Vec<_>, Vec<_>) = placed(models).into_iter().partition(|(_, model)| model.waits());
        let crews = std::iter::once(near).chain(far.into_iter().map(|model| vec![model]));
        let lanes = crews.filter(|crew| !crew.is_empty());
        let start = |crew| Lane::start(crew, past.clone(), outbox.clone(), wake.clone());
        let lanes = lanes.map(start).collect::<Result<_, _>>()?;
        Ok(Self::Workers { lanes, answers, past })
    }

    /// Asks about `frames` at `at`. A worker that is still busy gets the newest batch when it is done, and none between.
    pub fn ask(&mut self, at: Ts, frames: Vec<FeatureFrame>) {
        match self {
            Self::Inline { models, due } => {
                for model in models {
                    for mut prediction in predict(model, &frames).0 {
                        // Wall time has no place in event time: an inline answer reports its fixed latency.
                        prediction.took = INLINE_LATENCY;
                        due.push_back((at + INLINE_LATENCY, prediction));
                    }
                }
            }
            Self::Workers { lanes, past, .. } => {
                let frames = Arc::new(frames);
                if past.len() >= PAST_MAX {
                    past.pop_front();
                }
                past.push_back(frames.clone());
                for lane in lanes.iter() {
                    lane.ask(frames.clone());
                }
            }
            Self::Taped { asked } => {
                if let Some(asked) = asked {
                    asked.extend(frames);
                }
            }
        }
    }

    /// The questions that were kept.
    pub fn asked(&self) -> &[FeatureFrame] {
        match self {
            Self::Taped { asked: Some(asked) } => asked,
            _ => &[],
        }
    }

    /// When the next inline answer is due.
    pub fn next_due(&self) -> Option<Ts> {
        match self {
            Self::Inline { due, .. } => due.front().map(|next| next.0),
            Self::Workers { .. } | Self::Taped { .. } => None,
        }
    }

    /// The next inline answer due at or before `now`.
    pub fn pop_due(&mut self, now: Ts) -> Option<(Ts, Prediction)> {
        match self {
            Self::Inline { due, .. } if due.front().is_some_and(|next| next.0 <= now) => due.pop_front(),
            _ => None,
        }
    }

    /// An answer of the workers, if there is one.
    pub fn try_answer(&self) -> Option<Answer> {
        match self {
            Self::Workers { answers, .. } => answers.try_recv().ok(),
            _ => None,
        }
    }
}

fn placed(models: Vec<Box<dyn Model>>) -> Vec<Placed> {
    models.into_iter().enumerate().map(|(index, model)| (ModelId(index as u8), model)).collect()
}

/// A model about every frame, and why it failed where it did. One that fails says at once that it has no forecast, so that the
/// decision does not wait for it; its forecasts are gone and nothing opens on them.
fn predict((id, model): &mut Placed, frames: &[FeatureFrame]) -> (Vec<Prediction>, Option<String>) {
    let watch = Stopwatch::start();
    let asked = crash::forgiving(|| model.predict(frames));
    let took = watch.elapsed();
    let failure = match asked {
        Ok(Ok(answers)) => return (predictions(*id, frames, answers, took), None),
        Ok(Err(error)) => error.to_string(),
        Err(_) => {
            model.forget();
            ModelError::FellOver(model.info().name.clone()).to_string()
        }
    };
    (predictions(*id, frames, vec![Vec::new(); frames.len()], took), Some(failure))
}

fn predictions(
    model: ModelId,
    frames: &[FeatureFrame],
    answers: Vec<Vec<HorizonForecast>>,
    took: Span,
) -> Vec<Prediction> {
    let of_frame = |(frame, horizons): (&FeatureFrame, Vec<HorizonForecast>)| Prediction {
        symbol: frame.symbol,
        model,
        features_at: frame.at,
        took,
        horizons,
    };
    frames.iter().zip(answers).map(of_frame).collect()
}
