//! From a model's answer to an order: signal, wish, gate, submit; and the exits of what is held.

use super::Engine;
use super::control::ExitsAllowed;
use super::effect::{Effect, Effects, NewOrder, Purpose, TimeInForce};
use super::event::{HorizonForecast, Prediction};
use super::ids::Symbol;
use super::market::book::BookState;
use super::market::instrument::Category;
use super::notice::{Kind, Level, Notice};
use super::num::{Price, Qty, Rate, Side};
use super::pending::About;
use super::risk::gate::{Approved, approve_opening, trace};
use super::risk::limits::LimitKey;
use super::risk::verdict::{Denial, DenialCode};
use super::signal::{entry_qty, signal};
use super::snapshot::{MarkKind, Verdict};
use super::strategy::{Wish, drill, threshold};
use super::trust::Turn;

/// Tries of one exit before it pauses for the next decision boundary instead of following every price.
const EXIT_TRIES_MAX: u8 = 8;

impl Engine {
    pub(super) fn on_prediction(&mut self, prediction: &Prediction, out: &mut Effects) {
        let Some(desk) = self.desks.get_mut(prediction.symbol.index()) else { return };
        if prediction.horizons.iter().all(HorizonForecast::is_sound) {
            desk.on_prediction(self.now, prediction, &self.settings);
        } else {
            // No forecast: the other models decide without it.
            let none = Prediction { horizons: Vec::new(), ..prediction.clone() };
            desk.on_prediction(self.now, &none, &self.settings);
        }
        if desk.all_answered() {
            self.decide(prediction.symbol, out);
        }
    }

    /// Models that were benched, or came back, at the horizon that is traded on: others are shown only.
    pub(super) fn tell_turns(&mut self, symbol: Symbol, turns: Vec<Turn>, out: &mut Effects) {
        let horizon_s = self.settings.horizon_s;
        for turn in turns.into_iter().filter(|turn| turn.horizon_s == horizon_s) {
            let about = About::Bench(symbol, turn.model);
            let (model, name) = (turn.name, self.name(symbol));
            if let Some(why) = turn.benched {
                let text = format!("{model} benched on {name} at {horizon_s} s: {why}; its answers open nothing");
                self.warn(Kind::Signal, Some(symbol), text, about, out);
            } else {
                let text = format!("{model} is believed again on {name} at {horizon_s} s");
                self.pending.settle(|waiting| *waiting == about);
                self.tell(Level::Info, Kind::Signal, Some(symbol), text, out);
            }
        }
    }

    /// One decision for one instrument.
    pub(super) fn decide(&mut self, symbol: Symbol, out: &mut Effects) {
        let notices = self.next_notice;
        self.decisions.begin();
        let wish = self.wish(symbol);
        self.keep_wait(symbol, &wish, out);
        let verdict = match wish {
            Wish::Hold => self.holding_verdict(symbol),
            Wish::Exit => {
                self.exit(symbol, Purpose::Exit, out);
                self.holding_verdict(symbol)
            }
            Wish::Nothing(_, denial) => {
                *self.denials.entry(denial.code).or_default() += 1;
                if self.account.holding(symbol).is_flat() {
                    Verdict::Quiet(denial)
                } else {
                    self.holding_verdict(symbol)
                }
            }
            Wish::Enter(side) => self.enter(symbol, side, out),
        };
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            let turned = matches!(&verdict, Verdict::Denied(..) | Verdict::Entering(_)) && desk.verdict != verdict;
            if let (true, Verdict::Entering(side)) = (turned, &verdict) {
                desk.mark_chart(self.now, None, MarkKind::Signal(*side));
            }
            if matches!(verdict, Verdict::Entering(_)) {
                desk.told = None;
            }
            desk.verdict = verdict;
        }
        self.remember(symbol, self.next_notice > notices);
    }

    /// What the strategy wants. Category and book come first: without them no signal means anything.
    fn wish(&mut self, symbol: Symbol) -> Wish {
        let held = self.account.holding(symbol).side();
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return Wish::Hold };
        let unusable = if desk.instrument.category == Category::Linear {
            match desk.book.state() {
                BookState::Missing => Some(Denial::bare(DenialCode::BookMissing)),
                BookState::Gapped => Some(Denial::bare(DenialCode::BookGapped)),
                BookState::Valid => None,
            }
        } else {
            let detail = format!("category=inverse symbol={}", desk.instrument.name);
            Some(Denial::with(DenialCode::CategoryUnsupported, detail))
        };
        self.decisions.ask([("market", unusable.clone())]);
        if let Some(denial) = unusable {
            return Wish::Nothing(None, denial);
        }
        let signal = signal(desk, &self.settings, self.settings.horizon_s, self.now);
        if let Some(drill) = &self.settings.drill {
            return drill::wish(drill, symbol, held, self.now);
        }
        match signal {
            Ok(signal) => {
                desk.signal = Some(signal);
                self.decisions.ask([("fresh and believed", None)]);
                let (settings, now) = (&self.settings, self.now);
                let wish = threshold::wish(&signal, held, &mut desk.confirmation, settings, now);
                if held.is_none() {
                    let side = (signal.prob >= settings.min_prob).then_some(signal.side);
                    let held_for = desk.confirmation.observe(now, side);
                    self.decisions.ask(threshold::checks(&signal, held_for, settings));
                }
                wish
            }
            Err(denial) => {
                desk.signal = None;
                self.decisions.ask([("fresh and believed", Some(denial.clone()))]);
                Wish::Nothing(None, denial)
            }
        }
    }

    fn holding_verdict(&self, symbol: Symbol) -> Verdict {
        match self.account.holding(symbol).side() {
            None => Verdict::Flat,
            Some(side) if self.is_leaving(symbol) => Verdict::Exiting(side),
            Some(side) => Verdict::Holding(side),
        }
    }

    fn enter(&mut self, symbol: Symbol, side: Side, out: &mut Effects) -> Verdict {
        if self.may_wait() {
            return self.time_entry(symbol, side, out);
        }
        if self.orders.entry_works(symbol) {
            return Verdict::Entering(side);
        }
        let order = self.entry_order(symbol, side, self.settings.passive_entry, None);
        match order.and_then(|order| self.open(order, out)) {
            Ok(()) => Verdict::Entering(side),
            Err(denial) => self.deny(symbol, side, denial, out),
        }
    }

    /// Asks the gate and sends.
    pub(super) fn open(&mut self, order: NewOrder, out: &mut Effects) -> Result<(), Denial> {
        let asked = trace(&order, &self.gate_view());
        self.decisions.ask(asked);
        let approved = approve_opening(order, &self.gate_view())?;
        self.sent.push_back(self.now);
        (self.control.flat_proven, self.control.close_proven) = (None, false);
        self.send(approved, out);
        Ok(())
    }

    /// The order an entry would be: size from settings and no more than `most`, price bounded by the slippage limit, or the
    /// best one of its side where it `rests`.
    pub(super) fn entry_order(
        &mut self,
        symbol: Symbol,
        side: Side,
        rests: bool,
        most: Option<Qty>,
    ) -> Result<NewOrder, Denial> {
        let missing = || Denial::bare(DenialCode::BookMissing);
        let desk = self.desks.get(symbol.index()).ok_or_else(missing)?;
        let mid = desk.book.mid().ok_or_else(missing)?;
        let qty = entry_qty(desk, self.settings.entry_notional).ok_or_else(|| {
            let detail = format!("notional={} step={}", self.settings.entry_notional, desk.instrument.step);
            Denial::with(DenialCode::OrderBelowMinimum, detail)
        })?;
        let qty = most.map_or(qty, |most| qty.min(most).floor_to(desk.instrument.step));
        let (price, tif, from) = if rests {
            let best = desk.book.same(side).first().ok_or_else(missing)?;
            (best.price, TimeInForce::PostOnly, best.price)
        } else {
            (self.slippage_bound(mid, side, symbol), TimeInForce::ImmediateOrCancel, mid)
        };
        let protection = self.protection(desk, side, from);
        Ok(NewOrder {
            seq: self.orders.next_seq(),
            symbol,
            side,
            qty,
            price,
            tif,
            reduce_only: false,
            purpose: Purpose::Entry,
            protection,
            decided: self.now,
        })
    }

    /// The worst tick an entry may trade at, rounded towards mid so that the limit itself is never passed.
    fn slippage_bound(&self, mid: Price, side: Side, symbol: Symbol) -> Price {
        // basis points in 1e-9 to a fraction in 1e-9: divide by 10_000.
        let rate = Rate::from_raw(self.limits.get(LimitKey::MaxSlippageBps) / 10_000);
        let bound = mid.shifted(if side == Side::Buy { rate } else { -rate });
        self.desks.get(symbol.index()).map_or(bound, |desk| desk.instrument.tick_away(side.opposite(), bound))
    }

    pub(super) fn deny(&mut self, symbol: Symbol, side: Side, denial: Denial, out: &mut Effects) -> Verdict {
        *self.denials.entry(denial.code).or_default() += 1;
        self.refused += 1;
        let now = self.now;
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return Verdict::Denied(side, denial) };
        if desk.told != Some(denial.code) {
            desk.told = Some(denial.code);
            desk.mark_chart(now, None, MarkKind::Vetoed(side));
            let text = format!("{} {} {denial}", desk.instrument.name, side.word());
            self.next_notice += 1;
            let notice = Notice {
                id: self.next_notice,
                at: now,
                level: Level::Info,
                kind: Kind::Deny,
                symbol: Some(symbol),
                text,
                denial: Some(denial.clone()),
            };
            self.publish(notice, out);
        }
        Verdict::Denied(side, denial)
    }

    /// Takes up an approved order and hands it out.
    pub(super) fn send(&mut self, approved: Approved<NewOrder>, out: &mut Effects) {
        let order = *approved.get();
        self.orders.add(order);
        self.decisions.send(&order);
        let text = format!(
            "{} {} {} @ {} {}",
            self.name(order.symbol),
            order.side.word(),
            order.qty,
            order.price,
            order.purpose.word()
        );
        out.push(Effect::Submit(approved));
        // One of many that do not leave is counted, not told.
        let repeats = self.desks.get(order.symbol.index()).is_some_and(|desk| desk.kept_back.is_some());
        if !(order.reduce_only && repeats) {
            self.tell(Level::Info, Kind::Order, Some(order.symbol), text, out);
        }
    }

    /// Exits of one held instrument, as far as its state allows them.
    pub(super) fn run_exits(&mut self, symbol: Symbol, out: &mut Effects) {
        let allowed = self.control.exits(symbol);
        if allowed == ExitsAllowed::None {
            return;
        }
        let held = self.account.holding(symbol);
        let (Some(side), Some(desk)) = (held.side(), self.desks.get(symbol.index())) else { return };
        let Some(mark) = desk.mark() else { return };
        let beyond = |level: Option<Price>, losing: bool| {
            level.is_some_and(|level| if (side == Side::Buy) == losing { mark <= level } else { mark >= level })
        };
        let purpose = if beyond(desk.exits.stop, true) {
            Some(Purpose::Stop)
        } else if allowed == ExitsAllowed::StopOnly {
            None
        } else if beyond(desk.exits.take_profit, false) {
            Some(Purpose::TakeProfit)
        } else if self.now.since(held.opened) >= self.settings.max_hold {
            Some(Purpose::MaxHold)
        } else {
            None
        };
        if let Some(purpose) = purpose {
            self.exit(symbol, purpose, out);
        }
    }

    /// Sends one closing order unless one is under way; each try widens the band.
    pub(super) fn exit(&mut self, symbol: Symbol, purpose: Purpose, out: &mut Effects) {
        let allowed = match self.control.exits(symbol) {
            ExitsAllowed::All => true,
            ExitsAllowed::StopOnly => purpose == Purpose::Stop,
            ExitsAllowed::None => false,
        };
        if !allowed || self.exit_waits(symbol, purpose, out) || self.orders.reducing_works(symbol, self.now) {
            return;
        }
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        let tries = desk.exit_tries;
        // After many tries only a decision boundary tries again: `exit_tries` is wound back there.
        if tries >= EXIT_TRIES_MAX {
            if self.now.floor_to(self.settings.decision_interval) == self.now {
                desk.exit_tries = EXIT_TRIES_MAX - 1;
            }
            return;
        }
        desk.exit_tries = tries + 1;
        self.cancel_openings(Some(symbol), out);
        self.reduce(symbol, purpose, tries, out);
    }

    /// Sets stop and take-profit of a held position from its entry price.
    pub(super) fn protect(&mut self, symbol: Symbol) {
        let held = self.account.holding(symbol);
        let (Some(side), Some(entry)) = (held.side(), held.entry_price()) else { return };
        let (stop, take_profit) = (self.settings.stop, self.settings.take_profit);
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            desk.set_exits(side, entry, stop, take_profit);
        }
    }
}
