//! A venue, its time, and short words for what happens: what stories are told with.

use super::super::*;
use super::{BTC, m, ms, p, q};
use crate::engine::effect::{Purpose, TimeInForce};
use crate::engine::event::{Fill, OrderNews, Ticker, Trade};
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty, Side};

fn levels(pairs: &[(&str, &str)]) -> Vec<Level> {
    pairs.iter().map(|(price, qty)| Level { price: p(price), qty: q(qty) }).collect()
}

/// A venue, its time, and short words for what happens.
pub(super) struct Story {
    pub(super) venue: PaperVenue,
    pub(super) now: i64,
    next: u64,
}

impl Story {
    /// Bids 99 x 5, 98 x 10; asks 101 x 5, 102 x 10; tick 0.5, step 0.1, 10,000 in the account.
    pub(super) fn begin() -> Self {
        Self::with(m("10000"), &[])
    }
    pub(super) fn with(balance: Money, holdings: &[Holding]) -> Self {
        let rules = Instrument::linear("BTCUSDT", p("0.5"), q("0.1"));
        let venue = PaperVenue::new(PaperSettings::default(), vec![rules], balance, holdings);
        let mut story = Self { venue, now: 0, next: 1 };
        story.snapshot(&[("99", "5"), ("98", "10")], &[("101", "5"), ("102", "10")]);
        story
    }
    pub(super) fn data(&mut self, data: &MarketData) {
        self.venue.on_market(ms(self.now), BTC, data);
    }
    pub(super) fn book(&mut self, snapshot: bool, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        self.data(&MarketData::Book(BookUpdate { snapshot, bids: levels(bids), asks: levels(asks) }));
    }
    pub(super) fn snapshot(&mut self, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        self.book(true, bids, asks);
    }
    pub(super) fn delta(&mut self, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        self.book(false, bids, asks);
    }
    pub(super) fn print(&mut self, taker: Side, price: &str, qty: &str) {
        self.data(&MarketData::Trade(Trade { price: p(price), qty: q(qty), taker }));
    }
    pub(super) fn mark(&mut self, mark: &str) {
        self.data(&MarketData::Ticker(Ticker { mark: Some(p(mark)), ..Ticker::default() }));
    }
    pub(super) fn order(&self, side: Side, qty: &str, price: &str, tif: TimeInForce) -> NewOrder {
        NewOrder {
            seq: OrderSeq(self.next),
            symbol: BTC,
            side,
            qty: q(qty),
            price: p(price),
            tif,
            reduce_only: false,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: ms(self.now),
        }
    }
    pub(super) fn send(&mut self, order: NewOrder) {
        self.next = self.next.max(order.seq.0 + 1);
        self.venue.submit(ms(self.now), Approved::for_test(order));
    }
    /// Sends an order and lets it arrive.
    pub(super) fn place(&mut self, side: Side, qty: &str, price: &str, tif: TimeInForce) {
        self.send(self.order(side, qty, price, tif));
        self.wait(120);
    }
    pub(super) fn close(&mut self, side: Side, qty: &str, price: &str, tif: TimeInForce) {
        self.send(NewOrder { reduce_only: true, purpose: Purpose::Close, ..self.order(side, qty, price, tif) });
        self.wait(120);
    }
    pub(super) fn wait(&mut self, span_ms: i64) {
        self.now += span_ms;
        self.venue.advance(ms(self.now));
    }
    /// Everything reported until now and within one latency, in words.
    pub(super) fn news(&mut self) -> Vec<String> {
        self.now += 120;
        std::iter::from_fn(|| self.venue.pop_due(ms(self.now))).map(|(_, report)| words(&report)).collect()
    }
    pub(super) fn position(&self) -> i64 {
        self.venue.holdings()[0].signed
    }
    pub(super) fn ahead(&self, order: u64) -> Option<Qty> {
        let market = self.venue.desk.market(BTC).unwrap();
        market.resting.iter().find(|r| r.order.seq.0 == order).unwrap().ahead()
    }
}

fn fill_words(fill: &Fill) -> String {
    format!("{} @ {} {} fee {}", fill.qty, fill.price, if fill.maker { "maker" } else { "taker" }, fill.fee)
}

pub(super) fn words(report: &VenueReport) -> String {
    match report {
        VenueReport::Order(OrderUpdate { order, what }) => {
            let what = match what {
                OrderNews::Accepted => "accepted".to_owned(),
                OrderNews::Filled(fill) => format!("filled {}", fill_words(fill)),
                OrderNews::Rejected(why) => format!("rejected: {why}"),
                OrderNews::Cancelled(why) => format!("cancelled: {}", why.split(':').next().unwrap()),
                OrderNews::CancelRejected(_) => "cancel rejected".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{} {what}", order.0)
        }
        VenueReport::Account(AccountUpdate::Funding { amount, .. }) => format!("funding {amount}"),
        VenueReport::Account(AccountUpdate::Liquidated { fill, side, .. }) => {
            format!("liquidated {} {}", side.word(), fill_words(fill))
        }
        VenueReport::Account(AccountUpdate::Statement(s)) => {
            let working: Vec<u64> = s.working.iter().map(|o| o.0).collect();
            format!("statement {} {:?} {working:?}", s.balance, s.positions)
        }
        VenueReport::Account(AccountUpdate::Protection { protection, .. }) => {
            let level = |level: Option<Price>| level.map_or("none".to_owned(), |level| level.to_string());
            format!("protected by stop {} target {}", level(protection.stop), level(protection.take_profit))
        }
        VenueReport::Account(AccountUpdate::Protected { side, fill, purpose, .. }) => {
            format!("{} {} {}", purpose.word(), side.word(), fill_words(fill))
        }
        other @ VenueReport::Account(_) => panic!("a paper venue does not say {other:?}"),
    }
}
