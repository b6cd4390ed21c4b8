//! How public frames are read.

use serde::Deserialize;

use super::{
    AdlAlert, Book, Candle, Liquidation, PriceLimit, Public, Room, SystemStatus, Ticker, Trade, TradeId, Trades,
};
use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::Ts;
use crate::venue::bybit::decode;
use crate::venue::bybit::parse::reply::Reply;
use crate::venue::bybit::parse::tree::{self, Bad, Node, Row};
use crate::venue::bybit::parse::{LENGTH_MAX, Odd};

/// Reads a frame of a public socket; `room` keeps the rows of hot frames and is overwritten by the next frame.
///
/// An error means that this frame cannot be used. For a book that is a gap.
pub fn parse<'a>(text: &'a str, room: &'a mut Room) -> Result<Public<'a>, Odd> {
    match decode::frame(text, room) {
        Some(Public::Book(book)) => Ok(Public::Book(Book { bids: &room.bids, asks: &room.asks, ..book })),
        Some(Public::Trades(trades)) => Ok(Public::Trades(Trades { rows: &room.trades, ..trades })),
        Some(other) => Ok(other),
        None => parse_tolerantly(text, room),
    }
}

/// As [`parse`], but without its fast path for frames in the documented order: what every other frame goes through.
pub fn parse_tolerantly<'a>(text: &'a str, room: &'a mut Room) -> Result<Public<'a>, Odd> {
    if text.len() > LENGTH_MAX {
        return Err(Odd::new("frame", "it is too long"));
    }
    let Some(topic) = json::<Head>(text, "frame")?.topic else {
        return Reply::read(&tree::read(text, "answer")?).map(Public::Reply);
    };
    let Some((kind, symbol)) = topic.split_once('.') else { return Ok(Public::Other(topic)) };
    match kind {
        "orderbook" => match symbol.split_once('.').and_then(|(depth, _)| depth.parse().ok()) {
            Some(depth) => book(text, depth, room).map(Public::Book),
            // `orderbook.rpi`, `orderbook.full`: other shapes and rules.
            None => Ok(Public::Other(topic)),
        },
        "publicTrade" => trades(text, symbol, room).map(Public::Trades),
        _ => rest(text, topic, kind, symbol),
    }
}

/// What is neither a book nor trades.
fn rest<'a>(text: &'a str, topic: &'a str, kind: &str, symbol: &'a str) -> Result<Public<'a>, Odd> {
    let frame = tree::read(text, "frame")?;
    let data = frame.at("data");
    match kind {
        "tickers" => {
            let row = Row(data);
            let facts = ticker(&row).map_err(|field| Odd::new("ticker", field))?;
            let ts_ms = frame.at("ts").int().ok_or(Odd::new("ticker", "ts"))?;
            let snapshot = Row(&frame).word("type") == "snapshot";
            let seq = frame.at("cs").int().and_then(|seq| u64::try_from(seq).ok());
            Ok(Public::Ticker(Ticker { symbol, snapshot, seq, ts_ms, ..facts }))
        }
        "kline" => {
            let symbol = symbol.split_once('.').map_or(symbol, |(_, symbol)| symbol);
            Ok(Public::Candles { symbol, rows: data.rows("candle", candle)? })
        }
        "allLiquidation" => Ok(Public::Liquidations { symbol, rows: data.rows("liquidation", liquidation)? }),
        "priceLimit" => {
            let ts_ms = frame.at("ts").int();
            let limit = price_limit(&Row(data)).map_err(|field| Odd::new("price limit", field))?;
            Ok(Public::PriceLimit(PriceLimit { ts_ms, ..limit }))
        }
        "adlAlert" => Ok(Public::AdlAlerts(data.rows("ADL alert", adl_alert)?)),
        "system" => Ok(Public::SystemStatus(data.rows("system status", status)?)),
        _ => Ok(Public::Other(topic)),
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str, what: &'static str) -> Result<T, Odd> {
    serde_json::from_str(text).map_err(|error| Odd {
        what,
        field: format!("missing or unreadable at byte {}", error.column()).into(),
        symbol: None,
    })
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    topic: Option<&'a str>,
}

#[derive(Deserialize)]
struct Push<'a, T> {
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    ts: i64,
    cts: Option<i64>,
    data: T,
}

#[derive(Deserialize)]
struct BookData<'a> {
    s: &'a str,
    #[serde(borrow, default)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow, default)]
    a: Vec<(&'a str, &'a str)>,
    u: u64,
    #[serde(default)]
    seq: u64,
}

fn book<'a>(text: &'a str, depth: u16, room: &'a mut Room) -> Result<Book<'a>, Odd> {
    let push = json::<Push<BookData>>(text, "order book")?;
    let data = push.data;
    levels(&data.b, &mut room.bids)?;
    levels(&data.a, &mut room.asks)?;
    Ok(Book {
        symbol: data.s,
        depth,
        snapshot: push.kind == Some("snapshot") || data.u == 1,
        u: data.u,
        seq: data.seq,
        cts_ms: push.cts,
        ts_ms: push.ts,
        bids: &room.bids,
        asks: &room.asks,
    })
}

fn levels(from: &[(&str, &str)], to: &mut Vec<Level>) -> Result<(), Odd> {
    to.clear();
    for (price, qty) in from {
        let price = Price::parse(price).ok().filter(|price| *price > Price::ZERO);
        let price = price.ok_or(Odd::new("order book", "the price of a level"))?;
        let qty = Qty::parse(qty).map_err(|_| Odd::new("order book", "the size of a level"))?;
        to.push(Level { price, qty });
    }
    Ok(())
}

/// Every field may be missing or null here, so that one odd trade does not take the others with it.
#[derive(Deserialize)]
struct TradeData<'a> {
    #[serde(rename = "T")]
    time: Option<i64>,
    #[serde(rename = "S")]
    side: Option<&'a str>,
    v: Option<&'a str>,
    p: Option<&'a str>,
    i: Option<&'a str>,
    #[serde(rename = "BT")]
    block: Option<bool>,
    #[serde(rename = "RPI")]
    rpi: Option<bool>,
    seq: Option<u64>,
}

fn trades<'a>(text: &'a str, symbol: &'a str, room: &'a mut Room) -> Result<Trades<'a>, Odd> {
    let push = json::<Push<Vec<TradeData>>>(text, "trades")?;
    let mut odd = Vec::new();
    room.trades.clear();
    for data in &push.data {
        match trade(data) {
            Ok(trade) => room.trades.push(trade),
            Err(field) => odd.push(Odd::new("trade", field)),
        }
    }
    Ok(Trades { symbol, ts_ms: push.ts, rows: &room.trades, odd })
}

fn trade(data: &TradeData) -> Result<Trade, Bad> {
    let taker = match data.side {
        Some("Buy") => Side::Buy,
        Some("Sell") => Side::Sell,
        _ => return Err("S"),
    };
    let price = data.p.and_then(|text| Price::parse(text).ok()).filter(|price| *price > Price::ZERO);
    Ok(Trade {
        time_ms: data.time.ok_or("T")?,
        taker,
        price: price.ok_or("p")?,
        qty: data.v.and_then(|text| Qty::parse(text).ok()).ok_or("v")?,
        block: data.block.unwrap_or(false),
        rpi: data.rpi.unwrap_or(false),
        seq: data.seq.unwrap_or(0),
        id: data.i.and_then(TradeId::new).ok_or("i")?,
    })
}

/// The facts of a ticker, of a push or of a REST row; names and times of the frame are the caller's.
pub(in crate::venue::bybit::parse) fn ticker(row: &Row) -> Result<Ticker<'static>, Bad> {
    let hours = row.int("fundingIntervalHour")?;
    Ok(Ticker {
        facts: crate::engine::event::Ticker {
            mark: row.reckoned_price("markPrice")?,
            index: row.reckoned_price("indexPrice")?,
            funding_rate: row.rate("fundingRate")?,
            next_funding: row.ms("nextFundingTime")?.map(Ts::from_ms),
            price_24h_ago: row.price("prevPrice24h")?,
        },
        last: row.price("lastPrice")?,
        bid: row.price("bid1Price")?,
        // Felt, not traded on: the book decides, so what does not fit is no value.
        bid_qty: row.qty("bid1Size").unwrap_or(None),
        ask: row.price("ask1Price")?,
        ask_qty: row.qty("ask1Size").unwrap_or(None),
        change_24h: row.rate("price24hPcnt")?,
        high_24h: row.price("highPrice24h")?,
        low_24h: row.price("lowPrice24h")?,
        price_1h_ago: row.price("prevPrice1h")?,
        open_interest: row.float("openInterest")?,
        open_interest_value: row.float("openInterestValue")?,
        volume_24h: row.float("volume24h")?,
        turnover_24h: row.float("turnover24h")?,
        funding_interval_h: hours.and_then(|hours| u32::try_from(hours).ok()),
        funding_cap: row.rate("fundingCap")?,
        delivery_ms: delivery_ms(row)?,
        predicted_delivery: row.reckoned_price("predictedDeliveryPrice")?,
        ..Ticker::default()
    })
}

/// ISO 8601 on the stream, ms in REST (correction 0.2); `"0"` is never.
fn delivery_ms(row: &Row) -> Result<Option<i64>, Bad> {
    const KEY: Bad = "deliveryTime";
    match row.ms(KEY) {
        Err(_) => row.word(KEY).parse::<jiff::Timestamp>().map(|at| Some(at.as_millisecond())).map_err(|_| KEY),
        ms => ms,
    }
}

fn candle(row: &Row) -> Result<Candle, Bad> {
    Ok(Candle {
        start_ms: row.need_ms("start")?,
        interval: row.need_text("interval")?,
        open: row.need_price("open")?,
        high: row.need_price("high")?,
        low: row.need_price("low")?,
        close: row.need_price("close")?,
        volume: row.need_float("volume")?,
        confirmed: row.flag("confirm")?,
    })
}

fn liquidation(row: &Row) -> Result<Liquidation, Bad> {
    Ok(Liquidation {
        time_ms: row.need_ms("T")?,
        position: row.need_side("S")?,
        qty: row.need_qty("v")?,
        bankruptcy: row.need_price("p")?,
    })
}

/// A price band, of a push or of a REST answer; its `ts` is in the row in REST only.
pub(in crate::venue::bybit::parse) fn price_limit(row: &Row) -> Result<PriceLimit, Bad> {
    Ok(PriceLimit {
        symbol: row.need_text("symbol")?,
        buy_max: row.need_price("buyLmt")?,
        sell_min: row.need_price("sellLmt")?,
        ts_ms: row.ms("ts")?,
    })
}

fn adl_alert(row: &Row) -> Result<AdlAlert, Bad> {
    Ok(AdlAlert {
        coin: row.need_text("c")?,
        symbol: row.need_text("s")?,
        balance: row.need_float("b")?,
        balance_max: row.need_float("mb")?,
        start_ratio: row.need_float("i_pr")?,
        ratio: row.need_float("pr")?,
        trigger: row.need_float("adl_tt")?,
        stop_ratio: row.need_float("adl_sr")?,
    })
}

/// An announcement, of a push or of a REST row.
pub(in crate::venue::bybit::parse) fn status(row: &Row) -> Result<SystemStatus, Bad> {
    let numbers = |key| row.0.at(key).items().iter().filter_map(Node::int).collect();
    Ok(SystemStatus {
        id: row.need_text("id")?,
        title: row.need_text("title")?,
        state: row.need_text("state")?,
        begin_ms: row.ms("begin")?,
        end_ms: row.ms("end")?,
        services: numbers("serviceTypes"),
        products: numbers("product"),
        kind: row.int("maintainType")?,
        environment: row.int("env")?,
    })
}
