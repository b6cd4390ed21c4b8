//! Models that were not trained here: their probabilities come from an [`Oracle`], everything else is as with ours. A card
//! says what goes in and what the classes are worth; built-in probes must get the answers that the card keeps.

mod card;
mod windows;

pub use card::{ForeignCard, ForeignHorizon, Judged};

use super::card::{Card, expected_move, sha256};
use super::golden::{self, Golden};
use super::{Model, ModelError, check_frames};
use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::{FEATURE_COUNT, FeatureFrame, Set};
use windows::Windows;

/// How far the probabilities of a horizon may be from a sum of one.
const SUM_TOLERANCE: f64 = 1e-3;

/// What gives the probabilities of a foreign model.
pub(super) trait Oracle: Send {
    /// Answers about `count` windows, whose rows lie one after the other.
    fn ask(&mut self, rows: &[f32], count: usize) -> Result<Answer, ModelError>;
    /// Does it wait for another machine?
    fn waits(&self) -> bool;
}

/// What an oracle answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// Up, flat, down by window and horizon.
    pub probabilities: Vec<f32>,
    /// Expected moves in basis points by window and horizon, where it states them.
    pub moves: Option<Vec<f32>>,
}

/// A model that answers through an oracle.
pub(super) struct Foreign<O> {
    card: Card,
    info: ModelInfo,
    oracle: O,
    windows: Windows,
}

impl<O: Oracle> Foreign<O> {
    /// Asks the oracle about the probes. `identity` is hashed into what the screen shows.
    pub(super) fn new(foreign: &ForeignCard, arch: &str, identity: &[u8], oracle: O) -> Result<Self, ModelError> {
        let mut model = Self::unchecked(foreign, arch, identity, oracle);
        let found = model.golden()?;
        golden::check(&foreign.name, &found, &foreign.golden, foreign.tolerance)?;
        Ok(model)
    }

    /// Without the probes: for whoever writes their answers into a card.
    pub(super) fn unchecked(foreign: &ForeignCard, arch: &str, identity: &[u8], oracle: O) -> Self {
        let card = foreign.as_card(arch, sha256(identity));
        let info = ModelInfo {
            name: foreign.name.clone(),
            hash: super::card::short(&card.weights_sha256),
            horizons_s: foreign.horizon.iter().map(|horizon| horizon.seconds).collect(),
            reads: Set::Market,
            trained: foreign.trained.clone(),
            promise: card.promise(),
        };
        Self { card, info, oracle, windows: Windows::new(foreign.window, foreign.step_ms) }
    }

    /// Forecasts of the built-in probes, in one question.
    pub(super) fn golden(&mut self) -> Result<Golden, ModelError> {
        let window = self.windows.length();
        let probes: Vec<Vec<Vec<f32>>> =
            (0..golden::PROBES).map(|number| golden::probe_window(number, window, FEATURE_COUNT)).collect();
        let answer = self.oracle.ask(&probes.concat().concat(), probes.len())?;
        let newest: Vec<&[f32]> = probes.iter().filter_map(|rows| rows.last().map(Vec::as_slice)).collect();
        let forecasts = self.read_out(&answer, &newest)?;
        let plain = |all: &Vec<HorizonForecast>| all.iter().map(|f| [f.up, f.flat, f.down, f.move_bps]).collect();
        Ok(forecasts.iter().map(plain).collect())
    }

    /// Forecasts about these newest rows. What are no probabilities is refused.
    fn read_out(&self, answer: &Answer, newest: &[&[f32]]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        let refuse = |why: String| ModelError::Answer { name: self.card.name.clone(), why };
        let horizons = self.card.horizon.len();
        let (wanted, moves) = (newest.len() * horizons, answer.moves.as_deref());
        let found = answer.probabilities.len();
        if found != wanted * 3 || moves.is_some_and(|moves| moves.len() != wanted) {
            return Err(refuse(format!("{found} probabilities for {} rows and {horizons} horizons", newest.len())));
        }
        let mut rows = Vec::with_capacity(newest.len());
        for (row, values) in newest.iter().enumerate() {
            let mut forecasts = Vec::with_capacity(horizons);
            for (place, horizon) in self.card.horizon.iter().enumerate() {
                let at = row * horizons + place;
                let three = answer.probabilities.get(at * 3..at * 3 + 3).unwrap_or_default();
                let [up, flat, down] = probabilities(three).ok_or_else(|| {
                    refuse(format!("{three:?} are no probabilities of up, flat and down (row {row}, horizon {place})"))
                })?;
                let usual = Set::Market.usual_move_bps(values, f64::from(horizon.seconds)).unwrap_or(0.0);
                let stated = moves.and_then(|moves| moves.get(at)).map(|stated| stated * horizon.move_gain);
                let move_bps = stated.unwrap_or((usual * expected_move([up, flat, down], horizon)) as f32);
                if !move_bps.is_finite() {
                    return Err(refuse(format!("an expected move is not finite (row {row}, horizon {place})")));
                }
                let horizon_s = horizon.seconds;
                forecasts.push(HorizonForecast {
                    horizon_s,
                    up: up as f32,
                    flat: flat as f32,
                    down: down as f32,
                    move_bps,
                });
            }
            rows.push(forecasts);
        }
        Ok(rows)
    }
}

/// Three numbers that are probabilities up to rounding, brought to a sum of one.
fn probabilities(three: &[f32]) -> Option<[f64; 3]> {
    let [up, flat, down] = <[f32; 3]>::try_from(three).ok()?.map(f64::from);
    let sum = up + flat + down;
    let sound = [up, flat, down].iter().all(|p| p.is_finite() && (-SUM_TOLERANCE..=1.0 + SUM_TOLERANCE).contains(p));
    (sound && (sum - 1.0).abs() <= SUM_TOLERANCE).then(|| [up, flat, down].map(|p| p.max(0.0) / sum))
}

impl<O: Oracle> Model for Foreign<O> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn card(&self) -> &Card {
        &self.card
    }

    fn window(&self) -> usize {
        self.windows.length()
    }

    fn forget(&mut self) {
        self.windows.forget();
    }

    fn waits(&self) -> bool {
        self.oracle.waits()
    }

    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        check_frames(&self.card.name, Set::Market, frames)?;
        let (mut rows, mut ready) = (Vec::new(), Vec::new());
        for (place, frame) in frames.iter().enumerate() {
            if self.windows.take(frame, &mut rows) {
                ready.push(place);
            }
        }
        let mut forecasts = vec![Vec::new(); frames.len()];
        if ready.is_empty() {
            return Ok(forecasts);
        }
        let answer = self.oracle.ask(&rows, ready.len())?;
        let newest: Vec<&[f32]> =
            ready.iter().filter_map(|place| frames.get(*place)).map(|frame| frame.values.as_slice()).collect();
        for (place, forecast) in ready.iter().zip(self.read_out(&answer, &newest)?) {
            if let Some(slot) = forecasts.get_mut(*place) {
                *slot = forecast;
            }
        }
        Ok(forecasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::Symbol;
    use crate::engine::time::Ts;
    use crate::model::card::MadeFor;

    /// Answers with what it was given, and notes what it was asked.
    struct Scripted {
        answer: fn(&[f32], usize) -> Answer,
        asked: Vec<usize>,
    }

    impl Oracle for Scripted {
        fn ask(&mut self, rows: &[f32], count: usize) -> Result<Answer, ModelError> {
            self.asked.push(rows.len());
            Ok((self.answer)(rows, count))
        }
        fn waits(&self) -> bool {
            false
        }
    }

    fn even(_: &[f32], count: usize) -> Answer {
        Answer { probabilities: [0.5, 0.3, 0.2].repeat(count), moves: None }
    }

    fn card(window: usize, golden: Golden) -> ForeignCard {
        let horizon = ForeignHorizon { seconds: 10, class_move: [2.0, 0.0, -2.0], move_gain: 0.5 };
        ForeignCard {
            name: "mine".into(),
            about: String::new(),
            trained: String::new(),
            features_hash: Set::Market.hash().to_owned(),
            window,
            step_ms: if window > 1 { 1_000 } else { 0 },
            tolerance: 1e-4,
            golden,
            made_for: MadeFor::default(),
            horizon: vec![horizon],
            judged: None,
            remote: None,
            onnx: None,
        }
    }

    fn model(window: usize, answer: fn(&[f32], usize) -> Answer) -> Foreign<Scripted> {
        Foreign::unchecked(&card(window, Vec::new()), "test", b"", Scripted { answer, asked: Vec::new() })
    }

    fn frame(symbol: u16, at_s: i64, value: f32) -> FeatureFrame {
        let values = vec![value; FEATURE_COUNT];
        FeatureFrame {
            symbol: Symbol(symbol),
            at: Ts::from_ms(at_s * 1000),
            values,
            warm: FEATURE_COUNT as u16,
            bars: None,
        }
    }

    #[test]
    fn all_instruments_go_into_one_question_and_the_classes_make_the_expected_move() {
        let mut model = model(1, even);
        let cold = FeatureFrame { warm: 0, ..frame(1, 0, 0.0) };
        let told = model.predict(&[frame(0, 0, 0.1), cold, frame(2, 0, 0.1)]).unwrap();
        assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!(model.oracle.asked, [2 * FEATURE_COUNT]);
        let one = told[0][0];
        let usual = Set::Market.usual_move_bps(&[0.1; FEATURE_COUNT], 10.0).unwrap();
        assert!(
            (one.up, one.flat, one.down) == (0.5, 0.3, 0.2) && (f64::from(one.move_bps) - usual * 0.3).abs() < 1e-6
        );
    }

    #[test]
    fn a_window_is_full_of_rows_one_step_apart_or_there_is_no_forecast() {
        let mut model = model(3, even);
        let mut lengths = |at: i64| model.predict(&[frame(0, at, at as f32)]).unwrap()[0].len();
        assert_eq!([0, 1, 2, 3].map(&mut lengths), [0, 0, 1, 1]);
        assert_eq!([5, 6, 7].map(&mut lengths), [0, 0, 1], "a missing row begins it anew");
        assert_eq!(model.oracle.asked, [3 * FEATURE_COUNT; 3]);
        model.forget();
        assert!(model.predict(&[frame(0, 8, 0.0)]).unwrap()[0].is_empty());
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let wrong: [fn(&[f32], usize) -> Answer; 7] = [
            |_, _| Answer { probabilities: vec![0.5, 0.5], moves: None },
            |_, _| Answer { probabilities: vec![f32::NAN, 0.5, 0.5], moves: None },
            |_, _| Answer { probabilities: vec![0.5, 0.5, 0.5], moves: None },
            |_, _| Answer { probabilities: vec![1.5, 0.0, -0.5], moves: None },
            |_, _| Answer { probabilities: vec![3.0, 1.0, -2.0], moves: None },
            |_, _| Answer { probabilities: vec![0.5, 0.3, 0.2], moves: Some(vec![f32::INFINITY]) },
            |_, _| Answer { probabilities: vec![0.5, 0.3, 0.2], moves: Some(vec![1.0, 2.0]) },
        ];
        for answer in wrong {
            let refused = model(1, answer).predict(&[frame(0, 0, 0.0)]);
            assert!(matches!(refused, Err(ModelError::Answer { .. })), "{refused:?}");
        }
        let stated = model(1, |_, _| Answer { probabilities: vec![0.5, 0.3, 0.2], moves: Some(vec![7.0]) });
        assert!(
            ({ stated }.predict(&[frame(0, 0, 0.0)]).unwrap()[0][0].move_bps - 3.5).abs() < 1e-6,
            "half of it is proved"
        );
    }

    #[test]
    fn probes_must_get_the_answers_of_the_card() {
        let golden = model(1, even).golden().unwrap();
        let made = |golden: &Golden| {
            let oracle = Scripted { answer: even, asked: Vec::new() };
            Foreign::new(&card(1, golden.clone()), "test", b"", oracle).map(|_| ())
        };
        assert_eq!(made(&golden), Ok(()));
        let mut other = golden.clone();
        other[2][0][1] += 1e-3;
        assert!(matches!(made(&other), Err(ModelError::Golden { probe: 2, .. })));
        assert!(matches!(made(&Vec::new()), Err(ModelError::Card { .. })));
    }
}
