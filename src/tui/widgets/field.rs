//! A one-line text field for numbers and short words. What may be typed is decided by its kind; nothing else gets in.

use crate::tui::keymap::{Code, Key};

/// Longest text a field takes: no number, word or search needs more.
pub const LENGTH_MAX: usize = 40;

/// What a field accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepts {
    /// Digits and one decimal point.
    Number,
    /// Latin letters, kept in upper case whatever the layout or `CapsLock`.
    Word,
    /// Latin letters, digits and signs as they are typed; letters of another layout by their place.
    Ascii,
    /// Any printable text.
    Text,
}

/// A field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    accepts: Accepts,
    text: String,
}

impl Field {
    /// An empty field.
    pub const fn new(accepts: Accepts) -> Self {
        Self { accepts, text: String::new() }
    }
    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Nothing typed?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
    /// Starts over.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// Takes a key; `true` when it was for the field.
    pub fn key(&mut self, key: Key) -> bool {
        match key.code {
            Code::Backspace => {
                self.text.pop();
                true
            }
            Code::Char('u' | 'w') if key.ctrl => {
                self.text.clear();
                true
            }
            Code::Char(_) if !key.ctrl && !key.alt => self.push(key),
            _ => false,
        }
    }

    fn push(&mut self, key: Key) -> bool {
        let (Code::Char(typed), Code::Char(latin)) = (key.code, key.positional().code) else { return false };
        let c = match self.accepts {
            Accepts::Number if latin.is_ascii_digit() || (latin == '.' && !self.text.contains('.')) => latin,
            Accepts::Word if latin.is_ascii_alphabetic() => latin.to_ascii_uppercase(),
            Accepts::Ascii if typed == ' ' || typed.is_ascii_graphic() => typed,
            Accepts::Ascii if latin.is_ascii_graphic() => latin,
            Accepts::Text if !typed.is_control() => typed,
            _ => return false,
        };
        if self.text.chars().count() < LENGTH_MAX {
            self.text.push(c);
        }
        true
    }

    /// Takes pasted text as if typed, without its control characters.
    pub fn paste(&mut self, text: &str) {
        for c in text.chars().take(LENGTH_MAX) {
            self.key(Key::plain(Code::Char(c)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(accepts: Accepts, text: &str) -> String {
        let mut field = Field::new(accepts);
        field.paste(text);
        field.text().to_owned()
    }

    #[test]
    fn a_field_takes_only_its_kind() {
        assert_eq!(typed(Accepts::Number, "-1,2.5.0e9"), "12.509");
        assert_eq!(typed(Accepts::Word, "flat 1"), "FLAT");
        assert_eq!(typed(Accepts::Word, "афе"), "FAT");
        assert_eq!(typed(Accepts::Text, "gross лимит\u{1b}[31m"), "gross лимит[31m");
        assert_eq!(typed(Accepts::Ascii, "LIVE aB3-\t"), "LIVE aB3-");
        assert_eq!(typed(Accepts::Text, &"x".repeat(500)).len(), LENGTH_MAX);
    }

    #[test]
    fn backspace_takes_one_letter_and_control_u_all() {
        let mut field = Field::new(Accepts::Text);
        field.paste("abc");
        field.key(Key::plain(Code::Backspace));
        assert_eq!(field.text(), "ab");
        field.key(Key::ctrl('u'));
        assert!(field.is_empty());
    }
}
