//! One symbol's book as the stream tells it: every delta follows the one before, nothing beyond the window stays, and a
//! book that contradicts itself is not passed on. Pure.

use std::collections::VecDeque;

use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::market::levels::Levels;
use crate::engine::num::{Qty, Side};
use crate::venue::bybit::parse::public::Book;
use crate::venue::bybit::parse::rest::market::BookAnswer;

/// Best prices remembered for the comparison with REST: seconds of updates, far more than an answer takes.
const TOPS_MAX: usize = 128;

/// What a frame of the book topic means.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Pass this on.
    Update(BookUpdate),
    /// Nothing new: a repeat, or a delta before the first snapshot.
    Nothing,
    /// Deltas are missing or contradict the book: subscribe anew.
    Gap,
}

/// What the comparison with REST says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The best prices agree.
    Same,
    /// They do not: the local book is wrong.
    Different,
    /// The stream is not as far as REST was.
    TooEarly,
    /// Too long ago, or no book: nothing can be said.
    Unknown,
}

/// The mirror of one symbol's book.
#[derive(Debug)]
pub struct Mirror {
    bids: Levels,
    asks: Levels,
    /// Number of the last update; `None` while waiting for a snapshot.
    u: Option<u64>,
    had: bool,
    tops: VecDeque<(u64, Top)>,
}

type Top = (Option<Level>, Option<Level>);

impl Default for Mirror {
    fn default() -> Self {
        Self { bids: Levels::new(Side::Buy), asks: Levels::new(Side::Sell), u: None, had: false, tops: VecDeque::new() }
    }
}

impl Mirror {
    /// Is there a book?
    pub const fn is_valid(&self) -> bool {
        self.u.is_some()
    }

    /// Was there ever one on this connection?
    pub const fn was_valid(&self) -> bool {
        self.had
    }

    /// Wait for a snapshot.
    pub fn forget(&mut self) {
        self.u = None;
        self.tops.clear();
    }

    /// Takes a frame (contract 11.2).
    pub fn on(&mut self, book: &Book<'_>) -> Told {
        if book.snapshot {
            // One level deep a snapshot is repeated unchanged after three quiet seconds.
            if book.depth == 1 && self.u == Some(book.u) && book.u != 1 {
                return Told::Nothing;
            }
            return self.replace(book);
        }
        match self.u {
            None => Told::Nothing,
            Some(last) if book.u <= last => Told::Nothing,
            Some(last) if book.u == last + 1 => self.change(book),
            Some(_) => self.gap(),
        }
    }

    fn gap(&mut self) -> Told {
        self.forget();
        Told::Gap
    }

    fn replace(&mut self, book: &Book<'_>) -> Told {
        self.bids.clear();
        self.asks.clear();
        put(&mut self.bids, book.bids);
        put(&mut self.asks, book.asks);
        if self.is_crossed() {
            return self.gap();
        }
        (self.u, self.had) = (Some(book.u), true);
        self.tops.clear();
        self.remember(book.seq);
        Told::Update(BookUpdate { snapshot: true, bids: book.bids.to_vec(), asks: book.asks.to_vec() })
    }

    fn change(&mut self, book: &Book<'_>) -> Told {
        put(&mut self.bids, book.bids);
        put(&mut self.asks, book.asks);
        if self.is_crossed() {
            return self.gap();
        }
        self.u = Some(book.u);
        let mut update = BookUpdate { snapshot: false, bids: book.bids.to_vec(), asks: book.asks.to_vec() };
        let depth = usize::from(book.depth);
        // What left the window is not deleted by the venue: it would stay for ever.
        trim(&mut self.bids, depth, &mut update.bids);
        trim(&mut self.asks, depth, &mut update.asks);
        self.remember(book.seq);
        Told::Update(update)
    }

    fn is_crossed(&self) -> bool {
        matches!(self.top(), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    fn top(&self) -> Top {
        (self.bids.first(), self.asks.first())
    }

    fn remember(&mut self, seq: u64) {
        if self.tops.len() >= TOPS_MAX {
            self.tops.pop_front();
        }
        let top = self.top();
        self.tops.push_back((seq, top));
    }

    /// Compares the best prices with REST's answer by the sequence, which orders books of every depth. Pushes are some
    /// milliseconds apart and REST may have looked between two of them: then what either push shows is agreement, and
    /// anything else says nothing. Only at one and the same sequence a difference is a contradiction.
    pub fn compare(&self, rest: &BookAnswer) -> Compared {
        match (self.tops.front(), self.tops.back()) {
            (Some((oldest, _)), _) if rest.seq == 0 || *oldest > rest.seq => return Compared::Unknown,
            (_, Some((newest, _))) if *newest < rest.seq => return Compared::TooEarly,
            (None, _) => return Compared::Unknown,
            _ => {}
        }
        let theirs = (rest.bids.first().copied(), rest.asks.first().copied());
        let before = self.tops.iter().rev().find(|(seq, _)| *seq <= rest.seq);
        let after = self.tops.iter().find(|(seq, _)| *seq > rest.seq);
        match (before, after) {
            (Some((seq, top)), _) if *seq == rest.seq && *top != theirs => Compared::Different,
            (Some((_, top)), _) | (_, Some((_, top))) if *top == theirs => Compared::Same,
            (_, Some((_, top))) if *top == theirs => Compared::Same,
            _ => Compared::Unknown,
        }
    }
}

fn put(side: &mut Levels, levels: &[Level]) {
    for level in levels {
        side.set(*level);
    }
}

/// Takes away what is beyond the window, and tells it.
fn trim(side: &mut Levels, depth: usize, told: &mut Vec<Level>) {
    while side.len() > depth {
        told.extend(side.pop().map(|level| Level { qty: Qty::ZERO, ..level }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::num::Price;

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_raw(price), qty: Qty::from_raw(qty) }
    }

    fn frame<'a>(snapshot: bool, u: u64, bids: &'a [Level], asks: &'a [Level]) -> Book<'a> {
        Book { symbol: "X", depth: 2, snapshot, u, seq: u * 10, cts_ms: None, ts_ms: 0, bids, asks }
    }

    fn update(told: Told) -> BookUpdate {
        match told {
            Told::Update(update) => update,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn deltas_follow_one_another_or_the_book_is_gone() {
        let mut mirror = Mirror::default();
        assert_eq!(mirror.on(&frame(false, 5, &[level(9, 1)], &[])), Told::Nothing);
        assert!(update(mirror.on(&frame(true, 6, &[level(9, 1)], &[level(11, 1)]))).snapshot);
        assert!(!update(mirror.on(&frame(false, 7, &[level(10, 1)], &[]))).snapshot);
        assert_eq!(mirror.on(&frame(false, 7, &[level(10, 5)], &[])), Told::Nothing);
        assert_eq!(mirror.on(&frame(false, 9, &[level(10, 2)], &[])), Told::Gap);
        assert!(!mirror.is_valid());
        assert_eq!(mirror.on(&frame(false, 10, &[], &[])), Told::Nothing);
        // The service restarted: numbered from one again, in the middle of a stream.
        assert!(update(mirror.on(&frame(true, 1, &[level(9, 1)], &[level(11, 1)]))).snapshot);
        assert!(update(mirror.on(&frame(true, 1, &[level(8, 1)], &[level(11, 1)]))).snapshot);
        assert_eq!(mirror.on(&frame(false, 2, &[level(12, 1)], &[])), Told::Gap);
    }

    #[test]
    fn one_level_deep_repeats_are_nothing_new() {
        let mut mirror = Mirror::default();
        let (bid, ask) = ([level(9, 1)], [level(11, 1)]);
        let one = |u| Book { depth: 1, ..frame(true, u, &bid, &ask) };
        assert!(matches!(mirror.on(&one(4)), Told::Update(_)));
        assert_eq!(mirror.on(&one(4)), Told::Nothing);
        assert!(matches!(mirror.on(&one(9)), Told::Update(_)));
    }

    #[test]
    fn what_leaves_the_window_is_deleted() {
        let mut mirror = Mirror::default();
        mirror.on(&frame(true, 1, &[level(9, 1), level(8, 1)], &[level(11, 1), level(12, 1)]));
        let told = update(mirror.on(&frame(false, 2, &[level(10, 1)], &[])));
        assert_eq!(told.bids, [level(10, 1), level(8, 0)]);
        assert_eq!(told.asks, []);
    }

    #[test]
    fn rest_is_compared_at_its_own_sequence() {
        let mut mirror = Mirror::default();
        mirror.on(&frame(true, 2, &[level(9, 1)], &[level(11, 1)]));
        mirror.on(&frame(false, 3, &[level(10, 1)], &[]));
        let answer = |seq, bid: Level| BookAnswer {
            symbol: "X".into(),
            u: 0,
            seq,
            cts_ms: None,
            ts_ms: 0,
            bids: vec![bid],
            asks: vec![level(11, 1)],
        };
        assert_eq!(mirror.compare(&answer(25, level(9, 1))), Compared::Same);
        assert_eq!(mirror.compare(&answer(30, level(10, 1))), Compared::Same);
        assert_eq!(mirror.compare(&answer(30, level(9, 1))), Compared::Different);
        assert_eq!(mirror.compare(&answer(31, level(9, 1))), Compared::TooEarly);
        assert_eq!(mirror.compare(&answer(3, level(9, 1))), Compared::Unknown);
    }

    proptest! {
        /// A venue that shows the best two levels of a side, with frames lost on the way: the book we pass on is the
        /// venue's window whenever it counts as valid.
        #[test]
        fn a_lossy_stream_never_shows_a_wrong_book(steps in proptest::collection::vec((1_i64..20, 0_i64..3, any::<u8>()), 1..120)) {
            let mut full: BTreeMap<i64, i64> = BTreeMap::from([(5, 1)]);
            let mut mirror = Mirror::default();
            let mut ours = Levels::new(Side::Buy);
            let window = |full: &BTreeMap<i64, i64>| -> Vec<Level> {
                full.iter().rev().take(2).map(|(price, qty)| level(*price, *qty)).collect()
            };
            let asks = [level(100, 1)];
            let mut shown = window(&full);
            let mut valid = false;
            for (u, (price, qty, fate)) in (2_u64..).zip(steps) {
                if qty == 0 { full.remove(&price); } else { full.insert(price, qty); }
                let now = window(&full);
                let mut delta: Vec<Level> = now.iter().filter(|level| !shown.contains(level)).copied().collect();
                // Only what was deleted is told as deleted, not what left the window.
                delta.extend(shown.iter().filter(|old| !full.contains_key(&old.price.raw())).map(|old| Level { qty: Qty::ZERO, ..*old }));
                shown = now;
                let snapshot = fate < 30 || (!valid && fate < 120);
                if !snapshot && fate > 220 { continue; }
                let told = if snapshot { mirror.on(&frame(true, u, &shown, &asks)) } else { mirror.on(&frame(false, u, &delta, &[])) };
                match told {
                    Told::Update(update) => {
                        if update.snapshot { ours.clear(); }
                        put(&mut ours, &update.bids);
                        valid = true;
                        prop_assert_eq!(ours.iter().collect::<Vec<_>>(), shown.clone());
                    }
                    Told::Gap => valid = false,
                    Told::Nothing => {}
                }
            }
        }
    }
}
