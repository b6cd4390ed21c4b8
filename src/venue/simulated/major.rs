//! A liquid instrument: sticky quotes on a hidden price.
//!
//! Quotes stay while the hidden price wanders, and hop in short runs when it is too far away. The best queues lean
//! with the hidden price, so their imbalance tells where the next hop goes. Orders push the hidden price by their
//! surprise only, which keeps it diffusive.

use super::depth::Deep;
use super::draws::Draws;
use super::factor::Factor;
use super::orders::{Flow, OrderParams, draw_size};
use super::quotes::{ASK, BID, FLOOR, Quotes};
use super::weather::Climate;

/// Parameters of a liquid instrument. Distances in bps, rates per second, sizes in base units.
#[derive(Clone, Copy, Debug)]
pub(super) struct MajorParams {
    /// Volatility of the hidden price, bps per root second.
    pub vol: f64,
    /// Share of its variance that comes from the common price.
    pub shared: f64,
    /// Jumps of its own per second, and their mean size.
    pub jump_rate: f64,
    pub jump_bps: f64,
    /// Push of the hidden price by a fully surprising order of median size, and the power of size.
    pub impact: f64,
    pub impact_power: f64,
    /// Distance at which a hop is due, its width, and the rate there.
    pub hop_at: f64,
    pub hop_width: f64,
    pub hop_rate: f64,
    /// Rate of hops once a run has begun, and the share of `hop_at` where the run ends.
    pub run_rate: f64,
    pub run_stop: f64,
    /// Share of hops made by an order rather than by cancels.
    pub taken: f64,
    /// Limits and cancels per second at each best queue.
    pub queue_rate: f64,
    /// Median of the best queue.
    pub queue: f64,
    /// Log of the median limit over the median queue, and its deviation.
    pub limit_log: f64,
    pub limit_log_sd: f64,
    /// How strongly queues lean with the hidden price.
    pub lean: f64,
    /// Deviation and time constant (s) of the queue targets' own wandering.
    pub wander_sd: f64,
    pub wander_tau: f64,
    /// Steepness with which a queue returns to its target.
    pub pull: f64,
    /// How strongly orders follow imbalance.
    pub follow: f64,
    /// Power of the opposite queue in the base rate of orders.
    pub queue_power: f64,
    /// Rate at which a spread above one tick closes.
    pub closing: f64,
    /// Log of the median improving quote over the median queue, and its deviation.
    pub improve_log: f64,
    pub improve_log_sd: f64,
    /// Chance that the emptied side refills rather than the other follows.
    pub refill: f64,
    /// Order arrival and size.
    pub orders: OrderParams,
}

/// One fill: ticks, steps, and the side of the book that was taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    pub ticks: i64,
    pub size: i64,
    pub from: usize,
}

/// What a model needs besides its own state.
pub(super) struct Surroundings<'a> {
    pub quotes: &'a mut Quotes,
    pub deep: &'a Deep,
    pub factor: &'a mut Factor,
    pub climate: &'a Climate,
    pub draws: &'a mut Draws,
    pub prints: &'a mut Vec<Print>,
    /// Base units per step.
    pub step: f64,
    /// One tick in bps of the present price.
    pub tick_bps: f64,
    /// Steps that one USD of resting depth is, weather included.
    pub per_usd: f64,
}

/// Rates of the next event, fixed when it is scheduled.
#[derive(Clone, Copy, Default)]
struct Rates {
    /// Orders that take the bid, the ask.
    orders: [f64; 2],
    /// Limits and cancels, per side.
    queue: f64,
    /// Hops that empty the bid, the ask.
    hops: [f64; 2],
    closing: f64,
    /// Hidden price minus mid, bps, and the volatility factor at that moment.
    gap: f64,
    vol: f64,
}

/// The state of a liquid instrument.
pub(super) struct Major {
    p: &'static MajorParams,
    /// Hidden price in ticks.
    hidden: f64,
    seen: f64,
    flow: Flow,
    /// Wandering of the queue targets.
    wander: [f64; 2],
    /// Log volatility of its own.
    mood: f64,
    /// Moving average of order signs.
    expected: f64,
    /// Side that the present run of hops empties.
    run: Option<usize>,
    /// Side that was emptied last.
    emptied: Option<usize>,
    rates: Rates,
}

/// Deviation and time constant (s) of an instrument's own log volatility.
const OWN_MOOD_SD: f64 = 0.2;
const OWN_MOOD_TAU_S: f64 = 100.0;
/// Share of an order's push that all instruments feel.
const PUSH_SHARED: f64 = 0.35;

impl Major {
    pub(super) fn new(p: &'static MajorParams, hidden: f64, factor: &Factor, draws: &mut Draws) -> Self {
        Self {
            p,
            hidden,
            seen: factor.level(),
            flow: Flow::default(),
            wander: [p.wander_sd * draws.normal(), p.wander_sd * draws.normal()],
            mood: OWN_MOOD_SD * draws.normal(),
            expected: 0.0,
            run: None,
            emptied: None,
            rates: Rates::default(),
        }
    }

    /// Weight of the common price in the hidden price.
    fn beta(&self) -> f64 {
        self.p.vol * self.p.shared.sqrt()
    }

    /// Fixes the rates of the next event and draws the seconds until it.
    pub(super) fn schedule(&mut self, on: &mut Surroundings) -> f64 {
        let p = self.p;
        let gap = (self.hidden - on.quotes.mid()) * on.tick_bps;
        let vol = libm::exp(on.factor.mood() + self.mood);
        let stretch = on.climate.vol.sqrt();
        let hop_at = p.hop_at * stretch;
        if let Some(side) = self.run
            && gap * direction(side) < p.run_stop * hop_at
        {
            self.run = None;
        }
        let due = |side: usize| {
            (p.hop_rate * libm::exp((gap * direction(side) - hop_at) / (p.hop_width * stretch))).min(p.run_rate)
        };
        let hops = match self.run {
            None => [due(BID), due(ASK)],
            Some(BID) => [p.run_rate, 0.0],
            Some(_) => [0.0, p.run_rate],
        };
        let closing = if on.quotes.spread() > 1 {
            // Makers compete harder the more a wide spread pays.
            p.closing * on.climate.closing * (0.5 * on.quotes.spread() as f64 * on.tick_bps).max(1.0)
        } else {
            0.0
        };
        let orders = [self.order_rate(BID, vol, on), self.order_rate(ASK, vol, on)];
        let queue = p.queue_rate * on.climate.activity.sqrt();
        self.rates = Rates { orders, queue, hops, closing, gap, vol };
        on.draws.exponential() / (orders[0] + orders[1] + 2.0 * queue + hops[0] + hops[1] + closing)
    }

    /// Rate of orders that take side `from`.
    fn order_rate(&self, from: usize, vol: f64, on: &Surroundings) -> f64 {
        let p = self.p;
        let (bid, ask) = (on.quotes.top(BID) as f64, on.quotes.top(ASK) as f64);
        let imbalance = (bid - ask) / (bid + ask);
        let over = if from == ASK { ask } else { bid } * on.step / (p.queue * on.climate.depth);
        let thin = libm::pow(over, p.queue_power).clamp(0.5, 4.0);
        let lean = (1.0 + direction(from) * p.follow * imbalance).max(0.05);
        let crowd = 1.0 - direction(from) * on.climate.selling;
        let base = self.flow.base(&p.orders) * on.climate.activity * vol * crowd;
        (base * thin + self.flow.excited(from, &p.orders)) * lean
    }

    /// The scheduled event happens, `dt` seconds after it was scheduled.
    pub(super) fn step(&mut self, dt: f64, on: &mut Surroundings) {
        self.drift(dt, on);
        let r = self.rates;
        let mut z = on.draws.unit() * (r.orders[0] + r.orders[1] + 2.0 * r.queue + r.hops[0] + r.hops[1] + r.closing);
        let mut pick = |rate: f64| {
            let hit = z < rate;
            z -= rate;
            hit
        };
        if pick(r.orders[ASK]) {
            self.order(ASK, on);
        } else if pick(r.orders[BID]) {
            self.order(BID, on);
        } else if pick(2.0 * r.queue) {
            let side = if on.draws.chance(0.5) { BID } else { ASK };
            self.requeue(side, on);
        } else if pick(r.hops[ASK]) {
            self.hop(ASK, on);
        } else if pick(r.hops[BID]) {
            self.hop(BID, on);
        } else if on.quotes.spread() > 1 {
            self.close(on);
        }
    }

    fn drift(&mut self, dt: f64, on: &mut Surroundings) {
        let p = self.p;
        self.flow.cool(dt, &p.orders, on.draws);
        let own = p.vol * (1.0 - p.shared).sqrt() * self.rates.vol * on.climate.vol;
        let mut moved = self.beta() * (on.factor.level() - self.seen) + own * dt.sqrt() * on.draws.normal();
        self.seen = on.factor.level();
        if on.draws.chance(p.jump_rate * dt) {
            moved += on.climate.vol * p.jump_bps * on.draws.sign() * on.draws.exponential();
        }
        self.hidden += moved / on.tick_bps;
        for side in [BID, ASK] {
            self.wander[side] = on.draws.revert(self.wander[side], dt, p.wander_tau, p.wander_sd);
        }
        self.mood = on.draws.revert(self.mood, dt, OWN_MOOD_TAU_S, OWN_MOOD_SD);
    }

    /// A market order that takes side `from`.
    fn order(&mut self, from: usize, on: &mut Surroundings) {
        // The rate has faded since the event was scheduled: accept with the ratio.
        if !on.draws.chance(self.order_rate(from, self.rates.vol, on) / self.rates.orders[from]) {
            return;
        }
        let mut size = draw_size(&self.p.orders, on.draws);
        if on.draws.chance(self.p.orders.polite) {
            size = size.min(on.quotes.top(from) as f64 * on.step);
        }
        self.flow.excite(from);
        let sign = direction(from);
        let surprise = sign - self.expected;
        self.expect(sign);
        let push = self.p.impact * surprise * libm::pow((size / self.p.orders.median).min(30.0), self.p.impact_power);
        self.hidden += push / on.tick_bps;
        let told = PUSH_SHARED * push / self.beta();
        on.factor.push(told);
        self.seen += told;
        self.take(from, steps(size, on.step), on);
    }

    fn expect(&mut self, sign: f64) {
        self.expected = 0.85 * self.expected + 0.15 * sign;
    }

    /// Takes `left` steps from side `from`, at most 12 bps deep.
    fn take(&mut self, from: usize, mut left: i64, on: &mut Surroundings) {
        let start = on.quotes.best(from);
        while left > 0 && on.quotes.depth(from) > FLOOR {
            let key = on.quotes.best(from);
            if (key - start) as f64 * on.tick_bps > 12.0 && key - start > 4 {
                break;
            }
            let there = on.quotes.top(from);
            let size = left.min(there);
            let ticks = if from == ASK { key } else { -key };
            on.prints.push(Print { ticks, size, from });
            on.quotes.set(from, key, there - size);
            left -= size;
        }
        if on.quotes.best(from) > start {
            self.emptied = Some(from);
        }
        Self::stir(on);
    }

    /// A limit or a cancel at a best queue, towards its target.
    fn requeue(&mut self, side: usize, on: &mut Surroundings) {
        let p = self.p;
        let median = p.queue * on.climate.depth;
        let size = on.quotes.top(side) as f64 * on.step;
        let towards = (self.rates.gap / (p.hop_at * on.climate.vol.sqrt())).clamp(-1.5, 1.5);
        let target = median * libm::exp(p.lean * direction(1 - side) * towards + self.wander[side]);
        let grow = 1.0 / (1.0 + libm::pow(size / target, p.pull));
        let log = (p.limit_log + p.limit_log_sd * on.draws.normal()).min(p.limit_log + 1.4 * p.limit_log_sd);
        let change = median * libm::exp(log);
        let after = if on.draws.chance(grow) {
            size + change
        } else if on.draws.chance(0.97) {
            size - change.min(0.9 * size)
        } else {
            size - change.min(size)
        };
        let key = on.quotes.best(side);
        let after = (after / on.step).round() as i64;
        if after > 0 || on.quotes.depth(side) > FLOOR {
            on.quotes.set(side, key, after);
            if after <= 0 {
                self.emptied = Some(side);
            }
        }
        Self::stir(on);
    }

    /// The quotes give way on `side`, by an order or by cancels.
    fn hop(&mut self, side: usize, on: &mut Surroundings) {
        self.run = Some(side);
        let reach = (self.rates.gap * direction(side)).max(0.0) / on.tick_bps;
        let ticks = ((0.15 + 0.85 * on.draws.unit()) * reach) as i64;
        let best = on.quotes.best(side);
        if on.draws.chance(self.p.taken) {
            let behind: i64 = (1..=ticks).map(|k| on.quotes.at(side, best + k)).sum();
            let size = on.quotes.top(side) + behind / 2;
            self.flow.excite(side);
            self.expect(direction(side));
            self.take(side, size, on);
            return;
        }
        for key in best..=best + ticks {
            if on.quotes.depth(side) > FLOOR {
                on.quotes.set(side, key, 0);
            }
        }
        self.emptied = Some(side);
        Self::stir(on);
    }

    /// A wide spread closes: the follower steps in during a run, else mostly the emptied side refills.
    fn close(&mut self, on: &mut Surroundings) {
        let p = self.p;
        let up = match (self.run, self.emptied) {
            (Some(side), _) => side == ASK,
            (None, Some(side)) => (side == ASK) != on.draws.chance(p.refill),
            (None, None) => self.rates.gap > 0.0,
        };
        let side = if up { BID } else { ASK };
        let room = on.quotes.spread() - 1;
        let by = if on.draws.chance(0.8) { room } else { 1 + (on.draws.unit() * room as f64) as i64 };
        let best = on.quotes.best(side);
        if on.draws.chance(0.8) {
            let left = on.quotes.top(side) as f64 * libm::exp(-4.0 * on.draws.unit());
            on.quotes.set(side, best, (left.round() as i64).max(1));
        }
        let log = p.improve_log + p.improve_log_sd * on.draws.normal().min(2.0);
        let size = steps(p.queue * on.climate.depth * libm::exp(log), on.step);
        on.quotes.set(side, best - by.min(room), size);
        Self::stir(on);
    }

    /// Now and then a level close behind the best changes too.
    fn stir(on: &mut Surroundings) {
        if on.draws.chance(0.3) {
            let side = if on.draws.chance(0.5) { ASK } else { BID };
            let key = on.quotes.best(side) + 1 + (on.draws.exponential() * 0.8 / on.tick_bps) as i64;
            on.deep.redraw(on.quotes, side, key, on.tick_bps, on.per_usd, on.draws);
        }
    }
}

/// +1 for the ask side, -1 for the bid side: where the price goes when that side is taken.
pub(super) const fn direction(side: usize) -> f64 {
    if side == ASK { 1.0 } else { -1.0 }
}

/// Base units as whole steps, at least one.
pub(super) fn steps(size: f64, step: f64) -> i64 {
    ((size / step).round() as i64).max(1)
}
