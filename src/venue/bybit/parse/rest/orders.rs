//! Answers of the trade endpoints (contract 8.5 to 8.7).

use super::Envelope;
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow};
use crate::venue::bybit::parse::tree::Row;
use crate::venue::bybit::parse::{Odd, Page};

/// The order that an accepted request is about. Accepted, not done (contract 0.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRef {
    /// The venue's id; `None` on a failed batch item.
    pub order_id: Option<String>,
    /// Our id.
    pub link_id: Option<String>,
}

/// One item of a batch, by its place in the request (contract O12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchItem {
    /// The order.
    pub order: OrderRef,
    /// Its own code: 0 is accepted, anything else goes through the same table as a single request. `None` where the
    /// venue sent none for it: unknown.
    pub code: Option<i64>,
    /// The venue's words.
    pub message: String,
}

/// What a cancel-all picked. On futures at most 500, at random (correction 8.6c): ask until nothing is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledAll {
    /// Orders that are being cancelled.
    pub orders: Vec<OrderRef>,
    /// The venue's own word for success; `None` where not sent.
    pub success: Option<bool>,
}

/// `POST /v5/order/{create,cancel}`.
pub fn accepted(envelope: &Envelope) -> OrderRef {
    order_ref(&Row(envelope.result()))
}

/// `POST /v5/order/{create,cancel}-batch`. Empty where the list is missing: then every item is unknown.
pub fn batch(envelope: &Envelope) -> Vec<BatchItem> {
    // Items and codes stand in two lists that belong together by place (contract 8.6).
    let codes = envelope.extra().at("list").items();
    let items = envelope.result().at("list").items().iter().enumerate();
    items
        .map(|(place, item)| {
            let code = codes.get(place);
            BatchItem {
                order: order_ref(&Row(item)),
                code: code.and_then(|code| code.at("code").int()),
                message: code.and_then(|code| code.at("msg").text()).unwrap_or_default().into_owned(),
            }
        })
        .collect()
}

/// `POST /v5/order/cancel-all`.
pub fn cancelled_all(envelope: &Envelope) -> CancelledAll {
    let result = envelope.result();
    let orders = result.at("list").items().iter().map(|item| order_ref(&Row(item))).collect();
    CancelledAll { orders, success: result.at("success").flag() }
}

/// `GET /v5/order/realtime` and `GET /v5/order/history`, newest first. An empty page is never a verdict about an order
/// (contract O4).
pub fn page(envelope: &Envelope) -> Result<Page<OrderRow>, Odd> {
    envelope.result().page("order", OrderRow::read)
}

/// `GET /v5/execution/list`, newest first.
pub fn executions(envelope: &Envelope) -> Result<Page<ExecutionRow>, Odd> {
    envelope.result().page("execution", ExecutionRow::read)
}

pub(in crate::venue::bybit::parse) fn order_ref(row: &Row) -> OrderRef {
    OrderRef { order_id: row.text("orderId"), link_id: row.text("orderLinkId") }
}
