//! What Prometheus may see: the catalogue of metrics and the page of one scrape, made from the newest picture and the run's
//! [`Tally`]. Nothing here is asked of the engine. What is not known, and what a silent engine last said of the market and of
//! money, is absent rather than old.

mod catalogue;
mod server;
mod serving;
mod tally;
mod text;

use std::sync::Arc;
use std::time::Duration;

pub use catalogue::METRICS;
pub use server::{Read, Server};
pub use serving::{ServedModel, TurnedAway, serving_page};
pub use tally::{Histogram, Outcomes, Tally};
pub use text::{Kind, Metric};

use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Side};
use crate::engine::preflight::RECONCILED;
use crate::engine::risk::state::Latch;
use crate::engine::risk::verdict::DenialCode;
use crate::engine::snapshot::{Health, PositionRow, Record, Snapshot, StateWord};
use crate::engine::time::Span;
use catalogue as name;
use text::Page;

/// An engine that has not turned for so long is silent: it is not alive, and what it last said is not shown.
const SILENT: Duration = Duration::from_secs(10);

/// The stream of market data, which is as old as the engine sees it; of the others the sockets tell.
const PUBLIC: &str = "public";

/// Everything that one scrape shows.
#[derive(Default)]
pub struct Reading {
    /// The newest picture, once there is one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The run's counts, once there are any.
    pub tally: Option<Arc<Tally>>,
    /// Time since the engine's last turn, once it has begun.
    pub heartbeat: Option<Duration>,
    /// Time since the run began, once there is one.
    pub running: Option<Duration>,
    /// Sockets of the exchange: stream, time since its last frame, connections that were lost; empty without an exchange.
    pub streams: Vec<(&'static str, Duration, u64)>,
    /// Requests that may leave now, by endpoint; empty without an exchange.
    pub budgets: Vec<(&'static str, usize)>,
    /// Messages by channel and outcome.
    pub alerts: Vec<(&'static str, &'static str, u64)>,
    /// What was refused at the door: way, reason, count.
    pub refused: Vec<(&'static str, &'static str, u64)>,
}

impl Reading {
    /// Why the process should be started anew; `None` when it is alive.
    fn not_alive(&self) -> Option<String> {
        match self.heartbeat {
            None => Some("the engine has not begun".to_owned()),
            Some(age) if age > SILENT => Some(format!("the engine is silent for {} s", age.as_secs())),
            Some(_) => None,
        }
    }

    /// Why it does not do its work; `None` when it is ready.
    fn not_ready(&self) -> Option<String> {
        if let Some(why) = self.not_alive() {
            return Some(why);
        }
        let Some(snapshot) = &self.snapshot else { return Some("there is no picture yet".to_owned()) };
        let state = &snapshot.state;
        let lights = state.preflight.iter();
        let unlike = lights.filter(|check| check.name == RECONCILED && check.health == Health::Fail);
        let unlike = unlike.map(|check| format!("not reconciled: {}", check.detail)).next();
        let unknown = (state.word == StateWord::Unknown).then(|| "the account is unknown".to_owned());
        unlike.or(unknown)
    }
}

/// The page of one scrape.
pub fn page(reading: &Reading) -> String {
    let mut page = Page::default();
    process(&mut page, reading);
    if let Some(snapshot) = &reading.snapshot {
        state(&mut page, snapshot);
        if reading.not_alive().is_none() {
            market(&mut page, snapshot, reading);
            trust(&mut page, snapshot);
            money(&mut page, snapshot);
        }
    }
    if let Some(tally) = &reading.tally {
        counts(&mut page, tally, reading.snapshot.as_deref());
    }
    page.into_text()
}

fn process(page: &mut Page, reading: &Reading) {
    let age = reading.heartbeat.map(|age| age.as_secs_f64());
    page.family(&name::HEARTBEAT_AGE).put_float(&[], age);
    let mut budgets = page.family(&name::RATE_LIMIT_TOKENS);
    for (endpoint, left) in &reading.budgets {
        budgets.put(&[endpoint], Some(left));
    }
    let mut reconnects = page.family(&name::WS_RECONNECTS);
    for (stream, _, lost) in &reading.streams {
        reconnects.put(&[stream], Some(lost));
    }
    let mut alerts = page.family(&name::ALERTS_SENT);
    for (channel, outcome, count) in &reading.alerts {
        alerts.put(&[channel, outcome], Some(count));
    }
    let mut refused = page.family(&name::CONTROL_REFUSED);
    for (way, reason, count) in &reading.refused {
        refused.put(&[way, reason], Some(count));
    }
}

fn state(page: &mut Page, snapshot: &Snapshot) {
    let (session, state) = (&snapshot.session, &snapshot.state);
    let (market, account) = (format!("{:?}", session.pair.market()).to_lowercase(), session.pair.account().word());
    page.family(&name::INFO).put(&[env!("CARGO_PKG_VERSION"), &market, account], Some(1));
    page.family(&name::ARMED).put(&[], Some(u8::from(state.armed_until.is_some() && state.latch.is_none())));
    page.family(&name::KILLED).put(&[], Some(u8::from(state.latch.as_ref().is_some_and(Latch::is_kill))));
    let word = match state.word {
        StateWord::Safe => 0,
        StateWord::Armed => 1,
        StateWord::Reducing => 2,
        StateWord::Tripped => 3,
        StateWord::Killed => 4,
        StateWord::Unknown => 5,
    };
    page.family(&name::TRADING_STATE).put(&[], Some(word));
}

fn market(page: &mut Page, snapshot: &Snapshot, reading: &Reading) {
    // The picture is as old as the engine's last turn, at least.
    let beside = reading.heartbeat.unwrap_or_default().as_secs_f64();
    // A stream that was never heard is as old as the run.
    let heard = snapshot.health.feed_age.map(|age| age.as_secs_f64() + beside);
    let mut ages = page.family(&name::WS_MESSAGE_AGE);
    ages.put_float(&[PUBLIC], heard.or(reading.running.map(|running| running.as_secs_f64())));
    for (stream, age, _) in reading.streams.iter().filter(|(stream, ..)| *stream != PUBLIC) {
        ages.put_float(&[stream], Some(age.as_secs_f64()));
    }
    let mut prices = page.family(&name::PRICE);
    for row in &snapshot.markets {
        prices.put(&[&row.name], row.last.fresh());
    }
    let mut notional = page.family(&name::POSITION_NOTIONAL);
    for row in &snapshot.markets {
        let held = snapshot.positions.iter().find(|held| held.symbol == row.symbol);
        notional.put(&[&row.name], held.map_or(Some(Money::ZERO), signed_notional));
    }
}

fn signed_notional(held: &PositionRow) -> Option<Money> {
    held.notional.map(|value| if held.side == Side::Sell { -value } else { value })
}

fn money(page: &mut Page, snapshot: &Snapshot) {
    let account = &snapshot.account;
    page.family(&name::EQUITY).put(&[], account.equity);
    page.family(&name::DRAWDOWN).put_float(&[], account.drawdown_pct.map(|percent| percent / 100.0));
    page.family(&name::PNL_REALISED).put(&[], Some(account.realised));
    page.family(&name::PNL_UNREALISED).put(&[], account.unrealised);
    page.family(&name::FEES).put(&[], Some(account.fees));
    let mut headroom = page.family(&name::LIMIT_HEADROOM);
    for row in &snapshot.limits {
        headroom.put_float(&[row.key.name()], row.utilisation.map(|used| 1.0 - used));
    }
}

fn counts(page: &mut Page, tally: &Tally, snapshot: Option<&Snapshot>) {
    page.family(&name::ORDERS_UNRESOLVED).put(&[], Some(tally.unresolved));
    page.family(&name::CLOCK_OFFSET).put_float(&[], tally.clock_offset.map(Span::as_secs_f64));
    let denied = tally.refused + tally.outcomes.withheld;
    let mut orders = page.family(&name::ORDERS);
    let counts = [
        ("confirmed", tally.outcomes.confirmed),
        ("rejected", tally.outcomes.rejected),
        ("denied", denied),
        ("ambiguous", tally.outcomes.ambiguous),
    ];
    for (outcome, count) in counts {
        orders.put(&[outcome], Some(count));
    }
    let mut denials = page.family(&name::RISK_DENIALS);
    for (code, text, _) in DenialCode::TABLE {
        denials.put(&[text], Some(tally.denials.get(code).copied().unwrap_or(0)));
    }
    page.family(&name::TICK_TO_ORDER).put_histogram(&[], &tally.tick_to_order);
    page.family(&name::SIGNAL_TO_ACK).put_histogram(&[], &tally.signal_to_ack);
    page.family(&name::ENGINE_TURN).put_histogram(&[], &tally.turns);
    let mut inference = page.family(&name::INFERENCE);
    for (model, times) in &tally.inference {
        inference.put_histogram(&[model], times);
    }
    let mut queues = page.family(&name::QUEUE_DEPTH);
    for (queue, depth) in &tally.queues {
        queues.put(&[queue], Some(depth));
    }
    if let Some(snapshot) = snapshot {
        by_symbol(page, tally, snapshot);
    }
}

/// Which models are believed on which instruments.
fn trust(page: &mut Page, snapshot: &Snapshot) {
    type Figure = fn(&Record) -> Option<f64>;
    let figures: [(&'static Metric, Figure); 4] = [
        (&name::MODEL_BENCHED, |record| Some(f64::from(u8::from(record.benched.is_some())))),
        (&name::MODEL_OUT_OF_RANGE, |record| Some(f64::from(u8::from(record.strange.is_some())))),
        (&name::MODEL_HIT, |record| record.figures.hit),
        (&name::MODEL_DRIFT, |record| record.drift),
    ];
    for (metric, figure) in figures {
        let mut family = page.family(metric);
        for row in &snapshot.trust {
            let market = snapshot.markets.get(row.symbol.index()).map_or("?", |market| market.name.as_str());
            family.put_float(&[market, &row.model], figure(&row.record));
        }
    }
}

fn by_symbol(page: &mut Page, tally: &Tally, snapshot: &Snapshot) {
    let mut resyncs = page.family(&name::BOOK_RESYNCS);
    for row in &snapshot.markets {
        resyncs.put(&[&row.name], tally.resyncs.get(row.symbol.index()));
    }
    let mut signals = page.family(&name::SIGNAL_PROB);
    for row in &snapshot.markets {
        for (model, (named, _)) in tally.inference.iter().enumerate() {
            let probability = |symbol: Symbol| tally.forecast(symbol, model, snapshot.at);
            let Some(forecast) = probability(row.symbol) else { continue };
            for (side, value) in [("up", forecast.up), ("flat", forecast.flat), ("down", forecast.down)] {
                signals.put_float(&[&row.name, named, side], Some(f64::from(value)));
            }
        }
    }
}
