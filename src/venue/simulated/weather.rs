//! What kind of market it is: calm, busy or crash, and how one turns into the other.

use std::fmt;
use std::str::FromStr;

use super::draws::Draws;

/// The kind of market that `tickdeck demo --weather` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weather {
    /// An ordinary quiet hour; what the generator is calibrated to.
    #[default]
    Calm,
    /// About three times the activity and the volatility.
    Busy,
    /// Falls of several percent within minutes on thin books, each followed by an unstable recovery.
    Crash,
}

/// A word that is no weather.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no weather: use calm, busy or crash")]
pub struct WeatherError(String);

impl FromStr for Weather {
    type Err = WeatherError;
    fn from_str(text: &str) -> Result<Self, WeatherError> {
        match text {
            "calm" => Ok(Self::Calm),
            "busy" => Ok(Self::Busy),
            "crash" => Ok(Self::Crash),
            other => Err(WeatherError(other.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Busy => "busy",
            Self::Crash => "crash",
        })
    }
}

/// The state of the weather at a moment, as factors on the calm parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Climate {
    /// Factor on the rates of orders.
    pub activity: f64,
    /// Factor on volatility.
    pub vol: f64,
    /// Factor on all resting sizes.
    pub depth: f64,
    /// Factor on how fast a wide spread closes.
    pub closing: f64,
    /// Pull on the common price, bps per second.
    pub drift: f64,
    /// Share of selling beyond one half, -1..1.
    pub selling: f64,
}

const CALM: Climate = Climate { activity: 1.0, vol: 1.0, depth: 1.0, closing: 1.0, drift: 0.0, selling: 0.0 };
const BUSY: Climate = Climate { activity: 3.0, vol: 3.0, depth: 0.7, closing: 0.5, drift: 0.0, selling: 0.0 };
const FALLING: Climate = Climate { activity: 5.0, vol: 4.5, depth: 0.2, closing: 0.06, drift: -1.0, selling: 0.5 };
const REBOUND: Climate = Climate { activity: 3.5, vol: 4.0, depth: 0.35, closing: 0.08, drift: 1.0, selling: -0.15 };
const SHAKEN: Climate = Climate { activity: 2.5, vol: 3.0, depth: 0.5, closing: 0.2, drift: 0.0, selling: 0.0 };

/// Seconds in which markets move most of the way to new weather.
const SETTLING_S: f64 = 8.0;

/// The phase of a crash and how long it lasts.
#[derive(Clone, Copy)]
struct Phase {
    target: Climate,
    left_s: f64,
}

/// Weather as it develops.
pub(super) struct Sky {
    weather: Weather,
    now: Climate,
    phase: Phase,
    falls: u32,
    fall_bps: f64,
}

impl Sky {
    /// Settled in `weather` from the first moment; a crash begins with half a minute of unrest.
    pub(super) fn new(weather: Weather) -> Self {
        let mut sky = Self {
            weather,
            now: if weather == Weather::Busy { BUSY } else { CALM },
            phase: Phase { target: CALM, left_s: 0.0 },
            falls: 0,
            fall_bps: 0.0,
        };
        sky.set(weather);
        sky
    }
    /// Turns to `weather`.
    pub(super) fn set(&mut self, weather: Weather) {
        self.weather = weather;
        let (target, left_s) = match weather {
            Weather::Calm => (CALM, f64::INFINITY),
            Weather::Busy => (BUSY, f64::INFINITY),
            Weather::Crash => (SHAKEN, 20.0),
        };
        self.phase = Phase { target, left_s };
        self.falls = 0;
    }
    /// What was asked for.
    pub(super) const fn weather(&self) -> Weather {
        self.weather
    }
    /// Factors of this moment.
    pub(super) const fn climate(&self) -> &Climate {
        &self.now
    }
    /// `dt` seconds on.
    pub(super) fn advance(&mut self, dt: f64, draws: &mut Draws) {
        self.phase.left_s -= dt;
        if self.phase.left_s <= 0.0 {
            self.phase = self.next_phase(draws);
        }
        let step = 1.0 - libm::exp(-dt / SETTLING_S);
        let target = &self.phase.target;
        let blend = |from: f64, to: f64| from + (to - from) * step;
        let ratio = |from: f64, to: f64| from * libm::exp(libm::log(to / from) * step);
        self.now = Climate {
            activity: ratio(self.now.activity, target.activity),
            vol: ratio(self.now.vol, target.vol),
            depth: ratio(self.now.depth, target.depth),
            closing: ratio(self.now.closing, target.closing),
            drift: blend(self.now.drift, target.drift),
            selling: blend(self.now.selling, target.selling),
        };
    }
    /// Unrest, fall, rebound, unrest, ... Later falls are smaller.
    fn next_phase(&mut self, draws: &mut Draws) -> Phase {
        if self.phase.target.drift < 0.0 {
            let left_s = 90.0 + 120.0 * draws.unit();
            let back = self.fall_bps * (0.3 + 0.3 * draws.unit());
            return Phase { target: Climate { drift: back / left_s, ..REBOUND }, left_s };
        }
        if self.phase.target.drift > 0.0 {
            return Phase { target: SHAKEN, left_s: 120.0 + 240.0 * draws.unit() };
        }
        let left_s = 100.0 + 120.0 * draws.unit();
        self.fall_bps = (350.0 + 250.0 * draws.unit()) / (1.0 + 0.5 * f64::from(self.falls.min(4)));
        self.falls += 1;
        Phase { target: Climate { drift: -self.fall_bps / left_s, ..FALLING }, left_s }
    }
}
