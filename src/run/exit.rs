//! How a command ends: the exit codes that scripts rely on, and a failure with its message.

/// Exit codes. The numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It failed.
    Error = 1,
    /// It was asked in a way it does not understand.
    Usage = 2,
    /// There is no running engine to talk to.
    NotRunning = 3,
    /// The configuration is refused.
    Configuration = 4,
    /// It took too long.
    Timeout = 5,
    /// Refused by risk or by the arming gate.
    Refused = 6,
    /// It stopped while killed or tripped.
    Latched = 7,
    /// It could not be proven that no position is open: somebody must look.
    NotFlat = 8,
}

/// A command that did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What happened, what it means, what to do.
    pub message: String,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
    /// A plain error.
    pub fn error(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Error, message.to_string())
    }
    /// A refused configuration.
    pub fn configuration(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Configuration, message.to_string())
    }
}
