//! Features that have not seen enough history give no signal: the person is told when that begins again, and for how long.

use super::Engine;
use super::desk::Desk;
use super::effect::Effects;
use super::notice::{Kind, Level};
use super::pending::About;
use super::settings::Ensemble;
use super::time::Span;

/// Instruments that are named; more are counted.
const NAMED_MAX: usize = 3;

impl Engine {
    /// Until features of this instrument are warm that a model which decides is asked about; `None` when they are, or where
    /// there is no such model.
    pub(super) fn warming(&self, desk: &Desk) -> Option<Span> {
        let deciding = self.models.iter().zip(&desk.shadows).filter(|(_, is_shadow)| !**is_shadow);
        let left = deciding.map(|(model, _)| desk.features.warm_in(self.now, model.reads));
        // Where all must agree, all must be warm.
        let left = match self.settings.ensemble {
            Ensemble::Mean => left.min(),
            Ensemble::Agree => left.max(),
        };
        left.filter(|left| *left > Span(0))
    }

    /// `for about 42 s: BTCUSDT, ETHUSDT warming up`; `None` when every instrument is warm.
    pub(super) fn warming_words(&self) -> Option<String> {
        let cold: Vec<(&str, Span)> =
            self.desks.iter().filter_map(|desk| Some((desk.instrument.name.as_str(), self.warming(desk)?))).collect();
        let longest = cold.iter().map(|(_, left)| *left).max()?;
        let names: Vec<&str> = cold.iter().map(|(name, _)| *name).collect();
        let lapses = if longest > self.settings.arm_for { ", longer than arming lasts" } else { "" };
        Some(format!("for about {}: {} warming up{lapses}", lasting(longest), named(&names)))
    }

    /// Runs at every decision boundary: says that windows had to begin again, and when they are full.
    pub(super) fn watch_warm_up(&mut self, out: &mut Effects) {
        let mut gaps: Vec<(String, Span)> = Vec::new();
        for desk in &mut self.desks {
            if let Some(gap) = desk.features.take_gap() {
                gaps.push((desk.instrument.name.clone(), gap));
            }
        }
        if self.models.is_empty() {
            return;
        }
        let left = self.desks.iter().filter_map(|desk| self.warming(desk)).max();
        if let (Some(longest), Some(left)) = (gaps.iter().map(|(_, gap)| *gap).max(), left) {
            let names: Vec<&str> = gaps.iter().map(|(name, _)| name.as_str()).collect();
            let text = format!(
                "features warm up again, about {} without a signal: gap of {} s in {}",
                lasting(left),
                seconds(longest),
                named(&names)
            );
            self.pending.settle(|about| *about == About::WarmUp);
            self.warn(Kind::Signal, None, text, About::WarmUp, out);
            self.warming_told = true;
        } else if self.warming_told && left.is_none() {
            self.warming_told = false;
            self.pending.settle(|about| *about == About::WarmUp);
            self.tell(Level::Info, Kind::Signal, None, "features are warm again: signals go on".into(), out);
        }
    }
}

/// `42 s`, and from two minutes on `31 min`, rounded up.
fn lasting(span: Span) -> String {
    match seconds(span) {
        short @ ..120 => format!("{short} s"),
        long => format!("{} min", (long + 59) / 60),
    }
}

/// Whole seconds, rounded up: nobody is told that it takes 0 s.
const fn seconds(span: Span) -> i64 {
    (span.0 + 999_999_999) / 1_000_000_000
}

/// `BTCUSDT, ETHUSDT, SOLUSDT and 37 more`.
fn named(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
