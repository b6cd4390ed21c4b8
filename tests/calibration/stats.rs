//! The statistics that the facts are made of, each defined as in the study that measured the real markets.

/// Mean.
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Variance with denominator n.
pub fn var(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / x.len() as f64
}

/// Standard deviation with denominator n.
pub fn sd(x: &[f64]) -> f64 {
    var(x).sqrt()
}

/// Median.
pub fn median(x: &[f64]) -> f64 {
    let mut x: Vec<f64> = x.iter().copied().filter(|v| v.is_finite()).collect();
    if x.is_empty() {
        return f64::NAN;
    }
    x.sort_by(f64::total_cmp);
    f64::midpoint(x[(x.len() - 1) / 2], x[x.len() / 2])
}

/// Share of entries that hold.
pub fn share(x: impl Iterator<Item = bool>) -> f64 {
    let (mut hits, mut n) = (0.0, 0.0);
    for hit in x {
        hits += f64::from(u8::from(hit));
        n += 1.0;
    }
    hits / n
}

/// Autocorrelation at a lag.
pub fn acf(x: &[f64], lag: usize) -> f64 {
    if lag >= x.len() {
        return f64::NAN;
    }
    let m = mean(x);
    let products: Vec<f64> = x[lag..].iter().zip(x).map(|(a, b)| (a - m) * (b - m)).collect();
    mean(&products) / var(x)
}

/// Correlation.
pub fn corr(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    let xy: f64 = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum();
    xy / (x.len() as f64 * sd(x) * sd(y))
}

/// Least-squares slope of y on x.
pub fn slope(x: &[f64], y: &[f64]) -> f64 {
    corr(x, y) * sd(y) / sd(x)
}

/// Tail exponent from the largest `part` of the entries, at least ten.
pub fn hill(x: &[f64], part: f64) -> f64 {
    let mut x: Vec<f64> = x.iter().copied().filter(|v| *v > 0.0).collect();
    x.sort_by(f64::total_cmp);
    let k = ((x.len() as f64 * part) as usize).max(10);
    if k >= x.len() / 2 {
        return f64::NAN;
    }
    let base = x[x.len() - k - 1];
    let logs: Vec<f64> = x[x.len() - k..].iter().map(|v| (v / base).ln()).collect();
    1.0 / mean(&logs)
}

/// Probability that the score of a hit is above that of a miss; ties count half.
pub fn auc(pairs: &[(f64, bool)]) -> f64 {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut hits, mut at) = (0.0, 0.0, 0);
    while at < sorted.len() {
        let end = at + sorted[at..].iter().take_while(|p| p.0 == sorted[at].0).count();
        let rank = (at + 1 + end) as f64 / 2.0;
        let up = sorted[at..end].iter().filter(|p| p.1).count() as f64;
        ranks += rank * up;
        hits += up;
        at = end;
    }
    let misses = sorted.len() as f64 - hits;
    if hits < 5.0 || misses < 5.0 {
        return f64::NAN;
    }
    (ranks - hits * (hits + 1.0) / 2.0) / (hits * misses)
}

/// Counts per bin of width `w` from `from` up to the last whole bin that starts an edge below `to`.
pub fn counts(t: &[f64], from: f64, to: f64, w: f64) -> Vec<f64> {
    let edges = ((to - from) / w).ceil().max(1.0) as usize;
    let mut bins = vec![0.0; edges.saturating_sub(1)];
    let last = from + w * bins.len() as f64;
    for v in t.iter().filter(|v| **v >= from && **v <= last) {
        let bin = (((v - from) / w) as usize).min(bins.len().saturating_sub(1));
        if let Some(bin) = bins.get_mut(bin) {
            *bin += 1.0;
        }
    }
    bins
}

/// Variance over mean of counts.
pub fn fano(t: &[f64], from: f64, to: f64, w: f64) -> f64 {
    let c = counts(t, from, to, w);
    if c.len() > 4 && mean(&c) > 0.0 { var(&c) / mean(&c) } else { f64::NAN }
}

/// First place in sorted `t` whose entry is above `v`.
pub fn after(t: &[f64], v: f64) -> usize {
    t.partition_point(|x| *x <= v)
}

/// First place in sorted `t` whose entry is not below `v`.
pub fn from(t: &[f64], v: f64) -> usize {
    t.partition_point(|x| *x < v)
}
