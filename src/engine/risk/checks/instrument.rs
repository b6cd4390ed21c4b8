//! What the venue would refuse anyway: unsupported category, sizes outside the instrument's rules.

use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::market::instrument::{Category, InstrumentStatus};
use crate::engine::num::Side;
use crate::engine::risk::gate::GateView;
use crate::engine::risk::verdict::{Denial, DenialCode};
use crate::engine::time::Span;

/// Nothing opens in a contract that ends within this.
const DELISTING_STOPS: Span = Span::from_secs(86_400);

/// Only linear instruments are traded.
pub fn category(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let instrument = &view.desk(order.symbol)?.instrument;
    (instrument.category != Category::Linear)
        .then(|| Denial::with(DenialCode::CategoryUnsupported, format!("category=inverse symbol={}", instrument.name)))
}

/// The instrument's rules are known, it is open, and the venue has not announced its end within a day.
pub fn status(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let instrument = &view.desk(order.symbol)?.instrument;
    match instrument.status {
        InstrumentStatus::Unknown => return Some(Denial::bare(DenialCode::InstrumentUnknown)),
        InstrumentStatus::Halted => return Some(Denial::bare(DenialCode::InstrumentNotTrading)),
        InstrumentStatus::Trading => {}
    }
    let left = instrument.delivery?.since(view.at);
    (left <= DELISTING_STOPS).then(|| Denial::with(DenialCode::VenueDelisting, format!("ends_in={left}")))
}

/// A limit order stays within the prices that the venue takes: beyond them it would be re-priced silently.
pub fn band(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let (buy_max, sell_min) = view.desk(order.symbol)?.band?;
    let outside = match order.side {
        Side::Buy => order.price > buy_max,
        Side::Sell => order.price < sell_min,
    };
    outside.then(|| {
        let detail = format!("price={} buy_max={buy_max} sell_min={sell_min}", order.price);
        Denial::with(DenialCode::PriceOutsideBand, detail)
    })
}

/// Minimum and maximum quantity, minimum notional.
pub fn rules(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let instrument = &view.desk(order.symbol)?.instrument;
    let largest = match order.tif {
        TimeInForce::ImmediateOrCancel | TimeInForce::CloseAtMarket => instrument.max_market_qty,
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
