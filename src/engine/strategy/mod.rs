//! Strategies: from a signal and a position to a wish. A wish is not an order: the gate decides.

pub mod drill;
pub mod threshold;

use super::num::Side;
use super::risk::verdict::Denial;

/// What a strategy wants for one instrument.
#[derive(Clone, PartialEq, Debug)]
pub enum Wish {
    /// Open on this side.
    Enter(Side),
    /// Close what is held.
    Exit,
    /// Keep what is held.
    Hold,
    /// Open nothing, for this reason; the side that was looked at, where there was one.
    Nothing(Option<Side>, Denial),
}

/// Strategies by configuration name, with one line of help.
pub const STRATEGIES: &[(&str, &str)] =
    &[("threshold", "enters when a direction is probable enough and its edge pays; leaves when the opposite is")];
