//! What a network is when it serves: plain slices on the calling thread.
//!
//! One fused pass: no graph, no thread hand-off, additions in a fixed order, so the same rows give the same logits on every
//! machine. A network with memory takes one new row per decision and carries a few numbers from row to row; it computes
//! the same additions in the same order as a pass over all its rows, so both give the same bits.

use candle_core::{Result, Tensor, bail};

/// A network fused for serving. Rows have as many values as the network has inputs: who calls has checked it.
pub(super) trait Net: Send {
    /// How many numbers it carries from row to row: 0 without memory.
    fn carried(&self) -> usize;
    /// Takes the next row of one instrument; `logits` are replaced. `carried` begins as zeros.
    fn step(&self, row: &[f32], carried: &mut [f32], work: &mut Work, logits: &mut Vec<f32>);
}

/// Buffers of a pass, kept so that nothing is allocated once they have grown.
#[derive(Default)]
pub(super) struct Work {
    pub(super) now: Vec<f32>,
    pub(super) next: Vec<f32>,
}

/// A matrix, input-major: the weights of input 0 to every output first, so the inner loop runs over outputs.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    weight: Vec<f32>,
}

impl Matrix {
    /// From a tensor `[outputs, inputs]`.
    pub(super) fn new(weight: &Tensor) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        if outputs == 0 || inputs == 0 {
            bail!("a matrix is empty");
        }
        Ok(Self { inputs, outputs, weight: weight.t()?.contiguous()?.flatten_all()?.to_vec1()? })
    }

    /// Adds the product with `values` to `sums`.
    pub(super) fn add_to(&self, values: &[f32], sums: &mut [f32]) {
        for (value, weights) in values.iter().zip(self.weight.chunks_exact(self.outputs)) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
}

/// `tanh` of every value, the same bits on every machine.
pub(super) fn tanh(values: &mut [f32]) {
    for value in values {
        *value = libm::tanhf(*value);
    }
}

/// The logistic function, the same bits on every machine.
pub(super) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-value))
}
