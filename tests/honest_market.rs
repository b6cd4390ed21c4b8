//! No free money: an autotrader that trades on every signal of the practice profile must not earn on the built-in market.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program
#![cfg(feature = "models")]

use std::path::Path;

use tickdeck::engine::num::Money;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::time::Span;
use tickdeck::run::replay::{BacktestOptions, BacktestReport, SimulatedSpan, backtest_simulated};
use tickdeck::run::start::Setup;
use tickdeck::venue::simulated::Weather;

fn run(seed: u64, weather: Weather, seconds: i64, practice: bool) -> BacktestReport {
    let folder = tempfile::tempdir().unwrap();
    let models = tickdeck::model::scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    let setup = Setup {
        settings: Settings::default(),
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: models.into_iter().map(Result::unwrap).collect(),
        shelf: None,
        data_dir: folder.path().to_owned(),
        tape: None,
    };
    let market = SimulatedSpan { seed, weather, span: Span::from_secs(seconds) };
    let options = BacktestOptions { practice, disarmed: false, decisions: None };
    backtest_simulated(setup, market, &options).unwrap()
}

fn net(report: &BacktestReport) -> f64 {
    report.net.as_ref().expect("equity is known").parse().unwrap()
}

#[test]
fn the_practice_profile_does_not_earn() {
    let nets: Vec<f64> = (1..=8).map(|seed| net(&run(seed, Weather::Calm, 180, true))).collect();
    let mean = nets.iter().sum::<f64>() / nets.len() as f64;
    let variance = nets.iter().map(|net| (net - mean).powi(2)).sum::<f64>() / (nets.len() - 1) as f64;
    let half = 2.365 * (variance / nets.len() as f64).sqrt();
    assert!(mean - half <= 0.0, "the 95 % interval of {nets:?} lies above zero: a market that gives money away");
}

#[test]
fn the_practice_profile_trades_within_half_a_minute() {
    for seed in 1..=4 {
        // A backtest has no prelude: the features need their minute first.
        let report = run(seed, Weather::Calm, 90, true);
        assert!(report.fills > 0, "{report:?}");
    }
}

#[test]
fn the_edge_gate_refuses_what_does_not_pay() {
    let report = run(1, Weather::Calm, 150, false);
    assert_eq!(report.fills, 0, "{report:?}");
    assert!(report.denials.contains_key("EDGE_TOO_SMALL"), "{:?}", report.denials);
}

#[test]
fn a_crash_is_survived_within_the_limits() {
    let report = run(2, Weather::Crash, 240, true);
    assert!(net(&report) > -330.0, "max_daily_loss 200 and its slippage: {report:?}");
    assert!(report.troubles.is_empty());
}
