//! Stand-ins for services that call a person, written from their public documentation: Telegram's Bot API, Slack's incoming
//! webhooks, and an address that takes anything. One connection, one request.
#![allow(dead_code)] // each test file uses its part

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

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
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever breaks off has asked nothing.
                if let Some(request) = read(&stream) {
                    // Noted before it is answered: who has the answer finds the request.
                    asked.lock().unwrap().push(request.clone());
                    let (status, headers, body) = answer(&request);
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    drop((&stream).write_all(format!("{head}{body}").as_bytes()));
                }
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
            "getMe" => (200, "", json!({ "ok": true, "result": { "id": 1, "is_bot": true } }).to_string()),
            "getChat" | "sendMessage" if request.body["chat_id"] != chat => no(400, "Bad Request: chat not found"),
            "getChat" => (200, "", json!({ "ok": true, "result": { "id": 5 } }).to_string()),
            "sendMessage" if text.is_empty() => no(400, "Bad Request: message text is empty"),
            "sendMessage" if text.chars().count() > 4096 => no(400, "Bad Request: message is too long"),
            "sendMessage" => (200, "", json!({ "ok": true, "result": { "message_id": 7 } }).to_string()),
            _ => no(404, "Not Found"),
        }
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
