//! Remote control by Telegram, from the message to the engine: the real binary with a stand-in of the Bot API. Who is not named is
//! not heard, what tightens is done at once, what loosens takes a code once, and no secret is told.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod at_sim;
mod processes;
mod services;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use processes::{Engine, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use services::{Inbox, Service, bot, nowhere};

const TOKEN: &str = "7012345678:AAHk3vQ9zLmX2wRtY8sNpJd5FgBcE1uVoKi";
/// The secret of RFC 6238, in base32 and as it is.
const CODE: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const PLAIN: &[u8] = b"12345678901234567890";
const ME: i64 = 4_711;
const STRANGER: i64 = 666;

/// The code that an authenticator app shows so many steps from now: a witness of its own.
fn code(steps: i64) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(PLAIN).unwrap();
    mac.update(&(seconds / 30 + steps).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let bits = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff;
    format!("{:06}", bits % 1_000_000)
}

struct Telegram {
    inbox: Arc<Inbox>,
    service: Service,
}

impl Telegram {
    fn start() -> Self {
        let inbox = Arc::new(Inbox::default());
        Self { service: Service::start(bot(TOKEN, inbox.clone())), inbox }
    }
    /// What the bot has written to a chat.
    fn told(&self, chat: i64) -> Vec<String> {
        let bodies = self.service.bodies("sendMessage").into_iter().filter(|body| body["chat_id"] == chat);
        bodies.map(|body| body["text"].as_str().unwrap().to_owned()).collect()
    }
    /// Writes, and waits for an answer with these words.
    fn says(&self, text: &str, words: &str) -> String {
        let before = self.told(ME).len();
        self.inbox.writes(ME, text, 0);
        let since = Instant::now();
        loop {
            let told: Vec<String> = self.told(ME).into_iter().skip(before).collect();
            if let Some(found) = told.iter().find(|told| told.contains(words)) {
                return found.clone();
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{text} is not answered by `{words}` but {told:#?}");
            std::thread::yield_now();
        }
    }
    fn hears(&self, words: &str) {
        wait(&format!("`{words}`"), || self.told(ME).iter().any(|told| told.contains(words)).then_some(()));
    }
    fn settings(&self, command: &mut Command) {
        command.args(["--set", &format!("alerts.telegram.api_url=http://{}", self.service.address)]);
        command.args(["--set", &format!("alerts.telegram.control=[\"{ME}\"]")]);
        command.env("TICKDECK_TELEGRAM_TOKEN", TOKEN).env("TICKDECK_TELEGRAM_CODE", CODE);
    }
    /// A run that listens.
    fn run(&self, folder: &Path, words: &[&str]) -> Engine {
        let before = self.service.bodies("getUpdates").len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command.current_dir(folder).args(["--data-dir", "data"]);
        self.settings(&mut command);
        command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
        command.args(["run", "--demo", "--practice"]).args(words).stderr(Stdio::null());
        let engine = Engine::of(&mut command);
        wait("that it listens", || (self.service.bodies("getUpdates").len() > before).then_some(()));
        engine
    }
}

/// The value of a metric.
fn metric(address: &str, line: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    page.lines().find_map(|row| row.strip_prefix(line).map(|value| value.trim().to_owned()))
}

#[test]
fn a_kill_reaches_an_engine_under_load_and_nothing_else_is_forgotten() {
    let (folder, telegram) = (tempfile::tempdir().unwrap(), Telegram::start());
    let mut engine = telegram.run(folder.path(), &["--weather", "crash", "--arm", "--yes"]);
    engine.says("  ARMED  equity");
    // Questions by the socket, as many as it takes, and by Telegram.
    let (over, path) = (Arc::new(AtomicBool::new(false)), folder.path().join("data/engine-simulated.sock"));
    let asking = over.clone();
    let crowd = std::thread::spawn(move || {
        while !asking.load(Ordering::SeqCst) {
            let Ok(mut stream) = std::os::unix::net::UnixStream::connect(&path) else { continue };
            let asked = stream.write_all(b"{\"v\":1,\"verb\":\"disarm\"}\n{\"v\":1}\n");
            drop(asked.and_then(|()| stream.read_to_string(&mut String::new())));
        }
    });
    for _ in 0..5 {
        telegram.inbox.writes(ME, "/status", 0);
    }
    telegram.says("/kill", "KILL: the gate is closed");
    telegram.hears("no order is left that could open");
    engine.says("KILLED (by Telegram)");
    over.store(true, Ordering::SeqCst);
    crowd.join().unwrap();
    telegram.says("/status", "KILLED");
    telegram.says("/positions", "KILLED");
    telegram.says("/kill flat", "everything is closed");
    telegram.hears("FLAT, proven");
    telegram.says("/flatten", "closes everything");
    let reset = format!("/reset {}", code(0));
    telegram.says(&reset, "SAFE");
    engine.signal(Signal::TERM);
    assert_eq!(engine.ends(), Some(0));
}

#[test]
fn strangers_are_counted_and_hear_nothing() {
    let (folder, telegram) = (tempfile::tempdir().unwrap(), Telegram::start());
    let metrics = nowhere().to_string();
    let listen = format!("metrics.listen={metrics}");
    let mut engine = telegram.run(folder.path(), &["--arm", "--yes", "--set", &listen]);
    engine.says("ARMED for");
    telegram.inbox.writes(STRANGER, "/kill", 0);
    telegram.inbox.writes(-ME, "/kill", 0);
    telegram.says("/help", "This chat is 4711");
    let refused = "tickdeck_control_refused_total{way=\"telegram\",reason=\"unauthorised\"}";
    wait("the count", || (metric(&metrics, refused).as_deref() == Some("2")).then_some(()));
    assert_eq!((telegram.told(STRANGER), telegram.told(-ME)), (Vec::new(), Vec::new()));
    telegram.says("/status", "ARMED until");
    telegram.says("/flatten", "FLATTEN: disarmed");
    telegram.hears("FLAT, proven");
    telegram.says("/status", ": SAFE");
}

#[test]
fn what_loosens_takes_a_code_once_and_a_restart_repeats_nothing() {
    let (folder, telegram) = (tempfile::tempdir().unwrap(), Telegram::start());
    telegram.inbox.writes(ME, "/kill", -60);
    let mut engine = telegram.run(folder.path(), &["--format", "json"]);
    engine.says("\"SAFE\"");
    telegram.says("/arm", "the code of your authenticator goes with it");
    telegram.says("/arm 000000", "wrong code");
    let now = code(0);
    telegram.says(&format!("/arm 8h {now}"), "ARMED for");
    assert!(telegram.says("/status", "ARMED until").contains("UNATTENDED"));
    telegram.says(&format!("/reset {now}"), "used already");
    telegram.says("/limits max_order_notional 400", "400");
    telegram.says("/limits max_order_notional 450", "the code of your authenticator");
    assert!(telegram.says("/limits", "max_order_notional").contains("max_order_notional 400"));
    telegram.says("/daily", "realised");
    telegram.says("/profit", "realised");
    telegram.says("/pause", "disarmed");
    engine.signal(Signal::KILL);
    engine.ends();
    drop(engine);
    // Everything that was written so far is offered again.
    let mut engine = telegram.run(folder.path(), &["--format", "json"]);
    engine.says("\"SAFE\"");
    telegram.says(&format!("/arm {now}"), "used already");
    telegram.says("/status", ": SAFE");
    assert!(!engine.said("KILLED") && !engine.said("ARMED for"));
    drop(engine);
    nothing_holds_a_secret(folder.path(), &telegram);
}

fn nothing_holds_a_secret(folder: &Path, telegram: &Telegram) {
    let mut texts: Vec<String> = telegram.told(ME);
    let mut folders = vec![folder.join("data")];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                texts.push(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
            }
        }
    }
    for secret in [TOKEN, CODE] {
        assert!(texts.iter().all(|text| !text.contains(&secret[..20]) && !text.contains(&secret[12..])));
    }
}

/// Complaint 82.
#[test]
fn a_second_poller_is_told_once() {
    let (folder, telegram) = (tempfile::tempdir().unwrap(), Telegram::start());
    let mut engine = telegram.run(folder.path(), &["--format", "json"]);
    telegram.says("/version", "tickdeck");
    let poll = || {
        let mut stream = TcpStream::connect(telegram.service.address).unwrap();
        let body = json!({ "offset": 1_000_000, "timeout": 0 }).to_string();
        let head = format!("POST /bot{TOKEN}/getUpdates HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        drop(stream.read_to_string(&mut String::new()));
    };
    let asked = || telegram.service.bodies("getUpdates").iter().filter(|body| body["timeout"] != 0).count();
    for _ in 0..3 {
        let before = asked();
        poll();
        wait("that it asks again", || (asked() > before).then_some(()));
    }
    telegram.says("/version", "tickdeck");
    let told =
        telegram.told(ME).iter().filter(|told| told.contains("another program reads this bot's messages")).count();
    assert_eq!(told, 1, "{:#?}", telegram.told(ME));
    assert!(!engine.said("KILLED"));
    let mut test = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    test.current_dir(folder.path()).args(["--data-dir", "data"]);
    telegram.settings(&mut test);
    let output = test.args(["alerts", "test", "--format", "json"]).output().unwrap();
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && rows[0]["detail"].as_str().unwrap().contains("@tickdeck_bot listens"), "{rows}");
}

/// Reads the bot's messages again and again, as another program would.
fn reads(address: &str) {
    let body = "{\"timeout\":50}";
    let head = format!("POST /bot{TOKEN}/getUpdates HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    let asked = write!(stream, "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    drop(asked.and_then(|()| stream.read_to_string(&mut String::new())));
}

#[test]
fn the_doctor_asks_the_bot_and_sees_who_else_reads_its_messages() {
    let (folder, telegram) = (tempfile::tempdir().unwrap(), Telegram::start());
    let doctor = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
        command.current_dir(folder.path()).args(["--data-dir", "data"]);
        telegram.settings(&mut command);
        // Nothing of this is about the exchange.
        command.args(["--set", "bybit.rest_url=http://127.0.0.1:1", "--set", "bybit.ws_public_url=ws://127.0.0.1:1"]);
        let output = command.args(["doctor", "--format", "csv"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("AAHk3vQ9"), "{text}");
        text.lines().find(|line| line.starts_with("telegram,")).unwrap_or_else(|| panic!("no row: {text}")).to_owned()
    };
    let row = doctor();
    assert!(row.starts_with("telegram,ok,") && row.contains("@tickdeck_bot answers"), "{row}");
    let (over, address) = (Arc::new(AtomicBool::new(false)), telegram.service.address.to_string());
    let goes_on = over.clone();
    let other = std::thread::spawn(move || {
        while !goes_on.load(Ordering::SeqCst) {
            reads(&address);
        }
    });
    let row = doctor();
    assert!(row.starts_with("telegram,fail,") && row.contains("another program reads"), "{row}");
    over.store(true, Ordering::SeqCst);
    // What it still waits for.
    telegram.inbox.writes(ME, "/status", 0);
    other.join().unwrap();
}
