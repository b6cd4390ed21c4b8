//! venue

pub mod simulated;
