//! Samples for tests: a header, one event of every kind, and strategies that make any event.

use proptest::prelude::*;

use super::format::{TapeHeader, TapeKind};
use crate::engine::account::Holding;
use crate::engine::command::Command;
use crate::engine::effect::Errand;
use crate::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use crate::engine::event::{
    AccountUpdate, Bar, Baselines, EarlierOrder, Event, Fault, Fill, FillKind, Hold, HorizonForecast, Link, MarketData,
    ModelInfo, Opening, OrderNews, OrderUpdate, Outsider, Pool, Prediction, Protective, Reach, Restored, Statement,
    Stranger, Tally, Ticker, Trade,
};
use crate::engine::features::Set;
use crate::engine::ids::{ModelId, OrderSeq, Pair, RunId, Symbol};
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::market::instrument::{Category, Instrument, InstrumentStatus, MarginTier};
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::risk::limits::{LimitKey, RiskLimits};
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::settings::{Ensemble, Execution, OnLossTrip, Protect, Settings};
use crate::engine::strategy::drill::Drill;
use crate::engine::time::{Span, Ts};
use crate::engine::trust::promise::{FeatureRange, HorizonPromise, Promise};

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}
fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}

fn instrument(name: &str) -> Instrument {
    Instrument {
        name: name.to_owned(),
        category: Category::Linear,
        tick: price("0.1"),
        step: qty("0.001"),
        min_qty: qty("0.001"),
        max_qty: qty("1000"),
        max_market_qty: qty("100"),
        min_notional: Money::from_units(5),
        tiers: vec![MarginTier {
            max_notional: Money::from_units(2_000_000),
            initial: Rate::from_raw(10_000_000),
            maintenance: Rate::from_raw(5_000_000),
        }],
        funding_interval_s: 28_800,
        source: String::new(),
        status: InstrumentStatus::Trading,
        delivery: None,
    }
}

/// A recorded tape with two instruments.
pub(crate) fn header() -> TapeHeader {
    TapeHeader {
        kind: TapeKind::Recorded,
        run: RunId("0m9x1abc7z".to_owned()),
        pair: Pair::SIMULATED,
        created: Ts::from_ms(1_763_800_000_000),
        instruments: vec![instrument("BTCUSDT"), instrument("ETHUSDT")],
        source: "built-in market".to_owned(),
    }
}

/// Settings with nothing taken from the defaults, which may change while the encoding does not.
fn settings() -> Settings {
    Settings {
        decision_interval: Span(1),
        edge_gate: true,
        min_edge_bps: 0.5,
        prediction_max_age: Span(2),
        ensemble: Ensemble::Agree,
        taker_fee: Rate::from_raw(3),
        maker_fee: Rate::from_raw(4),
        strategy: "s".to_owned(),
        entry_notional: Money::from_raw(5),
        horizon_s: 6,
        passive_entry: true,
        execution: Execution::Timed,
        min_prob: 0.7,
        confirm: Span(8),
        max_hold: Span(9),
        stop: Rate::from_raw(10),
        take_profit: Rate::from_raw(11),
        protect: Protect { stop: Rate::from_raw(17), take_profit: Rate::from_raw(18), required: true },
        shadow: vec!["tcn-v2".to_owned()],
        close_only: true,
        drill: Some(Drill { every: Span(19), late: Span(20), joins: true }),
        on_loss_trip: OnLossTrip::Hold,
        day_starts_at: Span(12),
        arm_for: Span::from_secs(900),
        resume: true,
        deadman: Span(13),
        intent_ttl: Span(14),
        paper_latency: Span(15),
        balance_tolerance: Money::from_raw(16),
        tail: None,
    }
}

/// A full `Restored`.
fn restored() -> Restored {
    Restored {
        run: RunId("0m9x1abc7z".to_owned()),
        pair: Pair::SIMULATED,
        instruments: header().instruments,
        models: vec![ModelInfo {
            name: "mlp-v1".to_owned(),
            hash: "a1b2c3".to_owned(),
            horizons_s: vec![1, 10],
            reads: Set::Market,
            trained: "2024-08-08".to_owned(),
            promise: Promise {
                horizons: vec![HorizonPromise { hit: 0.6, hit_low: 0.55, brier: 0.6, dead_zone: 0.2 }],
                ranges: vec![FeatureRange { low: -1.0, high: 1.0, edges: vec![0.0], shares: vec![0.5, 0.5] }],
            },
        }],
        settings: settings(),
        limits: RiskLimits::try_new([5, 6, 9, 7, 1, 2, 11, 3, 4, 5, 6, 7, 8, 9, 10]).unwrap(),
        latch: Some(Latch { cause: LatchCause::Killed("key".to_owned()), at: Ts(5) }),
        flat_proven: Some(Ts(6)),
        balance: Money::from_units(10_000),
        holdings: vec![Holding::flat(Symbol(1))],
        baselines: Some(Baselines {
            day_start: Ts(1),
            day_equity: Money::from_units(9_999),
            high_water: Money::from_units(10_001),
            minutes: vec![(Ts(1), Money::from_units(10_000))],
            day_loss_spent: false,
        }),
        released: vec![Symbol(0)],
        armed_until: Some(Ts::from_ms(1_763_800_000_000)),
        outside_seen: vec![("XRPUSDT long".to_owned(), qty("4"))],
        waived: vec![Symbol(1)],
        flattening: vec![Symbol(0)],
        opened: vec![Ts(7), Ts(8)],
        earlier: vec![EarlierOrder {
            order: NewOrder {
                seq: OrderSeq(1),
                symbol: Symbol(1),
                side: Side::Sell,
                qty: Qty::from_raw(5),
                price: Price::from_raw(7),
                tif: TimeInForce::PostOnly,
                reduce_only: true,
                purpose: Purpose::Stop,
                protection: Protection { stop: Some(Price::from_raw(8)), take_profit: Some(Price::from_raw(9)) },
                decided: Ts(3),
            },
            link_id: "tt-r-000001".to_owned(),
            seen: true,
            filled: Qty::from_raw(2),
            execs: vec!["e1".to_owned()],
        }],
        account_known: true,
    }
}

fn fill() -> Fill {
    Fill {
        exec_id: "x1".to_owned(),
        price: price("64000.1"),
        qty: qty("0.002"),
        fee: Money::parse("0.0704").unwrap(),
        maker: false,
        executed: Some(Ts(8)),
    }
}

/// One of each kind of event, with every field in use.
pub(crate) fn one_of_each() -> Vec<Event> {
    let market = |data| Event::Market(Symbol(1), data);
    let level = |p: &str, q: &str| Level { price: price(p), qty: qty(q) };
    let order = |what| Event::Order(OrderUpdate { order: OrderSeq(7), what });
    vec![
        Event::Restored(Box::new(restored())),
        Event::Models(restored().models),
        market(MarketData::Book(BookUpdate {
            snapshot: true,
            bids: vec![level("2683.8", "3.02")],
            asks: vec![level("2683.81", "31.4")],
        })),
        market(MarketData::Trade(Trade { price: price("2683.8"), qty: qty("0.002"), taker: Side::Sell })),
        market(MarketData::Ticker(Ticker {
            mark: Some(price("2683.79")),
            index: None,
            funding_rate: Some(Rate::parse("-0.0001").unwrap()),
            next_funding: Some(Ts(9)),
            price_24h_ago: Some(price("2600")),
        })),
        market(MarketData::Gap),
        market(MarketData::Rules(Box::new(header().instruments.swap_remove(0)))),
        market(MarketData::Bar(Bar {
            start: Ts(60),
            span: Span(61),
            open: price("1"),
            high: price("3"),
            low: price("0.5"),
            close: price("2"),
            volume: qty("4"),
        })),
        market(MarketData::Band { buy_max: price("2700"), sell_min: price("2600") }),
        market(MarketData::Liquidation { side: Side::Buy, price: price("2610"), qty: qty("0.2") }),
        market(MarketData::Missed {
            at: Ts(7),
            trade: Trade { price: price("2683.8"), qty: qty("0.002"), taker: Side::Buy },
        }),
        market(MarketData::Pool(Pool {
            result: Rate::from_raw(-310_000_000),
            starts: Rate::from_raw(-300_000_000),
            stops: Rate::from_raw(-250_000_000),
            low: false,
            empty: true,
        })),
        Event::Account(AccountUpdate::TiedOut(Some(Tally { realised: Money::from_units(3), ..Tally::default() }))),
        Event::Account(AccountUpdate::TiedOut(None)),
        Event::Account(AccountUpdate::Fees {
            symbol: Symbol(1),
            maker: Rate::from_raw(-50_000),
            taker: Rate::from_raw(550_000),
        }),
        order(OrderNews::Uncertain("no answer".to_owned())),
        order(OrderNews::Contested("another order".to_owned())),
        Event::Account(AccountUpdate::Opening(Opening {
            balance: Money::from_units(5),
            holdings: vec![Holding::flat(Symbol(1))],
            foreign_orders: 3,
        })),
        Event::Account(AccountUpdate::Danger { symbol: Symbol(1), liquidation: Some(price("9")), adl: 4 }),
        Event::Hold(Hold {
            code: DenialCode::PositionModeHedge,
            symbol: Some(Symbol(1)),
            detail: Some("long=1".to_owned()),
        }),
        Event::Link(Link::Clock(Span(-7))),
        order(OrderNews::Sent),
        order(OrderNews::Unsent("gate closed".to_owned())),
        order(OrderNews::Accepted),
        order(OrderNews::Rejected("price".to_owned())),
        order(OrderNews::Filled(fill())),
        order(OrderNews::Cancelled("ioc".to_owned())),
        order(OrderNews::CancelRejected("filled".to_owned())),
        order(OrderNews::Acked),
        Event::Account(AccountUpdate::Strangers(vec![Stranger {
            symbol: Symbol(1),
            order: "9f3c".to_owned(),
            side: Side::Sell,
            qty: qty("0.5"),
            filled: qty("0.1"),
            price: Some(price("64100.0")),
            reach: Reach::Protects,
        }])),
        Event::Account(AccountUpdate::Outside(vec![Outsider {
            name: "XRPUSDT".to_owned(),
            side: Side::Sell,
            left: qty("4"),
            worth: Some(Money::from_units(9)),
            order: Some(("9f3d".to_owned(), Reach::Opens)),
        }])),
        Event::Account(AccountUpdate::ErrandOver {
            errand: Errand::Close("XRPUSDT".to_owned()),
            done: true,
            receipt: vec!["closed".to_owned()],
        }),
        Event::Account(AccountUpdate::Funding {
            symbol: Symbol(0),
            rate: Rate::from_raw(-3),
            amount: Money::from_units(-2),
            settled: Some(("f1".to_owned(), Ts(6))),
        }),
        Event::Account(AccountUpdate::Liquidated {
            kind: FillKind::Deleveraging,
            symbol: Symbol(0),
            fill: fill(),
            side: Side::Buy,
        }),
        Event::Account(AccountUpdate::Foreign { symbol: Symbol(0), side: Side::Sell, fill: fill() }),
        Event::Account(AccountUpdate::Rescued {
            symbol: Symbol(0),
            side: Side::Sell,
            fill: fill(),
            link_id: "tt-0000000000-g1".into(),
        }),
        Event::Account(AccountUpdate::Covered {
            kind: FillKind::Trade,
            order: Some(OrderSeq(2)),
            symbol: Symbol(0),
            side: Side::Sell,
            fill: fill(),
        }),
        Event::Account(AccountUpdate::Statement(Statement {
            balance: Money::from_units(3),
            positions: vec![(Symbol(1), -4)],
            working: vec![OrderSeq(2)],
            unlisted: 6,
            foreign_orders: 7,
            protection: vec![(Symbol(1), Protection { stop: Some(price("8")), take_profit: None })],
            protective: vec![Protective {
                symbol: Symbol(1),
                order: "9e".to_owned(),
                purpose: Purpose::Stop,
                side: Side::Sell,
                trigger: price("8"),
                qty: qty("4"),
            }],
        })),
        Event::Account(AccountUpdate::Protection {
            symbol: Symbol(1),
            protection: Protection { stop: None, take_profit: Some(price("9")) },
        }),
        Event::Account(AccountUpdate::Protected {
            symbol: Symbol(0),
            side: Side::Sell,
            fill: fill(),
            purpose: Purpose::TakeProfit,
        }),
        Event::Predicted(Prediction {
            symbol: Symbol(0),
            model: ModelId(0),
            features_at: Ts(77),
            took: Span(5),
            horizons: vec![HorizonForecast { horizon_s: 10, up: 0.5, flat: 0.25, down: 0.25, move_bps: -1.5 }],
        }),
        Event::Command(Command::Arm { lasts: Span::from_secs(60) }),
        Event::Command(Command::Flatten(None)),
        Event::Command(Command::SetLimit { key: LimitKey::MaxDailyLoss, value: 5 }),
        Event::Command(Command::Leaving("SIGHUP".to_owned())),
        Event::Link(Link::MarketUp),
        Event::Link(Link::MarketDown("closed".to_owned())),
        Event::Link(Link::MarketAlive),
        Event::Fault(Fault::Tape { why: "slow".to_owned(), fatal: true }),
        Event::Fault(Fault::ClockJump(Span(-1))),
        Event::Fault(Fault::Stopped(Span(7))),
        Event::Fault(Fault::TapeRecovered),
        Event::Ended,
    ]
}

fn any_level() -> impl Strategy<Value = Level> {
    (0..=i64::MAX, 0..=i64::MAX).prop_map(|(p, q)| Level { price: Price::from_raw(p), qty: Qty::from_raw(q) })
}

/// Any market data of one of the header's two instruments.
fn any_market() -> impl Strategy<Value = Event> {
    let levels = || prop::collection::vec(any_level(), 0..40);
    let book = (any::<bool>(), levels(), levels())
        .prop_map(|(snapshot, bids, asks)| MarketData::Book(BookUpdate { snapshot, bids, asks }));
    let trade = (any_level(), any::<bool>()).prop_map(|(level, buy)| {
        MarketData::Trade(Trade { price: level.price, qty: level.qty, taker: if buy { Side::Buy } else { Side::Sell } })
    });
    let ticker = (any::<Option<i64>>(), any::<Option<i64>>(), any::<Option<i64>>()).prop_map(|(mark, rate, at)| {
        MarketData::Ticker(Ticker {
            mark: mark.map(Price::from_raw),
            index: None,
            funding_rate: rate.map(Rate::from_raw),
            next_funding: at.map(Ts),
            price_24h_ago: None,
        })
    });
    (0..2_u16, prop_oneof![book, trade, ticker, Just(MarketData::Gap)]).prop_map(|(s, d)| Event::Market(Symbol(s), d))
}

/// Any event that is written to tapes.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let text = ".{0,30}";
    let order = (any::<u64>(), text, any::<i128>()).prop_map(|(order, text, fee)| {
        let fill = Fill { exec_id: text, fee: Money::from_raw(fee), ..fill() };
        Event::Order(OrderUpdate { order: OrderSeq(order), what: OrderNews::Filled(fill) })
    });
    let forecast = (any::<u32>(), -1e3..1e3_f32).prop_map(|(horizon_s, x)| {
        let horizons = vec![HorizonForecast { horizon_s, up: x, flat: -x, down: x / 3.0, move_bps: x * 7.0 }];
        Event::Predicted(Prediction {
            symbol: Symbol(1),
            model: ModelId(3),
            features_at: Ts(1),
            took: Span(2),
            horizons,
        })
    });
    let fault = text.prop_map(|why| Event::Fault(Fault::Ledger(why)));
    prop_oneof![
        8 => any_market(),
        2 => forecast,
        1 => order,
        1 => fault,
        2 => prop::sample::select(one_of_each()),
    ]
}

/// Any sequence of events with any times and numbers.
pub(crate) fn any_tape(len: usize) -> impl Strategy<Value = Vec<(i64, u64, Event)>> {
    let at = prop_oneof![Just(0), 0..3_000_000_000_i64, any::<i64>()];
    prop::collection::vec((at, any::<u64>(), any_event()), 0..len)
}
