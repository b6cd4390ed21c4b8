//! Messages of Binance's combined streams, as collectors write them behind a local time: `<time> {"stream","data"}`,
//! and the REST snapshot of the book among them.

use serde::Deserialize;

use super::bybit::{self, Wrapping};
use super::message::{Bad, Levels, Line, Message, level, levels, moment, positive_price};
use crate::engine::event::{Ticker, Trade};
use crate::engine::num::Side;
use crate::engine::time::Ts;

/// What tells the forms apart.
#[derive(Deserialize)]
struct Probe<'a> {
    stream: Option<&'a str>,
    topic: Option<&'a str>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
}

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

#[derive(Deserialize)]
struct Rest<'a> {
    symbol: Option<&'a str>,
    #[serde(borrow)]
    bids: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    asks: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct Depth<'a> {
    s: &'a str,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    pu: Option<u64>,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct Best<'a> {
    u: u64,
    s: &'a str,
    b: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct TradeData<'a> {
    s: &'a str,
    p: &'a str,
    q: &'a str,
    /// The buyer was resting: the taker sold.
    m: bool,
    /// Futures say what kind of trade it was.
    #[serde(rename = "X")]
    kind: Option<&'a str>,
}

#[derive(Deserialize)]
struct Mark<'a> {
    s: &'a str,
    p: &'a str,
    i: Option<&'a str>,
    r: Option<&'a str>,
    #[serde(rename = "T")]
    next_funding: Option<i64>,
}

/// Reads one line of a collector, which may also hold Bybit's messages.
pub(super) fn parse(line: &str) -> Result<Line<'_>, Bad> {
    let (time, text) = line.split_once(' ').ok_or("no local time before the message")?;
    let at = moment(time)?;
    let probe: Probe = json(text)?;
    if probe.topic.is_some() {
        return bybit::parse(text, Wrapping::None, Some(at));
    }
    if let Some(id) = probe.last_update_id {
        let rest: Rest = json(text)?;
        let levels = Levels { bids: levels(&rest.bids)?, asks: levels(&rest.asks)? };
        let message = Message::Snapshot { id, depth: 0, pushed: false, levels };
        return Ok(Line::Message { at, name: rest.symbol, message });
    }
    let Some((_, stream)) = probe.stream.and_then(|s| s.split_once('@')) else { return Ok(Line::Other) };
    match stream.split('@').next() {
        Some("depth") => depth(at, text),
        Some("bookTicker") => best(at, text),
        Some("trade") => trade(at, text),
        Some("markPrice") => mark(at, text),
        _ => Ok(Line::Other),
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Bad> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

fn depth(at: Ts, text: &str) -> Result<Line<'_>, Bad> {
    let data = json::<Combined<Depth>>(text)?.data;
    if data.first > data.u {
        return Err(format!("changes from {} to {}", data.first, data.u));
    }
    let levels = Levels { bids: levels(&data.b)?, asks: levels(&data.a)? };
    let message = Message::Delta { first: data.first, last: data.u, previous: data.pu, depth: 0, levels };
    Ok(Line::Message { at, name: Some(data.s), message })
}

fn best(at: Ts, text: &str) -> Result<Line<'_>, Bad> {
    let data = json::<Combined<Best>>(text)?.data;
    let (bid, ask) = (level(data.b, data.bid_qty)?, level(data.a, data.ask_qty)?);
    if bid.price >= ask.price || bid.qty.is_zero() || ask.qty.is_zero() {
        return Err(format!("best bid {} and ask {} are no market", data.b, data.a));
    }
    Ok(Line::Message { at, name: Some(data.s), message: Message::Best { id: data.u, bid, ask } })
}

fn trade(at: Ts, text: &str) -> Result<Line<'_>, Bad> {
    let data = json::<Combined<TradeData>>(text)?.data;
    // Insurance fund and auto-deleveraging trades do not happen in the book.
    if data.kind.is_some_and(|kind| kind != "MARKET") {
        return Ok(Line::Other);
    }
    let level = level(data.p, data.q)?;
    let taker = if data.m { Side::Sell } else { Side::Buy };
    let trade = Trade { price: level.price, qty: level.qty, taker };
    Ok(Line::Message { at, name: Some(data.s), message: Message::Trades(vec![trade]) })
}

fn mark(at: Ts, text: &str) -> Result<Line<'_>, Bad> {
    let data = json::<Combined<Mark>>(text)?.data;
    let ticker = Ticker {
        mark: Some(positive_price(data.p)?),
        index: data.i.map(positive_price).transpose()?,
        funding_rate: bybit::rate(data.r)?,
        next_funding: data.next_funding.filter(|ms| *ms > 0).map(Ts::from_ms),
        price_24h_ago: None,
    };
    Ok(Line::Message { at, name: Some(data.s), message: Message::Ticker(ticker) })
}

/// Which of Binance's markets a line comes from, if it tells.
pub(super) fn market_of(line: &str) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Marks<'a> {
        stream: &'a str,
        #[serde(borrow)]
        data: Fields<'a>,
    }
    #[derive(Deserialize)]
    struct Fields<'a> {
        pu: Option<u64>,
        ps: Option<&'a str>,
    }
    let (_, text) = line.split_once(' ')?;
    let marks: Marks = serde_json::from_str(text).ok()?;
    if marks.data.ps.is_some() {
        return Some(COIN_M);
    }
    marks.stream.contains("@depth").then_some(if marks.data.pu.is_some() { USD_M } else { SPOT })
}

/// Coin-margined futures.
pub(super) const COIN_M: &str = "binance coin-m";
/// USD-margined futures.
pub(super) const USD_M: &str = "binance usd-m";
/// Spot.
pub(super) const SPOT: &str = "binance spot";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Message {
        match parse(line) {
            Ok(Line::Message { at, message, .. }) => {
                assert_eq!(at, Ts(1_723_161_254_000_000_000));
                message
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_stream_is_understood() {
        let depth = r#"1723161254000000 {"stream":"x@depth@0ms","data":{"s":"X","U":5,"u":9,"pu":4,"b":[["1","0.000"]],"a":[]}}"#;
        assert!(matches!(message(depth), Message::Delta { first: 5, last: 9, previous: Some(4), .. }));
        assert_eq!(market_of(depth), Some(USD_M));
        let spot = r#"1723161254000 {"stream":"x@depth@100ms","data":{"s":"X","U":5,"u":9,"b":[],"a":[]}}"#;
        assert!(matches!(message(spot), Message::Delta { previous: None, .. }));
        assert_eq!(market_of(spot), Some(SPOT));
        let coin = r#"1723161254000 {"stream":"x@bookTicker","data":{"s":"X","ps":"B","u":9,"b":"1","B":"2","a":"3","A":"4"}}"#;
        assert!(matches!(message(coin), Message::Best { id: 9, .. }));
        assert_eq!(market_of(coin), Some(COIN_M));
        let rest = r#"1723161254000 {"lastUpdateId": 7, "bids": [["1.0", "2"]], "asks": []}"#;
        assert!(matches!(message(rest), Message::Snapshot { id: 7, pushed: false, .. }));
        let trade = r#"1723161254000 {"stream":"x@trade","data":{"s":"X","p":"1.5","q":"2","m":true,"X":"MARKET"}}"#;
        assert!(matches!(message(trade), Message::Trades(t) if t[0].taker == Side::Sell));
        let mark =
            r#"1723161254000 {"stream":"x@markPrice@1s","data":{"s":"X","p":"1.5","i":"1.4","r":"-0.0001","T":5}}"#;
        assert!(
            matches!(message(mark), Message::Ticker(t) if t.index.is_some() && t.next_funding == Some(Ts::from_ms(5)))
        );
    }

    #[test]
    fn what_is_not_for_the_book_is_left_out_and_nonsense_is_bad() {
        for text in [
            r#"1723161254000 {"result":null,"id":1}"#,
            r#"1723161254000 {"stream":"x@kline_1m","data":{}}"#,
            r#"1723161254000 {"stream":"x@trade","data":{"s":"X","p":"0","q":"2","m":true,"X":"INSURANCE_FUND"}}"#,
        ] {
            assert_eq!(parse(text), Ok(Line::Other), "{text}");
        }
        for text in [
            "",
            "1723161254000",
            "later {}",
            "1723161254000 {",
            r#"1723161254000 {"stream":"x@depth","data":{"s":"X","U":9,"u":5,"b":[],"a":[]}}"#,
            r#"1723161254000 {"stream":"x@bookTicker","data":{"s":"X","u":9,"b":"3","B":"2","a":"3","A":"4"}}"#,
            r#"1723161254000 {"stream":"x@trade","data":{"s":"X","p":"0","q":"2","m":true}}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
