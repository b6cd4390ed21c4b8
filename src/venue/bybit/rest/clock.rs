//! The venue's clock as seen from here. A request is stamped a little in the past: a stamp 1000 ms ahead of the venue is
//! refused whatever the window (contract 0.3).

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::engine::time::{Span, Ts};

/// Stamps lie this far in the past at least.
const BEHIND_MIN: Span = Span::from_ms(50);
/// And never further than this, or the request's window would be eaten up.
const BEHIND_MAX: Span = Span::from_ms(500);

/// One question for the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Local time when it left.
    pub sent: Ts,
    /// The venue's time in the answer.
    pub venue: Ts,
    /// Local time when the answer came.
    pub heard: Ts,
}

/// The venue's clock minus ours, as the best of some probes tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offset {
    /// Venue minus local.
    pub ahead: Span,
    /// How far it may be off: half the round trip.
    pub within: Span,
}

/// The offset by the probe with the smallest round trip: its answer was under way for the shortest time.
pub fn best(probes: &[Probe]) -> Option<Offset> {
    let trip = |probe: &Probe| probe.heard.since(probe.sent);
    let probe = probes.iter().filter(|probe| trip(probe).0 >= 0).min_by_key(|probe| trip(probe))?;
    let half = Span(trip(probe).0 / 2);
    Some(Offset { ahead: probe.venue.since(probe.sent + half), within: half })
}

/// The last measurement, shared by everything that stamps.
#[derive(Debug, Default)]
pub struct VenueClock {
    ahead: AtomicI64,
    within: AtomicI64,
    known: AtomicBool,
}

impl VenueClock {
    /// Takes over a measurement.
    pub fn set(&self, offset: Offset) {
        self.ahead.store(offset.ahead.0, Ordering::Relaxed);
        self.within.store(offset.within.0, Ordering::Relaxed);
        self.known.store(true, Ordering::Release);
    }
    /// The last measurement; `None` before the first.
    pub fn offset(&self) -> Option<Offset> {
        self.known.load(Ordering::Acquire).then(|| Offset {
            ahead: Span(self.ahead.load(Ordering::Relaxed)),
            within: Span(self.within.load(Ordering::Relaxed)),
        })
    }
    /// The venue's time at local time `now`; ours where it was never measured.
    pub fn venue_time(&self, now: Ts) -> Ts {
        self.offset().map_or(now, |offset| now + offset.ahead)
    }
    /// Local time of a moment on the venue's clock.
    pub fn local_time(&self, venue: Ts) -> Ts {
        self.offset().map_or(venue, |offset| venue - offset.ahead)
    }
    /// The stamp of a request that leaves now, in ms.
    pub fn stamp(&self, now: Ts) -> i64 {
        let within = self.offset().map_or(BEHIND_MIN, |offset| offset.within);
        (self.venue_time(now) - Span(within.0.clamp(BEHIND_MIN.0, BEHIND_MAX.0))).as_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: i64) -> Ts {
        Ts::from_ms(ms)
    }

    #[test]
    fn the_shortest_round_trip_decides() {
        let slow = Probe { sent: ms(1_000), venue: ms(4_000), heard: ms(1_900) };
        let fast = Probe { sent: ms(2_000), venue: ms(3_530), heard: ms(2_060) };
        let backwards = Probe { sent: ms(9), venue: ms(9), heard: ms(8) };
        let offset = best(&[slow, fast, backwards]).unwrap();
        assert_eq!(offset, Offset { ahead: Span::from_ms(1_500), within: Span::from_ms(30) });
        assert_eq!(best(&[backwards]), None);
    }

    #[test]
    fn stamps_lie_a_little_in_the_past() {
        let clock = VenueClock::default();
        assert_eq!(clock.stamp(ms(10_000)), 9_950);
        clock.set(Offset { ahead: Span::from_ms(-2_000), within: Span::from_ms(120) });
        assert_eq!(clock.stamp(ms(10_000)), 7_880);
        clock.set(Offset { ahead: Span::from_ms(700), within: Span::from_secs(3) });
        assert_eq!(clock.stamp(ms(10_000)), 10_200);
        assert_eq!(clock.local_time(clock.venue_time(ms(5))), ms(5));
    }
}
