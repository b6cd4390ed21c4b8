//! From forecasts to a signal: what both sides are expected to earn, what they cost, and how old that is.
//!
//! Cost of a round trip in basis points = entry fee + expected exit fee + half a spread and the walk through the book
//! for this size on every crossing leg + funding when the holding time crosses a settlement. A passive entry pays no
//! spread but its edge is conditioned on being filled: what such fills were followed by is subtracted.

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::event::HorizonForecast;
use super::features::Set;
use super::features::bars::MINUTE;
use super::num::{Money, Qty, Side};
use super::risk::verdict::{Denial, DenialCode};
use super::settings::{Ensemble, Settings};
use super::time::{Span, Ts};

/// What the models say about one instrument at the strategy's horizon, after costs.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Signal {
    /// Event time of the oldest features used.
    pub at: Ts,
    /// Probability of a move up.
    pub up: f32,
    /// Probability of no move.
    pub flat: f32,
    /// Probability of a move down.
    pub down: f32,
    /// Expected mid move in basis points.
    pub move_bps: f64,
    /// The side with the larger probability.
    pub side: Side,
    /// Its probability.
    pub prob: f64,
    /// Cost of a round trip on that side in basis points; `None` when the book cannot fill the size.
    pub cost_bps: Option<f64>,
    /// Expected move in that side's favour minus its cost.
    pub edge_bps: Option<f64>,
}

/// Averages the fresh forecasts for `horizon_s` over all models that are believed. `Err` says why there is nothing to act on;
/// where they must agree, one that is not believed is reason enough.
pub fn signal(desk: &Desk, settings: &Settings, horizon_s: u32, at: Ts) -> Result<Signal, Denial> {
    let (mut believed, mut why) = (Vec::new(), Denial::bare(DenialCode::PredictionMissing));
    for (model, _) in desk.deciding() {
        match answer(desk, settings, model, horizon_s, at) {
            Err(denial) => why = why.weightier(denial),
            Ok(answer) => match desk.trust.denial(model, horizon_s) {
                Some(denial) => why = why.weightier(denial),
                None => believed.push(answer),
            },
        }
    }
    let agree = settings.ensemble == Ensemble::Agree;
    if believed.is_empty() || (agree && believed.len() < desk.deciding().count()) {
        return Err(why);
    }
    let mut sides = believed.iter().map(|(_, one)| favours(one));
    let first = sides.next();
    if agree && sides.any(|side| Some(side) != first) {
        return Err(Denial::bare(DenialCode::ModelsDisagree));
    }
    Ok(mean(desk, settings, &believed, at))
}

/// The side with the larger probability.
fn favours(one: &HorizonForecast) -> Side {
    if one.up >= one.down { Side::Buy } else { Side::Sell }
}

/// What one model alone says, believed or not; `None` without a fresh answer.
pub fn signal_of(desk: &Desk, settings: &Settings, model: usize, horizon_s: u32, at: Ts) -> Option<Signal> {
    let answer = answer(desk, settings, model, horizon_s, at).ok()?;
    Some(mean(desk, settings, &[answer], at))
}

/// A model's fresh answer at a horizon, and when its features were read.
fn answer(
    desk: &Desk,
    settings: &Settings,
    model: usize,
    horizon_s: u32,
    at: Ts,
) -> Result<(Ts, HorizonForecast), Denial> {
    let missing = || Denial::bare(DenialCode::PredictionMissing);
    let forecast = desk.forecasts.get(model).and_then(Option::as_ref).ok_or_else(missing)?;
    let between = || between_minutes(desk, model, at).unwrap_or_else(missing);
    let one = forecast.horizons.iter().find(|h| h.horizon_s == horizon_s).ok_or_else(between)?;
    if at.since(forecast.features_at) > settings.prediction_max_age {
        return Err(Denial::bare(DenialCode::PredictionStale));
    }
    Ok((forecast.features_at, *one))
}

/// A model of bars that has answered about the last minute says when the next one is over.
fn between_minutes(desk: &Desk, model: usize, at: Ts) -> Option<Denial> {
    let closed = desk.bars.as_ref().filter(|_| desk.trust.reads(model) == Some(Set::Bars))?.closed;
    let next = (closed + MINUTE).since(at);
    (next > Span(0)).then(|| Denial::with(DenialCode::PredictionMissing, format!("next_in={}ms", next.as_ms())))
}

/// The mean of answers, of which there is at least one, and what it costs to act on it.
fn mean(desk: &Desk, settings: &Settings, answers: &[(Ts, HorizonForecast)], at: Ts) -> Signal {
    let mut sums = [0.0_f64; 4];
    let mut oldest = at;
    for (features_at, one) in answers {
        oldest = oldest.min(*features_at);
        for (sum, value) in sums.iter_mut().zip([one.up, one.flat, one.down, one.move_bps]) {
            *sum += f64::from(value);
        }
    }
    let [up, flat, down, move_bps] = sums.map(|sum| sum / answers.len().max(1) as f64);
    let side = if up >= down { Side::Buy } else { Side::Sell };
    let qty = entry_qty(desk, settings.entry_notional);
    let cost_bps = qty.and_then(|qty| round_trip_bps(desk, settings, side, qty, at));
    let favourable = move_bps * side.sign() as f64;
    Signal {
        at: oldest,
        up: up as f32,
        flat: flat as f32,
        down: down as f32,
        move_bps,
        side,
        prob: up.max(down),
        cost_bps,
        edge_bps: cost_bps.map(|cost| favourable - cost),
    }
}

/// The quantity that `notional` buys at mid, rounded down to the step; `None` without a mid.
pub fn entry_qty(desk: &Desk, notional: Money) -> Option<Qty> {
    let mid = desk.book.mid()?;
    let raw = notional.raw().checked_div(i128::from(mid.raw()))?;
    let qty = Qty::from_raw(i64::try_from(raw).unwrap_or(i64::MAX)).floor_to(desk.instrument.step);
    (!qty.is_zero()).then_some(qty)
}

/// Expected cost in basis points of entering `side` with `qty` and leaving again.
pub fn round_trip_bps(desk: &Desk, settings: &Settings, side: Side, qty: Qty, at: Ts) -> Option<f64> {
    let fees = desk.fees(settings);
    let entry = if settings.passive_entry {
        fees.maker.bps_lossy() - half_spread_bps(desk)? + desk.adverse.bps()
    } else {
        fees.taker.bps_lossy() + crossing_bps(desk, side, qty)?
    };
    let exit = fees.taker.bps_lossy() + crossing_bps(desk, side.opposite(), qty)?;
    let hold = Span::from_secs(i64::from(settings.horizon_s)).max(settings.max_hold);
    let crosses = desk.ticker.facts().next_funding.is_some_and(|next| next > at && next <= at + hold);
    let funding = match desk.ticker.facts().funding_rate {
        Some(rate) if crosses => rate.bps_lossy() * side.sign() as f64,
        _ => 0.0,
    };
    Some(entry + exit + funding)
}

/// Distance from mid to the average price of taking `qty` on `side`, in basis points: half spread plus walk.
pub fn crossing_bps(desk: &Desk, side: Side, qty: Qty) -> Option<f64> {
    let mid = desk.book.mid()?.to_f64_lossy();
    let (average, _) = desk.book.walk(side, qty)?;
    Some((average - mid) * side.sign() as f64 / mid * 1e4)
}

/// Half the spread in basis points of mid.
pub fn half_spread_bps(desk: &Desk) -> Option<f64> {
    let (bid, ask) = desk.book.best()?;
    let (bid, ask) = (bid.price.to_f64_lossy(), ask.price.to_f64_lossy());
    Some((ask - bid) / (ask + bid) * 1e4)
}

/// What passive fills were followed by: the mid's move against a resting order within the horizon after a trade hit
/// its level, averaged over recent public trades.
#[derive(Clone, Debug, Default)]
pub struct Adverse {
    pending: std::collections::VecDeque<(Ts, f64, Side)>,
    average_bps: f64,
    samples: u32,
}

/// Trades waiting for their horizon; one is taken per second at most, so this covers ten minutes.
const PENDING_MAX: usize = 600;

impl Adverse {
    /// A public trade printed while mid was `mid`. At most one a second is followed.
    pub fn on_trade(&mut self, at: Ts, mid: f64, taker: Side) {
        let due = self.pending.back().is_none_or(|last| at.since(last.0) >= Span::from_secs(1));
        if due && self.pending.len() < PENDING_MAX {
            self.pending.push_back((at, mid, taker));
        }
    }
    /// Mid is now `mid`: settles every trade older than `horizon`.
    pub fn on_mid(&mut self, at: Ts, mid: f64, horizon: Span) {
        while let Some((then, before, taker)) = self.pending.front().copied() {
            if at.since(then) < horizon {
                return;
            }
            self.pending.pop_front();
            let against = (mid - before) * taker.sign() as f64 / before * 1e4;
            self.samples = self.samples.saturating_add(1);
            let weight = (1.0 / f64::from(self.samples)).max(0.01);
            self.average_bps += (against - self.average_bps) * weight;
        }
    }
    /// Average move against a filled resting order, in basis points; never counted as a gain.
    pub fn bps(&self) -> f64 {
        self.average_bps.max(0.0)
    }
}
