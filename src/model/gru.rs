//! Gated recurrent units over the rows of an instrument, beside a straight line from the newest row to the classes
//! (so that it begins as the logistic regression and must earn what it adds).
//!
//! Tensors have the names and shapes that `PyTorch` gives `GRU` and `Linear`.

use candle_core::{Result, Tensor};
use candle_nn::ops;

use super::net::{Matrix, Net, Work, repeat, sigmoid, tanh_of};
use super::weights::{Shapes, Tensors, tensor};
use super::{Arch, Sizes, WINDOW};

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "gru",
    about: "gated recurrent units over all rows since the last gap, beside a logistic line",
    units: 16,
    window: WINDOW,
    endless: true,
    shapes,
    forward,
    fused,
};

fn shapes(sizes: Sizes) -> Shapes {
    let Sizes { inputs, outputs, units, .. } = sizes;
    vec![
        ("gru.weight_ih_l0".into(), vec![3 * units, inputs]),
        ("gru.weight_hh_l0".into(), vec![3 * units, units]),
        ("gru.bias_ih_l0".into(), vec![3 * units]),
        ("gru.bias_hh_l0".into(), vec![3 * units]),
        ("line.weight".into(), vec![outputs, inputs]),
        ("out.weight".into(), vec![outputs, units]),
        ("out.bias".into(), vec![outputs]),
    ]
}

fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    let (rows, steps, inputs) = batch.dims3()?;
    let units = tensor(tensors, "gru.weight_hh_l0")?.dim(1)?;
    let flat = batch.reshape((rows * steps, inputs))?;
    // The rows' part of the gates does not depend on the state: one product for all steps.
    let of_rows = flat.matmul(&tensor(tensors, "gru.weight_ih_l0")?.t()?)?;
    let of_rows = of_rows.broadcast_add(tensor(tensors, "gru.bias_ih_l0")?)?.reshape((rows, steps, 3 * units))?;
    let of_state = tensor(tensors, "gru.weight_hh_l0")?.t()?.contiguous()?;
    let bias = tensor(tensors, "gru.bias_hh_l0")?;
    let mut state = Tensor::zeros((rows, units), batch.dtype(), batch.device())?;
    for step in 0..steps {
        let row = of_rows.narrow(1, step, 1)?.squeeze(1)?;
        let past = state.matmul(&of_state)?.broadcast_add(bias)?;
        let gate = |parts: &Tensor, place: usize| parts.narrow(1, place * units, units);
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
    let line = Some(tensor(tensors, "line.weight")?);
    let out = (tensor(tensors, "out.weight")?, tensor(tensors, "out.bias")?);
    Ok(Box::new(Gru::new(tensors, "gru", line, out)?))
}

/// The network as it serves.
pub(super) struct Gru {
    of_row: Matrix,
    of_state: Matrix,
    bias_row: Vec<f32>,
    bias_state: Vec<f32>,
    line: Option<Matrix>,
    out: Matrix,
    bias: Vec<f32>,
}

impl Gru {
    /// From the tensors that begin with `name`, an optional straight line from the newest row, and weight and bias of the output.
    pub(super) fn new(tensors: &Tensors, name: &str, line: Option<&Tensor>, out: (&Tensor, &Tensor)) -> Result<Self> {
        let matrix = |part: &str| Matrix::new(tensor(tensors, &format!("{name}.{part}"))?);
        let vector = |part: &str| tensor(tensors, &format!("{name}.{part}"))?.to_vec1();
        Ok(Self {
            of_row: matrix("weight_ih_l0")?,
            of_state: matrix("weight_hh_l0")?,
            bias_row: vector("bias_ih_l0")?,
            bias_state: vector("bias_hh_l0")?,
            line: line.map(Matrix::new).transpose()?,
            out: Matrix::new(out.0)?,
            bias: out.1.to_vec1()?,
        })
    }
}

impl Net for Gru {
    fn inputs(&self) -> usize {
        self.of_row.inputs
    }

    fn carried(&self) -> usize {
        self.of_state.inputs
    }

    fn step(&self, rows: &[f32], carried: &mut [f32], work: &mut Work, logits: &mut Vec<f32>) {
        let (count, units) = (rows.len() / self.inputs(), self.carried());
        let Work { now, next } = work;
        repeat(&self.bias_row, count, now);
        self.of_row.add_to(rows, self.of_row.inputs, now);
        repeat(&self.bias_state, count, next);
        self.of_state.add_to(carried, units, next);
        pulp::Arch::new().dispatch(|| {
            let gates = now.chunks_exact(3 * units).zip(next.chunks_exact(3 * units));
            carried.chunks_exact_mut(units).zip(gates).for_each(|(state, (row, past))| turn(state, row, past));
        });
        repeat(&self.bias, count, logits);
        if let Some(line) = &self.line {
            line.add_to(rows, line.inputs, logits);
        }
        self.out.add_to(carried, units, logits);
    }
}

/// The next state of one instrument, from what its row and its past say to the gates: reset, keep, fresh.
#[allow(clippy::inline_always, reason = "what is not inlined into a dispatched pass does not get its registers")]
#[inline(always)]
fn turn(state: &mut [f32], row: &[f32], past: &[f32]) {
    let units = state.len();
    let ((row_reset, row), (past_reset, past)) = (row.split_at(units), past.split_at(units));
    let ((row_keep, row_fresh), (past_keep, past_fresh)) = (row.split_at(units), past.split_at(units));
    let resets = row_reset.iter().zip(past_reset);
    let keeps = row_keep.iter().zip(past_keep);
    let freshes = row_fresh.iter().zip(past_fresh);
    for (((state, reset), keep), fresh) in state.iter_mut().zip(resets).zip(keeps).zip(freshes) {
        let (reset, keep) = (sigmoid(reset.0 + reset.1), sigmoid(keep.0 + keep.1));
        let fresh = tanh_of(fresh.0 + reset * fresh.1);
        *state = fresh + keep * (*state - fresh);
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
        let tensors = tensors(&ENTRY, 24, WINDOW);
        let rows = rows(40);
        let named: HashMap<String, Tensor> = tensors.iter().map(|(name, t)| (name.clone(), t.clone())).collect();
        let builder = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
        let theirs = gru(FEATURE_COUNT, 24, GRUConfig::default(), builder.pp("gru")).unwrap();
        let state = theirs.seq(&rows.unsqueeze(0).unwrap()).unwrap().pop().unwrap().h;
        let newest = rows.narrow(0, 39, 1).unwrap();
        let line = newest.matmul(&tensors["line.weight"].t().unwrap()).unwrap();
        let out = state.matmul(&tensors["out.weight"].t().unwrap()).unwrap();
        let expected = (line + out).unwrap().broadcast_add(&tensors["out.bias"]).unwrap();
        close(&forward(&tensors, &rows.unsqueeze(0).unwrap()).unwrap(), &expected);
    }
}
