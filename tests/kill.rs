//! `tickdeck kill` and the signals with the real binary: beside a running engine, one that is stopped, one that was killed
//! with -9, and none at all; at a simulated exchange whose own books are the judge.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use at_sim::{exchange, exchange_in};
use processes::{Engine, KEY, SECRET, done, holds, open_orders, rests, rests_as, tickdeck, truth, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use tickdeck::venue::simulated::Weather;

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
    // No ledger says whose the position is: it is named and left, and nothing is called flat.
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--flat"]);
    assert!(
        code == Some(8) && text.contains("BTCUSDT long 0.02") && text.contains("--whole-account"),
        "{code:?} {text}"
    );
    assert!(!text.contains("FLAT, proven"), "{text}");
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--flat", "--whole-account"]);
    assert!(code == Some(0) && text.matches("FLAT, proven").count() == 1, "every line once: {code:?} {text}");
    assert_eq!(truth(&sim, "positions").len(), 0);
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--flat"]);
    assert!(code == Some(0) && text.contains("FLAT, proven"), "nothing is open, whoever's: {code:?} {text}");
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
fn a_data_folder_that_cannot_be_made_keeps_no_order_open() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("data"), "a file where the folder should be").unwrap();
    std::fs::write(folder.path().join("config.toml"), "").unwrap();
    rests(&sim, 1);
    let (code, text) = done(&sim, folder.path(), &["--config", "config.toml", "--mode", "testnet", "kill"]);
    assert_eq!((code, open_orders(&sim)), (Some(5), 0), "{text}");
    assert!(text.contains("NOT LATCHED"), "{text}");
}

/// The disk hangs under a running engine: it is killed, and may not know of it after a restart.
#[test]
fn a_kill_that_an_engine_has_in_memory_only_says_so() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("balance 10000.00");
    // A pipe that nobody writes where the marker is: opening it never returns.
    let pipe = folder.path().join("data/latched.testnet");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    rests(&sim, 1);
    let (code, text) = done(&sim, folder.path(), &["kill", "--format", "json"]);
    assert_eq!((code, open_orders(&sim)), (Some(5), 0), "{text}");
    assert!(text.contains("\"latched\":true") && text.contains("\"durable\":false"), "{text}");
    assert!(text.contains("NOT ON THE DISK"), "{text}");
    engine.says("KILLED");
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

/// Others have a position inside the run, one outside it and an order that can open: a kill names all of it and calls only
/// ours flat, and the whole account only where that was asked for.
#[test]
fn what_others_have_is_named_and_ends_only_where_that_is_asked_for() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    holds(&sim);
    let outside = json!({ "symbol": "ETHUSDT", "side": "Sell", "qty": "0.3", "positionIdx": 0 });
    sim.act(&json!({ "order": outside })).unwrap();
    rests_as(&sim, "grid-1");
    let words = ["--mode", "testnet", "run", "--set", "symbols=[\"BTCUSDT\"]"];
    let mut engine = Engine::start(&sim, folder.path(), &words);
    engine.says("outside the run: ETHUSDT short 0.3");
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat", "--format", "json"]);
    let state: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, &state["flat"]), (Some(0), &json!(true)), "{text}");
    let left = state["left_alone"].to_string();
    for what in ["BTCUSDT", "ETHUSDT short 0.3", "order of others (opens)"] {
        assert!(left.contains(what), "no {what} in {left}");
    }
    let guardian = state["guardian"].to_string();
    assert!(guardian.contains("no order of ours that can open; 1 of others left"), "{guardian}");
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat"]);
    assert!(code == Some(0) && text.contains("KILLED, ours is flat; what is not ours stays open"), "{code:?} {text}");
    assert_eq!((open_orders(&sim), truth(&sim, "positions").len()), (1, 2), "nothing of it was touched");
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat", "--whole-account", "--format", "json"]);
    let state: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, &state["flat"], &state["left_alone"]), (Some(0), &json!(true), &json!([])), "{text}");
    assert_eq!((open_orders(&sim), truth(&sim, "positions").len()), (0, 0), "{text}");
    wait("the engine to see it", || {
        let (_, text) = done(&sim, folder.path(), &["kill", "--flat"]);
        text.contains("KILLED, flat").then_some(())
    });
    assert!(!engine.said("another engine"), "{}", engine.told());
}

/// What is left of the account cannot be reached: that is no ordinary end.
#[test]
fn a_whole_account_that_is_not_proven_flat_ends_with_8() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    holds(&sim);
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("BTCUSDT");
    let mut kill = tickdeck(&sim, folder.path(), &["kill", "--flat", "--whole-account", "--within", "2s"]);
    let output = kill.env("BYBIT_TESTNET_API_KEY", "another").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), truth(&sim, "positions").len()), (Some(8), 1), "{said}");
}

/// The engine stood still while `tickdeck kill --flat` closed for it: the orders of that are no other engine's, and the latch says
/// which way the kill came.
#[test]
fn an_engine_that_wakes_takes_the_orders_of_a_rescue_for_no_other_engine() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    holds(&sim);
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("BTCUSDT");
    engine.signal(Signal::STOP);
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill", "--flat", "--whole-account"]);
    assert_eq!((code, truth(&sim, "positions").len()), (Some(0), 0), "{text}");
    engine.signal(Signal::CONT);
    engine.says("KILLED");
    engine.says("stood still");
    let (code, text) = done(&sim, folder.path(), &["kill", "--flat"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(engine.said("SIGQUIT") || engine.said("tickdeck kill"), "{}", engine.told());
    assert!(!engine.said("another engine"), "{}", engine.told());
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

/// One of two engines does not answer: the other one is killed all the same, and both are told of.
#[test]
fn an_engine_that_does_not_answer_keeps_no_other_from_its_kill() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let mut simulated = Engine::start(&sim, folder.path(), &["run", "--demo"]);
    simulated.says("SAFE");
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("balance 10000.00");
    rests(&sim, 1);
    simulated.signal(Signal::STOP);
    let (code, text) = done(&sim, folder.path(), &["kill"]);
    assert_eq!((code, open_orders(&sim)), (Some(5), 0), "{text}");
    assert!(text.contains("testnet: process") && text.contains("simulated: the engine does not answer"), "{text}");
    engine.says("KILLED");
    assert!(folder.path().join("data/latched.simulated").exists(), "{text}");
    simulated.signal(Signal::CONT);
    simulated.says("KILLED");
}

/// Whoever holds the ledger answers nothing that can be used, and the number in its lock file is somebody else's, as it is where
/// the folder is shared with another container: the account is killed from here, and only who listens gets the signal.
#[test]
fn an_answer_that_cannot_be_used_is_none_and_a_stranger_gets_no_signal() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let signalled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::QUIT.as_raw(), signalled.clone()).unwrap();
    let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("testnet.sqlite.lock"), stranger.id().to_string()).unwrap();
    let lock = std::fs::File::open(data.join("testnet.sqlite.lock")).unwrap();
    lock.try_lock().unwrap();
    // Its first two connections end without a word, the next two are refused.
    let engine = std::os::unix::net::UnixListener::bind(data.join("engine-testnet.sock")).unwrap();
    let refusal = "{\"v\":1,\"error\":\"too many connections at once\",\"state\":null}\n";
    std::thread::spawn(move || {
        for (number, line) in engine.incoming().flatten().enumerate() {
            drop(BufReader::new(&line).read_line(&mut String::new()));
            if number >= 2 {
                drop((&line).write_all(refusal.as_bytes()));
            }
        }
    });
    for why in ["answer cannot be read", "too many connections"] {
        rests(&sim, if why.contains("many") { 2 } else { 1 });
        let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill"]);
        assert_eq!((code, open_orders(&sim)), (Some(0), 0), "{text}");
        assert!(
            text.contains(why) && text.contains(&format!("SIGQUIT goes to process {}", std::process::id())),
            "{text}"
        );
    }
    assert!(signalled.load(Ordering::SeqCst));
    assert_eq!(stranger.try_wait().unwrap(), None, "it goes on");
    // Nobody listens any more, and the lock is still held: no signal goes to anybody, and that is no error.
    std::fs::remove_file(data.join("engine-testnet.sock")).unwrap();
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "kill"]);
    assert!(code == Some(0) && text.contains("no signal goes to it"), "{code:?} {text}");
    assert_eq!(stranger.try_wait().unwrap(), None, "it goes on");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
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
    for (words, marker) in [
        (["run", "--demo", "--practice"], "data/latched.simulated"),
        (["--mode", "testnet", "run"], "data/latched.testnet"),
    ] {
        let (sim, folder) = (exchange_in(Weather::Crash, KEY, SECRET), tempfile::tempdir().unwrap());
        let run = tickdeck(&sim, folder.path(), &words);
        let mut engine = within("trap '' XFSZ; ulimit -f 1000;", &[], &run);
        engine.says("TRIPPED: fault: tape");
        engine.says("TRIPPED  equity");
        if marker.contains("testnet") {
            rests(&sim, 1);
        }
        let (code, text) = done(&sim, folder.path(), &["kill", "--flat"]);
        assert_eq!((code, open_orders(&sim)), (Some(0), 0), "{text}");
        assert!(folder.path().join(marker).exists());
        engine.signal(Signal::TERM);
        assert_eq!(engine.ends(), Some(7));
    }
}

/// The program in a shell that was told this first, started by these words.
fn within(first: &str, by: &[&str], run: &std::process::Command) -> Engine {
    let words: Vec<&str> = by.iter().copied().chain(["sh"]).collect();
    let mut shell = std::process::Command::new(words[0]);
    shell
        .args(&words[1..])
        .args(["-c", &format!("{first} exec \"$@\""), "sh"])
        .arg(run.get_program())
        .args(run.get_args());
    shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Engine::of(shell.current_dir(run.get_current_dir().unwrap()).stderr(std::process::Stdio::null()))
}

/// The data folder takes no new file any more while the engine runs: it goes on with those that it has, a kill leaves no order
/// that can open, and the next start knows of it.
#[test]
fn a_folder_that_takes_no_file_any_more_keeps_a_kill_from_nothing() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    const NOBODY: u32 = 65_534;
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Root may write anywhere: the engine is then somebody who may not.
    let root = rustix::process::getuid().is_root();
    let by = if root { vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { Vec::new() };
    if root {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mode = |mode| std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
    let run = || tickdeck(&sim, folder.path(), &["--mode", "testnet", "run"]);
    let mut engine = within("", &by, &run());
    engine.says("balance 10000.00");
    mode(0o500);
    rests(&sim, 1);
    engine.signal(Signal::QUIT);
    engine.says("KILLED  equity");
    wait("the cancel", || (open_orders(&sim) == 0).then_some(()));
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(7), "{}", engine.told());
    mode(0o700);
    let mut again = within("", &by, &run());
    again.says("KILLED  equity");
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
