//! What watches a run from outside, as configured: metrics for Prometheus, and alerts. What cannot be had is told and stops no
//! run; a channel that is broken stands in the checklist before arming.

use std::sync::Arc;
use std::time::Duration;

use super::output::note;
use super::runs::Place;
use crate::alerts::{Look, Plan, Service, Watcher};
use crate::engine::time::Span;
use crate::metrics::{Reading, Server};
use crate::run::clock::wall;
use crate::run::session::Session;

/// How long the last words of a run may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Held for as long as the run goes on.
pub(super) struct Watching {
    _metrics: Option<Server>,
    alerts: Option<Service>,
}

impl Watching {
    /// Begins to watch. Call it before the session runs.
    pub fn start(place: &Place, session: &mut Session) -> Self {
        let alerts = alerts(place, session);
        Self { _metrics: metrics(place, session, alerts.as_ref()), alerts }
    }
}

/// The run is over, however it ended.
impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(alerts) = self.alerts.take() {
            alerts.finish("the run ended: nothing of tickdeck's looks after the account any more", LAST_WORDS);
        }
    }
}

fn metrics(place: &Place, session: &mut Session, alerts: Option<&Service>) -> Option<Server> {
    let listen = place.loaded.config.metrics.listen?;
    let watch = session.stage.watch.clone();
    let counts = alerts.map(Service::counts);
    let read =
        move || Reading { alerts: counts.as_ref().map(|counts| counts()).unwrap_or_default(), ..watch.reading() };
    match Server::start(listen, Arc::new(read)) {
        Ok(server) => {
            if !session.screen {
                note(&format!("metrics at http://{}/metrics", server.address()));
            }
            Some(server)
        }
        Err(error) => {
            session.troubles.push(format!("no metrics: metrics.listen {listen} cannot be had: {error}"));
            None
        }
    }
}

fn alerts(place: &Place, session: &mut Session) -> Option<Service> {
    let config = &place.loaded.config;
    if config.alerts.channels.is_empty() {
        return None;
    }
    let (digest_after_midnight, _) = config.alerts.digest_at.after_midnight_utc(wall());
    let watch = session.stage.watch.clone();
    let plan = Plan {
        channels: config.alerts.channels.clone(),
        settings: config.alerts.settings(),
        loudness: config.alerts.loudness(),
        watcher: Watcher::new(config.alerts.silence_times, config.decision_interval, digest_after_midnight),
        look: Box::new(move || look(watch.reading())),
        now: Arc::new(wall),
        light: session.stage.alerts.clone(),
    };
    let started = Service::start(plan);
    started.map_err(|error| session.troubles.push(format!("NO ALERTS: no thread can be had: {error}"))).ok()
}

/// What the alerts see of a reading.
fn look(reading: Reading) -> Look {
    let tally = reading.tally.as_deref();
    Look {
        at: wall(),
        heartbeat: reading.heartbeat.map(|age| Span(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX))),
        reconnects: tally.map_or(0, |tally| tally.reconnects),
        unresolved: tally.map_or(0, |tally| tally.unresolved),
        forecast: tally.and_then(crate::metrics::Tally::newest_forecast),
        snapshot: reading.snapshot,
    }
}
