//! When a server that keeps failing is left alone: after three failures in a row for a second, then twice as long each time,
//! at most a minute. One question tries whether it is back.

use std::time::Duration;

/// Failures in a row that are taken as bad luck.
const PATIENCE: u32 = 3;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What is known of a server's health. Times count from any fixed moment.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    until: Duration,
    last: String,
}

impl Breaker {
    /// How often it failed, for how long it is still left alone, and why; `None` when it may be asked.
    pub(super) fn closed_until(&self, now: Duration) -> Option<(u32, Duration, String)> {
        let left = self.until.checked_sub(now).filter(|left| !left.is_zero())?;
        Some((self.failures, left, self.last.clone()))
    }

    /// It answered.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }

    /// It failed.
    pub(super) fn failed(&mut self, now: Duration, why: String) {
        self.failures = self.failures.saturating_add(1);
        self.last = why;
        if let Some(beyond) = self.failures.checked_sub(PATIENCE) {
            self.until = now + FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_server_is_left_alone_for_longer_each_time_and_forgiven_at_once() {
        let mut breaker = Breaker::default();
        let at = Duration::from_secs;
        for _ in 0..2 {
            breaker.failed(at(10), "no".into());
            assert_eq!(breaker.closed_until(at(10)), None);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            breaker.failed(at(100), "no".into());
            assert_eq!(breaker.closed_until(at(100)).map(|told| told.1), Some(at(seconds)));
            assert_eq!(breaker.closed_until(at(100 + seconds)), None, "one question tries it again");
        }
        assert_eq!(breaker.closed_until(at(101)).map(|told| (told.0, told.2)), Some((10, "no".into())));
        breaker.worked();
        assert_eq!(breaker.closed_until(at(101)), None);
    }
}
