//! Private topics: news of the exchange as frames (contract 13).

use serde_json::{Value, json};

use super::rows::{self, Place};
use crate::engine::time::Ts;
use crate::venue::sim::exchange::Exchange;
use crate::venue::sim::exchange::model::{News, Status};

/// Topics without category suffix.
pub const TOPICS: [&str; 5] = ["order", "execution", "execution.fast", "position", "wallet"];

/// A frame of a private topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// Topic without suffix.
    pub topic: &'static str,
    /// Rows.
    pub data: Vec<Value>,
}

/// Whether a private topic exists.
pub fn knows(topic: &str) -> bool {
    let plain = topic.strip_suffix(".linear").unwrap_or(topic);
    TOPICS.contains(&plain) || ["greeks", "dcp.future", "dcp.spot", "dcp.option"].contains(&topic)
}

/// News as frames, in order. Neighbours of one topic share a frame, as several fills of one order do at the venue.
pub fn pushes(exchange: &Exchange, news: &[News]) -> Vec<Push> {
    let mut pushes: Vec<Push> = Vec::new();
    for item in news {
        for (topic, row) in told(exchange, item) {
            let joins = matches!(topic, "execution" | "execution.fast");
            match pushes.iter_mut().rev().take(6).find(|push| joins && push.topic == topic) {
                Some(push) => push.data.push(row),
                None => pushes.push(Push { topic, data: vec![row] }),
            }
        }
    }
    pushes
}

fn told(exchange: &Exchange, news: &News) -> Vec<(&'static str, Value)> {
    match news {
        News::Order(order) => vec![("order", rows::order(exchange, order, Place::Stream))],
        News::Position(position) => vec![("position", rows::position(exchange, position, Place::Stream))],
        News::Wallet => vec![("wallet", rows::wallet(exchange))],
        News::Execution(execution) => {
            let slow = ("execution", rows::execution(exchange, execution, Place::Stream));
            let fast = rows::fast(exchange, execution).map(|row| ("execution.fast", row));
            std::iter::once(slow).chain(fast).collect()
        }
    }
}

/// The second `Filled` of an order whose cancel lost the race (contract 13.1); `None` for other rows.
pub fn second_filled(push: &Push) -> Option<Push> {
    let mut row = push.data.first().filter(|_| push.topic == "order")?.clone();
    if row["orderStatus"] != Status::Filled.word() {
        return None;
    }
    row["cancelType"] = json!("CancelByUser");
    row["rejectReason"] = json!("EC_OrigClOrdIDDoesNotExist");
    Some(Push { topic: push.topic, data: vec![row] })
}

/// The text of a frame for a subscription. `execution.fast` has no id (C 13.0).
pub fn frame(push: &Push, topic: &str, id: &str, now: Ts) -> String {
    let mut frame = json!({"topic": topic, "creationTime": now.as_ms(), "data": push.data});
    if push.topic != "execution.fast" {
        frame["id"] = json!(id);
    }
    frame.to_string()
}
