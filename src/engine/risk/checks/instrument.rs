//! What the venue would refuse anyway: unsupported category, sizes outside the instrument's rules.

use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::market::instrument::Category;
use crate::engine::risk::gate::GateView;
use crate::engine::risk::verdict::{Denial, DenialCode};

/// Only linear instruments are traded.
pub fn category(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let instrument = &view.desk(order.symbol)?.instrument;
    (instrument.category != Category::Linear)
        .then(|| Denial::with(DenialCode::CategoryUnsupported, format!("category=inverse symbol={}", instrument.name)))
}

/// Minimum and maximum quantity, minimum notional.
pub fn rules(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let instrument = &view.desk(order.symbol)?.instrument;
    let largest = match order.tif {
        TimeInForce::ImmediateOrCancel => instrument.max_market_qty,
        _ => instrument.max_qty,
    };
    if order.qty < instrument.min_qty {
        return Some(Denial::with(
            DenialCode::OrderBelowMinimum,
            format!("qty={} min={}", order.qty, instrument.min_qty),
        ));
    }
    if order.qty > largest {
        return Some(Denial::with(DenialCode::OrderAboveMaximum, format!("qty={} max={largest}", order.qty)));
    }
    let notional = order.price * order.qty;
    (notional < instrument.min_notional).then(|| {
        let detail = format!("notional={notional:.2} min={}", instrument.min_notional);
        Denial::with(DenialCode::OrderBelowMinimum, detail)
    })
}
