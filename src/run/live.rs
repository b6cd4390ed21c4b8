//! `tickdeck` and `tickdeck run` on Bybit: live public data, and the paper account or an account of the venue.

use std::sync::Arc;

use super::assemble::{Plan, Shown};
use super::clock::Clock;
use super::feed::{Feed, LiveFeed};
use super::session::Session;
use super::start::{Opening, Setup, StartError, held_symbols, open, open_with, paper_venue, private_folder};
use crate::engine::ids::{Account, Pair};
use crate::engine::market::instrument::Instrument;
use crate::engine::time::Ts;
use crate::ledger::Ledger;
use crate::tui::link::{CockpitEnd, link};
use crate::venue::bybit::public::{PublicOptions, PublicStream};
use crate::venue::line::{Now, Wake, line};

/// Events that may wait between the sockets and the engine: a second of a busy market.
const MARKET_EVENTS_MAX: usize = 8192;

/// What a live run is asked for.
pub struct LiveOptions {
    /// Public hosts, instruments, and what to read there.
    pub public: PublicOptions,
    /// Market label for the banner.
    pub label: String,
    /// Record market data only: nothing is traded, no ledger is kept.
    pub recording: bool,
    /// Edge gate off.
    pub practice: bool,
}

/// A session on Bybit's market, ready to run, and the cockpit's end of its line.
pub fn session(mut setup: Setup, options: LiveOptions, shown: Shown) -> Result<(Session, CockpitEnd), StartError> {
    private_folder(&setup.data_dir)?;
    if options.practice {
        setup.settings = super::demo::practice(setup.settings);
    }
    let pair = Pair::bybit(Account::Paper);
    let clock = Clock::start();
    let at = clock.now();
    let mut public = options.public;
    if !options.recording {
        add_held(&mut public.symbols, &setup, pair);
    }
    let opening = opening(pair, &public.symbols, &setup, &options.label, at, options.recording)?;
    let runtime = runtime()?;
    let (cockpit, end) = link();
    let waker = cockpit.clone();
    let (now, wake): (Now, Wake) = (Arc::new(clock.reader()), Arc::new(move || waker.wake()));
    let (outlet, inlet) = line(MARKET_EVENTS_MAX, now, wake);
    let source = format!("bybit {}", public.hosts.linear());
    let simulated_venue = public.hosts.is_simulated();
    let stream = PublicStream::start(runtime.handle(), public, outlet)?;
    super::assemble::session(Plan {
        venue: paper_venue(&opening.restored),
        opening,
        begins: at,
        clock,
        line: (cockpit, end),
        feed: Feed::Live(Box::new(LiveFeed::new(inlet, stream, runtime))),
        models: setup.models,
        data_dir: &setup.data_dir,
        tape: setup.tape,
        source,
        label: options.label,
        simulated_venue,
        ledger_in_memory: options.recording,
        shown,
    })
}

/// Instruments in which the ledger holds a position belong to the run: what is open is always looked after.
fn add_held(symbols: &mut Vec<String>, setup: &Setup, pair: Pair) {
    for held in held_symbols(&setup.data_dir, pair) {
        if !symbols.contains(&held) {
            symbols.push(held);
        }
    }
}

fn opening(
    pair: Pair,
    symbols: &[String],
    setup: &Setup,
    label: &str,
    at: Ts,
    recording: bool,
) -> Result<Opening, StartError> {
    // The venue says the rules as soon as it is reached; until then nothing is known and nothing opens.
    let instruments = symbols.iter().map(|name| Instrument::unknown(name)).collect();
    if recording {
        return open_with((Ledger::in_memory(pair)?, Vec::new()), pair, instruments, setup, label, at);
    }
    open(pair, instruments, setup, label, at)
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).thread_name("net").enable_all().build()?)
}
