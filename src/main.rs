//! tickdeck: parses the command line, does what was asked, says how it ended.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tickdeck::cli::Cli;

/// How long a terminal may take for the last words; one that takes nothing does not keep the process alive.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match Cli::from_line().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format!("tickdeck: {failure}"));
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Writes to stderr. Without one, or where it blocks, the exit code alone must do.
fn say(text: String) {
    let (done, said) = sync_channel(1);
    let speaker = std::thread::Builder::new().name("last words".into()).spawn(move || {
        drop(writeln!(std::io::stderr().lock(), "{text}"));
        let _ = done.send(());
    });
    if speaker.is_ok() {
        let _ = said.recv_timeout(LAST_WORDS);
    }
}
