//! Files to market data: our own tapes, what others recorded, through the importer, and tables of bars.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::TrainError;
use super::dataset::MarketEvents;
use crate::engine::event::{Bar, Event, Link, MarketData};
use crate::engine::features::bars::MINUTE;
use crate::engine::num::Qty;
use crate::engine::time::{Span, Ts};
use crate::tape::TapeReader;
use crate::tape::import::{ImportError, Importer, instrument_in_name, read_bars};

/// Files of one training.
const FILES_MAX: usize = 4_096;
/// Endings that are taken from a folder; a file that is named itself may have any.
const ENDINGS: [&str; 5] = ["tape", "jsonl", "csv", "gz", "zip"];

/// One piece of market data with its instrument's name.
type Named = (Ts, String, MarketData);

/// The files named, folders replaced by what lies in them, in order of name.
pub(super) fn files(data: &[PathBuf]) -> Result<Vec<PathBuf>, TrainError> {
    let mut files = Vec::new();
    for path in data {
        let failed = |error: std::io::Error| unreadable(path, error.to_string());
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = fs::read_dir(path)
            .map_err(failed)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.is_file() && path.extension().is_some_and(|found| ENDINGS.iter().any(|ending| found == *ending))
            })
            .take(FILES_MAX)
            .collect();
        inside.sort_unstable();
        files.append(&mut inside);
    }
    files.truncate(FILES_MAX);
    if files.is_empty() { Err(TrainError::NoFiles) } else { Ok(files) }
}

/// Opens one file.
pub(super) fn open(path: &Path) -> Result<MarketEvents<'static>, TrainError> {
    let events: Box<dyn Iterator<Item = Result<Named, String>>> =
        if path.extension().is_some_and(|ending| ending == "tape") {
            let reader = TapeReader::open(path).map_err(|error| unreadable(path, error.to_string()))?;
            Box::new(Tape { reader, waiting: VecDeque::new(), failed: false })
        } else {
            let files = [path.to_owned()];
            let importer = match Importer::open(&files, &mut |_| {}) {
                Err(ImportError::Bars(_)) => return bars(path),
                opened => opened.map_err(|error| unreadable(path, error.to_string()))?,
            };
            let names: Vec<String> = importer.instruments().iter().map(|instrument| instrument.name.clone()).collect();
            Box::new(importer.map(move |item| {
                let (at, symbol, data) = item.map_err(|error| error.to_string())?;
                Ok((at, names.get(symbol.index()).cloned().unwrap_or_default(), data))
            }))
        };
    Ok(MarketEvents { name: name(path), events })
}

/// A table of bars of a minute, each told when it was over.
fn bars(path: &Path) -> Result<MarketEvents<'static>, TrainError> {
    let mut rows = read_bars(path).map_err(|error| unreadable(path, error.to_string()))?;
    rows.sort_by_key(|row| row.at);
    let steps = rows.windows(2).map(|pair| pair[1].at.since(pair[0].at)).filter(|step| *step > Span(0));
    if let Some(step) = steps.min().filter(|step| *step != MINUTE) {
        let why = format!("its bars are {} s long, and features are made from bars of a minute", step.as_secs_f64());
        return Err(unreadable(path, why));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name_of = instrument_in_name(path).unwrap_or_else(|| stem.trim_end_matches(".csv").to_uppercase());
    let event = move |row: crate::tape::import::Bar| {
        let crate::tape::import::Bar { at: start, open, high, low, close, .. } = row;
        let volume = row.volume.or(row.quote_volume).unwrap_or(Qty::ZERO);
        let bar = Bar { start, span: MINUTE, open, high, low, close, volume };
        Ok((start + MINUTE, name_of.clone(), MarketData::Bar(bar)))
    };
    Ok(MarketEvents { name: name(path), events: Box::new(rows.into_iter().map(event)) })
}

/// The market data of a tape of ours.
struct Tape {
    reader: TapeReader,
    waiting: VecDeque<Named>,
    failed: bool,
}

impl Iterator for Tape {
    type Item = Result<Named, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.is_empty() && !self.failed {
            match self.reader.next_event() {
                Ok(Some((at, _, event))) => self.take(at, event),
                Ok(None) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error.to_string()));
                }
            }
        }
        self.waiting.pop_front().map(Ok)
    }
}

impl Tape {
    fn take(&mut self, at: Ts, event: Event) {
        let instruments = &self.reader.header().instruments;
        match event {
            Event::Market(symbol, data) => {
                let name = instruments.get(symbol.index()).map(|instrument| instrument.name.clone());
                self.waiting.extend(name.map(|name| (at, name, data)));
            }
            // While the connection was away, deltas went missing on every instrument.
            Event::Link(Link::MarketDown(_)) => {
                self.waiting.extend(instruments.iter().map(|i| (at, i.name.clone(), MarketData::Gap)));
            }
            _ => {}
        }
    }
}

/// The file's name without its folder: what reports and cards show.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn unreadable(path: &Path, why: String) -> TrainError {
    TrainError::Read { file: path.display().to_string(), why }
}
