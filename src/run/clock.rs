//! The only place that reads clocks. Local time is anchored at start, goes on while the machine is suspended, and never goes
//! back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::time::{Span, Ts};
use crate::gate::Boot;

/// A clock that never goes back, and notices when the wall clock and it part ways (a stepped clock).
#[derive(Debug)]
pub struct Clock {
    anchor_wall: Ts,
    anchor: Boot,
    jumped: Span,
}

/// Wall and monotonic clock may differ by this much before it counts as a jump.
const JUMP_MIN: Span = Span::from_secs(2);

impl Clock {
    /// Anchored now.
    pub fn start() -> Self {
        Self { anchor_wall: wall(), anchor: Boot::now(), jumped: Span(0) }
    }
    /// Local time.
    pub fn now(&self) -> Ts {
        self.reader()()
    }
    /// The same time for other threads.
    pub fn reader(&self) -> impl Fn() -> Ts + Send + Sync + Copy + 'static {
        let (wall, anchor) = (self.anchor_wall, self.anchor);
        move || wall + Span(i64::try_from(anchor.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }
    /// The jump of the wall clock against this one since the last call, when there was one.
    pub fn take_jump(&mut self) -> Option<Span> {
        self.jump_at(wall(), self.now())
    }
    fn jump_at(&mut self, wall: Ts, now: Ts) -> Option<Span> {
        let apart = Span(wall.since(now).0);
        let new = Span(apart.0 - self.jumped.0);
        if new.0.abs() < JUMP_MIN.0 {
            return None;
        }
        self.jumped = apart;
        Some(new)
    }
}

/// The wall clock.
pub fn wall() -> Ts {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ts(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Sixteen bits that differ between two runs started in the same millisecond.
pub fn entropy() -> u16 {
    let nanos = wall().0 as u64;
    let pid = u64::from(std::process::id());
    ((nanos ^ (nanos >> 17) ^ pid.wrapping_mul(0x9E37_79B9)) & 0xFFFF) as u16
}

/// A stopwatch for health figures.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Started now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
    /// Time since the start.
    pub fn elapsed(self) -> Span {
        Span(i64::try_from(self.0.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_is_told_once_and_so_is_the_way_back() {
        let mut clock = Clock::start();
        let base = Ts::from_ms(1_763_800_000_000);
        let mut at = |wall_s: i64, now_s: i64| {
            clock
                .jump_at(base + Span::from_secs(wall_s), base + Span::from_secs(now_s))
                .map(|span| span.0 / 1_000_000_000)
        };
        assert_eq!(at(0, 0), None);
        assert_eq!(at(11, 10), None, "a second of drift is none");
        assert_eq!(at(3_620, 20), Some(3_600), "forward");
        assert_eq!(at(3_630, 30), None, "once");
        assert_eq!(at(40, 40), Some(-3_600), "back");
        assert_eq!(at(50, 50), None);
    }
}
