//! Timed execution: what is wanted anyway waits within its bound and is done once; what is urgent never waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use proptest::prelude::*;
use rig::{BTC, Rig, eager, p};
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Purpose, TimeInForce};
use tickdeck::engine::event::Fault;
use tickdeck::engine::execution::Plan;
use tickdeck::engine::num::{Rate, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::settings::{Execution, Settings};
use tickdeck::engine::snapshot::StateWord;
use tickdeck::engine::time::Span;

/// The next second says nothing: resting is cheapest.
const CALM: (f32, f32, f32) = (0.3, 0.3, 0.0);
/// The price is about to rise: a buyer crosses, a seller waits.
const RISING: (f32, f32, f32) = (0.9, 0.02, 8.0);

fn timed() -> Settings {
    Settings { execution: Execution::Timed, ..eager() }
}

/// Armed, long BTC wanted from now on, with this forecast of the next second.
fn wanting(settings: Settings, near: (f32, f32, f32)) -> Rig {
    let mut rig = Rig::armed(settings, RiskLimits::default());
    rig.near = Some(near);
    rig.want(BTC, Side::Buy);
    rig
}

/// Long 0.006 BTC, nothing wanted.
fn long(settings: Settings) -> Rig {
    let mut rig = wanting(settings, RISING);
    rig.run(3000);
    rig.want_nothing();
    rig.near = Some(CALM);
    assert_eq!(rig.position(BTC), 6, "{}", rig.told());
    rig.submitted.clear();
    rig.cancels.clear();
    rig
}

fn plan(rig: &mut Rig) -> Option<Plan> {
    rig.snapshot().markets[0].timed.map(|(plan, _)| plan)
}

#[test]
fn now_is_the_default_and_waits_for_nothing() {
    let mut rig = wanting(eager(), CALM);
    rig.run(1500);
    assert_eq!((rig.submitted.len(), rig.submitted[0].tif), (1, TimeInForce::ImmediateOrCancel));
    assert_eq!(rig.position(BTC), 6);
}

#[test]
fn an_entry_joins_and_crosses_when_its_time_is_up() {
    let mut rig = wanting(timed(), CALM);
    rig.run(1000);
    assert_eq!(rig.submitted.len(), 1, "{}", rig.told());
    assert_eq!((rig.submitted[0].tif, rig.submitted[0].price), (TimeInForce::PostOnly, p("49999.9")));
    assert_eq!(plan(&mut rig), Some(Plan::Join));
    rig.run(3900);
    assert_eq!((rig.submitted.len(), rig.cancels.len()), (1, 0), "it still rests");
    rig.run(1600);
    assert_eq!(rig.cancels.len(), 1);
    assert_eq!((rig.submitted.len(), rig.submitted[1].tif), (2, TimeInForce::ImmediateOrCancel));
    assert_ne!(rig.submitted[0].seq, rig.submitted[1].seq);
    assert_eq!((rig.position(BTC), rig.engine.working_orders()), (6, 0), "{}", rig.told());
    assert_eq!(plan(&mut rig), None);
}

#[test]
fn crossing_waits_until_the_end_of_what_rests_is_known() {
    let mut rig = wanting(timed(), CALM);
    rig.hold_back = true;
    rig.run(7000);
    // It never left, so its cancel is answered at once; what crosses is held back in its turn.
    assert_eq!((rig.submitted.len(), rig.held_back.len()), (2, 1));
    let mut rig = wanting(timed(), CALM);
    while rig.cancels.is_empty() {
        rig.run(10);
    }
    assert_eq!((rig.submitted.len(), rig.engine.working_orders()), (1, 1), "the end of what rests is not known yet");
    rig.run(1000);
    assert_eq!((rig.submitted.len(), rig.position(BTC)), (2, 6));
}

#[test]
fn what_a_resting_entry_traded_is_not_bought_again() {
    let mut rig = wanting(timed(), CALM);
    rig.run(1300);
    // Sellers come through the whole level but for what stands there of ours: 0.004 of 0.006.
    rig.trade(BTC, Side::Sell, "49999.9", "10.004");
    rig.run(300);
    assert_eq!(rig.position(BTC), 4, "{}", rig.told());
    rig.run(6000);
    assert_eq!((rig.position(BTC), rig.engine.working_orders()), (6, 0), "{}", rig.told());
}

#[test]
fn a_resting_entry_that_fills_is_all_there_is() {
    let mut rig = wanting(timed(), CALM);
    rig.run(1300);
    rig.trade(BTC, Side::Sell, "49999.8", "1");
    rig.run(8000);
    assert_eq!((rig.position(BTC), rig.submitted.len(), rig.cancels.len()), (6, 1, 0), "{}", rig.told());
}

#[test]
fn a_price_that_runs_is_followed_three_times() {
    let mut rig = wanting(timed(), CALM);
    for n in 0..5 {
        rig.run(1000);
        rig.quote(BTC, &format!("5000{n}.0"), &format!("5000{n}.1"));
    }
    rig.run(2000);
    let joins = rig.submitted.iter().filter(|order| order.tif == TimeInForce::PostOnly).count();
    assert!((2..=3).contains(&joins), "{joins}");
    assert_eq!((rig.position(BTC), rig.engine.working_orders()), (5, 0), "300 USDT beyond 50,000: {}", rig.told());
}

#[test]
fn a_price_about_to_leave_is_crossed_at_once() {
    let mut rig = wanting(timed(), RISING);
    rig.run(1000);
    assert_eq!((rig.submitted.len(), rig.submitted[0].tif), (1, TimeInForce::ImmediateOrCancel));
}

#[test]
fn without_a_fresh_forecast_nothing_waits() {
    let mut rig = wanting(timed(), CALM);
    rig.near = None;
    rig.run(1000);
    assert_eq!((rig.submitted.len(), rig.submitted[0].tif), (1, TimeInForce::ImmediateOrCancel));
}

#[test]
fn where_resting_costs_more_it_stands_back_and_crosses_in_the_end() {
    let settings = Settings { maker_fee: Rate::from_raw(900_000), ..timed() };
    let mut rig = wanting(settings, (0.1, 0.6, -2.0));
    rig.run(2000);
    assert_eq!((plan(&mut rig), rig.submitted.len()), (Some(Plan::Pull), 0));
    rig.run(5000);
    assert_eq!((rig.position(BTC), rig.submitted.len()), (6, 1));
}

#[test]
fn an_entry_that_is_no_longer_wanted_or_allowed_is_taken_back() {
    let mut rig = wanting(timed(), CALM);
    rig.run(1500);
    rig.want_nothing();
    rig.run(1000);
    assert_eq!((rig.cancels.len(), plan(&mut rig)), (1, None));
    rig.run(6000);
    assert_eq!((rig.position(BTC), rig.submitted.len()), (0, 1));

    let mut rig = wanting(timed(), CALM);
    rig.run(1500);
    rig.command(Command::Disarm);
    assert_eq!((rig.cancels.len(), plan(&mut rig)), (1, None), "cancelled now");
    rig.run(8000);
    assert_eq!((rig.position(BTC), rig.submitted.len()), (0, 1));
}

#[test]
fn an_exit_joins_reduce_only_and_is_done_in_time() {
    let mut rig = long(timed());
    rig.want(BTC, Side::Sell);
    rig.run(1500);
    let rests = rig.submitted[0];
    assert_eq!((rests.tif, rests.reduce_only, rests.purpose), (TimeInForce::PostOnly, true, Purpose::Exit));
    rig.want_nothing();
    rig.want(BTC, Side::Sell);
    rig.run(5500);
    let exits: Vec<_> = rig.submitted.iter().filter(|order| order.purpose == Purpose::Exit).collect();
    assert_eq!((exits.len(), exits[1].tif), (2, TimeInForce::ImmediateOrCancel), "{}", rig.told());
    assert!(exits.iter().all(|order| order.reduce_only && order.qty.raw() == 6_000_000));
    assert!(rig.position(BTC) <= 0);
}

#[test]
fn disarmed_the_exit_goes_on_waiting_and_ends_flat() {
    let mut rig = long(Settings { max_hold: Span::from_secs(6), ..timed() });
    rig.run(3000);
    rig.command(Command::Disarm);
    rig.run(10_000);
    assert_eq!((rig.position(BTC), rig.engine.working_orders()), (0, 0), "{}", rig.told());
    assert_eq!(rig.submitted[0].tif, TimeInForce::PostOnly);
}

/// An exit rests; then this happens.
fn resting_exit(settings: Settings) -> Rig {
    let mut rig = long(settings);
    rig.want(BTC, Side::Sell);
    rig.run(1500);
    assert_eq!((rig.submitted.len(), rig.engine.working_orders()), (1, 1));
    rig
}

#[test]
fn a_kill_takes_a_waiting_exit_back_now_and_closes_nothing() {
    let mut rig = resting_exit(timed());
    rig.command(Command::Kill);
    assert_eq!((rig.cancels.len(), plan(&mut rig)), (1, None), "now, not at the next boundary");
    rig.run(10_000);
    assert_eq!((rig.submitted.len(), rig.position(BTC)), (1, 6));
    rig.command(Command::KillClose);
    assert_eq!(rig.submitted[1].tif, TimeInForce::ImmediateOrCancel, "a kill never waits");
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0);
}

#[test]
fn a_kill_in_the_middle_of_a_waiting_flatten_goes_at_once_in_its_second_step() {
    let mut rig = long(timed());
    rig.command(Command::Flatten(None));
    assert_eq!((rig.submitted.len(), rig.submitted[0].tif), (1, TimeInForce::PostOnly));
    rig.command(Command::Kill);
    rig.command(Command::KillClose);
    assert_eq!(rig.cancels.len(), 1);
    assert_eq!((rig.submitted.len(), rig.submitted[1].tif), (2, TimeInForce::ImmediateOrCancel));
    rig.run(5000);
    assert_eq!((rig.position(BTC), rig.engine.closing()), (0, false), "{}", rig.told());
}

#[test]
fn a_trip_takes_it_back_too() {
    let mut rig = resting_exit(timed());
    rig.fault(Fault::Internal("broken".into()));
    assert_eq!((rig.cancels.len(), plan(&mut rig)), (1, None));
    rig.run(8000);
    assert_eq!((rig.submitted.len(), rig.position(BTC)), (1, 6));
}

#[test]
fn a_stop_never_waits_for_an_exit_that_rests() {
    let mut rig = resting_exit(Settings { stop: Rate::from_raw(3_000_000), ..timed() });
    rig.mark(BTC, "49000");
    rig.quote(BTC, "49000.0", "49000.1");
    assert_eq!(rig.cancels.len(), 1);
    let stop = rig.submitted[1];
    assert_eq!((stop.purpose, stop.tif), (Purpose::Stop, TimeInForce::ImmediateOrCancel), "with the price itself");
    rig.want_nothing();
    rig.run(2000);
    assert_eq!((rig.position(BTC), rig.engine.working_orders()), (0, 0), "{}", rig.told());
}

#[test]
fn a_flatten_waits_and_is_proven_and_asked_again_goes_at_once() {
    let mut rig = long(timed());
    rig.command(Command::Flatten(None));
    assert_eq!((rig.submitted.len(), rig.submitted[0].tif), (1, TimeInForce::PostOnly));
    assert_eq!(rig.engine.state_word(), StateWord::Safe);
    rig.run(8000);
    assert_eq!((rig.position(BTC), rig.engine.closing(), rig.engine.close_proven()), (0, false, true));

    let mut rig = long(timed());
    rig.command(Command::Flatten(None));
    rig.run(500);
    rig.command(Command::Flatten(None));
    rig.run(1500);
    assert_eq!((rig.position(BTC), rig.submitted.len()), (0, 2), "{}", rig.told());
}

#[test]
fn a_process_that_leaves_waits_for_nothing() {
    let mut rig = long(timed());
    rig.command(Command::Leaving("SIGTERM".into()));
    rig.command(Command::Flatten(None));
    assert_eq!((rig.submitted.len(), rig.submitted[0].tif), (1, TimeInForce::ImmediateOrCancel));
}

#[derive(Clone, Debug)]
enum Act {
    Run(i64),
    Near(f32, f32),
    Quote(i64),
    Sellers(i64),
    Buyers(i64),
    Gap,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (50_i64..1_500).prop_map(Act::Run),
        2 => (0.0_f32..0.5, 0.0_f32..0.5).prop_map(|(up, down)| Act::Near(up, down)),
        2 => (-20_i64..20).prop_map(Act::Quote),
        2 => (1_i64..20).prop_map(Act::Sellers),
        2 => (1_i64..20).prop_map(Act::Buyers),
        1 => Just(Act::Gap),
    ]
}

fn play(rig: &mut Rig, act: &Act) {
    let dime = |ticks: i64| format!("{}.{}", 50_000 + ticks.div_euclid(10), ticks.rem_euclid(10));
    match act {
        Act::Run(ms) => rig.run(*ms),
        Act::Near(up, down) => rig.near = Some((*up, *down, (up - down) * 20.0)),
        Act::Quote(ticks) => rig.quote(BTC, &dime(*ticks), &dime(ticks + 1)),
        Act::Sellers(tenths) => rig.trade(BTC, Side::Sell, "49999.9", &format!("{}.{}", tenths / 10, tenths % 10)),
        Act::Buyers(tenths) => rig.trade(BTC, Side::Buy, "50000.2", &format!("{}.{}", tenths / 10, tenths % 10)),
        Act::Gap => rig.gap(BTC),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the market does, an entry never buys more than was wanted, and a flatten sells what is there, once, within
    /// the wait, the end of what rested and the two statements of its proof.
    #[test]
    fn never_more_than_wanted_and_always_done_in_time(
        entering in proptest::collection::vec(act(), 0..20),
        leaving in proptest::collection::vec(act(), 0..12),
        dear in any::<bool>(),
    ) {
        let maker_fee = Rate::from_raw(if dear { 700_000 } else { 200_000 });
        let mut rig = wanting(Settings { maker_fee, ..timed() }, CALM);
        let mut bought = 0;
        for act in &entering {
            play(&mut rig, act);
            let resting: i64 = rig.engine.opening_orders() as i64;
            prop_assert!(resting <= 1, "two openings at once");
            prop_assert!(rig.position(BTC) <= 6 && rig.position(BTC) >= bought, "{}", rig.told());
            bought = rig.position(BTC);
        }
        prop_assert!(rig.violations.is_empty(), "{:?}", rig.violations);
        let asked = rig.now;
        rig.command(Command::Flatten(None));
        for act in &leaving {
            play(&mut rig, act);
            prop_assert!((0..=6).contains(&rig.position(BTC)), "flipped or grown: {}", rig.told());
        }
        rig.quote(BTC, "50000.0", "50000.1");
        let late = Span(Span::from_secs(12).0 - rig.now.since(asked).0);
        rig.run((late.0 / 1_000_000).max(4_000));
        prop_assert_eq!((rig.position(BTC), rig.engine.closing()), (0, false), "{}", rig.told());
        prop_assert!(rig.violations.is_empty(), "{:?}", rig.violations);
    }
}
