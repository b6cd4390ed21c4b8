//! A run as a service of systemd: its notify protocol, over a real socket.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A message that does not come within this does not come.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn systemd_hears_that_the_engine_is_ready_beats_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify.sock");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
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
