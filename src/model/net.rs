//! What a network is when it serves: plain slices on the calling thread.
//!
//! One fused pass over all instruments of a decision: no graph, no thread hand-off, additions in a fixed order, so the same rows
//! give the same logits on every machine and in every company. A network with memory takes one new row per decision and
//! carries a few numbers from row to row; it computes the same additions in the same order as a pass over all its rows, so
//! both give the same bits.

#![allow(clippy::inline_always, reason = "what is not inlined into a dispatched pass does not get its registers")]

use candle_core::{Result, Tensor, bail};
use pulp::Arch;

/// A network fused for serving.
pub trait Net: Send {
    /// Values of a row.
    fn inputs(&self) -> usize;
    /// How many numbers it carries from row to row of an instrument: 0 without memory.
    fn carried(&self) -> usize;
    /// Takes the next row of each of some instruments: `rows` and `carried` hold one after another, and so do the `logits`,
    /// which are replaced. What is carried begins as zeros.
    fn step(&self, rows: &[f32], carried: &mut [f32], work: &mut Work, logits: &mut Vec<f32>);
}

/// Buffers of a pass, kept so that nothing is allocated once they have grown.
#[derive(Default)]
pub struct Work {
    pub(super) now: Vec<f32>,
    pub(super) next: Vec<f32>,
}

/// The same values again and again: what sums begin with.
pub(super) fn repeat(values: &[f32], times: usize, into: &mut Vec<f32>) {
    into.clear();
    (0..times).for_each(|_| into.extend_from_slice(values));
}

/// A matrix, input-major: the weights of input 0 to every output first, so the inner loop runs over outputs.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    weight: Vec<f32>,
    arch: Arch,
}

impl Matrix {
    /// From a tensor `[outputs, inputs]`.
    pub(super) fn new(weight: &Tensor) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        if outputs == 0 || inputs == 0 {
            bail!("a matrix is empty");
        }
        let weight = weight.t()?.contiguous()?.flatten_all()?.to_vec1()?;
        Ok(Self { inputs, outputs, weight, arch: Arch::new() })
    }

    /// Adds the products with rows of `values`, each `stride` after the one before, to rows of `sums`. Every sum takes its parts
    /// in the order of the inputs, however many are kept at hand at once and however wide the registers are: products are rounded
    /// before they are added, on every machine.
    pub(super) fn add_to(&self, values: &[f32], stride: usize, sums: &mut [f32]) {
        match self.arch {
            // Registers of four: what is at hand must fit into sixteen of them.
            Arch::Scalar => self.add_rows::<32, 8>(values, stride, sums),
            #[allow(unreachable_patterns, reason = "on other processors there is nothing wider")]
            arch => arch.dispatch(|| self.add_rows::<64, 16>(values, stride, sums)),
        }
    }

    /// Four rows at a time, for each weight is loaded once for them, then one by one: `ONE` and `FOUR` outputs at once.
    #[inline(always)]
    fn add_rows<const ONE: usize, const FOUR: usize>(&self, values: &[f32], stride: usize, sums: &mut [f32]) {
        let row = |n: usize| values.get(n * stride..).and_then(|rest| rest.get(..self.inputs)).unwrap_or_default();
        let mut begun = 0;
        let mut fours = sums.chunks_exact_mut(4 * self.outputs);
        for four in &mut fours {
            let rows = [row(begun), row(begun + 1), row(begun + 2), row(begun + 3)];
            let start = self.four::<FOUR>(rows, 0, four);
            let start = self.four::<4>(rows, start, four);
            self.four::<1>(rows, start, four);
            begun += 4;
        }
        for one in fours.into_remainder().chunks_exact_mut(self.outputs) {
            let start = self.one::<ONE>(row(begun), 0, one);
            let start = self.one::<16>(row(begun), start, one);
            let start = self.one::<4>(row(begun), start, one);
            self.one::<1>(row(begun), start, one);
            begun += 1;
        }
    }

    /// The outputs of a row from `start` on, `N` at a time, whose sums stay in registers; says where it stopped.
    #[inline(always)]
    fn one<const N: usize>(&self, values: &[f32], mut start: usize, sums: &mut [f32]) -> usize {
        while let Some(sums) = sums.get_mut(start..).and_then(|sums| sums.first_chunk_mut::<N>()) {
            let mut at_hand = *sums;
            for (value, weights) in values.iter().zip(self.weight.chunks_exact(self.outputs)) {
                let Some(weights) = weights.get(start..).and_then(|weights| weights.first_chunk::<N>()) else { break };
                at_hand.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            *sums = at_hand;
            start += N;
        }
        start
    }

    /// The same of four rows.
    #[inline(always)]
    fn four<const N: usize>(&self, values: [&[f32]; 4], mut start: usize, sums: &mut [f32]) -> usize {
        let [p, q, r, s] = values;
        while start + N <= self.outputs {
            let (mut a, mut b, mut c, mut d) = ([0.0; N], [0.0; N], [0.0; N], [0.0; N]);
            for (hand, row) in [&mut a, &mut b, &mut c, &mut d].into_iter().zip(sums.chunks_exact(self.outputs)) {
                hand.copy_from_slice(&row[start..start + N]);
            }
            let inputs = p.iter().zip(q).zip(r).zip(s);
            for ((((p, q), r), s), weights) in inputs.zip(self.weight.chunks_exact(self.outputs)) {
                let Some(weights) = weights.get(start..).and_then(|weights| weights.first_chunk::<N>()) else { break };
                let sums = a.iter_mut().zip(&mut b).zip(&mut c).zip(&mut d);
                for ((((a, b), c), d), weight) in sums.zip(weights) {
                    *a += p * weight;
                    *b += q * weight;
                    *c += r * weight;
                    *d += s * weight;
                }
            }
            for (hand, row) in [&a, &b, &c, &d].into_iter().zip(sums.chunks_exact_mut(self.outputs)) {
                row[start..start + N].copy_from_slice(hand);
            }
            start += N;
        }
        start
    }
}

/// What stands between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// Nothing: the layer's outputs are logits.
    None,
    /// `tanh`, which keeps the mirror symmetry of the inputs within reach.
    Tanh,
    /// Nothing below zero: what other people's networks use.
    Relu,
}

impl Activation {
    pub(super) fn apply(self, values: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Tanh => Arch::new().dispatch(|| values.iter_mut().for_each(|value| *value = tanh_of(*value))),
            Self::Relu => values.iter_mut().for_each(|value| *value = value.max(0.0)),
        }
    }
}

/// The logistic function, the same bits on every machine.
#[inline(always)]
pub(super) fn sigmoid(value: f32) -> f32 {
    0.5 + 0.5 * tanh_of(0.5 * value)
}

/// A quotient of polynomials, within 5e-7 of `tanh`: many at once by plain additions and multiplications, where a call of a library
/// for each would be half of a network's time.
#[inline(always)]
pub(super) fn tanh_of(value: f32) -> f32 {
    // Beyond, it is 1 to the last bit but one.
    let x = value.clamp(-7.905_311, 7.905_311);
    let square = x * x;
    let above = [2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_524_6e-3]
        .into_iter()
        .fold(-2.760_768_5e-16, |sum, factor| sum * square + factor);
    let below = [1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3]
        .into_iter()
        .fold(1.198_258_4e-6, |sum, factor| sum * square + factor);
    x * above / below
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn tanh_and_the_logistic_function_are_within_what_is_said() {
        for n in -120_000..=120_000 {
            let x = n as f32 / 10_000.0;
            let exact = f64::from(x).tanh();
            assert!((f64::from(tanh_of(x)) - exact).abs() < 5e-7, "{x}");
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - exact).abs() < 5e-7, "{x}");
        }
        assert!(tanh_of(f32::MAX) <= 1.0 && tanh_of(-1e30) >= -1.0 && tanh_of(f32::NAN).is_nan());
        assert_eq!(tanh_of(0.0).to_bits(), 0);
    }

    fn bits(sums: &[f32]) -> Vec<u32> {
        sums.iter().map(|sum| sum.to_bits()).collect()
    }

    #[test]
    fn many_at_once_by_wide_registers_have_the_bits_of_each_alone() {
        let mut values: Vec<f32> = (-500..500).map(|n| n as f32 / 47.0).collect();
        let expected: Vec<f32> = values.iter().map(|value| tanh_of(*value)).collect();
        Activation::Tanh.apply(&mut values);
        assert_eq!(bits(&values), bits(&expected));
    }

    /// By the definition, one row and one output after the other: the same bits, whatever is summed at once and whatever the
    /// machine's registers are.
    #[test]
    fn products_have_the_bits_of_their_definition() {
        for (outputs, inputs) in [(1, 1), (3, 5), (12, 36), (16, 16), (23, 7), (48, 36), (192, 64), (71, 40)] {
            for (rows, stride) in [(1, inputs), (4, inputs + 3), (7, inputs)] {
                let weights: Vec<f32> = (0..outputs * inputs).map(|n| ((n * 37 % 101) as f32 - 50.0) / 31.0).collect();
                let values: Vec<f32> = (0..rows * stride).map(|n| (n as f32).sin()).collect();
                let tensor = Tensor::from_vec(weights.clone(), (outputs, inputs), &Device::Cpu).unwrap();
                let begin: Vec<f32> = (0..rows * outputs).map(|n| n as f32 / 7.0).collect();
                let mut expected = begin.clone();
                for (sums, values) in expected.chunks_mut(outputs).zip(values.chunks(stride)) {
                    for (sum, weights) in sums.iter_mut().zip(weights.chunks(inputs)) {
                        for (value, weight) in values.iter().zip(weights) {
                            *sum += value * weight;
                        }
                    }
                }
                let matrix = Matrix::new(&tensor).unwrap();
                let (mut wide, mut narrow) = (begin.clone(), begin);
                matrix.add_to(&values, stride, &mut wide);
                matrix.add_rows::<32, 8>(&values, stride, &mut narrow);
                assert_eq!(bits(&wide), bits(&expected), "{rows} of {outputs} x {inputs}");
                assert_eq!(bits(&narrow), bits(&expected), "{rows} of {outputs} x {inputs}, narrow");
            }
        }
    }
}
