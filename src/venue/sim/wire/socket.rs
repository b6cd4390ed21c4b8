//! What is said on a socket: ping, auth, subscribe, and orders on the trade socket (contract 10, 12).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::params::Params;
use super::sign::AuthFailure;
use crate::engine::time::Ts;

/// Characters of the arguments that one public connection may subscribe (contract 5).
const ARGS_MAX: usize = 21_000;

/// Which of the four sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/v5/public/linear`.
    Public,
    /// `/v5/public/misc/status`.
    Status,
    /// `/v5/private`.
    Private,
    /// `/v5/trade`.
    Trade,
}

impl Kind {
    /// The socket of a path.
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/v5/public/linear" => Some(Self::Public),
            "/v5/public/misc/status" => Some(Self::Status),
            "/v5/private" => Some(Self::Private),
            "/v5/trade" => Some(Self::Trade),
            _ => None,
        }
    }
}

/// One socket's standing.
#[derive(Debug)]
pub struct Session {
    /// Which socket.
    pub kind: Kind,
    /// `conn_id`.
    pub conn_id: String,
    /// Authenticated?
    pub authed: bool,
    /// Topics it watches.
    pub topics: Vec<String>,
    /// When something last came from it.
    pub heard: Ts,
    args: usize,
    requests: BTreeSet<String>,
}

/// A message from a client, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// `{"op":"ping"}`.
    Ping,
    /// Arguments as text; a number counts as its digits.
    Auth(Vec<String>),
    /// Topics.
    Subscribe(Vec<String>),
    /// Topics.
    Unsubscribe(Vec<String>),
    /// An order operation: path below `/v5/order/`, body.
    Order(String, Value),
    /// Anything else: its `op`.
    Unknown(String),
}

/// Reads a frame; `None` for what is no JSON object.
pub fn read(text: &str) -> Option<(Message, Value)> {
    let frame: Value = serde_json::from_str(text).ok()?;
    frame.as_object()?;
    let op = frame.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
    let args: Vec<String> = (frame.get("args").and_then(Value::as_array).into_iter().flatten())
        .map(|arg| arg.as_str().map_or_else(|| arg.to_string(), str::to_owned))
        .collect();
    let message = match op.as_str() {
        "ping" => Message::Ping,
        "auth" => Message::Auth(args),
        "subscribe" => Message::Subscribe(args),
        "unsubscribe" => Message::Unsubscribe(args),
        "order.create" | "order.amend" | "order.cancel" | "order.create-batch" | "order.amend-batch"
        | "order.cancel-batch" => {
            let body = frame.get("args").and_then(|args| args.get(0)).cloned().unwrap_or(Value::Null);
            Message::Order(op.trim_start_matches("order.").to_owned(), body)
        }
        _ => Message::Unknown(op),
    };
    Some((message, frame))
}

impl Session {
    /// A new connection.
    pub const fn new(kind: Kind, conn_id: String, now: Ts) -> Self {
        Self { kind, conn_id, authed: false, topics: Vec::new(), heard: now, args: 0, requests: BTreeSet::new() }
    }

    /// One of the four pongs (contract 10.3).
    pub fn pong(&self, frame: &Value, now: Ts) -> Value {
        let stamp = [now.as_ms().to_string()];
        match self.kind {
            Kind::Public | Kind::Status => json!({
                "success": true, "ret_msg": "pong", "conn_id": self.conn_id, "req_id": self.req_id(frame), "op": "ping",
            }),
            Kind::Private => {
                json!({"req_id": self.req_id(frame), "op": "pong", "args": stamp, "conn_id": self.conn_id})
            }
            Kind::Trade => {
                json!({"retCode": 0, "retMsg": "OK", "op": "pong", "data": stamp, "connId": self.conn_id})
            }
        }
    }

    /// The id of a request, echoed as it came; empty when there was none.
    fn req_id(&self, frame: &Value) -> Value {
        let name = if self.kind == Kind::Trade { "reqId" } else { "req_id" };
        frame.get(name).cloned().unwrap_or_else(|| json!(""))
    }

    /// The answer to `auth`.
    pub fn authenticate(&mut self, checked: Result<(), AuthFailure>, frame: &Value) -> Value {
        if self.kind == Kind::Trade {
            let (code, text) = match checked {
                Ok(()) if self.authed => (20_001, "Repeat auth"),
                Ok(()) => (0, "OK"),
                Err(AuthFailure::Params) => (10_001, "Params Error"),
                Err(AuthFailure::Key) => (10_003, "API key is invalid."),
                Err(AuthFailure::Sign) => (10_004, "Invalid sign"),
                Err(AuthFailure::Crowded) => (10_003, "Too many sessions under the same UID."),
            };
            self.authed |= checked.is_ok();
            let mut reply = json!({"retCode": code, "retMsg": text, "op": "auth", "connId": self.conn_id});
            if let Some(id) = frame.get("reqId") {
                reply["reqId"] = id.clone();
            }
            return reply;
        }
        self.authed |= checked.is_ok();
        let text = match checked {
            Ok(()) => "",
            Err(AuthFailure::Params) => "Params Error",
            Err(AuthFailure::Key) => "API key is invalid.",
            Err(AuthFailure::Sign) => "error sign",
            Err(AuthFailure::Crowded) => "Too many sessions under the same UID.",
        };
        let mut reply = json!({"success": checked.is_ok(), "ret_msg": text, "op": "auth", "conn_id": self.conn_id});
        if let Some(id) = frame.get("req_id") {
            reply["req_id"] = id.clone();
        }
        reply
    }

    /// Whether a whole subscribe request is good: one bad topic fails it all (contract 10.4). `knows` says which exist.
    pub fn may_subscribe(&self, topics: &[String], knows: impl Fn(&str) -> bool) -> Result<(), String> {
        if self.kind == Kind::Private && !self.authed {
            return Err("failed auth".to_owned());
        }
        if topics.is_empty() {
            return Err("error:args is empty".to_owned());
        }
        if self.args + topics.iter().map(String::len).sum::<usize>() > ARGS_MAX {
            return Err(format!("args total length >{ARGS_MAX}"));
        }
        let mut seen = BTreeSet::new();
        for topic in topics {
            if !knows(topic) {
                return Err(format!("error:handler not found,topic:{topic}"));
            }
            let both = self.kind == Kind::Private && seen.iter().any(|other: &&String| plain(other) == plain(topic));
            if both || self.topics.contains(topic) || !seen.insert(topic) {
                return Err(format!("error:already subscribed,topic:{topic}"));
            }
        }
        Ok(())
    }

    /// Notes topics that a good request named.
    pub fn subscribe(&mut self, topics: &[String]) {
        self.args += topics.iter().map(String::len).sum::<usize>();
        self.topics.extend_from_slice(topics);
    }

    /// Forgets topics.
    pub fn unsubscribe(&mut self, topics: &[String]) {
        self.topics.retain(|topic| !topics.contains(topic));
        self.args = self.topics.iter().map(String::len).sum();
    }

    /// The answer to `subscribe` and `unsubscribe`.
    pub fn acknowledge(&self, op: &str, done: Result<(), String>, frame: &Value) -> Value {
        json!({
            "success": done.is_ok(), "ret_msg": done.err().unwrap_or_default(), "conn_id": self.conn_id,
            "req_id": self.req_id(frame), "op": op,
        })
    }

    /// Whether a trade request's id is fresh; one without an id always is.
    pub fn is_fresh(&mut self, frame: &Value) -> bool {
        frame.get("reqId").is_none_or(|id| self.requests.insert(id.to_string()))
    }

    /// The header of a trade request: timestamp and window as text.
    pub fn stamp(frame: &Value) -> (String, String) {
        let header = Params::of_json(frame.get("header").unwrap_or(&Value::Null));
        (header.text("X-BAPI-TIMESTAMP").to_owned(), header.text("X-BAPI-RECV-WINDOW").to_owned())
    }
}

/// A private topic without its category: `order` and `order.linear` must not share a request (contract 10.4).
fn plain(topic: &str) -> &str {
    topic.strip_suffix(".linear").unwrap_or(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(kind: Kind) -> Session {
        Session::new(kind, "c1".to_owned(), Ts(0))
    }

    #[test]
    fn the_pongs_have_their_own_shapes() {
        let frame = json!({"op": "ping", "req_id": 7});
        let public = session(Kind::Public).pong(&frame, Ts::from_ms(5));
        assert_eq!((&public["op"], &public["ret_msg"], &public["req_id"]), (&json!("ping"), &json!("pong"), &json!(7)));
        assert_eq!(session(Kind::Private).pong(&frame, Ts::from_ms(5))["args"], json!(["5"]));
        let trade = session(Kind::Trade).pong(&frame, Ts::from_ms(5));
        assert_eq!((&trade["op"], &trade["data"]), (&json!("pong"), &json!(["5"])));
        assert_eq!(session(Kind::Public).pong(&json!({"op": "ping"}), Ts(0))["req_id"], json!(""));
    }

    #[test]
    fn one_bad_topic_fails_the_whole_request() {
        let mut public = session(Kind::Public);
        let topics = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let knows = |topic: &str| topic.starts_with("ok");
        assert_eq!(
            public.may_subscribe(&topics(&["ok1", "no"]), knows).unwrap_err(),
            "error:handler not found,topic:no"
        );
        public.may_subscribe(&topics(&["ok1"]), knows).unwrap();
        public.subscribe(&topics(&["ok1"]));
        let again = public.may_subscribe(&topics(&["ok2", "ok1"]), knows).unwrap_err();
        assert_eq!(again, "error:already subscribed,topic:ok1");
        let twice = public.may_subscribe(&topics(&["ok2", "ok2"]), knows).unwrap_err();
        assert_eq!(twice, "error:already subscribed,topic:ok2");
        public.unsubscribe(&topics(&["ok1"]));
        public.may_subscribe(&topics(&["ok1"]), knows).unwrap();
        assert_eq!(session(Kind::Private).may_subscribe(&topics(&["ok"]), knows).unwrap_err(), "failed auth");
    }

    #[test]
    fn ids_and_expiry_come_as_text_or_number() {
        let (message, _) = read(r#"{"op":"auth","args":["k",1700000000000,"s"]}"#).unwrap();
        assert_eq!(message, Message::Auth(vec!["k".into(), "1700000000000".into(), "s".into()]));
        let frame = json!({"reqId": 4, "header": {"X-BAPI-TIMESTAMP": 1_700_000_000_000_i64}});
        assert_eq!(Session::stamp(&frame).0, "1700000000000");
        let mut trade = session(Kind::Trade);
        assert!(trade.is_fresh(&frame) && !trade.is_fresh(&frame));
        assert!(read("no json").is_none() && read("[1]").is_none());
    }
}
