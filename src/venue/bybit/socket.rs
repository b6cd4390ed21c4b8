//! What public, private and trade sockets share: how a connection is made, when it counts as dead, and how long to wait
//! before the next try.

use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::parse::LENGTH_MAX;
use super::proxy;
use super::rest::{Stage, clean, install_tls};
use super::signs::{Signs, Stream};

/// Longest time for a connection with everything that belongs to it.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// First pause after a lost connection, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A connection that held this long was a good one: the pauses begin anew.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// When a connection is asked for a sign of life, and when it counts as dead.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// A ping at least this often (the venue wants one every 20 s).
    pub ping_every: Duration,
    /// A ping when nothing was heard for this long: tells a quiet market from a dead line.
    pub quiet: Duration,
    /// The connection is dead when nothing follows a ping for this long; longer on a line that is known to be slow.
    pub answer_within: Duration,
}

/// A line may take so many times its slowest answer of late before it counts as dead: a slow line is no dead one.
const SLOW_TIMES: u32 = 4;
/// However slow it is, silence for this long after a ping is the end.
const PATIENCE_MAX: Duration = Duration::from_secs(8);

/// The slowest answer of late: a quicker one makes it forgotten by an eighth each time.
fn slowest(before: Duration, answer: Duration) -> Duration {
    answer.max(before * 7 / 8)
}

/// How long to wait for the answer to a ping.
fn patience(heartbeat: Heartbeat, slowest: Duration) -> Duration {
    heartbeat.answer_within.max((slowest * SLOW_TIMES).min(PATIENCE_MAX))
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(18),
            quiet: Duration::from_secs(1),
            answer_within: Duration::from_secs(2),
        }
    }
}

/// Why there is no connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{stage}: {detail}")]
pub struct Trouble {
    /// How far it came.
    pub stage: Stage,
    /// The cause.
    pub detail: String,
}

impl Trouble {
    /// With a cause of ours.
    pub fn new(stage: Stage, detail: impl Into<String>) -> Self {
        Self { stage, detail: detail.into() }
    }
}

/// One open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heartbeat: Heartbeat,
    heard: Instant,
    pinged: Instant,
    /// When the ping left that nothing has followed yet.
    waiting: Option<Instant>,
    /// The slowest answer to a ping of late.
    slowest: Duration,
    /// Who is told of each frame.
    signs: Option<(Signs, Stream)>,
}

impl Socket {
    /// Connects, through the proxy where one is given.
    pub async fn dial(url: &str, proxy: Option<&str>, heartbeat: Heartbeat) -> Result<Self, Trouble> {
        install_tls();
        let dialled = timeout(DIAL_MAX, connect(url, proxy)).await;
        let stream = dialled.map_err(|_| Trouble::new(Stage::Timeout, "connecting took too long"))??;
        let now = Instant::now();
        Ok(Self { stream, heartbeat, heard: now, pinged: now, waiting: None, slowest: Duration::ZERO, signs: None })
    }

    /// Tells of each frame from now on.
    #[must_use]
    pub fn told(self, signs: &Signs, stream: Stream) -> Self {
        Self { signs: Some((signs.clone(), stream)), ..self }
    }

    /// Sends one frame.
    pub async fn send(&mut self, text: String) -> Result<(), Trouble> {
        self.stream.send(Message::text(text)).await.map_err(|error| trouble(&error))
    }

    /// The next text frame. Pings the venue in between and fails when it stays silent. Safe to drop while it waits.
    pub async fn next(&mut self) -> Result<Utf8Bytes, Trouble> {
        loop {
            let due = self.due();
            let Ok(frame) = tokio::time::timeout_at(due, self.stream.next()).await else {
                self.beat().await?;
                continue;
            };
            self.heard = Instant::now();
            if let Some((signs, stream)) = &self.signs {
                signs.heard(*stream);
            }
            if let Some(since) = self.waiting.take() {
                self.slowest = slowest(self.slowest, since.elapsed());
            }
            match frame {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(close))) => return Err(closed(close)),
                // Protocol pings are answered by the library; the API speaks text only.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(trouble(&error)),
                None => return Err(Trouble::new(Stage::Broken, "it ended")),
            }
            // A flood of frames must not keep the pings from leaving.
            if self.pinged.elapsed() >= self.heartbeat.ping_every {
                self.ping().await?;
            }
        }
    }

    /// A text frame that has come already, after one that was waited for; costs no look at the clock.
    pub fn waiting(&mut self) -> Option<Result<Utf8Bytes, Trouble>> {
        match self.stream.next().now_or_never()?? {
            Ok(Message::Text(text)) => Some(Ok(text)),
            Ok(Message::Close(close)) => Some(Err(closed(close))),
            Ok(_) => None,
            Err(error) => Some(Err(trouble(&error))),
        }
    }

    fn due(&self) -> Instant {
        match self.waiting {
            Some(since) => since + patience(self.heartbeat, self.slowest),
            None => (self.heard + self.heartbeat.quiet).min(self.pinged + self.heartbeat.ping_every),
        }
    }

    async fn beat(&mut self) -> Result<(), Trouble> {
        if self.waiting.is_some_and(|since| since.elapsed() >= patience(self.heartbeat, self.slowest)) {
            return Err(Trouble::new(Stage::Timeout, "no answer to a ping"));
        }
        if self.waiting.is_none() { self.ping().await } else { Ok(()) }
    }

    async fn ping(&mut self) -> Result<(), Trouble> {
        self.pinged = Instant::now();
        self.waiting = Some(self.pinged);
        self.send(r#"{"op":"ping"}"#.to_owned()).await
    }
}

fn closed(close: Option<CloseFrame>) -> Trouble {
    let why = close.map(|close| clean(&close.reason)).unwrap_or_default();
    Trouble::new(Stage::Broken, format!("the exchange closed it {why}").trim_end())
}

async fn connect(url: &str, proxy: Option<&str>) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Trouble> {
    let parsed = reqwest::Url::parse(url).map_err(|_| Trouble::new(Stage::Connect, "the address cannot be read"))?;
    let host = parsed.host_str().unwrap_or_default().to_owned();
    let port = parsed.port_or_known_default().unwrap_or(443);
    let stream = match proxy {
        Some(proxy) => proxy::tunnel(proxy, &host, port).await?,
        None => tcp(&host, port).await?,
    };
    // Small frames must not wait for more of them.
    stream.set_nodelay(true).map_err(|error| Trouble::new(Stage::Connect, error.to_string()))?;
    let config = WebSocketConfig::default().max_message_size(Some(LENGTH_MAX)).max_frame_size(Some(LENGTH_MAX));
    let shaken = client_async_tls_with_config(url, stream, Some(config), None).await;
    shaken.map(|(stream, _)| stream).map_err(|error| trouble(&error))
}

/// A plain connection; says whether the name or the host was the trouble.
pub(super) async fn tcp(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let addresses = found.map_err(|error| Trouble::new(Stage::Dns, clean(&error.to_string())))?;
    let mut last = Trouble::new(Stage::Dns, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Trouble::new(Stage::Connect, clean(&error.to_string())),
        }
    }
    Err(last)
}

fn trouble(error: &WsError) -> Trouble {
    let stage = match error {
        WsError::Http(response) if response.status().as_u16() == 403 => {
            return Trouble::new(
                Stage::Http,
                "the exchange blocks this address (HTTP 403): its country is not served, or too many connections",
            );
        }
        WsError::Http(response) => {
            return Trouble::new(Stage::Http, format!("answered HTTP {}", response.status().as_u16()));
        }
        WsError::Tls(_) => Stage::Tls,
        // rustls speaks through I/O errors.
        WsError::Io(io) if io.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) => {
            Stage::Tls
        }
        WsError::Io(io) if io.kind() == std::io::ErrorKind::NotFound => Stage::Tls,
        _ => Stage::Broken,
    };
    Trouble::new(stage, clean(&error.to_string()))
}

/// Pauses between tries: doubled each time, with a random part so that many connections do not return as one.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause after a connection that held for `held`. `chance` is any number.
    pub fn next(&mut self, held: Duration, chance: u32) -> Duration {
        if held >= GOOD_AFTER {
            self.tries = 0;
        }
        let whole = PAUSE_FIRST.saturating_mul(1 << self.tries.min(16)).min(PAUSE_MAX);
        self.tries = self.tries.saturating_add(1);
        whole / 2 + whole.mul_f64(f64::from(chance) / f64::from(u32::MAX)) / 2
    }
}

/// Any number, from the system; a fixed one where the system has none, which costs only the spread.
pub fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_begin_anew_after_a_good_connection() {
        let mut backoff = Backoff::default();
        let short = Duration::ZERO;
        assert_eq!(backoff.next(short, u32::MAX), Duration::from_millis(250));
        assert_eq!(backoff.next(short, u32::MAX), Duration::from_millis(500));
        assert_eq!(backoff.next(short, 0), Duration::from_millis(500));
        for _ in 0..40 {
            assert!(backoff.next(short, 7) <= PAUSE_MAX);
        }
        assert_eq!(backoff.next(GOOD_AFTER, u32::MAX), Duration::from_millis(250));
    }

    #[test]
    fn a_slow_line_is_waited_for_and_a_quick_one_is_not() {
        let heartbeat = Heartbeat::default();
        let ms = Duration::from_millis;
        assert_eq!(patience(heartbeat, ms(100)), heartbeat.answer_within);
        assert_eq!(patience(heartbeat, ms(900)), ms(3_600));
        assert_eq!(patience(heartbeat, ms(60_000)), PATIENCE_MAX);
        // One slow answer is remembered for a while.
        let after = (0..20).fold(slowest(ms(50), ms(1_600)), |before, _| slowest(before, ms(50)));
        assert!(slowest(ms(1_600), ms(50)) == ms(1_400) && after < ms(200), "{after:?}");
    }

    #[test]
    fn nobody_there_is_said_by_stage() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dial = |url: &'static str| {
            let dialled = Socket::dial(url, None, Heartbeat::default());
            runtime.block_on(dialled).map(|_| ()).unwrap_err().stage
        };
        // Port 1 on loopback: nothing listens there.
        assert_eq!(dial("ws://127.0.0.1:1/v5/public/linear"), Stage::Connect);
        assert_eq!(dial("ws://no-such-host.invalid/v5/public/linear"), Stage::Dns);
    }
}
