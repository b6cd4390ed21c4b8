//! The public market: books, trades, tickers, price bands and liquidations of the run's instruments by socket; their
//! rules, their recent past, the venue's clock and its announcements by REST. Each works without the other.

mod backfill;
pub mod book;
mod connection;
mod hub;
mod rules;
mod status;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use hub::Counts;
use hub::Hub;

use super::hosts::PublicHosts;
use super::rest::{Rest, RestError, RestOptions, SharedLimits, VenueClock};
use super::signs::{Signs, Stream};
use super::socket::Heartbeat;
use crate::venue::line::{Now, Outlet};

/// Instruments of one connection: a lost one takes no more than these down.
const PER_CONNECTION: usize = 50;

/// What a stream is started with.
#[derive(Clone)]
pub struct PublicOptions {
    /// Where the data comes from.
    pub hosts: PublicHosts,
    /// Venue names, in the order of the run's symbols.
    pub symbols: Vec<String>,
    /// Levels of a book's side: 1, 50, 200 or 1000.
    pub depth: u16,
    /// A proxy's URL, for both transports.
    pub proxy: Option<String>,
    /// Request budgets, shared with the account on the same address.
    pub limits: SharedLimits,
    /// Signs of life of its sockets and of the account's.
    pub signs: Signs,
    /// Intervals and deadlines.
    pub timing: Timing,
}

/// Intervals and deadlines.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Signs of life.
    pub heartbeat: Heartbeat,
    /// A subscription is answered, and a snapshot follows a request for one, within this.
    pub answer_within: Duration,
    /// A connection that carries no data for this long is made anew; doubled while that does not help.
    pub data_within: Duration,
    /// Between two comparisons of a book with REST, per connection.
    pub compare_every: Duration,
    /// Between two measurements of the venue's clock.
    pub clock_every: Duration,
    /// Between two readings of the instruments' rules.
    pub rules_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Heartbeat::default(),
            answer_within: Duration::from_secs(10),
            data_within: Duration::from_secs(60),
            compare_every: Duration::from_secs(120),
            clock_every: Duration::from_secs(60),
            rules_every: Duration::from_secs(3_600),
        }
    }
}

/// The running stream. Dropping it ends its tasks.
pub struct PublicStream {
    hub: Arc<Hub>,
    tasks: Vec<JoinHandle<()>>,
}

impl PublicStream {
    /// Starts the stream; what it hears goes out through `outlet`, with the time on its clock. Fails only where no
    /// request could ever be made (proxy address, root certificates).
    pub fn start(handle: &Handle, options: PublicOptions, outlet: Outlet) -> Result<Self, RestError> {
        let rest = Rest::new(RestOptions {
            base: options.hosts.rest().to_owned(),
            credentials: None,
            recv_window_ms: 0,
            create_recv_window_ms: 0,
            proxy: options.proxy.clone(),
            limits: options.limits.clone(),
            clock: Arc::new(VenueClock::default()),
            now: now_of(&outlet),
        })?;
        let chunks: Vec<Vec<String>> = options.symbols.chunks(PER_CONNECTION).map(<[String]>::to_vec).collect();
        options.signs.wanted(Stream::Public);
        let hub = Arc::new(Hub::new(options, outlet, rest));
        let mut tasks = vec![
            handle.spawn(rules::watch_rules(hub.clone())),
            handle.spawn(rules::watch_clock(hub.clone())),
            handle.spawn(status::watch(hub.clone())),
        ];
        tasks.extend(chunks.into_iter().map(|names| handle.spawn(connection::keep(hub.clone(), names))));
        Ok(Self { hub, tasks })
    }

    /// Figures for the health pane and the metrics.
    pub fn counts(&self) -> Counts {
        self.hub.counts()
    }
    /// The client for public requests.
    pub fn rest(&self) -> &Rest {
        self.hub.rest()
    }
}

impl Drop for PublicStream {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn now_of(outlet: &Outlet) -> Now {
    let outlet = outlet.clone();
    Arc::new(move || outlet.now())
}
