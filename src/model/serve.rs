//! A loaded model: normalise, one fused pass, calibrated probabilities and an expected move.

use std::collections::BTreeMap;

use super::card::{Card, HorizonCard, short};
use super::net::{Net, Work};
use super::weights::{self, Tensors, outputs};
use super::{Arch, Model, ModelError};
use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::{FEATURE_COUNT, FeatureFrame, usual_move_bps};
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};

/// Golden probes of a card.
const PROBES: usize = 4;
/// How far a golden forecast may be off.
const GOLDEN_TOLERANCE: f32 = 1e-6;

/// A model that answers.
pub(super) struct Served {
    card: Card,
    info: ModelInfo,
    window: usize,
    nets: Vec<Box<dyn Net>>,
    memory: BTreeMap<Symbol, Memory>,
}

/// What is carried from one row of an instrument to its next, and the buffers of a pass.
#[derive(Default)]
pub(super) struct Memory {
    at: Ts,
    /// Rows since the sequence began.
    rows: usize,
    carried: Vec<f32>,
    input: Vec<f32>,
    work: Work,
    of_net: Vec<f32>,
    /// Mean over the networks.
    logits: Vec<f32>,
}

impl Memory {
    /// The next row begins a sequence.
    fn begin(&mut self, nets: &[Box<dyn Net>]) {
        self.rows = 0;
        self.carried.clear();
        self.carried.resize(nets.iter().map(|net| net.carried()).sum(), 0.0);
    }
}

impl Served {
    /// Fuses the tensors and recomputes the card's golden forecasts.
    pub(super) fn new(card: Card, arch: &Arch, tensors: &Tensors) -> Result<Self, ModelError> {
        let served = Self::unchecked(card, arch, tensors)?;
        let golden = served.golden();
        for (probe, (found, stated)) in golden.iter().zip(&served.card.golden).enumerate() {
            let pairs = found.iter().flatten().zip(stated.iter().flatten());
            let same = found.len() == stated.len()
                && pairs.clone().all(|(a, b)| (a - b).abs() <= GOLDEN_TOLERANCE * b.abs().max(1.0));
            if !same {
                let text = |rows: &Vec<[f32; 4]>| format!("{:?}", rows.first());
                let (found, card) = (text(found), text(stated));
                return Err(ModelError::Golden { name: served.card.name, probe, found, card });
            }
        }
        if served.card.golden.len() != PROBES {
            let why = format!("{} golden forecasts, expected {PROBES}", served.card.golden.len());
            return Err(ModelError::Card { path: served.card.name, why });
        }
        Ok(served)
    }

    /// Without the golden check: for the trainer, which writes the golden forecasts.
    pub(super) fn unchecked(card: Card, arch: &Arch, tensors: &Tensors) -> Result<Self, ModelError> {
        if (arch.window > 1) != (card.step_ms > 0) {
            let why = format!("`step_ms` is {}, which does not fit the architecture `{}`", card.step_ms, arch.name);
            return Err(ModelError::Card { path: card.name, why });
        }
        let unsound =
            |error: candle_core::Error| ModelError::Weights { name: card.name.clone(), why: error.to_string() };
        let fuse = |member| (arch.fused)(&weights::member(tensors, &card, arch, member)?);
        let nets = (0..card.members).map(fuse).collect::<candle_core::Result<Vec<_>>>().map_err(unsound)?;
        let info = ModelInfo {
            name: card.name.clone(),
            hash: short(&card.weights_sha256),
            horizons_s: card.horizon.iter().map(|horizon| horizon.seconds).collect(),
            trained: card.trained.clone(),
        };
        Ok(Self { card, info, window: arch.window, nets, memory: BTreeMap::new() })
    }

    /// Forecasts of the built-in probes as `[up, flat, down, move in bps]` by probe and horizon.
    pub(super) fn golden(&self) -> Vec<Vec<[f32; 4]>> {
        let mut memory = Memory::default();
        let mut of_probe = |number: usize| {
            let rows: Vec<Vec<f32>> = (0..self.window).rev().map(|back| probe(number + back)).collect();
            let forecast = self.forecast(rows.iter().map(Vec::as_slice), &mut memory);
            forecast.iter().map(|f| [f.up, f.flat, f.down, f.move_bps]).collect()
        };
        (0..PROBES).map(&mut of_probe).collect()
    }

    /// The forecast after a sequence of rows that begins here, each of [`FEATURE_COUNT`] finite numbers.
    pub(super) fn forecast<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [f32]>,
        memory: &mut Memory,
    ) -> Vec<HorizonForecast> {
        memory.begin(&self.nets);
        let mut newest: &[f32] = &[];
        for row in rows {
            self.step(row, memory);
            newest = row;
        }
        self.read_out(newest, &memory.logits)
    }

    fn step(&self, row: &[f32], memory: &mut Memory) {
        let Memory { carried, input, work, of_net, logits, rows, .. } = memory;
        input.clear();
        self.card.normalise(row, input);
        logits.clear();
        logits.resize(outputs(&self.card), 0.0);
        let mut rest = carried.as_mut_slice();
        for net in &self.nets {
            let (own, others) = rest.split_at_mut(net.carried());
            net.step(input, own, work, of_net);
            for (sum, logit) in logits.iter_mut().zip(of_net.iter()) {
                *sum += logit / self.nets.len() as f32;
            }
            rest = others;
        }
        *rows = rows.saturating_add(1);
    }

    fn read_out(&self, values: &[f32], logits: &[f32]) -> Vec<HorizonForecast> {
        let by_horizon = self.card.horizon.iter().zip(logits.chunks_exact(3));
        by_horizon
            .map(|(horizon, logits)| {
                let [up, flat, down] = probabilities(logits, f64::from(horizon.temperature));
                let usual = usual_move_bps(values, f64::from(horizon.seconds)).unwrap_or(0.0);
                HorizonForecast {
                    horizon_s: horizon.seconds,
                    up: up as f32,
                    flat: flat as f32,
                    down: down as f32,
                    move_bps: (usual * expected_move([up, flat, down], horizon)) as f32,
                }
            })
            .collect()
    }

    /// Takes a sound frame as the next row of its instrument. A frame in warm-up, or one that does not follow the last
    /// one by a step, ends the sequence: what was carried belongs to another moment.
    fn take(&self, frame: &FeatureFrame, memory: &mut Memory) -> Vec<HorizonForecast> {
        let before = std::mem::replace(&mut memory.at, frame.at);
        let follows = memory.rows > 0 && frame.at.since(before) == Span::from_ms(i64::from(self.card.step_ms));
        let warm = usize::from(frame.warm) == FEATURE_COUNT;
        if !(follows && warm) {
            memory.begin(&self.nets);
        }
        if !warm {
            return Vec::new();
        }
        self.step(&frame.values, memory);
        if memory.rows < self.window { Vec::new() } else { self.read_out(&frame.values, &memory.logits) }
    }
}

impl Model for Served {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn card(&self) -> &Card {
        &self.card
    }

    fn window(&self) -> usize {
        self.window
    }

    fn forget(&mut self) {
        self.memory.clear();
    }

    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        let refuse = |why: String| ModelError::Frame { name: self.card.name.clone(), why };
        for frame in frames {
            if frame.values.len() != FEATURE_COUNT {
                return Err(refuse(format!("{} values, {FEATURE_COUNT} expected", frame.values.len())));
            }
            if let Some(place) = frame.values.iter().position(|value| !value.is_finite()) {
                return Err(refuse(format!("value {place} is not finite")));
            }
        }
        let mut memory = std::mem::take(&mut self.memory);
        let forecasts = frames.iter().map(|frame| self.take(frame, memory.entry(frame.symbol).or_default())).collect();
        self.memory = memory;
        Ok(forecasts)
    }
}

/// Up, flat, down from three logits. In 64 bits with `libm`, so that every machine agrees.
pub(super) fn probabilities(logits: &[f32], temperature: f64) -> [f64; 3] {
    let mut weights = [0.0; 3];
    let top = logits.iter().fold(f32::NEG_INFINITY, |top, logit| top.max(*logit));
    for (weight, logit) in weights.iter_mut().zip(logits) {
        *weight = libm::exp(f64::from(logit - top) / temperature);
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Expected move in usual moves.
pub(super) fn expected_move(probabilities: [f64; 3], horizon: &HorizonCard) -> f64 {
    let moves = probabilities.iter().zip(horizon.class_move).map(|(p, class)| p * f64::from(class));
    moves.sum::<f64>() * f64::from(horizon.move_gain)
}

/// A deterministic row of plausible values.
fn probe(number: usize) -> Vec<f32> {
    (0..FEATURE_COUNT).map(|place| ((place * 7 + number * 5) % 11) as f32 / 8.0 - 0.6).collect()
}
