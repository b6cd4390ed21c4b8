//! The ledger when the world is unkind: `kill -9` at any moment, a log cut and garbled at every byte, a full disk, a locked,
//! removed or unreachable file, a process that is stopped and goes on.
//!
//! What is killed is this program, started again as an engine on the simulated exchange (`tickdeck sim`, a process of its
//! own): session, driver, ledger thread and exchange client are those of `tickdeck run --mode testnet`; only the model is
//! another one, because the shipped ones need more than a minute of market before they say anything. `TICKDECK_KILLS` is the
//! number of kills, 20 unless told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

#[cfg(unix)]
#[path = "ledger_disk/engine.rs"]
mod engine;
#[cfg(unix)]
#[path = "ledger_disk/exchange.rs"]
mod exchange;
#[cfg(unix)]
#[path = "ledger_disk/kills.rs"]
mod kills;
#[cfg(unix)]
#[path = "ledger_disk/storage.rs"]
mod storage;
#[path = "ledger_disk/torn.rs"]
mod torn;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    #[cfg(unix)]
    if let Some(asked) = engine::Asked::from_environment() {
        engine::run(&asked);
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![test("a_log_cut_or_garbled_anywhere_is_a_prefix_or_no_ledger", torn::every_byte)];
    #[cfg(unix)]
    trials.extend([
        test("killed_at_any_moment_nothing_is_sent_twice_and_nothing_is_lost", kills::killed_at_any_moment),
        test("killed_stays_killed", kills::killed_stays_killed),
        test("stopped_and_gone_on_it_is_disarmed_and_sends_nothing_old", kills::stopped_and_gone_on),
        test("a_full_disk_trips_and_stays_tripped", storage::full),
        test("a_file_locked_by_another_program_trips_and_loses_nothing", storage::locked),
        test("a_ledger_removed_under_a_run_trips_it", storage::removed),
        test("a_folder_that_takes_no_file_starts_nothing", storage::unwritable),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn test(name: &str, trial: fn()) -> Trial {
    Trial::test(name, move || {
        trial();
        Ok(())
    })
}
