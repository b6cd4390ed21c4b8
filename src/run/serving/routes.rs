//! The paths of the protocol, and what is done at each.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap};
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::answer::{self, Answer, refused, told};
use super::{Offered, Shelf, lock};
use crate::metrics::{ServedModel, serving_page};
use crate::model::protocol::{HEADER_LENGTH, OfferError, Request as Asked};
use crate::run::clock::Stopwatch;

/// Bytes of a request: as many rows as are taken, written generously.
const BODY_MAX: usize = 16 << 20;
/// How long a body may take.
const BODY_TAKES: Duration = Duration::from_secs(10);

/// Answers one request.
pub(super) async fn answer(shelf: Arc<Shelf>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if let ["v2", "health", "live" | "ready"] = parts.as_slice() {
        return reading(&request).unwrap_or_else(|| told(StatusCode::OK, &json!({ "live": true, "ready": true })));
    }
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !shelf.admits(shown) {
        shelf.turned_away().unauthorised += 1;
        return answer::unauthorised();
    }
    match parts.as_slice() {
        ["v2"] => reading(&request).unwrap_or_else(|| told(StatusCode::OK, &server())),
        ["metrics"] => reading(&request).unwrap_or_else(|| answer::page(page(&shelf))),
        ["v2", "models", name, "versions", version, rest @ ..] => {
            of_model(&shelf, (name, Some(version)), rest, request).await
        }
        ["v2", "models", name, rest @ ..] => of_model(&shelf, (name, None), rest, request).await,
        _ => refused(
            StatusCode::NOT_FOUND,
            "there is /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME and /metrics",
        ),
    }
}

fn server() -> serde_json::Value {
    json!({ "name": "tickdeck", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"] })
}

/// A refusal where the method is not one that reads.
fn reading(request: &Request<Incoming>) -> Option<Answer> {
    (!matches!(*request.method(), Method::GET | Method::HEAD)).then(|| answer::wrong_method("GET"))
}

fn page(shelf: &Shelf) -> String {
    let models: Vec<ServedModel> = shelf.models.values().map(|offered| lock(offered).counts.clone()).collect();
    let away = *shelf.turned_away();
    serving_page(&models, away)
}

async fn of_model(
    shelf: &Arc<Shelf>,
    (name, version): (&str, Option<&str>),
    rest: &[&str],
    request: Request<Incoming>,
) -> Answer {
    let Some(offered) = shelf.models.get(name) else {
        let names: Vec<&str> = shelf.models.keys().map(String::as_str).collect();
        return refused(StatusCode::NOT_FOUND, format!("there is no such model here: there are {}", names.join(", ")));
    };
    let ours = lock(offered).offer.version().to_owned();
    if version.is_some_and(|version| version != ours) {
        return refused(StatusCode::NOT_FOUND, format!("model {name} has the version {ours} here and no other"));
    }
    match rest {
        [] => reading(&request).unwrap_or_else(|| told(StatusCode::OK, &lock(offered).offer.metadata())),
        ["ready"] => reading(&request).unwrap_or_else(|| told(StatusCode::OK, &json!({ "name": name, "ready": true }))),
        ["infer"] if request.method() == Method::POST => infer(shelf.clone(), name.to_owned(), request).await,
        ["infer"] => answer::wrong_method("POST"),
        _ => refused(StatusCode::NOT_FOUND, "of a model there is its metadata, /ready and /infer"),
    }
}

/// Reads the question and has it answered where it holds up nobody else.
async fn infer(shelf: Arc<Shelf>, name: String, request: Request<Incoming>) -> Answer {
    let Ok(_place) = shelf.places.try_acquire() else {
        shelf.turned_away().busy += 1;
        return answer::busy();
    };
    let (head, body) = request.into_parts();
    let (bytes, length) = match question(&head.headers, body).await {
        Ok(question) => question,
        Err(answer) => {
            shelf.turned_away().unreadable += 1;
            return answer;
        }
    };
    let shared = shelf.clone();
    let computed = tokio::task::spawn_blocking(move || {
        let offered = shared.models.get(&name)?;
        Some(compute(&mut lock(offered), &bytes, length))
    });
    match computed.await {
        Ok(Some(answer)) => answer,
        // Only a model that panicked ends here.
        Ok(None) | Err(_) => {
            refused(StatusCode::INTERNAL_SERVER_ERROR, "the model fell over on this request; report it")
        }
    }
}

/// The body and the length of its JSON.
async fn question(headers: &HeaderMap, body: Incoming) -> Result<(Bytes, Option<usize>), Answer> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not taken"));
    }
    let length = match headers.get(HEADER_LENGTH).map(|value| value.to_str().ok().and_then(|text| text.parse().ok())) {
        None => None,
        Some(Some(length)) => Some(length),
        Some(None) => {
            return Err(refused(StatusCode::BAD_REQUEST, "`Inference-Header-Content-Length` is no number"));
        }
    };
    match tokio::time::timeout(BODY_TAKES, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(whole)) => Ok((whole.to_bytes(), length)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(refused(StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {BODY_MAX} bytes")))
        }
        Ok(Err(_)) => Err(refused(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

fn compute(offered: &mut Offered, bytes: &[u8], header_length: Option<usize>) -> Answer {
    let watch = Stopwatch::start();
    let Offered { offer, counts } = offered;
    let answered = Asked::parse(bytes, header_length).map_err(OfferError::from).and_then(|asked| offer.infer(&asked));
    match answered {
        Ok((encoded, rows)) => {
            counts.answered(rows, watch.elapsed());
            answer::inferred(encoded)
        }
        Err(error @ OfferError::Model(_)) => {
            counts.failed += 1;
            refused(StatusCode::INTERNAL_SERVER_ERROR, error)
        }
        Err(error) => {
            counts.refused += 1;
            refused(StatusCode::BAD_REQUEST, error)
        }
    }
}
