//! Our orders: what we know of each, and how news moves it.

mod life;

use std::collections::BTreeMap;

pub use life::{Order, OrderState, Outcome};

use super::effect::{NewOrder, Purpose, TimeInForce};
use super::event::{EarlierOrder, OrderNews};
use super::ids::{OrderSeq, Symbol};
use super::num::{Qty, Side};
use super::time::{Span, Ts};

/// An order that has not reached the venue by then is refused there: it carries the time until which it is good.
const ARRIVES_WITHIN: Span = Span::from_secs(4);
/// Ended orders kept for the screen.
const ENDED_MAX: usize = 50;

/// Every order of this run that still works, and the last few that ended.
#[derive(Debug, Default)]
pub struct Orders {
    next: u64,
    working: BTreeMap<OrderSeq, Order>,
    ended: BTreeMap<OrderSeq, Order>,
}

impl Orders {
    /// Orders of earlier runs whose end is not known; the next number follows theirs.
    pub fn restored(earlier: &[EarlierOrder]) -> Self {
        let working = earlier.iter().map(|order| (order.order.seq, Order::restored(order))).collect();
        let next = earlier.iter().map(|order| order.order.seq.0).max().unwrap_or(0);
        Self { next, working, ended: BTreeMap::new() }
    }
    /// The number of the next order. Numbers are used once, also when the gate then refuses.
    pub fn next_seq(&mut self) -> OrderSeq {
        self.next += 1;
        OrderSeq(self.next)
    }
    /// Takes up a decided order.
    pub fn add(&mut self, order: NewOrder) {
        self.working.insert(order.seq, Order::new(order));
    }
    /// Applies news. `None` when the order is not ours or the news changes nothing (a repeat).
    pub fn apply(&mut self, at: Ts, seq: OrderSeq, news: &OrderNews) -> Option<(Order, Outcome)> {
        let order = match self.working.get_mut(&seq) {
            Some(order) => order,
            None => self.ended.get_mut(&seq)?,
        };
        let outcome = order.apply(at, news)?;
        let copy = order.clone();
        if order.state.is_terminal()
            && let Some(order) = self.working.remove(&seq)
        {
            self.ended.insert(seq, order);
            if self.ended.len() > ENDED_MAX {
                let oldest = self.ended.iter().min_by_key(|(seq, order)| (order.ended, **seq)).map(|(seq, _)| *seq);
                oldest.and_then(|seq| self.ended.remove(&seq));
            }
        }
        Some((copy, outcome))
    }
    /// Marks that a cancel was asked for; `false` when the order no longer works.
    pub fn mark_cancelling(&mut self, at: Ts, seq: OrderSeq) -> bool {
        let Some(order) = self.working.get_mut(&seq) else { return false };
        order.cancel_asked = Some(at);
        true
    }
    /// An order by number, working or recently ended.
    pub fn get(&self, seq: OrderSeq) -> Option<&Order> {
        self.working.get(&seq).or_else(|| self.ended.get(&seq))
    }
    /// Working orders, oldest first.
    pub fn working(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.working.values()
    }
    /// Working orders of one instrument.
    pub fn working_of(&self, symbol: Symbol) -> impl Iterator<Item = &Order> {
        self.working.values().filter(move |o| o.intent.symbol == symbol)
    }
    /// Recently ended orders, oldest first.
    pub fn ended(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.ended.values()
    }
    /// How many work.
    pub fn count(&self) -> usize {
        self.working.len()
    }
    /// Quantity that opening orders on `side` could still add to a position.
    pub fn opening_qty(&self, symbol: Symbol, side: Side) -> Qty {
        self.working_of(symbol).filter(|o| o.opens() && o.intent.side == side).map(Order::left).sum()
    }
    /// Is a reducing order of this instrument on its way or resting? One whose outcome nobody knows stands in the way of
    /// the next only for as long as it could still arrive: both can only reduce, so a second one closes at most what is
    /// left, and a position that waits for a stop is worse.
    pub fn reducing_works(&self, symbol: Symbol, now: Ts) -> bool {
        let lost = |o: &Order| {
            o.state == OrderState::Unknown
                && matches!(o.intent.tif, TimeInForce::ImmediateOrCancel | TimeInForce::CloseAtMarket)
                && now.since(o.intent.decided) > ARRIVES_WITHIN
        };
        self.working_of(symbol).any(|o| o.intent.reduce_only && !o.rests_to_close() && !lost(o))
    }
    /// A closing order that rests for a better price: never in the way of one that takes, for both can only reduce.
    pub fn resting_exit(&self, symbol: Symbol) -> Option<&Order> {
        self.working_of(symbol).find(|o| o.rests_to_close())
    }
    /// Is an entry of this instrument on its way or resting?
    pub fn entry_works(&self, symbol: Symbol) -> bool {
        self.working_of(symbol).any(|o| o.intent.purpose == Purpose::Entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::Protection;
    use crate::engine::num::Price;

    /// An old order that ends last is the newest end: it is on the screen, and its late fills still find it.
    #[test]
    fn ended_orders_leave_by_the_time_of_their_end() {
        let mut orders = Orders::default();
        for _ in 0..=ENDED_MAX {
            let seq = orders.next_seq();
            orders.add(NewOrder {
                seq,
                symbol: Symbol(0),
                side: Side::Buy,
                qty: Qty::from_raw(1),
                price: Price::from_raw(1),
                tif: TimeInForce::GoodTillCancel,
                reduce_only: false,
                purpose: Purpose::Entry,
                protection: Protection::default(),
                decided: Ts(0),
            });
        }
        let end = OrderNews::Cancelled("over".into());
        for seq in 2..=ENDED_MAX as u64 + 1 {
            orders.apply(Ts(seq as i64), OrderSeq(seq), &end);
        }
        orders.apply(Ts(1_000), OrderSeq(1), &end);
        assert_eq!(orders.ended().count(), ENDED_MAX);
        assert!(orders.get(OrderSeq(1)).is_some() && orders.get(OrderSeq(2)).is_none());
    }
}
