//! Is the simulated market like real ones?
//!
//! The quick part always runs: few seeds, short, loose gates. The full scorecard runs on request and rewrites the
//! table in `docs/simulated-market.md`:
//! `cargo test --release --test calibration -- --ignored`
#![allow(clippy::float_cmp, reason = "ticks and sizes are whole counts, equal or not")]
#![allow(clippy::approx_constant, reason = "a measured figure may resemble one")]

#[path = "calibration/facts.rs"]
mod facts;
#[path = "calibration/record.rs"]
mod record;
#[path = "calibration/report.rs"]
mod report;
#[path = "calibration/resting.rs"]
mod resting;
#[path = "calibration/stats.rs"]
mod stats;
#[path = "calibration/targets.rs"]
mod targets;

use std::path::Path;

use facts::measure;
use record::{Record, record};
use report::{MARKS, Scorecard};
use stats::median;
use targets::TARGETS;
use tickdeck::venue::simulated::Weather;

/// The median over runs of the fact of this name.
fn fact(runs: &[[f64; facts::FACTS]], name: &str) -> f64 {
    let at = TARGETS.iter().position(|t| t.name == name);
    at.map_or(f64::NAN, |at| median(&runs.iter().map(|run| run[at]).collect::<Vec<_>>()))
}

#[test]
fn majors_look_like_majors() {
    let records: Vec<Vec<Record>> = (1..=3).map(|seed| record(seed, Weather::Calm, 180)).collect();
    for (instrument, orders) in [(0, 8.0..=28.0), (1, 5.0..=20.0)] {
        let runs: Vec<_> = records.iter().map(|run| measure(&run[instrument], 0.1)).collect();
        let gates = [
            ("spread: share of time at 1 tick", 0.97..=1.0),
            ("L1 imbalance: sd", 0.5..=0.75),
            ("queue-imbalance AUC 1 s", 0.64..=0.88),
            ("share of zero 1 s moves", 0.25..=0.62),
            ("orders /s, mean", orders),
        ];
        for (name, gate) in gates {
            let ours = fact(&runs, name);
            assert!(gate.contains(&ours), "{name} of instrument {instrument}: {ours} outside {gate:?}");
        }
    }
}

#[test]
fn books_stay_whole_in_every_weather() {
    for weather in [Weather::Calm, Weather::Busy, Weather::Crash] {
        for (instrument, run) in record(11, weather, 240).iter().enumerate() {
            assert_eq!(run.faults, 0, "instrument {instrument} in {weather}");
            assert!(run.fewest_levels >= 50, "{} levels of instrument {instrument} in {weather}", run.fewest_levels);
        }
    }
}

/// Twenty seeds, ten minutes each for the majors and an hour each for the thin instrument, whose events are too rare
/// for ten minutes to say anything.
#[test]
#[ignore = "takes minutes; run with --release and --ignored to rewrite the table in docs/simulated-market.md"]
fn full_scorecard() -> std::io::Result<()> {
    let card = Scorecard::measure(1..=20);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/simulated-market.md");
    report::write_between_markers(&page, &card.markdown())?;
    let ok = card.within();
    assert!(ok[0] >= MARKS[0] && ok[1] >= MARKS[1], "within tolerance: {ok:?}, wanted {MARKS:?}");
    let [second, minute] = card.correlation();
    assert!((0.55..=0.75).contains(&second) && (0.80..=0.94).contains(&minute), "correlation {second} and {minute}");
    Ok(())
}
