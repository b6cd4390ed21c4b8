//! The real binary in a real terminal, as its user: start, arm, trade, limit, kill, restart, reset, signals, bad input.
//! Listed as ignored where tmux is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod tmux;

use std::process::{Command as Process, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::Arguments;
use tmux::{Tmux, trial};

const BINARY: &str = env!("CARGO_BIN_EXE_tickdeck");

fn main() -> ExitCode {
    let trials = vec![
        trial("arm_trade_limit_kill_restart_reset", (160, 45), arm_trade_limit_kill_restart_reset),
        trial("compact_screen_cyrillic_keys_and_resize", (80, 24), compact_screen_cyrillic_keys_and_resize),
        trial("no_color_keeps_the_banner_inverse", (120, 40), no_color_keeps_the_banner_inverse),
        trial("sigterm_and_sighup_give_the_terminal_back", (100, 30), sigterm_and_sighup),
        trial("sigquit_kills_and_a_killed_run_exits_7", (100, 30), sigquit_kills),
        trial("a_provoked_panic_latches_and_keeps_the_screen", (120, 40), provoked_panic),
        trial("stopped_and_gone_on_it_is_disarmed_and_drawn", (120, 40), stopped_and_gone_on),
        trial("bad_configuration_starts_nothing", (100, 30), bad_configuration),
        trial("a_corrupt_tape_names_its_offset", (100, 30), corrupt_tape),
        trial("a_replay_plays_to_its_end", (120, 40), replay_plays_to_its_end),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Where the models of the repository are; the binary runs in a folder of its own.
fn models() -> String {
    format!("TICKDECK__MODEL__DIR={}/models", env!("CARGO_MANIFEST_DIR"))
}

fn demo(tmux: &Tmux, rest: &str) -> Result<(), String> {
    tmux.line(&format!("{} {BINARY} --data-dir data demo --seed 7 {rest}; echo ended $?", models()))
}

fn armed(tmux: &Tmux) -> Result<(), String> {
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    tmux.insist("A", "Esc stay disarmed")?;
    tmux.insist("Enter", "● ARMED")?;
    Ok(())
}

fn arm_trade_limit_kill_restart_reset(tmux: &Tmux) -> Result<(), String> {
    demo(tmux, "--practice")?;
    let screen = tmux.shows(&["SIMULATED MARKET", "PAPER", "PRACTICE: edge gate off", "BTCUSDT", "ETHUSDT"])?;
    if screen.contains("LIVE") {
        return Err(format!("paper looks like live:\n{screen}"));
    }
    armed(tmux)?;
    // A trade and its PnL.
    tmux.shows(&["FILL", "taker"])?;
    // Tighten a limit: the first row is max_order_notional.
    tmux.keys(&["r"])?;
    tmux.shows(&["max_order_notional"])?;
    tmux.insist("1", "-> 1_")?;
    tmux.keys(&["0", "0"])?;
    tmux.insist("Enter", "500 -> 100")?;
    tmux.keys(&["Escape"])?;
    tmux.shows(&["╭ orders"])?;
    tmux.shows(&["LIMIT_ORDER_NOTIONAL"])?;
    // Kill, both steps.
    tmux.keys(&["C-k"])?;
    tmux.shows(&["KILLED"])?;
    tmux.insist("Enter", "FLAT (proven")?;
    tmux.leave("resets the latch")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 7"])?;
    // Restart: still killed; reset by its ceremony.
    tmux.line("clear")?;
    demo(tmux, "--practice")?;
    tmux.shows(&["SIMULATED MARKET", "KILLED"])?;
    tmux.insist("R", "type RESET")?;
    tmux.insist("R", "go on: R_")?;
    tmux.keys(&["-l", "ESET"])?;
    tmux.insist("Enter", "SAFE")?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    tmux.is_given_back()
}

fn compact_screen_cyrillic_keys_and_resize(tmux: &Tmux) -> Result<(), String> {
    demo(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE", "BTCUSDT"])?;
    tmux.insist("Ф", "Esc stay disarmed")?;
    tmux.keys(&["Escape"])?;
    tmux.is_gone("Esc stay disarmed")?;
    for (width, height) in [("40", "10"), ("1", "1"), ("160", "45"), ("52", "14"), ("80", "24")] {
        tmux.tmux(&["resize-window", "-x", width, "-y", height])?;
    }
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    tmux.keys(&["й"])?;
    tmux.shows(&["ended 0"])?;
    tmux.is_given_back()
}

fn no_color_keeps_the_banner_inverse(tmux: &Tmux) -> Result<(), String> {
    tmux.line("export NO_COLOR=1")?;
    demo(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    let coded = tmux.tmux(&["capture-pane", "-p", "-e"])?;
    let banner = coded.lines().next().unwrap_or_default();
    if !banner.contains("\u{1b}[") || !banner.contains('7') {
        return Err(format!("the banner is plain text: {banner:?}"));
    }
    if coded.contains("[38;") || coded.contains("[48;") {
        return Err("colours although NO_COLOR is set".into());
    }
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"]).map(|_| ())
}

/// SIGSTOP and SIGCONT: what it believed is old, so it comes back disarmed and says why, on a screen that takes keys.
fn stopped_and_gone_on(tmux: &Tmux) -> Result<(), String> {
    // Under a shell without job control: one with it, and tmux itself, wake what is stopped or take its terminal.
    tmux.line(&format!("sh -c '{} {BINARY} --data-dir data demo --seed 7; echo ended'", models()))?;
    armed(tmux)?;
    signal(tmux, "STOP")?;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        std::thread::yield_now();
    }
    signal(tmux, "CONT")?;
    tmux.shows(&["stood still for", "SAFE"])?;
    tmux.insist("A", "Esc stay disarmed").map(|_| ())
}

/// Sends a signal to the running tickdeck of this test.
fn signal(tmux: &Tmux, name: &str) -> Result<(), String> {
    let marker = tmux.dir.path().file_name().unwrap().to_string_lossy().into_owned();
    let out = Process::new("sh")
        .args(["-c", &format!("for p in $(pgrep -x tickdeck); do readlink /proc/$p/cwd | grep -q {marker} && kill -{name} $p && echo sent; done; true")])
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if text.contains("sent") { Ok(()) } else { Err(format!("no tickdeck to signal: {text}")) }
}

fn sigterm_and_sighup(tmux: &Tmux) -> Result<(), String> {
    for name in ["TERM", "HUP"] {
        tmux.line("clear")?;
        demo(tmux, "")?;
        armed(tmux)?;
        signal(tmux, name)?;
        tmux.shows(&["ended 0"])?;
        tmux.is_given_back()?;
    }
    Ok(())
}

fn sigquit_kills(tmux: &Tmux) -> Result<(), String> {
    demo(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "SAFE"])?;
    signal(tmux, "QUIT")?;
    tmux.shows(&["✖ KILLED"])?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 7"])?;
    tmux.is_given_back()
}

fn provoked_panic(tmux: &Tmux) -> Result<(), String> {
    tmux.line("export TICKDECK_PROVOKE=engine-panic")?;
    demo(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "TRIPPED"])?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 7", "the engine stopped"])?;
    tmux.is_given_back()?;
    tmux.line("unset TICKDECK_PROVOKE; clear")?;
    demo(tmux, "")?;
    tmux.shows(&["SIMULATED MARKET", "TRIPPED"])?;
    Ok(())
}

fn bad_configuration(tmux: &Tmux) -> Result<(), String> {
    let file = tmux.dir.path().join("bad.toml");
    std::fs::write(&file, "[risk]\nmax_dayly_loss = 5\n").map_err(|e| e.to_string())?;
    tmux.line(&format!("{BINARY} --config bad.toml --data-dir data demo; echo ended $?"))?;
    tmux.shows(&["ended 4", "bad.toml", "max_dayly_loss", "max_daily_loss"])?;
    if tmux.dir.path().join("data/simulated.sqlite").exists() {
        return Err("something was started".into());
    }
    Ok(())
}

fn corrupt_tape(tmux: &Tmux) -> Result<(), String> {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tapes/golden.tape");
    let mut bytes = std::fs::read(golden).map_err(|e| e.to_string())?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(tmux.dir.path().join("bad.tape"), bytes).map_err(|e| e.to_string())?;
    tmux.line(&format!("{BINARY} --data-dir data replay bad.tape; echo ended $?"))?;
    tmux.shows(&["ended 1", "bad.tape", "byte"]).map(|_| ())
}

fn replay_plays_to_its_end(tmux: &Tmux) -> Result<(), String> {
    let golden = format!("{}/tests/tapes/golden.tape", env!("CARGO_MANIFEST_DIR"));
    tmux.line(&format!("{} {BINARY} --data-dir data replay {golden} --speed 50; echo ended $?", models()))?;
    tmux.shows(&["TAPE", "PAPER"])?;
    tmux.shows(&["what-if", "ended"])?;
    tmux.keys(&["q"])?;
    tmux.shows(&["ended 0"])?;
    tmux.is_given_back()
}
