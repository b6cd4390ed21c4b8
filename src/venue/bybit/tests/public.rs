//! The public stream: its books are the exchange's, whatever happens on the way.

use std::collections::BTreeMap;

use super::*;
use crate::engine::event::{Event, Hold, Link, MarketData};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{Book, BookState};
use crate::engine::market::instrument::InstrumentStatus;
use crate::engine::market::levels::Levels;
use crate::engine::risk::verdict::DenialCode;

/// What a run would know.
#[derive(Default)]
struct Listener {
    books: BTreeMap<Symbol, Book>,
    gaps: usize,
    events: Vec<Event>,
}

impl Listener {
    fn listen(&mut self, inlet: &mut Inlet) {
        inlet.collect();
        while let Some((_, event)) = inlet.pop() {
            match &event {
                Event::Market(symbol, MarketData::Book(update)) => {
                    self.books.entry(*symbol).or_default().apply(update);
                }
                Event::Market(symbol, MarketData::Gap) => {
                    self.gaps += 1;
                    self.books.entry(*symbol).or_default().gap();
                }
                _ => self.events.push(event),
            }
        }
    }

    fn heard(&self, what: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(what)
    }

    fn hold(&self, code: DenialCode) -> Option<&Hold> {
        let holds =
            self.events.iter().rev().filter_map(|event| if let Event::Hold(hold) = event { Some(hold) } else { None });
        holds.into_iter().find(|hold| hold.code == code)
    }
}

/// The best five levels of a side, as the exchange states them.
fn levels(market: &Value, side: &str) -> Vec<(String, String)> {
    let rows = market[side].as_array().unwrap().iter();
    rows.map(|row| (row[0].as_str().unwrap().to_owned(), row[1].as_str().unwrap().to_owned())).collect()
}

fn same(ours: &Levels, theirs: &[(String, String)]) -> bool {
    ours.len() >= theirs.len()
        && !theirs.is_empty()
        && ours
            .iter()
            .zip(theirs)
            .all(|(level, (price, qty))| level.price == price.parse().unwrap() && level.qty == qty.parse().unwrap())
}

fn equal_books(rig: &Rig, listener: &Listener) -> bool {
    let markets = rig.truth("markets");
    [("BTCUSDT", Symbol(0)), ("ETHUSDT", Symbol(1))].iter().all(|(name, symbol)| {
        let market = markets.iter().find(|market| market["symbol"] == *name).unwrap();
        listener.books.get(symbol).is_some_and(|book| {
            book.state() == BookState::Valid
                && same(book.bids(), &levels(market, "bids"))
                && same(book.asks(), &levels(market, "asks"))
        })
    })
}

fn quick() -> Timing {
    Timing { compare_every: Duration::from_millis(100), ..Timing::default() }
}

#[test]
fn the_books_are_the_exchanges_after_every_kind_of_trouble() {
    let rig = Rig::new();
    let (stream, mut inlet) = rig.stream(&["BTCUSDT", "ETHUSDT"], quick());
    let mut listener = Listener::default();
    let mut reach = |rig: &Rig, what: &str, listener: &mut Listener, more: &dyn Fn() -> bool| {
        wait(what, || {
            listener.listen(&mut inlet);
            (more() && equal_books(rig, listener)).then_some(())
        });
    };
    reach(&rig, "first books", &mut listener, &|| true);
    rig.faults(&json!({ "skip_deltas": 3 }));
    reach(&rig, "books after lost deltas", &mut listener, &|| stream.counts().resyncs > 0);
    let resyncs = stream.counts().resyncs;
    rig.faults(&json!({ "reorder_deltas": 3, "repeat_deltas": 5 }));
    reach(&rig, "books after mixed-up deltas", &mut listener, &|| stream.counts().resyncs > resyncs);
    rig.act(&json!({ "restart_stream": {} }));
    reach(&rig, "books after a restart of the service", &mut listener, &|| true);
    let gaps = listener.gaps;
    rig.act(&json!({ "drop": "public" }));
    reach(&rig, "books after a lost connection", &mut listener, &|| stream.counts().reconnects > 0);
    assert!(listener.gaps >= gaps + 2, "both books were gone at once");
    let agreed = stream.counts().agreed;
    reach(&rig, "agreement with REST", &mut listener, &|| stream.counts().agreed > agreed + 1);
    assert_eq!(stream.counts().odd, 0);
}

#[test]
fn missed_trades_come_marked_and_a_pool_that_loses_is_told_once() {
    let rig = Rig::new();
    let (stream, mut inlet) = rig.stream(&["BTCUSDT"], quick());
    let mut listener = Listener::default();
    let mut until = |what: &str, listener: &mut Listener, done: &dyn Fn(&Listener) -> bool| {
        wait(what, || {
            listener.listen(&mut inlet);
            done(listener).then_some(())
        });
    };
    let is_live = |event: &Event| matches!(event, Event::Market(_, MarketData::Trade(_)));
    until("a trade", &mut listener, &|listener| listener.heard(is_live));
    let before = listener.events.len();
    // Something prints while nobody can listen.
    rig.faults(&json!({ "refuse_sockets": true }));
    rig.act(&json!({ "drop": "public" }));
    until("the loss", &mut listener, &|_| stream.counts().connected == 0);
    rig.act(&json!({ "rpi": { "symbol": "BTCUSDT" } }));
    rig.faults(&json!({ "refuse_sockets": false }));
    until("the stream again", &mut listener, &|listener| {
        stream.counts().reconnects > 0 && listener.events[before..].iter().any(is_live)
    });
    let is_missed = |event: &Event| matches!(event, Event::Market(_, MarketData::Missed { .. }));
    until("missed trades", &mut listener, &|listener| listener.events[before..].iter().any(is_missed));
    rig.act(&json!({ "pool": { "symbol": "BTCUSDT", "result": "-0.31" } }));
    let pools = |listener: &Listener| {
        let told = listener.events.iter().filter_map(|event| match event {
            Event::Market(_, MarketData::Pool(pool)) => Some(pool.result.raw()),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    until("the pool", &mut listener, &|listener| pools(listener).contains(&-310_000_000));
    let told = pools(&listener);
    assert!(told.len() <= 3, "told when it changes: {told:?}");
}

#[test]
fn rules_bars_trades_and_bands_arrive_and_an_unlisted_name_disturbs_nobody() {
    let rig = Rig::with_past(Span::from_secs(150));
    let (_stream, mut inlet) = rig.stream(&["BTCUSDT", "NOSUCHUSDT"], quick());
    let mut listener = Listener::default();
    wait("everything", || {
        listener.listen(&mut inlet);
        let of = |what: fn(&MarketData) -> bool| {
            listener.heard(|event| matches!(event, Event::Market(Symbol(0), data) if what(data)))
        };
        let all = of(|data| matches!(data, MarketData::Trade(_)))
            && of(|data| matches!(data, MarketData::Ticker(_)))
            && of(|data| matches!(data, MarketData::Band { .. }))
            && of(|data| matches!(data, MarketData::Bar(bar) if bar.span == Span::from_secs(60)))
            && of(
                |data| matches!(data, MarketData::Rules(rules) if rules.status == InstrumentStatus::Trading && !rules.tiers.is_empty()),
            );
        (all && listener.hold(DenialCode::InstrumentUnknown).is_some()).then_some(())
    });
    assert_eq!(listener.hold(DenialCode::InstrumentUnknown).unwrap().symbol, Some(Symbol(1)));
    assert!(listener.heard(|event| *event == Event::Link(Link::MarketUp)));
    assert!(!listener.heard(|event| matches!(event, Event::Link(Link::MarketDown(_)))));
    wait("the clock", || {
        listener.listen(&mut inlet);
        listener
            .heard(|event| matches!(event, Event::Link(Link::Clock(off)) if off.0.abs() < 1_000_000_000))
            .then_some(())
    });
}

#[test]
fn a_clock_that_is_off_and_maintenance_hold() {
    let rig = Rig::new();
    rig.faults(&json!({ "clock_skew_ms": 2_500 }));
    rig.act(&json!({ "notice": { "id": "1", "title": "upgrade", "state": "ongoing", "product": [1] } }));
    let (_stream, mut inlet) = rig.stream(&["BTCUSDT"], quick());
    let mut listener = Listener::default();
    wait("both holds", || {
        listener.listen(&mut inlet);
        let codes = [DenialCode::ClockSkew, DenialCode::VenueMaintenance];
        codes.iter().all(|code| listener.hold(*code).is_some()).then_some(())
    });
    let clock = listener.hold(DenialCode::ClockSkew).unwrap().detail.clone().unwrap();
    assert!(clock.contains("2.") && clock.contains("behind"), "{clock}");
}

#[test]
fn without_an_exchange_the_reason_is_told_once() {
    let rig = Rig::new();
    rig.faults(&json!({ "refuse_sockets": true }));
    let (_stream, mut inlet) = rig.stream(&["BTCUSDT"], quick());
    let mut listener = Listener::default();
    wait("the reason, and the rules all the same", || {
        listener.listen(&mut inlet);
        let down = listener.heard(|event| matches!(event, Event::Link(Link::MarketDown(_))));
        let rules = listener.heard(|event| matches!(event, Event::Market(_, MarketData::Rules(_))));
        (down && rules).then_some(())
    });
    rig.faults(&json_null());
    wait("the market", || {
        listener.listen(&mut inlet);
        listener.heard(|event| *event == Event::Link(Link::MarketUp)).then_some(())
    });
    let told = listener.events.iter().filter(|event| matches!(event, Event::Link(Link::MarketDown(_)))).count();
    assert_eq!(told, 1);
}

#[test]
fn a_silent_connection_is_made_anew() {
    let rig = Rig::new();
    let heartbeat = Heartbeat {
        ping_every: Duration::from_millis(300),
        quiet: Duration::from_millis(200),
        answer_within: Duration::from_millis(300),
    };
    let timing = Timing { heartbeat, data_within: Duration::from_millis(800), ..quick() };
    let (stream, mut inlet) = rig.stream(&["BTCUSDT", "ETHUSDT"], timing);
    let mut listener = Listener::default();
    wait("first books", || {
        listener.listen(&mut inlet);
        equal_books(&rig, &listener).then_some(())
    });
    rig.faults(&json!({ "stall_public": true }));
    wait("the silence to be noticed", || {
        listener.listen(&mut inlet);
        (stream.counts().reconnects > 0).then_some(())
    });
    rig.faults(&json_null());
    wait("books again", || {
        listener.listen(&mut inlet);
        equal_books(&rig, &listener).then_some(())
    });
}
