//! The real binary beside a simulated exchange in the test's own process: engines that run, stop and die.
#![allow(dead_code)] // each test file uses its part

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tickdeck::engine::effect::{Protection, TimeInForce};
use tickdeck::engine::ids::OrderSeq;
use tickdeck::engine::num::{Price, Qty, Side};
use tickdeck::gate::Gate;
use tickdeck::venue::bybit::leave::{Leave, Withdrawn};
use tickdeck::venue::bybit::rest::Placement;
use tickdeck::venue::sim::Sim;

use crate::at_sim::{client, credentials};

pub const KEY: &str = "killKey0001";
pub const SECRET: &str = "killSecretOfTheSimulatedAccount";
const PATIENCE: Duration = Duration::from_secs(60);

pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The program with the account at this exchange and a data directory of its own.
pub fn tickdeck(sim: &Sim, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.current_dir(folder).args(["--data-dir", "data"]);
    for (key, url) in [
        ("rest_url", sim.rest_url()),
        ("ws_public_url", sim.ws_url("/v5/public/linear")),
        ("ws_private_url", sim.ws_url("/v5/private")),
        ("ws_trade_url", sim.ws_url("/v5/trade")),
    ] {
        command.args(["--set", &format!("bybit.{key}={url}")]);
    }
    // The lock of an account lies in the home directory: nothing of a test does.
    command.env("HOME", folder);
    command.env("BYBIT_TESTNET_API_KEY", KEY).env("BYBIT_TESTNET_API_SECRET", SECRET);
    command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    command.args(words);
    command
}

pub fn done(sim: &Sim, folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = tickdeck(sim, folder, words).output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// A running engine and the lines it prints.
pub struct Engine {
    process: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Engine {
    pub fn start(sim: &Sim, folder: &Path, words: &[&str]) -> Self {
        Self::of(tickdeck(sim, folder, words).stderr(Stdio::null()))
    }
    pub fn of(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let (says, lines) = sync_channel(10_000);
        let out = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| says.send(line)));
        Self { process, lines, said: Vec::new() }
    }
    pub fn says(&mut self, words: &str) {
        wait(&format!("`{words}`, said was {:#?}", self.said.last()), || {
            self.said.extend(self.lines.try_iter());
            self.said.iter().any(|line| line.contains(words)).then_some(())
        });
    }
    /// Has it said this?
    pub fn said(&mut self, words: &str) -> bool {
        self.count(words) > 0
    }
    /// Lines with these words so far.
    pub fn count(&mut self, words: &str) -> usize {
        self.said.extend(self.lines.try_iter());
        self.said.iter().filter(|line| line.contains(words)).count()
    }
    /// Everything it has said so far.
    pub fn told(&mut self) -> String {
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
    pub fn signal(&self, sent: Signal) {
        signal(self.pid(), sent);
    }
    pub fn ends(&mut self) -> Option<i32> {
        wait("the engine's end", || self.process.try_wait().unwrap()).code()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub fn truth(sim: &Sim, what: &str) -> Vec<Value> {
    sim.state()[what].as_array().unwrap().clone()
}

pub fn open_orders(sim: &Sim) -> usize {
    let open = |row: &&Value| matches!(row["orderStatus"].as_str(), Some("New" | "PartiallyFilled"));
    truth(sim, "orders").iter().filter(open).count()
}

/// An opening order of ours that rests, made by this program and not by the engine.
pub fn rests(sim: &Sim, number: u32) {
    rests_as(sim, &format!("tt-0000000000-{number:06}"));
}

/// An opening order with this id that rests.
pub fn rests_as(sim: &Sim, link_id: &str) {
    let markets = truth(sim, "markets");
    let market = markets.iter().find(|market| market["symbol"] == "BTCUSDT").unwrap();
    let price = Price::parse(market["bids"][0][0].as_str().unwrap()).unwrap().raw() / 100 * 98;
    let order = Placement {
        symbol: "BTCUSDT".into(),
        link_id: link_id.to_owned(),
        side: Side::Buy,
        qty: Qty::parse("0.01").unwrap(),
        price: Price::from_raw(price - price % 100_000_000),
        tif: TimeInForce::PostOnly,
        reduce_only: false,
        protection: Protection::default(),
    };
    let rest = client(sim.rest_url(), credentials(KEY, SECRET), 5_000, None).unwrap();
    let gate = Gate::default();
    let leave = Leave::new(&Withdrawn::default(), OrderSeq(0), gate.pass(gate.epoch(), PATIENCE, false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(rest.create(&order, &leave)).unwrap();
}

pub fn holds(sim: &Sim) {
    let order = json!({ "symbol": "BTCUSDT", "side": "Buy", "qty": "0.02", "positionIdx": 0 });
    sim.act(&json!({ "order": order })).unwrap();
}
