//! The 46 facts of the scorecard, measured on a record exactly as they were measured on the real markets.

use crate::record::{Best, Record};
use crate::resting::{Resting, resting};
use crate::stats::{acf, after, auc, corr, counts, fano, from, hill, mean, median, sd, share, slope, var};

/// Orders: fills of one side with one exchange millisecond.
struct Order {
    /// Time of the first fill, and its millisecond in seconds.
    t: f64,
    ms: f64,
    sign: f64,
    size: f64,
    /// Price of the first fill, ticks.
    price: f64,
}

/// A record on an even grid, and the arrays that several facts share.
struct Study<'a> {
    r: &'a Record,
    /// Times of best-level changes.
    tl: Vec<f64>,
    /// Grid times, and the best-level row in force at each.
    grid: Vec<f64>,
    row: Vec<usize>,
    dt: f64,
    mid: Vec<f64>,
    log_mid: Vec<f64>,
    imbalance: Vec<f64>,
    orders: Vec<Order>,
    span: f64,
}

/// Names, in the order of [`measure`].
pub const FACTS: usize = 46;

/// All facts of one record. `dt` is the grid in seconds: 0.1 for majors, 1 for the thin instrument.
pub fn measure(r: &Record, dt: f64) -> [f64; FACTS] {
    let s = Study::new(r, dt);
    let [one_tick, closing] = s.spread();
    let [size_sd, size_usd] = s.sizes();
    let i = &s.imbalance;
    let lag = |seconds: f64| (seconds / dt) as usize;
    let short = if dt < 1.0 { acf(i, 1) } else { f64::NAN };
    let [rate, fano1, fano10, usd_median, usd_mean, usd_log_sd, usd_hill, sign1, sign10, whole] = s.trades();
    let [vol1, zero, vol10, signature, acf1] = s.returns();
    let [changes, reversal, next_auc] = s.moves();
    let [ofi_r2, ofi_slope] = s.order_flow();
    let [limits, improving, depletions, volume] = s.queues();
    let Resting { filled, markout } = resting(r, &s.tl, s.grid[0], s.grid[s.grid.len() - 1]);
    [
        one_tick,
        closing,
        size_sd,
        size_usd,
        sd(i),
        share(i.iter().map(|v| v.abs() > 0.8)),
        short,
        acf(i, lag(1.0)),
        acf(i, lag(10.0)),
        s.tl.len() as f64 / s.span,
        rate,
        fano1,
        fano10,
        usd_median,
        usd_mean,
        usd_log_sd,
        usd_hill,
        sign1,
        sign10,
        whole,
        vol1,
        zero,
        vol10,
        signature,
        acf1,
        changes,
        reversal,
        s.imbalance_auc(1.0),
        s.imbalance_auc(5.0),
        s.imbalance_auc(10.0),
        s.imbalance_auc(60.0),
        next_auc,
        s.imbalance_slope(),
        s.flow_auc(),
        ofi_r2,
        ofi_slope,
        s.response(0.1),
        s.response(1.0),
        limits,
        improving,
        depletions,
        volume,
        filled[0],
        filled[1],
        filled[2],
        markout,
    ]
}

/// Returns of the mid over `h` seconds on the grid, bps, not overlapping.
pub fn returns_every(r: &Record, dt: f64, h: f64) -> Vec<f64> {
    let s = Study::new(r, dt);
    let k = (h / dt).round() as usize;
    let x: Vec<f64> = s.log_mid.iter().step_by(k).copied().collect();
    x.windows(2).map(|w| w[1] - w[0]).collect()
}

impl<'a> Study<'a> {
    fn new(r: &'a Record, dt: f64) -> Self {
        let tl: Vec<f64> = r.best.iter().map(|b| b.t).collect();
        let end = tl[tl.len() - 1];
        let grid: Vec<f64> = (0..((end - 10.0) / dt).ceil() as usize).map(|k| 10.0 + k as f64 * dt).collect();
        let row: Vec<usize> = grid.iter().map(|t| after(&tl, *t) - 1).collect();
        let best = |k: &usize| &r.best[*k];
        let mid: Vec<f64> = row.iter().map(best).map(Best::mid).collect();
        let imbalance = row.iter().map(best).map(|b| (b.bid_size - b.ask_size) / (b.bid_size + b.ask_size)).collect();
        let log_mid = mid.iter().map(|m| m.ln() * 1e4).collect();
        let span = end - tl[0];
        Self { r, tl, grid, row, dt, mid, log_mid, imbalance, orders: orders(r), span }
    }

    fn steps(&self, seconds: f64) -> usize {
        (seconds / self.dt).round() as usize
    }

    /// Overlapping returns of the log mid, bps.
    fn ahead(&self, k: usize) -> Vec<f64> {
        self.log_mid[k..].iter().zip(&self.log_mid).map(|(b, a)| b - a).collect()
    }

    fn spread(&self) -> [f64; 2] {
        let spreads: Vec<f64> = self.row.iter().map(|k| self.r.best[*k].ask - self.r.best[*k].bid).collect();
        let usual = median(&spreads).max(1.0);
        let wide = (usual + 2.0).max(2.0 * usual);
        let all: Vec<f64> = self.r.best.iter().map(|b| b.ask - b.bid).collect();
        let mut closing = Vec::new();
        for k in 1..all.len() {
            if all[k] >= wide
                && all[k - 1] < wide
                && let Some(back) = all[k..].iter().position(|s| *s <= usual)
            {
                closing.push(self.tl[k + back] - self.tl[k]);
            }
        }
        let closing = if closing.is_empty() { f64::NAN } else { median(&closing) };
        [share(spreads.iter().map(|s| *s == 1.0)), closing]
    }

    fn sizes(&self) -> [f64; 2] {
        let rows = || self.row.iter().map(|k| &self.r.best[*k]);
        let logs: Vec<f64> = rows().flat_map(|b| [b.bid_size.ln(), b.ask_size.ln()]).collect();
        let usd: Vec<f64> = rows().map(|b| b.size() * b.mid() * self.r.tick).collect();
        [sd(&logs), median(&usd)]
    }

    fn trades(&self) -> [f64; 10] {
        let (first, last) = (self.r.fills[0].t, self.r.fills[self.r.fills.len() - 1].t);
        let ms: Vec<f64> = self.orders.iter().map(|o| o.ms).collect();
        let usd: Vec<f64> = self.orders.iter().map(|o| o.price * o.size * self.r.tick).collect();
        let logs: Vec<f64> = usd.iter().map(|u| u.ln()).collect();
        let signs: Vec<f64> = self.orders.iter().map(|o| o.sign).collect();
        let whole = share(self.orders.iter().map(|o| {
            let k = from(&self.tl, o.t - 1e-4).saturating_sub(1);
            let queue = if o.sign > 0.0 { self.r.best[k].ask_size } else { self.r.best[k].bid_size };
            o.size / queue >= 0.999
        }));
        [
            mean(&counts(&ms, first, last, 1.0)),
            fano(&ms, first, last, 1.0),
            fano(&ms, first, last, 10.0),
            median(&usd),
            mean(&usd),
            sd(&logs),
            hill(&usd, 0.05),
            acf(&signs, 1),
            acf(&signs, 10),
            whole,
        ]
    }

    fn returns(&self) -> [f64; 5] {
        let (one, ten, sixty) =
            (self.ahead(self.steps(1.0)), self.ahead(self.steps(10.0)), self.ahead(self.steps(60.0)));
        let thinned: Vec<f64> = self.log_mid.iter().step_by(self.steps(1.0)).copied().collect();
        let apart: Vec<f64> = thinned.windows(2).map(|w| w[1] - w[0]).collect();
        [sd(&one), share(one.iter().map(|x| *x == 0.0)), sd(&ten), var(&one) / (var(&sixty) / 60.0), acf(&apart, 1)]
    }

    fn moves(&self) -> [f64; 3] {
        let double_mid: Vec<f64> = self.r.best.iter().map(|b| b.bid + b.ask).collect();
        let changed: Vec<usize> = (1..double_mid.len()).filter(|k| double_mid[*k] != double_mid[k - 1]).collect();
        let up: Vec<bool> = changed.iter().map(|k| double_mid[*k] > double_mid[k - 1]).collect();
        let pairs: Vec<(f64, bool)> = self
            .row
            .iter()
            .zip(&self.imbalance)
            .filter_map(|(row, i)| {
                let next = changed.partition_point(|k| *k <= *row);
                up.get(next).map(|up| (*i, *up))
            })
            .collect();
        [changed.len() as f64 / self.span, share(up.windows(2).map(|w| w[0] != w[1])), auc(&pairs)]
    }

    fn imbalance_auc(&self, h: f64) -> f64 {
        let x = self.ahead(self.steps(h));
        let pairs: Vec<(f64, bool)> =
            self.imbalance.iter().zip(&x).filter(|(_, x)| **x != 0.0).map(|(i, x)| (*i, *x > 0.0)).collect();
        auc(&pairs)
    }

    fn imbalance_slope(&self) -> f64 {
        let x = self.ahead(self.steps(1.0));
        slope(&self.imbalance[..x.len()], &x)
    }

    fn flow_auc(&self) -> f64 {
        let times: Vec<f64> = self.r.fills.iter().map(|f| f.t).collect();
        let mut sums = vec![0.0];
        for fill in &self.r.fills {
            sums.push(sums[sums.len() - 1] + fill.sign * fill.size);
        }
        let flow = |t: f64| sums[after(&times, t)] - sums[after(&times, t - 1.0)];
        let x = self.ahead(self.steps(1.0));
        let moved = self.grid.iter().zip(&x).filter(|(_, x)| **x != 0.0);
        auc(&moved.map(|(t, x)| (flow(*t), *x > 0.0)).collect::<Vec<_>>())
    }

    /// Order-flow imbalance of one second against the move of the mid in that second: R2 and slope.
    fn order_flow(&self) -> [f64; 2] {
        let mut sums = vec![0.0];
        for w in self.r.best.windows(2) {
            let (a, b) = (&w[0], &w[1]);
            let mut e = 0.0;
            if b.bid >= a.bid {
                e += b.bid_size;
            }
            if b.bid <= a.bid {
                e -= a.bid_size;
            }
            if b.ask <= a.ask {
                e -= b.ask_size;
            }
            if b.ask >= a.ask {
                e += a.ask_size;
            }
            sums.push(sums[sums.len() - 1] + e);
        }
        let rows = || self.row.iter().map(|k| &self.r.best[*k]);
        let depth = mean(&rows().map(Best::size).collect::<Vec<_>>());
        let k = self.steps(1.0);
        let x: Vec<f64> = self.mid[k..].iter().zip(&self.mid).map(|(b, a)| b - a).collect();
        let y: Vec<f64> = self.row[k..].iter().zip(&self.row).map(|(b, a)| (sums[*b] - sums[*a]) / depth).collect();
        [corr(&y, &x).powi(2), slope(&y, &x)]
    }

    /// Mean signed move of the mid from just before an order until `tau` seconds after it, bps.
    fn response(&self, tau: f64) -> f64 {
        let end = self.tl[self.tl.len() - 1];
        let mid = |k: usize| self.r.best[k].mid();
        let moves = self.orders.iter().filter(|o| o.t + tau <= end).filter_map(|o| {
            let before = mid(from(&self.tl, o.t - 1e-6).checked_sub(1)?);
            let later = mid(after(&self.tl, o.t + tau) - 1);
            Some(o.sign * (later - before) / before * 1e4)
        });
        mean(&moves.collect::<Vec<_>>())
    }

    fn queues(&self) -> [f64; 4] {
        let (mut adds, mut better, mut gone) = (0.0, 0.0, 0.0);
        for w in self.r.best.windows(2) {
            let sides = [
                (w[1].bid - w[0].bid, w[1].bid_size - w[0].bid_size),
                (w[0].ask - w[1].ask, w[1].ask_size - w[0].ask_size),
            ];
            for (price, size) in sides {
                adds += f64::from(u8::from(price == 0.0 && size > 0.0));
                better += f64::from(u8::from(price > 0.0));
                gone += f64::from(u8::from(price < 0.0));
            }
        }
        let queues: Vec<f64> =
            self.row.iter().flat_map(|k| [self.r.best[*k].bid_size, self.r.best[*k].ask_size]).collect();
        let traded: f64 = self.r.fills.iter().map(|f| f.size).sum();
        [adds / self.span, better / self.span, gone / self.span, traded / self.span / mean(&queues)]
    }
}

fn orders(r: &Record) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for fill in &r.fills {
        let ms = (fill.t * 1e3).round() / 1e3;
        match orders.last_mut() {
            Some(last) if last.ms == ms && last.sign == fill.sign => last.size += fill.size,
            _ => orders.push(Order { t: fill.t, ms, sign: fill.sign, size: fill.size, price: fill.price }),
        }
    }
    orders
}
