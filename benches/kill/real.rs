//! The real program in a terminal of its own, its engine fed by a simulated exchange in this process: from the key's byte to the first
//! cancel. Between the program and the exchange lies a wire that passes bytes on and notes when a cancel goes by.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;
use tickdeck::venue::sim::Sim;
use tickdeck::venue::simulated::Weather;

use super::at_sim::exchange_in;
use super::processes::{self, KEY, SECRET, rests, wait};
use super::say;

const CANCEL: &[u8] = b"POST /v5/order/cancel";
const PATIENCE: Duration = Duration::from_secs(60);
/// Each needs a reset and an order that rests.
const KILLS: u32 = if cfg!(debug_assertions) { 3 } else { 60 };

/// Passes bytes on, and notes the first cancel since it was asked to.
struct Wire {
    address: SocketAddr,
    first: Mutex<Option<Instant>>,
    bell: Condvar,
}

impl Wire {
    fn to(exchange: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire =
            Arc::new(Self { address: listener.local_addr().unwrap(), first: Mutex::default(), bell: Condvar::new() });
        let passes = wire.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(exchange).unwrap();
                for socket in [&client, &server] {
                    socket.set_nodelay(true).unwrap();
                }
                let (up, down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
                let notes = passes.clone();
                std::thread::spawn(move || pass(up.0, up.1, |bytes| notes.look(bytes)));
                std::thread::spawn(move || pass(down.0, down.1, |_| ()));
            }
        });
        wire
    }

    fn look(&self, bytes: &[u8]) {
        if bytes.windows(CANCEL.len()).any(|part| part == CANCEL) {
            self.first.lock().unwrap().get_or_insert_with(Instant::now);
            self.bell.notify_all();
        }
    }

    fn forget(&self) {
        *self.first.lock().unwrap() = None;
    }

    fn first(&self) -> Instant {
        let first = self.first.lock().unwrap();
        self.bell.wait_timeout_while(first, PATIENCE, |first| first.is_none()).unwrap().0.expect("a cancel")
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8])) {
    let mut room = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut room) {
        look(&room[..count]);
        if to.write_all(&room[..count]).is_err() {
            return;
        }
    }
}

/// The cockpit on the testnet account.
struct Cockpit {
    child: Child,
    keyboard: OwnedFd,
    folder: tempfile::TempDir,
    sim: Sim,
    wire: Arc<Wire>,
}

impl Cockpit {
    fn start() -> Self {
        let sim = exchange_in(Weather::Busy, KEY, SECRET);
        let wire = Wire::to(sim.rest_url().trim_start_matches("http://").parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let screen = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        tcsetwinsize(&keyboard, Winsize { ws_row: 45, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let mut command = tickdeck(&folder, &sim, &wire);
        let child = command
            .env("TERM", "xterm-256color")
            .stdin(screen())
            .stdout(screen())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somebody looks at the screen.
        let mut seen = File::from(keyboard.try_clone().unwrap());
        std::thread::spawn(move || while matches!(seen.read(&mut [0; 8_192]), Ok(1..)) {});
        let cockpit = Self { child, keyboard, folder, sim, wire };
        wait("the account to be read", || cockpit.status().filter(|text| text.contains("SAFE")));
        cockpit
    }

    fn tells(&self, words: &[&str]) -> Option<String> {
        let output = tickdeck(&self.folder, &self.sim, &self.wire).args(words).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn status(&self) -> Option<String> {
        self.tells(&["status"])
    }

    fn open(&self) -> usize {
        let open = |row: &&Value| matches!(row["orderStatus"].as_str(), Some("New" | "PartiallyFilled"));
        self.sim.state()["orders"].as_array().unwrap().iter().filter(open).count()
    }
}

impl Drop for Cockpit {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program, whose requests go by the wire.
fn tickdeck(folder: &tempfile::TempDir, sim: &Sim, wire: &Wire) -> Command {
    let rest = format!("bybit.rest_url=http://{}", wire.address);
    processes::tickdeck(sim, folder.path(), &["--mode", "testnet", "--set", &rest])
}

/// `^K` at the real cockpit with a healthy engine on a busy market, again and again.
pub fn kills(what: &str) {
    let cockpit = Cockpit::start();
    let mut figures = Vec::new();
    for number in 0..KILLS {
        rests(&cockpit.sim, number);
        cockpit.wire.forget();
        let pressed = Instant::now();
        assert_eq!(rustix::io::write(&cockpit.keyboard, b"\x0b").unwrap(), 1);
        figures.push((cockpit.wire.first() - pressed).as_nanos() as u64);
        wait("the last order to end", || (cockpit.open() == 0).then_some(()));
        wait("the reset", || cockpit.tells(&["reset", "--yes"]));
    }
    say(what, figures);
}
