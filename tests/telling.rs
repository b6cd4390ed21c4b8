//! What the person is told, and that a warning is over when what it was about is over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use rig::{BTC, ETH, Rig, eager};
use tickdeck::engine::command::Command;
use tickdeck::engine::event::{Event, Link, OrderNews, OrderUpdate};
use tickdeck::engine::num::{Side, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::snapshot::{Health, StateWord};

/// A rig whose features have seen enough history.
fn warm() -> Rig {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    rig.run(61_000);
    let warming: Vec<_> = rig.snapshot().markets.iter().map(|row| row.warming).collect();
    assert_eq!(warming, [None, None]);
    rig
}

fn light(rig: &mut Rig, name: &str) -> Option<Health> {
    rig.snapshot().state.preflight.iter().find(|check| check.name == name).map(|check| check.health)
}

fn pending(rig: &mut Rig) -> Option<String> {
    rig.snapshot().pending_notice.map(|notice| notice.text)
}

#[test]
fn a_gap_says_that_features_warm_up_again_and_for_how_long() {
    let mut rig = warm();
    assert_eq!(light(&mut rig, "models"), Some(Health::Ok));
    rig.event(Event::Link(Link::MarketDown("the socket closed".into())));
    assert!(pending(&mut rig).unwrap().contains("market stream down"));
    rig.run(4_000);
    rig.event(Event::Link(Link::MarketUp));
    assert_eq!(pending(&mut rig), None, "the stream is up again");
    rig.quote(BTC, "50000.0", "50000.1");
    rig.quote(ETH, "2500.00", "2500.01");
    rig.run(1_000);
    let told = pending(&mut rig).unwrap();
    assert!(
        told.contains("features warm up again, about 60 s") && told.contains("gap of 4 s in BTCUSDT, ETHUSDT"),
        "{told}"
    );
    let snapshot = rig.snapshot();
    assert!(snapshot.markets.iter().all(|row| row.warming.is_some_and(|left| left.as_ms() > 55_000)));
    assert_eq!(light(&mut rig, "models"), Some(Health::Warn), "arming shows it");
    rig.run(61_000);
    assert_eq!((pending(&mut rig), light(&mut rig, "models")), (None, Some(Health::Ok)));
    assert!(rig.told().contains("features are warm again"), "{}", rig.told());
}

#[test]
fn an_answer_without_a_forecast_is_not_fresh() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    rig.silent_models = true;
    rig.run(3_000);
    let row = rig.snapshot().health.rows.into_iter().find(|row| row.name == "models").unwrap();
    assert_eq!(row.health, Health::Warn);
    assert!(row.detail.starts_with("no signal for about") && row.detail.ends_with("0 of 2 fresh"), "{}", row.detail);
}

#[test]
fn the_alarm_of_an_unknown_outcome_settles_itself() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.hold_back = true;
    rig.want(BTC, Side::Buy);
    rig.run(1_000);
    rig.want_nothing();
    let order = rig.submitted[0].seq;
    let news = |what| Event::Order(OrderUpdate { order, what });
    rig.event(news(OrderNews::Sent));
    rig.event(news(OrderNews::Uncertain("no answer".into())));
    assert!(pending(&mut rig).unwrap().contains("outcome UNKNOWN"));
    rig.event(Event::Told("something else".into()));
    assert!(pending(&mut rig).unwrap().contains("outcome UNKNOWN"), "a warning does not cover an alarm");
    rig.event(news(OrderNews::Cancelled("expired".into())));
    assert_eq!(pending(&mut rig).as_deref(), Some("something else"));
    assert!(rig.told().contains("outcome known now: cancelled"), "{}", rig.told());
}

#[test]
fn a_reduction_names_its_instrument_and_leaves_arming_in_sight() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3_000);
    rig.want_nothing();
    rig.command(Command::SetLimit { key: LimitKey::MaxPositionNotional, value: 200 * UNIT });
    let state = rig.snapshot().state;
    assert_eq!((state.word, state.reducing[0].name.as_deref()), (StateWord::Reducing, Some("BTCUSDT")));
    assert!(state.armed_until.is_some());
    assert!(pending(&mut rig).unwrap().contains("REDUCING BTCUSDT"));
    rig.command(Command::SetLimit { key: LimitKey::MaxPositionNotional, value: 150 * UNIT });
    rig.command(Command::Disarm);
    rig.command(Command::SetLimit { key: LimitKey::MaxPositionNotional, value: 500 * UNIT });
    assert_eq!(pending(&mut rig), None, "its cause ended");
}

#[test]
fn a_kill_is_no_longer_told_once_flat_is_proven() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3_000);
    rig.want_nothing();
    rig.command(Command::Kill);
    assert!(pending(&mut rig).unwrap().starts_with("KILLED (by hand)"));
    rig.command(Command::KillClose);
    rig.run(5_000);
    let state = rig.snapshot().state;
    assert!(state.flat_proven.is_some() && state.word == StateWord::Killed, "{}", rig.told());
    assert_eq!(pending(&mut rig), None, "what it said is over; the banner still says KILLED");
}

#[test]
fn a_flatten_that_a_kill_ends_is_no_longer_told() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3_000);
    rig.want_nothing();
    rig.command(Command::Flatten(None));
    rig.command(Command::Kill);
    let id = rig.snapshot().pending_notice.unwrap().id;
    rig.command(Command::Acknowledge(id));
    assert_eq!(pending(&mut rig), None, "no close loop runs");
}

/// The remark on the account's settings, told at each start, stands behind what happens, and is still there afterwards.
#[test]
fn a_remark_hides_nothing_and_is_seen_in_its_turn() {
    let mut rig = Rig::new(eager(), RiskLimits::default());
    rig.event(Event::Link(Link::MarketDown("the socket closed".into())));
    rig.event(Event::Told("the exchange moves prices outside its band to the edge".into()));
    let snapshot = rig.snapshot();
    let shown = snapshot.pending_notice.unwrap();
    assert!(shown.text.contains("market stream down"), "{}", shown.text);
    assert_eq!(snapshot.more_pending, 1);
    rig.command(Command::Acknowledge(shown.id));
    assert!(pending(&mut rig).unwrap().contains("outside its band"));
    assert_eq!(rig.snapshot().more_pending, 0);
}
