//! Values as written: literals that keep their digits, lengths of time, the start of the trading day.

use std::fmt;

use crate::engine::time::{Span, Ts};

/// A value as it was written, before a key gives it meaning. Numbers stay text: no float on the way to money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A quoted text.
    Text(String),
    /// A decimal number, digit for digit.
    Number(String),
    /// `true` or `false`.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
    /// Names with lists of texts: a keymap.
    Names(Vec<(String, Vec<String>)>),
    /// From the environment or the command line, where nothing is quoted: the key decides.
    Bare(String),
    /// Something no key takes, by name.
    Other(&'static str),
}

impl Literal {
    /// The digits of a number, also when they were quoted.
    pub fn digits(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Text(text) | Self::Bare(text) => Some(text.trim()),
            _ => None,
        }
    }
    /// A text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bare(text) => Some(text.trim()),
            _ => None,
        }
    }
    /// Yes or no.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Bare(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
    /// A list; bare ones are separated by commas, with or without the brackets and quotes of the file: a shell may have
    /// taken the quotes.
    pub fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::List(list) => Some(list.clone()),
            Self::Bare(text) => {
                let text = text.trim();
                let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
                let item = |item: &str| unquoted(item.trim()).to_owned();
                Some(inside.split(',').map(item).filter(|item| !item.is_empty()).collect())
            }
            _ => None,
        }
    }
}

/// As TOML writes it.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Number(text) | Self::Bare(text) => f.write_str(text),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(list) => f.write_str(&bracketed(list)),
            Self::Names(names) => {
                let rows: Vec<String> =
                    names.iter().map(|(name, keys)| format!("{} = {}", quoted(name), bracketed(keys))).collect();
                if rows.is_empty() { f.write_str("{}") } else { write!(f, "{{ {} }}", rows.join(", ")) }
            }
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Without one pair of quotes around it.
fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn bracketed(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// Units of written lengths of time, in milliseconds, longest first.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads `15m`, `24h`, `7d`, `90s`, `500ms`.
pub fn parse_span(text: &str) -> Option<Span> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*ms).filter(|ms| *ms <= i64::MAX / 1_000_000).map(Span::from_ms)
}

/// Writes a length of time with the largest unit that holds it exactly.
pub fn show_span(span: Span) -> String {
    let ms = span.as_ms();
    let (name, size) = UNITS.into_iter().find(|(_, size)| ms % size == 0).unwrap_or(("ms", 1));
    format!("{}{name}", ms / size)
}

/// When the trading day starts: a time of day in UTC or in a named time zone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DayStart {
    /// Minutes after midnight, 0 to 1439.
    minutes: i64,
    /// Time zone by name; `None` is UTC.
    zone: Option<String>,
}

impl DayStart {
    /// Reads `00:00Z` or `00:00 Europe/Moscow`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || "write a time as \"00:00Z\" or \"00:00 Europe/Moscow\"".to_owned();
        let (clock, zone) = match text.strip_suffix('Z') {
            Some(clock) => (clock, None),
            None => text.split_once(' ').map(|(clock, zone)| (clock, Some(zone.trim()))).ok_or_else(form)?,
        };
        let (hours, minutes) = clock.trim().split_once(':').ok_or_else(form)?;
        let two = |text: &str, max: i64| {
            let number: i64 = text.parse().ok()?;
            (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && number <= max).then_some(number)
        };
        let (Some(hours), Some(minutes)) = (two(hours, 23), two(minutes, 59)) else { return Err(form()) };
        if let Some(zone) = zone {
            jiff::tz::TimeZone::get(zone)
                .map_err(|_| format!("`{zone}` is no time zone; write one like \"00:00 Europe/Moscow\""))?;
        }
        Ok(Self { minutes: hours * 60 + minutes, zone: zone.map(str::to_owned) })
    }

    /// The start of the day after midnight UTC as it is at `now`, and a note when the zone's offset will change:
    /// a run keeps the offset that it started with.
    pub fn after_midnight_utc(&self, now: Ts) -> (Span, Option<String>) {
        let day = 86_400;
        let zone = self.zone.as_deref().and_then(|name| jiff::tz::TimeZone::get(name).ok());
        let at = jiff::Timestamp::from_millisecond(now.as_ms()).ok();
        let (Some(zone), Some(at)) = (zone, at) else { return (Span::from_secs(self.minutes * 60), None) };
        let offset = i64::from(zone.to_offset(at).seconds());
        let start = Span::from_secs((self.minutes * 60 - offset).rem_euclid(day));
        let year = jiff::SignedDuration::from_hours(24 * 366);
        let change = zone.following(at).find(|t| i64::from(t.offset().seconds()) != offset).map(|t| t.timestamp());
        let note = change.filter(|when| when.duration_since(at) < year).map(|when| {
            format!(
                "the trading day starts at {} UTC ({self}); the clocks there change at {when}, tickdeck follows at its next start",
                Ts(start.0).clock()
            )
        });
        (start, note)
    }
}

impl fmt::Display for DayStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.minutes / 60, self.minutes % 60);
        match &self.zone {
            None => write!(f, "{hours:02}:{minutes:02}Z"),
            Some(zone) => write!(f, "{hours:02}:{minutes:02} {zone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_come_back() {
        for text in ["15m", "24h", "7d", "90s", "500ms", "1h"] {
            let span = parse_span(text).unwrap();
            assert_eq!(parse_span(&show_span(span)), Some(span), "{text}");
        }
        assert_eq!((show_span(Span::from_secs(900)), show_span(Span::from_ms(1500))), ("15m".into(), "1500ms".into()));
        for text in ["", "m", "15", "15 m", "-1m", "1.5h", "99999999999999999999d", "9999999999999999d"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn a_bare_list_is_read_as_people_and_shells_write_it() {
        for text in ["A,B", "A, B,", "[\"A\",\"B\"]", "['A', 'B']", "[A,B]", " [ \"A\" , B ] "] {
            assert_eq!(Literal::Bare(text.to_owned()).list(), Some(vec!["A".to_owned(), "B".to_owned()]), "{text}");
        }
        assert_eq!(Literal::Bare("[]".to_owned()).list(), Some(Vec::new()));
    }

    #[test]
    fn the_day_starts_in_utc_or_in_a_zone() {
        let summer = Ts::from_ms(1_753_000_000_000);
        let at = |text: &str| DayStart::parse(text).unwrap().after_midnight_utc(summer);
        assert_eq!(at("00:00Z"), (Span(0), None));
        assert_eq!(at("06:30Z"), (Span::from_secs(23_400), None));
        assert_eq!(at("00:00 Europe/Moscow"), (Span::from_secs(21 * 3600), None));
        let (berlin, note) = at("00:00 Europe/Berlin");
        assert_eq!(berlin, Span::from_secs(22 * 3600));
        assert!(note.is_some_and(|n| n.contains("22:00:00 UTC") && n.contains("2025-10-26")));
        for text in ["24:00Z", "0:00Z", "00:00", "00:00 Mars/Olympus", "noon", "+1:00Z", "00:60Z", ""] {
            assert!(DayStart::parse(text).is_err(), "{text}");
        }
    }
}
