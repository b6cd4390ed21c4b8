//! Money limits: what this order could lead to, counted at its worst.

use crate::engine::effect::NewOrder;
use crate::engine::num::{Money, UNIT};
use crate::engine::risk::gate::GateView;
use crate::engine::risk::limits::LimitKey;
use crate::engine::risk::verdict::{Denial, DenialCode};
use crate::engine::time::Span;

fn above(code: DenialCode, worst: Money, limit: Money) -> Option<Denial> {
    (worst > limit).then(|| Denial::with(code, format!("worst={} limit={limit}", shown(worst))))
}

fn shown(amount: Money) -> String {
    if amount == Money::MAX { "unknown".to_owned() } else { format!("{amount:.2}") }
}

/// `max_order_notional`, at the worse of mark and order price.
pub fn order_notional(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let mark = view.desk(order.symbol)?.mark();
    let price = mark.map_or(order.price, |mark| mark.max(order.price));
    above(DenialCode::LimitOrderNotional, price * order.qty, view.limits.money(LimitKey::MaxOrderNotional))
}

/// `max_position_notional` per symbol.
pub fn position_notional(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let worst = view.worst(order.symbol, Some(order)).notional();
    above(DenialCode::LimitPositionNotional, worst, view.limits.money(LimitKey::MaxPositionNotional))
}

/// `max_gross_notional` over all symbols.
pub fn gross_notional(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let (worst, limit) = (view.totals(Some(order)).gross, view.limits.money(LimitKey::MaxGrossNotional));
    let mut denial = above(DenialCode::LimitGrossNotional, worst, limit)?;
    let outside = view.outside.counts();
    if outside > Money::ZERO {
        // Whoever is refused must see that it is not the run's own that fills the limit.
        denial.detail = format!("{} outside_the_run={}", denial.detail, shown(outside));
    }
    Some(denial)
}

/// `max_net_notional` either way.
pub fn net_notional(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    above(DenialCode::LimitNetNotional, view.totals(Some(order)).net, view.limits.money(LimitKey::MaxNetNotional))
}

/// `max_open_orders`, this one included.
pub fn open_orders(_: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let would_work = view.orders.count() as i64 + 1;
    let limit = view.limits.count(LimitKey::MaxOpenOrders);
    (would_work > limit)
        .then(|| Denial::with(DenialCode::LimitOpenOrders, format!("orders={would_work} limit={limit}")))
}

/// `max_orders_per_10s`, this one included.
pub fn order_rate(_: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let sent = sent_within(view, Span::from_secs(10)) + 1;
    let limit = view.limits.count(LimitKey::MaxOrdersPer10s);
    (sent > limit).then(|| Denial::with(DenialCode::LimitOrderRate, format!("orders={sent} limit={limit} per=10s")))
}

/// `max_orders_24h`, this one included.
pub fn orders_24h(_: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let sent = sent_within(view, Span::from_secs(24 * 3600)) + 1;
    let limit = view.limits.count(LimitKey::MaxOrders24h);
    (sent > limit).then(|| Denial::with(DenialCode::LimitOrders24h, format!("orders={sent} limit={limit} per=24h")))
}

fn sent_within(view: &GateView<'_>, window: Span) -> i64 {
    view.sent.iter().rev().take_while(|then| view.at.since(**then) < window).count() as i64
}

/// `max_daily_loss`: refuses from the limit on, also where the trip waits for its second reading.
pub fn daily_loss(_: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let limit = view.limits.money(LimitKey::MaxDailyLoss);
    (view.day_loss >= limit && (view.day_loss > Money::ZERO || limit == Money::ZERO))
        .then(|| Denial::with(DenialCode::LimitDailyLoss, format!("loss={:.2} limit={limit}", view.day_loss)))
}

/// `max_leverage`: gross worst case over equity.
pub fn leverage(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let Some(equity) = view.equity else { return Some(Denial::bare(DenialCode::EquityUnknown)) };
    let gross = view.totals(Some(order)).gross;
    let limit = view.limits.get(LimitKey::MaxLeverage);
    let allowed = Money::from_raw((equity.raw() / i128::from(UNIT)).saturating_mul(i128::from(limit)));
    above(DenialCode::LimitLeverage, gross, allowed.max(Money::ZERO))
}

/// Initial margin of the worst case must fit into equity.
pub fn margin(order: &NewOrder, view: &GateView<'_>) -> Option<Denial> {
    let Some(equity) = view.equity else { return Some(Denial::bare(DenialCode::EquityUnknown)) };
    let needed: Money = view
        .desks
        .iter()
        .map(|desk| {
            let worst = view.worst(desk.symbol, Some(order)).notional();
            worst.times(desk.instrument.tier(worst).initial)
        })
        .sum();
    (needed > equity)
        .then(|| Denial::with(DenialCode::MarginInsufficient, format!("needed={needed:.2} equity={equity:.2}")))
}
