//! The bookkeeper of our orders at the venue: takes what was asked for, answered, pushed and read, in any order, and says
//! what the engine hears and what must be asked next. Pure: no I/O, time is an argument.
//!
//! Executions are the truth for fills; an order's end is told only when its executions add up to what the venue says was
//! filled; an unclear outcome is settled by asking and by nothing else. Nothing in here asks for a create twice: the one
//! request is made where the order is taken up.

mod account;
mod adopt;
mod own;
mod protect;
#[cfg(test)]
mod tests;
mod ties;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use account::{Reading, Settled};
pub(super) use adopt::CLOCK_WRONG;
use own::{End, EndKind, Lot, Own};
pub use ties::Tie;

use super::opening::Names;
use crate::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use crate::engine::event::{AccountUpdate, EarlierOrder, Event, FillKind, MarketData, OrderNews, OrderUpdate};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Qty};
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::parse::rows::{ExecKind, ExecutionRow, OrderRow};
use crate::venue::bybit::rescue::is_rescue_link;
use crate::venue::bybit::rest::Placement;

/// It must have been asked for, again and again, for this long, and nothing found, before an order counts as never accepted
/// (contract 8.9): its age says nothing where nobody asked, as during a suspend or between two runs.
const VERDICT_AFTER: Span = Span::from_secs(60);
/// An ended order is remembered this long: what comes late is still recognised as ours.
const REMEMBERED: Span = Span::from_secs(86_400);
/// Execution ids remembered.
const SEEN_MAX: usize = 50_000;
/// An accepted request that is followed by no push is asked for after this long.
const PUSH_WITHIN: Span = Span::from_secs(2);
/// Executions that are missing are asked for after this long.
const FILLS_WITHIN: Span = Span::from_secs(1);
/// A create that has had no answer at all is asked for after this long: longer than any request takes.
const ANSWER_WITHIN: Span = Span::from_secs(12);
/// The first look after an unclear answer.
const LOOK_FIRST: Span = Span::from_ms(300);

/// What the bookkeeper wants asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Send this order, once.
    Create {
        /// Our order.
        order: OrderSeq,
        /// As it is sent.
        placement: Placement,
    },
    /// Ask for its end.
    Cancel {
        /// Our order.
        order: OrderSeq,
        /// Instrument.
        symbol: String,
        /// Our id of it.
        link_id: String,
    },
    /// Read it by its id: open orders, history, executions.
    LookUp {
        /// Our order.
        order: OrderSeq,
        /// Instrument.
        symbol: String,
        /// Our id of it.
        link_id: String,
    },
    /// Set what protects a position; what is absent stays as it is.
    Protect {
        /// Instrument.
        symbol: String,
        /// The levels.
        protection: Protection,
    },
    /// Ask for the end of an order that carries no number of ours, by the venue's id.
    CancelById {
        /// Instrument.
        symbol: String,
        /// The venue's id.
        order: String,
    },
    /// Read the account: something moved that we cannot explain.
    Reconcile,
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Accepted for processing.
    Accepted,
    /// A documented refusal.
    Refused(String),
    /// Nobody knows.
    Unclear(String),
    /// Refused because its id is known already, of this order or of another one: nobody knows until it has been read.
    Duplicate(String),
    /// It never left.
    Unsent(String),
}

/// What a look-up found.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// The order.
    Row(Box<OrderRow>),
    /// Neither open, nor in the history, nor executed: every read succeeded. Not a verdict by itself.
    Nothing,
    /// A read failed.
    Unknown,
}

/// The bookkeeper.
#[derive(Debug)]
pub struct Desk {
    symbols: Vec<String>,
    links: BTreeMap<String, OrderSeq>,
    orders: BTreeMap<OrderSeq, Own>,
    /// Executions told, by instrument and id.
    seen: BTreeSet<(String, String)>,
    seen_order: VecDeque<(String, String)>,
    /// Signed positions as the engine was told of them.
    told: BTreeMap<Symbol, i64>,
    /// Executions and the opening: a reading that saw this number change may be older than what was told.
    version: u64,
    /// Orders whose price the venue moved.
    moved_prices: u64,
    account: account::Known,
    /// Protective orders that were seen, by the venue's id.
    protective: BTreeMap<String, Purpose>,
    window: Span,
    /// How far the venue's clock is ahead of ours, as measured.
    ahead: Span,
    /// Orders at the venue, by its id, that have an id of ours and are not ours.
    aliens: BTreeSet<String>,
    /// How our orders are called, of whichever run.
    names: Option<Names>,
    /// When an earlier run was last heard of; `None` where there was none.
    heard: Option<Ts>,
    events: Vec<Event>,
    requests: Vec<Request>,
}

impl Desk {
    /// A bookkeeper for these instruments, in the run's order. `window` is how long a create stays valid at the venue.
    pub fn new(symbols: Vec<String>, window: Span) -> Self {
        Self {
            symbols,
            links: BTreeMap::new(),
            orders: BTreeMap::new(),
            seen: BTreeSet::new(),
            seen_order: VecDeque::new(),
            told: BTreeMap::new(),
            version: 0,
            moved_prices: 0,
            account: account::Known::default(),
            protective: BTreeMap::new(),
            window,
            ahead: Span(0),
            aliens: BTreeSet::new(),
            names: None,
            heard: None,
            events: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Takes up orders of earlier runs, which the opening looks up and which are never sent. What is booked of them is known.
    pub fn restore(&mut self, earlier: &[EarlierOrder]) {
        for old in earlier {
            let name = self.name(old.order.symbol);
            self.seen.extend(old.execs.iter().map(|exec| (name.clone(), exec.clone())));
            let mut own = Own::new(old.order.decided, old.order, &old.link_id);
            (own.seen, own.seen_before, own.filled) = (old.seen, old.seen, old.filled);
            self.links.insert(old.link_id.clone(), old.order.seq);
            self.orders.insert(old.order.seq, own);
        }
    }

    /// After earlier runs: orders of these names are ours, and these executions, by instrument and id, are booked.
    /// The newest of them was heard of at `heard`.
    pub fn know(&mut self, names: Names, booked: Vec<(String, String)>, heard: Option<Ts>) {
        self.names = Some(names);
        self.heard = heard;
        self.seen.extend(booked);
    }

    /// What the engine hears, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
    /// What must be asked.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }
    /// Changes with everything that moves a position we told of.
    pub const fn version(&self) -> u64 {
        self.version
    }
    /// Has this order ended, as far as was told?
    pub fn is_over(&self, order: OrderSeq) -> bool {
        self.orders.get(&order).is_some_and(|own| own.over.is_some())
    }

    fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.iter().position(|known| known == name).and_then(|place| u16::try_from(place).ok()).map(Symbol)
    }
    fn name(&self, symbol: Symbol) -> String {
        self.symbols.get(symbol.index()).cloned().unwrap_or_default()
    }
    fn say(&mut self, order: OrderSeq, what: OrderNews) {
        self.events.push(Event::Order(OrderUpdate { order, what }));
    }
    /// Tells the person something.
    pub(super) fn tell(&mut self, text: String) {
        self.tell_event(Event::Told(text));
    }
    /// Tells what the task itself knows.
    pub(super) fn tell_event(&mut self, event: Event) {
        self.events.push(event);
    }
    /// Tells the rules of an instrument.
    pub(super) fn tell_rules(&mut self, symbol: Symbol, rules: Instrument) {
        self.events.push(Event::Market(symbol, MarketData::Rules(Box::new(rules))));
    }

    /// Takes up an order: the only place that asks for a create.
    pub fn submit(&mut self, at: Ts, order: NewOrder, link_id: &str) {
        if self.orders.contains_key(&order.seq) || self.links.contains_key(link_id) {
            return;
        }
        let placement = Placement::of(&order, &self.name(order.symbol), link_id);
        self.links.insert(link_id.to_owned(), order.seq);
        let mut own = Own::new(at, order, link_id);
        own.made = Some(at + self.ahead);
        own.look_in(at, ANSWER_WITHIN);
        self.orders.insert(order.seq, own);
        self.requests.push(Request::Create { order: order.seq, placement });
    }

    /// Does not take up an order: the account it would trade on is not known yet.
    pub fn keep_back(&mut self, at: Ts, order: NewOrder, link_id: &str) {
        let seq = order.seq;
        self.links.insert(link_id.to_owned(), seq);
        self.orders.insert(seq, Own::new(at, order, link_id));
        self.end(at, seq, OrderNews::Unsent("the account at the exchange has not been read yet".into()));
    }

    /// Asks for an order's end. One request at a time; an order that is over needs none.
    pub fn cancel(&mut self, order: OrderSeq) {
        let Some(own) = self.orders.get_mut(&order) else { return };
        // It may overtake the create: then it finds nothing, and is repeated once the order is there.
        own.cancel_early |= !own.accepted;
        self.request_cancel(order);
    }

    fn request_cancel(&mut self, order: OrderSeq) {
        let Some(own) = self.orders.get_mut(&order).filter(|own| !own.cancelling) else { return };
        if own.over.is_some() && !own.denied {
            return;
        }
        if own.holder.is_some() && own.venue_id.is_none() {
            // Asked by its id, the other order would end.
            let why = "another order at the exchange has its id, and is not ours to cancel".to_owned();
            return self.say(order, OrderNews::CancelRejected(why));
        }
        own.cancelling = true;
        let (symbol, link_id) = (own.order.symbol, own.link_id.clone());
        let symbol = self.name(symbol);
        self.requests.push(Request::Cancel { order, symbol, link_id });
    }

    /// The answer to the create.
    pub fn on_created(&mut self, at: Ts, order: OrderSeq, answer: Answer) {
        let Some(own) = self.orders.get_mut(&order).filter(|own| own.over.is_none()) else { return };
        own.duplicate |= matches!(answer, Answer::Duplicate(_));
        if self.settle_duplicate(at, order) {
            return;
        }
        let Some(own) = self.orders.get_mut(&order) else { return };
        match answer {
            Answer::Accepted => {
                if !own.seen {
                    own.look_in(at, PUSH_WITHIN);
                    self.say(order, OrderNews::Acked);
                }
            }
            // A push may have overtaken the answer, and it knows better.
            Answer::Refused(_) | Answer::Unsent(_) if own.seen => own.look_in(at, LOOK_FIRST),
            Answer::Refused(why) => {
                own.denied = true;
                self.end(at, order, OrderNews::Rejected(why));
            }
            Answer::Unsent(why) => {
                own.denied = true;
                self.end(at, order, OrderNews::Unsent(why));
            }
            Answer::Unclear(_) | Answer::Duplicate(_) if own.accepted || own.end.is_some() => {
                own.look_in(at, LOOK_FIRST);
            }
            Answer::Unclear(why) | Answer::Duplicate(why) => {
                own.look_in(at, LOOK_FIRST);
                self.say(order, OrderNews::Uncertain(why));
            }
        }
    }

    /// The answer to a cancel.
    pub fn on_cancelled(&mut self, at: Ts, order: OrderSeq, answer: Answer) {
        let Some(own) = self.orders.get_mut(&order) else { return };
        own.cancelling = false;
        if own.over.is_some() {
            return;
        }
        match answer {
            Answer::Accepted => own.look_in(at, PUSH_WITHIN),
            // "No such order, or too late" proves nothing (contract 4): its end is read.
            Answer::Unclear(_) | Answer::Duplicate(_) => own.look_in(at, LOOK_FIRST),
            Answer::Refused(why) => {
                own.look_in(at, LOOK_FIRST);
                self.say(order, OrderNews::CancelRejected(why));
            }
            Answer::Unsent(why) => self.say(order, OrderNews::CancelRejected(format!("not sent: {why}"))),
        }
    }

    /// A state of an order, pushed or read.
    pub fn on_order(&mut self, at: Ts, row: &OrderRow) {
        self.note_protective(row);
        let Some(order) = self.adopt(at, row) else { return };
        let Some(own) = self.orders.get_mut(&order) else { return };
        own.seen = true;
        own.unlisted = 0;
        self.compare_price(order, row);
        let Some(own) = self.orders.get_mut(&order) else { return };
        if row.status.is_closed() {
            let end = End::of(row, &own.order);
            match &mut own.end {
                // A fill may still beat a cancel that was reported first (contract 0.14).
                Some(old) if old.filled >= end.filled => {}
                old => *old = Some(end),
            }
            self.settle(at, order);
        } else if row.status.is_open() {
            self.on_open(at, order, row);
        } else {
            own.look_in(at, LOOK_FIRST);
        }
    }

    fn on_open(&mut self, at: Ts, order: OrderSeq, row: &OrderRow) {
        let Some(own) = self.orders.get_mut(&order) else { return };
        if own.over.is_some() || own.end.is_some() {
            // Late news of an order that has ended; but one that was told as never there must not go on working.
            if own.denied && !own.cancelling {
                self.tell(format!("order {} works at the exchange after all: it is cancelled", row.order_id));
                self.request_cancel(order);
            }
            return;
        }
        if row.filled > own.filled {
            own.look_in(at, FILLS_WITHIN);
        } else {
            own.look = None;
        }
        let cancel = own.cancel_early;
        if !std::mem::replace(&mut own.accepted, true) {
            own.cancel_early = false;
            self.say(order, OrderNews::Accepted);
            if cancel {
                self.request_cancel(order);
            }
        }
    }

    /// A limit price that is not the one we sent was moved by the venue: told once for each order, and counted.
    fn compare_price(&mut self, order: OrderSeq, row: &OrderRow) {
        let bounded = |own: &&mut Own| !own.price_told && own.order.tif != TimeInForce::CloseAtMarket;
        let Some(own) = self.orders.get_mut(&order).filter(bounded) else { return };
        let ours = own.order.price;
        let Some(price) = row.price.filter(|price| *price != ours) else { return };
        own.price_told = true;
        self.moved_prices += 1;
        let count = self.moved_prices;
        self.tell(format!(
            "{}: the exchange moved the price of our order from {ours} to {price} ({count} in this run)",
            row.symbol
        ));
    }

    /// An execution, pushed or read. Told once.
    pub fn on_execution(&mut self, at: Ts, row: &ExecutionRow) {
        if !self.remember(row) {
            return;
        }
        let order = self.adopt_traded(at, row);
        if self.is_before_opening(row) {
            self.account.ties.covered(row);
            return self.on_late(at, order, row);
        }
        match (order, self.symbol(&row.symbol)) {
            (Some(order), Some(_)) => self.on_fill(at, order, row),
            (_, Some(symbol)) => self.on_foreign(symbol, row),
            (_, None) => {
                let (name, side) = (&row.symbol, row.side.word());
                let by_choice = row.link_id.as_deref().is_some_and(is_rescue_link);
                let text = if by_choice {
                    format!("{name} {side} {} @ {}: closed outside the run, by choice", row.qty, row.price)
                } else {
                    format!("{name}: something was traded or paid that is not of this run")
                };
                self.tell(text);
            }
        }
    }

    /// Did an order of ours trade that no ledger knows? A closing order leaves also when the disk does not take its intent.
    fn is_of_an_unknown_order(&self, row: &ExecutionRow) -> bool {
        let named = |link: &str| self.names.as_ref().is_some_and(|names| names.is_ours(link));
        let ours = |link: &str| named(link) && !self.links.contains_key(link);
        row.kind == ExecKind::Trade && row.link_id.as_deref().is_some_and(ours)
    }

    /// An execution that was listed only after the account was opened with it: told as what it is, and as one that the opening's
    /// position and balance hold. What others did is part of what was found.
    fn on_late(&mut self, at: Ts, order: Option<OrderSeq>, row: &ExecutionRow) {
        let Some(kind) = self.late_kind(order, row) else { return };
        let own = order.and_then(|order| self.orders.get_mut(&order));
        let Some(own) = own else { return self.cover(at, (kind, None), row) };
        own.seen = true;
        match own.judge(row) {
            Lot::New => self.cover(at, (kind, order), row),
            Lot::Doubtful => {
                own.doubtful.push(row.clone());
                own.look_in(at, LOOK_FIRST);
            }
            Lot::Beyond => self.tell(not_booked(row, "the order had no such quantity left")),
        }
    }

    /// Tells an execution that the opening holds; no position moves.
    fn cover(&mut self, at: Ts, (kind, order): (FillKind, Option<OrderSeq>), row: &ExecutionRow) {
        let Some(symbol) = self.symbol(&row.symbol) else { return };
        let (side, fill) = (row.side, Self::as_fill(row));
        self.tell_event(Event::Account(AccountUpdate::Covered { kind, order, symbol, side, fill }));
        let Some(order) = order else { return };
        let Some(own) = self.orders.get_mut(&order) else { return };
        own.accepted = true;
        own.filled += row.qty;
        if own.filled >= own.order.qty {
            // The engine ends it by its own count.
            self.close(at, order);
        }
        self.settle(at, order);
    }

    /// Why a late execution happened, where it is booked: of an order of ours, or after an earlier run of what acts for it.
    fn late_kind(&self, order: Option<OrderSeq>, row: &ExecutionRow) -> Option<FillKind> {
        match (row.kind, self.protective_purpose(row)) {
            _ if order.is_some() => Some(FillKind::Trade),
            _ if self.heard.is_none() => None,
            (_, Some(Purpose::TakeProfit)) => Some(FillKind::TakeProfit),
            (_, Some(_)) => Some(FillKind::Stop),
            (ExecKind::Adl, _) => Some(FillKind::Deleveraging),
            (ExecKind::Bust, _) => Some(FillKind::Liquidation),
            (ExecKind::Settlement, _) => Some(FillKind::Settlement),
            (ExecKind::Trade, _) => row.link_id.as_deref().filter(|link| is_rescue_link(link)).map(|_| FillKind::Trade),
            _ => None,
        }
    }

    /// By id alone: the fills of one match share their sequence and may be alike in price and quantity, so nothing else
    /// tells a repeat from another fill. Where an order of ours says how much there can be, [`Own::judge`] looks closer; what a
    /// stop, the rescue or somebody else traded under a second id makes told and stated positions differ, which is read again,
    /// tells and reduces: better than to drop a fill that is one.
    fn remember(&mut self, row: &ExecutionRow) -> bool {
        let key = (row.symbol.clone(), row.exec_id.clone());
        if !self.seen.insert(key.clone()) {
            return false;
        }
        self.seen_order.push_back(key);
        while self.seen_order.len() > SEEN_MAX {
            if let Some(old) = self.seen_order.pop_front() {
                self.seen.remove(&old);
            }
        }
        true
    }

    fn on_fill(&mut self, at: Ts, order: OrderSeq, row: &ExecutionRow) {
        let Some(own) = self.orders.get_mut(&order) else { return };
        own.seen = true;
        match own.judge(row) {
            Lot::New => self.book(at, order, row),
            Lot::Doubtful => {
                own.doubtful.push(row.clone());
                if own.over.is_none() {
                    own.look_in(at, LOOK_FIRST);
                } else {
                    // Its end was told by the venue's own count: the account says whether more came after all.
                    self.requests.push(Request::Reconcile);
                }
            }
            Lot::Beyond => {
                self.tell(not_booked(row, "the order had no such quantity left"));
                self.requests.push(Request::Reconcile);
            }
        }
    }

    fn book(&mut self, at: Ts, order: OrderSeq, row: &ExecutionRow) {
        let Some(own) = self.orders.get_mut(&order) else { return };
        own.accepted = true;
        own.filled += row.qty;
        let (symbol, side) = (own.order.symbol, own.order.side);
        let full = own.filled >= own.order.qty;
        let cancel = std::mem::take(&mut own.cancel_early) && !full;
        self.move_told(symbol, side.sign().saturating_mul(row.qty.raw()));
        let fill = self.fill_of(row);
        self.say(order, OrderNews::Filled(fill));
        if full {
            // The engine ends it by its own count.
            self.close(at, order);
        }
        if cancel {
            self.request_cancel(order);
        }
        self.settle(at, order);
    }

    fn move_told(&mut self, symbol: Symbol, by: i64) {
        self.version += 1;
        let told = self.told.entry(symbol).or_default();
        *told = told.saturating_add(by);
    }

    /// Tells an end once its executions have arrived; asks for them where they are late.
    fn settle(&mut self, at: Ts, order: OrderSeq) {
        let Some(own) = self.orders.get_mut(&order).filter(|own| own.over.is_none()) else { return };
        let Some(end) = own.end.clone() else { return };
        if own.filled < end.filled {
            own.look_in(at, FILLS_WITHIN);
            return;
        }
        let news = match end.kind {
            EndKind::Rejected if own.filled.is_zero() => OrderNews::Rejected(end.why),
            EndKind::Rejected | EndKind::Cancelled => OrderNews::Cancelled(end.why),
        };
        self.end(at, order, news);
    }

    fn end(&mut self, at: Ts, order: OrderSeq, news: OrderNews) {
        self.close(at, order);
        self.say(order, news);
    }

    fn close(&mut self, at: Ts, order: OrderSeq) {
        if let Some(own) = self.orders.get_mut(&order) {
            own.over.get_or_insert(at);
            own.look = None;
            let repeats = std::mem::take(&mut own.doubtful);
            for row in repeats {
                self.tell(not_booked(&row, "the exchange's own list has no room for it"));
            }
        }
    }

    /// What a look-up found: its executions first, so that no end is told before its fills.
    pub fn on_looked_up(&mut self, at: Ts, order: OrderSeq, executions: &[ExecutionRow], found: &Found) {
        let tries = self.orders.get_mut(&order).map_or(0, Own::looked);
        // Whose they are is said by the order's own row best.
        if let Found::Row(row) = found {
            self.adopt(at, row);
        }
        // Those in doubt are among the listed ones, or were told before under another id.
        let doubtful = self.orders.get_mut(&order).map(|own| {
            own.take_list(executions);
            std::mem::take(&mut own.doubtful)
        });
        for row in executions {
            self.on_execution(at, row);
        }
        for row in doubtful.into_iter().flatten() {
            let late = self.is_before_opening(&row);
            let Some(own) = self.orders.get_mut(&order) else { break };
            match own.judge(&row) {
                Lot::New if late => self.cover(at, (FillKind::Trade, Some(order)), &row),
                Lot::New => self.book(at, order, &row),
                // Should the list lag, the order's count shows that something is missing, and it is read again.
                Lot::Doubtful | Lot::Beyond => own.doubtful.push(row),
            }
        }
        if let Found::Row(row) = found {
            self.on_order(at, row);
        }
        let Some(own) = self.orders.get_mut(&order).filter(|own| own.over.is_none()) else { return };
        if matches!(found, Found::Row(row) if row.status.is_open() && row.filled <= own.filled) {
            return;
        }
        let asked_for = if *found == Found::Nothing { own.found_nothing(at) } else { Span(0) };
        let never = !own.seen && own.end.is_none() && at.since(own.sent) > self.window + Span::from_secs(1);
        if never && asked_for >= VERDICT_AFTER {
            own.denied = true;
            let why = format!("never accepted: nothing of it at the exchange in {asked_for} of asking");
            self.end(at, order, OrderNews::Rejected(why));
            // Should it turn up all the same, it does not live.
            self.request_cancel(order);
            return;
        }
        own.look_again(at, tries);
        if tries == own::TRIES_TOLD {
            let text = format!("order {}: the exchange does not tell its end; it is asked on and on", own.link_id);
            self.tell(text);
        }
    }

    /// Asks what is due to be asked.
    pub fn tick(&mut self, at: Ts) {
        let due = self.orders.iter_mut().filter_map(|(order, own)| own.start_look(at).then_some(*order));
        let due: Vec<OrderSeq> = due.collect();
        for order in due {
            let Some(own) = self.orders.get(&order) else { continue };
            let (symbol, link_id) = (self.name(own.order.symbol), own.link_id.clone());
            self.requests.push(Request::LookUp { order, symbol, link_id });
        }
        let links = &mut self.links;
        self.orders.retain(|_, own| {
            let keep = own.over.is_none_or(|over| at.since(over) < REMEMBERED);
            if !keep {
                links.remove(&own.link_id);
            }
            keep
        });
    }

    /// When [`Self::tick`] has something to ask.
    pub fn next_due(&self) -> Option<Ts> {
        self.orders.values().filter_map(Own::due).min()
    }

    /// Looks every working order up: the streams were away.
    pub fn look_at_all(&mut self, at: Ts) {
        for own in self.orders.values_mut().filter(|own| own.over.is_none()) {
            own.forget_silence();
            own.look_in(at, Span(0));
        }
    }

    /// Fee in the settlement coin. One in another coin does not touch the balance we keep.
    fn fee_of(row: &ExecutionRow) -> Money {
        let own = |coin: &str| coin.is_empty() || coin == "USDT";
        let fee = if own(row.fee_coin.as_deref().unwrap_or("")) { row.fee } else { Money::ZERO };
        fee + row.extra_fees.iter().filter(|(coin, _)| own(coin)).map(|(_, amount)| *amount).sum()
    }
}

/// For the person: an execution that was told before under another id.
fn not_booked(row: &ExecutionRow, why: &str) -> String {
    format!(
        "{}: execution {} ({} @ {}) repeats one with another id and is not booked: {why}",
        row.symbol, row.exec_id, row.qty, row.price
    )
}

/// Filled so far, for statements about an order.
fn of_total(filled: Qty, qty: Qty) -> String {
    if filled.is_zero() { String::new() } else { format!(" after {filled} of {qty}") }
}
