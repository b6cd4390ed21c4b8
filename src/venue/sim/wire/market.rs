//! Public REST: `/v5/market/*` (contract 7).

use serde_json::{Value, json};

use super::params::{Params, page};
use super::{Answer, Success, ms, usd};
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Rate, Side, UNIT};
use crate::engine::time::{Span, Ts};
use crate::venue::sim::exchange::Exchange;
use crate::venue::sim::exchange::market::{Bar, Market, RATIO_X, RATIO_Y};
use crate::venue::sim::exchange::model::Refusal;

/// A price with the decimals of its instrument.
pub fn px(rules: &Instrument, price: Price) -> String {
    format!("{price:.*}", rules.price_decimals())
}

/// A quantity with the decimals of its instrument.
pub fn qx(rules: &Instrument, qty: Qty) -> String {
    format!("{qty:.*}", rules.qty_decimals())
}

/// The instrument a request names.
pub fn asked_symbol(exchange: &Exchange, params: &Params) -> Result<Symbol, Refusal> {
    let name = params.given("symbol").ok_or_else(|| Refusal::new(10_001, "params error: symbol is required"))?;
    exchange.symbol(name).ok_or_else(|| Refusal::new(10_001, "params error: symbol invalid"))
}

fn asked_market<'a>(exchange: &'a Exchange, params: &Params) -> Result<&'a Market, Refusal> {
    let symbol = asked_symbol(exchange, params)?;
    exchange.market_of(symbol).ok_or_else(|| Refusal::new(10_001, "params error: symbol invalid"))
}

/// Categories of the venue; only linear has instruments here.
fn category(params: &Params) -> Result<&str, Refusal> {
    match params.given("category") {
        None | Some("linear") => Ok("linear"),
        Some(other @ ("spot" | "inverse" | "option")) => Ok(other),
        Some(_) => Err(Refusal::new(10_001, "Illegal category")),
    }
}

/// Answers a path below `/v5/market/`; `None` for one that does not exist.
pub fn answer(exchange: &Exchange, path: &str, params: &Params, now: Ts) -> Option<Answer> {
    let elsewhere = match category(params) {
        Ok(name) => name != "linear",
        Err(refusal) => return Some(Err(refusal)),
    };
    if elsewhere && path != "time" {
        return Some(Ok(Success::ok(json!({"category": params.text("category"), "list": [], "nextPageCursor": ""}))));
    }
    Some(match path {
        "time" => Ok(time(now)),
        "instruments-info" => instruments(exchange, params),
        "orderbook" => order_book(exchange, params, now),
        "kline" => kline(exchange, params, 7),
        "mark-price-kline" | "index-price-kline" | "premium-index-price-kline" => kline(exchange, params, 5),
        "tickers" => tickers(exchange, params),
        "recent-trade" => recent_trades(exchange, params),
        "price-limit" => price_limit(exchange, params, now),
        "risk-limit" => Ok(risk_limits(exchange, params)),
        "funding/history" => fundings(exchange, params),
        "open-interest" | "account-ratio" | "historical-volatility" | "insurance" | "adlAlert" => {
            Ok(Success::ok(json!({"category": "linear", "symbol": params.text("symbol"), "list": [],
                "nextPageCursor": "", "updatedTime": ms(now)})))
        }
        _ => return None,
    })
}

fn time(now: Ts) -> Success {
    Success::ok(json!({"timeSecond": (now.as_ms() / 1_000).to_string(), "timeNano": now.0.to_string()}))
}

fn instruments(exchange: &Exchange, params: &Params) -> Answer {
    let status = params.given("status").unwrap_or("Trading");
    let (base, symbol) = (params.given("baseCoin"), params.given("symbol"));
    let wanted: Vec<(usize, &Market)> = (exchange.markets.iter().enumerate())
        .filter(|(_, market)| symbol.map_or(market.status == status, |name| market.rules.name == name))
        .filter(|(_, market)| base.is_none_or(|coin| market.base() == coin))
        .collect();
    if symbol.is_some() && wanted.is_empty() {
        return Err(Refusal::new(10_001, "params error: symbol invalid"));
    }
    let (wanted, more) = page(params, wanted, 500, 1_000)?;
    let rows: Vec<Value> = wanted.into_iter().map(|(at, market)| instrument(exchange, at, market)).collect();
    Ok(Success::ok(json!({"category": "linear", "list": rows, "nextPageCursor": more})))
}

fn instrument(exchange: &Exchange, at: usize, market: &Market) -> Value {
    let rules = &market.rules;
    let most = exchange.max_leverage(Symbol(at as u16));
    let highest = Price::from_raw(rules.tick.raw().saturating_mul(19_999_998));
    json!({
        "symbol": rules.name, "symbolId": at + 1, "contractType": "LinearPerpetual", "status": market.status,
        "baseCoin": market.base(), "quoteCoin": "USDT", "settleCoin": "USDT", "symbolType": "",
        "launchTime": "1585526400000", "deliveryTime": "0", "deliveryFeeRate": "",
        "priceScale": rules.price_decimals().to_string(),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": format!("{most:.2}"), "leverageStep": "0.01"},
        "priceFilter": {"minPrice": px(rules, rules.tick), "maxPrice": px(rules, highest), "tickSize": px(rules, rules.tick)},
        "lotSizeFilter": {
            "maxOrderQty": qx(rules, rules.max_qty), "minOrderQty": qx(rules, rules.min_qty),
            "qtyStep": qx(rules, rules.step), "postOnlyMaxOrderQty": qx(rules, rules.max_qty),
            "maxMktOrderQty": qx(rules, rules.max_market_qty), "minNotionalValue": rules.min_notional.to_string(),
        },
        "unifiedMarginTrade": true, "fundingInterval": rules.funding_interval_s / 60, "copyTrading": "none",
        "upperFundingRate": "0.00375", "lowerFundingRate": "-0.00375", "isPreListing": false, "preListingInfo": null,
        "riskParameters": {"priceLimitRatioX": RATIO_X.to_string(), "priceLimitRatioY": RATIO_Y.to_string()},
        "displayName": "", "forbidUplWithdrawal": false,
    })
}

/// Levels of one side as the venue writes them.
pub fn levels(market: &Market, side: Side, n: usize) -> Vec<[String; 2]> {
    let text = |l: crate::engine::market::book::Level| [px(&market.rules, l.price), qx(&market.rules, l.qty)];
    market.book.levels(side, n).into_iter().map(text).collect()
}

fn order_book(exchange: &Exchange, params: &Params, now: Ts) -> Answer {
    let market = asked_market(exchange, params)?;
    let n = params.limit(25, 1_000)?;
    Ok(Success::ok(json!({
        "s": market.rules.name, "b": levels(market, Side::Buy, n), "a": levels(market, Side::Sell, n),
        "ts": now.as_ms(), "u": market.seq - 900_000, "seq": market.seq, "cts": exchange.now().as_ms(),
    })))
}

/// Minutes of an interval name.
pub fn minutes_of(interval: &str) -> Option<i64> {
    match interval {
        "D" => Some(1_440),
        "W" => Some(10_080),
        "M" => Some(43_200),
        "1" | "3" | "5" | "15" | "30" | "60" | "120" | "240" | "360" | "720" => interval.parse().ok(),
        _ => None,
    }
}

fn kline(exchange: &Exchange, params: &Params, columns: usize) -> Answer {
    let market = asked_market(exchange, params)?;
    let minutes =
        minutes_of(params.text("interval")).ok_or_else(|| Refusal::new(10_001, "params error: interval invalid"))?;
    let (start, end) = (params.moment("start")?, params.moment("end")?);
    let limit = params.limit(200, 1_000)?;
    let wanted = |bar: &Bar| start.is_none_or(|t| bar.start >= t) && end.is_none_or(|t| bar.start <= t);
    let rows: Vec<Vec<String>> = (market.bars(minutes).into_iter().filter(wanted).rev().take(limit))
        .map(|bar| candle(&market.rules, &bar).into_iter().take(columns).collect())
        .collect();
    Ok(Success::ok(json!({"category": "linear", "symbol": market.rules.name, "list": rows})))
}

fn candle(rules: &Instrument, bar: &Bar) -> [String; 7] {
    let price = |p| px(rules, p);
    let prices = (price(bar.open), price(bar.high), price(bar.low), price(bar.close));
    [ms(bar.start), prices.0, prices.1, prices.2, prices.3, qx(rules, bar.volume), usd(bar.turnover)]
}

/// The facts of a ticker, the same for REST and stream.
pub fn ticker(market: &Market) -> Value {
    let rules = &market.rules;
    let price = |p: Option<Price>| p.map_or_else(String::new, |p| px(rules, p));
    let day = market.day_ago.or_else(|| market.minutes.front().map(|bar| bar.open));
    let (high, low) = market.minutes.iter().fold((None, None), |(high, low): (Option<Price>, Option<Price>), bar| {
        (Some(high.map_or(bar.high, |p| p.max(bar.high))), Some(low.map_or(bar.low, |p| p.min(bar.low))))
    });
    let volume: Qty = market.minutes.iter().map(|bar| bar.volume).sum();
    let turnover: Money = market.minutes.iter().map(|bar| bar.turnover).sum();
    let (bid, ask) = (market.book.best(Side::Buy), market.book.best(Side::Sell));
    let size = |l: Option<crate::engine::market::book::Level>| l.map_or_else(String::new, |l| qx(rules, l.qty));
    json!({
        "symbol": rules.name, "lastPrice": price(market.last), "indexPrice": price(market.index),
        "markPrice": price(market.mark), "prevPrice24h": price(day), "price24hPcnt": change(day, market.last),
        "highPrice24h": price(high), "lowPrice24h": price(low), "prevPrice1h": price(hour_ago(market)),
        "openInterest": "10000", "openInterestValue": market.mark.map(|p| usd(p * Qty::from_raw(10_000 * UNIT))),
        "turnover24h": usd(turnover), "volume24h": qx(rules, volume), "fundingRate": market.funding_rate.to_string(),
        "nextFundingTime": ms(market.next_funding), "bid1Price": price(bid.map(|l| l.price)), "bid1Size": size(bid),
        "ask1Price": price(ask.map(|l| l.price)), "ask1Size": size(ask),
        "fundingIntervalHour": (rules.funding_interval_s / 3_600).to_string(), "fundingCap": "0.00375",
        "preOpenPrice": "", "preQty": "", "curPreListingPhase": "",
    })
}

fn change(day: Option<Price>, last: Option<Price>) -> String {
    let (Some(day), Some(last)) = (day, last) else { return String::new() };
    let part = i128::from(last.raw() - day.raw()) * i128::from(UNIT) / i128::from(day.raw().max(1));
    format!("{:.6}", Rate::from_raw(i64::try_from(part).unwrap_or(0)))
}

fn hour_ago(market: &Market) -> Option<Price> {
    let last = market.minutes.back()?.start;
    let bar = market.minutes.iter().rev().find(|bar| last.since(bar.start) >= Span::from_secs(3_600));
    bar.or_else(|| market.minutes.front()).map(|bar| bar.open)
}

fn tickers(exchange: &Exchange, params: &Params) -> Answer {
    let name = params.given("symbol");
    let mut rows = Vec::new();
    for market in exchange.markets.iter().filter(|m| name.is_none_or(|name| m.rules.name == name)) {
        let mut row = ticker(market);
        for (key, value) in [
            ("predictedDeliveryPrice", ""),
            ("basisRate", ""),
            ("basis", ""),
            ("basisRateYear", ""),
            ("deliveryFeeRate", ""),
            ("deliveryTime", "0"),
        ] {
            row[key] = json!(value);
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Refusal::new(10_001, "params error: symbol invalid"));
    }
    Ok(Success::ok(json!({"category": "linear", "list": rows})))
}

fn recent_trades(exchange: &Exchange, params: &Params) -> Answer {
    let market = asked_market(exchange, params)?;
    let limit = params.limit(500, 1_000)?;
    let row = |print: &crate::venue::sim::exchange::market::Print| {
        json!({
            "execId": print.id, "symbol": market.rules.name, "price": px(&market.rules, print.trade.price),
            "size": qx(&market.rules, print.trade.qty), "side": side_word(print.trade.taker), "time": ms(print.at),
            "isBlockTrade": false, "isRPITrade": print.rpi, "seq": print.seq.to_string(),
        })
    };
    let rows: Vec<Value> = market.prints.iter().rev().take(limit).map(row).collect();
    Ok(Success::ok(json!({"category": "linear", "list": rows})))
}

/// `Buy` or `Sell`.
pub const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

fn price_limit(exchange: &Exchange, params: &Params, now: Ts) -> Answer {
    let market = asked_market(exchange, params)?;
    let (buy, sell) = market.band().ok_or_else(|| Refusal::new(10_001, "no price limit yet"))?;
    Ok(Success::ok(json!({
        "symbol": market.rules.name, "buyLmt": px(&market.rules, buy), "sellLmt": px(&market.rules, sell), "ts": ms(now),
    })))
}

fn risk_limits(exchange: &Exchange, params: &Params) -> Success {
    let name = params.given("symbol");
    let mut rows = Vec::new();
    for market in exchange.markets.iter().filter(|m| name.is_none_or(|name| m.rules.name == name)) {
        for (at, tier) in market.rules.tiers.iter().enumerate() {
            let one = i128::from(UNIT) * i128::from(UNIT);
            let most = Rate::from_raw(i64::try_from(one / i128::from(tier.initial.raw().max(1))).unwrap_or(UNIT));
            // The last tier of the generator has no end; the venue always states one.
            let value = tier.max_notional.min(Money::from_units(1_000_000_000));
            rows.push(json!({
                "id": at + 1, "symbol": market.rules.name, "riskLimitValue": usd(value),
                "maintenanceMargin": tier.maintenance.to_string(), "initialMargin": tier.initial.to_string(),
                "isLowestRisk": i32::from(at == 0), "maxLeverage": format!("{most:.2}"), "mmDeduction": "",
            }));
        }
    }
    Success::ok(json!({"category": "linear", "list": rows, "nextPageCursor": ""}))
}

fn fundings(exchange: &Exchange, params: &Params) -> Answer {
    let market = asked_market(exchange, params)?;
    let (start, end) = (params.moment("startTime")?, params.moment("endTime")?);
    if start.is_some() && end.is_none() {
        return Err(Refusal::new(10_001, "params error: endTime is required with startTime"));
    }
    let limit = params.limit(200, 200)?;
    let wanted = |at: Ts| start.is_none_or(|t| at >= t) && end.is_none_or(|t| at <= t);
    let rows: Vec<Value> = (market.fundings.iter().rev().filter(|(at, _)| wanted(*at)).take(limit))
        .map(|(at, rate)| {
            json!({"symbol": market.rules.name, "fundingRate": rate.to_string(), "fundingRateTimestamp": ms(*at)})
        })
        .collect();
    Ok(Success::ok(json!({"category": "linear", "list": rows})))
}

/// One candle as the stream tells it.
pub fn candle_frame(
    topic: &str,
    rules: &Instrument,
    bar: &Bar,
    (interval, minutes): (&str, i64),
    confirm: bool,
    now: Ts,
) -> String {
    let [_, open, high, low, close, volume, turnover] = candle(rules, bar);
    json!({
        "topic": topic, "type": "snapshot", "ts": now.as_ms(),
        "data": [{
            "start": bar.start.as_ms(), "end": bar.start.as_ms() + minutes * 60_000 - 1, "interval": interval,
            "open": open, "close": close, "high": high, "low": low, "volume": volume, "turnover": turnover,
            "confirm": confirm, "timestamp": now.as_ms(),
        }],
    })
    .to_string()
}
