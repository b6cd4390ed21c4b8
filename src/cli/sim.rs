//! `tickdeck sim`: the simulated Bybit on loopback, with its addresses and keys as configuration lines.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::output::{note, print};
use crate::engine::event::Event;
use crate::engine::market::instrument::Instrument;
use crate::run::clock::Clock;
use crate::run::exit::Failure;
use crate::run::signals;
use crate::tape::TapeReader;
use crate::venue::sim::faults::Scenario;
use crate::venue::sim::{Market, Sim, SimOptions};
use crate::venue::simulated::Weather;

/// What the exchange is asked for.
#[derive(clap::Args, Debug)]
pub(super) struct SimArgs {
    /// Where it listens, on loopback; port 0 is any free port
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// API key of its account
    #[arg(long, default_value = "sim_key")]
    key: String,
    /// API secret of its account
    #[arg(long, default_value = "sim_secret")]
    secret: String,
    /// Seed of the market and of ids
    #[arg(long)]
    seed: Option<u64>,
    /// Weather of the built-in market: calm, busy or crash
    #[arg(long, default_value_t = Weather::Calm)]
    weather: Weather,
    /// Play this tape's market instead
    #[arg(long, value_name = "FILE", conflicts_with = "weather")]
    tape: Option<PathBuf>,
    /// What goes wrong when
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

/// Runs the exchange until a signal.
pub(super) fn run(args: SimArgs) -> Result<(), Failure> {
    let clock = Clock::start();
    let seed = args.seed.unwrap_or_else(|| clock.now().as_ms().unsigned_abs());
    let scenario = match &args.scenario {
        None => Scenario::default(),
        Some(file) => {
            let failed = |why: &dyn std::fmt::Display| Failure::error(format!("{}: {why}", file.display()));
            let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
            Scenario::parse(&text).map_err(|error| failed(&error))?
        }
    };
    let mut options = SimOptions::simulated(seed, args.weather, Arc::new(move || clock.now()));
    let mut source = format!("simulated market, seed {seed}, weather {}", args.weather);
    if let Some(file) = &args.tape {
        (options.instruments, options.market) = tape(file)?;
        source = format!("tape {}", file.display());
    }
    let secret = Zeroizing::new(args.secret);
    (options.listen, options.scenario) = (args.listen, scenario);
    (options.key, options.secret) = (args.key.clone(), secret.clone());
    let signals = signals::listen(|_| false, || {}).map_err(Failure::error)?;
    let sim = Sim::start(options).map_err(Failure::error)?;
    note(&format!("simulated exchange on {}: {source}. Ctrl-C ends it", sim.addr));
    print(&lines(&sim, &args.key, &secret))?;
    // A sender that is gone means no signal can come any more: end as well.
    let _ = signals.recv();
    Ok(())
}

/// What a configuration and an environment need to point at it.
fn lines(sim: &Sim, key: &str, secret: &str) -> String {
    format!(
        "[bybit]\nrest_url = \"{}\"\nws_public_url = \"{}\"\nws_private_url = \"{}\"\nws_trade_url = \"{}\"\n\
         # BYBIT_TESTNET_API_KEY={key}\n# BYBIT_TESTNET_API_SECRET={secret}\n",
        sim.rest_url(),
        sim.ws_url("/v5/public/linear"),
        sim.ws_url("/v5/private"),
        sim.ws_url("/v5/trade"),
    )
}

/// The market of a tape. It ends where the tape ends or breaks; the exchange then stands still.
fn tape(file: &Path) -> Result<(Vec<Instrument>, Market), Failure> {
    let mut reader = TapeReader::open(file).map_err(Failure::error)?;
    let instruments = reader.header().instruments.clone();
    let events = std::iter::from_fn(move || {
        loop {
            match reader.next_event() {
                Ok(Some((at, _, Event::Market(symbol, data)))) => return Some((at, symbol, data)),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    note(&error.to_string());
                    return None;
                }
            }
        }
    });
    Ok((instruments, Box::new(events)))
}
