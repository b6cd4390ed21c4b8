//! The weights file: read with every check, written as safetensors.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Result as CandleResult, Tensor, bail, safetensors};

use super::card::{Card, sha256, short};
use super::{Arch, ModelError};

/// Largest weights file read: hundreds of times what the architectures here need.
const WEIGHTS_BYTES_MAX: u64 = 64 << 20;

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Names and shapes of an architecture's tensors.
pub(super) type Shapes = Vec<(String, Vec<usize>)>;

/// The tensor of this name.
pub(super) fn tensor<'a>(tensors: &'a Tensors, name: &str) -> CandleResult<&'a Tensor> {
    let Some(tensor) = tensors.get(name) else { bail!("tensor `{name}` is missing") };
    Ok(tensor)
}

/// Outputs of a model: three classes for every horizon.
pub(super) fn outputs(card: &Card) -> usize {
    card.horizon.len() * 3
}

/// Reads the weights that `card` describes; anything that differs is an error.
pub(super) fn read(path: &Path, card: &Card, arch: &Arch) -> Result<Tensors, ModelError> {
    let shown = path.display().to_string();
    let unreadable = |why: String| ModelError::Read { path: shown.clone(), why };
    let size = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > WEIGHTS_BYTES_MAX {
        return Err(unreadable(format!("{size} bytes is too large for weights")));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let found = sha256(&bytes);
    if found != card.weights_sha256 {
        return Err(ModelError::Hash { path: shown, found: short(&found), card: short(&card.weights_sha256) });
    }
    let unsound = |why: String| ModelError::Weights { name: card.name.clone(), why };
    if let Some(why) = arch.flaw(card.sizes(arch)) {
        return Err(unsound(why));
    }
    let tensors = safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|error| unsound(error.to_string()))?;
    let tensors: Tensors = tensors.into_iter().collect();
    check(&tensors, &shapes(card, arch)).map_err(unsound)?;
    Ok(tensors)
}

/// Every tensor of the file: those of the architecture, once for every member.
fn shapes(card: &Card, arch: &Arch) -> Vec<(String, Vec<usize>)> {
    let shapes = (arch.shapes)(card.sizes(arch));
    let of_member = |member| shapes.iter().map(move |(name, shape)| (named(name, member, card.members), shape.clone()));
    (0..card.members).flat_map(of_member).collect()
}

/// Name of a tensor in the file: its own where there is one member, `0.out.weight` where there are more.
pub(super) fn named(name: &str, member: usize, members: usize) -> String {
    if members == 1 { name.to_owned() } else { format!("{member}.{name}") }
}

/// The tensors of one member under their own names.
pub(super) fn member(tensors: &Tensors, card: &Card, arch: &Arch, member: usize) -> CandleResult<Tensors> {
    let own = (arch.shapes)(card.sizes(arch)).into_iter();
    own.map(|(name, _)| Ok((name.clone(), tensor(tensors, &named(&name, member, card.members))?.clone()))).collect()
}

/// Exactly these tensors, in these shapes, 32-bit floats, all finite?
fn check(tensors: &Tensors, shapes: &[(String, Vec<usize>)]) -> Result<(), String> {
    for (name, shape) in shapes {
        let tensor = tensors.get(name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
        if tensor.dims() != shape.as_slice() {
            return Err(format!("tensor `{name}` has the shape {:?}, expected {shape:?}", tensor.dims()));
        }
        if tensor.dtype() != DType::F32 {
            return Err(format!("tensor `{name}` is {:?}, expected F32", tensor.dtype()));
        }
        let values = tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).map_err(|error| error.to_string())?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("tensor `{name}` holds a value that is not finite"));
        }
    }
    match tensors.keys().find(|name| shapes.iter().all(|(known, _)| known != *name)) {
        Some(name) => Err(format!("tensor `{name}` is not part of the architecture")),
        None => Ok(()),
    }
}

/// Writes the weights and gives their sha256.
pub(super) fn write(path: &Path, tensors: &Tensors) -> Result<String, String> {
    let tensors: HashMap<&str, Tensor> = tensors.iter().map(|(name, t)| (name.as_str(), t.clone())).collect();
    safetensors::save(&tensors, path).map_err(|error| error.to_string())?;
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    Ok(sha256(&bytes))
}
