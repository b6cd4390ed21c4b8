//! The paper venue and the simulated exchange, two witnesses that share no code, see the same market and the same orders.
//!
//! Honest bounds, inside the price band and with money enough:
//!
//! - **Verdicts**: refused, ended at once, or working: the same for every order. The exchange tells a post-only order that
//!   would take as accepted and cancelled, paper as rejected; both count as refused.
//! - **Taker fills**: the same prices and quantities, level by level; both keep what we took away from the displayed book
//!   until the level is stated anew. Positions are equal; balances differ by the exchange's rounding of fees only.
//! - **Protection**: what an order carries is the position's from its first fill on, at both alike, and ends with it.
//! - **Maker fills**: neither fills more than was printed at or through the price since the order came, but for what a
//!   displayed book that crosses the order holds (that is a fill at the exchange only). Whatever was printed strictly
//!   through the price has filled at both. Until the displayed book crosses an order the exchange never fills it earlier
//!   nor more than paper: its queue moves by prints only, paper's also by displayed sizes that fall.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test program

mod gate;

use std::collections::BTreeMap;

use gate::{Draws, Gate};
use tickdeck::engine::effect::{self, NewOrder, TimeInForce};
use tickdeck::engine::event::{MarketData, OrderNews, Trade};
use tickdeck::engine::ids::{OrderSeq, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::risk::gate::{Approved, approve_reducing};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::paper::{PaperSettings, PaperVenue, VenueReport};
use tickdeck::venue::sim::exchange::Exchange;
use tickdeck::venue::sim::exchange::model::{self, Kind, Leg, Protection, Slot, Status, Tif, TpslMode, TriggerBy};
use tickdeck::venue::sim::exchange::orders::OrderName;
use tickdeck::venue::simulated::{SimulatedMarket, Weather};

const SEED: u64 = 11;
const START: Ts = Ts::from_ms(1_763_800_000_000);
const BALANCE: Money = Money::from_units(1_000_000);

/// What became of an order at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Refused,
    Ended,
    Works,
}

type Fills = Vec<(Price, Qty)>;

/// One market, two venues.
struct Pair {
    market: SimulatedMarket,
    rules: Vec<Instrument>,
    paper: PaperVenue,
    exchange: Exchange,
    /// Lets everything through that the venues must judge: its instruments have no grid and no minimum.
    gate: Gate,
    draws: Draws,
    now: Ts,
    /// What paper filled, and whether the order is over there.
    papers: BTreeMap<OrderSeq, (Fills, Option<Verdict>)>,
}

impl Pair {
    fn new() -> Self {
        let rules = SimulatedMarket::instruments();
        let lax = |rules: &Instrument| Instrument {
            tick: Price::from_raw(1),
            step: Qty::from_raw(1),
            min_qty: Qty::from_raw(1),
            min_notional: Money::ZERO,
            ..rules.clone()
        };
        let at_once = PaperSettings { latency: Span(0), ..PaperSettings::default() };
        let mut pair = Self {
            market: SimulatedMarket::new(SEED, Weather::Calm, START),
            paper: PaperVenue::new(at_once, rules.clone(), BALANCE, &[]),
            exchange: Exchange::new(rules.clone(), BALANCE, SEED),
            gate: Gate::new(rules.iter().map(lax).collect(), BALANCE),
            rules,
            draws: Draws(SEED),
            now: START,
            papers: BTreeMap::new(),
        };
        pair.until(START + Span::from_secs(1), |_, _, _, _| ());
        pair
    }

    /// Plays the market, and shows every event after both venues have seen it.
    fn until(&mut self, end: Ts, mut seen: impl FnMut(&mut Self, Ts, Symbol, &MarketData)) {
        while self.market.next_at() <= end {
            let (at, symbol, data) = self.market.next_event();
            self.now = at;
            self.exchange.advance(at);
            self.exchange.market(at, symbol, &data);
            self.paper.on_market(at, symbol, &data);
            let desk = &mut self.gate.desks[symbol.index()];
            match &data {
                MarketData::Book(update) => desk.book.apply(update),
                MarketData::Ticker(ticker) => desk.ticker.apply(at, ticker),
                _ => {}
            }
            self.hear_paper();
            seen(self, at, symbol, &data);
        }
        self.now = end;
    }

    fn hear_paper(&mut self) {
        while let Some((_, report)) = self.paper.pop_due(self.now) {
            let VenueReport::Order(update) = report else { continue };
            let (fills, verdict) = self.papers.entry(update.order).or_default();
            match update.what {
                OrderNews::Filled(fill) => fills.push((fill.price, fill.qty)),
                OrderNews::Rejected(_) => *verdict = Some(Verdict::Refused),
                OrderNews::Cancelled(_) => *verdict = Some(Verdict::Ended),
                _ => {}
            }
        }
    }

    /// Sends an order to both. `None` where the gate stops it.
    fn send(&mut self, order: NewOrder) -> Option<()> {
        let approved: Approved<NewOrder> = if order.reduce_only {
            // As after a fill that was not heard of yet: the venues must find out what can be reduced.
            let mut held = self.gate.account.holding(order.symbol);
            held.signed = -order.side.sign() * order.qty.raw();
            approve_reducing(order, &held)?
        } else {
            self.gate.approve(self.now, order).ok()?
        };
        self.paper.submit(self.now, approved);
        self.papers.entry(order.seq).or_default();
        self.hear_paper();
        // What it refuses it says by its order list: there is none of this name.
        drop(self.exchange.create(self.now, asked(&order)));
        Some(())
    }

    fn cancel(&mut self, order: &NewOrder) {
        self.paper.cancel(self.now, order.seq);
        self.hear_paper();
        // One that has ended cannot be cancelled: that is what is wanted here.
        drop(self.exchange.cancel(self.now, order.symbol, &name(order.seq)));
    }

    fn at_paper(&self, order: &NewOrder) -> (Verdict, Fills) {
        let (fills, verdict) = &self.papers[&order.seq];
        let full = total(fills) >= order.qty;
        (verdict.unwrap_or(if full { Verdict::Ended } else { Verdict::Works }), fills.clone())
    }

    fn at_exchange(&self, order: &NewOrder) -> (Verdict, Fills) {
        let Some(found) = self.exchange.orders.find(&name(order.seq)) else { return (Verdict::Refused, Vec::new()) };
        let ours = self.exchange.executions.iter().rev().filter(|row| row.order_id == found.id);
        let mut fills: Fills = ours.map(|row| (row.price, row.qty)).collect();
        fills.reverse();
        let verdict = match found.status {
            Status::Rejected => Verdict::Refused,
            Status::Cancelled if found.reject_reason == "EC_PostOnlyWillTakeLiquidity" => Verdict::Refused,
            status if status.is_open() => Verdict::Works,
            _ => Verdict::Ended,
        };
        (verdict, fills)
    }

    fn best(&self, symbol: Symbol) -> (Price, Price) {
        let (bid, ask) = self.gate.desks[symbol.index()].book.best().unwrap();
        (bid.price, ask.price)
    }

    /// A quantity of some dollars, in whole steps.
    fn worth(&self, symbol: Symbol, dollars: i64) -> Qty {
        let (bid, _) = self.best(symbol);
        let qty = i128::from(dollars) * i128::from(1_000_000_000_i64).pow(2) / i128::from(bid.raw());
        Qty::from_raw(i64::try_from(qty).unwrap()).floor_to(self.rules[symbol.index()].step)
    }
}

fn name(order: OrderSeq) -> OrderName {
    OrderName { id: String::new(), link: format!("parity-{}", order.0) }
}

fn asked(order: &NewOrder) -> model::NewOrder {
    model::NewOrder {
        slot: Slot { symbol: order.symbol, idx: 0 },
        side: order.side,
        kind: Kind::Limit,
        qty: order.qty,
        price: Some(order.price),
        tif: match order.tif {
            TimeInForce::ImmediateOrCancel => Tif::Ioc,
            TimeInForce::PostOnly => Tif::PostOnly,
            TimeInForce::GoodTillCancel => Tif::Gtc,
            TimeInForce::CloseAtMarket => unreachable!("not drawn here: it has no price to compare"),
        },
        link: name(order.seq).link,
        reduce_only: order.reduce_only,
        close_on_trigger: false,
        trigger: None,
        protection: Protection {
            mode: TpslMode::Full,
            take: order.protection.take_profit.map(leg),
            stop: order.protection.stop.map(leg),
        },
        slippage: None,
    }
}

fn leg(price: Price) -> Leg {
    Leg { price, by: TriggerBy::Mark, limit: None }
}

fn total(fills: &Fills) -> Qty {
    fills.iter().map(|(_, qty)| *qty).sum()
}

/// Limits that take, orders off the grid, below the minimum, reduce-only in both directions and too large.
fn any_order(pair: &mut Pair) -> NewOrder {
    let symbol = Symbol(u16::try_from(pair.draws.below(4)).unwrap());
    let side = pair.draws.side();
    let rules = pair.rules[symbol.index()].clone();
    let (bid, ask) = pair.best(symbol);
    let (same, other) = if side == Side::Buy { (bid, ask) } else { (ask, bid) };
    let ticks = |price: Price, count: i64| Price::from_raw(price.raw() + side.sign() * count * rules.tick.raw());
    let some = 1 + i64::try_from(pair.draws.below(20)).unwrap();
    let dollars = 10 + i64::try_from(pair.draws.below(2_000)).unwrap();
    let qty = pair.worth(symbol, dollars);
    let (ioc, gtc, post) = (TimeInForce::ImmediateOrCancel, TimeInForce::GoodTillCancel, TimeInForce::PostOnly);
    let (qty, price, tif, reduce_only) = match pair.draws.below(20) {
        0..6 => (qty, ticks(other, some), ioc, false),
        6 => (qty, ticks(same, -some), ioc, false),
        7..9 => (qty, other, gtc, false),
        9 => (qty, ticks(same, -some), gtc, false),
        10 => (qty, ticks(other, some), post, false),
        11 => (qty, same, post, false),
        12 => (qty, Price::from_raw(ticks(other, some).raw() + 1), ioc, false),
        13 => (Qty::from_raw(qty.raw() + 1), ticks(other, some), ioc, false),
        14 => (rules.min_qty, ticks(same, -some), gtc, false),
        15..18 => (qty, ticks(other, some), ioc, true),
        18 => (Qty::from_raw(qty.raw().saturating_mul(50)).min(rules.max_qty), ticks(other, some), ioc, true),
        _ => (qty, ticks(same, -some), gtc, true),
    };
    let mut order = pair.gate.draft(pair.now, (symbol, side), qty, price, tif, reduce_only);
    // So far away that nothing triggers here; on an order that reduces both refuse it.
    let far = |percent: i64| Some(rules.tick_down(Price::from_raw(price.raw() / 100 * (100 - side.sign() * percent))));
    if pair.draws.below(3) == 0 {
        order.protection =
            effect::Protection { stop: far(40), take_profit: if pair.draws.coin() { far(-40) } else { None } };
    }
    order
}

#[test]
fn verdicts_and_taker_fills_are_the_same() {
    let mut pair = Pair::new();
    let (mut sent, mut fills, mut protected) = (0, 0, 0);
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..600 {
        let pause = Span::from_ms(300 + i64::try_from(pair.draws.below(700)).unwrap());
        let next = pair.now + pause;
        pair.until(next, |_, _, _, _| ());
        let order = any_order(&mut pair);
        if pair.send(order).is_none() {
            continue;
        }
        let (paper, exchange) = (pair.at_paper(&order), pair.at_exchange(&order));
        assert_eq!(paper, exchange, "{order:?}");
        sent += 1;
        fills += paper.1.len();
        *verdicts.entry(format!("{:?}", paper.0)).or_default() += 1;
        // Nothing rests on: the next order finds both as they were.
        pair.cancel(&order);
        for held in pair.paper.holdings() {
            let theirs = pair.exchange.account.position(Slot { symbol: held.symbol, idx: 0 });
            assert_eq!((held.side(), held.qty()), (theirs.side, theirs.size), "after {order:?}");
            let (stop, take) = (theirs.protection.stop, theirs.protection.take);
            let theirs = effect::Protection { stop: stop.map(|l| l.price), take_profit: take.map(|l| l.price) };
            let statement = pair.paper.statement();
            let ours =
                statement.protection.iter().find(|said| said.0 == held.symbol).map_or_else(Default::default, |s| s.1);
            assert_eq!(ours, theirs, "after {order:?}");
            protected += usize::from(ours.stop.is_some());
        }
    }
    let off = (pair.paper.balance() - pair.exchange.account.balance).abs();
    println!("{sent} orders, {verdicts:?}, {fills} taker fills, balances apart by {off}");
    assert!(sent > 300 && fills > 150 && verdicts.values().all(|count| *count > 20), "{sent} {fills} {verdicts:?}");
    assert!(protected > 100, "{protected} positions with a stop");
    let rounding = Money::parse("0.00000001").unwrap().raw() * i128::try_from(fills).unwrap();
    assert!(off.raw() <= rounding, "the balances are {off} apart");
}

/// A resting order, and what the public saw since it came.
struct Resting {
    order: NewOrder,
    since: Ts,
    /// Printed at its price, or through it, by takers of the other side; and through it by anybody.
    reached: Qty,
    through: Qty,
    crossed: bool,
    first: [Option<Ts>; 2],
}

impl Resting {
    fn print(&mut self, trade: &Trade) {
        let beyond = match self.order.side {
            Side::Buy => trade.price < self.order.price,
            Side::Sell => trade.price > self.order.price,
        };
        if beyond || (trade.price == self.order.price && trade.taker != self.order.side) {
            self.reached += trade.qty;
        }
        if beyond && trade.taker != self.order.side {
            self.through += trade.qty;
        }
    }

    fn check(&mut self, pair: &Pair, at: Ts) {
        let (paper, exchange) = (total(&pair.at_paper(&self.order).1), total(&pair.at_exchange(&self.order).1));
        let (bid, ask) = pair.best(self.order.symbol);
        self.crossed |= match self.order.side {
            Side::Buy => ask <= self.order.price,
            Side::Sell => bid >= self.order.price,
        };
        for (first, filled) in self.first.iter_mut().zip([paper, exchange]) {
            if !filled.is_zero() {
                first.get_or_insert(at);
            }
        }
        let most = self.reached.min(self.order.qty);
        assert!(paper <= most, "paper filled {paper} of {most} printed: {:?}", self.order);
        assert!(self.crossed || exchange <= paper, "the exchange {exchange}, paper {paper}: {:?}", self.order);
        let due = self.through.min(self.order.qty);
        assert!(paper >= due && exchange >= due, "{due} printed through, {paper} and {exchange}: {:?}", self.order);
    }
}

/// What the resting orders came to.
#[derive(Default)]
struct Tally {
    orders: usize,
    both: usize,
    only_paper: usize,
    only_exchange: usize,
    crossed: usize,
    /// Seconds by which the exchange filled later; negative where earlier.
    later: Vec<f64>,
}

impl Tally {
    fn count(&mut self, resting: &Resting) {
        self.orders += 1;
        self.crossed += usize::from(resting.crossed);
        match resting.first {
            [Some(paper), Some(exchange)] => {
                self.both += 1;
                self.later.push(exchange.since(paper).as_secs_f64());
            }
            [Some(_), None] => self.only_paper += 1,
            [None, Some(_)] => self.only_exchange += 1,
            [None, None] => {}
        }
    }

    fn tell(&mut self) {
        self.later.sort_by(f64::total_cmp);
        let at = |share: usize| self.later.get(self.later.len() * share / 100).copied().unwrap_or(f64::NAN);
        println!(
            "{} resting orders: {} filled at both, {} at paper only, {} at the exchange only, {} crossed by the book; \
             the exchange fills later by {:.3} s (median), {:.3} s (5 %), {:.3} s (95 %)",
            self.orders,
            self.both,
            self.only_paper,
            self.only_exchange,
            self.crossed,
            at(50),
            at(5),
            at(95)
        );
    }
}

#[test]
fn maker_fills_keep_their_bounds() {
    const LIVES: Span = Span::from_secs(20);
    let mut pair = Pair::new();
    let mut resting: Vec<Option<Resting>> = (0..pair.rules.len()).map(|_| None).collect();
    let mut tally = Tally::default();
    for _ in 0..1_200 {
        let next = pair.now + Span::from_secs(1);
        pair.until(next, |pair, at, symbol, data| {
            let Some(resting) = &mut resting[symbol.index()] else { return };
            if let MarketData::Trade(trade) = data {
                resting.print(trade);
            }
            resting.check(pair, at);
        });
        for (at, place) in resting.iter_mut().enumerate() {
            let symbol = Symbol(u16::try_from(at).unwrap());
            if let Some(old) = place.take_if(|resting| pair.now.since(resting.since) >= LIVES) {
                pair.cancel(&old.order);
                tally.count(&old);
            }
            if place.is_none() && pair.draws.coin() {
                *place = rest(&mut pair, symbol);
            }
        }
    }
    tally.tell();
    assert!(tally.orders > 150 && tally.both > 50, "{} orders, {} filled", tally.orders, tally.both);
    // Nearly every fill is a fill at both: what differs is the queue, not the market.
    assert!((tally.only_paper + tally.only_exchange) * 10 <= tally.both);
}

/// A post-only order at the best price or up to three ticks behind it.
fn rest(pair: &mut Pair, symbol: Symbol) -> Option<Resting> {
    let side = pair.draws.side();
    let (bid, ask) = pair.best(symbol);
    let behind = i64::try_from(pair.draws.below(4)).unwrap() * pair.rules[symbol.index()].tick.raw();
    let price = match side {
        Side::Buy => Price::from_raw(bid.raw() - behind),
        Side::Sell => Price::from_raw(ask.raw() + behind),
    };
    let dollars = 50 + i64::try_from(pair.draws.below(2_000)).unwrap();
    let qty = pair.worth(symbol, dollars);
    let order = pair.gate.draft(pair.now, (symbol, side), qty, price, TimeInForce::PostOnly, false);
    pair.send(order)?;
    let works = (Verdict::Works, Vec::new());
    assert_eq!((pair.at_paper(&order), pair.at_exchange(&order)), (works.clone(), works), "{order:?}");
    let (reached, through) = (Qty::ZERO, Qty::ZERO);
    Some(Resting { order, since: pair.now, reached, through, crossed: false, first: [None; 2] })
}
