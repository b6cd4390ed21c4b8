//! The last line of defence against a secret in a log or a crash report: whatever secrets this process has read are known by length
//! and digest, and text that goes to a file is searched for them. Nothing is kept that could leak.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Shorter ones are ordinary words: hiding them would make text unreadable and guard nothing.
const LENGTH_MIN: usize = 8;

static KNOWN: Mutex<BTreeSet<(usize, [u8; 32])>> = Mutex::new(BTreeSet::new());

/// From now on this is hidden.
pub fn remember(secret: &str) {
    if secret.len() >= LENGTH_MIN {
        let known = (secret.len(), Sha256::digest(secret).into());
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(known);
    }
}

/// The text without any secret that is known.
pub fn redacted(text: &str) -> String {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut shown = text.to_owned();
    let lengths: BTreeSet<usize> = known.iter().map(|(length, _)| *length).collect();
    for length in lengths.into_iter().rev() {
        while let Some(at) = find(&shown, length, &known) {
            shown.replace_range(at..at + length, "[hidden]");
        }
    }
    shown
}

/// Where a secret of this length begins. Secrets are ASCII: where one begins and ends a character does.
fn find(text: &str, length: usize, known: &BTreeSet<(usize, [u8; 32])>) -> Option<usize> {
    let graphic = |window: &[u8]| window.iter().all(u8::is_ascii_graphic);
    text.as_bytes()
        .windows(length)
        .position(|window| graphic(window) && known.contains(&(length, Sha256::digest(window).into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_as_a_secret_is_hidden_wherever_it_stands() {
        remember("redact-me-0123456789");
        remember("redact-me-too");
        remember("short");
        assert_eq!(
            redacted("key=redact-me-0123456789, ü redact-me-too!redact-me-0123456789 short"),
            "key=[hidden], ü [hidden]![hidden] short"
        );
        assert_eq!(redacted("redact-me-012345678"), "redact-me-012345678");
    }
}
