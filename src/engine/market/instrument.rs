//! What may be ordered: tick, step, minimums, maximums, fees and margin tiers of one instrument.

use serde::{Deserialize, Serialize};

use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::Ts;

/// How profit is settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Settled in the quote currency: the only category we trade.
    Linear,
    /// Coin-margined: book and features only, entries denied `CATEGORY_UNSUPPORTED`.
    Inverse,
}

impl Category {
    /// Word for cards, ledger and screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Inverse => "inverse",
        }
    }
}

/// One step of the margin table: up to `max_notional`, this much initial and maintenance margin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarginTier {
    /// Largest position notional of this tier.
    pub max_notional: Money,
    /// Initial margin at one times the tier's leverage cap, as a fraction of notional.
    pub initial: Rate,
    /// Maintenance margin as a fraction of notional.
    pub maintenance: Rate,
}

/// May it be traded?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstrumentStatus {
    /// Open.
    Trading,
    /// Its rules have not been heard yet, or the venue does not list it.
    Unknown,
    /// Listed, not open or not any more: pre-launch, delivering, closed.
    Halted,
}

/// Rules of one instrument.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instrument {
    /// Venue name, `BTCUSDT`.
    pub name: String,
    /// How profit is settled.
    pub category: Category,
    /// Smallest price increment.
    pub tick: Price,
    /// Smallest quantity increment.
    pub step: Qty,
    /// Smallest order quantity.
    pub min_qty: Qty,
    /// Largest limit order quantity.
    pub max_qty: Qty,
    /// Largest market order quantity.
    pub max_market_qty: Qty,
    /// Smallest order notional (orders that only reduce are exempt, as at the venue).
    pub min_notional: Money,
    /// Margin tiers, lowest first. Never empty.
    pub tiers: Vec<MarginTier>,
    /// Time between funding settlements in seconds; 0 where there is none.
    pub funding_interval_s: u32,
    /// Where the data comes from, for the screen; empty for the venue itself.
    pub source: String,
    /// May it be traded?
    pub status: InstrumentStatus,
    /// When the venue ends the contract; `None` where no end was announced.
    pub delivery: Option<Ts>,
}

impl Instrument {
    /// A linear instrument with the venue's usual tiers; `name` and increments given as decimal text.
    pub fn linear(name: &str, tick: Price, step: Qty) -> Self {
        Self {
            name: name.to_owned(),
            category: Category::Linear,
            tick,
            step,
            min_qty: step,
            max_qty: Qty::from_raw(step.raw().saturating_mul(1_000_000)),
            max_market_qty: Qty::from_raw(step.raw().saturating_mul(100_000)),
            min_notional: Money::from_units(5),
            tiers: vec![
                MarginTier {
                    max_notional: Money::from_units(2_000_000),
                    initial: Rate::from_raw(10_000_000),
                    maintenance: Rate::from_raw(5_000_000),
                },
                MarginTier {
                    max_notional: Money::from_units(10_000_000),
                    initial: Rate::from_raw(20_000_000),
                    maintenance: Rate::from_raw(10_000_000),
                },
                MarginTier {
                    max_notional: Money::MAX,
                    initial: Rate::from_raw(100_000_000),
                    maintenance: Rate::from_raw(50_000_000),
                },
            ],
            funding_interval_s: 28_800,
            source: String::new(),
            status: InstrumentStatus::Trading,
            delivery: None,
        }
    }

    /// An instrument whose rules are not known yet: it can be shown and not traded.
    pub fn unknown(name: &str) -> Self {
        let (tick, step) = (Price::from_raw(10_000_000), Qty::from_raw(1_000_000));
        Self { status: InstrumentStatus::Unknown, ..Self::linear(name, tick, step) }
    }

    /// Largest tick at or below `price`.
    pub fn tick_down(&self, price: Price) -> Price {
        let tick = self.tick.raw().max(1);
        Price::from_raw(price.raw() - price.raw().rem_euclid(tick))
    }
    /// Smallest tick at or above `price`.
    pub fn tick_up(&self, price: Price) -> Price {
        let tick = self.tick.raw().max(1);
        let rest = price.raw().rem_euclid(tick);
        if rest == 0 { price } else { Price::from_raw(price.raw().saturating_add(tick - rest)) }
    }
    /// The worse tick for someone trading on `side`: up for a buy, down for a sell.
    pub fn tick_away(&self, side: Side, price: Price) -> Price {
        match side {
            Side::Buy => self.tick_up(price),
            Side::Sell => self.tick_down(price),
        }
    }
    /// Decimals needed to write a price of this instrument.
    pub fn price_decimals(&self) -> usize {
        decimals(self.tick.raw())
    }
    /// Decimals needed to write a quantity of this instrument.
    pub fn qty_decimals(&self) -> usize {
        decimals(self.step.raw())
    }
    /// The margin tier for a position of this notional.
    pub fn tier(&self, notional: Money) -> MarginTier {
        let last = MarginTier {
            max_notional: Money::MAX,
            initial: Rate::from_raw(1_000_000_000),
            maintenance: Rate::from_raw(500_000_000),
        };
        self.tiers.iter().copied().find(|t| notional <= t.max_notional).unwrap_or(last)
    }
}

/// Decimals needed to write a number of 1e-9.
pub fn decimals(raw: i64) -> usize {
    let mut raw = raw.max(1);
    let mut places: usize = 9;
    while places > 0 && raw % 10 == 0 {
        raw /= 10;
        places -= 1;
    }
    places
}
