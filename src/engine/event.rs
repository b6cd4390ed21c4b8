//! Everything that can come in. One enum, one total order.

use serde::{Deserialize, Serialize};

use super::account::Holding;
use super::command::Command;
use super::effect::{Errand, NewOrder, Protection, Purpose};
use super::features::Set;
use super::ids::{ModelId, OrderSeq, Pair, RunId, Symbol};
use super::market::book::BookUpdate;
use super::market::instrument::Instrument;
use super::num::{Money, Price, Qty, Rate, Side};
use super::risk::limits::RiskLimits;
use super::risk::state::Latch;
use super::risk::verdict::DenialCode;
use super::settings::Settings;
use super::snapshot::Check;
use super::time::{Span, Ts};
use super::trust::promise::Promise;

/// One thing that happened. `step` takes it together with the local receive time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// What a run starts from. The first event of every run, and of every tape we record.
    Restored(Box<Restored>),
    /// Something about an instrument's public market.
    Market(Symbol, MarketData),
    /// Something about one of our orders.
    Order(OrderUpdate),
    /// Something about our account that is not an order.
    Account(AccountUpdate),
    /// A model's answer to an `Infer` effect.
    Predicted(Prediction),
    /// A person or a policy asks for something.
    Command(Command),
    /// A connection came or went.
    Link(Link),
    /// An edge reports a fault of its own: tape writer behind, ledger unwritable, a worker gone.
    Fault(Fault),
    /// The venue or an edge forbids opening for a named reason, or lifts that again.
    Hold(Hold),
    /// The run tells the person something: shown and recorded, never acted upon.
    Told(String),
    /// A decision boundary. Never on a tape: the driver feeds one at every boundary that event time crosses.
    Tick,
    /// The run ended in an orderly way.
    Ended,
    /// An edge says how its light of the checklist before arming stands, until it says otherwise.
    Checked(Check),
    /// From now on these models answer, in [`ModelId`] order. Answers that follow are theirs.
    Models(Vec<ModelInfo>),
}

/// What a run starts from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// This run.
    pub run: RunId,
    /// Market and account. A label: the engine decides alike for every pair.
    pub pair: Pair,
    /// Instruments; their order gives each its [`Symbol`].
    pub instruments: Vec<Instrument>,
    /// Names and horizons of the models that will answer, in [`ModelId`] order.
    pub models: Vec<ModelInfo>,
    /// Strategy, arming and model settings.
    pub settings: Settings,
    /// Risk limits: the tighter of file and ledger.
    pub limits: RiskLimits,
    /// A kill or trip that is still latched.
    pub latch: Option<Latch>,
    /// When the whole account was last proven flat, where nothing has happened since.
    pub flat_proven: Option<Ts>,
    /// Wallet balance in quote currency.
    pub balance: Money,
    /// Open positions.
    pub holdings: Vec<Holding>,
    /// Equity baselines; `None` for a new account.
    pub baselines: Option<Baselines>,
    /// Symbols whose positions were released to the person.
    pub released: Vec<Symbol>,
    /// Symbols whose stop at the venue the person cancelled: it is not set again for this position.
    pub waived: Vec<Symbol>,
    /// Symbols whose flatten an earlier run did not end: it goes on.
    pub flattening: Vec<Symbol>,
    /// When earlier runs decided on opening orders in the 24 hours before this one, oldest first.
    pub opened: Vec<Ts>,
    /// Orders of earlier runs whose end is not known, numbered before this run's own.
    pub earlier: Vec<EarlierOrder>,
    /// Until when the run before this one was armed, where nothing has ended that but its own end.
    pub armed_until: Option<Ts>,
    /// What of others outside the run earlier runs were armed beside: its name there, and how much of it.
    pub outside_seen: Vec<(String, Qty)>,
    /// Is the account's truth known at start (paper: from our ledger)? A venue's account is unknown until it is heard.
    pub account_known: bool,
}

#[cfg(test)]
impl Restored {
    /// For tests: an account that is known, holds nothing and has nothing behind it, without instruments.
    pub(crate) fn empty(run: RunId, pair: Pair) -> Self {
        Self {
            run,
            pair,
            instruments: Vec::new(),
            models: Vec::new(),
            settings: Settings::default(),
            limits: RiskLimits::default(),
            latch: None,
            flat_proven: None,
            balance: Money::ZERO,
            holdings: Vec::new(),
            baselines: None,
            released: Vec::new(),
            waived: Vec::new(),
            flattening: Vec::new(),
            opened: Vec::new(),
            earlier: Vec::new(),
            armed_until: None,
            outside_seen: Vec::new(),
            account_known: true,
        }
    }
}

/// An order of an earlier run that may or may not be at the venue. It counts as working until asking has settled it, and
/// it is never sent again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EarlierOrder {
    /// As it was decided, with its number in this run.
    pub order: NewOrder,
    /// How the venue knows it.
    pub link_id: String,
    /// The venue has shown it.
    pub seen: bool,
    /// Booked so far.
    pub filled: Qty,
    /// Ids of the executions booked.
    pub execs: Vec<String>,
}

/// What loss limits are measured from; kept in the ledger, so a restart changes nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Baselines {
    /// When the trading day began.
    pub day_start: Ts,
    /// Equity when the trading day began.
    pub day_equity: Money,
    /// Highest equity since the last reset.
    pub high_water: Money,
    /// Equity once a minute over the last 24 hours, oldest first, at most 1440.
    pub minutes: Vec<(Ts, Money)>,
    /// A daily-loss trip was reset on this day: arming stays refused until the day turns or the limit is loosened.
    pub day_loss_spent: bool,
}

/// A model as the engine and the screen know it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Card name, `mlp-v1`.
    pub name: String,
    /// First six hex digits of the weights' sha256.
    pub hash: String,
    /// Horizons in seconds, in the order of [`Prediction::horizons`].
    pub horizons_s: Vec<u32>,
    /// Features that it is asked about.
    pub reads: Set,
    /// Text of the card's training span, for the screen.
    pub trained: String,
    /// What its card promises: what its answers are held against.
    pub promise: Promise,
}

impl ModelInfo {
    /// The same for a screen: without what its answers are held against, which is shown where it matters.
    pub fn brief(&self) -> Self {
        Self {
            name: self.name.clone(),
            hash: self.hash.clone(),
            horizons_s: self.horizons_s.clone(),
            reads: self.reads,
            trained: self.trained.clone(),
            promise: Promise::default(),
        }
    }
}

/// Public market data of one instrument.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum MarketData {
    /// A book snapshot or delta.
    Book(BookUpdate),
    /// One trade print.
    Trade(Trade),
    /// Mark, index, funding and the like; absent fields did not change.
    Ticker(Ticker),
    /// Deltas are missing: the book is unusable until the next snapshot.
    Gap,
    /// The venue's rules for this instrument: first known, or changed while running.
    Rules(Box<Instrument>),
    /// A bar of the venue's history: fills the chart where we saw no trade.
    Bar(Bar),
    /// Prices that the venue takes: a limit order beyond them is re-priced or refused there.
    Band {
        /// Highest price of a buy.
        buy_max: Price,
        /// Lowest price of a sell.
        sell_min: Price,
    },
    /// The venue closed somebody's position by force.
    Liquidation {
        /// Side of the position that was closed: `Buy` was a long.
        side: Side,
        /// Bankruptcy price, not the price of the fill.
        price: Price,
        /// Quantity of base.
        qty: Qty,
    },
    /// A trade that printed while the stream was away: shown in its place, and nothing is reckoned or decided from it.
    Missed {
        /// When it printed, on our clock.
        at: Ts,
        /// The trade.
        trade: Trade,
    },
    /// The insurance pool behind this instrument: when it has lost enough, the venue reduces positions by force.
    Pool(Pool),
}

/// What the venue tells of an insurance pool (contract 11.7). Shown only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// Its result over eight hours as a part of it, to the per cent; negative is a loss.
    pub result: Rate,
    /// The result at which deleveraging starts.
    pub starts: Rate,
    /// The result at which it stops again.
    pub stops: Rate,
    /// So little is left that only an empty pool counts, no longer its result.
    pub low: bool,
    /// Nothing is left.
    pub empty: bool,
}

/// One finished bar of public trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// When it began.
    pub start: Ts,
    /// Its length.
    pub span: Span,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Quantity of base traded.
    pub volume: Qty,
}

/// A public trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trade {
    /// Price.
    pub price: Price,
    /// Quantity of base.
    pub qty: Qty,
    /// Side of the taker.
    pub taker: Side,
}

/// Slow-moving public facts; `None` means unchanged or unknown.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ticker {
    /// Mark price: margin and liquidation use it.
    pub mark: Option<Price>,
    /// Index price.
    pub index: Option<Price>,
    /// Funding rate of the next settlement.
    pub funding_rate: Option<Rate>,
    /// When funding settles next.
    pub next_funding: Option<Ts>,
    /// Price 24 hours ago.
    pub price_24h_ago: Option<Price>,
}

/// What the venue said about one of our orders.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderUpdate {
    /// Our order.
    pub order: OrderSeq,
    /// What happened.
    pub what: OrderNews,
}

/// The kinds of order news.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum OrderNews {
    /// The intent is durable in the ledger and the order goes on the wire.
    Sent,
    /// The edge did not send it: the gate at the last byte had closed, or the intent was too old.
    Unsent(String),
    /// Nobody knows whether the venue has it: no answer, or one that says neither yes nor no. Counted as if it worked
    /// until asking has settled it.
    Uncertain(String),
    /// Another order at the venue has its id, as the text says: nobody knows whether ours was ever there. Counted as if it worked
    /// until asking or a person has settled it.
    Contested(String),
    /// The venue accepted it; it may rest.
    Accepted,
    /// The venue refused it.
    Rejected(String),
    /// (Part of) it traded.
    Filled(Fill),
    /// It ended with quantity left: cancelled by us, expired (IOC), or by the venue.
    Cancelled(String),
    /// A cancel came too late or named no order.
    CancelRejected(String),
    /// The venue took the request; that the order works is said by its own news.
    Acked,
}

/// One execution.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fill {
    /// Venue's execution id, unique per account.
    pub exec_id: String,
    /// Price.
    pub price: Price,
    /// Quantity of base.
    pub qty: Qty,
    /// Fee in quote currency; negative is a rebate.
    pub fee: Money,
    /// Did it rest in the book?
    pub maker: bool,
    /// When it happened by the venue's clock, where the venue is another than ours: it may be heard of much later.
    pub executed: Option<Ts>,
}

/// Why an execution happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FillKind {
    /// An order of ours traded.
    Trade,
    /// Somebody else traded on the account.
    Outside,
    /// Margin ran out (`BustTrade`).
    Liquidation,
    /// Auto-deleveraging took it (`AdlTrade`).
    Deleveraging,
    /// The contract was settled (`Settle`, `Delivery`).
    Settlement,
    /// Our stop at the venue closed.
    Stop,
    /// Our take-profit at the venue closed.
    TakeProfit,
}

impl FillKind {
    /// Word for the ledger.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::Outside => "outside",
            Self::Liquidation => "liquidation",
            Self::Deleveraging => "adl",
            Self::Settlement => "settlement",
            Self::Stop => "stop",
            Self::TakeProfit => "take-profit",
        }
    }
}

/// Account news that belongs to no order of ours.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum AccountUpdate {
    /// Funding settled: `amount` is added to the balance (negative when we pay).
    Funding {
        /// Instrument.
        symbol: Symbol,
        /// Settled rate.
        rate: Rate,
        /// Change of balance.
        amount: Money,
        /// The venue's id of the payment and its time, where it has them: one that fell due while nothing ran is booked late,
        /// and once.
        settled: Option<(String, Ts)>,
    },
    /// The venue closed (part of) a position by itself: margin ran out, auto-deleveraging, settlement.
    Liquidated {
        /// Why.
        kind: FillKind,
        /// Instrument.
        symbol: Symbol,
        /// The closing execution.
        fill: Fill,
        /// Side of the closing execution.
        side: Side,
    },
    /// Somebody else traded on the account (the person on the phone, another program): money moves as in any execution.
    Foreign {
        /// Instrument.
        symbol: Symbol,
        /// Side.
        side: Side,
        /// The execution.
        fill: Fill,
    },
    /// The venue's own statement: balance, positions, working orders. The truth that reconcile compares with.
    Statement(Statement),
    /// What the venue's account holds when we first hear of it in a run: it replaces what our ledger remembered.
    Opening(Opening),
    /// What the venue says about the danger of one position.
    Danger {
        /// Instrument.
        symbol: Symbol,
        /// Price at which it would be liquidated; `None` when none is known or there is no position.
        liquidation: Option<Price>,
        /// Place in the queue for auto-deleveraging, 0 (none) to 5 (next).
        adl: u8,
    },
    /// What the venue says protects one position.
    Protection {
        /// Instrument.
        symbol: Symbol,
        /// The levels.
        protection: Protection,
    },
    /// A protective order at the venue traded: our exit, by an order that carries no number of ours.
    Protected {
        /// Instrument.
        symbol: Symbol,
        /// Side of the closing execution.
        side: Side,
        /// The execution.
        fill: Fill,
        /// Stop or take-profit.
        purpose: Purpose,
    },
    /// What the account really pays per trade in an instrument; until then the configured fees are assumed.
    Fees {
        /// Instrument.
        symbol: Symbol,
        /// A resting order's fee as a part of value; negative is a rebate.
        maker: Rate,
        /// A taking order's.
        taker: Rate,
    },
    /// A closing order of the guardian or the watchdog traded: ours, though no order of this engine.
    Rescued {
        /// Instrument.
        symbol: Symbol,
        /// Side.
        side: Side,
        /// The execution.
        fill: Fill,
        /// The order's id.
        link_id: String,
    },
    /// What the venue's own log of transactions adds up to since the opening. Told when it lists the executions that were
    /// told here, so that both sums are of this moment; `None` where that cannot be known.
    TiedOut(Option<Tally>),
    /// Orders of others that work in this run's instruments: all of them, whenever one comes, changes or goes.
    Strangers(Vec<Stranger>),
    /// Everything in instruments outside the run, whenever something of it comes, changes or goes.
    Outside(Vec<Outsider>),
    /// Something that a person had done outside the run is over.
    ErrandOver {
        /// What it was.
        errand: Errand,
        /// The venue shows that it is done.
        done: bool,
        /// Its steps.
        receipt: Vec<String>,
    },
    /// An execution that was listed only after the opening, whose position and balance hold it already: booked as what it is,
    /// moving neither.
    Covered {
        /// Why it happened.
        kind: FillKind,
        /// Our order, where it was one.
        order: Option<OrderSeq>,
        /// Instrument.
        symbol: Symbol,
        /// Side.
        side: Side,
        /// The execution.
        fill: Fill,
    },
}

/// A position or an order in an instrument outside the run: somebody else's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outsider {
    /// The venue's name of the instrument.
    pub name: String,
    /// Side of the position, or of the order.
    pub side: Side,
    /// Quantity of base that is open: of the position, or what the order can still trade.
    pub left: Qty,
    /// What that is worth by the venue's own figures when they were last read; `None` where it does not say.
    pub worth: Option<Money>,
    /// Of an order: the venue's id, and what it can do to a position.
    pub order: Option<(String, Reach)>,
}

/// An order of somebody else that works at the venue: shown, and cancelled when a person chooses to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stranger {
    /// Instrument.
    pub symbol: Symbol,
    /// The venue's id.
    pub order: String,
    /// Side.
    pub side: Side,
    /// Quantity of base ordered.
    pub qty: Qty,
    /// Of it, filled.
    pub filled: Qty,
    /// Price that triggers it, else its limit; `None` where it has neither.
    pub price: Option<Price>,
    /// What it can do to a position.
    pub reach: Reach,
}

/// What an order of somebody else can do to a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reach {
    /// Open one, grow it or turn it round: nothing says that it only reduces.
    Opens,
    /// Close (part of) one, as soon as its price is there.
    Reduces,
    /// Close (part of) one once a price has triggered it.
    Protects,
}

impl Reach {
    /// Word for the orders pane.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opens => "opens",
            Self::Reduces => "reduces",
            Self::Protects => "protects",
        }
    }
}

/// Sums of the venue's log, in quote currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Realised PnL before fees and funding.
    pub realised: Money,
    /// Fees paid; rebates count negative.
    pub fees: Money,
    /// Funding received; paid funding counts negative.
    pub funding: Money,
    /// Everything else that moved the wallet: transfers, interest, trades of instruments outside this run.
    pub moved: Money,
}

/// A protective order that waits at the venue. It carries no id of ours: instrument, the venue's id and its kind name it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Protective {
    /// Instrument.
    pub symbol: Symbol,
    /// The venue's id.
    pub order: String,
    /// Stop or take-profit.
    pub purpose: Purpose,
    /// Side of the order that it will be.
    pub side: Side,
    /// Price that triggers it.
    pub trigger: Price,
    /// Quantity of base that it closes.
    pub qty: Qty,
}

/// The account at the venue when a run first hears of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Wallet balance.
    pub balance: Money,
    /// Open positions, with their cost at the venue's average price.
    pub holdings: Vec<Holding>,
    /// Open orders that are not ours: shown, counted, never touched.
    pub foreign_orders: u16,
}

/// A named reason why nothing may open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// Its name, as denials show it.
    pub code: DenialCode,
    /// The instrument, or all.
    pub symbol: Option<Symbol>,
    /// The numbers and what to do; `None` lifts the hold.
    pub detail: Option<String>,
}

/// What the venue says is open.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// Wallet balance.
    pub balance: Money,
    /// Signed positions, in raw [`Qty`] units, one per symbol with a position.
    pub positions: Vec<(Symbol, i64)>,
    /// Our orders that still work.
    pub working: Vec<OrderSeq>,
    /// Open positions that `positions` cannot say: in instruments outside this run, or long and short at once.
    pub unlisted: u16,
    /// Open orders that are not ours, protective orders not counted.
    pub foreign_orders: u16,
    /// What protects each of `positions`.
    pub protection: Vec<(Symbol, Protection)>,
    /// Protective orders of this run's instruments, whoever made them.
    pub protective: Vec<Protective>,
}

/// A model's output for one instrument.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prediction {
    /// Instrument.
    pub symbol: Symbol,
    /// Model.
    pub model: ModelId,
    /// Event time of the features it saw.
    pub features_at: Ts,
    /// How long inference took, for health only.
    pub took: Span,
    /// One entry per horizon of the model.
    pub horizons: Vec<HorizonForecast>,
}

/// Forecast for one horizon: three probabilities that sum to one and the expected mid move.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct HorizonForecast {
    /// Horizon in seconds.
    pub horizon_s: u32,
    /// Probability of a move up.
    pub up: f32,
    /// Probability of no move worth the name.
    pub flat: f32,
    /// Probability of a move down.
    pub down: f32,
    /// Expected mid move over the horizon in basis points, signed.
    pub move_bps: f32,
}

impl HorizonForecast {
    /// Numbers, and probabilities that are ones: each within 0 and 1, together 1.
    pub fn is_sound(&self) -> bool {
        let probabilities = [self.up, self.flat, self.down];
        let whole: f32 = probabilities.iter().sum();
        probabilities.iter().all(|p| (0.0..=1.0).contains(p)) && (whole - 1.0).abs() < 0.01 && self.move_bps.is_finite()
    }
}

/// A connection's state. Age of a stream is measured from its last message, not from a book's last change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Link {
    /// The market stream is up.
    MarketUp,
    /// The market stream went away.
    MarketDown(String),
    /// Still connected: a heartbeat or any message without other content.
    MarketAlive,
    /// The venue's clock minus ours, as measured.
    Clock(Span),
}

/// A fault of an edge.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Fault {
    /// The tape cannot keep up or the disk is full: first REDUCING, then a trip.
    Tape {
        /// What happened, for the person.
        why: String,
        /// Past the second bound.
        fatal: bool,
    },
    /// The ledger cannot be written: trips.
    Ledger(String),
    /// A queue overflowed or a thread died: trips.
    Internal(String),
    /// Wall clock and boot clock disagree by this much: everything is stale, disarm, reconcile.
    ClockJump(Span),
    /// The run itself stood still for this long (a stopped process, a starved machine): everything is stale, disarm,
    /// reconcile.
    Stopped(Span),
    /// The tape or disk trouble is over.
    TapeRecovered,
}
