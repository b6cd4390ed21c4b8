//! A session with a screen: the engine on its own thread, the screen on its own thread, and a third that outlives both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::assemble::Shown;
use super::clock::wall;
use super::driver::Finished;
use super::pulse::Pulse;
use super::session::{Outcome, Session};
use super::start::StartError;
use crate::engine::ids::Pair;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::snapshot::StateWord;
use crate::tui::link::{Board, Request};
use crate::tui::{UiExit, UiOptions, crash, term};

/// How long a screen may take to leave; a blocked terminal does not hold up the end of a run.
const SCREEN_LEAVES: Duration = Duration::from_secs(1);

/// How a run with a screen ended.
pub enum Ended {
    /// In order.
    Orderly(Outcome, Box<Finished>),
    /// The engine panicked: the account is latched, nothing more was sent.
    EnginePanicked,
}

/// What a panic of the engine needs; it changes with the account.
struct Now {
    /// The ledger whose marker is written.
    latch_beside: Option<(PathBuf, Pair)>,
    /// The signs of life that end.
    pulse: Pulse,
}

/// How long a process without a screen stays after a panic of its engine, for the guardian to cancel what can open.
const GUARDIAN_TAKES: Duration = Duration::from_secs(20);

/// Runs until the session ends, and those that follow it. `latch_beside` is the ledger whose marker is written when the
/// engine panics.
pub fn run(session: Session, ui: UiOptions, latch_beside: Option<(PathBuf, Pair)>) -> Result<Ended, StartError> {
    let board = session.stage.end.board();
    let cockpit = session.stage.cockpit.clone();
    let (engine_done, engine_result) = sync_channel(1);
    let now = Arc::new(Mutex::new(Now { latch_beside, pulse: session.pulse.clone() }));
    let (beside, last_word, fps) = (now.clone(), board.clone(), ui.fps);
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| play(session, &beside, fps)));
        if matches!(result, Ok(Err(_))) {
            last_word.end();
        }
        drop(engine_done.send(result.ok()));
    })?;
    let (screen_done, screen_result) = sync_channel(1);
    let lost = cockpit.clone();
    std::thread::Builder::new().name("screen".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| crate::tui::run(&cockpit, ui)));
        if !matches!(result, Ok(Ok(UiExit::Ended))) {
            lost.ask(Request::ScreenLost);
        }
        drop(screen_done.send(result));
    })?;
    let Ok(Some(played)) = engine_result.recv() else {
        let beside = {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            now.pulse.died();
            now.latch_beside.take()
        };
        latch_after_panic(&board, beside);
        // The screen stays, says so, and leaves when the person does.
        let screen = screen_result.recv();
        give_the_terminal_back();
        return match screen {
            Ok(Ok(Err(error))) => Err(error.into()),
            _ => Ok(Ended::EnginePanicked),
        };
    };
    let screen = screen_result.recv_timeout(SCREEN_LEAVES);
    give_the_terminal_back();
    let (outcome, finished) = played?;
    let ended = Ended::Orderly(outcome, Box::new(finished));
    match screen {
        Ok(Ok(Err(error))) => Err(error.into()),
        Ok(Err(_)) => Err(StartError::System(std::io::Error::other("the screen failed; a crash report was written"))),
        Ok(Ok(Ok(_))) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(ended),
    }
}

/// Runs a session and those that follow it, each on another account.
fn play(mut session: Session, now: &Mutex<Now>, fps: u16) -> Result<(Outcome, Finished), StartError> {
    loop {
        let mut left = session.run();
        let Some((prepared, switch)) = left.next.take() else { return Ok((left.outcome, left.finished)) };
        let latch_beside = Some(prepared.latch_beside());
        let shown = Shown { fps: Some(fps), outputs: None, stop_after: None, stays: left.stage.stays };
        session = super::live::next(prepared, switch, left, shown)?;
        *now.lock().unwrap_or_else(PoisonError::into_inner) = Now { latch_beside, pulse: session.pulse.clone() };
    }
}

/// Runs without a screen until the session ends. A panic latches here too and leaves its report in `data_dir`; one of
/// another thread trips the engine.
pub fn run_without_screen(session: Session, data_dir: PathBuf, latch_beside: Option<(PathBuf, Pair)>) -> Ended {
    let (board, pulse, guardian) = (session.stage.end.board(), session.pulse.clone(), session.guardian.clone());
    crash::install(data_dir, session.stage.cockpit.clone());
    let ran = catch_unwind(AssertUnwindSafe(|| session.run()));
    crash::uninstall();
    if let Ok(left) = ran {
        return Ended::Orderly(left.outcome, Box::new(left.finished));
    }
    pulse.died();
    latch_after_panic(&board, latch_beside);
    guardian.await_death(GUARDIAN_TAKES);
    Ended::EnginePanicked
}

/// Restores the terminal, unless it does not take the bytes: then the process ends without it.
fn give_the_terminal_back() {
    let (done, restored) = sync_channel(1);
    let spawned = std::thread::Builder::new().name("restore".into()).spawn(move || {
        term::restore_now();
        let _ = done.send(());
    });
    match spawned {
        Ok(_) => {
            let _ = restored.recv_timeout(SCREEN_LEAVES);
        }
        Err(_) => term::restore_now(),
    }
}

/// A broken invariant of ours stops trading, not the process: the marker latches, the screen says so.
fn latch_after_panic(board: &Board, latch_beside: Option<(PathBuf, Pair)>) {
    let latch = Latch {
        cause: LatchCause::Fault("the engine stopped: a crash report was written; nothing more is sent".into()),
        at: wall(),
    };
    if let Some((path, pair)) = latch_beside {
        // Without the marker the next start still finds every order in the ledger; there is no one left to tell.
        drop(crate::ledger::mark_latched(&path, pair, &latch));
    }
    board.change(|snapshot| {
        if snapshot.state.word != StateWord::Killed {
            snapshot.state.word = StateWord::Tripped;
            snapshot.state.latch = Some(latch);
        }
        snapshot.state.armed_until = None;
    });
}
