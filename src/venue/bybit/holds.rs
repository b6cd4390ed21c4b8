//! Holds that are in force, so that each is told when it changes and not again.

use std::collections::BTreeMap;

use crate::engine::event::{Event, Hold};
use crate::engine::ids::Symbol;
use crate::engine::risk::verdict::DenialCode;

/// What has been told.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<(DenialCode, Option<Symbol>), String>);

impl Holds {
    /// Sets (`Some`) or lifts a hold; the event where that changes anything.
    pub(super) fn set(&mut self, code: DenialCode, symbol: Option<Symbol>, detail: Option<String>) -> Option<Event> {
        let changed = match &detail {
            Some(detail) => self.0.insert((code, symbol), detail.clone()).as_ref() != Some(detail),
            None => self.0.remove(&(code, symbol)).is_some(),
        };
        changed.then_some(Event::Hold(Hold { code, symbol, detail }))
    }
}
