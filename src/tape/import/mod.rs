//! Turns market data that others recorded into tapes, or hands it out directly for training.
//!
//! Understood are messages in Bybit's v5 form (a recorder's `{"recv_ns","raw"}` lines, lines with a time before the
//! message, and the venue's own order-book archive), Binance's combined streams as the common collectors write them
//! (spot, USD-margined and coin-margined, with the REST snapshot among the lines), and trades in CSV. What a file is,
//! its content says, not its name. [`source`] gives lines, [`detect`] names their form, [`bybit`], [`binance`] and
//! [`csv`] read them into [`message`]s, [`book`] makes exact, uncrossed books of those, [`Importer`] merges files by
//! time. Bars carry neither trades nor books and make no tape: [`csv::read_bars`] reads them for training.

mod binance;
mod book;
mod bybit;
pub mod csv;
mod detect;
mod difference;
mod error;
mod feed;
mod importer;
mod instruments;
mod message;
mod report;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

pub use book::BookCounts;
pub use csv::{Bar, TradeRow, instrument_in_name, read_bars, read_trades_csv};
pub use error::ImportError;
pub use importer::{Importer, Item};
pub use report::{BadLine, ImportReport, InstrumentReport};

use super::error::TapeError;
use super::format::{TapeHeader, TapeKind};
use super::write::TapeWriter;
use crate::engine::event::Event;
use crate::engine::ids::{Pair, RunId, Seq};

/// Share of the work that looking at the files before reading them takes, for the progress shown.
const SCAN_SHARE: f64 = 0.4;
/// Events between two calls of `progress`.
const EVENTS_PER_CALL: u64 = 4_096;

/// Makes one tape of `files`, merged by time. The tape appears under its name only when it is complete; the same files
/// make the same bytes. `progress` is told the part that is done, 0 to 1.
pub fn import(files: &[PathBuf], out: &Path, progress: &mut dyn FnMut(f64)) -> Result<ImportReport, ImportError> {
    if out.exists() {
        return Err(TapeError::Exists(out.to_owned()).into());
    }
    let importer = Importer::open(files, &mut |part| progress(part * SCAN_SHARE))?;
    let mut unfinished = out.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    // What an import that was interrupted left behind.
    match fs::remove_file(&unfinished) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(TapeError::io(&unfinished, "replace", e).into());
        }
        _ => {}
    }
    let written = write(importer, &unfinished, progress).and_then(|report| {
        fs::rename(&unfinished, out).map_err(|e| TapeError::io(out, "name", e))?;
        Ok(report)
    });
    if written.is_err() {
        // The error that led here matters more than a file that stays behind.
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write(mut importer: Importer, path: &Path, progress: &mut dyn FnMut(f64)) -> Result<ImportReport, ImportError> {
    let begins = importer.begins();
    let header = TapeHeader {
        kind: TapeKind::Imported,
        run: RunId::new(begins.as_ms(), 0),
        pair: Pair::TAPE,
        created: begins,
        instruments: importer.instruments().to_vec(),
        source: importer.source(),
    };
    let mut writer = TapeWriter::create(path, &header)?;
    let mut seq = 0;
    while let Some(item) = importer.next() {
        let (at, symbol, data) = item?;
        seq += 1;
        writer.append(at, Seq(seq), &Event::Market(symbol, data))?;
        if seq % EVENTS_PER_CALL == 0 {
            progress(SCAN_SHARE + (1.0 - SCAN_SHARE) * importer.position());
        }
    }
    writer.finish()?;
    progress(1.0);
    Ok(importer.into_report())
}
