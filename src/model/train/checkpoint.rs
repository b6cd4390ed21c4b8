//! What an interrupted training needs to go on where it was: one file per fit, written after every epoch.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, safetensors};
use sha2::{Digest, Sha256};

use super::dataset::Dataset;
use super::fit::Saved;
use super::{TrainError, TrainOptions};
use crate::model::sha256;

/// File that says which training the others belong to.
const RUN: &str = "run";

/// The folder `NAME.checkpoints` beside the model.
pub(super) struct Checkpoints {
    dir: Option<PathBuf>,
}

impl Checkpoints {
    /// Opens what an interrupted training left if `resume` is asked for, else begins anew.
    pub(super) fn open(data: &Dataset, options: &TrainOptions) -> Result<Self, TrainError> {
        let dir = options.out.join(format!("{}.checkpoints", options.name));
        let run = fingerprint(data, options);
        let left = fs::read_to_string(dir.join(RUN)).ok();
        match left {
            Some(left) if options.resume && left == run => return Ok(Self { dir: Some(dir) }),
            Some(_) if options.resume => {
                return Err(TrainError::Checkpoint("it is of other data or other options".to_owned()));
            }
            Some(_) => fs::remove_dir_all(&dir).map_err(|error| failed(&dir, &error))?,
            None => {}
        }
        fs::create_dir_all(&dir).map_err(|error| failed(&dir, &error))?;
        fs::write(dir.join(RUN), run).map_err(|error| failed(&dir, &error))?;
        Ok(Self { dir: Some(dir) })
    }

    /// Nothing is kept: what is fitted to be judged alone.
    pub(super) const fn none() -> Self {
        Self { dir: None }
    }

    /// What was saved last under this name.
    pub(super) fn load(&self, name: &str) -> Result<Option<Saved>, TrainError> {
        let Some(path) = self.path(name).filter(|path| path.exists()) else { return Ok(None) };
        let saved = safetensors::load(&path, &Device::Cpu);
        saved.map(Some).map_err(|error| TrainError::Checkpoint(error.to_string()))
    }

    /// Replaces what was saved under this name; a crash leaves the old or the new, never half.
    pub(super) fn save(&self, name: &str, saved: &Saved) -> Result<(), TrainError> {
        let Some(path) = self.path(name) else { return Ok(()) };
        let fresh = path.with_file_name("fresh");
        safetensors::save(saved, &fresh)?;
        fs::rename(&fresh, &path).map_err(|error| failed(&path, &error))
    }

    /// The training is finished: nothing to resume.
    pub(super) fn close(self) -> Result<(), TrainError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        fs::remove_dir_all(dir).map_err(|error| failed(dir, &error))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        Some(self.dir.as_ref()?.join(format!("{}.safetensors", name.chars().map(plain).collect::<String>())))
    }
}

/// Sha256 over everything that a fit depends on.
fn fingerprint(data: &Dataset, options: &TrainOptions) -> String {
    // Which architectures are tried is no part of it: each has fits of its own.
    let TrainOptions {
        seed, seeds, sample, step, l2, balanced, epochs_max, on, units, window, longest_s, reads, ..
    } = options;
    let mut hash = Sha256::new();
    hash.update(format!(
        "{seed} {seeds} {sample:?} {step:?} {l2:?} {balanced} {epochs_max} {on:?} {units:?} {window:?} {longest_s} {reads:?}"
    ));
    for row in &data.rows {
        hash.update(row.at.0.to_le_bytes());
        for value in row.values.iter().chain(&row.moves).chain(&row.late) {
            hash.update(value.to_le_bytes());
        }
    }
    sha256(&hash.finalize())
}

fn failed(path: &Path, error: &std::io::Error) -> TrainError {
    TrainError::Write { file: path.display().to_string(), why: error.to_string() }
}
