//! Sets of features: what a model is trained on and asked about.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{FEATURES, FeatureSpec, bars, place_among, registry, volatility};

/// One of the sets that a model can read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// Order book and trades, at every decision.
    #[default]
    Market,
    /// Closed one-minute bars, once after each.
    Bars,
}

/// Hashes in the order of [`Set::ALL`].
static HASHES: LazyLock<[String; 2]> = LazyLock::new(|| Set::ALL.map(registry::hash));

impl Set {
    /// Every set.
    pub const ALL: [Self; 2] = [Self::Market, Self::Bars];

    /// In a word: `market` or `bars`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Bars => "bars",
        }
    }

    /// Its features, in the order of their values.
    pub const fn features(self) -> &'static [FeatureSpec] {
        match self {
            Self::Market => FEATURES,
            Self::Bars => bars::SPECS,
        }
    }

    /// Number of its features.
    pub const fn count(self) -> usize {
        self.features().len()
    }

    /// Sha256 in hex over every feature's name, unit, warm-up, family and source, and over the bits of the values they give
    /// on a built-in stream. Changing a formula changes the hash, so an old model is refused instead of misread.
    pub fn hash(self) -> &'static str {
        let [market, bars] = &*HASHES;
        match self {
            Self::Market => market,
            Self::Bars => bars,
        }
    }

    /// The set with this hash.
    pub fn of_hash(hash: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.hash() == hash)
    }

    /// Place of the feature with this name.
    pub fn place_of(self, name: &str) -> Option<usize> {
        self.features().iter().position(|feature| feature.name == name)
    }

    /// Usual move of the price over `horizon_s` seconds in basis points, as the set's own volatility feature states it; `None`
    /// for values of another set. What forecasts and labels are scaled by.
    pub fn usual_move_bps(self, values: &[f32], horizon_s: f64) -> Option<f64> {
        Some(self.usual_second_bps(values)? * horizon_s.max(0.0).sqrt())
    }

    /// The same over one second: times the root of a horizon it is the move over that.
    pub fn usual_second_bps(self, values: &[f32]) -> Option<f64> {
        const MARKET: usize = place_among(FEATURES, volatility::SCALE_NAME);
        const BARS: usize = place_among(bars::SPECS, bars::SCALE_NAME);
        match self {
            Self::Market => Some(volatility::scale_of_feature(f64::from(*values.get(MARKET)?))),
            Self::Bars => Some(bars::scale_of_feature(f64::from(*values.get(BARS)?))),
        }
    }
}
