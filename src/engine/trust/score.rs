//! How good a model's answers turned out: each is later compared with what the mid did. Needs no position and no order, so
//! it scores models that only watch as well.
//!
//! Answers that look at the same stretch of the future succeed and fail together. They are counted in spans of two
//! horizons; each span is one witness. Every figure is over the last [`WITNESSES_MAX`] witnesses.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::promise::HorizonPromise;
use crate::engine::event::HorizonForecast;
use crate::engine::time::{Span, Ts};

/// Witnesses of one window.
pub const WITNESSES_MAX: usize = 250;
/// Witnesses without which nothing is concluded.
pub const WITNESSES_MIN: usize = 50;
/// Standard errors beyond which a shortfall is not chance: a test shows that an honest model passes ten thousand looks.
pub const BENCH_AT: f64 = 4.0;
/// Standard errors within which a benched model must come to be believed again.
pub const BACK_AT: f64 = 2.0;

/// One answer that has come due.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Resolved {
    /// When the features were read: the forecast looks ahead from there.
    pub at: Ts,
    /// What was said.
    pub said: HorizonForecast,
    /// What the mid did over the horizon, in basis points.
    pub moved_bps: f64,
    /// The usual move over the horizon at that time, in basis points.
    pub usual_bps: f64,
}

/// Sums over the answers of one witness, or of all.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Sums {
    answers: f64,
    /// Answers after which the mid moved at all.
    moved: f64,
    hits: f64,
    /// Probability that was said for the likelier direction, given a move.
    said: f64,
    brier: f64,
    /// Expected move in its own direction, and what the mid did in that direction.
    expected: f64,
    realised: f64,
}

impl Sums {
    fn add(&mut self, other: &Self, sign: f64) {
        self.answers += sign * other.answers;
        self.moved += sign * other.moved;
        self.hits += sign * other.hits;
        self.said += sign * other.said;
        self.brier += sign * other.brier;
        self.expected += sign * other.expected;
        self.realised += sign * other.realised;
    }

    fn of(answer: &Resolved, dead_zone: f64) -> Self {
        let (up, flat, down) = (f64::from(answer.said.up), f64::from(answer.said.flat), f64::from(answer.said.down));
        let zone = dead_zone * answer.usual_bps;
        let class = [answer.moved_bps > zone, answer.moved_bps.abs() <= zone, answer.moved_bps < -zone];
        let miss = |said: f64, came: bool| (said - f64::from(u8::from(came))) * (said - f64::from(u8::from(came)));
        let moved = answer.moved_bps != 0.0;
        let told = (up - down).abs() > 0.0;
        let hit = moved && told && (up > down) == (answer.moved_bps > 0.0);
        let either = up + down;
        let move_bps = f64::from(answer.said.move_bps);
        let sign = if move_bps < 0.0 { -1.0 } else { 1.0 };
        Self {
            answers: 1.0,
            moved: f64::from(u8::from(moved)),
            // Equal odds are right half the time.
            hits: if moved && !told { 0.5 } else { f64::from(u8::from(hit)) },
            said: if moved && either > 0.0 { up.max(down) / either } else { 0.5 * f64::from(u8::from(moved)) },
            brier: miss(up, class[0]) + miss(flat, class[1]) + miss(down, class[2]),
            expected: move_bps.abs(),
            realised: if move_bps == 0.0 { 0.0 } else { answer.moved_bps * sign },
        }
    }
}

/// The record of one model about one instrument at one horizon.
#[derive(Clone, Debug)]
pub struct Score {
    span: Span,
    promise: Option<HorizonPromise>,
    /// The witness that answers are added to.
    open: Option<(i64, Sums)>,
    closed: VecDeque<Sums>,
    total: Sums,
    /// Sums of squares of what witnesses fell short by, in hits and in moves.
    squares: [f64; 2],
}

/// What a record says.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Answers that came due.
    pub answers: u32,
    /// Witnesses among them.
    pub witnesses: u32,
    /// Share of moves whose direction was told; `None` before the first move.
    pub hit: Option<f64>,
    /// Mean probability that was said for that direction: equal to `hit` in a calibrated model.
    pub said: Option<f64>,
    /// Mean Brier score.
    pub brier: Option<f64>,
    /// Mean expected move in its own direction, in basis points.
    pub expected_bps: Option<f64>,
    /// Mean move in that direction, in basis points.
    pub realised_bps: Option<f64>,
    /// Standard errors by which hits, and moves, fall short of the promise; negative is better than promised.
    pub short: [f64; 2],
    /// What was promised.
    pub promise: Option<HorizonPromise>,
}

impl Score {
    /// An empty record about `horizon_s`; `promise` is the card's.
    pub fn new(horizon_s: u32, promise: Option<HorizonPromise>) -> Self {
        Self {
            span: Span::from_secs(2 * i64::from(horizon_s.max(1))),
            promise,
            open: None,
            closed: VecDeque::new(),
            total: Sums::default(),
            squares: [0.0; 2],
        }
    }

    /// Adds an answer that came due. `true` where a witness was completed: the moment to judge anew.
    pub fn add(&mut self, answer: &Resolved) -> bool {
        let dead_zone = self.promise.map_or(0.0, |promise| f64::from(promise.dead_zone));
        let one = Sums::of(answer, dead_zone);
        let place = answer.at.0.div_euclid(self.span.0.max(1));
        match &mut self.open {
            Some((open, sums)) if *open == place => {
                sums.add(&one, 1.0);
                false
            }
            open => {
                let before = open.replace((place, one));
                before.is_some_and(|(_, sums)| self.close(sums))
            }
        }
    }

    /// Forgets everything: what comes is judged by itself.
    pub fn clear(&mut self) {
        (self.open, self.total, self.squares) = (None, Sums::default(), [0.0; 2]);
        self.closed.clear();
    }

    fn close(&mut self, sums: Sums) -> bool {
        self.weigh(&sums, 1.0);
        self.closed.push_back(sums);
        if self.closed.len() > WITNESSES_MAX
            && let Some(oldest) = self.closed.pop_front()
        {
            self.weigh(&oldest, -1.0);
        }
        true
    }

    fn weigh(&mut self, sums: &Sums, sign: f64) {
        self.total.add(sums, sign);
        let shortfall = self.shortfall(sums);
        for (square, short) in self.squares.iter_mut().zip(shortfall) {
            *square = (*square + sign * short * short).max(0.0);
        }
    }

    /// What a witness fell short by: hits of what the card promises at least, and basis points of what was expected.
    fn shortfall(&self, sums: &Sums) -> [f64; 2] {
        [sums.moved * self.promised_hit() - sums.hits, sums.expected - sums.realised]
    }

    fn promised_hit(&self) -> f64 {
        self.promise.map_or(0.5, |promise| f64::from(promise.hit_low))
    }

    /// Witnesses that are complete.
    pub fn witnesses(&self) -> usize {
        self.closed.len()
    }

    /// What it says now.
    pub fn figures(&self) -> Figures {
        let total = &self.total;
        let over = |sum: f64, count: f64| (count > 0.5).then(|| sum / count);
        let mut short = [0.0; 2];
        for ((short, sum), square) in short.iter_mut().zip(self.shortfall(total)).zip(self.squares) {
            // Rounding of sums that were added and taken away again is no shortfall.
            *short = if square > 1e-12 { sum / square.sqrt() } else { 0.0 };
        }
        Figures {
            answers: total.answers as u32,
            witnesses: self.closed.len() as u32,
            hit: over(total.hits, total.moved),
            said: over(total.said, total.moved),
            brier: over(total.brier, total.answers),
            expected_bps: over(total.expected, total.answers),
            realised_bps: over(total.realised, total.answers),
            short,
            promise: self.promise,
        }
    }
}

impl Figures {
    /// Is it worse than promised by more than chance explains?
    pub fn falls_short(&self) -> bool {
        self.is_judged() && self.worst() > BENCH_AT
    }

    /// Enough seen, and as good as promised?
    pub fn keeps_the_promise(&self) -> bool {
        self.is_judged() && self.worst() < BACK_AT
    }

    /// Are there witnesses enough to conclude anything?
    pub const fn is_judged(&self) -> bool {
        self.witnesses as usize >= WITNESSES_MIN
    }

    fn worst(&self) -> f64 {
        self.short[0].max(self.short[1])
    }

    /// What falls short, with its numbers.
    pub fn words(&self) -> String {
        let errors = self.worst();
        if self.short[0] >= self.short[1] {
            let promised = self.promise.map_or(0.5, |promise| f64::from(promise.hit_low));
            let hit = self.hit.unwrap_or_default();
            return format!("hit={hit:.3} promised={promised:.3} errors={errors:.1} witnesses={}", self.witnesses);
        }
        let (realised, expected) = (self.realised_bps.unwrap_or_default(), self.expected_bps.unwrap_or_default());
        format!("moved={realised:.2}bp expected={expected:.2}bp errors={errors:.1} witnesses={}", self.witnesses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coin with seed.
    struct Dice(u64);
    impl Dice {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    const PROMISE: HorizonPromise = HorizonPromise { hit: 0.6, hit_low: 0.6, brier: 0.6, dead_zone: 0.2 };

    fn said(up: f32, move_bps: f32) -> HorizonForecast {
        HorizonForecast { horizon_s: 10, up, flat: 0.2, down: 0.8 - up, move_bps }
    }

    /// An answer a second about ten seconds of a walk whose steps follow the call with this probability.
    fn live(seed: u64, seconds: usize, right: f64, mut look: impl FnMut(&mut Score)) -> Score {
        let mut dice = Dice(seed);
        let mut steps = Vec::new();
        let mut calls = Vec::new();
        for _ in 0..seconds + 10 {
            let call = if dice.unit() < 0.5 { 1.0 } else { -1.0 };
            calls.push(call);
            steps.push(if dice.unit() < 0.5 { 1.0 } else { -1.0 });
        }
        let mut score = Score::new(10, Some(PROMISE));
        for second in 0..seconds {
            // What happens over the ten seconds is shared with the neighbours; the call knows its sign this often.
            let moved: f64 = steps[second..second + 10].iter().sum();
            let knows = dice.unit() < right;
            let up = (moved > 0.0) == knows;
            let answer = Resolved {
                at: Ts(second as i64 * 1_000_000_000),
                said: said(if up { 0.6 } else { 0.2 }, if up { 0.3 } else { -0.3 }),
                moved_bps: moved,
                usual_bps: 3.0,
            };
            if score.add(&answer) {
                look(&mut score);
            }
        }
        score
    }

    #[test]
    fn figures_are_what_happened() {
        let mut score = Score::new(1, Some(PROMISE));
        let one = |at: i64, up: f32, moved_bps: f64| Resolved {
            at: Ts(at * 2_000_000_000),
            said: HorizonForecast { horizon_s: 1, ..said(up, if up > 0.4 { 0.5 } else { -0.5 }) },
            moved_bps,
            usual_bps: 1.0,
        };
        assert!(!score.add(&one(0, 0.6, 2.0)));
        assert!(score.add(&one(1, 0.6, -1.0)) && score.add(&one(2, 0.2, -3.0)) && score.add(&one(3, 0.2, 0.0)));
        assert!(score.add(&one(4, 0.2, 0.0)));
        let figures = score.figures();
        assert_eq!((figures.answers, figures.witnesses), (4, 4));
        assert!((figures.hit.unwrap() - 2.0 / 3.0).abs() < 1e-9, "{figures:?}");
        assert!((figures.said.unwrap() - 0.75).abs() < 1e-6, "0.6 of 0.8");
        // Up .6/.2/.2 and up came; up and down came; down and down came; down and nothing came.
        let brier = [0.24, 1.04, 0.24, 1.04].iter().sum::<f64>() / 4.0;
        assert!((figures.brier.unwrap() - brier).abs() < 1e-6, "{figures:?}");
        assert!((figures.expected_bps.unwrap() - 0.5).abs() < 1e-9);
        assert!((figures.realised_bps.unwrap() - 1.0).abs() < 1e-9, "2 - 1 + 3 + 0 over four");
        assert!(!figures.falls_short() && !figures.is_judged());
    }

    #[test]
    fn an_honest_model_stays_and_a_bad_one_is_found() {
        let (mut looks, mut benched) = (0, 0);
        for seed in 0..60 {
            live(seed, 4_000, 0.6, |score| {
                looks += 1;
                benched += u32::from(score.figures().falls_short());
            });
        }
        assert!(looks > 10_000, "{looks}");
        assert_eq!(benched, 0, "of {looks} looks at models that keep their promise");
        let found = (0..60).filter(|seed| live(*seed, 4_000, 0.45, |_| ()).figures().falls_short()).count();
        assert!(found >= 55, "{found} of 60 that hit 45 % where 60 % was promised");
    }

    #[test]
    fn the_window_forgets_exactly() {
        let mut old = live(3, 40, 0.1, |_| ());
        let fresh = live(3, 10_000, 0.6, |score| {
            old = score.clone();
        });
        assert_eq!(fresh.witnesses(), WITNESSES_MAX);
        let mut anew = Score::new(10, Some(PROMISE));
        for sums in &fresh.closed {
            anew.close(*sums);
        }
        let (long, short) = (fresh.figures(), anew.figures());
        assert!((long.short[0] - short.short[0]).abs() < 1e-6 && (long.short[1] - short.short[1]).abs() < 1e-6);
        assert_eq!((long.answers, long.witnesses), (short.answers, short.witnesses));
    }

    #[test]
    fn equal_odds_and_no_moves_conclude_nothing() {
        let mut score = Score::new(1, None);
        for second in 0..1_000 {
            let said = HorizonForecast { horizon_s: 1, up: 0.4, flat: 0.2, down: 0.4, move_bps: 0.0 };
            score.add(&Resolved { at: Ts(second * 1_000_000_000), said, moved_bps: 0.0, usual_bps: 0.0 });
        }
        let figures = score.figures();
        assert_eq!((figures.hit, figures.short), (None, [0.0; 2]));
        assert!(figures.is_judged() && !figures.falls_short());
    }
}
