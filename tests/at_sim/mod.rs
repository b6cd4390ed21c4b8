//! The client beside a simulated exchange in the same process, for tests of what is sent and what is said.
#![allow(dead_code)] // each test file uses its part

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tickdeck::engine::event::Event;
use tickdeck::engine::ids::{Account, RunId};
use tickdeck::engine::time::Ts;
use tickdeck::venue::Venue as _;
use tickdeck::venue::bybit::account::{AccountOptions, BybitVenue, Transport};
use tickdeck::venue::bybit::credentials::{Credentials, PrivateAccount};
use tickdeck::venue::bybit::hosts::{Overrides, PrivateHosts};
use tickdeck::venue::bybit::rest::{Rest, RestError, RestOptions, SharedLimits, VenueClock};
use tickdeck::venue::bybit::socket::Heartbeat;
use tickdeck::venue::line::Now;
use tickdeck::venue::sim::{Sim, SimOptions};
use tickdeck::venue::simulated::Weather;
use tokio::runtime::Runtime;

/// What does not come in this time never comes.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn now() -> Now {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Ts(i64::try_from(since.as_nanos()).unwrap())
    })
}

pub fn exchange(key: &str, secret: &str) -> Sim {
    exchange_in(Weather::Calm, key, secret)
}

pub fn exchange_in(weather: Weather, key: &str, secret: &str) -> Sim {
    let options = SimOptions::simulated(3, weather, now());
    Sim::start(SimOptions { key: key.to_owned(), secret: secret.to_owned().into(), ..options }).unwrap()
}

pub fn credentials(key: &str, secret: &str) -> Arc<Credentials> {
    Arc::new(Credentials::new(PrivateAccount::Testnet, key, secret.to_owned().into()).unwrap())
}

pub fn overrides(sim: &Sim) -> Overrides {
    Overrides {
        rest: Some(sim.rest_url()),
        ws_public: Some(sim.ws_url("/v5/public/linear")),
        ws_private: Some(sim.ws_url("/v5/private")),
        ws_trade: Some(sim.ws_url("/v5/trade")),
    }
}

/// A client for requests, with this window in milliseconds for everything that it signs.
pub fn client(
    base: String,
    credentials: Arc<Credentials>,
    window_ms: u32,
    proxy: Option<String>,
) -> Result<Rest, RestError> {
    Rest::new(RestOptions {
        base,
        credentials: Some(credentials),
        recv_window_ms: window_ms,
        create_recv_window_ms: window_ms,
        proxy,
        limits: SharedLimits::default(),
        clock: Arc::new(VenueClock::default()),
        now: now(),
    })
}

/// An account at the exchange and everything that it has said.
pub struct Listener {
    pub events: Vec<Event>,
    venue: BybitVenue,
    rings: Receiver<()>,
    _runtime: Runtime,
}

impl Listener {
    pub fn start(sim: &Sim, credentials: Arc<Credentials>, transport: Transport) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = AccountOptions {
            hosts: PrivateHosts::new(&credentials, &overrides(sim)).unwrap(),
            credentials,
            account: Account::Testnet,
            run: RunId::new(1_763_800_000_000, 1),
            before: tickdeck::venue::bybit::account::opening::Before::default(),
            symbols: vec!["BTCUSDT".to_owned(), "ETHUSDT".to_owned()],
            transport,
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
            proxy: None,
            limits: SharedLimits::default(),
            heartbeat: Heartbeat::default(),
            signs: tickdeck::venue::bybit::signs::Signs::default(),
            leverage_most: 2,
            claim: tickdeck::venue::bybit::account::Claim::free(),
        };
        let (bell, rings) = sync_channel(1);
        let wake = Arc::new(move || {
            // A bell that rings already need not ring twice.
            let _rings = bell.try_send(());
        });
        let venue = BybitVenue::start(runtime.handle(), options, now(), wake).unwrap();
        Self { events: Vec::new(), venue, rings, _runtime: runtime }
    }

    /// Until one of the events from now on is such a one.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> &Event {
        let (mut looked, since) = (self.events.len(), Instant::now());
        loop {
            self.venue.collect();
            let venue = &mut self.venue;
            self.events.extend(std::iter::from_fn(|| venue.pop_due(Ts(i64::MAX))).map(|(_, event)| event));
            if let Some(found) = self.events[looked..].iter().position(&wanted) {
                return &self.events[looked + found];
            }
            looked = self.events.len();
            assert!(since.elapsed() < PATIENCE, "waited in vain for {what}: {:?}", self.events);
            let _heard = self.rings.recv_timeout(Duration::from_millis(20));
        }
    }
}
