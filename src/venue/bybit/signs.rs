//! Signs of life of an exchange's sockets, by stream: when each was last heard and how often a connection of it was lost. Atomics that
//! the sockets' tasks set and whoever watches reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::gate::Boot;

/// A kind of socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Market data.
    Public,
    /// What happens to the account.
    Private,
    /// Orders, where they go by socket.
    Trade,
}

/// The streams with the words that the metrics have for them, in the order of the enum.
const STREAMS: [(Stream, &str); 3] =
    [(Stream::Public, "public"), (Stream::Private, "private"), (Stream::Trade, "trade")];

/// The signs of all streams of one exchange; every copy is the same.
#[derive(Clone, Default)]
pub struct Signs(Arc<[Sign; STREAMS.len()]>);

#[derive(Default)]
struct Sign {
    /// Boot clock in nanoseconds: the last frame, or when the stream was first wanted. 0 is never.
    heard: AtomicU64,
    lost: AtomicU64,
}

/// How a stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamSign {
    /// Its word.
    pub stream: &'static str,
    /// Time since its last frame of any kind; since it was first wanted where none has come.
    pub age: Duration,
    /// Connections that were lost.
    pub lost: u64,
}

impl Signs {
    /// The stream is wanted from now on. One that is wanted already keeps its age.
    pub fn wanted(&self, stream: Stream) {
        if let Some(sign) = self.0.get(stream as usize) {
            let now = Boot::now().nanos().max(1);
            // Only the first is the first.
            let _known = sign.heard.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
    /// A frame has come.
    pub fn heard(&self, stream: Stream) {
        if let Some(sign) = self.0.get(stream as usize) {
            sign.heard.store(Boot::now().nanos().max(1), Ordering::Relaxed);
        }
    }
    /// A connection that worked was lost: it is made anew.
    pub fn lost(&self, stream: Stream) {
        if let Some(sign) = self.0.get(stream as usize) {
            sign.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// Connections of a stream that were lost.
    pub fn losses(&self, stream: Stream) -> u64 {
        self.0.get(stream as usize).map_or(0, |sign| sign.lost.load(Ordering::Relaxed))
    }
    /// The account went away with its streams: nobody waits for them any more. Their counts stay.
    pub fn unwanted(&self, streams: &[Stream]) {
        for sign in streams.iter().filter_map(|stream| self.0.get(*stream as usize)) {
            sign.heard.store(0, Ordering::Relaxed);
        }
    }
    /// Every stream that is wanted.
    pub fn read(&self) -> Vec<StreamSign> {
        let row = |((_, stream), sign): (&(Stream, &'static str), &Sign)| {
            let heard = sign.heard.load(Ordering::Relaxed);
            let lost = sign.lost.load(Ordering::Relaxed);
            (heard > 0).then(|| StreamSign { stream, age: Boot::from_nanos(heard).elapsed(), lost })
        };
        STREAMS.iter().zip(self.0.iter()).filter_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_wanted_has_an_age_before_it_is_heard_and_each_loss_counts() {
        let signs = Signs::default();
        assert_eq!(signs.read(), []);
        signs.wanted(Stream::Private);
        let counted = signs.clone();
        counted.lost(Stream::Private);
        counted.lost(Stream::Private);
        let read = signs.read();
        assert_eq!(read.iter().map(|sign| (sign.stream, sign.lost)).collect::<Vec<_>>(), [("private", 2)]);
        signs.heard(Stream::Public);
        assert_eq!(signs.read().iter().map(|sign| sign.stream).collect::<Vec<_>>(), ["public", "private"]);
        signs.unwanted(&[Stream::Private]);
        assert_eq!(signs.read().len(), 1);
        for (index, (stream, _)) in STREAMS.iter().enumerate() {
            assert_eq!(*stream as usize, index);
        }
    }
}
