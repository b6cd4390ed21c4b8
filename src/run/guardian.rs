//! The guardian: a thread of its own with a client of its own that does the first step of a kill at once, beside the engine
//! and past every queue, and takes the closing over where the engine is stuck, gone or cut off. It shares no lock with the
//! engine that the engine could hold for longer than a copy takes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{Receiver, channel};
use tokio::task::JoinHandle;

use super::pulse::{Life, Pulse};
use crate::engine::ids::Pair;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::snapshot::StateWord;
use crate::engine::time::Ts;
use crate::gate::Gate;
use crate::ledger::Reader;
use crate::tui::link::Board;
use crate::venue::bybit::rescue::{Ending, Receipt, Rescue, RescueOptions, Whose};
use crate::venue::line::Now;

/// How often it looks at the engine when nobody rings.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// An engine without a beat for so long is silent: whatever it was to do is done here.
const SILENT_AFTER: Duration = Duration::from_secs(2);
/// An account out of reach for so long while something is to be closed: REST is tried from here.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);
/// What the engine has not made durable by then, the marker holds.
const LATCH_WITHIN: Duration = Duration::from_secs(1);
/// Connection and clock are kept fresh this often: the first cancel of a kill must not wait for either.
const WARM_EVERY: Duration = Duration::from_secs(20);
/// A guardian that leaves waits no longer for the marker of a latch.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);
/// Longest step of one kind before it begins anew.
const STEP_MAX: Duration = Duration::from_secs(600);

/// What a guardian is made of.
pub struct GuardianOptions {
    /// The gate that rings it.
    pub gate: Gate,
    /// The engine's signs of life.
    pub pulse: Pulse,
    /// Where its receipt is shown.
    pub board: Board,
    /// The way to the account at a venue; `None` for the paper account, which has no orders outside this process.
    pub rescue: Option<RescueOptions>,
    /// The ledger beside which the latch marker lies.
    pub latch_beside: Option<(PathBuf, Pair)>,
    /// The run's clock.
    pub now: Now,
}

/// What it has done, for whoever asks.
#[derive(Clone, Default)]
pub struct Report(Arc<Mutex<Done>>);

/// Its results so far.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Does it have a venue to ask at all?
    pub has_venue: bool,
    /// Kills whose first step ended with the venue listing no opening order.
    pub kills: u64,
    /// Whether the death of the engine's thread was answered by a first step that left no opening order.
    pub death: bool,
    /// Second steps that were proven, here or by the engine, or that a lifted latch has put an end to.
    pub closes: u64,
    /// Second steps that were proven here.
    pub proven: u64,
    /// Flattens that were proven here.
    pub flattens: u64,
    /// Something is to be closed here, and flat is not proven yet.
    pub closing: bool,
    /// When it proved flat itself what the engine's close loop is about.
    pub flat: Option<Ts>,
    /// What is left, in words.
    pub left: Vec<String>,
    /// Its steps.
    pub receipt: Vec<String>,
}

impl Report {
    /// A copy of the results.
    pub fn get(&self) -> Done {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn change(&self, change: impl FnOnce(&mut Done)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
    /// Waits until the death of the engine's thread was answered, for at most this long.
    pub fn await_death(&self, within: Duration) {
        wait_while(within, || self.get().has_venue && !self.get().death);
    }
    /// Waits until nothing is to be closed here any more, for at most this long. What is left then, in words; `None` where
    /// everything that was asked for is proven.
    pub fn await_closing(&self, within: Duration) -> Option<String> {
        // What was asked for a moment ago is taken up with the next look.
        wait_while(LOOK_EVERY * 2, || self.get().has_venue && !self.get().closing);
        wait_while(within, || self.get().closing);
        let done = self.get();
        let left = || if done.left.is_empty() { "nothing known".to_owned() } else { done.left.join("; ") };
        done.closing.then(left)
    }
}

fn wait_while(within: Duration, waits: impl Fn() -> bool) {
    let began = Instant::now();
    while waits() && began.elapsed() < within {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

struct Guardian {
    options: GuardianOptions,
    rescue: Option<Rescue>,
    report: Report,
    /// Kills whose first step has been done, and whose latch has been looked after. Those of runs before this one on the
    /// same gate were of other accounts.
    stepped: AtomicU64,
    latched: AtomicU64,
    /// Flattens that need nothing from here: the engine has taken them up, or they are proven, or were asked of a run
    /// before this one.
    flattened: AtomicU64,
}

/// What is to be closed here.
struct Closing {
    /// The second steps and flattens that it answers.
    closes: u64,
    flattens: u64,
    why: &'static str,
    scope: Arc<BTreeSet<String>>,
}

/// Starts the guardian. It ends when the run ends in order, or with the process.
pub fn start(mut options: GuardianOptions) -> std::io::Result<Report> {
    let report = Report::default();
    let rescue = options.rescue.take().map(Rescue::new).transpose().map_err(std::io::Error::other)?;
    let rescue = rescue.map(|rescue| rescue.beside(options.gate.clone()));
    let (kills, closes) = (options.gate.kills(), options.gate.closes());
    let flattens = options.board.flattens().count();
    report.change(|done| {
        *done = Done { has_venue: rescue.is_some(), kills, closes, proven: closes, flattens, ..Done::default() };
    });
    options.board.report(Vec::new());
    if let Some((path, _)) = options.latch_beside.as_ref().filter(|_| rescue.is_some())
        && let Ok(unsettled) = Reader::open(path).and_then(|ledger| ledger.unsettled())
    {
        options.pulse.restored(unsettled.into_iter().collect());
    }
    let guardian = Arc::new(Guardian {
        options,
        rescue,
        report: report.clone(),
        stepped: kills.into(),
        latched: kills.into(),
        flattened: flattens.into(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = move || runtime.block_on(guardian.watch());
    std::thread::Builder::new().name("guardian".into()).spawn(watch)?;
    Ok(report)
}

/// Looks after a latch; then the marker is being written, if one is needed.
type Latching = JoinHandle<Option<Receiver<()>>>;

/// Is there room for another task of this kind?
fn free<T>(task: Option<&JoinHandle<T>>) -> bool {
    task.is_none_or(JoinHandle::is_finished)
}

/// What of the requests so far has been begun.
#[derive(Default)]
struct Begun {
    step: Option<JoinHandle<()>>,
    latch: Option<Latching>,
    cut_off: Option<Instant>,
    warmed: Option<Instant>,
    /// The gate is shut for an engine that died.
    shut: bool,
}

impl Guardian {
    async fn watch(self: Arc<Self>) {
        let (gate, pulse) = (&self.options.gate, &self.options.pulse);
        let mut begun = Begun::default();
        let mut closing = None;
        loop {
            if pulse.life() == Life::Leaving {
                // The next run's guardian may wait for what this one was woken by.
                gate.ring();
                return self.clone().leave(begun.latch).await;
            }
            // A key that is held down asks again and again: one step of each kind runs, and heeds the last.
            let kills = gate.kills();
            let dead = pulse.life() == Life::Dead && !self.report.get().death;
            if dead && !begun.shut {
                // What it decided last may still wait for its turn somewhere.
                gate.shut();
                begun.shut = true;
            }
            if free(begun.step.as_ref())
                && self.rescue.is_some()
                && (kills > self.stepped.load(Ordering::SeqCst) || dead)
            {
                begun.step = Some(tokio::spawn(self.clone().first_step()));
            }
            if free(begun.latch.as_ref()) && kills > self.latched.load(Ordering::SeqCst) {
                begun.latch = Some(tokio::spawn(self.clone().latch_soon()));
            }
            if free(closing.as_ref()) {
                let must = self.must_close(&mut begun);
                self.report.change(|done| done.closing = must.is_some());
                closing = must.map(|must| tokio::spawn(self.clone().second_step(must)));
            }
            self.warm(&mut begun);
            tokio::select! {
                () = gate.rung() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn warm(self: &Arc<Self>, begun: &mut Begun) {
        if self.rescue.is_none() || begun.warmed.is_some_and(|at| at.elapsed() < WARM_EVERY) {
            return;
        }
        begun.warmed = Some(Instant::now());
        let guardian = self.clone();
        tokio::spawn(async move {
            if let Some(rescue) = &guardian.rescue {
                // Not reached: the step that matters says what that means.
                rescue.keep_warm().await.ok();
            }
        });
    }

    /// Is something to be closed that the engine does not close?
    fn must_close(&self, begun: &mut Begun) -> Option<Closing> {
        let (gate, pulse, board) = (&self.options.gate, &self.options.pulse, &self.options.board);
        self.rescue.as_ref()?;
        let (closes, flattens) = (gate.closes(), board.flattens());
        self.forget_what_is_over(closes);
        let asked = closes > self.report.get().closes;
        let flatten = flattens.since(self.flattened.load(Ordering::SeqCst));
        let loops = pulse.closing().filter(|scope| !scope.is_empty() && self.report.get().flat.is_none());
        let anything = asked || !flatten.is_empty() || loops.is_some();
        if !pulse.is_unreachable() || pulse.is_proven() {
            begun.cut_off = None;
        } else if anything {
            begun.cut_off.get_or_insert_with(Instant::now);
        }
        let why = if pulse.life() == Life::Dead {
            "the engine has fallen over"
        } else if pulse.age().is_some_and(|age| age > SILENT_AFTER) {
            "the engine is silent"
        } else if asked && board.close_is_untaken() {
            "the engine's queue did not take it"
        } else if loops.is_some() && pulse.is_refused() {
            "the exchange refuses the engine's closing orders"
        } else if begun.cut_off.is_some_and(|since| since.elapsed() > CUT_OFF_AFTER) {
            "the engine's way to the account is cut"
        } else {
            return None;
        };
        let mut scope: BTreeSet<String> = loops.map_or_else(BTreeSet::new, |loops| (*loops).clone());
        if asked || !flatten.is_empty() {
            // Unknown yet is not nothing: the next look asks again.
            let ours = pulse.ours()?;
            let named =
                |name: &String| flatten.iter().any(|one| one.is_none_or(|one| pulse.name_of(one) == Some(name)));
            scope.extend(ours.iter().filter(|name| asked || named(name)).cloned());
        }
        let (flattens, scope) = (flattens.count(), Arc::new(scope));
        (!scope.is_empty()).then_some(Closing { closes, flattens, why, scope })
    }

    /// A second step that the engine has proven, or whose latch was lifted since, asks for nothing any more; and a proof is
    /// about the close loop that ran then, not about the next one. A flatten that the engine has heard is its close loop.
    fn forget_what_is_over(&self, closes: u64) {
        let pulse = &self.options.pulse;
        // Of a second step that its queue refused the engine has heard the number only: what it proved was something else.
        let proven = pulse.is_proven() && !self.options.board.close_is_untaken();
        let over = pulse.closes_heard() >= closes && (proven || !pulse.is_killed());
        let no_loop = pulse.life() != Life::Dead && pulse.closing().is_some_and(|scope| scope.is_empty());
        self.flattened.fetch_max(pulse.flattens_heard(), Ordering::SeqCst);
        self.report.change(|done| {
            if over {
                done.closes = done.closes.max(closes);
            }
            if no_loop {
                done.flat = None;
            }
        });
    }

    fn receipt(self: &Arc<Self>) -> Receipt {
        let guardian = self.clone();
        Receipt::new(
            self.options.now.clone(),
            Box::new(move |lines| {
                let lines: Vec<String> = lines.iter().map(|line| format!("guardian {line}")).collect();
                guardian.report.change(|done| done.receipt.clone_from(&lines));
                guardian.options.board.report(lines);
            }),
        )
    }

    /// Every order that can open is cancelled; what was on its way when the gate closed may arrive after a list was read, but
    /// not later than its window allows, so the list is read again then. A kill meanwhile begins it anew; one that a person
    /// has lifted ends it, for orders of since are wanted.
    async fn first_step(self: Arc<Self>) {
        let Some(rescue) = &self.rescue else { return };
        let (gate, pulse) = (&self.options.gate, &self.options.pulse);
        let mut receipt = self.receipt();
        loop {
            let (kills, death) = (gate.kills(), pulse.life() == Life::Dead);
            let whose = Whose::Ours(pulse.ours().unwrap_or_default());
            let lifted = || !death && pulse.kills_heard() >= kills && !pulse.is_killed();
            let mut ending = rescue.cancel_openings(&whose, STEP_MAX, &lifted, &mut receipt).await;
            if ending.no_openings {
                gate.killed_beyond(kills, rescue.in_flight()).await;
            }
            if gate.kills() != kills {
                continue;
            }
            if ending.no_openings {
                ending = rescue.cancel_openings(&whose, STEP_MAX, &lifted, &mut receipt).await;
            }
            self.report.change(|done| {
                if ending.no_openings {
                    done.kills = done.kills.max(kills);
                    done.death |= death;
                }
                done.left = ending.left;
            });
            // What was not reached is tried anew from the start: a network may be away for longer than one try takes.
            if ending.no_openings || lifted() {
                self.stepped.store(kills, Ordering::SeqCst);
            }
            if gate.kills() == kills {
                return;
            }
        }
    }

    /// Closes and proves.
    async fn second_step(self: Arc<Self>, must: Closing) {
        let Some(rescue) = &self.rescue else { return };
        let mut receipt = self.receipt();
        receipt.note(&format!("takes over: {}", must.why));
        let ending = rescue.close(&Whose::Ours(must.scope.clone()), STEP_MAX, &mut receipt).await;
        if ending.flat.is_some() {
            self.flattened.fetch_max(must.flattens, Ordering::SeqCst);
        }
        self.report.change(|done| {
            if ending.flat.is_some() {
                done.closes = done.closes.max(must.closes);
                done.proven = done.proven.max(must.closes);
                done.flattens = done.flattens.max(must.flattens);
                done.flat = ending.flat;
                done.closing = false;
            }
            done.left.clone_from(&ending.left);
        });
        self.show_flat(&ending, &must.scope);
    }

    /// The last picture of an engine that is gone still lists what was closed.
    fn show_flat(&self, ending: &Ending, scope: &BTreeSet<String>) {
        let Some(at) = ending.flat else { return };
        self.options.board.change(|snapshot| {
            snapshot.positions.retain(|row| !scope.contains(&row.name));
            snapshot.state.open = u16::try_from(snapshot.positions.len()).unwrap_or(u16::MAX);
            snapshot.state.closing = false;
            snapshot.state.flat_proven = Some(at).filter(|_| ending.others.is_empty());
        });
    }

    /// The marker holds the latch that the engine has not made durable. Writing it may hang like any disk: on a thread of
    /// its own, and no other step waits for it.
    async fn latch_soon(self: Arc<Self>) -> Option<Receiver<()>> {
        let (pulse, kills) = (&self.options.pulse, self.options.gate.kills());
        tokio::time::sleep(LATCH_WITHIN).await;
        self.latched.store(kills, Ordering::SeqCst);
        // What it has heard of is its own: on the disk, on the way there, or lifted by a person since.
        let heard = pulse.kills_heard() >= kills;
        if heard && (pulse.is_durable() || !pulse.is_killed()) {
            return None;
        }
        let latch = Latch { cause: LatchCause::Killed(self.options.board.killed_how()), at: (self.options.now)() };
        let (done, written) = channel::<()>();
        if let Some((path, pair)) = self.options.latch_beside.clone() {
            let marked = latch.clone();
            let write = move || {
                drop(crate::ledger::mark_latched(&path, pair, &marked));
                drop(done);
            };
            // Without a marker the ledger's own row comes when its disk does; there is no third place.
            drop(std::thread::Builder::new().name("latch".into()).spawn(write));
        }
        if !heard {
            self.options.board.change(|snapshot| {
                snapshot.state.word = StateWord::Killed;
                snapshot.state.armed_until = None;
                let first = snapshot.state.latch.take().filter(Latch::is_kill);
                snapshot.state.latch = first.or(Some(latch));
            });
        }
        Some(written)
    }

    /// A kill just before the end is latched on the disk too. A disk that hangs holds nobody up for longer than a moment.
    async fn leave(self: Arc<Self>, begun: Option<Latching>) {
        let behind = self.options.gate.kills() > self.latched.load(Ordering::SeqCst);
        let latching = match begun {
            Some(latching) if !behind || !latching.is_finished() => latching,
            _ if behind => tokio::spawn(self.latch_soon()),
            _ => return,
        };
        let written = async {
            if let Ok(Some(written)) = latching.await {
                // Its end says that the thread has ended; nothing is ever sent.
                written.await.ok();
            }
        };
        // Too late: a driver whose ledger hangs as well says so.
        tokio::time::timeout(LEAVES_WITHIN, written).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::super::pulse::Heard;
    use super::super::pulse::tests::engine;
    use super::*;
    use crate::engine::ids::Account;
    use crate::engine::risk::state::LossTrip;
    use crate::ledger::marked;
    use crate::tui::link::link;

    const PAIR: Pair = Pair::bybit(Account::Testnet);

    /// A kill of an engine with this latch that has heard of so many kills. What the marker says then.
    fn latched(latch: Option<LatchCause>, heard: u64) -> Option<Latch> {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join(PAIR.ledger_name());
        let (_cockpit, end) = link();
        let (gate, pulse) = (end.gate(), Pulse::default());
        gate.kill();
        pulse.tell(
            &engine(true, latch.map(|cause| Latch { cause, at: Ts(1) })),
            0,
            Heard { kills: heard, ..Heard::default() },
        );
        let options = GuardianOptions {
            gate,
            pulse,
            board: end.board(),
            rescue: None,
            latch_beside: Some((ledger.clone(), PAIR)),
            now: Arc::new(|| Ts(9)),
        };
        let guardian = Arc::new(Guardian {
            options,
            rescue: None,
            report: Report::default(),
            stepped: 0.into(),
            latched: 0.into(),
            flattened: 0.into(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        if let Some(written) = runtime.block_on(guardian.latch_soon()) {
            // Its end says that it was written.
            written.blocking_recv().ok();
        }
        marked(&ledger, PAIR)
    }

    #[test]
    fn a_kill_that_the_engine_has_not_heard_is_marked_also_over_a_trip() {
        let trip = || LatchCause::Loss(LossTrip { limit: "x".into(), measured: "2".into(), allowed: "1".into() });
        assert!(latched(None, 0).is_some_and(|latch| latch.is_kill()));
        assert!(latched(Some(trip()), 0).is_some_and(|latch| latch.is_kill()), "a trip is no kill");
        assert_eq!(latched(None, 1), None, "heard, and lifted by a person since: it does not come back");
        assert_eq!(latched(Some(LatchCause::Killed("x".into())), 1), None, "on the disk already");
    }
}
