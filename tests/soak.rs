//! Thirty minutes of the simulated market in little more than one of ours, with everything going wrong that the simulated
//! exchange can do, while an account trades by REST, dies, and goes on by the trade socket. Afterwards the books, the
//! orders, the money and the tasks must be as if nothing had happened.
//!
//! The market's time is compressed; the connections' is not, so every deadline of the client is the real one. The draws
//! are seeded, by `TICKDECK_SOAK_SEED` where it is set; which order meets which trouble is left to the scheduler, and every
//! claim holds whichever it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod gate;
#[path = "soak/troubles.rs"]
mod troubles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gate::{Draws, Gate};
use serde_json::{Value, json};
use tickdeck::engine::effect::TimeInForce;
use tickdeck::engine::event::{AccountUpdate, Event, MarketData, OrderNews, Statement};
use tickdeck::engine::ids::{Account, OrderSeq, RunId, Symbol, order_link_id};
use tickdeck::engine::market::book::BookState;
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Rate, Side};
use tickdeck::engine::orders::{Order, OrderState};
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::Venue as _;
use tickdeck::venue::bybit::account::{AccountOptions, BybitVenue, Transport};
use tickdeck::venue::bybit::credentials::{Credentials, PrivateAccount};
use tickdeck::venue::bybit::hosts::{Network, Overrides, PrivateHosts, PublicHosts, Region};
use tickdeck::venue::bybit::public::{PublicOptions, PublicStream, Timing};
use tickdeck::venue::bybit::rest::SharedLimits;
use tickdeck::venue::bybit::socket::Heartbeat;
use tickdeck::venue::line::{Inlet, Now, Wake, line};
use tickdeck::venue::sim::faults::Scenario;
use tickdeck::venue::sim::{Market, Sim, SimOptions};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};
use tokio::runtime::Runtime;
use troubles::{Act, Step};

const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
const DEPTH: u16 = 50;
/// Market seconds in a second.
const SPEED: i64 = 28;
/// 28 times 65 seconds are thirty minutes.
const BY_REST: Duration = Duration::from_secs(30);
const BY_SOCKET: Duration = Duration::from_secs(35);
/// Between two actions of the trader.
const PACE: Duration = Duration::from_millis(60);
/// What does not come in this time never comes.
const PATIENCE: Duration = Duration::from_secs(150);
/// The exchange rounds each fee and funding to 1e-8; this is more than all of them together.
const ROUNDING: Money = Money::from_raw(100_000_000_000_000);

/// The exchange, what connects to it, and what was heard.
struct Soak {
    runtime: Runtime,
    sim: Sim,
    clock: Now,
    wake: Wake,
    woken: Receiver<()>,
    limits: SharedLimits,
    frozen: Arc<AtomicBool>,
    gate: Gate,
    draws: Draws,
    heard: Heard,
}

/// What the account's task has said in this run.
#[derive(Default)]
struct Heard {
    orders: BTreeMap<OrderSeq, Order>,
    executions: BTreeSet<String>,
    /// Orders whose outcome was unclear.
    doubts: usize,
    /// Funding paid (negative) and received.
    fundings: Vec<Money>,
    opened: bool,
    statement: Option<Statement>,
    holds: BTreeMap<DenialCode, String>,
}

/// One run of the program: its connections.
struct Run {
    id: RunId,
    venue: BybitVenue,
}

#[test]
fn thirty_minutes_of_everything_going_wrong_leave_no_trace() {
    let mut soak = Soak::start();
    let (stream, mut inlet) = soak.stream();
    let mut first = soak.run(1, Transport::Rest);
    let mut steps = troubles::random(&mut soak.draws, BY_REST, Duration::ZERO);
    steps.extend(troubles::lost_connections());
    soak.trade(&mut first, &mut inlet, BY_REST, steps);
    let first_heard = std::mem::take(&mut soak.heard);
    // It dies in the middle of everything; the next one finds what it left.
    drop(first);
    let mut second = soak.run(2, Transport::Socket);
    let mut steps = troubles::random(&mut soak.draws, BY_SOCKET, Duration::from_secs(8));
    steps.extend(troubles::refused_connections());
    soak.trade(&mut second, &mut inlet, BY_SOCKET, steps);
    for heard in [&first_heard, &soak.heard] {
        let (sent, filled, doubts) = (heard.orders.len(), heard.executions.len(), heard.doubts);
        assert!(sent > 100 && filled > 30 && doubts > 2, "hardly tried: {sent} sent, {filled} fills, {doubts} doubts");
    }

    soak.sim.set_faults(&Value::Null).unwrap();
    soak.settle(&mut second, &mut inlet);
    soak.no_connection_is_stuck(&stream, &mut second, &mut inlet);
    soak.books_are_the_exchanges(&stream, &mut second, &mut inlet);
    soak.a_lost_delta_is_noticed(&stream, &mut second, &mut inlet);
    soak.books_are_the_exchanges(&stream, &mut second, &mut inlet);
    soak.nothing_was_sent_twice();
    soak.orders_ended_as_at_the_exchange(&second);
    soak.account_is_the_exchanges(&mut second, &mut inlet);
    soak.a_ban_is_named_and_nothing_leaves(&mut second, &mut inlet);
    drop((second, stream));
    let alive = || soak.runtime.metrics().num_alive_tasks();
    let since = Instant::now();
    while alive() > 0 {
        assert!(since.elapsed() < PATIENCE, "{} tasks outlive their connections", alive());
        soak.pause();
    }
}

impl Soak {
    fn start() -> Self {
        let seed = std::env::var("TICKDECK_SOAK_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
        println!("seed {seed}");
        let (base, began) = (wall(), Instant::now());
        let clock: Now = Arc::new(move || base + Span(i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX)));
        let frozen = Arc::new(AtomicBool::new(false));
        let sim = Sim::start(SimOptions {
            instruments: instruments(),
            market: market(seed, base, frozen.clone()),
            prelude: Span::from_secs(5),
            listen: "127.0.0.1:0".parse().unwrap(),
            key: "soak-key-0001".to_owned(),
            secret: "soak-secret".to_owned().into(),
            balance: Money::from_units(10_000),
            seed,
            scenario: Scenario::default(),
            clock: clock.clone(),
        })
        .unwrap();
        let (bell, woken) = sync_channel(1);
        let wake: Wake = Arc::new(move || {
            // A bell that rings already need not ring twice.
            let _rings = bell.try_send(());
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let gate = Gate::new(NAMES.iter().map(|name| Instrument::unknown(name)).collect(), Money::ZERO);
        Self {
            runtime,
            sim,
            clock,
            wake,
            woken,
            limits: SharedLimits::default(),
            frozen,
            gate,
            draws: Draws(seed),
            heard: Heard::default(),
        }
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            rest: Some(self.sim.rest_url()),
            ws_public: Some(self.sim.ws_url("/v5/public/linear")),
            ws_private: Some(self.sim.ws_url("/v5/private")),
            ws_trade: Some(self.sim.ws_url("/v5/trade")),
        }
    }

    fn stream(&self) -> (PublicStream, Inlet) {
        let (outlet, inlet) = line(8_192, self.clock.clone(), self.wake.clone());
        let options = PublicOptions {
            hosts: PublicHosts::new(Network::Testnet, Region::Global, &self.overrides()).unwrap(),
            symbols: NAMES.iter().map(|name| (*name).to_owned()).collect(),
            depth: DEPTH,
            proxy: None,
            limits: self.limits.clone(),
            signs: tickdeck::venue::bybit::signs::Signs::default(),
            timing: Timing {
                heartbeat: heartbeat(), // Never: the stream has to notice by itself what it lost.
                compare_every: Duration::from_secs(3_600),
                ..Timing::default()
            },
        };
        (PublicStream::start(self.runtime.handle(), options, outlet).unwrap(), inlet)
    }

    fn run(&self, number: u16, transport: Transport) -> Run {
        let secret = "soak-secret".to_owned().into();
        let credentials = Arc::new(Credentials::new(PrivateAccount::Testnet, "soak-key-0001", secret).unwrap());
        let id = RunId::new((self.clock)().as_ms(), number);
        let options = AccountOptions {
            hosts: PrivateHosts::new(&credentials, &self.overrides()).unwrap(),
            credentials,
            account: Account::Testnet,
            run: id.clone(),
            before: tickdeck::venue::bybit::account::opening::Before::default(),
            symbols: NAMES.iter().map(|name| (*name).to_owned()).collect(),
            transport,
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
            proxy: None,
            limits: self.limits.clone(),
            signs: tickdeck::venue::bybit::signs::Signs::default(),
            heartbeat: heartbeat(),
            leverage_most: 2,
            claim: tickdeck::venue::bybit::account::Claim::free(),
        };
        let venue = BybitVenue::start(self.runtime.handle(), options, self.clock.clone(), self.wake.clone()).unwrap();
        Run { id, venue }
    }

    /// Until something is heard, a few milliseconds at most.
    fn pause(&self) {
        let _heard = self.woken.recv_timeout(Duration::from_millis(5));
    }

    fn until(
        &mut self,
        what: &str,
        run: &mut Run,
        inlet: &mut Inlet,
        mut done: impl FnMut(&mut Self, &mut Run) -> bool,
    ) {
        let since = Instant::now();
        loop {
            self.listen(run, inlet);
            if done(self, run) {
                return;
            }
            let open: Vec<&Order> = self.heard.orders.values().filter(|order| !order.state.is_terminal()).collect();
            assert!(since.elapsed() < PATIENCE, "waited in vain for {what}: {:?} {open:?}", self.heard.holds);
            self.pause();
        }
    }

    /// Trades for so long while everything goes wrong.
    fn trade(&mut self, run: &mut Run, inlet: &mut Inlet, length: Duration, steps: Vec<Step>) {
        let began = Instant::now();
        let mut steps = troubles::in_order(steps).into_iter().peekable();
        let mut acts = Duration::ZERO;
        while began.elapsed() < length {
            while let Some((_, act)) = steps.next_if(|(at, _)| *at <= began.elapsed()) {
                match act {
                    Act::Faults(change) => self.sim.set_faults(&change).unwrap(),
                    Act::Do(asked) => drop(self.sim.act(&asked).unwrap()),
                }
            }
            self.listen(run, inlet);
            // Holds are ignored on purpose: the client must cope with more than an engine would ask of it.
            if self.heard.opened && acts <= began.elapsed() {
                acts = began.elapsed() + PACE;
                self.act(run);
            }
            self.pause();
        }
    }

    fn listen(&mut self, run: &mut Run, inlet: &mut Inlet) {
        inlet.collect();
        while let Some((at, event)) = inlet.pop() {
            if let Event::Market(symbol, data) = event {
                self.gate.desks[symbol.index()].on_market(at, &data, Span::from_secs(10));
            }
        }
        run.venue.collect();
        while let Some((at, event)) = run.venue.pop_due(Ts(i64::MAX)) {
            self.hear(at, event);
        }
    }

    fn hear(&mut self, at: Ts, event: Event) {
        match event {
            Event::Order(update) => {
                let order = self.heard.orders.get_mut(&update.order).expect("news of an order that was sent");
                if let OrderNews::Filled(fill) = &update.what {
                    assert!(self.heard.executions.insert(fill.exec_id.clone()), "told twice: {fill:?}");
                    self.gate.account.book_fill(at, order.intent.symbol, order.intent.side, fill);
                }
                self.heard.doubts += usize::from(matches!(update.what, OrderNews::Uncertain(_)));
                order.apply(at, &update.what);
                self.gate.orders.apply(at, update.order, &update.what);
            }
            Event::Account(AccountUpdate::Opening(opening)) => {
                self.gate.account.open_with(opening.balance, &opening.holdings);
                self.heard.opened = true;
            }
            Event::Account(AccountUpdate::Funding { amount, .. }) => {
                self.heard.fundings.push(amount);
                self.gate.account.book_funding(tickdeck::engine::account::Whose::Ours, amount);
            }
            Event::Account(AccountUpdate::Statement(statement)) => self.heard.statement = Some(statement),
            Event::Account(AccountUpdate::Liquidated { .. }) => panic!("nothing here comes near liquidation"),
            Event::Hold(hold) => {
                match hold.detail {
                    Some(detail) => self.heard.holds.insert(hold.code, detail),
                    None => self.heard.holds.remove(&hold.code),
                };
            }
            _ => {}
        }
    }

    /// One random action: take, rest, cross with post-only, wait in the book, reduce, cancel.
    fn act(&mut self, run: &mut Run) {
        let symbol = Symbol(u16::try_from(self.draws.below(2)).unwrap());
        let side = self.draws.side();
        let Some((bid, ask)) = self.gate.desks[symbol.index()].book.best() else { return };
        let (same, other) = if side == Side::Buy { (bid.price, ask.price) } else { (ask.price, bid.price) };
        let size = 1 + i64::try_from(self.draws.below(5)).unwrap();
        let step = self.gate.desks[symbol.index()].instrument.step.raw();
        let qty = Qty::from_raw(step * size);
        let away = |from: Price, bps: i64| from.shifted(Rate::from_raw(side.sign() * bps * 100_000));
        match self.draws.below(100) {
            0..30 => self.send(run, (symbol, side), qty, away(other, 15), TimeInForce::ImmediateOrCancel, false),
            30..48 => self.send(run, (symbol, side), qty, same, TimeInForce::PostOnly, false),
            48..55 => self.send(run, (symbol, side), qty, away(other, 5), TimeInForce::PostOnly, false),
            55..70 => self.send(run, (symbol, side), qty, away(same, -10), TimeInForce::GoodTillCancel, false),
            70..85 => self.reduce(run, symbol, qty),
            _ => {
                let working: Vec<OrderSeq> = self.gate.orders.working().map(|order| order.intent.seq).collect();
                if !working.is_empty() {
                    let pick = self.draws.below(working.len() as u64) as usize;
                    run.venue.cancel((self.clock)(), working[pick]);
                }
            }
        }
    }

    fn reduce(&mut self, run: &mut Run, symbol: Symbol, qty: Qty) {
        let held = self.gate.account.holding(symbol);
        let Some(side) = held.side().map(Side::opposite) else { return };
        let Some((bid, ask)) = self.gate.desks[symbol.index()].book.best() else { return };
        let from = if side == Side::Buy { ask.price } else { bid.price };
        let price = from.shifted(Rate::from_raw(side.sign() * 2_000_000));
        self.send(run, (symbol, side), qty.min(held.qty()), price, TimeInForce::ImmediateOrCancel, true);
    }

    fn send(
        &mut self,
        run: &mut Run,
        what: (Symbol, Side),
        qty: Qty,
        price: Price,
        tif: TimeInForce,
        reduce_only: bool,
    ) {
        let at = (self.clock)();
        let price = self.gate.desks[what.0.index()].instrument.tick_down(price);
        let order = self.gate.draft(at, what, qty, price, tif, reduce_only);
        let Ok(approved) = self.gate.approve(at, order) else { return };
        self.gate.orders.add(order);
        self.heard.orders.insert(order.seq, Order::new(order));
        let gate = tickdeck::gate::Gate::default();
        let pass = gate.pass(gate.epoch(), Duration::from_millis(500), order.reduce_only);
        run.venue.submit(at, approved, &order_link_id(Account::Testnet, &run.id, order.seq), pass);
    }

    /// The market stands still, every order is cancelled, and no outcome is left open.
    fn settle(&mut self, run: &mut Run, inlet: &mut Inlet) {
        self.frozen.store(true, Ordering::Relaxed);
        let mut asked = Instant::now();
        let mut first = true;
        self.until("the end of every order", run, inlet, |soak, run| {
            let open = soak.heard.orders.values().filter(|order| !order.state.is_terminal());
            let open: Vec<OrderSeq> = open.map(|order| order.intent.seq).collect();
            if first || asked.elapsed() > Duration::from_secs(1) {
                (first, asked) = (false, Instant::now());
                for order in &open {
                    run.venue.cancel((soak.clock)(), *order);
                }
            }
            open.is_empty()
        });
    }

    fn no_connection_is_stuck(&mut self, stream: &PublicStream, run: &mut Run, inlet: &mut Inlet) {
        self.until("every connection", run, inlet, |soak, _| {
            let sockets = &soak.sim.state()["sockets"];
            stream.counts().connected == 1
                && !soak.heard.holds.contains_key(&DenialCode::VenueUnreachable)
                && ["public", "private", "trade"].iter().all(|kind| sockets[*kind] == 1)
        });
        assert!(self.heard.holds.is_empty(), "{:?}", self.heard.holds);
        assert!(stream.counts().resyncs > 0 && stream.counts().reconnects > 0, "{:?}", stream.counts());
    }

    /// Level by level, fifty deep, against what REST says while the market stands still.
    fn books_are_the_exchanges(&mut self, stream: &PublicStream, run: &mut Run, inlet: &mut Inlet) {
        for (name, place) in NAMES.iter().zip(0..) {
            let truth = self.runtime.block_on(stream.rest().order_book(name, DEPTH)).unwrap();
            assert!(truth.bids.len() >= 40 && truth.asks.len() >= 40, "{name}: hardly a book");
            self.until("the exchange's own book", run, inlet, |soak, _| {
                let book = &soak.gate.desks[place].book;
                book.state() == BookState::Valid
                    && book.bids().iter().eq(truth.bids.iter().copied())
                    && book.asks().iter().eq(truth.asks.iter().copied())
            });
            let again = self.runtime.block_on(stream.rest().order_book(name, DEPTH)).unwrap();
            assert_eq!(again.seq, truth.seq, "the market stands still");
        }
    }

    /// While the market stands still only we change the book. The delta of a first order is lost: nothing else would ever
    /// mend that level. That of a second order tells that one is missing.
    fn a_lost_delta_is_noticed(&mut self, stream: &PublicStream, run: &mut Run, inlet: &mut Inlet) {
        self.sim.set_faults(&json!({ "skip_deltas": 1 })).unwrap();
        self.take(run, inlet, Side::Buy);
        self.until("the loss of a delta", run, inlet, |soak, _| soak.sim.faults().skip_deltas == 0);
        let resyncs = stream.counts().resyncs;
        self.take(run, inlet, Side::Sell);
        self.until("the book to be asked for anew", run, inlet, |_, _| stream.counts().resyncs > resyncs);
    }

    /// Takes the smallest quantity from the best price of the first book.
    fn take(&mut self, run: &mut Run, inlet: &mut Inlet, side: Side) {
        let best = self.gate.desks[0].book.opposite(side).first().unwrap().price;
        let step = self.gate.desks[0].instrument.step;
        self.send(run, (Symbol(0), side), step, best, TimeInForce::ImmediateOrCancel, false);
        let last = *self.heard.orders.last_key_value().unwrap().0;
        self.until("the fill", run, inlet, |soak, _| soak.heard.orders[&last].state.is_terminal());
        assert_eq!(self.heard.orders[&last].state, OrderState::Filled);
    }

    fn nothing_was_sent_twice(&self) {
        let state = self.sim.state();
        let requests = state["requests"].as_array().unwrap();
        let mut seen = BTreeSet::new();
        for request in requests.iter().filter(|request| request["path"].as_str().unwrap().contains("create")) {
            let link = request["body"]["orderLinkId"].as_str().unwrap();
            assert!(seen.insert(link.to_owned()), "{link} was sent twice");
        }
        assert!(seen.len() > 200, "{} creates", seen.len());
    }

    /// Order by order: what we say was filled is what the exchange executed.
    fn orders_ended_as_at_the_exchange(&self, run: &Run) {
        let state = self.sim.state();
        let mut executed: BTreeMap<&str, Qty> = BTreeMap::new();
        for row in state["executions"].as_array().unwrap() {
            let qty = row["execQty"].as_str().unwrap().parse().unwrap();
            *executed.entry(row["orderLinkId"].as_str().unwrap()).or_default() += qty;
        }
        for (seq, order) in &self.heard.orders {
            let link = order_link_id(Account::Testnet, &run.id, *seq);
            let theirs = executed.get(link.as_str()).copied().unwrap_or(Qty::ZERO);
            assert_eq!(order.filled, theirs, "{link}: {order:?}");
        }
        let ended = |state: OrderState| self.heard.orders.values().filter(|order| order.state == state).count();
        assert!(ended(OrderState::Filled) > 0 && ended(OrderState::Cancelled) > 0 && ended(OrderState::Rejected) > 0);
    }

    fn account_is_the_exchanges(&mut self, run: &mut Run, inlet: &mut Inlet) {
        // Funding whose push was lost moves no position: the next reading finds it.
        self.heard.statement = None;
        run.venue.ask((self.clock)());
        self.until("a statement", run, inlet, |soak, _| soak.heard.statement.is_some());
        let statement = self.heard.statement.take().unwrap();
        let truth = self.sim.state();
        let positions: Vec<(Symbol, i64)> = NAMES
            .iter()
            .zip(0..)
            .filter_map(|(name, at)| {
                let row = truth["positions"].as_array().unwrap().iter().find(|row| row["symbol"] == *name)?;
                let size = row["size"].as_str().unwrap().parse::<Qty>().unwrap().raw();
                Some((Symbol(at), if row["side"] == "Sell" { -size } else { size }))
            })
            .collect();
        let ours: Vec<(Symbol, i64)> = self.gate.account.open().map(|held| (held.symbol, held.signed)).collect();
        assert_eq!(ours, positions, "what the fills add up to");
        let wallet = Money::parse(truth["wallet"]["coin"][0]["walletBalance"].as_str().unwrap()).unwrap();
        // What was paid in all. The balance alone depends on the order in which fills are heard of while a position is open:
        // what a late one does not move there it moves in the position's cost.
        let signed = |side: Option<Side>, cost: Money| if side == Some(Side::Sell) { Money::ZERO - cost } else { cost };
        let held: Money = self.gate.account.open().map(|held| signed(held.side(), held.cost)).sum();
        let rows = truth["positions"].as_array().unwrap();
        let theirs: Money = rows
            .iter()
            .map(|row| {
                let side = if row["side"] == "Sell" { Side::Sell } else { Side::Buy };
                signed(Some(side), Money::parse(row["positionValue"].as_str().unwrap()).unwrap())
            })
            .sum();
        let off = (self.gate.account.balance() - held) - (wallet - theirs);
        assert!(off.abs() < ROUNDING, "what was paid is off by {off}, funding {:?}", self.heard.fundings);
        assert_eq!((statement.positions, statement.working), (positions, vec![]));
        assert!((statement.balance - wallet).abs() < ROUNDING);
    }

    fn a_ban_is_named_and_nothing_leaves(&mut self, run: &mut Run, inlet: &mut Inlet) {
        self.sim.set_faults(&json!({ "banned": true })).unwrap();
        run.venue.ask((self.clock)());
        self.until("the ban", run, inlet, |soak, _| soak.heard.holds.contains_key(&DenialCode::VenueBanned));
        let before = self.sim.state()["requests"].as_array().unwrap().len();
        let (bid, _) = self.gate.desks[0].book.best().unwrap();
        let qty = self.gate.desks[0].instrument.step;
        self.send(run, (Symbol(0), Side::Buy), Qty::from_raw(qty.raw() * 2), bid.price, TimeInForce::PostOnly, false);
        let (seq, _) = self.heard.orders.last_key_value().unwrap();
        let seq = *seq;
        self.until("the refusal", run, inlet, |soak, _| soak.heard.orders[&seq].state == OrderState::Unsent);
        assert_eq!(self.sim.state()["requests"].as_array().unwrap().len(), before, "nothing leaves");
    }
}

fn wall() -> Ts {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Ts(i64::try_from(since.as_nanos()).unwrap())
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        ping_every: Duration::from_secs(2),
        quiet: Duration::from_millis(500),
        answer_within: Duration::from_millis(1_500),
    }
}

fn instruments() -> Vec<Instrument> {
    SimulatedMarket::instruments().into_iter().take(NAMES.len()).collect()
}

/// The first instruments of the built-in market, in compressed time, until it is told to stand still.
fn market(seed: u64, start: Ts, frozen: Arc<AtomicBool>) -> Market {
    let mut market = SimulatedMarket::new(seed, Weather::Calm, start);
    Box::new(std::iter::from_fn(move || {
        while !frozen.load(Ordering::Relaxed) {
            let (at, symbol, data): (Ts, Symbol, MarketData) = market.next_event();
            if symbol.index() < NAMES.len() {
                return Some((start + Span(at.since(start).0 / SPEED), symbol, data));
            }
        }
        None
    }))
}
