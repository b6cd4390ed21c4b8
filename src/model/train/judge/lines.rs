//! Figures of all forecasters on the same rows.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Judged;
use crate::model::train::dataset::Dataset;
use crate::model::train::figures::{
    self, Bin, Recalibration, auc, base_rates, block, brier, log_loss, matthews, over_sessions, rank_correlation,
    recalibration, slope, top_decile,
};
use crate::model::train::sessions::{Difference, Pair, by_session};

/// Forecasters in the order of [`Judged::signals`]. Always flat has no direction: its AUC is a half, its MCC and IC are zero.
fn contenders(data: &Dataset) -> [&'static str; 4] {
    let usual = data.sampling();
    ["model", usual.other.map_or("", |other| other.0), usual.plain.0, "ridge"]
}
/// A part with fewer moves than this has no figures.
const MOVED_MIN: usize = 50;
/// Milliseconds that a forecast is acted on late.
fn delays_ms(data: &Dataset) -> [u32; 2] {
    [0, data.sampling().late.as_ms() as u32]
}

/// How a forecaster told direction and size.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Contender {
    /// Name.
    pub name: &'static str,
    /// Area under the ROC curve of the direction, on rows with a move.
    pub auc: f64,
    /// Matthews correlation of the direction, on the same.
    pub mcc: f64,
    /// Rank correlation with the move, all rows.
    pub ic: f64,
    /// Mean move in its direction over the tenth with the strongest signals, in basis points.
    pub top_decile_bps: f64,
}

/// Figures of one part of the data at one horizon and delay.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Line {
    /// File and instrument, or `all`.
    pub part: String,
    /// Horizon in seconds.
    pub seconds: u32,
    /// How late it was acted on.
    pub delay_ms: u32,
    /// Rows, and of them those with a move.
    pub rows: usize,
    /// Rows with a move.
    pub moved: usize,
    /// The model, then the others; ridge where something came before to learn from.
    pub contenders: Vec<Contender>,
    /// Mean log loss of the model, and of always stating these rows' own base rates.
    pub log_loss: [f64; 2],
    /// Brier score of the same.
    pub brier: [f64; 2],
    /// Slope of realised on expected move: 1 is honest, above it too shy.
    pub move_slope: f64,
    /// Slope and intercept of the odds of up against down.
    pub calibration: Option<Recalibration>,
}

/// Lines of one horizon: over all and by stream, at once and late.
pub(super) fn lines(data: &Dataset, rows: &[Judged], horizon: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let streams: BTreeSet<usize> = rows.iter().map(|row| row.stream).collect();
    for delay_ms in delays_ms(data) {
        let all: Vec<&Judged> = rows.iter().collect();
        lines.extend(line(data, "all".to_owned(), &all, horizon, delay_ms));
        for stream in &streams {
            let part: Vec<&Judged> = rows.iter().filter(|row| row.stream == *stream).collect();
            let name = data.streams.get(*stream).map(|s| format!("{} {} {}", s.date, s.instrument, s.source));
            lines.extend(line(data, name.unwrap_or_default(), &part, horizon, delay_ms));
        }
    }
    lines
}

/// A row with what came of it at a delay.
struct Came<'a> {
    row: &'a Judged,
    moved: f64,
    class: usize,
}

fn line(data: &Dataset, part: String, rows: &[&Judged], horizon: usize, delay_ms: u32) -> Option<Line> {
    let came = |row: &&'_ Judged| match delay_ms {
        0 => row.moved.zip(row.class),
        _ => row.late.zip(row.late_class),
    };
    let known: Vec<Came<'_>> =
        rows.iter().filter_map(|row| came(row).map(|(moved, class)| Came { row, moved, class })).collect();
    let moved = known.iter().filter(|row| row.moved != 0.0).count();
    if moved < MOVED_MIN {
        return None;
    }
    let rates = base_rates(known.iter().map(|row| row.class));
    let said: Vec<([f64; 3], usize)> = known.iter().map(|row| (row.row.said, row.class)).collect();
    let stated: Vec<([f64; 3], usize)> = known.iter().map(|row| (rates, row.class)).collect();
    let decided = known.iter().filter(|row| row.class != 1);
    let odds: Vec<(f64, bool, i64)> = decided
        .filter_map(|row| Some((row.row.signals[0]?, row.class == 0, block(row.row.at, data.horizon_s(horizon)))))
        .collect();
    let expected: Vec<(f64, f64)> = known.iter().map(|row| (row.row.expected, row.moved)).collect();
    Some(Line {
        part,
        seconds: data.horizon_s(horizon),
        delay_ms,
        rows: known.len(),
        moved,
        contenders: contenders(data).into_iter().enumerate().filter_map(|which| contender(&known, which)).collect(),
        log_loss: [&said, &stated].map(|cases| log_loss(cases.iter().map(|(p, class)| p[*class]))),
        brier: [&said, &stated].map(|cases| brier(cases)),
        move_slope: slope(&expected),
        calibration: recalibration(&odds),
    })
}

fn contender(rows: &[Came<'_>], (which, name): (usize, &'static str)) -> Option<Contender> {
    let signals: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((row.row.signals[which]?, row.moved))).collect();
    let moved: Vec<(f64, bool)> = signals.iter().filter(|s| s.1 != 0.0).map(|s| (s.0, s.1 > 0.0)).collect();
    if moved.len() < MOVED_MIN {
        return None;
    }
    // The model's size is its expected move; the others have only their signal.
    let sized: Vec<(f64, f64)> =
        if which == 0 { rows.iter().map(|row| (row.row.expected, row.moved)).collect() } else { signals };
    Some(Contender {
        name,
        auc: auc(&moved)?,
        mcc: matthews(&moved),
        ic: rank_correlation(&sized),
        top_decile_bps: top_decile(&sized),
    })
}

/// How often "up" and "down" came true, both counted as the same statement about their own direction.
pub(super) fn reliability(rows: &[Judged]) -> Vec<Bin> {
    let known = rows.iter().filter_map(|row| Some((row.said, row.class?)));
    figures::reliability(
        &known.flat_map(|(said, class)| [(said[0], class == 0), (said[2], class == 2)]).collect::<Vec<_>>(),
    )
}

/// The model's AUC against each other forecaster, at once and late, and its log loss against always stating the base rates.
pub(super) fn differences(data: &Dataset, rows: &[Judged], horizon: usize) -> Vec<Difference> {
    let seconds = data.horizon_s(horizon);
    let mut found = Vec::new();
    for delay_ms in delays_ms(data) {
        let others = contenders(data).into_iter().enumerate().skip(1).filter(|(_, name)| !name.is_empty());
        for (which, name) in others {
            let pair = |row: &Judged| -> Option<(usize, usize, Pair)> {
                let moved = if delay_ms == 0 { row.moved } else { row.late };
                let moved = moved.filter(|moved| *moved != 0.0)?;
                Some((row.session, row.stream, (row.signals[0]?, row.signals[which]?, moved > 0.0)))
            };
            let mut parts: Vec<_> = rows.iter().filter_map(pair).collect();
            let gains: Vec<f64> = by_session(&mut parts).into_iter().map(|(_, gain)| gain).collect();
            let (what, sessions) = (format!("AUC against {name}"), gains.len());
            found.push(Difference { what, seconds, delay_ms, sessions, gain: over_sessions(&gains) });
        }
    }
    found.push(log_loss_gained(rows, seconds));
    found
}

fn log_loss_gained(rows: &[Judged], seconds: u32) -> Difference {
    let mut sessions: Vec<&Judged> = rows.iter().filter(|row| row.class.is_some()).collect();
    sessions.sort_by_key(|row| row.session);
    let gain = |rows: &[&Judged]| {
        let rates = base_rates(rows.iter().filter_map(|row| row.class).collect::<Vec<_>>().into_iter());
        let known: Vec<(f64, f64)> =
            rows.iter().filter_map(|row| Some((row.said[row.class?], rates[row.class?]))).collect();
        log_loss(known.iter().map(|pair| pair.1)) - log_loss(known.iter().map(|pair| pair.0))
    };
    let gains: Vec<f64> = sessions.chunk_by(|a, b| a.session == b.session).map(gain).collect();
    let what = "log loss below always flat".to_owned();
    Difference { what, seconds, delay_ms: 0, sessions: gains.len(), gain: over_sessions(&gains) }
}
