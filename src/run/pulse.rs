//! Signs of life of the engine's thread, and what others must know of it when it is silent. Atomics and one small list that
//! nobody holds for longer than a copy takes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::ids::Symbol;
use crate::gate::Boot;

/// Whether the engine's thread is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    /// It runs, or should.
    Running,
    /// It ends in order: nobody takes over.
    Leaving,
    /// It fell over.
    Dead,
}

/// Shared by the engine's thread (which beats), the guardian and whoever tells the watchdog.
#[derive(Clone, Default)]
pub struct Pulse(Arc<Shared>);

#[derive(Default)]
struct Shared {
    beat: AtomicU64,
    life: AtomicU8,
    latched: AtomicBool,
    durable: AtomicBool,
    /// Working orders of the engine that can open.
    openings: AtomicU64,
    /// Kills and second steps that the engine has heard of.
    kills: AtomicU64,
    closes: AtomicU64,
    proven: AtomicBool,
    unreachable: AtomicBool,
    /// Names of the instruments whose positions a close may touch.
    ours: Mutex<Arc<BTreeSet<String>>>,
    /// Names of what the running close loop is about; empty while none runs.
    closing: Mutex<Arc<BTreeSet<String>>>,
    told: Mutex<(BTreeSet<Symbol>, BTreeSet<Symbol>)>,
}

impl Pulse {
    /// The engine's thread is there.
    pub fn beat(&self) {
        self.0.beat.store(Boot::now().nanos(), Ordering::SeqCst);
    }
    /// Age of the last beat; `None` before the first.
    pub fn age(&self) -> Option<Duration> {
        let beat = self.0.beat.load(Ordering::SeqCst);
        (beat > 0).then(|| Boot::from_nanos(beat).elapsed())
    }
    /// Copies what others must know of the engine; `waiting` jobs have not reached its ledger yet, and it has heard of
    /// the gate's kills and closes up to `heard`.
    pub fn tell(&self, engine: &Engine, waiting: usize, heard: (u64, u64)) {
        let shared = &self.0;
        shared.latched.store(engine.latch().is_some(), Ordering::SeqCst);
        shared.durable.store(engine.latch().is_some() && waiting == 0, Ordering::SeqCst);
        shared.openings.store(engine.opening_orders() as u64, Ordering::SeqCst);
        shared.proven.store(engine.flat_proven().is_some() || engine.close_proven(), Ordering::SeqCst);
        shared.unreachable.store(engine.unreachable_since().is_some(), Ordering::SeqCst);
        self.tell_scopes(engine);
        // Last: whoever sees these sees the rest as of them.
        shared.kills.store(heard.0, Ordering::SeqCst);
        shared.closes.store(heard.1, Ordering::SeqCst);
    }

    fn tell_scopes(&self, engine: &Engine) {
        let shared = &self.0;
        let (Ok(mut told), Ok(mut ours), Ok(mut closing)) =
            (shared.told.try_lock(), shared.ours.try_lock(), shared.closing.try_lock())
        else {
            return;
        };
        let now = (engine.released().clone(), engine.close_scope().collect::<BTreeSet<_>>());
        if !ours.is_empty() && *told == now {
            return;
        }
        let names = |wanted: &dyn Fn(Symbol) -> bool| {
            let symbols = engine.instruments().iter().zip(0..);
            let wanted = symbols.filter(|(_, place)| wanted(Symbol(*place)));
            Arc::new(wanted.map(|(rules, _)| rules.name.clone()).collect::<BTreeSet<String>>())
        };
        *ours = names(&|symbol| !now.0.contains(&symbol));
        *closing = names(&|symbol| now.1.contains(&symbol));
        *told = now;
    }

    /// Names of the instruments whose positions a close may touch: of this run, and not released to the person. `None`
    /// where they cannot be read at once.
    pub fn ours(&self) -> Option<Arc<BTreeSet<String>>> {
        self.0.ours.try_lock().ok().map(|ours| ours.clone())
    }
    /// Is the engine latched, as far as it has told?
    pub fn is_latched(&self) -> bool {
        self.0.latched.load(Ordering::SeqCst)
    }
    /// Is its latch on the disk?
    pub fn is_durable(&self) -> bool {
        self.0.durable.load(Ordering::SeqCst)
    }
    /// Its working orders that can open.
    pub fn openings(&self) -> u64 {
        self.0.openings.load(Ordering::SeqCst)
    }
    /// Kills of the gate that it has heard of.
    pub fn kills_heard(&self) -> u64 {
        self.0.kills.load(Ordering::SeqCst)
    }
    /// Second steps that it has heard of.
    pub fn closes_heard(&self) -> u64 {
        self.0.closes.load(Ordering::SeqCst)
    }
    /// Names of what its close loop is about, empty while none runs; `None` where they cannot be read at once.
    pub fn closing(&self) -> Option<Arc<BTreeSet<String>>> {
        self.0.closing.try_lock().ok().map(|closing| closing.clone())
    }
    /// Has it proven flat, with nothing opened since?
    pub fn is_proven(&self) -> bool {
        self.0.proven.load(Ordering::SeqCst)
    }
    /// Is its account out of reach?
    pub fn is_unreachable(&self) -> bool {
        self.0.unreachable.load(Ordering::SeqCst)
    }
    /// The run ends in order.
    pub fn leaves(&self) {
        self.0.life.store(1, Ordering::SeqCst);
    }
    /// The engine's thread fell over.
    pub fn died(&self) {
        self.0.life.store(2, Ordering::SeqCst);
    }
    /// Is the engine's thread there?
    pub fn life(&self) -> Life {
        match self.0.life.load(Ordering::SeqCst) {
            0 => Life::Running,
            1 => Life::Leaving,
            _ => Life::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_says_what_it_was_told() {
        let pulse = Pulse::default();
        assert_eq!((pulse.age(), pulse.life()), (None, Life::Running));
        pulse.beat();
        assert!(pulse.age().is_some());
        pulse.leaves();
        assert_eq!(pulse.life(), Life::Leaving);
        pulse.died();
        assert_eq!(pulse.life(), Life::Dead);
    }
}
