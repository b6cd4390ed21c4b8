//! Orders by the trade socket (contract 12): the second way to send them, and the only one while REST refuses this
//! address. Every request has an id of its own, and whatever cannot be told apart is unknown, never refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::account::stream::{Ended, authenticate};
use super::codes::{Op, classify};
use super::credentials::Credentials;
use super::leave::Leave;
use super::limits::{Budget, Headers, Urgency};
use super::parse::rest::orders::OrderRef;
use super::parse::trade::{TradeAsked, TradeReply, parse};
use super::rest::{Placement, Rest, RestError, clean};
use super::signs::{Signs, Stream};
use super::socket::{Backoff, Heartbeat, Socket, Trouble, chance};
use crate::engine::time::Ts;

/// A request that is not answered for this long is unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A request that the socket has not taken by then does not leave.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A refused key, or too many sessions: not again at once.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// Requests that may wait for the socket.
const WAITING_MAX: usize = 256;

/// What the socket is made of.
pub struct TradeOptions {
    /// URL.
    pub url: String,
    /// A proxy's URL.
    pub proxy: Option<String>,
    /// The key.
    pub credentials: Arc<Credentials>,
    /// When it is asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// Where its signs of life go.
    pub signs: Signs,
}

/// The near end of the trade socket. Dropping the last one ends it.
#[derive(Clone)]
pub struct TradeSocket {
    asks: mpsc::Sender<Ask>,
    open: Arc<AtomicBool>,
    rest: Rest,
}

type Answer = Result<OrderRef, RestError>;

struct Ask {
    op: Op,
    budget: Budget,
    body: Value,
    window_ms: u32,
    /// Asked right before the bytes are written.
    leave: Option<Leave>,
    /// Whoever sets it first decides: the socket sends it, or the asker has given up on it.
    taken: Arc<AtomicBool>,
    answer: oneshot::Sender<Answer>,
}

struct Flight {
    op: Op,
    budget: Budget,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

impl TradeSocket {
    /// Starts the socket on the current runtime.
    pub fn start(options: TradeOptions, rest: Rest) -> Self {
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        let open = Arc::new(AtomicBool::new(false));
        tokio::spawn(keep(options, rest.clone(), asked, open.clone()));
        Self { asks, open, rest }
    }

    /// One that counts as open and takes what is asked only when the other end says so.
    #[cfg(test)]
    pub(super) fn stuck(rest: Rest) -> (Self, impl Sized) {
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        (Self { asks, open: Arc::new(AtomicBool::new(true)), rest }, asked)
    }

    /// Is it connected and authenticated?
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) && !self.asks.is_closed()
    }

    /// Sends an order: once, whatever happens. `leave` has the last word.
    pub async fn create(&self, order: &Placement, leave: &Leave) -> Answer {
        let (answer, answered) = oneshot::channel();
        let window_ms = self.rest.create_window_ms();
        let (body, leave) = (order.body(), Some(leave.clone()));
        let ask = Ask { op: Op::Create, budget: Budget::Create, body, window_ms, leave, taken: Arc::default(), answer };
        self.ask(ask, order.urgency(), answered).await
    }

    /// Asks for the end of an order of ours.
    pub async fn cancel(&self, symbol: &str, link_id: &str) -> Answer {
        let body = json!({ "category": "linear", "symbol": symbol, "orderLinkId": link_id });
        let (answer, answered) = oneshot::channel();
        let window_ms = self.rest.window_ms();
        let ask =
            Ask { op: Op::Cancel, budget: Budget::Cancel, body, window_ms, leave: None, taken: Arc::default(), answer };
        self.ask(ask, Urgency::Reducing, answered).await
    }

    async fn ask(&self, ask: Ask, urgency: Urgency, mut answered: oneshot::Receiver<Answer>) -> Answer {
        // A refused address is no reason here: sockets that are open stay open.
        if self.rest.banned().is_none() {
            self.rest.await_room(ask.op, ask.budget, 1, urgency).await?;
        }
        let taken = ask.taken.clone();
        self.asks.try_send(ask).map_err(|_| RestError::Unsent("the trade socket takes no requests".into()))?;
        let ended = |_| Err(RestError::Ambiguous("the trade socket ended".into()));
        if let Ok(answer) = timeout(TAKEN_WITHIN, &mut answered).await {
            return answer.unwrap_or_else(ended);
        }
        if !taken.swap(true, Ordering::AcqRel) {
            return Err(RestError::Unsent("the trade socket did not take it in time".into()));
        }
        match timeout(ANSWER_WITHIN, answered).await {
            Ok(answer) => answer.unwrap_or_else(ended),
            Err(_) => Err(RestError::Ambiguous("the trade socket did not answer".into())),
        }
    }
}

/// Keeps the socket up until nobody asks any more.
async fn keep(options: TradeOptions, rest: Rest, mut asked: mpsc::Receiver<Ask>, open: Arc<AtomicBool>) {
    let mut backoff = Backoff::default();
    options.signs.wanted(Stream::Trade);
    // Ids of one run of the program never meet those of another (a repeated one is refused, contract O11).
    let mut ids = Ids { prefix: format!("t{:08x}{:08x}", chance(), chance()), last: 0 };
    loop {
        let began = Instant::now();
        let mut flights = BTreeMap::new();
        let ended = serve(&options, &rest, &mut asked, &open, &mut flights, &mut ids).await;
        if open.swap(false, Ordering::AcqRel) && ended.is_err() {
            options.signs.lost(Stream::Trade);
        }
        let (why, pause) = match ended {
            Ok(()) => return,
            Err(Ended::Trouble(trouble)) => (trouble.to_string(), Duration::ZERO),
            Err(Ended::Refused(why)) => (why, REFUSED_PAUSE),
        };
        unknown(&mut flights, &why);
        let again = Instant::now() + backoff.next(began.elapsed(), chance()).max(pause);
        if !refuse_until(again, &mut asked, &why).await {
            return;
        }
    }
}

struct Ids {
    prefix: String,
    last: u64,
}

/// One connection, until it ends. `Ok` when nobody asks any more.
async fn serve(
    options: &TradeOptions,
    rest: &Rest,
    asked: &mut mpsc::Receiver<Ask>,
    open: &AtomicBool,
    flights: &mut BTreeMap<String, Flight>,
    ids: &mut Ids,
) -> Result<(), Ended> {
    let connecting = connect(options, rest);
    tokio::pin!(connecting);
    let mut socket = loop {
        tokio::select! {
            socket = &mut connecting => break socket?,
            ask = asked.recv() => match ask {
                Some(ask) => refuse(ask, "it is being connected"),
                None => return Ok(()),
            },
        }
    };
    open.store(true, Ordering::Release);
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            frame = socket.next() => on_frame(&frame?, rest, flights),
            ask = asked.recv() => {
                let Some(ask) = ask else { return Ok(()) };
                send(&mut socket, rest, ask, flights, ids).await?;
            }
            _ = look.tick() => {
                if flights.values().any(|flight| flight.since.elapsed() >= ANSWER_WITHIN) {
                    // One silence makes everything on this socket doubtful: a new one is better.
                    return Err(Trouble::new(super::rest::Stage::Timeout, "the trade socket did not answer").into());
                }
            }
        }
    }
}

/// Nothing is sent before the answer to the authentication.
async fn connect(options: &TradeOptions, rest: &Rest) -> Result<Socket, Ended> {
    let socket = Socket::dial(&options.url, options.proxy.as_deref(), options.heartbeat).await?;
    let mut socket = socket.told(&options.signs, Stream::Trade);
    authenticate(&mut socket, &options.credentials, rest, "reqId", auth_answer).await?;
    Ok(socket)
}

fn auth_answer(text: &str) -> Option<Result<(), String>> {
    match parse(text) {
        Ok(reply) if matches!(reply.asked, TradeAsked::Auth | TradeAsked::Other) => {
            Some(if reply.ok { Ok(()) } else { Err(clean(&reply.message)) })
        }
        _ => None,
    }
}

async fn send(
    socket: &mut Socket,
    rest: &Rest,
    ask: Ask,
    flights: &mut BTreeMap<String, Flight>,
    ids: &mut Ids,
) -> Result<(), Trouble> {
    if ask.taken.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    if let Some(why) = ask.leave.as_ref().and_then(Leave::refusal) {
        drop(ask.answer.send(Err(RestError::Unsent(why.into()))));
        return Ok(());
    }
    let op = match ask.op {
        Op::Create => "order.create",
        _ => "order.cancel",
    };
    ids.last += 1;
    let id = format!("{}-{}", ids.prefix, ids.last);
    let text = json!({
        "reqId": id,
        "header": {
            "X-BAPI-TIMESTAMP": rest.clock().stamp(rest.now()).to_string(),
            "X-BAPI-RECV-WINDOW": ask.window_ms.to_string(),
        },
        "op": op,
        "args": [ask.body],
    });
    flights.insert(id, Flight { op: ask.op, budget: ask.budget, since: Instant::now(), answer: ask.answer });
    socket.send(text.to_string()).await
}

fn on_frame(text: &str, rest: &Rest, flights: &mut BTreeMap<String, Flight>) {
    match parse(text) {
        Ok(reply) if reply.asked == TradeAsked::Ping => {}
        Ok(reply) => match reply.request.as_deref().and_then(|id| flights.remove(id)) {
            Some(flight) => settle(rest, flight, reply),
            // A refusal that names no request could be any of them (contract O11).
            None if !reply.ok => unknown(flights, &format!("a refusal without a name: {}", clean(&reply.message))),
            None => {}
        },
        Err(odd) => unknown(flights, &odd.to_string()),
    }
}

fn settle(rest: &Rest, flight: Flight, reply: TradeReply<'_>) {
    let reset = reply.limit.reset_ms.map(|ms| rest.clock().local_time(Ts::from_ms(ms)));
    let headers = Headers { limit: reply.limit.limit, left: reply.limit.left, reset };
    rest.limits(|limits, now| limits.learn(now, flight.budget, headers));
    let answer = match (reply.ok, reply.code) {
        (true, _) => Ok(reply.order.unwrap_or(OrderRef { order_id: None, link_id: None })),
        (false, Some(code)) => {
            let verdict = classify(flight.op, code, &reply.message);
            if verdict.next == super::codes::Next::AwaitLimit {
                rest.limits(|limits, now| limits.exhausted(now, flight.budget, reset));
            }
            Err(RestError::refused(flight.op, code, verdict, &reply.message))
        }
        (false, None) => Err(RestError::Ambiguous(clean(&reply.message))),
    };
    // Nobody may wait for it any more.
    drop(flight.answer.send(answer));
}

fn unknown(flights: &mut BTreeMap<String, Flight>, why: &str) {
    for (_, flight) in std::mem::take(flights) {
        drop(flight.answer.send(Err(RestError::Ambiguous(why.to_owned()))));
    }
}

fn refuse(ask: Ask, why: &str) {
    // Nobody may wait for it any more.
    drop(ask.answer.send(Err(RestError::Unsent(format!("no trade socket: {why}")))));
}

/// While there is no socket, what is asked never leaves. `false` when nobody asks any more.
async fn refuse_until(again: Instant, asked: &mut mpsc::Receiver<Ask>, why: &str) -> bool {
    loop {
        match tokio::time::timeout_at(again, asked.recv()).await {
            Ok(Some(ask)) => refuse(ask, why),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::bybit::credentials::PrivateAccount;
    use crate::venue::bybit::rest::{RestOptions, SharedLimits, VenueClock};

    fn rest() -> Rest {
        Rest::new(RestOptions {
            base: "http://127.0.0.1:1".into(),
            credentials: None,
            recv_window_ms: 5_000,
            create_recv_window_ms: 2_500,
            proxy: None,
            limits: SharedLimits::default(),
            clock: Arc::new(VenueClock::default()),
            now: Arc::new(|| Ts(1)),
        })
        .unwrap()
    }

    #[test]
    fn what_is_asked_while_it_connects_never_leaves() {
        // Somebody who accepts and never answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let credentials = Credentials::new(PrivateAccount::Testnet, "key", "secret".to_owned().into()).unwrap();
        let options = TradeOptions {
            url: format!("ws://{}", silent.local_addr().unwrap()),
            proxy: None,
            credentials: Arc::new(credentials),
            heartbeat: Heartbeat::default(),
            signs: Signs::default(),
        };
        let answer =
            runtime.block_on(async { TradeSocket::start(options, rest()).cancel("BTCUSDT", "td-run-1").await });
        assert!(matches!(&answer, Err(RestError::Unsent(why)) if why.contains("being connected")), "{answer:?}");
    }

    #[test]
    fn what_the_socket_does_not_take_in_time_is_not_sent_later() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (asks, mut asked) = mpsc::channel(4);
        let trade = TradeSocket { asks, open: Arc::new(AtomicBool::new(true)), rest: rest() };
        let answer = runtime.block_on(trade.cancel("BTCUSDT", "td-run-000001"));
        assert!(matches!(answer, Err(RestError::Unsent(_))), "{answer:?}");
        // The socket comes to it afterwards and sees that it is not wanted any more.
        let late = asked.try_recv().unwrap();
        assert!(late.taken.load(Ordering::Acquire));
        drop(asked);
        assert!(!trade.is_open(), "a socket whose task has ended is not open");
    }
}
