//! A secret with a recognisable text, and a key, are led into every error, Debug output, event, tape, ledger and crash
//! report that there is: nobody finds a piece of the secret afterwards, nor of the key more than its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use at_sim::{Listener, client, credentials, exchange, overrides};
use serde_json::json;
use tickdeck::engine::event::Event;
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::keys;
use tickdeck::tape::TapeReader;
use tickdeck::venue::bybit::account::Transport;
use tickdeck::venue::bybit::credentials::{Credentials, PrivateAccount};
use tickdeck::venue::bybit::hosts::{Network, Overrides, PrivateHosts, PublicHosts, Region};
use tickdeck::venue::bybit::rest::Rest;
use tickdeck::venue::bybit::socket::{Heartbeat, Socket};
use tickdeck::venue::sim::Sim;
use tickdeck::venue::sim::wire::sign::Keys;

const SECRET: &str = "Tq9vN4mZ7xLw2RkY8sHd3JcF6gBp1AuE0oXi";
const KEY: &str = "kEyQ7Wm2ZrT5Vb8NxL";
/// A piece of a text that long is no accident.
const PIECE: usize = 6;

/// No piece of the secret, and of the key none that is longer than its last four characters.
fn is_clean(what: &str, output: &[u8]) {
    for (name, text, piece) in [("secret", SECRET, PIECE), ("key", KEY, 5)] {
        for piece in text.as_bytes().windows(piece) {
            let found = output.windows(piece.len()).any(|window| window == piece);
            assert!(!found, "{what}: a piece of the {name} in {}", String::from_utf8_lossy(output));
        }
    }
}

fn clean(what: &str, shown: &impl Debug) {
    is_clean(what, format!("{shown:?}").as_bytes());
    is_clean(what, format!("{shown:#?}").as_bytes());
}

fn clean_error<E: std::error::Error>(what: &str, error: &E) {
    clean(what, error);
    is_clean(what, error.to_string().as_bytes());
}

fn ours(key: &str) -> Arc<Credentials> {
    credentials(key, SECRET)
}

#[test]
fn what_can_hold_them_does_not_show_them() {
    let credentials = ours(KEY);
    clean("credentials", &credentials);
    assert!(format!("{credentials:?}").contains("8NxL"), "accounts are told apart by the end of the key");
    clean("signer", credentials.signer());
    let signature = credentials.signer().sign_rest(1, KEY, 5_000, b"");
    clean("signature", &signature);
    assert!(!format!("{signature:?}").contains(&signature.to_string()), "a signature sends its request again");
    let secret = keys::Secret::new(SECRET).unwrap();
    clean("stored secret", &secret);
    let api_key = keys::Secret::new(KEY).unwrap();
    is_clean("end of the key", api_key.tail().as_bytes());
    clean("stored credentials", &keys::Credentials { api_key, secret });
    clean("the simulated exchange's keys", &Keys { key: KEY.to_owned(), secret: SECRET.to_owned().into() });
}

#[test]
fn texts_that_are_no_keys_are_not_repeated() {
    for text in [format!("{SECRET} {KEY}"), format!("{SECRET}\n"), format!("{SECRET}é")] {
        let error = Credentials::new(PrivateAccount::Demo, KEY, text.into()).unwrap_err();
        clean_error("credentials", &error);
    }
    for text in [format!("{SECRET} {KEY}"), SECRET.repeat(10), format!("-----BEGIN {SECRET}")] {
        clean_error("a stored text", &keys::Secret::new(&text).unwrap_err());
    }
}

#[test]
fn addresses_that_carry_them_are_refused_in_silence() {
    let credentials = ours(KEY);
    let hosts = [
        format!("https://{KEY}:{SECRET}@api-testnet.bybit.com"),
        format!("https://api-testnet.bybit.com/{SECRET}"),
        format!("https://api-testnet.bybit.com?api_key={KEY}&sign={SECRET}"),
        format!("http://{KEY}:{SECRET}@127.0.0.1:1"),
        format!("ftp://{SECRET}"),
        format!("{SECRET}:{KEY}"),
    ];
    for host in hosts {
        let given = Overrides { rest: Some(host), ..Overrides::default() };
        clean_error("private hosts", &PrivateHosts::new(&credentials, &given).unwrap_err());
        clean_error("public hosts", &PublicHosts::new(Network::Mainnet, Region::Global, &given).unwrap_err());
    }
}

#[test]
fn a_proxys_password_stays_with_the_proxy() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for scheme in ["http", "socks5", "ftp"] {
        // Port 1 on loopback: nothing listens there.
        let proxy = format!("{scheme}://{KEY}:{SECRET}@127.0.0.1:1");
        let url = "ws://192.0.2.1/v5/public/linear";
        let dialled = runtime.block_on(Socket::dial(url, Some(&proxy), Heartbeat::default()));
        clean_error("a socket through a proxy", &dialled.map(drop).unwrap_err());
        match client("http://192.0.2.1".into(), ours(KEY), 5_000, Some(proxy)) {
            Err(error) => clean_error("a client with a proxy", &error),
            Ok(rest) => clean_error("a request through a proxy", &runtime.block_on(rest.wallet()).unwrap_err()),
        }
    }
}

#[test]
fn refusals_and_broken_answers_do_not_echo_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sim = exchange(KEY, SECRET);
    let other = exchange(KEY, "another-secret-altogether");
    let signed_wrong = client(other.rest_url(), ours(KEY), 5_000, None).unwrap();
    let unknown = client(sim.rest_url(), ours(&KEY.chars().rev().collect::<String>()), 5_000, None).unwrap();
    let known = client(sim.rest_url(), ours(KEY), 5_000, None).unwrap();
    let nobody = client("http://127.0.0.1:1".into(), ours(KEY), 5_000, None).unwrap();
    let mut provoked = 0;
    let mut provoke = |what: &str, rest: &Rest| {
        let read = runtime.block_on(rest.wallet());
        let swept = runtime.block_on(rest.cancel_id("BTCUSDT", "00000000-0000-0000-0000-000000000009"));
        let cancelled = runtime.block_on(rest.cancel("BTCUSDT", "tt-secrets-000009"));
        let set = runtime.block_on(rest.set_leverage("BTCUSDT", 3));
        for error in [read.err(), swept.err(), cancelled.err(), set.err()].into_iter().flatten() {
            clean_error(what, &error);
            provoked += 1;
        }
    };
    provoke("a signature that is wrong", &signed_wrong);
    provoke("a key that is unknown", &unknown);
    provoke("nobody there", &nobody);
    for fault in [
        json!({ "path": "/v5/", "lose_acks": 20 }),
        json!({ "path": "/v5/", "lose_acks": 0, "fail_after": 20 }),
        json!({ "path": "/v5/", "fail_after": 0, "fake_codes": 20, "fake_code": 10_016 }),
        json!({ "path": "/v5/", "fake_codes": 20, "fake_code": 999_999 }),
        json!({ "fake_codes": 0, "too_many": 20 }),
        json!({ "too_many": 0, "clock_skew_ms": 3_600_000 }),
        json!({ "clock_skew_ms": 0, "banned": true }),
    ] {
        sim.set_faults(&fault).unwrap();
        provoke(&fault.to_string(), &known);
    }
    assert!(provoked >= 30, "{provoked} errors");
}

#[test]
fn a_refused_account_is_told_without_them() {
    let sim = exchange(KEY, "another-secret-altogether");
    for (key, transport) in [(KEY, Transport::Rest), (KEY, Transport::Socket), ("unknownKey0000001", Transport::Socket)]
    {
        let mut account = Listener::start(&sim, ours(key), transport);
        let refused = |event: &Event| matches!(event, Event::Hold(hold) if hold.code == DenialCode::VenueKeyRefused);
        account.until("the refusal", refused);
        clean("the account's events", &account.events);
    }
}

/// The real program on a simulated exchange, in a folder of its own.
struct Shell {
    data: tempfile::TempDir,
    sim: Sim,
}

impl Shell {
    fn new(secret: &str) -> Self {
        Self { data: tempfile::tempdir().unwrap(), sim: exchange(KEY, secret) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let given = overrides(&self.sim);
        let set = |name: &str, url: Option<String>| format!("bybit.{name}={}", url.unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command
            .args(["--set", &set("rest_url", given.rest), "--set", &set("ws_public_url", given.ws_public)])
            .args(["--set", &set("ws_private_url", given.ws_private), "--set", &set("ws_trade_url", given.ws_trade)])
            .args(args)
            .env_clear()
            .env("TICKDECK_DATA_DIR", self.data.path())
            .env("BYBIT_TESTNET_API_KEY", KEY)
            .env("BYBIT_TESTNET_API_SECRET", SECRET)
            .current_dir(self.data.path())
            .stdin(std::process::Stdio::null());
        command
    }

    fn clean_run(&self, args: &[&str], envs: &[(&str, &str)]) -> Output {
        let output = self.command(args).envs(envs.iter().copied()).output().unwrap();
        is_clean(&format!("{args:?}: stdout"), &output.stdout);
        is_clean(&format!("{args:?}: stderr"), &output.stderr);
        output
    }

    /// Every file, as it lies there. Returns how many there are.
    fn clean_files(&self) -> usize {
        let files = files_below(self.data.path());
        for file in &files {
            is_clean(&file.display().to_string(), &std::fs::read(file).unwrap());
        }
        files.len()
    }

    /// Every event of every tape, unpacked. Returns how many there are.
    fn clean_tapes(&self) -> usize {
        let mut events = 0;
        for tape in files_below(&self.data.path().join("tapes")) {
            let mut reader = TapeReader::open(&tape).unwrap();
            clean("the tape's header", reader.header());
            while let Ok(Some((_, _, event))) = reader.next_event() {
                // Market data has nothing to do with the account, and there is much of it.
                if !matches!(event, Event::Market(..)) {
                    clean("a tape", &event);
                }
                events += 1;
            }
        }
        events
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            // A socket that a fall left behind holds nothing.
            files.push(path);
        }
    }
    files
}

#[test]
fn a_run_leaves_no_trace_of_them_on_disk_or_on_the_terminal() {
    let shell = Shell::new(SECRET);
    let ran = shell.clean_run(&["--mode", "testnet", "run", "--for", "4s", "--format", "json"], &[]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("balance 10000"), "the account was reached");
    for command in ["status", "orders", "fills", "positions", "pnl"] {
        shell.clean_run(&["--mode", "testnet", command, "--format", "json"], &[]);
    }
    shell.clean_run(&["keys", "show"], &[]);
    shell.clean_run(&["config", "show"], &[("TICKDECK__BYBIT__PROXY", &format!("http://{KEY}:{SECRET}@127.0.0.1:1"))]);
    shell.clean_run(&["--mode", "testnet", "export", "--out", "all"], &[]);
    assert!(shell.clean_files() >= 3, "a ledger, a tape and an export were to be looked through");
    assert!(shell.clean_tapes() > 10, "the tape holds the run");
}

#[test]
fn a_refused_key_and_a_panic_leave_no_trace_of_them() {
    let shell = Shell::new("another-secret-altogether");
    let run = ["--mode", "testnet", "run", "--for", "4s"];
    let refused = shell.clean_run(&run, &[]);
    assert!(String::from_utf8_lossy(&refused.stdout).contains("key"), "{refused:?}");
    // It falls over after some events; the time is a bound only.
    let fallen = ["--mode", "testnet", "run", "--for", "120s"];
    let fallen = shell.clean_run(&fallen, &[("TICKDECK_PROVOKE", "engine-panic")]);
    assert_eq!(fallen.status.code(), Some(7), "{fallen:?}");
    shell.clean_run(&run, &[("BYBIT_TESTNET_API_SECRET", &format!("{SECRET} {KEY}"))]);
    let reports =
        files_below(shell.data.path()).into_iter().filter(|file| file.display().to_string().contains("crash-"));
    assert_eq!(reports.count(), 1, "the panic left its report");
    shell.clean_files();
}
