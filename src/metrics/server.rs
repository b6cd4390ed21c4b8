//! `/metrics`, `/livez` and `/readyz` on a thread of its own. Whoever reads slowly or too often holds up nobody else.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};

use super::{Reading, page};

/// Connections at once; more are closed at once.
const CONNECTIONS_MAX: usize = 32;
/// How long a head may take, and how long a connection may do nothing. Scrapers ask more often.
const HEAD_TAKES: Duration = Duration::from_secs(120);

/// Reads what a scrape shows.
pub type Read = Arc<dyn Fn() -> Reading + Send + Sync>;

/// A listener; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Listens from now on. An error is an address that cannot be had.
    pub fn start(address: SocketAddr, read: Read) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    // A listener that fails ends; a scraper that finds nobody says so.
                    _ = serve(listener, read) => {}
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name("metrics".into()).spawn(serve)?;
        Ok(Self { address, _stop: stop })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, read: Read) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // A connection that could not be accepted concerns nobody else; where no descriptor is free, one may be soon.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let read = read.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(&read, &request))));
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TAKES);
            // A client that goes away in the middle is ordinary.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
            drop(place);
        });
    }
}

fn answer(read: &Read, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = respond(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n".to_owned());
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/metrics" => respond(StatusCode::OK, page(&read())),
        "/livez" => health(read().not_alive()),
        "/readyz" => health(read().not_ready()),
        _ => respond(StatusCode::NOT_FOUND, "/metrics, /livez or /readyz\n".to_owned()),
    }
}

fn health(trouble: Option<String>) -> Response<Full<Bytes>> {
    match trouble {
        None => respond(StatusCode::OK, "ok\n".to_owned()),
        Some(why) => respond(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response.headers_mut().insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    fn ask(address: SocketAddr, head: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_run_that_has_not_begun_is_neither_alive_nor_ready_and_says_so() {
        let heartbeat = Arc::new(std::sync::Mutex::new(None));
        let seen = heartbeat.clone();
        let read: Read = Arc::new(move || Reading { heartbeat: *seen.lock().unwrap(), ..Reading::default() });
        let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), read).unwrap();
        let ask = |head| ask(server.address(), head);
        assert!(ask("GET /livez").starts_with("HTTP/1.1 503"));
        *heartbeat.lock().unwrap() = Some(Duration::from_millis(1));
        assert!(ask("GET /livez").starts_with("HTTP/1.1 200"));
        let ready = ask("GET /readyz");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("no picture"), "{ready}");
        *heartbeat.lock().unwrap() = Some(SILENT_FOR);
        assert!(ask("GET /livez").contains("silent for 11 s"));
        assert!(ask("GET /metrics").contains("tickdeck_engine_heartbeat_age_seconds 11"));
        assert!(ask("POST /metrics").starts_with("HTTP/1.1 405"));
        assert!(ask("GET /").starts_with("HTTP/1.1 404"));
    }

    const SILENT_FOR: Duration = Duration::from_secs(11);
}
