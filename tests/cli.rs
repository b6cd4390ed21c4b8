//! The real binary from a script's point of view: exit codes, stdout as data, stderr for the person, and what stays on
//! disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Shell {
    data: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap() }
    }
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command.args(args).env_clear().env("TICKDECK_DATA_DIR", self.data.path()).current_dir(self.data.path());
        command.stdin(std::process::Stdio::null());
        command
    }
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        told(&self.command(args).output().unwrap())
    }
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.data.path().join(name)
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn exit_codes_are_the_contract() {
    let shell = Shell::new();
    let cases: [(&[&str], i32, &str); 16] = [
        (&[], 1, "needs a terminal"),
        (&["run", "--mode", "live"], 4, "live = true"),
        (&["demo"], 1, "needs a terminal"),
        (&["replay", "x.tape"], 1, "needs a terminal"),
        (&["backtest", "--execution", "--practice", "x.tape"], 2, "cannot be used with"),
        (&["train", "--device", "gpu", "x.tape"], 2, "cpu, cuda"),
        (&["nonsense"], 2, "nonsense"),
        (&["run", "--demo", "--arm"], 2, "--yes"),
        (&["run", "--demo", "--for", "soon"], 2, "60s, 15m, 8h"),
        (&["--front", "lines", "replay", "x.tape"], 2, "backtest"),
        (&["reset"], 3, "no engine is running"),
        (&["kill", "--flat"], 3, "no engine is running"),
        (&["limits", "set", "max_daily_loss", "-1"], 3, "no engine is running"),
        (&["--mode", "live"], 4, "live = true"),
        (&["demo", "--mode", "live"], 4, "paper account and no other"),
        (&["--set", "ui.fps=99", "config", "check"], 4, "`ui.fps`: 99 is not a whole number from 1 to 60"),
    ];
    for (args, code, part) in cases {
        let (exit, out, err) = shell.run(args);
        assert_eq!(exit, code, "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
        assert_eq!(out, "", "{args:?}: stdout is data");
    }
    assert_eq!(std::fs::read_dir(shell.data.path()).unwrap().count(), 0, "refusals leave nothing behind");
}

/// The cockpit is never linked with CUDA: what trains on a GPU is a program beside it, and says so where it is missing.
#[cfg(all(feature = "models", not(feature = "cuda")))]
#[test]
fn a_gpu_needs_its_worker_beside_this_program() {
    let shell = Shell::new();
    let alone = shell.path("tickdeck");
    std::fs::copy(env!("CARGO_BIN_EXE_tickdeck"), &alone).unwrap();
    let train = || {
        let mut command = Command::new(&alone);
        command.args(["train", "--device", "cuda", "--name", "mine", "x.tape"]).current_dir(shell.data.path());
        told(&command.output().unwrap())
    };
    let (exit, out, err) = train();
    assert_eq!((exit, out.as_str()), (1, ""));
    assert!(
        err.contains("there is no") && err.contains("--features cuda") && err.contains("Nothing was written"),
        "{err}"
    );

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let worker = shell.path("tickdeck-train-cuda");
        let write = |text: &str| {
            std::fs::write(&worker, text).unwrap();
            std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("#!/bin/sh\necho \"$@\"\n");
        assert_eq!(train(), (0, "--device cuda --name mine x.tape\n".to_owned(), String::new()));
        write("#!/bin/sh\nexit 127\n");
        let (exit, _, err) = train();
        assert!(exit == 1 && err.contains("libcuda.so.1"), "{err}");
    }
}

#[test]
fn a_configuration_is_made_checked_and_shown() {
    let shell = Shell::new();
    let (exit, out, _) = shell.run(&["config", "init"]);
    assert_eq!((exit, out.trim()), (0, shell.path("config.toml").to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(shell.path("config.toml")).unwrap(), include_str!("../config.example.toml"));
    let (exit, _, err) = shell.run(&["config", "init"]);
    assert!(exit == 1 && err.contains("nothing was overwritten"), "{err}");
    std::fs::write(shell.path("config.toml"), "[risk]\nmax_daily_loss = 12.5\n").unwrap();
    assert_eq!(shell.run(&["config", "check"]).0, 0);
    let (_, out, _) = shell.run(&["config", "show", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["key"] == "risk.max_daily_loss").unwrap();
    assert_eq!(row["value"], "12.5");
    assert!(row["from"].as_str().unwrap().ends_with("config.toml:2"), "{row}");
    let (exit, _, err) = shell.run(&["--config", "missing.toml", "config", "check"]);
    assert!(exit == 4 && err.contains("cannot be read"), "{err}");
    let (exit, out, _) = shell.run(&["config", "schema"]);
    assert!(exit == 0 && serde_json::from_str::<serde_json::Value>(&out).is_ok());
    let output = shell.command(&["config", "check"]).env("TICKDECK__RISK__MAX_DAYLY_LOSS", "5").output().unwrap();
    let (exit, _, err) = told(&output);
    assert!(exit == 4 && err.contains("did you mean `risk.max_daily_loss`?"), "{err}");
}

#[test]
fn what_is_set_before_and_after_the_command_counts_and_the_last_wins() {
    let shell = Shell::new();
    let shown = |args: &[&str]| {
        let (exit, out, err) = shell.run(args);
        assert_eq!(exit, 0, "{args:?}: {err}");
        let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
        let rows = rows.as_array().unwrap().clone();
        move |key: &str| rows.iter().find(|row| row["key"] == key).unwrap()["value"].as_str().unwrap().to_owned()
    };
    let (loss, fps) = ("risk.max_daily_loss=7.5", "ui.fps=7");
    let value = shown(&["--set", loss, "config", "--set", fps, "show", "--set", "ui.mouse=false", "--format", "json"]);
    assert_eq!((value("risk.max_daily_loss"), value("ui.fps")), ("7.5".to_owned(), "7".to_owned()));
    let value = shown(&["--set", "ui.fps=9", "config", "show", "--format", "json", "--set", fps]);
    assert_eq!(value("ui.fps"), "7");
    let (exit, _, err) = shell.run(&["--set", "ui.fps=99", "config", "check", "--set", loss]);
    assert!(exit == 4 && err.contains("`ui.fps`: 99"), "{err}");
}

/// Neither `live = true`, limits, a key nor a configuration that can be read stands between a kill and its latch.
#[test]
#[cfg(target_os = "linux")]
fn a_kill_of_the_live_account_latches_before_anything_can_be_refused() {
    for (words, exits) in
        [(vec!["--mode", "live", "kill"], 4), (vec!["--set", "ui.fps=99", "--mode", "live", "kill"], 4)]
    {
        let shell = Shell::new();
        let mut command = shell.command(&words);
        let (exit, _, err) = told(&command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus").output().unwrap());
        assert!(exit == exits && err.contains("the next start is KILLED"), "{words:?}: {exit} {err}");
        assert!(shell.path("latched.live").exists(), "{words:?}: {err}");
    }
}

#[test]
fn completions_name_the_commands() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (exit, out, _) = shell.run(&["completion", name]);
        assert!(exit == 0 && out.contains("backtest"), "{name}");
    }
}

#[test]
fn a_run_without_a_screen_leaves_a_ledger_that_can_be_read() {
    let shell = Shell::new();
    let (exit, out, err) = shell.run(&["run", "--demo", "--seed", "7", "--for", "3s", "--format", "json"]);
    assert_eq!(exit, 0, "{err}");
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let state = lines.iter().rfind(|line| line["event"] == "run.state").unwrap();
    assert_eq!(state["balance"], "10000");
    assert!(state["events"].as_u64().unwrap() > 0);
    let (exit, out, err) = shell.run(&["status", "--format", "json"]);
    assert!(exit == 3 && err.contains("no engine is running"), "{err}");
    assert!(out.contains("simulated/paper") && out.contains("\"none\""), "{out}");
    for command in ["orders", "fills", "positions", "pnl"] {
        for format in ["table", "json", "csv"] {
            let (exit, out, err) = shell.run(&[command, "--format", format]);
            assert_eq!(exit, 0, "{command} {format}: {err}");
            assert!(!out.is_empty(), "{command} {format}");
        }
    }
    let (exit, _, err) = shell.run(&["export", "--out", "all"]);
    assert_eq!(exit, 0, "{err}");
    assert!(std::fs::read_to_string(shell.path("all").join("runs.csv")).unwrap().lines().count() == 2);
    assert_eq!(shell.run(&["export", "--out", "all"]).0, 1, "an export overwrites nothing");
    let tape = only_tape(&shell.path("tapes"));
    let (exit, out, err) = shell.run(&["tape", "verify", &tape]);
    assert!(exit == 0 && out.starts_with("ok ") && out.contains("complete"), "{out}{err}");
    let (exit, out, _) = shell.run(&["tape", "info", &tape]);
    assert!(exit == 0 && out.contains("simulated/paper"), "{out}");
}

/// Where this user may not look nothing is known, which is not nothing.
#[test]
fn a_ledger_that_cannot_be_reached_is_not_called_missing() {
    let shell = Shell::new();
    std::fs::write(shell.path("file"), "").unwrap();
    let inside = shell.path("file").join("testnet.sqlite");
    let inside = inside.to_str().unwrap();
    for command in ["status", "positions", "pnl"] {
        let (exit, _, err) = shell.run(&[command, "--ledger", inside]);
        assert!(
            exit == 1 && err.contains("cannot be read") && !err.contains("nothing has run"),
            "{command}: {exit} {err}"
        );
    }
    let nowhere = shell.path("nowhere.sqlite");
    let (exit, _, err) = shell.run(&["status", "--ledger", nowhere.to_str().unwrap()]);
    assert!(exit == 3 && err.contains("nothing has run there yet"), "{exit} {err}");
}

fn only_tape(folder: &Path) -> String {
    let mut tapes = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tape = tapes.next().unwrap();
    assert!(tapes.next().is_none());
    tape.to_str().unwrap().to_owned()
}

#[test]
fn a_damaged_tape_and_a_missing_ledger_are_errors() {
    let shell = Shell::new();
    std::fs::write(shell.path("bad.tape"), "no tape at all").unwrap();
    let (exit, out, err) = shell.run(&["tape", "verify", "bad.tape"]);
    assert!(exit == 1 && out.contains("fail") && err.contains("1 of 1"), "{out}{err}");
    let (exit, _, err) = shell.run(&["fills"]);
    assert!(exit == 1 && err.contains("there is no ledger"), "{err}");
    let (exit, _, err) = shell.run(&["fills", "--ledger", "paper"]);
    assert!(exit == 1 && err.contains("paper.sqlite"), "{err}");
    std::fs::write(shell.path("x.sqlite"), "no ledger at all".repeat(100)).unwrap();
    let (exit, _, err) = shell.run(&["fills", "--ledger", "x.sqlite"]);
    assert!(exit == 1 && err.contains("cannot be read"), "{err}");
}

#[test]
fn a_latched_account_ends_with_seven_and_a_second_engine_is_refused() {
    let shell = Shell::new();
    std::fs::write(shell.path("latched.simulated"), "damaged").unwrap();
    let (exit, out, err) = shell.run(&["run", "--demo", "--for", "2s", "--arm", "--yes"]);
    assert!(exit == 7 && err.contains("KILLED"), "{exit} {out} {err}");
    let mut first = shell.command(&["run", "--demo", "--for", "60s"]);
    let mut first = first.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    // The first line is printed once the ledger is held.
    let mut line = [0; 1];
    std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut line).unwrap();
    let (exit, _, err) = shell.run(&["run", "--demo", "--for", "1s"]);
    assert!(exit == 1 && err.contains(&format!("process {}", first.id())), "{err}");
    let (exit, out, err) = shell.run(&["kill"]);
    assert!(exit == 0 && out.contains(&format!("process {}: KILLED", first.id())), "{out} {err}");
    let (exit, out, err) = shell.run(&["disarm"]);
    assert!(exit == 0 && out == "disarmed\n", "what is safe is always done: {out} {err}");
    let (exit, _, err) = shell.run(&["arm", "--yes"]);
    assert!(exit == 6 && err.contains("latch"), "{err}");
    first.kill().unwrap();
    first.wait().unwrap();
    let (exit, _, err) = shell.run(&["run", "--demo", "--for", "1s"]);
    assert!(exit == 7, "a crash leaves no lock, and the latch: {err}");
}

#[test]
fn a_ledger_that_cannot_be_read_starts_killed_and_says_what_to_do() {
    let shell = Shell::new();
    assert_eq!(shell.run(&["run", "--demo", "--for", "1s"]).0, 0);
    let path = shell.path("simulated.sqlite");
    std::fs::write(&path, "damaged".repeat(1000)).unwrap();
    let (exit, out, err) = shell.run(&["run", "--demo", "--for", "2s"]);
    assert!(exit == 7 && err.contains("KILLED"), "{exit} {err}");
    assert!(out.contains("counts as killed until"), "{out}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("damaged"), "the file is left for a person");
}

/// Keys come from the environment and from private files; nothing that is printed holds more than the end of a key. The
/// keyring of whoever runs this test is never asked: its bus is moved to a place where there is none.
#[test]
#[cfg(target_os = "linux")]
fn keys_are_found_and_named_by_their_end() {
    let shell = Shell::new();
    let (key, secret) = ("AbCdEfGhIjKlMnOpQr", "0123456789abcdef0123456789abcdef");
    let keys = |args: &[&str]| {
        let mut command = shell.command(args);
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
        command
    };
    let show = ["keys", "show", "--format", "json"];
    let (exit, out, err) = told(&keys(&show).output().unwrap());
    assert_eq!((exit, err.as_str()), (0, ""), "no keys are no mistake");
    assert_eq!(out.matches("\"none\"").count(), 10, "three accounts, four channels, one-time codes, two tokens: {out}");

    let path = shell.path("secret");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    let set = format!("keys.live.secret_file={}", path.display());
    let with_file = ["--set", &set, "keys", "show", "--format", "json"];
    let mode = |mode: u32| {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        told(&keys(&with_file).env("BYBIT_API_KEY", key).output().unwrap())
    };
    let (exit, out, err) = mode(0o644);
    assert!(exit == 1 && err.contains("chmod 600"), "{err}");
    assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
    let (exit, out, err) = mode(0o600);
    assert_eq!(exit, 0, "{err}");
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["account"] == "live").unwrap();
    assert_eq!((&row["api_key"], &row["health"]), (&"…OpQr".into(), &"ok".into()));
    assert_eq!(row["api_key_from"], "environment BYBIT_API_KEY");
    assert!(!out.contains(key) && !out.contains(secret), "{out}");

    let typed = shell.path("typed");
    std::fs::write(&typed, format!("{key}\n{secret}\n")).unwrap();
    let stdin = || std::fs::File::open(&typed).unwrap();
    let (exit, out, err) = told(&keys(&["keys", "set", "testnet"]).stdin(stdin()).output().unwrap());
    assert!(exit == 1 && out.is_empty() && err.contains("keys.testnet.secret_file") && err.contains("0600"), "{err}");
    assert!(!err.contains(secret) && !err.contains(key), "{err}");
    for (text, part) in [("", "one line"), (key, "one line"), ("a b\nc\n", "API key")] {
        std::fs::write(&typed, text).unwrap();
        let (exit, _, err) = told(&keys(&["keys", "set", "live"]).stdin(stdin()).output().unwrap());
        assert!(exit == 2 && err.contains(part) && err.contains("nothing was stored"), "{err}");
    }
    let (exit, _, err) = told(&keys(&["keys", "remove", "live"]).output().unwrap());
    assert!(exit == 1 && err.contains("no keyring service answers here"), "{err}");
    assert_eq!(told(&keys(&["keys", "set", "paper"]).output().unwrap()).0, 2);
}

#[test]
fn status_means_the_engine_that_runs_where_there_are_several_ledgers() {
    let shell = Shell::new();
    let (exit, _, err) = shell.run(&["status"]);
    assert!(exit == 3 && err.contains("no engine is running"), "without a ledger there is no engine: {err}");
    let mut engine = shell.command(&["run", "--demo", "--for", "60s"]).stdout(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while shell.run(&["status"]).0 != 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "the engine does not answer");
    }
    std::fs::copy(shell.path("simulated.sqlite"), shell.path("paper.sqlite")).unwrap();
    let (exit, out, err) = shell.run(&["status"]);
    assert!(exit == 0 && out.contains("simulated/paper"), "{out}{err}");
    engine.kill().unwrap();
    engine.wait().unwrap();
    let (exit, _, err) = shell.run(&["status"]);
    assert!(exit == 2 && err.contains("several ledgers"), "{err}");
}

#[test]
fn the_log_level_of_the_command_line_comes_before_the_files() {
    let shell = Shell::new();
    let (exit, out, err) = shell.run(&["--log-level", "alarm", "run", "--demo", "--for", "2s"]);
    assert_eq!(exit, 0, "{out}{err}");
    assert_eq!(std::fs::read_to_string(shell.path("logs/simulated.jsonl")).unwrap(), "", "nothing was an alarm");
    let (exit, _, err) = shell.run(&["--log-level", "loud", "status"]);
    assert!(exit == 2 && err.contains("loud"), "{err}");
}
