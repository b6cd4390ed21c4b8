//! Positions, balance and profit, exactly: quantity and cost are kept, average prices are derived.
//!
//! [`Account`] is what we believe of the account from fills, funding and liquidations; [`EquityTracker`] follows its
//! equity for the loss limits; [`margin`] is the venue's margin arithmetic.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::float_arithmetic))]

mod equity;
mod holding;
pub mod margin;
mod residual;

pub use equity::EquityTracker;
pub use holding::{Booked, Holding};
pub use residual::{Residual, TieOut};

use super::event::Fill;
use super::ids::Symbol;
use super::market::instrument::Instrument;
use super::num::{Money, Price, Side};
use super::time::Ts;

/// Balance, positions and totals of one account. One-way mode: at most one position per instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    balance: Money,
    /// A venue's account is unknown until the venue has said what it holds.
    known: bool,
    /// By symbol.
    holdings: Vec<Holding>,
    totals: Totals,
    theirs: Totals,
}

/// Whose trade it was: limits on equity count the whole account, what we call our PnL counts ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// Ours.
    Ours,
    /// Somebody else's, or one on a position of the person.
    Theirs,
}

/// Sums over a run, in quote currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Realised PnL before fees and funding.
    pub realised: Money,
    /// Fees paid; rebates count negative.
    pub fees: Money,
    /// Funding received; paid funding counts negative.
    pub funding: Money,
    /// Round trips: positions that were opened and closed, or turned round.
    pub trades: u32,
    /// Of them, with a profit after fees.
    pub wins: u32,
    /// Sum of round trips with a profit, after fees.
    pub gross_profit: Money,
    /// Sum of round trips with a loss, after fees, positive.
    pub gross_loss: Money,
}

impl Account {
    /// An account with this balance and these open positions; totals start at zero.
    pub fn new(balance: Money, open: &[Holding], known: bool) -> Self {
        let mut account =
            Self { balance, known, holdings: Vec::new(), totals: Totals::default(), theirs: Totals::default() };
        for held in open {
            account.place(held.symbol, |place| place.clone_from(held));
        }
        account
    }

    /// Wallet balance.
    pub const fn balance(&self) -> Money {
        self.balance
    }
    /// Totals of this run, of our own trades.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }
    /// Totals of this run of what the person and others traded; `None` where they did nothing.
    pub fn theirs(&self) -> Option<&Totals> {
        (self.theirs != Totals::default()).then_some(&self.theirs)
    }
    /// Realised PnL, fees and funding of the whole account in this run, whoever traded.
    pub fn whole(&self) -> Totals {
        Totals {
            realised: self.totals.realised + self.theirs.realised,
            fees: self.totals.fees + self.theirs.fees,
            funding: self.totals.funding + self.theirs.funding,
            ..Totals::default()
        }
    }
    /// The position in an instrument, flat where nothing was ever held.
    pub fn holding(&self, symbol: Symbol) -> Holding {
        self.holdings.get(symbol.index()).cloned().unwrap_or(Holding::flat(symbol))
    }
    /// Open positions.
    pub fn open(&self) -> impl Iterator<Item = &Holding> {
        self.holdings.iter().filter(|held| !held.is_flat())
    }

    /// Books one execution of an order of ours.
    pub fn book_fill(&mut self, at: Ts, symbol: Symbol, side: Side, fill: &Fill) -> Booked {
        self.book(Whose::Ours, at, symbol, side, fill)
    }

    /// Books one execution, whoever made it.
    pub fn book(&mut self, whose: Whose, at: Ts, symbol: Symbol, side: Side, fill: &Fill) -> Booked {
        let booked = self.place(symbol, |held| held.book(at, side, fill.price, fill.qty, fill.fee));
        self.balance += booked.realised - fill.fee;
        let totals = self.totals_of(whose);
        totals.realised += booked.realised;
        totals.fees += fill.fee;
        if let Some(result) = booked.round_trip {
            totals.count(result);
        }
        booked
    }

    const fn totals_of(&mut self, whose: Whose) -> &mut Totals {
        match whose {
            Whose::Ours => &mut self.totals,
            Whose::Theirs => &mut self.theirs,
        }
    }

    /// Books the venue closing (part of) a position: money moves as in any execution.
    pub fn book_liquidation(&mut self, at: Ts, symbol: Symbol, side: Side, fill: &Fill) -> Booked {
        self.book_fill(at, symbol, side, fill)
    }

    /// Books settled funding: `amount` is added to the balance.
    pub fn book_funding(&mut self, whose: Whose, amount: Money) {
        self.balance += amount;
        self.totals_of(whose).funding += amount;
    }

    /// Adopts the venue's balance, where it differs for a reason outside (a deposit). Returns the difference.
    pub fn adopt_balance(&mut self, balance: Money) -> Money {
        let moved = balance - self.balance;
        self.balance = balance;
        moved
    }

    /// Takes over what the venue says the account holds. Totals of the run go on.
    pub fn open_with(&mut self, balance: Money, open: &[Holding]) {
        *self = Self { totals: self.totals, theirs: self.theirs, ..Self::new(balance, open, true) };
    }

    /// Has the account's truth been heard?
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// PnL of all open positions at these prices, before the fees of closing; `None` when one has no price.
    pub fn unrealised(&self, price: impl Fn(Symbol) -> Option<Price>) -> Option<Money> {
        self.open().map(|held| Some(held.unrealised(price(held.symbol)?))).sum()
    }

    /// Balance plus unrealised PnL; `None` when an open position has no price, or the account is not known yet.
    pub fn equity(&self, price: impl Fn(Symbol) -> Option<Price>) -> Option<Money> {
        self.known.then_some(())?;
        Some(self.balance + self.unrealised(price)?)
    }

    /// Initial margin of all open positions. One without a price counts at its entry cost; one in an instrument that is
    /// not listed counts in full.
    pub fn margin_used(&self, instruments: &[Instrument], price: impl Fn(Symbol) -> Option<Price>) -> Money {
        let of = |held: &Holding| {
            let notional = held.notional(price(held.symbol));
            instruments.get(held.symbol.index()).map_or(notional, |rules| margin::initial(rules, notional))
        };
        self.open().map(of).sum()
    }

    /// Estimated price at which the venue would liquidate this position if nothing else moved: everything the account
    /// is worth beyond the maintenance margin of the other positions stands behind it. `None` when flat, when no
    /// price does it (a long that the balance covers in full), or when another position cannot be valued.
    ///
    /// The maintenance tier is that of today's notional, so a far estimate of a large position is rough.
    pub fn liquidation_price(
        &self,
        symbol: Symbol,
        instruments: &[Instrument],
        price: impl Fn(Symbol) -> Option<Price>,
    ) -> Option<Price> {
        let held = self.holdings.get(symbol.index())?;
        let mut behind = self.balance;
        for other in self.open().filter(|other| other.symbol != symbol) {
            let (rules, price) = (instruments.get(other.symbol.index())?, price(other.symbol)?);
            behind += other.unrealised(price) - margin::maintenance(rules, price * other.qty());
        }
        margin::liquidation_price(held, instruments.get(symbol.index())?, held.notional(price(symbol)), behind)
    }

    /// Changes the position in an instrument; the list grows to hold it (a symbol is 16 bits: at most 65,536 places).
    fn place<T>(&mut self, symbol: Symbol, change: impl FnOnce(&mut Holding) -> T) -> T {
        for index in self.holdings.len()..=symbol.index() {
            self.holdings.push(Holding::flat(Symbol(u16::try_from(index).unwrap_or(u16::MAX))));
        }
        match self.holdings.get_mut(symbol.index()) {
            Some(held) => change(held),
            None => change(&mut Holding::flat(symbol)),
        }
    }
}

impl Totals {
    fn count(&mut self, result: Money) {
        self.trades = self.trades.saturating_add(1);
        if result > Money::ZERO {
            self.wins = self.wins.saturating_add(1);
            self.gross_profit += result;
        } else {
            self.gross_loss += result.abs();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::Qty;

    const BTC: Symbol = Symbol(2);

    fn p(text: &str) -> Price {
        Price::parse(text).unwrap()
    }
    fn m(text: &str) -> Money {
        Money::parse(text).unwrap()
    }
    fn fill(price: &str, qty: &str, fee: &str) -> Fill {
        Fill {
            exec_id: String::new(),
            price: p(price),
            qty: Qty::parse(qty).unwrap(),
            fee: m(fee),
            maker: false,
            executed: None,
        }
    }
    fn rules() -> Vec<Instrument> {
        vec![Instrument::linear("BTCUSDT", p("0.1"), Qty::parse("0.001").unwrap()); 3]
    }

    #[test]
    fn balance_totals_and_round_trips_after_fees() {
        let mut account = Account::new(m("1000"), &[], true);
        account.book_fill(Ts(1), BTC, Side::Buy, &fill("100", "2", "0.2"));
        account.book_fill(Ts(2), BTC, Side::Sell, &fill("101", "1", "0.1"));
        assert_eq!(account.totals().trades, 0, "half closed is not a round trip");
        account.book_fill(Ts(3), BTC, Side::Sell, &fill("101", "2", "0.2"));
        let totals = *account.totals();
        // Turned round: the closing half of the last fee belongs to the trade that ended.
        assert_eq!((totals.trades, totals.wins, totals.gross_profit), (1, 1, m("1.6")));
        assert_eq!((totals.realised, totals.fees), (m("2"), m("0.5")));
        account.book_funding(Whose::Ours, m("-0.01"));
        account.book_liquidation(Ts(4), BTC, Side::Buy, &fill("110", "1", "0.11"));
        let totals = *account.totals();
        assert_eq!((totals.trades, totals.wins, totals.gross_loss), (2, 1, m("9.21")));
        assert_eq!(totals.funding, m("-0.01"));
        assert_eq!(account.balance(), m("1000") + totals.realised - totals.fees + totals.funding);
        assert_eq!(totals.gross_profit - totals.gross_loss, totals.realised - totals.fees);
        assert!(account.holding(BTC).is_flat() && account.open().next().is_none());
    }

    #[test]
    fn a_position_without_a_price_has_no_value() {
        let mut account = Account::new(m("1000"), &[], true);
        account.book_fill(Ts(1), Symbol(0), Side::Buy, &fill("100", "1", "0"));
        account.book_fill(Ts(1), BTC, Side::Sell, &fill("50", "2", "0"));
        assert_eq!(account.equity(|_| Some(p("60"))), Some(m("940")));
        assert_eq!(account.equity(|symbol| (symbol == BTC).then(|| p("60"))), None);
        assert_eq!(account.margin_used(&rules(), |symbol| (symbol == BTC).then(|| p("60"))), m("2.2"));
        assert_eq!(account.adopt_balance(m("1010")), m("10"));
    }

    #[test]
    fn the_liquidation_price_is_where_equity_meets_maintenance() {
        for (side, expected) in [(Side::Buy, Some("90.452261307")), (Side::Sell, Some("109.452736318"))] {
            let mut account = Account::new(m("100"), &[], true);
            account.book_fill(Ts(1), BTC, side, &fill("100", "10", "0"));
            let estimate = account.liquidation_price(BTC, &rules(), |_| Some(p("100")));
            assert_eq!(estimate, expected.map(p));
            let equity = |price: Price| account.equity(|_| Some(price)).unwrap();
            let needed = |price: Price| margin::maintenance(&rules()[2], account.holding(BTC).notional(Some(price)));
            let (inside, outside) = match side {
                Side::Buy => (1, -1),
                Side::Sell => (-1, 1),
            };
            let moved = |by: i64| Price::from_raw(estimate.unwrap().raw() + by);
            assert!(equity(moved(inside)) > needed(moved(inside)));
            assert!(equity(moved(outside)) < needed(moved(outside)));
        }
        let mut covered = Account::new(m("1000"), &[], true);
        covered.book_fill(Ts(1), BTC, Side::Buy, &fill("100", "10", "0"));
        assert_eq!(covered.liquidation_price(BTC, &rules(), |_| Some(p("100"))), None);
        covered.book_fill(Ts(1), Symbol(0), Side::Buy, &fill("100", "1", "0"));
        assert_eq!(covered.liquidation_price(BTC, &rules(), |symbol| (symbol == BTC).then(|| p("100"))), None);
        assert!(covered.liquidation_price(BTC, &rules(), |_| Some(p("99"))).is_some());
    }
}
