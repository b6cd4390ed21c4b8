//! The card of a model that was not trained here.

use serde::{Deserialize, Serialize};

use super::Golden;
use crate::engine::features::{FEATURE_COUNT, Set};
use crate::model::card::{Card, FeatureCard, HORIZONS_MAX, HorizonCard, MadeFor, STEP_MS, Score, short};
use crate::model::onnx::OnnxCard;
use crate::model::remote::RemoteCard;
use crate::model::{ModelError, WINDOW_MAX};

/// What `models/NAME.toml` holds where it has a table `[remote]` or `[onnx]`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignCard {
    /// Name, the file's own.
    pub name: String,
    /// One sentence for a person.
    #[serde(default)]
    pub about: String,
    /// Training span, for the screen.
    #[serde(default)]
    pub trained: String,
    /// Hash of the features it was trained on ([`Set::hash`] of the market's).
    pub features_hash: String,
    /// Rows that a forecast needs; with more than 1 the input has the shape `[count, window, features]`.
    #[serde(default = "one")]
    pub window: usize,
    /// Event time between the rows of a window in milliseconds; 0 without one.
    #[serde(default)]
    pub step_ms: u32,
    /// How far the answers about the probes may be from `golden`.
    #[serde(default = "close")]
    pub tolerance: f32,
    /// Answers about the built-in probes: loading asks again.
    pub golden: Golden,
    /// What it may be asked about; anything where the card does not say.
    #[serde(default, skip_serializing_if = "is_anything")]
    pub made_for: MadeFor,
    /// One entry per horizon, in the order of the outputs.
    pub horizon: Vec<ForeignHorizon>,
    /// How it was judged here; without it nothing is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// A server that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteCard>,
    /// A file `NAME.onnx` that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onnx: Option<OnnxCard>,
}

/// One horizon.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignHorizon {
    /// Seconds ahead.
    pub seconds: u32,
    /// Mean move of the classes up, flat, down in usual moves. With zeros no move is expected and nothing opens, unless the
    /// model states moves itself.
    #[serde(default)]
    pub class_move: [f32; 3],
    /// The expected move, by its classes or stated by the model, is multiplied by this: the share of it that realised moves stood
    /// behind when it was judged. Before that it is 0: nothing is proved, and nothing opens.
    #[serde(default)]
    pub move_gain: f32,
}

/// What `tickdeck eval --write` found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Files that it was judged on, with rows.
    pub sources: Vec<String>,
    /// How sure its expected moves are: a mean move is at least as large as the one expected this often.
    pub confidence: f32,
    /// Share of decisions that the edge gate let through when its forecasts were shuffled within each day.
    pub shuffled_passes: f64,
    /// What else is to be said.
    pub remarks: Vec<String>,
    /// What each feature was.
    pub feature: Vec<FeatureCard>,
    /// Figures by part and horizon.
    pub out_of_sample: Vec<Score>,
}

fn is_anything(made_for: &MadeFor) -> bool {
    *made_for == MadeFor::default()
}
const fn one() -> usize {
    1
}
const fn close() -> f32 {
    1e-4
}

impl ForeignCard {
    /// Parses and checks a card; `path` is for the message.
    pub fn parse(text: &str, path: &str) -> Result<Self, ModelError> {
        let refuse = |why: String| ModelError::Card { path: path.to_owned(), why };
        let card: Self = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        card.check().map_err(refuse)?;
        let ours = Set::Market.hash();
        if card.features_hash != ours {
            return Err(ModelError::Features { name: card.name, card: short(&card.features_hash), ours: short(ours) });
        }
        Ok(card)
    }

    /// What is wrong with it, its answers about the probes aside.
    pub(in crate::model) fn check(&self) -> Result<(), String> {
        if self.remote.is_some() == self.onnx.is_some() {
            return Err("it needs one of the tables `[remote]` and `[onnx]`".to_owned());
        }
        if self.horizon.is_empty() || self.horizon.len() > HORIZONS_MAX {
            return Err(format!(
                "`horizon` must hold 1 to {HORIZONS_MAX} entries: the seconds that each output looks ahead"
            ));
        }
        if !(1..=WINDOW_MAX).contains(&self.window) {
            return Err(format!("`window` is {}: use 1 to {WINDOW_MAX}", self.window));
        }
        if (self.window > 1) != (self.step_ms > 0) || (self.step_ms > 0 && !STEP_MS.contains(&self.step_ms)) {
            let (least, most) = (STEP_MS.start(), STEP_MS.end());
            return Err(format!("`step_ms` is {}: use 0 with a window of 1, else {least} to {most}", self.step_ms));
        }
        if !(f32::MIN_POSITIVE..=0.01).contains(&self.tolerance) {
            return Err(format!("`tolerance` is {}: use a number above 0, at most 0.01", self.tolerance));
        }
        self.remote.as_ref().map_or(Ok(()), RemoteCard::check)?;
        self.horizons().iter().try_for_each(HorizonCard::check)?;
        self.as_card("", String::new()).check_ranges()
    }

    /// The same with its expected moves as they are before anything was proved: what a judgement looks at.
    pub(in crate::model) fn bold(&self) -> Self {
        let whole = |horizon: &ForeignHorizon| ForeignHorizon { move_gain: 1.0, ..horizon.clone() };
        Self { horizon: self.horizon.iter().map(whole).collect(), ..self.clone() }
    }

    fn horizons(&self) -> Vec<HorizonCard> {
        let ours = |horizon: &ForeignHorizon| HorizonCard {
            seconds: horizon.seconds,
            dead_zone: 0.0,
            temperature: 1.0,
            class_move: horizon.class_move,
            move_gain: horizon.move_gain,
        };
        self.horizon.iter().map(ours).collect()
    }

    /// The same as a card of ours; what only a training here knows is empty.
    pub(super) fn as_card(&self, arch: &str, sha256: String) -> Card {
        let judged = self.judged.clone().unwrap_or_default();
        Card {
            name: self.name.clone(),
            arch: arch.to_owned(),
            about: self.about.clone(),
            weights_sha256: sha256,
            features_hash: self.features_hash.clone(),
            inputs: FEATURE_COUNT,
            units: None,
            window: None,
            step_ms: self.step_ms,
            seed: 0,
            members: 1,
            recipe: String::new(),
            trained: self.trained.clone(),
            sources: Vec::new(),
            confidence: judged.confidence,
            shuffled_passes: self.judged.as_ref().map(|judged| judged.shuffled_passes),
            tried: 0,
            compared: judged.remarks,
            costs: String::new(),
            clip: f32::MAX,
            mean: vec![0.0; FEATURE_COUNT],
            std: vec![1.0; FEATURE_COUNT],
            horizon: self.horizons(),
            golden: self.golden.clone(),
            out_of_sample: judged.out_of_sample,
            made_for: self.made_for.clone(),
            feature: judged.feature,
        }
    }
}
