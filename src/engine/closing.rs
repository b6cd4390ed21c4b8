//! The close loop: reduce-only orders in widening price bands until flat is proven twice by the venue's own statement.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::control::{CloseLoop, CloseWhy};
use super::effect::{Effect, Effects, FLAT_PROVEN, NewOrder, Protection, Purpose, Record, TimeInForce};
use super::event::Statement;
use super::ids::{Symbol, order_link_id};
use super::notice::{Kind, Level};
use super::num::{Price, Rate, Side};
use super::orders::{Order, OrderState};
use super::pending::About;
use super::time::Ts;

/// Price bands of successive tries, in 1e-9 of price: 10, 30, 100 basis points.
const BANDS: [i64; 3] = [1_000_000, 3_000_000, 10_000_000];
/// After them the market, and in turns with it as far as an order may go: whichever the venue refuses, the other is tried.
const FAR: i64 = 50_000_000;

/// The first try that takes whatever the market gives.
pub(super) const AT_MARKET: u8 = BANDS.len() as u8;

/// So many closing orders in a row that the venue refused: another order of this kind will not do.
const REFUSALS: u8 = 3;

/// How many statements in a row must show flat.
const PROOFS: u8 = 2;

impl Engine {
    /// Starts (or widens) a close loop.
    pub(super) fn begin_close(&mut self, why: CloseWhy, scope: BTreeSet<Symbol>, out: &mut Effects) {
        for symbol in &scope {
            self.cancel_openings(Some(*symbol), out);
        }
        if why != CloseWhy::Kill {
            self.control.receipt.clear();
        }
        let waits = why == CloseWhy::Flatten && self.may_wait();
        let open = self.account.open().filter(|h| scope.contains(&h.symbol)).count();
        self.control.flat_proven = None;
        self.control.close_proven = false;
        self.control.note(self.now, &format!("{}: closing {open} position(s), reduce-only", why.word()));
        self.control.close = Some(CloseLoop {
            why,
            scope: scope.clone(),
            started: self.now,
            proofs: 0,
            tries: BTreeMap::new(),
            refused: BTreeMap::new(),
        });
        if why == CloseWhy::Flatten {
            for symbol in &scope {
                if self.control.flattening.insert(*symbol) {
                    out.push(Effect::Record(Record::Flattening { symbol: *symbol, wanted: true }));
                }
            }
        }
        let text = format!("{}: closing {open} position(s)", why.word());
        self.pending.settle(|about| *about == About::Closing);
        self.warn(Kind::State, None, text, About::Closing, out);
        for symbol in scope {
            if waits {
                self.flatten_waits(symbol, out);
            } else {
                self.drop_wait(symbol, out);
            }
        }
        self.run_close(out);
        self.ask(out);
    }

    /// Flattens of these instruments are over.
    pub(super) fn end_flattens(&mut self, scope: &BTreeSet<Symbol>, out: &mut Effects) {
        for symbol in scope {
            if self.control.flattening.remove(symbol) {
                out.push(Effect::Record(Record::Flattening { symbol: *symbol, wanted: false }));
            }
        }
    }

    /// One round of the loop: an order for every position that has none working.
    pub(super) fn run_close(&mut self, out: &mut Effects) {
        let Some(close) = self.control.close.clone() else { return };
        for symbol in close.scope {
            self.close_one(symbol, out);
        }
    }

    /// The next order for one position of the loop, unless one is on its way or the position's close may wait.
    pub(super) fn close_one(&mut self, symbol: Symbol, out: &mut Effects) {
        let held = self.account.holding(symbol);
        if held.is_flat() || self.is_held_back(symbol) || self.orders.reducing_works(symbol, self.now) {
            return;
        }
        let Some(close) = &mut self.control.close else { return };
        let tries = close.tries.get(&symbol).copied().unwrap_or(0);
        close.tries.insert(symbol, tries.saturating_add(1));
        close.proofs = 0;
        self.reduce(symbol, Purpose::Close, tries, out);
    }

    /// What became of a closing order, for the receipt. One that never left was no try, and one that filled needs no wider
    /// band for the rest of a position that the largest order did not hold: the next goes within the same band.
    pub(super) fn after_close_order(&mut self, order: &Order) {
        let (symbol, name) = (order.intent.symbol, self.name(order.intent.symbol).to_owned());
        let line = match order.state {
            OrderState::Unsent => format!("{name}: not sent: {}", order.reason),
            OrderState::Rejected => format!("{name}: refused: {}", order.reason),
            OrderState::Cancelled => format!("{name}: ended with {} left: {}", order.left(), order.reason),
            OrderState::Unknown => format!("{name}: outcome unknown, it is asked for: {}", order.reason),
            _ => String::new(),
        };
        if !line.is_empty() {
            self.control.note(self.now, &line);
        }
        if let Some(close) = &mut self.control.close {
            match order.state {
                OrderState::Rejected => {
                    let refused = close.refused.entry(symbol).or_default();
                    *refused = refused.saturating_add(1);
                }
                OrderState::Filled | OrderState::Cancelled => drop(close.refused.remove(&symbol)),
                _ => {}
            }
        }
        let same_band = matches!(order.state, OrderState::Unsent | OrderState::Filled);
        if let Some(tries) = self.control.close.as_mut().and_then(|close| close.tries.get_mut(&symbol))
            && same_band
        {
            *tries = tries.saturating_sub(1);
        }
    }

    /// Does the venue refuse what the close loop sends for some position? Somebody's order may stand in its way, or a mode that
    /// this engine does not trade in.
    pub fn close_is_refused(&self) -> bool {
        self.control.close.as_ref().is_some_and(|close| close.refused.values().any(|refused| *refused >= REFUSALS))
    }

    /// Sends one reduce-only order for what is held, split to the venue's maximum, priced inside the band of this try.
    /// `false` when there is no price at all to work with.
    pub(super) fn reduce(&mut self, symbol: Symbol, purpose: Purpose, tries: u8, out: &mut Effects) -> bool {
        let Some(desk) = self.desks.get(symbol.index()) else { return false };
        let held = self.account.holding(symbol);
        let Some(side) = held.side().map(Side::opposite) else { return false };
        let reference = desk.book.mid().or(desk.ticker.facts().mark).or(desk.last.map(|last| last.1));
        let rules = &desk.instrument;
        // A remainder that no order can name: the venue sizes it.
        let dust = held.qty() < rules.min_qty || held.qty().floor_to(rules.step) != held.qty();
        let at_market = purpose == Purpose::Close && (dust || takes_market(tries));
        let Some(reference) = reference.or(at_market.then_some(rules.tick)) else {
            self.control.note(self.now, &format!("{}: no price yet, waiting", self.name(symbol)));
            return false;
        };
        let band = BANDS.get(usize::from(tries)).copied().unwrap_or(FAR);
        let price = banded(reference, side, band);
        let price = rules.tick_away(side, price).max(rules.tick);
        // Inside the venue's band: beyond it the order would be re-priced silently or refused.
        let price = match (desk.band, side) {
            (Some((buy_max, _)), Side::Buy) => price.min(rules.tick_down(buy_max)),
            (Some((_, sell_min)), Side::Sell) => price.max(rules.tick_up(sell_min)),
            (None, _) => price,
        };
        let qty = held.qty().min(rules.max_market_qty);
        let order = NewOrder {
            seq: self.orders.next_seq(),
            symbol,
            side,
            qty,
            price,
            tif: if at_market { TimeInForce::CloseAtMarket } else { TimeInForce::ImmediateOrCancel },
            reduce_only: true,
            purpose,
            protection: Protection::default(),
            decided: self.now,
        };
        let Some(approved) = super::risk::gate::approve_reducing(order, &held) else { return false };
        if purpose == Purpose::Close {
            let how = if at_market { "at market".to_owned() } else { format!("within {} bp", band / 100_000) };
            let link = order_link_id(self.pair.account(), &self.run, order.seq);
            let line = format!("{} {} {qty} {how} ({link})", self.name(symbol), side.word());
            self.control.note(self.now, &line);
        }
        self.send(approved, out);
        true
    }

    /// The venue's statement while a close loop runs: twice flat, with nothing working, is the proof.
    pub(super) fn prove_flat(&mut self, statement: &Statement, out: &mut Effects) {
        let Some(close) = &self.control.close else { return };
        let scope = close.scope.clone();
        let venue_flat = !statement.positions.iter().any(|(symbol, qty)| scope.contains(symbol) && *qty != 0);
        let ours_flat = !self.account.open().any(|h| scope.contains(&h.symbol));
        let working = scope.iter().any(|symbol| self.orders.working_of(*symbol).next().is_some());
        let working = working || self.left_behind(statement).iter().any(|order| scope.contains(&order.symbol));
        let (why, started) = (close.why, close.started);
        if !venue_flat || !ours_flat || working {
            if let Some(close) = &mut self.control.close {
                close.proofs = 0;
            }
            return;
        }
        let proofs = close.proofs + 1;
        if let Some(close) = &mut self.control.close {
            close.proofs = proofs;
        }
        let flat = if scope.is_empty() { "nothing of ours to close" } else { "flat" };
        self.control.note(self.now, &format!("venue says {flat} ({proofs} of {PROOFS})"));
        if proofs < PROOFS {
            self.ask(out);
        } else {
            self.end_close(statement, &scope, (why, started), out);
        }
    }

    /// The close loop has its proof.
    fn end_close(
        &mut self,
        statement: &Statement,
        scope: &BTreeSet<Symbol>,
        (why, started): (CloseWhy, Ts),
        out: &mut Effects,
    ) {
        // The whole account is flat only when the venue lists no position and no order at all, also outside this run, and none of
        // ours is on its way that the statement could not show yet.
        let outside = usize::from(statement.unlisted) + usize::from(statement.foreign_orders);
        let still = outside == 0 && self.working_orders() == 0;
        let account_flat = still && statement.positions.iter().all(|(_, qty)| *qty == 0);
        self.control.close = None;
        self.end_flattens(scope, out);
        self.control.close_proven = true;
        self.control.flat_proven = account_flat.then_some(self.now);
        if account_flat {
            let outcome = format!("{} ended flat, proven by {PROOFS} statements of the venue", why.word());
            out.push(Effect::Record(Record::Operator { command: FLAT_PROVEN.into(), outcome }));
        }
        self.pending.settle(|about| *about == About::Closing || (account_flat && *about == About::Kill));
        if self.is_venue_account() {
            out.push(Effect::TieOut);
        }
        let (took, clock) = (self.now.since(started), self.now.clock());
        let names: Vec<&str> = scope.iter().map(|symbol| self.name(*symbol)).collect();
        let whose = match scope.len() == self.desks.len() {
            true if account_flat => String::new(),
            true => "ours is ".to_owned(),
            false => format!("{} ", names.join(", ")),
        };
        let mut done = format!("{whose}flat proven");
        let text = if scope.is_empty() && !account_flat {
            "nothing is left to close: what is open is yours".clone_into(&mut done);
            format!("{}: {done} (proven {clock})", why.word())
        } else if outside == 0 {
            format!("{whose}FLAT (proven {clock})")
        } else {
            format!(
                "{} flat (proven {clock}); outside this run the account has {} position(s) and {} order(s)",
                names.join(", "),
                statement.unlisted,
                statement.foreign_orders
            )
        };
        let since = match (why, &self.control.latch) {
            (CloseWhy::Kill, Some(latch)) => format!(", {} after the kill", self.now.since(latch.at)),
            _ => String::new(),
        };
        self.control.note(self.now, &format!("{done}, {took} after closing began ({}){since}", why.word()));
        self.tell(Level::Info, Kind::State, None, text, out);
    }
}

/// Is this try one at market?
const fn takes_market(tries: u8) -> bool {
    let past = (tries as usize).saturating_sub(BANDS.len());
    tries as usize >= BANDS.len() && past.is_multiple_of(2)
}

/// `reference` moved by `band` (1e-9) to the worse for someone trading on `side`.
fn banded(reference: Price, side: Side, band: i64) -> Price {
    reference.shifted(match side {
        Side::Buy => Rate::from_raw(band),
        Side::Sell => Rate::from_raw(-band),
    })
}
