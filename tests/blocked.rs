//! A terminal that nobody reads: its writes block, and nothing else does. The engine goes on at full pace, a kill still
//! works, by key and by signal, and the process still ends. A frame never costs the engine anything.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;
use tickdeck::engine::command::Command as Order;
use tickdeck::engine::event::Event;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::tape::TapeReader;

const PATIENCE: Duration = Duration::from_secs(60);

/// A cockpit on a terminal whose other end is never read.
struct Unread {
    child: Child,
    /// Kept open and never read.
    master: OwnedFd,
    slave: File,
    dir: Rc<TempDir>,
}

fn tickdeck(dir: &TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.args(["--data-dir", "data"]).args(words);
    command.env("TERM", "xterm-256color").env("TICKDECK__UI__FPS", "60").current_dir(dir.path());
    command
}

impl Unread {
    fn start(dir: Rc<TempDir>, words: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || File::options().read(true).write(true).open(&name).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 45, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let child = tickdeck(&dir, words).stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        Self { child, master, slave: slave(), dir }
    }

    fn demo() -> Self {
        let dir = Rc::new(tempfile::tempdir().unwrap());
        Self::start(dir, &["demo", "--seed", "7", "--weather", "busy"])
    }

    /// Waits until the terminal takes nothing more, and goes on taking nothing.
    fn is_blocked(&self) {
        let mut since = Instant::now();
        self.wait_until("its writes block", |c| {
            let mut fds = [PollFd::new(&c.slave, PollFlags::OUT)];
            if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0 {
                since = Instant::now();
            }
            since.elapsed() > Duration::from_secs(1)
        });
    }

    fn types(&self, bytes: &[u8]) {
        assert_eq!(rustix::io::write(&self.master, bytes).unwrap(), bytes.len());
    }

    fn is_latched(&self) {
        self.wait_until("the kill is latched", |c| c.dir.path().join("data/latched.simulated").exists());
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

    fn wait_until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
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
    let mut cockpit = Unread::demo();
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
    cockpit.is_latched();
    cockpit.signal("-TERM");
    assert_eq!(cockpit.ends().code(), Some(7), "it ends, killed");
    let (_, last) = last_event(&cockpit.tape().unwrap()).unwrap();
    assert_eq!(last, Event::Ended, "in order");
}

#[test]
fn a_kill_by_key_needs_no_terminal_that_takes_frames() {
    for key in [b"\x0b", b"\x1c"] {
        let mut cockpit = Unread::demo();
        cockpit.is_blocked();
        // Nobody sees what it opens, and nothing is confirmed behind it.
        cockpit.types(b"A\r");
        cockpit.types(key);
        cockpit.is_latched();
        cockpit.signal("-TERM");
        assert_eq!(cockpit.ends().code(), Some(7), "it ends, killed");
        let mut tape = TapeReader::open(&cockpit.tape().unwrap()).unwrap();
        while let Some((_, _, event)) = tape.next_event().unwrap() {
            assert!(!matches!(event, Event::Command(Order::Arm { .. })), "what was pressed at an old picture");
        }
    }
}

/// The cockpit of an engine in another process: its key goes up the socket.
#[test]
fn a_kill_by_key_in_an_attached_cockpit_needs_no_terminal_either() {
    let dir = Rc::new(tempfile::tempdir().unwrap());
    let mut run = tickdeck(&dir, &["run", "--demo", "--seed", "7", "--weather", "busy"]);
    let mut engine = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !dir.path().join("data/engine-simulated.sock").exists() {
        assert!(begun.elapsed() < PATIENCE, "the engine's socket");
        std::thread::yield_now();
    }
    let cockpit = Unread::start(dir, &["attach"]);
    cockpit.is_blocked();
    cockpit.types(b"\x0b");
    cockpit.is_latched();
    engine.kill().unwrap();
    engine.wait().unwrap();
}
