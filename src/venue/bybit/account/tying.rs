//! When the venue's log of transactions is read, and what follows from it: the account's task asks some minutes apart,
//! after every absence, and when it is asked to.

use super::desk::Tie;
use super::jobs::{Ask, Moment};
use super::runner::Runner;
use crate::engine::event::Tally;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::Rows;
use crate::venue::bybit::parse::rest::account::TransactionRow;
use crate::venue::bybit::rest::RestError;

/// Between two tie-outs.
const EVERY: Span = Span::from_secs(240);
/// Between two tries of one.
const AGAIN: Span = Span::from_secs(2);
/// The log may lag for this long, and executions may be heard of this much later, before it is news.
const PATIENCE: Span = Span::from_secs(60);

/// The running and the next tie-out.
#[derive(Debug, Default)]
pub(super) struct Tying {
    /// When the log is read next.
    due: Option<Ts>,
    /// The log is being read.
    reading: bool,
    /// Since when it is tried.
    since: Option<Ts>,
    /// It was told that it cannot be known.
    unknown: bool,
}

impl Tying {
    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Ts> {
        self.due.filter(|_| !self.reading)
    }
    /// Soon, on request or after an absence.
    pub(super) fn ask(&mut self, now: Ts) {
        self.due = Some(now);
        self.since = None;
    }
    fn over(&mut self, now: Ts) {
        (self.due, self.since) = (Some(now + EVERY), None);
    }
}

impl Runner {
    /// Reads the log where that is due.
    pub(super) fn tie_when_due(&mut self, at: &Moment) {
        if self.tying.due().is_none_or(|due| due > at.now) {
            return;
        }
        let Some(from_ms) = self.desk.log_from() else {
            self.tying.due = Some(at.now + EVERY);
            return;
        };
        self.tying.reading = true;
        self.tying.since.get_or_insert(at.now);
        // The venue's clock and ours agree to a second or so: a row of the moment to come is no harm.
        self.asks.push(Ask::Log { from_ms, to_ms: (at.venue + PATIENCE).as_ms(), read_to: at.venue });
    }

    /// The log has come.
    pub(super) fn on_log(&mut self, at: &Moment, read_to: Ts, log: Result<Rows<TransactionRow>, RestError>) {
        let now = at.now;
        self.tying.reading = false;
        let waited = now.since(self.tying.since.unwrap_or(now)) >= PATIENCE;
        let again = now + AGAIN;
        let rows = match log.map(|rows| (rows.good, rows.odd.into_iter().next())) {
            Ok((rows, None)) => rows,
            Ok((_, Some(odd))) => return self.tie_unknown(now, &odd.to_string()),
            Err(error) if waited => return self.tie_unknown(now, &error.to_string()),
            Err(_) => return self.tying.due = Some(again),
        };
        match self.desk.take_log(read_to.as_ms(), &rows) {
            Tie::Same(tally) => self.tie(now, tally),
            // A difference that stays is one.
            Tie::Untold(tally) if waited => self.tie(now, tally),
            Tie::Untold(_) => {
                self.fall_behind(at);
                self.read_soon(now);
                self.tying.due = Some(again);
            }
            Tie::LogBehind(oldest) if read_to.since(Ts::from_ms(oldest)) >= PATIENCE && waited => {
                self.tie_unknown(now, "it does not show every execution that was told");
            }
            Tie::LogBehind(_) => self.tying.due = Some(again),
        }
    }

    fn tie(&mut self, now: Ts, tally: Tally) {
        self.tying.unknown = false;
        self.tying.over(now);
        self.desk.tie_out(Some(tally));
    }

    fn tie_unknown(&mut self, now: Ts, why: &str) {
        self.tying.over(now);
        self.desk.tie_out(None);
        if !std::mem::replace(&mut self.tying.unknown, true) {
            let text = format!("PnL is not tied out against the exchange's log of transactions: {why}");
            self.desk.tell(text);
        }
    }
}
