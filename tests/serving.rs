//! Models over the network, from the outside: ours offered to others by `tickdeck serve`, and others' asked by ours. Trials
//! that need Python packages install them once, into `target/model-servers`, and are ignored where Python's venv is missing.
#![cfg_attr(not(feature = "models"), allow(unused))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

#[path = "serving/any.rs"]
mod any;
#[path = "serving/http.rs"]
mod http;
#[cfg(feature = "models")]
#[path = "serving/ours.rs"]
mod ours;
#[path = "serving/python.rs"]
mod python;
#[path = "serving/stand_in.rs"]
mod stand_in;
#[path = "serving/theirs.rs"]
mod theirs;

fn main() -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

#[cfg(feature = "models")]
fn trials() -> Vec<Trial> {
    let mut trials = ours::trials();
    trials.extend(theirs::trials());
    trials.extend(any::trials());
    trials
}

#[cfg(not(feature = "models"))]
fn trials() -> Vec<Trial> {
    theirs::trials().into_iter().chain(any::trials()).collect()
}

/// A trial that passes unless it panics.
fn trial(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

/// The folder of shipped models.
fn shipped() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}
