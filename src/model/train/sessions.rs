//! Sessions: stretches of time that stand for themselves. What one forecaster is better than another by is a mean over whole
//! sessions, because rows of one session share their weather.

use serde::Serialize;

use super::dataset::{Dataset, Row};
use super::figures::{Estimate, auc, over_sessions};
use super::score::{Told, at_horizon, direction};
use crate::engine::time::{Span, Ts};

/// A pause this long ends a session, on all markets together.
const PAUSE: Span = Span::from_secs(3_600);
/// And so does this length.
const LENGTH: Span = Span::from_secs(6 * 3_600);
/// Moves that an AUC is measured on, at least.
const MOVED_MIN: usize = 50;

/// One forecaster against another on the same rows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Difference {
    /// What is compared with what, in which figure.
    pub what: String,
    /// Horizon in seconds; 0 for the mean over all.
    pub seconds: u32,
    /// How late both act, in milliseconds.
    pub delay_ms: u32,
    /// Sessions with enough moves.
    pub sessions: usize,
    /// First minus second with its interval; `None` with fewer than two sessions.
    pub gain: Option<Estimate>,
}

impl Difference {
    /// Is the first better, beyond doubt?
    pub fn is_better(&self) -> bool {
        self.gain.is_some_and(|gain| gain.interval[0] > 0.0)
    }
}

/// The session of every row, numbered in order of time.
pub(super) fn sessions(data: &Dataset) -> Vec<usize> {
    let mut order: Vec<usize> = (0..data.rows.len()).collect();
    order.sort_by_key(|row| data.rows[*row].at);
    let mut of_row = vec![0; data.rows.len()];
    let (mut session, mut begun, mut last) = (0, None::<Ts>, Ts(0));
    for row in order {
        let at = data.rows[row].at;
        match begun {
            Some(begun) if at.since(last) <= PAUSE && at.since(begun) <= LENGTH => {}
            Some(_) => (session, begun) = (session + 1, Some(at)),
            None => begun = Some(at),
        }
        of_row[row] = session;
        last = at;
    }
    of_row
}

/// AUC of one stream in one session: signals of two forecasters and whether the move was up.
pub(super) type Pair = (f64, f64, bool);

/// Mean difference of AUC by session, over the streams in it with enough moves. `parts` are `(session, stream, rows)`.
pub(super) fn by_session(parts: &mut [(usize, usize, Pair)]) -> Vec<(usize, f64)> {
    parts.sort_by_key(|(session, stream, _)| (*session, *stream));
    let mut found = Vec::new();
    for session in parts.chunk_by(|a, b| a.0 == b.0) {
        let mut gains = Vec::new();
        for stream in session.chunk_by(|a, b| a.1 == b.1) {
            let side =
                |signal: fn(&Pair) -> f64| auc(&stream.iter().map(|s| (signal(&s.2), s.2.2)).collect::<Vec<_>>());
            if stream.len() >= MOVED_MIN
                && let (Some(one), Some(other)) = (side(|pair| pair.0), side(|pair| pair.1))
            {
                gains.push(one - other);
            }
        }
        if let (false, Some((number, ..))) = (gains.is_empty(), session.first()) {
            found.push((*number, gains.iter().sum::<f64>() / gains.len() as f64));
        }
    }
    found
}

/// By how much the mean AUC over all horizons of one architecture is above another's, on rows held out from both.
pub(super) fn compare(data: &Dataset, what: String, one: &[Vec<Told>], other: &[Vec<Told>]) -> Difference {
    let of_row = sessions(data);
    let mut gains: Vec<Vec<f64>> = Vec::new();
    for horizon in 0..data.horizons {
        let mut parts = Vec::new();
        // A row may be held out in several ways; each fold is a session of its own kind, numbered apart.
        for (fold, (one, other)) in one.iter().zip(other).enumerate() {
            for ((row, a), (_, b)) in one.iter().zip(other) {
                let Some(pair) = pair(data, &data.rows[*row], horizon, a, b) else { continue };
                parts.push((of_row[*row], fold << 32 | data.rows[*row].stream, pair));
            }
        }
        for (session, gain) in by_session(&mut parts) {
            if gains.len() <= session {
                gains.resize(session + 1, Vec::new());
            }
            gains[session].push(gain);
        }
    }
    let means = gains.iter().filter(|g| !g.is_empty()).map(|g| g.iter().sum::<f64>() / g.len() as f64);
    let means: Vec<f64> = means.collect();
    Difference { what, seconds: 0, delay_ms: 0, sessions: means.len(), gain: over_sessions(&means) }
}

fn pair(
    data: &Dataset,
    row: &Row,
    horizon: usize,
    one: &[crate::engine::event::HorizonForecast],
    other: &[crate::engine::event::HorizonForecast],
) -> Option<Pair> {
    let moved = f64::from(*row.moves.get(horizon)?);
    (moved.is_finite() && moved != 0.0).then_some((
        direction(at_horizon(data, one, horizon)?),
        direction(at_horizon(data, other, horizon)?),
        moved > 0.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::train::dataset::samples::data;

    #[test]
    fn pauses_and_length_end_a_session() {
        let day = data(1, 400, |n, row| row.at = row.at + Span::from_secs(n as i64 * 119));
        let found = sessions(&day);
        // 400 rows two minutes apart are 13 hours.
        assert_eq!((found[0], found[399]), (0, 2));
        let paused = data(2, 400, |n, row| row.at = row.at + Span::from_secs(if n < 200 { 0 } else { 7_200 }));
        let found = sessions(&paused);
        assert!((0..400).all(|n| found[n] == usize::from(n >= 200) && found[n] == found[400 + n]));
    }

    #[test]
    fn the_same_forecasts_differ_by_nothing() {
        let data = data(2, 400, |n, row| row.at = row.at + Span::from_secs(if n < 200 { 0 } else { 7_200 }));
        let told = |sign: f32| -> Vec<Vec<Told>> {
            let forecast = |row: &Row, h: usize| crate::engine::event::HorizonForecast {
                horizon_s: data.horizon_s(h),
                up: 0.5 + 0.4 * sign * row.moves[h],
                flat: 0.0,
                down: 0.5 - 0.4 * sign * row.moves[h],
                move_bps: 0.0,
            };
            let rows = data.rows.iter().enumerate();
            vec![rows.map(|(n, row)| (n, (0..data.horizons).map(|h| forecast(row, h)).collect())).collect()]
        };
        let same = compare(&data, "same".to_owned(), &told(1.0), &told(1.0));
        assert_eq!((same.sessions, same.gain.unwrap().value, same.is_better()), (2, 0.0, false));
        let better = compare(&data, "perfect against its opposite".to_owned(), &told(1.0), &told(-1.0));
        assert!(better.is_better() && (better.gain.unwrap().value - 1.0).abs() < 1e-9);
    }
}
