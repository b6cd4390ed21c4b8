//! One instrument as the paper venue sees it: the public book less what we took from it, the mark, our resting orders.

use std::collections::BTreeMap;

use super::funding::Schedule;
use super::queue::Resting;
use crate::engine::effect::NewOrder;
use crate::engine::event::Trade;
use crate::engine::ids::OrderSeq;
use crate::engine::market::book::{Book, BookState, BookUpdate, Level};
use crate::engine::market::instrument::Instrument;
use crate::engine::market::levels::Levels;
use crate::engine::num::{Money, Price, Qty, Side};
use crate::engine::time::Ts;

/// One instrument.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) rules: Instrument,
    book: Book,
    /// What we took from displayed bids and asks, until the level changes.
    taken_bids: BTreeMap<Price, Qty>,
    taken_asks: BTreeMap<Price, Qty>,
    ticker_mark: Option<Price>,
    last_mid: Option<Price>,
    pub(super) funding: Schedule,
    /// In order of arrival.
    pub(super) resting: Vec<Resting>,
}

impl Market {
    pub(super) fn new(rules: Instrument) -> Self {
        let funding = Schedule::every(rules.funding_interval_s);
        Self {
            rules,
            book: Book::new(),
            taken_bids: BTreeMap::new(),
            taken_asks: BTreeMap::new(),
            ticker_mark: None,
            last_mid: None,
            funding,
            resting: Vec::new(),
        }
    }

    /// The venue changed its rules; a funding schedule that goes on keeps what it has heard.
    pub(super) fn set_rules(&mut self, rules: &Instrument) {
        if rules.funding_interval_s != self.rules.funding_interval_s {
            self.funding = Schedule::every(rules.funding_interval_s);
        }
        self.rules.clone_from(rules);
    }

    /// The book can be traded against.
    pub(super) fn is_open(&self) -> bool {
        self.book.state() == BookState::Valid
    }

    /// Mark price of the ticker; the last known mid where the data has no mark.
    pub(super) fn mark(&self) -> Option<Price> {
        self.ticker_mark.or(self.last_mid)
    }

    /// Hears a mark price. Zero and below are not prices.
    pub(super) fn set_mark(&mut self, mark: Price) {
        if mark > Price::ZERO {
            self.ticker_mark = Some(mark);
        }
    }

    /// Applies a book change: levels that changed are the truth again, queues follow what is displayed.
    pub(super) fn apply(&mut self, at: Ts, update: &BookUpdate) {
        forget(&mut self.taken_bids, update, &update.bids, self.book.bids());
        forget(&mut self.taken_asks, update, &update.asks, self.book.asks());
        self.book.apply(update);
        if !self.is_open() {
            return self.gap();
        }
        if let Some(mid) = self.book.mid().filter(|mid| *mid > Price::ZERO) {
            self.last_mid = Some(mid);
        }
        for resting in &mut self.resting {
            resting.book_changed(at, &self.book);
        }
    }

    /// The book is unusable: resting orders stay, nothing fills, places in the queue are lost.
    pub(super) fn gap(&mut self) {
        self.book.gap();
        self.taken_bids.clear();
        self.taken_asks.clear();
        for resting in &mut self.resting {
            resting.lose_place();
        }
    }

    /// Takes up to `want` of what is displayed up to the limit price and still there, level by level.
    pub(super) fn take(&mut self, side: Side, limit: Price, want: Qty) -> Vec<Level> {
        let taken = match side {
            Side::Buy => &mut self.taken_asks,
            Side::Sell => &mut self.taken_bids,
        };
        let mut left = want;
        let mut takes = Vec::new();
        for level in self.book.opposite(side).iter() {
            if left.is_zero() || !reaches(side, limit, level.price) {
                break;
            }
            let before = taken.get(&level.price).copied().unwrap_or(Qty::ZERO);
            let qty = left.min(level.qty.saturating_sub(before)).floor_to(self.rules.step);
            if qty.is_zero() || level.price <= Price::ZERO {
                continue;
            }
            taken.insert(level.price, before + qty);
            left = left.saturating_sub(qty);
            takes.push(Level { price: level.price, qty });
        }
        takes
    }

    /// Would an order at this price trade on arrival? Judged by the public book: that we took a level already is not
    /// something the venue's rule for post-only orders would see.
    pub(super) fn crosses(&self, side: Side, price: Price) -> bool {
        self.book.opposite(side).first().is_some_and(|best| reaches(side, price, best.price))
    }

    /// A resting order of ours on the other side that an order at this price would meet.
    pub(super) fn meets_own(&self, side: Side, price: Price) -> Option<OrderSeq> {
        let meets = |r: &&Resting| r.order.side != side && reaches(side, price, r.order.price);
        self.resting.iter().find(meets).map(|r| r.order.seq)
    }

    /// Quantity of a print that may reach our orders: not what we had already taken from the level it traded at.
    pub(super) fn open_to_us(&self, trade: &Trade) -> Qty {
        let taken = match trade.taker {
            Side::Buy => &self.taken_asks,
            Side::Sell => &self.taken_bids,
        };
        trade.qty.saturating_sub(taken.get(&trade.price).copied().unwrap_or(Qty::ZERO))
    }

    /// Our orders that a print concerns, best price first, then by arrival. They are all on one side, because our own
    /// orders never cross each other.
    pub(super) fn in_line(&self, trade: &Trade) -> Vec<OrderSeq> {
        let mut line: Vec<&Resting> = self.resting.iter().filter(|r| r.concerned_by(trade)).collect();
        line.sort_by(|a, b| match a.order.side {
            Side::Buy => b.order.price.cmp(&a.order.price),
            Side::Sell => a.order.price.cmp(&b.order.price),
        });
        line.iter().map(|r| r.order.seq).collect()
    }

    /// One of our resting orders.
    pub(super) fn resting_mut(&mut self, order: OrderSeq) -> Option<&mut Resting> {
        self.resting.iter_mut().find(|r| r.order.seq == order)
    }

    /// Puts an order into the book, behind everything displayed at its price.
    pub(super) fn rest(&mut self, at: Ts, order: NewOrder, left: Qty, trimmed: bool) {
        self.resting.push(Resting::join(at, order, left, trimmed, &self.book));
    }

    /// Unsigned notional of working orders that may open on this side, at their limit prices.
    pub(super) fn working_notional(&self, side: Side) -> Money {
        let opens = |r: &&Resting| r.order.side == side && !r.order.reduce_only;
        self.resting.iter().filter(opens).map(|r| r.order.price * r.left).sum()
    }
}

/// Does a limit on `side` reach a level at `price`?
fn reaches(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// Forgets what we took from levels that changed. A delta names only levels that changed; a snapshot names all, so
/// there only another size is a change: snapshots that repeat a level must not refill it.
fn forget(taken: &mut BTreeMap<Price, Qty>, update: &BookUpdate, named: &[Level], before: &Levels) {
    if taken.is_empty() {
        return;
    }
    if update.snapshot {
        taken.retain(|price, _| {
            let now = named.iter().find(|level| level.price == *price);
            now.is_some_and(|level| !level.qty.is_zero() && before.qty_at(*price) == level.qty)
        });
    } else {
        for level in named {
            taken.remove(&level.price);
        }
    }
}
