//! From logits to honest probabilities and moves, on rows that the fit did not learn from and that did not decide when to
//! stop it.

use std::collections::BTreeMap;

use super::dataset::Dataset;
use super::figures::{block, normal_quantile};
use super::fit::{DEAD_ZONE, class};
use super::random::Random;
use super::score::{Told, at_horizon};
use crate::model::card::{HorizonCard, expected_move};
use crate::model::softmax::probabilities;

/// How sure an expected move is: the mean move is at least as large this often.
pub(super) const CONFIDENCE: f32 = 0.95;
/// Shuffles that a card's gate is tried on.
pub(super) const SHUFFLES: usize = 1_000;
/// Share of shuffled decisions that the edge gate may let through.
const SHUFFLED_MAX: f64 = 1e-3;
/// Cheapest round trip: maker and maker.
const COST_BPS: f64 = 4.0;
const DAY_NS: i64 = 86_400_000_000_000;
/// A scaled move beyond this counts as this: one crash must not set the mean.
const MOVE_MAX: f64 = 10.0;

/// Row, logits: out of the fit's sample.
pub(super) type Unseen = (usize, Vec<f32>);

/// Mean log loss of every known label, horizons weighted as in the fit.
pub(super) fn log_loss(data: &Dataset, unseen: &[Unseen]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (horizon, seconds) in data.horizons_s().iter().copied().enumerate() {
        let importance = 1.0 / f64::from(seconds).sqrt();
        for (scaled, logits) in known(data, unseen, horizon) {
            sum -= importance * safe_log(probabilities(logits, 1.0)[class(scaled)]);
            weight += importance;
        }
    }
    if weight > 0.0 { sum / weight } else { f64::INFINITY }
}

/// Calibrates every horizon.
pub(super) fn calibrate(data: &Dataset, unseen: &[Unseen]) -> Vec<HorizonCard> {
    (0..data.horizons).map(|horizon| calibrate_one(data, unseen, horizon)).collect()
}

fn calibrate_one(data: &Dataset, unseen: &[Unseen], horizon: usize) -> HorizonCard {
    let temperature = temperature(data, unseen, horizon);
    let mut card = HorizonCard {
        seconds: data.horizon_s(horizon),
        dead_zone: DEAD_ZONE as f32,
        temperature: temperature as f32,
        class_move: class_moves(data, unseen, horizon),
        move_gain: 1.0,
    };
    let told = told(data, unseen, &card, horizon);
    card.move_gain = gain(told.iter().map(|t| (t.expected, t.scaled, t.block))) as f32;
    card
}

/// What was expected of one row and what came, both in usual moves.
struct ToldMove {
    expected: f64,
    scaled: f64,
    /// Size of a usual move in basis points.
    usual: f64,
    block: i64,
    day: i64,
}

fn told(data: &Dataset, unseen: &[Unseen], card: &HorizonCard, horizon: usize) -> Vec<ToldMove> {
    let one = |(row, logits): &Unseen| {
        let row = data.rows.get(*row)?;
        let scaled = data.scaled(row, horizon)?.clamp(-MOVE_MAX, MOVE_MAX);
        let logits = logits.get(horizon * 3..horizon * 3 + 3)?;
        Some(ToldMove {
            expected: expected_move(probabilities(logits, f64::from(card.temperature)), card),
            scaled,
            usual: data.usual_bps(row, horizon)?,
            block: block(row.at, data.horizon_s(horizon)),
            day: row.at.0.div_euclid(DAY_NS),
        })
    };
    unseen.iter().filter_map(one).collect()
}

/// The share of the expected move that realised moves stand behind with [`CONFIDENCE`]: the lower bound of the slope of
/// realised on expected, between 0 and 1. Rows of one block count as one witness. Where the bound is below zero nothing is
/// expected at all, and the edge gate lets nothing through.
fn gain(rows: impl Iterator<Item = (f64, f64, i64)> + Clone) -> f64 {
    let (mut cross, mut square) = (0.0, 0.0);
    for (expected, scaled, _) in rows.clone() {
        cross += expected * scaled;
        square += expected * expected;
    }
    if square <= 0.0 {
        return 0.0;
    }
    let slope = cross / square;
    let mut blocks: BTreeMap<i64, f64> = BTreeMap::new();
    for (expected, scaled, block) in rows {
        *blocks.entry(block).or_default() += expected * (scaled - slope * expected);
    }
    let error = blocks.values().map(|sum| sum * sum).sum::<f64>().sqrt() / square;
    // Never bolder than the class means: a slope above one on this little data is luck.
    (slope - normal_quantile(f64::from(CONFIDENCE)) * error).clamp(0.0, 1.0)
}

/// The share of decisions that the edge gate lets through when forecasts are shuffled within each day and calibrated as if
/// they were real: forecasts without skill must not trade.
pub(super) fn shuffled(data: &Dataset, unseen: &[Unseen], horizons: &[HorizonCard], shuffles: usize, seed: u64) -> f64 {
    let bold = |card: &HorizonCard| HorizonCard { move_gain: 1.0, ..card.clone() };
    let told = |(horizon, card): (usize, &HorizonCard)| told(data, unseen, &bold(card), horizon);
    let mut told: Vec<Vec<ToldMove>> = horizons.iter().enumerate().map(told).collect();
    shuffled_moves(&mut told, shuffles, seed)
}

/// Shuffled forecasts pass the gate too often to believe the real ones: nothing is expected of any, and the words say so.
pub(super) fn distrust<'a>(gains: impl Iterator<Item = &'a mut f32>, passes: f64) -> Option<String> {
    if passes < SHUFFLED_MAX {
        return None;
    }
    gains.for_each(|gain| *gain = 0.0);
    Some(format!(
        "nothing is expected of its forecasts and nothing opens by them: the edge gate let {passes:.4} of the decisions through \
         when they were shuffled, {SHUFFLED_MAX} is the limit"
    ))
}

/// What a model that is judged from outside said about a horizon, with its moves as they are: how much realised moves stand
/// behind them, and how many shuffled ones pass the gate.
pub(super) fn judge(data: &Dataset, told: &[Told], horizons: &[usize], seed: u64) -> (Vec<f32>, f64) {
    let mut moves: Vec<Vec<ToldMove>> = horizons.iter().map(|horizon| told_moves(data, told, *horizon)).collect();
    let gain = |told: &Vec<ToldMove>| gain(told.iter().map(|t| (t.expected, t.scaled, t.block))) as f32;
    (moves.iter().map(gain).collect(), shuffled_moves(&mut moves, SHUFFLES, seed))
}

fn told_moves(data: &Dataset, told: &[Told], horizon: usize) -> Vec<ToldMove> {
    let one = |(row, said): &Told| {
        let (row, said) = (data.rows.get(*row)?, at_horizon(data, said, horizon)?);
        let usual = data.usual_bps(row, horizon).filter(|usual| *usual > 0.0)?;
        Some(ToldMove {
            expected: f64::from(said.move_bps) / usual,
            scaled: data.scaled(row, horizon)?.clamp(-MOVE_MAX, MOVE_MAX),
            usual,
            block: block(row.at, data.horizon_s(horizon)),
            day: row.at.0.div_euclid(DAY_NS),
        })
    };
    told.iter().filter_map(one).collect()
}

/// `told` by horizon, with moves as they are before any gain.
fn shuffled_moves(told: &mut [Vec<ToldMove>], shuffles: usize, seed: u64) -> f64 {
    let mut random = Random::new(seed);
    let (mut passed, mut decisions) = (0.0, 0.0);
    for told in told {
        told.sort_by_key(|row| row.day);
        let mut expected: Vec<f64> = told.iter().map(|row| row.expected).collect();
        for _ in 0..shuffles {
            let mut rest = expected.as_mut_slice();
            for day in told.chunk_by(|a, b| a.day == b.day) {
                let (today, others) = rest.split_at_mut(day.len());
                random.shuffle(today);
                rest = others;
            }
            let rows = told.iter().zip(&expected);
            let gain = gain(rows.clone().map(|(row, expected)| (*expected, row.scaled, row.block)));
            passed += rows.filter(|(row, expected)| (*expected * gain * row.usual).abs() > COST_BPS).count() as f64;
            decisions += told.len() as f64;
        }
    }
    passed / f64::max(decisions, 1.0)
}

/// The temperature with the least log loss, by golden-section search over its logarithm.
fn temperature(data: &Dataset, unseen: &[Unseen], horizon: usize) -> f64 {
    let rows: Vec<(usize, &[f32])> = known(data, unseen, horizon).map(|(s, logits)| (class(s), logits)).collect();
    let cost = |log: f64| -> f64 {
        let temperature = libm::exp(log);
        rows.iter().map(|(class, logits)| -safe_log(probabilities(logits, temperature)[*class])).sum()
    };
    let (mut low, mut high) = (libm::log(0.25), libm::log(8.0));
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..24 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if cost(a) < cost(b) {
            high = b;
        } else {
            low = a;
        }
    }
    libm::exp(f64::midpoint(low, high))
}

/// Mean scaled move of up, flat, down; mirrored, so up and down are opposite and flat is zero.
fn class_moves(data: &Dataset, unseen: &[Unseen], horizon: usize) -> [f32; 3] {
    let (mut sum, mut count) = (0.0, 0.0);
    for (scaled, _) in known(data, unseen, horizon) {
        if class(scaled) != 1 {
            sum += scaled.abs().min(MOVE_MAX);
            count += 1.0;
        }
    }
    let size = if count > 0.0 { (sum / count) as f32 } else { 0.0 };
    [size, 0.0, -size]
}

/// Scaled move and logits of one horizon, where the move is known.
fn known<'a>(data: &'a Dataset, unseen: &'a [Unseen], horizon: usize) -> impl Iterator<Item = (f64, &'a [f32])> + 'a {
    unseen.iter().filter_map(move |(row, logits)| {
        let scaled = data.scaled(data.rows.get(*row)?, horizon)?;
        Some((scaled, logits.get(horizon * 3..horizon * 3 + 3)?))
    })
}

pub(super) fn safe_log(probability: f64) -> f64 {
    libm::log(probability.max(1e-12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::HorizonForecast;
    use crate::engine::features::Set;
    use crate::model::train::dataset::samples;

    /// Rows whose first horizon moves by half of what three logits say, on a market that moves enough to pay.
    fn skilled() -> (Dataset, Vec<Unseen>) {
        let volatility = Set::Market.place_of("vol_64s").unwrap();
        let mut data = samples::data(1, 2_000, |_, row| row.values[volatility] = 0.6);
        let mut dice = Random::new(9);
        let mut unseen = Vec::new();
        let outputs = data.horizons * 3;
        for (n, row) in data.rows.iter_mut().enumerate() {
            let tilt = dice.symmetric();
            let usual = Set::Market.usual_move_bps(&row.values, 1.0).unwrap();
            row.moves = std::array::from_fn(|_| ((tilt * 2.0 + dice.symmetric()) * usual) as f32);
            let mut logits = vec![0.0; outputs];
            (logits[0], logits[1], logits[2]) = (3.0 * tilt as f32, -2.0, -3.0 * tilt as f32);
            unseen.push((n, logits));
        }
        (data, unseen)
    }

    #[test]
    fn shuffled_forecasts_do_not_pass_the_gate_and_real_ones_do() {
        let (data, unseen) = skilled();
        let cards = vec![calibrate_one(&data, &unseen, 0)];
        let real = told(&data, &unseen, &cards[0], 0);
        let passes = real.iter().filter(|row| (row.expected * row.usual).abs() > COST_BPS).count();
        assert!(passes * 4 > real.len(), "{passes} of {}: {:?}", real.len(), cards[0]);
        let share = shuffled(&data, &unseen, &cards, 1_000, 1);
        assert!(share < 1e-3, "{share}");
        let mut gains = [0.5, 0.7];
        assert_eq!((distrust(gains.iter_mut(), share), gains), (None, [0.5, 0.7]));
        let said = distrust(gains.iter_mut(), 2e-3).unwrap();
        assert!(
            gains.iter().all(|gain| gain.abs() < 1e-9) && said.contains("0.0020") && said.contains("nothing opens"),
            "{said}"
        );
    }

    #[test]
    fn a_model_judged_from_outside_gets_the_gain_that_its_moves_deserve() {
        let (data, unseen) = skilled();
        let card = calibrate_one(&data, &unseen, 0);
        let said = |scale: f64| -> Vec<Told> {
            let bold = told(&data, &unseen, &HorizonCard { move_gain: 1.0, ..card.clone() }, 0);
            let all = bold.iter().enumerate().map(|(row, told)| {
                let move_bps = (told.expected * told.usual * scale) as f32;
                (row, vec![HorizonForecast { horizon_s: 1, up: 0.5, flat: 0.0, down: 0.5, move_bps }])
            });
            all.collect()
        };
        let (honest, passes) = judge(&data, &said(1.0), &[0], 1);
        assert!((honest[0] - card.move_gain).abs() < 1e-3 && passes < 1e-3, "{honest:?} {card:?} {passes}");
        let bold = judge(&data, &said(4.0), &[0], 1).0[0];
        assert!(bold < 0.9 * honest[0] && bold * 4.0 > 0.99 * honest[0], "too bold by four times: {bold}");
        assert!(judge(&data, &said(-1.0), &[0], 1).0[0] < 1e-9, "the other way round");
    }

    #[test]
    fn the_gain_is_a_bound_and_not_the_slope() {
        let rows = |blocks: i64| {
            (0..400).map(move |n: i64| {
                let expected = if n % 2 == 0 { 1.0 } else { -1.0 };
                (expected, 0.5 * expected + if n / 2 % 2 == 0 { 0.3 } else { -0.3 }, n % blocks)
            })
        };
        let many = gain(rows(400));
        assert!(many < 0.5 && many > 0.45, "{many}");
        assert!(gain(rows(400).map(|(e, y, b)| (e, -y, b))) < 1e-12);
        assert!(gain(std::iter::empty()) < 1e-12);
    }
}
