//! The cockpit's side: the screen talks to a line of its own, as beside an engine, and a thread carries the line to the
//! running engine's socket. A connection that breaks is made again; meanwhile the last picture grows old on the screen.

use std::io::{BufReader, ErrorKind, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::wire::{Up, read_picture};
use crate::engine::command::Command;
use crate::engine::risk::state::Latch;
use crate::engine::snapshot::{Snapshot, View};
use crate::run::control::{self, Ask, ControlError, Verb};
use crate::tui::link::{Board, EngineEnd, Request, link};
use crate::tui::{Attached, UiError, UiExit, UiOptions};

/// Pictures follow each other no faster.
const PICTURE_EVERY: Duration = Duration::from_millis(100);
/// Nor faster than this where the terminal is behind: each one costs the engine, and the next frame needs only a fresh heartbeat.
const BEHIND_EVERY: Duration = Duration::from_secs(1);
/// A kill is looked for at least this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two tries to connect.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// So many tries in a row that find nobody are an engine that has ended: one that changes its account is away for a moment.
const MISSING_AFTER: u32 = 3;
/// A person who leaves right after a kill waits no longer for the picture that shows it.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);
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
    /// A kill was asked for, and no picture has shown it.
    #[error("THE KILL WAS NOT CONFIRMED by the engine: run `tickdeck kill` now, it needs no engine")]
    KillUnheard,
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
    end.goes_deaf(true);
    let (gate, confirmed) = (end.gate(), Arc::new(AtomicU64::new(0)));
    let carrier = Carrier { attachment, end, leaves: leaves.clone(), confirmed: confirmed.clone(), view: None };
    std::thread::Builder::new().name("attach".into()).spawn(move || carrier.run(first))?;
    let exit = crate::tui::run(&cockpit, UiOptions { attached: Some(attached), ..ui });
    let asked = Instant::now();
    let unheard = || gate.kills() > confirmed.load(Ordering::SeqCst);
    while unheard() && asked.elapsed() < CONFIRMED_WITHIN {
        std::thread::park_timeout(LOOK_EVERY);
    }
    // One that hangs in a write ends with the process.
    leaves.store(true, Ordering::SeqCst);
    cockpit.ask(Request::Wake);
    // A kill that nobody is known to have heard of does not go unsaid.
    if unheard() {
        return Err(AttachError::KillUnheard);
    }
    Ok(exit?)
}

fn connect(socket: &Path, read_only: bool) -> Result<UnixStream, ControlError> {
    let asked = Ask::plain(Verb::Attach { build: control::BUILD.to_owned(), read_only });
    // Nothing follows the answer before a picture is asked for.
    let stream = control::begin(socket, &asked, WRITE_TAKES)?.0.into_inner();
    let failed = |error: std::io::Error| ControlError::Odd(error.to_string());
    stream.set_read_timeout(None).map_err(failed)?;
    stream.set_write_timeout(Some(WRITE_TAKES)).map_err(failed)?;
    Ok(stream)
}

/// One picture of a running engine.
pub fn look(socket: &Path) -> Result<Snapshot, ControlError> {
    let asked = Ask::plain(Verb::Look { build: control::BUILD.to_owned() });
    let (mut stream, _, _) = control::begin(socket, &asked, WRITE_TAKES)?;
    let late = |_| ControlError::Late("the engine drew no picture in time".to_owned());
    read_picture(&mut stream).map_err(late)
}

/// Who is found behind the socket.
enum Found {
    /// An engine that takes cockpits.
    Engine(UnixStream),
    /// Somebody who does not answer, or refuses.
    Silence,
    /// There is no socket, or nobody listens at it: the engine has ended.
    Nobody,
}

/// Carries the line between the screen and the socket.
struct Carrier {
    attachment: Attachment,
    end: EngineEnd,
    leaves: Arc<AtomicBool>,
    /// Kills that a picture has shown. What was asked for beyond them goes to every connection until one does: it only tightens.
    confirmed: Arc<AtomicU64>,
    /// What the screen shows in detail: the next connection hears it first.
    view: Option<View>,
}

impl Carrier {
    fn run(mut self, first: UnixStream) {
        let (mut stream, mut missing) = (Some(first), 0);
        while !self.leaves() {
            let found = stream.take().map_or_else(|| self.again(), Found::Engine);
            missing = if matches!(found, Found::Nobody) { missing + 1 } else { 0 };
            self.end.goes_missing(missing >= MISSING_AFTER);
            match found {
                Found::Engine(stream) => self.carry(&stream),
                Found::Nobody | Found::Silence => self.wait(),
            }
        }
    }

    fn again(&self) -> Found {
        let Some(path) = (self.attachment.socket)() else { return Found::Nobody };
        let nobody =
            |error: &std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        if UnixStream::connect(&path).is_err_and(|error| nobody(&error)) {
            return Found::Nobody;
        }
        connect(&path, self.attachment.read_only).map_or(Found::Silence, Found::Engine)
    }

    fn leaves(&self) -> bool {
        self.leaves.load(Ordering::SeqCst)
    }

    /// Until the next try. What is asked meanwhile is refused, but for a kill and for where the person looks.
    fn wait(&mut self) {
        let until = Instant::now() + RETRY_EVERY;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !self.leaves()) {
            match self.end.requests.recv_timeout(left) {
                Ok(request) => self.lose(&request),
                Err(_) => break,
            }
        }
    }

    /// What was taken for a connection that broke is not for the next one: another engine may be behind it, whose numbers
    /// mean other instruments.
    fn forget(&mut self) {
        if !self.end.take_flattens().is_empty() {
            self.end.loses();
        }
        while let Ok(request) = self.end.requests.try_recv() {
            self.lose(&request);
        }
    }

    fn lose(&mut self, request: &Request) {
        match request {
            Request::View(view) => self.view = Some(*view),
            Request::Command(_) | Request::Switch { .. } | Request::Weather(_) => self.end.loses(),
            _ => {}
        }
    }

    /// Carries until the connection breaks. Nothing is taken before its first picture, which says what it is.
    fn carry(&mut self, stream: &UnixStream) {
        self.forget();
        let (board, broken, writing) = (self.end.board(), AtomicBool::new(false), Mutex::new(()));
        let seen = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let pictures = std::thread::Builder::new().name("pictures".into()).spawn_scoped(scope, || {
                take_pictures(stream, &board, &writing, &seen);
                broken.store(true, Ordering::SeqCst);
            });
            if pictures.is_ok() {
                self.ask_on(stream, (&broken, &seen), &writing);
            }
            drop(stream.shutdown(Shutdown::Both));
        });
        self.end.goes_deaf(true);
        self.forget();
    }

    fn ask_on(&mut self, stream: &UnixStream, (broken, seen): (&AtomicBool, &AtomicBool), writing: &Mutex<()>) {
        let write = |up: &Up| write(stream, writing, up).is_ok();
        if self.view.is_some_and(|view| !write(&Up::View(view))) {
            return;
        }
        let (board, gate) = (self.end.board(), self.end.gate());
        let mut sent = self.confirmed.load(Ordering::SeqCst);
        while !broken.load(Ordering::SeqCst) && !self.leaves() {
            let kills = gate.kills();
            if kills > sent {
                if !write(&Up::Kill) {
                    return;
                }
                sent = kills;
            }
            if !seen.load(Ordering::SeqCst) {
                self.nap();
                continue;
            }
            self.end.goes_deaf(false);
            let killed = || board.newest().is_some_and(|shown| shown.state.latch.as_ref().is_some_and(Latch::is_kill));
            if sent > self.confirmed.load(Ordering::SeqCst) && killed() {
                self.confirmed.store(sent, Ordering::SeqCst);
            }
            for symbol in self.end.take_flattens() {
                if !write(&Up::Flatten(symbol)) {
                    return self.end.loses();
                }
            }
            let request = match self.end.requests.recv_timeout(LOOK_EVERY) {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Request::View(view) = &request {
                self.view = Some(*view);
            }
            let lost = request.clone();
            if line(request).is_some_and(|asked| !write(&asked)) {
                return self.lose(&lost);
            }
        }
    }

    /// Waits a moment; a kill or a request ends it. Nothing but a wake-up is in the queue while nothing is taken.
    fn nap(&mut self) {
        if let Ok(request) = self.end.requests.recv_timeout(LOOK_EVERY) {
            self.lose(&request);
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

/// Asks for picture after picture and hangs them up, until the connection breaks. With the first one it is `seen`.
fn take_pictures(stream: &UnixStream, board: &Board, writing: &Mutex<()>, seen: &AtomicBool) {
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
        seen.store(true, Ordering::SeqCst);
        std::thread::sleep(PICTURE_EVERY.saturating_sub(asked.elapsed()));
        while board.is_behind() && asked.elapsed() < BEHIND_EVERY {
            std::thread::sleep(PICTURE_EVERY);
        }
    }
}
