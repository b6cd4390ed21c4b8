//! The account's task: does what [`super::runner`] wants done, over sockets and requests, and passes on what it says.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinSet;

use super::desk::Found;
use super::opening::{self, Names};
use super::requests::{Owed, cancel, create, look_up, lost_read, lost_write};
use super::runner::{Ask, Done, Heard, Moment, Runner};
use super::stream::{self, StreamOptions};
use super::{AccountOptions, Transport};
use crate::engine::effect::NewOrder;
use crate::engine::ids::OrderSeq;
use crate::engine::risk::gate::Approved;
use crate::engine::time::Span;
use crate::venue::bybit::leave::{Leave, Withdrawn};
use crate::venue::bybit::rest::Rest;
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
    },
    Cancel(OrderSeq),
    Ask,
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
    trade: Option<TradeSocket>,
    done: UnboundedSender<Done>,
    doing: Option<UnboundedReceiver<Done>>,
    /// The private stream, ended with this task.
    side: JoinSet<()>,
}

impl Task {
    pub fn new(mut options: AccountOptions, rest: Rest, outlet: Outlet, withdrawn: Withdrawn) -> Self {
        let window = Span::from_ms(i64::from(options.create_recv_window_ms));
        let booked = std::mem::take(&mut options.booked);
        let names = Names::new(options.account, &options.run);
        let runner = Runner::new(names, options.symbols.clone(), window, booked, outlet.now());
        let (done, doing) = unbounded_channel();
        let side = JoinSet::new();
        Self { options, rest, outlet, runner, withdrawn, trade: None, done, doing: Some(doing), side }
    }

    /// Runs until nobody commands any more.
    pub async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let Some(mut doing) = self.doing.take() else { return };
        let mut heard = self.listen(Duration::ZERO);
        self.trade = self.start_trade();
        loop {
            for event in self.runner.take_events() {
                self.outlet.say(event).await;
            }
            for ask in self.runner.take_asks() {
                self.start(ask);
            }
            let wait = self.runner.next_due().map_or(0, |due| due.since(self.outlet.now()).0);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
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

    fn on_command(&mut self, command: Command) {
        let at = self.moment();
        match command {
            Command::Submit { order, link_id } => self.runner.submit(&at, order.into_inner(), &link_id),
            Command::Cancel(order) => self.runner.cancel(&at, order),
            Command::Ask => self.runner.ask(&at),
            #[cfg(test)]
            Command::EndStream => self.side.abort_all(),
        }
    }

    fn start(&self, ask: Ask) {
        let (rest, done) = (self.rest.clone(), self.done.clone());
        match ask {
            Ask::Create(order, symbol, placement) => {
                let trade = self.transport(placement.reduce_only);
                let leave = Leave::new(&self.withdrawn, order, placement.reduce_only);
                let owed = Owed::new(done, Done::Created(order, symbol, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = create(&rest, trade, &placement, &leave).await;
                    owed.pay(Done::Created(order, symbol, answer));
                });
            }
            Ask::Cancel(order, symbol, link_id) => {
                let trade = self.transport(true);
                let owed = Owed::new(done, Done::Cancelled(order, Err(lost_write())));
                tokio::spawn(async move {
                    let answer = cancel(&rest, trade, &symbol, &link_id).await;
                    owed.pay(Done::Cancelled(order, answer));
                });
            }
            Ask::LookUp(order, symbol, link_id) => {
                let owed = Owed::new(done, Done::LookedUp(order, Vec::new(), Found::Unknown));
                tokio::spawn(async move {
                    let (executions, found) = look_up(&rest, &symbol, &link_id).await;
                    owed.pay(Done::LookedUp(order, executions, found));
                });
            }
            Ask::Open(scope) => {
                let owed = Owed::new(done, Done::Opened(Box::new(Err(lost_read()))));
                tokio::spawn(async move {
                    let opened = opening::open(&rest, scope).await;
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
            Ask::Key => {
                let owed = Owed::new(done, Done::Key(Err(lost_read())));
                tokio::spawn(async move {
                    let key = rest.key_info().await;
                    owed.pay(Done::Key(key));
                });
            }
            Ask::Clock => drop(tokio::spawn(async move { rest.sync_clock().await.ok() })),
            Ask::CancelEarlier(symbol, link_id) => {
                drop(tokio::spawn(async move { rest.cancel(&symbol, &link_id).await.ok() }));
            }
        }
    }

    /// The trade socket, where it is wanted and open. While REST refuses the address it carries what reduces.
    fn transport(&self, reduces: bool) -> Option<TradeSocket> {
        let open = self.trade.as_ref().filter(|trade| trade.is_open())?;
        (reduces || self.rest.banned().is_none()).then(|| open.clone())
    }
}
