//! What is counted while a run goes on and no picture holds: resyncs, outcomes and latencies of orders, times of
//! inference. Kept by whoever feeds the engine, without clocks or locks; a copy goes to the metrics once a second.

use std::collections::BTreeMap;

use crate::engine::effect::NewOrder;
use crate::engine::event::{
    Event, HorizonForecast, Link, MarketData, ModelInfo, OrderNews, OrderUpdate, Prediction, Restored,
};
use crate::engine::ids::{OrderSeq, Symbol};
use crate::engine::risk::verdict::DenialCode;
use crate::engine::time::{Span, Ts};

/// Upper bounds of inference times, in seconds.
const INFERENCE: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// Upper bounds of an order's latencies, in seconds.
const ORDERS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Upper bounds of an engine's turn, in seconds.
const TURNS: &[f64] =
    &[0.000_01, 0.000_025, 0.000_05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// How often something took how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last holds what is beyond them.
    counts: Vec<u64>,
    sum: Span,
}

impl Histogram {
    /// No turn of the engine yet.
    pub fn of_turns() -> Self {
        Self::new(TURNS)
    }
    /// Nothing yet; `bounds` in seconds, rising.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: Span(0) }
    }
    /// Took this long.
    pub fn add(&mut self, took: Span) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum = Span(self.sum.0.saturating_add(took.0.max(0)));
    }
    /// How many took at most so many seconds; `None` is any time.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }
    /// All together, in seconds.
    pub fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }
    /// How many.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What first became of orders of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The venue took it.
    pub confirmed: u64,
    /// The venue refused it.
    pub rejected: u64,
    /// Decided, and kept back by the last look.
    pub withheld: u64,
    /// Nobody knew, and it had to be asked for.
    pub ambiguous: u64,
}

/// The counts of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Times that a book lost its place, by instrument.
    pub resyncs: Vec<u64>,
    /// The venue's clock minus ours, once measured.
    pub clock_offset: Option<Span>,
    /// What became of orders.
    pub outcomes: Outcomes,
    /// From the moment of the decision until the order was handed to the venue.
    pub tick_to_order: Histogram,
    /// From the moment of the decision until the venue's first answer.
    pub signal_to_ack: Histogram,
    /// Name of each model and how long it takes.
    pub inference: Vec<(String, Histogram)>,
    /// Orders of which nobody knows whether the venue has them.
    pub unresolved: usize,
    /// Entries that were wanted on a side, and refused.
    pub refused: u64,
    /// Why nothing was opened, decision by decision.
    pub denials: BTreeMap<DenialCode, u64>,
    /// Turns of the engine's loop, without its sleep: everything that its thread does for the run and for whoever looks on.
    pub turns: Histogram,
    /// What waits in a bounded queue.
    pub queues: Vec<(&'static str, usize)>,
    /// By instrument and model: when the features were made, and the strategy's horizon or the nearest that the model has.
    forecasts: Vec<Option<(Ts, HorizonForecast)>>,
    horizon_s: u32,
    forecast_max_age: Span,
    /// When the run heard its first event.
    began: Option<Ts>,
    /// By model: since when it is asked, where that is not since the beginning.
    joined: Vec<Option<Ts>>,
    /// Orders without an outcome.
    open: BTreeMap<OrderSeq, Waiting>,
}

/// An order without an outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Waiting {
    decided: Ts,
    /// The venue has answered that it took the request, which says nothing yet of the order.
    answered: bool,
}

impl Tally {
    /// Nothing has happened yet.
    pub fn new(restored: &Restored) -> Self {
        let symbols = restored.instruments.len();
        Self {
            resyncs: vec![0; symbols],
            clock_offset: None,
            outcomes: Outcomes::default(),
            tick_to_order: Histogram::new(ORDERS),
            signal_to_ack: Histogram::new(ORDERS),
            inference: restored.models.iter().map(|m| (m.name.clone(), Histogram::new(INFERENCE))).collect(),
            unresolved: 0,
            refused: 0,
            denials: BTreeMap::new(),
            turns: Histogram::of_turns(),
            queues: Vec::new(),
            forecasts: vec![None; symbols * restored.models.len()],
            horizon_s: restored.settings.horizon_s,
            forecast_max_age: restored.settings.prediction_max_age,
            began: None,
            joined: vec![None; restored.models.len()],
            open: BTreeMap::new(),
        }
    }

    /// The last forecast of a model, by its place among [`Tally::inference`]; none that is too old to act upon.
    pub fn forecast(&self, symbol: Symbol, model: usize, now: Ts) -> Option<HorizonForecast> {
        let (at, forecast) = self.forecasts.get(symbol.index() * self.inference.len() + model)?.as_ref()?;
        (now.since(*at) <= self.forecast_max_age).then_some(*forecast)
    }

    /// Each model by name: when the features of its newest forecast were made, however old, and since when it is asked.
    pub fn answers(&self) -> impl Iterator<Item = (&str, Option<Ts>, Ts)> {
        let models = self.inference.len().max(1);
        let newest = move |model: usize| {
            let its_own = self.forecasts.iter().skip(model).step_by(models).flatten();
            its_own.map(|(at, _)| *at).max()
        };
        self.began.into_iter().flat_map(move |began| {
            let asked = self.inference.iter().zip(&self.joined).enumerate();
            asked.map(move |(model, ((name, _), joined))| (name.as_str(), newest(model), joined.unwrap_or(began)))
        })
    }

    /// The engine sends this order.
    pub fn decided(&mut self, order: &NewOrder) {
        self.open.insert(order.seq, Waiting { decided: order.decided, answered: false });
    }

    /// The engine hears of this.
    pub fn hear(&mut self, at: Ts, event: &Event) {
        self.began.get_or_insert(at);
        match event {
            Event::Market(symbol, MarketData::Gap) => {
                if let Some(count) = self.resyncs.get_mut(symbol.index()) {
                    *count += 1;
                }
            }
            Event::Link(Link::Clock(offset)) => self.clock_offset = Some(*offset),
            Event::Predicted(prediction) => self.predicted(prediction),
            Event::Models(models) => self.changed(at, models),
            Event::Order(OrderUpdate { order, what }) => self.order(at, *order, what),
            _ => {}
        }
    }

    /// Other models answer; of those that stay everything goes on.
    fn changed(&mut self, at: Ts, models: &[ModelInfo]) {
        let (before, joined) = (std::mem::take(&mut self.inference), std::mem::take(&mut self.joined));
        let forecasts = std::mem::take(&mut self.forecasts);
        let places: Vec<Option<usize>> =
            models.iter().map(|info| before.iter().position(|(name, _)| *name == info.name)).collect();
        for (info, place) in models.iter().zip(&places) {
            let times = place.and_then(|place| before.get(place)).map(|(_, times)| times.clone());
            self.inference.push((info.name.clone(), times.unwrap_or_else(|| Histogram::new(INFERENCE))));
            self.joined.push(place.map_or(Some(at), |place| joined.get(place).copied().flatten()));
        }
        let kept = |symbol: usize, place: Option<usize>| *forecasts.get(symbol * before.len() + place?)?;
        let symbols = 0..self.resyncs.len();
        self.forecasts = symbols
            .flat_map(|symbol| places.iter().map(move |place| (symbol, *place)))
            .map(|(s, p)| kept(s, p))
            .collect();
    }

    fn predicted(&mut self, prediction: &Prediction) {
        let (model, models) = (usize::from(prediction.model.0), self.inference.len());
        let Some((_, times)) = self.inference.get_mut(model) else { return };
        times.add(prediction.took);
        let wanted = self.horizon_s;
        let nearest = prediction.horizons.iter().min_by_key(|horizon| horizon.horizon_s.abs_diff(wanted));
        let slot = self.forecasts.get_mut(prediction.symbol.index() * models + model);
        if let (Some(horizon), Some(slot)) = (nearest, slot) {
            *slot = Some((prediction.features_at, *horizon));
        }
    }

    /// An order has one outcome: the first thing that is known of it.
    fn order(&mut self, at: Ts, order: OrderSeq, what: &OrderNews) {
        let Some(waiting) = self.open.get_mut(&order) else { return };
        let took = at.since(waiting.decided);
        let answers = !matches!(
            what,
            OrderNews::Sent
                | OrderNews::Unsent(_)
                | OrderNews::Uncertain(_)
                | OrderNews::Contested(_)
                | OrderNews::CancelRejected(_)
        );
        if answers && !std::mem::replace(&mut waiting.answered, true) {
            self.signal_to_ack.add(took);
        }
        match what {
            OrderNews::Sent => return self.tick_to_order.add(took),
            OrderNews::Acked | OrderNews::CancelRejected(_) => return,
            OrderNews::Unsent(_) => self.outcomes.withheld += 1,
            OrderNews::Uncertain(_) | OrderNews::Contested(_) => self.outcomes.ambiguous += 1,
            OrderNews::Rejected(_) => self.outcomes.rejected += 1,
            OrderNews::Accepted | OrderNews::Filled(_) | OrderNews::Cancelled(_) => self.outcomes.confirmed += 1,
        }
        self.open.remove(&order);
    }
}
