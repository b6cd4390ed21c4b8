//! Orders over REST and the trade socket: `/v5/order/*`, `/v5/execution/list` (contract 8.1 to 8.7).

use serde_json::{Value, json};

use super::market::asked_symbol;
use super::params::{Params, page};
use super::rows::{self, Place};
use super::{Answer, Success, ms};
use crate::engine::num::{Price, Rate, Side};
use crate::engine::time::{Span, Ts};
use crate::venue::sim::exchange::model::{
    Kind, Leg, NewOrder, Order, Protection, Refusal, Slippage, Slot, Status, Tif, TpslMode, Trigger, TriggerBy,
};
use crate::venue::sim::exchange::orders::OrderName;
use crate::venue::sim::exchange::{Amend, Exchange};
use crate::venue::sim::faults::Faults;

/// Closed orders that `realtime` remembers (contract 8.5).
const CLOSED_MAX: usize = 500;
/// History of what never traded ends after a day, of other orders after a week without a span.
const DAY: Span = Span::from_secs(86_400);
const WEEK: Span = Span::from_secs(7 * 86_400);

/// Answers a write below `/v5/order/`; `None` for a path that does not exist. `granted` is how many items of a batch
/// the rate limit lets through.
pub fn write(exchange: &mut Exchange, path: &str, body: &Value, granted: usize, now: Ts) -> Option<Answer> {
    let params = Params::of_json(body);
    Some(match path {
        "create" => one(exchange, &params, now, create),
        "amend" => one(exchange, &params, now, amend),
        "cancel" => one(exchange, &params, now, cancel),
        "cancel-all" => cancel_all(exchange, &params, now),
        "create-batch" => batch(exchange, body, granted, now, create),
        "amend-batch" => batch(exchange, body, granted, now, amend),
        "cancel-batch" => batch(exchange, body, granted, now, cancel),
        _ => return None,
    })
}

type Act = fn(&mut Exchange, &Params, Ts) -> Result<OrderName, Refusal>;

fn one(exchange: &mut Exchange, params: &Params, now: Ts, act: Act) -> Answer {
    linear(params)?;
    let name = act(exchange, params, now)?;
    Ok(Success::ok(json!({"orderId": name.id, "orderLinkId": name.link})))
}

/// Several at once; every item has a code of its own and the call as a whole succeeds (contract 8.6).
fn batch(exchange: &mut Exchange, body: &Value, granted: usize, now: Ts, act: Act) -> Answer {
    linear(&Params::of_json(body))?;
    let items = body.get("request").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() || items.len() > BATCH_MAX {
        return Err(Refusal::new(10_001, format!("params error: request must have 1 to {BATCH_MAX} items")));
    }
    let (mut list, mut codes) = (Vec::new(), Vec::new());
    for (at, item) in items.iter().enumerate() {
        let params = Params::of_json(item);
        let done = if at < granted {
            act(exchange, &params, now)
        } else {
            Err(Refusal::new(10_006, "Too many visits. Exceeded the API Rate Limit."))
        };
        let (name, code, message, at) = match done {
            Ok(name) => (name, 0, "OK".to_owned(), ms(now)),
            Err(refusal) => {
                let link = params.text("orderLinkId").to_owned();
                (OrderName { id: String::new(), link }, refusal.code, refusal.message, String::new())
            }
        };
        list.push(json!({"category": "linear", "symbol": params.text("symbol"), "orderId": name.id,
            "orderLinkId": name.link, "createAt": at}));
        codes.push(json!({"code": code, "msg": message}));
    }
    Ok(Success { message: "OK", result: json!({"list": list}), ext: json!({"list": codes}) })
}

/// Items of one batch.
const BATCH_MAX: usize = 20;

/// How many orders a request counts as.
pub fn cost(path: &str, body: &Value) -> usize {
    let items = body.get("request").and_then(Value::as_array).map_or(1, Vec::len);
    if path.ends_with("-batch") { items.clamp(1, BATCH_MAX) } else { 1 }
}

fn linear(params: &Params) -> Result<(), Refusal> {
    if params.text("category") == "linear" { Ok(()) } else { Err(Refusal::new(10_001, "Illegal category")) }
}

fn name_of(params: &Params) -> OrderName {
    OrderName { id: params.text("orderId").to_owned(), link: params.text("orderLinkId").to_owned() }
}

fn invalid(what: &str) -> Refusal {
    Refusal::new(10_001, format!("params error: {what} invalid"))
}

fn create(exchange: &mut Exchange, params: &Params, now: Ts) -> Result<OrderName, Refusal> {
    let symbol = asked_symbol(exchange, params)?;
    let idx = params.number("positionIdx")?.unwrap_or(0);
    let kind = match params.text("orderType") {
        "Limit" => Kind::Limit,
        "Market" => Kind::Market,
        _ => return Err(invalid("orderType")),
    };
    let ask = NewOrder {
        slot: Slot { symbol, idx: u8::try_from(idx).map_err(|_| invalid("positionIdx"))? },
        side: side(params)?,
        kind,
        qty: params.qty("qty")?.ok_or_else(|| invalid("qty"))?,
        price: if kind == Kind::Limit { params.price("price")? } else { None },
        tif: match params.text("timeInForce") {
            "" | "GTC" => Tif::Gtc,
            "IOC" => Tif::Ioc,
            "FOK" => Tif::Fok,
            "PostOnly" => Tif::PostOnly,
            "RPI" => return Err(Refusal::new(110_119, "RPI orders are restricted to approved market makers")),
            _ => return Err(invalid("timeInForce")),
        },
        link: params.text("orderLinkId").to_owned(),
        reduce_only: params.is_set("reduceOnly"),
        close_on_trigger: params.is_set("closeOnTrigger"),
        trigger: trigger(params)?,
        protection: protection(params)?,
        slippage: slippage(params)?,
    };
    exchange.create(now, ask)
}

fn side(params: &Params) -> Result<Side, Refusal> {
    match params.text("side") {
        "Buy" => Ok(Side::Buy),
        "Sell" => Ok(Side::Sell),
        _ => Err(invalid("side")),
    }
}

fn by(params: &Params, name: &str) -> Result<TriggerBy, Refusal> {
    match params.text(name) {
        "" | "LastPrice" => Ok(TriggerBy::Last),
        "MarkPrice" => Ok(TriggerBy::Mark),
        "IndexPrice" => Ok(TriggerBy::Index),
        _ => Err(invalid(name)),
    }
}

fn trigger(params: &Params) -> Result<Option<Trigger>, Refusal> {
    let Some(price) = params.price("triggerPrice")?.filter(|price| *price > Price::ZERO) else { return Ok(None) };
    let rising = match params.number("triggerDirection")? {
        Some(1) => true,
        Some(2) => false,
        _ => return Err(invalid("triggerDirection")),
    };
    Ok(Some(Trigger { price, rising, by: by(params, "triggerBy")? }))
}

fn slippage(params: &Params) -> Result<Option<Slippage>, Refusal> {
    let Some(value) = params.given("slippageTolerance") else { return Ok(None) };
    match params.text("slippageToleranceType") {
        "TickSize" => match value.parse() {
            Ok(ticks @ 1..=10_000) => Ok(Some(Slippage::Ticks(ticks))),
            _ => Err(Refusal::new(110_108, "The slippage tolerance is out of range")),
        },
        "Percent" => match Rate::parse(value) {
            Ok(rate) if (10_000_000..=10_000_000_000).contains(&rate.raw()) => {
                Ok(Some(Slippage::Fraction(Rate::from_raw(rate.raw() / 100))))
            }
            _ => Err(Refusal::new(110_109, "The slippage tolerance is out of range")),
        },
        _ => Err(invalid("slippageToleranceType")),
    }
}

/// One leg of protection; `None` where it is not mentioned. A price of zero is kept: it takes a leg away.
pub fn leg(params: &Params, name: &str, by_name: &str, limit: &str) -> Result<Option<Leg>, Refusal> {
    let Some(price) = params.price(name)? else { return Ok(None) };
    let limit = params.price(limit)?.filter(|price| *price > Price::ZERO);
    Ok(Some(Leg { price, by: by(params, by_name)?, limit }))
}

/// `tpslMode`.
pub fn tpsl_mode(params: &Params) -> Result<TpslMode, Refusal> {
    match params.text("tpslMode") {
        "" | "Full" => Ok(TpslMode::Full),
        "Partial" => Ok(TpslMode::Partial),
        _ => Err(invalid("tpslMode")),
    }
}

fn protection(params: &Params) -> Result<Protection, Refusal> {
    let live = |leg: Option<Leg>| leg.filter(|leg| leg.price > Price::ZERO);
    Ok(Protection {
        mode: tpsl_mode(params)?,
        take: live(leg(params, "takeProfit", "tpTriggerBy", "tpLimitPrice")?),
        stop: live(leg(params, "stopLoss", "slTriggerBy", "slLimitPrice")?),
    })
}

fn amend(exchange: &mut Exchange, params: &Params, now: Ts) -> Result<OrderName, Refusal> {
    let symbol = asked_symbol(exchange, params)?;
    let change = Amend {
        qty: params.qty("qty")?,
        price: params.price("price")?,
        trigger: params.price("triggerPrice")?,
        take: params.price("takeProfit")?,
        stop: params.price("stopLoss")?,
    };
    exchange.amend(now, symbol, &name_of(params), &change)
}

fn cancel(exchange: &mut Exchange, params: &Params, now: Ts) -> Result<OrderName, Refusal> {
    let symbol = asked_symbol(exchange, params)?;
    exchange.cancel(now, symbol, &name_of(params))
}

/// Picks orders.
type Picks = Box<dyn Fn(&Order) -> bool>;

/// Which orders a request is about: symbol before base coin before settle coin; linear needs one (contract 8.5).
fn scope(exchange: &Exchange, params: &Params) -> Result<Picks, Refusal> {
    if params.given("symbol").is_some() {
        let symbol = asked_symbol(exchange, params)?;
        return Ok(Box::new(move |order| order.ask.slot.symbol == symbol));
    }
    if let Some(base) = params.given("baseCoin") {
        let found = exchange.markets.iter().position(|market| market.base() == base);
        return Ok(Box::new(move |order| Some(order.ask.slot.symbol.index()) == found));
    }
    match params.given("settleCoin") {
        Some(coin) => {
            let here = coin == "USDT";
            Ok(Box::new(move |_| here))
        }
        None => Err(Refusal::new(
            10_001,
            "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin",
        )),
    }
}

fn filter(params: &Params) -> Result<fn(&Order) -> bool, Refusal> {
    match params.text("orderFilter") {
        "" => Ok(|_| true),
        "Order" | "OpenOrder" => Ok(|order| order.stop_type.is_empty() || order.is_resting()),
        "StopOrder" => Ok(|order| !order.stop_type.is_empty()),
        "tpslOrder" => Ok(|order| !order.stop_type.is_empty() && order.stop_type != "Stop"),
        _ => Err(invalid("orderFilter")),
    }
}

fn cancel_all(exchange: &mut Exchange, params: &Params, now: Ts) -> Answer {
    linear(params)?;
    let (scope, filter) = (scope(exchange, params)?, filter(params)?);
    let only_stops = params.text("stopOrderType") == "Stop";
    let named =
        exchange.cancel_all(now, |order| scope(order) && filter(order) && (!only_stops || order.stop_type == "Stop"));
    let list: Vec<Value> = named.iter().map(|name| json!({"orderId": name.id, "orderLinkId": name.link})).collect();
    Ok(Success::ok(json!({"list": list, "success": "1"})))
}

/// Answers a read; `None` for a path that does not exist.
pub fn read(exchange: &Exchange, faults: &Faults, path: &str, params: &Params, now: Ts) -> Option<Answer> {
    Some(match path {
        "order/realtime" => realtime(exchange, faults, params, now),
        "order/history" => history(exchange, faults, params, now),
        "execution/list" => executions(exchange, faults, params, now),
        "position/closed-pnl" => closed_pnl(exchange, params),
        _ => return None,
    })
}

/// Whether a fault keeps an order out of every list.
fn hidden(order: &Order, faults: &Faults, now: Ts) -> bool {
    let fresh = now.since(order.created) < Span::from_ms(faults.hide_new_ms);
    fresh || (!order.status.is_open() && now.since(order.updated) < Span::from_ms(faults.hide_ended_ms))
}

fn realtime(exchange: &Exchange, faults: &Faults, params: &Params, now: Ts) -> Answer {
    linear(params)?;
    let name = name_of(params);
    let visible = |order: &&Order| !hidden(order, faults, now) && (order.status.is_open() || !faults.forget_closed);
    if !name.id.is_empty() || !name.link.is_empty() {
        let recent = |order: &&Order| order.status.is_open() || is_recent(exchange, order);
        let found = exchange.orders.find(&name).filter(visible).filter(recent);
        return orders(exchange, params, found.into_iter().collect());
    }
    let (scope, filter) = (scope(exchange, params)?, filter(params)?);
    let closed = params.text("openOnly") == "1";
    let rows: Vec<&Order> = if closed {
        let ended = exchange.orders.all().rev().filter(|order| !order.status.is_open()).take(CLOSED_MAX);
        ended.filter(visible).filter(|order| scope(order) && filter(order)).collect()
    } else {
        exchange.orders.open().rev().filter(visible).filter(|order| scope(order) && filter(order)).collect()
    };
    orders(exchange, params, rows)
}

/// Whether a closed order is among the last 500.
fn is_recent(exchange: &Exchange, order: &Order) -> bool {
    let newer = exchange.orders.all().rev().filter(|other| !other.status.is_open());
    newer.take(CLOSED_MAX).any(|other| other.no == order.no)
}

fn orders(exchange: &Exchange, params: &Params, rows: Vec<&Order>) -> Answer {
    let (rows, more) = page(params, rows, 20, 50)?;
    let list: Vec<Value> = rows.into_iter().map(|order| rows::order(exchange, order, Place::Rest)).collect();
    Ok(Success::ok(json!({"list": list, "nextPageCursor": more, "category": "linear"})))
}

/// The span a request asks for: seven days at most, the last seven unless said.
fn between(params: &Params, now: Ts) -> Result<(Ts, Ts), Refusal> {
    let (start, end) = (params.moment("startTime")?, params.moment("endTime")?);
    let span = match (start, end) {
        (Some(start), Some(end)) => (start, end),
        (Some(start), None) => (start, start + WEEK),
        (None, Some(end)) => (end - WEEK, end),
        (None, None) => (now - WEEK, now),
    };
    if span.1.since(span.0) > WEEK || span.1 < span.0 {
        return Err(Refusal::new(10_001, "The time range between startTime and endTime cannot exceed 7 days"));
    }
    Ok(span)
}

fn history(exchange: &Exchange, faults: &Faults, params: &Params, now: Ts) -> Answer {
    linear(params)?;
    let kept = |order: &&Order| {
        let age = now.since(order.updated);
        let dead = order.cum_qty.is_zero() && order.status != Status::Filled;
        !order.status.is_open()
            && !hidden(order, faults, now)
            && age >= Span::from_ms(faults.history_lag_ms)
            && (!dead || age <= DAY)
    };
    let name = name_of(params);
    if !name.id.is_empty() || !name.link.is_empty() {
        return orders(exchange, params, exchange.orders.find(&name).filter(kept).into_iter().collect());
    }
    let filter = filter(params)?;
    let (from, to) = between(params, now)?;
    let symbol = params.given("symbol").map(|_| asked_symbol(exchange, params)).transpose()?;
    let status = params.given("orderStatus");
    let wanted = |order: &&Order| {
        symbol.is_none_or(|symbol| order.ask.slot.symbol == symbol)
            && status.is_none_or(|word| order.status.word() == word)
            && filter(order)
            && (from..=to).contains(&order.updated)
    };
    let rows = exchange.orders.all().rev().filter(kept).filter(wanted).collect();
    orders(exchange, params, rows)
}

fn executions(exchange: &Exchange, faults: &Faults, params: &Params, now: Ts) -> Answer {
    linear(params)?;
    let name = name_of(params);
    let symbol = params.given("symbol").map(|_| asked_symbol(exchange, params)).transpose()?;
    let (from, to) = between(params, now)?;
    let kind = params.given("execType");
    let rows: Vec<Value> = (exchange.executions.iter().rev())
        .filter(|execution| now.since(execution.at) >= Span::from_ms(faults.hide_executions_ms))
        .filter(|execution| {
            if !name.id.is_empty() {
                return execution.order_id == name.id;
            }
            if !name.link.is_empty() {
                return execution.link == name.link;
            }
            symbol.is_none_or(|symbol| execution.slot.symbol == symbol) && (from..=to).contains(&execution.at)
        })
        .map(|execution| rows::execution(exchange, execution, Place::Rest))
        .filter(|row| kind.is_none_or(|kind| row["execType"] == kind))
        .collect();
    list(params, rows, 50, 100)
}

fn closed_pnl(exchange: &Exchange, params: &Params) -> Answer {
    linear(params)?;
    let symbol = params.given("symbol").map(|_| asked_symbol(exchange, params)).transpose()?;
    let rows: Vec<Value> = (exchange.executions.iter().rev())
        .filter(|execution| symbol.is_none_or(|symbol| execution.slot.symbol == symbol))
        .filter_map(|execution| rows::closed_pnl(exchange, execution))
        .collect();
    list(params, rows, 50, 100)
}

/// One page of ready rows.
pub fn list(params: &Params, rows: Vec<Value>, usual: usize, most: usize) -> Answer {
    let (rows, more) = page(params, rows, usual, most)?;
    Ok(Success::ok(json!({"nextPageCursor": more, "category": "linear", "list": rows})))
}
