//! Ridge regression of the scaled move on the features that point in a direction: the plainest forecaster that learns.
//! In an evaluation it walks forward: each part of the time is told by what came well before it.

use super::dataset::Dataset;
use super::folds::to_walk;

/// Penalty on a squared weight of a standardised feature, by row.
const PENALTY: f64 = 0.01;
/// A scaled move beyond this counts as this.
const MOVE_MAX: f64 = 10.0;

/// What ridge says about every row by horizon; `None` where nothing came before.
pub(super) fn walk_forward(data: &Dataset) -> Vec<Option<Vec<f64>>> {
    let all: Vec<usize> = (0..data.rows.len()).collect();
    let mut said = vec![None; data.rows.len()];
    for fold in to_walk(data, &all) {
        let ridge = Ridge::fit(data, &fold.train);
        for row in fold.test {
            said[row] = Some(ridge.tell(&data.rows[row].values));
        }
    }
    said
}

/// Weights by horizon and feature. A market has no preferred direction, so there is no intercept and only odd features.
struct Ridge {
    columns: Vec<(usize, f64)>,
    weights: Vec<Vec<f64>>,
}

impl Ridge {
    fn fit(data: &Dataset, rows: &[usize]) -> Self {
        let deviation = |place: usize| {
            let squares: f64 = rows.iter().map(|row| f64::from(data.rows[*row].values[place]).powi(2)).sum();
            (squares / rows.len() as f64).sqrt().max(1e-3)
        };
        let odd = data.set.features().iter().enumerate().filter(|(_, feature)| feature.odd);
        let columns: Vec<(usize, f64)> = odd.map(|(place, _)| (place, deviation(place))).collect();
        let weights = (0..data.horizons).map(|horizon| weights(data, rows, &columns, horizon)).collect();
        Self { columns, weights }
    }

    fn tell(&self, values: &[f32]) -> Vec<f64> {
        let row = scaled(&self.columns, values);
        self.weights.iter().map(|weights| row.iter().zip(weights).map(|(x, w)| x * w).sum()).collect()
    }
}

fn scaled(columns: &[(usize, f64)], values: &[f32]) -> Vec<f64> {
    columns.iter().map(|(place, deviation)| (f64::from(values[*place]) / deviation).clamp(-4.0, 4.0)).collect()
}

/// Solves the normal equations of one horizon.
fn weights(data: &Dataset, rows: &[usize], columns: &[(usize, f64)], horizon: usize) -> Vec<f64> {
    let size = columns.len();
    let (mut square, mut cross, mut count) = (vec![vec![0.0; size]; size], vec![0.0; size], 0.0);
    for row in rows {
        let row = &data.rows[*row];
        let Some(moved) = data.scaled(row, horizon) else { continue };
        let x = scaled(columns, &row.values);
        for (a, line) in square.iter_mut().enumerate() {
            line.iter_mut().zip(&x).for_each(|(sum, value)| *sum += x[a] * value);
            cross[a] += x[a] * moved.clamp(-MOVE_MAX, MOVE_MAX);
        }
        count += 1.0;
    }
    for (place, line) in square.iter_mut().enumerate() {
        line[place] += PENALTY * count + 1e-9;
    }
    solve(square, cross)
}

/// Gaussian elimination of a positive definite system.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for pivot in 0..size {
        let (upper, lower) = matrix.split_at_mut(pivot + 1);
        for (below, line) in lower.iter_mut().enumerate() {
            let share = line[pivot] / upper[pivot][pivot];
            line.iter_mut().zip(&upper[pivot]).for_each(|(value, above)| *value -= share * above);
            right[pivot + 1 + below] -= share * right[pivot];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::features::{FEATURES, Set};
    use crate::model::train::dataset::samples::data;
    use crate::model::train::figures::correlation;

    #[test]
    fn a_line_is_found_and_only_looked_for_before_a_part() {
        let place = FEATURES.iter().position(|feature| feature.odd).unwrap();
        let data = data(1, 2_000, |_, row| {
            row.values[Set::Market.place_of("vol_64s").unwrap()] = 0.0;
            row.moves[0] = row.values[place] * 2.0;
        });
        let said = walk_forward(&data);
        assert!(said[..400].iter().all(Option::is_none) && said[800..].iter().all(Option::is_some));
        let told: Vec<f64> = said[800..].iter().map(|s| s.as_ref().unwrap()[0]).collect();
        let moves: Vec<f64> = (800..2_000).map(|n| data.scaled(&data.rows[n], 0).unwrap()).collect();
        assert!(correlation(&told, &moves) > 0.5);
        assert_eq!(solve(vec![vec![4.0, 1.0], vec![1.0, 3.0]], vec![9.0, 5.0]), [2.0, 1.0]);
    }
}
