//! `tickdeck config`: make, show, check, describe.

use std::io::Write as _;

use super::global::Global;
use super::output::{note, print};
use crate::config::{KEYS, example, schema};
use crate::ledger::{Cell, Format, Sheet};
use crate::run::clock::wall;
use crate::run::exit::Failure;
use crate::run::files::make;

/// What to do with the configuration.
#[derive(clap::Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Write a file with every key and its default, all switched off
    Init {
        /// Print it instead of writing it
        #[arg(long)]
        print: bool,
    },
    /// Every key, its value and where it comes from
    Show {
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Is the configuration sound?
    Check,
    /// A JSON schema of the file, for editors
    Schema,
}

pub(super) fn run(global: &Global, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Init { print: true } => print(&example()),
        ConfigCommand::Init { print: false } => init(global),
        ConfigCommand::Show { format } => show(global, *format),
        ConfigCommand::Check => check(global),
        ConfigCommand::Schema => print(&format!("{:#}\n", schema())),
    }
}

fn init(global: &Global) -> Result<(), Failure> {
    let (path, _) = global.files()?.config();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make(folder).map_err(Failure::error)?;
    }
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    written.and_then(|mut file| file.write_all(example().as_bytes())).map_err(|error| {
        Failure::error(format!("cannot write {}: {error}; nothing was overwritten", path.display()))
    })?;
    print(&format!("{}\n", path.display()))
}

fn show(global: &Global, format: Format) -> Result<(), Failure> {
    let loaded = global.load(&global.files()?)?;
    let mut sheet = Sheet::new(["key", "value", "from"]);
    for key in KEYS {
        let value = key.get(&loaded.config).to_string();
        sheet.push(vec![Cell::text(key.path), Cell::text(value), Cell::text(loaded.origin(key).to_string())]);
    }
    print(&sheet.render(format))
}

fn check(global: &Global) -> Result<(), Failure> {
    let files = global.files()?;
    let loaded = global.load(&files)?;
    for text in loaded.config.notes(wall()) {
        note(&text);
    }
    let (path, _) = files.config();
    let file = if path.exists() { path.display().to_string() } else { format!("{} (absent)", path.display()) };
    print(&format!("ok: {} of {} keys are set; file {file}\n", loaded.origins.len(), KEYS.len()))
}
