//! The exchange's back door for tests: `GET /sim/state`, `POST /sim/faults`, `POST /sim/do`. No signature: whoever can
//! reach the loopback port may pull the strings.

use serde_json::{Value, json};

use super::exchange::model::{self, NewOrder, Protection, Slot, Tif, Trigger, TriggerBy};
use super::wire::params::Params;
use super::wire::rows::{self, Place};
use super::wire::socket::Kind;
use super::wire::{Reply, Request, market};
use super::world::World;
use crate::engine::num::{Money, Rate, Side};
use crate::engine::time::Ts;

/// Answers a path below `/sim/`.
pub fn answer(world: &mut World, action: &str, request: &Request, now: Ts) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    match (request.method.as_str(), action) {
        ("GET", "state") => Reply::json(&state(world)),
        ("GET", "faults") => Reply::json(&json!(world.faults)),
        ("POST", "faults") => match world.faults.changed(&body) {
            Ok(faults) => {
                world.faults = faults;
                Reply::json(&json!(world.faults))
            }
            Err(error) => refused(&error.to_string()),
        },
        ("POST", "do") => match act(world, &body, now) {
            Ok(done) => Reply::json(&done),
            Err(why) => refused(&why),
        },
        _ => Reply::html(404, "Not Found"),
    }
}

fn refused(why: &str) -> Reply {
    Reply { status: 400, ..Reply::json(&json!({"error": why})) }
}

/// The whole truth: account, orders, executions, books, what was asked, who is connected.
pub fn state(world: &World) -> Value {
    let exchange = &world.exchange;
    let book = |m: &super::exchange::market::Market| {
        json!({
            "symbol": m.rules.name, "status": m.status, "ticker": market::ticker(m),
            "bids": market::levels(m, Side::Buy, 5), "asks": market::levels(m, Side::Sell, 5),
        })
    };
    json!({
        "time": exchange.now().as_ms(),
        "wallet": rows::wallet(exchange),
        "positions": exchange.held().map(|p| rows::position(exchange, p, Place::Rest)).collect::<Vec<_>>(),
        "orders": exchange.orders.all().map(|o| rows::order(exchange, o, Place::Rest)).collect::<Vec<_>>(),
        "executions": exchange.executions.iter().map(|e| rows::execution(exchange, e, Place::Rest)).collect::<Vec<_>>(),
        "markets": exchange.markets.iter().map(book).collect::<Vec<_>>(),
        "requests": world.requests,
        "sockets": world.open_sockets(),
        "faults": world.faults,
    })
}

/// Does one thing, named by the single key of `asked`:
/// `drop` (all, public, private, trade) · `displace` {symbol, rate} · `order` {symbol, side, qty, positionIdx} ·
/// `conditional` {symbol, qty, trigger, link}: a reduce-only sell that waits below the market, under that id ·
/// `close` {symbol, positionIdx} · `cancel_all` · `liquidate` · `adl` {symbol, qty} · `funding` {symbol} · `hedge` {symbol, on} ·
/// `pool` {symbol, result} · `margin` {mode} · `deposit` {amount} · `rpi` {symbol} · `status` {symbol, status} · `notice` {…} · `restart_stream` · `pardon`.
pub fn act(world: &mut World, asked: &Value, now: Ts) -> Result<Value, String> {
    let mut keys = asked.as_object().into_iter().flatten();
    let (Some((name, value)), None) = (keys.next(), keys.next()) else {
        return Err("one thing at a time: {\"drop\": \"all\"}".to_owned());
    };
    let params = Params::of_json(value);
    match name.as_str() {
        "drop" => drop_sockets(world, value.as_str().unwrap_or("all"))?,
        "displace" => {
            let slot = slot(world, &params)?;
            let rate = Rate::parse(params.text("rate")).map_err(|e| e.to_string())?;
            world.exchange.displace(slot.symbol, rate);
        }
        "order" => {
            let slot = slot(world, &params)?;
            let side = if params.text("side") == "Sell" { Side::Sell } else { Side::Buy };
            let qty = params.qty("qty").map_err(|e| e.to_string())?.unwrap_or_default();
            let id = world.exchange.foreign_order(slot, side, qty).map_err(|e| e.to_string())?;
            return Ok(json!({"done": name, "orderId": id}));
        }
        "conditional" => conditional(world, &params, now)?,
        "close" => {
            let slot = slot(world, &params)?;
            world.exchange.close_foreign(slot, "CreateByClosing");
        }
        "cancel_all" => drop(world.exchange.cancel_all(now, |_| true)),
        "liquidate" => world.exchange.liquidate(),
        "adl" => {
            let slot = slot(world, &params)?;
            let qty = params.qty("qty").map_err(|e| e.to_string())?.unwrap_or_default();
            world.exchange.deleverage(slot, qty);
        }
        "funding" => {
            let slot = slot(world, &params)?;
            world.exchange.settle(slot.symbol);
        }
        "hedge" => {
            let slot = slot(world, &params)?;
            world.exchange.set_hedged(slot.symbol, params.is_set("on")).map_err(|e| e.to_string())?;
        }
        "pool" => {
            let slot = slot(world, &params)?;
            let result = params.text("result").parse().map_err(|_| "`result` is a number: -0.31".to_owned())?;
            if let Some(market) = world.exchange.markets.get_mut(slot.symbol.index()) {
                market.pool_result = result;
            }
        }
        "margin" => world.exchange.account.margin_mode = margin_mode(params.text("mode"))?,
        "deposit" => world.exchange.deposit(Money::parse(params.text("amount")).map_err(|e| e.to_string())?),
        "status" => set_status(world, &params)?,
        "notice" => world.notice(value.clone(), now),
        "restart_stream" => world.restart_stream(now),
        "rpi" => {
            let slot = slot(world, &params)?;
            world.exchange.print_inside(slot.symbol);
        }
        "pardon" => world.limits.pardon(),
        _ => return Err(format!("`{name}` is nothing this exchange does")),
    }
    Ok(json!({"done": name}))
}

fn slot(world: &World, params: &Params) -> Result<Slot, String> {
    let symbol = market::asked_symbol(&world.exchange, params).map_err(|e| e.to_string())?;
    let idx = params.number("positionIdx").map_err(|e| e.to_string())?.unwrap_or(0);
    Ok(Slot { symbol, idx: u8::try_from(idx).unwrap_or(0) })
}

fn conditional(world: &mut World, params: &Params, now: Ts) -> Result<(), String> {
    let price = params.price("trigger").map_err(|e| e.to_string())?.unwrap_or_default();
    let ask = NewOrder {
        slot: slot(world, params)?,
        side: Side::Sell,
        kind: model::Kind::Market,
        qty: params.qty("qty").map_err(|e| e.to_string())?.unwrap_or_default(),
        price: None,
        tif: Tif::Ioc,
        link: params.text("link").to_owned(),
        reduce_only: true,
        close_on_trigger: false,
        trigger: Some(Trigger { price, rising: false, by: TriggerBy::Last }),
        protection: Protection::default(),
        slippage: None,
    };
    world.exchange.create(now, ask).map(drop).map_err(|e| e.to_string())
}

fn drop_sockets(world: &mut World, which: &str) -> Result<(), String> {
    let kind = match which {
        "all" => None,
        "public" => Some(Kind::Public),
        "private" => Some(Kind::Private),
        "trade" => Some(Kind::Trade),
        other => return Err(format!("`{other}` is no kind of socket: all, public, private, trade")),
    };
    world.break_sockets(|session| kind.is_none_or(|kind| session.kind == kind));
    Ok(())
}

fn margin_mode(word: &str) -> Result<&'static str, String> {
    match word {
        "REGULAR_MARGIN" => Ok("REGULAR_MARGIN"),
        "PORTFOLIO_MARGIN" => Ok("PORTFOLIO_MARGIN"),
        "ISOLATED_MARGIN" => Ok("ISOLATED_MARGIN"),
        other => Err(format!("`{other}` is no margin mode")),
    }
}

fn set_status(world: &mut World, params: &Params) -> Result<(), String> {
    let slot = slot(world, params)?;
    let status = match params.text("status") {
        "PreLaunch" => "PreLaunch",
        "Trading" => "Trading",
        "Delivering" => "Delivering",
        "Closed" => "Closed",
        other => return Err(format!("`{other}` is no status")),
    };
    if let Some(market) = world.exchange.markets.get_mut(slot.symbol.index()) {
        market.status = status;
    }
    Ok(())
}
