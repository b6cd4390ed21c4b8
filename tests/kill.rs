//! `tickdeck kill` and the signals with the real binary: beside a running engine, one that is stopped, one that was killed
//! with -9, and none at all; at a simulated exchange whose own books are the judge.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, holds, open_orders, rests, tickdeck, truth};
use rustix::process::Signal;
use serde_json::{Value, json};

#[test]
fn without_an_engine_the_account_is_killed_from_here_and_stays_killed() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let (code, text) = done(&sim, folder.path(), &["kill"]);
    assert_eq!(code, Some(3), "nothing runs and no account is named: {text}");
    rests(&sim, 1);
    holds(&sim);
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill"]);
    assert_eq!((code, open_orders(&sim)), (Some(0), 0), "{text}");
    assert!(folder.path().join("data/latched.testnet").exists(), "{text}");
    // No ledger says that the position is ours: it is named and left.
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--flat"]);
    assert!(code == Some(0) && text.contains("position of others: BTCUSDT long 0.02"), "{code:?} {text}");
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--flat", "--whole-account"]);
    assert!(code == Some(0) && text.matches("FLAT, proven").count() == 1, "every line once: {code:?} {text}");
    assert_eq!(truth(&sim, "positions").len(), 0);
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("KILLED");
}

#[test]
fn the_live_account_is_killed_without_its_ceremony() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    sim.set_faults(&json!({ "withdrawing_key": true })).unwrap();
    rests(&sim, 1);
    let mut kill = tickdeck(&sim, folder.path(), &["--mode", "live", "kill", "--whole-account", "--format", "json"]);
    let output = kill.env("BYBIT_API_KEY", KEY).env("BYBIT_API_SECRET", SECRET).output().unwrap();
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), open_orders(&sim)), (Some(0), 0), "{text} {said}");
    let state: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&state["latched"], &state["no_openings"]), (&json!(true), &json!(true)), "{text}");
    assert!(folder.path().join("data/latched.live").exists());
    // An order that was on its way is looked for a second time.
    assert_eq!(text.matches("the exchange lists no order that can open").count(), 2, "{text}");
}

#[test]
fn a_kill_whose_latch_cannot_be_written_says_so() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    // A pipe that nobody writes where the marker is: opening it never returns.
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let pipe = folder.path().join("data/latched.testnet");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    rests(&sim, 1);
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--format", "json"]);
    assert_eq!((code, open_orders(&sim)), (Some(5), 0), "{text}");
    assert!(text.contains("\"latched\":false") && text.contains("NOT LATCHED"), "{text}");
}

#[test]
fn what_cannot_be_proven_flat_exits_with_8() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    holds(&sim);
    sim.set_faults(&json!({ "banned": true })).unwrap();
    let words = ["--mode", "testnet", "kill", "--flat", "--whole-account", "--within", "1s"];
    // The first step tries for as long as it may, too.
    let (code, text) = done(&sim, folder.path(), &words);
    assert!(code == Some(8) && text.contains("NOT PROVEN"), "{code:?} {text}");
    assert!(text.contains("close from the phone"), "{text}");
}

#[test]
fn a_running_engine_is_asked_by_its_socket() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("balance 10000.00");
    rests(&sim, 1);
    let (code, text) = done(&sim, folder.path(), &["kill", "--format", "json"]);
    let state: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, &state["latched"], &state["no_openings"]), (Some(0), &json!(true), &json!(true)), "{text}");
    assert_eq!(open_orders(&sim), 0);
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat"]);
    assert!(code == Some(0) && text.contains("flat proven"), "{code:?} {text}");
    engine.says("KILLED");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(7), "stopped while killed");
}

#[test]
fn the_simulated_markets_engine_is_asked_too_and_a_signal_is_a_kill() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = Engine::start(&sim, folder.path(), &["run", "--demo"]);
    engine.says("SAFE");
    engine.signal(Signal::QUIT);
    engine.says("KILLED");
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat"]);
    assert_eq!(code, Some(0), "{text}");
    engine.says("FLAT (proven");
}

#[test]
fn a_stopped_engine_is_served_from_here_and_comes_back_fenced_and_killed() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("balance 10000.00");
    engine.signal(Signal::STOP);
    rests(&sim, 1);
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill"]);
    assert_eq!((code, open_orders(&sim)), (Some(0), 0), "{text}");
    assert!(text.contains("SIGQUIT goes to process"), "{text}");
    engine.signal(Signal::CONT);
    engine.says("stood still");
    engine.says("KILLED");
}

fn flatten(sim: &tickdeck::venue::sim::Sim, folder: &std::path::Path, words: &[&str]) -> (Option<i32>, Value, String) {
    let words: Vec<&str> = ["flatten", "--format", "json"].iter().chain(words).copied().collect();
    let (code, text) = done(sim, folder, &words);
    (code, text.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default(), text)
}

#[test]
fn a_running_engine_flattens_and_proves_it() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let (code, _, text) = flatten(&sim, folder.path(), &["--yes"]);
    assert_eq!(code, Some(3), "nothing runs: {text}");
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("SAFE  equity");
    assert_eq!(flatten(&sim, folder.path(), &[]).0, Some(2), "without --yes nothing is closed");
    let (code, _, text) = flatten(&sim, folder.path(), &["DOGEUSDT", "--yes"]);
    assert!(code == Some(6) && text.contains("no instrument DOGEUSDT"), "{code:?} {text}");
    let (code, state, text) = flatten(&sim, folder.path(), &["--yes"]);
    assert_eq!((code, &state["flattened"], &state["latched"]), (Some(0), &json!(true), &json!(false)), "{text}");
    engine.says("FLAT (proven");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
}

/// The engine's thread stands still for good: the guardian closes what is ours, leaves what was there before, and says 8 when
/// it cannot prove it.
#[test]
fn a_flatten_of_an_engine_that_stands_still_is_done_by_its_guardian() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let theirs = json!({ "symbol": "ETHUSDT", "side": "Buy", "qty": "0.3", "positionIdx": 0 });
    sim.act(&json!({ "order": theirs })).unwrap();
    let mut command = tickdeck(&sim, folder.path(), &["--mode", "testnet", "run"]);
    let mut engine = Engine::of(command.env("TICKDECK_PROVOKE", "engine-stuck").stderr(std::process::Stdio::null()));
    let stuck = || done(&sim, folder.path(), &["--mode", "testnet", "flatten", "--yes", "--within", "3s"]);
    // It stands still as soon as it has seen and said that the position is not its own.
    engine.says("ETHUSDT");
    holds(&sim);
    sim.set_faults(&json!({ "fail_before": 1_000_000, "path": "/v5/position/list" })).unwrap();
    let (code, text) = stuck();
    assert!(code == Some(8) && text.contains("NOT PROVEN"), "{code:?} {text}");
    sim.set_faults(&json!({ "fail_before": 0 })).unwrap();
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "flatten", "BTCUSDT", "--yes"]);
    assert!(code == Some(0) && text.contains("takes over: the engine is silent"), "{code:?} {text}");
    let held = truth(&sim, "positions");
    assert_eq!((held.len(), &held[0]["symbol"]), (1, &json!("ETHUSDT")), "{held:?} {text}");
    assert!(!folder.path().join("data/latched.testnet").exists(), "a flatten is no latch");
}

/// No file may grow beyond half a megabyte, as on a disk that is full: the run trips, stays up, latches, and a kill works.
#[test]
fn a_disk_that_takes_no_more_trips_and_a_kill_still_works() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let run = tickdeck(&sim, folder.path(), &["run", "--demo"]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$@\"", "sh"]).arg(run.get_program()).args(run.get_args());
    limited.current_dir(folder.path()).envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut engine = Engine::of(limited.stderr(std::process::Stdio::null()));
    engine.says("TRIPPED: fault: tape");
    engine.says("TRIPPED  equity");
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(folder.path().join("data/latched.simulated").exists());
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(7));
}

#[test]
fn a_folder_that_takes_no_file_starts_nothing_and_is_named() {
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    let config = tempfile::NamedTempFile::new().unwrap();
    run.arg("--config").arg(config.path());
    let output = run.args(["--data-dir", "/dev/null/data", "run", "--demo"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("/dev/null/data"), "{:?} {said}", output.status);
}
