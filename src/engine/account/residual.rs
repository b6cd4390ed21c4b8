//! Realised PnL, fees and funding of our books against the venue's own log of transactions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Totals;
use crate::engine::event::Tally;
use crate::engine::num::Money;
use crate::engine::time::Ts;

/// What the venue's log has more than our books, since the opening; all zero where they tie out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Residual {
    /// Of realised PnL before fees and funding.
    pub realised: Money,
    /// Of fees paid.
    pub fees: Money,
    /// Of funding received.
    pub funding: Money,
}

/// How our books stand against the venue's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum TieOut {
    /// There is no log to compare with: the market or the account is our own.
    #[default]
    Nothing,
    /// Not compared yet, or it cannot be.
    Unknown,
    /// As last compared.
    Known {
        /// When.
        at: Ts,
        /// The difference.
        residual: Residual,
    },
}

impl Residual {
    /// `venue` less what `now` adds to `base`.
    pub fn of(venue: &Tally, now: &Totals, base: &Totals) -> Self {
        Self {
            realised: venue.realised - (now.realised - base.realised),
            fees: venue.fees - (now.fees - base.fees),
            funding: venue.funding - (now.funding - base.funding),
        }
    }
    /// Is every part within `tolerance`?
    pub fn is_within(&self, tolerance: Money) -> bool {
        [self.realised, self.fees, self.funding].iter().all(|part| part.abs() <= tolerance)
    }
}

impl fmt::Display for Residual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "realised {:.4}, fees {:.4}, funding {:.4}", self.realised, self.fees, self.funding)
    }
}
