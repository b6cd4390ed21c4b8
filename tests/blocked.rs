//! A terminal that nobody reads: its writes block, and nothing else does. The engine goes on at full pace, a kill still
//! works, and the process still ends. A frame never costs the engine anything.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tickdeck::engine::event::Event;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::tape::TapeReader;

const PATIENCE: Duration = Duration::from_secs(60);

/// A cockpit on a terminal whose other end is never read.
struct Unread {
    child: Child,
    /// Kept open and never read.
    _master: OwnedFd,
    dir: tempfile::TempDir,
}

impl Unread {
    fn start() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        tcsetwinsize(&master, Winsize { ws_row: 45, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tickdeck"))
            .args(["--data-dir", "data", "demo", "--seed", "7", "--weather", "busy"])
            .env("TERM", "xterm-256color")
            .env("TICKDECK__UI__FPS", "60")
            .current_dir(dir.path())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        Self { child, _master: master, dir }
    }

    fn tape(&self) -> Option<PathBuf> {
        let folder = self.dir.path().join("data/tapes");
        let mut tapes = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        tapes.find(|path| path.extension().is_some_and(|e| e == "tape"))
    }

    /// Time of the last event on the tape so far.
    fn reached(&self) -> Option<Ts> {
        last_event(&self.tape()?).map(|last| last.0)
    }

    fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the process ends although its terminal is blocked");
            std::thread::yield_now();
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn last_event(tape: &Path) -> Option<(Ts, Event)> {
    let mut reader = TapeReader::open(tape).ok()?;
    let mut last = None;
    while let Ok(Some((at, _, event))) = reader.next_event() {
        last = Some((at, event));
    }
    last
}

#[test]
fn the_engine_keeps_its_pace_and_the_process_ends() {
    let mut cockpit = Unread::start();
    cockpit.wait_until("the tape begins", |c| c.reached().is_some());
    let first = cockpit.reached().unwrap();
    // Far more than a terminal's buffer holds is drawn in ten seconds of a busy market.
    cockpit.wait_until("event time goes on", |c| c.reached().is_some_and(|now| now.since(first) > Span::from_secs(85)));
    let (wall_before, event_before) = (Instant::now(), cockpit.reached().unwrap());
    cockpit.wait_until("event time goes on", |c| {
        c.reached().is_some_and(|now| now.since(event_before) > Span::from_secs(3))
    });
    assert!(wall_before.elapsed() < Duration::from_secs(20), "event time keeps up with the clock");
    // A kill by signal arrives although nothing can be drawn.
    cockpit.signal("-QUIT");
    cockpit.wait_until("the kill is latched", |c| c.dir.path().join("data/latched.simulated").exists());
    cockpit.signal("-TERM");
    assert_eq!(cockpit.ends().code(), Some(7), "it ends, killed");
    let (_, last) = last_event(&cockpit.tape().unwrap()).unwrap();
    assert_eq!(last, Event::Ended, "in order");
}
