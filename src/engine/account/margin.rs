//! Margin arithmetic shared by the gate, the account and the paper venue: exact, and rounded against the account.
//!
//! A tier's rate applies to the whole notional. The venue subtracts a deduction in its higher tiers; leaving that out
//! asks for more margin than it would, never for less.

use super::Holding;
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Money, Price, Side, UNIT};

/// Initial margin of a position or worst-case exposure of this notional (unsigned, quote currency).
pub fn initial(instrument: &Instrument, notional: Money) -> Money {
    notional.times(instrument.tier(notional).initial)
}

/// Maintenance margin of a position of this notional (unsigned, quote currency).
pub fn maintenance(instrument: &Instrument, notional: Money) -> Money {
    notional.times(instrument.tier(notional).maintenance)
}

/// The larger of the two exposures that a position (`held`, signed notional at mark) can grow into when all working
/// buys or all working sells (unsigned notional at their limit, reduce-only left out) fill.
pub fn worst_notional(held: Money, buys: Money, sells: Money) -> Money {
    (held + buys).max(sells - held).max(held.abs())
}

/// The price at which a position with `behind` standing behind it (balance and what else the account is worth, quote
/// currency) meets its maintenance margin, rounded towards the market; `notional` now chooses the tier. `None` when flat
/// or when no price above zero does it.
pub fn liquidation_price(held: &Holding, rules: &Instrument, notional: Money, behind: Money) -> Option<Price> {
    let one = i128::from(UNIT);
    let rate = i128::from(rules.tier(notional).maintenance.raw());
    // Long: behind + price * qty - cost = price * qty * rate. Short: behind + cost - price * qty = price * qty * rate.
    let (worth, share) = match held.side()? {
        Side::Buy => (held.cost - behind, one.checked_sub(rate)?),
        Side::Sell => (held.cost + behind, one.checked_add(rate)?),
    };
    let (worth, below) = (worth.raw().checked_mul(one)?, share.checked_mul(i128::from(held.qty().raw()))?);
    if worth <= 0 || below <= 0 {
        return None;
    }
    let down = worth.checked_div(below)?;
    let inexact = worth.checked_rem(below)? != 0;
    let price = if inexact && held.side() == Some(Side::Buy) { down.checked_add(1)? } else { down };
    i64::try_from(price).ok().filter(|raw| *raw > 0).map(Price::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::num::{Price, Qty};

    #[test]
    fn only_the_worse_side_of_working_orders_counts() {
        let units = Money::from_units;
        assert_eq!(worst_notional(units(10), units(5), units(12)), units(15));
        assert_eq!(worst_notional(units(10), units(0), units(25)), units(15));
        assert_eq!(worst_notional(units(-10), units(25), units(1)), units(15));
        assert_eq!(worst_notional(units(-10), units(0), units(0)), units(10));
    }

    #[test]
    fn tiers_apply_to_the_whole_notional() {
        let rules = Instrument::linear("BTCUSDT", Price::parse("0.1").unwrap(), Qty::parse("0.001").unwrap());
        assert_eq!(initial(&rules, Money::from_units(2_000_000)), Money::from_units(20_000));
        assert_eq!(initial(&rules, Money::from_units(2_000_001)).to_string(), "40000.02");
        assert_eq!(maintenance(&rules, Money::from_units(1_000)), Money::from_units(5));
    }
}
