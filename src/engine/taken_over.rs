//! What was taken over from the venue before anything explained it, and the executions that explain it later: each is booked as
//! what it is, and what was taken over for it is taken back, so that position, balance and loss limits count it once.

use std::collections::BTreeMap;

use super::Engine;
use super::account::Holding;
use super::effect::{Effect, Effects, Record};
use super::event::{Fill, FillKind, OrderNews, OrderUpdate};
use super::ids::{OrderSeq, Symbol};
use super::notice::{Kind, Level};
use super::num::{Money, Side};
use super::time::{Span, Ts};

/// Executions are listed within this; what was taken over longer ago is not taken back.
const LISTED_WITHIN: Span = Span::from_secs(86_400);

/// What a run has taken over.
#[derive(Debug, Default)]
pub struct TakenOver {
    /// Positions at the opening, by instrument.
    positions: BTreeMap<Symbol, Replaced>,
    /// Balances after it, oldest first.
    balances: Vec<Unexplained>,
}

/// A position of our books that the opening replaced by the venue's.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// Ours, with what was booked on it since.
    pub books: Holding,
    /// The venue's, signed, in raw units of quantity.
    pub venue: i64,
    /// The opening gave it to the person, because nothing explained it.
    pub released: bool,
}

/// A change of the balance that nothing explained.
#[derive(Clone, Copy, Debug)]
struct Unexplained {
    /// What was executed before, by the venue's clock, is in it.
    until: Ts,
    /// What is still unexplained of it: positive counts as a deposit, negative as a loss.
    amount: Money,
}

impl TakenOver {
    /// The opening took over these positions.
    pub fn open(&mut self, positions: BTreeMap<Symbol, Replaced>) {
        *self = Self { positions, balances: Vec::new() };
    }
}

impl Engine {
    /// An execution that the opening's position and balance hold already.
    pub(super) fn hear_covered(
        &mut self,
        (kind, order): (FillKind, Option<OrderSeq>),
        symbol: Symbol,
        side: Side,
        fill: &Fill,
        out: &mut Effects,
    ) {
        match order {
            Some(order) => {
                let what = OrderNews::Filled(fill.clone());
                self.hear_order(&OrderUpdate { order, what }, Self::book_covered, out);
            }
            None => self.book_covered((kind, None), symbol, side, fill, out),
        }
    }

    /// Takes back what the opening took over, books the execution on what our books held, and takes over what it does not explain.
    fn book_covered(
        &mut self,
        of: (FillKind, Option<OrderSeq>),
        symbol: Symbol,
        side: Side,
        fill: &Fill,
        out: &mut Effects,
    ) {
        let Some(Replaced { books, venue, released }) = self.taken_over.positions.get(&symbol).cloned() else { return };
        let (balance, stands, totals) = (self.account.balance(), self.account.holding(symbol), self.account.whole());
        let proofs = (self.control.flat_proven, self.control.close_proven);
        let lent = released && self.control.released.remove(&symbol);
        let realised = books.clone().book(self.now, side, fill.price, fill.qty, fill.fee).realised;
        self.take_over(balance - (realised - fill.fee), books, out);
        self.write_fill(of, symbol, side, fill, out);
        let books = self.account.holding(symbol);
        let explained = books.signed == venue;
        if !explained || stands.signed != venue {
            self.take_over(balance, stands, out);
        }
        if lent && explained {
            out.push(Effect::Record(Record::Released { symbol, released: false }));
        } else if lent {
            self.control.released.insert(symbol);
        }
        (self.control.flat_proven, self.control.close_proven) = proofs;
        self.taken_over.positions.insert(symbol, Replaced { books, venue, released: released && !explained });
        // The venue's log is compared from the opening on, which has it.
        let now = self.account.whole();
        self.opening_totals.realised += now.realised - totals.realised;
        self.opening_totals.fees += now.fees - totals.fees;
        let rest = if explained { ", and explain the position" } else { "" };
        let text = format!(
            "{}: execution {} was listed late: it is booked now; position and balance had it already{rest}",
            self.name(symbol),
            fill.exec_id
        );
        self.tell(Level::Warn, Kind::Account, Some(symbol), text, out);
        self.observe_equity(out);
    }

    /// Takes over this balance, and this position in its instrument.
    fn take_over(&mut self, balance: Money, held: Holding, out: &mut Effects) {
        let mut holdings: Vec<Holding> =
            self.account.open().filter(|other| other.symbol != held.symbol).cloned().collect();
        holdings.extend((!held.is_flat()).then_some(held));
        holdings.sort_by_key(|held| held.symbol);
        self.account.open_with(balance, &holdings);
        out.push(Effect::Record(Record::Adopted { balance, holdings: Some(holdings) }));
    }

    /// A balance was taken over that the venue has said since `since`, and nothing explains `amount` of it.
    pub(super) fn note_unexplained(&mut self, since: Ts, amount: Money) {
        // Whatever is executed in between changes the balance: the middle forgives clocks that differ.
        let until = since + Span(self.now.since(since).0 / 2);
        let now = self.now;
        self.taken_over.balances.retain(|old| now.since(old.until) < LISTED_WITHIN);
        self.taken_over.balances.push(Unexplained { until, amount });
        self.count_deposit(Money::ZERO, amount);
    }

    /// What this execution or payment changed is in a balance that was taken over before it was heard of: it counts once.
    pub(super) fn explain_balance(&mut self, executed: Option<Ts>, effect: Money, out: &mut Effects) {
        let Some(executed) = executed.filter(|_| effect != Money::ZERO) else { return };
        let holds = |old: &&mut Unexplained| executed < old.until && old.amount != Money::ZERO;
        let Some(unexplained) = self.taken_over.balances.iter_mut().find(holds) else { return };
        let before = unexplained.amount;
        unexplained.amount -= effect;
        let after = unexplained.amount;
        self.count_deposit(before, after);
        self.adopt_balance(self.account.balance() - effect, out);
        let text = format!(
            "{effect:.2} of what was taken over without an explanation is explained by what was just booked: taken back, {after:.2} is left"
        );
        self.tell(Level::Info, Kind::Account, None, text, out);
    }

    /// Loss limits forget what came from outside, and count what was lost.
    fn count_deposit(&mut self, before: Money, after: Money) {
        let moved = after.max(Money::ZERO) - before.max(Money::ZERO);
        if moved != Money::ZERO {
            self.equity.deposited(moved);
        }
    }
}
