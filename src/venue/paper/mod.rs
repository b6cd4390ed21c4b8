//! The paper venue: fills our orders against a market it is told about, in event time only, and errs against us.
//!
//! Pure and deterministic: no clock, no random numbers. The driver feeds market data and requests with their event time
//! and takes reports out when they are due. Every request reaches the venue one latency later and meets the book of
//! that moment; every report reaches us one latency after it happened. The layers, outside in: this file adds latency,
//! `desk` is the account at the venue, `market` is one instrument's book less what we took, `queue` is the place of a
//! resting order, `rules` and `funding` say what they are called.
//!
//! A reduce-only order that is trimmed works with less than its quantity; like the real one it says so at its end, with
//! a cancel of the rest.
//!
//! What it does not do: our orders never move the public market, so size beyond the displayed book is never filled and
//! nobody reacts to us; liquidation closes whole positions at mark and no insurance fund pays for a negative balance.

mod desk;
mod funding;
mod market;
mod queue;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::engine::account::Holding;
use crate::engine::effect::{NewOrder, Protection};
use crate::engine::event::{AccountUpdate, Fill, MarketData, OrderNews, OrderUpdate, Statement};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Rate, Side};
use crate::engine::risk::gate::Approved;
use crate::engine::time::{Span, Ts};

use desk::Desk;

/// What a paper account costs and how far away its venue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaperSettings {
    /// One-way latency: a request takes this long to arrive, a report this long to come back.
    pub latency: Span,
    /// Fee on what an order takes from the book.
    pub taker_fee: Rate,
    /// Fee on what fills a resting order.
    pub maker_fee: Rate,
}

impl Default for PaperSettings {
    /// 120 ms each way, 5.5 and 2 basis points.
    fn default() -> Self {
        Self { latency: Span::from_ms(120), taker_fee: Rate::from_raw(550_000), maker_fee: Rate::from_raw(200_000) }
    }
}

/// News from the venue.
#[derive(Clone, PartialEq, Debug)]
pub enum VenueReport {
    /// About one of our orders.
    Order(OrderUpdate),
    /// About the account.
    Account(AccountUpdate),
}

/// A request on its way to the venue.
#[derive(Clone, Debug)]
enum Request {
    Submit(NewOrder),
    Cancel(OrderSeq),
    CancelAll,
    Protect(Symbol, Protection),
    CancelById(Symbol, String),
    Ask,
}

/// A paper account and the venue that keeps it.
///
/// Latency is the same for everything, so requests and reports travel in queues; both are drained by whoever asks for
/// reports, and hold what one latency produces.
#[derive(Debug)]
pub struct PaperVenue {
    latency: Span,
    /// How far event time has come. It never goes back.
    now: Ts,
    desk: Desk,
    inbox: VecDeque<(Ts, Request)>,
    outbox: VecDeque<(Ts, VenueReport)>,
}

impl PaperVenue {
    /// An account with this balance and these positions. `instruments` are in the run's order: their place is their
    /// [`Symbol`]; a holding of an instrument that is not among them is left out.
    pub fn new(settings: PaperSettings, instruments: Vec<Instrument>, balance: Money, holdings: &[Holding]) -> Self {
        Self {
            latency: Span(settings.latency.0.max(0)),
            now: Ts(i64::MIN),
            desk: Desk::new((settings.taker_fee, settings.maker_fee), instruments, balance, holdings),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Market data of event time `at`: first everything that is due by then happens, then the data is taken in.
    pub fn on_market(&mut self, at: Ts, symbol: Symbol, data: &MarketData) {
        self.advance(at);
        self.desk.hear(self.now, symbol, data);
        self.post(self.now);
    }

    /// Sends an order at `at`; it arrives one latency later.
    pub fn submit(&mut self, at: Ts, order: Approved<NewOrder>) {
        self.send(at, Request::Submit(order.into_inner()));
    }

    /// Sends a cancel at `at`.
    pub fn cancel(&mut self, at: Ts, order: OrderSeq) {
        self.send(at, Request::Cancel(order));
    }

    /// Takes back an order that never left: what of it waits or rests is gone, and what it executed is booked back, which
    /// leaves position and equity as they would be without it. `told` are its executions that were delivered.
    pub fn take_back(&mut self, at: Ts, (symbol, side, order): (Symbol, Side, OrderSeq), told: &[Fill]) {
        self.advance(at);
        self.inbox.retain(|(_, request)| !matches!(request, Request::Submit(sent) if sent.seq == order));
        let mut executed = told.to_vec();
        self.outbox.retain(|(_, report)| match report {
            VenueReport::Order(update) if update.order == order => {
                if let OrderNews::Filled(fill) = &update.what {
                    executed.push(fill.clone());
                }
                false
            }
            _ => true,
        });
        self.desk.take_back(self.now, (symbol, side, order), &executed);
        self.post(self.now);
    }

    /// Sends a cancel of every order of the account at `at`: what a restart does.
    pub fn cancel_all(&mut self, at: Ts) {
        self.send(at, Request::CancelAll);
    }

    /// Asks at `at` for these levels of a position; absent ones stay as they are.
    pub fn protect(&mut self, at: Ts, symbol: Symbol, protection: Protection) {
        self.send(at, Request::Protect(symbol, protection));
    }

    /// Sends a cancel of a protective order at `at`.
    pub fn cancel_by_id(&mut self, at: Ts, symbol: Symbol, order: &str) {
        self.send(at, Request::CancelById(symbol, order.to_owned()));
    }

    /// Asks for the statement at `at`; it says what is true when the question arrives.
    pub fn ask(&mut self, at: Ts) {
        self.send(at, Request::Ask);
    }

    /// When something happens next by itself: a request arrives, a report is delivered, funding of a position settles.
    pub fn next_due(&self) -> Option<Ts> {
        let arrival = self.inbox.front().map(|(at, _)| *at);
        let delivery = self.outbox.front().map(|(at, _)| *at);
        [arrival, delivery, self.desk.funding_due_for_us()].into_iter().flatten().min()
    }

    /// The next report delivered by `now`, with its delivery time.
    pub fn pop_due(&mut self, now: Ts) -> Option<(Ts, VenueReport)> {
        self.advance(now);
        match self.outbox.front() {
            Some((at, _)) if *at <= now => self.outbox.pop_front(),
            _ => None,
        }
    }

    /// What the venue would state now.
    pub fn statement(&self) -> Statement {
        self.desk.statement()
    }

    /// Wallet balance at the venue now, in quote currency.
    pub const fn balance(&self) -> Money {
        self.desk.balance()
    }

    /// Wallet balance plus unrealised PnL at mark; a position that has no mark yet counts at its entry cost.
    pub fn equity(&self) -> Money {
        self.desk.equity()
    }

    /// Positions at the venue now, by symbol, flat ones included.
    pub fn holdings(&self) -> &[Holding] {
        self.desk.holdings()
    }

    fn send(&mut self, at: Ts, request: Request) {
        // A caller whose time lags behind what the venue has seen is answered from there on; the queue stays in order.
        let arrival = (at + self.latency).max(self.now);
        let arrival = self.inbox.back().map_or(arrival, |(last, _)| arrival.max(*last));
        self.inbox.push_back((arrival, request));
    }

    /// Lets everything happen that is due by `to`, in order of time; funding before an arrival of the same moment.
    fn advance(&mut self, to: Ts) {
        loop {
            let arrival = self.inbox.front().map(|(at, _)| *at).filter(|at| *at <= to);
            let funding = self.desk.funding_due().filter(|(at, _)| *at <= to);
            match (funding, arrival) {
                (Some((due, symbol)), arrival) if arrival.is_none_or(|at| due <= at) => {
                    self.desk.settle_funding(due, to, symbol);
                    self.post(due);
                }
                (_, Some(at)) => {
                    if let Some((_, request)) = self.inbox.pop_front() {
                        self.carry_out(at, request);
                        self.post(at);
                    }
                }
                _ => break,
            }
        }
        self.now = self.now.max(to);
    }

    fn carry_out(&mut self, at: Ts, request: Request) {
        match request {
            Request::Submit(order) => self.desk.submit(at, order),
            Request::Cancel(order) => self.desk.cancel(order),
            Request::Protect(symbol, protection) => self.desk.protect(symbol, protection),
            Request::CancelById(symbol, order) => self.desk.cancel_by_id(symbol, &order),
            Request::CancelAll => self.desk.cancel_all("cancelled by us"),
            Request::Ask => self.desk.state(),
        }
    }

    /// Puts what happened at `at` on its way to us.
    fn post(&mut self, at: Ts) {
        for report in self.desk.take_reports() {
            self.outbox.push_back((at + self.latency, report));
        }
    }
}
