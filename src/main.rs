//! tickdeck: parses the command line, does what was asked, says how it ended.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use tickdeck::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a stderr the exit code alone must do.
            drop(writeln!(std::io::stderr().lock(), "tickdeck: {failure}"));
            ExitCode::from(failure.exit as u8)
        }
    }
}
