//! Believe a benched model again, by choice. A palette command; it asks.

use super::dialog::{Dialog, Tone};
use super::{Ctx, Layer, Outcome};
use crate::engine::command::Command;
use crate::engine::ids::ModelId;
use crate::engine::snapshot::{Snapshot, TrustRow};
use crate::tui::keymap::{Code, Key};
use crate::tui::link::Request;
use crate::tui::state::name_of;

/// The question.
pub struct Unbench {
    place: u8,
    model: String,
}

impl Unbench {
    /// About the first model that is benched; `None` where none is.
    pub fn first(snapshot: &Snapshot) -> Option<Self> {
        let row = snapshot.trust.iter().find(|row| row.record.benched.is_some())?;
        Some(Self { place: row.place, model: row.model.clone() })
    }

    fn benched<'a>(&self, snapshot: &'a Snapshot) -> impl Iterator<Item = (&'a TrustRow, &'a str)> {
        let place = self.place;
        let rows = snapshot.trust.iter().filter(move |row| row.place == place);
        rows.filter_map(|row| Some((row, row.record.benched.as_deref()?)))
    }
}

impl Layer for Unbench {
    fn name(&self) -> &'static str {
        "unbench"
    }
    fn key(&mut self, key: Key, ctx: &Ctx<'_>) -> Outcome {
        match key.code {
            Code::Char('n') => Outcome::Close,
            Code::Char('y') if !ctx.may_confirm() => Outcome::Early,
            Code::Char('y') if self.benched(ctx.snapshot).next().is_none() => {
                Outcome::CloseAndSay(format!("{}: not benched any more", self.model))
            }
            Code::Char('y') => Outcome::Done(Request::Command(Command::Unbench(ModelId(self.place)))),
            _ => Outcome::Stay,
        }
    }
    fn dialog(&self, ctx: &Ctx<'_>) -> Dialog {
        let mut dialog =
            Dialog::new(format!("BELIEVE {} AGAIN", self.model)).grave().foot("y believe it   Esc leave it benched");
        for (row, why) in self.benched(ctx.snapshot) {
            dialog.row(format!("{} {} s: {why}", name_of(ctx.snapshot, row.symbol), row.horizon_s), Tone::Warn);
        }
        dialog.gap();
        dialog.say("Its answers may open again on every instrument. What it did so far is forgotten: it is judged by what comes.");
        dialog
            .row("Left alone it comes back by itself when fifty new spans of its horizon keep the promise.", Tone::Dim);
        dialog
    }
}
