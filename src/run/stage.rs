//! What outlives a run: accounts follow each other while the screen, its line, the signals and the clock stay.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::clock::Clock;
use super::driver::Finished;
use super::live::Prepared;
use super::log::Log;
use super::session::Outcome;
use super::signals::{self, Signal};
use super::switch::Switch;
use super::watch::Watch;
use crate::alerts::{Bells, Light};
use crate::engine::time::Span;
use crate::tui::link::{CockpitEnd, EngineEnd, link};

/// What a run is shown and asked through.
pub struct Stage {
    /// The clock that events are stamped with.
    pub clock: Clock,
    /// The cockpit's end of the line.
    pub cockpit: CockpitEnd,
    /// The engine's end of the line.
    pub end: EngineEnd,
    /// Signals.
    pub signals: Receiver<Signal>,
    /// What becomes of what is open when it is told to go.
    pub departure: Departure,
    /// What those who watch from outside are shown.
    pub watch: Watch,
    /// How the alert channels stand.
    pub alerts: Light,
    /// The bell of its cockpits.
    pub bells: Bells,
    /// The log; silent until it is opened.
    pub log: Log,
}

/// How a run goes on without a person, by configuration: what becomes of what is open when it is told to go from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Departure {
    /// Does the engine go on without its terminal while anything is open?
    pub stays: bool,
    /// Does SIGTERM close what is open first?
    pub flattens: bool,
    /// Arming for longer than this counts as unattended, even at a cockpit.
    pub unattended_from: Option<Span>,
}

impl Stage {
    /// Nobody has looked or asked yet. A signal that kills does so on the thread that hears it.
    pub fn set(screen: bool, departure: Departure) -> std::io::Result<Self> {
        let (cockpit, end) = link();
        let (killer, wake) = (cockpit.clone(), cockpit.clone());
        let past = move |signal: Signal| {
            let kills = signal.kills(screen);
            if kills {
                killer.kill_by(&format!("by {}", signal.name()));
            }
            kills
        };
        let signals = signals::listen(past, move || wake.wake())?;
        let clock = Clock::start();
        let log = Log::default();
        let watch = Watch::new(cockpit.clone(), Arc::new(clock.reader()), log.clone());
        Ok(Self {
            clock,
            cockpit,
            end,
            signals,
            departure,
            watch,
            alerts: Light::default(),
            bells: Bells::default(),
            log,
        })
    }
}

/// What is left of a session.
pub struct Left {
    /// Why it ended.
    pub outcome: Outcome,
    /// The run.
    pub finished: Finished,
    /// For the next run.
    pub stage: Stage,
    /// The next run, where another account takes over, and the way on from it.
    pub next: Option<(Prepared, Switch)>,
}
