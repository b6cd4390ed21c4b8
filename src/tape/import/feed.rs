//! One file as a series of messages: once to see what is in it, and once more to read it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::binance;
use super::bybit;
use super::detect::{Form, detect};
use super::error::ImportError;
use super::instruments::Seen;
use super::message::{Bad, Line, Message};
use super::report::Tally;
use super::source::{Lines, Read1};
use crate::engine::ids::Symbol;
use crate::engine::time::Ts;

/// What is in a file.
#[derive(Debug)]
pub(super) struct Scanned {
    pub path: PathBuf,
    pub form: Form,
    /// Market that the content names; empty where it does not.
    pub market: &'static str,
    pub seen: BTreeMap<String, Seen>,
    /// Size of the file.
    pub bytes: u64,
}

impl Scanned {
    /// Its name without folder and endings, for the screen.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.file_name().and_then(|n| n.to_str()).unwrap_or("?");
        name.split('.').next().unwrap_or(name)
    }

    /// What its data is, for the screen.
    pub(super) const fn label(&self) -> &'static str {
        match (&self.form, self.market.is_empty()) {
            (Form::Bybit(_), _) => BYBIT,
            (Form::Collector, true) => "binance",
            (Form::Collector, false) => self.market,
            (Form::Trades(_), _) => "trades",
        }
    }
}

/// Messages in Bybit's form; whose market it was, the content does not say.
const BYBIT: &str = "bybit form";

fn parse<'a>(form: &'a Form, text: &'a str) -> Result<Line<'a>, Bad> {
    match form {
        _ if text.is_empty() => Ok(Line::Other),
        Form::Bybit(wrapping) => bybit::parse(text, *wrapping, None),
        Form::Collector => binance::parse(text),
        Form::Trades(columns) => columns.parse(text),
    }
}

/// Reads a file through and says what is in it. `read` counts its bytes; `tick` is called now and then.
pub(super) fn scan(
    path: &Path,
    read: &Arc<AtomicU64>,
    tally: &mut Tally,
    tick: &mut dyn FnMut(),
) -> Result<Scanned, ImportError> {
    let form = detect(path)?;
    let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let mut lines = Lines::open(path, read)?;
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut nameless = Seen::default();
    let mut market = "";
    loop {
        let parsed = match lines.next()? {
            Read1::End => break,
            Read1::Bad(why) => Err(why.to_owned()),
            Read1::Text(text) => {
                if market.is_empty() && form == Form::Collector {
                    market = binance::market_of(text).unwrap_or_default();
                }
                parse(&form, text).map(|line| note(&line, &mut seen, &mut nameless))
            }
        };
        if let Err(why) = parsed {
            tally.bad(lines.path(), lines.number(), why);
        }
        if lines.number() % LINES_PER_TICK == 0 {
            tick();
        }
    }
    // A snapshot without a name is about the only instrument there is.
    if let (1, Some(only)) = (seen.len(), seen.values_mut().next()) {
        only.join(&nameless);
    }
    Ok(Scanned { path: path.to_owned(), form, market, seen, bytes })
}

/// Lines between two signs of progress.
const LINES_PER_TICK: u64 = 4_096;

fn note(line: &Line, seen: &mut BTreeMap<String, Seen>, nameless: &mut Seen) {
    let Line::Message { at, name, message } = line else { return };
    match name {
        None => nameless.note(*at, message),
        Some(name) => match seen.get_mut(*name) {
            Some(known) => known.note(*at, message),
            None => seen.entry((*name).to_owned()).or_default().note(*at, message),
        },
    }
}

/// A file that is being read.
pub(super) struct Feed {
    lines: Lines,
    form: Form,
    names: BTreeMap<String, Option<Symbol>>,
    head: Option<(Ts, Symbol, Message)>,
}

impl Feed {
    /// Opens a file that was scanned. `place` gives each instrument its place in the run, or none when it is left out.
    pub(super) fn open(
        scanned: &Scanned,
        read: &Arc<AtomicU64>,
        place: impl Fn(&str) -> Option<Symbol>,
    ) -> Result<Self, ImportError> {
        let names = scanned.seen.keys().map(|name| (name.clone(), place(name))).collect();
        Ok(Self { lines: Lines::open(&scanned.path, read)?, form: scanned.form.clone(), names, head: None })
    }

    /// Time of the message that comes next.
    pub(super) fn next_at(&self) -> Option<Ts> {
        self.head.as_ref().map(|(at, ..)| *at)
    }

    /// Takes the message that comes next and reads up to the one after it.
    pub(super) fn take(&mut self, tally: &mut Tally) -> Result<Option<(Ts, Symbol, Message)>, ImportError> {
        let head = self.head.take();
        self.advance(tally)?;
        Ok(head)
    }

    /// Reads up to the next message.
    pub(super) fn advance(&mut self, tally: &mut Tally) -> Result<(), ImportError> {
        loop {
            let parsed = match self.lines.next()? {
                Read1::End => {
                    if self.lines.truncated() {
                        tally.truncated(self.lines.path());
                    }
                    return Ok(());
                }
                Read1::Bad(why) => Err(why.to_owned()),
                Read1::Text(text) => parse(&self.form, text).and_then(|line| placed(line, &self.names)),
            };
            tally.lines += 1;
            match parsed {
                Ok(Some(message)) => {
                    self.head = Some(message);
                    return Ok(());
                }
                Ok(None) => tally.other += 1,
                Err(why) => tally.bad(self.lines.path(), self.lines.number(), why),
            }
        }
    }
}

/// The message of a line with its instrument's place; `None` when there is nothing for the tape in it.
fn placed(line: Line, names: &BTreeMap<String, Option<Symbol>>) -> Result<Option<(Ts, Symbol, Message)>, Bad> {
    let Line::Message { at, name, message } = line else { return Ok(None) };
    let symbol = match name {
        Some(name) => names.get(name).copied().flatten(),
        None if names.len() == 1 => names.values().next().copied().flatten(),
        None => return Err("a snapshot that does not say which instrument it is of".to_owned()),
    };
    Ok(symbol.map(|symbol| (at, symbol, message)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tape::import::bybit::Wrapping;
    use crate::tape::import::csv::TradeColumns;

    const LINES: &[&str] = &[
        r#"{"recv_ns":5,"raw":{"topic":"orderbook.50.X","type":"delta","ts":1,"data":{"s":"X","b":[["9","1"]],"a":[],"u":7}}}"#,
        r#"{"topic":"publicTrade.X","ts":3,"data":[{"T":2,"s":"X","S":"Sell","v":"0.1","p":"9"}]}"#,
        r#"{"topic":"tickers.X","ts":3,"data":{"symbol":"X","markPrice":"9.5","nextFundingTime":"1763827200000"}}"#,
        r#"1723161254000 {"stream":"x@depth","data":{"s":"X","U":5,"u":9,"pu":4,"b":[["1","0.0"]],"a":[]}}"#,
        r#"1723161254000000 {"stream":"x@bookTicker","data":{"s":"X","u":9,"b":"1","B":"2","a":"3","A":"4"}}"#,
        r#"1723161254000 {"lastUpdateId": 7, "bids": [["1.0", "2"]], "asks": []}"#,
        "1764878935649,91778.3,1.4e-2,-1",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Nothing that stands in a file can stop the program.
        #[test]
        fn no_line_is_more_than_bad(
            line in prop::sample::select(LINES),
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..6),
        ) {
            let mut text: Vec<char> = line.chars().collect();
            for (place, with) in places {
                let at = place.index(text.len());
                text[at] = with;
            }
            let text: String = text.into_iter().collect();
            let columns = TradeColumns::of(Path::new("a_btcusdt.csv"), "ts,px,qty,side").unwrap();
            let forms = [
                Form::Bybit(Wrapping::Recorder),
                Form::Bybit(Wrapping::None),
                Form::Collector,
                Form::Trades(columns),
            ];
            for form in &forms {
                let mut seen = BTreeMap::new();
                if let Ok(line) = parse(form, &text) {
                    note(&line, &mut seen, &mut Seen::default());
                }
                for (name, seen) in &seen {
                    let made = seen.instrument(name, "", false, String::new());
                    prop_assert!(made.tick.raw() > 0 && made.step.raw() > 0);
                }
            }
        }
    }
}
