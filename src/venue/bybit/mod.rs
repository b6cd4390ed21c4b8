//! Bybit V5, linear USDT perpetuals. `sign`, `codes`, `limits`, `parse` and `decode` are pure: what goes on the wire and
//! what comes off it; `rest`, `public`, `account` and `trade` are the connections.
//!
//! "Contract" in the comments below is Bybit's public V5 documentation, by section of our reading of it.

pub mod account;
pub mod codes;
pub mod credentials;
mod decode;
mod holds;
pub mod hosts;
pub mod leave;
pub mod limits;
pub mod parse;
pub(crate) mod proxy;
pub mod public;
pub mod rescue;
pub mod rest;
pub mod sign;
pub mod signs;
pub mod socket;
pub mod trade;
pub mod unlock;

#[cfg(test)]
mod tests;
