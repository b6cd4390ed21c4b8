//! The account's task: does what [`super::runner`] wants done, over sockets and requests, and passes on what it says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinSet;

use super::desk::{Found, Request};
use super::jobs::{Ask, Done, Heard, Moment};
use super::opening::{self, Names};
use super::requests::{Owed, Parcel, cancel, create, look_up, lost_read, lost_write, parcels};
use super::runner::Runner;
use super::stream::{self, StreamOptions};
use super::{AccountOptions, Transport};
use crate::engine::effect::{Errand, NewOrder, Protection};
use crate::engine::event::Event;
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::risk::gate::Approved;
use crate::engine::time::Span;
use crate::gate::Pass;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::rescue::{Closer, Receipt, Rescue};
use crate::venue::bybit::rest::{Placement, Rest, RestError};
use crate::venue::bybit::trade::{TradeOptions, TradeSocket};
use crate::venue::line::Outlet;

/// Before the private stream is made anew, where its task ended.
const ANEW_PAUSE: Duration = Duration::from_secs(1);
/// Frames that may wait for the bookkeeper.
const HEARD_MAX: usize = 1_024;

/// What the run asks for.
pub enum Command {
    Submit {
        order: Approved<NewOrder>,
        link_id: String,
        pass: Pass,
    },
    Cancel(OrderSeq),
    Protect(Symbol, Protection),
    CancelById(Symbol, String),
    Errand(Errand),
    Settle(OrderSeq),
    Ask,
    /// Ask once, whatever is known of a refusal.
    Retry,
    /// Read the log of transactions.
    TieOut,
    /// The private stream's task ends, as if it had failed.
    #[cfg(test)]
    EndStream,
}

pub struct Task {
    options: AccountOptions,
    rest: Rest,
    outlet: Outlet,
    runner: Runner,
    withdrawn: Withdrawn,
    /// What orders carry that were handed over and are not sent yet.
    passes: BTreeMap<OrderSeq, Pass>,
    trade: Option<TradeSocket>,
    done: UnboundedSender<Done>,
    doing: Option<UnboundedReceiver<Done>>,
    /// The private stream, ended with this task.
    side: JoinSet<()>,
}

impl Task {
    pub fn new(mut options: AccountOptions, rest: Rest, outlet: Outlet, withdrawn: Withdrawn) -> Self {
        let window = Span::from_ms(i64::from(options.create_recv_window_ms));
        let (names, before) = (Names::new(options.account, &options.run), std::mem::take(&mut options.before));
        let runner = Runner::new(names, options.symbols.clone(), window, before, outlet.now())
            .judging_leverage(options.leverage_most);
        let (done, doing) = unbounded_channel();
        let side = JoinSet::new();
        let (passes, doing) = (BTreeMap::new(), Some(doing));
        Self { options, rest, outlet, runner, withdrawn, passes, trade: None, done, doing, side }
    }

    /// Runs until nobody commands any more.
    pub async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let Some(mut doing) = self.doing.take() else { return };
        let mut heard = self.listen(Duration::ZERO);
        self.trade = self.start_trade();
        loop {
            for event in self.runner.take_events() {
                if let Event::Order(update) = &event {
                    self.forget_withdrawn(update.order);
                }
                self.outlet.say(event).await;
            }
            for parcel in parcels(self.runner.take_requests()) {
                self.post(parcel);
            }
            for ask in self.runner.take_asks() {
                self.start(ask);
            }
            let wait = self.runner.next_due().map_or(0, |due| due.since(self.outlet.now()).0);
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
                    let news = news.unwrap_or_else(|| Heard::Down("what listens to it has ended".into()));
                    self.runner.on_heard(&self.moment(), news);
                    if ended {
                        heard = self.listen(ANEW_PAUSE);
                    }
                }
                Some(done) = doing.recv() => self.runner.on_done(&self.moment(), done),
                () = tokio::time::sleep(Duration::from_nanos(u64::try_from(wait).unwrap_or(0))) => {}
            }
            self.runner.on_time(&self.moment());
        }
    }

    fn moment(&self) -> Moment {
        let now = self.outlet.now();
        Moment { now, venue: self.rest.clock().venue_time(now), banned: self.rest.banned() }
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
            signs: options.signs.clone(),
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
        let (heartbeat, signs) = (options.heartbeat, options.signs.clone());
        let trade = TradeOptions { url, proxy, credentials, heartbeat, signs };
        Some(TradeSocket::start(trade, self.rest.clone()))
    }

    fn on_command(&mut self, command: Command) {
        let at = self.moment();
        match command {
            Command::Submit { order, link_id, pass } => {
                self.passes.insert(order.get().seq, pass);
                self.runner.submit(&at, order.into_inner(), &link_id);
            }
            Command::Cancel(order) => {
                self.runner.cancel(&at, order);
                self.forget_withdrawn(order);
            }
            Command::Protect(symbol, protection) => self.runner.protect(&at, symbol, protection),
            Command::CancelById(symbol, order) => self.runner.cancel_by_id(&at, symbol, order),
            Command::Settle(order) => self.runner.settle(&at, order),
            Command::Errand(errand) => self.runner.run_errand(errand),
            Command::Ask => self.runner.ask(&at),
            Command::Retry => self.runner.retry(),
            Command::TieOut => self.runner.tie_out(&at),
            #[cfg(test)]
            Command::EndStream => self.side.abort_all(),
        }
    }

    /// What is over does not leave any more, withdrawn or not.
    fn forget_withdrawn(&mut self, order: OrderSeq) {
        if self.runner.is_over(order) {
            self.passes.remove(&order);
            self.withdrawn.forget(order);
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
            Parcel::Cancels(items) if by_socket => items
                .into_iter()
                .for_each(|(order, symbol, link_id)| self.send(Request::Cancel { order, symbol, link_id })),
            Parcel::Creates(items) => self.send_creates(items),
            Parcel::Cancels(items) => self.send_cancels(items),
        }
    }

    /// The last word about an order: it is handed over once, with its pass, and asked for once.
    fn leave(&mut self, order: OrderSeq, symbol: Symbol) -> Option<Leave> {
        let Some(pass) = self.passes.remove(&order) else {
            let why = RestError::Unsent("it was handed over without its pass".to_owned());
            // Nobody is left to hear it where this task ends.
            drop(self.done.send(Done::Created(order, symbol, Err(why))));
            return None;
        };
        Some(Leave::new(&self.withdrawn, order, pass))
    }

    fn send_creates(&mut self, items: Vec<(OrderSeq, Placement)>) {
        let rest = self.rest.clone();
        let (mut asked, mut owed) = (Vec::new(), Vec::new());
        for (order, placement) in items {
            let symbol = self.runner.symbol(&placement.symbol);
            let Some(leave) = self.leave(order, symbol) else { continue };
            let cut_off = Done::Created(order, symbol, Err(lost_write()));
            owed.push((order, symbol, Owed::new(self.done.clone(), cut_off)));
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

    fn send(&mut self, request: Request) {
        let (rest, done) = (self.rest.clone(), self.done.clone());
        match request {
            Request::Create { order, placement } => {
                let trade = self.transport(placement.reduce_only);
                let symbol = self.runner.symbol(&placement.symbol);
                let Some(leave) = self.leave(order, symbol) else { return };
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
                let name = self.runner.symbol(&symbol);
                let owed = Owed::new(done, Done::Protected(name, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = rest.trading_stop(&symbol, protection).await;
                    owed.pay(Done::Protected(name, answer));
                });
            }
            Request::CancelById { symbol, order } => {
                let name = self.runner.symbol(&symbol);
                let owed = Owed::new(done, Done::CancelledById(name, order.clone(), Err(lost_write())));
                tokio::spawn(async move {
                    let answer = rest.cancel_id(&symbol, &order).await;
                    owed.pay(Done::CancelledById(name, order, answer));
                });
            }
            // The runner heeds it itself.
            Request::Reconcile => {}
        }
    }

    fn start(&self, ask: Ask) {
        let (rest, done) = (self.rest.clone(), self.done.clone());
        match ask {
            Ask::Open(scope, before) => {
                let owed = Owed::new(done, Done::Opened(Box::new(Err(lost_read()))));
                let claim = self.options.claim.clone();
                tokio::spawn(async move {
                    let opened = opening::open(&rest, &scope, &before, &claim).await;
                    owed.pay(Done::Opened(Box::new(opened)));
                });
            }
            Ask::Read(scope) => {
                let owed = Owed::new(done, Done::Read(Err(lost_read())));
                tokio::spawn(async move {
                    let reading = opening::read(&rest, &scope).await;
                    owed.pay(Done::Read(reading));
                });
            }
            Ask::Standing => {
                let owed = Owed::new(done, Done::Standing(Err(lost_read())));
                tokio::spawn(async move {
                    let standing = opening::standing(&rest).await;
                    owed.pay(Done::Standing(standing));
                });
            }
            Ask::Retry => {
                let owed = Owed::new(done, Done::Retried(Err(lost_read())));
                tokio::spawn(async move {
                    let answer = rest.try_again().await;
                    owed.pay(Done::Retried(answer));
                });
            }
            Ask::Fees => {
                let owed = Owed::new(done, Done::Fees(Err(lost_read())));
                tokio::spawn(async move {
                    let fees = rest.fees().await;
                    owed.pay(Done::Fees(fees));
                });
            }
            Ask::Rules(symbol, name) => {
                let owed = Owed::new(done, Done::Rules(symbol, Err(lost_read())));
                tokio::spawn(async move {
                    let rules = rest.rules(&name).await;
                    owed.pay(Done::Rules(symbol, rules));
                });
            }
            Ask::Log { from_ms, to_ms, read_to } => {
                let owed = Owed::new(done, Done::Log(read_to, Err(lost_read())));
                tokio::spawn(async move {
                    let log = rest.transactions(from_ms, to_ms).await;
                    owed.pay(Done::Log(read_to, log));
                });
            }
            Ask::Errand(errand) => self.run_errand(errand),
            Ask::Clock => drop(tokio::spawn(async move { rest.sync_clock().await.ok() })),
            Ask::CancelEarlier(symbol, link_id) => {
                drop(tokio::spawn(async move { rest.cancel(&symbol, &link_id).await.ok() }));
            }
        }
    }

    /// Beside everything else, by a rescue of its own.
    fn run_errand(&self, errand: Errand) {
        let rest = self.rest.clone();
        let clock = rest.clone();
        let rescue = Rescue::over(rest, self.options.account, &self.options.run, Closer::Person);
        let cut_off = Done::ErrandOver(errand.clone(), false, vec!["it was cut off".to_owned()]);
        let owed = Owed::new(self.done.clone(), cut_off);
        tokio::spawn(async move {
            let mut receipt = Receipt::new(Arc::new(move || clock.now()), Box::new(|_| ()));
            let done = rescue.run_errand(&errand, &mut receipt).await;
            owed.pay(Done::ErrandOver(errand, done, receipt.lines().to_vec()));
        });
    }

    /// The trade socket, where it is wanted and open. While REST refuses the address it carries what reduces.
    fn transport(&self, reduces: bool) -> Option<TradeSocket> {
        let open = self.trade.as_ref().filter(|trade| trade.is_open())?;
        (reduces || self.rest.banned().is_none()).then(|| open.clone())
    }
}
