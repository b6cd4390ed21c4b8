//! How much a model's call changes while its horizon is still running. A horizon is a span of time like a candle's: the
//! answer at its end is *closed*, every one before it is *forming* and may be gone when the span ends.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::engine::num::Side;
use crate::engine::time::{Span, Ts};

/// Time over which changes are counted.
const FLIPS_OVER: Span = Span::from_secs(300);
/// Changes kept: one a second.
const FLIPS_MAX: usize = 300;
/// Ended calls whose lifetimes are kept.
const LIVES_MAX: usize = 32;
/// Closed spans whose end is kept.
const SPANS_MAX: usize = 60;

/// Is the answer about features read at `at` the closed one of its span?
pub const fn is_closed(at: Ts, horizon_s: u32) -> bool {
    let horizon = Span::from_secs(horizon_s as i64).0;
    horizon <= 0 || at.0.rem_euclid(horizon) == 0
}

/// Follows the calls of one model about one instrument at one horizon. A call is a side that is probable enough to act
/// on, or none.
#[derive(Clone, Debug)]
pub struct Repaint {
    horizon_s: u32,
    first: Option<Ts>,
    call: Option<Side>,
    since: Ts,
    flips: VecDeque<Ts>,
    lives: VecDeque<Span>,
    /// First side that was called in the running span.
    forming: Option<Side>,
    /// Did the first call of each past span stand at its end?
    ends: VecDeque<bool>,
}

/// What a person is told of it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Steadiness {
    /// Is the last answer the closed one of its span?
    pub closed: bool,
    /// Changes of the call in a minute; `None` in the first minute.
    pub flips_per_min: Option<f64>,
    /// How long the call has stood; `None` where there is none.
    pub age: Option<Span>,
    /// Half of the last calls were gone after this long; `None` before four have ended.
    pub half_life: Option<Span>,
    /// Share of spans whose first call still stood at the end, and how many spans; `None` before the first.
    pub survived: Option<(f64, u32)>,
}

impl Repaint {
    /// Nothing called yet.
    pub fn new(horizon_s: u32) -> Self {
        Self {
            horizon_s,
            first: None,
            call: None,
            since: Ts(0),
            flips: VecDeque::new(),
            lives: VecDeque::new(),
            forming: None,
            ends: VecDeque::new(),
        }
    }

    /// Takes the call of the answer about features read at `at`.
    pub fn take(&mut self, at: Ts, call: Option<Side>) {
        let began = *self.first.get_or_insert(at);
        if call != self.call {
            if self.call.is_some() {
                keep(&mut self.lives, at.since(self.since), LIVES_MAX);
            }
            if at > began {
                keep(&mut self.flips, at, FLIPS_MAX);
            }
            (self.call, self.since) = (call, at);
        }
        while self.flips.front().is_some_and(|then| at.since(*then) > FLIPS_OVER) {
            self.flips.pop_front();
        }
        if is_closed(at, self.horizon_s) {
            if let Some(first) = self.forming.take() {
                keep(&mut self.ends, call == Some(first), SPANS_MAX);
            }
        } else {
            self.forming = self.forming.or(call);
        }
    }

    /// As of the answer at `at`.
    pub fn steadiness(&self, at: Ts, now: Ts) -> Steadiness {
        let watched = self.first.map_or(Span(0), |first| at.since(first)).min(FLIPS_OVER);
        let minutes = watched.as_secs_f64() / 60.0;
        let mut lives: Vec<Span> = self.lives.iter().copied().collect();
        lives.sort_unstable();
        let stood = self.ends.iter().filter(|stood| **stood).count();
        Steadiness {
            closed: is_closed(at, self.horizon_s),
            flips_per_min: (minutes >= 1.0).then(|| self.flips.len() as f64 / minutes),
            age: self.call.map(|_| now.since(self.since)),
            half_life: if lives.len() < 4 { None } else { lives.get(lives.len() / 2).copied() },
            survived: (!self.ends.is_empty()).then(|| (stood as f64 / self.ends.len() as f64, self.ends.len() as u32)),
        }
    }
}

fn keep<T>(list: &mut VecDeque<T>, one: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Option<Side> = Some(Side::Buy);
    const SHORT: Option<Side> = Some(Side::Sell);

    fn at(seconds: i64) -> Ts {
        Ts(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
    }

    #[test]
    fn an_answer_closes_its_span_at_multiples_of_the_horizon() {
        assert!(is_closed(at(0), 10) && is_closed(at(10), 10) && !is_closed(at(9), 10) && !is_closed(at(11), 10));
        assert!(is_closed(at(3), 1), "a horizon of one decision is always closed");
        assert!(!is_closed(Ts(at(3).0 + 250_000_000), 1));
    }

    #[test]
    fn a_call_that_is_gone_at_the_close_did_not_survive() {
        let mut repaint = Repaint::new(10);
        // Long at 3 s and gone at 10 s; short from 12 s on and still there at 20 s; nothing until 30 s.
        for second in 1..=30 {
            let call = match second {
                3..=6 => LONG,
                12..=22 => SHORT,
                _ => None,
            };
            repaint.take(at(second), call);
        }
        let found = repaint.steadiness(at(30), at(30));
        // The short that still stood at 22 s was the first call of the third span and gone at its end.
        assert_eq!(found.survived, Some((1.0 / 3.0, 3)));
        assert_eq!((found.age, found.half_life, found.flips_per_min), (None, None, None));
        assert!(found.closed);
    }

    #[test]
    fn flips_age_and_half_life_are_counted() {
        let mut repaint = Repaint::new(10);
        // Three seconds long, two seconds short, for two minutes.
        for second in 0..120 {
            repaint.take(at(second), if second % 5 < 3 { LONG } else { SHORT });
        }
        let found = repaint.steadiness(at(119), at(120));
        assert_eq!(found.age, Some(Span::from_secs(2)), "short since 118 s");
        assert_eq!(found.half_life, Some(Span::from_secs(3)));
        // 47 changes in 119 s.
        assert!((found.flips_per_min.unwrap() - 47.0 / 119.0 * 60.0).abs() < 1e-9, "{found:?}");
        // What stands for long is steady again.
        for second in 120..500 {
            repaint.take(at(second), LONG);
        }
        let later = repaint.steadiness(at(499), at(499));
        assert_eq!(later.flips_per_min, Some(0.0));
        assert_eq!(later.age, Some(Span::from_secs(379)));
    }
}
