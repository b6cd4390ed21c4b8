//! An exchange with one instrument and a market that a test moves by hand.

mod codes;
mod lives;
mod money;
mod protection;

use super::model::{Kind, NewOrder, News, Order, Protection, Refusal, Slot, Status, Tif};
use super::orders::OrderName;
use super::{Amend, Exchange};
use crate::engine::event::{MarketData, Ticker, Trade};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::{Span, Ts};

pub(super) const BTC: Symbol = Symbol(0);
pub(super) const ONE_WAY: Slot = Slot { symbol: BTC, idx: 0 };

pub(super) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}
pub(super) fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap()
}
pub(super) fn usd(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// The exchange and the time.
pub(super) struct Desk {
    pub on: Exchange,
    pub now: Ts,
}

impl Desk {
    /// Bids 100.0 x 2 and 99.5 x 5, asks 100.5 x 2 and 101.0 x 5, mark and index 100, last 100; ten thousand USDT.
    pub fn open() -> Self {
        let rules = Instrument::linear("BTCUSDT", price("0.5"), qty("0.01"));
        let mut desk = Self { on: Exchange::new(vec![rules], usd("10000"), 1), now: Ts::from_ms(1_700_000_000_000) };
        desk.on.advance(desk.now);
        desk.book(&[("100", "2"), ("99.5", "5")], &[("100.5", "2"), ("101", "5")]);
        desk.mark("100");
        desk.print("100", "1", Side::Sell);
        desk.on.take_news();
        desk
    }

    pub fn feed(&mut self, data: &MarketData) {
        self.now = self.now + Span::from_ms(1);
        self.on.market(self.now, BTC, data);
    }

    pub fn book(&mut self, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        let levels = |side: &[(&str, &str)]| side.iter().map(|(p, q)| Level { price: price(p), qty: qty(q) }).collect();
        self.feed(&MarketData::Book(BookUpdate { snapshot: true, bids: levels(bids), asks: levels(asks) }));
    }

    pub fn print(&mut self, at: &str, size: &str, taker: Side) {
        self.feed(&MarketData::Trade(Trade { price: price(at), qty: qty(size), taker }));
    }

    pub fn mark(&mut self, at: &str) {
        let ticker = Ticker {
            mark: Some(price(at)),
            index: Some(price(at)),
            funding_rate: Some(Rate::parse("0.0001").unwrap()),
            ..Ticker::default()
        };
        self.feed(&MarketData::Ticker(ticker));
    }

    pub fn create(&mut self, ask: NewOrder) -> Result<OrderName, Refusal> {
        self.on.create(self.now, ask)
    }

    /// The code a create is refused with.
    pub fn code(&mut self, ask: NewOrder) -> i64 {
        self.create(ask).unwrap_err().code
    }

    pub fn cancel(&mut self, name: &OrderName) -> Result<OrderName, Refusal> {
        self.on.cancel(self.now, BTC, name)
    }

    pub fn amend(&mut self, name: &OrderName, change: &Amend) -> Result<OrderName, Refusal> {
        self.on.amend(self.now, BTC, name, change)
    }

    pub fn order(&self, name: &OrderName) -> Order {
        self.on.orders.find(name).unwrap().clone()
    }

    pub fn status(&self, name: &OrderName) -> Status {
        self.order(name).status
    }

    /// The statuses that were told of an order, in order.
    pub fn told(&mut self, name: &OrderName) -> Vec<Status> {
        let news = self.on.take_news().into_iter();
        news.filter_map(|item| match item {
            News::Order(order) if order.id == name.id => Some(order.status),
            _ => None,
        })
        .collect()
    }

    pub fn size(&self) -> (Option<Side>, Qty) {
        let position = self.on.account.position(ONE_WAY);
        (position.side, position.size)
    }

    /// A position bought at the market.
    pub fn holding(size: &str) -> Self {
        let mut desk = Self::open();
        desk.create(market(Side::Buy, size)).unwrap();
        desk.on.take_news();
        desk
    }
}

pub(super) fn limit(side: Side, at: &str, size: &str) -> NewOrder {
    NewOrder {
        slot: ONE_WAY,
        side,
        kind: Kind::Limit,
        qty: qty(size),
        price: Some(price(at)),
        tif: Tif::Gtc,
        link: String::new(),
        reduce_only: false,
        close_on_trigger: false,
        trigger: None,
        protection: Protection::default(),
        slippage: None,
    }
}

pub(super) fn market(side: Side, size: &str) -> NewOrder {
    NewOrder { kind: Kind::Market, price: None, tif: Tif::Ioc, ..limit(side, "1", size) }
}

pub(super) fn reducing(ask: NewOrder) -> NewOrder {
    NewOrder { reduce_only: true, ..ask }
}

pub(super) fn linked(mut ask: NewOrder, link: &str) -> NewOrder {
    link.clone_into(&mut ask.link);
    ask
}
