//! A text that must not be seen: wiped from memory when dropped, and shown by nothing.

use std::fmt;

use zeroize::Zeroizing;

/// Longest key or secret: Bybit's have 18 and 36 characters.
const CHARACTERS_MAX: usize = 256;
/// Characters of an API key that may be shown, and how many must stay hidden for that.
const TAIL: usize = 4;
const HIDDEN_MIN: usize = 8;

/// Why a text is no API key and no secret. Never says what the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// An RSA key.
    #[error(
        "it is a private key of the RSA kind, and tickdeck signs with HMAC secrets: make a system-generated API key at Bybit"
    )]
    Rsa,
    /// More than one word or line, or characters that no key has.
    #[error("it is not one word of plain letters, digits and signs: it must hold that one text and nothing else")]
    Characters,
    /// Too long.
    #[error("it is longer than {CHARACTERS_MAX} characters: it must hold that one text and nothing else")]
    Long,
}

/// An API key or an API secret.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a copy of a text as a person stored it; white space around it does not count.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        if text.is_empty() {
            Err(Malformed::Empty)
        } else if text.starts_with("-----BEGIN") {
            Err(Malformed::Rsa)
        } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
            Err(Malformed::Characters)
        } else if text.len() > CHARACTERS_MAX {
            Err(Malformed::Long)
        } else {
            crate::redact::remember(text);
            Ok(Self(Zeroizing::new(text.to_owned())))
        }
    }
    /// The text itself, for signing and for the request's header. Never for a screen, log or message.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// The text itself, to hand it on; it is wiped when whoever takes it drops it.
    pub fn into_text(self) -> Zeroizing<String> {
        self.0
    }
    /// The end of an API key, by which a person knows it: `…MnOp`; of one that is too short for that its length. Not for
    /// API secrets.
    pub fn tail(&self) -> String {
        let length = self.0.len();
        let hidden = length.saturating_sub(TAIL);
        match self.0.get(hidden..) {
            Some(shown) if hidden >= HIDDEN_MIN => format!("…{shown}"),
            _ => format!("{length} characters, too few to show its end"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_checked_and_hidden() {
        let secret = Secret::new(" AbCdEfGhIjKlMnOpQr\r\n").unwrap();
        assert_eq!((secret.expose(), secret.tail().as_str()), ("AbCdEfGhIjKlMnOpQr", "…OpQr"));
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!(Secret::new("sim_key").unwrap().tail(), "7 characters, too few to show its end");
        assert_eq!(Secret::new("elevenChars").unwrap().tail(), "11 characters, too few to show its end");
        assert_eq!(Secret::new("twelve_chars").unwrap().tail(), "…hars");
        let wrong = [
            ("", Malformed::Empty),
            (" \n", Malformed::Empty),
            ("two words", Malformed::Characters),
            ("two\nlines", Malformed::Characters),
            ("ключ", Malformed::Characters),
            ("-----BEGIN PRIVATE KEY-----\nMII", Malformed::Rsa),
        ];
        for (text, why) in wrong {
            assert_eq!(Secret::new(text).err(), Some(why), "{text:?}");
        }
        assert_eq!(Secret::new(&"x".repeat(257)).err(), Some(Malformed::Long));
    }
}
