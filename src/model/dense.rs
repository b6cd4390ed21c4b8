//! Dense layers one after another: networks that see the newest row only.

use candle_core::{Result, Tensor, bail};

use super::net::{Matrix, Net, Work, tanh};

/// What stands between layers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Activation {
    /// Nothing: the layer's outputs are logits.
    None,
    /// `tanh`, which keeps the mirror symmetry of the inputs within reach.
    Tanh,
}

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
    layers: Vec<Layer>,
}

impl Stack {
    /// From `(weight [outputs, inputs], bias [outputs], activation)` of each layer.
    pub(super) fn new(layers: &[(&Tensor, &Tensor, Activation)]) -> Result<Self> {
        let layer = |(weight, bias, activation): &(&Tensor, &Tensor, Activation)| {
            Ok(Layer { matrix: Matrix::new(weight)?, bias: bias.to_vec1()?, activation: *activation })
        };
        let layers: Vec<Layer> = layers.iter().map(layer).collect::<Result<_>>()?;
        if layers.windows(2).any(|pair| matches!(pair, [a, b] if a.matrix.outputs != b.matrix.inputs)) {
            bail!("layers do not fit each other");
        }
        Ok(Self { layers })
    }
}

impl Net for Stack {
    fn carried(&self) -> usize {
        0
    }

    fn step(&self, row: &[f32], _: &mut [f32], work: &mut Work, logits: &mut Vec<f32>) {
        let Work { now, next } = work;
        now.clear();
        now.extend_from_slice(row);
        for layer in &self.layers {
            next.clear();
            next.extend_from_slice(&layer.bias);
            layer.matrix.add_to(now, next);
            if let Activation::Tanh = layer.activation {
                tanh(next);
            }
            std::mem::swap(now, next);
        }
        logits.clear();
        logits.extend_from_slice(now);
    }
}
