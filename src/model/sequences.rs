//! Networks with memory, tested: a stream gives what the whole sequence gives, at every step.

use candle_core::{Device, Tensor};

use super::net::{Net, Work};
use super::weights::Tensors;
use super::{ARCHS, Arch, Sizes};
use crate::engine::features::FEATURE_COUNT;

const OUTPUTS: usize = 12;

/// A number between -0.5 and 0.5 that looks random.
fn number(place: usize) -> f32 {
    (place.wrapping_mul(2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5
}

fn filled(shape: Vec<usize>, salt: usize) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|n| number(n + salt * 7_919)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Weights that are not zero anywhere.
pub(super) fn tensors(arch: &Arch, units: usize, window: usize) -> Tensors {
    let sizes = Sizes { inputs: FEATURE_COUNT, outputs: OUTPUTS, units, window };
    let shapes = (arch.shapes)(sizes).into_iter().enumerate();
    shapes.map(|(salt, (name, shape))| (name, filled(shape, salt + 1))).collect()
}

/// A sequence of rows `[count, features]`.
pub(super) fn rows(count: usize) -> Tensor {
    (filled(vec![count, FEATURE_COUNT], 99) * 2.0).unwrap()
}

/// Both hold the same numbers up to rounding.
pub(super) fn close(a: &Tensor, b: &Tensor) {
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (a, b) = (flat(a), flat(b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{a} {b}");
    }
}

/// Logits after a sequence that begins with zeros.
fn whole(net: &dyn Net, rows: &[Vec<f32>]) -> Vec<f32> {
    let (mut carried, mut work, mut logits) = (vec![0.0; net.carried()], Work::default(), Vec::new());
    for row in rows {
        net.step(row, &mut carried, &mut work, &mut logits);
    }
    logits
}

/// The full window of a network is what its answer depends on: the last rows of it, or, where a recurrent state is carried, all
/// rows since the sequence began (nothing is ever cut off, and training's 16 rows are only what it learns from).
#[test]
fn a_stream_gives_what_the_whole_sequence_gives_at_every_step() {
    const STEPS: usize = 120;
    let (device, all) = (Device::Cpu, rows(STEPS).to_vec2::<f32>().unwrap());
    let sizes = ARCHS.iter().flat_map(|arch| [(arch, arch.units, arch.rows(None)), (arch, 23, arch.rows(Some(32)))]);
    for (arch, units, window) in sizes {
        let tensors = tensors(arch, units, window);
        let net = (arch.fused)(&tensors).unwrap();
        let (mut carried, mut work, mut logits) = (vec![0.0; net.carried()], Work::default(), Vec::new());
        for (n, row) in all.iter().enumerate() {
            net.step(row, &mut carried, &mut work, &mut logits);
            if n + 1 < window {
                continue;
            }
            let from = if arch.endless { 0 } else { n + 1 - window };
            let seen = &all[from..=n];
            assert_eq!(bits(&logits), bits(&whole(net.as_ref(), seen)), "{} at step {n}", arch.name);
            let batch = Tensor::from_vec(seen.concat(), (1, seen.len(), FEATURE_COUNT), &device).unwrap();
            let batch = if window == 1 { batch.squeeze(1).unwrap() } else { batch };
            let trained = (arch.forward)(&tensors, &batch).unwrap();
            close(&Tensor::from_vec(logits.clone(), (1, OUTPUTS), &device).unwrap(), &trained);
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn instruments_at_once_have_the_bits_of_each_alone() {
    const COUNT: usize = 7;
    let all = rows(COUNT * 40).to_vec2::<f32>().unwrap();
    for arch in ARCHS {
        let net = (arch.fused)(&tensors(arch, arch.units, arch.rows(None))).unwrap();
        let (mut carried, mut work, mut logits) = (vec![0.0; COUNT * net.carried()], Work::default(), Vec::new());
        for rows in all.chunks(COUNT) {
            net.step(&rows.concat(), &mut carried, &mut work, &mut logits);
        }
        for (n, logits) in logits.chunks(OUTPUTS).enumerate() {
            let own: Vec<Vec<f32>> = all.iter().skip(n).step_by(COUNT).cloned().collect();
            assert_eq!(bits(logits), bits(&whole(net.as_ref(), &own)), "{} of instrument {n}", arch.name);
        }
    }
}
