//! Protection at the venue, from the engine's side: entries carry it, it is verified, set again, given up, never overlooked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

mod rig;

use rig::{BTC, ETH, Rig, eager, p, restored, usd};
use tickdeck::engine::command::Command;
use tickdeck::engine::effect::{Protection, Purpose};
use tickdeck::engine::event::{AccountUpdate, Event, Hold, Protective, Statement};
use tickdeck::engine::notice::Level;
use tickdeck::engine::num::{Rate, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::engine::settings::{Protect, Settings};
use tickdeck::engine::snapshot::Protected;

/// A stop 1 % away at the venue, required; nothing of our own.
fn careful() -> Settings {
    Settings { protect: Protect { stop: bps(100), take_profit: Rate::ZERO, required: true }, ..eager() }
}

fn bps(count: i64) -> Rate {
    Rate::from_raw(count * 100_000)
}

fn rig(settings: Settings) -> Rig {
    Rig::armed(settings, RiskLimits::default())
}

/// Long BTC, with what the venue said about it heard.
fn long_btc() -> Rig {
    let mut rig = rig(careful());
    rig.want(BTC, Side::Buy);
    rig.run(2_000);
    rig.want_nothing();
    rig.run(1_000);
    assert!(rig.position(BTC) > 0, "{}", rig.told());
    rig
}

fn protected(rig: &mut Rig) -> Protected {
    rig.snapshot().positions.first().map_or(Protected::Unwanted, |row| row.protected)
}

/// The person takes the stop away on the phone.
fn take_away(rig: &mut Rig) {
    rig.venue.cancel_by_id(rig.now, BTC, "stop");
    rig.run(500);
    assert_eq!(protected(rig), Protected::None);
}

fn alarms(rig: &Rig) -> Vec<&str> {
    rig.notices.iter().filter(|n| n.level == Level::Alarm).map(|n| n.text.as_str()).collect()
}

#[test]
fn an_entry_carries_its_stop_rounded_towards_the_entry() {
    let mut rig = rig(Settings { protect: Protect { take_profit: bps(150), ..careful().protect }, ..careful() });
    rig.quote(BTC, "49999.9", "50000.4");
    rig.want(BTC, Side::Buy);
    rig.run(1_500);
    // 1 % below 50000.15 is 49500.1485, 1.5 % above it 50750.15225.
    let wanted = Protection { stop: Some(p("49500.2")), take_profit: Some(p("50750.1")) };
    assert_eq!(rig.openings()[0].protection, wanted);
    rig.want_nothing();
    rig.want(ETH, Side::Sell);
    rig.quote(ETH, "2500.00", "2500.03");
    rig.run(1_500);
    let short = *rig.openings().last().unwrap();
    assert_eq!((short.symbol, short.protection.stop), (ETH, Some(p("2525.01"))));
    assert!(rig.submitted.iter().all(|order| !order.reduce_only || order.protection == Protection::default()));
}

#[test]
fn an_entry_without_a_stop_is_refused_where_one_is_required() {
    let mut rig = rig(Settings { protect: Protect { stop: Rate::ZERO, ..careful().protect }, ..careful() });
    rig.want(BTC, Side::Buy);
    rig.run(2_000);
    assert!(rig.openings().is_empty() && rig.denied("STOP_MISSING"), "{:?}", rig.engine.denials());
}

#[test]
fn a_stop_that_would_trigger_at_once_is_refused_by_name() {
    let mut rig = rig(careful());
    // The mark is already below where the stop would stand.
    rig.mark(BTC, "49400");
    rig.want(BTC, Side::Buy);
    rig.run(1_500);
    assert!(rig.openings().is_empty() && rig.denied("STOP_AT_ONCE"), "{:?}", rig.engine.denials());
}

#[test]
fn a_stop_beyond_liquidation_is_refused_by_name() {
    // A tenth of the notional is there: liquidation lies some 10 % away, the stop 30 %.
    let settings = Settings { protect: Protect { stop: bps(3_000), ..careful().protect }, ..careful() };
    let limits =
        RiskLimits::default().with(tickdeck::engine::risk::limits::LimitKey::MaxLeverage, 20_000_000_000).unwrap();
    let mut start = restored(settings, limits);
    start.balance = usd(30);
    let mut rig = Rig::from(start);
    rig.arm();
    rig.want(BTC, Side::Buy);
    rig.run(1_500);
    assert!(rig.openings().is_empty() && rig.denied("STOP_BEYOND_LIQUIDATION"), "{:?}", rig.engine.denials());
}

#[test]
fn what_the_venue_said_is_shown_and_asked_for_after_the_fill() {
    let mut rig = long_btc();
    assert_eq!(protected(&mut rig), Protected::Stop(rig.openings()[0].protection.stop.unwrap()));
    let orders = rig.snapshot().orders;
    let stop = orders.iter().find(|row| row.state == "@venue").unwrap();
    assert!(stop.protective && stop.working && stop.purpose == "stop" && stop.side == Side::Sell, "{stop:?}");
    assert!(alarms(&rig).is_empty(), "{:?}", alarms(&rig));
    assert!(rig.protects.is_empty(), "attached, not set afterwards");
    rig.run(20_000);
    assert!(rig.protects.is_empty() && rig.position(BTC) > 0, "a protected position is left alone");
}

#[test]
fn the_stop_at_the_venue_closes_and_is_booked_as_our_exit() {
    let mut rig = long_btc();
    rig.alive = false;
    rig.quote(BTC, "49400.0", "49400.1");
    rig.run(500);
    assert_eq!(rig.position(BTC), 0, "{}", rig.told());
    assert!(rig.told().contains("the stop at the venue closed"), "{}", rig.told());
    assert!(!rig.told().contains("outside tickdeck"), "{}", rig.told());
    rig.run(10_000);
    assert!(rig.snapshot().orders.iter().all(|row| row.state != "@venue"), "nothing is left behind");
    assert!(rig.snapshot().state.reducing.is_empty(), "{:?}", rig.snapshot().state.reducing);
}

#[test]
fn a_stop_removed_by_hand_is_an_alarm_and_is_set_again_after_unprotected_max_ms() {
    let mut rig = long_btc();
    take_away(&mut rig);
    rig.run(2_000);
    assert!(rig.protects.is_empty(), "unprotected_max_ms is 3000");
    rig.run(3_000);
    assert_eq!(rig.protects.len(), 1);
    assert!(alarms(&rig).iter().any(|text| text.contains("NO STOP at the venue")), "{:?}", alarms(&rig));
    assert!(matches!(protected(&mut rig), Protected::Stop(_)));
    assert!(rig.told().contains("BTCUSDT: stop 49500"), "{}", rig.told());
    assert!(rig.position(BTC) > 0);
}

#[test]
fn a_position_that_no_stop_can_be_set_for_is_closed_after_three_tries() {
    let mut rig = long_btc();
    rig.refuses_protection = true;
    take_away(&mut rig);
    rig.run(20_000);
    assert_eq!(rig.protects.len(), 3, "{}", rig.told());
    assert_eq!(rig.position(BTC), 0, "{}", rig.told());
    assert!(
        alarms(&rig).iter().any(|text| text.contains("failed 3 times") && text.contains("closed")),
        "{}",
        rig.told()
    );
    let closes = rig.submitted.iter().filter(|order| order.purpose == Purpose::Close).count();
    assert!(closes >= 1 && rig.submitted.iter().all(|order| order.purpose != Purpose::Entry || order.seq.0 < 3));
    assert!(rig.told().contains("DISARMED (a position has no stop at the venue)"), "{}", rig.told());
}

#[test]
fn a_position_already_beyond_its_stop_is_closed_at_once() {
    let mut rig = long_btc();
    take_away(&mut rig);
    rig.quote(BTC, "49300.0", "49300.1");
    rig.run(6_000);
    assert!(rig.protects.is_empty() && rig.position(BTC) == 0, "{}", rig.told());
    assert!(rig.told().contains("already beyond where its stop would be"), "{}", rig.told());
}

#[test]
fn a_stop_cancelled_in_the_cockpit_is_the_persons_choice() {
    let mut rig = long_btc();
    let stop = rig.snapshot().orders.into_iter().find(|row| row.state == "@venue").unwrap();
    rig.command(Command::Cancel(stop.order));
    rig.run(20_000);
    assert_eq!(protected(&mut rig), Protected::Yours);
    assert!(rig.protects.is_empty() && rig.position(BTC) > 0, "{}", rig.told());
    // The next position is looked after again.
    rig.command(Command::Flatten(None));
    rig.run(3_000);
    rig.arm();
    rig.want(BTC, Side::Buy);
    rig.run(2_000);
    rig.want_nothing();
    rig.run(1_000);
    assert!(matches!(protected(&mut rig), Protected::Stop(_)), "{}", rig.told());
    take_away(&mut rig);
    rig.run(6_000);
    assert_eq!(rig.protects.len(), 1);
}

#[test]
fn a_released_position_is_never_touched() {
    let mut rig = long_btc();
    rig.command(Command::Release(BTC));
    take_away_of_theirs(&mut rig);
    rig.run(20_000);
    assert!(rig.protects.is_empty() && rig.position(BTC) > 0, "{}", rig.told());
    assert_eq!(protected(&mut rig), Protected::Yours);
}

fn take_away_of_theirs(rig: &mut Rig) {
    rig.venue.cancel_by_id(rig.now, BTC, "stop");
    rig.run(500);
}

#[test]
fn kill_keeps_protection_and_a_killed_position_never_stays_without_a_stop() {
    let mut rig = long_btc();
    rig.command(Command::Kill);
    rig.run(5_000);
    assert!(matches!(protected(&mut rig), Protected::Stop(_)), "kept");
    take_away(&mut rig);
    rig.run(6_000);
    assert_eq!(rig.protects.len(), 1, "never a position without one");
    rig.command(Command::KillClose);
    rig.run(5_000);
    assert_eq!(rig.position(BTC), 0);
    assert!(rig.engine.close_proven() && rig.venue.statement().protective.is_empty());
}

#[test]
fn after_a_restart_the_position_gets_its_stop() {
    let mut rig = long_btc();
    let mut start = restored(careful(), RiskLimits::default());
    start.holdings = rig.engine.account().open().cloned().collect();
    start.balance = rig.engine.account().balance();
    // The paper venue of a new process knows of no stop.
    let mut again = Rig::from(start);
    assert!(matches!(protected(&mut again), Protected::None | Protected::Unknown));
    again.run(6_000);
    assert_eq!(again.protects.len(), 1, "{}", again.told());
    assert!(matches!(protected(&mut again), Protected::Stop(_)));
    assert!(matches!(protected(&mut rig), Protected::Stop(_)));
}

#[test]
fn what_is_left_of_a_position_that_is_gone_is_cancelled() {
    let mut rig = rig(careful());
    let left = Protective {
        symbol: BTC,
        order: "left-1".into(),
        purpose: Purpose::Stop,
        side: Side::Sell,
        trigger: p("49000"),
        qty: rig::q("0.006"),
    };
    let said = Statement { protective: vec![left], ..rig.venue.statement() };
    rig.event(Event::Account(AccountUpdate::Statement(said.clone())));
    assert_eq!(rig.swept, ["left-1"]);
    assert!(rig.told().contains("left at the venue without a position"), "{}", rig.told());
    // A released instrument is the person's, and so is what rests there.
    let mut theirs = long_btc();
    theirs.command(Command::Release(BTC));
    theirs.event(Event::Account(AccountUpdate::Statement(said)));
    assert!(theirs.swept.is_empty());
}

#[test]
fn while_the_account_is_out_of_reach_nothing_is_assumed_and_afterwards_it_is_verified() {
    let mut rig = long_btc();
    let hold = |detail: Option<&str>| {
        Event::Hold(Hold { code: DenialCode::VenueUnreachable, symbol: None, detail: detail.map(str::to_owned) })
    };
    rig.event(hold(Some("the line is cut")));
    assert_eq!(protected(&mut rig), Protected::Unknown);
    assert_eq!(rig.engine.unprotected(), 1);
    rig.event(hold(None));
    rig.run(6_000);
    assert!(matches!(protected(&mut rig), Protected::Stop(_)));
    assert_eq!(rig.engine.unprotected(), 0);
}

#[test]
fn who_leaves_does_not_wait_for_unprotected_max_ms() {
    let mut rig = long_btc();
    take_away(&mut rig);
    rig.command(Command::Leaving("TERM".into()));
    assert_eq!(rig.engine.unprotected(), 1);
    rig.run(1_600);
    assert_eq!(rig.protects.len(), 1, "at the next boundary: {}", rig.told());
    assert_eq!(rig.engine.unprotected(), 0);
}

/// The alarm is about what is so now: it ends with the position, with its stop, and where the stop is the person's affair.
#[test]
fn the_alarm_of_a_bare_position_ends_with_what_it_is_about() {
    let pending = |rig: &mut Rig| rig.snapshot().pending_notice.map(|notice| notice.text).unwrap_or_default();
    let bare = || {
        let mut rig = long_btc();
        rig.refuses_protection = true;
        take_away(&mut rig);
        rig.run(6_000);
        assert!(pending(&mut rig).contains("NO STOP"), "{}", rig.told());
        rig
    };
    let mut closed = bare();
    closed.command(Command::Flatten(None));
    closed.run(6_000);
    assert_eq!((closed.position(BTC), pending(&mut closed).contains("NO STOP")), (0, false));
    let mut released = bare();
    released.command(Command::Release(BTC));
    released.run(1_000);
    assert!(!pending(&mut released).contains("NO STOP"), "{}", pending(&mut released));
    let mut covered = bare();
    covered.refuses_protection = false;
    covered.run(5_000);
    assert!(matches!(protected(&mut covered), Protected::Stop(_)), "{}", covered.told());
    assert!(!pending(&mut covered).contains("NO STOP"), "{}", pending(&mut covered));
}

/// The venue says that this is the stop of the position.
fn moved_to(rig: &mut Rig, stop: &str) {
    let protection = Protection { stop: Some(p(stop)), take_profit: None };
    rig.event(Event::Account(AccountUpdate::Protection { symbol: BTC, protection }));
    rig.now = rig.now + tickdeck::engine::time::Span::from_ms(1);
    rig.event(Event::Tick);
}

#[test]
fn a_stop_that_somebody_moved_far_away_is_an_alarm_and_is_left_there() {
    let mut rig = long_btc();
    let Protected::Stop(stop) = protected(&mut rig) else { panic!("{:?}", protected(&mut rig)) };
    moved_to(&mut rig, "49200");
    assert_eq!(protected(&mut rig), Protected::Stop(p("49200")), "a little wider is the person's");
    assert!(alarms(&rig).is_empty(), "{:?}", alarms(&rig));
    moved_to(&mut rig, "40000");
    assert_eq!(protected(&mut rig), Protected::Far(p("40000")));
    moved_to(&mut rig, "40000");
    assert!(
        matches!(&alarms(&rig)[..], [one] if one.contains("40000") && one.contains(&stop.to_string())),
        "{:?}",
        alarms(&rig)
    );
    assert!(rig.protects.is_empty() && rig.position(BTC) > 0, "it is not moved by itself");
}

#[test]
fn a_position_without_a_stop_is_an_alarm_also_where_none_can_be_set() {
    let mut rig = long_btc();
    take_away(&mut rig);
    let bare = Settings { protect: Protect { stop: Rate::ZERO, ..careful().protect }, ..careful() };
    let mut start = restored(bare, RiskLimits::default());
    start.holdings = vec![rig.engine.account().holding(BTC)];
    let mut rig = Rig::from(start);
    rig.run(20_000);
    assert_eq!(protected(&mut rig), Protected::None);
    let told = alarms(&rig);
    assert!(matches!(&told[..], [one] if one.contains("NO STOP") && one.contains("stop_bps is 0")), "{told:?}");
    assert!(
        rig.protects.is_empty() && rig.position(BTC) > 0,
        "there is nothing to set, and it is the person's to close"
    );
}
