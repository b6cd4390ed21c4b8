//! What form a file has, told by its first lines.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::bybit::Wrapping;
use super::csv::TradeColumns;
use super::error::ImportError;
use super::message::moment;
use super::source::{Lines, Read1};

/// How to read a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Bybit's messages.
    Bybit(Wrapping),
    /// A local time and a message of Binance's or Bybit's.
    Collector,
    /// Trades in a table.
    Trades(TradeColumns),
}

/// Lines that are looked at: a recording may begin with answers to subscriptions, or with a torn line.
const LINES: usize = 20;

/// The form of a file.
pub(super) fn detect(path: &Path) -> Result<Form, ImportError> {
    let mut lines = Lines::open(path, &Arc::default())?;
    for n in 0..LINES {
        match lines.next()? {
            Read1::Text(text) if n == 0 && TradeColumns::is_header(text) => {
                return TradeColumns::of(path, text).map(Form::Trades);
            }
            Read1::Text(text) => {
                if let Some(form) = form_of(text) {
                    return Ok(form);
                }
            }
            Read1::Bad(_) => {}
            Read1::End => break,
        }
    }
    Err(ImportError::Unknown(path.to_owned()))
}

#[derive(Deserialize)]
struct Marks<'a> {
    recv_ns: Option<IgnoredAny>,
    raw: Option<IgnoredAny>,
    topic: Option<&'a str>,
    stream: Option<&'a str>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
}

/// The form that a line shows, if it does.
fn form_of(line: &str) -> Option<Form> {
    if line.starts_with('{') {
        let marks: Marks = serde_json::from_str(line).ok()?;
        if marks.recv_ns.is_some() && marks.raw.is_some() {
            return Some(Form::Bybit(Wrapping::Recorder));
        }
        return marks.topic.map(|_| Form::Bybit(Wrapping::None));
    }
    let (time, message) = line.split_once(' ')?;
    moment(time).ok()?;
    let marks: Marks = serde_json::from_str(message).ok()?;
    let known =
        marks.topic.is_some() || marks.last_update_id.is_some() || marks.stream.is_some_and(|s| s.contains('@'));
    known.then_some(Form::Collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells() {
        assert_eq!(form_of(r#"{"recv_ns":1,"raw":{}}"#), Some(Form::Bybit(Wrapping::Recorder)));
        assert_eq!(form_of(r#"{"topic":"orderbook.500.X"}"#), Some(Form::Bybit(Wrapping::None)));
        assert_eq!(form_of(r#"1723161254000 {"stream":"x@trade","data":{}}"#), Some(Form::Collector));
        assert_eq!(form_of(r#"1723161254000 {"topic":"publicTrade.X"}"#), Some(Form::Collector));
        assert_eq!(form_of(r#"1723161254000 {"lastUpdateId": 3}"#), Some(Form::Collector));
        for text in
            ["", "{", "{}", "hello world", "1723161254000 {}", "wss://x <- 1.5: {}", "1723161254000 {\"stream\":\"x\"}"]
        {
            assert_eq!(form_of(text), None, "{text}");
        }
    }
}
