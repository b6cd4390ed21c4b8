//! The money side of the desk: executions, equity, margin, liquidation.

use super::{Desk, Execution, TRIMMED};
use crate::engine::account::{Holding, margin};
use crate::engine::effect::{NewOrder, Protection};
use crate::engine::event::{AccountUpdate, Fill, FillKind, OrderNews, OrderUpdate};
use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Qty, Side};
use crate::engine::time::Ts;
use crate::venue::paper::VenueReport;
use crate::venue::paper::market::Market;

const OUT_OF_MARGIN: &str = "CancelAllBeforeLiq: the account is out of margin";

impl Desk {
    /// Books one execution and gives it an id: unique per account, because time does not come back.
    pub(super) fn execute(&mut self, at: Ts, execution: &Execution) -> Fill {
        let Execution { symbol, side, price, qty, maker } = *execution;
        let fee = (price * qty).times(if maker { self.maker_fee } else { self.taker_fee });
        if let Some(holding) = self.holdings.get_mut(symbol.index()) {
            let before = holding.side();
            let booked = holding.book(at, side, price, qty, fee);
            if holding.side() != before
                && let Some(levels) = self.protection.get_mut(symbol.index())
            {
                // Protection is a position's: it ends with it.
                *levels = Protection::default();
            }
            self.balance += booked.realised - fee;
        }
        self.executions += 1;
        Fill { exec_id: format!("p{}-{}", at.0, self.executions), price, qty, fee, maker, executed: None }
    }

    /// Books an execution back: the other way at its own price, with its fee returned.
    pub(super) fn book_back(&mut self, at: Ts, symbol: Symbol, side: Side, fill: &Fill) {
        let Some(holding) = self.holdings.get_mut(symbol.index()) else { return };
        let booked = holding.book(at, side.opposite(), fill.price, fill.qty, -fill.fee);
        self.balance += booked.realised + fill.fee;
        if holding.is_flat()
            && let Some(levels) = self.protection.get_mut(symbol.index())
        {
            *levels = Protection::default();
        }
    }

    /// How much an order on this side can close.
    pub(super) fn reducible(&self, symbol: Symbol, side: Side) -> Qty {
        match self.holdings.get(symbol.index()) {
            Some(held) if held.side() == Some(side.opposite()) => held.qty(),
            _ => Qty::ZERO,
        }
    }

    /// Removes what is filled and trims reduce-only orders to the position, as the venue does after every execution.
    pub(super) fn settle_resting(&mut self, symbol: Symbol) {
        let reducible = [Side::Buy, Side::Sell].map(|side| self.reducible(symbol, side));
        let Some(market) = self.markets.get_mut(symbol.index()) else { return };
        let reports = &mut self.reports;
        market.resting.retain_mut(|resting| {
            let [buys, sells] = reducible;
            let allowed = if resting.order.side == Side::Buy { buys } else { sells };
            if resting.order.reduce_only && allowed < resting.left {
                resting.left = allowed;
                resting.trimmed = true;
            }
            if resting.left.is_zero() && resting.trimmed {
                let what = OrderNews::Cancelled(TRIMMED.to_owned());
                reports.push(VenueReport::Order(OrderUpdate { order: resting.order.seq, what }));
            }
            !resting.left.is_zero()
        });
    }

    /// Signed notional at mark; `None` while there is no mark.
    pub(super) fn signed_notional_marked(&self, symbol: Symbol) -> Option<Money> {
        let held = self.holdings.get(symbol.index())?;
        let notional = self.market(symbol)?.mark()? * held.qty();
        Some(if held.signed < 0 { -notional } else { notional })
    }

    /// Signed notional at mark, at entry cost while there is no mark.
    fn signed_notional(&self, held: &Holding) -> Money {
        let at_cost = if held.signed < 0 { -held.cost } else { held.cost };
        self.signed_notional_marked(held.symbol).unwrap_or(at_cost)
    }

    /// Balance plus unrealised PnL at mark; a position without a mark counts at its cost.
    pub(in super::super) fn equity(&self) -> Money {
        let unrealised = |held: &Holding| match self.market(held.symbol).and_then(Market::mark) {
            Some(mark) => held.unrealised(mark),
            None => Money::ZERO,
        };
        self.balance + self.holdings.iter().map(unrealised).sum()
    }

    /// Initial margin of positions and working orders, with `extra` as if it worked too.
    fn initial_margin(&self, extra: Option<&NewOrder>) -> Money {
        let of = |(held, market): (&Holding, &Market)| {
            let new = |side| match extra {
                Some(order) if order.symbol == held.symbol && order.side == side => order.price * order.qty,
                _ => Money::ZERO,
            };
            let working = |side| market.working_notional(side) + new(side);
            let worst = margin::worst_notional(self.signed_notional(held), working(Side::Buy), working(Side::Sell));
            margin::initial(&market.rules, worst)
        };
        self.holdings.iter().zip(&self.markets).map(of).sum()
    }

    /// Why the account cannot carry this order. One that asks for no more margin than is asked for already passes: it
    /// reduces, and an account short of margin must be able to reduce.
    pub(super) fn lacks_margin(&self, order: &NewOrder) -> Option<String> {
        let (before, after) = (self.initial_margin(None), self.initial_margin(Some(order)));
        let fee = (order.price * order.qty).times(self.taker_fee);
        let (needed, equity) = (after + fee, self.equity());
        (after > before && needed > equity)
            .then(|| format!("margin: {needed:.2} needed for positions and orders, {equity:.2} there"))
    }

    fn maintenance_margin(&self, held: &Holding) -> Money {
        let notional = self.signed_notional(held).abs();
        self.market(held.symbol).map_or(Money::ZERO, |market| margin::maintenance(&market.rules, notional))
    }

    /// While equity does not exceed maintenance margin: working orders go, then whole positions at mark with the taker
    /// fee, the one that binds most margin first. There is no insurance fund: what is lost beyond the balance is owed.
    pub(super) fn liquidate(&mut self, at: Ts) {
        let mut orders_gone = false;
        while self.equity() <= self.holdings.iter().map(|held| self.maintenance_margin(held)).sum() {
            let marked =
                |held: &&Holding| !held.is_flat() && self.market(held.symbol).is_some_and(|m| m.mark().is_some());
            let by_margin = |held: &Holding| (self.maintenance_margin(held), std::cmp::Reverse(held.symbol));
            let worst = self.holdings.iter().filter(marked).max_by_key(|held| by_margin(held));
            let Some((symbol, side, qty)) = worst.and_then(|h| Some((h.symbol, h.side()?.opposite(), h.qty()))) else {
                return;
            };
            let Some(price) = self.market(symbol).and_then(Market::mark) else { return };
            if !orders_gone {
                self.cancel_all(OUT_OF_MARGIN);
                orders_gone = true;
            }
            let fill = self.execute(at, &Execution { symbol, side, price, qty, maker: false });
            let kind = FillKind::Liquidation;
            self.reports.push(VenueReport::Account(AccountUpdate::Liquidated { kind, symbol, fill, side }));
        }
    }
}
