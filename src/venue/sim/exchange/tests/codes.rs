//! Refusals: each with its documented code.

use super::*;
use crate::venue::sim::exchange::model::{Leg, Trigger, TriggerBy};

#[test]
fn sizes_and_prices_off_the_grid_are_refused() {
    let mut desk = Desk::open();
    assert_eq!(desk.code(limit(Side::Buy, "99", "0.015")), 10_001);
    assert_eq!(desk.code(limit(Side::Buy, "99", "0")), 10_001);
    assert_eq!(desk.code(limit(Side::Buy, "99.3", "1")), 110_003);
    assert_eq!(desk.code(limit(Side::Buy, "0", "1")), 110_003);
    assert_eq!(desk.code(limit(Side::Buy, "99", "0.05")), 110_094);
    let large = desk.create(market(Side::Buy, "2000")).unwrap_err();
    assert!(large.message.ends_with("order_qty:200000000000 > max_qty:100000000000"), "{large}");
}

#[test]
fn link_ids_are_unique_for_ever_short_and_plain() {
    let mut desk = Desk::open();
    let first = desk.create(linked(limit(Side::Buy, "99", "1"), "once")).unwrap();
    desk.cancel(&first).unwrap();
    assert_eq!(desk.code(linked(limit(Side::Buy, "99", "1"), "once")), 110_072);
    assert_eq!(desk.code(linked(limit(Side::Buy, "99", "1"), &"x".repeat(37))), 10_001);
    assert_eq!(desk.code(linked(limit(Side::Buy, "99", "1"), "no spaces")), 10_001);
    desk.create(linked(limit(Side::Buy, "99", "1"), &"x".repeat(36))).unwrap();
}

#[test]
fn a_refused_order_does_not_use_up_its_link_id() {
    let mut desk = Desk::open();
    assert_eq!(desk.code(linked(limit(Side::Buy, "99.3", "1"), "again")), 110_003);
    desk.create(linked(limit(Side::Buy, "99", "1"), "again")).unwrap();
}

#[test]
fn reduce_only_needs_something_to_reduce_and_is_trimmed_to_it() {
    let mut desk = Desk::open();
    assert_eq!(desk.code(reducing(market(Side::Sell, "1"))), 110_017);
    let mut desk = Desk::holding("1");
    assert_eq!(desk.code(reducing(limit(Side::Buy, "99", "1"))), 110_017);
    let order = desk.create(reducing(market(Side::Sell, "5"))).unwrap();
    assert_eq!((desk.order(&order).ask.qty, desk.size()), (qty("1"), (None, Qty::ZERO)));
}

#[test]
fn a_reduce_only_order_above_the_largest_quantity_becomes_several() {
    let mut desk = Desk::holding("5");
    desk.on.markets[0].rules.max_market_qty = qty("2");
    let order = desk.create(linked(reducing(market(Side::Sell, "5")), "closes")).unwrap();
    let closing: Vec<_> = desk.on.orders.all().filter(|o| o.ask.reduce_only).collect();
    assert_eq!(closing.iter().map(|o| o.ask.qty).collect::<Vec<_>>(), [qty("2"), qty("2"), qty("1")]);
    assert_eq!(closing.iter().map(|o| o.ask.link.as_str()).collect::<Vec<_>>(), ["closes", "", ""]);
    assert_eq!((order.link.as_str(), desk.size()), ("closes", (None, Qty::ZERO)));
}

#[test]
fn quantity_zero_closes_only_with_both_flags() {
    let mut desk = Desk::holding("1");
    assert_eq!(desk.code(reducing(market(Side::Sell, "0"))), 10_001);
    desk.create(NewOrder { close_on_trigger: true, ..reducing(market(Side::Sell, "0")) }).unwrap();
    assert_eq!(desk.size().0, None);
}

#[test]
fn a_closed_position_ends_resting_reduce_only_orders() {
    let mut desk = Desk::holding("1");
    let order = desk.create(reducing(limit(Side::Sell, "102", "1"))).unwrap();
    desk.create(market(Side::Sell, "1")).unwrap();
    assert_eq!((desk.status(&order), desk.order(&order).cancel_type), (Status::Cancelled, "CancelByReduceOnly"));
}

#[test]
fn prices_outside_the_band_are_repriced_or_refused() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Sell, "90", "1")).unwrap();
    assert_eq!(desk.order(&order).price, price("98"), "the edge of the band");
    desk.on.account.reprices = false;
    assert_eq!(desk.code(limit(Side::Sell, "90", "1")), 110_121);
    assert_eq!(desk.code(limit(Side::Buy, "110", "1")), 110_120);
}

#[test]
fn money_that_is_not_there_is_refused() {
    let mut desk = Desk::open();
    assert_eq!(desk.code(limit(Side::Buy, "99.5", "1100")), 110_007);
    desk.create(limit(Side::Buy, "99.5", "600")).unwrap();
    assert_eq!(desk.code(limit(Side::Buy, "99.5", "600")), 110_007, "the first one's margin is held");
}

#[test]
fn triggers_on_the_wrong_side_are_refused() {
    let mut desk = Desk::open();
    let at = |text: &str, rising| NewOrder {
        trigger: Some(Trigger { price: price(text), rising, by: TriggerBy::Last }),
        ..market(Side::Buy, "1")
    };
    assert_eq!(desk.code(at("99", true)), 110_092);
    assert_eq!(desk.code(at("101", false)), 110_093);
    for _ in 0..10 {
        desk.create(at("105", true)).unwrap();
    }
    assert_eq!(desk.code(at("105", true)), 110_009);
}

#[test]
fn protection_on_the_wrong_side_is_refused() {
    let mut desk = Desk::open();
    let leg = |text: &str| Some(Leg { price: price(text), by: TriggerBy::Last, limit: None });
    let with = |take, stop| NewOrder {
        protection: Protection { take, stop, ..Protection::default() },
        ..limit(Side::Buy, "99", "1")
    };
    assert_eq!(desk.code(with(leg("98"), None)), 10_001);
    assert_eq!(desk.code(with(None, leg("99"))), 10_001);
    desk.create(with(leg("99.5"), leg("98.5"))).unwrap();
}

#[test]
fn position_index_must_match_the_mode_and_modes_switch_when_idle() {
    let mut desk = Desk::open();
    let long = Slot { symbol: BTC, idx: 1 };
    assert_eq!(desk.code(NewOrder { slot: long, ..market(Side::Buy, "1") }), 10_001);
    let resting = desk.create(limit(Side::Buy, "99", "1")).unwrap();
    assert_eq!(desk.on.set_hedged(BTC, true).unwrap_err().code, 110_028);
    desk.cancel(&resting).unwrap();
    desk.on.set_hedged(BTC, true).unwrap();
    assert_eq!(desk.on.set_hedged(BTC, true).unwrap_err().code, 110_025);
    assert_eq!(desk.code(market(Side::Buy, "1")), 10_001);
    desk.create(NewOrder { slot: long, ..market(Side::Buy, "1") }).unwrap();
    desk.create(NewOrder { slot: Slot { symbol: BTC, idx: 2 }, ..market(Side::Sell, "1") }).unwrap();
    assert_eq!(desk.on.held().count(), 2);
    assert_eq!(desk.on.set_hedged(BTC, false).unwrap_err().code, 110_024);
    desk.create(NewOrder { slot: long, ..market(Side::Sell, "3") }).unwrap();
    assert_eq!(desk.on.held().count(), 1, "an order against its side closes and does not turn");
}

#[test]
fn leverage_that_is_the_same_is_not_modified() {
    let mut desk = Desk::open();
    let times = |text: &str| Rate::parse(text).unwrap();
    desk.on.set_leverage(BTC, times("5")).unwrap();
    assert_eq!(desk.on.set_leverage(BTC, times("5")).unwrap_err().code, 110_043);
    assert_eq!(desk.on.set_leverage(BTC, times("101")).unwrap_err().code, 10_001);
}

#[test]
fn nothing_opens_on_an_instrument_that_is_not_live_or_has_no_book() {
    let mut desk = Desk::open();
    desk.on.markets[0].status = "Delivering";
    assert_eq!(desk.code(limit(Side::Buy, "99", "1")), 110_074);
    desk.on.markets[0].status = "Trading";
    desk.feed(&MarketData::Gap);
    assert_eq!(desk.code(market(Side::Buy, "1")), 110_118);
}
