//! A rig for tests: the real engine and the real paper venue on a market that the test writes line by line.
#![allow(dead_code)] // each test file uses its part

use std::collections::VecDeque;

use tickdeck::engine::Engine;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Effect, Effects, Errand, NewOrder, Protection, Record};
use tickdeck::engine::event::{
    AccountUpdate, Event, Fault, HorizonForecast, MarketData, ModelInfo, OrderNews, OrderUpdate, Prediction, Restored,
    Statement, Ticker, Trade,
};
use tickdeck::engine::features::Set;
use tickdeck::engine::ids::{ModelId, OrderSeq, Pair, RunId, Symbol};
use tickdeck::engine::market::book::{BookUpdate, Level};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::notice::Notice;
use tickdeck::engine::num::{Money, Price, Qty, Rate, Side};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::{Protect, Settings};
use tickdeck::engine::snapshot::{LimitRow, Snapshot, StateWord, View};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::paper::{PaperSettings, PaperVenue, VenueReport};

pub const BTC: Symbol = Symbol(0);
pub const ETH: Symbol = Symbol(1);

pub fn p(text: &str) -> Price {
    Price::parse(text).unwrap()
}
pub fn q(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}
pub fn usd(units: i64) -> Money {
    Money::from_units(units)
}

/// Limits whose use the engine counts at its worst.
const COUNTED: [LimitKey; 7] = [
    LimitKey::MaxPositionNotional,
    LimitKey::MaxGrossNotional,
    LimitKey::MaxNetNotional,
    LimitKey::MaxOpenOrders,
    LimitKey::MaxOrdersPer10s,
    LimitKey::MaxOrders24h,
    LimitKey::MaxLeverage,
];

/// Engine and venue under a scripted market.
pub struct Rig {
    pub engine: Engine,
    pub venue: PaperVenue,
    pub now: Ts,
    effects: Effects,
    inbox: VecDeque<Event>,
    next_tick: Ts,
    /// Every order the engine handed out, in order.
    pub submitted: Vec<NewOrder>,
    /// Limits that were exceeded, counted at its worst, at the moment an opening order was handed out.
    pub violations: Vec<String>,
    /// Every cancel.
    pub cancels: Vec<OrderSeq>,
    /// Every protection that the engine asked the venue to set.
    pub protects: Vec<(Symbol, Protection)>,
    /// Protective orders that the engine cancelled, by the venue's id.
    pub swept: Vec<String>,
    /// Errands outside the run.
    pub errands: Vec<Errand>,
    /// Orders that a person settled.
    pub settled: Vec<OrderSeq>,
    pub records: Vec<Record>,
    pub notices: Vec<Notice>,
    /// Keep submitted orders back instead of sending them: an intent that is not durable yet.
    pub hold_back: bool,
    /// The venue takes no protection that is asked for by itself.
    pub refuses_protection: bool,
    pub held_back: Vec<tickdeck::engine::risk::gate::Approved<NewOrder>>,
    /// Forecast repeated at every decision boundary, per symbol: up, down, move in bps.
    pub forecast: [(f32, f32, f32); 2],
    /// The same for the next second: what timed execution looks at, where there is one.
    pub near: Option<(f32, f32, f32)>,
    /// Models answer without a forecast, as they do while features warm up.
    pub silent_models: bool,
    /// Answers wait until they are given.
    pub keeps_answers: bool,
    kept_answers: Vec<Event>,
    /// Probability of no move, where it is not what the other two leave.
    pub flat: Option<f32>,
    /// Open orders of others that the venue's statements count.
    pub foreign_orders: u16,
    /// Re-send the book at every boundary, so that the feed is alive.
    pub alive: bool,
}

/// Settings with the edge gate off: every wished entry reaches the gate.
pub fn eager() -> Settings {
    Settings {
        edge_gate: false,
        entry_notional: usd(300),
        max_hold: Span::from_secs(3600),
        stop: tickdeck::engine::num::Rate::from_raw(0),
        take_profit: tickdeck::engine::num::Rate::from_raw(0),
        protect: Protect { stop: Rate::ZERO, take_profit: Rate::ZERO, required: false },
        ..Settings::default()
    }
}

pub fn instruments() -> Vec<Instrument> {
    vec![Instrument::linear("BTCUSDT", p("0.1"), q("0.001")), Instrument::linear("ETHUSDT", p("0.01"), q("0.01"))]
}

pub fn restored(settings: Settings, limits: RiskLimits) -> Restored {
    Restored {
        run: RunId::new(1_763_800_000_000, 1),
        pair: Pair::SIMULATED,
        instruments: instruments(),
        models: vec![ModelInfo {
            name: "test".into(),
            hash: "abcdef".into(),
            horizons_s: vec![10],
            reads: Set::Market,
            trained: String::new(),
            promise: tickdeck::engine::trust::promise::Promise::default(),
        }],
        settings,
        limits,
        latch: None,
        flat_proven: None,
        balance: usd(10_000),
        holdings: Vec::new(),
        baselines: None,
        released: Vec::new(),
        armed_until: None,
        outside_seen: Vec::new(),
        waived: Vec::new(),
        flattening: Vec::new(),
        opened: Vec::new(),
        earlier: Vec::new(),
        account_known: true,
    }
}

impl Rig {
    pub fn new(settings: Settings, limits: RiskLimits) -> Self {
        Self::from(restored(settings, limits))
    }

    pub fn from(restored: Restored) -> Self {
        let paper = PaperSettings {
            latency: restored.settings.paper_latency,
            taker_fee: restored.settings.taker_fee,
            maker_fee: restored.settings.maker_fee,
        };
        let venue = PaperVenue::new(paper, restored.instruments.clone(), restored.balance, &restored.holdings);
        let start = Ts::from_ms(1_763_800_000_000);
        let mut rig = Self {
            engine: Engine::new(&restored),
            venue,
            now: start,
            effects: Effects::new(),
            inbox: VecDeque::new(),
            next_tick: start + Span::from_secs(1),
            submitted: Vec::new(),
            violations: Vec::new(),
            cancels: Vec::new(),
            protects: Vec::new(),
            swept: Vec::new(),
            errands: Vec::new(),
            settled: Vec::new(),
            records: Vec::new(),
            notices: Vec::new(),
            hold_back: false,
            refuses_protection: false,
            held_back: Vec::new(),
            forecast: [(0.2, 0.2, 0.0); 2],
            near: None,
            silent_models: false,
            keeps_answers: false,
            kept_answers: Vec::new(),
            flat: None,
            foreign_orders: 0,
            alive: true,
        };
        rig.event(Event::Restored(Box::new(restored)));
        rig.quote(BTC, "49999.9", "50000.0");
        rig.quote(ETH, "2500.00", "2500.01");
        rig.run(1500);
        rig
    }

    /// A rig that is armed and reconciled.
    pub fn armed(settings: Settings, limits: RiskLimits) -> Self {
        let mut rig = Self::new(settings, limits);
        rig.arm();
        rig
    }

    /// Lifts the latch that holds.
    pub fn reset(&mut self) {
        let latched = self.engine.latch().map_or(Ts(0), |latch| latch.at);
        self.command(Command::Reset { latched });
    }

    pub fn arm(&mut self) {
        self.command(Command::Arm { lasts: Span::from_secs(900) });
    }

    /// One event now, with everything that follows from it at once.
    pub fn event(&mut self, event: Event) {
        if let Event::Market(symbol, data) = &event {
            self.venue.on_market(self.now, *symbol, data);
        }
        self.inbox.push_back(event);
        while let Some(event) = self.inbox.pop_front() {
            self.engine.step(self.now, &event, &mut self.effects);
            let effects: Vec<Effect> = self.effects.drain().collect();
            for effect in effects {
                self.execute(effect);
            }
        }
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Submit(order) => {
                self.submitted.push(*order.get());
                self.look_for_violations(order.get());
                if self.hold_back { self.held_back.push(order) } else { self.release(order) }
            }
            Effect::Cancel(order) => {
                self.cancels.push(order);
                if let Some(at) = self.held_back.iter().position(|o| o.get().seq == order) {
                    self.held_back.remove(at);
                    self.tell(order, OrderNews::Unsent("cancelled before it was sent".into()));
                } else {
                    self.venue.cancel(self.now, order);
                }
            }
            Effect::Infer(frame) => {
                let flat = self.flat;
                let said = |horizon_s, (up, down, move_bps): (f32, f32, f32)| HorizonForecast {
                    horizon_s,
                    up,
                    flat: flat.unwrap_or(1.0 - up - down),
                    down,
                    move_bps,
                };
                let far = said(10, self.forecast[frame.symbol.index()]);
                let near = self.near.map(|near| said(1, near));
                let answer = Event::Predicted(Prediction {
                    symbol: frame.symbol,
                    model: ModelId(0),
                    features_at: frame.at,
                    took: Span(1000),
                    horizons: if self.silent_models { Vec::new() } else { near.into_iter().chain([far]).collect() },
                });
                if self.keeps_answers { self.kept_answers.push(answer) } else { self.inbox.push_back(answer) }
            }
            Effect::Ask => self.venue.ask(self.now),
            Effect::Protect { symbol, protection } => {
                self.protects.push((symbol, protection));
                if !self.refuses_protection {
                    self.venue.protect(self.now, symbol, protection);
                }
            }
            Effect::CancelById { symbol, order } => {
                self.venue.cancel_by_id(self.now, symbol, &order);
                self.swept.push(order);
            }
            Effect::Errand(errand) => self.errands.push(errand),
            Effect::Settle(order) => self.settled.push(order),
            Effect::Retry | Effect::TieOut | Effect::ReloadModels => {}
            Effect::Record(record) => self.records.push(record),
            Effect::Note(notice) => self.notices.push(notice),
        }
    }

    fn look_for_violations(&mut self, order: &NewOrder) {
        if order.reduce_only {
            let held = self.engine.account().holding(order.symbol);
            if held.side() != Some(order.side.opposite()) || order.qty > held.qty() {
                self.violations.push(format!("{order:?} does not reduce {held:?}"));
            }
            return;
        }
        let snapshot = self.engine.snapshot(View::default());
        if snapshot.state.word != StateWord::Armed {
            let reducing = snapshot.state.word == StateWord::Reducing;
            // Another symbol may be the one that is reducing.
            if !reducing {
                self.violations.push(format!("opened while {:?}", snapshot.state.word));
            }
        }
        let name = &snapshot.markets[order.symbol.index()].name;
        // A limit per symbol that was lowered below what another symbol holds says nothing of this one.
        let elsewhere = |row: &LimitRow| row.worst.as_ref().is_some_and(|worst| worst != name);
        for row in snapshot.limits.iter().filter(|row| COUNTED.contains(&row.key)) {
            let limit = row.value as f64 / 1e9;
            if elsewhere(row) {
                let held = self.engine.account().holding(order.symbol);
                let ours = order.price * order.qty + if held.side() == Some(order.side) { held.cost } else { usd(0) };
                if ours > self.engine.limits().money(row.key) {
                    self.violations.push(format!("{} {ours} of {limit} by {order:?}", row.key.name()));
                }
                continue;
            }
            if row.used.is_none_or(|used| used > limit * (1.0 + 1e-12)) {
                self.violations.push(format!("{} {:?} of {limit} by {order:?}", row.key.name(), row.used));
            }
        }
        let notional = order.price * order.qty;
        if notional > self.engine.limits().money(LimitKey::MaxOrderNotional) {
            self.violations.push(format!("order notional {notional}"));
        }
    }

    fn tell(&mut self, order: OrderSeq, what: OrderNews) {
        self.inbox.push_back(Event::Order(OrderUpdate { order, what }));
    }

    fn release(&mut self, order: tickdeck::engine::risk::gate::Approved<NewOrder>) {
        let seq = order.get().seq;
        match self.engine.may_send(order.get(), self.now) {
            Ok(()) => {
                self.venue.submit(self.now, order);
                self.tell(seq, OrderNews::Sent);
            }
            Err(denial) => self.tell(seq, OrderNews::Unsent(denial.to_string())),
        }
    }

    /// The venue states its balance and positions, with no order and no stop.
    pub fn statement(&mut self, balance: Money, positions: Vec<(Symbol, i64)>) {
        let statement = Statement {
            balance,
            positions,
            working: Vec::new(),
            unlisted: 0,
            foreign_orders: 0,
            protection: Vec::new(),
            protective: Vec::new(),
        };
        self.event(Event::Account(AccountUpdate::Statement(statement)));
    }

    /// The intents that were held back become durable now.
    pub fn release_held_back(&mut self) {
        self.hold_back = false;
        for order in std::mem::take(&mut self.held_back) {
            self.release(order);
        }
        self.event(Event::Link(tickdeck::engine::event::Link::MarketAlive));
    }

    /// Lets time pass: decision boundaries and venue reports in order.
    pub fn run(&mut self, ms: i64) {
        let until = self.now + Span::from_ms(ms);
        loop {
            let due = self.venue.next_due().map_or(self.next_tick, |venue| venue.min(self.next_tick));
            if due > until {
                break;
            }
            self.now = self.now.max(due);
            if self.next_tick <= due {
                self.next_tick = self.next_tick + Span::from_secs(1);
                if self.alive {
                    self.event(Event::Link(tickdeck::engine::event::Link::MarketAlive));
                }
                self.event(Event::Tick);
            } else if let Some((at, report)) = self.venue.pop_due(due) {
                self.now = self.now.max(at);
                self.event(match report {
                    VenueReport::Order(update) => Event::Order(update),
                    VenueReport::Account(AccountUpdate::Statement(statement)) => {
                        let foreign_orders = self.foreign_orders;
                        Event::Account(AccountUpdate::Statement(Statement { foreign_orders, ..statement }))
                    }
                    VenueReport::Account(update) => Event::Account(update),
                });
            }
        }
        self.now = until;
    }

    /// A whole new book with plenty on ten levels each side.
    pub fn quote(&mut self, symbol: Symbol, bid: &str, ask: &str) {
        self.quote_size(symbol, bid, ask, "10");
    }

    pub fn quote_size(&mut self, symbol: Symbol, bid: &str, ask: &str, size: &str) {
        let tick = instruments()[symbol.index()].tick.raw();
        let levels = |from: Price, step: i64| {
            (0..10).map(|n| Level { price: Price::from_raw(from.raw() + n * step), qty: q(size) }).collect::<Vec<_>>()
        };
        let update = BookUpdate { snapshot: true, bids: levels(p(bid), -tick), asks: levels(p(ask), tick) };
        self.event(Event::Market(symbol, MarketData::Book(update)));
    }

    pub fn gap(&mut self, symbol: Symbol) {
        self.event(Event::Market(symbol, MarketData::Gap));
    }

    pub fn mark(&mut self, symbol: Symbol, mark: &str) {
        let ticker = Ticker { mark: Some(p(mark)), ..Ticker::default() };
        self.event(Event::Market(symbol, MarketData::Ticker(ticker)));
    }

    pub fn trade(&mut self, symbol: Symbol, taker: Side, price: &str, qty: &str) {
        let trade = Trade { price: p(price), qty: q(qty), taker };
        self.event(Event::Market(symbol, MarketData::Trade(trade)));
    }

    pub fn command(&mut self, command: Command) {
        self.event(Event::Command(command));
    }

    pub fn fault(&mut self, fault: Fault) {
        self.event(Event::Fault(fault));
    }

    /// Forecasts that want a long (or short) on this symbol from the next boundary on.
    pub fn want(&mut self, symbol: Symbol, side: Side) {
        self.forecast[symbol.index()] = match side {
            Side::Buy => (0.8, 0.1, 5.0),
            Side::Sell => (0.1, 0.8, -5.0),
        };
    }

    /// The answers that waited come now.
    pub fn give_answers(&mut self) {
        for answer in std::mem::take(&mut self.kept_answers) {
            self.event(answer);
        }
    }

    /// Forecasts that want nothing.
    pub fn want_nothing(&mut self) {
        self.forecast = [(0.2, 0.2, 0.0); 2];
    }

    pub fn snapshot(&mut self) -> Snapshot {
        self.engine.snapshot(View::default())
    }

    /// Orders handed out that could open or grow a position.
    pub fn openings(&self) -> Vec<&NewOrder> {
        self.submitted.iter().filter(|order| !order.reduce_only).collect()
    }

    /// Signed position in thousandths of the base coin.
    pub fn position(&self, symbol: Symbol) -> i64 {
        self.engine.account().holding(symbol).signed / 1_000_000
    }

    /// Texts of the notices so far, joined.
    pub fn told(&self) -> String {
        self.notices.iter().map(|notice| notice.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Codes of the denials so far.
    pub fn denied(&self, code: &str) -> bool {
        self.engine.denials().keys().any(|denied| denied.text() == code)
    }
}
