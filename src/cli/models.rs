//! `tickdeck train` fits a model; `tickdeck model` says what is installed, and whether it is sound.

use std::path::PathBuf;

use super::global::Global;
use super::output::{note, print};
use super::span;
use crate::engine::time::Span;
use crate::ledger::{Cell, Format, Sheet};
use crate::model::{Model, ModelError, scan};
use crate::run::exit::Failure;

/// What to do with models.
#[derive(clap::Subcommand, Debug)]
pub(super) enum ModelCommand {
    /// What is installed
    List {
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Are all installed models sound? Exit code 1 when one is not
    Check,
}

/// What to train, and on what. What is not said is as the trainer's own defaults are.
#[derive(clap::Args, Debug)]
#[cfg_attr(not(feature = "models"), allow(dead_code))]
pub(super) struct Train {
    /// Tapes and recordings, or folders of them
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder for the model; the default is `models` in the data directory
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Name of the model; files of this name are replaced
    #[arg(long)]
    name: Option<String>,
    /// Architecture; all are tried and the simplest that none beats is kept
    #[arg(long)]
    arch: Option<String>,
    /// Seed of initial weights and of the order of rows
    #[arg(long)]
    seed: Option<u64>,
    /// Event time between two rows of an instrument: 250ms, 1s
    #[arg(long, value_name = "TIME", value_parser = span)]
    sample: Option<Span>,
    /// Passes over the rows at most
    #[arg(long)]
    epochs: Option<usize>,
}

#[cfg(not(feature = "models"))]
pub(super) fn train(_global: &Global, _train: &Train) -> Result<(), Failure> {
    Err(Failure::error("this build has no models: build it with the cargo feature `models`"))
}

/// Fits, and prints the figures of what was held out.
#[cfg(feature = "models")]
pub(super) fn train(global: &Global, train: &Train) -> Result<(), Failure> {
    use crate::model::train::{TrainOptions, TrainProgress};
    let defaults = TrainOptions::default();
    let options = TrainOptions {
        data: train.data.clone(),
        out: train.out.clone().map_or_else(|| Ok(global.files()?.data_dir().join("models")), Ok)?,
        name: train.name.clone().unwrap_or(defaults.name),
        arch: train.arch.clone(),
        seed: train.seed.unwrap_or(defaults.seed),
        sample: train.sample.unwrap_or(defaults.sample),
        epochs_max: train.epochs.unwrap_or(defaults.epochs_max),
        ..defaults
    };
    let report = crate::model::train::train(&options, &mut |progress| {
        note(&match progress {
            TrainProgress::Reading(file) => format!("reading {file}"),
            TrainProgress::Rows { rows, streams } => format!("{rows} rows from {streams} streams"),
            TrainProgress::HoldingOut { arch, part } => format!("{arch}: judged on {part}"),
            TrainProgress::Final { arch } => format!("{arch}: fitted on everything"),
        });
    });
    let report = report.map_err(Failure::error)?;
    note(&format!("written to {}", options.out.display()));
    print(&report.to_string())
}

pub(super) fn run(global: &Global, command: &ModelCommand) -> Result<(), Failure> {
    let files = global.files()?;
    let loaded = global.load(&files)?;
    let dir = files.models(loaded.config.model.dir.as_deref());
    let found = scan(&dir);
    note(&format!("models in {}: {}", dir.display(), found.len()));
    match command {
        ModelCommand::List { format } => print(&list(&found).render(*format)),
        ModelCommand::Check => check(&found),
    }
}

fn list(found: &[Result<Box<dyn Model>, ModelError>]) -> Sheet {
    let mut sheet = Sheet::new(["name", "health", "hash", "horizons_s", "trained", "about"]);
    for model in found {
        match model {
            Ok(model) => {
                let info = model.info();
                let horizons: Vec<String> = info.horizons_s.iter().map(u32::to_string).collect();
                sheet.push(vec![
                    Cell::text(&info.name),
                    Cell::text("ok"),
                    Cell::text(&info.hash),
                    Cell::text(horizons.join(" ")),
                    Cell::text(&info.trained),
                    Cell::text(&model.card().about),
                ]);
            }
            Err(error) => sheet.push(vec![
                Cell::Nothing,
                Cell::text("fail"),
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
                Cell::text(error.to_string()),
            ]),
        }
    }
    sheet
}

fn check(found: &[Result<Box<dyn Model>, ModelError>]) -> Result<(), Failure> {
    let mut bad = 0;
    for model in found {
        match model {
            Ok(model) => print(&format!("ok    {}  {}\n", model.info().name, model.info().hash))?,
            Err(error) => {
                bad += 1;
                print(&format!("fail  {error}\n"))?;
            }
        }
    }
    match (bad, found.len()) {
        (0, 0) => Err(Failure::error("no model is installed: `tickdeck train` makes one")),
        (0, _) => Ok(()),
        (bad, all) => Err(Failure::error(format!("{bad} of {all} models are not sound and would not run"))),
    }
}
