//! Signatures of requests: HMAC-SHA256 in lower-case hex (contract 2).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Signs for one API key. The key is prepared once; its state is wiped when the signer goes.
pub struct Signer(Hmac<Sha256>);

/// A signature as it goes on the wire: 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signer {
    /// From the bytes of the API secret. An empty secret signs too; the venue refuses it with 10004.
    pub fn new(secret: &[u8]) -> Self {
        let mut key = [0; 64];
        if let Some(start) = key.get_mut(..secret.len()) {
            start.copy_from_slice(secret);
        } else {
            // Longer than a block: HMAC keys are hashed first (RFC 2104).
            let mut hash = <Sha256 as sha2::Digest>::digest(secret);
            key[..32].copy_from_slice(&hash);
            hash.as_mut_slice().zeroize();
        }
        let signer = Self(Hmac::new(&key.into()));
        key.zeroize();
        signer
    }

    /// Signs a REST request. `payload` is the exact bytes sent: the query without `?` for GET, the body for POST.
    pub fn sign_rest(&self, timestamp_ms: i64, api_key: &str, recv_window_ms: u32, payload: &[u8]) -> Signature {
        let mut mac = self.0.clone();
        mac.update(Decimal::of(timestamp_ms).bytes());
        mac.update(api_key.as_bytes());
        mac.update(Decimal::of(i64::from(recv_window_ms)).bytes());
        mac.update(payload);
        Signature::of(mac)
    }

    /// Signs the `auth` request of a private or trade socket; `expires_ms` must lie ahead when it arrives.
    pub fn sign_ws_auth(&self, expires_ms: i64) -> Signature {
        let mut mac = self.0.clone();
        mac.update(b"GET/realtime");
        mac.update(Decimal::of(expires_ms).bytes());
        Signature::of(mac)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(hidden)")
    }
}

impl Signature {
    fn of(mac: Hmac<Sha256>) -> Self {
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(mac.finalize().into_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(hex)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Made of `DIGITS` only, so the empty text is never taken; it would be refused, not accepted.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the digits: whoever holds them can send the request again inside its time window.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(hidden)")
    }
}

/// A whole number in decimal on the stack, so that signing allocates nothing.
struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    fn of(number: i64) -> Self {
        let mut digits = [0; 20];
        let mut from = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            from -= 1;
            digits[from] = b'-';
        }
        Self { digits, from }
    }

    fn bytes(&self) -> &[u8] {
        &self.digits[self.from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "test_api_key";
    const AT: i64 = 1_700_000_000_000;

    fn signer() -> Signer {
        Signer::new(b"test_secret")
    }

    #[test]
    fn rest_vectors() {
        let cursor = "category=linear&cursor=1321052653536515584%3A1672217748287%2C1321052653536515584%3A1672217748287&limit=50&symbol=BTCUSDT";
        let compact = r#"{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"50000","timeInForce":"PostOnly","orderLinkId":"test-order-1"}"#;
        let spaced = r#"{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "test-order-1"}"#;
        let plain = "category=linear&symbol=BTCUSDT";
        for (window, payload, signature) in [
            (5000, plain, "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7"),
            (5000, "", "cfffd774219bfa1d400476f699f830daaedcd3c41faa1dbdda95a8f4dd8170cc"),
            (5000, cursor, "81ba5872696fab3133fc2545cbc4c990933b18989b248c118e28c03d74d2f87e"),
            (20_000, plain, "dcfabf4e285180125b616b06e55bd8c4274960ce8fda8b59d04db6bc9b73877d"),
            (5000, spaced, "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1"),
            (5000, compact, "b5bfb91fcd01adafe78a882933ffc4731d94f82807a5ba2436dc5d985c0acd19"),
            (5000, "{}", "f8cdf8693aad0df81a15bfa2a9351b1de877310d92a5c9faf1b819b662011f67"),
        ] {
            assert_eq!(signer().sign_rest(AT, KEY, window, payload.as_bytes()).as_str(), signature, "{payload}");
        }
    }

    #[test]
    fn socket_vector() {
        let signature = "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925";
        assert_eq!(signer().sign_ws_auth(AT).to_string(), signature);
    }

    #[test]
    fn keys_of_any_length_and_numbers_of_any_size() {
        let long = Signer::new(&[b'k'; 200]);
        let by_crate = {
            let mut mac = Hmac::<Sha256>::new_from_slice(&[b'k'; 200]).unwrap();
            mac.update(b"GET/realtime-9223372036854775808");
            Signature::of(mac)
        };
        assert!(long.sign_ws_auth(i64::MIN) == by_crate);
        for number in [0, 9, 10, -1, i64::MAX] {
            assert_eq!(Decimal::of(number).bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn debug_tells_no_secret() {
        let text = format!("{:?} {:?}", signer(), signer().sign_ws_auth(AT));
        assert_eq!(text, "Signer(hidden) Signature(hidden)");
    }
}
