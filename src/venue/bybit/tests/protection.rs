//! Protection at the exchange: it comes with the entry, is read back, and whatever is lost on the way it is known what stands.

use super::account::{ONE_LOT, Talk, client, touch};
use super::*;
use crate::engine::effect::{Protection, Purpose};
use crate::engine::event::{AccountUpdate, Event, Protective, Statement};
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Qty, Side};
use crate::venue::Venue;

const BTC: Symbol = Symbol(0);

fn stop_at(rig: &Rig, percent: i64) -> Protection {
    Protection { stop: Some(Price::parse(&touch(rig, "bids", percent)).unwrap()), take_profit: None }
}

fn lots(count: i64) -> Qty {
    Qty::from_raw(Qty::parse(ONE_LOT).unwrap().raw() * count)
}

/// Long one lot with a stop some per cent below, as a fresh connection opened it.
fn long(rig: &Rig) -> Talk {
    let mut talk = Talk::open(rig, Transport::Rest);
    talk.protection = stop_at(rig, 97);
    let bought = talk.buy(rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == lots(1));
    talk
}

fn said(statement: &Statement) -> Option<Protection> {
    statement.protection.iter().find(|(symbol, _)| *symbol == BTC).map(|(_, protection)| *protection)
}

/// Asks until the statement says so.
fn until_said(talk: &mut Talk, wanted: Option<Protection>) -> Statement {
    for _ in 0..50 {
        let statement = talk.statement();
        if said(&statement) == wanted {
            return statement;
        }
    }
    panic!("never said: {wanted:?}")
}

fn the_stop(statement: &Statement) -> &Protective {
    let [stop] = &statement.protective[..] else { panic!("{:?}", statement.protective) };
    stop
}

fn is_foreign(event: &Event) -> bool {
    matches!(event, Event::Account(AccountUpdate::Foreign { .. }))
}

#[test]
fn the_entry_brings_its_stop_and_nothing_calls_it_foreign() {
    for transport in [Transport::Rest, Transport::Socket] {
        let rig = Rig::new();
        let mut talk = Talk::open(&rig, transport);
        talk.protection =
            Protection { take_profit: Some(Price::parse(&touch(&rig, "asks", 110)).unwrap()), ..stop_at(&rig, 97) };
        let bought = talk.buy(&rig, ONE_LOT);
        talk.until("the fill", |talk| talk.filled(bought) == lots(1));
        let wanted = talk.protection;
        let statement = until_said(&mut talk, Some(wanted));
        let purposes: Vec<Purpose> = statement.protective.iter().map(|order| order.purpose).collect();
        assert!(purposes.len() == 2 && purposes.contains(&Purpose::Stop) && purposes.contains(&Purpose::TakeProfit));
        assert!(statement.protective.iter().all(|order| order.qty == lots(1) && order.side == Side::Sell));
        assert_eq!((statement.foreign_orders, rig.creates()), (0, 1));
        let legs: Vec<Value> =
            rig.truth("orders").into_iter().filter(|order| order["stopOrderType"] != "UNKNOWN").collect();
        assert!(
            legs.iter().all(|leg| leg["triggerBy"] == "MarkPrice"
                && leg["reduceOnly"] == true
                && leg["orderType"] == "Market"),
            "{legs:?}"
        );
        assert!(!talk.events.iter().any(is_foreign), "{:?}", talk.events);
    }
}

#[test]
fn a_lost_answer_to_the_entry_loses_no_stop_and_sends_nothing_twice() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.protection = stop_at(&rig, 97);
    rig.faults(&json!({ "lose_acks": 1, "skip_pushes": 20 }));
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == lots(1));
    let wanted = talk.protection;
    until_said(&mut talk, Some(wanted));
    assert_eq!(rig.creates(), 1);
}

#[test]
fn a_stop_that_is_removed_on_the_phone_is_noticed_and_set_again() {
    let rig = Rig::new();
    let mut talk = long(&rig);
    let wanted = talk.protection;
    let stop = the_stop(&until_said(&mut talk, Some(wanted))).order.clone();
    let from = talk.events.len();
    rig.runtime.block_on(client(&rig).cancel_id("BTCUSDT", &stop)).unwrap();
    // Nobody asked: the push alone makes the account be read.
    talk.until("the statement without it", |talk| {
        talk.events[from..].iter().any(|event| {
            matches!(event, Event::Account(AccountUpdate::Statement(statement)) if said(statement) == Some(Protection::default()))
        })
    });
    talk.venue.protect(wall(), BTC, wanted);
    let statement = until_said(&mut talk, Some(wanted));
    assert_ne!(the_stop(&statement).order, stop);
}

#[test]
fn a_stop_whose_answer_is_lost_is_read_back_and_one_that_is_refused_is_told() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == lots(1));
    until_said(&mut talk, Some(Protection::default()));
    rig.faults(&json!({ "path": "/v5/position/trading-stop", "lose_acks": 1 }));
    let wanted = stop_at(&rig, 97);
    talk.venue.protect(wall(), BTC, wanted);
    until_said(&mut talk, Some(wanted));
    let above = Protection { stop: Some(Price::parse(&touch(&rig, "asks", 103)).unwrap()), take_profit: None };
    talk.venue.protect(wall(), BTC, above);
    talk.until("the refusal", |talk| talk.told("protection at the exchange was not changed"));
    until_said(&mut talk, Some(wanted));
}

#[test]
fn partial_fills_are_covered_as_they_come() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.protection = stop_at(&rig, 97);
    let wanted = talk.protection;
    for bought in 1..=3 {
        let order = talk.buy(&rig, ONE_LOT);
        talk.until("the fill", |talk| talk.filled(order) == lots(1));
        let covered = |statement: &Statement| the_stop(statement).qty;
        assert_eq!(covered(&until_said(&mut talk, Some(wanted))), lots(bought));
    }
    let low = touch(&rig, "bids", 98);
    let sold = talk.order(Side::Sell, ONE_LOT, &low, crate::engine::effect::TimeInForce::ImmediateOrCancel, true);
    talk.until("a part is closed", |talk| talk.filled(sold) == lots(1));
    let statement = until_said(&mut talk, Some(wanted));
    assert_eq!(statement.positions, [(BTC, lots(2).raw())]);
}

#[test]
fn the_next_run_finds_the_stop_of_the_last_and_leaves_it() {
    let rig = Rig::new();
    let mut talk = long(&rig);
    let wanted = talk.protection;
    let stop = the_stop(&until_said(&mut talk, Some(wanted))).order.clone();
    drop(talk);
    let mut again = Talk::open(&rig, Transport::Rest);
    let opening = again.events.iter().find_map(|event| match event {
        Event::Account(AccountUpdate::Opening(opening)) => Some(opening.clone()),
        _ => None,
    });
    assert_eq!(opening.unwrap().foreign_orders, 0);
    assert_eq!(the_stop(&until_said(&mut again, Some(wanted))).order, stop);
}

#[test]
fn a_stop_that_closes_is_our_exit_and_leaves_nothing_behind() {
    let rig = Rig::new();
    let mut talk = long(&rig);
    let wanted = talk.protection;
    until_said(&mut talk, Some(wanted));
    rig.act(&json!({ "displace": { "symbol": "BTCUSDT", "rate": "-0.05" } }));
    talk.until("the exit", |talk| {
        let exits = talk.events.iter().filter_map(|event| match event {
            Event::Account(AccountUpdate::Protected { side: Side::Sell, fill, purpose: Purpose::Stop, .. }) => {
                Some(fill.qty)
            }
            _ => None,
        });
        exits.sum::<Qty>() == lots(1)
    });
    let statement = until_said(&mut talk, None);
    assert_eq!((statement.positions, statement.protective), (vec![], vec![]));
    assert!(!talk.events.iter().any(is_foreign), "{:?}", talk.events);
}

#[test]
fn a_protective_order_is_cancelled_by_the_exchanges_id() {
    let rig = Rig::new();
    let mut talk = long(&rig);
    let wanted = talk.protection;
    let stop = the_stop(&until_said(&mut talk, Some(wanted))).order.clone();
    talk.venue.cancel_by_id(wall(), BTC, &stop);
    let statement = until_said(&mut talk, Some(Protection::default()));
    assert_eq!(statement.protective, []);
    assert_eq!(statement.positions, [(BTC, lots(1).raw())], "the position stays");
}
