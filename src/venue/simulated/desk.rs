//! One instrument at work: its book, its model, and what it has due when.

use std::collections::VecDeque;

use crate::engine::event::{MarketData, Trade};
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::{Span, Ts};

use super::depth::Deep;
use super::draws::Draws;
use super::factor::Factor;
use super::major::{Major, Print, Surroundings, steps};
use super::params::{Model, Spec};
use super::quotes::{ASK, Quotes};
use super::thin::Thin;
use super::ticker::Board;
use super::weather::Climate;

/// Time between refreshes of the deep book.
const REFRESH: Span = Span::from_ms(100);
/// Time between tickers.
const TICKER: Span = Span::from_secs(1);

/// Events that wait to be handed out, in order.
pub(super) type Out = VecDeque<(Ts, Symbol, MarketData)>;

enum Mover {
    Major(Major),
    Thin(Thin),
}

/// The kinds of work an instrument has due.
const MOVE: usize = 0;
const DEEP: usize = 1;
const BOARD: usize = 2;

/// One simulated instrument.
pub(super) struct Desk {
    symbol: Symbol,
    spec: &'static Spec,
    quotes: Quotes,
    deep: Deep,
    mover: Mover,
    board: Board,
    draws: Draws,
    prints: Vec<Print>,
    /// When the model, the deep book and the ticker are due.
    due: [Ts; 3],
    /// When the model's next event was scheduled.
    scheduled: Ts,
}

impl Desk {
    /// Opens at `start` with a full book; nothing is handed out yet.
    pub(super) fn open(
        symbol: Symbol,
        spec: &'static Spec,
        start: Ts,
        factor: &mut Factor,
        sky: &Climate,
        seed: u64,
    ) -> Self {
        let mut draws = Draws::new(seed, 1 + u64::from(symbol.0));
        let queue = match &spec.model {
            Model::Major(p) => p.queue,
            Model::Thin(p) => p.queue,
        };
        let quotes = Quotes::new(spec.bid, steps(queue, spec.step()));
        let deep = Deep::new(spec.depth, &quotes);
        let mover = match &spec.model {
            Model::Major(p) => Mover::Major(Major::new(p, quotes.mid(), factor, &mut draws)),
            Model::Thin(p) => Mover::Thin(Thin::new(p, quotes.mid(), factor, &mut draws)),
        };
        let interval = spec.instrument().funding_interval_s;
        let board = Board::new(quotes.mid(), start, interval, spec.minute_bps, &mut draws);
        let offset = Span::from_ms(7 + 23 * i64::from(symbol.0));
        let due = [start, start + REFRESH + offset, start + TICKER + offset];
        let mut desk =
            Self { symbol, spec, quotes, deep, mover, board, draws, prints: Vec::new(), due, scheduled: start };
        desk.reach(sky);
        desk.schedule(start, factor, sky);
        desk
    }

    /// Hands out the book as a snapshot and the first ticker.
    pub(super) fn opening(&mut self, now: Ts, out: &mut Out) {
        let (tick, step) = (Price::from_raw(self.spec.tick_raw), Qty::from_raw(self.spec.step_raw));
        out.push_back((now, self.symbol, MarketData::Book(self.quotes.snapshot(tick, step))));
        self.publish(now, out);
    }

    /// When something is due next.
    pub(super) fn next_at(&self) -> Ts {
        self.due[MOVE].min(self.due[DEEP]).min(self.due[BOARD])
    }

    /// Does what is due at `now`, which is [`Desk::next_at`].
    pub(super) fn work(&mut self, now: Ts, factor: &mut Factor, sky: &Climate, out: &mut Out) {
        if self.due[MOVE] <= now {
            let dt = now.since(self.scheduled).as_secs_f64();
            self.with_model(factor, sky, |mover, on| match mover {
                Mover::Major(model) => model.step(dt, on),
                Mover::Thin(model) => model.step(dt, on),
            });
            self.schedule(now, factor, sky);
        } else if self.due[DEEP] <= now {
            self.due[DEEP] = now + REFRESH;
            self.reach(sky);
            let (tick_bps, per_usd) = self.scales(sky);
            self.deep.refresh(&mut self.quotes, tick_bps, per_usd, &mut self.draws);
        } else {
            self.due[BOARD] = now + TICKER;
            self.publish(now, out);
        }
        self.emit(now, out);
    }

    fn schedule(&mut self, now: Ts, factor: &mut Factor, sky: &Climate) {
        let dt = self.with_model(factor, sky, |mover, on| match mover {
            Mover::Major(model) => model.schedule(on),
            Mover::Thin(model) => model.schedule(on),
        });
        self.scheduled = now;
        self.due[MOVE] = now + Span(((dt.min(3_600.0) * 1e9) as i64).max(1));
    }

    fn with_model<T>(
        &mut self,
        factor: &mut Factor,
        climate: &Climate,
        act: impl FnOnce(&mut Mover, &mut Surroundings) -> T,
    ) -> T {
        let (tick_bps, per_usd) = self.scales(climate);
        let mut on = Surroundings {
            quotes: &mut self.quotes,
            deep: &self.deep,
            factor,
            climate,
            draws: &mut self.draws,
            prints: &mut self.prints,
            step: self.spec.step(),
            tick_bps,
            per_usd,
        };
        act(&mut self.mover, &mut on)
    }

    /// One tick in bps of the mid, and the steps that one USD of resting depth is.
    fn scales(&self, climate: &Climate) -> (f64, f64) {
        let mid = self.quotes.mid();
        (1e4 / mid, climate.depth / (self.spec.step() * self.spec.tick() * mid))
    }

    fn reach(&mut self, climate: &Climate) {
        let (tick_bps, per_usd) = self.scales(climate);
        self.deep.reach(&mut self.quotes, tick_bps, per_usd, &mut self.draws);
    }

    fn publish(&mut self, now: Ts, out: &mut Out) {
        let ticker = self.board.publish(self.quotes.mid(), now, Price::from_raw(self.spec.tick_raw), &mut self.draws);
        out.push_back((now, self.symbol, MarketData::Ticker(ticker)));
    }

    /// Hands out prints first, then the book change that they made.
    fn emit(&mut self, now: Ts, out: &mut Out) {
        let (tick, step) = (self.spec.tick_raw, self.spec.step_raw);
        for print in self.prints.drain(..) {
            let trade = Trade {
                price: Price::from_raw(print.ticks * tick),
                qty: Qty::from_raw(print.size * step),
                taker: if print.from == ASK { Side::Buy } else { Side::Sell },
            };
            out.push_back((now, self.symbol, MarketData::Trade(trade)));
        }
        if let Some(update) = self.quotes.take_changes(Price::from_raw(tick), Qty::from_raw(step)) {
            out.push_back((now, self.symbol, MarketData::Book(update)));
        }
    }
}
