//! Every limit of the configuration, tripped end to end: from a forecast through the gate to the denial (or the trip).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod rig;

use proptest::prelude::*;
use rig::{BTC, ETH, Rig, eager, restored};
use tickdeck::engine::command::Command;
use tickdeck::engine::event::{Event, Fault, Link, Restored};
use tickdeck::engine::num::{Side, UNIT};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::settings::{Execution, Settings};
use tickdeck::engine::snapshot::StateWord;
use tickdeck::engine::time::Span;

/// Defaults with some limits set lower: `(key, units)`.
fn limits(changes: &[(LimitKey, i64)]) -> RiskLimits {
    changes.iter().fold(RiskLimits::default(), |limits, (key, units)| limits.with(*key, units * UNIT).unwrap())
}

/// An armed rig that wants to be long BTC with these limits; what did the gate say?
fn denial_with(changes: &[(LimitKey, i64)], code: &str) {
    let mut rig = Rig::armed(eager(), limits(changes));
    rig.want(BTC, Side::Buy);
    rig.run(4000);
    assert!(rig.denied(code), "wanted {code}, got {:?}\n{}", rig.engine.denials(), rig.told());
    assert!(rig.openings().is_empty());
    let told = rig.notices.iter().find(|n| n.denial.is_some()).expect("the person is told");
    assert!(told.text.contains(&format!("{code}: ")), "CATEGORY_CONDITION: k=v, was {}", told.text);
    assert!(told.text.contains('='));
}

#[test]
fn order_notional() {
    denial_with(&[(LimitKey::MaxOrderNotional, 299)], "LIMIT_ORDER_NOTIONAL");
}

#[test]
fn position_notional() {
    denial_with(&[(LimitKey::MaxPositionNotional, 200)], "LIMIT_POSITION_NOTIONAL");
}

#[test]
fn gross_notional_over_all_symbols() {
    let mut rig = Rig::armed(eager(), limits(&[(LimitKey::MaxGrossNotional, 450), (LimitKey::MaxNetNotional, 440)]));
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.position(BTC) > 0);
    rig.want(ETH, Side::Sell);
    rig.run(3000);
    assert!(rig.denied("LIMIT_GROSS_NOTIONAL"), "{}", rig.told());
    assert_eq!(rig.position(ETH), 0);
}

#[test]
fn net_notional_counts_longs_against_shorts() {
    let mut rig = Rig::armed(eager(), limits(&[(LimitKey::MaxNetNotional, 450)]));
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    rig.want(ETH, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("LIMIT_NET_NOTIONAL"), "{}", rig.told());
    rig.want(ETH, Side::Sell);
    rig.run(3000);
    assert!(rig.position(ETH) < 0, "a short brings the net down and passes");
}

#[test]
fn open_orders() {
    denial_with(&[(LimitKey::MaxOpenOrders, 0)], "LIMIT_OPEN_ORDERS");
}

#[test]
fn order_rate() {
    let mut rig =
        Rig::armed(Settings { max_hold: Span::from_secs(1), ..eager() }, limits(&[(LimitKey::MaxOrdersPer10s, 2)]));
    rig.want(BTC, Side::Buy);
    rig.want(ETH, Side::Buy);
    rig.run(9000);
    assert!(rig.denied("LIMIT_ORDER_RATE"), "{}", rig.told());
    assert_eq!(rig.openings().len(), 2);
}

#[test]
fn orders_in_24_hours() {
    let mut rig =
        Rig::armed(Settings { max_hold: Span::from_secs(1), ..eager() }, limits(&[(LimitKey::MaxOrders24h, 2)]));
    rig.want(BTC, Side::Buy);
    rig.want(ETH, Side::Buy);
    rig.run(40_000);
    assert!(rig.denied("LIMIT_ORDERS_24H"), "{}", rig.told());
    assert_eq!(rig.openings().len(), 2, "the ten seconds of the order rate are long over");
}

/// A restart forgets none of them, and a day later they are forgotten.
#[test]
fn orders_in_24_hours_count_over_restarts() {
    let almost_a_day = Span::from_secs(24 * 3600 - 20);
    let start = Rig::armed(eager(), RiskLimits::default()).now;
    let before =
        Restored { opened: vec![start - almost_a_day], ..restored(eager(), limits(&[(LimitKey::MaxOrders24h, 1)])) };
    let mut rig = Rig::from(before);
    rig.arm();
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("LIMIT_ORDERS_24H") && rig.openings().is_empty(), "{}", rig.told());
    rig.run(40_000);
    assert_eq!(rig.openings().len(), 1, "{}", rig.told());
}

#[test]
fn leverage() {
    let mut rig = Rig::armed(eager(), limits(&[(LimitKey::MaxLeverage, 0)]));
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("LIMIT_LEVERAGE") && rig.openings().is_empty());
}

#[test]
fn slippage_and_thin_books() {
    let mut rig = Rig::armed(eager(), limits(&[(LimitKey::MaxSlippageBps, 0)]));
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("SLIPPAGE_TOO_LARGE"), "{:?}", rig.engine.denials());
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.quote_size(BTC, "50000.0", "50000.1", "0.0001");
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("BOOK_TOO_THIN"));
    assert!(rig.openings().is_empty());
}

#[test]
fn data_age_is_the_connections_silence_not_a_quiet_books() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.run(60_000);
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.position(BTC) > 0, "the book has not moved for a minute, the connection lives");
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.alive = false;
    rig.run(4000);
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("DATA_STALE") && rig.openings().is_empty());
    rig.event(Event::Link(Link::MarketDown("reset by peer".into())));
    rig.run(2000);
    assert!(rig.openings().is_empty());
}

#[test]
fn books_that_are_missing_or_gapped() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.gap(BTC);
    rig.run(3000);
    assert!(rig.denied("BOOK_GAPPED") && rig.openings().is_empty());
}

#[test]
fn daily_loss_refuses_before_its_second_reading_and_then_trips() {
    let mut rig = Rig::armed(eager(), limits(&[(LimitKey::MaxDailyLoss, 1)]));
    rig.want(BTC, Side::Buy);
    rig.run(2000);
    rig.want(ETH, Side::Buy);
    rig.mark(BTC, "49750");
    rig.run(8000);
    assert_eq!(rig.engine.state_word(), StateWord::Tripped, "{}", rig.told());
    assert!(rig.told().contains("max_daily_loss"));
}

#[test]
fn loss_24h_and_drawdown_trip() {
    for (key, value, other) in
        [(LimitKey::MaxLoss24h, 1, LimitKey::MaxDrawdownPct), (LimitKey::MaxDrawdownPct, 0, LimitKey::MaxLoss24h)]
    {
        let mut rig = Rig::armed(eager(), limits(&[(key, value)]));
        rig.want(BTC, Side::Buy);
        rig.run(2000);
        rig.want_nothing();
        rig.mark(BTC, "49700");
        rig.run(8000);
        assert_eq!(rig.engine.state_word(), StateWord::Tripped, "{}", key.name());
        assert!(rig.told().contains(&format!("TRIPPED: {}", key.name())) || rig.told().contains(other.name()));
    }
}

#[test]
fn cooldown_after_a_losing_trade() {
    let settings = Settings { max_hold: Span::from_secs(2), ..eager() };
    let mut rig = Rig::armed(settings, limits(&[]).with(LimitKey::CooldownAfterLoss, 30 * UNIT).unwrap());
    rig.want(BTC, Side::Buy);
    rig.run(10_000);
    assert!(rig.denied("COOLDOWN_ACTIVE"), "a round trip at one spread loses: {}", rig.told());
    assert_eq!(rig.openings().len(), 1);
    rig.run(30_000);
    assert!(rig.openings().len() > 1, "it ends");
}

#[test]
fn close_only_enters_when_the_span_of_the_horizon_has_closed() {
    let mut rig = Rig::armed(Settings { close_only: true, ..eager() }, RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("SIGNAL_FORMING") && rig.openings().is_empty());
    rig.run(7000);
    let decided: Vec<i64> = rig.openings().iter().map(|order| order.decided.as_ms() % 10_000).collect();
    assert_eq!(decided, [0], "at the end of ten seconds, and nowhere else");
}

#[test]
fn the_edge_gate_is_on_by_default() {
    let mut rig = Rig::armed(Settings { edge_gate: true, ..eager() }, RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    assert!(rig.denied("EDGE_TOO_SMALL") && rig.openings().is_empty());
    let verdict = rig.snapshot().signals[0].verdict.clone();
    assert!(verdict.starts_with("edge gate: 5.0 bp < 11."), "{verdict}");
}

#[test]
fn no_limit_blocks_an_order_that_reduces() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Buy);
    rig.run(3000);
    rig.want_nothing();
    for key in LimitKey::all()
        .filter(|key| !matches!(key, LimitKey::MaxDailyLoss | LimitKey::MaxLoss24h | LimitKey::MaxDrawdownPct))
    {
        rig.command(Command::SetLimit { key, value: 0 });
    }
    rig.alive = false;
    rig.run(10_000);
    rig.command(Command::Flatten(Some(BTC)));
    rig.run(3000);
    assert_eq!(rig.position(BTC), 0, "{}", rig.told());
}

/// What can happen to an armed engine, in any interleaving.
#[derive(Clone, Debug)]
enum Act {
    Want(bool, bool),
    Nothing,
    Quote(bool, i64),
    Trade(bool, bool),
    Run(i64),
    Tighten(usize, i64),
    Disarm,
    Arm,
    Gap(bool),
    TapeTrouble,
    TapeFine,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<bool>(), any::<bool>()).prop_map(|(s, b)| Act::Want(s, b)),
        1 => Just(Act::Nothing),
        4 => (any::<bool>(), -200_i64..200).prop_map(|(s, d)| Act::Quote(s, d)),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(s, b)| Act::Trade(s, b)),
        6 => (50_i64..1500).prop_map(Act::Run),
        1 => (0_usize..4, 50_i64..1000).prop_map(|(k, v)| Act::Tighten(k, v)),
        1 => Just(Act::Disarm),
        2 => Just(Act::Arm),
        1 => any::<bool>().prop_map(Act::Gap),
        1 => Just(Act::TapeTrouble),
        1 => Just(Act::TapeFine),
    ]
}

fn play(rig: &mut Rig, act: &Act) {
    let symbol = |eth: bool| if eth { ETH } else { BTC };
    let quote = |rig: &mut Rig, eth: bool, delta: i64| {
        let (bid, tick) = if eth { (2500.0 + delta as f64 / 10.0, 0.01) } else { (50_000.0 + delta as f64, 0.1) };
        rig.quote(symbol(eth), &format!("{bid:.2}"), &format!("{:.2}", bid + tick));
    };
    match act {
        Act::Want(eth, buy) => rig.want(symbol(*eth), if *buy { Side::Buy } else { Side::Sell }),
        Act::Nothing => rig.want_nothing(),
        Act::Quote(eth, delta) => quote(rig, *eth, *delta),
        Act::Trade(eth, buy) => {
            let price = if *eth { "2500" } else { "50000" };
            rig.trade(symbol(*eth), if *buy { Side::Buy } else { Side::Sell }, price, "20");
        }
        Act::Run(ms) => rig.run(*ms),
        Act::Tighten(index, units) => {
            let key = [
                LimitKey::MaxOrderNotional,
                LimitKey::MaxPositionNotional,
                LimitKey::MaxGrossNotional,
                LimitKey::MaxNetNotional,
            ][*index];
            if units * UNIT < rig.engine.limits().get(key) {
                rig.command(Command::SetLimit { key, value: units * UNIT });
            }
        }
        Act::Disarm => rig.command(Command::Disarm),
        Act::Arm => rig.arm(),
        Act::Gap(eth) => rig.gap(symbol(*eth)),
        Act::TapeTrouble => rig.fault(Fault::Tape { why: "slow".into(), fatal: false }),
        Act::TapeFine => rig.fault(Fault::TapeRecovered),
    }
}

/// A limit that one symbol is above by hand's lowering does not speak of another.
#[test]
fn a_lowered_limit_stops_the_symbol_that_is_above_it_and_no_other() {
    let mut rig = Rig::armed(eager(), RiskLimits::default());
    rig.want(BTC, Side::Sell);
    rig.run(712);
    rig.command(Command::SetLimit { key: LimitKey::MaxPositionNotional, value: 276 * UNIT });
    rig.want(ETH, Side::Sell);
    rig.run(788);
    assert!(rig.violations.is_empty(), "{:?}", rig.violations);
    assert!(rig.openings().iter().any(|order| order.symbol == ETH), "{}", rig.told());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// No order is sent that could take worst-case exposure above a limit; while reducing or disarmed nothing that could
    /// grow or flip a position is sent at all.
    #[test]
    fn no_sequence_of_events_sends_an_order_beyond_a_limit(
        passive in any::<bool>(),
        near in proptest::option::of((0.0_f32..0.5, 0.0_f32..0.5)),
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let execution = if near.is_some() { Execution::Timed } else { Execution::Now };
        let settings = Settings { passive_entry: passive, execution, max_hold: Span::from_secs(4), ..eager() };
        let mut rig = Rig::armed(settings, RiskLimits::default());
        rig.near = near.map(|(up, down)| (up, down, (up - down) * 20.0));
        for act in &acts {
            play(&mut rig, act);
            prop_assert!(rig.violations.is_empty(), "{:?} after {act:?}", rig.violations);
        }
    }

    /// In REDUCING the position only shrinks or stays, but for what was already working.
    #[test]
    fn reducing_never_grows_a_position(acts in proptest::collection::vec(act(), 1..40)) {
        let mut rig = Rig::armed(Settings { max_hold: Span::from_secs(4), ..eager() }, RiskLimits::default());
        rig.want(BTC, Side::Buy);
        rig.run(3000);
        rig.fault(Fault::Tape { why: "slow".into(), fatal: false });
        rig.run(500);
        let sent = rig.openings().len();
        let mut last = [rig.position(BTC), rig.position(ETH)];
        for act in acts.iter().filter(|act| !matches!(act, Act::TapeFine)) {
            play(&mut rig, act);
            for (slot, symbol) in [BTC, ETH].into_iter().enumerate() {
                let now = rig.position(symbol);
                prop_assert!(now.abs() <= last[slot].abs(), "grew from {} to {now}", last[slot]);
                prop_assert!(now == 0 || now.signum() == last[slot].signum(), "flipped");
                last[slot] = now;
            }
        }
        prop_assert_eq!(rig.openings().len(), sent, "no opening was sent");
    }
}
