//! An id of ours is not enough: what is adopted is the order that was sent.

use super::*;
use crate::engine::event::Fault;

/// An order of ours under way, sent at `T` by a clock that the venue's is five seconds ahead of.
fn sent(order: NewOrder) -> Desk {
    let mut desk = desk();
    desk.measured(Span::from_secs(5));
    let link = link(order.seq.0);
    desk.submit(T, order, &link);
    desk.on_created(T, OrderSeq(1), Answer::Unclear("an order with this id is known already".into()));
    desk.take_requests();
    desk.take_events();
    desk
}

/// How often it was told that somebody else trades under our id.
fn trips(events: &[Event]) -> usize {
    let tripped =
        |event: &&Event| matches!(event, Event::Fault(Fault::Internal(why)) if why.contains("is another one"));
    events.iter().filter(tripped).count()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// Rows under our id that are not our order, which is a buy of 3 at 100.
fn others() -> Vec<(&'static str, OrderRow)> {
    let theirs = || OrderRow { order_id: "theirs".into(), ..row(1, 3, OrderStatus::New, 0) };
    vec![
        ("symbol", OrderRow { symbol: "ETHUSDT".into(), ..theirs() }),
        ("side", OrderRow { side: Side::Sell, ..theirs() }),
        ("more", OrderRow { qty: qty(4), ..theirs() }),
        ("less", OrderRow { qty: qty(2), ..theirs() }),
        ("a worse price", OrderRow { price: Some(price("100.1")), ..theirs() }),
        ("before our intent", OrderRow { created_ms: Some(after(-5_001).as_ms()), ..theirs() }),
    ]
}

#[test]
fn another_order_under_our_id_leaves_ours_unknown_trips_and_is_not_ours() {
    for (what, other) in others() {
        let mut desk = sent(intent(1, 3));
        for status in [OrderStatus::New, OrderStatus::Filled] {
            let found = OrderRow { status, filled: qty(3), ..other.clone() };
            let traded = ExecutionRow { order_id: "theirs".into(), ..execution(Some(1), "x", 3, ExecKind::Trade) };
            desk.on_looked_up(after(400), OrderSeq(1), &[traded], &Found::Row(Box::new(found.clone())));
            desk.on_order(after(500), &found);
        }
        let events = desk.take_events();
        assert_eq!(trips(&events), 1, "{what}: {events:?}");
        let uncertain =
            |event: &&Event| matches!(event, Event::Order(update) if matches!(update.what, OrderNews::Contested(_)));
        assert_eq!(events.iter().filter(uncertain).count(), 1, "{what}: {events:?}");
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Order(_))).count(), 1, "{what}: nothing else");
        let foreign = |event: &&Event| matches!(event, Event::Account(AccountUpdate::Foreign { .. }));
        assert_eq!(events.iter().filter(foreign).count(), 1, "{what}: its execution is somebody else's: {events:?}");
        // Its end says nothing of ours, which is asked for on and on.
        assert!(!desk.is_over(OrderSeq(1)) && desk.next_due().is_some(), "{what}");
        // In lists it is an order of others.
        let reading = reading(&desk, after(600), vec![], vec![OrderRow { symbol: "BTCUSDT".into(), ..other }]);
        desk.state(&reading);
        let told = desk.take_events();
        let said = told.iter().find_map(|event| match event {
            Event::Account(AccountUpdate::Statement(statement)) => Some(statement.working.len()),
            _ => None,
        });
        assert_eq!(said, Some(0), "{what}");
        assert!(
            told.iter().any(|event| matches!(event, Event::Account(AccountUpdate::Strangers(all)) if all.len() == 1))
        );
        // The real one turns up all the same.
        desk.on_order(after(700), &row(1, 3, OrderStatus::New, 0));
        assert_eq!(news(&mut desk), [OrderNews::Accepted], "{what}");
    }
}

#[test]
fn an_execution_alone_that_cannot_be_ours_is_not_ours() {
    let of = |row: ExecutionRow| ExecutionRow { order_id: "theirs".into(), ..row };
    let ours = || execution(Some(1), "x", 3, ExecKind::Trade);
    for row in [
        ExecutionRow { side: Side::Sell, ..ours() },
        ExecutionRow { order_qty: Some(qty(9)), ..ours() },
        ExecutionRow { time_ms: after(-60_000).as_ms(), ..ours() },
    ] {
        let mut desk = sent(intent(1, 3));
        desk.on_execution(T, &of(row));
        let events = desk.take_events();
        assert_eq!(trips(&events), 1, "{events:?}");
        assert!(
            events.iter().any(|event| matches!(event, Event::Account(AccountUpdate::Foreign { .. }))),
            "{events:?}"
        );
        assert!(!desk.is_over(OrderSeq(1)));
    }
}

#[test]
fn only_what_can_only_reduce_may_have_been_cut() {
    let mut desk = sent(NewOrder { reduce_only: true, purpose: Purpose::Close, ..intent(1, 3) });
    let smaller = OrderRow { order_id: "theirs".into(), qty: qty(2), ..row(1, 3, OrderStatus::New, 0) };
    desk.on_order(after(100), &smaller);
    assert_eq!(trips(&desk.take_events()), 1);
}

#[test]
fn what_the_venue_may_change_of_our_order_leaves_it_ours() {
    let open = |row: OrderRow| OrderRow { order_id: "o1".into(), ..row };
    let whole = || row(1, 3, OrderStatus::New, 0);
    let closing = NewOrder { reduce_only: true, purpose: Purpose::Close, ..intent(1, 3) };
    let market = NewOrder { tif: Tif::CloseAtMarket, qty: Qty::ZERO, ..closing };
    for (what, order, row) in [
        ("the same", intent(1, 3), whole()),
        ("moved to the edge of the band", intent(1, 3), OrderRow { price: Some(price("99")), ..whole() }),
        ("cut to what is open", closing, OrderRow { qty: qty(2), reduce_only: true, ..whole() }),
        ("sized and priced by the venue", market, OrderRow { qty: qty(9), price: Some(price("120")), ..whole() }),
        ("a short row", intent(1, 3), OrderRow { price: None, qty: Qty::ZERO, ..whole() }),
        ("made by the venue's clock", intent(1, 3), OrderRow { created_ms: Some(after(5_001).as_ms()), ..whole() }),
        (
            "by a clock that is a little wrong",
            intent(1, 3),
            OrderRow { created_ms: Some(after(-4_900).as_ms()), ..whole() },
        ),
    ] {
        let mut desk = sent(order);
        desk.on_order(after(100), &open(row.clone()));
        // Changed by hand later: it was told apart by then.
        desk.on_order(after(200), &open(OrderRow { qty: qty(1), price: Some(price("150")), ..row }));
        let events = desk.take_events();
        assert_eq!(trips(&events), 0, "{what}: {events:?}");
        let accepted = |event: &Event| matches!(event, Event::Order(update) if update.what == OrderNews::Accepted);
        assert!(events.iter().any(accepted), "{what}: {events:?}");
    }
}

#[test]
fn an_order_that_an_earlier_run_saw_may_have_been_changed_by_hand_since() {
    let changed = OrderRow { qty: qty(2), price: Some(price("120")), ..row(1, 3, OrderStatus::New, 0) };
    for (seen, tripped) in [(true, 0), (false, 1)] {
        let mut desk = desk();
        desk.restore(&[EarlierOrder { order: intent(1, 3), link_id: link(1), seen, filled: Qty::ZERO, execs: vec![] }]);
        desk.on_looked_up(after(90_000), OrderSeq(1), &[], &Found::Row(Box::new(changed.clone())));
        assert_eq!(trips(&desk.take_events()), tripped, "seen: {seen}");
    }
}

#[test]
fn a_second_order_under_an_id_that_is_taken_is_another() {
    let mut desk = sent(intent(1, 3));
    desk.on_order(T, &row(1, 3, OrderStatus::New, 0));
    desk.on_order(T, &OrderRow { order_id: "twin".into(), ..row(1, 3, OrderStatus::Cancelled, 0) });
    let events = desk.take_events();
    assert!(trips(&events) == 1 && !desk.is_over(OrderSeq(1)), "{events:?}");
    assert_eq!(events.len(), 2, "ours stays what it was: {events:?}");
}

/// Another order under the id of ours, made so long before ours was sent.
fn there_before(ms: i64) -> OrderRow {
    OrderRow {
        order_id: "theirs".into(),
        side: Side::Sell,
        created_ms: Some(after(5_000 - ms).as_ms()),
        ..row(1, 3, OrderStatus::New, 0)
    }
}

#[test]
fn a_duplicate_of_an_order_that_was_there_before_ours_was_never_ours_whichever_is_heard_first() {
    let duplicate = || Answer::Duplicate("an order with this id is known already".into());
    for answer_first in [true, false] {
        let mut desk = desk();
        desk.measured(Span::from_secs(5));
        desk.submit(T, intent(1, 3), &link(1));
        if answer_first {
            desk.on_created(after(50), OrderSeq(1), duplicate());
        }
        desk.on_order(after(400), &there_before(60_000));
        if !answer_first {
            desk.on_created(after(500), OrderSeq(1), duplicate());
        }
        let events = desk.take_events();
        let never = |event: &Event| matches!(event, Event::Order(update) if matches!(&update.what, OrderNews::Rejected(why) if why.contains("never ours") && why.contains("order theirs")));
        assert!(events.iter().any(never), "{events:?}");
        assert!(desk.is_over(OrderSeq(1)) && trips(&events) == 1);
        desk.cancel(OrderSeq(1));
        let cancels = |request: &Request| matches!(request, Request::Cancel { .. } | Request::CancelById { .. });
        assert!(!desk.take_requests().iter().any(cancels), "the other order is not ours to cancel");
    }
}

#[test]
fn one_of_the_two_alone_proves_nothing() {
    // A duplicate of an order that may have been made after ours; and an old order, where ours had another answer.
    let unclear = Answer::Unclear("no answer".into());
    for (answer, ms) in [(Answer::Duplicate("known already".into()), 9_000), (unclear, 60_000)] {
        let mut desk = desk();
        desk.measured(Span::from_secs(5));
        desk.submit(T, intent(1, 3), &link(1));
        desk.on_created(after(50), OrderSeq(1), answer.clone());
        desk.on_order(after(400), &there_before(ms));
        assert!(!desk.is_over(OrderSeq(1)), "{answer:?}");
        desk.take_events();
        desk.cancel(OrderSeq(1));
        let said = news(&mut desk);
        assert!(
            matches!(&said[..], [OrderNews::CancelRejected(why)] if why.contains("not ours to cancel")),
            "{said:?}"
        );
        // A person has looked.
        desk.settle_by_hand(after(90_000), OrderSeq(1));
        let said = news(&mut desk);
        assert!(
            matches!(&said[..], [OrderNews::Rejected(why)] if why.contains("settled by hand: order theirs")),
            "{said:?}"
        );
        desk.take_requests();
        // It was there after all: what it trades is booked, and what works of it ends.
        desk.on_order(after(91_000), &row(1, 3, OrderStatus::New, 0));
        desk.on_execution(after(91_000), &execution(Some(1), "late", 1, ExecKind::Trade));
        assert!(matches!(news(&mut desk).last(), Some(OrderNews::Filled(_))));
        assert!(desk.take_requests().iter().any(|request| matches!(request, Request::Cancel { .. })));
    }
}

#[test]
fn what_the_exchange_shows_is_not_settled_by_hand() {
    let mut desk = sent(intent(1, 3));
    desk.settle_by_hand(after(60_000), OrderSeq(1));
    assert!(!desk.is_over(OrderSeq(1)), "nobody else has its id");
    desk.on_order(after(100), &there_before(60_000));
    desk.on_order(after(200), &row(1, 3, OrderStatus::New, 0));
    desk.settle_by_hand(after(60_000), OrderSeq(1));
    assert!(!desk.is_over(OrderSeq(1)), "it works");
}
