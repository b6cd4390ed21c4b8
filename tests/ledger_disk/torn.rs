//! The write-ahead log cut and garbled at every byte of its last commits.

use std::fs;
use std::path::Path;

use tickdeck::engine::effect::{NewOrder, Protection, Purpose, Record, TimeInForce};
use tickdeck::engine::ids::{OrderSeq, Pair, RunId, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::time::Ts;
use tickdeck::ledger::{Job, Ledger, LedgerError, Reader, RunRow, Verdict};

const FILE: &str = "simulated.sqlite";
const LOG: &str = "simulated.sqlite-wal";
/// Places of damage that are tried.
const SAMPLES: usize = 400;
/// Intents before the last three commits.
const BEFORE: u64 = 2;

fn instruments() -> Vec<Instrument> {
    vec![Instrument::linear("BTCUSDT", Price::parse("0.1").unwrap(), Qty::parse("0.001").unwrap())]
}

fn commit(ledger: &mut Ledger, seq: u64) {
    let order = NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: Qty::from_raw(1),
        price: Price::from_raw(1),
        tif: TimeInForce::PostOnly,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: Ts(1),
    };
    let intent = Job::Intent { at: Ts(1), order, link_id: format!("tp-r-{seq}") };
    let note = Record::Operator { command: seq.to_string(), outcome: String::new() };
    let done = ledger.commit(&[intent, Job::Record { at: Ts(2), record: note }]).unwrap();
    assert!(done.troubles.is_empty());
}

/// A ledger whose last three commits are in its log, and how long the log was before them.
fn written(folder: &Path) -> (Ledger, usize) {
    let mut ledger = Ledger::open(&folder.join(FILE), Pair::SIMULATED).unwrap();
    ledger.restore(&instruments()).unwrap();
    let row = RunRow {
        run: RunId("r".into()),
        pair: Pair::SIMULATED,
        started: Ts(0),
        label: String::new(),
        version: String::new(),
        balance: Money::from_units(10_000),
    };
    ledger.begin_run(&row).unwrap();
    (1..=BEFORE).for_each(|seq| commit(&mut ledger, seq));
    let length = fs::metadata(folder.join(LOG)).unwrap().len() as usize;
    (BEFORE + 1..=BEFORE + 3).for_each(|seq| commit(&mut ledger, seq));
    (ledger, length)
}

/// Opens what is left. A ledger that opens holds the intents up to one of its commits, each with what was committed with it,
/// and its chain is whole; one that does not counts as killed.
fn look(folder: &Path, what: &str) -> Option<u64> {
    // A program that another trial starts holds copies of our files until it has become that program.
    let opened = loop {
        match Ledger::open_or_killed(&folder.join(FILE), Pair::SIMULATED, Ts(9)) {
            Err(LedgerError::InUse { .. }) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    let mut ledger = opened.ledger;
    let stored = ledger.restore(&instruments()).unwrap();
    if opened.trouble.is_some() {
        assert!(stored.latch.is_some_and(|latch| latch.is_kill()), "{what}: unreadable and not killed");
        return None;
    }
    let seqs: Vec<u64> = stored.unresolved.iter().map(|intent| intent.seq).collect();
    let last = seqs.len() as u64;
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "{what}: a gap");
    assert!(last >= BEFORE, "{what}: a commit before the damage is gone");
    let reader = Reader::open(&folder.join(FILE)).unwrap();
    // The run and its state; then each commit is an intent, its state and a note.
    let Verdict::Sound(head) = reader.audit(None).unwrap() else { panic!("{what}: the chain is broken") };
    assert_eq!(head.count as u64, 2 + 3 * last, "{what}: half a commit");
    Some(last)
}

pub fn every_byte() {
    let source = tempfile::tempdir().unwrap();
    let (_ledger, from) = written(source.path());
    let (file, log) = (fs::read(source.path().join(FILE)).unwrap(), fs::read(source.path().join(LOG)).unwrap());
    // In memory where there is such a place: what is looked at is what a start reads, not what the disk takes.
    let memory = Path::new("/dev/shm");
    let copy = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let attempt = |log: &[u8], what: &str| {
        fs::write(copy.path().join(FILE), &file).unwrap();
        fs::write(copy.path().join(LOG), log).unwrap();
        drop(fs::remove_file(copy.path().join("simulated.sqlite-shm")));
        look(copy.path(), what)
    };
    assert_eq!(attempt(&log, "whole"), Some(BEFORE + 3));
    // Every byte where `TICKDECK_EVERY_BYTE` is set; else so many of them, spread over all parts of frames and their headers.
    let step = if std::env::var_os("TICKDECK_EVERY_BYTE").is_some() { 1 } else { ((log.len() - from) / SAMPLES) | 1 };
    let mut found = std::collections::BTreeSet::new();
    for at in (from..log.len()).step_by(step) {
        found.insert(attempt(&log[..at], &format!("cut at {at}")));
        let mut garbled = log.clone();
        garbled[at] ^= 0x5a;
        found.insert(attempt(&garbled, &format!("garbled at {at}")));
        garbled[at..].fill(0xa5);
        found.insert(attempt(&garbled, &format!("rubbish from {at}")));
    }
    println!("{} bytes of log, one in {step} tried", log.len() - from);
    let prefixes: Vec<Option<u64>> = (BEFORE..BEFORE + 3).map(Some).collect();
    assert!(prefixes.iter().all(|prefix| found.contains(prefix)), "every prefix was seen: {found:?}");
}
