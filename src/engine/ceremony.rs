//! The ceremony of real money: a person types the word LIVE and the tail of the account. What it yields goes with the
//! command that it is for, and the engine looks at it again.

use serde::{Deserialize, Serialize};

/// Proof that the tail of an account was typed. Made by [`Ceremony::typed`] and nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ceremony {
    tail: String,
}

impl Ceremony {
    /// What must be typed for the account with this tail.
    pub fn phrase(tail: &str) -> String {
        format!("LIVE {tail}")
    }
    /// From what was typed; `None` where it is anything but the phrase, or where the account has no tail.
    pub fn typed(text: &str, tail: &str) -> Option<Self> {
        (!tail.is_empty() && text == Self::phrase(tail)).then(|| Self { tail: tail.to_owned() })
    }
    /// Was it this account's tail?
    pub fn is_for(&self, tail: &str) -> bool {
        self.tail == tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_phrase_counts() {
        assert!(
            Ceremony::typed("LIVE a1B2", "a1B2").is_some_and(|typed| typed.is_for("a1B2") && !typed.is_for("a1b2"))
        );
        for text in ["", "LIVE", "LIVE ", "live a1B2", "LIVE a1b2", "LIVE a1B2 ", " LIVE a1B2", "LIVE  a1B2", "a1B2"] {
            assert_eq!(Ceremony::typed(text, "a1B2"), None, "{text:?}");
        }
        assert_eq!(Ceremony::typed("LIVE ", ""), None);
    }
}
