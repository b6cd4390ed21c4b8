//! Take profit, stop loss, trailing stop: children of an order or of a position (contract 8.8, O5).

use super::Exchange;
use super::model::{
    Kind, Leg, NewOrder, Order, OrderNo, Protection, Refusal, Slot, Status, Tif, TpslMode, Trigger, TriggerBy,
};
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Qty, Side};

/// What `trading-stop` asks for. `None` leaves a leg alone, a zero price takes it away.
#[derive(Clone, Debug, Default)]
pub struct TradingStop {
    /// Whole position or a part.
    pub mode: TpslMode,
    /// Take profit.
    pub take: Option<Leg>,
    /// Stop loss.
    pub stop: Option<Leg>,
    /// Distance of the trailing stop.
    pub trailing: Option<Price>,
    /// Price from which it works.
    pub trailing_from: Option<Price>,
    /// Size of a partial pair.
    pub size: Option<Qty>,
}

impl Order {
    /// A leg that closes the whole position.
    pub(super) fn is_full_leg(&self) -> bool {
        matches!(self.stop_type, "TakeProfit" | "StopLoss")
    }
}

impl Exchange {
    /// An order with protection traded: its legs come to life.
    pub(super) fn attach(&mut self, order: &Order, filled: Qty) {
        let wanted = order.ask.protection;
        let position = self.account.position(order.ask.slot);
        if (wanted.take.is_none() && wanted.stop.is_none()) || position.side != Some(order.ask.side) {
            return;
        }
        match wanted.mode {
            TpslMode::Full => {
                let (take, stop) = (wanted.take.or(position.protection.take), wanted.stop.or(position.protection.stop));
                self.protect_all(order.ask.slot, Protection { mode: TpslMode::Full, take, stop });
            }
            TpslMode::Partial => {
                self.partial_pair(order.ask.slot, wanted.take, wanted.stop, filled, &order.ask.link);
            }
        }
    }

    /// Sets, changes or removes protection of a position. An unchanged request is refused (34040).
    pub fn trading_stop(&mut self, slot: Slot, asked: &TradingStop) -> Result<(), Refusal> {
        let position = self.account.position(slot);
        let Some(side) = position.side else {
            return Err(Refusal::new(10_001, "can not set tp/sl/ts for zero position"));
        };
        let base = self.mark_of(slot.symbol).unwrap_or_default();
        let live = |leg: Option<Leg>| leg.filter(|leg| leg.price > Price::ZERO);
        let mode = asked.mode;
        Self::check_protection(side, base, &Protection { mode, take: live(asked.take), stop: live(asked.stop) })?;
        if mode == TpslMode::Partial {
            let size = asked.size.unwrap_or(position.size).min(position.size);
            if live(asked.take).is_none() && live(asked.stop).is_none() {
                return Err(Refusal::new(34_040, "not modified"));
            }
            self.partial_pair(slot, live(asked.take), live(asked.stop), size, "");
            self.tell_position(slot);
            return Ok(());
        }
        let kept = position.protection;
        let wanted = Protection {
            mode,
            take: asked.take.map_or(kept.take, |leg| live(Some(leg))),
            stop: asked.stop.map_or(kept.stop, |leg| live(Some(leg))),
        };
        let trailing = asked.trailing.map_or(position.trailing, |d| (d > Price::ZERO).then_some(d));
        let from = asked.trailing_from.or(position.trailing_from);
        if wanted == kept && trailing == position.trailing && from == position.trailing_from {
            return Err(Refusal::new(34_040, "not modified"));
        }
        let now = self.now;
        let held = self.account.position_mut(slot, now);
        (held.trailing, held.trailing_from, held.trailing_best) = (trailing, from, None);
        self.protect_all(slot, wanted);
        self.tell_position(slot);
        Ok(())
    }

    /// Puts the legs of a whole position in place of those it had.
    fn protect_all(&mut self, slot: Slot, wanted: Protection) {
        let held = self.account.position(slot);
        if held.protection == wanted {
            // The legs stand already; they cover what the position has become.
            for no in self.legs(slot) {
                if let Some(leg) = self.orders.get_mut(no).filter(|order| order.is_full_leg()) {
                    leg.ask.qty = held.size;
                }
            }
            return;
        }
        for no in self.legs(slot) {
            if self.orders.get(no).is_some_and(Order::is_full_leg) {
                self.end(no, Status::Deactivated, "CancelByTpSlTsClear", "EC_NoError");
            }
        }
        let now = self.now;
        let held = self.account.position_mut(slot, now);
        held.protection = wanted;
        held.updated = now;
        let size = held.size;
        for (leg, profit) in [(wanted.take, true), (wanted.stop, false)] {
            if let Some(leg) = leg {
                let types =
                    if profit { ("TakeProfit", "CreateByTakeProfit") } else { ("StopLoss", "CreateByStopLoss") };
                self.leg(slot, leg, profit, size, types);
            }
        }
    }

    fn partial_pair(&mut self, slot: Slot, take: Option<Leg>, stop: Option<Leg>, size: Qty, parent: &str) {
        let profit =
            take.and_then(|leg| self.leg(slot, leg, true, size, ("PartialTakeProfit", "CreateByPartialTakeProfit")));
        let loss =
            stop.and_then(|leg| self.leg(slot, leg, false, size, ("PartialStopLoss", "CreateByPartialStopLoss")));
        for (no, other) in [(profit, loss), (loss, profit)] {
            if let Some(order) = no.and_then(|no| self.orders.get_mut(no)) {
                order.sibling = other;
                parent.clone_into(&mut order.parent_link);
            }
        }
        for no in [profit, loss].into_iter().flatten() {
            if let Some(order) = self.orders.get(no).cloned() {
                self.tell_order(&order);
            }
        }
    }

    /// One leg: an order of its own that waits for its price.
    fn leg(
        &mut self,
        slot: Slot,
        leg: Leg,
        profit: bool,
        qty: Qty,
        (stop_type, create_type): (&'static str, &'static str),
    ) -> Option<OrderNo> {
        let side = self.account.position(slot).side?.opposite();
        let ask = NewOrder {
            slot,
            side,
            kind: if leg.limit.is_some() { Kind::Limit } else { Kind::Market },
            qty,
            price: leg.limit,
            tif: if leg.limit.is_some() { Tif::Gtc } else { Tif::Ioc },
            link: String::new(),
            reduce_only: true,
            close_on_trigger: true,
            trigger: Some(Trigger { price: leg.price, rising: profit == (side == Side::Sell), by: leg.by }),
            protection: Protection::default(),
            slippage: None,
        };
        let mut order = self.draft(ask, leg.limit.unwrap_or_default(), create_type);
        order.stop_type = stop_type;
        let no = order.no;
        if matches!(stop_type, "TakeProfit" | "StopLoss") {
            self.tell_order(&order);
        }
        self.orders.add(order);
        Some(no)
    }

    /// A leg of a whole position is cancelled or begins to work: it protects no more.
    pub(super) fn lose_leg(&mut self, no: OrderNo) {
        let Some(order) = self.orders.get(no).filter(|order| order.is_full_leg()) else { return };
        let (slot, profit, now) = (order.ask.slot, order.stop_type == "TakeProfit", self.now);
        let protection = &mut self.account.position_mut(slot, now).protection;
        if profit {
            protection.take = None;
        } else {
            protection.stop = None;
        }
    }

    fn legs(&self, slot: Slot) -> Vec<OrderNo> {
        let is_leg = |o: &&Order| o.ask.slot == slot && o.status == Status::Untriggered && o.stop_type != "Stop";
        self.orders.open().filter(is_leg).map(|order| order.no).collect()
    }

    /// A flat position has no protection.
    pub(super) fn clear_protection(&mut self, slot: Slot) {
        if self.account.position(slot).side.is_none() {
            self.drop_protection(slot);
        }
    }

    /// What protected a position ends with it, also where an order turned it round.
    pub(super) fn drop_protection(&mut self, slot: Slot) {
        for no in self.legs(slot) {
            self.end(no, Status::Deactivated, "CancelByTpSlTsClear", "EC_NoError");
        }
        let now = self.now;
        let held = self.account.position_mut(slot, now);
        held.protection = Protection::default();
        (held.trailing, held.trailing_from, held.trailing_best) = (None, None, None);
    }

    /// Moves trailing stops along and closes where the market came back by their distance.
    pub(super) fn trail(&mut self, symbol: Symbol) {
        let Some(last) = self.price_by(symbol, TriggerBy::Last) else { return };
        for slot in self.account.slots(symbol) {
            let position = self.account.position(slot);
            let (Some(side), Some(distance)) = (position.side, position.trailing) else { continue };
            let beyond = |price: Price, than: Price| if side == Side::Buy { price >= than } else { price <= than };
            if position.trailing_best.is_none() && position.trailing_from.is_some_and(|from| !beyond(last, from)) {
                continue;
            }
            let best = position.trailing_best.map_or(last, |best| if beyond(last, best) { last } else { best });
            self.account.position_mut(slot, self.now).trailing_best = Some(best);
            if (best.raw() - last.raw()).abs() >= distance.raw() && !beyond(last, best) {
                self.close_foreign(slot, "CreateByTrailingStop");
            }
        }
    }
}
