//! Answers of the trade endpoints (contract 8.5 to 8.7).

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
