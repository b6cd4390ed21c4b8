//! The account behind the orders: readings, positions, holds, and what others do.

use super::*;
use crate::engine::ids::{Account, RunId};

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
fn the_sequence_says_what_the_opening_covers_and_no_clock_does() {
    let at =
        |time_ms, seq, id: &str| ExecutionRow { time_ms, seq: Some(seq), ..execution(None, id, 1, ExecKind::Trade) };
    let foreign = |desk: &mut Desk| {
        let events = desk.take_events();
        events.iter().filter(|event| matches!(event, Event::Account(AccountUpdate::Foreign { .. }))).count()
    };
    let flat = |seq| PositionRow { seq: Some(seq), ..position(0, None, 0) };
    let held = PositionRow { seq: Some(20), ..position(0, Some(Side::Buy), 2) };
    for (positions, modes, newest) in
        [(vec![held], vec![], 20), (vec![], vec![flat(20)], 20), (vec![], vec![flat(-1)], 6)]
    {
        let mut desk = desk();
        // Listed with the opening, and after its positions were read.
        let executions = Some(vec![at(900_000, newest, "part"), at(999_000, newest + 1, "listed")]);
        let opening = Reading {
            began_at: Ts::from_ms(1_000_000),
            modes,
            executions: executions.filter(|_| newest > 6),
            ..reading(&desk, T, positions, vec![])
        };
        desk.open(T, &opening, &[]);
        assert_eq!(foreign(&mut desk), usize::from(newest > 6));
        // Our idea of the exchange's clock is ahead by a second, or behind.
        desk.on_execution(T, &at(999_000, newest + 1, "after"));
        assert_eq!(foreign(&mut desk), 1, "it is no part of the position");
        if newest > 6 {
            desk.on_execution(T, &at(1_001_000, newest, "late"));
            assert_eq!(foreign(&mut desk), 0, "it is part of the position");
        }
    }
}

/// Found by seeds: legs of hedge mode traded while nothing ran, and the position of one-way mode kept its old sequence.
#[test]
fn what_was_listed_before_the_positions_were_read_is_part_of_them_whatever_its_sequence() {
    let row = || ExecutionRow { seq: Some(30), ..execution(None, "leg", 2, ExecKind::Trade) };
    let flat = PositionRow { seq: Some(20), ..position(0, None, 0) };
    for (listed, told) in [(true, 0), (false, 1)] {
        let mut desk = desk();
        let ids = BTreeSet::from([("BTCUSDT".to_owned(), "leg".to_owned())]);
        let opening = Reading {
            modes: vec![flat.clone()],
            executions: Some(vec![row()]),
            listed: if listed { ids } else { BTreeSet::new() },
            ..reading(&desk, T, vec![], vec![])
        };
        desk.open(T, &opening, &[]);
        let events = desk.take_events();
        let foreign = events.iter().filter(|event| matches!(event, Event::Account(AccountUpdate::Foreign { .. })));
        assert_eq!(foreign.count(), told, "listed: {listed}");
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
    // Without any danger told, a row that is not listed any more lifts what it held, too.
    desk.on_position(&PositionRow { reduce_only: true, ..position(0, Some(Side::Sell), 1) });
    desk.take_events();
    desk.take_reading(T, &reading(&desk, T, vec![], vec![]));
    assert!(matches!(&desk.take_events()[..], [Event::Hold(hold)] if hold.detail.is_none()));
}

#[test]
fn every_instrument_is_watched_in_turn_and_those_in_doubt_at_once() {
    let mut desk = Desk::new(["BTCUSDT", "ETHUSDT", "SOLUSDT"].map(str::to_owned).to_vec(), Span::from_ms(2_500));
    assert_eq!(desk.watched(), ["BTCUSDT"]);
    assert_eq!(desk.watched(), ["ETHUSDT"]);
    desk.doubt_mode(Symbol(0));
    assert_eq!(desk.take_requests(), [Request::Reconcile]);
    assert_eq!(desk.watched(), ["BTCUSDT", "SOLUSDT"]);
    assert_eq!(desk.watched(), ["BTCUSDT"], "a doubt is looked at once");
    desk.on_position(&position(2, Some(Side::Sell), 1));
    assert_eq!(desk.watched(), ["BTCUSDT", "ETHUSDT"], "what holds is looked at each time");
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

fn transaction(id: &str, time_ms: i64, change: &str) -> TransactionRow {
    TransactionRow {
        id: Some(id.into()),
        linear: true,
        symbol: Some("BTCUSDT".into()),
        coin: "USDT".into(),
        kind: "TRADE".into(),
        side: None,
        qty: None,
        fee: None,
        funding: None,
        cash_flow: None,
        change: Money::parse(change).unwrap(),
        balance: None,
        link_id: None,
        order_id: None,
        trade_id: Some(id.into()),
        time_ms,
    }
}

#[test]
fn the_log_adds_up_once_it_lists_what_was_told() {
    let money = |text: &str| Money::parse(text).unwrap();
    let mut desk = desk();
    assert_eq!(desk.log_from(), None, "there is nothing to compare before the opening");
    let opening = Reading { began_at: Ts::from_ms(1_000_000), ..reading(&desk, T, vec![], vec![]) };
    desk.open(T, &opening, &[]);
    assert_eq!(desk.log_from(), Some(1_000_000));
    let traded = |id: &str, time_ms| ExecutionRow { time_ms, ..execution(None, id, 1, ExecKind::Trade) };
    desk.on_execution(T, &traded("a", 1_000_500));
    let fee = Some(money("0.055"));
    let a = TransactionRow { fee, cash_flow: Some(money("2")), ..transaction("a", 1_000_500, "1.945") };
    let b = TransactionRow { fee, ..transaction("b", 1_000_900, "-0.055") };
    let old = TransactionRow { fee, ..transaction("old", 1_000_000, "-0.055") };
    let transfer =
        TransactionRow { linear: false, trade_id: None, symbol: None, ..transaction("in", 1_000_600, "500") };
    let other = TransactionRow { symbol: Some("DOGEUSDT".into()), ..transaction("d", 1_000_700, "-3") };
    let mnt = TransactionRow { coin: "MNT".into(), ..transaction("e", 1_000_800, "-1") };
    assert_eq!(desk.take_log(1_001_000, &[old.clone(), transfer.clone()]), Tie::LogBehind(1_000_500));
    let one = Tally { realised: money("2"), fees: money("0.055"), funding: Money::ZERO, moved: money("497") };
    let rows = [a.clone(), transfer, other, mnt, a.clone(), old];
    assert_eq!(desk.take_log(1_002_000, &rows), Tie::Same(one), "each row counts once, however often it is read");
    // The log knows an execution first: it is heard of later.
    let two = Tally { fees: money("0.11"), ..one };
    assert_eq!(desk.take_log(1_003_000, &[a, b.clone()]), Tie::Untold(two));
    desk.on_execution(T, &traded("b", 1_000_900));
    assert_eq!(desk.take_log(1_004_000, &[b]), Tie::Same(two));
}

#[test]
fn funding_that_fell_due_while_nothing_ran_is_a_row_of_its_own_and_booked_once() {
    let names = || crate::venue::bybit::account::opening::Names::new(Account::Testnet, &RunId::new(1, 1));
    let funding = |id: &str, time_ms| ExecutionRow { time_ms, ..execution(None, id, 3, ExecKind::Funding) };
    let listed = || Some(vec![funding("known", 500_000), funding("missed", 900_000)]);
    for (heard, told) in [(Some(Ts::from_ms(600_000)), vec!["missed"]), (None, vec![])] {
        let mut desk = desk();
        desk.know(names(), vec![("BTCUSDT".into(), "known".into())], heard);
        let began_at = Ts::from_ms(1_000_000);
        let opening = Reading { began_at, executions: listed(), ..reading(&desk, T, vec![], vec![]) };
        desk.open(T, &opening, &[]);
        let events = desk.take_events();
        let booked: Vec<&(String, Ts)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Account(AccountUpdate::Funding { settled, .. }) => settled.as_ref(),
                _ => None,
            })
            .collect();
        assert_eq!(booked.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), told, "a first sight books nothing");
        assert!(booked.iter().all(|(_, at)| *at == Ts::from_ms(900_000)), "at the venue's time");
        let opened = events.iter().position(|e| matches!(e, Event::Account(AccountUpdate::Opening(_)))).unwrap();
        assert_eq!(opened, events.len() - 1, "before the account is compared");
    }
}

#[test]
fn what_the_exchange_took_while_nothing_ran_is_told_by_its_kind_and_once() {
    let names = || crate::venue::bybit::account::opening::Names::new(Account::Testnet, &RunId::new(1, 1));
    let took = |id: &str, kind| ExecutionRow { time_ms: 900_000, ..execution(None, id, 1, kind) };
    let listed = || Some(vec![took("known", ExecKind::Adl), took("adl", ExecKind::Adl), took("bust", ExecKind::Bust)]);
    for (heard, told) in [(Some(Ts::from_ms(600_000)), vec!["adl", "bust"]), (None, vec![])] {
        let mut desk = desk();
        desk.know(names(), vec![("BTCUSDT".into(), "known".into())], heard);
        let began_at = Ts::from_ms(1_000_000);
        let opening = Reading { began_at, executions: listed(), ..reading(&desk, T, vec![], vec![]) };
        desk.open(T, &opening, &[]);
        let events = desk.take_events();
        let of = |event: &Event| match event {
            Event::Account(AccountUpdate::Liquidated { fill, .. }) => Some(fill.exec_id.clone()),
            _ => None,
        };
        assert_eq!(events.iter().filter_map(of).collect::<Vec<_>>(), told, "a first sight books nothing");
    }
}

#[test]
fn what_others_have_outside_the_run_is_told_with_its_worth_when_it_changes() {
    let mut desk = desk();
    let mut told = |positions: Vec<PositionRow>, open: Vec<OrderRow>| {
        let reading = reading(&desk, T, positions, open);
        desk.state(&reading);
        desk.take_events().into_iter().find_map(|event| match event {
            Event::Account(AccountUpdate::Outside(all)) => Some(all.iter().map(Outsider::words).collect::<Vec<_>>()),
            _ => None,
        })
    };
    let elsewhere = |units, mark: Option<&str>| PositionRow {
        symbol: "ETHUSDT".into(),
        value: Some(Money::from_units(5_000)),
        mark: mark.map(|mark| Price::parse(mark).unwrap()),
        ..position(0, Some(Side::Sell), units)
    };
    let inside = || position(0, Some(Side::Buy), 3);
    assert_eq!(told(vec![inside()], vec![]), Some(vec![]), "the first time in any case");
    assert_eq!(told(vec![inside()], vec![]), None);
    assert_eq!(told(vec![elsewhere(2, Some("2600"))], vec![]).unwrap(), ["ETHUSDT short 2 worth 5200.00"]);
    assert_eq!(told(vec![elsewhere(2, Some("2600"))], vec![]), None);
    let at_cost = told(vec![elsewhere(2, None)], vec![]).unwrap();
    assert_eq!(at_cost, ["ETHUSDT short 2 worth 5000.00"], "without a mark at what it cost");
    let order = OrderRow { symbol: "XRPUSDT".into(), link_id: None, ..row(9, 4, OrderStatus::New, 1) };
    let stop = OrderRow { stop_order_type: Some("StopLoss".into()), close_on_trigger: true, ..order.clone() };
    let market = OrderRow { price: None, order_id: "m".into(), ..order.clone() };
    let words = told(vec![], vec![order, stop, market]).unwrap();
    assert_eq!(
        words,
        ["XRPUSDT order BUY 3 worth 300.00 (opens; id o9)", "XRPUSDT order BUY 3 of unknown worth (opens; id m)"]
    );
    assert_eq!(told(vec![], vec![]).unwrap(), Vec::<String>::new());
}

/// The exit had filled before the opening, and its execution was listed after it.
#[test]
fn a_late_execution_of_ours_is_told_as_one_and_ends_its_order() {
    let mut desk = desk();
    let old = EarlierOrder { order: intent(1, 2), link_id: link(1), seen: false, filled: Qty::ZERO, execs: Vec::new() };
    desk.restore(&[old]);
    let flat = PositionRow { seq: Some(20), ..position(0, None, 0) };
    let opening = Reading { modes: vec![flat], ..reading(&desk, T, vec![], vec![]) };
    let counted = Found::Row(Box::new(row(1, 2, OrderStatus::Filled, 2)));
    let settled = Settled { order: OrderSeq(1), executions: vec![], found: counted };
    desk.open(T, &opening, &[settled]);
    desk.take_events();
    let version = desk.version();
    let fill = |id: &str| ExecutionRow { seq: Some(19), ..execution(Some(1), id, 1, ExecKind::Trade) };
    let told = |desk: &mut Desk| {
        let events = desk.take_events();
        assert!(!events.iter().any(|event| matches!(event, Event::Order(_))), "{events:?}");
        let late = events.into_iter().filter_map(|event| match event {
            Event::Account(AccountUpdate::Covered { kind, order, fill, .. }) => Some((kind, order, fill.exec_id)),
            _ => None,
        });
        late.collect::<Vec<_>>()
    };
    let booked = |id: &str| vec![(FillKind::Trade, Some(OrderSeq(1)), id.to_owned())];
    desk.on_execution(after(8_000), &fill("e1"));
    desk.on_execution(after(8_000), &fill("e1"));
    assert_eq!(told(&mut desk), booked("e1"));
    // Like the first one in all but its id: believed once one list shows both.
    desk.on_execution(after(8_000), &fill("e2"));
    assert_eq!((told(&mut desk), desk.is_over(OrderSeq(1))), (vec![], false));
    let row = Found::Row(Box::new(row(1, 2, OrderStatus::Filled, 2)));
    desk.on_looked_up(after(9_000), OrderSeq(1), &[fill("e1"), fill("e2")], &row);
    assert_eq!((told(&mut desk), desk.is_over(OrderSeq(1))), (booked("e2"), true));
    assert_eq!(desk.version(), version, "no position moved");
}

#[test]
fn what_traded_under_our_name_before_the_first_run_is_no_part_of_it() {
    let names = || crate::venue::bybit::account::opening::Names::new(Account::Testnet, &RunId::new(1, 1));
    let ours = || ExecutionRow { link_id: Some("tt-0000000000-7".into()), ..execution(None, "e1", 3, ExecKind::Trade) };
    for (heard, told) in [(Some(Ts::from_ms(600_000)), 1), (None, 0)] {
        let mut desk = desk();
        desk.know(names(), vec![], heard);
        let opening = Reading { executions: Some(vec![ours()]), ..reading(&desk, T, vec![], vec![]) };
        desk.open(T, &opening, &[]);
        let events = desk.take_events();
        let booked = events.iter().filter(|e| matches!(e, Event::Account(AccountUpdate::Foreign { .. })));
        assert_eq!(booked.count(), told, "{heard:?}");
    }
}
