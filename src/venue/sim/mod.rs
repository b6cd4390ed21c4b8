//! A simulated Bybit on loopback: `tickdeck sim`.
//!
//! An independent witness for everything that talks to Bybit. It shares no parsing and no signing with our own client,
//! is driven by the built-in market or a tape, keeps one account, and can be told to misbehave in every way that the
//! contract names. It refuses to listen anywhere but on loopback.

pub mod control;
pub mod exchange;
pub mod faults;
mod server;
pub mod wire;
pub mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::engine::event::MarketData;
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::Instrument;
use crate::engine::num::Money;
use crate::engine::time::{Span, Ts};
use crate::venue::simulated::{SimulatedMarket, Weather};
use exchange::Exchange;
use faults::{FaultError, Faults, Scenario};
use server::{Shared, listen, serve};
use wire::sign::Keys;
use world::World;

/// Where market data comes from: events in their own time, oldest first.
pub type Market = Box<dyn Iterator<Item = (Ts, Symbol, MarketData)> + Send>;
/// The wall clock.
pub type Clock = Arc<dyn Fn() -> Ts + Send + Sync>;

/// How the exchange is started.
pub struct SimOptions {
    /// Where it listens; port 0 is any free port.
    pub listen: SocketAddr,
    /// API key.
    pub key: String,
    /// API secret.
    pub secret: Zeroizing<String>,
    /// Instruments, in the market's [`Symbol`] order.
    pub instruments: Vec<Instrument>,
    /// Market data.
    pub market: Market,
    /// This much of the market is played before the exchange opens, so that there are trades and candles to show.
    pub prelude: Span,
    /// USDT of the account.
    pub balance: Money,
    /// Seed of ids.
    pub seed: u64,
    /// What goes wrong when.
    pub scenario: Scenario,
    /// The wall clock.
    pub clock: Clock,
}

impl SimOptions {
    /// The built-in market of this seed, ten thousand USDT, the keys `sim_key` and `sim_secret`, any free port, and
    /// nothing that goes wrong.
    pub fn simulated(seed: u64, weather: Weather, clock: Clock) -> Self {
        let prelude = Span::from_secs(75);
        let mut market = SimulatedMarket::new(seed, weather, clock() - prelude);
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            key: "sim_key".to_owned(),
            secret: Zeroizing::new("sim_secret".to_owned()),
            instruments: SimulatedMarket::instruments(),
            market: Box::new(std::iter::from_fn(move || Some(market.next_event()))),
            prelude,
            balance: Money::from_units(10_000),
            seed,
            scenario: Scenario::default(),
            clock,
        }
    }
}

/// Why the exchange did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// Not loopback.
    #[error("the simulated exchange listens on loopback only, and {0} is not: use 127.0.0.1:PORT")]
    NotLoopback(SocketAddr),
    /// The port is taken, or the like.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// No thread or runtime.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// A running exchange. Ends when it is dropped.
pub struct Sim {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sim {
    /// Starts the exchange on a thread of its own.
    pub fn start(options: SimOptions) -> Result<Self, SimError> {
        if !options.listen.ip().is_loopback() {
            return Err(SimError::NotLoopback(options.listen));
        }
        let failed = |error| SimError::Listen(options.listen, error);
        let listener = listen(options.listen).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let exchange = Exchange::new(options.instruments, options.balance, options.seed);
        let keys = Keys { key: options.key, secret: options.secret };
        let now = (options.clock)();
        let world = World::open(exchange, keys, options.market, options.prelude, options.scenario, now);
        let shared = Shared { world: Arc::new(Mutex::new(world)), clock: options.clock };
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = shared.clone();
        let thread = std::thread::Builder::new().name("simulated exchange".into()).spawn(move || {
            // Ends by `stop`; a listener that breaks ends the exchange, which its clients notice.
            drop(runtime.block_on(serve(listener, served, stopped)));
        })?;
        Ok(Self { addr, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `ws://127.0.0.1:PORT` and a path: `/v5/public/linear`, `/v5/private`, `/v5/trade`.
    pub fn ws_url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    /// The faults that are set.
    pub fn faults(&self) -> Faults {
        self.shared.world().faults.clone()
    }

    /// Changes the faults: the given fields, or all back with `null`.
    pub fn set_faults(&self, change: &Value) -> Result<(), FaultError> {
        let mut world = self.shared.world();
        world.faults = world.faults.changed(change)?;
        Ok(())
    }

    /// The whole truth, as `GET /sim/state` tells it.
    pub fn state(&self) -> Value {
        control::state(&self.shared.world())
    }

    /// Does one thing, as `POST /sim/do` does.
    pub fn act(&self, asked: &Value) -> Result<Value, String> {
        let now = (self.shared.clock)();
        control::act(&mut self.shared.world(), asked, now)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
