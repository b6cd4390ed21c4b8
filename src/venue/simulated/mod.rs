//! The built-in market behind `tickdeck demo`: seeded, pure, calibrated against real books and tapes.
//!
//! [`SimulatedMarket`] is an iterator over market events in event time. It reads no clock and starts no thread, and a
//! seed gives the same events on every x86-64. How close it comes to real markets is in `docs/simulated-market.md`.

mod depth;
mod desk;
mod draws;
mod factor;
mod major;
mod orders;
mod params;
mod quotes;
mod thin;
mod ticker;
mod weather;

use crate::engine::event::MarketData;
use crate::engine::ids::Symbol;
use crate::engine::market::instrument::Instrument;
use crate::engine::time::{Span, Ts};

use desk::{Desk, Out};
use draws::Draws;
use factor::Factor;
use params::{SPECS, Spec};
use weather::Sky;
pub use weather::{Weather, WeatherError};

/// Time between updates of the weather.
const SKY: Span = Span::from_ms(250);

/// A market of several instruments that makes itself up.
pub struct SimulatedMarket {
    desks: Vec<Desk>,
    factor: Factor,
    sky: Sky,
    sky_due: Ts,
    draws: Draws,
    out: Out,
}

impl SimulatedMarket {
    /// A market that opens at `start`: first a book snapshot and a ticker of every instrument at that moment.
    pub fn new(seed: u64, weather: Weather, start: Ts) -> Self {
        let sky = Sky::new(weather);
        let mut factor = Factor::new(start.0, Draws::new(seed, 1_001));
        let mut out = Out::new();
        let mut desks: Vec<Desk> = Vec::new();
        for (index, spec) in SPECS.iter().enumerate() {
            let symbol = Symbol(u16::try_from(index).unwrap_or(u16::MAX));
            let mut desk = Desk::open(symbol, spec, start, &mut factor, sky.climate(), seed);
            desk.opening(start, &mut out);
            desks.push(desk);
        }
        Self { desks, factor, sky, sky_due: start + SKY, draws: Draws::new(seed, 1_002), out }
    }

    /// Rules of the instruments, in [`Symbol`] order.
    pub fn instruments() -> Vec<Instrument> {
        SPECS.iter().map(Spec::instrument).collect()
    }

    /// Time of the next event.
    pub fn next_at(&self) -> Ts {
        self.out.front().map_or_else(|| self.due().0, |event| event.0)
    }

    /// The next event. Time never goes back.
    pub fn next_event(&mut self) -> (Ts, Symbol, MarketData) {
        loop {
            if let Some(event) = self.out.pop_front() {
                self.fill();
                return event;
            }
            self.fill();
        }
    }

    /// Works until an event waits.
    fn fill(&mut self) {
        while self.out.is_empty() {
            let (now, at) = self.due();
            if self.sky_due <= now {
                self.sky_due = self.sky_due + SKY;
                self.sky.advance(SKY.as_secs_f64(), &mut self.draws);
                continue;
            }
            self.factor.advance(now.0, self.sky.climate());
            if let Some(desk) = self.desks.get_mut(at) {
                desk.work(now, &mut self.factor, self.sky.climate(), &mut self.out);
            }
        }
    }

    /// The next due time and the instrument that has it; the lower symbol first.
    fn due(&self) -> (Ts, usize) {
        let times = self.desks.iter().enumerate().map(|(at, desk)| (desk.next_at(), at));
        times.min().unwrap_or((self.sky_due, 0))
    }

    /// Turns to other weather from this moment on; the market moves over within seconds.
    pub fn set_weather(&mut self, weather: Weather) {
        self.sky.set(weather);
    }

    /// The weather that was asked for last.
    pub fn weather(&self) -> Weather {
        self.sky.weather()
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests;
