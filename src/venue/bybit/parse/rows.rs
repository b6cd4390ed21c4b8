//! Rows that the private stream and REST share: orders, executions, positions, wallets (contract 8.5 to 8.10).

mod read;

use crate::engine::effect::Purpose;
use crate::engine::num::{Money, Price, Qty, Rate, Side};

pub(super) use read::{execution, fast_execution, order, position, wallet};

/// An order (contract 8.5). What happened to it is said by `status` and `filled`; `reject_reason` only explains
/// (contract O3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// `linear`, `spot`, …; `None` in REST rows, which name it once per page.
    pub category: Option<String>,
    /// Instrument.
    pub symbol: String,
    /// The venue's id.
    pub order_id: String,
    /// Our id; `None` on orders that are not ours.
    pub link_id: Option<String>,
    /// Our id of the order that this one was attached to.
    pub parent_link_id: Option<String>,
    /// Side.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// Where it stands.
    pub status: OrderStatus,
    /// Limit price; of a market order the protective price (contract 0.6).
    pub price: Option<Price>,
    /// Quantity of base ordered.
    pub qty: Qty,
    /// Quantity of base filled. The only measure of it: never `qty − leaves` (contract 8.4).
    pub filled: Qty,
    /// Value filled in quote currency.
    pub filled_value: Option<Money>,
    /// Average fill price, cut after nine decimals.
    pub avg_price: Option<Price>,
    /// Quantity that still works; zero or `None` on a closed order.
    pub leaves: Option<Qty>,
    /// Fees paid so far by coin; negative is a rebate. The coin is empty where not sent: the quote coin on linear.
    pub fees: Vec<(String, Money)>,
    /// Price that triggers a conditional order.
    pub trigger_price: Option<Price>,
    /// 1: triggers on a rise, 2: on a fall.
    pub trigger_direction: Option<i64>,
    /// Take profit attached.
    pub take_profit: Option<Price>,
    /// Stop loss attached.
    pub stop_loss: Option<Price>,
    /// 0 one-way, 1 hedge long, 2 hedge short.
    pub position_idx: i64,
    /// Can it only reduce?
    pub reduce_only: bool,
    /// May the venue free margin for it?
    pub close_on_trigger: bool,
    /// Who made it, `CreateByUser`; a liquidation is not ours (contract 8.4).
    pub create_type: Option<String>,
    /// Who ended it, `CancelByUser`.
    pub cancel_type: Option<String>,
    /// Why it ended; `None` for `EC_NoError`. Does not mean that it was rejected (contract O3).
    pub reject_reason: Option<String>,
    /// Kind of conditional order, `TakeProfit`.
    pub stop_order_type: Option<String>,
    /// The other order of a self-match prevention.
    pub smp_order_id: Option<String>,
    /// Profit that its fills closed, before fees.
    pub closed_pnl: Option<Money>,
    /// When it was made, ms since 1970.
    pub created_ms: Option<i64>,
    /// When it last changed, ms since 1970.
    pub updated_ms: Option<i64>,
}

impl OrderRow {
    /// What it protects from, where it is a protective order: made by the venue for a position, without an id of anybody,
    /// and able to close only. Conditional orders (`Stop`) are somebody's orders, not protection.
    pub fn protects(&self) -> Option<Purpose> {
        let purpose = match self.stop_order_type.as_deref()? {
            "StopLoss" | "PartialStopLoss" | "TrailingStop" => Purpose::Stop,
            "TakeProfit" | "PartialTakeProfit" => Purpose::TakeProfit,
            _ => return None,
        };
        (self.link_id.is_none() && (self.reduce_only || self.close_on_trigger)).then_some(purpose)
    }
}

/// Limit or market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderType {
    /// At its price or better.
    Limit,
    /// Against the book, inside the venue's band.
    Market,
    /// `UNKNOWN` (funding) or a kind this version does not know.
    Other,
}

/// How long an order works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// What does not fill at once is cancelled.
    Ioc,
    /// All at once or nothing.
    Fok,
    /// Never takes.
    PostOnly,
    /// Retail price improvement.
    Rpi,
    /// Not sent, or a kind this version does not know.
    Other,
}

/// Where an order stands (contract 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// On the book, nothing filled. The older `Created`, `Active` and `PendingCancel` count as it.
    New,
    /// On the book, partly filled.
    PartiallyFilled,
    /// Waits for its trigger.
    Untriggered,
    /// Just triggered; a passing state.
    Triggered,
    /// Done.
    Filled,
    /// Ended with quantity left; may carry fills.
    Cancelled,
    /// Spot's word for [`Self::Cancelled`] with fills.
    PartiallyFilledCanceled,
    /// Refused after it was accepted; may, defensively, carry fills.
    Rejected,
    /// Cancelled before its trigger.
    Deactivated,
    /// A word this version does not know: neither open nor closed. Ask again, decide nothing.
    Unknown,
}

impl OrderStatus {
    /// Can it still fill?
    pub const fn is_open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled | Self::Untriggered | Self::Triggered)
    }
    /// Is it over?
    pub const fn is_closed(self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Cancelled | Self::PartiallyFilledCanceled | Self::Rejected | Self::Deactivated
        )
    }
}

/// An execution (contract 8.7). Not only trades: funding and liquidations arrive as executions too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionRow {
    /// `linear`, `spot`, …; `None` in REST rows.
    pub category: Option<String>,
    /// Instrument.
    pub symbol: String,
    /// The venue's order; invented for funding and the like (contract 0.23).
    pub order_id: String,
    /// Our order; `None` where it is not ours.
    pub link_id: Option<String>,
    /// Unique together with the instrument.
    pub exec_id: String,
    /// What it is.
    pub kind: ExecKind,
    /// Side.
    pub side: Side,
    /// Price; of a funding row the mark price.
    pub price: Price,
    /// Quantity of base; of a funding row the position.
    pub qty: Qty,
    /// Value in quote currency.
    pub value: Option<Money>,
    /// Paid when positive, received when negative: fee, rebate, or funding (contract 0.24).
    pub fee: Money,
    /// Coin of the fee; `None` where not sent: the quote coin on linear.
    pub fee_coin: Option<String>,
    /// Fee as a fraction of value, cut after nine decimals.
    pub fee_rate: Option<Rate>,
    /// Taxes on top of the fee, by coin.
    pub extra_fees: Vec<(String, Money)>,
    /// Did it rest in the book? `None` where not sent.
    pub maker: Option<bool>,
    /// Quantity of the order that still works.
    pub leaves: Option<Qty>,
    /// Quantity that closed a position.
    pub closed: Option<Qty>,
    /// Profit that it closed, before fees.
    pub pnl: Option<Money>,
    /// Mark price at the time, cut after nine decimals.
    pub mark: Option<Price>,
    /// Price of the order.
    pub order_price: Option<Price>,
    /// Quantity of the order.
    pub order_qty: Option<Qty>,
    /// Type of the order; [`OrderType::Other`] for funding.
    pub order_type: OrderType,
    /// Who made the order.
    pub create_type: Option<String>,
    /// When, ms since 1970.
    pub time_ms: i64,
    /// Sequence; shared by the fills of one match.
    pub seq: Option<i64>,
}

/// What an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecKind {
    /// A trade of an order.
    Trade,
    /// Funding.
    Funding,
    /// Auto-deleveraging took the position.
    Adl,
    /// A liquidation took the position (`BustTrade`).
    Bust,
    /// Delivery or settlement (`Delivery`, `Settle`).
    Settlement,
    /// A trade agreed beside the book (`BlockTrade`, `MovePosition`, `FutureSpread`).
    Beside,
    /// A word this version does not know: reconcile.
    Unknown,
}

/// A row of `execution.fast`: early, and poor (contract 13.2). Only trades; no fee, and no order id of ours for a maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastExecution {
    /// `linear`, `spot`, ….
    pub category: Option<String>,
    /// Instrument.
    pub symbol: String,
    /// The venue's order.
    pub order_id: String,
    /// Our order; `None` for makers, and after an amend that took.
    pub link_id: Option<String>,
    /// Probably the id of the full row, which follows.
    pub exec_id: String,
    /// Side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Quantity of base.
    pub qty: Qty,
    /// Did it rest in the book?
    pub maker: Option<bool>,
    /// When, ms since 1970.
    pub time_ms: i64,
    /// Sequence.
    pub seq: Option<i64>,
}

/// A position (contract 8.8, 13.3). Ordered by `seq` per instrument: ignore an older one (contract O13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRow {
    /// `linear`, …; `None` in REST rows.
    pub category: Option<String>,
    /// Instrument.
    pub symbol: String,
    /// 0 one-way, 1 hedge long, 2 hedge short.
    pub position_idx: i64,
    /// Side; `None` when flat.
    pub side: Option<Side>,
    /// Quantity of base, zero when flat.
    pub size: Qty,
    /// Average entry price (`entryPrice` on the stream, `avgPrice` in REST), cut after nine decimals.
    pub entry: Option<Price>,
    /// Value at entry in quote currency.
    pub value: Option<Money>,
    /// Leverage; `None` in portfolio margin.
    pub leverage: Option<Rate>,
    /// Mark price, cut after nine decimals.
    pub mark: Option<Price>,
    /// Liquidation price: an estimate in cross margin; `None` when there is none.
    pub liquidation: Option<Price>,
    /// Price at which it breaks even after fees, cut after nine decimals.
    pub break_even: Option<Price>,
    /// Initial margin.
    pub initial_margin: Option<Money>,
    /// Maintenance margin.
    pub maintenance_margin: Option<Money>,
    /// Take profit.
    pub take_profit: Option<Price>,
    /// Stop loss.
    pub stop_loss: Option<Price>,
    /// Distance of a trailing stop.
    pub trailing_stop: Option<Price>,
    /// Profit not yet realised, at mark.
    pub unrealised: Option<Money>,
    /// Realised by this position.
    pub realised: Option<Money>,
    /// Realised on this instrument ever.
    pub realised_ever: Option<Money>,
    /// Is it being taken?
    pub status: PositionStatus,
    /// 0 to 5: how early auto-deleveraging takes it.
    pub adl_rank: Option<i64>,
    /// After a cut of the risk limit only reducing orders pass.
    pub reduce_only: bool,
    /// Does the venue add margin by itself?
    pub auto_add_margin: bool,
    /// Tier of the risk limit.
    pub risk_id: Option<i64>,
    /// Largest value of the tier.
    pub risk_limit: Option<Money>,
    /// When it last changed, ms since 1970.
    pub updated_ms: Option<i64>,
    /// Sequence; `None` when it never traded (−1).
    pub seq: Option<i64>,
}

/// Is a position being taken?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionStatus {
    /// No.
    Normal,
    /// It is being liquidated.
    Liquidating,
    /// Auto-deleveraging is taking it.
    Deleveraging,
    /// Not sent, or a word this version does not know.
    Unknown,
}

/// A wallet (contract 8.10). Account figures are in USD and blank in isolated margin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletRow {
    /// `UNIFIED`.
    pub account_type: Option<String>,
    /// Equity.
    pub equity: Option<Money>,
    /// Wallet balance.
    pub balance: Option<Money>,
    /// Margin balance.
    pub margin_balance: Option<Money>,
    /// What new orders may use.
    pub available: Option<Money>,
    /// Profit not yet realised of perpetuals.
    pub unrealised: Option<Money>,
    /// Initial margin.
    pub initial_margin: Option<Money>,
    /// Maintenance margin.
    pub maintenance_margin: Option<Money>,
    /// Initial margin as a fraction of the margin balance, cut after nine decimals.
    pub initial_margin_rate: Option<Rate>,
    /// Maintenance margin as a fraction of the margin balance, cut after nine decimals. At 1 the venue liquidates.
    pub maintenance_margin_rate: Option<Rate>,
    /// Coins; those with nothing are left out by the venue.
    pub coins: Vec<CoinRow>,
}

/// One coin of a wallet. A wallet with an unreadable coin is an odd row as a whole: a balance is all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoinRow {
    /// The coin.
    pub coin: String,
    /// Wallet balance; negative with borrowing.
    pub balance: Money,
    /// Equity.
    pub equity: Option<Money>,
    /// Worth in USD.
    pub usd_value: Option<Money>,
    /// Locked by spot orders.
    pub locked: Option<Money>,
    /// Borrowed.
    pub borrowed: Option<Money>,
    /// Interest owed.
    pub interest: Option<Money>,
    /// Initial margin of orders; `None` in portfolio margin.
    pub order_margin: Option<Money>,
    /// Initial margin of positions; `None` in portfolio margin.
    pub position_margin: Option<Money>,
    /// Maintenance margin of positions; `None` in portfolio margin.
    pub maintenance_margin: Option<Money>,
    /// Profit not yet realised.
    pub unrealised: Option<Money>,
    /// Realised ever.
    pub realised_ever: Option<Money>,
    /// Bonus: counts as margin, cannot be withdrawn.
    pub bonus: Option<Money>,
    /// May the coin be collateral?
    pub may_be_collateral: Option<bool>,
    /// Is it switched on as collateral?
    pub is_collateral: Option<bool>,
}
