//! The real gate, asked by a test that stands in for the engine: armed, and with limits wide enough for a long run.
#![allow(dead_code)] // each test file uses its part

use std::collections::VecDeque;

use tickdeck::engine::account::Account;
use tickdeck::engine::control::Control;
use tickdeck::engine::desk::Desk;
use tickdeck::engine::effect::{NewOrder, Protection, Purpose, TimeInForce};
use tickdeck::engine::ids::{OrderSeq, Symbol};
use tickdeck::engine::market::instrument::Instrument;
use tickdeck::engine::num::{Money, Price, Qty, Side};
use tickdeck::engine::orders::Orders;
use tickdeck::engine::outside::Outside;
use tickdeck::engine::risk::gate::{Approved, GateView, approve_opening, approve_reducing};
use tickdeck::engine::risk::limits::{LimitKey, RiskLimits};
use tickdeck::engine::risk::state::Arming;
use tickdeck::engine::risk::verdict::Denial;
use tickdeck::engine::settings::{Protect, Settings};
use tickdeck::engine::time::{Span, Ts};

/// Everything the gate looks at.
pub struct Gate {
    pub desks: Vec<Desk>,
    instruments: Vec<Instrument>,
    pub account: Account,
    pub orders: Orders,
    control: Control,
    settings: Settings,
    limits: RiskLimits,
}

/// Limits that some ten thousand dollars pass.
fn wide() -> RiskLimits {
    let wide = [
        (LimitKey::MaxGrossNotional, 40_000),
        (LimitKey::MaxNetNotional, 40_000),
        (LimitKey::MaxPositionNotional, 20_000),
        (LimitKey::MaxOrderNotional, 3_000),
        (LimitKey::MaxOpenOrders, 60),
        (LimitKey::MaxSlippageBps, 200),
        (LimitKey::MaxLeverage, 5),
    ];
    let unit = 1_000_000_000;
    wide.iter().fold(RiskLimits::default(), |limits, (key, value)| limits.with(*key, value * unit).unwrap())
}

impl Gate {
    pub fn new(instruments: Vec<Instrument>, balance: Money) -> Self {
        let armed = Arming::Armed { since: Ts(0), until: Ts(i64::MAX) };
        let protect = Protect { required: false, ..Settings::default().protect };
        Self {
            instruments: instruments.clone(),
            desks: instruments.into_iter().zip(0..).map(|(rules, at)| Desk::new(Symbol(at), rules, &[])).collect(),
            account: Account::new(balance, &[], true),
            orders: Orders::default(),
            control: Control { arming: armed, reconciled: true, ..Control::default() },
            settings: Settings { protect, ..Settings::default() },
            limits: wide(),
        }
    }

    /// An order as the engine would decide it. Its number is taken whether it passes or not.
    pub fn draft(
        &mut self,
        at: Ts,
        (symbol, side): (Symbol, Side),
        qty: Qty,
        price: Price,
        tif: TimeInForce,
        reduce_only: bool,
    ) -> NewOrder {
        let purpose = if reduce_only { Purpose::Exit } else { Purpose::Entry };
        let seq: OrderSeq = self.orders.next_seq();
        NewOrder {
            seq,
            symbol,
            side,
            qty,
            price,
            tif,
            reduce_only,
            purpose,
            protection: Protection::default(),
            decided: at,
        }
    }

    /// What the gate says.
    pub fn approve(&self, at: Ts, order: NewOrder) -> Result<Approved<NewOrder>, Option<Denial>> {
        if order.reduce_only {
            return approve_reducing(order, &self.account.holding(order.symbol)).ok_or(None);
        }
        let view = GateView {
            at,
            control: &self.control,
            settings: &self.settings,
            limits: &self.limits,
            desks: &self.desks,
            instruments: &self.instruments,
            account: &self.account,
            orders: &self.orders,
            sent: &VecDeque::new(),
            outside: &Outside::default(),
            equity: Some(self.account.balance()),
            day_loss: Money::ZERO,
            feed_age: Some(Span(0)),
        };
        approve_opening(order, &view).map_err(Some)
    }
}

/// Numbers from a seed: splitmix64.
pub struct Draws(pub u64);

impl Draws {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
    pub fn side(&mut self) -> Side {
        if self.coin() { Side::Buy } else { Side::Sell }
    }
}
