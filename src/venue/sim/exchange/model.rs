//! What the exchange keeps: orders, positions, executions, money moved; and how it refuses.

use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Price, Qty, Rate, Side};
use crate::engine::time::Ts;

/// A definite refusal: `retCode` and `retMsg` (contract 4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {message}")]
pub struct Refusal {
    /// `retCode`.
    pub code: i64,
    /// `retMsg`.
    pub message: String,
}

impl Refusal {
    /// A refusal with this code and text.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
    pub(super) fn gone(late: &str) -> Self {
        Self::new(110_001, format!("order not exists or too late to {late}"))
    }
}

/// Market or limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At its price or better.
    Limit,
    /// At once, at a protective price.
    Market,
}

/// Time in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tif {
    /// Until cancelled.
    Gtc,
    /// What trades at once, the rest is cancelled.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// Never as taker.
    PostOnly,
}

/// The price that triggers a conditional order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerBy {
    /// Last traded price.
    Last,
    /// Index price.
    Index,
    /// Mark price.
    Mark,
}

/// What makes a conditional order work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The price.
    pub price: Price,
    /// Whether the price must rise (or fall) to it.
    pub rising: bool,
    /// Which price.
    pub by: TriggerBy,
}

/// Whether TP/SL close everything or the part they came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TpslMode {
    /// The whole position.
    #[default]
    Full,
    /// A part of it.
    Partial,
}

/// One leg of protection: take profit or stop loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Trigger price.
    pub price: Price,
    /// Which price triggers.
    pub by: TriggerBy,
    /// Limit price; market when there is none.
    pub limit: Option<Price>,
}

/// Protection that comes with an order or a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Protection {
    /// Full or partial.
    pub mode: TpslMode,
    /// Take profit.
    pub take: Option<Leg>,
    /// Stop loss.
    pub stop: Option<Leg>,
}

/// Where an order stands (contract 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In the book, nothing traded.
    New,
    /// In the book, part traded.
    PartiallyFilled,
    /// Waits for its trigger.
    Untriggered,
    /// All traded.
    Filled,
    /// Ended; part may have traded.
    Cancelled,
    /// Refused late.
    Rejected,
    /// Ended before its trigger.
    Deactivated,
}

impl Status {
    /// The venue's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::PartiallyFilled => "PartiallyFilled",
            Self::Untriggered => "Untriggered",
            Self::Filled => "Filled",
            Self::Cancelled => "Cancelled",
            Self::Rejected => "Rejected",
            Self::Deactivated => "Deactivated",
        }
    }
    /// May it still trade?
    pub const fn is_open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled | Self::Untriggered)
    }
}

/// Names a position: instrument and `positionIdx` (0 one-way, 1 long side, 2 short side of hedge mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Instrument.
    pub symbol: Symbol,
    /// `positionIdx`.
    pub idx: u8,
}

/// What a client asks for when it creates an order. Times in force of market orders are ignored: always IOC.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Instrument and position.
    pub slot: Slot,
    /// Side.
    pub side: Side,
    /// Limit or market.
    pub kind: Kind,
    /// Quantity; zero with `reduce_only` and `close_on_trigger` means all.
    pub qty: Qty,
    /// Limit price.
    pub price: Option<Price>,
    /// Time in force.
    pub tif: Tif,
    /// Client's own id, or empty.
    pub link: String,
    /// Only reduces.
    pub reduce_only: bool,
    /// Closes when triggered.
    pub close_on_trigger: bool,
    /// Conditional when there is one.
    pub trigger: Option<Trigger>,
    /// Protection to attach when it trades.
    pub protection: Protection,
    /// Largest distance from the opposite best price of a market order.
    pub slippage: Option<Slippage>,
}

/// Slippage tolerance of a market order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slippage {
    /// In ticks.
    Ticks(i64),
    /// As a fraction.
    Fraction(Rate),
}

/// Numbers an order; higher is newer.
pub type OrderNo = u64;

/// An order and its life.
#[derive(Clone, Debug)]
pub struct Order {
    /// Number within this exchange.
    pub no: OrderNo,
    /// `orderId`.
    pub id: String,
    /// What was asked for; price and qty as amended or re-priced since.
    pub ask: NewOrder,
    /// Price it works at: limit, or protective price of a market order.
    pub price: Price,
    /// Where it stands.
    pub status: Status,
    /// `cancelType`.
    pub cancel_type: &'static str,
    /// `rejectReason`.
    pub reject_reason: &'static str,
    /// `createType`.
    pub create_type: &'static str,
    /// `stopOrderType`.
    pub stop_type: &'static str,
    /// `parentOrderLinkId`.
    pub parent_link: String,
    /// Traded base.
    pub cum_qty: Qty,
    /// Traded quote.
    pub cum_value: Money,
    /// Fees paid.
    pub cum_fee: Money,
    /// Realised by this order's fills, fees not taken off.
    pub closed_pnl: Money,
    /// Last price when it was created.
    pub last_on_created: Option<Price>,
    /// Creation.
    pub created: Ts,
    /// Last change.
    pub updated: Ts,
    /// Displayed size before it in the queue; `None` while its level is out of sight.
    pub ahead: Option<Qty>,
    /// The other leg of an attached pair.
    pub sibling: Option<OrderNo>,
}

impl Order {
    /// What still works.
    pub fn leaves(&self) -> Qty {
        if self.status.is_open() { self.ask.qty.saturating_sub(self.cum_qty) } else { Qty::ZERO }
    }
    /// Rests in the book?
    pub const fn is_resting(&self) -> bool {
        matches!(self.status, Status::New | Status::PartiallyFilled)
    }
    /// Average price of what traded.
    pub fn average(&self) -> Option<Price> {
        average(self.cum_value, self.cum_qty)
    }
}

/// Value per quantity, rounded to 1e-8 like the venue's averages.
pub fn average(value: Money, qty: Qty) -> Option<Price> {
    if qty.is_zero() {
        return None;
    }
    let raw = value.raw() / i128::from(qty.raw());
    Some(Price::from_raw(i64::try_from(raw / 10 * 10).unwrap_or(i64::MAX)))
}

/// What made an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecKind {
    /// A trade of an order.
    Trade,
    /// Funding.
    Funding,
    /// Liquidation.
    Bust,
    /// Auto-deleveraging.
    Adl,
}

/// One execution.
#[derive(Clone, Debug)]
pub struct Execution {
    /// `execId`.
    pub id: String,
    /// What made it.
    pub kind: ExecKind,
    /// Instrument and position.
    pub slot: Slot,
    /// `orderId`; invented for funding.
    pub order_id: String,
    /// `orderLinkId`, or empty.
    pub link: String,
    /// Side.
    pub side: Side,
    /// Market or limit; `None` for funding.
    pub order_kind: Option<Kind>,
    /// Price of the order.
    pub order_price: Price,
    /// Quantity of the order.
    pub order_qty: Qty,
    /// What was left of the order.
    pub leaves: Qty,
    /// `createType` of the order.
    pub create_type: &'static str,
    /// `stopOrderType` of the order.
    pub stop_type: &'static str,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Fee; positive is paid.
    pub fee: Money,
    /// Rate of the fee or the funding.
    pub rate: Rate,
    /// Rested in the book?
    pub maker: bool,
    /// What it closed of the position.
    pub closed: Qty,
    /// Realised profit, fee not taken off.
    pub pnl: Money,
    /// Mark price then.
    pub mark: Price,
    /// Time.
    pub at: Ts,
    /// Cross sequence.
    pub seq: u64,
}

/// One line of the transaction log.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// `id`.
    pub id: String,
    /// The execution behind it; `None` for money that was given or taken.
    pub execution: Option<Execution>,
    /// Change of the wallet.
    pub change: Money,
    /// Wallet afterwards.
    pub balance: Money,
    /// Position afterwards.
    pub size: Qty,
    /// Time.
    pub at: Ts,
}

/// A position; flat when `side` is `None`.
#[derive(Clone, Debug)]
pub struct Position {
    /// Instrument and `positionIdx`.
    pub slot: Slot,
    /// Long or short.
    pub side: Option<Side>,
    /// Size.
    pub size: Qty,
    /// What was paid for it.
    pub cost: Money,
    /// Leverage, 1e-9.
    pub leverage: Rate,
    /// Protection of the whole position.
    pub protection: Protection,
    /// Distance of the trailing stop.
    pub trailing: Option<Price>,
    /// Price from which the trailing stop works.
    pub trailing_from: Option<Price>,
    /// Best price since the trailing stop works.
    pub trailing_best: Option<Price>,
    /// Realised since it was opened, fees taken off.
    pub cur_realised: Money,
    /// Realised ever, fees taken off.
    pub cum_realised: Money,
    /// First ever.
    pub created: Ts,
    /// Last change.
    pub updated: Ts,
    /// When it was opened; 0 when flat.
    pub opened: Ts,
    /// Cross sequence of its last change; -1 before its first.
    pub seq: i64,
    /// `positionStatus`.
    pub status: &'static str,
}

impl Position {
    pub(super) const fn flat(slot: Slot, leverage: Rate, now: Ts) -> Self {
        Self {
            slot,
            side: None,
            size: Qty::ZERO,
            cost: Money::ZERO,
            leverage,
            protection: Protection { mode: TpslMode::Full, take: None, stop: None },
            trailing: None,
            trailing_from: None,
            trailing_best: None,
            cur_realised: Money::ZERO,
            cum_realised: Money::ZERO,
            created: now,
            updated: now,
            opened: Ts(0),
            seq: -1,
            status: "Normal",
        }
    }
    /// Average entry price.
    pub fn entry(&self) -> Option<Price> {
        average(self.cost, self.size)
    }
    /// Profit if closed at `price`.
    pub fn profit(&self, price: Price) -> Money {
        match self.side {
            Some(Side::Buy) => price * self.size - self.cost,
            Some(Side::Sell) => self.cost - price * self.size,
            None => Money::ZERO,
        }
    }
}

/// Something the private stream tells.
#[derive(Clone, Debug)]
pub enum News {
    /// An order changed.
    Order(Box<Order>),
    /// Something traded.
    Execution(Box<Execution>),
    /// A position changed or its order did.
    Position(Box<Position>),
    /// The wallet changed.
    Wallet,
}
