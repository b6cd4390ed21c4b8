//! What the venue's own log of transactions adds up to since the opening, and whether it lists the executions that were
//! told: only then do its sums and the engine's belong to the same moment.

use std::collections::BTreeMap;

use crate::engine::event::Tally;
use crate::engine::num::Money;
use crate::engine::time::Span;
use crate::venue::bybit::parse::rest::account::TransactionRow;
use crate::venue::bybit::parse::rows::ExecutionRow;

/// The log lags: it is read again from this long before where it was last read to.
const OVERLAP: Span = Span::from_secs(600);
/// Before an execution that it does not show yet.
const BEFORE: Span = Span::from_secs(60);

/// Instrument and execution id; of what is no execution the venue's id of the row.
type Key = (String, String);

/// The log and what was told, both since the opening.
#[derive(Debug, Default)]
pub struct Ties {
    /// The opening, ms on the venue's clock; what is of then or before is part of it.
    since_ms: Option<i64>,
    read_to_ms: i64,
    sums: Tally,
    /// Rows that were counted, with their time, as far back as the log is read again.
    counted: BTreeMap<Key, i64>,
    /// Executions told that the log has not shown, with their time.
    unlogged: BTreeMap<Key, i64>,
    /// Executions of the log that were not told, with what they added.
    untold: BTreeMap<Key, Tally>,
}

/// How the log and what was told compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tie {
    /// Both list the same executions: these are the venue's sums.
    Same(Tally),
    /// The log does not show what was told, the oldest of this time (ms).
    LogBehind(i64),
    /// The log shows executions that were not told.
    Untold(Tally),
}

impl Ties {
    /// Begins at the opening.
    pub fn open(&mut self, at_ms: i64) {
        *self = Self { since_ms: Some(at_ms), read_to_ms: at_ms, ..Self::default() };
    }

    /// From where to read the log, ms on the venue's clock; `None` before the opening.
    pub fn reads_from_ms(&self) -> Option<i64> {
        let since = self.since_ms?;
        let oldest = self.unlogged.values().min().map_or(i64::MAX, |at| at.saturating_sub(BEFORE.as_ms()));
        // What was told may be of a time before the opening: clocks differ.
        Some((self.read_to_ms - OVERLAP.as_ms()).max(since).min(oldest))
    }

    /// An execution was told.
    pub fn told(&mut self, row: &ExecutionRow) {
        if self.since_ms.is_none() {
            return;
        }
        let key = (row.symbol.clone(), row.exec_id.clone());
        if self.untold.remove(&key).is_none() && !self.counted.contains_key(&key) {
            self.unlogged.insert(key, row.time_ms);
        }
    }

    /// An execution is part of the opening, whatever its time says.
    pub fn covered(&mut self, row: &ExecutionRow) {
        if self.since_ms.is_none_or(|since| row.time_ms <= since) {
            return;
        }
        let key = (row.symbol.clone(), row.exec_id.clone());
        if let Some(added) = self.untold.remove(&key) {
            self.sums.realised -= added.realised;
            self.sums.fees -= added.fees;
            self.sums.funding -= added.funding;
            self.sums.moved -= added.moved;
        }
        self.counted.insert(key, row.time_ms);
    }

    /// The log as it was read at `read_to_ms`; `ours` says which instruments are of this run.
    pub fn take(&mut self, read_to_ms: i64, rows: &[TransactionRow], ours: impl Fn(&str) -> bool) -> Tie {
        for row in rows {
            self.count(row, &ours);
        }
        self.read_to_ms = self.read_to_ms.max(read_to_ms);
        let from = self.reads_from_ms().unwrap_or_default();
        self.counted.retain(|_, at| *at >= from);
        match self.unlogged.values().min() {
            Some(oldest) => Tie::LogBehind(*oldest),
            None if !self.untold.is_empty() => Tie::Untold(self.sums),
            None => Tie::Same(self.sums),
        }
    }

    fn count(&mut self, row: &TransactionRow, ours: &impl Fn(&str) -> bool) {
        let symbol = row.symbol.clone().unwrap_or_default();
        let id = row.trade_id.clone().or_else(|| row.id.clone()).unwrap_or_else(|| row.time_ms.to_string());
        let key = (symbol, id);
        let old = self.since_ms.is_none_or(|since| row.time_ms <= since) && !self.unlogged.contains_key(&key);
        if row.coin != "USDT" || old {
            return;
        }
        if self.counted.insert(key.clone(), row.time_ms).is_some() {
            return;
        }
        let amount = |amount: Option<Money>| amount.unwrap_or(Money::ZERO);
        let booked = row.linear && row.trade_id.is_some() && ours(&key.0);
        if !booked {
            self.sums.moved += row.change;
            return;
        }
        let (realised, fees, funding) = (amount(row.cash_flow), amount(row.fee), amount(row.funding));
        // `change = cash flow + funding − fee` (contract 8.7); what is beyond it is neither.
        let added = Tally { realised, fees, funding, moved: row.change - (realised + funding - fees) };
        self.sums.realised += added.realised;
        self.sums.fees += added.fees;
        self.sums.funding += added.funding;
        self.sums.moved += added.moved;
        if self.unlogged.remove(&key).is_none() {
            self.untold.insert(key, added);
        }
    }
}
