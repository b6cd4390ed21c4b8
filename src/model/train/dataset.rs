//! Rows to learn from: feature frames at fixed intervals of event time, and how far the mid moved after them.

use std::fmt::Write as _;

use super::{TrainError, TrainProgress, leaks};
use crate::engine::event::MarketData;
use crate::engine::features::{FEATURE_COUNT, FEATURES, FeatureState, usual_move_bps};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{Book, Level};
use crate::engine::time::{Span, Ts};
use crate::model::WINDOW;

/// Horizons in seconds.
pub const HORIZONS_S: [u32; 4] = [1, 5, 10, 60];
/// Horizons.
pub(super) const HORIZONS: usize = HORIZONS_S.len();
/// How late the late figures act.
const LATE: Span = Span::from_ms(200);
/// Rows kept of one stream, evenly thinned beyond: a day of a quiet market must not drown ten minutes of a busy one.
const STREAM_ROWS_MAX: usize = 5_000;
/// Rows needed in all.
const ROWS_MIN: usize = 1_000;
/// Instruments of one source.
const INSTRUMENTS_MAX: usize = 1_024;
/// A stream silent for longer than this is not sampled: live it would be stale.
const SILENCE_MAX: Span = Span::from_secs(10);

/// An open source of market data.
pub struct MarketEvents<'a> {
    /// What to call it: the file's name.
    pub name: String,
    /// Receive time, instrument name and what happened, in order of time; or why reading stopped.
    pub events: Box<dyn Iterator<Item = Result<(Ts, String, MarketData), String>> + 'a>,
}

/// One instrument of one source.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) source: String,
    pub(super) instrument: String,
    /// UTC date of its first row, `2024-08-08`: what is held out together.
    pub(super) date: String,
    pub(super) rows: usize,
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) stream: usize,
    pub(super) at: Ts,
    pub(super) values: [f32; FEATURE_COUNT],
    /// Places in [`Dataset::frames`] of the rows a network with memory sees, oldest first; the last is this row.
    pub(super) window: [u32; WINDOW],
    /// Move of the mid in basis points by horizon; `NaN` where the data ends before.
    pub(super) moves: [f32; HORIZONS],
    /// The same counted from [`LATE`] after the row.
    pub(super) late: [f32; HORIZONS],
    /// What waits at the thinner of the two best prices: price times quantity, as recorded.
    pub(super) depth: f32,
}

/// Place of the feature with this name; the first where there is none.
pub(super) fn place_of(name: &str) -> usize {
    FEATURES.iter().position(|feature| feature.name == name).unwrap_or(0)
}

impl Row {
    /// The move over a horizon in usual moves, `None` where unknown.
    pub(super) fn scaled(&self, horizon: usize) -> Option<f64> {
        self.in_usual_moves(f64::from(*self.moves.get(horizon)?), horizon)
    }

    /// A move in basis points in usual moves of a horizon.
    pub(super) fn in_usual_moves(&self, moved: f64, horizon: usize) -> Option<f64> {
        let usual = usual_move_bps(&self.values, f64::from(*HORIZONS_S.get(horizon)?))?;
        (moved.is_finite() && usual > 0.0).then(|| moved / usual)
    }
}

/// Everything read.
#[derive(Debug)]
pub(super) struct Dataset {
    pub(super) streams: Vec<Stream>,
    /// By stream, then time.
    pub(super) rows: Vec<Row>,
    /// Feature values of all windows, each once.
    pub(super) frames: Vec<[f32; FEATURE_COUNT]>,
}

impl Dataset {
    /// Reads every source once: a row every `sample`, seen with the rows before it at distances of `step`.
    pub(super) fn read<'a>(
        sources: impl IntoIterator<Item = Result<MarketEvents<'a>, TrainError>>,
        (sample, step): (Span, Span),
        progress: &mut dyn FnMut(TrainProgress),
    ) -> Result<Self, TrainError> {
        let mut data = Self { streams: Vec::new(), rows: Vec::new(), frames: Vec::new() };
        let mut seen = Seen::default();
        for source in sources {
            let source = source?;
            progress(TrainProgress::Reading(source.name.clone()));
            data.take(source, (sample, step), &mut seen)?;
        }
        if data.rows.is_empty() {
            return Err(TrainError::NoRows { events: seen.events, why: seen.why() });
        }
        if data.rows.len() < ROWS_MIN {
            return Err(TrainError::TooFew { rows: data.rows.len(), needed: ROWS_MIN });
        }
        data.check()?;
        leaks::check(&data)?;
        Ok(data)
    }

    /// Feature values that a network with this window sees at a row, oldest first.
    pub(super) fn window<'a>(&'a self, row: &'a Row, window: usize) -> impl Iterator<Item = &'a [f32]> {
        let places = row.window.get(WINDOW.saturating_sub(window)..).unwrap_or_default();
        places.iter().filter_map(|place| self.frames.get(*place as usize)).map(<[f32; FEATURE_COUNT]>::as_slice)
    }

    fn take(
        &mut self,
        source: MarketEvents<'_>,
        (sample, step): (Span, Span),
        seen: &mut Seen,
    ) -> Result<(), TrainError> {
        let mut recorders: Vec<(String, Recorder)> = Vec::new();
        for event in source.events {
            let (at, instrument, event) = event.map_err(|why| TrainError::Read { file: source.name.clone(), why })?;
            seen.note(&event);
            let place = recorders.iter().position(|(name, _)| *name == instrument).unwrap_or(recorders.len());
            if place == recorders.len() {
                if place >= INSTRUMENTS_MAX {
                    let why = format!("more than {INSTRUMENTS_MAX} instruments in one source");
                    return Err(TrainError::Read { file: source.name, why });
                }
                recorders.push((instrument, Recorder::new(sample)));
            }
            if let Some((_, recorder)) = recorders.get_mut(place) {
                recorder.on_market(at, &event);
            }
        }
        for (instrument, recorder) in recorders {
            self.add(&source.name, instrument, &recorder.finish(), step);
        }
        Ok(())
    }

    /// Keeps the rows that have a whole window behind them, evenly thinned, and the frames of their windows.
    fn add(&mut self, source: &str, instrument: String, rows: &[Row], step: Span) {
        let whole: Vec<(usize, [usize; WINDOW])> =
            (0..rows.len()).filter_map(|n| Some((n, window(rows, n, step)?))).collect();
        let Some(first) = whole.first().and_then(|(n, _)| rows.get(*n)) else { return };
        let (year, month, day, ..) = first.at.civil();
        let mut date = String::new();
        // Writing to a String cannot fail.
        let _ = write!(date, "{year:04}-{month:02}-{day:02}");
        let (stream, before) = (self.streams.len(), self.rows.len());
        let mut places: Vec<Option<u32>> = vec![None; rows.len()];
        for (n, window) in whole.iter().step_by(whole.len().div_ceil(STREAM_ROWS_MAX)) {
            let window = window.map(|place| {
                *places[place].get_or_insert_with(|| {
                    self.frames.push(rows[place].values);
                    (self.frames.len() - 1) as u32
                })
            });
            self.rows.push(Row { stream, window, ..rows[*n].clone() });
        }
        let rows = self.rows.len() - before;
        self.streams.push(Stream { source: source.to_owned(), instrument, date, rows });
    }

    /// Every feature varies, every value is finite, and the price moved both ways.
    fn check(&self) -> Result<(), TrainError> {
        for row in &self.rows {
            if row.values.iter().any(|value| !value.is_finite()) {
                return Err(TrainError::NotFinite { at: row.at.to_string() });
            }
        }
        for (place, feature) in FEATURES.iter().enumerate() {
            let mut values = self.rows.iter().map(|row| row.values[place]);
            let first = values.next().unwrap_or_default();
            if values.all(|value| (value - first).abs() < 1e-6) {
                let hint = if feature.from_book {
                    "the order books hardly change; use data of a live market"
                } else {
                    "the data seems to hold no trades; record trades too"
                };
                return Err(TrainError::Constant { feature: feature.name, value: first.to_string(), hint });
            }
        }
        for (horizon, seconds) in HORIZONS_S.into_iter().enumerate() {
            for (direction, sign) in [("up", 1.0), ("down", -1.0)] {
                if !self.rows.iter().any(|row| row.moves[horizon] * sign > 0.0) {
                    return Err(TrainError::NoMoves { seconds, direction });
                }
            }
        }
        Ok(())
    }
}

/// Places of the rows at distances of `step` up to row `n`, oldest first; `None` where one is missing.
fn window(rows: &[Row], n: usize, step: Span) -> Option<[usize; WINDOW]> {
    let mut places = [n; WINDOW];
    for (back, place) in places.iter_mut().rev().enumerate() {
        let at = rows.get(n)?.at - Span(step.0 * back as i64);
        *place = rows.get(..=n)?.binary_search_by_key(&at, |row| row.at).ok()?;
    }
    Some(places)
}

/// What was read, to explain why nothing came of it.
#[derive(Default)]
struct Seen {
    events: u64,
    books: u64,
    trades: u64,
    gaps: u64,
}

impl Seen {
    fn note(&mut self, event: &MarketData) {
        self.events += 1;
        match event {
            MarketData::Book(_) => self.books += 1,
            MarketData::Trade(_) => self.trades += 1,
            MarketData::Gap => self.gaps += 1,
            MarketData::Ticker(_)
            | MarketData::Rules(_)
            | MarketData::Bar(_)
            | MarketData::Band { .. }
            | MarketData::Liquidation { .. }
            | MarketData::Missed { .. }
            | MarketData::Pool(_) => {}
        }
    }

    fn why(&self) -> String {
        match self {
            Self { events: 0, .. } => "the files hold none".to_owned(),
            Self { books: 0, .. } => "there is no order book among them".to_owned(),
            Self { gaps, books, .. } if gaps * 10 > *books => format!("{gaps} gaps break the order book up"),
            _ => "no order book stays valid for two minutes".to_owned(),
        }
    }
}

/// Follows one instrument of one source.
pub(super) struct Recorder {
    from: Ts,
    features: FeatureState,
    book: Book,
    sample: Span,
    /// Next boundary to sample at.
    next: Option<Ts>,
    last: Ts,
    /// Rows since the last gap, not labelled yet.
    open: Vec<Row>,
    /// Changes of the mid since the last gap.
    mids: Vec<(Ts, f64)>,
    done: Vec<Row>,
}

impl Recorder {
    fn new(sample: Span) -> Self {
        Self::from(sample, Ts(0))
    }

    /// One that looks at features from a moment on only; the book is followed before.
    pub(super) fn from(sample: Span, from: Ts) -> Self {
        Self {
            from,
            features: FeatureState::new(),
            book: Book::new(),
            sample,
            next: None,
            last: Ts(0),
            open: Vec::new(),
            mids: Vec::new(),
            done: Vec::new(),
        }
    }

    pub(super) fn on_market(&mut self, at: Ts, event: &MarketData) {
        let at = at.max(self.last);
        self.sample_to(at);
        self.last = at;
        match event {
            MarketData::Book(update) => self.book.apply(update),
            MarketData::Gap => self.book.gap(),
            _ => {}
        }
        if at >= self.from {
            self.features.on_market(at, event, &self.book);
        }
        match self.book.best() {
            Some((bid, ask)) => {
                let mid = f64::midpoint(bid.price.raw() as f64, ask.price.raw() as f64);
                if self.mids.last().is_none_or(|last| last.1.to_bits() != mid.to_bits()) {
                    self.mids.push((at, mid));
                }
            }
            None => self.close(at),
        }
    }

    /// Takes the rows at boundaries up to `at`, from the state before the event at `at`.
    fn sample_to(&mut self, at: Ts) {
        let after = |ts: Ts| ts.floor_to(self.sample) + self.sample;
        let mut next = self.next.unwrap_or_else(|| after(at));
        let until = at.min(self.last + SILENCE_MAX);
        while next <= until {
            if let Some((bid, ask)) = self.book.best() {
                let worth = |level: Level| level.price.raw() as f64 * 1e-9 * (level.qty.raw() as f64 * 1e-9);
                let depth = worth(bid).min(worth(ask)) as f32;
                let frame = self.features.frame(next, Symbol(0));
                if usize::from(frame.warm) == FEATURE_COUNT
                    && let Ok(values) = frame.values.try_into()
                {
                    let unknown = [f32::NAN; HORIZONS];
                    let window = [0; WINDOW];
                    self.open.push(Row { stream: 0, at: next, values, window, moves: unknown, late: unknown, depth });
                }
            }
            next = next + self.sample;
        }
        self.next = Some(if next <= at { after(at) } else { next });
    }

    /// Labels the open rows with what is known up to `end` and starts anew.
    fn close(&mut self, end: Ts) {
        for mut row in self.open.drain(..) {
            let mid_at = |at: Ts| {
                let place = self.mids.partition_point(|entry| entry.0 <= at).checked_sub(1)?;
                (at <= end).then(|| self.mids.get(place).map(|entry| entry.1)).flatten()
            };
            let moved = |from: Ts, seconds: u32| {
                let (before, after) = (mid_at(from)?, mid_at(from + Span::from_secs(i64::from(seconds)))?);
                Some(((after - before) / before * 1e4) as f32)
            };
            row.moves = HORIZONS_S.map(|seconds| moved(row.at, seconds).unwrap_or(f32::NAN));
            row.late = HORIZONS_S.map(|seconds| moved(row.at + LATE, seconds).unwrap_or(f32::NAN));
            self.done.push(row);
        }
        self.mids.clear();
    }

    /// The rows that have a label.
    fn finish(self) -> Vec<Row> {
        self.watched().into_iter().filter(|row| row.moves.iter().any(|moved| moved.is_finite())).collect()
    }

    /// All rows.
    pub(super) fn watched(mut self) -> Vec<Row> {
        self.close(self.last);
        self.done
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! Rows made up for tests: a row a second, features and moves without meaning.

    use super::*;

    /// So many streams of so many rows at the same times; `change` sets what a test is about.
    pub fn data(streams: usize, rows: usize, change: impl Fn(usize, &mut Row)) -> Dataset {
        let mut dice = crate::model::train::random::Random::new(5);
        let stream = |n: usize| Stream {
            source: format!("source {n}"),
            instrument: "TESTUSDT".to_owned(),
            date: "2024-01-01".to_owned(),
            rows,
        };
        let mut data = Dataset { streams: (0..streams).map(stream).collect(), rows: Vec::new(), frames: Vec::new() };
        for stream in 0..streams {
            for n in 0..rows {
                let mut draw = || dice.symmetric() as f32;
                let (values, moves) = (std::array::from_fn(|_| draw()), std::array::from_fn(|_| draw()));
                let at = Ts::from_ms(1_704_067_200_000 + n as i64 * 1_000);
                let window = [(stream * rows + n) as u32; WINDOW];
                let mut row = Row { stream, at, values, window, moves, late: moves, depth: 1.0 };
                change(n, &mut row);
                data.frames.push(row.values);
                data.rows.push(row);
            }
        }
        data
    }
}
