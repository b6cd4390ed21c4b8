//! Which answers are believed: a model that does not keep its promise is benched, told, comes back by a rule or by a
//! person's choice, and a replay of the same events benches it at the same moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod rig;

use std::sync::Arc;

use rig::{BTC, Rig, eager, restored};
use tickdeck::alerts::{Event as Alert, Look, Watcher};
use tickdeck::engine::command::Command;
use tickdeck::engine::event::{Bar, Event, HorizonForecast, MarketData, Restored};
use tickdeck::engine::features::Set;
use tickdeck::engine::features::bars::MINUTE;
use tickdeck::engine::ids::ModelId;
use tickdeck::engine::num::{Price, Qty, Side, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{Record, Snapshot, Verdict};
use tickdeck::engine::time::Span;
use tickdeck::engine::trust::promise::{HorizonPromise, Promise};
use tickdeck::engine::trust::score::WITNESSES_MIN;
use tickdeck::engine::why::WhyOf;

/// Seconds of one witness: two horizons.
const WITNESS: i64 = 20;

/// Orders in 24 hours do not end these tests.
fn limits() -> RiskLimits {
    RiskLimits::default().with(LimitKey::MaxOrders24h, 1_000_000 * tickdeck::engine::num::UNIT).unwrap()
}

fn promised(hit: f32) -> Restored {
    let mut restored = restored(Settings { arm_for: Span::from_secs(86_400), ..eager() }, limits());
    let horizons = vec![HorizonPromise { hit, hit_low: hit, brier: 0.6, dead_zone: 0.2 }];
    restored.models[0].promise = Promise { horizons, ranges: Vec::new() };
    restored
}

/// Half an hour of the venue's minutes, up to the one that runs.
fn history(rig: &mut Rig) {
    let now = rig.now.floor_to(MINUTE);
    for back in (1..=40_i64).rev() {
        let price = |n: i64| Price::from_raw((50_000 + n % 7) * UNIT);
        let (open, close) = (price(back + 1), price(back));
        let (high, low, volume) = (open.max(close), open.min(close), Qty::from_raw(UNIT * (5 + back % 3)));
        let bar = Bar { start: now - Span(MINUTE.0 * back), span: MINUTE, open, high, low, close, volume };
        rig.event(Event::Market(BTC, MarketData::Bar(bar)));
    }
}

#[test]
fn a_model_of_bars_is_asked_about_closed_minutes_and_the_chain_says_which() {
    let mut restored = restored(eager(), limits());
    restored.models[0].reads = Set::Bars;
    let mut rig = Rig::from(restored);
    let models =
        |rig: &mut Rig| rig.snapshot().state.preflight.into_iter().find(|check| check.name == "models").unwrap();
    let cold = models(&mut rig);
    assert!(
        cold.detail.contains("for about 31 min: BTCUSDT, ETHUSDT warming up, longer than arming lasts"),
        "{cold:?}"
    );
    assert_eq!(rig.engine.why(WhyOf::Latest(BTC)).map(|why| why.bars_closed), Some(None));
    history(&mut rig);
    let warm = models(&mut rig);
    assert!(warm.detail.contains("for about 31 min: ETHUSDT warming up"), "{warm:?}");
    // Forty seconds into a minute nothing is asked; once it is over, its bar is.
    rig.run(1_000);
    assert_eq!(rig.engine.why(WhyOf::Latest(BTC)).unwrap().bars_closed, None);
    rig.run(20_000);
    history(&mut rig);
    rig.run(1_000);
    let why = rig.engine.why(WhyOf::Latest(BTC)).unwrap();
    let minutes: Vec<_> = why.features.iter().filter(|fact| fact.name.starts_with("bar_")).collect();
    let closed = why.bars_closed.unwrap();
    assert_eq!((minutes.len(), closed), (Set::Bars.count(), rig.now.floor_to(MINUTE)));
    let age = Some(why.features_at.unwrap().since(closed));
    assert!(minutes.iter().all(|fact| fact.warm && fact.age == age), "{minutes:?}");
    let shown = rig.snapshot().focus.unwrap().features;
    assert!(shown.iter().any(|(name, value, warm)| name == "bar_vol_30m" && *warm && *value != 0.0), "{shown:?}");
}

/// Seconds during which the price of BTC goes one tick up and down again and again, and a forecast says which way.
struct Story {
    rig: Rig,
    second: i64,
    /// Move that every forecast expects, in basis points.
    expects: f32,
    /// Seconds that a forecast's view lags.
    late: i64,
}

impl Story {
    fn new(restored: Restored) -> Self {
        Self { rig: Rig::from(restored), second: 0, expects: 0.0, late: 0 }
    }

    /// The next seconds: the mid ten seconds ahead is higher in every other ten, and `right` says whether the forecast of
    /// this second knows it.
    fn go(&mut self, seconds: i64, right: impl Fn(i64) -> bool) {
        for _ in 0..seconds {
            self.second += 1;
            let up = (self.second / 10) % 2 == 0;
            let long = ((self.second - self.late) / 10 % 2 == 0) == right(self.second);
            self.rig.forecast[0] = if long { (0.6, 0.2, self.expects) } else { (0.2, 0.6, -self.expects) };
            let mid = 50_000 + if up { 0 } else { 2 };
            let price = |tenths: i64| Price::from_raw((mid * 10 + tenths) * 100_000_000).to_string();
            self.rig.quote(BTC, &price(-1), &price(0));
            self.rig.run(1_000);
        }
    }

    /// Wrong three times of four, until it is benched.
    fn until_benched(&mut self) {
        while !self.is_benched() {
            self.go(WITNESS, |second| second % 4 == 0);
            assert!(self.second < 200 * WITNESS, "{:?}", self.record());
        }
    }

    fn record(&mut self) -> Record {
        self.rig.snapshot().trust.into_iter().find(|row| row.symbol == BTC).unwrap().record
    }

    fn is_benched(&mut self) -> bool {
        self.record().benched.is_some()
    }
}

#[test]
fn answers_are_compared_with_what_the_mid_did() {
    let mut story = Story { expects: 0.2, ..Story::new(promised(0.6)) };
    story.go(900, |_| true);
    let figures = story.record().figures;
    assert!(figures.answers > 800, "{figures:?}");
    // Ten seconds on from the features, to the second: a forecast that is one decision off misses at every turn.
    assert!(figures.hit.unwrap() > 0.999, "{figures:?}");
    assert!((figures.said.unwrap() - 0.75).abs() < 1e-3, "0.6 of 0.8: {figures:?}");
    assert!(figures.realised_bps.unwrap() > 0.3 && figures.brier.unwrap() < 0.7, "{figures:?}");
    story.go(600, |_| true);
    assert!(!story.is_benched(), "{:?}", story.record());
}

#[test]
fn a_forecast_that_is_off_by_one_decision_is_worse() {
    let mut story = Story { late: 1, ..Story::new(promised(0.6)) };
    story.go(900, |_| true);
    let hit = story.record().figures.hit.unwrap();
    assert!((0.85..0.95).contains(&hit), "one of ten is past a turn: {hit}");
}

#[test]
fn what_is_no_probability_is_no_forecast() {
    let sound = HorizonForecast { horizon_s: 10, up: 0.8, flat: 0.1, down: 0.1, move_bps: 5.0 };
    assert!(sound.is_sound());
    let unsound = [
        HorizonForecast { up: f32::NAN, ..sound },
        HorizonForecast { move_bps: f32::INFINITY, ..sound },
        HorizonForecast { up: 1.4, down: -0.5, ..sound },
        HorizonForecast { up: 0.9, ..sound },
    ];
    let mut rig = Rig::armed(eager(), limits());
    for said in unsound {
        assert!(!said.is_sound());
        rig.forecast[0] = (said.up, said.down, said.move_bps);
        rig.flat = Some(said.flat);
        rig.run(2_000);
        assert!(rig.openings().is_empty(), "{said:?}");
    }
    assert!(rig.denied("PREDICTION_MISSING"));
    rig.flat = None;
    rig.want(BTC, Side::Buy);
    rig.run(2_000);
    assert_eq!(rig.openings().len(), 1, "a sound one opens");
}

#[test]
fn an_answer_that_comes_too_late_opens_nothing() {
    let settings = Settings { prediction_max_age: Span::from_ms(400), ..eager() };
    let mut rig = Rig::armed(settings, limits());
    rig.want(BTC, Side::Buy);
    rig.keeps_answers = true;
    rig.run(1_000);
    rig.now = rig.now + Span::from_ms(100);
    rig.give_answers();
    assert!(rig.denied("PREDICTION_STALE") && rig.openings().is_empty());
    rig.keeps_answers = false;
    rig.run(1_000);
    assert_eq!(rig.openings().len(), 1);
}

#[test]
fn a_model_below_its_promise_is_benched_and_says_why() {
    let mut story = Story::new(promised(0.6));
    story.rig.arm();
    story.go(WITNESS * (WITNESSES_MIN as i64 - 2), |second| second % 3 == 0);
    assert!(!story.is_benched(), "too few witnesses to conclude anything");
    let opened = story.rig.openings().len();
    assert!(opened > 0, "until then its answers open");
    story.go(WITNESS * 20, |second| second % 3 == 0);
    let record = story.record();
    let why = record.benched.clone().unwrap_or_else(|| panic!("{record:?}"));
    assert!(why.contains("promised=0.600") && why.contains("witnesses="), "{why}");
    assert!(story.rig.told().contains("test benched on BTCUSDT at 10 s"), "{}", story.rig.told());
    let opened = story.rig.openings().len();
    story.go(100, |_| true);
    assert_eq!(story.rig.openings().len(), opened, "a benched model opens nothing");
    assert!(story.rig.denied("MODEL_BENCHED"));
    let snapshot = story.rig.snapshot();
    let row = &snapshot.signals[0];
    assert!(row.verdict.starts_with("BENCHED ") && row.probs.fresh().is_some(), "{row:?}");
    let denial = match &snapshot.markets[0].verdict {
        Verdict::Quiet(denial) => denial.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(denial.starts_with("MODEL_BENCHED: model=test"), "{denial}");
    let waits = snapshot.pending_notice.unwrap().text;
    assert!(waits.contains("its answers open nothing"), "{waits}");
}

#[test]
fn moves_that_stay_away_bench_too() {
    // The mid never moves, and the model goes on expecting five basis points.
    let mut rig = Rig::from(promised(0.5));
    rig.want(BTC, Side::Buy);
    rig.run(WITNESS * (WITNESSES_MIN as i64 + 3) * 1_000);
    let record = rig.snapshot().trust[0].record.clone();
    assert!(record.benched.unwrap().starts_with("moved=0.00bp expected="), "{:?}", record.figures);
}

#[test]
fn it_comes_back_by_what_it_does_or_by_choice() {
    let mut story = Story::new(promised(0.6));
    story.until_benched();
    story.go(WITNESS * (WITNESSES_MIN as i64 - 5), |_| true);
    assert!(story.is_benched(), "what it does after it was benched must be enough by itself");
    story.go(WITNESS * 10, |_| true);
    assert!(!story.is_benched() && story.rig.told().contains("test is believed again on BTCUSDT"));
    assert!(story.rig.snapshot().pending_notice.is_none(), "what was waiting is settled");

    let mut other = Story::new(promised(0.6));
    other.until_benched();
    other.rig.command(Command::Unbench(ModelId(0)));
    assert!(!other.is_benched() && other.rig.told().contains("by choice"));
    other.until_benched();
    other.rig.command(Command::Unbench(ModelId(7)));
    assert!(other.rig.told().contains("unbench refused: no such model"));
}

#[test]
fn the_same_events_bench_at_the_same_moment() {
    let run = || {
        let mut story = Story::new(promised(0.6));
        story.go(WITNESS * 70, |second| second % 3 == 0);
        let at: Vec<_> = story.rig.notices.iter().filter(|n| n.text.contains("benched")).map(|n| n.at).collect();
        (at, story.record())
    };
    let (one, two) = (run(), run());
    assert!(one.0.len() == 1 && one == two);
}

#[test]
fn a_gap_voids_answers_instead_of_judging_them() {
    let mut rig = Rig::from(promised(0.6));
    rig.want(BTC, Side::Buy);
    for _ in 0..200 {
        rig.run(5_000);
        rig.gap(BTC);
        rig.run(1_000);
        rig.quote(BTC, "40000.0", "40000.1");
    }
    let figures = rig.snapshot().trust[0].record.figures;
    assert_eq!(figures.answers, 0, "a book that was away for part of every horizon says nothing");
}

#[test]
fn a_person_hears_of_it_once() {
    let picture = |benched: bool| -> Arc<Snapshot> {
        let mut story = Story::new(promised(0.6));
        story.go(3, |_| true);
        let mut snapshot = story.rig.snapshot();
        snapshot.trust[0].record.benched = benched.then(|| "hit=0.4".to_owned());
        Arc::new(snapshot)
    };
    let mut watcher = Watcher::new(3, Span::from_secs(1), Span(0));
    let mut look = |benched: bool| {
        let snapshot = picture(benched);
        let look = Look { at: snapshot.at, snapshot: Some(snapshot), ..Look::default() };
        let said = watcher.look(&look);
        said.into_iter().filter(|alert| alert.event == Alert::ModelBenched).map(|alert| alert.text).collect::<Vec<_>>()
    };
    assert!(look(false).is_empty());
    assert_eq!(look(true), ["test benched on BTCUSDT: hit=0.4; its answers open nothing"]);
    assert!(look(true).is_empty());
    assert_eq!(look(false), ["test is believed again on BTCUSDT"]);
}
