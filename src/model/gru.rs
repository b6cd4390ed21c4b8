//! A gated recurrent unit of 16 over the rows of an instrument, beside a straight line from the newest row to the classes
//! (so that it begins as the logistic regression and must earn what it adds).
//!
//! Tensors have the names and shapes that `PyTorch` gives `GRU` and `Linear`.

use candle_core::{Result, Tensor};
use candle_nn::ops;

use super::net::{Matrix, Net, Work, sigmoid};
use super::weights::{Shapes, Tensors, tensor};
use super::{Arch, WINDOW};

/// Units.
const UNITS: usize = 16;

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "gru",
    about: "gated recurrent unit of 16, learned over 16 rows, beside a logistic line",
    window: WINDOW,
    shapes,
    forward,
    fused,
};

fn shapes(inputs: usize, outputs: usize) -> Shapes {
    vec![
        ("gru.weight_ih_l0", vec![3 * UNITS, inputs]),
        ("gru.weight_hh_l0", vec![3 * UNITS, UNITS]),
        ("gru.bias_ih_l0", vec![3 * UNITS]),
        ("gru.bias_hh_l0", vec![3 * UNITS]),
        ("line.weight", vec![outputs, inputs]),
        ("out.weight", vec![outputs, UNITS]),
        ("out.bias", vec![outputs]),
    ]
}

fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    let (rows, steps, inputs) = batch.dims3()?;
    let flat = batch.reshape((rows * steps, inputs))?;
    // The rows' part of the gates does not depend on the state: one product for all steps.
    let of_rows = flat.matmul(&tensor(tensors, "gru.weight_ih_l0")?.t()?)?;
    let of_rows = of_rows.broadcast_add(tensor(tensors, "gru.bias_ih_l0")?)?.reshape((rows, steps, 3 * UNITS))?;
    let of_state = tensor(tensors, "gru.weight_hh_l0")?.t()?.contiguous()?;
    let bias = tensor(tensors, "gru.bias_hh_l0")?;
    let mut state = Tensor::zeros((rows, UNITS), batch.dtype(), batch.device())?;
    for step in 0..steps {
        let row = of_rows.narrow(1, step, 1)?.squeeze(1)?;
        let past = state.matmul(&of_state)?.broadcast_add(bias)?;
        let gate = |parts: &Tensor, place: usize| parts.narrow(1, place * UNITS, UNITS);
        let reset = ops::sigmoid(&(gate(&row, 0)? + gate(&past, 0)?)?)?;
        let keep = ops::sigmoid(&(gate(&row, 1)? + gate(&past, 1)?)?)?;
        let fresh = (gate(&row, 2)? + (reset * gate(&past, 2)?)?)?.tanh()?;
        state = (&fresh + (keep * (state - &fresh)?)?)?;
    }
    let newest = batch.narrow(1, steps - 1, 1)?.squeeze(1)?.contiguous()?;
    let line = newest.matmul(&tensor(tensors, "line.weight")?.t()?)?;
    let out = state.matmul(&tensor(tensors, "out.weight")?.t()?)?;
    (line + out)?.broadcast_add(tensor(tensors, "out.bias")?)
}

fn fused(tensors: &Tensors) -> Result<Box<dyn Net>> {
    let matrix = |name| Matrix::new(tensor(tensors, name)?);
    let vector = |name| tensor(tensors, name)?.to_vec1();
    Ok(Box::new(Gru {
        of_row: matrix("gru.weight_ih_l0")?,
        of_state: matrix("gru.weight_hh_l0")?,
        bias_row: vector("gru.bias_ih_l0")?,
        bias_state: vector("gru.bias_hh_l0")?,
        line: matrix("line.weight")?,
        out: matrix("out.weight")?,
        bias: vector("out.bias")?,
    }))
}

/// The network as it serves.
struct Gru {
    of_row: Matrix,
    of_state: Matrix,
    bias_row: Vec<f32>,
    bias_state: Vec<f32>,
    line: Matrix,
    out: Matrix,
    bias: Vec<f32>,
}

impl Net for Gru {
    fn carried(&self) -> usize {
        UNITS
    }

    fn step(&self, row: &[f32], carried: &mut [f32], work: &mut Work, logits: &mut Vec<f32>) {
        let Work { now, next } = work;
        now.clear();
        now.extend_from_slice(&self.bias_row);
        self.of_row.add_to(row, now);
        next.clear();
        next.extend_from_slice(&self.bias_state);
        self.of_state.add_to(carried, next);
        let (reset, keep_and_fresh) = now.split_at(UNITS);
        let (keep, fresh) = keep_and_fresh.split_at(UNITS);
        let (past_reset, rest) = next.split_at(UNITS);
        let (past_keep, past_fresh) = rest.split_at(UNITS);
        for (unit, state) in carried.iter_mut().enumerate() {
            let reset = sigmoid(reset[unit] + past_reset[unit]);
            let keep = sigmoid(keep[unit] + past_keep[unit]);
            let fresh = libm::tanhf(fresh[unit] + reset * past_fresh[unit]);
            *state = fresh + keep * (*state - fresh);
        }
        logits.clear();
        logits.extend_from_slice(&self.bias);
        self.line.add_to(row, logits);
        self.out.add_to(carried, logits);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device};
    use candle_nn::rnn::{GRUConfig, RNN as _};
    use candle_nn::{VarBuilder, gru};

    use super::*;
    use crate::engine::features::FEATURE_COUNT;
    use crate::model::sequences::{close, rows, tensors};

    #[test]
    fn the_gates_are_those_of_the_library() {
        let tensors = tensors(&ENTRY);
        let rows = rows(40);
        let named: HashMap<String, Tensor> = tensors.iter().map(|(name, t)| (name.clone(), t.clone())).collect();
        let builder = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
        let theirs = gru(FEATURE_COUNT, UNITS, GRUConfig::default(), builder.pp("gru")).unwrap();
        let state = theirs.seq(&rows.unsqueeze(0).unwrap()).unwrap().pop().unwrap().h;
        let newest = rows.narrow(0, 39, 1).unwrap();
        let line = newest.matmul(&tensors["line.weight"].t().unwrap()).unwrap();
        let out = state.matmul(&tensors["out.weight"].t().unwrap()).unwrap();
        let expected = (line + out).unwrap().broadcast_add(&tensors["out.bias"]).unwrap();
        close(&forward(&tensors, &rows.unsqueeze(0).unwrap()).unwrap(), &expected);
    }
}
