//! The mid over the last minute, one value per tenth of a second in which it changed: what returns and ranges read.

use std::collections::VecDeque;

use crate::engine::time::{Span, Ts};

/// Resolution of the path.
const STEP: Span = Span::from_ms(100);
/// Steps looked back: a little over the longest window of 60 s.
const STEPS: i64 = 610;

/// Mids by step, oldest first, each in force from its step until the next entry. At most one entry per step.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(VecDeque<(i64, f64)>);

impl Path {
    /// The mid is `mid` from `at` on.
    pub(super) fn set(&mut self, at: Ts, mid: f64) {
        let step = at.0.div_euclid(STEP.0);
        match self.0.back_mut() {
            Some(last) if last.0 >= step => last.1 = mid,
            _ => self.0.push_back((step, mid)),
        }
        // One entry older than the window stays: it is the mid in force at the window's start.
        while self.0.get(1).is_some_and(|second| second.0 <= step - STEPS) {
            self.0.pop_front();
        }
    }

    /// The mid as of `span` before `at`, to the step; the oldest known when the path is shorter.
    pub(super) fn back(&self, at: Ts, span: Span) -> Option<f64> {
        self.0.get(self.in_force(at, span)).map(|entry| entry.1)
    }

    /// Lowest and highest mid in force since `span` before `at`.
    pub(super) fn range(&self, at: Ts, span: Span) -> Option<(f64, f64)> {
        let mut mids = self.0.range(self.in_force(at, span)..).map(|entry| entry.1);
        let first = mids.next()?;
        Some(mids.fold((first, first), |(low, high), mid| (low.min(mid), high.max(mid))))
    }

    /// Index of the entry in force `span` before `at`; 0 when all are younger or there is none.
    fn in_force(&self, at: Ts, span: Span) -> usize {
        let step = (at - span).0.div_euclid(STEP.0);
        // An entry's value is final only once its step is over, hence the strict comparison.
        self.0.partition_point(|entry| entry.0 < step).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_back_finds_the_mid_in_force() {
        let mut path = Path::default();
        assert_eq!(path.back(Ts::from_ms(0), STEP), None);
        for (ms, mid) in [(0, 1.0), (50, 2.0), (900, 3.0), (2_000, 2.5)] {
            path.set(Ts::from_ms(ms), mid);
        }
        let back = |ms| path.back(Ts::from_ms(2_000), Span::from_ms(ms));
        assert_eq!((back(100), back(1_000), back(1_100), back(60_000)), (Some(3.0), Some(3.0), Some(2.0), Some(2.0)));
        assert_eq!(path.range(Ts::from_ms(2_000), Span::from_ms(500)), Some((2.5, 3.0)));
        assert_eq!(path.range(Ts::from_ms(2_000), Span::from_ms(1_500)), Some((2.0, 3.0)));
    }

    #[test]
    fn the_path_is_bounded() {
        let mut path = Path::default();
        for n in 0..100_000 {
            path.set(Ts::from_ms(n * 40), n as f64);
        }
        assert!(path.0.len() as i64 <= STEPS + 2, "{}", path.0.len());
        assert!(path.back(Ts::from_ms(99_999 * 40), Span::from_secs(60)).unwrap() <= 98_500.0);
    }
}
