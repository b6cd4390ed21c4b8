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
use crate::run::control::{ControlOptions, lacks_ceremony};
use crate::run::refusals::Refusal;
use crate::tui::link::{Board, Request};

/// The run's end is noticed at least this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A cockpit that takes no bytes for this long is let go.
const WRITE_TAKES: Duration = Duration::from_secs(120);

/// Serves one cockpit until it goes or the run ends. With `read_only` it looks and nothing else.
pub fn serve(stream: &UnixStream, seat: &Seat, options: &ControlOptions, read_only: bool) -> std::io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(Some(WRITE_TAKES))?;
    let (wants, wanted) = sync_channel(1);
    let gone = AtomicBool::new(false);
    let gone = &gone;
    std::thread::scope(|scope| {
        let drawing = std::thread::Builder::new().name("attached".into()).spawn_scoped(scope, move || {
            draw(stream, (seat, &options.board), &wanted, gone);
            // Its reader hears the end.
            drop(stream.shutdown(Shutdown::Both));
        });
        let heard = drawing.and_then(|_| hear(stream, seat, options, read_only, &wants));
        gone.store(true, Ordering::SeqCst);
        drop(wants);
        drop(stream.shutdown(Shutdown::Both));
        heard
    })
}

/// Sends one picture, drawn for whoever asks; of an engine that does not draw within this time nothing is sent.
pub fn show(mut stream: &UnixStream, seat: &Seat, within: Duration) -> std::io::Result<()> {
    match seat.next(within) {
        Some(picture) => write_picture(&mut stream, &picture),
        None => Err(std::io::ErrorKind::TimedOut.into()),
    }
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
    options: &ControlOptions,
    read_only: bool,
    wants: &SyncSender<()>,
) -> std::io::Result<()> {
    let cockpit = &options.cockpit;
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut deaf = false;
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            if read as u64 == LINE_MAX {
                options.refusals.count(Refusal::SocketOversized);
            }
            return Ok(());
        }
        seat.is_heard();
        let asked: Up = serde_json::from_slice(&line).map_err(|error| {
            options.refusals.count(Refusal::SocketMalformed);
            std::io::Error::other(error)
        })?;
        let request = match asked {
            Up::Next => match wants.try_send(()) {
                Ok(()) | Err(TrySendError::Full(())) => continue,
                Err(TrySendError::Disconnected(())) if deaf => continue,
                Err(TrySendError::Disconnected(())) => return Ok(()),
            },
            Up::View(view) => {
                seat.look_at(view);
                continue;
            }
            _ if read_only => {
                options.refusals.count(Refusal::SocketUnauthorised);
                continue;
            }
            Up::Kill => {
                cockpit.kill_by("by hand, in an attached cockpit");
                continue;
            }
            Up::KillClose => {
                // What the engine does not take the guardian does.
                let _taken = cockpit.close_after_kill();
                continue;
            }
            Up::Flatten(symbol) => {
                cockpit.flatten(symbol);
                continue;
            }
            // Nobody is present for an engine that does not keep up.
            Up::Alive => {
                cockpit.ask(Request::Alive);
                continue;
            }
            Up::Command(command) => {
                if lacks_ceremony(&command, options) {
                    options.refusals.count(Refusal::SocketUnauthorised);
                }
                Request::Command(command)
            }
            Up::Weather(word) => Request::Weather(word),
            Up::Switch { account, typed } => Request::Switch { account, typed },
        };
        // A queue that is full belongs to an engine that does not keep up: the connection ends, and the cockpit says that it
        // did, before anybody believes that something was done. What passes every queue is still heard until it hangs up.
        if !deaf && !cockpit.ask(request) {
            deaf = true;
            stream.shutdown(Shutdown::Write)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::{Guest, Seats};
    use super::*;
    use crate::engine::command::Command;
    use crate::run::guardian::Report;
    use crate::run::pulse::Pulse;
    use crate::run::refusals::Refusals;
    use crate::tui::link::link;

    #[test]
    fn a_kill_behind_a_command_that_a_full_queue_refused_is_heard() {
        let (cockpit, end) = link();
        while cockpit.ask(Request::Wake) {}
        let (ours, theirs) = UnixStream::pair().unwrap();
        for up in [Up::Alive, Up::Command(Command::Disarm), Up::Command(Command::Disarm), Up::Kill] {
            writeln!(&ours, "{}", serde_json::to_string(&up).unwrap()).unwrap();
        }
        let seats = Seats::default();
        let seat = seats.take(Guest::Cockpit).unwrap();
        let options = ControlOptions {
            cockpit,
            gate: end.gate(),
            pulse: Pulse::default(),
            report: Report::default(),
            board: end.board(),
            watched: None,
            seats,
            refusals: Refusals::default(),
        };
        std::thread::scope(|scope| {
            scope.spawn({
                let (theirs, seat, options) = (&theirs, &seat, &options);
                move || serve(theirs, seat, options, false).unwrap()
            });
            // The cockpit hears that the connection has ended, and hangs up.
            assert_eq!((&ours).read(&mut [0; 1]).unwrap(), 0);
            ours.shutdown(Shutdown::Both).unwrap();
        });
        assert!(end.gate().kills() == 1 && end.take_kill().is_some());
    }

    /// Sends lines to a running connection; what was counted, and what reached the engine.
    fn sent(ups: &[Up], read_only: bool, tail: Option<&str>) -> (u64, Vec<Request>) {
        let (cockpit, end) = link();
        let mut picture =
            crate::run::pulse::tests::engine(true, None).snapshot(crate::engine::snapshot::View::default());
        picture.session.tail = tail.map(str::to_owned);
        end.publish(picture);
        let options = ControlOptions::alone(cockpit, &end);
        let seat = options.seats.take(if read_only { Guest::Onlooker } else { Guest::Cockpit }).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        for up in ups {
            writeln!(&ours, "{}", serde_json::to_string(up).unwrap()).unwrap();
        }
        ours.shutdown(Shutdown::Write).unwrap();
        serve(&theirs, &seat, &options, read_only).unwrap();
        (options.refusals.of(Refusal::SocketUnauthorised), end.requests.try_iter().collect())
    }

    #[test]
    fn what_a_cockpit_may_not_say_is_counted() {
        let says = [Up::Command(Command::Disarm), Up::Kill, Up::Alive];
        let (count, reached) = sent(&says, true, None);
        assert_eq!((count, reached), (3, Vec::new()), "whoever only looks commands nothing");
        let arm = Command::Arm { lasts: crate::engine::time::Span::from_secs(60) };
        let says = [Up::Command(arm), Up::Command(Command::Disarm)];
        let (count, reached) = sent(&says, false, Some("ab12"));
        assert_eq!((count, reached.len()), (1, 2), "real money wants its words; the engine refuses it and says so");
        assert_eq!(sent(&says, false, None).0, 0, "an account that asks for none");
    }
}
