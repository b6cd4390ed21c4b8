//! A run under systemd (`Type=notify`): says when it is ready and when it stops, and beats for as long as the engine's own
//! thread does, or somebody does what must not be cut short: a guardian that closes, the first step of a kill, an orderly end.
//! An engine that stands still while nothing of that is under way beats no more, and systemd acts on it (`WatchdogSec=`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

use super::guardian::Report;
use super::pulse::{Life, Pulse};
use crate::gate::Gate;

/// Between two looks at the engine.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is under way gets so much more time with every look, in microseconds.
const LONGER: u32 = 30_000_000;

/// What systemd is told of.
pub struct Signs {
    /// The engine's signs of life.
    pub pulse: Pulse,
    /// What the guardian does.
    pub guardian: Report,
    /// What it was asked.
    pub gate: Gate,
}

/// What there is to say at a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    /// The engine's thread turns.
    Beats,
    /// It may not, but what is under way must not be cut short.
    Works,
    /// Neither.
    Nothing,
}

/// Knows whether systemd was told of the end: once, by whoever sees it first.
#[derive(Clone, Default)]
pub struct Service(Arc<AtomicBool>);

impl Service {
    /// The run ends, or has ended.
    pub fn stops(&self) {
        if !self.0.swap(true, Ordering::SeqCst) {
            drop(sd_notify::notify(&[NotifyState::Stopping]));
        }
    }
}

/// Starts telling, where systemd listens. systemd that does not take a message is none of the engine's business.
pub fn start(signs: Signs) -> std::io::Result<Service> {
    let service = Service::default();
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        let (patience, told) = (sd_notify::watchdog_enabled(), service.clone());
        std::thread::Builder::new().name("service".into()).spawn(move || signs.tell(patience, &told))?;
    }
    Ok(service)
}

impl Signs {
    /// Until the process ends.
    fn tell(&self, patience: Option<Duration>, service: &Service) {
        let mut ready = false;
        loop {
            let (life, age) = (self.pulse.life(), self.pulse.age());
            if !ready && age.is_some() {
                ready = true;
                drop(sd_notify::notify(&[NotifyState::Ready]));
            }
            if life != Life::Running {
                service.stops();
            }
            match sign(life, patience.zip(age), self.is_at_work(life)) {
                Sign::Beats => drop(sd_notify::notify(&[NotifyState::Watchdog])),
                Sign::Works => {
                    drop(sd_notify::notify(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(LONGER)]));
                }
                Sign::Nothing => {}
            }
            std::thread::sleep(patience.map_or(LOOK_EVERY, |patience| LOOK_EVERY.min(patience / 3)));
        }
    }

    /// Does the guardian close, or cancel what can open?
    fn is_at_work(&self, life: Life) -> bool {
        let done = self.guardian.get();
        let owes_first_step = done.kills < self.gate.kills() || (life == Life::Dead && !done.death);
        done.has_venue && (done.closing || owes_first_step)
    }
}

/// `beat` is how long systemd waits and how old the engine's beat is.
fn sign(life: Life, beat: Option<(Duration, Duration)>, at_work: bool) -> Sign {
    // A third of what systemd waits for: a beat that comes late once is no death.
    let turns = life == Life::Running && beat.is_some_and(|(patience, age)| age < patience / 3);
    match (turns, at_work || life == Life::Leaving) {
        (_, true) => Sign::Works,
        (true, false) => Sign::Beats,
        (false, false) => Sign::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_stands_still_is_spared_only_while_something_is_under_way() {
        let seconds = Duration::from_secs;
        let (turns, still) = (Some((seconds(20), seconds(1))), Some((seconds(20), seconds(7))));
        for (life, beat, at_work, said) in [
            (Life::Running, turns, false, Sign::Beats),
            (Life::Running, still, false, Sign::Nothing),
            (Life::Running, still, true, Sign::Works),
            (Life::Running, None, false, Sign::Nothing),
            (Life::Leaving, still, false, Sign::Works),
            (Life::Dead, turns, true, Sign::Works),
            (Life::Dead, turns, false, Sign::Nothing),
        ] {
            assert_eq!(sign(life, beat, at_work), said, "{life:?} {beat:?} {at_work}");
        }
    }
}
