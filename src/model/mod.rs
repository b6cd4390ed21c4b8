//! Models: what turns feature frames into probabilities. Trained here, served on one thread, never trusted unchecked.
//!
//! A model is two files, `NAME.safetensors` (weights) and `NAME.toml` (its [`Card`]). [`load`] refuses it unless the
//! weights are the card's, the features are this build's, every tensor has its shape and is finite, and the card's
//! golden forecasts come out again. Without the cargo feature `models` the registry is empty and [`load`] says so.

mod card;
#[cfg(feature = "models")]
mod dense;
mod error;
#[cfg(feature = "models")]
mod gru;
#[cfg(feature = "models")]
mod logistic;
#[cfg(feature = "models")]
mod mlp;
#[cfg(feature = "models")]
mod net;
#[cfg(feature = "models")]
#[cfg(test)]
mod sequences;
#[cfg(feature = "models")]
mod serve;
#[cfg(feature = "models")]
mod tcn;
#[cfg(feature = "models")]
pub mod train;
#[cfg(feature = "models")]
mod weights;

use std::fs;
use std::path::Path;

pub use card::{Card, HorizonCard, Score};
pub use error::ModelError;

use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::FeatureFrame;

/// Largest card read; a real one is some tens of kilobytes.
const CARD_BYTES_MAX: u64 = 1 << 20;
/// Models listed from one folder.
const MODELS_MAX: usize = 256;

/// Rows that a network with memory sees before its first forecast.
#[cfg(feature = "models")]
const WINDOW: usize = 16;

/// Something that forecasts.
pub trait Model: Send {
    /// Name, hash and horizons, as the engine and the screen know it.
    fn info(&self) -> &ModelInfo;
    /// Its card.
    fn card(&self) -> &Card;
    /// Rows of an instrument that it needs before a forecast: 1 without memory.
    fn window(&self) -> usize {
        1
    }
    /// Drops what it remembers of every instrument: each next row begins a sequence. Without memory there is nothing.
    fn forget(&mut self) {}
    /// One list of forecasts per frame, in the order of the frames and of the card's horizons, for all instruments in one
    /// call. The list is empty while a frame has features in warm-up: no forecast is better than a made-up one.
    ///
    /// A model with memory takes every frame as the next row of its instrument, [`Card::step_ms`] after the one before;
    /// after any other interval it begins anew, and forecasts once it has seen [`Model::window`] rows.
    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError>;
}

/// One row of the registry of architectures.
#[cfg(feature = "models")]
pub struct Arch {
    /// Name in cards.
    pub name: &'static str,
    /// One sentence for `tickdeck model list`.
    pub about: &'static str,
    /// Rows that a forecast needs: 1 without memory.
    window: usize,
    /// Names and shapes of its tensors for this many inputs and outputs.
    shapes: fn(usize, usize) -> weights::Shapes,
    /// Logits of a normalised batch `[rows, inputs]`, with memory `[rows, window, inputs]`; differentiable: what training
    /// uses.
    forward: fn(&weights::Tensors, &candle_core::Tensor) -> candle_core::Result<candle_core::Tensor>,
    /// The same fused into one pass without a graph: what serving uses.
    fused: fn(&weights::Tensors) -> candle_core::Result<Box<dyn net::Net>>,
}

/// One row of the registry of architectures: none without the cargo feature `models`.
#[cfg(not(feature = "models"))]
pub struct Arch {
    /// Name in cards.
    pub name: &'static str,
    /// One sentence for `tickdeck model list`.
    pub about: &'static str,
}

/// Every architecture, simplest first.
#[cfg(feature = "models")]
pub const ARCHS: &[Arch] = &[logistic::ENTRY, mlp::ENTRY, tcn::ENTRY, gru::ENTRY];
/// Every architecture: none without the cargo feature `models`.
#[cfg(not(feature = "models"))]
pub const ARCHS: &[Arch] = &[];

/// Loads and checks the model `name` from a folder.
#[cfg(feature = "models")]
pub fn load(dir: &Path, name: &str) -> Result<Box<dyn Model>, ModelError> {
    let card = read_card(dir, name)?;
    let arch = ARCHS.iter().find(|arch| arch.name == card.arch).ok_or_else(|| ModelError::Arch {
        name: card.name.clone(),
        arch: card.arch.clone(),
        known: ARCHS.iter().map(|arch| arch.name).collect::<Vec<_>>().join(", "),
    })?;
    let tensors = weights::read(&dir.join(format!("{name}.safetensors")), &card, arch)?;
    Ok(Box::new(serve::Served::new(card, arch, &tensors)?))
}

/// Loads the model `name` from a folder: refused, this build has no models.
#[cfg(not(feature = "models"))]
pub fn load(dir: &Path, name: &str) -> Result<Box<dyn Model>, ModelError> {
    read_card(dir, name)?;
    Err(ModelError::NotBuilt)
}

/// Loads and checks every model of a folder, by name. A folder that is not there holds none.
pub fn scan(dir: &Path) -> Vec<Result<Box<dyn Model>, ModelError>> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names.truncate(MODELS_MAX);
    names.iter().map(|name| load(dir, name)).collect()
}

fn read_card(dir: &Path, name: &str) -> Result<Card, ModelError> {
    if !is_name(name) {
        return Err(ModelError::Name(name.chars().take(60).collect()));
    }
    let path = dir.join(format!("{name}.toml"));
    let shown = path.display().to_string();
    let unreadable = |why: String| ModelError::Read { path: shown.clone(), why };
    let size = fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > CARD_BYTES_MAX {
        return Err(unreadable(format!("{size} bytes is too large for a card")));
    }
    let text = fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?;
    let card = Card::parse(&text, &shown)?;
    if card.name != name {
        let why = format!("it is the card of `{}`: rename the files or the card", card.name);
        return Err(ModelError::Card { path: shown, why });
    }
    Ok(card)
}

/// May this be part of a file name? Letters, digits, `-`, `_`, `.`, not starting with a dot, at most 60.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 60
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
