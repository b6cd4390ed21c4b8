//! Stand-ins for services that call a person, written from their public documentation: Telegram's Bot API, Slack's incoming
//! webhooks, and an address that takes anything. One connection, one request.
#![allow(dead_code)] // each test file uses its part

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub body: Value,
}

/// A status, headers and a body.
pub type Answer = (u16, &'static str, String);

/// A service that listens until it is dropped.
pub struct Service {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
}

impl Service {
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), answer)
    }

    pub fn at(address: SocketAddr, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let (asked, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let service = Self { address: listener.local_addr().unwrap(), asked: asked.clone(), over: over.clone() };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (asked, answer) = (asked.clone(), answer.clone());
                // One that waits holds up no other.
                std::thread::spawn(move || serve(&stream, &asked, &*answer));
            }
        });
        service
    }

    /// Bodies of the requests to paths that end so.
    pub fn bodies(&self, end: &str) -> Vec<Value> {
        self.asked.lock().unwrap().iter().filter(|r| r.path.ends_with(end)).map(|r| r.body.clone()).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: &TcpStream, asked: &Mutex<Vec<Request>>, answer: &impl Fn(&Request) -> Answer) {
    // Whoever breaks off has asked nothing.
    let Some(request) = read(stream) else { return };
    // Noted before it is answered: who has the answer finds the request.
    asked.lock().unwrap().push(request.clone());
    let (status, headers, body) = answer(&request);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    drop(stream.write_all(format!("{head}{body}").as_bytes()));
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(number) = header.strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

/// An address where nothing listens now.
pub fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The Bot API for one bot that knows one chat.
pub fn telegram(token: &'static str, chat: &'static str) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    move |request| {
        let no = |code: u16, words: &str| {
            (code, "", json!({ "ok": false, "error_code": code, "description": words }).to_string())
        };
        let Some(method) = request.path.strip_prefix(&format!("/bot{token}/")) else {
            // The real one does not repeat the token; a proxy between might.
            return no(401, &format!("Unauthorized {}", request.path));
        };
        let text = request.body["text"].as_str().unwrap_or_default();
        match method {
            "getMe" => (
                200,
                "",
                json!({ "ok": true, "result": { "id": 1, "is_bot": true, "username": "tickdeck_bot" } }).to_string(),
            ),
            "getChat" | "sendMessage" if request.body["chat_id"] != chat => no(400, "Bad Request: chat not found"),
            "getChat" => (200, "", json!({ "ok": true, "result": { "id": 5 } }).to_string()),
            "sendMessage" if text.is_empty() => no(400, "Bad Request: message text is empty"),
            "sendMessage" if text.chars().count() > 4096 => no(400, "Bad Request: message is too long"),
            "sendMessage" => (200, "", json!({ "ok": true, "result": { "message_id": 7 } }).to_string()),
            _ => no(404, "Not Found"),
        }
    }
}

/// What people write to a bot, and who waits for it.
#[derive(Default)]
pub struct Inbox {
    updates: Mutex<Vec<Value>>,
    /// Number of the newest request for them: an older one is told of it.
    newest: AtomicU64,
}

impl Inbox {
    /// Somebody writes so many seconds after now. In a group the sender is another than the chat.
    pub fn writes(&self, chat: i64, text: &str, seconds: i64) {
        let mut updates = self.updates.lock().unwrap();
        let (id, now) = (updates.len() as i64 + 1, SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        let kind = if chat > 0 { "private" } else { "supergroup" };
        updates.push(json!({ "update_id": id, "message": {
            "message_id": id, "date": now.as_secs() as i64 + seconds, "text": text,
            "chat": { "id": chat, "type": kind }, "from": { "id": chat.abs(), "is_bot": false } } }));
    }

    /// `getUpdates`: what is not confirmed by the offset, or nothing within the time; to whoever asked last.
    fn wait(&self, asked: &Value) -> Answer {
        let turn = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        let offset = asked["offset"].as_i64().unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(asked["timeout"].as_u64().unwrap_or(0));
        loop {
            let updates = self.updates.lock().unwrap().clone();
            let found: Vec<Value> =
                updates.into_iter().filter(|update| update["update_id"].as_i64() >= Some(offset)).collect();
            if self.newest.load(Ordering::SeqCst) != turn {
                let words =
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
                return (409, "", json!({ "ok": false, "error_code": 409, "description": words }).to_string());
            }
            if !found.is_empty() || Instant::now() >= until {
                return (200, "", json!({ "ok": true, "result": found }).to_string());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// The Bot API for a bot that may write to anybody, and is written to.
pub fn bot(token: &'static str, inbox: Arc<Inbox>) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    let sends = telegram(token, "");
    move |request| match request.path.strip_prefix(&format!("/bot{token}/")) {
        Some("getUpdates") => inbox.wait(&request.body),
        Some("getWebhookInfo") => (200, "", json!({ "ok": true, "result": { "url": "" } }).to_string()),
        Some("sendMessage") => (200, "", json!({ "ok": true, "result": { "message_id": 7 } }).to_string()),
        _ => sends(request),
    }
}

/// An incoming webhook at this path.
pub fn slack(path: &'static str) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    move |request| match request.body["text"].as_str() {
        _ if request.path != path => (404, "", format!("no_service {}", request.path)),
        None | Some("") => (400, "", "no_text".to_owned()),
        Some(_) => (200, "", "ok".to_owned()),
    }
}

/// Takes anything.
pub fn anything(_: &Request) -> Answer {
    (204, "", String::new())
}
