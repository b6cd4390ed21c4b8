//! The fast path and the tolerant one read the same, and what is not as documented goes to the tolerant one.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::venue::bybit::parse::public::{parse, parse_tolerantly};

/// Read by the fast path, and by both the same?
fn is_fast(text: &str) -> bool {
    let (mut fast, mut both, mut slow) = (Room::default(), Room::default(), Room::default());
    let taken = frame(text, &mut fast).is_some();
    assert_eq!(parse(text, &mut both), parse_tolerantly(text, &mut slow), "{text}");
    taken
}

/// A decimal of the kind that the venue sends, now and then of one that it never sends.
fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => "[1-9][0-9]{0,5}\\.[0-9]{1,4}",
        4 => "0\\.0{0,5}[1-9]",
        4 => "[1-9][0-9]{0,8}",
        1 => "[0-9]{0,12}\\.?[0-9]{0,12}",
        1 => select(vec!["", "0", ".1", "1.", "-1", "+1", "1e5", "9223372036.854775807", "9223372036.854775808", "é"])
            .prop_map(str::to_owned),
    ]
}

fn levels() -> impl Strategy<Value = String> {
    prop::collection::vec((decimal(), decimal()), 0..6)
        .prop_map(|levels| join(levels.iter().map(|(price, qty)| format!(r#"["{price}","{qty}"]"#))))
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

fn shuffled(fields: Vec<String>) -> impl Strategy<Value = String> {
    Just(fields).prop_shuffle().prop_map(|fields| fields.join(","))
}

fn book_fields(b: &str, a: &str, u: u64) -> Vec<String> {
    let data = format!(r#""data":{{"s":"BTCUSDT","b":[{b}],"a":[{a}],"u":{u},"seq":7}}"#);
    let outer = [r#""topic":"orderbook.50.BTCUSDT""#, r#""type":"delta""#, r#""ts":9"#, &data, r#""cts":8"#];
    outer.map(str::to_owned).to_vec()
}

const TICKER_KEYS: &[&str] = &[
    "bid1Price",
    "bid1Size",
    "ask1Price",
    "ask1Size",
    "lastPrice",
    "markPrice",
    "indexPrice",
    "openInterest",
    "openInterestValue",
    "volume24h",
    "turnover24h",
    "price24hPcnt",
    "fundingRate",
    "prevPrice24h",
    "highPrice24h",
    "lowPrice24h",
    "prevPrice1h",
    "tickDirection",
    "nextFundingTime",
    "fundingIntervalHour",
    "fundingCap",
    "deliveryTime",
    "predictedDeliveryPrice",
    "preQty",
    "symbol",
];

proptest! {
    #[test]
    fn books_read_the_same(b in levels(), a in levels(), u in prop_oneof![Just(1_u64), any::<u64>()]) {
        is_fast(&format!("{{{}}}", book_fields(&b, &a, u).join(",")));
    }

    #[test]
    fn books_in_any_order_read_the_same(
        text in (levels(), levels()).prop_flat_map(|(b, a)| shuffled(book_fields(&b, &a, 5)))
    ) {
        is_fast(&format!("{{{text}}}"));
    }

    #[test]
    fn trades_read_the_same(
        rows in prop::collection::vec((decimal(), decimal(), select(vec!["Buy", "Sell", "None"]), prop_oneof!["[a-f0-9-]{36}", "[a-f0-9-]{0,40}"]), 0..4),
        rpi in select(vec!["", r#""RPI":true,"#, r#""RPI":false,"#]),
        swap in any::<bool>(),
    ) {
        let rows = join(rows.iter().map(|(v, p, side, id)| format!(
            r#"{{"T":3,"s":"X","S":"{side}","v":"{v}","p":"{p}","L":"PlusTick","i":"{id}","BT":false,{rpi}"seq":7}}"#
        )));
        let head = if swap { r#""ts":9,"type":"snapshot""# } else { r#""type":"snapshot","ts":9"# };
        is_fast(&format!(r#"{{"topic":"publicTrade.X",{head},"data":[{rows}]}}"#));
    }

    #[test]
    fn tickers_read_the_same(
        fields in prop::collection::vec((select(TICKER_KEYS), decimal()), 0..12),
        kind in select(vec!["snapshot", "delta"]),
    ) {
        let mut data = String::new();
        for (key, value) in fields {
            write!(data, r#","{key}":"{value}""#).unwrap();
        }
        is_fast(&format!(
            r#"{{"topic":"tickers.X","type":"{kind}","data":{{"symbol":"X"{data}}},"cs":7,"ts":9}}"#
        ));
    }

    /// Any byte changed: both agree, or the fast path steps aside.
    #[test]
    fn changed_frames_read_the_same(
        which in select(vec![BOOK, TRADES, TICKER]), place in any::<prop::sample::Index>(), byte in 0_u8..128
    ) {
        let mut bytes = which.as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        is_fast(std::str::from_utf8(&bytes).unwrap());
    }
}

const BOOK: &str = r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1700030499574,"data":{"s":"BTCUSDT","b":[["30000.00","30.260"],["29999.90","0"]],"a":[],"u":15945133,"seq":7015945133},"cts":1700032449183}"#;
const TRADES: &str = r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1700086110167,"data":[{"T":1700086110167,"s":"BTCUSDT","S":"Sell","v":"0.149","p":"30000.40","L":"MinusTick","i":"e35630b4-31d5-54f6-8e3f-3025908ef863","BT":false,"RPI":false,"seq":7012295507}]}"#;
const TICKER: &str = r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","tickDirection":"PlusTick","price24hPcnt":"-0.016930","lastPrice":"30000.80","markPrice":"30000.10","openInterest":"59171.782","fundingRate":"-0.0001","preQty":"","nextFundingTime":"1715760000000","bid1Size":"3.5"},"cs":7012295507,"ts":1700086110167}"#;

#[test]
fn documented_frames_are_fast() {
    for text in [BOOK, TRADES, TICKER] {
        assert!(is_fast(text), "{text}");
    }
    assert!(is_fast(&BOOK.replace(r#""type":"delta","ts":1700030499574"#, r#""ts":1700030499574,"type":"snapshot""#)));
}

#[test]
fn everything_else_is_not() {
    let escaped = BOOK.replace("\"s\":\"BTCUSDT\"", "\"s\":\"BTC\\u0055SDT\"");
    for text in [
        BOOK.replace(",\"cts\":1700032449183", ""),
        BOOK.replace(':', ": "),
        BOOK.replace("15945133,", "015945133,"),
        BOOK.replace("15945133,", "9999999999999999999,"),
        BOOK.replace("30.260", "1.0000000001"),
        BOOK.replace("30000.00", "-30000.00"),
        BOOK.replace("orderbook.50", "orderbook.full"),
        format!("{BOOK} "),
        escaped,
        TRADES.replace("\"L\":\"MinusTick\",", ""),
        TRADES.replace("e35630b4", "e35630b4-e35630b4"),
        TRADES.replace("e35630b4-31d5-54f6-8e3f-3025908ef863", "2200000000067341890"),
        TRADES.replace("\"s\":\"BTCUSDT\"", "\"s\":\"ETHUSDT\""),
        TICKER.replace("\"bid1Size\":\"3.5\"", "\"lastPrice\":\"3.5\""),
        TICKER.replace("\"bid1Size\":\"3.5\"", "\"bid1Size\":3.5"),
        TICKER.replace("\"bid1Size\":\"3.5\"", "\"bid1Size\":\"\""),
        TICKER.replace("\"bid1Size\"", "\"deliveryTime\""),
        r#"{"topic":"publicTrade.X","type":"snapshot","ts":1,"data":[]}"#.to_owned(),
        r#"{"success":true,"op":"subscribe"}"#.to_owned(),
        String::new(),
    ] {
        assert!(!is_fast(&text), "{text}");
    }
}

#[test]
fn a_grown_room_is_not_allocated_again() {
    let mut room = Room::default();
    let large = BOOK.replace(r#"["29999.90","0"]"#, &vec![r#"["29999.90","1"]"#; 200].join(","));
    frame(&large, &mut room).unwrap();
    frame(TRADES, &mut room).unwrap();
    let (bids, trades) = (room.bids.as_ptr(), room.trades.as_ptr());
    for _ in 0..10 {
        frame(BOOK, &mut room).unwrap();
        frame(TRADES, &mut room).unwrap();
        frame(&large, &mut room).unwrap();
    }
    assert!(room.bids.as_ptr() == bids && room.trades.as_ptr() == trades);
}
