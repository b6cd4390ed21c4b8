//! What those who watch a run from outside are shown: its newest picture, its counts, how long ago its engine turned. It stays
//! when one account follows another. Whoever looks takes copies of handles and never makes the engine wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pulse::Pulse;
use crate::metrics::{Reading, Tally};
use crate::tui::link::CockpitEnd;
use crate::venue::bybit::rest::SharedLimits;

/// Shared by the run, which tells, and whoever watches.
#[derive(Clone)]
pub struct Watch {
    cockpit: CockpitEnd,
    clock: crate::venue::line::Now,
    now: Arc<Mutex<Now>>,
}

/// The run that goes on now.
#[derive(Default)]
struct Now {
    pulse: Option<Pulse>,
    budgets: Option<SharedLimits>,
    tally: Option<Arc<Tally>>,
}

impl Watch {
    /// Nothing runs yet.
    pub(super) fn new(cockpit: CockpitEnd, clock: crate::venue::line::Now) -> Self {
        Self { cockpit, clock, now: Arc::default() }
    }

    /// A run begins: its signs of life, and the budgets of its exchange.
    pub(super) fn begin(&self, pulse: &Pulse, budgets: Option<SharedLimits>) {
        *self.lock() = Now { pulse: Some(pulse.clone()), budgets, tally: None };
    }

    /// What the run has counted so far.
    pub(super) fn tell(&self, tally: Tally) {
        let tally = Some(Arc::new(tally));
        self.lock().tally = tally;
    }

    /// How things stand.
    pub fn reading(&self) -> Reading {
        let (pulse, budgets, tally) = {
            let now = self.lock();
            (now.pulse.clone(), now.budgets.clone(), now.tally.clone())
        };
        let left = |limits: SharedLimits| limits.lock().unwrap_or_else(PoisonError::into_inner).left((self.clock)());
        Reading {
            snapshot: self.cockpit.newest(),
            tally,
            heartbeat: pulse.and_then(|pulse| pulse.age()),
            budgets: budgets.map(left).unwrap_or_default(),
            alerts: Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
