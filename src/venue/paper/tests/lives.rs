//! Random lives of an account on two markets: whatever happens, the second bookkeeper must agree exactly.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::*;
use super::oracle::{Oracle, Seen};
use super::{ms, p, q};
use crate::engine::effect::{Purpose, TimeInForce};
use crate::engine::event::{Ticker, Trade};
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty, Rate, Side};

/// About 100, in ticks of 0.007.
const MID: i64 = 14_286;

/// One thing that happens. Prices are ticks away from a middle, quantities counts of 0.003.
#[derive(Clone, Debug)]
enum Step {
    Snapshot { bids: Vec<i64>, asks: Vec<i64> },
    Level { side: Side, away: i64, qty: i64 },
    Gap,
    Print { taker: Side, away: i64, qty: i64 },
    Mark(i64),
    Jump(i64),
    Funding { rate: i64, in_ms: i64 },
    Order { side: Side, away: i64, qty: i64, tif: TimeInForce, reduce_only: bool },
    Again(u64),
    Cancel(u64),
    CancelAll,
    Ask,
    Wait(i64),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn tif() -> impl Strategy<Value = TimeInForce> {
    prop_oneof![Just(TimeInForce::ImmediateOrCancel), Just(TimeInForce::GoodTillCancel), Just(TimeInForce::PostOnly)]
}

fn step() -> impl Strategy<Value = Step> {
    let sizes = || prop::collection::vec(0..900_i64, 1..6);
    prop_oneof![
        2 => (sizes(), sizes()).prop_map(|(bids, asks)| Step::Snapshot { bids, asks }),
        6 => (side(), 1..7_i64, 0..900_i64).prop_map(|(side, away, qty)| Step::Level { side, away, qty }),
        1 => Just(Step::Gap),
        8 => (side(), -6..7_i64, 1..900_i64).prop_map(|(taker, away, qty)| Step::Print { taker, away, qty }),
        3 => (-2_000..2_000_i64).prop_map(Step::Mark),
        1 => (-1_000..1_000_i64).prop_map(Step::Jump),
        2 => (-2_000_001..2_000_001_i64, -5..40_000_i64).prop_map(|(rate, in_ms)| Step::Funding { rate, in_ms }),
        14 => (side(), -6..7_i64, 17..1_500_i64, tif(), prop::bool::weighted(0.35))
            .prop_map(|(side, away, qty, tif, reduce_only)| Step::Order { side, away, qty, tif, reduce_only }),
        1 => (1..40_u64).prop_map(Step::Again),
        3 => (1..60_u64).prop_map(Step::Cancel),
        1 => Just(Step::CancelAll),
        2 => Just(Step::Ask),
        6 => (0..400_i64).prop_map(Step::Wait),
    ]
}

/// Settings, balance, and what happens on which of the two markets after how many milliseconds.
type Script = (i64, i64, i64, Vec<(u16, i64, Step)>);

fn script() -> impl Strategy<Value = Script> {
    let steps = prop::collection::vec((0..2_u16, 0..90_i64, step()), 1..150);
    (0..1_000_001_i64, -100_001..500_001_i64, 1..400_i64, steps)
}

struct Life {
    venue: PaperVenue,
    /// Is told the same and never looked at before the end.
    blind: PaperVenue,
    log: Vec<(Ts, VenueReport)>,
    oracle: Oracle,
    now: i64,
    orders: u64,
    middles: [i64; 2],
    queues: BTreeMap<OrderSeq, Option<Qty>>,
}

fn tick(ticks: i64) -> Price {
    Price::from_raw(ticks.max(1) * 7_000_000)
}
fn size(count: i64) -> Qty {
    Qty::from_raw(count * 3_000_000)
}

impl Life {
    fn begin(taker_fee: i64, maker_fee: i64, balance: i64) -> Self {
        let settings = PaperSettings {
            latency: Span::from_ms(120),
            taker_fee: Rate::from_raw(taker_fee),
            maker_fee: Rate::from_raw(maker_fee),
        };
        let mut rules = Instrument::linear("BTCUSDT", p("0.007"), q("0.003"));
        rules.funding_interval_s = 30;
        // In tenths, with a last digit that no rounding leaves alone.
        let balance = Money::from_raw(i128::from(balance) * 100_000_000_000_000_001);
        let venue = || PaperVenue::new(settings, vec![rules.clone(), rules.clone()], balance, &[]);
        let mut life = Self {
            venue: venue(),
            blind: venue(),
            log: Vec::new(),
            oracle: Oracle::new(settings, balance, 2),
            now: 0,
            orders: 0,
            middles: [MID, MID],
            queues: BTreeMap::new(),
        };
        for symbol in [0, 1] {
            life.live(symbol, &Step::Snapshot { bids: vec![300, 200], asks: vec![300, 200] });
        }
        life
    }

    /// Everything that happened at the venue since the last call.
    fn reports(&mut self) -> Vec<VenueReport> {
        let from = self.log.len();
        self.log.extend(self.venue.outbox.drain(..));
        self.log[from..].iter().map(|(_, report)| report.clone()).collect()
    }

    /// Lets time pass, one arrival or settlement at a time, so that the oracle sees each with the market it met.
    fn pass(&mut self, span_ms: i64) {
        self.now += span_ms;
        while let Some(due) = self.venue.next_due().filter(|due| *due <= ms(self.now)) {
            self.venue.advance(due);
            let reports = self.reports();
            self.oracle.told(&reports, None);
        }
        self.venue.advance(ms(self.now));
        let reports = self.reports();
        self.oracle.told(&reports, None);
    }

    fn both(&mut self, tell: impl Fn(&mut PaperVenue)) {
        tell(&mut self.venue);
        tell(&mut self.blind);
    }

    fn market(&mut self, symbol: u16, data: &MarketData) {
        let symbol = Symbol(symbol);
        self.oracle.hears(symbol, data);
        self.venue.on_market(ms(self.now), symbol, data);
        self.blind.on_market(ms(self.now), symbol, data);
        let reports = self.reports();
        let print = match data {
            MarketData::Trade(trade) => Some((symbol, *trade)),
            _ => None,
        };
        self.oracle.told(&reports, print);
    }

    fn live(&mut self, symbol: u16, step: &Step) {
        let middle = self.middles[usize::from(symbol)];
        let at = |side: Side, away: i64| tick(middle - side.sign() * away);
        let levels = |side: Side, sizes: &[i64]| -> Vec<Level> {
            let away = 1..=sizes.len() as i64;
            away.zip(sizes).map(|(away, count)| Level { price: at(side, away), qty: size(*count) }).collect()
        };
        let now = ms(self.now);
        match step {
            Step::Snapshot { bids, asks } => {
                let (bids, asks) = (levels(Side::Buy, bids), levels(Side::Sell, asks));
                self.market(symbol, &MarketData::Book(BookUpdate { snapshot: true, bids, asks }));
            }
            Step::Level { side, away, qty } => {
                let level = vec![Level { price: at(*side, *away), qty: size(*qty) }];
                let (bids, asks) = if *side == Side::Buy { (level, vec![]) } else { (vec![], level) };
                self.market(symbol, &MarketData::Book(BookUpdate { snapshot: false, bids, asks }));
            }
            Step::Gap => self.market(symbol, &MarketData::Gap),
            Step::Print { taker, away, qty } => {
                // Not a multiple of the step: what does not fit our orders is not ours.
                let qty = Qty::from_raw(size(*qty).raw() + 1_000_000);
                let trade = Trade { price: at(taker.opposite(), *away), qty, taker: *taker };
                self.market(symbol, &MarketData::Trade(trade));
            }
            Step::Mark(away) => {
                let mark = Price::from_raw(tick(middle + away).raw() + 1);
                self.market(symbol, &MarketData::Ticker(Ticker { mark: Some(mark), ..Ticker::default() }));
            }
            Step::Jump(by) => {
                self.middles[usize::from(symbol)] += by;
                self.live(symbol, &Step::Snapshot { bids: vec![250], asks: vec![250] });
            }
            Step::Funding { rate, in_ms } => {
                let ticker = Ticker {
                    funding_rate: Some(Rate::from_raw(*rate)),
                    next_funding: Some(ms(self.now + in_ms)),
                    ..Ticker::default()
                };
                self.market(symbol, &MarketData::Ticker(ticker));
            }
            Step::Order { side, away, qty, tif, reduce_only } => {
                self.orders += 1;
                let order = NewOrder {
                    seq: OrderSeq(self.orders),
                    symbol: Symbol(symbol),
                    side: *side,
                    qty: size(*qty),
                    price: at(*side, *away),
                    tif: *tif,
                    reduce_only: *reduce_only,
                    purpose: Purpose::Entry,
                    protection: Protection::default(),
                    decided: now,
                };
                self.oracle.sent(order);
                self.submit(order);
            }
            Step::Again(seq) => {
                if *seq <= self.orders {
                    self.live_again(OrderSeq(*seq));
                }
            }
            Step::Cancel(seq) => self.both(|venue| venue.cancel(now, OrderSeq(*seq))),
            Step::CancelAll => self.both(|venue| venue.cancel_all(now)),
            Step::Ask => self.both(|venue| venue.ask(now)),
            Step::Wait(span) => self.pass(*span),
        }
        self.queues_only_shorten();
        self.oracle.agrees(&self.venue.statement());
        for held in self.venue.holdings() {
            self.oracle.agrees_on_cost(held.symbol, held.cost);
        }
    }

    /// The same number once more.
    fn live_again(&mut self, seq: OrderSeq) {
        let order = NewOrder {
            seq,
            symbol: Symbol(0),
            side: Side::Buy,
            qty: size(100),
            price: tick(MID),
            tif: TimeInForce::GoodTillCancel,
            reduce_only: false,
            purpose: Purpose::Entry,
            protection: Protection::default(),
            decided: ms(self.now),
        };
        self.submit(order);
    }

    fn submit(&mut self, order: NewOrder) {
        let now = ms(self.now);
        self.both(|venue| venue.submit(now, Approved::for_test(order)));
    }

    /// A known place in the queue never gets worse; a gap makes it unknown first.
    fn queues_only_shorten(&mut self) {
        let markets = [0, 1].map(|index| self.venue.desk.market(Symbol(index)).unwrap());
        let resting = || markets.iter().flat_map(|market| &market.resting);
        for order in resting() {
            if let (Some(Some(before)), Some(after)) = (self.queues.get(&order.order.seq), order.ahead()) {
                assert!(after <= *before, "{:?} went back in the queue", order.order.seq);
            }
        }
        self.queues = resting().map(|order| (order.order.seq, order.ahead())).collect();
    }
}

/// Tells a life and returns what was seen of it.
fn tell(script: &Script) -> Seen {
    let (taker, maker, balance, steps) = script;
    let mut life = Life::begin(*taker, *maker, *balance);
    for (symbol, wait, step) in steps {
        life.pass(*wait);
        life.live(*symbol, step);
    }
    life.pass(200_000);
    life.oracle.agrees(&life.venue.statement());
    let end = ms(life.now + 120);
    let blind: Vec<_> = std::iter::from_fn(|| life.blind.pop_due(end)).collect();
    assert_eq!(blind, life.log, "how often one looks changes what happens");
    life.oracle.seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_adds_up(script in script()) {
        tell(&script);
    }
}

#[test]
fn the_lives_drawn_are_eventful() {
    let mut runner = TestRunner::deterministic();
    let mut total = [0; 7];
    for _ in 0..200 {
        let seen = tell(&script().new_tree(&mut runner).unwrap().current());
        let each = [seen.takes, seen.makes, seen.funded, seen.liquidated, seen.trimmed, seen.poor, seen.rounded];
        total = std::array::from_fn(|kind| total[kind] + each[kind]);
    }
    assert!(total.iter().all(|count| *count >= 50), "{total:?}");
}
