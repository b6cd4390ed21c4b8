//! Exact fixed-point numbers: [`Price`], [`Qty`], [`Money`], [`Rate`].
//!
//! Prices and quantities count units of 1e-9, money counts units of 1e-18 of the quote currency, so a price times
//! a quantity is exact. Nothing here converts *from* a float; `to_f64_lossy` exists for features and drawing only.
//! Money saturates at about ±1.7e20: far beyond any account, and saturating high makes a limit refuse, not pass.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Units of [`Price`] and [`Qty`] in one.
pub const UNIT: i64 = 1_000_000_000;
/// Units of [`Money`] in one.
pub const MONEY_UNIT: i128 = 1_000_000_000_000_000_000;

/// Why a decimal text is not a number we can hold exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumError {
    /// Not a plain decimal such as `64182.5`.
    #[error("`{0}` is not a decimal number")]
    Syntax(String),
    /// More digits than the type can hold without rounding, or out of range.
    #[error("`{0}` does not fit: at most {1} decimals and a magnitude below {2}")]
    Range(String, u32, &'static str),
}

/// Parses a plain decimal into an integer count of `10^-decimals`.
fn parse_fixed(text: &str, decimals: u32, magnitude: &'static str) -> Result<i128, NumError> {
    let syntax = || NumError::Syntax(text.chars().take(40).collect());
    let range = || NumError::Range(text.chars().take(40).collect(), decimals, magnitude);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(syntax());
    }
    let mut value: i128 = 0;
    for byte in whole.bytes() {
        if !byte.is_ascii_digit() {
            return Err(syntax());
        }
        value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(byte - b'0'))).ok_or_else(range)?;
    }
    let mut left = decimals;
    for byte in fraction.bytes() {
        if !byte.is_ascii_digit() {
            return Err(syntax());
        }
        if left == 0 {
            if byte == b'0' {
                continue;
            }
            return Err(range());
        }
        left -= 1;
        value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(byte - b'0'))).ok_or_else(range)?;
    }
    let value = value.checked_mul(10_i128.pow(left)).ok_or_else(range)?;
    Ok(if negative { -value } else { value })
}

/// Writes an integer count of `10^-decimals` as the shortest exact decimal.
fn write_fixed(f: &mut fmt::Formatter<'_>, value: i128, decimals: u32) -> fmt::Result {
    let unit = 10_u128.pow(decimals);
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    let sign = if value < 0 { "-" } else { "" };
    if let Some(places) = f.precision() {
        let shown = u32::try_from(places).unwrap_or(decimals).min(decimals);
        let step = 10_u128.pow(decimals - shown);
        // Half away from zero: for the eye only, never for arithmetic.
        let rounded = (magnitude + step / 2) / step;
        let scale = 10_u128.pow(shown);
        let sign = if rounded == 0 { "" } else { sign };
        if shown == 0 {
            return write!(f, "{sign}{rounded}");
        }
        return write!(f, "{sign}{}.{:0width$}", rounded / scale, rounded % scale, width = shown as usize);
    }
    if fraction == 0 {
        return write!(f, "{sign}{whole}");
    }
    let text = format!("{fraction:0width$}", width = decimals as usize);
    write!(f, "{sign}{whole}.{}", text.trim_end_matches('0'))
}

macro_rules! decimal_serde {
    ($name:ident, $raw:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                    Self::parse(&text).map_err(D::Error::custom)
                } else {
                    Ok(Self(<$raw>::deserialize(d)?))
                }
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NumError;
            fn from_str(text: &str) -> Result<Self, NumError> {
                Self::parse(text)
            }
        }
    };
}

/// A price in quote currency per unit of base, in 1e-9. Largest value about 9.2e9.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(pub(crate) i64);

/// A quantity of base, in 1e-9, never negative when made by [`Qty::parse`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Qty(pub(crate) i64);

/// A signed amount of quote currency, in 1e-18.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub(crate) i128);

/// A dimensionless rate (fee, margin, funding) in 1e-9: 5.5 basis points are 550 000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate(pub(crate) i64);

decimal_serde!(Price, i64);
decimal_serde!(Qty, i64);
decimal_serde!(Money, i128);
decimal_serde!(Rate, i64);

fn narrow(value: i128, text: &str) -> Result<i64, NumError> {
    i64::try_from(value).map_err(|_| NumError::Range(text.chars().take(40).collect(), 9, "9.2e9"))
}

impl Price {
    /// Zero; never a valid order price.
    pub const ZERO: Self = Self(0);
    /// The largest price; a bound that no book reaches.
    pub const MAX: Self = Self(i64::MAX);

    /// Parses a decimal with at most nine decimals.
    pub fn parse(text: &str) -> Result<Self, NumError> {
        Ok(Self(narrow(parse_fixed(text, 9, "9.2e9")?, text)?))
    }
    /// From a count of 1e-9.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }
    /// The count of 1e-9.
    pub const fn raw(self) -> i64 {
        self.0
    }
    /// For features and drawing only.
    pub fn to_f64_lossy(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }
    /// The exact middle of two prices, rounded down to 1e-9.
    pub const fn midpoint(self, other: Self) -> Self {
        Self(i64::midpoint(self.0, other.0))
    }
    /// `self` moved by `rate` of itself (0.001 = 10 bps up), saturating, rounded towards zero.
    pub fn shifted(self, rate: Rate) -> Self {
        let moved = i128::from(self.0) + i128::from(self.0) * i128::from(rate.0) / i128::from(UNIT);
        Self(i64::try_from(moved.max(0)).unwrap_or(i64::MAX))
    }
}

impl Qty {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Parses a decimal with at most nine decimals; negative is an error.
    pub fn parse(text: &str) -> Result<Self, NumError> {
        let raw = narrow(parse_fixed(text, 9, "9.2e9")?, text)?;
        if raw < 0 {
            return Err(NumError::Syntax(text.chars().take(40).collect()));
        }
        Ok(Self(raw))
    }
    /// From a count of 1e-9; negative becomes zero.
    pub const fn from_raw(raw: i64) -> Self {
        Self(if raw < 0 { 0 } else { raw })
    }
    /// The count of 1e-9.
    pub const fn raw(self) -> i64 {
        self.0
    }
    /// Nothing?
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
    /// For features and drawing only.
    pub fn to_f64_lossy(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }
    /// Never below zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self::from_raw(self.0.saturating_sub(other.0))
    }
    /// Rounded down to a multiple of `step`; zero when `step` is zero.
    pub const fn floor_to(self, step: Self) -> Self {
        if step.0 <= 0 { Self(0) } else { Self(self.0 - self.0 % step.0) }
    }
}

impl Add for Qty {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl AddAssign for Qty {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl std::iter::Sum for Qty {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount; what an uncountable exposure counts as.
    pub const MAX: Self = Self(i128::MAX);

    /// Parses a decimal with at most eighteen decimals.
    pub fn parse(text: &str) -> Result<Self, NumError> {
        Ok(Self(parse_fixed(text, 18, "1.7e20")?))
    }
    /// Whole units of quote currency.
    pub const fn from_units(units: i64) -> Self {
        Self(units as i128 * MONEY_UNIT)
    }
    /// From a count of 1e-18.
    pub const fn from_raw(raw: i128) -> Self {
        Self(raw)
    }
    /// The count of 1e-18.
    pub const fn raw(self) -> i128 {
        self.0
    }
    /// For drawing and model costs only.
    pub fn to_f64_lossy(self) -> f64 {
        self.0 as f64 / MONEY_UNIT as f64
    }
    /// Magnitude.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
    /// Below zero?
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
    /// `self * part / whole`, rounded towards minus infinity; zero when `whole` is zero.
    ///
    /// Used to release entry cost on a partial close: what is not released stays in the position, so nothing is lost.
    pub fn portion(self, part: Qty, whole: Qty) -> Self {
        if whole.0 == 0 {
            return Self::ZERO;
        }
        let (part, whole) = (i128::from(part.0), i128::from(whole.0));
        // Split to keep the product inside i128: q*part + r*part/whole.
        let (quotient, remainder) = (self.0.div_euclid(whole), self.0.rem_euclid(whole));
        Self(quotient.saturating_mul(part).saturating_add((remainder * part).div_euclid(whole)))
    }
    /// `self * rate`, exact below 1e-18 rounded up (away from the account's favour for a fee on a positive amount).
    pub fn times(self, rate: Rate) -> Self {
        let unit = i128::from(UNIT);
        let (whole, rest) = (self.0.div_euclid(unit), self.0.rem_euclid(unit));
        let rate = i128::from(rate.0);
        let tail = rest * rate;
        let tail = tail.div_euclid(unit) + i128::from(tail.rem_euclid(unit) != 0);
        Self(whole.saturating_mul(rate).saturating_add(tail))
    }
    /// `self / other` as a ratio for gauges; zero when `other` is zero.
    pub fn ratio_lossy(self, other: Self) -> f64 {
        if other.0 == 0 { 0.0 } else { self.0 as f64 / other.0 as f64 }
    }
}

impl Rate {
    /// No rate.
    pub const ZERO: Self = Self(0);
    /// Parses a decimal fraction: `0.00055` is 5.5 basis points.
    pub fn parse(text: &str) -> Result<Self, NumError> {
        Ok(Self(narrow(parse_fixed(text, 9, "9.2e9")?, text)?))
    }
    /// From a count of 1e-9.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }
    /// The count of 1e-9.
    pub const fn raw(self) -> i64 {
        self.0
    }
    /// From basis points given as a decimal text, `5.5`.
    pub fn parse_bps(text: &str) -> Result<Self, NumError> {
        Ok(Self(narrow(parse_fixed(text, 5, "9.2e9")?, text)?))
    }
    /// In basis points, for drawing and model costs.
    pub fn bps_lossy(self) -> f64 {
        self.0 as f64 / 1e5
    }
}

impl Neg for Rate {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Mul<Qty> for Price {
    type Output = Money;
    /// Exact: 1e-9 times 1e-9 is 1e-18, and the product of two i64 always fits.
    fn mul(self, qty: Qty) -> Money {
        Money(i128::from(self.0) * i128::from(qty.0))
    }
}
impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}
impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, i128::from(self.0), 9)
    }
}
impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, i128::from(self.0), 9)
    }
}
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, self.0, 18)
    }
}
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, i128::from(self.0), 9)
    }
}

/// Buy or sell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Towards long.
    Buy,
    /// Towards short.
    Sell,
}

impl Side {
    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
    /// `BUY` or `SELL`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        }
    }
    /// What a position of this side is called: `long` or `short`.
    pub const fn position(self) -> &'static str {
        match self {
            Self::Buy => "long",
            Self::Sell => "short",
        }
    }
    /// +1 for a buy, -1 for a sell.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_both_ways() {
        for text in ["0", "64182.5", "-0.000000001", "9223372036.854775807", "0.1"] {
            assert_eq!(Price::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Price::parse("1.100").unwrap().to_string(), "1.1");
        assert!(matches!(Price::parse("1.0000000001"), Err(NumError::Range(..))));
        assert!(matches!(Price::parse("1e5"), Err(NumError::Syntax(_))));
        assert!(matches!(Qty::parse("-1"), Err(NumError::Syntax(_))));
        assert!(Price::parse("").is_err() && Price::parse(".").is_err() && Price::parse("NaN").is_err());
    }

    #[test]
    fn fee_is_rounded_up_and_portions_lose_nothing() {
        let notional = Price::parse("64182.5").unwrap() * Qty::parse("0.012").unwrap();
        assert_eq!(notional.to_string(), "770.19");
        assert_eq!(notional.times(Rate::parse_bps("5.5").unwrap()).to_string(), "0.4236045");
        assert_eq!(Money::from_raw(1).times(Rate::from_raw(1)).raw(), 1);
        let cost = Money::from_raw(10);
        let (part, whole) = (Qty::from_raw(1), Qty::from_raw(3));
        assert_eq!(cost.portion(part, whole).raw(), 3);
    }

    #[test]
    fn precision_is_for_the_eye() {
        assert_eq!(format!("{:.2}", Money::parse("-0.001").unwrap()), "0.00");
        assert_eq!(format!("{:.2}", Money::parse("-12.345").unwrap()), "-12.35");
        assert_eq!(format!("{:.0}", Price::parse("2.5").unwrap()), "3");
    }
}
