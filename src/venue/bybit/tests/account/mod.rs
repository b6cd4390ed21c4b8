//! The account: every order is sent once, and its truth is found whatever is lost.

mod doubts;
mod orders;
mod outages;
mod standing;

use super::*;
use crate::engine::account as engine;
use crate::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use crate::engine::event::{AccountUpdate, Event, Fault, Hold, MarketData, OrderNews, Statement, Tally};
use crate::engine::ids::{OrderSeq, Symbol, order_link_id};
use crate::engine::market::instrument::InstrumentStatus;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::risk::gate::Approved;
use crate::engine::risk::verdict::DenialCode;
use crate::gate::{Gate, Pass};
use crate::venue::Venue;
use crate::venue::bybit::account::requests::cancel;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::limits::Budget;
use crate::venue::bybit::rest::{Placement, Rest, RestError, RestOptions, VenueClock};
use crate::venue::bybit::trade::TradeSocket;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

/// A gate that stays open, and no age that matters.
fn pass(reduces: bool) -> Pass {
    let gate = Gate::default();
    gate.pass(gate.epoch(), Duration::from_secs(60), reduces)
}

/// Nothing stands in the way of this order.
fn leave() -> Leave {
    Leave::new(&Withdrawn::default(), OrderSeq(0), pass(false))
}

/// The venue and everything it said.
pub(super) struct Talk {
    pub(super) venue: BybitVenue,
    pub(super) events: Vec<Event>,
    next: u64,
    /// What orders carry that open.
    pub(super) protection: Protection,
}

impl Talk {
    pub(super) fn new(venue: BybitVenue) -> Self {
        Self { venue, events: Vec::new(), next: 0, protection: Protection::default() }
    }

    /// Connected, the account is known and reached, and what is read beside that has come: no fault hits it.
    pub(super) fn open(rig: &Rig, transport: Transport) -> Self {
        let mut talk = Self::new(rig.venue(transport));
        talk.until("the account", |talk| {
            let opened = talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::Opening(_))));
            let tied = talk.events.iter().any(|e| matches!(e, Event::Account(AccountUpdate::TiedOut(_))));
            opened && tied && talk.held(DenialCode::VenueUnreachable).is_none()
        });
        talk
    }

    pub(super) fn listen(&mut self) {
        self.venue.collect();
        while let Some((_, event)) = self.venue.pop_due(Ts(i64::MAX)) {
            self.events.push(event);
        }
    }

    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        wait(what, || {
            self.listen();
            done(self).then_some(())
        });
    }

    pub(super) fn order(
        &mut self,
        side: Side,
        qty: &str,
        price: &str,
        tif: TimeInForce,
        reduce_only: bool,
    ) -> OrderSeq {
        self.next += 1;
        let seq = OrderSeq(self.next);
        let order = NewOrder {
            seq,
            symbol: Symbol(0),
            side,
            qty: Qty::parse(qty).unwrap(),
            price: Price::parse(price).unwrap(),
            tif,
            reduce_only,
            purpose: Purpose::Entry,
            protection: if reduce_only { Protection::default() } else { self.protection },
            decided: wall(),
        };
        let link_id = order_link_id(Account::Testnet, &Rig::run_id(), seq);
        self.venue.submit(wall(), Approved::for_test(order), &link_id, pass(reduce_only));
        seq
    }

    /// Takes what is there at a price above the market.
    pub(super) fn buy(&mut self, rig: &Rig, qty: &str) -> OrderSeq {
        let price = touch(rig, "asks", 102);
        self.order(Side::Buy, qty, &price, TimeInForce::ImmediateOrCancel, false)
    }

    /// Rests below the market.
    pub(super) fn rest(&mut self, rig: &Rig, qty: &str) -> OrderSeq {
        let price = touch(rig, "bids", 98);
        self.order(Side::Buy, qty, &price, TimeInForce::PostOnly, false)
    }

    pub(super) fn news(&self, seq: OrderSeq) -> Vec<&OrderNews> {
        let orders = self.events.iter().filter_map(|e| if let Event::Order(update) = e { Some(update) } else { None });
        orders.filter(|update| update.order == seq).map(|update| &update.what).collect()
    }

    pub(super) fn filled(&self, seq: OrderSeq) -> Qty {
        let fills = self
            .news(seq)
            .into_iter()
            .filter_map(|n| if let OrderNews::Filled(fill) = n { Some(fill.qty) } else { None });
        fills.sum()
    }

    pub(super) fn has(&self, seq: OrderSeq, what: fn(&OrderNews) -> bool) -> bool {
        self.news(seq).into_iter().any(what)
    }

    /// A hold that is in force.
    pub(super) fn held(&self, code: DenialCode) -> Option<&Hold> {
        let holds = self.events.iter().rev().filter_map(|e| if let Event::Hold(hold) = e { Some(hold) } else { None });
        holds.into_iter().find(|hold| hold.code == code).filter(|hold| hold.detail.is_some())
    }

    pub(super) fn statement(&mut self) -> Statement {
        let before = self.events.len();
        self.venue.ask(wall());
        let mut found = None;
        self.until("a statement", |talk| {
            found = talk.events[before..].iter().find_map(|e| match e {
                Event::Account(AccountUpdate::Statement(statement)) => Some(statement.clone()),
                _ => None,
            });
            found.is_some()
        });
        found.unwrap()
    }

    pub(super) fn told(&self, words: &str) -> bool {
        self.events.iter().any(|e| matches!(e, Event::Told(text) if text.contains(words)))
    }

    /// No execution was told twice.
    pub(super) fn assert_fills_once(&self) {
        let mut seen = BTreeSet::new();
        for event in &self.events {
            if let Event::Order(update) = event
                && let OrderNews::Filled(fill) = &update.what
            {
                assert!(seen.insert(fill.exec_id.clone()), "told twice: {fill:?}");
            }
        }
    }
}

/// A price this many per cent of the best one, on a tenth.
pub(super) fn touch(rig: &Rig, side: &str, percent: i64) -> String {
    let markets = rig.truth("markets");
    let market = markets.iter().find(|market| market["symbol"] == "BTCUSDT").unwrap();
    let best = Price::parse(market[side][0][0].as_str().unwrap()).unwrap().raw();
    let price = best / 100 * percent;
    Price::from_raw(price - price % 100_000_000).to_string()
}

pub(super) const ONE_LOT: &str = "0.01";

pub(super) fn client(rig: &Rig) -> Rest {
    let credentials = Rig::credentials(SECRET);
    let hosts = PrivateHosts::new(&credentials, &rig.overrides()).unwrap();
    Rest::new(RestOptions {
        base: hosts.rest().to_owned(),
        credentials: Some(credentials),
        recv_window_ms: 5_000,
        create_recv_window_ms: 2_500,
        proxy: None,
        limits: rig.limits.clone(),
        clock: Arc::new(VenueClock::default()),
        now: now(),
    })
    .unwrap()
}

/// Where an event stands in what was said.
fn place(events: &[Event], what: impl Fn(&Event) -> bool) -> Option<usize> {
    events.iter().position(what)
}

fn is_lift(event: &Event) -> bool {
    matches!(event, Event::Hold(hold) if hold.code == DenialCode::VenueUnreachable && hold.detail.is_none())
}

fn is_statement(event: &Event) -> bool {
    matches!(event, Event::Account(AccountUpdate::Statement(_)))
}
