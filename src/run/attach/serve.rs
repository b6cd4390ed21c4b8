//! The engine's side of an attached cockpit: one thread reads what the person asks, another sends pictures. Both end with
//! the connection.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::seat::Seat;
use super::wire::{LINE_MAX, Up, write_picture};
use crate::tui::link::{Board, CockpitEnd, Request};

/// The run's end is noticed at least this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A cockpit that takes no bytes for this long is let go.
const WRITE_TAKES: Duration = Duration::from_secs(120);

/// Serves one cockpit until it goes or the run ends. With `read_only` it looks and nothing else.
pub fn serve(
    stream: &UnixStream,
    seat: &Seat,
    cockpit: &CockpitEnd,
    board: &Board,
    read_only: bool,
) -> std::io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(Some(WRITE_TAKES))?;
    let (wants, wanted) = sync_channel(1);
    let gone = AtomicBool::new(false);
    let gone = &gone;
    std::thread::scope(|scope| {
        let drawing = std::thread::Builder::new().name("attached".into()).spawn_scoped(scope, move || {
            draw(stream, (seat, board), &wanted, gone);
            // Its reader hears the end.
            drop(stream.shutdown(Shutdown::Both));
        });
        let heard = drawing.and_then(|_| hear(stream, seat, cockpit, read_only, &wants));
        gone.store(true, Ordering::SeqCst);
        drop(wants);
        drop(stream.shutdown(Shutdown::Both));
        heard
    })
}

fn draw(mut stream: &UnixStream, (seat, board): (&Seat, &Board), wanted: &Receiver<()>, gone: &AtomicBool) {
    let over = || seat.is_over() || gone.load(Ordering::SeqCst);
    let mut last = None;
    while !over() {
        match wanted.recv_timeout(LOOK_EVERY) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // A frozen engine draws nothing: the cockpit sees its last heartbeat grow old. Of one that is gone the board has the
        // last word.
        let picture = loop {
            let drawn = seat.next(LOOK_EVERY);
            let left = || board.newest().filter(|picture| last.is_some_and(|last| picture.version > last));
            match drawn.or_else(left) {
                Some(picture) => break picture,
                None if over() => return,
                None => {}
            }
        };
        last = Some(picture.version);
        if write_picture(&mut stream, &picture).is_err() {
            return;
        }
    }
}

fn hear(
    stream: &UnixStream,
    seat: &Seat,
    cockpit: &CockpitEnd,
    read_only: bool,
    wants: &SyncSender<()>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_MAX).read_line(&mut line)?;
        if read == 0 || !line.ends_with('\n') {
            return Ok(());
        }
        let asked: Up = serde_json::from_str(&line).map_err(std::io::Error::other)?;
        match asked {
            Up::Next => match wants.try_send(()) {
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => return Ok(()),
            },
            Up::View(view) => seat.look_at(view),
            _ if read_only => {}
            Up::Kill => cockpit.kill(),
            Up::KillClose => {
                // What the engine does not take the guardian does.
                let _taken = cockpit.close_after_kill();
            }
            Up::Flatten(symbol) => cockpit.flatten(symbol),
            Up::Alive => taken(cockpit.ask(Request::Alive))?,
            Up::Command(command) => taken(cockpit.ask(Request::Command(command)))?,
            Up::Weather(word) => taken(cockpit.ask(Request::Weather(word)))?,
            Up::Switch { account, typed } => taken(cockpit.ask(Request::Switch { account, typed }))?,
        }
    }
}

/// A queue that is full belongs to an engine that does not keep up: the connection ends, and the cockpit says that it did,
/// before anybody believes that something was done.
fn taken(taken: bool) -> std::io::Result<()> {
    if taken { Ok(()) } else { Err(std::io::Error::other("the engine does not take it")) }
}
