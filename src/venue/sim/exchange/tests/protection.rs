//! Take profit, stop loss and trailing stops.

use super::*;
use crate::venue::sim::exchange::model::{Leg, TpslMode, TriggerBy};
use crate::venue::sim::exchange::protect::TradingStop;

fn leg(text: &str) -> Leg {
    Leg { price: price(text), by: TriggerBy::Last, limit: None }
}

fn protected(mode: TpslMode) -> (Desk, OrderName) {
    let mut desk = Desk::open();
    let protection = Protection { mode, take: Some(leg("103")), stop: Some(leg("98")) };
    let entry = desk.create(linked(NewOrder { protection, ..market(Side::Buy, "1") }, "entry")).unwrap();
    (desk, entry)
}

fn legs(desk: &Desk) -> Vec<Order> {
    desk.on.orders.open().filter(|order| order.status == Status::Untriggered).cloned().collect()
}

#[test]
fn partial_legs_are_orders_of_their_own_and_cancel_each_other() {
    let (mut desk, _) = protected(TpslMode::Partial);
    let both = legs(&desk);
    let types: Vec<_> = both.iter().map(|leg| (leg.stop_type, leg.create_type)).collect();
    assert_eq!(
        types,
        [("PartialTakeProfit", "CreateByPartialTakeProfit"), ("PartialStopLoss", "CreateByPartialStopLoss")]
    );
    assert!(both.iter().all(|leg| leg.ask.link.is_empty() && leg.parent_link == "entry" && leg.ask.reduce_only));
    let name = |leg: &Order| OrderName { id: leg.id.clone(), link: String::new() };
    desk.cancel(&name(&both[0])).unwrap();
    assert_eq!(
        (desk.status(&name(&both[0])), desk.status(&name(&both[1]))),
        (Status::Deactivated, Status::Deactivated)
    );
    assert_eq!(desk.cancel(&name(&both[1])).unwrap_err().code, 110_001);
}

#[test]
fn a_stop_that_triggers_closes_and_takes_the_other_leg_along() {
    for mode in [TpslMode::Full, TpslMode::Partial] {
        let (mut desk, _) = protected(mode);
        desk.print("98", "0.1", Side::Sell);
        assert_eq!(desk.size().0, None);
        assert!(legs(&desk).is_empty());
        let take = desk.on.orders.all().find(|order| order.stop_type.ends_with("TakeProfit")).unwrap();
        assert_eq!((take.status, take.cancel_type), (Status::Deactivated, "CancelByTpSlTsClear"));
        let stop = desk.on.orders.all().find(|order| order.stop_type.ends_with("StopLoss")).unwrap();
        assert_eq!((stop.status, stop.cum_qty), (Status::Filled, qty("1")));
    }
}

#[test]
fn full_protection_grows_with_the_position_and_ends_with_it() {
    let (mut desk, _) = protected(TpslMode::Full);
    let protection = desk.on.account.position(ONE_WAY).protection;
    desk.create(NewOrder { protection, ..market(Side::Buy, "1") }).unwrap();
    assert_eq!(legs(&desk).iter().map(|leg| leg.ask.qty).collect::<Vec<_>>(), [qty("2"), qty("2")]);
    desk.create(market(Side::Sell, "2")).unwrap();
    assert!(legs(&desk).is_empty());
    assert_eq!(desk.on.account.position(ONE_WAY).protection, Protection::default());
}

#[test]
fn trading_stop_sets_changes_and_removes() {
    let mut desk = Desk::open();
    let stop = |leg| TradingStop { stop: Some(leg), ..TradingStop::default() };
    assert_eq!(desk.on.trading_stop(ONE_WAY, &stop(leg("98"))).unwrap_err().code, 10_001, "no position");
    let mut desk = Desk::holding("1");
    desk.on.trading_stop(ONE_WAY, &stop(leg("98"))).unwrap();
    assert_eq!(desk.on.trading_stop(ONE_WAY, &stop(leg("98"))).unwrap_err().code, 34_040);
    assert_eq!(desk.on.trading_stop(ONE_WAY, &stop(leg("101"))).unwrap_err().code, 10_001);
    desk.on.trading_stop(ONE_WAY, &stop(leg("97"))).unwrap();
    assert_eq!(legs(&desk).iter().map(|leg| leg.ask.trigger.unwrap().price).collect::<Vec<_>>(), [price("97")]);
    desk.on.trading_stop(ONE_WAY, &stop(leg("0"))).unwrap();
    assert!(legs(&desk).is_empty());
}

#[test]
fn a_leg_that_is_cancelled_or_set_off_protects_no_more() {
    let (mut desk, _) = protected(TpslMode::Full);
    let stop = legs(&desk).into_iter().find(|leg| leg.stop_type == "StopLoss").unwrap();
    desk.cancel(&OrderName { id: stop.id, link: String::new() }).unwrap();
    let left = desk.on.account.position(ONE_WAY).protection;
    assert!(left.stop.is_none() && left.take.is_some(), "{left:?}");
    assert_eq!(legs(&desk).len(), 1);
    // What a stop that was set off could not close has none any more.
    let (mut desk, _) = protected(TpslMode::Full);
    desk.on.fill_percent = 10;
    desk.print("98", "0.1", Side::Sell);
    assert!(desk.size().1 > qty("0") && desk.on.account.position(ONE_WAY).protection.stop.is_none());
}

#[test]
fn a_partial_trading_stop_adds_a_pair_without_a_parent() {
    let mut desk = Desk::holding("2");
    let pair = TradingStop {
        mode: TpslMode::Partial,
        take: Some(leg("103")),
        stop: Some(leg("98")),
        size: Some(qty("1")),
        ..TradingStop::default()
    };
    desk.on.trading_stop(ONE_WAY, &pair).unwrap();
    desk.on.trading_stop(ONE_WAY, &pair).unwrap();
    assert_eq!(legs(&desk).len(), 4);
    assert!(legs(&desk).iter().all(|leg| leg.parent_link.is_empty() && leg.ask.qty == qty("1")));
}

#[test]
fn a_trailing_stop_follows_the_best_price() {
    let mut desk = Desk::holding("1");
    let asked = TradingStop { trailing: Some(price("2")), trailing_from: Some(price("101")), ..TradingStop::default() };
    desk.on.trading_stop(ONE_WAY, &asked).unwrap();
    desk.print("97", "0.1", Side::Sell);
    assert_eq!(desk.size().1, qty("1"), "not yet at work");
    desk.print("103", "0.1", Side::Buy);
    desk.print("101.5", "0.1", Side::Sell);
    assert_eq!(desk.size().1, qty("1"));
    desk.print("101", "0.1", Side::Sell);
    assert_eq!(desk.size().0, None);
    assert_eq!(desk.on.executions.back().unwrap().create_type, "CreateByTrailingStop");
}
