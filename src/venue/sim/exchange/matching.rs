//! What trades when: new orders against the displayed book, resting orders against prints and against a book that
//! crosses them, conditional orders when their trigger is reached.

use super::Exchange;
use super::account::Fill;
use super::model::{ExecKind, Kind, Order, OrderNo, Slot, Status, Tif};
use crate::engine::event::Trade;
use crate::engine::ids::Symbol;
use crate::engine::market::book::Level;
use crate::engine::num::{Price, Qty, Side};

impl Exchange {
    /// Lets an accepted order act: wait for its trigger, trade, rest, or end.
    pub(super) fn admit(&mut self, order: Order) {
        if order.status == Status::Untriggered {
            self.tell_order(&order);
            self.tell_position(order.ask.slot);
            self.orders.add(order);
            return;
        }
        let no = order.no;
        self.orders.add(order);
        self.work(no, true);
    }

    /// Trades what an order may trade at once. `fresh` orders that rest are told as `New`.
    fn work(&mut self, no: OrderNo, fresh: bool) {
        let Some(order) = self.orders.get(no).cloned() else { return };
        let symbol = order.ask.slot.symbol;
        let Some(market) = self.market_of(symbol) else { return };
        let there = market.book.within(order.ask.side, order.price);
        let wanted = self.allowed(&order);
        match order.ask.tif {
            Tif::PostOnly if !there.is_zero() => {
                return self.end(no, Status::Cancelled, "UNKNOWN", "EC_PostOnlyWillTakeLiquidity");
            }
            Tif::Fok if there < wanted => {
                return self.end(no, Status::Cancelled, "UNKNOWN", "EC_CancelForNoFullFill");
            }
            _ => {}
        }
        let limit = self.liquidity(there).floor_to(market.rules.step).min(wanted);
        let taken = match self.markets.get_mut(symbol.index()) {
            Some(market) => market.book.take(order.ask.side, order.price, limit),
            None => Vec::new(),
        };
        for level in taken {
            self.print_own(&order, level);
            self.fill(no, level.price, level.qty, false);
        }
        self.settle_rest(no, fresh);
    }

    /// What partial-fill faults leave of the displayed size.
    const fn liquidity(&self, there: Qty) -> Qty {
        if self.fill_percent >= 100 {
            return there;
        }
        Qty::from_raw(there.raw() / 100 * self.fill_percent as i64)
    }

    /// What an order may still trade: a reduce-only one no more than the position.
    fn allowed(&self, order: &Order) -> Qty {
        if !order.ask.reduce_only {
            return order.leaves();
        }
        let position = self.account.position(order.ask.slot);
        let most = if position.side == Some(order.ask.side.opposite()) { position.size } else { Qty::ZERO };
        order.leaves().min(most)
    }

    /// After an order traded what it could: rest it or end it.
    fn settle_rest(&mut self, no: OrderNo, fresh: bool) {
        let Some(order) = self.orders.get(no).cloned() else { return };
        if !order.is_resting() {
            return;
        }
        if self.allowed(&order).is_zero() {
            return self.end(no, Status::Cancelled, "CancelByReduceOnly", "EC_NoError");
        }
        if matches!(order.ask.tif, Tif::Ioc | Tif::Fok) {
            return self.end(no, Status::Cancelled, "UNKNOWN", "EC_NoImmediateQtyToFill");
        }
        self.queue(no);
        if fresh && order.cum_qty.is_zero() {
            self.tell_order(&order);
            self.tell_position(order.ask.slot);
        }
    }

    /// Puts an order at the back of its queue as displayed now.
    fn queue(&mut self, no: OrderNo) {
        let Some(order) = self.orders.get(no) else { return };
        let (slot, side, price) = (order.ask.slot, order.ask.side, order.price);
        let ahead = self.market_of(slot.symbol).and_then(|market| market.book.queue_at(side, price));
        if let Some(order) = self.orders.get_mut(no) {
            order.ahead = ahead;
        }
    }

    /// An amended order: told, queued again, and at work with its new price.
    pub(super) fn amended(&mut self, order: Order, requeue: bool) {
        self.tell_order(&order);
        self.tell_position(order.ask.slot);
        let no = order.no;
        self.orders.add(order);
        if requeue {
            self.work(no, false);
        }
    }

    /// A trade of ours is printed to the public like any other.
    fn print_own(&mut self, order: &Order, level: Level) {
        let trade = Trade { price: level.price, qty: level.qty, taker: order.ask.side };
        let now = self.now;
        if let Some(market) = self.markets.get_mut(order.ask.slot.symbol.index()) {
            market.seq += 1;
            market.print(now, trade, false, &mut self.ids);
        }
    }

    /// Books one fill of an order, tells it, and lets protection follow.
    pub(super) fn fill(&mut self, no: OrderNo, price: Price, qty: Qty, maker: bool) {
        let Some(mut order) = self.orders.get(no).cloned() else { return };
        let qty = qty.min(self.allowed(&order));
        if qty.is_zero() {
            return;
        }
        order.cum_qty += qty;
        order.cum_value += price * qty;
        order.updated = self.now;
        order.status = if order.cum_qty >= order.ask.qty { Status::Filled } else { Status::PartiallyFilled };
        let before = self.account.position(order.ask.slot).side;
        self.book_fill(&mut order, &Fill { price, qty, maker, kind: ExecKind::Trade });
        let after = self.account.position(order.ask.slot).side;
        if before.is_some() && after.is_some() && before != after {
            self.drop_protection(order.ask.slot);
        }
        self.tell_order(&order);
        self.orders.add(order.clone());
        self.attach(&order, qty);
        self.after_fill(order.ask.slot);
    }

    /// What follows every change of a position: it is told, protection that has nothing left to protect ends.
    pub(super) fn after_fill(&mut self, slot: Slot) {
        self.tell_position(slot);
        self.clear_protection(slot);
        self.cancel_reduce_only(slot);
    }

    /// Resting reduce-only orders that would no longer reduce are cancelled.
    fn cancel_reduce_only(&mut self, slot: Slot) {
        for no in self.orders.open_of(slot.symbol) {
            let useless = self.orders.get(no).is_some_and(|order| {
                order.ask.slot == slot
                    && order.ask.reduce_only
                    && order.is_resting()
                    && order.ask.tif != Tif::Ioc
                    && self.allowed(order).is_zero()
            });
            if useless {
                self.end(no, Status::Cancelled, "CancelByReduceOnly", "EC_NoError");
            }
        }
    }

    /// A print: orders it goes through trade up to its size; at its price only what is left after the queue before.
    pub(super) fn print_reaches(&mut self, symbol: Symbol, trade: &Trade) {
        let mut left = trade.qty;
        for no in self.resting_best_first(symbol, trade.taker.opposite()) {
            let Some(order) = self.orders.get_mut(no) else { continue };
            let through = match order.ask.side {
                Side::Buy => trade.price < order.price,
                Side::Sell => trade.price > order.price,
            };
            if !through && trade.price != order.price {
                continue;
            }
            let mut reaching = left;
            if !through {
                let Some(ahead) = order.ahead else { continue };
                order.ahead = Some(ahead.saturating_sub(reaching));
                reaching = reaching.saturating_sub(ahead);
            }
            let (price, part) = (order.price, reaching.min(order.leaves()));
            if !part.is_zero() {
                left = left.saturating_sub(part);
                self.fill(no, price, part, true);
            }
        }
    }

    /// A book change: an order whose level comes into sight stands behind all of it, and a book that crosses an order
    /// has traded with it. A displayed size that falls moves nobody up: the print that made it fall may be seen later,
    /// and counting both would fill too early.
    pub(super) fn book_reaches(&mut self, symbol: Symbol) {
        for side in [Side::Buy, Side::Sell] {
            for no in self.resting_best_first(symbol, side) {
                let (Some(order), Some(market)) = (self.orders.get(no), self.markets.get_mut(symbol.index())) else {
                    continue;
                };
                let (price, leaves) = (order.price, order.leaves());
                let ahead = order.ahead.or_else(|| market.book.queue_at(side, price));
                let crossed: Qty = market.book.take(side, price, leaves).iter().map(|level| level.qty).sum();
                if let Some(order) = self.orders.get_mut(no) {
                    order.ahead = ahead;
                }
                if !crossed.is_zero() {
                    self.fill(no, price, crossed, true);
                }
            }
        }
    }

    fn resting_best_first(&self, symbol: Symbol, side: Side) -> Vec<OrderNo> {
        let mut resting: Vec<(Price, OrderNo)> = (self.orders.open())
            .filter(|o| o.ask.slot.symbol == symbol && o.ask.side == side && o.is_resting())
            .map(|o| (o.price, o.no))
            .collect();
        resting.sort_by_key(|(price, no)| (if side == Side::Buy { -price.raw() } else { price.raw() }, *no));
        resting.into_iter().map(|(_, no)| no).collect()
    }

    /// Sets off conditional orders and trailing stops whose price is reached.
    pub(super) fn trigger(&mut self, symbol: Symbol) {
        for no in self.orders.open_of(symbol) {
            let Some(order) = self.orders.get(no) else { continue };
            let (Status::Untriggered, Some(trigger)) = (order.status, order.ask.trigger) else { continue };
            if self.price_by(symbol, trigger.by).is_some_and(|now| trigger.reached_at(now)) {
                self.set_off(no);
            }
        }
        self.trail(symbol);
    }

    /// A conditional order begins to work. What cannot be paid for is refused late (contract 8.4).
    fn set_off(&mut self, no: OrderNo) {
        let Some(mut order) = self.orders.get(no).cloned() else { return };
        let slot = order.ask.slot;
        order.updated = self.now;
        if order.ask.kind == Kind::Market {
            let edge = self.market_of(slot.symbol).and_then(super::market::Market::band);
            let Some((highest, lowest)) = edge else { return };
            order.price = if order.ask.side == Side::Buy { highest } else { lowest };
        }
        if order.ask.reduce_only {
            let position = self.account.position(slot);
            let size = if position.side == Some(order.ask.side.opposite()) { position.size } else { Qty::ZERO };
            order.ask.qty = if order.ask.qty.is_zero() || order.is_full_leg() { size } else { order.ask.qty.min(size) };
            if order.ask.qty.is_zero() {
                return self.end(no, Status::Cancelled, "CancelByReduceOnly", "EC_NoError");
            }
        } else if self.afford(slot, order.ask.side, order.price, order.ask.qty).is_err() {
            return self.end(no, Status::Rejected, "UNKNOWN", "EC_Others");
        }
        self.lose_leg(no);
        order.status = Status::New;
        let sibling = order.sibling;
        self.orders.add(order);
        if let Some(other) = sibling
            && self.orders.get(other).is_some_and(|o| o.status.is_open())
        {
            self.end(other, Status::Deactivated, "CancelByTpSlTsClear", "EC_NoError");
        }
        self.work(no, true);
    }
}
