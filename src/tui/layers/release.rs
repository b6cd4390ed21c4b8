//! Release a position to the person, adopt it back, or close it as theirs. Palette commands; all ask.

use super::dialog::{Dialog, Tone};
use super::flatten::position_line;
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::Symbol;
use crate::engine::num::Side;
use crate::engine::snapshot::PositionRow;
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

/// What is to become of the position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// It becomes the person's.
    Release,
    /// It is managed again.
    Adopt,
    /// The person's position is closed.
    Close,
}

/// The question.
pub struct Released {
    symbol: Symbol,
    name: String,
    choice: Choice,
}

impl Released {
    /// About this instrument's position.
    pub const fn new(symbol: Symbol, name: String, choice: Choice) -> Self {
        Self { symbol, name, choice }
    }
    /// May it still be chosen? Releasing needs a position of ours, the others one of the person.
    fn fits(&self, row: &PositionRow) -> bool {
        row.released == (self.choice != Choice::Release)
    }
    const fn command(&self) -> Command {
        match self.choice {
            Choice::Release => Command::Release(self.symbol),
            Choice::Adopt => Command::Adopt(self.symbol),
            Choice::Close => Command::CloseReleased(self.symbol),
        }
    }
}

impl Layer for Released {
    fn name(&self) -> &'static str {
        match self.choice {
            Choice::Release => "release",
            Choice::Adopt => "adopt",
            Choice::Close => "close-released",
        }
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let row = ctx.snapshot.positions.iter().find(|p| p.symbol == self.symbol);
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if row.is_none_or(|row| !self.fits(row)) => {
                let word = if self.choice == Choice::Close { "close" } else { self.name() };
                Outcome::CloseAndSay(format!("{}: nothing to {word} any more", self.name))
            }
            Code::Char('y') => Outcome::Done(Request::Command(self.command())),
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let (title, foot) = match self.choice {
            Choice::Release => (format!("RELEASE {}", self.name), "y it is mine   Esc keep it managed"),
            Choice::Adopt => (format!("ADOPT {}", self.name), "y manage it again   Esc leave it to me"),
            Choice::Close => (format!("CLOSE {}, WHICH IS YOURS", self.name), "y close it   Esc leave it open"),
        };
        let mut dialog = Dialog::new(title).grave().foot(foot);
        let row = ctx.snapshot.positions.iter().find(|p| p.symbol == self.symbol);
        if let Some(row) = row {
            dialog.row(position_line(row, ctx.snapshot), Tone::Bright);
        }
        dialog.gap();
        match self.choice {
            Choice::Adopt => {
                dialog.say("Stop, take profit, holding time and the strategy's exit apply to it again, at once.");
            }
            Choice::Release => {
                dialog.say("tickdeck shows it and never touches it again: no stop, no exit, not even with a kill.");
            }
            Choice::Close => {
                let side = if row.is_some_and(|row| row.side == Side::Buy) { "SELL" } else { "BUY" };
                dialog.say(format!("One order: {side} all of it at market, reduce-only. It can open nothing."));
                dialog.say("What it leaves stays yours, and nothing is repeated by itself.");
            }
        }
        dialog
    }
}
