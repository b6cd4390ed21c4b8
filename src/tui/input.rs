//! Bytes of a terminal as keys, pastes and focus changes.
//!
//! Not crossterm's reader: that one never returns from a hung-up terminal, can lose the readiness of a key that arrives
//! with a resize until the next key, and takes the first byte of a sequence that a slow line splits for Esc and the
//! rest for letters (`Esc [ A` would be two commands). Here a control byte ends any unfinished sequence, so that
//! nothing that came before can swallow a kill.

use super::keymap::{Code, Key};

/// A lone Esc byte is the Esc key after this long; a sequence's rest comes sooner.
pub const ESC_MS: i64 = 50;
/// An unfinished sequence, character or paste is given up after this long without a byte.
pub const UNFINISHED_MS: i64 = 500;
/// Longest control sequence taken; every real one is far shorter.
const SEQUENCE_MAX: usize = 64;
/// Longest paste kept: it fills a one-line field at most.
const PASTE_MAX: usize = 4096;
const PASTE_END: &[u8] = b"\x1b[201~";

/// What came from the terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A key press.
    Key(Key),
    /// Bracketed paste.
    Paste(String),
    /// The terminal got (true) or lost (false) the focus.
    Focus(bool),
    /// The mouse wheel, down (true) or up (false).
    Wheel(bool),
}

/// Turns bytes into inputs; keeps what is unfinished.
#[derive(Debug, Default)]
pub struct Parser {
    pending: Vec<u8>,
    paste: Option<Vec<u8>>,
    last_ms: i64,
}

/// What the beginning of the pending bytes is.
enum Step {
    /// Not finished yet.
    More,
    /// This many bytes mean this, or nothing.
    Took(usize, Option<Input>),
    /// This many bytes begin a paste.
    Paste(usize),
}

impl Parser {
    /// Takes bytes that arrived at this moment, in monotonic milliseconds.
    pub fn feed(&mut self, bytes: &[u8], now_ms: i64, out: &mut Vec<Input>) {
        self.idle(now_ms, out);
        self.last_ms = now_ms;
        self.pending.extend_from_slice(bytes);
        loop {
            if self.paste.is_some() {
                if !self.take_paste(out) {
                    return;
                }
                continue;
            }
            match step(&self.pending) {
                Step::More => return,
                Step::Took(count, input) => {
                    self.pending.drain(..count.min(self.pending.len()));
                    out.extend(input);
                }
                Step::Paste(count) => {
                    self.pending.drain(..count.min(self.pending.len()));
                    self.paste = Some(Vec::new());
                }
            }
            if self.pending.is_empty() && self.paste.is_none() {
                return;
            }
        }
    }

    /// Nothing arrived: what is unfinished for too long is given up.
    pub fn idle(&mut self, now_ms: i64, out: &mut Vec<Input>) {
        let silent = now_ms.saturating_sub(self.last_ms);
        if self.pending == [0x1b] && self.paste.is_none() && silent >= ESC_MS {
            self.pending.clear();
            out.push(Input::Key(Key::plain(Code::Esc)));
        }
        if silent >= UNFINISHED_MS {
            self.pending.clear();
            if let Some(text) = self.paste.take() {
                out.push(Input::Paste(String::from_utf8_lossy(&text).into_owned()));
            }
        }
    }

    /// How long to wait for more bytes before [`Parser::idle`] has something to say; `None` when nothing is unfinished.
    pub fn patience_ms(&self) -> Option<i64> {
        match (&self.paste, self.pending.as_slice()) {
            (None, []) => None,
            (None, [0x1b]) => Some(ESC_MS),
            _ => Some(UNFINISHED_MS),
        }
    }

    /// Moves pending bytes into the paste; `true` when its end was found.
    fn take_paste(&mut self, out: &mut Vec<Input>) -> bool {
        let Some(text) = &mut self.paste else { return false };
        let end = self.pending.windows(PASTE_END.len()).position(|w| w == PASTE_END);
        // The end may be split over two reads: keep as many bytes as it could have begun with.
        let take = end.unwrap_or(self.pending.len().saturating_sub(PASTE_END.len() - 1));
        let room = PASTE_MAX.saturating_sub(text.len());
        text.extend(self.pending.drain(..take).take(room));
        if end.is_none() {
            return false;
        }
        self.pending.drain(..PASTE_END.len().min(self.pending.len()));
        let text = self.paste.take().unwrap_or_default();
        out.push(Input::Paste(String::from_utf8_lossy(&text).into_owned()));
        !self.pending.is_empty()
    }
}

const fn key(code: Code) -> Input {
    Input::Key(Key::plain(code))
}

fn step(bytes: &[u8]) -> Step {
    match bytes {
        [] | [0x1b] | [0x1b, b'O'] => Step::More,
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, 0x1b, ..] => Step::Took(1, Some(key(Code::Esc))),
        [0x1b, b'O', letter @ b'A'..=b'Z', ..] => Step::Took(3, letter_code(*letter).map(key)),
        [0x1b, rest @ ..] => with_alt(step(rest)),
        [control @ (0..=0x1f | 0x7f), ..] => Step::Took(1, Some(Input::Key(control_key(*control)))),
        _ => character(bytes),
    }
}

fn with_alt(inner: Step) -> Step {
    match inner {
        Step::Took(count, Some(Input::Key(key))) => Step::Took(count + 1, Some(Input::Key(Key { alt: true, ..key }))),
        Step::Took(count, input) => Step::Took(count + 1, input),
        other => other,
    }
}

fn control_key(byte: u8) -> Key {
    match byte {
        b'\r' => Key::plain(Code::Enter),
        b'\t' => Key::plain(Code::Tab),
        0x7f | 0x08 => Key::plain(Code::Backspace),
        0 => Key::ctrl(' '),
        letter @ 1..=0x1a => Key::ctrl(char::from(letter - 1 + b'a')),
        other => Key::ctrl(char::from(other - 0x1c + b'\\')),
    }
}

fn character(bytes: &[u8]) -> Step {
    let length = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let whole = bytes.get(..length).unwrap_or(bytes);
    match std::str::from_utf8(whole) {
        Ok(text) => Step::Took(whole.len(), text.chars().next().map(|c| key(Code::Char(c)))),
        // Cut off so far; anything else that is not text is skipped byte by byte.
        Err(e) if e.error_len().is_none() && whole.len() < length => Step::More,
        Err(_) => Step::Took(1, None),
    }
}

/// After `Esc [`: parameters, then a final byte.
fn control_sequence(rest: &[u8]) -> Step {
    const HEAD: usize = 2;
    let Some(end) = rest.iter().position(|b| !(0x20..=0x3f).contains(b)) else {
        return if rest.len() > SEQUENCE_MAX { Step::Took(HEAD + rest.len(), None) } else { Step::More };
    };
    let (parameters, last) = (rest.get(..end).unwrap_or_default(), rest.get(end).copied().unwrap_or(0));
    let whole = HEAD + end + 1;
    if !(0x40..=0x7e).contains(&last) {
        // A control byte or a character in the middle: the sequence is void, that byte is not.
        return Step::Took(HEAD + end, None);
    }
    if let Some(mouse) = parameters.strip_prefix(b"<") {
        return Step::Took(whole, if last == b'M' { wheel(mouse) } else { None });
    }
    if last == b'M' && parameters.is_empty() {
        // An old mouse report has three bytes of its own.
        return if rest.len() < end + 4 { Step::More } else { Step::Took(whole + 3, None) };
    }
    if (last, parameters) == (b'~', b"200".as_slice()) {
        return Step::Paste(whole);
    }
    Step::Took(whole, meaning(&numbers(parameters), last))
}

fn wheel(parameters: &[u8]) -> Option<Input> {
    match numbers(parameters).first()?.first()? {
        64 => Some(Input::Wheel(false)),
        65 => Some(Input::Wheel(true)),
        _ => None,
    }
}

/// `1;5:3` as `[[1], [5, 3]]`; what is no number is 0.
fn numbers(parameters: &[u8]) -> Vec<Vec<u32>> {
    let number = |part: &[u8]| std::str::from_utf8(part).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
    parameters.split(|b| *b == b';').map(|p| p.split(|b| *b == b':').map(number).collect()).collect()
}

fn meaning(parameters: &[Vec<u32>], last: u8) -> Option<Input> {
    let at = |index: usize, sub: usize| parameters.get(index).and_then(|p| p.get(sub)).copied();
    let (first, second) = (at(0, 0).unwrap_or(0), at(1, 0));
    let (code, modifiers) = match last {
        b'I' => return Some(Input::Focus(true)),
        b'O' => return Some(Input::Focus(false)),
        b'u' => (unicode_code(first)?, second),
        b'~' if first == 27 => (unicode_code(at(2, 0)?)?, second),
        b'~' => (numbered_code(first)?, second),
        letter => (letter_code(letter)?, second),
    };
    // 1 press, 2 repeat, 3 release, where a terminal tells.
    if at(1, 1).is_some_and(|kind| kind > 1) {
        return None;
    }
    let bits = modifiers.unwrap_or(1).saturating_sub(1);
    let code = match code {
        Code::Char(c) if bits & 1 != 0 && c.is_lowercase() => Code::Char(c.to_uppercase().next().unwrap_or(c)),
        Code::Tab if bits & 1 != 0 => Code::BackTab,
        code => code,
    };
    Some(Input::Key(Key { code, ctrl: bits & 4 != 0, alt: bits & 2 != 0 }))
}

fn unicode_code(number: u32) -> Option<Code> {
    Some(match number {
        13 => Code::Enter,
        27 => Code::Esc,
        9 => Code::Tab,
        8 | 127 => Code::Backspace,
        other => Code::Char(char::from_u32(other).filter(|c| !c.is_control())?),
    })
}

const fn letter_code(letter: u8) -> Option<Code> {
    Some(match letter {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        b'Z' => Code::BackTab,
        b'P'..=b'S' => Code::F(letter - b'P' + 1),
        _ => return None,
    })
}

fn numbered_code(number: u32) -> Option<Code> {
    let function = |base: u32, first: u8| u8::try_from(number - base).ok().map(|n| Code::F(first + n));
    match number {
        1 | 7 => Some(Code::Home),
        4 | 8 => Some(Code::End),
        3 => Some(Code::Delete),
        5 => Some(Code::PageUp),
        6 => Some(Code::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23..=24 => function(23, 11),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Vec<Input> {
        let mut out = Vec::new();
        let mut parser = Parser::default();
        parser.feed(bytes, 0, &mut out);
        parser.idle(UNFINISHED_MS, &mut out);
        out
    }

    fn keys(text: &str) -> Vec<Input> {
        text.split(' ').map(|k| Input::Key(Key::parse(k).unwrap())).collect()
    }

    #[test]
    fn keys_of_common_terminals() {
        for (bytes, expected) in [
            ("dA\r\t\u{7f}\u{8}", "d A Enter Tab Backspace Backspace"),
            ("\u{b}\u{1c}\u{3}\u{1a}", "^K ^\\ ^C ^Z"),
            ("\u{1b}", "Esc"),
            ("\u{1b}\u{1b}", "Esc Esc"),
            ("\u{1b}[A\u{1b}[B\u{1b}OC\u{1b}OD", "Up Down Right Left"),
            ("\u{1b}[H\u{1b}[4~\u{1b}[5~\u{1b}[6~\u{1b}[3~\u{1b}[Z", "Home End PgUp PgDn Delete BackTab"),
            ("\u{1b}OP\u{1b}[15~\u{1b}[17~\u{1b}[24~", "F1 F5 F6 F12"),
            ("\u{1b}[1;5A\u{1b}x\u{1b}\u{b}", "^Up Alt-x Alt-^K"),
            ("\u{1b}[107;5u\u{1b}[27;5;107~\u{1b}[97;2u", "^K ^K A"),
            ("вФ", "в Ф"),
        ] {
            assert_eq!(parse(bytes.as_bytes()), keys(expected), "{bytes:?}");
        }
        assert_eq!(parse(b"\x1b[107;5:3u\x1b[107;5:2u"), [], "release and repeat are no press");
        assert_eq!(parse(b"\x1b[I\x1b[O"), [Input::Focus(true), Input::Focus(false)]);
        assert_eq!(
            parse(b"\x1b[<65;3;4M\x1b[<64;3;4M\x1b[<0;3;4M\x1b[<0;3;4m"),
            [Input::Wheel(true), Input::Wheel(false)]
        );
    }

    #[test]
    fn a_sequence_split_by_a_slow_line_is_not_letters() {
        let mut out = Vec::new();
        let mut parser = Parser::default();
        for (at, byte) in (0_i64..).zip(b"\x1b[A\x1b[200~F\x1b[201~\xd0\xb2") {
            parser.feed(&[*byte], at * 40, &mut out);
        }
        assert_eq!(out, [keys("Up"), vec![Input::Paste("F".to_owned())], keys("в")].concat());
        assert_eq!(parser.patience_ms(), None);
    }

    #[test]
    fn a_control_byte_ends_an_unfinished_sequence() {
        assert_eq!(parse(b"\x1b[12;\x0b"), keys("^K"));
        assert_eq!(parse(b"\x1b[\x0b"), keys("^K"));
        assert_eq!(parse(b"\xd0\x0b"), keys("^K"));
        assert_eq!(parse(b"\xff\xfe\x0b"), keys("^K"));
    }

    #[test]
    fn a_paste_is_text_and_one_without_an_end_is_given_up() {
        assert_eq!(
            parse(b"\x1b[200~FLAT\r\x0b\x1b[201~d"),
            [vec![Input::Paste("FLAT\r\u{b}".into())], keys("d")].concat()
        );
        let mut out = Vec::new();
        let mut parser = Parser::default();
        parser.feed(b"\x1b[200~FL", 0, &mut out);
        parser.feed(&vec![b'x'; 3 * PASTE_MAX], 100, &mut out);
        assert_eq!(out, []);
        parser.feed(b"\x0b", 100 + UNFINISHED_MS, &mut out);
        assert!(matches!(&out[0], Input::Paste(text) if text.len() == PASTE_MAX), "bounded");
        assert_eq!(out[1..], keys("^K"), "the kill after a torn paste is a kill");
    }

    proptest! {
        /// No bytes panic, and nothing that came before swallows a kill.
        #[test]
        fn a_kill_always_arrives(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let mut out = Vec::new();
            let mut parser = Parser::default();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            parser.feed(first, 0, &mut out);
            parser.feed(second, 10, &mut out);
            out.clear();
            parser.feed(b"\x0b", 10 + UNFINISHED_MS, &mut out);
            prop_assert!(matches!(out.last(), Some(Input::Key(k)) if k.positional() == Key::ctrl('k')), "{out:?}");
        }

        /// How a terminal splits its bytes changes nothing.
        #[test]
        fn splitting_changes_nothing(pieces in prop::collection::vec(prop::sample::select(vec![
            "d", "A", "\u{1b}[A", "\u{1b}[200~xy\u{1b}[201~", "в", "\u{b}", "\r", "\u{1b}[1;5C", "\u{1b}OP", "\u{1b}[<64;1;1M",
        ]), 1..20)) {
            let bytes = pieces.concat().into_bytes();
            let mut one = Vec::new();
            Parser::default().feed(&bytes, 0, &mut one);
            let mut many = Vec::new();
            let mut parser = Parser::default();
            for byte in &bytes {
                parser.feed(&[*byte], 1, &mut many);
            }
            prop_assert_eq!(one, many);
        }
    }
}
