//! One seed: exchange, network, disk and the lives of the process, in one order of virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tickdeck::engine::command::Command;
use tickdeck::engine::event::{Event, Fault, HorizonForecast, Link, MarketData, Prediction};
use tickdeck::engine::ids::{Account, ModelId, Pair, Symbol};
use tickdeck::engine::num::{Money, Rate, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::{Execution, Settings};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::ledger::Ledger;
use tickdeck::venue::bybit::account::desk::Request;
use tickdeck::venue::bybit::account::jobs::{Done, Heard};
use tickdeck::venue::sim::exchange::Exchange;

use super::api::{Number, Query, Reply};
use super::beside::Step;
use super::checks::Truth;
use super::disk::{Disk, Medium};
use super::market::{Walk, instruments};
use super::network::Write;
use super::plan::{Act, Plan, RESET, STORM, Weather};
use super::process::{Common, Process};
use super::random::Chance;

/// When every seed begins.
pub const BEGIN: Ts = Ts::from_ms(1_763_800_000_000);
/// Between two moves of one symbol's market.
const MARKET_EVERY: Span = Span::from_ms(250);

/// Something that happens at a moment.
#[allow(clippy::large_enum_variant)] // one at a time, and boxes would cost more than they save
#[derive(Debug)]
pub enum Item {
    Market(Symbol),
    Predict,
    Person,
    Start,
    Wake,
    Act(Act),
    MarketBack,
    CutOver,
    Commit,
    StreamUp,
    Guard(Step),
    Leave(Write),
    Arrive(Write),
    Asked(Number, Query),
    Hear(News),
}

/// What a process hears from outside.
#[allow(clippy::large_enum_variant)] // as above
#[derive(Debug)]
pub enum News {
    Public(Event),
    Private(Heard),
    Reply(Number, Reply),
    /// The answer to this write.
    Done(u64, Done),
}

/// One seed at work.
pub struct World {
    pub now: Ts,
    pub chance: Chance,
    pub weather: Weather,
    queue: BTreeMap<(Ts, u64), (Option<u32>, Item)>,
    next: u64,
    pub exchange: Exchange,
    walk: Walk,
    common: Common,
    pub process: Option<Process>,
    /// The disk while no process runs.
    disk: Option<Disk>,
    lives: u32,
    pub skew: Span,
    /// News for a process that is stopped.
    mailbox: VecDeque<Item>,
    pub cut: bool,
    /// Until then the exchange refuses our address.
    pub banned_until: Ts,
    market_away: bool,
    want_armed: bool,
    pub truth: Truth,
    /// Writes so far.
    pub numbers: u64,
    /// Writes that are not answered yet.
    pub waiting: BTreeSet<u64>,
    /// When the last push of this connection arrives: they come in order.
    pub last_push: Ts,
    /// Says what happens, line by line.
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, plan: &Plan) -> Self {
        let mut chance = Chance::new(seed);
        let symbols = symbols_of(seed);
        let execution = if plan.timed { Execution::Timed } else { Execution::Now };
        let settings = Settings { execution, ..settings(&mut chance) };
        let rules = instruments(symbols);
        let balance = Money::from_units(10_000);
        let ledger = Ledger::in_memory(Pair::bybit(Account::Testnet)).unwrap();
        let mut world = Self {
            now: BEGIN,
            chance,
            weather: plan.weather.clone(),
            queue: BTreeMap::new(),
            next: 0,
            exchange: Exchange::new(rules.clone(), balance, seed),
            walk: Walk::new(seed, symbols),
            common: Common { instruments: rules, settings, limits: limits(), balance },
            process: None,
            disk: Some(Disk::new(ledger)),
            lives: 0,
            skew: plan.skew,
            mailbox: VecDeque::new(),
            cut: false,
            banned_until: BEGIN,
            market_away: false,
            want_armed: true,
            truth: Truth::default(),
            numbers: 0,
            waiting: BTreeSet::new(),
            last_push: BEGIN,
            log: None,
        };
        world.exchange.fill_percent = plan.weather.fill_percent;
        for index in 0..symbols {
            world.at(BEGIN + Span::from_ms(index as i64 * 70), Item::Market(Symbol(index as u16)));
        }
        world.at(BEGIN + Span::from_ms(5), Item::Predict);
        world.at(BEGIN + Span::from_ms(700), Item::Person);
        world.at(BEGIN + Span::from_ms(100), Item::Start);
        for (at, act) in &plan.acts {
            world.at(BEGIN + *at, Item::Act(act.clone()));
        }
        world
    }

    /// Something is to happen then.
    pub fn at(&mut self, at: Ts, item: Item) {
        self.next += 1;
        self.queue.insert((at.max(self.now), self.next), (None, item));
    }

    /// Something is to happen then, to the process that lives now and to no other.
    pub fn tell_life(&mut self, at: Ts, item: Item) {
        let life = self.process.as_ref().map(|process| process.life);
        self.next += 1;
        self.queue.insert((at.max(self.now), self.next), (life, item));
    }

    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let since = self.now.since(BEGIN);
            log.push(format!("{:>10.4} {}", since.as_secs_f64(), line()));
        }
    }

    /// Lets everything happen until then.
    pub fn run_until(&mut self, end: Ts) {
        loop {
            let item = self.queue.first_key_value().map(|((at, _), _)| *at);
            let awake = self.process.as_ref().filter(|process| !process.stopped);
            let due = awake.and_then(Process::next_due).map(|due| due.max(self.now));
            let Some(next) = [item, due].into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = next;
            if item == Some(next) {
                if let Some((_, (life, item))) = self.queue.pop_first() {
                    self.happen(life, item);
                }
            } else {
                self.go_on();
            }
        }
        self.now = end;
    }

    fn happen(&mut self, life: Option<u32>, item: Item) {
        let lives = self.process.as_ref().map(|process| process.life);
        match item {
            Item::Market(symbol) => self.market(symbol),
            Item::Predict => self.predict(),
            Item::Person => self.person(),
            Item::Start => self.start(),
            Item::Act(act) => self.act(act),
            Item::MarketBack => self.market_back(),
            Item::CutOver => self.cut = false,
            // On its way, whatever became of whoever sent it.
            Item::Arrive(write) => self.arrive(life, &write),
            Item::Asked(number, query) => self.asked(life, number, &query),
            _ if life.is_some() && life != lives => {}
            Item::Wake => self.wake(),
            item if self.process.as_ref().is_some_and(|process| process.stopped) => self.mailbox.push_back(item),
            item => self.reach(item),
        }
    }

    /// Something reaches a process that runs.
    fn reach(&mut self, item: Item) {
        match item {
            Item::Commit => self.commit(),
            Item::StreamUp => self.stream_up(),
            Item::Guard(step) => self.guard(step),
            Item::Leave(write) => self.leave(write),
            Item::Hear(news) => self.hear(news),
            other => panic!("not for a process: {other:?}"),
        }
    }

    fn market(&mut self, symbol: Symbol) {
        self.at(self.now + MARKET_EVERY, Item::Market(symbol));
        let mut news = Vec::new();
        self.walk.step(symbol, &mut news);
        for data in news {
            self.exchange.market(self.now, symbol, &data);
            if !self.market_away && !self.cut && self.process.is_some() {
                let there = self.now + self.chance.span(2, 40);
                self.tell_life(there, Item::Hear(News::Public(Event::Market(symbol, data))));
            }
        }
        self.exchange.advance(self.now);
        self.publish();
    }

    /// The models answer about the last boundary.
    fn predict(&mut self) {
        self.at(self.now + Span::from_ms(1_000), Item::Predict);
        let Some(process) = self.process.as_ref().filter(|process| !process.stopped) else { return };
        let local = process.local(self.now);
        let boundary = local.floor_to(Span::from_ms(1_000));
        process.look_at_clocks(self.now);
        for index in 0..self.common.instruments.len() {
            let up = *self.chance.pick(&[0.9_f32, 0.9, 0.1, 0.1, 0.34]);
            let down = (0.95 - up).max(0.0);
            let move_bps = (up - down) * 10.0;
            let forecast = HorizonForecast { horizon_s: 10, up, flat: 1.0 - up - down, down, move_bps };
            // The next second says something else: what waits joins, stands back and crosses.
            let (up, down) = match (boundary.as_ms() / 1_000 + index as i64) % 4 {
                0 => (0.02, 0.9),
                1 => (0.9, 0.02),
                _ => (0.3, 0.3),
            };
            let move_bps = (up - down) * 10.0;
            let near = HorizonForecast { horizon_s: 1, up, flat: 1.0 - up - down, down, move_bps };
            process.client().hear(Event::Predicted(Prediction {
                symbol: Symbol(index as u16),
                model: ModelId(0),
                features_at: boundary,
                took: Span(1_000),
                horizons: vec![near, forecast],
            }));
        }
        self.go_on();
    }

    /// The person arms again where it may be.
    fn person(&mut self) {
        self.at(self.now + Span::from_ms(500), Item::Person);
        let Some(process) = self.process.as_ref().filter(|process| !process.stopped && !process.busy) else { return };
        if process.banned(self.now).is_some() && self.chance.permille(50) {
            return self.ask(&Command::RetryVenue);
        }
        let engine = process.driver.engine();
        if self.want_armed && engine.arming() == tickdeck::engine::risk::state::Arming::Safe && engine.may_arm() {
            self.ask(&Command::Arm { lasts: Span::from_secs(900) });
        }
    }

    fn start(&mut self) {
        let Some(disk) = self.disk.take() else { return };
        self.lives += 1;
        self.say(|| "the process starts".into());
        let mut process = Process::start(self.lives, &self.common, disk, self.now, self.skew);
        self.truth.started(&process);
        if self.log.is_none() {
            process.driver.take_notices();
        }
        self.process = Some(process);
        let up = self.now + self.chance.span(20, 400);
        self.tell_life(up, Item::StreamUp);
        self.market_back();
        self.go_on();
    }

    /// The market stream is there: the rules first, then books.
    fn market_back(&mut self) {
        self.market_away = false;
        let there = self.now + self.chance.span(10, 200);
        self.tell_life(there, Item::Hear(News::Public(Event::Link(Link::MarketUp))));
        for index in 0..self.common.instruments.len() {
            let symbol = Symbol(index as u16);
            let rules = MarketData::Rules(Box::new(self.common.instruments[index].clone()));
            self.tell_life(there, Item::Hear(News::Public(Event::Market(symbol, rules))));
            let ticker = self.walk.ticker(symbol);
            self.tell_life(there, Item::Hear(News::Public(Event::Market(symbol, ticker))));
        }
    }

    fn stream_up(&mut self) {
        let Some(process) = &mut self.process else { return };
        if self.cut {
            let again = self.now + Span::from_ms(500);
            self.tell_life(again, Item::StreamUp);
            return;
        }
        process.stream_up = true;
        self.last_push = self.now;
        self.tell_life(self.now, Item::Hear(News::Private(Heard::Up)));
    }

    fn hear(&mut self, news: News) {
        let Some(process) = &mut self.process else { return };
        process.look_at_clocks(self.now);
        match news {
            News::Public(event) => process.client().hear(event),
            News::Private(heard) => {
                let mut client = process.client();
                let moment = client.moment;
                client.runner.on_heard(&moment, heard);
                client.settle();
            }
            News::Reply(number, reply) => process.reads.answer(number, reply),
            News::Done(number, done) => {
                // It was given up already.
                if !self.waiting.remove(&number) {
                    return;
                }
                let mut client = process.client();
                let moment = client.moment;
                client.runner.on_done(&moment, done);
                client.settle();
            }
        }
        self.go_on();
    }

    /// The process does what it can.
    pub fn go_on(&mut self) {
        let Some(process) = self.process.as_mut().filter(|process| !process.stopped) else { return };
        process.look_at_clocks(self.now);
        process.task_on_time();
        self.serve_task();
        if let Some(process) = self.process.as_mut().filter(|process| !process.busy) {
            process.turn(self.now);
            if self.log.is_some() {
                let notices = process.driver.take_notices();
                for notice in notices {
                    self.say(|| format!("    {}", notice.text));
                }
            } else {
                process.driver.take_notices();
            }
        }
        self.serve_task();
        self.truth.look(self.now, self.process.as_ref(), &self.exchange);
        let waits = self.process.as_ref().is_some_and(|process| !process.committing && process.driver.depths().0 > 0);
        if waits {
            let slow = self.chance.permille(self.weather.disk_slow);
            let takes = if slow { self.chance.span(300, 3_000) } else { self.chance.span(1, 6) };
            if let Some(process) = &mut self.process {
                process.committing = true;
            }
            let done = self.now + takes;
            self.tell_life(done, Item::Commit);
        }
    }

    /// Reads and writes that the account's task wants begin; reads that can go on do.
    fn serve_task(&mut self) {
        loop {
            let Some(process) = &mut self.process else { return };
            let asks = std::mem::take(&mut process.client().asks);
            let requests = std::mem::take(&mut process.client().requests);
            let idle = asks.is_empty() && requests.is_empty();
            for ask in asks {
                process.reads.start(ask);
            }
            let mut writes = Vec::new();
            for request in requests {
                match request {
                    Request::Create { order, placement } => {
                        let symbol = process.client().runner.symbol(&placement.symbol);
                        writes.push(Write::create(order, symbol, placement));
                    }
                    Request::Cancel { order, symbol, link_id } => writes.push(Write::cancel(order, symbol, link_id)),
                    Request::LookUp { order, symbol, link_id } => process.reads.look_up(order, symbol, link_id),
                    Request::Protect { symbol, protection } => {
                        let of = process.client().runner.symbol(&symbol);
                        writes.push(Write::protect(of, protection));
                    }
                    Request::CancelById { symbol, order } => {
                        let of = process.client().runner.symbol(&symbol);
                        writes.push(Write::cancel_by_id(of, order));
                    }
                    Request::Reconcile => {}
                }
            }
            let done = process.reads.poll();
            let asked = std::mem::take(&mut process.reads.api.wires().asked);
            let finished = done.is_empty();
            for done in done {
                let mut client = process.client();
                let moment = client.moment;
                client.runner.on_done(&moment, done);
                client.settle();
            }
            for write in writes {
                self.write(write);
            }
            for (number, query) in asked {
                self.read(number, query);
            }
            if idle && finished {
                return;
            }
        }
    }

    /// A commit is done: as far as the medium lets it.
    fn commit(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.committing = false;
        process.writer.turn(std::time::Duration::ZERO);
        // The thread wakes nobody: the loop looks round by itself soon.
        let wakes = self.now + self.chance.span(0, 3);
        self.tell_life(wakes, Item::Hear(News::Public(Event::Link(Link::MarketAlive))));
    }

    fn ask(&mut self, command: &Command) {
        self.hear_kill();
        let Some(process) = self.process.as_mut().filter(|process| !process.stopped) else { return };
        process.look_at_clocks(self.now);
        process.turn(self.now);
        let shown = process.driver.engine().latch().map_or(Ts(0), |latch| latch.at);
        let command = &if *command == RESET { Command::Reset { latched: shown } } else { command.clone() };
        if *command == Command::Kill {
            process.driver.gate().kill();
            process.driver.shut(Command::Kill);
        } else {
            process.driver.command(command.clone());
        }
        self.truth.asked(command, process);
        self.say(|| format!("asked: {command:?}"));
        self.go_on();
    }

    fn act(&mut self, act: Act) {
        self.say(|| format!("{act:?}"));
        match act {
            Act::Crash(away) => self.crash(away),
            Act::Suspend(span) => self.suspend(span),
            Act::Ask(command) => self.ask(&command),
            Act::WantArmed(wanted) => self.want_armed = wanted,
            Act::ForeignTrade(symbol, side, qty) => {
                self.trade_by_hand(symbol, side, qty);
            }
            Act::ForeignClose(symbol) => self.close_by_hand(symbol),
            Act::Deposit(amount) => self.exchange.deposit(amount),
            Act::Cut(span) => {
                self.cut = true;
                self.stream_breaks();
                self.at(self.now + span, Item::CutOver);
            }
            Act::StreamBreaks => self.stream_breaks(),
            Act::Disk(medium) => self.set_medium(medium),
            Act::MarketAway(span) => {
                self.market_away = true;
                let down = Event::Link(Link::MarketDown("it broke".into()));
                self.tell_life(self.now, Item::Hear(News::Public(down)));
                self.at(self.now + span, Item::MarketBack);
            }
            Act::Funding(symbol) => self.exchange.settle(symbol),
            Act::Jump(symbol, rate) => self.exchange.displace(symbol, rate),
            Act::KillBeside(busy, closes) => self.kill_beside(busy, closes),
            Act::Ban(span) => self.ban(span),
            Act::Deleverage(symbol, percent) => self.deleverage(symbol, percent),
            Act::Liquidate => self.liquidate(),
            Act::Hedge(symbol, hedged) => self.flip_mode(symbol, hedged),
        }
        self.publish();
    }

    fn set_medium(&mut self, medium: Medium) {
        let disk = match &mut self.process {
            Some(process) => Some(process.writer.store_mut()),
            None => self.disk.as_mut(),
        };
        if let Some(disk) = disk {
            disk.medium = medium;
        }
    }

    fn crash(&mut self, away: Span) {
        let Some(process) = self.process.take() else { return };
        self.disk = Some(process.end());
        self.mailbox.clear();
        self.at(self.now + away, Item::Start);
    }

    /// The machine sleeps: its clocks that count time stand still.
    fn suspend(&mut self, span: Span) {
        let Some(process) = self.process.as_mut().filter(|process| !process.stopped) else { return };
        process.stopped = true;
        process.skew = Span(process.skew.0 - span.0);
        process.slept = span;
        let wakes = self.now + span;
        self.tell_life(wakes, Item::Wake);
        if span > Span::from_secs(20) {
            self.stream_breaks();
        }
    }

    fn wake(&mut self) {
        self.hear_kill();
        let Some(process) = &mut self.process else { return };
        process.stopped = false;
        let slept = std::mem::take(&mut process.slept);
        if slept >= Span::from_secs(2) {
            process.look_at_clocks(self.now);
            process.driver.fault(Fault::ClockJump(slept));
        }
        self.say(|| "awake".into());
        for item in std::mem::take(&mut self.mailbox) {
            self.reach(item);
        }
        self.go_on();
    }

    fn stream_breaks(&mut self) {
        let Some(process) = self.process.as_mut().filter(|process| process.stream_up) else { return };
        process.stream_up = false;
        let noticed = self.now + self.chance.span(10, 2_000);
        self.tell_life(noticed, Item::Hear(News::Private(Heard::Down("the line broke".into()))));
        let again = noticed + self.chance.span(50, 1_500);
        self.tell_life(again, Item::StreamUp);
    }

    /// Everything is well from now on.
    pub fn calm_down(&mut self) {
        self.weather = Plan::calm().weather;
        self.exchange.fill_percent = 100;
        self.exchange.late_rejects = 0;
        self.cut = false;
        self.banned_until = self.now;
        self.set_medium(Medium::Well);
        self.flip_back();
        self.say(|| "everything is well from now on".into());
    }

    /// A person's request, for the end of a seed.
    pub fn request(&mut self, command: &Command) {
        self.ask(command);
    }

    pub fn symbols(&self) -> usize {
        self.common.instruments.len()
    }
    pub fn limits(&self) -> &RiskLimits {
        self.process.as_ref().map_or(&self.common.limits, |process| process.driver.engine().limits())
    }
    pub const fn want(&mut self, armed: bool) {
        self.want_armed = armed;
    }
    pub fn storm_end() -> Ts {
        BEGIN + STORM
    }
}

/// How many instruments a seed trades.
pub const fn symbols_of(seed: u64) -> usize {
    1 + (seed % 3) as usize
}

/// The limits of the file, with room for a strategy that trades all the time.
fn limits() -> RiskLimits {
    let wide = RiskLimits::default().with(LimitKey::MaxOrdersPer10s, 60 * UNIT).unwrap();
    wide.with(LimitKey::CooldownAfterLoss, UNIT / 2).unwrap()
}

fn settings(chance: &mut Chance) -> Settings {
    let some = |chance: &mut Chance, raw: i64| if chance.permille(600) { Rate::from_raw(raw) } else { Rate::ZERO };
    Settings {
        edge_gate: false,
        entry_notional: Money::from_units(*chance.pick(&[100, 300, 450])),
        horizon_s: 10,
        passive_entry: chance.permille(400),
        max_hold: chance.span(800, 12_000),
        stop: some(chance, 2_000_000),
        take_profit: some(chance, 3_000_000),
        balance_tolerance: Money::from_raw(10_000_000_000_000_000),
        ..Settings::default()
    }
}
