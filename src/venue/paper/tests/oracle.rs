//! A second bookkeeper: it sees the market and the venue's reports, works in rationals, and believes nothing.
//!
//! Rounding is spelled out where it happens: fees and funding up to 1e-18, against the account; the entry cost that a
//! partial close releases down to 1e-18. Everything else is exact.

use std::collections::BTreeMap;

use super::super::{PaperSettings, VenueReport};
use super::place::Place;
use super::ratio::{Ratio, abs, down, money, price, qty, rate, scaled, sign, up, zero};
use crate::engine::effect::{NewOrder, TimeInForce};
use crate::engine::event::{AccountUpdate, Fill, MarketData, OrderNews, Statement, Trade};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::num::{Money, Price, Side};

/// An order as its reports tell its story.
#[derive(Clone)]
struct Life {
    order: NewOrder,
    accepted: bool,
    ended: bool,
    filled: Ratio,
}

/// What has been seen of a life, for judging whether the lives drawn are worth anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) takes: u32,
    pub(super) makes: u32,
    pub(super) funded: u32,
    pub(super) liquidated: u32,
    pub(super) trimmed: u32,
    pub(super) poor: u32,
    pub(super) rounded: u32,
}

/// The second bookkeeper.
pub(super) struct Oracle {
    settings: PaperSettings,
    start: Ratio,
    balance: Ratio,
    fees: Ratio,
    realised: Ratio,
    funding: Ratio,
    places: Vec<Place>,
    lives: BTreeMap<OrderSeq, Life>,
    exec_ids: std::collections::BTreeSet<String>,
    pub(super) seen: Seen,
}

/// Initial and maintenance margin of the first tier; random lives stay in it.
fn initial() -> Ratio {
    scaled(1, 2)
}
fn maintenance() -> Ratio {
    scaled(5, 3)
}

impl Oracle {
    pub(super) fn new(settings: PaperSettings, balance: Money, instruments: usize) -> Self {
        Self {
            settings,
            start: money(balance),
            balance: money(balance),
            fees: zero(),
            realised: zero(),
            funding: zero(),
            places: vec![Place::empty(); instruments],
            lives: BTreeMap::new(),
            exec_ids: std::collections::BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    /// An order is on its way.
    pub(super) fn sent(&mut self, order: NewOrder) {
        let life = Life { order, accepted: false, ended: false, filled: zero() };
        self.lives.entry(order.seq).or_insert(life);
    }

    /// Market data, before the venue reacts to it.
    pub(super) fn hears(&mut self, symbol: Symbol, data: &MarketData) {
        let place = &mut self.places[symbol.index()];
        match data {
            MarketData::Book(update) => place.book(update),
            MarketData::Gap => place.gap(),
            MarketData::Ticker(ticker) => place.ticker_mark = ticker.mark.or(place.ticker_mark),
            MarketData::Trade(_) => {}
            other => panic!("no story tells {other:?}"),
        }
    }

    /// What the venue reported about one moment, and the print that caused it, if one did.
    pub(super) fn told(&mut self, reports: &[VenueReport], print: Option<(Symbol, Trade)>) {
        let mut printed = zero();
        for report in reports {
            match report {
                VenueReport::Order(update) => {
                    if let OrderNews::Filled(fill) = &update.what {
                        printed += self.filled(update.order, fill, print);
                    } else {
                        self.order_news(update.order, &update.what);
                    }
                }
                VenueReport::Account(AccountUpdate::Funding { symbol, rate: settled, amount, .. }) => {
                    let place = &self.places[symbol.index()];
                    let owed = &place.held * price(place.mark().unwrap()) * rate(*settled);
                    assert_eq!(money(*amount), -up(&owed), "funding");
                    assert_ne!(place.held, zero(), "funding without a position");
                    self.balance += money(*amount);
                    self.funding += money(*amount);
                    self.seen.funded += 1;
                    self.seen.rounded += u32::from(up(&owed) != owed);
                }
                VenueReport::Account(AccountUpdate::Liquidated { symbol, fill, side, .. }) => {
                    self.liquidated(*symbol, *side, fill);
                }
                VenueReport::Account(AccountUpdate::Statement(statement)) => self.agrees(statement),
                other @ VenueReport::Account(_) => panic!("a paper venue does not say {other:?}"),
            }
        }
        if let Some((symbol, trade)) = print {
            assert!(printed <= qty(trade.qty), "a print is shared once: {printed} of {}", trade.qty);
            self.nobody_jumped_the_queue(symbol, reports);
        }
        assert!(
            self.equity() > self.maintenance() || self.places.iter().all(|place| place.held == zero()),
            "out of margin and still there"
        );
    }

    /// The venue's statement of this moment must be ours.
    pub(super) fn agrees(&self, statement: &Statement) {
        assert_eq!(money(statement.balance), self.balance, "balance");
        let open = self.places.iter().enumerate().filter(|(_, place)| place.held != zero());
        let positions: Vec<(u16, Ratio)> = open.map(|(index, place)| (index as u16, place.held.clone())).collect();
        let stated: Vec<(u16, Ratio)> =
            statement.positions.iter().map(|(s, raw)| (s.0, scaled((*raw).into(), 9))).collect();
        assert_eq!(stated, positions, "positions");
        let working = self.lives.values().filter(|life| life.accepted && !life.ended);
        assert_eq!(statement.working, working.map(|life| life.order.seq).collect::<Vec<_>>(), "working orders");
        self.conserves();
    }

    /// What the venue holds as entry cost of a position.
    pub(super) fn agrees_on_cost(&self, symbol: Symbol, cost: Money) {
        assert_eq!(money(cost), self.places[symbol.index()].cost, "entry cost");
    }

    /// Money is where it came from, by a road that knows no average prices: what was received less what was paid, plus
    /// what is still invested.
    fn conserves(&self) {
        let invested = |place: &Place| if place.held < zero() { -place.cost.clone() } else { place.cost.clone() };
        let flows = self.places.iter().fold(zero(), |sum, place| sum + invested(place) - &place.spent);
        assert_eq!(self.realised, flows, "realised");
        assert_eq!(self.balance, &self.start + &self.realised - &self.fees + &self.funding, "balance");
    }

    fn order_news(&mut self, seq: OrderSeq, news: &OrderNews) {
        if matches!(news, OrderNews::CancelRejected(_)) {
            let life = self.lives.get(&seq);
            assert!(life.is_none_or(|life| life.ended || !life.accepted), "a working order can be cancelled");
            return;
        }
        if matches!(news, OrderNews::Rejected(why) if why.starts_with("duplicate")) {
            return;
        }
        let life = self.lives[&seq].clone();
        assert!(!life.ended, "{news:?} after the end of {seq:?}");
        let (order, place) = (life.order, &self.places[life.order.symbol.index()]);
        match news {
            OrderNews::Accepted => {
                assert!(!life.accepted);
                let crosses = place.offers(order.side).next().is_some_and(|level| within(&order, level.price));
                assert!(order.tif != TimeInForce::PostOnly || !crosses, "post-only that crosses");
                assert!(order.reduce_only || !self.is_too_poor_for(&order), "accepted without margin");
            }
            OrderNews::Rejected(why) => {
                assert!(!life.accepted);
                if why.starts_with("margin") {
                    assert!(!order.reduce_only && self.is_too_poor_for(&order), "margin was there");
                    self.seen.poor += 1;
                }
            }
            OrderNews::Cancelled(why) => {
                assert!(life.accepted && life.filled < qty(order.qty));
                if why.starts_with("EC_NoImm") || why.starts_with("EC_CancelForNoFullFill") {
                    assert_eq!(order.tif, TimeInForce::ImmediateOrCancel);
                    let more = place
                        .offers(order.side)
                        .any(|level| within(&order, level.price) && place.taken(order.side, level.price) < level.qty);
                    let closed = order.reduce_only && self.closable(&order) == zero();
                    assert!(closed || !more, "left something on the table");
                }
                self.seen.trimmed += u32::from(why.starts_with("CancelByReduceOnly"));
            }
            other => panic!("the venue never says {other:?}"),
        }
        let life = self.lives.get_mut(&seq).unwrap();
        life.accepted = true;
        life.ended = !matches!(news, OrderNews::Accepted);
    }

    /// Checks one execution against order, book and print, and books it. Returns how much of the print it used.
    fn filled(&mut self, seq: OrderSeq, fill: &Fill, print: Option<(Symbol, Trade)>) -> Ratio {
        let life = self.lives.get(&seq).unwrap();
        let order = life.order;
        assert!(life.accepted && !life.ended && !fill.qty.is_zero());
        assert!(within(&order, fill.price), "worse than its limit");
        if order.reduce_only {
            assert!(qty(fill.qty) <= self.closable(&order), "reduce-only grew or turned the position");
        }
        let place = &mut self.places[order.symbol.index()];
        assert!(place.open, "filled without a book");
        if fill.maker {
            let (symbol, trade) = print.expect("a resting order fills by a print");
            assert_eq!((symbol, fill.price), (order.symbol, order.price));
            let better = price(trade.price) * sign(order.side) < price(order.price) * sign(order.side);
            assert!(better || (trade.price == order.price && trade.taker != order.side), "the print did not reach it");
            assert_ne!(order.tif, TimeInForce::ImmediateOrCancel, "it never rested");
            self.seen.makes += 1;
        } else {
            assert_ne!(order.tif, TimeInForce::PostOnly, "post-only took");
            let shown = place.shown(order.side, fill.price);
            let taken = place.taken(order.side, fill.price) + fill.qty;
            assert!(taken <= shown, "took {taken} of {shown} at {}", fill.price);
            place.taken_mut(order.side).insert(fill.price, taken);
            self.seen.takes += 1;
        }
        self.book(order.symbol, order.side, fill);
        let life = self.lives.get_mut(&seq).unwrap();
        life.filled += qty(fill.qty);
        assert!(life.filled <= qty(order.qty), "more than was ordered");
        life.ended = life.filled == qty(order.qty);
        if fill.maker { qty(fill.qty) } else { zero() }
    }

    fn liquidated(&mut self, symbol: Symbol, side: Side, fill: &Fill) {
        assert!(self.equity() <= self.maintenance(), "margin was there");
        assert!(self.lives.values().all(|life| life.ended || !life.accepted), "orders go before positions");
        let place = &self.places[symbol.index()];
        assert_eq!((Some(fill.price), qty(fill.qty)), (place.mark(), abs(&place.held)));
        assert!(place.held.clone() * sign(side) < zero());
        self.book(symbol, side, fill);
        assert_eq!(self.places[symbol.index()].held, zero());
        self.seen.liquidated += 1;
    }

    /// Books one execution in rationals.
    fn book(&mut self, symbol: Symbol, side: Side, fill: &Fill) {
        assert!(self.exec_ids.insert(fill.exec_id.clone()), "execution id twice");
        let (at, size) = (price(fill.price), qty(fill.qty));
        let fee = &at * &size * rate(if fill.maker { self.settings.maker_fee } else { self.settings.taker_fee });
        assert_eq!(money(fill.fee), up(&fee), "fee");
        let place = &mut self.places[symbol.index()];
        place.spent += &at * &size * sign(side);
        let mut opens = size.clone();
        if &place.held * sign(side) < zero() {
            let closes = size.clone().min(abs(&place.held));
            let released = &place.cost * &closes / abs(&place.held);
            self.seen.rounded += u32::from(down(&released) != released);
            let released = down(&released);
            let gained = (&at * &closes - &released) * -sign(side);
            place.cost -= released;
            place.held += &closes * sign(side);
            self.realised += &gained;
            self.balance += gained;
            opens -= closes;
        }
        place.cost += &at * &opens;
        place.held += opens * sign(side);
        assert!(place.held != zero() || place.cost == zero(), "flat costs nothing");
        self.balance -= up(&fee);
        self.fees += up(&fee);
    }

    /// Of our orders at one price, none may trade while an earlier one still waits.
    fn nobody_jumped_the_queue(&self, symbol: Symbol, reports: &[VenueReport]) {
        for report in reports {
            let VenueReport::Order(update) = report else { continue };
            let OrderNews::Filled(_) = update.what else { continue };
            let later = &self.lives[&update.order].order;
            let waits = |life: &&Life| {
                let order = &life.order;
                let same = (order.symbol, order.side, order.price) == (symbol, later.side, later.price);
                same && order.seq < later.seq && life.accepted && !life.ended
            };
            assert!(self.lives.values().find(waits).is_none(), "{:?} jumped the queue", update.order);
        }
    }

    /// What a reduce-only order may close now.
    fn closable(&self, order: &NewOrder) -> Ratio {
        let against = -(&self.places[order.symbol.index()].held * sign(order.side));
        against.max(zero())
    }

    fn equity(&self) -> Ratio {
        let gain = |place: &Place| match place.mark() {
            Some(mark) if place.held > zero() => &place.held * price(mark) - &place.cost,
            Some(mark) => &place.held * price(mark) + &place.cost,
            None => zero(),
        };
        self.places.iter().fold(self.balance.clone(), |sum, place| sum + gain(place))
    }

    fn maintenance(&self) -> Ratio {
        self.places.iter().fold(zero(), |sum, place| sum + up(&(abs(&place.signed_notional()) * maintenance())))
    }

    fn margin(&self, extra: Option<&NewOrder>) -> Ratio {
        let of = |index: usize| {
            let symbol = Symbol(index as u16);
            let working = self.lives.values().filter(|life| life.accepted && !life.ended);
            let resting = working.map(|life| (life.order, qty(life.order.qty) - &life.filled));
            let all = resting.chain(extra.map(|order| (*order, qty(order.qty))));
            let mut sides = [zero(), zero()];
            for (order, left) in all.filter(|(order, _)| order.symbol == symbol && !order.reduce_only) {
                sides[usize::from(order.side == Side::Sell)] += price(order.price) * left;
            }
            let [buys, sells] = sides;
            let held = self.places[index].signed_notional();
            up(&((&held + buys).max(sells - &held).max(abs(&held)) * initial()))
        };
        (0..self.places.len()).fold(zero(), |sum, index| sum + of(index))
    }

    fn is_too_poor_for(&self, order: &NewOrder) -> bool {
        let (before, after) = (self.margin(None), self.margin(Some(order)));
        let fee = up(&(price(order.price) * qty(order.qty) * rate(self.settings.taker_fee)));
        after > before && after + fee > self.equity()
    }
}

/// No worse than the order's limit?
fn within(order: &NewOrder, at: Price) -> bool {
    match order.side {
        Side::Buy => at <= order.price,
        Side::Sell => at >= order.price,
    }
}
