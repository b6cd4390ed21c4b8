//! A session with a screen: the engine on its own thread, the screen on its own thread, and a third that outlives both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::assemble::Shown;
use super::clock::wall;
use super::driver::Finished;
use super::guardian::Report;
use super::pulse::{Life, Pulse};
use super::session::{Outcome, Session};
use super::start::StartError;
use crate::engine::ids::Pair;
use crate::engine::risk::state::{Latch, LatchCause};
use crate::engine::snapshot::StateWord;
use crate::tui::link::{Board, CockpitEnd, Request};
use crate::tui::{UiError, UiExit, UiOptions, crash, term};

/// How long a screen may take to leave; a blocked terminal does not hold up the end of a run.
const SCREEN_LEAVES: Duration = Duration::from_secs(1);

/// An engine without a sign of life for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// How a run with a screen ended.
pub enum Ended {
    /// In order.
    Orderly(Outcome, Box<Finished>),
    /// The engine panicked: the account is latched, nothing more was sent.
    EnginePanicked(NotFlat),
    /// The engine stood still and was left so: nobody knows what it would have done.
    EngineStuck(NotFlat),
}

/// What is left where something was to be closed and it is not proven; `None` otherwise.
pub type NotFlat = Option<String>;

/// What the end of an engine needs; it changes with the account.
struct Now {
    /// The ledger whose marker is written.
    latch_beside: Option<(PathBuf, Pair)>,
    /// The signs of life that end.
    pulse: Pulse,
    /// Who looks after what is open.
    guardian: Report,
}

/// How long a process without a screen stays after a panic of its engine, for the guardian to cancel what can open.
const GUARDIAN_TAKES: Duration = Duration::from_secs(20);
/// And how long a process stays whose guardian closes positions that a person wanted closed.
const CLOSING_TAKES: Duration = Duration::from_secs(120);

/// What a thread of the run ended with.
enum Told {
    /// The engine; `None` is a panic.
    Engine(Box<Option<Result<(Outcome, Finished), StartError>>>),
    /// The screen; an error of the thread is a panic.
    Screen(std::thread::Result<Result<UiExit, UiError>>),
}

/// Runs until the session ends, and those that follow it. `latch_beside` is the ledger whose marker is written when the
/// engine panics.
pub fn run(session: Session, ui: UiOptions, latch_beside: Option<(PathBuf, Pair)>) -> Result<Ended, StartError> {
    let board = session.stage.end.board();
    let cockpit = session.stage.cockpit.clone();
    let (tells, told) = sync_channel(2);
    let (pulse, guardian) = (session.pulse.clone(), session.guardian.clone());
    let now = Arc::new(Mutex::new(Now { latch_beside, pulse, guardian }));
    let (beside, last_word, fps, engine_done) = (now.clone(), board.clone(), ui.fps, tells.clone());
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| play(session, &beside, fps)));
        if matches!(result, Ok(Err(_))) {
            last_word.end();
        }
        drop(engine_done.send(Told::Engine(Box::new(result.ok()))));
    })?;
    let (lost, lost_too) = (cockpit.clone(), cockpit.clone());
    std::thread::Builder::new().name("screen".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| crate::tui::run(&cockpit, ui)));
        if !matches!(result, Ok(Ok(UiExit::Ended))) {
            lost.ask(Request::ScreenLost);
        }
        drop(tells.send(Told::Screen(result)));
    })?;
    follow(&told, &board, &lost_too, &now)
}

/// Waits for the ends of engine and screen, in whatever order they come.
fn follow(told: &Receiver<Told>, board: &Board, cockpit: &CockpitEnd, now: &Mutex<Now>) -> Result<Ended, StartError> {
    let mut screen = None;
    let played = loop {
        let heard = match &screen {
            Some(Ok(Ok(UiExit::EngineGone))) => told.recv_timeout(SCREEN_LEAVES),
            _ => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match heard {
            Ok(Told::Engine(played)) => break *played,
            Ok(Told::Screen(result)) => screen = Some(result),
            // The person has left: an engine that does not move is not waited for, one that does must hear of it.
            Err(_) if is_stuck(now) => {
                give_the_terminal_back();
                return Ok(Ended::EngineStuck(not_flat(now)));
            }
            Err(_) => drop(cockpit.ask(Request::ScreenLost)),
        }
    };
    if played.is_none() {
        let beside = {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            now.pulse.died();
            now.latch_beside.take()
        };
        latch_after_panic(board, beside);
    }
    let screen = screen.or_else(|| {
        // After a panic the screen stays, says so, and leaves when the person does.
        let left = match played {
            Some(_) => told.recv_timeout(SCREEN_LEAVES).ok(),
            None => told.recv().ok(),
        };
        left.and_then(|told| if let Told::Screen(result) = told { Some(result) } else { None })
    });
    give_the_terminal_back();
    let ended = match played {
        Some(played) => {
            let (outcome, finished) = played?;
            Ended::Orderly(outcome, Box::new(finished))
        }
        None => Ended::EnginePanicked(not_flat(now)),
    };
    match screen {
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(_)) if matches!(ended, Ended::Orderly(..)) => {
            Err(StartError::System(std::io::Error::other("the screen failed; a crash report was written")))
        }
        _ => Ok(ended),
    }
}

/// Has the engine shown no sign of life for so long that the cockpit calls it silent?
fn is_stuck(now: &Mutex<Now>) -> bool {
    let pulse = now.lock().unwrap_or_else(PoisonError::into_inner).pulse.clone();
    pulse.life() == Life::Running && pulse.age().is_some_and(|age| age > STUCK_AFTER)
}

/// The engine is gone: its guardian gets the time to close what a person wanted closed.
fn not_flat(now: &Mutex<Now>) -> NotFlat {
    let guardian = now.lock().unwrap_or_else(PoisonError::into_inner).guardian.clone();
    guardian.await_closing(CLOSING_TAKES)
}

/// Runs a session and those that follow it, each on another account.
fn play(mut session: Session, now: &Mutex<Now>, fps: u16) -> Result<(Outcome, Finished), StartError> {
    loop {
        let mut left = session.run();
        let Some((prepared, switch)) = left.next.take() else { return Ok((left.outcome, left.finished)) };
        let latch_beside = Some(prepared.latch_beside());
        let shown = Shown { fps: Some(fps), outputs: None, stop_after: None, departure: left.stage.departure };
        session = super::live::next(prepared, switch, left, shown)?;
        let (pulse, guardian) = (session.pulse.clone(), session.guardian.clone());
        *now.lock().unwrap_or_else(PoisonError::into_inner) = Now { latch_beside, pulse, guardian };
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
    Ended::EnginePanicked(guardian.await_closing(CLOSING_TAKES))
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
