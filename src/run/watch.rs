//! What those outside a run are shown: its newest picture, its counts, how long ago its engine turned; and how they ask it for
//! something. It stays when one account follows another. Whoever looks takes copies of handles and never makes the engine wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::attach::Guest;
use super::control::{Answer, Ask, ControlOptions, Verb, carry_out};
use super::log::Log;
use super::pulse::Pulse;
use super::refusals::Refusals;
use crate::gate::Boot;
use crate::metrics::{Reading, Tally};
use crate::tui::link::CockpitEnd;
use crate::venue::bybit::rest::SharedLimits;
use crate::venue::bybit::signs::Signs;

/// How a kill by remote control is named.
const BY_REMOTE: &str = "by Telegram";

/// An engine that keeps up draws a picture within this.
const DRAWN_WITHIN: Duration = Duration::from_secs(1);

/// Shared by the run, which tells, and whoever watches.
#[derive(Clone)]
pub struct Watch {
    cockpit: CockpitEnd,
    clock: crate::venue::line::Now,
    now: Arc<Mutex<Now>>,
    refusals: Refusals,
}

/// The run that goes on now.
#[derive(Default)]
struct Now {
    pulse: Option<Pulse>,
    since: Option<Boot>,
    budgets: Option<SharedLimits>,
    signs: Option<Signs>,
    tally: Option<Arc<Tally>>,
    control: Option<ControlOptions>,
}

impl Watch {
    /// Nothing runs yet.
    pub(super) fn new(cockpit: CockpitEnd, clock: crate::venue::line::Now, log: Log) -> Self {
        Self { cockpit, clock, now: Arc::default(), refusals: Refusals::logged(log) }
    }

    /// A run begins: its signs of life, and the budgets and sockets of its exchange.
    pub(super) fn begin(&self, pulse: &Pulse, exchange: Option<(SharedLimits, Signs)>) {
        let (budgets, signs) = exchange.unzip();
        let (pulse, since) = (Some(pulse.clone()), Some(Boot::now()));
        *self.lock() = Now { pulse, since, budgets, signs, tally: None, control: None };
    }

    /// The run can be asked for something.
    pub(super) fn may_be_asked(&self, control: ControlOptions) {
        self.lock().control = Some(control);
    }

    /// Asks the run that goes on now, as its socket does. A kill is heard also while one account follows another.
    pub fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        let control = self.lock().control.clone();
        match control {
            Some(control) => Ok(carry_out(ask, BY_REMOTE, &control)),
            None if matches!(ask.verb, Verb::Kill | Verb::KillClose) => {
                self.cockpit.kill_by(BY_REMOTE);
                Err("the gate is closed; no run is here that could say more".to_owned())
            }
            None => Err("no run can be asked now".to_owned()),
        }
    }

    /// How things stand now: an engine that keeps up draws a picture for it, of a silent one it is the last there was.
    pub fn look(&self) -> Reading {
        let seat = self.lock().control.as_ref().and_then(|control| control.seats.take(Guest::Glance));
        let drawn = seat.and_then(|seat| seat.next(DRAWN_WITHIN));
        let reading = self.reading();
        Reading { snapshot: drawn.or(reading.snapshot), ..reading }
    }

    /// What was refused at the door.
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// The log.
    pub fn log(&self) -> &Log {
        self.refusals.log()
    }

    /// What the run has counted so far.
    pub(super) fn tell(&self, tally: Tally) {
        let tally = Some(Arc::new(tally));
        self.lock().tally = tally;
    }

    /// How things stand.
    pub fn reading(&self) -> Reading {
        let (pulse, since, budgets, signs, tally) = {
            let now = self.lock();
            (now.pulse.clone(), now.since, now.budgets.clone(), now.signs.clone(), now.tally.clone())
        };
        let streams = signs.map(|signs| signs.read()).unwrap_or_default();
        let left = |limits: SharedLimits| limits.lock().unwrap_or_else(PoisonError::into_inner).left((self.clock)());
        Reading {
            snapshot: self.cockpit.newest(),
            tally,
            heartbeat: pulse.and_then(|pulse| pulse.age()),
            running: since.map(Boot::elapsed),
            streams: streams.into_iter().map(|sign| (sign.stream, sign.age, sign.lost)).collect(),
            budgets: budgets.map(left).unwrap_or_default(),
            alerts: Vec::new(),
            refused: self.refusals.all(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
