//! An illiquid instrument with a large tick: a queue-reactive book.
//!
//! Limits and cancels come at rates that depend on the size of their own queue; the price moves only because a queue
//! runs empty or somebody improves. The common price leans on the queues, not on the price.

use super::draws::Draws;
use super::factor::Factor;
use super::major::{Print, Surroundings, direction, steps};
use super::orders::{Flow, OrderParams, draw_size};
use super::quotes::{ASK, BID, FLOOR};

/// Parameters of an illiquid instrument. Rates per second, sizes in base units.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThinParams {
    /// Volatility of the hidden price, bps per root second, and the common share of its variance.
    pub vol: f64,
    pub shared: f64,
    /// Median of the best queue.
    pub queue: f64,
    /// Limits and cancels per second and side, by queue size over the median: up to .03, .1, .3, 1, 3, 10, above.
    pub limits: [f64; 7],
    pub cancels: [f64; 7],
    /// Log of the median limit over the median queue, and its deviation; the same for cancels.
    pub limit_log: f64,
    pub limit_log_sd: f64,
    pub cancel_log: f64,
    pub cancel_log_sd: f64,
    /// Share of cancels that leave something in the queue whatever their size.
    pub shy: f64,
    /// Power of the queue (over the median, above one) with which cancels grow.
    pub cancel_power: f64,
    /// How strongly the hidden price leans on limits and cancels, and the distance (bps) at which it does so fully.
    pub lean: f64,
    pub lean_bps: f64,
    /// How strongly orders follow imbalance; negative is against it.
    pub follow: f64,
    /// Deviation of the slow preference of orders for one side.
    pub side_sd: f64,
    /// Rate at which a spread of two ticks closes, and of more.
    pub closing: f64,
    pub closing_wide: f64,
    /// How strongly imbalance decides which side closes a spread; 0 is a coin.
    pub closing_lean: f64,
    /// Chance that the emptied side refills, at balance.
    pub refill: f64,
    /// Log of the median improving quote over the median queue, and its deviation.
    pub improve_log: f64,
    pub improve_log_sd: f64,
    /// Order arrival and size.
    pub orders: OrderParams,
}

const BINS: [f64; 6] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

#[derive(Clone, Copy, Default)]
struct Rates {
    orders: [f64; 2],
    limits: [f64; 2],
    cancels: [f64; 2],
    closing: f64,
}

/// The state of an illiquid instrument.
pub(super) struct Thin {
    p: &'static ThinParams,
    /// Hidden price in ticks.
    hidden: f64,
    seen: f64,
    flow: Flow,
    /// Preference of orders for the ask side.
    side: f64,
    emptied: Option<usize>,
    rates: Rates,
}

impl Thin {
    pub(super) fn new(p: &'static ThinParams, hidden: f64, factor: &Factor, draws: &mut Draws) -> Self {
        Self {
            p,
            hidden,
            seen: factor.level(),
            flow: Flow::default(),
            side: p.side_sd * draws.normal(),
            emptied: None,
            rates: Rates::default(),
        }
    }

    fn imbalance(on: &Surroundings) -> f64 {
        let (bid, ask) = (on.quotes.top(BID) as f64, on.quotes.top(ASK) as f64);
        (bid - ask) / (bid + ask)
    }

    fn order_rate(&self, from: usize, on: &Surroundings) -> f64 {
        let p = self.p;
        let lean = (1.0 + direction(from) * (p.follow * Self::imbalance(on) + self.side)).max(0.05);
        let crowd = 1.0 - direction(from) * on.climate.selling;
        let base = self.flow.base(&p.orders) * on.climate.activity * crowd;
        (base + self.flow.excited(from, &p.orders)) * lean
    }

    /// Fixes the rates of the next event and draws the seconds until it, at most one.
    pub(super) fn schedule(&mut self, on: &mut Surroundings) -> f64 {
        let p = self.p;
        let gap = (self.hidden - on.quotes.mid()) * on.tick_bps;
        let towards = (gap / p.lean_bps).clamp(-3.0, 3.0);
        // Far from where the price belongs, everybody hurries.
        let haste = (gap / (4.0 * p.lean_bps)).abs().clamp(1.0, 20.0);
        let busy = on.climate.activity * haste;
        let mut rates = Rates { orders: [self.order_rate(BID, on), self.order_rate(ASK, on)], ..Rates::default() };
        for side in [BID, ASK] {
            let over = on.quotes.top(side) as f64 * on.step / (p.queue * on.climate.depth);
            let bin = BINS.iter().position(|edge| over < *edge).unwrap_or(BINS.len());
            let tilt = libm::exp(p.lean * towards * direction(1 - side));
            rates.limits[side] = busy * p.limits[bin] * tilt;
            rates.cancels[side] = busy * p.cancels[bin] / tilt;
        }
        rates.closing = match on.quotes.spread() {
            1 => 0.0,
            2 => p.closing * busy,
            _ => p.closing_wide * on.climate.closing,
        };
        self.rates = rates;
        on.draws.exponential() / rates.total()
    }

    /// The scheduled event happens, `dt` seconds after it was scheduled.
    pub(super) fn step(&mut self, dt: f64, on: &mut Surroundings) {
        let p = self.p;
        self.flow.cool(dt, &p.orders, on.draws);
        let own = p.vol * (1.0 - p.shared).sqrt() * on.climate.vol * dt.sqrt() * on.draws.normal();
        let common = p.vol * p.shared.sqrt() * (on.factor.level() - self.seen);
        self.seen = on.factor.level();
        self.hidden += (own + common) / on.tick_bps;
        self.side = on.draws.revert(self.side, dt, 900.0, p.side_sd);
        let r = self.rates;
        let mut z = on.draws.unit() * r.total();
        let mut pick = |rate: f64| {
            let hit = z < rate;
            z -= rate;
            hit
        };
        for side in [BID, ASK] {
            if pick(r.orders[side]) {
                return self.order(side, on);
            }
            if pick(r.limits[side]) {
                let size = p.queue * on.climate.depth * libm::exp(p.limit_log + p.limit_log_sd * on.draws.normal());
                let after = on.quotes.top(side) + steps(size, on.step);
                return on.quotes.set(side, on.quotes.best(side), after);
            }
            if pick(r.cancels[side]) {
                return self.cancel(side, on);
            }
        }
        if on.quotes.spread() > 1 {
            self.close(on);
        }
    }

    fn order(&mut self, from: usize, on: &mut Surroundings) {
        // The rate has faded since the event was scheduled: accept with the ratio.
        if !on.draws.chance(self.order_rate(from, on) / self.rates.orders[from]) {
            return;
        }
        let mut size = draw_size(&self.p.orders, on.draws);
        if on.draws.chance(self.p.orders.polite) {
            size = size.min(on.quotes.top(from) as f64 * on.step);
        }
        self.flow.excite(from);
        let mut left = steps(size, on.step);
        let start = on.quotes.best(from);
        while left > 0 && on.quotes.depth(from) > FLOOR && on.quotes.best(from) - start < 6 {
            let key = on.quotes.best(from);
            let there = on.quotes.top(from);
            let size = left.min(there);
            on.prints.push(Print { ticks: if from == ASK { key } else { -key }, size, from });
            on.quotes.set(from, key, there - size);
            left -= size;
        }
        if on.quotes.best(from) > start {
            self.emptied = Some(from);
        }
    }

    fn cancel(&mut self, side: usize, on: &mut Surroundings) {
        let p = self.p;
        let there = on.quotes.top(side);
        let median = p.queue * on.climate.depth;
        let crowd = libm::pow((there as f64 * on.step / median).max(1.0), p.cancel_power);
        let size = median * crowd * libm::exp(p.cancel_log + p.cancel_log_sd * on.draws.normal());
        let mut gone = steps(size, on.step).min(there);
        if on.draws.chance(p.shy) {
            gone = gone.min(there * 9 / 10);
        }
        if gone == there {
            if on.quotes.depth(side) <= FLOOR {
                return;
            }
            self.emptied = Some(side);
        }
        on.quotes.set(side, on.quotes.best(side), there - gone);
    }

    fn close(&mut self, on: &mut Surroundings) {
        let p = self.p;
        let emptied = self.emptied.unwrap_or(BID);
        // Imbalance towards the emptied side means that the price wants to go on through it.
        let onward = Self::imbalance(on) * direction(emptied);
        let refills = on.draws.chance((p.refill - p.closing_lean * onward).clamp(0.02, 0.98));
        let side = if refills { emptied } else { 1 - emptied };
        let log = p.improve_log + p.improve_log_sd * on.draws.normal();
        let size = steps(p.queue * on.climate.depth * libm::exp(log), on.step);
        let room = on.quotes.spread() - 1;
        let by = if on.draws.chance(0.75) { room } else { 1 };
        on.quotes.set(side, on.quotes.best(side) - by, size);
    }
}

impl Rates {
    fn total(&self) -> f64 {
        let both = |pair: [f64; 2]| pair[0] + pair[1];
        both(self.orders) + both(self.limits) + both(self.cancels) + self.closing
    }
}
