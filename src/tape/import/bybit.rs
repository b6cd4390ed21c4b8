//! Messages of Bybit's public v5 streams: order book, trades, tickers.

use serde::Deserialize;

use super::message::{Bad, Levels, Line, Message, level, levels, positive_price};
use crate::engine::event::{Ticker, Trade};
use crate::engine::num::{Price, Rate, Side};
use crate::engine::time::Ts;

/// How a message sits in its line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrapping {
    /// `{"recv_ns":…,"raw":message}`.
    Recorder,
    /// The message alone; its own time is the only one there is.
    None,
}

#[derive(Deserialize)]
struct Wrapped<T> {
    recv_ns: Option<i64>,
    raw: T,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    topic: Option<&'a str>,
}

#[derive(Deserialize)]
struct Push<T> {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    ts: Option<i64>,
    data: T,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Snapshot,
    Delta,
}

#[derive(Deserialize)]
struct BookData<'a> {
    s: &'a str,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
    u: u64,
}

#[derive(Deserialize)]
struct TradeData<'a> {
    s: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    v: &'a str,
    p: &'a str,
    #[serde(rename = "BT", default)]
    block: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TickerData<'a> {
    symbol: &'a str,
    mark_price: Option<&'a str>,
    index_price: Option<&'a str>,
    funding_rate: Option<&'a str>,
    next_funding_time: Option<&'a str>,
    prev_price24h: Option<&'a str>,
}

/// Reads one line. `at` is the receive time where the line's beginning told it.
pub(super) fn parse(text: &str, wrapping: Wrapping, at: Option<Ts>) -> Result<Line<'_>, Bad> {
    let topic = match wrapping {
        Wrapping::Recorder => json::<Wrapped<Envelope>>(text)?.raw.topic,
        Wrapping::None => json::<Envelope>(text)?.topic,
    };
    let Some(topic) = topic else { return Ok(Line::Other) };
    let mut parts = topic.split('.');
    match (parts.next(), parts.next()) {
        (Some("orderbook"), Some(depth)) => book(text, wrapping, at, depth),
        (Some("publicTrade"), _) => trades(text, wrapping, at),
        (Some("tickers"), _) => ticker(text, wrapping, at),
        _ => Ok(Line::Other),
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Bad> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// The message without its wrapping, and when it was received.
fn unwrap<'a, T: Deserialize<'a>>(text: &'a str, wrapping: Wrapping, at: Option<Ts>) -> Result<(Ts, Push<T>), Bad> {
    let (received, push) = match wrapping {
        Wrapping::Recorder => {
            let wrapped = json::<Wrapped<Push<T>>>(text)?;
            (wrapped.recv_ns.map(Ts), wrapped.raw)
        }
        Wrapping::None => (at, json::<Push<T>>(text)?),
    };
    let at = received.or(push.ts.map(Ts::from_ms)).filter(|at| *at > Ts(0));
    Ok((at.ok_or("the message has no time")?, push))
}

fn book<'a>(text: &'a str, wrapping: Wrapping, at: Option<Ts>, depth: &str) -> Result<Line<'a>, Bad> {
    let (at, push) = unwrap::<BookData>(text, wrapping, at)?;
    let depth = depth.parse().map_err(|_| format!("a book of depth `{depth}`"))?;
    let data = push.data;
    let levels = Levels { bids: levels(&data.b)?, asks: levels(&data.a)? };
    // After a restart of the service the venue sends a snapshot that it numbers 1, whatever it calls it.
    let message = if push.kind == Some(Kind::Snapshot) || data.u == 1 {
        Message::Snapshot { id: data.u, depth, pushed: true, levels }
    } else {
        Message::Delta { first: data.u, last: data.u, previous: None, depth, levels }
    };
    Ok(Line::Message { at, name: Some(data.s), message })
}

fn trades(text: &str, wrapping: Wrapping, at: Option<Ts>) -> Result<Line<'_>, Bad> {
    let (at, push) = unwrap::<Vec<TradeData>>(text, wrapping, at)?;
    let Some(name) = push.data.first().map(|t| t.s) else { return Ok(Line::Other) };
    let mut trades = Vec::with_capacity(push.data.len());
    for trade in &push.data {
        if trade.s != name {
            return Err("trades of several instruments in one message".to_owned());
        }
        let taker = match trade.side {
            "Buy" => Side::Buy,
            "Sell" => Side::Sell,
            other => return Err(format!("a trade of side `{other}`")),
        };
        // Block trades are agreed beside the book and say nothing about it.
        if !trade.block {
            let level = level(trade.p, trade.v)?;
            trades.push(Trade { price: level.price, qty: level.qty, taker });
        }
    }
    Ok(Line::Message { at, name: Some(name), message: Message::Trades(trades) })
}

fn ticker(text: &str, wrapping: Wrapping, at: Option<Ts>) -> Result<Line<'_>, Bad> {
    let (at, push) = unwrap::<TickerData>(text, wrapping, at)?;
    let data = push.data;
    let price = |text: Option<&str>| -> Result<Option<Price>, Bad> {
        text.filter(|t| !t.is_empty()).map(positive_price).transpose()
    };
    let next = |text: &str| text.parse().map(Ts::from_ms).map_err(|_| format!("a funding time of `{text}`"));
    let ticker = Ticker {
        mark: price(data.mark_price)?,
        index: price(data.index_price)?,
        funding_rate: rate(data.funding_rate)?,
        next_funding: data.next_funding_time.filter(|t| !t.is_empty() && *t != "0").map(next).transpose()?,
        price_24h_ago: price(data.prev_price24h)?,
    };
    Ok(Line::Message { at, name: Some(data.symbol), message: Message::Ticker(ticker) })
}

/// A rate that may be absent or empty.
pub(super) fn rate(text: Option<&str>) -> Result<Option<Rate>, Bad> {
    text.filter(|t| !t.is_empty()).map(|t| Rate::parse(t).map_err(|e| e.to_string())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::Qty;

    fn one(text: &str, wrapping: Wrapping) -> (Ts, Option<&str>, Message) {
        match parse(text, wrapping, None) {
            Ok(Line::Message { at, name, message }) => (at, name, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn books_trades_and_tickers() {
        let text = r#"{"recv_ns":5,"raw":{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT","b":[["9","1"]],"a":[["10","2"]],"u":7,"seq":1},"cts":1}}"#;
        let (at, name, message) = one(text, Wrapping::Recorder);
        assert_eq!((at, name), (Ts(5), Some("BTCUSDT")));
        let Message::Snapshot { id: 7, depth: 50, pushed: true, levels } = message else { panic!("{message:?}") };
        assert_eq!((levels.bids.len(), levels.asks[0].qty), (1, Qty::parse("2").unwrap()));

        let text = r#"{"topic":"publicTrade.BTCUSDT","ts":3,"data":[{"T":2,"s":"BTCUSDT","S":"Sell","v":"0.1","p":"9"},{"T":2,"s":"BTCUSDT","S":"Buy","v":"5","p":"9","BT":true}]}"#;
        let (at, _, message) = one(text, Wrapping::None);
        assert_eq!(at, Ts(3_000_000));
        assert!(matches!(message, Message::Trades(trades) if trades.len() == 1 && trades[0].taker == Side::Sell));

        let text = r#"{"topic":"tickers.BTCUSDT","type":"delta","ts":3,"data":{"symbol":"BTCUSDT","markPrice":"9.5","fundingRate":"","nextFundingTime":"1763827200000"}}"#;
        let (_, _, message) = one(text, Wrapping::None);
        let Message::Ticker(ticker) = message else { panic!("{message:?}") };
        assert_eq!((ticker.mark, ticker.funding_rate), (Some(Price::parse("9.5").unwrap()), None));
        assert_eq!(ticker.next_funding, Some(Ts::from_ms(1_763_827_200_000)));
    }

    #[test]
    fn number_one_is_a_snapshot_whatever_it_is_called() {
        let text = r#"{"topic":"orderbook.50.X","type":"delta","ts":1,"data":{"s":"X","b":[],"a":[],"u":1}}"#;
        assert!(matches!(one(text, Wrapping::None).2, Message::Snapshot { id: 1, pushed: true, .. }));
    }

    #[test]
    fn answers_are_no_news_and_nonsense_is_bad() {
        for text in [r#"{"success":true,"op":"subscribe"}"#, r#"{"topic":"kline.1.X","data":{}}"#] {
            assert_eq!(parse(text, Wrapping::None, None), Ok(Line::Other), "{text}");
        }
        for text in [
            "",
            "{",
            "[]",
            r#"{"topic":5}"#,
            r#"{"topic":"orderbook.50.X","ts":1,"data":{}}"#,
            r#"{"topic":"orderbook.x.X","ts":1,"data":{"s":"X","b":[],"a":[],"u":2}}"#,
            r#"{"topic":"orderbook.50.X","data":{"s":"X","b":[],"a":[],"u":2}}"#,
            r#"{"topic":"orderbook.50.X","ts":1,"data":{"s":"X","b":[["9"]],"a":[],"u":2}}"#,
            r#"{"topic":"orderbook.50.X","ts":1,"data":{"s":"X","b":[["nine","1"]],"a":[],"u":2}}"#,
            r#"{"topic":"publicTrade.X","ts":1,"data":[{"s":"X","S":"Up","v":"1","p":"1"}]}"#,
        ] {
            assert!(parse(text, Wrapping::None, None).is_err(), "{text}");
        }
    }
}
