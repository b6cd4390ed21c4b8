//! Worst-case exposure: position plus everything that could still trade, per side, at the worse of mark and order price.

use crate::engine::account::Holding;
use crate::engine::effect::NewOrder;
use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Price, Qty, Side};
use crate::engine::orders::Orders;

/// What one instrument could come to hold if everything that works fills on one side and nothing on the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Worst {
    /// Notional if every buy fills; negative when it stays short.
    pub long: Money,
    /// Notional if every sell fills, as a positive number when short; negative when it stays long.
    pub short: Money,
}

impl Worst {
    /// The larger of the two sides, never negative.
    pub fn notional(self) -> Money {
        self.long.max(self.short).max(Money::ZERO)
    }
}

/// Worst case of one instrument, with `extra` as if it were already working.
/// Without a mark nothing can be valued, which counts as the largest exposure when there is anything to value.
pub fn worst_of(
    symbol: Symbol,
    holding: &Holding,
    orders: &Orders,
    mark: Option<Price>,
    extra: Option<&NewOrder>,
) -> Worst {
    let working = orders.working_of(symbol).map(|o| (&o.intent, o.left()));
    let extra = extra.map(|o| (o, o.qty));
    let mut side_notional = [Money::ZERO; 2];
    let mut anything = !holding.is_flat();
    for (order, left) in working.chain(extra).filter(|(order, left)| !order.reduce_only && !left.is_zero()) {
        anything = true;
        let price = mark.map_or(order.price, |mark| mark.max(order.price));
        side_notional[side_index(order.side)] += price * left;
    }
    let Some(mark) = mark else {
        let unknown = if anything { Money::MAX } else { Money::ZERO };
        return Worst { long: unknown, short: unknown };
    };
    let held = mark * Qty::from_raw(holding.signed.saturating_abs());
    let signed = if holding.signed < 0 { -held } else { held };
    Worst { long: signed + side_notional[0], short: side_notional[1] - signed }
}

const fn side_index(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// Exposure over all instruments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Sum of the worst sides.
    pub gross: Money,
    /// Largest net exposure either way.
    pub net: Money,
}

/// Sums worst cases.
pub fn totals(worsts: impl Iterator<Item = Worst>) -> Totals {
    let (mut gross, mut long, mut short) = (Money::ZERO, Money::ZERO, Money::ZERO);
    for worst in worsts {
        gross += worst.notional();
        long += worst.long;
        short += worst.short;
    }
    Totals { gross, net: long.max(short).max(Money::ZERO) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{Protection, Purpose, TimeInForce};
    use crate::engine::ids::OrderSeq;
    use crate::engine::time::Ts;

    fn order(seq: u64, side: Side, qty: &str, price: &str, reduce_only: bool) -> NewOrder {
        NewOrder {
            seq: OrderSeq(seq),
            symbol: Symbol(0),
            side,
            qty: Qty::parse(qty).unwrap(),
            price: Price::parse(price).unwrap(),
            tif: TimeInForce::GoodTillCancel,
            reduce_only,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: Ts(0),
        }
    }

    #[test]
    fn counts_position_resting_and_in_flight_at_the_worse_price() {
        let mut holding = Holding::flat(Symbol(0));
        holding.book(Ts(0), Side::Buy, Price::parse("100").unwrap(), Qty::parse("2").unwrap(), Money::ZERO);
        let mut orders = Orders::default();
        orders.add(order(1, Side::Buy, "1", "90", false));
        orders.add(order(2, Side::Sell, "5", "130", false));
        orders.add(order(3, Side::Sell, "9", "130", true));
        let mark = Some(Price::parse("110").unwrap());
        let extra = order(4, Side::Buy, "1", "120", false);
        let worst = worst_of(Symbol(0), &holding, &orders, mark, Some(&extra));
        assert_eq!(worst.long, Money::from_units(2 * 110 + 110 + 120));
        assert_eq!(worst.short, Money::from_units(5 * 130 - 220));
        assert_eq!(worst_of(Symbol(0), &holding, &orders, None, None).notional(), Money::MAX);
    }
}
