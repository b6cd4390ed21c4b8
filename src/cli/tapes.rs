//! `tickdeck import` makes tapes; `tickdeck tape` says what is on one, and whether it is whole.

use std::path::PathBuf;

use super::output::{Progress, note, print};
use crate::ledger::{Cell, Format, Sheet};
use crate::run::exit::Failure;
use crate::tape::{Ending, TapeReport, import as importing, verify};

/// What to do with tapes.
#[derive(clap::Subcommand, Debug)]
pub(super) enum TapeCommand {
    /// What is on a tape
    Info {
        /// Tape
        file: PathBuf,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Read whole tapes and check every checksum
    Verify {
        /// Tapes
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// What to make a tape of.
#[derive(clap::Args, Debug)]
pub(super) struct Import {
    /// Recordings, merged by time; packed ones too
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The tape; never overwritten
    #[arg(long, short, value_name = "TAPE")]
    out: PathBuf,
}

/// Makes a tape, and says what was and was not put on it.
pub(super) fn import(import: &Import) -> Result<(), Failure> {
    let mut progress = Progress::new("import");
    let report = importing::import(&import.files, &import.out, &mut |part| progress.part(part));
    progress.end();
    let report = report.map_err(Failure::error)?;
    print(&format!("{}\n{report}", import.out.display()))
}

pub(super) fn run(command: &TapeCommand) -> Result<(), Failure> {
    match command {
        TapeCommand::Info { file, format } => {
            let report = verify(file).map_err(Failure::error)?;
            print(&facts(&report).render(*format))
        }
        TapeCommand::Verify { files } => {
            let mut bad = 0;
            for file in files {
                match verify(file) {
                    Ok(report) => {
                        print(&format!("ok    {}  {}  {}\n", report.sha256, file.display(), ending(&report)))?;
                    }
                    Err(error) => {
                        bad += 1;
                        note(&error.to_string());
                        print(&format!("fail  {}\n", file.display()))?;
                    }
                }
            }
            if bad == 0 { Ok(()) } else { Err(Failure::error(format!("{bad} of {} tapes are damaged", files.len()))) }
        }
    }
}

fn ending(report: &TapeReport) -> String {
    match report.ending {
        Ending::Orderly => "complete".to_owned(),
        Ending::Crashed { lost } => {
            format!("no orderly end: the run crashed or still writes; {lost} bytes cannot be read")
        }
    }
}

fn facts(report: &TapeReport) -> Sheet {
    let mut sheet = Sheet::new(["fact", "value"]);
    let mut fact = |name: &str, value: String| sheet.push(vec![Cell::text(name), Cell::text(value)]);
    fact("kind", format!("{:?}", report.header.kind).to_lowercase());
    fact("market and account", report.header.pair.stamp());
    fact("run", report.header.run.to_string());
    fact("source", report.header.source.clone());
    let names: Vec<&str> = report.header.instruments.iter().map(|i| i.name.as_str()).collect();
    fact("instruments", names.join(" "));
    if let (Some(first), Some(last)) = report.first_last.unzip() {
        fact("first event", first.to_string());
        fact("last event", last.to_string());
        fact("length", last.since(first).to_string());
    }
    fact("events", report.events.to_string());
    for (kind, count) in &report.kinds {
        fact(&format!("events: {kind}"), count.to_string());
    }
    fact("out of order", report.out_of_order.to_string());
    fact("blocks", report.blocks.to_string());
    fact("bytes", report.bytes.to_string());
    fact("sha256", report.sha256.clone());
    fact("ending", ending(report));
    sheet
}
