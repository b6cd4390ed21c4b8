//! Asks models about features: at once with a fixed latency in event time (replay, backtest), or on a worker thread
//! (demo, live) so that a slow model never blocks the engine.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::clock::Stopwatch;
use crate::engine::event::Prediction;
use crate::engine::features::FeatureFrame;
use crate::engine::ids::ModelId;
use crate::engine::time::{Span, Ts};
use crate::model::Model;

/// Batches that may wait for the worker: two decision intervals; more would only make old answers.
const BATCHES_MAX: usize = 2;

/// Latency of an answer in replay and backtest.
pub const INLINE_LATENCY: Span = Span::from_ms(5);

/// Models at work.
pub enum Inference {
    /// Answers at a fixed latency in event time.
    Inline {
        /// The models.
        models: Vec<Box<dyn Model>>,
        /// Answers waiting for their time.
        due: VecDeque<(Ts, Prediction)>,
    },
    /// Answers when the worker is done.
    Worker {
        /// Batches to the worker.
        batches: SyncSender<Vec<FeatureFrame>>,
        /// Answers from the worker.
        answers: Receiver<Prediction>,
    },
    /// Answers come from the tape.
    Taped,
}

impl Inference {
    /// Answers at a fixed latency in event time.
    pub fn inline(models: Vec<Box<dyn Model>>) -> Self {
        Self::Inline { models, due: VecDeque::new() }
    }

    /// Starts the worker; `wake` is called after every answer.
    pub fn worker(models: Vec<Box<dyn Model>>, wake: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (batches, inbox) = sync_channel::<Vec<FeatureFrame>>(BATCHES_MAX);
        let (outbox, answers) = sync_channel(1024);
        let mut models = models;
        std::thread::Builder::new().name("models".into()).spawn(move || {
            while let Ok(frames) = inbox.recv() {
                for prediction in predict(&mut models, &frames) {
                    if outbox.send(prediction).is_err() {
                        return;
                    }
                }
                wake();
            }
        })?;
        Ok(Self::Worker { batches, answers })
    }

    /// Asks about `frames` at `at`. A busy worker skips the batch: the answer would come too late to act on.
    pub fn ask(&mut self, at: Ts, frames: Vec<FeatureFrame>) {
        match self {
            Self::Inline { models, due } => {
                for mut prediction in predict(models, &frames) {
                    // Wall time has no place in event time: an inline answer reports its fixed latency.
                    prediction.took = INLINE_LATENCY;
                    due.push_back((at + INLINE_LATENCY, prediction));
                }
            }
            Self::Worker { batches, .. } => {
                if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = batches.try_send(frames) {
                    // Shown by the age of the forecasts and the "answered" health row.
                }
            }
            Self::Taped => {}
        }
    }

    /// When the next inline answer is due.
    pub fn next_due(&self) -> Option<Ts> {
        match self {
            Self::Inline { due, .. } => due.front().map(|next| next.0),
            Self::Worker { .. } | Self::Taped => None,
        }
    }

    /// The next inline answer due at or before `now`.
    pub fn pop_due(&mut self, now: Ts) -> Option<(Ts, Prediction)> {
        match self {
            Self::Inline { due, .. } if due.front().is_some_and(|next| next.0 <= now) => due.pop_front(),
            _ => None,
        }
    }

    /// An answer of the worker, if there is one.
    pub fn try_answer(&self) -> Option<Prediction> {
        match self {
            Self::Worker { answers, .. } => answers.try_recv().ok(),
            _ => None,
        }
    }
}

/// Every model about every frame. A model that fails gives no answer: its forecasts go stale and nothing opens on them.
fn predict(models: &mut [Box<dyn Model>], frames: &[FeatureFrame]) -> Vec<Prediction> {
    let mut predictions = Vec::with_capacity(models.len() * frames.len());
    for (index, model) in models.iter_mut().enumerate() {
        let watch = Stopwatch::start();
        let Ok(answers) = model.predict(frames) else { continue };
        let took = watch.elapsed();
        for (frame, horizons) in frames.iter().zip(answers) {
            predictions.push(Prediction {
                symbol: frame.symbol,
                model: ModelId(index as u8),
                features_at: frame.at,
                took,
                horizons,
            });
        }
    }
    predictions
}
