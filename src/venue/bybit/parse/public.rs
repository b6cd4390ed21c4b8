//! Frames of the public sockets (contract 11).

mod read;

use std::fmt;

use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Rate, Side};

use super::reply::Reply;
use super::{Odd, Rows};

pub use read::{parse, parse_tolerantly};
pub(super) use read::{price_limit, status, ticker};

/// A frame of a public socket. Names borrow from the frame's text, hot rows from [`Room`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a boxed ticker would be an allocation for each one read")]
pub enum Public<'a> {
    /// `orderbook.{depth}.{symbol}`.
    Book(Book<'a>),
    /// `publicTrade.{symbol}`.
    Trades(Trades<'a>),
    /// `tickers.{symbol}`.
    Ticker(Ticker<'a>),
    /// `kline.{interval}.{symbol}`.
    Candles {
        /// Instrument.
        symbol: &'a str,
        /// The candles; a closing one and the next may come together.
        rows: Rows<Candle>,
    },
    /// `allLiquidation.{symbol}`.
    Liquidations {
        /// Instrument.
        symbol: &'a str,
        /// Oldest first.
        rows: Rows<Liquidation>,
    },
    /// `priceLimit.{symbol}`.
    PriceLimit(PriceLimit),
    /// `adlAlert.{coin}`.
    AdlAlerts(Rows<AdlAlert>),
    /// `system.status`.
    SystemStatus(Rows<SystemStatus>),
    /// An answer to something we asked.
    Reply(Reply<'a>),
    /// A topic that nothing here reads.
    Other(&'a str),
}

/// Where the rows of hot frames are put. Kept by the reader of a socket and used again for each frame, so that reading
/// a book or trades allocates nothing once it has grown.
#[derive(Debug, Default)]
pub struct Room {
    pub(in crate::venue::bybit) bids: Vec<Level>,
    pub(in crate::venue::bybit) asks: Vec<Level>,
    pub(in crate::venue::bybit) trades: Vec<Trade>,
}

/// An order book snapshot or delta (contract 11.2). One unreadable level makes the whole frame an error: a book that
/// misses a change is wrong, so the reader subscribes anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book<'a> {
    /// Instrument.
    pub symbol: &'a str,
    /// Levels per side that the topic carries: 1, 50, 200, 1000.
    pub depth: u16,
    /// Replaces everything. True also for whatever is numbered `u == 1`: the service restarted (contract 0.8).
    pub snapshot: bool,
    /// Update number; a delta is the next one, anything else is a gap.
    pub u: u64,
    /// Cross sequence: orders books of different depths and trades of one instrument. 0 where not sent.
    pub seq: u64,
    /// When the matching engine made it, ms since 1970; compares with a trade's time.
    pub cts_ms: Option<i64>,
    /// When it was sent, ms since 1970.
    pub ts_ms: i64,
    /// Changed bids; a quantity of zero removes the level.
    pub bids: &'a [Level],
    /// Changed asks; a quantity of zero removes the level.
    pub asks: &'a [Level],
}

/// Public trades, oldest first; more than 1024 come in several frames with one `seq` (contract 11.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Trades<'a> {
    /// Instrument.
    pub symbol: &'a str,
    /// When it was sent, ms since 1970.
    pub ts_ms: i64,
    /// The trades.
    pub rows: &'a [Trade],
    /// Trades that could not be read.
    pub odd: Vec<Odd>,
}

/// One public trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// When it matched, ms since 1970.
    pub time_ms: i64,
    /// Side of the taker.
    pub taker: Side,
    /// Price.
    pub price: Price,
    /// Quantity of base.
    pub qty: Qty,
    /// Agreed beside the book: says nothing about it.
    pub block: bool,
    /// Against a retail-price-improvement order, which no book shows: may print inside the spread (contract O7).
    pub rpi: bool,
    /// Cross sequence; 0 where not sent.
    pub seq: u64,
    /// The venue's id.
    pub id: TradeId,
}

/// Id of a public trade: a UUID on contracts, digits on spot. Held in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TradeId {
    bytes: [u8; Self::LENGTH_MAX],
    length: u8,
}

impl TradeId {
    const LENGTH_MAX: usize = 36;

    /// `None` for what is longer than a UUID.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, length: text.len() as u8 })
    }

    /// `None` where it is not hex digits and dashes.
    pub(in crate::venue::bybit) fn of_uuid(bytes: &[u8; Self::LENGTH_MAX]) -> Option<Self> {
        // Without an early end, so that all bytes are looked at together.
        let odd = bytes.iter().fold(0, |odd, byte| odd | u8::from(!byte.is_ascii_hexdigit() && *byte != b'-'));
        (odd == 0).then_some(Self { bytes: *bytes, length: Self::LENGTH_MAX as u8 })
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for TradeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Public facts of an instrument. In a delta `None` means unchanged; in a snapshot it means the venue has no value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ticker<'a> {
    /// Instrument.
    pub symbol: &'a str,
    /// Everything (true) or what changed (false).
    pub snapshot: bool,
    /// Cross sequence (`cs`).
    pub seq: Option<u64>,
    /// When it was sent, ms since 1970.
    pub ts_ms: i64,
    /// Mark, index, funding and the price a day ago: what the engine takes.
    pub facts: crate::engine::event::Ticker,
    /// Last traded price.
    pub last: Option<Price>,
    /// Best bid.
    pub bid: Option<Price>,
    /// Quantity at the best bid. `None` too when it is more than [`Qty`] holds.
    pub bid_qty: Option<Qty>,
    /// Best ask.
    pub ask: Option<Price>,
    /// Quantity at the best ask. `None` too when it is more than [`Qty`] holds.
    pub ask_qty: Option<Qty>,
    /// Change over 24 hours as a fraction.
    pub change_24h: Option<Rate>,
    /// Highest price of 24 hours.
    pub high_24h: Option<Price>,
    /// Lowest price of 24 hours.
    pub low_24h: Option<Price>,
    /// Price an hour ago.
    pub price_1h_ago: Option<Price>,
    /// Open interest in base, both sides counted. A float: it is shown and felt, never booked, and exceeds [`Qty`].
    pub open_interest: Option<f64>,
    /// Open interest in quote currency. A float for the same reason.
    pub open_interest_value: Option<f64>,
    /// Base traded in 24 hours. A float for the same reason.
    pub volume_24h: Option<f64>,
    /// Quote traded in 24 hours. A float for the same reason.
    pub turnover_24h: Option<f64>,
    /// Hours between funding settlements.
    pub funding_interval_h: Option<u32>,
    /// Largest funding rate in either direction.
    pub funding_cap: Option<Rate>,
    /// When the contract is delivered, ms since 1970; on a perpetual this announces its end (contract O14).
    pub delivery_ms: Option<i64>,
    /// Predicted delivery price.
    pub predicted_delivery: Option<Price>,
}

/// One candle.
#[derive(Debug, Clone, PartialEq)]
pub struct Candle {
    /// When it opened, ms since 1970.
    pub start_ms: i64,
    /// The venue's name of its length: minutes, or `D`, `W`, `M`. Empty in a REST answer, which does not repeat it.
    pub interval: String,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Base traded. A float: it is drawn, never booked, and exceeds [`Qty`] on cheap coins.
    pub volume: f64,
    /// Finished? The only sign of it on the stream (contract 11.5); always false in a REST answer.
    pub confirmed: bool,
}

/// A liquidated position of someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liquidation {
    /// When, ms since 1970.
    pub time_ms: i64,
    /// Side of the *position* that was liquidated: a buy is a long (contract 11.6).
    pub position: Side,
    /// Quantity of base.
    pub qty: Qty,
    /// Bankruptcy price, not the price it traded at.
    pub bankruptcy: Price,
}

/// The price band of an instrument (contract 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceLimit {
    /// Instrument.
    pub symbol: String,
    /// Highest price a buy may have.
    pub buy_max: Price,
    /// Lowest price a sell may have.
    pub sell_min: Price,
    /// When it was made, ms since 1970.
    pub ts_ms: Option<i64>,
}

/// How near auto-deleveraging is for an instrument (contract 11.7). Floats: the venue sends JSON numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct AdlAlert {
    /// Coin of the insurance pool.
    pub coin: String,
    /// Instrument.
    pub symbol: String,
    /// Balance of the insurance pool.
    pub balance: f64,
    /// Highest balance of the last eight hours.
    pub balance_max: f64,
    /// Loss ratio of the pool at which deleveraging starts.
    pub start_ratio: f64,
    /// Loss ratio of the pool now.
    pub ratio: f64,
    /// Balance at which deleveraging starts.
    pub trigger: f64,
    /// Loss ratio at which deleveraging stops.
    pub stop_ratio: f64,
}

/// Announced maintenance or an incident (contract 6). Also the row of `GET /v5/system/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemStatus {
    /// The venue's id.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// `scheduled`, `ongoing`, `completed`, `canceled`.
    pub state: String,
    /// Begin, ms since 1970.
    pub begin_ms: Option<i64>,
    /// End, ms since 1970.
    pub end_ms: Option<i64>,
    /// Services touched: 1 trading, 2 trading by HTTP, 3 trading by socket, 4 private socket, 5 market data.
    pub services: Vec<i64>,
    /// Products touched: 1 futures, 2 spot, 3 options, 4 spread.
    pub products: Vec<i64>,
    /// 1 planned, 2 temporary, 3 incident.
    pub kind: Option<i64>,
    /// 1 production, 2 demo.
    pub environment: Option<i64>,
}
