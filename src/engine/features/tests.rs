//! Tests across the families: identity, agreement with direct formulas, finiteness, invariance, gaps.

use proptest::prelude::*;

use super::registry::{self, Stream, hash_of};
use super::*;
use crate::engine::event::Trade;
use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Side};

type Events = Vec<(Ts, MarketData)>;

/// Steps all events, and after each lets `look` see the state and the book.
fn follow(events: &[(Ts, MarketData)], mut look: impl FnMut(Ts, &mut FeatureState, &Book)) -> FeatureState {
    let (mut state, mut book) = (FeatureState::new(), Book::new());
    for (at, data) in events {
        match data {
            MarketData::Book(update) => book.apply(update),
            MarketData::Gap => book.gap(),
            _ => {}
        }
        state.on_market(*at, data, &book);
        look(*at, &mut state, &book);
    }
    state
}

fn value(frame: &FeatureFrame, name: &str) -> f64 {
    let place = FEATURES.iter().position(|f| f.name == name).expect(name);
    f64::from(frame.values[place])
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price::from_raw(price), qty: Qty::from_raw(qty) }
}

#[test]
fn the_registry_is_consistent_and_its_hash_is_pinned() {
    let mut names: Vec<_> = FEATURES.iter().map(|f| f.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FEATURE_COUNT);
    assert_eq!(FeatureState::new().frame(Ts(0), Symbol(0)).values.len(), FEATURE_COUNT);
    // A new hash means that every shipped model must be trained anew.
    assert_eq!(Set::Market.hash(), "102fc9271cce6dce7914775556a6d69dbdd585d80b004aea4e57a0b44007907f");
    assert_eq!(Set::Bars.hash(), "56d804d4a976d0b7f6cf2753235f0181b43f18a71883f752018816b1071fb118");
    for set in Set::ALL {
        assert_eq!((Set::of_hash(set.hash()), set.hash().to_owned()), (Some(set), registry::hash(set)));
        assert_eq!(set.usual_second_bps(&[]), None);
    }
}

/// A changed formula changes values; were one of them not in the hash, a model could be fed what it was not trained on.
#[test]
fn another_formula_of_any_feature_is_another_set() {
    for set in Set::ALL {
        for (place, spec) in set.features().iter().enumerate() {
            let bent = hash_of(set, |at, value| if at == place { value * 1.000_001 } else { value });
            assert_ne!(bent, set.hash(), "{} is not covered, or is always 0 on the built-in stream", spec.name);
            let shifted = hash_of(set, |at, value| if at == place { value + 1e-6 } else { value });
            assert_ne!(shifted, set.hash(), "{}", spec.name);
        }
        assert_eq!(hash_of(set, |_, value| value), set.hash());
    }
}

#[test]
fn faded_features_agree_with_direct_sums() {
    let events: Events = Stream::default().take(190).collect();
    let mut touches: Vec<(Ts, Touch)> = Vec::new();
    let mut state = follow(&events, |at, _, book| {
        let touch = Touch::of(book).unwrap();
        if touches.last().is_none_or(|(_, last)| *last != touch) {
            touches.push((at, touch));
        }
    });
    let now = events.last().unwrap().0 + Span::from_ms(123);
    let frame = state.frame(now, Symbol(0));
    let weight = |at: Ts, tau: f64| (-now.since(at).as_secs_f64() / tau).exp();
    let trades: Vec<(Ts, f64, f64)> = events
        .iter()
        .filter_map(|(at, data)| match data {
            MarketData::Trade(t) => Some((*at, t.qty.to_f64_lossy(), t.taker.sign() as f64)),
            _ => None,
        })
        .collect();
    let sum = |tau: f64, part: &dyn Fn(f64, f64) -> f64| -> f64 {
        trades.iter().map(|(at, qty, sign)| part(*qty, *sign) * weight(*at, tau)).sum()
    };
    let whole = sum(4.0, &|q, _| q) + sum(64.0, &|q, _| q) / 64.0 * 4.0;
    assert!((value(&frame, "flow_4s") - sum(4.0, &|q, s| q * s) / whole).abs() < 1e-6);

    let moves: Vec<(Ts, f64)> = touches
        .windows(2)
        .map(|w| (w[1].0, (w[1].1.mid - w[0].1.mid) / w[0].1.mid * 1e4))
        .filter(|(_, bps)| *bps != 0.0)
        .collect();
    let spread = touches.last().unwrap().1.spread_bps;
    let variance: f64 = moves.iter().map(|(at, bps)| bps * bps * weight(*at, 64.0)).sum::<f64>() / 64.0;
    let scale = (variance + spread * spread / 64.0).sqrt();
    assert!((value(&frame, "vol_64s") - scale.ln() / 4.0).abs() < 1e-6);

    let mid = touches.last().unwrap().1.mid;
    let step_start = Ts(now.0 - 5_000_000_000).floor_to(Span::from_ms(100));
    let before = touches.iter().rev().find(|(at, _)| *at < step_start).unwrap().1.mid;
    let z = (mid - before) / before * 1e4 / (scale * 5.0_f64.sqrt());
    assert!((value(&frame, "ret_5s") - (z / 2.0).tanh()).abs() < 1e-6);

    let held = touches.windows(2).map(|w| w[0].1.imbalance() * (weight(w[1].0, 2.0) - weight(w[0].0, 2.0)));
    let last = touches.last().unwrap();
    let start = touches[0].1.imbalance() * weight(touches[0].0, 2.0);
    let average = start + held.sum::<f64>() + last.1.imbalance() * (1.0 - weight(last.0, 2.0));
    assert!((value(&frame, "imb_l1_avg_2s") - average).abs() < 1e-6);
}

#[test]
fn order_flow_counts_what_joined_and_left() {
    let book = |bid: (i64, i64), ask: (i64, i64)| {
        let (bids, asks) = (vec![level(bid.0, bid.1)], vec![level(ask.0, ask.1)]);
        (Ts::from_ms(0), MarketData::Book(BookUpdate { snapshot: true, bids, asks }))
    };
    let ofi = |events: &[(Ts, MarketData)]| value(&follow(events, |_, _, _| {}).frame(Ts(0), Symbol(0)), "ofi_1s");
    assert!(ofi(&[book((100, 5), (110, 5))]).abs() < 1e-9);
    // Size joins the bid: all flow is buying, damped by the flow's own share of the last minute (1 / (1 + 1/64)).
    let all = 64.0 / 65.0;
    assert!((ofi(&[book((100, 5), (110, 5)), book((100, 8), (110, 5))]) - all).abs() < 1e-6);
    assert!((ofi(&[book((100, 5), (110, 5)), book((100, 5), (110, 8))]) + all).abs() < 1e-6);
    assert!((ofi(&[book((100, 5), (110, 5)), book((101, 1), (110, 5))]) - all).abs() < 1e-6);
    assert!((ofi(&[book((100, 5), (110, 5)), book((99, 9), (110, 5))]) + all).abs() < 1e-6);
}

#[test]
fn reading_changes_nothing() {
    let events: Events = Stream::default().take(400).collect();
    let end = events.last().unwrap().0 + Span::from_secs(3);
    let quiet = follow(&events, |_, _, _| {}).frame(end, Symbol(3));
    let mut read = follow(&events, |at, state, _| {
        for ms in [0, 10, 500] {
            state.frame(at + Span::from_ms(ms), Symbol(3));
        }
    });
    assert_eq!(read.frame(end, Symbol(3)), quiet);
}

#[test]
fn scale_does_not_matter() {
    let scaled = |events: &Events, price: i64, qty: i64| -> Events {
        let level =
            |l: &Level| Level { price: Price::from_raw(l.price.raw() * price), qty: Qty::from_raw(l.qty.raw() * qty) };
        let scale = |data: &MarketData| match data {
            MarketData::Book(u) => MarketData::Book(BookUpdate {
                snapshot: u.snapshot,
                bids: u.bids.iter().map(level).collect(),
                asks: u.asks.iter().map(level).collect(),
            }),
            MarketData::Trade(t) => {
                let Level { price, qty } = level(&Level { price: t.price, qty: t.qty });
                MarketData::Trade(Trade { price, qty, taker: t.taker })
            }
            other => other.clone(),
        };
        events.iter().map(|(at, data)| (*at, scale(data))).collect()
    };
    let events: Events = Stream::default().take(500).collect();
    let end = events.last().unwrap().0;
    let one = follow(&events, |_, _, _| {}).frame(end, Symbol(0));
    let other = follow(&scaled(&events, 7, 13), |_, _, _| {}).frame(end, Symbol(0));
    for (spec, (a, b)) in FEATURES.iter().zip(one.values.iter().zip(&other.values)) {
        assert!((a - b).abs() < 1e-5, "{}: {a} {b}", spec.name);
    }
}

#[test]
fn a_gap_starts_book_features_anew_and_keeps_trades() {
    let events: Events = Stream::default().take(199).collect();
    let end = events.last().unwrap().0;
    let mut with_gap = events.clone();
    with_gap.push((end, MarketData::Gap));
    let before = follow(&events, |_, _, _| {}).frame(end, Symbol(0));
    assert_eq!(usize::from(before.warm), FEATURE_COUNT);
    let mut state = follow(&with_gap, |_, _, _| {});
    let after = state.frame(end, Symbol(0));
    for (n, spec) in FEATURES.iter().enumerate() {
        assert_eq!(state.is_warm(end, n), spec.source == Source::Trades, "{}", spec.name);
        if spec.source == Source::Book && spec.family != "intensity" {
            assert!(after.values[n].abs() < 1e-9, "{}", spec.name);
        } else if spec.source == Source::Trades {
            assert_eq!(after.values[n].to_bits(), before.values[n].to_bits(), "{}", spec.name);
        }
    }
    let snapshot = BookUpdate { snapshot: true, bids: vec![level(1_000, 5)], asks: vec![level(1_010, 5)] };
    with_gap.push((end, MarketData::Book(snapshot)));
    let fresh = follow(&with_gap, |_, _, _| {}).frame(end, Symbol(0));
    for name in ["ret_1s", "ret_60s", "ofi_1s", "last_move"] {
        assert!(value(&fresh, name).abs() < 1e-9, "{name}: a jump over the gap is no move");
    }
}

/// The same market with buyers and sellers exchanged: prices mirrored about a level, sides swapped.
fn mirrored(events: &Events) -> Events {
    let turn = |l: &Level| Level { price: Price::from_raw(100_000_000_000_000 - l.price.raw()), qty: l.qty };
    let mirror = |data: &MarketData| match data {
        MarketData::Book(u) => MarketData::Book(BookUpdate {
            snapshot: u.snapshot,
            bids: u.asks.iter().map(turn).collect(),
            asks: u.bids.iter().map(turn).collect(),
        }),
        MarketData::Trade(t) => MarketData::Trade(Trade {
            price: Price::from_raw(100_000_000_000_000 - t.price.raw()),
            qty: t.qty,
            taker: t.taker.opposite(),
        }),
        other => other.clone(),
    };
    events.iter().map(|(at, data)| (*at, mirror(data))).collect()
}

#[test]
fn odd_features_change_sign_in_the_mirror_and_others_do_not() {
    let events: Events = Stream::default().take(190).collect();
    let end = events.last().unwrap().0 + Span::from_ms(250);
    let one = follow(&events, |_, _, _| {}).frame(end, Symbol(0));
    let other = follow(&mirrored(&events), |_, _, _| {}).frame(end, Symbol(0));
    for (spec, (a, b)) in FEATURES.iter().zip(one.values.iter().zip(&other.values)) {
        let expected = if spec.odd { -a } else { *a };
        // Moves are relative to the price, which differs a little in the mirror.
        assert!((b - expected).abs() < 2e-3, "{}: {a} mirrored {b}", spec.name);
    }
}

fn any_level() -> impl Strategy<Value = Level> {
    let number = || prop_oneof![Just(0), Just(1), Just(i64::MAX), Just(i64::MIN), 0..1_000_i64, any::<i64>()];
    (number(), number()).prop_map(|(price, qty)| level(price, qty))
}

fn any_event() -> impl Strategy<Value = (i64, MarketData)> {
    let levels = || prop::collection::vec(any_level(), 0..6);
    let book = (any::<bool>(), levels(), levels());
    let data = prop_oneof![
        4 => book.prop_map(|(snapshot, bids, asks)| MarketData::Book(BookUpdate { snapshot, bids, asks })),
        3 => (any_level(), any::<bool>()).prop_map(|(l, buy)| {
            let taker = if buy { Side::Buy } else { Side::Sell };
            MarketData::Trade(Trade { price: l.price, qty: l.qty, taker })
        }),
        1 => Just(MarketData::Gap),
        1 => Just(MarketData::Ticker(crate::engine::event::Ticker::default())),
    ];
    (prop_oneof![0..2_000_000_000_i64, Just(i64::MIN), Just(i64::MAX), -10..10_i64], data)
}

proptest! {
    #[test]
    fn every_value_is_finite_whatever_comes(events in prop::collection::vec(any_event(), 0..40)) {
        let (mut state, mut book, mut at) = (FeatureState::new(), Book::new(), Ts(0));
        for (step, data) in events {
            at = Ts(at.0.saturating_add(step));
            if let MarketData::Book(update) = &data {
                book.apply(update);
            }
            state.on_market(at, &data, &book);
            for later in [0, 1_000_000_000, i64::MAX] {
                let frame = state.frame(Ts(at.0.saturating_add(later)), Symbol(0));
                prop_assert_eq!(frame.values.len(), FEATURE_COUNT);
                prop_assert!(frame.values.iter().all(|v| v.is_finite()), "{:?}", frame.values);
            }
        }
    }
}
