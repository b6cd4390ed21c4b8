//! Positions, fees, funding, liquidation: to the last 1e-8.

use super::*;
use crate::engine::num::UNIT;
use crate::venue::sim::exchange::model::ExecKind;

#[test]
fn a_round_trip_costs_spread_and_two_fees() {
    let mut desk = Desk::holding("2");
    assert_eq!(desk.on.account.balance, usd("10000") - usd("0.11055"));
    assert_eq!(desk.on.account.position(ONE_WAY).entry(), Some(price("100.5")));
    desk.create(market(Side::Sell, "1")).unwrap();
    let last = desk.on.executions.back().unwrap().clone();
    assert_eq!((last.pnl, last.fee, last.closed), (usd("-0.5"), usd("0.055"), qty("1")));
    assert_eq!(desk.size(), (Some(Side::Buy), qty("1")));
    desk.create(market(Side::Sell, "1")).unwrap();
    assert_eq!(desk.on.account.balance, usd("9998.77945"));
    let position = desk.on.account.position(ONE_WAY);
    assert_eq!((position.cost, position.cum_realised), (Money::ZERO, usd("-1.22055")));
}

#[test]
fn an_order_larger_than_the_position_turns_it() {
    let mut desk = Desk::holding("1");
    desk.create(market(Side::Sell, "3")).unwrap();
    let position = desk.on.account.position(ONE_WAY);
    assert_eq!((position.side, position.size), (Some(Side::Sell), qty("2")));
    assert_eq!(position.cost, usd("199.5"), "one at 100, one at 99.5");
}

#[test]
fn what_the_wallet_gained_is_what_the_log_says() {
    let mut desk = Desk::holding("1.37");
    desk.create(market(Side::Sell, "0.41")).unwrap();
    desk.on.settle(BTC);
    desk.on.deposit(usd("12.5"));
    desk.create(market(Side::Sell, "0.96")).unwrap();
    let log = &desk.on.account.log;
    let sum: Money = log.iter().map(|line| line.change).sum();
    assert_eq!(usd("10000") + sum, desk.on.account.balance);
    assert_eq!(log.back().unwrap().balance, desk.on.account.balance);
    let realised: Money = desk.on.executions.iter().map(|e| e.pnl - e.fee).sum();
    assert_eq!(usd("10000") + realised + usd("12.5"), desk.on.account.balance);
}

#[test]
fn funding_is_an_execution_nobody_ordered() {
    let mut desk = Desk::holding("2");
    let before = desk.on.account.balance;
    let due = desk.on.markets[0].next_funding;
    desk.on.advance(due);
    let row = desk.on.executions.back().unwrap();
    assert_eq!((row.kind, row.link.as_str(), row.order_kind, row.order_qty), (ExecKind::Funding, "", None, Qty::ZERO));
    assert_eq!(row.order_id, format!("{}-BTCUSDT-{}-Buy", due.as_ms() / 1_000, desk.on.account.uid));
    assert_eq!((row.fee, desk.on.account.balance), (usd("0.02"), before - usd("0.02")));
    assert_eq!(desk.on.markets[0].next_funding, due + Span::from_secs(28_800));
    desk.on.advance(due);
    assert_eq!(desk.on.executions.len(), 2, "once");
}

#[test]
fn a_short_receives_what_a_long_pays() {
    let mut desk = Desk::open();
    desk.create(market(Side::Sell, "2")).unwrap();
    desk.on.settle(BTC);
    assert_eq!(desk.on.executions.back().unwrap().fee, usd("-0.02"));
}

#[test]
fn margin_follows_leverage_and_mark() {
    let mut desk = Desk::holding("2");
    let sums = desk.on.sums();
    assert_eq!((sums.position_im, sums.position_mm, sums.upl), (usd("20"), usd("1"), usd("-1")));
    assert_eq!(sums.available(), sums.equity - usd("20"));
    desk.on.set_leverage(BTC, Rate::from_raw(5 * UNIT)).unwrap();
    assert_eq!(desk.on.sums().position_im, usd("40"));
    desk.create(limit(Side::Buy, "99", "1")).unwrap();
    assert_eq!(desk.on.sums().order_im, usd("19.8"));
}

#[test]
fn auto_deleveraging_takes_a_part_at_the_mark_and_ends_orders_first() {
    let mut desk = Desk::open();
    desk.book(&[("100", "9")], &[("100.5", "9")]);
    desk.create(market(Side::Buy, "5")).unwrap();
    let resting = desk.create(limit(Side::Buy, "98", "1")).unwrap();
    desk.mark("103");
    desk.on.take_news();
    desk.on.deleverage(ONE_WAY, qty("2"));
    assert_eq!(desk.size(), (Some(Side::Buy), qty("3")));
    assert_eq!(desk.order(&resting).cancel_type, "CancelAllBeforeAdl");
    let last = desk.on.executions.back().unwrap();
    assert_eq!((last.kind, last.create_type, last.link.as_str()), (ExecKind::Adl, "CreateByAdl_PassThrough", ""));
    assert_eq!((last.price, last.qty, last.pnl), (price("103"), qty("2"), usd("5")));
    assert!(desk.on.markets[0].liquidations.is_empty(), "it is no liquidation");
    assert!(desk.on.take_news().iter().any(|n| matches!(n, News::Position(p) if p.status == "Adl")));
    desk.on.deleverage(ONE_WAY, qty("9"));
    assert_eq!(desk.size(), (None, Qty::ZERO), "never more than there is");
}

#[test]
fn an_account_that_cannot_carry_its_position_is_liquidated() {
    let mut desk = Desk::open();
    desk.book(&[("100", "900")], &[("100.5", "900")]);
    desk.create(market(Side::Buy, "900")).unwrap();
    let resting = desk.create(limit(Side::Buy, "98", "1")).unwrap();
    desk.on.take_news();
    let estimate = desk.on.liquidation_price(&desk.on.account.position(ONE_WAY)).unwrap();
    assert!(price("88") < estimate && estimate < price("91"), "{estimate}");
    desk.mark("91");
    desk.on.advance(desk.now);
    assert_eq!(desk.size().1, qty("900"));
    desk.mark("88");
    desk.on.advance(desk.now);
    assert_eq!(desk.size(), (None, Qty::ZERO));
    assert_eq!(desk.order(&resting).cancel_type, "CancelAllBeforeLiq");
    let last = desk.on.executions.back().unwrap();
    assert_eq!((last.kind, last.create_type, last.link.as_str()), (ExecKind::Bust, "CreateByLiq", ""));
    assert_eq!(desk.on.markets[0].liquidations.len(), 1);
    assert_eq!(desk.on.account.balance, Money::ZERO, "what it could not pay is not its debt");
    let told = desk.on.take_news();
    assert!(told.iter().any(|n| matches!(n, News::Position(p) if p.status == "Liq")));
}

#[test]
fn somebody_else_may_trade_on_the_account() {
    let mut desk = Desk::open();
    let id = desk.on.foreign_order(ONE_WAY, Side::Buy, qty("1")).unwrap();
    assert_eq!(desk.order(&OrderName { id, link: String::new() }).status, Status::Filled);
    desk.on.close_foreign(ONE_WAY, "CreateByClosing");
    assert_eq!(desk.size().0, None);
    assert_eq!(desk.on.executions.back().unwrap().create_type, "CreateByClosing");
}
