//! The account's task: passes on what is asked, answered and heard to the bookkeeper, and what the bookkeeper says to the
//! run and to the venue. It decides when the account counts as reached, and when a statement may be told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinSet;

use super::desk::{Desk, Found, Reading, Request};
use super::opening::{self, Names, Opened, Scope, Standing};
use super::requests::{Done, Owed, Parcel, answer_of, cancel, create, look_up, lost_read, lost_write, parcels};
use super::stream::{self, StreamOptions};
use super::tying::Tying;
use super::{AccountOptions, Transport};
use crate::engine::effect::{NewOrder, Protection};
use crate::engine::event::{Event, MarketData};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::num::Money;
use crate::engine::risk::gate::Approved;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::codes::{Action, Next, doubts_rules, is_wrong_mode};
use crate::venue::bybit::holds::Source;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::parse::Rows;
use crate::venue::bybit::parse::rows::{ExecutionRow, OrderRow, PositionRow};
use crate::venue::bybit::rest::{Placement, Rest, RestError};
use crate::venue::bybit::trade::{TradeOptions, TradeSocket};
use crate::venue::line::Outlet;

/// A statement that disagrees is read again for this long before it is told as it is.
const DISAGREE_MAX: Span = Span::from_secs(3);
const READ_AGAIN: Span = Span::from_ms(300);
/// After a reading that failed.
const READ_PAUSE: Span = Span::from_secs(1);
/// A key that was refused is not tried again at once.
const REFUSED_PAUSE: Span = Span::from_secs(30);
/// Before the private stream is made anew, where its task ended.
const ANEW_PAUSE: Duration = Duration::from_secs(1);
/// The venue's clock is measured this often.
const CLOCK_EVERY: Span = Span::from_secs(60);
/// Fees change with the account's level, at most daily.
const FEES_EVERY: Span = Span::from_secs(3_600);
/// Rules are not read more often than this, however many orders are refused.
const RULES_PAUSE: Span = Span::from_secs(30);
/// A refusal that concerns an instrument or the account holds this long, then it is tried again.
const REFUSAL_HOLDS: Span = Span::from_secs(300);
/// Frames that may wait for the bookkeeper.
const HEARD_MAX: usize = 1_024;

/// What the run asks for.
pub enum Command {
    Submit {
        order: Approved<NewOrder>,
        link_id: String,
    },
    Cancel(OrderSeq),
    Protect(Symbol, Protection),
    CancelProtective(Symbol, String),
    Ask,
    /// Ask once, whatever is known of a refusal.
    Retry,
    /// Read the log of transactions.
    TieOut,
    /// The private stream's task ends, as if it had failed.
    #[cfg(test)]
    EndStream,
}

/// What the private stream says.
pub enum Heard {
    Up,
    Down(String),
    KeyRefused(String),
    Orders(Rows<OrderRow>),
    Executions(Rows<ExecutionRow>),
    Positions(Rows<PositionRow>),
    Odd,
}

pub struct Runner {
    options: AccountOptions,
    pub(super) rest: Rest,
    pub(super) outlet: Outlet,
    pub(super) desk: Desk,
    withdrawn: Withdrawn,
    names: Names,
    /// Orders of earlier runs that turned up, by id.
    earlier: BTreeSet<String>,
    trade: Option<TradeSocket>,
    pub(super) done: UnboundedSender<Done>,
    doing: Option<UnboundedReceiver<Done>>,
    /// The private stream, ended with this task.
    side: JoinSet<()>,
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
    /// Holds that end by themselves.
    lifts: BTreeMap<(DenialCode, Option<Symbol>), Ts>,
}

impl Runner {
    pub fn new(options: AccountOptions, rest: Rest, outlet: Outlet, withdrawn: Withdrawn) -> Self {
        let window = Span::from_ms(i64::from(options.create_recv_window_ms));
        let names = Names::new(options.account, &options.run);
        let mut desk = Desk::new(options.symbols.clone(), window);
        desk.restore(&options.earlier);
        let (done, doing) = unbounded_channel();
        let clock_at = outlet.now() + CLOCK_EVERY;
        Self {
            options,
            rest,
            outlet,
            desk,
            withdrawn,
            names,
            earlier: BTreeSet::new(),
            trade: None,
            done,
            doing: Some(doing),
            side: JoinSet::new(),
            up: false,
            reading: false,
            behind: Some(Ts(0)),
            asked: None,
            read_at: None,
            read_to: Ts(0),
            balance: None,
            clock_at,
            fees_at: None,
            tying: Tying::default(),
            rules_read: BTreeMap::new(),
            lifts: BTreeMap::new(),
        }
    }

    /// Runs until nobody commands any more.
    pub async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let Some(mut doing) = self.doing.take() else { return };
        let mut heard = self.listen(Duration::ZERO);
        self.trade = self.start_trade();
        self.unreachable(Some("connecting to the account".into())).await;
        loop {
            self.flush().await;
            let due = self.due();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => {
                        self.on_command(command);
                        // What is asked together leaves together.
                        while let Ok(command) = commands.try_recv() {
                            self.on_command(command);
                        }
                    }
                    None => return,
                },
                news = heard.recv() => {
                    let ended = news.is_none();
                    self.on_heard(news.unwrap_or_else(|| Heard::Down("what listens to it has ended".into()))).await;
                    if ended {
                        heard = self.listen(ANEW_PAUSE);
                    }
                }
                Some(done) = doing.recv() => self.on_done(done).await,
                () = tokio::time::sleep(due) => {}
            }
            self.on_time().await;
        }
    }

    /// Starts to listen to the private stream after a pause, in place of whatever listened before.
    fn listen(&mut self, pause: Duration) -> Receiver<Heard> {
        let (says, heard) = channel(HEARD_MAX);
        let options = &self.options;
        let stream = StreamOptions {
            url: options.hosts.stream(),
            proxy: options.proxy.clone(),
            credentials: options.credentials.clone(),
            heartbeat: options.heartbeat,
        };
        let rest = self.rest.clone();
        self.side = JoinSet::new();
        self.side.spawn(async move {
            tokio::time::sleep(pause).await;
            stream::keep(stream, rest, says).await;
        });
        heard
    }

    fn start_trade(&self) -> Option<TradeSocket> {
        let options = &self.options;
        let url = options.hosts.trade().filter(|_| options.transport == Transport::Socket)?;
        let (proxy, credentials) = (options.proxy.clone(), options.credentials.clone());
        let trade = TradeOptions { url, proxy, credentials, heartbeat: options.heartbeat };
        Some(TradeSocket::start(trade, self.rest.clone()))
    }

    /// Passes on what the bookkeeper says and asks.
    async fn flush(&mut self) {
        for event in self.desk.take_events() {
            if let Event::Order(update) = &event {
                self.forget_withdrawn(update.order);
            }
            self.outlet.say(event).await;
        }
        for parcel in parcels(self.desk.take_requests()) {
            self.post(parcel);
        }
    }

    /// Sends what goes together: as one request by REST, one after the other by the trade socket, which is quicker.
    fn post(&mut self, parcel: Parcel) {
        let by_socket = self.transport(true).is_some();
        match parcel {
            Parcel::One(request) => self.send(request),
            Parcel::Creates(items) if by_socket => {
                for (order, placement) in items {
                    self.send(Request::Create { order, placement });
                }
            }
            Parcel::Cancels(items) if by_socket => {
                for (order, symbol, link_id) in items {
                    self.send(Request::Cancel { order, symbol, link_id });
                }
            }
            Parcel::Creates(items) => self.send_creates(items),
            Parcel::Cancels(items) => self.send_cancels(items),
        }
    }

    /// What is over does not leave any more, withdrawn or not.
    fn forget_withdrawn(&self, order: OrderSeq) {
        if self.desk.is_over(order) {
            self.withdrawn.forget(order);
        }
    }

    fn send_creates(&self, items: Vec<(OrderSeq, Placement)>) {
        let rest = self.rest.clone();
        let (mut asked, mut owed) = (Vec::new(), Vec::new());
        for (order, placement) in items {
            let symbol = self.symbol(&placement.symbol);
            let cut_off = Done::Created(order, symbol, Err(lost_write()));
            owed.push((order, symbol, Owed::new(self.done.clone(), cut_off)));
            let leave = Leave::new(&self.withdrawn, order, placement.reduce_only);
            asked.push((placement, leave));
        }
        tokio::spawn(async move {
            let answers = rest.create_batch(&asked).await;
            for ((order, symbol, owed), answer) in owed.into_iter().zip(answers) {
                owed.pay(Done::Created(order, symbol, answer));
            }
        });
    }

    fn send_cancels(&self, items: Vec<(OrderSeq, String, String)>) {
        let rest = self.rest.clone();
        let (mut asked, mut owed) = (Vec::new(), Vec::new());
        for (order, symbol, link_id) in items {
            owed.push((order, Owed::new(self.done.clone(), Done::Cancelled(order, Err(lost_write())))));
            asked.push((symbol, link_id));
        }
        tokio::spawn(async move {
            let answers = rest.cancel_batch(&asked).await;
            for ((order, owed), answer) in owed.into_iter().zip(answers) {
                owed.pay(Done::Cancelled(order, answer));
            }
        });
    }

    async fn hold(&mut self, code: DenialCode, symbol: Option<Symbol>, source: Source, detail: Option<String>) {
        self.desk.hold(code, symbol, source, detail);
        self.flush().await;
    }
    async fn unreachable(&mut self, why: Option<String>) {
        let detail = why.map(|why| format!("{why}; nothing opens until the account has been read again"));
        self.hold(DenialCode::VenueUnreachable, None, Source::Reading, detail).await;
    }
    async fn key_refused(&mut self, source: Source, why: &str) {
        let detail =
            format!("{why}: check key, secret, address and environment, then start anew; close at the exchange");
        self.hold(DenialCode::VenueKeyRefused, None, source, Some(detail)).await;
    }

    fn due(&self) -> Duration {
        let lift = self.lifts.values().min().copied();
        let due = [
            self.desk.next_due(),
            self.read_at.filter(|_| !self.reading),
            Some(self.clock_at),
            self.fees_at,
            lift,
            self.tying.due(),
        ];
        let now = self.outlet.now();
        let wait = due.into_iter().flatten().min().map_or(CLOCK_EVERY, |due| due.since(now));
        Duration::from_nanos(u64::try_from(wait.0).unwrap_or(0))
    }

    async fn on_time(&mut self) {
        let now = self.outlet.now();
        self.desk.tick(now);
        if self.clock_at <= now {
            self.sync_clock(now);
        }
        if self.fees_at.is_some_and(|at| at <= now) {
            self.read_fees(now);
        }
        self.tie_when_due(now);
        if self.read_at.is_some_and(|at| at <= now) && !self.reading {
            self.read_at = None;
            self.start_reading();
        }
        let over: Vec<_> = self.lifts.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for key in over {
            self.lifts.remove(&key);
            if key.0 == DenialCode::VenueBanned && self.rest.banned().is_some() {
                // Refused anew meanwhile.
                self.note_ban().await;
            } else {
                self.hold(key.0, key.1, Source::Request, None).await;
            }
        }
    }

    /// A moment off gets orders refused: measured beside everything else.
    fn sync_clock(&mut self, now: Ts) {
        self.clock_at = now + CLOCK_EVERY;
        let rest = self.rest.clone();
        // Not reached: what that means is said by the requests that matter.
        tokio::spawn(async move { rest.sync_clock().await.ok() });
    }

    fn on_command(&mut self, command: Command) {
        let now = self.outlet.now();
        match command {
            // Its fills would be taken for what the account held before. A close loop asks again.
            Command::Submit { order, link_id } if !self.desk.is_open() => {
                self.desk.keep_back(now, order.into_inner(), &link_id);
            }
            Command::Submit { order, link_id } => self.desk.submit(now, order.into_inner(), &link_id),
            Command::Cancel(order) => {
                self.desk.cancel(order);
                self.forget_withdrawn(order);
            }
            Command::Protect(symbol, protection) => self.desk.protect(symbol, protection),
            Command::CancelProtective(symbol, order) => self.desk.cancel_protective(symbol, order),
            Command::Ask => {
                self.asked.get_or_insert(now);
                self.read_soon(now);
            }
            Command::TieOut => self.tying.ask(now),
            Command::Retry => {
                let rest = self.rest.clone();
                let owed = Owed::new(self.done.clone(), Done::Retried(Err(lost_read())));
                tokio::spawn(async move {
                    let answer = rest.try_again().await;
                    owed.pay(Done::Retried(answer));
                });
            }
            #[cfg(test)]
            Command::EndStream => self.side.abort_all(),
        }
    }

    /// Something may have been missed: the books are compared with the account before it counts as reached.
    pub(super) fn fall_behind(&mut self) {
        let now = self.outlet.now();
        self.behind = Some(now);
        self.asked.get_or_insert(now);
    }

    pub(super) fn read_soon(&mut self, at: Ts) {
        self.read_at = Some(self.read_at.map_or(at, |due| due.min(at)));
    }

    fn send(&mut self, request: Request) {
        let (rest, done) = (self.rest.clone(), self.done.clone());
        match request {
            Request::Create { order, placement } => {
                let trade = self.transport(placement.reduce_only);
                let symbol = self.symbol(&placement.symbol);
                let leave = Leave::new(&self.withdrawn, order, placement.reduce_only);
                let owed = Owed::new(done, Done::Created(order, symbol, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = create(&rest, trade, &placement, &leave).await;
                    owed.pay(Done::Created(order, symbol, answer));
                });
            }
            Request::Cancel { order, symbol, link_id } => {
                let trade = self.transport(true);
                let owed = Owed::new(done, Done::Cancelled(order, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = cancel(&rest, trade, &symbol, &link_id).await;
                    owed.pay(Done::Cancelled(order, answer));
                });
            }
            Request::LookUp { order, symbol, link_id } => {
                let owed = Owed::new(done, Done::LookedUp(order, Vec::new(), Found::Unknown));
                tokio::spawn(async move {
                    let (executions, found) = look_up(&rest, &symbol, &link_id).await;
                    owed.pay(Done::LookedUp(order, executions, found));
                });
            }
            Request::Protect { symbol, protection } => {
                let name = self.symbol(&symbol);
                let owed = Owed::new(done, Done::Protected(name, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = rest.trading_stop(&symbol, protection).await;
                    owed.pay(Done::Protected(name, answer));
                });
            }
            Request::CancelProtective { symbol, order } => {
                let name = self.symbol(&symbol);
                let owed = Owed::new(done, Done::Protected(name, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = rest.cancel_id(&symbol, &order).await.map(|_| ());
                    owed.pay(Done::Protected(name, answer));
                });
            }
            Request::Reconcile => {
                self.fall_behind();
                let now = self.outlet.now();
                self.read_soon(now);
            }
        }
    }

    /// The trade socket, where it is wanted and open. While REST refuses the address it carries what reduces.
    fn transport(&self, reduces: bool) -> Option<TradeSocket> {
        let open = self.trade.as_ref().filter(|trade| trade.is_open())?;
        (reduces || self.rest.banned().is_none()).then(|| open.clone())
    }

    fn symbol(&self, name: &str) -> Symbol {
        let place = self.options.symbols.iter().position(|known| known == name).unwrap_or(usize::MAX);
        Symbol(u16::try_from(place).unwrap_or(u16::MAX))
    }

    fn start_reading(&mut self) {
        let (rest, done) = (self.rest.clone(), self.done.clone());
        self.reading = true;
        let names = self.names.clone();
        if !self.desk.is_open() {
            let (symbols, earlier) = (self.options.symbols.clone(), self.options.earlier.clone());
            let owed = Owed::new(done, Done::Opened(Box::new(Err(lost_read()))));
            tokio::spawn(async move {
                let opened = opening::open(&rest, &names, &symbols, &earlier).await;
                owed.pay(Done::Opened(Box::new(opened)));
            });
            return;
        }
        // A first answer to a question may be short while the balance is as it was told; one after another answer that
        // disagreed, or after an absence, reads executions too.
        let now = self.outlet.now();
        let doubtful = self.behind.is_some() || self.asked.is_some_and(|asked| now.since(asked) >= READ_AGAIN);
        let scope = Scope {
            version: self.desk.version(),
            since_ms: opening::since_ms(rest.clock().venue_time(now), self.read_to),
            unchanged: self.balance.filter(|_| !doubtful),
            watched: self.desk.watched(),
            names,
        };
        let owed = Owed::new(done, Done::Read(Err(lost_read())));
        tokio::spawn(async move {
            let reading = opening::read(&rest, &scope).await;
            owed.pay(Done::Read(reading));
        });
    }

    /// What key and account allow now.
    fn read_standing(&self) {
        let rest = self.rest.clone();
        let owed = Owed::new(self.done.clone(), Done::Standing(Err(lost_read())));
        tokio::spawn(async move {
            let standing = opening::standing(&rest).await;
            owed.pay(Done::Standing(standing));
        });
    }

    /// What the account pays.
    fn read_fees(&mut self, now: Ts) {
        self.fees_at = Some(now + FEES_EVERY);
        let rest = self.rest.clone();
        let owed = Owed::new(self.done.clone(), Done::Fees(Err(lost_read())));
        tokio::spawn(async move {
            let fees = rest.fees().await;
            owed.pay(Done::Fees(fees));
        });
    }

    /// The rules of an instrument, after a refusal that may mean that they changed.
    fn read_rules(&mut self, symbol: Symbol, now: Ts) {
        let Some(name) = self.options.symbols.get(symbol.index()).cloned() else { return };
        if self.rules_read.get(&symbol).is_some_and(|read| now.since(*read) < RULES_PAUSE) {
            return;
        }
        self.rules_read.insert(symbol, now);
        let rest = self.rest.clone();
        let owed = Owed::new(self.done.clone(), Done::Rules(symbol, Err(lost_read())));
        tokio::spawn(async move {
            let rules = rest.rules(&name).await;
            owed.pay(Done::Rules(symbol, rules));
        });
    }

    async fn on_heard(&mut self, heard: Heard) {
        let now = self.outlet.now();
        match heard {
            Heard::Up => {
                self.up = true;
                // What disagreed during the absence had no chance to agree.
                self.asked = None;
                self.fall_behind();
                self.desk.look_at_all(now);
                self.hold(DenialCode::VenueKeyRefused, None, Source::Stream, None).await;
                self.read_standing();
                self.read_soon(now);
            }
            Heard::Down(why) => {
                self.up = false;
                self.fall_behind();
                self.unreachable(Some(format!("the account's stream is down ({why})"))).await;
            }
            Heard::KeyRefused(why) => {
                self.up = false;
                self.fall_behind();
                // Until it is up again and the books are compared.
                self.unreachable(Some("the account's stream is refused".into())).await;
                self.key_refused(Source::Stream, &why).await;
            }
            Heard::Orders(rows) => {
                self.note_odd(rows.odd.len());
                rows.good.iter().for_each(|row| self.desk.on_order(now, row));
            }
            Heard::Executions(rows) => {
                self.note_odd(rows.odd.len());
                // Before the opening they are part of it.
                if self.desk.is_open() {
                    rows.good.iter().for_each(|row| self.desk.on_execution(now, row));
                }
            }
            Heard::Positions(rows) => {
                self.note_odd(rows.odd.len());
                rows.good.iter().for_each(|row| self.desk.on_position(row));
            }
            Heard::Odd => self.note_odd(1),
        }
    }

    /// What cannot be read in a push is read from the account.
    fn note_odd(&mut self, some: usize) {
        if some > 0 {
            self.fall_behind();
            let now = self.outlet.now();
            self.read_soon(now);
        }
    }

    async fn on_done(&mut self, done: Done) {
        let now = self.outlet.now();
        match done {
            Done::Created(order, symbol, answer) => {
                self.on_trouble(answer.as_ref().err(), Some(symbol)).await;
                self.desk.on_created(now, order, answer_of(answer));
            }
            Done::Cancelled(order, answer) => {
                self.on_trouble(answer.as_ref().err(), None).await;
                self.desk.on_cancelled(now, order, answer_of(answer));
            }
            Done::Protected(symbol, answer) => self.on_protected(now, symbol, answer).await,
            Done::LookedUp(order, executions, found) => {
                self.on_trouble(None, None).await;
                self.desk.on_looked_up(now, order, &executions, &found);
            }
            Done::Standing(Ok(standing)) => {
                self.hold(DenialCode::VenueKeyRefused, None, Source::Request, None).await;
                self.on_standing(standing).await;
            }
            Done::Retried(Ok(())) => {
                self.lifts.remove(&(DenialCode::VenueBanned, None));
                self.hold(DenialCode::VenueBanned, None, Source::Request, None).await;
                self.read_standing();
                self.fall_behind();
                self.read_soon(now);
            }
            Done::Retried(Err(error)) => {
                self.on_trouble(Some(&error), None).await;
                self.outlet.say(Event::Told(format!("tried once more: {error}"))).await;
            }
            Done::Standing(Err(error)) => self.on_trouble(Some(&error), None).await,
            Done::Log(read_to, log) => self.on_log(read_to, log).await,
            Done::Fees(Ok(fees)) => self.desk.on_fees(&fees),
            Done::Rules(symbol, Ok(Some(rules))) => {
                self.outlet.say(Event::Market(symbol, MarketData::Rules(Box::new(rules)))).await;
            }
            Done::Rules(symbol, Ok(None)) => {
                self.refused_for_a_while(Some(symbol), "the exchange does not list it any more", now).await;
            }
            // Fees are not offered everywhere: the configured ones stay. Rules are read every hour anyway.
            Done::Fees(Err(_)) | Done::Rules(_, Err(_)) => {}
            Done::Read(reading) => {
                self.reading = false;
                match reading {
                    Ok(reading) => self.on_reading(now, &reading).await,
                    Err(error) => self.on_unread(now, &error).await,
                }
            }
            Done::Opened(opened) => {
                self.reading = false;
                match *opened {
                    Ok(opened) => self.on_opened(now, opened).await,
                    Err(error) => self.on_unread(now, &error).await,
                }
            }
        }
    }

    /// Whatever was answered: what protects the position is read.
    async fn on_protected(&mut self, now: Ts, symbol: Symbol, answer: Result<(), RestError>) {
        self.on_trouble(answer.as_ref().err(), Some(symbol)).await;
        if let Err(error) = answer {
            self.desk.tell_protection_refused(symbol, &error.to_string());
        }
        self.asked.get_or_insert(now);
        self.read_soon(now);
    }

    async fn on_opened(&mut self, now: Ts, opened: Opened) {
        for note in &opened.standing.notes {
            self.outlet.say(Event::Told(note.clone())).await;
        }
        self.on_standing(opened.standing).await;
        self.read_fees(now);
        self.desk.open(now, &opened.reading, &opened.earlier);
        self.read_to = opened.reading.began_at;
        self.balance = Some(opened.reading.balance);
        // Pushes that came meanwhile are read again.
        self.fall_behind();
        self.flush().await;
        self.read_soon(now);
    }

    async fn on_standing(&mut self, standing: Standing) {
        self.hold(DenialCode::VenueKeyRefused, None, Source::Key, standing.cannot_trade).await;
        self.hold(DenialCode::VenueRefused, None, Source::Kind, standing.wrong_kind).await;
    }

    async fn on_reading(&mut self, now: Ts, reading: &Reading) {
        self.desk.take_reading(now, reading);
        if reading.executions.is_some() {
            self.read_to = reading.began_at;
        }
        self.cancel_earlier(reading).await;
        // What the reading explains comes before any statement.
        self.flush().await;
        let Some(asked) = self.asked else { return };
        // A reading that began before the question may be older than what it asks about; a short one says nothing of what
        // was missed.
        let missed = self.behind.is_some_and(|since| reading.executions.is_none() || reading.began < since);
        let fresh = reading.began >= asked && !missed;
        if !fresh || !(self.desk.agrees(reading) || now.since(asked) >= DISAGREE_MAX) {
            self.read_soon(now + READ_AGAIN);
            return;
        }
        self.asked = None;
        let was_behind = self.behind.take().is_some();
        self.balance = Some(reading.balance);
        self.desk.state(reading);
        self.flush().await;
        // Last: nothing opens on books that were not compared.
        if self.up {
            self.unreachable(None).await;
        }
        if was_behind {
            self.tying.ask(now);
        }
    }

    /// Orders of ours of an earlier run that turn up late end like those that the opening found.
    async fn cancel_earlier(&mut self, reading: &Reading) {
        let open = reading.open.iter().filter(|row| row.status.is_open() && self.names.are_earlier(row));
        let mut turned_up = Vec::new();
        for row in open {
            let link_id = row.link_id.clone().unwrap_or_default();
            let (rest, symbol, link) = (self.rest.clone(), row.symbol.clone(), link_id.clone());
            // Whatever it answers, the next reading shows what is left.
            tokio::spawn(async move { rest.cancel(&symbol, &link).await.ok() });
            if self.earlier.insert(link_id) {
                turned_up.push(format!("{}: an order of an earlier run turned up and is cancelled", row.symbol));
            }
        }
        for text in turned_up {
            self.outlet.say(Event::Told(text)).await;
        }
    }

    /// The account could not be read: nothing opens, and it is tried again.
    async fn on_unread(&mut self, now: Ts, error: &RestError) {
        self.fall_behind();
        self.on_trouble(Some(error), None).await;
        self.unreachable(Some(format!("the account is not read ({error})"))).await;
        let pause = match error {
            RestError::Banned { until } => until.since(now),
            error if error.is_final() => REFUSED_PAUSE,
            _ => READ_PAUSE,
        };
        self.read_soon(now + pause);
    }

    async fn note_ban(&mut self) {
        let Some(until) = self.rest.banned() else { return };
        let detail = format!(
            "until {} the exchange refuses this address: close from the phone: Bybit app > Derivatives > Positions",
            until.clock()
        );
        self.hold(DenialCode::VenueBanned, None, Source::Request, Some(detail)).await;
        self.lifts.insert((DenialCode::VenueBanned, None), until);
    }

    /// Refusals that concern more than their own request.
    async fn on_trouble(&mut self, error: Option<&RestError>, symbol: Option<Symbol>) {
        let now = self.outlet.now();
        self.note_ban().await;
        let Some(RestError::Refused { code, verdict, message }) = error else { return };
        if let Some(symbol) = symbol.filter(|_| is_wrong_mode(*code, message)) {
            self.desk.doubt_mode(symbol);
            return;
        }
        if let Some(symbol) = symbol.filter(|_| doubts_rules(*code)) {
            self.read_rules(symbol, now);
        }
        match (verdict.action, verdict.next) {
            (Action::Halt, _) if is_about_the_key(*code) => self.key_refused(Source::Request, verdict.meaning).await,
            (Action::Halt, _) => self.refused_for_a_while(None, verdict.meaning, now).await,
            (_, Next::LeaveSymbol) => self.refused_for_a_while(symbol, verdict.meaning, now).await,
            (_, Next::SyncClock) => self.sync_clock(now),
            (_, Next::Reconcile) => {
                self.fall_behind();
                self.read_soon(now);
            }
            _ => {}
        }
    }

    async fn refused_for_a_while(&mut self, symbol: Option<Symbol>, why: &str, now: Ts) {
        let again = now + REFUSAL_HOLDS;
        let detail = format!("{why}; tried again at {}", again.clock());
        self.hold(DenialCode::VenueRefused, symbol, Source::Request, Some(detail)).await;
        self.lifts.insert((DenialCode::VenueRefused, symbol), again);
    }
}

/// Codes that say that the key, not the account, is refused (contract 4).
const fn is_about_the_key(code: i64) -> bool {
    matches!(code, 10_003 | 10_004 | 10_005 | 10_007 | 10_010 | -2015 | 33_004)
}
