//! A session with a screen: the engine on its own thread, the screen on its own thread, and a third that outlives both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::clock::wall;
use super::driver::Finished;
use super::session::{Outcome, Session};
use super::start::StartError;
use crate::engine::ids::Pair;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::snapshot::StateWord;
use crate::tui::link::{Board, CockpitEnd, Request};
use crate::tui::{UiExit, UiOptions, crash, term};

/// How long a screen may take to leave; a blocked terminal does not hold up the end of a run.
const SCREEN_LEAVES: Duration = Duration::from_secs(1);

/// How long a process without a screen stays after a panic of its engine, for the guardian to cancel what can open.
const GUARDIAN_TAKES: Duration = Duration::from_secs(20);

/// How a run with a screen ended.
pub enum Ended {
    /// In order.
    Orderly(Outcome, Box<Finished>),
    /// The engine panicked: the account is latched, nothing more was sent.
    EnginePanicked,
}

/// Runs until the session ends. `latch_beside` is the ledger whose marker is written when the engine panics.
pub fn run(
    session: Session,
    cockpit: CockpitEnd,
    ui: UiOptions,
    latch_beside: Option<(PathBuf, Pair)>,
) -> Result<Ended, StartError> {
    let (board, pulse) = (session.end.board(), session.pulse.clone());
    let (engine_done, engine_result) = sync_channel(1);
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| session.run()));
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
    let Ok(Some((outcome, finished))) = engine_result.recv() else {
        pulse.died();
        latch_after_panic(&board, latch_beside);
        // The screen stays, says so, and leaves when the person does.
        let screen = screen_result.recv();
        give_the_terminal_back();
        return match screen {
            Ok(Ok(Err(error))) => Err(error.into()),
            _ => Ok(Ended::EnginePanicked),
        };
    };
    let ended = Ended::Orderly(outcome, Box::new(finished));
    let screen = screen_result.recv_timeout(SCREEN_LEAVES);
    give_the_terminal_back();
    match screen {
        Ok(Ok(Err(error))) => Err(error.into()),
        Ok(Err(_)) => Err(StartError::System(std::io::Error::other("the screen failed; a crash report was written"))),
        Ok(Ok(Ok(_))) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(ended),
    }
}

/// Runs without a screen until the session ends. A panic latches here too and leaves its report in `data_dir`; one of
/// another thread trips the engine.
pub fn run_without_screen(
    session: Session,
    cockpit: CockpitEnd,
    data_dir: PathBuf,
    latch_beside: Option<(PathBuf, Pair)>,
) -> Ended {
    let (board, pulse, guardian) = (session.end.board(), session.pulse.clone(), session.guardian.clone());
    crash::install(data_dir, cockpit);
    let ran = catch_unwind(AssertUnwindSafe(|| session.run()));
    crash::uninstall();
    if let Ok((outcome, finished)) = ran {
        return Ended::Orderly(outcome, Box::new(finished));
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
