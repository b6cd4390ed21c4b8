//! The venue's side of the paper account: what happens to an order once it has arrived, and the account's truth.
//!
//! Nothing here knows of latency; every call is at the venue, at the moment it happens there.

use super::VenueReport;
use super::market::Market;
use super::rules;
use crate::engine::account::{Holding, margin};
use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::event::{AccountUpdate, Fill, MarketData, OrderNews, OrderUpdate, Statement, Ticker, Trade};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::Ts;

/// Working orders per instrument, as at Bybit: one that forgets its orders hears of it here as it would there.
const RESTING_MAX: usize = 500;

const TRIMMED: &str = "CancelByReduceOnly: the rest would not have reduced the position";
const OUT_OF_MARGIN: &str = "CancelAllBeforeLiq: the account is out of margin";

/// The account at the venue.
#[derive(Debug)]
pub(super) struct Desk {
    taker_fee: Rate,
    maker_fee: Rate,
    balance: Money,
    /// By symbol, flat ones included.
    holdings: Vec<Holding>,
    /// By symbol.
    markets: Vec<Market>,
    seen: Seen,
    executions: u64,
    /// Earliest funding settlement of any instrument.
    funding_due: Option<(Ts, Symbol)>,
    reports: Vec<VenueReport>,
}

/// Everything that makes up one execution but its id and fee.
struct Execution {
    symbol: Symbol,
    side: Side,
    price: Price,
    qty: Qty,
    maker: bool,
}

impl Desk {
    pub(super) fn new(fees: (Rate, Rate), instruments: Vec<Instrument>, balance: Money, open: &[Holding]) -> Self {
        let count = u16::try_from(instruments.len()).unwrap_or(u16::MAX);
        let mut holdings: Vec<Holding> = (0..count).map(|index| Holding::flat(Symbol(index))).collect();
        for held in open {
            if let Some(place) = holdings.get_mut(held.symbol.index()) {
                place.clone_from(held);
            }
        }
        let (taker_fee, maker_fee) = fees;
        Self {
            taker_fee,
            maker_fee,
            balance,
            holdings,
            markets: instruments.into_iter().take(usize::from(count)).map(Market::new).collect(),
            seen: Seen::default(),
            executions: 0,
            funding_due: None,
            reports: Vec::new(),
        }
    }

    pub(super) const fn balance(&self) -> Money {
        self.balance
    }
    pub(super) fn holdings(&self) -> &[Holding] {
        &self.holdings
    }
    pub(super) fn market(&self, symbol: Symbol) -> Option<&Market> {
        self.markets.get(symbol.index())
    }
    fn market_mut(&mut self, symbol: Symbol) -> Option<&mut Market> {
        self.markets.get_mut(symbol.index())
    }
    /// What happened since the last call, in order.
    pub(super) fn take_reports(&mut self) -> std::vec::Drain<'_, VenueReport> {
        self.reports.drain(..)
    }
    fn tell(&mut self, order: OrderSeq, what: OrderNews) {
        self.reports.push(VenueReport::Order(OrderUpdate { order, what }));
    }

    /// The venue's own statement.
    pub(super) fn statement(&self) -> Statement {
        let mut working: Vec<OrderSeq> =
            self.markets.iter().flat_map(|m| m.resting.iter().map(|r| r.order.seq)).collect();
        working.sort_unstable();
        let open = self.holdings.iter().filter(|h| !h.is_flat());
        Statement { balance: self.balance, positions: open.map(|h| (h.symbol, h.signed)).collect(), working }
    }

    /// Answers a request for the statement.
    pub(super) fn state(&mut self) {
        let statement = self.statement();
        self.reports.push(VenueReport::Account(AccountUpdate::Statement(statement)));
    }

    // --- orders ---

    /// An order arrives.
    pub(super) fn submit(&mut self, at: Ts, order: NewOrder) {
        if !self.seen.insert(order.seq) {
            return self.tell(order.seq, OrderNews::Rejected("duplicate order number".to_owned()));
        }
        if let Some(why) = self.refusal(&order) {
            return self.tell(order.seq, OrderNews::Rejected(why));
        }
        self.tell(order.seq, OrderNews::Accepted);
        let want = if order.reduce_only { order.qty.min(self.reducible(order.symbol, order.side)) } else { order.qty };
        let left = match order.tif {
            TimeInForce::PostOnly => want,
            TimeInForce::ImmediateOrCancel | TimeInForce::GoodTillCancel => self.take(at, &order, want),
        };
        self.place_rest(at, order, left, want < order.qty);
        self.settle_resting(order.symbol);
        self.liquidate(at);
    }

    /// Why an order is refused on arrival.
    fn refusal(&self, order: &NewOrder) -> Option<String> {
        let Some(market) = self.market(order.symbol) else {
            return Some(format!("no instrument number {}", order.symbol.0));
        };
        if let Some(why) = rules::broken(&market.rules, order) {
            return Some(why);
        }
        if order.reduce_only && self.reducible(order.symbol, order.side).is_zero() {
            return Some("reduce-only rule not satisfied: there is no position to reduce on this side".to_owned());
        }
        if order.tif != TimeInForce::ImmediateOrCancel {
            // The real venue would take it; what it would become there cannot be known without a book.
            if !market.is_open() {
                return Some("no order book: the market stream is broken".to_owned());
            }
            if market.resting.len() >= RESTING_MAX {
                return Some(format!("more than {RESTING_MAX} working orders"));
            }
        }
        if order.tif == TimeInForce::PostOnly {
            if market.crosses(order.side, order.price) {
                return Some("EC_PostOnlyWillTakeLiquidity: it would have traded on arrival".to_owned());
            }
            if let Some(own) = market.meets_own(order.side, order.price) {
                return Some(format!("EC_BySelfMatch: it would meet our own order {}", own.0));
            }
        }
        if order.reduce_only { None } else { self.lacks_margin(order) }
    }

    /// Takes what the book offers; returns the quantity left.
    fn take(&mut self, at: Ts, order: &NewOrder, want: Qty) -> Qty {
        let Some(market) = self.market_mut(order.symbol) else { return want };
        let mut left = want;
        for level in market.take(order.side, order.price, want) {
            let execution =
                Execution { symbol: order.symbol, side: order.side, price: level.price, qty: level.qty, maker: false };
            let fill = self.execute(at, &execution);
            left = left.saturating_sub(level.qty);
            self.tell(order.seq, OrderNews::Filled(fill));
        }
        left
    }

    /// Rests or cancels what an arriving order has left.
    fn place_rest(&mut self, at: Ts, order: NewOrder, left: Qty, trimmed: bool) {
        if left.is_zero() {
            if trimmed {
                self.tell(order.seq, OrderNews::Cancelled(TRIMMED.to_owned()));
            }
            return;
        }
        if order.tif == TimeInForce::ImmediateOrCancel {
            let why = if left == order.qty { "EC_NoImmediateQtyToFill" } else { "EC_CancelForNoFullFill" };
            return self.tell(order.seq, OrderNews::Cancelled(format!("{why}: nothing more within the limit price")));
        }
        let Some(market) = self.market_mut(order.symbol) else { return };
        if let Some(own) = market.meets_own(order.side, order.price) {
            let why = format!("EC_BySelfMatch: the rest would meet our own order {}", own.0);
            return self.tell(order.seq, OrderNews::Cancelled(why));
        }
        market.rest(at, order, left, trimmed);
    }

    /// A cancel arrives.
    pub(super) fn cancel(&mut self, order: OrderSeq) {
        let mut found = false;
        for market in &mut self.markets {
            let before = market.resting.len();
            market.resting.retain(|r| r.order.seq != order);
            found |= market.resting.len() < before;
        }
        let news = if found {
            OrderNews::Cancelled("cancelled by us".to_owned())
        } else {
            OrderNews::CancelRejected("no such working order".to_owned())
        };
        self.tell(order, news);
    }

    /// Every resting order is cancelled.
    pub(super) fn cancel_all(&mut self, why: &str) {
        for order in self.statement().working {
            for market in &mut self.markets {
                market.resting.retain(|r| r.order.seq != order);
            }
            self.tell(order, OrderNews::Cancelled(why.to_owned()));
        }
    }

    // --- market ---

    /// Market data arrives.
    pub(super) fn hear(&mut self, at: Ts, symbol: Symbol, data: &MarketData) {
        let Some(market) = self.market_mut(symbol) else { return };
        let mark = market.mark();
        match data {
            MarketData::Book(update) => market.apply(at, update),
            MarketData::Gap => market.gap(),
            MarketData::Trade(trade) => self.trade(at, symbol, trade),
            MarketData::Ticker(ticker) => self.ticker(at, symbol, ticker),
        }
        let moved = self.market(symbol).is_some_and(|market| market.mark() != mark);
        if moved && self.holdings.get(symbol.index()).is_some_and(|held| !held.is_flat()) {
            self.liquidate(at);
        }
    }

    /// A print reaches our resting orders: its quantity is shared among them once.
    fn trade(&mut self, at: Ts, symbol: Symbol, trade: &Trade) {
        let Some(market) = self.market(symbol) else { return };
        if !market.is_open() || market.resting.is_empty() || trade.price <= Price::ZERO {
            return;
        }
        let mut pool = market.open_to_us(trade);
        let executions = self.executions;
        for seq in market.in_line(trade) {
            let Some(market) = self.market_mut(symbol) else { return };
            let step = market.rules.step;
            let Some(resting) = market.resting_mut(seq) else { continue };
            let reached = resting.reached_by(at, trade, pool).min(resting.left);
            let (order, side) = (resting.order, resting.order.side);
            let allowed = if order.reduce_only { self.reducible(symbol, side) } else { reached };
            let qty = reached.min(allowed).floor_to(step);
            if qty.is_zero() {
                continue;
            }
            pool = pool.saturating_sub(qty);
            let fill = self.execute(at, &Execution { symbol, side, price: order.price, qty, maker: true });
            self.tell(seq, OrderNews::Filled(fill));
            if let Some(resting) = self.market_mut(symbol).and_then(|m| m.resting_mut(seq)) {
                resting.left = resting.left.saturating_sub(qty);
            }
        }
        if self.executions > executions {
            self.settle_resting(symbol);
            self.liquidate(at);
        }
    }

    fn ticker(&mut self, at: Ts, symbol: Symbol, ticker: &Ticker) {
        if self.market(symbol).is_some_and(|m| m.funding.overtaken_by(at, ticker)) {
            self.settle_funding(at, at, symbol);
        }
        if let Some(market) = self.market_mut(symbol) {
            if let Some(mark) = ticker.mark {
                market.set_mark(mark);
            }
            market.funding.hear(at, ticker);
        }
        self.find_funding_due();
    }

    // --- funding ---

    /// The earliest settlement of any instrument.
    pub(super) const fn funding_due(&self) -> Option<(Ts, Symbol)> {
        self.funding_due
    }

    /// The earliest settlement that will move money.
    pub(super) fn funding_due_for_us(&self) -> Option<Ts> {
        let held = self.holdings.iter().zip(&self.markets).filter(|(held, _)| !held.is_flat());
        held.filter_map(|(_, market)| market.funding.due()).min()
    }

    fn find_funding_due(&mut self) {
        let due = |(index, market): (usize, &Market)| Some((market.funding.due()?, Symbol(u16::try_from(index).ok()?)));
        self.funding_due = self.markets.iter().enumerate().filter_map(due).min();
    }

    /// Funding settles now: longs pay shorts the rate on the position's value at mark, rounded against us. Without a
    /// rate or a mark nothing is known to be owed, and nothing is booked.
    /// `to` is how far time has come: later than `at` inside a hole in the data.
    pub(super) fn settle_funding(&mut self, at: Ts, to: Ts, symbol: Symbol) {
        let held = self.signed_notional_marked(symbol);
        let Some(market) = self.market_mut(symbol) else { return };
        let rate = market.funding.rate();
        market.funding.settled(to);
        self.find_funding_due();
        let (Some(notional), Some(rate)) = (held, rate) else { return };
        if notional == Money::ZERO {
            return;
        }
        let amount = -notional.times(rate);
        self.balance += amount;
        self.reports.push(VenueReport::Account(AccountUpdate::Funding { symbol, rate, amount }));
        self.liquidate(at);
    }

    // --- account ---

    /// Books one execution and gives it an id: unique per account, because time does not come back.
    fn execute(&mut self, at: Ts, execution: &Execution) -> Fill {
        let Execution { symbol, side, price, qty, maker } = *execution;
        let fee = (price * qty).times(if maker { self.maker_fee } else { self.taker_fee });
        if let Some(holding) = self.holdings.get_mut(symbol.index()) {
            let booked = holding.book(at, side, price, qty, fee);
            self.balance += booked.realised - fee;
        }
        self.executions += 1;
        Fill { exec_id: format!("p{}-{}", at.0, self.executions), price, qty, fee, maker }
    }

    /// How much an order on this side can close.
    fn reducible(&self, symbol: Symbol, side: Side) -> Qty {
        match self.holdings.get(symbol.index()) {
            Some(held) if held.side() == Some(side.opposite()) => held.qty(),
            _ => Qty::ZERO,
        }
    }

    /// Removes what is filled and trims reduce-only orders to the position, as the venue does after every execution.
    fn settle_resting(&mut self, symbol: Symbol) {
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
    fn signed_notional_marked(&self, symbol: Symbol) -> Option<Money> {
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
    pub(super) fn equity(&self) -> Money {
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
    fn lacks_margin(&self, order: &NewOrder) -> Option<String> {
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
    fn liquidate(&mut self, at: Ts) {
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
            self.reports.push(VenueReport::Account(AccountUpdate::Liquidated { symbol, fill, side }));
        }
    }
}

/// Order numbers that were used, kept small: numbers come in rising order, so all but a few lie below a mark.
#[derive(Debug, Default)]
struct Seen {
    below: u64,
    above: std::collections::BTreeSet<u64>,
}

impl Seen {
    /// Whether the number is new.
    fn insert(&mut self, order: OrderSeq) -> bool {
        if order.0 < self.below || !self.above.insert(order.0) {
            return false;
        }
        while self.above.remove(&self.below) {
            self.below = self.below.saturating_add(1);
        }
        true
    }
}
