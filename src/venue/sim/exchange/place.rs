//! Creating, amending and cancelling orders: every rule that answers at once with a code (contract 4, 8.1, 8.3, 8.6).

use super::Exchange;
use super::model::{
    Kind, Leg, NewOrder, Order, OrderNo, Protection, Refusal, Slippage, Slot, Status, Tif, TpslMode, Trigger, TriggerBy,
};
use super::orders::OrderName;
use crate::engine::ids::Symbol;
use crate::engine::num::{Price, Qty, Side};
use crate::engine::time::Ts;

/// Active orders per instrument (contract 8.13).
const ACTIVE_MAX: usize = 500;
/// Conditional orders per instrument.
const CONDITIONAL_MAX: usize = 10;
/// Characters of `orderLinkId`.
const LINK_MAX: usize = 36;

/// What an amend changes; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct Amend {
    /// New total quantity.
    pub qty: Option<Qty>,
    /// New price.
    pub price: Option<Price>,
    /// New trigger price.
    pub trigger: Option<Price>,
    /// New take profit; zero takes it away.
    pub take: Option<Price>,
    /// New stop loss; zero takes it away.
    pub stop: Option<Price>,
}

fn invalid(what: &str) -> Refusal {
    Refusal::new(10_001, format!("{what} invalid"))
}

impl Exchange {
    /// Creates an order. `Ok` means accepted for processing, no more: what became of it is in the news.
    pub fn create(&mut self, now: Ts, mut ask: NewOrder) -> Result<OrderName, Refusal> {
        self.now = self.now.max(now);
        if ask.kind == Kind::Market {
            ask.tif = Tif::Ioc;
        }
        self.check_names(&ask)?;
        // In hedge mode an order against its own side only closes.
        ask.reduce_only |= matches!((ask.slot.idx, ask.side), (1, Side::Sell) | (2, Side::Buy));
        self.check_reduce_only(&mut ask)?;
        self.check_quantity(&ask)?;
        let price = self.working_price(&ask)?;
        if ask.price.is_some() {
            ask.price = Some(price);
        }
        self.check_value(&ask, price)?;
        Self::check_protection(ask.side, price, &ask.protection)?;
        self.check_trigger(&ask)?;
        self.check_count(&ask)?;
        if !ask.reduce_only && ask.trigger.is_none() {
            self.afford(ask.slot, ask.side, price, ask.qty)?;
        }
        let mut parts = self.parts(&ask).into_iter();
        let placed = self.place(NewOrder { qty: parts.next().unwrap_or(ask.qty), ..ask.clone() }, price);
        for qty in parts {
            // Only the first of them is the client's by name [U].
            self.place(NewOrder { qty, link: String::new(), ..ask.clone() }, price);
        }
        Ok(placed)
    }

    /// A reduce-only order above the largest quantity is split into several orders (contract 0.31).
    fn parts(&self, ask: &NewOrder) -> Vec<Qty> {
        let Some(rules) = self.rules_of(ask.slot.symbol) else { return vec![ask.qty] };
        let most = if ask.kind == Kind::Market { rules.max_market_qty } else { rules.max_qty };
        let (mut left, mut parts) = (ask.qty, Vec::new());
        while left > most && !most.is_zero() {
            parts.push(most);
            left = left.saturating_sub(most);
        }
        parts.push(left);
        parts
    }

    fn place(&mut self, ask: NewOrder, price: Price) -> OrderName {
        let order = self.draft(ask, price, "CreateByUser");
        let placed = OrderName { id: order.id.clone(), link: order.ask.link.clone() };
        if self.late_rejects > 0 {
            self.late_rejects -= 1;
            let no = order.no;
            self.orders.add(order);
            self.end(no, Status::Rejected, "UNKNOWN", "EC_Others");
        } else {
            self.admit(order);
        }
        placed
    }

    fn check_names(&self, ask: &NewOrder) -> Result<(), Refusal> {
        if ask.link.chars().count() > LINK_MAX {
            return Err(Refusal::new(10_001, "order link id is longer than 45"));
        }
        if !ask.link.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(Refusal::new(10_001, "OrderLinkedID invalid"));
        }
        if !ask.link.is_empty() && self.orders.has_link(&ask.link) {
            return Err(Refusal::new(110_072, "OrderLinkedID is duplicate"));
        }
        let Some(market) = self.market_of(ask.slot.symbol) else { return Err(invalid("symbol")) };
        if market.status != "Trading" {
            return Err(Refusal::new(110_074, "This contract is not live"));
        }
        if !self.account.slots(ask.slot.symbol).contains(&ask.slot) {
            return Err(Refusal::new(10_001, "position idx not match position mode"));
        }
        Ok(())
    }

    /// A reduce-only order needs a position on the other side; a zero quantity that closes becomes all of it.
    fn check_reduce_only(&self, ask: &mut NewOrder) -> Result<(), Refusal> {
        if ask.qty.is_zero() && !(ask.reduce_only && ask.close_on_trigger) {
            return Err(invalid("Qty"));
        }
        if !ask.reduce_only || ask.trigger.is_some() && !ask.qty.is_zero() {
            return Ok(());
        }
        if ask.protection.take.is_some() || ask.protection.stop.is_some() {
            return Err(Refusal::new(10_001, "reduce-only orders cannot carry take profit or stop loss"));
        }
        let position = self.account.position(ask.slot);
        match position.side {
            None => Err(Refusal::new(110_017, "current position is zero, cannot fix reduce-only order qty")),
            Some(side) if side == ask.side => Err(Refusal::new(110_017, "Reduce-only rule not satisfied")),
            Some(_) if self.reduce_only_counts && self.reserved(ask.slot) >= position.size => {
                Err(Refusal::new(110_017, "Reduce-only rule not satisfied"))
            }
            Some(_) => {
                let most = if ask.qty.is_zero() { position.size } else { ask.qty.min(position.size) };
                ask.qty = most;
                Ok(())
            }
        }
    }

    /// What orders that rest and only reduce would take of a position.
    fn reserved(&self, slot: Slot) -> Qty {
        let resting = self.orders.open().filter(|order| order.is_resting() && order.ask.slot == slot);
        resting.filter(|order| order.ask.reduce_only).fold(Qty::ZERO, |sum, order| sum + order.leaves())
    }

    fn check_quantity(&self, ask: &NewOrder) -> Result<(), Refusal> {
        let Some(rules) = self.rules_of(ask.slot.symbol) else { return Err(invalid("symbol")) };
        if ask.qty.floor_to(rules.step) != ask.qty {
            return Err(invalid("Qty"));
        }
        if ask.qty < rules.min_qty {
            return Err(Refusal::new(10_001, "The number of contracts exceeds minimum limit allowed: too small"));
        }
        let most = if ask.kind == Kind::Market { rules.max_market_qty } else { rules.max_qty };
        // The venue scales numbers by 1e8 in this text (contract 0.37); reduce-only orders above it are split there.
        if ask.qty > most && !ask.reduce_only {
            let scaled = |qty: Qty| qty.raw() / 10;
            return Err(Refusal::new(
                10_001,
                format!(
                    "The number of contracts exceeds maximum limit allowed: too large, order_qty:{} > max_qty:{}",
                    scaled(ask.qty),
                    scaled(most)
                ),
            ));
        }
        Ok(())
    }

    /// The price an order works at: a limit inside the band (re-priced to its edge or refused), or the protective price
    /// of a market order.
    fn working_price(&self, ask: &NewOrder) -> Result<Price, Refusal> {
        let Some(market) = self.market_of(ask.slot.symbol) else { return Err(invalid("symbol")) };
        let no_liquidity = || Refusal::new(110_118, "no price for the market order: liquidity is insufficient");
        let (highest, lowest) = market.band().ok_or_else(no_liquidity)?;
        if ask.kind == Kind::Market {
            let touch = market.book.best(ask.side.opposite()).ok_or_else(no_liquidity)?;
            let edge = if ask.side == Side::Buy { highest } else { lowest };
            return Ok(ask
                .slippage
                .map_or(edge, |allowed| nearer(ask.side, edge, allowed.limit(ask.side, touch.price, market))));
        }
        let Some(price) = ask.price else { return Err(invalid("price")) };
        if price <= Price::ZERO || market.rules.tick_down(price) != price {
            return Err(Refusal::new(110_003, "price is invalid"));
        }
        let outside = match ask.side {
            Side::Buy => price > highest,
            Side::Sell => price < lowest,
        };
        match (outside && ask.trigger.is_none(), self.account.reprices, ask.side) {
            (false, ..) => Ok(price),
            (true, true, Side::Buy) => Ok(highest),
            (true, true, Side::Sell) => Ok(lowest),
            (true, false, Side::Buy) => {
                Err(Refusal::new(110_120, format!("Buy order price cannot be higher than {highest}")))
            }
            (true, false, Side::Sell) => {
                Err(Refusal::new(110_121, format!("Sell order price cannot be lower than {lowest}")))
            }
        }
    }

    fn check_value(&self, ask: &NewOrder, price: Price) -> Result<(), Refusal> {
        let least = self.rules_of(ask.slot.symbol).map(|rules| rules.min_notional).unwrap_or_default();
        if !ask.reduce_only && price * ask.qty < least {
            return Err(Refusal::new(110_094, format!("Order does not meet minimum order value {least}USDT")));
        }
        Ok(())
    }

    /// Take profit must lie beyond the price, stop loss before it.
    pub(super) fn check_protection(side: Side, base: Price, wanted: &Protection) -> Result<(), Refusal> {
        let better = |price: Price| if side == Side::Buy { price > base } else { price < base };
        let word = if side == Side::Buy { "Buy" } else { "Sell" };
        if wanted.take.is_some_and(|leg| !better(leg.price)) {
            let rule = if side == Side::Buy { "higher" } else { "lower" };
            return Err(Refusal::new(
                10_001,
                format!("TakeProfit set for {word} position should be {rule} than base_price:{base}"),
            ));
        }
        if wanted.stop.is_some_and(|leg| better(leg.price) || leg.price == base) {
            let rule = if side == Side::Buy { "lower" } else { "higher" };
            return Err(Refusal::new(
                10_001,
                format!("StopLoss set for {word} position should be {rule} than base_price:{base}"),
            ));
        }
        let limited = |leg: Option<Leg>| leg.is_some_and(|leg| leg.limit.is_some());
        if wanted.mode == TpslMode::Full && (limited(wanted.take) || limited(wanted.stop)) {
            return Err(Refusal::new(10_001, "tpOrderType and slOrderType can only be Market in Full mode"));
        }
        Ok(())
    }

    fn check_trigger(&self, ask: &NewOrder) -> Result<(), Refusal> {
        let Some(trigger) = ask.trigger else { return Ok(()) };
        let Some(now) = self.price_by(ask.slot.symbol, trigger.by) else {
            return Err(Refusal::new(110_118, "no price to compare the trigger with"));
        };
        let (code, word, sign) = if trigger.rising { (110_092, "Rising", "<=") } else { (110_093, "Falling", ">=") };
        if trigger.reached_at(now) {
            return Err(Refusal::new(
                code,
                format!("expect {word}, but trigger_price[{}] {sign} current[{now}]", trigger.price),
            ));
        }
        Ok(())
    }

    fn check_count(&self, ask: &NewOrder) -> Result<(), Refusal> {
        let open = self.orders.open().filter(|order| order.ask.slot.symbol == ask.slot.symbol);
        let (waiting, active): (Vec<&Order>, Vec<&Order>) = open.partition(|order| order.status == Status::Untriggered);
        let users = waiting.iter().filter(|order| order.stop_type == "Stop").count();
        if ask.trigger.is_some() && users >= CONDITIONAL_MAX {
            return Err(Refusal::new(110_009, "the number of stop orders exceeds maximum limit allowed"));
        }
        if ask.trigger.is_none() && active.len() >= ACTIVE_MAX {
            return Err(Refusal::new(110_020, "you cannot have more than 500 active orders"));
        }
        Ok(())
    }

    /// The price that a trigger looks at.
    pub(super) fn price_by(&self, symbol: Symbol, by: TriggerBy) -> Option<Price> {
        let market = self.market_of(symbol)?;
        match by {
            TriggerBy::Last => market.last,
            TriggerBy::Mark => market.mark,
            TriggerBy::Index => market.index,
        }
    }

    /// Number of an open order of this name.
    fn open_named(&self, symbol: Symbol, name: &OrderName, late: &str) -> Result<OrderNo, Refusal> {
        if name.id.is_empty() && name.link.is_empty() {
            return Err(Refusal::new(10_001, "params error: OrderNo or orderLinkId is required"));
        }
        let open = self.orders.find(name).filter(|o| o.status.is_open() && o.ask.slot.symbol == symbol);
        open.map(|order| order.no).ok_or_else(|| Refusal::gone(late))
    }

    /// Changes an open order. It keeps its id and goes to the back of its queue when its price changes or it grows.
    pub fn amend(&mut self, now: Ts, symbol: Symbol, name: &OrderName, change: &Amend) -> Result<OrderName, Refusal> {
        self.now = self.now.max(now);
        let no = self.open_named(symbol, name, "replace")?;
        let Some(mut order) = self.orders.get(no).cloned() else { return Err(Refusal::gone("replace")) };
        let named = OrderName { id: order.id.clone(), link: order.ask.link.clone() };
        let before = (order.price, order.ask.qty);
        if let Some(qty) = change.qty {
            order.ask.qty = qty;
            self.check_quantity(&order.ask)?;
            if qty <= order.cum_qty {
                return Err(Refusal::new(110_064, "The modified qty must exceed what was filled already"));
            }
        }
        if let Some(price) = change.price {
            order.ask.price = Some(price);
            order.price = self.working_price(&order.ask)?;
            order.ask.price = Some(order.price);
        }
        self.check_value(&order.ask, order.price)?;
        if let (Some(price), Some(trigger)) = (change.trigger, &mut order.ask.trigger) {
            trigger.price = price;
            if order.status == Status::Untriggered {
                self.check_trigger(&order.ask)?;
            }
        }
        // A child of a position's protection acknowledges a new take profit of its own and does nothing (O5).
        order.ask.protection.take = changed_leg(order.ask.protection.take, change.take);
        order.ask.protection.stop = changed_leg(order.ask.protection.stop, change.stop);
        Self::check_protection(order.ask.side, order.price, &order.ask.protection)?;
        if !order.ask.reduce_only && order.is_resting() && (order.price, order.ask.qty) != before {
            self.afford_amended(&order)?;
        }
        order.updated = self.now;
        let requeue = order.is_resting() && (order.price != before.0 || order.ask.qty > before.1);
        self.amended(order, requeue);
        Ok(named)
    }

    /// Margin of an amended order, as if the order it was were gone.
    fn afford_amended(&mut self, order: &Order) -> Result<(), Refusal> {
        let was = self.orders.get(order.no).map(|o| o.status);
        if let Some(kept) = self.orders.get_mut(order.no) {
            kept.status = Status::Cancelled;
        }
        let answer = self.afford(order.ask.slot, order.ask.side, order.price, order.leaves());
        if let (Some(kept), Some(was)) = (self.orders.get_mut(order.no), was) {
            kept.status = was;
        }
        answer
    }

    /// Cancels an open order.
    pub fn cancel(&mut self, now: Ts, symbol: Symbol, name: &OrderName) -> Result<OrderName, Refusal> {
        self.now = self.now.max(now);
        let no = self.open_named(symbol, name, "cancel")?;
        Ok(self.cancel_one(no))
    }

    /// Cancels the open orders that `wanted` picks.
    pub fn cancel_all(&mut self, now: Ts, wanted: impl Fn(&Order) -> bool) -> Vec<OrderName> {
        self.now = self.now.max(now);
        let picked: Vec<OrderNo> = self.orders.open().filter(|o| wanted(o)).map(|o| o.no).take(ACTIVE_MAX).collect();
        picked.into_iter().map(|no| self.cancel_one(no)).collect()
    }

    /// A plain cancel of a user: `CancelByUser` and `EC_PerCancelRequest` (O3). It takes the other leg of an attached
    /// pair with it (O5).
    fn cancel_one(&mut self, no: OrderNo) -> OrderName {
        let Some(order) = self.orders.get(no).cloned() else { return OrderName::default() };
        let named = OrderName { id: order.id.clone(), link: order.ask.link.clone() };
        let sibling = order.sibling;
        self.lose_leg(no);
        if order.status.is_open() {
            self.end(no, Status::Cancelled, "CancelByUser", "EC_PerCancelRequest");
        }
        if let Some(other) = sibling
            && self.orders.get(other).is_some_and(|o| o.status.is_open())
        {
            self.end(other, Status::Cancelled, "CancelByUser", "EC_PerCancelRequest");
        }
        named
    }
}

/// A leg after an amend: zero takes it away.
fn changed_leg(leg: Option<Leg>, to: Option<Price>) -> Option<Leg> {
    match to {
        None => leg,
        Some(Price::ZERO) => None,
        Some(price) => {
            let (by, limit) = leg.map_or((TriggerBy::Last, None), |leg| (leg.by, leg.limit));
            Some(Leg { price, by, limit })
        }
    }
}

/// The price nearer to the market for someone trading on `side`.
fn nearer(side: Side, one: Price, other: Price) -> Price {
    if side == Side::Buy { one.min(other) } else { one.max(other) }
}

impl Slippage {
    /// The worst price from `touch` on that is still tolerated.
    fn limit(self, side: Side, touch: Price, market: &super::market::Market) -> Price {
        let distance = match self {
            Self::Ticks(ticks) => market.rules.tick.raw().saturating_mul(ticks),
            Self::Fraction(rate) => touch.shifted(rate).raw() - touch.raw(),
        };
        let price = Price::from_raw(touch.raw().saturating_add(distance.saturating_mul(side.sign())));
        market.rules.tick_away(side, price)
    }
}

impl Trigger {
    /// Whether the trigger price lies at or behind `now`.
    pub(super) fn reached_at(&self, now: Price) -> bool {
        if self.rising { now >= self.price } else { now <= self.price }
    }
}
