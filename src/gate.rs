//! The gate that every thread sees: one number that kill, disarm, trip and fencing raise. An order that opens carries the
//! number of its decision to the place where its bytes are written, and dies there when the number has moved on. No lock
//! and no queue is between the key and that place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// A moment on a clock that also counts while the machine is suspended or the process stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Boot(u64);

impl Boot {
    /// Now.
    #[cfg(target_os = "linux")]
    pub fn now() -> Self {
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let whole = u64::try_from(since.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
        Self(whole.saturating_add(u64::try_from(since.tv_nsec).unwrap_or(0)))
    }
    /// Now; elsewhere the clock of [`std::time::Instant`] is the best there is.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Self {
        static ANCHOR: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let since = ANCHOR.get_or_init(std::time::Instant::now).elapsed();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
    /// From nanoseconds since the machine started.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
    /// Nanoseconds since the machine started.
    pub const fn nanos(self) -> u64 {
        self.0
    }
    /// How long ago it was.
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }
}

/// A state of the gate. Two decisions with the same epoch have no closing between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Epoch(u64);

/// The gate of one run, shared by the screen, the driver, the guardian, the control socket and the venue's writers.
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    epoch: AtomicU64,
    /// When it was last shut, in nanoseconds of the boot clock; 0 before the first time.
    shut: AtomicU64,
    kills: AtomicU64,
    closes: AtomicU64,
    guarded: AtomicBool,
    bell: Notify,
    /// For whoever waits only as long as nothing more is killed.
    killed: Notify,
}

impl Gate {
    /// The state of now.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.0.epoch.load(Ordering::SeqCst))
    }
    /// Closes it for every opening order that was decided before now. Never blocks, never fails.
    pub fn shut(&self) -> Epoch {
        let epoch = Epoch(self.0.epoch.fetch_add(1, Ordering::SeqCst) + 1);
        self.0.shut.fetch_max(Boot::now().nanos(), Ordering::SeqCst);
        epoch
    }
    /// How long ago it was last shut; `None` where it never was.
    pub fn shut_for(&self) -> Option<Duration> {
        let shut = self.0.shut.load(Ordering::SeqCst);
        (shut > 0).then(|| Boot::from_nanos(shut).elapsed())
    }
    /// Kill, first step: closes the gate and wakes the guardian.
    pub fn kill(&self) {
        self.shut();
        self.0.kills.fetch_add(1, Ordering::SeqCst);
        self.0.bell.notify_one();
        self.0.killed.notify_waiters();
    }
    /// Kill, second step: everything is to be closed; the guardian sees to it where the engine does not.
    pub fn close(&self) {
        self.0.closes.fetch_add(1, Ordering::SeqCst);
        self.0.bell.notify_one();
    }
    /// Kills so far.
    pub fn kills(&self) -> u64 {
        self.0.kills.load(Ordering::SeqCst)
    }
    /// Until more than `known` kills were asked for, for at most so long. Any number may wait.
    pub async fn killed_beyond(&self, known: u64, within: Duration) {
        let asked = self.0.killed.notified();
        if self.kills() <= known {
            // Nobody asked in this time.
            tokio::time::timeout(within, asked).await.ok();
        }
    }
    /// Second steps asked so far.
    pub fn closes(&self) -> u64 {
        self.0.closes.load(Ordering::SeqCst)
    }
    /// Wakes the guardian for another reason.
    pub fn ring(&self) {
        self.0.bell.notify_one();
    }
    /// Until a kill or a close is asked for, or somebody rings. One waiter: the guardian.
    pub async fn rung(&self) {
        self.0.bell.notified().await;
    }
    /// The guardian closes positions now: the engine's own closing orders stay back, so that not two close the same.
    pub fn guard(&self, closing: bool) {
        self.0.guarded.store(closing, Ordering::SeqCst);
    }
    /// Does the guardian close positions now?
    pub fn is_guarded(&self) -> bool {
        self.0.guarded.load(Ordering::SeqCst)
    }
    /// What an order carries that was decided now, by an engine that knows of every closing up to `known`. An order that
    /// can only reduce passes any gate and grows no older than it is.
    pub fn pass(&self, known: Epoch, ttl: Duration, reduces: bool) -> Pass {
        Pass { gate: self.clone(), known, decided: Boot::now(), ttl, reduces }
    }
}

/// What an order carries from its decision to the place where its bytes are written.
#[derive(Clone)]
pub struct Pass {
    gate: Gate,
    known: Epoch,
    decided: Boot,
    ttl: Duration,
    reduces: bool,
}

impl Pass {
    /// Has the gate stayed as it was when the order was decided?
    pub fn stands(&self) -> bool {
        self.reduces || self.gate.epoch() == self.known
    }
    /// Why the order must not leave any more; `None` lets it go.
    pub fn refusal(&self) -> Option<&'static str> {
        if !self.stands() {
            return Some("the gate closed after it was decided: kill, disarm, trip or fencing");
        }
        let old = !self.reduces && self.decided.elapsed() > self.ttl;
        old.then_some("it waited too long for its turn")
    }
    /// The same, decided so much earlier.
    #[cfg(test)]
    pub fn aged(mut self, by: Duration) -> Self {
        self.decided = Boot(self.decided.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_millis(500);

    #[test]
    fn an_opening_order_dies_with_the_gate_it_was_decided_under() {
        let gate = Gate::default();
        let (opens, reduces) = (gate.pass(gate.epoch(), TTL, false), gate.pass(gate.epoch(), TTL, true));
        assert_eq!((opens.refusal(), reduces.refusal(), gate.shut_for()), (None, None, None));
        gate.kill();
        assert!(gate.shut_for().is_some());
        assert!(opens.refusal().unwrap().contains("kill"));
        assert_eq!(reduces.refusal(), None, "exits go on");
        assert_eq!(gate.pass(gate.epoch(), TTL, false).refusal(), None, "a later decision knows of it");
        assert_eq!((gate.kills(), gate.closes()), (1, 0));
    }

    #[test]
    fn an_engine_that_does_not_know_of_the_kill_sends_nothing() {
        let gate = Gate::default();
        let known = gate.epoch();
        gate.kill();
        // Decided after the kill, by an engine that has not heard of it.
        assert!(gate.pass(known, TTL, false).refusal().is_some());
    }

    #[test]
    fn an_old_opening_order_dies_and_a_reducing_one_does_not() {
        let gate = Gate::default();
        let old = |reduces| gate.pass(gate.epoch(), TTL, reduces).aged(TTL * 2);
        assert!(old(false).refusal().unwrap().contains("too long"));
        assert!(old(false).stands(), "age is for the last look only");
        assert_eq!(old(true).refusal(), None);
    }

    #[tokio::test]
    async fn whoever_waits_for_another_kill_wakes_with_it() {
        let (gate, long) = (Gate::default(), Duration::from_secs(3_600));
        gate.killed_beyond(0, Duration::from_millis(1)).await;
        assert_eq!(gate.kills(), 0, "nobody kills, and the wait is over");
        let waits = || {
            let gate = gate.clone();
            tokio::spawn(async move { gate.killed_beyond(0, long).await })
        };
        let (first, second) = (waits(), waits());
        tokio::task::yield_now().await;
        gate.kill();
        let woken = async { (first.await.unwrap(), second.await.unwrap()) };
        assert!(tokio::time::timeout(Duration::from_secs(60), woken).await.is_ok());
        gate.killed_beyond(0, long).await;
        assert_eq!(gate.kills(), 1, "one of before is no wait");
    }
}
