//! REST: one client, three ways to ask (public, signed read, signed write). What is signed is exactly what is sent, and a
//! write is sent once: there is no retry in here, only reads may be asked again.

mod account;
mod batch;
mod clock;
mod market;
mod outcome;
mod trade;
mod wire;

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

pub use batch::BATCH_MAX;
pub use clock::{Offset, Probe, VenueClock, best};
pub use outcome::{RestError, Stage, clean};
use reqwest::{Client, Request, Response, Url};
pub use trade::{ClosingOrder, Placement};
use wire::{Answer, Lost, Wires};

use super::codes::{Action, Next, Op, classify, classify_http};
use super::credentials::Credentials;
use super::leave::Leave;
use super::limits::{Budget, Headers, Limits, Stop, Urgency};
use super::parse::rest::Envelope;
use super::parse::{LENGTH_MAX, Odd, Page, Rows};
use crate::engine::time::{Span, Ts};
use crate::venue::line::Now;

/// Longest wait for a whole answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Idle connections are dropped before the other side does: an order on a dying one would be in doubt for nothing.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Tries of a read, and the pause before the second.
const READ_TRIES: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for room in a budget; an opening order waits less, its price grows old.
const ROOM_MAX: Span = Span::from_secs(5);
const ROOM_OPENING: Span = Span::from_ms(300);

const OK: u16 = 200;
const FORBIDDEN: u16 = 403;
const AGENT: &str = concat!("tickdeck/", env!("CARGO_PKG_VERSION"));

/// Budgets that several clients share.
pub type SharedLimits = Arc<Mutex<Limits>>;

/// What a client is made of.
#[derive(Clone)]
pub struct RestOptions {
    /// Base URL without a slash at the end.
    pub base: String,
    /// The key, for signed requests.
    pub credentials: Option<Arc<Credentials>>,
    /// How long a signed read stays valid, ms.
    pub recv_window_ms: u32,
    /// How long an order stays valid, ms: small, because it bounds how late a stuck one can still land.
    pub create_recv_window_ms: u32,
    /// A proxy's URL, for both transports.
    pub proxy: Option<String>,
    /// Budgets.
    pub limits: SharedLimits,
    /// The venue's clock.
    pub clock: Arc<VenueClock>,
    /// Local time.
    pub now: Now,
}

/// The client.
#[derive(Clone)]
pub struct Rest {
    /// Reads.
    client: Client,
    /// Writes.
    wires: Arc<Wires>,
    options: RestOptions,
}

/// One request.
struct Ask<'a> {
    op: Op,
    path: &'a str,
    /// Query of a GET, without the question mark.
    query: String,
    /// Body of a POST; a GET has none.
    body: Option<String>,
    signed: bool,
    budget: Budget,
    count: usize,
    urgency: Urgency,
    window_ms: u32,
    /// Each is asked right before the bytes are written; one that refuses keeps the whole request here.
    leaves: &'a [Leave],
}

/// Chooses the TLS implementation for the whole process, once; a second choice, or another's earlier one, changes nothing.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that one is installed already: that one serves.
        let _installed = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Rest {
    /// A client. Fails only on an unusable proxy address or without any root certificates.
    pub fn new(options: RestOptions) -> Result<Self, RestError> {
        install_tls();
        let unusable = |error: &reqwest::Error| RestError::transport(Op::Read, error);
        let mut builder = Client::builder()
            .user_agent(AGENT)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .timeout(ANSWER_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if let Some(proxy) = &options.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| unusable(&error))?);
        }
        let client = builder.build().map_err(|error| unusable(&error))?;
        let wires = Wires::new(&options.base, options.proxy.clone());
        let wires = wires.map_err(|trouble| RestError::Unsent(trouble.to_string()))?;
        Ok(Self { client, wires: Arc::new(wires), options })
    }

    /// Local time.
    pub fn now(&self) -> Ts {
        (self.options.now)()
    }
    /// The venue's clock.
    pub fn clock(&self) -> &VenueClock {
        &self.options.clock
    }
    /// Until when the venue refuses this address.
    pub fn banned(&self) -> Option<Ts> {
        self.limits(|limits, now| limits.banned(now))
    }

    /// Measures the venue's clock: some probes, the quickest counts.
    pub async fn sync_clock(&self) -> Result<Offset, RestError> {
        let mut probes = Vec::new();
        let mut failed = None;
        for _ in 0..5 {
            let sent = self.now();
            match self.server_time().await {
                Ok(venue) => probes.push(Probe { sent, venue, heard: self.now() }),
                Err(error) => failed = Some(error),
            }
        }
        match (best(&probes), failed) {
            (Some(offset), _) => {
                self.options.clock.set(offset);
                Ok(offset)
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(RestError::Unsent("the local clock ran backwards".into())),
        }
    }

    /// Has a connection for writes wait, so that the next need not make one.
    pub async fn warm(&self) {
        self.wires.warm().await;
    }

    /// How long an order stays valid at the venue, ms.
    pub const fn create_window_ms(&self) -> u32 {
        self.options.create_recv_window_ms
    }
    /// How long anything else stays valid, ms.
    pub const fn window_ms(&self) -> u32 {
        self.options.recv_window_ms
    }

    pub(super) fn limits<T>(&self, with: impl FnOnce(&mut Limits, Ts) -> T) -> T {
        let now = self.now();
        with(&mut self.options.limits.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// A read, asked again a few times where that may help.
    async fn read<T>(&self, ask: &Ask<'_>, take: impl Fn(&Envelope<'_>) -> Result<T, Odd>) -> Result<T, RestError> {
        let mut pause = READ_PAUSE;
        for _ in 1..READ_TRIES {
            match self.once(ask, &take).await {
                Err(error) if error.may_pass() => {
                    if error.next() == Next::SyncClock {
                        Box::pin(self.sync_clock()).await.ok();
                    }
                    tokio::time::sleep(pause).await;
                    pause *= 3;
                }
                settled => return settled,
            }
        }
        self.once(ask, &take).await
    }

    /// All pages of a list, one after the other: what can be read and what cannot.
    async fn pages<T>(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        (budget, urgency): (Budget, Urgency),
        take: impl Fn(&Envelope<'_>) -> Result<Page<T>, Odd>,
    ) -> Result<Rows<T>, RestError> {
        let mut all = Rows { good: Vec::new(), odd: Vec::new() };
        let mut cursor = String::new();
        loop {
            let mut with_cursor = pairs.to_vec();
            with_cursor.push(("cursor", &cursor));
            let ask = self.signed(path, query(&with_cursor), budget, urgency);
            let Page { rows, next } = self.read(&ask, &take).await?;
            // A page of nothing ends the list whatever its cursor says.
            let last = rows.good.is_empty() && rows.odd.is_empty();
            all.good.extend(rows.good);
            all.odd.extend(rows.odd);
            match next.filter(|next| *next != cursor && !last) {
                Some(next) => cursor = next,
                None => return Ok(all),
            }
        }
    }

    /// Sends a request exactly once and reads its answer.
    async fn once<T>(&self, ask: &Ask<'_>, take: &impl Fn(&Envelope<'_>) -> Result<T, Odd>) -> Result<T, RestError> {
        self.await_room(ask.op, ask.budget, ask.count, ask.urgency).await?;
        self.exchange(ask, take).await
    }

    /// [`Self::once`], where room is taken already.
    async fn exchange<T>(
        &self,
        ask: &Ask<'_>,
        take: &impl Fn(&Envelope<'_>) -> Result<T, Odd>,
    ) -> Result<T, RestError> {
        let answer = match &ask.body {
            Some(body) => self.post(ask, body).await,
            None => self.get(ask).await,
        }?;
        let headers = self.learn(ask.budget, &answer);
        if answer.status == FORBIDDEN {
            let until = self.limits(Limits::ban);
            let verdict = classify_http(ask.op, answer.status);
            return Err(match ask.op {
                Op::Read => RestError::Banned { until },
                _ => RestError::status(ask.op, answer.status, verdict),
            });
        }
        if answer.status != OK {
            return Err(RestError::status(ask.op, answer.status, classify_http(ask.op, answer.status)));
        }
        let envelope = Envelope::parse(&answer.body).map_err(|odd| unread(ask.op, odd))?;
        let verdict = classify(ask.op, envelope.code, &envelope.message);
        if verdict.action == Action::Ok {
            return take(&envelope).map_err(|odd| unread(ask.op, odd));
        }
        match verdict.next {
            Next::AwaitLimit => self.limits(|limits, now| limits.exhausted(now, ask.budget, headers.reset)),
            Next::Silence => {
                self.limits(Limits::ban);
            }
            _ => {}
        }
        Err(RestError::refused(ask.op, envelope.code, verdict, &envelope.message))
    }

    /// Waits for room in the budgets, and takes it.
    pub(super) async fn await_room(
        &self,
        op: Op,
        budget: Budget,
        count: usize,
        urgency: Urgency,
    ) -> Result<(), RestError> {
        let longest = if op == Op::Create && urgency == Urgency::Ordinary { ROOM_OPENING } else { ROOM_MAX };
        let give_up = self.now() + longest;
        loop {
            match self.limits(|limits, now| limits.take(now, budget, count, urgency)) {
                Ok(()) => return Ok(()),
                Err(Stop::Banned(until)) if op == Op::Read => return Err(RestError::Banned { until }),
                Err(Stop::Banned(until)) => {
                    return Err(RestError::Unsent(format!(
                        "the exchange refuses this address until {}",
                        until.clock()
                    )));
                }
                Err(Stop::Until(free)) if free > give_up => {
                    return Err(RestError::Unsent("the exchange's rate limit has no room".into()));
                }
                Err(Stop::Until(free)) => {
                    let wait = u64::try_from(free.since(self.now()).0).unwrap_or(0);
                    tokio::time::sleep(Duration::from_nanos(wait)).await;
                }
            }
        }
    }

    /// A read.
    async fn get(&self, ask: &Ask<'_>) -> Result<Answer, RestError> {
        let request = self.build(ask)?;
        let sent = self.client.execute(request).await;
        let response = sent.map_err(|error| RestError::transport(ask.op, &error))?;
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let number = |name| text(name).and_then(|text| text.parse().ok());
        let (limit, left) = (number("X-Bapi-Limit"), number("X-Bapi-Limit-Status"));
        let reset_ms = text("X-Bapi-Limit-Reset-Timestamp").and_then(|text| text.parse().ok());
        let status = response.status().as_u16();
        let body = if status == OK { body_of(response, ask.op).await? } else { Vec::new() };
        Ok(Answer { status, limit, left, reset_ms, body })
    }

    /// A write, once. The last look and the signature come when its connection stands ready.
    async fn post(&self, ask: &Ask<'_>, body: &str) -> Result<Answer, RestError> {
        let request = || match ask.leaves.iter().find_map(Leave::refusal) {
            Some(why) => Err(RestError::Unsent(why.into())),
            None => self.bytes(ask, body),
        };
        self.wires.send(request).await.map_err(|lost| match lost {
            Lost::NotSent(trouble) => RestError::Unsent(trouble.to_string()),
            Lost::Refused(error) => error,
            Lost::Unknown(trouble) => RestError::Ambiguous(trouble.to_string()),
        })
    }

    /// The bytes of a write, stamped and signed now.
    fn bytes(&self, ask: &Ask<'_>, body: &str) -> Result<Vec<u8>, RestError> {
        let (credentials, stamp) = self.stamp()?;
        let key = credentials.key();
        let signature = credentials.signer().sign_rest(stamp, key, ask.window_ms, body.as_bytes());
        let (stamp, window, length) = (stamp.to_string(), ask.window_ms.to_string(), body.len().to_string());
        // Pieces, not a format: this is the last thing before the wire.
        let lines = [
            ["POST ", ask.path],
            [" HTTP/1.1\r\nHost: ", self.wires.named()],
            ["\r\nUser-Agent: ", AGENT],
            ["\r\nContent-Type: ", "application/json"],
            ["\r\nX-BAPI-API-KEY: ", key],
            ["\r\nX-BAPI-TIMESTAMP: ", &stamp],
            ["\r\nX-BAPI-RECV-WINDOW: ", &window],
            ["\r\nX-BAPI-SIGN: ", signature.as_str()],
            ["\r\nContent-Length: ", &length],
            ["\r\n\r\n", body],
        ];
        let mut bytes = Vec::with_capacity(512 + body.len());
        lines.as_flattened().iter().for_each(|piece| bytes.extend_from_slice(piece.as_bytes()));
        Ok(bytes)
    }

    /// The key and the moment that is signed.
    fn stamp(&self) -> Result<(&Credentials, i64), RestError> {
        let credentials = self.options.credentials.as_ref().ok_or_else(|| unwritable("there is no API key"))?;
        Ok((credentials, self.options.clock.stamp(self.now())))
    }

    /// A read with its signature over exactly the query that is sent, stamped now.
    fn build(&self, ask: &Ask<'_>) -> Result<Request, RestError> {
        let text = match ask.query.as_str() {
            "" => format!("{}{}", self.options.base, ask.path),
            query => format!("{}{}?{query}", self.options.base, ask.path),
        };
        let url = Url::parse(&text).map_err(|_| unwritable("its address"))?;
        // What is signed is the query as the URL will send it.
        let query = url.query().unwrap_or_default().to_owned();
        let mut builder = self.client.get(url);
        if ask.signed {
            let (credentials, stamp) = self.stamp()?;
            let signer = credentials.signer();
            let signature = signer.sign_rest(stamp, credentials.key(), ask.window_ms, query.as_bytes());
            builder = builder
                .header("X-BAPI-API-KEY", credentials.key())
                .header("X-BAPI-TIMESTAMP", stamp)
                .header("X-BAPI-RECV-WINDOW", ask.window_ms)
                .header("X-BAPI-SIGN", signature.as_str());
        }
        builder.build().map_err(|_| unwritable("its headers"))
    }

    fn learn(&self, budget: Budget, answer: &Answer) -> Headers {
        let reset = answer.reset_ms.map(|ms| self.options.clock.local_time(Ts::from_ms(ms)));
        let headers = Headers { limit: answer.limit, left: answer.left, reset };
        self.limits(|limits, now| limits.learn(now, budget, headers));
        headers
    }
}

fn unwritable(why: &str) -> RestError {
    RestError::Unsent(format!("the request cannot be written: {why}"))
}

/// An answer that cannot be read: a read failed, for anything else nobody knows what was done.
fn unread(op: Op, odd: Odd) -> RestError {
    if op == Op::Read { RestError::Odd(odd) } else { RestError::Ambiguous(odd.to_string()) }
}

/// The body, at most [`LENGTH_MAX`] of it.
async fn body_of(mut response: Response, op: Op) -> Result<Vec<u8>, RestError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(RestError::transport(op, &error)),
        }
        if body.len() > LENGTH_MAX {
            let detail = "the answer is too long".to_owned();
            return Err(match op {
                Op::Read => RestError::Unreachable { stage: Stage::Http, detail },
                _ => RestError::Ambiguous(detail),
            });
        }
    }
}

/// A query from pairs. Values are names and numbers of ours; a cursor goes back as the venue sent it (contract 0.39).
fn query(pairs: &[(&str, &str)]) -> String {
    let kept = pairs.iter().filter(|pair| !pair.1.is_empty());
    kept.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}
