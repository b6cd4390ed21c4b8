//! tickdeck-train-cuda: `tickdeck train` on an NVIDIA GPU, in a program of its own, so that the cockpit starts without the
//! driver.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match tickdeck::cli::train_here() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a stderr the exit code alone must do.
            let _ = writeln!(std::io::stderr().lock(), "tickdeck-train-cuda: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}
