//! The watchdog as a service of its own (systemd, a container): it finds the engine of its account by the control socket,
//! watches it, outlives it, and waits for the next one. An engine that died while nobody watched has left its socket behind and
//! its ledger unlocked: that is acted upon too.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{End, LOOK_EVERY, Line, VERSION, Watchdog, WatchdogError, WatchdogOptions, Word, say};
use crate::engine::ids::RunId;
use crate::gate::Boot;
use crate::ledger::holder;
use crate::run::clock::{entropy, wall};
use crate::run::control::{Ask, Verb};
use crate::venue::bybit::rescue::RescueOptions;

/// An engine whose socket takes the connection says hello within this, or it is silent.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// An engine that does not take this watchdog is asked again after this long.
const ASKS_AGAIN: Duration = Duration::from_secs(1);

/// Where the engine of an account is found.
pub struct Place {
    /// Its control socket.
    pub socket: PathBuf,
    /// Its ledger.
    pub ledger: PathBuf,
}

/// What is at the place.
enum Found {
    /// An engine that takes a connection.
    Engine(UnixStream),
    /// What an engine left that died: nobody listens, and nobody holds the ledger.
    Remains,
    /// No engine, or one that is just starting or leaving.
    Nobody,
}

/// A socket in the folder, told apart from the one of the next run.
type Socket = (u64, i64, i64);

impl Place {
    fn socket(&self) -> Option<Socket> {
        let meta = std::fs::symlink_metadata(&self.socket).ok()?;
        Some((meta.ino(), meta.ctime(), meta.ctime_nsec()))
    }

    fn look(&self) -> Found {
        match UnixStream::connect(&self.socket) {
            Ok(stream) => Found::Engine(stream),
            Err(_) if self.socket().is_some() && holder(&self.ledger).is_none() => Found::Remains,
            Err(_) => Found::Nobody,
        }
    }

    /// Does an engine still take connections? Looked at twice: a process that is just ending may take one more.
    fn is_served(&self) -> bool {
        let takes = || UnixStream::connect(&self.socket).is_ok();
        let first = takes();
        if first {
            std::thread::park_timeout(LOOK_EVERY);
        }
        first && takes()
    }
}

/// Watches one engine of the account after the other, for ever. `way` is the way to the account, for the ids of a run.
pub fn serve(
    options: WatchdogOptions,
    place: Place,
    way: impl Fn(RunId) -> RescueOptions,
) -> Result<Infallible, WatchdogError> {
    let mut service = Service { options, place, way, over: None, remains: None, said: String::new() };
    loop {
        service.look()?;
        std::thread::park_timeout(LOOK_EVERY);
    }
}

struct Service<W> {
    options: WatchdogOptions,
    place: Place,
    way: W,
    /// The socket of the engine that was dealt with last.
    over: Option<Socket>,
    /// A socket at which nobody answers, since when.
    remains: Option<(Socket, Boot)>,
    /// What was said last: waiting is one line in the log.
    said: String,
}

impl<W: Fn(RunId) -> RescueOptions> Service<W> {
    fn look(&mut self) -> Result<(), WatchdogError> {
        let socket = self.place.socket();
        let ended = match (self.place.look(), socket) {
            (Found::Engine(stream), _) => self.watch(stream, socket)?,
            (Found::Remains, Some(socket)) if self.over != Some(socket) => {
                let since =
                    self.remains.filter(|(known, _)| *known == socket).map_or_else(Boot::now, |(_, since)| since);
                self.remains = Some((socket, since));
                if since.elapsed() <= self.options.deadline {
                    return Ok(());
                }
                self.act("an engine ended without a goodbye while nobody watched")?
            }
            _ => {
                let here = format!("no engine runs, waiting at {}", self.place.socket.display());
                self.say_once(&here);
                End::Nobody
            }
        };
        self.remains = None;
        match ended {
            End::Goodbye(leaves) => {
                self.over = socket;
                let leaves = if leaves.is_empty() { "nothing open".to_owned() } else { leaves.join(", ") };
                self.say_once(&format!("the run ended in order and leaves {leaves}"));
            }
            End::Acted { again: false, .. } => {
                self.over = socket;
                self.say_once("the account is fenced, no order is left that could open");
            }
            // A network that is away, a disk that hangs: tried again for as long as no engine is back.
            End::Acted { .. } => self.say_once("NOT EVERYTHING IS DONE: look at the exchange now; tried again"),
            End::Refused(why) => {
                self.say_once(&format!("the engine does not take this watchdog: {why}"));
                std::thread::park_timeout(ASKS_AGAIN);
            }
            End::LineLost => {
                self.say_once("the line to the engine has ended, and the engine lives: it is watched anew");
            }
            End::Nobody => {}
        }
        Ok(())
    }

    /// Watches the engine at the other end of this connection for as long as it lives.
    fn watch(&mut self, stream: UnixStream, socket: Option<Socket>) -> Result<End, WatchdogError> {
        let Ok((line, closes)) = attach(stream) else { return Ok(End::Nobody) };
        let ended = match line.words.recv_timeout(ANSWERS_WITHIN) {
            Ok(Some(Word::Hello { v, run })) => {
                self.say_once(&format!("watching run {run}"));
                Watchdog::of(self.options.clone(), &self.way, line.out, v, run)?
                    .watch(&line.words, || self.place.is_served())
            }
            Ok(Some(Word::No(why))) => Ok(End::Refused(why)),
            Err(RecvTimeoutError::Timeout) if self.over != socket => {
                let seconds = ANSWERS_WITHIN.as_secs();
                self.act(&format!("the engine takes connections and has said nothing for {seconds} s"))
            }
            _ => Ok(End::Nobody),
        };
        // The thread that reads it ends with it.
        drop(closes.shutdown(Shutdown::Both));
        ended
    }

    fn act(&self, why: &str) -> Result<End, WatchdogError> {
        let run = RunId::new(wall().as_ms(), entropy());
        let nobody = Arc::new(Mutex::new(std::io::sink()));
        Ok(Watchdog::of(self.options.clone(), &self.way, nobody, VERSION, run)?.act(why))
    }

    fn say_once(&mut self, text: &str) {
        if self.said != text {
            text.clone_into(&mut self.said);
            say(text);
        }
    }
}

/// Asks to watch; the line, and what closes it.
fn attach(mut stream: UnixStream) -> std::io::Result<(Line, UnixStream)> {
    let ask = serde_json::to_string(&Ask::plain(Verb::Watch))?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    stream.write_all(format!("{ask}\n").as_bytes())?;
    let closes = stream.try_clone()?;
    Ok((Line::new(stream.try_clone()?, stream), closes))
}
