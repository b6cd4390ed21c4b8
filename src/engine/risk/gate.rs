//! The gate: the only place that can make an [`Approved`].

use serde::Serialize;

/// Proof that the gate let this through. Cannot be made outside this module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    /// The approved thing.
    pub const fn get(&self) -> &T {
        &self.0
    }
    /// The approved thing, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
    /// For unit tests of edges that take approved orders.
    #[cfg(test)]
    pub const fn for_test(thing: T) -> Self {
        Self(thing)
    }
}
