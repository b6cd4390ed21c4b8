//! The exchange in the venue's own shapes: REST routes, socket protocol, topics. Pure: text in, text out.

pub mod account;
pub mod limits;
pub mod market;
pub mod params;
pub mod private;
pub mod route;
pub mod rows;
pub mod sign;
pub mod socket;
pub mod stream;
pub mod trade;

use serde_json::{Value, json};

use super::exchange::model::Refusal;
use crate::engine::num::Money;
use crate::engine::time::Ts;

/// An HTTP request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Raw query without `?`.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Raw body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: String,
}

/// What a request comes to: a result, or a refusal.
pub type Answer = Result<Success, Refusal>;

/// A result with what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// `retMsg`.
    pub message: &'static str,
    /// `result`.
    pub result: Value,
    /// `retExtInfo`.
    pub ext: Value,
}

impl Success {
    /// A result with `retMsg` `OK`.
    pub fn ok(result: Value) -> Self {
        Self { message: "OK", result, ext: json!({}) }
    }
}

/// The envelope of every REST answer (contract 3).
pub fn envelope(answer: &Answer, now: Ts) -> Value {
    match answer {
        Ok(success) => json!({
            "retCode": 0, "retMsg": success.message, "result": success.result, "retExtInfo": success.ext,
            "time": now.as_ms(),
        }),
        Err(refusal) => json!({
            "retCode": refusal.code, "retMsg": refusal.message, "result": {}, "retExtInfo": {}, "time": now.as_ms(),
        }),
    }
}

impl Reply {
    /// A JSON answer with status 200.
    pub fn json(value: &Value) -> Self {
        Self { status: 200, content_type: "application/json", headers: Vec::new(), body: value.to_string() }
    }
    /// An answer of a gateway, which is no JSON.
    pub fn html(status: u16, title: &str) -> Self {
        let body = format!("<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>");
        Self { status, content_type: "text/html", headers: Vec::new(), body }
    }
}

/// Money as the venue writes it: at most eight decimals.
pub fn usd(money: Money) -> String {
    let text = format!("{money:.8}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Milliseconds as the venue writes them inside objects: text.
pub fn ms(at: Ts) -> String {
    at.as_ms().to_string()
}
