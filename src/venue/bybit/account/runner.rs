//! The account's task: passes on what is asked, answered and heard to the bookkeeper, and what the bookkeeper says to the
//! run and to the venue. It decides when the account counts as reached, and when a statement may be told.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinSet;

use super::desk::{Answer, Desk, Found, Reading, Request};
use super::opening::{self, Opened};
use super::stream::{self, StreamOptions};
use super::{AccountOptions, Transport};
use crate::engine::effect::NewOrder;
use crate::engine::event::Event;
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::risk::gate::Approved;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};
use crate::venue::bybit::codes::{Action, Next};
use crate::venue::bybit::holds::Holds;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::parse::Rows;
use crate::venue::bybit::parse::rest::orders::OrderRef;
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
/// The venue's clock is measured this often.
const CLOCK_EVERY: Span = Span::from_secs(60);
/// A refusal that concerns an instrument or the account holds this long, then it is tried again.
const REFUSAL_HOLDS: Span = Span::from_secs(300);
/// Frames that may wait for the bookkeeper.
const HEARD_MAX: usize = 1_024;

/// What the run asks for.
pub enum Command {
    Submit { order: Approved<NewOrder>, link_id: String },
    Cancel(OrderSeq),
    Ask,
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

/// What requests came back with.
enum Done {
    Created(OrderSeq, Symbol, Result<OrderRef, RestError>),
    Cancelled(OrderSeq, Result<OrderRef, RestError>),
    LookedUp(OrderSeq, Vec<ExecutionRow>, Found),
    Read(Result<Reading, RestError>),
    Opened(Box<Result<Opened, RestError>>),
}

pub struct Runner {
    options: AccountOptions,
    rest: Rest,
    outlet: Outlet,
    desk: Desk,
    withdrawn: Withdrawn,
    holds: Holds,
    trade: Option<TradeSocket>,
    done: UnboundedSender<Done>,
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
    clock_at: Ts,
    /// Holds that end by themselves.
    lifts: BTreeMap<(DenialCode, Option<Symbol>), Ts>,
}

impl Runner {
    pub fn new(options: AccountOptions, rest: Rest, outlet: Outlet, withdrawn: Withdrawn) -> Self {
        let window = Span::from_ms(i64::from(options.create_recv_window_ms));
        let desk = Desk::new(options.symbols.clone(), window);
        let (done, doing) = unbounded_channel();
        let clock_at = outlet.now() + CLOCK_EVERY;
        Self {
            options,
            rest,
            outlet,
            desk,
            withdrawn,
            holds: Holds::default(),
            trade: None,
            done,
            doing: Some(doing),
            side: JoinSet::new(),
            up: false,
            reading: false,
            behind: Some(Ts(0)),
            asked: None,
            read_at: None,
            clock_at,
            lifts: BTreeMap::new(),
        }
    }

    /// Runs until nobody commands any more.
    pub async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let Some(mut doing) = self.doing.take() else { return };
        let mut heard = self.connect();
        self.unreachable(Some("connecting to the account".into())).await;
        loop {
            self.flush().await;
            let due = self.due();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                Some(heard) = heard.recv() => self.on_heard(heard).await,
                Some(done) = doing.recv() => self.on_done(done).await,
                () = tokio::time::sleep(due) => {}
            }
            self.on_time().await;
        }
    }

    fn connect(&mut self) -> Receiver<Heard> {
        let (says, heard) = channel(HEARD_MAX);
        let (options, rest) = (&self.options, &self.rest);
        let (credentials, proxy) = (options.credentials.clone(), options.proxy.clone());
        let stream = StreamOptions {
            url: options.hosts.stream(),
            proxy: proxy.clone(),
            credentials: credentials.clone(),
            heartbeat: options.heartbeat,
        };
        self.side.spawn(stream::keep(stream, rest.clone(), says));
        if let (Transport::Socket, Some(url)) = (options.transport, options.hosts.trade()) {
            let trade = TradeOptions { url, proxy, credentials, heartbeat: options.heartbeat };
            self.trade = Some(TradeSocket::start(trade, rest.clone()));
        }
        heard
    }

    /// Passes on what the bookkeeper says and asks.
    async fn flush(&mut self) {
        for event in self.desk.take_events() {
            self.outlet.say(event).await;
        }
        for request in self.desk.take_requests() {
            self.send(request);
        }
    }

    async fn hold(&mut self, code: DenialCode, symbol: Option<Symbol>, detail: Option<String>) {
        if let Some(event) = self.holds.set(code, symbol, detail) {
            self.outlet.say(event).await;
        }
    }
    async fn unreachable(&mut self, why: Option<String>) {
        let detail = why.map(|why| format!("{why}; nothing opens until the account has been read again"));
        self.hold(DenialCode::VenueUnreachable, None, detail).await;
    }
    async fn key_refused(&mut self, why: &str) {
        let detail =
            format!("{why}: check key, secret, address and environment, then start anew; close at the exchange");
        self.hold(DenialCode::VenueKeyRefused, None, Some(detail)).await;
    }

    fn due(&self) -> Duration {
        let lift = self.lifts.values().min().copied();
        let due = [self.desk.next_due(), self.read_at.filter(|_| !self.reading), Some(self.clock_at), lift];
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
        if self.read_at.is_some_and(|at| at <= now) && !self.reading {
            self.read_at = None;
            self.start_reading();
        }
        let over: Vec<_> = self.lifts.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for key in over {
            self.lifts.remove(&key);
            self.hold(key.0, key.1, None).await;
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
            Command::Submit { order, link_id } => self.desk.submit(now, order.into_inner(), &link_id),
            Command::Cancel(order) => self.desk.cancel(order),
            Command::Ask => {
                self.asked.get_or_insert(now);
                self.read_soon(now);
            }
        }
    }

    fn fall_behind(&mut self) {
        self.behind = Some(self.outlet.now());
    }

    fn read_soon(&mut self, at: Ts) {
        self.read_at = Some(self.read_at.map_or(at, |due| due.min(at)));
    }

    fn send(&mut self, request: Request) {
        let (rest, done) = (self.rest.clone(), self.done.clone());
        match request {
            Request::Create { order, placement } => {
                let trade = self.transport(placement.reduce_only);
                let symbol = self.symbol(&placement.symbol);
                let leave = Leave::new(&self.withdrawn, order, placement.reduce_only);
                tokio::spawn(async move {
                    let answer = create(&rest, trade, &placement, &leave).await;
                    drop(done.send(Done::Created(order, symbol, answer)));
                });
            }
            Request::Cancel { order, symbol, link_id } => {
                let trade = self.transport(true);
                tokio::spawn(async move {
                    let answer = match trade {
                        Some(trade) => trade.cancel(&symbol, &link_id).await,
                        None => rest.cancel(&symbol, &link_id).await,
                    };
                    drop(done.send(Done::Cancelled(order, answer)));
                });
            }
            Request::LookUp { order, symbol, link_id } => {
                tokio::spawn(async move {
                    let (executions, found) = look_up(&rest, &symbol, &link_id).await;
                    drop(done.send(Done::LookedUp(order, executions, found)));
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
        if !self.desk.is_open() {
            let (account, run) = (self.options.account, self.options.run.clone());
            let symbols = self.options.symbols.clone();
            tokio::spawn(async move {
                let opened = opening::open(&rest, account, &run, &symbols).await;
                drop(done.send(Done::Opened(Box::new(opened))));
            });
            return;
        }
        // A first answer to a question is short; one that disagreed, or came after an absence, reads executions too.
        let doubtful =
            self.behind.is_some() || self.asked.is_some_and(|asked| self.outlet.now().since(asked) >= READ_AGAIN);
        let since = doubtful.then(|| opening::since_ms(&rest, self.desk.newest_ms()));
        let version = self.desk.version();
        tokio::spawn(async move {
            let reading = opening::read(&rest, version, since).await;
            drop(done.send(Done::Read(reading)));
        });
    }

    async fn on_heard(&mut self, heard: Heard) {
        let now = self.outlet.now();
        match heard {
            Heard::Up => {
                self.up = true;
                self.fall_behind();
                self.desk.look_at_all(now);
                self.hold(DenialCode::VenueKeyRefused, None, None).await;
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
                self.key_refused(&why).await;
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
            Done::LookedUp(order, executions, found) => {
                self.on_trouble(None, None).await;
                self.desk.on_looked_up(now, order, &executions, &found);
            }
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

    async fn on_opened(&mut self, now: Ts, opened: Opened) {
        for note in opened.notes {
            self.outlet.say(Event::Told(note)).await;
        }
        self.hold(DenialCode::VenueKeyRefused, None, opened.cannot_trade).await;
        self.desk.open(now, &opened.reading, opened.foreign_orders);
        for row in &opened.modes {
            self.desk.on_position(row);
        }
        // Pushes that came meanwhile are read again.
        self.fall_behind();
        self.flush().await;
        self.read_soon(now);
    }

    async fn on_reading(&mut self, now: Ts, reading: &Reading) {
        let whole = reading.executions.is_some() && self.behind.is_none_or(|since| reading.began >= since);
        self.desk.take_reading(now, reading);
        self.flush().await;
        if self.up && whole {
            self.behind = None;
            self.unreachable(None).await;
        }
        let Some(asked) = self.asked else { return };
        // A reading that began before the question may be older than what it asks about.
        let fresh = reading.began >= asked;
        if fresh && (self.desk.agrees(reading) || now.since(asked) >= DISAGREE_MAX) {
            self.asked = None;
            self.desk.state(reading);
        } else {
            self.read_soon(now + READ_AGAIN);
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

    /// Refusals that concern more than their own request.
    async fn on_trouble(&mut self, error: Option<&RestError>, symbol: Option<Symbol>) {
        let now = self.outlet.now();
        if let Some(until) = self.rest.banned() {
            let detail = format!(
                "until {} the exchange refuses this address: close from the phone: Bybit app > Derivatives > Positions",
                until.clock()
            );
            self.hold(DenialCode::VenueBanned, None, Some(detail)).await;
            self.lifts.insert((DenialCode::VenueBanned, None), until);
        }
        let Some(RestError::Refused { code, verdict, .. }) = error else { return };
        match (verdict.action, verdict.next) {
            (Action::Halt, _) if is_about_the_key(*code) => self.key_refused(verdict.meaning).await,
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
        self.hold(DenialCode::VenueRefused, symbol, Some(format!("{why}; tried again at {}", again.clock()))).await;
        self.lifts.insert((DenialCode::VenueRefused, symbol), again);
    }
}

/// Codes that say that the key, not the account, is refused (contract 4).
const fn is_about_the_key(code: i64) -> bool {
    matches!(code, 10_003 | 10_004 | 10_005 | 10_007 | 10_010 | -2015 | 33_004)
}

async fn create(
    rest: &Rest,
    trade: Option<TradeSocket>,
    order: &Placement,
    leave: &Leave,
) -> Result<OrderRef, RestError> {
    match trade {
        Some(trade) => trade.create(order, leave).await,
        None => rest.create(order, leave).await,
    }
}

fn answer_of(answer: Result<OrderRef, RestError>) -> Answer {
    match answer {
        Ok(_) => Answer::Accepted,
        Err(error @ RestError::Refused { .. }) => Answer::Refused(error.to_string()),
        Err(RestError::Unsent(why)) => Answer::Unsent(why),
        // Only a documented refusal is one (contract O1).
        Err(error) => Answer::Unclear(error.to_string()),
    }
}

/// One order by its id, wherever it is (contract 8.9).
async fn look_up(rest: &Rest, symbol: &str, link_id: &str) -> (Vec<ExecutionRow>, Found) {
    let now = rest.order_now(symbol, link_id).await;
    let row = match now {
        Ok(None) => rest.order_past(symbol, link_id).await,
        found => found,
    };
    // Last: none of the fills that the row counts is missing.
    let executions = rest.executions_of(symbol, link_id).await;
    match (row, executions) {
        (Ok(Some(row)), executions) => (executions.unwrap_or_default(), Found::Row(Box::new(row))),
        (Ok(None), Ok(executions)) if executions.is_empty() => (executions, Found::Nothing),
        (_, executions) => (executions.unwrap_or_default(), Found::Unknown),
    }
}
