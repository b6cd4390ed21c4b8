//! A multilayer perceptron: one hidden layer between features and classes.

use candle_core::{Result, Tensor};

use super::dense::Stack;
use super::net::{Activation, Net};
use super::weights::{Shapes, Tensors, tensor};
use super::{Arch, Sizes};

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "mlp",
    about: "multilayer perceptron: one hidden layer, tanh",
    // More only learned the noise of the data at hand.
    units: 32,
    window: 1,
    endless: false,
    shapes,
    forward,
    fused,
};

fn shapes(sizes: Sizes) -> Shapes {
    let Sizes { inputs, outputs, units, .. } = sizes;
    vec![
        ("hidden.weight".into(), vec![units, inputs]),
        ("hidden.bias".into(), vec![units]),
        ("out.weight".into(), vec![outputs, units]),
        ("out.bias".into(), vec![outputs]),
    ]
}

fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    let hidden = batch.matmul(&tensor(tensors, "hidden.weight")?.t()?)?;
    let hidden = hidden.broadcast_add(tensor(tensors, "hidden.bias")?)?.tanh()?;
    hidden.matmul(&tensor(tensors, "out.weight")?.t()?)?.broadcast_add(tensor(tensors, "out.bias")?)
}

fn fused(tensors: &Tensors) -> Result<Box<dyn Net>> {
    let hidden = (tensor(tensors, "hidden.weight")?, tensor(tensors, "hidden.bias")?, Activation::Tanh);
    let out = (tensor(tensors, "out.weight")?, tensor(tensors, "out.bias")?, Activation::None);
    Ok(Box::new(Stack::new(&[hidden, out])?))
}
