//! The loop between terminal and cockpit: drain all input, then draw once, and only when something changed.

use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::cockpit::{Cockpit, Wish};
use super::input::Input;
use super::keymap::{Keymap, KeymapError};
use super::link::{CockpitEnd, Request};
use super::screen::{Painter, compose, compose_waiting};
use super::state::Attached;
use super::term::{self, Frames, Held, Reader, TermGuard};
use super::theme::Theme;
use super::{crash, term::restore_now};
use crate::engine::command::Command;
use crate::engine::snapshot::Snapshot;

/// Frames after keys come no closer than this.
const KEY_GAP_MS: i64 = 8;
/// A new picture, or the end of the run, is looked for at least this often.
const LOOK_MS: i64 = 100;
/// An engine whose heartbeat is older than this is called silent.
/// That, a look and a frame that does not wait are within two seconds.
const SILENT_MS: i64 = 1500;
/// A younger heartbeat is as it should be: its age is not drawn anew with every frame.
const YOUNG_MS: i64 = 1000;
/// A frame that the terminal has not taken for so long is not what the person looks at. No guard confirms sooner.
const UNSEEN_MS: i64 = 300;
/// A terminal that takes longer than this for a frame is behind: it gets fewer pictures.
const BEHIND_MS: i64 = 50;
const UNSEEN: &str = "not done: the terminal showed an old picture; look, then press it again";
/// A silent engine that was asked to quit gets this long before asking again leaves without it.
const QUIT_PATIENCE_MS: i64 = 3000;

/// What rings a terminal's bell.
const BELL: &[u8] = b"\x07";

/// What the cockpit is told by configuration.
#[derive(Clone, Debug)]
pub struct UiOptions {
    /// Most frames per second, 1 to 60.
    pub fps: u16,
    /// Styles and glyphs.
    pub theme: Theme,
    /// Command names and the keys that replace theirs.
    pub keymap: Vec<(String, Vec<String>)>,
    /// Let the mouse wheel move the selection; takes the terminal's own copying away.
    pub mouse: bool,
    /// Where crash reports go.
    pub data_dir: PathBuf,
    /// Is this the cockpit of an engine in another process?
    pub attached: Option<Attached>,
}

impl Default for UiOptions {
    fn default() -> Self {
        Self {
            fps: 20,
            theme: Theme::default(),
            keymap: Vec::new(),
            mouse: false,
            data_dir: PathBuf::from("."),
            attached: None,
        }
    }
}

/// Why the cockpit left in an orderly way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UiExit {
    /// The run ended it.
    Ended,
    /// The engine took no quit any more; the run must look after what is open.
    EngineGone,
    /// The terminal hung up; the run applies its hang-up policy.
    TerminalGone,
    /// The person left an engine of another process.
    Detached,
}

/// Why there is no cockpit.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// Not a terminal.
    #[error(
        "the cockpit needs a terminal on both stdin and stdout; `tickdeck run` is the same engine without a screen"
    )]
    NotATerminal,
    /// The keymap was refused.
    #[error(transparent)]
    Keymap(#[from] KeymapError),
    /// The terminal failed.
    #[error("the terminal failed: {0}; the engine goes on, `tickdeck attach` opens another cockpit")]
    Terminal(#[from] io::Error),
    /// The cockpit panicked; the terminal was given back.
    #[error("the cockpit crashed; the terminal was restored and the report is {}", .0.display())]
    Crashed(PathBuf),
}

/// Runs the cockpit on the calling thread until the run ends it, the terminal goes away, or it fails. The terminal is
/// given back in every case.
pub fn run(end: &CockpitEnd, options: UiOptions) -> Result<UiExit, UiError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(UiError::NotATerminal);
    }
    let keymap = Keymap::with_overrides(&options.keymap)?;
    let data_dir = options.data_dir.clone();
    crash::install(data_dir.clone(), end.clone());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let guard = TermGuard::enter(options.mouse)?;
        let mut shell = Shell::new(end.clone(), options, keymap)?;
        let exit = shell.run(&guard);
        shell.frames.settle();
        exit
    }));
    restore_now();
    crash::uninstall();
    outcome.unwrap_or_else(|_| Err(UiError::Crashed(crash::report_path(&data_dir, end.newest().as_deref()))))
}

struct Shell {
    end: CockpitEnd,
    options: UiOptions,
    cockpit: Cockpit,
    painter: Painter,
    frames: Frames,
    /// The terminal is taken, for the first time or again, with the next frame.
    takes: bool,
    started: Instant,
    snapshot: Option<Arc<Snapshot>>,
    drawn_ms: i64,
    /// Since when the terminal has not taken the last frame.
    behind_ms: Option<i64>,
    /// Something to draw at once: a key was taken.
    urgent: bool,
    /// Something to draw with the next frame.
    stale: bool,
    /// How often the bell had rung when it was last looked at; nothing that rang before the first look is heard.
    rung: Option<u64>,
    /// It has rung since the last frame.
    rings: bool,
    quit_ms: Option<i64>,
    exit: Option<UiExit>,
}

impl Shell {
    fn new(end: CockpitEnd, options: UiOptions, keymap: Keymap) -> io::Result<Self> {
        let mut cockpit = Cockpit::new(keymap);
        cockpit.ui.attached = options.attached;
        Ok(Self {
            end,
            options,
            cockpit,
            painter: Painter::new(),
            frames: Frames::start()?,
            takes: true,
            started: Instant::now(),
            snapshot: None,
            drawn_ms: i64::MIN / 2,
            behind_ms: None,
            urgent: true,
            stale: true,
            rung: None,
            rings: false,
            quit_ms: None,
            exit: None,
        })
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn frame_ms(&self) -> i64 {
        1000 / i64::from(self.options.fps.clamp(1, 60))
    }

    fn run(&mut self, guard: &TermGuard) -> Result<UiExit, UiError> {
        let mut reader = Reader::default();
        let mut inputs = Vec::new();
        while !self.end.ended() {
            inputs.clear();
            match guard.look()? {
                Held::Ours => {}
                Held::Again => self.take_terminal(),
                Held::Away => {
                    std::thread::sleep(Duration::from_millis(LOOK_MS.unsigned_abs()));
                    self.look();
                    continue;
                }
            }
            if !reader.take(self.patience(), || self.now_ms(), &mut inputs)? {
                return Ok(UiExit::TerminalGone);
            }
            // Not how long this thread was away, but how long the terminal takes for a frame.
            let taken = self.frames.are_done();
            if matches!(taken, Ok(true)) {
                self.behind_ms = None;
            }
            self.end.falls_behind(self.lags(self.now_ms(), BEHIND_MS));
            for input in inputs.drain(..) {
                self.take(input);
            }
            // What was pressed comes before what became of the terminal.
            taken?;
            if let Some(exit) = self.exit {
                return Ok(exit);
            }
            match self.cockpit.take_wish() {
                Some(Wish::Redraw) => self.painter.forget(),
                Some(Wish::Suspend) => {
                    self.frames.settle();
                    guard.suspend()?;
                    self.take_terminal();
                }
                None => {}
            }
            self.look();
            if guard.was_resized() {
                self.painter.forget();
            }
            self.draw_if_due(guard)?;
        }
        Ok(UiExit::Ended)
    }

    fn take_terminal(&mut self) {
        self.takes = true;
        self.painter.forget();
    }

    /// How long to wait for input: until the next frame is due, or until it is time to look for a new picture.
    fn patience(&self) -> Duration {
        let left = |gap: i64| self.drawn_ms.saturating_add(gap).saturating_sub(self.now_ms());
        let wait = match (self.urgent, self.stale) {
            _ if self.behind_ms.is_some() => KEY_GAP_MS,
            (true, _) => left(KEY_GAP_MS),
            (false, true) => left(self.frame_ms()),
            (false, false) => self.frame_ms(),
        };
        Duration::from_millis(u64::try_from(wait.clamp(0, LOOK_MS)).unwrap_or(0))
    }

    /// Has the terminal not taken the last frame for so long?
    fn lags(&self, now_ms: i64, by_ms: i64) -> bool {
        self.behind_ms.is_some_and(|since| now_ms.saturating_sub(since) >= by_ms)
    }

    fn take(&mut self, input: Input) {
        self.urgent = true;
        let now_ms = self.now_ms();
        let unseen = self.lags(now_ms, UNSEEN_MS);
        if unseen {
            self.cockpit.is_unseen(now_ms);
        }
        let snapshot = self.snapshot.clone();
        let requests = match (input, &snapshot) {
            (Input::Wheel(_) | Input::Paste(_), _) if unseen => Vec::new(),
            (Input::Key(key), Some(snapshot)) => self.cockpit.handle(key, snapshot, now_ms),
            (Input::Key(key), None) => self.cockpit.handle_blind(key, now_ms),
            (Input::Wheel(down), Some(snapshot)) => self.cockpit.wheel(down, snapshot),
            (Input::Wheel(_), None) => Vec::new(),
            (Input::Paste(text), _) => {
                self.cockpit.paste(&text);
                Vec::new()
            }
            (Input::Focus(true), _) => {
                self.cockpit.focus_gained(now_ms);
                Vec::new()
            }
            (Input::Focus(false), _) => {
                self.cockpit.focus_lost();
                Vec::new()
            }
        };
        if unseen && !requests.iter().any(|request| matches!(request, Request::Command(_))) {
            self.cockpit.ui.hint = Some(UNSEEN.to_owned());
        }
        self.send(requests, now_ms);
    }

    fn send(&mut self, requests: Vec<Request>, now_ms: i64) {
        for request in requests {
            match request {
                Request::Command(Command::Kill) => self.end.kill(),
                Request::Command(Command::KillClose) => {
                    if !self.end.close_after_kill() {
                        let guardian = self.options.attached.is_none();
                        let next =
                            if guardian { "the guardian closes" } else { "Enter again, or `tickdeck kill --flat`" };
                        self.cockpit.ui.hint = Some(format!("the engine does not answer: {next}"));
                    }
                }
                Request::Quit(_) if self.options.attached.is_some() => self.exit = Some(UiExit::Detached),
                Request::Command(Command::Flatten(_)) if self.end.is_deaf() => {
                    self.cockpit.ui.hint = Some("NOT DELIVERED: no way to the engine now".to_owned());
                }
                Request::Command(Command::Flatten(symbol)) => {
                    self.end.flatten(symbol);
                    if self.cockpit.ui.engine_silent_ms.is_some() {
                        self.cockpit.ui.hint = Some("the engine does not answer: the guardian closes".to_owned());
                    }
                }
                Request::Quit(_) => {
                    let waited = self.quit_ms.is_some_and(|at| now_ms - at >= QUIT_PATIENCE_MS);
                    let silent = self.cockpit.ui.engine_silent_ms.is_some() || self.snapshot.is_none();
                    if !self.end.ask(request) || (waited && silent) {
                        self.exit = Some(UiExit::EngineGone);
                    }
                    self.quit_ms.get_or_insert(now_ms);
                }
                Request::Alive => {
                    self.end.ask(request);
                }
                Request::View(_) => {
                    if !self.end.ask(request) {
                        self.cockpit.ask_view_again();
                    }
                }
                request => {
                    if !self.end.ask(request) {
                        self.cockpit.ui.hint =
                            Some("NOT DELIVERED: the engine does not answer; ^K still kills".to_owned());
                    }
                }
            }
        }
    }

    /// Takes the newest snapshot and the age of its heartbeat.
    fn look(&mut self) {
        if let Some(newest) = self.end.newest()
            && self.snapshot.as_ref().is_none_or(|known| known.version != newest.version)
        {
            let rung = newest.session.bell;
            self.rings |= self.rung.replace(rung).is_some_and(|known| rung > known);
            let requests = self.cockpit.observe(&newest);
            self.snapshot = Some(newest);
            self.stale = true;
            let now_ms = self.now_ms();
            self.send(requests, now_ms);
        }
        if self.end.take_lost() {
            let lost = "NOT DELIVERED: the way to the engine broke; look how things stand, then ask again";
            self.cockpit.ui.hint = Some(lost.to_owned());
            self.stale = true;
        }
        let age = self.snapshot.as_ref().and_then(|snapshot| beat_age(snapshot, wall_ms()));
        let silent = age.filter(|age| *age > SILENT_MS);
        let ended = self.end.is_gone();
        if ended != self.cockpit.ui.engine_ended {
            self.cockpit.ui.engine_ended = ended;
            (self.urgent, self.stale) = (true, true);
        }
        if (age, silent) != (self.cockpit.ui.beat_age_ms, self.cockpit.ui.engine_silent_ms) {
            self.urgent |= silent.is_some() && self.cockpit.ui.engine_silent_ms.is_none();
            (self.cockpit.ui.beat_age_ms, self.cockpit.ui.engine_silent_ms) = (age, silent);
            self.stale = true;
        }
    }

    /// Draws what is due, unless the terminal has not taken the frame before: a terminal that is behind gets fewer frames, not older
    /// ones.
    fn draw_if_due(&mut self, guard: &TermGuard) -> Result<(), UiError> {
        if self.behind_ms.is_some() {
            return Ok(());
        }
        let now_ms = self.now_ms();
        let area = term::area();
        let gap = if self.urgent { KEY_GAP_MS } else { self.frame_ms() };
        let resized = !self.painter.fits(area);
        if !(self.urgent || self.stale || self.rings || resized) || now_ms.saturating_sub(self.drawn_ms) < gap {
            return Ok(());
        }
        self.cockpit.ui.drawn = (area.width, area.height);
        let (cockpit, theme) = (&self.cockpit, &self.options.theme);
        let drawn = self.painter.frame(area, |area, buffer| match &self.snapshot {
            Some(snapshot) => compose(cockpit, snapshot, theme, now_ms, area, buffer),
            None => compose_waiting(cockpit, theme, area, buffer),
        })?;
        let mut bytes = if std::mem::take(&mut self.takes) { guard.opening() } else { Vec::new() };
        bytes.extend_from_slice(drawn);
        if std::mem::take(&mut self.rings) {
            bytes.extend_from_slice(BELL);
        }
        if !bytes.is_empty() {
            self.frames.show(bytes)?;
            self.behind_ms = Some(now_ms);
        }
        self.drawn_ms = now_ms;
        (self.urgent, self.stale) = (false, false);
        Ok(())
    }
}

/// Age of the heartbeat in milliseconds, in steps of a tenth of a second; 0 while it is young. A replay that stands still has
/// nothing to beat for, and an engine has no heartbeat before its first one.
fn beat_age(snapshot: &Snapshot, wall_ms: i64) -> Option<i64> {
    let standing = snapshot.session.playback.as_ref().is_some_and(|p| p.ended || p.speed <= 0.0);
    let beat = snapshot.health.heartbeat.as_ms();
    let age = wall_ms.saturating_sub(beat);
    (beat > 0 && !standing).then_some(if age < YOUNG_MS { 0 } else { age / 100 * 100 })
}

/// The cockpit's own wall clock, in milliseconds since 1970: only to compare it with the engine's heartbeat.
fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::engine::event::Restored;
    use crate::engine::ids::{Pair, RunId};
    use crate::engine::snapshot::View;
    use crate::engine::time::Ts;

    #[test]
    fn an_engine_that_stopped_beating_is_noticed() {
        let restored = Restored::empty(RunId::new(0, 0), Pair::SIMULATED);
        let mut snapshot = Engine::new(&restored).snapshot(View::default());
        snapshot.health.heartbeat = Ts::from_ms(10_000);
        assert_eq!([10_000, 10_999, 11_000, 11_599].map(|at| beat_age(&snapshot, at)), [0, 0, 1_000, 1_500].map(Some));
        assert_eq!(beat_age(&snapshot, 13_456), Some(3_400));
        snapshot.health.heartbeat = Ts(0);
        assert_eq!(beat_age(&snapshot, 13_456), None, "before its first beat it is not silent");
    }
}
