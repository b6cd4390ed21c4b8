//! A run under systemd (`Type=notify`): says when it is ready and when it stops, and beats for as long as the engine's own
//! thread does. An engine that stands still beats no more, and systemd acts on it (`WatchdogSec=`).

use std::time::Duration;

use sd_notify::NotifyState;

use super::pulse::{Life, Pulse};

/// Between two looks at the engine.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Starts telling, where systemd listens. systemd that does not take a message is none of the engine's business.
pub fn start(pulse: Pulse) -> std::io::Result<()> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(());
    }
    let patience = sd_notify::watchdog_enabled();
    std::thread::Builder::new().name("service".into()).spawn(move || {
        let mut ready = false;
        while pulse.life() == Life::Running {
            let age = pulse.age();
            if !ready && age.is_some() {
                ready = true;
                drop(sd_notify::notify(&[NotifyState::Ready]));
            }
            // A third of what systemd waits for: a beat that comes late once is no death.
            if patience.zip(age).is_some_and(|(patience, age)| age < patience / 3) {
                drop(sd_notify::notify(&[NotifyState::Watchdog]));
            }
            std::thread::sleep(patience.map_or(LOOK_EVERY, |patience| LOOK_EVERY.min(patience / 3)));
        }
        drop(sd_notify::notify(&[NotifyState::Stopping]));
    })?;
    Ok(())
}
