//! The requests behind the books, what leaves together, and that each of them comes back: a task that is cut off answers
//! too.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::desk::{Answer, Found, Request};
use super::jobs::Done;
use crate::engine::ids::OrderSeq;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::leave::Leave;
use crate::venue::bybit::parse::Rows;
use crate::venue::bybit::parse::rest::account::{AccountInfo, KeyInfo, UserSettings};
use crate::venue::bybit::parse::rest::orders::OrderRef;
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow, PositionRow, WalletRow};
use crate::venue::bybit::rest::{BATCH_MAX, Placement, Rest, RestError, Stage};
use crate::venue::bybit::trade::TradeSocket;

/// What the account's books ask of the venue: the REST client, and a venue in virtual time.
pub trait Api: Sync {
    /// Local time.
    fn now(&self) -> Ts;
    /// The venue's time at local time `now`.
    fn venue_time(&self, now: Ts) -> Ts;
    /// Lets time pass.
    fn pause(&self, span: Span) -> impl Future<Output = ()> + Send;
    /// Measures the venue's clock.
    fn sync_clock(&self) -> impl Future<Output = Result<(), RestError>> + Send;
    /// What the key may do.
    fn key_info(&self) -> impl Future<Output = Result<KeyInfo, RestError>> + Send;
    /// Kind of account and margin.
    fn account_info(&self) -> impl Future<Output = Result<AccountInfo, RestError>> + Send;
    /// Settings of the user.
    fn user_settings(&self) -> impl Future<Output = Result<UserSettings, RestError>> + Send;
    /// Open orders.
    fn open_orders(&self) -> impl Future<Output = Result<Rows<OrderRow>, RestError>> + Send;
    /// One order by our id among the open and the last closed ones.
    fn order_now(
        &self,
        symbol: &str,
        link_id: &str,
    ) -> impl Future<Output = Result<Option<OrderRow>, RestError>> + Send;
    /// One order by our id in the history, which lags.
    fn order_past(
        &self,
        symbol: &str,
        link_id: &str,
    ) -> impl Future<Output = Result<Option<OrderRow>, RestError>> + Send;
    /// Asks for the end of an order of ours.
    fn cancel(&self, symbol: &str, link_id: &str) -> impl Future<Output = Result<OrderRef, RestError>> + Send;
    /// The unified wallet.
    fn wallet(&self) -> impl Future<Output = Result<WalletRow, RestError>> + Send;
    /// Open positions.
    fn positions(&self) -> impl Future<Output = Result<Rows<PositionRow>, RestError>> + Send;
    /// The rows of one instrument, flat ones included.
    fn positions_of(&self, symbol: &str) -> impl Future<Output = Result<Vec<PositionRow>, RestError>> + Send;
    /// Executions of one order of ours, oldest first.
    fn executions_of(
        &self,
        symbol: &str,
        link_id: &str,
    ) -> impl Future<Output = Result<Vec<ExecutionRow>, RestError>> + Send;
    /// Executions since a moment on the venue's clock (ms), oldest first.
    fn executions_since(&self, start_ms: i64) -> impl Future<Output = Result<Rows<ExecutionRow>, RestError>> + Send;
}

impl Api for Rest {
    fn now(&self) -> Ts {
        Self::now(self)
    }
    fn venue_time(&self, now: Ts) -> Ts {
        self.clock().venue_time(now)
    }
    async fn pause(&self, span: Span) {
        tokio::time::sleep(Duration::from_nanos(u64::try_from(span.0).unwrap_or(0))).await;
    }
    async fn sync_clock(&self) -> Result<(), RestError> {
        Self::sync_clock(self).await.map(drop)
    }
    async fn key_info(&self) -> Result<KeyInfo, RestError> {
        Self::key_info(self).await
    }
    async fn account_info(&self) -> Result<AccountInfo, RestError> {
        Self::account_info(self).await
    }
    async fn user_settings(&self) -> Result<UserSettings, RestError> {
        Self::user_settings(self).await
    }
    async fn open_orders(&self) -> Result<Rows<OrderRow>, RestError> {
        Self::open_orders(self).await
    }
    async fn order_now(&self, symbol: &str, link_id: &str) -> Result<Option<OrderRow>, RestError> {
        Self::order_now(self, symbol, link_id).await
    }
    async fn order_past(&self, symbol: &str, link_id: &str) -> Result<Option<OrderRow>, RestError> {
        Self::order_past(self, symbol, link_id).await
    }
    async fn cancel(&self, symbol: &str, link_id: &str) -> Result<OrderRef, RestError> {
        Self::cancel(self, symbol, link_id).await
    }
    async fn wallet(&self) -> Result<WalletRow, RestError> {
        Self::wallet(self).await
    }
    async fn positions(&self) -> Result<Rows<PositionRow>, RestError> {
        Self::positions(self).await
    }
    async fn positions_of(&self, symbol: &str) -> Result<Vec<PositionRow>, RestError> {
        Self::positions_of(self, symbol).await
    }
    async fn executions_of(&self, symbol: &str, link_id: &str) -> Result<Vec<ExecutionRow>, RestError> {
        Self::executions_of(self, symbol, link_id).await
    }
    async fn executions_since(&self, start_ms: i64) -> Result<Rows<ExecutionRow>, RestError> {
        Self::executions_since(self, start_ms).await
    }
}

/// An answer that is owed: what is said is `news`, also where the task that asks panics or is dropped.
pub struct Owed {
    done: UnboundedSender<Done>,
    news: Option<Done>,
}

impl Owed {
    /// Owes an answer; `cut_off` is it where there is no other.
    pub const fn new(done: UnboundedSender<Done>, cut_off: Done) -> Self {
        Self { done, news: Some(cut_off) }
    }
    /// The answer.
    pub fn pay(mut self, news: Done) {
        self.news = Some(news);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(news) = self.news.take() {
            // The account's task is gone: nobody waits for it.
            drop(self.done.send(news));
        }
    }
}

/// What leaves as one request.
#[derive(Debug, PartialEq)]
pub enum Parcel {
    /// Alone.
    One(Request),
    /// Several reducing creates.
    Creates(Vec<(OrderSeq, Placement)>),
    /// Several cancels: order, instrument, id.
    Cancels(Vec<(OrderSeq, String, String)>),
}

/// Puts together what was asked together and can only reduce risk: fewer requests, sooner over. An order that opens goes
/// alone, so that nothing holds it up.
pub fn parcels(requests: Vec<Request>) -> Vec<Parcel> {
    let (mut parcels, mut creates, mut cancels) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests {
        match request {
            Request::Create { order, placement } if placement.reduce_only => creates.push((order, placement)),
            Request::Cancel { order, symbol, link_id } => cancels.push((order, symbol, link_id)),
            other => parcels.push(Parcel::One(other)),
        }
    }
    parcels.extend(creates.chunks(BATCH_MAX).map(|items| match items {
        [(order, placement)] => Parcel::One(Request::Create { order: *order, placement: placement.clone() }),
        items => Parcel::Creates(items.to_vec()),
    }));
    parcels.extend(cancels.chunks(BATCH_MAX).map(|items| match items {
        [(order, symbol, link_id)] => {
            Parcel::One(Request::Cancel { order: *order, symbol: symbol.clone(), link_id: link_id.clone() })
        }
        items => Parcel::Cancels(items.to_vec()),
    }));
    parcels
}

/// A write that was cut off: nobody knows whether it left.
pub fn lost_write() -> RestError {
    RestError::Ambiguous("the request was cut off".into())
}

/// A read that was cut off.
pub fn lost_read() -> RestError {
    RestError::Unreachable { stage: Stage::Broken, detail: "the request was cut off".into() }
}

/// Sends an order, by one way only.
pub async fn create(
    rest: &Rest,
    trade: Option<TradeSocket>,
    order: &Placement,
    leave: &Leave,
) -> Result<OrderRef, RestError> {
    match trade {
        Some(trade) => trade.create(order, leave).await,
        None => rest.create(order, leave).await,
    }
}

/// Asks for an order's end; by REST where the trade socket did not take it.
pub async fn cancel(
    rest: &Rest,
    trade: Option<TradeSocket>,
    symbol: &str,
    link_id: &str,
) -> Result<OrderRef, RestError> {
    if let Some(trade) = trade {
        match trade.cancel(symbol, link_id).await {
            Err(RestError::Unsent(_)) => {}
            settled => return settled,
        }
    }
    rest.cancel(symbol, link_id).await
}

/// One order by its id, wherever it is (contract 8.9).
pub async fn look_up(rest: &impl Api, symbol: &str, link_id: &str) -> (Vec<ExecutionRow>, Found) {
    let now = rest.order_now(symbol, link_id).await;
    let row = match now {
        Ok(None) => rest.order_past(symbol, link_id).await,
        found => found,
    };
    // Last: none of the fills that the row counts is missing.
    let executions = rest.executions_of(symbol, link_id).await;
    match (row, executions) {
        (Ok(Some(row)), executions) => (executions.unwrap_or_default(), Found::Row(Box::new(row))),
        (Ok(None), Ok(executions)) if executions.is_empty() => (executions, Found::Nothing),
        (_, executions) => (executions.unwrap_or_default(), Found::Unknown),
    }
}

/// The bookkeeper's word for what became of a write.
pub fn answer_of(answer: Result<OrderRef, RestError>) -> Answer {
    match answer {
        Ok(_) => Answer::Accepted,
        Err(error @ RestError::Refused { .. }) => Answer::Refused(error.to_string()),
        Err(RestError::Unsent(why)) => Answer::Unsent(why),
        Err(error @ RestError::Duplicate(_)) => Answer::Duplicate(error.to_string()),
        // Only a documented refusal is one (contract O1).
        Err(error) => Answer::Unclear(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{Protection, TimeInForce};
    use crate::engine::num::{Price, Qty, Side};

    #[test]
    fn what_reduces_goes_together_and_what_opens_goes_alone() {
        let create = |seq: u64, reduce_only| Request::Create {
            order: OrderSeq(seq),
            placement: Placement {
                symbol: "BTCUSDT".into(),
                link_id: format!("td-{seq}"),
                side: Side::Sell,
                qty: Qty::from_raw(1),
                price: Price::from_raw(1),
                tif: TimeInForce::ImmediateOrCancel,
                reduce_only,
                protection: Protection::default(),
            },
        };
        let cancel = |seq| Request::Cancel { order: OrderSeq(seq), symbol: "BTCUSDT".into(), link_id: "td".into() };
        let mut asked = vec![create(1, true), create(2, false), cancel(3)];
        let alone: Vec<Parcel> = [create(2, false), create(1, true), cancel(3)].into_iter().map(Parcel::One).collect();
        assert_eq!(parcels(asked.clone()), alone);
        asked.extend((4..=13).map(|seq| create(seq, true)));
        asked.extend((14..=16).map(cancel));
        let sizes = parcels(asked).into_iter().map(|parcel| match parcel {
            Parcel::One(_) => 1,
            Parcel::Creates(items) => 10 + items.len(),
            Parcel::Cancels(items) => 100 + items.len(),
        });
        // The one that opens; ten creates and the eleventh; four cancels.
        assert_eq!(sizes.collect::<Vec<_>>(), [1, 20, 1, 104]);
    }

    #[test]
    fn a_task_that_is_cut_off_answers_all_the_same() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (done, mut doing) = tokio::sync::mpsc::unbounded_channel();
        let owed = |order| Owed::new(done.clone(), Done::Cancelled(OrderSeq(order), Err(lost_write())));
        let (cut, paid) = (owed(1), owed(2));
        runtime.block_on(async {
            let task = tokio::spawn(async move {
                let _owed = cut;
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            task.abort();
            assert!(task.await.is_err());
        });
        paid.pay(Done::LookedUp(OrderSeq(2), vec![], Found::Nothing));
        let lost = doing.try_recv().unwrap();
        assert!(matches!(lost, Done::Cancelled(OrderSeq(1), Err(RestError::Ambiguous(_)))));
        assert!(matches!(doing.try_recv().unwrap(), Done::LookedUp(OrderSeq(2), _, Found::Nothing)));
        assert!(doing.try_recv().is_err(), "each answer comes once");
    }
}
