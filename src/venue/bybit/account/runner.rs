//! What the account's task decides: passes on what is asked, answered and heard to the bookkeeper, says when the account is
//! read, when it counts as reached, and when a statement may be told. Pure: no I/O, time is an argument; [`super::task`]
//! does what is wanted and comes back with it.

use std::collections::{BTreeMap, BTreeSet};

use super::desk::{Desk, Reading, Request};
use super::jobs::{Ask, Done, Heard, Moment};
use super::lights::{key_light, leverage_light};
use super::opening::{self, Before, Names, Opened, Scope, Standing};
use super::requests::answer_of;
use super::tying::Tying;
use crate::engine::effect::{Errand, NewOrder, Protection};
use crate::engine::event::{AccountUpdate, Event, Fault};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::num::Money;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::codes::{Action, Next, doubts_rules, is_wrong_mode};
use crate::venue::bybit::holds::Source;
use crate::venue::bybit::parse::rows::OrderRow;
use crate::venue::bybit::rescue::is_rescue_link;
use crate::venue::bybit::rest::RestError;

/// A statement that disagrees is read again for this long before it is told as it is.
const DISAGREE_MAX: Span = Span::from_secs(3);
const READ_AGAIN: Span = Span::from_ms(300);
/// A reading that began longer ago says nothing of now.
const READ_WITHIN: Span = Span::from_secs(8);
/// After a reading that failed.
const READ_PAUSE: Span = Span::from_secs(1);
/// A key that was refused, or an account that another engine has, is not tried again at once.
const REFUSED_PAUSE: Span = Span::from_secs(30);
/// The venue's clock is measured this often.
const CLOCK_EVERY: Span = Span::from_secs(60);
/// Fees change with the account's level, at most daily.
const FEES_EVERY: Span = Span::from_secs(3_600);
/// Rules are not read more often than this, however many orders are refused.
const RULES_PAUSE: Span = Span::from_secs(30);
/// A refusal that concerns an instrument or the account holds this long, then it is tried again.
const REFUSAL_HOLDS: Span = Span::from_secs(300);
/// An order with our prefix that was created this soon after we looked may have been on its way from a run before us; a
/// later one was made by an engine that trades beside us.
const ON_ITS_WAY: Span = if cfg!(test) { Span::from_ms(300) } else { Span::from_secs(10) };

/// The account's task without its sockets.
#[derive(Debug)]
pub struct Runner {
    symbols: Vec<String>,
    pub(super) desk: Desk,
    names: Names,
    /// Orders of earlier runs that turned up, by id.
    earlier: BTreeSet<String>,
    /// When the account was first looked at, on the venue's clock.
    opened_at: Option<Ts>,
    /// When the newest order of another engine was made that was told of, ms on the venue's clock.
    another: Option<i64>,
    up: bool,
    /// An opening or a reading is under way.
    reading: bool,
    /// Since when executions must be read before the account counts as reached.
    behind: Option<Ts>,
    /// Since when a statement is asked for.
    asked: Option<Ts>,
    read_at: Option<Ts>,
    /// When the last whole reading began, on the venue's clock: executions are known up to then, whatever was pushed since.
    read_to: Ts,
    /// The balance as it was last told.
    balance: Option<Money>,
    clock_at: Ts,
    /// When fees are read again; not before the account is known.
    fees_at: Option<Ts>,
    pub(super) tying: Tying,
    /// When an instrument's rules were read after a refusal.
    rules_read: BTreeMap<Symbol, Ts>,
    /// What the opening has to explain.
    before: Box<Before>,
    /// Holds that end by themselves.
    lifts: BTreeMap<(DenialCode, Option<Symbol>), Ts>,
    requests: Vec<Request>,
    pub(super) asks: Vec<Ask>,
    /// The highest leverage at the venue that is no finding.
    leverage_most: u32,
}

impl Runner {
    /// With the highest leverage at the venue that is no finding.
    pub const fn judging_leverage(mut self, most: u32) -> Self {
        self.leverage_most = most;
        self
    }

    /// Of the account and run of these names and of these instruments, from `now` on. `window` is how long a create stays valid at the venue.
    pub fn new(names: Names, symbols: Vec<String>, window: Span, before: Before, now: Ts) -> Self {
        let mut desk = Desk::new(symbols.clone(), window);
        desk.restore(&before.orders);
        desk.know(names.clone(), before.booked.clone(), before.heard);
        let mut runner = Self {
            desk,
            symbols,
            names,
            before: Box::new(before),
            earlier: BTreeSet::new(),
            opened_at: None,
            another: None,
            up: false,
            reading: false,
            behind: Some(Ts(0)),
            asked: None,
            read_at: None,
            read_to: Ts(0),
            balance: None,
            clock_at: now + CLOCK_EVERY,
            fees_at: None,
            tying: Tying::default(),
            rules_read: BTreeMap::new(),
            lifts: BTreeMap::new(),
            requests: Vec::new(),
            asks: Vec::new(),
            leverage_most: u32::MAX,
        };
        runner.unreachable(Some("connecting to the account".into()));
        runner
    }

    /// What the run hears, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.desk.take_events()
    }

    /// What is to be done, in order.
    pub fn take_asks(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    /// What is to be asked about orders, in order; what is taken together may leave together.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// Has this order ended, as far as was told?
    pub fn is_over(&self, order: OrderSeq) -> bool {
        self.desk.is_over(order)
    }

    /// When [`Self::on_time`] has something to do.
    pub fn next_due(&self) -> Option<Ts> {
        let lift = self.lifts.values().min().copied();
        let due = [
            self.desk.next_due(),
            self.read_at.filter(|_| !self.reading),
            Some(self.clock_at),
            self.fees_at,
            lift,
            self.tying.due(),
        ];
        due.into_iter().flatten().min()
    }

    /// An approved order: it is asked for once.
    pub fn submit(&mut self, at: &Moment, order: NewOrder, link_id: &str) {
        self.desk.measured(at.venue.since(at.now));
        if self.desk.is_open() {
            self.desk.submit(at.now, order, link_id);
        } else {
            // Its fills would be taken for what the account held before. A close loop asks again.
            self.desk.keep_back(at.now, order, link_id);
        }
        self.pass_on(at);
    }

    /// The end of an order is wanted.
    pub fn cancel(&mut self, at: &Moment, order: OrderSeq) {
        self.desk.cancel(order);
        self.pass_on(at);
    }

    /// Levels of a position are wanted.
    pub fn protect(&mut self, at: &Moment, symbol: Symbol, protection: Protection) {
        self.desk.protect(symbol, protection);
        self.pass_on(at);
    }

    /// The end of an order that carries no number of ours is wanted, by the venue's id.
    pub fn cancel_by_id(&mut self, at: &Moment, symbol: Symbol, order: String) {
        self.desk.cancel_by_id(symbol, order);
        self.pass_on(at);
    }

    /// A statement is wanted.
    pub fn ask(&mut self, at: &Moment) {
        self.asked.get_or_insert(at.now);
        self.read_soon(at.now);
    }

    /// Passes on what the bookkeeper wants asked.
    fn pass_on(&mut self, at: &Moment) {
        for request in self.desk.take_requests() {
            if request == Request::Reconcile {
                self.fall_behind(at);
                self.read_soon(at.now);
            } else {
                self.requests.push(request);
            }
        }
    }

    fn hold(&mut self, code: DenialCode, symbol: Option<Symbol>, source: Source, detail: Option<String>) {
        self.desk.hold(code, symbol, source, detail);
    }
    fn unreachable(&mut self, why: Option<String>) {
        let detail = why.map(|why| format!("{why}; nothing opens until the account has been read again"));
        self.hold(DenialCode::VenueUnreachable, None, Source::Reading, detail);
    }
    fn key_refused(&mut self, source: Source, why: &str) {
        let detail =
            format!("{why}: check key, secret, address and environment, then start anew; close at the exchange");
        self.hold(DenialCode::VenueKeyRefused, None, source, Some(detail));
    }

    /// Does what is due.
    pub fn on_time(&mut self, at: &Moment) {
        let now = at.now;
        self.desk.tick(now);
        if self.clock_at <= now {
            self.sync_clock(now);
        }
        if self.fees_at.is_some_and(|due| due <= now) {
            self.read_fees(now);
        }
        self.tie_when_due(at);
        if self.read_at.is_some_and(|due| due <= now) && !self.reading {
            self.read_at = None;
            self.start_reading(at);
        }
        let over: Vec<_> = self.lifts.iter().filter(|(_, due)| **due <= now).map(|(key, _)| *key).collect();
        for key in over {
            self.lifts.remove(&key);
            if key.0 == DenialCode::VenueBanned && at.banned.is_some() {
                // Refused anew meanwhile.
                self.note_ban(at);
            } else {
                self.hold(key.0, key.1, Source::Request, None);
            }
        }
        self.pass_on(at);
    }

    /// A moment off gets orders refused: measured beside everything else.
    fn sync_clock(&mut self, now: Ts) {
        self.clock_at = now + CLOCK_EVERY;
        // Not reached: what that means is said by the requests that matter.
        self.asks.push(Ask::Clock);
    }

    /// Asks once, whatever is known of a refusal.
    pub fn retry(&mut self) {
        self.asks.push(Ask::Retry);
    }

    /// A person has looked at an order whose id another one has.
    pub fn settle(&mut self, at: &Moment, order: OrderSeq) {
        self.desk.settle_by_hand(at.now, order);
        self.pass_on(at);
    }

    /// Something outside the run is wanted.
    pub fn run_errand(&mut self, errand: Errand) {
        self.asks.push(Ask::Errand(errand));
    }

    /// The log of transactions is wanted.
    pub fn tie_out(&mut self, at: &Moment) {
        self.tying.ask(at.now);
    }

    /// Something may have been missed: the books are compared with the account before it counts as reached.
    pub(super) fn fall_behind(&mut self, at: &Moment) {
        self.behind = Some(at.now);
        self.asked.get_or_insert(at.now);
    }

    pub(super) fn read_soon(&mut self, due: Ts) {
        self.read_at = Some(self.read_at.map_or(due, |before| before.min(due)));
    }

    /// The instrument of this name; one that does not exist where it is not of the run.
    pub fn symbol(&self, name: &str) -> Symbol {
        let place = self.symbols.iter().position(|known| known == name).unwrap_or(usize::MAX);
        Symbol(u16::try_from(place).unwrap_or(u16::MAX))
    }

    fn start_reading(&mut self, at: &Moment) {
        self.reading = true;
        if !self.desk.is_open() {
            let scope = Scope {
                version: 0,
                since_ms: opening::first_ms(at, &self.before),
                unchanged: None,
                watched: self.symbols.clone(),
                names: self.names.clone(),
            };
            self.asks.push(Ask::Open(scope, self.before.clone()));
            return;
        }
        // A first answer to a question may be short while the balance is as it was told; one after another answer that
        // disagreed, or after an absence, reads executions too.
        let doubtful = self.behind.is_some() || self.asked.is_some_and(|asked| at.now.since(asked) >= READ_AGAIN);
        self.asks.push(Ask::Read(Scope {
            version: self.desk.version(),
            since_ms: opening::since_ms(at.venue, self.read_to),
            unchanged: self.balance.filter(|_| !doubtful),
            watched: self.desk.watched(),
            names: self.names.clone(),
        }));
    }

    /// What the account pays.
    fn read_fees(&mut self, now: Ts) {
        self.fees_at = Some(now + FEES_EVERY);
        self.asks.push(Ask::Fees);
    }

    /// The rules of an instrument, after a refusal that may mean that they changed.
    fn read_rules(&mut self, symbol: Symbol, now: Ts) {
        let Some(name) = self.symbols.get(symbol.index()).cloned() else { return };
        if self.rules_read.get(&symbol).is_some_and(|read| now.since(*read) < RULES_PAUSE) {
            return;
        }
        self.rules_read.insert(symbol, now);
        self.asks.push(Ask::Rules(symbol, name));
    }

    /// The private stream says something.
    pub fn on_heard(&mut self, at: &Moment, heard: Heard) {
        let now = at.now;
        match heard {
            Heard::Up => {
                self.up = true;
                // What disagreed during the absence had no chance to agree.
                self.asked = None;
                self.fall_behind(at);
                self.desk.look_at_all(now);
                self.hold(DenialCode::VenueKeyRefused, None, Source::Stream, None);
                self.asks.push(Ask::Standing);
                self.read_soon(now);
            }
            Heard::Down(why) => {
                self.up = false;
                self.fall_behind(at);
                self.unreachable(Some(format!("the account's stream is down ({why})")));
            }
            Heard::KeyRefused(why) => {
                self.up = false;
                self.fall_behind(at);
                // Until it is up again and the books are compared.
                self.unreachable(Some("the account's stream is refused".into()));
                self.key_refused(Source::Stream, &why);
            }
            Heard::Orders(rows) => {
                self.note_odd(at, rows.odd.len());
                self.look_for_another(&rows.good);
                rows.good.iter().for_each(|row| self.desk.on_order(now, row));
            }
            Heard::Executions(rows) => {
                self.note_odd(at, rows.odd.len());
                // Before the opening they are part of it.
                if self.desk.is_open() {
                    rows.good.iter().for_each(|row| self.desk.on_execution(now, row));
                }
            }
            Heard::Positions(rows) => {
                self.note_odd(at, rows.odd.len());
                rows.good.iter().for_each(|row| self.desk.on_position(row));
            }
            Heard::Odd => self.note_odd(at, 1),
        }
        self.pass_on(at);
    }

    /// What cannot be read in a push is read from the account.
    fn note_odd(&mut self, at: &Moment, some: usize) {
        if some > 0 {
            self.fall_behind(at);
            self.read_soon(at.now);
        }
    }

    /// Something that was to be done is done.
    pub fn on_done(&mut self, at: &Moment, done: Done) {
        let now = at.now;
        match done {
            Done::Created(order, symbol, answer) => {
                self.on_trouble(at, answer.as_ref().err(), Some(symbol));
                self.desk.on_created(now, order, answer_of(answer));
            }
            Done::Cancelled(order, answer) => {
                self.on_trouble(at, answer.as_ref().err(), None);
                self.desk.on_cancelled(now, order, answer_of(answer));
            }
            Done::Protected(symbol, answer) => self.on_protected(at, symbol, answer),
            Done::CancelledById(symbol, order, answer) => {
                self.on_trouble(at, answer.as_ref().err(), Some(symbol));
                if let Err(error) = answer {
                    self.desk.tell_not_cancelled(symbol, &order, &error.to_string());
                }
                self.ask(at);
            }
            Done::LookedUp(order, executions, found) => {
                self.on_trouble(at, None, None);
                self.desk.on_looked_up(now, order, &executions, &found);
            }
            Done::Standing(Ok(standing)) => {
                self.hold(DenialCode::VenueKeyRefused, None, Source::Request, None);
                self.on_standing(standing);
            }
            Done::Retried(Ok(())) => {
                self.lifts.remove(&(DenialCode::VenueBanned, None));
                self.hold(DenialCode::VenueBanned, None, Source::Request, None);
                self.asks.push(Ask::Standing);
                self.fall_behind(at);
                self.read_soon(now);
            }
            Done::Retried(Err(error)) => {
                self.on_trouble(at, Some(&error), None);
                self.desk.tell(format!("tried once more: {error}"));
            }
            Done::Standing(Err(error)) => self.on_trouble(at, Some(&error), None),
            Done::ErrandOver(errand, done, receipt) => {
                self.desk.tell_event(Event::Account(AccountUpdate::ErrandOver { errand, done, receipt }));
                self.ask(at);
            }
            Done::Log(read_to, log) => self.on_log(at, read_to, log),
            Done::Fees(Ok(fees)) => self.desk.on_fees(&fees),
            Done::Rules(symbol, Ok(Some(rules))) => {
                self.desk.tell_rules(symbol, rules);
            }
            Done::Rules(symbol, Ok(None)) => {
                self.refused_for_a_while(Some(symbol), "the exchange does not list it any more", now);
            }
            // Fees are not told everywhere: the configured ones stay. Rules are read every hour.
            Done::Fees(Err(_)) | Done::Rules(_, Err(_)) => {}
            Done::Read(reading) => {
                self.reading = false;
                match reading {
                    Ok(reading) => self.on_reading(at, &reading),
                    Err(error) => self.on_unread(at, &error),
                }
            }
            Done::Opened(opened) => {
                self.reading = false;
                match *opened {
                    Ok(opened) => self.on_opened(at, opened),
                    Err(error) => self.on_unread(at, &error),
                }
            }
        }
        self.pass_on(at);
    }

    /// Whatever was answered: what protects the position is read.
    fn on_protected(&mut self, at: &Moment, symbol: Symbol, answer: Result<(), RestError>) {
        self.on_trouble(at, answer.as_ref().err(), Some(symbol));
        if let Err(error) = answer {
            self.desk.tell_protection_refused(symbol, &error.to_string());
        }
        self.asked.get_or_insert(at.now);
        self.read_soon(at.now);
    }

    fn on_opened(&mut self, at: &Moment, opened: Opened) {
        let now = at.now;
        for note in &opened.standing.notes {
            self.desk.tell(note.clone());
        }
        self.on_standing(opened.standing);
        self.desk.tell_event(Event::Checked(leverage_light(&opened.reading, self.leverage_most)));
        self.read_fees(now);
        self.desk.measured(opened.reading.began_at.since(opened.reading.began));
        self.desk.open(now, &opened.reading, &opened.earlier);
        self.read_to = opened.reading.began_at;
        self.opened_at = Some(opened.reading.began_at);
        self.balance = Some(opened.reading.balance);
        // Pushes that came meanwhile are read again.
        self.fall_behind(at);
        self.read_soon(now);
    }

    fn on_standing(&mut self, standing: Standing) {
        self.desk.tell_event(Event::Checked(key_light(&standing, self.names.are_real())));
        self.hold(DenialCode::VenueKeyRefused, None, Source::Key, standing.cannot_trade);
        self.hold(DenialCode::VenueRefused, None, Source::Kind, standing.wrong_kind);
    }

    fn on_reading(&mut self, at: &Moment, reading: &Reading) {
        let now = at.now;
        self.desk.take_reading(now, reading);
        if reading.executions.is_some() {
            self.read_to = reading.began_at;
        }
        self.cancel_earlier(reading);
        // What the reading shows to be missing makes it too old.
        self.pass_on(at);
        let Some(asked) = self.asked else { return };
        // A reading that began before the question may be older than what it asks about; a short one says nothing of what
        // was missed.
        let missed = self.behind.is_some_and(|since| reading.executions.is_none() || reading.began < since);
        // Nor does one that took so long: this machine slept meanwhile, and the answers are from before.
        let slept = now.since(reading.began) > READ_WITHIN;
        let fresh = reading.began >= asked && !missed && !slept;
        if !fresh || !(self.desk.agrees(reading) || now.since(asked) >= DISAGREE_MAX) {
            self.read_soon(now + READ_AGAIN);
            return;
        }
        self.asked = None;
        let was_behind = self.behind.take().is_some();
        self.balance = Some(reading.balance);
        self.desk.state(reading);
        // Last: nothing opens on books that were not compared.
        if self.up {
            self.unreachable(None);
        }
        if was_behind {
            self.tying.ask(now);
        }
    }

    /// Orders of ours of an earlier run that turn up late end like those that the opening found.
    fn cancel_earlier(&mut self, reading: &Reading) {
        self.look_for_another(&reading.open);
        let open = reading.open.iter().filter(|row| row.status.is_open() && self.names.are_earlier(row));
        let mut turned_up = Vec::new();
        for row in open {
            let link_id = row.link_id.clone().unwrap_or_default();
            self.asks.push(Ask::CancelEarlier(row.symbol.clone(), link_id.clone()));
            if self.earlier.insert(link_id) {
                turned_up.push(format!("{}: an order of an earlier run turned up and is cancelled", row.symbol));
            }
        }
        for text in turned_up {
            self.desk.tell(text);
        }
    }

    /// An order of ours, of another run and made after we came: two engines trade on one account, and neither's limits hold.
    /// Both trip, because neither can know which of them should; and again where the other goes on after a reset.
    fn look_for_another(&mut self, rows: &[OrderRow]) {
        let Some(opened) = self.opened_at else { return };
        let after = self.another.unwrap_or_else(|| (opened + ON_ITS_WAY).as_ms());
        // What a rescue of ours closes with (a guardian, a watchdog, `tickdeck kill`) is no engine's.
        let of_a_rescue = |row: &&OrderRow| row.link_id.as_deref().is_some_and(is_rescue_link);
        let theirs = rows.iter().filter(|row| self.names.are_earlier(row) && !of_a_rescue(row));
        let theirs = theirs.filter_map(|row| row.created_ms.filter(|ms| *ms > after).map(|ms| (ms, row)));
        let Some((made, row)) = theirs.max_by_key(|(made, _)| *made) else { return };
        self.another = Some(made);
        let link = row.link_id.as_deref().unwrap_or_default();
        let why = format!(
            "another engine trades on this account (its order {link} in {}): stop one of them, then reset",
            row.symbol
        );
        self.desk.tell_event(Event::Fault(Fault::Internal(why)));
    }

    /// The account could not be read: nothing opens, and it is tried again.
    fn on_unread(&mut self, at: &Moment, error: &RestError) {
        let now = at.now;
        self.fall_behind(at);
        self.on_trouble(at, Some(error), None);
        self.unreachable(Some(format!("the account is not read ({error})")));
        let pause = match error {
            RestError::Banned { until } => until.since(now),
            RestError::Taken(_) => REFUSED_PAUSE,
            error if error.is_final() => REFUSED_PAUSE,
            _ => READ_PAUSE,
        };
        self.read_soon(now + pause);
    }

    fn note_ban(&mut self, at: &Moment) {
        let Some(until) = at.banned else { return };
        let detail = format!(
            "until {} the exchange refuses this address: close from the phone: Bybit app > Derivatives > Positions",
            until.clock()
        );
        self.hold(DenialCode::VenueBanned, None, Source::Request, Some(detail));
        self.lifts.insert((DenialCode::VenueBanned, None), until);
    }

    /// Refusals that concern more than their own request.
    fn on_trouble(&mut self, at: &Moment, error: Option<&RestError>, symbol: Option<Symbol>) {
        let now = at.now;
        self.note_ban(at);
        let Some(RestError::Refused { code, verdict, message }) = error else { return };
        if let Some(symbol) = symbol.filter(|_| is_wrong_mode(*code, message)) {
            self.desk.doubt_mode(symbol);
            return;
        }
        if let Some(symbol) = symbol.filter(|_| doubts_rules(*code)) {
            self.read_rules(symbol, now);
        }
        match (verdict.action, verdict.next) {
            (Action::Halt, _) if is_about_the_key(*code) => self.key_refused(Source::Request, verdict.meaning),
            (Action::Halt, _) => self.refused_for_a_while(None, verdict.meaning, now),
            (_, Next::LeaveSymbol) => self.refused_for_a_while(symbol, verdict.meaning, now),
            (_, Next::SyncClock) => self.sync_clock(now),
            (_, Next::Reconcile) => {
                self.fall_behind(at);
                self.read_soon(now);
            }
            _ => {}
        }
    }

    fn refused_for_a_while(&mut self, symbol: Option<Symbol>, why: &str, now: Ts) {
        let again = now + REFUSAL_HOLDS;
        let detail = format!("{why}; tried again at {}", again.clock());
        self.hold(DenialCode::VenueRefused, symbol, Source::Request, Some(detail));
        self.lifts.insert((DenialCode::VenueRefused, symbol), again);
    }
}

/// Codes that say that the key, not the account, is refused (contract 4).
const fn is_about_the_key(code: i64) -> bool {
    matches!(code, 10_003 | 10_004 | 10_005 | 10_007 | 10_010 | -2015 | 33_004)
}
