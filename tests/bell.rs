//! The bell rings where a person sits: in the engine's own cockpit and in attached ones, on real pseudo-terminals. A run with nobody
//! at a cockpit is not held up by it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::fs::File;
use std::io::Read as _;
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: NonZero<u16> = NonZero::new(45).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(160).unwrap();

fn tickdeck(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.current_dir(folder).args(["--data-dir", "data", "--set", "alerts.channels=bell"]).args(words);
    command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models")).env("TERM", "xterm-256color");
    command
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A terminal with somebody at it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(String, u32)>>);

impl vt100::Callbacks for Seen {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0.lock().unwrap().1 += 1;
    }
}

impl Seen {
    fn rung(&self) -> u32 {
        self.0.lock().unwrap().1
    }
    fn shows(&self, words: &str) {
        wait(words, || self.0.lock().unwrap().0.contains(words));
    }
}

/// Ended with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs a command on a terminal of its own.
fn at_terminal(command: &mut Command) -> (Process, Seen) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
    tcsetwinsize(&master, Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let process = Process(command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap());
    let (seen, mut terminal) = (Seen::default(), File::from(master));
    let mut parser = vt100::Parser::new_with_callbacks(ROWS, COLUMNS, 0, seen.clone());
    let screen = seen.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 8_192];
        while let Ok(count @ 1..) = terminal.read(&mut bytes) {
            parser.process(&bytes[..count]);
            screen.0.lock().unwrap().0 = parser.screen().contents();
        }
    });
    (process, seen)
}

#[test]
fn it_rings_in_the_cockpit_and_in_those_that_are_attached() {
    let folder = tempfile::tempdir().unwrap();
    let (_engine, at_it) = at_terminal(&mut tickdeck(folder.path(), &["demo", "--seed", "7"]));
    at_it.shows("SAFE");
    let (_cockpit, beside) = at_terminal(&mut tickdeck(folder.path(), &["attach"]));
    let (_onlooker, behind) = at_terminal(&mut tickdeck(folder.path(), &["attach", "--read-only"]));
    for seen in [&beside, &behind] {
        seen.shows("SAFE");
    }
    let quiet = [&at_it, &beside, &behind].map(Seen::rung);
    assert!(tickdeck(folder.path(), &["kill"]).stdout(Stdio::null()).status().unwrap().success());
    for (seen, before) in [&at_it, &beside, &behind].into_iter().zip(quiet) {
        seen.shows("KILLED");
        wait("the bell", || seen.rung() > before);
    }
}

#[test]
fn a_service_with_nobody_at_a_cockpit_is_not_held_up_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = tickdeck(folder.path(), &["run", "--demo", "--arm", "--yes", "--for", "6s"]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
}
