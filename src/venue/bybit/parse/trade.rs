//! Frames of the trade socket (contract 12).

use std::borrow::Cow;

use super::rest::orders::{BatchItem, OrderRef};

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
    /// What came back.
    pub data: TradeData,
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
    /// `order.amend`.
    Amend,
    /// `order.cancel`.
    Cancel,
    /// `order.create-batch`.
    CreateBatch,
    /// `order.amend-batch`.
    AmendBatch,
    /// `order.cancel-batch`.
    CancelBatch,
    /// Not said, or something else.
    Other,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TradeData {
    /// Nothing of use: a pong, an auth, a refusal.
    Nothing,
    /// The order of a single request.
    Order(OrderRef),
    /// The items of a batch, in the order asked. Empty on a failed batch: then every item is unknown (correction 8.9b).
    Batch(Vec<BatchItem>),
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
