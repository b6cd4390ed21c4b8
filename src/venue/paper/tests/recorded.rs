//! The venue on recorded markets: makers and takers of the smallest size live through real books and prints.
//!
//! Run with `TICKDECK_SHARED=... cargo test --lib recorded -- --ignored --nocapture`.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::super::*;
use super::oracle::Oracle;
use super::{m, p, q};
use crate::engine::effect::{Purpose, TimeInForce};
use crate::engine::event::{OrderNews, Trade};
use crate::engine::market::book::{Book, BookUpdate, Level};
use crate::engine::num::{Price, Side};

const BTC: Symbol = Symbol(0);

/// Market data of BTCUSDT in a recording of the venue's messages.
fn recording(name: &str) -> Vec<(Ts, MarketData)> {
    let shared = std::env::var("TICKDECK_SHARED").expect("TICKDECK_SHARED names the folder with recorded markets");
    let file = std::fs::File::open(format!("{shared}/data/tape_bybitfmt/{name}")).unwrap();
    let mut all = Vec::new();
    for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let (at, raw) = (Ts(message["recv_ns"].as_i64().unwrap()), &message["raw"]);
        let levels = |key: &str| -> Vec<Level> {
            let rows = raw["data"][key].as_array().into_iter().flatten();
            rows.map(|row| Level { price: p(row[0].as_str().unwrap()), qty: q(row[1].as_str().unwrap()) }).collect()
        };
        let topic = raw["topic"].as_str().unwrap();
        if topic == "orderbook.50.BTCUSDT" {
            let snapshot = raw["type"] == "snapshot";
            all.push((at, MarketData::Book(BookUpdate { snapshot, bids: levels("b"), asks: levels("a") })));
        } else if topic == "publicTrade.BTCUSDT" {
            for row in raw["data"].as_array().unwrap() {
                let taker = if row["S"] == "Buy" { Side::Buy } else { Side::Sell };
                let (price, qty) = (p(row["p"].as_str().unwrap()), q(row["v"].as_str().unwrap()));
                all.push((at, MarketData::Trade(Trade { price, qty, taker })));
            }
        }
    }
    all
}

/// What became of the orders of one style.
#[derive(Default)]
struct Outcome {
    sent: u32,
    filled: u32,
    /// Mid five seconds after each fill against its price, in basis points, in our favour.
    markouts: Vec<f64>,
}

impl Outcome {
    fn mean_markout(&self) -> f64 {
        self.markouts.iter().sum::<f64>() / self.markouts.len() as f64
    }
}

/// Every half second an order on the side whose turn it is, cancelled after five seconds.
fn trade(data: &[(Ts, MarketData)], tif: TimeInForce) -> Outcome {
    let settings = PaperSettings::default();
    let rules = Instrument::linear("BTCUSDT", p("0.01"), q("0.001"));
    let balance = m("1000000");
    let mut venue = PaperVenue::new(settings, vec![rules], balance, &[]);
    let mut oracle = Oracle::new(settings, balance, 1);
    let mut book = Book::new();
    let mut outcome = Outcome::default();
    let mut fills: Vec<(Ts, Side, Price)> = Vec::new();
    let mut mids: Vec<(Ts, Price)> = Vec::new();
    let mut orders: Vec<NewOrder> = Vec::new();
    let mut next = data[0].0;
    let told = |venue: &mut PaperVenue, oracle: &mut Oracle, print| -> Vec<(Ts, OrderUpdate)> {
        let reports: Vec<_> = venue.outbox.drain(..).collect();
        oracle.told(&reports.iter().map(|(_, report)| report.clone()).collect::<Vec<_>>(), print);
        let order = |(at, report)| if let VenueReport::Order(update) = report { Some((at, update)) } else { None };
        reports.into_iter().filter_map(order).collect()
    };
    for (at, what) in data {
        venue.advance(*at);
        let mut news = told(&mut venue, &mut oracle, None);
        oracle.hears(BTC, what);
        venue.on_market(*at, BTC, what);
        let print = if let MarketData::Trade(trade) = what { Some((BTC, *trade)) } else { None };
        news.extend(told(&mut venue, &mut oracle, print));
        for (delivered, update) in news {
            if let OrderNews::Filled(fill) = update.what {
                let order = &orders[update.order.0 as usize - 1];
                fills.push((delivered - settings.latency, order.side, fill.price));
                outcome.filled += 1;
            }
        }
        if let MarketData::Book(update) = what {
            book.apply(update);
            mids.extend(book.mid().map(|mid| (*at, mid)));
        }
        let Some((bid, ask)) = book.best() else { continue };
        if *at < next {
            continue;
        }
        next = *at + Span::from_ms(500);
        oracle.agrees(&venue.statement());
        let side = if orders.len().is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let near = if side == Side::Buy { bid.price } else { ask.price };
        let far = if side == Side::Buy { ask.price } else { bid.price };
        let order = NewOrder {
            seq: OrderSeq(orders.len() as u64 + 1),
            symbol: BTC,
            side,
            qty: q("0.001"),
            price: if tif == TimeInForce::PostOnly { near } else { far },
            tif,
            reduce_only: false,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: *at,
        };
        orders.push(order);
        oracle.sent(order);
        venue.submit(*at, Approved::for_test(order));
        if let Some(old) = orders.len().checked_sub(10) {
            venue.cancel(*at, orders[old].seq);
        }
    }
    outcome.sent = orders.len() as u32;
    for (at, side, price) in fills {
        let later = mids.partition_point(|(then, _)| *then < at + Span::from_secs(5));
        if let Some((_, mid)) = mids.get(later) {
            let moved = (mid.to_f64_lossy() / price.to_f64_lossy() - 1.0) * 1e4;
            outcome.markouts.push(moved * side.sign() as f64);
        }
    }
    outcome
}

#[test]
#[ignore = "reads recorded markets: set TICKDECK_SHARED and run with --ignored"]
fn makers_are_filled_against_themselves_and_takers_pay() {
    for name in ["btcusdt_ethusdt_from_binance_usdm_20240808.jsonl.gz", "btcusdt_from_binance_usdm_20230404.jsonl.gz"] {
        let data = recording(name);
        let (maker, taker) = (trade(&data, TimeInForce::PostOnly), trade(&data, TimeInForce::ImmediateOrCancel));
        for (style, outcome) in [("maker", &maker), ("taker", &taker)] {
            let (sent, filled, markout) = (outcome.sent, outcome.filled, outcome.mean_markout());
            println!("{name} {style}: {filled} fills of {sent} orders, mid 5 s later {markout:+.2} bp in our favour");
        }
        let hours = data.last().unwrap().0.since(data[0].0).as_secs_f64() / 3_600.0;
        println!("{name}: {} events, {hours:.2} h", data.len());
        assert!(maker.filled > 0 && taker.filled > 0);
        assert!(maker.filled < taker.filled, "resting at the back of the queue is slower than taking");
    }
}

/// How often the displayed size falls before the print that explains it arrives.
#[test]
#[ignore = "reads recorded markets: set TICKDECK_SHARED and run with --ignored"]
fn prints_and_falls_come_in_either_order() {
    let data = recording("btcusdt_ethusdt_from_binance_usdm_20240808.jsonl.gz");
    let mut book = Book::new();
    let (mut prints, mut beyond) = (0, 0);
    for (_, what) in &data {
        match what {
            MarketData::Book(update) => book.apply(update),
            MarketData::Trade(trade) if book.best().is_some() => {
                prints += 1;
                beyond += u32::from(book.qty_at(trade.taker.opposite(), trade.price) < trade.qty);
            }
            _ => {}
        }
    }
    println!("{beyond} of {prints} prints were larger than what was displayed when they arrived");
    assert!(beyond > 0 && beyond < prints, "both orders of arrival occur");
}
