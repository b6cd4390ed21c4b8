//! How answers of the market endpoints are read.

use super::{BookAnswer, ContractType, FundingRow, InstrumentRow, InstrumentStatus, RiskTier, TickerRow};
use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Rate, UNIT};
use crate::venue::bybit::parse::public::{self, Candle, PriceLimit, SystemStatus, Ticker, Trade, TradeId};
use crate::venue::bybit::parse::rest::Envelope;
use crate::venue::bybit::parse::tree::{self, Bad, Node, Row};
use crate::venue::bybit::parse::{Odd, Page, Rows};

/// `GET /v5/market/time`: nanoseconds since 1970.
pub fn server_time_ns(envelope: &Envelope) -> Result<i64, Odd> {
    envelope.result().at("timeNano").int().ok_or(Odd::new("server time", "timeNano"))
}

/// `GET /v5/market/instruments-info` and `GET /v5/account/instruments-info`. More than 500 linear ones exist: read all
/// pages.
pub fn instruments(envelope: &Envelope) -> Result<Page<InstrumentRow>, Odd> {
    envelope.result().page("instrument", InstrumentRow::read)
}

pub(super) fn contract_type(row: &Row) -> ContractType {
    match row.word("contractType") {
        "LinearPerpetual" => ContractType::LinearPerpetual,
        "LinearFutures" => ContractType::LinearFutures,
        "InversePerpetual" => ContractType::InversePerpetual,
        "InverseFutures" => ContractType::InverseFutures,
        _ => ContractType::Other,
    }
}

pub(super) fn status(row: &Row) -> InstrumentStatus {
    match row.word("status") {
        "PreLaunch" => InstrumentStatus::PreLaunch,
        "Trading" => InstrumentStatus::Trading,
        "Delivering" => InstrumentStatus::Delivering,
        "Closed" => InstrumentStatus::Closed,
        _ => InstrumentStatus::Unknown,
    }
}

pub(super) fn funding_minutes(row: &Row) -> Result<Option<u32>, Bad> {
    let minutes = row.int("fundingInterval")?.filter(|minutes| *minutes > 0);
    Ok(minutes.and_then(|minutes| u32::try_from(minutes).ok()))
}

/// Spot names the same things of a lot differently.
pub(super) fn either(row: &Row, first: Bad, second: Bad) -> Result<Option<Qty>, Bad> {
    let lots = row.at("lotSizeFilter");
    let found = qty_at_most(&lots, first)?;
    if found.is_some() { Ok(found) } else { qty_at_most(&lots, second) }
}

/// A largest quantity: what is more than [`Qty`] holds is as much as it holds. That refuses nothing that we could send.
fn qty_at_most(row: &Row, key: Bad) -> Result<Option<Qty>, Bad> {
    match row.qty(key) {
        Err(_) if tree::float(row.word(key)).is_some_and(|number| number > 9e9) => Ok(Some(Qty::from_raw(i64::MAX))),
        found => found,
    }
}

/// `GET /v5/market/tickers`.
pub fn tickers(envelope: &Envelope) -> Result<Rows<TickerRow>, Odd> {
    let ts_ms = envelope.time_ms.unwrap_or(0);
    envelope.result().at("list").rows("ticker", |row| {
        let ticker = Ticker { snapshot: true, ts_ms, ..public::ticker(row)? };
        Ok(TickerRow { symbol: row.need_text("symbol")?, ticker })
    })
}

/// `GET /v5/market/orderbook`.
pub fn order_book(envelope: &Envelope) -> Result<BookAnswer, Odd> {
    let row = Row(envelope.result());
    let read = || {
        let number = |key| row.need_int(key).and_then(|number| u64::try_from(number).map_err(|_| key));
        Ok(BookAnswer {
            symbol: row.need_text("s")?,
            u: number("u")?,
            seq: row.int("seq")?.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0),
            cts_ms: row.ms("cts")?,
            ts_ms: row.need_ms("ts")?,
            bids: levels(row.0.at("b")).ok_or("b")?,
            asks: levels(row.0.at("a")).ok_or("a")?,
        })
    };
    read().map_err(|field| Odd::new("order book", field))
}

fn levels(side: &Node<'_>) -> Option<Vec<Level>> {
    let Node::List(levels) = side else { return None };
    levels
        .iter()
        .map(|level| {
            let [price, qty] = level.items() else { return None };
            let price = Price::parse(&price.text()?).ok().filter(|price| *price > Price::ZERO)?;
            Some(Level { price, qty: Qty::parse(&qty.text()?).ok()? })
        })
        .collect()
}

/// `GET /v5/market/kline`, newest first; the newest may still run (contract 7.4).
pub fn candles(envelope: &Envelope) -> Result<Rows<Candle>, Odd> {
    envelope.result().at("list").rows("candle", |row| {
        let [start, open, high, low, close, volume, ..] = row.0.items() else { return Err("its columns") };
        let price = |node: &Node<'_>, name| node.text().and_then(|text| Price::parse(&text).ok()).ok_or(name);
        Ok(Candle {
            start_ms: start.int().ok_or("start")?,
            interval: String::new(),
            open: price(open, "open")?,
            high: price(high, "high")?,
            low: price(low, "low")?,
            close: price(close, "close")?,
            volume: volume.float().ok_or("volume")?,
            confirmed: false,
        })
    })
}

/// `GET /v5/market/recent-trade`, newest first.
pub fn recent_trades(envelope: &Envelope) -> Result<Rows<Trade>, Odd> {
    envelope.result().at("list").rows("trade", |row| {
        Ok(Trade {
            time_ms: row.need_ms("time")?,
            taker: row.need_side("side")?,
            price: row.need_price("price")?,
            qty: row.need_qty("size")?,
            block: row.flag("isBlockTrade")?,
            rpi: row.flag("isRPITrade")?,
            seq: row.int("seq")?.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0),
            id: TradeId::new(row.word("execId")).filter(|id| !id.as_str().is_empty()).ok_or("execId")?,
        })
    })
}

/// `GET /v5/market/price-limit`.
pub fn price_limit(envelope: &Envelope) -> Result<PriceLimit, Odd> {
    public::price_limit(&Row(envelope.result())).map_err(|field| Odd::new("price limit", field))
}

/// `GET /v5/market/risk-limit`, lowest tier first within an instrument; 15 instruments a page.
pub fn risk_tiers(envelope: &Envelope) -> Result<Page<RiskTier>, Odd> {
    envelope.result().page("risk limit", |row| {
        let (initial, max_leverage) = (row.need_rate("initialMargin")?, row.need_rate("maxLeverage")?);
        let maintenance = row.need_rate("maintenanceMargin")?;
        // Initial margin is one over leverage; where it is a hundred times that, the row is in per cent (contract 7.5).
        let per_cent = i128::from(initial.raw()) * i128::from(max_leverage.raw()) > 10 * i128::from(UNIT).pow(2);
        let fraction = |rate: Rate| if per_cent { Rate::from_raw(rate.raw() / 100) } else { rate };
        Ok(RiskTier {
            symbol: row.need_text("symbol")?,
            id: row.need_int("id")?,
            limit: row.need_money("riskLimitValue")?,
            initial: fraction(initial),
            maintenance: fraction(maintenance),
            max_leverage,
            deduction: row.reckoned_money("mmDeduction")?,
            lowest: row.flag("isLowestRisk")?,
        })
    })
}

/// `GET /v5/market/funding/history`, newest first.
pub fn funding_history(envelope: &Envelope) -> Result<Rows<FundingRow>, Odd> {
    envelope.result().at("list").rows("funding rate", FundingRow::read)
}

/// `GET /v5/system/status`.
pub fn system_status(envelope: &Envelope) -> Result<Rows<SystemStatus>, Odd> {
    envelope.result().at("list").rows("system status", public::status)
}
