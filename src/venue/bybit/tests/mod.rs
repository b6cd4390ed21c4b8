//! The client against the simulated exchange, over real sockets on loopback.

mod account;
mod protection;
mod public;
mod rescue;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::account::{AccountOptions, BybitVenue, Transport};
use super::credentials::{Credentials, PrivateAccount};
use super::hosts::{Network, Overrides, PrivateHosts, PublicHosts, Region};
use super::public::{PublicOptions, PublicStream, Timing};
use super::rest::SharedLimits;
use super::signs::Signs;
use super::socket::Heartbeat;
use crate::engine::ids::{Account, RunId};
use crate::engine::num::Money;
use crate::engine::time::{Span, Ts};
use crate::venue::line::{Inlet, Now, line};
use crate::venue::sim::faults::Scenario;
use crate::venue::sim::{Sim, SimOptions};
use crate::venue::simulated::{SimulatedMarket, Weather};

const KEY: &str = "test-key";
const SECRET: &str = "test-secret";
/// Nothing in here takes long; a test that waits this long waits for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// An exchange and what connects to it.
struct Rig {
    runtime: Runtime,
    sim: Sim,
    limits: SharedLimits,
    signs: Signs,
}

fn wall() -> Ts {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Ts(i64::try_from(since.as_nanos()).unwrap())
}

fn now() -> Now {
    Arc::new(wall)
}

impl Rig {
    fn new() -> Self {
        Self::with_past(Span::from_secs(5))
    }

    /// An exchange that has been open for so long.
    fn with_past(prelude: Span) -> Self {
        let mut market = SimulatedMarket::new(7, Weather::Calm, wall() - prelude);
        let sim = Sim::start(SimOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            key: KEY.into(),
            secret: SECRET.to_owned().into(),
            instruments: SimulatedMarket::instruments(),
            market: Box::new(std::iter::from_fn(move || Some(market.next_event()))),
            prelude,
            balance: Money::from_units(10_000),
            seed: 7,
            scenario: Scenario::default(),
            clock: now(),
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, sim, limits: SharedLimits::default(), signs: Signs::default() }
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            rest: Some(self.sim.rest_url()),
            ws_public: Some(self.sim.ws_url("/v5/public/linear")),
            ws_private: Some(self.sim.ws_url("/v5/private")),
            ws_trade: Some(self.sim.ws_url("/v5/trade")),
        }
    }

    fn stream(&self, symbols: &[&str], timing: Timing) -> (PublicStream, Inlet) {
        let hosts = PublicHosts::new(Network::Testnet, Region::Global, &self.overrides()).unwrap();
        let (outlet, inlet) = line(100_000, now(), Arc::new(|| ()));
        let options = PublicOptions {
            hosts,
            symbols: symbols.iter().map(|name| (*name).to_owned()).collect(),
            depth: 50,
            proxy: None,
            limits: self.limits.clone(),
            signs: self.signs.clone(),
            timing,
        };
        (PublicStream::start(self.runtime.handle(), options, outlet).unwrap(), inlet)
    }

    fn credentials(secret: &str) -> Arc<Credentials> {
        Arc::new(Credentials::new(PrivateAccount::Testnet, KEY, secret.to_owned().into()).unwrap())
    }

    fn run_id() -> RunId {
        RunId::new(1_763_800_000_000, 7)
    }

    fn venue(&self, transport: Transport) -> BybitVenue {
        self.venue_with(transport, SECRET)
    }

    fn venue_with(&self, transport: Transport, secret: &str) -> BybitVenue {
        self.venue_at(transport, secret, now())
    }

    /// By a clock of its own.
    fn venue_at(&self, transport: Transport, secret: &str, now: Now) -> BybitVenue {
        let credentials = Self::credentials(secret);
        let options = AccountOptions {
            hosts: PrivateHosts::new(&credentials, &self.overrides()).unwrap(),
            credentials,
            account: Account::Testnet,
            run: Self::run_id(),
            before: crate::venue::bybit::account::opening::Before::default(),
            symbols: vec!["BTCUSDT".into(), "ETHUSDT".into()],
            transport,
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
            proxy: None,
            limits: self.limits.clone(),
            heartbeat: Heartbeat::default(),
            signs: self.signs.clone(),
            leverage_most: 2,
            claim: crate::venue::bybit::account::Claim::free(),
        };
        BybitVenue::start(self.runtime.handle(), options, now, Arc::new(|| ())).unwrap()
    }

    fn faults(&self, change: &Value) {
        self.sim.set_faults(change).unwrap();
    }

    fn act(&self, asked: &Value) {
        self.sim.act(asked).unwrap();
    }

    /// Rows of the exchange's truth.
    fn truth(&self, what: &str) -> Vec<Value> {
        self.sim.state()[what].as_array().unwrap().clone()
    }

    /// Creates that reached the exchange.
    fn creates(&self) -> usize {
        self.truth("requests").iter().filter(|request| request.to_string().contains("create")).count()
    }
}

/// What is asked before an account is gone to.
#[test]
fn a_key_that_the_exchange_does_not_know_may_not_trade_and_no_answer_says_so() {
    use super::unlock::{Through, UnlockError, may_trade};
    let rig = Rig::new();
    let ask = |secret: &str, overrides: &Overrides| {
        let credentials = Rig::credentials(secret);
        let hosts = PrivateHosts::new(&credentials, overrides).unwrap();
        let through = Through { recv_window_ms: 5_000, proxy: None, now: now() };
        rig.runtime.block_on(may_trade(&credentials, &hosts, through))
    };
    ask(SECRET, &rig.overrides()).unwrap();
    let refused = ask("another-secret", &rig.overrides()).unwrap_err();
    assert!(matches!(&refused, UnlockError::Unchecked(_)), "{refused}");
    // Nobody listens there.
    let gone = Overrides { rest: Some("http://127.0.0.1:9".to_owned()), ..rig.overrides() };
    assert!(ask(SECRET, &gone).unwrap_err().to_string().contains("could not be checked"));
}

/// Looks until something is there.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn json_null() -> Value {
    json!(null)
}
