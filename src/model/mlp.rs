//! A multilayer perceptron: one hidden layer of 32 between features and classes.

use candle_core::{Result, Tensor};

use super::Arch;
use super::dense::{Activation, Stack};
use super::net::Net;
use super::weights::{Shapes, Tensors, tensor};

/// Units of the hidden layer: more only learned the noise of the data at hand.
const HIDDEN: usize = 32;

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "mlp",
    about: "multilayer perceptron: one hidden layer of 32, tanh",
    window: 1,
    shapes,
    forward,
    fused,
};

fn shapes(inputs: usize, outputs: usize) -> Shapes {
    vec![
        ("hidden.weight", vec![HIDDEN, inputs]),
        ("hidden.bias", vec![HIDDEN]),
        ("out.weight", vec![outputs, HIDDEN]),
        ("out.bias", vec![outputs]),
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
