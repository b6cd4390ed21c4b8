//! Typing the tail of a real account: the ceremony that every dialog about real money shares. Enter does nothing at first,
//! nothing typed ahead counts, and it lapses when nobody finishes it.

use super::dialog::{Dialog, Tone};
use crate::tui::keymap::{Code, Key};
use crate::tui::widgets::field::{Accepts, Field};

/// Enter works this long after the ceremony began: nobody reads faster what it is about.
pub const LOCKED_MS: i64 = 3_000;
/// The ceremony lapses after this long.
pub const LAPSES_MS: i64 = 30_000;
/// A key this soon after the beginning was typed before anybody could have seen it.
const AHEAD_MS: i64 = 300;

/// A ceremony under way.
pub struct TypedTail {
    field: Field,
    began_ms: i64,
}

/// What a key did to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typing {
    /// Goes on.
    On,
    /// Enter came while it is still locked.
    Early,
    /// Over, for this reason.
    Over(&'static str),
    /// This was typed, and Enter.
    Entered(String),
}

impl TypedTail {
    /// Begins.
    pub const fn begin(now_ms: i64) -> Self {
        Self { field: Field::new(Accepts::Ascii), began_ms: now_ms }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, now_ms: i64) -> Typing {
        let age = now_ms.saturating_sub(self.began_ms);
        if age < AHEAD_MS {
            return Typing::Over("cancelled: keys were typed ahead of the question");
        }
        if age >= LAPSES_MS {
            return Typing::Over("cancelled: it took too long; begin again");
        }
        if key.code != Code::Enter {
            self.field.key(key);
            return Typing::On;
        }
        if age < LOCKED_MS { Typing::Early } else { Typing::Entered(self.field.text().to_owned()) }
    }

    /// What there is to type (`phrase`), what has been typed, and what Enter does yet.
    pub fn draw(&self, phrase: &str, now_ms: i64, dialog: &mut Dialog) {
        let age = now_ms.saturating_sub(self.began_ms);
        dialog.row(format!("type {phrase}: {}_", self.field.text()), Tone::Bright);
        dialog.focus = Some(dialog.rows.len().saturating_sub(1));
        let seconds = |until: i64| (until.saturating_sub(age) + 999) / 1000;
        if age >= LAPSES_MS {
            dialog.row("lapsed: Esc, then begin again", Tone::Warn);
        } else if age < LOCKED_MS {
            dialog.row(format!("Enter works in {} s", seconds(LOCKED_MS)), Tone::Dim);
        } else {
            dialog.row(format!("lapses in {} s; pasting or leaving the window cancels", seconds(LAPSES_MS)), Tone::Dim);
        }
    }
}
