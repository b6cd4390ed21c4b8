//! Does a cockpit that looks on cost the engine anything? The turn of a running engine's loop, with nobody there and with two
//! cockpits attached, one of them stopped (SIGSTOP), the other on a terminal that takes 1 kB a second; in turns, one engine for
//! all. `cargo bench --bench attach`; figures are in docs/benchmarks.md. Needs `script` (util-linux).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a benchmark

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(20);
const SETTLES: Duration = Duration::from_secs(4);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listen = format!("metrics.listen={address}");
    let words = ["run", "--demo", "--seed", "7", "--weather", "busy", "--practice", "--arm", "--yes", "--set", &listen];
    let mut engine = tickdeck(folder.path(), &words);
    let _engine = Ends(engine.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    std::thread::sleep(SETTLES * 3);
    println!("{:<28} {:>8} {:>10} {:>10} {:>10}", "", "turns", "p50", "p99", "p99.9");
    for _ in 0..ROUNDS {
        measure("nobody attached", &address);
        let (stopped, slow) = (Cockpit::attach(folder.path()), Cockpit::attach(folder.path()));
        std::thread::sleep(SETTLES);
        stopped.stop();
        slow.takes_a_kilobyte_a_second();
        std::thread::sleep(SETTLES);
        let before = slow.read.load(Ordering::SeqCst);
        measure("one stopped, one at 1 kB/s", &address);
        println!("{:>50} bytes taken by the slow one", slow.read.load(Ordering::SeqCst) - before);
    }
}

/// A process that ends with the benchmark.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn tickdeck(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.current_dir(folder).args(["--data-dir", "data"]).args(words);
    command.env("TICKDECK__MODEL__DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
    command
}

/// An attached cockpit on a terminal of its own.
struct Cockpit {
    _script: Ends,
    pid: Pid,
    slow: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
}

impl Cockpit {
    fn attach(folder: &Path) -> Self {
        let binary = env!("CARGO_BIN_EXE_tickdeck");
        let shell = format!("stty rows 45 cols 160; echo $$; exec {binary} --data-dir data attach");
        let mut script = Command::new("script");
        script.current_dir(folder).args(["-qfc", &shell, "/dev/null"]).env("TERM", "xterm-256color");
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let (slow, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (slows, reads) = (slow.clone(), read.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let most = if slows.load(Ordering::SeqCst) { 100 } else { bytes.len() };
                match out.read(&mut bytes[..most]) {
                    Ok(count) if count > 0 => reads.fetch_add(count as u64, Ordering::SeqCst),
                    _ => return,
                };
                if most == 100 {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        });
        let pid = Pid::from_raw(first.trim().parse().unwrap()).unwrap();
        Self { _script: Ends(child), pid, slow, read }
    }
    fn stop(&self) {
        kill_process(self.pid, Signal::STOP).unwrap();
    }
    fn takes_a_kilobyte_a_second(&self) {
        self.slow.store(true, Ordering::SeqCst);
    }
}

impl Drop for Cockpit {
    fn drop(&mut self) {
        let _gone = kill_process(self.pid, Signal::KILL);
    }
}

/// Cumulative counts of turns by their bound in seconds.
fn turns(address: &str) -> Vec<(f64, u64)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("tickdeck_engine_turn_seconds_bucket{le=\""));
    let row = |row: &str| {
        let (bound, count) = row.split_once("\"} ").unwrap();
        (if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }, count.parse().unwrap())
    };
    rows.map(row).collect()
}

fn measure(what: &str, address: &str) {
    let (before, since) = (turns(address), Instant::now());
    std::thread::sleep(ROUND.saturating_sub(since.elapsed()));
    let counts: Vec<(f64, u64)> =
        turns(address).into_iter().zip(before).map(|((bound, now), (_, then))| (bound, now - then)).collect();
    let all = counts.last().unwrap().1;
    let show = |quantile: f64| format!("{:.0} µs", at(&counts, all as f64 * quantile) * 1e6);
    println!("{what:<28} {all:>8} {:>10} {:>10} {:>10}", show(0.5), show(0.99), show(0.999));
}

/// Between two bounds as if evenly spread, as Prometheus does.
fn at(counts: &[(f64, u64)], rank: f64) -> f64 {
    let (mut below, mut from) = (0_u64, 0.0);
    for (bound, count) in counts {
        if *count as f64 >= rank {
            let inside = (*count - below) as f64;
            let to = if bound.is_finite() { *bound } else { from };
            return from + (to - from) * ((rank - below as f64) / inside.max(1.0));
        }
        (below, from) = (*count, *bound);
    }
    from
}
