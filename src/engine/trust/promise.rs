//! What a model's card promises and what it was made for: plain data that travels with the run, so that a replay holds the
//! same answers against the same promise.

use serde::{Deserialize, Serialize};

/// What a card says about the answers of its model. Empty where a card says nothing: then answers are held against a coin,
/// and nothing says whether a market is like the one it was trained on.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Promise {
    /// By horizon, in the order of the model's horizons; shorter where the card promises nothing.
    pub horizons: Vec<HorizonPromise>,
    /// What each feature was in training, in the order of the registry; empty where the card does not say.
    pub ranges: Vec<FeatureRange>,
}

/// What was measured on rows that the judged fits had not seen.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HorizonPromise {
    /// Share of moves whose direction was told, averaged over markets.
    pub hit: f32,
    /// What the worst of these markets still gave, at least a coin's half: answers are benched when they are below it.
    pub hit_low: f32,
    /// Brier score of the three classes: 0 is perfect, 2 is certain and wrong.
    pub brier: f32,
    /// A move within this many usual moves counts as none.
    pub dead_zone: f32,
}

/// What one feature was in training.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FeatureRange {
    /// Smallest value.
    pub low: f32,
    /// Largest value.
    pub high: f32,
    /// Where the shares are cut, rising: a value belongs to the first edge that it does not exceed, else to the last share.
    pub edges: Vec<f32>,
    /// Share of rows in each part; one more than edges, every one above 0.
    pub shares: Vec<f32>,
}

impl FeatureRange {
    /// Is the value beyond everything that training saw?
    pub fn is_outside(&self, value: f32) -> bool {
        value < self.low || value > self.high
    }

    /// The part that a value belongs to.
    pub fn part(&self, value: f32) -> usize {
        self.edges.partition_point(|edge| *edge < value)
    }

    /// What is wrong with it, in words.
    pub fn flaw(&self) -> Option<&'static str> {
        let finite = [self.low, self.high].iter().chain(&self.edges).chain(&self.shares).all(|value| value.is_finite());
        if !finite || self.low > self.high {
            return Some("its range is none");
        }
        if self.edges.len() > EDGES_MAX || self.edges.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Some("its edges do not rise, or are too many");
        }
        if self.shares.len() != self.edges.len() + 1 || self.shares.iter().any(|share| *share <= 0.0) {
            return Some("its shares do not fit its edges");
        }
        None
    }
}

/// Edges of one feature, at most.
pub const EDGES_MAX: usize = 15;

impl Promise {
    /// What is promised at the horizon with this place.
    pub fn at(&self, horizon: usize) -> Option<&HorizonPromise> {
        self.horizons.get(horizon)
    }

    /// Does the card say what every feature was in training?
    pub fn has_ranges(&self) -> bool {
        !self.ranges.is_empty()
    }
}
