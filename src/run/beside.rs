//! The latch marker is looked at while the run goes on: a watchdog that fenced the account, or a `tickdeck kill` that got no
//! answer, may have written it beside an engine that is well and knows nothing of it. A thread of its own: a disk that hangs
//! holds up nothing else.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pulse::{Life, Pulse};
use crate::engine::ids::Pair;
use crate::engine::risk::state::Latch;
use crate::engine::time::Ts;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When a run was last seen latched itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Own {
    /// By whatever.
    pub latched: Option<Ts>,
    /// By a kill.
    pub killed: Option<Ts>,
}

/// A latch that lies beside a run that is not killed, for the engine's thread.
#[derive(Clone, Default)]
pub struct Beside(Arc<Mutex<Option<Latch>>>);

impl Beside {
    /// Looks beside this ledger until the run ends.
    pub fn watch(ledger: PathBuf, pair: Pair, pulse: Pulse) -> std::io::Result<Self> {
        let beside = Self::default();
        let finds = beside.clone();
        let look = move || {
            while pulse.life() == Life::Running {
                let found = crate::ledger::marked(&ledger, pair).filter(|_| !pulse.is_killed());
                *finds.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
                std::thread::park_timeout(LOOK_EVERY);
            }
        };
        std::thread::Builder::new().name("marker".into()).spawn(look)?;
        Ok(beside)
    }

    /// A latch that was set after the run was last latched itself, once: the marker of a latch that was lifted is on its way
    /// out. To a run that is tripped a kill is news. One that cannot be read has no time, and holds.
    pub(super) fn take(&self, own: Own) -> Option<Latch> {
        let found = self.0.try_lock().ok()?.take()?;
        let known = if found.is_kill() { own.killed } else { own.latched };
        let is_news = known.is_none_or(|known| found.at > known || found.at == Ts(0));
        is_news.then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::risk::state::LatchCause;

    fn takes(cause: LatchCause, at: i64, latched: Option<i64>, killed: Option<i64>) -> bool {
        let beside = Beside::default();
        *beside.0.lock().unwrap() = Some(Latch { cause, at: Ts(at) });
        let own = Own { latched: latched.map(Ts), killed: killed.map(Ts) };
        let taken = beside.take(own).is_some();
        assert!(beside.take(own).is_none(), "once");
        taken
    }

    #[test]
    fn what_was_marked_before_the_last_latch_was_lifted_is_no_news() {
        let fence = || LatchCause::Fault("fenced".into());
        assert!(takes(fence(), 5, None, None) && takes(fence(), 5, Some(4), None), "set beside it");
        assert!(!takes(fence(), 4, Some(4), None) && !takes(fence(), 3, Some(4), None), "its own, or lifted with it");
    }

    #[test]
    fn a_kill_is_news_to_a_run_that_is_tripped() {
        let kill = || LatchCause::Killed("tickdeck kill".into());
        assert!(takes(kill(), 5, Some(9), None) && takes(kill(), 5, Some(9), Some(4)));
        assert!(!takes(kill(), 5, Some(9), Some(5)), "its own");
        assert!(takes(kill(), 0, Some(9), Some(9)), "a marker that cannot be read");
    }
}
