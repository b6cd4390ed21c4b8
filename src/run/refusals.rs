//! What was asked from outside and refused at the door: counted by where it came from and why, for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{Event, Line, Log};
use crate::engine::notice::Level;

/// A way in, and a reason to refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the table says it
pub enum Refusal {
    SocketMalformed,
    SocketOversized,
    SocketVersion,
    SocketUnauthorised,
    SocketCrowded,
    TelegramMalformed,
    TelegramUnauthorised,
    TelegramCode,
    TelegramLate,
    TelegramFlood,
}

/// Ways and reasons as the metric names them, in the order of the enum.
pub const REFUSALS: [(&str, &str); 10] = [
    ("socket", "malformed"),
    ("socket", "oversized"),
    ("socket", "version"),
    ("socket", "unauthorised"),
    ("socket", "crowded"),
    ("telegram", "malformed"),
    ("telegram", "unauthorised"),
    ("telegram", "code"),
    ("telegram", "late"),
    ("telegram", "flood"),
];

/// The counts of a process, and its log.
#[derive(Clone, Default)]
pub struct Refusals {
    counts: Arc<[AtomicU64; REFUSALS.len()]>,
    log: Log,
}

impl Refusals {
    /// Nothing was refused yet; what is, the log hears of.
    pub fn logged(log: Log) -> Self {
        Self { counts: Arc::default(), log }
    }
    /// The log.
    pub const fn log(&self) -> &Log {
        &self.log
    }
    /// One more. Whoever knocks again and again does not fill the log.
    pub fn count(&self, refusal: Refusal) {
        let (Some(count), Some((way, why))) = (self.counts.get(refusal as usize), REFUSALS.get(refusal as usize))
        else {
            return;
        };
        let times = count.fetch_add(1, Ordering::Relaxed) + 1;
        if times.is_power_of_two() {
            let line = Line::new(Event::ControlRefused).level(Level::Warn);
            self.log.write(line.with("way", *way).with("reason", *why).with("times", times));
        }
    }
    /// How many of one kind so far.
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.counts.get(refusal as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
    /// All of them: way, reason, count.
    pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
        REFUSALS.iter().zip(self.counts.iter()).map(|((way, why), n)| (*way, *why, n.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_words() {
        let refusals = Refusals::default();
        refusals.count(Refusal::SocketOversized);
        refusals.count(Refusal::TelegramFlood);
        refusals.count(Refusal::TelegramFlood);
        assert_eq!((refusals.of(Refusal::TelegramFlood), refusals.of(Refusal::TelegramCode)), (2, 0));
        let counted: Vec<_> = refusals.all().into_iter().filter(|row| row.2 > 0).collect();
        assert_eq!(counted, [("socket", "oversized", 1), ("telegram", "flood", 2)]);
    }
}
