//! Everything a viewer may see: plain data, built on demand. The cockpit is a function of this and of its own UI state.
//!
//! A value the engine does not know is `None` or `Missing`, never zero.

use serde::{Deserialize, Serialize};

use super::account::TieOut;
use super::danger::DangerRow;
use super::event::{ModelInfo, Outsider, Reach};
use super::execution::Plan;
use super::ids::{OrderSeq, Pair, Symbol};
use super::market::book::{BookState, Level};
use super::notice::Notice;
use super::num::{Money, Price, Qty, Rate, Side};
use super::risk::limits::LimitKey;
use super::risk::state::Latch;
use super::risk::verdict::Denial;
use super::time::{Span, Ts};
use super::trust::repaint::Steadiness;
use super::trust::score::Figures;
use super::why::{Why, WhyOf};

/// A value with its truthfulness.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, Default)]
pub enum Freshness<T> {
    /// Never known, or unknowable now.
    #[default]
    Missing,
    /// As of now.
    Fresh(T),
    /// Last known, this old: shown dimmed with its age, never acted upon.
    Stale {
        /// Last known value.
        value: T,
        /// How old.
        age: Span,
    },
}

impl<T> Freshness<T> {
    /// The value, fresh or stale.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Missing => None,
            Self::Fresh(value) | Self::Stale { value, .. } => Some(value),
        }
    }
    /// The value only when it may be acted upon.
    pub const fn fresh(&self) -> Option<&T> {
        match self {
            Self::Fresh(value) => Some(value),
            _ => None,
        }
    }
}

/// What a viewer wants to see in detail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Instrument in front.
    pub symbol: Symbol,
    /// Candle length of the chart.
    pub candle: CandleLength,
    /// Depth rows wanted per side.
    pub depth: u16,
    /// The decision whose whole chain is wanted.
    #[serde(default)]
    pub why: Option<WhyOf>,
}

impl Default for View {
    fn default() -> Self {
        Self { symbol: Symbol(0), candle: CandleLength::OneSecond, depth: 25, why: None }
    }
}

/// Candle lengths the engine keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CandleLength {
    /// 1 s.
    OneSecond,
    /// 1 m.
    OneMinute,
    /// 5 m.
    FiveMinutes,
}

impl CandleLength {
    /// Every length, shortest first.
    pub const ALL: [Self; 3] = [Self::OneSecond, Self::OneMinute, Self::FiveMinutes];
    /// Length in time.
    pub const fn span(self) -> Span {
        match self {
            Self::OneSecond => Span::from_secs(1),
            Self::OneMinute => Span::from_secs(60),
            Self::FiveMinutes => Span::from_secs(300),
        }
    }
    /// `1s`, `1m`, `5m`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OneSecond => "1s",
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
        }
    }
}

/// The whole picture at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Rises with every snapshot of a run.
    pub version: u64,
    /// Event time of the engine.
    pub at: Ts,
    /// Market, account, labels.
    pub session: SessionView,
    /// May it trade, and if not why not.
    pub state: StateView,
    /// Money.
    pub account: AccountView,
    /// One row per instrument.
    pub markets: Vec<MarketRow>,
    /// The instrument in front.
    pub focus: Option<FocusView>,
    /// The chain that the viewer asked for, where it is kept.
    #[serde(default)]
    pub why: Option<Why>,
    /// One row per instrument and model at the horizon that is traded on: which are believed.
    #[serde(default)]
    pub trust: Vec<TrustRow>,
    /// One row per instrument, model and horizon of the instrument in front, ensemble last.
    pub signals: Vec<SignalRow>,
    /// Open positions.
    pub positions: Vec<PositionRow>,
    /// What others have in instruments outside the run.
    #[serde(default)]
    pub outside: Vec<OutsideRow>,
    /// What can hurt from outside: the instrument in front, open positions, the account; worst first.
    pub danger: Vec<DangerRow>,
    /// Working orders, newest first, then the last few ended ones.
    pub orders: Vec<OrderRow>,
    /// Every limit with its use.
    pub limits: Vec<LimitRow>,
    /// Recent events, oldest first, at most [`NOTICES_MAX`].
    pub notices: Vec<Notice>,
    /// The newest of the loudest and weightiest warnings and alarms that are not acknowledged.
    pub pending_notice: Option<Notice>,
    /// How many more wait behind it.
    pub more_pending: usize,
    /// Engine, feed, model and disk health.
    pub health: HealthView,
    /// The paper venue beside a real account; filled in by the run.
    pub shadow: Option<ShadowView>,
}

/// Something of others in an instrument outside the run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutsideRow {
    /// What it is.
    pub what: Outsider,
    /// A person has armed beside it.
    pub seen: bool,
    /// It is being closed or cancelled.
    pub busy: bool,
}

/// How far an account at the venue and the paper venue beside it differ on the same orders.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct ShadowView {
    /// Orders that both had.
    pub orders: u32,
    /// Part of them that filled at the venue, 0 to 1; `None` before the first order.
    pub filled_here: Option<f64>,
    /// The same on paper.
    pub filled_paper: Option<f64>,
    /// How much worse the venue's fills were than those on paper, in basis points, where both filled.
    pub worse_bps: Option<f64>,
    /// What paper made of them: balance and open positions, after fees.
    pub paper_pnl: Money,
}

/// Events kept for the screen: an hour of a busy session, a few hundred kilobytes.
pub const NOTICES_MAX: usize = 500;

/// What this run is. Filled in by the run, not by the engine, except `pair`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SessionView {
    /// Market and account.
    pub pair: Pair,
    /// Run id.
    pub run: String,
    /// Short description of the market: `weather calm · seed 7`, `replay btc.tape 4x (what-if)`.
    pub market_label: String,
    /// The account's tail, where whatever loosens takes it typed: real money.
    pub tail: Option<String>,
    /// The edge gate is off: the banner says `PRACTICE: edge gate off`.
    pub practice: bool,
    /// Replay position and length, playback speed; `None` outside replay.
    pub playback: Option<Playback>,
    /// Simulated weather word, `None` outside the simulated market.
    pub weather: Option<String>,
    /// The venue is a simulator on this machine: the banner says `SIM`, whatever the account.
    pub simulated_venue: bool,
    /// Armed with nobody at a cockpit, or for long: the banner says `UNATTENDED`.
    pub unattended: bool,
    /// How often the bell was rung for whoever sits at a cockpit.
    pub bell: u64,
}

/// Where a replay is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Playback {
    /// Part played, 0 to 1.
    pub done: f64,
    /// Speed; 0 is paused.
    pub speed: f64,
    /// `what-if` or `audit`.
    pub kind: String,
    /// The tape is at its end.
    pub ended: bool,
}

/// The trading state and everything that explains it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StateView {
    /// The word for the banner.
    pub word: StateWord,
    /// When arming lapses, while armed.
    pub armed_until: Option<Ts>,
    /// The latch, while killed or tripped.
    pub latch: Option<Latch>,
    /// Why only reducing orders pass.
    pub reducing: Vec<Reduction>,
    /// Positions that are being exited while disarmed: banner `DISARMED · exiting 2`.
    pub exiting: u16,
    /// Open positions.
    pub open: u16,
    /// Instruments in which the venue shows another position than our books, with both: not ours, or not booked yet.
    #[serde(default)]
    pub unresolved: Vec<String>,
    /// A close loop (flatten or kill, second step) is running.
    pub closing: bool,
    /// When flat was proven after a kill or flatten.
    pub flat_proven: Option<Ts>,
    /// Steps of the running or last close loop, for the KILLED layer.
    pub receipt: Vec<String>,
    /// What the guardian did beside the engine; filled in by the edge.
    #[serde(default)]
    pub guardian: Vec<String>,
    /// Pre-flight checks for arming, in the order shown.
    pub preflight: Vec<Check>,
    /// Arming stays refused for this reason although no latch is set.
    pub arming_refused: Option<String>,
    /// How long arming lasts when asked now.
    pub arm_for: Span,
    /// Longest holding time: an exit of its own, where exits run.
    pub max_hold: Span,
    /// Why no other account may take over now.
    pub stays: Option<String>,
}

/// One reason why only reducing orders pass.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reduction {
    /// Venue name of the instrument; `None` concerns everything.
    pub name: Option<String>,
    /// In plain words.
    pub why: String,
}

/// The states of the banner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StateWord {
    /// Disarmed.
    Safe,
    /// Armed.
    Armed,
    /// Armed or not, only reducing orders pass.
    Reducing,
    /// A loss limit or a fault latched.
    Tripped,
    /// A person latched.
    Killed,
    /// An account input is missing.
    Unknown,
}

impl StateWord {
    /// As the banner begins.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Safe => "SAFE",
            Self::Armed => "ARMED",
            Self::Reducing => "REDUCING",
            Self::Tripped => "TRIPPED",
            Self::Killed => "KILLED",
            Self::Unknown => "UNKNOWN",
        }
    }
    /// May a limit be raised? It takes a disarmed trader without a latch.
    ///
    /// # Errors
    /// What is in the way, for the person.
    pub const fn may_loosen(self, armed: bool, latched: bool) -> Result<(), &'static str> {
        match self {
            Self::Safe => Ok(()),
            // Lowered below what is used while disarmed: taking that back must be possible.
            Self::Reducing if !armed && !latched => Ok(()),
            Self::Armed | Self::Reducing => Err("looser only while disarmed: d first"),
            Self::Killed | Self::Tripped => Err("looser only in SAFE: reset the latch first"),
            Self::Unknown => Err("looser only in SAFE: the account is not known now"),
        }
    }
}

/// One light of a checklist.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// ok / warn / fail.
    pub health: Health,
    /// The numbers.
    pub detail: String,
}

/// ok / warn / fail / skip.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the words say it
pub enum Health {
    Ok,
    Warn,
    Fail,
    Skip,
}

/// Money of the account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountView {
    /// Wallet balance plus unrealised PnL; `None` when a position cannot be valued.
    pub equity: Option<Money>,
    /// Wallet balance.
    pub balance: Money,
    /// Equity since the trading day began.
    pub day_pnl: Option<Money>,
    /// The same in percent of the day's first equity.
    pub day_pnl_pct: Option<f64>,
    /// Fall from the high-water mark in percent.
    pub drawdown_pct: Option<f64>,
    /// Highest equity since the last reset.
    pub high_water: Money,
    /// What the person and others made in this run, after fees and funding; in equity, in no other figure here. `None`
    /// where they traded nothing.
    #[serde(default)]
    pub theirs: Option<Money>,
    /// Realised PnL of this run before fees and funding.
    pub realised: Money,
    /// Unrealised PnL of open positions.
    pub unrealised: Option<Money>,
    /// Fees paid in this run.
    pub fees: Money,
    /// Funding received (paid, when negative) in this run.
    pub funding: Money,
    /// What the venue's log of transactions has more of realised, fees and funding.
    pub tie_out: TieOut,
    /// Initial margin in use.
    pub margin_used: Money,
    /// Closed trades of this run.
    pub trades: u32,
    /// Of them, with a profit after fees.
    pub wins: u32,
    /// Sum of winning trades after fees.
    pub gross_profit: Money,
    /// Sum of losing trades after fees, positive.
    pub gross_loss: Money,
    /// Equity over time, oldest first, at most [`CURVE_MAX`] points.
    pub curve: Vec<(Ts, f64)>,
}

/// Points of the PnL curve.
pub const CURVE_MAX: usize = 600;

/// One line of the markets table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MarketRow {
    /// Instrument.
    pub symbol: Symbol,
    /// Venue name.
    pub name: String,
    /// Decimals of its prices.
    pub price_decimals: u8,
    /// Decimals of its quantities.
    pub qty_decimals: u8,
    /// Last trade price (mid where nothing traded yet).
    pub last: Freshness<Price>,
    /// Last change of direction: +1 up, -1 down, 0 none, for the arrow beside the price.
    pub direction: i8,
    /// Change in percent since 24 h ago or since the run began.
    pub change_pct: Option<f64>,
    /// Is `change_pct` over 24 h (true) or since the run began (false)?
    pub change_is_24h: bool,
    /// Recent prices for a sparkline, oldest first, at most 60, one per second or minute.
    pub spark: Vec<f64>,
    /// Spread in basis points.
    pub spread_bps: Option<f64>,
    /// Imbalance of the best level, -1 to 1.
    pub imbalance: Option<f64>,
    /// Whether the book may be read.
    pub book: BookState,
    /// Age of the stream.
    pub age: Option<Span>,
    /// Probabilities up / flat / down at the strategy's horizon.
    pub probs: Option<(f32, f32, f32)>,
    /// Best side's expected move minus its cost, in basis points.
    pub edge_bps: Option<f64>,
    /// Signed position in raw [`Qty`] units.
    pub position: i64,
    /// Unrealised PnL.
    pub unrealised: Option<Money>,
    /// Why it does or does not trade now.
    pub verdict: Verdict,
    /// What a trade that waits does, and for how much longer at most.
    pub timed: Option<(Plan, Span)>,
    /// Until its features have seen enough history for a signal; `None` when they have, or where there is no model.
    pub warming: Option<Span>,
}

/// The answer to "why did it not trade?".
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// No decision yet.
    Waiting,
    /// Nothing wanted.
    Flat,
    /// An entry was sent.
    Entering(Side),
    /// A position is held.
    Holding(Side),
    /// A position is being closed.
    Exiting(Side),
    /// An entry on this side was wanted and denied.
    Denied(Side, Denial),
    /// No side was wanted, for this reason.
    Quiet(Denial),
}

/// The instrument in front.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FocusView {
    /// Instrument.
    pub symbol: Symbol,
    /// Its rules, for the screen.
    pub category: String,
    /// Bids, best first.
    pub bids: Vec<Level>,
    /// Asks, best first.
    pub asks: Vec<Level>,
    /// Candle length.
    pub candle: CandleLength,
    /// Candles, oldest first, the last one forming.
    pub candles: Vec<CandleView>,
    /// Marks to draw on the chart.
    pub marks: Vec<ChartMark>,
    /// Recent trades, newest first.
    pub trades: Vec<TradeView>,
    /// Mark price and where it comes from.
    pub mark: Freshness<Price>,
    /// Funding rate and when it settles.
    pub funding: Option<(Rate, Option<Ts>)>,
    /// Feature values of the last frame: name, value, warm.
    pub features: Vec<(String, f32, bool)>,
}

/// One candle.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the words say it
pub struct CandleView {
    pub start: Ts,
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
    pub volume: f64,
}

/// A mark on the chart.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct ChartMark {
    /// When.
    pub at: Ts,
    /// At which price.
    pub price: Price,
    /// What.
    pub kind: MarkKind,
}

/// Kinds of chart marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MarkKind {
    /// The signal turned to this side.
    Signal(Side),
    /// A fill of ours.
    Fill(Side),
    /// A wanted entry was denied.
    Vetoed(Side),
}

/// One public trade.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the words say it
pub struct TradeView {
    pub at: Ts,
    pub price: Price,
    pub qty: Qty,
    pub taker: Side,
}

/// One line of the signals pane.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SignalRow {
    /// Instrument.
    pub symbol: Symbol,
    /// Model name, or `ensemble`.
    pub model: String,
    /// Horizon in seconds.
    pub horizon_s: u32,
    /// Up / flat / down.
    pub probs: Freshness<(f32, f32, f32)>,
    /// Expected mid move in basis points.
    pub move_bps: Option<f64>,
    /// Best side's expected move minus its cost.
    pub edge_bps: Option<f64>,
    /// Cost of entering and leaving in basis points.
    pub cost_bps: Option<f64>,
    /// Age of the features behind it.
    pub age: Option<Span>,
    /// The strategy acts on this row.
    pub decides: bool,
    /// Never acted upon.
    pub shadow: bool,
    /// `LONG 0.61>0.55`, `flat`, `edge gate: 0.8 bp < 11.6 bp`, `BENCHED hit=0.480 ...`.
    pub verdict: String,
    /// What is known about these answers; `None` of the ensemble, whose parts have their own.
    #[serde(default)]
    pub record: Option<Record>,
}

/// What is known about a model's answers on one instrument at one horizon.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// How they turned out, and what was promised.
    pub figures: Figures,
    /// What fell short, while they are not believed for it.
    pub benched: Option<String>,
    /// How far the market has drifted from training; `None` where that is not known.
    pub drift: Option<f64>,
    /// Why the market is another one than training's, while it is.
    pub strange: Option<String>,
    /// How the calls change while their horizon runs.
    pub steadiness: Steadiness,
}

/// A model on one instrument at the horizon that is traded on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrustRow {
    /// Instrument.
    pub symbol: Symbol,
    /// Model.
    pub model: String,
    /// Its place in the run.
    pub place: u8,
    /// Horizon in seconds.
    pub horizon_s: u32,
    /// What is known.
    pub record: Record,
}

/// One line of the positions pane.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PositionRow {
    /// Instrument.
    pub symbol: Symbol,
    /// Venue name.
    pub name: String,
    /// Long or short.
    pub side: Side,
    /// Size.
    pub qty: Qty,
    /// Average entry price.
    pub entry: Price,
    /// Price it is valued at.
    pub mark: Freshness<Price>,
    /// Unrealised PnL.
    pub unrealised: Option<Money>,
    /// Notional at mark.
    pub notional: Option<Money>,
    /// Stop price, where one is set.
    pub stop: Option<Price>,
    /// Take-profit price, where one is set.
    pub take_profit: Option<Price>,
    /// Liquidation price: the venue's figure, for the paper account our own estimate. `None` too where no price does it.
    pub liquidation: Option<Price>,
    /// How long held.
    pub age: Span,
    /// Released to the person.
    pub released: bool,
    /// Estimated cost of closing now (half spread, walk and fee).
    pub close_cost: Option<Money>,
    /// Unconfirmed by the venue: shown with `?`.
    pub believed: bool,
    /// What protects it at the venue.
    pub protected: Protected,
}

/// What protects a position at the venue, whatever becomes of this program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Protected {
    /// None is configured, and none is there.
    Unwanted,
    /// The venue has not said.
    Unknown,
    /// Nothing: an alarm.
    None,
    /// Nothing, and that is the person's choice.
    Yours,
    /// A stop at this price.
    Stop(Price),
    /// A stop at this price, much farther away than it was set, or beyond liquidation: an alarm. It is never moved by itself.
    Far(Price),
}

/// One line of the orders pane.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderRow {
    /// Our number.
    pub order: OrderSeq,
    /// Order link id; the venue's own id of a protective order, which has none of ours.
    pub link_id: String,
    /// Instrument name.
    pub name: String,
    /// Instrument.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Quantity.
    pub qty: Qty,
    /// Filled so far.
    pub filled: Qty,
    /// Limit price.
    pub price: Price,
    /// Purpose word.
    pub purpose: String,
    /// State word: `intent`, `sent`, `live`, `cancelling`, `filled`, `cancelled`, `rejected`, `unknown`; `@venue` of a
    /// protective order that waits there, `theirs` of an order of somebody else.
    pub state: String,
    /// Still working?
    pub working: bool,
    /// Another order at the venue has its id: a person may settle it.
    #[serde(default)]
    pub contested: bool,
    /// Protective: cancelling it asks.
    pub protective: bool,
    /// Of somebody else, with what it can do to a position: cancelling it asks. `None` for an order of ours.
    #[serde(default)]
    pub foreign: Option<Reach>,
    /// Age; `None` of a protective order at the venue, which does not say since when it waits.
    pub age: Option<Span>,
    /// Reason of a rejection or cancel.
    pub reason: String,
}

impl OrderRow {
    /// Does it work, and for us?
    pub const fn ours_works(&self) -> bool {
        self.working && self.foreign.is_none()
    }
}

/// One limit with its use.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LimitRow {
    /// Which.
    pub key: LimitKey,
    /// Limit value, 1e-9 of its unit.
    pub value: i64,
    /// Used now, in the limit's unit, where it can be measured.
    pub used: Option<f64>,
    /// `used / value`, 0 to 1 and beyond.
    pub utilisation: Option<f64>,
    /// Worst symbol for a per-symbol limit.
    pub worst: Option<String>,
}

/// Engine, feed, model and disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, Default)]
pub struct HealthView {
    /// Health rows, worst first within their group.
    pub rows: Vec<HealthRow>,
    /// Models installed.
    pub models: Vec<ModelInfo>,
    /// Of them, by name, those that are never acted upon.
    pub shadows: Vec<String>,
    /// Age of the market stream.
    pub feed_age: Option<Span>,
    /// Why there is no market stream, while there is none.
    pub feed_down: Option<String>,
    /// Events stepped in this run.
    pub events: u64,
    /// Events per second over the last second.
    pub event_rate: u32,
    /// Decision-log hash so far, first twelve hex digits.
    pub decisions: String,
    /// Wall-clock moment of this snapshot, set by the run: a viewer compares it with its own clock to see a frozen engine.
    pub heartbeat: Ts,
}

/// One health row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HealthRow {
    /// What.
    pub name: String,
    /// ok / warn / fail / skip.
    pub health: Health,
    /// The numbers.
    pub detail: String,
}
