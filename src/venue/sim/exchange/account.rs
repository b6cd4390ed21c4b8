//! Money: positions, margin, fees, funding, liquidation.

use std::collections::{BTreeMap, VecDeque};

use super::Exchange;
use super::model::{ExecKind, Execution, News, Order, Position, Refusal, Slot, Status, Transfer};
use crate::engine::ids::Symbol;
use crate::engine::num::{Money, Price, Qty, Rate, Side, UNIT};
use crate::engine::time::{Span, Ts};

/// Fee of a taker: 5.5 basis points.
pub const TAKER_FEE: Rate = Rate::from_raw(550_000);
/// Fee of a maker: 2 basis points.
pub const MAKER_FEE: Rate = Rate::from_raw(200_000);
/// Leverage of a new account.
const LEVERAGE: Rate = Rate::from_raw(10 * UNIT);
/// Money is counted in 1e-8, as the venue counts it.
const CENT: i128 = 10_000_000_000;
/// Executions that are kept.
const EXECUTIONS_MAX: usize = 50_000;
/// Lines of the transaction log that are kept.
const LOG_MAX: usize = 10_000;

/// The unified account.
#[derive(Debug)]
pub struct Account {
    /// Number of the user.
    pub uid: u64,
    /// USDT in the wallet.
    pub balance: Money,
    /// Realised ever.
    pub realised: Money,
    /// Positions by name; flat ones are there once they were looked at.
    pub positions: BTreeMap<Slot, Position>,
    /// Instruments in hedge mode.
    pub hedged: Vec<Symbol>,
    /// Re-price limit orders outside the band (true) or refuse them (false).
    pub reprices: bool,
    /// `marginMode`. Margin itself is always reckoned as in cross margin.
    pub margin_mode: &'static str,
    /// Newest last.
    pub log: VecDeque<Transfer>,
}

/// What the account amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Wallet and open profit.
    pub equity: Money,
    /// Open profit at the mark.
    pub upl: Money,
    /// Initial margin of positions.
    pub position_im: Money,
    /// Initial margin of orders.
    pub order_im: Money,
    /// Maintenance margin of positions.
    pub position_mm: Money,
}

impl Sums {
    /// What new orders may use.
    pub fn available(&self) -> Money {
        (self.equity - self.position_im - self.order_im).max(Money::ZERO)
    }
}

impl Account {
    pub(super) const fn new(uid: u64, balance: Money) -> Self {
        Self {
            uid,
            balance,
            realised: Money::ZERO,
            positions: BTreeMap::new(),
            hedged: Vec::new(),
            reprices: true,
            margin_mode: "REGULAR_MARGIN",
            log: VecDeque::new(),
        }
    }

    /// The position of this name, flat when it was never traded.
    pub fn position(&self, slot: Slot) -> Position {
        self.positions.get(&slot).cloned().unwrap_or_else(|| Position::flat(slot, LEVERAGE, Ts(0)))
    }

    pub(super) fn position_mut(&mut self, slot: Slot, now: Ts) -> &mut Position {
        self.positions.entry(slot).or_insert_with(|| Position::flat(slot, LEVERAGE, now))
    }

    /// Names of the positions that an instrument has in its mode.
    pub fn slots(&self, symbol: Symbol) -> Vec<Slot> {
        let indices: &[u8] = if self.hedged.contains(&symbol) { &[1, 2] } else { &[0] };
        indices.iter().map(|idx| Slot { symbol, idx: *idx }).collect()
    }

    fn write(&mut self, id: String, execution: Option<Execution>, change: Money, at: Ts) {
        let size = execution.as_ref().map_or(Qty::ZERO, |e| self.position(e.slot).size);
        if self.log.len() >= LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(Transfer { id, execution, change, balance: self.balance, size, at });
    }
}

/// What one fill says.
pub(super) struct Fill {
    pub price: Price,
    pub qty: Qty,
    pub maker: bool,
    pub kind: ExecKind,
}

impl Exchange {
    /// Books a fill of `order` (whose cumulative figures already count it): position, fee, log, news.
    pub(super) fn book_fill(&mut self, order: &mut Order, fill: &Fill) {
        let (slot, side, now) = (order.ask.slot, order.ask.side, self.now);
        let rate = if fill.maker { MAKER_FEE } else { TAKER_FEE };
        let fee = cents_up((fill.price * fill.qty).times(rate));
        let seq = self.market_of(slot.symbol).map_or(0, |m| m.seq);
        let mark = self.mark_of(slot.symbol).unwrap_or(fill.price);
        let position = self.account.position_mut(slot, now);
        let (closed, pnl) = position.trade(side, fill.price, fill.qty, now);
        position.cur_realised += pnl - fee;
        position.cum_realised += pnl - fee;
        position.seq = seq as i64;
        order.cum_fee += fee;
        order.closed_pnl += pnl;
        let execution = Execution {
            id: self.ids.uuid(),
            kind: fill.kind,
            slot,
            order_id: order.id.clone(),
            link: order.ask.link.clone(),
            side,
            order_kind: Some(order.ask.kind),
            order_price: order.price,
            order_qty: order.ask.qty,
            leaves: order.leaves(),
            create_type: order.create_type,
            stop_type: order.stop_type,
            price: fill.price,
            qty: fill.qty,
            fee,
            rate,
            maker: fill.maker,
            closed,
            pnl,
            mark,
            at: now,
            seq,
        };
        self.pay(execution, pnl - fee);
    }

    fn pay(&mut self, execution: Execution, change: Money) {
        self.account.balance += change;
        self.account.realised += change;
        let id = format!("{}_{}", self.account.uid, execution.id);
        self.account.write(id, Some(execution.clone()), change, execution.at);
        if self.executions.len() >= EXECUTIONS_MAX {
            self.executions.pop_front();
        }
        self.executions.push_back(execution.clone());
        self.news.push(News::Execution(Box::new(execution)));
        self.news.push(News::Wallet);
    }

    /// Gives or takes money; what is not there is not taken.
    pub fn deposit(&mut self, amount: Money) {
        let amount = amount.max(-self.account.balance);
        self.account.balance += amount;
        let id = self.ids.uuid();
        self.account.write(id, None, amount, self.now);
        self.news.push(News::Wallet);
    }

    /// What the account amounts to at the mark.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums {
            equity: self.account.balance,
            upl: Money::ZERO,
            position_im: Money::ZERO,
            order_im: Money::ZERO,
            position_mm: Money::ZERO,
        };
        for position in self.account.positions.values().filter(|p| p.side.is_some()) {
            let Some(mark) = self.mark_of(position.slot.symbol) else { continue };
            sums.upl += position.profit(mark);
            let (initial, maintenance) = self.margins(position, mark);
            sums.position_im += initial;
            sums.position_mm += maintenance;
        }
        sums.equity += sums.upl;
        for (slot, value) in self.order_values() {
            sums.order_im += cents_up(value.times(self.initial_rate(slot, value)));
        }
        sums
    }

    /// Initial and maintenance margin of a position at this mark.
    pub fn margins(&self, position: &Position, mark: Price) -> (Money, Money) {
        let value = mark * position.size;
        let tier = self.rules_of(position.slot.symbol).map(|rules| rules.tier(value));
        let maintenance = tier.map_or(Money::ZERO, |tier| cents_up(value.times(tier.maintenance)));
        (cents_up(value.times(self.initial_rate(position.slot, value))), maintenance)
    }

    /// Margin rate of a value: what the leverage asks for, or the tier where that is more.
    fn initial_rate(&self, slot: Slot, value: Money) -> Rate {
        let leverage = self.account.position(slot).leverage.raw().max(1);
        let own = i128::from(UNIT) * i128::from(UNIT) / i128::from(leverage);
        let tier = self.rules_of(slot.symbol).map_or(Rate::ZERO, |rules| rules.tier(value).initial);
        tier.max(Rate::from_raw(i64::try_from(own).unwrap_or(UNIT)))
    }

    /// Value of the open orders of each position that could make it larger; the larger side counts.
    fn order_values(&self) -> BTreeMap<Slot, Money> {
        let mut sides: BTreeMap<Slot, [Money; 2]> = BTreeMap::new();
        for order in self.orders.open().filter(|o| o.is_resting() && !o.ask.reduce_only) {
            let both = sides.entry(order.ask.slot).or_default();
            both[usize::from(order.ask.side == Side::Sell)] += order.price * order.leaves();
        }
        sides.into_iter().map(|(slot, [buys, sells])| (slot, buys.max(sells))).collect()
    }

    /// Refuses an order whose margin is not there. What only closes needs none.
    pub(super) fn afford(&self, slot: Slot, side: Side, price: Price, qty: Qty) -> Result<(), Refusal> {
        let position = self.account.position(slot);
        let closes = if position.side == Some(side.opposite()) { position.size } else { Qty::ZERO };
        let value = price * qty.saturating_sub(closes);
        let held = if position.side == Some(side) { position.cost } else { Money::ZERO };
        let Some(rules) = self.rules_of(slot.symbol) else { return Ok(()) };
        let tier = rules.tier(held + value);
        if tier.initial > Rate::from_raw(UNIT)
            || held + value > rules.tiers.last().map_or(Money::MAX, |t| t.max_notional)
        {
            return Err(Refusal::new(110_090, "your position may exceed the max limit, please reduce your leverage"));
        }
        let needed = value.times(self.initial_rate(slot, held + value)) + value.times(TAKER_FEE);
        if needed > self.sums().available() {
            return Err(Refusal::new(110_007, "ab not enough for new order"));
        }
        Ok(())
    }

    /// Estimated liquidation price of a position: where equity meets maintenance, everything else standing still.
    pub fn liquidation_price(&self, position: &Position) -> Option<Price> {
        let (side, mark) = (position.side?, self.mark_of(position.slot.symbol)?);
        let sums = self.sums();
        let room = (sums.equity - sums.position_mm).max(Money::ZERO);
        let per_unit = i64::try_from(room.raw() / i128::from(position.size.raw().max(1))).ok()?;
        let raw = mark.raw().checked_sub(side.sign().checked_mul(per_unit)?)?;
        let price = self.rules_of(position.slot.symbol)?.tick_down(Price::from_raw(raw));
        (price > Price::ZERO).then_some(price)
    }

    /// Settles funding where it is due.
    pub(super) fn settle_funding(&mut self) {
        for index in 0..self.markets.len() {
            let symbol = Symbol(index as u16);
            let Some(market) = self.markets.get_mut(index) else { continue };
            let interval = Span::from_secs(i64::from(market.rules.funding_interval_s));
            if interval.0 <= 0 {
                continue;
            }
            if market.next_funding == Ts(0) {
                market.next_funding = self.now.floor_to(interval) + interval;
            }
            if self.now < market.next_funding {
                continue;
            }
            market.next_funding = self.now.floor_to(interval) + interval;
            self.settle(symbol);
        }
    }

    /// Settles funding of one instrument now.
    pub fn settle(&mut self, symbol: Symbol) {
        let now = self.now;
        let Some(market) = self.markets.get_mut(symbol.index()) else { return };
        let (rate, seq) = (market.funding_rate, market.seq);
        market.fundings.push_back((now, rate));
        let Some(mark) = market.mark.or(market.last) else { return };
        let name = market.rules.name.clone();
        let slots: Vec<Slot> = self.account.slots(symbol);
        for slot in slots {
            let position = self.account.position(slot);
            let Some(side) = position.side else { continue };
            let paid = (mark * position.size).times(rate);
            let fee = cents_up(if side == Side::Buy { paid } else { -paid });
            let rate = if side == Side::Buy { rate } else { -rate };
            let word = if side == Side::Buy { "Buy" } else { "Sell" };
            let execution = Execution {
                id: self.ids.uuid(),
                kind: ExecKind::Funding,
                slot,
                order_id: format!("{}-{name}-{}-{word}", now.as_ms() / 1_000, self.account.uid),
                link: String::new(),
                side,
                order_kind: None,
                order_price: Price::ZERO,
                order_qty: Qty::ZERO,
                leaves: Qty::ZERO,
                create_type: "",
                stop_type: "UNKNOWN",
                price: mark,
                qty: position.size,
                fee,
                rate,
                maker: false,
                closed: Qty::ZERO,
                pnl: Money::ZERO,
                mark,
                at: now,
                seq,
            };
            let held = self.account.position_mut(slot, now);
            held.cur_realised -= fee;
            held.cum_realised -= fee;
            self.pay(execution, -fee);
            self.tell_position(slot);
        }
    }

    /// Liquidates the account when its equity is below its maintenance margin.
    pub(super) fn liquidate_if_due(&mut self) {
        let sums = self.sums();
        if sums.position_mm > Money::ZERO && sums.equity < sums.position_mm {
            self.liquidate();
        }
    }

    /// Takes over every position at the mark: orders first, then positions.
    pub fn liquidate(&mut self) {
        let held: Vec<Position> = self.account.positions.values().filter(|p| p.side.is_some()).cloned().collect();
        for position in &held {
            self.account.position_mut(position.slot, self.now).status = "Liq";
            self.tell_position(position.slot);
        }
        for no in self.orders.open_numbers() {
            self.end(no, Status::Cancelled, "CancelAllBeforeLiq", "EC_NoError");
        }
        for position in held {
            self.take_over(&position, position.size, ("CreateByLiq", ExecKind::Bust));
            self.account.position_mut(position.slot, self.now).status = "Normal";
            self.tell_position(position.slot);
        }
        // What the account could not pay is the insurance fund's.
        self.deposit((-self.account.balance).max(Money::ZERO));
    }

    /// Auto-deleveraging takes so much of a position at the mark: the instrument's orders end first.
    pub fn deleverage(&mut self, slot: Slot, qty: Qty) {
        let position = self.account.position(slot);
        let qty = qty.min(position.size);
        if qty.is_zero() {
            return;
        }
        self.account.position_mut(slot, self.now).status = "Adl";
        self.tell_position(slot);
        for no in self.orders.open_of(slot.symbol) {
            self.end(no, Status::Cancelled, "CancelAllBeforeAdl", "EC_NoError");
        }
        self.take_over(&position, qty, ("CreateByAdl_PassThrough", ExecKind::Adl));
        self.account.position_mut(slot, self.now).status = "Normal";
        self.tell_position(slot);
    }

    /// Takes so much of a position over at the mark.
    fn take_over(&mut self, position: &Position, qty: Qty, (made_by, kind): (&'static str, ExecKind)) {
        let slot = position.slot;
        let (Some(side), Some(mark)) = (position.side, self.mark_of(slot.symbol)) else { return };
        let mut order = self.foreign(slot, side.opposite(), qty, mark, made_by);
        order.status = Status::Filled;
        order.cum_qty = qty;
        order.cum_value = mark * qty;
        self.book_fill(&mut order, &Fill { price: mark, qty, maker: false, kind });
        let now = self.now;
        if let Some(market) = self.markets.get_mut(slot.symbol.index()).filter(|_| kind == ExecKind::Bust) {
            market.liquidations.push(super::market::Liquidation { at: now, position: side, qty, price: mark });
        }
        self.tell_order(&order);
        self.orders.add(order);
        self.after_fill(slot);
    }

    pub(super) fn tell_position(&mut self, slot: Slot) {
        let position = self.account.position(slot);
        self.news.push(News::Position(Box::new(position)));
    }
}

impl Position {
    /// Takes a fill in. Returns what was closed and what it earned; a close rounds in nobody's favour: what is not
    /// released stays in the position.
    fn trade(&mut self, side: Side, price: Price, qty: Qty, now: Ts) -> (Qty, Money) {
        self.updated = now;
        let (mut closed, mut pnl) = (Qty::ZERO, Money::ZERO);
        if self.side == Some(side.opposite()) {
            closed = qty.min(self.size);
            let released =
                if closed == self.size { self.cost } else { cents_down(self.cost.portion(closed, self.size)) };
            let value = price * closed;
            pnl = if side == Side::Sell { value - released } else { released - value };
            self.size = self.size.saturating_sub(closed);
            self.cost -= released;
            if self.size.is_zero() {
                self.side = None;
                self.cost = Money::ZERO;
                self.opened = Ts(0);
            }
        }
        let opened = qty.saturating_sub(closed);
        if !opened.is_zero() {
            if self.side.is_none() {
                (self.opened, self.cur_realised) = (now, Money::ZERO);
            }
            self.side = Some(side);
            self.size += opened;
            self.cost += price * opened;
        }
        (closed, pnl)
    }
}

/// Rounded up to 1e-8: what the account pays.
pub(super) const fn cents_up(money: Money) -> Money {
    let raw = money.raw();
    let rest = raw.rem_euclid(CENT);
    Money::from_raw(if rest == 0 { raw } else { raw.saturating_add(CENT - rest) })
}

const fn cents_down(money: Money) -> Money {
    Money::from_raw(money.raw() - money.raw().rem_euclid(CENT))
}
