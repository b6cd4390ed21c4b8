//! The card of a model: everything a person or the program must know before its weights may be used. A TOML file beside
//! the weights; `docs/models.md` explains each figure.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::features::Set;
use crate::engine::market::instrument::Instrument;
use crate::engine::time::Span;
use crate::engine::trust::promise::{FeatureRange, HorizonPromise, Promise};

use super::ModelError;

/// Horizons of one card, at most: what a prediction's consumers are sized for.
pub(super) const HORIZONS_MAX: usize = 16;

/// Milliseconds between two rows of a network with memory.
pub(super) const STEP_MS: std::ops::RangeInclusive<u32> = 50..=60_000;

/// Networks of one model.
pub(super) const MEMBERS: std::ops::RangeInclusive<usize> = 1..=16;

/// What `models/NAME.toml` holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name, the file's own.
    pub name: String,
    /// Architecture, a name in [`super::ARCHS`].
    pub arch: String,
    /// One sentence for a person.
    pub about: String,
    /// Sha256 of the safetensors file in hex.
    pub weights_sha256: String,
    /// [`Set::hash`] of the features it was trained on.
    pub features_hash: String,
    /// Number of features.
    pub inputs: usize,
    /// Units of its layers, where they are not the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// Rows that a network with memory sees before its first forecast, where they are not the usual 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Event time between two rows of a network with memory in milliseconds; 0 without memory.
    pub step_ms: u32,
    /// Random seed of the training.
    pub seed: u64,
    /// Networks whose logits are averaged, each from a seed of its own.
    pub members: usize,
    /// Command that makes this model again.
    pub recipe: String,
    /// Training span, for the screen.
    pub trained: String,
    /// Files it was trained on, with rows taken.
    pub sources: Vec<String>,
    /// How sure the expected moves are: a mean move is at least as large as the one expected this often.
    pub confidence: f32,
    /// Share of decisions that the edge gate let through when the calibrating forecasts were shuffled within each day;
    /// `None` where that was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffled_passes: Option<f64>,
    /// Variants that were tried before this one was chosen, on the same data.
    pub tried: usize,
    /// How it was chosen: each comparison with its interval.
    pub compared: Vec<String>,
    /// Costs to hold the forecasts against, in words.
    pub costs: String,
    /// What it may be asked about; anything where the card does not say.
    #[serde(default)]
    pub made_for: MadeFor,
    /// Normalised inputs are cut at plus and minus this.
    pub clip: f32,
    /// Mean of each feature, subtracted; 0 for odd features, so that no direction is preferred.
    pub mean: Vec<f32>,
    /// Standard deviation of each feature, divided by.
    pub std: Vec<f32>,
    /// One entry per horizon, in the order of the outputs.
    pub horizon: Vec<HorizonCard>,
    /// What each feature was in training, in the registry's order. Without it nothing says whether a market is like the one
    /// it was trained on.
    #[serde(default)]
    pub feature: Vec<FeatureCard>,
    /// Forecasts of the built-in probes: loading recomputes them.
    pub golden: Vec<Vec<[f32; 4]>>,
    /// Out-of-sample figures, every one measured on rows that the judged fit had not seen.
    pub out_of_sample: Vec<Score>,
}

/// What a model may be asked about. Anything else is refused at load.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeFor {
    /// In words: what kind of market and time it was trained on.
    #[serde(default)]
    pub regime: String,
    /// Kinds of instruments, `linear` or `inverse`; empty is any.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Instruments by name; empty is any.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// Shortest and longest `decision_interval_ms`; none is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<[u32; 2]>,
}

/// What one feature was in training.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureCard {
    /// Its name in the registry.
    pub name: String,
    /// Smallest value.
    pub low: f32,
    /// Largest value.
    pub high: f32,
    /// Quantiles that cut the rows into parts, rising.
    pub edges: Vec<f32>,
    /// Share of rows in each part, one more than edges.
    pub shares: Vec<f32>,
}

/// One horizon of a card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizonCard {
    /// Seconds ahead.
    pub seconds: u32,
    /// A move within this many usual moves counts as flat.
    pub dead_zone: f32,
    /// Logits are divided by this before they become probabilities.
    pub temperature: f32,
    /// Mean move of the classes up, flat, down in usual moves.
    pub class_move: [f32; 3],
    /// The expected move is multiplied by this: the share of it that realised moves stood behind with the card's confidence.
    pub move_gain: f32,
}

/// Out-of-sample figures of one part of the data at one horizon, beside the plainest signal alone on the same rows: queue
/// imbalance, or for a model of bars the last minute's move.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Which rows: held-out date and instrument.
    pub part: String,
    /// Horizon in seconds.
    pub seconds: u32,
    /// Rows, and of them those with a move.
    pub rows: usize,
    /// Rows with a move that is not zero: what AUC and MCC are measured on.
    pub moved: usize,
    /// Area under the ROC curve of the direction.
    pub auc: f64,
    /// The same for the plainest signal.
    #[serde(alias = "auc_imbalance")]
    pub auc_plain: f64,
    /// 95 % interval of the difference, from a block bootstrap.
    pub auc_gain_95: [f64; 2],
    /// The AUC when acting late: by 200 ms, on bars by a minute.
    pub auc_late: f64,
    /// Matthews correlation of the direction.
    pub mcc: f64,
    /// Share of moves whose direction was told; live answers are held against the worst part's.
    pub hit: f64,
    /// Brier score of the three classes, all rows.
    pub brier: f64,
    /// Rank correlation of the expected with the realised move, all rows.
    pub ic: f64,
    /// The same for the plainest signal.
    #[serde(alias = "ic_imbalance")]
    pub ic_plain: f64,
    /// Mean move in the forecast direction over the tenth of rows with the largest expected move, in basis points.
    pub top_decile_bps: f64,
    /// Slope of realised on expected move: 1 is honest, below 1 too bold.
    pub slope: f64,
    /// Mean log loss of the probabilities, and that of always stating the base rates.
    pub log_loss: [f64; 2],
}

impl Card {
    /// Parses and checks a card; `path` is for the message.
    pub fn parse(text: &str, path: &str) -> Result<Self, ModelError> {
        let refuse = |why: String| ModelError::Card { path: path.to_owned(), why };
        let card: Self = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if Set::of_hash(&card.features_hash).is_none() {
            let ours = Set::ALL.map(|set| short(set.hash())).join(", ");
            return Err(ModelError::Features { name: card.name, card: short(&card.features_hash), ours });
        }
        card.check().map_err(refuse)?;
        Ok(card)
    }

    /// The features it is asked about.
    pub fn reads(&self) -> Set {
        Set::of_hash(&self.features_hash).unwrap_or_default()
    }

    /// Sizes of its network.
    #[cfg(feature = "models")]
    pub(super) fn sizes(&self, arch: &super::Arch) -> super::Sizes {
        super::Sizes {
            inputs: self.inputs,
            outputs: super::weights::outputs(self),
            units: arch.units(self.units),
            window: arch.rows(self.window),
        }
    }

    /// What is wrong with the card itself, without looking at the weights.
    fn check(&self) -> Result<(), String> {
        if !super::is_name(&self.name) {
            return Err(format!("`name` is `{}`: use letters, digits, `-`, `_` and `.`", self.name));
        }
        let features = self.reads().features();
        if self.inputs != features.len() {
            return Err(format!("`inputs` is {}, there are {} features of this kind", self.inputs, features.len()));
        }
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != self.inputs || values.iter().any(|v| !v.is_finite()) {
                return Err(format!("`{key}` must hold {} finite numbers", self.inputs));
            }
        }
        if let Some(at) = self.std.iter().position(|v| *v <= 0.0) {
            return Err(format!("`std` of {} is not above zero", features.get(at).map_or("?", |f| f.name)));
        }
        if !MEMBERS.contains(&self.members) {
            return Err(format!("`members` is {}: use {} to {}", self.members, MEMBERS.start(), MEMBERS.end()));
        }
        if self.step_ms != 0 && !STEP_MS.contains(&self.step_ms) {
            return Err(format!("`step_ms` is {}: use 0, or {} to {}", self.step_ms, STEP_MS.start(), STEP_MS.end()));
        }
        if !(self.clip.is_finite() && self.clip > 0.0) {
            return Err("`clip` must be above zero".to_owned());
        }
        if self.horizon.is_empty() || self.horizon.len() > HORIZONS_MAX {
            return Err(format!("`horizon` must hold 1 to {HORIZONS_MAX} entries"));
        }
        self.horizon.iter().try_for_each(HorizonCard::check)?;
        self.check_ranges()
    }

    pub(super) fn check_ranges(&self) -> Result<(), String> {
        if self.feature.is_empty() {
            return Ok(());
        }
        let names = self.feature.iter().map(|feature| feature.name.as_str());
        if !names.eq(self.reads().features().iter().map(|spec| spec.name)) {
            return Err("`feature` must hold every feature of this build in its order, or nothing".to_owned());
        }
        for feature in &self.feature {
            if let Some(flaw) = feature.range().flaw() {
                return Err(format!("`feature` {}: {flaw}", feature.name));
            }
        }
        Ok(())
    }

    /// What live answers are held against: per horizon the mean over the parts it was judged on and the worst of them, and
    /// what each feature was in training.
    pub fn promise(&self) -> Promise {
        let of = |horizon: &HorizonCard| {
            let parts = || self.out_of_sample.iter().filter(|score| score.seconds == horizon.seconds);
            let count = parts().count().max(1) as f64;
            let mean = |figure: fn(&Score) -> f64| parts().map(figure).sum::<f64>() / count;
            let worst = parts().map(|score| score.hit).fold(1.0, f64::min);
            HorizonPromise {
                hit: mean(|score| score.hit) as f32,
                hit_low: worst.max(0.5) as f32,
                brier: mean(|score| score.brier) as f32,
                dead_zone: horizon.dead_zone,
            }
        };
        let judged = |horizon: &&HorizonCard| self.out_of_sample.iter().any(|score| score.seconds == horizon.seconds);
        Promise {
            horizons: self.horizon.iter().take_while(judged).map(of).collect(),
            ranges: self.feature.iter().map(FeatureCard::range).collect(),
        }
    }

    /// May it be asked about these instruments, at this interval?
    pub fn fits<'a>(
        &self,
        instruments: impl IntoIterator<Item = &'a Instrument>,
        interval: Span,
    ) -> Result<(), ModelError> {
        let refuse = |why: String| Err(ModelError::MadeFor { name: self.name.clone(), why });
        let (made_for, ms) = (&self.made_for, interval.as_ms());
        // Minutes close by themselves, however often is decided.
        if self.reads() == Set::Market && self.step_ms != 0 && i64::from(self.step_ms) != ms {
            let step = self.step_ms;
            return refuse(format!(
                "rows every {step} ms, and `decision_interval_ms` is {ms}: train with `--step-ms {ms}`"
            ));
        }
        if let Some([shortest, longest]) = made_for.interval_ms
            && !(i64::from(shortest)..=i64::from(longest)).contains(&ms)
        {
            return refuse(format!("decisions every {shortest} to {longest} ms, and `decision_interval_ms` is {ms}"));
        }
        for instrument in instruments {
            let category = instrument.category.word();
            if !made_for.categories.is_empty() && !made_for.categories.iter().any(|made| made == category) {
                return refuse(format!(
                    "{} instruments, and {} is {category}",
                    made_for.categories.join(", "),
                    instrument.name
                ));
            }
            if !made_for.symbols.is_empty() && !made_for.symbols.contains(&instrument.name) {
                return refuse(format!("{}, and this run has {}", made_for.symbols.join(", "), instrument.name));
            }
        }
        Ok(())
    }

    /// Normalises one frame's values into `out`.
    pub fn normalise(&self, values: &[f32], out: &mut Vec<f32>) {
        let begin = out.len();
        out.resize(begin + values.len(), 0.0);
        let scales = self.mean.iter().zip(&self.std);
        for ((out, value), (mean, std)) in out[begin..].iter_mut().zip(values).zip(scales) {
            *out = ((value - mean) / std).max(-self.clip).min(self.clip);
        }
    }
}

impl FeatureCard {
    fn range(&self) -> FeatureRange {
        FeatureRange { low: self.low, high: self.high, edges: self.edges.clone(), shares: self.shares.clone() }
    }
}

impl HorizonCard {
    pub(super) fn check(&self) -> Result<(), String> {
        let numbers = [self.dead_zone, self.temperature, self.move_gain];
        let finite = numbers.iter().chain(&self.class_move).all(|v| v.is_finite());
        if !finite || self.seconds == 0 || self.temperature <= 0.0 || self.dead_zone < 0.0 || self.move_gain < 0.0 {
            return Err(format!(
                "`horizon` of {} s: numbers must be finite, `seconds` and `temperature` above zero, `dead_zone` and \
                 `move_gain` not below zero",
                self.seconds
            ));
        }
        Ok(())
    }
}

/// Expected move in usual moves.
pub(super) fn expected_move(probabilities: [f64; 3], horizon: &HorizonCard) -> f64 {
    let moves = probabilities.iter().zip(horizon.class_move).map(|(p, class)| p * f64::from(class));
    moves.sum::<f64>() * f64::from(horizon.move_gain)
}

/// The first six hex digits, as the screen shows hashes.
pub(super) fn short(hash: &str) -> String {
    hash.chars().take(6).collect()
}

/// Sha256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
