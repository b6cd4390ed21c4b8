//! The module of last resort: cancels what can open and closes what is open, by the venue's own answers and by nothing that
//! we remember. A plain procedure over REST with a client of its own; the guardian runs it beside an engine, the watchdog
//! and `tickdeck kill` where there is none.

mod close;
mod errand;
mod orders;
mod receipt;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use orders::{Kind, kind_of};
pub use receipt::{Receipt, Said};

use super::parse::rows::{OrderRow, PositionRow};
use super::parse::{Odd, Rows};
use super::rest::{Rest, RestError, RestOptions};
use crate::engine::ids::{Account, RunId};
use crate::engine::time::Ts;
use crate::gate::Gate;

/// Between two rounds: the venue's lists follow its answers with a delay.
const ROUND_PAUSE: Duration = Duration::from_millis(150);
/// After a reading that failed.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// What may be cancelled and closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Orders whose id is tickdeck's, and positions of these instruments: not those released to the person, and nothing
    /// that others have made.
    Ours(Arc<BTreeSet<String>>),
    /// Orders whose id is tickdeck's; of positions nobody can say (no ledger, or none that can be read). None is closed, and
    /// none counts as somebody else's: flat is not proven while there is one.
    Unknown,
    /// Whatever the account holds.
    Everything,
    /// Whatever this instrument holds, whoever's it is, and nothing else.
    Instrument(String),
}

impl Whose {
    /// May a position in this instrument be closed? `None` where nobody can say whose it is.
    fn has_position(&self, symbol: &str) -> Option<bool> {
        match self {
            Self::Ours(symbols) => Some(symbols.contains(symbol)),
            Self::Unknown => None,
            Self::Everything => Some(true),
            Self::Instrument(name) => Some(name == symbol),
        }
    }

    /// Could what cannot be read be of it? Then nothing is proven.
    fn has_unread(&self, odd: &Odd) -> bool {
        if let Self::Instrument(name) = self { odd.may_be_of(name) } else { true }
    }

    /// What of positions is closed, for the receipt.
    fn positions(&self) -> String {
        if let Self::Instrument(name) = self { name.clone() } else { "every position".to_owned() }
    }
}

/// What a rescue is made of.
pub struct RescueOptions {
    /// A client of its own: the base, the key, budgets that nobody else waits for.
    pub rest: RestOptions,
    /// Whose money, for the ids of orders.
    pub account: Account,
    /// The run, for the ids of orders.
    pub run: RunId,
    /// Who closes, for the ids of orders: two that close for the same run must not use the same ids.
    pub by: Closer,
}

/// Who runs the rescue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closer {
    /// The guardian of a run, or `tickdeck kill`.
    Guardian,
    /// The watchdog of a run.
    Watchdog,
    /// The account's task of a run, outside the run's instruments, by a person's choice.
    Person,
}

impl Closer {
    const fn letter(self) -> char {
        match self {
            Self::Guardian => 'g',
            Self::Watchdog => 'w',
            Self::Person => 'p',
        }
    }
}

/// Is this the id of a closing order of a rescue of ours, of whatever run?
pub fn is_rescue_link(link: &str) -> bool {
    let mut parts = link.splitn(3, '-');
    let ours = parts.next().is_some_and(|first| first.len() == 2 && first.starts_with('t'));
    let last = parts.nth(1).unwrap_or_default();
    let number = last.strip_prefix(['g', 'w', 'p']).unwrap_or_default();
    ours && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ending {
    /// The venue's own list shows no order of scope that can open.
    pub no_openings: bool,
    /// When flat was confirmed for the second time.
    pub flat: Option<Ts>,
    /// What is left, in words.
    pub left: Vec<String>,
    /// What of others was left alone, in words.
    pub others: Vec<String>,
    /// Open positions of which nobody can say whose they are, in words: they were left, and flat is not proven.
    pub unattributed: Vec<String>,
}

/// The account as the venue shows it now.
struct Seen {
    orders: Rows<OrderRow>,
    positions: Rows<PositionRow>,
}

/// The procedure.
pub struct Rescue {
    rest: Rest,
    ours: String,
    link: String,
    next: AtomicU64,
    /// The gate of an engine beside it, whose closing orders stay back while this can close.
    beside: Option<Gate>,
}

impl Rescue {
    /// Ready to be run. Fails only where no request could ever be made (proxy address, root certificates).
    pub fn new(options: RescueOptions) -> Result<Self, RestError> {
        let rest = Rest::new(options.rest)?;
        Ok(Self::over(rest, options.account, &options.run, options.by))
    }

    /// Over a client that others use too, with whom it shares budgets: for what is not urgent.
    pub fn over(rest: Rest, account: Account, run: &RunId, by: Closer) -> Self {
        let ours = format!("t{}-", account.letter());
        let link = format!("{ours}{run}-{}", by.letter());
        // A watchdog that comes back to a run makes another rescue for it, and the venue refuses an id that it has seen: ids
        // are counted on from the microsecond of now. That is far more than closing orders take, and 31 of 36 characters.
        let next = AtomicU64::new(u64::try_from(rest.now().0 / 1_000).unwrap_or(0));
        Self { rest, ours, link, next, beside: None }
    }

    /// Beside an engine: its own closing orders stay back while this one closes and can read the account, so that not two
    /// close the same. Where it cannot (no network, a ban), the engine's may have another way.
    #[must_use]
    pub fn beside(mut self, gate: Gate) -> Self {
        self.beside = Some(gate);
        self
    }

    fn guard(&self, closing: bool) {
        if let Some(gate) = &self.beside {
            gate.guard(closing);
        }
    }

    /// Measures the venue's clock and keeps a connection open, so that a kill need not make one.
    pub async fn keep_warm(&self) -> Result<(), RestError> {
        self.rest.warm().await;
        self.rest.sync_clock().await.map(|_| ())
    }

    /// Could it act? Measures the clock, and asks what the key may do.
    pub async fn check(&self) -> Result<(), String> {
        self.keep_warm().await.map_err(|error| error.to_string())?;
        let key = self.rest.key_info().await.map_err(|error| error.to_string())?;
        if key.read_only { Err("the API key may only read".to_owned()) } else { Ok(()) }
    }

    /// The client's clock.
    pub fn now(&self) -> Ts {
        self.rest.now()
    }

    fn next_link(&self) -> String {
        format!("{}{}", self.link, self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn look(&self) -> Result<Seen, RestError> {
        let (orders, positions) = tokio::try_join!(self.rest.open_orders(), self.rest.positions())?;
        Ok(Seen { orders, positions })
    }

    /// Says why a reading failed, and waits. Whoever cannot read keeps nobody back.
    async fn wait_after(&self, error: &RestError, receipt: &mut Receipt) {
        self.guard(false);
        match error {
            RestError::Banned { .. } => {
                receipt.note(&format!("{error}: close from the phone: Bybit app > Derivatives > Positions"));
            }
            error if error.is_final() => receipt.note(&format!("{error}: close at the exchange")),
            error => receipt.note(&format!("the account is not read: {error}")),
        }
        tokio::time::sleep(READ_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_orders_of_a_rescue_are_recognised() {
        for ours in ["tt-0mebkw6000a1-g1", "td-0mebkw6000a1-w12", "tl-0mebkw6000a1-p7"] {
            assert!(is_rescue_link(ours), "{ours}");
        }
        for other in ["tt-0mebkw6000a1-000001", "tt-0mebkw6000a1-g", "bot-x-g1", "tt-g1", "", "tt-run-g1x"] {
            assert!(!is_rescue_link(other), "{other}");
        }
    }
}
