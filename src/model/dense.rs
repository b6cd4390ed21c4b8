//! Dense layers fused into one candle operation.
//!
//! One pass over the batch on the calling thread: no graph, no thread hand-off, and additions in a fixed order, so the
//! same frame gives the same logits on every machine.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

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
    inputs: usize,
    outputs: usize,
    /// Input-major: the weights of input 0 to every output first, so the inner loop runs over outputs.
    weight: Vec<f32>,
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
            let (outputs, inputs) = weight.dims2()?;
            let weight = weight.t()?.contiguous()?.flatten_all()?.to_vec1()?;
            Ok(Layer { inputs, outputs, weight, bias: bias.to_vec1()?, activation: *activation })
        };
        let layers: Vec<Layer> = layers.iter().map(layer).collect::<Result<_>>()?;
        if layers.windows(2).any(|pair| matches!(pair, [a, b] if a.outputs != b.inputs)) {
            bail!("layers do not fit each other");
        }
        Ok(Self { layers })
    }

    fn row(&self, row: &[f32], now: &mut Vec<f32>, next: &mut Vec<f32>) {
        now.clear();
        now.extend_from_slice(row);
        for layer in &self.layers {
            next.clear();
            next.extend_from_slice(&layer.bias);
            for (value, weights) in now.iter().zip(layer.weight.chunks_exact(layer.outputs)) {
                for (sum, weight) in next.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
            if let Activation::Tanh = layer.activation {
                for value in next.iter_mut() {
                    *value = libm::tanhf(*value);
                }
            }
            std::mem::swap(now, next);
        }
    }
}

impl CustomOp1 for Stack {
    fn name(&self) -> &'static str {
        "dense-stack"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = layout.shape().dims2()?;
        let (Some(first), Some(last)) = (self.layers.first(), self.layers.last()) else { bail!("no layers") };
        let data = storage.as_slice::<f32>()?;
        let Some((from, to)) = layout.contiguous_offsets() else { bail!("input is not contiguous") };
        let Some(data) = data.get(from..to) else { bail!("input is too short") };
        if columns != first.inputs {
            bail!("{columns} inputs, the first layer takes {}", first.inputs);
        }
        let mut out = Vec::with_capacity(rows * last.outputs);
        let (mut now, mut next) = (Vec::new(), Vec::new());
        for row in data.chunks_exact(columns) {
            self.row(row, &mut now, &mut next);
            out.extend_from_slice(&now);
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, last.outputs))))
    }
}
