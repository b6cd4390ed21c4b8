//! A whole picture with invented but consistent data: four markets, two positions, three working orders, four signals.
//! Included by path in the tests of the screen and of the shell.

// Not every test that includes this file uses every state; invented numbers that do not parse are a defect of the test.
#![allow(dead_code, clippy::unwrap_used)]

use tickdeck::engine::account::TieOut;
use tickdeck::engine::danger::{Danger, DangerLevel, DangerRow};
use tickdeck::engine::event::{HorizonForecast, ModelInfo};
use tickdeck::engine::features::{FEATURES, FeatureSpec, Set, Source};
use tickdeck::engine::ids::{OrderSeq, Pair, Symbol};
use tickdeck::engine::market::book::{BookState, Level};
use tickdeck::engine::notice::{self, Kind, Notice};
use tickdeck::engine::num::{Money, Price, Qty, Rate, Side};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::risk::state::{Latch, LatchCause, LossTrip};
use tickdeck::engine::risk::verdict::{Denial, DenialCode};
use tickdeck::engine::signal::Signal;
#[allow(clippy::wildcard_imports)] // a picture has every part
use tickdeck::engine::snapshot::*;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::engine::trust::promise::{HorizonPromise, Promise};
use tickdeck::engine::trust::repaint::Steadiness;
use tickdeck::engine::trust::score::Figures;
use tickdeck::engine::why::{AnswerFact, FeatureFact, Needs, Step, Why, WhyOf};

/// 2026-11-22T14:32:07.412Z.
pub const NOW: Ts = Ts::from_ms(1_795_357_927_412);

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}
fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}
fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}
fn ago(ms: i64) -> Ts {
    Ts(NOW.0 - ms * 1_000_000)
}

/// Numbers that look random and are the same everywhere.
struct Dice(u64);

impl Dice {
    /// -0.5 to 0.5.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24) - 0.5
    }
}

/// Disarmed, paper account on the simulated market, two positions that are being managed out.
pub fn sample() -> Snapshot {
    Snapshot {
        version: 7,
        at: NOW,
        session: SessionView {
            pair: Pair::SIMULATED,
            run: "mhx2k9q01a".to_owned(),
            market_label: "seed 7".to_owned(),
            tail: None,
            practice: false,
            playback: None,
            weather: Some("calm".to_owned()),
            simulated_venue: false,
            unattended: false,
            bell: 0,
        },
        state: state(),
        account: account(),
        markets: markets(),
        focus: Some(focus()),
        why: None,
        trust: trust(),
        signals: signals(),
        positions: positions(),
        danger: danger(),
        outside: Vec::new(),
        orders: orders(),
        limits: limits(),
        notices: notices(),
        pending_notice: None,
        more_pending: 0,
        shadow: None,
        health: health(),
    }
}

fn state() -> StateView {
    let check = |name: &str, health, detail: &str| Check { name: name.to_owned(), health, detail: detail.to_owned() };
    StateView {
        word: StateWord::Safe,
        armed_until: None,
        latch: None,
        reducing: vec![],
        exiting: 2,
        open: 2,
        unresolved: Vec::new(),
        closing: false,
        flat_proven: None,
        receipt: vec![],
        guardian: Vec::new(),
        preflight: vec![
            check("feed", Health::Ok, "14 ms"),
            check("books", Health::Ok, "3 of 4 in sync"),
            check("account", Health::Ok, "reconciled 14:31:58"),
            check("limits", Health::Ok, "14 set"),
            check("model", Health::Warn, "drift 0.11 above 0.10"),
        ],
        arming_refused: None,
        arm_for: Span::from_secs(900),
        max_hold: Span::from_secs(900),
        stays: None,
    }
}

fn account() -> AccountView {
    let mut dice = Dice(3);
    let mut equity = 10_330.0;
    let curve = (0..240)
        .map(|i| {
            equity += dice.roll() * 9.0 + 0.34;
            (ago((240 - i) * 60_000), equity)
        })
        .collect();
    AccountView {
        tie_out: TieOut::Nothing,
        equity: Some(money("10412.37")),
        balance: money("10408.32"),
        day_pnl: Some(money("82.11")),
        day_pnl_pct: Some(0.795),
        drawdown_pct: Some(1.2),
        high_water: money("10538.80"),
        theirs: None,
        realised: money("91.83"),
        unrealised: Some(money("4.05")),
        fees: money("9.40"),
        funding: money("-0.31"),
        margin_used: money("17.34"),
        trades: 41,
        wins: 24,
        gross_profit: money("346.20"),
        gross_loss: money("264.10"),
        curve,
    }
}

fn markets() -> Vec<MarketRow> {
    let mut dice = Dice(11);
    let mut row = |index: u16, name: &str, decimals: (u8, u8), last: &str, change: f64, probs: (f32, f32, f32)| {
        let mut level = 50.0;
        MarketRow {
            symbol: Symbol(index),
            name: name.to_owned(),
            price_decimals: decimals.0,
            qty_decimals: decimals.1,
            last: Freshness::Fresh(price(last)),
            direction: if change > 0.0 { 1 } else { -1 },
            change_pct: Some(change),
            change_is_24h: true,
            spark: (0..60)
                .map(|_| {
                    level += dice.roll() + change / 10.0;
                    level
                })
                .collect(),
            spread_bps: Some(0.02),
            imbalance: Some(0.18),
            book: BookState::Valid,
            age: Some(Span::from_ms(14)),
            probs: Some(probs),
            edge_bps: Some(f64::from(probs.0 - probs.2) * 7.0),
            position: 0,
            unrealised: None,
            verdict: Verdict::Flat,
            timed: None,
            warming: None,
        }
    };
    let disarmed = Denial::bare(DenialCode::StateDisarmed);
    let small = Denial::with(DenialCode::EdgeTooSmall, "edge_bps=0.9 cost_bps=11.6".to_owned());
    let mut rows = vec![
        row(0, "BTCUSDT", (1, 3), "64182.5", 1.24, (0.59, 0.27, 0.14)),
        row(1, "ETHUSDT", (2, 2), "3214.08", -0.42, (0.17, 0.23, 0.60)),
        row(2, "SOLUSDT", (2, 1), "142.31", 3.10, (0.46, 0.26, 0.28)),
        row(3, "DOGEUSDT", (5, 0), "0.12340", -1.90, (0.36, 0.34, 0.30)),
    ];
    rows[0].position = 12_000_000;
    rows[0].unrealised = Some(money("1.82"));
    rows[0].verdict = Verdict::Denied(Side::Buy, disarmed);
    rows[1].position = -300_000_000;
    rows[1].unrealised = Some(money("2.23"));
    rows[1].verdict = Verdict::Holding(Side::Sell);
    rows[2].verdict = Verdict::Quiet(small);
    rows
}

fn focus() -> FocusView {
    let level = |cents: i64, size: f64| Level {
        price: Price::from_raw(cents * 100_000_000),
        qty: Qty::from_raw((size * 1000.0) as i64 * 1_000_000),
    };
    let mut dice = Dice(5);
    let sizes: Vec<f64> = (0..60).map(|_| (dice.roll() + 0.52) * 9.5).collect();
    let mut close = 639_100.0;
    let candles = (0..90)
        .map(|i: i64| {
            let open = close;
            close += dice.roll() * 620.0 + 31.0;
            if i == 89 {
                close = 641_825.0;
            }
            let high = f64::max(open, close) + (dice.roll() + 0.5) * 260.0;
            let low = f64::min(open, close) - (dice.roll() + 0.5) * 260.0;
            let tenth = |v: f64| Price::from_raw(v.round() as i64 * 100_000_000);
            CandleView {
                start: Ts(ago((89 - i) * 60_000).0 / 60_000_000_000 * 60_000_000_000),
                open: tenth(open),
                high: tenth(high),
                low: tenth(low),
                close: tenth(close),
                volume: 12.0,
            }
        })
        .collect::<Vec<_>>();
    let mark = |back: usize, kind| ChartMark {
        at: candles[candles.len() - 1 - back].start + Span::from_secs(30),
        price: candles[candles.len() - 1 - back].close,
        kind,
    };
    let marks = vec![
        mark(18, MarkKind::Signal(Side::Buy)),
        mark(12, MarkKind::Fill(Side::Buy)),
        mark(6, MarkKind::Vetoed(Side::Buy)),
        mark(3, MarkKind::Signal(Side::Sell)),
    ];
    let trades = (0..40)
        .map(|i| TradeView {
            at: ago(i * 173),
            price: price(if i % 3 == 0 { "64182.6" } else { "64182.5" }),
            qty: Qty::from_raw(((sizes[i as usize] * 300.0) as i64 + 1) * 1_000_000),
            taker: if i % 3 == 0 { Side::Buy } else { Side::Sell },
        })
        .collect();
    FocusView {
        symbol: Symbol(0),
        category: "linear".to_owned(),
        bids: (0..25).map(|i| level(641_825 - i * 5, sizes[i as usize])).collect(),
        asks: (0..25).map(|i| level(641_826 + i * 5, sizes[30 + i as usize])).collect(),
        candle: CandleLength::OneMinute,
        candles,
        marks,
        trades,
        mark: Freshness::Fresh(price("64182.5")),
        funding: Some((Rate::parse("0.0001").unwrap(), Some(Ts(NOW.0 + 5_273_000_000_000)))),
        features: vec![],
    }
}

fn record() -> Record {
    let promise = HorizonPromise { hit: 0.58, hit_low: 0.52, brier: 0.61, dead_zone: 0.2 };
    Record {
        figures: Figures {
            answers: 1_240,
            witnesses: 124,
            hit: Some(0.561),
            said: Some(0.604),
            brier: Some(0.628),
            expected_bps: Some(0.41),
            realised_bps: Some(0.37),
            short: [-1.2, 0.4],
            promise: Some(promise),
        },
        benched: None,
        drift: Some(1.21),
        strange: None,
        steadiness: Steadiness {
            closed: false,
            flips_per_min: Some(3.4),
            age: Some(Span::from_secs(7)),
            half_life: Some(Span::from_secs(4)),
            survived: Some((0.42, 36)),
        },
    }
}

/// What falls short of a promise, as the engine says it.
const BENCHED: &str = "hit=0.448 promised=0.520 errors=4.3 witnesses=163";

/// The chain behind an entry that the edge gate refused, one feature beyond training.
pub fn explained() -> Snapshot {
    let answer = |model: &str, hash: &str, said: [f32; 3]| AnswerFact {
        model: model.to_owned(),
        hash: hash.to_owned(),
        trained: "2024-08-01 to 08-07".to_owned(),
        features_at: Ts(NOW.0 - 412_000_000),
        heard: Ts(NOW.0 - 405_000_000),
        took: Span(41_000),
        said: [10, 60]
            .map(|horizon_s| HorizonForecast { horizon_s, up: said[0], flat: said[1], down: said[2], move_bps: 0.41 })
            .to_vec(),
        record: Some(record()),
    };
    let feature = |(place, spec): (usize, &FeatureSpec)| FeatureFact {
        name: spec.name.to_owned(),
        value: if place == 9 { 3.2 } else { ((place * 7) % 11) as f32 / 8.0 - 0.6 },
        age: Some(Span::from_ms(if spec.source == Source::Book { 12 } else { 240 })),
        warm: place != 20,
        range: Some((-1.0, 1.0)),
    };
    let refused = Denial::with(DenialCode::EdgeTooSmall, "move=0.4bp cost=12.1bp".to_owned());
    let why = Why {
        of: WhyOf::Latest(Symbol(0)),
        symbol: Symbol(0),
        at: Ts(NOW.0 - 405_000_000),
        outcome: refused.to_string(),
        features_at: Some(Ts(NOW.0 - 412_000_000)),
        bars_closed: None,
        features: FEATURES.iter().enumerate().map(feature).collect(),
        answers: vec![answer("mlp-v1", "a91f3c", [0.61, 0.25, 0.14]), answer("conv-v1", "07be52", [0.57, 0.29, 0.14])],
        signal: Some(Signal {
            at: Ts(NOW.0 - 412_000_000),
            up: 0.59,
            flat: 0.27,
            down: 0.14,
            move_bps: 0.41,
            side: Side::Buy,
            prob: 0.59,
            cost_bps: Some(11.6),
            edge_bps: Some(-11.19),
        }),
        needs: Needs { horizon_s: 60, min_prob: 0.55, min_edge_bps: Some(0.5) },
        steps: ["market", "fresh and believed", "probability", "confirmed", "closed forecast"]
            .map(|name| Step::new(name, None))
            .into_iter()
            .chain([Step::new("edge after costs", Some(refused))])
            .collect(),
        order: None,
        latency: vec![
            ("inference".to_owned(), Some(Span(41_000))),
            ("features to answers".to_owned(), Some(Span::from_ms(7))),
            ("answers to decision".to_owned(), Some(Span(0))),
        ],
    };
    Snapshot { why: Some(why), ..sample() }
}

fn trust() -> Vec<TrustRow> {
    let row = |symbol: u16, model: &str, place: u8, record: Record| TrustRow {
        symbol: Symbol(symbol),
        model: model.to_owned(),
        place,
        horizon_s: 60,
        record,
    };
    vec![row(0, "mlp-v1", 0, record()), row(0, "conv-v1", 1, record())]
}

/// A model of the instrument in front is benched.
pub fn benched() -> Snapshot {
    let mut picture = sample();
    for row in picture.signals.iter_mut().filter(|row| row.model == "mlp-v1") {
        row.verdict = format!("BENCHED {BENCHED}");
        row.record.as_mut().unwrap().benched = Some(BENCHED.to_owned());
    }
    picture.trust[0].record.benched = Some(BENCHED.to_owned());
    picture
}

fn signals() -> Vec<SignalRow> {
    let row = |model: &str, horizon_s, probs: (f32, f32, f32), edge: f64, verdict: &str| SignalRow {
        symbol: Symbol(0),
        model: model.to_owned(),
        horizon_s,
        probs: Freshness::Fresh(probs),
        move_bps: Some(edge + 11.6),
        edge_bps: Some(edge),
        cost_bps: Some(11.6),
        age: Some(Span::from_ms(240)),
        decides: model == "ensemble",
        shadow: false,
        verdict: verdict.to_owned(),
        record: (model != "ensemble").then(record),
    };
    vec![
        row("mlp-v1", 10, (0.34, 0.31, 0.35), -12.0, "flat"),
        row("mlp-v1", 60, (0.61, 0.25, 0.14), 3.4, "LONG 0.61>0.55"),
        row("conv-v1", 60, (0.57, 0.29, 0.14), 1.2, "LONG 0.57>0.55"),
        row("ensemble", 60, (0.59, 0.27, 0.14), 3.1, "LONG, not armed"),
    ]
}

fn positions() -> Vec<PositionRow> {
    vec![
        PositionRow {
            symbol: Symbol(0),
            name: "BTCUSDT".to_owned(),
            side: Side::Buy,
            qty: qty("0.012"),
            entry: price("64031"),
            mark: Freshness::Fresh(price("64182.5")),
            unrealised: Some(money("1.82")),
            notional: Some(money("770.19")),
            stop: Some(price("63850")),
            take_profit: Some(price("64410")),
            liquidation: Some(price("58310")),
            age: Span::from_secs(724),
            released: false,
            close_cost: Some(money("0.43")),
            believed: false,
            protected: Protected::Stop(price("63380")),
        },
        PositionRow {
            symbol: Symbol(1),
            name: "ETHUSDT".to_owned(),
            side: Side::Sell,
            qty: qty("0.30"),
            entry: price("3221.5"),
            mark: Freshness::Fresh(price("3214.08")),
            unrealised: Some(money("2.23")),
            notional: Some(money("964.22")),
            stop: Some(price("3260")),
            take_profit: None,
            liquidation: Some(price("3540.1")),
            age: Span::from_secs(221),
            released: false,
            close_cost: Some(money("0.58")),
            believed: false,
            protected: Protected::Stop(price("3253.7")),
        },
    ]
}

fn risk(symbol: u16, level: DangerLevel, danger: Danger) -> DangerRow {
    let name = ["BTCUSDT", "ETHUSDT"][usize::from(symbol)].to_owned();
    DangerRow { symbol: Some(Symbol(symbol)), name, level, danger }
}

fn liquidation(at: &str, distance: &str, estimate: bool) -> Danger {
    let distance = Some(Rate::parse(distance).unwrap());
    Danger::Liquidation { price: Some(price(at)), distance, estimate }
}

fn settlement(rate: &str, cost: Option<&str>) -> Danger {
    let rate = Some(Rate::parse(rate).unwrap());
    Danger::Funding { rate, left: Some(Span::from_secs(5_212)), cost: cost.map(money) }
}

fn danger() -> Vec<DangerRow> {
    vec![
        risk(0, DangerLevel::Warn, liquidation("58310", "0.0915", true)),
        risk(0, DangerLevel::Ok, settlement("0.0001", Some("0.08"))),
        risk(1, DangerLevel::Ok, liquidation("3540.1", "0.1014", true)),
        risk(1, DangerLevel::Ok, settlement("0.000075", Some("-0.07"))),
    ]
}

fn orders() -> Vec<OrderRow> {
    let row =
        |order: u64, symbol: u16, side, size: &str, filled: &str, at: &str, purpose: &str, state: &str| OrderRow {
            order: OrderSeq(order),
            link_id: format!("tp-mhx2k9q01a-{order:06}"),
            name: ["BTCUSDT", "ETHUSDT"][usize::from(symbol)].to_owned(),
            symbol: Symbol(symbol),
            side,
            qty: qty(size),
            filled: qty(filled),
            price: price(at),
            purpose: purpose.to_owned(),
            state: state.to_owned(),
            working: !matches!(state, "filled" | "cancelled" | "rejected"),
            contested: false,
            protective: purpose == "stop",
            foreign: None,
            age: Some(Span::from_secs(224 - order as i64 / 2)),
            reason: String::new(),
        };
    vec![
        row(416, 1, Side::Buy, "0.30", "0.10", "3198", "target", "live"),
        row(414, 0, Side::Sell, "0.012", "0", "64182.6", "target", "live"),
        row(413, 0, Side::Sell, "0.012", "0", "63850", "stop", "live"),
        row(411, 0, Side::Buy, "0.012", "0.012", "64031", "entry", "filled"),
    ]
}

fn limits() -> Vec<LimitRow> {
    let limits = RiskLimits::default();
    let used = |key: LimitKey| match key {
        LimitKey::MaxPositionNotional => Some(964.22),
        LimitKey::MaxGrossNotional => Some(1734.41),
        LimitKey::MaxNetNotional => Some(194.03),
        LimitKey::MaxOpenOrders => Some(2.0),
        LimitKey::MaxOrdersPer10s => Some(7.0),
        LimitKey::MaxOrders24h => Some(86.0),
        LimitKey::MaxDailyLoss => Some(0.0),
        LimitKey::MaxLoss24h => Some(41.2),
        LimitKey::MaxDrawdownPct => Some(1.2),
        LimitKey::MaxLeverage => Some(0.167),
        LimitKey::MaxDataAgeMs => Some(14.0),
        _ => None,
    };
    LimitKey::all()
        .map(|key| LimitRow {
            key,
            value: limits.get(key),
            used: used(key),
            utilisation: used(key).map(|u| u / (limits.get(key) as f64 / 1e9)),
            worst: (key == LimitKey::MaxPositionNotional).then(|| "ETHUSDT".to_owned()),
        })
        .collect()
}

fn notices() -> Vec<Notice> {
    let lines = [
        (87_000, notice::Level::Info, Kind::State, None, "started: paper account on the simulated market, seed 7"),
        (60_312, notice::Level::Info, Kind::Signal, Some(0), "ensemble 1m up 0.59, edge +3.1 bp"),
        (27_405, notice::Level::Warn, Kind::Fault, None, "clock was 212 ms ahead of the venue, now 2 ms"),
        (9_298, notice::Level::Info, Kind::Fill, Some(1), "BUY 0.10 at 3,198.00, maker, fee 0.064"),
        (3_212, notice::Level::Warn, Kind::Market, Some(3), "stream silent for 4.2 s: entries halted"),
        (434, notice::Level::Info, Kind::Signal, Some(0), "ensemble 1m up 0.59, edge +3.1 bp"),
        (431, notice::Level::Info, Kind::Deny, Some(0), "BUY 0.012 refused: STATE_DISARMED"),
    ];
    lines
        .iter()
        .zip(1..)
        .map(|((back, level, kind, symbol, text), id)| Notice {
            id,
            at: ago(*back),
            level: *level,
            kind: *kind,
            symbol: symbol.map(Symbol),
            text: (*text).to_owned(),
            denial: None,
        })
        .collect()
}

fn health() -> HealthView {
    let row = |name: &str, health, detail: &str| HealthRow { name: name.to_owned(), health, detail: detail.to_owned() };
    HealthView {
        rows: vec![
            row("market feed", Health::Ok, "14 ms · gaps 0"),
            row("account", Health::Ok, "reconciled 9 s ago"),
            row("clock", Health::Ok, "+2 ms"),
            row("inference", Health::Warn, "p99 41 ms · drift 0.11"),
            row("tape", Health::Ok, "1.2 GiB · 2.1 MiB/min"),
            row("alerts", Health::Skip, "none configured"),
        ],
        models: vec![
            ModelInfo {
                name: "mlp-v1".to_owned(),
                hash: "a91f3c".to_owned(),
                horizons_s: vec![10, 60],
                reads: Set::Market,
                trained: "2024-08-01 to 08-07".to_owned(),
                promise: Promise::default(),
            },
            ModelInfo {
                name: "conv-v1".to_owned(),
                hash: "07be52".to_owned(),
                horizons_s: vec![60],
                reads: Set::Market,
                trained: "2024-08-01 to 08-07".to_owned(),
                promise: Promise::default(),
            },
        ],
        shadows: Vec::new(),
        feed_age: Some(Span::from_ms(14)),
        feed_down: None,
        events: 1_204_518,
        event_rate: 312,
        decisions: "5d0c91e2ab77".to_owned(),
        heartbeat: NOW,
    }
}

/// Armed for another 14 minutes.
pub fn armed() -> Snapshot {
    let mut snapshot = sample();
    snapshot.state.word = StateWord::Armed;
    snapshot.state.exiting = 0;
    snapshot.state.armed_until = Some(Ts(NOW.0 + 842_000_000_000));
    snapshot.markets[0].verdict = Verdict::Entering(Side::Buy);
    snapshot
}

/// Killed on the live account, two positions still open.
pub fn killed() -> Snapshot {
    let mut snapshot = sample();
    snapshot.session.pair = Pair::bybit(tickdeck::engine::ids::Account::Live);
    "UNIFIED …40117".clone_into(&mut snapshot.session.market_label);
    snapshot.session.weather = None;
    snapshot.state.word = StateWord::Killed;
    snapshot.danger = venue_danger();
    snapshot.state.exiting = 0;
    snapshot.state.latch = Some(Latch { cause: LatchCause::Killed("key ^K".to_owned()), at: NOW });
    let notice = Notice {
        id: 8,
        at: NOW,
        level: notice::Level::Alarm,
        kind: Kind::State,
        symbol: None,
        text: "KILLED by key ^K: 1 opening order cancelled, 2 positions still open, protection kept".to_owned(),
        denial: None,
    };
    snapshot.notices.push(notice.clone());
    snapshot.pending_notice = Some(notice);
    snapshot
}

/// What the venue states of both positions of a live account in a storm, and what it announced.
fn venue_danger() -> Vec<DangerRow> {
    let room = |text: &str| Some(Rate::parse(text).unwrap());
    let everywhere = |level, danger| DangerRow { symbol: None, name: String::new(), level, danger };
    let band = Danger::Band { above: room("0.031"), below: room("0.0072"), exit: Some(Side::Sell) };
    let hold = Danger::Hold { code: "VENUE_MAINTENANCE".to_owned(), detail: "from 16:00Z for 2h".to_owned() };
    vec![
        risk(0, DangerLevel::Alarm, liquidation("61310", "0.0447", false)),
        risk(0, DangerLevel::Warn, Danger::Deleveraging { rank: Some(4) }),
        risk(0, DangerLevel::Warn, band),
        risk(1, DangerLevel::Warn, Danger::Delisting { left: Span::from_secs(3 * 86_400) }),
        everywhere(DangerLevel::Warn, hold),
        everywhere(DangerLevel::Warn, Danger::Clock { offset: Some(Span::from_ms(312)) }),
        risk(1, DangerLevel::Unknown, Danger::Liquidation { price: None, distance: None, estimate: false }),
        risk(0, DangerLevel::Ok, settlement("0.0001", Some("0.08"))),
    ]
}

/// Tripped by the daily loss limit and proven flat, Bybit's demo account.
pub fn tripped() -> Snapshot {
    let mut snapshot = sample();
    snapshot.session.pair = Pair::bybit(tickdeck::engine::ids::Account::DemoAccount);
    snapshot.session.market_label = String::new();
    snapshot.session.weather = None;
    snapshot.state.word = StateWord::Tripped;
    snapshot.state.exiting = 0;
    snapshot.state.open = 0;
    snapshot.state.flat_proven = Some(ago(-2_000));
    snapshot.positions.clear();
    snapshot.danger = vec![risk(0, DangerLevel::Ok, settlement("0.0001", None))];
    snapshot.orders.clear();
    let trip =
        LossTrip { limit: "max_daily_loss".to_owned(), measured: "201.40".to_owned(), allowed: "200".to_owned() };
    snapshot.state.latch = Some(Latch { cause: LatchCause::Loss(trip), at: NOW });
    snapshot.account.day_pnl = Some(money("-201.40"));
    snapshot.account.day_pnl_pct = Some(-1.95);
    for row in &mut snapshot.limits {
        if row.key == LimitKey::MaxDailyLoss {
            (row.used, row.utilisation) = (Some(201.4), Some(1.007));
        }
    }
    snapshot
}

/// Only reducing orders pass; one position is believed, not confirmed.
pub fn reducing() -> Snapshot {
    let mut snapshot = sample();
    snapshot.session.pair = Pair::bybit(tickdeck::engine::ids::Account::Paper);
    snapshot.session.market_label = String::new();
    snapshot.session.weather = None;
    snapshot.state.word = StateWord::Reducing;
    snapshot.state.reducing = vec![Reduction { name: None, why: "max_gross_notional below what is used".to_owned() }];
    snapshot.positions[1].believed = true;
    snapshot
}

/// The stream of the market in front and of the last one went silent.
pub fn stale() -> Snapshot {
    let mut snapshot = sample();
    let age = Span::from_ms(4_200);
    for index in [0, 3] {
        let row = &mut snapshot.markets[index];
        row.last = match row.last {
            Freshness::Fresh(value) => Freshness::Stale { value, age },
            other => other,
        };
        row.age = Some(age);
    }
    snapshot.markets[2].book = BookState::Gapped;
    snapshot.positions[0].mark = Freshness::Stale { value: price("64182.5"), age };
    snapshot.positions[0].unrealised = None;
    for row in &mut snapshot.signals {
        row.probs = Freshness::Stale { value: (0.5, 0.3, 0.2), age };
    }
    for row in &mut snapshot.danger {
        row.level = DangerLevel::Unknown;
        row.danger = match row.danger {
            Danger::Funding { .. } => Danger::Funding { rate: None, left: None, cost: None },
            _ => Danger::Liquidation { price: None, distance: None, estimate: true },
        };
    }
    snapshot.health.feed_age = Some(age);
    snapshot.account.equity = None;
    snapshot
}

/// A new account: nothing held, nothing traded.
pub fn empty() -> Snapshot {
    let mut snapshot = sample();
    snapshot.session.practice = true;
    (snapshot.state.open, snapshot.state.exiting) = (0, 0);
    snapshot.positions.clear();
    snapshot.danger = vec![risk(0, DangerLevel::Ok, settlement("0.0001", None))];
    snapshot.orders.clear();
    snapshot.notices.clear();
    for row in &mut snapshot.markets {
        row.position = 0;
        row.unrealised = None;
        row.verdict = Verdict::Waiting;
    }
    snapshot.account = AccountView {
        tie_out: TieOut::Nothing,
        equity: Some(money("10000")),
        balance: money("10000"),
        day_pnl: Some(Money::ZERO),
        day_pnl_pct: Some(0.0),
        drawdown_pct: Some(0.0),
        high_water: money("10000"),
        theirs: None,
        realised: Money::ZERO,
        unrealised: Some(Money::ZERO),
        fees: Money::ZERO,
        funding: Money::ZERO,
        margin_used: Money::ZERO,
        trades: 0,
        wins: 0,
        gross_profit: Money::ZERO,
        gross_loss: Money::ZERO,
        curve: vec![],
    };
    snapshot
}

/// No model is installed and no market has sent anything yet.
pub fn nothing_known() -> Snapshot {
    let mut snapshot = empty();
    snapshot.session.practice = false;
    snapshot.session.pair = Pair::bybit(tickdeck::engine::ids::Account::Paper);
    snapshot.session.market_label = String::new();
    snapshot.session.weather = None;
    snapshot.signals.clear();
    snapshot.health.models.clear();
    snapshot.health.rows.clear();
    snapshot.health.feed_age = None;
    snapshot.health.decisions.clear();
    for row in &mut snapshot.markets {
        row.last = Freshness::Missing;
        row.direction = 0;
        row.change_pct = None;
        row.spark.clear();
        row.book = BookState::Missing;
        row.probs = None;
        row.edge_bps = None;
        row.age = None;
    }
    if let Some(focus) = &mut snapshot.focus {
        focus.bids.clear();
        focus.asks.clear();
        focus.candles.clear();
        focus.marks.clear();
        focus.trades.clear();
        focus.funding = None;
    }
    snapshot.danger = vec![risk(0, DangerLevel::Unknown, Danger::Unlisted)];
    snapshot.account.equity = None;
    snapshot.account.day_pnl = None;
    snapshot.account.day_pnl_pct = None;
    snapshot.account.drawdown_pct = None;
    snapshot.account.unrealised = None;
    for row in &mut snapshot.limits {
        (row.used, row.utilisation, row.worst) = (None, None, None);
    }
    snapshot
}

/// The same picture with this price, quantity and amount wherever there is one.
pub fn with_numbers((at, price_decimals): (&str, u8), (size, qty_decimals): (&str, u8), amount: &str) -> Snapshot {
    let (at, size, amount) = (price(at), qty(size), money(amount));
    let mut snapshot = sample();
    for row in &mut snapshot.markets {
        (row.last, row.price_decimals, row.qty_decimals) = (Freshness::Fresh(at), price_decimals, qty_decimals);
        (row.position, row.unrealised) = (size.raw(), Some(amount));
    }
    for row in &mut snapshot.positions {
        (row.qty, row.entry, row.mark, row.unrealised) = (size, at, Freshness::Fresh(at), Some(amount));
        (row.notional, row.stop, row.take_profit) = (Some(amount), Some(at), Some(at));
        (row.liquidation, row.close_cost, row.protected) = (Some(at), Some(amount), Protected::Stop(at));
    }
    for row in &mut snapshot.orders {
        (row.qty, row.price) = (size, at);
    }
    if let Some(focus) = &mut snapshot.focus {
        for level in focus.bids.iter_mut().chain(&mut focus.asks) {
            (level.price, level.qty) = (at, size);
        }
        for candle in &mut focus.candles {
            (candle.open, candle.high, candle.low, candle.close) = (at, at, at, at);
        }
        for trade in &mut focus.trades {
            (trade.price, trade.qty) = (at, size);
        }
        focus.mark = Freshness::Fresh(at);
    }
    let account = &mut snapshot.account;
    (account.equity, account.balance, account.day_pnl) = (Some(amount), amount, Some(amount));
    (account.realised, account.unrealised, account.fees, account.funding) = (amount, Some(amount), amount, amount);
    for row in &mut snapshot.limits {
        row.used = Some(amount.to_f64_lossy().abs());
    }
    snapshot
}
