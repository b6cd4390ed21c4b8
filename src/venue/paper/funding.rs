//! When funding settles: once per settlement, however the announced time moves and whatever data is missing.

use crate::engine::event::Ticker;
use crate::engine::num::Rate;
use crate::engine::time::{Span, Ts};

/// Two announced times closer than this are the same settlement; venues settle at most once an hour.
const SAME_SETTLEMENT: Span = Span::from_secs(60);

/// Settlements booked across one hole in the data. A longer hole is not a market that went on without us.
const CATCH_UP_MAX: i64 = 100;

/// The funding of one instrument.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Span,
    rate: Option<Rate>,
    next: Option<Ts>,
    settled: Option<Ts>,
}

impl Schedule {
    /// A schedule without announced times yet; `interval_s` is 0 where the instrument has no funding of its own.
    pub(super) fn every(interval_s: u32) -> Self {
        Self { interval: Span::from_secs(i64::from(interval_s)), rate: None, next: None, settled: None }
    }

    /// When funding settles next.
    pub(super) const fn due(&self) -> Option<Ts> {
        self.next
    }

    /// Rate of the next settlement, as last heard.
    pub(super) const fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Does this ticker already announce the settlement after the one that is due any moment? The venue's clock is then
    /// a little ahead of ours, and the due one has happened.
    pub(super) fn overtaken_by(&self, now: Ts, ticker: &Ticker) -> bool {
        match (self.next, ticker.next_funding) {
            (Some(due), Some(next)) => next.since(due).0 > self.same().0 && due.since(now).0 <= self.same().0,
            _ => false,
        }
    }

    /// Takes in what a ticker says. Times that passed, or that name the settlement just booked, are old news.
    pub(super) fn hear(&mut self, now: Ts, ticker: &Ticker) {
        if let Some(rate) = ticker.funding_rate {
            self.rate = Some(rate);
        }
        if let Some(next) = ticker.next_funding
            && next > now
            && self.settled.is_none_or(|settled| next.since(settled).0 > self.same().0)
        {
            self.next = Some(next);
        }
    }

    /// Marks the due settlement as booked and expects the following one an interval later, until a ticker says
    /// otherwise: a settlement inside a hole in the data is not skipped. `now` is how far time has come.
    pub(super) fn settled(&mut self, now: Ts) {
        let Some(due) = self.next.take() else { return };
        self.settled = Some(due);
        if self.interval.0 <= 0 {
            return;
        }
        let behind = now.since(due).0.max(0) / self.interval.0;
        let skipped = Span(behind.saturating_sub(CATCH_UP_MAX).max(0).saturating_mul(self.interval.0));
        let next = due + skipped + self.interval;
        // At the end of time the sum saturates; nothing follows.
        self.next = (next > due).then_some(next);
    }

    fn same(&self) -> Span {
        match self.interval.0 {
            0 => SAME_SETTLEMENT,
            interval => Span(SAME_SETTLEMENT.0.min(interval / 2)),
        }
    }
}
