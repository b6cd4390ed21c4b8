//! Where a person keeps the two texts that open an account.

use std::path::PathBuf;

use super::Part;

/// Where one text may lie, besides the environment and the system's keyring.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// A file that holds it and nothing else, readable by its owner alone.
    pub file: Option<PathBuf>,
    /// A program and its arguments that prints it; empty means none.
    pub command: Vec<String>,
}

/// Where the API key and the secret of one account may lie.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Places {
    /// The API key.
    pub api_key: Place,
    /// Its secret.
    pub secret: Place,
}

impl Places {
    /// Of one text.
    pub fn of(&self, part: Part) -> &Place {
        match part {
            Part::ApiKey => &self.api_key,
            Part::Secret => &self.secret,
        }
    }
}
