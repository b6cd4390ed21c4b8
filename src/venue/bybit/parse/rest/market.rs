//! Answers of the market endpoints (contract 7).

mod read;

use crate::engine::market::book::Level;
use crate::engine::num::{Money, Price, Qty, Rate};
use crate::venue::bybit::parse::public::Ticker;

pub use read::{
    candles, funding_history, instruments, order_book, price_limit, recent_trades, risk_tiers, server_time_ns,
    system_status, tickers,
};

/// An instrument as the venue describes it (contract 7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstrumentRow {
    /// Name, `BTCUSDT`.
    pub symbol: String,
    /// What it is.
    pub contract: ContractType,
    /// May it be traded?
    pub status: InstrumentStatus,
    /// Base coin.
    pub base: String,
    /// Quote coin.
    pub quote: String,
    /// Coin that profit is settled in; `None` on spot.
    pub settle: Option<String>,
    /// When it was launched, ms since 1970.
    pub launch_ms: Option<i64>,
    /// When it is delivered, ms since 1970; on a perpetual this announces its end: open nothing ahead of it
    /// (contract O14).
    pub delivery_ms: Option<i64>,
    /// Smallest price increment.
    pub tick: Price,
    /// Lowest price; `None` on spot.
    pub min_price: Option<Price>,
    /// Highest price; `None` on spot.
    pub max_price: Option<Price>,
    /// Smallest quantity increment.
    pub step: Qty,
    /// Smallest quantity.
    pub min_qty: Qty,
    /// Largest quantity of a limit order, at most what [`Qty`] holds.
    pub max_qty: Qty,
    /// Largest quantity of a market order, at most what [`Qty`] holds; `None` where not sent.
    pub max_market_qty: Option<Qty>,
    /// Smallest value in quote currency; orders that only reduce are probably exempt (contract 7.2).
    pub min_notional: Option<Money>,
    /// Smallest leverage.
    pub min_leverage: Option<Rate>,
    /// Largest leverage.
    pub max_leverage: Option<Rate>,
    /// Step of leverage.
    pub leverage_step: Option<Rate>,
    /// Minutes between funding settlements; `None` where there is none.
    pub funding_interval_min: Option<u32>,
    /// Highest funding rate.
    pub funding_max: Option<Rate>,
    /// Lowest funding rate.
    pub funding_min: Option<Rate>,
    /// X of the price band (contract 9).
    pub band_x: Option<Rate>,
    /// Y of the price band.
    pub band_y: Option<Rate>,
    /// Not yet in continuous trading.
    pub pre_listing: bool,
}

/// What a contract is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractType {
    /// `LinearPerpetual`: the only one we trade, and of these those settled in USDT.
    LinearPerpetual,
    /// `LinearFutures`.
    LinearFutures,
    /// `InversePerpetual`.
    InversePerpetual,
    /// `InverseFutures`.
    InverseFutures,
    /// Spot and options, which name no contract type, or a kind this version does not know.
    Other,
}

/// May an instrument be traded? It moves down this list (contract O14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstrumentStatus {
    /// Not yet.
    PreLaunch,
    /// Yes.
    Trading,
    /// No more: it is being settled.
    Delivering,
    /// Gone.
    Closed,
    /// A word this version does not know: no.
    Unknown,
}

/// A ticker of `GET /v5/market/tickers`: the stream's type, with a name of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct TickerRow {
    /// Instrument.
    pub symbol: String,
    /// Its facts; `symbol` is empty here and `snapshot` is true.
    pub ticker: Ticker<'static>,
}

/// An order book of `GET /v5/market/orderbook`; `u` counts like the 1000-level stream (contract 7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookAnswer {
    /// Instrument.
    pub symbol: String,
    /// Update number.
    pub u: u64,
    /// Cross sequence; 0 where not sent.
    pub seq: u64,
    /// When the matching engine made it, ms since 1970.
    pub cts_ms: Option<i64>,
    /// When it was sent, ms since 1970.
    pub ts_ms: i64,
    /// Bids, best first.
    pub bids: Vec<Level>,
    /// Asks, best first.
    pub asks: Vec<Level>,
}

/// A tier of the margin table (contract 7.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskTier {
    /// Instrument.
    pub symbol: String,
    /// The venue's number of it.
    pub id: i64,
    /// Largest value of a position of this tier, in quote currency.
    pub limit: Money,
    /// Initial margin as a fraction of value.
    pub initial: Rate,
    /// Maintenance margin as a fraction of value. Sent in per cent on some categories; made a fraction here.
    pub maintenance: Rate,
    /// Largest leverage.
    pub max_leverage: Rate,
    /// What the venue takes off the maintenance margin of a position of this tier.
    pub deduction: Option<Money>,
    /// Is it the lowest?
    pub lowest: bool,
}

/// A settled funding rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FundingRow {
    /// Instrument.
    pub symbol: String,
    /// The rate.
    pub rate: Rate,
    /// When it settled, ms since 1970.
    pub time_ms: i64,
}
