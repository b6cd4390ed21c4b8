//! The checks an opening order passes, in the order in which they are made and shown. A new check is one function in
//! one file here and one line in [`CHECKS`].

mod exposure;
mod instrument;
mod market;
mod protection;
pub(super) mod state;

use super::gate::GateView;
use super::verdict::Denial;
use crate::engine::effect::NewOrder;

/// One check: `Some` refuses.
pub type Check = fn(&NewOrder, &GateView<'_>) -> Option<Denial>;

/// Every check, in order.
pub const CHECKS: &[(&str, Check)] = &[
    ("state", state::check),
    ("category", instrument::category),
    ("instrument status", instrument::status),
    ("market data", market::data),
    ("instrument rules", instrument::rules),
    ("price band", instrument::band),
    ("slippage", market::slippage),
    ("order notional", exposure::order_notional),
    ("position notional", exposure::position_notional),
    ("gross notional", exposure::gross_notional),
    ("net notional", exposure::net_notional),
    ("open orders", exposure::open_orders),
    ("order rate", exposure::order_rate),
    ("orders in 24 hours", exposure::orders_24h),
    ("daily loss", exposure::daily_loss),
    ("leverage", exposure::leverage),
    ("margin", exposure::margin),
    ("protection", protection::check),
];
