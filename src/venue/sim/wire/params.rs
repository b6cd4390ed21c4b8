//! Parameters of a request, from a query or a JSON object, as tolerant as the venue: numbers may be text or numbers.

use serde_json::Value;

use super::super::exchange::model::Refusal;
use crate::engine::num::{Price, Qty, Rate};
use crate::engine::time::Ts;

/// Named values of one request. An absent one and an empty one are the same.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// From a raw query, decoded once.
    pub fn of_query(query: &str) -> Self {
        let pairs = query.split('&').filter(|part| !part.is_empty()).map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(key), decoded(value))
        });
        Self(pairs.collect())
    }

    /// From a JSON object; nested values stay JSON text.
    pub fn of_json(value: &Value) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let pairs = value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value)));
        Self(pairs.collect())
    }

    /// A value, empty when absent.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// A value that is there.
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|value| !value.is_empty())
    }

    /// `true`, `"true"` or `1`.
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "True" | "1")
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.parsed(name, |text| text.parse::<i64>().ok())
    }

    /// A page size within bounds.
    pub fn limit(&self, usual: usize, most: usize) -> Result<usize, Refusal> {
        let asked = self.number("limit")?.and_then(|n| usize::try_from(n).ok());
        Ok(asked.filter(|n| *n > 0).unwrap_or(usual).min(most))
    }

    /// A moment in milliseconds.
    pub fn moment(&self, name: &str) -> Result<Option<Ts>, Refusal> {
        Ok(self.number(name)?.map(Ts::from_ms))
    }

    /// A price.
    pub fn price(&self, name: &str) -> Result<Option<Price>, Refusal> {
        self.parsed(name, |text| Price::parse(text).ok().filter(|price| *price >= Price::ZERO))
    }

    /// A quantity.
    pub fn qty(&self, name: &str) -> Result<Option<Qty>, Refusal> {
        self.parsed(name, |text| Qty::parse(text).ok())
    }

    /// A ratio.
    pub fn rate(&self, name: &str) -> Result<Option<Rate>, Refusal> {
        self.parsed(name, |text| Rate::parse(text).ok())
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        let Some(text) = self.given(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| Refusal::new(10_001, format!("params error: {name} invalid")))
    }
}

/// Percent-decoding of one layer; what is no code stays as it is.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(if byte == b'+' { b' ' } else { byte });
            continue;
        }
        let digits: Vec<u8> = rest.clone().take(2).collect();
        let code = std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|_| digits.len() == 2) {
            Some(code) => {
                bytes.push(code);
                rest.nth(1);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One page of `all`, and the cursor to the next; empty at the end.
pub fn page<T>(params: &Params, all: Vec<T>, usual: usize, most: usize) -> Result<(Vec<T>, String), Refusal> {
    let (from, limit) = (cursor_of(params.text("cursor")), params.limit(usual, most)?);
    let next = from.saturating_add(limit);
    let cursor = if next < all.len() { cursor_to(next) } else { String::new() };
    Ok((all.into_iter().skip(from).take(limit).collect(), cursor))
}

/// A position in a list, as `nextPageCursor` carries it; percent-encoded as the venue does.
fn cursor_to(place: usize) -> String {
    format!("page%3A{place}")
}

/// The place a cursor names; clients send it back as it came, decoded, or encoded once more (contract 0.39).
fn cursor_of(text: &str) -> usize {
    let mut text = text.to_owned();
    for _ in 0..3 {
        text = decoded(&text);
    }
    text.strip_prefix("page:").and_then(|place| place.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_any_number_of_encodings() {
        for text in ["page:40", "page%3A40", "page%253A40", "page%25253A40"] {
            assert_eq!(cursor_of(text), 40, "{text}");
        }
        assert_eq!(cursor_of(""), 0);
        assert_eq!(cursor_of("%%%"), 0);
        let far = Params::of_query("cursor=page:18446744073709551615");
        assert_eq!(page(&far, vec![1, 2], 20, 50).unwrap(), (vec![], String::new()));
    }

    #[test]
    fn numbers_come_as_text_or_numbers() {
        let params = Params::of_json(&serde_json::json!({"qty": "0.1", "price": 5, "positionIdx": "1", "n": null}));
        assert_eq!(params.qty("qty").unwrap(), Some(Qty::parse("0.1").unwrap()));
        assert_eq!(params.price("price").unwrap(), Some(Price::parse("5").unwrap()));
        assert_eq!(params.number("positionIdx").unwrap(), Some(1));
        assert_eq!(params.given("n"), None);
        assert_eq!(Params::of_json(&serde_json::json!({"qty": "x"})).qty("qty").unwrap_err().code, 10_001);
    }

    #[test]
    fn queries_are_decoded_once() {
        let params = Params::of_query("a=1%2C2&b=&c&d=%zz");
        assert_eq!((params.text("a"), params.text("b"), params.text("d")), ("1,2", "", "%zz"));
    }
}
