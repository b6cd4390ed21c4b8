//! Is the simulated market like real ones? The quick part runs always; the full scorecard runs on request and
//! writes the tables of `docs/simulated-market.md`.

#[path = "calibration/facts.rs"]
mod facts;
#[path = "calibration/record.rs"]
mod record;
#[path = "calibration/resting.rs"]
mod resting;
#[path = "calibration/stats.rs"]
mod stats;
#[path = "calibration/targets.rs"]
mod targets;
