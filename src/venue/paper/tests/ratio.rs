//! Money in rationals, with the two roundings the venue has.

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::engine::num::{Money, Price, Qty, Rate, Side};

pub(super) type Ratio = BigRational;

pub(super) fn scaled(raw: i128, decimals: u32) -> Ratio {
    Ratio::new(BigInt::from(raw), BigInt::from(10).pow(decimals))
}
pub(super) fn price(price: Price) -> Ratio {
    scaled(price.raw().into(), 9)
}
pub(super) fn qty(qty: Qty) -> Ratio {
    scaled(qty.raw().into(), 9)
}
pub(super) fn rate(rate: Rate) -> Ratio {
    scaled(rate.raw().into(), 9)
}
pub(super) fn money(money: Money) -> Ratio {
    scaled(money.raw(), 18)
}
pub(super) fn whole(value: i64) -> Ratio {
    Ratio::from_integer(value.into())
}
pub(super) fn zero() -> Ratio {
    whole(0)
}
pub(super) fn atto() -> Ratio {
    scaled(1, 18)
}
pub(super) fn up(value: &Ratio) -> Ratio {
    (value / atto()).ceil() * atto()
}
pub(super) fn down(value: &Ratio) -> Ratio {
    (value / atto()).floor() * atto()
}
pub(super) fn abs(value: &Ratio) -> Ratio {
    if *value < zero() { -value.clone() } else { value.clone() }
}
pub(super) fn sign(side: Side) -> Ratio {
    whole(side.sign())
}
