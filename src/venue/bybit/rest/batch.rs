//! Several orders in one request (contract 8.6). Each item is a request of its own in everything but the bytes: it has its
//! own answer, by its place, and a create is sent once.

use serde_json::{Value, json};

use super::{Ask, Placement, Rest, RestError};
use crate::venue::bybit::codes::{Next, Op, classify_item};
use crate::venue::bybit::leave::Leave;
use crate::venue::bybit::limits::{Budget, Limits, Urgency};
use crate::venue::bybit::parse::rest::orders::{self as read, BatchItem, OrderRef};

/// Items of one request: the page of batches allows more, the page of rates does not (contract 5).
pub const BATCH_MAX: usize = 10;

type Answer = Result<OrderRef, RestError>;

impl Rest {
    /// Sends at most [`BATCH_MAX`] orders that reduce, each once; each `Leave` has the last word about its own. The
    /// answers stand in the places of the orders.
    pub async fn create_batch(&self, orders: &[(Placement, Leave)]) -> Vec<Answer> {
        if let Err(error) = self.await_room(Op::Create, Budget::CreateBatch, orders.len(), Urgency::Reducing).await {
            return vec![Err(error); orders.len()];
        }
        let mut stays: Vec<Option<&str>> = vec![None; orders.len()];
        loop {
            for (why, (_, leave)) in stays.iter_mut().zip(orders) {
                *why = why.or_else(|| leave.refusal());
            }
            let leaving = || orders.iter().zip(&stays).filter(|(_, why)| why.is_none()).map(|(order, _)| order);
            let leaves: Vec<Leave> = leaving().map(|(_, leave)| leave.clone()).collect();
            let links: Vec<&str> = leaving().map(|(order, _)| order.link_id.as_str()).collect();
            let items = leaving().map(|(order, _)| item_of(order));
            let answers = self.batch(Op::Create, "/v5/order/create-batch", Budget::CreateBatch, items, &links, &leaves);
            let answers = answers.await;
            // One that was withdrawn at the last look kept all of them here: the others go without it.
            let kept = answers.iter().all(|answer| matches!(answer, Err(RestError::Unsent(_))));
            if kept && leaves.iter().any(|leave| leave.refusal().is_some()) {
                continue;
            }
            let mut answers = answers.into_iter();
            let mut next = || answers.next().unwrap_or_else(|| Err(unnamed()));
            let answer = |why: Option<&str>| why.map_or_else(&mut next, |why| Err(RestError::Unsent(why.into())));
            return stays.into_iter().map(answer).collect();
        }
    }

    /// Asks for the end of at most [`BATCH_MAX`] orders of ours, by instrument and id. The answers stand in their places.
    pub async fn cancel_batch(&self, orders: &[(String, String)]) -> Vec<Answer> {
        if let Err(error) = self.await_room(Op::Cancel, Budget::CancelBatch, orders.len(), Urgency::Reducing).await {
            return vec![Err(error); orders.len()];
        }
        let items = orders.iter().map(|(symbol, link_id)| json!({ "symbol": symbol, "orderLinkId": link_id }));
        let links: Vec<&str> = orders.iter().map(|(_, link_id)| link_id.as_str()).collect();
        self.batch(Op::Cancel, "/v5/order/cancel-batch", Budget::CancelBatch, items, &links, &[]).await
    }

    /// Sends items for which room is taken.
    async fn batch(
        &self,
        op: Op,
        path: &str,
        budget: Budget,
        items: impl Iterator<Item = Value>,
        links: &[&str],
        leaves: &[Leave],
    ) -> Vec<Answer> {
        if links.is_empty() {
            return Vec::new();
        }
        let body = json!({ "category": "linear", "request": items.collect::<Vec<_>>() });
        let ask = Ask { leaves, ..self.write(op, path, &body, budget) };
        let list = match self.exchange(&ask, &|envelope| Ok(read::batch(envelope))).await {
            Ok(list) => list,
            Err(unsent @ RestError::Unsent(_)) => return vec![Err(unsent); links.len()],
            // Without a list of items nothing is said of any of them (correction 8.9b).
            Err(error) => return vec![Err(RestError::Ambiguous(error.to_string())); links.len()],
        };
        let answers = links.iter().enumerate().map(|(place, link)| answer_of(op, list.get(place), link));
        let answers: Vec<Answer> = answers.collect();
        if list.iter().any(is_limited) {
            self.limits(|limits: &mut Limits, now| limits.exhausted(now, budget, None));
        }
        answers
    }
}

/// An order as an item: the category stands outside.
fn item_of(order: &Placement) -> Value {
    let mut item = order.body();
    if let Some(fields) = item.as_object_mut() {
        fields.remove("category");
    }
    item
}

fn unnamed() -> RestError {
    RestError::Ambiguous("the answer to the batch does not name it".into())
}

/// The answer of one item, which must name the order that was in its place.
fn answer_of(op: Op, item: Option<&BatchItem>, link: &str) -> Answer {
    let named = |item: &&BatchItem| item.order.link_id.as_deref().is_none_or(|told| told == link);
    let item = item.filter(named).ok_or_else(unnamed)?;
    match item.code {
        Some(0) => Ok(item.order.clone()),
        Some(code) => Err(RestError::refused(op, code, classify_item(op, code, &item.message), &item.message)),
        None => Err(unnamed()),
    }
}

fn is_limited(item: &BatchItem) -> bool {
    item.code.is_some_and(|code| super::classify(Op::Read, code, &item.message).next == Next::AwaitLimit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(link: Option<&str>, code: Option<i64>) -> BatchItem {
        let order = OrderRef { order_id: Some("1".into()), link_id: link.map(str::to_owned) };
        BatchItem { order, code, message: String::new() }
    }

    #[test]
    fn an_item_is_settled_only_by_its_own_documented_code() {
        let create = |item: Option<BatchItem>| answer_of(Op::Create, item.as_ref(), "td-1");
        assert!(create(Some(item(Some("td-1"), Some(0)))).is_ok());
        assert!(create(Some(item(None, Some(0)))).is_ok());
        let refused = create(Some(item(Some("td-1"), Some(110_017))));
        assert!(matches!(refused, Err(RestError::Refused { code: 110_017, .. })), "{refused:?}");
        // Missing, of another order, without a code, a limit inside a batch, a code nobody knows: nobody knows.
        for unclear in [
            None,
            Some(item(Some("td-2"), Some(0))),
            Some(item(Some("td-1"), None)),
            Some(item(Some("td-1"), Some(10_006))),
            Some(item(Some("td-1"), Some(987_654))),
        ] {
            let answer = create(unclear);
            assert!(matches!(answer, Err(RestError::Ambiguous(_))), "{answer:?}");
        }
    }
}
