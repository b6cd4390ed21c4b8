//! Rows that know what they are asked: the same recording named twice, or a feature that sees the future.

use std::collections::BTreeMap;

use super::TrainError;
use super::dataset::{Dataset, Row};
use super::figures::correlation;

/// Values this close are the same.
const SAME: f32 = 1e-4;
/// Rows at the same times that two recordings need before they are compared.
const COMMON_MIN: usize = 50;
/// A feature that tells the move better than this does not guess. The best honest one reaches about a half.
const TOO_GOOD: f64 = 0.9;

/// Refuses data with a leak.
pub(super) fn check(data: &Dataset) -> Result<(), TrainError> {
    twice(data)?;
    (0..data.horizons).try_for_each(|horizon| too_good(data, horizon))
}

fn twice(data: &Dataset) -> Result<(), TrainError> {
    let mut streams: Vec<BTreeMap<i64, &Row>> = vec![BTreeMap::new(); data.streams.len()];
    for row in &data.rows {
        streams[row.stream].insert(row.at.0, row);
    }
    for (n, one) in data.streams.iter().enumerate() {
        for (m, other) in data.streams.iter().enumerate().skip(n + 1) {
            let common = || streams[n].iter().filter_map(|(at, row)| Some((row, streams[m].get(at)?)));
            let equal = |(a, b): &(&&Row, &&Row)| a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < SAME);
            let (count, same) = (common().count(), common().filter(equal).count());
            if count >= COMMON_MIN && same * 2 > count {
                return Err(TrainError::Leak(format!(
                    "{} of {} and {} of {} are the same market data, so what is held out would be known: name one of them",
                    one.instrument, one.source, other.instrument, other.source
                )));
            }
        }
    }
    Ok(())
}

fn too_good(data: &Dataset, horizon: usize) -> Result<(), TrainError> {
    let known: Vec<(&Row, f64)> = data.rows.iter().filter_map(|row| Some((row, data.scaled(row, horizon)?))).collect();
    let moves: Vec<f64> = known.iter().map(|(_, moved)| *moved).collect();
    for (place, feature) in data.set.features().iter().enumerate() {
        let values: Vec<f64> = known.iter().map(|(row, _)| f64::from(row.values[place])).collect();
        let found = correlation(&values, &moves);
        if found.abs() > TOO_GOOD {
            return Err(TrainError::Leak(format!(
                "the feature `{}` tells the move of the next {} s with a correlation of {found:.2}: it must have seen it, \
                 or the data is made up; check the times in the files",
                feature.name,
                data.horizon_s(horizon)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::features::{FEATURES, Set};
    use crate::model::train::dataset::samples::data;

    #[test]
    fn a_feature_that_sees_the_future_is_named() {
        assert_eq!(check(&data(1, 400, |_, _| {})), Ok(()));
        let leaking = data(1, 400, |_, row| {
            row.values[Set::Market.place_of("vol_64s").unwrap()] = 0.0;
            row.values[5] = row.moves[1] / 3.0;
        });
        let error = check(&leaking).unwrap_err().to_string();
        assert!(error.contains(FEATURES[5].name) && error.contains("5 s"), "{error}");
    }

    #[test]
    fn a_recording_named_twice_is_refused() {
        let mut twice = data(2, 400, |_, _| {});
        assert_eq!(check(&twice), Ok(()), "two markets at the same time are two markets");
        for n in 0..400 {
            twice.rows[400 + n].values = twice.rows[n].values.clone();
        }
        let error = check(&twice).unwrap_err().to_string();
        assert!(error.contains("source 0") && error.contains("source 1"), "{error}");
    }
}
