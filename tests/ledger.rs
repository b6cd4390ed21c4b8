//! The ledger seen from outside: what a crash, a second process, a wrong file and a failing latch do to the money.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use tickdeck::engine::account::Holding;
use tickdeck::engine::effect::{FLAT_PROVEN, NewOrder, Protection, Purpose, Record, TimeInForce};
use tickdeck::engine::event::{Baselines, Fill, FillKind};
use tickdeck::engine::ids::{Account, OrderSeq, Pair, RunId, Symbol, order_link_id};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Rate, Side, UNIT};
use tickdeck::engine::risk::limits::LimitKey;
use tickdeck::engine::risk::state::{Latch, LatchCause, LossTrip};
use tickdeck::engine::time::Ts;
use tickdeck::ledger::{Cell, Filter, Format, Job, Ledger, LedgerError, PnlBy, Reader, RunRow, mark_latched, marked};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}
fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}
fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}
fn instruments(names: &[&str]) -> Vec<Instrument> {
    names.iter().map(|name| Instrument::linear(name, price("0.1"), qty("0.001"))).collect()
}
fn run_row(run: &str) -> RunRow {
    RunRow {
        run: RunId(run.to_owned()),
        pair: Pair::SIMULATED,
        started: Ts(1),
        label: "weather calm".to_owned(),
        version: "0.1.0".to_owned(),
        balance: money("10000"),
    }
}
fn record(record: Record) -> Job {
    Job::Record { at: Ts(7), record }
}
fn intent(seq: u64, purpose: Purpose) -> Job {
    let order = NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: qty("0.01"),
        price: price("64000.1"),
        tif: TimeInForce::ImmediateOrCancel,
        reduce_only: purpose != Purpose::Entry,
        purpose,
        protection: Protection::default(),
        decided: Ts(5),
    };
    let link_id = order_link_id(Account::Paper, &RunId("r1".to_owned()), OrderSeq(seq));
    Job::Intent { at: Ts(6), order, link_id }
}
fn killed() -> Latch {
    Latch { cause: LatchCause::Killed("key ^K".to_owned()), at: Ts(9) }
}

/// A reset, after the kill.
fn lifted() -> Job {
    Job::Record { at: Ts(10), record: Record::Latch(None) }
}

/// Books executions as the engine does and makes the records it would send.
struct Books {
    held: Vec<Holding>,
    balance: Money,
    next: u32,
}

impl Books {
    fn new() -> Self {
        Self { held: (0..3).map(|i| Holding::flat(Symbol(i))).collect(), balance: money("10000"), next: 0 }
    }
    fn fill(&mut self, symbol: u16, side: Side, at_price: &str, size: &str, fee: &str) -> Job {
        self.next += 1;
        let fill = Fill {
            exec_id: format!("x{}", self.next),
            price: price(at_price),
            qty: qty(size),
            fee: money(fee),
            maker: false,
            executed: None,
        };
        let held = &mut self.held[usize::from(symbol)];
        let booked = held.book(Ts(7), side, fill.price, fill.qty, fill.fee);
        self.balance += booked.realised - fill.fee;
        record(Record::Fill {
            order: Some(OrderSeq(1)),
            kind: FillKind::Trade,
            theirs: false,
            symbol: Symbol(symbol),
            side,
            realised: booked.realised,
            balance: self.balance,
            position: held.signed,
            cost: held.cost,
            fill,
        })
    }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn path(&self) -> PathBuf {
        self.folder.path().join("data").join("simulated.sqlite")
    }
    fn marker(&self) -> PathBuf {
        self.folder.path().join("data").join("latched.simulated")
    }
    fn begun_with(&self, run: &str, balance: Money) -> Ledger {
        let mut ledger = Ledger::open(&self.path(), Pair::SIMULATED).unwrap();
        ledger.restore(&[]).unwrap();
        ledger.begin_run(&RunRow { balance, ..run_row(run) }).unwrap();
        ledger
    }
    /// A ledger with a run begun on BTCUSDT, ETHUSDT, SOLUSDT.
    fn begun(&self, run: &str) -> Ledger {
        begun(&self.path(), run)
    }
}

fn begun(path: &Path, run: &str) -> Ledger {
    let mut ledger = Ledger::open(path, Pair::SIMULATED).unwrap();
    ledger.restore(&instruments(&["BTCUSDT", "ETHUSDT", "SOLUSDT"])).unwrap();
    ledger.begin_run(&run_row(run)).unwrap();
    ledger
}

fn commit(ledger: &mut Ledger, batch: &[Job]) {
    let done = ledger.commit(batch).unwrap();
    assert!(done.troubles.is_empty(), "{:?}", done.troubles);
}

#[test]
fn money_comes_back_exactly_and_by_name_after_a_power_loss() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    let batch = [
        intent(1, Purpose::Entry),
        books.fill(0, Side::Buy, "64182.5", "0.012", "0.4236045"),
        books.fill(2, Side::Sell, "151.234567891", "3.333333333", "0.000000000000000001"),
        books.fill(0, Side::Sell, "64200", "0.007", "0.2471700"),
    ];
    commit(&mut ledger, &batch);
    // What is on the disk now, without a clean close: the copy is what a power loss leaves.
    let copy = Place::new();
    fs::create_dir_all(copy.path().parent().unwrap()).unwrap();
    for name in ["simulated.sqlite", "simulated.sqlite-wal"] {
        fs::copy(place.path().with_file_name(name), copy.path().with_file_name(name)).unwrap();
    }
    let mut restarted = Ledger::open(&copy.path(), Pair::SIMULATED).unwrap();
    let stored = restarted.restore(&instruments(&["DOGEUSDT", "BTCUSDT"])).unwrap();
    assert_eq!(stored.balance, Some(books.balance));
    assert_eq!(stored.holdings, [Holding { symbol: Symbol(1), ..books.held[0].clone() }]);
    assert_eq!(stored.unknown_holdings, ["SOLUSDT"]);
    assert_eq!(stored.unresolved.len(), 1);
    assert_eq!(stored.unresolved[0].link_id, "tp-r1-000001");
}

#[test]
fn a_second_process_is_refused_and_a_crash_leaves_no_lock() {
    let place = Place::new();
    let first = Ledger::open(&place.path(), Pair::SIMULATED).unwrap();
    let second = Ledger::open(&place.path(), Pair::SIMULATED).unwrap_err();
    assert!(matches!(second, LedgerError::InUse { .. }), "{second}");
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    assert!(Ledger::open_or_killed(&place.path(), Pair::SIMULATED, Ts(1)).is_err(), "in use is not unreadable");
    drop(first);
    assert!(place.path().with_file_name("simulated.sqlite.lock").exists(), "the file stays, the lock does not");
    Ledger::open(&place.path(), Pair::SIMULATED).unwrap();
}

#[cfg(unix)]
#[test]
fn folder_and_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let mut ledger = place.begun("r1");
    commit(&mut ledger, &[record(Record::Latch(Some(killed())))]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path().parent().unwrap()), 0o700);
    for entry in fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn what_cannot_be_trusted_counts_as_killed() {
    type Case<'a> = (&'a str, &'a dyn Fn(&Place));
    let damaged = |place: &Place| {
        drop(place.begun("r1"));
        let mut bytes = fs::read(place.path()).unwrap();
        let middle = bytes.len() / 2;
        bytes[100..middle].fill(0x5a);
        fs::write(place.path(), bytes).unwrap();
    };
    let text_file = |place: &Place| {
        fs::create_dir_all(place.path().parent().unwrap()).unwrap();
        fs::write(place.path(), "this is no database, it only has the name of one".repeat(50)).unwrap();
    };
    let foreign = |place: &Place| {
        fs::create_dir_all(place.path().parent().unwrap()).unwrap();
        rusqlite::Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    };
    let newer = |place: &Place| {
        drop(place.begun("r1"));
        let connection = rusqlite::Connection::open(place.path()).unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
    };
    let other_pair = |place: &Place| {
        fs::create_dir_all(place.path().parent().unwrap()).unwrap();
        drop(Ledger::open(&place.path(), Pair::bybit(Account::Live)).unwrap());
    };
    let cases: [Case<'_>; 5] = [
        ("damaged", &damaged),
        ("text", &text_file),
        ("foreign", &foreign),
        ("newer", &newer),
        ("other pair", &other_pair),
    ];
    for (what, spoil) in cases {
        let place = Place::new();
        spoil(&place);
        let before = fs::read(place.path()).unwrap();
        let error = Ledger::open(&place.path(), Pair::SIMULATED).unwrap_err().to_string();
        assert!(error.contains("counts as killed until"), "{what}: {error}");
        let mut opened = Ledger::open_or_killed(&place.path(), Pair::SIMULATED, Ts(3)).unwrap();
        assert!(opened.trouble.is_some(), "{what}");
        let stored = opened.ledger.restore(&instruments(&["BTCUSDT"])).unwrap();
        assert!(stored.latch.is_some_and(|l| l.is_kill() && l.cause.to_string().contains("ledger unreadable")));
        opened.ledger.begin_run(&run_row("r2")).unwrap();
        for refused in [intent(1, Purpose::Entry), lifted()] {
            assert!(matches!(opened.ledger.commit(&[refused]), Err(LedgerError::StandIn(_))), "{what}");
        }
        commit(&mut opened.ledger, &[intent(2, Purpose::Close), record(Record::Latch(Some(killed())))]);
        assert!(place.marker().exists(), "{what}: a kill still reaches the marker");
        assert!(fs::read(place.path()).unwrap() == before, "{what}: the file was changed");
    }
}

#[test]
fn either_half_of_a_latch_is_enough() {
    let place = Place::new();
    let latch_now = || begin_and_latch(&place);
    let mut ledger = place.begun("r1");
    commit(&mut ledger, &[record(Record::Latch(Some(killed())))]);
    drop(ledger);
    assert_eq!(latch_now(), Some(killed()));
    fs::remove_file(place.marker()).unwrap();
    assert_eq!(latch_now(), Some(killed()), "the ledger alone latches");

    let mut ledger = place.begun("r2");
    commit(&mut ledger, &[lifted()]);
    drop(ledger);
    assert_eq!(latch_now(), None);
    fs::write(place.marker(), "").unwrap();
    assert!(latch_now().is_some_and(|l| l.is_kill()), "the marker alone latches, even an empty one");

    let mut ledger = place.begun("r3");
    commit(&mut ledger, &[lifted()]);
    assert!(!place.marker().exists());
    let loss = LossTrip { limit: "max_daily_loss".into(), measured: "201.5".into(), allowed: "200".into() };
    let trip = Latch { cause: LatchCause::Loss(loss), at: Ts(11) };
    commit(&mut ledger, &[lifted(), record(Record::Latch(Some(trip.clone())))]);
    drop(ledger);
    assert_eq!(latch_now(), Some(trip));
}

fn begin_and_latch(place: &Place) -> Option<Latch> {
    Ledger::open(&place.path(), Pair::SIMULATED).unwrap().restore(&[]).unwrap().latch
}

#[test]
fn a_kill_latches_although_the_ledger_cannot_be_written() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let kill = [record(Record::Latch(Some(killed()))), intent(1, Purpose::Entry), intent(1, Purpose::Entry)];
    assert!(matches!(ledger.commit(&kill), Err(LedgerError::IntentTwice { seq: 1, .. })));
    drop(ledger);
    assert_eq!(begin_and_latch(&place), Some(killed()));
    // Only the marker has it. A trip that waited for the disk does not replace it.
    let mut ledger = place.begun("r2");
    let trip = Latch { cause: LatchCause::Fault("the disk was full".into()), at: Ts(8) };
    commit(&mut ledger, &[record(Record::Latch(Some(trip)))]);
    drop(ledger);
    assert_eq!(begin_and_latch(&place), Some(killed()));
}

#[test]
fn a_reset_that_waited_for_the_disk_lifts_no_kill_that_is_newer() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let at = |at, latch| Job::Record { at: Ts(at), record: Record::Latch(latch) };
    let kill = Latch { cause: LatchCause::Killed("by the guardian".into()), at: Ts(20) };
    mark_latched(&place.path(), Pair::SIMULATED, &kill).unwrap();
    let trip = Latch { cause: LatchCause::Fault("the disk was full".into()), at: Ts(8) };
    commit(&mut ledger, &[at(8, Some(trip.clone())), at(12, None), at(14, Some(trip)), at(16, None)]);
    assert_eq!(marked(&place.path(), Pair::SIMULATED), Some(kill.clone()));
    // Its own row, and a reset after it.
    commit(&mut ledger, &[at(21, Some(kill)), at(30, None)]);
    assert_eq!(marked(&place.path(), Pair::SIMULATED), None);
}

#[test]
fn an_order_is_never_created_twice_and_a_batch_is_all_or_nothing() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let done = ledger.commit(&[intent(1, Purpose::Entry), intent(2, Purpose::Close)]).unwrap();
    assert_eq!(done.intents, [OrderSeq(1), OrderSeq(2)]);
    assert!(matches!(
        ledger.commit(&[intent(3, Purpose::Entry), intent(2, Purpose::Entry)]),
        Err(LedgerError::IntentTwice { seq: 2, .. })
    ));
    commit(&mut ledger, &[intent(3, Purpose::Entry)]);
    let state = |state: &str| {
        record(Record::OrderState {
            order: OrderSeq(2),
            state: state.into(),
            filled: qty("0.004"),
            reason: "late".into(),
        })
    };
    commit(&mut ledger, &[state("live"), state("cancelled")]);
    let open: Vec<u64> = ledger.restore(&[]).unwrap().unresolved.iter().map(|i| i.seq).collect();
    assert_eq!(open, [1, 3]);
    let opened = ledger.restore(&[]).unwrap().opened;
    assert_eq!(opened.len(), 2, "entries count towards the limit of a day over restarts, closes never");
}

#[test]
fn an_execution_told_twice_counts_once_and_a_changed_one_is_an_error() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    let fill = books.fill(0, Side::Buy, "100", "1", "0.055");
    commit(&mut ledger, &[fill.clone(), fill]);
    assert_eq!(ledger.restore(&instruments(&["BTCUSDT"])).unwrap().balance, Some(money("9999.945")));
    let mut others = Books::new();
    let changed = others.fill(0, Side::Buy, "101", "1", "0.055");
    assert!(matches!(ledger.commit(&[changed]), Err(LedgerError::FillDiffers(_))));
    // The paper venue starts its numbers anew with every run.
    ledger.end_run(Ts(8), "quit").unwrap();
    ledger.begin_run(&RunRow { balance: books.balance, ..run_row("r2") }).unwrap();
    let mut next = Books { next: 0, ..books };
    commit(&mut ledger, &[next.fill(0, Side::Sell, "101", "1", "0.055")]);
}

#[test]
fn rows_that_do_not_add_up_are_kept_and_reported() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    let Job::Record { at, record: Record::Fill { order, kind, symbol, side, fill, realised, position, cost, .. } } =
        books.fill(0, Side::Buy, "100", "1", "0")
    else {
        panic!("a fill")
    };
    let wrong = Record::Fill {
        theirs: false,
        order,
        kind,
        symbol,
        side,
        fill,
        realised,
        balance: money("10001"),
        position: position + 1,
        cost,
    };
    let done = ledger.commit(&[intent(1, Purpose::Entry), Job::Record { at, record: wrong }]).unwrap();
    assert_eq!(done.troubles.len(), 2, "{:?}", done.troubles);
    assert!(done.troubles[0].contains("does not add up") && done.troubles[1].contains("balance"));
    let stored = ledger.restore(&instruments(&["BTCUSDT"])).unwrap();
    assert_eq!((stored.balance, stored.holdings[0].signed), (Some(money("10001")), UNIT + 1), "stored as told");
}

#[test]
fn baselines_limits_and_releases_survive_a_restart() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let baselines = Baselines {
        day_start: Ts(100),
        day_equity: money("10000.000000000000000001"),
        high_water: money("10020.5"),
        minutes: (0..1440).map(|i| (Ts(i * 60), Money::from_raw(i128::from(i)))).collect(),
        day_loss_spent: true,
    };
    let limit = |new: i64| Record::Limit { key: LimitKey::MaxDailyLoss, old: 200 * UNIT, new };
    let shorter = Baselines { minutes: baselines.minutes[..7].to_vec(), ..baselines.clone() };
    commit(
        &mut ledger,
        &[
            record(Record::Baselines(baselines)),
            record(Record::Baselines(shorter.clone())),
            record(limit(50 * UNIT)),
            record(limit(UNIT / 2)),
            record(Record::Released { symbol: Symbol(1), released: true }),
            record(Record::Released { symbol: Symbol(2), released: true }),
            record(Record::Released { symbol: Symbol(1), released: false }),
            record(Record::Operator { command: "arm".into(), outcome: "15m".into() }),
            record(Record::Funding {
                theirs: false,
                settled: None,
                symbol: Symbol(0),
                rate: Rate::parse("0.0001").unwrap(),
                amount: money("-0.25"),
                balance: money("9999.75"),
            }),
        ],
    );
    ledger.end_run(Ts(50), "quit").unwrap();
    drop(ledger);
    let mut ledger = Ledger::open(&place.path(), Pair::SIMULATED).unwrap();
    let stored = ledger.restore(&instruments(&["BTCUSDT", "ETHUSDT", "SOLUSDT"])).unwrap();
    assert_eq!(stored.baselines, Some(shorter));
    assert_eq!(stored.limits, [(LimitKey::MaxDailyLoss, UNIT / 2)]);
    assert_eq!(stored.released, [Symbol(2)]);
    assert_eq!(stored.balance, Some(money("9999.75")));
}

#[test]
fn a_simulated_market_that_ended_leaves_no_position_and_invents_no_profit() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    commit(
        &mut ledger,
        &[
            intent(1, Purpose::Entry),
            books.fill(0, Side::Buy, "100", "2", "0.1"),
            books.fill(1, Side::Sell, "50", "4", "0.1"),
            record(Record::Released { symbol: Symbol(0), released: true }),
            record(Record::Latch(Some(killed()))),
        ],
    );
    drop(ledger);
    let names = instruments(&["ETHUSDT", "BTCUSDT"]);
    let mut ledger = Ledger::open(&place.path(), Pair::SIMULATED).unwrap();
    let ended = ledger.market_ended(Ts(20), &names, &[(Symbol(0), price("45"))]).unwrap();
    assert_eq!(ended, 2);
    let stored = ledger.restore(&names).unwrap();
    assert!(stored.holdings.is_empty() && stored.unresolved.is_empty() && stored.released.is_empty());
    assert_eq!(stored.balance, Some(books.balance + money("20")), "ETH was settled at 45, BTC at its entry cost");
    assert_eq!(stored.latch, Some(killed()), "a kill outlives the market");
    assert_eq!(ledger.market_ended(Ts(21), &names, &[]).unwrap(), 0, "again changes nothing");
}

#[test]
fn facts_cannot_be_changed_by_any_program() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    commit(&mut ledger, &[intent(1, Purpose::Entry), books.fill(0, Side::Buy, "100", "1", "0")]);
    drop(ledger);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    for sql in ["UPDATE fills SET fee = '0'", "DELETE FROM fills", "DELETE FROM intents", "DELETE FROM balances"] {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains("never changed"), "{sql}: {error}");
    }
    let env: Vec<String> = connection
        .prepare("SELECT env FROM fills UNION SELECT env FROM intents UNION SELECT env FROM balances")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(env, ["simulated/paper"]);
}

#[test]
fn readers_see_what_is_committed_while_the_engine_writes() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    let day = Ts(1_000_000_000 * 86_400 * 20_000);
    let mut batch = vec![
        intent(1, Purpose::Entry),
        books.fill(0, Side::Buy, "100", "2", "0.11"),
        books.fill(1, Side::Sell, "50", "4", "0.11"),
    ];
    let Job::Record { record: last, .. } = books.fill(0, Side::Sell, "110", "2", "0.121") else { panic!("a fill") };
    batch.push(Job::Record { at: day, record: last });
    commit(&mut ledger, &batch);
    let reader = Reader::open(&place.path()).unwrap();
    assert_eq!(reader.env(), "simulated/paper");
    let filter = Filter::default();
    assert_eq!(reader.orders(&filter).unwrap().len(), 1);
    assert_eq!(reader.fills(&filter).unwrap().len(), 3);
    assert_eq!(reader.fills(&Filter { symbol: Some("ETHUSDT".into()), ..filter.clone() }).unwrap().len(), 1);
    assert_eq!(reader.fills(&Filter { rows_max: 2, ..filter.clone() }).unwrap().len(), 2);
    assert_eq!(reader.fills(&Filter { since: Ts(8), ..filter.clone() }).unwrap().len(), 1);
    let positions = reader.positions(None).unwrap();
    assert_eq!(
        positions.rows()[0][..4],
        [Cell::text("ETHUSDT"), Cell::decimal("-4"), Cell::decimal("50"), Cell::decimal("200")]
    );
    let pnl = reader.pnl(&filter, PnlBy::Symbol).unwrap().render(Format::Csv);
    assert_eq!(
        pnl,
        "symbol,fills,volume,realised,fees,funding,net\nBTCUSDT,2,420,20,0.231,0,19.769\nETHUSDT,1,200,0,0.11,0,-0.11\n\
         total,3,620,20,0.341,0,19.659\n"
    );
    // Two statements of the venue: the first is where its account begins, the second's difference is nobody's fill.
    let adopted = |balance: &str| record(Record::Adopted { balance: money(balance), holdings: None });
    commit(&mut ledger, &[adopted("500"), adopted("493.5")]);
    let pnl = reader.pnl(&filter, PnlBy::Symbol).unwrap().render(Format::Csv);
    assert!(pnl.ends_with("(taken over from the venue),0,0,0,0,0,-6.5\ntotal,3,620,20,0.341,0,13.159\n"), "{pnl}");
    let one = reader.pnl(&Filter { symbol: Some("BTCUSDT".into()), ..filter.clone() }, PnlBy::Symbol).unwrap();
    assert!(!one.render(Format::Csv).contains("taken over"), "a balance belongs to no instrument");
    let ended = |running| reader.status(running).unwrap().render(Format::Csv);
    assert!(ended(true).contains("it runs") && ended(false).contains("crashed"), "the lock knows which");
    let days = reader.pnl(&filter, PnlBy::Day).unwrap().render(Format::Csv);
    assert!(days.contains("1970-01-01,2,") && days.contains("2024-10-04,1,"), "{days}");
    assert!(reader.tables().unwrap().iter().any(|(name, sheet)| *name == "balances" && sheet.len() == 6));
}

#[test]
fn a_ledger_in_memory_can_be_kept_and_read() {
    let place = Place::new();
    let path = place.folder.path().join("replay.sqlite");
    let mut ledger = Ledger::in_memory(Pair::TAPE).unwrap();
    ledger.restore(&instruments(&["BTCUSDT"])).unwrap();
    ledger.begin_run(&RunRow { pair: Pair::TAPE, ..run_row("r1") }).unwrap();
    let mut books = Books::new();
    commit(&mut ledger, &[intent(1, Purpose::Entry), books.fill(0, Side::Buy, "100", "2", "0.11")]);
    ledger.save_copy(&path).unwrap();
    assert!(ledger.save_copy(&path).is_err(), "nothing is overwritten");
    let reader = Reader::open(&path).unwrap();
    assert_eq!((reader.env(), reader.fills(&Filter::default()).unwrap().len()), ("tape/paper", 1));
}

#[test]
fn rows_need_a_run_and_a_known_instrument() {
    let mut ledger = Ledger::in_memory(Pair::TAPE).unwrap();
    assert!(matches!(ledger.commit(&[intent(1, Purpose::Entry)]), Err(LedgerError::NoRun)));
    assert!(ledger.begin_run(&run_row("r1")).is_err(), "another pair's run");
    ledger.begin_run(&RunRow { pair: Pair::TAPE, ..run_row("r1") }).unwrap();
    assert!(matches!(ledger.commit(&[intent(1, Purpose::Entry)]), Err(LedgerError::UnknownSymbol(0))));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_sequence_of_executions_is_restored_to_the_last_digit(
        trades in proptest::collection::vec((0_u16..3, proptest::bool::ANY, 1_i64..9_000_000_000_000, 1_i64..5_000_000_000), 1..40)
    ) {
        let mut ledger = Ledger::in_memory(Pair::SIMULATED).unwrap();
        let names = instruments(&["BTCUSDT", "ETHUSDT", "SOLUSDT"]);
        ledger.restore(&names).unwrap();
        ledger.begin_run(&run_row("r1")).unwrap();
        let mut books = Books::new();
        for (symbol, buy, raw_price, raw_qty) in trades {
            let side = if buy { Side::Buy } else { Side::Sell };
            let (at_price, size) = (Price::from_raw(raw_price).to_string(), Qty::from_raw(raw_qty).to_string());
            let fee = (Price::from_raw(raw_price) * Qty::from_raw(raw_qty)).times(Rate::from_raw(550_000)).to_string();
            commit(&mut ledger, &[books.fill(symbol, side, &at_price, &size, &fee)]);
        }
        let stored = ledger.restore(&names).unwrap();
        let open: Vec<Holding> = books.held.iter().filter(|h| !h.is_flat()).cloned().collect();
        proptest::prop_assert_eq!(stored.holdings, open);
        proptest::prop_assert_eq!(stored.balance, Some(books.balance));
    }
}

#[test]
fn the_proof_of_flat_is_kept_until_something_happens_after_it() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let proof = |at| Job::Record {
        at: Ts(at),
        record: Record::Operator { command: FLAT_PROVEN.into(), outcome: "kill ended flat".into() },
    };
    let proven = |ledger: &mut Ledger| ledger.restore(&instruments(&["BTCUSDT"])).unwrap().flat_proven;
    assert_eq!(proven(&mut ledger), None);
    commit(&mut ledger, &[intent(1, Purpose::Entry), proof(8)]);
    assert_eq!(proven(&mut ledger), Some(Ts(8)));
    commit(&mut ledger, &[record(Record::Latch(Some(killed())))]);
    assert_eq!(proven(&mut ledger), None, "a kill asks anew");
    commit(&mut ledger, &[proof(12)]);
    assert_eq!(proven(&mut ledger), Some(Ts(12)));
}

#[test]
fn orders_of_earlier_runs_are_taken_up_and_settled_under_their_own_numbers() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let mut books = Books::new();
    let state = |order: u64, state: &str, filled: &str| {
        let (state, filled, reason) = (state.to_owned(), qty(filled), String::new());
        record(Record::OrderState { order: OrderSeq(order), state, filled, reason })
    };
    let batch = [
        intent(1, Purpose::Entry),
        books.fill(0, Side::Buy, "64000", "0.01", "0.1"),
        state(1, "filled", "0.01"),
        intent(2, Purpose::Entry),
        state(2, "live", "0"),
        intent(3, Purpose::Stop),
        state(3, "unknown", "0"),
    ];
    commit(&mut ledger, &batch);
    drop(ledger);
    let mut ledger = place.begun_with("r2", books.balance);
    let stored = ledger.restore(&instruments(&["ETHUSDT", "BTCUSDT"])).unwrap();
    let taken: Vec<_> =
        stored.earlier.iter().map(|o| (o.order.seq.0, o.link_id.as_str(), o.seen, o.order.purpose)).collect();
    assert_eq!(taken, [(1, "tp-r1-000002", true, Purpose::Entry), (2, "tp-r1-000003", false, Purpose::Stop)]);
    assert!(stored.earlier.iter().all(|o| o.order.symbol == Symbol(1)), "by name, whatever its place in this run");
    commit(&mut ledger, &[state(1, "cancelled", "0.004"), state(2, "rejected", "0"), intent(4, Purpose::Entry)]);
    drop(ledger);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let states: Vec<String> = connection
        .prepare("SELECT run || seq || state FROM orders ORDER BY run, seq")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(states, ["r11filled", "r12cancelled", "r13rejected", "r24intent"]);
}

/// The next kind, so that no kind of order is written that the next run cannot read.
const fn after(tif: TimeInForce) -> Option<TimeInForce> {
    match tif {
        TimeInForce::ImmediateOrCancel => Some(TimeInForce::PostOnly),
        TimeInForce::PostOnly => Some(TimeInForce::GoodTillCancel),
        TimeInForce::GoodTillCancel => Some(TimeInForce::CloseAtMarket),
        TimeInForce::CloseAtMarket => None,
    }
}

#[test]
fn an_order_of_every_kind_is_read_back_as_it_was_written() {
    let place = Place::new();
    let mut ledger = place.begun("r1");
    let tifs = std::iter::successors(Some(TimeInForce::ImmediateOrCancel), |tif| after(*tif));
    let kinds = tifs.flat_map(|tif| Purpose::ALL.map(|purpose| (tif, purpose)));
    let written: Vec<Job> = (1..)
        .zip(kinds)
        .map(|(seq, (tif, purpose))| match intent(seq, purpose) {
            Job::Intent { at, order, link_id } => Job::Intent { at, order: NewOrder { tif, ..order }, link_id },
            other => panic!("not an intent: {other:?}"),
        })
        .collect();
    commit(&mut ledger, &written);
    let stored = ledger.restore(&instruments(&["BTCUSDT"])).unwrap();
    let read: Vec<NewOrder> = stored.earlier.iter().map(|earlier| earlier.order).collect();
    let orders: Vec<NewOrder> = written
        .iter()
        .filter_map(|job| match job {
            Job::Intent { order, .. } => Some(*order),
            Job::Record { .. } | Job::Shadow { .. } => None,
        })
        .collect();
    assert_eq!(read, orders);
}

/// A ledger of an account at the venue with a run begun.
fn of_a_venue(folder: &Path) -> (PathBuf, Ledger) {
    let pair = Pair::bybit(Account::Testnet);
    let path = folder.join(pair.ledger_name());
    let mut ledger = Ledger::open(&path, pair).unwrap();
    ledger.restore(&instruments(&["BTCUSDT"])).unwrap();
    ledger.begin_run(&RunRow { pair, ..run_row("r1") }).unwrap();
    (path, ledger)
}

#[test]
fn an_order_keeps_its_protection_and_its_acknowledgement_over_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut ledger) = of_a_venue(folder.path());
    let Job::Intent { at, order, link_id } = intent(1, Purpose::Entry) else { panic!("an intent") };
    let protection = Protection { stop: Some(price("63000.5")), take_profit: None };
    let order = NewOrder { protection, ..order };
    let state = |word: &str| {
        let (state, filled, reason) = (word.to_owned(), qty("0"), String::new());
        record(Record::OrderState { order: OrderSeq(1), state, filled, reason })
    };
    commit(&mut ledger, &[Job::Intent { at, order, link_id }]);
    for word in ["sent", "acked"] {
        commit(&mut ledger, &[state(word)]);
        let sheet = Reader::open(&path).unwrap().orders(&Filter::default()).unwrap();
        assert!(sheet.render(Format::Csv).contains(&format!(",{word},")), "{word}");
    }
    let flattening = |wanted| record(Record::Flattening { symbol: Symbol(0), wanted });
    commit(&mut ledger, &[record(Record::Waived { symbol: Symbol(0), waived: true }), flattening(true)]);
    drop(ledger);
    let mut again = Ledger::open(&path, Pair::bybit(Account::Testnet)).unwrap();
    let stored = again.restore(&instruments(&["BTCUSDT"])).unwrap();
    assert_eq!(stored.earlier[0].order.protection, protection);
    assert!(!stored.earlier[0].seen, "acknowledged is not yet seen: the venue is asked");
    assert_eq!(stored.waived, [Symbol(0)], "the person's choice is remembered");
    assert_eq!(stored.flattening, [Symbol(0)], "it is not over");
    assert_eq!(stored.cut_off, Some(Ts(1)), "nobody said goodbye");
    let pair = Pair::bybit(Account::Testnet);
    again.begin_run(&RunRow { pair, started: Ts(9), ..run_row("r2") }).unwrap();
    commit(&mut again, &[record(Record::Waived { symbol: Symbol(0), waived: false }), flattening(false)]);
    again.end_run(Ts(10), "quit").unwrap();
    let stored = again.restore(&instruments(&["BTCUSDT"])).unwrap();
    assert_eq!((stored.waived, stored.flattening, stored.cut_off), (vec![], vec![], None));
}

#[test]
fn fills_are_of_the_venues_time_and_what_others_traded_is_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut ledger) = of_a_venue(folder.path());
    let mut books = Books::new();
    let mut late = books.fill(0, Side::Buy, "100", "1", "0.1");
    let mut foreign = books.fill(0, Side::Sell, "110", "1", "0.2");
    let day = 1_763_769_600_000;
    if let Job::Record { record: Record::Fill { fill, .. }, .. } = &mut late {
        fill.executed = Some(Ts::from_ms(day));
    }
    if let Job::Record { record: Record::Fill { theirs, kind, fill, .. }, .. } = &mut foreign {
        (*theirs, *kind, fill.executed) = (true, FillKind::Outside, Some(Ts::from_ms(day + 1_000)));
    }
    let settled = Some(("f1".to_owned(), Ts::from_ms(day + 500)));
    let (amount, balance) = (money("-0.5"), books.balance - money("0.5"));
    let rate = Rate::parse("0.0001").unwrap();
    let funding = record(Record::Funding { theirs: false, settled, symbol: Symbol(0), rate, amount, balance });
    commit(&mut ledger, &[late, foreign, funding]);
    let reader = Reader::open(&path).unwrap();
    let fills = reader.fills(&Filter::default()).unwrap().render(Format::Csv);
    assert!(fills.contains("2025-11-22T00:00:00") && fills.contains("2025-11-22T00:00:01"), "{fills}");
    let that_day = Filter { since: Ts::from_ms(day), until: Ts::from_ms(day + 1), ..Filter::default() };
    assert_eq!(reader.fills(&that_day).unwrap().len(), 1, "asked for by the venue's time too");
    let pnl = reader.pnl(&Filter::default(), PnlBy::Day).unwrap().render(Format::Csv);
    assert!(pnl.contains("\n2025-11-22,1,100,0,0.1,-0.5,-0.6\n"), "{pnl}");
    assert!(pnl.contains("(yours: traded by you or others),1,110,10,0.2,0,9.8\n"), "{pnl}");
    assert!(pnl.contains("\ntotal,2,210,10,0.3,-0.5,9.2\n"), "{pnl}");
    drop(ledger);
    let mut again = Ledger::open(&path, Pair::bybit(Account::Testnet)).unwrap();
    let stored = again.restore(&instruments(&["BTCUSDT"])).unwrap();
    assert!(stored.booked.contains(&("BTCUSDT".to_owned(), "f1".to_owned())), "funding is known by its id too");
}
