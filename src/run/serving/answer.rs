//! Answers as HTTP: JSON, tensors, pages, and errors in the protocol's own form.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::model::protocol::{Encoded, HEADER_LENGTH};

pub(super) type Answer = Response<Full<Bytes>>;

/// JSON.
pub(super) fn told(status: StatusCode, value: &Value) -> Answer {
    made(status, "application/json", value.to_string().into_bytes())
}

/// What is wrong and what to do, as `{"error": ...}`.
pub(super) fn refused(status: StatusCode, why: impl std::fmt::Display) -> Answer {
    told(status, &json!({ "error": why.to_string() }))
}

/// Tensors.
pub(super) fn inferred(encoded: Encoded) -> Answer {
    let Encoded { body, header_length } = encoded;
    let Some(length) = header_length else { return made(StatusCode::OK, "application/json", body) };
    let answer = made(StatusCode::OK, "application/octet-stream", body);
    with(answer, HeaderName::from_static(HEADER_LENGTH), &length.to_string())
}

/// A page for Prometheus.
pub(super) fn page(text: String) -> Answer {
    made(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
}

/// Too much at once.
pub(super) fn busy() -> Answer {
    let why = "as many requests as are allowed (`serve.at_once`) are worked on already: come again";
    with(refused(StatusCode::SERVICE_UNAVAILABLE, why), RETRY_AFTER, "1")
}

/// Without the token.
pub(super) fn unauthorised() -> Answer {
    let why = "show the token of this server in the header `Authorization: Bearer TOKEN`";
    with(refused(StatusCode::UNAUTHORIZED, why), WWW_AUTHENTICATE, "Bearer")
}

/// The path is right, the method is not.
pub(super) fn wrong_method(allowed: &'static str) -> Answer {
    with(refused(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}")), ALLOW, allowed)
}

fn made(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let answer = with(answer, CONTENT_TYPE, kind);
    with(answer, CACHE_CONTROL, "no-store")
}

fn with(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    // Only numbers and the constants above come here: each is a header's value.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}
