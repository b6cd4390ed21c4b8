//! What must hold, whatever goes wrong: looked at while it happens, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use tickdeck::engine::command::Command;
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::risk::limits::LimitKey;
use tickdeck::engine::risk::state::Latch;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::bybit::rest::Placement;
use tickdeck::venue::sim::exchange::Exchange;
use tickdeck::venue::sim::exchange::model::{ExecKind, Execution};

use super::process::Process;
use super::rows::signed;
use super::world::World;

/// What others did is heard of within this time; until then it is in no book of ours.
const HEARD_WITHIN: Span = Span::from_secs(10);
/// What rounding may leave between two balances.
const ROUNDS: Money = Money::from_raw(10_000_000_000_000_000);
/// Prices move while a message is on its way.
const PRICES_MOVE: i128 = 20;

/// What an order under way could still do.
#[derive(Clone, Debug)]
struct Flying {
    symbol: String,
    side: Side,
    qty: Qty,
    price: Price,
    opens: bool,
}

/// What is known besides the exchange's own books.
#[derive(Default)]
pub struct Truth {
    /// Creates that left, by our id.
    left: BTreeSet<String>,
    /// Creates that reached the exchange.
    arrived: BTreeSet<String>,
    /// Creates on their way.
    flying: BTreeMap<String, Flying>,
    /// When somebody else traded last.
    pub foreign: Option<Ts>,
    /// A kill is durable.
    killed: bool,
    /// When a person last lifted what was latched, on the process's clock. A kill of before may become durable after it, and
    /// go with the lift behind it.
    lifted: Option<Ts>,
    /// The gate was closed by a kill that nobody has lifted, whether the engine has heard of it or not.
    shut: bool,
    /// What the close loop was about at the last look.
    closing: BTreeSet<Symbol>,
    /// When the whole account was proven flat, as of the last look.
    proven: Option<Ts>,
    /// Creates that reached the exchange.
    pub creates: u64,
    /// When the account was known for the first time: what was forced before is part of what it was found with.
    known: Option<Ts>,
}

impl Truth {
    /// A process has started: what was killed is killed.
    pub fn started(&mut self, process: &Process) {
        let killed = process.driver.engine().latch().is_some_and(Latch::is_kill);
        assert!(killed || !self.killed, "a kill did not survive the restart");
        (self.closing, self.proven) = (BTreeSet::new(), process.driver.engine().flat_proven());
        (self.shut, self.lifted) = (false, None);
    }

    /// A person asked for something.
    pub fn asked(&mut self, command: &Command, process: &Process) {
        let engine = process.driver.engine();
        let killed = engine.latch().is_some_and(Latch::is_kill);
        match command {
            Command::Kill => assert!(killed, "a kill was not obeyed"),
            Command::Reset { .. } if engine.latch().is_none() => {
                (self.killed, self.shut, self.lifted) = (false, false, Some(engine.now()));
            }
            _ => {}
        }
    }

    /// After every step: a kill becomes durable with the ledger's latch or the marker, and what is said to be flat is.
    pub fn look(&mut self, now: Ts, process: Option<&Process>, exchange: &Exchange) {
        let Some(process) = process else { return };
        let engine = process.driver.engine();
        if self.known.is_none() && engine.account().is_known() {
            self.known = Some(now);
        }
        let kill = process.durable_kill().filter(|at| self.lifted.is_none_or(|lifted| *at > lifted));
        self.killed |= kill.is_some();
        let scope = std::mem::replace(&mut self.closing, engine.close_scope().collect());
        let proven = std::mem::replace(&mut self.proven, engine.flat_proven());
        let unheard = self.foreign.is_some_and(|at| now.since(at) < HEARD_WITHIN);
        let held = |symbol: &Symbol| exchange.held().any(|position| position.slot.symbol == *symbol);
        if !unheard && !scope.is_empty() && !engine.closing() && engine.close_proven() {
            assert!(!scope.iter().any(held), "flat was proven of what is not");
        }
        if !unheard && self.proven.is_some() && self.proven != proven {
            assert!(exchange.held().next().is_none(), "the whole account was proven flat and is not");
        }
    }

    /// A kill has closed the gate.
    pub const fn gate_shut(&mut self) {
        self.shut = true;
    }

    pub fn lost(&mut self, link: &str) {
        self.flying.remove(link);
    }

    /// A create reaches the exchange.
    pub fn arrives(&mut self, link: &str) {
        self.creates += 1;
        self.flying.remove(link);
        assert!(self.arrived.insert(link.to_owned()), "{link} reached the exchange twice");
    }
}

impl World {
    /// A create leaves: it may, by everything that is true at this moment.
    pub fn truth_leaves(&mut self, order: &Placement) {
        assert!(self.truth.left.insert(order.link_id.clone()), "{} was sent twice", order.link_id);
        let Some(process) = &self.process else { return };
        let engine = process.driver.engine();
        assert!(engine.account().is_known(), "{} left before the account was read", order.link_id);
        if !order.reduce_only {
            let latch = engine.latch().map(|latch| latch.cause.to_string());
            assert!(latch.is_none(), "{} opens although {latch:?}", order.link_id);
            assert!(!self.truth.shut, "{} opens although the gate is closed by a kill", order.link_id);
            assert!(process.is_durable(&order.link_id), "{} left before its intent was durable", order.link_id);
        }
        let flying = Flying {
            symbol: order.symbol.clone(),
            side: order.side,
            qty: order.qty,
            price: order.price,
            opens: !order.reduce_only,
        };
        self.truth.flying.insert(order.link_id.clone(), flying);
        let unheard = self.truth.foreign.is_some_and(|at| self.now.since(at) < HEARD_WITHIN);
        if !order.reduce_only && !unheard {
            self.check_exposure(order);
        }
    }

    /// Exposure at its worst, by the exchange's own books and what is on its way.
    fn check_exposure(&self, order: &Placement) {
        let (mut gross, mut longs, mut shorts) = (Money::ZERO, Money::ZERO, Money::ZERO);
        for index in 0..self.symbols() {
            let symbol = Symbol(index as u16);
            let (long, short) = self.worst(symbol);
            let worst = long.max(short).max(Money::ZERO);
            if self.exchange.symbol(&order.symbol) == Some(symbol) {
                self.holds(LimitKey::MaxPositionNotional, worst, order);
            }
            gross += worst;
            longs += long;
            shorts += short;
        }
        self.holds(LimitKey::MaxGrossNotional, gross, order);
        self.holds(LimitKey::MaxNetNotional, longs.max(shorts), order);
    }

    fn worst(&self, symbol: Symbol) -> (Money, Money) {
        let mark = self.exchange.mark_of(symbol).unwrap_or(Price::ZERO);
        let name = self.exchange.market_of(symbol).map(|market| market.rules.name.clone()).unwrap_or_default();
        let mut sides = [Money::ZERO; 2];
        let mut add = |side: Side, price: Price, qty: Qty| {
            sides[usize::from(side == Side::Sell)] += price.max(mark) * qty;
        };
        for open in self.exchange.orders.open().filter(|open| open.ask.slot.symbol == symbol && !open.ask.reduce_only) {
            add(open.ask.side, open.price, open.leaves());
        }
        for flying in self.truth.flying.values().filter(|flying| flying.opens && flying.symbol == name) {
            add(flying.side, flying.price, flying.qty);
        }
        let legs = self.exchange.held().filter(|position| position.slot.symbol == symbol);
        let signed: i64 = legs.map(signed).sum();
        let held = mark * Qty::from_raw(signed.abs());
        let held = if signed < 0 { -held } else { held };
        (held + sides[0], sides[1] - held)
    }

    fn holds(&self, key: LimitKey, worst: Money, order: &Placement) {
        let limit = self.limits().money(key);
        let allowed = limit + Money::from_raw(limit.raw() / 1_000 * PRICES_MOVE);
        assert!(worst <= allowed, "{} could take {} to {worst}, more than {limit}", order.link_id, key.name());
    }

    /// Lets everything settle, closes everything, and compares the books.
    pub fn finish(&mut self) {
        self.settle();
        self.close_everything();
        self.check_books();
        let process = self.process.take();
        let disk = process.map(Process::end);
        assert!(disk.is_some(), "it runs at the end");
    }

    /// Everything is well: what was unclear becomes clear.
    fn settle(&mut self) {
        self.calm_down();
        self.want(false);
        self.run_until(self.now + Span::from_secs(8));
        while self.process.as_ref().is_none_or(|process| process.stopped) {
            self.run_until(self.now + Span::from_secs(1));
        }
        self.request(&Command::Disarm);
        let give_up = self.now + Span::from_secs(150);
        while !self.is_settled() {
            assert!(self.now < give_up, "orders are not settled: {:?}", self.unsettled());
            if self.process.as_ref().is_some_and(|process| process.banned(self.now).is_some()) {
                self.request(&Command::RetryVenue);
            }
            // A thin book took a part of a leg only: the rest of it is closed by hand too, for legs are not ours to close.
            self.flip_back();
            self.run_until(self.now + Span::from_secs(2));
        }
    }

    fn is_settled(&self) -> bool {
        let ours = |link: &str| !link.is_empty();
        let resting = self.exchange.orders.open().any(|order| ours(&order.ask.link));
        let working =
            self.process.as_ref().is_none_or(|process| process.stopped || process.driver.engine().working_orders() > 0);
        let banned = self.process.as_ref().is_some_and(|process| process.banned(self.now).is_some());
        !resting && !working && !banned && self.exchange.account.hedged.is_empty()
    }

    fn unsettled(&self) -> Vec<String> {
        let process = self.process.as_ref();
        let working = process.map(|process| format!("{} work for us", process.driver.engine().working_orders()));
        let resting = self.exchange.orders.open().map(|order| format!("{} rests", order.ask.link));
        resting.chain(working).collect()
    }

    /// Everything is closed with proof: a person takes over what is shown as theirs and closes, until nothing is left. What
    /// others did while nobody looked is shown only when it is heard of.
    fn close_everything(&mut self) {
        let give_up = self.now + Span::from_secs(90);
        loop {
            for index in 0..self.symbols() {
                self.request(&Command::Adopt(Symbol(index as u16)));
            }
            let killed = self.process.as_ref().is_some_and(|p| p.driver.engine().latch().is_some_and(Latch::is_kill));
            self.request(if killed { &Command::KillClose } else { &Command::Flatten(None) });
            while !self.is_proven() {
                assert!(self.now < give_up, "a flatten finds no end");
                self.run_until(self.now + Span::from_ms(500));
            }
            let proven = self.process.as_ref().is_some_and(|p| p.driver.engine().flat_proven().is_some());
            if proven {
                break;
            }
            assert!(self.exchange.held().next().is_some(), "it is flat and is not said to be");
        }
        // Money that came or went while the machine slept is believed once the exchange has said it three times.
        let give_up = self.now + Span::from_secs(30);
        while self.now < give_up && !self.agrees() {
            self.run_until(self.now + Span::from_secs(1));
        }
        // What the ledger still has to write.
        self.run_until(self.now + Span::from_secs(6));
    }

    fn agrees(&self) -> bool {
        let told = self.process.as_ref().map(|process| process.driver.engine().account().balance());
        told.is_some_and(|told| (told - self.exchange.account.balance).abs() < ROUNDS)
    }

    fn is_proven(&self) -> bool {
        self.process.as_ref().is_some_and(|p| !p.driver.engine().closing() && p.driver.engine().close_proven())
    }

    /// The ledger says what the exchange says.
    fn check_books(&mut self) {
        let Some(process) = &mut self.process else { return };
        let disk = process.writer.store_mut();
        let booked: BTreeSet<&String> = disk.fills.keys().collect();
        let mut missing = Vec::new();
        // What protects a position is ours too, though the exchange gives it no id of ours.
        let protects = |kind: &str| kind.contains("StopLoss") || kind.contains("TakeProfit");
        let ours = |row: &&Execution| !row.link.is_empty() || protects(row.create_type);
        for row in self.exchange.executions.iter().filter(|row| row.kind == ExecKind::Trade).filter(ours) {
            match disk.fills.get(&row.id) {
                Some(fill) => {
                    assert_eq!((fill.price, fill.qty, fill.fee), (row.price, row.qty, row.fee), "{}", row.link);
                }
                None => missing.push(format!(
                    "{} {} {} {} @ {}",
                    row.link,
                    row.create_type,
                    row.side.word(),
                    row.qty,
                    row.price
                )),
            }
        }
        let known = self.truth.known.unwrap_or(self.now);
        let forced = |row: &&Execution| matches!(row.kind, ExecKind::Adl | ExecKind::Bust) && row.at > known;
        for row in self.exchange.executions.iter().filter(forced).filter(|row| !disk.fills.contains_key(&row.id)) {
            missing.push(format!("{} {} {} @ {}", row.create_type, row.side.word(), row.qty, row.price));
        }
        assert!(missing.is_empty(), "lost fills: {missing:?}");
        let known: BTreeSet<&String> = self.exchange.executions.iter().map(|row| &row.id).collect();
        let invented: Vec<_> = booked.difference(&known).collect();
        assert!(invented.is_empty(), "fills that never were: {invented:?}");
        let stored = disk.ledger.as_mut().unwrap().restore(&[]).unwrap();
        assert!(stored.unknown_holdings.is_empty(), "the ledger holds {:?}", stored.unknown_holdings);
        let balance = stored.balance.unwrap();
        let apart = (balance - self.exchange.account.balance).abs();
        assert!(apart < ROUNDS, "the ledger counts {balance}, the exchange {}", self.exchange.account.balance);
    }
}
