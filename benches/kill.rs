//! A kill, from the bytes of its key: the gate that closes, the kill handed over to everybody, and the first cancel that arrives at
//! the exchange, by the guardian of an engine that does not answer; idle, and while two threads take the processor and another
//! client has used up the entry budget. Beside it the same two requests, list and cancel, by the same client and by bare sockets;
//! and the whole way in the real program (`kill/real.rs`).
//! `cargo bench --bench kill`; figures are in docs/benchmarks.md. A build without optimization runs each a few times, to see
//! that it works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a benchmark

#[cfg(unix)]
#[path = "../tests/at_sim/mod.rs"]
mod at_sim;
#[cfg(unix)]
#[path = "../tests/processes/mod.rs"]
mod processes;
#[cfg(unix)]
#[path = "kill/real.rs"]
mod real;

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tickdeck::engine::command::Command;
use tickdeck::engine::ids::{Account, Pair, RunId};
use tickdeck::engine::time::Ts;
use tickdeck::run::guardian::{self, GuardianOptions};
use tickdeck::run::pulse::Pulse;
use tickdeck::tui::cockpit::Cockpit;
use tickdeck::tui::input::{Input, Parser};
use tickdeck::tui::keymap::Keymap;
use tickdeck::tui::link::{CockpitEnd, Request, link};
use tickdeck::venue::bybit::credentials::{Credentials, PrivateAccount};
use tickdeck::venue::bybit::rescue::{Closer, RescueOptions};
use tickdeck::venue::bybit::rest::{ClosingOrder, Rest, RestOptions, SharedLimits, VenueClock};
use tickdeck::venue::line::Now;

const KILLS: usize = if cfg!(debug_assertions) { 3 } else { 300 };
const OPEN: &str = r#"{"symbol":"BTCUSDT","orderId":"a1","orderLinkId":"tt-0000000000-000001","side":"Buy","qty":"0.01","price":"50000","orderStatus":"New","cumExecQty":"0","orderType":"Limit","timeInForce":"GTC","reduceOnly":false,"closeOnTrigger":false}"#;

fn main() {
    let venue = Venue::start();
    gate();
    floor(&venue);
    floor_of_the_stack(&venue);
    kills(&venue, "idle");
    #[cfg(unix)]
    real::kills("the real program: key to first cancel, busy market");
    let stop = Arc::new(AtomicBool::new(false));
    let load = load(&venue, &stop);
    kills(&venue, "full load, entry budget used up");
    #[cfg(unix)]
    real::kills("the real program: key to first cancel, full load");
    stop.store(true, Ordering::SeqCst);
    for thread in load {
        thread.join().unwrap();
    }
}

/// Lists one open order until it is cancelled, and notes when the cancel arrives. Creates are refused: too many visits.
struct Venue {
    address: SocketAddr,
    open: AtomicBool,
    probes: AtomicU64,
    cancelled: Mutex<Option<Instant>>,
    bell: Condvar,
}

impl Venue {
    fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, probes) = (AtomicBool::new(false), AtomicU64::new(0));
        let venue = Arc::new(Self { address, open, probes, cancelled: Mutex::default(), bell: Condvar::new() });
        let serves = venue.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let serves = serves.clone();
                std::thread::spawn(move || serves.serve(socket));
            }
        });
        venue
    }

    fn serve(&self, mut socket: TcpStream) {
        socket.set_nodelay(true).unwrap();
        let (mut room, mut held) = (vec![0; 16_384], 0);
        loop {
            match socket.read(&mut room[held..]) {
                Ok(0) | Err(_) => return,
                Ok(more) => held += more,
            }
            let came = Instant::now();
            let text = String::from_utf8_lossy(&room[..held]).to_string();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let lower = head.to_ascii_lowercase();
            let length =
                lower.split_once("content-length: ").map_or("0", |(_, rest)| rest.split("\r\n").next().unwrap());
            if body.len() < length.parse().unwrap() {
                continue;
            }
            held = 0;
            let body = self.answer(head, came);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, head: &str, came: Instant) -> String {
        let ok =
            |result: &str| format!(r#"{{"retCode":0,"retMsg":"OK","result":{result},"retExtInfo":{{}},"time":1}}"#);
        if head.contains("/v5/order/cancel") {
            self.open.store(false, Ordering::SeqCst);
            self.cancelled.lock().unwrap().get_or_insert(came);
            self.bell.notify_all();
            ok(r#"{"orderId":"a1","orderLinkId":""}"#)
        } else if head.contains("/v5/order/realtime") {
            let list = if self.open.load(Ordering::SeqCst) { OPEN } else { "" };
            ok(&format!(r#"{{"list":[{list}],"nextPageCursor":"","category":"linear"}}"#))
        } else if head.contains("/v5/order/create") {
            r#"{"retCode":10006,"retMsg":"Too many visits!","result":{},"retExtInfo":{},"time":1}"#.to_owned()
        } else if head.contains("/v5/market/time") {
            self.probes.fetch_add(1, Ordering::SeqCst);
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
            ok(&format!(r#"{{"timeSecond":"{}","timeNano":"{nanos}"}}"#, nanos / 1_000_000_000))
        } else {
            ok(r#"{"list":[],"nextPageCursor":"","category":"linear"}"#)
        }
    }

    /// An order is open, and no cancel has come.
    fn reset(&self) {
        *self.cancelled.lock().unwrap() = None;
        self.open.store(true, Ordering::SeqCst);
    }

    fn cancelled(&self) -> Instant {
        let cancelled = self.cancelled.lock().unwrap();
        let came = self.bell.wait_timeout_while(cancelled, Duration::from_secs(20), |came| came.is_none());
        came.unwrap().0.expect("a cancel")
    }
}

fn now() -> Now {
    let (began, wall) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    Arc::new(move || Ts((wall + began.elapsed()).as_nanos() as i64))
}

/// Key and secret of the account.
const fn credentials() -> (&'static str, &'static str) {
    ("KEYKEYKEY", "secretsecret")
}

fn options(venue: &Venue) -> RestOptions {
    options_at(format!("http://{}", venue.address))
}

fn options_at(base: String) -> RestOptions {
    let (key, secret) = credentials();
    let credentials = Credentials::new(PrivateAccount::Testnet, key, secret.to_owned().into()).unwrap();
    RestOptions {
        base,
        credentials: Some(Arc::new(credentials)),
        recv_window_ms: 5_000,
        create_recv_window_ms: 2_500,
        proxy: None,
        limits: SharedLimits::default(),
        clock: Arc::new(VenueClock::default()),
        now: now(),
    }
}

/// A guardian whose connections are warm, an engine that does not answer, a full queue; then the key.
fn kills(venue: &Arc<Venue>, what: &str) {
    let (mut gates, mut cancels) = (Vec::new(), Vec::new());
    for _ in 0..KILLS {
        let (cockpit, end) = link();
        let (gate, pulse) = (end.gate(), Pulse::default());
        let probes = venue.probes.load(Ordering::SeqCst);
        let (account, run) = (Account::Testnet, RunId::new(1, 1));
        let rescue = Some(RescueOptions { rest: options(venue), account, run, by: Closer::Guardian });
        let latch_beside = None::<(std::path::PathBuf, Pair)>;
        let (board, now) = (end.board(), now());
        let parts = GuardianOptions { gate: gate.clone(), pulse: pulse.clone(), board, rescue, latch_beside, now };
        guardian::start(parts).unwrap();
        while venue.probes.load(Ordering::SeqCst) < probes + 5 {
            std::thread::yield_now();
        }
        while cockpit.ask(Request::Wake) {}
        venue.reset();
        let mut keyboard = Keyboard::new();
        let pressed = Instant::now();
        keyboard.press(&cockpit);
        gates.push(pressed.elapsed().as_nanos() as u64);
        cancels.push((venue.cancelled() - pressed).as_nanos() as u64);
        pulse.leaves();
        gate.ring();
    }
    say(&format!("key to the kill handed over, {what}"), gates);
    say(&format!("key to first cancel at the exchange, {what}"), cancels);
}

/// What stands between the bytes of a terminal and the line to the engine, as in the screen's own loop.
struct Keyboard {
    parser: Parser,
    cockpit: Cockpit,
    inputs: Vec<Input>,
}

impl Keyboard {
    fn new() -> Self {
        let cockpit = Cockpit::new(Keymap::default());
        Self { parser: Parser::default(), cockpit, inputs: Vec::with_capacity(4) }
    }

    /// `^K` comes.
    fn press(&mut self, end: &CockpitEnd) {
        self.parser.feed(b"\x0b", 0, &mut self.inputs);
        for input in self.inputs.drain(..) {
            let Input::Key(key) = input else { continue };
            for request in self.cockpit.handle_blind(key, 0) {
                if request == Request::Command(Command::Kill) {
                    end.kill();
                }
            }
        }
    }
}

/// The first act of a kill: from then on no opening order that was decided before passes.
fn gate() {
    let (_cockpit, end) = link();
    let gate = end.gate();
    let figures = (0..KILLS).map(|_| {
        let pass = gate.pass(gate.epoch(), Duration::from_secs(60), false);
        let began = Instant::now();
        gate.shut();
        assert!(!pass.stands());
        began.elapsed().as_nanos() as u64
    });
    say("gate closed, and an order of before refused", figures.collect());
}

/// The same two requests by two sockets that stand ready.
fn floor(venue: &Venue) {
    let dial = || {
        let socket = TcpStream::connect(venue.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    };
    let (mut reads, mut writes, mut room) = (dial(), dial(), vec![0; 8_192]);
    let mut figures = Vec::new();
    for _ in 0..KILLS {
        venue.reset();
        let began = Instant::now();
        reads.write_all(b"GET /v5/order/realtime HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        assert!(reads.read(&mut room).unwrap() > 100);
        writes.write_all(b"POST /v5/order/cancel HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        figures.push((venue.cancelled() - began).as_nanos() as u64);
        assert!(writes.read(&mut room).unwrap() > 50);
    }
    say("list and cancel by bare sockets", figures);
}

/// The same two requests by the client that the guardian has, on connections that stand ready.
fn floor_of_the_stack(venue: &Venue) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rest = Rest::new(options(venue)).unwrap();
    runtime.block_on(async { rest.warm().await });
    let figures = (0..KILLS).map(|_| {
        venue.reset();
        let began = Instant::now();
        let listed = runtime.block_on(rest.open_orders()).unwrap();
        runtime.block_on(rest.cancel_id(&listed.good[0].symbol, &listed.good[0].order_id)).unwrap();
        (venue.cancelled() - began).as_nanos() as u64
    });
    say("list and cancel by the guardian's client", figures.collect());
}

/// Two threads that only compute, and a client that asks for orders which the venue refuses as too many.
fn load(venue: &Arc<Venue>, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<()>> {
    let busy = (0..2).map(|_| {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut sum = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
            }
        })
    });
    let (options, stop) = (options(venue), stop.clone());
    let spends = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limits = options.limits.clone();
        let rest = Rest::new(options).unwrap();
        let order = ClosingOrder {
            symbol: "BTCUSDT".into(),
            link_id: "tt-0000000000-g1".into(),
            side: tickdeck::engine::num::Side::Sell,
            qty: tickdeck::engine::num::Qty::parse("0.01").unwrap(),
            price: None,
            position_idx: 0,
        };
        while !stop.load(Ordering::Relaxed) {
            assert!(runtime.block_on(rest.close(&order)).is_err(), "the budget is used up");
            *limits.lock().unwrap() = tickdeck::venue::bybit::limits::Limits::new();
        }
    });
    busy.chain([spends]).collect()
}

fn say(what: &str, mut figures: Vec<u64>) {
    figures.sort_unstable();
    let at = |share: usize| figures[figures.len() * share / 100] as f64 / 1e3;
    println!("{what:<72} p50 {:9.2} us  p99 {:9.2} us", at(50), at(99));
}
