//! Layers over the base screen: one file each, one stack. What every layer must keep lives here: guards are quiet when
//! they open, the key that opened a layer cannot confirm it, Esc always leaves, paste and focus loss cancel a guard.

pub mod account;
pub mod arm;
pub mod cancel;
pub mod details;
pub mod dialog;
pub mod flatten;
pub mod help;
pub mod killed;
pub mod limits;
pub mod outside;
pub mod palette;
pub mod promote;
pub mod quit;
pub mod real_money;
pub mod release;
pub mod reset;
pub mod seek;
pub mod settle;
pub mod tail;
pub mod unbench;
pub mod why;

use self::dialog::Dialog;
use super::commands::Id;
use super::keymap::{Code, Key, Keymap};
use super::link::Request;
use super::state::UiState;
use crate::engine::snapshot::Snapshot;
use crate::engine::why::WhyOf;

/// Keys are ignored for this long after a guard opens: type-ahead over a slow line must not reach it.
pub const QUIET_MS: i64 = 150;
/// A single confirming key counts only this long after its guard opened.
pub const CONFIRM_MS: i64 = 300;
/// A confirming key that came too early, or was already answered once, counts again only after this long without it:
/// no key repeat is that slow.
pub const AGAIN_MS: i64 = 1000;
/// Lines of a page.
const PAGE: isize = 6;
/// Said to a confirming key that came too early.
pub const READ_FIRST: &str = "read first; then press it once";
/// Keys that confirm.
const CONFIRMING: [Key; 2] = [Key::plain(Code::Enter), Key::plain(Code::Char('y'))];

/// What a layer decides and draws from.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// The live picture, also while the view is frozen.
    pub snapshot: &'a Snapshot,
    /// The cockpit's own state.
    pub ui: &'a UiState,
    /// Keys, for labels.
    pub keys: &'a Keymap,
    /// Monotonic time in milliseconds.
    pub now_ms: i64,
    /// Milliseconds since the layer opened.
    pub age_ms: i64,
}

impl Ctx<'_> {
    /// May a single confirming key count yet?
    pub const fn may_confirm(&self) -> bool {
        self.age_ms >= CONFIRM_MS
    }
}

/// What a key did to a layer.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Still open.
    Stay,
    /// Still open; one line for the person.
    Say(String),
    /// Still open; a confirming key came before anybody could have read the question.
    Early,
    /// Leaves without doing anything.
    Close,
    /// Leaves without doing anything, with one line for the person.
    CloseAndSay(String),
    /// Asks and leaves.
    Done(Request),
    /// Asks and stays open.
    Ask(Request),
    /// Leaves and gives this command.
    Run(Id),
}

/// One layer.
pub trait Layer {
    /// Stable name, for tests and the record.
    fn name(&self) -> &'static str;
    /// Can it lead to a request that loosens or closes? Guards are quiet at first and cancelled by paste and focus loss.
    fn is_guard(&self) -> bool {
        true
    }
    /// Does it turn its own pages?
    fn turns_pages(&self) -> bool {
        false
    }
    /// Do letters go into a text field, so that they are not commands?
    fn is_typing(&self) -> bool {
        false
    }
    /// Takes a key. Esc never gets here.
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome;
    /// Takes pasted text; never called on a guard.
    fn paste(&mut self, _text: &str) {}
    /// The decision whose chain it shows: the engine is asked for it while the layer is on top.
    fn why(&self) -> Option<WhyOf> {
        None
    }
    /// What to draw.
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog;
}

struct Open {
    layer: Box<dyn Layer + Send>,
    opened_ms: i64,
    /// The key that opened it, until another one is pressed.
    opener: Option<Key>,
    /// A confirming key that came too early, and when it came last: it may be held down.
    early: Option<(Key, i64)>,
    /// Lines scrolled away from what is in sight by itself.
    scrolled: isize,
}

impl Open {
    fn too_early(&mut self, key: Key, now_ms: i64) {
        if CONFIRMING.contains(&key) {
            self.early = Some((key, now_ms));
        }
    }

    /// Turns a page of what is too long for the screen; `false` where the key is none of those.
    fn scroll(&mut self, key: Key, ctx: &Ctx<'_>) -> bool {
        let by = match key.code {
            Code::PageDown => PAGE,
            Code::PageUp => -PAGE,
            // What another key does is looked at from where it is shown by itself.
            _ => {
                self.scrolled = 0;
                return false;
            }
        };
        let most = isize::try_from(self.layer.dialog(ctx).rows.len()).unwrap_or(isize::MAX);
        self.scrolled = (self.scrolled + by).clamp(-most, most);
        true
    }

    /// Is this the repeat of a key that came too early? Any other key ends that.
    fn is_repeat(&mut self, key: Key, now_ms: i64) -> bool {
        let repeat = self.early.is_some_and(|(held, at)| held == key && now_ms.saturating_sub(at) < AGAIN_MS);
        self.early = repeat.then_some((key, now_ms));
        repeat
    }
}

/// The stack; only the top layer gets keys and is drawn.
#[derive(Default)]
pub struct Layers {
    open: Vec<Open>,
}

/// What the stack did with a key.
#[derive(Debug, PartialEq)]
pub enum Taken {
    /// Nothing is open: the key is for the base screen.
    No,
    /// Ignored, with the reason where one helps.
    Ignored(Option<&'static str>),
    /// The top layer's outcome; the layer is already gone where the outcome says so.
    Outcome(Outcome),
}

impl Layers {
    /// Names, bottom first.
    pub fn names(&self) -> Vec<&'static str> {
        self.open.iter().map(|o| o.layer.name()).collect()
    }
    /// Nothing open?
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
    /// The decision whose chain the top layer shows.
    pub fn why(&self) -> Option<WhyOf> {
        self.open.last().and_then(|o| o.layer.why())
    }
    /// Does the top layer take letters as text?
    pub fn is_typing(&self) -> bool {
        self.open.last().is_some_and(|o| o.layer.is_typing())
    }
    /// Opens a layer on top.
    pub fn push(&mut self, layer: Box<dyn Layer + Send>, opener: Option<Key>, now_ms: i64) {
        self.open.push(Open {
            layer,
            opened_ms: now_ms,
            opener: opener.map(Key::positional),
            early: None,
            scrolled: 0,
        });
    }
    /// Closes everything.
    pub fn clear(&mut self) {
        self.open.clear();
    }
    /// Closes every layer of this name.
    pub fn close(&mut self, name: &str) {
        self.open.retain(|o| o.layer.name() != name);
    }
    /// Closes every guard; were there any?
    pub fn cancel_guards(&mut self) -> bool {
        let before = self.open.len();
        self.open.retain(|o| !o.layer.is_guard());
        self.open.len() != before
    }
    /// Gives pasted text to the top layer.
    pub fn paste(&mut self, text: &str) {
        if let Some(top) = self.open.last_mut() {
            top.layer.paste(text);
        }
    }

    /// Gives a key to the top layer.
    pub fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Taken {
        let Some(top) = self.open.last_mut() else { return Taken::No };
        let age_ms = ctx.now_ms.saturating_sub(top.opened_ms);
        let place = key.positional();
        if place == Key::plain(Code::Esc) {
            self.open.pop();
            return Taken::Outcome(Outcome::Close);
        }
        if !top.layer.turns_pages() && top.scroll(place, ctx) {
            return Taken::Outcome(Outcome::Stay);
        }
        if top.layer.is_guard() && age_ms < QUIET_MS {
            top.too_early(place, ctx.now_ms);
            return Taken::Ignored(None);
        }
        if top.is_repeat(place, ctx.now_ms) {
            return Taken::Ignored(Some(READ_FIRST));
        }
        if !top.layer.is_typing() && top.opener == Some(place) {
            return Taken::Ignored(Some("the key that opened this cannot confirm it: press another key first"));
        }
        if top.opener != Some(place) {
            top.opener = None;
        }
        let key = if top.layer.is_typing() { key } else { place };
        let outcome = top.layer.key(key, &Ctx { age_ms, ..*ctx });
        if outcome == Outcome::Early {
            top.too_early(place, ctx.now_ms);
        }
        if matches!(outcome, Outcome::Close | Outcome::CloseAndSay(_) | Outcome::Done(_) | Outcome::Run(_)) {
            self.open.pop();
        }
        Taken::Outcome(outcome)
    }

    /// What the top layer shows.
    pub fn dialog(&self, ctx: &Ctx<'_>) -> Option<Dialog> {
        let top = self.open.last()?;
        let age_ms = ctx.now_ms.saturating_sub(top.opened_ms);
        Some(Dialog { scrolled: top.scrolled, ..top.layer.dialog(&Ctx { age_ms, ..*ctx }) })
    }
}
