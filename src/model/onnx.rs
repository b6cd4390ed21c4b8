//! Models in ONNX files, computed by tract: a card with the table `[onnx]` beside `NAME.onnx`. A network is asked about one
//! window at a time, so that exports with a fixed batch of one serve as well; what panics inside is a failure of the model.

use std::path::Path;

use serde::{Deserialize, Serialize};

#[cfg(feature = "onnx")]
use super::foreign::Foreign;
use super::foreign::ForeignCard;
use super::{Model, ModelError};

/// A file `NAME.onnx` that answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxCard {
    /// Sha256 of the file in hex.
    pub sha256: String,
    /// Which output holds up, flat, down by horizon; 0 is the first.
    #[serde(default)]
    pub output: usize,
    /// Is that before the softmax?
    #[serde(default)]
    pub logits: bool,
}

#[cfg(feature = "onnx")]
pub(super) use network::Network;

/// Loads the model of a card.
#[cfg(feature = "onnx")]
pub(super) fn load(dir: &Path, card: &ForeignCard) -> Result<Box<dyn Model>, ModelError> {
    let network = Network::read(dir, card)?;
    let identity = card.onnx.as_ref().map(|onnx| onnx.sha256.clone()).unwrap_or_default();
    Ok(Box::new(Foreign::new(card, "onnx", identity.as_bytes(), network)?))
}

/// Loads the model of a card: refused, this build reads no ONNX files.
#[cfg(not(feature = "onnx"))]
pub(super) fn load(_: &Path, card: &ForeignCard) -> Result<Box<dyn Model>, ModelError> {
    Err(ModelError::OnnxNotBuilt(card.name.clone()))
}

/// The answers of `NAME.onnx` in a folder about the probes, for its card.
#[cfg(feature = "onnx")]
pub(super) fn golden(dir: &Path, card: &ForeignCard) -> Result<super::golden::Golden, ModelError> {
    Foreign::unchecked(card, "onnx", &[], Network::read(dir, card)?).golden()
}

/// The same: refused, this build reads no ONNX files.
#[cfg(not(feature = "onnx"))]
pub(super) fn golden(_: &Path, card: &ForeignCard) -> Result<super::golden::Golden, ModelError> {
    Err(ModelError::OnnxNotBuilt(card.name.clone()))
}

#[cfg(feature = "onnx")]
mod network {
    //! The network itself.

    use std::fs;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;
    use std::sync::Arc;

    use tract_onnx::prelude::*;

    use super::OnnxCard;
    use crate::engine::features::FEATURE_COUNT;
    use crate::model::ModelError;
    use crate::model::card::{sha256, short};
    use crate::model::foreign::{Answer, ForeignCard, Oracle};
    use crate::model::softmax::probabilities;

    /// Largest file read.
    const BYTES_MAX: u64 = 64 << 20;

    /// A network that is ready to run.
    pub(in crate::model) struct Network {
        name: String,
        card: OnnxCard,
        shape: Vec<usize>,
        outputs: usize,
        plan: Arc<TypedRunnableModel>,
    }

    impl Network {
        /// Reads the file that the card describes.
        pub(in crate::model) fn read(dir: &Path, card: &ForeignCard) -> Result<Self, ModelError> {
            let path = dir.join(format!("{}.onnx", card.name));
            let shown = path.display().to_string();
            let unreadable = |why: String| ModelError::Read { path: shown.clone(), why };
            let onnx = card.onnx.clone().ok_or_else(|| unreadable("its card has no table `[onnx]`".to_owned()))?;
            let size = fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?.len();
            if size > BYTES_MAX {
                return Err(unreadable(format!("{size} bytes is too large for a network")));
            }
            let bytes = fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
            let found = sha256(&bytes);
            if found != onnx.sha256 {
                return Err(ModelError::Hash { path: shown, found: short(&found), card: short(&onnx.sha256) });
            }
            let mut shape = vec![1, FEATURE_COUNT];
            if card.window > 1 {
                shape.insert(1, card.window);
            }
            let unsound = |why: String| ModelError::Weights { name: card.name.clone(), why };
            let plan = caught(|| planned(&bytes, &shape)).map_err(unsound)?;
            Ok(Self { name: card.name.clone(), card: onnx, shape, outputs: card.horizon.len() * 3, plan })
        }

        fn one(&self, rows: &[f32]) -> TractResult<Vec<f32>> {
            let input = Tensor::from_shape(&self.shape, rows)?;
            let outputs = self.plan.run(tvec!(input.into()))?;
            let Some(output) = outputs.get(self.card.output) else {
                let why = format!("there is no output {}: the network has {}", self.card.output, outputs.len());
                return Err(TractError::msg(why));
            };
            let values: Vec<f32> = output.to_plain_array_view::<f32>()?.iter().copied().collect();
            Ok(values)
        }
    }

    fn planned(bytes: &[u8], shape: &[usize]) -> TractResult<Arc<TypedRunnableModel>> {
        let input = InferenceFact::dt_shape(f32::datum_type(), shape);
        tract_onnx::onnx().model_for_read(&mut &*bytes)?.with_input_fact(0, input)?.into_optimized()?.into_runnable()
    }

    /// What went wrong, also where it panicked.
    fn caught<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => done.map_err(|error| format!("{error:#}")),
            Err(_) => Err("the network made its library fall over".to_owned()),
        }
    }

    impl Oracle for Network {
        fn ask(&mut self, rows: &[f32], count: usize) -> Result<Answer, ModelError> {
            let failed = |why: String| ModelError::Compute { name: self.name.clone(), why };
            let length = self.shape.iter().product::<usize>();
            let mut told = Vec::with_capacity(count * self.outputs);
            for window in rows.chunks_exact(length) {
                let said = caught(|| self.one(window)).map_err(failed)?;
                if said.len() != self.outputs {
                    return Err(failed(format!("{} numbers came out, {} are expected", said.len(), self.outputs)));
                }
                if self.card.logits {
                    let three = said.chunks_exact(3).flat_map(|logits| probabilities(logits, 1.0));
                    told.extend(three.map(|probability| probability as f32));
                } else {
                    told.extend(said);
                }
            }
            Ok(Answer { probabilities: told, moves: None })
        }

        fn waits(&self) -> bool {
            false
        }
    }
}
