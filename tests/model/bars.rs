//! Models of bars: learned from a table of minutes, judged on another, and asked live about the same numbers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use tempfile::TempDir;
use tickdeck::engine::event::{Bar, MarketData, Trade};
use tickdeck::engine::features::bars::{FRESH, MINUTE};
use tickdeck::engine::features::{FeatureState, Set};
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::market::book::Book;
use tickdeck::engine::num::{Price, Qty, Side, UNIT};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::model::train::{TrainError, TrainOptions, evaluate, train};
use tickdeck::model::{Model, load};

use super::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_model_of_bars_learns_from_one_table_and_is_judged_on_another", learns),
        trial("a_table_that_is_not_of_minutes_or_not_asked_for_is_named", refuses),
        trial("what_two_tables_share_counts_once_and_no_time_is_too_far", shared),
        trial("a_model_of_bars_speaks_for_a_while_after_each_minute_live_as_on_a_table", speaks),
    ]
}

/// A number of the generator's, below a bound.
fn dice(seed: &mut u64, below: u64) -> i64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*seed >> 33) % below) as i64
}

/// Minutes that mostly go on the way the last one went: open, high, low, close in ticks, and volume.
fn minutes(count: usize, mut seed: u64) -> Vec<[i64; 5]> {
    let (mut close, mut up, mut rows) = (100_000, true, Vec::new());
    for _ in 0..count {
        up = if dice(&mut seed, 10) < 7 { up } else { !up };
        let (open, moved) = (close, 5 + dice(&mut seed, 40));
        close += if up { moved } else { -moved };
        let (high, low) = (open.max(close) + dice(&mut seed, 20), open.min(close) - dice(&mut seed, 20));
        rows.push([open, high, low, close, 12 + dice(&mut seed, 900)]);
    }
    rows
}

const FIRST: i64 = 1_700_000_040_000;

/// The table of them, one row every so many milliseconds.
fn table(dir: &Path, name: &str, rows: &[[i64; 5]], step_ms: i64) -> PathBuf {
    let mut text = "ts,open,high,low,close,volume\n".to_owned();
    for (n, [open, high, low, close, volume]) in (0..).zip(rows) {
        writeln!(text, "{},{open},{high},{low},{close},{volume}", FIRST + n * step_ms).unwrap();
    }
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn options(data: PathBuf, out: &Path) -> TrainOptions {
    TrainOptions {
        data: vec![data],
        out: out.to_owned(),
        name: "minutes".to_owned(),
        arch: Some("logistic".to_owned()),
        epochs_max: 8,
        ..TrainOptions::of(Set::Bars)
    }
}

fn trained(dir: &Path) -> Box<dyn Model> {
    let data = table(dir, "venue_TESTUSDT_1m.csv", &minutes(4_000, 3), 60_000);
    train(&options(data, dir), &mut |_| {}).unwrap();
    load(dir, "minutes").unwrap()
}

fn learns() {
    let dir = TempDir::new().unwrap();
    let mut model = trained(dir.path());
    let card = model.card().clone();
    assert_eq!((card.reads(), card.inputs, model.info().reads), (Set::Bars, Set::Bars.count(), Set::Bars));
    assert_eq!(model.info().horizons_s, [60, 300]);
    assert!(card.recipe.contains(" --bars ") && card.made_for.regime.starts_with("one-minute bars of TESTUSDT"));
    assert!(card.compared[0].starts_with("logistic against the last minute alone"), "{:?}", card.compared);
    let minute = card.out_of_sample.iter().find(|score| score.seconds == 60).unwrap();
    assert!(minute.auc > 0.6 && minute.auc_plain > 0.6, "{minute:?}");

    let other = table(dir.path(), "venue_OTHERUSDT_1m.csv", &minutes(3_000, 8), 60_000);
    let report = evaluate(model.as_mut(), &[other], &mut |_| {}).unwrap();
    let names = |delay| {
        let line = report.lines.iter().find(|line| line.seconds == 60 && line.delay_ms == delay).unwrap();
        line.contenders.iter().map(|contender| contender.name).collect::<Vec<_>>()
    };
    assert_eq!((names(0), names(60_000)), (vec!["model", "the last minute", "ridge"], names(0)));
    assert!(report.lines[0].contenders[0].auc > 0.6 && report.economies.iter().all(|e| e.capacity.is_none()));
    let [checks] = report.checks.as_slice() else { panic!("{:?}", report.checks) };
    assert!(checks.look_ahead_rows > 100 && checks.recursion_rows > 100 && !report.looks_ahead(), "{checks:?}");
    assert!(checks.feature_drift < 1e-9, "thirty-one minutes are all that it remembers: {checks:?}");
    let (text, page) = (report.to_string(), report.html());
    assert!(
        text.contains("a bar late") && text.contains("neither spread nor depth") && !text.contains("queue imbalance"),
        "{text}"
    );
    assert!(page.contains("fees alone") && report.json().contains("\"reads\": \"bars\""));
}

fn refuses() {
    let dir = TempDir::new().unwrap();
    let path = dir.path();
    let fails = |options: TrainOptions| train(&options, &mut |_| {}).unwrap_err().to_string();
    let whole = table(path, "venue_TESTUSDT_1m.csv", &minutes(200, 3), 60_000);
    let unasked = fails(TrainOptions { data: vec![whole.clone()], ..TrainOptions::default() });
    assert!(unasked.contains("200 bars") && unasked.contains("--bars"), "{unasked}");
    let few = train(&options(whole.clone(), path), &mut |_| {}).unwrap_err();
    assert!(matches!(few, TrainError::TooFew { rows: 154, .. }), "{few}");
    let long = fails(options(table(path, "venue_TESTUSDT_5m.csv", &minutes(200, 3), 300_000), path));
    assert!(long.contains("300 s long") && long.contains("bars of a minute"), "{long}");
    let short = fails(options(table(path, "venue_SHORTUSDT_1m.csv", &minutes(20, 3), 60_000), path));
    assert!(short.contains("thirty-one minutes without a hole"), "{short}");
    let stepped = fails(TrainOptions { step: Span::from_secs(1), ..options(whole.clone(), path) });
    assert!(stepped.contains("rows of a minute"), "{stepped}");
    let longest = fails(TrainOptions { longest_s: 10, ..options(whole, path) });
    assert!(longest.contains("[60, 300, 900]"), "{longest}");
}

/// Rows of a training on these files.
fn rows_of(data: Vec<PathBuf>, dir: &Path) -> usize {
    train(&TrainOptions { data, ..options(PathBuf::new(), dir) }, &mut |_| {}).unwrap().rows
}

fn shared() {
    let dir = TempDir::new().unwrap();
    let (path, minutes) = (dir.path(), minutes(3_000, 3));
    let whole = table(path, "a_TESTUSDT_1m.csv", &minutes, 60_000);
    let first = table(path, "b_TESTUSDT_1m.csv", &minutes[..1_500], 60_000);
    let once = rows_of(vec![whole.clone()], path);
    // A sequence begins anew where the other table goes on.
    assert_eq!(rows_of(vec![first, whole.clone()], path), once - 15);
    // A last row at the end of all time: it is read, and nobody counts minutes up to it for ever.
    let far = path.join("c_TESTUSDT_1m.csv");
    let text = std::fs::read_to_string(&whole).unwrap() + "9223372036854775807,1,1,1,1,1\n";
    std::fs::write(&far, text).unwrap();
    let report = train(&options(far, path), &mut |_| {});
    assert!(report.as_ref().map_or(true, |report| report.rows == once), "{report:?}");
}

/// The trades that make a minute, each with its moment.
fn trades(n: i64, [open, high, low, close, volume]: [i64; 5]) -> Vec<(Ts, MarketData)> {
    let start = Ts::from_ms(FIRST) + Span(MINUTE.0 * n);
    let trade = |(place, price): (i64, i64)| {
        let qty = Qty::from_raw(UNIT * if place == 0 { volume - 3 } else { 1 });
        let trade = Trade { price: Price::from_raw(UNIT * price), qty, taker: Side::Buy };
        (start + Span::from_secs(place * 15), MarketData::Trade(trade))
    };
    (0..).zip([open, high, low, close]).map(trade).collect()
}

fn bar(n: i64, [open, high, low, close, volume]: [i64; 5]) -> (Ts, MarketData) {
    let start = Ts::from_ms(FIRST) + Span(MINUTE.0 * n);
    let [open, high, low, close] = [open, high, low, close].map(|units| Price::from_raw(UNIT * units));
    let bar = Bar { start, span: MINUTE, open, high, low, close, volume: Qty::from_raw(UNIT * volume) };
    (start + MINUTE, MarketData::Bar(bar))
}

fn speaks() {
    let dir = TempDir::new().unwrap();
    let mut model = trained(dir.path());
    let (rows, book) = (minutes(36, 21), Book::new());
    let (mut live, mut told) = (FeatureState::new(), FeatureState::new());
    // The minute in which watching begins is whole only because the venue's bar says so.
    let mut events: Vec<(Ts, MarketData)> = (0..).zip(&rows).flat_map(|(n, row)| trades(n, *row)).skip(1).collect();
    events.push(bar(0, rows[0]));
    events.sort_by_key(|event| event.0);
    let (begins, mut events) = (Ts::from_ms(FIRST), events.into_iter().peekable());
    let (mut answers, mut rows_of_table) = (Vec::new(), (0..).zip(&rows));
    for second in 1..36 * 60 {
        let at = begins + Span::from_secs(second);
        while let Some((when, data)) = events.next_if(|event| event.0 < at) {
            live.on_market(when, &data, &book);
        }
        let frame = live.frame(at, Symbol(0));
        let said = model.predict(std::slice::from_ref(&frame)).unwrap().remove(0);
        if second % 60 == 0 {
            let (n, row) = rows_of_table.next().unwrap();
            let (when, data) = bar(n, *row);
            told.on_market(when, &data, &book);
            assert_eq!(frame.bars, told.frame(at, Symbol(0)).bars, "minute {n} of trades and of the table");
        }
        let warm = second >= 31 * 60;
        assert_eq!(said.is_empty(), !warm || second % 60 >= FRESH.0 / 1_000_000_000, "second {second}");
        if let Some(first) = said.first() {
            answers.push((second / 60, *first));
        }
    }
    assert_eq!(answers.len(), 5 * 10);
    for minute in answers.chunk_by(|a, b| a.0 == b.0) {
        assert!(minute.iter().all(|answer| answer.1 == minute[0].1), "one minute, one answer");
    }
}
