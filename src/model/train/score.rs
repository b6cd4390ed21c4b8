//! What a card says about held-out rows: how well direction and size of the move were told, beside the plainest signal
//! alone.

use super::calibrate::safe_log;
use super::dataset::Dataset;
use super::figures::{
    auc, base_rates, block, brier, hit_rate, log_loss, matthews, rank_correlation, slope, top_decile,
};
use super::fit::class;
use super::random::Random;
use crate::engine::event::HorizonForecast;
use crate::model::card::Score;

/// Draws of the bootstrap.
const DRAWS: usize = 200;
/// A part with fewer moves than this is not scored.
const MOVED_MIN: usize = 50;

/// A row and what was said about it.
pub(super) type Told = (usize, Vec<HorizonForecast>);

/// One judged row at one horizon.
struct Judged {
    block: i64,
    /// Realised move in basis points, and when acting late.
    moved: f64,
    late: f64,
    class: usize,
    said: [f64; 3],
    /// Log odds of up against down (AUC asks about rows that moved, so flat is left out), expected move in basis points,
    /// the plainest signal.
    direction: f64,
    expected: f64,
    plain: f64,
    probability: f64,
}

/// Scores forecasts of rows at every horizon that has enough moves.
pub(super) fn score(data: &Dataset, part: &str, forecasts: &[Told], seed: u64) -> Vec<Score> {
    let horizons = data.horizons_s().iter().enumerate();
    horizons.filter_map(|(horizon, seconds)| one(part, *seconds, &judged(data, forecasts, horizon), seed)).collect()
}

/// What was said about this horizon; models need not know all.
pub(super) fn at_horizon<'f>(
    data: &Dataset,
    forecast: &'f [HorizonForecast],
    horizon: usize,
) -> Option<&'f HorizonForecast> {
    forecast.iter().find(|said| said.horizon_s == data.horizon_s(horizon))
}

/// Log odds of up against down.
pub(super) fn direction(forecast: &HorizonForecast) -> f64 {
    safe_log(f64::from(forecast.up)) - safe_log(f64::from(forecast.down))
}

fn judged(data: &Dataset, forecasts: &[Told], horizon: usize) -> Vec<Judged> {
    let plain = data.place_of(data.sampling().plain.1);
    let one = |(row, forecast): &Told| {
        let (row, forecast) = (data.rows.get(*row)?, at_horizon(data, forecast, horizon)?);
        let class = class(data.scaled(row, horizon)?);
        let said = [forecast.up, forecast.flat, forecast.down].map(f64::from);
        Some(Judged {
            block: block(row.at, data.horizon_s(horizon)),
            moved: f64::from(row.moves[horizon]),
            late: f64::from(row.late[horizon]),
            class,
            direction: direction(forecast),
            expected: f64::from(forecast.move_bps),
            plain: f64::from(row.values[plain]),
            probability: said[class],
            said,
        })
    };
    forecasts.iter().filter_map(one).collect()
}

fn one(part: &str, seconds: u32, rows: &[Judged], seed: u64) -> Option<Score> {
    let moved: Vec<&Judged> = rows.iter().filter(|row| row.moved != 0.0).collect();
    if moved.len() < MOVED_MIN {
        return None;
    }
    let late = rows.iter().filter(|row| row.late.is_finite() && row.late != 0.0);
    let late: Vec<(f64, bool)> = late.map(|row| (row.direction, row.late > 0.0)).collect();
    let expected: Vec<(f64, f64)> = rows.iter().map(|row| (row.expected, row.moved)).collect();
    let plain: Vec<(f64, f64)> = rows.iter().map(|row| (row.plain, row.moved)).collect();
    let rates = base_rates(rows.iter().map(|row| row.class));
    Some(rounded(Score {
        part: part.to_owned(),
        seconds,
        rows: rows.len(),
        moved: moved.len(),
        auc: auc(&pairs(&moved, |row| row.direction))?,
        auc_plain: auc(&pairs(&moved, |row| row.plain))?,
        auc_gain_95: interval(&moved, seed),
        auc_late: auc(&late).unwrap_or(0.5),
        mcc: matthews(&pairs(&moved, |row| row.direction)),
        hit: hit_rate(&pairs(&moved, |row| row.direction)),
        brier: brier(&rows.iter().map(|row| (row.said, row.class)).collect::<Vec<_>>()),
        ic: rank_correlation(&expected),
        ic_plain: rank_correlation(&plain),
        top_decile_bps: top_decile(&expected),
        slope: slope(&expected),
        // Of the forecast, and of the base rates of these very rows (which no forecaster knows beforehand).
        log_loss: [
            log_loss(rows.iter().map(|row| row.probability)),
            rates.iter().map(|rate| -rate * safe_log(*rate)).sum(),
        ],
    }))
}

/// Six decimals: enough to read, and the card does not change with the last bit of a sum.
fn rounded(mut score: Score) -> Score {
    let round = |value: &mut f64| *value = (*value * 1e6).round() / 1e6;
    for value in [&mut score.auc, &mut score.auc_plain, &mut score.auc_late, &mut score.mcc, &mut score.ic] {
        round(value);
    }
    for value in [&mut score.hit, &mut score.brier, &mut score.ic_plain, &mut score.top_decile_bps, &mut score.slope] {
        round(value);
    }
    score.auc_gain_95.iter_mut().chain(&mut score.log_loss).for_each(round);
    score
}

fn pairs(rows: &[&Judged], signal: fn(&Judged) -> f64) -> Vec<(f64, bool)> {
    rows.iter().map(|row| (signal(row), row.moved > 0.0)).collect()
}

/// 95 % interval of the AUC's difference to the plainest signal: blocks of time are drawn again and again.
fn interval(moved: &[&Judged], seed: u64) -> [f64; 2] {
    let mut numbers: Vec<i64> = moved.iter().map(|row| row.block).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let place = |row: &Judged| numbers.binary_search(&row.block).unwrap_or(0);
    let side = |signal: fn(&Judged) -> f64| {
        let mut rows: Vec<Weighed> = moved.iter().map(|row| (signal(row), row.moved > 0.0, place(row))).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows
    };
    let (model, plain) = (side(|row| row.direction), side(|row| row.plain));
    let mut random = Random::new(seed);
    let mut gains: Vec<f64> = Vec::new();
    for _ in 0..DRAWS {
        let mut drawn = vec![0.0; numbers.len()];
        (0..numbers.len()).for_each(|_| drawn[random.below(numbers.len())] += 1.0);
        gains.extend(weighed(&model, &drawn).zip(weighed(&plain, &drawn)).map(|(model, plain)| model - plain));
    }
    gains.sort_by(f64::total_cmp);
    let at = |share: f64| gains.get((gains.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    [at(0.025), at(0.975)]
}

/// Signal, up, and the place of its block.
type Weighed = (f64, bool, usize);

/// AUC of rows in order of their signal, each as often as its block was drawn.
fn weighed(rows: &[Weighed], drawn: &[f64]) -> Option<f64> {
    let (mut below, mut won, mut ups) = (0.0, 0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let (mut up, mut down) = (0.0, 0.0);
        for (_, went_up, block) in tied {
            *(if *went_up { &mut up } else { &mut down }) += drawn[*block];
        }
        won += up * (below + down / 2.0);
        below += down;
        ups += up;
    }
    (ups > 0.0 && below > 0.0).then(|| won / (ups * below))
}
