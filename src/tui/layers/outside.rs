//! What others have in instruments outside the run, and what may be done about it. Palette command; asks, and says what happens.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::effect::Errand;
use crate::engine::event::Reach;
use crate::engine::snapshot::{OutsideRow, Snapshot};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;

/// The question. What is chosen is known by its name, not by its place: the list may move under the finger.
pub struct Outside {
    chosen: String,
}

impl Outside {
    /// About the first of them; `None` where there is nothing.
    pub fn first(snapshot: &Snapshot) -> Option<Self> {
        snapshot.outside.first().map(|row| Self { chosen: row.what.key() })
    }

    fn row<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a OutsideRow> {
        snapshot.outside.iter().find(|row| row.what.key() == self.chosen)
    }

    fn step(&mut self, snapshot: &Snapshot, down: bool) {
        let rows = &snapshot.outside;
        let place = rows.iter().position(|row| row.what.key() == self.chosen).unwrap_or(0);
        let next = if down { place + 1 } else { place.saturating_sub(1) };
        if let Some(row) = rows.get(next) {
            self.chosen = row.what.key();
        }
    }
}

/// What `y` asks for.
fn errand(row: &OutsideRow) -> Errand {
    let name = row.what.name.clone();
    match &row.what.order {
        Some((order, _)) => Errand::Cancel { name, order: order.clone() },
        None => Errand::Close(name),
    }
}

impl Layer for Outside {
    fn name(&self) -> &'static str {
        "outside"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') => match self.row(ctx.snapshot) {
                Some(row) if row.busy => Outcome::Say("something is being done there already".to_owned()),
                Some(row) => Outcome::Done(Request::Command(Command::Outside(errand(row)))),
                None => Outcome::CloseAndSay(format!("{}: it is not there any more", self.chosen)),
            },
            Code::Up | Code::Char('k') => {
                self.step(ctx.snapshot, false);
                Outcome::Stay
            }
            Code::Down | Code::Char('j') => {
                self.step(ctx.snapshot, true);
                Outcome::Stay
            }
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog = Dialog::new("OUTSIDE THE RUN").grave();
        for row in &ctx.snapshot.outside {
            let tone = if row.what.key() == self.chosen { Tone::Selected } else { Tone::Plain };
            let now = if row.busy { "  being ended" } else { "" };
            dialog.row(format!("{}{now}", row.what.words()), tone);
        }
        dialog.gap();
        let Some(row) = self.row(ctx.snapshot) else { return dialog.foot("Up Down choose   Esc leave it") };
        let name = &row.what.name;
        let keys = if let Some((_, reach)) = &row.what.order {
            dialog.say("tickdeck did not make it: you, another program or another device did.");
            dialog.say(match reach {
                Reach::Opens => "It can OPEN a position, grow it or turn it round.",
                Reach::Reduces | Reach::Protects => "It only REDUCES: without it nothing closes the position there.",
            });
            "y cancel this order   Up Down choose   Esc leave it"
        } else {
            dialog.say(format!(
                "y CLOSES {name} by the exchange's own books, reduce-only, and cancels every order in it."
            ));
            dialog.say("The steps come as events and into the ledger; flat is proven by two readings.");
            "y close it   Up Down choose   Esc leave it"
        };
        dialog.say(format!("To have tickdeck look after {name}: add it to `symbols`, start anew, then adopt it."));
        dialog.row(
            "Left alone it counts in gross and net exposure; no exit, stop or loss limit of tickdeck's covers it.",
            Tone::Dim,
        );
        dialog.foot(keys)
    }
}
