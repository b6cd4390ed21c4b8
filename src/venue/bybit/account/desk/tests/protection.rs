//! Protection: what counts as a stop, and whose exit its execution is.

use super::*;
use crate::engine::event::Statement;

/// An open protective order as the exchange makes it: no id of ours, closing only.
fn protective(id: &str, kind: &str, units: i64, trigger: &str) -> OrderRow {
    OrderRow {
        order_id: id.into(),
        link_id: None,
        side: Side::Sell,
        trigger_price: Some(Price::parse(trigger).unwrap()),
        stop_order_type: Some(kind.into()),
        reduce_only: true,
        close_on_trigger: true,
        ..row(1, units, OrderStatus::Untriggered, 0)
    }
}

fn stated(desk: &mut Desk, positions: Vec<PositionRow>, open: Vec<OrderRow>) -> Statement {
    let reading = reading(desk, T, positions, open);
    desk.state(&reading);
    let mut statements = desk.take_events().into_iter().filter_map(|event| match event {
        Event::Account(AccountUpdate::Statement(statement)) => Some(statement),
        _ => None,
    });
    statements.next_back().unwrap()
}

#[test]
fn stops_for_parts_protect_only_where_they_add_up() {
    let mut desk = desk();
    let held = || vec![position(0, Some(Side::Buy), 3)];
    let one = protective("a", "PartialStopLoss", 1, "90");
    let two = protective("b", "PartialStopLoss", 2, "80");
    let target = protective("c", "PartialTakeProfit", 3, "120");
    let said = |statement: &Statement| statement.protection[0].1.stop;
    assert_eq!(said(&stated(&mut desk, held(), vec![one.clone(), target.clone()])), None);
    let statement = stated(&mut desk, held(), vec![one, two, target]);
    assert_eq!(said(&statement), Some(Price::parse("80").unwrap()), "the farthest: that is where the last part closes");
    let named: Vec<_> = statement.protective.iter().map(|order| (order.order.as_str(), order.purpose)).collect();
    assert_eq!(named, [("a", Purpose::Stop), ("b", Purpose::Stop), ("c", Purpose::TakeProfit)]);
    let whole = PositionRow { stop_loss: Some(Price::parse("95").unwrap()), ..position(0, Some(Side::Buy), 3) };
    assert_eq!(said(&stated(&mut desk, vec![whole], vec![])), Some(Price::parse("95").unwrap()));
}

#[test]
fn what_a_protective_order_trades_is_our_exit() {
    let mut desk = desk();
    desk.open(T, &reading(&desk, T, vec![position(0, Some(Side::Buy), 3)], vec![]), &[]);
    desk.take_events();
    let sold = |id: &str, order: &str, made_by: Option<&str>| ExecutionRow {
        side: Side::Sell,
        order_id: order.into(),
        create_type: made_by.map(str::to_owned),
        ..execution(None, id, 1, ExecKind::Trade)
    };
    // By what made it; and by an order that was seen, where the execution does not say.
    desk.on_execution(T, &sold("1", "x", Some("CreateByTakeProfit")));
    desk.on_order(T, &protective("known", "StopLoss", 3, "90"));
    desk.on_execution(T, &sold("2", "known", None));
    desk.on_execution(T, &sold("3", "y", Some("CreateByClosing")));
    let told: Vec<Option<Purpose>> = (desk.take_events().into_iter())
        .filter_map(|event| match event {
            Event::Account(AccountUpdate::Protected { purpose, .. }) => Some(Some(purpose)),
            Event::Account(AccountUpdate::Foreign { .. }) => Some(None),
            _ => None,
        })
        .collect();
    assert_eq!(told, [Some(Purpose::TakeProfit), Some(Purpose::Stop), None]);
}

#[test]
fn somebodys_conditional_order_is_no_protection() {
    let conditional = protective("a", "Stop", 3, "90");
    let named = OrderRow { link_id: Some("mine".into()), ..protective("b", "StopLoss", 3, "90") };
    let opening = OrderRow { reduce_only: false, close_on_trigger: false, ..protective("c", "StopLoss", 3, "90") };
    for row in [conditional, named, opening] {
        assert_eq!(row.protects(), None, "{row:?}");
    }
    assert_eq!(protective("d", "TrailingStop", 3, "90").protects(), Some(Purpose::Stop));
}

#[test]
fn orders_of_others_are_told_when_they_change_with_what_they_can_do() {
    use crate::engine::event::{Reach, Stranger};
    let mut desk = desk();
    desk.open(T, &reading(&desk, T, vec![], vec![]), &[]);
    desk.submit(T, intent(1, 1), &link(1));
    let theirs = |id: &str| OrderRow { order_id: id.into(), link_id: None, ..row(9, 2, OrderStatus::New, 0) };
    let reduces = OrderRow { reduce_only: true, ..theirs("b") };
    let protects = OrderRow {
        trigger_price: Some(Price::parse("90").unwrap()),
        stop_order_type: Some("Stop".into()),
        ..OrderRow { reduce_only: true, ..theirs("c") }
    };
    let stop = OrderRow { stop_order_type: Some("StopLoss".into()), ..OrderRow { reduce_only: true, ..theirs("d") } };
    let elsewhere = OrderRow { symbol: "XRPUSDT".into(), ..theirs("e") };
    let told = |desk: &mut Desk| {
        let events = desk.take_events().into_iter();
        let lists = events.filter_map(|event| match event {
            Event::Account(AccountUpdate::Strangers(list)) => Some(list),
            _ => None,
        });
        lists.collect::<Vec<Vec<Stranger>>>()
    };
    let listed = vec![row(1, 1, OrderStatus::New, 0), theirs("a"), reduces, protects, stop, elsewhere];
    let full = reading(&desk, T, vec![], listed);
    told(&mut desk);
    desk.state(&full);
    desk.state(&full);
    let lists = told(&mut desk);
    assert_eq!(lists.len(), 1, "told once");
    let seen: Vec<(&str, Reach)> = lists[0].iter().map(|order| (order.order.as_str(), order.reach)).collect();
    assert_eq!(seen, [("a", Reach::Opens), ("b", Reach::Reduces), ("c", Reach::Protects)]);
    let none = reading(&desk, T, vec![], vec![]);
    desk.state(&none);
    assert_eq!(told(&mut desk), [vec![]]);
}
