//! What reading one public frame of the exchange costs, on our fast path and on the tolerant one. Synthetic frames in the
//! documented shapes, BTCUSDT-like. `cargo bench --bench decode`; figures are in docs/benchmarks.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark
#![allow(missing_docs)] // criterion's macros

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tickdeck::venue::bybit::parse::public::{Public, Room, parse, parse_tolerantly};

criterion_group!(benches, frames);
criterion_main!(benches);

fn frames(c: &mut Criterion) {
    let mut draws = Draws(0x9E37_79B9_7F4A_7C15);
    let books = |draws: &mut Draws, kind, depth, levels, count| many(count, || book(draws, kind, depth, levels));
    let shapes = [
        ("book delta 3+3", books(&mut draws, "delta", 50, 3, 2000)),
        ("book delta 12+12", books(&mut draws, "delta", 50, 12, 1000)),
        ("book snapshot 200+200", books(&mut draws, "snapshot", 200, 200, 200)),
        ("trades x1", many(2000, || trades(&mut draws, 1))),
        ("trades x20", many(500, || trades(&mut draws, 20))),
        ("ticker delta", many(2000, || ticker(&mut draws))),
    ];
    for (name, texts) in &shapes {
        let mut group = c.benchmark_group(*name);
        let mut room = Room::default();
        let mut next = texts.iter().cycle();
        group.bench_function("fast", |b| b.iter(|| touch(&parse(black_box(next.next().unwrap()), &mut room).unwrap())));
        group.bench_function("tolerant", |b| {
            b.iter(|| touch(&parse_tolerantly(black_box(next.next().unwrap()), &mut room).unwrap()));
        });
        group.finish();
    }
}

fn many(count: usize, mut make: impl FnMut() -> String) -> Vec<String> {
    (0..count).map(|_| make()).collect()
}

/// Keeps the result alive as a reader would.
fn touch(frame: &Public) -> i64 {
    match frame {
        Public::Book(book) => book.ts_ms + book.bids.len() as i64 + book.asks.len() as i64,
        Public::Trades(trades) => trades.ts_ms + trades.rows.len() as i64,
        Public::Ticker(ticker) => ticker.ts_ms,
        other => panic!("{other:?}"),
    }
}

struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
    fn qty(&mut self) -> String {
        format!("{}.{:03}", self.below(40), self.below(1000))
    }
    fn time(&mut self) -> u64 {
        1_700_010_000_000 + self.below(80_000_000)
    }
}

/// Two decimals, as the venue prints BTCUSDT.
fn price(tenths: u64) -> String {
    format!("{}.{}0", tenths / 10, tenths % 10)
}

fn book(draws: &mut Draws, kind: &str, depth: u32, count: u64) -> String {
    let mut side = |price_of: &dyn Fn(u64) -> u64| {
        let levels = (0..count).map(|i| format!(r#"["{}","{}"]"#, price(price_of(i)), draws.qty()));
        levels.collect::<Vec<_>>().join(",")
    };
    let (bids, asks) = (side(&|i| 300_000 - i), side(&|i| 300_001 + i));
    let (ts, cts, u) = (draws.time(), draws.time(), 1 + draws.below(1 << 24));
    format!(
        r#"{{"topic":"orderbook.{depth}.BTCUSDT","type":"{kind}","ts":{ts},"data":{{"s":"BTCUSDT","b":[{bids}],"a":[{asks}],"u":{u},"seq":{}}},"cts":{cts}}}"#,
        7_000_000_000 + u
    )
}

fn trades(draws: &mut Draws, count: usize) -> String {
    let ts = draws.time();
    let mut rows = String::new();
    for place in 0..count {
        let comma = if place == 0 { "" } else { "," };
        let side = if draws.below(2) == 0 { "Buy" } else { "Sell" };
        let direction = ["PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"][draws.below(4) as usize];
        let (qty, at) = (draws.qty(), price(300_000 + draws.below(5)));
        let id = format!(
            "{:08x}-{:04x}-5{:03x}-8{:03x}-{:012x}",
            draws.below(1 << 32),
            draws.below(1 << 16),
            draws.below(4096),
            draws.below(4096),
            draws.below(1 << 48)
        );
        let seq = 7_000_000_000 + draws.below(1 << 24);
        write!(
            rows,
            r#"{comma}{{"T":{ts},"s":"BTCUSDT","S":"{side}","v":"{qty}","p":"{at}","L":"{direction}","i":"{id}","BT":false,"RPI":false,"seq":{seq}}}"#
        )
        .unwrap();
    }
    format!(r#"{{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":{ts},"data":[{rows}]}}"#)
}

fn ticker(draws: &mut Draws) -> String {
    let (last, mark, index) = (draws.below(9), draws.below(9), draws.below(9));
    let (bid, ask) = (draws.qty(), draws.qty());
    format!(
        r#"{{"topic":"tickers.BTCUSDT","type":"delta","data":{{"symbol":"BTCUSDT","tickDirection":"PlusTick","price24hPcnt":"0.0{}","lastPrice":"{}","markPrice":"{}","indexPrice":"{}","openInterest":"{}.{:03}","openInterestValue":"{}.{:02}","bid1Price":"{}","bid1Size":"{bid}","ask1Price":"{}","ask1Size":"{ask}"}},"cs":{},"ts":{}}}"#,
        10_000 + draws.below(9_999),
        price(300_000 + last),
        price(300_000 + mark),
        price(300_000 + index),
        50_000 + draws.below(9_999),
        draws.below(1000),
        1_500_000_000 + draws.below(99_999),
        draws.below(100),
        price(300_000),
        price(300_001),
        7_000_000_000 + draws.below(1 << 24),
        draws.time()
    )
}
