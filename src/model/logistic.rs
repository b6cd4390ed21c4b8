//! Multinomial logistic regression: one dense layer from features to the classes of every horizon.

use candle_core::{Result, Tensor};

use super::Arch;
use super::dense::{Activation, Stack};
use super::net::Net;
use super::weights::{Shapes, Tensors, tensor};

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "logistic",
    about: "logistic regression: one weight per feature, class and horizon",
    window: 1,
    shapes,
    forward,
    fused,
};

fn shapes(inputs: usize, outputs: usize) -> Shapes {
    vec![("out.weight", vec![outputs, inputs]), ("out.bias", vec![outputs])]
}

fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    batch.matmul(&tensor(tensors, "out.weight")?.t()?)?.broadcast_add(tensor(tensors, "out.bias")?)
}

fn fused(tensors: &Tensors) -> Result<Box<dyn Net>> {
    let out = (tensor(tensors, "out.weight")?, tensor(tensors, "out.bias")?, Activation::None);
    Ok(Box::new(Stack::new(&[out])?))
}
