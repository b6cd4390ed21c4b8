//! Dense layers one after another: networks that see the newest row only.

use candle_core::{Result, Tensor, bail};

use super::net::{Activation, Matrix, Net, Work, repeat};

/// One layer.
#[derive(Clone, Debug)]
struct Layer {
    matrix: Matrix,
    bias: Vec<f32>,
    activation: Activation,
}

/// Layers applied one after another.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    inputs: usize,
    layers: Vec<Layer>,
}

impl Stack {
    /// From `(weight [outputs, inputs], bias [outputs], activation)` of each layer.
    pub(super) fn new(layers: &[(&Tensor, &Tensor, Activation)]) -> Result<Self> {
        let layer = |(weight, bias, activation): &(&Tensor, &Tensor, Activation)| {
            Ok(Layer { matrix: Matrix::new(weight)?, bias: bias.to_vec1()?, activation: *activation })
        };
        let layers: Vec<Layer> = layers.iter().map(layer).collect::<Result<_>>()?;
        let Some(first) = layers.first() else { bail!("a stack without layers") };
        if layers.windows(2).any(|pair| matches!(pair, [a, b] if a.matrix.outputs != b.matrix.inputs)) {
            bail!("layers do not fit each other");
        }
        Ok(Self { inputs: first.matrix.inputs, layers })
    }
}

impl Net for Stack {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn carried(&self) -> usize {
        0
    }

    fn step(&self, rows: &[f32], _: &mut [f32], work: &mut Work, logits: &mut Vec<f32>) {
        let Work { now, next } = work;
        now.clear();
        now.extend_from_slice(rows);
        for Layer { matrix, bias, activation } in &self.layers {
            repeat(bias, rows.len() / self.inputs, next);
            matrix.add_to(now, matrix.inputs, next);
            activation.apply(next);
            std::mem::swap(now, next);
        }
        logits.clear();
        logits.extend_from_slice(now);
    }
}
