//! One life of the program: the real driver with engine, ledger writer and account task, on virtual wires.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tickdeck::engine::Engine;
use tickdeck::engine::effect::{Effects, Errand, NewOrder, Protection};
use tickdeck::engine::event::{Event, MarketData, ModelInfo, Restored};
use tickdeck::engine::features::Set;
use tickdeck::engine::ids::{Account, OrderSeq, Pair, RunId, Seq, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::Money;
use tickdeck::engine::risk::gate::Approved;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::gate::Pass;
use tickdeck::ledger::{LedgerThread, Writer, latch_that_holds};
use tickdeck::run::decisions::DecisionLog;
use tickdeck::run::driver::{Driver, LedgerPort, Parts};
use tickdeck::run::feed::{Feed, ReplayKind, TapeFeed};
use tickdeck::run::inference::Inference;
use tickdeck::run::start::{Setup, open_with};
use tickdeck::tape::{TapeEnd, TapeHeader, TapeKind, TapeReader, TapeThread, TapeWriter};
use tickdeck::venue::Venue;
use tickdeck::venue::bybit::account::desk::Request;
use tickdeck::venue::bybit::account::jobs::{Ask, Moment};
use tickdeck::venue::bybit::account::opening::{Before, Names};
use tickdeck::venue::bybit::account::runner::Runner;

use super::api::Reads;
use super::disk::Disk;

/// How long a create stays valid at the venue, as configured by default.
pub const CREATE_WINDOW: Span = Span::from_ms(2_500);
const PAIR: Pair = Pair::bybit(Account::Testnet);

/// What stands between driver and network: the account's task.
pub struct Client {
    pub runner: Runner,
    pub moment: Moment,
    inlet: VecDeque<(Ts, Event)>,
    /// Wanted and not started yet.
    pub asks: Vec<Ask>,
    /// The same about orders.
    pub requests: Vec<Request>,
    /// Orders that are not wanted any more: they do not leave.
    pub withdrawn: BTreeSet<OrderSeq>,
    /// What orders carry since their decision.
    pub passes: BTreeMap<OrderSeq, Pass>,
}

impl Client {
    /// Takes in what the task says and wants.
    pub fn settle(&mut self) {
        let now = self.moment.now;
        self.inlet.extend(self.runner.take_events().into_iter().map(|event| (now, event)));
        self.asks.extend(self.runner.take_asks());
        self.requests.extend(self.runner.take_requests());
    }

    /// Something that is heard now.
    pub fn hear(&mut self, event: Event) {
        self.inlet.push_back((self.moment.now, event));
    }
}

/// The driver's side of it.
struct Port(Arc<Mutex<Client>>);

impl Venue for Port {
    fn on_market(&mut self, _: Ts, _: Symbol, _: &MarketData) {}
    fn submit(&mut self, _: Ts, order: Approved<NewOrder>, link_id: &str, pass: Pass) {
        let mut client = self.0.lock().unwrap();
        client.passes.insert(order.get().seq, pass);
        let moment = client.moment;
        client.runner.submit(&moment, order.into_inner(), link_id);
        client.settle();
    }
    fn cancel(&mut self, _: Ts, order: OrderSeq) {
        let mut client = self.0.lock().unwrap();
        client.withdrawn.insert(order);
        let moment = client.moment;
        client.runner.cancel(&moment, order);
        client.settle();
    }
    fn ask(&mut self, _: Ts) {
        let mut client = self.0.lock().unwrap();
        let moment = client.moment;
        client.runner.ask(&moment);
        client.settle();
    }
    fn tie_out(&mut self, _: Ts) {
        let mut client = self.0.lock().unwrap();
        let moment = client.moment;
        client.runner.tie_out(&moment);
        client.settle();
    }
    fn retry(&mut self, _: Ts) {
        let mut client = self.0.lock().unwrap();
        client.runner.retry();
        client.settle();
    }
    fn settle(&mut self, _: Ts, order: OrderSeq) {
        let mut client = self.0.lock().unwrap();
        let moment = client.moment;
        client.runner.settle(&moment, order);
        client.settle();
    }
    fn run_errand(&mut self, _: Ts, errand: Errand) {
        let mut client = self.0.lock().unwrap();
        client.runner.run_errand(errand);
        client.settle();
    }
    fn protect(&mut self, _: Ts, symbol: Symbol, protection: Protection) {
        let mut client = self.0.lock().unwrap();
        let moment = client.moment;
        client.runner.protect(&moment, symbol, protection);
        client.settle();
    }
    fn cancel_by_id(&mut self, _: Ts, symbol: Symbol, order: &str) {
        let mut client = self.0.lock().unwrap();
        let moment = client.moment;
        client.runner.cancel_by_id(&moment, symbol, order.to_owned());
        client.settle();
    }
    fn collect(&mut self) {}
    fn next_due(&self) -> Option<Ts> {
        self.0.lock().unwrap().inlet.front().map(|(at, _)| *at)
    }
    fn pop_due(&mut self, now: Ts) -> Option<(Ts, Event)> {
        let mut client = self.0.lock().unwrap();
        if client.inlet.front()?.0 > now { None } else { client.inlet.pop_front() }
    }
}

/// A life.
pub struct Process {
    /// Which life it is.
    pub life: u32,
    pub run: RunId,
    pub driver: Driver,
    pub writer: Writer<Disk>,
    client: Arc<Mutex<Client>>,
    pub reads: Reads,
    tape: TapeEnd,
    /// What the run saw, with the sequence numbers of the tape.
    recorded: Vec<(Ts, Seq, Event)>,
    /// Local time minus true time.
    pub skew: Span,
    /// The machine sleeps.
    pub stopped: bool,
    /// For how long it slept last, until it noticed.
    pub slept: Span,
    /// The engine's thread is in the middle of something and hears of nothing; every other thread goes on.
    pub busy: bool,
    /// A commit is under way.
    pub committing: bool,
    /// Is the private stream up?
    pub stream_up: bool,
}

/// What every life of one seed has in common.
pub struct Common {
    pub instruments: Vec<Instrument>,
    pub settings: Settings,
    pub limits: RiskLimits,
    pub balance: Money,
}

/// A tape of nothing: market data comes through the virtual network.
fn empty_tape() -> &'static Path {
    static TAPE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = TAPE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.tape");
        let header = TapeHeader {
            kind: TapeKind::Recorded,
            run: RunId("empty".into()),
            pair: PAIR,
            created: Ts(0),
            instruments: Vec::new(),
            source: String::new(),
        };
        TapeWriter::create(&path, &header).unwrap().finish().unwrap();
        (folder, path)
    });
    path
}

fn quiet_feed() -> Feed {
    let reader = TapeReader::open(empty_tape()).unwrap();
    Feed::Tape(Box::new(TapeFeed::new(reader, ReplayKind::Audit, (Ts(0), Ts(0)))))
}

impl Process {
    /// Starts from what the disk holds, as the program does.
    pub fn start(life: u32, common: &Common, mut disk: Disk, at: Ts, skew: Span) -> Self {
        let setup = Setup {
            settings: common.settings.clone(),
            limits: common.limits.clone(),
            balance: common.balance,
            models: Vec::new(),
            shelf: None,
            data_dir: PathBuf::new(),
            tape: None,
        };
        let local = at + skew;
        let unknown: Vec<Instrument> =
            common.instruments.iter().map(|rules| Instrument::unknown(&rules.name)).collect();
        let symbols: Vec<String> = unknown.iter().map(|rules| rules.name.clone()).collect();
        let run = RunId::new(local.as_ms(), life as u16);
        let ledger = disk.ledger.take().unwrap();
        let opening = open_with((ledger, Vec::new()), PAIR, unknown, &setup, "", (local, run.clone())).unwrap();
        disk.ledger = Some(opening.ledger);
        let before = Before::of(&opening.restored, opening.booked, opening.account_since);
        let mut restored: Restored = opening.restored;
        restored.models.push(ModelInfo {
            name: "chance".into(),
            hash: "abcdef".into(),
            horizons_s: vec![10],
            reads: Set::Market,
            trained: String::new(),
            promise: tickdeck::engine::trust::promise::Promise::default(),
        });
        // What `Ledger::latch` reads beside a file.
        restored.latch = latch_that_holds(disk.marker.clone(), restored.latch);
        let (replies_in, replies) = sync_channel(1_024);
        let (thread, writer) = LedgerThread::over(disk, replies_in);
        let (tape, end) = TapeThread::over(Path::new("virtual.tape"));
        let client = Arc::new(Mutex::new(Client {
            runner: Runner::new(Names::new(Account::Testnet, &run), symbols, CREATE_WINDOW, before, local),
            moment: Moment { now: local, venue: local, banned: None },
            inlet: VecDeque::new(),
            asks: Vec::new(),
            requests: Vec::new(),
            withdrawn: BTreeSet::new(),
            passes: BTreeMap::new(),
        }));
        let parts = Parts {
            restored,
            feed: quiet_feed(),
            inference: Inference::Taped { asked: None },
            venue: Some(Box::new(Port(client.clone()))),
            shadow: None,
            ledger: LedgerPort::Thread { thread, replies },
            tape: Some(tape),
            decisions: DecisionLog::new(None),
            latch_beside: None,
            gate: tickdeck::gate::Gate::default(),
        };
        let driver = Driver::start(local, parts, true);
        Self {
            life,
            run,
            driver,
            writer,
            client,
            reads: Reads::default(),
            tape: end,
            recorded: Vec::new(),
            skew,
            stopped: false,
            slept: Span(0),
            busy: false,
            committing: false,
            stream_up: false,
        }
    }

    pub fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap()
    }

    /// Local time.
    pub fn local(&self, now: Ts) -> Ts {
        now + self.skew
    }

    /// Until when the client keeps silent, local time.
    pub fn banned(&self, now: Ts) -> Option<Ts> {
        self.reads.api.wires().banned.filter(|until| *until > self.local(now))
    }

    /// What the clocks say now, for the account's task and its requests.
    pub fn look_at_clocks(&self, now: Ts) {
        let (local, banned) = (self.local(now), self.banned(now));
        let mut wires = self.reads.api.wires();
        wires.now = local;
        let venue = local + wires.ahead;
        self.client().moment = Moment { now: local, venue, banned };
    }

    /// The account's task does what is due.
    pub fn task_on_time(&self) {
        let mut client = self.client();
        let moment = client.moment;
        client.runner.on_time(&moment);
        client.settle();
    }

    /// The engine's thread looks round once.
    pub fn turn(&mut self, now: Ts) {
        let local = self.local(now);
        self.driver.look_at_clock(local);
        self.driver.collect();
        self.driver.advance(local, usize::MAX >> 1);
        self.driver.collect();
        self.take_tape();
    }

    /// What the tape was handed, written.
    pub fn take_tape(&mut self) {
        use std::sync::atomic::Ordering;
        while let Ok(event) = self.tape.events.try_recv() {
            self.tape.waiting.fetch_sub(1, Ordering::Relaxed);
            self.recorded.push(event);
        }
    }

    /// When something of it is due, in true time.
    pub fn next_due(&self) -> Option<Ts> {
        let task = self.client().runner.next_due();
        let engine = self.driver.next_due().filter(|_| !self.busy);
        let due = [engine, task].into_iter().flatten().min()?;
        Some(Ts(due.0 - self.skew.0))
    }

    /// Is this intent durable?
    pub fn is_durable(&self, link_id: &str) -> bool {
        self.writer.store().intents.contains(link_id)
    }

    /// When the newest kill was latched that a restart would find.
    pub fn durable_kill(&self) -> Option<Ts> {
        let disk = self.writer.store();
        disk.latch.iter().chain(&disk.marker).filter(|latch| latch.is_kill()).map(|latch| latch.at).max()
    }

    /// The process is gone: what was not durable is lost. The tape's own decisions must come out again.
    pub fn end(mut self) -> Disk {
        self.take_tape();
        self.audit();
        drop(self.driver);
        self.writer.into_store()
    }

    /// Steps a fresh engine through what was recorded, as an audit replay does.
    fn audit(&self) {
        let Some((began, _, Event::Restored(restored))) = self.recorded.first() else {
            panic!("a tape begins with what the run started from");
        };
        let interval = restored.settings.decision_interval;
        let mut engine = Engine::new(restored);
        let (mut effects, mut decisions) = (Effects::new(), DecisionLog::new(None));
        let (mut now, mut seq, mut tick) = (*began, 0_u64, began.floor_to(interval) + interval);
        let mut step = |at: Ts, event: &Event, now: &mut Ts| {
            *now = (*now).max(at);
            engine.step(*now, event, &mut effects);
            decisions.add(*now, effects.as_slice());
            effects.drain();
        };
        for (at, place, event) in &self.recorded {
            while tick <= *at {
                step(tick, &Event::Tick, &mut now);
                (tick, seq) = (tick + interval, seq + 1);
            }
            step(*at, event, &mut now);
            seq += 1;
            assert_eq!(seq, place.0, "a replay of {} puts its boundaries elsewhere", self.run);
        }
        while seq < self.driver.steps() {
            step(tick, &Event::Tick, &mut now);
            (tick, seq) = (tick + interval, seq + 1);
        }
        assert_eq!(
            decisions.hash(),
            self.driver.decisions().hash(),
            "the tape of {} replays to other decisions",
            self.run
        );
    }
}
