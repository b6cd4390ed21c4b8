//! A cockpit at a desk: pictures to look at, key strings to type, and the requests that came of them.
#![allow(dead_code)] // each test binary uses its own part
#![allow(clippy::unwrap_used, clippy::panic)] // a broken fixture should stop the test

use tickdeck::engine::ids::{Account, OrderSeq, Pair, Symbol};
use tickdeck::engine::market::book::BookState;
use tickdeck::engine::notice::{Kind, Level, Notice};
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::risk::state::{Latch, LatchCause};
use tickdeck::engine::snapshot::{
    AccountView, Check, Freshness, Health, HealthView, LimitRow, MarketRow, OrderRow, Playback, PositionRow, Protected,
    SessionView, Snapshot, StateView, StateWord, Verdict,
};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::tui::cockpit::Cockpit;
use tickdeck::tui::keymap::{Code, Key, Keymap};
use tickdeck::tui::link::Request;

pub fn usd(text: &str) -> Money {
    Money::parse(text).unwrap()
}

pub fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn market(index: u16, name: &str, last: &str) -> MarketRow {
    MarketRow {
        symbol: Symbol(index),
        name: name.to_owned(),
        price_decimals: 1,
        qty_decimals: 3,
        last: Freshness::Fresh(price(last)),
        direction: 1,
        change_pct: Some(0.4),
        change_is_24h: true,
        spark: vec![1.0, 2.0, 1.5],
        spread_bps: Some(0.2),
        imbalance: Some(0.1),
        book: BookState::Valid,
        age: Some(Span::from_ms(14)),
        probs: Some((0.5, 0.3, 0.2)),
        edge_bps: Some(0.4),
        position: 0,
        unrealised: None,
        verdict: Verdict::Flat,
        timed: None,
        warming: None,
    }
}

pub fn position(index: u16, name: &str, qty: &str, notional: &str) -> PositionRow {
    PositionRow {
        symbol: Symbol(index),
        name: name.to_owned(),
        side: Side::Buy,
        qty: Qty::parse(qty).unwrap(),
        entry: price("64000"),
        mark: Freshness::Fresh(price("64182.5")),
        unrealised: Some(usd("1.82")),
        notional: Some(usd(notional)),
        stop: Some(price("63850")),
        take_profit: None,
        liquidation: None,
        age: Span::from_secs(90),
        released: false,
        close_cost: Some(usd("0.42")),
        believed: false,
        protected: Protected::Unwanted,
    }
}

pub fn order(number: u64, purpose: &str, protective: bool) -> OrderRow {
    OrderRow {
        order: OrderSeq(number),
        link_id: format!("tp-0000000000-{number:06}"),
        name: "BTCUSDT".to_owned(),
        symbol: Symbol(0),
        side: Side::Sell,
        qty: Qty::parse("0.012").unwrap(),
        filled: Qty::ZERO,
        price: price("64410"),
        purpose: purpose.to_owned(),
        state: "live".to_owned(),
        working: true,
        contested: false,
        protective,
        foreign: None,
        age: Some(Span::from_secs(3)),
        reason: String::new(),
    }
}

pub fn notice(id: u64, level: Level, text: &str) -> Notice {
    let at = Ts::from_ms(1_763_800_000_000);
    Notice { id, at, level, kind: Kind::State, symbol: None, text: text.to_owned(), denial: None }
}

fn limits() -> Vec<LimitRow> {
    let limits = RiskLimits::default();
    LimitKey::all()
        .map(|key| LimitRow { key, value: limits.get(key), used: None, utilisation: None, worst: None })
        .collect()
}

pub fn check(name: &str, health: Health) -> Check {
    Check { name: name.to_owned(), health, detail: "14ms".to_owned() }
}

/// A calm simulated market: disarmed, three instruments, nothing open.
pub fn calm() -> Snapshot {
    Snapshot {
        version: 1,
        at: Ts::from_ms(1_763_800_000_000),
        session: SessionView {
            pair: Pair::SIMULATED,
            run: "mhxtest0ab".to_owned(),
            market_label: "weather calm, seed 7".to_owned(),
            tail: None,
            practice: false,
            playback: None,
            weather: Some("calm".to_owned()),
            simulated_venue: false,
            unattended: false,
            bell: 0,
        },
        state: StateView {
            word: StateWord::Safe,
            armed_until: None,
            latch: None,
            reducing: Vec::new(),
            exiting: 0,
            open: 0,
            unresolved: Vec::new(),
            closing: false,
            flat_proven: None,
            receipt: Vec::new(),
            guardian: Vec::new(),
            preflight: vec![check("feed", Health::Ok), check("books", Health::Ok)],
            arming_refused: None,
            arm_for: Span::from_secs(900),
            max_hold: Span::from_secs(900),
            stays: None,
        },
        account: AccountView {
            equity: Some(usd("10000")),
            balance: usd("10000"),
            day_pnl: Some(usd("0")),
            day_pnl_pct: Some(0.0),
            drawdown_pct: Some(0.0),
            high_water: usd("10000"),
            theirs: None,
            realised: Money::ZERO,
            unrealised: Some(Money::ZERO),
            fees: Money::ZERO,
            funding: Money::ZERO,
            tie_out: tickdeck::engine::account::TieOut::Nothing,
            margin_used: Money::ZERO,
            trades: 0,
            wins: 0,
            gross_profit: Money::ZERO,
            gross_loss: Money::ZERO,
            curve: vec![(Ts::from_ms(1), 10_000.0), (Ts::from_ms(2), 10_001.0)],
        },
        markets: vec![market(0, "BTCUSDT", "64182.5"), market(1, "ETHUSDT", "3214.0"), market(2, "SOLUSDT", "142.3")],
        focus: None,
        why: None,
        trust: Vec::new(),
        signals: Vec::new(),
        positions: Vec::new(),
        orders: Vec::new(),
        limits: limits(),
        notices: vec![notice(1, Level::Info, "started")],
        danger: vec![],
        outside: vec![],
        pending_notice: None,
        more_pending: 0,
        shadow: None,
        health: HealthView::default(),
    }
}

/// Armed with two positions and three orders.
pub fn busy() -> Snapshot {
    let mut picture = calm();
    picture.state.word = StateWord::Armed;
    picture.state.armed_until = Some(picture.at + Span::from_secs(600));
    picture.state.open = 2;
    picture.positions = vec![position(0, "BTCUSDT", "0.012", "770"), position(1, "ETHUSDT", "0.3", "964")];
    picture.orders = vec![order(12, "entry", false), order(11, "stop", true), order(10, "entry", false)];
    picture.orders[2].working = false;
    picture.pending_notice = Some(notice(7, Level::Warn, "clock skew"));
    picture
}

/// The same, killed by a person.
pub fn killed() -> Snapshot {
    let mut picture = busy();
    picture.state.word = StateWord::Killed;
    picture.state.armed_until = None;
    picture.state.latch =
        Some(Latch { cause: LatchCause::Killed("key".to_owned()), at: Ts::from_ms(1_763_800_000_000) });
    picture.orders.retain(|o| o.protective);
    picture
}

/// A paused replay.
pub fn replay(speed: f64) -> Snapshot {
    let mut picture = calm();
    picture.session.pair = Pair::TAPE;
    picture.session.weather = None;
    picture.session.playback = Some(Playback { done: 0.25, speed, kind: "what-if".to_owned(), ended: false });
    picture
}

/// Tail of the live account.
pub const TAIL: &str = "a1B2";

/// Bybit's market with this account.
pub fn bybit(account: Account, mut picture: Snapshot) -> Snapshot {
    picture.session.pair = Pair::bybit(account);
    picture.session.tail = (account == Account::Live).then(|| TAIL.to_owned());
    picture.session.weather = None;
    picture
}

/// One used limit.
pub fn used(picture: &mut Snapshot, key: LimitKey, used: f64, worst: Option<&str>) {
    let row = &mut picture.limits[key as usize];
    row.used = Some(used);
    row.worst = worst.map(str::to_owned);
}

/// Key strings: `A`, `<Enter>`, `<^K>`; `<400>` lets that many milliseconds pass.
pub enum Stroke {
    Key(Key),
    Wait(i64),
}

/// What a key string says.
pub fn strokes(text: &str) -> Vec<Stroke> {
    let mut list = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '<' {
            list.push(Stroke::Key(Key::plain(Code::Char(c))));
            continue;
        }
        let name: String = rest.by_ref().take_while(|c| *c != '>').collect();
        list.push(match name.parse() {
            Ok(ms) => Stroke::Wait(ms),
            Err(_) => Stroke::Key(Key::parse(&name).unwrap_or_else(|e| panic!("{name}: {e}"))),
        });
    }
    list
}

/// A person at a cockpit.
pub struct Desk {
    pub cockpit: Cockpit,
    pub picture: Snapshot,
    pub now_ms: i64,
}

impl Desk {
    pub fn new(picture: Snapshot) -> Self {
        let mut cockpit = Cockpit::new(Keymap::default());
        cockpit.observe(&picture);
        Self { cockpit, picture, now_ms: 10_000 }
    }

    /// Types a key string; one millisecond passes with every key. Returns what was asked, without the heartbeat of keys.
    pub fn types(&mut self, text: &str) -> Vec<Request> {
        let mut asked = Vec::new();
        for stroke in strokes(text) {
            match stroke {
                Stroke::Wait(ms) => self.now_ms += ms,
                Stroke::Key(key) => asked.extend(self.presses(key)),
            }
        }
        asked
    }

    /// One key, a millisecond after the last one.
    pub fn presses(&mut self, key: Key) -> Vec<Request> {
        self.now_ms += 1;
        let mut asked = self.cockpit.handle(key, &self.picture, self.now_ms);
        asked.retain(|r| *r != Request::Alive);
        asked
    }

    pub fn layers(&self) -> Vec<&'static str> {
        self.cockpit.layers()
    }

    pub fn hint(&self) -> &str {
        self.cockpit.ui.hint.as_deref().unwrap_or("")
    }

    /// Words on the top dialog.
    pub fn dialog(&self) -> String {
        let ctx = self.cockpit.ctx(&self.picture, self.now_ms);
        self.cockpit.stack().dialog(&ctx).map(|d| d.text()).unwrap_or_default()
    }
}
