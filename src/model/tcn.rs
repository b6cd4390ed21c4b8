//! A temporal convolutional network: four dilated causal convolutions over the last 16 rows, beside a straight line from
//! the newest row to the classes (so that it begins as the logistic regression and must earn what it adds).
//!
//! Tensors have the names and shapes that `PyTorch` gives `Conv1d` and `Linear`.

use candle_core::{Result, Tensor, bail};

use super::net::{Matrix, Net, Work, tanh};
use super::weights::{Shapes, Tensors, tensor};
use super::{Arch, WINDOW};

/// Channels of every convolution.
const CHANNELS: usize = 16;
/// Rows between the two that a layer's kernel sees: together they see [`WINDOW`] rows.
const DILATIONS: [usize; 4] = [1, 2, 4, 8];
/// Names of the convolutions.
const LAYERS: [(&str, &str); 4] = [
    ("conv0.weight", "conv0.bias"),
    ("conv1.weight", "conv1.bias"),
    ("conv2.weight", "conv2.bias"),
    ("conv3.weight", "conv3.bias"),
];

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "tcn",
    about: "temporal convolutions: four dilated causal layers of 16 channels over the last 16 rows, beside a logistic line",
    window: WINDOW,
    shapes,
    forward,
    fused,
};

fn shapes(inputs: usize, outputs: usize) -> Shapes {
    let mut shapes = Vec::new();
    for (n, (weight, bias)) in LAYERS.into_iter().enumerate() {
        shapes.push((weight, vec![CHANNELS, if n == 0 { inputs } else { CHANNELS }, 2]));
        shapes.push((bias, vec![CHANNELS]));
    }
    shapes.push(("line.weight", vec![outputs, inputs]));
    shapes.push(("out.weight", vec![outputs, CHANNELS]));
    shapes.push(("out.bias", vec![outputs]));
    shapes
}

/// Only what the newest row's output depends on: each layer halves the rows, so a layer is one product of pairs.
fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    let (rows, steps, inputs) = batch.dims3()?;
    if steps != WINDOW {
        bail!("{steps} rows in a window of {WINDOW}");
    }
    let (mut now, mut steps, mut width) = (batch.clone(), steps, inputs);
    for (weight, bias) in LAYERS {
        steps /= 2;
        let pairs = now.reshape((rows * steps, 2 * width))?;
        // [channels, inputs, 2] to [2 * inputs, channels]: the older row's weights first, as the pairs lie.
        let kernel = tensor(tensors, weight)?.permute((2, 1, 0))?.reshape((2 * width, CHANNELS))?;
        now = pairs.matmul(&kernel)?.broadcast_add(tensor(tensors, bias)?)?.tanh()?;
        width = CHANNELS;
    }
    let newest = batch.narrow(1, WINDOW - 1, 1)?.squeeze(1)?.contiguous()?;
    let line = newest.matmul(&tensor(tensors, "line.weight")?.t()?)?;
    let out = now.matmul(&tensor(tensors, "out.weight")?.t()?)?;
    (line + out)?.broadcast_add(tensor(tensors, "out.bias")?)
}

fn fused(tensors: &Tensors) -> Result<Box<dyn Net>> {
    let mut layers = Vec::new();
    for ((weight, bias), dilation) in LAYERS.into_iter().zip(DILATIONS) {
        let kernel = tensor(tensors, weight)?;
        let half = |place: usize| Matrix::new(&kernel.narrow(2, place, 1)?.squeeze(2)?);
        layers.push(Layer { older: half(0)?, newer: half(1)?, bias: tensor(tensors, bias)?.to_vec1()?, dilation });
    }
    Ok(Box::new(Tcn {
        layers,
        line: Matrix::new(tensor(tensors, "line.weight")?)?,
        out: Matrix::new(tensor(tensors, "out.weight")?)?,
        bias: tensor(tensors, "out.bias")?.to_vec1()?,
    }))
}

/// One convolution.
struct Layer {
    older: Matrix,
    newer: Matrix,
    bias: Vec<f32>,
    dilation: usize,
}

impl Layer {
    /// Values carried: its last `dilation` inputs, oldest first.
    fn carried(&self) -> usize {
        self.dilation * self.older.inputs
    }
}

/// The network as it serves.
struct Tcn {
    layers: Vec<Layer>,
    line: Matrix,
    out: Matrix,
    bias: Vec<f32>,
}

impl Net for Tcn {
    fn carried(&self) -> usize {
        self.layers.iter().map(Layer::carried).sum()
    }

    fn step(&self, row: &[f32], carried: &mut [f32], work: &mut Work, logits: &mut Vec<f32>) {
        let Work { now, next } = work;
        now.clear();
        now.extend_from_slice(row);
        let mut rest = carried;
        for layer in &self.layers {
            let (past, others) = rest.split_at_mut(layer.carried());
            next.clear();
            next.extend_from_slice(&layer.bias);
            // The oldest comes first, and `add_to` takes as many values as the matrix has inputs.
            layer.older.add_to(past, next);
            layer.newer.add_to(now, next);
            tanh(next);
            past.rotate_left(layer.older.inputs);
            let newest = past.iter_mut().rev().zip(now.iter().rev());
            newest.for_each(|(slot, value)| *slot = *value);
            std::mem::swap(now, next);
            rest = others;
        }
        logits.clear();
        logits.extend_from_slice(&self.bias);
        self.line.add_to(row, logits);
        self.out.add_to(now, logits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sequences::{close, rows, tensors};

    /// The plain definition: dilated convolutions over a whole sequence, the newest output.
    fn by_convolution(tensors: &Tensors, rows: &Tensor) -> Tensor {
        let mut now = rows.t().unwrap().unsqueeze(0).unwrap().contiguous().unwrap();
        for ((weight, bias), dilation) in LAYERS.into_iter().zip(DILATIONS) {
            now = now.conv1d(&tensors[weight], 0, 1, dilation, 1).unwrap();
            now = now.broadcast_add(&tensors[bias].reshape((1, CHANNELS, 1)).unwrap()).unwrap().tanh().unwrap();
        }
        let last = now.dim(2).unwrap() - 1;
        let newest = now.narrow(2, last, 1).unwrap().squeeze(2).unwrap();
        let row = rows.narrow(0, rows.dim(0).unwrap() - 1, 1).unwrap();
        let line = row.matmul(&tensors["line.weight"].t().unwrap()).unwrap();
        let out = newest.matmul(&tensors["out.weight"].t().unwrap()).unwrap();
        (line + out).unwrap().broadcast_add(&tensors["out.bias"]).unwrap()
    }

    #[test]
    fn the_pairs_of_training_are_the_dilated_convolutions() {
        let tensors = tensors(&ENTRY);
        let rows = rows(WINDOW);
        let trained = forward(&tensors, &rows.unsqueeze(0).unwrap()).unwrap();
        close(&trained, &by_convolution(&tensors, &rows));
    }

    #[test]
    fn the_receptive_field_is_the_window() {
        assert_eq!(1 + DILATIONS.iter().sum::<usize>(), WINDOW);
    }
}
