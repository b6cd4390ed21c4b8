//! What the ledger's rows cost: a commit of one intent and of a group, with the audit chain, beside the bare rows of schema 1
//! written by hand; and how long an audit takes. In memory, so that the processor's part shows; the disk's part is in
//! `order_path`. `cargo bench --bench ledger`; figures are in docs/benchmarks.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a benchmark

use std::time::Instant;

use rusqlite::{Connection, params};
use tickdeck::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use tickdeck::engine::ids::{OrderSeq, Pair, RunId, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::time::Ts;
use tickdeck::ledger::{Job, Ledger, Reader, RunRow, Verdict};

const COMMITS: u64 = 2_000;

fn main() {
    for group in [1, 16, 64] {
        chained(group);
        bare(group);
    }
}

fn intent(seq: u64) -> (NewOrder, String) {
    let order = NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: Qty::parse("0.001").unwrap(),
        price: Price::from_raw(30_000_000_000_000 + i64::try_from(seq % 10).unwrap() * 100_000_000),
        tif: TimeInForce::PostOnly,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: Ts(1),
    };
    (order, format!("tp-0abcdefg-{seq}"))
}

fn chained(group: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::in_memory(Pair::SIMULATED).unwrap();
    ledger.restore(&[Instrument::linear("BTCUSDT", Price::from_raw(100_000_000), Qty::from_raw(1_000_000))]).unwrap();
    let row = RunRow {
        run: RunId("0abcdefg".into()),
        pair: Pair::SIMULATED,
        started: Ts(0),
        label: String::new(),
        version: String::new(),
        balance: Money::from_units(1),
    };
    ledger.begin_run(&row).unwrap();
    let mut times = Vec::new();
    for commit in 0..COMMITS {
        let batch: Vec<Job> = (1..=group)
            .map(|place| {
                let (order, link_id) = intent(commit * group + place);
                Job::Intent { at: Ts(1), order, link_id }
            })
            .collect();
        let began = Instant::now();
        assert_eq!(ledger.commit(&batch).unwrap().intents.len() as u64, group);
        times.push(began.elapsed().as_nanos());
    }
    say(&format!("commit of {group}, chained"), group, times);
    let path = folder.path().join("bench.sqlite");
    ledger.save_copy(&path).unwrap();
    let (reader, began) = (Reader::open(&path).unwrap(), Instant::now());
    let Verdict::Sound(head) = reader.audit(None).unwrap() else { panic!("the chain is broken") };
    let each = began.elapsed().as_nanos() / u128::from(head.count.unsigned_abs());
    println!("audit of {} records: {each} ns each", head.count);
}

/// The same rows, and nothing else.
fn bare(group: u64) {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../tests/ledgers/schema1.sql")).unwrap();
    let mut times = Vec::new();
    for commit in 0..COMMITS {
        let batch: Vec<(NewOrder, String)> = (1..=group).map(|place| intent(1_000 + commit * group + place)).collect();
        let began = Instant::now();
        let txn = connection.transaction().unwrap();
        for (order, link_id) in &batch {
            let seq = i64::try_from(order.seq.0).unwrap();
            txn.prepare_cached(
                "INSERT INTO intents VALUES ('r1', ?1, 'simulated/paper', ?2, 1, 1, 'BTCUSDT', ?3, ?4, ?5, ?6, 0, ?7)",
            )
            .unwrap()
            .execute(params![
                seq,
                link_id,
                order.side.word(),
                order.qty.to_string(),
                order.price.to_string(),
                order.tif.word(),
                order.purpose.word()
            ])
            .unwrap();
            txn.prepare_cached("INSERT INTO orders VALUES ('r1', ?1, 'simulated/paper', 'intent', '0', '', 1)")
                .unwrap()
                .execute([seq])
                .unwrap();
        }
        txn.commit().unwrap();
        times.push(began.elapsed().as_nanos());
    }
    say(&format!("commit of {group}, bare rows"), group, times);
}

fn say(what: &str, group: u64, mut times: Vec<u128>) {
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100];
    println!("{what}: p50 {} ns, p99 {} ns; {} ns a row", at(50), at(99), at(50) / u128::from(group));
}
