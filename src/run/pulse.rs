//! Signs of life of the engine's thread, and what others must know of it when it is silent. Atomics and one small list that
//! nobody holds for longer than a copy takes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::ids::Symbol;
use crate::engine::risk::state::Latch;
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
    killed: AtomicBool,
    durable: AtomicBool,
    /// Working orders of the engine that can open.
    openings: AtomicU64,
    /// Kills, second steps and flattens that the engine has heard of.
    kills: AtomicU64,
    closes: AtomicU64,
    flattens: AtomicU64,
    proven: AtomicBool,
    unreachable: AtomicBool,
    refused: AtomicBool,
    /// Names of the instruments whose positions a close may touch; `None` until the engine has told.
    ours: Mutex<Option<Arc<BTreeSet<String>>>>,
    /// Names of what the running close loop is about; empty while none runs.
    closing: Mutex<Arc<BTreeSet<String>>>,
    /// Names of the run's instruments, in the order of their symbols.
    names: OnceLock<Vec<String>>,
    told: Mutex<Told>,
    /// Names of the instruments with an order of an earlier run whose end the ledger does not know.
    unsettled: OnceLock<BTreeSet<String>>,
}

/// How many kills, second steps and flattens the engine has heard of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// Kills of the gate.
    pub kills: u64,
    /// Second steps of the gate.
    pub closes: u64,
    /// Flattens of the board.
    pub flattens: u64,
}

/// What the names were last made from.
#[derive(Default, PartialEq, Eq)]
struct Told {
    released: BTreeSet<Symbol>,
    closing: BTreeSet<Symbol>,
    /// Before the account was first read: the instruments with a position in the ledger. Nothing else can be ours then but
    /// what earlier orders may have made.
    unread: Option<BTreeSet<Symbol>>,
}

impl Pulse {
    /// What the ledger says at the start of a run: instruments with an order whose end it does not know. Once.
    pub fn restored(&self, unsettled: BTreeSet<String>) {
        self.0.unsettled.get_or_init(|| unsettled);
    }
    /// The engine's thread is there.
    pub fn beat(&self) {
        self.0.beat.store(Boot::now().nanos(), Ordering::SeqCst);
    }
    /// Age of the last beat; `None` before the first.
    pub fn age(&self) -> Option<Duration> {
        let beat = self.0.beat.load(Ordering::SeqCst);
        (beat > 0).then(|| Boot::from_nanos(beat).elapsed())
    }
    /// Copies what others must know of the engine; `waiting` jobs have not reached its ledger yet, and it has done what
    /// was asked up to `heard`.
    pub fn tell(&self, engine: &Engine, waiting: usize, heard: Heard) {
        let shared = &self.0;
        let killed = engine.latch().is_some_and(Latch::is_kill);
        shared.killed.store(killed, Ordering::SeqCst);
        shared.durable.store(killed && waiting == 0, Ordering::SeqCst);
        shared.openings.store(engine.opening_orders() as u64, Ordering::SeqCst);
        shared.proven.store(engine.flat_proven().is_some() || engine.close_proven(), Ordering::SeqCst);
        shared.unreachable.store(engine.unreachable_since().is_some(), Ordering::SeqCst);
        shared.refused.store(engine.close_is_refused(), Ordering::SeqCst);
        shared.names.get_or_init(|| engine.instruments().iter().map(|rules| rules.name.clone()).collect());
        self.tell_scopes(engine);
        // Last: whoever sees these sees the rest as of them.
        shared.kills.store(heard.kills, Ordering::SeqCst);
        shared.closes.store(heard.closes, Ordering::SeqCst);
        shared.flattens.store(heard.flattens, Ordering::SeqCst);
    }

    fn tell_scopes(&self, engine: &Engine) {
        let shared = &self.0;
        let (Ok(mut told), Ok(mut ours), Ok(mut closing)) =
            (shared.told.try_lock(), shared.ours.try_lock(), shared.closing.try_lock())
        else {
            return;
        };
        let account = engine.account();
        let booked = || account.open().map(|held| held.symbol).collect::<BTreeSet<_>>();
        let now = Told {
            released: engine.released().clone(),
            closing: engine.close_scope().collect(),
            unread: (!account.is_known()).then(booked),
        };
        if ours.is_some() && *told == now {
            return;
        }
        let is_ours = |symbol: Symbol| {
            let earlier = || shared.unsettled.get().is_some_and(|names| names.contains(engine.name_of(symbol)));
            let may_be = now.unread.as_ref().is_none_or(|booked| booked.contains(&symbol) || earlier());
            may_be && !now.released.contains(&symbol)
        };
        let names = |wanted: &dyn Fn(Symbol) -> bool| {
            let symbols = engine.instruments().iter().zip(0..);
            let wanted = symbols.filter(|(_, place)| wanted(Symbol(*place)));
            Arc::new(wanted.map(|(rules, _)| rules.name.clone()).collect::<BTreeSet<String>>())
        };
        *ours = Some(names(&is_ours));
        *closing = names(&|symbol| now.closing.contains(&symbol) && is_ours(symbol));
        *told = now;
    }

    /// Names of the instruments whose positions a close may touch: of this run, and not released to the person; before the
    /// account was first read only those with a position in the ledger or an order without a known end. `None` before the
    /// engine has told, and where they cannot be read at once.
    pub fn ours(&self) -> Option<Arc<BTreeSet<String>>> {
        self.0.ours.try_lock().ok()?.clone()
    }
    /// Is the engine killed, as far as it has told? A trip is no kill: it lets go of other things.
    pub fn is_killed(&self) -> bool {
        self.0.killed.load(Ordering::SeqCst)
    }
    /// Is its kill on the disk?
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
    /// Flattens that it has heard of.
    pub fn flattens_heard(&self) -> u64 {
        self.0.flattens.load(Ordering::SeqCst)
    }
    /// Name of an instrument of the run; `None` before the engine has told.
    pub fn name_of(&self, symbol: Symbol) -> Option<&str> {
        self.0.names.get()?.get(symbol.index()).map(String::as_str)
    }
    /// The instrument of that name; `None` where the run has none, or has not told yet.
    pub fn symbol_of(&self, name: &str) -> Option<Symbol> {
        let place = self.0.names.get()?.iter().position(|known| known == name)?;
        u16::try_from(place).ok().map(Symbol)
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
    /// Does the venue refuse its closing orders?
    pub fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::SeqCst)
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
pub(super) mod tests {
    use super::*;
    use crate::engine::account::Holding;
    use crate::engine::event::Restored;
    use crate::engine::ids::{Account, Pair, RunId};
    use crate::engine::market::instrument::Instrument;
    use crate::engine::num::{Price, Qty};

    /// Four instruments: a position in the first and the last, which was released to the person.
    pub fn engine(account_known: bool, latch: Option<Latch>) -> Engine {
        let rules = |name: &str| Instrument::linear(name, Price::parse("0.1").unwrap(), Qty::parse("0.01").unwrap());
        let held = |symbol| Holding { signed: 1_000_000_000, ..Holding::flat(symbol) };
        let (run, pair) = (RunId::new(1_763_800_000_000, 1), Pair::bybit(Account::Testnet));
        Engine::new(&Restored {
            instruments: ["AUSDT", "BUSDT", "CUSDT", "DUSDT"].map(rules).to_vec(),
            latch,
            holdings: vec![held(Symbol(0)), held(Symbol(3))],
            released: vec![Symbol(3)],
            account_known,
            ..Restored::empty(run, pair)
        })
    }

    fn ours(pulse: &Pulse) -> Vec<String> {
        pulse.ours().unwrap().iter().cloned().collect()
    }

    #[test]
    fn before_the_account_was_read_only_what_the_ledger_knows_is_ours() {
        let pulse = Pulse::default();
        assert!(pulse.ours().is_none(), "not told yet is not empty");
        pulse.restored(["BUSDT".to_owned(), "DUSDT".to_owned()].into());
        pulse.tell(&engine(false, None), 0, Heard::default());
        assert_eq!(ours(&pulse), ["AUSDT", "BUSDT"]);
        pulse.tell(&engine(true, None), 0, Heard::default());
        assert_eq!(ours(&pulse), ["AUSDT", "BUSDT", "CUSDT"]);
        assert_eq!((pulse.name_of(Symbol(1)), pulse.name_of(Symbol(9))), (Some("BUSDT"), None));
        assert_eq!((pulse.symbol_of("CUSDT"), pulse.symbol_of("XUSDT")), (Some(Symbol(2)), None));
    }

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
