//! The last step before anything that loosens a real account: the typed tail. Every dialog that asks for such a thing on
//! real money leads here; no other way does.

use super::arm::account_line;
use super::dialog::{Dialog, Tone};
use super::tail::{TypedTail, Typing};
use super::{Ctx, Layer, Outcome};
use crate::engine::ceremony::Ceremony;
use crate::engine::command::Command;
use crate::tui::keymap::Key;
use crate::tui::link::Request;

/// The ceremony for one command.
pub struct RealMoney {
    command: Command,
    tail: String,
    typing: TypedTail,
}

impl RealMoney {
    /// For this command on the account with this tail.
    pub const fn new(command: Command, tail: String, now_ms: i64) -> Self {
        Self { command, tail, typing: TypedTail::begin(now_ms) }
    }
}

impl Layer for RealMoney {
    fn name(&self) -> &'static str {
        "real money"
    }
    fn is_typing(&self) -> bool {
        true
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        if ctx.snapshot.session.tail.as_ref() != Some(&self.tail) {
            return Outcome::CloseAndSay("cancelled: the account has changed".to_owned());
        }
        match self.typing.key(key, ctx.now_ms) {
            Typing::On => Outcome::Stay,
            Typing::Early => Outcome::Early,
            Typing::Over(why) => Outcome::CloseAndSay(why.to_owned()),
            Typing::Entered(text) => match Ceremony::typed(&text, &self.tail) {
                Some(ceremony) => {
                    let command = Box::new(self.command.clone());
                    Outcome::Done(Request::Command(Command::Confirmed { ceremony, command }))
                }
                None => Outcome::Say(format!("that is not {}", Ceremony::phrase(&self.tail))),
            },
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("REAL MONEY").grave().foot("Enter do it   Esc leave everything as it is");
        dialog.pair("account", account_line(ctx.snapshot));
        dialog.row(what(&self.command, ctx), Tone::Danger);
        dialog.gap();
        self.typing.draw(&Ceremony::phrase(&self.tail), ctx.now_ms, &mut dialog);
        dialog
    }
}

/// The command in words.
fn what(command: &Command, ctx: &Ctx<'_>) -> String {
    let name =
        |symbol| ctx.snapshot.markets.iter().find(|row| row.symbol == symbol).map_or("?", |row| row.name.as_str());
    match command {
        Command::Arm { lasts } => format!("ARM: for {lasts} the autotrader opens positions with real money"),
        Command::Reset { .. } => "RESET: the latch is lifted; arming is a step of its own".to_owned(),
        Command::SetLimit { key, value } => {
            let (unit, value) = (key.unit().suffix(), crate::engine::risk::limits::show(*value));
            format!("LOOSEN A LIMIT: {} becomes {value}{unit}", key.name())
        }
        Command::Adopt(symbol) => format!("ADOPT {}: its exits run again and may close it", name(*symbol)),
        other => other.word().to_uppercase(),
    }
}
