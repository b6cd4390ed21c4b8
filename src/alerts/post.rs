//! Requests to services whose addresses are secrets: what goes wrong is told without them.

use std::error::Error as _;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;
use zeroize::Zeroizing;

use super::channels::SendError;
use crate::engine::time::Span;
use crate::keys::Secret;
use crate::venue::bybit::rest::install_tls;

/// How long a service may take.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are looked at.
pub(super) const BODY_MAX: usize = 4_096;
/// Characters of an answer that are told.
const TOLD_MAX: usize = 120;

/// A client; what a proxy of the environment says is followed, redirects are not: they would carry the secret elsewhere.
pub(super) fn client() -> Result<Client, String> {
    install_tls();
    let builder = Client::builder()
        .user_agent(concat!("tickdeck/", env!("CARGO_PKG_VERSION")))
        .timeout(ANSWER_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    builder.build().map_err(|error| format!("no client can be made: {}", innermost(&error)))
}

/// What a service answered.
pub(super) struct Answer {
    /// Status.
    pub status: u16,
    /// The beginning of its body.
    pub body: String,
    /// How long it wants to be left alone.
    pub wait: Option<Span>,
}

/// Posts JSON. An error is a request that was not answered.
pub(super) async fn post(client: &Client, address: &str, json: &Value) -> Result<Answer, SendError> {
    post_within(client, address, json, ANSWER_MAX, BODY_MAX).await
}

/// The same with an answer that may take so long and be so large.
pub(super) async fn post_within(
    client: &Client,
    address: &str,
    json: &Value,
    within: Duration,
    bytes_max: usize,
) -> Result<Answer, SendError> {
    let body = json.to_string();
    let request = client.post(address).timeout(within).header("content-type", "application/json").body(body);
    let mut response = request.send().await.map_err(|error| SendError::unreachable(&words(&error)))?;
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = Vec::new();
    while body.len() < bytes_max {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(chunk.get(..bytes_max - body.len()).unwrap_or(&chunk)),
            Ok(None) => break,
            Err(error) => return Err(SendError::unreachable(&words(&error))),
        }
    }
    let status = response.status().as_u16();
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned(), wait: header.map(Span::from_secs) })
}

/// What happened, without the address.
fn words(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else if error.is_builder() {
        return "the address is none".to_owned();
    } else {
        "the line broke"
    };
    format!("{what} ({})", innermost(error))
}

/// The cause at the end of the chain; the outer ones repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "no further cause".to_owned() };
    while let Some(source) = cause.source() {
        cause = source;
    }
    told(&cause.to_string())
}

/// Outside text for a person: short and on one line.
pub(super) fn told(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TOLD_MAX).collect::<String>().trim().to_owned()
}

/// The same text with no piece of a secret that could be used. An answer may repeat what was sent.
pub(super) fn without(secret: &Secret, text: &str) -> String {
    let whole = secret.expose();
    // Of an address the path is the secret: the part after the host, and each long part of it.
    let parts = whole.split(['/', '?', '&', '=', ':']).filter(|part| part.len() >= 8);
    parts.chain([whole]).fold(text.to_owned(), |text, part| text.replace(part, "[hidden]"))
}

/// A piece of a secret that long is of use to somebody.
const PIECE: usize = 6;

/// The same text without any piece of a secret in one of its forms, wherever an answer was cut or wrapped.
pub(super) fn without_pieces(forms: &[Zeroizing<String>], text: &str) -> String {
    let text: Vec<char> = text.chars().take(BODY_MAX).collect();
    let mut hidden = vec![false; text.len()];
    for form in forms.iter().filter(|form| !form.is_empty()) {
        let form = Zeroizing::new(form.chars().collect::<Vec<char>>());
        let length = PIECE.min(form.len());
        for (at, piece) in text.windows(length).enumerate() {
            if form.windows(length).any(|part| part == piece) {
                hidden.iter_mut().skip(at).take(length).for_each(|hidden| *hidden = true);
            }
        }
    }
    let mut shown = String::new();
    for (at, character) in text.iter().enumerate() {
        let is = |at: usize| hidden.get(at).copied().unwrap_or(false);
        match (is(at), at.checked_sub(1).is_some_and(is)) {
            (false, _) => shown.push(*character),
            (true, false) => shown.push_str("[hidden]"),
            (true, true) => {}
        }
    }
    shown
}

/// Refuses an address that is not encrypted on its way, unless it stays on this machine.
pub(super) fn checked(address: &Secret) -> Result<(), String> {
    let url =
        reqwest::Url::parse(address.expose()).map_err(|_| "it is no address such as https://host/...".to_owned())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err("it must begin with https://, because it is a secret".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_or_local_and_its_error_does_not_repeat_it() {
        let check = |text: &str| checked(&Secret::new(text).unwrap());
        assert!(check("https://hooks.slack.com/services/T0/B0/abc").is_ok());
        assert!(check("http://127.0.0.1:9/x").is_ok() && check("http://[::1]:9/x").is_ok());
        for wrong in
            ["http://hooks.slack.com/services/T0/B0/secretsecret", "secretsecret", "ftp://127.0.0.1/secretsecret"]
        {
            let told = check(wrong).unwrap_err();
            assert!(!told.contains("secretsecret"), "{told}");
        }
    }

    #[test]
    fn what_a_service_repeats_is_hidden() {
        let secret = Secret::new("https://hooks.example.org/services/T000/B000/abcdEFGHijkl").unwrap();
        let told = without(&secret, "no route /services/T000/B000/abcdEFGHijkl, key abcdEFGHijkl");
        assert!(!told.contains("abcdEFGH"), "{told}");
        let token = Secret::new("123456789:AAabcdefghij-klmnopq").unwrap();
        assert!(!without(&token, "bad path /bot123456789:AAabcdefghij-klmnopq/x").contains("AAabcd"));
    }

    #[test]
    fn no_piece_of_a_secret_is_left_however_it_is_cut() {
        let forms = ["p4ssw0rd-of-mail", "cDRzc3cwcmQ="].map(|form| Zeroizing::new(form.to_owned()));
        let told = without_pieces(&forms, "535 not p4ssw0rd-of, nor 4ssw0r: cDRzc3\ncwcmQ= said");
        assert_eq!(told, "535 not [hidden], nor [hidden]: [hidden]\n[hidden] said");
        assert_eq!(without_pieces(&[Zeroizing::new("ab".to_owned())], "abc ab"), "[hidden]c [hidden]");
        assert_eq!(without_pieces(&[Zeroizing::default()], "plain"), "plain");
    }
}
