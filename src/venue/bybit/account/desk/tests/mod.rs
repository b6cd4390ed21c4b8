//! The bookkeeper, story by story, and against every order in which news can come.

mod account;
mod adopt;
mod any_order;
mod explain;
mod orders;
mod protection;

use super::*;
use crate::engine::effect::{Purpose, TimeInForce as Tif};
use crate::engine::event::{AccountUpdate, Outsider, Tally};
use crate::engine::num::{Price, Rate, Side};
use crate::engine::orders::{Order, OrderState};
use crate::engine::risk::verdict::DenialCode;
use crate::venue::bybit::parse::Odd;
use crate::venue::bybit::parse::rest::account::TransactionRow;
use crate::venue::bybit::parse::rows::{OrderStatus, OrderType, PositionRow, PositionStatus, TimeInForce};
use std::collections::{BTreeMap, BTreeSet};

const T: Ts = Ts(1_700_000_000_000_000_000);

fn after(ms: i64) -> Ts {
    T + Span::from_ms(ms)
}

fn qty(units: i64) -> Qty {
    Qty::from_raw(units * 1_000_000_000)
}

fn intent(seq: u64, units: i64) -> NewOrder {
    NewOrder {
        seq: OrderSeq(seq),
        symbol: Symbol(0),
        side: Side::Buy,
        qty: qty(units),
        price: Price::parse("100").unwrap(),
        tif: Tif::GoodTillCancel,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: T,
    }
}

fn link(seq: u64) -> String {
    format!("td-run-{seq:06}")
}

fn row(seq: u64, units: i64, status: OrderStatus, filled: i64) -> OrderRow {
    OrderRow {
        category: None,
        symbol: "BTCUSDT".into(),
        order_id: format!("o{seq}"),
        link_id: Some(link(seq)),
        parent_link_id: None,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        status,
        price: Some(Price::parse("100").unwrap()),
        qty: qty(units),
        filled: qty(filled),
        filled_value: None,
        avg_price: None,
        leaves: None,
        fees: Vec::new(),
        trigger_price: None,
        trigger_direction: None,
        take_profit: None,
        stop_loss: None,
        position_idx: 0,
        reduce_only: false,
        close_on_trigger: false,
        create_type: None,
        cancel_type: None,
        reject_reason: None,
        stop_order_type: None,
        smp_order_id: None,
        closed_pnl: None,
        created_ms: None,
        updated_ms: None,
    }
}

fn execution(seq: Option<u64>, id: &str, units: i64, kind: ExecKind) -> ExecutionRow {
    ExecutionRow {
        category: None,
        symbol: "BTCUSDT".into(),
        order_id: seq.map_or("o".into(), |seq| format!("o{seq}")),
        link_id: seq.map(link),
        exec_id: id.into(),
        kind,
        side: Side::Buy,
        price: Price::parse("100").unwrap(),
        qty: qty(units),
        value: None,
        fee: Money::parse("0.055").unwrap(),
        fee_coin: None,
        fee_rate: Some(Rate::parse("0.0001").unwrap()),
        extra_fees: Vec::new(),
        maker: Some(false),
        leaves: None,
        closed: None,
        pnl: None,
        mark: None,
        order_price: None,
        order_qty: None,
        order_type: OrderType::Limit,
        create_type: None,
        time_ms: T.as_ms(),
        seq: Some(7),
    }
}

fn position(idx: i64, side: Option<Side>, units: i64) -> PositionRow {
    PositionRow {
        category: None,
        symbol: "BTCUSDT".into(),
        position_idx: idx,
        side,
        size: qty(units),
        entry: Some(Price::parse("100").unwrap()),
        value: None,
        leverage: None,
        mark: None,
        liquidation: None,
        break_even: None,
        initial_margin: None,
        maintenance_margin: None,
        take_profit: None,
        stop_loss: None,
        trailing_stop: None,
        unrealised: None,
        realised: None,
        realised_ever: None,
        status: PositionStatus::Normal,
        adl_rank: None,
        reduce_only: false,
        auto_add_margin: false,
        risk_id: None,
        risk_limit: None,
        updated_ms: None,
        seq: None,
    }
}

fn desk() -> Desk {
    Desk::new(vec!["BTCUSDT".into()], Span::from_ms(2_500))
}

fn reading(desk: &Desk, began: Ts, positions: Vec<PositionRow>, open: Vec<OrderRow>) -> Reading {
    Reading {
        began,
        began_at: Ts(0),
        version: desk.version(),
        balance: Money::from_units(1_000),
        positions,
        modes: vec![],
        odd: vec![],
        open,
        foreign_orders: 2,
        executions: None,
        listed: BTreeSet::new(),
    }
}

/// Order news of the events, by order.
fn news(desk: &mut Desk) -> Vec<OrderNews> {
    let events = desk.take_events().into_iter();
    events.filter_map(|event| if let Event::Order(update) = event { Some(update.what) } else { None }).collect()
}
