//! The why of a decision: the whole chain is there, and it comes out of the tape again: features and verdict bit for bit,
//! the model's own answer within 1e-6, and so do the rows that a training makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program
#![cfg(feature = "models")]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "model/market.rs"]
mod market;
mod rig;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rig::{BTC, Rig, eager};
use tickdeck::engine::Engine;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Effect, Effects};
use tickdeck::engine::event::{Event, MarketData, OrderNews, OrderUpdate, Prediction};
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame, FeatureState};
use tickdeck::engine::ids::{ModelId, OrderSeq, Seq, Symbol};
use tickdeck::engine::market::book::Book;
use tickdeck::engine::num::Side;
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::View;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::engine::why::{Why, WhyOf};
use tickdeck::model::train::{MarketEvents, TrainOptions, train_on, write_rows};
use tickdeck::model::{Model, load};
use tickdeck::run::why::{Question, why};
use tickdeck::tape::{TapeHeader, TapeKind, TapeReader, TapeWriter};
use tickdeck::venue::paper::{PaperSettings, PaperVenue, VenueReport};
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

const START: Ts = Ts::from_ms(1_767_225_600_000);
const LENGTH: Span = Span::from_secs(100);

fn shipped() -> Box<dyn Model> {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), "logistic-v1").unwrap()
}

/// A run on the built-in market with the shipped model, without the driver on purpose: its tape, and the why of every order
/// as the run itself knew it.
struct Recorded {
    tape: PathBuf,
    orders: BTreeMap<u64, Why>,
    last: Why,
    asked: Vec<FeatureFrame>,
    _dir: tempfile::TempDir,
}

struct Run {
    engine: Engine,
    venue: PaperVenue,
    model: Box<dyn Model>,
    writer: TapeWriter,
    effects: Effects,
    seq: u64,
    answers: Vec<(Ts, Prediction)>,
    /// Every question, and those that no model was shown.
    asked: Vec<FeatureFrame>,
    skips: Option<Ts>,
}

impl Run {
    fn step(&mut self, at: Ts, event: &Event) {
        self.seq += 1;
        self.engine.step(at, event, &mut self.effects);
        if *event != Event::Tick {
            self.writer.append(at, Seq(self.seq), event).unwrap();
        }
        for effect in self.effects.drain().collect::<Vec<_>>() {
            match effect {
                Effect::Submit(order) => {
                    let seq = order.get().seq;
                    self.venue.submit(at, order);
                    self.step(at, &Event::Order(OrderUpdate { order: seq, what: OrderNews::Sent }));
                }
                Effect::Cancel(order) => self.venue.cancel(at, order),
                Effect::Ask => self.venue.ask(at),
                Effect::Protect { symbol, protection } => self.venue.protect(at, symbol, protection),
                Effect::Infer(frame) => {
                    self.asked.push((*frame).clone());
                    if self.skips == Some(frame.at) {
                        continue;
                    }
                    let horizons = self.model.predict(std::slice::from_ref(&frame)).unwrap().remove(0);
                    let (symbol, features_at) = (frame.symbol, frame.at);
                    let answer = Prediction { symbol, model: ModelId(0), features_at, took: Span(40_000), horizons };
                    self.answers.push((at + Span::from_ms(3), answer));
                }
                _ => {}
            }
        }
    }
}

impl Run {
    /// A model takes the place of the one that runs, as a worker's does: it gets to know the last questions first.
    fn place(&mut self, at: Ts, mut model: Box<dyn Model>) {
        for frame in &self.asked {
            model.predict(std::slice::from_ref(frame)).unwrap();
        }
        self.answers.clear();
        let infos = vec![model.info().clone()];
        self.model = model;
        self.step(at, &Event::Models(infos));
    }
}

/// Loads a model.
type Loads = fn() -> Box<dyn Model>;

/// What happens besides.
#[derive(Default)]
struct Story {
    /// At this moment the model is busy and sees no question.
    skips: Option<Ts>,
    /// Just before this decision the model is loaded anew.
    reloads: Option<(Ts, Loads)>,
}

/// One run serves every test of a model without memory.
fn recorded() -> &'static Recorded {
    static RUN: OnceLock<Recorded> = OnceLock::new();
    RUN.get_or_init(|| record(shipped(), LENGTH, Story::default()))
}

fn record(model: Box<dyn Model>, length: Span, mut story: Story) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    let tape = dir.path().join("run.tape");
    let settings = Settings { min_prob: 0.34, max_hold: Span::from_secs(5), horizon_s: 10, ..eager() };
    let mut restored = rig::restored(settings, RiskLimits::default());
    restored.instruments = SimulatedMarket::instruments();
    restored.models = vec![model.info().clone()];
    let header = TapeHeader {
        kind: TapeKind::Recorded,
        run: restored.run.clone(),
        pair: restored.pair,
        created: START,
        instruments: restored.instruments.clone(),
        source: "why".to_owned(),
    };
    let venue = PaperVenue::new(PaperSettings::default(), restored.instruments.clone(), restored.balance, &[]);
    let (engine, writer) = (Engine::new(&restored), TapeWriter::create(&tape, &header).unwrap());
    let (effects, skips) = (Effects::new(), story.skips);
    let mut run = Run { engine, venue, model, writer, effects, seq: 0, answers: vec![], asked: vec![], skips };
    run.step(START, &Event::Restored(Box::new(restored)));
    let mut market = SimulatedMarket::new(7, Weather::Calm, START);
    let (mut tick, mut armed, mut orders) = (START + Span::from_secs(1), false, BTreeMap::new());
    while tick <= START + length {
        let venue = run.venue.next_due().unwrap_or(Ts(i64::MAX));
        let answer = run.answers.first().map_or(Ts(i64::MAX), |answer| answer.0);
        let due = tick.min(venue).min(answer).min(market.next_at());
        if tick == due {
            if let Some((_, model)) = story.reloads.take_if(|(at, _)| *at == tick) {
                run.place(due - Span(1), model());
            }
            run.step(due, &Event::Tick);
            tick = tick + Span::from_secs(1);
            if !armed && run.engine.may_arm() {
                armed = true;
                run.step(due, &Event::Command(Command::Arm { lasts: Span::from_secs(900) }));
            }
        } else if venue == due {
            if let Some((at, report)) = run.venue.pop_due(due) {
                run.step(
                    at,
                    &match report {
                        VenueReport::Order(update) => Event::Order(update),
                        VenueReport::Account(update) => Event::Account(update),
                    },
                );
            }
        } else if answer == due {
            let (at, answer) = run.answers.remove(0);
            run.step(at, &Event::Predicted(answer));
        } else {
            let (at, symbol, data) = market.next_event();
            run.venue.on_market(at, symbol, &data);
            run.step(at, &Event::Market(symbol, data));
        }
        // Looked at where it can have changed; what comes later of an order is not part of its decision.
        if venue == due {
            for order in run.engine.snapshot(View::default()).orders {
                if let Some(why) = run.engine.why(WhyOf::Order(order.order)) {
                    orders.insert(order.order.0, why);
                }
            }
        }
    }
    run.step(START + length, &Event::Ended);
    let last = run.engine.why(WhyOf::Latest(BTC)).unwrap();
    run.writer.finish().unwrap();
    Recorded { tape, orders, last, asked: run.asked, _dir: dir }
}

/// The features of a tape at a moment, by nothing but the tape, the book and the feature code.
fn features(tape: &Path, why: &Why) -> Vec<u32> {
    let (mut state, mut book) = (FeatureState::new(), Book::new());
    let mut reader = TapeReader::open(tape).unwrap();
    let at = why.features_at.unwrap();
    while let Some((when, _, event)) = reader.next_event().unwrap() {
        if when >= at {
            break;
        }
        let Event::Market(symbol, data) = event else { continue };
        if symbol == why.symbol {
            match &data {
                MarketData::Book(update) => book.apply(update),
                MarketData::Gap => book.gap(),
                _ => {}
            }
            state.on_market(when, &data, &book);
        }
    }
    state.frame(at, why.symbol).values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_chain_comes_out_of_the_tape_again() {
    let recorded = recorded();
    let mut models = vec![shipped()];
    let entries = recorded.orders.iter().filter(|(_, why)| why.signal.is_some()).map(|(order, why)| (*order, why));
    let mut asked = 0;
    for (order, own) in entries.take(2) {
        let report = why(&recorded.tape, &Question::Order(order), &mut models).unwrap().unwrap();
        let again = &report.why;
        assert_eq!((again.at, &again.steps, &again.outcome), (own.at, &own.steps, &own.outcome), "order {order}");
        assert_eq!((&again.features, &again.signal, &again.answers), (&own.features, &own.signal, &own.answers));
        let bits: Vec<u32> = again.features.iter().map(|feature| feature.value.to_bits()).collect();
        assert_eq!(bits, features(&recorded.tape, again), "by nothing but the tape and the feature code");
        assert_eq!(report.recomputed.len(), 1);
        assert!(report.recomputed[0].difference.unwrap() <= 1e-6 && !report.recomputed[0].differs(), "{report:?}");
        asked += 1;
    }
    assert!(asked >= 2, "the run trades: {:?}", recorded.orders.keys());
    let nobody = why(&recorded.tape, &Question::Order(99_999), &mut models).unwrap();
    assert!(nobody.is_none());
    let latest = Question::Instrument("BTCUSDT".to_owned(), None);
    let last = why(&recorded.tape, &latest, &mut models).unwrap().unwrap();
    assert_eq!(last.why, recorded.last);
    let early = Question::Instrument("BTCUSDT".to_owned(), Some(Span::from_secs(30)));
    let early = why(&recorded.tape, &early, &mut models).unwrap().unwrap().why;
    assert!(early.features.iter().any(|feature| !feature.warm) && early.at < START + Span::from_secs(30));
}

/// A network with memory, which learned a little of a market that was made up.
fn with_memory(arch: &str) -> Box<dyn Model> {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        for arch in ["tcn", "gru"] {
            let events = Box::new(market::market(1_300, market::Flaw::None).into_iter());
            let options = TrainOptions {
                out: dir.path().to_owned(),
                name: arch.to_owned(),
                arch: Some(arch.to_owned()),
                sample: Span::from_secs(1),
                epochs_max: 1,
                ..TrainOptions::default()
            };
            train_on([Ok(MarketEvents { name: "made up".to_owned(), events })], &options, &mut |_| {}).unwrap();
        }
        dir
    });
    load(dir.path(), arch).unwrap()
}

/// Features are warm after 64 s and a network after 16 rows more; at 82 s it sees nothing and begins anew, before 99 s it is
/// loaded again and knows all that was asked.
#[test]
fn what_a_model_remembers_comes_out_of_the_tape_too() {
    let models: [fn() -> Box<dyn Model>; 2] = [|| with_memory("tcn"), || with_memory("gru")];
    for model in models {
        let at = |seconds| START + Span::from_secs(seconds);
        let story = Story { skips: Some(at(82)), reloads: Some((at(99), model)) };
        let recorded = record(model(), LENGTH, story);
        let again = |seconds: i64| {
            let question = Question::Instrument("BTCUSDT".to_owned(), Some(Span::from_ms(seconds * 1_000 + 500)));
            let report = why(&recorded.tape, &question, &mut [model()]).unwrap().unwrap();
            assert_eq!(report.why.features_at, Some(at(seconds)));
            assert_eq!(report.recomputed.len(), 1);
            (report.why.answers[0].said.len(), report.recomputed[0].clone())
        };
        for (seconds, horizons) in [(81, 4), (90, 0), (98, 4), (99, 4)] {
            let (said, found) = again(seconds);
            assert_eq!(said, horizons, "{seconds} s: rows were missing before the 98th");
            assert!(found.difference.is_some_and(|d| d <= 1e-6) && !found.differs(), "{seconds} s: {found:?}");
        }
    }
}

/// Train/serve parity over a whole tape: every question that the run asked is a row of the data set that a training makes of
/// its tape, bit for bit, and the model says about that row what it said in the run.
#[test]
fn a_training_sees_the_rows_that_were_served() {
    let recorded = record(shipped(), Span::from_secs(340), Story::default());
    let rows = recorded.tape.with_extension("safetensors");
    let options = TrainOptions {
        data: vec![recorded.tape.clone()],
        sample: Span::from_secs(1),
        longest_s: 10,
        ..TrainOptions::default()
    };
    let count = write_rows(&options, &rows, &mut |_| {}).unwrap();
    let tensors = candle_core::safetensors::load(&rows, &candle_core::Device::Cpu).unwrap();
    let frames = tensors["frames"].to_vec2::<f32>().unwrap();
    let (windows, at) = (tensors["windows"].to_vec2::<i64>().unwrap(), tensors["at_ms"].to_vec1::<i64>().unwrap());
    let streams = tensors["stream"].to_vec1::<i64>().unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();

    let warm = recorded.asked.iter().filter(|frame| usize::from(frame.warm) == FEATURE_COUNT);
    let served: BTreeMap<(i64, Vec<u32>), Symbol> =
        warm.map(|frame| ((frame.at.as_ms(), bits(&frame.values)), frame.symbol)).collect();
    let mut said = BTreeMap::new();
    let mut reader = TapeReader::open(&recorded.tape).unwrap();
    while let Some((_, _, event)) = reader.next_event().unwrap() {
        if let Event::Predicted(answer) = event {
            said.insert((answer.features_at.as_ms(), answer.symbol), answer.horizons);
        }
    }
    let (mut model, mut of_stream, mut windowed) = (shipped(), BTreeMap::new(), 0);
    for ((window, at), stream) in windows.iter().zip(&at).zip(&streams) {
        for (back, place) in window.iter().rev().enumerate() {
            let values = &frames[*place as usize];
            let at = at - 1_000 * back as i64;
            let symbol = *served.get(&(at, bits(values))).unwrap_or_else(|| panic!("nobody served the row of {at}"));
            assert_eq!(*of_stream.entry(stream).or_insert(symbol), symbol, "one stream is one instrument");
            windowed += 1;
            if back == 0
                && let Some(said) = said.get(&(at, symbol))
            {
                let frame = FeatureFrame {
                    symbol,
                    at: Ts::from_ms(at),
                    values: values.clone(),
                    warm: FEATURE_COUNT as u16,
                    bars: None,
                };
                assert_eq!(&model.predict(&[frame]).unwrap()[0], said, "the forecast of {at}");
            }
        }
    }
    // All but each instrument's first fifteen warm rows, and its last, after which no second came any more.
    let instruments = of_stream.len();
    assert_eq!((windowed, instruments), (count * 16, SimulatedMarket::instruments().len()));
    assert!(served.len() - count <= 18 * instruments, "{count} rows of {} that were served", served.len());
}

/// `backtest --execution` from the command line to the figures: what resting alone brings is told apart from what the forecast adds.
#[test]
fn execution_is_measured_on_the_tape() {
    let recorded = recorded();
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tickdeck"));
    command.arg("--data-dir").arg(dir.path());
    command.arg("--set").arg(concat!("model.dir=", env!("CARGO_MANIFEST_DIR"), "/models"));
    let done = command.args(["backtest", "--execution", "--format", "json"]).arg(&recorded.tape).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let lines: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let line = lines.as_array().unwrap().iter().find(|line| line["symbol"] == "BTCUSDT").unwrap();
    let figure = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(figure("trades") >= 2.0 && figure("now_bps") > 5.0, "a taker pays 5.5 bps: {line}");
    assert!(figure("joined_bps") < figure("now_bps"), "who rests pays less: {line}");
    assert!(figure("timed_bps").is_finite() && line.get("against_joined_price").is_some(), "{line}");
}

#[test]
fn another_answer_than_the_tapes_is_noticed() {
    let recorded = recorded();
    let order = *recorded.orders.iter().find(|(_, why)| why.signal.is_some()).unwrap().0;
    let report = why(&recorded.tape, &Question::Order(order), &mut [shipped()]).unwrap().unwrap();
    let bent = tickdeck::run::why::Recomputed { difference: Some(2e-6), ..report.recomputed[0].clone() };
    assert!(bent.differs());
    let unknown = why(&recorded.tape, &Question::Order(order), &mut []).unwrap().unwrap();
    assert_eq!(unknown.recomputed[0].why_not, Some("this model is not installed"));
}

#[test]
fn an_entry_has_its_whole_chain() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(2_500);
    let order = rig.openings()[0].seq;
    let why = rig.engine.why(WhyOf::Order(order)).unwrap();
    assert_eq!(why.features.len(), FEATURE_COUNT);
    let answer = &why.answers[0];
    assert_eq!((answer.model.as_str(), answer.hash.as_str(), answer.said.len()), ("test", "abcdef", 1));
    assert!(answer.record.is_some() && why.signal.is_some_and(|signal| signal.prob > 0.79));
    let names: Vec<&str> = why.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names[..6],
        ["market", "fresh and believed", "probability", "confirmed", "closed forecast", "edge after costs"]
    );
    assert!(names.contains(&"state") && names.contains(&"protection"), "{names:?}");
    assert!(why.steps.iter().all(|step| step.denial.is_none()), "{:?}", why.steps);
    assert_eq!(why.order.as_ref().map(|fact| fact.order), Some(order));
    let leg = |name: &str| why.latency.iter().find(|leg| leg.0 == name).unwrap().1;
    assert_eq!(leg("inference"), Some(Span(1_000)));
    assert_eq!(leg("decision to wire"), Some(Span(0)));
    assert!(leg("wire to answer").unwrap() >= Span::from_ms(120), "the paper venue is that far away");
}

#[test]
fn a_refusal_names_the_check_and_the_event_leads_to_it() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(2_500);
    let notice = rig.notices.iter().find(|notice| notice.denial.is_some()).unwrap().clone();
    let why = rig.engine.why(WhyOf::Moment(BTC, notice.at)).unwrap();
    let refused: Vec<&str> = why.steps.iter().filter(|s| s.denial.is_some()).map(|s| s.name.as_str()).collect();
    assert_eq!(refused, ["state"], "{:?}", why.steps);
    assert!(why.outcome.contains("STATE_DISARMED") && why.order.is_none(), "{}", why.outcome);
    assert_eq!(rig.engine.why(WhyOf::Order(OrderSeq(77))), None);
    let view = View { why: Some(WhyOf::Latest(BTC)), ..View::default() };
    let shown = rig.engine.snapshot(view).why.unwrap();
    assert_eq!(shown.of, WhyOf::Latest(BTC));
    assert!(rig.snapshot().why.is_none(), "nobody asked");
}

#[test]
fn an_exit_that_no_signal_asked_for_says_so() {
    let settings = Settings { max_hold: Span::from_secs(3), ..eager() };
    let mut rig = Rig::armed(settings, RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(6_000);
    let exit = rig.submitted.iter().find(|order| order.reduce_only).unwrap().seq;
    let why = rig.engine.why(WhyOf::Order(exit)).unwrap();
    assert_eq!(why.outcome, "no signal was asked: max-hold");
    assert!(why.features.is_empty() && why.order.is_some());
}
