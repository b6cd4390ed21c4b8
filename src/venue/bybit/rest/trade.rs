//! Order endpoints (contract 8.1 to 8.7).

use serde_json::json;

use super::{Ask, Rest, RestError, query};
use crate::engine::effect::{NewOrder, Protection, TimeInForce};
use crate::engine::num::{Price, Qty, Side};
use crate::venue::bybit::codes::Op;
use crate::venue::bybit::leave::Leave;
use crate::venue::bybit::limits::{Budget, Urgency};
use crate::venue::bybit::parse::rest::Envelope;
use crate::venue::bybit::parse::rest::orders::{self as read, OrderRef};
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow};
use crate::venue::bybit::parse::{Page, Rows};

/// An order as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Instrument.
    pub symbol: String,
    /// Our id, durable before it is sent.
    pub link_id: String,
    /// Side.
    pub side: Side,
    /// Quantity of base.
    pub qty: Qty,
    /// Limit price: a taker order carries its bound too.
    pub price: Price,
    /// How it behaves on arrival.
    pub tif: TimeInForce,
    /// Can it only reduce?
    pub reduce_only: bool,
    /// What protects the position from the first fill on; nothing on an order that reduces (contract 8.1).
    pub protection: Protection,
}

impl Placement {
    /// The order of an intent.
    pub fn of(order: &NewOrder, symbol: &str, link_id: &str) -> Self {
        Self {
            symbol: symbol.to_owned(),
            link_id: link_id.to_owned(),
            side: order.side,
            qty: order.qty,
            price: order.price,
            tif: order.tif,
            reduce_only: order.reduce_only,
            protection: order.protection,
        }
    }

    /// Urgency of its request.
    pub const fn urgency(&self) -> Urgency {
        if self.reduce_only { Urgency::Reducing } else { Urgency::Ordinary }
    }

    /// The fields of `order/create` in one-way mode. A limit order, its price the bound that was approved, unless it closes
    /// at market.
    pub fn body(&self) -> serde_json::Value {
        let tif = match self.tif {
            TimeInForce::ImmediateOrCancel => "IOC",
            TimeInForce::PostOnly => "PostOnly",
            TimeInForce::GoodTillCancel => "GTC",
            TimeInForce::CloseAtMarket => return self.closing().body(),
        };
        let mut body = json!({
            "category": "linear",
            "symbol": self.symbol,
            "side": side_word(self.side),
            "orderType": "Limit",
            "qty": self.qty.to_string(),
            "price": self.price.to_string(),
            "timeInForce": tif,
            "positionIdx": 0,
            "orderLinkId": self.link_id,
            "reduceOnly": self.reduce_only,
        });
        write_protection(&mut body, self.protection);
        body
    }

    fn closing(&self) -> ClosingOrder {
        let (symbol, link_id) = (self.symbol.clone(), self.link_id.clone());
        ClosingOrder { symbol, link_id, side: self.side, qty: Qty::ZERO, price: None, position_idx: 0 }
    }
}

/// Protection of the whole position, by market orders, triggered by mark (contract 8.1, 8.8): a last price can be pushed
/// for a moment, and the mark is what liquidation goes by.
pub(super) fn write_protection(body: &mut serde_json::Value, protection: Protection) {
    let Some(fields) = body.as_object_mut().filter(|_| protection != Protection::default()) else { return };
    fields.insert("tpslMode".to_owned(), "Full".into());
    let legs = [
        (protection.stop, "stopLoss", "slTriggerBy", "slOrderType"),
        (protection.take_profit, "takeProfit", "tpTriggerBy", "tpOrderType"),
    ];
    for (level, price, trigger, kind) in legs {
        if let Some(level) = level {
            fields.insert(price.to_owned(), level.to_string().into());
            fields.insert(trigger.to_owned(), "MarkPrice".into());
            fields.insert(kind.to_owned(), "Market".into());
        }
    }
}

/// An order that closes, for the module of last resort: it can do nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClosingOrder {
    /// Instrument.
    pub symbol: String,
    /// Its own id.
    pub link_id: String,
    /// Side.
    pub side: Side,
    /// Quantity of base; zero is all of it, up to the largest order (contract 8.2).
    pub qty: Qty,
    /// Limit of an immediate-or-cancel order; `None` takes the market.
    pub price: Option<Price>,
    /// 0 one-way, 1 the long leg, 2 the short leg.
    pub position_idx: i64,
}

impl ClosingOrder {
    /// The fields of `order/create`.
    pub fn body(&self) -> serde_json::Value {
        let mut body = json!({
            "category": "linear",
            "symbol": self.symbol,
            "side": side_word(self.side),
            "orderType": if self.price.is_some() { "Limit" } else { "Market" },
            "qty": self.qty.to_string(),
            "timeInForce": "IOC",
            "positionIdx": self.position_idx,
            "orderLinkId": self.link_id,
            "reduceOnly": true,
        });
        if let Some(price) = self.price {
            body["price"] = price.to_string().into();
        }
        if self.qty.is_zero() {
            body["closeOnTrigger"] = true.into();
        }
        body
    }
}

const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

impl Rest {
    pub(super) fn write<'a>(&self, op: Op, path: &'a str, body: &serde_json::Value, budget: Budget) -> Ask<'a> {
        let window_ms = if op == Op::Create { self.options.create_recv_window_ms } else { self.options.recv_window_ms };
        Ask {
            op,
            path,
            query: String::new(),
            body: Some(body.to_string()),
            signed: true,
            budget,
            count: 1,
            urgency: Urgency::Ordinary,
            window_ms,
            leaves: &[],
        }
    }

    pub(super) fn signed<'a>(&self, path: &'a str, query: String, budget: Budget, urgency: Urgency) -> Ask<'a> {
        Ask {
            op: Op::Read,
            path,
            query,
            body: None,
            signed: true,
            budget,
            count: 1,
            urgency,
            window_ms: self.options.recv_window_ms,
            leaves: &[],
        }
    }

    /// Sends an order: once, whatever happens. `Ok` means accepted for processing, not on the book (contract 0.1).
    /// `leave` has the last word.
    pub async fn create(&self, order: &Placement, leave: &Leave) -> Result<OrderRef, RestError> {
        let ask = self.write(Op::Create, "/v5/order/create", &order.body(), Budget::Create);
        self.once(&Ask { urgency: order.urgency(), leaves: std::slice::from_ref(leave), ..ask }, &|envelope| {
            Ok(read::accepted(envelope))
        })
        .await
    }

    /// Asks for the end of an order of ours.
    pub async fn cancel(&self, symbol: &str, link_id: &str) -> Result<OrderRef, RestError> {
        let body = json!({ "category": "linear", "symbol": symbol, "orderLinkId": link_id });
        let ask = self.write(Op::Cancel, "/v5/order/cancel", &body, Budget::Cancel);
        self.once(&Ask { urgency: Urgency::Reducing, ..ask }, &|envelope| Ok(read::accepted(envelope))).await
    }

    /// Sends an order that can only close: once. The venue's id, where it tells it.
    pub async fn close(&self, order: &ClosingOrder) -> Result<Option<String>, RestError> {
        let ask = self.write(Op::Create, "/v5/order/create", &order.body(), Budget::Create);
        let taken = &|envelope: &Envelope<'_>| Ok(read::accepted(envelope).order_id);
        self.once(&Ask { urgency: Urgency::Reducing, ..ask }, taken).await
    }

    /// Asks for the end of an order by the venue's id: protective orders have no other.
    pub async fn cancel_id(&self, symbol: &str, order_id: &str) -> Result<OrderRef, RestError> {
        let body = json!({ "category": "linear", "symbol": symbol, "orderId": order_id });
        let ask = self.write(Op::Cancel, "/v5/order/cancel", &body, Budget::Cancel);
        self.once(&Ask { urgency: Urgency::Reducing, ..ask }, &|envelope| Ok(read::accepted(envelope))).await
    }

    /// Open orders: all that are settled in USDT, newest first.
    pub async fn open_orders(&self) -> Result<Rows<OrderRow>, RestError> {
        let pairs = [("category", "linear"), ("settleCoin", "USDT"), ("limit", "50")];
        self.pages("/v5/order/realtime", &pairs, (Budget::Realtime, Urgency::Reducing), read::page).await
    }

    /// One order by our id among the open and the last closed ones.
    pub async fn order_now(&self, symbol: &str, link_id: &str) -> Result<Option<OrderRow>, RestError> {
        self.order_at("/v5/order/realtime", Budget::Realtime, symbol, link_id).await
    }

    /// One order by our id in the history, which lags.
    pub async fn order_past(&self, symbol: &str, link_id: &str) -> Result<Option<OrderRow>, RestError> {
        self.order_at("/v5/order/history", Budget::History, symbol, link_id).await
    }

    async fn order_at(
        &self,
        path: &str,
        budget: Budget,
        symbol: &str,
        link_id: &str,
    ) -> Result<Option<OrderRow>, RestError> {
        let pairs = [("category", "linear"), ("symbol", symbol), ("orderLinkId", link_id)];
        let ask = self.signed(path, query(&pairs), budget, Urgency::Reducing);
        let Page { rows, .. } = self.read(&ask, read::page).await?;
        let found = rows.good.into_iter().find(|row| row.link_id.as_deref() == Some(link_id));
        match (found, rows.odd.into_iter().next()) {
            // An unreadable row may be the very order: not the same as no order.
            (None, Some(odd)) => Err(RestError::Odd(odd)),
            (found, _) => Ok(found),
        }
    }

    /// Executions of one order of ours. One that cannot be read is an error: its fills would not add up.
    pub async fn executions_of(&self, symbol: &str, link_id: &str) -> Result<Vec<ExecutionRow>, RestError> {
        let pairs = [("category", "linear"), ("symbol", symbol), ("orderLinkId", link_id), ("limit", "100")];
        let rows = self.executions(&pairs).await?;
        rows.odd.into_iter().next().map_or(Ok(rows.good), |odd| Err(RestError::Odd(odd)))
    }

    /// Executions of the account since a moment on the venue's clock (ms), every kind, and what of them
    /// cannot be read.
    pub async fn executions_since(&self, start_ms: i64) -> Result<Rows<ExecutionRow>, RestError> {
        let start = start_ms.to_string();
        self.executions(&[("category", "linear"), ("startTime", &start), ("limit", "100")]).await
    }

    /// All pages, oldest first: so that fills are booked in the order in which they happened.
    async fn executions(&self, pairs: &[(&str, &str)]) -> Result<Rows<ExecutionRow>, RestError> {
        let budget = (Budget::Executions, Urgency::Reducing);
        let mut all = self.pages("/v5/execution/list", pairs, budget, read::executions).await?;
        all.good.reverse();
        all.good.sort_by_key(|row| row.time_ms);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_is_written_as_the_contract_says() {
        let price = |text: &str| Price::parse(text).unwrap();
        let entry = Placement {
            symbol: "BTCUSDT".into(),
            link_id: "tt-x-000001".into(),
            side: Side::Buy,
            qty: Qty::from_raw(1_000_000),
            price: price("64000.5"),
            tif: TimeInForce::ImmediateOrCancel,
            reduce_only: false,
            protection: Protection { stop: Some(price("63360.5")), take_profit: None },
        };
        let body = entry.body();
        let fields = |names: &[&str]| names.iter().map(|name| body[name].clone()).collect::<Vec<_>>();
        let written = fields(&["tpslMode", "stopLoss", "slTriggerBy", "slOrderType", "takeProfit", "tpTriggerBy"]);
        assert_eq!(
            written,
            [json!("Full"), json!("63360.5"), json!("MarkPrice"), json!("Market"), json!(null), json!(null)]
        );
        // Nothing of it in an order that carries none: reduce-only forbids it (contract 8.1).
        let bare = Placement { protection: Protection::default(), reduce_only: true, ..entry }.body();
        assert!(bare.as_object().unwrap().keys().all(|key| !key.starts_with("sl") && !key.starts_with("tp")), "{bare}");
    }
}
