//! Training on a generated market, and on data that cannot be learned from.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use tempfile::TempDir;
use tickdeck::engine::event::{Bar, HorizonForecast, MarketData, ModelInfo};
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame, Set};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::num::{Price, Qty};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::model::train::{
    MarketEvents, TrainError, TrainOptions, TrainProgress, TrainReport, evaluate, evaluate_on, prove_on, train,
    train_on, walk_forward_on,
};
use tickdeck::model::{Card, ForeignCard, ForeignHorizon, MadeFor, Model, ModelError, load};

use crate::cards::{SHIPPED, frame};
use crate::market::{Flaw, Item, length, market};
use crate::{shipped, trial};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("a_planted_signal_is_learned_the_same_way_twice", a_planted_signal_is_learned),
        trial("without_a_signal_none_is_claimed", without_a_signal_none_is_claimed),
        trial("data_that_cannot_be_learned_from_is_named", bad_data),
        trial("an_evaluation_says_what_is_there_and_looks_at_no_future", an_evaluation_says_what_is_there),
        trial("a_model_of_others_is_judged_on_its_own_horizons_and_its_card_says_what_is_proved", others_are_judged),
        trial("an_architecture_walks_forward_and_shows_what_it_costs", walks_forward),
        trial("networks_take_the_sizes_that_are_asked_for", sizes),
        trial("options_out_of_range_are_refused", bad_options),
        trial("a_fit_that_comes_apart_is_named_and_leaves_the_model_that_was_there", comes_apart),
        trial("five_minutes_ahead_are_learned_where_the_recording_is_long_enough", five_minutes_ahead),
        trial("an_interrupted_training_ends_as_if_it_had_not_been", an_interrupted_training_goes_on),
        trial("networks_with_memory_learn_and_serve_as_a_stream", networks_with_memory),
    ];
    let name = "the_shipped_model_tells_direction_on_recorded_books";
    trials.push(match std::env::var_os("TICKDECK_SHARED") {
        Some(root) => Trial::test(name, move || {
            on_recorded_books(&Path::new(&root).join("data"));
            Ok(())
        }),
        None => Trial::test(name, || Ok(())).with_kind("needs TICKDECK_SHARED").with_ignored_flag(true),
    });
    let name = "the_recipe_of_the_shipped_model_makes_it_again";
    let asked = std::env::var_os("TICKDECK_RECIPE").and(std::env::var_os("TICKDECK_SHARED"));
    trials.push(match asked {
        Some(root) => Trial::test(name, move || {
            makes_it_again(&Path::new(&root).join("data"));
            Ok(())
        }),
        None => Trial::test(name, || Ok(()))
            .with_kind("takes minutes: needs TICKDECK_SHARED and TICKDECK_RECIPE=1")
            .with_ignored_flag(true),
    });
    trials
}

/// The recipe names its files from the folder of the data; what is fitted on everything does not depend on what else was tried.
fn makes_it_again(data: &Path) {
    let dir = TempDir::new().unwrap();
    let (shipped, forecasts) = (load(&shipped(), SHIPPED).unwrap(), |m: &mut dyn Model| {
        m.predict(&[frame(|n| (n % 7) as f32 / 7.0 - 0.4)]).unwrap()
    });
    let recipe = shipped.card().recipe.replace("--epochs", "--arch logistic --epochs");
    let words = recipe.split(' ').skip(1).chain(["--out", dir.path().to_str().unwrap()]);
    let done =
        std::process::Command::new(env!("CARGO_BIN_EXE_tickdeck")).args(words).current_dir(data).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let again = load(dir.path(), SHIPPED).unwrap();
    println!("{} and {}", again.card().weights_sha256, shipped.card().weights_sha256);
    for (a, b) in forecasts({ again }.as_mut())[0].iter().zip(&forecasts({ shipped }.as_mut())[0]) {
        assert!((a.up - b.up).abs() < 1e-4 && (a.move_bps - b.move_bps).abs() < 1e-3, "{a:?} {b:?}");
    }
}

fn options(out: &Path) -> TrainOptions {
    TrainOptions {
        out: out.to_owned(),
        name: "test".to_owned(),
        arch: Some("logistic".to_owned()),
        sample: Span::from_secs(1),
        epochs_max: 6,
        ..TrainOptions::default()
    }
}

fn generated(items: Vec<Item>) -> MarketEvents<'static> {
    MarketEvents { name: "generated".to_owned(), events: Box::new(items.into_iter()) }
}

fn run(items: Vec<Item>, out: &Path) -> Result<TrainReport, TrainError> {
    train_on([Ok(generated(items))], &options(out), &mut |_| {})
}

fn a_planted_signal_is_learned() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let items = || market(2_400, Flaw::None);
    assert!(length(&items()) > Span::from_secs(2_300));
    let report = run(items(), first.path()).unwrap();
    let near: Vec<_> = report.archs[0].scores.iter().filter(|score| score.seconds == 1).collect();
    assert_eq!(near.len(), 4, "four blocks are held out");
    for score in near {
        assert!(score.auc > 0.7, "{score:?}");
        assert!(score.slope > 0.5 && score.slope < 1.6, "expected moves are honest: {score:?}");
    }
    let again = run(items(), second.path()).unwrap();
    assert_eq!(report, again);
    assert_eq!(load(first.path(), "test").unwrap().card().weights_sha256, again.card.weights_sha256);
}

fn without_a_signal_none_is_claimed() {
    let dir = TempDir::new().unwrap();
    let report = run(market(2_400, Flaw::NoSignal), dir.path()).unwrap();
    for score in &report.archs[0].scores {
        assert!((score.auc - 0.5).abs() < 0.15, "{score:?}");
    }
    let golden = report.card.golden.iter().flatten();
    let boldest = golden.map(|row| (row[0] - row[2]).abs()).fold(0.0, f32::max);
    assert!(boldest < 0.35, "{boldest}");
}

/// Minutes of a market, and nothing else.
fn bars() -> Vec<Item> {
    let price = Price::parse("100").unwrap();
    let bar = |n: i64| {
        let (start, span) = (Ts::from_ms(n * 60_000), Span::from_secs(60));
        let volume = Qty::parse("1").unwrap();
        let bar = Bar { start, span, open: price, high: price, low: price, close: price, volume };
        Ok((start + span, "TESTUSDT".to_owned(), MarketData::Bar(bar)))
    };
    (0..300).map(bar).collect()
}

fn bad_data() {
    let dir = TempDir::new().unwrap();
    let fails = |items| run(items, dir.path()).unwrap_err();
    assert!(matches!(fails(Vec::new()), TrainError::NoRows { events: 0, .. }));
    let bars = fails(bars());
    assert!(matches!(&bars, TrainError::NoRows { why, .. } if why.contains("300 bars and no order book")), "{bars}");
    let gaps = fails(market(600, Flaw::OnlyGaps));
    assert!(matches!(&gaps, TrainError::NoRows { why, .. } if why.contains("no order book")), "{gaps}");
    assert!(matches!(fails(market(300, Flaw::None)), TrainError::TooFew { .. }));
    let silent = fails(market(1_500, Flaw::NoTrades));
    assert!(matches!(&silent, TrainError::Constant { .. }) && silent.to_string().contains("trades"), "{silent}");
    let broken = vec![market(100, Flaw::None).remove(0), Err("line 2 is torn".to_owned())];
    assert!(matches!(fails(broken), TrainError::Read { why, .. } if why == "line 2 is torn"));

    let from = |data: Vec<PathBuf>| train(&TrainOptions { data, ..options(dir.path()) }, &mut |_| {}).unwrap_err();
    assert!(matches!(from(Vec::new()), TrainError::NoFiles));
    assert!(matches!(from(vec![dir.path().to_owned()]), TrainError::NoFiles));
    assert!(matches!(from(vec![dir.path().join("absent.tape")]), TrainError::Read { .. }));
    let nonsense = dir.path().join("nonsense.tape");
    std::fs::write(&nonsense, "not a tape").unwrap();
    assert!(matches!(from(vec![nonsense]), TrainError::Read { .. }));
}

/// Trains and falls over after so many epochs.
fn interrupted(options: &TrainOptions, epochs: usize) {
    let mut left = epochs;
    let fall = std::panic::AssertUnwindSafe(|| {
        train_on([Ok(generated(market(1_500, Flaw::None)))], options, &mut |progress| {
            if let TrainProgress::Epoch { .. } = progress {
                left -= 1;
                if left == 0 {
                    std::panic::resume_unwind(Box::new("interrupted"));
                }
            }
        })
    });
    assert!(std::panic::catch_unwind(fall).is_err(), "it ended before it could be interrupted");
}

fn an_interrupted_training_goes_on() {
    let (whole, parts) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let with = |dir: &TempDir| TrainOptions { arch: Some("mlp".to_owned()), seeds: 2, ..options(dir.path()) };
    let items = || [Ok(generated(market(1_500, Flaw::None)))];
    let expected = train_on(items(), &with(&whole), &mut |_| {}).unwrap();
    assert_eq!(load(whole.path(), "test").unwrap().card().members, 2);

    let resumed = TrainOptions { resume: true, ..with(&parts) };
    for epochs in [3, 20] {
        interrupted(&resumed, epochs);
    }
    let other = train_on(items(), &TrainOptions { seed: 8, ..resumed.clone() }, &mut |_| {}).unwrap_err();
    assert!(matches!(other, TrainError::Checkpoint(_)), "{other}");
    let found = train_on(items(), &resumed, &mut |_| {}).unwrap();
    assert_eq!(found, expected);
    assert!(!parts.path().join("test.checkpoints").exists(), "nothing is left of it");
}

fn networks_with_memory() {
    for arch in ["tcn", "gru"] {
        let dir = TempDir::new().unwrap();
        let options = TrainOptions { arch: Some(arch.to_owned()), epochs_max: 2, ..options(dir.path()) };
        let report = train_on([Ok(generated(market(1_500, Flaw::None)))], &options, &mut |_| {}).unwrap();
        assert!(report.archs[0].scores.iter().filter(|s| s.seconds == 1).all(|s| s.auc > 0.65), "{report}");
        assert!(report.curves.iter().all(|curve| curve.learned.len() == 2 && curve.learned[1] < curve.learned[0]));
        let mut model = load(dir.path(), "test").unwrap();
        let step = |n: i64| Span::from_secs(n);
        let at = |seconds: i64, warm: usize| FeatureFrame {
            at: Ts::from_ms(0) + step(seconds),
            warm: warm as u16,
            ..frame(|n| ((n as i64 * 5 + seconds * 3) % 13) as f32 / 9.0 - 0.7)
        };
        let mut lengths = |frames: &[FeatureFrame]| -> Vec<usize> {
            frames.iter().map(|f| model.predict(std::slice::from_ref(f)).unwrap()[0].len()).collect()
        };
        let whole: Vec<FeatureFrame> = (0..20).map(|n| at(n, FEATURE_COUNT)).collect();
        let expected = [vec![0; 15], vec![4; 5]].concat();
        assert_eq!(lengths(&whole), expected, "{arch}: 16 rows before the first forecast");
        // A row left out, or one in warm-up, begins the sequence anew.
        assert_eq!(lengths(&[at(20, FEATURE_COUNT), at(22, FEATURE_COUNT), at(23, FEATURE_COUNT)]), [4, 0, 0]);
        let again: Vec<FeatureFrame> = (24..38).map(|n| at(n, FEATURE_COUNT)).collect();
        assert_eq!(lengths(&again).last(), Some(&4));
        assert_eq!(lengths(&[at(38, 3), at(39, FEATURE_COUNT)]), [0, 0]);
        // Instruments do not share a memory.
        let other = FeatureFrame { symbol: Symbol(1), ..at(40, FEATURE_COUNT) };
        assert_eq!(lengths(&[other]), [0]);
    }
}

/// The generated market, some hours later.
fn later(hours: i64, seconds: i64) -> MarketEvents<'static> {
    let moved = move |item: Item| item.map(|(at, name, data)| (at + Span::from_secs(hours * 3_600), name, data));
    let items: Vec<Item> = market(seconds, Flaw::None).into_iter().skip(1_000 * usize::from(hours > 9)).collect();
    MarketEvents { name: format!("{hours} hours later"), events: Box::new(items.into_iter().map(moved)) }
}

fn an_evaluation_says_what_is_there() {
    let dir = TempDir::new().unwrap();
    run(market(1_500, Flaw::None), dir.path()).unwrap();
    let mut model = load(dir.path(), "test").unwrap();
    let report = evaluate_on(model.as_mut(), &|| vec![Ok(later(9, 900)), Ok(later(20, 900))], &mut |_| {}).unwrap();

    assert_eq!((report.sessions, report.tried, report.in_sample.len()), (2, 1, 0));
    let near = |delay| report.lines.iter().find(|l| l.part == "all" && l.seconds == 1 && l.delay_ms == delay).unwrap();
    let auc = |name: &str| near(0).contenders.iter().find(|c| c.name == name).unwrap().auc;
    assert!(auc("model") > 0.7 && auc("queue imbalance") > 0.7 && auc("last tick") < 0.65, "{:?}", near(0));
    assert!(near(200).contenders[0].auc < auc("model"), "late is worse");
    assert!(near(0).log_loss[0] < near(0).log_loss[1] && near(0).brier[0] < near(0).brier[1]);
    let slope = near(0).calibration.unwrap().slope;
    assert!(slope.interval[0] < slope.value && slope.value > 0.5 && slope.value < 2.0, "{slope:?}");
    let queue = report.differences.iter().find(|d| d.seconds == 1 && d.what.contains("queue")).unwrap();
    assert!(queue.sessions == 2 && queue.gain.is_some() && !queue.is_better(), "the queue is all there is: {queue:?}");
    assert!(report.economies.iter().any(|e| e.policy == "edge gate") && report.reliability.len() == 4);

    assert!(!report.looks_ahead() && report.checks.len() == 2);
    let check = &report.checks[0];
    assert!(check.look_ahead_rows > 100 && check.recursion_rows > 100, "{check:?}");
    assert!(check.forecast_drift < 0.1, "a minute of warm-up settles forecasts: {check:?}");

    let parsed: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(parsed["sessions"], 2);
    let page = report.html();
    assert!(page.contains("<svg") && !page.contains("http") && !page.contains("<script"), "nothing from elsewhere");
    assert!(report.to_string().contains("not better"));
}

/// A model of which only some horizons are known, and whose moves are twice as bold.
struct Part {
    inner: Box<dyn Model>,
    info: ModelInfo,
}

impl Part {
    fn of(dir: &Path, horizons_s: &[u32]) -> Self {
        let inner = load(dir, "test").unwrap();
        let info = ModelInfo { horizons_s: horizons_s.to_vec(), ..inner.info().clone() };
        Self { inner, info }
    }
}

impl Model for Part {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn card(&self) -> &Card {
        self.inner.card()
    }
    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        let mut all = self.inner.predict(frames)?;
        for said in &mut all {
            said.retain(|said| self.info.horizons_s.contains(&said.horizon_s));
            for horizon in said {
                horizon.move_bps *= 2.0;
            }
        }
        Ok(all)
    }
}

fn claims(horizons_s: &[u32]) -> ForeignCard {
    let horizon = |seconds: &u32| ForeignHorizon { seconds: *seconds, class_move: [1.0, 0.0, -1.0], move_gain: 0.0 };
    ForeignCard {
        name: "theirs".to_owned(),
        about: String::new(),
        trained: String::new(),
        features_hash: Set::Market.hash().to_owned(),
        window: 1,
        step_ms: 0,
        tolerance: 1e-4,
        golden: Vec::new(),
        made_for: MadeFor::default(),
        horizon: horizons_s.iter().map(horizon).collect(),
        judged: None,
        remote: None,
        onnx: None,
    }
}

fn others_are_judged() {
    let dir = TempDir::new().unwrap();
    run(market(1_500, Flaw::None), dir.path()).unwrap();
    let horizons = [10, 1];
    let open = || vec![Ok(later(9, 900)), Ok(later(20, 900))];
    let mut model = Part::of(dir.path(), &horizons);
    let (report, card) = prove_on(&claims(&horizons), &mut model, &open, &mut |_| {}).unwrap();
    let seconds: Vec<u32> = report.reliability.iter().map(|(seconds, _)| *seconds).collect();
    assert_eq!(seconds, horizons, "its own horizons, in its order");
    let judged = card.judged.as_ref().unwrap();
    let gain = |seconds| card.horizon.iter().find(|h| h.seconds == seconds).unwrap().move_gain;
    assert!(gain(1) > 0.1 && gain(1) < 0.9, "skill is there, and its moves are too bold: {}", gain(1));
    assert!(judged.shuffled_passes < 1e-3 && judged.remarks.is_empty() && judged.sources.len() == 2, "{judged:?}");
    assert_eq!(judged.feature.len(), FEATURE_COUNT);
    assert!(judged.out_of_sample.iter().any(|score| score.seconds == 1 && score.hit > 0.6));
    assert!(judged.out_of_sample.iter().all(|score| horizons.contains(&score.seconds)));

    let noise = || vec![Ok(generated(market(1_500, Flaw::NoSignal)))];
    let (_, card) = prove_on(&claims(&[1]), &mut Part::of(dir.path(), &[1]), &noise, &mut |_| {}).unwrap();
    assert!(card.horizon[0].move_gain < 0.05, "without skill nothing is proved: {:?}", card.horizon);
    let other = prove_on(&claims(&[2]), &mut Part::of(dir.path(), &[2]), &noise, &mut |_| {}).unwrap_err();
    assert!(matches!(&other, TrainError::Option(why) if why.contains("[2]")), "{other}");
}

fn walks_forward() {
    let open = || vec![Ok(generated(market(2_400, Flaw::None)))];
    let options = TrainOptions { tried: 5, ..options(Path::new("nowhere")) };
    let report = walk_forward_on(&open, &options, &mut |_| {}).unwrap();
    let near = report.lines.iter().find(|l| l.part == "all" && l.seconds == 1 && l.delay_ms == 0).unwrap();
    assert!(near.contenders[0].auc > 0.7 && near.contenders[0].name == "model", "{near:?}");
    assert!(report.rows > 1_300 && report.tried == 6 && !report.looks_ahead(), "{} rows", report.rows);
    assert!(report.economies.iter().any(|e| e.policy == "strongest tenth" && e.trades > 0));
    assert!(report.differences.iter().any(|d| d.delay_ms == 200));
    let (table, page) = (report.to_string(), report.html());
    assert!(report.json().contains("fitted anew") && table.contains("200 ms late") && page.contains("fitted anew"));
    assert!(!Path::new("nowhere").exists(), "nothing is left behind");
    let two = TrainOptions { arch: Some("logistic,mlp".to_owned()), ..options };
    assert!(matches!(walk_forward_on(&open, &two, &mut |_| {}), Err(TrainError::Option(_))));
}

fn sizes() {
    for (arch, units, window) in [("mlp", 5, 16), ("tcn", 3, 32), ("gru", 7, 4)] {
        let dir = TempDir::new().unwrap();
        let sized = TrainOptions {
            arch: Some(arch.to_owned()),
            units: Some(units),
            window: Some(window),
            tried: 2,
            epochs_max: 1,
            ..options(dir.path())
        };
        let card = train_on([Ok(generated(market(1_500, Flaw::None)))], &sized, &mut |_| {}).unwrap().card;
        assert!(card.recipe.contains(&format!("--units {units} --window {window} --tried 2")), "{}", card.recipe);
        assert_eq!((card.units, card.tried), (Some(units), 3));
        let mut model = load(dir.path(), "test").unwrap();
        assert_eq!(model.window(), if arch == "mlp" { 1 } else { window });
        let at = |n: usize| FeatureFrame { at: Ts::from_ms(n as i64 * 1_000), ..frame(|_| n as f32 / 40.0) };
        let lengths: Vec<usize> = (0..=window).map(|n| model.predict(&[at(n)]).unwrap()[0].len()).collect();
        assert_eq!(lengths.iter().filter(|length| **length == 4).count(), window + 2 - model.window(), "{arch}");
        // Another size than the weights have is refused.
        let path = dir.path().join("test.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&format!("units = {units}"), "units = 9")).unwrap();
        assert!(load(dir.path(), "test").map(|_| ()).unwrap_err().to_string().contains("shape"), "{arch}");
    }
}

fn five_minutes_ahead() {
    let dir = TempDir::new().unwrap();
    let long = TrainOptions { longest_s: 300, epochs_max: 1, ..options(dir.path()) };
    let with =
        |seconds, options: &TrainOptions| train_on([Ok(generated(market(seconds, Flaw::None)))], options, &mut |_| {});
    let short = with(2_400, &long).unwrap_err();
    assert!(matches!(short, TrainError::TooShort { seconds: 300, labels: 7..=8, needed: 20 }), "{short}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "and nothing is left behind");

    let card = with(7_000, &long).unwrap().card;
    let horizons: Vec<u32> = card.horizon.iter().map(|horizon| horizon.seconds).collect();
    assert!(horizons == [1, 5, 10, 60, 300] && card.recipe.contains("--longest 300"), "{}", card.recipe);
    assert!(card.out_of_sample.iter().any(|score| score.seconds == 300 && score.moved > 50));
    let mut model = load(dir.path(), "test").unwrap();
    let said = model.predict(&[frame(|n| n as f32 / 40.0)]).unwrap();
    assert_eq!(said[0].iter().map(|said| said.horizon_s).collect::<Vec<_>>(), horizons);
    let report = evaluate_on(model.as_mut(), &|| vec![Ok(later(9, 900)), Ok(later(20, 900))], &mut |_| {}).unwrap();
    assert!(report.lines.iter().any(|line| line.seconds == 300 && line.part == "all") && !report.looks_ahead());
    // A model with fewer horizons is judged by those, also beside data that would hold more.
    let mut part = Part::of(dir.path(), &[300]);
    let report = evaluate_on(&mut part, &|| vec![Ok(later(9, 900))], &mut |_| {}).unwrap();
    assert_eq!(report.reliability.iter().map(|(seconds, _)| *seconds).collect::<Vec<_>>(), [300]);
    let refused = with(2_400, &TrainOptions { longest_s: 30, ..long }).unwrap_err();
    assert!(matches!(&refused, TrainError::Option(why) if why.contains("300")), "{refused}");
}

fn comes_apart() {
    let dir = TempDir::new().unwrap();
    run(market(1_500, Flaw::None), dir.path()).unwrap();
    let before = load(dir.path(), "test").unwrap().card().clone();
    let items = || [Ok(generated(market(1_500, Flaw::None)))];
    for name in ["test", "other"] {
        let wild = TrainOptions { name: name.to_owned(), l2: f64::MAX, ..options(dir.path()) };
        let error = train_on(items(), &wild, &mut |_| {}).unwrap_err();
        assert!(matches!(error, TrainError::Diverged { arch: "logistic", epoch: 1 }), "{error}");
        assert!(error.to_string().contains("not finite") && error.to_string().contains("Nothing was written"));
    }
    assert_eq!(load(dir.path(), "test").unwrap().card(), &before);
    assert!(load(dir.path(), "other").is_err());
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["test.safetensors", "test.toml"]);
}

fn bad_options() {
    let dir = TempDir::new().unwrap();
    let refused = |change: fn(&mut TrainOptions)| {
        let mut options = options(dir.path());
        change(&mut options);
        train_on(Vec::new(), &options, &mut |_| {}).unwrap_err()
    };
    assert!(matches!(refused(|o| o.name = String::from("../x")), TrainError::Option(_)));
    assert!(matches!(refused(|o| o.sample = Span::from_ms(1)), TrainError::Option(_)));
    assert!(matches!(refused(|o| o.l2 = f64::NAN), TrainError::Option(_)));
    assert!(matches!(refused(|o| o.epochs_max = 0), TrainError::Option(_)));
    assert!(matches!(refused(|o| o.seeds = 0), TrainError::Option(_)));
    assert!(matches!(refused(|o| (o.arch, o.units) = (Some("mlp".to_owned()), Some(0))), TrainError::Option(_)));
    assert!(matches!(refused(|o| (o.arch, o.window) = (Some("tcn".to_owned()), Some(24))), TrainError::Option(_)));
    assert!(matches!(refused(|o| o.step = Span::from_ms(1_500)), TrainError::Option(_)));
    assert!(matches!(refused(|o| o.arch = Some("oracle".to_owned())), TrainError::Arch { .. }));
}

fn on_recorded_books(data: &Path) {
    let mut model = load(&shipped(), SHIPPED).unwrap();
    let file = data.join("tape_bybitfmt/btcusdt_from_binance_usdm_20230404.jsonl.gz");
    let report = evaluate(model.as_mut(), &[file], &mut |_| {}).unwrap();
    let near = report.lines.iter().find(|line| line.seconds == 1).unwrap();
    let auc = |name: &str| near.contenders.iter().find(|c| c.name == name).unwrap().auc;
    // In sample: this file is in the training data. That the whole path from file to forecast works is the point.
    assert!(auc("model") > 0.85 && (auc("model") - auc("queue imbalance")).abs() < 0.05, "{near:?}");
    assert!(!report.in_sample.is_empty() && !report.looks_ahead());
    let gate = report.economies.iter().filter(|e| e.policy == "edge gate" && e.scheme == "taker, taker");
    assert_eq!(gate.map(|e| e.trades).sum::<usize>(), 0, "ten minutes of a calm market beat no taker's costs");
}
