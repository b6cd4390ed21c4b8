//! `c` on a protective order: cancelling it takes protection away, so it asks.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::OrderSeq;
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

/// The question.
pub struct CancelProtective {
    order: OrderSeq,
    what: String,
}

impl CancelProtective {
    /// For this order, described as it was shown.
    pub const fn new(order: OrderSeq, what: String) -> Self {
        Self { order, what }
    }
}

impl Layer for CancelProtective {
    fn name(&self) -> &'static str {
        "cancel-protective"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let works = ctx.snapshot.orders.iter().any(|o| o.order == self.order && o.working);
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if !works => Outcome::CloseAndSay("that order has ended".to_owned()),
            Code::Char('y') => Outcome::Done(Request::Command(Command::Cancel(self.order))),
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, _ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("CANCEL A PROTECTIVE ORDER").grave().foot("y cancel it   Esc keep it");
        dialog.row(self.what.clone(), Tone::Bright);
        dialog.gap();
        dialog
            .say("Its position loses this protection at the venue: while tickdeck, this machine or its line is down,");
        dialog.say(
            "nothing closes it there. It is not set again for this position: NO STOP (yours), until it is flat or",
        );
        dialog.say("tickdeck is started anew.");
        dialog
    }
}
