//! The engine that is killed: everything that `tickdeck run --mode testnet` is made of, with a model that always has an
//! opinion, and another one every second.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tickdeck::engine::command::Command;
use tickdeck::engine::event::{HorizonForecast, ModelInfo};
use tickdeck::engine::features::{FeatureFrame, Set};
use tickdeck::engine::ids::{Account, Pair};
use tickdeck::engine::num::{Money, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{Health, Snapshot, StateWord};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::engine::trust::promise::Promise;
use tickdeck::model::{Card, Model, ModelError};
use tickdeck::run::assemble::{Outputs, Shown};
use tickdeck::run::cockpit::run_without_screen;
use tickdeck::run::live::{LiveOptions, PrivateAccess, session};
use tickdeck::run::stage::Departure;
use tickdeck::run::start::Setup;
use tickdeck::tui::link::{CockpitEnd, Request};
use tickdeck::venue::bybit::account::Transport;
use tickdeck::venue::bybit::credentials::{Credentials, PrivateAccount};
use tickdeck::venue::bybit::hosts::{Network, Overrides, PrivateHosts, PublicHosts, Region};
use tickdeck::venue::bybit::public::{PublicOptions, Timing};
use tickdeck::venue::bybit::rest::SharedLimits;

use super::exchange::{Exchange, KEY, SECRET};

/// What does not come in this time never comes.
pub const PATIENCE: Duration = Duration::from_secs(150);
const ASKED: &str = "LEDGER_DISK_ENGINE";

/// What the engine is asked for.
pub struct Asked {
    exchange: String,
    data_dir: PathBuf,
    /// `trade`, `trade-once`, `watch` or `reset`.
    what: String,
}

impl Asked {
    /// What this process is asked for, if it is to be the engine.
    pub fn from_environment() -> Option<Self> {
        let asked = std::env::var(ASKED).ok()?;
        let mut words = asked.splitn(3, ' ').map(str::to_owned);
        let (what, exchange, data_dir) = (words.next()?, words.next()?, PathBuf::from(words.next()?));
        Some(Self { exchange, data_dir, what })
    }
}

/// Up for a second, down for a second, without looking at anything.
struct Restless {
    info: ModelInfo,
    card: Card,
}

impl Restless {
    fn new() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/logistic-v1.toml");
        let card = Card::parse(&std::fs::read_to_string(path).unwrap(), path).unwrap();
        let (name, hash, trained) = ("restless".to_owned(), "000000".to_owned(), String::new());
        Self {
            info: ModelInfo {
                name,
                hash,
                horizons_s: vec![10],
                reads: Set::Market,
                trained,
                promise: Promise::default(),
            },
            card,
        }
    }
}

impl Model for Restless {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn card(&self) -> &Card {
        &self.card
    }
    fn window(&self) -> usize {
        1
    }
    fn forget(&mut self) {}
    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        let of = |frame: &FeatureFrame| {
            let rises = (frame.at.as_ms() / 1_000 + i64::from(frame.symbol.0)) % 2 == 0;
            let (up, down, move_bps) = if rises { (0.8, 0.1, 5.0) } else { (0.1, 0.8, -5.0) };
            vec![HorizonForecast { horizon_s: 10, up, flat: 0.1, down, move_bps }]
        };
        Ok(frames.iter().map(of).collect())
    }
}

/// Is the engine, until it is killed.
pub fn run(asked: &Asked) {
    let limit = |limits: RiskLimits, key, value: i64| limits.with(key, value * UNIT).unwrap();
    let limits = limit(RiskLimits::default(), LimitKey::CooldownAfterLoss, 0);
    let limits = limit(limits, LimitKey::MaxOrdersPer10s, 100);
    let limits = limit(limits, LimitKey::MaxDailyLoss, 5_000);
    let limits = limit(limits, LimitKey::MaxLoss24h, 5_000);
    let limits = limit(limits, LimitKey::MaxDrawdownPct, 50);
    let setup = Setup {
        settings: Settings { decision_interval: Span::from_ms(250), ..Settings::default() },
        limits,
        balance: Money::from_units(10_000),
        models: vec![Box::new(Restless::new())],
        shelf: None,
        data_dir: asked.data_dir.clone(),
        tape: None,
    };
    let end = Arc::new(OnceLock::new());
    let (printed, said, armed) = (asked.what.clone(), end.clone(), AtomicBool::new(false));
    let shown = Shown {
        fps: None,
        outputs: Some(Outputs {
            on_notice: Box::new(|notice| say(&format!("notice {:?} {}", notice.kind, notice.text))),
            on_snapshot: Box::new(move |snapshot| on_snapshot(snapshot, &printed, &armed, &said)),
        }),
        stop_after: None,
        departure: Departure::default(),
    };
    let session = session(setup, options(asked), shown, None).unwrap();
    drop(end.set(session.stage.cockpit.clone()));
    let pair = Pair::bybit(Account::Testnet);
    let ledger = asked.data_dir.join(pair.ledger_name());
    drop(run_without_screen(session, asked.data_dir.clone(), Some((ledger, pair))));
}

fn options(asked: &Asked) -> LiveOptions {
    let at = &asked.exchange;
    let overrides = Overrides {
        rest: Some(format!("http://{at}")),
        ws_public: Some(format!("ws://{at}/v5/public/linear")),
        ws_private: Some(format!("ws://{at}/v5/private")),
        ws_trade: Some(format!("ws://{at}/v5/trade")),
    };
    let credentials = Credentials::new(PrivateAccount::Testnet, KEY, SECRET.to_owned().into()).unwrap();
    LiveOptions {
        public: PublicOptions {
            hosts: PublicHosts::new(Network::Testnet, Region::Global, &overrides).unwrap(),
            symbols: vec!["BTCUSDT".to_owned(), "ETHUSDT".to_owned()],
            depth: 50,
            proxy: None,
            limits: SharedLimits::default(),
            signs: tickdeck::venue::bybit::signs::Signs::default(),
            timing: Timing::default(),
        },
        private: Some(PrivateAccess {
            account: Account::Testnet,
            hosts: PrivateHosts::new(&credentials, &overrides).unwrap(),
            credentials: Arc::new(credentials),
            notes: Vec::new(),
            transport: Transport::Rest,
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
        }),
        recording: false,
        watchdog: None,
        practice: true,
    }
}

/// Arms as often as it can, or once, or resets, or only looks on.
fn on_snapshot(snapshot: &Snapshot, what: &str, armed: &AtomicBool, end: &OnceLock<CockpitEnd>) {
    say(&format!("state {:?}", snapshot.state.word));
    let Some(end) = end.get() else { return };
    let passes = snapshot.state.preflight.iter().all(|check| check.health != Health::Fail);
    let word = snapshot.state.word;
    let once = what == "trade-once" && !armed.swap(armed.load(SeqCst) || word == StateWord::Armed, SeqCst);
    match (what, word) {
        ("trade-once", StateWord::Safe) if passes && once => {
            end.ask(Request::Command(Command::Arm { lasts: Span::from_secs(900) }))
        }
        ("trade", StateWord::Safe) if passes => end.ask(Request::Command(Command::Arm { lasts: Span::from_secs(900) })),
        ("reset", StateWord::Killed | StateWord::Tripped) => {
            let latched = snapshot.state.latch.as_ref().map_or_else(Ts::default, |latch| latch.at);
            end.ask(Request::Command(Command::Reset { latched }))
        }
        _ => false,
    };
}

/// Whoever listens may be gone; a slow one does not matter here.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// The engine as its parent sees it.
pub struct Engine {
    pub process: Child,
    lines: Receiver<String>,
    pub heard: Vec<String>,
}

impl Engine {
    pub fn start(what: &str, exchange: &Exchange, data_dir: &Path) -> Self {
        let mut engine = Process::new(std::env::current_exe().unwrap());
        engine.env(ASKED, format!("{what} {} {}", exchange.address, data_dir.display()));
        Self::of(engine)
    }

    /// Any program that says things line by line.
    pub fn of(mut engine: Process) -> Self {
        let mut process = engine.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, lines, heard: Vec::new() }
    }

    /// Until it says such a line.
    pub fn says(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(since.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended before {what}: {:#?}", self.last()),
            }
        }
        panic!("waited in vain for {what}: {:#?}", self.last())
    }

    fn last(&self) -> Vec<&String> {
        self.heard.iter().rev().take(40).rev().collect()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), signal).unwrap();
    }

    /// `kill -9`, and gone.
    pub fn kill(mut self) -> BTreeSet<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::mem::take(&mut self.heard).into_iter().collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
