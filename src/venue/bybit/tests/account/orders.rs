//! Orders that go out: once, together, or not at all; and what earlier runs left.

use super::*;

#[test]
fn an_order_lives_and_ends_as_the_exchange_says() {
    for transport in [Transport::Rest, Transport::Socket] {
        let rig = Rig::new();
        let mut talk = Talk::open(&rig, transport);
        let bought = talk.buy(&rig, ONE_LOT);
        talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
        let rests = talk.rest(&rig, ONE_LOT);
        talk.until("it rests", |talk| talk.has(rests, |n| *n == OrderNews::Accepted));
        let statement = talk.statement();
        assert_eq!(statement.working, [rests]);
        assert_eq!(statement.positions, [(Symbol(0), Qty::parse(ONE_LOT).unwrap().raw())]);
        talk.venue.cancel(wall(), rests);
        talk.until("its end", |talk| {
            talk.has(rests, |n| matches!(n, OrderNews::Cancelled(why) if why.contains("request")))
        });
        let crossing = touch(&rig, "asks", 102);
        let would_take = talk.order(Side::Buy, ONE_LOT, &crossing, TimeInForce::PostOnly, false);
        talk.until("post-only", |talk| {
            talk.has(would_take, |n| matches!(n, OrderNews::Cancelled(why) if why.contains("post-only")))
        });
        let low = touch(&rig, "bids", 98);
        let sold = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
        talk.until("flat", |talk| talk.filled(sold) == Qty::parse(ONE_LOT).unwrap());
        let statement = talk.statement();
        assert_eq!((statement.positions, statement.working), (vec![], vec![]));
        talk.assert_fills_once();
        assert_eq!(rig.creates(), 4);
    }
}

#[test]
fn what_an_earlier_run_left_is_cancelled_and_what_others_left_is_counted() {
    let rig = Rig::new();
    let rest = client(&rig);
    let price = Price::parse(&touch(&rig, "bids", 95)).unwrap();
    let place = |link: &str| Placement {
        symbol: "BTCUSDT".into(),
        link_id: link.into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price,
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
        protection: Protection::default(),
    };
    for link in ["tt-earlierrun-000001", "somebody-else"] {
        rig.runtime.block_on(rest.create(&place(link), &leave())).unwrap();
    }
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 } }));
    let talk = Talk::open(&rig, Transport::Rest);
    assert!(talk.told("1 resting order(s) of an earlier run"), "{:?}", talk.events);
    let opening = talk.events.iter().find_map(|e| match e {
        Event::Account(AccountUpdate::Opening(opening)) => Some(opening.clone()),
        _ => None,
    });
    let opening = opening.unwrap();
    assert_eq!(opening.foreign_orders, 1);
    assert_eq!(opening.holdings.len(), 1);
    assert_eq!(opening.holdings[0].signed, Qty::parse("0.02").unwrap().raw());
    let open = rig.runtime.block_on(rest.open_orders()).unwrap();
    assert_eq!(open.good.iter().filter_map(|row| row.link_id.as_deref()).collect::<Vec<_>>(), ["somebody-else"]);
}

/// A kill or disarm cancels what is still on its way to the wire: it never gets there, on either transport.
#[test]
fn what_is_cancelled_before_it_is_written_never_leaves() {
    for transport in [Transport::Rest, Transport::Socket] {
        let rig = Rig::new();
        let mut talk = Talk::open(&rig, transport);
        let before = rig.creates();
        let next = OrderSeq(talk.next + 1);
        talk.venue.cancel(wall(), next);
        let order = talk.buy(&rig, ONE_LOT);
        assert_eq!(order, next);
        talk.until("the end of the order", |talk| talk.has(order, |news| matches!(news, OrderNews::Unsent(_))));
        let other = talk.buy(&rig, ONE_LOT);
        talk.until("the other order", |talk| !talk.filled(other).is_zero());
        assert_eq!((rig.creates() - before, talk.filled(order)), (1, Qty::ZERO));
    }
}

#[test]
fn an_order_that_comes_before_the_account_is_known_never_leaves() {
    let rig = Rig::new();
    // Known before: reading the account must not be given the time.
    let (low, high) = (touch(&rig, "bids", 98), touch(&rig, "asks", 102));
    let mut talk = Talk::new(rig.venue(Transport::Rest));
    let reduces = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    let opens = talk.order(Side::Buy, ONE_LOT, &high, TimeInForce::ImmediateOrCancel, false);
    talk.until("the account", |talk| talk.events.iter().any(is_lift));
    for order in [reduces, opens] {
        let news = talk.news(order);
        assert!(matches!(&news[..], [OrderNews::Unsent(why)] if why.contains("not been read yet")), "{news:?}");
    }
    assert_eq!(rig.creates(), 0);
}

#[test]
fn a_batch_is_answered_item_by_item_and_a_lost_answer_leaves_every_item_in_doubt() {
    let rig = Rig::new();
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.05", "positionIdx": 0 } }));
    let rest = client(&rig);
    let sell = |seq: u64, symbol: &str, price: &str| Placement {
        symbol: symbol.into(),
        link_id: format!("tt-x-{seq:06}"),
        side: Side::Sell,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(price).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: true,
        protection: Protection::default(),
    };
    let high = touch(&rig, "asks", 102);
    let withdrawn = Withdrawn::default();
    withdrawn.withdraw(OrderSeq(3));
    let batch = |orders: [Placement; 3]| {
        let with_leave =
            (1..).zip(orders).map(|(seq, order)| (order, Leave::new(&withdrawn, OrderSeq(seq), pass(true))));
        rig.runtime.block_on(rest.create_batch(&with_leave.collect::<Vec<_>>()))
    };
    let orders = [sell(1, "BTCUSDT", &high), sell(2, "ETHUSDT", "3000"), sell(3, "BTCUSDT", &high)];
    let links: Vec<_> = orders.iter().map(|order| (order.symbol.clone(), order.link_id.clone())).collect();
    let answers = batch(orders);
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(RestError::Refused { code: 110_017, .. })), "{answers:?}");
    assert!(matches!(answers[2], Err(RestError::Unsent(_))), "withdrawn while it waited: {answers:?}");
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good.len(), 1);
    let answers = rig.runtime.block_on(rest.cancel_batch(&links));
    assert!(answers[0].is_ok() && answers[1].is_err(), "{answers:?}");
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good, []);
    // Executed, and the answer is lost: nobody knows of any of them.
    rig.faults(&json!({ "lose_acks": 1 }));
    let answers = batch([sell(4, "BTCUSDT", &high), sell(5, "BTCUSDT", &high), sell(6, "BTCUSDT", &high)]);
    let unclear = |answer: &Result<_, RestError>| matches!(answer, Err(RestError::Ambiguous(_)));
    assert!(unclear(&answers[0]) && unclear(&answers[1]) && !unclear(&answers[2]), "{answers:?}");
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good.len(), 2);
}

#[test]
fn what_closes_together_leaves_together() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, "0.05");
    talk.until("the position", |talk| talk.filled(bought) == Qty::parse("0.05").unwrap());
    let low = touch(&rig, "bids", 98);
    let sold: Vec<OrderSeq> =
        (0..5).map(|_| talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true)).collect();
    talk.until("flat", |talk| sold.iter().all(|order| talk.filled(*order) == Qty::parse(ONE_LOT).unwrap()));
    talk.assert_fills_once();
    assert_eq!(rig.truth("orders").len(), 6, "each was sent once");
}

#[test]
fn an_order_of_an_earlier_run_that_turns_up_late_is_cancelled() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let rest = client(&rig);
    let late = Placement {
        symbol: "BTCUSDT".into(),
        link_id: "tt-earlierrun-000009".into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(&touch(&rig, "bids", 95)).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
        protection: Protection::default(),
    };
    rig.runtime.block_on(rest.create(&late, &leave())).unwrap();
    talk.statement();
    talk.until("the news of it", |talk| talk.told("an earlier run turned up"));
    wait("its end", || rig.runtime.block_on(rest.open_orders()).unwrap().good.is_empty().then_some(()));
}

#[test]
fn an_engine_that_trades_beside_us_is_noticed() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let rest = client(&rig);
    let noticed = |talk: &Talk| {
        let another =
            |event: &Event| matches!(event, Event::Fault(Fault::Internal(why)) if why.contains("another engine"));
        talk.events.iter().filter(|event| another(event)).count()
    };
    // Its orders come all the time; those of the first moments may have been on their way.
    let mut number = 0;
    let mut trade_until = |talk: &mut Talk, times: usize| {
        while noticed(talk) < times {
            number += 1;
            let theirs = Placement {
                symbol: "BTCUSDT".into(),
                link_id: format!("tt-anotherrun-{number:06}"),
                side: Side::Buy,
                qty: Qty::parse(ONE_LOT).unwrap(),
                price: Price::parse(&touch(&rig, "asks", 102)).unwrap(),
                tif: TimeInForce::ImmediateOrCancel,
                reduce_only: false,
                protection: Protection::default(),
            };
            // The budget may have no room: the next one will.
            rig.runtime.block_on(rest.create(&theirs, &leave())).ok();
            talk.statement();
        }
    };
    trade_until(&mut talk, 1);
    talk.statement();
    // After a reset it goes on: every newer order of theirs is told.
    let told = noticed(&talk);
    trade_until(&mut talk, told + 1);
}

#[test]
fn a_cancel_that_the_trade_socket_does_not_take_goes_by_rest() {
    let rig = Rig::new();
    let rest = client(&rig);
    let resting = Placement {
        symbol: "BTCUSDT".into(),
        link_id: "tt-x-000001".into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(&touch(&rig, "bids", 95)).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
        protection: Protection::default(),
    };
    rig.runtime.block_on(rest.create(&resting, &leave())).unwrap();
    let (trade, _asked) = TradeSocket::stuck(rest.clone());
    rig.runtime.block_on(cancel(&rest, Some(trade), "BTCUSDT", &resting.link_id)).unwrap();
    assert_eq!(rig.runtime.block_on(rest.open_orders()).unwrap().good, []);
}

/// A close may wait for room in a budget, and be withdrawn meanwhile.
#[test]
fn what_is_cancelled_while_it_waits_for_room_never_leaves() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the position", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    let full = wall() + Span::from_secs(2);
    rig.limits.lock().unwrap().exhausted(wall(), Budget::Create, Some(full));
    let low = touch(&rig, "bids", 98);
    let sold = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    talk.venue.cancel(wall(), sold);
    talk.until("its end", |talk| talk.has(sold, |n| matches!(n, OrderNews::Unsent(why) if why.contains("cancelled"))));
    assert_eq!(rig.creates(), 1, "only the first order ever arrived");
}
