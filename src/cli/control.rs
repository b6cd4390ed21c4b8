//! Verbs for a running engine that its control socket does not know yet: the answer says what to do instead, and never
//! looks like success.

use super::global::Global;
use crate::engine::ids::Pair;
use crate::ledger::holder;
use crate::run::exit::{Exit, Failure};

/// Arguments of a verb, taken so that a script's line is understood before it is refused.
#[derive(clap::Args, Debug)]
pub(super) struct Asked {
    /// Arguments of the verb
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _words: Vec<String>,
}

/// Says that nothing was done, and how to do it.
pub(super) fn answer(global: &Global, _asked: &Asked, verb: &str, key: &str) -> Result<(), Failure> {
    let files = global.files()?;
    Err(match holder(&files.ledger(Pair::SIMULATED)) {
        Some(pid) => {
            let signal = match verb {
                "stop" => format!(", or `kill -TERM {pid}`, which is the stop policy"),
                _ => String::new(),
            };
            Failure::error(format!(
                "{verb}: nothing was done. An engine is running (process {pid}), but its control socket does not know this verb: \
                 use the key {key} in its cockpit{signal}"
            ))
        }
        None => Failure::new(
            Exit::NotRunning,
            format!(
                "{verb}: nothing was done, no engine is running in {}. Start `tickdeck demo` and use the key {key} there; \
                 `tickdeck status` shows what the ledger says",
                files.data_dir().display()
            ),
        ),
    })
}
