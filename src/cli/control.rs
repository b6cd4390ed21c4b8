//! Verbs for a running engine that its control socket does not know yet: the answer says what to do instead, and never
//! looks like success.

use super::global::Global;
use crate::engine::ids::{Account, Market, Pair};
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
    let engines = Pair::KEPT.into_iter().filter_map(|pair| Some((pair, holder(&files.ledger(pair))?)));
    let running: Vec<String> = engines.map(|(pair, pid)| way(pair, &pid, verb, key)).collect();
    if running.is_empty() {
        return Err(Failure::new(
            Exit::NotRunning,
            format!(
                "{verb}: nothing was done, no engine is running in {}. Start `tickdeck demo` and use the key {key} there; \
                 `tickdeck status` shows what the ledger says",
                files.data_dir().display()
            ),
        ));
    }
    Err(Failure::error(format!(
        "{verb}: nothing was done. The control socket of an engine does not know this verb. {}",
        running.join("; ")
    )))
}

/// The running engine, and what can be done there instead.
fn way(pair: Pair, pid: &str, verb: &str, key: &str) -> String {
    let account = pair.account().word();
    let kill = match (pair.market(), pair.account()) {
        (Market::Bybit, Account::DemoAccount | Account::Testnet | Account::Live) => {
            format!("`tickdeck --mode {account} kill`")
        }
        _ => "`tickdeck kill`".to_owned(),
    };
    let instead = match verb {
        "stop" => format!(", or `kill -TERM {pid}`, which is the stop policy"),
        "disarm" => format!(", or {kill}"),
        _ => String::new(),
    };
    let on = pair.stamp();
    format!("An engine is running on {on} (process {pid}): use the key {key} in its cockpit{instead}")
}
