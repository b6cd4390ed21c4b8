//! An engine that is killed or stopped while it trades, and what the next one makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tickdeck::engine::ids::{Account, Pair};
use tickdeck::engine::num::{Price, Qty};
use tickdeck::ledger::{Filter, Format, Reader, Verdict};

use super::engine::{Engine, PATIENCE};
use super::exchange::{Exchange, executions, positions};

fn ledger(folder: &Path) -> PathBuf {
    folder.join(Pair::bybit(Account::Testnet).ledger_name())
}

fn rows(sheet: &tickdeck::ledger::Sheet) -> Vec<Value> {
    serde_json::from_str(&sheet.render(Format::Json)).unwrap()
}

fn booked(reader: &Reader) -> BTreeMap<String, (Price, Qty)> {
    let fills = rows(&reader.fills(&Filter { rows_max: u32::MAX, ..Filter::default() }).unwrap());
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let lot = |row: &Value| (Price::parse(&text(row, "price")).unwrap(), Qty::parse(&text(row, "qty")).unwrap());
    let all: Vec<_> = fills.iter().map(|row| (text(row, "exec_id"), lot(row))).collect();
    let (count, map) = (all.len(), all.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(count, map.len(), "an execution was booked twice");
    map
}

fn held(reader: &Reader) -> BTreeMap<String, String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows(&reader.positions(None).unwrap()).iter().map(|row| (text(row, "symbol"), text(row, "position"))).collect()
}

/// Does the ledger say what the exchange says?
fn agrees(reader: &Reader, exchange: &Exchange) -> Result<usize, String> {
    let open = reader.unsettled().unwrap();
    if !open.is_empty() {
        return Err(format!("orders without an end in {open:?}"));
    }
    let state = exchange.state();
    let (ours, theirs) = (booked(reader), executions(&state));
    let missing: Vec<_> = theirs.keys().filter(|id| !ours.contains_key(*id)).collect();
    let strange: Vec<_> = ours.keys().filter(|id| !theirs.contains_key(*id)).collect();
    if ours != theirs {
        return Err(format!("executions missing {missing:?}, strange {strange:?}"));
    }
    let (ours_held, theirs_held) = (held(reader), positions(&state));
    if ours_held == theirs_held {
        Ok(ours.len())
    } else {
        Err(format!("{ours_held:?} and at the exchange {theirs_held:?}"))
    }
}

/// Waits until ledger and exchange say the same.
fn until_agreed(engine: &mut Engine, folder: &Path, exchange: &Exchange, turn: usize) -> usize {
    let reader = Reader::open(&ledger(folder)).unwrap();
    let since = Instant::now();
    loop {
        // It says its state once a second: the time in which something may have changed.
        engine.says("a state", |line| line.starts_with("state"));
        match agrees(&reader, exchange) {
            Ok(count) => return count,
            Err(why) => assert!(since.elapsed() < PATIENCE, "after kill {turn}: {why}: {:#?}", engine.heard),
        }
    }
}

fn nothing_twice(exchange: &Exchange) {
    let creates = exchange.creates();
    let once: BTreeSet<&String> = creates.iter().collect();
    assert_eq!(once.len(), creates.len(), "a create was sent twice: {creates:?}");
}

/// Orders at the exchange with an id of ours: stops of a position have none.
fn ours(state: &Value) -> usize {
    let orders = state["orders"].as_array().unwrap().iter();
    orders.filter(|row| row["orderLinkId"].as_str().is_some_and(|link| link.starts_with("tt-"))).count()
}

pub fn killed_at_any_moment() {
    let kills = std::env::var("TICKDECK_KILLS").map_or(20, |count| count.parse().unwrap());
    let (exchange, folder) = (Exchange::start(), tempfile::tempdir().unwrap());
    let mut last = 0;
    for turn in 0..kills {
        // Answers that take their time leave more moments in which an order is on its way.
        let (ack, push) = ([0, 3, 40, 250][turn % 4], [0, 120, 0][turn % 3]);
        exchange.faults(&json!({"ack_delay_ms": ack, "private_delay_ms": push}));
        let mut engine = Engine::start("trade", &exchange, folder.path());
        engine.says("its armed state", |line| line == "state Armed");
        if turn % 2 == 0 {
            // As soon as the exchange has been asked for one more order.
            let (before, since) = (exchange.creates().len(), Instant::now());
            while exchange.creates().len() == before {
                assert!(since.elapsed() < PATIENCE, "it sends nothing: {:#?}", engine.heard);
            }
        } else {
            // As soon as so many executions were told.
            for _ in 0..=turn % 5 {
                engine.says("a fill", |line| line.starts_with("notice Fill"));
            }
        }
        engine.kill();
        exchange.faults(&json!({"ack_delay_ms": 0, "private_delay_ms": 0}));
        let mut next = Engine::start("watch", &exchange, folder.path());
        last = until_agreed(&mut next, folder.path(), &exchange, turn);
        next.kill();
        nothing_twice(&exchange);
    }
    println!("{kills} kills, {last} executions, {} creates", exchange.creates().len());
    let (asked, booked) = (exchange.creates().len(), ours(&exchange.state()));
    assert!(last >= kills && asked >= booked, "hardly traded, or orders that nobody asked for: {asked} and {booked}");
    let reader = Reader::open(&ledger(folder.path())).unwrap();
    assert!(matches!(reader.audit(None).unwrap(), Verdict::Sound(_)), "the chain");
}

pub fn killed_stays_killed() {
    let (exchange, folder) = (Exchange::start(), tempfile::tempdir().unwrap());
    let marker = folder.path().join("latched.testnet");
    for half in ["both", "ledger", "marker"] {
        let mut engine = Engine::start("trade", &exchange, folder.path());
        engine.says("a fill", |line| line.starts_with("notice Fill"));
        engine.signal(Signal::QUIT);
        let since = Instant::now();
        while !marker.exists() {
            assert!(since.elapsed() < PATIENCE, "no marker: {:#?}", engine.heard);
            std::thread::yield_now();
        }
        engine.kill();
        let creates = exchange.creates().len();
        let killed_in_ledger = || {
            let latches = Reader::open(&ledger(folder.path())).unwrap().tables().unwrap();
            let (_, sheet) = latches.iter().find(|(name, _)| *name == "latches").unwrap().clone();
            rows(&sheet).last().is_some_and(|row| row["kind"] == "killed")
        };
        match half {
            "ledger" if killed_in_ledger() => std::fs::remove_file(&marker).unwrap(),
            _ => {}
        }
        let mut next = Engine::start("trade", &exchange, folder.path());
        for _ in 0..5 {
            let state = next.says("a state", |line| line.starts_with("state"));
            assert_eq!(state, "state Killed", "{half}");
        }
        next.kill();
        assert_eq!(exchange.creates().len(), creates, "{half}: nothing is sent by a killed run");
        let mut reset = Engine::start("reset", &exchange, folder.path());
        reset.says("the reset", |line| line == "state Safe");
        let since = Instant::now();
        while marker.exists() {
            assert!(since.elapsed() < PATIENCE, "the marker stays");
            std::thread::yield_now();
        }
        reset.kill();
    }
    nothing_twice(&exchange);
}

/// A stop of this long is noticed.
const STOPPED: Duration = Duration::from_secs(6);

pub fn stopped_and_gone_on() {
    let (exchange, folder) = (Exchange::start(), tempfile::tempdir().unwrap());
    let mut engine = Engine::start("trade-once", &exchange, folder.path());
    engine.says("its armed state", |line| line == "state Armed");
    engine.says("a fill", |line| line.starts_with("notice Fill"));
    engine.signal(Signal::STOP);
    let (stopped, since) = (exchange.creates().len(), Instant::now());
    // The time that is meant to pass, not a wait for something.
    while let Some(left) = STOPPED.checked_sub(since.elapsed()) {
        std::thread::park_timeout(left);
    }
    let at_wake = exchange.creates().len();
    assert!(at_wake <= stopped + 1, "what was on its way when it was stopped, and no more");
    engine.signal(Signal::CONT);
    engine.says("that it stood still", |line| line.contains("stood still"));
    engine.says("that it is disarmed", |line| line == "state Safe" || line == "state Reducing");
    for _ in 0..3 {
        let state = engine.says("a state", |line| line.starts_with("state"));
        assert_ne!(state, "state Armed");
    }
    let (at_wake, reader) = (exchange.creates(), Reader::open(&ledger(folder.path())).unwrap());
    let openings: Vec<Value> = rows(&reader.orders(&Filter { rows_max: u32::MAX, ..Filter::default() }).unwrap())
        .into_iter()
        .filter(|row| {
            row["purpose"] == "entry" && at_wake[stopped..].iter().any(|link| row["link_id"] == link.as_str())
        })
        .collect();
    assert!(openings.is_empty(), "nothing opens after the wake: {openings:?}");
    drop(reader);
    until_agreed(&mut engine, folder.path(), &exchange, 0);
    engine.kill();
    nothing_twice(&exchange);
}
