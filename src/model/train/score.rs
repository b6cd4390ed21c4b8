//! Figures on held-out rows: how well direction and size of the move were told, beside queue imbalance alone.

use super::calibrate::safe_log;
use super::dataset::{Dataset, HORIZONS_S};
use super::fit::class;
use super::random::Random;
use crate::engine::event::HorizonForecast;
use crate::engine::features::FEATURES;
use crate::engine::time::Span;
use crate::model::card::Score;

/// Draws of the bootstrap.
const DRAWS: usize = 200;
/// Rows are drawn in blocks of this much time, because neighbours share their future.
const BLOCK: Span = Span::from_secs(30);
/// A part with fewer moves than this is not scored.
const MOVED_MIN: usize = 50;

/// One judged row at one horizon.
struct Judged {
    block: i64,
    /// Realised move in basis points, and when acting late.
    moved: f64,
    late: f64,
    class: usize,
    /// Log odds of up against down (AUC asks about rows that moved, so flat is left out), expected move in basis points,
    /// queue imbalance.
    direction: f64,
    expected: f64,
    imbalance: f64,
    probability: f64,
}

/// Scores forecasts of rows at every horizon that has enough moves.
pub(super) fn score(data: &Dataset, part: &str, forecasts: &[(usize, Vec<HorizonForecast>)], seed: u64) -> Vec<Score> {
    let horizons = HORIZONS_S.iter().enumerate();
    horizons.filter_map(|(horizon, seconds)| one(part, *seconds, &judged(data, forecasts, horizon), seed)).collect()
}

fn judged(data: &Dataset, forecasts: &[(usize, Vec<HorizonForecast>)], horizon: usize) -> Vec<Judged> {
    let queue = FEATURES.iter().position(|feature| feature.name == "imb_l1").unwrap_or(0);
    let one = |(row, forecast): &(usize, Vec<HorizonForecast>)| {
        let (row, forecast) = (data.rows.get(*row)?, forecast.get(horizon)?);
        let class = class(row.scaled(horizon)?);
        let probability = [forecast.up, forecast.flat, forecast.down][class];
        Some(Judged {
            block: row.at.0.div_euclid(BLOCK.0),
            moved: f64::from(row.moves[horizon]),
            late: f64::from(row.late[horizon]),
            class,
            direction: safe_log(f64::from(forecast.up)) - safe_log(f64::from(forecast.down)),
            expected: f64::from(forecast.move_bps),
            imbalance: f64::from(row.values[queue]),
            probability: f64::from(probability),
        })
    };
    forecasts.iter().filter_map(one).collect()
}

fn one(part: &str, seconds: u32, rows: &[Judged], seed: u64) -> Option<Score> {
    let moved: Vec<&Judged> = rows.iter().filter(|row| row.moved != 0.0).collect();
    if moved.len() < MOVED_MIN {
        return None;
    }
    let late = moved_pairs(rows, |row| row.late, |row| row.direction);
    Some(rounded(Score {
        part: part.to_owned(),
        seconds,
        rows: rows.len(),
        moved: moved.len(),
        auc: auc(&pairs(&moved, |row| row.direction))?,
        auc_imbalance: auc(&pairs(&moved, |row| row.imbalance))?,
        auc_gain_95: interval(&moved, seed),
        auc_late: auc(&late).unwrap_or(0.5),
        mcc: matthews(&moved),
        ic: rank_correlation(rows, |row| row.expected),
        ic_imbalance: rank_correlation(rows, |row| row.imbalance),
        top_decile_bps: top_decile(rows),
        slope: slope(rows),
        log_loss: log_losses(rows),
    }))
}

/// Six decimals: enough to read, and the card does not change with the last bit of a sum.
fn rounded(mut score: Score) -> Score {
    let round = |value: &mut f64| *value = (*value * 1e6).round() / 1e6;
    for value in [&mut score.auc, &mut score.auc_imbalance, &mut score.auc_late, &mut score.mcc, &mut score.ic] {
        round(value);
    }
    for value in [&mut score.ic_imbalance, &mut score.top_decile_bps, &mut score.slope] {
        round(value);
    }
    score.auc_gain_95.iter_mut().chain(&mut score.log_loss).for_each(round);
    score
}

fn pairs(rows: &[&Judged], signal: fn(&Judged) -> f64) -> Vec<(f64, bool)> {
    rows.iter().map(|row| (signal(row), row.moved > 0.0)).collect()
}

fn moved_pairs(rows: &[Judged], moved: fn(&Judged) -> f64, signal: fn(&Judged) -> f64) -> Vec<(f64, bool)> {
    let known = rows.iter().filter(|row| moved(row).is_finite() && moved(row) != 0.0);
    known.map(|row| (signal(row), moved(row) > 0.0)).collect()
}

/// Area under the ROC curve, ties counted half; `None` with one class only.
pub(super) fn auc(pairs: &[(f64, bool)]) -> Option<f64> {
    let mut sorted: Vec<&(f64, bool)> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won, mut ups) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let up = tied.iter().filter(|pair| pair.1).count() as f64;
        let down = tied.len() as f64 - up;
        won += up * (below + down / 2.0);
        below += down;
        ups += up;
    }
    (ups > 0.0 && below > 0.0).then(|| won / (ups * below))
}

/// 95 % interval of the AUC's difference to queue imbalance.
fn interval(moved: &[&Judged], seed: u64) -> [f64; 2] {
    let mut ordered: Vec<&Judged> = moved.to_vec();
    ordered.sort_by_key(|row| row.block);
    let blocks: Vec<&[&Judged]> = ordered.chunk_by(|a, b| a.block == b.block).collect();
    let mut random = Random::new(seed);
    let mut gains: Vec<f64> = Vec::new();
    for _ in 0..DRAWS {
        let drawn: Vec<&Judged> =
            (0..blocks.len()).flat_map(|_| blocks[random.below(blocks.len())].iter().copied()).collect();
        let both = auc(&pairs(&drawn, |row| row.direction)).zip(auc(&pairs(&drawn, |row| row.imbalance)));
        gains.extend(both.map(|(model, imbalance)| model - imbalance));
    }
    gains.sort_by(f64::total_cmp);
    let at = |share: f64| gains.get((gains.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    [at(0.025), at(0.975)]
}

fn matthews(moved: &[&Judged]) -> f64 {
    let count = |said_up: bool, went_up: bool| {
        moved.iter().filter(|row| (row.direction > 0.0) == said_up && (row.moved > 0.0) == went_up).count() as f64
    };
    let (tp, tn, fp, fneg) = (count(true, true), count(false, false), count(true, false), count(false, true));
    let whole = ((tp + fp) * (tp + fneg) * (tn + fp) * (tn + fneg)).sqrt();
    if whole > 0.0 { (tp * tn - fp * fneg) / whole } else { 0.0 }
}

fn rank_correlation(rows: &[Judged], signal: fn(&Judged) -> f64) -> f64 {
    correlation(&ranks(rows.iter().map(signal)), &ranks(rows.iter().map(|row| row.moved)))
}

/// Ranks, ties averaged.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<(f64, usize)> = values.enumerate().map(|(place, value)| (value, place)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; sorted.len()];
    let mut first = 0;
    for tied in sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let rank = first as f64 + (tied.len() as f64 - 1.0) / 2.0;
        for (_, place) in tied {
            ranks[*place] = rank;
        }
        first += tied.len();
    }
    ranks
}

/// Pearson's correlation; 0 where one side does not vary.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().max(1) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let (mut cross, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        cross += (x - mean_a) * (y - mean_b);
        square_a += (x - mean_a) * (x - mean_a);
        square_b += (y - mean_b) * (y - mean_b);
    }
    let whole = (square_a * square_b).sqrt();
    if whole > 0.0 { cross / whole } else { 0.0 }
}

fn top_decile(rows: &[Judged]) -> f64 {
    let mut sorted: Vec<&Judged> = rows.iter().collect();
    sorted.sort_by(|a, b| b.expected.abs().total_cmp(&a.expected.abs()));
    let top = &sorted[..rows.len().div_ceil(10)];
    top.iter().map(|row| row.moved * row.expected.signum()).sum::<f64>() / top.len().max(1) as f64
}

fn slope(rows: &[Judged]) -> f64 {
    let square: f64 = rows.iter().map(|row| row.expected * row.expected).sum();
    if square > 0.0 { rows.iter().map(|row| row.expected * row.moved).sum::<f64>() / square } else { 0.0 }
}

/// Of the forecast, and of the base rates of these very rows (which no forecaster knows beforehand).
fn log_losses(rows: &[Judged]) -> [f64; 2] {
    let count = rows.len().max(1) as f64;
    let mut rates = [0.0; 3];
    for row in rows {
        rates[row.class] += 1.0 / count;
    }
    let model = rows.iter().map(|row| -safe_log(row.probability)).sum::<f64>() / count;
    [model, rates.iter().map(|rate| -rate * safe_log(*rate)).sum()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_and_ranks_know_ties() {
        let pairs = |values: &[(f64, bool)]| auc(values);
        assert_eq!(pairs(&[(1.0, false), (2.0, true)]), Some(1.0));
        assert_eq!(pairs(&[(2.0, false), (1.0, true)]), Some(0.0));
        assert_eq!(pairs(&[(1.0, false), (1.0, true), (1.0, true)]), Some(0.5));
        assert_eq!(pairs(&[(1.0, false), (2.0, true), (2.0, false), (3.0, true)]), Some(0.875));
        assert_eq!(pairs(&[(1.0, true)]), None);
        assert_eq!(ranks([3.0, 1.0, 3.0].into_iter()), [1.5, 0.0, 1.5]);
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
    }
}
