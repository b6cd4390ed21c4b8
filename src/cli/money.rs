//! Orders, fills, PnL, positions, and export, from the ledger, with or without a running engine.

use std::path::{Path, PathBuf};

use super::global::Global;
use super::output::{note, print};
use super::status::picture;
use crate::engine::ids::Pair;
use crate::engine::risk::limits::show as show_qty;
use crate::engine::snapshot::Snapshot;
use crate::engine::time::{Span, Ts};
use crate::ledger::{Cell, Filter, Format, Head, LedgerError, PnlBy, Reader, Sheet, Verdict, holder};
use crate::run::clock::wall;
use crate::run::exit::{Exit, Failure};
use crate::run::files::make;

/// Which ledger, and how to print.
#[derive(clap::Args, Debug)]
pub(super) struct Ask {
    /// simulated, paper, demo-account, testnet, live, or a ledger file. --mode names the ledger of an account too; where
    /// one engine runs or there is one ledger only, neither is needed
    #[arg(long, value_name = "NAME")]
    ledger: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// Which rows.
#[derive(clap::Args, Debug)]
pub(super) struct Query {
    #[command(flatten)]
    ask: Ask,
    /// Only this instrument
    #[arg(long)]
    symbol: Option<String>,
    /// Only this run
    #[arg(long)]
    run: Option<String>,
    /// Only since then: a date (2026-11-22), a time in UTC (2026-11-22T14:30:00Z) or so long ago (15m, 24h, 7d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only before then, written alike
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// At most this many rows, the newest
    #[arg(long, default_value_t = 100)]
    max: u32,
}

/// Which positions.
#[derive(clap::Args, Debug)]
pub(super) struct PositionQuery {
    #[command(flatten)]
    ask: Ask,
    /// Only this instrument
    #[arg(long)]
    symbol: Option<String>,
}

/// Which PnL.
#[derive(clap::Args, Debug)]
pub(super) struct PnlQuery {
    #[command(flatten)]
    query: Query,
    /// Lines of the sum
    #[arg(long, value_enum, default_value_t)]
    by: PnlBy,
}

/// Where to export to.
#[derive(clap::Args, Debug)]
pub(super) struct Export {
    #[command(flatten)]
    ask: Ask,
    /// Folder for one file per table; nothing in it is overwritten
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

impl Query {
    fn filter(&self) -> Filter {
        let since = self.since.map_or(Ts(0), Moment::at);
        let until = self.until.map_or(Ts(i64::MAX), Moment::at);
        Filter { symbol: self.symbol.clone(), run: self.run.clone(), since, until, rows_max: self.max }
    }
}

/// A point in time as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    At(Ts),
    Ago(Span),
}

impl Moment {
    fn at(self) -> Ts {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => wall() - span,
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(span) = super::span(text) {
        return Ok(Moment::Ago(span));
    }
    let day = text.parse::<jiff::civil::Date>().ok();
    let day = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
    let at = text.parse::<jiff::Timestamp>().ok().or(day).and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    at.map(|nanos| Moment::At(Ts(nanos))).ok_or_else(|| {
        "write a date such as 2026-11-22, a time such as 2026-11-22T14:30:00Z, or how long ago: 15m, 24h, 7d".to_owned()
    })
}

/// What to do with the audit chain.
#[derive(clap::Subcommand, Debug)]
pub(super) enum AuditCommand {
    /// Follow the chain over every record. Exit code 1 names the first one that was altered, removed or slipped in
    Verify {
        #[command(flatten)]
        ask: Ask,
        /// A digest that `audit head` printed earlier: a chain that was cut short after it no longer has it
        #[arg(long, value_name = "DIGEST")]
        expect: Option<String>,
    },
    /// The newest digest and how many records there are, to note elsewhere
    Head(Ask),
}

pub(super) fn audit(global: &Global, command: &AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Head(ask) => show(global, ask, |reader| Ok(head_sheet(&reader.audit_head()?))),
        AuditCommand::Verify { ask, expect } => {
            let path = find(global, ask)?;
            match open(&path)?.audit(expect.as_deref()).map_err(Failure::error)? {
                Verdict::Sound(head) => {
                    print(&head_sheet(&head).render(ask.format))?;
                    note("the chain holds: every record is there and says what it said when it was written");
                    Ok(())
                }
                Verdict::Truncated(head) => Err(Failure::error(format!(
                    "the ledger {} does not hold the digest that was noted: its {} record(s) fit together, but records \
                     after them were removed, or the chain was made anew. Compare with the venue's statement and with a \
                     copy before you trust its figures",
                    path.display(),
                    head.count
                ))),
                Verdict::Broken { table, row, what, says } => Err(Failure::error(format!(
                    "the ledger {}: row {row} of {table} {what}. {}. It was not written so by tickdeck: do not trust its \
                     figures, compare with the venue's statement and restore the file from a copy",
                    path.display(),
                    says.map_or("It is not there".to_owned(), |says| format!("It says now: {}", shown(&says)))
                ))),
            }
        }
    }
}

/// What a record says may come from anywhere: it does not steer a terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn head_sheet(head: &Head) -> Sheet {
    let mut sheet = Sheet::new(["records", "digest"]);
    sheet.push(vec![Cell::Count(head.count), Cell::text(&head.digest)]);
    sheet
}

pub(super) fn orders(global: &Global, query: &Query) -> Result<(), Failure> {
    show_newest(global, query, |reader| reader.orders(&query.filter()))
}

pub(super) fn fills(global: &Global, query: &Query) -> Result<(), Failure> {
    show_newest(global, query, |reader| reader.fills(&query.filter()))
}

pub(super) fn pnl(global: &Global, query: &PnlQuery) -> Result<(), Failure> {
    show(global, &query.query.ask, |reader| reader.pnl(&query.query.filter(), query.by))
}

/// What the ledger holds, and what a running engine sees outside its run: that is never tickdeck's.
pub(super) fn positions(global: &Global, query: &PositionQuery) -> Result<(), Failure> {
    let path = find(global, &query.ask)?;
    let reader = open(&path)?;
    let mut sheet = reader.positions(query.symbol.as_deref()).map_err(Failure::error)?;
    let picture = holder(&path).and_then(|_| picture(&path));
    match picture {
        Some(Ok(picture)) => outside(&picture, query.symbol.as_deref(), &mut sheet),
        Some(Err(why)) => note(&format!("what the running engine sees outside its run is left out: {why}")),
        None => {}
    }
    show_sheet(&reader, &sheet, query.ask.format)
}

fn outside(picture: &Snapshot, only: Option<&str>, sheet: &mut Sheet) {
    let positions = picture.outside.iter().map(|row| &row.what).filter(|what| what.order.is_none());
    for held in positions.filter(|held| only.is_none_or(|only| held.name == only)) {
        let signed = held.side.sign().saturating_mul(held.left.raw());
        let mut row = vec![Cell::text(&held.name), Cell::decimal(show_qty(signed))];
        row.extend((0..5).map(|_| Cell::Nothing));
        row.push(Cell::text("yours, outside the run"));
        sheet.push(row);
    }
}

pub(super) fn export(global: &Global, export: &Export) -> Result<(), Failure> {
    let extension = match export.ask.format {
        Format::Json => "json",
        Format::Table | Format::Csv => "csv",
    };
    let format = if extension == "json" { Format::Json } else { Format::Csv };
    let reader = open(&find(global, &export.ask)?)?;
    make(&export.out).map_err(Failure::error)?;
    for (name, sheet) in reader.tables().map_err(Failure::error)? {
        let path = export.out.join(format!("{name}.{extension}"));
        write_new(&path, &sheet.render(format))?;
        note(&format!("{} ({} rows)", path.display(), sheet.len()));
    }
    Ok(())
}

fn show(global: &Global, ask: &Ask, read: impl Fn(&Reader) -> Result<Sheet, LedgerError>) -> Result<(), Failure> {
    let reader = open(&find(global, ask)?)?;
    show_sheet(&reader, &read(&reader).map_err(Failure::error)?, ask.format)
}

/// The newest rows, and that there may be older ones.
fn show_newest(
    global: &Global,
    query: &Query,
    read: impl Fn(&Reader) -> Result<Sheet, LedgerError>,
) -> Result<(), Failure> {
    let reader = open(&find(global, &query.ask)?)?;
    let sheet = read(&reader).map_err(Failure::error)?;
    show_sheet(&reader, &sheet, query.ask.format)?;
    if sheet.len() >= query.max as usize {
        note(&format!("these are the newest {}; --max shows more", query.max));
    }
    Ok(())
}

fn show_sheet(reader: &Reader, sheet: &Sheet, format: Format) -> Result<(), Failure> {
    if sheet.is_empty() && format == Format::Table {
        note(&format!("nothing in the ledger {}", reader.env()));
    }
    print(&sheet.render(format))
}

pub(super) fn open(path: &Path) -> Result<Reader, Failure> {
    Reader::open(path).map_err(Failure::error)
}

/// Why there is no ledger to read.
pub(super) enum Lost {
    /// There is none.
    Missing(Failure),
    /// There may be one.
    Failed(Failure),
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Missing(failure) | Lost::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for Lost {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The ledger that was named, that of the only engine that runs, or the only one there is.
pub(super) fn find(global: &Global, ask: &Ask) -> Result<PathBuf, Failure> {
    Ok(look_for(global, ask)?)
}

/// The same, telling one that is not there from one that cannot be reached.
pub(super) fn look_for(global: &Global, ask: &Ask) -> Result<PathBuf, Lost> {
    let files = global.files()?;
    if let Some(named) = &ask.ledger {
        let pair = Pair::KEPT.iter().find(|pair| pair.name() == named);
        let path = pair.map_or_else(|| PathBuf::from(named), |pair| files.ledger(*pair));
        return if is_there(&path)? { Ok(path) } else { Err(missing(&path, "tickdeck")) };
    }
    if global.mode.is_some() {
        let path = files.ledger(Pair::bybit(global.account()));
        let command = format!("tickdeck --mode {}", global.account().word());
        return if is_there(&path)? { Ok(path) } else { Err(missing(&path, &command)) };
    }
    let mut there: Vec<&Pair> = Vec::new();
    for pair in &Pair::KEPT {
        if is_there(&files.ledger(*pair))? {
            there.push(pair);
        }
    }
    let running: Vec<&Pair> = there.iter().copied().filter(|pair| holder(&files.ledger(**pair)).is_some()).collect();
    // The one that an engine writes now is meant where there are others from before.
    match if running.len() == 1 { &running } else { &there }.as_slice() {
        [only] => Ok(files.ledger(**only)),
        [] => Err(missing(files.data_dir(), "tickdeck demo")),
        several => {
            let names = several.iter().map(|pair| pair.name()).collect::<Vec<_>>().join(", ");
            let text =
                format!("there are several ledgers; name one with --ledger, or its account with --mode: {names}");
            Err(Failure::new(Exit::Usage, text).into())
        }
    }
}

fn missing(place: &Path, command: &str) -> Lost {
    Lost::Missing(Failure::error(format!(
        "there is no ledger at {}: nothing has run there yet; `{command}` makes one",
        place.display()
    )))
}

/// A folder that this user may not look into says nothing of what is in it.
fn is_there(path: &Path) -> Result<bool, Failure> {
    path.try_exists().map_err(|error| {
        Failure::error(format!(
            "the ledger {} cannot be read: {error}. Nothing is known of what runs or is held there: ask as the user it belongs to",
            path.display()
        ))
    })
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::error(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_times_or_spans() {
        let day = Ts::from_ms(1_763_769_600_000);
        assert_eq!(moment("2025-11-22"), Ok(Moment::At(day)));
        assert_eq!(moment("2025-11-22T00:00:01Z"), Ok(Moment::At(day + Span::from_secs(1))));
        assert_eq!(moment("2025-11-22T03:00:00+03:00"), Ok(Moment::At(day)));
        assert_eq!(moment("15m"), Ok(Moment::Ago(Span::from_secs(900))));
        assert!(moment("yesterday").is_err() && moment("9999999-01-01").is_err());
    }
}
