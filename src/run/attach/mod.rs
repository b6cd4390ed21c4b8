//! Cockpits of other processes on a running engine: a stream of pictures one way, what a person asks the other way, over the
//! control socket. A cockpit gets the next picture when it asks for it, so one that is slow, stopped or far away has nothing
//! waiting for it and costs the engine nothing.

#[cfg(unix)]
mod client;
mod seat;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod wire;

#[cfg(unix)]
pub use client::{AttachError, Attachment, attach, look};
pub use seat::{Guest, Seat, Seats};
#[cfg(unix)]
pub use serve::{serve, show};
