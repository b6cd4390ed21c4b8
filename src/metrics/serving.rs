//! What `tickdeck serve` counts, and the page that shows it.

use super::tally::Histogram;
use super::text::{Kind, Metric, Page};
use crate::engine::time::Span;

/// Upper bounds of a request's time in the model, in seconds.
const TIMES: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

static REQUESTS: Metric = Metric {
    name: "tickdeck_serve_requests_total",
    kind: Kind::Counter,
    labels: &["model", "outcome"],
    help: "Requests for forecasts: answered, refused (they do not fit the model), failed.",
};
static ROWS: Metric = Metric {
    name: "tickdeck_serve_rows_total",
    kind: Kind::Counter,
    labels: &["model"],
    help: "Forecasts that were answered.",
};
static SECONDS: Metric = Metric {
    name: "tickdeck_serve_seconds",
    kind: Kind::Histogram,
    labels: &["model"],
    help: "Time of an answered request in the model, all its rows together.",
};
static TURNED_AWAY: Metric = Metric {
    name: "tickdeck_serve_turned_away_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Requests that reached no model: busy, unauthorised, unreadable.",
};

/// What became of the requests for one model.
#[derive(Clone, Debug)]
pub struct ServedModel {
    /// Its name.
    pub name: String,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that did not fit.
    pub refused: u64,
    /// Requests on which the model failed.
    pub failed: u64,
    /// Forecasts that were answered.
    pub rows: u64,
    /// Time in the model.
    pub took: Histogram,
}

impl ServedModel {
    /// Nothing yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), answered: 0, refused: 0, failed: 0, rows: 0, took: Histogram::new(TIMES) }
    }

    /// A request was answered with so many forecasts.
    pub fn answered(&mut self, rows: usize, took: Span) {
        self.answered += 1;
        self.rows += rows as u64;
        self.took.add(took);
    }
}

/// Requests that reached no model.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnedAway {
    /// Too many at once.
    pub busy: u64,
    /// Without the token.
    pub unauthorised: u64,
    /// Too large, broken off, or not of this protocol.
    pub unreadable: u64,
}

/// The page of one scrape.
pub fn serving_page(models: &[ServedModel], away: TurnedAway) -> String {
    let mut page = Page::default();
    let mut requests = page.family(&REQUESTS);
    for model in models {
        for (outcome, count) in [("answered", model.answered), ("refused", model.refused), ("failed", model.failed)] {
            requests.put(&[&model.name, outcome], Some(count));
        }
    }
    let mut rows = page.family(&ROWS);
    for model in models {
        rows.put(&[&model.name], Some(model.rows));
    }
    let mut seconds = page.family(&SECONDS);
    for model in models {
        seconds.put_histogram(&[&model.name], &model.took);
    }
    let mut turned = page.family(&TURNED_AWAY);
    for (reason, count) in [("busy", away.busy), ("unauthorised", away.unauthorised), ("unreadable", away.unreadable)] {
        turned.put(&[reason], Some(count));
    }
    page.into_text()
}
