//! Answers to `auth`, `subscribe`, `unsubscribe` and `ping` on public and private sockets (contract 10.3, 10.4).

use std::borrow::Cow;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `auth`.
    Auth,
    /// `subscribe`; also the `COMMAND_RESP` of the options socket.
    Subscribe,
    /// `unsubscribe`.
    Unsubscribe,
    /// `ping`: the answer is a pong in one of four shapes.
    Ping,
    /// Something else, or a refusal that does not say what it refuses.
    Other,
}

/// An answer. One failed topic fails the whole request it was in (contract 0.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What it answers.
    pub asked: Asked,
    /// Was it done? A pong always is.
    pub ok: bool,
    /// The venue's words; empty on most successes.
    pub message: Cow<'a, str>,
    /// The `req_id` of the request; `None` where the venue sends none.
    pub request: Option<Cow<'a, str>>,
}

impl Reply<'_> {
    /// Is the wanted state there already: it is subscribed, or the socket is authenticated (contract 10.4)?
    ///
    /// The whole request failed all the same: the other topics of it must be asked for again.
    pub fn already(&self) -> bool {
        self.message.contains("already subscribed")
    }
}
