//! Writing to stdout. A reader that goes away (`| head`) ends the command quietly.

use std::io::{ErrorKind, Write as _};

use crate::run::exit::Failure;

/// Writes data.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells the person something that is not data.
pub(super) fn note(text: &str) {
    // Without a stderr there is nobody to tell.
    drop(writeln!(std::io::stderr().lock(), "tickdeck: {text}"));
}
