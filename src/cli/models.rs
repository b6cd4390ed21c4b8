//! `tickdeck model`: what is installed, and is it sound?

use super::connect;
use super::control;
use super::global::Global;
use super::output::{note, print};
use crate::ledger::{Cell, Format, Sheet};
use crate::model::{Model, ModelError, scan_with};
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
    /// Make the card of a model that a server answers for, by the Open Inference Protocol: the server is asked what it has and
    /// how it answers the built-in probes
    Connect(Box<connect::Connect>),
    /// A running engine reads the folder again: what is sound takes over between two decisions, a bad file is refused
    Reload(control::Answered),
    /// In a running engine a shadow model decides from now on, and those that did become shadows. Only while disarmed
    Promote(control::Promote),
}

pub(super) fn run(global: &Global, command: &ModelCommand) -> Result<(), Failure> {
    match command {
        ModelCommand::List { format } => print(&list(&found(global)?).render(*format)),
        ModelCommand::Check => check(&found(global)?),
        ModelCommand::Connect(asked) => connect::run(global, asked),
        ModelCommand::Reload(answered) => control::reload_models(global, answered),
        ModelCommand::Promote(asked) => control::promote(global, asked),
    }
}

/// A model, or why it is none.
type Loaded = Result<Box<dyn Model>, ModelError>;

fn found(global: &Global) -> Result<Vec<Loaded>, Failure> {
    let files = global.files()?;
    let loaded = global.load(&files)?;
    let dir = files.models(loaded.config.model.dir.as_deref());
    let found = scan_with(&dir, &loaded.config.model.token);
    note(&format!("models in {}: {}", dir.display(), found.len()));
    Ok(found)
}

fn list(found: &[Loaded]) -> Sheet {
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

fn check(found: &[Loaded]) -> Result<(), Failure> {
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
