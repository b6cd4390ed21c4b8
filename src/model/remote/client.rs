//! HTTP to one model server: one request at a time, bounded in time and size, on the thread that asks.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response};
use tokio::runtime::Runtime;

use super::RemoteError;
use super::card::{RemoteCard, is_local};
use crate::keys::{MODEL_TOKEN, Place, Secret, find_named};
use crate::model::protocol::{Encoded, HEADER_LENGTH, told};
use crate::venue::bybit::rest::install_tls;

/// Bytes of an answer: far more than the forecasts of all instruments of a run.
const BODY_MAX: usize = 4 << 20;
/// Bytes of a refusal that are read.
const REFUSAL_MAX: usize = 4 << 10;

/// A connection that is kept.
pub(super) struct Client {
    runtime: Runtime,
    http: reqwest::Client,
    base: String,
    timeout: Duration,
    /// What is hidden where a server repeats it.
    token: Option<(HeaderName, Secret)>,
}

impl Client {
    /// A client; finds the token where the card wants one sent.
    pub(super) fn new(card: &RemoteCard, place: &Place) -> Result<Self, RemoteError> {
        let setup = |why: String| RemoteError::Setup(why);
        let url = card.address().map_err(setup)?;
        let token = token(card, place)?;
        install_tls();
        let timeout = Duration::from_millis(u64::from(card.timeout_ms));
        let builder = reqwest::Client::builder()
            .user_agent(concat!("tickdeck/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false);
        let builder = if is_local(&url) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| setup(format!("no client can be made: {}", innermost(&error))))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| setup(format!("the system refused a client: {error}")))?;
        Ok(Self { runtime, http, base: url.as_str().trim_end_matches('/').to_owned(), timeout, token })
    }

    /// The body of a page.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, RemoteError> {
        let request = self.http.get(format!("{}{path}", self.base));
        self.run(request).map(|(body, _)| body)
    }

    /// The body of an answer, and how much of it is JSON where it says so.
    pub(super) fn post(&self, path: &str, encoded: Encoded) -> Result<(Vec<u8>, Option<usize>), RemoteError> {
        let Encoded { body, header_length } = encoded;
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        self.run(match header_length {
            Some(length) => {
                request.header("content-type", "application/octet-stream").header(HEADER_LENGTH, length.to_string())
            }
            None => request.header("content-type", "application/json"),
        })
    }

    fn run(&self, request: RequestBuilder) -> Result<(Vec<u8>, Option<usize>), RemoteError> {
        let request = match &self.token {
            Some((name, token)) => request.header(name, shown(name, token)?),
            None => request,
        };
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.words(&error))?;
            let status = response.status();
            if !status.is_success() {
                let said = self.read(response, REFUSAL_MAX).await.unwrap_or_default();
                return Err(RemoteError::Status { status: status.as_u16(), said: self.refusal(&said) });
            }
            let header_length = response.headers().get(HEADER_LENGTH).map(|value| value.to_str().ok()?.parse().ok());
            let header_length = match header_length {
                Some(None) => return Err(RemoteError::Unlike("`Inference-Header-Content-Length` is no number".into())),
                other => other.flatten(),
            };
            Ok((self.read(response, BODY_MAX).await?, header_length))
        })
    }

    async fn read(&self, mut response: Response, most: usize) -> Result<Vec<u8>, RemoteError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.words(&error))? {
            if body.len() + chunk.len() > most {
                return Err(RemoteError::Oversized(most));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The server's words about a refusal, without the token that it may repeat.
    fn refusal(&self, body: &[u8]) -> String {
        let text = serde_json::from_slice::<serde_json::Value>(body).ok();
        let text = text.and_then(|json| json["error"].as_str().map(str::to_owned));
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        let text = match &self.token {
            Some((_, token)) => text.replace(token.expose(), "[hidden]"),
            None => text,
        };
        if text.trim().is_empty() { "nothing more".to_owned() } else { told(&text) }
    }

    fn words(&self, error: &reqwest::Error) -> RemoteError {
        if error.is_timeout() {
            RemoteError::Late(self.timeout.as_millis())
        } else {
            RemoteError::Unreachable(innermost(error))
        }
    }
}

fn token(card: &RemoteCard, place: &Place) -> Result<Option<(HeaderName, Secret)>, RemoteError> {
    if card.token_header.is_empty() {
        return Ok(None);
    }
    let name = HeaderName::from_bytes(card.token_header.as_bytes());
    let name = name.map_err(|_| RemoteError::Setup("`token_header` is not the name of a header".to_owned()))?;
    let (token, _) = find_named(MODEL_TOKEN, place).map_err(|error| RemoteError::Setup(error.to_string()))?;
    Ok(Some((name, token)))
}

/// The header's value, marked so that nothing prints it.
fn shown(name: &HeaderName, token: &Secret) -> Result<HeaderValue, RemoteError> {
    let text = if name == reqwest::header::AUTHORIZATION {
        zeroize::Zeroizing::new(format!("Bearer {}", token.expose()))
    } else {
        zeroize::Zeroizing::new(token.expose().to_owned())
    };
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| RemoteError::Setup("the token cannot be a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The cause at the end of the chain; the outer ones repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "no further cause".to_owned() };
    while let Some(source) = cause.source() {
        cause = source;
    }
    told(&cause.to_string())
}
