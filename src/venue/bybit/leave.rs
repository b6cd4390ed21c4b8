//! The look right before the bytes of an order are written. Between the engine's decision and the wire an order may wait for
//! the ledger, for room in a rate limit, for a connection or a socket; a kill, a disarm or a cancel in that time must still
//! stop it, and an order that opens and has grown old must not go either.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

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

/// Says afterwards whether a [`Guarded`] body was kept back, and why.
#[derive(Clone, Default)]
pub struct KeptBack(Arc<OnceLock<&'static str>>);

impl KeptBack {
    /// Why; `None` when it was not.
    pub fn why(&self) -> Option<&'static str> {
        self.0.get().copied()
    }
}

/// The body of a request that asks once more when the connection is there and takes it. Making a connection may take
/// seconds, and a request without its body is none: what is kept back here cannot have been understood by anybody.
pub struct Guarded {
    bytes: Option<Bytes>,
    leave: Leave,
    kept_back: KeptBack,
}

/// The request was kept back.
#[derive(Debug, thiserror::Error)]
#[error("kept back: {0}")]
pub struct Back(&'static str);

impl Guarded {
    /// A body that is sent only while `leave` agrees.
    pub fn new(text: &str, leave: &Leave, kept_back: &KeptBack) -> Self {
        let bytes = Some(Bytes::copy_from_slice(text.as_bytes()));
        Self { bytes, leave: leave.clone(), kept_back: kept_back.clone() }
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Back;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Back>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        if let Some(why) = self.leave.refusal() {
            // Set once: it is asked once.
            let _first = self.kept_back.0.set(why);
            return Poll::Ready(Some(Err(Back(why))));
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
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
    }
}
