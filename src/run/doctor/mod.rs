//! `tickdeck doctor`: what must be right before money is at stake, checked one by one. Nothing is changed here except by
//! [`Account::fix`], which the person is asked about first.

mod account;
mod machine;
mod network;
mod telegram;

pub use account::{Account, Fix, Found, keys, real_money};
pub use machine::{Terminal, config, data_dir, ledgers, models, terminal};
pub use network::public;
pub use telegram::telegram;

use crate::engine::snapshot::Health;
use crate::venue::bybit::rest::{RestError, Stage};

/// What one check found.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// What was checked.
    pub check: String,
    /// ok / warn / fail / skip.
    pub health: Health,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty where there is nothing to do.
    pub todo: String,
    /// What `--fix` would do about it.
    pub fix: Option<Fix>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check: check.into(), health: Health::Ok, detail: detail.into(), todo: String::new(), fix: None }
    }
    /// Not checked, and why.
    pub fn skip(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { health: Health::Skip, ..Self::ok(check, detail) }
    }
    /// Worth a look.
    pub fn warn(check: impl Into<String>, detail: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { health: Health::Warn, todo: todo.into(), ..Self::ok(check, detail) }
    }
    /// Must be put right.
    pub fn fail(check: impl Into<String>, detail: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { health: Health::Fail, todo: todo.into(), ..Self::ok(check, detail) }
    }
    /// With what `--fix` would do.
    fn fixed_by(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }
}

/// A request that got no useful answer.
fn unanswered(check: &str, error: &RestError) -> Finding {
    let todo = match error {
        RestError::Unreachable { stage, .. } => stage_todo(*stage),
        RestError::Refused { .. } => "the words in brackets are Bybit's own; its help explains the code",
        RestError::Banned { .. } => "send nothing until then: every request makes it longer",
        RestError::Ambiguous(_) | RestError::Duplicate(_) => {
            "look at the account on Bybit's own pages before anything else"
        }
        RestError::Unsent(_) => "check the network and run this again",
        RestError::Taken(_) => "stop the other engine first",
        RestError::Odd(_) => "run this again; if it stays, this version does not understand Bybit's answer",
    };
    Finding::fail(check, error.to_string(), todo)
}

/// What helps where a connection ends at this stage.
const fn stage_todo(stage: Stage) -> &'static str {
    match stage {
        Stage::Dns => "check the network and its name server; behind a proxy set bybit.proxy",
        Stage::Connect => "check network and firewall; behind a proxy set bybit.proxy",
        Stage::Tls => "check this machine's clock and root certificates; something may be reading the line",
        Stage::Timeout | Stage::Broken => "check the network and run this again",
        Stage::Http => "a proxy or Bybit itself refuses this address; regional accounts need bybit.region",
    }
}
