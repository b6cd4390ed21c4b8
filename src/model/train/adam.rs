//! The optimiser: Adam with moments that can be written down, so that a fit goes on exactly where it was left.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

/// How long the mean gradient remembers.
const KEEP_MEAN: f64 = 0.9;
/// How long the mean squared gradient remembers.
const KEEP_SQUARE: f64 = 0.999;
/// Keeps a division from exploding.
const EPSILON: f64 = 1e-8;

/// One weight tensor with its moments.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) var: Var,
    pub(super) mean: Tensor,
    pub(super) square: Tensor,
}

impl Slot {
    /// Nothing learned yet.
    pub(super) fn new(name: String, var: Var) -> Result<Self> {
        let (mean, square) = (var.zeros_like()?, var.zeros_like()?);
        Ok(Self { name, var, mean, square })
    }

    /// One step at a learning rate; `step` counts from 1.
    fn learn(&mut self, gradient: &Tensor, rate: f64, step: i32) -> Result<()> {
        self.mean = ((&self.mean * KEEP_MEAN)? + (gradient * (1.0 - KEEP_MEAN))?)?.detach();
        self.square = ((&self.square * KEEP_SQUARE)? + (gradient.sqr()? * (1.0 - KEEP_SQUARE))?)?.detach();
        let mean = (&self.mean / (1.0 - KEEP_MEAN.powi(step)))?;
        let root = ((&self.square / (1.0 - KEEP_SQUARE.powi(step)))?.sqrt()? + EPSILON)?;
        self.var.set(&(self.var.as_tensor() - ((mean / root)? * rate)?)?.detach())
    }
}

/// One step of all tensors.
pub(super) fn step(slots: &mut [Slot], gradients: &GradStore, rate: f64, step: i32) -> Result<()> {
    for slot in slots {
        if let Some(gradient) = gradients.get(slot.var.as_tensor()) {
            slot.learn(&gradient.clone(), rate, step)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_parabola_is_descended() {
        let var = Var::from_tensor(&Tensor::new(&[3.0_f32, -2.0], &Device::Cpu).unwrap()).unwrap();
        let mut slots = [Slot::new("x".to_owned(), var).unwrap()];
        for n in 1..=300 {
            let loss = slots[0].var.sqr().unwrap().sum_all().unwrap();
            step(&mut slots, &loss.backward().unwrap(), 0.05, n).unwrap();
        }
        let left = slots[0].var.to_vec1::<f32>().unwrap();
        assert!(left.iter().all(|value| value.abs() < 0.01), "{left:?}");
    }
}
