//! The connections that orders, cancels and settings are written to: plain HTTP/1.1, one request at a time each. A general
//! client costs more than the order itself, and does not say whether anything left. Here the last look and the signature
//! come when a connection stands ready, and what failed before the first byte is told from what failed after it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::FutureExt as _;
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{ANSWER_MAX, CONNECT_MAX, IDLE_MAX, Stage, clean};
use crate::venue::bybit::parse::LENGTH_MAX;
use crate::venue::bybit::proxy;
use crate::venue::bybit::socket::{Trouble, tcp};

/// Header lines of an answer; the venue and what stands before it send about twenty-five.
const HEADERS_MAX: usize = 96;
/// Connections that wait for the next request.
const IDLE_COUNT: usize = 8;
const ROOM: usize = 4_096;

/// An answer as it came.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The venue's headers on its limits, as numbers: `X-Bapi-Limit`, `-Limit-Status`, `-Limit-Reset-Timestamp`.
    pub limit: Option<u32>,
    pub left: Option<u32>,
    pub reset_ms: Option<i64>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost<R> {
    /// Nothing left.
    NotSent(Trouble),
    /// The last look kept it back.
    Refused(R),
    /// It left, at least in part.
    Unknown(Trouble),
}

/// The connections to one address.
pub(super) struct Wires {
    host: String,
    port: u16,
    /// The value of the `Host` header.
    named: String,
    tls: Option<TlsConnector>,
    proxy: Option<String>,
    idle: Mutex<Vec<(Instant, Box<dyn Stream>)>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Wires {
    /// To the host of `base`. Fails where its address cannot be read, or no root certificate is found for TLS.
    pub fn new(base: &str, proxy: Option<String>) -> Result<Self, Trouble> {
        let wrong = |why: &str| Trouble::new(Stage::Connect, why);
        let url = Url::parse(base).map_err(|_| wrong("the address cannot be read"))?;
        let host = url.host_str().ok_or_else(|| wrong("the address has no host"))?.to_owned();
        let named = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let tls = if url.scheme() == "https" { Some(trust()?) } else { None };
        let port = url.port_or_known_default().unwrap_or(443);
        Ok(Self { host, port, named, tls, proxy, idle: Mutex::default() })
    }

    /// The value of the `Host` header.
    pub fn named(&self) -> &str {
        &self.named
    }

    /// Sends once what `request` makes when a connection stands ready, and reads the answer.
    pub async fn send<R>(&self, request: impl FnOnce() -> Result<Vec<u8>, R>) -> Result<Answer, Lost<R>> {
        let mut stream = match self.idle() {
            Some(stream) => stream,
            None => self.dial().await.map_err(Lost::NotSent)?,
        };
        let bytes = request().map_err(Lost::Refused)?;
        let exchange = async {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            read(&mut stream).await
        };
        let unknown = |stage, detail: String| Lost::Unknown(Trouble::new(stage, detail));
        let (answer, stays) = match timeout(ANSWER_MAX, exchange).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => return Err(unknown(Stage::Broken, clean(&error.to_string()))),
            Err(_) => return Err(unknown(Stage::Timeout, "no answer".into())),
        };
        if stays {
            self.keep(stream);
        }
        Ok(answer)
    }

    /// Has a fresh connection wait, so that the next request need not make one. Not reached: the next request says so.
    pub async fn warm(&self) {
        if let Ok(stream) = self.dial().await {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(since, _)| since.elapsed() < IDLE_MAX / 2);
            idle.push((Instant::now(), stream));
        }
    }

    /// A connection that waits and is still open: an end or anything unasked in it makes it useless.
    fn idle(&self) -> Option<Box<dyn Stream>> {
        loop {
            let (since, mut stream) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let quiet = stream.read_u8().now_or_never().is_none();
            if quiet && since.elapsed() < IDLE_MAX {
                return Some(stream);
            }
        }
    }

    fn keep(&self, stream: Box<dyn Stream>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_COUNT {
            idle.push((Instant::now(), stream));
        }
    }

    async fn dial(&self) -> Result<Box<dyn Stream>, Trouble> {
        let connected = timeout(CONNECT_MAX, self.connect()).await;
        connected.unwrap_or_else(|_| Err(Trouble::new(Stage::Timeout, "connecting took too long")))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Trouble> {
        let plain = match &self.proxy {
            Some(proxy) => proxy::tunnel(proxy, &self.host, self.port).await?,
            None => tcp(&self.host, self.port).await?,
        };
        plain.set_nodelay(true).map_err(|error| Trouble::new(Stage::Connect, clean(&error.to_string())))?;
        let Some(tls) = &self.tls else { return Ok(Box::new(plain)) };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Trouble::new(Stage::Tls, "the address is no name that a certificate can be for"))?;
        let secured = tls.connect(name, plain).await;
        Ok(Box::new(secured.map_err(|error| Trouble::new(Stage::Tls, clean(&error.to_string())))?))
    }
}

/// Trust in what the system trusts.
fn trust() -> Result<TlsConnector, Trouble> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Trouble::new(Stage::Tls, "this system has no root certificates (install ca-certificates)"));
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// How the end of a body is told.
enum Body {
    Length(usize),
    Chunked,
    UntilEnd,
}

/// Reads one answer. `true` where the connection can take the next request.
async fn read(stream: &mut dyn Stream) -> io::Result<(Answer, bool)> {
    let mut held = Vec::with_capacity(ROOM);
    loop {
        fill(stream, &mut held).await?;
        let Some(head) = Head::of(&held)? else { continue };
        held.drain(..head.length);
        // "Continue" and its like come before the answer.
        if head.answer.status < 200 {
            if !held.is_empty() {
                return Err(odd("more than one answer"));
            }
            continue;
        }
        let Head { mut answer, body, stays, .. } = head;
        let ended = match body {
            Body::Length(length) => {
                while held.len() < length {
                    fill(stream, &mut held).await?;
                }
                held.len() == length
            }
            Body::Chunked => {
                held = unchunk(stream, held).await?;
                true
            }
            Body::UntilEnd => {
                while stream.read_buf(&mut held).await? > 0 {
                    short(&held)?;
                }
                false
            }
        };
        answer.body = held;
        return Ok((answer, stays && ended));
    }
}

/// Takes in what has come; an end here is too early.
async fn fill(stream: &mut dyn Stream, held: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(held).await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before the answer did"));
    }
    short(held)
}

fn short(held: &[u8]) -> io::Result<()> {
    if held.len() > LENGTH_MAX { Err(odd("the answer is too long")) } else { Ok(()) }
}

fn odd(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

struct Head {
    answer: Answer,
    length: usize,
    body: Body,
    stays: bool,
}

impl Head {
    /// `None` where it has not come whole.
    fn of(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut lines);
        let httparse::Status::Complete(length) = parsed.parse(bytes).map_err(|_| odd("not an HTTP answer"))? else {
            return Ok(None);
        };
        let answer = Answer { status: parsed.code.unwrap_or_default(), ..Answer::default() };
        let stays = parsed.version == Some(1);
        let mut head = Self { answer, length, body: Body::UntilEnd, stays };
        for line in parsed.headers.iter() {
            head.take(line.name, std::str::from_utf8(line.value).unwrap_or_default().trim())?;
        }
        Ok(Some(head))
    }

    fn take(&mut self, name: &str, value: &str) -> io::Result<()> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            let length = value.parse().ok().filter(|length| *length <= LENGTH_MAX);
            let length = length.ok_or_else(|| odd("a length that cannot be"))?;
            // Chunks say their own end, whatever else is said.
            if !matches!(self.body, Body::Chunked) {
                self.body = Body::Length(length);
            }
        } else if is("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(odd("an encoding that was not asked for"));
            }
            self.body = Body::Chunked;
        } else if is("connection") {
            self.stays &= !value.eq_ignore_ascii_case("close");
        } else if is("x-bapi-limit") {
            self.answer.limit = value.parse().ok();
        } else if is("x-bapi-limit-status") {
            self.answer.left = value.parse().ok();
        } else if is("x-bapi-limit-reset-timestamp") {
            self.answer.reset_ms = value.parse().ok();
        }
        Ok(())
    }
}

/// The body out of its chunks.
async fn unchunk(stream: &mut dyn Stream, mut held: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = loop {
            match httparse::parse_chunk_size(&held).map_err(|_| odd("a chunk that cannot be read"))? {
                httparse::Status::Complete((start, size)) => {
                    break (start, usize::try_from(size).unwrap_or(usize::MAX));
                }
                httparse::Status::Partial => fill(stream, &mut held).await?,
            }
        };
        if size.saturating_add(body.len()) > LENGTH_MAX {
            return Err(odd("the answer is too long"));
        }
        if size == 0 {
            return trailer(stream, &mut held, start).await.map(|()| body);
        }
        while held.len() < start + size + 2 {
            fill(stream, &mut held).await?;
        }
        body.extend_from_slice(&held[start..start + size]);
        held.drain(..start + size + 2);
    }
}

/// Lines after the last chunk up to an empty one.
async fn trailer(stream: &mut dyn Stream, held: &mut Vec<u8>, start: usize) -> io::Result<()> {
    let mut from = start;
    loop {
        let Some(end) = held[from..].windows(2).position(|pair| pair == b"\r\n") else {
            fill(stream, held).await?;
            continue;
        };
        if end == 0 {
            return Ok(());
        }
        from += end + 2;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn served(mut stream: TcpStream, answers: Vec<&'static str>) {
        let mut room = [0; 1024];
        for answer in answers {
            assert!(stream.read(&mut room).await.unwrap() > 0);
            for piece in answer.as_bytes().chunks(7) {
                // The client may have had enough of it.
                let _written = stream.write_all(piece).await;
                tokio::task::yield_now().await;
            }
        }
    }

    #[allow(clippy::unnecessary_wraps)] // what is sent may refuse
    fn ask() -> Result<Vec<u8>, ()> {
        Ok(b"POST / HTTP/1.1\r\n\r\n".to_vec())
    }

    /// What each of the scripted connections answers, one request after the other.
    fn asked(script: Vec<Vec<&'static str>>, count: usize) -> Vec<Result<Answer, Lost<()>>> {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let wires = Wires::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
            let server = tokio::spawn(async move {
                for answers in script {
                    let (stream, _) = listener.accept().await.unwrap();
                    served(stream, answers).await;
                }
            });
            let mut got = Vec::new();
            for _ in 0..count {
                got.push(wires.send(ask).await);
            }
            server.await.unwrap();
            got
        })
    }

    #[test]
    fn a_connection_serves_again_and_each_kind_of_body_is_read() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Bapi-Limit: 10\r\nx-bapi-limit-status: 9\r\n\r\nfour";
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n";
        let last = "HTTP/1.1 100 Continue\r\n\r\n";
        let got = asked(vec![vec![plain, chunked, plain]], 3);
        let bodies: Vec<_> = got.iter().map(|answer| answer.as_ref().unwrap().body.clone()).collect();
        assert_eq!(bodies, [b"four".to_vec(), b"abcde".to_vec(), b"four".to_vec()]);
        assert_eq!(
            got[0].as_ref().map(|answer| (answer.status, answer.limit, answer.left)).unwrap(),
            (200, Some(10), Some(9))
        );
        assert!(matches!(asked(vec![vec![last]], 1)[0], Err(Lost::Unknown(_))));
    }

    #[test]
    fn an_end_closes_the_connection_and_the_next_request_dials_anew() {
        let close = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let until_end = "HTTP/1.0 200 OK\r\n\r\nall of it";
        let got = asked(vec![vec![close], vec![until_end], vec!["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfo"]], 3);
        assert_eq!(got[0].as_ref().unwrap().status, 403);
        assert_eq!(got[1].as_ref().unwrap().body, b"all of it");
        assert!(matches!(got[2], Err(Lost::Unknown(_))));
    }

    #[test]
    fn what_never_left_is_told_from_what_may_have() {
        let nobody = Wires::new("http://127.0.0.1:1", None).unwrap();
        assert!(matches!(runtime().block_on(nobody.send(ask)), Err(Lost::NotSent(_))));
        let nonsense = asked(vec![vec!["SMTP 220 hello\r\n\r\n"]], 1);
        assert!(matches!(nonsense[0], Err(Lost::Unknown(_))));
    }

    #[test]
    fn the_last_look_is_taken_when_the_connection_stands() {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let wires = Wires::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
            let (sent, accepted) = tokio::join!(wires.send(|| Err::<Vec<u8>, _>("killed")), listener.accept());
            assert!(matches!(sent, Err(Lost::Refused("killed"))));
            let mut stream = accepted.unwrap().0;
            assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "no byte left");
        });
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_fall_over(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let whole = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat();
            for text in [bytes.as_slice(), &whole] {
                runtime().block_on(async {
                    let mut stream: Box<dyn Stream> = Box::new(tokio::io::join(text, tokio::io::sink()));
                    let _read = read(&mut *stream).await;
                });
            }
        }
    }
}
