//! Real recorded order flow through the whole program: import, then backtest, armed. Listed as ignored where the recorded
//! data (variable `TICKDECK_SHARED`) is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tickdeck::engine::num::{Money, Qty};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::ledger::{Filter, Reader};
use tickdeck::run::replay::{self, BacktestOptions, BacktestReport};
use tickdeck::run::start::Setup;
use tickdeck::tape::import::import;

fn main() -> ExitCode {
    let shared = std::env::var_os("TICKDECK_SHARED").map(PathBuf::from).filter(|p| p.join("data").is_dir());
    let trial = |name: &'static str, body: fn(&Path) -> Result<(), String>| {
        let data = shared.clone().map(|path| path.join("data"));
        Trial::test(name, move || body(&data.unwrap_or_default()).map_err(Failed::from))
            .with_ignored_flag(shared.is_none())
            .with_kind(if shared.is_some() { "recorded data" } else { "TICKDECK_SHARED is not set" })
    };
    let trials = vec![
        trial("btc_and_eth_perpetuals_trade_and_tie_out", |data| {
            trades_and_ties_out(data, &["tape_bybitfmt/btcusdt_ethusdt_from_binance_usdm_20240808.jsonl.gz"])
        }),
        trial("btc_and_eth_spot_trade_and_tie_out", |data| {
            trades_and_ties_out(data, &["tape_bybitfmt/btcusdt_ethusdt_from_binance_spot_20240808.jsonl.gz"])
        }),
        trial("raw_collector_streams_of_two_instruments_make_one_run", |data| {
            trades_and_ties_out(
                data,
                &["tape_raw/binance_usdm_btcusdt_20240808.jsonl.gz", "tape_raw/binance_usdm_ethusdt_20240808.jsonl.gz"],
            )
        }),
        trial("a_day_of_a_thin_alt_runs_to_its_end", thin_alt),
        trial("trades_without_a_book_deny_every_entry", trades_without_a_book),
        trial("coin_margined_books_feed_features_only", coin_margined),
        trial("a_tape_without_a_snapshot_says_so", no_snapshot),
        trial("the_same_tape_decides_the_same_twice", same_twice),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[cfg(feature = "models")]
fn models() -> Vec<Box<dyn tickdeck::model::Model>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    tickdeck::model::scan(&dir).into_iter().map(|model| model.unwrap()).collect()
}
#[cfg(not(feature = "models"))]
fn models() -> Vec<Box<dyn tickdeck::model::Model>> {
    Vec::new()
}

fn setup(folder: &Path) -> Setup {
    Setup {
        settings: Settings::default(),
        limits: RiskLimits::default(),
        balance: Money::from_units(10_000),
        models: models(),
        data_dir: folder.to_owned(),
        tape: None,
        shelf: None,
    }
}

/// Imports and runs, armed, with the edge gate off so that the fee-eaten signals trade at all.
fn run(folder: &Path, data: &Path, files: &[&str]) -> Result<BacktestReport, String> {
    let files: Vec<PathBuf> = files.iter().map(|file| data.join(file)).collect();
    let tape = folder.join("imported.tape");
    if !tape.exists() {
        import(&files, &tape, &mut |_| {}).map_err(|e| e.to_string())?;
    }
    let options = BacktestOptions { practice: true, disarmed: false, decisions: None };
    let report = replay::backtest(setup(folder), &tape, &options).map_err(|e| e.to_string())?;
    if !report.troubles.is_empty() {
        return Err(format!("{report:?}"));
    }
    Ok(report)
}

fn check(holds: bool, what: &str, report: &BacktestReport) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what}: {report:#?}")) }
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn trades_and_ties_out(data: &Path, files: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), data, files)?;
    if models().is_empty() {
        return check(report.fills == 0, "no model, no entries", &report);
    }
    check(report.fills >= 10 && report.trades >= 4, "it trades", &report)?;
    // Balance is start + realised - fees + funding, to the last digit.
    let expected = Money::from_units(10_000) + money(&report.realised) - money(&report.fees) + money(&report.funding);
    check(expected == money(&report.balance), "the balance ties out", &report)?;
    ledger_ties_out(folder.path(), &report)
}

/// The run's own ledger, read as a script would: fees and positions recomputed from its fills.
fn ledger_ties_out(folder: &Path, report: &BacktestReport) -> Result<(), String> {
    let run = std::fs::read_dir(folder.join("runs")).unwrap().next().unwrap().unwrap().path();
    let reader = Reader::open(&run.join("replay.sqlite")).map_err(|e| e.to_string())?;
    let fills = reader.fills(&Filter { rows_max: u32::MAX, ..Filter::default() }).map_err(|e| e.to_string())?;
    let json = fills.render(tickdeck::ledger::Format::Json);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).map_err(|e| e.to_string())?;
    check(rows.len() as u64 == report.fills, "every fill is in the ledger", report)?;
    let text =
        |row: &serde_json::Value, key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
    let mut fees = Money::ZERO;
    let mut positions = std::collections::BTreeMap::<String, i64>::new();
    for row in &rows {
        fees += money(&text(row, "fee"));
        let qty = Qty::parse(&text(row, "qty")).unwrap().raw();
        let signed = if text(row, "side").eq_ignore_ascii_case("buy") { qty } else { -qty };
        *positions.entry(text(row, "symbol")).or_default() += signed;
    }
    check(fees == money(&report.fees), "fees tie out", report)?;
    positions.retain(|_, signed| *signed != 0);
    check(positions.len() == report.positions.len(), "positions tie out", report)
}

fn thin_alt(data: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), data, &["tape_bybitfmt/nexousdt_from_binance_spot_20240723_27h.jsonl.gz"])?;
    check(report.events > 180_000, "27 hours of boundaries and messages", &report)?;
    let expected = Money::from_units(10_000) + money(&report.realised) - money(&report.fees) + money(&report.funding);
    check(expected == money(&report.balance), "the balance ties out", &report)
}

fn trades_without_a_book(data: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), data, &["tape_bybitfmt/bybit_btcusdt_trades_20251204_3h.jsonl.gz"])?;
    check(report.fills == 0 && report.positions.is_empty(), "it ends flat", &report)?;
    check(report.denials.keys().eq(["BOOK_MISSING"].iter()), "every entry is denied BOOK_MISSING", &report)
}

fn coin_margined(data: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), data, &["tape_raw/binance_cm_btcusd_perp_20240808.jsonl.gz"])?;
    check(report.fills == 0, "nothing is traded", &report)?;
    check(report.denials.keys().eq(["CATEGORY_UNSUPPORTED"].iter()), "denied by name", &report)
}

fn no_snapshot(data: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("imported.tape");
    let file = data.join("tests/binance_spot_btcusdt_20230405_nosnapshot.jsonl.gz");
    let imported = import(&[file], &tape, &mut |_| {}).map_err(|e| e.to_string())?.to_string();
    if !imported.to_lowercase().contains("snapshot") {
        return Err(format!("the report does not say why there is no book:\n{imported}"));
    }
    let report = run(folder.path(), data, &[])?;
    check(report.denials.keys().eq(["BOOK_MISSING"].iter()), "denied by name", &report)
}

fn same_twice(data: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let files = ["tape_bybitfmt/btcusdt_from_binance_usdm_20230404.jsonl.gz"];
    let (one, two) = (run(folder.path(), data, &files)?, run(folder.path(), data, &files)?);
    check(one.decisions_hash == two.decisions_hash, "the same decisions", &one)?;
    check(one.fills > 0 || models().is_empty(), "it trades", &one)
}
