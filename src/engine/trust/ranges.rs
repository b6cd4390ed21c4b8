//! Is the market like the one a model was trained on? Two looks: at every answer, whether its features lie within what
//! training saw; and over the last answers, how far their distribution has drifted from training's.
//!
//! Drift is the population stability index (sum of `(now - then) ln(now / then)` over the parts of a feature's range),
//! averaged over the features that say what kind of market it is. Those that say which way it leans (*odd* ones) average
//! out over years, not over minutes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::promise::{EDGES_MAX, FeatureRange};
use crate::engine::features::Set;

/// Features beyond all of training that make an answer one about another kind of market.
pub const OUTSIDE_MAX: usize = 2;
/// Answers that drift is measured over.
pub const DRIFT_WINDOW: usize = 300;
/// Answers without which drift is not known.
pub const DRIFT_MIN: usize = 120;
/// Mean index above which the market is another one. Much above the textbook's 0.25: minutes of a market are alike, and
/// those of the training's own recordings reach 2.6 against the whole of it.
pub const DRIFT_MAX: f64 = 3.0;

/// How far one answer's market is from training.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Distance {
    /// Features that were looked at.
    pub of: Set,
    /// Places of those beyond all of training.
    pub outside: Vec<u16>,
    /// Mean index over the window; `None` before [`DRIFT_MIN`] answers.
    pub drift: Option<f64>,
}

impl Distance {
    /// Is this another kind of market than training's?
    pub fn is_strange(&self) -> bool {
        self.outside.len() >= OUTSIDE_MAX || self.drift.is_some_and(|drift| drift > DRIFT_MAX)
    }

    /// Why, with its numbers.
    pub fn words(&self) -> String {
        let names: Vec<&str> = self
            .outside
            .iter()
            .filter_map(|place| self.of.features().get(usize::from(*place)))
            .map(|spec| spec.name)
            .collect();
        let drift = self.drift.map_or_else(|| "?".to_owned(), |drift| format!("{drift:.2}"));
        if self.outside.len() >= OUTSIDE_MAX {
            return format!("outside={} drift={drift}", names.join("+"));
        }
        format!("drift={drift} max={DRIFT_MAX:.1}")
    }
}

/// Follows one instrument as one model sees it.
#[derive(Clone, Debug)]
pub struct Ranges {
    of: Set,
    features: Vec<FeatureRange>,
    /// Parts of the last answers' values, feature by feature.
    window: VecDeque<Vec<u8>>,
    counts: Vec<[u32; EDGES_MAX + 1]>,
}

impl Ranges {
    /// Follows a model with these ranges, one per feature of its set; none where its card says nothing.
    pub fn new(of: Set, ranges: &[FeatureRange]) -> Self {
        Self { of, features: ranges.to_vec(), window: VecDeque::new(), counts: vec![[0; EDGES_MAX + 1]; ranges.len()] }
    }

    /// Takes the features of an answer. `None` where the card says nothing of its training.
    pub fn take(&mut self, values: &[f32]) -> Option<Distance> {
        if self.features.is_empty() || values.len() != self.features.len() {
            return None;
        }
        let parts: Vec<u8> =
            self.features.iter().zip(values).map(|(range, value)| range.part(*value).min(EDGES_MAX) as u8).collect();
        self.count(&parts, true);
        self.window.push_back(parts);
        if self.window.len() > DRIFT_WINDOW
            && let Some(oldest) = self.window.pop_front()
        {
            self.count(&oldest, false);
        }
        let outside = self.features.iter().zip(values).enumerate();
        let outside = outside.filter(|(_, (range, value))| range.is_outside(**value)).map(|(place, _)| place as u16);
        Some(Distance { of: self.of, outside: outside.collect(), drift: self.drift() })
    }

    /// The market was away: what was seen before belongs to another time.
    pub fn clear(&mut self) {
        self.window.clear();
        self.counts.iter_mut().for_each(|counts| *counts = [0; EDGES_MAX + 1]);
    }

    fn count(&mut self, parts: &[u8], adds: bool) {
        for (counts, part) in self.counts.iter_mut().zip(parts) {
            if let Some(count) = counts.get_mut(usize::from(*part)) {
                *count = if adds { *count + 1 } else { count.saturating_sub(1) };
            }
        }
    }

    fn drift(&self) -> Option<f64> {
        if self.window.len() < DRIFT_MIN {
            return None;
        }
        let kinds = self.of.features().iter().zip(self.features.iter().zip(&self.counts)).filter(|(spec, _)| !spec.odd);
        let (mut sum, mut features) = (0.0, 0.0);
        for (_, (range, counts)) in kinds {
            sum += index(range, counts, self.window.len());
            features += 1.0;
        }
        (features > 0.0).then(|| sum / features)
    }
}

/// Population stability index of one feature. Half an answer is added to every part, so that an empty one has a logarithm.
fn index(range: &FeatureRange, counts: &[u32], answers: usize) -> f64 {
    let whole = answers as f64 + 0.5 * range.shares.len() as f64;
    let parts = range.shares.iter().zip(counts);
    parts
        .map(|(then, count)| {
            let (now, then) = ((f64::from(*count) + 0.5) / whole, f64::from(*then));
            (now - then) * libm::log(now / then)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::features::{FEATURE_COUNT, FEATURES};

    /// Every feature was spread evenly over 0 to 1 in ten parts.
    fn even() -> Vec<FeatureRange> {
        let edges: Vec<f32> = (1..10_u8).map(|n| f32::from(n) / 10.0).collect();
        vec![FeatureRange { low: 0.0, high: 1.0, edges, shares: vec![0.1; 10] }; FEATURE_COUNT]
    }

    #[test]
    fn values_of_training_pass_and_two_beyond_it_do_not() {
        let mut ranges = Ranges::new(Set::Market, &even());
        let inside = ranges.take(&[0.5; FEATURE_COUNT]).unwrap();
        assert_eq!(inside, Distance::default());
        let mut values = [0.5; FEATURE_COUNT];
        values[3] = 1.01;
        assert!(!ranges.take(&values).unwrap().is_strange(), "one feature alone is chance");
        values[7] = -0.01;
        let strange = ranges.take(&values).unwrap();
        assert!(strange.is_strange() && strange.outside == [3, 7]);
        assert_eq!(strange.words(), format!("outside={}+{} drift=?", FEATURES[3].name, FEATURES[7].name));
        assert_eq!(ranges.take(&[0.5; 3]), None, "a frame of other features says nothing");
        assert_eq!(Ranges::new(Set::Market, &[]).take(&[0.5; FEATURE_COUNT]), None);
    }

    #[test]
    fn drift_is_none_for_the_same_spread_and_large_for_another() {
        let mut ranges = Ranges::new(Set::Market, &even());
        let mut last = None;
        for n in 0..400_u16 {
            last = ranges.take(&[f32::from(n % 100) / 100.0 + 0.005; FEATURE_COUNT]).unwrap().drift;
            assert_eq!(last.is_none(), usize::from(n) + 1 < DRIFT_MIN, "{n}");
        }
        assert!(last.unwrap() < 0.01, "{last:?}");
        for _ in 0..DRIFT_WINDOW {
            last = ranges.take(&[0.99; FEATURE_COUNT]).unwrap().drift;
        }
        // All of it in the last tenth: 0.9 ln 10 and the nine empty parts.
        assert!(last.unwrap() > DRIFT_MAX, "{last:?}");
        ranges.clear();
        assert_eq!(ranges.take(&[0.99; FEATURE_COUNT]).unwrap().drift, None);
    }

    #[test]
    fn unsound_ranges_are_named() {
        let sound = even().remove(0);
        assert_eq!(sound.flaw(), None);
        let flawed: [fn(&mut FeatureRange); 5] = [
            |range| range.low = 2.0,
            |range| range.high = f32::NAN,
            |range| range.edges[1] = range.edges[0],
            |range| range.shares[2] = 0.0,
            |range| range.shares.truncate(3),
        ];
        for (n, change) in flawed.into_iter().enumerate() {
            let mut range = sound.clone();
            change(&mut range);
            assert!(range.flaw().is_some(), "{n}");
        }
    }
}
