//! Statistics of forecasts, each on plain pairs: no file but this one says what an AUC or a calibration slope is.

use serde::Serialize;

use super::calibrate::safe_log;
use crate::engine::time::{Span, Ts};

/// Rows within a minute share their future.
const BLOCK: Span = Span::from_secs(60);

/// The block of time that a row lies in: rows of one block count as one witness of what comes over a horizon. Blocks are at
/// least as long as the horizon.
pub(super) fn block(at: Ts, horizon_s: u32) -> i64 {
    at.0.div_euclid(BLOCK.max(Span::from_secs(i64::from(horizon_s))).0)
}

/// A number with its 95 % interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its interval.
    pub interval: [f64; 2],
}

/// How the log odds of up against down must be bent to be right: slope 1 and intercept 0 are honest, a slope below 1 is
/// too bold.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Recalibration {
    /// What log odds are multiplied by.
    pub slope: Estimate,
    /// What is added to them.
    pub intercept: Estimate,
}

/// One step of a reliability curve.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Bin {
    /// Mean probability that was said.
    pub said: f64,
    /// Share that came true.
    pub came: f64,
    /// Rows.
    pub rows: usize,
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

/// Matthews correlation of "above zero" with what happened.
pub(super) fn matthews(pairs: &[(f64, bool)]) -> f64 {
    let count = |said_up: bool, went_up: bool| {
        pairs.iter().filter(|(signal, up)| (*signal > 0.0) == said_up && *up == went_up).count() as f64
    };
    let (tp, tn, fp, fneg) = (count(true, true), count(false, false), count(true, false), count(false, true));
    let whole = ((tp + fp) * (tp + fneg) * (tn + fp) * (tn + fneg)).sqrt();
    if whole > 0.0 { (tp * tn - fp * fneg) / whole } else { 0.0 }
}

/// Share of moves whose direction was told; no direction is right half the time.
pub(super) fn hit_rate(pairs: &[(f64, bool)]) -> f64 {
    let hit =
        |(signal, up): &(f64, bool)| if *signal == 0.0 { 0.5 } else { f64::from(u8::from((*signal > 0.0) == *up)) };
    pairs.iter().map(hit).sum::<f64>() / pairs.len().max(1) as f64
}

/// Spearman's correlation of signals with moves.
pub(super) fn rank_correlation(pairs: &[(f64, f64)]) -> f64 {
    correlation(&ranks(pairs.iter().map(|pair| pair.0)), &ranks(pairs.iter().map(|pair| pair.1)))
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

/// Mean move in the signal's direction over the tenth with the strongest signals.
pub(super) fn top_decile(pairs: &[(f64, f64)]) -> f64 {
    let mut sorted: Vec<&(f64, f64)> = pairs.iter().collect();
    sorted.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let top = &sorted[..pairs.len().div_ceil(10)];
    top.iter().map(|(signal, moved)| moved * signal.signum()).sum::<f64>() / top.len().max(1) as f64
}

/// Slope of realised on expected move, through zero.
pub(super) fn slope(pairs: &[(f64, f64)]) -> f64 {
    let square: f64 = pairs.iter().map(|(expected, _)| expected * expected).sum();
    if square > 0.0 { pairs.iter().map(|(expected, moved)| expected * moved).sum::<f64>() / square } else { 0.0 }
}

/// Mean log loss of the probabilities of what happened.
pub(super) fn log_loss(probabilities: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = probabilities.len().max(1) as f64;
    probabilities.map(|p| -safe_log(p)).sum::<f64>() / count
}

/// Mean Brier score over three classes: 0 is perfect, 2 is certain and wrong.
pub(super) fn brier(cases: &[([f64; 3], usize)]) -> f64 {
    let one = |(said, class): &([f64; 3], usize)| -> f64 {
        said.iter().enumerate().map(|(n, p)| (p - f64::from(u8::from(n == *class))).powi(2)).sum()
    };
    cases.iter().map(one).sum::<f64>() / cases.len().max(1) as f64
}

/// Share of each class.
pub(super) fn base_rates(classes: impl ExactSizeIterator<Item = usize>) -> [f64; 3] {
    let count = classes.len().max(1) as f64;
    let mut rates = [0.0; 3];
    classes.for_each(|class| rates[class] += 1.0 / count);
    rates
}

/// Ten steps with the same number of rows.
pub(super) fn reliability(pairs: &[(f64, bool)]) -> Vec<Bin> {
    let mut sorted: Vec<&(f64, bool)> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bin = |rows: &[&(f64, bool)]| Bin {
        said: rows.iter().map(|pair| pair.0).sum::<f64>() / rows.len() as f64,
        came: rows.iter().filter(|pair| pair.1).count() as f64 / rows.len() as f64,
        rows: rows.len(),
    };
    sorted.chunks(pairs.len().div_ceil(10).max(1)).map(bin).collect()
}

/// Logistic regression of what happened on the log odds that were said, by Newton's method. Intervals come from blocks:
/// rows of one block share their future and count as one witness. `None` where it does not settle.
pub(super) fn recalibration(rows: &[(f64, bool, i64)]) -> Option<Recalibration> {
    let (mut slope, mut intercept) = (1.0, 0.0);
    let mut curvature = [0.0; 3];
    for _ in 0..50 {
        let (mut pull, mut at) = ([0.0; 2], [0.0; 3]);
        for (odds, up, _) in rows {
            let (error, spread) = residual(*odds, *up, slope, intercept);
            pull = [pull[0] + error, pull[1] + error * odds];
            at = [at[0] + spread, at[1] + spread * odds, at[2] + spread * odds * odds];
        }
        let inverse = invert(at)?;
        let change = product(inverse, pull);
        (intercept, slope) = (intercept + change[0], slope + change[1]);
        curvature = inverse;
        if change.iter().all(|c| c.abs() < 1e-10) {
            break;
        }
    }
    let mut blocks = std::collections::BTreeMap::<i64, [f64; 2]>::new();
    for (odds, up, block) in rows {
        let (error, _) = residual(*odds, *up, slope, intercept);
        let sum = blocks.entry(*block).or_default();
        *sum = [sum[0] + error, sum[1] + error * odds];
    }
    let mut variance = [0.0; 2];
    for pull in blocks.values() {
        let influence = product(curvature, *pull);
        variance = [variance[0] + influence[0] * influence[0], variance[1] + influence[1] * influence[1]];
    }
    let few = blocks.len() as f64 / (blocks.len() as f64 - 1.0);
    let estimate = |value: f64, variance: f64| {
        let wide = 1.96 * (variance * few).sqrt();
        Estimate { value, interval: [value - wide, value + wide] }
    };
    let found = Recalibration { slope: estimate(slope, variance[1]), intercept: estimate(intercept, variance[0]) };
    [found.slope, found.intercept].iter().all(|e| e.value.is_finite() && e.interval[0].is_finite()).then_some(found)
}

fn residual(odds: f64, up: bool, slope: f64, intercept: f64) -> (f64, f64) {
    let said = 1.0 / (1.0 + libm::exp(-(intercept + slope * odds)));
    (f64::from(u8::from(up)) - said, said * (1.0 - said))
}

/// Inverse of a symmetric matrix `[a, b; b, d]` as `[a, b, d]`.
fn invert([a, b, d]: [f64; 3]) -> Option<[f64; 3]> {
    let whole = a * d - b * b;
    (whole > 1e-12).then(|| [d / whole, -b / whole, a / whole])
}

fn product([a, b, d]: [f64; 3], [x, y]: [f64; 2]) -> [f64; 2] {
    [a * x + b * y, b * x + d * y]
}

/// Mean over whole sessions (or blocks of time) with Student's interval; `None` with fewer than two, which tell nothing
/// about a third.
pub fn over_sessions(values: &[f64]) -> Option<Estimate> {
    let count = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0);
    let wide = student(values.len() - 1) * (variance / count).sqrt();
    Some(Estimate { value: mean, interval: [mean - wide, mean + wide] })
}

/// The 97.5 % quantile of Student's distribution.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 12] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];
    let far = 1.96 + 2.6 / freedom.max(1) as f64;
    TABLE.get(freedom.saturating_sub(1)).copied().unwrap_or(far)
}

/// Normal distribution: the share below `z`.
pub(super) fn normal(z: f64) -> f64 {
    libm::erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

/// The `z` that a share of the normal distribution lies below, by bisection.
pub(super) fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::train::random::Random;

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

    #[test]
    fn recalibration_finds_how_bold_the_odds_were() {
        let mut dice = Random::new(3);
        let mut row = |n: i64| {
            let truth = dice.symmetric() * 2.0;
            // Said twice as boldly as it was, and shifted.
            (truth * 2.0 + 0.4, f64::midpoint(dice.symmetric(), 1.0) < 1.0 / (1.0 + libm::exp(-truth)), n / 5)
        };
        let rows: Vec<_> = (0..20_000).map(&mut row).collect();
        let found = recalibration(&rows).unwrap();
        let holds = |e: Estimate, truth: f64| e.interval[0] < truth && truth < e.interval[1];
        assert!(holds(found.slope, 0.5) && holds(found.intercept, -0.2), "{found:?}");
        assert!(recalibration(&[(1.0, true, 0), (1.0, true, 1)]).is_none());
    }

    #[test]
    fn losses_and_curves_are_what_they_say() {
        assert!((brier(&[([1.0, 0.0, 0.0], 0), ([1.0, 0.0, 0.0], 2)]) - 1.0).abs() < 1e-12);
        assert!((log_loss([0.5, 0.5].into_iter()) - 2.0_f64.ln()).abs() < 1e-12);
        let pairs: Vec<(f64, bool)> = (0..1_000).map(|n| (f64::from(n) / 1e3, n % 4 == 0)).collect();
        let curve = reliability(&pairs);
        assert_eq!(curve.len(), 10);
        assert!(curve.iter().all(|bin| bin.rows == 100 && (bin.came - 0.25).abs() < 1e-9));
    }

    #[test]
    fn one_session_tells_nothing_about_another() {
        assert_eq!(over_sessions(&[0.3]), None);
        let two = over_sessions(&[0.1, 0.3]).unwrap();
        assert!((two.value - 0.2).abs() < 1e-12 && two.interval[0] < -1.0, "{two:?}");
        assert!((normal(1.96) - 0.975).abs() < 1e-3 && (normal_quantile(0.975) - 1.96).abs() < 1e-3);
    }
}
