//! Writing to stdout. A reader that goes away (`| head`) ends the command quietly.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

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

/// Progress on stderr, for a person who waits: nothing where stderr is no terminal.
pub(super) struct Progress {
    what: &'static str,
    shown: Option<u32>,
    visible: bool,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, shown: None, visible: std::io::stderr().is_terminal() }
    }
    /// Shows the part that is done, 0 to 1, once per percent.
    pub(super) fn part(&mut self, part: f64) {
        let percent = (part.clamp(0.0, 1.0) * 100.0) as u32;
        if self.visible && self.shown != Some(percent) {
            self.shown = Some(percent);
            drop(write!(std::io::stderr().lock(), "\r{} {percent:>3} %", self.what));
        }
    }
    /// Shows the part that is done as a bar, and words beside it.
    #[cfg(feature = "models")]
    pub(super) fn show(&mut self, part: f64, words: &str) {
        const WIDTH: usize = 24;
        if self.visible {
            let part = part.clamp(0.0, 1.0);
            let full = (part * WIDTH as f64) as usize;
            let (bar, percent) = (format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full)), part * 100.0);
            self.shown = Some(percent as u32);
            // What is left of a longer line is wiped.
            drop(write!(std::io::stderr().lock(), "\r{} [{bar}] {percent:>3.0} %  {words}\x1b[K", self.what));
        }
    }
    /// Leaves the line.
    pub(super) fn end(&mut self) {
        if self.visible && self.shown.take().is_some() {
            drop(writeln!(std::io::stderr().lock()));
        }
    }
}
