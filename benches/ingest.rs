//! From the socket to the engine's books: what one book delta costs step by step, and a whole stream on loopback, 600
//! instruments in twelve connections, at a given rate and as fast as it goes. Synthetic frames in the documented shape.
//! `cargo bench --bench ingest`; figures are in docs/benchmarks.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a benchmark

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use tickdeck::engine::event::{Event, MarketData};
use tickdeck::engine::market::book::{Book, BookState};
use tickdeck::engine::time::Ts;
use tickdeck::venue::bybit::hosts::{Network, Overrides, PublicHosts, Region};
use tickdeck::venue::bybit::parse::public::{Public, Room, parse};
use tickdeck::venue::bybit::public::book::{Mirror, Told};
use tickdeck::venue::bybit::public::{PublicOptions, PublicStream, Timing};
use tickdeck::venue::line::{Inlet, line};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

const SYMBOLS: usize = 600;
const PER_CONNECTION: usize = 50;
const DEPTH: usize = 50;
/// Frames per instrument before its stream begins anew with a snapshot.
const FRAMES: usize = 200;

fn main() {
    let streams: Vec<Vec<String>> = (0..SYMBOLS).map(stream).collect();
    steps(&streams);
    loopback("12,000 a second", &streams, Some(Duration::from_millis(50)));
    loopback("as fast as it goes", &streams, None);
}

fn name(symbol: usize) -> String {
    format!("COIN{symbol:03}USDT")
}

/// A snapshot and the deltas after it: three changes a side, mostly near the best price, which moves now and then.
fn stream(symbol: usize) -> Vec<String> {
    let mut draws = Draws(0x9E37_79B9_7F4A_7C15 ^ (symbol as u64 + 1));
    let mut middle = 300_000_i64;
    let side = |from: i64, step: i64| (0..DEPTH as i64).map(|i| (from + i * step, 1)).collect::<Vec<_>>();
    let mut frames = vec![frame(symbol, "snapshot", 2, &side(middle, -1), &side(middle + 1, 1))];
    for u in 3..FRAMES as u64 + 2 {
        let mut bids = draws.changes(middle, -1);
        let mut asks = draws.changes(middle + 1, 1);
        if draws.below(8) == 0 {
            let up = draws.below(2) == 0;
            middle += if up { 1 } else { -1 };
            // The best of one side gives way, before the other side takes its price.
            (bids, asks) = if up {
                (vec![(middle, 5)], vec![(middle, 0)])
            } else {
                (vec![(middle + 1, 0)], vec![(middle + 1, 5)])
            };
        }
        frames.push(frame(symbol, "delta", u, &bids, &asks));
    }
    frames
}

fn frame(symbol: usize, kind: &str, u: u64, bids: &[(i64, u64)], asks: &[(i64, u64)]) -> String {
    let (name, seq, ts) = (name(symbol), 7_000_000_000 + u, 1_700_010_000_000 + u);
    let (bids, asks) = (levels(bids), levels(asks));
    format!(
        r#"{{"topic":"orderbook.{DEPTH}.{name}","type":"{kind}","ts":{ts},"data":{{"s":"{name}","b":[{bids}],"a":[{asks}],"u":{u},"seq":{seq}}},"cts":{ts}}}"#
    )
}

fn levels(levels: &[(i64, u64)]) -> String {
    let mut text = String::new();
    for (place, (tenths, qty)) in levels.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(text, r#"{comma}["{}.{}0","{qty}"]"#, tenths / 10, tenths % 10).unwrap();
    }
    text
}

struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
    fn changes(&mut self, best: i64, step: i64) -> Vec<(i64, u64)> {
        let mut one = || {
            let away = self.below(DEPTH as u64) * self.below(DEPTH as u64) / DEPTH as u64;
            // The best level stays: what it does is told with the middle.
            let qty = if away > 0 && self.below(5) == 0 { 0 } else { 1 + self.below(40_000) };
            (best + step * away as i64, qty)
        };
        vec![one(), one(), one()]
    }
}

/// The cost of each step, and of all of them, for deltas that come as one batch of a connection after
/// another. Fifteen rounds, median.
fn steps(streams: &[Vec<String>]) {
    let mut room = Room::default();
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for _ in 0..15 {
        let mut books: Vec<(Mirror, Book)> = streams.iter().map(|_| Default::default()).collect();
        let mut begin = |books: &mut [(Mirror, Book)]| {
            for (texts, (mirror, book)) in streams.iter().zip(books) {
                apply(hear(mirror, &texts[0], &mut room), book);
            }
        };
        begin(&mut books);
        let mut batch: Vec<(usize, String)> = Vec::new();
        for (figure, step) in rounds.iter_mut().zip(0..) {
            begin(&mut books);
            let mut room = Room::default();
            let mut took = Duration::ZERO;
            for (turn, first) in
                (1..FRAMES).flat_map(|turn| (0..SYMBOLS).step_by(PER_CONNECTION).map(move |first| (turn, first)))
            {
                // As they come out of a socket: just written, one behind the other.
                batch.clear();
                batch.extend((first..first + PER_CONNECTION).map(|symbol| (symbol, streams[symbol][turn].clone())));
                let began = Instant::now();
                for (symbol, text) in &batch {
                    let (mirror, book) = &mut books[*symbol];
                    match step {
                        0 => drop(black_box(parse(text, &mut room))),
                        1 => drop(black_box(hear(mirror, text, &mut room))),
                        _ => apply(hear(mirror, text, &mut room), book),
                    }
                }
                took += began.elapsed();
            }
            figure.push(took.as_nanos() as f64 / (SYMBOLS * (FRAMES - 1)) as f64);
            if step == 2 {
                assert!(books.iter().all(|(_, book)| book.state() == BookState::Valid && book.best().is_some()));
            }
        }
    }
    for (what, mut figures) in
        ["decode", "decode + mirror + update", "decode + mirror + update + book"].into_iter().zip(rounds)
    {
        figures.sort_by(f64::total_cmp);
        println!("{what:<34} {:6.0} ns a delta (least {:.0})", figures[figures.len() / 2], figures[0]);
    }
}

fn hear(mirror: &mut Mirror, text: &str, room: &mut Room) -> Told {
    let Ok(Public::Book(frame)) = parse(text, room) else { panic!("{text}") };
    mirror.on(&frame)
}

fn apply(told: Told, book: &mut Book) {
    let Told::Update(update) = told else { panic!("{told:?}") };
    book.apply(&update);
}

/// A whole stream: what it takes of the processor while frames come every `period` (each instrument's turn), or without
/// a pause.
fn loopback(what: &str, streams: &[Vec<String>], period: Option<Duration>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let exchange = exchange(listener, streams, period, stop.clone());
    let began = Instant::now();
    let asleep = Arc::new(AtomicBool::new(false));
    let applied = Arc::new(AtomicU64::new(0));
    let (hand, taker) = std::sync::mpsc::channel::<Inlet>();
    let reader = {
        let (asleep, applied, stop) = (asleep.clone(), applied.clone(), stop.clone());
        Builder::new()
            .name("books".into())
            .spawn(move || read(taker.recv().unwrap(), &asleep, &applied, &stop))
            .unwrap()
    };
    let thread = reader.thread().clone();
    let wake = Arc::new(move || {
        if asleep.swap(false, Ordering::SeqCst) {
            thread.unpark();
        }
    });
    let (outlet, inlet) = line(8192, Arc::new(move || Ts(began.elapsed().as_nanos() as i64)), wake);
    hand.send(inlet).unwrap();
    let overrides = Overrides {
        rest: Some("http://127.0.0.1:1".into()),
        ws_public: Some(format!("ws://{address}")),
        ..Overrides::default()
    };
    let options = PublicOptions {
        hosts: PublicHosts::new(Network::Mainnet, Region::Global, &overrides).unwrap(),
        symbols: (0..SYMBOLS).map(name).collect(),
        depth: DEPTH as u16,
        proxy: None,
        limits: Arc::default(),
        signs: tickdeck::venue::bybit::signs::Signs::default(),
        timing: Timing::default(),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).thread_name("net").enable_all().build().unwrap();
    let stream = PublicStream::start(runtime.handle(), options, outlet).unwrap();
    while applied.load(Ordering::Relaxed) < 10 * SYMBOLS as u64 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (count, cpu, start) = (applied.load(Ordering::Relaxed), cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(6));
    let (count, took) = (applied.load(Ordering::Relaxed) - count, start.elapsed().as_secs_f64());
    let after = self::cpu();
    let used = |thread: &str| (after[thread] - cpu[thread]) as f64;
    let (net, books) = (used("net"), used("books"));
    println!(
        "{what}: {:.0} deltas a second applied; {:.0} ns a delta on the sockets' threads, {:.0} on the books' thread; \
         {:.2} % of a core; {:.2} M deltas per second of processor; resyncs {}",
        count as f64 / took,
        net / count as f64,
        books / count as f64,
        (net + books) / took / 1e7,
        count as f64 / (net + books) * 1e3,
        stream.counts().resyncs
    );
    stop.store(true, Ordering::SeqCst);
    drop(stream);
    runtime.shutdown_background();
    reader.thread().unpark();
    reader.join().unwrap();
    exchange.join().unwrap();
}

/// The run's side: takes what the line brings and keeps the books.
fn read(mut inlet: Inlet, asleep: &AtomicBool, applied: &AtomicU64, stop: &AtomicBool) {
    let mut books: Vec<Book> = (0..SYMBOLS).map(|_| Book::new()).collect();
    while !stop.load(Ordering::Relaxed) {
        inlet.collect();
        let mut count = 0;
        while let Some((_, event)) = inlet.pop() {
            if let Event::Market(symbol, MarketData::Book(update)) = event {
                books[symbol.index()].apply(&update);
                black_box(books[symbol.index()].best());
                count += 1;
            }
        }
        applied.fetch_add(count, Ordering::Relaxed);
        if count == 0 {
            asleep.store(true, Ordering::SeqCst);
            inlet.collect();
            if inlet.next_at().is_none() {
                park_timeout(Duration::from_millis(100));
            }
            asleep.store(false, Ordering::SeqCst);
        }
    }
}

/// Nanoseconds on the processor by thread name, all threads of a name together.
fn cpu() -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let of = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let spent: u64 = of("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        *all.entry(of("comm").trim().to_owned()).or_default() += spent;
    }
    all
}

/// Answers subscriptions, then writes what was prepared.
fn exchange(
    listener: TcpListener,
    streams: &[Vec<String>],
    period: Option<Duration>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<()> {
    // Per connection and turn: the frames of all its instruments, as bytes of the wire.
    let prepared: Vec<Vec<Vec<u8>>> = streams
        .chunks(PER_CONNECTION)
        .map(|share| (0..FRAMES).map(|turn| share.iter().flat_map(|texts| on_wire(&texts[turn])).collect()).collect())
        .collect();
    let prepared = Arc::new(prepared);
    listener.set_nonblocking(true).unwrap();
    Builder::new()
        .name("exchange".into())
        .spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Ok((socket, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let (prepared, stop) = (prepared.clone(), stop.clone());
                Builder::new().name("exchange".into()).spawn(move || serve(socket, &prepared, period, &stop)).unwrap();
            }
        })
        .unwrap()
}

fn serve(socket: TcpStream, prepared: &[Vec<Vec<u8>>], period: Option<Duration>, stop: &AtomicBool) {
    socket.set_nonblocking(false).unwrap();
    let Ok(mut socket) = accept(socket) else { return };
    let Some(share) = (0..PER_CONNECTION).map(|_| answer(&mut socket)).last().flatten() else { return };
    let mut socket: &TcpStream = socket.get_ref();
    let mut next = Instant::now() + period.unwrap_or_default().mul_f64(share as f64 / prepared.len() as f64);
    for turn in prepared[share].iter().cycle() {
        if let Some(period) = period {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += period;
        }
        if stop.load(Ordering::Relaxed) || socket.write_all(turn).is_err() {
            return;
        }
    }
}

/// Answers one subscription; which share of the instruments it belongs to.
fn answer(socket: &mut WebSocket<TcpStream>) -> Option<usize> {
    let text = socket.read().ok()?.into_text().ok()?.to_string();
    let id = text.split_once(r#""req_id":""#)?.1.split('"').next()?.to_owned();
    let share = text.split_once("COIN")?.1.get(..3)?.parse::<usize>().ok()? / PER_CONNECTION;
    let reply = format!(r#"{{"success":true,"ret_msg":"","conn_id":"c","req_id":"{id}","op":"subscribe"}}"#);
    socket.send(Message::text(reply)).ok()?;
    Some(share)
}

fn on_wire(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    if let Ok(length @ ..126) = u8::try_from(text.len()) {
        bytes.push(length);
    } else {
        bytes.push(126);
        bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    }
    bytes.extend(text.as_bytes());
    bytes
}
