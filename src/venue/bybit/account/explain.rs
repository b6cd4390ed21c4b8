//! Does what an account was found to hold follow from the ledger and from the executions that the exchange lists? Its lists
//! lag behind its positions: opened too early, what an order of ours traded last would count as the person's, and its
//! execution, listed later, would be booked by nobody.

use std::collections::BTreeSet;

use super::desk::{Found, Reading, Settled};
use super::opening::Before;
use crate::engine::effect::TimeInForce;
use crate::engine::event::EarlierOrder;
use crate::engine::ids::Symbol;
use crate::engine::num::{Qty, Side};
use crate::engine::time::Span;
use crate::venue::bybit::parse::rows::{ExecKind, ExecutionRow};

/// A position that has not moved for this long has its executions listed: what differs then is no matter of waiting.
const MOVED_LATELY: Span = Span::from_secs(60);

/// Is nothing to be waited for?
pub fn is_explained(before: &Before, symbols: &[String], settled: &[Settled], reading: &Reading) -> bool {
    let of = |old: &EarlierOrder| settled.iter().find(|settled| settled.order == old.order.seq);
    let listed = new_executions(before, symbols, settled, reading);
    let told = before.orders.iter().all(|old| of(old).is_none_or(|settled| adds_up(old, settled, &listed)));
    told && symbols.iter().zip(0..).all(|(name, place)| {
        let open_end = |old: &EarlierOrder| {
            let ended = |settled: &Settled| matches!(&settled.found, Found::Row(row) if row.status.is_closed());
            old.order.symbol == Symbol(place) && !of(old).is_some_and(ended)
        };
        let may_move = moved_lately(name, reading) || before.orders.iter().any(open_end);
        !may_move || is_read_badly(name, reading) || apart(name, Symbol(place), before, &listed, reading) == 0
    })
}

/// Is a fill of ours not listed yet? An order's row counts more than the lists show, or an order whose end nobody knows would
/// explain what is held. It is waited for longer: an empty list is never a verdict.
pub fn misses_a_fill(before: &Before, symbols: &[String], settled: &[Settled], reading: &Reading) -> bool {
    let of = |old: &EarlierOrder| settled.iter().find(|settled| settled.order == old.order.seq);
    let listed = new_executions(before, symbols, settled, reading);
    let counted = before.orders.iter().any(|old| of(old).is_some_and(|settled| !adds_up(old, settled, &listed)));
    counted
        || symbols.iter().zip(0..).any(|(name, place)| {
            let apart = apart(name, Symbol(place), before, &listed, reading);
            let could = |old: &&EarlierOrder| {
                let ended = |settled: &Settled| matches!(&settled.found, Found::Row(row) if row.status.is_closed());
                old.order.symbol == Symbol(place)
                    && old.order.side.sign() == apart.signum()
                    && !of(old).is_some_and(ended)
            };
            let left = |old: &EarlierOrder| match old.order.tif {
                // Of the venue's size.
                TimeInForce::CloseAtMarket => i64::MAX,
                _ => old.order.qty.saturating_sub(old.filled).raw(),
            };
            let most = before.orders.iter().filter(could).fold(0_i64, |sum, old| sum.saturating_add(left(old)));
            apart != 0 && apart.saturating_abs() <= most
        })
}

/// Executions that moved a position and that the ledger does not have, once each.
fn new_executions<'a>(
    before: &'a Before,
    symbols: &'a [String],
    settled: &'a [Settled],
    reading: &'a Reading,
) -> Vec<&'a ExecutionRow> {
    let of_earlier = before.orders.iter().flat_map(|old| {
        let name = symbols.get(old.order.symbol.index()).map_or("", String::as_str);
        old.execs.iter().map(move |id| (name, id.as_str()))
    });
    let booked = before.booked.iter().map(|(name, id)| (name.as_str(), id.as_str()));
    let mut known: BTreeSet<(&str, &str)> = booked.chain(of_earlier).collect();
    let rows = settled.iter().flat_map(|settled| &settled.executions).chain(reading.executions.iter().flatten());
    let moves = |row: &&ExecutionRow| {
        matches!(row.kind, ExecKind::Trade | ExecKind::Adl | ExecKind::Bust | ExecKind::Settlement)
    };
    rows.filter(moves).filter(|row| known.insert((row.symbol.as_str(), row.exec_id.as_str()))).collect()
}

/// Are all executions listed that the order's own row counts?
fn adds_up(old: &EarlierOrder, settled: &Settled, listed: &[&ExecutionRow]) -> bool {
    let Found::Row(row) = &settled.found else { return true };
    let own = listed.iter().filter(|execution| execution.link_id.as_deref() == Some(old.link_id.as_str()));
    old.filled + own.map(|execution| execution.qty).sum::<Qty>() >= row.filled
}

fn moved_lately(name: &str, reading: &Reading) -> bool {
    let mut rows = reading.positions.iter().chain(&reading.modes).filter(|row| row.symbol == name);
    let since = (reading.began_at - MOVED_LATELY).as_ms();
    rows.any(|row| row.updated_ms.is_none_or(|updated| updated >= since))
}

fn is_read_badly(name: &str, reading: &Reading) -> bool {
    reading.odd.iter().any(|odd| odd.symbol.as_deref() == Some(name))
}

/// What is held beyond what was held and what traded since, signed.
fn apart(name: &str, symbol: Symbol, before: &Before, listed: &[&ExecutionRow], reading: &Reading) -> i64 {
    let ledger = before.held.iter().find(|(held, _)| *held == symbol).map_or(0, |(_, signed)| *signed);
    let traded = listed.iter().filter(|row| row.symbol == name).map(|row| (Some(row.side), row.qty));
    let held = reading.positions.iter().filter(|row| row.symbol == name).map(|row| (row.side, row.size));
    signed(held).saturating_sub(ledger.saturating_add(signed(traded)))
}

fn signed(rows: impl Iterator<Item = (Option<Side>, Qty)>) -> i64 {
    rows.fold(0, |sum, (side, qty)| sum.saturating_add(side.map_or(0, Side::sign).saturating_mul(qty.raw())))
}
