//! Training on a generated market, and on data that cannot be learned from.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use tempfile::TempDir;
use tickdeck::engine::features::{FEATURE_COUNT, FeatureFrame};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::model::load;
use tickdeck::model::train::{
    MarketEvents, TrainError, TrainOptions, TrainProgress, TrainReport, evaluate, evaluate_on, train, train_on,
};

use crate::cards::{SHIPPED, frame};
use crate::market::{Flaw, Item, length, market};
use crate::{shipped, trial};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("a_planted_signal_is_learned_the_same_way_twice", a_planted_signal_is_learned),
        trial("without_a_signal_none_is_claimed", without_a_signal_none_is_claimed),
        trial("data_that_cannot_be_learned_from_is_named", bad_data),
        trial("an_evaluation_says_what_is_there_and_looks_at_no_future", an_evaluation_says_what_is_there),
        trial("options_out_of_range_are_refused", bad_options),
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
    trials
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

fn bad_data() {
    let dir = TempDir::new().unwrap();
    let fails = |items| run(items, dir.path()).unwrap_err();
    assert!(matches!(fails(Vec::new()), TrainError::NoRows { events: 0, .. }));
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
