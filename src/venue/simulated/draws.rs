//! Seeded random draws. Only `libm` and IEEE arithmetic, so a seed gives the same bits on every x86-64.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// One stream of random numbers.
pub(super) struct Draws {
    rng: Xoshiro256PlusPlus,
    spare: Option<f64>,
}

impl Draws {
    /// The stream number `stream` of a market seeded with `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mixed = seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(mixed), spare: None }
    }
    /// Uniform in the open interval (0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        ((self.rng.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }
    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }
    /// Exponential with mean one.
    pub(super) fn exponential(&mut self) -> f64 {
        -libm::log(self.unit())
    }
    /// +1 or -1.
    pub(super) fn sign(&mut self) -> f64 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }
    /// Standard normal, by the polar method.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (a, b) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let r = a * a + b * b;
            if r < 1.0 && r > 0.0 {
                let scale = (-2.0 * libm::log(r) / r).sqrt();
                self.spare = Some(b * scale);
                return a * scale;
            }
        }
    }
    /// A quantity that reverts to zero with time constant `tau` (s) and stationary deviation `sd`, `dt` seconds on.
    pub(super) fn revert(&mut self, value: f64, dt: f64, tau: f64, sd: f64) -> f64 {
        let keep = libm::exp(-dt / tau);
        value * keep + (1.0 - keep * keep).sqrt() * sd * self.normal()
    }
}
