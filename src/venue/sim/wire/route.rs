//! Which request means what: gate, signature, rate limit, faults, then the endpoint.

use serde_json::{Value, json};

use super::limits::{Standing, per_second};
use super::params::Params;
use super::sign::{check, in_time};
use super::{Answer, Reply, Request, Success, account, envelope, market, ms, trade};
use crate::engine::time::{Span, Ts};
use crate::venue::sim::control;
use crate::venue::sim::exchange::model::Refusal;
use crate::venue::sim::faults::Strike;
use crate::venue::sim::world::World;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer; `None` closes the connection without one.
    pub reply: Option<Reply>,
    /// How long it takes.
    pub delay: Span,
}

impl Outcome {
    const fn at_once(reply: Reply) -> Self {
        Self { reply: Some(reply), delay: Span(0) }
    }
}

/// Answers an HTTP request.
pub fn rest(world: &mut World, request: &Request, now: Ts) -> Outcome {
    if let Some(action) = request.path.strip_prefix("/sim/") {
        return Outcome::at_once(control::answer(world, action, request, now));
    }
    // A GET with a body is refused by the venue's gateway (contract 3).
    if request.method == "GET" && !request.body.is_empty() {
        return Outcome::at_once(Reply::html(403, "Forbidden"));
    }
    if world.faults.banned || !world.limits.admit_address(now) {
        return Outcome::at_once(Reply::html(403, "access too frequent"));
    }
    let clock = world.clock(now);
    let Some(path) = request.path.strip_prefix("/v5/") else { return Outcome::at_once(Reply::html(404, "Not Found")) };
    if request.method == "GET" {
        let params = Params::of_query(&request.query);
        if let Some(answer) = public(world, path, &params, clock) {
            return Outcome::at_once(finish(&answer, None, clock));
        }
    }
    match request.method.as_str() {
        "GET" | "POST" => signed(world, request, path, now),
        _ => Outcome::at_once(Reply::html(400, "Bad Request")),
    }
}

fn public(world: &World, path: &str, params: &Params, now: Ts) -> Option<Answer> {
    if path == "system/status" {
        return Some(Ok(Success { message: "", result: json!({"list": world.notices}), ext: json!({}) }));
    }
    market::answer(&world.exchange, path.strip_prefix("market/")?, params, now)
}

/// A signed request: who, how often, what goes wrong, then the endpoint.
fn signed(world: &mut World, request: &Request, path: &str, now: Ts) -> Outcome {
    // Inside, time is true; only what the exchange says about the time follows its clock.
    let clock = world.clock(now);
    if let Err(refusal) = check(&world.keys, request, clock) {
        return Outcome::at_once(finish(&Err(refusal), None, clock));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let standing = per_second(&request.path)
        .map(|limit| world.limits.charge(&request.path, limit, trade::cost(&request.path, &body), now));
    let fault = world.faults.too_many > 0;
    world.faults.too_many = world.faults.too_many.saturating_sub(1);
    if fault || standing.is_some_and(|s| s.granted == 0) {
        let bare = world.faults.bare_10006;
        let refusal = Refusal::new(10_006, "Too many visits. Exceeded the API Rate Limit.");
        remember(world, request, &body, Some(10_006), now);
        return Outcome::at_once(finish(&Err(refusal), standing.filter(|_| !bare), clock));
    }
    let strike = world.faults.strike(&request.path);
    let executed = !matches!(strike, Strike::LoseRequest | Strike::FailBefore)
        && (strike != Strike::Fake || world.faults.fake_after);
    let granted = standing.map_or(1, |s| s.granted);
    let answer = executed.then(|| endpoint(world, request, path, &body, granted, now));
    let code = answer.as_ref().map(|answer| answer.as_ref().map_or_else(|refusal| refusal.code, |_| 0));
    remember(world, request, &body, code, now);
    let reply = match (strike, answer) {
        (Strike::LoseRequest | Strike::LoseAck, _) => None,
        (Strike::FailBefore | Strike::FailAfter, _) => Some(Reply::html(502, "Bad Gateway")),
        (Strike::Fake, _) => Some(finish(&Err(fake(world)), standing, clock)),
        (Strike::None, answer) => answer.map(|answer| finish(&answer, standing, clock)),
    };
    let reply = reply.map(|reply| Reply { body: world.faults.spelled(reply.body.clone()), ..reply });
    let late = request.path.contains(&world.faults.path);
    Outcome { reply, delay: Span::from_ms(if late { world.faults.ack_delay_ms } else { 0 }) }
}

fn remember(world: &mut World, request: &Request, body: &Value, code: Option<i64>, now: Ts) {
    if request.method == "POST" {
        world.remember(&request.path, body, code, now);
    }
}

fn fake(world: &World) -> Refusal {
    let code = world.faults.fake_code;
    let text = match code {
        10_000 => "Server Timeout",
        10_016 => "Internal System Error.",
        10_019 => "Service is restarting.",
        _ => "made up by a fault",
    };
    Refusal::new(code, text)
}

fn endpoint(world: &mut World, request: &Request, path: &str, body: &Value, granted: usize, now: Ts) -> Answer {
    let no_route = || Err(Refusal::new(10_017, "Route not found."));
    if request.method == "GET" {
        let params = Params::of_query(&request.query);
        let found = trade::read(&world.exchange, &world.faults, path, &params, now)
            .or_else(|| account::read(&world.exchange, &world.keys, path, &params, now));
        return found.unwrap_or_else(no_route);
    }
    if !body.is_object() {
        return Err(Refusal::new(10_001, "params error: body is no JSON object"));
    }
    match path.strip_prefix("order/") {
        Some(path) => trade::write(&mut world.exchange, path, body, granted, now),
        None => account::write(&mut world.exchange, path, body),
    }
    .unwrap_or_else(no_route)
}

/// The answer with the headers that every signed answer has.
fn finish(answer: &Answer, standing: Option<Standing>, now: Ts) -> Reply {
    let mut reply = Reply::json(&envelope(answer, now));
    reply.headers.push(("Timenow", ms(now)));
    reply.headers.push(("Traceid", format!("{:032x}", now.0)));
    if let Some(standing) = standing {
        reply.headers.push(("X-Bapi-Limit", standing.limit.to_string()));
        reply.headers.push(("X-Bapi-Limit-Status", standing.left.to_string()));
        reply.headers.push(("X-Bapi-Limit-Reset-Timestamp", ms(standing.reset)));
    }
    reply
}

/// A request on the trade socket (contract 12).
pub fn trade_request(world: &mut World, number: u64, path: &str, body: &Value, frame: &Value, now: Ts) {
    let clock = world.clock(now);
    let full = format!("/v5/order/{path}");
    let (stamp, window) = super::socket::Session::stamp(frame);
    let (authed, fresh) = world.with(number, |session| (session.authed, session.is_fresh(frame)));
    let standing = world.limits.charge(&full, 10, trade::cost(&full, body), now);
    let fault = world.faults.too_many > 0;
    world.faults.too_many = world.faults.too_many.saturating_sub(1);
    let gate = if !authed {
        Err(Refusal::new(10_003, "API key is invalid."))
    } else if !fresh {
        Err(Refusal::new(20_006, "duplicate reqId"))
    } else if body.get("category").and_then(Value::as_str) != Some("linear") {
        Err(Refusal::new(10_404, "category is not correct"))
    } else if fault || standing.granted == 0 {
        Err(Refusal::new(10_006, "Too many visits. Exceeded the API Rate Limit."))
    } else {
        in_time(&stamp, &window, clock)
    };
    let strike = if gate.is_ok() { world.faults.strike(&full) } else { Strike::None };
    let executed = !matches!(strike, Strike::LoseRequest | Strike::FailBefore)
        && (strike != Strike::Fake || world.faults.fake_after);
    let answer = match gate {
        Err(refusal) => Some(Err(refusal)),
        Ok(()) if executed => Some(
            trade::write(&mut world.exchange, path, body, standing.granted, now)
                .unwrap_or_else(|| Err(Refusal::new(10_404, "op type is not found"))),
        ),
        Ok(()) => None,
    };
    let code = answer.as_ref().map(|answer| answer.as_ref().map_or_else(|refusal| refusal.code, |_| 0));
    world.remember(&full, body, code, now);
    let answer = match (strike, answer) {
        (Strike::None, Some(answer)) => answer,
        (Strike::Fake, _) => Err(fake(world)),
        _ => return world.break_one(number),
    };
    let delay = if full.contains(&world.faults.path) { world.faults.ack_delay_ms } else { 0 };
    let conn_id = world.with(number, |session| session.conn_id.clone());
    let odd = world.faults.odd_refusals && answer.is_err();
    let reply = if odd {
        json!({"success": false, "ret_msg": "Params Error", "op": format!("order.{path}"), "conn_id": conn_id})
    } else {
        ack(&answer, path, frame, standing, &conn_id, clock)
    };
    world.say(number, &reply, now, Span::from_ms(delay));
}

fn ack(answer: &Answer, path: &str, frame: &Value, standing: Standing, conn_id: &str, now: Ts) -> Value {
    let (code, message, data, ext) = match answer {
        Ok(success) => (0, success.message.to_owned(), success.result.clone(), success.ext.clone()),
        Err(refusal) => (refusal.code, refusal.message.clone(), json!({}), json!({})),
    };
    let mut reply = json!({
        "retCode": code, "retMsg": message, "op": format!("order.{path}"), "data": data, "retExtInfo": ext,
        "header": {
            "X-Bapi-Limit": standing.limit.to_string(), "X-Bapi-Limit-Status": standing.left.to_string(),
            "X-Bapi-Limit-Reset-Timestamp": ms(standing.reset), "Traceid": format!("{:032x}", now.0),
            "Timenow": ms(now),
        },
        "connId": conn_id,
    });
    if let Some(id) = frame.get("reqId") {
        reply["reqId"] = id.clone();
    }
    reply
}
