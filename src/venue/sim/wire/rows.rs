//! Orders, executions, positions and the wallet in the venue's words (contract 8.5, 8.7, 8.8, 8.10, 13).

use serde_json::{Value, json};

use super::market::{px, qx, side_word};
use super::{ms, usd};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Side};
use crate::venue::sim::exchange::Exchange;
use crate::venue::sim::exchange::model::{
    ExecKind, Execution, Kind, Leg, Order, Position, Tif, TpslMode, Transfer, TriggerBy,
};

/// Which place a row is for: the two differ in a few fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A REST list.
    Rest,
    /// A push.
    Stream,
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Limit => "Limit",
        Kind::Market => "Market",
    }
}

const fn tif_word(tif: Tif) -> &'static str {
    match tif {
        Tif::Gtc => "GTC",
        Tif::Ioc => "IOC",
        Tif::Fok => "FOK",
        Tif::PostOnly => "PostOnly",
    }
}

const fn by_word(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Last => "LastPrice",
        TriggerBy::Index => "IndexPrice",
        TriggerBy::Mark => "MarkPrice",
    }
}

const fn mode_word(mode: TpslMode) -> &'static str {
    match mode {
        TpslMode::Full => "Full",
        TpslMode::Partial => "Partial",
    }
}

fn leg_price(rules: &Instrument, leg: Option<Leg>) -> String {
    leg.map_or_else(String::new, |leg| px(rules, leg.price))
}

/// An average as the venue writes it: at most eight decimals.
fn average(price: Option<Price>) -> String {
    price.map_or_else(|| "0".to_owned(), |price| price.to_string())
}

/// An order.
pub fn order(exchange: &Exchange, order: &Order, place: Place) -> Value {
    let Some(market) = exchange.market_of(order.ask.slot.symbol) else { return Value::Null };
    let rules = &market.rules;
    let ask = &order.ask;
    let mut row = json!({
        "orderId": order.id, "orderLinkId": ask.link, "parentOrderLinkId": order.parent_link, "blockTradeId": "",
        "symbol": rules.name, "price": px(rules, order.price), "qty": qx(rules, ask.qty), "side": side_word(ask.side),
        "isLeverage": "", "positionIdx": ask.slot.idx, "orderStatus": order.status.word(),
        "createType": order.create_type, "cancelType": order.cancel_type, "rejectReason": order.reject_reason,
        "avgPrice": order.average().map_or_else(String::new, |p| p.to_string()),
        "leavesQty": qx(rules, order.leaves()), "leavesValue": usd(order.price * order.leaves()),
        "cumExecQty": qx(rules, order.cum_qty), "cumExecValue": usd(order.cum_value),
        "cumExecFee": usd(order.cum_fee), "cumFeeDetail": {"USDT": usd(order.cum_fee)},
        "timeInForce": tif_word(ask.tif), "orderType": kind_word(ask.kind), "orderIv": "", "marketUnit": "",
        "lastPriceOnCreated": order.last_on_created.map_or_else(String::new, |p| px(rules, p)),
        "reduceOnly": ask.reduce_only, "closeOnTrigger": ask.close_on_trigger, "placeType": "", "smpType": "None",
        "smpGroup": 0, "smpOrderId": "", "createdTime": ms(order.created), "updatedTime": ms(order.updated),
    });
    stop_fields(&mut row, rules, order);
    if place == Place::Stream {
        row["category"] = json!("linear");
        row["closedPnl"] = json!(usd(order.closed_pnl));
        row["feeCurrency"] = json!("");
        row["rpiTakerAccess"] = json!(false);
        row["rpiMatchedQty"] = json!("0");
    }
    row
}

/// Trigger and protection of an order.
fn stop_fields(row: &mut Value, rules: &Instrument, order: &Order) {
    let (trigger, protection) = (order.ask.trigger, order.ask.protection);
    let leg_by = |leg: Option<Leg>| leg.map_or("", |leg| by_word(leg.by));
    let leg_limit = |leg: Option<Leg>| leg.and_then(|leg| leg.limit).map_or("0".to_owned(), |p| px(rules, p));
    let has_legs = protection.take.is_some() || protection.stop.is_some();
    let fields = json!({
        "stopOrderType": if order.stop_type.is_empty() { "UNKNOWN" } else { order.stop_type },
        "triggerPrice": trigger.map_or_else(String::new, |t| px(rules, t.price)),
        "triggerDirection": trigger.map_or(0, |t| if t.rising { 1 } else { 2 }),
        "triggerBy": trigger.map_or("", |t| by_word(t.by)),
        "takeProfit": leg_price(rules, protection.take), "stopLoss": leg_price(rules, protection.stop),
        "tpTriggerBy": leg_by(protection.take), "slTriggerBy": leg_by(protection.stop),
        "tpLimitPrice": leg_limit(protection.take), "slLimitPrice": leg_limit(protection.stop),
        "tpslMode": if has_legs { mode_word(protection.mode) } else { "UNKNOWN" },
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        row[key.as_str()] = value.clone();
    }
}

/// The exchange's word for what made an execution.
const fn exec_word(kind: ExecKind) -> &'static str {
    match kind {
        ExecKind::Trade => "Trade",
        ExecKind::Funding => "Funding",
        ExecKind::Bust => "BustTrade",
        ExecKind::Adl => "AdlTrade",
    }
}

/// An execution.
pub fn execution(exchange: &Exchange, execution: &Execution, place: Place) -> Value {
    let Some(market) = exchange.market_of(execution.slot.symbol) else { return Value::Null };
    let rules = &market.rules;
    let kind = exec_word(execution.kind);
    let mut row = json!({
        "symbol": rules.name, "orderId": execution.order_id, "orderLinkId": execution.link,
        "side": side_word(execution.side), "orderPrice": px(rules, execution.order_price),
        "orderQty": if execution.order_kind.is_none() { "0".to_owned() } else { qx(rules, execution.order_qty) },
        "leavesQty": qx(rules, execution.leaves), "createType": execution.create_type,
        "orderType": execution.order_kind.map_or("UNKNOWN", kind_word),
        "stopOrderType": if execution.stop_type.is_empty() { "UNKNOWN" } else { execution.stop_type },
        "execFee": usd(execution.fee), "execFeeV2": "", "feeCurrency": "", "feeRate": execution.rate.to_string(),
        "execId": execution.id, "execPrice": px(rules, execution.price), "execQty": qx(rules, execution.qty),
        "execValue": usd(execution.price * execution.qty), "execType": kind, "execTime": ms(execution.at),
        "isMaker": execution.maker, "closedSize": qx(rules, execution.closed), "markPrice": px(rules, execution.mark),
        "indexPrice": "", "underlyingPrice": "", "tradeIv": "", "markIv": "", "blockTradeId": "", "extraFees": "",
        "seq": execution.seq,
    });
    if place == Place::Stream {
        row["category"] = json!("linear");
        row["isLeverage"] = json!("0");
        row["execPnl"] = json!(usd(execution.pnl));
        row["marketUnit"] = json!("");
        row["feeCurrency"] = json!("USDT");
    }
    row
}

/// A row of `execution.fast`: no fee, and no link id for makers (contract 0.22).
pub fn fast(exchange: &Exchange, execution: &Execution) -> Option<Value> {
    let rules = &exchange.market_of(execution.slot.symbol)?.rules;
    (execution.kind == ExecKind::Trade).then(|| {
        json!({
            "category": "linear", "symbol": rules.name, "execId": execution.id, "execPrice": px(rules, execution.price),
            "execQty": qx(rules, execution.qty), "orderId": execution.order_id, "isMaker": execution.maker,
            "orderLinkId": if execution.maker { "" } else { execution.link.as_str() },
            "side": side_word(execution.side), "execTime": ms(execution.at), "seq": execution.seq,
        })
    })
}

/// A position. The stream calls its price `entryPrice`, REST `avgPrice` (contract 0.26).
pub fn position(exchange: &Exchange, position: &Position, place: Place) -> Value {
    let Some(market) = exchange.market_of(position.slot.symbol) else { return Value::Null };
    let rules = &market.rules;
    let mark = exchange.mark_of(position.slot.symbol).unwrap_or_default();
    let (initial, maintenance) = exchange.margins(position, mark);
    let flat = position.side.is_none();
    let tier = rules.tiers.iter().position(|tier| mark * position.size <= tier.max_notional).unwrap_or(0);
    let limit = rules.tiers.get(tier).map_or(Money::ZERO, |t| t.max_notional.min(Money::from_units(1_000_000_000)));
    let none = if place == Place::Stream { "0" } else { "" };
    let leg = |leg: Option<Leg>| leg.map_or_else(|| none.to_owned(), |leg| px(rules, leg.price));
    let liquidation = exchange.liquidation_price(position).map_or_else(|| none.to_owned(), |price| px(rules, price));
    let or_empty = |text: String| if flat && place == Place::Rest { String::new() } else { text };
    let mut row = json!({
        "positionIdx": position.slot.idx, "tradeMode": 0, "riskId": tier + 1, "riskLimitValue": usd(limit),
        "symbol": rules.name, "side": position.side.map_or("", side_word), "size": qx(rules, position.size),
        "leverage": position.leverage.to_string(), "breakEvenPrice": break_even(position),
        "positionValue": or_empty(usd(position.cost)), "positionBalance": "0", "markPrice": px(rules, mark),
        "positionIM": usd(initial), "positionIMByMp": usd(initial), "positionMM": usd(maintenance),
        "positionMMByMp": usd(maintenance), "takeProfit": leg(position.protection.take),
        "stopLoss": leg(position.protection.stop),
        "trailingStop": position.trailing.map_or_else(|| "0".to_owned(), |p| px(rules, p)),
        "unrealisedPnl": or_empty(usd(position.profit(mark))), "curRealisedPnl": usd(position.cur_realised),
        "cumRealisedPnl": usd(position.cum_realised), "sessionAvgPrice": "", "createdTime": ms(position.created),
        "updatedTime": ms(position.updated), "openTime": position.opened.as_ms() / 1_000, "tpslMode": "Full",
        "liqPrice": liquidation, "bustPrice": "", "positionStatus": position.status,
        "adlRankIndicator": if flat { 0 } else { 2 }, "autoAddMargin": 0, "leverageSysUpdatedTime": "",
        "mmrSysUpdatedTime": "", "seq": position.seq, "isReduceOnly": false,
    });
    row[if place == Place::Stream { "entryPrice" } else { "avgPrice" }] = json!(average(position.entry()));
    if place == Place::Stream {
        row["category"] = json!("linear");
    }
    row
}

/// Price at which closing as taker leaves the position's realised result at zero.
fn break_even(position: &Position) -> String {
    let (Some(side), Some(entry)) = (position.side, position.entry()) else { return String::new() };
    let per_unit = position.cur_realised.raw() / i128::from(position.size.raw().max(1));
    let moved = i128::from(entry.raw()) - i128::from(side.sign()) * per_unit;
    let fee = crate::venue::sim::exchange::account::TAKER_FEE;
    let price = Price::from_raw(i64::try_from(moved).unwrap_or(0));
    let price = price.shifted(if side == Side::Buy { fee } else { -fee });
    format!("{price:.8}")
}

/// The wallet: one coin, the unified account in cross margin.
pub fn wallet(exchange: &Exchange) -> Value {
    let (sums, account) = (exchange.sums(), &exchange.account);
    let ratio = |part: Money| {
        let rate = part.raw().checked_div(sums.equity.raw().max(1) / 1_000_000_000).unwrap_or(0);
        crate::engine::num::Rate::from_raw(i64::try_from(rate).unwrap_or(0)).to_string()
    };
    let initial = sums.position_im + sums.order_im;
    json!({
        "accountType": "UNIFIED", "accountLTV": "0", "accountIMRate": ratio(initial), "accountIMRateByMp": ratio(initial),
        "accountMMRate": ratio(sums.position_mm), "accountMMRateByMp": ratio(sums.position_mm),
        "totalEquity": usd(sums.equity), "totalWalletBalance": usd(account.balance),
        "totalMarginBalance": usd(sums.equity), "totalAvailableBalance": usd(sums.available()),
        "totalPerpUPL": usd(sums.upl), "totalInitialMargin": usd(initial), "totalInitialMarginByMp": usd(initial),
        "totalMaintenanceMargin": usd(sums.position_mm), "totalMaintenanceMarginByMp": usd(sums.position_mm),
        "coin": [{
            "coin": "USDT", "equity": usd(sums.equity), "usdValue": usd(sums.equity),
            "walletBalance": usd(account.balance), "availableToWithdraw": "", "availableToBorrow": "",
            "borrowAmount": "0", "accruedInterest": "0", "totalOrderIM": usd(sums.order_im),
            "totalPositionIM": usd(sums.position_im), "totalPositionMM": usd(sums.position_mm),
            "unrealisedPnl": usd(sums.upl), "cumRealisedPnl": usd(account.realised), "bonus": "0",
            "collateralSwitch": true, "marginCollateral": true, "locked": "0", "spotHedgingQty": "0", "spotBorrow": "0",
        }],
    })
}

/// A line of the transaction log: `funding` has the opposite sign of the execution's fee (contract 8.7).
pub fn transfer(exchange: &Exchange, line: &Transfer) -> Value {
    let word = if line.change.is_negative() { "TRANSFER_OUT" } else { "TRANSFER_IN" };
    let mut row = json!({
        "id": line.id, "symbol": "", "side": "None", "funding": "", "orderLinkId": "", "orderId": "", "fee": "",
        "change": usd(line.change), "cashFlow": usd(line.change), "transactionTime": ms(line.at), "type": word,
        "transSubType": "", "feeRate": "", "bonusChange": "", "size": "", "qty": "", "cashBalance": usd(line.balance),
        "currency": "USDT", "category": "", "tradePrice": "", "tradeId": "", "extraFees": "",
    });
    let Some(execution) = &line.execution else { return row };
    let Some(market) = exchange.market_of(execution.slot.symbol) else { return row };
    let funding = execution.kind == ExecKind::Funding;
    let fields = [
        ("symbol", market.rules.name.clone()),
        ("category", "linear".to_owned()),
        ("side", side_word(execution.side).to_owned()),
        ("funding", if funding { usd(-execution.fee) } else { String::new() }),
        ("orderLinkId", execution.link.clone()),
        ("orderId", execution.order_id.clone()),
        ("fee", if funding { "0".to_owned() } else { usd(execution.fee) }),
        ("cashFlow", usd(execution.pnl)),
        ("type", if funding { "SETTLEMENT" } else { "TRADE" }.to_owned()),
        ("feeRate", execution.rate.to_string()),
        ("size", qx(&market.rules, line.size)),
        ("qty", qx(&market.rules, execution.qty)),
        ("tradePrice", px(&market.rules, execution.price)),
        ("tradeId", execution.id.clone()),
    ];
    for (key, value) in fields {
        row[key] = json!(value);
    }
    row
}

/// A closed order's profit, as `closed-pnl` lists it.
pub fn closed_pnl(exchange: &Exchange, execution: &Execution) -> Option<Value> {
    if execution.closed.is_zero() {
        return None;
    }
    let rules = &exchange.market_of(execution.slot.symbol)?.rules;
    let exit = execution.price * execution.closed;
    let entry = if execution.side == Side::Sell { exit - execution.pnl } else { exit + execution.pnl };
    let entry_price = crate::venue::sim::exchange::model::average(entry, execution.closed);
    Some(json!({
        "symbol": rules.name, "orderType": execution.order_kind.map_or("UNKNOWN", kind_word),
        "leverage": exchange.account.position(execution.slot).leverage.to_string(), "updatedTime": ms(execution.at),
        "side": side_word(execution.side), "orderId": execution.order_id,
        "closedPnl": usd(execution.pnl - execution.fee), "avgEntryPrice": average(entry_price),
        "qty": qx(rules, Qty::max(execution.order_qty, execution.closed)), "cumEntryValue": usd(entry),
        "createdTime": ms(execution.at), "orderPrice": px(rules, execution.order_price),
        "closedSize": qx(rules, execution.closed), "avgExitPrice": px(rules, execution.price),
        "execType": exec_word(execution.kind), "fillCount": "1",
        "cumExitValue": usd(exit),
    }))
}
