//! The cockpit's side: the screen talks to a line of its own, as beside an engine, and a thread carries the line to the
//! running engine's socket. A connection that breaks is made again; meanwhile the last picture grows old on the screen.

use std::io::{BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::wire::{Up, read_picture};
use crate::engine::command::Command;
use crate::engine::snapshot::Snapshot;
use crate::run::control::{self, Ask, ControlError, Verb};
use crate::tui::link::{Board, EngineEnd, Request, link};
use crate::tui::{Attached, UiError, UiExit, UiOptions};

/// Pictures follow each other no faster.
const PICTURE_EVERY: Duration = Duration::from_millis(100);
/// A kill is looked for at least this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two tries to connect.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// A line that the engine's process does not take for this long is lost.
const WRITE_TAKES: Duration = Duration::from_secs(4);

/// Which engine, and how.
pub struct Attachment {
    /// Finds the control socket of the engine; asked anew for each connection, because an account switch moves it.
    pub socket: Box<dyn Fn() -> Option<PathBuf> + Send>,
    /// Look and nothing else.
    pub read_only: bool,
}

/// Why there is no cockpit on the engine.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The engine was not reached, or refused.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The screen.
    #[error(transparent)]
    Screen(#[from] UiError),
    /// No thread.
    #[error("the system gives no thread: {0}")]
    System(#[from] std::io::Error),
}

/// Shows the cockpit of a running engine until the person detaches. The engine goes on.
pub fn attach(attachment: Attachment, ui: UiOptions) -> Result<UiExit, AttachError> {
    let nobody = || ControlError::Unreachable { path: PathBuf::new(), why: "no engine runs".to_owned() };
    let first = connect(&(attachment.socket)().ok_or_else(nobody)?, attachment.read_only)?;
    let (cockpit, end) = link();
    let leaves = Arc::new(AtomicBool::new(false));
    let attached = if attachment.read_only { Attached::ReadOnly } else { Attached::Full };
    let carrier = Carrier { attachment, end, leaves: leaves.clone(), killing: false };
    std::thread::Builder::new().name("attach".into()).spawn(move || carrier.run(first))?;
    let exit = crate::tui::run(&cockpit, UiOptions { attached: Some(attached), ..ui });
    // One that hangs in a write ends with the process.
    leaves.store(true, Ordering::SeqCst);
    cockpit.ask(Request::Wake);
    Ok(exit?)
}

fn connect(socket: &Path, read_only: bool) -> Result<UnixStream, ControlError> {
    let asked = Ask::plain(Verb::Attach { build: control::BUILD.to_owned(), read_only });
    let (stream, _, _) = control::begin(socket, &asked, WRITE_TAKES)?;
    let failed = |error: std::io::Error| ControlError::Odd(error.to_string());
    stream.set_read_timeout(None).map_err(failed)?;
    stream.set_write_timeout(Some(WRITE_TAKES)).map_err(failed)?;
    Ok(stream)
}

/// One picture of a running engine.
pub fn look(socket: &Path) -> Result<Snapshot, ControlError> {
    let failed = |error: std::io::Error| ControlError::Odd(error.to_string());
    let stream = connect(socket, true)?;
    stream.set_read_timeout(Some(WRITE_TAKES)).map_err(failed)?;
    write(&stream, &Mutex::new(()), &Up::Next).map_err(failed)?;
    read_picture(&mut BufReader::new(&stream)).map_err(failed)
}

/// Carries the line between the screen and the socket.
struct Carrier {
    attachment: Attachment,
    end: EngineEnd,
    leaves: Arc<AtomicBool>,
    /// A kill that no engine has heard of yet. It is carried to the next connection: it only tightens.
    killing: bool,
}

impl Carrier {
    fn run(mut self, first: UnixStream) {
        let mut stream = Some(first);
        while !self.leaves() {
            let again = || connect(&(self.attachment.socket)()?, self.attachment.read_only).ok();
            match stream.take().or_else(again) {
                Some(stream) => self.carry(&stream),
                None => self.wait(),
            }
        }
    }

    fn leaves(&self) -> bool {
        self.leaves.load(Ordering::SeqCst)
    }

    /// Until the next try. What is asked meanwhile is refused, but for a kill.
    fn wait(&mut self) {
        self.end.goes_deaf(true);
        let until = Instant::now() + RETRY_EVERY;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !self.leaves()) {
            if self.end.requests.recv_timeout(left).is_err() {
                break;
            }
        }
        self.killing |= self.end.take_kill();
    }

    /// Carries until the connection breaks.
    fn carry(&mut self, stream: &UnixStream) {
        self.end.goes_deaf(false);
        let (board, broken, writing) = (self.end.board(), AtomicBool::new(false), Mutex::new(()));
        std::thread::scope(|scope| {
            let pictures = std::thread::Builder::new().name("pictures".into()).spawn_scoped(scope, || {
                take_pictures(stream, &board, &writing);
                broken.store(true, Ordering::SeqCst);
            });
            if pictures.is_ok() {
                self.ask_on(stream, &broken, &writing);
            }
            drop(stream.shutdown(Shutdown::Both));
        });
    }

    fn ask_on(&mut self, stream: &UnixStream, broken: &AtomicBool, writing: &Mutex<()>) {
        while !broken.load(Ordering::SeqCst) && !self.leaves() {
            self.killing |= self.end.take_kill();
            if self.killing {
                if write(stream, writing, &Up::Kill).is_err() {
                    return;
                }
                self.killing = false;
            }
            for symbol in self.end.take_flattens() {
                if write(stream, writing, &Up::Flatten(symbol)).is_err() {
                    return;
                }
            }
            let asked = match self.end.requests.recv_timeout(LOOK_EVERY) {
                Ok(request) => line(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if asked.is_some_and(|asked| write(stream, writing, &asked).is_err()) {
                return;
            }
        }
    }
}

/// What goes up for a request. Leaving is this process's own affair, and a run that is attached to is no replay.
fn line(request: Request) -> Option<Up> {
    match request {
        Request::Command(Command::KillClose) => Some(Up::KillClose),
        Request::Command(command) => Some(Up::Command(command)),
        Request::Alive => Some(Up::Alive),
        Request::View(view) => Some(Up::View(view)),
        Request::Weather(word) => Some(Up::Weather(word)),
        Request::Switch { account, typed } => Some(Up::Switch { account, typed }),
        Request::Asked(..) | Request::Playback(_) | Request::Quit(_) | Request::ScreenLost | Request::Wake => None,
    }
}

fn write(mut stream: &UnixStream, writing: &Mutex<()>, up: &Up) -> std::io::Result<()> {
    let mut text = serde_json::to_string(up)?;
    text.push('\n');
    let _whole_lines = writing.lock().unwrap_or_else(PoisonError::into_inner);
    stream.write_all(text.as_bytes())
}

/// Asks for picture after picture and hangs them up, until the connection breaks.
fn take_pictures(stream: &UnixStream, board: &Board, writing: &Mutex<()>) {
    let mut reader = BufReader::new(stream);
    loop {
        let asked = Instant::now();
        if write(stream, writing, &Up::Next).is_err() {
            return;
        }
        match read_picture(&mut reader) {
            Ok(picture) => board.hang(picture),
            Err(_) => return,
        }
        std::thread::sleep(PICTURE_EVERY.saturating_sub(asked.elapsed()));
    }
}
