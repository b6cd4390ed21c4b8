//! Losses over seconds, days and resets.

use super::*;
use crate::engine::num::UNIT;

const HOUR: i64 = 3_600;

fn units(units: i64) -> Money {
    Money::from_units(units)
}
fn secs(secs: i64) -> Ts {
    Ts::from_ms(secs * 1_000)
}
/// One reading a second.
fn watch(tracker: &mut EquityTracker, seconds: std::ops::Range<i64>, equity: i64) {
    for second in seconds {
        tracker.observe(secs(second), units(equity));
    }
}
fn limits(day: i64, rolling: i64, drawdown_pct: i64) -> RiskLimits {
    RiskLimits::default()
        .with(LimitKey::MaxDailyLoss, day * UNIT)
        .and_then(|l| l.with(LimitKey::MaxLoss24h, rolling * UNIT))
        .and_then(|l| l.with(LimitKey::MaxDrawdownPct, drawdown_pct * UNIT))
        .unwrap()
}

#[test]
fn a_trip_needs_the_average_too_or_half_again() {
    let mut tracker = EquityTracker::new(Span(0), None);
    let limits = limits(200, 10_000, 100);
    watch(&mut tracker, 0..10, 10_000);
    tracker.observe(secs(10), units(9_750));
    assert_eq!(tracker.day_loss(), Some(units(250)));
    assert_eq!(tracker.tripped(&limits), None, "one reading past the limit");
    tracker.observe(secs(11), units(10_000));
    assert_eq!(tracker.average(), Some(units(9_950)), "one of five seconds lay 250 lower");
    tracker.observe(secs(12), units(9_700));
    let trip = tracker.tripped(&limits).unwrap();
    assert_eq!(
        (trip.limit.as_str(), trip.measured.as_str(), trip.allowed.as_str()),
        ("max_daily_loss", "300.00", "200 USDT")
    );

    let mut slow = EquityTracker::new(Span(0), None);
    watch(&mut slow, 0..10, 10_000);
    watch(&mut slow, 10..14, 9_750);
    assert_eq!(slow.tripped(&limits), None);
    watch(&mut slow, 14..15, 9_750);
    assert_eq!(slow.average(), Some(units(9_800)));
    assert!(slow.tripped(&limits).is_some(), "four of five seconds 250 lower average to 200");
}

#[test]
fn a_reading_counts_for_as_long_as_it_held_within_the_window() {
    let mut tracker = EquityTracker::new(Span(0), None);
    for (at, equity) in [(0, 1_000), (3, 400), (6, 400)] {
        tracker.observe(secs(at), units(equity));
    }
    assert_eq!(tracker.average(), Some(units(640)), "two seconds of 1000 and three of 400");
}

#[test]
fn a_first_reading_alone_trips_only_far_past_the_limit() {
    let mut first = EquityTracker::new(Span(0), None);
    watch(&mut first, 0..10, 10_000);
    let kept = first.baselines().cloned();
    let limits = limits(200, 10_000, 100);
    let mut again = EquityTracker::new(Span(0), kept.clone());
    again.observe(secs(60), units(9_750));
    assert_eq!(again.tripped(&limits), None);
    again.observe(secs(61), units(9_750));
    assert!(again.tripped(&limits).is_some());
    let mut far = EquityTracker::new(Span(0), kept);
    far.observe(secs(60), units(9_700));
    assert!(far.tripped(&limits).is_some());
}

#[test]
fn the_day_turns_where_it_is_set_to_and_a_restart_changes_nothing() {
    let mut tracker = EquityTracker::new(Span::from_secs(8 * HOUR), None);
    watch(&mut tracker, 0..3, 1_000);
    assert_eq!(tracker.baselines().unwrap().day_start, secs(-16 * HOUR));
    tracker.spend_day(true);
    let mut tracker = EquityTracker::new(Span::from_secs(8 * HOUR), tracker.baselines().cloned());
    watch(&mut tracker, 8 * HOUR - 2..8 * HOUR, 900);
    assert_eq!((tracker.day_loss(), tracker.day_turned()), (Some(units(100)), false));
    assert_eq!(tracker.tripped(&limits(50, 10_000, 100)), None, "spent: refused by arming, not tripped again");
    tracker.observe(secs(8 * HOUR), units(900));
    assert_eq!((tracker.day_loss(), tracker.day_turned()), (Some(units(0)), true));
    assert!(!tracker.baselines().unwrap().day_loss_spent);
    tracker.observe(secs(8 * HOUR + 1), units(950));
    assert_eq!((tracker.day_pnl(), tracker.day_turned()), (Some(units(50)), false));
}

#[test]
fn the_24_hour_loss_counts_from_the_highest_minute_and_rolls() {
    let mut tracker = EquityTracker::new(Span(0), None);
    for minute in 0..3_000 {
        let equity = if minute == 100 { 2_000 } else { 1_000 };
        tracker.observe(secs(minute * 60), units(equity));
        let expected = if (101..100 + 1_440).contains(&minute) { 1_000 } else { 0 };
        assert_eq!(tracker.loss_24h(), Some(units(expected)), "minute {minute}");
    }
    assert_eq!(tracker.baselines().unwrap().minutes.len(), MINUTES_MAX);
}

#[test]
fn drawdown_counts_from_the_high_water_mark_since_the_last_reset() {
    let mut tracker = EquityTracker::new(Span(0), None);
    watch(&mut tracker, 0..10, 3_000);
    tracker.observe(secs(10), units(9_000));
    watch(&mut tracker, 11..20, 3_000);
    assert!(tracker.baselines().unwrap().high_water < units(5_000), "a second at 9000 is not a mark of 9000");
    watch(&mut tracker, 20..40, 6_000);
    watch(&mut tracker, 40..50, 5_999);
    assert_eq!(tracker.drawdown_pct_1e9(), Some(16_666_667), "rounded up");
    watch(&mut tracker, 50..60, 5_400);
    let trip = tracker.tripped(&limits(100_000, 100_000, 10)).unwrap();
    assert_eq!(
        (trip.limit.as_str(), trip.measured.as_str(), trip.allowed.as_str()),
        ("max_drawdown_pct", "10.00", "10 %")
    );
    tracker.reset(secs(60));
    assert_eq!((tracker.drawdown_pct_1e9(), tracker.loss_24h()), (Some(0), Some(units(0))));
    watch(&mut tracker, 60..70, 5_401);
    assert_eq!(tracker.tripped(&limits(100_000, 100_000, 10)), None);
}

#[test]
fn a_deposit_is_no_profit() {
    let mut tracker = EquityTracker::new(Span(0), None);
    watch(&mut tracker, 0..10, 1_000);
    tracker.deposited(units(500));
    watch(&mut tracker, 10..20, 1_500);
    assert_eq!((tracker.day_pnl(), tracker.loss_24h()), (Some(units(0)), Some(units(0))));
    tracker.deposited(units(-700));
    watch(&mut tracker, 20..30, 799);
    assert_eq!((tracker.day_loss(), tracker.loss_24h()), (Some(units(1)), Some(units(1))));
}

#[test]
fn the_ends_of_the_range_neither_panic_nor_pass() {
    let mut tracker = EquityTracker::new(Span(i64::MAX), None);
    for (at, equity) in [(i64::MIN, i128::MIN), (0, i128::MAX), (i64::MAX, i128::MIN), (i64::MAX, 0)] {
        tracker.observe(Ts(at), Money::from_raw(equity));
        tracker.tripped(&RiskLimits::default());
    }
    let mut ruined = EquityTracker::new(Span(0), None);
    watch(&mut ruined, 0..10, 0);
    watch(&mut ruined, 10..20, -1);
    assert_eq!(ruined.drawdown_pct_1e9(), Some(i64::MAX));
    assert_eq!(ruined.tripped(&limits(100, 100, 100)).unwrap().limit, "max_drawdown_pct");
    let mut huge = EquityTracker::new(Span(0), None);
    watch(&mut huge, 0..10, 4_000_000_000_000_000_000);
    watch(&mut huge, 10..20, 1_000_000_000_000_000_000);
    assert_eq!(huge.drawdown_pct_1e9(), Some(75 * UNIT));
}

#[test]
fn a_fast_stream_is_bounded() {
    let mut tracker = EquityTracker::new(Span(0), None);
    for step in 0..100_000 {
        tracker.observe(Ts::from_ms(step), units(1_000));
    }
    assert!(tracker.readings.len() <= 52, "{}", tracker.readings.len());
    assert_eq!(tracker.average(), Some(units(1_000)));
}
