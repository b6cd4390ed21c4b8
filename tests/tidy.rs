//! Holds the boundaries that a single crate has no compiler wall for: who may import whom, what the engine may not
//! touch, how large a file may grow, and that every file says what it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

use std::fs;
use std::path::{Path, PathBuf};

/// Ring of each folder or file directly under `src`, and what it may import from the crate besides itself.
const RINGS: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("config.rs", &["alerts", "engine", "keys", "ledger", "tape", "tui", "venue"]),
    ("config", &["alerts", "engine", "keys", "ledger", "tape", "tui", "venue"]),
    ("keys", &["engine", "redact"]),
    ("ledger", &["engine"]),
    ("model", &["engine", "keys", "tape", "venue"]),
    ("tape", &["engine"]),
    ("gate.rs", &[]),
    ("redact.rs", &[]),
    ("alerts", &["engine", "keys", "venue"]),
    ("metrics", &["engine"]),
    ("tui", &["engine", "gate", "redact"]),
    ("venue", &["engine", "gate"]),
    (
        "run",
        &["alerts", "config", "engine", "gate", "keys", "ledger", "metrics", "model", "redact", "tape", "tui", "venue"],
    ),
    ("cli.rs", &["config", "engine", "keys", "ledger", "model", "run", "tape", "tui", "venue"]),
    (
        "cli",
        &["alerts", "config", "engine", "gate", "keys", "ledger", "metrics", "model", "run", "tape", "tui", "venue"],
    ),
    ("main.rs", &["cli", "config", "run"]),
    ("train_cuda.rs", &["cli"]),
    (
        "lib.rs",
        &["cli", "config", "engine", "gate", "keys", "ledger", "metrics", "model", "run", "tape", "tui", "venue"],
    ),
];

/// Words that have no place in the engine, and where each is allowed all the same.
const ENGINE_BANS: &[(&str, &[&str])] = &[
    ("async ", &[]),
    ("tokio", &[]),
    ("std::thread", &[]),
    ("std::fs", &[]),
    ("std::env", &[]),
    ("std::time", &[]),
    ("SystemTime", &[]),
    ("Instant::now", &[]),
    ("HashMap", &[]),
    ("HashSet", &[]),
    ("rand::", &[]),
    ("println!", &[]),
    (".unwrap()", &[]),
    (".expect(", &[]),
    (".sin()", &[]),
    (".ln()", &[]),
    (".exp()", &[]),
    (".powf(", &[]),
    // Floats live in features and models, in what is drawn, and in the signal that both meet in.
    (
        "f64",
        &[
            "features/",
            "signal.rs",
            "signal_rows.rs",
            "trust/",
            "why.rs",
            "snapshot.rs",
            "view.rs",
            "settings.rs",
            "strategy/",
            "num.rs",
            "time.rs",
            "desk.rs",
            "guarding.rs",
            "mod.rs",
            "trading.rs",
            "execution/",
            "market/book.rs",
            "market/candles.rs",
        ],
    ),
];

const FILE_LINES_MAX: usize = 800;

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), &mut files);
    assert!(files.len() > 20, "found the source");
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().to_string_lossy().into_owned()
}

/// The part of a file before its tests, without comments.
fn product(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs")
        || name.contains("/tests/")
        || name.ends_with("round_trip.rs")
        || name.ends_with("samples.rs")
}

#[test]
fn imports_respect_the_rings() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        let ring = name.split('/').next().unwrap();
        let Some((_, allowed)) = RINGS.iter().find(|(own, _)| *own == ring) else {
            wrong.push(format!("{name}: no ring for `{ring}`; add it to the table on purpose"));
            continue;
        };
        let own = ring.trim_end_matches(".rs");
        for part in product(&text).split("crate::").skip(1) {
            let target: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if target != own && !target.is_empty() && !allowed.contains(&target.as_str()) {
                wrong.push(format!("{name} imports crate::{target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_engine_touches_nothing_outside() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        if !name.starts_with("engine/") || is_test_file(&name) {
            continue;
        }
        let code = product(&text);
        for (word, allowed) in ENGINE_BANS {
            let inside = name.trim_start_matches("engine/");
            if code.contains(word) && !allowed.iter().any(|place| inside.starts_with(place)) {
                wrong.push(format!("{name} uses `{word}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_fits_a_mind() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        if !text.starts_with("//!") {
            wrong.push(format!("{name} does not open with //!"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{name} has {lines} lines"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_clock_file_reads_clocks_that_decide() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        let code = product(&text);
        if code.contains("SystemTime::now")
            && name != "run/clock.rs"
            && !name.starts_with("tui/")
            && !is_test_file(&name)
        {
            wrong.push(format!("{name} reads the wall clock"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Credentials of the live account without its three proofs are for what only cancels, closes or reads.
#[test]
fn only_what_tightens_gets_live_credentials_without_proof() {
    let may = [
        "venue/bybit/unlock.rs",
        "cli/kill.rs",
        "cli/watchdog.rs",
        "cli/live.rs",
        "cli/runs.rs",
        "run/doctor/account.rs",
    ];
    let named: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| product(text).contains("to_tighten"))
        .map(|(path, _)| relative(path))
        .collect();
    let others: Vec<&String> = named.iter().filter(|name| !may.contains(&name.as_str())).collect();
    assert!(others.is_empty() && named.len() == may.len(), "{named:?}");
    let whole = sources();
    let live = whole.iter().find(|(path, _)| relative(path) == "cli/live.rs").map(|(_, text)| product(text)).unwrap();
    let begins = live.find("fn to_tighten").unwrap();
    assert_eq!(live[..begins].matches("to_tighten").count(), 0, "no run is made of it");
    assert!(live[begins..].contains("-> Result<RescueAccess, Failure>"));
}

#[test]
fn only_the_theme_names_colours() {
    for (path, text) in sources() {
        let name = relative(&path);
        if name.starts_with("tui/") && !name.starts_with("tui/theme") && !is_test_file(&name) {
            assert!(!product(&text).contains("Color::"), "{name} names a colour; use a style of the theme");
        }
    }
}

#[test]
fn nothing_is_left_half_done() {
    for (path, text) in sources() {
        let name = relative(&path);
        for word in ["todo!(", "unimplemented!(", "TODO", "FIXME", "dbg!("] {
            assert!(!text.contains(word), "{name} contains {word}");
        }
    }
}
