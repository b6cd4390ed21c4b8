//! A resting order and its place in the queue, estimated so that the estimate errs against us.
//!
//! What is known: size that was there before us can only leave, newcomers join behind. So the size ahead starts as
//! everything displayed at our price, falls by prints at our price, and is never more than what is displayed. It rises
//! in two documented cases only: when our level is seen for the first time, and after a gap.

use crate::engine::effect::NewOrder;
use crate::engine::event::Trade;
use crate::engine::market::book::Book;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::{Span, Ts};

/// How long after a fall of the displayed size the print that caused it may still arrive. Books and prints come on
/// streams of their own, so the fall may be seen first; counting it and the print would advance us twice.
const PRINT_LAG: Span = Span::from_secs(1);

/// One of our orders in the book.
#[derive(Clone, Debug)]
pub(super) struct Resting {
    /// The order as it came.
    pub(super) order: NewOrder,
    /// Quantity that still works.
    pub(super) left: Qty,
    /// Part of the quantity was cancelled because it would not have reduced the position.
    pub(super) trimmed: bool,
    /// Displayed size before us; `None` while our level has not been seen (outside the displayed depth, or since a
    /// gap): then only a trade through our price reaches us.
    ahead: Option<Qty>,
    /// How much of `ahead` went away with the displayed size, since `fell_at`, and may still be printed.
    fell: Qty,
    fell_at: Ts,
}

impl Resting {
    /// Joins the back of the queue as displayed now.
    pub(super) fn join(at: Ts, order: NewOrder, left: Qty, trimmed: bool, book: &Book) -> Self {
        let mut resting = Self { order, left, trimmed, ahead: None, fell: Qty::ZERO, fell_at: at };
        resting.book_changed(at, book);
        resting
    }

    /// Displayed size before us, as far as known.
    #[cfg(test)]
    pub(super) const fn ahead(&self) -> Option<Qty> {
        self.ahead
    }

    /// Takes the displayed size into account. A level that is out of sight says nothing.
    pub(super) fn book_changed(&mut self, at: Ts, book: &Book) {
        let Some(shown) = displayed(book, self.order.side, self.order.price) else { return };
        match self.ahead {
            None => self.ahead = Some(shown),
            Some(ahead) if shown < ahead => {
                self.ahead = Some(shown);
                self.fell += ahead.saturating_sub(shown);
                self.fell_at = at;
            }
            Some(_) => {}
        }
    }

    /// Forgets our place: at the next snapshot we stand behind everything displayed.
    ///
    /// The smaller of the old estimate and the new display would be a bound too if the old estimate were sound. But a
    /// gap says that deltas were lost, and one lost before we noticed may have added size ahead of us. Only the
    /// snapshot is known to be true.
    pub(super) const fn lose_place(&mut self) {
        self.ahead = None;
        self.fell = Qty::ZERO;
    }

    /// Whether a print trades through our price: then whoever stood before us is gone.
    pub(super) fn passed_by(&self, trade: &Trade) -> bool {
        match self.order.side {
            Side::Buy => trade.price < self.order.price,
            Side::Sell => trade.price > self.order.price,
        }
    }

    /// Whether a print can reach us at all: through our price, or at it with the taker on the other side.
    pub(super) fn concerned_by(&self, trade: &Trade) -> bool {
        self.passed_by(trade) || (trade.price == self.order.price && trade.taker != self.order.side)
    }

    /// Moves the queue by `qty` of a print that concerns us. `late` is what earlier orders of ours at this price knew to
    /// be the late print of a fall they saw: one that joined after the fall must not count it either.
    pub(super) fn reached_by(&mut self, at: Ts, trade: &Trade, qty: Qty, late: Qty) -> Reached {
        if self.passed_by(trade) {
            self.ahead = Some(Qty::ZERO);
            return Reached { ours: qty, late: Qty::ZERO };
        }
        let Some(ahead) = self.ahead else { return Reached { ours: Qty::ZERO, late } };
        if at.since(self.fell_at) > PRINT_LAG {
            self.fell = Qty::ZERO;
        }
        let late = qty.min(self.fell.max(late));
        self.fell = self.fell.saturating_sub(late);
        let fresh = qty.saturating_sub(late);
        self.ahead = Some(ahead.saturating_sub(fresh));
        Reached { ours: fresh.saturating_sub(ahead), late }
    }
}

/// What a print means for one order.
pub(super) struct Reached {
    /// Quantity left for the order after everything before it.
    pub(super) ours: Qty,
    /// Quantity that moved nothing, because the displayed size had shown it already.
    pub(super) late: Qty,
}

/// Size displayed at this price, or `None` when the price lies outside what the book shows: a level that drops out of
/// a book of limited depth looks like one that was cancelled.
fn displayed(book: &Book, side: Side, price: Price) -> Option<Qty> {
    let last = book.same(side).last()?.price;
    let in_sight = match side {
        Side::Buy => price >= last,
        Side::Sell => price <= last,
    };
    in_sight.then(|| book.qty_at(side, price))
}
