//! An exact book of one instrument out of snapshots, changes and best quotes, and what of it goes on the tape.
//!
//! One rule joins changes for every venue. A change covers the venue's counts `first` to `last` and is absolute: it gives
//! the new sizes, so applying one whose beginning we know already is exact. It is old when `last` is not beyond what the
//! book holds, joins when it begins no later than right after it (futures say so by naming the `last` before it, as
//! their counts are shared by all instruments), and is a gap otherwise. After a gap, and before the first snapshot, there
//! is no book: changes are kept, because a snapshot that was fetched may be older than some of them.
//!
//! A best quote is ahead of the changes: the venue sends it at once and changes in batches. It is laid over the book
//! until a change reaches its count: better levels than the quote are gone, the quote's sizes are the truth, what lies
//! behind them is as of the last change. So the book on the tape is exact at the touch at every moment, exact in depth
//! at every change, and never crossed.
//!
//! On the tape goes a window of levels nearest to the touch, as the difference from the window before. A fetched snapshot
//! reaches only so far; levels behind its end are known once they change, as with every book made this way.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use super::difference::difference;
use super::message::Levels;
use crate::engine::event::MarketData;
use crate::engine::market::book::{BookUpdate, DEPTH_MAX, Level};
use crate::engine::num::{Price, Qty};

/// Levels a side on the tape where the venue sends the whole book.
const WINDOW: usize = 200;
/// Changes kept while there is no book. A fetched snapshot is at most seconds late.
const KEPT_MAX: usize = 2_000;

/// What was counted while making a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BookCounts {
    /// Changes and quotes that went on the tape.
    pub updates: u64,
    /// Whole books that went on the tape.
    pub snapshots: u64,
    /// Times that changes were missing or contradicted the book.
    pub gaps: u64,
    /// Changes and quotes that were older than the book: normal around a snapshot.
    pub old: u64,
    /// Changes that could not be used because there was no whole book to apply them to.
    pub unusable: u64,
}

/// Changed levels, and the venue's counts they cover.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub first: u64,
    pub last: u64,
    pub previous: Option<u64>,
    pub levels: Levels,
}

/// Best bid and ask, ahead of the changes.
#[derive(Clone, Copy, Debug)]
struct Quote {
    id: u64,
    bid: Level,
    ask: Level,
}

/// The book of one instrument.
#[derive(Debug)]
pub(super) struct BookMaker {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    /// Count that the book is as of; `None` while there is no book.
    as_of: Option<u64>,
    quote: Option<Quote>,
    kept: VecDeque<Change>,
    window: usize,
    shown: Levels,
    counts: BookCounts,
}

impl BookMaker {
    /// A book whose stream promises `depth` levels a side; 0 where it sends everything.
    pub(super) fn new(depth: u32) -> Self {
        let window = if depth == 0 { WINDOW } else { (depth as usize).min(DEPTH_MAX) };
        Self {
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            as_of: None,
            quote: None,
            kept: VecDeque::new(),
            window,
            shown: Levels::default(),
            counts: BookCounts::default(),
        }
    }

    /// What was counted; changes that still wait for a snapshot count as unusable.
    pub(super) fn counts(&self) -> BookCounts {
        let kept = self.kept.len() as u64;
        BookCounts { unusable: self.counts.unusable + kept, ..self.counts }
    }

    /// A whole book as of `id`.
    pub(super) fn snapshot(&mut self, id: u64, pushed: bool, levels: &Levels) -> Option<MarketData> {
        if !pushed && self.as_of.is_some_and(|as_of| id <= as_of) {
            self.counts.old += 1;
            return None;
        }
        if pushed {
            // Its counts may begin anew: what was kept and quoted cannot be compared with it.
            self.counts.unusable += self.kept.len() as u64;
            self.kept.clear();
            self.quote = None;
        }
        self.bids.clear();
        self.asks.clear();
        self.as_of = Some(id);
        self.set(levels);
        let mut kept = std::mem::take(&mut self.kept);
        while kept.front().is_some_and(|change| self.join(change)) {
            kept.pop_front();
        }
        self.kept = kept;
        self.as_of.map(|_| self.show(true))
    }

    /// Changed levels.
    pub(super) fn change(&mut self, change: Change) -> Option<MarketData> {
        if self.as_of.is_none() {
            self.keep(change);
            return None;
        }
        let old = self.counts.old;
        if !self.join(&change) {
            self.keep(change);
            return Some(MarketData::Gap);
        }
        (self.counts.old == old).then(|| self.show(false))
    }

    /// Best bid and ask as of `id`.
    pub(super) fn best(&mut self, id: u64, bid: Level, ask: Level) -> Option<MarketData> {
        let newest = self.as_of.max(self.quote.map(|q| q.id));
        if newest.is_some_and(|newest| id <= newest) {
            self.counts.old += 1;
            return None;
        }
        self.quote = Some(Quote { id, bid, ask });
        self.as_of.map(|_| self.show(false))
    }

    fn keep(&mut self, change: Change) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
            self.counts.unusable += 1;
        }
        self.kept.push_back(change);
    }

    /// Applies a change if it joins. `false`: a gap, and there is no book any more.
    fn join(&mut self, change: &Change) -> bool {
        let Some(as_of) = self.as_of else { return false };
        if change.last <= as_of {
            self.counts.old += 1;
            return true;
        }
        let joins = match change.previous {
            Some(previous) => previous <= as_of,
            None => change.first <= as_of.saturating_add(1),
        };
        if !joins {
            self.gap();
            return false;
        }
        self.set(&change.levels);
        self.as_of = Some(change.last);
        if self.quote.is_some_and(|quote| quote.id <= change.last) {
            self.quote = None;
        }
        true
    }

    fn gap(&mut self) {
        self.counts.gaps += 1;
        self.as_of = None;
        self.bids.clear();
        self.asks.clear();
        self.shown = Levels::default();
    }

    fn set(&mut self, levels: &Levels) {
        for (side, changed) in [(&mut self.bids, &levels.bids), (&mut self.asks, &levels.asks)] {
            for level in changed {
                if level.qty.is_zero() {
                    side.remove(&level.price);
                } else {
                    side.insert(level.price, level.qty);
                }
            }
        }
    }

    /// The window as it is now, as a change of what was shown.
    fn show(&mut self, whole: bool) -> MarketData {
        let now = self.levels();
        if let (Some(bid), Some(ask)) = (now.bids.first(), now.asks.first())
            && bid.price >= ask.price
        {
            self.gap();
            return MarketData::Gap;
        }
        let update = if whole {
            self.counts.snapshots += 1;
            BookUpdate { snapshot: true, bids: now.bids.clone(), asks: now.asks.clone() }
        } else {
            self.counts.updates += 1;
            BookUpdate {
                snapshot: false,
                bids: difference(&self.shown.bids, &now.bids, |a, b| a > b),
                asks: difference(&self.shown.asks, &now.asks, |a, b| a < b),
            }
        };
        self.shown = now;
        MarketData::Book(update)
    }

    /// The levels nearest to the touch, best first, with the quote laid over them.
    fn levels(&self) -> Levels {
        let level = |(price, qty): (&Price, &Qty)| Level { price: *price, qty: *qty };
        let Some(quote) = self.quote else {
            return Levels {
                bids: self.bids.iter().rev().take(self.window).map(level).collect(),
                asks: self.asks.iter().take(self.window).map(level).collect(),
            };
        };
        let behind_bid = self.bids.range(..quote.bid.price).rev().map(level);
        let behind_ask = self.asks.range((Excluded(quote.ask.price), Unbounded)).map(level);
        Levels {
            bids: std::iter::once(quote.bid).chain(behind_bid).take(self.window).collect(),
            asks: std::iter::once(quote.ask).chain(behind_ask).take(self.window).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::market::book::{Book, BookState};

    fn level((price, qty): &(i64, i64)) -> Level {
        Level { price: Price::from_raw(*price), qty: Qty::from_raw(*qty) }
    }
    fn levels(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Levels {
        Levels { bids: bids.iter().map(level).collect(), asks: asks.iter().map(level).collect() }
    }
    fn spot(first: u64, last: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Change {
        Change { first, last, previous: None, levels: levels(bids, asks) }
    }
    fn futures(previous: u64, last: u64, bids: &[(i64, i64)]) -> Change {
        Change { first: last, last, previous: Some(previous), levels: levels(bids, &[]) }
    }

    /// A maker and the engine's own book that is fed with what it makes.
    struct Pair(BookMaker, Book);
    impl Pair {
        fn new(depth: u32) -> Self {
            Self(BookMaker::new(depth), Book::new())
        }
        fn feed(&mut self, made: Option<MarketData>) -> Option<MarketData> {
            match &made {
                Some(MarketData::Book(update)) => self.1.apply(update),
                Some(MarketData::Gap) => self.1.gap(),
                _ => {}
            }
            assert_eq!(self.0.as_of.is_some(), self.1.state() == BookState::Valid);
            if self.1.state() == BookState::Valid {
                let shown = self.0.levels();
                assert!(self.1.bids().iter().eq(shown.bids) && self.1.asks().iter().eq(shown.asks));
            }
            made
        }
        fn touch(&self) -> Option<(i64, i64)> {
            self.1.best().map(|(bid, ask)| (bid.price.raw(), ask.price.raw()))
        }
    }

    #[test]
    fn changes_before_a_fetched_snapshot_are_applied_to_it() {
        let mut pair = Pair::new(0);
        for n in 1..=9 {
            let made = pair.0.change(spot(n, n, &[(90 + n as i64, 1)], &[]));
            assert_eq!(pair.feed(made), None);
        }
        let made = pair.0.snapshot(5, false, &levels(&[(80, 1), (95, 2)], &[(110, 1)]));
        assert!(matches!(pair.feed(made), Some(MarketData::Book(BookUpdate { snapshot: true, .. }))));
        assert_eq!(pair.touch(), Some((99, 110)));
        assert_eq!(pair.1.qty_at(crate::engine::num::Side::Buy, Price::from_raw(95)), Qty::from_raw(2));
        let counts = pair.0.counts();
        assert_eq!((counts.old, counts.gaps, counts.unusable, counts.snapshots), (5, 0, 0, 1));
        let made = pair.0.change(spot(10, 12, &[(99, 0)], &[]));
        pair.feed(made);
        assert_eq!(pair.touch(), Some((98, 110)));
    }

    #[test]
    fn a_missing_change_is_a_gap_until_the_next_snapshot() {
        let mut pair = Pair::new(0);
        let made = pair.0.snapshot(5, false, &levels(&[(90, 1)], &[(110, 1)]));
        pair.feed(made);
        let made = pair.0.change(spot(7, 8, &[(91, 1)], &[]));
        assert_eq!(pair.feed(made), Some(MarketData::Gap));
        let made = pair.0.change(spot(9, 9, &[(92, 1)], &[]));
        assert_eq!(pair.feed(made), None);
        let made = pair.0.snapshot(7, false, &levels(&[(89, 1)], &[(110, 1)]));
        pair.feed(made);
        assert_eq!((pair.touch(), pair.0.counts().gaps), (Some((92, 110)), 1));
    }

    #[test]
    fn futures_join_by_the_count_before() {
        let mut pair = Pair::new(0);
        let made = pair.0.snapshot(50, false, &levels(&[(90, 1)], &[(110, 1)]));
        pair.feed(made);
        // The counts are shared by all instruments, so they do not follow one another.
        let made = pair.0.change(futures(40, 70, &[(91, 1)]));
        pair.feed(made);
        let made = pair.0.change(futures(70, 95, &[(92, 1)]));
        pair.feed(made);
        assert_eq!(pair.touch(), Some((92, 110)));
        let made = pair.0.change(futures(96, 99, &[(93, 1)]));
        assert_eq!(pair.feed(made), Some(MarketData::Gap));
    }

    #[test]
    fn a_quote_is_laid_over_the_book_until_changes_reach_it() {
        let mut pair = Pair::new(0);
        let made = pair.0.snapshot(5, false, &levels(&[(98, 1), (99, 1), (100, 1)], &[(101, 1), (102, 1)]));
        pair.feed(made);
        // The market fell: both the bid at 100 and the ask at 101 are gone, and the ask is where the bid was.
        let made = pair.0.best(9, level(&(98, 7)), level(&(100, 3)));
        pair.feed(made);
        assert_eq!(pair.touch(), Some((98, 100)));
        // A change that is older than the quote goes beneath it.
        let made = pair.0.change(spot(6, 8, &[(100, 0), (97, 4)], &[]));
        pair.feed(made);
        assert_eq!(pair.touch(), Some((98, 100)));
        assert_eq!(pair.1.bids().len(), 2);
        // One that reaches it replaces it.
        let made = pair.0.change(spot(9, 12, &[(99, 2), (98, 7)], &[(100, 3)]));
        pair.feed(made);
        assert_eq!(pair.touch(), Some((99, 100)));
        assert_eq!(pair.1.asks().len(), 3);
        let made = pair.0.best(11, level(&(1, 1)), level(&(2, 1)));
        assert_eq!((pair.feed(made), pair.0.counts().old), (None, 1));
    }

    #[test]
    fn a_pushed_snapshot_replaces_everything_and_counts_may_begin_anew() {
        let mut pair = Pair::new(50);
        let made = pair.0.snapshot(500, true, &levels(&[(90, 1)], &[(110, 1)]));
        pair.feed(made);
        let made = pair.0.snapshot(1, true, &levels(&[(91, 1)], &[(109, 1)]));
        pair.feed(made);
        let made = pair.0.change(spot(2, 2, &[(92, 1)], &[]));
        pair.feed(made);
        assert_eq!((pair.touch(), pair.0.counts().gaps), (Some((92, 109)), 0));
    }

    #[test]
    fn a_crossed_book_is_a_gap() {
        let mut pair = Pair::new(50);
        let made = pair.0.snapshot(1, true, &levels(&[(90, 1)], &[(110, 1)]));
        pair.feed(made);
        let made = pair.0.change(spot(2, 2, &[(110, 1)], &[]));
        assert_eq!(pair.feed(made), Some(MarketData::Gap));
        assert_eq!(pair.0.counts().gaps, 1);
    }

    #[test]
    fn only_the_window_is_shown_and_it_slides() {
        let mut pair = Pair::new(2);
        let made = pair.0.snapshot(1, true, &levels(&[(90, 1), (89, 1), (88, 1)], &[(110, 1)]));
        pair.feed(made);
        assert_eq!(pair.1.bids().len(), 2);
        let made = pair.0.change(spot(2, 2, &[(90, 0)], &[]));
        let update = BookUpdate { snapshot: false, bids: vec![level(&(90, 0)), level(&(88, 1))], asks: vec![] };
        assert_eq!(pair.feed(made), Some(MarketData::Book(update)));
        let made = pair.0.change(spot(3, 3, &[(95, 1), (96, 1)], &[]));
        pair.feed(made);
        assert_eq!(pair.touch(), Some((96, 110)));
    }

    #[test]
    fn without_a_snapshot_there_is_no_book() {
        let mut pair = Pair::new(0);
        for n in 0..KEPT_MAX as u64 + 10 {
            let made = pair.0.change(spot(n, n, &[(90, 1)], &[]));
            assert_eq!(pair.feed(made), None);
        }
        let made = pair.0.best(90_000, level(&(1, 1)), level(&(2, 1)));
        assert_eq!(pair.feed(made), None);
        assert_eq!(pair.0.counts().unusable, KEPT_MAX as u64 + 10);
    }
}
