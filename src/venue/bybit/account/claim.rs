//! May this process trade on the account? Asked once the venue has said whose account it is, and before anything in it is
//! changed: an opening cancels what it takes for the rest of an earlier run.

use std::fmt;
use std::sync::Arc;

/// Takes the account of a user for this process alone; an `Err` says who has it. Repeats freely.
#[derive(Clone)]
pub struct Claim(Arc<Takes>);

type Takes = dyn Fn(i64) -> Result<(), String> + Send + Sync;

impl Claim {
    /// By this rule.
    pub fn new(takes: impl Fn(i64) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(takes))
    }

    /// Everything may be taken: nobody else is there.
    pub fn free() -> Self {
        Self::new(|_| Ok(()))
    }

    /// Takes the account of this user (`userID` of the key, contract 8.11).
    pub fn take(&self, user: i64) -> Result<(), String> {
        self.0(user)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}
