//! How rows are read that the private stream and REST share.

use super::{
    CoinRow, ExecKind, ExecutionRow, FastExecution, OrderRow, OrderStatus, OrderType, PositionRow, PositionStatus,
    TimeInForce, WalletRow,
};
use crate::engine::num::{Money, Qty};
use crate::venue::bybit::parse::tree::{Bad, Node, Row};

pub(in crate::venue::bybit::parse) fn order(row: &Row) -> Result<OrderRow, Bad> {
    Ok(OrderRow {
        category: row.text("category"),
        symbol: row.need_text("symbol")?,
        order_id: row.need_text("orderId")?,
        link_id: row.text("orderLinkId"),
        parent_link_id: row.text("parentOrderLinkId"),
        side: row.need_side("side")?,
        order_type: order_type(row),
        time_in_force: time_in_force(row),
        status: order_status(row)?,
        price: row.price("price")?,
        qty: row.need_qty("qty")?,
        filled: filled(row)?,
        filled_value: row.reckoned_money("cumExecValue")?,
        avg_price: row.reckoned_price("avgPrice")?,
        leaves: row.qty("leavesQty")?,
        fees: fees(row)?,
        trigger_price: row.price("triggerPrice")?,
        trigger_direction: row.int("triggerDirection")?.filter(|direction| *direction != 0),
        take_profit: row.price("takeProfit")?,
        stop_loss: row.price("stopLoss")?,
        position_idx: row.int("positionIdx")?.unwrap_or(0),
        reduce_only: row.flag("reduceOnly")?,
        close_on_trigger: row.flag("closeOnTrigger")?,
        create_type: row.text("createType"),
        cancel_type: row.text("cancelType"),
        reject_reason: row.text("rejectReason").filter(|reason| reason != "EC_NoError"),
        stop_order_type: row.text("stopOrderType"),
        smp_order_id: row.text("smpOrderId"),
        closed_pnl: row.money("closedPnl")?,
        created_ms: row.ms("createdTime")?,
        updated_ms: row.ms("updatedTime")?,
    })
}

/// `""` is zero here: an order that never filled. A missing key is not: money hangs on it.
fn filled(row: &Row) -> Result<Qty, Bad> {
    const KEY: Bad = "cumExecQty";
    match row.0.at(KEY) {
        Node::Text(text) if text.is_empty() => Ok(Qty::ZERO),
        _ => row.need_qty(KEY),
    }
}

fn order_type(row: &Row) -> OrderType {
    match row.word("orderType") {
        "Limit" => OrderType::Limit,
        "Market" => OrderType::Market,
        _ => OrderType::Other,
    }
}

fn time_in_force(row: &Row) -> TimeInForce {
    match row.word("timeInForce") {
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        "PostOnly" => TimeInForce::PostOnly,
        "RPI" => TimeInForce::Rpi,
        _ => TimeInForce::Other,
    }
}

fn order_status(row: &Row) -> Result<OrderStatus, Bad> {
    Ok(match row.word("orderStatus") {
        "New" | "Created" | "Active" | "PendingCancel" => OrderStatus::New,
        "PartiallyFilled" => OrderStatus::PartiallyFilled,
        "Untriggered" => OrderStatus::Untriggered,
        "Triggered" => OrderStatus::Triggered,
        "Filled" => OrderStatus::Filled,
        "Cancelled" => OrderStatus::Cancelled,
        "PartiallyFilledCanceled" => OrderStatus::PartiallyFilledCanceled,
        "Rejected" => OrderStatus::Rejected,
        "Deactivated" => OrderStatus::Deactivated,
        "" => return Err("orderStatus"),
        _ => OrderStatus::Unknown,
    })
}

/// By coin; the older single figure where the venue does not split it (contract 8.7).
fn fees(row: &Row) -> Result<Vec<(String, Money)>, Bad> {
    const KEY: Bad = "cumFeeDetail";
    let split = row.0.at(KEY).pairs();
    if split.is_empty() {
        let coin = row.text("feeCurrency").unwrap_or_default();
        return Ok(row.money("cumExecFee")?.map(|fee| (coin, fee)).into_iter().collect());
    }
    split
        .iter()
        .map(|(coin, amount)| {
            let amount = amount.text().and_then(|text| Money::parse(&text).ok()).ok_or(KEY)?;
            Ok((coin.clone().into_owned(), amount))
        })
        .collect()
}

pub(in crate::venue::bybit::parse) fn execution(row: &Row) -> Result<ExecutionRow, Bad> {
    Ok(ExecutionRow {
        category: row.text("category"),
        symbol: row.need_text("symbol")?,
        order_id: row.need_text("orderId")?,
        link_id: row.text("orderLinkId"),
        exec_id: row.need_text("execId")?,
        kind: exec_kind(row)?,
        side: row.need_side("side")?,
        price: row.need_price("execPrice")?,
        qty: row.need_qty("execQty")?,
        value: row.reckoned_money("execValue")?,
        fee: row.need_money("execFee")?,
        fee_coin: row.text("feeCurrency"),
        fee_rate: row.rate("feeRate")?,
        extra_fees: extra_fees(row)?,
        maker: row.some_flag("isMaker")?,
        leaves: row.qty("leavesQty")?,
        closed: row.qty("closedSize")?,
        pnl: row.money("execPnl")?,
        mark: row.reckoned_price("markPrice")?,
        order_price: row.price("orderPrice")?,
        order_qty: row.qty("orderQty")?,
        order_type: order_type(row),
        create_type: row.text("createType"),
        time_ms: row.need_ms("execTime")?,
        seq: row.int("seq")?,
    })
}

fn exec_kind(row: &Row) -> Result<ExecKind, Bad> {
    Ok(match row.word("execType") {
        "Trade" => ExecKind::Trade,
        "Funding" => ExecKind::Funding,
        "AdlTrade" => ExecKind::Adl,
        "BustTrade" => ExecKind::Bust,
        "Settle" | "Delivery" | "SessionSettlePnL" => ExecKind::Settlement,
        "BlockTrade" | "MovePosition" | "FutureSpread" => ExecKind::Beside,
        "" => return Err("execType"),
        _ => ExecKind::Unknown,
    })
}

fn extra_fees(row: &Row) -> Result<Vec<(String, Money)>, Bad> {
    let taxes = row.0.at("extraFees").items().iter().map(Row);
    taxes.map(|tax| Ok((tax.need_text("feeCoin")?, tax.need_money("fee")?))).collect()
}

pub(in crate::venue::bybit::parse) fn fast_execution(row: &Row) -> Result<FastExecution, Bad> {
    Ok(FastExecution {
        category: row.text("category"),
        symbol: row.need_text("symbol")?,
        order_id: row.need_text("orderId")?,
        link_id: row.text("orderLinkId"),
        exec_id: row.need_text("execId")?,
        side: row.need_side("side")?,
        price: row.need_price("execPrice")?,
        qty: row.need_qty("execQty")?,
        maker: row.some_flag("isMaker")?,
        time_ms: row.need_ms("execTime")?,
        seq: row.int("seq")?,
    })
}

pub(in crate::venue::bybit::parse) fn position(row: &Row) -> Result<PositionRow, Bad> {
    let entry = row.reckoned_price("entryPrice")?;
    let position = PositionRow {
        category: row.text("category"),
        symbol: row.need_text("symbol")?,
        position_idx: row.need_int("positionIdx")?,
        side: row.side("side")?,
        size: row.need_qty("size")?,
        entry: if entry.is_some() { entry } else { row.reckoned_price("avgPrice")? },
        value: row.reckoned_money("positionValue")?,
        leverage: row.rate("leverage")?,
        mark: row.reckoned_price("markPrice")?,
        liquidation: row.reckoned_price("liqPrice")?,
        break_even: row.reckoned_price("breakEvenPrice")?,
        initial_margin: row.reckoned_money("positionIM")?,
        maintenance_margin: row.reckoned_money("positionMM")?,
        take_profit: row.price("takeProfit")?,
        stop_loss: row.price("stopLoss")?,
        trailing_stop: row.price("trailingStop")?,
        unrealised: row.reckoned_money("unrealisedPnl")?,
        realised: row.reckoned_money("curRealisedPnl")?,
        realised_ever: row.reckoned_money("cumRealisedPnl")?,
        status: position_status(row),
        adl_rank: row.int("adlRankIndicator")?,
        reduce_only: row.flag("isReduceOnly")?,
        auto_add_margin: row.flag("autoAddMargin")?,
        risk_id: row.int("riskId")?,
        risk_limit: row.money("riskLimitValue")?,
        updated_ms: row.ms("updatedTime")?,
        seq: row.int("seq")?.filter(|seq| *seq >= 0),
    };
    // A size without a side would be half a position.
    if position.side.is_none() && !position.size.is_zero() { Err("side") } else { Ok(position) }
}

fn position_status(row: &Row) -> PositionStatus {
    match row.word("positionStatus") {
        "Normal" => PositionStatus::Normal,
        "Liq" => PositionStatus::Liquidating,
        "Adl" => PositionStatus::Deleveraging,
        _ => PositionStatus::Unknown,
    }
}

pub(in crate::venue::bybit::parse) fn wallet(row: &Row) -> Result<WalletRow, Bad> {
    Ok(WalletRow {
        account_type: row.text("accountType"),
        equity: row.reckoned_money("totalEquity")?,
        balance: row.reckoned_money("totalWalletBalance")?,
        margin_balance: row.reckoned_money("totalMarginBalance")?,
        available: row.reckoned_money("totalAvailableBalance")?,
        unrealised: row.reckoned_money("totalPerpUPL")?,
        initial_margin: row.reckoned_money("totalInitialMargin")?,
        maintenance_margin: row.reckoned_money("totalMaintenanceMargin")?,
        initial_margin_rate: row.rate("accountIMRate")?,
        maintenance_margin_rate: row.rate("accountMMRate")?,
        coins: row.0.at("coin").items().iter().map(|coin| coin_row(&Row(coin))).collect::<Result<_, _>>()?,
    })
}

fn coin_row(row: &Row) -> Result<CoinRow, Bad> {
    Ok(CoinRow {
        coin: row.need_text("coin")?,
        balance: row.need_money("walletBalance")?,
        equity: row.reckoned_money("equity")?,
        usd_value: row.reckoned_money("usdValue")?,
        locked: row.reckoned_money("locked")?,
        borrowed: row.reckoned_money("borrowAmount")?,
        interest: row.reckoned_money("accruedInterest")?,
        order_margin: row.reckoned_money("totalOrderIM")?,
        position_margin: row.reckoned_money("totalPositionIM")?,
        maintenance_margin: row.reckoned_money("totalPositionMM")?,
        unrealised: row.reckoned_money("unrealisedPnl")?,
        realised_ever: row.reckoned_money("cumRealisedPnl")?,
        bonus: row.reckoned_money("bonus")?,
        may_be_collateral: row.some_flag("marginCollateral")?,
        is_collateral: row.some_flag("collateralSwitch")?,
    })
}
