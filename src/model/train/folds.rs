//! Which rows are held out from which: by date to judge, by blocks of time to calibrate.
//!
//! Rows of different parts are kept apart ([`Dataset::apart`]) in absolute time, across instruments too: what one learns of a
//! minute on one market is knowledge of the same minute on another.

use std::collections::BTreeMap;

use super::dataset::Dataset;
use crate::engine::time::Ts;

/// Blocks of time that each date is cut into.
pub(super) const BLOCKS: usize = 4;
/// Parts of the time that are walked through; the first has nothing before it.
const PARTS: usize = 5;
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

/// How a way of fitting is judged as it would have been used: each part of the time is told by a fit on what came before it,
/// and never by what came later.
pub(super) fn to_walk(data: &Dataset, rows: &[usize]) -> Vec<Fold> {
    let mut order = rows.to_vec();
    order.sort_by_key(|row| (data.rows[*row].at, *row));
    let part = |test: &[usize]| {
        let first = data.rows[*test.first()?].at;
        let before = |row: &usize| first.since(data.rows[*row].at) > data.apart;
        let (mut train, mut test): (Vec<usize>, _) = (rows.iter().copied().filter(before).collect(), test.to_vec());
        train.sort_unstable();
        test.sort_unstable();
        let name = format!("from {first}");
        (train.len() >= TRAIN_MIN && test.len() >= TEST_MIN).then_some(Fold { name, train, test })
    };
    order.chunks(order.len().div_ceil(PARTS).max(1)).skip(1).filter_map(part).collect()
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
    let mut test = test.to_vec();
    test.sort_unstable();
    let mut times: Vec<Ts> = test.iter().map(|row| data.rows[*row].at).collect();
    times.sort_unstable();
    let far = |row: &usize| {
        let at = data.rows[*row].at;
        let later = times.partition_point(|time| *time < at);
        let near = |place: Option<usize>| {
            place.and_then(|p| times.get(p)).is_some_and(|time| at.since(*time).0.abs() <= data.apart.0)
        };
        !near(Some(later)) && !near(later.checked_sub(1))
    };
    let train: Vec<usize> = rows.iter().copied().filter(|row| test.binary_search(row).is_err() && far(row)).collect();
    (train.len() >= TRAIN_MIN && test.len() >= TEST_MIN).then(|| Fold { name: name.to_owned(), train, test })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Span;
    use crate::model::train::dataset::samples::data;

    #[test]
    fn who_walks_forward_learns_from_the_past_alone_and_from_more_of_it_each_time() {
        let data = data(2, 2_000, |_, _| {});
        let all: Vec<usize> = (0..data.rows.len()).collect();
        let folds = to_walk(&data, &all);
        let sizes: Vec<usize> = folds.iter().map(|fold| fold.train.len()).collect();
        assert!(folds.len() == PARTS - 1 && sizes.is_sorted() && sizes[0] > 400, "{sizes:?}");
        for fold in folds {
            let at = |rows: &[usize]| rows.iter().map(|row| data.rows[*row].at).collect::<Vec<_>>();
            let (last, first) = (at(&fold.train).into_iter().max().unwrap(), at(&fold.test).into_iter().min().unwrap());
            assert!(first.since(last) > data.apart, "{}", fold.name);
        }
    }

    #[test]
    fn nothing_learned_from_is_near_what_is_held_out() {
        let mut data = data(2, 2_000, |_, _| {});
        assert_eq!(data.apart, Span::from_secs(60 + 76), "the longest label, and features and windows back");
        for longest_s in [0, 240] {
            data.apart = data.apart + Span::from_secs(longest_s);
            far_enough(&data);
        }
    }

    fn far_enough(data: &Dataset) {
        let all: Vec<usize> = (0..data.rows.len()).collect();
        let folds = to_judge(data, &all);
        assert_eq!(folds.len(), BLOCKS);
        let mut judged: Vec<usize> = Vec::new();
        for fold in folds {
            judged.extend(&fold.test);
            for learned in &fold.train {
                let near = |held: &usize| data.rows[*held].at.since(data.rows[*learned].at).0.abs();
                assert!(fold.test.iter().map(near).min().unwrap() > data.apart.0, "{} {learned}", fold.name);
            }
        }
        judged.sort_unstable();
        assert_eq!(judged, all, "every row is held out once");
    }
}
