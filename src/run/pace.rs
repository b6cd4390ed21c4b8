//! How a run's event time follows the clock: live, or at the speed of a replay.

use super::feed::Feed;
use super::session::{Session, State};
use crate::engine::time::{Span, Ts};
use crate::tui::link::PlaybackRequest;

/// A simulated or replayed market that fell further behind the clock than this lets the time in between pass unseen
/// instead of racing through it.
const BEHIND_MAX: Span = Span::from_secs(5);

/// How event time follows the clock.
pub enum Pace {
    /// Event time is the clock.
    Clock,
    /// Event time runs at `speed` from where it was anchored; 0 is paused.
    Replay {
        /// Times real time.
        speed: f64,
        /// Speed to go back to when unpaused.
        resume: f64,
        /// Event time at the anchor.
        from: Ts,
        /// Clock at the anchor.
        since: Ts,
    },
}

impl Session {
    /// Event time to advance to.
    pub(super) fn target(&mut self, state: &State) -> Ts {
        if let Some(seek) = state.seek {
            return seek;
        }
        let now = self.stage.clock.now();
        match &mut self.pace {
            Pace::Clock => now,
            Pace::Replay { speed, from, since, .. } => {
                let elapsed = now.since(*since).as_secs_f64() * *speed;
                let target = *from + Span((elapsed * 1e9) as i64);
                // A machine that cannot keep up with the speed plays as fast as it can instead of ever later.
                let reached = self.driver.now();
                if target.since(reached).0 as f64 > BEHIND_MAX.0 as f64 * speed.max(1.0) {
                    (*from, *since) = (reached, now);
                    return reached + Span(((BEHIND_MAX.0 as f64) * *speed) as i64);
                }
                target
            }
        }
    }

    pub(super) fn playback(&mut self, request: PlaybackRequest, state: &mut State) {
        let (reached, now) = (self.driver.now(), self.stage.clock.now());
        let Pace::Replay { speed, resume, from, since } = &mut self.pace else { return };
        (*from, *since) = (reached, now);
        match request {
            PlaybackRequest::TogglePause if *speed > 0.0 => *speed = 0.0,
            PlaybackRequest::TogglePause => *speed = *resume,
            PlaybackRequest::Speed(times) => {
                *resume = times.clamp(0.1, 1000.0);
                *speed = *resume;
            }
            PlaybackRequest::Step => {
                *speed = 0.0;
                if let Some(due) = self.driver.next_due() {
                    self.driver.advance(due, 1);
                    *from = self.driver.now();
                }
            }
            PlaybackRequest::Seek(part) => {
                if let Feed::Tape(tape) = self.driver.feed() {
                    state.seek = tape.time_at(part).filter(|target| *target > reached);
                }
            }
        }
        if let (Some(seek), Pace::Replay { from, .. }) = (state.seek, &mut self.pace) {
            *from = seek;
        }
    }

    /// A run that races through time it missed (the demo's prelude, a stopped process) makes events faster than any disk
    /// takes them: it waits for its tape. A run at its own pace never does.
    pub(super) fn must_let_the_tape_catch_up(&self, target: Ts) -> bool {
        let racing = target.since(self.driver.now()) > Span::from_secs(2);
        racing && self.driver.depths().1 > crate::tape::thread::QUEUE_MAX / 4
    }
}
