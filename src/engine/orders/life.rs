//! The life of one order: intent, sent, acked, live, then exactly one end; unknown where nobody can say. Late and repeated news is expected.

use serde::{Deserialize, Serialize};

use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::event::{EarlierOrder, Fill, OrderNews};
use crate::engine::num::Qty;
use crate::engine::time::Ts;

/// Where an order is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum OrderState {
    /// Decided, being made durable.
    Intent,
    /// Durable and on the wire.
    Sent,
    /// On the wire, and nobody knows whether the venue has it: counts as working until asking has settled it.
    Unknown,
    /// The venue took the request; nobody has said yet that the order works.
    Acked,
    /// Works at the venue, by its own news.
    Live,
    /// Everything traded.
    Filled,
    /// Ended with quantity left.
    Cancelled,
    /// Refused by the venue.
    Rejected,
    /// Never left us: the gate had closed or the intent was too old.
    Unsent,
}

impl OrderState {
    /// Over for good?
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled | Self::Rejected | Self::Unsent)
    }
    /// Word for screens and ledger.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Acked => "acked",
            Self::Live => "live",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Unsent => "unsent",
        }
    }
}

/// One order of ours.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    /// As decided.
    pub intent: NewOrder,
    /// Where it is.
    pub state: OrderState,
    /// Another order at the venue has its id: a person may settle it.
    pub contested: bool,
    /// Traded so far.
    pub filled: Qty,
    /// Execution ids seen, so that a repeated fill is booked once.
    execs: Vec<String>,
    /// When a cancel was asked for.
    pub cancel_asked: Option<Ts>,
    /// When it was handed to the venue.
    pub sent: Option<Ts>,
    /// When the venue first answered about it.
    pub answered: Option<Ts>,
    /// When it ended.
    pub ended: Option<Ts>,
    /// The venue's or our reason for the end.
    pub reason: String,
}

/// What news did.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// The state moved.
    Moved,
    /// An execution to book; the state may have moved too.
    Traded(Fill),
    /// A cancel was refused; the order goes on as it was.
    CancelRefused,
}

impl Order {
    /// A freshly decided order.
    pub const fn new(intent: NewOrder) -> Self {
        Self {
            intent,
            state: OrderState::Intent,
            contested: false,
            filled: Qty::ZERO,
            execs: Vec::new(),
            cancel_asked: None,
            sent: None,
            answered: None,
            ended: None,
            reason: String::new(),
        }
    }
    /// An order of an earlier run: nobody knows what became of it.
    pub fn restored(earlier: &EarlierOrder) -> Self {
        Self {
            state: OrderState::Unknown,
            filled: earlier.filled,
            execs: earlier.execs.clone(),
            reason: "the run that sent it ended before its end was known".to_owned(),
            ..Self::new(earlier.order)
        }
    }
    /// What may still trade; zero once it ended.
    pub const fn left(&self) -> Qty {
        if self.state.is_terminal() { Qty::ZERO } else { self.intent.qty.saturating_sub(self.filled) }
    }
    /// A closing order of timed execution that rests?
    pub fn rests_to_close(&self) -> bool {
        self.intent.reduce_only && self.intent.tif == TimeInForce::PostOnly
    }
    /// Could it grow a position?
    pub const fn opens(&self) -> bool {
        !self.intent.reduce_only
    }

    /// Applies news; `None` when it changes nothing. A fill counts even after the end: it is money.
    pub fn apply(&mut self, at: Ts, news: &OrderNews) -> Option<Outcome> {
        match news {
            OrderNews::Sent => self.sent = self.sent.or(Some(at)),
            OrderNews::Acked | OrderNews::Accepted | OrderNews::Rejected(_) | OrderNews::Filled(_) => {
                self.answered = self.answered.or(Some(at));
            }
            _ => {}
        }
        match news {
            OrderNews::Filled(fill) => return self.fill(at, fill),
            // Still asked for: the engine repeats a cancel until the order has ended.
            OrderNews::CancelRejected(_) if !self.state.is_terminal() => return Some(Outcome::CancelRefused),
            OrderNews::Sent => self.advance(OrderState::Sent)?,
            OrderNews::Uncertain(why) => {
                self.advance(OrderState::Unknown)?;
                why.clone_into(&mut self.reason);
            }
            OrderNews::Contested(why) => {
                self.contest(why)?;
            }
            OrderNews::Acked => self.advance(OrderState::Acked)?,
            OrderNews::Accepted => {
                self.contested = false;
                self.advance(OrderState::Live)?;
            }
            OrderNews::Unsent(why) => self.end(at, OrderState::Unsent, why)?,
            OrderNews::Rejected(why) => self.end(at, OrderState::Rejected, why)?,
            OrderNews::Cancelled(why) => self.end(at, OrderState::Cancelled, why)?,
            OrderNews::CancelRejected(_) => return None,
        }
        Some(Outcome::Moved)
    }

    fn advance(&mut self, to: OrderState) -> Option<()> {
        // News overtakes: an acceptance may come before we hear that it was sent.
        (to > self.state && !self.state.is_terminal()).then(|| self.state = to)
    }

    fn contest(&mut self, why: &str) -> Option<()> {
        if self.state.is_terminal() || self.contested {
            return None;
        }
        self.contested = true;
        self.advance(OrderState::Unknown);
        why.clone_into(&mut self.reason);
        Some(())
    }

    fn end(&mut self, at: Ts, to: OrderState, why: &str) -> Option<()> {
        if self.state.is_terminal() {
            return None;
        }
        self.state = to;
        self.ended = Some(at);
        why.clone_into(&mut self.reason);
        Some(())
    }

    fn fill(&mut self, at: Ts, fill: &Fill) -> Option<Outcome> {
        if self.execs.contains(&fill.exec_id) {
            return None;
        }
        self.execs.push(fill.exec_id.clone());
        self.filled += fill.qty;
        if self.filled >= self.intent.qty {
            if !self.state.is_terminal() {
                self.ended = Some(at);
            }
            self.state = OrderState::Filled;
        } else {
            self.advance(OrderState::Live);
        }
        Some(Outcome::Traded(fill.clone()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::effect::{Protection, Purpose};
    use crate::engine::ids::{OrderSeq, Symbol};
    use crate::engine::num::{Money, Price, Side};

    fn order(qty: i64) -> Order {
        Order::new(NewOrder {
            seq: OrderSeq(1),
            symbol: Symbol(0),
            side: Side::Buy,
            qty: Qty::from_raw(qty),
            price: Price::from_raw(5),
            tif: TimeInForce::GoodTillCancel,
            reduce_only: false,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: Ts(0),
        })
    }

    fn fill(id: u8, qty: i64) -> OrderNews {
        OrderNews::Filled(Fill {
            exec_id: format!("e{id}"),
            price: Price::from_raw(5),
            qty: Qty::from_raw(qty),
            fee: Money::ZERO,
            maker: false,
            executed: None,
        })
    }

    #[test]
    fn news_may_overtake_and_repeat() {
        let mut o = order(3);
        assert_eq!(o.apply(Ts(1), &OrderNews::Accepted), Some(Outcome::Moved));
        assert_eq!(o.apply(Ts(1), &OrderNews::Sent), None);
        assert!(matches!(o.apply(Ts(2), &fill(1, 1)), Some(Outcome::Traded(_))));
        assert_eq!(o.apply(Ts(2), &fill(1, 1)), None);
        assert_eq!((o.state, o.left()), (OrderState::Live, Qty::from_raw(2)));
        assert_eq!(o.apply(Ts(3), &OrderNews::Cancelled("by us".into())), Some(Outcome::Moved));
        assert_eq!(o.left(), Qty::ZERO);
        // The venue reports an execution that happened before the cancel: it is money and is booked.
        assert!(matches!(o.apply(Ts(4), &fill(2, 1)), Some(Outcome::Traded(_))));
        assert_eq!((o.state, o.filled), (OrderState::Cancelled, Qty::from_raw(2)));
    }

    #[test]
    fn an_acknowledgement_is_not_yet_life_and_comes_after_doubt_too() {
        for (before, news, after) in [
            (None, OrderNews::Sent, OrderState::Sent),
            (Some(OrderNews::Sent), OrderNews::Acked, OrderState::Acked),
            (Some(OrderNews::Uncertain("no answer".into())), OrderNews::Acked, OrderState::Acked),
            (Some(OrderNews::Acked), OrderNews::Accepted, OrderState::Live),
            (Some(OrderNews::Accepted), OrderNews::Acked, OrderState::Live),
            (Some(OrderNews::Acked), OrderNews::Rejected("no".into()), OrderState::Rejected),
        ] {
            let mut o = order(3);
            if let Some(before) = before {
                o.apply(Ts(1), &before);
            }
            o.apply(Ts(2), &news);
            assert_eq!(o.state, after, "{news:?}");
        }
    }

    fn any_news() -> impl Strategy<Value = OrderNews> {
        prop_oneof![
            Just(OrderNews::Sent),
            Just(OrderNews::Uncertain("no answer".into())),
            Just(OrderNews::Acked),
            Just(OrderNews::Accepted),
            Just(OrderNews::Unsent("old".into())),
            Just(OrderNews::Rejected("no".into())),
            Just(OrderNews::Cancelled("bye".into())),
            Just(OrderNews::CancelRejected("late".into())),
            (0_u8..5, 1_i64..3).prop_map(|(id, qty)| fill(id, qty)),
        ]
    }

    proptest! {
        #[test]
        fn an_ended_order_never_works_again(news in proptest::collection::vec(any_news(), 0..30)) {
            let mut o = order(5);
            let mut ended = false;
            let mut traded = 0;
            for (at, one) in news.iter().enumerate() {
                if let Some(Outcome::Traded(fill)) = o.apply(Ts(at as i64), one) {
                    traded += fill.qty.raw();
                }
                if ended {
                    prop_assert!(o.state.is_terminal());
                    prop_assert_eq!(o.left(), Qty::ZERO);
                }
                ended |= o.state.is_terminal();
                prop_assert_eq!(o.ended.is_some(), o.state.is_terminal());
            }
            prop_assert_eq!(o.filled.raw(), traded);
        }
    }
}
