//! Bybit V5, linear USDT perpetuals: what goes on the wire and what comes off it. Pure: no I/O, no clock.
//!
//! "Contract" in the comments below is Bybit's public V5 documentation, by section of our reading of it.

pub mod codes;
mod decode;
pub mod parse;
pub mod sign;
