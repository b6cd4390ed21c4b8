//! `tickdeck model`: what is installed, and is it sound?

use super::global::Global;
use super::output::{note, print};
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
