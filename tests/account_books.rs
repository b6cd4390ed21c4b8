//! What the venue says about the account, and what the engine makes of it: differences, money nobody explains, trades of
//! others, closes whose outcome is lost, and when flat is really flat.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use rig::{BTC, ETH, Rig, eager, p, q, restored, usd};
use tickdeck::engine::account::Holding;
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{FLAT_PROVEN, NewOrder, Purpose, Record, TimeInForce};
use tickdeck::engine::event::{
    AccountUpdate, Event, Fill, Hold, Opening, OrderNews, OrderUpdate, Reach, Restored, Stranger,
};
use tickdeck::engine::ids::{OrderSeq, Symbol};
use tickdeck::engine::num::{Money, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::{Health, StateWord};
use tickdeck::engine::time::{Span, Ts};

/// Armed, long 0.006 BTC, wanting nothing.
fn long_btc(settings: Settings) -> Rig {
    let mut rig = Rig::armed(settings, RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    rig.want_nothing();
    assert_eq!(rig.position(BTC), 6, "{}", rig.told());
    rig
}

fn statement(rig: &mut Rig, balance: Money, positions: &[(Symbol, i64)]) {
    let positions = positions.iter().map(|(symbol, thousandths)| (*symbol, thousandths * 1_000_000)).collect();
    rig.statement(balance, positions);
}

fn closes(rig: &Rig) -> Vec<NewOrder> {
    rig.submitted.iter().filter(|order| order.reduce_only).copied().collect()
}

fn news(rig: &mut Rig, order: OrderSeq, what: OrderNews) {
    rig.event(Event::Order(OrderUpdate { order, what }));
}

#[test]
fn a_lost_close_stands_in_the_way_only_for_as_long_as_it_could_arrive() {
    let mut rig = long_btc(eager());
    rig.hold_back = true;
    rig.command(Command::Flatten(None));
    let lost = closes(&rig)[0].seq;
    news(&mut rig, lost, OrderNews::Sent);
    news(&mut rig, lost, OrderNews::Uncertain("no answer".into()));
    rig.run(3_500);
    assert_eq!(closes(&rig).len(), 1, "it may still arrive");
    rig.run(2_000);
    let closes = closes(&rig);
    assert_eq!(closes.len(), 2, "a position never waits for an answer that does not come");
    assert!(closes.iter().all(|order| order.qty == q("0.006")));
    assert!(rig.violations.is_empty(), "{:?}", rig.violations);
}

#[test]
fn a_close_that_never_left_was_no_try() {
    let mut rig = long_btc(eager());
    rig.hold_back = true;
    rig.command(Command::Flatten(None));
    let first = closes(&rig)[0];
    news(&mut rig, first.seq, OrderNews::Unsent("no connection".into()));
    assert_eq!(closes(&rig).len(), 1, "not at once: its cause may last");
    rig.run(1_500);
    let again = closes(&rig)[1];
    assert_eq!((again.price, again.qty), (first.price, first.qty), "the same band");
    let receipt = rig.snapshot().state.receipt.join("\n");
    assert!(receipt.contains("BTCUSDT: not sent: no connection"), "{receipt}");
    news(&mut rig, again.seq, OrderNews::Sent);
    news(&mut rig, again.seq, OrderNews::Cancelled("nothing to trade with".into()));
    assert!(closes(&rig)[2].price < first.price, "a try that was made widens the band");
}

#[test]
fn a_difference_blocks_opening_and_not_exits() {
    let mut rig = long_btc(eager());
    let before = rig.openings().len();
    rig.want(ETH, Side::Buy);
    rig.want(BTC, Side::Sell);
    for _ in 0..30 {
        let balance = rig.engine.account().balance();
        statement(&mut rig, balance, &[(BTC, 6), (ETH, 700)]);
        assert_eq!(rig.engine.state_word(), StateWord::Reducing);
        rig.run(100);
    }
    assert_eq!(rig.openings().len(), before, "nothing opens");
    assert_eq!(rig.position(BTC), 0, "the exit goes on: {}", rig.told());
    assert!(rig.told().contains("ETHUSDT ours 0 venue 0.7"), "{}", rig.told());
}

/// With the tolerance of a venue that has a wallet of its own.
fn venue_settings() -> Settings {
    Settings { balance_tolerance: Money::parse("0.01").unwrap(), ..eager() }
}

#[test]
fn money_that_nothing_explains_is_believed_the_third_time() {
    for (outside, word) in [(usd(100), "as a deposit"), (-usd(100), "counted as a loss")] {
        let mut rig = Rig::armed(venue_settings(), RiskLimits::default());
        let before = rig.snapshot().account;
        let balance = before.balance + outside;
        for time in 1..=2 {
            statement(&mut rig, balance, &[]);
            assert_eq!(rig.engine.state_word(), StateWord::Reducing, "said {time} times");
            assert_eq!(rig.engine.account().balance(), before.balance);
        }
        statement(&mut rig, balance, &[]);
        let after = rig.snapshot().account;
        assert_eq!((rig.engine.state_word(), after.balance), (StateWord::Armed, balance));
        let lost = if outside.is_negative() { outside } else { Money::ZERO };
        assert_eq!(
            after.day_pnl.unwrap() - before.day_pnl.unwrap(),
            lost,
            "a deposit is no profit, a withdrawal is a loss"
        );
        assert!(rig.told().contains(word), "{}", rig.told());
    }
}

#[test]
fn another_figure_begins_the_count_anew() {
    let mut rig = Rig::armed(venue_settings(), RiskLimits::default());
    let balance = rig.engine.account().balance();
    for said in [usd(100), usd(100), usd(101), usd(101)] {
        statement(&mut rig, balance + said, &[]);
        assert_eq!(rig.engine.account().balance(), balance);
    }
    statement(&mut rig, balance + Money::parse("0.005").unwrap(), &[]);
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "within rounding it is the same money");
}

fn foreign(rig: &mut Rig, id: &str, side: Side, qty: &str) {
    let fill =
        Fill { exec_id: id.into(), price: p("50000.0"), qty: q(qty), fee: Money::ZERO, maker: false, executed: None };
    rig.event(Event::Account(AccountUpdate::Foreign { symbol: BTC, side, fill }));
}

#[test]
fn trades_of_others_are_booked_and_what_they_open_is_theirs() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    foreign(&mut rig, "f1", Side::Buy, "0.002");
    assert_eq!(rig.position(BTC), 2);
    assert!(rig.snapshot().positions[0].released, "{}", rig.told());

    let mut rig = long_btc(eager());
    foreign(&mut rig, "f1", Side::Sell, "0.002");
    assert_eq!(rig.position(BTC), 4);
    assert!(!rig.snapshot().positions[0].released, "less of ours is still ours");
    foreign(&mut rig, "f2", Side::Sell, "0.009");
    assert_eq!(rig.position(BTC), -5);
    rig.command(Command::Disarm);
    let shown = rig.snapshot();
    assert!(shown.positions[0].released, "turned round by somebody else");
    assert_eq!((shown.positions[0].stop, shown.state.exiting), (None, 0), "no exit of ours runs for it");
    assert_eq!(rig.told().matches("traded outside tickdeck").count(), 2);
}

#[test]
fn what_others_trade_is_no_pnl_of_ours_and_counts_for_the_account() {
    let cooled = RiskLimits::default();
    let mut rig = Rig::armed(eager(), cooled);
    let before = rig.snapshot().account;
    let by_hand = |rig: &mut Rig, id: &str, side, price: &str| {
        let fee = Money::parse("0.05").unwrap();
        let fill = Fill { exec_id: id.into(), price: p(price), qty: q("0.002"), fee, maker: false, executed: None };
        rig.event(Event::Account(AccountUpdate::Foreign { symbol: BTC, side, fill }));
    };
    by_hand(&mut rig, "f1", Side::Buy, "50000.0");
    by_hand(&mut rig, "f2", Side::Sell, "49000.0");
    let after = rig.snapshot().account;
    let lost = Money::parse("2.1").unwrap();
    assert_eq!(after.theirs, Some(-lost), "two of price and a tenth of fees");
    assert_eq!((after.realised, after.fees, after.trades), (Money::ZERO, Money::ZERO, 0), "none of it is ours");
    assert_eq!(before.day_pnl.unwrap() - after.day_pnl.unwrap(), lost, "the account's limits count it");
    assert_eq!(before.theirs, None);
    rig.want(BTC, Side::Buy);
    rig.run(3_000);
    assert_eq!(rig.position(BTC), 6, "a loss of others does not cool our entries: {}", rig.told());

    // Ours, and closed by our own order for the person once it was released: the result is the person's.
    rig.want_nothing();
    rig.command(Command::Release(BTC));
    rig.command(Command::CloseReleased(BTC));
    rig.run(2_000);
    let ours = rig.snapshot().account;
    assert_eq!((rig.position(BTC), ours.realised, ours.trades), (0, Money::ZERO, 0));
    let theirs = rig.records.iter().filter(|r| matches!(r, Record::Fill { theirs: true, .. })).count();
    assert_eq!(theirs, 3, "two by hand and the close");
}

#[test]
fn choices_end_with_a_position_that_ended_unseen() {
    let mut start = Restored { holdings: vec![held(6, "300", 1_000)], ..restored(eager(), RiskLimits::default()) };
    start.account_known = false;
    (start.released, start.waived) = (vec![BTC], vec![BTC]);
    let mut rig = Rig::from(start);
    let ended = |rig: &Rig| {
        rig.records.contains(&Record::Released { symbol: BTC, released: false })
            && rig.records.contains(&Record::Waived { symbol: BTC, waived: false })
    };
    assert!(!ended(&rig));
    let opening = Opening { balance: usd(10_000), holdings: vec![], foreign_orders: 0 };
    rig.event(Event::Account(AccountUpdate::Opening(opening)));
    assert!(ended(&rig), "closed while we were away: the next position there is ours to manage");
    assert!(rig.engine.released().is_empty());
}

#[test]
fn a_release_ends_with_its_position() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    foreign(&mut rig, "f1", Side::Buy, "0.002");
    assert!(rig.snapshot().positions[0].released, "{}", rig.told());
    foreign(&mut rig, "f2", Side::Sell, "0.002");
    assert!(rig.records.contains(&Record::Released { symbol: BTC, released: false }), "{}", rig.told());
    rig.want(BTC, Side::Buy);
    rig.run(3_000);
    assert_eq!(rig.position(BTC), 6, "the instrument trades again: {}", rig.told());
}

fn stranger(id: &str, reach: Reach) -> Stranger {
    let (qty, price) = (q("0.5"), Some(p("49000.0")));
    Stranger { symbol: BTC, order: id.into(), side: Side::Buy, qty, filled: q("0"), price, reach }
}

#[test]
fn an_order_of_others_is_shown_and_ends_by_choice_only() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    let listed = |orders: Vec<Stranger>| Event::Account(AccountUpdate::Strangers(orders));
    rig.event(listed(vec![stranger("x1", Reach::Opens), stranger("x2", Reach::Protects)]));
    let number = |rig: &mut Rig, id: &str| rig.snapshot().orders.iter().find(|o| o.link_id == id).map(|o| o.order);
    let (first, second) = (number(&mut rig, "x1").unwrap(), number(&mut rig, "x2").unwrap());
    assert_eq!(rig.snapshot().orders[0].foreign, Some(Reach::Opens));
    // Nothing automatic touches it, and it keeps the number by which it was shown.
    rig.command(Command::Disarm);
    rig.command(Command::Kill);
    rig.run(10_000);
    assert!(rig.swept.is_empty() && rig.cancels.is_empty(), "{:?}", rig.swept);
    rig.event(listed(vec![stranger("x2", Reach::Protects), stranger("x1", Reach::Opens)]));
    assert_eq!((number(&mut rig, "x1"), number(&mut rig, "x2")), (Some(first), Some(second)));
    rig.command(Command::Cancel(second));
    assert_eq!(rig.swept, ["x2"]);
    let recorded = |rig: &Rig, words: &str| {
        let rows = rig.records.iter();
        rows.filter(
            |r| matches!(r, Record::Operator { command, outcome } if command == "cancel" && outcome.contains(words)),
        )
        .count()
    };
    assert_eq!(recorded(&rig, "id x2), by choice"), 1, "{:?}", rig.records);
    rig.event(listed(vec![stranger("x1", Reach::Opens)]));
    rig.command(Command::Cancel(second));
    assert_eq!((rig.swept.len(), recorded(&rig, "no longer works")), (1, 1), "what is gone is not cancelled again");
}

#[test]
fn a_position_of_the_person_is_closed_by_choice_with_one_order() {
    let mut rig = long_btc(eager());
    rig.command(Command::CloseReleased(BTC));
    assert!(closes(&rig).is_empty() && rig.told().contains("not released"), "{}", rig.told());
    rig.command(Command::Release(BTC));
    rig.command(Command::Kill);
    rig.hold_back = true;
    rig.command(Command::CloseReleased(BTC));
    let order = closes(&rig)[0];
    assert_eq!((order.tif, order.qty, order.side), (TimeInForce::CloseAtMarket, q("0.006"), Side::Sell));
    assert!(order.reduce_only && order.purpose == Purpose::Close);
    rig.command(Command::CloseReleased(BTC));
    assert_eq!(closes(&rig).len(), 1, "asked twice is closed once");
    news(&mut rig, order.seq, OrderNews::Sent);
    news(&mut rig, order.seq, OrderNews::Rejected("no".into()));
    rig.held_back.clear();
    rig.run(10_000);
    assert_eq!(closes(&rig).len(), 1, "nothing is repeated by itself");
    rig.hold_back = false;
    rig.command(Command::CloseReleased(BTC));
    rig.run(2_000);
    assert_eq!((rig.position(BTC), closes(&rig).len()), (0, 2), "{}", rig.told());
    let chosen = |r: &&Record| matches!(r, Record::Operator { command, outcome } if command == "close-released" && outcome.contains("by choice"));
    assert_eq!(rig.records.iter().filter(chosen).count(), 2);
}

#[test]
fn a_close_loop_leaves_alone_what_becomes_the_persons_while_it_runs() {
    let mut rig = long_btc(eager());
    rig.want(ETH, Side::Buy);
    rig.run(3_000);
    rig.want_nothing();
    assert!(rig.position(ETH) > 0, "{}", rig.told());
    rig.hold_back = true;
    rig.command(Command::Flatten(None));
    let before = closes(&rig).len();
    // By hand, beyond what was ours: what is there now is the person's.
    foreign(&mut rig, "f1", Side::Sell, "0.009");
    rig.hold_back = false;
    for seq in closes(&rig)[..before].iter().map(|order| order.seq).collect::<Vec<_>>() {
        news(&mut rig, seq, OrderNews::Unsent("kept back".into()));
    }
    rig.run(2_000);
    let later = closes(&rig).split_off(before);
    assert!(later.iter().all(|order| order.symbol != BTC), "the person's position was closed: {later:?}");
    assert!(later.iter().any(|order| order.symbol == ETH), "what is ours is still closed");
}

#[test]
fn an_account_with_orders_of_others_is_not_called_flat() {
    for (outside, flat) in [(0, true), (1, false)] {
        let mut rig = long_btc(eager());
        rig.foreign_orders = outside;
        rig.command(Command::Kill);
        rig.command(Command::KillClose);
        rig.run(4_000);
        assert_eq!(rig.position(BTC), 0);
        assert!(rig.engine.close_proven(), "what is ours is closed, and proven so");
        assert_eq!(rig.engine.flat_proven().is_some(), flat, "{outside} foreign orders");
    }
}

#[test]
fn a_fill_after_the_proof_ends_it_and_is_closed_under_the_same_kill() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.hold_back = true;
    rig.want(BTC, Side::Buy);
    rig.run(1_000);
    rig.want_nothing();
    let entry = rig.openings().first().map(|order| order.seq).unwrap();
    news(&mut rig, entry, OrderNews::Sent);
    news(&mut rig, entry, OrderNews::Cancelled("the list shows it no more".into()));
    rig.hold_back = false;
    rig.command(Command::Kill);
    rig.command(Command::KillClose);
    rig.run(4_000);
    assert!(rig.engine.close_proven() && rig.engine.flat_proven().is_some());
    let fill = Fill {
        exec_id: "late".into(),
        price: p("50000.0"),
        qty: q("0.002"),
        fee: Money::ZERO,
        maker: false,
        executed: None,
    };
    news(&mut rig, entry, OrderNews::Filled(fill));
    assert_eq!(rig.position(BTC), 2, "{}", rig.told());
    assert!(!rig.engine.close_proven() && rig.engine.flat_proven().is_none());
    assert!(rig.engine.closing() && closes(&rig).iter().any(|order| order.symbol == BTC), "{}", rig.told());
}

#[test]
fn a_proof_of_flat_outlives_its_run() {
    let mut rig = long_btc(eager());
    rig.command(Command::Kill);
    rig.command(Command::KillClose);
    rig.run(4_000);
    let proven = rig.engine.flat_proven().unwrap();
    assert!(rig.records.iter().any(|r| matches!(r, Record::Operator { command, .. } if command == FLAT_PROVEN)));

    let again = || Restored { flat_proven: Some(proven), ..restored(eager(), RiskLimits::default()) };
    assert_eq!(Rig::from(again()).snapshot().state.flat_proven, Some(proven));
    let with_position = Restored { holdings: vec![held(6, "300", 1_000)], ..again() };
    assert_eq!(Rig::from(with_position).snapshot().state.flat_proven, None, "a position is no proof of none");
}

#[test]
fn half_a_minute_without_the_account_disarms() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    let hold = |detail: Option<&str>| {
        Event::Hold(Hold { code: DenialCode::VenueUnreachable, symbol: None, detail: detail.map(str::to_owned) })
    };
    rig.event(hold(Some("the stream is down")));
    rig.run(20_000);
    rig.event(hold(None));
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "back in time");
    rig.event(hold(Some("the stream is down")));
    rig.run(20_000);
    rig.event(hold(Some("requests fail as well")));
    rig.run(11_000);
    rig.event(hold(None));
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "the same absence under another name: {}", rig.told());
}

fn held(signed: i64, cost: &str, opened: i64) -> Holding {
    Holding {
        symbol: BTC,
        signed: signed * 1_000_000,
        cost: Money::parse(cost).unwrap(),
        opened: Ts::from_ms(opened),
        realised: Money::ZERO,
        fees: Money::ZERO,
    }
}

/// A venue's account whose ledger remembers `ours`, after the venue has said `theirs`.
fn opened(ours: Holding, theirs: Vec<Holding>) -> Rig {
    let start = Restored { holdings: vec![ours], account_known: false, ..restored(eager(), RiskLimits::default()) };
    let mut rig = Rig::from(start);
    let opening = Opening { balance: usd(10_000), holdings: theirs, foreign_orders: 0 };
    rig.event(Event::Account(AccountUpdate::Opening(opening)));
    rig
}

#[test]
fn a_position_in_hedge_mode_cannot_be_adopted() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    foreign(&mut rig, "f1", Side::Buy, "0.002");
    let hedged = |detail: Option<&str>| {
        let code = DenialCode::PositionModeHedge;
        Event::Hold(Hold { code, symbol: Some(BTC), detail: detail.map(str::to_owned) })
    };
    rig.event(hedged(Some("both legs")));
    rig.command(Command::Adopt(BTC));
    assert!(rig.snapshot().positions[0].released, "closing it here would be refused for ever");
    rig.event(hedged(None));
    rig.command(Command::Adopt(BTC));
    assert!(!rig.snapshot().positions[0].released, "{}", rig.told());
}

#[test]
fn an_account_at_the_exchange_without_a_watchdog_is_warned_of() {
    let watchdog = |mut rig: Rig| {
        let lights = rig.snapshot().state.preflight;
        lights.into_iter().find(|light| light.name == "watchdog").map(|light| light.health)
    };
    assert_eq!(watchdog(opened(held(6, "300", 1_000), Vec::new())), Some(Health::Warn));
    assert_eq!(watchdog(Rig::new(eager(), RiskLimits::default())), Some(Health::Skip), "nothing outlives this process");
}

#[test]
fn a_position_is_as_we_left_it_only_with_the_same_cost() {
    let ours = || held(6, "299.9999", 1_000);
    let rig = opened(ours(), vec![held(6, "300", 2_000)]);
    assert_eq!(rig.engine.account().holding(BTC), ours(), "within the venue's rounding ours is the exact one");
    // Found by a seed (699150): the venue realised something else on the way, and its balance goes with its own cost.
    let rig = opened(held(6, "299.97", 1_000), vec![held(6, "300", 2_000)]);
    assert_eq!(rig.engine.account().holding(BTC), held(6, "300", 2_000), "a ten-thousandth is no rounding");
    let rig = opened(ours(), vec![held(6, "310", 2_000)]);
    assert_eq!(
        rig.engine.account().holding(BTC),
        held(6, "310", 2_000),
        "bought again at another price while we were away"
    );
    let mut rig = opened(ours(), vec![held(9, "450", 2_000)]);
    assert!(rig.snapshot().positions[0].released, "another size is the person's");
}

#[test]
fn a_position_that_is_gone_is_said_so() {
    let rig = opened(held(6, "300", 1_000), Vec::new());
    assert_eq!(rig.position(BTC), 0);
    let told = rig.told();
    assert!(
        told.contains("the venue holds 0, our ledger 0.006") && told.contains("closed while we were away"),
        "{told}"
    );
    assert!(told.contains("no fill of ours explains it"), "{told}");
}

#[test]
fn an_intent_is_as_old_as_the_caller_says_also_when_events_lag() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.hold_back = true;
    rig.want(BTC, Side::Buy);
    rig.run(1_000);
    let order = rig.submitted[0];
    let at = |ms| order.decided + Span::from_ms(ms);
    assert!(rig.engine.may_send(&order, at(400)).is_ok());
    let denial = rig.engine.may_send(&order, at(600)).unwrap_err();
    assert!(denial.detail.contains("intent_age=600ms"), "{denial}");
}
