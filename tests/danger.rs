//! The danger rows of the snapshot: what is far away, what is near, and what is not known, for the paper account's own
//! estimates and for what a venue states.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)] // a test program

mod rig;

use rig::{BTC, ETH, p, q, usd};
use tickdeck::engine::Engine;
use tickdeck::engine::account::Holding;
use tickdeck::engine::command::Command;
use tickdeck::engine::danger::{Danger, DangerLevel, DangerRow};
use tickdeck::engine::effect::Effects;
use tickdeck::engine::event::{AccountUpdate, Event, Hold, Link, MarketData, Pool, Ticker};
use tickdeck::engine::ids::{Account, Pair, Symbol};
use tickdeck::engine::market::book::{BookUpdate, Level};
use tickdeck::engine::market::instrument::{Instrument, InstrumentStatus};
use tickdeck::engine::num::{Money, Rate, Side};
use tickdeck::engine::risk::limits::RiskLimits;
use tickdeck::engine::risk::verdict::DenialCode;
use tickdeck::engine::settings::Settings;
use tickdeck::engine::snapshot::View;
use tickdeck::engine::time::{Span, Ts};

const NOW: Ts = Ts::from_ms(1_763_800_000_000);

/// An engine that holds 0.01 BTC bought at 50,000 with `balance` behind it.
struct Held {
    engine: Engine,
    now: Ts,
}

impl Held {
    fn new(pair: Pair, side: Side, balance: i64) -> Self {
        let held = Holding { signed: side.sign() * 10_000_000, cost: usd(500), opened: NOW, ..Holding::flat(BTC) };
        let mut restored = rig::restored(Settings::default(), RiskLimits::default());
        (restored.pair, restored.balance, restored.holdings) = (pair, usd(balance), vec![held]);
        let mut held = Self { engine: Engine::new(&restored), now: NOW };
        held.event(Event::Restored(Box::new(restored)));
        held
    }
    fn event(&mut self, event: Event) {
        self.engine.step(self.now, &event, &mut Effects::new());
    }
    fn market(&mut self, data: MarketData) {
        self.event(Event::Market(BTC, data));
    }
    fn mark(&mut self, mark: &str) {
        self.market(MarketData::Ticker(Ticker { mark: Some(p(mark)), ..Ticker::default() }));
    }
    fn funding(&mut self, rate: &str, left: Span) {
        let rate = Some(Rate::parse(rate).unwrap());
        let next_funding = Some(self.now + left);
        self.market(MarketData::Ticker(Ticker { funding_rate: rate, next_funding, ..Ticker::default() }));
    }
    fn stated(&mut self, liquidation: Option<&str>, adl: u8) {
        let liquidation = liquidation.map(p);
        self.event(Event::Account(AccountUpdate::Danger { symbol: BTC, liquidation, adl }));
    }
    fn rules(&mut self, change: impl FnOnce(&mut Instrument)) {
        let mut rules = rig::instruments().remove(0);
        change(&mut rules);
        self.market(MarketData::Rules(Box::new(rules)));
    }
    fn rows(&mut self, front: Symbol) -> Vec<DangerRow> {
        self.engine.snapshot(View { symbol: front, ..View::default() }).danger
    }
    /// The first row that `wanted` picks.
    fn level(&mut self, wanted: fn(&Danger) -> bool) -> Option<DangerLevel> {
        self.rows(ETH).into_iter().find(|row| wanted(&row.danger)).map(|row| row.level)
    }
}

fn liquidation(danger: &Danger) -> bool {
    matches!(danger, Danger::Liquidation { .. })
}
fn funding(danger: &Danger) -> bool {
    matches!(danger, Danger::Funding { .. })
}
fn band(danger: &Danger) -> bool {
    matches!(danger, Danger::Band { .. })
}

const LIVE: Pair = Pair::bybit(Account::Live);
use DangerLevel::{Alarm, Ok, Unknown, Warn};

#[test]
fn paper_shows_its_own_estimate_and_says_so() {
    // Balance 45 behind 500 of BTC: liquidated where 455 is left plus maintenance, a good 8 % below.
    let mut held = Held::new(Pair::SIMULATED, Side::Buy, 45);
    assert_eq!(held.level(liquidation), Some(Unknown), "no mark, no estimate");
    held.mark("50000");
    let row = held.rows(ETH).remove(0);
    let Danger::Liquidation { price, distance, estimate: true } = row.danger else { panic!("{row:?}") };
    let (price, distance) = (price.unwrap(), distance.unwrap());
    assert_eq!((row.symbol, row.level), (Some(BTC), Warn));
    let exact = (p("50000").raw() - price.raw()) as f64 / 50_000.0 / 1e9;
    assert!((distance.raw() as f64 / 1e9 - exact).abs() < 1e-9 && (0.08..0.09).contains(&exact), "{price} {distance}");
    held.mark("47000");
    assert_eq!(held.level(liquidation), Some(Alarm));
    held.now = held.now + Span::from_secs(60);
    held.event(Event::Tick);
    assert_eq!(held.level(liquidation), Some(Unknown), "a silent market gives no distance");

    let mut covered = Held::new(Pair::SIMULATED, Side::Buy, 10_000);
    covered.mark("50000");
    let row = covered.rows(ETH).into_iter().find(|row| liquidation(&row.danger)).unwrap();
    assert_eq!(row.level, Ok);
    assert!(matches!(row.danger, Danger::Liquidation { price: None, distance: None, estimate: true }), "{row:?}");
    assert_eq!(covered.level(|danger| matches!(danger, Danger::Deleveraging { .. } | Danger::Clock { .. })), None);
}

#[test]
fn a_venue_states_liquidation_and_place_in_the_queue() {
    let adl = |danger: &Danger| matches!(danger, Danger::Deleveraging { .. });
    for (side, near, far) in [(Side::Buy, "47501", "44999"), (Side::Sell, "52499", "55001")] {
        let mut held = Held::new(LIVE, side, 10_000);
        held.mark("50000");
        assert_eq!((held.level(liquidation), held.level(adl)), (Some(Unknown), Some(Unknown)), "nothing stated");
        held.stated(None, 0);
        assert_eq!((held.level(liquidation), held.level(adl)), (Some(Unknown), Some(Unknown)), "of no position");
        held.stated(Some(far), 3);
        assert_eq!((held.level(liquidation), held.level(adl)), (Some(Ok), Some(Ok)));
        held.stated(Some(near), 4);
        assert_eq!((held.level(liquidation), held.level(adl)), (Some(Alarm), Some(Warn)));
        held.stated(None, 5);
        assert_eq!((held.level(liquidation), held.level(adl)), (Some(Ok), Some(Alarm)), "the venue states no price");
        held.stated(Some("50000"), 0);
        assert_eq!(held.level(liquidation), Some(Alarm), "reached");
    }
}

#[test]
fn funding_costs_the_side_that_pays() {
    let mut held = Held::new(LIVE, Side::Sell, 10_000);
    held.mark("50000");
    assert_eq!(held.level(funding), Some(Unknown), "a position without a known rate");
    let cost = |held: &mut Held| {
        let row = held.rows(ETH).into_iter().find(|row| funding(&row.danger)).unwrap();
        let Danger::Funding { cost, .. } = row.danger else { panic!() };
        (cost.unwrap(), row.level)
    };
    held.funding("0.004", Span::from_secs(60));
    assert_eq!(cost(&mut held), (Money::from_units(-2), Ok), "a short receives a positive rate");
    held.funding("-0.0006", Span::from_secs(599));
    assert_eq!(cost(&mut held), (Money::parse("0.3").unwrap(), Warn));
    held.funding("-0.0005", Span::from_secs(599));
    assert_eq!(held.level(funding), Some(Ok), "at the step, not above it");
    held.funding("-0.0031", Span::from_secs(599));
    assert_eq!(held.level(funding), Some(Alarm));
    held.funding("-0.0031", Span::from_secs(600));
    assert_eq!(held.level(funding), Some(Ok), "still time to leave");
    held.funding("-0.0031", Span::from_secs(-1));
    assert_eq!(held.level(funding), Some(Unknown), "the next moment is not known yet");
}

#[test]
fn an_exit_needs_room_inside_the_band() {
    let mut held = Held::new(LIVE, Side::Buy, 10_000);
    let level = |price: &str| vec![Level { price: p(price), qty: q("1") }];
    let book = BookUpdate { snapshot: true, bids: level("49999"), asks: level("50001") };
    held.market(MarketData::Book(book));
    assert_eq!(held.level(band), Some(Unknown), "an exit whose band is not known");
    for (sell_min, expected) in [("49000", Ok), ("49600", Warn), ("49970", Alarm), ("50100", Alarm)] {
        held.market(MarketData::Band { buy_max: p("50010"), sell_min: p(sell_min) });
        assert_eq!(held.level(band), Some(expected), "{sell_min}");
    }
    held.market(MarketData::Gap);
    assert_eq!(held.level(band), Some(Unknown));
}

#[test]
fn contracts_end_stop_and_are_not_known() {
    let mut held = Held::new(LIVE, Side::Buy, 10_000);
    let ending = |danger: &Danger| matches!(danger, Danger::Delisting { .. });
    assert_eq!(held.level(ending), None);
    for (days, expected) in [(8, Ok), (6, Warn), (0, Alarm)] {
        held.rules(|rules| rules.delivery = Some(NOW + Span::from_secs(days * 86_400 + 3600)));
        assert_eq!(held.level(ending), Some(expected), "{days} days");
    }
    held.rules(|rules| rules.status = InstrumentStatus::Halted);
    assert_eq!(held.level(|danger| *danger == Danger::Halted), Some(Alarm));
    held.rules(|rules| rules.status = InstrumentStatus::Unknown);
    assert_eq!(held.level(|danger| *danger == Danger::Unlisted), Some(Unknown));
    // The instrument in front is shown without a position too, and never as an alarm.
    let rules = Instrument { status: InstrumentStatus::Halted, ..rig::instruments().remove(1) };
    held.event(Event::Market(ETH, MarketData::Rules(Box::new(rules))));
    let halted = |row: &DangerRow| row.symbol == Some(ETH) && row.danger == Danger::Halted;
    assert_eq!(held.rows(ETH).iter().find(|row| halted(row)).map(|row| row.level), Some(Warn));
    assert!(!held.rows(BTC).iter().any(halted), "neither held nor in front");
}

#[test]
fn holds_and_clocks_concern_everything() {
    let mut held = Held::new(LIVE, Side::Buy, 10_000);
    let clock = |danger: &Danger| matches!(danger, Danger::Clock { .. });
    assert_eq!(held.level(clock), Some(Unknown));
    for (ms, expected) in [(250, Ok), (-251, Warn), (1001, Alarm), (-1001, Alarm)] {
        held.event(Event::Link(Link::Clock(Span::from_ms(ms))));
        assert_eq!(held.level(clock), Some(expected), "{ms}");
    }
    let hold = |detail: Option<&str>| {
        Event::Hold(Hold { code: DenialCode::VenueMaintenance, symbol: None, detail: detail.map(str::to_owned) })
    };
    held.event(hold(Some("from 06:00Z")));
    let row = held.rows(ETH).into_iter().find(|row| matches!(row.danger, Danger::Hold { .. })).unwrap();
    let expected = Danger::Hold { code: "VENUE_MAINTENANCE".into(), detail: "from 06:00Z".into() };
    assert_eq!((row.symbol, row.level, row.danger), (None, Warn, expected));
    held.event(hold(None));
    assert_eq!(held.level(|danger| matches!(danger, Danger::Hold { .. })), None);
    let levels: Vec<DangerLevel> = held.rows(ETH).iter().map(|row| row.level).collect();
    assert!(levels.is_sorted_by(|a, b| a >= b) && levels[0] == Alarm, "worst first: {levels:?}");
}

#[test]
fn what_the_venue_stated_is_unknown_while_it_is_out_of_reach() {
    let mut held = Held::new(LIVE, Side::Buy, 10_000);
    held.mark("50000");
    held.stated(Some("40000"), 2);
    let queue = |danger: &Danger| matches!(danger, Danger::Deleveraging { .. });
    assert_eq!((held.level(queue), held.level(liquidation)), (Some(Ok), Some(Ok)));
    let unreachable = |detail: Option<&str>| {
        Event::Hold(Hold { code: DenialCode::VenueUnreachable, symbol: None, detail: detail.map(str::to_owned) })
    };
    held.event(unreachable(Some("the stream is down")));
    assert_eq!((held.level(queue), held.level(liquidation)), (Some(Unknown), Some(Unknown)));
    held.event(unreachable(None));
    assert_eq!((held.level(queue), held.level(liquidation)), (Some(Ok), Some(Ok)));
}

#[test]
fn a_pool_that_has_lost_much_is_told_and_one_that_has_not_is_no_row() {
    let mut held = Held::new(LIVE, Side::Buy, 10_000);
    held.mark("50000");
    let (starts, stops) = (Rate::from_raw(-300_000_000), Rate::from_raw(-250_000_000));
    for (result, low, empty, level) in [
        (-240_000_000, false, false, None),
        (-250_000_000, false, false, Some(Warn)),
        (-300_000_000, false, false, Some(Alarm)),
        (0, true, false, Some(Warn)),
        (0, true, true, Some(Alarm)),
    ] {
        held.market(MarketData::Pool(Pool { result: Rate::from_raw(result), starts, stops, low, empty }));
        assert_eq!(held.level(|danger| matches!(danger, Danger::Pool { .. })), level, "{result} {low} {empty}");
    }
}

/// Killed with a position open, of which nobody looks after a stop: that is a danger, however far everything else is.
#[test]
fn what_is_left_open_under_a_kill_is_a_danger() {
    let left = |danger: &Danger| matches!(danger, Danger::LeftOpen { open: 1 });
    let bare = |danger: &Danger| matches!(danger, Danger::NoStop { yours: true });
    let mut held = Held::new(LIVE, Side::Buy, 10_000);
    held.mark("50000");
    assert_eq!((held.level(left), held.level(bare)), (None, None));
    held.event(Event::Command(Command::Kill));
    assert_eq!(held.level(left), Some(Warn));
    held.event(Event::Command(Command::Release(BTC)));
    assert_eq!((held.level(left), held.level(bare)), (None, Some(Warn)), "the person's now, and without a stop");
}
