//! Protection at the venue: every position of ours has a stop there. It is asked for, not assumed; where it is missing it is
//! set; where it cannot be set the position is closed.

use std::collections::BTreeSet;

use super::Engine;
use super::control::CloseWhy;
use super::desk::Desk;
use super::effect::{Effect, Effects, Protection, Purpose, Record};
use super::event::{Protective, Statement};
use super::ids::Symbol;
use super::market::instrument::InstrumentStatus;
use super::notice::{Kind, Level};
use super::num::{Price, Rate, Side};
use super::pending::About;
use super::risk::limits::LimitKey;
use super::snapshot::Protected;
use super::time::{Span, Ts};

/// A stop that was asked for is waited for this long before it is asked for again.
const ANSWER_WITHIN: Span = Span::from_secs(2);
/// So often it is asked for; then the position is closed.
const TRIES_MAX: u8 = 3;
/// A stop that is so many times as far from the entry as wanted is not the one that was set. Entries at several prices move the
/// wanted one, but not this far.
const FAR: i128 = 2;

/// What is known of one position's protection at the venue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cover {
    /// As the venue said; `None` while it has not, or while what it said may be old.
    said: Option<Protection>,
    /// Since when the position has been seen without a stop.
    bare: Option<Ts>,
    /// When a stop was last asked for.
    asked: Option<Ts>,
    tries: u8,
    /// The person cancelled the stop: it is not set again.
    waived: bool,
    /// It was told that the stop is too far away.
    far: bool,
    /// What was left over from the last position is being cancelled.
    swept: bool,
}

impl Cover {
    /// Of a position whose stop the person cancelled in an earlier run.
    pub(super) fn waived() -> Self {
        Self { waived: true, ..Self::default() }
    }
}

impl Engine {
    /// Where protection of a position on `side` that was entered at `entry` stands.
    pub(super) fn protection(&self, desk: &Desk, side: Side, entry: Price) -> Protection {
        let (stop, take_profit) =
            desk.levels(side, entry, self.settings.protect.stop, self.settings.protect.take_profit);
        Protection { stop, take_profit }
    }

    /// A fill moved a position from `before` to what it is now: protection ends with a position, and what a new one has is
    /// asked for.
    pub(super) fn follow_position(&mut self, symbol: Symbol, before: i64, out: &mut Effects) {
        let after = self.account.holding(symbol).signed;
        if after.signum() != before.signum() {
            self.end_waiver(symbol, out);
            if let Some(desk) = self.desks.get_mut(symbol.index()) {
                desk.cover = Cover::default();
            }
        }
        if after == 0 {
            self.protective.retain(|_, order| order.symbol != symbol);
        } else if after.abs() > before.abs() && self.settings.protect.stop != Rate::ZERO {
            self.ask(out);
        }
    }

    /// That the person took a stop away ends with its position.
    pub(super) fn end_waiver(&mut self, symbol: Symbol, out: &mut Effects) {
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        if std::mem::take(&mut desk.cover.waived) {
            out.push(Effect::Record(Record::Waived { symbol, waived: false }));
        }
    }

    /// What the venue said of protection may be old: nothing is known until it says so again.
    pub(super) fn doubt_protection(&mut self) {
        for desk in &mut self.desks {
            desk.cover = Cover { said: None, bare: None, asked: None, ..desk.cover };
        }
    }

    /// The venue says what protects one position.
    pub(super) fn hear_protection(&mut self, symbol: Symbol, protection: Protection, out: &mut Effects) {
        if self.account.holding(symbol).is_flat() {
            return;
        }
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        let before = desk.cover.said.replace(protection);
        let Some(stop) = protection.stop else { return };
        let again = desk.cover.tries > 0;
        let Cover { waived, far, .. } = desk.cover;
        desk.cover = Cover { said: Some(protection), waived, far, ..Cover::default() };
        if again || before.is_some_and(|before| before.stop != protection.stop) {
            let text = format!("{}: stop {stop} at the venue", self.name(symbol));
            self.tell(Level::Info, Kind::Account, Some(symbol), text, out);
        }
    }

    /// The statement: what protects each position, and what was left behind by one that is gone.
    pub(super) fn verify_protection(&mut self, statement: &Statement, out: &mut Effects) {
        self.list_protective(&statement.protective);
        for (symbol, _) in statement.positions.iter().filter(|(_, qty)| *qty != 0) {
            let said =
                statement.protection.iter().find(|said| said.0 == *symbol).map_or_else(Protection::default, |s| s.1);
            self.hear_protection(*symbol, said, out);
        }
        for left in self.left_behind(statement) {
            let Some(desk) = self.desks.get_mut(left.symbol.index()) else { continue };
            if !std::mem::replace(&mut desk.cover.swept, true) {
                let text = format!(
                    "{}: a {} order was left at the venue without a position: it is cancelled",
                    self.name(left.symbol),
                    left.purpose.word()
                );
                self.tell(Level::Warn, Kind::Order, Some(left.symbol), text, out);
            }
            out.push(Effect::CancelById { symbol: left.symbol, order: left.order });
        }
    }

    /// Takes over the venue's list. An order keeps the number it was given when it was first seen: `c` cancels by it.
    fn list_protective(&mut self, listed: &[Protective]) {
        let mut before = std::mem::take(&mut self.protective);
        for order in listed {
            let known = before.iter().find(|(_, known)| known.order == order.order && known.symbol == order.symbol);
            let number = known.map_or_else(|| self.orders.next_seq(), |(number, _)| *number);
            before.remove(&number);
            self.protective.insert(number, order.clone());
        }
    }

    /// Protective orders of instruments in which nothing is held and nothing could be: neither in our books, nor in the
    /// venue's, nor by an entry that is on its way. A released instrument is the person's.
    pub(super) fn left_behind(&self, statement: &Statement) -> Vec<Protective> {
        let flat = |symbol: Symbol| {
            self.account.holding(symbol).is_flat()
                && !statement.positions.iter().any(|(held, qty)| *held == symbol && *qty != 0)
                && !self.orders.entry_works(symbol)
                && !self.control.released.contains(&symbol)
        };
        statement.protective.iter().filter(|order| flat(order.symbol)).cloned().collect()
    }

    /// Looks after every position: at each decision boundary.
    pub(super) fn watch_protection(&mut self, out: &mut Effects) {
        self.settle_bare();
        let watched: Vec<Symbol> =
            self.account.open().map(|held| held.symbol).filter(|symbol| self.is_watched(*symbol)).collect();
        for symbol in watched {
            self.watch_cover(symbol, out);
        }
        let ours = self.account.open().filter(|held| !self.control.released.contains(&held.symbol));
        let ours: Vec<Symbol> = ours.map(|held| held.symbol).collect();
        for symbol in ours {
            self.watch_distance(symbol, out);
        }
    }

    /// A stop in force that is much farther away than wanted, or beyond liquidation, protects from little: told, and never moved
    /// without the person.
    fn watch_distance(&mut self, symbol: Symbol, out: &mut Effects) {
        let Some(desk) = self.desks.get(symbol.index()) else { return };
        let stop = desk.cover.said.and_then(|said| said.stop);
        let why = stop.and_then(|stop| Some((stop, self.why_far(desk, stop)?)));
        let told = desk.cover.far;
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            desk.cover.far = why.is_some();
        }
        let Some((stop, why)) = why.filter(|_| !told) else { return };
        let text = format!(
            "{}: its stop at the venue is at {stop}, {why}: move it there, or flatten; it is not moved by itself",
            self.name(symbol)
        );
        self.tell_about(Level::Alarm, Kind::Account, Some(symbol), text, About::Far(symbol), out);
    }

    /// Why a stop protects from little, if so.
    fn why_far(&self, desk: &Desk, stop: Price) -> Option<String> {
        let held = self.account.holding(desk.symbol);
        let (side, entry) = (held.side()?, held.entry_price()?);
        let against = |from: Price, to: Price| i128::from(from.raw() - to.raw()) * i128::from(side.sign());
        if self.stated_liquidation(desk).price().is_some_and(|liquidation| against(liquidation, stop) >= 0) {
            return Some("beyond where the position is liquidated".to_owned());
        }
        let wanted = self.protection(desk, side, entry).stop?;
        let far = against(entry, stop) > against(entry, wanted) * FAR;
        far.then(|| format!("much farther away than {wanted}, where it was to be"))
    }

    /// Is the protection of this position ours to look after? Not of one that a close loop is closing, that belongs to the
    /// person, or whose stop the person took away.
    fn is_watched(&self, symbol: Symbol) -> bool {
        let closing = self.control.close.as_ref().is_some_and(|close| close.scope.contains(&symbol));
        let waived = self.desks.get(symbol.index()).is_none_or(|desk| desk.cover.waived);
        self.wants_stop() && !closing && !waived && !self.control.released.contains(&symbol)
    }

    /// Is a position to have a stop at the venue? Where one is required it is, also where none is configured that could be set.
    fn wants_stop(&self) -> bool {
        self.settings.protect.stop != Rate::ZERO || self.settings.protect.required
    }

    fn watch_cover(&mut self, symbol: Symbol, out: &mut Effects) {
        let (now, leaving) = (self.now, self.control.leaving);
        let patience = if leaving { Span(0) } else { self.limits.span(LimitKey::UnprotectedMaxMs) };
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        // Without the venue's rules there is no tick to round to; they are on their way.
        let known = desk.instrument.status != InstrumentStatus::Unknown;
        let Some(Protection { stop: None, .. }) = desk.cover.said.filter(|_| known) else { return };
        if desk.cover.bare.is_none() {
            // Looked at once more before anything is done about it.
            desk.cover.bare = Some(now);
            self.ask(out);
        }
        let Some(desk) = self.desks.get(symbol.index()) else { return };
        let since = desk.cover.bare.unwrap_or(now);
        let waits = desk.cover.asked.is_some_and(|asked| now.since(asked) < ANSWER_WITHIN);
        if now.since(since) < patience || waits {
            return;
        }
        let tries = desk.cover.tries;
        let held = self.account.holding(symbol);
        let (Some(side), Some(entry), Some(desk)) = (held.side(), held.entry_price(), self.desks.get(symbol.index()))
        else {
            return;
        };
        let Some(mark) = desk.mark() else { return };
        let wanted = self.protection(desk, side, entry);
        let Some(stop) = wanted.stop else { return self.tell_unset(symbol, now.since(since), out) };
        let reached = if side == Side::Buy { mark <= stop } else { mark >= stop };
        if reached {
            self.close_unprotected(symbol, "the market is already beyond where its stop would be", out);
        } else if tries >= TRIES_MAX {
            self.close_unprotected(symbol, &format!("setting one failed {TRIES_MAX} times"), out);
        } else {
            self.set_stop(symbol, wanted, now.since(since), out);
        }
    }

    fn set_stop(&mut self, symbol: Symbol, wanted: Protection, bare: Span, out: &mut Effects) {
        let now = self.now;
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        desk.cover.asked = Some(now);
        desk.cover.tries += 1;
        let again =
            if desk.cover.tries > 1 { format!(" (try {} of {TRIES_MAX})", desk.cover.tries) } else { String::new() };
        let level = wanted.stop.map_or_else(String::new, |stop| stop.to_string());
        let text = format!("{}: NO STOP at the venue for {bare}: one is set at {level}{again}", self.name(symbol));
        out.push(Effect::Protect { symbol, protection: wanted });
        self.tell_bare(symbol, text, out);
        self.ask(out);
    }

    /// A position without a stop where none is configured that could be set: an adopted one. Told once.
    fn tell_unset(&mut self, symbol: Symbol, bare: Span, out: &mut Effects) {
        let Some(desk) = self.desks.get_mut(symbol.index()) else { return };
        if std::mem::replace(&mut desk.cover.tries, 1) == 0 {
            let text = format!(
                "{}: NO STOP at the venue for {bare}, and protect.stop_bps is 0: set one at the exchange, release it or flatten",
                self.name(symbol)
            );
            self.tell_bare(symbol, text, out);
        }
    }

    /// One alarm for a position without a stop: the newest.
    fn tell_bare(&mut self, symbol: Symbol, text: String, out: &mut Effects) {
        self.pending.settle(|about| *about == About::Bare(symbol));
        self.tell_about(Level::Alarm, Kind::Account, Some(symbol), text, About::Bare(symbol), out);
    }

    /// The alarm of a position ends with the position, with its stop, and where it is the person's choice.
    fn settle_bare(&mut self) {
        let over = |symbol: Symbol| {
            let theirs = self.control.released.contains(&symbol);
            let stop = |desk: &Desk| desk.cover.waived || desk.cover.said.is_some_and(|said| said.stop.is_some());
            theirs || self.account.holding(symbol).is_flat() || self.desks.get(symbol.index()).is_none_or(stop)
        };
        self.pending.settle(|about| matches!(about, About::Bare(symbol) if over(*symbol)));
        let near = |symbol: Symbol| {
            let theirs = self.control.released.contains(&symbol) || self.account.holding(symbol).is_flat();
            theirs || self.desks.get(symbol.index()).is_none_or(|desk| !desk.cover.far)
        };
        self.pending.settle(|about| matches!(about, About::Far(symbol) if near(*symbol)));
    }

    /// A position that cannot be protected is not kept.
    fn close_unprotected(&mut self, symbol: Symbol, why: &str, out: &mut Effects) {
        let text = format!("{}: NO STOP at the venue, {why}: the position is closed", self.name(symbol));
        self.tell_bare(symbol, text, out);
        self.disarm("a position has no stop at the venue", out);
        let mut scope = BTreeSet::from([symbol]);
        let mut asked_for_by = CloseWhy::Unprotected;
        if let Some(close) = &self.control.close {
            asked_for_by = close.why;
            scope.extend(close.scope.iter().copied());
        }
        self.begin_close(asked_for_by, scope, out);
    }

    /// A person cancels a protective order.
    pub(super) fn cancel_protective(&mut self, order: Protective, out: &mut Effects) -> String {
        let Protective { symbol, order, purpose, .. } = order;
        out.push(Effect::CancelById { symbol, order });
        self.ask(out);
        let (name, word) = (self.name(symbol).to_owned(), purpose.word());
        if purpose != Purpose::Stop || self.account.holding(symbol).is_flat() {
            return format!("cancel of the {word} order of {name} at the venue");
        }
        if let Some(desk) = self.desks.get_mut(symbol.index()) {
            desk.cover.waived = true;
        }
        out.push(Effect::Record(Record::Waived { symbol, waived: true }));
        let text = format!("{name}: its stop at the venue is cancelled by hand and not set again for this position");
        self.tell(Level::Warn, Kind::Account, Some(symbol), text.clone(), out);
        text
    }

    /// What protects a position, for the screen.
    pub(super) fn protected(&self, desk: &Desk) -> Protected {
        let wanted = self.wants_stop();
        // A stop that was cancelled by hand and is gone is the person's choice; one that was not heard of is unknown.
        let theirs = desk.cover.waived || self.control.released.contains(&desk.symbol);
        match desk.cover.said {
            Some(Protection { stop: Some(stop), .. }) if !theirs && self.why_far(desk, stop).is_some() => {
                Protected::Far(stop)
            }
            Some(Protection { stop: Some(stop), .. }) => Protected::Stop(stop),
            Some(_) if theirs => Protected::Yours,
            Some(_) if wanted => Protected::None,
            None if wanted => Protected::Unknown,
            _ => Protected::Unwanted,
        }
    }

    /// Positions of ours that the venue has not said to be protected, those that are being closed counted.
    pub fn unprotected(&self) -> usize {
        let bare = |desk: &Desk| matches!(self.protected(desk), Protected::None | Protected::Unknown);
        let ours = self.account.open().filter(|held| !self.control.released.contains(&held.symbol));
        ours.filter(|held| self.desks.get(held.symbol.index()).is_some_and(bare)).count()
    }
}
