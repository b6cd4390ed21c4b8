//! The bytes of a tape.
//!
//! ```text
//! magic 8 · version u16 · header length u32 · header (postcard) · crc32 of all before it
//! then records, each with a head of 37 bytes:
//!   kind u8 (block or end) · stored length u32 · plain length u32 · events u32 · time i64 · seq u64
//!   · crc32 of the stored bytes · crc32 of this head
//! a block is followed by its stored bytes: events compressed with LZ4
//! ```
//! All numbers are little-endian. Every head's checksum starts from the one before it, the first from the header's: a
//! block that was cut out, doubled or moved is found like a flipped bit. In a block, an event is the time since the one
//! before (zigzag), the distance of its sequence number, and the event, all in postcard; head time and sequence are
//! where the first one counts from. In the end record, `events` counts blocks, `seq` counts events and `time` is the
//! last event's.
//!
//! Any change of [`Event`]'s encoding needs a new [`VERSION`]; a test pins it.

use serde::{Deserialize, Serialize};

use crate::engine::event::{AccountUpdate, Event, MarketData};
use crate::engine::ids::{Account, Market, Pair, RunId, Symbol};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Price, Qty};
use crate::engine::time::Ts;

/// What every tape begins with. The first byte and the line end keep text tools and transfers from taking it for text.
pub const MAGIC: [u8; 8] = *b"\x8dTDTAPE\n";
/// Version of the layout and of the events' encoding.
pub const VERSION: u16 = 3;
/// Plain bytes after which a block is closed.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// Plain bytes that a block can hold when one event alone is larger than [`BLOCK_BYTES`]: far above any event (a run's
/// first event with 1,000 instruments and a day of baselines has about 300 KiB), and what a reader may have to allocate.
pub const BLOCK_MAX: usize = 8 * 1024 * 1024;
/// Longest header: 1,000 instruments with margin tables stay below 1 MiB.
pub const HEADER_MAX: usize = 4 * 1024 * 1024;
/// LZ4 cannot make more than this many bytes out of one.
pub const EXPANSION_MAX: usize = 255;
/// Bytes before the header's content.
pub const PREFIX_LEN: usize = 8 + 2 + 4;
/// Bytes of a record's head.
pub const HEAD_LEN: usize = 37;

/// Recorded by us, or made from somebody's market data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TapeKind {
    /// A run of ours: every event it stepped on, first of all `Restored`. Can be replayed as an audit.
    Recorded,
    /// Market data only. Replayed as a what-if.
    Imported,
}

/// What a tape says about itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TapeHeader {
    /// Recorded or imported.
    pub kind: TapeKind,
    /// The run that wrote it; an import's is derived from its first moment.
    pub run: RunId,
    /// Market and account.
    pub pair: Pair,
    /// When it was begun; an import's is its first moment, so that the same import makes the same bytes.
    pub created: Ts,
    /// Instruments; their order gives each its [`Symbol`].
    pub instruments: Vec<Instrument>,
    /// Where the data comes from, for the screen.
    pub source: String,
}

impl TapeHeader {
    /// A market that is not the venue has the paper account and no other, and every instrument has its increments.
    pub(super) fn makes_sense(&self) -> bool {
        let pair_exists = self.pair.market() == Market::Bybit || self.pair.account() == Account::Paper;
        pair_exists && u16::try_from(self.instruments.len()).is_ok() && self.instruments.iter().all(increments)
    }
}

fn increments(rules: &Instrument) -> bool {
    rules.tick > Price::ZERO && rules.step > Qty::ZERO && !rules.tiers.is_empty()
}

/// Kind of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RecordKind {
    Block,
    End,
}

/// Head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub kind: RecordKind,
    pub stored: u32,
    pub plain: u32,
    pub events: u32,
    pub at: Ts,
    pub seq: u64,
    pub content_sum: u32,
}

/// Checksum of `bytes`, continued from `chain`.
pub(super) fn sum(chain: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(chain);
    hasher.update(bytes);
    hasher.finalize()
}

const KIND_BLOCK: u8 = 0xb1;
const KIND_END: u8 = 0xe0;

impl Head {
    /// The bytes of this head and its checksum, which the next record continues.
    pub(super) fn encode(&self, chain: u32) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(HEAD_LEN);
        bytes.push(if self.kind == RecordKind::Block { KIND_BLOCK } else { KIND_END });
        bytes.extend(self.stored.to_le_bytes());
        bytes.extend(self.plain.to_le_bytes());
        bytes.extend(self.events.to_le_bytes());
        bytes.extend(self.at.0.to_le_bytes());
        bytes.extend(self.seq.to_le_bytes());
        bytes.extend(self.content_sum.to_le_bytes());
        let head_sum = sum(chain, &bytes);
        bytes.extend(head_sum.to_le_bytes());
        (bytes, head_sum)
    }

    /// The head in `bytes` and its checksum; `None` when it does not match or its kind is unknown.
    pub(super) fn decode(bytes: &[u8; HEAD_LEN], chain: u32) -> Option<(Self, u32)> {
        let (body, declared) = bytes.split_last_chunk::<4>()?;
        let head_sum = sum(chain, body);
        if head_sum.to_le_bytes() != *declared {
            return None;
        }
        let (kind, mut rest) = body.split_first()?;
        let kind = match *kind {
            KIND_BLOCK => RecordKind::Block,
            KIND_END => RecordKind::End,
            _ => return None,
        };
        let head = Self {
            kind,
            stored: u32::from_le_bytes(take(&mut rest)?),
            plain: u32::from_le_bytes(take(&mut rest)?),
            events: u32::from_le_bytes(take(&mut rest)?),
            at: Ts(i64::from_le_bytes(take(&mut rest)?)),
            seq: u64::from_le_bytes(take(&mut rest)?),
            content_sum: u32::from_le_bytes(take(&mut rest)?),
        };
        Some((head, head_sum))
    }

    /// Whether its lengths are ones that a writer produces and that `left` bytes of file can hold.
    pub(super) fn is_possible(&self) -> bool {
        let (stored, plain) = (self.stored as usize, self.plain as usize);
        match self.kind {
            RecordKind::End => stored == 0 && plain == 0,
            RecordKind::Block => {
                plain <= BLOCK_MAX
                    && self.events > 0
                    && self.events as usize <= plain
                    && stored <= lz4_flex::block::get_maximum_output_size(plain)
                    && plain <= stored.saturating_mul(EXPANSION_MAX)
            }
        }
    }
}

/// The first `N` bytes of `rest`, which moves past them.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Could a market or an account have produced this? A file that passes its checksums may still be made by hand.
pub(super) fn event_makes_sense(event: &Event, instruments: usize) -> bool {
    let known = |symbol: &Symbol| symbol.index() < instruments;
    let sound = |price: Price, qty: Qty| price >= Price::ZERO && qty >= Qty::ZERO;
    match event {
        Event::Market(symbol, data) => {
            known(symbol)
                && match data {
                    MarketData::Book(update) => {
                        update.bids.iter().chain(&update.asks).all(|level| sound(level.price, level.qty))
                    }
                    MarketData::Trade(trade) | MarketData::Missed { trade, .. } => sound(trade.price, trade.qty),
                    MarketData::Ticker(_) | MarketData::Gap | MarketData::Pool(_) => true,
                    MarketData::Rules(rules) => increments(rules),
                    MarketData::Bar(bar) => sound(bar.low, bar.volume) && bar.span.0 > 0,
                    MarketData::Band { buy_max, sell_min } => sound(*buy_max, Qty::ZERO) && sound(*sell_min, Qty::ZERO),
                    MarketData::Liquidation { price, qty, .. } => sound(*price, *qty),
                }
        }
        Event::Predicted(prediction) => known(&prediction.symbol),
        Event::Account(
            AccountUpdate::Funding { symbol, .. }
            | AccountUpdate::Danger { symbol, .. }
            | AccountUpdate::Fees { symbol, .. }
            | AccountUpdate::Protection { symbol, .. },
        ) => known(symbol),
        Event::Account(
            AccountUpdate::Liquidated { symbol, fill, .. }
            | AccountUpdate::Foreign { symbol, fill, .. }
            | AccountUpdate::Covered { symbol, fill, .. }
            | AccountUpdate::Rescued { symbol, fill, .. }
            | AccountUpdate::Protected { symbol, fill, .. },
        ) => known(symbol) && sound(fill.price, fill.qty),
        Event::Account(AccountUpdate::Statement(statement)) => {
            let protective = statement.protective.iter().map(|order| &order.symbol);
            statement.positions.iter().map(|(s, _)| s).chain(protective).all(known)
        }
        Event::Account(AccountUpdate::Strangers(orders)) => {
            orders.iter().all(|order| known(&order.symbol) && sound(order.price.unwrap_or_default(), order.qty))
        }
        Event::Account(AccountUpdate::Opening(opening)) => opening.holdings.iter().all(|held| known(&held.symbol)),
        Event::Hold(hold) => hold.symbol.as_ref().is_none_or(known),
        _ => true,
    }
}

/// Stable word for an event, for reports.
pub const fn event_word(event: &Event) -> &'static str {
    match event {
        Event::Restored(_) => "restored",
        Event::Told(_) => "told",
        Event::Checked(_) => "checked",
        Event::Models(_) => "models",
        Event::Market(_, MarketData::Book(_)) => "book",
        Event::Market(_, MarketData::Trade(_)) => "trade",
        Event::Market(_, MarketData::Ticker(_)) => "ticker",
        Event::Market(_, MarketData::Gap) => "gap",
        Event::Market(_, MarketData::Rules(_)) => "rules",
        Event::Market(_, MarketData::Bar(_)) => "bar",
        Event::Market(_, MarketData::Band { .. }) => "band",
        Event::Market(_, MarketData::Liquidation { .. }) => "liquidation",
        Event::Market(_, MarketData::Missed { .. }) => "missed trade",
        Event::Market(_, MarketData::Pool(_)) => "insurance pool",
        Event::Hold(_) => "hold",
        Event::Order(_) => "order",
        Event::Account(_) => "account",
        Event::Predicted(_) => "predicted",
        Event::Command(_) => "command",
        Event::Link(_) => "link",
        Event::Fault(_) => "fault",
        Event::Tick => "tick",
        Event::Ended => "ended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::samples;

    #[test]
    fn a_head_survives_and_depends_on_what_came_before() {
        let head = Head {
            kind: RecordKind::Block,
            stored: 7,
            plain: 9,
            events: 2,
            at: Ts(-5),
            seq: u64::MAX,
            content_sum: 0xdead_beef,
        };
        let (bytes, head_sum) = head.encode(11);
        let bytes = <[u8; HEAD_LEN]>::try_from(bytes).unwrap();
        assert_eq!(Head::decode(&bytes, 11), Some((head, head_sum)));
        assert_eq!(Head::decode(&bytes, 12), None);
    }

    #[test]
    fn impossible_lengths_are_refused_before_anything_is_allocated() {
        let head = |stored, plain, events| Head {
            kind: RecordKind::Block,
            stored,
            plain,
            events,
            at: Ts(0),
            seq: 0,
            content_sum: 0,
        };
        assert!(head(100, 200, 3).is_possible());
        assert!(!head(100, 200, 0).is_possible());
        assert!(!head(100, 200, 201).is_possible());
        assert!(!head(1, 4096, 3).is_possible());
        assert!(!head(u32::MAX, u32::MAX, 3).is_possible());
        assert!(!head(1_000, 100, 3).is_possible());
    }

    #[test]
    fn a_market_that_is_not_the_venue_has_the_paper_account_only() {
        let mut header = samples::header();
        assert!(header.makes_sense());
        header.pair = Pair::bybit(Account::Live);
        assert!(header.makes_sense());
        // What no constructor makes, a file can still claim.
        let claimed = r#"{"market":"tape","account":"live"}"#;
        header.pair = serde_json::from_str(claimed).unwrap();
        assert!(!header.makes_sense());
    }

    /// If this fails, the encoding of events changed: old tapes would be misread. Raise [`VERSION`], then this number.
    #[test]
    fn the_encoding_of_events_is_pinned() {
        let bytes = postcard::to_stdvec(&samples::one_of_each()).unwrap();
        assert_eq!((VERSION, bytes.len(), sum(0, &bytes)), (3, 1_337, 2_238_852_779));
    }
}
