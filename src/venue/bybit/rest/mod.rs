//! REST: one client, three ways to ask (public, signed read, signed write). What is signed is exactly what is sent, and a
//! write is sent once: there is no retry in here, only reads may be asked again.

mod account;
mod clock;
mod market;
mod outcome;
mod trade;

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

pub use clock::{Offset, Probe, VenueClock, best};
pub use outcome::{RestError, Stage, clean};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
pub use trade::Placement;

use super::codes::{Next, Op, classify, classify_http};
use super::credentials::Credentials;
use super::limits::{Budget, Headers, Limits, Stop, Urgency};
use super::parse::rest::Envelope;
use super::parse::{LENGTH_MAX, Odd};
use crate::engine::time::{Span, Ts};
use crate::venue::line::Now;

/// Longest wait for a whole answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Tries of a read, and the pause before the second.
const READ_TRIES: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for room in a budget; an opening order waits less, its price grows old.
const ROOM_MAX: Span = Span::from_secs(5);
const ROOM_OPENING: Span = Span::from_ms(300);

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
    client: Client,
    options: RestOptions,
}

/// One request.
struct Ask<'a> {
    op: Op,
    method: Method,
    path: &'a str,
    /// Query of a GET, without the question mark.
    query: String,
    /// Body of a POST.
    body: Option<String>,
    signed: bool,
    budget: Budget,
    count: usize,
    urgency: Urgency,
    window_ms: u32,
}

/// An answer's body with the endpoint's place in it.
struct Body(String);

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
            .user_agent(concat!("tickdeck/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if let Some(proxy) = &options.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| unusable(&error))?);
        }
        let client = builder.build().map_err(|error| unusable(&error))?;
        Ok(Self { client, options })
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

    fn limits<T>(&self, with: impl FnOnce(&mut Limits, Ts) -> T) -> T {
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

    /// Sends a request exactly once and reads its answer.
    async fn once<T>(&self, ask: &Ask<'_>, take: &impl Fn(&Envelope<'_>) -> Result<T, Odd>) -> Result<T, RestError> {
        self.await_room(ask).await?;
        let request = self.build(ask)?;
        let sent = self.client.execute(request).await;
        let response = sent.map_err(|error| RestError::transport(ask.op, &error))?;
        let status = response.status();
        let headers = self.learn(ask.budget, &response);
        if status == StatusCode::FORBIDDEN {
            let until = self.limits(|limits, now| limits.ban(now));
            let verdict = classify_http(ask.op, status.as_u16());
            return Err(match ask.op {
                Op::Read => RestError::Banned { until },
                _ => RestError::status(ask.op, status, verdict),
            });
        }
        if status != StatusCode::OK {
            return Err(RestError::status(ask.op, status, classify_http(ask.op, status.as_u16())));
        }
        let body = body_of(response).await.map_err(|why| self.unread(ask.op, why))?;
        let envelope = Envelope::read(&body.0).map_err(|odd| self.unread(ask.op, odd.to_string()))?;
        if envelope.code == 0 {
            return take(&envelope).map_err(|odd| self.unread(ask.op, odd.to_string()));
        }
        let verdict = classify(ask.op, envelope.code, &envelope.message);
        match verdict.next {
            Next::AwaitLimit => self.limits(|limits, now| limits.exhausted(now, ask.budget, headers.reset)),
            Next::Silence => {
                self.limits(Limits::ban_at);
            }
            _ => {}
        }
        Err(RestError::refused(ask.op, envelope.code, verdict, &envelope.message))
    }
}
