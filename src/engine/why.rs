//! Why: the whole chain behind a decision, from the features to the venue's answer. The last decision of every instrument is
//! kept, and the last [`KEPT`] that told the person something or sent an order.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::effect::{NewOrder, Purpose};
use super::event::{HorizonForecast, ModelInfo, Prediction};
use super::features::{BarFrame, FEATURES, FeatureFrame, Set, Source};
use super::ids::{OrderSeq, Symbol};
use super::orders::Order;
use super::risk::verdict::Denial;
use super::signal::Signal;
use super::snapshot::Record;
use super::time::{Span, Ts};

/// Decisions kept besides the last of each instrument.
pub const KEPT: usize = 256;

/// Whose chain is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WhyOf {
    /// The last decision about an instrument.
    Latest(Symbol),
    /// The decision that an order came from.
    Order(OrderSeq),
    /// The decision about an instrument at a moment: what an event was told of.
    Moment(Symbol, Ts),
}

/// One thing that a decision was asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What.
    pub name: String,
    /// Why it was refused there; `None` where it passed.
    pub denial: Option<Denial>,
}

impl Step {
    /// A step with its outcome.
    pub fn new(name: &str, denial: Option<Denial>) -> Self {
        Self { name: name.to_owned(), denial }
    }
}

/// What one decision was made from.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Decision {
    at: Ts,
    symbol: Symbol,
    frame: FeatureFrame,
    warm: Vec<bool>,
    /// What closed minutes said last.
    bars: Option<BarFrame>,
    /// When the book and the trades spoke last.
    sources: [Option<Ts>; 2],
    answers: Vec<AnswerFact>,
    signal: Option<Signal>,
    steps: Vec<Step>,
    outcome: String,
    order: Option<OrderSeq>,
}

/// The kept decisions.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    latest: Vec<Option<Decision>>,
    told: VecDeque<Decision>,
    /// What the decision that is being made was asked so far, and the order that came of it.
    running: Option<(Vec<Step>, Option<OrderSeq>)>,
}

impl Decisions {
    /// Of this many instruments.
    pub fn new(instruments: usize) -> Self {
        Self { latest: vec![None; instruments], told: VecDeque::new(), running: None }
    }

    /// A decision begins.
    pub fn begin(&mut self) {
        self.running = Some((Vec::new(), None));
    }

    /// It is asked these, in order.
    pub fn ask(&mut self, asked: impl IntoIterator<Item = (&'static str, Option<Denial>)>) {
        if let Some((steps, _)) = &mut self.running {
            steps.extend(asked.into_iter().map(|(name, denial)| Step::new(name, denial)));
        }
    }

    /// An order leaves: of the decision that is being made, or of the last one where it waited for its moment. Orders that no
    /// signal asks for belong to none.
    pub fn send(&mut self, order: &NewOrder) {
        if !matches!(order.purpose, Purpose::Entry | Purpose::Exit) {
            return;
        }
        if let Some((_, sent)) = &mut self.running {
            *sent = Some(order.seq);
        } else if let Some(latest) = self.latest.get(order.symbol.index()).and_then(Option::as_ref) {
            let decision = Decision { order: Some(order.seq), ..latest.clone() };
            self.keep(decision, true);
        }
    }

    fn keep(&mut self, decision: Decision, told: bool) {
        if told {
            if self.told.len() >= KEPT {
                self.told.pop_front();
            }
            self.told.push_back(decision.clone());
        }
        if let Some(slot) = self.latest.get_mut(decision.symbol.index()) {
            *slot = Some(decision);
        }
    }

    fn find(&self, of: WhyOf) -> Option<&Decision> {
        let newest = |fits: &dyn Fn(&&Decision) -> bool| self.told.iter().rev().find(fits);
        match of {
            WhyOf::Latest(symbol) => self.latest.get(symbol.index())?.as_ref(),
            WhyOf::Order(order) => newest(&|decision| decision.order == Some(order)),
            WhyOf::Moment(symbol, at) => newest(&|decision| decision.symbol == symbol && decision.at == at),
        }
    }
}

/// A feature as the decision saw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FeatureFact {
    /// Its name.
    pub name: String,
    /// Its value, the bits that the models got.
    pub value: f32,
    /// Time since its source (book or trades) spoke last; `None` where it never did.
    pub age: Option<Span>,
    /// Past its warm-up.
    pub warm: bool,
    /// Smallest and largest value in training, where a card says so.
    pub range: Option<(f32, f32)>,
}

impl FeatureFact {
    /// Beyond everything that training saw?
    pub fn is_outside(&self) -> bool {
        self.range.is_some_and(|(low, high)| self.value < low || self.value > high)
    }
}

/// A model's answer as the decision had it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AnswerFact {
    /// Model.
    pub model: String,
    /// First digits of its weights' hash.
    pub hash: String,
    /// Training span.
    pub trained: String,
    /// When the features were read.
    pub features_at: Ts,
    /// When the answer was heard.
    pub heard: Ts,
    /// How long inference took.
    pub took: Span,
    /// What it said, by horizon; empty while features warm up.
    pub said: Vec<HorizonForecast>,
    /// How its answers had turned out by then, at the horizon that is traded on.
    pub record: Option<Record>,
}

/// What an entry needs, as configured.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Horizon that is traded on, in seconds.
    pub horizon_s: u32,
    /// Probability of its side.
    pub min_prob: f64,
    /// Expected move beyond the cost, in basis points; `None` with the edge gate off.
    pub min_edge_bps: Option<f64>,
}

/// The order that came of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderFact {
    /// Its number.
    pub order: OrderSeq,
    /// In words: side, quantity, price, purpose.
    pub text: String,
    /// Where it is.
    pub state: String,
}

/// The whole chain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Why {
    /// What was asked for.
    pub of: WhyOf,
    /// Instrument.
    pub symbol: Symbol,
    /// When it was decided.
    pub at: Ts,
    /// What came of it, in words.
    pub outcome: String,
    /// When the features were read; `None` where no decision is kept for what was asked.
    pub features_at: Option<Ts>,
    /// Every feature of the sets that the models read: of books and trades in their order, then of closed minutes.
    pub features: Vec<FeatureFact>,
    /// When the newest of these minutes ended.
    pub bars_closed: Option<Ts>,
    /// Every model's answer.
    pub answers: Vec<AnswerFact>,
    /// The mean of the answers that were believed, and its cost.
    pub signal: Option<Signal>,
    /// What an entry needs.
    pub needs: Needs,
    /// Everything that was asked, in order; what is not listed was not asked any more.
    pub steps: Vec<Step>,
    /// The order.
    pub order: Option<OrderFact>,
    /// How long each part took; `None` where it has not come that far.
    pub latency: Vec<(String, Option<Span>)>,
}

impl Engine {
    /// Keeps what the decision that was just made was made from.
    pub(super) fn remember(&mut self, symbol: Symbol, told: bool) {
        let (steps, order) = self.decisions.running.take().unwrap_or_default();
        let horizon_s = self.settings.horizon_s;
        let Some(desk) = self.desks.get(symbol.index()) else { return };
        let Some(frame) = desk.frame.clone() else { return };
        let warm = (0..frame.values.len()).map(|place| desk.features.is_warm(frame.at, place)).collect();
        let answered = desk.forecasts.iter().zip(&desk.answered).enumerate();
        let answers = answered.filter_map(|(model, (prediction, heard))| {
            let record = self.record(desk, model, horizon_s);
            Some(answer_fact(self.models.get(model)?, prediction.as_ref()?, (*heard)?, record))
        });
        let decision = Decision {
            at: self.now,
            symbol,
            warm,
            bars: desk.bars.clone(),
            sources: desk.sources,
            answers: answers.collect(),
            signal: desk.signal,
            steps,
            outcome: desk.verdict.phrase(),
            order,
            frame,
        };
        self.decisions.keep(decision, told || order.is_some());
    }

    /// The chain behind a decision or an order.
    pub fn why(&self, of: WhyOf) -> Option<Why> {
        let decision = self.decisions.find(of);
        let order = match of {
            WhyOf::Order(order) => Some(order),
            _ => decision.and_then(|decision| decision.order),
        };
        let order = order.and_then(|order| self.orders.get(order));
        let (symbol, at, outcome) = match (decision, order) {
            (Some(decision), _) => (decision.symbol, decision.at, decision.outcome.clone()),
            (None, Some(order)) => {
                let outcome = format!("no signal was asked: {}", order.intent.purpose.word());
                (order.intent.symbol, order.intent.decided, outcome)
            }
            (None, None) => return None,
        };
        let settings = &self.settings;
        Some(Why {
            of,
            symbol,
            at,
            outcome,
            features_at: decision.map(|decision| decision.frame.at),
            features: decision.map(|decision| self.feature_facts(decision)).unwrap_or_default(),
            bars_closed: decision.and_then(|decision| decision.bars.as_ref()).map(|bars| bars.closed),
            answers: decision.map(|decision| decision.answers.clone()).unwrap_or_default(),
            signal: decision.and_then(|decision| decision.signal),
            needs: Needs {
                horizon_s: settings.horizon_s,
                min_prob: settings.min_prob,
                min_edge_bps: settings.edge_gate.then_some(settings.min_edge_bps),
            },
            steps: decision.map(|decision| decision.steps.clone()).unwrap_or_default(),
            order: order.map(order_fact),
            latency: latency(decision, order),
        })
    }

    fn feature_facts(&self, decision: &Decision) -> Vec<FeatureFact> {
        let age = |spoke: Option<Ts>| spoke.map(|spoke| decision.frame.at.since(spoke));
        let [book, trades] = decision.sources;
        // What no model reads explains nothing.
        let reads = |set: Set| self.models.iter().any(|model| model.reads == set);
        let values = decision.frame.values.iter().filter(|_| self.models.is_empty() || reads(Set::Market));
        let market = FEATURES.iter().zip(values).enumerate().map(|(place, (spec, value))| FeatureFact {
            name: spec.name.to_owned(),
            value: *value,
            age: age(if spec.source == Source::Book { book } else { trades }),
            warm: decision.warm.get(place).copied().unwrap_or(false),
            range: self.trained_range(Set::Market, place),
        });
        let bars = decision.bars.as_ref().filter(|_| reads(Set::Bars));
        let minutes = bars.into_iter().flat_map(|bars| Set::Bars.features().iter().zip(&bars.values).enumerate());
        let minutes = minutes.map(|(place, (spec, value))| FeatureFact {
            name: spec.name.to_owned(),
            value: *value,
            age: age(bars.map(|bars| bars.closed)),
            warm: true,
            range: self.trained_range(Set::Bars, place),
        });
        market.chain(minutes).collect()
    }

    /// Smallest and largest value of a feature in training, as the first card says that does.
    fn trained_range(&self, set: Set, place: usize) -> Option<(f32, f32)> {
        let model = self.models.iter().find(|model| model.reads == set && model.promise.has_ranges())?;
        model.promise.ranges.get(place).map(|range| (range.low, range.high))
    }
}

/// The model is noted as it was then: another may have its place by the time somebody asks.
fn answer_fact(model: &ModelInfo, prediction: &Prediction, heard: Ts, record: Option<Record>) -> AnswerFact {
    AnswerFact {
        model: model.name.clone(),
        hash: model.hash.clone(),
        trained: model.trained.clone(),
        features_at: prediction.features_at,
        heard,
        took: prediction.took,
        said: prediction.horizons.clone(),
        record,
    }
}

fn order_fact(order: &Order) -> OrderFact {
    let intent = &order.intent;
    let (side, qty, price) = (intent.side.word(), intent.qty, intent.price);
    OrderFact {
        order: intent.seq,
        text: format!("{side} {qty} @ {price} {}", intent.purpose.word()),
        state: order.state.word().to_owned(),
    }
}

/// Feature, inference, decision, intent, wire, answer: each from the end of the one before it.
fn latency(decision: Option<&Decision>, order: Option<&Order>) -> Vec<(String, Option<Span>)> {
    let mut legs = Vec::new();
    let mut leg = |name: &str, span: Option<Span>| legs.push((name.to_owned(), span));
    if let Some(decision) = decision {
        let heard = decision.answers.iter().map(|answer| answer.heard).max();
        leg("inference", decision.answers.iter().map(|answer| answer.took).max());
        leg("features to answers", heard.map(|heard| heard.since(decision.frame.at)));
        leg("answers to decision", heard.map(|heard| decision.at.since(heard)));
    }
    if let Some(order) = order {
        let decided = order.intent.decided;
        leg("decision to wire", order.sent.map(|sent| sent.since(decided)));
        leg("wire to answer", order.sent.zip(order.answered).map(|(sent, answered)| answered.since(sent)));
    }
    legs
}
