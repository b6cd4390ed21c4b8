//! Rows to learn from: feature frames at fixed intervals of event time, and how far the mid moved after them.

use std::collections::BTreeSet;

use super::minutes::Minutes;
use super::sampling::{self, Sampling};
use super::{TrainError, TrainProgress, leaks};
use crate::engine::event::MarketData;
use crate::engine::features::{FeatureState, Set, Source};
use crate::engine::ids::Symbol;
use crate::engine::market::book::{Book, Level};
use crate::engine::time::{Span, Ts};

/// Horizons of one set, at most.
pub(super) const HORIZONS: usize = 5;
/// Rows needed in all.
const ROWS_MIN: usize = 1_000;
/// Labels that do not overlap, needed to learn a horizon: twenty minutes for a minute's, a hundred for five.
const LABELS_MIN: usize = 20;
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
    /// And of its last one.
    pub(super) until: String,
    pub(super) rows: usize,
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) stream: usize,
    pub(super) at: Ts,
    /// Values of its set's features.
    pub(super) values: Vec<f32>,
    /// Place in [`Dataset::frames`].
    pub(super) place: usize,
    /// Frames right before it there that are earlier rows of its sequence: what a network with memory sees.
    pub(super) behind: usize,
    /// Move of the price in basis points by place in [`Sampling::horizons_s`]; `NaN` where the data ends before.
    pub(super) moves: [f32; HORIZONS],
    /// The same counted from [`Sampling::late`] after the row.
    pub(super) late: [f32; HORIZONS],
    /// What waits at the thinner of the two best prices: price times quantity, as recorded; `NaN` where nobody tells.
    pub(super) depth: f32,
}

impl Row {
    /// One whose future is not known yet.
    pub(super) fn unlabelled(at: Ts, values: Vec<f32>, depth: f32) -> Self {
        let (moves, late) = ([f32::NAN; HORIZONS], [f32::NAN; HORIZONS]);
        Self { stream: 0, at, values, place: 0, behind: 0, moves, late, depth }
    }
}

/// A row with what came after it; `prices` are changes of the price, which is known up to `end`.
pub(super) fn labelled(mut row: Row, prices: &[(Ts, f64)], end: Ts, set: Set) -> Row {
    let sampling = sampling::of(set);
    let price_at = |at: Ts| {
        let place = prices.partition_point(|entry| entry.0 <= at).checked_sub(1)?;
        (at <= end).then(|| prices.get(place).map(|entry| entry.1)).flatten()
    };
    let moved = |from: Ts, seconds: u32| {
        let (before, after) = (price_at(from)?, price_at(from + Span::from_secs(i64::from(seconds)))?);
        Some(((after - before) / before * 1e4) as f32)
    };
    let places = row.moves.iter_mut().zip(&mut row.late).zip(sampling.horizons_s);
    for ((at_once, late), seconds) in places {
        *at_once = moved(row.at, *seconds).unwrap_or(f32::NAN);
        *late = moved(row.at + sampling.late, *seconds).unwrap_or(f32::NAN);
    }
    row
}

/// How rows are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taking {
    /// Features of the rows.
    pub(super) set: Set,
    /// Event time between two rows of an instrument.
    pub(super) sample: Span,
    /// Event time between two rows of a sequence.
    pub(super) step: Span,
    /// Rows of its sequence that a row must have, itself included.
    pub(super) window: usize,
    /// Are sequences kept from their beginning? A recurrent state depends on all of it.
    pub(super) whole: bool,
    /// The longest horizon in seconds: the first of [`Sampling::horizons_s`], up to this one, are looked at.
    pub(super) longest_s: u32,
}

impl Taking {
    /// What a network with this window depends on: so far back do features and windows reach.
    fn reach(&self) -> Span {
        Span(sampling::of(self.set).reach.0 + self.step.0 * self.window as i64)
    }
}

/// How many horizons of a set there are up to a longest one.
pub(super) fn horizons_to(set: Set, longest_s: u32) -> usize {
    sampling::of(set).horizons_s.iter().take_while(|seconds| **seconds <= longest_s).count()
}

/// A row in the order in which somebody meets it who is shown its sequence.
pub(super) struct Met {
    /// Which of the rows that were asked for.
    pub(super) nth: usize,
    /// Does a sequence begin with these frames?
    pub(super) begins: bool,
    /// Places of the frames that are new, the row's own last.
    pub(super) frames: std::ops::RangeInclusive<usize>,
}

/// Everything read.
#[derive(Debug)]
pub(super) struct Dataset {
    /// Features of its rows.
    pub(super) set: Set,
    pub(super) streams: Vec<Stream>,
    /// By stream, then time.
    pub(super) rows: Vec<Row>,
    /// Feature values of all sequences, each once; neighbours in a sequence are neighbours here.
    pub(super) frames: Vec<Vec<f32>>,
    /// How many horizons are looked at: the first of [`Sampling::horizons_s`].
    pub(super) horizons: usize,
    /// Rows of which one is learned from and the other held out are further apart than this, on both sides: purge and embargo
    /// in one. So far ahead does the longest label reach and so far back what rows are told from: whichever comes first, the
    /// label of one never reaches the memory of the other.
    pub(super) apart: Span,
}

impl Dataset {
    fn new(taking: Taking) -> Self {
        let apart = Span::from_secs(i64::from(taking.longest_s)) + taking.reach();
        let horizons = horizons_to(taking.set, taking.longest_s);
        Self { set: taking.set, streams: Vec::new(), rows: Vec::new(), frames: Vec::new(), horizons, apart }
    }

    /// Horizons in seconds that are looked at.
    pub(super) fn horizons_s(&self) -> &'static [u32] {
        let all = self.sampling().horizons_s;
        all.get(..self.horizons).unwrap_or(all)
    }

    /// The horizon with this place in seconds.
    pub(super) fn horizon_s(&self, horizon: usize) -> u32 {
        self.sampling().horizons_s.get(horizon).copied().unwrap_or(0)
    }

    /// How its rows are taken.
    pub(super) fn sampling(&self) -> &'static Sampling {
        sampling::of(self.set)
    }

    /// Number of its features.
    pub(super) fn width(&self) -> usize {
        self.set.count()
    }

    /// Place of the feature with this name; the first where there is none.
    pub(super) fn place_of(&self, name: &str) -> usize {
        self.set.place_of(name).unwrap_or(0)
    }

    /// Usual move of a row's market over a horizon in basis points.
    pub(super) fn usual_bps(&self, row: &Row, horizon: usize) -> Option<f64> {
        self.set.usual_move_bps(&row.values, f64::from(*self.sampling().horizons_s.get(horizon)?))
    }

    /// The move of a row over a horizon in usual moves, `None` where unknown.
    pub(super) fn scaled(&self, row: &Row, horizon: usize) -> Option<f64> {
        self.in_usual_moves(row, f64::from(*row.moves.get(horizon)?), horizon)
    }

    /// A move in basis points in usual moves of a row's market over a horizon.
    pub(super) fn in_usual_moves(&self, row: &Row, moved: f64, horizon: usize) -> Option<f64> {
        let usual = self.usual_bps(row, horizon)?;
        (moved.is_finite() && usual > 0.0).then(|| moved / usual)
    }

    /// Is there enough to learn every horizon: labels that do not overlap, for a few long ones that do are one label, and moves
    /// both ways?
    pub(super) fn enough(&self) -> Result<(), TrainError> {
        for (horizon, seconds) in self.horizons_s().iter().copied().enumerate() {
            let known = self.rows.iter().filter(|row| row.moves[horizon].is_finite());
            let labels: BTreeSet<Ts> = known.map(|row| row.at.floor_to(Span::from_secs(i64::from(seconds)))).collect();
            if labels.len() < LABELS_MIN {
                return Err(TrainError::TooShort { seconds, labels: labels.len(), needed: LABELS_MIN });
            }
            for (direction, sign) in [("up", 1.0), ("down", -1.0)] {
                if !self.rows.iter().any(|row| row.moves[horizon] * sign > 0.0) {
                    return Err(TrainError::NoMoves { seconds, direction });
                }
            }
        }
        Ok(())
    }

    /// Reads every source once.
    pub(super) fn read<'a>(
        sources: impl IntoIterator<Item = Result<MarketEvents<'a>, TrainError>>,
        taking: Taking,
        progress: &mut dyn FnMut(TrainProgress),
    ) -> Result<Self, TrainError> {
        let mut data = Self::new(taking);
        let mut seen = Seen::default();
        for source in sources {
            let source = source?;
            progress(TrainProgress::Reading(source.name.clone()));
            data.take(source, taking, &mut seen)?;
        }
        if data.rows.is_empty() {
            return Err(TrainError::NoRows {
                events: seen.events,
                why: seen.why(taking.set),
                needs: data.sampling().needs,
            });
        }
        if data.rows.len() < ROWS_MIN {
            return Err(TrainError::TooFew { rows: data.rows.len(), needed: ROWS_MIN });
        }
        data.check()?;
        leaks::check(&data)?;
        Ok(data)
    }

    /// These rows as somebody meets them who is shown the sequences that they lie in: each from its beginning where a network is
    /// `endless`, as it serves, else the last `window` rows for each.
    pub(super) fn met(&self, rows: &[usize], window: usize, endless: bool) -> Vec<Met> {
        let place = |nth: &usize| self.rows[rows[*nth]].place;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(place);
        let mut last = None;
        let mut meet = |nth: usize| {
            let Row { place, behind, .. } = self.rows[rows[nth]];
            let goes_on = last.replace(place).filter(|last| endless && *last < place && *last >= place - behind);
            let first = goes_on.map_or(place - if endless { behind } else { window - 1 }, |last| last + 1);
            Met { nth, begins: goes_on.is_none(), frames: first..=place }
        };
        order.into_iter().map(&mut meet).collect()
    }

    fn take(&mut self, source: MarketEvents<'_>, taking: Taking, seen: &mut Seen) -> Result<(), TrainError> {
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
                recorders.push((instrument, Recorder::from(taking.set, taking.sample, Ts(0))));
            }
            if let Some((_, recorder)) = recorders.get_mut(place) {
                recorder.on_market(at, &event);
            }
        }
        for (instrument, recorder) in recorders {
            let mut rows = recorder.finish();
            if self.set == Set::Bars {
                // Every tape begins with the minutes of the hours before it, which another tape may hold.
                rows.retain(|row| seen.minutes.insert((instrument.clone(), row.at)));
            }
            self.add(&source.name, instrument, &rows, taking);
        }
        Ok(())
    }

    /// Keeps the rows that have a whole window behind them, evenly thinned, and the frames of their sequences.
    fn add(&mut self, source: &str, instrument: String, rows: &[Row], taking: Taking) {
        let (before, behind) = sequences(rows, taking.step);
        let whole: Vec<usize> = (0..rows.len()).filter(|n| behind[*n] + 1 >= taking.window).collect();
        let Some(first) = whole.first().and_then(|n| rows.get(*n)) else { return };
        let (date, until) = (date(first.at), date(whole.last().and_then(|n| rows.get(*n)).unwrap_or(first).at));
        let kept: Vec<usize> = whole.iter().step_by(whole.len().div_ceil(self.sampling().rows_max)).copied().collect();
        let places = self.keep(rows, &kept, &before, taking);
        let stream = self.streams.len();
        for n in &kept {
            let (place, behind) = places[*n];
            self.rows.push(Row { stream, place, behind, ..rows[*n].clone() });
        }
        self.streams.push(Stream { source: source.to_owned(), instrument, date, until, rows: kept.len() });
    }

    /// Keeps the frames that `kept` rows depend on, sequence by sequence. Says for every row its place, and how many earlier
    /// frames of its sequence are right before it.
    fn keep(&mut self, rows: &[Row], kept: &[usize], before: &[Option<usize>], taking: Taking) -> Vec<(usize, usize)> {
        let mut needed = vec![false; rows.len()];
        for &row in kept {
            let rows_back = if taking.whole { usize::MAX } else { taking.window };
            let mut next = Some(row);
            for _ in 0..rows_back {
                let Some(n) = next.filter(|n| !(taking.whole && needed[*n])) else { break };
                needed[n] = true;
                next = before[n];
            }
        }
        // A sequence goes by the row that it begins with.
        let mut begun: Vec<usize> = Vec::with_capacity(rows.len());
        for (n, before) in before.iter().enumerate() {
            begun.push(before.map_or(n, |before| begun[before]));
        }
        let mut order: Vec<usize> = (0..rows.len()).filter(|n| needed[*n]).collect();
        order.sort_by_key(|n| (begun[*n], *n));
        let mut places = vec![(0, 0); rows.len()];
        for n in order {
            let behind = before[n].filter(|before| needed[*before]).map_or(0, |before| places[before].1 + 1);
            places[n] = (self.frames.len(), behind);
            self.frames.push(rows[n].values.clone());
        }
        places
    }

    /// Every feature varies, every value is finite, and every horizon has a label.
    fn check(&self) -> Result<(), TrainError> {
        for row in &self.rows {
            if row.values.iter().any(|value| !value.is_finite()) {
                return Err(TrainError::NotFinite { at: row.at.to_string() });
            }
        }
        for (place, feature) in self.set.features().iter().enumerate() {
            let mut values = self.rows.iter().map(|row| row.values[place]);
            let first = values.next().unwrap_or_default();
            if values.all(|value| (value - first).abs() < 1e-6) {
                let hint = match feature.source {
                    Source::Book => "the order books hardly change; use data of a live market",
                    Source::Trades => "the data seems to hold no trades; record trades too",
                    Source::Bars => "the bars hardly change, or hold no volume; use data of a live market",
                };
                return Err(TrainError::Constant { feature: feature.name, value: first.to_string(), hint });
            }
        }
        for (horizon, seconds) in self.horizons_s().iter().copied().enumerate() {
            if self.rows.iter().all(|row| row.moves[horizon].is_nan()) {
                return Err(TrainError::TooShort { seconds, labels: 0, needed: 1 });
            }
        }
        Ok(())
    }
}

/// `2024-08-08`.
fn date(at: Ts) -> String {
    let (year, month, day, ..) = at.civil();
    format!("{year:04}-{month:02}-{day:02}")
}

/// For every row the one a step before it, and how many there are back to the beginning of its sequence.
fn sequences(rows: &[Row], step: Span) -> (Vec<Option<usize>>, Vec<usize>) {
    let (mut before, mut behind) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        let place = rows.binary_search_by_key(&(row.at - step), |row| row.at).ok();
        behind.push(place.and_then(|place| behind.get(place)).map_or(0, |behind: &usize| behind + 1));
        before.push(place);
    }
    (before, behind)
}

/// What was read, to explain why nothing came of it.
#[derive(Default)]
struct Seen {
    events: u64,
    books: u64,
    trades: u64,
    bars: u64,
    gaps: u64,
    /// Minutes that are rows, by instrument.
    minutes: BTreeSet<(String, Ts)>,
}

impl Seen {
    fn note(&mut self, event: &MarketData) {
        self.events += 1;
        match event {
            MarketData::Book(_) => self.books += 1,
            MarketData::Trade(_) => self.trades += 1,
            MarketData::Gap => self.gaps += 1,
            MarketData::Bar(_) => self.bars += 1,
            MarketData::Ticker(_)
            | MarketData::Rules(_)
            | MarketData::Band { .. }
            | MarketData::Liquidation { .. }
            | MarketData::Missed { .. }
            | MarketData::Pool(_) => {}
        }
    }

    fn why(&self, set: Set) -> String {
        match self {
            Self { events: 0, .. } => "the files hold none".to_owned(),
            Self { bars: 0, trades: 0, .. } if set == Set::Bars => {
                "there are neither bars nor trades among them".to_owned()
            }
            _ if set == Set::Bars => "no half-hour of its minutes is without a hole".to_owned(),
            Self { books: 0, bars: 1.., .. } => {
                format!(
                    "there are {} bars and no order book, which a model of books and trades needs; one of bars is trained with `--bars`",
                    self.bars
                )
            }
            Self { books: 0, .. } => "there is no order book among them".to_owned(),
            Self { gaps, books, .. } if gaps * 10 > *books => format!("{gaps} gaps break the order book up"),
            _ => "no order book stays valid for two minutes".to_owned(),
        }
    }
}

/// Follows one instrument of one source.
pub(super) enum Recorder {
    /// Its book and its trades.
    Market(Box<Moments>),
    /// Its minutes.
    Bars(Box<Minutes>),
}

impl Recorder {
    /// One that looks at features from a moment on only.
    pub(super) fn from(set: Set, sample: Span, from: Ts) -> Self {
        match set {
            Set::Market => Self::Market(Box::new(Moments::from(sample, from))),
            Set::Bars => Self::Bars(Box::new(Minutes::from(from))),
        }
    }

    pub(super) fn on_market(&mut self, at: Ts, event: &MarketData) {
        match self {
            Self::Market(moments) => moments.on_market(at, event),
            Self::Bars(minutes) => minutes.on_market(at, event),
        }
    }

    /// The rows that have a label.
    fn finish(self) -> Vec<Row> {
        self.watched().into_iter().filter(|row| row.moves.iter().any(|moved| moved.is_finite())).collect()
    }

    /// All rows.
    pub(super) fn watched(self) -> Vec<Row> {
        match self {
            Self::Market(moments) => moments.watched(),
            Self::Bars(minutes) => minutes.watched(),
        }
    }
}

/// Follows the book and the trades of one instrument of one source.
pub(super) struct Moments {
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

impl Moments {
    /// One that looks at features from a moment on only; the book is followed before.
    fn from(sample: Span, from: Ts) -> Self {
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

    fn on_market(&mut self, at: Ts, event: &MarketData) {
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
        while next <= until && next < next + self.sample {
            if let Some((bid, ask)) = self.book.best() {
                let worth = |level: Level| level.price.raw() as f64 * 1e-9 * (level.qty.raw() as f64 * 1e-9);
                let depth = worth(bid).min(worth(ask)) as f32;
                let frame = self.features.frame(next, Symbol(0));
                if frame.told(Set::Market).is_some() {
                    self.open.push(Row::unlabelled(next, frame.values, depth));
                }
            }
            next = next + self.sample;
        }
        self.next = Some(if next <= at { after(at) } else { next });
    }

    /// Labels the open rows with what is known up to `end` and starts anew.
    fn close(&mut self, end: Ts) {
        self.done.extend(self.open.drain(..).map(|row| labelled(row, &self.mids, end, Set::Market)));
        self.mids.clear();
    }

    /// All rows.
    fn watched(mut self) -> Vec<Row> {
        self.close(self.last);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::features::FEATURE_COUNT;

    #[test]
    fn labels_reach_as_far_ahead_as_the_data_does_and_what_is_kept_apart_follows_them() {
        let mut recorder = Moments::from(Span::from_secs(1), Ts(0));
        let second = |n: i64| Ts::from_ms(n * 1_000);
        let row = |n: i64| Row { at: second(n), ..samples::data(1, 1, |_, _| {}).rows.remove(0) };
        recorder.open = vec![row(0), row(2)];
        recorder.mids = vec![(second(0), 100.0), (second(299), 101.0), (second(300), 102.0)];
        recorder.close(second(301));
        let [first, last] = recorder.done.as_slice() else { panic!("two rows") };
        assert_eq!(first.moves.map(f32::to_bits), [0.0_f32, 0.0, 0.0, 0.0, 200.0].map(f32::to_bits));
        assert_eq!(first.late[4].to_bits(), 200.0_f32.to_bits());
        assert!(last.moves[3] == 0.0 && last.moves[4].is_nan() && last.late[4].is_nan(), "its future is not there");

        let (sample, step) = (Span::from_ms(250), Span::from_secs(1));
        let with =
            |longest_s| Dataset::new(Taking { set: Set::Market, sample, step, window: 16, whole: false, longest_s });
        let found = [60, 300].map(|longest_s| (with(longest_s).horizons_s().len(), with(longest_s).apart));
        assert_eq!(found, [(4, Span::from_secs(136)), (5, Span::from_secs(376))]);
    }

    /// Rows every quarter of a second but for a hole, sequences of one a second.
    fn kept(whole: bool) -> Dataset {
        let row = |n: i64| Row {
            at: Ts::from_ms(n * 250),
            values: vec![n as f32; FEATURE_COUNT],
            ..samples::data(1, 1, |_, _| {}).rows.remove(0)
        };
        let rows: Vec<Row> = (0..400).chain(404..30_000).map(row).collect();
        let (sample, step) = (Span::from_ms(250), Span::from_secs(1));
        let taking = Taking { set: Set::Market, sample, step, window: 16, whole, longest_s: 60 };
        let mut data = Dataset::new(taking);
        data.add("a file", "TESTUSDT".to_owned(), &rows, taking);
        data
    }

    /// What somebody has seen of a row's sequence when the row comes, oldest first.
    fn seen(data: &Dataset, window: usize, endless: bool) -> Vec<Vec<f32>> {
        let all: Vec<usize> = (0..data.rows.len()).collect();
        let (mut seen, mut now) = (vec![Vec::new(); all.len()], Vec::new());
        for met in data.met(&all, window, endless) {
            if met.begins {
                now.clear();
            }
            now.extend(data.frames[met.frames].iter().map(|frame| frame[0]));
            seen[met.nth].clone_from(&now);
        }
        seen
    }

    #[test]
    fn a_row_is_seen_with_its_window_or_with_its_sequence_from_the_beginning() {
        for whole in [false, true] {
            let data = kept(whole);
            assert!(data.rows.len() > 3_000 && data.rows.len() <= data.sampling().rows_max, "{}", data.rows.len());
            for (row, seen) in data.rows.iter().zip(seen(&data, 16, whole)) {
                let own = row.values[0];
                // Sequences begin at the data's first second, and again behind the hole.
                let first = if own < 400.0 { own % 4.0 } else { 404.0 + own % 4.0 };
                let first = if whole { first } else { own - 60.0 };
                let expected: Vec<f32> =
                    (0..30_000).map(|n| first + 4.0 * n as f32).take_while(|n| *n <= own).collect();
                assert_eq!(seen, expected, "row {own}, whole: {whole}");
            }
        }
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! Rows made up for tests: a row a second, features and moves without meaning.

    use super::*;
    use crate::engine::features::FEATURE_COUNT;

    /// So many streams of so many rows at the same times; `change` sets what a test is about.
    pub fn data(streams: usize, rows: usize, change: impl Fn(usize, &mut Row)) -> Dataset {
        let mut dice = crate::model::train::random::Random::new(5);
        let stream = |n: usize| Stream {
            source: format!("source {n}"),
            instrument: "TESTUSDT".to_owned(),
            date: "2024-01-01".to_owned(),
            until: "2024-01-01".to_owned(),
            rows,
        };
        let (sample, step) = (Span::from_ms(250), Span::from_secs(1));
        let mut data = Dataset::new(Taking { set: Set::Market, sample, step, window: 16, whole: false, longest_s: 60 });
        data.streams = (0..streams).map(stream).collect();
        for stream in 0..streams {
            for n in 0..rows {
                let mut draw = || dice.symmetric() as f32;
                let (values, moves) =
                    ((0..FEATURE_COUNT).map(|_| draw()).collect::<Vec<f32>>(), std::array::from_fn(|_| draw()));
                let at = Ts::from_ms(1_704_067_200_000 + n as i64 * 1_000);
                let mut row =
                    Row { stream, at, values, place: stream * rows + n, behind: n, moves, late: moves, depth: 1.0 };
                change(n, &mut row);
                data.frames.push(row.values.clone());
                data.rows.push(row);
            }
        }
        data
    }
}
