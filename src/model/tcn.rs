//! A temporal convolutional network: dilated causal convolutions over the last rows, each seeing twice as many as the one
//! before, beside a straight line from the newest row to the classes (so that it begins as the logistic regression and must
//! earn what it adds).
//!
//! Tensors have the names and shapes that `PyTorch` gives `Conv1d` and `Linear`.

use candle_core::{Result, Tensor, bail};

use super::net::{Activation, Matrix, Net, Work, repeat};
use super::weights::{Shapes, Tensors, tensor};
use super::{Arch, Sizes, WINDOW};

/// Rows that a kernel sees.
const KERNEL: usize = 2;

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "tcn",
    about: "temporal convolutions: dilated causal layers over the last rows, beside a logistic line",
    units: 16,
    window: WINDOW,
    endless: false,
    shapes,
    forward,
    fused,
};

/// Names of the weights and biases of layer `n`.
fn names(n: usize) -> (String, String) {
    (format!("conv{n}.weight"), format!("conv{n}.bias"))
}

fn shapes(sizes: Sizes) -> Shapes {
    let Sizes { inputs, outputs, units, window } = sizes;
    let mut shapes = Vec::new();
    // Each layer doubles the rows that are seen.
    for n in 0..window.ilog2() as usize {
        let (weight, bias) = names(n);
        shapes.push((weight, vec![units, if n == 0 { inputs } else { units }, KERNEL]));
        shapes.push((bias, vec![units]));
    }
    shapes.push(("line.weight".into(), vec![outputs, inputs]));
    shapes.push(("out.weight".into(), vec![outputs, units]));
    shapes.push(("out.bias".into(), vec![outputs]));
    shapes
}

/// Weights and biases of the layers.
fn layers(tensors: &Tensors) -> impl Iterator<Item = (&Tensor, &Tensor)> {
    (0..).map_while(|n| {
        let (weight, bias) = names(n);
        tensors.get(&weight).zip(tensors.get(&bias))
    })
}

/// Only what the newest row's output depends on: each layer halves the rows, so a layer is one product of pairs.
fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    let (rows, window, inputs) = batch.dims3()?;
    let expected = 1 << layers(tensors).count();
    if window != expected {
        bail!("{window} rows in a window of {expected}");
    }
    let (mut now, mut steps, mut width) = (batch.clone(), window, inputs);
    for (weight, bias) in layers(tensors) {
        steps /= 2;
        let (units, pairs) = (weight.dim(0)?, now.reshape((rows * steps, KERNEL * width))?);
        // [channels, inputs, 2] to [2 * inputs, channels]: the older row's weights first, as the pairs lie.
        let kernel = weight.permute((2, 1, 0))?.reshape((KERNEL * width, units))?;
        now = pairs.matmul(&kernel)?.broadcast_add(bias)?.tanh()?;
        width = units;
    }
    let newest = batch.narrow(1, window - 1, 1)?.squeeze(1)?.contiguous()?;
    let line = newest.matmul(&tensor(tensors, "line.weight")?.t()?)?;
    let out = now.matmul(&tensor(tensors, "out.weight")?.t()?)?;
    (line + out)?.broadcast_add(tensor(tensors, "out.bias")?)
}

fn fused(tensors: &Tensors) -> Result<Box<dyn Net>> {
    let convolutions = layers(tensors).enumerate().map(|(n, (weight, bias))| (weight, bias, 1 << n));
    let line = Some(tensor(tensors, "line.weight")?);
    let out = (tensor(tensors, "out.weight")?, tensor(tensors, "out.bias")?);
    Ok(Box::new(Tcn::new(convolutions, Activation::Tanh, line, out)?))
}

/// One convolution.
struct Layer {
    /// One matrix for each row that the kernel sees, the oldest first.
    taps: Vec<Matrix>,
    bias: Vec<f32>,
    dilation: usize,
}

impl Layer {
    /// From a kernel `[channels, inputs, rows]`.
    fn new(kernel: &Tensor, bias: &Tensor, dilation: usize) -> Result<Self> {
        let tap = |place: usize| Matrix::new(&kernel.narrow(2, place, 1)?.squeeze(2)?);
        let taps = (0..kernel.dim(2)?).map(tap).collect::<Result<Vec<_>>>()?;
        Ok(Self { taps, bias: bias.to_vec1()?, dilation })
    }

    fn inputs(&self) -> usize {
        self.taps.first().map_or(0, |tap| tap.inputs)
    }

    /// Values carried: its last inputs but the newest, oldest first.
    fn carried(&self) -> usize {
        (self.taps.len() - 1) * self.dilation * self.inputs()
    }
}

/// A network of convolutions as it serves.
pub(super) struct Tcn {
    layers: Vec<Layer>,
    line: Option<Matrix>,
    out: Matrix,
    bias: Vec<f32>,
    activation: Activation,
}

impl Tcn {
    /// From `(kernel [channels, inputs, rows], bias, dilation)` of each layer, an optional straight line from the newest row, and
    /// weight and bias of the output.
    pub(super) fn new<'a>(
        layers: impl Iterator<Item = (&'a Tensor, &'a Tensor, usize)>,
        activation: Activation,
        line: Option<&Tensor>,
        out: (&Tensor, &Tensor),
    ) -> Result<Self> {
        let layers =
            layers.map(|(kernel, bias, dilation)| Layer::new(kernel, bias, dilation)).collect::<Result<Vec<_>>>()?;
        if layers.is_empty() {
            bail!("a network without convolutions");
        }
        let line = line.map(Matrix::new).transpose()?;
        Ok(Self { layers, line, out: Matrix::new(out.0)?, bias: out.1.to_vec1()?, activation })
    }
}

impl Net for Tcn {
    fn inputs(&self) -> usize {
        self.layers.first().map_or(1, Layer::inputs)
    }

    fn carried(&self) -> usize {
        self.layers.iter().map(Layer::carried).sum()
    }

    fn step(&self, rows: &[f32], carried: &mut [f32], work: &mut Work, logits: &mut Vec<f32>) {
        let (count, stride) = (rows.len() / self.inputs(), self.carried());
        let Work { now, next } = work;
        now.clear();
        now.extend_from_slice(rows);
        let mut place = 0;
        for layer in &self.layers {
            let inputs = layer.inputs();
            repeat(&layer.bias, count, next);
            for (n, tap) in layer.taps.iter().enumerate() {
                if n + 1 == layer.taps.len() {
                    tap.add_to(now, inputs, next);
                } else {
                    let past = carried.get(place + n * layer.dilation * inputs..).unwrap_or_default();
                    tap.add_to(past, stride, next);
                }
            }
            self.activation.apply(next);
            for (carried, newest) in carried.chunks_exact_mut(stride).zip(now.chunks_exact(inputs)) {
                let past = &mut carried[place..place + layer.carried()];
                past.rotate_left(inputs);
                let kept = past.len() - inputs;
                past[kept..].copy_from_slice(newest);
            }
            std::mem::swap(now, next);
            place += layer.carried();
        }
        repeat(&self.bias, count, logits);
        if let Some(line) = &self.line {
            line.add_to(rows, line.inputs, logits);
        }
        self.out.add_to(now, self.out.inputs, logits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sequences::{close, rows, tensors};

    /// The plain definition: dilated convolutions over a whole sequence, the newest output.
    fn by_convolution(tensors: &Tensors, rows: &Tensor) -> Tensor {
        let mut now = rows.t().unwrap().unsqueeze(0).unwrap().contiguous().unwrap();
        for (n, (weight, bias)) in layers(tensors).enumerate() {
            now = now.conv1d(weight, 0, 1, 1 << n, 1).unwrap();
            let bias = bias.reshape((1, bias.dim(0).unwrap(), 1)).unwrap();
            now = now.broadcast_add(&bias).unwrap().tanh().unwrap();
        }
        let last = now.dim(2).unwrap() - 1;
        let newest = now.narrow(2, last, 1).unwrap().squeeze(2).unwrap();
        let row = rows.narrow(0, rows.dim(0).unwrap() - 1, 1).unwrap();
        let line = row.matmul(&tensors["line.weight"].t().unwrap()).unwrap();
        let out = newest.matmul(&tensors["out.weight"].t().unwrap()).unwrap();
        (line + out).unwrap().broadcast_add(&tensors["out.bias"]).unwrap()
    }

    #[test]
    fn the_pairs_of_training_are_the_dilated_convolutions_and_see_the_window() {
        for window in [2, 16, 64] {
            let tensors = tensors(&ENTRY, 16, window);
            let rows = rows(window);
            let trained = forward(&tensors, &rows.unsqueeze(0).unwrap()).unwrap();
            close(&trained, &by_convolution(&tensors, &rows));
        }
    }
}
