//! Everything that may go out. Effects are values; edges execute them and decide nothing.

use serde::{Deserialize, Serialize};

use super::account::{Holding, Residual};
use super::event::{Baselines, Fill, FillKind};
use super::features::FeatureFrame;
use super::ids::{OrderSeq, Symbol};
use super::notice::Notice;
use super::num::{Money, Price, Qty, Rate, Side};
use super::risk::gate::Approved;
use super::risk::limits::LimitKey;
use super::risk::state::Latch;
use super::time::Ts;

/// Most effects one step may cause. A close of every position with its cancels stays far below; more is a bug and trips.
pub const EFFECTS_MAX: usize = 4096;

/// One thing to do outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Make this order durable, then send it, once.
    Submit(Approved<NewOrder>),
    /// Cancel an order; may be repeated freely.
    Cancel(OrderSeq),
    /// Ask every model about these features.
    Infer(Box<FeatureFrame>),
    /// Ask the venue for its statement (reconcile, proof of flat).
    Ask,
    /// Ask the venue what its own log of transactions adds up to.
    TieOut,
    /// Read the folder of models again.
    ReloadModels,
    /// Set what protects a position at the venue; what is absent stays as it is there. May be repeated freely.
    Protect {
        /// Instrument.
        symbol: Symbol,
        /// The levels.
        protection: Protection,
    },
    /// Cancel an order that carries no number of ours (a protective one, one of somebody else) by the venue's id; may be
    /// repeated freely.
    CancelById {
        /// Instrument.
        symbol: Symbol,
        /// The venue's id: such an order has none of ours.
        order: String,
    },
    /// Ask a venue that refuses us, once, whether it still does.
    Retry,
    /// Do something outside the run, by a person's choice.
    Errand(Errand),
    /// An order whose id another one has counts as over, by a person's choice.
    Settle(OrderSeq),
    /// Write to the ledger.
    Record(Record),
    /// Tell the person.
    Note(Notice),
}

/// What a person has done in an instrument outside the run, by the venue's own answers: nothing of it is ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Errand {
    /// Close what this instrument holds, reduce-only, and cancel every order in it: one that is left could open it again.
    Close(String),
    /// Cancel one order.
    Cancel {
        /// The venue's name of its instrument.
        name: String,
        /// The venue's id of it.
        order: String,
    },
}

impl Errand {
    /// Stable word for logs, ledger and decision log.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Close(_) => "close-outside",
            Self::Cancel { .. } => "cancel-outside",
        }
    }
    /// The venue's name of the instrument.
    pub fn name(&self) -> &str {
        match self {
            Self::Close(name) | Self::Cancel { name, .. } => name,
        }
    }
}

/// An order as decided, before the venue has seen it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewOrder {
    /// Our number.
    pub seq: OrderSeq,
    /// Instrument.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Quantity of base.
    pub qty: Qty,
    /// Limit price, always present: a taker order carries its slippage bound.
    pub price: Price,
    /// How it behaves on arrival.
    pub tif: TimeInForce,
    /// Can it only reduce a position?
    pub reduce_only: bool,
    /// Why it exists.
    pub purpose: Purpose,
    /// What protects the position at the venue from its first fill on. Nothing on an order that reduces.
    pub protection: Protection,
    /// When it was decided; an intent older than the gate's bound is not sent.
    pub decided: Ts,
}

/// What closes a whole position at the venue, without us (contract 8.8, `tpslMode` Full): triggered by mark price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Protection {
    /// Price of the stop.
    pub stop: Option<Price>,
    /// Price of the take-profit.
    pub take_profit: Option<Price>,
}

/// Time in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TimeInForce {
    /// Take what is there up to the price, cancel the rest.
    ImmediateOrCancel,
    /// Rest; refuse to take.
    PostOnly,
    /// Take what is there up to the price, rest with the remainder.
    GoodTillCancel,
    /// Close what is open at whatever the market gives; the venue sizes it, so that no remainder is too small and no
    /// quantity too large. Closing orders only; the price bounds nothing.
    CloseAtMarket,
}

impl TimeInForce {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::ImmediateOrCancel, Self::PostOnly, Self::GoodTillCancel, Self::CloseAtMarket];

    /// Word for the ledger.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ImmediateOrCancel => "ioc",
            Self::PostOnly => "post-only",
            Self::CloseAtMarket => "market",
            Self::GoodTillCancel => "gtc",
        }
    }
}

/// Why an order exists. Orders that open are the ones every limit applies to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// The strategy opens or adds.
    Entry,
    /// The strategy's own exit.
    Exit,
    /// Stop price crossed.
    Stop,
    /// Take-profit price crossed.
    TakeProfit,
    /// Held for the longest allowed time.
    MaxHold,
    /// Flatten or kill: the close loop.
    Close,
}

impl Purpose {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Entry, Self::Exit, Self::Stop, Self::TakeProfit, Self::MaxHold, Self::Close];

    /// Lower-case word for screens and ledger.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
            Self::Stop => "stop",
            Self::TakeProfit => "take-profit",
            Self::MaxHold => "max-hold",
            Self::Close => "close",
        }
    }
}

/// Command word of the row that keeps the proof that the whole account is flat.
pub const FLAT_PROVEN: &str = "flat-proven";

/// Command word of the row that keeps until when the run is armed, in nanoseconds since 1970.
pub const ARMED_UNTIL: &str = "armed-until";
/// Command word of the row that says that this is over before its time.
pub const ARMED_NO_MORE: &str = "armed-no-more";

/// Command word of the row that keeps what of others outside the run a person has armed beside.
pub const OUTSIDE_SEEN: &str = "outside-seen";

/// A row for the ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// An order changed state; the intent itself is written by `Submit`.
    OrderState {
        /// Order.
        order: OrderSeq,
        /// State word: sent, acked, live, filled, cancelled, rejected, unsent.
        state: String,
        /// Quantity filled so far.
        filled: Qty,
        /// The venue's or our reason, may be empty.
        reason: String,
    },
    /// An execution of ours.
    Fill {
        /// Order, `None` where it was none of ours.
        order: Option<OrderSeq>,
        /// Why.
        kind: FillKind,
        /// Somebody else's trade, or one on a position of the person.
        theirs: bool,
        /// Instrument.
        symbol: Symbol,
        /// Side.
        side: Side,
        /// The execution.
        fill: Fill,
        /// Realised PnL of this execution before its fee.
        realised: Money,
        /// Wallet balance after it.
        balance: Money,
        /// Signed position after it, raw [`Qty`] units.
        position: i64,
        /// Entry cost of the position after it (unsigned notional).
        cost: Money,
    },
    /// Funding paid or received.
    Funding {
        /// Paid on a position of the person.
        theirs: bool,
        /// The venue's id of the payment and its time, where it has them.
        settled: Option<(String, Ts)>,
        /// Instrument.
        symbol: Symbol,
        /// Settled rate.
        rate: Rate,
        /// Change of balance.
        amount: Money,
        /// Wallet balance after it.
        balance: Money,
    },
    /// A limit was changed by hand.
    Limit {
        /// Which.
        key: LimitKey,
        /// Old value, 1e-9.
        old: i64,
        /// New value, 1e-9.
        new: i64,
    },
    /// A latch was set (`Some`) or lifted (`None`). Also written to the marker file.
    Latch(Option<Latch>),
    /// A position was released to the person or adopted back.
    Released {
        /// Instrument.
        symbol: Symbol,
        /// Released (true) or adopted (false).
        released: bool,
    },
    /// The person cancelled the stop of a position at the venue (`true`), or that position is over.
    Waived {
        /// Instrument.
        symbol: Symbol,
        /// Not set again.
        waived: bool,
    },
    /// A flatten of an instrument was asked for (`true`), or is over: flat was proven, or a kill took its place.
    Flattening {
        /// Instrument.
        symbol: Symbol,
        /// Not over yet.
        wanted: bool,
    },
    /// The venue's figures replace ours: at the first sight of its account, and where it rounds in its own way.
    Adopted {
        /// Wallet balance.
        balance: Money,
        /// Every open position; `None` leaves them as they are.
        holdings: Option<Vec<Holding>>,
    },
    /// What the venue's log of transactions and our books differ by in this run; `None` where that is not known.
    Residual(Option<Residual>),
    /// A command was carried out or refused.
    Operator {
        /// Command word.
        command: String,
        /// Details: arguments and outcome.
        outcome: String,
    },
    /// Loss baselines moved.
    Baselines(Baselines),
}

impl Record {
    /// What a person who commanded something is answered; rows that only keep a state answer nobody.
    pub fn answer(&self) -> Option<&str> {
        let Self::Operator { command, outcome } = self else { return None };
        (![FLAT_PROVEN, ARMED_UNTIL, ARMED_NO_MORE, OUTSIDE_SEEN].contains(&command.as_str())).then_some(outcome)
    }
}

/// The effects of one step: a caller-owned buffer that is reused, with a hard bound.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    overflowed: bool,
}

impl Effects {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds an effect. Past the bound inferences and notices are dropped and the overflow is remembered: the engine trips.
    pub fn push(&mut self, effect: Effect) {
        let room = self.list.len() < EFFECTS_MAX;
        self.overflowed |= !room;
        // What concerns orders and records always leaves, the trip on this very overflow included.
        if room || !matches!(effect, Effect::Infer(_) | Effect::Note(_)) {
            self.list.push(effect);
        }
    }
    /// Whether a push was dropped since the last drain.
    pub const fn overflowed(&self) -> bool {
        self.overflowed
    }
    /// What has been pushed.
    pub fn as_slice(&self) -> &[Effect] {
        &self.list
    }
    /// Takes everything out and clears the overflow mark.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.overflowed = false;
        self.list.drain(..)
    }
}
