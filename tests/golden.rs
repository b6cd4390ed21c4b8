//! One tape, one decision log: a recorded run comes out again byte for byte, twice, and through two drivers (with a
//! screen's session and without one). The tape in `tests/tapes` was made here, by our own market and a forecast that is
//! plain arithmetic; `TICKDECK_BLESS=1 cargo test --test golden` makes it anew after a deliberate change of decisions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tickdeck::engine::Engine;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Effect, Effects};
use tickdeck::engine::event::{Event, HorizonForecast, OrderNews, OrderUpdate, Prediction};
use tickdeck::engine::features::FeatureFrame;
use tickdeck::engine::ids::{ModelId, Seq};
use tickdeck::engine::num::{Money, Rate, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::{Protect, Settings};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::run::decisions::DecisionLog;
use tickdeck::run::replay::{self, BacktestOptions, ReplayOptions};
use tickdeck::run::start::Setup;
use tickdeck::tape::{TapeHeader, TapeKind, TapeWriter};
use tickdeck::tui::link::{QuitChoice, Request};
use tickdeck::venue::paper::{PaperSettings, PaperVenue, VenueReport};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

const START: Ts = Ts::from_ms(1_767_225_600_000);
const LENGTH: Span = Span::from_secs(25);

fn tape_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tapes/golden.tape")
}
fn hash_path() -> PathBuf {
    tape_path().with_extension("decisions")
}

/// What a person does during the golden run.
fn script() -> Vec<(i64, Command)> {
    vec![
        (3_000, Command::Arm { lasts: Span::from_secs(600) }),
        (12_000, Command::SetLimit { key: LimitKey::MaxPositionNotional, value: 250 * UNIT }),
        (16_000, Command::Flatten(None)),
        (19_500, Command::Arm { lasts: Span::from_secs(600) }),
        (21_000, Command::Kill),
        (22_000, Command::KillClose),
    ]
}

/// A forecast anybody can compute: the sign of the features' sum.
fn forecast(frame: &FeatureFrame) -> Prediction {
    let lean: f32 = frame.values.iter().take(8).sum();
    let (up, down) = if lean >= 0.0 { (0.6, 0.2) } else { (0.2, 0.6) };
    Prediction {
        symbol: frame.symbol,
        model: ModelId(0),
        features_at: frame.at,
        took: Span(0),
        horizons: vec![HorizonForecast {
            horizon_s: 10,
            up,
            flat: 0.2,
            down,
            move_bps: if up > down { 1.0 } else { -1.0 },
        }],
    }
}

/// Records the golden run and gives its decision hash. Written without the driver, on purpose.
struct Recorder {
    engine: Engine,
    venue: PaperVenue,
    writer: TapeWriter,
    log: DecisionLog,
    effects: Effects,
    seq: u64,
}

impl Recorder {
    fn record(path: &Path) -> String {
        let protect = Protect { stop: Rate::from_raw(10_000_000), take_profit: Rate::ZERO, required: true };
        let settings = Settings { stop: Rate::from_raw(500_000), protect, ..rig::eager() };
        let mut restored = rig::restored(settings, RiskLimits::default());
        restored.instruments = SimulatedMarket::instruments();
        let header = TapeHeader {
            kind: TapeKind::Recorded,
            run: restored.run.clone(),
            pair: restored.pair,
            created: START,
            instruments: restored.instruments.clone(),
            source: "golden".to_owned(),
        };
        drop(std::fs::remove_file(path));
        let mut this = Self {
            engine: Engine::new(&restored),
            venue: PaperVenue::new(PaperSettings::default(), restored.instruments.clone(), restored.balance, &[]),
            writer: TapeWriter::create(path, &header).unwrap(),
            log: DecisionLog::new(None),
            effects: Effects::new(),
            seq: 0,
        };
        this.step(START, &Event::Restored(Box::new(restored)));
        this.play();
        this.step(START + LENGTH, &Event::Ended);
        this.writer.finish().unwrap();
        this.log.hash()
    }

    fn play(&mut self) {
        let mut market = SimulatedMarket::new(11, Weather::Busy, START);
        let mut commands = script().into_iter().map(|(ms, command)| (START + Span::from_ms(ms), command)).peekable();
        let mut tick = START + Span::from_secs(1);
        loop {
            let command = commands.peek().map_or(Ts(i64::MAX), |next| next.0);
            let venue = self.venue.next_due().unwrap_or(Ts(i64::MAX));
            let due = tick.min(venue).min(market.next_at()).min(command);
            if due > START + LENGTH {
                return;
            }
            if tick == due {
                tick = tick + Span::from_secs(1);
                self.step(due, &Event::Tick);
            } else if venue == due {
                if let Some((at, report)) = self.venue.pop_due(due) {
                    let event = match report {
                        VenueReport::Order(update) => Event::Order(update),
                        VenueReport::Account(update) => Event::Account(update),
                    };
                    self.step(at, &event);
                }
            } else if command == due {
                let (at, command) = commands.next().unwrap();
                self.step(at, &Event::Command(command));
            } else {
                let (at, symbol, data) = market.next_event();
                self.venue.on_market(at, symbol, &data);
                self.step(at, &Event::Market(symbol, data));
            }
        }
    }

    fn step(&mut self, at: Ts, event: &Event) {
        self.seq += 1;
        self.engine.step(at, event, &mut self.effects);
        self.log.add(at, self.effects.as_slice());
        if *event != Event::Tick {
            self.writer.append(at, Seq(self.seq), event).unwrap();
        }
        let effects: Vec<Effect> = self.effects.drain().collect();
        for effect in effects {
            match effect {
                Effect::Submit(order) => {
                    let seq = order.get().seq;
                    self.venue.submit(at, order);
                    self.step(at, &Event::Order(OrderUpdate { order: seq, what: OrderNews::Sent }));
                }
                Effect::Cancel(order) => self.venue.cancel(at, order),
                Effect::Infer(frame) => self.step(at, &Event::Predicted(forecast(&frame))),
                Effect::Ask => self.venue.ask(at),
                Effect::Protect { symbol, protection } => self.venue.protect(at, symbol, protection),
                Effect::CancelById { symbol, order } => self.venue.cancel_by_id(at, symbol, &order),
                Effect::Retry
                | Effect::Settle(_)
                | Effect::Errand(_)
                | Effect::TieOut
                | Effect::ReloadModels
                | Effect::Record(_)
                | Effect::Note(_) => {}
            }
        }
    }
}

fn setup(data_dir: &Path) -> Setup {
    Setup {
        settings: Settings::default(),
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: Vec::new(),
        shelf: None,
        data_dir: data_dir.to_owned(),
        tape: None,
    }
}

#[test]
fn the_golden_run_comes_out_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    if std::env::var_os("TICKDECK_BLESS").is_some() {
        std::fs::create_dir_all(tape_path().parent().unwrap()).unwrap();
        let hash = Recorder::record(&tape_path());
        std::fs::write(hash_path(), format!("{hash}\n")).unwrap();
    }
    let pinned = std::fs::read_to_string(hash_path()).unwrap().trim().to_owned();
    let again = Recorder::record(&folder.path().join("again.tape"));
    assert_eq!(again, pinned, "the same market and the same forecasts decide differently now");
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert!(bytes(&folder.path().join("again.tape")) == bytes(&tape_path()), "the same run writes another tape");
    for _ in 0..2 {
        let report = replay::audit(&tape_path()).unwrap();
        assert_eq!(report.decisions_hash, pinned, "{report:?}");
        assert!(report.fills >= 4, "the golden run trades: {report:?}");
    }
}

#[test]
fn the_same_decisions_with_a_screen_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let pinned = std::fs::read_to_string(hash_path()).unwrap().trim().to_owned();
    let options = ReplayOptions { tape: tape_path(), speed: 500.0, audit: true, practice: false };
    let session = replay::session(setup(folder.path()), &options, 60).unwrap();
    let cockpit = session.stage.cockpit.clone();
    let engine = std::thread::spawn(move || session.run());
    let begun = Instant::now();
    let hash = loop {
        if let Some(snapshot) = cockpit.newest()
            && snapshot.session.playback.as_ref().is_some_and(|playback| playback.ended)
        {
            break snapshot.health.decisions.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the replay ends");
        std::thread::yield_now();
    };
    assert_eq!(hash, pinned[..12]);
    cockpit.ask(Request::Quit(QuitChoice::Leave));
    engine.join().unwrap();
}

#[test]
fn a_backtest_of_the_same_tape_gives_the_same_hash_twice() {
    let folder = tempfile::tempdir().unwrap();
    let options = BacktestOptions { practice: true, disarmed: false, decisions: None };
    let run = || replay::backtest(setup(folder.path()), &tape_path(), &options).unwrap();
    let (one, two) = (run(), run());
    assert_eq!(one.decisions_hash, two.decisions_hash);
    assert!(one.events > 1000 && one.troubles.is_empty(), "{one:?}");
    assert_eq!(one.fills, 0, "no model, no entries");
}

#[test]
fn symbols_of_the_golden_tape_are_the_simulated_market() {
    let report = tickdeck::tape::verify(&tape_path()).unwrap();
    assert_eq!(report.header.instruments, SimulatedMarket::instruments());
    assert_eq!(report.out_of_order, 0);
}
