//! A running engine and cockpits of other processes, as their user: attach, look on, command, detach; verbs of scripts; a
//! terminal that goes away; cockpits and engines that stand still. Listed as ignored where tmux is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod tmux;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use libtest_mimic::Arguments;
use rustix::process::{Pid, Signal, kill_process};
use tmux::{PATIENCE, Tmux, trial};

const BINARY: &str = env!("CARGO_BIN_EXE_tickdeck");

fn main() -> ExitCode {
    let trials = vec![
        trial("a_cockpit_attaches_commands_and_detaches", (160, 45), attaches),
        trial("a_read_only_cockpit_commands_nothing", (80, 24), read_only),
        trial("scripts_arm_limit_and_reset_with_their_ceremonies", (160, 45), scripts),
        trial("an_engine_that_lost_its_terminal_goes_on_while_anything_is_open", (160, 45), hang_up),
        trial("a_cockpit_finds_its_engine_again_and_looks_where_it_looked", (160, 45), comes_back),
        trial("a_kill_by_a_script_reaches_an_engine_under_load", (160, 45), script_kills_under_load),
        trial("a_kill_by_key_reaches_an_engine_under_load", (160, 45), key_kills_under_load),
        trial("a_frozen_engine_is_seen_and_a_frozen_cockpit_costs_nothing", (160, 45), frozen),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The program in the data directory of this trial.
fn tickdeck(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).args(["--data-dir", "data"]).args(words);
    command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    command
}

/// An engine without a screen, ended with its trial.
struct Engine(Child);

impl Engine {
    fn start(folder: &Path) -> Self {
        Self::with(folder, &[])
    }
    fn with(folder: &Path, words: &[&str]) -> Self {
        let printed = File::create(folder.join("run.log")).unwrap();
        let mut command = tickdeck(folder, &["run", "--demo", "--seed", "7", "--practice"]);
        command.args(words);
        let engine = Self(command.stdout(printed).stderr(Stdio::null()).spawn().unwrap());
        let since = Instant::now();
        while run(folder, &["limits", "get"]).0 != Some(0) {
            assert!(since.elapsed() < PATIENCE, "the engine's socket does not answer");
        }
        engine
    }
    fn signal(&self, signal: Signal) {
        signal_to(self.0.id(), signal);
    }
    /// Waits for its end.
    fn ends(&mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(since.elapsed() < PATIENCE, "the engine does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Others who ask the engine something without a pause, until they are dropped.
struct Crowd {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(count: usize, folder: &Path) -> Self {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let socket = folder.join("data/engine-simulated.sock");
        let asks = |_| {
            let (over, asked, socket) = (over.clone(), asked.clone(), socket.clone());
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let Ok(mut stream) = UnixStream::connect(&socket) else { continue };
                    let said = stream.write_all(b"{\"v\":1,\"verb\":\"state\"}\n{\"v\":1}\n");
                    drop(said.and_then(|()| stream.read_to_string(&mut String::new())));
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let threads = (0..count).map(asks).collect();
        Self { over, asked, threads }
    }
    /// Waits until it has asked so often since now.
    fn asks(&self, more: u64) {
        let (since, before) = (Instant::now(), self.asked.load(Ordering::SeqCst));
        while self.asked.load(Ordering::SeqCst) < before + more {
            assert!(since.elapsed() < PATIENCE, "nobody asks");
            std::thread::yield_now();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn script_kills_under_load(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let mut engine = Engine::with(folder, &["--weather", "crash"]);
    must(folder, &["arm", "--yes", "--for", "5m"], 0, "ARMED for 5m")?;
    let crowd = Crowd::of(4, folder);
    crowd.asks(20);
    must(folder, &["kill", "--flat", "--format", "csv"], 0, "simulated,latched,yes")?;
    crowd.asks(20);
    must(folder, &["status"], 0, "KILLED")?;
    must(folder, &["arm", "--yes"], 6, "latch")?;
    drop(crowd);
    must(folder, &["stop"], 0, "stopped")?;
    if engine.ends() != Some(7) {
        return Err("a killed engine ends with 7".into());
    }
    Ok(())
}

fn key_kills_under_load(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let _engine = Engine::with(folder, &["--weather", "crash"]);
    attach(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    tmux.insist("A", "Esc stay disarmed")?;
    tmux.insist("Enter", "● ARMED")?;
    let crowd = Crowd::of(4, folder);
    crowd.asks(20);
    tmux.keys(&["C-k"])?;
    tmux.shows(&["✖ KILLED"])?;
    // Also where no picture says it.
    must(folder, &["status"], 0, "KILLED")?;
    tmux.insist("Enter", "FLAT (proven")?;
    drop(crowd);
    Ok(())
}

fn signal_to(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Exit code and everything that was printed.
fn run(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let out = tickdeck(folder, words).stdin(Stdio::null()).output().unwrap();
    (out.status.code(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

/// Runs a command that must end so and say that.
fn must(folder: &Path, words: &[&str], code: i32, says: &str) -> Result<(), String> {
    let (ended, text) = run(folder, words);
    if ended == Some(code) && text.contains(says) {
        return Ok(());
    }
    Err(format!("{words:?} ended with {ended:?}, not {code} and \"{says}\": {text}"))
}

fn attach(tmux: &Tmux, rest: &str) -> Result<(), String> {
    tmux.line(&format!("{BINARY} --data-dir data attach {rest}; echo ended $?"))
}

fn attaches(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let mut engine = Engine::start(folder);
    attach(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE", "BTCUSDT"])?;
    tmux.insist("A", "Esc stay disarmed")?;
    tmux.insist("Enter", "● ARMED")?;
    tmux.shows(&["FILL"])?;
    // Leaving it with risk on asks nothing and changes nothing.
    tmux.keys(&["q"])?;
    tmux.shows(&["detached; the engine goes on", "ended 0"])?;
    tmux.is_given_back()?;
    tmux.line("clear")?;
    attach(tmux, "")?;
    tmux.shows(&["● ARMED"])?;
    tmux.keys(&["C-c"])?;
    tmux.shows(&["detach: the engine goes on"])?;
    tmux.leave("detach: the engine goes on")?;
    tmux.keys(&["C-k"])?;
    tmux.shows(&["✖ KILLED"])?;
    tmux.insist("Enter", "FLAT (proven")?;
    must(folder, &["stop"], 0, "stopped")?;
    if engine.ends() != Some(7) {
        return Err("a killed engine ends with 7".into());
    }
    // The cockpit stays: it says that its engine is silent, and leaves when the person does.
    tmux.shows(&["ENGINE ENDED"])?;
    tmux.leave("resets the latch")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"]).map(|_| ())
}

fn read_only(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let _engine = Engine::start(folder);
    must(folder, &["arm", "--yes", "--for", "5m"], 0, "ARMED for 5m")?;
    attach(tmux, "--read-only")?;
    tmux.shows(&["SIMULATED MARKET", "● ARMED"])?;
    for key in ["d", "C-k"] {
        tmux.insist(key, "attached read-only")?;
        tmux.keys(&["Right"])?;
        tmux.is_gone("attached read-only")?;
    }
    let screen = tmux.shows(&["● ARMED"])?;
    if screen.contains("KILLED") {
        return Err(format!("a read-only cockpit killed:\n{screen}"));
    }
    Ok(())
}

fn scripts(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    must(folder, &["arm", "--yes"], 3, "no engine is running")?;
    let mut engine = Engine::start(folder);
    must(folder, &["arm"], 2, "--yes says that it is meant")?;
    must(folder, &["arm", "--yes", "--for", "8h"], 0, "ARMED for 8h")?;
    must(folder, &["limits", "set", "max_daily_loss", "150"], 0, "200 -> 150")?;
    must(folder, &["limits", "set", "max_daily_loss", "180"], 2, "nothing was done")?;
    must(folder, &["limits", "set", "max_daily_loss", "180", "--yes"], 6, "only while disarmed")?;
    must(folder, &["limits", "set", "max_profit", "1"], 2, "there is no limit max_profit")?;
    must(folder, &["limits", "set", "max_daily_loss", "much"], 2, "not a decimal number")?;
    must(folder, &["disarm"], 0, "disarmed")?;
    must(folder, &["limits", "set", "max_daily_loss", "180", "--yes"], 0, "150 -> 180")?;
    must(folder, &["limits", "get", "--format", "csv"], 0, "max_daily_loss,180,USDT")?;
    must(folder, &["reset", "--yes"], 6, "nothing is latched")?;
    must(folder, &["kill"], 0, "KILLED")?;
    must(folder, &["arm", "--yes"], 6, "latch")?;
    must(folder, &["reset"], 2, "killed: by `tickdeck kill`")?;
    must(folder, &["reset", "--yes"], 0, "lifted, SAFE")?;
    must(folder, &["adopt", "BTCUSDT", "--yes"], 6, "was not released")?;
    must(folder, &["close-released", "BTCUSDT", "--yes"], 6, "is not released")?;
    must(folder, &["close-released", "BTCUSDT"], 2, "nothing is repeated")?;
    must(folder, &["release", "NOUSDT", "--yes"], 6, "no instrument NOUSDT")?;
    must(folder, &["disarm", "--format", "json"], 0, "\"said\": \"disarmed\"")?;
    must(folder, &["stop"], 0, "stopped")?;
    if engine.ends() != Some(0) {
        return Err("the engine ends in order".into());
    }
    Ok(())
}

fn hang_up(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let models = format!("TICKDECK__MODEL__DIR={}/models", env!("CARGO_MANIFEST_DIR"));
    tmux.line(&format!("{models} exec {BINARY} --data-dir data demo --seed 7 --practice"))?;
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    tmux.insist("A", "Esc stay disarmed")?;
    tmux.insist("Enter", "● ARMED")?;
    tmux.shows(&["FILL"])?;
    tmux.tmux(&["new-window", "-c", &folder.display().to_string(), "env PS1='$ ' sh"])?;
    tmux.tmux(&["kill-window", "-t", ":0"])?;
    attach(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE", "the engine goes on without a screen"])?;
    tmux.keys(&["q"])?;
    tmux.shows(&["detached"])?;
    // With nothing open it has nothing to stay for. It may have closed everything itself by now, and be gone or going.
    let (code, text) = run(folder, &["flatten", "--yes"]);
    if !matches!(code, Some(0 | 3 | 5)) {
        return Err(format!("flatten ended with {code:?}: {text}"));
    }
    let since = Instant::now();
    while run(folder, &["status"]).0 != Some(3) {
        if since.elapsed() > PATIENCE {
            return Err("the engine stays although nothing is open".into());
        }
    }
    Ok(())
}

fn comes_back(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let mut engine = Engine::start(folder);
    attach(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "BTCUSDT · 1s"])?;
    tmux.insist("]", "ETHUSDT · 1s")?;
    must(folder, &["stop"], 0, "stopped")?;
    engine.ends();
    tmux.shows(&["ENGINE ENDED"])?;
    let mut next = Engine::start(folder);
    tmux.shows(&["ETHUSDT · 1s", "now: "])?;
    tmux.is_gone("ENGINE ENDED")?;
    tmux.keys(&["]"])?;
    tmux.shows(&["SOLUSDT · 1s"])?;
    // With the engine away a kill is kept for it, and leaving says that nobody has heard of it.
    must(folder, &["stop"], 0, "stopped")?;
    next.ends();
    tmux.shows(&["ENGINE ENDED"])?;
    tmux.keys(&["C-k"])?;
    tmux.shows(&["KILL ASKED"])?;
    tmux.leave("KILL ASKED")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["THE KILL WAS NOT CONFIRMED", "ended 1"])?;
    tmux.is_given_back()?;
    Ok(())
}

fn frozen(tmux: &Tmux) -> Result<(), String> {
    let folder = tmux.dir.path();
    let engine = Engine::start(folder);
    // Under a shell without job control, which does not notice that its program was stopped.
    tmux.line(&format!("sh -c '{BINARY} --data-dir data attach; echo ended'"))?;
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    must(folder, &["kill"], 0, "KILLED")?;
    tmux.shows(&["beats, less than 1 s ago"])?;
    engine.signal(Signal::STOP);
    tmux.shows(&["ENGINE SILENT", "last beat "])?;
    // What loosens and was given up is not done long after.
    must(folder, &["reset", "--yes"], 5, "tickdeck kill")?;
    engine.signal(Signal::CONT);
    tmux.is_gone("ENGINE SILENT")?;
    must(folder, &["arm", "--yes"], 6, "latch")?;
    must(folder, &["reset", "--yes"], 0, "lifted, SAFE")?;
    // A cockpit that stands still holds up nobody.
    let pane = tmux.tmux(&["list-panes", "-F", "#{pane_pid}"])?;
    let cockpit = child(child(pane.trim().parse().unwrap()));
    signal_to(cockpit, Signal::STOP);
    tmux.tmux(&["new-window", "-c", &folder.display().to_string(), "env PS1='$ ' sh"])?;
    attach(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    tmux.insist("A", "Esc stay disarmed")?;
    tmux.insist("Enter", "● ARMED")?;
    tmux.shows(&["FILL"])?;
    signal_to(cockpit, Signal::CONT);
    tmux.tmux(&["select-window", "-t", ":0"])?;
    tmux.shows(&["● ARMED", "FILL"]).map(|_| ())
}

/// The only child of a process.
fn child(parent: u32) -> u32 {
    let children = Command::new("pgrep").args(["-P", &parent.to_string()]).output().unwrap().stdout;
    String::from_utf8(children).unwrap().trim().parse().unwrap()
}
