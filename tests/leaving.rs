//! SIGTERM with the real binary while a position of ours is open at a simulated exchange: it leaves the position with its
//! stop, waits where none is known to be there, or closes it first.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::path::Path;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, holds, truth, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use tickdeck::venue::sim::Sim;

/// An engine that holds a position whose stop stands at the exchange.
fn holding(sim: &Sim, folder: &Path, more: &[&str]) -> Engine {
    holds(sim);
    let words: Vec<&str> = more.iter().chain(&["--mode", "testnet", "run"]).copied().collect();
    let mut engine = Engine::start(sim, folder, &words);
    engine.says("open 1");
    let (code, text) = done(sim, folder, &["adopt", "BTCUSDT", "--yes"]);
    assert_eq!(code, Some(0), "{text}");
    wait("its stop at the exchange", || (stops(sim) == 1).then_some(()));
    engine.says("BTCUSDT: stop");
    engine
}

fn stops(sim: &Sim) -> usize {
    let orders = truth(sim, "orders");
    orders.iter().filter(|row| row["stopOrderType"] == "StopLoss" && row["orderStatus"] == "Untriggered").count()
}

const GONE: &str = "REDUCING all: VENUE_UNREACHABLE";

fn unreachable(sim: &Sim, engine: &mut Engine) {
    sim.set_faults(&json!({ "refuse_sockets": true, "fail_before": 1_000_000, "path": "/v5/" })).unwrap();
    let before = engine.count(GONE);
    sim.act(&json!({ "drop": "all" })).unwrap();
    wait("that the account is missed", || (engine.count(GONE) > before).then_some(()));
}

#[test]
fn sigterm_leaves_a_position_with_its_stop_at_once() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = holding(&sim, folder.path(), &[]);
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
    assert_eq!((truth(&sim, "positions").len(), stops(&sim)), (1, 1), "kept, and protected");
    assert!(!engine.said("WITHOUT a stop"));
}

#[test]
fn sigterm_waits_for_the_stop_that_it_cannot_see() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = holding(&sim, folder.path(), &[]);
    unreachable(&sim, &mut engine);
    engine.signal(Signal::TERM);
    engine.says("SIGTERM: a position has no stop at the venue: one is set first, within 30s");
    // It goes on, and says so: a state line a second.
    let lines = engine.count("equity");
    wait("two more seconds", || (engine.count("equity") > lines + 2).then_some(()));
    sim.set_faults(&Value::Null).unwrap();
    assert_eq!(engine.ends(), Some(0));
    assert!(!engine.said("WITHOUT a stop"), "the exchange came back in time");
}

#[test]
fn sigterm_ends_after_half_a_minute_and_a_second_one_at_once() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = holding(&sim, folder.path(), &[]);
    unreachable(&sim, &mut engine);
    engine.signal(Signal::TERM);
    engine.says("one is set first");
    assert_eq!(engine.ends(), Some(0));
    assert!(engine.said("leaving a position WITHOUT a stop"), "half a minute later it goes all the same");
    sim.set_faults(&Value::Null).unwrap();
    let mut again = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    again.says("account at the venue");
    unreachable(&sim, &mut again);
    again.signal(Signal::TERM);
    again.says("one is set first");
    again.signal(Signal::TERM);
    assert_eq!(again.ends(), Some(0));
    assert!(!again.said("WITHOUT a stop"), "it did not wait");
}

#[test]
fn on_sigterm_flatten_closes_first_and_proves_it() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = holding(&sim, folder.path(), &["--set", "arming.on_sigterm=flatten"]);
    engine.signal(Signal::TERM);
    engine.says("FLAT (proven");
    assert_eq!(engine.ends(), Some(0));
    assert_eq!((truth(&sim, "positions").len(), stops(&sim)), (0, 0));
}

#[test]
fn on_sigterm_flatten_that_cannot_close_ends_with_8() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = holding(&sim, folder.path(), &["--set", "arming.on_sigterm=flatten"]);
    sim.set_faults(&json!({ "fake_codes": 1_000_000, "fake_code": 10_016, "path": "/v5/order/create" })).unwrap();
    engine.signal(Signal::TERM);
    engine.says("flatten: closing 1 position(s)");
    // The second does not wait.
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(8));
    assert_eq!(truth(&sim, "positions").len(), 1);
}

/// Complaint 78: whoever starts it from a shell and loses the connection has an engine that goes on.
#[test]
fn a_hang_up_of_a_run_without_a_screen_leaves_it_up_while_something_is_open() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = holding(&sim, folder.path(), &[]);
    engine.signal(Signal::HUP);
    engine.says("the engine goes on without a screen until nothing is open");
    let (code, text) = done(&sim, folder.path(), &["status"]);
    assert!(code == Some(0) && text.contains("BTCUSDT long") && !text.contains("armed until"), "{code:?}: {text}");
    let (code, text) = done(&sim, folder.path(), &["flatten", "--yes"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(engine.ends(), Some(0), "nothing is open any more: {}", engine.told());
    assert_eq!(truth(&sim, "positions").len(), 0);

    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("SAFE  equity");
    engine.signal(Signal::HUP);
    assert_eq!(engine.ends(), Some(0), "with nothing open it ends");
}
