//! What watches a run from outside, as configured: its log, metrics for Prometheus, alerts, and Telegram's remote control. What cannot be had is told and stops no
//! run; a channel that is broken stands in the checklist before arming.

use std::sync::Arc;
use std::time::Duration;

use super::output::note;
use super::runs::Place;
use crate::alerts::{Look, Plan, Service, Voice, Watcher};
use crate::engine::ids::Pair;
use crate::engine::notice::Level;
use crate::engine::time::Span;
use crate::metrics::{Reading, Server, Tally};
use crate::run::clock::wall;
use crate::run::log::Keeping;
use crate::run::remote;
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
    pub fn start(place: &Place, session: &mut Session, pair: Pair) -> Self {
        log(place, session, pair);
        let alerts = alerts(place, session);
        listen_to_telegram(place, session);
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

fn log(place: &Place, session: &mut Session, pair: Pair) {
    let config = &place.loaded.config.log;
    let level = match config.level.as_str() {
        "off" => return,
        "warn" => Level::Warn,
        "alarm" => Level::Alarm,
        _ => Level::Info,
    };
    let name = pair.name();
    let json = config.format != "pretty";
    let path = place.files.data_dir().join("logs").join(format!("{name}.{}", if json { "jsonl" } else { "log" }));
    let keeping = Keeping { path, bytes_max: u64::from(config.max_mib) << 20, files: config.files, level, json };
    if let Err(error) = session.stage.log.open(&keeping) {
        session.troubles.push(format!("no log is written: {error}"));
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
        settings: config.alerts.settings.clone(),
        loudness: config.alerts.loudness(),
        watcher: Watcher::new(config.alerts.silence_times, config.decision_interval, digest_after_midnight),
        look: Box::new(move || look(watch.reading())),
        now: Arc::new(wall),
        light: session.stage.alerts.clone(),
        bells: session.stage.bells.clone(),
    };
    let started = Service::start(plan);
    started.map_err(|error| session.troubles.push(format!("NO ALERTS: no thread can be had: {error}"))).ok()
}

fn listen_to_telegram(place: &Place, session: &mut Session) {
    let settings = place.loaded.config.alerts.settings.clone();
    if settings.telegram_control.is_empty() {
        return;
    }
    let (watch, light) = (session.stage.watch.clone(), session.stage.alerts.clone());
    let plan = remote::Plan { settings, watch, light, data_dir: place.files.data_dir().to_owned() };
    if let Err(error) = remote::start(plan) {
        session.troubles.push(format!("NO REMOTE CONTROL: no thread can be had: {error}"));
    }
}

fn voices(tally: &Tally) -> Vec<Voice> {
    let voice = |(model, newest, since): (&str, _, _)| Voice { model: model.to_owned(), newest, since };
    tally.answers().map(voice).collect()
}

/// What the alerts see of a reading.
fn look(reading: Reading) -> Look {
    let tally = reading.tally.as_deref();
    Look {
        at: wall(),
        heartbeat: reading.heartbeat.map(|age| Span(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX))),
        reconnects: reading.streams.iter().map(|(_, _, lost)| *lost).sum(),
        unresolved: tally.map_or(0, |tally| tally.unresolved),
        models: tally.map(voices).unwrap_or_default(),
        snapshot: reading.snapshot,
    }
}
