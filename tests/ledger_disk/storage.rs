//! The real binary on its own market, with storage that fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tickdeck::ledger::{Filter, Reader, Verdict};

use super::engine::Engine;

const BINARY: &str = env!("CARGO_BIN_EXE_tickdeck");
const WORDS: &str = "run --demo --arm --yes --practice --format json --seed 5 --set tape.record=off";

fn ledger(folder: &Path) -> PathBuf {
    folder.join("simulated.sqlite")
}

fn demo(folder: &Path, before: &str) -> Engine {
    let mut shell = Command::new("bash");
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    shell.env("TICKDECK__MODEL__DIR", models);
    shell.args(["-c", &format!("{before} exec {BINARY} --data-dir {} {WORDS}", folder.display())]);
    Engine::of(shell)
}

fn trades(engine: &mut Engine) {
    engine.says("a fill", |line| line.contains("execution.fill"));
}

/// It trips for its ledger, opens nothing more and goes on.
fn trips(engine: &mut Engine) {
    engine.says("the trip", |line| line.contains("TRIPPED") && line.contains("run.state"));
    let fills = engine.heard.iter().filter(|line| line.contains("execution.fill")).count();
    for _ in 0..3 {
        engine.says("a state", |line| line.contains("run.state"));
    }
    let latch = engine.heard.last().unwrap();
    assert!(latch.contains("TRIPPED") && latch.contains("ledger"), "{latch}");
    assert!(fills > 0);
}

/// The next run begins latched, and the chain is whole.
fn stays(folder: &Path, word: &str) {
    let mut next = demo(folder, "");
    for _ in 0..3 {
        let line = next.says("a state", |line| line.contains("run.state"));
        assert!(line.contains(word), "{line}");
    }
    drop(next);
    assert!(matches!(Reader::open(&ledger(folder)).unwrap().audit(None).unwrap(), Verdict::Sound(_)));
}

pub fn full() {
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond this many KiB: what a full disk looks like to the program, without a disk to fill.
    let mut engine = demo(folder.path(), "ulimit -f 420;");
    trades(&mut engine);
    trips(&mut engine);
    drop(engine);
    stays(folder.path(), "TRIPPED");
}

pub fn locked() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = demo(folder.path(), "");
    trades(&mut engine);
    // What the engine says it traded is in the ledger a commit later.
    let fills = || Reader::open(&ledger(folder.path())).unwrap().fills(&Filter::default()).unwrap().len();
    let since = Instant::now();
    while fills() == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "no fill reaches the ledger");
    }
    let other = rusqlite::Connection::open(ledger(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    trips(&mut engine);
    let reader = Reader::open(&ledger(folder.path())).unwrap();
    let before = reader.fills(&Filter::default()).unwrap().len();
    assert!(before > 0, "readers are not kept out");
    // A kill waits for no disk: it shows and its marker is there while the file is still locked.
    engine.signal(rustix::process::Signal::QUIT);
    engine.says("the kill", |line| line.contains("KILLED") && line.contains("run.state"));
    let marked =
        || std::fs::read_to_string(folder.path().join("latched.simulated")).is_ok_and(|text| text.contains("Killed"));
    let since = std::time::Instant::now();
    while !marked() {
        assert!(since.elapsed() < super::engine::PATIENCE, "the marker waits for the lock");
        std::thread::yield_now();
    }
    other.execute_batch("COMMIT").unwrap();
    // What waited is stored.
    let since = std::time::Instant::now();
    while reader.latch().unwrap().is_none() || !latch_rows(&reader) {
        assert!(since.elapsed() < super::engine::PATIENCE, "the rows that waited are not stored");
        engine.says("a state", |line| line.contains("run.state"));
    }
    drop((engine, reader, other));
    stays(folder.path(), "KILLED");
    // Before a start it is refused with words.
    let other = rusqlite::Connection::open(ledger(folder.path())).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let output = Command::new(BINARY).arg("--data-dir").arg(folder.path()).args(WORDS.split(' ')).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("locked") && text.contains("Nothing was traded"), "{text}");
}

fn latch_rows(reader: &Reader) -> bool {
    reader.tables().unwrap().iter().any(|(name, sheet)| *name == "latches" && !sheet.is_empty())
}

pub fn removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = demo(folder.path(), "");
    trades(&mut engine);
    std::fs::remove_file(ledger(folder.path())).unwrap();
    trips(&mut engine);
    assert!(engine.heard.iter().any(|line| line.contains("removed or replaced")), "{:#?}", engine.heard.last());
    drop(engine);
    assert!(folder.path().join("latched.simulated").exists(), "the latch is beside it");
}

pub fn unwritable() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for place in [file.path().join("data"), PathBuf::from("/proc/self/data")] {
        let output = Command::new(BINARY).arg("--data-dir").arg(&place).args(WORDS.split(' ')).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 4)), "{text}");
        assert!(text.contains("cannot") && text.contains(&place.display().to_string()), "{text}");
    }
}
