//! Holds that are in force, so that each is told when it changes and not again.

use std::collections::BTreeMap;

use crate::engine::event::{Event, Hold};
use crate::engine::ids::Symbol;
use crate::engine::risk::verdict::DenialCode;

/// Who says that something holds. What one sets, only the same one lifts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// A stream: its state, or what it was told.
    Stream,
    /// A reading of the account.
    Reading,
    /// The answer to a request.
    Request,
    /// What the key may do.
    Key,
    /// The kind of account.
    Kind,
    /// The state of a position.
    Position,
    /// Rows that cannot be read.
    Unread,
    /// A position whose cost is not known.
    Cost,
}

/// What has been told, by name and instrument.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<(DenialCode, Option<Symbol>), Reasons>);

/// Whoever says that it holds, and why, the newest last.
type Reasons = Vec<(Source, String)>;

impl Holds {
    /// Sets (`Some`) or lifts what `source` says of a hold. The event where that changes what is told: the newest reason
    /// of any source, and the lift when there is none left.
    pub(super) fn set(
        &mut self,
        code: DenialCode,
        symbol: Option<Symbol>,
        source: Source,
        detail: Option<String>,
    ) -> Option<Event> {
        let said = self.0.entry((code, symbol)).or_default();
        let before = said.last().map(|(_, why)| why.clone());
        let same = |held: &(Source, String)| held.0 == source && Some(&held.1) == detail.as_ref();
        if !said.iter().any(same) {
            said.retain(|(by, _)| *by != source);
            said.extend(detail.map(|why| (source, why)));
        }
        let detail = said.last().map(|(_, why)| why.clone());
        if said.is_empty() {
            self.0.remove(&(code, symbol));
        }
        (detail != before).then_some(Event::Hold(Hold { code, symbol, detail }))
    }

    /// Instruments of which `source` says something.
    pub(super) fn symbols(&self, source: Source) -> impl Iterator<Item = Symbol> {
        let held = self.0.iter().filter(move |(_, said)| said.iter().any(|(by, _)| *by == source));
        held.filter_map(|((_, symbol), _)| *symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_lifts_when_its_last_source_lifts() {
        let mut holds = Holds::default();
        let mut set = |source, why: Option<&str>| {
            let event = holds.set(DenialCode::VenueRefused, Some(Symbol(0)), source, why.map(str::to_owned))?;
            let Event::Hold(hold) = event else { panic!("{event:?}") };
            Some(hold.detail)
        };
        assert_eq!(set(Source::Position, Some("liquidating")), Some(Some("liquidating".into())));
        assert_eq!(set(Source::Request, Some("refused")), Some(Some("refused".into())));
        assert_eq!(set(Source::Position, Some("liquidating")), None);
        assert_eq!(set(Source::Request, None), Some(Some("liquidating".into())));
        assert_eq!(set(Source::Request, None), None);
        assert_eq!(set(Source::Position, None), Some(None));
    }
}
