//! Exponential fading in event time: one `exp` per event serves every time constant.

use crate::engine::time::Span;

/// A time constant. Each is twice the next, so all factors follow from the longest by squaring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tau {
    /// 64 s.
    S64,
    /// 32 s.
    S32,
    /// 16 s.
    S16,
    /// 8 s.
    S8,
    /// 4 s.
    S4,
    /// 2 s.
    S2,
    /// 1 s.
    S1,
    /// 0.5 s.
    Ms500,
    /// 0.25 s.
    Ms250,
}

/// Number of time constants.
const TAUS: usize = 9;

impl Tau {
    /// The constant in seconds.
    pub(super) fn secs(self) -> f64 {
        64.0 / f64::from(1_u32 << (self as u32))
    }
}

/// What a quantity keeps of itself over a span of time, for every [`Tau`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Fade([f64; TAUS]);

impl Fade {
    /// Factors `e^(-span/tau)`; a span that is not positive fades nothing.
    pub(super) fn over(span: Span) -> Self {
        if span.0 <= 0 {
            return Self([1.0; TAUS]);
        }
        let mut factor = libm::exp(-span.as_secs_f64() / 64.0);
        let mut factors = [0.0; TAUS];
        for slot in &mut factors {
            *slot = factor;
            factor *= factor;
        }
        Self(factors)
    }

    /// The factor of one time constant.
    pub(super) const fn of(&self, tau: Tau) -> f64 {
        self.0[tau as usize]
    }
}

/// A sum in which every part fades with its age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fading {
    tau: Tau,
    value: f64,
}

impl Fading {
    pub(super) const fn new(tau: Tau) -> Self {
        Self { tau, value: 0.0 }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        self.value *= fade.of(self.tau);
    }
    pub(super) fn add(&mut self, amount: f64) {
        self.value += amount;
    }
    /// The sum after a further fade, left as it is.
    pub(super) fn read(&self, fade: &Fade) -> f64 {
        self.value * fade.of(self.tau)
    }
    /// The same as a rate per second.
    pub(super) fn rate(&self, fade: &Fade) -> f64 {
        self.read(fade) / self.tau.secs()
    }
}

/// A time-weighted average of a value that holds until it is set again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Average {
    tau: Tau,
    /// Average and the value in force; `None` until the first is set.
    state: Option<(f64, f64)>,
}

impl Average {
    pub(super) const fn new(tau: Tau) -> Self {
        Self { tau, state: None }
    }
    pub(super) fn pass(&mut self, fade: &Fade) {
        if let Some((average, held)) = &mut self.state {
            *average = *held + (*average - *held) * fade.of(self.tau);
        }
    }
    pub(super) fn set(&mut self, value: f64) {
        let average = self.state.map_or(value, |(average, _)| average);
        self.state = Some((average, value));
    }
    /// The average after a further fade; zero before the first value.
    pub(super) fn read(&self, fade: &Fade) -> f64 {
        self.state.map_or(0.0, |(average, held)| held + (average - held) * fade.of(self.tau))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squaring_gives_the_factor_of_every_constant() {
        let fade = Fade::over(Span::from_ms(300));
        for tau in [Tau::S64, Tau::S32, Tau::S16, Tau::S8, Tau::S4, Tau::S2, Tau::S1, Tau::Ms500, Tau::Ms250] {
            let direct = libm::exp(-0.3 / tau.secs());
            assert!((fade.of(tau) - direct).abs() < 1e-12, "{tau:?}");
        }
        assert!((Tau::Ms250.secs() - 0.25).abs() < 1e-15 && (Tau::S1.secs() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn averages_weigh_by_time_and_reading_changes_nothing() {
        let mut average = Average::new(Tau::S1);
        assert!(average.read(&Fade::over(Span::from_secs(1))).abs() < 1e-15);
        average.set(2.0);
        average.pass(&Fade::over(Span::from_secs(5)));
        average.set(0.0);
        let second = Fade::over(Span::from_secs(1));
        let read = average.read(&second);
        assert!((read - 2.0 * libm::exp(-1.0)).abs() < 1e-12);
        average.pass(&second);
        assert_eq!(average.read(&Fade::over(Span(0))).to_bits(), read.to_bits());
    }
}
