//! The cockpit in a real terminal (tmux): start, resize, kill, quit, panics, hang-up. Ignored where tmux is missing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a test program

mod keys_support;
mod tmux;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keys_support::{calm, killed};
use libtest_mimic::Arguments;
use tickdeck::engine::command::Command;
use tickdeck::engine::time::Ts;
use tickdeck::tui::link::{EngineEnd, Request, link};
use tickdeck::tui::term::TermGuard;
use tickdeck::tui::{UiOptions, crash, run};
use tmux::Tmux;

/// Which part this program plays when it was started inside tmux.
const PART: &str = "TICKDECK_TERMINAL_PART";

fn main() -> ExitCode {
    if let Ok(part) = std::env::var(PART) {
        play(&part);
        return ExitCode::SUCCESS;
    }
    let trial = |name, body| tmux::trial(name, (100, 30), body);
    let trials = vec![
        trial("start_resize_kill_and_quit_give_the_terminal_back", start_resize_kill_quit),
        trial("a_panic_of_the_cockpit_gives_the_terminal_back_and_leaves_a_report", panic_of_the_cockpit),
        trial("a_panic_elsewhere_leaves_the_screen_and_the_kill_key_alone", panic_elsewhere),
        trial("a_job_that_was_stopped_from_outside_takes_the_terminal_again", stopped_from_outside),
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
        if engine.take_kill().is_some() {
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
                // The picture stays one of this run: another run's would close what is open on the screen.
                let _ = std::thread::spawn(|| panic!("a worker fell over")).join();
            }
            _ => {}
        }
    }
}

fn play_in(tmux: &Tmux, part: &str) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    tmux.line(&format!("{PART}={part} {}", program.display()))
}

fn start_resize_kill_quit(tmux: &Tmux) -> Result<(), String> {
    play_in(tmux, "cockpit")?;
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
    play_in(tmux, "panic")?;
    let report = tmux.file("crash-unknown.txt")?;
    if !report.contains("the cockpit fell over") {
        return Err(report);
    }
    tmux.is_given_back()
}

fn panic_elsewhere(tmux: &Tmux) -> Result<(), String> {
    play_in(tmux, "foreign")?;
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
    play_in(tmux, "cockpit")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT"])?;
    tmux.tmux(&["kill-server"])?;
    let exit = tmux.file("exit.txt")?;
    if exit.starts_with("Ok(TerminalGone)") || exit.starts_with("Err(Terminal(") { Ok(()) } else { Err(exit) }
}

/// Stopped by somebody else, continued in the background, where it must neither read nor draw, and brought to the front.
fn stopped_from_outside(tmux: &Tmux) -> Result<(), String> {
    play_in(tmux, "cockpit")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT"])?;
    let shell = tmux.tmux(&["display-message", "-p", "#{pane_pid}"])?;
    let shell = shell.trim();
    let children =
        std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).map_err(|e| e.to_string())?;
    let pid = children.split_whitespace().next().ok_or("the shell has no child")?;
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, pid]).status().map_err(|e| e.to_string())?;
        if sent.success() { Ok(()) } else { Err(format!("kill {name} {pid}")) }
    };
    signal("-STOP")?;
    tmux.until("the shell did not get the terminal", |text| text.lines().any(|line| line.trim() == "$"))?;
    // The terminal is still raw: a line ends with a line feed.
    tmux.keys(&["stty sane; clear; bg; echo in front", "C-j"])?;
    tmux.until("nothing came", |text| text.lines().any(|line| line.trim() == "in front"))?;
    // What the shell reads is not read by the job behind it.
    tmux.line("echo one two three")?;
    let screen = tmux.until("the shell does not read", |text| text.lines().any(|line| line == "one two three"))?;
    if screen.contains("BTCUSDT") {
        return Err(format!("it drew from the background:\n{screen}"));
    }
    tmux.line("clear; fg")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT"])?;
    tmux.keys(&["?"])?;
    tmux.shows(&["type to search"])?;
    tmux.keys(&["Escape"])?;
    tmux.is_gone("type to search")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["exit Ok(Ended)"])?;
    tmux.is_given_back()
}
