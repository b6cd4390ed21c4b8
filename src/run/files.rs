//! Where things lie: configuration, data directory, ledgers, tapes, models. Creates folders for this user alone.

use std::path::{Path, PathBuf};

use crate::engine::ids::{Pair, RunId};
use crate::ledger::private_folder;

/// Environment variable that moves everything, like `--data-dir`.
pub const DATA_DIR_VARIABLE: &str = "TICKDECK_DATA_DIR";

/// Why the places cannot be found or made.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// No home directory.
    #[error("there is no home directory to keep data in; name a folder with --data-dir or {DATA_DIR_VARIABLE}")]
    NoHome,
    /// A folder cannot be made.
    #[error("cannot create the folder {path}: {why}", path = path.display())]
    Folder {
        /// Folder.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

/// The places of one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    config: PathBuf,
    config_required: bool,
    data: PathBuf,
    executable: Option<PathBuf>,
}

impl Files {
    /// Finds the places. `--data-dir`, else the environment's data directory, holds the configuration too; else the
    /// platform's own directories are used. A configuration named on the command line must exist.
    pub fn find(
        config: Option<&Path>,
        data_dir: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, FilesError> {
        let moved = data_dir.map(Path::to_owned);
        let moved = moved.or_else(|| env(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty()).map(PathBuf::from));
        let (config_dir, data) = if let Some(data) = moved {
            (data.clone(), data)
        } else {
            let dirs = directories::ProjectDirs::from("", "", "tickdeck").ok_or(FilesError::NoHome)?;
            (dirs.config_dir().to_owned(), dirs.data_dir().to_owned())
        };
        Ok(Self {
            config: config.map_or_else(|| config_dir.join("config.toml"), Path::to_owned),
            config_required: config.is_some(),
            data,
            executable: std::env::current_exe().ok(),
        })
    }

    /// The configuration file, and whether it must exist.
    pub fn config(&self) -> (PathBuf, bool) {
        (self.config.clone(), self.config_required)
    }
    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }
    /// The ledger of a market and account.
    pub fn ledger(&self, pair: Pair) -> PathBuf {
        ledger_path(&self.data, pair)
    }
    /// The folder of tapes.
    pub fn tapes(&self) -> PathBuf {
        self.data.join("tapes")
    }
    /// The tape of a run.
    pub fn tape(&self, run: &RunId) -> PathBuf {
        self.tapes().join(format!("{run}.tape"))
    }
    /// Makes the data directory, mode 0700.
    pub fn make_data_dir(&self) -> Result<(), FilesError> {
        make(&self.data)
    }

    /// Folders that may hold models, in the order they are looked through: the configured one alone, else beside the
    /// executable (and above it, where a build lies in the source tree), `./models`, the data directory.
    pub fn model_dirs(&self, configured: Option<&Path>) -> Vec<PathBuf> {
        if let Some(dir) = configured {
            return vec![dir.to_owned()];
        }
        let beside = self.executable.as_deref().and_then(Path::parent).map(|dir| dir.join("models"));
        beside.into_iter().chain([PathBuf::from("models"), self.data.join("models")]).collect()
    }
    /// The first of [`Self::model_dirs`] that holds a model card; else the configured or last one.
    pub fn models(&self, configured: Option<&Path>) -> PathBuf {
        let dirs = self.model_dirs(configured);
        let found = dirs.iter().find(|dir| holds_card(dir)).or(dirs.last());
        found.cloned().unwrap_or_else(|| self.data.join("models"))
    }
}

/// Where the ledger of a pair lies in a data directory.
pub fn ledger_path(data_dir: &Path, pair: Pair) -> PathBuf {
    data_dir.join(pair.ledger_name())
}

/// Makes a folder with mode 0700; one that exists is left as it is.
pub fn make(path: &Path) -> Result<(), FilesError> {
    private_folder(path).map_err(|error| FilesError::Folder { path: path.to_owned(), why: error.to_string() })
}

fn holds_card(dir: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|e| e == "toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_beats_the_environment_beats_the_platform() {
        let env = |name: &str| (name == DATA_DIR_VARIABLE).then(|| "/from/env".to_owned());
        let files = Files::find(None, None, env).unwrap();
        assert_eq!(files.config(), (PathBuf::from("/from/env/config.toml"), false));
        assert_eq!(files.ledger(Pair::SIMULATED), Path::new("/from/env/simulated.sqlite"));
        let files = Files::find(Some(Path::new("mine.toml")), Some(Path::new("/data")), env).unwrap();
        assert_eq!(files.config(), (PathBuf::from("mine.toml"), true));
        assert_eq!(files.tape(&RunId("r1".into())), Path::new("/data/tapes/r1.tape"));
    }

    #[test]
    fn models_are_looked_for_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::find(None, Some(folder.path()), |_| None).unwrap();
        let files = Files { executable: Some(folder.path().join("bin").join("tickdeck")), ..files };
        let beside = folder.path().join("bin").join("models");
        let data = folder.path().join("models");
        make(&data).unwrap();
        make(&beside).unwrap();
        std::fs::write(data.join("a.toml"), "").unwrap();
        assert_eq!(files.model_dirs(None), [beside.clone(), PathBuf::from("models"), data.clone()]);
        std::fs::write(beside.join("b.toml"), "").unwrap();
        assert_eq!(files.models(None), beside);
        assert_eq!(files.models(Some(Path::new("/only/here"))), Path::new("/only/here"));
    }
}
