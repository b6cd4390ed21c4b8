//! Keys as values: reading them from terminal events and from text, printing them, and the map from keys to commands.
//!
//! A key is looked up by what it types, then by its place on the keyboard: every command also answers on a Cyrillic
//! layout. Terminals report `^\` as Ctrl-4; both spellings are one key here.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::commands::{COMMANDS, CommandSpec, Id};

/// Which key, without Ctrl and Alt. Shift is part of the character.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)] // the words say it
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// A key press.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// With Ctrl.
    pub ctrl: bool,
    /// With Alt.
    pub alt: bool,
}

/// Names of keys that type nothing, as configuration and help write them.
const NAMED: &[(&str, Code)] = &[
    ("Enter", Code::Enter),
    ("Esc", Code::Esc),
    ("Tab", Code::Tab),
    ("BackTab", Code::BackTab),
    ("Backspace", Code::Backspace),
    ("Delete", Code::Delete),
    ("Up", Code::Up),
    ("Down", Code::Down),
    ("Left", Code::Left),
    ("Right", Code::Right),
    ("Home", Code::Home),
    ("End", Code::End),
    ("PgUp", Code::PageUp),
    ("PgDn", Code::PageDown),
    ("Space", Code::Char(' ')),
];

/// Letters of the Russian layout and what the same key types on a Latin one.
const CYRILLIC: &[(char, char)] = &[
    ('й', 'q'),
    ('ц', 'w'),
    ('у', 'e'),
    ('к', 'r'),
    ('е', 't'),
    ('н', 'y'),
    ('г', 'u'),
    ('ш', 'i'),
    ('щ', 'o'),
    ('з', 'p'),
    ('х', '['),
    ('ъ', ']'),
    ('ф', 'a'),
    ('ы', 's'),
    ('в', 'd'),
    ('а', 'f'),
    ('п', 'g'),
    ('р', 'h'),
    ('о', 'j'),
    ('л', 'k'),
    ('д', 'l'),
    ('ж', ';'),
    ('э', '\''),
    ('я', 'z'),
    ('ч', 'x'),
    ('с', 'c'),
    ('м', 'v'),
    ('и', 'b'),
    ('т', 'n'),
    ('ь', 'm'),
    ('б', ','),
    ('ю', '.'),
    ('ё', '`'),
    ('Ж', ':'),
    ('Х', '{'),
    ('Ъ', '}'),
    ('Э', '"'),
    ('Б', '<'),
    ('Ю', '>'),
    ('Ё', '~'),
];

fn latin(c: char) -> char {
    let find = |c: char| CYRILLIC.iter().find(|pair| pair.0 == c).map(|pair| pair.1);
    if let Some(same) = find(c) {
        return same;
    }
    let mut lower = c.to_lowercase();
    match (lower.next().and_then(find), c.is_uppercase()) {
        (Some(same), true) => same.to_ascii_uppercase(),
        _ => c,
    }
}

impl Key {
    /// A key without Ctrl and Alt.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false }
    }
    /// A letter with Ctrl.
    pub const fn ctrl(c: char) -> Self {
        Self { code: Code::Char(c), ctrl: true, alt: false }
    }

    /// From a terminal event; `None` for releases, repeats and keys that mean nothing here.
    pub fn from_event(event: KeyEvent) -> Option<Self> {
        if event.kind != KeyEventKind::Press {
            return None;
        }
        let has = |modifier| event.modifiers.contains(modifier);
        let code = match event.code {
            KeyCode::Char(c) if has(KeyModifiers::SHIFT) && c.is_lowercase() => {
                Code::Char(c.to_uppercase().next().unwrap_or(c))
            }
            KeyCode::Char(c) => Code::Char(c),
            KeyCode::Tab if has(KeyModifiers::SHIFT) => Code::BackTab,
            KeyCode::Enter => Code::Enter,
            KeyCode::Esc => Code::Esc,
            KeyCode::Tab => Code::Tab,
            KeyCode::BackTab => Code::BackTab,
            KeyCode::Backspace => Code::Backspace,
            KeyCode::Delete => Code::Delete,
            KeyCode::Up => Code::Up,
            KeyCode::Down => Code::Down,
            KeyCode::Left => Code::Left,
            KeyCode::Right => Code::Right,
            KeyCode::Home => Code::Home,
            KeyCode::End => Code::End,
            KeyCode::PageUp => Code::PageUp,
            KeyCode::PageDown => Code::PageDown,
            KeyCode::F(n) => Code::F(n),
            _ => return None,
        };
        Some(Self { code, ctrl: has(KeyModifiers::CONTROL), alt: has(KeyModifiers::ALT) })
    }

    /// The key by its place on a Latin keyboard; letters with Ctrl in lower case, Ctrl-4 as the `^\` it is.
    pub fn positional(self) -> Self {
        let Code::Char(c) = self.code else { return self };
        let mut c = latin(c);
        if self.ctrl {
            c = c.to_ascii_lowercase();
            if c == '4' {
                c = '\\';
            }
        }
        Self { code: Code::Char(c), ..self }
    }

    /// From text: `d`, `^K`, `Ctrl-k`, `Alt-x`, `PgUp`, `F5`.
    pub fn parse(text: &str) -> Result<Self, KeymapError> {
        let unknown = || KeymapError::UnknownKey(text.chars().take(20).collect());
        let mut rest = text;
        let (mut ctrl, mut alt) = (false, false);
        loop {
            let lower = rest.to_ascii_lowercase();
            if let Some(after) = rest.strip_prefix('^').filter(|after| !after.is_empty()) {
                (ctrl, rest) = (true, after);
            } else if lower.starts_with("ctrl-") && rest.len() > 5 {
                (ctrl, rest) = (true, rest.get(5..).ok_or_else(unknown)?);
            } else if lower.starts_with("alt-") && rest.len() > 4 {
                (alt, rest) = (true, rest.get(4..).ok_or_else(unknown)?);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() && c != ' ' => Code::Char(if ctrl { c.to_ascii_lowercase() } else { c }),
            _ => named(rest).ok_or_else(unknown)?,
        };
        Ok(Self { code, ctrl, alt })
    }
}

fn named(text: &str) -> Option<Code> {
    if let Some((_, code)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(*code);
    }
    let number: u8 = text.strip_prefix(['F', 'f'])?.parse().ok()?;
    (1..=24).contains(&number).then_some(Code::F(number))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alt {
            f.write_str("Alt-")?;
        }
        if self.ctrl {
            f.write_str("^")?;
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(c) if self.ctrl => write!(f, "{}", c.to_uppercase()),
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "F{n}"),
            _ => Ok(()),
        }
    }
}

/// Why a keymap was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeymapError {
    /// Not a key.
    #[error("`{0}` is not a key; write `d`, `^K`, `Alt-x`, `Enter`, `PgUp` or `F5`")]
    UnknownKey(String),
    /// Not a command.
    #[error("[ui] keymap: there is no command `{0}`; `?` in the cockpit lists them")]
    UnknownCommand(String),
    /// Two commands on one key.
    #[error("[ui] keymap: `{key}` is bound to both `{first}` and `{second}`; give one of them another key")]
    Clash {
        /// The key.
        key: String,
        /// Command that has it.
        first: &'static str,
        /// Command that wants it.
        second: &'static str,
    },
    /// A key that dialogs need.
    #[error("[ui] keymap: `{0}` belongs to dialogs and cannot be bound")]
    Reserved(String),
}

/// Keys by command: the table's own, or those of `[ui] keymap`.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<(Key, Id)>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self { bindings: COMMANDS.iter().flat_map(|c| default_keys(c).map(|key| (key, c.id))).collect() }
    }
}

fn default_keys(command: &CommandSpec) -> impl Iterator<Item = Key> {
    command.keys.iter().filter_map(|text| Key::parse(text).ok())
}

impl Keymap {
    /// The table's keys with overrides: command name and its keys, which replace the table's. Kill keeps its own keys
    /// whatever is configured.
    pub fn with_overrides(overrides: &[(String, Vec<String>)]) -> Result<Self, KeymapError> {
        let mut map = Self::default();
        for (name, keys) in overrides {
            let command = COMMANDS
                .iter()
                .find(|c| c.name == name)
                .ok_or_else(|| KeymapError::UnknownCommand(name.chars().take(40).collect()))?;
            if command.id != Id::Kill {
                map.bindings.retain(|(_, id)| *id != command.id);
            }
            for text in keys {
                let key = Key::parse(text)?.positional();
                if key == Key::plain(Code::Esc) || (key == Key::plain(Code::Enter) && command.id != Id::Details) {
                    return Err(KeymapError::Reserved(text.clone()));
                }
                map.bindings.push((key, command.id));
            }
        }
        map.check()?;
        Ok(map)
    }

    fn check(&self) -> Result<(), KeymapError> {
        for (index, (key, id)) in self.bindings.iter().enumerate() {
            if let Some((_, other)) = self.bindings.iter().take(index).find(|(k, other)| k == key && other != id) {
                return Err(KeymapError::Clash { key: key.to_string(), first: other.name(), second: id.name() });
            }
        }
        Ok(())
    }

    /// The command on a key, by what it types, then by its place. Esc and a key in quick succession arrive as one key
    /// with Alt: kill and disarm are found in that, too.
    pub fn command(&self, key: Key) -> Option<Id> {
        let find = |key: Key| self.bindings.iter().find(|(bound, _)| *bound == key).map(|(_, id)| *id);
        let plain = Key { alt: false, ..key.positional() };
        find(key)
            .or_else(|| find(key.positional()))
            .or_else(|| find(plain).filter(|id| matches!(id, Id::Kill | Id::Disarm)))
    }

    /// The keys of a command, most important first.
    pub fn keys(&self, id: Id) -> impl Iterator<Item = Key> {
        self.bindings.iter().filter(move |(_, bound)| *bound == id).map(|(key, _)| *key)
    }

    /// The first key of a command as text; empty when it has none.
    pub fn label(&self, id: Id) -> String {
        self.keys(id).next().map(|key| key.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &[&str])]) -> Result<Keymap, KeymapError> {
        let owned: Vec<_> = pairs
            .iter()
            .map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|k| (*k).to_owned()).collect()))
            .collect();
        Keymap::with_overrides(&owned)
    }

    #[test]
    fn keys_survive_text_both_ways() {
        for text in ["d", "A", "^K", "^\\", "Alt-x", "Enter", "PgUp", "F12", "Space", "[", "^", ":", "Alt-^L"] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Key::parse("ctrl-k"), Ok(Key::ctrl('k')));
        for text in ["", "kk", "F0", "F25", "ctrl-", "\u{1b}", "Ctrl-"] {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_spelling_of_kill_is_kill() {
        let keys = Keymap::default();
        let press = |c: char, modifiers| Key::from_event(KeyEvent::new(KeyCode::Char(c), modifiers)).unwrap();
        for c in ['k', 'K', 'л', 'Л', '4', '\\'] {
            assert_eq!(keys.command(press(c, KeyModifiers::CONTROL)), Some(Id::Kill), "{c}");
            let shifted = KeyModifiers::CONTROL | KeyModifiers::SHIFT;
            assert_eq!(keys.command(press(c, shifted)), Some(Id::Kill), "shift {c}");
            let after_esc = KeyModifiers::CONTROL | KeyModifiers::ALT;
            assert_eq!(keys.command(press(c, after_esc)), Some(Id::Kill), "Esc, then {c}");
        }
        assert_eq!(keys.command(press('k', KeyModifiers::NONE)), Some(Id::Up));
        assert_eq!(keys.command(press('d', KeyModifiers::ALT)), Some(Id::Disarm));
        assert_eq!(keys.command(press('A', KeyModifiers::ALT)), None, "only the safe direction");
    }

    #[test]
    fn commands_answer_on_the_cyrillic_layout() {
        let keys = Keymap::default();
        for (cyrillic, id) in [
            ('в', Id::Disarm),
            ('В', Id::Disarm),
            ('Ф', Id::Arm),
            ('ф', Id::Acknowledge),
            ('а', Id::FlattenOne),
            ('А', Id::FlattenAll),
            ('ь', Id::Account),
            ('к', Id::Limits),
            ('К', Id::Reset),
            ('с', Id::CancelOrder),
            ('й', Id::Quit),
            ('Й', Id::Quit),
            ('м', Id::View),
            ('я', Id::Zoom),
            ('з', Id::Freeze),
            ('х', Id::SymbolPrevious),
            ('ъ', Id::SymbolNext),
            ('Ж', Id::Palette),
        ] {
            assert_eq!(keys.command(Key::plain(Code::Char(cyrillic))), Some(id), "{cyrillic}");
        }
    }

    #[test]
    fn overrides_move_keys_and_clashes_are_named() {
        let moved = map(&[("zoom", &["x"])]).unwrap();
        assert_eq!(moved.command(Key::parse("x").unwrap()), Some(Id::Zoom));
        assert_eq!(moved.command(Key::parse("z").unwrap()), None);
        let clash = map(&[("zoom", &["d"])]).unwrap_err().to_string();
        assert!(clash.contains("`disarm`") && clash.contains("`zoom`"), "{clash}");
        assert!(matches!(map(&[("zoom", &["^k"])]), Err(KeymapError::Clash { .. })));
        assert!(map(&[("zoom", &["л"]), ("up", &["Up"])]).is_ok(), "a Cyrillic key is its place");
        assert!(matches!(map(&[("zoom", &["Esc"])]), Err(KeymapError::Reserved(_))));
        assert!(matches!(map(&[("explode", &["x"])]), Err(KeymapError::UnknownCommand(_))));
    }

    #[test]
    fn kill_cannot_be_unbound() {
        let keys = map(&[("kill", &[])]).unwrap();
        assert_eq!(keys.command(Key::ctrl('k')), Some(Id::Kill));
        let more = map(&[("kill", &["F9"])]).unwrap();
        assert_eq!(more.command(Key::plain(Code::F(9))), Some(Id::Kill));
        assert_eq!(more.command(Key::ctrl('4')), Some(Id::Kill));
    }

    #[test]
    fn only_presses_count() {
        let mut event = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        for kind in [KeyEventKind::Repeat, KeyEventKind::Release] {
            event.kind = kind;
            assert_eq!(Key::from_event(event), None);
        }
    }
}
