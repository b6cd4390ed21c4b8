//! `R`: lifts a kill or trip latch. Shows the cause; the word RESET is the ceremony.

use super::arm::account_line;
use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::risk::state::{COUNTS_ANEW, Latch};
use crate::engine::snapshot::{PositionRow, Snapshot};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;
use crate::tui::widgets::field::{Accepts, Field};
use crate::tui::widgets::figures;

const WORD: &str = "RESET";

/// Which exits of a position run again at once: while latched only its stop did.
fn resumes(row: &PositionRow, snapshot: &Snapshot) -> String {
    let decimals = snapshot.markets.iter().find(|m| m.symbol == row.symbol).map_or(9, |m| m.price_decimals);
    let target = row
        .take_profit
        .map_or("no take profit".to_owned(), |target| format!("take profit at {}", figures::price(target, decimals)));
    let longest = snapshot.state.max_hold;
    let holding = if row.age >= longest {
        format!("held {} of at most {longest}: CLOSED AT ONCE", row.age)
    } else {
        format!("closed when held for {longest} (now {})", row.age)
    };
    format!("{}: exits resume at once: {target}, the model's exit, {holding}", row.name)
}

/// The reset guard.
pub struct Reset {
    /// What the person was shown.
    latch: Latch,
    word: Field,
}

impl Reset {
    /// For this latch; another one needs another look.
    pub const fn new(latch: Latch) -> Self {
        Self { latch, word: Field::new(Accepts::Word) }
    }

    const fn reset(&self) -> Request {
        Request::Command(Command::Reset { latched: self.latch.at })
    }
}

impl Layer for Reset {
    fn name(&self) -> &'static str {
        "reset"
    }
    fn is_typing(&self) -> bool {
        true
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        match &ctx.snapshot.state.latch {
            None => return Outcome::CloseAndSay("the latch is already lifted".to_owned()),
            Some(now) if *now != self.latch => {
                return Outcome::CloseAndSay("the cause has changed: look again (R)".to_owned());
            }
            Some(_) => {}
        }
        if key.code == Code::Enter {
            return match self.word.text() {
                // Real money takes the account's tail instead, in a step of its own.
                _ if ctx.snapshot.session.tail.is_some() && ctx.may_confirm() => Outcome::Done(self.reset()),
                WORD if ctx.may_confirm() => Outcome::Done(self.reset()),
                WORD => Outcome::Early,
                _ => Outcome::Say(format!("type {WORD}, then Enter")),
            };
        }
        self.word.key(key);
        Outcome::Stay
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let word = if self.latch.is_kill() { "KILL" } else { "TRIP" };
        let mut dialog = Dialog::new(format!("RESET THE {word}")).grave().foot("Enter reset   Esc stay latched");
        dialog.pair("account", account_line(ctx.snapshot));
        dialog.pair("cause", self.latch.cause.to_string());
        dialog.pair("since", self.latch.at.to_string());
        dialog.pair("open", format!("{} positions", ctx.snapshot.positions.len()));
        dialog.gap();
        dialog.say("Lifts the latch and stays disarmed; arming is a step of its own.");
        if self.latch.cause.counts_anew() {
            dialog.row(COUNTS_ANEW, Tone::Warn);
        }
        for row in ctx.snapshot.positions.iter().filter(|row| !row.released) {
            dialog.row(resumes(row, ctx.snapshot), Tone::Warn);
        }
        dialog.gap();
        if ctx.snapshot.session.tail.is_some() {
            dialog.row("Enter goes on to the typed tail of the account", Tone::Bright);
        } else {
            dialog.row(format!("type {WORD} to go on: {}_", self.word.text()), Tone::Bright);
        }
        dialog.focus = Some(dialog.rows.len() - 1);
        dialog
    }
}
