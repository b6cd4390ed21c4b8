//! Venues: where orders go and fills come from, and the markets behind them. A new venue is one folder here.

pub mod bybit;
pub mod line;
pub mod paper;
pub mod sim;
pub mod simulated;

use crate::engine::effect::{Errand, NewOrder, Protection};
use crate::engine::event::{Event, MarketData};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::risk::gate::Approved;
use crate::engine::time::Ts;
use crate::gate::Pass;

/// A place that takes our orders and tells what became of them. Requests never block: what a venue says comes back as
/// events, each with the time at which it was heard.
pub trait Venue: Send {
    /// Public market data of event time `at`, for a venue that fills against it.
    fn on_market(&mut self, at: Ts, symbol: Symbol, data: &MarketData);
    /// Sends an order, once. Its intent is durable under `link_id`; `pass` is asked where its bytes are written.
    fn submit(&mut self, at: Ts, order: Approved<NewOrder>, link_id: &str, pass: Pass);
    /// Asks for the end of an order; may be repeated freely.
    fn cancel(&mut self, at: Ts, order: OrderSeq);
    /// Asks for the venue's own statement of the account.
    fn ask(&mut self, at: Ts);
    /// Asks what the venue's own log of transactions adds up to.
    fn tie_out(&mut self, at: Ts);
    /// Sets what protects a position; what is absent stays as it is. May be repeated freely.
    fn protect(&mut self, at: Ts, symbol: Symbol, protection: Protection);
    /// Cancels an order that carries no number of ours, by the venue's id; may be repeated freely.
    fn cancel_by_id(&mut self, at: Ts, symbol: Symbol, order: &str);
    /// Asks once whether the venue still refuses this address or key.
    fn retry(&mut self, at: Ts);
    /// Does something outside the run, beside everything else; a receipt comes back.
    fn run_errand(&mut self, at: Ts, errand: Errand);
    /// An order whose id another one has is over: a person has looked.
    fn settle(&mut self, at: Ts, order: OrderSeq);
    /// Takes in what arrived since the last call, where other threads listen.
    fn collect(&mut self);
    /// When the next event is due, if one is known.
    fn next_due(&self) -> Option<Ts>;
    /// The next event due by `now`, with its time.
    fn pop_due(&mut self, now: Ts) -> Option<(Ts, Event)>;
}

impl Venue for paper::PaperVenue {
    fn on_market(&mut self, at: Ts, symbol: Symbol, data: &MarketData) {
        Self::on_market(self, at, symbol, data);
    }
    fn submit(&mut self, at: Ts, order: Approved<NewOrder>, _: &str, _: Pass) {
        Self::submit(self, at, order);
    }
    fn cancel(&mut self, at: Ts, order: OrderSeq) {
        Self::cancel(self, at, order);
    }
    fn ask(&mut self, at: Ts) {
        Self::ask(self, at);
    }
    fn tie_out(&mut self, _: Ts) {}
    fn protect(&mut self, at: Ts, symbol: Symbol, protection: Protection) {
        Self::protect(self, at, symbol, protection);
    }
    fn cancel_by_id(&mut self, at: Ts, symbol: Symbol, order: &str) {
        Self::cancel_by_id(self, at, symbol, order);
    }
    fn retry(&mut self, _: Ts) {}
    fn run_errand(&mut self, _: Ts, _: Errand) {}
    fn settle(&mut self, _: Ts, _: OrderSeq) {}
    fn collect(&mut self) {}
    fn next_due(&self) -> Option<Ts> {
        Self::next_due(self)
    }
    fn pop_due(&mut self, now: Ts) -> Option<(Ts, Event)> {
        let (at, report) = Self::pop_due(self, now)?;
        let event = match report {
            paper::VenueReport::Order(update) => Event::Order(update),
            paper::VenueReport::Account(update) => Event::Account(update),
        };
        Some((at, event))
    }
}
