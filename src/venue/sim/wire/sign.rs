//! Who asks: signatures over the bytes as they came, and the time window (contract 2). Independent of our own client on
//! purpose: two readings of the contract that must agree.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Request;
use crate::engine::time::Ts;
use crate::venue::sim::exchange::model::Refusal;

/// Window when the header is missing, milliseconds.
const RECV_WINDOW: i64 = 5_000;
/// A request may be this far ahead of the exchange's clock, milliseconds.
const AHEAD_MAX: i64 = 1_000;

/// The key pair of the account.
#[derive(Clone)]
pub struct Keys {
    /// Public part.
    pub key: String,
    /// Secret part.
    pub secret: Zeroizing<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(hidden)")
    }
}

/// HMAC-SHA256 in lower-case hex.
pub fn signature(secret: &str, text: &[u8]) -> String {
    // A key of any length is a key of HMAC; this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text);
    mac.finalize().into_bytes().iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect()
}

/// One hex digit.
fn hex(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or_default()
}

/// Checks the headers of a signed request.
pub fn check(keys: &Keys, request: &Request, now: Ts) -> Result<(), Refusal> {
    let header = |name: &str| request.header(name).unwrap_or_default().trim();
    let (key, stamp, window) = (header("x-bapi-api-key"), header("x-bapi-timestamp"), header("x-bapi-recv-window"));
    let signed = header("x-bapi-sign");
    if key.is_empty() || stamp.is_empty() || signed.is_empty() {
        return Err(Refusal::new(10_001, format!("empty value: apiTimestamp[{stamp}] apiKey[{key}] apiSignature[]")));
    }
    if key != keys.key {
        return Err(Refusal::new(10_003, "API key is invalid."));
    }
    in_time(stamp, window, now)?;
    let mut text = format!("{stamp}{key}{window}").into_bytes();
    text.extend_from_slice(if request.method == "GET" { request.query.as_bytes() } else { &request.body });
    if signature(&keys.secret, &text) != signed.to_ascii_lowercase() {
        let echoed = String::from_utf8_lossy(&text).into_owned();
        return Err(Refusal::new(10_004, format!("error sign! origin_string[{echoed}]")));
    }
    Ok(())
}

/// `server − window ≤ stamp < server + 1000`.
pub fn in_time(stamp: &str, window: &str, now: Ts) -> Result<(), Refusal> {
    let window = if window.is_empty() { Some(RECV_WINDOW) } else { window.parse().ok() };
    let (Ok(at), Some(window)) = (stamp.parse::<i64>(), window) else {
        return Err(Refusal::new(10_001, "params error: timestamp or recv_window invalid"));
    };
    let now = now.as_ms();
    if at < now.saturating_sub(window) || at >= now.saturating_add(AHEAD_MAX) {
        return Err(Refusal::new(
            10_002,
            format!(
                "invalid request, please check your server timestamp or recv_window param. \
                 req_timestamp[{at}],server_timestamp[{now}],recv_window[{window}]"
            ),
        ));
    }
    Ok(())
}

/// Why a socket's `auth` failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// Not three arguments, or not of this shape, or expired.
    Params,
    /// A key nobody has.
    Key,
    /// Another signature.
    Sign,
    /// Too many sockets of one user (C 4.10003).
    Crowded,
}

/// Checks the arguments of a socket's `auth`: key, expiry (number or text), signature.
pub fn check_auth(keys: &Keys, args: &[String], now: Ts) -> Result<(), AuthFailure> {
    let [key, expires, signed] = args else { return Err(AuthFailure::Params) };
    let at: i64 = expires.parse().map_err(|_| AuthFailure::Params)?;
    if at <= now.as_ms() {
        return Err(AuthFailure::Params);
    }
    if *key != keys.key {
        return Err(AuthFailure::Key);
    }
    if signature(&keys.secret, format!("GET/realtime{expires}").as_bytes()) == signed.to_ascii_lowercase() {
        Ok(())
    } else {
        Err(AuthFailure::Sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { key: "test_api_key".to_owned(), secret: Zeroizing::new("test_secret".to_owned()) }
    }

    fn request(query: &str, sign: &str) -> Request {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Request {
            method: "GET".to_owned(),
            query: query.to_owned(),
            headers: vec![
                header("x-bapi-api-key", "test_api_key"),
                header("x-bapi-timestamp", "1700000000000"),
                header("x-bapi-recv-window", "5000"),
                header("x-bapi-sign", sign),
            ],
            ..Request::default()
        }
    }

    const SIGN: &str = "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7";
    const QUERY: &str = "category=linear&symbol=BTCUSDT";

    #[test]
    fn the_bytes_as_they_came_are_signed_and_a_difference_is_echoed() {
        let now = Ts::from_ms(1_700_000_000_000);
        check(&keys(), &request(QUERY, SIGN), now).unwrap();
        let wrong = check(&keys(), &request("symbol=BTCUSDT&category=linear", SIGN), now).unwrap_err();
        assert_eq!(wrong.code, 10_004);
        assert!(wrong.message.contains("1700000000000test_api_key5000symbol=BTCUSDT"), "{wrong}");
        assert!(!wrong.message.contains("test_secret"));
        let mut post = request("", "f8cdf8693aad0df81a15bfa2a9351b1de877310d92a5c9faf1b819b662011f67");
        (post.method, post.body) = ("POST".to_owned(), b"{}".to_vec());
        check(&keys(), &post, now).unwrap();
    }

    #[test]
    fn the_window_is_open_behind_and_nearly_shut_ahead() {
        let at =
            |ms: i64| check(&keys(), &request(QUERY, SIGN), Ts::from_ms(1_700_000_000_000 + ms)).map_err(|r| r.code);
        assert_eq!(at(5_000), Ok(()));
        assert_eq!(at(5_001), Err(10_002));
        assert_eq!(at(-999), Ok(()));
        assert_eq!(at(-1_000), Err(10_002));
    }

    #[test]
    fn sockets_need_a_key_a_future_and_a_signature() {
        let args = |expires: &str| {
            let sign = "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925";
            vec!["test_api_key".to_owned(), expires.to_owned(), sign.to_owned()]
        };
        let before = Ts::from_ms(1_699_999_999_000);
        check_auth(&keys(), &args("1700000000000"), before).unwrap();
        assert_eq!(check_auth(&keys(), &args("1700000000001"), before), Err(AuthFailure::Sign));
        assert_eq!(
            check_auth(&keys(), &args("1700000000000"), Ts::from_ms(1_700_000_000_000)),
            Err(AuthFailure::Params)
        );
        assert_eq!(
            check_auth(&keys(), &["other".into(), "1700000000000".into(), String::new()], before),
            Err(AuthFailure::Key)
        );
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", keys()).contains("test_secret"));
    }
}
