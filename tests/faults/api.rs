//! The requests of a process in virtual time: futures that end when the network brings their answer.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tickdeck::engine::ids::OrderSeq;
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::bybit::account::Claim;
use tickdeck::venue::bybit::account::jobs::{Ask, Done};
use tickdeck::venue::bybit::account::opening;
use tickdeck::venue::bybit::account::requests::{Api, look_up, lost_read};
use tickdeck::venue::bybit::codes::Next;
use tickdeck::venue::bybit::parse::Rows;
use tickdeck::venue::bybit::parse::rest::account::{AccountInfo, KeyInfo, MarginMode, TransactionRow, UserSettings};
use tickdeck::venue::bybit::parse::rest::orders::OrderRef;
use tickdeck::venue::bybit::parse::rows::{ExecutionRow, OrderRow, PositionRow, WalletRow};
use tickdeck::venue::bybit::rest::RestError;

/// Number of a request.
pub type Number = u64;

/// What is asked of the exchange by a read, or by a cancel of an earlier run's order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    Time,
    Key,
    OpenOrders,
    OrderNow(String),
    OrderPast(String),
    Cancel(String, String),
    Wallet,
    Positions,
    PositionsOf(String),
    ExecutionsOf(String),
    ExecutionsSince(i64),
    /// The log of transactions, from and to, ms.
    Log(i64, i64),
    /// Does the exchange listen to this address again? Asked whatever is known.
    Retry,
    /// Not asked of anybody: let this much time pass.
    Pause(Span),
}

/// What comes back.
#[allow(clippy::large_enum_variant)] // one at a time
#[derive(Clone, Debug)]
pub enum Reply {
    Time(Ts),
    Done,
    Orders(Vec<OrderRow>),
    Order(Option<OrderRow>),
    Wallet(WalletRow),
    Positions(Vec<PositionRow>),
    Executions(Vec<ExecutionRow>),
    Log(Vec<TransactionRow>),
    Failed(RestError),
}

/// Between the futures and the network.
#[derive(Default)]
pub struct Wires {
    /// Local time.
    pub now: Ts,
    /// The venue's clock minus ours, as measured.
    pub ahead: Span,
    /// Until when the address is refused, as far as is known, local time.
    pub banned: Option<Ts>,
    next: Number,
    /// Asked and not sent yet.
    pub asked: Vec<(Number, Query)>,
    answers: BTreeMap<Number, Reply>,
}

/// The wires of one process.
#[derive(Clone, Default)]
pub struct VirtualApi(Arc<Mutex<Wires>>);

/// A request under way.
struct Call {
    wires: VirtualApi,
    query: Option<Query>,
    number: Number,
}

impl Future for Call {
    type Output = Reply;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        let this = &mut *self;
        let mut wires = this.wires.0.lock().unwrap();
        if let Some(query) = this.query.take() {
            wires.next += 1;
            this.number = wires.next;
            wires.asked.push((this.number, query));
            return Poll::Pending;
        }
        wires.answers.remove(&this.number).map_or(Poll::Pending, Poll::Ready)
    }
}

impl VirtualApi {
    pub fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap()
    }

    fn call(&self, query: Query) -> Call {
        Call { wires: self.clone(), query: Some(query), number: 0 }
    }

    /// A read, asked again a few times where that may help: as the REST client does.
    async fn read(&self, query: Query) -> Reply {
        let mut pause = Span::from_ms(250);
        for _ in 1..3 {
            match self.call(query.clone()).await {
                Reply::Failed(error) if error.may_pass() => {
                    if error.next() == Next::SyncClock {
                        self.sync_clock().await.ok();
                    }
                    self.pause(pause).await;
                    pause = Span(pause.0 * 3);
                }
                settled => return settled,
            }
        }
        self.call(query).await
    }
}

fn odd(reply: Reply) -> RestError {
    match reply {
        Reply::Failed(error) => error,
        other => panic!("the network mixed up answers: {other:?}"),
    }
}

fn whole<T>(good: Vec<T>) -> Rows<T> {
    Rows { good, odd: Vec::new() }
}

impl Api for VirtualApi {
    fn now(&self) -> Ts {
        self.wires().now
    }
    fn venue_time(&self, now: Ts) -> Ts {
        now + self.wires().ahead
    }
    async fn pause(&self, span: Span) {
        self.call(Query::Pause(span)).await;
    }
    async fn sync_clock(&self) -> Result<(), RestError> {
        let sent = Api::now(self);
        match self.call(Query::Time).await {
            Reply::Time(venue) => {
                let mut wires = self.wires();
                let half = Span(wires.now.since(sent).0 / 2);
                wires.ahead = venue.since(sent + half);
                Ok(())
            }
            other => Err(odd(other)),
        }
    }
    async fn key_info(&self) -> Result<KeyInfo, RestError> {
        match self.read(Query::Key).await {
            Reply::Done => Ok(KeyInfo {
                read_only: false,
                permissions: vec![("ContractTrade".into(), vec!["Order".into(), "Position".into()])],
                ips: vec!["10.0.0.1".into()],
                expires: None,
                days_left: None,
                unified: true,
                user_id: None,
                master: true,
            }),
            other => Err(odd(other)),
        }
    }
    async fn account_info(&self) -> Result<AccountInfo, RestError> {
        Ok(AccountInfo { unified_status: 6, margin_mode: MarginMode::Cross, updated_ms: None })
    }
    async fn user_settings(&self) -> Result<UserSettings, RestError> {
        Ok(UserSettings { refuses_outside_band: Some(true) })
    }
    async fn open_orders(&self) -> Result<Rows<OrderRow>, RestError> {
        match self.read(Query::OpenOrders).await {
            Reply::Orders(rows) => Ok(whole(rows)),
            other => Err(odd(other)),
        }
    }
    async fn order_now(&self, _: &str, link_id: &str) -> Result<Option<OrderRow>, RestError> {
        match self.read(Query::OrderNow(link_id.to_owned())).await {
            Reply::Order(row) => Ok(row),
            other => Err(odd(other)),
        }
    }
    async fn order_past(&self, _: &str, link_id: &str) -> Result<Option<OrderRow>, RestError> {
        match self.read(Query::OrderPast(link_id.to_owned())).await {
            Reply::Order(row) => Ok(row),
            other => Err(odd(other)),
        }
    }
    async fn cancel(&self, symbol: &str, link_id: &str) -> Result<OrderRef, RestError> {
        match self.call(Query::Cancel(symbol.to_owned(), link_id.to_owned())).await {
            Reply::Done => Ok(OrderRef { order_id: None, link_id: Some(link_id.to_owned()) }),
            other => Err(odd(other)),
        }
    }
    async fn wallet(&self) -> Result<WalletRow, RestError> {
        match self.read(Query::Wallet).await {
            Reply::Wallet(row) => Ok(row),
            other => Err(odd(other)),
        }
    }
    async fn positions(&self) -> Result<Rows<PositionRow>, RestError> {
        match self.read(Query::Positions).await {
            Reply::Positions(rows) => Ok(whole(rows)),
            other => Err(odd(other)),
        }
    }
    async fn positions_of(&self, symbol: &str) -> Result<Vec<PositionRow>, RestError> {
        match self.read(Query::PositionsOf(symbol.to_owned())).await {
            Reply::Positions(rows) => Ok(rows),
            other => Err(odd(other)),
        }
    }
    async fn executions_of(&self, _: &str, link_id: &str) -> Result<Vec<ExecutionRow>, RestError> {
        match self.read(Query::ExecutionsOf(link_id.to_owned())).await {
            Reply::Executions(rows) => Ok(rows),
            other => Err(odd(other)),
        }
    }
    async fn executions_since(&self, start_ms: i64) -> Result<Rows<ExecutionRow>, RestError> {
        match self.read(Query::ExecutionsSince(start_ms)).await {
            Reply::Executions(rows) => Ok(whole(rows)),
            other => Err(odd(other)),
        }
    }
}

type Work = Pin<Box<dyn Future<Output = Option<Done>> + Send>>;

/// The reads of a process that are under way.
#[derive(Default)]
pub struct Reads {
    pub api: VirtualApi,
    work: Vec<Work>,
}

impl Reads {
    /// Starts what is not about one order.
    pub fn start(&mut self, ask: Ask) {
        let api = self.api.clone();
        let work: Work = match ask {
            Ask::Open(scope, before) => Box::pin(async move {
                let opened = opening::open(&api, &scope, &before, &Claim::free()).await;
                Some(Done::Opened(Box::new(opened)))
            }),
            Ask::Read(scope) => Box::pin(async move { Some(Done::Read(opening::read(&api, &scope).await)) }),
            Ask::Standing => Box::pin(async move { Some(Done::Standing(opening::standing(&api).await)) }),
            Ask::Retry => Box::pin(async move {
                Some(Done::Retried(match api.call(Query::Retry).await {
                    Reply::Done => {
                        api.wires().banned = None;
                        Ok(())
                    }
                    other => Err(odd(other)),
                }))
            }),
            Ask::Log { from_ms, to_ms, read_to } => Box::pin(async move {
                let log = match api.read(Query::Log(from_ms, to_ms)).await {
                    Reply::Log(rows) => Ok(whole(rows)),
                    other => Err(odd(other)),
                };
                Some(Done::Log(read_to, log))
            }),
            // Not offered everywhere.
            Ask::Fees => Box::pin(async { Some(Done::Fees(Ok(Vec::new()))) }),
            Ask::Rules(symbol, _) => Box::pin(async move { Some(Done::Rules(symbol, Err(lost_read()))) }),
            // Nobody in here asks for one.
            Ask::Errand(errand) => Box::pin(async { Some(Done::ErrandOver(errand, false, Vec::new())) }),
            Ask::Clock => Box::pin(async move { api.sync_clock().await.ok().and(None) }),
            Ask::CancelEarlier(symbol, link_id) => {
                Box::pin(async move { Api::cancel(&api, &symbol, &link_id).await.ok().and(None) })
            }
        };
        self.work.push(work);
    }

    /// Looks an order up.
    pub fn look_up(&mut self, order: OrderSeq, symbol: String, link_id: String) {
        let api = self.api.clone();
        self.work.push(Box::pin(async move {
            let (executions, found) = look_up(&api, &symbol, &link_id).await;
            Some(Done::LookedUp(order, executions, found))
        }));
    }

    /// An answer has come.
    pub fn answer(&mut self, number: Number, reply: Reply) {
        self.api.wires().answers.insert(number, reply);
    }

    /// Goes on with everything that can; what is done with.
    pub fn poll(&mut self) -> Vec<Done> {
        let mut context = Context::from_waker(Waker::noop());
        let mut done = Vec::new();
        self.work.retain_mut(|work| match work.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                done.extend(result);
                false
            }
        });
        done
    }
}
