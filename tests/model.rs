//! Models from the outside: the shipped one is sound, an unsound one is refused with a reason, training learns what is
//! there to learn and says why where it cannot. Trials that need recorded data read it where `TICKDECK_SHARED` says and
//! are listed as ignored without it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;

use libtest_mimic::{Arguments, Trial};
#[cfg(not(feature = "models"))]
use tickdeck::model::{self, ModelError};

#[cfg(feature = "models")]
#[path = "model/bars.rs"]
mod bars;
#[cfg(feature = "models")]
#[path = "model/cards.rs"]
mod cards;
#[cfg(feature = "models")]
#[path = "model/market.rs"]
mod market;
#[cfg(feature = "models")]
#[path = "model/training.rs"]
mod training;
#[cfg(feature = "models")]
#[path = "model/weather.rs"]
mod weather;

fn main() {
    let args = Arguments::from_args();
    libtest_mimic::run(&args, trials()).exit();
}

/// A trial that passes unless it panics.
fn trial(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

#[cfg(feature = "models")]
fn trials() -> Vec<Trial> {
    let mut trials = cards::trials();
    trials.extend(training::trials());
    trials.extend(weather::trials());
    trials.extend(bars::trials());
    trials
}

#[cfg(not(feature = "models"))]
fn trials() -> Vec<Trial> {
    vec![trial("a_build_without_models_says_so", || {
        assert!(model::ARCHS.is_empty());
        let found = model::scan(&shipped());
        assert!(!found.is_empty() && found.iter().all(|model| matches!(model, Err(ModelError::NotBuilt))));
    })]
}

/// The folder of shipped models.
fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}
