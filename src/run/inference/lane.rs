//! One worker thread with its models. It has one place for what is to be asked next: the newest batch takes the place of
//! one that nobody began with, because its answer would come too late to act on.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Answer, Past, Placed, predict};
use crate::engine::features::FeatureFrame;
use crate::engine::ids::ModelId;

/// Called after every batch of answers.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// A worker; its thread ends when this is dropped and the question it works on is answered.
pub struct Lane {
    place: Arc<Place>,
}

/// What is to be asked next.
#[derive(Default)]
struct Place {
    next: Mutex<Next>,
    filled: Condvar,
}

#[derive(Default)]
struct Next {
    batch: Option<Arc<Vec<FeatureFrame>>>,
    over: bool,
}

impl Lane {
    /// Starts with models that get to know `past` first; what they say to it concerns nobody any more.
    pub(super) fn start(
        mut models: Vec<Placed>,
        past: Past,
        outbox: SyncSender<Answer>,
        wake: Wake,
    ) -> std::io::Result<Self> {
        let place = Arc::new(Place::default());
        let inbox = place.clone();
        std::thread::Builder::new().name("models".into()).spawn(move || {
            for model in models.iter_mut().filter(|(_, model)| model.window() > 1 && !model.waits()) {
                for frames in &past {
                    drop(predict(model, frames));
                }
            }
            let mut troubles = BTreeMap::new();
            while let Some(frames) = inbox.take() {
                for model in &mut models {
                    let (predictions, failure) = predict(model, &frames);
                    let told = turned(&mut troubles, model, failure).map(Answer::Told);
                    for answer in told.into_iter().chain(predictions.into_iter().map(Answer::Predicted)) {
                        if outbox.send(answer).is_err() {
                            return;
                        }
                    }
                }
                wake();
            }
        })?;
        Ok(Self { place })
    }

    /// Puts a batch into the place.
    pub(super) fn ask(&self, frames: Arc<Vec<FeatureFrame>>) {
        self.place.next.lock().unwrap_or_else(PoisonError::into_inner).batch = Some(frames);
        self.place.filled.notify_one();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.place.next.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.place.filled.notify_one();
    }
}

impl Place {
    /// Waits for a batch; `None` when nobody will ask any more.
    fn take(&self) -> Option<Arc<Vec<FeatureFrame>>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if next.over {
                return None;
            }
            if let Some(batch) = next.batch.take() {
                return Some(batch);
            }
            next = self.filled.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a person is told when a model begins to fail or works again: once each, however the reason changes meanwhile.
fn turned(troubles: &mut BTreeMap<ModelId, String>, (id, model): &Placed, failure: Option<String>) -> Option<String> {
    let name = &model.info().name;
    match (failure, troubles.remove(id)) {
        (None, None) => None,
        (None, Some(_)) => Some(format!("model {name} answers again")),
        (Some(why), before) => {
            let told = before.is_none().then(|| format!("no forecasts of {name}: {why}"));
            troubles.insert(*id, why);
            told
        }
    }
}
