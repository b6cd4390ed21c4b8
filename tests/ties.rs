//! Our books against the venue's: its log of transactions, its statements, and trades of others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)] // a test program

mod rig;

use rig::{BTC, eager, p, q, usd};
use tickdeck::engine::Engine;
use tickdeck::engine::account::{Residual, TieOut};
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{ARMED_NO_MORE, Effect, Effects, NewOrder, Protection, Purpose, Record, TimeInForce};
use tickdeck::engine::event::{AccountUpdate, Event, Fill, FillKind, Opening, Restored, Statement, Tally};
use tickdeck::engine::ids::{Account, OrderSeq, Pair, RunId};
use tickdeck::engine::num::{Money, Rate, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{ShadowView, StateWord, View};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::ledger::{Filter, Format, Job, Ledger, PnlBy, Reader, RunRow};

const NOW: Ts = Ts::from_ms(1_763_800_000_000);

/// An engine on an account of the venue, opened with 10,000.
struct Books {
    engine: Engine,
    effects: Vec<Effect>,
    now: Ts,
}

impl Books {
    fn of(mut restored: Restored) -> Self {
        restored.pair = Pair::bybit(Account::Testnet);
        restored.account_known = false;
        restored.settings.balance_tolerance = Money::parse("0.01").unwrap();
        let mut books = Self { engine: Engine::new(&restored), effects: Vec::new(), now: NOW };
        books.event(Event::Restored(Box::new(restored)));
        books
    }
    fn open() -> Self {
        let mut books = Self::of(rig::restored(eager(), RiskLimits::default()));
        let opening = Opening { balance: usd(10_000), holdings: Vec::new(), foreign_orders: 0 };
        books.account(AccountUpdate::Opening(opening));
        books.state("10000", 0);
        books
    }
    fn event(&mut self, event: Event) {
        let mut effects = Effects::new();
        self.engine.step(self.now, &event, &mut effects);
        self.effects.extend(effects.drain());
    }
    fn account(&mut self, update: AccountUpdate) {
        self.event(Event::Account(update));
    }
    fn foreign(&mut self, id: &str, side: Side, price: &str, fee: &str) {
        let fee = Money::parse(fee).unwrap();
        let fill = Fill { exec_id: id.into(), price: p(price), qty: q("0.1"), fee, maker: false, executed: None };
        self.account(AccountUpdate::Foreign { symbol: BTC, side, fill });
    }
    fn state(&mut self, balance: &str, position: i64) {
        let positions = if position == 0 { vec![] } else { vec![(BTC, position)] };
        let balance = Money::parse(balance).unwrap();
        let statement = Statement {
            balance,
            positions,
            working: vec![],
            unlisted: 0,
            foreign_orders: 0,
            protection: vec![],
            protective: vec![],
        };
        self.account(AccountUpdate::Statement(statement));
    }
    fn tally(&mut self, realised: &str, fees: &str, funding: &str) {
        let money = |text: &str| Money::parse(text).unwrap();
        let tally = Tally { realised: money(realised), fees: money(fees), funding: money(funding), moved: usd(7) };
        self.account(AccountUpdate::TiedOut(Some(tally)));
    }
    fn tie_out(&mut self) -> TieOut {
        self.engine.snapshot(View::default()).account.tie_out
    }
    fn told(&self) -> String {
        let notes = self.effects.iter().filter_map(|e| if let Effect::Note(note) = e { Some(note) } else { None });
        notes.map(|note| note.text.clone() + "\n").collect()
    }
    fn recorded(&self) -> Vec<Option<Residual>> {
        let records = self.effects.iter().filter_map(|e| match e {
            Effect::Record(Record::Residual(residual)) => Some(*residual),
            _ => None,
        });
        records.collect()
    }
}

/// Bought at 50,000 and sold at 50,100 by somebody else, with funding between.
fn traded() -> Books {
    let mut books = Books::open();
    books.foreign("a", Side::Buy, "50000", "2.75");
    let amount = Money::parse("-0.5").unwrap();
    books.account(AccountUpdate::Funding { symbol: BTC, rate: Rate::parse("0.0001").unwrap(), amount, settled: None });
    books.foreign("b", Side::Sell, "50100", "2.7555");
    books
}

#[test]
fn trades_of_others_and_funding_tie_out_with_the_venues_log() {
    let mut books = traded();
    assert_eq!(books.tie_out(), TieOut::Unknown, "not compared yet");
    assert!(books.told().contains("traded outside tickdeck"), "{}", books.told());
    books.tally("10", "5.5055", "-0.5");
    assert_eq!(books.tie_out(), TieOut::Known { at: NOW, residual: Residual::default() });
    assert_eq!(books.engine.state_word(), StateWord::Safe);
    // What the account did before is in no sum; what is compared again unchanged is not recorded again.
    books.tally("10", "5.5055", "-0.5");
    assert_eq!(books.recorded(), [Some(Residual::default())]);
}

#[test]
fn a_residual_beyond_rounding_is_told_and_nothing_opens_until_it_is_gone() {
    let mut books = traded();
    books.tally("10", "5.5055", "-0.505");
    assert_eq!(books.engine.state_word(), StateWord::Safe, "half a cent is rounding");
    books.tally("10.02", "5.5055", "-0.5");
    assert_eq!(books.engine.state_word(), StateWord::Reducing);
    assert!(books.told().contains("REDUCING all: PnL does not tie out"), "{}", books.told());
    assert!(!books.engine.may_arm(), "a difference refuses arming like any other");
    // A statement that agrees says nothing about it.
    books.state("10004.0", 0);
    assert_eq!(books.engine.state_word(), StateWord::Reducing);
    // Nor does an answer that is not known.
    books.account(AccountUpdate::TiedOut(None));
    assert_eq!((books.tie_out(), books.engine.state_word()), (TieOut::Unknown, StateWord::Reducing));
    books.now = books.now + Span::from_secs(240);
    books.tally("10", "5.5055", "-0.5");
    assert_eq!(books.engine.state_word(), StateWord::Safe);
    let told = books.told();
    let (since, now) = (NOW.clock(), books.now.clock());
    assert!(told.contains(&format!("PnL ties out again at {now}")), "{told}");
    assert!(told.contains(&format!("what differed since {since} is gone")), "{told}");
    let residual = |realised: &str| Residual { realised: Money::parse(realised).unwrap(), ..Residual::default() };
    let rounding = Residual { funding: Money::parse("-0.005").unwrap(), ..Residual::default() };
    assert_eq!(books.recorded(), [Some(rounding), Some(residual("0.02")), None, Some(residual("0"))]);
}

#[test]
fn a_person_who_asks_is_answered_and_paper_has_nobody_to_ask() {
    let mut books = traded();
    books.event(Event::Command(Command::TieOut));
    assert!(books.effects.contains(&Effect::TieOut));
    books.tally("10", "5.5055", "-0.5");
    assert!(books.told().contains("PnL ties out"), "{}", books.told());
    let mut paper = rig::Rig::new(eager(), RiskLimits::default());
    paper.command(Command::TieOut);
    assert!(paper.told().contains("no log of an exchange"), "{}", paper.told());
    assert_eq!(paper.snapshot().account.tie_out, TieOut::Nothing);
}

#[test]
fn a_balance_that_nothing_explains_is_adopted_when_it_was_said_often() {
    let mut books = Books::open();
    for round in 0..3 {
        assert_eq!(books.engine.account().balance(), usd(10_000), "round {round}");
        books.now = books.now + Span::from_secs(5);
        books.state("10500", 0);
    }
    assert_eq!(books.engine.account().balance(), usd(10_500));
    assert!(books.told().contains("taken over as a deposit"), "{}", books.told());
    assert_eq!(books.engine.state_word(), StateWord::Safe);
}

#[test]
fn the_ledger_shows_the_residual_and_unknown_as_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::bybit(Account::Testnet);
    let path = folder.path().join(pair.ledger_name());
    let mut ledger = Ledger::open(&path, pair).unwrap();
    ledger.restore(&rig::instruments()).unwrap();
    let run = RunId::new(NOW.as_ms(), 1);
    let (label, version) = (String::new(), "test".to_owned());
    ledger.begin_run(&RunRow { run, pair, started: NOW, label, version, balance: usd(10_000) }).unwrap();
    let last = |expected: &str| {
        let sheet = Reader::open(&path).unwrap().pnl(&Filter::default(), PnlBy::Symbol).unwrap();
        let text = sheet.render(tickdeck::ledger::Format::Csv);
        assert_eq!(text.lines().last(), Some(expected), "{text}");
    };
    last("residual,,,unknown,unknown,unknown,unknown");
    let money = |text: &str| Money::parse(text).unwrap();
    let residual = Residual { realised: money("0.02"), fees: money("-0.01"), funding: Money::ZERO };
    let mut write = |residual| {
        let done = ledger.commit(&[Job::Record { at: NOW, record: Record::Residual(residual) }]).unwrap();
        assert!(done.troubles.is_empty(), "{:?}", done.troubles);
    };
    write(Some(residual));
    last("residual,,,0.02,-0.01,0,0.03");
    write(None);
    last("residual,,,unknown,unknown,unknown,unknown");
    let view = |orders, worse_bps| ShadowView {
        orders,
        filled_here: Some(0.5),
        filled_paper: Some(1.0),
        worse_bps,
        paper_pnl: money("1.25"),
    };
    for view in [view(1, None), view(3, Some(0.42))] {
        assert!(ledger.commit(&[Job::Shadow { at: NOW, view }]).unwrap().troubles.is_empty());
    }
    last("\"venue worse by 0.4200 bp, filled 0.5000 of 1, on paper 1.0000\",,,,,,");
    let text = Reader::open(&path).unwrap().pnl(&Filter::default(), PnlBy::Symbol).unwrap();
    let text = text.render(tickdeck::ledger::Format::Csv);
    assert!(text.contains("\npaper beside it (orders),3,,,,,1.25\n"), "{text}");
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// A ledger of the testnet account with a run begun in it.
struct Kept {
    ledger: Ledger,
    folder: tempfile::TempDir,
}

impl Kept {
    fn pair() -> Pair {
        Pair::bybit(Account::Testnet)
    }
    fn path(folder: &tempfile::TempDir) -> std::path::PathBuf {
        folder.path().join(Self::pair().ledger_name())
    }
    fn begin(folder: tempfile::TempDir, run: u16, balance: Money) -> (Self, tickdeck::ledger::Stored) {
        let pair = Self::pair();
        let mut ledger = Ledger::open(&Self::path(&folder), pair).unwrap();
        let stored = ledger.restore(&rig::instruments()).unwrap();
        let run = RunId::new(NOW.as_ms(), run);
        let (label, version) = (String::new(), "test".to_owned());
        ledger.begin_run(&RunRow { run, pair, started: NOW, label, version, balance }).unwrap();
        (Self { ledger, folder }, stored)
    }
    fn new() -> Self {
        Self::begin(tempfile::tempdir().unwrap(), 1, usd(10_000)).0
    }
    fn keep(&mut self, jobs: &[Job]) {
        let done = self.ledger.commit(jobs).unwrap();
        assert!(done.troubles.is_empty(), "{:?}", done.troubles);
    }
    fn records(&mut self, records: impl IntoIterator<Item = Record>) {
        let jobs: Vec<Job> = records.into_iter().map(|record| Job::Record { at: NOW, record }).collect();
        self.keep(&jobs);
    }
    /// What the books had recorded.
    fn take(&mut self, books: &mut Books) {
        let records =
            books.effects.iter().filter_map(|e| if let Effect::Record(r) = e { Some(r.clone()) } else { None });
        self.records(records.collect::<Vec<_>>());
    }
    fn reader(&self) -> Reader {
        Reader::open(&Self::path(&self.folder)).unwrap()
    }
    fn pnl(&self) -> String {
        self.reader().pnl(&Filter::default(), PnlBy::Symbol).unwrap().render(Format::Csv)
    }
}

/// The exit whose outcome an earlier run did not hear of.
fn lost_exit() -> NewOrder {
    NewOrder {
        seq: OrderSeq(1),
        symbol: BTC,
        side: Side::Sell,
        qty: q("0.1"),
        price: p("49000"),
        tif: TimeInForce::ImmediateOrCancel,
        reduce_only: true,
        purpose: Purpose::Close,
        protection: Protection::default(),
        decided: NOW,
    }
}

/// Bought 0.1 at 50,000 in an earlier run, which died while the outcome of the exit was unknown.
fn died_exiting() -> (Kept, Books) {
    let mut first = Kept::new();
    let fill = Fill { fee: money("2.75"), ..fill("e1", "50000") };
    first.records([
        Record::Adopted { balance: usd(10_000), holdings: Some(vec![]) },
        Record::Fill {
            order: None,
            kind: FillKind::Trade,
            theirs: false,
            symbol: BTC,
            side: Side::Buy,
            fill,
            realised: Money::ZERO,
            balance: money("9997.25"),
            position: 100_000_000,
            cost: usd(5_000),
        },
    ]);
    first.keep(&[Job::Intent { at: NOW, order: lost_exit(), link_id: "tt-1".into() }]);
    let Kept { ledger, folder } = first;
    drop(ledger);
    let (second, stored) = Kept::begin(folder, 2, money("9997.25"));
    let books = Books::of(Restored {
        balance: stored.balance.unwrap(),
        holdings: stored.holdings,
        earlier: stored.earlier,
        armed_until: Some(NOW + Span::from_secs(3600)),
        ..rig::restored(Settings { resume: true, ..eager() }, RiskLimits::default())
    });
    (second, books)
}

fn fill(id: &str, price: &str) -> Fill {
    let executed = Some(NOW - Span::from_secs(60));
    Fill { exec_id: id.into(), price: p(price), qty: q("0.1"), fee: Money::ZERO, maker: false, executed }
}

/// The venue holds the exit's fill already, and lists it only after the opening.
#[test]
fn a_fill_that_is_listed_after_the_opening_is_booked_and_counted_once() {
    let (mut kept, mut books) = died_exiting();
    let balance = money("10004.4945");
    books.account(AccountUpdate::Opening(Opening { balance, holdings: vec![], foreign_orders: 0 }));
    books.state("10004.4945", 0);
    let told = books.told();
    assert!(told.contains("an order of ours may have done it") && !told.contains("by liquidation"), "{told}");
    let day = books.engine.snapshot(View::default()).account.day_pnl;
    let late = Fill { fee: money("2.7555"), ..fill("x1", "50100") };
    let (kind, order) = (FillKind::Trade, Some(OrderSeq(1)));
    books.account(AccountUpdate::Covered { kind, order, symbol: BTC, side: Side::Sell, fill: late });
    let account = books.engine.snapshot(View::default()).account;
    assert_eq!((account.balance, account.day_pnl), (balance, day), "it was there already");
    assert_eq!((account.realised, account.fees, account.trades), (usd(10), money("2.7555"), 1));
    assert!(books.engine.account().holding(BTC).is_flat());
    // The log is compared from the opening on: what is of before is in neither sum.
    books.tally("0", "0", "0");
    assert_eq!(books.tie_out(), TieOut::Known { at: NOW, residual: Residual::default() });
    kept.take(&mut books);
    let orders = kept.reader().orders(&Filter::default()).unwrap().render(Format::Csv);
    assert!(orders.contains(",filled,0.1,"), "{orders}");
    let pnl = kept.pnl();
    assert!(pnl.contains("\ntotal,2,10010,10,5.5055,0,4.4945\n") && !pnl.contains("taken over"), "{pnl}");
    assert_eq!(kept.reader().positions(None).unwrap().len(), 0);
}

#[test]
fn a_position_that_a_late_fill_explains_is_ours_again() {
    let (mut kept, mut books) = died_exiting();
    let half = tickdeck::engine::account::Holding {
        signed: 50_000_000,
        cost: usd(2_500),
        ..tickdeck::engine::account::Holding::flat(BTC)
    };
    let balance = money("10002.25");
    books.account(AccountUpdate::Opening(Opening { balance, holdings: vec![half], foreign_orders: 0 }));
    assert!(books.engine.released().contains(&BTC), "{}", books.told());
    let late = Fill { qty: q("0.05"), ..fill("x1", "50100") };
    let (kind, order) = (FillKind::Trade, Some(OrderSeq(1)));
    books.account(AccountUpdate::Covered { kind, order, symbol: BTC, side: Side::Sell, fill: late });
    assert!(books.engine.released().is_empty(), "{}", books.told());
    let held = books.engine.account().holding(BTC);
    assert_eq!((held.signed, held.cost, books.engine.account().balance()), (50_000_000, usd(2_500), balance));
    kept.take(&mut books);
    assert!(!kept.pnl().contains("taken over"), "{}", kept.pnl());
}

#[test]
fn nothing_is_armed_again_over_a_difference() {
    let (_, mut books) = died_exiting();
    assert!(books.told().contains("goes on once the checklist allows it"), "{}", books.told());
    let balance = money("10004.4945");
    books.account(AccountUpdate::Opening(Opening { balance, holdings: vec![], foreign_orders: 0 }));
    assert!(books.told().contains("not armed again after the restart"), "{}", books.told());
    let ended = |e: &&Effect| matches!(e, Effect::Record(Record::Operator { command, .. }) if command == ARMED_NO_MORE);
    assert_eq!(books.effects.iter().filter(ended).count(), 1, "nor by the next restart");
}

#[test]
fn what_late_fills_explain_is_taken_back_and_is_no_deposit() {
    // Two fills that nobody heard of, and what they made: a loss, a profit.
    for (sold, made) in [("49995.2", "-0.48"), ("50105", "10.5")] {
        let (mut kept, mut books) = (Kept::new(), Books::open());
        let balance = (usd(10_000) + money(made)).to_string();
        for _ in 0..3 {
            books.now = books.now + Span::from_secs(5);
            books.state(&balance, 0);
        }
        let taken = |kept: &Kept| kept.pnl().lines().any(|line| line.starts_with("(taken over"));
        kept.take(&mut books);
        assert!(taken(&kept) && kept.pnl().ends_with(&format!(",{made}\n")), "{}", kept.pnl());
        books.effects.clear();
        for (id, side, price) in [("a", Side::Buy, "50000"), ("b", Side::Sell, sold)] {
            books.account(AccountUpdate::Foreign { symbol: BTC, side, fill: fill(id, price) });
        }
        for _ in 0..3 {
            books.now = books.now + Span::from_secs(5);
            books.state(&balance, 0);
        }
        let account = books.engine.snapshot(View::default()).account;
        assert_eq!((account.balance.to_string(), account.day_pnl), (balance, Some(money(made))), "{}", books.told());
        assert!(!books.told().contains("deposit"), "{}", books.told());
        kept.take(&mut books);
        assert!(!taken(&kept) && kept.pnl().contains(&format!(",{made}\n")), "{}", kept.pnl());
    }
}

#[test]
fn an_account_that_begins_with_the_configured_balance_hides_no_change() {
    for balance in [usd(10_000), usd(7_000)] {
        let mut kept = Kept::new();
        let lost = balance - money("0.2");
        kept.records([
            Record::Adopted { balance, holdings: Some(vec![]) },
            Record::Residual(Some(Residual::default())),
            Record::Adopted { balance: lost, holdings: None },
        ]);
        let pnl = kept.pnl();
        assert!(pnl.contains("\ntotal,0,0,0,0,0,-0.2\n") && pnl.ends_with("residual,,,0,0,0,-0.2\n"), "{pnl}");
    }
}

#[test]
fn positions_say_whose_they_are_and_status_names_orders_of_unknown_outcome() {
    let (mut kept, _) = died_exiting();
    let positions = |kept: &Kept, only| kept.reader().positions(only).unwrap().render(Format::Csv);
    let status = |kept: &Kept, running| kept.reader().status(running).unwrap().render(Format::Csv);
    assert!(positions(&kept, None).contains("\nBTCUSDT,0.1,50000,5000,"), "{}", positions(&kept, None));
    assert!(positions(&kept, None).ends_with(",tickdeck\n"), "{}", positions(&kept, None));
    assert_eq!(positions(&kept, Some("ETHUSDT")).lines().count(), 1);
    // An intent without an end is in doubt where no engine follows it.
    assert!(status(&kept, false).contains("orders of unknown outcome,1\n"), "{}", status(&kept, false));
    assert!(status(&kept, true).contains("orders of unknown outcome,0\n"), "{}", status(&kept, true));
    let (order, state, reason) = (OrderSeq(1), "unknown".to_owned(), "no answer".to_owned());
    kept.records([
        Record::Released { symbol: BTC, released: true },
        Record::OrderState { order, state, filled: q("0"), reason },
    ]);
    assert!(positions(&kept, Some("BTCUSDT")).ends_with(",yours\n"), "{}", positions(&kept, None));
    let text = status(&kept, true);
    assert!(text.contains("orders of unknown outcome,1\n") && text.contains("BTCUSDT tt-1"), "{text}");
    assert!(text.contains(", yours"), "{text}");
}
