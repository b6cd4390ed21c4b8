//! What acting on forecasts would have brought: every known cost counted, late, one position per market at a time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Judged;
use crate::engine::time::{Span, Ts};
use crate::model::train::figures::{Estimate, normal, normal_quantile, over_sessions};

/// How an order is filled, and what a round trip costs.
struct Scheme {
    name: &'static str,
    fees_bps: f64,
    /// Spreads paid.
    spreads: f64,
    /// Enters at the best price, last in the queue: filled only where the mid moves against it within a second.
    queues: bool,
}

/// Bybit linear, base tier.
const SCHEMES: [Scheme; 3] = [
    Scheme { name: "taker, taker", fees_bps: 11.0, spreads: 1.0, queues: false },
    Scheme { name: "maker last in the queue, taker", fees_bps: 7.5, spreads: 0.0, queues: true },
    Scheme { name: "maker, maker, never missed (a bound)", fees_bps: 4.0, spreads: 0.0, queues: false },
];

/// Which forecasts are acted on.
const POLICIES: [&str; 2] = ["edge gate", "strongest tenth"];

/// One way to trade at one horizon.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Economy {
    /// Horizon in seconds: how long a position is held.
    pub seconds: u32,
    /// How orders are filled.
    pub scheme: &'static str,
    /// `edge gate`: the expected move is above the cost. `strongest tenth`: chosen in hindsight, a bound.
    pub policy: &'static str,
    /// Round trips.
    pub trades: usize,
    /// Turnover: round trips per thousand decisions.
    pub per_1000: f64,
    /// Mean move in the forecast's direction in basis points, before costs.
    pub gross_bps: Option<f64>,
    /// After fees, spread and queue.
    pub net_bps: Option<f64>,
    /// Net over whole sessions with its interval.
    pub net: Option<Estimate>,
    /// Sharpe ratio per trade with its interval.
    pub sharpe: Option<Estimate>,
    /// Probability that the Sharpe ratio is above what the best of as many useless variants would reach.
    pub deflated: Option<f64>,
    /// Median of what waits at the thinner best price at the trades, price times quantity: more than this moves the price.
    pub capacity: Option<f64>,
}

struct Trade {
    session: usize,
    gross: f64,
    net: f64,
    depth: Option<f64>,
}

impl Scheme {
    /// Of a round trip in basis points; a spread that nobody tells is not counted, and the report says so.
    fn cost(&self, row: &Judged) -> f64 {
        self.fees_bps + self.spreads * row.spread.unwrap_or(0.0)
    }
}

/// All ways at one horizon; so many variants were tried, times the horizons. `rows` are in order of stream and time.
pub(super) fn economies(rows: &[Judged], seconds: u32, variants: usize) -> Vec<Economy> {
    let trials = variants * SCHEMES.len() * POLICIES.len();
    let mut strengths: Vec<f64> = rows.iter().map(|row| row.expected.abs()).collect();
    strengths.sort_by(f64::total_cmp);
    let strong = strengths.get(strengths.len() * 9 / 10).copied().unwrap_or(f64::INFINITY);
    let mut found = Vec::new();
    for policy in POLICIES {
        // Bars do not tell whether an order at the best price was filled, and at what moment.
        let told = rows.iter().any(|row| row.spread.is_some());
        for scheme in SCHEMES.iter().filter(|scheme| told || !scheme.queues) {
            let acts = |row: &Judged| {
                let gate = scheme.cost(row);
                row.expected.abs() > if policy == "edge gate" { gate } else { strong.max(f64::MIN_POSITIVE) }
            };
            let trades = trades(rows, Span::from_secs(i64::from(seconds)), scheme, acts);
            found.push(economy(seconds, scheme.name, policy, &trades, (rows.len(), trials)));
        }
    }
    found
}

fn trades(rows: &[Judged], hold: Span, scheme: &Scheme, acts: impl Fn(&Judged) -> bool) -> Vec<Trade> {
    let mut free: BTreeMap<usize, Ts> = BTreeMap::new();
    let mut trades = Vec::new();
    for row in rows {
        let sign = row.expected.signum();
        let busy = free.get(&row.stream).is_some_and(|free| row.at < *free);
        let Some(late) = row.late.filter(|_| !busy && acts(row)) else { continue };
        if scheme.queues && !row.soon.is_some_and(|soon| soon * sign < 0.0) {
            continue;
        }
        free.insert(row.stream, row.at + hold);
        let gross = late * sign;
        let net = gross - scheme.cost(row);
        trades.push(Trade { session: row.session, gross, net, depth: row.depth });
    }
    trades
}

fn economy(
    seconds: u32,
    scheme: &'static str,
    policy: &'static str,
    trades: &[Trade],
    (decisions, trials): (usize, usize),
) -> Economy {
    let mean = |value: fn(&Trade) -> f64| {
        (!trades.is_empty()).then(|| trades.iter().map(value).sum::<f64>() / trades.len() as f64)
    };
    let mut sessions: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for trade in trades {
        let sum = sessions.entry(trade.session).or_default();
        *sum = (sum.0 + trade.net, sum.1 + 1.0);
    }
    let means: Vec<f64> = sessions.values().map(|(sum, count)| sum / count).collect();
    let mut depths: Vec<f64> = trades.iter().filter_map(|trade| trade.depth).collect();
    depths.sort_by(f64::total_cmp);
    let nets: Vec<f64> = trades.iter().map(|trade| trade.net).collect();
    let (sharpe, deflated) = sharpe(&nets, trials).unzip();
    Economy {
        seconds,
        scheme,
        policy,
        trades: trades.len(),
        per_1000: trades.len() as f64 * 1e3 / decisions.max(1) as f64,
        gross_bps: mean(|trade| trade.gross),
        net_bps: mean(|trade| trade.net),
        net: over_sessions(&means),
        sharpe,
        deflated,
        capacity: depths.get(depths.len() / 2).copied(),
    }
}

/// Sharpe ratio per trade with its interval, and the deflated one (Bailey and Lopez de Prado): the probability that it is
/// above the best of `trials` without skill. The error counts skew and fat tails. `None` below 20 trades.
fn sharpe(nets: &[f64], trials: usize) -> Option<(Estimate, f64)> {
    let count = nets.len() as f64;
    let mean = nets.iter().sum::<f64>() / count;
    let moment = |power: i32| nets.iter().map(|net| (net - mean).powi(power)).sum::<f64>() / count;
    let deviation = moment(2).sqrt();
    if nets.len() < 20 || deviation <= 0.0 {
        return None;
    }
    let (value, skew, tails) = (mean / deviation, moment(3) / deviation.powi(3), moment(4) / deviation.powi(4));
    let error = ((1.0 - skew * value + (tails - 1.0) / 4.0 * value * value).max(0.0) / (count - 1.0)).sqrt();
    let trials = trials.max(2) as f64;
    let euler = 0.577_215_664_9;
    let best = (1.0 - euler) * normal_quantile(1.0 - 1.0 / trials)
        + euler * normal_quantile(1.0 - 1.0 / (trials * std::f64::consts::E));
    // Without skill the ratios of the trials spread by one over the root of the trades.
    let bar = best / (count - 1.0).sqrt();
    let interval = [value - 1.96 * error, value + 1.96 * error];
    Some((Estimate { value, interval }, normal((value - bar) / error.max(1e-9))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::train::random::Random;

    #[test]
    fn many_trials_deflate_a_lucky_ratio() {
        let mut dice = Random::new(1);
        let nets: Vec<f64> = (0..400).map(|_| dice.symmetric() + 0.06).collect();
        let (ratio, once) = sharpe(&nets, 1).unwrap();
        let (_, often) = sharpe(&nets, 10_000).unwrap();
        assert!(ratio.interval[0] < ratio.value && once > often && often < 0.9, "{ratio:?} {once} {often}");
        assert_eq!(sharpe(&nets[..10], 1), None);
    }
}
