//! Composition: the only place that knows concrete types on both sides of the engine.
//!
//! [`driver`] is the one loop of events and effects; [`session`] paces it by a clock; [`demo`], [`live`] and [`replay`]
//! put the parts together ([`assemble`]); [`cockpit`] adds the screen.

pub mod assemble;
pub mod attach;
pub mod beside;
mod carry;
pub mod clock;
pub mod cockpit;
pub mod control;
pub mod decisions;
pub mod demo;
mod disk;
pub mod doctor;
pub mod driver;
pub mod exit;
pub mod feed;
pub mod files;
pub mod guardian;
pub mod inference;
mod lease;
mod leaving;
mod lineup;
pub mod live;
pub mod log;
mod pace;
pub mod pulse;
pub mod refusals;
mod remember;
pub mod remote;
pub mod replay;
pub mod service;
pub mod serving;
pub mod session;
mod shadow;
pub mod shelf;
#[cfg(feature = "models")]
pub mod shortfall;
pub mod signals;
pub mod stage;
pub mod start;
pub mod switch;
pub mod watch;
pub mod watchdog;
pub mod why;
