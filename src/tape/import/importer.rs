//! Several files as one series of market data, ordered by time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::book::{BookMaker, Change};
use super::detect::Form;
use super::error::ImportError;
use super::feed::{Feed, Scanned, scan};
use super::instruments::Seen;
use super::message::Message;
use super::report::{ImportReport, InstrumentReport, Tally};
use crate::engine::event::MarketData;
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::Instrument;
use crate::engine::time::Ts;

/// One piece of market data: when it was received, of which instrument, what.
pub type Item = (Ts, Symbol, MarketData);

/// Files as one series of market data. Time never goes back in it: what a file has out of order is moved up and counted.
pub struct Importer {
    instruments: Vec<Instrument>,
    streams: Vec<Stream>,
    feeds: Vec<Feed>,
    ready: VecDeque<Item>,
    read: Arc<AtomicU64>,
    bytes: u64,
    begins: Ts,
    last: Option<Ts>,
    report: ImportReport,
    tally: Tally,
    /// Nothing follows an error.
    failed: bool,
}

/// One instrument while it is read.
struct Stream {
    book: BookMaker,
    /// Depth of the stream that its book is made of; others are left out.
    depth: u32,
    report: InstrumentReport,
}

impl Importer {
    /// Looks through all files and prepares to read them. `progress` is told the part of the files looked through.
    pub fn open(files: &[PathBuf], progress: &mut dyn FnMut(f64)) -> Result<Self, ImportError> {
        if files.is_empty() {
            return Err(ImportError::NoFiles);
        }
        let scanned = scan_all(files, progress)?;
        check_markets(&scanned)?;
        check_overlaps(&scanned)?;
        let (instruments, streams) = instruments(&scanned)?;
        let names: BTreeMap<&str, Symbol> =
            instruments.iter().zip(0..).map(|(i, n)| (i.name.as_str(), Symbol(n))).collect();
        let (read, mut tally) = (Arc::default(), Tally::default());
        let mut feeds = Vec::new();
        for file in &scanned {
            let mut feed = Feed::open(file, &read, |name| names.get(name).copied())?;
            feed.advance(&mut tally)?;
            feeds.push(feed);
        }
        let begins = scanned.iter().flat_map(|file| file.seen.values()).filter_map(|seen| seen.first).min();
        Ok(Self {
            streams,
            feeds,
            ready: VecDeque::new(),
            read,
            bytes: scanned.iter().map(|file| file.bytes).sum(),
            begins: begins.unwrap_or_default(),
            last: None,
            report: ImportReport {
                lines: 0,
                other: 0,
                bad: 0,
                bad_lines: Vec::new(),
                truncated: Vec::new(),
                events: 0,
                clamped: 0,
                first_last: None,
                instruments: Vec::new(),
            },
            instruments,
            tally,
            failed: false,
        })
    }

    /// The instruments; their order gives each its [`Symbol`].
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }
    /// First moment of the files.
    pub const fn begins(&self) -> Ts {
        self.begins
    }
    /// Part of the files that was read, 0 to 1.
    pub fn position(&self) -> f64 {
        (self.read.load(Ordering::Relaxed) as f64 / self.bytes.max(1) as f64).min(1.0)
    }
    /// Where the data comes from, for the screen.
    pub fn source(&self) -> String {
        let sources: BTreeSet<&str> = self.instruments.iter().map(|i| i.source.as_str()).collect();
        sources.into_iter().collect::<Vec<_>>().join(", ")
    }
    /// What was read and made so far.
    pub fn into_report(self) -> ImportReport {
        let Tally { lines, other, bad, told, truncated } = self.tally;
        let instruments =
            self.streams.into_iter().map(|s| InstrumentReport { book: s.book.counts(), ..s.report }).collect();
        ImportReport { lines, other, bad, bad_lines: told, truncated, instruments, ..self.report }
    }

    /// Reads the earliest message of all files into `ready`. `false` when there is none.
    fn read_one(&mut self) -> Result<bool, ImportError> {
        let earliest = self.feeds.iter().enumerate().filter_map(|(n, feed)| feed.next_at().map(|at| (at, n))).min();
        let Some(feed) = earliest.and_then(|(_, n)| self.feeds.get_mut(n)) else { return Ok(false) };
        let Some((at, symbol, message)) = feed.take(&mut self.tally)? else { return Ok(false) };
        let now = self.last.map_or(at, |last| last.max(at));
        let before = self.ready.len();
        if let Some(stream) = self.streams.get_mut(symbol.index()) {
            stream.accept(message, &mut self.tally, &mut |data| self.ready.push_back((now, symbol, data)));
        }
        let made = (self.ready.len() - before) as u64;
        if made > 0 {
            self.last = Some(now);
            self.report.events += made;
            self.report.clamped += if now > at { made } else { 0 };
            let first = self.report.first_last.map_or(now, |(first, _)| first);
            self.report.first_last = Some((first, now));
        }
        Ok(true)
    }
}

impl Iterator for Importer {
    type Item = Result<Item, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.failed {
            match self.read_one() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Stream {
    /// Makes market data of a message.
    fn accept(&mut self, message: Message, tally: &mut Tally, out: &mut dyn FnMut(MarketData)) {
        let made = match message {
            Message::Snapshot { depth, .. } | Message::Delta { depth, .. } if depth != self.depth && depth != 0 => {
                tally.other += 1;
                None
            }
            Message::Snapshot { id, pushed, levels, .. } => self.book.snapshot(id, pushed, &levels),
            Message::Delta { first, last, previous, levels, .. } => {
                self.book.change(Change { first, last, previous, levels })
            }
            Message::Best { id, bid, ask } => self.book.best(id, bid, ask),
            Message::Ticker(ticker) => {
                self.report.tickers += 1;
                Some(MarketData::Ticker(ticker))
            }
            Message::Trades(trades) => {
                self.report.trades += trades.len() as u64;
                trades.into_iter().map(MarketData::Trade).for_each(out);
                return;
            }
        };
        made.into_iter().for_each(out);
    }
}

fn scan_all(files: &[PathBuf], progress: &mut dyn FnMut(f64)) -> Result<Vec<Scanned>, ImportError> {
    let total: u64 = files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    let read = Arc::new(AtomicU64::new(0));
    let mut tally = Tally::default();
    let mut scanned = Vec::new();
    for path in files {
        let mut tick = || progress((read.load(Ordering::Relaxed) as f64 / total.max(1) as f64).min(1.0));
        scanned.push(scan(path, &read, &mut tally, &mut tick)?);
    }
    if scanned.iter().flat_map(|file| file.seen.values()).any(Seen::is_usable) {
        return Ok(scanned);
    }
    let first = tally.told.first();
    Err(ImportError::Nothing(
        first.map_or(String::new(), |bad| format!("; line {} of {}: {}", bad.line, bad.path.display(), bad.why)),
    ))
}

/// One name must not stand for two markets on one tape. A table of trades does not say its market: it goes with any.
fn check_markets(scanned: &[Scanned]) -> Result<(), ImportError> {
    let mut markets: BTreeMap<&str, &str> = BTreeMap::new();
    for file in scanned.iter().filter(|file| !matches!(file.form, Form::Trades(_))) {
        for name in file.seen.keys() {
            let one = *markets.entry(name).or_insert(file.label());
            if one != file.label() {
                let (one, other) = (one.to_owned(), file.label().to_owned());
                return Err(ImportError::TwoMarkets { name: name.clone(), one, other });
            }
        }
    }
    Ok(())
}

/// The same trades or the same book twice would count twice.
fn check_overlaps(scanned: &[Scanned]) -> Result<(), ImportError> {
    let overlap = |a: Option<(Ts, Ts)>, b: Option<(Ts, Ts)>| match (a, b) {
        (Some(a), Some(b)) => a.0 < b.1 && b.0 < a.1,
        _ => false,
    };
    for (n, one) in scanned.iter().enumerate() {
        for other in scanned.iter().skip(n + 1) {
            for (name, a) in &one.seen {
                let Some(b) = other.seen.get(name) else { continue };
                let trades = overlap(a.trades, b.trades);
                if trades || overlap(a.books, b.books) {
                    return Err(ImportError::Overlap {
                        name: name.clone(),
                        what: if trades { "trades" } else { "books" },
                        one: one.path.clone(),
                        other: other.path.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// The instruments of all files by name, and what reads each of them.
fn instruments(scanned: &[Scanned]) -> Result<(Vec<Instrument>, Vec<Stream>), ImportError> {
    let names: BTreeSet<&String> = scanned.iter().flat_map(|file| file.seen.keys()).collect();
    let mut made = (Vec::new(), Vec::new());
    for name in names {
        let mut seen = Seen::default();
        let (mut market, mut in_quote, mut sources) = ("", false, Vec::new());
        for (file, part) in scanned.iter().filter_map(|file| Some((file, file.seen.get(name)?))) {
            seen.join(part);
            market = if market.is_empty() { file.market } else { market };
            in_quote |= matches!(&file.form, Form::Trades(columns) if columns.qty_in_quote);
            sources.push(format!("{} · {}", file.label(), file.stem()));
        }
        if !seen.is_usable() {
            continue;
        }
        let instrument = seen.instrument(name, market, in_quote, sources.join(" + "));
        let report =
            InstrumentReport { name: name.clone(), source: instrument.source.clone(), ..InstrumentReport::default() };
        made.0.push(instrument);
        made.1.push(Stream { book: BookMaker::new(seen.depth), depth: seen.depth, report });
    }
    if made.0.len() > usize::from(u16::MAX) {
        return Err(ImportError::TooMany(made.0.len()));
    }
    Ok(made)
}
