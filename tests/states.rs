//! One test for each row of the state table that needs neither protection at a venue nor an attached cockpit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use rig::{BTC, ETH, Rig, eager, p, q, restored, usd};
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{NewOrder, Protection, Purpose, Record, TimeInForce};
use tickdeck::engine::event::{
    AccountUpdate, EarlierOrder, Event, Fault, Fill, Hold, OrderNews, OrderUpdate, Restored, Statement,
};
use tickdeck::engine::ids::{OrderSeq, Symbol};
use tickdeck::engine::num::{Money, Rate, Side, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::risk::state::{Latch, LatchCause};
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::engine::settings::{OnLossTrip, Settings};
use tickdeck::engine::snapshot::StateWord;
use tickdeck::engine::time::{Span, Ts};

fn long_btc() -> Rig {
    long_btc_with(eager())
}

fn long_btc_with(settings: Settings) -> Rig {
    let mut rig = Rig::armed(settings, RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    rig.want_nothing();
    assert_eq!(rig.position(BTC), 6, "300 USDT at 50,000 is 0.006\n{}", rig.told());
    rig
}

/// A resting passive entry that nobody fills.
fn resting_btc() -> Rig {
    let settings = Settings { passive_entry: true, horizon_s: 10, ..eager() };
    let mut rig = Rig::armed(settings, RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(2000);
    assert_eq!(rig.engine.working_orders(), 1, "{}", rig.told());
    rig
}

#[test]
fn safe_refuses_openings() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
    rig.want(BTC, Side::Buy);
    rig.run(5000);
    assert!(rig.submitted.is_empty());
    assert!(rig.denied("STATE_DISARMED"));
}

#[test]
fn armed_opens_through_the_gate() {
    let rig = long_btc();
    assert_eq!(rig.engine.state_word(), StateWord::Armed);
    let order = rig.openings()[0];
    assert_eq!((order.purpose, order.side), (Purpose::Entry, Side::Buy));
    assert!(order.price <= p("50050.1"), "bounded by max_slippage_bps");
}

#[test]
fn disarm_cancels_what_rests_and_exits_go_on_until_flat() {
    let mut rig = resting_btc();
    rig.command(Command::Disarm);
    assert_eq!(rig.cancels.len(), 1, "cancelled now, not at the next boundary");
    rig.run(1000);
    assert_eq!(rig.engine.working_orders(), 0);

    let settings = Settings { max_hold: Span::from_secs(5), ..eager() };
    let mut rig = long_btc_with(settings);
    rig.command(Command::Disarm);
    rig.want(ETH, Side::Buy);
    let snapshot = rig.snapshot();
    assert_eq!((snapshot.state.word, snapshot.state.exiting), (StateWord::Safe, 1));
    rig.run(8000);
    assert_eq!(rig.position(BTC), 0, "the longest holding time still runs");
    assert_eq!(rig.position(ETH), 0);
}

#[test]
fn arming_lapses_and_the_dead_man_disarms() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    rig.command(Command::Arm { lasts: Span::from_secs(3) });
    assert_eq!(rig.engine.state_word(), StateWord::Armed);
    rig.run(4000);
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
    assert!(rig.told().contains("arming lapsed"));

    let settings = Settings { deadman: Span::from_secs(5), ..eager() };
    let mut rig = Rig::armed(settings, RiskLimits::default());
    rig.run(3000);
    rig.command(Command::Present);
    rig.run(3000);
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "somebody was there");
    rig.run(3000);
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
    assert!(rig.told().contains("dead-man"));
}

#[test]
fn a_limit_below_what_is_used_reduces_that_symbol_until_it_fits() {
    let mut rig = long_btc();
    rig.command(Command::SetLimit { key: LimitKey::MaxPositionNotional, value: 200 * UNIT });
    assert_eq!(rig.engine.state_word(), StateWord::Reducing);
    rig.want(BTC, Side::Buy);
    rig.want(ETH, Side::Buy);
    let before = rig.openings().len();
    rig.run(3000);
    assert!(rig.openings()[before..].iter().all(|o| o.symbol != BTC), "no opening of the reducing symbol");
    rig.want(BTC, Side::Sell);
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0, "the strategy's exit goes on");
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "its cause ended: {}", rig.told());
}

#[test]
fn reducing_cancels_resting_openings_now() {
    let mut rig = resting_btc();
    rig.fault(Fault::Tape { why: "disk nearly full".into(), fatal: false });
    assert_eq!(rig.engine.state_word(), StateWord::Reducing);
    assert_eq!(rig.cancels.len(), 1);
    rig.run(3000);
    assert_eq!((rig.engine.working_orders(), rig.openings().len()), (0, 1));
    rig.fault(Fault::TapeRecovered);
    assert_eq!(rig.engine.state_word(), StateWord::Armed);
}

fn lose(rig: &mut Rig) {
    // 0.006 BTC, 40,000 lower: 240 USDT.
    rig.quote(BTC, "10000.0", "10000.1");
    rig.mark(BTC, "10000");
    for _ in 0..80 {
        rig.run(100);
        rig.mark(BTC, "10000");
    }
}

#[test]
fn a_loss_trip_flattens_proves_it_and_waits_for_the_day_to_turn() {
    let mut rig = long_btc();
    lose(&mut rig);
    assert_eq!(rig.engine.state_word(), StateWord::Tripped, "{}", rig.told());
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.engine.flat_proven().is_some());
    rig.want(BTC, Side::Buy);
    let sent = rig.openings().len();
    rig.run(3000);
    assert_eq!(rig.openings().len(), sent);
    rig.command(Command::Reset);
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "never back to armed");
    rig.arm();
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "the day's loss is spent");
    assert!(rig.told().contains("next trading day"), "{}", rig.told());
    rig.command(Command::SetLimit { key: LimitKey::MaxDailyLoss, value: 290 * UNIT });
    rig.arm();
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "raised by hand: {}", rig.told());
}

#[test]
fn a_loss_trip_may_hold() {
    let mut rig = long_btc_with(Settings { on_loss_trip: OnLossTrip::Hold, ..eager() });
    lose(&mut rig);
    assert_eq!(rig.engine.state_word(), StateWord::Tripped);
    assert_eq!(rig.position(BTC), 6, "kept");
}

#[test]
fn one_odd_price_does_not_trip() {
    let mut rig = long_btc();
    rig.run(6000);
    rig.mark(BTC, "15000"); // 210 USDT lost: past the limit, not by half again
    rig.mark(BTC, "50000");
    rig.run(2000);
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "{}", rig.told());
}

#[test]
fn a_fault_trip_keeps_positions_and_runs_stops_only() {
    let settings = Settings { stop: Rate::from_raw(10_000_000), max_hold: Span::from_secs(6), ..eager() };
    let mut rig = long_btc_with(settings);
    rig.fault(Fault::Internal("a queue overflowed".into()));
    assert_eq!(rig.engine.state_word(), StateWord::Tripped);
    rig.run(10_000);
    assert_eq!(rig.position(BTC), 6, "the longest holding time does not run");
    rig.quote(BTC, "49000.0", "49000.1");
    rig.run(2000);
    assert_eq!(rig.position(BTC), 0, "the stop does");
    assert_eq!(rig.submitted.last().unwrap().purpose, Purpose::Stop);
}

#[test]
fn kill_first_step_closes_the_gate_also_for_orders_not_yet_on_the_wire() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.hold_back = true;
    rig.want(BTC, Side::Buy);
    rig.run(2000);
    assert_eq!(rig.submitted.len(), 1);
    rig.command(Command::Kill);
    rig.release_held_back();
    rig.run(2000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.venue.statement().working.is_empty());
    assert_eq!(rig.engine.state_word(), StateWord::Killed);
    assert!(rig.records.iter().any(|r| matches!(r, Record::Latch(Some(latch)) if latch.is_kill())));
}

#[test]
fn an_old_intent_is_not_sent() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.hold_back = true;
    rig.want(BTC, Side::Buy);
    rig.run(1000);
    rig.want_nothing();
    rig.run(2000);
    rig.release_held_back();
    rig.run(1000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.told().contains("intent_age"), "{}", rig.told());
}

#[test]
fn killed_keeps_positions_runs_stops_only_and_the_second_step_proves_flat() {
    let mut rig = long_btc_with(Settings { max_hold: Span::from_secs(5), ..eager() });
    rig.command(Command::Kill);
    rig.want(BTC, Side::Sell);
    rig.run(8000);
    let snapshot = rig.snapshot();
    assert_eq!((snapshot.state.word, snapshot.state.open), (StateWord::Killed, 1), "neither holding time nor strategy");
    assert!(snapshot.positions[0].close_cost.is_some(), "the layer names the cost of closing");
    assert!(rig.engine.flat_proven().is_none());
    rig.command(Command::KillClose);
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.engine.flat_proven().is_some());
    assert_eq!(rig.engine.state_word(), StateWord::Killed, "flat is not reset");
    let receipt = rig.snapshot().state.receipt.join("\n");
    assert!(receipt.contains("1 of 2") && receipt.contains("2 of 2"), "{receipt}");
    rig.command(Command::Reset);
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
}

#[test]
fn the_second_step_needs_the_first() {
    let mut rig = long_btc();
    rig.command(Command::KillClose);
    rig.run(2000);
    assert_eq!(rig.position(BTC), 6);
}

#[test]
fn killed_stays_killed_over_a_restart() {
    let latch = Latch { cause: LatchCause::Killed("by hand".into()), at: Ts::from_ms(1) };
    let mut rig =
        Rig::from(tickdeck::engine::event::Restored { latch: Some(latch), ..restored(eager(), RiskLimits::default()) });
    assert_eq!(rig.engine.state_word(), StateWord::Killed);
    rig.arm();
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.submitted.is_empty());
    rig.command(Command::Reset);
    rig.arm();
    rig.run(3000);
    assert_eq!(rig.position(BTC), 6);
}

#[test]
fn flatten_one_leaves_the_other_and_disarms() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.want(ETH, Side::Sell);
    rig.run(3000);
    rig.want_nothing();
    assert!(rig.position(BTC) > 0 && rig.position(ETH) < 0);
    rig.command(Command::Flatten(Some(BTC)));
    rig.arm();
    assert_ne!(rig.engine.state_word(), StateWord::Armed, "latched until resolved");
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.position(ETH) < 0, "not selected");
    assert!(rig.engine.close_proven() && rig.told().contains("BTCUSDT FLAT (proven"), "{}", rig.told());
    assert!(rig.engine.flat_proven().is_none(), "the account is not flat");
    rig.arm();
    assert_eq!(rig.engine.state_word(), StateWord::Armed);
    rig.command(Command::Flatten(None));
    rig.run(3000);
    assert_eq!(rig.position(ETH), 0);
}

#[test]
fn a_close_loop_widens_its_band_until_it_is_flat() {
    let mut rig = long_btc();
    // Almost nothing to sell into near mid: 0.001 a level, ten levels a tick apart, the next 60 bp away.
    rig.quote_size(BTC, "49999.9", "50000.0", "0.0001");
    rig.command(Command::Flatten(Some(BTC)));
    rig.run(2000);
    assert!(rig.position(BTC) > 0, "partly filled at most");
    assert!(rig.engine.flat_proven().is_none());
    rig.quote(BTC, "49800.0", "49800.1");
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.engine.flat_proven().is_some());
}

#[test]
fn a_released_position_is_never_touched_until_adopted() {
    let settings = Settings { stop: Rate::from_raw(10_000_000), ..eager() };
    let mut rig = long_btc_with(settings);
    rig.command(Command::Release(BTC));
    rig.quote(BTC, "45000.0", "45000.1");
    rig.run(2000);
    rig.command(Command::Flatten(None));
    rig.run(2000);
    rig.command(Command::Kill);
    rig.command(Command::KillClose);
    rig.run(2000);
    assert_eq!(rig.position(BTC), 6);
    assert!(rig.snapshot().positions[0].released);
    rig.command(Command::Reset);
    rig.command(Command::Adopt(BTC));
    rig.run(2000);
    assert_eq!(rig.position(BTC), 0, "its stop runs again: {}", rig.told());
}

/// A close loop whose only position becomes the person's ends all the same, and does not call it flat.
#[test]
fn a_close_loop_that_is_left_with_nothing_says_so_and_ends() {
    let mut rig = long_btc();
    // Almost nothing to sell into.
    rig.quote_size(BTC, "49999.9", "50000.0", "0.0001");
    rig.command(Command::Flatten(Some(BTC)));
    rig.command(Command::Release(BTC));
    rig.run(3000);
    assert!(rig.position(BTC) > 0, "{}", rig.told());
    assert!(!rig.engine.closing() && rig.engine.close_proven(), "{}", rig.told());
    assert!(rig.engine.flat_proven().is_none() && !rig.told().contains("FLAT"), "{}", rig.told());
    assert!(rig.told().contains("flatten: nothing is left to close: what is open is yours"), "{}", rig.told());
}

#[test]
fn leaving_disarms_and_cancels() {
    let mut rig = resting_btc();
    rig.command(Command::Leaving("SIGHUP".into()));
    assert_eq!(rig.cancels.len(), 1);
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
    assert!(rig.records.iter().any(|r| matches!(r, Record::Operator { command, .. } if command == "leaving")));
    assert!(rig.records.iter().any(|r| matches!(r, Record::Baselines(_))));
}

#[test]
fn waking_from_suspend_disarms_and_reconciles() {
    for fault in [Fault::ClockJump(Span::from_secs(3600)), Fault::Stopped(Span::from_secs(6))] {
        let mut rig = resting_btc();
        rig.fault(fault);
        assert_eq!(rig.engine.state_word(), StateWord::Unknown, "everything is stale until reconciled");
        assert_eq!(rig.cancels.len(), 1);
        rig.run(2000);
        assert_eq!(rig.engine.state_word(), StateWord::Safe);
    }
}

#[test]
fn an_order_of_an_earlier_run_counts_as_working_until_it_is_settled() {
    let order = NewOrder {
        seq: OrderSeq(1),
        symbol: BTC,
        side: Side::Buy,
        qty: q("0.006"),
        price: p("50000.0"),
        tif: TimeInForce::ImmediateOrCancel,
        reduce_only: false,
        purpose: Purpose::Entry,
        protection: Protection::default(),
        decided: Ts(0),
    };
    let (link_id, execs) = ("tp-before-000001".to_owned(), vec!["e1".to_owned()]);
    let earlier = EarlierOrder { order, link_id, seen: true, filled: q("0.002"), execs };
    let news = |what| Event::Order(OrderUpdate { order: OrderSeq(1), what });
    let fill = |id: &str| Fill {
        exec_id: id.to_owned(),
        price: p("50000.0"),
        qty: q("0.002"),
        fee: Money::ZERO,
        maker: false,
        executed: None,
    };
    let mut rig = Rig::from(Restored { earlier: vec![earlier], ..restored(eager(), RiskLimits::default()) });
    assert!(rig.told().contains("1 order(s) of an earlier run"), "{}", rig.told());
    rig.arm();
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.submitted.is_empty(), "one entry may still be there: {:?}", rig.submitted);
    assert!(!rig.cancels.is_empty(), "an entry that old is cancelled");

    rig.event(news(OrderNews::Filled(fill("e1"))));
    assert_eq!(rig.position(BTC), 0, "booked by the earlier run");
    rig.event(news(OrderNews::Filled(fill("e2"))));
    assert_eq!(rig.position(BTC), 2);
    let booked = rig.records.iter().filter(|r| matches!(r, Record::Fill { order: Some(OrderSeq(1)), .. }));
    assert_eq!(booked.count(), 1);
    rig.event(news(OrderNews::Cancelled("ended".into())));
    rig.want(ETH, Side::Buy);
    rig.run(3000);
    assert!(rig.submitted.iter().all(|order| order.seq > OrderSeq(1)), "its number is not given again");
    assert!(rig.submitted.iter().any(|order| order.symbol == ETH));
}

#[test]
fn unknown_equity_blocks_opening_and_disarms_after_half_a_minute() {
    let mut rig = long_btc();
    rig.gap(BTC);
    assert_eq!(rig.engine.state_word(), StateWord::Unknown);
    rig.want(ETH, Side::Buy);
    rig.run(5000);
    assert_eq!(rig.position(ETH), 0);
    assert!(
        rig.denied("EQUITY_UNKNOWN") || rig.denied("LIMIT_GROSS_NOTIONAL"),
        "{:?}\n{}",
        rig.engine.denials(),
        rig.told()
    );
    rig.want_nothing();
    rig.quote(BTC, "50000.0", "50000.1");
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "known again soon: arming goes on");
    rig.gap(BTC);
    rig.run(35_000);
    rig.quote(BTC, "50000.0", "50000.1");
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
}

/// The way to the account is cut, or back.
fn reach(rig: &mut Rig, cut: bool) {
    let detail = cut.then(|| "the stream is down".to_owned());
    rig.event(Event::Hold(Hold { code: DenialCode::VenueUnreachable, symbol: None, detail }));
}

fn state(rig: &mut Rig, positions: Vec<(Symbol, i64)>) {
    let balance = rig.engine.account().balance();
    rig.statement(balance, positions);
}

#[test]
fn after_an_absence_arming_goes_on_only_if_it_was_short_and_nothing_differed() {
    let differs = vec![(BTC, 5_000_000)];
    let cases = [
        (29_000, vec![], StateWord::Armed, "short, and nothing differed"),
        (31_000, vec![], StateWord::Safe, "too long"),
        (5_000, differs.clone(), StateWord::Safe, "short, and something differed"),
        (31_000, differs, StateWord::Safe, "both"),
    ];
    for (away_ms, positions, expected, case) in cases {
        let mut rig = Rig::armed(eager(), RiskLimits::default());
        reach(&mut rig, true);
        rig.want(BTC, Side::Buy);
        rig.run(away_ms);
        assert!(rig.openings().is_empty(), "{case}: blocked at once");
        rig.want_nothing();
        let agrees = positions.is_empty();
        state(&mut rig, positions);
        reach(&mut rig, false);
        if !agrees {
            assert_eq!(rig.engine.state_word(), StateWord::Reducing, "{case}: shown as long as it differs");
            assert!(!rig.engine.may_open(), "{case}");
            state(&mut rig, vec![]);
        }
        assert_eq!(rig.engine.state_word(), expected, "{case}: {}", rig.told());
    }
}

#[test]
fn a_difference_without_an_absence_reduces_and_stays_armed() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    state(&mut rig, vec![(BTC, 5_000_000)]);
    assert_eq!((rig.engine.state_word(), rig.engine.may_open()), (StateWord::Reducing, true));
    state(&mut rig, vec![]);
    assert_eq!(rig.engine.state_word(), StateWord::Armed);
}

#[test]
fn a_wake_from_suspend_sends_nothing_decided_before_and_compares_before_anything_opens() {
    let mut rig = long_btc_with(Settings { max_hold: Span::from_secs(8), ..eager() });
    rig.hold_back = true;
    rig.want(ETH, Side::Buy);
    rig.run(1000);
    let decided = **rig.openings().last().unwrap();
    assert!(rig.engine.may_send(&decided, rig.now).is_ok(), "it was about to leave");
    rig.hold_back = false;
    // The wall clock is an hour on, ours stood still: as far as we know no time has passed at all.
    rig.fault(Fault::ClockJump(Span::from_secs(3600)));
    assert!(rig.engine.may_send(&decided, rig.now).is_err(), "what was decided before does not leave");
    assert!(rig.cancels.contains(&decided.seq) && rig.held_back.is_empty());
    let shown = rig.snapshot();
    assert_eq!(shown.state.word, StateWord::Unknown);
    assert!(shown.state.reducing[0].why.contains("reconciling"), "{:?}", shown.state.reducing);
    let notice = shown.pending_notice.unwrap().text;
    assert!(notice.contains("the clock jumped by 1h") && notice.contains("compared anew"), "{notice}");
    let sent = rig.submitted.len();
    rig.arm();
    assert!(!rig.engine.may_open(), "arming waits for the venue's statement: {}", rig.told());
    assert!(rig.told().contains("arm refused"), "{}", rig.told());
    rig.event(Event::Tick);
    assert_eq!(rig.submitted.len(), sent, "neither entries nor exits before the books are compared");
    rig.run(2000);
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "compared, and still a person's turn");
    rig.run(10_000);
    assert_eq!(rig.position(BTC), 0, "exits resume once compared: {}", rig.told());
    assert_eq!(rig.position(ETH), 0);
}

#[test]
fn nothing_opens_before_the_venue_has_spoken() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    rig.fault(Fault::ClockJump(Span::from_secs(10)));
    rig.arm();
    assert_ne!(rig.engine.state_word(), StateWord::Armed, "arming waits for reconcile");
}

#[test]
fn books_that_differ_reduce_until_they_agree() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    let balance = rig.engine.account().balance();
    rig.event(Event::Account(AccountUpdate::Statement(Statement {
        balance,
        positions: vec![(BTC, 5_000_000)],
        working: Vec::new(),
        unlisted: 0,
        foreign_orders: 0,
        protection: Vec::new(),
        protective: Vec::new(),
    })));
    assert_eq!(rig.engine.state_word(), StateWord::Reducing, "{}", rig.told());
    rig.want(ETH, Side::Buy);
    rig.run(2000);
    assert_eq!(rig.position(ETH), 0, "nothing opens: {}", rig.told());
    rig.run(6000);
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "the venue's next statement agrees: {}", rig.told());
}

#[test]
fn limits_are_raised_only_while_disarmed() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.command(Command::SetLimit { key: LimitKey::MaxGrossNotional, value: 5000 * UNIT });
    assert_eq!(rig.engine.limits().money(LimitKey::MaxGrossNotional), usd(2500));
    rig.command(Command::SetLimit { key: LimitKey::MaxGrossNotional, value: 2400 * UNIT });
    assert_eq!(rig.engine.limits().money(LimitKey::MaxGrossNotional), usd(2400), "tightening is immediate");
    rig.command(Command::Disarm);
    rig.command(Command::SetLimit { key: LimitKey::MaxGrossNotional, value: 5000 * UNIT });
    assert_eq!(rig.engine.limits().money(LimitKey::MaxGrossNotional), usd(5000));
}

#[test]
fn exits_that_cannot_leave_are_told_once_and_then_counted() {
    let mut rig = long_btc_with(Settings { max_hold: Span::from_secs(5), ..eager() });
    rig.hold_back = true;
    for _ in 0..12 {
        rig.run(1000);
        for order in std::mem::take(&mut rig.held_back) {
            let what = OrderNews::Unsent("the exchange refuses this address until 12:00:00".into());
            rig.event(Event::Order(OrderUpdate { order: order.get().seq, what }));
        }
    }
    let tried = rig.submitted.iter().filter(|order| order.reduce_only).count();
    let told = rig.notices.iter().filter(|notice| notice.text.contains("not sent")).count();
    assert!(tried > 4 && told == 1, "{tried} tries, {told} notices\n{}", rig.told());
    rig.hold_back = false;
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.told().contains(&format!("{tried} tries before this one were not sent")), "{}", rig.told());
}
