//! The look right before the bytes of an order are written. Between the engine's decision and the wire an order may wait for
//! the ledger, for room in a rate limit, for a connection or a socket; a kill, a disarm or a cancel in that time must still
//! stop it, and an order that opens and has grown old must not go either.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::ids::OrderSeq;
use crate::gate::Pass;

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
    pass: Pass,
}

impl Leave {
    /// An order with what it carries since its decision.
    pub fn new(withdrawn: &Withdrawn, order: OrderSeq, pass: Pass) -> Self {
        Self { withdrawn: withdrawn.clone(), order, pass }
    }

    /// Why it does not leave; `None` lets it go.
    pub fn refusal(&self) -> Option<&'static str> {
        if self.withdrawn.has(self.order) {
            return Some("cancelled before it was sent");
        }
        self.pass.refusal()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gate::Gate;

    #[test]
    fn a_withdrawn_order_stays_and_another_goes() {
        let (withdrawn, gate) = (Withdrawn::default(), Gate::default());
        let pass = |reduces| gate.pass(gate.epoch(), Duration::from_secs(60), reduces);
        let one = Leave::new(&withdrawn, OrderSeq(1), pass(false));
        let two = Leave::new(&withdrawn, OrderSeq(2), pass(true));
        assert_eq!((one.refusal(), two.refusal()), (None, None));
        withdrawn.withdraw(OrderSeq(1));
        assert!(one.refusal().is_some());
        assert_eq!(two.refusal(), None);
        withdrawn.forget(OrderSeq(1));
        assert!(withdrawn.0.lock().unwrap().is_empty());
    }
}
