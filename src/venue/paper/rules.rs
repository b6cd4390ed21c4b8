//! The rules of an instrument as the venue enforces them on arrival: whoever breaks one is told which.

use super::desk::protect::misplaced;
use crate::engine::effect::{NewOrder, Protection, TimeInForce};
use crate::engine::market::instrument::{Category, Instrument};
use crate::engine::num::{Price, Qty};

/// Why the venue refuses this order whatever the market does, or `None` when it may pass.
pub(super) fn broken(rules: &Instrument, order: &NewOrder) -> Option<String> {
    if rules.category != Category::Linear {
        return Some(format!("{} is not a linear instrument: the paper venue trades no other", rules.name));
    }
    // The venue prices and sizes it.
    if order.tif == TimeInForce::CloseAtMarket {
        return None;
    }
    if order.price <= Price::ZERO {
        return Some(format!("price {} is not above zero", order.price));
    }
    if rules.tick_down(order.price) != order.price {
        return Some(format!("price {} is not a multiple of the tick {}", order.price, rules.tick));
    }
    if order.qty <= Qty::ZERO || order.qty.floor_to(rules.step) != order.qty {
        return Some(format!("quantity {} is not a multiple of the step {}", order.qty, rules.step));
    }
    if order.qty < rules.min_qty {
        return Some(format!("quantity {} is below the minimum {}", order.qty, rules.min_qty));
    }
    if order.reduce_only && order.protection != Protection::default() {
        return Some("reduce-only orders cannot carry take profit or stop loss".to_owned());
    }
    if let Some(why) = misplaced(order.side, order.price, order.protection) {
        return Some(why);
    }
    // The venue splits a reduce-only order that is too large and lets one that is too small in value close.
    if order.reduce_only {
        return None;
    }
    if order.qty > rules.max_qty {
        return Some(format!("quantity {} is above the maximum {}", order.qty, rules.max_qty));
    }
    let notional = order.price * order.qty;
    if notional < rules.min_notional {
        return Some(format!("notional {notional} is below the minimum {}", rules.min_notional));
    }
    None
}
