//! `m`: from one account to another while the screen stays up. What can be refused - keys, addresses, a ledger that is
//! in use - is settled beside the old run, which goes on until the new one can begin.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use super::live::Prepared;
use crate::engine::ids::Account;
use crate::engine::time::Ts;
use crate::tui::link::CockpitEnd;
use crate::venue::bybit::public::PublicOptions;

/// What a new run is prepared from.
pub struct Wanted {
    /// The account to go to.
    pub account: Account,
    /// What was typed, where the account asks for it.
    pub typed: Option<String>,
    /// The stream that runs now.
    pub running: Option<PublicOptions>,
    /// Local time.
    pub at: Ts,
}

/// Prepares a run, or says why there is none.
pub type Prepare = Arc<dyn Fn(Wanted) -> Result<Prepared, String> + Send + Sync>;

/// The way to another account.
pub struct Switch {
    prepare: Prepare,
    under_way: Option<Receiver<Result<Prepared, String>>>,
}

/// Why a run has no way to another account.
pub fn none(at_the_exchange: bool, wanted: Account) -> String {
    if !at_the_exchange {
        return "this market has the paper account and no other".to_owned();
    }
    let word = wanted.word();
    format!(
        "an engine without a screen of its own keeps its account: `tickdeck --mode {word} run` is one on the {word} account"
    )
}

impl Switch {
    /// Nothing asked for yet.
    pub const fn new(prepare: Prepare) -> Self {
        Self { prepare, under_way: None }
    }

    /// Begins to prepare on a thread of its own: a keyring may ask a person, an exchange may be slow.
    pub fn ask(&mut self, wanted: Wanted, wake: CockpitEnd) -> Result<(), String> {
        if self.under_way.is_some() {
            return Err("another change is being prepared".to_owned());
        }
        let prepare = self.prepare.clone();
        let (done, prepared) = sync_channel(1);
        let work = move || {
            let result = prepare(wanted);
            if let Err(unwanted) = done.send(result)
                && let Ok(prepared) = unwanted.0
            {
                prepared.abandon();
            }
            wake.wake();
        };
        std::thread::Builder::new().name("switch".into()).spawn(work).map_err(|error| error.to_string())?;
        self.under_way = Some(prepared);
        Ok(())
    }

    /// What came of it, once.
    pub fn take(&mut self) -> Option<Result<Prepared, String>> {
        let answer = match self.under_way.as_ref()?.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err("what prepared it fell over".to_owned()),
        };
        self.under_way = None;
        Some(answer)
    }

    /// The same way, for the next run.
    pub fn again(&self) -> Self {
        Self::new(self.prepare.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_keeps_its_account_says_the_true_reason() {
        assert!(none(false, Account::Testnet).contains("no other"));
        assert!(none(true, Account::Testnet).contains("`tickdeck --mode testnet run`"));
    }
}
