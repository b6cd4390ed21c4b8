//! Venues: where orders go and fills come from, and the markets behind them. A new venue is one folder here.

pub mod paper;
pub mod sim;
pub mod simulated;
