//! Networks with memory, tested: a stream gives what the whole sequence gives, at every step.

use candle_core::{Device, Tensor};

use super::net::{Net, Work};
use super::weights::Tensors;
use super::{ARCHS, Arch};
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
pub(super) fn tensors(arch: &Arch) -> Tensors {
    let shapes = (arch.shapes)(FEATURE_COUNT, OUTPUTS).into_iter().enumerate();
    shapes.map(|(salt, (name, shape))| (name.to_owned(), filled(shape, salt + 1))).collect()
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

#[test]
fn a_stream_gives_what_the_whole_sequence_gives_at_every_step() {
    const STEPS: usize = 120;
    let (device, all) = (Device::Cpu, rows(STEPS).to_vec2::<f32>().unwrap());
    for arch in ARCHS {
        let tensors = tensors(arch);
        let net = (arch.fused)(&tensors).unwrap();
        let (mut carried, mut work, mut logits) = (vec![0.0; net.carried()], Work::default(), Vec::new());
        for (n, row) in all.iter().enumerate() {
            net.step(row, &mut carried, &mut work, &mut logits);
            if n + 1 < arch.window {
                continue;
            }
            // A recurrent state reaches back to its beginning, everything else to the window's.
            let from = if arch.name == "gru" { 0 } else { n + 1 - arch.window };
            let seen = &all[from..=n];
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&logits), bits(&whole(net.as_ref(), seen)), "{} at step {n}", arch.name);
            let batch = Tensor::from_vec(seen.concat(), (1, seen.len(), FEATURE_COUNT), &device).unwrap();
            let batch = if arch.window == 1 { batch.squeeze(1).unwrap() } else { batch };
            let trained = (arch.forward)(&tensors, &batch).unwrap();
            close(&Tensor::from_vec(logits.clone(), (1, OUTPUTS), &device).unwrap(), &trained);
        }
    }
}
