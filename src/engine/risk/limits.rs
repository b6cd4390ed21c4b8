//! The limits a trader sets. Every limit is a number with one unit and one tighter direction; there is no "unlimited".

use serde::{Deserialize, Serialize};

use crate::engine::num::{Money, UNIT};
use crate::engine::time::Span;

/// Which limit. The order is the order shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // described by `LimitKey::help`
pub enum LimitKey {
    MaxOrderNotional,
    MaxPositionNotional,
    MaxGrossNotional,
    MaxNetNotional,
    MaxOpenOrders,
    MaxOrdersPer10s,
    MaxOrders24h,
    MaxDailyLoss,
    MaxLoss24h,
    MaxDrawdownPct,
    MaxLeverage,
    MaxSlippageBps,
    MaxDataAgeMs,
    CooldownAfterLoss,
    UnprotectedMaxMs,
}

/// What a limit's number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the words say it
pub enum LimitUnit {
    Quote,
    Count,
    Percent,
    Times,
    BasisPoints,
    Milliseconds,
    Seconds,
}

impl LimitUnit {
    /// Suffix for the screen.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Quote => " USDT",
            Self::Count => "",
            Self::Percent => " %",
            Self::Times => "x",
            Self::BasisPoints => " bp",
            Self::Milliseconds => " ms",
            Self::Seconds => " s",
        }
    }
}

struct LimitSpec {
    key: LimitKey,
    name: &'static str,
    unit: LimitUnit,
    default: i64,
    help: &'static str,
}

const fn spec(key: LimitKey, name: &'static str, unit: LimitUnit, default: i64, help: &'static str) -> LimitSpec {
    LimitSpec { key, name, unit, default: default * UNIT, help }
}

/// One row per limit, in the order of [`LimitKey`]. Defaults fit a 10,000 USDT paper account.
const SPECS: [LimitSpec; LimitKey::COUNT] = [
    spec(LimitKey::MaxOrderNotional, "max_order_notional", LimitUnit::Quote, 500, "largest single opening order"),
    spec(
        LimitKey::MaxPositionNotional,
        "max_position_notional",
        LimitUnit::Quote,
        1000,
        "largest worst-case position per symbol",
    ),
    spec(
        LimitKey::MaxGrossNotional,
        "max_gross_notional",
        LimitUnit::Quote,
        2500,
        "sum of worst-case positions over all symbols",
    ),
    spec(
        LimitKey::MaxNetNotional,
        "max_net_notional",
        LimitUnit::Quote,
        2000,
        "worst-case longs minus shorts, either way",
    ),
    spec(LimitKey::MaxOpenOrders, "max_open_orders", LimitUnit::Count, 10, "working orders at once"),
    spec(
        LimitKey::MaxOrdersPer10s,
        "max_orders_per_10s",
        LimitUnit::Count,
        10,
        "opening orders sent in any ten seconds",
    ),
    spec(LimitKey::MaxOrders24h, "max_orders_24h", LimitUnit::Count, 500, "opening orders sent in the last 24 hours"),
    spec(LimitKey::MaxDailyLoss, "max_daily_loss", LimitUnit::Quote, 200, "loss since the trading day began; trips"),
    spec(
        LimitKey::MaxLoss24h,
        "max_loss_24h",
        LimitUnit::Quote,
        300,
        "loss against any moment of the last 24 hours; trips",
    ),
    spec(
        LimitKey::MaxDrawdownPct,
        "max_drawdown_pct",
        LimitUnit::Percent,
        3,
        "fall from the highest equity since the last reset; trips",
    ),
    spec(LimitKey::MaxLeverage, "max_leverage", LimitUnit::Times, 1, "gross worst-case notional over equity"),
    spec(
        LimitKey::MaxSlippageBps,
        "max_slippage_bps",
        LimitUnit::BasisPoints,
        10,
        "how far from mid an opening order may trade",
    ),
    spec(
        LimitKey::MaxDataAgeMs,
        "max_data_age_ms",
        LimitUnit::Milliseconds,
        3000,
        "oldest market stream that still opens",
    ),
    spec(
        LimitKey::CooldownAfterLoss,
        "cooldown_after_loss",
        LimitUnit::Seconds,
        0,
        "pause of a symbol's entries after a losing trade",
    ),
    spec(
        LimitKey::UnprotectedMaxMs,
        "unprotected_max_ms",
        LimitUnit::Milliseconds,
        3000,
        "longest time a venue position may be without its stop",
    ),
];

impl LimitKey {
    /// How many limits there are.
    pub const COUNT: usize = 15;

    /// Every limit, in the order shown.
    pub fn all() -> impl Iterator<Item = Self> {
        SPECS.iter().map(|s| s.key)
    }
    fn spec(self) -> &'static LimitSpec {
        &SPECS[self as usize]
    }
    /// Configuration key.
    pub fn name(self) -> &'static str {
        self.spec().name
    }
    /// Unit of the number.
    pub fn unit(self) -> LimitUnit {
        self.spec().unit
    }
    /// Default, in 1e-9 of the unit.
    pub fn default_value(self) -> i64 {
        self.spec().default
    }
    /// One line of help.
    pub fn help(self) -> &'static str {
        self.spec().help
    }
    /// Is `new` at least as tight as `old`? Lower is tighter for every limit but the cooldown.
    pub const fn is_tighter(self, old: i64, new: i64) -> bool {
        match self {
            Self::CooldownAfterLoss => new >= old,
            _ => new <= old,
        }
    }
    /// By configuration key.
    pub fn by_name(name: &str) -> Option<Self> {
        SPECS.iter().find(|s| s.name == name).map(|s| s.key)
    }
}

/// Why a set of limits was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitError {
    /// Negative number.
    #[error("{0} must not be negative; 0 means zero, there is no \"unlimited\"")]
    Negative(&'static str),
    /// One limit contradicts another.
    #[error("{0} ({1}) must not exceed {2} ({3})")]
    Contradiction(&'static str, String, &'static str, String),
}

/// A consistent set of limits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RiskLimits {
    values: [i64; LimitKey::COUNT],
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self { values: SPECS.each_ref().map(|s| s.default) }
    }
}

impl RiskLimits {
    /// Checks every value and the rules across them.
    pub fn try_new(values: [i64; LimitKey::COUNT]) -> Result<Self, LimitError> {
        let limits = Self { values };
        for key in LimitKey::all() {
            if limits.get(key) < 0 {
                return Err(LimitError::Negative(key.name()));
            }
        }
        limits.ordered(LimitKey::MaxOrderNotional, LimitKey::MaxPositionNotional)?;
        limits.ordered(LimitKey::MaxPositionNotional, LimitKey::MaxGrossNotional)?;
        limits.ordered(LimitKey::MaxNetNotional, LimitKey::MaxGrossNotional)?;
        Ok(limits)
    }

    fn ordered(&self, low: LimitKey, high: LimitKey) -> Result<(), LimitError> {
        if self.get(low) <= self.get(high) {
            return Ok(());
        }
        Err(LimitError::Contradiction(low.name(), show(self.get(low)), high.name(), show(self.get(high))))
    }

    /// The same limits with one changed. Lowering never fails on the cross rules: a lower bound above is simply the
    /// one that binds.
    pub fn with(&self, key: LimitKey, value: i64) -> Result<Self, LimitError> {
        let mut values = self.values;
        values[key as usize] = value;
        if value < 0 {
            return Err(LimitError::Negative(key.name()));
        }
        if key.is_tighter(self.get(key), value) {
            return Ok(Self { values });
        }
        Self::try_new(values)
    }

    /// Raw value in 1e-9 of the limit's unit.
    pub const fn get(&self, key: LimitKey) -> i64 {
        self.values[key as usize]
    }
    /// A quote-currency limit.
    pub fn money(&self, key: LimitKey) -> Money {
        Money::from_raw(i128::from(self.get(key)) * i128::from(UNIT))
    }
    /// A count limit.
    pub const fn count(&self, key: LimitKey) -> i64 {
        self.get(key) / UNIT
    }
    /// A time limit.
    pub fn span(&self, key: LimitKey) -> Span {
        match key.unit() {
            LimitUnit::Seconds => Span(self.get(key)),
            _ => Span(self.get(key) / 1_000),
        }
    }
}

/// A limit's number as decimal text.
pub fn show(value: i64) -> String {
    crate::engine::num::Price::from_raw(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_key_order_and_defaults_are_consistent() {
        for (index, key) in LimitKey::all().enumerate() {
            assert_eq!(key as usize, index, "{}", key.name());
        }
        assert_eq!(RiskLimits::try_new(RiskLimits::default().values), Ok(RiskLimits::default()));
    }

    #[test]
    fn loosening_checks_the_cross_rules_and_tightening_never_fails() {
        let limits = RiskLimits::default();
        assert!(limits.with(LimitKey::MaxOrderNotional, 5000 * UNIT).is_err());
        assert!(limits.with(LimitKey::MaxGrossNotional, 0).is_ok());
        assert!(limits.with(LimitKey::MaxGrossNotional, -1).is_err());
        assert_eq!(limits.span(LimitKey::MaxDataAgeMs), Span::from_ms(3000));
        assert_eq!(limits.money(LimitKey::MaxDailyLoss), Money::from_units(200));
    }
}
