//! A shadow model becomes the one that decides. Palette command; asks, and says what happens. Only in SAFE.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::snapshot::{Snapshot, StateWord};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

/// The question.
#[derive(Default)]
pub struct Promote {
    selected: usize,
}

impl Promote {
    fn name<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a str> {
        snapshot.health.shadows.get(self.selected).map(String::as_str)
    }
}

impl Layer for Promote {
    fn name(&self) -> &'static str {
        "promote"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        let last = ctx.snapshot.health.shadows.len().saturating_sub(1);
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if ctx.snapshot.state.word != StateWord::Safe => {
                Outcome::CloseAndSay("only in SAFE: the models stay as they are".to_owned())
            }
            Code::Char('y') => match self.name(ctx.snapshot) {
                Some(name) => Outcome::Done(Request::Command(Command::Promote(name.to_owned()))),
                None => Outcome::CloseAndSay("no shadow model runs any more".to_owned()),
            },
            Code::Up | Code::Char('k') => {
                self.selected = self.selected.saturating_sub(1);
                Outcome::Stay
            }
            Code::Down | Code::Char('j') => {
                self.selected = (self.selected + 1).min(last);
                Outcome::Stay
            }
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let health = &ctx.snapshot.health;
        let name = self.name(ctx.snapshot).unwrap_or("-");
        let mut dialog =
            Dialog::new(format!("{name} DECIDES")).grave().foot("y it decides   Up Down choose   Esc as it is");
        for (place, shadow) in health.shadows.iter().enumerate() {
            let info = health.models.iter().find(|info| info.name == *shadow);
            let about = info.map_or_else(String::new, |info| format!("  {}  trained {}", info.hash, info.trained));
            let tone = if place == self.selected { Tone::Selected } else { Tone::Plain };
            dialog.row(format!("{shadow}{about}"), tone);
            for row in ctx.snapshot.signals.iter().filter(|row| row.model == *shadow) {
                dialog.row(format!("  {:>4} s  {}", row.horizon_s, row.verdict), Tone::Dim);
            }
        }
        dialog.gap();
        let names = health.models.iter().map(|info| info.name.as_str());
        let others: Vec<&str> = names.filter(|other| *other != name).collect();
        dialog.say(format!("From the next decision on entries and exits follow {name}, once armed."));
        dialog.say(format!("Asked and scored, and never acted upon: {}.", others.join(", ")));
        dialog.say("It holds until this run ends; `active` and `shadow` in [model] make it so for good.");
        dialog
    }
}
