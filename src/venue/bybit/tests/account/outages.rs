//! Streams that are away, and what happened meanwhile or without us.

use super::*;
use crate::engine::account::Whose;

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

/// What the events say, booked as the engine books it: the same three sums, from executions alone.
fn booked(events: &[Event], sides: &[(OrderSeq, Side)]) -> Tally {
    let mut account = engine::Account::new(Money::ZERO, &[], false);
    for event in events {
        match event {
            Event::Account(AccountUpdate::Opening(opening)) => account.open_with(opening.balance, &opening.holdings),
            Event::Account(AccountUpdate::Funding { amount, .. }) => account.book_funding(Whose::Ours, *amount),
            Event::Account(AccountUpdate::Foreign { symbol, side, fill }) => {
                account.book_fill(wall(), *symbol, *side, fill);
            }
            Event::Order(update) => {
                if let OrderNews::Filled(fill) = &update.what {
                    let side = sides.iter().find(|(order, _)| *order == update.order).unwrap().1;
                    account.book_fill(wall(), Symbol(0), side, fill);
                }
            }
            _ => {}
        }
    }
    let totals = account.totals();
    Tally { realised: totals.realised, fees: totals.fees, funding: totals.funding, moved: Money::ZERO }
}

#[test]
fn pnl_ties_out_with_the_exchanges_own_log() {
    let rig = Rig::new();
    // Of before the run: part of no sum.
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 } }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    let tied = |talk: &Talk, from: usize| {
        talk.events[from..].iter().find_map(|event| match event {
            Event::Account(AccountUpdate::TiedOut(tally)) => Some(*tally),
            _ => None,
        })
    };
    talk.until("the first comparison", |talk| tied(talk, 0).is_some());
    assert_eq!(tied(&talk, 0), Some(Some(Tally::default())), "nothing has happened in this run");
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    rig.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "0.01" } }));
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Sell", "qty": "0.01", "positionIdx": 0 } }));
    rig.act(&json!({ "funding": { "symbol": "BTCUSDT" } }));
    rig.act(&json!({ "deposit": { "amount": "500" } }));
    rig.act(&json!({ "deposit": { "amount": "-120" } }));
    let low = touch(&rig, "bids", 98);
    let sold = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    talk.until("all of it", |talk| {
        let funded = talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Funding { .. })));
        let foreign = talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Foreign { .. })));
        funded && foreign && talk.filled(sold) == Qty::parse(ONE_LOT).unwrap()
    });
    let before = talk.events.len();
    talk.venue.tie_out(wall());
    talk.until("the comparison", |talk| tied(talk, before).is_some());
    let venue = tied(&talk, before).flatten().unwrap();
    let ours = booked(&talk.events, &[(bought, Side::Buy), (sold, Side::Sell)]);
    let apart = |one: Money, other: Money| (one - other).abs();
    let rounding = Money::parse("0.000001").unwrap();
    assert!(ours.realised > Money::ZERO && ours.fees > Money::ZERO && ours.funding != Money::ZERO, "{ours:?}");
    assert!(apart(venue.realised, ours.realised) <= rounding, "{venue:?} {ours:?}");
    assert_eq!((venue.fees, venue.funding), (ours.fees, ours.funding));
    assert_eq!(venue.moved, Money::from_units(380), "what came in less what went out");
}
