//! Join, cross or pull: what a trade that is wanted anyway does now, by what the nearest forecast makes each of them cost.
//!
//! All costs are basis points of the mid of this moment and counted to the end of the forecast's horizon:
//! - *cross*: the taker's fee and half the spread, now.
//! - *pull* (stand back): the same later, and the mid's expected move against us.
//! - *join* (rest at the best price): where the price comes to us the maker's fee, less half the spread; where it does not,
//!   the same as pulling, from a mid that has then moved further away.

use serde::{Deserialize, Serialize};

/// What a trade that may wait does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Plan {
    /// Rests at the best price of its side.
    Join,
    /// Stands back: nothing rests.
    Pull,
    /// Takes what is there.
    Cross,
}

impl Plan {
    /// Word for the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Join => "joins",
            Self::Pull => "stands back",
            Self::Cross => "crosses",
        }
    }
}

/// What a choice is made by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outlook {
    /// Probability that the mid comes towards a resting order within the horizon.
    pub comes: f64,
    /// Expected move of the mid against us within the horizon, in basis points; negative is in our favour.
    pub against_bps: f64,
    /// How far the mid usually moves within the horizon, in basis points.
    pub usual_bps: f64,
    /// Half the spread in basis points.
    pub half_spread_bps: f64,
    /// Fee of an order that rested, in basis points; negative is a rebate.
    pub maker_bps: f64,
    /// Fee of an order that took, in basis points.
    pub taker_bps: f64,
}

impl Outlook {
    /// The cheapest choice; crossing where nothing is certainly cheaper, numbers that are none included.
    pub fn plan(&self) -> Plan {
        let cross = self.taker_bps + self.half_spread_bps;
        let pull = cross + self.against_bps;
        // The mid passes an order that rests only by moving at least half a spread.
        let comes_by = self.usual_bps.max(self.half_spread_bps);
        let rested = self.maker_bps - self.half_spread_bps;
        let missed = (1.0 - self.comes) * cross + self.against_bps + self.comes * comes_by;
        let join = self.comes * rested + missed;
        if join < cross && join <= pull {
            Plan::Join
        } else if pull < cross {
            Plan::Pull
        } else {
            Plan::Cross
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Outlook =
        Outlook { comes: 0.3, against_bps: 0.0, usual_bps: 0.4, half_spread_bps: 0.01, maker_bps: 2.0, taker_bps: 5.5 };

    #[test]
    fn a_calm_market_is_joined() {
        assert_eq!(CALM.plan(), Plan::Join);
    }

    #[test]
    fn a_price_that_leaves_is_crossed() {
        assert_eq!(Outlook { comes: 0.05, against_bps: 0.5, ..CALM }.plan(), Plan::Cross);
    }

    #[test]
    fn a_price_that_falls_towards_us_faster_than_resting_earns_is_waited_for() {
        assert_eq!(Outlook { comes: 0.8, against_bps: -6.0, usual_bps: 8.0, ..CALM }.plan(), Plan::Pull);
    }

    #[test]
    fn what_is_no_number_crosses() {
        assert_eq!(Outlook { against_bps: f64::NAN, ..CALM }.plan(), Plan::Cross);
        assert_eq!(Outlook { comes: f64::NAN, ..CALM }.plan(), Plan::Cross);
    }
}
