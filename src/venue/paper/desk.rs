//! The venue's side of the paper account: what happens to an order once it has arrived, and the account's truth.
//!
//! Nothing here knows of latency; every call is at the venue, at the moment it happens there.

mod account;
pub(super) mod protect;

use super::VenueReport;
use super::market::Market;
use super::rules;
use crate::engine::account::Holding;
use crate::engine::effect::{NewOrder, Protection, TimeInForce};
use crate::engine::event::{AccountUpdate, Fill, MarketData, OrderNews, OrderUpdate, Statement, Ticker, Trade};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::Ts;

/// Working orders per instrument, as at Bybit: one that forgets its orders hears of it here as it would there.
const RESTING_MAX: usize = 500;

const TRIMMED: &str = "CancelByReduceOnly: the rest would not have reduced the position";

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
    /// By symbol: what protects the position.
    protection: Vec<Protection>,
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
            protection: vec![Protection::default(); holdings.len()],
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
        let (protection, protective) = self.stated_protection();
        Statement {
            balance: self.balance,
            positions: open.map(|h| (h.symbol, h.signed)).collect(),
            working,
            unlisted: 0,
            foreign_orders: 0,
            protection,
            protective,
        }
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
            TimeInForce::CloseAtMarket => self.take(at, &NewOrder { price: any_price(order.side), ..order }, want),
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
        if !is_immediate(order.tif) {
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
            self.attach(order);
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
        if is_immediate(order.tif) {
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

    /// An order was never there: it rests no more, and its executions are booked back.
    pub(super) fn take_back(&mut self, at: Ts, (symbol, side, order): (Symbol, Side, OrderSeq), executed: &[Fill]) {
        for market in &mut self.markets {
            market.resting.retain(|resting| resting.order.seq != order);
        }
        for fill in executed {
            self.book_back(at, symbol, side, fill);
        }
        self.settle_resting(symbol);
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
            MarketData::Rules(rules) => market.set_rules(rules),
            MarketData::Bar(_)
            | MarketData::Band { .. }
            | MarketData::Liquidation { .. }
            | MarketData::Missed { .. }
            | MarketData::Pool(_) => {}
        }
        self.trigger(at, symbol);
        let moved = self.market(symbol).is_some_and(|market| market.mark() != mark);
        if moved && self.holdings.get(symbol.index()).is_some_and(|held| !held.is_flat()) {
            self.liquidate(at);
        }
    }

    /// A print reaches our resting orders: its quantity is shared among them once.
    fn trade(&mut self, at: Ts, symbol: Symbol, trade: &Trade) {
        let Some(market) = self.market(symbol) else { return };
        if !market.is_open() || market.resting.is_empty() || trade.price <= Price::ZERO || trade.qty <= Qty::ZERO {
            return;
        }
        let (mut pool, mut late) = (market.open_to_us(trade), Qty::ZERO);
        let executions = self.executions;
        for seq in market.in_line(trade) {
            let Some(market) = self.market_mut(symbol) else { return };
            let step = market.rules.step;
            let Some(resting) = market.resting_mut(seq) else { continue };
            // Only orders at the price of the print know of late ones, and those come last in line.
            let reached = resting.reached_by(at, trade, pool, late);
            late = reached.late;
            let reached = reached.ours.min(resting.left);
            let (order, side) = (resting.order, resting.order.side);
            let allowed = if order.reduce_only { self.reducible(symbol, side) } else { reached };
            let qty = reached.min(allowed).floor_to(step);
            if qty.is_zero() {
                continue;
            }
            pool = pool.saturating_sub(qty);
            let fill = self.execute(at, &Execution { symbol, side, price: order.price, qty, maker: true });
            self.tell(seq, OrderNews::Filled(fill));
            self.attach(&order);
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
        self.reports.push(VenueReport::Account(AccountUpdate::Funding { symbol, rate, amount, settled: None }));
        self.liquidate(at);
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

/// Does it end at once, whatever is left of it?
const fn is_immediate(tif: TimeInForce) -> bool {
    matches!(tif, TimeInForce::ImmediateOrCancel | TimeInForce::CloseAtMarket)
}

/// A bound that bounds nothing.
const fn any_price(side: Side) -> Price {
    match side {
        Side::Buy => Price::from_raw(i64::MAX),
        Side::Sell => Price::from_raw(1),
    }
}
