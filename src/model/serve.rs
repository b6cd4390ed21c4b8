//! A loaded model: normalise, one fused pass, calibrated probabilities and an expected move.

use std::collections::BTreeMap;

use super::card::{Card, HorizonCard, expected_move, short};
use super::golden;
use super::net::{Net, Work};
use super::weights::{self, Tensors, outputs};
use super::{Arch, Model, ModelError, check_frames, softmax};
use crate::engine::event::{HorizonForecast, ModelInfo};
use crate::engine::features::{FeatureFrame, Set};
use crate::engine::ids::Symbol;
use crate::engine::time::{Span, Ts};

/// A model that answers.
pub(super) struct Served {
    card: Card,
    info: ModelInfo,
    window: usize,
    endless: bool,
    nets: Vec<Box<dyn Net>>,
    /// Temperature of every output.
    temperatures: Vec<f64>,
    memory: BTreeMap<Symbol, Memory>,
    pass: Pass,
}

/// What is carried from one row of an instrument to its next.
#[derive(Default)]
struct Memory {
    at: Ts,
    /// Rows since the sequence began.
    rows: usize,
    carried: Vec<f32>,
    /// The pass that it took part in last.
    pass: u64,
    /// What was said about `at`: of a minute it is said again.
    said: Vec<HorizonForecast>,
}

impl Memory {
    /// The next row begins a sequence.
    fn begin(&mut self, nets: &[Box<dyn Net>]) {
        self.rows = 0;
        self.said.clear();
        self.carried.clear();
        self.carried.resize(nets.iter().map(|net| net.carried()).sum(), 0.0);
    }
}

/// What a frame is to an instrument's sequence.
enum Next<'f> {
    /// Its next row.
    Row(&'f [f32]),
    /// The row that was answered about already.
    Again,
    /// No row.
    Nothing,
}

/// Buffers of a pass over some instruments.
#[derive(Default)]
struct Pass {
    number: u64,
    /// Places among the frames of what takes part, and its memory meanwhile.
    taken: Vec<usize>,
    of: Vec<Memory>,
    rows: Vec<f32>,
    carried: Vec<f32>,
    work: Work,
    of_net: Vec<f32>,
    /// Mean over the networks.
    logits: Vec<f32>,
    /// Up, flat, down by row and horizon.
    probabilities: Vec<f64>,
}

impl Pass {
    fn begin(&mut self) {
        self.number += 1;
        self.taken.clear();
        self.rows.clear();
        self.logits.clear();
    }
}

/// A sequence that somebody follows row by row, away from the instruments that are served.
#[derive(Default)]
pub(super) struct Sequence {
    memory: Memory,
    pass: Pass,
}

impl Served {
    /// Fuses the tensors and recomputes the card's golden forecasts.
    pub(super) fn new(card: Card, arch: &Arch, tensors: &Tensors) -> Result<Self, ModelError> {
        let served = Self::unchecked(card, arch, tensors)?;
        golden::check(&served.card.name, &served.golden(), &served.card.golden, golden::TOLERANCE)?;
        Ok(served)
    }

    /// Without the golden check: for the trainer, which writes the golden forecasts.
    pub(super) fn unchecked(card: Card, arch: &Arch, tensors: &Tensors) -> Result<Self, ModelError> {
        let sizes = card.sizes(arch);
        if let Some(why) = arch.flaw(sizes) {
            return Err(ModelError::Card { path: card.name, why });
        }
        if (sizes.window > 1) != (card.step_ms > 0) {
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
            reads: card.reads(),
            trained: card.trained.clone(),
            promise: card.promise(),
        };
        let temperatures = card.horizon.iter().flat_map(|horizon| [f64::from(horizon.temperature); 3]).collect();
        let (memory, pass, window, endless) = (BTreeMap::new(), Pass::default(), sizes.window, arch.endless);
        Ok(Self { card, info, window, endless, nets, temperatures, memory, pass })
    }

    /// Forecasts of the built-in probes as `[up, flat, down, move in bps]` by probe and horizon.
    pub(super) fn golden(&self) -> Vec<Vec<[f32; 4]>> {
        let mut sequence = Sequence::default();
        let mut of_probe = |number: usize| {
            let rows = golden::probe_window(number, self.window, self.card.inputs);
            let forecast = self.follow(rows.iter().map(Vec::as_slice), true, &mut sequence);
            forecast.iter().map(|f| [f.up, f.flat, f.down, f.move_bps]).collect()
        };
        (0..golden::PROBES).map(&mut of_probe).collect()
    }

    /// The forecast after the next rows of a sequence, or of one that begins here; each as many finite numbers as its set has
    /// features.
    pub(super) fn follow<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [f32]>,
        begins: bool,
        sequence: &mut Sequence,
    ) -> Vec<HorizonForecast> {
        let Sequence { memory, pass } = sequence;
        if begins {
            memory.begin(&self.nets);
        }
        let mut newest: &[f32] = &[];
        for row in rows {
            pass.rows.clear();
            self.card.normalise(row, &mut pass.rows);
            self.step(std::slice::from_mut(memory), pass);
            newest = row;
        }
        softmax::of_rows(&pass.logits, &self.temperatures, &mut pass.probabilities);
        self.read_out(newest, &pass.probabilities)
    }

    /// The next row of each of these, normalised in `pass.rows`, through all networks.
    fn step(&self, of: &mut [Memory], pass: &mut Pass) {
        let Pass { rows, carried, work, of_net, logits, .. } = pass;
        logits.clear();
        logits.resize(of.len() * outputs(&self.card), 0.0);
        let mut begin = 0;
        for net in &self.nets {
            let own = begin..begin + net.carried();
            carried.clear();
            for memory in &*of {
                carried.extend_from_slice(&memory.carried[own.clone()]);
            }
            net.step(rows, carried, work, of_net);
            for (memory, carried) in of.iter_mut().zip(carried.chunks_exact(own.len().max(1))) {
                memory.carried[own.clone()].copy_from_slice(carried);
            }
            for (sum, logit) in logits.iter_mut().zip(of_net.iter()) {
                *sum += logit / self.nets.len() as f32;
            }
            begin = own.end;
        }
        for memory in of {
            memory.rows = memory.rows.saturating_add(1);
        }
    }

    /// The forecast about a row: probabilities by horizon, and moves in the market's own usual ones.
    fn read_out(&self, values: &[f32], probabilities: &[f64]) -> Vec<HorizonForecast> {
        let second = self.info.reads.usual_second_bps(values).unwrap_or(0.0);
        let (by_horizon, _) = probabilities.as_chunks::<3>();
        let one = |(horizon, [up, flat, down]): (&HorizonCard, &[f64; 3])| HorizonForecast {
            horizon_s: horizon.seconds,
            up: *up as f32,
            flat: *flat as f32,
            down: *down as f32,
            move_bps: (second * f64::from(horizon.seconds).sqrt() * expected_move([*up, *flat, *down], horizon)) as f32,
        };
        self.card.horizon.iter().zip(by_horizon).map(one).collect()
    }

    /// The next row of an instrument, where a frame is one. A frame in warm-up, or one that does not follow the last one by a
    /// step, ends the sequence: what was carried belongs to another moment.
    fn next<'f>(&self, frame: &'f FeatureFrame, memory: &mut Memory) -> Next<'f> {
        let told = frame.told(self.info.reads);
        let at = match (told, self.info.reads) {
            (Some((at, _)), _) => at,
            // A minute is told of for a while, and then no more until the next one has closed.
            (None, Set::Bars) => return Next::Nothing,
            (None, Set::Market) => frame.at,
        };
        if self.info.reads == Set::Bars && memory.rows > 0 && at == memory.at {
            // Where the venue's bar corrects what its trades made of a minute, the answer is another one. What a network with
            // memory took in stays.
            return match told {
                Some((_, values)) if self.window == 1 => Next::Row(values),
                _ => Next::Again,
            };
        }
        let before = std::mem::replace(&mut memory.at, at);
        let follows = memory.rows > 0 && at.since(before) == Span::from_ms(i64::from(self.card.step_ms));
        if !(follows && told.is_some()) {
            memory.begin(&self.nets);
        }
        told.map_or(Next::Nothing, |(_, values)| Next::Row(values))
    }

    /// Forecasts of the frames up to the first instrument that comes again, in one pass; says how many they were.
    fn at_once(
        &self,
        frames: &[FeatureFrame],
        memory: &mut BTreeMap<Symbol, Memory>,
        pass: &mut Pass,
        forecasts: &mut Vec<Vec<HorizonForecast>>,
    ) -> usize {
        pass.begin();
        let (first, mut of) = (forecasts.len(), std::mem::take(&mut pass.of));
        for frame in frames {
            let own = memory.entry(frame.symbol).or_default();
            if own.pass == pass.number {
                break;
            }
            own.pass = pass.number;
            let mut said = Vec::new();
            match self.next(frame, own) {
                Next::Row(values) => {
                    self.card.normalise(values, &mut pass.rows);
                    pass.taken.push(forecasts.len() - first);
                    of.push(std::mem::replace(own, Memory { pass: pass.number, ..Memory::default() }));
                }
                Next::Again => said.clone_from(&own.said),
                Next::Nothing => {}
            }
            forecasts.push(said);
        }
        if !of.is_empty() {
            self.step(&mut of, pass);
        }
        // While sequences begin there is nothing to say yet.
        let says = of.iter().any(|own| own.rows >= self.window);
        softmax::of_rows(if says { &pass.logits } else { &[] }, &self.temperatures, &mut pass.probabilities);
        let mut by_row = pass.probabilities.chunks(outputs(&self.card));
        for (place, mut own) in pass.taken.iter().zip(of.drain(..)) {
            let probabilities = by_row.next().unwrap_or_default();
            let Some(frame) = frames.get(*place) else { continue };
            let values = frame.told(self.info.reads).map(|(_, values)| values).unwrap_or_default();
            if let (true, Some(forecast)) = (own.rows >= self.window, forecasts.get_mut(first + place)) {
                *forecast = self.read_out(values, probabilities);
                if self.info.reads == Set::Bars {
                    own.said.clone_from(forecast);
                }
            }
            memory.insert(frame.symbol, own);
        }
        pass.of = of;
        forecasts.len() - first
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

    fn endless(&self) -> bool {
        self.endless
    }

    fn forget(&mut self) {
        self.memory.clear();
    }

    fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError> {
        check_frames(&self.card.name, self.info.reads, frames)?;
        let (mut memory, mut pass) = (std::mem::take(&mut self.memory), std::mem::take(&mut self.pass));
        let (mut forecasts, mut rest) = (Vec::with_capacity(frames.len()), frames);
        while !rest.is_empty() {
            let done = self.at_once(rest, &mut memory, &mut pass, &mut forecasts);
            rest = rest.get(done..).unwrap_or_default();
        }
        (self.memory, self.pass) = (memory, pass);
        Ok(forecasts)
    }
}
