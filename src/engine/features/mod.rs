//! Features: incremental, scale-free numbers per instrument, the same code in training, demo, live and backtest.

use serde::{Deserialize, Serialize};

use crate::engine::ids::Symbol;
use crate::engine::time::Ts;

/// The features of one instrument at one decision boundary.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FeatureFrame {
    /// Instrument.
    pub symbol: Symbol,
    /// Event time.
    pub at: Ts,
    /// Values in registry order. Always finite.
    pub values: Vec<f32>,
    /// Features past their warm-up, out of `values.len()`.
    pub warm: u16,
}
