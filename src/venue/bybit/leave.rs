//! The look right before the bytes of an order are written. Between the engine's decision and the wire an order may wait for
//! room in a rate limit or for a socket; a kill, a disarm or a cancel in that time must still stop it, and an order that
//! opens and has grown old must not go either.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::ids::OrderSeq;

/// An opening order that has waited longer than this stays here: what it was decided on is past.
const OPENING_KEEPS: Duration = Duration::from_millis(500);

/// Orders that are not wanted any more. Written by the thread that runs the engine, read by whoever writes to the wire.
#[derive(Clone, Default)]
pub struct Withdrawn(Arc<Mutex<BTreeSet<OrderSeq>>>);

impl Withdrawn {
    /// From now on this order does not leave.
    pub fn withdraw(&self, order: OrderSeq) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(order);
    }
    /// This order is over: nobody is going to write it.
    pub fn forget(&self, order: OrderSeq) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&order);
    }
    fn has(&self, order: OrderSeq) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&order)
    }
}

/// May this order still leave?
#[derive(Clone)]
pub struct Leave {
    withdrawn: Withdrawn,
    order: OrderSeq,
    reduces: bool,
    since: Instant,
}

impl Leave {
    /// An order that was handed over now.
    pub fn new(withdrawn: &Withdrawn, order: OrderSeq, reduces: bool) -> Self {
        Self { withdrawn: withdrawn.clone(), order, reduces, since: Instant::now() }
    }

    /// Why it does not leave; `None` lets it go.
    pub fn refusal(&self) -> Option<&'static str> {
        if self.withdrawn.has(self.order) {
            return Some("cancelled before it was sent");
        }
        let old = !self.reduces && self.since.elapsed() > OPENING_KEEPS;
        old.then_some("it waited too long for its turn")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_order_stays_and_another_goes() {
        let withdrawn = Withdrawn::default();
        let (one, two) = (Leave::new(&withdrawn, OrderSeq(1), false), Leave::new(&withdrawn, OrderSeq(2), true));
        assert_eq!((one.refusal(), two.refusal()), (None, None));
        withdrawn.withdraw(OrderSeq(1));
        assert!(one.refusal().is_some());
        assert_eq!(two.refusal(), None);
        withdrawn.forget(OrderSeq(1));
        assert!(withdrawn.0.lock().unwrap().is_empty());
    }

    #[test]
    fn an_old_order_goes_only_when_it_reduces() {
        let past = Instant::now().checked_sub(OPENING_KEEPS * 2).unwrap();
        let at = |reduces| Leave { since: past, ..Leave::new(&Withdrawn::default(), OrderSeq(1), reduces) };
        assert!(at(false).refusal().is_some());
        assert_eq!(at(true).refusal(), None);
    }
}
