//! The terminal's bell. A run rings it where a person sits: in its own cockpit and in those that are attached, by a number in their
//! pictures. With nobody at a cockpit it is no channel.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Channel, Message, Outcome, SendError};

/// The bell of a run: the alerts ring it, the pictures for cockpits say how often.
#[derive(Clone, Default)]
pub struct Bells(Arc<Shared>);

#[derive(Default)]
struct Shared {
    rung: AtomicU64,
    heard: AtomicBool,
}

impl Bells {
    /// How often it was rung.
    pub fn rung(&self) -> u64 {
        self.0.rung.load(Ordering::SeqCst)
    }
    /// Does anybody sit where it sounds?
    pub fn heard(&self, anybody: bool) {
        self.0.heard.store(anybody, Ordering::SeqCst);
    }
}

/// The bell as a channel.
pub(super) enum Bell {
    /// Of the cockpits of a run.
    Cockpits(Bells),
    /// Of this process's terminal, whatever stdout is: somebody tries it out there.
    Here,
}

/// The terminal of this process.
fn terminal() -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).open(if cfg!(windows) { "CONOUT$" } else { "/dev/tty" })
}

/// Rings on a thread of its own: a terminal may be blocked for ever.
async fn with_terminal(ring: bool) -> Result<(), SendError> {
    let work = move || terminal().and_then(|mut tty| if ring { tty.write_all(b"\x07") } else { Ok(()) });
    let rung = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(std::io::Error::other("it broke off")));
    rung.map_err(|error| SendError::refused(format!("this process has no terminal to ring ({error})")))
}

impl Bell {
    async fn ring(&self, sounds: bool) -> Result<(), SendError> {
        match self {
            Self::Cockpits(bells) => {
                bells.0.rung.fetch_add(u64::from(sounds), Ordering::SeqCst);
                Ok(())
            }
            Self::Here => with_terminal(sounds).await,
        }
    }
}

impl Channel for Bell {
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a> {
        Box::pin(self.ring(!message.silent))
    }
    fn probe(&self) -> Outcome<'_> {
        Box::pin(self.ring(false))
    }
    fn is_there(&self) -> bool {
        match self {
            Self::Cockpits(bells) => bells.0.heard.load(Ordering::SeqCst),
            Self::Here => true,
        }
    }
}
