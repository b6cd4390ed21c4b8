//! Public topics: what is pushed when (contract 11). One channel per topic that somebody watches.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::market::{candle_frame, minutes_of, px, qx, side_word, ticker};
use crate::engine::ids::Symbol;
use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::{Span, Ts};
use crate::venue::sim::exchange::Exchange;
use crate::venue::sim::exchange::market::Market;
use crate::venue::sim::faults::Faults;

/// Trades of one message (contract 11.3).
const TRADES_MAX: usize = 1_024;
/// Silence after which a level-1 book is said again (contract 0.8).
const REPEAT: Span = Span::from_secs(3);

/// What a public topic is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Book(usize),
    Trades,
    Ticker,
    Candles(i64),
    Liquidations,
    Limits,
    Adl,
}

impl Kind {
    /// Time between pushes.
    const fn period(self) -> Span {
        match self {
            Self::Book(1) => Span::from_ms(10),
            Self::Book(50) => Span::from_ms(20),
            Self::Book(200) | Self::Ticker => Span::from_ms(100),
            Self::Book(_) => Span::from_ms(200),
            Self::Trades => Span(0),
            Self::Limits => Span::from_ms(300),
            Self::Liquidations => Span::from_ms(500),
            Self::Candles(_) | Self::Adl => Span::from_secs(1),
        }
    }
}

/// The levels of a book as they were last told.
type Told = [BTreeMap<Price, Qty>; 2];

/// One topic at work.
#[derive(Debug)]
struct Channel {
    kind: Kind,
    symbol: Symbol,
    interval: String,
    due: Ts,
    book: Told,
    u: u64,
    told_at: Ts,
    ticker: Value,
    print: u64,
    candle: Option<Ts>,
    liquidations: VecDeque<Value>,
    /// A delta that waits to be told after its successor.
    held: Option<String>,
}

/// One frame for everybody who watches a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Topic.
    pub topic: String,
    /// Text.
    pub text: String,
}

/// Every public topic that somebody watches.
#[derive(Debug, Default)]
pub struct Publisher {
    channels: BTreeMap<String, Channel>,
}

impl Publisher {
    /// Whether a topic exists here.
    pub fn knows(exchange: &Exchange, topic: &str) -> bool {
        parse(exchange, topic).is_some()
    }

    /// Begins a topic when it is new, and gives the frame that a new watcher sees first.
    pub fn open(&mut self, exchange: &Exchange, topic: &str, now: Ts) -> Option<String> {
        let (kind, symbol, interval) = parse(exchange, topic)?;
        let market = exchange.market_of(symbol)?;
        let channel = self.channels.entry(topic.to_owned()).or_insert_with(|| Channel {
            kind,
            symbol,
            interval,
            due: now + kind.period(),
            book: Told::default(),
            u: 0,
            told_at: now,
            ticker: Value::Null,
            print: market.prints.back().map_or(0, |print| print.number),
            candle: None,
            liquidations: VecDeque::new(),
            held: None,
        });
        match kind {
            Kind::Book(depth) => {
                if channel.u == 0 {
                    channel.u = market.seq - 900_000;
                    channel.book = shown(market, depth);
                }
                Some(channel.snapshot(topic, market, now))
            }
            Kind::Ticker => {
                channel.ticker = ticker(market);
                Some(ticker_frame(topic, "snapshot", &channel.ticker, market, now))
            }
            Kind::Adl => Some(adl_frame(topic, exchange, now)),
            _ => None,
        }
    }

    /// Forgets a topic nobody watches.
    pub fn close(&mut self, topic: &str) {
        self.channels.remove(topic);
    }

    /// The venue's stream restarted: every book begins again with `u` 1.
    pub fn restart(&mut self, exchange: &Exchange, now: Ts) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (topic, channel) in &mut self.channels {
            let (Kind::Book(depth), Some(market)) = (channel.kind, exchange.market_of(channel.symbol)) else {
                continue;
            };
            channel.u = 1;
            channel.book = shown(market, depth);
            frames.push(Frame { topic: topic.clone(), text: channel.snapshot(topic, market, now) });
        }
        frames
    }

    /// Liquidations go to those who watch them.
    pub fn liquidated(&mut self, name: &str, row: &Value) {
        if let Some(channel) = self.channels.get_mut(&format!("allLiquidation.{name}")) {
            channel.liquidations.push_back(row.clone());
        }
    }

    /// Every frame that is due.
    pub fn due(&mut self, exchange: &Exchange, now: Ts, faults: &mut Faults) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (topic, channel) in &mut self.channels {
            if now < channel.due {
                continue;
            }
            channel.due = now + channel.kind.period();
            let Some(market) = exchange.market_of(channel.symbol) else { continue };
            let mut say = |text: String| frames.push(Frame { topic: topic.clone(), text });
            match channel.kind {
                Kind::Book(depth) => channel.book_frames(topic, market, depth, now, faults).into_iter().for_each(say),
                Kind::Trades => channel.trades(topic, market, now).into_iter().for_each(say),
                Kind::Ticker => channel.ticker_delta(topic, market, now).into_iter().for_each(say),
                Kind::Candles(minutes) => channel.candles(topic, market, minutes, now).into_iter().for_each(say),
                Kind::Liquidations => {
                    let rows: Vec<Value> = channel.liquidations.drain(..).collect();
                    if !rows.is_empty() {
                        say(json!({"topic": topic, "type": "snapshot", "ts": now.as_ms(), "data": rows}).to_string());
                    }
                }
                Kind::Limits => limits(topic, market, now).into_iter().for_each(say),
                Kind::Adl => say(adl_frame(topic, exchange, now)),
            }
        }
        frames
    }
}

fn parse(exchange: &Exchange, topic: &str) -> Option<(Kind, Symbol, String)> {
    let (head, name) = topic.rsplit_once('.')?;
    if head == "adlAlert" {
        return (name == "USDT").then(|| (Kind::Adl, Symbol(0), String::new()));
    }
    let symbol = exchange.symbol(name)?;
    let (word, detail) = head.split_once('.').unwrap_or((head, ""));
    let kind = match (word, detail) {
        ("orderbook", "1" | "50" | "200" | "1000") => Kind::Book(detail.parse().ok()?),
        ("publicTrade", "") => Kind::Trades,
        ("tickers", "") => Kind::Ticker,
        ("kline", interval) => Kind::Candles(minutes_of(interval)?),
        ("allLiquidation", "") => Kind::Liquidations,
        ("priceLimit", "") => Kind::Limits,
        _ => return None,
    };
    Some((kind, symbol, detail.to_owned()))
}

fn shown(market: &Market, depth: usize) -> Told {
    [Side::Buy, Side::Sell]
        .map(|side| market.book.levels(side, depth).into_iter().map(|level| (level.price, level.qty)).collect())
}

/// What turns `before` into `after`; a level that is gone has size zero.
fn changes(before: &BTreeMap<Price, Qty>, after: &BTreeMap<Price, Qty>) -> Vec<Level> {
    let gone = before.keys().filter(|price| !after.contains_key(*price));
    let gone = gone.map(|price| Level { price: *price, qty: Qty::ZERO });
    let new = after.iter().filter(|(price, qty)| before.get(*price) != Some(*qty));
    gone.chain(new.map(|(price, qty)| Level { price: *price, qty: *qty })).collect()
}

fn rows(market: &Market, levels: impl IntoIterator<Item = Level>) -> Vec<[String; 2]> {
    levels.into_iter().map(|level| [px(&market.rules, level.price), level_qty(market, level.qty)]).collect()
}

fn level_qty(market: &Market, qty: Qty) -> String {
    if qty.is_zero() { "0".to_owned() } else { qx(&market.rules, qty) }
}

impl Channel {
    fn snapshot(&self, topic: &str, market: &Market, now: Ts) -> String {
        let level = |(price, qty): (&Price, &Qty)| Level { price: *price, qty: *qty };
        let [bids, asks] = &self.book;
        self.book_frame(
            topic,
            "snapshot",
            market,
            now,
            (rows(market, bids.iter().rev().map(level)), rows(market, asks.iter().map(level))),
        )
    }

    fn book_frame(
        &self,
        topic: &str,
        word: &str,
        market: &Market,
        now: Ts,
        (bids, asks): (Vec<[String; 2]>, Vec<[String; 2]>),
    ) -> String {
        json!({
            "topic": topic, "type": word, "ts": now.as_ms(), "cts": now.as_ms() - 1,
            "data": {"s": market.rules.name, "b": bids, "a": asks, "u": self.u, "seq": market.seq},
        })
        .to_string()
    }

    /// A snapshot for level 1, a delta otherwise; nothing where nothing changed.
    fn book_frames(&mut self, topic: &str, market: &Market, depth: usize, now: Ts, faults: &mut Faults) -> Vec<String> {
        let after = shown(market, depth);
        let same = after == self.book;
        if depth == 1 && same && now.since(self.told_at) >= REPEAT {
            self.told_at = now;
            return vec![self.snapshot(topic, market, now)];
        }
        if same {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.book, after);
        self.u += 1;
        self.told_at = now;
        if depth == 1 {
            return vec![self.snapshot(topic, market, now)];
        }
        let [bids, asks] = [0, 1].map(|side: usize| rows(market, changes(&before[side], &self.book[side])));
        let text = self.book_frame(topic, "delta", market, now, (bids, asks));
        self.spoil(text, faults)
    }

    /// Leaves a delta out, says it twice, or says it after the next one.
    fn spoil(&mut self, text: String, faults: &mut Faults) -> Vec<String> {
        if take_one(&mut faults.skip_deltas) {
            return Vec::new();
        }
        if take_one(&mut faults.repeat_deltas) {
            return vec![text.clone(), text];
        }
        if let Some(held) = self.held.take() {
            return vec![text, held];
        }
        if take_one(&mut faults.reorder_deltas) {
            self.held = Some(text);
            return Vec::new();
        }
        vec![text]
    }

    fn trades(&mut self, topic: &str, market: &Market, now: Ts) -> Vec<String> {
        let fresh: Vec<Value> = (market.prints.iter().filter(|print| print.number > self.print))
            .map(|print| {
                json!({
                    "T": print.at.as_ms(), "s": market.rules.name, "S": side_word(print.trade.taker),
                    "v": qx(&market.rules, print.trade.qty), "p": px(&market.rules, print.trade.price), "L": print.tick,
                    "i": print.id, "BT": false, "RPI": print.rpi, "seq": print.seq,
                })
            })
            .collect();
        self.print = market.prints.back().map_or(self.print, |print| print.number);
        fresh
            .chunks(TRADES_MAX)
            .map(|rows| json!({"topic": topic, "type": "snapshot", "ts": now.as_ms(), "data": rows}).to_string())
            .collect()
    }

    fn ticker_delta(&mut self, topic: &str, market: &Market, now: Ts) -> Option<String> {
        let after = ticker(market);
        let mut delta = json!({"symbol": market.rules.name});
        let mut changed = false;
        for (key, value) in after.as_object().into_iter().flatten() {
            if self.ticker.get(key) != Some(value) {
                delta[key.as_str()] = value.clone();
                changed = true;
            }
        }
        self.ticker = after;
        changed.then(|| ticker_frame(topic, "delta", &delta, market, now))
    }

    /// The running candle; the one that ended comes first, with `confirm`.
    fn candles(&mut self, topic: &str, market: &Market, minutes: i64, now: Ts) -> Vec<String> {
        let bars = market.bars(minutes);
        let Some(last) = bars.last() else { return Vec::new() };
        let mut told = Vec::new();
        if self.candle.is_some_and(|start| start < last.start)
            && let Some(ended) = bars.iter().rev().nth(1)
        {
            told.push(candle_frame(topic, &market.rules, ended, (&self.interval, minutes), true, now));
        }
        self.candle = Some(last.start);
        told.push(candle_frame(topic, &market.rules, last, (&self.interval, minutes), false, now));
        told
    }
}

fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

fn ticker_frame(topic: &str, word: &str, data: &Value, market: &Market, now: Ts) -> String {
    json!({"topic": topic, "type": word, "data": data, "cs": market.seq, "ts": now.as_ms()}).to_string()
}

fn limits(topic: &str, market: &Market, now: Ts) -> Option<String> {
    let (buy, sell) = market.band()?;
    let data =
        json!({"symbol": market.rules.name, "buyLmt": px(&market.rules, buy), "sellLmt": px(&market.rules, sell)});
    Some(json!({"topic": topic, "data": data, "ts": now.as_ms()}).to_string())
}

fn adl_frame(topic: &str, exchange: &Exchange, now: Ts) -> String {
    let row = |market: &Market| {
        json!({"c": "USDT", "s": market.rules.name, "b": 1_000_000, "mb": 1_000_000, "i_pr": -0.3, "pr": market.pool_result,
            "adl_tt": 10_000, "adl_sr": -0.25})
    };
    let rows: Vec<Value> = exchange.markets.iter().map(row).collect();
    json!({"topic": topic, "type": "snapshot", "ts": now.as_ms(), "data": rows}).to_string()
}
