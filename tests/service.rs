//! A run as a service of systemd: its notify protocol, over a real socket.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, holds, tickdeck, truth, wait};
use serde_json::json;

/// A message that does not come within this does not come.
const PATIENCE: Duration = Duration::from_secs(60);

fn systemd(folder: &Path) -> (UnixDatagram, std::path::PathBuf) {
    let path = folder.join("notify.sock");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    (systemd, path)
}

/// The engine's thread stands still for good while the guardian tries to close: systemd must not end it in the middle of
/// that, and may once it is done.
#[test]
fn systemd_waits_for_a_guardian_that_closes_beside_an_engine_that_stands_still() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let (systemd, path) = systemd(folder.path());
    let theirs = json!({ "symbol": "ETHUSDT", "side": "Buy", "qty": "0.3", "positionIdx": 0 });
    sim.act(&json!({ "order": theirs })).unwrap();
    let mut command = tickdeck(&sim, folder.path(), &["--mode", "testnet", "run"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "900000").env("TICKDECK_PROVOKE", "engine-stuck");
    let mut engine = Engine::of(command.stderr(Stdio::null()));
    // It stands still as soon as it has seen and said that the position is not its own.
    engine.says("ETHUSDT");
    holds(&sim);
    sim.set_faults(&json!({ "fail_before": 1_000_000, "path": "/v5/position/list" })).unwrap();
    let (code, text) = done(&sim, folder.path(), &["--mode", "testnet", "flatten", "--yes", "--within", "3s"]);
    assert!(code == Some(8) && text.contains("NOT PROVEN"), "{code:?} {text}");
    let mut message = [0; 256];
    let mut hear = || systemd.recv(&mut message).map(|length| String::from_utf8_lossy(&message[..length]).into_owned());
    // What was said before the engine stood still comes first.
    let said = wait("more time to be asked for", || hear().ok().filter(|said| said.contains("EXTEND_TIMEOUT_USEC=")));
    assert!(said.contains("WATCHDOG=1"), "{said}");
    sim.set_faults(&json!({ "fail_before": 0 })).unwrap();
    wait("flat", || {
        // Nobody who waits for systemd to read is held up.
        drop(hear());
        (truth(&sim, "positions").len() == 1).then_some(())
    });
    systemd.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    wait("silence", || hear().is_err().then_some(()));
}

#[test]
fn systemd_hears_that_the_engine_is_ready_beats_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (systemd, path) = systemd(folder.path());
    let mut engine = Command::new(env!("CARGO_BIN_EXE_tickdeck"))
        .args(["--data-dir", "data", "run", "--demo", "--seed", "7", "--for", "3s"])
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "900000")
        .env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = Vec::new();
    let mut message = [0; 256];
    while heard.last().is_none_or(|last| last != "STOPPING=1") {
        let length = systemd.recv(&mut message).unwrap();
        heard.push(String::from_utf8_lossy(&message[..length]).trim().to_owned());
    }
    assert_eq!(engine.wait().unwrap().code(), Some(0));
    let count = |word: &str| heard.iter().filter(|said| *said == word).count();
    assert_eq!((heard[0].as_str(), count("READY=1"), count("STOPPING=1")), ("READY=1", 1, 1), "{heard:?}");
    assert!(count("WATCHDOG=1") >= 3, "{heard:?}");
}
