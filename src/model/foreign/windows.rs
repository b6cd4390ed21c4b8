//! The last rows of every instrument, for models that are asked about whole windows.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::features::{FeatureFrame, Set};
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};

/// Rows of each instrument, at most [`Windows::length`] of them, one step apart.
pub(super) struct Windows {
    length: usize,
    step: Span,
    rows: BTreeMap<Symbol, (Ts, VecDeque<Vec<f32>>)>,
}

impl Windows {
    pub(super) fn new(length: usize, step_ms: u32) -> Self {
        Self { length: length.max(1), step: Span::from_ms(i64::from(step_ms)), rows: BTreeMap::new() }
    }

    pub(super) const fn length(&self) -> usize {
        self.length
    }

    pub(super) fn forget(&mut self) {
        self.rows.clear();
    }

    /// Takes a frame as the next row of its instrument, and appends the window that it completes. `false` while there is none:
    /// a frame in warm-up, or one that does not follow the last one by a step, begins the window anew.
    pub(super) fn take(&mut self, frame: &FeatureFrame, out: &mut Vec<f32>) -> bool {
        let (before, rows) = self.rows.entry(frame.symbol).or_default();
        let follows = self.length == 1 || frame.at.since(*before) == self.step;
        *before = frame.at;
        if !follows {
            rows.clear();
        }
        if frame.told(Set::Market).is_none() {
            rows.clear();
            return false;
        }
        if rows.len() == self.length {
            rows.pop_front();
        }
        rows.push_back(frame.values.clone());
        let full = rows.len() == self.length;
        if full {
            for row in rows.iter() {
                out.extend_from_slice(row);
            }
        }
        full
    }
}
