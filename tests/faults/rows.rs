//! What the exchange keeps, as the rows in which a client reads it. The words between the two are held by the tests of the
//! simulated exchange and of the parser; here they are left out.

use tickdeck::engine::num::{Money, Qty, Rate, Side};
use tickdeck::venue::bybit::parse::rest::account::TransactionRow;
use tickdeck::venue::bybit::parse::rows as row;
use tickdeck::venue::sim::exchange::Exchange;
use tickdeck::venue::sim::exchange::model::{ExecKind, Execution, Kind, Order, Position, Status, Tif, Transfer};

fn name(exchange: &Exchange, symbol: tickdeck::engine::ids::Symbol) -> String {
    exchange.market_of(symbol).map(|market| market.rules.name.clone()).unwrap_or_default()
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty() && text != "EC_NoError").then(|| text.to_owned())
}

pub fn order(exchange: &Exchange, order: &Order) -> row::OrderRow {
    row::OrderRow {
        category: None,
        symbol: name(exchange, order.ask.slot.symbol),
        order_id: order.id.clone(),
        link_id: given(&order.ask.link),
        parent_link_id: given(&order.parent_link),
        side: order.ask.side,
        order_type: if order.ask.kind == Kind::Limit { row::OrderType::Limit } else { row::OrderType::Market },
        time_in_force: match order.ask.tif {
            Tif::Gtc => row::TimeInForce::Gtc,
            Tif::Ioc => row::TimeInForce::Ioc,
            Tif::Fok => row::TimeInForce::Fok,
            Tif::PostOnly => row::TimeInForce::PostOnly,
        },
        status: match order.status {
            Status::New => row::OrderStatus::New,
            Status::PartiallyFilled => row::OrderStatus::PartiallyFilled,
            Status::Untriggered => row::OrderStatus::Untriggered,
            Status::Filled => row::OrderStatus::Filled,
            Status::Cancelled => row::OrderStatus::Cancelled,
            Status::Rejected => row::OrderStatus::Rejected,
            Status::Deactivated => row::OrderStatus::Deactivated,
        },
        price: Some(order.price),
        qty: order.ask.qty,
        filled: order.cum_qty,
        filled_value: Some(order.cum_value),
        avg_price: order.average(),
        leaves: Some(order.leaves()),
        fees: vec![("USDT".into(), order.cum_fee)],
        trigger_price: order.ask.trigger.map(|trigger| trigger.price),
        trigger_direction: None,
        take_profit: order.ask.protection.take.map(|leg| leg.price),
        stop_loss: order.ask.protection.stop.map(|leg| leg.price),
        position_idx: i64::from(order.ask.slot.idx),
        reduce_only: order.ask.reduce_only,
        close_on_trigger: order.ask.close_on_trigger,
        create_type: given(order.create_type),
        cancel_type: given(order.cancel_type),
        reject_reason: given(order.reject_reason),
        stop_order_type: given(order.stop_type),
        smp_order_id: None,
        closed_pnl: Some(order.closed_pnl),
        created_ms: Some(order.created.as_ms()),
        updated_ms: Some(order.updated.as_ms()),
    }
}

pub fn execution(exchange: &Exchange, execution: &Execution) -> row::ExecutionRow {
    row::ExecutionRow {
        category: None,
        symbol: name(exchange, execution.slot.symbol),
        order_id: execution.order_id.clone(),
        link_id: given(&execution.link),
        exec_id: execution.id.clone(),
        kind: match execution.kind {
            ExecKind::Trade => row::ExecKind::Trade,
            ExecKind::Funding => row::ExecKind::Funding,
            ExecKind::Bust => row::ExecKind::Bust,
            ExecKind::Adl => row::ExecKind::Adl,
        },
        side: execution.side,
        price: execution.price,
        qty: execution.qty,
        value: Some(execution.price * execution.qty),
        fee: execution.fee,
        fee_coin: Some("USDT".into()),
        fee_rate: Some(execution.rate),
        extra_fees: Vec::new(),
        maker: Some(execution.maker),
        leaves: Some(execution.leaves),
        closed: Some(execution.closed),
        pnl: Some(execution.pnl),
        mark: Some(execution.mark),
        order_price: Some(execution.order_price),
        order_qty: Some(execution.order_qty),
        order_type: row::OrderType::Limit,
        create_type: given(execution.create_type),
        time_ms: execution.at.as_ms(),
        seq: Some(execution.seq as i64),
    }
}

pub fn position(exchange: &Exchange, position: &Position) -> row::PositionRow {
    row::PositionRow {
        category: None,
        symbol: name(exchange, position.slot.symbol),
        position_idx: i64::from(position.slot.idx),
        side: position.side,
        size: if position.side.is_some() { position.size } else { Qty::ZERO },
        entry: position.entry(),
        value: Some(position.cost),
        leverage: Some(position.leverage),
        mark: exchange.mark_of(position.slot.symbol),
        liquidation: exchange.liquidation_price(position),
        break_even: None,
        initial_margin: None,
        maintenance_margin: None,
        take_profit: position.protection.take.map(|leg| leg.price),
        stop_loss: position.protection.stop.map(|leg| leg.price),
        trailing_stop: None,
        unrealised: None,
        realised: Some(position.cur_realised),
        realised_ever: Some(position.cum_realised),
        status: if position.status == "Liq" { row::PositionStatus::Liquidating } else { row::PositionStatus::Normal },
        adl_rank: Some(0),
        reduce_only: false,
        auto_add_margin: false,
        risk_id: Some(1),
        risk_limit: None,
        updated_ms: Some(position.updated.as_ms()),
        seq: Some(position.seq),
    }
}

pub fn wallet(balance: Money) -> row::WalletRow {
    let coin = row::CoinRow {
        coin: "USDT".into(),
        balance,
        equity: None,
        usd_value: None,
        locked: None,
        borrowed: None,
        interest: None,
        order_margin: None,
        position_margin: None,
        maintenance_margin: None,
        unrealised: None,
        realised_ever: None,
        bonus: None,
        may_be_collateral: None,
        is_collateral: None,
    };
    row::WalletRow {
        account_type: None,
        equity: None,
        balance: None,
        margin_balance: None,
        available: None,
        unrealised: None,
        initial_margin: None,
        maintenance_margin: None,
        initial_margin_rate: None::<Rate>,
        maintenance_margin_rate: None,
        coins: vec![coin],
    }
}

/// A line of the transaction log: `funding` has the opposite sign of the execution's fee (contract 8.7).
pub fn transaction(exchange: &Exchange, line: &Transfer) -> TransactionRow {
    let execution = line.execution.as_ref();
    let funding = execution.filter(|row| row.kind == ExecKind::Funding);
    TransactionRow {
        id: Some(line.id.clone()),
        linear: execution.is_some(),
        symbol: execution.map(|row| name(exchange, row.slot.symbol)),
        coin: "USDT".into(),
        kind: if funding.is_some() { "SETTLEMENT" } else { "TRADE" }.into(),
        side: execution.map(|row| row.side),
        qty: execution.map(|row| row.qty),
        fee: execution.map(|row| if funding.is_some() { Money::ZERO } else { row.fee }),
        funding: funding.map(|row| -row.fee),
        cash_flow: execution.map(|row| row.pnl),
        change: line.change,
        balance: Some(line.balance),
        link_id: execution.and_then(|row| given(&row.link)),
        order_id: execution.map(|row| row.order_id.clone()),
        trade_id: execution.map(|row| row.id.clone()),
        time_ms: line.at.as_ms(),
    }
}

/// Signed size of a position, 1e-9.
pub fn signed(position: &Position) -> i64 {
    position.side.map_or(0, |side: Side| side.sign() * position.size.raw())
}
