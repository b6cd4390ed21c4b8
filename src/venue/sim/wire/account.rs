//! Positions, account, user, asset and system paths (contract 6, 8.8, 8.10).

use serde_json::{Value, json};

use super::market::asked_symbol;
use super::params::Params;
use super::rows::{self, Place};
use super::sign::Keys;
use super::trade::{leg, list, tpsl_mode};
use super::{Answer, Success, ms, usd};
use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Price};
use crate::engine::time::{Span, Ts};
use crate::venue::sim::exchange::Exchange;
use crate::venue::sim::exchange::account::{MAKER_FEE, TAKER_FEE};
use crate::venue::sim::exchange::model::{Refusal, Slot};
use crate::venue::sim::exchange::protect::TradingStop;
use crate::venue::sim::faults::Faults;

/// Most that one request for demo money gives (contract 1).
const APPLY_MAX: Money = Money::from_units(100_000);

/// Answers a signed read; `None` for a path that does not exist.
pub fn read(exchange: &Exchange, keys: &Keys, faults: &Faults, path: &str, params: &Params, now: Ts) -> Option<Answer> {
    Some(match path {
        "position/list" => positions(exchange, params),
        "account/wallet-balance" => wallet(exchange, params),
        "account/info" => Ok(info(exchange, now)),
        "account/fee-rate" => Ok(fee_rates(exchange, params)),
        "account/transaction-log" => transactions(exchange, params, now),
        "account/user-setting-config" => Ok(Success::ok(json!({
            "lpaSpot": false, "lpaPerp": !exchange.account.reprices, "smsef": false, "fmsef": false,
        }))),
        "account/instruments-info" => return super::market::answer(exchange, "instruments-info", params, now),
        "account/query-dcp-info" => Ok(Success::ok(json!({"dcpInfos": []}))),
        "account/collateral-info" => Ok(Success::ok(json!({"list": []}))),
        "user/query-api" => Ok(key_info(exchange, keys, faults)),
        "asset/coin/query-info" => Ok(Success::ok(json!({"rows": []}))),
        _ => return None,
    })
}

fn positions(exchange: &Exchange, params: &Params) -> Answer {
    if params.text("category") != "linear" {
        return list(params, Vec::new(), 20, 200);
    }
    let rows: Vec<Value> = if params.given("symbol").is_some() {
        let symbol = asked_symbol(exchange, params)?;
        let row = |slot: Slot| rows::position(exchange, &exchange.account.position(slot), Place::Rest);
        exchange.account.slots(symbol).into_iter().map(row).collect()
    } else if let Some(coin) = params.given("settleCoin") {
        let held = exchange.held().filter(|_| coin == "USDT");
        held.map(|position| rows::position(exchange, position, Place::Rest)).collect()
    } else {
        return Err(Refusal::new(10_001, "Missing some parameters that must be filled in, symbol or settleCoin"));
    };
    list(params, rows, 20, 200)
}

/// A start without an end covers a day, and no request more than seven (contract 8.7).
fn transactions(exchange: &Exchange, params: &Params, now: Ts) -> Answer {
    const DAY: Span = Span::from_secs(86_400);
    let (from, to) = match (params.moment("startTime")?, params.moment("endTime")?) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, from + DAY),
        (None, Some(to)) => (to - DAY, to),
        (None, None) => (now - DAY, now),
    };
    if to.since(from) > Span(7 * DAY.0) || to < from {
        return Err(Refusal::new(10_001, "The time range between startTime and endTime cannot exceed 7 days"));
    }
    let rows = exchange.account.log.iter().rev().filter(|line| (from..=to).contains(&line.at));
    let rows = rows.map(|line| rows::transfer(exchange, line));
    let asked = |name: &'static str| move |row: &Value| params.given(name).is_none_or(|wanted| row[name] == wanted);
    let kept = rows.filter(asked("category")).filter(asked("currency")).filter(asked("type"));
    list(params, kept.collect(), 20, 50)
}

fn wallet(exchange: &Exchange, params: &Params) -> Answer {
    if params.text("accountType") != "UNIFIED" {
        return Err(Refusal::new(10_001, "accountType only support UNIFIED."));
    }
    let mut row = rows::wallet(exchange);
    if params.given("coin").is_some_and(|coins| !coins.split(',').any(|coin| coin == "USDT")) {
        row["coin"] = json!([]);
    }
    Ok(Success::ok(json!({"list": [row]})))
}

fn info(exchange: &Exchange, now: Ts) -> Success {
    Success::ok(json!({
        "unifiedMarginStatus": 5, "marginMode": exchange.account.margin_mode, "isMasterTrader": false, "spotHedgingStatus": "OFF",
        "updatedTime": ms(now), "dcpStatus": "OFF", "timeWindow": 0, "smpGroup": 0, "uid": exchange.account.uid.to_string(),
    }))
}

fn fee_rates(exchange: &Exchange, params: &Params) -> Success {
    let name = params.given("symbol");
    let row = |name: &str| json!({"symbol": name, "takerFeeRate": TAKER_FEE.to_string(), "makerFeeRate": MAKER_FEE.to_string()});
    let names = exchange.markets.iter().map(|market| market.rules.name.as_str());
    let rows: Vec<Value> = names.filter(|other| name.is_none_or(|name| name == *other)).map(row).collect();
    Success::ok(json!({"list": rows}))
}

fn key_info(exchange: &Exchange, keys: &Keys, faults: &Faults) -> Success {
    let wallet = if faults.withdrawing_key { json!(["Withdraw"]) } else { json!([]) };
    Success::ok(json!({
        "id": "1", "note": "simulated exchange", "apiKey": keys.key, "readOnly": i64::from(faults.read_only_key), "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"], "Spot": [], "Wallet": wallet, "Options": [],
            "Derivatives": ["DerivativesTrade"], "CopyTrading": [], "BlockTrade": [], "Exchange": [], "NFT": [],
            "Affiliate": [], "Earn": [],
        },
        "ips": ["127.0.0.1"], "type": 1, "deadlineDay": 90, "expiredAt": "2099-01-01T00:00:00Z",
        "createdAt": "2026-01-01T00:00:00Z", "unified": 0, "uta": 1, "userID": exchange.account.uid, "inviterID": 0,
        "vipLevel": "No VIP", "mktMakerLevel": "0", "affiliateID": 0, "rsaPublicKey": "", "isMaster": true,
        "parentUid": "0", "kycLevel": "LEVEL_1", "kycRegion": "",
    }))
}

/// Answers a signed write outside `/v5/order/`; `None` for a path that does not exist.
pub fn write(exchange: &mut Exchange, path: &str, body: &Value) -> Option<Answer> {
    let params = Params::of_json(body);
    let done = match path {
        "position/set-leverage" => set_leverage(exchange, &params),
        "position/switch-mode" => switch_mode(exchange, &params),
        "position/trading-stop" => trading_stop(exchange, &params),
        "account/set-limit-px-action" => {
            exchange.account.reprices = params.is_set("modifyEnable");
            Ok(())
        }
        "account/set-margin-mode" => match params.text("setMarginMode") {
            "REGULAR_MARGIN" => return Some(Ok(Success::ok(json!({"reasons": []})))),
            _ => Err(Refusal::new(110_073, "Set margin mode failed")),
        },
        "order/disconnected-cancel-all" => {
            Err(Refusal::new(10_005, "Permission denied: disconnect cancel all is not activated for this account"))
        }
        "account/demo-apply-money" => demo_money(exchange, body),
        _ => return None,
    };
    Some(done.map(|()| Success::ok(json!({}))))
}

fn set_leverage(exchange: &mut Exchange, params: &Params) -> Result<(), Refusal> {
    let symbol = asked_symbol(exchange, params)?;
    let (buy, sell) = (params.rate("buyLeverage")?, params.rate("sellLeverage")?);
    match (buy, sell) {
        (Some(buy), Some(sell)) if buy == sell => exchange.set_leverage(symbol, buy),
        _ => Err(Refusal::new(10_001, "buyLeverage and sellLeverage must be equal")),
    }
}

/// By symbol a position or an order refuses the switch; by coin such instruments are passed over (C 8.8d).
fn switch_mode(exchange: &mut Exchange, params: &Params) -> Result<(), Refusal> {
    let hedged = match params.number("mode")? {
        Some(0) => false,
        Some(3) => true,
        _ => return Err(Refusal::new(10_001, "params error: mode invalid")),
    };
    if params.given("symbol").is_some() {
        let symbol = asked_symbol(exchange, params)?;
        return exchange.set_hedged(symbol, hedged);
    }
    if params.text("coin") != "USDT" {
        return Err(Refusal::new(10_001, "params error: symbol or coin is required"));
    }
    for index in 0..exchange.markets.len() {
        // What has a position or orders stays as it is, without a word.
        drop(exchange.set_hedged(Symbol(index as u16), hedged));
    }
    Ok(())
}

fn trading_stop(exchange: &mut Exchange, params: &Params) -> Result<(), Refusal> {
    let symbol = asked_symbol(exchange, params)?;
    let idx = u8::try_from(params.number("positionIdx")?.unwrap_or(0)).unwrap_or(u8::MAX);
    let slot = Slot { symbol, idx };
    if !exchange.account.slots(symbol).contains(&slot) {
        return Err(Refusal::new(10_001, "position idx not match position mode"));
    }
    let asked = TradingStop {
        mode: tpsl_mode(params)?,
        take: leg(params, "takeProfit", "tpTriggerBy", "tpLimitPrice")?,
        stop: leg(params, "stopLoss", "slTriggerBy", "slLimitPrice")?,
        trailing: params.price("trailingStop")?,
        trailing_from: params.price("activePrice")?.filter(|price| *price > Price::ZERO),
        size: params.qty("tpSize")?.or(params.qty("slSize")?),
    };
    exchange.trading_stop(slot, &asked)
}

fn demo_money(exchange: &mut Exchange, body: &Value) -> Result<(), Refusal> {
    let takes = Params::of_json(body).text("adjustType") == "1";
    let wanted = body.get("utaDemoApplyMoney").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in wanted {
        let params = Params::of_json(&item);
        if params.text("coin") != "USDT" {
            continue;
        }
        let amount = Money::parse(params.text("amountStr")).unwrap_or(Money::ZERO);
        if amount <= Money::ZERO || amount > APPLY_MAX {
            return Err(Refusal::new(10_001, format!("amountStr must be within {}", usd(APPLY_MAX))));
        }
        exchange.deposit(if takes { -amount } else { amount });
    }
    Ok(())
}
