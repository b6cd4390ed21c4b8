//! What every run starts from: instruments, ledger, limits, latch - put together once, in one place.

use std::path::{Path, PathBuf};

use super::clock::entropy;
use super::files::ledger_path;
use super::shelf::Shelf;
use crate::engine::event::Restored;
use crate::engine::ids::{Account, Market, Pair, RunId};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::Money;
use crate::engine::risk::limits::RiskLimits;
use crate::engine::settings::Settings;
use crate::engine::time::{Span, Ts};
use crate::ledger::{Ledger, LedgerError, RunRow, Stored};
use crate::model::Model;
use crate::tape::Quota;
use crate::venue::paper::{PaperSettings, PaperVenue};

/// What configuration decides about a run.
pub struct Setup {
    /// Strategy, arming and model settings.
    pub settings: Settings,
    /// Limits of the file.
    pub limits: RiskLimits,
    /// Balance of a new paper account.
    pub balance: Money,
    /// Models to ask.
    pub models: Vec<Box<dyn Model>>,
    /// Where they come from, where they may be read again while it runs.
    pub shelf: Option<Shelf>,
    /// Data directory.
    pub data_dir: PathBuf,
    /// Record a tape within this quota.
    pub tape: Option<Quota>,
}

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ledger could not be opened at all.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The tape to replay, or the one to write.
    #[error(transparent)]
    Tape(#[from] crate::tape::TapeError),
    /// A file or folder.
    #[error("cannot {what} {path}: {error}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A thread could not be started, or the system refused signals.
    #[error("the system refused a thread or signals: {0}")]
    System(#[from] std::io::Error),
    /// The exchange client could not even be made.
    #[error(transparent)]
    Exchange(#[from] crate::venue::bybit::rest::RestError),
    /// A model was made for something else than this run.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// The account is another engine's.
    #[error(transparent)]
    Lease(#[from] super::lease::LeaseError),
    /// The screen.
    #[error(transparent)]
    Screen(#[from] crate::tui::UiError),
    /// An audit needs what the recorded run saw.
    #[error(
        "{0} was imported, not recorded by tickdeck: an audit replay has nothing to compare; replay it without --audit"
    )]
    NotRecorded(String),
    /// The tape is empty, or its times make no sense.
    #[error("{0}: there is no market data to play")]
    Empty(String),
}

/// A run that is about to begin.
pub struct Opening {
    /// First event.
    pub restored: Restored,
    /// The open ledger, with the run begun.
    pub ledger: Ledger,
    /// When an earlier run was last heard of, and the executions that were booked around then.
    pub booked: (Option<Ts>, Vec<(String, String)>),
    /// When the account at the venue was first opened with this ledger.
    pub account_since: Option<Ts>,
    /// What the person must know before the first frame.
    pub troubles: Vec<String>,
}

/// Creates a folder for this user alone.
pub fn private_folder(path: &Path) -> Result<(), StartError> {
    crate::ledger::private_folder(path).map_err(|error| StartError::File {
        what: "create",
        path: path.to_owned(),
        error,
    })
}

/// Opens the ledger and reads what the run starts from.
pub fn open(
    pair: Pair,
    instruments: Vec<Instrument>,
    setup: &Setup,
    label: &str,
    at: Ts,
) -> Result<Opening, StartError> {
    let (ledger, troubles) = match pair.market() {
        // Replays and backtests neither read nor set the latches and money of any other run.
        Market::Tape => (Ledger::in_memory(pair)?, Vec::new()),
        Market::Bybit | Market::Simulated => {
            let opened = Ledger::open_or_killed(&ledger_path(&setup.data_dir, pair), pair, at)?;
            (opened.ledger, opened.trouble.into_iter().collect())
        }
    };
    open_with((ledger, troubles), pair, instruments, setup, label, (at, new_run(at)))
}

/// The id of a run that begins now.
pub(super) fn new_run(at: Ts) -> RunId {
    RunId::new(at.as_ms(), entropy())
}

/// Names of the instruments in which the ledger of a pair holds a position, or at a venue an order without a known end. What cannot be read is found when the ledger
/// is opened.
pub fn held_symbols(data_dir: &Path, pair: Pair) -> Vec<String> {
    let held = |path: &Path| {
        let reader = crate::ledger::Reader::open(path)?;
        let mut names = reader.held()?;
        // Our own paper venue ends with its process, and its orders with it.
        if pair.account() != Account::Paper {
            names.extend(reader.unsettled()?);
        }
        Ok::<_, LedgerError>(names)
    };
    let path = ledger_path(data_dir, pair);
    if path.exists() { held(&path).unwrap_or_default() } else { Vec::new() }
}

/// Reads what a run with this id starts from, at this time, out of an open ledger.
pub fn open_with(
    (mut ledger, mut troubles): (Ledger, Vec<String>),
    pair: Pair,
    instruments: Vec<Instrument>,
    setup: &Setup,
    label: &str,
    (at, run): (Ts, RunId),
) -> Result<Opening, StartError> {
    for model in &setup.models {
        model.card().fits(&instruments, setup.settings.decision_interval)?;
    }
    let mut stored = ledger.restore(&instruments)?;
    let cut_off = stored.cut_off.map(|began| cut_off(began, &stored));
    if pair.market() == Market::Simulated && !(stored.holdings.is_empty() && stored.unresolved.is_empty()) {
        let ended = ledger.market_ended(at, &instruments, &[])?;
        stored = ledger.restore(&instruments)?;
        if ended > 0 {
            troubles
                .push(format!("{ended} position(s) of an earlier simulated market were booked as \"market ended\""));
        }
    }
    if pair == Pair::bybit(Account::Paper) && !stored.unresolved.is_empty() {
        // The paper venue lives in this process: what rested there ended with it.
        ledger.orders_ended(at)?;
        let ended = stored.unresolved.len();
        stored = ledger.restore(&instruments)?;
        troubles.push(format!("{ended} resting paper order(s) of an earlier run were cancelled"));
    }
    if pair == Pair::bybit(Account::Paper) && !stored.holdings.is_empty() {
        troubles.extend(stored.last_run.and_then(|last| unbooked_funding(last, at)));
    }
    troubles.splice(0..0, cut_off);
    troubles.extend(nobody_looks(setup));
    for name in &stored.unknown_holdings {
        troubles.push(format!("the ledger holds a position in {name}, which is not among this run's symbols"));
    }
    let balance = stored.balance.unwrap_or(setup.balance);
    ledger.note_instruments(&instruments)?;
    ledger.begin_run(&RunRow {
        run: run.clone(),
        pair,
        started: at,
        label: label.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        balance,
    })?;
    let restored = Restored {
        run,
        pair,
        instruments,
        models: setup.models.iter().map(|model| model.info().clone()).collect(),
        settings: setup.settings.clone(),
        limits: tighter(&setup.limits, &stored.limits),
        latch: stored.latch,
        flat_proven: stored.flat_proven.filter(|_| stored.unknown_holdings.is_empty()),
        balance,
        holdings: stored.holdings,
        baselines: stored.baselines,
        released: stored.released,
        armed_until: stored.armed_until,
        outside_seen: stored.outside_seen,
        waived: stored.waived,
        flattening: stored.flattening,
        opened: stored.opened,
        earlier: stored.earlier,
        account_known: pair.account() == Account::Paper,
    };
    let (booked, account_since) = ((stored.last_run, stored.booked), stored.account_since);
    Ok(Opening { restored, ledger, booked, account_since, troubles })
}

/// There are models, and none of them says anything about the horizon that is traded on.
fn nobody_looks(setup: &Setup) -> Option<String> {
    let horizon_s = setup.settings.horizon_s;
    let told = |model: &dyn Model| {
        let horizons: Vec<String> = model.info().horizons_s.iter().map(u32::to_string).collect();
        format!("{} {}", model.info().name, horizons.join(", "))
    };
    let looks = |model: &dyn Model| model.info().horizons_s.contains(&horizon_s);
    let nobody = !setup.models.is_empty() && !setup.models.iter().any(|model| looks(model.as_ref()));
    let all: Vec<String> = setup.models.iter().map(|model| told(model.as_ref())).collect();
    nobody.then(|| {
        format!(
            "nothing opens by a forecast: no model looks strategy.horizon_s = {horizon_s} s ahead ({})",
            all.join("; ")
        )
    })
}

/// The run before this one crashed or was cut off: since when it ran, when it was last heard of, and what it left.
fn cut_off(began: Ts, stored: &Stored) -> String {
    let heard =
        stored.last_run.filter(|at| *at > began).map_or_else(String::new, |at| format!(", last heard of at {at}"));
    let (positions, orders) = (stored.holdings.len() + stored.unknown_holdings.len(), stored.unresolved.len());
    let latch =
        stored.latch.as_ref().map_or_else(|| "no latch".to_owned(), |latch| format!("latched ({})", latch.cause));
    format!(
        "the last run (began {began}{heard}) ended without saying goodbye. Its ledger has {positions} open position(s), \
         {orders} order(s) without a known end, {latch}; what the account really holds is compared before anything opens"
    )
}

/// Paper positions that were open while nothing ran: the venue settles funding on the hour, and what it would have been is
/// not known here.
fn unbooked_funding(last: Ts, at: Ts) -> Option<String> {
    let hour = Span::from_secs(3600);
    let settled_between = at.floor_to(hour) > last;
    settled_between.then(|| {
        let away = at.since(last);
        format!(
            "paper positions were open for {away} while nothing ran: funding that fell due is unknown and not booked"
        )
    })
}

/// The limits of the file, each tightened to what was set by hand.
fn tighter(file: &RiskLimits, by_hand: &[(crate::engine::risk::limits::LimitKey, i64)]) -> RiskLimits {
    by_hand.iter().fold(file.clone(), |limits, (key, value)| {
        if key.is_tighter(limits.get(*key), *value) { limits.with(*key, *value).unwrap_or(limits) } else { limits }
    })
}

/// The paper venue of a run.
pub fn paper_venue(restored: &Restored) -> PaperVenue {
    let settings = PaperSettings {
        latency: restored.settings.paper_latency,
        taker_fee: restored.settings.taker_fee,
        maker_fee: restored.settings.maker_fee,
    };
    PaperVenue::new(settings, restored.instruments.clone(), restored.balance, &restored.holdings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn funding_is_unknown_where_an_hour_turned_while_nothing_ran() {
        let minute = |n: i64| Ts::from_ms(n * 60_000);
        assert_eq!(unbooked_funding(minute(61), minute(119)), None);
        assert!(unbooked_funding(minute(59), minute(61)).unwrap().contains("not booked"));
    }

    #[test]
    fn a_run_that_was_cut_off_is_named_with_what_it_left() {
        let stored = Stored { last_run: Some(Ts::from_ms(120_000)), ..Stored::default() };
        let text = cut_off(Ts::from_ms(60_000), &stored);
        assert!(
            text.contains("began 1970-01-01T00:01:00") && text.contains("last heard of at 1970-01-01T00:02"),
            "{text}"
        );
        assert!(text.contains("without saying goodbye") && text.contains("0 open position(s)"), "{text}");
    }
}
