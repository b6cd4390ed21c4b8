//! Arming that outlives a crash: `[arming] resume`, from one process to the next through the ledger. Never over a kill, never after
//! a disarm, and only where the configuration says so.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use processes::Engine;
use rustix::process::Signal;

fn tickdeck(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.current_dir(folder).args(["--data-dir", "data"]).args(words);
    command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    command
}

fn run(folder: &Path, resume: bool) -> Engine {
    let resume = format!("arming.resume={resume}");
    let words = ["run", "--demo", "--practice", "--format", "json", "--set", &resume];
    let mut engine = Engine::of(tickdeck(folder, &words).stderr(Stdio::null()));
    engine.says("run.state");
    engine
}

fn done(folder: &Path, words: &[&str]) -> String {
    let output = tickdeck(folder, words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `status` says of the live engine.
fn status(folder: &Path) -> BTreeMap<String, String> {
    let rows: Vec<BTreeMap<String, String>> =
        serde_json::from_str(&done(folder, &["status", "--format", "json"])).unwrap();
    rows.into_iter().map(|row| (row["fact"].clone(), row["value"].clone())).collect()
}

/// Armed for eight hours; until when.
fn armed(folder: &Path, resume: bool) -> (Engine, String) {
    let mut engine = run(folder, resume);
    engine.says("\"SAFE\"");
    done(folder, &["arm", "--for", "8h", "--yes"]);
    let facts = status(folder);
    assert_eq!((facts["state"].as_str(), facts["unattended"].as_str()), ("ARMED", "yes"), "{facts:?}");
    (engine, facts["armed until"].clone())
}

fn dies(mut engine: Engine) {
    engine.signal(Signal::KILL);
    engine.ends();
}

#[test]
fn a_crash_inside_the_time_comes_up_armed_until_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, until) = armed(folder.path(), true);
    dies(engine);
    for _ in 0..2 {
        let mut engine = run(folder.path(), true);
        engine.says("ARMED again after a restart");
        let facts = status(folder.path());
        assert_eq!((facts["state"].as_str(), &facts["armed until"]), ("ARMED", &until), "{facts:?}");
        dies(engine);
    }
    // One that was not to resume has ended it for those after it.
    let mut engine = run(folder.path(), false);
    engine.says("\"SAFE\"");
    assert_eq!(status(folder.path())["state"], "SAFE");
    dies(engine);
    let mut engine = run(folder.path(), true);
    engine.says("\"SAFE\"");
    assert_eq!(status(folder.path())["state"], "SAFE");
    assert!(!engine.said("armed until"));
}

#[test]
fn a_kill_a_disarm_and_an_end_in_order_are_not_undone() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = armed(folder.path(), true);
    done(folder.path(), &["disarm"]);
    dies(engine);
    let (mut engine, _) = armed(folder.path(), true);
    assert!(!engine.said("before the restart"), "it was disarmed");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
    let (mut engine, _) = armed(folder.path(), true);
    assert!(!engine.said("before the restart"), "it ended in order");
    done(folder.path(), &["kill"]);
    dies(engine);
    let mut engine = run(folder.path(), true);
    engine.says("\"KILLED\"");
    done(folder.path(), &["reset", "--yes"]);
    engine.says("\"SAFE\"");
    assert!(!engine.said("ARMED again"));
    let facts = status(folder.path());
    assert_eq!((facts["state"].as_str(), facts.get("armed until")), ("SAFE", None), "{facts:?}");
}
