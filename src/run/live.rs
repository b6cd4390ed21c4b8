//! `tickdeck` and `tickdeck run` on Bybit: live public data, and the paper account or an account of the venue. One run may
//! follow another on the same screen ([`Prepared`], [`next`]).

use std::path::PathBuf;
use std::sync::Arc;

use super::assemble::{Plan, Shown, open_tape};
use super::feed::{Feed, LiveFeed};
use super::files::ledger_path;
use super::lease::{Lease, LeaseError};
use super::session::Session;
use super::shadow::Shadow;
use super::shelf::Shelf;
use super::stage::{Left, Stage};
use super::start::{Opening, Setup, StartError, held_symbols, new_run, open, open_with, paper_venue, private_folder};
use super::switch::Switch;
use super::watchdog::link::WatchdogPlan;
use crate::engine::event::Restored;
use crate::engine::ids::{Account, Pair, RunId};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::Money;
use crate::engine::preflight::leverage_with_room;
use crate::engine::time::Ts;
use crate::ledger::Ledger;
use crate::model::Model;
use crate::tape::TapeThread;
use crate::venue::Venue;
use crate::venue::bybit::account::opening::Before;
use crate::venue::bybit::account::{AccountOptions, BybitVenue, Claim, Transport};
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
    /// What the person should know about the key, where it was checked before.
    pub notes: Vec<String>,
    /// How orders are sent.
    pub transport: Transport,
    /// How old a request may be when it arrives, in milliseconds.
    pub recv_window_ms: u32,
    /// The same for new orders.
    pub create_recv_window_ms: u32,
}

/// The way to an account for what only cancels and closes: no run can be made of it.
pub struct RescueAccess {
    /// Whose money.
    pub account: Account,
    /// Where it is reached.
    pub hosts: PrivateHosts,
    /// Its key.
    pub credentials: Arc<Credentials>,
    /// How old a request may be when it arrives, in milliseconds.
    pub recv_window_ms: u32,
    /// The same for new orders.
    pub create_recv_window_ms: u32,
}

/// A run whose ledger is open and whose tape has begun: whatever could be refused was not.
pub struct Prepared {
    opening: Opening,
    at: Ts,
    models: Vec<Box<dyn Model>>,
    shelf: Option<Shelf>,
    data_dir: PathBuf,
    tape: Option<TapeThread>,
    min_free_bytes: u64,
    public: PublicOptions,
    private: Option<PrivateAccess>,
    lease: Option<Lease>,
    paper_balance: Money,
    watchdog: Option<WatchdogPlan>,
    recording: bool,
}

impl PrivateAccess {
    /// Takes the account for this process alone.
    fn lease(&self) -> Result<Lease, LeaseError> {
        // The same key opens the same account at every host of Bybit, whatever the mode; each simulator has accounts of its own.
        let exchange = if self.hosts.is_simulated() { self.hosts.rest() } else { "bybit" };
        Lease::take(self.account, exchange, self.credentials.key())
    }

    fn rescue(&self) -> RescueAccess {
        RescueAccess {
            account: self.account,
            hosts: self.hosts.clone(),
            credentials: self.credentials.clone(),
            recv_window_ms: self.recv_window_ms,
            create_recv_window_ms: self.create_recv_window_ms,
        }
    }
}

impl Prepared {
    /// Opens what the run needs. `running` is the stream of the run before, which goes on where the new run can read it.
    pub fn new(
        mut setup: Setup,
        options: LiveOptions,
        running: Option<&PublicOptions>,
        at: Ts,
    ) -> Result<Self, StartError> {
        private_folder(&setup.data_dir)?;
        if options.practice {
            setup.settings = super::demo::practice(setup.settings);
        }
        let account = options.private.as_ref().map_or(Account::Paper, |private| private.account);
        if account != Account::Paper {
            setup.settings.balance_tolerance = BALANCE_TOLERANCE;
        }
        if let Some(private) = options.private.as_ref().filter(|private| private.account == Account::Live) {
            setup.settings.tail = Some(private.credentials.tail().to_owned());
            // Real money is never without its stop, whatever the file says.
            setup.settings.protect.required = true;
        }
        let lease = options.private.as_ref().map(PrivateAccess::lease).transpose()?;
        let pair = Pair::bybit(account);
        let mut public = options.public;
        if !options.recording {
            add_held(&mut public.symbols, &setup, pair);
        }
        if let Some(running) = running.filter(|running| serves(running, &public)) {
            public = running.clone();
        }
        let mut opening = opening(pair, &public.symbols, &setup, at, options.recording)?;
        opening.troubles.extend(options.private.iter().flat_map(|private| private.notes.clone()));
        let source = format!("bybit {}", public.hosts.linear());
        let min_free_bytes = setup.tape.map_or(0, |quota| quota.min_free_bytes);
        let tape = open_tape(&opening.restored, &setup.data_dir, setup.tape, &source, at)?;
        Ok(Self {
            opening,
            at,
            models: setup.models,
            shelf: setup.shelf,
            data_dir: setup.data_dir,
            tape,
            min_free_bytes,
            public,
            private: options.private,
            lease,
            paper_balance: setup.balance,
            watchdog: options.watchdog,
            recording: options.recording,
        })
    }

    /// Whose money.
    pub const fn account(&self) -> Account {
        self.opening.restored.pair.account()
    }
    /// The ledger whose marker is written when the engine panics.
    pub fn latch_beside(&self) -> (PathBuf, Pair) {
        let pair = self.opening.restored.pair;
        (ledger_path(&self.data_dir, pair), pair)
    }

    /// The run does not begin. What its ledger and tape do not take any more says nothing that matters.
    pub fn abandon(mut self) {
        self.opening.ledger.end_run(self.at, "never began").ok();
        if let Some(tape) = self.tape {
            tape.finish().ok();
        }
    }
}

/// May a run go on with this stream in place of the one it wants?
fn serves(running: &PublicOptions, wanted: &PublicOptions) -> bool {
    running.hosts == wanted.hosts && wanted.symbols.iter().all(|name| running.symbols.contains(name))
}

/// A session on Bybit's market, ready to run. `switch` is the way to another account, where there is one.
pub fn session(
    setup: Setup,
    options: LiveOptions,
    shown: Shown,
    switch: Option<Switch>,
) -> Result<Session, StartError> {
    let stage = Stage::set(shown.fps.is_some(), shown.departure)?;
    let prepared = Prepared::new(setup, options, None, stage.clock.now())?;
    begin(prepared, stage, None, shown, switch)
}

/// The session after another one, on its screen and, where it reads the same market, on its stream.
pub fn next(prepared: Prepared, switch: Switch, left: Left, shown: Shown) -> Result<Session, StartError> {
    let before = match left.finished.feed {
        Feed::Live(feed) => Some(feed),
        Feed::Simulated(_) | Feed::Tape(_) => None,
    };
    let mut session = begin(prepared, left.stage, before, shown, Some(switch))?;
    // What was asked of the old run was not asked of this one.
    for request in session.stage.end.forget_requests() {
        session.stage.cockpit.ask(request);
    }
    session.troubles.extend(left.finished.troubles);
    Ok(session)
}

fn begin(
    mut prepared: Prepared,
    stage: Stage,
    before: Option<Box<LiveFeed>>,
    shown: Shown,
    switch: Option<Switch>,
) -> Result<Session, StartError> {
    let followed = before.is_some();
    let goes_on = before.filter(|feed| serves(feed.options(), &prepared.public));
    if followed {
        prepared.opening.troubles.push(what_carries_over(goes_on.is_some(), &prepared.opening));
    }
    let waker = stage.cockpit.clone();
    let (now, wake): (Now, Wake) = (Arc::new(stage.clock.reader()), Arc::new(move || waker.wake()));
    let mut feed = match goes_on {
        Some(feed) => feed,
        None => Box::new(listen(&prepared.public, now.clone(), wake.clone(), switch.is_some())?),
    };
    let begins = feed.hand_over(prepared.at, prepared.opening.restored.holdings.is_empty());
    let simulated_venue = prepared.public.hosts.is_simulated();
    let shadow = prepared.private.is_some().then(|| shadow(&prepared.opening.restored, prepared.paper_balance));
    let mut rescue = None;
    let venue: Box<dyn Venue> = match prepared.private {
        None => Box::new(paper_venue(&prepared.opening.restored)),
        Some(access) => {
            let (run, proxy) = (prepared.opening.restored.run.clone(), prepared.public.proxy.clone());
            rescue = Some(rescue_options(&access.rescue(), run, proxy, now.clone(), Closer::Guardian));
            let claim = prepared.lease.as_ref().map_or_else(Claim::free, Lease::claim);
            let options = account_options(access, feed.options(), &prepared.opening, claim);
            let handle = feed.handle().ok_or_else(|| std::io::Error::other("the sockets have ended"))?;
            Box::new(BybitVenue::start(handle, options, now, wake)?)
        }
    };
    super::assemble::session(Plan {
        venue,
        shadow,
        opening: prepared.opening,
        begins,
        stage,
        feed: Feed::Live(feed),
        models: prepared.models,
        shelf: prepared.shelf,
        data_dir: &prepared.data_dir,
        tape: prepared.tape,
        min_free_bytes: prepared.min_free_bytes,
        lease: prepared.lease,
        switch,
        label: String::new(),
        simulated_venue,
        ledger_in_memory: prepared.recording,
        rescue,
        watchdog: prepared.watchdog,
        shown,
    })
}

/// The paper venue beside an account at the venue: flat, with a new paper account's balance.
fn shadow(restored: &Restored, balance: Money) -> Shadow {
    let beside = Restored { balance, holdings: Vec::new(), ..restored.clone() };
    Shadow::new(paper_venue(&beside), balance)
}

/// Said when one account followed another.
fn what_carries_over(goes_on: bool, opening: &Opening) -> String {
    let account = opening.restored.pair.account().word();
    let market = match (goes_on, opening.restored.holdings.is_empty()) {
        (true, true) => "the market goes on with the last two minutes of it",
        (true, false) => "the market goes on from now, because a position is open there",
        (false, _) => "it has a market of its own: books, features and models start anew",
    };
    format!("now on the {account} account, disarmed: {market}; orders, limits, arming and positions are its own")
}

fn listen(public: &PublicOptions, now: Now, wake: Wake, carries: bool) -> Result<LiveFeed, StartError> {
    let runtime = runtime()?;
    let (outlet, inlet) = line(MARKET_EVENTS_MAX, now, wake);
    let stream = PublicStream::start(runtime.handle(), public.clone(), outlet)?;
    Ok(LiveFeed::new(inlet, stream, public.clone(), runtime, carries))
}

/// A way of last resort to an account, with a client and budgets of its own.
pub fn rescue_options(access: &RescueAccess, run: RunId, proxy: Option<String>, now: Now, by: Closer) -> RescueOptions {
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

fn account_options(access: PrivateAccess, public: &PublicOptions, opening: &Opening, claim: Claim) -> AccountOptions {
    let restored = &opening.restored;
    AccountOptions {
        hosts: access.hosts,
        credentials: access.credentials,
        account: access.account,
        run: restored.run.clone(),
        before: Before::of(restored, opening.booked.clone(), opening.account_since),
        symbols: public.symbols.clone(),
        transport: access.transport,
        recv_window_ms: access.recv_window_ms,
        create_recv_window_ms: access.create_recv_window_ms,
        proxy: public.proxy.clone(),
        limits: public.limits.clone(),
        heartbeat: public.timing.heartbeat,
        signs: public.signs.clone(),
        leverage_most: leverage_with_room(&restored.limits),
        claim,
    }
}

/// Instruments in which the ledger holds a position or an order without a known end belong to the run: what is open is
/// always looked after.
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
        return open_with((Ledger::in_memory(pair)?, Vec::new()), pair, instruments, setup, "", (at, new_run(at)));
    }
    open(pair, instruments, setup, "", at)
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).thread_name("net").enable_all().build()?)
}
