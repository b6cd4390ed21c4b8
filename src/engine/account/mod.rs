//! Positions, balance and PnL, exactly: quantity and cost are kept, average prices are derived.

mod holding;
pub mod margin;

pub use holding::{Booked, Holding};
