//! The bookkeeper, story by story, and against every order in which news can come.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::effect::{Purpose, TimeInForce as Tif};
use crate::engine::event::AccountUpdate;
use crate::engine::num::{Price, Rate, Side};
use crate::engine::orders::{Order, OrderState};
use crate::engine::risk::verdict::DenialCode;
use crate::venue::bybit::parse::Odd;
use crate::venue::bybit::parse::rows::{OrderStatus, OrderType, PositionRow, PositionStatus, TimeInForce};

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
        order_id: "o".into(),
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
        time_ms: 1,
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
    }
}

/// Order news of the events, by order.
fn news(desk: &mut Desk) -> Vec<OrderNews> {
    let events = desk.take_events().into_iter();
    events.filter_map(|event| if let Event::Order(update) = event { Some(update.what) } else { None }).collect()
}

#[test]
fn one_create_and_no_other() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.submit(T, intent(1, 3), &link(1));
    let requests = desk.take_requests();
    assert!(matches!(&requests[..], [Request::Create { order: OrderSeq(1), .. }]), "{requests:?}");
    desk.on_created(T, OrderSeq(1), Answer::Unclear("no answer".into()));
    desk.tick(after(300));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
    assert_eq!(news(&mut desk), [OrderNews::Uncertain("no answer".into())]);
}

#[test]
fn an_end_waits_for_its_fills() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_order(T, &row(1, 3, OrderStatus::Cancelled, 2));
    desk.on_execution(T, &execution(Some(1), "a", 1, ExecKind::Trade));
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Filled(_)]));
    // A second is over and one is missing: it is asked for.
    desk.take_requests();
    desk.tick(after(1_000));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
    let both = [execution(Some(1), "a", 1, ExecKind::Trade), execution(Some(1), "b", 1, ExecKind::Trade)];
    desk.on_looked_up(after(1_100), OrderSeq(1), &both, &Found::Unknown);
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Filled(_), OrderNews::Cancelled(_)]));
    assert!(desk.is_over(OrderSeq(1)));
}

#[test]
fn nothing_found_is_a_verdict_only_after_a_minute_of_it() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_created(T, OrderSeq(1), Answer::Unclear("timeout".into()));
    news(&mut desk);
    desk.take_requests();
    let mut now = T;
    let mut looks = 0;
    while let Some(due) = desk.next_due() {
        now = due;
        desk.tick(now);
        assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
        looks += 1;
        desk.on_looked_up(now, OrderSeq(1), &[], &Found::Nothing);
    }
    assert!(now.since(T) >= Span::from_secs(60) && looks >= 6, "{looks} looks in {}", now.since(T));
    let told = news(&mut desk);
    assert!(matches!(&told[..], [OrderNews::Rejected(why)] if why.starts_with("never accepted")), "{told:?}");
    // One more cancel, and should it live after all it is cancelled again, and its fills are money.
    assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
    desk.on_cancelled(now, OrderSeq(1), Answer::Unclear("no such order".into()));
    desk.on_order(now, &row(1, 3, OrderStatus::New, 0));
    assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
    desk.on_execution(now, &execution(Some(1), "late", 1, ExecKind::Trade));
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Filled(_)]));
}

#[test]
fn a_failed_look_up_is_no_verdict() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_created(T, OrderSeq(1), Answer::Unclear("timeout".into()));
    desk.tick(after(90_000));
    desk.on_looked_up(after(90_000), OrderSeq(1), &[], &Found::Unknown);
    assert!(!desk.is_over(OrderSeq(1)));
    assert!(desk.next_due().is_some());
}

#[test]
fn a_cancel_that_overtakes_its_order_is_repeated() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.cancel(OrderSeq(1));
    desk.cancel(OrderSeq(1));
    assert_eq!(desk.take_requests().len(), 2, "one create, one cancel");
    desk.on_cancelled(T, OrderSeq(1), Answer::Unclear("no such order".into()));
    desk.on_order(T, &row(1, 3, OrderStatus::New, 0));
    assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
    desk.on_cancelled(T, OrderSeq(1), Answer::Accepted);
    desk.on_order(T, &row(1, 3, OrderStatus::Cancelled, 0));
    let told = news(&mut desk);
    assert!(matches!(&told[..], [OrderNews::Accepted, OrderNews::Cancelled(_)]), "{told:?}");
    desk.cancel(OrderSeq(1));
    assert_eq!(desk.take_requests(), []);
}

#[test]
fn a_late_cancel_is_answered_by_reading_the_order() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    desk.on_order(T, &row(1, 1, OrderStatus::New, 0));
    desk.cancel(OrderSeq(1));
    desk.take_requests();
    desk.on_cancelled(T, OrderSeq(1), Answer::Unclear("no such order, or too late".into()));
    desk.tick(after(300));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
    let fill = [execution(Some(1), "a", 1, ExecKind::Trade)];
    let filled = Found::Row(Box::new(row(1, 1, OrderStatus::Filled, 1)));
    desk.on_looked_up(after(400), OrderSeq(1), &fill, &filled);
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Accepted, OrderNews::Filled(_)]));
    assert!(desk.is_over(OrderSeq(1)));
}

#[test]
fn a_push_that_overtakes_a_refusal_knows_better() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    desk.on_order(T, &row(1, 1, OrderStatus::New, 0));
    desk.on_created(T, OrderSeq(1), Answer::Refused("no".into()));
    assert_eq!(news(&mut desk), [OrderNews::Accepted]);
    assert!(desk.next_due().is_some());
}

#[test]
fn a_price_that_the_exchange_moved_is_told() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    let moved = OrderRow { price: Some(Price::parse("99.5").unwrap()), ..row(1, 1, OrderStatus::New, 0) };
    desk.on_order(T, &moved);
    desk.on_order(T, &moved);
    let told: Vec<Event> = desk.take_events().into_iter().filter(|event| matches!(event, Event::Told(_))).collect();
    assert!(matches!(&told[..], [Event::Told(text)] if text.contains("from 100 to 99.5")), "{told:?}");
}

#[test]
fn funding_and_forced_closes_move_the_account() {
    let mut desk = desk();
    let opening = reading(&desk, T, vec![position(0, Some(Side::Buy), 3)], vec![]);
    desk.open(T, &opening, &[]);
    desk.on_execution(T, &execution(None, "f", 3, ExecKind::Funding));
    desk.on_execution(T, &execution(None, "f", 3, ExecKind::Funding));
    let bust = ExecutionRow { side: Side::Sell, ..execution(None, "l", 3, ExecKind::Bust) };
    desk.on_execution(T, &bust);
    let events = desk.take_events();
    let Event::Account(AccountUpdate::Opening(opened)) = &events[0] else { panic!("{events:?}") };
    assert_eq!((opened.foreign_orders, opened.holdings[0].cost), (2, Money::from_units(300)));
    let paid: Vec<&Event> =
        events.iter().filter(|event| matches!(event, Event::Account(AccountUpdate::Funding { .. }))).collect();
    let Event::Account(AccountUpdate::Funding { amount, .. }) = paid[0] else { panic!("{paid:?}") };
    assert_eq!((paid.len(), *amount), (1, -Money::parse("0.055").unwrap()));
    assert!(matches!(events.last(), Some(Event::Account(AccountUpdate::Liquidated { side: Side::Sell, .. }))));
    assert!(desk.agrees(&reading(&desk, T, vec![], vec![])));
}

#[test]
fn a_fee_in_another_coin_leaves_the_balance_alone() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    let fill = ExecutionRow { fee_coin: Some("MNT".into()), ..execution(Some(1), "a", 1, ExecKind::Trade) };
    desk.on_execution(T, &fill);
    let events = desk.take_events();
    assert!(matches!(&events[0], Event::Told(text) if text.contains("MNT")), "{events:?}");
    let Event::Order(OrderUpdate { what: OrderNews::Filled(fill), .. }) = &events[1] else { panic!("{events:?}") };
    assert_eq!(fill.fee, Money::ZERO);
}

#[test]
fn a_reading_agrees_only_with_what_was_told() {
    let mut desk = desk();
    desk.open(T, &reading(&desk, T, vec![], vec![]), &[]);
    desk.submit(T, intent(1, 2), &link(1));
    let before = reading(&desk, T, vec![position(0, Some(Side::Buy), 2)], vec![]);
    assert!(!desk.agrees(&before), "the fills were not told yet");
    desk.on_execution(T, &execution(Some(1), "a", 2, ExecKind::Trade));
    assert!(!desk.agrees(&before), "the balance may be older than the fill");
    assert!(desk.agrees(&reading(&desk, T, vec![position(0, Some(Side::Buy), 2)], vec![])));
}

#[test]
fn hedge_mode_and_danger_are_named() {
    let mut desk = desk();
    desk.on_position(&position(1, Some(Side::Buy), 2));
    desk.on_position(&position(2, Some(Side::Sell), 1));
    let events = desk.take_events();
    let Some(Event::Hold(hold)) = events.last() else { panic!("{events:?}") };
    assert_eq!(hold.code, DenialCode::PositionModeHedge);
    assert!(hold.detail.as_ref().unwrap().contains("long 2, short 1"), "{hold:?}");
    let one_way = PositionRow {
        liquidation: Some(Price::parse("80").unwrap()),
        adl_rank: Some(3),
        ..position(0, Some(Side::Buy), 2)
    };
    desk.on_position(&one_way);
    // An older row of the same leg says nothing.
    desk.on_position(&PositionRow { seq: Some(9), ..one_way.clone() });
    desk.on_position(&PositionRow { seq: Some(8), status: PositionStatus::Liquidating, ..one_way });
    let events = desk.take_events();
    assert!(
        matches!(&events[..], [Event::Hold(lifted), Event::Account(AccountUpdate::Danger { adl: 3, .. })] if lifted.detail.is_none()),
        "{events:?}"
    );
}

#[test]
fn what_the_opening_covers_is_never_booked_whenever_it_is_listed() {
    let mut desk = desk();
    let opening =
        Reading { began_at: Ts::from_ms(1_000_000), executions: Some(vec![]), ..reading(&desk, T, vec![], vec![]) };
    desk.open(T, &opening, &[]);
    desk.take_events();
    // Funding of eleven minutes before, and of the very moment: listed late, or again.
    for (id, time_ms) in [("long ago", 1_000_000 - 660_000), ("just then", 1_000_000)] {
        desk.on_execution(T, &ExecutionRow { time_ms, ..execution(None, id, 3, ExecKind::Funding) });
    }
    assert_eq!(desk.take_events(), []);
    desk.on_execution(T, &ExecutionRow { time_ms: 1_000_001, ..execution(None, "after", 3, ExecKind::Funding) });
    assert!(matches!(&desk.take_events()[..], [Event::Account(AccountUpdate::Funding { .. })]));
}

#[test]
fn a_create_without_any_answer_is_asked_for() {
    let mut desk = desk();
    desk.submit(T, intent(1, 1), &link(1));
    desk.take_requests();
    desk.tick(after(11_000));
    assert_eq!(desk.take_requests(), []);
    desk.tick(after(12_000));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { .. }]));
}

#[test]
fn an_order_told_as_never_there_does_not_live() {
    for answer in [Answer::Refused("no".into()), Answer::Unsent("no room".into())] {
        let mut desk = desk();
        desk.submit(T, intent(1, 1), &link(1));
        desk.on_created(T, OrderSeq(1), answer);
        desk.take_requests();
        desk.take_events();
        desk.on_order(after(1), &row(1, 1, OrderStatus::New, 0));
        assert!(matches!(&desk.take_requests()[..], [Request::Cancel { .. }]));
        let told = desk.take_events();
        assert!(matches!(&told[..], [Event::Told(text)] if text.contains("after all")), "{told:?}");
    }
}

fn unread(what: &'static str, symbol: &str) -> Odd {
    Odd { what, field: "size".into(), symbol: Some(symbol.into()) }
}

#[test]
fn a_row_that_cannot_be_read_holds_its_own_instrument_only() {
    let mut desk = desk();
    desk.open(T, &reading(&desk, T, vec![position(0, Some(Side::Buy), 2)], vec![]), &[]);
    desk.take_events();
    let odd = vec![unread("position", "BTCUSDT"), unread("execution", "DOGEUSDT")];
    let broken = Reading { odd, executions: Some(vec![]), ..reading(&desk, T, vec![], vec![]) };
    desk.take_reading(T, &broken);
    desk.take_reading(T, &broken);
    let events = desk.take_events();
    let [Event::Told(told), Event::Hold(hold)] = &events[..] else { panic!("{events:?}") };
    assert!(told.contains("DOGEUSDT") && told.contains("left out"), "{told}");
    assert_eq!((hold.code, hold.symbol, hold.detail.is_some()), (DenialCode::VenueRefused, Some(Symbol(0)), true));
    // The position that was told stands, for nothing is known of it.
    assert!(desk.agrees(&broken));
    desk.take_reading(
        T,
        &Reading { executions: Some(vec![]), ..reading(&desk, T, vec![position(0, Some(Side::Buy), 2)], vec![]) },
    );
    assert!(matches!(&desk.take_events()[..], [Event::Hold(hold)] if hold.detail.is_none()));
}

#[test]
fn a_position_without_a_cost_holds_and_the_rest_opens() {
    let mut desk = Desk::new(vec!["BTCUSDT".into(), "ETHUSDT".into()], Span::from_ms(2_500));
    let costless = PositionRow { entry: None, ..position(0, Some(Side::Buy), 2) };
    let known = PositionRow { symbol: "ETHUSDT".into(), ..position(0, Some(Side::Sell), 1) };
    desk.open(T, &reading(&desk, T, vec![costless, known], vec![]), &[]);
    let events = desk.take_events();
    let opening =
        events.iter().find_map(|e| if let Event::Account(AccountUpdate::Opening(o)) = e { Some(o) } else { None });
    assert_eq!(opening.unwrap().holdings.iter().map(|held| held.symbol).collect::<Vec<_>>(), [Symbol(1)]);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::Hold(hold) if hold.symbol == Some(Symbol(0)) && hold.detail.is_some()))
    );
    assert!(events.iter().any(|e| matches!(e, Event::Told(text) if text.contains("cost"))));
    // Closed at the exchange: nothing holds any more.
    desk.take_reading(T, &reading(&desk, T, vec![], vec![]));
    let events = desk.take_events();
    assert!(events.iter().any(|e| matches!(e, Event::Hold(hold) if hold.detail.is_none())), "{events:?}");
}

#[test]
fn holds_of_a_position_lift_when_its_rows_say_so() {
    let mut desk = desk();
    desk.on_position(&position(1, Some(Side::Buy), 2));
    desk.on_position(&PositionRow { reduce_only: true, ..position(2, Some(Side::Sell), 1) });
    assert_eq!(desk.watched(), ["BTCUSDT"]);
    desk.take_events();
    // Flat in one-way mode: the list has nothing to say, the instrument's own row has.
    let one_way = Reading { modes: vec![position(0, None, 0)], ..reading(&desk, T, vec![], vec![]) };
    desk.take_reading(T, &one_way);
    let lifted = desk.take_events();
    let codes: Vec<_> = lifted
        .iter()
        .filter_map(|e| if let Event::Hold(h) = e { Some((h.code, h.detail.is_some())) } else { None })
        .collect();
    assert_eq!(codes, [(DenialCode::PositionModeHedge, false), (DenialCode::VenueRefused, false)]);
    assert_eq!(desk.watched(), [""; 0]);
    // Without any danger told, a row that is not listed any more lifts what it held, too.
    desk.on_position(&PositionRow { reduce_only: true, ..position(0, Some(Side::Sell), 1) });
    desk.take_events();
    desk.take_reading(T, &reading(&desk, T, vec![], vec![]));
    assert!(matches!(&desk.take_events()[..], [Event::Hold(hold)] if hold.detail.is_none()));
}

#[test]
fn a_trade_of_somebody_else_moves_what_was_told() {
    let mut desk = desk();
    desk.open(T, &reading(&desk, T, vec![position(0, Some(Side::Buy), 3)], vec![]), &[]);
    desk.take_events();
    let sold = ExecutionRow { side: Side::Sell, ..execution(None, "theirs", 2, ExecKind::Trade) };
    desk.on_execution(T, &sold);
    desk.on_execution(T, &sold);
    let events = desk.take_events();
    let [Event::Account(AccountUpdate::Foreign { symbol: Symbol(0), side: Side::Sell, fill })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((fill.qty, fill.exec_id.as_str()), (qty(2), "theirs"));
    assert_eq!(desk.take_requests(), [Request::Reconcile]);
    assert!(desk.agrees(&reading(&desk, T, vec![position(0, Some(Side::Buy), 1)], vec![])));
}

#[test]
fn a_statement_counts_what_its_list_does_not_show() {
    let mut desk = desk();
    let other = PositionRow { symbol: "DOGEUSDT".into(), ..position(0, Some(Side::Sell), 5) };
    let legs = [position(1, Some(Side::Buy), 2), position(2, Some(Side::Sell), 2)];
    let [long, short] = legs;
    for (positions, odd, unlisted) in [
        (vec![position(0, Some(Side::Buy), 1)], vec![], 0),
        (vec![other.clone()], vec![], 1),
        (vec![long.clone(), PositionRow { size: qty(0), ..short.clone() }], vec![], 0),
        (vec![long, short, other], vec![unread("position", "PEPEUSDT"), unread("execution", "XRPUSDT")], 3),
    ] {
        desk.state(&Reading { odd, ..reading(&desk, T, positions, vec![]) });
        let events = desk.take_events();
        let Some(Event::Account(AccountUpdate::Statement(statement))) = events.last() else { panic!("{events:?}") };
        assert_eq!((statement.unlisted, statement.foreign_orders), (unlisted, 2));
    }
}

/// What really happens to an order at the exchange.
#[derive(Clone, Debug)]
struct Truth {
    units: i64,
    fills: Vec<i64>,
    exists: bool,
    rejected: bool,
}

impl Truth {
    fn filled(&self) -> i64 {
        self.fills.iter().sum()
    }
    fn status(&self) -> OrderStatus {
        if self.filled() == self.units {
            OrderStatus::Filled
        } else if self.rejected && self.fills.is_empty() {
            OrderStatus::Rejected
        } else {
            OrderStatus::Cancelled
        }
    }
    fn expected(&self) -> OrderState {
        match self.status() {
            _ if !self.exists => OrderState::Rejected,
            OrderStatus::Filled => OrderState::Filled,
            OrderStatus::Rejected => OrderState::Rejected,
            _ => OrderState::Cancelled,
        }
    }
    fn executions(&self, seq: u64) -> Vec<ExecutionRow> {
        let rows = self.fills.iter().enumerate();
        rows.map(|(place, units)| execution(Some(seq), &format!("e{seq}-{place}"), *units, ExecKind::Trade)).collect()
    }
    fn rows(&self, seq: u64) -> Vec<OrderRow> {
        let mut rows = vec![row(seq, self.units, OrderStatus::New, 0)];
        let mut filled = 0;
        for units in &self.fills {
            filled += units;
            rows.push(row(seq, self.units, OrderStatus::PartiallyFilled, filled));
        }
        rows.push(row(seq, self.units, self.status(), filled));
        rows
    }
}

#[derive(Clone, Debug)]
enum Push {
    Order(OrderRow),
    Execution(ExecutionRow),
    Answer(u64, bool),
    Cancel(u64),
}

fn truth() -> impl Strategy<Value = Truth> {
    (1_i64..6, proptest::collection::vec(1_i64..3, 0..4), 0_u8..8, any::<bool>()).prop_map(
        |(units, mut fills, fate, rejected)| {
            let exists = fate > 0;
            let mut room = units;
            fills.retain(|fill| {
                let fits = exists && *fill <= room;
                room -= if fits { *fill } else { 0 };
                fits
            });
            Truth { units, fills, exists, rejected }
        },
    )
}

/// Everything the exchange sends, each piece lost, sent once or twice, in any order.
fn pushes(truths: &[Truth], fates: &[u8], places: &[u16]) -> Vec<Push> {
    let mut all = Vec::new();
    for (seq, truth) in (1_u64..).zip(truths) {
        if truth.exists {
            all.extend(truth.rows(seq).into_iter().map(Push::Order));
            let executions = truth.executions(seq);
            // Told again under another id.
            let again =
                executions.iter().map(|row| ExecutionRow { exec_id: format!("{}-again", row.exec_id), ..row.clone() });
            all.extend(again.map(Push::Execution));
            all.extend(executions.into_iter().map(Push::Execution));
        }
        all.push(Push::Cancel(seq));
    }
    let mut sent: Vec<(u16, Push)> = Vec::new();
    for (place, push) in all.into_iter().enumerate() {
        let fate = fates[place % fates.len()] % 4;
        let at = |nth: usize| places[(place * 7 + nth) % places.len()];
        (0..fate.min(2)).for_each(|nth| sent.push((at(usize::from(nth)), push.clone())));
    }
    for (seq, truth) in (1_u64..).zip(truths) {
        // An answer to the create comes once or never; never is silence, which the edge reports as unclear.
        let clear = truth.exists && fates[seq as usize % fates.len()].is_multiple_of(2);
        sent.push((places[seq as usize % places.len()], Push::Answer(seq, clear)));
    }
    sent.sort_by_key(|(place, _)| *place);
    sent.into_iter().map(|(_, push)| push).collect()
}

/// The engine's view, and how often each order was sent.
struct Watch {
    orders: BTreeMap<u64, Order>,
    creates: BTreeMap<OrderSeq, u32>,
}

impl Watch {
    /// Books events as the engine does; no end may come before its fills.
    fn take(&mut self, at: Ts, desk: &mut Desk, truths: &[Truth]) -> Result<Vec<Request>, TestCaseError> {
        for event in desk.take_events() {
            let Event::Order(update) = event else { continue };
            let order = self.orders.get_mut(&update.order.0).unwrap();
            order.apply(at, &update.what);
            if matches!(update.what, OrderNews::Cancelled(_)) {
                prop_assert_eq!(
                    order.filled,
                    qty(truths[update.order.0 as usize - 1].filled()),
                    "an end before its fills"
                );
            }
        }
        let requests = desk.take_requests();
        for request in &requests {
            if let Request::Create { order, .. } = request {
                *self.creates.entry(*order).or_default() += 1;
            }
        }
        Ok(requests)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Whatever is lost, repeated, late or in another order: the engine ends up with the exchange's truth, and nothing
    /// is sent twice.
    #[test]
    fn any_news_ends_in_the_same_truth(
        truths in proptest::collection::vec(truth(), 1..4),
        fates in proptest::collection::vec(any::<u8>(), 8..40),
        places in proptest::collection::vec(any::<u16>(), 16..64),
        lags in 0_usize..4,
    ) {
        let mut desk = desk();
        desk.open(T, &reading(&desk, T, vec![], vec![]), &[]);
        let mut watch = Watch { orders: BTreeMap::new(), creates: BTreeMap::new() };
        for (seq, truth) in (1_u64..).zip(&truths) {
            let intent = intent(seq, truth.units);
            watch.orders.insert(seq, Order::new(intent));
            desk.submit(T, intent, &link(seq));
        }
        let mut now = T;
        watch.take(now, &mut desk, &truths)?;
        for push in pushes(&truths, &fates, &places) {
            now = now + Span::from_ms(10);
            match push {
                Push::Order(row) => desk.on_order(now, &row),
                Push::Execution(row) => desk.on_execution(now, &row),
                Push::Answer(seq, true) => desk.on_created(now, OrderSeq(seq), Answer::Accepted),
                Push::Answer(seq, false) => desk.on_created(now, OrderSeq(seq), Answer::Unclear("silence".into())),
                Push::Cancel(seq) => {
                    desk.cancel(OrderSeq(seq));
                    desk.on_cancelled(now, OrderSeq(seq), Answer::Unclear("too late".into()));
                }
            }
            watch.take(now, &mut desk, &truths)?;
        }
        // Statements that list nothing, and look-ups that at first fail or show nothing.
        for _ in 0..2 {
            now = now + Span::from_secs(3);
            let empty = reading(&desk, now, vec![], vec![]);
            desk.take_reading(now, &empty);
        }
        let mut looks = 0;
        while let Some(due) = desk.next_due() {
            prop_assert!(looks < 300, "it is asked for ever");
            now = now.max(due);
            desk.tick(now);
            for request in watch.take(now, &mut desk, &truths)? {
                let Request::LookUp { order, .. } = request else { continue };
                looks += 1;
                let truth = &truths[order.0 as usize - 1];
                let (executions, found) = if looks <= lags {
                    (vec![], if looks % 2 == 0 { Found::Nothing } else { Found::Unknown })
                } else if truth.exists {
                    (truth.executions(order.0), Found::Row(Box::new(truth.rows(order.0).pop().unwrap())))
                } else {
                    (vec![], Found::Nothing)
                };
                desk.on_looked_up(now, order, &executions, &found);
            }
        }
        watch.take(now, &mut desk, &truths)?;
        for (seq, truth) in (1_u64..).zip(&truths) {
            let order = &watch.orders[&seq];
            prop_assert_eq!(order.filled, qty(truth.filled()), "fills of {}", seq);
            prop_assert_eq!(order.state, truth.expected(), "end of {}", seq);
            prop_assert_eq!(watch.creates.get(&OrderSeq(seq)).copied(), Some(1));
        }
    }
}

fn earlier(seq: u64, units: i64) -> EarlierOrder {
    let (order, link_id) = (intent(seq, units), format!("tt-old-{seq}"));
    EarlierOrder { order, link_id, seen: false, filled: Qty::ZERO, execs: Vec::new() }
}

#[test]
fn an_execution_told_under_two_ids_is_booked_once_and_two_alike_are_two() {
    let mut desk = desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_execution(T, &execution(Some(1), "a", 1, ExecKind::Trade));
    desk.on_execution(T, &execution(Some(1), "b", 1, ExecKind::Trade));
    assert_eq!(news(&mut desk).len(), 1, "alike: nobody knows yet");
    let both = [execution(Some(1), "a", 1, ExecKind::Trade), execution(Some(1), "b", 1, ExecKind::Trade)];
    let partly = row(1, 3, OrderStatus::PartiallyFilled, 2);
    desk.on_looked_up(T, OrderSeq(1), &both, &Found::Row(Box::new(partly)));
    let told = news(&mut desk);
    assert!(
        matches!(&told[..], [OrderNews::Filled(fill), ..] if fill.exec_id == "b"),
        "the exchange lists two: {told:?}"
    );
    desk.on_execution(T, &execution(Some(1), "c", 1, ExecKind::Trade));
    desk.on_order(T, &row(1, 3, OrderStatus::Cancelled, 2));
    let events = desk.take_events();
    assert!(
        matches!(&events[..], [Event::Order(_), Event::Told(text)] if text.contains("execution c"))
            || matches!(&events[..], [Event::Told(text), Event::Order(_)] if text.contains("execution c")),
        "{events:?}"
    );
    let mut desk = self::desk();
    desk.submit(T, intent(1, 3), &link(1));
    desk.on_execution(T, &execution(Some(1), "a", 2, ExecKind::Trade));
    desk.on_execution(T, &execution(Some(1), "b", 2, ExecKind::Trade));
    let events = desk.take_events();
    assert!(matches!(&events[..], [Event::Order(_), Event::Told(text)] if text.contains("repeats")), "{events:?}");
}

#[test]
fn an_order_of_an_earlier_run_is_settled_before_the_account_is_compared() {
    let mut desk = desk();
    let booked = EarlierOrder { filled: qty(1), execs: vec!["a".into()], seen: true, ..earlier(1, 3) };
    desk.restore(&[booked, earlier(2, 3), earlier(3, 3)]);
    assert!(desk.take_requests().is_empty(), "nothing of them is sent");
    let of = |seq: u64, row: ExecutionRow| ExecutionRow { link_id: Some(format!("tt-old-{seq}")), ..row };
    let executions =
        vec![of(1, execution(None, "a", 1, ExecKind::Trade)), of(1, execution(None, "b", 2, ExecKind::Trade))];
    let filled = OrderRow { link_id: Some("tt-old-1".into()), ..row(1, 3, OrderStatus::Filled, 3) };
    let looked = |order, executions, found| Settled { order: OrderSeq(order), executions, found };
    let settled = [
        looked(1, executions, Found::Row(Box::new(filled))),
        looked(2, vec![], Found::Nothing),
        looked(3, vec![], Found::Nothing),
    ];
    // The third traded while the account was read.
    let mut opening = reading(&desk, T, vec![position(0, Some(Side::Buy), 5)], vec![]);
    opening.executions =
        Some(vec![of(1, execution(None, "b", 2, ExecKind::Trade)), of(3, execution(None, "c", 3, ExecKind::Trade))]);
    desk.open(after(1_000), &opening, &settled);
    let told: Vec<String> = desk
        .take_events()
        .iter()
        .filter_map(|event| match event {
            Event::Order(update) => match &update.what {
                OrderNews::Filled(fill) => Some(format!("{} filled {}", update.order.0, fill.exec_id)),
                other => Some(format!("{} {other:?}", update.order.0)),
            },
            Event::Account(AccountUpdate::Opening(_)) => Some("opening".into()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["1 filled b", "3 filled c", "opening"]);
    assert!(desk.is_over(OrderSeq(1)) && desk.is_over(OrderSeq(3)));
    assert!(!desk.is_over(OrderSeq(2)), "an order that may be on its way is no refusal yet");
    desk.tick(after(2_000));
    assert!(matches!(&desk.take_requests()[..], [Request::LookUp { order: OrderSeq(2), .. }]));
    desk.on_looked_up(after(61_000), OrderSeq(2), &[], &Found::Nothing);
    assert!(matches!(&news(&mut desk)[..], [OrderNews::Rejected(why)] if why.starts_with("never accepted")));
}
