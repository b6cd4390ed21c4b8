//! Streams that are away, and what happened meanwhile or without us.

use super::*;

#[test]
fn a_silent_stream_makes_the_account_unreachable() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "stall_private": true }));
    talk.until("the silence", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    let why = talk.held(DenialCode::VenueUnreachable).unwrap().detail.clone().unwrap();
    assert!(why.contains("no answer to a ping"), "{why}");
    rig.faults(&json_null());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
}

#[test]
fn funding_liquidation_and_foreign_trades_are_told() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    rig.act(&json!({ "funding": { "symbol": "BTCUSDT" } }));
    talk.until("funding", |talk| {
        talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Funding { .. })))
    });
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 } }));
    talk.until("a trade that is not ours", |talk| {
        let two = Qty::parse("0.02").unwrap();
        talk.events.iter().any(
            |e| matches!(e, Event::Account(AccountUpdate::Foreign { side: Side::Buy, fill, .. }) if fill.qty == two),
        )
    });
    let statement = talk.statement();
    assert_eq!(statement.positions, [(Symbol(0), Qty::parse("0.03").unwrap().raw())]);
    rig.act(&json!({ "liquidate": {} }));
    talk.until("liquidation", |talk| {
        talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Liquidated { side: Side::Sell, .. })))
    });
}

#[test]
fn after_an_outage_the_statement_comes_before_the_account_counts_as_reached() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    assert!(place(&talk.events, is_statement) < place(&talk.events, is_lift), "at the start, too");
    let rests = talk.rest(&rig, ONE_LOT);
    talk.until("it rests", |talk| talk.has(rests, |n| *n == OrderNews::Accepted));
    let before = talk.events.len();
    // Filled while nobody listened, and no list shows the execution: the books disagree.
    rig.faults(&json!({ "hide_executions_ms": 600_000 }));
    rig.act(&json!({ "drop": "private" }));
    rig.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "-0.05" } }));
    talk.until("the outage", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    let since = &talk.events[before..];
    let (stated, lifted) = (place(since, is_statement), place(since, is_lift));
    assert!(stated.is_some() && stated < lifted, "{since:?}");
    let held = Qty::parse(ONE_LOT).unwrap().raw();
    let Event::Account(AccountUpdate::Statement(statement)) = &since[stated.unwrap()] else { panic!() };
    assert_eq!(statement.positions, [(Symbol(0), held)]);
}

#[test]
fn funding_whose_push_was_lost_comes_before_the_statement_that_shows_it() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    talk.statement();
    rig.faults(&json!({ "skip_pushes": 20 }));
    rig.act(&json!({ "funding": { "symbol": "BTCUSDT" } }));
    let before = talk.events.len();
    talk.statement();
    let since = &talk.events[before..];
    let funding = place(since, |e| matches!(e, Event::Account(AccountUpdate::Funding { .. })));
    assert!(funding.is_some() && funding < place(since, is_statement), "{since:?}");
}

#[test]
fn a_stream_task_that_ends_is_noticed_and_made_anew() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.venue.end_stream();
    talk.until("the outage", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
}

#[test]
fn without_the_accounts_task_nothing_is_silent() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.venue.end_task();
    talk.until("the hold", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    let order = talk.buy(&rig, ONE_LOT);
    talk.until("not sent", |talk| talk.has(order, |n| matches!(n, OrderNews::Unsent(_))));
    assert_eq!(rig.creates(), 0);
}
