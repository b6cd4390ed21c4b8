//! The engine: pure, synchronous, deterministic. No I/O, no clock, no random numbers, no threads.
//!
//! The same events in the same order give the same decisions in live, paper, demo, replay and backtest.

pub mod account;
mod bookkeeping;
pub mod ceremony;
mod closing;
pub mod command;
pub mod control;
pub mod danger;
pub mod desk;
pub mod effect;
pub mod event;
pub mod execution;
pub mod features;
mod guarding;
pub mod ids;
mod lineup;
pub mod market;
pub mod notice;
pub mod num;
mod operating;
pub mod orders;
pub mod outside;
mod pending;
pub mod preflight;
pub mod protecting;
pub mod risk;
pub mod settings;
pub mod signal;
mod signal_rows;
pub mod snapshot;
mod strangers;
pub mod strategy;
mod taken_over;
pub mod time;
mod trading;
pub mod trust;
mod view;
mod warming;
pub mod why;

use std::collections::{BTreeMap, VecDeque};

use account::{Account, EquityTracker, TieOut, Totals};
use control::Control;
use desk::Desk;
use effect::{Effect, Effects, Record};
use event::{Event, Link, MarketData, ModelInfo, Restored};
use ids::{OrderSeq, Pair, RunId, Symbol};
use market::instrument::{Instrument, InstrumentStatus};
use notice::{Kind, Level, Notice};
use num::{Money, Price};
use orders::Orders;
use pending::{About, Pending};
use risk::gate::GateView;
use risk::limits::RiskLimits;
use risk::state::{Arming, Latch, LatchCause};
use risk::verdict::DenialCode;
use settings::Settings;
use snapshot::Check;
use time::{Span, Ts};

/// The deciding part of a run. One entrance: [`Engine::step`].
#[derive(Debug)]
pub struct Engine {
    run: RunId,
    pair: Pair,
    settings: Settings,
    limits: RiskLimits,
    models: Vec<ModelInfo>,
    desks: Vec<Desk>,
    instruments: Vec<Instrument>,
    account: Account,
    equity: EquityTracker,
    orders: Orders,
    control: Control,
    /// When opening orders were decided in the last ten seconds.
    sent: VecDeque<Ts>,
    /// Market connection: up, and when it last said anything.
    feed: Option<Ts>,
    now: Ts,
    notices: VecDeque<Notice>,
    next_notice: u64,
    pending: Pending,
    denials: BTreeMap<DenialCode, u64>,
    /// What the last decisions were made from.
    decisions: why::Decisions,
    /// Of them, entries that were wanted on a side.
    refused: u64,
    curve: VecDeque<(Ts, f64)>,
    events: u64,
    fills: u64,
    starting_balance: Money,
    versions: u64,
    /// Last time the loss baselines were written.
    baselines_written: Ts,
    /// The person was told that features warm up again, and not yet that they are warm.
    warming_told: bool,
    /// Why there is no market stream, while there is none.
    feed_down: Option<String>,
    /// The venue's clock minus ours, as last measured.
    clock_offset: Option<Span>,
    /// Open orders at the venue that are not ours.
    foreign_orders: u16,
    /// What was booked in this run before the account was opened: the venue's log begins there.
    opening_totals: Totals,
    /// What was taken over from the venue without an explanation.
    taken_over: taken_over::TakenOver,
    /// How our books stand against the venue's log of transactions.
    tie_out: TieOut,
    /// A person asked for it and waits for the answer.
    tie_out_asked: bool,
    /// Since when a residual has been shown that is more than rounding.
    residual_since: Option<Ts>,
    /// Is the account at a venue, which is not this process?
    at_venue: bool,
    /// Lights of the checklist that edges light, by name.
    edges: BTreeMap<String, Check>,
    /// Protective orders at the venue, as last stated, under numbers that only this run gives them.
    protective: BTreeMap<OrderSeq, event::Protective>,
    /// Orders of others, as last listed, numbered alike.
    strangers: BTreeMap<OrderSeq, event::Stranger>,
    /// What others have in instruments outside the run.
    outside: outside::Outside,
}

impl Engine {
    /// An engine as a run starts it. The same value must be the first event on the tape.
    pub fn new(restored: &Restored) -> Self {
        let desks = restored
            .instruments
            .iter()
            .enumerate()
            .map(|(index, instrument)| Desk::new(Symbol(index as u16), instrument.clone(), &restored.models))
            .map(|desk| {
                let waived = restored.waived.contains(&desk.symbol);
                if waived { Desk { cover: protecting::Cover::waived(), ..desk } } else { desk }
            })
            .collect::<Vec<_>>();
        let control = Control {
            latch: restored.latch.clone(),
            flat_proven: restored.flat_proven.filter(|_| restored.holdings.is_empty()),
            flattening: restored.flattening.iter().copied().collect(),
            released: restored.released.iter().copied().collect(),
            ..Control::default()
        };
        Self {
            run: restored.run.clone(),
            pair: restored.pair,
            settings: restored.settings.clone(),
            limits: restored.limits.clone(),
            models: restored.models.clone(),
            account: Account::new(restored.balance, &restored.holdings, restored.account_known),
            instruments: restored.instruments.clone(),
            desks,
            equity: EquityTracker::new(restored.settings.day_starts_at, restored.baselines.clone()),
            orders: Orders::restored(&restored.earlier),
            control,
            sent: restored.opened.iter().copied().collect(),
            feed: None,
            now: Ts(0),
            notices: VecDeque::new(),
            next_notice: 0,
            pending: Pending::default(),
            denials: BTreeMap::new(),
            decisions: why::Decisions::new(restored.instruments.len()),
            refused: 0,
            curve: VecDeque::new(),
            events: 0,
            fills: 0,
            starting_balance: restored.balance,
            versions: 0,
            baselines_written: Ts(0),
            warming_told: false,
            feed_down: None,
            clock_offset: None,
            foreign_orders: 0,
            opening_totals: Totals::default(),
            taken_over: taken_over::TakenOver::default(),
            tie_out: if restored.pair.account() == ids::Account::Paper { TieOut::Nothing } else { TieOut::Unknown },
            tie_out_asked: false,
            residual_since: None,
            at_venue: !restored.account_known,
            edges: BTreeMap::new(),
            protective: BTreeMap::new(),
            strangers: BTreeMap::new(),
            outside: outside::Outside::new(&restored.outside_seen),
        }
    }

    /// Takes one event at its local receive time and says what to do. Never fails; a broken invariant of ours trips.
    pub fn step(&mut self, at: Ts, event: &Event, out: &mut Effects) {
        self.now = self.now.max(at);
        self.events += 1;
        match event {
            Event::Restored(restored) => self.on_start(restored.armed_until, out),
            Event::Market(symbol, data) => self.on_market(*symbol, data, out),
            Event::Order(update) => self.on_order(update, out),
            Event::Account(update) => self.on_account(update, out),
            Event::Predicted(prediction) => self.on_prediction(prediction, out),
            Event::Command(command) => self.on_command(command, out),
            Event::Link(link) => self.on_link(link, out),
            Event::Fault(fault) => self.on_fault(fault, out),
            Event::Hold(hold) => self.on_hold(hold, out),
            Event::Checked(check) => self.on_checked(check, out),
            Event::Told(text) => self.warn(Kind::Account, None, text.clone(), About::Remark, out),
            Event::Tick => self.on_tick(out),
            Event::Models(models) => self.on_models(models, out),
            Event::Ended => self.write_baselines(out),
        }
        if out.overflowed() {
            self.trip(&LatchCause::Fault("more effects in one step than the bound allows".into()), out);
        }
    }

    fn on_start(&mut self, armed_until: Option<Ts>, out: &mut Effects) {
        self.control.present = self.now;
        self.cast();
        self.take_up_arming(armed_until, out);
        self.end_choices(out);
        if self.orders.count() > 0 {
            let text = format!(
                "{} order(s) of an earlier run have no known end: counted as working until the venue has answered; none is \
                 sent again",
                self.orders.count()
            );
            self.tell(Level::Warn, Kind::Order, None, text, out);
        }
        let held: Vec<Symbol> = self.account.open().map(|h| h.symbol).collect();
        for symbol in held {
            self.protect(symbol);
        }
        if let Some(latch) = self.control.latch.clone() {
            let flatten = self.settings.on_loss_trip == settings::OnLossTrip::Flatten;
            if matches!(latch.cause, LatchCause::Loss(_)) && flatten && self.at_risk() {
                let scope = self.closable(None);
                self.begin_close(control::CloseWhy::LossTrip, scope, out);
            }
        } else if !self.control.flattening.is_empty() {
            let scope = self.closable(None).intersection(&self.control.flattening).copied().collect();
            self.begin_close(control::CloseWhy::Flatten, scope, out);
        }
        self.ask(out);
    }

    fn on_market(&mut self, symbol: Symbol, data: &MarketData, out: &mut Effects) {
        self.feed = Some(self.now);
        let horizon = Span::from_secs(i64::from(self.settings.horizon_s));
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        let was = desk.book.state();
        let turns = desk.settle_answers(self.now);
        desk.on_market(self.now, data, horizon);
        let is = desk.book.state();
        if was != is && is == market::book::BookState::Gapped {
            let text = format!("{} book lost a delta: waiting for a snapshot", desk.instrument.name);
            self.warn(Kind::Market, Some(symbol), text, About::Book(symbol), out);
        } else if was != is && is == market::book::BookState::Valid {
            self.pending.settle(|about| *about == About::Book(symbol));
        }
        if let MarketData::Rules(rules) = data {
            self.take_rules(symbol, rules);
        }
        self.tell_turns(symbol, turns, out);
        if !self.account.holding(symbol).is_flat() {
            self.observe_equity(out);
            self.run_exits(symbol, out);
        }
    }

    /// The venue's rules of an instrument. Exits of a position that were rounded without them are set again.
    fn take_rules(&mut self, symbol: Symbol, rules: &Instrument) {
        let Some(kept) = self.instruments.get_mut(symbol.index()) else { return };
        let was_unknown = kept.status == InstrumentStatus::Unknown;
        kept.clone_from(rules);
        if was_unknown && !self.account.holding(symbol).is_flat() {
            self.protect(symbol);
        }
    }

    fn on_link(&mut self, link: &Link, out: &mut Effects) {
        match link {
            Link::MarketUp => {
                self.feed_down = None;
                self.feed = Some(self.now);
                self.pending.settle(|about| *about == About::Stream);
                self.tell(Level::Info, Kind::Market, None, "market stream up".into(), out);
            }
            Link::MarketAlive => self.feed = Some(self.now),
            Link::Clock(offset) => self.clock_offset = Some(*offset),
            Link::MarketDown(why) => {
                self.feed = None;
                self.feed_down = Some(why.clone());
                let (now, horizon) = (self.now, Span::from_secs(i64::from(self.settings.horizon_s)));
                for desk in &mut self.desks {
                    desk.on_market(now, &MarketData::Gap, horizon);
                }
                self.cancel_openings(None, out);
                self.warn(Kind::Market, None, format!("market stream down: {why}"), About::Stream, out);
            }
        }
    }

    /// A decision boundary.
    fn on_tick(&mut self, out: &mut Effects) {
        self.observe_equity(out);
        self.guard(out);
        self.renew_cancels(out);
        for index in 0..self.desks.len() {
            let symbol = Symbol(index as u16);
            self.run_exits(symbol, out);
            // A decision waits for every model until the next boundary and no longer.
            if self.desks[index].partly_answered() {
                self.decide(symbol, out);
            }
            self.end_wait_in_time(symbol, out);
            let (now, desk) = (self.now, &mut self.desks[index]);
            desk.candles.advance(now);
            desk.on_second();
            let turns = desk.settle_answers(now);
            let frame = desk.features.frame(now, symbol);
            desk.trust.ask(&frame, desk.book.mid().map(Price::to_f64_lossy));
            desk.frame = Some(frame.clone());
            if frame.bars.is_some() {
                desk.bars.clone_from(&frame.bars);
            }
            self.tell_turns(symbol, turns, out);
            if self.models.is_empty() {
                self.decide(symbol, out);
            } else {
                out.push(Effect::Infer(Box::new(frame)));
            }
        }
        self.watch_warm_up(out);
        self.watch_protection(out);
        self.run_close(out);
        if self.control.asked.is_none_or(|asked| self.now.since(asked) >= RECONCILE_EVERY) {
            self.ask(out);
        }
        if self.now.since(self.baselines_written) >= Span::from_secs(60) {
            self.write_baselines(out);
        }
    }

    fn write_baselines(&mut self, out: &mut Effects) {
        if let Some(baselines) = self.equity.baselines() {
            self.baselines_written = self.now;
            out.push(Effect::Record(Record::Baselines(baselines.clone())));
        }
    }

    fn ask(&mut self, out: &mut Effects) {
        self.control.asked = Some(self.now);
        out.push(Effect::Ask);
    }

    /// What the gate looks at, now.
    fn gate_view(&self) -> GateView<'_> {
        GateView {
            at: self.now,
            control: &self.control,
            settings: &self.settings,
            limits: &self.limits,
            desks: &self.desks,
            instruments: &self.instruments,
            account: &self.account,
            orders: &self.orders,
            sent: &self.sent,
            outside: &self.outside,
            equity: self.equity_now(),
            day_loss: self.equity.day_loss().unwrap_or(Money::ZERO),
            feed_age: self.feed_age(),
        }
    }

    /// Age of the market connection.
    fn feed_age(&self) -> Option<Span> {
        self.feed.map(|heard| self.now.since(heard))
    }

    /// Balance plus unrealised PnL; `None` when a position cannot be valued.
    fn equity_now(&self) -> Option<Money> {
        self.account.equity(|symbol| self.mark(symbol))
    }

    fn mark(&self, symbol: Symbol) -> Option<Price> {
        self.desks.get(symbol.index()).and_then(Desk::mark)
    }

    fn name(&self, symbol: Symbol) -> &str {
        self.desks.get(symbol.index()).map_or("?", |desk| desk.instrument.name.as_str())
    }

    /// Tells the person, on the screen and through effects. What is louder than information waits to be seen.
    fn tell(&mut self, level: Level, kind: Kind, symbol: Option<Symbol>, text: String, out: &mut Effects) {
        self.tell_about(level, kind, symbol, text, About::Past, out);
    }

    /// A warning that settles by itself when what it is about is over.
    fn warn(&mut self, kind: Kind, symbol: Option<Symbol>, text: String, about: About, out: &mut Effects) {
        self.tell_about(Level::Warn, kind, symbol, text, about, out);
    }

    fn tell_about(
        &mut self,
        level: Level,
        kind: Kind,
        symbol: Option<Symbol>,
        text: String,
        about: About,
        out: &mut Effects,
    ) {
        self.next_notice += 1;
        let notice = Notice { id: self.next_notice, at: self.now, level, kind, symbol, text, denial: None };
        if level > Level::Info {
            self.pending.add(notice.clone(), about);
        }
        self.publish(notice, out);
    }

    fn publish(&mut self, notice: Notice, out: &mut Effects) {
        if self.notices.len() >= snapshot::NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice.clone());
        out.push(Effect::Note(notice));
    }

    /// May the edge still send this order? Asked again by the function that writes to the venue.
    pub fn may_send(&self, order: &effect::NewOrder, at: Ts) -> Result<(), risk::verdict::Denial> {
        risk::gate::may_send(order, at.max(self.now), &self.control, &self.settings)
    }

    /// Denials so far, by code.
    pub const fn denials(&self) -> &BTreeMap<DenialCode, u64> {
        &self.denials
    }
    /// Entries that were wanted on a side, and refused.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
    /// Why the venue's account was never known in this run, with the hold that says so; `None` when it was.
    pub fn never_reached(&self) -> Option<Option<(DenialCode, String)>> {
        let holds = self.control.reducing.iter().filter_map(|cause| match cause {
            risk::state::ReduceCause::Venue { code, symbol: None, detail } => Some((*code, detail.clone())),
            _ => None,
        });
        // A key that is refused is the cause of an account that is out of reach.
        let hold = holds.max_by_key(|(code, _)| *code == DenialCode::VenueKeyRefused);
        (!self.account.is_known()).then_some(hold)
    }
    /// Balance, positions and totals.
    pub const fn account(&self) -> &Account {
        &self.account
    }
    /// Equity as of the last event; `None` when a position cannot be valued.
    pub fn equity(&self) -> Option<Money> {
        self.equity_now()
    }
    /// The latch, while killed or tripped.
    pub const fn latch(&self) -> Option<&Latch> {
        self.control.latch.as_ref()
    }
    /// Armed or safe.
    pub const fn arming(&self) -> Arming {
        self.control.arming
    }
    /// Could the strategy open anything now?
    pub const fn may_open(&self) -> bool {
        self.control.is_armed()
    }
    /// Instruments whose positions are the person's.
    pub const fn released(&self) -> &std::collections::BTreeSet<Symbol> {
        &self.control.released
    }
    /// Since when the way to the venue's account has been cut.
    pub const fn unreachable_since(&self) -> Option<Ts> {
        self.control.unreachable_since
    }
    /// Instruments that the running close loop is about.
    pub fn close_scope(&self) -> impl Iterator<Item = Symbol> {
        self.control.close.iter().flat_map(|close| close.scope.iter().copied())
    }
    /// Is a close loop running?
    pub const fn closing(&self) -> bool {
        self.control.close.is_some()
    }
    /// Did the last close loop end with its proof, with nothing of ours opened since?
    pub const fn close_proven(&self) -> bool {
        self.control.close_proven
    }
    /// When the whole account was last proven flat, until something opens or a kill asks anew.
    pub const fn flat_proven(&self) -> Option<Ts> {
        self.control.flat_proven
    }
    /// Working orders that can open.
    pub fn opening_orders(&self) -> usize {
        self.orders.working().filter(|order| order.opens()).count()
    }
    /// Working orders.
    pub fn working_orders(&self) -> usize {
        self.orders.count()
    }
    /// Orders of which nobody knows whether the venue has them.
    pub fn unresolved_orders(&self) -> usize {
        self.orders.working().filter(|order| order.state == orders::OrderState::Unknown).count()
    }
    /// Is anything open or working?
    pub fn at_risk(&self) -> bool {
        self.orders.count() > 0 || self.account.open().next().is_some()
    }
    /// Do the pre-flight lights allow arming?
    pub fn may_arm(&self) -> bool {
        self.preflight().iter().all(|check| check.health != snapshot::Health::Fail)
    }
    /// Event time of the last step.
    pub const fn now(&self) -> Ts {
        self.now
    }
    /// Steps so far.
    pub const fn events(&self) -> u64 {
        self.events
    }
    /// Executions so far.
    pub const fn fills(&self) -> u64 {
        self.fills
    }
    /// Balance the run began with.
    pub const fn starting_balance(&self) -> Money {
        self.starting_balance
    }
    /// Prices that positions are valued at, where there is one.
    pub fn marks(&self) -> impl Iterator<Item = (Symbol, Price)> {
        self.desks.iter().filter_map(|desk| Some((desk.symbol, desk.mark()?)))
    }
    /// The middle of every book that has one.
    pub fn mids(&self) -> impl Iterator<Item = (Symbol, Price)> {
        self.desks.iter().filter_map(|desk| Some((desk.symbol, desk.book.mid()?)))
    }
    /// Venue name of an instrument.
    pub fn name_of(&self, symbol: Symbol) -> &str {
        self.name(symbol)
    }
    /// Venue names of the open positions.
    pub fn open_names(&self) -> impl Iterator<Item = &str> {
        self.account.open().map(|held| self.name(held.symbol))
    }
    /// Settings of this run.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
    /// Limits in force.
    pub const fn limits(&self) -> &RiskLimits {
        &self.limits
    }
    /// Instruments of this run, in [`Symbol`] order.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }
}

/// How often our books are compared with the venue's statement.
const RECONCILE_EVERY: Span = Span::from_secs(5);
