//! `tickdeck train`: fits models on tapes and recordings, judges them out of sample, writes the one worth shipping.

use std::path::PathBuf;

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

#[cfg(feature = "models")]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    use super::output::{note, print};
    use crate::model::train::{TrainOptions, TrainProgress, train};

    let options = TrainOptions {
        data: asked.data.clone(),
        out: asked.out.clone(),
        name: asked.name.clone(),
        arch: asked.arch.clone(),
        seed: asked.seed,
        ..TrainOptions::default()
    };
    let report = train(&options, &mut |progress| {
        note(&match progress {
            TrainProgress::Reading(file) => format!("reading {file}"),
            TrainProgress::Rows { rows, streams } => format!("{rows} rows of {streams} streams"),
            TrainProgress::HoldingOut { arch, part } => format!("{arch}: judged on {part}"),
            TrainProgress::Final { arch } => format!("{arch}: fitted on everything"),
        });
    })
    .map_err(Failure::error)?;
    print(&format!("{report}\n"))?;
    note(&format!("wrote {}", options.out.join(&options.name).with_extension("safetensors").display()));
    Ok(())
}

#[cfg(not(feature = "models"))]
pub(super) fn run(asked: &Train) -> Result<(), Failure> {
    let Train { data, out, name, arch, seed } = asked;
    let asked = format!("{} file(s), {}, {name}, {arch:?}, seed {seed}", data.len(), out.display());
    Err(Failure::error(format!(
        "this build has no models, so nothing is trained ({asked}); build it with the feature `models`"
    )))
}
