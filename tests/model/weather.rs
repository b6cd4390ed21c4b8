//! The shipped model in the built-in market: calm weather is like its training, a crash is not, and what it was made for is
//! asked before anything starts.

use libtest_mimic::Trial;
use tickdeck::engine::Engine;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Effect, Effects};
use tickdeck::engine::event::{Event, Prediction};
use tickdeck::engine::ids::{ModelId, Pair, RunId};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::View;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::model::{Card, Model, ModelError, load};
use tickdeck::run::start::{Opening, Setup, StartError, open};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

use super::cards::SHIPPED;
use crate::{shipped, trial};

const START: Ts = Ts::from_ms(1_767_225_600_000);
/// Features are warm after a minute, drift is known after two more.
const WARM: Span = Span::from_secs(200);
const LENGTH: Span = Span::from_secs(500);

pub fn trials() -> Vec<Trial> {
    vec![
        trial("calm_weather_is_like_training_and_a_crash_is_not", calm_passes_and_a_crash_trips),
        trial("another_market_than_it_was_made_for_is_refused_by_name", mismatches_are_refused),
        trial("a_start_says_where_no_model_looks_as_far_ahead_as_is_traded_on", nobody_looks),
        trial("a_run_does_not_start_with_a_model_made_for_another_market", a_run_does_not_start),
    ]
}

/// Shares of the answers about BTC and ETH that were denied for their market, by instrument.
fn denied(seed: u64, weather: Weather) -> [f64; 2] {
    let mut model = load(&shipped(), SHIPPED).unwrap();
    let mut market = SimulatedMarket::new(seed, weather, START);
    let restored = restored(model.as_ref());
    let mut engine = Engine::new(&restored);
    let mut effects = Effects::new();
    engine.step(START, &Event::Restored(Box::new(restored)), &mut effects);
    engine.step(START, &Event::Command(Command::Arm { lasts: Span::from_secs(900) }), &mut effects);
    let (mut strange, mut looks, mut tick) = ([0.0; 2], 0.0, START + Span::from_secs(1));
    while tick < START + LENGTH {
        if market.next_at() < tick {
            let (at, symbol, data) = market.next_event();
            engine.step(at, &Event::Market(symbol, data), &mut effects);
            effects.drain().for_each(drop);
            continue;
        }
        engine.step(tick, &Event::Tick, &mut effects);
        let frames = effects.drain().filter_map(|effect| match effect {
            Effect::Infer(frame) => Some(*frame),
            _ => None,
        });
        for frame in frames.collect::<Vec<_>>() {
            let horizons = model.predict(std::slice::from_ref(&frame)).unwrap().remove(0);
            let (symbol, features_at) = (frame.symbol, frame.at);
            let answer = Prediction { symbol, model: ModelId(0), features_at, took: Span(0), horizons };
            engine.step(tick, &Event::Predicted(answer), &mut effects);
        }
        effects.drain().for_each(drop);
        if tick >= START + WARM {
            looks += 1.0;
            let trust = engine.snapshot(View::default()).trust;
            for (share, row) in strange.iter_mut().zip(&trust) {
                *share += f64::from(u8::from(row.record.strange.is_some()));
            }
        }
        tick = tick + Span::from_secs(1);
    }
    strange.map(|count| count / looks)
}

fn restored(model: &dyn Model) -> tickdeck::engine::event::Restored {
    tickdeck::engine::event::Restored {
        run: RunId::new(1, 1),
        pair: Pair::SIMULATED,
        instruments: SimulatedMarket::instruments(),
        models: vec![model.info().clone()],
        settings: Settings::default(),
        limits: RiskLimits::default(),
        latch: None,
        flat_proven: None,
        balance: Money::from_units(10_000),
        holdings: Vec::new(),
        baselines: None,
        released: Vec::new(),
        waived: Vec::new(),
        flattening: Vec::new(),
        armed_until: None,
        outside_seen: Vec::new(),
        opened: Vec::new(),
        earlier: Vec::new(),
        account_known: true,
    }
}

fn calm_passes_and_a_crash_trips() {
    for seed in [7, 3] {
        let calm = denied(seed, Weather::Calm);
        assert!(calm.iter().all(|share| *share < 0.02), "calm, seed {seed}: {calm:?}");
        let crash = denied(seed, Weather::Crash);
        assert!(crash.iter().all(|share| *share > 0.5), "crash, seed {seed}: {crash:?}");
    }
    assert_eq!(denied(7, Weather::Crash).map(f64::to_bits), denied(7, Weather::Crash).map(f64::to_bits));
}

fn mismatches_are_refused() {
    let card = load(&shipped(), SHIPPED).unwrap().card().clone();
    let btc = Instrument::linear("BTCUSDT", Price::from_raw(100_000_000), Qty::from_raw(1_000_000));
    let second = Span::from_secs(1);
    assert_eq!(card.fits([&btc], second), Ok(()));
    let refused = |change: fn(&mut Card), interval: Span| {
        let mut card = card.clone();
        change(&mut card);
        match card.fits([&btc], interval) {
            Err(error @ ModelError::MadeFor { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let said = refused(|card| card.made_for.symbols = vec!["ETHUSDT".to_owned()], second);
    assert!(said.contains(SHIPPED) && said.contains("ETHUSDT, and this run has BTCUSDT"), "{said}");
    let said = refused(|card| card.made_for.categories = vec!["inverse".to_owned()], second);
    assert!(said.contains("BTCUSDT is linear"), "{said}");
    assert!(refused(|_| {}, Span::from_secs(60)).contains("`decision_interval_ms` is 60000"));
    assert!(refused(|card| card.step_ms = 500, second).contains("--step-ms 1000"));
}

/// Opens a run of the shipped model with these settings.
fn opened(settings: Settings) -> Result<Opening, StartError> {
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup {
        settings,
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: vec![load(&shipped(), SHIPPED).unwrap()],
        shelf: None,
        data_dir: dir.path().to_owned(),
        tape: None,
    };
    open(Pair::SIMULATED, SimulatedMarket::instruments(), &setup, "test", START)
}

fn a_run_does_not_start() {
    let slow = Settings { decision_interval: Span::from_secs(60), ..Settings::default() };
    assert!(matches!(opened(slow).err(), Some(StartError::Model(ModelError::MadeFor { .. }))));
}

fn nobody_looks() {
    let troubles = |horizon_s| opened(Settings { horizon_s, ..Settings::default() }).unwrap().troubles;
    assert_eq!(troubles(60), [""; 0]);
    let said = troubles(300).join("\n");
    for part in ["nothing opens", "strategy.horizon_s = 300", "logistic-v1 1, 5, 10, 60"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
