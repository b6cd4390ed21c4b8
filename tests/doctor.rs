//! The doctor against the simulated exchange, as a person runs it: what it finds, what it changes when told to, and what
//! it never says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const KEY: &str = "doctorskey12345678";
const SECRET: &str = "doctorssecret0123456789abcdef0123456";

/// A simulated exchange in a process of its own, and a data directory whose configuration points at it.
struct Clinic {
    data: tempfile::TempDir,
    exchange: Child,
    address: String,
}

impl Drop for Clinic {
    fn drop(&mut self) {
        let _ = self.exchange.kill();
        let _ = self.exchange.wait();
    }
}

impl Clinic {
    fn open() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut exchange = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        exchange.args(["sim", "--listen", "127.0.0.1:0", "--seed", "7", "--key", KEY, "--secret", SECRET]).env_clear();
        let mut exchange = exchange.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut config = String::new();
        for line in BufReader::new(exchange.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            config = config + &line + "\n";
            if line.contains("SECRET") {
                break;
            }
        }
        let address = config.split("http://").nth(1).unwrap().split('"').next().unwrap().to_owned();
        std::fs::write(data.path().join("config.toml"), config).unwrap();
        Self { data, exchange, address }
    }

    fn doctor(&self, args: &[&str], secret: &str) -> Told {
        self.doctor_of("testnet", args, secret)
    }

    fn doctor_of(&self, mode: &str, args: &[&str], secret: &str) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command.args(["--mode", mode, "doctor", "--format", "json"]).args(args).env_clear();
        command.env("BYBIT_API_KEY", KEY).env("BYBIT_API_SECRET", secret);
        command.env("BYBIT_DEMO_API_KEY", KEY).env("BYBIT_DEMO_API_SECRET", secret);
        command.env("TICKDECK_DATA_DIR", self.data.path()).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
        command.env("BYBIT_TESTNET_API_KEY", KEY).env("BYBIT_TESTNET_API_SECRET", secret).stdin(Stdio::null());
        Told::new(&command.output().unwrap())
    }

    /// Pulls a string of the exchange from behind.
    fn exchange(&self, what: &str) {
        self.post("/sim/do", what);
    }

    fn post(&self, path: &str, what: &str) {
        let mut line = TcpStream::connect(&self.address).unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", what.len());
        line.write_all(format!("{head}{what}").as_bytes()).unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
    }
}

struct Told {
    exit: i32,
    rows: Vec<serde_json::Value>,
    everything: String,
}

impl Told {
    fn new(output: &Output) -> Self {
        let out = String::from_utf8(output.stdout.clone()).unwrap();
        let everything = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        let rows = serde_json::from_str(&out).unwrap_or_default();
        Self { exit: output.status.code().unwrap(), rows, everything }
    }
    fn health(&self, check: &str) -> &str {
        let row = self.rows.iter().find(|row| row["check"] == check);
        row.unwrap_or_else(|| panic!("{check}: {}", self.everything))["health"].as_str().unwrap()
    }
}

const BAND: &str = "orders outside the price band";

#[test]
fn a_sound_account_is_told_so_and_no_secret_is_shown() {
    let clinic = Clinic::open();
    let told = clinic.doctor(&[], SECRET);
    assert_eq!(told.exit, 0, "{}", told.everything);
    for check in ["REST", "clock", "maintenance", "public stream", "private stream", "account type"] {
        assert_eq!(told.health(check), "ok", "{check}");
    }
    for check in ["API key accepted", "API key permissions", "API key withdrawals", "position mode BTCUSDT"] {
        assert_eq!(told.health(check), "ok", "{check}");
    }
    assert!(told.everything.contains("…5678"), "the key is known by its end");
    assert!(!told.everything.contains(KEY) && !told.everything.contains(SECRET), "{}", told.everything);
}

#[test]
fn a_wrong_secret_is_found_out_and_not_repeated() {
    let clinic = Clinic::open();
    let told = clinic.doctor(&[], "anothersecret0123456789abcdef");
    assert_eq!((told.exit, told.health("API key accepted")), (1, "fail"));
    assert!(!told.everything.contains("anothersecret") && !told.everything.contains(KEY), "{}", told.everything);
}

#[test]
fn fixes_are_made_only_when_agreed_to() {
    let clinic = Clinic::open();
    clinic.exchange(r#"{"hedge": {"symbol": "BTCUSDT", "on": true}}"#);
    let told = clinic.doctor(&[], SECRET);
    assert_eq!((told.exit, told.health("position mode BTCUSDT"), told.health(BAND)), (1, "fail", "warn"));
    let told = clinic.doctor(&["--fix"], SECRET);
    assert_eq!(told.exit, 2, "no terminal, no yes: {}", told.everything);
    let told = clinic.doctor(&[], SECRET);
    assert_eq!((told.health("position mode BTCUSDT"), told.health(BAND)), ("fail", "warn"), "nothing was changed");
    assert_eq!(told.health("leverage BTCUSDT"), "warn", "ten times, where max_leverage is one");
    let told = clinic.doctor(&["--fix", "--yes"], SECRET);
    let checks = ["position mode BTCUSDT", "leverage BTCUSDT", BAND];
    assert_eq!((told.exit, checks.map(|check| told.health(check))), (0, ["ok"; 3]));
    let told = clinic.doctor(&[], SECRET);
    assert_eq!((told.exit, checks.map(|check| told.health(check))), (0, ["ok"; 3]), "it stays");
    assert!(told.everything.contains("not checked") && told.health("exchange") == "warn", "{}", told.everything);
}

#[test]
fn a_mode_that_cannot_be_changed_says_why() {
    let clinic = Clinic::open();
    clinic.exchange(r#"{"hedge": {"symbol": "BTCUSDT", "on": true}}"#);
    clinic.exchange(r#"{"order": {"symbol": "BTCUSDT", "side": "Buy", "qty": "0.01", "positionIdx": "1"}}"#);
    let told = clinic.doctor(&["--fix", "--yes"], SECRET);
    assert_eq!((told.exit, told.health("position mode BTCUSDT")), (1, "fail"));
    assert!(told.everything.contains("close positions and cancel orders of BTCUSDT first"), "{}", told.everything);
}

#[test]
fn an_exchange_that_is_gone_and_a_file_that_is_wrong_are_told() {
    let mut clinic = Clinic::open();
    clinic.exchange.kill().unwrap();
    clinic.exchange.wait().unwrap();
    let told = clinic.doctor(&[], SECRET);
    assert_eq!((told.exit, told.health("REST"), told.health("public stream")), (1, "fail", "fail"));
    assert_eq!((told.health("clock"), told.health("account"), told.health("API key")), ("skip", "skip", "ok"));
    assert_eq!(clinic.doctor(&["--offline"], SECRET).exit, 0);
    std::fs::write(clinic.data.path().join("config.toml"), "[ui]\nfps = 99\n").unwrap();
    let told = clinic.doctor(&[], SECRET);
    assert_eq!((told.exit, told.health("configuration"), told.health("exchange")), (1, "fail", "skip"));
}

/// Real money is looked at without its ceremony and without `live = true`: nothing is traded by looking.
#[test]
fn the_live_account_and_its_key_are_looked_at() {
    let clinic = Clinic::open();
    let told = clinic.doctor_of("live", &[], SECRET);
    for check in ["API key accepted", "API key permissions", "API key withdrawals", "API key addresses"] {
        assert_eq!(told.health(check), "ok", "{check}: {}", told.everything);
    }
    for check in ["account type", "position mode BTCUSDT", "private stream"] {
        assert_eq!(told.health(check), "ok", "{check}: {}", told.everything);
    }
    assert_eq!((told.health("real money"), told.health("[risk.live]"), told.exit), ("warn", "fail", 1));
    assert_eq!(told.health("leverage BTCUSDT"), "warn", "ten times, where nothing allows more than one");
    clinic.post("/sim/faults", r#"{"withdrawing_key": true}"#);
    let live = clinic.doctor_of("live", &[], SECRET);
    assert_eq!(
        (live.health("API key withdrawals"), live.health("watchdog key")),
        ("fail", "warn"),
        "the account's own"
    );
    assert_eq!(clinic.doctor_of("demo-account", &[], SECRET).health("API key withdrawals"), "warn", "play money");
    clinic.post("/sim/faults", r#"{"read_only_key": true}"#);
    assert_eq!(clinic.doctor_of("live", &[], SECRET).health("API key permissions"), "fail");
    let told = clinic.doctor_of("live", &[], "anothersecret0123456789abcdef");
    assert_eq!((told.exit, told.health("API key accepted")), (1, "fail"));
    assert!(!told.everything.contains(KEY) && !told.everything.contains("anothersecret"), "{}", told.everything);
}
