//! `tickdeck demo` and `tickdeck run --demo`: the built-in market at the pace of the clock, with or without a screen.

use super::assemble::{Plan, Shown, open_tape};
use super::feed::Feed;
use super::session::Session;
use super::stage::Stage;
use super::start::{Setup, StartError, open, paper_venue, private_folder};
use crate::engine::ids::Pair;
use crate::engine::settings::Settings;
use crate::engine::time::Span;
use crate::venue::simulated::{SimulatedMarket, Weather};

/// The market has been going on for this long when the demo opens: every feature is past its warm-up, so that models
/// answer from the first second. It is played in a hurry before anything can be asked for.
const PRELUDE: Span = Span::from_secs(75);

/// What the demo is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoOptions {
    /// Weather to begin with.
    pub weather: Weather,
    /// Seed; the start time where none was given.
    pub seed: Option<u64>,
    /// Practice profile: edge gate off.
    pub practice: bool,
}

/// The practice profile: edge gate off and a short holding time, so that an armed autotrader trades within half a minute.
/// It loses money on average by design: it pays costs that its edge does not cover.
pub fn practice(settings: Settings) -> Settings {
    Settings { edge_gate: false, min_prob: 0.5, horizon_s: 10, max_hold: Span::from_secs(30), ..settings }
}

/// A session on the built-in market, ready to run.
pub fn session(mut setup: Setup, options: &DemoOptions, shown: Shown) -> Result<Session, StartError> {
    private_folder(&setup.data_dir)?;
    if options.practice {
        setup.settings = practice(setup.settings);
    }
    let stage = Stage::set(shown.fps.is_some(), shown.departure)?;
    let at = stage.clock.now();
    let begins = at - PRELUDE;
    let seed = options.seed.unwrap_or_else(|| at.as_ms().unsigned_abs());
    let label = format!("seed {seed}");
    let opening = open(Pair::SIMULATED, SimulatedMarket::instruments(), &setup, &label, at)?;
    let min_free_bytes = setup.tape.map_or(0, |quota| quota.min_free_bytes);
    let tape = open_tape(&opening.restored, &setup.data_dir, setup.tape, "simulated market", at)?;
    super::assemble::session(Plan {
        venue: Box::new(paper_venue(&opening.restored)),
        opening,
        begins,
        stage,
        feed: Feed::Simulated(Box::new(SimulatedMarket::new(seed, options.weather, begins))),
        models: setup.models,
        shelf: setup.shelf,
        data_dir: &setup.data_dir,
        tape,
        shadow: None,
        lease: None,
        switch: None,
        min_free_bytes,
        label,
        simulated_venue: false,
        ledger_in_memory: false,
        rescue: None,
        watchdog: None,
        shown,
    })
}
