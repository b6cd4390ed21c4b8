//! Networks without a card, as `PyTorch` saves them: our passes over other people's weights, to be measured beside their engines
//! (`benches/inference.rs`). Nothing that trades is loaded here.

use std::path::Path;

use candle_core::{Device, Result, Tensor, bail, safetensors};

use super::dense::Stack;
use super::gru::Gru;
use super::net::Activation;
pub use super::net::{Net, Work};
use super::tcn::Tcn;
use super::weights::{Tensors, tensor};

/// Opens a safetensors file of one of these: dense layers `l1`, `l2`, ...; dilated causal convolutions `c.0`, `c.1`, ... (each
/// with twice the dilation of the one before) and the dense layer `h`; gated recurrent units `g` and `h`. What is not recurrent
/// has nothing below zero after every layer but the last.
pub fn open(path: &Path) -> Result<Box<dyn Net>> {
    let tensors: Tensors = safetensors::load(path, &Device::Cpu)?.into_iter().collect();
    let layers = |name: fn(usize) -> String| -> Vec<(&Tensor, &Tensor)> {
        let both = |n| tensors.get(&format!("{}.weight", name(n))).zip(tensors.get(&format!("{}.bias", name(n))));
        (0..).map_while(both).collect()
    };
    let dense = layers(|n| format!("l{}", n + 1));
    if let Some(((weight, bias), before)) = dense.split_last() {
        let mut all: Vec<_> = before.iter().map(|(weight, bias)| (*weight, *bias, Activation::Relu)).collect();
        all.push((weight, bias, Activation::None));
        return Ok(Box::new(Stack::new(&all)?));
    }
    let out = (tensor(&tensors, "h.weight")?, tensor(&tensors, "h.bias")?);
    let convolutions = layers(|n| format!("c.{n}"));
    if !convolutions.is_empty() {
        let dilated = convolutions.iter().enumerate().map(|(n, (weight, bias))| (*weight, *bias, 1 << n));
        return Ok(Box::new(Tcn::new(dilated, Activation::Relu, None, out)?));
    }
    if tensors.contains_key("g.weight_hh_l0") {
        return Ok(Box::new(Gru::new(&tensors, "g", None, out)?));
    }
    bail!("no network that is known here")
}
