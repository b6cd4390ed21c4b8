//! Calls for help: what a person should hear who does not look. A [`Watcher`] looks at the newest picture of a run and says
//! what happened; each channel has an [`Outbox`] that merges, waits, tries again and gives up within bounds; a thread of its own
//! does the sending. Nothing here is asked of the engine, and nothing here can make it wait.
//!
//! No message, error or Debug text holds a secret: what goes wrong is said in words of ours, and what a service answered is
//! searched for the secret first.

mod bot;
mod channels;
mod event;
mod light;
mod outbox;
mod post;
mod service;
mod watcher;

pub use bot::Bot;
pub use channels::{Bells, CHANNELS, Channel, OpenError, SendError, Settings, open};
pub use event::{Alert, EVENTS, Event, Loudness, Message, Spec};
pub use light::Light;
pub use outbox::Outbox;
pub use service::{Plan, Service, try_once};
pub use watcher::{Look, Voice, Watcher};
