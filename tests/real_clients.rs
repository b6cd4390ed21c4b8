//! Third-party clients against `tickdeck sim`: pybit, ccxt, ccxt.pro and npm's bybit-api place, amend, cancel, fill and
//! watch. They were written by others against the real venue, so what they understand is what the venue says.
//! Ignored where Python's venv or npm is missing. Installed once, into `target/real-clients`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

const PYTHON_PACKAGES: &[&str] = &["pybit==5.17.0", "ccxt==4.5.90"];
const NPM_PACKAGES: &[&str] = &["bybit-api@4.7.7"];
/// How long a script may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let python = works(Command::new("python3").args(["-c", "import ensurepip, venv"]));
    let npm = works(Command::new("npm").arg("--version"));
    let trial = |name: &str, able: bool, missing: &str, body: fn() -> Result<(), String>| {
        Trial::test(name, move || body().map_err(Failed::from)).with_ignored_flag(!able).with_kind(if able {
            "client"
        } else {
            missing
        })
    };
    let trials = vec![
        trial("pybit_trades_and_watches", python, "no python3 venv here", || run_python("with_pybit.py")),
        trial("ccxt_and_ccxt_pro_trade_and_watch", python, "no python3 venv here", || run_python("with_ccxt.py")),
        trial("npm_bybit_api_trades_and_watches", npm, "no npm here", || run_node("with_bybit_api.mjs")),
    ];
    // One at a time: the scripts watch the market in real time, and the installations must not race.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..Arguments::from_args() }, trials).exit_code()
}

fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Where the clients are installed, kept between runs.
fn home() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_tickdeck")).ancestors().nth(2).unwrap().to_owned();
    let home = target.join("real-clients");
    fs::create_dir_all(&home).unwrap();
    home
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn run_python(name: &str) -> Result<(), String> {
    let venv = home().join("venv");
    let python = venv.join("bin/python");
    install(&venv, PYTHON_PACKAGES, || {
        done(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PYTHON_PACKAGES))
    })?;
    against_sim(Command::new(&python).arg(script(name)))
}

fn run_node(name: &str) -> Result<(), String> {
    let folder = home().join("npm");
    install(&folder, NPM_PACKAGES, || {
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        fs::write(folder.join("package.json"), "{\"private\":true}").map_err(|e| e.to_string())?;
        let mut npm = Command::new("npm");
        done(npm.args(["install", "--silent", "--no-audit", "--no-fund"]).args(NPM_PACKAGES).current_dir(&folder))
    })?;
    // Node looks for packages beside the script.
    let copy = folder.join(name);
    fs::copy(script(name), &copy).map_err(|e| e.to_string())?;
    against_sim(Command::new("node").arg(copy))
}

/// Installs unless exactly these packages are there already.
fn install(folder: &Path, packages: &[&str], work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == packages.join("\n")) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| e.to_string())?;
    }
    work()?;
    fs::write(stamp, packages.join("\n")).map_err(|e| e.to_string())
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs a client with the port of a fresh exchange as its argument.
fn against_sim(client: &mut Command) -> Result<(), String> {
    let sim = Sim::start()?;
    let mut child = client
        .arg(sim.port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{client:?}: {e}"))?;
    let begun = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break Some(status);
        }
        if begun.elapsed() > PATIENCE {
            child.kill().map_err(|e| e.to_string())?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if ended.is_some_and(|status| status.success()) {
        return sim.end();
    }
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().map(|mut pipe| pipe.read_to_string(&mut out));
    child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut err));
    let outcome = ended.map_or("is stuck".to_owned(), |status| status.to_string());
    Err(format!("{client:?}: {outcome}\n{out}\n{err}"))
}

/// `tickdeck sim` as its own process.
struct Sim {
    child: Child,
    port: u16,
}

impl Sim {
    fn start() -> Result<Self, String> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tickdeck"))
            .args(["sim", "--listen", "127.0.0.1:0", "--seed", "3"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.into_iter().find(|line| line.starts_with("rest_url")).ok_or("the exchange did not start")?;
        let port = line.trim_end_matches('"').rsplit(':').next().and_then(|port| port.parse().ok());
        Ok(Self { child, port: port.ok_or(line)? })
    }

    /// A signal ends it with exit code 0.
    fn end(mut self) -> Result<(), String> {
        done(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the exchange ended with {status}")) }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
