//! Strategy, model and arming settings as the engine needs them: plain data, taped with the run.

use serde::{Deserialize, Serialize};

use super::event::HorizonForecast;
use super::num::{Money, Rate, Side};
use super::strategy::drill::Drill;
use super::time::Span;

/// What the engine is told by configuration. Limits are separate: they can be changed while running.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Time between decisions per instrument.
    pub decision_interval: Span,
    /// Refuse entries whose expected move does not beat their cost. Off only in the practice profile.
    pub edge_gate: bool,
    /// Expected edge after costs that an entry needs, in basis points.
    pub min_edge_bps: f64,
    /// Oldest prediction that may open.
    pub prediction_max_age: Span,
    /// How the models that decide are heard together.
    pub ensemble: Ensemble,
    /// Taker fee.
    pub taker_fee: Rate,
    /// Maker fee.
    pub maker_fee: Rate,
    /// Strategy by registry name.
    pub strategy: String,
    /// Notional of one entry in quote currency.
    pub entry_notional: Money,
    /// Horizon in seconds that the strategy trades on.
    pub horizon_s: u32,
    /// Rest at the best price (true) or take (false) when entering.
    pub passive_entry: bool,
    /// May what is wanted anyway wait for a better moment?
    pub execution: Execution,
    /// Probability of its direction that an entry needs, also with the edge gate off.
    pub min_prob: f64,
    /// The signal must point the same way for this long before an entry.
    pub confirm: Span,
    /// Longest holding time.
    pub max_hold: Span,
    /// Distance from entry at which this program leaves at a loss; zero means none.
    pub stop: Rate,
    /// Distance at which it leaves with a profit; zero means none.
    pub take_profit: Rate,
    /// What protects a position at the venue; the two above are what this program itself does.
    pub protect: Protect,
    /// Models by name that are asked and scored, and never acted upon.
    pub shadow: Vec<String>,
    /// Enter on closed forecasts only: those at the end of a span of the horizon's length. Forming ones may be gone by then.
    pub close_only: bool,
    /// Trade by the clock in place of the strategy: for measurements on tapes.
    pub drill: Option<Drill>,
    /// What a loss trip does to open positions.
    pub on_loss_trip: OnLossTrip,
    /// Start of the trading day, after midnight UTC.
    pub day_starts_at: Span,
    /// Arming lapses after this long, unless asked otherwise.
    pub arm_for: Span,
    /// Is arming resumed after a restart inside its time? Never with real money.
    pub resume: bool,
    /// Arming lapses without any key for this long; zero means never.
    pub deadman: Span,
    /// An order decided longer ago than this is not sent.
    pub intent_ttl: Span,
    /// One-way latency of the paper venue; what-if replay uses the same.
    pub paper_latency: Span,
    /// The tail of the account that whatever loosens must name ([`Ceremony`](super::ceremony::Ceremony)); `None` where a
    /// plain command is enough.
    pub tail: Option<String>,
    /// Our balance and the venue's may differ by this much: the venue rounds in its own way. Zero for paper.
    pub balance_tolerance: Money,
}

impl Settings {
    /// Is a model of this name never acted upon?
    pub fn is_shadow(&self, model: &str) -> bool {
        self.shadow.iter().any(|name| name == model)
    }

    /// The side of a forecast that is probable enough to act on.
    pub fn call(&self, said: &HorizonForecast) -> Option<Side> {
        let side = if said.up >= said.down { Side::Buy } else { Side::Sell };
        (f64::from(said.up.max(said.down)) >= self.min_prob).then_some(side)
    }
}

/// How the models that decide are heard together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ensemble {
    /// The mean of those that are believed.
    #[default]
    Mean,
    /// Their mean, and only while every one of them is believed and favours the same side.
    Agree,
}

/// How trades that are wanted anyway are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Execution {
    /// At once.
    #[default]
    Now,
    /// Within five seconds, by the nearest forecast ([`execution`](super::execution)).
    Timed,
}

/// Protection at the venue: it works when this program, this machine or the way to the venue does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Protect {
    /// Distance of the stop from entry; zero means none.
    pub stop: Rate,
    /// Distance of the take-profit from entry; zero means none.
    pub take_profit: Rate,
    /// An entry that carries no stop is refused.
    pub required: bool,
}

/// What a loss trip does to open positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLossTrip {
    /// Close everything, proven.
    Flatten,
    /// Keep positions; nothing new opens.
    Hold,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            decision_interval: Span::from_ms(1000),
            edge_gate: true,
            min_edge_bps: 0.5,
            prediction_max_age: Span::from_ms(2000),
            ensemble: Ensemble::Mean,
            taker_fee: Rate::from_raw(550_000),
            maker_fee: Rate::from_raw(200_000),
            strategy: "threshold".to_owned(),
            entry_notional: Money::from_units(300),
            horizon_s: 10,
            passive_entry: false,
            execution: Execution::Now,
            min_prob: 0.5,
            confirm: Span::from_ms(0),
            max_hold: Span::from_secs(60),
            stop: Rate::from_raw(3_000_000),
            take_profit: Rate::from_raw(4_000_000),
            protect: Protect { stop: Rate::from_raw(10_000_000), take_profit: Rate::ZERO, required: true },
            shadow: Vec::new(),
            close_only: false,
            drill: None,
            on_loss_trip: OnLossTrip::Flatten,
            day_starts_at: Span(0),
            arm_for: Span::from_secs(900),
            resume: false,
            deadman: Span(0),
            intent_ttl: Span::from_ms(500),
            paper_latency: Span::from_ms(120),
            tail: None,
            balance_tolerance: Money::ZERO,
        }
    }
}
