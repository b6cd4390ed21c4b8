//! Models: what turns feature frames into probabilities. Trained here, served on one thread, never trusted unchecked.
//!
//! A model is two files, `NAME.safetensors` (weights) and `NAME.toml` (its [`Card`]). [`load`] refuses it unless the
//! weights are the card's, the features are this build's, every tensor has its shape and is finite, and the card's
//! golden forecasts come out again. Without the cargo feature `models` the registry is empty and [`load`] says so.

#[cfg(feature = "models")]
pub mod bare;
mod card;
#[cfg(feature = "models")]
mod dense;
mod error;
mod foreign;
mod golden;
#[cfg(feature = "models")]
mod gru;
#[cfg(feature = "models")]
mod logistic;
#[cfg(feature = "models")]
mod mlp;
#[cfg(feature = "models")]
mod net;
mod onnx;
pub mod protocol;
mod remote;
#[cfg(feature = "models")]
#[cfg(test)]
mod sequences;
#[cfg(feature = "models")]
mod serve;
#[cfg(any(feature = "models", feature = "onnx"))]
mod softmax;
#[cfg(feature = "models")]
mod tcn;
#[cfg(feature = "models")]
pub mod train;
#[cfg(feature = "models")]
mod weights;

use std::fs;
use std::path::Path;

pub use card::{Card, FeatureCard, HorizonCard, MadeFor, Score, sha256};
pub use error::ModelError;
pub use foreign::{ForeignCard, ForeignHorizon, Judged};
pub use onnx::OnnxCard;
pub use remote::RemoteCard;

use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::{FeatureFrame, Set};
use crate::keys::Place;

/// Largest card read; a real one is some tens of kilobytes.
const CARD_BYTES_MAX: u64 = 1 << 20;
/// Models listed from one folder.
const MODELS_MAX: usize = 256;

/// Rows that a network with memory sees before its first forecast, where nothing else was asked for.
#[cfg(feature = "models")]
const WINDOW: usize = 16;
/// Rows that a network may see before its first forecast, at most.
pub(crate) const WINDOW_MAX: usize = 256;
/// Units of a layer, at most.
#[cfg(feature = "models")]
const UNITS_MAX: usize = 512;

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
    /// Does an answer depend on every row since the sequence began, and not on the last [`Model::window`] alone?
    fn endless(&self) -> bool {
        false
    }
    /// Drops what it remembers of every instrument: each next row begins a sequence. Without memory there is nothing.
    fn forget(&mut self) {}
    /// Does an answer wait for another machine? Such a model is asked on a thread of its own.
    fn waits(&self) -> bool {
        false
    }
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
    /// Usual units of its layers; 0 where it has none.
    units: usize,
    /// Usual rows that a forecast needs: 1 without memory.
    window: usize,
    /// Does what it remembers reach back to the beginning of the sequence?
    endless: bool,
    /// Names and shapes of its tensors.
    shapes: fn(Sizes) -> weights::Shapes,
    /// Logits of a normalised batch `[rows, inputs]`, with memory `[rows, window, inputs]`; differentiable: what training
    /// uses.
    forward: fn(&weights::Tensors, &candle_core::Tensor) -> candle_core::Result<candle_core::Tensor>,
    /// The same fused into one pass without a graph: what serving uses.
    fused: fn(&weights::Tensors) -> candle_core::Result<Box<dyn net::Net>>,
}

/// Sizes of a network.
#[cfg(feature = "models")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    inputs: usize,
    outputs: usize,
    /// Units of its layers.
    units: usize,
    /// Rows that a forecast needs.
    window: usize,
}

#[cfg(feature = "models")]
impl Arch {
    /// Rows that a forecast needs where this many were asked for: 1 without memory.
    fn rows(&self, asked: Option<usize>) -> usize {
        if self.window == 1 { 1 } else { asked.unwrap_or(self.window) }
    }

    /// Units of its layers where this many were asked for.
    fn units(&self, asked: Option<usize>) -> usize {
        if self.units == 0 { 0 } else { asked.unwrap_or(self.units) }
    }

    /// What is wrong with these sizes.
    fn flaw(&self, sizes: Sizes) -> Option<String> {
        if self.units > 0 && !(1..=UNITS_MAX).contains(&sizes.units) {
            return Some(format!("{} units: use 1 to {UNITS_MAX}", sizes.units));
        }
        // Each convolution doubles the rows that are seen.
        let rows = self.window == 1 || ((2..=WINDOW_MAX).contains(&sizes.window) && sizes.window.is_power_of_two());
        (!rows).then(|| format!("a window of {} rows: use a power of two, 2 to {WINDOW_MAX}", sizes.window))
    }
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
pub fn load(dir: &Path, name: &str) -> Result<Box<dyn Model>, ModelError> {
    load_with(dir, name, &Place::default())
}

/// The same; `token` is where the token for model servers may lie, for cards that send one.
pub fn load_with(dir: &Path, name: &str, token: &Place) -> Result<Box<dyn Model>, ModelError> {
    let (text, shown) = read_card(dir, name)?;
    let unsound = |why: String| ModelError::Card { path: shown.clone(), why };
    let table: toml::Table = toml::from_str(&text).map_err(|error| unsound(error.to_string()))?;
    let stated = table.get("name").and_then(toml::Value::as_str);
    if let Some(other) = stated.filter(|stated| *stated != name) {
        return Err(unsound(format!("it is the card of `{other}`: rename the files or the card")));
    }
    if table.contains_key("remote") {
        return Ok(Box::new(remote::load(&ForeignCard::parse(&text, &shown)?, &text, token)?));
    }
    if table.contains_key("onnx") {
        return onnx::load(dir, &ForeignCard::parse(&text, &shown)?);
    }
    load_ours(dir, name, Card::parse(&text, &shown)?)
}

/// A card and its model.
pub type ToJudge = (ForeignCard, Box<dyn Model>);

/// The card of a model that was not trained here, and the model with its expected moves as they are before anything was proved;
/// `None` for one of ours, whose training judged it.
pub fn load_to_judge(dir: &Path, name: &str, token: &Place) -> Result<Option<ToJudge>, ModelError> {
    load_with(dir, name, token)?;
    let (text, shown) = read_card(dir, name)?;
    let Ok(card) = ForeignCard::parse(&text, &shown) else { return Ok(None) };
    let bold = enrol(dir, &card.bold(), token)?;
    let model = match bold.remote {
        Some(_) => Box::new(remote::load(&bold, &text, token)?) as Box<dyn Model>,
        None => onnx::load(dir, &bold)?,
    };
    Ok(Some((card, model)))
}

/// Writes the card of a model that was not trained here, with golden forecasts by its gains.
pub fn write_card(dir: &Path, card: &ForeignCard, token: &Place) -> Result<(), ModelError> {
    let card = enrol(dir, card, token)?;
    let path = dir.join(format!("{}.toml", card.name));
    let failed = |why: String| ModelError::Read { path: path.display().to_string(), why };
    let text = toml::to_string(&card).map_err(|error| failed(error.to_string()))?;
    let fresh = dir.join(format!(".{}.fresh", card.name));
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(|error| failed(error.to_string()))
}

#[cfg(feature = "models")]
fn load_ours(dir: &Path, name: &str, card: Card) -> Result<Box<dyn Model>, ModelError> {
    let arch = ARCHS.iter().find(|arch| arch.name == card.arch).ok_or_else(|| ModelError::Arch {
        name: card.name.clone(),
        arch: card.arch.clone(),
        known: ARCHS.iter().map(|arch| arch.name).collect::<Vec<_>>().join(", "),
    })?;
    let tensors = weights::read(&dir.join(format!("{name}.safetensors")), &card, arch)?;
    Ok(Box::new(serve::Served::new(card, arch, &tensors)?))
}

/// Refused: this build has no models.
#[cfg(not(feature = "models"))]
fn load_ours(_: &Path, _: &str, _: Card) -> Result<Box<dyn Model>, ModelError> {
    Err(ModelError::NotBuilt)
}

/// Completes the card of a foreign model by what answers for it: a server, or `NAME.onnx` in this folder.
pub fn enrol(dir: &Path, card: &ForeignCard, token: &Place) -> Result<ForeignCard, ModelError> {
    if !is_name(&card.name) {
        return Err(ModelError::Name(card.name.chars().take(60).collect()));
    }
    if card.remote.is_some() {
        return remote::enrol(card, token);
    }
    let unsound = |why: String| ModelError::Card { path: card.name.clone(), why };
    card.check().map_err(unsound)?;
    Ok(ForeignCard { golden: onnx::golden(dir, card)?, ..card.clone() })
}

/// Loads and checks every model of a folder, by name. A folder that is not there holds none.
pub fn scan(dir: &Path) -> Vec<Result<Box<dyn Model>, ModelError>> {
    scan_with(dir, &Place::default())
}

/// The same; `token` is where the token for model servers may lie.
pub fn scan_with(dir: &Path, token: &Place) -> Vec<Result<Box<dyn Model>, ModelError>> {
    names(dir).iter().map(|name| load_with(dir, name, token)).collect()
}

/// Names of the models of a folder, in order, sound or not.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names.truncate(MODELS_MAX);
    names
}

/// The text of a card, and its file for messages.
fn read_card(dir: &Path, name: &str) -> Result<(String, String), ModelError> {
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
    Ok((text, shown))
}

/// Do these frames hold the features of a set, where they hold it, with finite values?
fn check_frames(name: &str, set: Set, frames: &[FeatureFrame]) -> Result<(), ModelError> {
    let refuse = |why: String| Err(ModelError::Frame { name: name.to_owned(), why });
    for frame in frames {
        let Some((_, values)) = frame.values_of(set) else { continue };
        if values.len() != set.count() {
            return refuse(format!("{} values, {} expected", values.len(), set.count()));
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return refuse(format!("value {place} is not finite"));
        }
    }
    Ok(())
}

/// May this be part of a file name? Letters, digits, `-`, `_`, `.`, not starting with a dot, at most 60.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 60
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
