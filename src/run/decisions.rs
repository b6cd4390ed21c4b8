//! The decision log: one line per effect that decides something, and the hash over all of them. Two runs of the same
//! events agree when their hashes do.

use std::fmt::Write as _;
use std::io::Write as _;

use sha2::{Digest, Sha256};

use crate::engine::effect::{Effect, Protection, Record};
use crate::engine::time::Ts;

/// Hash and count of the decisions of a run, with an optional copy of every line.
pub struct DecisionLog {
    hash: Sha256,
    count: u64,
    line: String,
    copy: Option<std::io::BufWriter<std::fs::File>>,
}

impl DecisionLog {
    /// An empty log; `copy` receives every line.
    pub fn new(copy: Option<std::fs::File>) -> Self {
        Self { hash: Sha256::new(), count: 0, line: String::new(), copy: copy.map(std::io::BufWriter::new) }
    }

    /// Adds the effects of one step.
    pub fn add(&mut self, at: Ts, effects: &[Effect]) {
        for effect in effects {
            self.line.clear();
            if write_line(&mut self.line, at, effect).is_err() || self.line.is_empty() {
                continue;
            }
            self.line.push('\n');
            self.hash.update(self.line.as_bytes());
            self.count += 1;
            if let Some(copy) = &mut self.copy {
                // A copy is for people; a full disk must not stop the run that it describes.
                let _ = copy.write_all(self.line.as_bytes());
            }
        }
    }

    /// Decisions so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Hash so far, in hex.
    pub fn hash(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Protective levels, those that are there.
struct Levels(Protection);

impl std::fmt::Display for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (word, level) in [("stop", self.0.stop), ("take-profit", self.0.take_profit)] {
            if let Some(level) = level {
                write!(f, " {word}={level}")?;
            }
        }
        Ok(())
    }
}

fn write_line(line: &mut String, at: Ts, effect: &Effect) -> std::fmt::Result {
    let at = at.0;
    match effect {
        Effect::Submit(order) => {
            let o = order.get();
            write!(
                line,
                "{at} SUBMIT {} {} {} {} @ {} {:?} {} reduce_only={}{}",
                o.seq.0,
                o.symbol.0,
                o.side.word(),
                o.qty,
                o.price,
                o.tif,
                o.purpose.word(),
                o.reduce_only,
                Levels(o.protection)
            )
        }
        Effect::Cancel(order) => write!(line, "{at} CANCEL {}", order.0),
        Effect::Infer(frame) => {
            let crc = frame.values.iter().fold(crc32fast::Hasher::new(), |mut hasher, value| {
                hasher.update(&value.to_bits().to_le_bytes());
                hasher
            });
            write!(line, "{at} INFER {} {:08x}", frame.symbol.0, crc.finalize())
        }
        Effect::Ask => write!(line, "{at} ASK"),
        Effect::Protect { symbol, protection } => {
            write!(line, "{at} PROTECT {}{}", symbol.0, Levels(*protection))
        }
        Effect::CancelById { symbol, order } => write!(line, "{at} CANCEL-BY-ID {} {order}", symbol.0),
        Effect::Retry => write!(line, "{at} RETRY"),
        Effect::Settle(order) => write!(line, "{at} SETTLE {}", order.0),
        Effect::Errand(errand) => write!(line, "{at} ERRAND {errand:?}"),
        Effect::TieOut => write!(line, "{at} TIE-OUT"),
        Effect::ReloadModels => write!(line, "{at} RELOAD-MODELS"),
        Effect::Note(notice) => write!(line, "{at} NOTE {:?} {}", notice.kind, notice.text),
        Effect::Record(record) => match record {
            Record::Fill { order, symbol, side, fill, balance, position, .. } => write!(
                line,
                "{at} FILL {} {} {} {} @ {} balance={balance} position={position}",
                order.map_or(0, |o| o.0),
                symbol.0,
                side.word(),
                fill.qty,
                fill.price
            ),
            Record::Latch(latch) => {
                write!(line, "{at} LATCH {}", latch.as_ref().map_or("none".into(), |l| l.cause.to_string()))
            }
            Record::Limit { key, new, .. } => write!(line, "{at} LIMIT {} {new}", key.name()),
            Record::Operator { command, outcome } => write!(line, "{at} OPERATOR {command} {outcome}"),
            // Order states, funding, releases and baselines follow from the lines above and from the events.
            Record::OrderState { .. }
            | Record::Funding { .. }
            | Record::Released { .. }
            | Record::Waived { .. }
            | Record::Flattening { .. }
            | Record::Adopted { .. }
            | Record::Residual(_)
            | Record::Baselines(_) => Ok(()),
        },
    }
}
