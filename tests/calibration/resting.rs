//! How a limit order at the tail of the best queue would have fared: the chance of a fill and the price after it.

use crate::record::Record;
use crate::stats::after;

/// Chances of a fill within 1, 10 and 60 s, and the mean mark-out one second after fills of the first 10 s, bps.
pub struct Resting {
    pub filled: [f64; 3],
    pub markout: f64,
}

const HORIZON_S: f64 = 60.0;

enum Seen {
    /// The best of our side: price (towards the market is up) and size.
    Queue(f64, f64),
    /// A trade against our side.
    Trade(f64, f64),
}

/// Joins both queues at even times; cancels ahead of us are pro rata.
pub fn resting(r: &Record, tl: &[f64], first: f64, last: f64) -> Resting {
    let every = ((last - first) / 6_000.0).max(0.5);
    let starts: Vec<f64> =
        (0..((last - 60.0 - first) / every).ceil().max(0.0) as usize).map(|k| first + k as f64 * every).collect();
    let (mut hits, mut n) = ([0.0; 3], 0.0);
    let (mut marks, mut marked) = (0.0, 0.0);
    for sign in [1.0, -1.0] {
        let seen = seen(r, sign);
        for start in &starts {
            let k = after(tl, *start) - 1;
            let b = &r.best[k];
            let (price, ahead) = if sign > 0.0 { (b.bid, b.bid_size) } else { (b.ask, b.ask_size) };
            let waited = wait(&seen, *start, price * sign, ahead);
            n += 1.0;
            for (hit, within) in hits.iter_mut().zip([1.0, 10.0, 60.0]) {
                *hit += f64::from(u8::from(waited <= within));
            }
            if waited <= 10.0 {
                let later = &r.best[after(tl, start + waited + 1.0) - 1];
                marks += sign * (later.mid() - price) / b.mid() * 1e4;
                marked += 1.0;
            }
        }
    }
    Resting { filled: hits.map(|h| h / n), markout: marks / marked }
}

/// What the owner of a resting order sees, in time order; a trade comes before the book that it made.
fn seen(r: &Record, sign: f64) -> Vec<(f64, Seen)> {
    let queue = r.best.iter().map(|b| {
        let (price, size) = if sign > 0.0 { (b.bid, b.bid_size) } else { (b.ask, b.ask_size) };
        (b.t, Seen::Queue(price * sign, size))
    });
    let hits = r.fills.iter().filter(|f| f.sign == -sign).map(|f| (f.t, Seen::Trade(f.price * sign, f.size)));
    let mut all: Vec<(f64, Seen)> = hits.chain(queue).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// Seconds until an order behind `ahead` at `price` is filled; infinite if not within the horizon.
fn wait(seen: &[(f64, Seen)], start: f64, price: f64, mut ahead: f64) -> f64 {
    let (mut shown, mut traded) = (ahead, 0.0);
    let begin = seen.partition_point(|s| s.0 <= start);
    for (t, what) in seen[begin..].iter().take_while(|s| s.0 <= start + HORIZON_S) {
        match what {
            Seen::Trade(p, _) if *p < price => return t - start,
            Seen::Trade(p, size) if *p == price => {
                ahead -= size;
                traded += size;
                if ahead < 0.0 {
                    return t - start;
                }
            }
            Seen::Queue(p, size) if *p == price => {
                let cancelled = shown - size - traded;
                if shown > 0.0 && cancelled > 0.0 && shown - traded > 0.0 {
                    ahead *= (1.0 - cancelled / (shown - traded)).max(0.0);
                }
                shown = *size;
                traded = 0.0;
                ahead = ahead.min(*size);
            }
            Seen::Queue(p, _) if *p < price => {
                ahead = 0.0;
                shown = 0.0;
                traded = 0.0;
            }
            _ => {}
        }
    }
    f64::INFINITY
}
