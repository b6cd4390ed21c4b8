//! What the screen shows of models and signals: a row per model and horizon, and what is known about their answers.

use super::Engine;
use super::desk::Desk;
use super::event::Prediction;
use super::num::Side;
use super::risk::verdict::DenialCode;
use super::signal::{Signal, signal, signal_of};
use super::snapshot::{Freshness, Record, SignalRow, TrustRow};
use super::strategy::threshold::edge_denial;
use super::trust::ranges::Distance;
use super::trust::score::Figures;

impl Engine {
    /// Rows of one instrument: every model at every horizon, the ensemble last.
    pub(super) fn signal_rows(&self, desk: &Desk) -> Vec<SignalRow> {
        let mut rows = Vec::new();
        for (place, model) in self.models.iter().enumerate() {
            for horizon_s in &model.horizons_s {
                rows.push(self.signal_row(desk, place, *horizon_s));
            }
        }
        if desk.deciding().count() > 1 {
            rows.push(self.ensemble_row(desk));
        } else if let Some(row) = rows.iter_mut().find(|row| row.horizon_s == self.settings.horizon_s && !row.shadow) {
            row.decides = true;
        }
        rows
    }

    /// What is known about every model on every instrument at the horizon that is traded on.
    pub(super) fn trust_rows(&self) -> Vec<TrustRow> {
        let horizon_s = self.settings.horizon_s;
        let of_desk = |desk: &Desk| {
            let symbol = desk.symbol;
            let row = |(place, model): (usize, &super::event::ModelInfo)| {
                let record = self.record(desk, place, horizon_s)?;
                Some(TrustRow { symbol, model: model.name.clone(), place: place as u8, horizon_s, record })
            };
            self.models.iter().enumerate().filter_map(row).collect::<Vec<_>>()
        };
        self.desks.iter().flat_map(of_desk).collect()
    }

    /// What is known about a model's answers on one instrument.
    pub(super) fn record(&self, desk: &Desk, model: usize, horizon_s: u32) -> Option<Record> {
        let trust = &desk.trust;
        let distance = trust.distance(model);
        let answered = desk.forecasts.get(model).and_then(Option::as_ref).map_or(self.now, |f| f.features_at);
        Some(Record {
            figures: trust.figures(model, horizon_s)?,
            benched: trust.bench(model, horizon_s).map(|(_, why)| why.clone()),
            drift: distance.and_then(|distance| distance.drift),
            strange: distance.filter(|distance| distance.is_strange()).map(Distance::words),
            steadiness: trust.steadiness(model, horizon_s, answered, self.now).unwrap_or_default(),
        })
    }

    fn signal_row(&self, desk: &Desk, model: usize, horizon_s: u32) -> SignalRow {
        let forecast = desk.forecasts.get(model).and_then(Option::as_ref);
        let age = forecast.map(|f| self.now.since(f.features_at));
        let one = forecast.and_then(|f: &Prediction| f.horizons.iter().find(|h| h.horizon_s == horizon_s));
        let probs = match (one, age) {
            (Some(h), Some(age)) if age <= self.settings.prediction_max_age => Freshness::Fresh((h.up, h.flat, h.down)),
            (Some(h), Some(age)) => Freshness::Stale { value: (h.up, h.flat, h.down), age },
            _ => Freshness::Missing,
        };
        let signal = signal_of(desk, &self.settings, model, horizon_s, self.now);
        let record = self.record(desk, model, horizon_s);
        let verdict = match desk.trust.denial(model, horizon_s) {
            _ if desk.is_shadow(model) => record.as_ref().map_or_else(String::new, |record| scored(&record.figures)),
            Some(denial) if denial.code == DenialCode::ModelBenched => {
                let bench = desk.trust.bench(model, horizon_s);
                format!("BENCHED {}", bench.map_or("", |(_, why)| why.as_str()))
            }
            Some(_) => format!("OUT OF RANGE {}", desk.trust.distance(model).map(Distance::words).unwrap_or_default()),
            None => self.signal_verdict(signal),
        };
        SignalRow {
            symbol: desk.symbol,
            model: self.models.get(model).map_or_else(String::new, |info| info.name.clone()),
            horizon_s,
            probs,
            move_bps: signal.map(|s| s.move_bps),
            edge_bps: signal.and_then(|s| s.edge_bps),
            cost_bps: signal.and_then(|s| s.cost_bps),
            age,
            decides: false,
            verdict,
            shadow: desk.is_shadow(model),
            record,
        }
    }

    fn ensemble_row(&self, desk: &Desk) -> SignalRow {
        let horizon_s = self.settings.horizon_s;
        let signal = signal(desk, &self.settings, horizon_s, self.now);
        let verdict = match &signal {
            Ok(signal) => self.signal_verdict(Some(*signal)),
            Err(denial) if denial.code == DenialCode::ModelsDisagree => "the models disagree".to_owned(),
            Err(denial) if denial.code >= DenialCode::ModelBenched => "no model is believed".to_owned(),
            Err(_) => self.signal_verdict(None),
        };
        let signal = signal.ok();
        SignalRow {
            symbol: desk.symbol,
            model: "ensemble".to_owned(),
            horizon_s,
            probs: signal.map_or(Freshness::Missing, |s| Freshness::Fresh((s.up, s.flat, s.down))),
            move_bps: signal.map(|s| s.move_bps),
            edge_bps: signal.and_then(|s| s.edge_bps),
            cost_bps: signal.and_then(|s| s.cost_bps),
            age: signal.map(|s| self.now.since(s.at)),
            decides: true,
            shadow: false,
            verdict,
            record: None,
        }
    }

    fn signal_verdict(&self, signal: Option<Signal>) -> String {
        let Some(signal) = signal else { return "no fresh forecast".into() };
        let word = if signal.side == Side::Buy { "LONG" } else { "SHORT" };
        if signal.prob < self.settings.min_prob {
            return format!("flat {:.2}<{:.2}", signal.prob, self.settings.min_prob);
        }
        if edge_denial(&signal, &self.settings).is_some() {
            let favourable = signal.move_bps * signal.side.sign() as f64;
            let needed = signal.cost_bps.map(|cost| cost + self.settings.min_edge_bps);
            return needed
                .map_or("book too thin".into(), |needed| format!("edge gate: {favourable:.1} bp < {needed:.1} bp"));
        }
        format!("{word} {:.2}>{:.2}", signal.prob, self.settings.min_prob)
    }
}

/// What a shadow's answers came to so far.
fn scored(figures: &Figures) -> String {
    match (figures.hit, figures.brier) {
        (Some(hit), Some(brier)) => format!("shadow · hit {hit:.2} · Brier {brier:.2} · {} answers", figures.answers),
        _ => "shadow · no answer has come due yet".to_owned(),
    }
}
