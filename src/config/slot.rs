//! What a key's value may be: one kind of slot knows how it is written, read and refused.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Config;
use super::address::{self, Address};
use super::value::{DayStart, Literal, parse_span, show_span};
use crate::engine::num::{Money, Price, Rate, UNIT};
use crate::engine::risk::limits::{LimitKey, LimitUnit, show};
use crate::engine::time::Span;

/// Most instruments of one run: what the screens are measured with.
const SYMBOLS_MAX: usize = 600;

/// One key.
pub struct Key {
    /// `section.name`, or the name alone at the top of the file.
    pub path: &'static str,
    /// What it does, with its unit, for the example file.
    pub help: &'static str,
    pub(super) slot: Slot,
}

/// Where a value lies in a configuration.
pub(super) type At<T> = fn(&mut Config) -> &mut T;

/// Where a key's value lives and what may be put there.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// Yes or no.
    Flag(At<bool>),
    /// One of some words.
    Word(At<String>, &'static [&'static str]),
    /// Instrument names.
    Symbols(At<Vec<String>>),
    /// Model names, may be empty.
    Names(At<Vec<String>>),
    /// A folder; empty means the usual places.
    Folder(At<Option<PathBuf>>),
    /// A file by its whole path; empty means none.
    File(At<Option<PathBuf>>),
    /// A program and its arguments; empty means none.
    Program(At<Vec<String>>),
    /// An address on the network; empty means the built-in one or none.
    Address(At<String>, Address),
    /// One of some numbers.
    Choice(At<u32>, &'static [u32]),
    /// Quote currency, above zero.
    Money(At<Money>),
    /// Basis points, exact, kept as a rate; largest value in basis points.
    Bps(At<Rate>, i64),
    /// A number for models, between two bounds.
    Float(At<f64>, f64, f64),
    /// A whole number between two bounds.
    Count(At<u32>, u32, u32),
    /// Whole milliseconds between two bounds.
    Millis(At<Span>, i64, i64),
    /// Whole seconds between two bounds.
    Seconds(At<Span>, i64, i64),
    /// A length of time such as `15m` between two bounds, or `off` where allowed.
    Span(At<Span>, Span, Span, bool),
    /// A risk limit.
    Limit(LimitKey),
    /// A risk limit of the live account; empty while it is not given.
    LiveLimit(LimitKey),
    /// Start of the trading day.
    DayStart(At<DayStart>),
    /// One line of text, may be empty.
    Text(At<String>),
    /// A list of texts, may be empty.
    Texts(At<Vec<String>>),
    /// An address of this machine with its port; empty means none.
    Listen(At<Option<SocketAddr>>),
    /// Commands and keys.
    Keymap(At<Vec<(String, Vec<String>)>>),
}

impl Key {
    /// Section, empty at the top of the file.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }
    /// Name within the section.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
    /// Name of the environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("TICKDECK__{}", self.path.replace('.', "__").to_uppercase())
    }

    /// The value in a configuration, as the file would write it.
    pub fn get(&self, config: &Config) -> Literal {
        // One accessor serves reading and writing; a configuration is small and read rarely.
        let config = &mut config.clone();
        match self.slot {
            Slot::Flag(at) => Literal::Flag(*at(config)),
            Slot::Word(at, _) | Slot::Address(at, _) | Slot::Text(at) => Literal::Text(at(config).clone()),
            Slot::Symbols(at) | Slot::Names(at) | Slot::Texts(at) | Slot::Program(at) => {
                Literal::List(at(config).clone())
            }
            Slot::Folder(at) | Slot::File(at) => {
                Literal::Text(at(config).as_ref().map(|p| p.display().to_string()).unwrap_or_default())
            }
            Slot::Money(at) => Literal::Number(at(config).to_string()),
            Slot::Bps(at, _) => Literal::Number(show(at(config).raw().saturating_mul(10_000))),
            Slot::Float(at, ..) => Literal::Number(at(config).to_string()),
            Slot::Count(at, ..) | Slot::Choice(at, _) => Literal::Number(at(config).to_string()),
            Slot::Millis(at, ..) => Literal::Number(at(config).as_ms().to_string()),
            Slot::Seconds(at, ..) => Literal::Number((at(config).as_ms() / 1000).to_string()),
            Slot::Span(at, ..) => match *at(config) {
                Span(0) => Literal::Text("off".to_owned()),
                span => Literal::Text(show_span(span)),
            },
            Slot::Limit(which) => Literal::Number(show(config.risk.values[which as usize])),
            Slot::LiveLimit(which) => match config.live_risk.values[which as usize] {
                Some(value) => Literal::Number(show(value)),
                None => Literal::Text(String::new()),
            },
            Slot::DayStart(at) => Literal::Text(at(config).to_string()),
            Slot::Listen(at) => Literal::Text(at(config).map(|listen| listen.to_string()).unwrap_or_default()),
            Slot::Keymap(at) => Literal::Names(at(config).clone()),
        }
    }

    /// What may be written here.
    pub fn allowed(&self) -> String {
        match self.slot {
            Slot::Flag(_) => "true or false".to_owned(),
            Slot::Word(_, words) => {
                format!("one of {}", words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", "))
            }
            Slot::Symbols(_) => format!("a list of 1 to {SYMBOLS_MAX} names such as [\"BTCUSDT\"]"),
            Slot::Names(_) => "a list of model names".to_owned(),
            Slot::Folder(_) => "a folder".to_owned(),
            Slot::File(_) => "a file with its whole path".to_owned(),
            Slot::Program(_) => "a list of a program and its arguments".to_owned(),
            Slot::Address(_, kind) => kind.allowed().to_owned(),
            Slot::Choice(_, numbers) => {
                format!("one of {}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
            }
            Slot::Money(_) => "an amount above 0, at most 18 decimals".to_owned(),
            Slot::Bps(_, max) => format!("a number from 0 to {max}, at most 5 decimals"),
            Slot::Float(_, min, max) => format!("a number from {min} to {max}"),
            Slot::Count(_, min, max) => format!("a whole number from {min} to {max}"),
            Slot::Millis(_, min, max) | Slot::Seconds(_, min, max) => format!("a whole number from {min} to {max}"),
            Slot::Span(_, min, max, off) => {
                let or_off = if off { ", or \"off\"" } else { "" };
                format!("a time such as \"15m\", from {} to {}{or_off}", show_span(min), show_span(max))
            }
            Slot::Limit(which) | Slot::LiveLimit(which) => match which.unit() {
                LimitUnit::Count => "a whole number, 0 or more; there is no \"unlimited\"".to_owned(),
                _ => "a number, 0 or more; 0 means zero, there is no \"unlimited\"".to_owned(),
            },
            Slot::DayStart(_) => "\"HH:MMZ\" or \"HH:MM Area/City\"".to_owned(),
            Slot::Text(_) => "a text of one line".to_owned(),
            Slot::Texts(_) => "a list of texts".to_owned(),
            Slot::Listen(_) => "an address with its port such as \"127.0.0.1:9464\"".to_owned(),
            Slot::Keymap(_) => "a table of commands and keys; not in the environment".to_owned(),
        }
    }

    /// Puts a value in. The error says what is wrong, and what is allowed.
    pub fn set(&self, config: &mut Config, literal: &Literal) -> Result<(), String> {
        self.put(config, literal).map_err(|what| {
            let allowed = self.allowed();
            if self.may_hold_a_secret() {
                let what = if what.is_empty() { "what is written here" } else { &what };
                return format!("{what} is not {allowed}");
            }
            let given: String = literal.to_string().chars().take(80).collect();
            if what.is_empty() {
                format!("{given} is not {allowed}")
            } else {
                format!("{given}: {what} (allowed: {allowed})")
            }
        })
    }

    /// Is it a place where a secret may have been written by mistake? Then no message repeats what is there.
    fn may_hold_a_secret(&self) -> bool {
        matches!(self.slot, Slot::File(_) | Slot::Program(_) | Slot::Address(..))
    }

    fn put(&self, config: &mut Config, literal: &Literal) -> Result<(), String> {
        let no = String::new;
        match self.slot {
            Slot::Flag(at) => *at(config) = literal.flag().ok_or_else(no)?,
            Slot::Word(at, words) => {
                let word = literal.text().filter(|text| words.contains(text)).ok_or_else(no)?;
                word.clone_into(at(config));
            }
            Slot::Symbols(at) => *at(config) = symbols(literal)?,
            Slot::Names(at) => *at(config) = literal.list().ok_or_else(no)?,
            Slot::Folder(at) => {
                let text = literal.text().ok_or_else(no)?;
                *at(config) = (!text.is_empty()).then(|| PathBuf::from(text));
            }
            Slot::File(at) => {
                let path = PathBuf::from(literal.text().ok_or_else(no)?);
                let given = !path.as_os_str().is_empty();
                if given && !path.is_absolute() {
                    return Err(no());
                }
                *at(config) = given.then_some(path);
            }
            Slot::Program(at) => {
                let list = literal.list().ok_or_else(no)?;
                if list.first().is_some_and(|program| program.trim().is_empty()) {
                    return Err(no());
                }
                *at(config) = list;
            }
            Slot::Address(at, kind) => {
                let text = literal.text().ok_or_else(no)?;
                if !text.is_empty() {
                    address::check(text, kind)?;
                }
                text.clone_into(at(config));
            }
            Slot::Choice(at, numbers) => {
                let number = digits(literal)?.parse().ok();
                *at(config) = number.filter(|n| numbers.contains(n)).ok_or_else(no)?;
            }
            Slot::Money(at) => {
                let amount = Money::parse(digits(literal)?).map_err(|e| e.to_string())?;
                *at(config) = Some(amount).filter(|a| *a > Money::ZERO).ok_or_else(no)?;
            }
            Slot::Bps(at, max) => *at(config) = bps(digits(literal)?, max)?,
            Slot::Float(at, min, max) => {
                let number: f64 = digits(literal)?.parse().map_err(|_| no())?;
                *at(config) = Some(number).filter(|n| (min..=max).contains(n)).ok_or_else(no)?;
            }
            Slot::Count(at, min, max) => {
                let number = digits(literal)?.parse().ok();
                *at(config) = number.filter(|n| (min..=max).contains(n)).ok_or_else(no)?;
            }
            Slot::Millis(at, min, max) => *at(config) = Span::from_ms(whole(literal, min, max)?),
            Slot::Seconds(at, min, max) => *at(config) = Span::from_secs(whole(literal, min, max)?),
            Slot::Span(at, min, max, off) => {
                let text = literal.text().ok_or_else(no)?;
                let span = if off && text == "off" {
                    Some(Span(0))
                } else {
                    parse_span(text).filter(|s| (min..=max).contains(s))
                };
                *at(config) = span.ok_or_else(no)?;
            }
            Slot::Limit(which) => config.risk.values[which as usize] = limit_value(which, literal)?,
            Slot::LiveLimit(which) => {
                let given = literal.text() != Some("");
                let value = if given { Some(limit_value(which, literal)?) } else { None };
                config.live_risk.values[which as usize] = value;
            }
            Slot::DayStart(at) => *at(config) = DayStart::parse(literal.text().ok_or_else(no)?)?,
            Slot::Text(at) => {
                let text = literal.text().filter(|text| is_line(text)).ok_or_else(no)?;
                text.clone_into(at(config));
            }
            Slot::Texts(at) => {
                let list = literal.list().filter(|list| list.iter().all(|text| is_line(text))).ok_or_else(no)?;
                *at(config) = list;
            }
            Slot::Listen(at) => {
                let text = literal.text().ok_or_else(no)?;
                *at(config) = if text.is_empty() { None } else { Some(text.parse().map_err(|_| no())?) };
            }
            Slot::Keymap(at) => match literal {
                Literal::Names(names) => names.clone_into(at(config)),
                _ => return Err(no()),
            },
        }
        Ok(())
    }
}

/// Short, and nothing that could begin another line of what it is put into.
fn is_line(text: &str) -> bool {
    text.len() <= 256 && !text.chars().any(char::is_control)
}

fn digits(literal: &Literal) -> Result<&str, String> {
    literal.digits().ok_or_else(String::new)
}

fn whole(literal: &Literal, min: i64, max: i64) -> Result<i64, String> {
    digits(literal)?.parse().ok().filter(|n| (min..=max).contains(n)).ok_or_else(String::new)
}

/// Basis points with at most five decimals are whole units of 1e-9.
fn bps(text: &str, max: i64) -> Result<Rate, String> {
    let raw = Price::parse(text).map_err(|e| e.to_string())?.raw();
    if raw < 0 || raw > max.saturating_mul(UNIT) || raw % 10_000 != 0 {
        return Err(String::new());
    }
    Ok(Rate::from_raw(raw / 10_000))
}

fn limit_value(which: LimitKey, literal: &Literal) -> Result<i64, String> {
    let text = digits(literal)?;
    if which.unit() == LimitUnit::Seconds
        && let Some(span) = parse_span(text)
    {
        return Ok(span.0);
    }
    let value = Price::parse(text).map_err(|e| e.to_string())?.raw();
    let whole = !matches!(which.unit(), LimitUnit::Count) || value % UNIT == 0;
    if value < 0 || !whole { Err(String::new()) } else { Ok(value) }
}

fn symbols(literal: &Literal) -> Result<Vec<String>, String> {
    let list = literal.list().ok_or_else(String::new)?;
    if list.is_empty() || list.len() > SYMBOLS_MAX {
        return Err(String::new());
    }
    let is_name =
        |s: &String| (2..=30).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match list.iter().find(|s| !is_name(s)) {
        Some(bad) => Err(format!("`{bad}` is no instrument name: capital letters and digits only")),
        None => Ok(list),
    }
}
