//! tickdeck: a terminal trading cockpit. The architecture is described in `docs/architecture.md`.
//!
//! Everything that decides is [`engine`]: one synchronous, deterministic struct with one entrance, `step`. Everything
//! that touches the world is an edge that turns the world into events or effects into the world, and decides nothing.
//! [`run`] is the only place that knows concrete types on both sides.

pub mod alerts;
pub mod cli;
pub mod config;
pub mod engine;
pub mod gate;
pub mod keys;
pub mod ledger;
pub mod metrics;
pub mod model;
pub mod redact;
pub mod run;
pub mod tape;
pub mod tui;
pub mod venue;
