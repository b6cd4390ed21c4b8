//! The driver: feeds events to the engine in one total order and executes its effects. Live pace, replay and backtest
//! differ only in who calls [`Driver::advance`] and with which time.
//!
//! Order at equal times: decision boundary, venue reports, model answers, market data. A boundary therefore always comes
//! before every event at or after it, which is what lets a replay put the ticks where the recorded run had them.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use super::decisions::DecisionLog;
use super::feed::Feed;
use super::inference::{Answer, Inference};
use super::shadow::Shadow;
use crate::engine::Engine;
use crate::engine::command::Command;
use crate::engine::effect::{Effect, Effects, NewOrder, Purpose, Record};
use crate::engine::event::{Event, Fault, Hold, OrderNews, OrderUpdate, Restored};
use crate::engine::features::FeatureFrame;
use crate::engine::ids::{Account, Market, OrderSeq, Pair, RunId, Seq, order_link_id};
use crate::engine::notice::Notice;
use crate::engine::risk::gate::Approved;
use crate::engine::risk::state::Latch;
use crate::engine::snapshot::{Check, ShadowView};
use crate::engine::time::{Span, Ts};
use crate::gate::{Epoch, Gate, Pass};
use crate::ledger::{Job, Latching, Ledger, LedgerReply, LedgerThread};
use crate::metrics::Tally;
use crate::model::Model;
use crate::tape::TapeThread;
use crate::venue::Venue;

/// How often the figures of the paper venue beside a real account are written down.
const SHADOW_EVERY: Span = Span::from_secs(60);

/// How long after a tape's last event the venue may still answer what was sent before it.
const TAIL: Span = Span::from_secs(1);

/// A reducing order waits this long for its intent to become durable.
const CLOSING_WAITS: Span = Span::from_secs(1);
/// An exit waits no longer for the rest of the ledger, nor then for the marker of a latch.
const LEDGER_TAKES: std::time::Duration = std::time::Duration::from_secs(5);
const MARKER_TAKES: std::time::Duration = std::time::Duration::from_secs(2);

/// Where records and intents become durable.
pub enum LedgerPort {
    /// At once, in event time: replay and backtest.
    Inline(Box<Ledger>),
    /// On the ledger's thread; an order leaves when its intent is committed.
    Thread {
        /// The thread.
        thread: LedgerThread,
        /// Its answers.
        replies: std::sync::mpsc::Receiver<LedgerReply>,
    },
    /// Nowhere: an audit replay only decides.
    None,
}

/// What a driver is made of.
pub struct Parts {
    /// What the run starts from.
    pub restored: Restored,
    /// Market events.
    pub feed: Feed,
    /// Models.
    pub inference: Inference,
    /// Where orders go; `None` in an audit replay.
    pub venue: Option<Box<dyn Venue>>,
    /// The paper venue beside a real account.
    pub shadow: Option<Shadow>,
    /// The ledger.
    pub ledger: LedgerPort,
    /// The tape that is being written.
    pub tape: Option<TapeThread>,
    /// Decision log.
    pub decisions: DecisionLog,
    /// The ledger file whose marker is written when the ledger itself does not take a latch.
    pub latch_beside: Option<(PathBuf, Pair)>,
    /// The gate that every thread sees.
    pub gate: Gate,
}

/// The driver of one run.
pub struct Driver {
    engine: Engine,
    effects: Effects,
    scratch: Vec<Effect>,
    feed: Feed,
    inference: Inference,
    venue: Option<Box<dyn Venue>>,
    shadow: Option<Shadow>,
    ledger: LedgerPort,
    tape: Option<TapeThread>,
    tape_lost: bool,
    /// What the engine said to the last command.
    said: Option<String>,
    /// A person wants the models read again.
    reload: bool,
    decisions: DecisionLog,
    latch_beside: Option<(PathBuf, Pair)>,
    gate: Gate,
    /// The state of the gate that the engine knows of.
    known: Epoch,
    account: Account,
    market: Market,
    run: RunId,
    seq: u64,
    now: Ts,
    /// The clock, where the run follows one: event time may lag behind it.
    wall: Ts,
    interval: Span,
    next_tick: Ts,
    /// Orders whose intent is not durable yet.
    pending: BTreeMap<OrderSeq, (Approved<NewOrder>, Pass)>,
    /// Events of our own making, stepped before anything else.
    inbox: VecDeque<Event>,
    /// Notices of the last steps, for a front end that prints them.
    notices: Vec<Notice>,
    keep_notices: bool,
    feed_ended: Option<Ts>,
    /// When the shadow's figures are next written down.
    shadow_due: Ts,
    tally: Tally,
}

impl Driver {
    /// A driver at the start of its run: the engine has seen `Restored` and nothing else.
    pub fn start(at: Ts, parts: Parts, keep_notices: bool) -> Self {
        let restored = parts.restored;
        let interval = Span(restored.settings.decision_interval.0.max(1_000_000));
        let mut driver = Self {
            engine: Engine::new(&restored),
            effects: Effects::new(),
            scratch: Vec::new(),
            feed: parts.feed,
            inference: parts.inference,
            venue: parts.venue,
            shadow: parts.shadow,
            ledger: parts.ledger,
            tape: parts.tape,
            tape_lost: false,
            said: None,
            reload: false,
            decisions: parts.decisions,
            latch_beside: parts.latch_beside,
            known: parts.gate.epoch(),
            gate: parts.gate,
            account: restored.pair.account(),
            market: restored.pair.market(),
            run: restored.run.clone(),
            seq: 0,
            now: at,
            wall: Ts(i64::MIN),
            interval,
            next_tick: at.floor_to(interval) + interval,
            pending: BTreeMap::new(),
            inbox: VecDeque::new(),
            notices: Vec::new(),
            keep_notices,
            feed_ended: None,
            shadow_due: at + SHADOW_EVERY,
            tally: Tally::new(&restored),
        };
        driver.dispatch(at, Event::Restored(Box::new(restored)));
        driver
    }

    /// This run.
    pub const fn run_id(&self) -> &RunId {
        &self.run
    }
    /// Whose money it is.
    pub const fn account(&self) -> Account {
        self.account
    }
    /// Event time of the run.
    pub const fn now(&self) -> Ts {
        self.now
    }
    /// Tells the time, for a run that follows the clock: an order is as old as the clock says.
    pub const fn look_at_clock(&mut self, wall: Ts) {
        self.wall = wall;
    }
    /// The engine, to look at.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }
    /// The engine, to build snapshots from.
    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }
    /// The gate that every thread sees.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }
    /// The feed, for labels and weather.
    pub const fn feed_mut(&mut self) -> &mut Feed {
        &mut self.feed
    }
    /// The questions to models that were kept.
    pub fn asked(&self) -> &[FeatureFrame] {
        self.inference.asked()
    }
    /// The feed, to look at.
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }
    /// How far the venue and the paper venue beside it differ.
    pub fn shadow(&self) -> Option<ShadowView> {
        self.shadow.as_ref().map(Shadow::view)
    }
    /// The decision log.
    pub const fn decisions(&self) -> &DecisionLog {
        &self.decisions
    }
    /// Steps so far.
    pub const fn steps(&self) -> u64 {
        self.seq
    }
    /// Notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
    /// Jobs that wait for the ledger and events that wait for the tape.
    pub fn depths(&self) -> (usize, usize) {
        let ledger = match &self.ledger {
            LedgerPort::Thread { thread, .. } => thread.depth(),
            _ => 0,
        };
        (ledger, self.tape.as_ref().map_or(0, TapeThread::depth))
    }

    /// What was counted in this run so far.
    pub fn tally(&self) -> Tally {
        let (ledger, tape) = self.depths();
        let mut tally = self.tally.clone();
        tally.unresolved = self.engine.unresolved_orders();
        tally.refused = self.engine.refused();
        tally.denials = self.engine.denials().clone();
        tally.queues = vec![("ledger", ledger), ("tape", tape)];
        tally.queues.extend(self.feed.depth().map(|market| ("market", market)));
        tally
    }

    /// When the next thing is due; `None` when nothing will ever happen again.
    pub fn next_due(&self) -> Option<Ts> {
        if self.finished() {
            return None;
        }
        let venue = self.venue.as_ref().and_then(|venue| venue.next_due());
        let due = [Some(self.next_tick), venue, self.inference.next_due(), self.feed.next_at()];
        due.into_iter().flatten().min().filter(|due| self.ends_at().is_none_or(|end| *due <= end))
    }

    /// When the run is over, once its feed is. An audit ends with its tape: nothing answers any more.
    fn ends_at(&self) -> Option<Ts> {
        let tail = if self.venue.is_some() { TAIL } else { Span(0) };
        self.feed_ended.map(|ended| ended + tail)
    }

    /// Is the feed at its end and everything that followed from it done?
    pub fn finished(&self) -> bool {
        self.ends_at().is_some_and(|end| self.now >= end)
    }

    /// Does everything due at or before `until`, at most `budget` steps. `true` when there is more to do.
    pub fn advance(&mut self, until: Ts, budget: usize) -> bool {
        let last = self.seq + budget as u64;
        while let Some(due) = self.next_due() {
            if due > until {
                break;
            }
            if self.seq >= last {
                return true;
            }
            self.do_next(due);
        }
        self.now = self.now.max(self.ends_at().map_or(until, |end| until.min(end)));
        false
    }

    fn do_next(&mut self, due: Ts) {
        if let Some(shadow) = &mut self.shadow {
            shadow.advance(due);
        }
        if self.next_tick <= due {
            let at = self.next_tick;
            self.next_tick = at + self.interval;
            self.dispatch(at, Event::Tick);
            if at >= self.shadow_due {
                self.shadow_due = at + SHADOW_EVERY;
                self.note_shadow();
            }
        } else if let Some((at, event)) = self.venue.as_mut().and_then(|venue| venue.pop_due(due)) {
            self.dispatch(at, event);
        } else if let Some((at, prediction)) = self.inference.pop_due(due) {
            self.dispatch(at, Event::Predicted(prediction));
        } else if self.feed.next_at().is_some_and(|at| at <= due) {
            if let Some((at, event)) = self.feed.pop() {
                if let (Some(venue), Event::Market(symbol, data)) = (&mut self.venue, &event) {
                    venue.on_market(at, *symbol, data);
                }
                if let (Some(shadow), Event::Market(symbol, data)) = (&mut self.shadow, &event) {
                    shadow.on_market(at, *symbol, data);
                }
                self.dispatch(at, event);
            }
            if self.feed.next_at().is_none() && !self.feed.may_go_on() && self.feed_ended.is_none() {
                self.feed_ended = Some(self.now);
            }
        } else {
            // A venue arrival without a report (an order reached the book and rests): time alone moves on.
            self.now = self.now.max(due);
        }
    }

    /// Writes down how far the venue and the paper venue beside it differ: for `tickdeck pnl`, and for nobody who decides.
    fn note_shadow(&mut self) {
        if let Some(view) = self.shadow() {
            self.record(&[Job::Shadow { at: self.now, view }]);
        }
    }

    /// A request of a person, stepped at the run's own time: it never waits behind market data.
    /// What the engine says to it comes back.
    pub fn command(&mut self, command: Command) -> Option<String> {
        self.said = None;
        self.dispatch(self.now, Event::Command(command));
        self.said.take()
    }

    /// A request that closes the gate, of which the gate already knows: from here on the engine does too.
    pub fn shut(&mut self, command: Command) {
        let known = self.gate.epoch();
        self.command(command);
        self.known = known.max(self.known);
    }

    /// Nothing that was decided before now leaves; what is decided from here on may.
    pub fn fence(&mut self) {
        self.known = self.gate.shut();
    }

    /// Something the person must know that is nobody's fault: shown, not acted upon.
    pub fn tell(&mut self, text: String) {
        self.dispatch(self.now, Event::Told(text));
    }

    /// Does a person want the models read again? Says so once.
    pub const fn take_reload(&mut self) -> bool {
        std::mem::replace(&mut self.reload, false)
    }

    /// Other models answer from now on, between two decisions. They have seen what the others saw last: a network with memory
    /// is warm. An error is a thread that cannot be had, and leaves everything as it was.
    pub fn change_models(
        &mut self,
        models: Vec<Box<dyn Model>>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<()> {
        let infos = models.iter().map(|model| model.info().clone()).collect();
        self.inference = self.inference.successor(models, wake)?;
        self.dispatch(self.now, Event::Models(infos));
        Ok(())
    }

    /// How an edge's light of the checklist stands.
    pub fn checked(&mut self, check: Check) {
        self.dispatch(self.now, Event::Checked(check));
    }

    /// An edge forbids opening for a named reason, or lifts that.
    pub fn hold(&mut self, hold: Hold) {
        self.dispatch(self.now, Event::Hold(hold));
    }

    /// The latch that others left beside the ledger while this run was away.
    pub fn marked(&self) -> Option<Latch> {
        let (path, pair) = self.latch_beside.as_ref()?;
        crate::ledger::marked(path, *pair)
    }

    /// A fault of an edge.
    pub fn fault(&mut self, fault: Fault) {
        self.dispatch(self.now, Event::Fault(fault));
    }

    /// Answers of threads: market data and venue news from sockets, the ledger's commits, the models' predictions, the
    /// tape's health.
    pub fn collect(&mut self) {
        self.feed.collect();
        if let Some(venue) = &mut self.venue {
            venue.collect();
        }
        loop {
            let reply = match &self.ledger {
                LedgerPort::Thread { replies, .. } => replies.try_recv().ok(),
                _ => None,
            };
            match reply {
                Some(LedgerReply::Committed(orders)) => orders.into_iter().for_each(|order| self.release(order)),
                Some(LedgerReply::Failed { why, unsent }) => {
                    for order in unsent {
                        self.not_durable(order);
                    }
                    self.fault(Fault::Ledger(why));
                }
                None => break,
            }
        }
        self.release_overdue_closings();
        self.drain_inbox();
        while let Some(answer) = self.inference.try_answer() {
            self.dispatch(
                self.now,
                match answer {
                    Answer::Predicted(prediction) => Event::Predicted(prediction),
                    Answer::Told(text) => Event::Told(text),
                },
            );
        }
        while let Some(status) = self.tape.as_mut().and_then(TapeThread::status) {
            self.fault(status.into());
        }
    }

    fn dispatch(&mut self, at: Ts, event: Event) {
        self.step_one(at, event);
        self.drain_inbox();
    }

    fn step_one(&mut self, at: Ts, event: Event) {
        self.now = self.now.max(at);
        let at = self.now;
        self.seq += 1;
        if let (Some(shadow), Event::Order(update)) = (&mut self.shadow, &event) {
            shadow.on_news(at, update);
        }
        self.tally.hear(at.max(self.wall), &event);
        let was_open = self.engine.may_open();
        self.engine.step(at, &event, &mut self.effects);
        if was_open && !self.engine.may_open() {
            // Its own disarming, trip or kill: what it decided before stays here, wherever it waits.
            self.known = self.gate.shut();
        }
        self.decisions.add(at, self.effects.as_slice());
        self.write_tape(at, event);
        let mut effects = std::mem::take(&mut self.scratch);
        effects.extend(self.effects.drain());
        self.execute(at, &mut effects);
        self.scratch = effects;
    }

    /// Hands the event to the tape before any of its effects leaves: what is not on the tape did not happen.
    fn write_tape(&mut self, at: Ts, event: Event) {
        let Some(tape) = &mut self.tape else { return };
        if let Err(backlog) = tape.push(at, Seq(self.seq), event)
            && !self.tape_lost
        {
            self.tape_lost = true;
            self.inbox.push_back(Event::Fault(Fault::Tape { why: backlog.to_string(), fatal: true }));
        }
    }

    fn execute(&mut self, at: Ts, effects: &mut Vec<Effect>) {
        let mut frames: Vec<FeatureFrame> = Vec::new();
        let mut records: Vec<Job> = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Submit(order) => self.make_durable(at, order, &mut records),
                Effect::Cancel(order) => self.cancel(at, order),
                Effect::Infer(frame) => frames.push(*frame),
                Effect::Ask => {
                    if let Some(venue) = &mut self.venue {
                        venue.ask(at);
                    }
                }
                Effect::TieOut => {
                    if let Some(venue) = &mut self.venue {
                        venue.tie_out(at);
                    }
                }
                Effect::Protect { symbol, protection } => {
                    if let Some(venue) = &mut self.venue {
                        venue.protect(at, symbol, protection);
                    }
                }
                Effect::CancelById { symbol, order } => {
                    if let Some(venue) = &mut self.venue {
                        venue.cancel_by_id(at, symbol, &order);
                    }
                }
                Effect::Errand(errand) => {
                    if let Some(venue) = &mut self.venue {
                        venue.run_errand(at, errand);
                    }
                }
                Effect::Settle(order) => {
                    if let Some(venue) = &mut self.venue {
                        venue.settle(at, order);
                    }
                }
                Effect::ReloadModels => self.reload = true,
                Effect::Retry => {
                    if let Some(venue) = &mut self.venue {
                        venue.retry(at);
                    }
                }
                Effect::Record(record) => {
                    if let Some(answer) = record.answer() {
                        self.said.get_or_insert_with(|| answer.to_owned());
                    }
                    records.push(Job::Record { at, record });
                }
                Effect::Note(notice) => {
                    if self.keep_notices {
                        self.notices.push(notice);
                    }
                }
            }
        }
        if !frames.is_empty() {
            self.inference.ask(at, frames);
        }
        self.record(&records);
    }

    fn make_durable(&mut self, at: Ts, order: Approved<NewOrder>, records: &mut Vec<Job>) {
        if self.venue.is_none() {
            return;
        }
        let intent = *order.get();
        self.tally.decided(&intent);
        let ttl = std::time::Duration::from_nanos(u64::try_from(self.engine.settings().intent_ttl.0).unwrap_or(0));
        let pass = self.gate.pass(self.known, ttl, intent.reduce_only);
        self.pending.insert(intent.seq, (order, pass));
        let link_id = order_link_id(self.account, &self.run, intent.seq);
        records.push(Job::Intent { at, order: intent, link_id });
    }

    fn record(&mut self, jobs: &[Job]) {
        if jobs.is_empty() {
            return;
        }
        match &mut self.ledger {
            LedgerPort::None => {}
            LedgerPort::Inline(ledger) => match ledger.commit(jobs) {
                Ok(done) => {
                    for order in done.intents {
                        self.release(order);
                    }
                    for trouble in done.troubles {
                        self.inbox.push_back(Event::Fault(Fault::Ledger(trouble)));
                    }
                }
                Err(error) => self.ledger_failed(jobs, &error.to_string()),
            },
            LedgerPort::Thread { thread, .. } => {
                let mut refused = None;
                for job in jobs {
                    if let Err(error) = thread.push(job.clone()) {
                        refused = Some(error.to_string());
                    }
                }
                if let Some(why) = refused {
                    self.ledger_failed(jobs, &why);
                }
            }
        }
    }

    fn ledger_failed(&mut self, jobs: &[Job], why: &str) {
        for job in jobs {
            match job {
                Job::Intent { order, .. } => self.not_durable(order.seq),
                Job::Record { record: Record::Latch(Some(latch)), .. } => drop(self.mark_latched(latch.clone())),
                Job::Record { .. } | Job::Shadow { .. } => {}
            }
        }
        // The latch record of this very trip must not report the same trouble for ever.
        let only_latch = jobs
            .iter()
            .all(|job| matches!(job, Job::Record { record: Record::Latch(_) | Record::OrderState { .. }, .. }));
        if !only_latch {
            self.inbox.push_back(Event::Fault(Fault::Ledger(why.to_owned())));
        }
    }

    /// The last look before the wire: the gate may have closed, or the intent grown too old, since the decision.
    fn release(&mut self, order: OrderSeq) {
        let Some((approved, pass)) = self.pending.remove(&order) else { return };
        let Some(venue) = &mut self.venue else { return };
        let closes = approved.get().purpose == Purpose::Close;
        let what = match self.engine.may_send(approved.get(), self.now.max(self.wall)) {
            Err(denial) => OrderNews::Unsent(denial.to_string()),
            Ok(()) if !pass.stands() => OrderNews::Unsent("the gate closed after it was decided".into()),
            Ok(()) if closes && self.gate.is_guarded() => OrderNews::Unsent("the guardian closes".into()),
            Ok(()) => {
                let link_id = order_link_id(self.account, &self.run, order);
                venue.submit(self.now, approved, &link_id, pass);
                if let Some(shadow) = &mut self.shadow {
                    shadow.submit(self.now, approved);
                }
                OrderNews::Sent
            }
        };
        self.tell_engine(order, what);
    }

    /// An intent that no disk holds: an opening order is not sent. One that can only reduce is: a doubtful one cannot
    /// over-close, and a position without its stop is worse than a row that is missing.
    fn not_durable(&mut self, order: OrderSeq) {
        match self.pending.get(&order) {
            Some((approved, _)) if approved.get().reduce_only => self.release(order),
            _ => self.withhold(order, "its intent could not be made durable"),
        }
    }

    /// A disk that hangs does not keep a stop or a close back for longer than this.
    fn release_overdue_closings(&mut self) {
        let overdue: Vec<OrderSeq> = self
            .pending
            .values()
            .map(|(approved, _)| approved.get())
            .filter(|order| order.reduce_only && self.now.since(order.decided) > CLOSING_WAITS)
            .map(|order| order.seq)
            .collect();
        for order in overdue {
            self.release(order);
        }
    }

    /// The ledger did not take a latch: its marker must. `None` where nothing is kept.
    fn mark_latched(&self, latch: Latch) -> Option<Latching> {
        let (path, pair) = self.latch_beside.clone()?;
        Some(Latching::start(path, pair, latch))
    }

    fn withhold(&mut self, order: OrderSeq, why: &str) {
        if self.pending.remove(&order).is_some() {
            self.tell_engine(order, OrderNews::Unsent(why.to_owned()));
        }
    }

    fn cancel(&mut self, at: Ts, order: OrderSeq) {
        if self.pending.contains_key(&order) {
            self.withhold(order, "cancelled before it was sent");
        } else if let Some(venue) = &mut self.venue {
            venue.cancel(at, order);
            if let Some(shadow) = &mut self.shadow {
                shadow.cancel(at, order);
            }
        }
    }

    fn tell_engine(&mut self, order: OrderSeq, what: OrderNews) {
        self.inbox.push_back(Event::Order(OrderUpdate { order, what }));
    }

    fn drain_inbox(&mut self) {
        while let Some(event) = self.inbox.pop_front() {
            self.step_one(self.now, event);
        }
    }

    /// What it means that the ledger did not take the rest of the run. The latch gets a last chance.
    fn not_stored(&self) -> String {
        let latch = self.engine.latch().cloned();
        let written = latch.map(|latch| self.mark_latched(latch).map(|latching| latching.ends(MARKER_TAKES)));
        let latch = match written {
            None => "",
            Some(Some(Ok(()))) => " The latch is kept beside the ledger: the next run begins latched.",
            Some(_) => " THE LATCH IS NOT ON THE DISK EITHER: the next run may begin without it; look before you arm.",
        };
        let seconds = LEDGER_TAKES.as_secs();
        format!(
            "the disk did not take the end of this run within {seconds} s: the ledger may lack its last orders and \
             executions, and how it ended. What is at the exchange stays as it is: compare orders and positions there \
             before the next run, and look at the disk.{latch}"
        )
    }

    /// Ends the run: the last event, the rest of the tape, the rest of the ledger.
    pub fn finish(mut self, outcome: &str) -> Finished {
        self.dispatch(self.now, Event::Ended);
        self.note_shadow();
        let mut troubles = Vec::new();
        if let Some(tape) = self.tape.take()
            && let Err(error) = tape.finish()
        {
            troubles.push(error.to_string());
        }
        let ledger = match std::mem::replace(&mut self.ledger, LedgerPort::None) {
            LedgerPort::Inline(ledger) => Some(*ledger),
            LedgerPort::Thread { thread, .. } => {
                let ledger = thread.finish(LEDGER_TAKES);
                if ledger.is_none() {
                    troubles.push(self.not_stored());
                }
                ledger
            }
            LedgerPort::None => None,
        };
        let ledger = ledger.map(|mut ledger| {
            if let Err(error) = ledger.end_run(self.now, outcome) {
                troubles.push(error.to_string());
            }
            if self.market == Market::Simulated {
                // This market ends with its run: what is open is settled at its last price, so that leaving loses and
                // gains nothing.
                let marks: Vec<_> = self.engine.marks().collect();
                if let Err(error) = ledger.market_ended(self.now, self.engine.instruments(), &marks) {
                    troubles.push(error.to_string());
                }
            }
            ledger
        });
        Finished { engine: self.engine, decisions: self.decisions, ledger, feed: self.feed, unproven: false, troubles }
    }
}

/// What is left of a run.
pub struct Finished {
    /// The engine in its last state.
    pub engine: Engine,
    /// The decision log.
    pub decisions: DecisionLog,
    /// The ledger, unless the disk did not take the rest in time.
    pub ledger: Option<Ledger>,
    /// The feed where it stopped.
    pub feed: Feed,
    /// It was to close everything before its end, and flat is not proven.
    pub unproven: bool,
    /// What could not be written, for the person.
    pub troubles: Vec<String>,
}
