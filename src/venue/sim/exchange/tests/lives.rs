//! The states an order goes through, and what makes it trade.

use super::*;
use crate::venue::sim::exchange::model::{Slippage, Trigger, TriggerBy};

fn conditional(ask: NewOrder, at: &str, rising: bool) -> NewOrder {
    NewOrder { trigger: Some(Trigger { price: price(at), rising, by: TriggerBy::Last }), ..ask }
}

#[test]
fn a_resting_order_is_new_then_partly_filled_then_filled_and_never_before_the_queue() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "100", "1")).unwrap();
    assert_eq!(desk.told(&order), [Status::New]);
    desk.print("100", "1.5", Side::Sell);
    assert_eq!(desk.told(&order), [], "two were displayed before it");
    desk.print("100", "0.8", Side::Sell);
    assert_eq!(desk.told(&order), [Status::PartiallyFilled]);
    assert_eq!(desk.order(&order).cum_qty, qty("0.3"));
    desk.print("99.5", "5", Side::Sell);
    assert_eq!(desk.told(&order), [Status::Filled]);
    assert_eq!(desk.order(&order).average(), Some(price("100")), "at its own price");
    assert!(desk.on.executions.iter().all(|e| e.maker));
}

#[test]
fn a_displayed_size_that_falls_moves_nobody_up() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "100", "1")).unwrap();
    desk.book(&[("100", "0.1"), ("99.5", "5")], &[("100.5", "2")]);
    desk.print("100", "1.9", Side::Sell);
    assert_eq!(desk.status(&order), Status::New);
    desk.print("100", "0.2", Side::Sell);
    assert_eq!(desk.order(&order).cum_qty, qty("0.1"));
}

#[test]
fn a_book_that_crosses_an_order_has_traded_with_it() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Sell, "101", "1")).unwrap();
    desk.book(&[("101.5", "0.4"), ("99.5", "5")], &[("102", "2")]);
    assert_eq!((desk.status(&order), desk.order(&order).cum_qty), (Status::PartiallyFilled, qty("0.4")));
    assert_eq!(desk.on.markets[0].book.best(Side::Buy).unwrap().price, price("99.5"), "what it traded with is gone");
}

#[test]
fn an_order_out_of_sight_trades_only_when_the_market_goes_through_it() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "98", "1")).unwrap();
    desk.print("98", "50", Side::Sell);
    assert_eq!(desk.status(&order), Status::New);
    desk.print("97.5", "0.4", Side::Sell);
    assert_eq!(desk.order(&order).cum_qty, qty("0.4"), "no more than was printed");
}

#[test]
fn a_crossing_limit_takes_and_rests_with_the_rest() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "100.5", "3")).unwrap();
    assert_eq!(desk.told(&order), [Status::PartiallyFilled], "New is skipped");
    assert_eq!((desk.order(&order).cum_qty, desk.order(&order).leaves()), (qty("2"), qty("1")));
    assert_eq!(desk.order(&order).cum_fee, usd("0.11055"));
}

#[test]
fn a_market_order_is_ioc_at_a_protective_price_and_its_rest_is_cancelled() {
    let mut desk = Desk::open();
    let order = desk.create(market(Side::Buy, "9")).unwrap();
    assert_eq!(desk.told(&order), [Status::PartiallyFilled, Status::PartiallyFilled, Status::Cancelled]);
    let row = desk.order(&order);
    assert_eq!((row.cum_qty, row.leaves(), row.price), (qty("7"), Qty::ZERO, price("102")));
    assert_eq!((row.reject_reason, row.cancel_type), ("EC_NoImmediateQtyToFill", "UNKNOWN"));
    assert_eq!(row.cum_value, usd("706"));
}

#[test]
fn slippage_tolerance_bounds_a_market_order() {
    let mut desk = Desk::open();
    let order = desk.create(NewOrder { slippage: Some(Slippage::Ticks(0)), ..market(Side::Buy, "3") }).unwrap();
    assert_eq!((desk.order(&order).price, desk.order(&order).cum_qty), (price("100.5"), qty("2")));
}

#[test]
fn ioc_fok_and_post_only_end_as_documented() {
    let mut desk = Desk::open();
    let ending = |desk: &mut Desk, tif: Tif, at: &str, size: &str| {
        let order = desk.create(NewOrder { tif, ..limit(Side::Buy, at, size) }).unwrap();
        let row = desk.order(&order);
        (row.status, row.reject_reason, row.cum_qty)
    };
    let (cancelled, none) = (Status::Cancelled, Qty::ZERO);
    assert_eq!(ending(&mut desk, Tif::Ioc, "100", "1"), (cancelled, "EC_NoImmediateQtyToFill", none));
    assert_eq!(ending(&mut desk, Tif::Fok, "100.5", "3"), (cancelled, "EC_CancelForNoFullFill", none));
    assert_eq!(ending(&mut desk, Tif::PostOnly, "100.5", "1"), (cancelled, "EC_PostOnlyWillTakeLiquidity", none));
    assert_eq!(ending(&mut desk, Tif::PostOnly, "100", "1"), (Status::New, "EC_NoError", none));
    assert_eq!(ending(&mut desk, Tif::Fok, "101", "3"), (Status::Filled, "EC_NoError", qty("3")));
}

#[test]
fn a_users_cancel_says_so_and_comes_too_late_the_second_time() {
    let mut desk = Desk::open();
    let order = desk.create(linked(limit(Side::Buy, "99", "1"), "a")).unwrap();
    desk.on.take_news();
    desk.cancel(&OrderName { id: String::new(), link: "a".to_owned() }).unwrap();
    let row = desk.order(&order);
    assert_eq!((row.cancel_type, row.reject_reason), ("CancelByUser", "EC_PerCancelRequest"));
    assert_eq!((desk.told(&order), row.leaves()), (vec![Status::Cancelled], Qty::ZERO));
    let late = desk.cancel(&order).unwrap_err();
    assert_eq!((late.code, late.message.as_str()), (110_001, "order not exists or too late to cancel"));
}

#[test]
fn an_amend_keeps_the_id_and_loses_the_place() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "100", "1")).unwrap();
    desk.print("100", "1.5", Side::Sell);
    let smaller = Amend { qty: Some(qty("0.5")), ..Amend::default() };
    assert_eq!(desk.amend(&order, &smaller).unwrap(), order);
    assert_eq!(desk.order(&order).ahead, Some(qty("0.5")), "a smaller one keeps its place");
    desk.amend(&order, &Amend { qty: Some(qty("2")), ..Amend::default() }).unwrap();
    assert_eq!(desk.order(&order).ahead, Some(qty("2")));
    desk.amend(&order, &Amend { price: Some(price("100.5")), ..Amend::default() }).unwrap();
    assert_eq!(desk.status(&order), Status::Filled, "a price that crosses takes");
    assert!(!desk.on.executions.back().unwrap().maker);
    assert_eq!(desk.amend(&order, &smaller).unwrap_err().code, 110_001);
}

#[test]
fn the_new_quantity_must_exceed_what_was_filled() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "100.5", "3")).unwrap();
    assert_eq!(desk.amend(&order, &Amend { qty: Some(qty("2")), ..Amend::default() }).unwrap_err().code, 110_064);
    assert_eq!(desk.order(&order).ask.qty, qty("3"));
}

#[test]
fn a_post_only_order_amended_across_dies() {
    let mut desk = Desk::open();
    let order = desk.create(NewOrder { tif: Tif::PostOnly, ..limit(Side::Buy, "99", "1") }).unwrap();
    desk.amend(&order, &Amend { price: Some(price("101")), ..Amend::default() }).unwrap();
    assert_eq!(desk.order(&order).reject_reason, "EC_PostOnlyWillTakeLiquidity");
}

#[test]
fn a_conditional_order_waits_then_works() {
    let mut desk = Desk::open();
    let order = desk.create(conditional(market(Side::Buy, "1"), "101", true)).unwrap();
    assert_eq!((desk.told(&order), desk.order(&order).stop_type), (vec![Status::Untriggered], "Stop"));
    desk.print("100.5", "0.1", Side::Buy);
    assert_eq!(desk.status(&order), Status::Untriggered);
    desk.print("101", "0.1", Side::Buy);
    assert_eq!(desk.told(&order), [Status::Filled]);
    let other = desk.create(conditional(limit(Side::Sell, "99", "1"), "99", false)).unwrap();
    desk.cancel(&other).unwrap();
    assert_eq!(desk.status(&other), Status::Cancelled);
}

#[test]
fn a_conditional_order_that_cannot_be_paid_when_triggered_is_rejected_late() {
    let mut desk = Desk::open();
    let order = desk.create(conditional(limit(Side::Buy, "101", "5000"), "101", true)).unwrap();
    desk.print("101", "0.1", Side::Buy);
    assert_eq!(desk.status(&order), Status::Rejected);
}

#[test]
fn cancel_all_takes_what_is_asked_for() {
    let mut desk = Desk::open();
    let resting = desk.create(limit(Side::Buy, "99", "1")).unwrap();
    let waiting = desk.create(conditional(market(Side::Buy, "1"), "105", true)).unwrap();
    let ended = desk.on.cancel_all(desk.now, |order| order.stop_type == "Stop");
    assert_eq!((ended, desk.status(&resting)), (vec![waiting], Status::New));
    assert_eq!(desk.on.cancel_all(desk.now, |_| true), [resting]);
}

#[test]
fn a_thinned_market_fills_in_parts() {
    let mut desk = Desk::open();
    desk.on.fill_percent = 25;
    let order = desk.create(market(Side::Buy, "2")).unwrap();
    let row = desk.order(&order);
    assert_eq!((row.status, row.cum_qty), (Status::Cancelled, qty("1.75")));
}

#[test]
fn a_crash_fills_what_rests_below_and_keeps_the_book_whole() {
    let mut desk = Desk::open();
    let order = desk.create(limit(Side::Buy, "99", "1")).unwrap();
    desk.on.displace(BTC, Rate::parse("-0.05").unwrap());
    assert_eq!((desk.status(&order), desk.order(&order).average()), (Status::Filled, Some(price("99"))));
    let book = &desk.on.markets[0].book;
    assert_eq!((book.best(Side::Buy).unwrap().price, desk.on.mark_of(BTC)), (price("95"), Some(price("95"))));
    desk.print("100", "1", Side::Sell);
    assert_eq!(desk.on.markets[0].last, Some(price("95")), "the feed is moved from then on");
}
