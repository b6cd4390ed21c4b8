//! Multinomial logistic regression: one dense layer from features to the classes of every horizon.

use candle_core::{Result, Tensor};

use super::dense::Stack;
use super::net::{Activation, Net};
use super::weights::{Shapes, Tensors, tensor};
use super::{Arch, Sizes};

/// Registry row.
pub(super) const ENTRY: Arch = Arch {
    name: "logistic",
    about: "logistic regression: one weight per feature, class and horizon",
    units: 0,
    window: 1,
    endless: false,
    shapes,
    forward,
    fused,
};

fn shapes(sizes: Sizes) -> Shapes {
    let Sizes { inputs, outputs, .. } = sizes;
    vec![("out.weight".into(), vec![outputs, inputs]), ("out.bias".into(), vec![outputs])]
}

fn forward(tensors: &Tensors, batch: &Tensor) -> Result<Tensor> {
    batch.matmul(&tensor(tensors, "out.weight")?.t()?)?.broadcast_add(tensor(tensors, "out.bias")?)
}

fn fused(tensors: &Tensors) -> Result<Box<dyn Net>> {
    let out = (tensor(tensors, "out.weight")?, tensor(tensors, "out.bias")?, Activation::None);
    Ok(Box::new(Stack::new(&[out])?))
}
