//! The terminal's bell, where the process has a terminal. It rings for what has a sound.

use std::io::Write as _;

use super::{Channel, Message, Outcome, SendError};

pub(super) struct Bell;

/// The terminal of this process, whatever stdout is.
fn terminal() -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).open(if cfg!(windows) { "CONOUT$" } else { "/dev/tty" })
}

/// Rings on a thread of its own: a terminal may be blocked for ever.
async fn with_terminal(ring: bool) -> Result<(), SendError> {
    let work = move || terminal().and_then(|mut tty| if ring { tty.write_all(b"\x07") } else { Ok(()) });
    let rung = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(std::io::Error::other("it broke off")));
    rung.map_err(|error| SendError::refused(format!("this process has no terminal to ring ({error})")))
}

impl Channel for Bell {
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a> {
        Box::pin(with_terminal(!message.silent))
    }
    fn probe(&self) -> Outcome<'_> {
        Box::pin(with_terminal(false))
    }
}
