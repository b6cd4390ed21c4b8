//! Frames of the trade socket (contract 12).

use std::borrow::Cow;

use super::Odd;
use super::rest::orders::{self, OrderRef};
use super::tree::{self, Node, Row};

/// A frame of the trade socket.
#[derive(Debug, Clone, PartialEq)]
pub struct TradeReply<'a> {
    /// What it answers.
    pub asked: TradeAsked,
    /// Our `reqId`. `None` on refusals that name no request: then everything in flight on this socket is *unknown*
    /// (contract O11).
    pub request: Option<Cow<'a, str>>,
    /// The code; `None` in the private shape `{"success":false,"ret_msg":…}`, which has none.
    pub code: Option<i64>,
    /// Accepted for processing? Never "on the book" (contract 0.1).
    pub ok: bool,
    /// The venue's words.
    pub message: Cow<'a, str>,
    /// The order that an accepted create or cancel is about.
    pub order: Option<OrderRef>,
    /// What is left of the rate limit, from the reply's header.
    pub limit: RateLimit,
}

/// What a trade reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradeAsked {
    /// `auth`.
    Auth,
    /// `ping`.
    Ping,
    /// `order.create`.
    Create,
    /// `order.cancel`.
    Cancel,
    /// Not said, or something else.
    Other,
}

/// Rate limit figures (contract 3, 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// Requests per second.
    pub limit: Option<u32>,
    /// Requests left now.
    pub left: Option<u32>,
    /// When the bucket is full again, ms since 1970.
    pub reset_ms: Option<i64>,
}

/// Reads a frame of the trade socket, in its own shape or in the private one (correction 0.12).
pub fn parse(text: &str) -> Result<TradeReply<'_>, Odd> {
    let frame = tree::read(text, "trade reply")?;
    let row = Row(&frame);
    let asked = asked(row.word("op"));
    let code = frame.at("retCode").int();
    let success = frame.at("success").flag();
    if code.is_none() && success.is_none() && asked != TradeAsked::Ping {
        return Err(Odd::new("trade reply", "neither `retCode` nor `success`"));
    }
    let message = frame.at("retMsg").text().or_else(|| frame.at("ret_msg").text()).unwrap_or_default();
    Ok(TradeReply {
        asked,
        request: frame.at("reqId").text().or_else(|| frame.at("req_id").text()),
        code,
        ok: code.map_or(success != Some(false), |code| code == 0),
        message,
        order: order(asked, &frame),
        limit: limit(frame.at("header")),
    })
}

fn asked(op: &str) -> TradeAsked {
    match op {
        "auth" => TradeAsked::Auth,
        "ping" | "pong" => TradeAsked::Ping,
        "order.create" => TradeAsked::Create,
        "order.cancel" => TradeAsked::Cancel,
        _ => TradeAsked::Other,
    }
}

fn order(asked: TradeAsked, frame: &Node<'_>) -> Option<OrderRef> {
    let data = frame.at("data");
    let is_order = matches!(asked, TradeAsked::Create | TradeAsked::Cancel) && !data.pairs().is_empty();
    is_order.then(|| orders::order_ref(&Row(data)))
}

fn limit(header: &Node<'_>) -> RateLimit {
    let count = |key| header.at(key).int().and_then(|number| u32::try_from(number).ok());
    RateLimit {
        limit: count("X-Bapi-Limit"),
        left: count("X-Bapi-Limit-Status"),
        reset_ms: header.at("X-Bapi-Limit-Reset-Timestamp").int(),
    }
}
