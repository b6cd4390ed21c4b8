//! The cockpit in a real terminal (tmux): start, resize, kill, quit, panics, hang-up. Ignored where tmux is missing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a test program

mod keys_support;

use std::path::Path;
use std::process::{Command as Process, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keys_support::{calm, killed};
use libtest_mimic::{Arguments, Failed, Trial};
use tickdeck::engine::command::Command;
use tickdeck::engine::time::Ts;
use tickdeck::tui::link::{EngineEnd, Request, link};
use tickdeck::tui::term::TermGuard;
use tickdeck::tui::{UiOptions, crash, run};

/// Which part this program plays when it was started inside tmux.
const PART: &str = "TICKDECK_TERMINAL_PART";
/// Longest wait for a text: a loaded machine starts a process in far less.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    if let Ok(part) = std::env::var(PART) {
        play(&part);
        return ExitCode::SUCCESS;
    }
    let has_tmux = Process::new("tmux").arg("-V").output().is_ok_and(|out| out.status.success());
    let trial = |name: &str, body: fn(&Tmux) -> Result<(), String>| {
        let owned = name.to_owned();
        Trial::test(name, move || Tmux::start(&owned).and_then(|tmux| body(&tmux)).map_err(Failed::from))
            .with_ignored_flag(!has_tmux)
            .with_kind(if has_tmux { "tmux" } else { "no tmux here" })
    };
    let trials = vec![
        trial("start_resize_kill_and_quit_give_the_terminal_back", start_resize_kill_quit),
        trial("a_panic_of_the_cockpit_gives_the_terminal_back_and_leaves_a_report", panic_of_the_cockpit),
        trial("a_panic_elsewhere_leaves_the_screen_and_the_kill_key_alone", panic_elsewhere),
        trial("a_terminal_that_hangs_up_ends_the_cockpit_not_the_process", hang_up),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The program inside tmux: a cockpit and a stand-in for an engine.
fn play(part: &str) {
    let data_dir = std::env::current_dir().unwrap();
    let (cockpit, engine) = link();
    let hung_up = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, hung_up).unwrap();
    if part == "panic" {
        crash::install(data_dir, cockpit);
        let _guard = TermGuard::enter(false).unwrap();
        panic!("the cockpit fell over");
    }
    let foreign = part == "foreign";
    std::thread::spawn(move || engine_stand_in(&engine, foreign));
    let exit = run(&cockpit, UiOptions { data_dir: data_dir.clone(), ..UiOptions::default() });
    let foreign: Vec<String> = crash::take_foreign_panics().into_iter().map(|p| p.message).collect();
    std::fs::write(data_dir.join("exit.txt"), format!("{exit:?} {foreign:?}")).unwrap();
    println!("exit {exit:?}");
}

fn engine_stand_in(engine: &EngineEnd, foreign: bool) {
    let mut picture = calm();
    loop {
        if engine.take_kill() {
            picture = killed();
            picture.positions.clear();
            picture.orders.clear();
            picture.state.open = 0;
        }
        picture.version += 1;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        picture.health.heartbeat = Ts::from_ms(i64::try_from(wall.as_millis()).unwrap());
        engine.publish(picture.clone());
        match engine.requests.recv_timeout(Duration::from_millis(20)) {
            Ok(Request::Quit(_)) => engine.end(),
            Ok(Request::Command(Command::Disarm)) if foreign => {
                let _ = std::thread::spawn(|| panic!("a worker fell over")).join();
                "DISARMED BY THE STAND-IN".clone_into(&mut picture.session.run);
            }
            _ => {}
        }
    }
}

/// A tmux server of its own with a shell in it.
struct Tmux {
    socket: String,
    dir: tempfile::TempDir,
}

impl Tmux {
    fn start(name: &str) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let tmux = Self { socket: format!("tickdeck-{}-{}", std::process::id(), name.len()), dir };
        let home = tmux.dir.path().display().to_string();
        tmux.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-c", &home, "env PS1='$ ' sh"])?;
        Ok(tmux)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String, String> {
        let out = Process::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .output()
            .map_err(|e| format!("tmux: {e}"))?;
        if !out.status.success() {
            return Err(format!("tmux {arguments:?}: {}", String::from_utf8_lossy(&out.stderr)));
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn play(&self, part: &str) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        self.keys(&[&format!("{PART}={part} {}", program.display()), "Enter"])
    }

    fn keys(&self, keys: &[&str]) -> Result<(), String> {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        self.tmux(&arguments).map(|_| ())
    }

    /// Waits until the screen shows every word.
    fn shows(&self, words: &[&str]) -> Result<String, String> {
        self.until(&format!("no {words:?}"), |text| words.iter().all(|word| text.contains(word)))
    }

    /// Waits until the screen no longer shows a word.
    fn is_gone(&self, word: &str) -> Result<String, String> {
        self.until(&format!("still {word}"), |text| !text.contains(word))
    }

    fn until(&self, otherwise: &str, done: impl Fn(&str) -> bool) -> Result<String, String> {
        let start = Instant::now();
        loop {
            let text = self.tmux(&["capture-pane", "-p"])?;
            if done(&text) {
                return Ok(text);
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{otherwise} in\n{text}"));
            }
        }
    }

    /// Is the pane back on its ordinary screen, with the cursor shown and the keys the shell's?
    fn is_given_back(&self) -> Result<(), String> {
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"])?;
        if flags.trim() != "0 1 0" {
            return Err(format!("alternate, cursor, mouse: {flags}"));
        }
        self.keys(&["stty -a; echo asked", "Enter"])?;
        let text = self.shows(&["icanon", "\nasked"])?;
        if text.contains("-icanon") || text.contains("-echo ") {
            return Err(format!("still raw:\n{text}"));
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<String, String> {
        let path: &Path = self.dir.path();
        let start = Instant::now();
        loop {
            match std::fs::read_to_string(path.join(name)) {
                Ok(text) if !text.is_empty() => return Ok(text),
                _ if start.elapsed() > PATIENCE => return Err(format!("no {name}")),
                _ => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

fn start_resize_kill_quit(tmux: &Tmux) -> Result<(), String> {
    tmux.play("cockpit")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT", "^K"])?;
    tmux.keys(&["A"])?;
    tmux.shows(&["ARM THE AUTOTRADER", "Esc stay disarmed"])?;
    for (width, height) in [("40", "10"), ("7", "3"), ("160", "45"), ("100", "30")] {
        tmux.tmux(&["resize-window", "-x", width, "-y", height])?;
    }
    tmux.shows(&["ARM THE AUTOTRADER", "SIMULATED MARKET"])?;
    // In one write this arrives as Alt-^\: it must be a kill all the same.
    tmux.keys(&["Escape", "C-\\"])?;
    tmux.shows(&["KILLED", "resets the latch"])?;
    tmux.keys(&["Escape"])?;
    tmux.is_gone("resets the latch")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["exit Ok(Ended)"])?;
    tmux.is_given_back()
}

fn panic_of_the_cockpit(tmux: &Tmux) -> Result<(), String> {
    tmux.play("panic")?;
    let report = tmux.file("crash-unknown.txt")?;
    if !report.contains("the cockpit fell over") {
        return Err(report);
    }
    tmux.shows(&["$ "])?;
    tmux.is_given_back()
}

fn panic_elsewhere(tmux: &Tmux) -> Result<(), String> {
    tmux.play("foreign")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT"])?;
    tmux.keys(&["d"])?;
    let report = tmux.file("crash-mhxtest0ab.txt")?;
    if !report.contains("a worker fell over") || !report.contains("snapshot:") {
        return Err(report);
    }
    tmux.keys(&["C-k"])?;
    let screen = tmux.shows(&["KILLED", "SIMULATED MARKET"])?;
    if screen.contains("fell over") {
        return Err(format!("the panic wrote on the screen:\n{screen}"));
    }
    tmux.keys(&["C-c"])?;
    tmux.shows(&["QUIT", "Nothing is open"])?;
    tmux.keys(&["Escape"])?;
    tmux.is_gone("Nothing is open")?;
    tmux.keys(&["Escape"])?;
    tmux.is_gone("resets the latch")?;
    tmux.keys(&["q"])?;
    let exit = tmux.file("exit.txt")?;
    if exit.contains("Ended") && exit.contains("a worker fell over") { Ok(()) } else { Err(exit) }
}

fn hang_up(tmux: &Tmux) -> Result<(), String> {
    tmux.play("cockpit")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT"])?;
    tmux.tmux(&["kill-server"])?;
    let exit = tmux.file("exit.txt")?;
    if exit.starts_with("Ok(TerminalGone)") || exit.starts_with("Err(Terminal(") { Ok(()) } else { Err(exit) }
}
