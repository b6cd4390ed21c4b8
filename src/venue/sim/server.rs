//! The network side: one port on loopback, HTTP/1 and `WebSocket`s under the venue's paths.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Clock;
use super::wire::Request;
use super::wire::route::{self, Outcome};
use super::wire::socket::Kind;
use super::world::{Out, World};
use crate::engine::time::{Span, Ts};

/// Time between two rounds of the exchange.
const ROUND: Duration = Duration::from_millis(2);
/// Bytes of a request's body.
const BODY_MAX: usize = 1 << 20;

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer: {0}")]
struct NoAnswer(&'static str);

/// What every task shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub world: Arc<Mutex<World>>,
    pub clock: Clock,
}

impl Shared {
    /// The world. A task that died in the middle of it leaves it as it was.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `due` by the exchange's clock.
    async fn until(&self, due: Ts) {
        let left = due.since((self.clock)());
        if left > Span(0) {
            tokio::time::sleep(Duration::from_nanos(left.0.unsigned_abs())).await;
        }
    }
}

/// Serves until `stop` is dropped or told.
pub(super) async fn serve(listener: StdListener, shared: Shared, stop: oneshot::Receiver<()>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let rounds = tokio::spawn(rounds(shared.clone()));
    let accepting = async {
        loop {
            // A connection that could not be accepted concerns nobody else.
            let Ok((stream, _)) = listener.accept().await else { continue };
            drop(stream.set_nodelay(true));
            let shared = shared.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(shared.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                // Ends with an error when a fault closes it, or when the client goes away: both are ordinary here.
                drop(connection.await);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stop => {}
    }
    rounds.abort();
    Ok(())
}

async fn rounds(shared: Shared) {
    let mut every = tokio::time::interval(ROUND);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = (shared.clock)();
        shared.world().pump(now);
    }
}

async fn answer(shared: Shared, request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, NoAnswer> {
    if request.headers().contains_key(SEC_WEBSOCKET_KEY) {
        return Ok(upgrade(&shared, request));
    }
    let request = whole(request).await?;
    let outcome = {
        let now = (shared.clock)();
        let mut world = shared.world();
        // What the market did until now comes before what a client asks now.
        world.pump(now);
        route::rest(&mut world, &request, now)
    };
    respond(outcome).await
}

/// Reads a request to its end.
async fn whole(request: hyper::Request<Incoming>) -> Result<Request, NoAnswer> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| NoAnswer("the body ended early"))?;
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_bytes().to_vec(),
    })
}

async fn respond(outcome: Outcome) -> Result<hyper::Response<Full<Bytes>>, NoAnswer> {
    if outcome.delay > Span(0) {
        tokio::time::sleep(Duration::from_nanos(outcome.delay.0.unsigned_abs())).await;
    }
    let Some(reply) = outcome.reply else { return Err(NoAnswer("a fault closes the connection")) };
    let mut response = hyper::Response::builder().status(reply.status).header(CONTENT_TYPE, reply.content_type);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(reply.body))).map_err(|_| NoAnswer("a header is not printable"))
}

/// Turns an HTTP connection into a WebSocket, where the path is one.
fn upgrade(shared: &Shared, mut request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
    let refuse = |status: u16| {
        let mut response = hyper::Response::new(Full::new(Bytes::new()));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
        response
    };
    let Some(kind) = Kind::of_path(request.uri().path()) else { return refuse(404) };
    let key = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (send, receive) = unbounded_channel();
    let now = (shared.clock)();
    let (Some(accept), Some(number)) = (key, shared.world().connect(kind, send, now)) else { return refuse(503) };
    let upgraded = hyper::upgrade::on(&mut request);
    let task = shared.clone();
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            converse(&task, number, socket, receive).await;
        }
        task.world().disconnect(number);
    });
    let mut response = refuse(101);
    let headers = response.headers_mut();
    for (name, value) in [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_ACCEPT, accept.as_str())] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    response
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Reads and writes one socket until either side ends it.
async fn converse(shared: &Shared, number: u64, socket: Socket, mut out: UnboundedReceiver<Out>) {
    let (mut write, mut read) = socket.split();
    let reading = async {
        while let Some(Ok(message)) = read.next().await {
            match message {
                Message::Text(text) => {
                    let now = (shared.clock)();
                    let mut world = shared.world();
                    world.pump(now);
                    world.heard(number, text.as_str(), now);
                }
                Message::Close(_) => return,
                // The protocol's own pings are answered by the library.
                _ => {}
            }
        }
    };
    let writing = async {
        while let Some(Out::Text(due, text)) = out.recv().await {
            shared.until(due).await;
            if write.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

/// A listener on loopback, or the reason why not.
pub(super) fn listen(at: SocketAddr) -> std::io::Result<StdListener> {
    let listener = StdListener::bind(at)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
