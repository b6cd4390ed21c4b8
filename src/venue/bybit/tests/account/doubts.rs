//! Answers and pushes that are lost, late, repeated or refused for a moment.

use super::*;

#[test]
fn a_lost_answer_is_settled_by_asking_and_nothing_is_sent_twice() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    // Executed, but neither the answer nor any push arrives.
    rig.faults(&json!({ "lose_acks": 1, "skip_pushes": 20 }));
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the doubt", |talk| talk.has(bought, |n| matches!(n, OrderNews::Uncertain(_))));
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    assert_eq!((rig.creates(), rig.truth("orders").len()), (1, 1));
    // A gateway's page instead of an answer is no answer either, and a code that says neither yes nor no.
    rig.faults(&json!({ "skip_pushes": 0, "fail_after": 1 }));
    let second = talk.buy(&rig, ONE_LOT);
    talk.until("the second fill", |talk| talk.filled(second) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "fake_codes": 1, "fake_code": 10016, "fake_after": true }));
    let third = talk.buy(&rig, ONE_LOT);
    talk.until("the third fill", |talk| talk.filled(third) == Qty::parse(ONE_LOT).unwrap());
    assert_eq!((rig.creates(), rig.truth("orders").len()), (3, 3));
    talk.assert_fills_once();
}

#[test]
fn a_request_that_never_arrived_stays_in_doubt_and_is_not_repeated() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "lose_requests": 1 }));
    let lost = talk.buy(&rig, ONE_LOT);
    talk.until("the doubt", |talk| talk.has(lost, |n| matches!(n, OrderNews::Uncertain(_))));
    let next = talk.buy(&rig, ONE_LOT);
    talk.until("another order", |talk| talk.filled(next) == Qty::parse(ONE_LOT).unwrap());
    let statement = talk.statement();
    assert_eq!(statement.positions, [(Symbol(0), Qty::parse(ONE_LOT).unwrap().raw())]);
    assert!(!talk.has(lost, |n| matches!(n, OrderNews::Rejected(_) | OrderNews::Filled(_))));
    assert_eq!(rig.truth("orders").len(), 1);
}

#[test]
fn lost_repeated_and_late_pushes_end_in_the_same_books() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    // Answered, but none of its pushes comes.
    rig.faults(&json!({ "skip_pushes": 20 }));
    let silent = talk.buy(&rig, ONE_LOT);
    talk.until("the fill without a push", |talk| talk.filled(silent) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "skip_pushes": 0, "repeat_pushes": 20, "double_filled": 1, "ack_delay_ms": 300 }));
    let twice = talk.buy(&rig, ONE_LOT);
    talk.until("the fill told twice", |talk| talk.filled(twice) == Qty::parse(ONE_LOT).unwrap());
    // Filled while the stream is away.
    let rests = talk.rest(&rig, ONE_LOT);
    talk.until("it rests", |talk| talk.has(rests, |n| *n == OrderNews::Accepted));
    rig.act(&json!({ "drop": "private" }));
    rig.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "-0.05" } }));
    talk.until("the fill that was missed", |talk| talk.filled(rests) == Qty::parse(ONE_LOT).unwrap());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    let statement = talk.statement();
    assert_eq!(statement.positions, [(Symbol(0), Qty::parse("0.03").unwrap().raw())]);
    talk.assert_fills_once();
}

#[test]
fn a_burst_of_too_many_requests_is_a_refusal_and_passes() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "too_many": 1, "bare_10006": true }));
    let refused = talk.buy(&rig, ONE_LOT);
    talk.until("the refusal", |talk| {
        talk.has(refused, |n| matches!(n, OrderNews::Rejected(why) if why.contains("too many")))
    });
    // An opening order does not wait for a budget: its price grows old. A closing one does.
    let low = touch(&rig, "asks", 102);
    let waits = talk.order(Side::Buy, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    talk.until("an answer", |talk| {
        talk.has(waits, |n| matches!(n, OrderNews::Rejected(why) if why.contains("110017")))
    });
}

#[test]
fn a_trade_socket_that_answers_without_a_name_leaves_doubt_that_is_settled() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Socket);
    let first = talk.buy(&rig, ONE_LOT);
    talk.until("the socket works", |talk| talk.filled(first) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "stall_trade": true }));
    let silent = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(silent) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json_null());
    assert_eq!(rig.truth("orders").len(), 2);
    talk.assert_fills_once();
}

#[test]
fn a_signed_read_survives_a_wrong_clock() {
    let rig = Rig::new();
    rig.faults(&json!({ "clock_skew_ms": 7_000 }));
    let rest = client(&rig);
    // The first answer says that the stamp is too old; the clock is measured and the read repeated.
    let wallet = rig.runtime.block_on(rest.wallet()).unwrap();
    assert!(wallet.coins.iter().any(|coin| coin.coin == "USDT" && coin.balance == Money::from_units(10_000)));
    // A create is never repeated, whatever the code.
    rig.faults(&json!({ "clock_skew_ms": -7_000 }));
    let order = Placement {
        symbol: "BTCUSDT".into(),
        link_id: "tt-x-000001".into(),
        side: Side::Buy,
        qty: Qty::parse(ONE_LOT).unwrap(),
        price: Price::parse(&touch(&rig, "bids", 95)).unwrap(),
        tif: TimeInForce::GoodTillCancel,
        reduce_only: false,
        protection: Protection::default(),
    };
    let refused = rig.runtime.block_on(rest.create(&order, &leave()));
    assert!(matches!(refused, Err(RestError::Refused { code: 10_002, .. })), "{refused:?}");
    assert_eq!(rig.truth("orders").len(), 0);
}
