//! `c` on an order that is not simply ours: a protective one takes protection away, one of others is not ours to end. It asks.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::event::Reach;
use crate::engine::ids::OrderSeq;
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

/// The question.
pub struct CancelAsked {
    order: OrderSeq,
    what: String,
    /// Of somebody else, with what it can do.
    foreign: Option<Reach>,
}

impl CancelAsked {
    /// For this order, described as it was shown: a protective one, or one of others.
    pub const fn new(order: OrderSeq, what: String, foreign: Option<Reach>) -> Self {
        Self { order, what, foreign }
    }
}

impl Layer for CancelAsked {
    fn name(&self) -> &'static str {
        if self.foreign.is_some() { "cancel-foreign" } else { "cancel-protective" }
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
        let title = if self.foreign.is_some() { "CANCEL AN ORDER OF OTHERS" } else { "CANCEL A PROTECTIVE ORDER" };
        let mut dialog = Dialog::new(title).grave().foot("y cancel it   Esc keep it");
        dialog.row(self.what.clone(), Tone::Bright);
        dialog.gap();
        match self.foreign {
            None => {
                dialog.say(
                    "Its position loses this protection at the venue: while tickdeck, this machine or its line is down,",
                );
                dialog.say("nothing closes it there. It is not set again for this position: NO STOP (yours), until it is flat.");
            }
            Some(reach) => {
                dialog.say("tickdeck did not make it: you, another program or another device did.");
                dialog.say(match reach {
                    Reach::Opens => {
                        "It can OPEN a position, grow it or turn it round: nothing says that it only reduces."
                    }
                    Reach::Reduces => "It only REDUCES: without it nothing closes the position at that price.",
                    Reach::Protects => {
                        "It PROTECTS: without it nothing closes the position once that price is reached."
                    }
                });
            }
        }
        dialog
    }
}
