//! What watches a run from outside, as configured: metrics for Prometheus. What cannot be had is told and stops no run.

use super::output::note;
use super::runs::Place;
use crate::metrics::Server;
use crate::run::session::Session;

/// Held for as long as the run goes on.
pub(super) struct Watching {
    _metrics: Option<Server>,
}

impl Watching {
    /// Begins to watch. Call it before the session runs.
    pub fn start(place: &Place, session: &mut Session) -> Self {
        Self { _metrics: metrics(place, session) }
    }
}

fn metrics(place: &Place, session: &mut Session) -> Option<Server> {
    let listen = place.loaded.config.metrics.listen?;
    let watch = session.stage.watch.clone();
    match Server::start(listen, std::sync::Arc::new(move || watch.reading())) {
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
