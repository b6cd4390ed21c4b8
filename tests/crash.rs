//! `kill -9` of the real program at a simulated exchange, again and again while its orders are on their way: what a person adopted
//! is closed, the program dies in the middle of it, and the next one goes on from what is durable. Nothing is created twice, no
//! execution is lost, and what was to be flattened ends flat. `TICKDECK_KILLS` is the number of kills, 20 unless told.
//!
//! Entries and exits by signals under `kill -9` are in `ledger_disk.rs`, where the model is another one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod at_sim;
mod processes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, truth, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use tickdeck::engine::num::{Price, Qty};
use tickdeck::ledger::{Filter, Format, Reader, Verdict};
use tickdeck::venue::sim::Sim;

/// Price and quantity by execution.
type Lots = BTreeMap<String, (Price, Qty)>;

fn lots<'a>(rows: impl Iterator<Item = &'a Value>, names: [&str; 3]) -> Lots {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let lot = |row: &Value| {
        let [id, price, qty] = names.map(|name| text(row, name));
        (id, (Price::parse(&price).unwrap(), Qty::parse(&qty).unwrap()))
    };
    rows.map(lot).collect()
}

fn booked(folder: &Path) -> Lots {
    let reader = Reader::open(&folder.join("data/testnet.sqlite")).unwrap();
    let sheet = reader.fills(&Filter { rows_max: u32::MAX, ..Filter::default() }).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&sheet.render(Format::Json)).unwrap();
    let lots = lots(rows.iter(), ["exec_id", "price", "qty"]);
    assert_eq!(lots.len(), rows.len(), "an execution was booked twice");
    lots
}

fn executed(sim: &Sim) -> Lots {
    let rows = truth(sim, "executions");
    lots(rows.iter().filter(|row| row["execType"] == "Trade"), ["execId", "execPrice", "execQty"])
}

/// Ids of the orders that the exchange was asked for by a program, in order.
fn creates(sim: &Sim) -> Vec<String> {
    let mut ids = Vec::new();
    for row in truth(sim, "requests") {
        let of = |order: &Value| order["orderLinkId"].as_str().unwrap().to_owned();
        match row["path"].as_str().unwrap() {
            "/v5/order/create" => ids.push(of(&row["body"])),
            "/v5/order/create-batch" => ids.extend(row["body"]["request"].as_array().unwrap().iter().map(of)),
            _ => {}
        }
    }
    ids
}

fn is_flat(sim: &Sim) -> bool {
    truth(sim, "positions").iter().all(|row| row["size"] == "0")
}

fn started(sim: &Sim, folder: &Path) -> Engine {
    let mut engine = Engine::start(sim, folder, &["--mode", "testnet", "run"]);
    engine.says("balance ");
    engine.says("  equity ");
    engine
}

/// A position of the person becomes tickdeck's, and is to be closed.
fn closes(sim: &Sim, folder: &Path, turn: usize) {
    let (symbol, qty) = [("BTCUSDT", "0.05"), ("ETHUSDT", "0.9")][turn % 2];
    let side = if turn % 4 < 2 { "Buy" } else { "Sell" };
    sim.act(&json!({ "order": { "symbol": symbol, "side": side, "qty": qty, "positionIdx": 0 } })).unwrap();
    let asks = |words: &[&str]| done(sim, folder, &[&["--mode", "testnet"], words].concat());
    wait("the adoption", || (asks(&["adopt", symbol, "--yes"]).0 == Some(0)).then_some(()));
    // Answers that take their time leave more moments in which an order is on its way.
    let (ack, push) = ([0, 3, 40, 250][turn % 4], [0, 120, 0][turn % 3]);
    let fills = [100, 30][turn % 2];
    let faults = json!({ "ack_delay_ms": ack, "private_delay_ms": push, "fill_percent": fills, "path": "/v5/order" });
    sim.set_faults(&faults).unwrap();
}

#[test]
fn killed_again_and_again_while_it_closes_it_sends_nothing_twice_and_loses_nothing() {
    let kills = std::env::var("TICKDECK_KILLS").map_or(20, |count| count.parse().unwrap());
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    for turn in 0..kills {
        let mut engine = started(&sim, folder.path());
        closes(&sim, folder.path(), turn);
        let (asked, traded) = (creates(&sim).len(), executed(&sim).len());
        let mut flatten = processes::tickdeck(&sim, folder.path(), &["--mode", "testnet", "flatten", "--yes"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // At the first create, at the first execution, when the engine has said so, or when it is flat and may not know it yet.
        match turn % 4 {
            0 => wait("a create", || (creates(&sim).len() > asked).then_some(())),
            1 => wait("an execution", || (executed(&sim).len() > traded).then_some(())),
            2 => engine.says("flatten: closing"),
            _ => wait("a flat account", || is_flat(&sim).then_some(())),
        }
        engine.signal(Signal::KILL);
        engine.ends();
        flatten.kill().ok();
        flatten.wait().unwrap();
        sim.set_faults(&json!({ "ack_delay_ms": 0, "private_delay_ms": 0, "fill_percent": 100 })).unwrap();
        let mut next = started(&sim, folder.path());
        wait(&format!("a flat account after kill {turn}"), || is_flat(&sim).then_some(()));
        wait(&format!("the same books after kill {turn}"), || (booked(folder.path()) == executed(&sim)).then_some(()));
        next.signal(Signal::KILL);
        next.ends();
        let (asked, once) = (creates(&sim), creates(&sim).into_iter().collect::<BTreeSet<_>>());
        assert_eq!(asked.len(), once.len(), "a create was sent twice: {asked:?}");
    }
    let (asked, traded) = (creates(&sim).len(), executed(&sim).len());
    println!("{kills} kills, {asked} creates, {traded} executions");
    assert!(asked >= kills && traded >= 2 * kills, "hardly traded");
    let reader = Reader::open(&folder.path().join("data/testnet.sqlite")).unwrap();
    assert!(matches!(reader.audit(None).unwrap(), Verdict::Sound(_)), "the chain");
}
