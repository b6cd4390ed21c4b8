//! One test for each row of the state table that needs neither protection at a venue nor an attached cockpit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use rig::{BTC, ETH, Rig, eager, p, q, restored, usd};
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{
    ARMED_NO_MORE, Errand, NewOrder, OUTSIDE_SEEN, Protection, Purpose, Record, TimeInForce,
};
use tickdeck::engine::event::{
    AccountUpdate, EarlierOrder, Event, Fault, Fill, FillKind, Hold, Opening, OrderNews, OrderUpdate, Outsider,
    Restored, Statement,
};
use tickdeck::engine::ids::{Account, OrderSeq, Pair, Symbol};
use tickdeck::engine::num::{Money, Rate, Side, UNIT};
use tickdeck::engine::preflight::{OUTSIDE, passes_unseen};
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

#[test]
fn a_tape_that_has_ended_keeps_arming_away_also_after_the_reset() {
    let mut rig = resting_btc();
    let tape = |rig: &mut Rig| rig.snapshot().state.preflight.into_iter().find(|check| check.name == "tape");
    assert_eq!(tape(&mut rig), None);
    rig.fault(Fault::Tape { why: "No space left on device".into(), fatal: true });
    rig.reset();
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
    rig.arm();
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "what happens is not recorded");
    assert!(tape(&mut rig).unwrap().detail.starts_with("No space left on device: "));
    rig.fault(Fault::TapeRecovered);
    rig.arm();
    assert_eq!((rig.engine.state_word(), tape(&mut rig)), (StateWord::Armed, None));
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
    rig.reset();
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
    rig.reset();
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
    rig.reset();
    rig.arm();
    rig.run(3000);
    assert_eq!(rig.position(BTC), 6);
}

#[test]
fn a_reset_lifts_the_latch_that_was_shown_and_no_other() {
    let mut rig = long_btc();
    rig.fault(Fault::Internal("x".into()));
    let shown = rig.engine.latch().unwrap().at;
    rig.run(1000);
    rig.command(Command::Kill);
    rig.command(Command::Reset { latched: shown });
    assert_eq!(rig.engine.state_word(), StateWord::Killed, "{}", rig.told());
    assert!(rig.told().contains("another latch holds by now"), "{}", rig.told());
    rig.reset();
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
}

#[test]
fn no_limit_is_raised_while_latched() {
    let mut rig = long_btc();
    let raised = Command::SetLimit { key: LimitKey::MaxDailyLoss, value: 500 * UNIT };
    rig.command(Command::Kill);
    rig.command(raised.clone());
    assert_eq!(rig.engine.limits().get(LimitKey::MaxDailyLoss), 200 * UNIT, "{}", rig.told());
    assert!(rig.told().contains("reset the latch first"), "{}", rig.told());
    rig.command(Command::KillClose);
    rig.run(3000);
    rig.reset();
    rig.command(raised);
    assert_eq!(rig.engine.limits().get(LimitKey::MaxDailyLoss), 500 * UNIT, "{}", rig.told());
}

#[test]
fn a_flatten_goes_on_after_a_crash_until_it_is_resolved() {
    let mut rig = long_btc();
    rig.command(Command::Flatten(Some(BTC)));
    let wanted = |wanted| Record::Flattening { symbol: BTC, wanted };
    assert!(rig.records.contains(&wanted(true)) && !rig.records.contains(&wanted(false)));
    let holdings = vec![rig.engine.account().open().next().unwrap().clone()];
    let crashed = tickdeck::engine::event::Restored {
        holdings,
        flattening: vec![BTC],
        ..restored(eager(), RiskLimits::default())
    };
    let mut rig = Rig::from(crashed);
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0, "{}", rig.told());
    assert!(rig.engine.close_proven() && rig.records.contains(&wanted(false)));
    // A kill takes its place: its first step keeps positions.
    let mut rig = long_btc();
    rig.command(Command::Flatten(None));
    rig.command(Command::Kill);
    assert!(rig.records.contains(&wanted(false)));
}

/// Found by a seed: an entry of another instrument was on its way while this one was proven flat by a statement without it.
#[test]
fn the_account_is_not_flat_while_an_order_is_on_its_way() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.hold_back = true;
    rig.want(ETH, Side::Buy);
    rig.run(1500);
    let on_its_way = std::mem::take(&mut rig.held_back);
    assert_eq!(on_its_way.len(), 1);
    rig.command(Command::Flatten(Some(BTC)));
    rig.run(3000);
    assert!(rig.engine.close_proven() && rig.told().contains("BTCUSDT"), "{}", rig.told());
    assert!(rig.engine.flat_proven().is_none(), "nobody knows yet what it becomes: {}", rig.told());
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
    rig.reset();
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

#[test]
fn arming_goes_on_after_a_crash_only_inside_its_time_over_no_latch_and_not_with_real_money() {
    let hour = Span::from_secs(3600);
    let start = Ts::from_ms(1_763_800_000_000);
    let with = |resume: bool, until: Span| {
        let settings = Settings { resume, ..eager() };
        Restored { armed_until: Some(start + until), ..restored(settings, RiskLimits::default()) }
    };
    let mut rig = Rig::from(with(true, hour));
    assert_eq!(rig.snapshot().state.armed_until, Some(start + hour), "the same time, not an hour from now");
    rig.run(3_600_000);
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "it lapses as it would have");

    let far = Rig::from(with(true, Span::from_secs(10 * 86_400))).snapshot().state.armed_until.unwrap();
    assert!(far.since(start) <= Span::from_secs(86_400), "a clock that was set back gives no more time");

    let latch = Some(Latch { cause: LatchCause::Killed("by hand".into()), at: start });
    let live = Pair::bybit(Account::Live);
    for never in [
        with(false, hour),
        with(true, Span(-1)),
        Restored { latch, ..with(true, hour) },
        Restored { pair: live, ..with(true, hour) },
    ] {
        let mut rig = Rig::from(never);
        rig.reset();
        rig.run(5_000);
        assert_eq!(rig.snapshot().state.armed_until, None);
    }

    // What cannot be armed by hand is not armed by itself, and what ends it meanwhile ends it for good.
    let broke = || Rig::from(Restored { balance: Money::ZERO, ..with(true, hour) });
    let ended = |rig: &Rig| {
        let no_more = |record: &Record| matches!(record, Record::Operator { command, .. } if command == ARMED_NO_MORE);
        rig.records.iter().any(no_more)
    };
    let mut rig = broke();
    rig.run(5_000);
    assert!(rig.snapshot().state.armed_until.is_none() && !ended(&rig), "{}", rig.told());
    for command in [Command::Disarm, Command::Flatten(None), Command::Leaving("SIGTERM".into())] {
        let mut rig = broke();
        rig.command(command);
        assert!(ended(&rig));
    }
}

fn elsewhere(left: &str, worth: Option<i64>) -> Outsider {
    Outsider { name: "XRPUSDT".into(), side: Side::Buy, left: q(left), worth: worth.map(usd), order: None }
}

fn outside(all: Vec<Outsider>) -> Event {
    Event::Account(AccountUpdate::Outside(all))
}

#[test]
fn what_others_have_outside_the_run_disarms_until_the_person_arms_beside_it() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.event(outside(vec![]));
    assert_eq!(rig.engine.state_word(), StateWord::Armed);
    let four = elsewhere("4", Some(10));
    rig.event(outside(vec![four.clone()]));
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "{}", rig.told());
    assert!(rig.told().contains("XRPUSDT long 4 worth 10.00"), "{}", rig.told());
    let light = |rig: &mut Rig| rig.snapshot().state.preflight.into_iter().find(|check| check.name == OUTSIDE);
    assert!(!passes_unseen(&[light(&mut rig).unwrap()]), "nobody has looked at it");
    rig.arm();
    assert!(passes_unseen(&[light(&mut rig).unwrap()]));
    rig.event(outside(vec![elsewhere("4", Some(11))]));
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "the person armed beside it, whatever it is worth");
    rig.event(outside(vec![elsewhere("3", Some(7))]));
    assert_eq!(rig.engine.state_word(), StateWord::Armed, "less of it");
    rig.event(outside(vec![four]));
    assert_eq!(rig.engine.state_word(), StateWord::Safe, "as much as before, but more than was left");
    rig.event(outside(vec![]));
    assert!(light(&mut rig).is_none());
}

#[test]
fn a_restart_goes_on_beside_what_was_armed_beside_and_waits_beside_more() {
    for (seen, found, goes_on) in [("4", "4", true), ("4", "3", true), ("4", "5", false), ("3", "4", false)] {
        let start = Ts::from_ms(1_763_800_000_000);
        let mut rig = Rig::from(Restored {
            armed_until: Some(start + Span::from_secs(3600)),
            outside_seen: vec![("XRPUSDT long".into(), q(seen))],
            account_known: false,
            ..restored(Settings { resume: true, ..eager() }, RiskLimits::default())
        });
        rig.event(outside(vec![elsewhere(found, Some(10))]));
        let balance = rig.venue.statement().balance;
        let opening = Opening { balance, holdings: vec![], foreign_orders: 0 };
        rig.event(Event::Account(AccountUpdate::Opening(opening)));
        rig.statement(balance, vec![]);
        rig.run(3_000);
        assert_eq!(rig.snapshot().state.armed_until.is_some(), goes_on, "{seen} {found}: {}", rig.told());
        let kept = rig.records.iter().rev().find_map(|record| match record {
            Record::Operator { command, outcome } if command == OUTSIDE_SEEN => Some(outcome.clone()),
            _ => None,
        });
        assert_eq!(kept, (found < seen).then(|| format!("XRPUSDT long={found}")), "what became less is kept as less");
    }
}

#[test]
fn what_others_have_outside_the_run_counts_in_gross_and_net() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    let used = |rig: &mut Rig, key: LimitKey| rig.snapshot().limits.iter().find(|row| row.key == key).unwrap().used;
    rig.event(outside(vec![elsewhere("4", Some(2_400))]));
    assert_eq!(used(&mut rig, LimitKey::MaxGrossNotional), Some(2_400.0));
    assert_eq!(used(&mut rig, LimitKey::MaxNetNotional), Some(2_400.0));
    rig.arm();
    rig.want(BTC, Side::Buy);
    rig.run(3_000);
    assert!(rig.submitted.is_empty() && rig.engine.state_word() == StateWord::Reducing, "{}", rig.told());
    rig.event(outside(vec![elsewhere("4", Some(100))]));
    rig.run(3_000);
    assert!(!rig.submitted.is_empty(), "it leaves room: {}", rig.told());
    // What nobody says the worth of may be anything.
    rig.event(outside(vec![elsewhere("4", None)]));
    assert_eq!(used(&mut rig, LimitKey::MaxGrossNotional), None);
}

#[test]
fn what_is_outside_is_closed_by_choice_once_at_a_time_and_its_receipt_is_kept() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    let close = Errand::Close("XRPUSDT".into());
    rig.command(Command::Outside(close.clone()));
    assert!(rig.errands.is_empty() && rig.told().contains("nothing of it outside"), "{}", rig.told());
    rig.event(outside(vec![elsewhere("4", Some(10))]));
    for _ in 0..2 {
        rig.command(Command::Outside(close.clone()));
    }
    assert_eq!(rig.errands, std::slice::from_ref(&close), "one at a time");
    assert!(rig.snapshot().outside[0].busy);
    let receipt = vec!["step one".to_owned(), "flat".to_owned()];
    rig.event(Event::Account(AccountUpdate::ErrandOver { errand: close.clone(), done: false, receipt }));
    assert!(rig.told().contains("close-outside XRPUSDT: NOT DONE"), "{}", rig.told());
    let kept = |record: &Record| matches!(record, Record::Operator { command, outcome } if command == "close-outside-receipt" && outcome.contains("step one; flat"));
    assert!(rig.records.iter().any(kept));
    assert!(!rig.snapshot().outside[0].busy);
    rig.command(Command::Outside(close));
    assert_eq!(rig.errands.len(), 2, "asked for again");
}

#[test]
fn an_order_whose_id_another_one_has_counts_until_a_person_settles_it() {
    let mut rig = resting_btc();
    let order = rig.submitted.last().unwrap().seq;
    let news = |what| Event::Order(OrderUpdate { order, what });
    rig.command(Command::Settle(order));
    assert!(rig.settled.is_empty() && rig.told().contains("nobody else has its id"), "{}", rig.told());
    let contested = "order 9f at the exchange has its id: it is to sell, ours to buy";
    rig.event(news(OrderNews::Contested(contested.into())));
    let shown = |rig: &mut Rig| rig.snapshot().orders.into_iter().find(|row| row.order == order).unwrap();
    let row = shown(&mut rig);
    assert!(row.contested && row.reason == contested, "{row:?}");
    assert_eq!(rig.engine.working_orders(), 1, "it counts until somebody knows");
    rig.command(Command::Settle(order));
    assert_eq!(rig.settled, [order]);
    assert_eq!(rig.engine.working_orders(), 1, "until the account's books have closed it");
    let kept = |record: &Record| matches!(record, Record::Operator { command, outcome } if command == "settle-order" && outcome.contains(contested));
    assert!(rig.records.iter().any(kept), "who settled what is kept");
    rig.event(news(OrderNews::Rejected("settled by hand".into())));
    assert_eq!(rig.engine.working_orders(), 0);
    assert!(!shown(&mut rig).contested);
    rig.command(Command::Settle(order));
    assert_eq!(rig.settled.len(), 1, "once");
}

#[test]
fn what_the_exchange_closes_of_ours_is_ours_and_of_others_is_theirs() {
    let fill = |qty: &str| Fill {
        exec_id: format!("adl-{qty}"),
        price: p("50000"),
        qty: q(qty),
        fee: Money::ZERO,
        maker: false,
        executed: None,
    };
    let took = |symbol, side, qty: &str| {
        Event::Account(AccountUpdate::Liquidated { kind: FillKind::Deleveraging, symbol, fill: fill(qty), side })
    };
    let mut rig = long_btc();
    rig.event(took(BTC, Side::Sell, "0.002"));
    assert_eq!(rig.position(BTC), 4, "what is left is ours and goes on");
    assert!(rig.engine.released().is_empty() && rig.told().contains("AUTO-DELEVERAGED"), "{}", rig.told());
    rig.event(took(ETH, Side::Sell, "0.1"));
    let theirs: Vec<bool> = rig
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Fill { kind: FillKind::Deleveraging, theirs, .. } => Some(*theirs),
            _ => None,
        })
        .collect();
    assert_eq!(theirs, [false, true], "we held no ETH: it was somebody else's");
}
