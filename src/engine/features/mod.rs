//! Features: incremental, scale-free numbers per instrument, the same code in training, demo, live and backtest.
//!
//! [`FeatureState`] follows one instrument's market data in constant time per event; [`FeatureState::frame`] reads it.
//! Reading changes nothing, so frames do not depend on how often they are taken. Every value is finite: ratios, squashed
//! z-scores and logarithms, no price and no quantity. A model reads one [`Set`] of them, which [`Set::hash`] identifies by
//! what it gives: a model trained on other features is refused.

pub mod bars;
mod candle;
mod fade;
mod flow;
mod imbalance;
mod intensity;
mod microprice;
mod ofi;
mod path;
mod registry;
mod returns;
mod set;
mod spread;
#[cfg(test)]
mod tests;
mod touch;
mod volatility;

use serde::{Deserialize, Serialize};

pub use bars::BarFrame;
pub use set::Set;

use self::fade::Fade;
use self::touch::Touch;
use crate::engine::event::MarketData;
use crate::engine::ids::Symbol;
use crate::engine::market::book::{Book, BookUpdate};
use crate::engine::time::{Span, Ts};

/// The features of one instrument at one decision boundary.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FeatureFrame {
    /// Instrument.
    pub symbol: Symbol,
    /// Event time.
    pub at: Ts,
    /// Values of [`FEATURES`], in their order. Always finite.
    pub values: Vec<f32>,
    /// Features past their warm-up, out of `values.len()`.
    pub warm: u16,
    /// What closed minutes say, within [`bars::FRESH`] of the newest one's end and where enough are known without a hole.
    pub bars: Option<BarFrame>,
}

impl FeatureFrame {
    /// A frame in which everything of a set is past its warm-up, and nothing else is known.
    pub fn of_set(set: Set, symbol: Symbol, at: Ts, values: Vec<f32>) -> Self {
        match set {
            Set::Market => Self { symbol, at, warm: values.len() as u16, values, bars: None },
            Set::Bars => Self { symbol, at, values: Vec::new(), warm: 0, bars: Some(BarFrame { closed: at, values }) },
        }
    }

    /// The values of a set, warm or not, and the moment that they are about.
    pub fn values_of(&self, set: Set) -> Option<(Ts, &[f32])> {
        match set {
            Set::Market => Some((self.at, self.values.as_slice())),
            Set::Bars => self.bars.as_ref().map(|bars| (bars.closed, bars.values.as_slice())),
        }
    }

    /// The same; `None` while the set is in warm-up, or has nothing new to say.
    pub fn told(&self, set: Set) -> Option<(Ts, &[f32])> {
        self.values_of(set).filter(|_| set == Set::Bars || usize::from(self.warm) == FEATURE_COUNT)
    }
}

/// What a feature is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The order book: a gap starts its warm-up anew.
    Book,
    /// Trades.
    Trades,
    /// Closed minutes.
    Bars,
}

/// One row of the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeatureSpec {
    /// Name, unique.
    pub name: &'static str,
    /// Unit and squashing.
    pub unit: &'static str,
    /// How long its source must have been seen before the value means what it says.
    pub warm_up: Span,
    /// Family: the file it lives in.
    pub family: &'static str,
    /// What it is read from.
    pub source: Source,
    /// Changes its sign, and nothing else, when buyers and sellers change places.
    pub odd: bool,
}

impl FeatureSpec {
    /// The same feature, marked as [`FeatureSpec::odd`].
    const fn odd(mut self) -> Self {
        self.odd = true;
        self
    }
}

const fn book_feature(name: &'static str, unit: &'static str, warm_ms: i64, family: &'static str) -> FeatureSpec {
    FeatureSpec { name, unit, warm_up: Span::from_ms(warm_ms), family, source: Source::Book, odd: false }
}

const fn trade_feature(name: &'static str, unit: &'static str, warm_ms: i64, family: &'static str) -> FeatureSpec {
    FeatureSpec { name, unit, warm_up: Span::from_ms(warm_ms), family, source: Source::Trades, odd: false }
}

/// Families in the order of their values in a frame. The order is part of the hash: append.
const FAMILIES: [&[FeatureSpec]; 9] = [
    imbalance::SPECS,
    microprice::SPECS,
    spread::SPECS,
    ofi::SPECS,
    volatility::SPECS,
    returns::SPECS,
    candle::SPECS,
    flow::SPECS,
    intensity::SPECS,
];

/// Number of features in a frame.
pub const FEATURE_COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

/// Every feature of books and trades, in the order of [`FeatureFrame::values`].
pub const FEATURES: &[FeatureSpec] = &{
    let mut rows = [imbalance::SPECS[0]; FEATURE_COUNT];
    let (mut row, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut member = 0;
        while member < FAMILIES[family].len() {
            rows[row] = FAMILIES[family][member];
            row += 1;
            member += 1;
        }
        family += 1;
    }
    rows
};

/// Place of the feature with this name; the program does not build where there is none.
const fn place_among(features: &[FeatureSpec], name: &str) -> usize {
    let mut place = 0;
    while !same(features[place].name, name) {
        place += 1;
    }
    place
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut same = 0;
    while same < one.len() && same < other.len() && one[same] == other[same] {
        same += 1;
    }
    same == one.len() && same == other.len()
}

/// What one instrument's features are computed from.
#[derive(Clone, Debug)]
pub struct FeatureState {
    /// First event seen.
    since: Option<Ts>,
    /// Time up to which everything has faded.
    now: Ts,
    /// Tick in the unit of the touch, inferred: the greatest common divisor of all book prices seen; 0 before the first.
    tick: i64,
    book: Option<FromBook>,
    flow: flow::Flow,
    intensity: intensity::Intensity,
    bars: bars::Bars,
    /// When the book was lost, until it is back.
    lost: Option<Ts>,
    /// How long the book was away when it came back last, until that was taken.
    gap: Option<Span>,
}

/// What starts anew after a book gap.
#[derive(Clone, Debug)]
struct FromBook {
    since: Ts,
    touch: Touch,
    imbalance: imbalance::Imbalance,
    spread: spread::Spread,
    ofi: ofi::Ofi,
    volatility: volatility::Volatility,
    path: path::Path,
}

impl Default for FeatureState {
    fn default() -> Self {
        Self::new()
    }
}

impl FeatureState {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            since: None,
            now: Ts(0),
            tick: 0,
            book: None,
            flow: flow::Flow::new(),
            intensity: intensity::Intensity::new(),
            bars: bars::Bars::default(),
            lost: None,
            gap: None,
        }
    }

    /// Takes one event; `book` is the instrument's book after it. Time that goes back counts as standing still.
    pub fn on_market(&mut self, at: Ts, data: &MarketData, book: &Book) {
        self.pass_to(at);
        let at = self.now;
        match data {
            MarketData::Book(update) => {
                self.learn_tick(update);
                self.on_book(at, book);
            }
            MarketData::Trade(trade) => {
                self.bars.on_trade(at, trade);
                self.flow.on_trade(trade.qty.raw() as f64, trade.taker.sign() as f64);
                self.intensity.on_trade(at);
            }
            MarketData::Gap => {
                self.on_gap();
                self.bars.on_gap();
            }
            MarketData::Bar(bar) => self.bars.on_bar(at, bar),
            MarketData::Ticker(_)
            | MarketData::Rules(_)
            | MarketData::Band { .. }
            | MarketData::Liquidation { .. }
            | MarketData::Missed { .. }
            | MarketData::Pool(_) => {}
        }
    }

    /// The features as of `at`, which is not before the last event. Changes nothing.
    pub fn frame(&mut self, at: Ts, symbol: Symbol) -> FeatureFrame {
        let at = at.max(self.now);
        let fade = Fade::over(at.since(self.now));
        let mut values = Vec::with_capacity(FEATURE_COUNT);
        match &self.book {
            Some(book) => book.write(at, self.tick as f64, &fade, &mut values),
            // Zero is the neutral value of every feature; `warm` says that it means nothing.
            None => values.resize(FEATURE_COUNT - flow::SPECS.len() - intensity::SPECS.len(), 0.0),
        }
        self.flow.write(&fade, &mut values);
        self.intensity.write(at, &fade, &mut values);
        let warm = (0..FEATURE_COUNT).filter(|feature| self.is_warm(at, *feature)).count();
        let bars = self.bars.read_fresh(at);
        FeatureFrame { symbol, at, values, warm: warm as u16, bars }
    }

    /// What the minutes closed by `at` say, however long ago the newest one ended.
    pub fn bars(&self, at: Ts) -> Option<BarFrame> {
        self.bars.read(at.max(self.now))
    }

    /// Minutes that are over by `at` are closed: no event comes any more that is older.
    pub fn close_minutes(&mut self, at: Ts) {
        self.bars.pass_to(at);
    }

    /// End and close of the newest closed minute, in the unit of prices; `None` where it was not seen whole.
    pub fn newest_bar(&self) -> Option<(Ts, f64)> {
        self.bars.newest()
    }

    /// Is the feature at this place in [`FEATURES`] past its warm-up at `at`?
    pub fn is_warm(&self, at: Ts, feature: usize) -> bool {
        let Some(spec) = FEATURES.get(feature) else { return false };
        self.since(spec.source).is_some_and(|since| at.since(since) >= spec.warm_up)
    }

    /// Time at `at` until every feature of a set is past its warm-up, zero when all are. While there is no book that of the
    /// market's does not begin; minutes count as they close.
    pub fn warm_in(&self, at: Ts, set: Set) -> Span {
        if set == Set::Bars {
            return Span(bars::MINUTE.0 * self.bars.missing() as i64);
        }
        let left =
            |spec: &FeatureSpec| Span(spec.warm_up.0 - self.since(spec.source).map_or(0, |since| at.since(since).0));
        FEATURES.iter().map(left).max().unwrap_or_default().max(Span(0))
    }

    /// Since when a source has been seen.
    fn since(&self, source: Source) -> Option<Ts> {
        match source {
            Source::Book => self.book.as_ref().map(|book| book.since),
            Source::Trades | Source::Bars => self.since,
        }
    }

    /// How long the book was away, once after it came back.
    pub fn take_gap(&mut self) -> Option<Span> {
        self.gap.take()
    }

    fn pass_to(&mut self, at: Ts) {
        if self.since.is_none() {
            self.since = Some(at);
            self.now = at;
        }
        if at <= self.now {
            return;
        }
        let fade = Fade::over(at.since(self.now));
        self.now = at;
        self.flow.pass(&fade);
        self.intensity.pass(&fade);
        self.bars.pass_to(at);
        if let Some(book) = &mut self.book {
            book.imbalance.pass(&fade);
            book.spread.pass(&fade);
            book.ofi.pass(&fade);
            book.volatility.pass(&fade);
        }
    }

    fn on_book(&mut self, at: Ts, book: &Book) {
        let Some(touch) = Touch::of(book) else {
            self.on_gap();
            return;
        };
        if let Some(lost) = self.lost.take() {
            self.gap = Some(at.since(lost));
        }
        let state = self.book.get_or_insert_with(|| FromBook::new(at, touch));
        state.touch = touch;
        state.imbalance.on_touch(&touch);
        state.spread.on_touch(&touch);
        state.ofi.on_touch(&touch);
        state.volatility.on_touch(at, &touch);
        state.path.set(at, touch.mid);
        self.intensity.on_touch();
    }

    fn on_gap(&mut self) {
        if self.book.take().is_some() {
            self.lost = Some(self.now);
        }
        self.intensity.forget_updates();
    }

    fn learn_tick(&mut self, update: &BookUpdate) {
        for level in update.bids.iter().chain(&update.asks) {
            let price = level.price.raw();
            if price > 0 && self.tick != 1 && (self.tick == 0 || price % self.tick != 0) {
                self.tick = common_divisor(price, self.tick);
            }
        }
    }
}

impl FromBook {
    fn new(since: Ts, touch: Touch) -> Self {
        Self {
            since,
            touch,
            imbalance: imbalance::Imbalance::new(),
            spread: spread::Spread::new(),
            ofi: ofi::Ofi::new(),
            volatility: volatility::Volatility::new(),
            path: path::Path::default(),
        }
    }

    fn write(&self, at: Ts, tick: f64, fade: &Fade, out: &mut Vec<f32>) {
        let touch = &self.touch;
        self.imbalance.write(touch, fade, out);
        microprice::write(touch, out);
        self.spread.write(touch, tick, fade, out);
        self.ofi.write(fade, out);
        self.volatility.write(at, touch, fade, out);
        returns::write(&self.path, at, touch.mid, self.volatility.scale_bps(touch, fade), out);
        candle::write(&self.path, at, touch.mid, out);
    }
}

/// Appends a value; what no input should give (not finite, or beyond any squashed range) is cut.
fn put(out: &mut Vec<f32>, value: f64) {
    out.push(if value.is_finite() { value.clamp(-16.0, 16.0) as f32 } else { 0.0 });
}

/// `part / whole` kept within -1 and 1; zero when `whole` is not positive.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(-1.0, 1.0) } else { 0.0 }
}

/// Time since `event`, 0 now, 1 at a minute or more or never.
fn age(at: Ts, event: Option<Ts>) -> f64 {
    let Some(event) = event else { return 1.0 };
    let secs = at.since(event).as_secs_f64().clamp(0.0, 60.0);
    libm::log1p(secs) / libm::log(61.0)
}

fn common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
