//! One order, from its request to its end.

use super::*;

#[test]
fn one_create_and_no_other() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.submit(T, intent(1, 3), &link(1));
    let requests = desk.take_requests();
    assert!(matches!(&requests[..], [Request::Create { order: OrderSeq(1), .. }]), "{requests:?}");
    desk.on_created(T, OrderSeq(1), Answer::Unclear("no answer".into()));
    desk.tick(after(300));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
    assert_eq!(news(&mut desk), [OrderNews::Uncertain("no answer".into())]);
}

#[test]
fn an_end_waits_for_its_fills() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_order(T, &row(1, 3, OrderStatus::Cancelled, 2));
    desk.on_execution(T, &execution(Some(1), "a", 1, ExecKind::Trade));
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Filled(_)]));
    // A second is over and one is missing: it is asked for.
    desk.take_requests();
    desk.tick(after(1_000));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
    let both = [execution(Some(1), "a", 1, ExecKind::Trade), execution(Some(1), "b", 1, ExecKind::Trade)];
    desk.on_looked_up(after(1_100), OrderSeq(1), &both, &Found::Unknown);
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Filled(_), OrderNews::Cancelled(_)]));
    assert!(desk.is_over(OrderSeq(1)));
}

#[test]
fn nothing_found_is_a_verdict_only_after_a_minute_of_it() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_created(T, OrderSeq(1), Answer::Unclear("timeout".into()));
    news(&mut desk);
    desk.take_requests();
    let mut now = T;
    let mut looks = 0;
    while let Some(due) = desk.next_due() {
        now = due;
        desk.tick(now);
        assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
        looks += 1;
        desk.on_looked_up(now, OrderSeq(1), &[], &Found::Nothing);
    }
    assert!(now.since(T) >= Span::from_secs(60) && looks >= 6, "{looks} looks in {}", now.since(T));
    let told = news(&mut desk);
    assert!(matches!(&told[..], [OrderNews::Rejected(why)] if why.starts_with("never accepted")), "{told:?}");
    // One more cancel, and should it live after all it is cancelled again, and its fills are money.
    assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
    desk.on_cancelled(now, OrderSeq(1), Answer::Unclear("no such order".into()));
    desk.on_order(now, &row(1, 3, OrderStatus::New, 0));
    assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
    desk.on_execution(now, &execution(Some(1), "late", 1, ExecKind::Trade));
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Filled(_)]));
}

#[test]
fn a_failed_look_up_is_no_verdict() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_created(T, OrderSeq(1), Answer::Unclear("timeout".into()));
    desk.tick(after(90_000));
    desk.on_looked_up(after(90_000), OrderSeq(1), &[], &Found::Unknown);
    assert!(!desk.is_over(OrderSeq(1)));
    assert!(desk.next_due().is_some());
}

#[test]
fn a_cancel_that_overtakes_its_order_is_repeated() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.cancel(OrderSeq(1));
    desk.cancel(OrderSeq(1));
    assert_eq!(desk.take_requests().len(), 2, "one create, one cancel");
    desk.on_cancelled(T, OrderSeq(1), Answer::Unclear("no such order".into()));
    desk.on_order(T, &row(1, 3, OrderStatus::New, 0));
    assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
    desk.on_cancelled(T, OrderSeq(1), Answer::Accepted);
    desk.on_order(T, &row(1, 3, OrderStatus::Cancelled, 0));
    let told = news(&mut desk);
    assert!(matches!(&told[..], [OrderNews::Accepted, OrderNews::Cancelled(_)]), "{told:?}");
    desk.cancel(OrderSeq(1));
    assert_eq!(desk.take_requests(), []);
}

#[test]
fn a_late_cancel_is_answered_by_reading_the_order() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    desk.on_order(T, &row(1, 1, OrderStatus::New, 0));
    desk.cancel(OrderSeq(1));
    desk.take_requests();
    desk.on_cancelled(T, OrderSeq(1), Answer::Unclear("no such order, or too late".into()));
    desk.tick(after(300));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
    let fill = [execution(Some(1), "a", 1, ExecKind::Trade)];
    let filled = Found::Row(Box::new(row(1, 1, OrderStatus::Filled, 1)));
    desk.on_looked_up(after(400), OrderSeq(1), &fill, &filled);
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Accepted, OrderNews::Filled(_)]));
    assert!(desk.is_over(OrderSeq(1)));
}

#[test]
fn a_push_that_overtakes_a_refusal_knows_better() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    desk.on_order(T, &row(1, 1, OrderStatus::New, 0));
    desk.on_created(T, OrderSeq(1), Answer::Refused("no".into()));
    assert_eq!(news(&mut desk), [OrderNews::Accepted]);
    assert!(desk.next_due().is_some());
}

#[test]
fn a_price_that_the_exchange_moved_is_told() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    let moved = OrderRow { price: Some(Price::parse("99.5").unwrap()), ..row(1, 1, OrderStatus::New, 0) };
    desk.on_order(T, &moved);
    desk.on_order(T, &moved);
    let told: Vec<Event> = desk.take_events().into_iter().filter(|event| matches!(event, Event::Told(_))).collect();
    assert!(matches!(&told[..], [Event::Told(text)] if text.contains("from 100 to 99.5")), "{told:?}");
}

#[test]
fn a_create_without_any_answer_is_asked_for() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    desk.take_requests();
    desk.tick(after(11_000));
    assert_eq!(desk.take_requests(), []);
    desk.tick(after(12_000));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
}

#[test]
fn an_order_told_as_never_there_does_not_live() {
    for answer in [Answer::Refused("no".into()), Answer::Unsent("no room".into())] {
        let mut desk = desk();
        desk.submit(T, intent(1, 1), &link(1));
        desk.on_created(T, OrderSeq(1), answer);
        desk.take_requests();
        desk.take_events();
        desk.on_order(after(1), &row(1, 1, OrderStatus::New, 0));
        assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
        let told = desk.take_events();
        assert!(matches!(&told[..], [Event::Told(text)] if text.contains("after all")), "{told:?}");
    }
}

fn earlier(seq: u64, units: i64) -> EarlierOrder {
    let (order, link_id) = (intent(seq, units), format!("tt-old-{seq}"));
    EarlierOrder { order, link_id, seen: false, filled: Qty::ZERO, execs: Vec::new() }
}

#[test]
fn an_execution_told_under_two_ids_is_booked_once_and_two_alike_are_two() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_execution(T, &execution(Some(1), "a", 1, ExecKind::Trade));
    desk.on_execution(T, &execution(Some(1), "b", 1, ExecKind::Trade));
    assert_eq!(news(&mut desk).len(), 1, "alike: nobody knows yet");
    let both = [execution(Some(1), "a", 1, ExecKind::Trade), execution(Some(1), "b", 1, ExecKind::Trade)];
    let partly = row(1, 3, OrderStatus::PartiallyFilled, 2);
    desk.on_looked_up(T, OrderSeq(1), &both, &Found::Row(Box::new(partly)));
    let told = news(&mut desk);
    assert!(
        matches!(&told[..], [OrderNews::Filled(fill), ..] if fill.exec_id == "b"),
        "the exchange lists two: {told:?}"
    );
    desk.on_execution(T, &execution(Some(1), "c", 1, ExecKind::Trade));
    desk.on_order(T, &row(1, 3, OrderStatus::Cancelled, 2));
    let events = desk.take_events();
    assert!(
        matches!(&events[..], [Event::Order(_), Event::Told(text)] if text.contains("execution c"))
            || matches!(&events[..], [Event::Told(text), Event::Order(_)] if text.contains("execution c")),
        "{events:?}"
    );
    let mut desk = self::desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_execution(T, &execution(Some(1), "a", 2, ExecKind::Trade));
    desk.on_execution(T, &execution(Some(1), "b", 2, ExecKind::Trade));
    let events = desk.take_events();
    assert!(matches!(&events[..], [Event::Order(_), Event::Told(text)] if text.contains("repeats")), "{events:?}");
}

#[test]
fn an_order_of_an_earlier_run_is_settled_before_the_account_is_compared() {
    let mut desk = desk();
    let booked = EarlierOrder { filled: qty(1), execs: vec!["a".into()], seen: true, ..earlier(1, 3) };
    desk.restore(&[booked, earlier(2, 3), earlier(3, 3)]);
    assert!(desk.take_requests().is_empty(), "nothing of them is sent");
    let of = |seq: u64, row: ExecutionRow| ExecutionRow {
        link_id: Some(format!("tt-old-{seq}")),
        order_id: format!("o{seq}"),
        ..row
    };
    let executions =
        vec![of(1, execution(None, "a", 1, ExecKind::Trade)), of(1, execution(None, "b", 2, ExecKind::Trade))];
    let filled = OrderRow { link_id: Some("tt-old-1".into()), ..row(1, 3, OrderStatus::Filled, 3) };
    let looked = |order, executions, found| Settled { order: OrderSeq(order), executions, found };
    let settled = [
        looked(1, executions, Found::Row(Box::new(filled))),
        looked(2, vec![], Found::Nothing),
        looked(3, vec![], Found::Nothing),
    ];
    // The third traded while the account was read.
    let mut opening = reading(&desk, T, vec![position(0, Some(Side::Buy), 5)], vec![]);
    opening.executions =
        Some(vec![of(1, execution(None, "b", 2, ExecKind::Trade)), of(3, execution(None, "c", 3, ExecKind::Trade))]);
    desk.open(after(1_000), &opening, &settled);
    let told: Vec<String> = desk
        .take_events()
        .iter()
        .filter_map(|event| match event {
            Event::Order(update) => match &update.what {
                OrderNews::Filled(fill) => Some(format!("{} filled {}", update.order.0, fill.exec_id)),
                other => Some(format!("{} {other:?}", update.order.0)),
            },
            Event::Account(AccountUpdate::Opening(_)) => Some("opening".into()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["1 filled b", "3 filled c", "opening"]);
    assert!(desk.is_over(OrderSeq(1)) && desk.is_over(OrderSeq(3)));
    assert!(!desk.is_over(OrderSeq(2)), "an order that may be on its way is no refusal yet");
    desk.tick(after(2_000));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { order: OrderSeq(2), .. }]));
    desk.on_looked_up(after(61_000), OrderSeq(2), &[], &Found::Nothing);
    assert_eq!(news(&mut desk), [], "a minute between two rounds is no minute of asking");
    for round in 1..=3 {
        desk.on_looked_up(after(61_000 + round * 15_000), OrderSeq(2), &[], &Found::Nothing);
    }
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Rejected(why)] if why.starts_with("never accepted")));
}

/// A lid that was closed for an hour, an account that was out of reach, a run that starts a day later: what is old was not
/// asked for.
#[test]
fn nothing_found_after_an_absence_begins_anew() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_created(T, OrderSeq(1), Answer::Unclear("timeout".into()));
    let hour = 3_600_000;
    for ms in [300, 1_300, 3_300, hour, hour + 1_000, hour + 3_000] {
        desk.on_looked_up(after(ms), OrderSeq(1), &[], &Found::Nothing);
        assert!(!desk.is_over(OrderSeq(1)), "{ms} ms");
    }
    for round in 0..3 {
        desk.on_looked_up(after(hour + 8_000 + round * 12_000), OrderSeq(1), &[], &Found::Nothing);
    }
    assert!(!desk.is_over(OrderSeq(1)), "nearly a minute");
    desk.look_at_all(after(hour + 50_000));
    for round in 0..6 {
        desk.on_looked_up(after(hour + 51_000 + round * 10_000), OrderSeq(1), &[], &Found::Nothing);
        assert!(!desk.is_over(OrderSeq(1)), "reconnected: it begins anew");
    }
    desk.on_order(after(hour + 104_000), &row(1, 3, OrderStatus::New, 0));
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Uncertain(_), OrderNews::Accepted]));
}
