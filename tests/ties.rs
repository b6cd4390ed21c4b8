//! Our books against the venue's: its log of transactions, its statements, and trades of others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)] // a test program

mod rig;

use rig::{BTC, eager, p, q, usd};
use tickdeck::engine::Engine;
use tickdeck::engine::account::{Residual, TieOut};
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Effect, Effects, Record};
use tickdeck::engine::event::{AccountUpdate, Event, Fill, Opening, Statement, Tally};
use tickdeck::engine::ids::{Account, Pair, RunId};
use tickdeck::engine::num::{Money, Rate, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::snapshot::{ShadowView, StateWord, View};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::ledger::{Filter, Job, Ledger, PnlBy, Reader, RunRow};

const NOW: Ts = Ts::from_ms(1_763_800_000_000);

/// An engine on an account of the venue, opened with 10,000.
struct Books {
    engine: Engine,
    effects: Vec<Effect>,
    now: Ts,
}

impl Books {
    fn open() -> Self {
        let mut restored = rig::restored(eager(), RiskLimits::default());
        restored.pair = Pair::bybit(Account::Testnet);
        restored.account_known = false;
        restored.settings.balance_tolerance = Money::parse("0.01").unwrap();
        let mut books = Self { engine: Engine::new(&restored), effects: Vec::new(), now: NOW };
        books.event(Event::Restored(Box::new(restored)));
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
