//! Which rows are held out from which: by date to judge, by blocks of time to calibrate.
//!
//! Rows of different parts are kept apart by [`APART`] in absolute time, across instruments too: what one learns of a
//! minute on one market is knowledge of the same minute on another.

use std::collections::BTreeMap;

use super::dataset::Dataset;
use crate::engine::time::{Span, Ts};

/// The longest label: a row this long before the held-out ones knows what is asked of them.
const LABEL: i64 = 60;
/// The longest memory of a feature, and of a network's window: a row this long after them has seen what they see.
const MEMORY: i64 = 60 + 16;
/// Purge and embargo in one, on both sides: whichever comes first, the label of one never reaches the memory of the other.
pub(super) const APART: Span = Span::from_secs(LABEL + MEMORY);
/// Blocks of time that each date is cut into.
pub(super) const BLOCKS: usize = 4;
/// Rows a fold needs to learn from and to be judged by.
const TRAIN_MIN: usize = 300;
const TEST_MIN: usize = 60;

/// One way to split: indices into the rows of the data set.
#[derive(Debug, PartialEq)]
pub(super) struct Fold {
    pub(super) name: String,
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
}

/// How a fit is judged: every date is held out once, and then the last third of every date. Where there is one date,
/// blocks of it.
pub(super) fn to_judge(data: &Dataset, rows: &[usize]) -> Vec<Fold> {
    let dates = by_date(data, rows);
    if dates.len() < 2 {
        return to_calibrate(data, rows);
    }
    let mut parts: Vec<(String, Vec<usize>)> = dates.iter().map(|(date, rows)| (date.clone(), rows.clone())).collect();
    let last_third = |rows: &Vec<usize>| rows.iter().copied().skip(rows.len() * 2 / 3).collect::<Vec<_>>();
    parts.push(("last third".to_owned(), dates.values().flat_map(last_third).collect()));
    parts.iter().filter_map(|(name, test)| hold_out(data, rows, name, test)).collect()
}

/// How a fit is stopped and calibrated: consecutive blocks of time, the same share of every date, held out in turn. Every
/// kind of market is known to the fit, as it will be when the model serves.
pub(super) fn to_calibrate(data: &Dataset, rows: &[usize]) -> Vec<Fold> {
    let mut blocks: [Vec<usize>; BLOCKS] = Default::default();
    for rows in by_date(data, rows).values() {
        for (place, row) in rows.iter().enumerate() {
            blocks[place * BLOCKS / rows.len()].push(*row);
        }
    }
    let name = |n: usize| format!("block {} of {BLOCKS}", n + 1);
    blocks.iter().enumerate().filter_map(|(n, test)| hold_out(data, rows, &name(n), test)).collect()
}

/// Rows by date, each in order of time.
fn by_date(data: &Dataset, rows: &[usize]) -> BTreeMap<String, Vec<usize>> {
    let mut dates: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &row in rows {
        if let Some(stream) = data.rows.get(row).and_then(|row| data.streams.get(row.stream)) {
            dates.entry(stream.date.clone()).or_default().push(row);
        }
    }
    for rows in dates.values_mut() {
        rows.sort_by_key(|row| (data.rows[*row].at, *row));
    }
    dates
}

fn hold_out(data: &Dataset, rows: &[usize], name: &str, test: &[usize]) -> Option<Fold> {
    let mut test: Vec<usize> = test.to_vec();
    test.sort_unstable();
    let mut times: Vec<Ts> = test.iter().map(|row| data.rows[*row].at).collect();
    times.sort_unstable();
    let far = |row: &usize| {
        let at = data.rows[*row].at;
        let later = times.partition_point(|time| *time < at);
        let near = |place: Option<usize>| {
            place.and_then(|p| times.get(p)).is_some_and(|time| at.since(*time).0.abs() <= APART.0)
        };
        !near(Some(later)) && !near(later.checked_sub(1))
    };
    let train: Vec<usize> = rows.iter().copied().filter(|row| test.binary_search(row).is_err() && far(row)).collect();
    (train.len() >= TRAIN_MIN && test.len() >= TEST_MIN).then(|| Fold { name: name.to_owned(), train, test })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::train::dataset::samples::data;

    #[test]
    fn nothing_learned_from_is_near_what_is_held_out() {
        let data = data(2, 2_000, |_, _| {});
        let all: Vec<usize> = (0..data.rows.len()).collect();
        let folds = to_judge(&data, &all);
        assert_eq!(folds.len(), BLOCKS);
        let mut judged: Vec<usize> = Vec::new();
        for fold in folds {
            judged.extend(&fold.test);
            for learned in &fold.train {
                let near = |held: &usize| data.rows[*held].at.since(data.rows[*learned].at).0.abs();
                assert!(fold.test.iter().map(near).min().unwrap() > APART.0, "{} {learned}", fold.name);
            }
        }
        judged.sort_unstable();
        assert_eq!(judged, all, "every row is held out once");
    }
}
