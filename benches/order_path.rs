//! The way of an order: from the decision to the bytes that leave, and there and back on loopback through our client,
//! beside a bare HTTP client that sends the same bytes in the same run, and with the ledger's commit before it.
//! `cargo bench --bench order_path`; figures are in docs/benchmarks.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a benchmark

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tickdeck::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use tickdeck::engine::ids::{OrderSeq, Pair, RunId, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::time::Ts;
use tickdeck::gate::Gate;
use tickdeck::ledger::{Job, Ledger, LedgerReply, LedgerThread, RunRow};
use tickdeck::venue::bybit::credentials::{Credentials, PrivateAccount};
use tickdeck::venue::bybit::leave::{Leave, Withdrawn};
use tickdeck::venue::bybit::limits::Limits;
use tickdeck::venue::bybit::rest::{Placement, Rest, RestOptions, SharedLimits, VenueClock};
use tickdeck::venue::bybit::sign::Signer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

const KEY: &str = "APIKEYAPIKEYAPIKEY";
const SECRET: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const WINDOW_MS: u32 = 5_000;
const ROUNDS: u64 = 5;
const PER_ROUND: u64 = 1_000;
/// Orders with the ledger: each waits for the disk.
const COMMITS: u64 = 300;

fn main() {
    ready();
    let address = responder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(there_and_back(address));
    runtime.block_on(with_ledger(address));
}

fn order(seq: u64) -> NewOrder {
    NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: Qty::parse("0.001").unwrap(),
        price: Price::from_raw(30_000_000_000_000 + (seq % 10) as i64 * 100_000_000),
        tif: TimeInForce::PostOnly,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: Ts(1),
    }
}

fn link_id(seq: u64) -> String {
    format!("tp-0abcdefg-{seq}")
}

/// Head and body of the request as a bare client writes it.
fn bytes(signer: &Signer, stamp: i64, order: &Placement) -> String {
    let body = order.body().to_string();
    let signature = signer.sign_rest(stamp, KEY, WINDOW_MS, body.as_bytes());
    let mut text = String::with_capacity(768);
    write!(
        text,
        "POST /v5/order/create HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nx-bapi-api-key: {KEY}\r\nx-bapi-timestamp: {stamp}\r\nx-bapi-recv-window: {WINDOW_MS}\r\nx-bapi-sign: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    text
}

/// From the order to signed bytes, in batches of 64.
fn ready() {
    let signer = Signer::new(SECRET.as_bytes());
    let mut figures: [Vec<u64>; 3] = Default::default();
    for batch in 0..2_000_u64 {
        let placements: Vec<(NewOrder, String)> =
            (0..64).map(|n| (order(batch * 64 + n), link_id(batch * 64 + n))).collect();
        let mut timed = |place: usize, work: &dyn Fn(&NewOrder, &str)| {
            let began = Instant::now();
            for (order, id) in &placements {
                work(order, id);
            }
            figures[place].push(began.elapsed().as_nanos() as u64 / 64);
        };
        let stamp = 1_700_000_000_000 + batch as i64;
        let body = Placement::of(&order(1), "BTCUSDT", "tp-0abcdefg-1").body().to_string();
        timed(0, &|_, _| {
            black_box(signer.sign_rest(stamp, KEY, WINDOW_MS, body.as_bytes()));
        });
        timed(1, &|order, id| drop(black_box(Placement::of(order, "BTCUSDT", id).body().to_string())));
        timed(2, &|order, id| drop(black_box(bytes(&signer, stamp, &Placement::of(order, "BTCUSDT", id)))));
    }
    for (what, figures) in ["signature", "body", "order to signed bytes"].into_iter().zip(figures) {
        say(what, figures);
    }
}

fn say(what: &str, mut figures: Vec<u64>) {
    figures.sort_unstable();
    let at = |share: usize| figures[figures.len() * share / 100] as f64 / 1e3;
    println!("{what:<44} p50 {:8.2} us  p90 {:8.2} us  least {:8.2} us", at(50), at(90), figures[0] as f64 / 1e3);
}

fn rest(address: SocketAddr) -> (Rest, SharedLimits) {
    let credentials = Credentials::new(PrivateAccount::Demo, KEY, Zeroizing::new(SECRET.to_owned())).unwrap();
    let limits = SharedLimits::default();
    let began = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    let rest = Rest::new(RestOptions {
        base: format!("http://{address}"),
        credentials: Some(Arc::new(credentials)),
        recv_window_ms: WINDOW_MS,
        create_recv_window_ms: WINDOW_MS,
        proxy: None,
        limits: limits.clone(),
        clock: Arc::new(VenueClock::default()),
        now: Arc::new(move || Ts(wall + began.elapsed().as_nanos() as i64)),
    });
    (rest.unwrap(), limits)
}

/// The budgets of the venue are not what is measured.
fn refill(limits: &SharedLimits) {
    *limits.lock().unwrap_or_else(PoisonError::into_inner) = Limits::new();
}

async fn create(rest: &Rest, order: &NewOrder, id: &str) {
    let gate = Gate::default();
    let leave = Leave::new(
        &Withdrawn::default(),
        order.seq,
        gate.pass(gate.epoch(), Duration::from_secs(60), order.reduce_only),
    );
    rest.create(&Placement::of(order, "BTCUSDT", id), &leave).await.unwrap();
}

/// Our client and a bare one in turns.
async fn there_and_back(address: SocketAddr) {
    let (rest, limits) = rest(address);
    let signer = Signer::new(SECRET.as_bytes());
    let mut bare = tokio::net::TcpStream::connect(address).await.unwrap();
    bare.set_nodelay(true).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut room = vec![0; 4096];
    for round in 0..ROUNDS {
        for n in 0..PER_ROUND {
            let (order, id) = (order(n), link_id(round * PER_ROUND + n));
            refill(&limits);
            let began = Instant::now();
            create(&rest, &order, &id).await;
            ours.push(began.elapsed().as_nanos() as u64);
        }
        for n in 0..PER_ROUND {
            let (order, id) = (order(n), link_id(round * PER_ROUND + n));
            let began = Instant::now();
            let text = bytes(&signer, 1_700_000_000_000, &Placement::of(&order, "BTCUSDT", &id));
            bare.write_all(text.as_bytes()).await.unwrap();
            assert!(bare.read(&mut room).await.unwrap() > 100);
            theirs.push(began.elapsed().as_nanos() as u64);
        }
    }
    say("there and back, bare tokio HTTP", theirs);
    say("there and back, our client", ours);
}

/// The intent is durable before the order leaves.
async fn with_ledger(address: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, replies) = ledger(folder.path());
    let (rest, limits) = rest(address);
    let (mut commits, mut all) = (Vec::new(), Vec::new());
    for seq in 1..=COMMITS {
        refill(&limits);
        let (order, id) = (order(seq), link_id(seq));
        let began = Instant::now();
        ledger.push(Job::Intent { at: Ts(1), order, link_id: id.clone() }).unwrap();
        assert_eq!(replies.recv(), Ok(LedgerReply::Committed(vec![OrderSeq(seq)])));
        commits.push(began.elapsed().as_nanos() as u64);
        create(&rest, &order, &id).await;
        all.push(began.elapsed().as_nanos() as u64);
    }
    say("the ledger's commit", commits);
    say("commit, there and back, our client", all);
    ledger.finish(Duration::from_secs(10)).unwrap();
}

fn ledger(folder: &std::path::Path) -> (LedgerThread, Receiver<LedgerReply>) {
    let mut ledger = Ledger::open(&folder.join("bench.sqlite"), Pair::SIMULATED).unwrap();
    ledger.restore(&[Instrument::linear("BTCUSDT", Price::from_raw(100_000_000), Qty::from_raw(1_000_000))]).unwrap();
    let row = RunRow {
        run: RunId("0abcdefg".into()),
        pair: Pair::SIMULATED,
        started: Ts(0),
        label: String::new(),
        version: String::new(),
        balance: Money::ZERO,
    };
    ledger.begin_run(&row).unwrap();
    let (sender, receiver) = sync_channel(64);
    (LedgerThread::spawn(ledger, sender).unwrap(), receiver)
}

/// Answers every request with the same acceptance, on a thread per connection.
fn responder() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || respond(socket));
        }
    });
    address
}

fn respond(mut socket: TcpStream) {
    socket.set_nodelay(true).unwrap();
    let body = r#"{"retCode":0,"retMsg":"OK","result":{"orderId":"1321003749386327552","orderLinkId":"tp-0abcdefg-1"},"retExtInfo":{},"time":1672211918471}"#;
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (mut room, mut held) = (vec![0; 16_384], 0);
    loop {
        match socket.read(&mut room[held..]) {
            Ok(0) | Err(_) => return,
            Ok(more) => held += more,
        }
        let text = String::from_utf8_lossy(&room[..held]).to_ascii_lowercase();
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split_once("content-length: ").unwrap().1.split("\r\n").next().unwrap();
        if rest.len() >= length.parse().unwrap() {
            held = 0;
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
