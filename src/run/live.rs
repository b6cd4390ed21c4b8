//! `tickdeck` and `tickdeck run` on Bybit: live public data, and the paper account or an account of the venue.

use std::sync::Arc;

use super::assemble::{Plan, Shown};
use super::clock::Clock;
use super::feed::{Feed, LiveFeed};
use super::session::Session;
use super::start::{Opening, Setup, StartError, held_symbols, open, open_with, paper_venue, private_folder};
use super::watchdog::link::WatchdogPlan;
use crate::engine::ids::{Account, Pair, RunId};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::Money;
use crate::engine::time::Ts;
use crate::ledger::Ledger;
use crate::tui::link::{CockpitEnd, link};
use crate::venue::Venue;
use crate::venue::bybit::account::{AccountOptions, BybitVenue, Transport};
use crate::venue::bybit::credentials::Credentials;
use crate::venue::bybit::hosts::PrivateHosts;
use crate::venue::bybit::public::{PublicOptions, PublicStream};
use crate::venue::bybit::rescue::{Closer, RescueOptions};
use crate::venue::bybit::rest::{RestOptions, SharedLimits, VenueClock};
use crate::venue::line::{Now, Wake, line};

/// Events that may wait between the sockets and the engine: a second of a busy market.
const MARKET_EVENTS_MAX: usize = 8192;

/// A venue rounds its balance in its own way: what it states may lie this far from our exact figures.
const BALANCE_TOLERANCE: Money = Money::from_raw(10_000_000_000_000_000);

/// What a live run is asked for.
pub struct LiveOptions {
    /// Public hosts, instruments, and what to read there.
    pub public: PublicOptions,
    /// The account at the venue; `None` is our own paper account.
    pub private: Option<PrivateAccess>,
    /// Record market data only: nothing is traded, no ledger is kept.
    pub recording: bool,
    /// Edge gate off.
    pub practice: bool,
    /// How the account's watchdog is started; `None` where none is wanted.
    pub watchdog: Option<WatchdogPlan>,
}

/// The way to an account at the venue.
pub struct PrivateAccess {
    /// Whose money.
    pub account: Account,
    /// Where it is reached.
    pub hosts: PrivateHosts,
    /// Its key.
    pub credentials: Arc<Credentials>,
    /// How orders are sent.
    pub transport: Transport,
    /// How old a request may be when it arrives, in milliseconds.
    pub recv_window_ms: u32,
    /// The same for new orders.
    pub create_recv_window_ms: u32,
}

/// A session on Bybit's market, ready to run, and the cockpit's end of its line.
pub fn session(mut setup: Setup, options: LiveOptions, shown: Shown) -> Result<(Session, CockpitEnd), StartError> {
    private_folder(&setup.data_dir)?;
    if options.practice {
        setup.settings = super::demo::practice(setup.settings);
    }
    let account = options.private.as_ref().map_or(Account::Paper, |private| private.account);
    if account != Account::Paper {
        setup.settings.balance_tolerance = BALANCE_TOLERANCE;
    }
    let pair = Pair::bybit(account);
    let clock = Clock::start();
    let at = clock.now();
    let mut public = options.public;
    if !options.recording {
        add_held(&mut public.symbols, &setup, pair);
    }
    let opening = opening(pair, &public.symbols, &setup, at, options.recording)?;
    let runtime = runtime()?;
    let (cockpit, end) = link();
    let waker = cockpit.clone();
    let (now, wake): (Now, Wake) = (Arc::new(clock.reader()), Arc::new(move || waker.wake()));
    let (outlet, inlet) = line(MARKET_EVENTS_MAX, now.clone(), wake.clone());
    let source = format!("bybit {}", public.hosts.linear());
    let simulated_venue = public.hosts.is_simulated();
    let mut rescue = None;
    let venue: Box<dyn Venue> = match options.private {
        None => paper_venue(&opening.restored),
        Some(access) => {
            let run = opening.restored.run.clone();
            rescue = Some(rescue_options(&access, run, public.proxy.clone(), now.clone(), Closer::Guardian));
            let options = account_options(access, &public, opening.restored.run.clone());
            Box::new(BybitVenue::start(runtime.handle(), options, now, wake)?)
        }
    };
    let stream = PublicStream::start(runtime.handle(), public, outlet)?;
    super::assemble::session(Plan {
        venue,
        opening,
        begins: at,
        clock,
        line: (cockpit, end),
        feed: Feed::Live(Box::new(LiveFeed::new(inlet, stream, runtime))),
        models: setup.models,
        data_dir: &setup.data_dir,
        tape: setup.tape,
        source,
        label: String::new(),
        simulated_venue,
        ledger_in_memory: options.recording,
        rescue,
        watchdog: options.watchdog,
        shown,
    })
}

/// A way of last resort to an account, with a client and budgets of its own.
pub fn rescue_options(
    access: &PrivateAccess,
    run: RunId,
    proxy: Option<String>,
    now: Now,
    by: Closer,
) -> RescueOptions {
    let rest = RestOptions {
        base: access.hosts.rest().to_owned(),
        credentials: Some(access.credentials.clone()),
        recv_window_ms: access.recv_window_ms,
        create_recv_window_ms: access.create_recv_window_ms,
        proxy,
        limits: SharedLimits::default(),
        clock: Arc::new(VenueClock::default()),
        now,
    };
    RescueOptions { rest, account: access.account, run, by }
}

fn account_options(access: PrivateAccess, public: &PublicOptions, run: RunId) -> AccountOptions {
    AccountOptions {
        hosts: access.hosts,
        credentials: access.credentials,
        account: access.account,
        run,
        symbols: public.symbols.clone(),
        transport: access.transport,
        recv_window_ms: access.recv_window_ms,
        create_recv_window_ms: access.create_recv_window_ms,
        proxy: public.proxy.clone(),
        limits: public.limits.clone(),
        heartbeat: public.timing.heartbeat,
    }
}

/// Instruments in which the ledger holds a position belong to the run: what is open is always looked after.
fn add_held(symbols: &mut Vec<String>, setup: &Setup, pair: Pair) {
    for held in held_symbols(&setup.data_dir, pair) {
        if !symbols.contains(&held) {
            symbols.push(held);
        }
    }
}

fn opening(pair: Pair, symbols: &[String], setup: &Setup, at: Ts, recording: bool) -> Result<Opening, StartError> {
    // The venue says the rules as soon as it is reached; until then nothing is known and nothing opens.
    let instruments = symbols.iter().map(|name| Instrument::unknown(name)).collect();
    if recording {
        return open_with((Ledger::in_memory(pair)?, Vec::new()), pair, instruments, setup, "", at);
    }
    open(pair, instruments, setup, "", at)
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).thread_name("net").enable_all().build()?)
}
