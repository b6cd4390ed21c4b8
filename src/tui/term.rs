//! The terminal: taken once, given back exactly once, whatever happens. Restoring ignores every error and may be called
//! from any thread, any number of times.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture,
};
use crossterm::queue;
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;

use super::input::Input;

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether it is ours whenever the cockpit runs: the panic policy asks.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Largest screen drawn: a terminal that claims more is not believed, because a frame is that many cells.
const SIZE_MAX: (u16, u16) = (1000, 400);
/// Size of a terminal that does not say.
const SIZE_UNKNOWN: (u16, u16) = (80, 24);
/// A terminal that is given back and takes nothing for so long gets no last bytes.
const LEAVES_WITHIN: Duration = Duration::from_millis(300);

/// Holds the terminal; dropping it gives it back.
#[derive(Debug)]
pub struct TermGuard {
    mouse: bool,
    /// This process was stopped and is continued: whoever had the terminal meanwhile has left it in another mode.
    continued: Arc<AtomicBool>,
    /// Its size changed since the last look: what it shows is not known, also where the size is the old one again.
    resized: Arc<AtomicBool>,
    /// Another process has it.
    away: AtomicBool,
}

/// Whose the terminal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Ours, as it was.
    Ours,
    /// Ours again after another process had it: everything is painted anew.
    Again,
    /// Another process's: a background job neither reads, which would stop it, nor draws over what is there.
    Away,
}

impl TermGuard {
    /// Raw mode; with [`Self::opening`] alternate screen, bracketed paste, focus events, no cursor; the mouse only when asked
    /// for, because capturing it breaks the terminal's own copying. Writes nothing: the terminal may take nothing.
    pub fn enter(mouse: bool) -> io::Result<Self> {
        MOUSE.store(mouse, Ordering::SeqCst);
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let guard = Self { mouse, continued: Arc::default(), resized: Arc::default(), away: AtomicBool::new(false) };
        #[cfg(unix)]
        {
            signal_hook::flag::register(signal_hook::consts::SIGCONT, guard.continued.clone())?;
            signal_hook::flag::register(signal_hook::consts::SIGWINCH, guard.resized.clone())?;
        }
        Ok(guard)
    }

    /// What the first frame begins with, and the next one after another process had the terminal.
    pub fn opening(&self) -> Vec<u8> {
        enter_bytes(self.mouse)
    }

    /// Has its size changed since it was last asked?
    pub fn was_resized(&self) -> bool {
        self.resized.swap(false, Ordering::SeqCst)
    }

    /// Looks whose the terminal is, and takes it again where another process had it.
    pub fn look(&self) -> io::Result<Held> {
        if is_in_background() {
            self.away.store(true, Ordering::SeqCst);
            return Ok(Held::Away);
        }
        let away = self.away.swap(false, Ordering::SeqCst);
        if !self.continued.swap(false, Ordering::SeqCst) && !away {
            return Ok(Held::Ours);
        }
        // Raw mode is remembered as set: it is set anew only after it was given up.
        let _ = disable_raw_mode();
        enable_raw_mode()?;
        Ok(Held::Again)
    }

    /// Gives the terminal back, stops the process, and takes the terminal again once it is continued.
    #[cfg(unix)]
    pub fn suspend(&self) -> io::Result<()> {
        restore_now();
        signal_hook::low_level::raise(signal_hook::consts::SIGTSTP)?;
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        self.continued.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// There is no job control here.
    #[cfg(not(unix))]
    pub fn suspend(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for TermGuard {
    fn drop(&mut self) {
        restore_now();
    }
}

/// Is the terminal another job's? Where there is no job control nobody else has it.
#[cfg(unix)]
fn is_in_background() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|front| front != rustix::process::getpgrp())
}

/// There is no job control here.
#[cfg(not(unix))]
fn is_in_background() -> bool {
    false
}

/// What taking the terminal writes.
fn enter_bytes(mouse: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, Hide);
    if mouse {
        let _ = queue!(bytes, EnableMouseCapture);
    }
    bytes
}

/// What giving it back writes. The end of a synchronized update comes first: without it a terminal may stay frozen.
fn leave_bytes(mouse: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = queue!(bytes, EndSynchronizedUpdate);
    if mouse {
        let _ = queue!(bytes, DisableMouseCapture);
    }
    let _ = queue!(bytes, DisableFocusChange, DisableBracketedPaste, Show, LeaveAlternateScreen);
    bytes
}

/// Gives the terminal back if it is ours. Raw mode ends first, so that a shell is usable even where output blocks.
pub fn restore_now() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
        if takes_bytes(LEAVES_WITHIN) {
            let _ = write_frame(&leave_bytes(MOUSE.load(Ordering::SeqCst)));
        }
    }
}

/// Does the terminal take bytes within this? One that is gone refuses them at once.
#[cfg(unix)]
fn takes_bytes(within: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
    let within = Timespec { tv_sec: 0, tv_nsec: i64::from(within.subsec_nanos()) };
    !matches!(poll(&mut fds, Some(&within)), Ok(0))
}

/// Nobody can be asked.
#[cfg(not(unix))]
fn takes_bytes(_within: Duration) -> bool {
    true
}

/// Writes frames on a thread of its own, one at a time: a terminal that takes nothing (stopped with ^S, a slow line) holds up
/// that thread and neither keys nor pictures.
#[derive(Debug)]
pub struct Frames {
    next: SyncSender<Vec<u8>>,
    written: Receiver<io::Result<()>>,
    /// A frame was handed over, and nothing is known of it yet.
    waits: bool,
}

impl Frames {
    /// Starts the thread. It ends with this.
    pub fn start() -> io::Result<Self> {
        let (next, taken) = sync_channel::<Vec<u8>>(1);
        let (tells, written) = sync_channel(1);
        std::thread::Builder::new().name("frames".into()).spawn(move || {
            for frame in taken {
                // Given back meanwhile: nothing more is drawn over the shell.
                let outcome = if TAKEN.load(Ordering::SeqCst) { write_frame(&frame) } else { Ok(()) };
                if tells.send(outcome).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { next, written, waits: false })
    }

    /// Has the terminal taken every frame? An error is the terminal's.
    pub fn are_done(&mut self) -> io::Result<bool> {
        if self.waits {
            match self.written.try_recv() {
                Ok(outcome) => {
                    self.waits = false;
                    outcome?;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        Ok(!self.waits)
    }

    /// Hands over the next frame, once all others are done.
    pub fn show(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.waits = true;
        self.next.try_send(frame).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits until the terminal has taken every frame, but no longer than it may hold up who gives it back.
    pub fn settle(&mut self) {
        if self.waits && self.written.recv_timeout(LEAVES_WITHIN).is_ok() {
            self.waits = false;
        }
    }
}

/// Writes a whole frame with one system call where the terminal takes it at once. Goes around the standard library's
/// lock on stdout, which a blocked thread may hold when a signal thread wants to restore.
#[cfg(unix)]
fn write_frame(bytes: &[u8]) -> io::Result<()> {
    use std::os::fd::AsFd;
    let stdout = io::stdout();
    let file = std::fs::File::from(stdout.as_fd().try_clone_to_owned()?);
    let mut rest = bytes;
    while !rest.is_empty() {
        match (&file).write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // Somebody made the shared terminal non-blocking: wait until it takes more.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                let mut fds = [rustix::event::PollFd::new(&file, rustix::event::PollFlags::OUT)];
                rustix::event::poll(&mut fds, None)?;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes a whole frame.
#[cfg(not(unix))]
fn write_frame(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// What the terminal sends, read without ever blocking longer than asked.
#[derive(Debug, Default)]
pub struct Reader {
    #[cfg(unix)]
    parser: super::input::Parser,
}

impl Reader {
    /// Waits this long for input and takes what is there; `false` when the terminal is gone. The clock is monotonic,
    /// in milliseconds.
    #[cfg(unix)]
    pub fn take(&mut self, wait: Duration, clock: impl Fn() -> i64, out: &mut Vec<Input>) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec};
        let stdin = io::stdin();
        let wait = match self.parser.patience_ms().and_then(|ms| u64::try_from(ms).ok()) {
            Some(ms) => wait.min(Duration::from_millis(ms)),
            None => wait,
        };
        let timeout =
            Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(0), tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) => {}
            // A signal, as on every change of size.
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
        let events = fds.first().map_or(PollFlags::empty(), PollFd::revents);
        if events.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(false);
        }
        if !events.contains(PollFlags::IN) {
            self.parser.idle(clock(), out);
            return Ok(true);
        }
        // What was typed for another job: reading it would stop the process, in the middle of the shell's line.
        if is_in_background() {
            return Ok(true);
        }
        let mut bytes = [0_u8; 4096];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) | Err(rustix::io::Errno::IO) => Ok(false),
            Ok(count) => {
                self.parser.feed(bytes.get(..count).unwrap_or_default(), clock(), out);
                Ok(true)
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    /// Waits this long for input and takes what is there.
    #[cfg(not(unix))]
    pub fn take(&mut self, wait: Duration, _clock: impl Fn() -> i64, out: &mut Vec<Input>) -> io::Result<bool> {
        use crossterm::event::{Event, MouseEventKind, poll, read};
        if poll(wait)? {
            out.extend(match read()? {
                Event::Key(event) => super::keymap::Key::from_event(event).map(Input::Key),
                Event::Paste(text) => Some(Input::Paste(text)),
                Event::FocusGained => Some(Input::Focus(true)),
                Event::FocusLost => Some(Input::Focus(false)),
                Event::Mouse(mouse) => match mouse.kind {
                    MouseEventKind::ScrollDown => Some(Input::Wheel(true)),
                    MouseEventKind::ScrollUp => Some(Input::Wheel(false)),
                    _ => None,
                },
                Event::Resize(..) => None,
            });
        }
        Ok(true)
    }
}

/// The screen, from the kernel; asked before every frame, so that no resize is missed.
pub fn area() -> Rect {
    let (width, height) = size().filter(|(w, h)| *w > 0 && *h > 0).unwrap_or(SIZE_UNKNOWN);
    Rect::new(0, 0, width.min(SIZE_MAX.0), height.min(SIZE_MAX.1))
}

#[cfg(unix)]
fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}

#[cfg(not(unix))]
fn size() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_switched_on_is_switched_off() {
        for mouse in [false, true] {
            let on = String::from_utf8(enter_bytes(mouse)).unwrap();
            let off = String::from_utf8(leave_bytes(mouse)).unwrap();
            let modes = |text: &str, end: char| -> Vec<String> {
                let of = |part: &str| part.split(['h', 'l']).next().unwrap_or("").to_owned();
                let parts: Vec<&str> = text.split("\u{1b}[?").filter(|p| !p.is_empty()).collect();
                let mut list: Vec<String> = parts.iter().filter(|p| p.contains(end)).map(|p| of(p)).collect();
                list.sort();
                list
            };
            let mut expected = modes(&on, 'h');
            // The cursor is hidden with `l` and shown with `h`; the update end has no beginning here.
            expected.push("2026".to_owned());
            expected.sort();
            assert_eq!(modes(&off, 'l'), expected, "mouse {mouse}");
            assert!(on.contains("\u{1b}[?25l") && off.contains("\u{1b}[?25h"));
            assert!(off.starts_with("\u{1b}[?2026l"));
        }
    }

    #[test]
    fn restoring_what_was_never_taken_does_nothing() {
        restore_now();
        restore_now();
        assert!(!TAKEN.load(Ordering::SeqCst));
    }
}
