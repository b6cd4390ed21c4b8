//! The watchdog with the real binary: an engine that is killed, stopped or ends in order, and a watchdog that is stopped
//! itself.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, holds, open_orders, rests, signal, tickdeck, truth, wait};
use rustix::process::Signal;
use tickdeck::engine::ids::{Account, Pair, RunId};
use tickdeck::engine::risk::state::{Latch, LatchCause};
use tickdeck::run::watchdog::Word;
use tickdeck::venue::sim::Sim;

const GUARDED: [&str; 7] =
    ["--mode", "testnet", "--set", "watchdog.enabled=on", "--set", "watchdog.deadline_ms=2000", "run"];

fn guarded(sim: &Sim, folder: &Path, more: &[&str]) -> Engine {
    let words: Vec<&str> = more.iter().copied().chain(GUARDED).collect();
    let mut engine = Engine::start(sim, folder, &words);
    engine.says("balance 10000.00");
    // A second later the watchdog knows what is ours.
    engine.says("SAFE  equity");
    engine
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("data/watchdog.log")).unwrap_or_default()
}

fn logs(folder: &Path, words: &str) {
    wait(&format!("`{words}` in the watchdog's log"), || log(folder).contains(words).then_some(()));
}

/// The child of the engine that is its watchdog.
fn watchdog_of(engine: &Engine) -> u32 {
    let parent = format!("PPid:\t{}", engine.pid());
    wait("the watchdog", || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid: &u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line == parent)
        })
    })
}

#[test]
fn an_engine_that_is_killed_leaves_no_opening_order_and_is_latched() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = guarded(&sim, folder.path(), &[]);
    engine.signal(Signal::STOP);
    rests(&sim, 1);
    holds(&sim);
    engine.signal(Signal::KILL);
    wait("the cancel", || (open_orders(&sim) == 0).then_some(()));
    logs(folder.path(), "the engine's process has ended");
    logs(folder.path(), "positions are kept");
    assert_eq!(truth(&sim, "positions").len(), 1);
    engine.ends();
    let mut again = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    again.says("fenced by the watchdog");
}

#[test]
fn positions_are_closed_where_it_was_told_to() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let engine = guarded(&sim, folder.path(), &["--set", "watchdog.close=true"]);
    engine.signal(Signal::STOP);
    holds(&sim);
    engine.signal(Signal::KILL);
    logs(folder.path(), "FLAT, proven");
    assert_eq!(truth(&sim, "positions").len(), 0, "{}", log(folder.path()));
}

/// What the first try could not do - the disk hangs - is done when it can be, of an engine that is dead or stands still.
#[test]
fn what_could_not_be_done_is_tried_again() {
    for last in [Signal::KILL, Signal::STOP] {
        let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
        let engine = guarded(&sim, folder.path(), &[]);
        // A pipe that nobody writes where the marker is: opening it never returns.
        let marker = folder.path().join("data/latched.testnet");
        assert!(std::process::Command::new("mkfifo").arg(&marker).status().unwrap().success());
        engine.signal(last);
        logs(folder.path(), "THE LATCH IS NOT ON THE DISK");
        std::fs::remove_file(&marker).unwrap();
        wait("the latch", || std::fs::metadata(&marker).is_ok_and(|meta| meta.is_file()).then_some(()));
    }
}

#[test]
fn a_stopped_engine_is_fenced_and_comes_back_tripped() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = guarded(&sim, folder.path(), &[]);
    engine.signal(Signal::STOP);
    rests(&sim, 1);
    wait("the cancel", || (open_orders(&sim) == 0).then_some(()));
    logs(folder.path(), "the engine has been silent");
    let sent = truth(&sim, "requests").len();
    logs(folder.path(), "the exchange lists no order that can open");
    engine.signal(Signal::CONT);
    engine.says("stood still");
    engine.says("fenced by the watchdog");
    logs(folder.path(), "the engine is back");
    let creates = truth(&sim, "requests");
    assert!(creates[sent..].iter().all(|request| request["path"] != "/v5/order/create"), "{creates:#?}");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(7));
}

#[test]
fn a_watchdog_that_is_stopped_is_missed_and_nothing_opens() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = guarded(&sim, folder.path(), &[]);
    let watchdog = watchdog_of(&engine);
    signal(watchdog, Signal::STOP);
    engine.says("the watchdog has not answered");
    signal(watchdog, Signal::CONT);
    engine.says("no longer REDUCING: WATCHDOG_SILENT");
    assert!(!log(folder.path()).contains("fenced"), "it was away itself: {}", log(folder.path()));
}

#[test]
fn an_orderly_end_leaves_nothing_latched() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = guarded(&sim, folder.path(), &[]);
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
    logs(folder.path(), "the run ended in order and leaves nothing open");
    assert!(!folder.path().join("data/latched.testnet").exists());
}

const SERVED: [&str; 7] =
    ["--mode", "testnet", "--set", "watchdog.enabled=service", "--set", "watchdog.deadline_ms=2000", "run"];
const SERVICE: [&str; 6] = ["--mode", "testnet", "--set", "watchdog.deadline_ms=2000", "watchdog", "--engine"];

/// The watchdog as systemd would run it.
fn service(sim: &Sim, folder: &Path, words: &[&str]) -> Engine {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let log = File::options().create(true).append(true).open(folder.join("data/watchdog.log")).unwrap();
    Engine::of(tickdeck(sim, folder, words).stdin(Stdio::null()).stderr(log))
}

fn served(sim: &Sim, folder: &Path) -> Engine {
    let mut engine = Engine::start(sim, folder, &SERVED);
    engine.says("balance 10000.00");
    engine.says("equity 10000");
    engine
}

/// As `docker stop` and systemd end it.
#[test]
fn a_service_that_is_told_to_leave_says_so_and_ends_in_order() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut service = service(&sim, folder.path(), &SERVICE);
    let log = || std::fs::read_to_string(folder.path().join("data/watchdog.log")).unwrap_or_default();
    wait("its first words", || (!log().is_empty()).then_some(()));
    service.signal(Signal::TERM);
    assert_eq!(service.ends(), Some(0), "{}", log());
    assert!(log().contains("told to leave"), "{}", log());
}

/// One service and three engines: it waits, is waited for, outlives a goodbye, and acts on a death.
#[test]
fn a_service_outlives_its_engines_and_acts_for_the_one_that_dies() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = Engine::start(&sim, folder.path(), &SERVED);
    engine.says("no watchdog has come");
    let service = service(&sim, folder.path(), &SERVICE);
    engine.says("no longer REDUCING: WATCHDOG_SILENT");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
    logs(folder.path(), "the run ended in order and leaves nothing open");
    logs(folder.path(), "no engine runs, waiting");
    assert!(!folder.path().join("data/latched.testnet").exists());
    let mut engine = served(&sim, folder.path());
    wait("the second run", || (log(folder.path()).matches("watching run").count() == 2).then_some(()));
    engine.signal(Signal::STOP);
    rests(&sim, 1);
    holds(&sim);
    engine.signal(Signal::KILL);
    wait("the cancel", || (open_orders(&sim) == 0).then_some(()));
    logs(folder.path(), "the engine's process has ended");
    logs(folder.path(), "the account is fenced, no order is left that could open");
    engine.ends();
    assert_eq!(truth(&sim, "positions").len(), 1, "kept");
    // The third finds the latch, and is watched again.
    let mut engine = Engine::start(&sim, folder.path(), &SERVED);
    engine.says("fenced by the watchdog");
    wait("the third run", || (log(folder.path()).matches("watching run").count() == 3).then_some(()));
    engine.says("no longer REDUCING: WATCHDOG_SILENT");
    drop(service);
    engine.says("the watchdog has not answered");
}

#[test]
fn a_service_acts_for_an_engine_that_died_while_nobody_watched() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = served(&sim, folder.path());
    rests(&sim, 1);
    engine.signal(Signal::KILL);
    engine.ends();
    let _service = service(&sim, folder.path(), &SERVICE);
    wait("the cancel", || (open_orders(&sim) == 0).then_some(()));
    logs(folder.path(), "ended without a goodbye while nobody watched");
    logs(folder.path(), "the account is fenced, no order is left that could open");
    logs(folder.path(), "no engine runs, waiting");
    let mut again = Engine::start(&sim, folder.path(), &SERVED);
    again.says("fenced by the watchdog");
}

#[test]
fn a_service_fences_an_engine_that_is_stopped_and_is_missed_when_it_is_stopped_itself() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let socket = folder.path().join("data/engine-testnet.sock");
    let named: Vec<&str> = SERVICE.iter().copied().chain([socket.to_str().unwrap()]).collect();
    let service = service(&sim, folder.path(), &named);
    let mut engine = served(&sim, folder.path());
    logs(folder.path(), "watching run");
    service.signal(Signal::STOP);
    engine.says("the watchdog has not answered");
    service.signal(Signal::CONT);
    engine.says("no longer REDUCING: WATCHDOG_SILENT");
    assert!(!log(folder.path()).contains("fenced"), "it was away itself: {}", log(folder.path()));
    engine.signal(Signal::STOP);
    rests(&sim, 1);
    wait("the cancel", || (open_orders(&sim) == 0).then_some(()));
    logs(folder.path(), "the engine has been silent");
    logs(folder.path(), "positions are kept");
    engine.signal(Signal::CONT);
    engine.says("fenced by the watchdog");
    logs(folder.path(), "the engine is back");
}

#[test]
fn an_engine_with_a_watchdog_of_its_own_takes_none_from_outside() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let _engine = guarded(&sim, folder.path(), &[]);
    let _service = service(&sim, folder.path(), &SERVICE);
    logs(folder.path(), "does not take this watchdog: `[watchdog] enabled`");
    assert!(!folder.path().join("data/latched.testnet").exists());
}

/// A rollout overlaps: the second service waits, nothing is fenced, and it takes over when the first one goes.
#[test]
fn a_second_service_waits_for_the_first_and_fences_nothing() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let first = service(&sim, folder.path(), &SERVICE);
    let mut engine = served(&sim, folder.path());
    logs(folder.path(), "watching run");
    let _second = service(&sim, folder.path(), &SERVICE);
    logs(folder.path(), "the engine does not take this watchdog: another one watches already, and answers");
    drop(first);
    wait("the second one", || (log(folder.path()).matches("watching run").count() == 2).then_some(()));
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
    logs(folder.path(), "the run ended in order and leaves nothing open");
    assert!(!log(folder.path()).contains("fenced"), "{}", log(folder.path()));
    assert!(!folder.path().join("data/latched.testnet").exists());
}

/// The line of a service breaks and its engine goes on: that is no death, and it is watched anew.
#[test]
fn a_line_that_ends_while_the_engine_lives_is_no_death() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let _service = service(&sim, folder.path(), &SERVICE);
    // An engine that says hello, breaks the line off and goes on taking connections.
    let socket = folder.path().join("data/engine-testnet.sock");
    let engine = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let hello = Word::Hello { v: 1, run: RunId::new(1_763_800_000_000, 1) };
    let hello = format!("{}\n", serde_json::to_string(&hello).unwrap());
    std::thread::spawn(move || {
        for mut line in engine.incoming().flatten() {
            drop(line.write_all(hello.as_bytes()));
        }
    });
    logs(folder.path(), "the line to the engine has ended, and the engine lives");
    wait("that it is watched anew", || (log(folder.path()).matches("watching run").count() >= 2).then_some(()));
    assert!(!log(folder.path()).contains("fenced"), "{}", log(folder.path()));
    assert!(!folder.path().join("data/latched.testnet").exists());
}

/// A fence that comes when the engine was never away, and the end of it by a person's word.
#[test]
fn a_latch_that_is_set_beside_an_engine_that_is_well_is_taken_over_and_can_be_lifted() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("SAFE  equity");
    let mark = |cause| {
        let latch = Latch { cause, at: at_sim::now()() };
        let pair = Pair::bybit(Account::Testnet);
        tickdeck::ledger::mark_latched(&folder.path().join("data/testnet.sqlite"), pair, &latch).unwrap();
    };
    mark(LatchCause::Fault("fenced by the watchdog: a trial".into()));
    engine.says("fenced by the watchdog: a trial");
    engine.says("TRIPPED  equity");
    // A kill is more than a trip.
    mark(LatchCause::Killed("tickdeck kill".into()));
    engine.says("KILLED  equity");
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "reset", "--yes"]);
    assert_eq!(code, Some(0), "{text}");
    let marker = folder.path().join("data/latched.testnet");
    wait("the end of the marker", || (!marker.exists()).then_some(()));
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0), "not latched again by what was lifted");
}

/// Without a ledger nobody can say whose a position is: it is left, and nobody is told that the account is flat.
#[test]
fn a_watchdog_without_a_ledger_does_not_take_what_it_cannot_attribute_for_flat() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    // What an engine left that died, without its ledger.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("data/engine-testnet.sock")).unwrap());
    holds(&sim);
    let words: Vec<&str> = ["--set", "watchdog.close=true"].into_iter().chain(SERVICE).collect();
    let _service = service(&sim, folder.path(), &words);
    logs(folder.path(), "FLAT IS NOT PROVEN: BTCUSDT long 0.02: not known to be ours");
    assert!(!log(folder.path()).contains("FLAT, proven"), "{}", log(folder.path()));
    assert_eq!(truth(&sim, "positions").len(), 1);
}
