//! What of a ledger cannot be changed unnoticed: the audit chain against every kind of tampering, rows of other accounts,
//! and a ledger of an older version that moves to this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rusqlite::Connection;
use tickdeck::engine::account::{Holding, Residual};
use tickdeck::engine::effect::{NewOrder, Protection, Purpose, Record, TimeInForce};
use tickdeck::engine::event::{Baselines, EarlierOrder};
use tickdeck::engine::ids::{Account, OrderSeq, Pair, RunId, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::time::Ts;
use tickdeck::ledger::{Filter, Head, Job, Ledger, LedgerError, PnlBy, Reader, RunRow, Verdict};

fn instruments() -> Vec<Instrument> {
    vec![Instrument::linear("BTCUSDT", Price::parse("0.1").unwrap(), Qty::parse("0.001").unwrap())]
}
fn run_row(run: &str, balance: Money) -> RunRow {
    let (label, version) = (String::new(), "0.1.0".to_owned());
    RunRow { run: RunId(run.to_owned()), pair: Pair::SIMULATED, started: Ts(20), label, version, balance }
}
fn note(text: &str) -> Job {
    Job::Record { at: Ts(7), record: Record::Operator { command: text.to_owned(), outcome: "done".to_owned() } }
}

fn intent(seq: u64) -> Job {
    let order = NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: Qty::parse("1").unwrap(),
        price: Price::parse("100").unwrap(),
        tif: TimeInForce::PostOnly,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: Ts(5),
    };
    Job::Intent { at: Ts(6), order, link_id: format!("tp-r2-{seq}") }
}

/// A ledger with some facts of several kinds, closed.
fn some_facts(folder: &Path) -> PathBuf {
    let path = folder.join("simulated.sqlite");
    let mut ledger = Ledger::open(&path, Pair::SIMULATED).unwrap();
    ledger.restore(&instruments()).unwrap();
    ledger.begin_run(&run_row("r1", Money::from_units(10_000))).unwrap();
    for batch in [vec![note("arm"), note("disarm")], vec![note("arm")], vec![note("kill")]] {
        assert!(ledger.commit(&batch).unwrap().troubles.is_empty());
    }
    path
}

fn audit(path: &Path, expected: Option<&str>) -> Verdict {
    Reader::open(path).unwrap().audit(expected).unwrap()
}

/// Another program at work: the triggers are no obstacle to whoever wants to.
fn tamper(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    connection.execute_batch(sql).unwrap();
}

fn tickdeck(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tickdeck")).arg("--data-dir").arg(folder).args(words).output().unwrap()
}

#[test]
fn the_first_record_that_was_touched_is_named() {
    let cases = [
        ("UPDATE operators SET outcome = 'never' WHERE id = 3", "operators", 3, "was altered", Some("outcome:5=never")),
        ("UPDATE balances SET balance = '10001'", "balances", 1, "was altered", Some("balance:5=10001")),
        ("DELETE FROM operators WHERE id = 2", "operators", 2, "is missing", None),
        ("DELETE FROM audit WHERE id = 4", "operators", 3, "removed", Some("command:3=arm")),
        ("UPDATE audit SET digest = 'abc' WHERE id = 3", "operators", 1, "altered", Some("command:3=arm")),
        (
            "INSERT INTO operators VALUES (9, 'simulated/paper', 'r1', 8, 'arm', 'slipped in')",
            "operators",
            9,
            "inserted",
            Some("slipped in"),
        ),
    ];
    for (sql, wanted, number, how, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = some_facts(folder.path());
        assert!(matches!(audit(&path, None), Verdict::Sound(Head { count: 6, .. })), "sound before {sql}");
        tamper(&path, sql);
        let Verdict::Broken { table, row, what, says } = audit(&path, None) else { panic!("unnoticed: {sql}") };
        assert_eq!((table.as_str(), row), (wanted, number), "{sql}");
        assert!(what.contains(how), "{sql}: {what}");
        assert_eq!(says.is_some(), words.is_some(), "{sql}");
        assert!(words.is_none_or(|words| says.as_ref().unwrap().contains(words)), "{sql}: {says:?}");
        let output = tickdeck(folder.path(), &["audit", "verify"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("row {number} of {wanted}")), "{text}");
    }
}

/// A ledger with something in every table whose rows change, and two days of minutes; its run goes on.
fn some_states(folder: &Path) -> (PathBuf, Ledger) {
    let path = folder.join("simulated.sqlite");
    let mut ledger = Ledger::open(&path, Pair::SIMULATED).unwrap();
    ledger.restore(&instruments()).unwrap();
    ledger.begin_run(&run_row("r1", Money::from_units(10_000))).unwrap();
    let record = |at: i64, record| Job::Record { at: Ts(at), record };
    let state = |order, state: &str| {
        let (state, reason) = (state.to_owned(), String::new());
        record(9, Record::OrderState { order: OrderSeq(order), state, filled: Qty::ZERO, reason })
    };
    let held = Holding { signed: 1_000_000_000, cost: Money::from_units(100), ..Holding::flat(Symbol(0)) };
    let adopted = Record::Adopted { balance: Money::from_units(9_000), holdings: Some(vec![held]) };
    let residual = Residual { realised: Money::from_units(3), ..Residual::default() };
    let jobs = [intent(1), intent(2), state(1, "sent"), state(1, "live"), state(2, "filled"), record(10, adopted)];
    assert!(ledger.commit(&jobs).unwrap().troubles.is_empty());
    let minute = |number: i64| (Ts::from_ms(number * 60_000), Money::from_units(10_000 + number % 7));
    for number in 1..2_880 {
        let baselines = Baselines {
            day_start: Ts(0),
            day_equity: Money::from_units(10_000),
            high_water: Money::from_units(10_100),
            minutes: (1.max(number - 1_439)..=number).map(minute).collect(),
            day_loss_spent: false,
        };
        if number % 240 == 0 || number > 2_870 {
            let job = record(number * 60_000_000_000, Record::Baselines(baselines));
            assert!(ledger.commit(&[job]).unwrap().troubles.is_empty());
        }
    }
    assert!(ledger.commit(&[record(11, Record::Residual(Some(residual)))]).unwrap().troubles.is_empty());
    (path, ledger)
}

/// Rows that change lie beside the facts, and an edit of one is found all the same.
#[test]
fn a_row_that_changes_says_what_was_written_last() {
    for (sql, wanted, how) in [
        ("UPDATE orders SET state = 'cancelled' WHERE seq = 1", "orders", "last written"),
        ("UPDATE orders SET filled = '1' WHERE seq = 2", "orders", "last written"),
        ("INSERT INTO orders VALUES ('r1', 9, 'simulated/paper', 'live', '0', '', 1)", "orders", "last written"),
        ("DELETE FROM orders WHERE seq = 1", "states", "not there"),
        ("UPDATE positions SET position = '5'", "positions", "last written"),
        ("DELETE FROM positions", "states", "not there"),
        ("UPDATE baselines SET high_water = '1'", "baselines", "last written"),
        ("DELETE FROM baselines", "states", "not there"),
        ("UPDATE baseline_minutes SET equity = '1' WHERE at = 172500000000000", "baseline_minutes", "last written"),
        ("DELETE FROM baseline_minutes WHERE at = 172500000000000", "states", "not there"),
        ("DELETE FROM baseline_minutes", "states", "not there"),
        ("UPDATE residuals SET realised = '0'", "residuals", "altered"),
        ("UPDATE runs SET ended = 5", "runs", "last written"),
        ("UPDATE states SET says = 'x' WHERE table_name = 'orders'", "states", "altered"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (path, ledger) = some_states(folder.path());
        assert!(matches!(audit(&path, None), Verdict::Sound(_)), "while it is open: {:?}", audit(&path, None));
        drop(ledger);
        tamper(&path, sql);
        let Verdict::Broken { table, what, says, .. } = audit(&path, None) else { panic!("unnoticed: {sql}") };
        assert_eq!(table, wanted, "{sql}: {what} {says:?}");
        assert!(what.contains(how) && says.is_some(), "{sql}: {what} {says:?}");
    }
}

#[test]
fn what_the_ledger_changes_by_itself_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut ledger) = some_states(folder.path());
    let sound =
        |what: &str| assert!(matches!(audit(&path, None), Verdict::Sound(_)), "{what}: {:?}", audit(&path, None));
    ledger.orders_ended(Ts(12)).unwrap();
    sound("orders that ended with their venue");
    assert!(ledger.commit(&[note("arm")]).unwrap().troubles.is_empty());
    ledger.end_run(Ts(13), "quit").unwrap();
    sound("a run that ended");
    ledger.market_ended(Ts(14), &instruments(), &[]).unwrap();
    sound("a market that ended");
    drop(ledger);
    drop(Ledger::open(&path, Pair::SIMULATED).unwrap());
    sound("opened once more");
}

#[test]
fn a_chain_that_was_cut_short_is_found_by_a_digest_that_was_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = some_facts(folder.path());
    let noted = tickdeck(folder.path(), &["audit", "head", "--format", "json"]);
    let noted: serde_json::Value = serde_json::from_slice(&noted.stdout).unwrap();
    let digest = noted[0]["digest"].as_str().unwrap().to_owned();
    assert_eq!((noted[0]["records"].as_i64(), digest.len()), (Some(6), 64));

    let mut ledger = Ledger::open(&path, Pair::SIMULATED).unwrap();
    ledger.begin_run(&run_row("r2", Money::from_units(10_000))).unwrap();
    assert!(ledger.commit(&[note("arm")]).unwrap().troubles.is_empty());
    drop(ledger);
    assert!(matches!(audit(&path, Some(&digest)), Verdict::Sound(Head { count: 8, .. })), "it went on");

    let cut = "DELETE FROM audit WHERE id >= 6; DELETE FROM operators WHERE id >= 4; DELETE FROM states WHERE id >= 2;
               DELETE FROM runs WHERE run = 'r2'";
    tamper(&path, cut);
    assert!(matches!(audit(&path, None), Verdict::Sound(Head { count: 5, .. })), "nothing by itself shows it");
    assert!(matches!(audit(&path, Some(&digest)), Verdict::Truncated(_)));
    let output = tickdeck(folder.path(), &["audit", "verify", "--expect", &digest]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("records after them were removed"));
}

#[test]
fn a_batch_that_fails_leaves_the_chain_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = some_facts(folder.path());
    let mut ledger = Ledger::open(&path, Pair::SIMULATED).unwrap();
    ledger.restore(&instruments()).unwrap();
    ledger.begin_run(&run_row("r2", Money::from_units(10_000))).unwrap();
    assert!(ledger.commit(&[note("a"), intent(1), intent(1)]).is_err());
    assert_eq!(ledger.commit(&[note("b"), intent(1)]).unwrap().intents, [OrderSeq(1)]);
    drop(ledger);
    assert!(matches!(audit(&path, None), Verdict::Sound(Head { count: 10, .. })));
}

#[test]
fn a_row_of_another_account_is_refused_when_it_is_written_and_when_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = some_facts(folder.path());
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "INSERT INTO operators VALUES (9, 'bybit/live', 'r1', 8, 'arm', '')",
        "INSERT INTO positions VALUES ('BTCUSDT', 'bybit/testnet', '1', '1', 1, '0', '0', 1)",
        "INSERT INTO releases (env, at, symbol, released) VALUES ('simulated/papers', 1, 'BTCUSDT', 1)",
    ] {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains("another market or account"), "{sql}: {error}");
    }
    for sql in ["UPDATE meta SET value = 'bybit/live' WHERE key = 'env'", "DELETE FROM meta"] {
        assert!(connection.execute_batch(sql).unwrap_err().to_string().contains("never changes hands"), "{sql}");
    }
    drop(connection);
    tamper(&path, "INSERT INTO positions VALUES ('BTCUSDT', 'bybit/live', '1', '1', 1, '0', '0', 1)");
    let error = Ledger::open(&path, Pair::SIMULATED).unwrap_err();
    assert!(matches!(error, LedgerError::OtherPair { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("bybit/live (a row of positions)") && words.contains("killed until"), "{words}");
}

fn of_schema_1(folder: &Path) -> PathBuf {
    let path = folder.join("simulated.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("ledgers/schema1.sql")).unwrap();
    path
}

#[test]
fn a_ledger_of_schema_1_is_copied_migrated_and_chained() {
    let folder = tempfile::tempdir().unwrap();
    let path = of_schema_1(folder.path());
    let old = Reader::open(&path).unwrap();
    assert!(matches!(old.audit(None), Err(LedgerError::Unchained)));
    assert_eq!(
        (old.fills(&Filter::default()).unwrap().len(), old.unsettled().unwrap()),
        (1, vec!["BTCUSDT".to_owned()])
    );
    assert!(!old.tables().unwrap().is_empty());
    drop(old);

    let mut ledger = Ledger::open(&path, Pair::SIMULATED).unwrap();
    let stored = ledger.restore(&instruments()).unwrap();
    assert_eq!(stored.balance, Some(Money::parse("9999.695").unwrap()));
    assert_eq!(stored.holdings[0].cost, Money::from_units(100));
    assert!(stored.latch.is_some_and(|latch| latch.is_kill()));
    let order = NewOrder {
        seq: OrderSeq(1),
        symbol: Symbol(0),
        side: Side::Sell,
        qty: Qty::parse("0.5").unwrap(),
        price: Price::parse("120").unwrap(),
        tif: TimeInForce::PostOnly,
        reduce_only: true,
        purpose: Purpose::TakeProfit,
        protection: Protection::default(),
        decided: Ts(9),
    };
    let link_id = "tp-r1-000002".to_owned();
    assert_eq!(stored.earlier, [EarlierOrder { order, link_id, seen: false, filled: Qty::ZERO, execs: vec![] }]);
    drop(ledger);
    assert!(matches!(audit(&path, None), Verdict::Sound(Head { count: 12, .. })), "{:?}", audit(&path, None));

    let copy = folder.path().join("simulated.sqlite.v1.bak");
    let connection = Connection::open(&copy).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let fills: i64 = connection.query_row("SELECT count(*) FROM fills", [], |row| row.get(0)).unwrap();
    assert_eq!((version, fills), (1, 1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What older rows do not say stays unsaid: their text, and so the chain, is as it was.
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "SELECT count(*) FROM intents WHERE stop IS NOT NULL OR take_profit IS NOT NULL",
        "SELECT count(*) FROM fills WHERE executed IS NOT NULL OR theirs IS NOT NULL",
        "SELECT count(*) FROM funding WHERE exec_id IS NOT NULL OR executed IS NOT NULL OR theirs IS NOT NULL",
        "SELECT (SELECT count(*) FROM waivers) + (SELECT count(*) FROM shadows)",
    ] {
        assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "{sql}");
    }
    drop(connection);
    let pnl = Reader::open(&path).unwrap().pnl(&Filter::default(), PnlBy::DaySymbol).unwrap();
    assert_eq!(pnl.len(), 2, "one day of one instrument, and the total");
    drop(Ledger::open(&path, Pair::SIMULATED).unwrap());
    assert!(matches!(audit(&path, None), Verdict::Sound(Head { count: 12, .. })), "once is enough");
}

#[test]
fn a_migration_that_fails_leaves_the_old_ledger_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = of_schema_1(folder.path());
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE audit (x)").unwrap();
    let opened = Ledger::open_or_killed(&path, Pair::SIMULATED, Ts(1)).unwrap();
    assert!(opened.trouble.unwrap().contains("counts as killed"));
    let connection = Connection::open(&path).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let kind = connection.prepare("SELECT kind FROM fills").is_err();
    assert_eq!((version, kind), (1, true), "all of a step or nothing");
}

#[test]
fn a_ledger_of_the_wrong_account_is_not_touched_by_a_migration() {
    let folder = tempfile::tempdir().unwrap();
    let path = of_schema_1(folder.path());
    let before = fs::read(&path).unwrap();
    assert!(matches!(Ledger::open(&path, Pair::bybit(Account::Live)), Err(LedgerError::OtherPair { .. })));
    assert!(fs::read(&path).unwrap() == before);
}
