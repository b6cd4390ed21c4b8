//! Numbers that no market sends: nothing may panic, and an account that cannot be valued does not grow.

use proptest::prelude::*;

use super::super::*;
use crate::engine::effect::{Purpose, TimeInForce};
use crate::engine::event::{Ticker, Trade};
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty, Side};

/// The ends of the range, the middle, and numbers a market might send.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        -2..3_i64,
        (1..1_000_i64).prop_map(|units| units * 1_000_000_000),
        any::<i64>()
    ]
}

/// A quantity as a binary decoder makes it: it checks less than the parser and lets negative ones through.
fn qty() -> impl Strategy<Value = Qty> {
    number().prop_map(Qty)
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn level() -> impl Strategy<Value = Level> {
    (number(), qty()).prop_map(|(price, qty)| Level { price: Price::from_raw(price), qty })
}

fn data() -> impl Strategy<Value = MarketData> {
    let levels = || prop::collection::vec(level(), 0..4);
    let maybe = || prop::option::of(number());
    prop_oneof![
        (any::<bool>(), levels(), levels()).prop_map(|(snapshot, bids, asks)| MarketData::Book(BookUpdate {
            snapshot,
            bids,
            asks
        })),
        (number(), qty(), side()).prop_map(|(price, qty, taker)| MarketData::Trade(Trade {
            price: Price::from_raw(price),
            qty,
            taker
        })),
        (maybe(), maybe(), maybe()).prop_map(|(mark, rate, next)| {
            MarketData::Ticker(Ticker {
                mark: mark.map(Price::from_raw),
                funding_rate: rate.map(Rate::from_raw),
                next_funding: next.map(Ts),
                ..Ticker::default()
            })
        }),
        Just(MarketData::Gap)
    ]
}

fn order() -> impl Strategy<Value = NewOrder> {
    (0..9_u64, 0..3_u16, side(), qty(), number(), 0..3_usize, any::<bool>()).prop_map(
        |(seq, symbol, side, qty, price, tif, reduce_only)| NewOrder {
            seq: OrderSeq(seq),
            symbol: Symbol(symbol),
            side,
            qty,
            price: Price::from_raw(price),
            tif: [TimeInForce::ImmediateOrCancel, TimeInForce::GoodTillCancel, TimeInForce::PostOnly][tif],
            reduce_only,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: Ts(0),
        },
    )
}

fn account() -> impl Strategy<Value = PaperVenue> {
    let fees = (number(), number(), number());
    let rules = (number(), number(), any::<u32>());
    let held = (number(), any::<i128>(), any::<i128>());
    (fees, rules, held).prop_map(|((latency, taker, maker), (tick, step, interval), (signed, cost, balance))| {
        let mut rules = Instrument::linear("X", Price::from_raw(tick), Qty::from_raw(step));
        rules.funding_interval_s = interval;
        let settings = PaperSettings {
            latency: Span(latency),
            taker_fee: Rate::from_raw(taker),
            maker_fee: Rate::from_raw(maker),
        };
        let held = Holding { signed, cost: Money::from_raw(cost), ..Holding::flat(Symbol(0)) };
        let lost = Holding { signed, ..Holding::flat(Symbol(900)) };
        PaperVenue::new(settings, vec![rules.clone(), rules], Money::from_raw(balance), &[held, lost])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        mut venue in account(),
        steps in prop::collection::vec((number(), 0..3_u16, prop::option::of(data()), prop::option::of(order())), 0..40),
    ) {
        let mut at = 0_i64;
        for (now, symbol, data, order) in steps {
            // Mostly forward, sometimes anywhere.
            at = if now % 3 == 0 { now } else { at.saturating_add(now.rem_euclid(1_000_000_000)) };
            if let Some(order) = order {
                venue.submit(Ts(at), Approved::for_test(order));
                venue.cancel(Ts(at), OrderSeq(order.seq.0 / 2));
            }
            if let Some(data) = data {
                venue.on_market(Ts(at), Symbol(symbol), &data);
            }
            venue.ask(Ts(at));
            let mut last = Ts(i64::MIN);
            while let Some((delivered, _)) = venue.pop_due(Ts(at)) {
                prop_assert!(delivered >= last && delivered <= Ts(at));
                last = delivered;
            }
            venue.equity();
        }
        while venue.pop_due(Ts(i64::MAX)).is_some() {}
        prop_assert!(venue.inbox.is_empty() && venue.outbox.is_empty());
    }
}
