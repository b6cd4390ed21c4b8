//! What a run hands to the next one on the same market: its last two minutes of market events as they came, and what was
//! before them as one state per instrument. The next run takes them in as events of its own, with their own times, so
//! that they are on its tape like everything else that reached it.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::event::{Bar, Event, Hold, Link, MarketData, Pool, Ticker, Trade};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{Book, BookState, BookUpdate};
use crate::engine::market::instrument::Instrument;
use crate::engine::num::{Price, Qty};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};

/// Events are kept as they came for this long: the longest window of a feature is shorter.
const KEPT: Span = Span::from_secs(120);
/// Most events that are kept as they came; a market too busy for that keeps less of its past.
const EVENTS_MAX: usize = 100_000;
/// Minute bars that are kept per instrument, for the chart.
const BARS_MAX: usize = 600;
const MINUTE: Span = Span::from_secs(60);

/// A market's recent past.
#[derive(Default)]
pub struct Carry {
    recent: VecDeque<(Ts, Event)>,
    before: BTreeMap<Symbol, Before>,
    link: Option<Link>,
    clock: Option<Span>,
    holds: BTreeMap<(DenialCode, Option<Symbol>), Hold>,
}

/// An instrument as it was before the events that are kept.
#[derive(Default)]
struct Before {
    rules: Option<Box<Instrument>>,
    book: Book,
    ticker: Ticker,
    band: Option<(Price, Price)>,
    pool: Option<Pool>,
    bars: VecDeque<Bar>,
    /// Since when trades are heard without a gap.
    heard: Option<Ts>,
    /// The newest minute that the venue itself told.
    told: Option<Ts>,
}

impl Carry {
    /// Notes an event that a run has taken in.
    pub fn note(&mut self, at: Ts, event: &Event) {
        self.recent.push_back((at, event.clone()));
        while self.recent.front().is_some_and(|(then, _)| at.since(*then) > KEPT) || self.recent.len() > EVENTS_MAX {
            let Some((then, event)) = self.recent.pop_front() else { break };
            self.fold(then, event);
        }
    }

    /// The events that bring a new run to where this market is. Without its past only the state of now is handed on, at
    /// `now`: an account with positions must not live through prices that were before it looked.
    pub fn hand_over(mut self, now: Ts, with_past: bool) -> VecDeque<(Ts, Event)> {
        if !with_past {
            for (then, event) in std::mem::take(&mut self.recent) {
                self.fold(then, event);
            }
        }
        let begins = self.recent.front().map_or(now, |(at, _)| *at);
        let mut events: VecDeque<(Ts, Event)> = self.state().into_iter().map(|event| (begins, event)).collect();
        events.append(&mut self.recent);
        events
    }

    fn fold(&mut self, at: Ts, event: Event) {
        match event {
            Event::Market(symbol, data) => self.before.entry(symbol).or_default().fold(at, data),
            Event::Link(Link::Clock(offset)) => self.clock = Some(offset),
            Event::Link(link @ Link::MarketUp) => self.link = Some(link),
            Event::Link(link @ Link::MarketDown(_)) => {
                self.before.values_mut().for_each(Before::gap);
                self.link = Some(link);
            }
            Event::Hold(hold) => {
                let key = (hold.code, hold.symbol);
                if hold.detail.is_some() {
                    self.holds.insert(key, hold)
                } else {
                    self.holds.remove(&key)
                };
            }
            // Nothing else comes from a market.
            _ => {}
        }
    }

    /// What was before the kept events, as events: rules before what is rounded by them, books as snapshots.
    fn state(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self.link.take().map(Event::Link).into_iter().collect();
        events.extend(self.clock.map(|offset| Event::Link(Link::Clock(offset))));
        events.extend(std::mem::take(&mut self.holds).into_values().map(Event::Hold));
        for (symbol, before) in std::mem::take(&mut self.before) {
            events.extend(before.into_events().into_iter().map(|data| Event::Market(symbol, data)));
        }
        events
    }
}

impl Before {
    fn fold(&mut self, at: Ts, data: MarketData) {
        match data {
            MarketData::Book(update) => self.book.apply(&update),
            MarketData::Trade(trade) => self.fold_trade(at, &trade),
            MarketData::Missed { at, trade } => self.fold_trade(at, &trade),
            MarketData::Pool(pool) => self.pool = Some(pool),
            MarketData::Ticker(ticker) => {
                let old = std::mem::take(&mut self.ticker);
                self.ticker = Ticker {
                    mark: ticker.mark.or(old.mark),
                    index: ticker.index.or(old.index),
                    funding_rate: ticker.funding_rate.or(old.funding_rate),
                    next_funding: ticker.next_funding.or(old.next_funding),
                    price_24h_ago: ticker.price_24h_ago.or(old.price_24h_ago),
                };
            }
            MarketData::Gap => self.gap(),
            MarketData::Rules(rules) => self.rules = Some(rules),
            MarketData::Bar(bar) => self.take_bar(bar),
            MarketData::Band { buy_max, sell_min } => self.band = Some((buy_max, sell_min)),
            MarketData::Liquidation { .. } => {}
        }
    }

    /// Trades that are no longer kept one by one stay on the chart, as bars of a minute.
    fn fold_trade(&mut self, at: Ts, trade: &Trade) {
        let start = at.floor_to(MINUTE);
        // A bar says that everything is in it: a minute that was seen from its middle on is none, and the venue's own is whole.
        if *self.heard.get_or_insert(at) > start || self.told.is_some_and(|told| start <= told) {
            return;
        }
        let Some(bar) = self.bars.back_mut().filter(|bar| bar.start == start && bar.span == MINUTE) else {
            let (price, volume) = (trade.price, trade.qty);
            self.keep(Bar { start, span: MINUTE, open: price, high: price, low: price, close: price, volume });
            return;
        };
        bar.high = bar.high.max(trade.price);
        bar.low = bar.low.min(trade.price);
        bar.close = trade.price;
        bar.volume = Qty::from_raw(bar.volume.raw().saturating_add(trade.qty.raw()));
    }

    /// A bar of the venue's; it stands for what was made of trades.
    fn take_bar(&mut self, bar: Bar) {
        self.bars.retain(|kept| (kept.start, kept.span) != (bar.start, bar.span));
        let running = self.bars.back().is_some_and(|last| last.span == bar.span && last.start > bar.start);
        let running = if running { self.bars.pop_back() } else { None };
        if bar.span == MINUTE {
            self.told = self.told.max(Some(bar.start));
        }
        self.keep(bar);
        if let Some(running) = running {
            self.keep(running);
        }
    }

    fn keep(&mut self, bar: Bar) {
        if self.bars.len() >= BARS_MAX {
            self.bars.pop_front();
        }
        self.bars.push_back(bar);
    }

    fn gap(&mut self) {
        self.book.gap();
        self.band = None;
        self.heard = None;
        // What was made of trades so far lacks the rest.
        if self.bars.back().is_some_and(|last| last.span == MINUTE && self.told.is_none_or(|told| last.start > told)) {
            self.bars.pop_back();
        }
    }

    fn into_events(self) -> Vec<MarketData> {
        let mut events: Vec<MarketData> = self.rules.map(MarketData::Rules).into_iter().collect();
        events.extend(self.bars.into_iter().map(MarketData::Bar));
        if self.book.state() == BookState::Valid {
            let (bids, asks) = (self.book.bids().iter().collect(), self.book.asks().iter().collect());
            events.push(MarketData::Book(BookUpdate { snapshot: true, bids, asks }));
        }
        if self.ticker != Ticker::default() {
            events.push(MarketData::Ticker(self.ticker));
        }
        events.extend(self.band.map(|(buy_max, sell_min)| MarketData::Band { buy_max, sell_min }));
        events.extend(self.pool.map(MarketData::Pool));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::desk::Desk;
    use crate::venue::simulated::{SimulatedMarket, Weather};

    const HORIZON: Span = Span::from_secs(10);

    struct Seen {
        desks: Vec<Desk>,
    }

    impl Seen {
        fn new() -> Self {
            let instruments = SimulatedMarket::instruments().into_iter().zip(0..);
            Self { desks: instruments.map(|(rules, place)| Desk::new(Symbol(place), rules, &[])).collect() }
        }
        fn take(&mut self, at: Ts, event: &Event) {
            if let Event::Market(symbol, data) = event {
                self.desks[symbol.index()].on_market(at, data, HORIZON);
            }
        }
    }

    /// Plays five minutes: what a run saw, and what it hands on.
    fn five_minutes() -> (Seen, Carry, Ts) {
        let begins = Ts::from_ms(1_763_800_000_000);
        let mut market = SimulatedMarket::new(7, Weather::Busy, begins);
        let (mut seen, mut carry, mut at) = (Seen::new(), Carry::default(), begins);
        while at.since(begins) < Span::from_secs(300) {
            let (then, symbol, data) = market.next_event();
            at = then;
            let event = Event::Market(symbol, data);
            seen.take(at, &event);
            carry.note(at, &event);
        }
        (seen, carry, at)
    }

    fn compare(old: &mut Seen, handed: VecDeque<(Ts, Event)>, now: Ts, warm: bool) {
        let mut new = Seen::new();
        let mut last = handed[0].0;
        for (at, event) in handed {
            assert!(at >= last && at <= now, "in order, and not of the future");
            last = at;
            new.take(at, &event);
        }
        for (old, new) in old.desks.iter_mut().zip(&mut new.desks) {
            let levels = |desk: &Desk| -> Vec<_> { desk.book.bids().iter().chain(desk.book.asks().iter()).collect() };
            assert_eq!(levels(old), levels(new));
            assert_eq!(old.mark(), new.mark());
            let is_warm = |desk: &mut Desk| {
                let symbol = desk.symbol;
                let frame = desk.features.frame(now, symbol);
                usize::from(frame.warm) == frame.values.len()
            };
            assert!(is_warm(old));
            assert_eq!(is_warm(new), warm);
        }
    }

    #[test]
    fn the_next_run_is_where_the_one_before_was() {
        let (mut seen, carry, now) = five_minutes();
        let handed = carry.hand_over(now, true);
        assert!(now.since(handed[0].0) <= KEPT, "the past is bounded");
        compare(&mut seen, handed, now, true);
    }

    fn bar(n: i64, volume: i64) -> Bar {
        let price = crate::engine::num::Price::from_raw(100);
        let (start, volume) = (Ts(MINUTE.0 * n), Qty::from_raw(volume));
        Bar { start, span: MINUTE, open: price, high: price, low: price, close: price, volume }
    }

    #[test]
    fn a_carried_minute_is_the_venues_or_was_seen_from_its_beginning() {
        let mut before = Before::default();
        let trade = |qty| Trade {
            price: crate::engine::num::Price::from_raw(100),
            qty: Qty::from_raw(qty),
            taker: crate::engine::num::Side::Buy,
        };
        let at = |n: i64, second| Ts(MINUTE.0 * n) + Span::from_secs(second);
        let volumes = |before: &Before| -> Vec<(i64, i64)> {
            before.bars.iter().map(|bar| (bar.start.0 / MINUTE.0, bar.volume.raw())).collect()
        };
        before.fold_trade(at(4, 30), &trade(1));
        before.fold_trade(at(5, 1), &trade(2));
        before.fold_trade(at(5, 50), &trade(3));
        assert_eq!(volumes(&before), [(5, 5)], "the first one was seen from its middle on");
        // The venue's bar of a minute comes when the next one runs.
        before.fold_trade(at(6, 0), &trade(7));
        before.take_bar(bar(5, 9));
        before.fold_trade(at(6, 2), &trade(8));
        before.fold_trade(at(5, 55), &trade(100));
        assert_eq!(volumes(&before), [(5, 9), (6, 15)]);
        before.gap();
        before.fold_trade(at(6, 30), &trade(4));
        before.fold_trade(at(7, 0), &trade(6));
        assert_eq!(volumes(&before), [(5, 9), (7, 6)], "half a minute is none");
    }

    #[test]
    fn without_its_past_only_the_present_is_handed_on() {
        let (mut seen, carry, now) = five_minutes();
        let handed = carry.hand_over(now, false);
        assert!(handed.iter().all(|(at, _)| *at == now));
        assert!(!handed.iter().any(|(_, event)| matches!(event, Event::Market(_, MarketData::Trade(_)))));
        compare(&mut seen, handed, now, false);
    }

    #[test]
    fn a_reason_to_hold_is_handed_on_until_it_is_lifted() {
        let hold = |detail: Option<&str>| {
            let detail = detail.map(str::to_owned);
            Event::Hold(Hold { code: DenialCode::InstrumentUnknown, symbol: None, detail })
        };
        let mut carry = Carry::default();
        carry.note(Ts(1), &hold(Some("not listed")));
        assert_eq!(carry.hand_over(Ts(9), false), [(Ts(9), hold(Some("not listed")))]);
        let mut carry = Carry::default();
        carry.note(Ts(1), &hold(Some("not listed")));
        carry.note(Ts(2), &hold(None));
        assert!(carry.hand_over(Ts(9), false).is_empty());
    }
}
