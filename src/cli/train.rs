//! `tickdeck train` fits models on tapes and recordings, judges them out of sample and writes the one worth shipping;
//! `tickdeck eval` judges an installed model on other files.

use std::path::PathBuf;

use super::global::Global;
use crate::run::exit::Failure;

/// What to train on, and as what.
#[derive(clap::Args, Debug)]
pub(super) struct Train {
    /// Tapes and recordings, or folders of them
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Folder the model's two files go to
    #[arg(long, value_name = "DIR", default_value = "models")]
    out: PathBuf,
    /// Name of the model; files of this name are replaced
    #[arg(long, default_value = "own-v1")]
    name: String,
    /// Architecture: logistic or mlp; without it all are tried and the simplest that none beats is written
    #[arg(long)]
    arch: Option<String>,
    /// Seed: the same data and seed give the same model
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Which model, on which files.
#[derive(clap::Args, Debug)]
pub(super) struct Eval {
    /// Tapes and recordings, or folders of them, that the model was not trained on
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Name of an installed model
    #[arg(long)]
    model: String,
}

#[cfg(feature = "models")]
fn tell(progress: crate::model::train::TrainProgress) {
    use crate::model::train::TrainProgress;
    super::output::note(&match progress {
        TrainProgress::Reading(file) => format!("reading {file}"),
        TrainProgress::Rows { rows, streams } => format!("{rows} rows of {streams} streams"),
        TrainProgress::HoldingOut { arch, part } => format!("{arch}: judged on {part}"),
        TrainProgress::Final { arch } => format!("{arch}: fitted on everything"),
    });
}

#[cfg(feature = "models")]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    use super::output::{note, print};
    use crate::model::train::{TrainOptions, train};

    let options = TrainOptions {
        data: asked.data.clone(),
        out: asked.out.clone(),
        name: asked.name.clone(),
        arch: asked.arch.clone(),
        seed: asked.seed,
        ..TrainOptions::default()
    };
    let report = train(&options, &mut tell).map_err(Failure::error)?;
    print(&format!("{report}\n"))?;
    note(&format!("wrote {}", options.out.join(&options.name).with_extension("safetensors").display()));
    Ok(())
}

#[cfg(feature = "models")]
pub(super) fn eval(global: &Global, asked: &Eval) -> Result<(), Failure> {
    let files = global.files()?;
    let loaded = global.load(&files)?;
    let dir = files.models(loaded.config.model.dir.as_deref());
    let mut model = crate::model::load(&dir, &asked.model).map_err(Failure::error)?;
    let report = crate::model::train::evaluate(model.as_mut(), &asked.data, &mut tell).map_err(Failure::error)?;
    super::output::print(&format!("{report}\n"))
}

#[cfg(not(feature = "models"))]
const NO_MODELS: &str = "this build has no models; build it with the feature `models`";

#[cfg(not(feature = "models"))]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    let Train { data, out, name, arch, seed } = asked;
    let asked = format!("{} file(s), {}, {name}, {arch:?}, seed {seed}", data.len(), out.display());
    Err(Failure::error(format!("{NO_MODELS}. Nothing was trained ({asked})")))
}

#[cfg(not(feature = "models"))]
pub(super) fn eval(_: &Global, asked: &Eval) -> Result<(), Failure> {
    Err(Failure::error(format!("{NO_MODELS}. {} was not judged on {} file(s)", asked.model, asked.data.len())))
}
