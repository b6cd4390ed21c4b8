//! Words and composed fields of the rows that the private stream and REST share.

use super::{ExecKind, OrderStatus, OrderType, PositionStatus, TimeInForce};
use crate::engine::num::{Money, Price, Qty};
use crate::venue::bybit::parse::tree::{Bad, Node, Row};

/// `""` is zero here: an order that never filled. A missing key is not: money hangs on it.
pub(super) fn filled(row: &Row) -> Result<Qty, Bad> {
    const KEY: Bad = "cumExecQty";
    match row.0.at(KEY) {
        Node::Text(text) if text.is_empty() => Ok(Qty::ZERO),
        _ => row.need_qty(KEY),
    }
}

pub(super) fn order_type(row: &Row) -> OrderType {
    match row.word("orderType") {
        "Limit" => OrderType::Limit,
        "Market" => OrderType::Market,
        _ => OrderType::Other,
    }
}

pub(super) fn time_in_force(row: &Row) -> TimeInForce {
    match row.word("timeInForce") {
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        "PostOnly" => TimeInForce::PostOnly,
        "RPI" => TimeInForce::Rpi,
        _ => TimeInForce::Other,
    }
}

pub(super) fn order_status(row: &Row) -> Result<OrderStatus, Bad> {
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
pub(super) fn fees(row: &Row) -> Result<Vec<(String, Money)>, Bad> {
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

pub(super) fn exec_kind(row: &Row) -> Result<ExecKind, Bad> {
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

pub(super) fn extra_fees(row: &Row) -> Result<Vec<(String, Money)>, Bad> {
    let taxes = row.0.at("extraFees").items().iter().map(Row);
    taxes.map(|tax| Ok((tax.need_text("feeCoin")?, tax.need_money("fee")?))).collect()
}

pub(super) fn position_status(row: &Row) -> PositionStatus {
    match row.word("positionStatus") {
        "Normal" => PositionStatus::Normal,
        "Liq" => PositionStatus::Liquidating,
        "Adl" => PositionStatus::Deleveraging,
        _ => PositionStatus::Unknown,
    }
}

/// The stream and REST name it differently.
pub(super) fn entry(row: &Row) -> Result<Option<Price>, Bad> {
    let entry = row.reckoned_price("entryPrice")?;
    if entry.is_some() { Ok(entry) } else { row.reckoned_price("avgPrice") }
}
