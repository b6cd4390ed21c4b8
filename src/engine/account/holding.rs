//! One position: signed quantity and the exact cost of entering it.

use serde::{Deserialize, Serialize};

use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Price, Qty, Side};
use crate::engine::time::Ts;

/// A position of ours (one-way mode: one per symbol).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holding {
    /// Instrument.
    pub symbol: Symbol,
    /// Signed quantity in raw [`Qty`] units: positive is long.
    pub signed: i64,
    /// Notional paid (long) or received (short) for what is held, never negative, fees excluded.
    pub cost: Money,
    /// When it was opened (from flat or by a flip).
    pub opened: Ts,
    /// Realised PnL of this position since it was opened, before fees.
    pub realised: Money,
    /// Fees paid since it was opened.
    pub fees: Money,
}

/// What one execution did to a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Booked {
    /// Realised PnL before the fee.
    pub realised: Money,
    /// Quantity that reduced the position.
    pub closed: Qty,
    /// Quantity that opened or grew it.
    pub opened: Qty,
    /// Profit after fees of the position that this execution ended, by closing it or by turning it round.
    pub round_trip: Option<Money>,
}

impl Holding {
    /// A flat position.
    pub const fn flat(symbol: Symbol) -> Self {
        Self { symbol, signed: 0, cost: Money::ZERO, opened: Ts(0), realised: Money::ZERO, fees: Money::ZERO }
    }
    /// Nothing held?
    pub const fn is_flat(&self) -> bool {
        self.signed == 0
    }
    /// Size without sign.
    pub const fn qty(&self) -> Qty {
        Qty::from_raw(self.signed.saturating_abs())
    }
    /// Long is `Buy`, short is `Sell`, flat is `None`.
    pub const fn side(&self) -> Option<Side> {
        match self.signed {
            0 => None,
            s if s > 0 => Some(Side::Buy),
            _ => Some(Side::Sell),
        }
    }
    /// Average entry price, derived, rounded down to 1e-9.
    pub fn entry_price(&self) -> Option<Price> {
        let qty = i128::from(self.qty().raw());
        if qty == 0 {
            return None;
        }
        i64::try_from(self.cost.raw().div_euclid(qty)).ok().map(Price::from_raw)
    }
    /// PnL if it were closed at `price`, before fees.
    pub fn unrealised(&self, price: Price) -> Money {
        let value = price * self.qty();
        match self.side() {
            None => Money::ZERO,
            Some(Side::Buy) => value - self.cost,
            Some(Side::Sell) => self.cost - value,
        }
    }
    /// Unsigned notional at `price`, at entry cost where there is none.
    pub fn notional(&self, price: Option<Price>) -> Money {
        price.map_or(self.cost, |price| price * self.qty())
    }
    /// Books one execution. The fee is added to `fees`, shared by quantity when the position is turned round; balance
    /// is the caller's.
    pub fn book(&mut self, at: Ts, side: Side, price: Price, qty: Qty, fee: Money) -> Booked {
        let mut booked = Booked::default();
        let mut left = qty;
        let mut opening_fee = fee;
        if self.side() == Some(side.opposite()) {
            let closing = left.min(self.qty());
            let released = self.cost.portion(closing, self.qty());
            let value = price * closing;
            booked.realised = match side {
                Side::Sell => value - released,
                Side::Buy => released - value,
            };
            booked.closed = closing;
            self.cost -= released;
            self.signed = self.signed.saturating_add(side.sign().saturating_mul(closing.raw()));
            self.realised += booked.realised;
            left = left.saturating_sub(closing);
            opening_fee = fee - fee.portion(closing, qty);
            self.fees += fee - opening_fee;
            if self.is_flat() {
                booked.round_trip = Some(self.realised - self.fees);
            }
        }
        if !left.is_zero() {
            if self.is_flat() {
                *self = Self::flat(self.symbol);
                self.opened = at;
            }
            self.fees += opening_fee;
            self.signed = self.signed.saturating_add(side.sign().saturating_mul(left.raw()));
            self.cost += price * left;
            booked.opened = left;
        }
        booked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Price {
        Price::parse(text).unwrap()
    }
    fn q(text: &str) -> Qty {
        Qty::parse(text).unwrap()
    }

    #[test]
    fn open_reduce_flip() {
        let mut held = Holding::flat(Symbol(0));
        held.book(Ts(1), Side::Buy, p("100"), q("2"), Money::ZERO);
        held.book(Ts(2), Side::Buy, p("110"), q("1"), Money::ZERO);
        assert_eq!(held.cost, Money::from_units(310));
        assert_eq!(held.unrealised(p("120")), Money::from_units(50));
        let booked = held.book(Ts(3), Side::Sell, p("120"), q("5"), Money::from_units(1));
        assert_eq!((booked.realised, booked.closed, booked.opened), (Money::from_units(50), q("3"), q("2")));
        assert_eq!((held.side(), held.cost, held.opened), (Some(Side::Sell), Money::from_units(240), Ts(3)));
        assert_eq!(held.unrealised(p("100")), Money::from_units(40));
        assert_eq!(held.entry_price(), Some(p("120")));
    }
}
