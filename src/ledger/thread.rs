//! The thread that writes the ledger: takes jobs without making anyone wait, commits them in groups, answers which
//! intents are durable.
//!
//! A disk that fails for a while loses nothing but the intents of that moment, which are reported unsent: records are
//! kept and tried again. Rows that can never be stored are reported once and dropped.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Committed, Job, Ledger, LedgerError};
use crate::engine::ids::OrderSeq;

/// Jobs that may wait at once. A commit takes milliseconds and a busy engine makes some dozens of rows a second: a full
/// queue means a disk that stood still for minutes.
pub const JOBS_MAX: usize = 4096;
/// Jobs in one transaction: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 512;
/// How soon a failing disk is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long the idle thread sleeps; a job wakes it at once.
const IDLE: Duration = Duration::from_secs(3600);

/// What the ledger thread tells the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerReply {
    /// These orders' intents are durable: they may be sent.
    Committed(Vec<OrderSeq>),
    /// The ledger could not store everything, or what it stored does not add up. The engine must stop opening.
    Failed {
        /// What happened, for the person.
        why: String,
        /// Orders whose intents did not become durable, or must not be trusted: they are never sent.
        unsent: Vec<OrderSeq>,
    },
}

/// A job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The disk cannot keep up.
    #[error("the ledger's queue is full: {JOBS_MAX} rows wait for the disk")]
    Full,
    /// The thread is gone.
    #[error("the ledger's thread has ended")]
    Gone,
}

/// Where batches become durable: the ledger, and a disk that fails when told to.
pub trait Store {
    /// Makes a batch durable: all of it or, on an error, none of it.
    fn commit(&mut self, batch: &[Job]) -> Result<Committed, LedgerError>;
}

impl Store for Ledger {
    fn commit(&mut self, batch: &[Job]) -> Result<Committed, LedgerError> {
        Self::commit(self, batch)
    }
}

/// The driver's handle.
#[derive(Debug)]
pub struct LedgerThread {
    jobs: SyncSender<Job>,
    progress: Arc<Progress>,
    /// `None` where somebody else turns the writer.
    thread: Option<JoinHandle<Ledger>>,
}

/// Jobs taken and not yet stored or given up.
#[derive(Debug, Default)]
struct Progress {
    waiting: Mutex<usize>,
    moved: Condvar,
}

impl Progress {
    fn add(&self, count: usize) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) += count;
    }
    fn done(&self, count: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.saturating_sub(count);
        self.moved.notify_all();
    }
}

impl LedgerThread {
    /// Starts the thread. A full `on_reply` never blocks it: replies wait inside, in order.
    pub fn spawn(ledger: Ledger, on_reply: SyncSender<LedgerReply>) -> Result<Self, LedgerError> {
        let (handle, writer) = Self::over(ledger, on_reply);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| LedgerError::File(format!("the ledger's thread could not start: {error}")))?;
        Ok(Self { thread: Some(thread), ..handle })
    }

    /// The handle and the writer behind it, for whoever turns the writer.
    pub fn over<S: Store>(store: S, on_reply: SyncSender<LedgerReply>) -> (Self, Writer<S>) {
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        let progress = Arc::new(Progress::default());
        let writer = Writer {
            store,
            jobs: waiting,
            replies: on_reply,
            backlog: VecDeque::new(),
            kept: Vec::new(),
            failing: false,
            settled: 0,
            progress: progress.clone(),
        };
        (Self { jobs, progress, thread: None }, writer)
    }

    /// Hands a job over. Never blocks.
    pub fn push(&self, job: Job) -> Result<(), PushError> {
        self.progress.add(1);
        self.jobs.try_send(job).map_err(|error| {
            self.progress.done(1);
            match error {
                TrySendError::Full(_) => PushError::Full,
                TrySendError::Disconnected(_) => PushError::Gone,
            }
        })
    }

    /// Jobs that are not durable yet.
    pub fn depth(&self) -> usize {
        *self.progress.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything pushed so far is durable or given up, at most this long. Says whether it is.
    pub fn flush(&self, wait: Duration) -> bool {
        let waiting = self.progress.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, _) = self
            .progress
            .moved
            .wait_timeout_while(waiting, wait, |count| *count > 0)
            .unwrap_or_else(PoisonError::into_inner);
        *waiting == 0
    }

    /// Ends the thread and gives the ledger back. `None` when the disk did not take the rest within `wait`: the thread
    /// is left to it, because an exit must not hang on storage.
    pub fn finish(self, wait: Duration) -> Option<Ledger> {
        let flushed = self.flush(wait);
        drop(self.jobs);
        self.thread.filter(|_| flushed)?.join().ok()
    }
}

/// The writing side.
#[derive(Debug)]
pub struct Writer<S> {
    store: S,
    jobs: Receiver<Job>,
    replies: SyncSender<LedgerReply>,
    /// Replies the driver has not taken yet.
    backlog: VecDeque<LedgerReply>,
    /// Records a failing disk did not take yet, oldest first.
    kept: Vec<Job>,
    failing: bool,
    /// Jobs settled in this round; told to waiters only after the replies about them are out.
    settled: usize,
    progress: Arc<Progress>,
}

impl<S: Store> Writer<S> {
    fn run(mut self) -> S {
        loop {
            let idle = self.kept.is_empty() && self.backlog.is_empty();
            if !self.turn(if idle { IDLE } else { RETRY }) {
                return self.store;
            }
        }
    }

    /// One round: waits at most this long for a job, stores it with what else is there, and answers. `false` when nobody
    /// hands jobs over any more.
    pub fn turn(&mut self, wait: Duration) -> bool {
        let (batch, open) = self.collect(wait);
        if !batch.is_empty() {
            self.commit(batch);
        }
        self.reply();
        self.progress.done(std::mem::take(&mut self.settled));
        open
    }

    /// The store, to look at.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The store, to change.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The store; what was not stored is lost.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Waits for a job and takes what else is there. Kept records come first, so order is never lost.
    fn collect(&mut self, wait: Duration) -> (Vec<Job>, bool) {
        let mut batch = std::mem::take(&mut self.kept);
        if batch.len() >= JOBS_MAX {
            // The disk is gone for long: let the queue fill up, so that the driver sees it.
            std::thread::park_timeout(wait);
            return (batch, true);
        }
        match self.jobs.recv_timeout(wait) {
            Ok(job) => batch.push(job),
            Err(RecvTimeoutError::Timeout) => return (batch, true),
            Err(RecvTimeoutError::Disconnected) => return (batch, false),
        }
        while batch.len() < BATCH_MAX {
            match self.jobs.try_recv() {
                Ok(job) => batch.push(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return (batch, false),
            }
        }
        (batch, true)
    }

    fn commit(&mut self, batch: Vec<Job>) {
        match self.store.commit(&batch) {
            Ok(done) => self.stored(batch.len(), done),
            Err(error) if error.is_passing() => self.keep(batch, &error),
            Err(error) if batch.len() == 1 => self.give_up(&batch, &error),
            // One row spoils the group: find it.
            Err(_) => batch.into_iter().for_each(|job| self.commit_one(job)),
        }
    }

    fn commit_one(&mut self, job: Job) {
        if !self.kept.is_empty() {
            return self.keep(vec![job], &LedgerError::File("an earlier row waits for the disk".to_owned()));
        }
        self.commit(vec![job]);
    }

    fn stored(&mut self, count: usize, done: Committed) {
        self.failing = false;
        self.settled += count;
        if !done.troubles.is_empty() {
            self.backlog.push_back(LedgerReply::Failed { why: done.troubles.join("; "), unsent: done.intents });
        } else if !done.intents.is_empty() {
            self.backlog.push_back(LedgerReply::Committed(done.intents));
        }
    }

    /// Keeps records for the next try. Intents are given up: an order is sent at once or never.
    fn keep(&mut self, batch: Vec<Job>, error: &LedgerError) {
        let (intents, records): (Vec<Job>, Vec<Job>) =
            batch.into_iter().partition(|job| matches!(job, Job::Intent { .. }));
        self.kept.extend(records);
        self.settled += intents.len();
        if !self.failing || !intents.is_empty() {
            self.backlog.push_back(LedgerReply::Failed { why: error.to_string(), unsent: orders(&intents) });
        }
        self.failing = true;
    }

    fn give_up(&mut self, batch: &[Job], error: &LedgerError) {
        self.settled += batch.len();
        self.backlog.push_back(LedgerReply::Failed { why: error.to_string(), unsent: orders(batch) });
    }

    fn reply(&mut self) {
        while let Some(reply) = self.backlog.pop_front() {
            match self.replies.try_send(reply) {
                Ok(()) => {}
                Err(TrySendError::Full(reply)) => return self.backlog.push_front(reply),
                // Nobody listens any more; the rows still matter.
                Err(TrySendError::Disconnected(_)) => self.backlog.clear(),
            }
        }
    }
}

fn orders(jobs: &[Job]) -> Vec<OrderSeq> {
    jobs.iter()
        .filter_map(|job| match job {
            Job::Intent { order, .. } => Some(order.seq),
            Job::Record { .. } | Job::Shadow { .. } => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{NewOrder, Protection, Purpose, Record, TimeInForce};
    use crate::engine::ids::{Pair, RunId, Symbol};
    use crate::engine::market::instrument::Instrument;
    use crate::engine::num::{Money, Price, Qty, Side};
    use crate::engine::time::Ts;
    use crate::ledger::RunRow;
    use std::sync::mpsc::Receiver;

    const LONG: Duration = Duration::from_secs(20);

    fn intent(seq: u64) -> Job {
        let order = NewOrder {
            seq: OrderSeq(seq),
            symbol: Symbol(0),
            side: Side::Buy,
            qty: Qty::from_raw(1),
            price: Price::from_raw(1),
            tif: TimeInForce::PostOnly,
            reduce_only: false,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: Ts(1),
        };
        Job::Intent { at: Ts(1), order, link_id: format!("tp-r-{seq}") }
    }
    fn note(text: &str) -> Job {
        let record = Record::Operator { command: text.to_owned(), outcome: String::new() };
        Job::Record { at: Ts(2), record }
    }
    fn begun(mut ledger: Ledger) -> Ledger {
        let one = Price::from_raw(1);
        ledger.restore(&[Instrument::linear("BTCUSDT", one, Qty::from_raw(1))]).unwrap();
        let row = RunRow {
            run: RunId("r".into()),
            pair: Pair::SIMULATED,
            started: Ts(0),
            label: String::new(),
            version: String::new(),
            balance: Money::ZERO,
        };
        ledger.begin_run(&row).unwrap();
        ledger
    }
    fn start(ledger: Ledger, replies_max: usize) -> (LedgerThread, Receiver<LedgerReply>) {
        let (sender, receiver) = sync_channel(replies_max);
        (LedgerThread::spawn(ledger, sender).unwrap(), receiver)
    }
    fn commands(ledger: &Ledger) -> Vec<String> {
        let mut statement = ledger.connection.prepare("SELECT command FROM operators ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn intents_are_answered_in_order_even_when_nobody_listens_for_a_while() {
        let (thread, replies) = start(begun(Ledger::in_memory(Pair::SIMULATED).unwrap()), 1);
        for seq in 1..=300 {
            thread.push(intent(seq)).unwrap();
        }
        let mut durable = Vec::new();
        while durable.len() < 300 {
            match replies.recv_timeout(LONG).unwrap() {
                LedgerReply::Committed(orders) => durable.extend(orders),
                LedgerReply::Failed { why, .. } => panic!("{why}"),
            }
        }
        assert_eq!(durable, (1..=300).map(OrderSeq).collect::<Vec<_>>());
        assert!(thread.flush(LONG));
        assert_eq!(thread.depth(), 0);
        let ledger = thread.finish(LONG).unwrap();
        assert_eq!(ledger.connection.query_row("SELECT count(*) FROM intents", [], |r| r.get(0)), Ok(300_i64));
    }

    #[test]
    fn a_bad_row_is_reported_and_takes_nothing_with_it() {
        let (thread, replies) = start(begun(Ledger::in_memory(Pair::SIMULATED).unwrap()), 64);
        for job in [note("a"), intent(1), intent(1), note("b"), intent(2)] {
            thread.push(job).unwrap();
        }
        let ledger = thread.finish(LONG).unwrap();
        assert_eq!(commands(&ledger), ["a", "b"]);
        let replies: Vec<LedgerReply> = replies.try_iter().collect();
        let unsent: Vec<OrderSeq> = replies
            .iter()
            .flat_map(|reply| match reply {
                LedgerReply::Failed { unsent, .. } => unsent.clone(),
                LedgerReply::Committed(_) => Vec::new(),
            })
            .collect();
        assert_eq!(unsent, [OrderSeq(1)]);
        assert!(replies.iter().any(|r| matches!(r, LedgerReply::Committed(o) if o.contains(&OrderSeq(2)))));
    }

    #[test]
    fn a_disk_that_fails_for_a_while_delays_records_and_gives_up_intents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("simulated.sqlite");
        let ledger = begun(Ledger::open(&path, Pair::SIMULATED).unwrap());
        ledger.connection.busy_timeout(Duration::ZERO).unwrap();
        let blocker = rusqlite::Connection::open(&path).unwrap();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (thread, replies) = start(ledger, 64);
        thread.push(note("first")).unwrap();
        thread.push(intent(1)).unwrap();
        let mut unsent = Vec::new();
        while unsent.is_empty() {
            match replies.recv_timeout(LONG).unwrap() {
                LedgerReply::Failed { unsent: orders, .. } => unsent.extend(orders),
                LedgerReply::Committed(orders) => panic!("{orders:?} cannot be durable"),
            }
        }
        thread.push(note("second")).unwrap();
        assert!(thread.depth() > 0);
        blocker.execute_batch("COMMIT").unwrap();
        let ledger = thread.finish(LONG).unwrap();
        assert_eq!((unsent, commands(&ledger)), (vec![OrderSeq(1)], vec!["first".to_owned(), "second".to_owned()]));
    }
}
