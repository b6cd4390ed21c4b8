//! From logits to probabilities: in 64 bits and with the bits of `libm`, so that every machine agrees, and many at once, because
//! this is most of what a small network costs.

#![allow(clippy::inline_always, reason = "what is not inlined into a dispatched pass does not get its registers")]

/// Up, flat, down from three logits.
pub(super) fn probabilities(logits: &[f32], temperature: f64) -> [f64; 3] {
    let mut three = [0.0; 3];
    let temperatures = [temperature; 3];
    write(logits, &temperatures, &mut three);
    three
}

/// The same of many: up, flat, down by row and horizon. `temperatures` holds one for every output of a row.
#[cfg(feature = "models")]
pub(super) fn of_rows(logits: &[f32], temperatures: &[f64], into: &mut Vec<f64>) {
    into.resize(logits.len(), 0.0);
    pulp::Arch::new().dispatch(Rows { logits, temperatures, into });
}

/// Rows to write by the widest registers that the machine has.
#[cfg(feature = "models")]
struct Rows<'a> {
    logits: &'a [f32],
    temperatures: &'a [f64],
    into: &'a mut [f64],
}

#[cfg(feature = "models")]
impl pulp::WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { logits, temperatures, into } = self;
        let outputs = temperatures.len().max(1);
        for (logits, row) in logits.chunks_exact(outputs).zip(into.chunks_exact_mut(outputs)) {
            write(logits, temperatures, row);
        }
    }
}

/// One row: threes of logits, each with its temperature.
#[inline(always)]
fn write(logits: &[f32], temperatures: &[f64], into: &mut [f64]) {
    for (logits, into) in logits.chunks_exact(3).zip(into.chunks_exact_mut(3)) {
        let top = logits.iter().fold(f32::NEG_INFINITY, |top, logit| top.max(*logit));
        for (below, logit) in into.iter_mut().zip(logits) {
            // What is not below the top is the top: the exponential of nothing is one.
            *below = if *logit < top { f64::from(logit - top) } else { 0.0 };
        }
    }
    for (value, temperature) in into.iter_mut().zip(temperatures) {
        *value = exp_of(*value / temperature);
    }
    for (three, logits) in into.chunks_exact_mut(3).zip(logits.chunks_exact(3)) {
        // What is no number has no probabilities.
        let sum: f64 = if logits.iter().all(|logit| logit.is_finite()) { three.iter().sum() } else { f64::NAN };
        for weight in three {
            *weight /= sum;
        }
    }
}

/// Two parts of the logarithm of two: the first times a whole number is exact.
const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
/// What the remainder's exponential is made of, the highest power first.
const SERIES: [f64; 5] = [
    4.138_136_797_057_238_5e-8,
    -1.653_390_220_546_525_2e-6,
    6.613_756_321_437_934e-5,
    -2.777_777_777_701_559_3e-3,
    1.666_666_666_666_660_2e-1,
];

/// `e` to the power of a number that is not above zero, to the last bit what `libm::exp` gives: the same reduction by powers of
/// two and the same polynomial, but chosen instead of branched to, so that several are computed at once.
#[inline(always)]
fn exp_of(x: f64) -> f64 {
    let high = (x.to_bits() >> 32) & 0x7fff_ffff;
    // How often ln 2 is taken off: not within half of it, once within one and a half.
    let many = (std::f64::consts::LOG2_E * x - 0.5).trunc();
    let few = if high > 0x3fd6_2e42 { -1.0 } else { 0.0 };
    let power = if high >= 0x3ff0_a2b2 { many } else { few };
    let (whole, rest) = (x - power * LN_2.0, power * LN_2.1);
    let reduced = whole - rest;
    let square = reduced * reduced;
    let [first, others @ ..] = SERIES;
    let polynomial = others.into_iter().fold(first, |sum, factor| factor + square * sum);
    let change = reduced - square * polynomial;
    let near = 1.0 + (reduced * change / (2.0 - change) - rest + whole);
    let near = if high > 0x3e30_0000 { near } else { 1.0 + x };
    // In two steps, for a power of two this small is no normal number.
    let first = if power > -969.0 { power } else { -969.0 };
    let far = near * two_to(first) * two_to(power - first);
    if x < -745.133_219_101_941_1 { 0.0 } else { far }
}

/// Two to a whole power, where that is a normal number.
#[inline(always)]
fn two_to(power: f64) -> f64 {
    // Beside two to the 52nd the lowest bits of a number are a whole number: here the exponent that is wanted.
    f64::from_bits((power + (1_023.0 + 4_503_599_627_370_496.0)).to_bits() << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_have_the_bits_of_the_library() {
        let same = |x: f64| assert_eq!(exp_of(x).to_bits(), libm::exp(x).to_bits(), "{x:?}");
        let edges = [
            0.0,
            -0.0,
            -1e-300,
            -3.7e-9,
            -3.8e-9,
            -0.346_57,
            -0.346_58,
            -1.039_7,
            -1.039_8,
            -708.3,
            -708.4,
            -709.1,
            -744.9,
            -745.13,
            -745.2,
            -1e4,
            -1e300,
            f64::NEG_INFINITY,
        ];
        for edge in edges {
            same(edge);
            // What lies right beside it, too.
            for n in 1..2_000 {
                same(f64::from_bits(edge.to_bits().wrapping_add(n)).min(0.0));
                same(f64::from_bits(edge.to_bits().wrapping_sub(n)).min(0.0));
            }
        }
        for n in 0..400_000 {
            same(-f64::from(n) / 537.0);
            same(-f64::from(n) / 1e6);
            same(-libm::exp(f64::from(n) / 8_000.0 - 40.0));
        }
    }

    /// As it is defined, one after the other.
    fn defined(logits: &[f32], temperature: f64) -> [f64; 3] {
        let top = logits.iter().fold(f32::NEG_INFINITY, |top, logit| top.max(*logit));
        let weight = |n: usize| libm::exp(f64::from(logits[n] - top) / temperature);
        let weights: [f64; 3] = std::array::from_fn(weight);
        weights.map(|weight| weight / weights.iter().sum::<f64>())
    }

    #[test]
    fn many_rows_at_once_have_the_bits_of_the_definition() {
        let temperatures = [0.98, 0.72, 0.69, 0.96, 3.0];
        let each: Vec<f64> = temperatures.iter().flat_map(|t| [*t; 3]).collect();
        for rows in [1, 2, 16, 33] {
            let logits: Vec<f32> =
                (0..rows * 15).map(|n| ((n * 37 % 101) as f32 - 50.0) / if n % 7 == 0 { 0.05 } else { 31.0 }).collect();
            let mut found = Vec::new();
            of_rows(&logits, &each, &mut found);
            for (n, (three, logits)) in found.chunks(3).zip(logits.chunks(3)).enumerate() {
                let expected = defined(logits, temperatures[n % 5]);
                let bits = |weights: &[f64]| weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(three), bits(&expected), "{n} of {rows} rows");
                assert_eq!(bits(&probabilities(logits, temperatures[n % 5])), bits(&expected));
            }
        }
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(probabilities(&[odd, 1.0, 1.0], 2.0).iter().all(|weight| weight.is_nan()), "{odd}");
        }
    }
}
