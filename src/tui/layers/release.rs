//! Release a position to the person, or adopt it back. Palette commands; both ask.

use super::dialog::{Dialog, Tone};
use super::flatten::position_line;
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::Symbol;
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

/// The question.
pub struct Release {
    symbol: Symbol,
    name: String,
    adopt: bool,
}

impl Release {
    /// Release this instrument's position, or adopt it.
    pub const fn new(symbol: Symbol, name: String, adopt: bool) -> Self {
        Self { symbol, name, adopt }
    }
}

impl Layer for Release {
    fn name(&self) -> &'static str {
        if self.adopt { "adopt" } else { "release" }
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let row = ctx.snapshot.positions.iter().find(|p| p.symbol == self.symbol);
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if row.is_none_or(|p| p.released != self.adopt) => {
                Outcome::CloseAndSay(format!("{}: nothing to {} any more", self.name, self.name()))
            }
            Code::Char('y') => Outcome::Done(Request::Command(if self.adopt {
                Command::Adopt(self.symbol)
            } else {
                Command::Release(self.symbol)
            })),
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let (title, foot) = if self.adopt {
            (format!("ADOPT {}", self.name), "y manage it again   Esc leave it to me")
        } else {
            (format!("RELEASE {}", self.name), "y it is mine   Esc keep it managed")
        };
        let mut dialog = Dialog::new(title).grave().foot(foot);
        for row in ctx.snapshot.positions.iter().filter(|p| p.symbol == self.symbol) {
            dialog.row(position_line(row, ctx.snapshot), Tone::Bright);
        }
        dialog.gap();
        if self.adopt {
            dialog.say("Stop, take profit, holding time and the strategy's exit apply to it again, at once.");
        } else {
            dialog.say("tickdeck shows it and never touches it again: no stop, no exit, not even with a kill.");
        }
        dialog
    }
}
