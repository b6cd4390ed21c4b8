//! Warnings and alarms that wait to be seen. What they are about may settle by itself: then nobody is asked to look any more.

use super::ids::{OrderSeq, Symbol};
use super::notice::{Level, Notice};
use super::risk::state::ReduceCause;

/// Kept at most; the oldest of the least level goes first.
const WAITING_MAX: usize = 32;

/// What a notice is about, and thereby what ends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum About {
    /// How the account is set up: only a person's look ends it.
    Remark,
    /// Something that happened: only a person's look ends it.
    Past,
    /// A kill, until flat is proven.
    Kill,
    /// A position without a stop at the venue, until it has one, is closed, or is the person's.
    Bare(Symbol),
    /// A stop at the venue that is too far away, until it is near, the position is closed, or is the person's.
    Far(Symbol),
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
    /// A model that was benched on an instrument, until it is believed again.
    Bench(Symbol, usize),
    /// An order whose outcome nobody knows, until it is known.
    Order(OrderSeq),
}

impl About {
    /// What weighs more stands before what is as loud: an answer to the hand and what goes on now before what has happened,
    /// that before one instrument's trouble, and remarks last.
    const fn weight(&self) -> u8 {
        match self {
            Self::Command | Self::Closing | Self::Stream | Self::Bare(_) | Self::Far(_) | Self::Order(_) => 3,
            Self::Kill | Self::Past | Self::Reducing(_) => 2,
            Self::Book(_) | Self::WarmUp | Self::Bench(..) => 1,
            Self::Remark => 0,
        }
    }
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
            && let Some(least) = self.waiting.iter().map(rank).min()
            && let Some(at) = self.waiting.iter().position(|waiting| rank(waiting) == least)
        {
            self.waiting.remove(at);
        }
        self.waiting.push((notice, about));
    }

    /// The newest of the loudest and weightiest: an alarm is never covered by a warning, nor what weighs by a remark.
    pub fn first(&self) -> Option<&Notice> {
        let first = self.waiting.iter().max_by_key(|waiting| (rank(waiting), waiting.0.id));
        first.map(|(notice, _)| notice)
    }

    /// How many wait.
    pub const fn count(&self) -> usize {
        self.waiting.len()
    }

    /// A person has seen the notice with this number. What stood behind it was not seen.
    pub fn acknowledge(&mut self, id: u64) {
        self.waiting.retain(|(notice, _)| notice.id != id);
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

/// Louder first, then weightier.
const fn rank((notice, about): &(Notice, About)) -> (Level, u8) {
    (notice.level, about.weight())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::notice::Kind;
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
        assert_eq!(pending.first().map(|n| n.id), Some(1), "what stood behind it was not seen");
    }

    #[test]
    fn a_remark_hides_nothing_that_weighs_more() {
        let mut pending = Pending::default();
        let order = [About::Past, About::Book(Symbol(0)), About::Command, About::Remark, About::WarmUp];
        for (about, id) in order.into_iter().zip(1..) {
            pending.add(notice(id, Level::Warn), about);
        }
        let mut seen = Vec::new();
        while let Some(id) = pending.first().map(|notice| notice.id) {
            seen.push(id);
            pending.acknowledge(id);
        }
        assert_eq!(seen, [3, 1, 5, 2, 4], "each is shown once, the weightier and newer before the others");
    }

    #[test]
    fn only_what_was_seen_is_acknowledged() {
        let mut pending = Pending::default();
        for (id, level) in [(1, Level::Alarm), (2, Level::Warn), (3, Level::Warn)] {
            pending.add(notice(id, level), About::Past);
        }
        pending.acknowledge(2);
        assert_eq!((pending.first().map(|n| n.id), pending.count()), (Some(1), 2));
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
