//! Rows that the private stream and REST share: orders, executions, positions, wallets (contract 8.5 to 8.10).

mod read;

use crate::engine::effect::Purpose;
use crate::engine::num::{Money, Price, Qty, Rate, Side};

use read::{entry, exec_kind, extra_fees, fees, filled, order_status, order_type, position_status, time_in_force};

use super::tree::{Bad, Row, row};

row! {
    /// An order (contract 8.5). What happened to it is said by `status` and `filled`; `reject_reason` only explains
    /// (contract O3).
    struct OrderRow of row {
        /// `linear`, `spot`, …; `None` in REST rows, which name it once per page.
        category: Option<String> = row.text("category"),
        /// Instrument.
        symbol: String = row.need_text("symbol")?,
        /// The venue's id.
        order_id: String = row.need_text("orderId")?,
        /// Our id; `None` on orders that are not ours.
        link_id: Option<String> = row.text("orderLinkId"),
        /// Our id of the order that this one was attached to.
        parent_link_id: Option<String> = row.text("parentOrderLinkId"),
        /// Side.
        side: Side = row.need_side("side")?,
        /// Limit or market.
        order_type: OrderType = order_type(row),
        /// How long it works.
        time_in_force: TimeInForce = time_in_force(row),
        /// Where it stands.
        status: OrderStatus = order_status(row)?,
        /// Limit price; of a market order the protective price (contract 0.6).
        price: Option<Price> = row.price("price")?,
        /// Quantity of base ordered.
        qty: Qty = row.need_qty("qty")?,
        /// Quantity of base filled. The only measure of it: never `qty − leaves` (contract 8.4).
        filled: Qty = filled(row)?,
        /// Value filled in quote currency.
        filled_value: Option<Money> = row.reckoned_money("cumExecValue")?,
        /// Average fill price, cut after nine decimals.
        avg_price: Option<Price> = row.reckoned_price("avgPrice")?,
        /// Quantity that still works; zero or `None` on a closed order.
        leaves: Option<Qty> = row.qty("leavesQty")?,
        /// Fees paid so far by coin; negative is a rebate. The coin is empty where not sent: the quote coin on linear.
        fees: Vec<(String, Money)> = fees(row)?,
        /// Price that triggers a conditional order.
        trigger_price: Option<Price> = row.price("triggerPrice")?,
        /// 1: triggers on a rise, 2: on a fall.
        trigger_direction: Option<i64> = row.int("triggerDirection")?.filter(|direction| *direction != 0),
        /// Take profit attached.
        take_profit: Option<Price> = row.price("takeProfit")?,
        /// Stop loss attached.
        stop_loss: Option<Price> = row.price("stopLoss")?,
        /// 0 one-way, 1 hedge long, 2 hedge short.
        position_idx: i64 = row.int("positionIdx")?.unwrap_or(0),
        /// Can it only reduce?
        reduce_only: bool = row.flag("reduceOnly")?,
        /// May the venue free margin for it?
        close_on_trigger: bool = row.flag("closeOnTrigger")?,
        /// Who made it, `CreateByUser`; a liquidation is not ours (contract 8.4).
        create_type: Option<String> = row.text("createType"),
        /// Who ended it, `CancelByUser`.
        cancel_type: Option<String> = row.text("cancelType"),
        /// Why it ended; `None` for `EC_NoError`. Does not mean that it was rejected (contract O3).
        reject_reason: Option<String> = row.text("rejectReason").filter(|reason| reason != "EC_NoError"),
        /// Kind of conditional order, `TakeProfit`.
        stop_order_type: Option<String> = row.text("stopOrderType"),
        /// The other order of a self-match prevention.
        smp_order_id: Option<String> = row.text("smpOrderId"),
        /// Profit that its fills closed, before fees.
        closed_pnl: Option<Money> = row.money("closedPnl")?,
        /// When it was made, ms since 1970.
        created_ms: Option<i64> = row.ms("createdTime")?,
        /// When it last changed, ms since 1970.
        updated_ms: Option<i64> = row.ms("updatedTime")?,
    }
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

row! {
    /// An execution (contract 8.7). Not only trades: funding and liquidations arrive as executions too.
    struct ExecutionRow of row {
        /// `linear`, `spot`, …; `None` in REST rows.
        category: Option<String> = row.text("category"),
        /// Instrument.
        symbol: String = row.need_text("symbol")?,
        /// The venue's order; invented for funding and the like (contract 0.23).
        order_id: String = row.need_text("orderId")?,
        /// Our order; `None` where it is not ours.
        link_id: Option<String> = row.text("orderLinkId"),
        /// Unique together with the instrument.
        exec_id: String = row.need_text("execId")?,
        /// What it is.
        kind: ExecKind = exec_kind(row)?,
        /// Side.
        side: Side = row.need_side("side")?,
        /// Price; of a funding row the mark price.
        price: Price = row.need_price("execPrice")?,
        /// Quantity of base; of a funding row the position.
        qty: Qty = row.need_qty("execQty")?,
        /// Value in quote currency.
        value: Option<Money> = row.reckoned_money("execValue")?,
        /// Paid when positive, received when negative: fee, rebate, or funding (contract 0.24).
        fee: Money = row.need_money("execFee")?,
        /// Coin of the fee; `None` where not sent: the quote coin on linear.
        fee_coin: Option<String> = row.text("feeCurrency"),
        /// Fee as a fraction of value, cut after nine decimals.
        fee_rate: Option<Rate> = row.rate("feeRate")?,
        /// Taxes on top of the fee, by coin.
        extra_fees: Vec<(String, Money)> = extra_fees(row)?,
        /// Did it rest in the book? `None` where not sent.
        maker: Option<bool> = row.some_flag("isMaker")?,
        /// Quantity of the order that still works.
        leaves: Option<Qty> = row.qty("leavesQty")?,
        /// Quantity that closed a position.
        closed: Option<Qty> = row.qty("closedSize")?,
        /// Profit that it closed, before fees.
        pnl: Option<Money> = row.money("execPnl")?,
        /// Mark price at the time, cut after nine decimals.
        mark: Option<Price> = row.reckoned_price("markPrice")?,
        /// Price of the order.
        order_price: Option<Price> = row.price("orderPrice")?,
        /// Quantity of the order.
        order_qty: Option<Qty> = row.qty("orderQty")?,
        /// Type of the order; [`OrderType::Other`] for funding.
        order_type: OrderType = order_type(row),
        /// Who made the order.
        create_type: Option<String> = row.text("createType"),
        /// When, ms since 1970.
        time_ms: i64 = row.need_ms("execTime")?,
        /// Sequence; shared by the fills of one match.
        seq: Option<i64> = row.int("seq")?,
    }
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

row! {
    /// A row of `execution.fast`: early, and poor (contract 13.2). Only trades; no fee, and no order id of ours for a maker.
    struct FastExecution of row {
        /// `linear`, `spot`, ….
        category: Option<String> = row.text("category"),
        /// Instrument.
        symbol: String = row.need_text("symbol")?,
        /// The venue's order.
        order_id: String = row.need_text("orderId")?,
        /// Our order; `None` for makers, and after an amend that took.
        link_id: Option<String> = row.text("orderLinkId"),
        /// Probably the id of the full row, which follows.
        exec_id: String = row.need_text("execId")?,
        /// Side.
        side: Side = row.need_side("side")?,
        /// Price.
        price: Price = row.need_price("execPrice")?,
        /// Quantity of base.
        qty: Qty = row.need_qty("execQty")?,
        /// Did it rest in the book?
        maker: Option<bool> = row.some_flag("isMaker")?,
        /// When, ms since 1970.
        time_ms: i64 = row.need_ms("execTime")?,
        /// Sequence.
        seq: Option<i64> = row.int("seq")?,
    }
}

row! {
    /// A position (contract 8.8, 13.3). Ordered by `seq` per instrument: ignore an older one (contract O13).
    struct PositionRow of row {
        /// `linear`, …; `None` in REST rows.
        category: Option<String> = row.text("category"),
        /// Instrument.
        symbol: String = row.need_text("symbol")?,
        /// 0 one-way, 1 hedge long, 2 hedge short.
        position_idx: i64 = row.need_int("positionIdx")?,
        /// Side; `None` when flat.
        side: Option<Side> = row.side("side")?,
        /// Quantity of base, zero when flat.
        size: Qty = row.need_qty("size")?,
        /// Average entry price (`entryPrice` on the stream, `avgPrice` in REST), cut after nine decimals.
        entry: Option<Price> = entry(row)?,
        /// Value at entry in quote currency.
        value: Option<Money> = row.reckoned_money("positionValue")?,
        /// Leverage; `None` in portfolio margin.
        leverage: Option<Rate> = row.rate("leverage")?,
        /// Mark price, cut after nine decimals.
        mark: Option<Price> = row.reckoned_price("markPrice")?,
        /// Liquidation price: an estimate in cross margin; `None` when there is none.
        liquidation: Option<Price> = row.reckoned_price("liqPrice")?,
        /// Price at which it breaks even after fees, cut after nine decimals.
        break_even: Option<Price> = row.reckoned_price("breakEvenPrice")?,
        /// Initial margin.
        initial_margin: Option<Money> = row.reckoned_money("positionIM")?,
        /// Maintenance margin.
        maintenance_margin: Option<Money> = row.reckoned_money("positionMM")?,
        /// Take profit.
        take_profit: Option<Price> = row.price("takeProfit")?,
        /// Stop loss.
        stop_loss: Option<Price> = row.price("stopLoss")?,
        /// Distance of a trailing stop.
        trailing_stop: Option<Price> = row.price("trailingStop")?,
        /// Profit not yet realised, at mark.
        unrealised: Option<Money> = row.reckoned_money("unrealisedPnl")?,
        /// Realised by this position.
        realised: Option<Money> = row.reckoned_money("curRealisedPnl")?,
        /// Realised on this instrument ever.
        realised_ever: Option<Money> = row.reckoned_money("cumRealisedPnl")?,
        /// Is it being taken?
        status: PositionStatus = position_status(row),
        /// 0 to 5: how early auto-deleveraging takes it.
        adl_rank: Option<i64> = row.int("adlRankIndicator")?,
        /// After a cut of the risk limit only reducing orders pass.
        reduce_only: bool = row.flag("isReduceOnly")?,
        /// Does the venue add margin by itself?
        auto_add_margin: bool = row.flag("autoAddMargin")?,
        /// Tier of the risk limit.
        risk_id: Option<i64> = row.int("riskId")?,
        /// Largest value of the tier.
        risk_limit: Option<Money> = row.money("riskLimitValue")?,
        /// When it last changed, ms since 1970.
        updated_ms: Option<i64> = row.ms("updatedTime")?,
        /// Sequence of its last trade; −1 where it never traded.
        seq: Option<i64> = row.int("seq")?,
    }
}

impl PositionRow {
    /// Reads a whole one: a size without a side would be half a position.
    pub(super) fn whole(row: &Row) -> Result<Self, Bad> {
        let position = Self::read(row)?;
        if position.side.is_none() && !position.size.is_zero() { Err("side") } else { Ok(position) }
    }
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

row! {
    /// A wallet (contract 8.10). Account figures are in USD and blank in isolated margin.
    struct WalletRow of row {
        /// `UNIFIED`.
        account_type: Option<String> = row.text("accountType"),
        /// Equity.
        equity: Option<Money> = row.reckoned_money("totalEquity")?,
        /// Wallet balance.
        balance: Option<Money> = row.reckoned_money("totalWalletBalance")?,
        /// Margin balance.
        margin_balance: Option<Money> = row.reckoned_money("totalMarginBalance")?,
        /// What new orders may use.
        available: Option<Money> = row.reckoned_money("totalAvailableBalance")?,
        /// Profit not yet realised of perpetuals.
        unrealised: Option<Money> = row.reckoned_money("totalPerpUPL")?,
        /// Initial margin.
        initial_margin: Option<Money> = row.reckoned_money("totalInitialMargin")?,
        /// Maintenance margin.
        maintenance_margin: Option<Money> = row.reckoned_money("totalMaintenanceMargin")?,
        /// Initial margin as a fraction of the margin balance, cut after nine decimals.
        initial_margin_rate: Option<Rate> = row.rate("accountIMRate")?,
        /// Maintenance margin as a fraction of the margin balance, cut after nine decimals. At 1 the venue liquidates.
        maintenance_margin_rate: Option<Rate> = row.rate("accountMMRate")?,
        /// Coins; those with nothing are left out by the venue.
        coins: Vec<CoinRow> = row.0.at("coin").items().iter().map(|coin| CoinRow::read(&Row(coin))).collect::<Result<_, _>>()?,
    }
}

row! {
    /// One coin of a wallet. A wallet with an unreadable coin is an odd row as a whole: a balance is all or nothing.
    struct CoinRow of row {
        /// The coin.
        coin: String = row.need_text("coin")?,
        /// Wallet balance; negative with borrowing.
        balance: Money = row.need_money("walletBalance")?,
        /// Equity.
        equity: Option<Money> = row.reckoned_money("equity")?,
        /// Worth in USD.
        usd_value: Option<Money> = row.reckoned_money("usdValue")?,
        /// Locked by spot orders.
        locked: Option<Money> = row.reckoned_money("locked")?,
        /// Borrowed.
        borrowed: Option<Money> = row.reckoned_money("borrowAmount")?,
        /// Interest owed.
        interest: Option<Money> = row.reckoned_money("accruedInterest")?,
        /// Initial margin of orders; `None` in portfolio margin.
        order_margin: Option<Money> = row.reckoned_money("totalOrderIM")?,
        /// Initial margin of positions; `None` in portfolio margin.
        position_margin: Option<Money> = row.reckoned_money("totalPositionIM")?,
        /// Maintenance margin of positions; `None` in portfolio margin.
        maintenance_margin: Option<Money> = row.reckoned_money("totalPositionMM")?,
        /// Profit not yet realised.
        unrealised: Option<Money> = row.reckoned_money("unrealisedPnl")?,
        /// Realised ever.
        realised_ever: Option<Money> = row.reckoned_money("cumRealisedPnl")?,
        /// Bonus: counts as margin, cannot be withdrawn.
        bonus: Option<Money> = row.reckoned_money("bonus")?,
        /// May the coin be collateral?
        may_be_collateral: Option<bool> = row.some_flag("marginCollateral")?,
        /// Is it switched on as collateral?
        is_collateral: Option<bool> = row.some_flag("collateralSwitch")?,
    }
}
