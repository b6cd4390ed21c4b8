//! Answers of the market endpoints (contract 7).

mod read;

use crate::engine::market::book::Level;
use crate::engine::num::{Money, Price, Qty, Rate};
use crate::venue::bybit::parse::public::Ticker;
use crate::venue::bybit::parse::tree::{Bad, Row, row};

pub use read::{
    candles, funding_history, instruments, order_book, price_limit, recent_trades, risk_tiers, server_time_ns,
    system_status, tickers,
};
use read::{contract_type, either, funding_minutes, status};

row! {
    /// An instrument as the venue describes it (contract 7.2).
    struct InstrumentRow of row {
        /// Name, `BTCUSDT`.
        symbol: String = row.need_text("symbol")?,
        /// What it is.
        contract: ContractType = contract_type(row),
        /// May it be traded?
        status: InstrumentStatus = status(row),
        /// Base coin.
        base: String = row.need_text("baseCoin")?,
        /// Quote coin.
        quote: String = row.need_text("quoteCoin")?,
        /// Coin that profit is settled in; `None` on spot.
        settle: Option<String> = row.text("settleCoin"),
        /// When it was launched, ms since 1970.
        launch_ms: Option<i64> = row.ms("launchTime")?,
        /// When it is delivered, ms since 1970; on a perpetual this announces its end: open nothing ahead of it
        /// (contract O14).
        delivery_ms: Option<i64> = row.ms("deliveryTime")?,
        /// Smallest price increment.
        tick: Price = row.at("priceFilter").need_price("tickSize")?,
        /// Lowest price; `None` on spot.
        min_price: Option<Price> = row.at("priceFilter").price("minPrice")?,
        /// Highest price; `None` on spot.
        max_price: Option<Price> = row.at("priceFilter").price("maxPrice")?,
        /// Smallest quantity increment.
        step: Qty = either(row, "qtyStep", "basePrecision")?.ok_or("qtyStep")?,
        /// Smallest quantity.
        min_qty: Qty = row.at("lotSizeFilter").need_qty("minOrderQty")?,
        /// Largest quantity of a limit order, at most what [`Qty`] holds.
        max_qty: Qty = either(row, "maxOrderQty", "maxLimitOrderQty")?.ok_or("maxOrderQty")?,
        /// Largest quantity of a market order, at most what [`Qty`] holds; `None` where not sent.
        max_market_qty: Option<Qty> = either(row, "maxMktOrderQty", "maxMarketOrderQty")?,
        /// Smallest value in quote currency; orders that only reduce are probably exempt (contract 7.2).
        min_notional: Option<Money> = row.at("lotSizeFilter").money("minNotionalValue")?,
        /// Smallest leverage.
        min_leverage: Option<Rate> = row.at("leverageFilter").rate("minLeverage")?,
        /// Largest leverage.
        max_leverage: Option<Rate> = row.at("leverageFilter").rate("maxLeverage")?,
        /// Step of leverage.
        leverage_step: Option<Rate> = row.at("leverageFilter").rate("leverageStep")?,
        /// Minutes between funding settlements; `None` where there is none.
        funding_interval_min: Option<u32> = funding_minutes(row)?,
        /// Highest funding rate.
        funding_max: Option<Rate> = row.rate("upperFundingRate")?,
        /// Lowest funding rate.
        funding_min: Option<Rate> = row.rate("lowerFundingRate")?,
        /// X of the price band (contract 9).
        band_x: Option<Rate> = row.at("riskParameters").rate("priceLimitRatioX")?,
        /// Y of the price band.
        band_y: Option<Rate> = row.at("riskParameters").rate("priceLimitRatioY")?,
        /// Not yet in continuous trading.
        pre_listing: bool = row.flag("isPreListing")?,
    }
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

row! {
    /// A settled funding rate.
    struct FundingRow of row {
        /// Instrument.
        symbol: String = row.need_text("symbol")?,
        /// The rate.
        rate: Rate = row.need_rate("fundingRate")?,
        /// When it settled, ms since 1970.
        time_ms: i64 = row.need_ms("fundingRateTimestamp")?,
    }
}
