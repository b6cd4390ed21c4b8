//! Every refusal is a value with a name: `CATEGORY_CONDITION: k=v`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why the gate said no to an opening order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Denial {
    /// Typed code.
    pub code: DenialCode,
    /// The numbers, `k=v` pairs separated by blanks; may be empty.
    pub detail: String,
}

/// The codes. The text form is a contract, in JSON too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // described by `DenialCode::help`
pub enum DenialCode {
    StateKilled,
    StateTripped,
    StateDisarmed,
    StateReducing,
    StateFlattening,
    StateReleased,
    BookMissing,
    BookGapped,
    DataStale,
    DataMarkMissing,
    CategoryUnsupported,
    PredictionMissing,
    PredictionStale,
    ModelBenched,
    ModelOutOfRange,
    ModelsDisagree,
    SignalFlat,
    SignalUnconfirmed,
    SignalForming,
    EdgeTooSmall,
    BookTooThin,
    SlippageTooLarge,
    OrderBelowMinimum,
    OrderAboveMaximum,
    LimitOrderNotional,
    LimitPositionNotional,
    LimitGrossNotional,
    LimitNetNotional,
    LimitOpenOrders,
    LimitOrderRate,
    #[serde(rename = "LIMIT_ORDERS_24H")]
    LimitOrders24h,
    LimitDailyLoss,
    LimitLeverage,
    MarginInsufficient,
    CooldownActive,
    EquityUnknown,
    InstrumentUnknown,
    InstrumentNotTrading,
    PriceOutsideBand,
    PositionModeHedge,
    // What a person must act upon comes before what it leads to: reasons are shown in this order.
    VenueKeyRefused,
    VenueBanned,
    WatchdogSilent,
    VenueUnreachable,
    VenueMaintenance,
    VenueDelisting,
    VenueRefused,
    ClockSkew,
    StopMissing,
    StopAtOnce,
    StopBeyondLiquidation,
}

impl DenialCode {
    /// Every code with its text and one line of help, in the order of the enum.
    pub const TABLE: &[(Self, &'static str, &'static str)] = &[
        (Self::StateKilled, "STATE_KILLED", "killed: reset first"),
        (Self::StateTripped, "STATE_TRIPPED", "tripped: reset first"),
        (Self::StateDisarmed, "STATE_DISARMED", "the autotrader is not armed"),
        (Self::StateReducing, "STATE_REDUCING", "only reducing orders until the cause ends"),
        (Self::StateFlattening, "STATE_FLATTENING", "a flatten is not resolved yet"),
        (Self::StateReleased, "STATE_RELEASED", "the position belongs to the person"),
        (Self::BookMissing, "BOOK_MISSING", "no order book for this instrument"),
        (Self::BookGapped, "BOOK_GAPPED", "the order book lost a delta and waits for a snapshot"),
        (Self::DataStale, "DATA_STALE", "the market stream is silent for too long"),
        (Self::DataMarkMissing, "DATA_MARK_MISSING", "no price to value the position with"),
        (Self::CategoryUnsupported, "CATEGORY_UNSUPPORTED", "only linear instruments are traded"),
        (Self::PredictionMissing, "PREDICTION_MISSING", "no model has an answer"),
        (Self::PredictionStale, "PREDICTION_STALE", "the last prediction is too old"),
        (Self::ModelBenched, "MODEL_BENCHED", "its answers were worse than its card promised"),
        (Self::ModelOutOfRange, "MODEL_OUT_OF_RANGE", "the market is unlike the one the model was trained on"),
        (
            Self::ModelsDisagree,
            "MODELS_DISAGREE",
            "not every model is believed and favours the same side (model.ensemble)",
        ),
        (Self::SignalFlat, "SIGNAL_FLAT", "no direction is probable enough"),
        (Self::SignalUnconfirmed, "SIGNAL_UNCONFIRMED", "the direction has not held long enough"),
        (Self::SignalForming, "SIGNAL_FORMING", "the forecast's span has not closed yet (close_only)"),
        (Self::EdgeTooSmall, "EDGE_TOO_SMALL", "the expected move does not pay its cost"),
        (Self::BookTooThin, "BOOK_TOO_THIN", "the displayed depth cannot fill this size"),
        (Self::SlippageTooLarge, "SLIPPAGE_TOO_LARGE", "filling this size would move too far from mid"),
        (Self::OrderBelowMinimum, "ORDER_BELOW_MINIMUM", "smaller than the venue's minimum"),
        (Self::OrderAboveMaximum, "ORDER_ABOVE_MAXIMUM", "larger than the venue's maximum"),
        (Self::LimitOrderNotional, "LIMIT_ORDER_NOTIONAL", "above max_order_notional"),
        (Self::LimitPositionNotional, "LIMIT_POSITION_NOTIONAL", "above max_position_notional"),
        (Self::LimitGrossNotional, "LIMIT_GROSS_NOTIONAL", "above max_gross_notional"),
        (Self::LimitNetNotional, "LIMIT_NET_NOTIONAL", "above max_net_notional"),
        (Self::LimitOpenOrders, "LIMIT_OPEN_ORDERS", "above max_open_orders"),
        (Self::LimitOrderRate, "LIMIT_ORDER_RATE", "above max_orders_per_10s"),
        (Self::LimitOrders24h, "LIMIT_ORDERS_24H", "above max_orders_24h"),
        (Self::LimitDailyLoss, "LIMIT_DAILY_LOSS", "the day's loss limit was reached"),
        (Self::LimitLeverage, "LIMIT_LEVERAGE", "above max_leverage"),
        (Self::MarginInsufficient, "MARGIN_INSUFFICIENT", "not enough free margin"),
        (Self::CooldownActive, "COOLDOWN_ACTIVE", "pausing after a loss"),
        (Self::EquityUnknown, "EQUITY_UNKNOWN", "equity cannot be computed"),
        (Self::InstrumentUnknown, "INSTRUMENT_UNKNOWN", "the venue has not said its rules yet, or does not list it"),
        (Self::InstrumentNotTrading, "INSTRUMENT_NOT_TRADING", "not open for trading, or about to be delisted"),
        (Self::PriceOutsideBand, "PRICE_OUTSIDE_BAND", "the venue would re-price or refuse an order at this price"),
        (Self::PositionModeHedge, "POSITION_MODE_HEDGE", "the symbol is in hedge mode; only one-way mode is traded"),
        (Self::VenueKeyRefused, "VENUE_KEY_REFUSED", "the venue refuses the key or its permissions"),
        (Self::VenueBanned, "VENUE_BANNED", "the venue refuses this address for some minutes"),
        (Self::WatchdogSilent, "WATCHDOG_SILENT", "the watchdog does not answer, or does not reach the account"),
        (Self::VenueUnreachable, "VENUE_UNREACHABLE", "the account's streams or requests do not get through"),
        (Self::VenueMaintenance, "VENUE_MAINTENANCE", "the venue announced or began maintenance"),
        (Self::VenueDelisting, "VENUE_DELISTING", "the venue announced the end of this contract"),
        (Self::VenueRefused, "VENUE_REFUSED", "the venue does not let this account open here"),
        (Self::ClockSkew, "CLOCK_SKEW", "this machine's clock is too far from the venue's"),
        (Self::StopMissing, "STOP_MISSING", "an entry must carry its stop ([protect] stop_bps)"),
        (Self::StopAtOnce, "STOP_AT_ONCE", "the stop or take-profit at the venue would trigger at once"),
        (Self::StopBeyondLiquidation, "STOP_BEYOND_LIQUIDATION", "the position would be liquidated before its stop"),
    ];

    /// The text form.
    pub fn text(self) -> &'static str {
        Self::TABLE[self as usize].1
    }
    /// Can asking the venue once more end it?
    pub const fn may_be_retried(self) -> bool {
        matches!(self, Self::VenueBanned | Self::VenueKeyRefused)
    }
    /// One line of help.
    pub fn help(self) -> &'static str {
        Self::TABLE[self as usize].2
    }
}

impl Denial {
    /// A denial without numbers.
    pub const fn bare(code: DenialCode) -> Self {
        Self { code, detail: String::new() }
    }
    /// Of two reasons why no model's answer counts, the one that says more: not believed before stale before missing, and of
    /// the same the one with numbers.
    #[must_use]
    pub fn weightier(self, other: Self) -> Self {
        let says_more = other.code == self.code && self.detail.is_empty();
        if other.code > self.code || says_more { other } else { self }
    }
    /// A denial with its numbers.
    pub fn with(code: DenialCode, detail: String) -> Self {
        Self { code, detail }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            f.write_str(self.code.text())
        } else {
            write!(f, "{}: {}", self.code.text(), self.detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_enum_order_with_unique_texts() {
        for (index, (code, text, help)) in DenialCode::TABLE.iter().enumerate() {
            assert_eq!(*code as usize, index, "{text}");
            assert!(!help.is_empty());
            assert_eq!(serde_json::to_value(code).unwrap(), *text);
            assert!(DenialCode::TABLE.iter().filter(|row| row.1 == *text).count() == 1);
        }
    }
}
