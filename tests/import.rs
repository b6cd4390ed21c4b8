//! Imports every shared set of recorded market data and checks what comes out: counts against the sets' manifest, sums
//! against their trade tables, books that are never crossed and never gap, best prices against the independent rebuild.
//! The data is read where `TICKDECK_SHARED` says; without it these tests are listed as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use tickdeck::engine::event::{Event, MarketData};
use tickdeck::engine::market::book::{Book, BookState};
use tickdeck::engine::market::instrument::Category;
use tickdeck::engine::num::{Price, Qty, Side};
use tickdeck::engine::time::Ts;
use tickdeck::tape::import::{ImportError, Importer, import, read_bars, read_trades_csv};
use tickdeck::tape::{Ending, TapeKind, TapeReader, verify};

fn main() {
    let args = Arguments::from_args();
    let data = std::env::var_os("TICKDECK_SHARED").map(|root| PathBuf::from(root).join("data"));
    libtest_mimic::run(&args, trials(data.as_deref())).exit();
}

/// A trial that needs the shared data.
fn trial(data: Option<&Path>, name: String, run: impl FnOnce(&Path) -> Result<(), Failed> + Send + 'static) -> Trial {
    match data.map(Path::to_owned) {
        Some(data) => Trial::test(name, move || run(&data)),
        None => Trial::test(name, || Ok(())).with_kind("needs TICKDECK_SHARED").with_ignored_flag(true),
    }
}

fn trials(data: Option<&Path>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for set in SETS {
        trials.push(trial(data, format!("set::{}", set.file), move |data| check_set(data, set)));
    }
    for (raw, l2) in REBUILT {
        trials.push(trial(data, format!("rebuilt::{raw}"), move |data| compare_with_rebuild(data, raw, l2)));
    }
    for (raw, table) in TABLES {
        trials.push(trial(data, format!("trades::{raw}"), move |data| compare_with_table(data, raw, table)));
    }
    trials.push(trial(data, "the_same_files_make_the_same_bytes".to_owned(), same_bytes));
    trials.push(trial(data, "two_files_become_one_tape_in_order".to_owned(), two_files));
    trials.push(trial(data, "a_recording_without_a_snapshot_has_trades_and_says_why".to_owned(), no_snapshot));
    trials.push(trial(data, "tables_without_sides_and_bars_are_for_training_only".to_owned(), training_only));
    trials.push(trial(data, "what_does_not_fit_together_is_refused".to_owned(), |data| {
        refused(data);
        Ok(())
    }));
    trials.push(trial(data, "damaged_recordings_are_read_as_far_as_they_go".to_owned(), damaged));
    trials
}

/// A shared set and what its manifest says about it.
#[derive(Clone, Copy)]
struct Set {
    file: &'static str,
    lines: u64,
    /// Name, tick, step, category of each instrument.
    instruments: &'static [(&'static str, &'static str, &'static str, Category)],
    trades: u64,
    books: bool,
}

use Category::{Inverse, Linear};

const SETS: &[Set] = &[
    Set {
        file: "tape_bybitfmt/btcusdt_ethusdt_from_binance_spot_20240808.jsonl.gz",
        lines: 47_111,
        instruments: &[("BTCUSDT", "0.01", "0.00001", Linear), ("ETHUSDT", "0.01", "0.0001", Linear)],
        trades: 34_418,
        books: true,
    },
    Set {
        file: "tape_bybitfmt/btcusdt_ethusdt_from_binance_usdm_20240808.jsonl.gz",
        lines: 48_172,
        instruments: &[("BTCUSDT", "0.1", "0.001", Linear), ("ETHUSDT", "0.01", "0.001", Linear)],
        trades: 35_383,
        books: true,
    },
    Set {
        file: "tape_bybitfmt/btcusdt_from_binance_usdm_20230404.jsonl.gz",
        lines: 25_955,
        instruments: &[("BTCUSDT", "0.1", "0.001", Linear)],
        trades: 12_929,
        books: true,
    },
    Set {
        file: "tape_bybitfmt/bybit_btcusdt_trades_20251204_3h.jsonl.gz",
        lines: 45_805,
        instruments: &[("BTCUSDT", "0.1", "0.001", Linear)],
        trades: 209_736,
        books: false,
    },
    Set {
        file: "tape_bybitfmt/nexousdt_from_binance_spot_20240723_27h.jsonl.gz",
        lines: 87_707,
        instruments: &[("NEXOUSDT", "0.001", "0.01", Linear)],
        trades: 14_576,
        books: true,
    },
    Set {
        file: "tape_raw/binance_cm_btcusd_perp_20240808.jsonl.gz",
        lines: 98_386,
        instruments: &[("BTCUSD_PERP", "0.1", "1", Inverse)],
        trades: 5_235,
        books: true,
    },
    Set {
        file: "tape_raw/binance_cm_ethusd_perp_20240808.jsonl.gz",
        lines: 78_314,
        instruments: &[("ETHUSD_PERP", "0.01", "1", Inverse)],
        trades: 3_595,
        books: true,
    },
    Set {
        file: "tape_raw/binance_spot_btcusdt_20240808.jsonl.gz",
        lines: 99_574,
        instruments: &[("BTCUSDT", "0.01", "0.00001", Linear)],
        trades: 19_904,
        books: true,
    },
    Set {
        file: "tape_raw/binance_spot_ethusdt_20240808.jsonl.gz",
        lines: 79_744,
        instruments: &[("ETHUSDT", "0.01", "0.0001", Linear)],
        trades: 14_515,
        books: true,
    },
    Set {
        file: "tape_raw/binance_spot_nexousdt_20240723.jsonl.gz",
        lines: 131_274,
        instruments: &[("NEXOUSDT", "0.001", "0.01", Linear)],
        trades: 14_576,
        books: true,
    },
    Set {
        file: "tape_raw/binance_usdm_btcusdt_20230404.jsonl.gz",
        lines: 73_765,
        instruments: &[("BTCUSDT", "0.1", "0.001", Linear)],
        // One more is the insurance fund's, which did not happen in the book.
        trades: 12_934,
        books: true,
    },
    Set {
        file: "tape_raw/binance_usdm_btcusdt_20240808.jsonl.gz",
        lines: 93_954,
        instruments: &[("BTCUSDT", "0.1", "0.001", Linear)],
        trades: 21_313,
        books: true,
    },
    Set {
        file: "tape_raw/binance_usdm_ethusdt_20240808.jsonl.gz",
        lines: 74_655,
        instruments: &[("ETHUSDT", "0.01", "0.001", Linear)],
        trades: 14_076,
        books: true,
    },
    Set {
        file: "tests/bybit_official_2024-12-01_XRPUSDT_ob500.data.zip",
        lines: 50,
        instruments: &[("XRPUSDT", "0.0001", "1", Linear)],
        trades: 0,
        books: true,
    },
    Set {
        file: "trades/bybit_linear_btcusdt_20251204.csv.gz",
        lines: 209_737,
        instruments: &[("BTCUSDT", "0.1", "0.001", Linear)],
        trades: 209_736,
        books: false,
    },
    Set {
        file: "trades/bitmex_xbtusd_20180101.csv.gz",
        lines: 823_667,
        instruments: &[("XBTUSD", "0.5", "1", Inverse)],
        trades: 823_666,
        books: false,
    },
    Set {
        file: "tests/tardis_binance_futures_btcusdt_trades_20200222.csv.gz",
        lines: 10_000,
        instruments: &[("BTCUSDT", "0.01", "0.001", Linear)],
        trades: 9_999,
        books: false,
    },
];

/// Books of this instrument, and what was seen of them while a tape was read.
#[derive(Default)]
struct Watched {
    book: Book,
    begun: bool,
    updates: u64,
    trades: u64,
}

impl Watched {
    /// Applies one piece of market data as the engine does; a book that was whole must stay so.
    fn apply(&mut self, data: &MarketData) -> Result<(), Failed> {
        match data {
            MarketData::Book(update) => {
                self.book.apply(update);
                self.begun |= update.snapshot;
                self.updates += 1;
                if !self.begun || self.book.state() != BookState::Valid {
                    return Err(format!("book {:?} after {} updates", self.book.state(), self.updates).into());
                }
                let Some((bid, ask)) = self.book.best() else { return Err("one side of the book is empty".into()) };
                if bid.price >= ask.price {
                    return Err(format!("crossed: {} over {}", bid.price, ask.price).into());
                }
            }
            MarketData::Gap => return Err(format!("a gap after {} updates", self.updates).into()),
            MarketData::Trade(_) => self.trades += 1,
            MarketData::Ticker(_) => {}
            other => return Err(format!("an import does not say {other:?}").into()),
        }
        Ok(())
    }
}

fn check_set(data: &Path, set: &Set) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("x.tape");
    let begun = Instant::now();
    let mut last = 0.0;
    let mut rising = true;
    let report = import(&[data.join(set.file)], &out, &mut |part| {
        rising &= part >= last && part <= 1.0;
        last = part;
    })?;
    let took = begun.elapsed();
    assert!(rising && (last - 1.0).abs() < f64::EPSILON, "progress ended at {last}");
    assert_eq!((report.lines, report.bad, report.clamped), (set.lines, 0, 0), "{report}");
    let trades: u64 = report.instruments.iter().map(|i| i.trades).sum();
    assert_eq!(trades, set.trades, "{report}");

    let mut reader = TapeReader::open(&out)?;
    assert_eq!(reader.header().kind, TapeKind::Imported);
    let found: Vec<_> = reader
        .header()
        .instruments
        .iter()
        .map(|i| (i.name.clone(), i.tick.to_string(), i.step.to_string(), i.category))
        .collect();
    let expected: Vec<_> =
        set.instruments.iter().map(|(n, t, s, c)| ((*n).to_owned(), (*t).to_owned(), (*s).to_owned(), *c)).collect();
    assert_eq!(found, expected);

    let mut watched: BTreeMap<u16, Watched> = BTreeMap::new();
    let mut before = Ts(0);
    while let Some((at, _, event)) = reader.next_event()? {
        let Event::Market(symbol, market) = event else { return Err("something else than market data".into()) };
        assert!(at >= before);
        before = at;
        watched.entry(symbol.0).or_default().apply(&market)?;
    }
    assert_eq!(reader.ending(), Some(Ending::Orderly));
    for (one, shown) in report.instruments.iter().zip(watched.values()) {
        assert_eq!((one.trades, one.book.updates + one.book.snapshots), (shown.trades, shown.updates));
        assert_eq!((one.book.gaps, one.book.unusable, shown.begun), (0, 0, set.books), "{report}");
    }
    let size = std::fs::metadata(&out)?.len();
    println!("{}: {} events, {:.1} MB tape, {:.2?}", set.file, report.events, size as f64 / 1e6, took);
    Ok(())
}

/// Raw recordings and the table of levels that was rebuilt from them elsewhere.
const REBUILT: &[(&str, &str)] = &[
    ("tape_raw/binance_usdm_btcusdt_20230404.jsonl.gz", "l2/binance_usdm_btcusdt_20230404.100ms.csv.gz"),
    ("tape_raw/binance_usdm_btcusdt_20240808.jsonl.gz", "l2/binance_usdm_btcusdt_20240808.100ms.csv.gz"),
    ("tape_raw/binance_spot_ethusdt_20240808.jsonl.gz", "l2/binance_spot_ethusdt_20240808.100ms.csv.gz"),
    ("tape_raw/binance_cm_btcusd_perp_20240808.jsonl.gz", "l2/binance_cm_btcusd_perp_20240808.100ms.csv.gz"),
    ("tape_raw/binance_spot_nexousdt_20240723.jsonl.gz", "l2/binance_spot_nexousdt_20240723.1s.csv.gz"),
];

fn text_of(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// Best bid and ask (price and size) and levels 2 to 10 at the instants of the table.
fn compare_with_rebuild(data: &Path, raw: &str, l2: &str) -> Result<(), Failed> {
    let table = text_of(&data.join(l2));
    let mut importer = Importer::open(&[data.join(raw)], &mut |_| {})?.peekable();
    let mut book = Book::new();
    let (mut rows, mut touch, mut sizes, mut depth) = (0_u64, 0_u64, 0_u64, 0_u64);
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let at = Ts::from_ms(cells[0].parse()?);
        while let Some(item) = importer.next_if(|item| item.as_ref().is_ok_and(|(t, ..)| *t <= at)) {
            if let (_, _, MarketData::Book(update)) = item? {
                book.apply(&update);
            }
        }
        let Some((bid, ask)) = book.best() else { continue };
        rows += 1;
        let price = |n: usize| Price::parse(cells[n]).unwrap();
        let qty = |n: usize| Qty::parse(cells[n]).unwrap();
        let same_touch = bid.price == price(1) && ask.price == price(3);
        touch += u64::from(same_touch);
        sizes += u64::from(same_touch && bid.qty == qty(2) && ask.qty == qty(4));
        let same_level = |n: usize| {
            let (bid, ask) = (book.bids().iter().nth(n), book.asks().iter().nth(n));
            bid.is_some_and(|l| l.price == price(1 + 4 * n) && l.qty == qty(2 + 4 * n))
                && ask.is_some_and(|l| l.price == price(3 + 4 * n) && l.qty == qty(4 + 4 * n))
        };
        depth += u64::from((0..10).all(same_level));
    }
    let share = |n: u64| n as f64 / rows.max(1) as f64 * 100.0;
    println!(
        "{l2}: {rows} rows, best prices agree in {:.3} %, with sizes {:.3} %, all ten levels {:.3} %",
        share(touch),
        share(sizes),
        share(depth)
    );
    assert!(rows > 3_000 && share(touch) > 99.0, "{rows} rows, {} %", share(touch));
    Ok(())
}

/// Recordings and the table of their trades.
const TABLES: &[(&str, &str)] = &[
    ("tape_raw/binance_usdm_btcusdt_20240808.jsonl.gz", "trades/binance_usdm_btcusdt_20240808.csv.gz"),
    ("tape_raw/binance_spot_nexousdt_20240723.jsonl.gz", "trades/binance_spot_nexousdt_20240723.csv.gz"),
    ("tape_raw/binance_cm_ethusd_perp_20240808.jsonl.gz", "trades/binance_cm_ethusd_perp_20240808.csv.gz"),
    ("tape_bybitfmt/bybit_btcusdt_trades_20251204_3h.jsonl.gz", "trades/bybit_linear_btcusdt_20251204.csv.gz"),
];

fn compare_with_table(data: &Path, raw: &str, table: &str) -> Result<(), Failed> {
    let mut made = Vec::new();
    for item in Importer::open(&[data.join(raw)], &mut |_| {})? {
        if let (_, _, MarketData::Trade(trade)) = item? {
            made.push((trade.price, trade.qty, trade.taker));
        }
    }
    let listed: Vec<_> =
        read_trades_csv(&data.join(table))?.iter().map(|row| (row.price, row.qty, row.taker.unwrap())).collect();
    let bought = |trades: &[(Price, Qty, Side)]| -> Qty {
        trades.iter().filter(|(_, _, taker)| *taker == Side::Buy).map(|(_, qty, _)| *qty).sum()
    };
    assert_eq!((made.len(), bought(&made)), (listed.len(), bought(&listed)));
    assert!(made == listed, "the same trades in the same order");
    Ok(())
}

fn same_bytes(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let files = [data.join("tape_raw/binance_usdm_btcusdt_20230404.jsonl.gz")];
    let (one, other) = (folder.path().join("1.tape"), folder.path().join("2.tape"));
    import(&files, &one, &mut |_| {})?;
    import(&files, &other, &mut |_| {})?;
    let report = verify(&one)?;
    assert_eq!(report.sha256, verify(&other)?.sha256);
    assert_eq!((report.kinds["ticker"], report.out_of_order), (514, 0));
    assert!(matches!(import(&files, &one, &mut |_| {}), Err(ImportError::Tape(_))), "never overwritten");
    Ok(())
}

fn two_files(data: &Path) -> Result<(), Failed> {
    let names = ["tape_raw/binance_usdm_ethusdt_20240808.jsonl.gz", "tape_raw/binance_usdm_btcusdt_20240808.jsonl.gz"];
    let importer = Importer::open(&names.map(|name| data.join(name)), &mut |_| {})?;
    let names: Vec<&str> = importer.instruments().iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["BTCUSDT", "ETHUSDT"]);
    let mut watched: BTreeMap<u16, Watched> = BTreeMap::new();
    let (mut before, mut turns, mut last) = (Ts(0), 0, 9);
    for item in importer {
        let (at, symbol, market) = item?;
        assert!(at >= before);
        before = at;
        turns += u32::from(symbol.0 != last);
        last = symbol.0;
        watched.entry(symbol.0).or_default().apply(&market)?;
    }
    assert_eq!((watched[&0].trades, watched[&1].trades), (21_313, 14_076));
    assert!(turns > 10_000, "the files alternate: {turns}");
    Ok(())
}

fn no_snapshot(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("x.tape");
    let file = data.join("tests/binance_spot_btcusdt_20230405_nosnapshot.jsonl.gz");
    let report = import(&[file], &out, &mut |_| {})?;
    let one = &report.instruments[0];
    assert_eq!((report.lines, one.trades, one.book.unusable, one.book.snapshots), (15_088, 3_144, 3_929, 0));
    assert!(one.trouble().is_some_and(|text| text.contains("no whole book")), "{report}");
    assert_eq!(verify(&out)?.kinds.into_iter().collect::<Vec<_>>(), [("trade", 3_144)]);
    Ok(())
}

fn training_only(data: &Path) -> Result<(), Failed> {
    let unsigned = data.join("trades/binance_spot_btcusdt_20220115_unsigned.csv.gz");
    assert!(matches!(Importer::open(std::slice::from_ref(&unsigned), &mut |_| {}), Err(ImportError::NoSide(_))));
    assert_eq!(read_trades_csv(&unsigned)?.len(), 364_529);
    let bars = data.join("bars/binance_spot_btcusdt_1m_20260301.csv.gz");
    assert!(matches!(Importer::open(std::slice::from_ref(&bars), &mut |_| {}), Err(ImportError::Bars(_))));
    let bars = read_bars(&bars)?;
    assert_eq!(bars.len(), 153_778);
    assert!(bars.windows(2).all(|pair| pair[1].at > pair[0].at));
    for entry in std::fs::read_dir(data.join("bars"))? {
        assert!(read_bars(&entry?.path())?.len() > 30_000);
    }
    Ok(())
}

fn refused(data: &Path) {
    let open = |names: &[&str]| {
        let files: Vec<PathBuf> = names.iter().map(|name| data.join(name)).collect();
        Importer::open(&files, &mut |_| {}).err()
    };
    let usdm = "tape_raw/binance_usdm_btcusdt_20240808.jsonl.gz";
    let spot = "tape_raw/binance_spot_btcusdt_20240808.jsonl.gz";
    assert!(matches!(open(&[usdm, spot]), Some(ImportError::TwoMarkets { .. })));
    assert!(matches!(open(&[usdm, usdm]), Some(ImportError::Overlap { what: "trades", .. })));
    assert!(matches!(open(&["tests/cryptofeed_legacyv2_BYBIT.ws.25.0.txt.gz"]), Some(ImportError::Unknown(_))));
    assert!(matches!(open(&["l2/binance_usdm_btcusdt_20240808.100ms.csv.gz"]), Some(ImportError::Unknown(_))));
    assert!(matches!(open(&["MANIFEST.md"]), Some(ImportError::Unknown(_))));
    assert!(matches!(open(&[]), Some(ImportError::NoFiles)));
}

/// A recording with torn, foreign and doubled lines in the middle, and one that was cut off.
fn damaged(data: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let source = data.join("tape_bybitfmt/btcusdt_from_binance_usdm_20230404.jsonl.gz");
    let text = text_of(&source);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(500, "{\"recv_ns\":1680652712000000000,\"raw\":{\"topic\":\"orderbook.50.BTC");
    lines.insert(900, "\u{0}\u{1}\u{2}");
    let doubled = lines.iter().position(|line| line.contains("\"delta\"")).unwrap();
    lines.insert(doubled + 1, lines[doubled]);
    let path = folder.path().join("torn.jsonl");
    std::fs::write(&path, lines.join("\n"))?;
    let report = import(std::slice::from_ref(&path), &folder.path().join("torn.tape"), &mut |_| {})?;
    let one = &report.instruments[0];
    assert_eq!((report.bad, one.trades, one.book.gaps, one.book.old), (2, 12_929, 0, 1), "{report}");
    assert_eq!(report.bad_lines.iter().map(|bad| bad.line).collect::<Vec<_>>(), [502, 902]);

    // One delta gone: a gap, and no book until the next whole one, of which there is none.
    lines.remove(lines.iter().rposition(|line| line.contains("\"delta\"")).unwrap() - 50);
    let missing = lines.iter().position(|line| line.contains("\"u\":300,")).unwrap();
    lines.remove(missing);
    std::fs::write(&path, lines.join("\n"))?;
    let report = import(&[path], &folder.path().join("gap.tape"), &mut |_| {})?;
    let one = &report.instruments[0];
    assert_eq!(one.book.gaps, 1);
    assert!(one.book.unusable > 10_000 && one.trouble().is_some(), "{report}");

    let bytes = std::fs::read(&source)?;
    let cut = folder.path().join("cut.jsonl.gz");
    std::fs::write(&cut, &bytes[..bytes.len() / 2])?;
    let report = import(std::slice::from_ref(&cut), &folder.path().join("cut.tape"), &mut |_| {})?;
    assert_eq!((report.truncated, report.instruments[0].book.gaps), (vec![cut], 0));
    assert!(report.events > 5_000);
    Ok(())
}
