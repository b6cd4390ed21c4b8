//! What a run writes down: every line an event of the registry, the same on stdout as in the file, for its owner alone, and without
//! a secret. And what comes by the control socket that is not understood: refused, counted, logged.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use at_sim::exchange;
use processes::{Engine, KEY, SECRET, done, tickdeck};
use rustix::process::Signal;
use serde_json::Value;
use tickdeck::run::log::EVENTS;

fn lines(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let known = EVENTS.iter().any(|spec| line["event"] == spec.name);
        assert!(
            known && line["at"].is_string() && ["info", "warn", "alarm"].iter().any(|l| line["level"] == *l),
            "{line}"
        );
    }
    lines
}

fn has<'a>(lines: &'a [Value], event: &str) -> &'a Value {
    lines.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("no {event}"))
}

/// Says something to the control socket, as it is.
fn says(folder: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(folder.join("data/engine-testnet.sock")).unwrap();
    // What is too long is not read to its end.
    drop(stream.write_all(bytes));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    answer
}

#[test]
fn every_line_is_an_event_of_the_registry_and_none_holds_a_secret() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    let words = ["--mode", "testnet", "run", "--format", "json"];
    let out = folder.path().join("out.jsonl");
    let mut command = tickdeck(&sim, folder.path(), &words);
    let mut process =
        command.stdout(std::fs::File::create(&out).unwrap()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let printed = || std::fs::read_to_string(&out).unwrap();
    processes::wait("the account", || printed().contains("\"SAFE\"").then_some(()));
    assert!(says(folder.path(), b"\x00\xff\xfe\n").contains("error"));
    assert!(says(folder.path(), b"{\"v\":1,\"verb\":\"launder\"}\n").contains("launder"));
    assert!(says(folder.path(), b"{\"v\":9,\"verb\":\"kill\"}\n").contains("version 9"));
    assert!(says(folder.path(), &vec![b'k'; 70_000]).contains("at most"));
    let (code, text) = done(&sim, folder.path(), &["kill"]);
    assert_eq!(code, Some(0), "{text}");
    processes::wait("the kill", || printed().contains("KILLED").then_some(()));
    processes::signal(process.id(), Signal::TERM);
    processes::wait("the end", || process.try_wait().unwrap());

    let path = folder.path().join("data/logs/testnet.jsonl");
    let (written, printed) = (std::fs::read_to_string(&path).unwrap(), printed());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (written_lines, printed_lines) = (lines(&written), lines(&printed));
    for event in ["run.began", "run.state", "state.changed", "control.asked", "control.refused", "run.ended"] {
        has(&written_lines, event);
    }
    has(&printed_lines, "run.state");
    let kill = |line: &&Value| line["event"] == "state.changed" && line["text"].as_str().unwrap().contains("KILLED");
    assert_eq!(written_lines.iter().find(kill), printed_lines.iter().find(kill), "the same line");
    let refused: Vec<&Value> = written_lines.iter().filter(|line| line["event"] == "control.refused").collect();
    for reason in ["malformed", "version", "oversized"] {
        assert!(
            refused.iter().any(|line| line["way"] == "socket" && line["reason"] == reason),
            "{reason}: {refused:?}"
        );
    }
    for text in [written, printed] {
        for secret in [KEY, SECRET] {
            assert!(!text.contains(&secret[..8]), "a piece of a secret");
        }
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let (sim, folder) = (exchange(KEY, SECRET), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/logs"), "in the way").unwrap();
    let mut engine = Engine::start(&sim, folder.path(), &["--mode", "testnet", "run"]);
    engine.says("no log is written");
    engine.says("SAFE  equity");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
}
