//! What happens beside the engine: a kill that another thread hears first and what the guardian does then, an address that
//! the exchange refuses, and a person who flips the position mode.

use tickdeck::engine::command::Command;
use tickdeck::engine::ids::Symbol;
use tickdeck::engine::num::{Price, Qty, Side};
use tickdeck::engine::risk::state::{Latch, LatchCause};
use tickdeck::engine::time::{Span, Ts};
use tickdeck::venue::sim::exchange::model::{Kind, NewOrder, Protection, Slot, Tif, TpslMode};

use super::disk::Medium;
use super::world::{Item, World};

/// How long the client keeps silent after a refusal of its address (contract 5).
const BAN: Span = Span::from_secs(600);

/// What the guardian still has to do for a kill.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The engine's thread hears of it at last.
    Heard,
    /// The latch goes into the marker where the engine has not made it durable.
    Mark,
    /// Every order of ours that can open is cancelled by the exchange's own list.
    Cancel,
    /// What is open and ours is closed; the engine's own closing orders stay back.
    Close,
    /// The guardian has closed.
    Closed,
}

impl World {
    /// A kill reaches the gate on another thread while the engine's thread is busy for so long.
    pub fn kill_beside(&mut self, busy: Span, closes: bool) {
        let Some(process) = self.process.as_mut().filter(|process| !process.stopped && !process.busy) else { return };
        process.busy = true;
        process.driver.gate().kill();
        self.truth.gate_shut();
        let ms = Span::from_ms;
        let first = [(busy, Step::Heard), (ms(60), Step::Cancel), (ms(300), Step::Mark), (ms(4_000), Step::Cancel)];
        let second = [(ms(2_000), Step::Close), (ms(3_500), Step::Closed)];
        for (after, step) in first.into_iter().chain(second.into_iter().filter(|_| closes)) {
            self.tell_life(self.now + after, Item::Guard(step));
        }
    }

    pub fn guard(&mut self, step: Step) {
        match step {
            Step::Heard => self.hear_kill(),
            Step::Mark => self.mark_killed(),
            Step::Cancel => self.cancel_by_list(),
            Step::Close => self.close_beside(),
            Step::Closed => {
                if let Some(process) = &self.process {
                    process.driver.gate().guard(false);
                }
            }
        }
    }

    /// The engine's thread is free again and takes the kill before any request.
    pub fn hear_kill(&mut self) {
        let Some(process) = self.process.as_mut().filter(|process| process.busy) else { return };
        process.busy = false;
        process.look_at_clocks(self.now);
        process.driver.shut(Command::Kill);
        self.truth.asked(&Command::Kill, process);
        self.say(|| "the engine hears of the kill".into());
        self.go_on();
    }

    fn mark_killed(&mut self) {
        let Some(process) = self.process.as_mut() else { return };
        // What the engine has heard of is its own: on the disk, on its way there, or lifted by a person since.
        let heard = !process.busy && !process.driver.engine().latch().is_some_and(Latch::is_kill);
        if heard || process.durable_kill().is_some() {
            return;
        }
        let at = process.local(self.now);
        let disk = process.writer.store_mut();
        if disk.medium != Medium::Gone {
            disk.marker = Some(Latch { cause: LatchCause::Killed("by the guardian".into()), at });
        }
    }

    fn cancel_by_list(&mut self) {
        if self.cut || self.is_banned() {
            return;
        }
        self.exchange.cancel_all(self.now, |order| !order.ask.reduce_only && order.ask.link.starts_with("tt-"));
        self.publish();
    }

    /// Closes what is ours by orders of the guardian's own name.
    fn close_beside(&mut self) {
        let Some(process) = self.process.as_ref().filter(|_| !self.cut && !self.is_banned()) else { return };
        process.driver.gate().guard(true);
        let (run, engine) = (process.run.clone(), process.driver.engine());
        let ours = |symbol: Symbol| engine.account().is_known() && !engine.released().contains(&symbol);
        let held = self.exchange.held().filter(|position| ours(position.slot.symbol));
        let held: Vec<(Slot, Side)> = held.filter_map(|position| Some((position.slot, position.side?))).collect();
        for (slot, side) in held {
            self.numbers += 1;
            let link = format!("tt-{run}-g{}", self.numbers);
            self.say(|| format!("the guardian closes: {link}"));
            let ask = NewOrder {
                slot,
                side: side.opposite(),
                kind: Kind::Market,
                qty: Qty::ZERO,
                price: None,
                tif: Tif::Ioc,
                link,
                reduce_only: true,
                close_on_trigger: true,
                trigger: None,
                protection: Protection::default(),
                slippage: None,
            };
            // Refused where nothing is open any more.
            self.exchange.create(self.now, ask).ok();
        }
        self.publish();
    }

    /// Does the exchange refuse our address now?
    pub fn is_banned(&self) -> bool {
        self.now < self.banned_until
    }

    pub fn ban(&mut self, span: Span) {
        self.banned_until = self.banned_until.max(self.now + span);
    }

    /// The client learns that its address is refused, and keeps silent from now on. Until when, local time.
    pub fn note_ban(&mut self) -> Ts {
        let Some(process) = &self.process else { return self.now };
        let until = process.local(self.now) + BAN;
        process.reads.api.wires().banned = Some(until);
        until
    }

    /// The position mode of an instrument is flipped by hand, which the exchange allows while nothing is open in it: back to
    /// one-way mode after both legs are closed.
    pub fn flip_mode(&mut self, symbol: Symbol, hedged: bool) {
        if self.exchange.account.hedged.contains(&symbol) == hedged {
            return;
        }
        if !hedged {
            self.close_by_hand(symbol);
        }
        let done = self.exchange.set_hedged(symbol, hedged);
        self.say(|| format!("hedge mode {hedged}: {}", if done.is_ok() { "done" } else { "refused" }));
        self.publish();
    }

    /// Every instrument goes back to one-way mode, where its legs could be closed.
    pub fn flip_back(&mut self) {
        for index in 0..self.symbols() {
            self.flip_mode(Symbol(index as u16), false);
        }
    }

    /// Somebody has this id for a resting order of theirs, far from the market.
    pub fn another_takes(&mut self, link: String) {
        let (symbol, tick) = (Symbol(0), self.exchange.market_of(Symbol(0)).unwrap().rules.tick.raw());
        let price = self.exchange.mark_of(symbol).unwrap().raw() / 100 * 96 / tick * tick;
        let ask = NewOrder {
            slot: Slot { symbol, idx: 0 },
            side: Side::Buy,
            kind: Kind::Limit,
            qty: Qty::parse("0.7").unwrap(),
            price: Some(Price::from_raw(price)),
            tif: Tif::Gtc,
            link,
            reduce_only: false,
            close_on_trigger: false,
            trigger: None,
            protection: Protection { mode: TpslMode::Full, take: None, stop: None },
            slippage: None,
        };
        self.exchange.create(self.now, ask).unwrap();
    }

    /// A trade by hand, in the leg that the position mode asks for.
    pub fn trade_by_hand(&mut self, symbol: Symbol, side: Side, qty: Qty) {
        let slots = self.exchange.account.slots(symbol);
        let slot = slots[if side == Side::Sell { slots.len() - 1 } else { 0 }];
        // The exchange may refuse it like any other.
        drop(self.exchange.foreign_order(slot, side, qty));
        self.truth.foreign = Some(self.now);
    }

    /// A position is closed by hand, both legs of it.
    pub fn close_by_hand(&mut self, symbol: Symbol) {
        for slot in self.exchange.account.slots(symbol) {
            self.exchange.close_foreign(slot, "CreateByClosing");
        }
        self.truth.foreign = Some(self.now);
    }

    /// Auto-deleveraging takes part of each leg of a position, in whole steps.
    pub fn deleverage(&mut self, symbol: Symbol, percent: u8) {
        let step = self.exchange.market_of(symbol).map_or(1, |market| market.rules.step.raw()).max(1);
        for slot in self.exchange.account.slots(symbol) {
            let part = self.exchange.account.position(slot).size.raw() / 100 * i64::from(percent);
            self.exchange.deleverage(slot, Qty::from_raw((part / step * step).max(step)));
        }
        self.truth.foreign = Some(self.now);
    }

    /// The exchange takes over every position.
    pub fn liquidate(&mut self) {
        self.exchange.liquidate();
        self.truth.foreign = Some(self.now);
    }
}
