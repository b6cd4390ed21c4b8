//! What a card says about the market it was trained on: the range and the spread of every feature, and in words what it may
//! be asked about.

use super::dataset::Dataset;
use super::recipe::span_of;
use crate::engine::market::instrument::Category;
use crate::model::card::{FeatureCard, MadeFor};

/// Quantiles that cut the rows of a feature: narrow at both ends, where another kind of market shows first.
const QUANTILES: [f64; 7] = [0.01, 0.10, 0.25, 0.50, 0.75, 0.90, 0.99];

/// Every feature over these rows.
pub(super) fn of(data: &Dataset, rows: &[usize]) -> Vec<FeatureCard> {
    let one = |(place, spec): (usize, &crate::engine::features::FeatureSpec)| {
        let mut values: Vec<f32> = rows.iter().filter_map(|row| Some(data.rows.get(*row)?.values[place])).collect();
        values.sort_by(f32::total_cmp);
        feature(spec.name, &values)
    };
    data.set.features().iter().enumerate().map(one).collect()
}

/// A feature with these values in rising order.
fn feature(name: &str, sorted: &[f32]) -> FeatureCard {
    let at = |share: f64| sorted.get(((sorted.len() - 1) as f64 * share).round() as usize).copied();
    let mut edges: Vec<f32> = QUANTILES.iter().filter_map(|share| at(*share)).collect();
    edges.dedup();
    // Half a row more in every part: an empty one would make its index endless.
    let whole = sorted.len() as f64 + 0.5 * (edges.len() + 1) as f64;
    let mut before = 0;
    let mut share = |until: usize| {
        let rows = until - before;
        before = until;
        ((rows as f64 + 0.5) / whole) as f32
    };
    let mut shares: Vec<f32> = edges.iter().map(|edge| share(sorted.partition_point(|value| value <= edge))).collect();
    shares.push(share(sorted.len()));
    FeatureCard {
        name: name.to_owned(),
        low: sorted.first().copied().unwrap_or_default(),
        high: sorted.last().copied().unwrap_or_default(),
        edges,
        shares,
    }
}

/// Scale-free features of many markets: any instrument, at any interval that a decision can have.
pub(super) fn made_for(data: &Dataset) -> MadeFor {
    let mut names: Vec<&str> = data.streams.iter().map(|stream| stream.instrument.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let (first, last) = span_of(data);
    MadeFor {
        regime: format!("{} of {}, {first} .. {last}", data.sampling().made_from, names.join(", ")),
        categories: [Category::Linear, Category::Inverse].map(|kind| kind.word().to_owned()).to_vec(),
        symbols: Vec::new(),
        interval_ms: Some([100, 10_000]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_the_rows_between_their_edges() {
        let values: Vec<f32> = (0..1_000_u16).map(f32::from).collect();
        let card = feature("x", &values);
        assert_eq!((card.low, card.high, card.edges.len(), card.shares.len()), (0.0, 999.0, 7, 8));
        assert!((card.shares.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{card:?}");
        assert!((card.shares[3] - 0.25).abs() < 0.01 && card.shares[0] < 0.02 && card.shares[7] < 0.02, "{card:?}");
    }

    #[test]
    fn a_feature_that_hardly_varies_has_few_parts_and_none_is_empty() {
        let mut values = vec![1.0_f32; 990];
        values.extend([2.0; 10]);
        let card = feature("x", &values);
        assert_eq!(card.edges, [1.0], "the 99 % quantile is still 1");
        assert!(card.shares.len() == 2 && card.shares.iter().all(|share| *share > 0.0), "{card:?}");
    }
}
