//! The engine: pure, synchronous, deterministic. No I/O, no clock, no random numbers, no threads.

pub mod account;
pub mod command;
pub mod effect;
pub mod event;
pub mod features;
pub mod ids;
pub mod market;
pub mod notice;
pub mod num;
pub mod risk;
pub mod settings;
pub mod snapshot;
pub mod time;
