//! An order whose id another order at the exchange has counts as over, by choice. Palette command; it shows the evidence and asks.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::OrderSeq;
use crate::tui::keymap::{Code, Key};
use crate::tui::layers::details::order_line;
use crate::tui::link::Request;

/// The question.
pub struct Settle {
    order: OrderSeq,
}

impl Settle {
    /// About this order.
    pub const fn new(order: OrderSeq) -> Self {
        Self { order }
    }
}

impl Layer for Settle {
    fn name(&self) -> &'static str {
        "settle-order"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let contested = ctx.snapshot.orders.iter().any(|row| row.order == self.order && row.contested);
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if !contested => Outcome::CloseAndSay("its outcome is known by now".to_owned()),
            Code::Char('y') => Outcome::Done(Request::Command(Command::Settle(self.order))),
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("SETTLE AN ORDER BY HAND").grave().foot("y it is over   Esc go on asking");
        dialog.row(order_line(self.order, ctx.snapshot), Tone::Bright);
        if let Some(row) = ctx.snapshot.orders.iter().find(|row| row.order == self.order) {
            dialog.row(format!("evidence: {}", row.reason), Tone::Warn);
        }
        dialog.gap();
        dialog.say(
            "Nobody can know from here whether ours was ever accepted. Look at the exchange: orders, history, trades.",
        );
        dialog.say("Settled, it counts as over: no exposure, no open order. The ledger keeps that you said so.");
        dialog.say("Should it turn up all the same, its trades are booked and the rest of it is cancelled.");
        dialog
    }
}
