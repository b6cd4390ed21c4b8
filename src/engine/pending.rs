//! Warnings and alarms that wait to be seen. What they are about may settle by itself: then nobody is asked to look any more.

use super::ids::{OrderSeq, Symbol};
use super::notice::Notice;
use super::risk::state::ReduceCause;

/// Kept at most; the oldest of the least level goes first.
const WAITING_MAX: usize = 32;

/// What a notice is about, and thereby what ends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum About {
    /// Something that happened: only a person's look ends it.
    Past,
    /// A command that was refused, until one succeeds.
    Command,
    /// Only reducing orders pass, until the cause ends.
    Reducing(ReduceCause),
    /// A close loop, until it is resolved.
    Closing,
    /// The market stream is down, until it is up.
    Stream,
    /// A book that waits for a snapshot.
    Book(Symbol),
    /// Features that warm up again.
    WarmUp,
    /// An order whose outcome nobody knows, until it is known.
    Order(OrderSeq),
}

/// What waits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Vec<(Notice, About)>,
}

impl Pending {
    /// Takes in a warning or alarm.
    pub fn add(&mut self, notice: Notice, about: About) {
        if self.waiting.len() >= WAITING_MAX
            && let Some(least) = self.waiting.iter().map(|(notice, _)| notice.level).min()
            && let Some(at) = self.waiting.iter().position(|(notice, _)| notice.level == least)
        {
            self.waiting.remove(at);
        }
        self.waiting.push((notice, about));
    }

    /// The newest of the loudest: an alarm is never covered by a warning.
    pub fn first(&self) -> Option<&Notice> {
        self.waiting.iter().map(|(notice, _)| notice).max_by_key(|notice| (notice.level, notice.id))
    }

    /// A person has seen the notice with this number, and what came before it and was no louder.
    pub fn acknowledge(&mut self, id: u64) {
        let Some(level) = self.waiting.iter().find(|(notice, _)| notice.id == id).map(|(notice, _)| notice.level)
        else {
            return;
        };
        self.waiting.retain(|(notice, _)| notice.id > id || notice.level > level);
    }

    /// What these were about is over.
    pub fn settle(&mut self, over: impl Fn(&About) -> bool) {
        self.waiting.retain(|(_, about)| !over(about));
    }

    /// A reset: everything before it has been looked at.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::notice::{Kind, Level};
    use crate::engine::time::Ts;

    fn notice(id: u64, level: Level) -> Notice {
        Notice { id, at: Ts(0), level, kind: Kind::Order, symbol: None, text: id.to_string(), denial: None }
    }

    #[test]
    fn an_alarm_stays_in_front_until_it_is_seen_or_settled() {
        let mut pending = Pending::default();
        pending.add(notice(1, Level::Warn), About::Past);
        pending.add(notice(2, Level::Alarm), About::Order(OrderSeq(7)));
        pending.add(notice(3, Level::Warn), About::Stream);
        assert_eq!(pending.first().map(|n| n.id), Some(2));
        pending.settle(|about| *about == About::Order(OrderSeq(8)));
        assert_eq!(pending.first().map(|n| n.id), Some(2), "another order");
        pending.settle(|about| *about == About::Order(OrderSeq(7)));
        assert_eq!(pending.first().map(|n| n.id), Some(3));
        pending.acknowledge(3);
        assert_eq!(pending.first(), None, "older ones of the same level were seen with it");
    }

    #[test]
    fn what_is_acknowledged_hides_nothing_newer_or_louder() {
        let mut pending = Pending::default();
        for (id, level) in [(1, Level::Alarm), (2, Level::Warn), (3, Level::Warn)] {
            pending.add(notice(id, level), About::Past);
        }
        pending.acknowledge(2);
        assert_eq!(pending.first().map(|n| n.id), Some(1));
        pending.acknowledge(1);
        assert_eq!(pending.first().map(|n| n.id), Some(3));
        pending.acknowledge(9);
        assert_eq!(pending.first().map(|n| n.id), Some(3), "a number that does not wait");
    }

    #[test]
    fn it_is_bounded_and_keeps_alarms() {
        let mut pending = Pending::default();
        pending.add(notice(0, Level::Alarm), About::Past);
        for id in 1..100 {
            pending.add(notice(id, Level::Warn), About::Past);
        }
        assert!(pending.waiting.len() <= WAITING_MAX);
        assert_eq!(pending.first().map(|n| n.id), Some(0));
    }
}
