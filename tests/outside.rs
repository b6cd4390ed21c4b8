//! What others have in an instrument outside the run, with the real binary against a simulated exchange: shown with its worth,
//! counted by the limits, closed and cancelled by choice with a receipt in the ledger, and armed beside over a crash.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::collections::BTreeMap;
use std::path::Path;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, open_orders, truth, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use tickdeck::venue::sim::Sim;

fn run(sim: &Sim, folder: &Path) -> Engine {
    let words = ["--mode", "testnet", "run", "--practice", "--format", "json"];
    let settings = ["--set", "symbols=[\"BTCUSDT\"]", "--set", "arming.resume=true", "--set", "watchdog.enabled=off"];
    let mut engine = Engine::start(sim, folder, &[&words[..], &settings[..]].concat());
    engine.says(" position(s)");
    engine
}

fn works(sim: &Sim, folder: &Path, words: &[&str]) -> String {
    let (code, text) = done(sim, folder, &[&["--mode", "testnet"], words].concat());
    assert_eq!(code, Some(0), "{words:?}: {text}");
    text
}

/// What `outside list` says, once it lists so many.
fn listed(sim: &Sim, folder: &Path, count: usize) -> Vec<BTreeMap<String, Value>> {
    wait("the list of what is outside", || {
        let text = works(sim, folder, &["outside", "list", "--format", "json"]);
        let rows: Vec<BTreeMap<String, Value>> = serde_json::from_str(&text).unwrap();
        (rows.len() == count).then_some(rows)
    })
}

fn held(sim: &Sim) -> Vec<String> {
    truth(sim, "positions").iter().map(|row| row["symbol"].as_str().unwrap().to_owned()).collect()
}

fn somebody(sim: &Sim, symbol: &str, qty: &str) {
    let order = json!({ "symbol": symbol, "side": "Sell", "qty": qty, "positionIdx": 0 });
    sim.act(&json!({ "order": order })).unwrap();
}

fn waits(sim: &Sim, symbol: &str, trigger: &str, link: &str) {
    let order = json!({ "symbol": symbol, "qty": "0.1", "trigger": trigger, "link": link });
    sim.act(&json!({ "conditional": order })).unwrap();
}

fn operators(sim: &Sim, folder: &Path) -> String {
    works(sim, folder, &["export", "--out", "tables", "--format", "json"]);
    std::fs::read_to_string(folder.join("tables").join("operators.json")).unwrap()
}

#[test]
fn it_is_shown_with_its_worth_and_closed_and_cancelled_by_choice() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let folder = folder.path();
    somebody(&sim, "ETHUSDT", "0.5");
    somebody(&sim, "BTCUSDT", "0.01");
    waits(&sim, "ETHUSDT", "100", "grid-1");
    waits(&sim, "ETHUSDT", "101", "grid-2");
    let mut engine = run(&sim, folder);
    engine.says("outside the run: ETHUSDT short 0.5 worth");
    let rows = listed(&sim, folder, 3);
    let position = rows.iter().find(|row| row["what"] == "position").unwrap();
    assert!(
        position["worth"].as_f64().or_else(|| position["worth"].as_str()?.parse().ok()).unwrap() > 100.0,
        "{rows:?}"
    );
    assert_eq!(position["armed_beside"], "no");
    let (code, text) = done(&sim, folder, &["--mode", "testnet", "adopt", "ETHUSDT", "--yes"]);
    assert!(code == Some(6) && text.contains("add it to `symbols`"), "{code:?} {text}");

    let order = truth(&sim, "orders").into_iter().find(|row| row["orderLinkId"] == "grid-1").unwrap();
    let order = order["orderId"].as_str().unwrap();
    works(&sim, folder, &["outside", "cancel", "ETHUSDT", order, "--yes"]);
    engine.says("cancel-outside ETHUSDT: done");
    assert_eq!(open_orders(&sim) + untriggered(&sim), 1, "that one and no other");
    listed(&sim, folder, 2);

    works(&sim, folder, &["outside", "close", "ETHUSDT", "--yes"]);
    engine.says("close-outside ETHUSDT: done");
    assert_eq!(held(&sim), ["BTCUSDT"], "what is inside the run is not touched");
    assert_eq!(open_orders(&sim) + untriggered(&sim), 0, "nothing is left there that could open it again");
    listed(&sim, folder, 0);
    let (code, text) = done(&sim, folder, &["--mode", "testnet", "outside", "close", "ETHUSDT", "--yes"]);
    assert!(code == Some(6) && text.contains("nothing of it outside"), "{code:?} {text}");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
    let operators = operators(&sim, folder);
    for words in
        ["close-outside-receipt", "ETHUSDT FLAT, proven", "cancel-outside-receipt", "does not list it any more"]
    {
        assert!(operators.contains(words), "no `{words}` in {operators}");
    }
}

fn untriggered(sim: &Sim) -> usize {
    truth(sim, "orders").iter().filter(|row| row["orderStatus"] == "Untriggered").count()
}

#[test]
fn a_crash_resumes_beside_what_was_armed_beside_and_not_beside_more() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let folder = folder.path();
    somebody(&sim, "ETHUSDT", "0.1");
    let mut engine = run(&sim, folder);
    engine.says("outside the run: ETHUSDT short 0.1");
    let armed = || {
        let text = works(&sim, folder, &["arm", "--for", "8h", "--yes"]);
        assert!(text.contains("ARMED for 8h"), "{text}");
    };
    wait("a checklist that allows it", || {
        let (code, _) = done(&sim, folder, &["--mode", "testnet", "arm", "--for", "8h", "--yes"]);
        (code == Some(0)).then_some(())
    });
    assert_eq!(listed(&sim, folder, 1)[0]["armed_beside"], "yes");
    for _ in 0..2 {
        engine.signal(Signal::KILL);
        engine.ends();
        engine = run(&sim, folder);
        engine.says("ARMED again after a restart");
    }
    engine.signal(Signal::KILL);
    engine.ends();
    somebody(&sim, "ETHUSDT", "0.1");
    engine = run(&sim, folder);
    engine.says("outside the run: ETHUSDT short 0.2");
    assert_eq!(listed(&sim, folder, 1)[0]["armed_beside"], "no");
    assert!(!engine.said("ARMED again"), "{}", engine.told());
    armed();
    // Meanwhile somebody opens more: it disarms until that was seen too.
    somebody(&sim, "ETHUSDT", "0.1");
    engine.says("outside the run: ETHUSDT short 0.3");
    engine.says("DISARMED (others have something in an instrument outside the run)");
}
